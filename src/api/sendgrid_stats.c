/* sendgrid_stats.c - /v3/stats, /v3/categories/stats, /v3/categories/stats/sums, /v3/categories,
 * /v3/user/webhooks/parse/stats. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "core/core.h"
#include "send/numbers.h"
#include "sendgrid.h"

enum { CATEGORIES_MAX = 10, NAMES = 50, SUMS = 5, LIMIT_MAX = 1000 };

/* ---- the question ---- */

static int refuse(struct http_call *c, const char *field, const char *sentence)
{
    json_t *errors = json_array();
    sendgrid_error_at(errors, field, sentence);
    sendgrid_refuse(c, 400, errors);
    return ERR_USAGE;
}

/* Dates and periods; what is wrong is answered. */
static int read_ask(struct http_call *c, struct numbers_ask *ask)
{
    int64_t ignored;
    struct slice from = http_query(c, SL("start_date")), to = http_query(c, SL("end_date")),
                 each = http_query(c, SL("aggregated_by"));
    *ask = (struct numbers_ask){.account = sl_cstr(c->key.account->id)};
    if (!from.n) return refuse(c, "start_date", "start_date is required");
    if (!numbers_day_named(from, &ignored)) return refuse(c, "start_date", "invalid date format");
    if (to.n && !numbers_day_named(to, &ignored)) return refuse(c, "end_date", "invalid date format");
    if (each.n && (!numbers_each_named(each, &ask->each) || ask->each == NUMBERS_WHOLE))
        return refuse(c, "aggregated_by", "aggregated_by must be day, week or month");
    int e = numbers_days(ask, from, to);
    return e ? refuse(c, "start_date", err_text(e)) : 0;
}

/* Which of what is found are told; what is wrong is answered. */
static bool read_page(struct http_call *c, uint64_t otherwise, uint64_t *skip, uint64_t *most)
{
    return sendgrid_number(c, "offset", 0, INT64_MAX, skip) &&
           sendgrid_number(c, "limit", otherwise, INT64_MAX, most);
}

/* ---- the answer ---- */

/* A refusal of what we are or sent, and not of the address. */
static bool is_block(enum reply_class c)
{
    return c == REPLY_POLICY || c == REPLY_AUTH || c == REPLY_REPUTATION || c == REPLY_CONTENT ||
           c == REPLY_RATE || c == REPLY_TLS || c == REPLY_DNS || c == REPLY_RELAY;
}

static json_t *metrics(const struct numbers *n)
{
    uint64_t blocks = 0, bounces = 0;
    for (int c = 0; c < REPLY_NCLASSES; c++)
        *(is_block((enum reply_class)c) ? &blocks : &bounces) += n->bounced[c];
    const struct {
        const char *name;
        uint64_t v;
    } all[] = {{"blocks", blocks},
               {"bounce_drops", n->dropped[SEND_OUT_BOUNCED]},
               {"bounces", bounces},
               {"clicks", n->n[NUMBER_CLICKS]},
               {"deferred", n->n[NUMBER_DEFERRED]},
               {"delivered", n->n[NUMBER_DELIVERED]},
               {"invalid_emails", n->dropped[SEND_OUT_INVALID]},
               {"opens", n->n[NUMBER_OPENS]},
               {"processed", n->n[NUMBER_PROCESSED]},
               {"requests", n->n[NUMBER_ACCEPTED]},
               {"spam_report_drops", n->dropped[SEND_OUT_COMPLAINED]},
               {"spam_reports", n->n[NUMBER_COMPLAINTS]},
               {"unique_clicks", n->n[NUMBER_CLICKED]},
               {"unique_opens", n->n[NUMBER_OPENED]},
               {"unsubscribe_drops", n->dropped[SEND_OUT_UNSUBSCRIBED] + n->dropped[SEND_OUT_LEFT_GROUP]},
               {"unsubscribes", n->n[NUMBER_UNSUBSCRIBED]}};
    json_t *o = json_object();
    for (size_t i = 0; i < COUNT_OF(all); i++)
        json_object_set_new(o, all[i].name, json_integer((json_int_t)all[i].v));
    return o;
}

static json_t *received(const struct numbers *n)
{
    return json_pack("{s:I}", "received", (json_int_t)n->received);
}

static json_t *one_stat(struct slice category, json_t *metrics)
{
    json_t *o = json_pack("{s:o}", "metrics", metrics);
    if (!category.p) return o;
    json_object_set_new(o, "name", json_stringn(category.p, category.n));
    json_object_set_new(o, "type", json_string("category"));
    return o;
}

/* Periods of the ask, each with what `names` have in it (n 0: all mail); those without are told as zeros. */
struct periods {
    const struct numbers_ask *ask;
    struct slice *name;
    struct numbers_row **row; /* of each name: its rows by day */
    size_t *nrow;
    size_t n;
    json_t *(*metrics)(const struct numbers *n);
};

static json_t *one_period(const struct periods *p, int64_t day, struct arena *a)
{
    static const struct numbers none;
    json_t *stats = json_array();
    for (size_t i = 0; i < p->n; i++) {
        const struct numbers *n = &none;
        for (size_t k = 0; k < p->nrow[i]; k++)
            if (p->row[i][k].day == day) n = &p->row[i][k].n;
        json_array_append_new(stats, one_stat(p->name[i], p->metrics(n)));
    }
    struct slice date = numbers_day_text(day, a);
    return json_pack("{s:s%,s:o}", "date", date.p, date.n, "stats", stats);
}

static void answer_periods(struct http_call *c, const struct periods *p)
{
    uint64_t skip, most;
    int64_t last = -1;
    if (!read_page(c, NUMBERS_KEEP_DAYS, &skip, &most)) return;
    json_t *all = json_array();
    for (int64_t day = p->ask->from; day <= p->ask->to && json_array_size(all) < most; day++) {
        int64_t first = numbers_period(p->ask, day);
        if (first == last) continue;
        last = first;
        if (skip) skip--;
        else json_array_append_new(all, one_period(p, first, c->a));
    }
    api_json(c, 200, all);
}

static void answer_all(struct http_call *c, json_t *(*told)(const struct numbers *n))
{
    struct numbers_ask ask;
    struct numbers_row *row;
    struct slice all = {0};
    size_t n;
    if (read_ask(c, &ask) != 0) return;
    int e = numbers_table(api_of(c)->core->sends, &ask, c->a, &row, &n);
    if (e) api_failed(c, e);
    else answer_periods(c, &(struct periods){&ask, &all, &row, &n, 1, told});
}

void sendgrid_stats(struct http_call *c) { answer_all(c, metrics); }
void sendgrid_parse_stats(struct http_call *c) { answer_all(c, received); }

void sendgrid_category_stats(struct http_call *c)
{
    struct numbers_ask ask;
    struct slice names[CATEGORIES_MAX], name, value, rest = c->request->query;
    struct numbers_row *row[CATEGORIES_MAX];
    size_t nrow[CATEGORIES_MAX], n = 0;
    int e = 0;
    if (read_ask(c, &ask) != 0) return;
    while (http_query_next(c->a, &rest, &name, &value)) {
        if (!sl_eq(name, SL("categories")) || !value.n) continue;
        if (n == CATEGORIES_MAX) {
            (void)refuse(c, "categories", "no more than 10 categories may be asked for");
            return;
        }
        names[n++] = value;
    }
    if (!n) {
        (void)refuse(c, "categories", "categories is required");
        return;
    }
    ask.by = NUMBERS_BY_CATEGORY;
    for (size_t i = 0; !e && i < n; i++) {
        ask.name = names[i];
        e = numbers_table(api_of(c)->core->sends, &ask, c->a, &row[i], &nrow[i]);
    }
    if (e) api_failed(c, e);
    else answer_periods(c, &(struct periods){&ask, names, row, nrow, n, metrics});
}

/* ---- sums ---- */

struct sum {
    struct slice name;
    const struct numbers *n;
    json_int_t key;
};

static int most_first(const void *x, const void *y)
{
    const struct sum *a = x, *b = y;
    return a->key == b->key ? sl_cmp(a->name, b->name) : a->key < b->key ? 1 : -1;
}

static int least_first(const void *x, const void *y)
{
    const struct sum *a = x, *b = y;
    return a->key == b->key ? sl_cmp(a->name, b->name) : a->key < b->key ? -1 : 1;
}

/* By the metric that is asked for. False: there is none of that name. */
static bool sort_sums(struct http_call *c, struct sum *v, size_t n)
{
    static const struct numbers none;
    struct slice by = http_query(c, SL("sort_by_metric"));
    char *name = ar_cstr(c->a, by.n ? by : SL("delivered"));
    json_t *known = metrics(&none);
    bool good = json_object_get(known, name) != NULL;
    json_decref(known);
    for (size_t i = 0; good && i < n; i++) {
        json_t *m = metrics(v[i].n);
        v[i].key = json_integer_value(json_object_get(m, name));
        json_decref(m);
    }
    bool up = sl_eq(http_query(c, SL("sort_by_direction")), SL("asc"));
    if (n) qsort(v, n, sizeof *v, up ? least_first : most_first);
    return good;
}

void sendgrid_category_sums(struct http_call *c)
{
    struct numbers_ask ask;
    struct numbers_row *row;
    size_t n, kept = 0;
    uint64_t skip, most;
    if (!read_page(c, SUMS, &skip, &most) || read_ask(c, &ask) != 0) return;
    ask.by = NUMBERS_BY_CATEGORY, ask.each = NUMBERS_WHOLE;
    int e = numbers_table(api_of(c)->core->sends, &ask, c->a, &row, &n);
    if (e) {
        api_failed(c, e);
        return;
    }
    struct sum *v = ar_array(c->a, struct sum, n);
    for (size_t i = 0; i < n; i++)
        if (row[i].name.n) v[kept++] = (struct sum){row[i].name, &row[i].n, 0};
    if (!sort_sums(c, v, kept)) {
        (void)refuse(c, "sort_by_metric", "invalid sort metric");
        return;
    }
    json_t *stats = json_array();
    for (size_t i = skip < kept ? (size_t)skip : kept; i < kept && json_array_size(stats) < most; i++)
        json_array_append_new(stats, one_stat(v[i].name, metrics(v[i].n)));
    struct slice date = numbers_day_text(ask.from, c->a);
    api_json(c, 200, json_pack("{s:s%,s:o}", "date", date.p, date.n, "stats", stats));
}

/* ---- names ---- */

void sendgrid_categories(struct http_call *c)
{
    struct numbers_ask ask = {.account = sl_cstr(c->key.account->id), .by = NUMBERS_BY_CATEGORY};
    struct slice *names, prefix = http_query(c, SL("category"));
    size_t n;
    uint64_t skip, most;
    if (!read_page(c, NAMES, &skip, &most)) return;
    json_t *all = json_array();
    int e = numbers_days(&ask, SL("1970-01-01"), SL("")); /* as far back as is known */
    if (!e) e = numbers_names(api_of(c)->core->sends, &ask, c->a, &names, &n);
    for (size_t i = 0; !e && i < n && json_array_size(all) < most && most <= LIMIT_MAX; i++) {
        if (!sl_starts(names[i], prefix)) continue;
        if (skip) skip--;
        else json_array_append_new(all, json_pack("{s:s%}", "category", names[i].p, names[i].n));
    }
    if (!e) {
        api_json(c, 200, all);
        return;
    }
    json_decref(all);
    api_failed(c, e);
}
