/* ses_suppression.c - SES' suppression list: bounces and complaints of the one store. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "core/core.h"
#include "cursor.h"
#include "send/suppression.h"
#include "ses.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

/* BOUNCE, COMPLAINT, or NULL: SES knows no other reason. */
static const char *word(const struct suppression_entry *e)
{
    switch (e->reason) {
    case SEND_OUT_BOUNCED:
    case SEND_OUT_INVALID:
    case SEND_OUT_BY_HAND: return "BOUNCE";
    case SEND_OUT_COMPLAINED: return "COMPLAINT";
    default: return NULL;
    }
}

void ses_suppressed_put(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct slice reason = dialect_slice(json_object_get(body, "Reason"));
    struct suppression_entry entry = {.address = dialect_slice(json_object_get(body, "EmailAddress")),
                                      .evidence = SL("entered over the API of SES")};
    int e = 0;
    if (sl_eq(reason, SL("BOUNCE"))) entry.reason = SEND_OUT_BOUNCED;
    else if (sl_eq(reason, SL("COMPLAINT"))) entry.reason = SEND_OUT_COMPLAINED;
    else e = err_set(ERR_USAGE, "Reason must be BOUNCE or COMPLAINT");
    if (!e) e = suppression_add(sends_of(c), account_of(c), &entry);
    if (e) ses_failed(c, e);
    else api_json(c, 200, json_object());
    json_decref(body);
}

static json_t *told(struct slice address, const struct suppression_entry *e)
{
    return json_pack("{s:s%,s:s,s:I}", "EmailAddress", address.p, address.n, "Reason", word(e),
                     "LastUpdateTime", (json_int_t)e->since);
}

void ses_suppressed_get(struct http_call *c)
{
    struct suppression_entry *v;
    size_t n, i = 0;
    int e = suppression_get(sends_of(c), account_of(c), c->param[0], c->a, &v, &n);
    if (e) {
        ses_failed(c, e);
        return;
    }
    while (i < n && !word(&v[i])) i++;
    if (i == n) http_fail(c, 404, "The email address is not on the suppression list");
    else api_json(c, 200, json_pack("{s:o}", "SuppressedDestination", told(c->param[0], &v[i])));
}

enum { LIST_MAX = 1000 };
struct listing {
    json_t *list;
    bool bounces, complaints; /* which are asked for */
    int64_t from, to;         /* since then, until then */
    size_t page;
    struct arena *a;
    struct slice place; /* of the last one */
    bool more;
};

static int list_one(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct listing *l = arg;
    const char *reason = word(e);
    if (!reason || !e->address.n || e->since < l->from || e->since > l->to) return 0;
    if (!(*reason == 'B' ? l->bounces : l->complaints)) return 0;
    if (json_array_size(l->list) >= l->page && !sl_eq(place, l->place)) {
        l->more = true;
        return 1;
    }
    l->place = ar_dup(l->a, place);
    json_array_append_new(l->list, told(e->address, e));
    return 0;
}

/* Both, when nothing is said; Reason may come several times. */
static int reasons_of(struct http_call *c, struct listing *l)
{
    struct slice rest = c->request->query, key, value;
    while (http_query_next(c->a, &rest, &key, &value)) {
        if (!sl_eq(key, SL("Reason"))) continue;
        if (sl_eq(value, SL("BOUNCE"))) l->bounces = true;
        else if (sl_eq(value, SL("COMPLAINT"))) l->complaints = true;
        else return err_set(ERR_USAGE, "Reason must be BOUNCE or COMPLAINT");
    }
    if (!l->bounces && !l->complaints) l->bounces = l->complaints = true;
    return 0;
}

static int time_of(struct http_call *c, const char *name, int64_t *at)
{
    struct slice text = http_query(c, sl_cstr(name));
    uint64_t seconds;
    if (!text.n || civil_parse(text, at)) return 0;
    if (!num_u64(text, UINT32_MAX, &seconds)) return err_set(ERR_USAGE, "%s must be a time", name);
    *at = (int64_t)seconds;
    return 0;
}

void ses_suppressed_list(struct http_call *c)
{
    struct slice after = SL("");
    struct listing l = {.list = json_array(), .to = INT64_MAX, .a = c->a};
    int e = cursor_read(c, "suppressed", "NextToken", &after);
    if (e) {
        ses_error_as(c, 400, "InvalidNextTokenException", err_text(e));
        json_decref(l.list);
        return;
    }
    e = ses_page(c, LIST_MAX, &l.page);
    if (!e) e = reasons_of(c, &l);
    if (!e) e = time_of(c, "StartDate", &l.from);
    if (!e) e = time_of(c, "EndDate", &l.to);
    if (!e) e = suppression_each(sends_of(c), account_of(c), after, list_one, &l);
    if (e < 0) {
        json_decref(l.list);
        ses_failed(c, e);
        return;
    }
    json_t *v = json_pack("{s:o}", "SuppressedDestinationSummaries", l.list);
    struct slice next = cursor_make(c, "suppressed", l.place);
    if (l.more) json_object_set_new(v, "NextToken", json_stringn(next.p, next.n));
    api_json(c, 200, v);
}

void ses_suppressed_delete(struct http_call *c)
{
    static const enum send_reason reasons[] = {SEND_OUT_BOUNCED, SEND_OUT_INVALID, SEND_OUT_COMPLAINED,
                                               SEND_OUT_BY_HAND};
    size_t n, all = 0;
    int e = 0;
    for (size_t i = 0; !e && i < COUNT_OF(reasons); i++) {
        e = suppression_remove(sends_of(c), account_of(c), c->param[0], reasons[i], 0, &n);
        all += n;
    }
    if (e) ses_failed(c, e);
    else if (!all) http_fail(c, 404, "The email address is not on the suppression list");
    else api_json(c, 200, json_object());
}
