/* sendgrid_figures.c - figures beside /v3/stats: bounces by classification, and letters that came in and were
 * handed over. */
#include <stdlib.h>

#include "base/log.h"
#include "core/core.h"
#include "send/classification.h"
#include "send/numbers.h"
#include "sendgrid.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }

/* ---- /v3/suppression/bounces/classifications ---- */

static uint64_t bounces_as(const struct numbers *n, enum classification k)
{
    uint64_t all = 0;
    for (int c = 0; c < REPLY_NCLASSES; c++)
        if (classification_of((enum reply_class)c) == k) all += n->bounced[c];
    return all;
}

struct counted {
    const char *key; /* "classification", "domain" */
    struct slice name;
    uint64_t n;
};

static int most_first(const void *x, const void *y)
{
    const struct counted *a = x, *b = y;
    return a->n == b->n ? sl_cmp(a->name, b->name) : a->n < b->n ? 1 : -1;
}

/* A day with what it has, the most frequent first. */
static void add_day(struct http_call *c, json_t *result, int64_t day, struct counted *v, size_t n)
{
    struct slice date = numbers_day_text(day, c->a);
    json_t *stats = json_array();
    if (!n) {
        json_decref(stats);
        return;
    }
    qsort(v, n, sizeof *v, most_first);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            stats, json_pack("{s:s%,s:I}", v[i].key, v[i].name.p, v[i].name.n, "count", (json_int_t)v[i].n));
    json_array_append_new(result, json_pack("{s:s%,s:o}", "date", date.p, date.n, "stats", stats));
}

static int ask(struct http_call *c, struct numbers_ask *a, struct numbers_row **row, size_t *n)
{
    a->account = sl_cstr(c->key.account->id);
    int e = numbers_days(a, http_query(c, SL("start_date")), http_query(c, SL("end_date")));
    return e ? e : numbers_table(sends_of(c), a, c->a, row, n);
}

static void answered(struct http_call *c, int e, json_t *result)
{
    if (e) api_failed(c, e);
    else api_json(c, 200, json_pack("{s:O}", "result", result));
    json_decref(result);
}

void sendgrid_bounce_classes(struct http_call *c)
{
    struct numbers_ask a = {.by = NUMBERS_BY_ALL};
    struct numbers_row *row;
    size_t n = 0;
    json_t *result = json_array();
    int e = ask(c, &a, &row, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct counted v[CLASSIFICATION_COUNT];
        size_t kept = 0;
        for (int k = 0; k < CLASSIFICATION_COUNT; k++) {
            uint64_t many = bounces_as(&row[i].n, (enum classification)k);
            if (many)
                v[kept++] = (struct counted){"classification",
                                             sl_cstr(classification_word((enum classification)k)), many};
        }
        add_day(c, result, row[i].day, v, kept);
    }
    answered(c, e, result);
}

/* By the domains that were written to. */
void sendgrid_bounce_class(struct http_call *c)
{
    struct numbers_ask a = {.by = NUMBERS_BY_DOMAIN};
    struct numbers_row *row;
    enum classification k;
    size_t n = 0;
    if (!classification_named(c->param[0], &k)) {
        http_fail(c, 400,
                  "the classification must be one of Content, Frequency or Volume Too High, Invalid Address, "
                  "Mailbox Unavailable, Reputation, Technical Failure, Unclassified");
        return;
    }
    json_t *result = json_array();
    int e = ask(c, &a, &row, &n);
    struct counted *v = ar_array(c->a, struct counted, e ? 0 : n);
    for (size_t i = 0, kept = 0; !e && i < n; i++) { /* by day, then by name */
        uint64_t many = bounces_as(&row[i].n, k);
        if (many && row[i].name.n) v[kept++] = (struct counted){"domain", row[i].name, many};
        if (i + 1 < n && row[i + 1].day == row[i].day) continue;
        add_day(c, result, row[i].day, v, kept);
        kept = 0;
    }
    answered(c, e, result);
}
