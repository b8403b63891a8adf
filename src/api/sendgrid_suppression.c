/* sendgrid_suppression.c - SendGrid's five lists, each a reason of the one store: /v3/suppression/..., and
 * the global unsubscribes of /v3/asm/suppressions/global. */
#include "base/log.h"
#include "base/text.h"
#include "core/core.h"
#include "rt/rt.h"
#include "send/suppression.h"
#include "sendgrid.h"

enum { LIST_MAX = 500, EMAILS_MAX = 1000 };

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

/* A list by its word in the path. Bounces are also the addresses that a receiver refused because nobody has
 * them: of these its reply is kept. Blocks are refusals for now of a receiver, which suppress nobody here:
 * the list is what was entered by hand. */
static const struct list {
    const char *word;
    enum send_reason reason;
} lists[] = {{"bounces", SEND_OUT_BOUNCED},
             {"blocks", SEND_OUT_BY_HAND},
             {"invalid_emails", SEND_OUT_INVALID},
             {"spam_reports", SEND_OUT_COMPLAINED},
             {"unsubscribes", SEND_OUT_UNSUBSCRIBED}};

static const struct list *list_of(struct http_call *c)
{
    struct slice rest = c->request->path, part;
    for (int i = 0; i < 4; i++) (void)!sl_next(&rest, '/', &part); /* "", "v3", "suppression", the list */
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (sl_eq(part, sl_cstr(lists[i].word))) return &lists[i];
    return &lists[4]; /* asm/suppressions/global */
}

static bool all_digits(struct slice s)
{
    bool all = s.n > 0;
    for (size_t i = 0; i < s.n; i++) all = all && is_digit(s.p[i]);
    return all;
}

/* "550 5.1.1 ...", "5.1.1 ...": is it a receiver's refusal? Its enhanced code (RFC 3463), or empty. */
static bool is_refusal(struct slice evidence, struct slice *status)
{
    struct slice rest = evidence, word, part;
    *status = SL("");
    if (!sl_next(&rest, ' ', &word)) return false;
    bool code = word.n == 3 && word.p[0] == '5' && all_digits(word);
    if (code && !sl_next(&rest, ' ', &word)) return true;
    struct slice dots = word;
    int n = 0;
    while (sl_next(&dots, '.', &part) && all_digits(part) && part.n <= 3) n++;
    if (n == 3 && word.p[0] == '5' && sl_chr(dots, '.') == SL_NONE) *status = word;
    return code || status->n;
}

/* On which of the lists it is. */
static enum send_reason listed_as(const struct suppression_entry *e)
{
    struct slice status;
    bool refused = e->reason == SEND_OUT_INVALID && is_refusal(e->evidence, &status);
    return refused ? SEND_OUT_BOUNCED : e->reason;
}

static json_t *entry_json(const struct suppression_entry *e)
{
    json_t *v = json_pack("{s:I,s:s%}", "created", (json_int_t)e->since, "email", e->address.p, e->address.n);
    if (e->reason == SEND_OUT_UNSUBSCRIBED) return v;
    if (e->reason == SEND_OUT_COMPLAINED) {
        json_object_set_new(v, "ip", json_string(""));
        return v;
    }
    json_object_set_new(v, "reason", json_stringn(e->evidence.p ? e->evidence.p : "", e->evidence.n));
    struct slice status;
    (void)is_refusal(e->evidence, &status);
    if (listed_as(e) != SEND_OUT_INVALID) json_object_set_new(v, "status", json_stringn(status.p, status.n));
    return v;
}

/* ---- listing ---- */

struct listing {
    json_t *out;
    enum send_reason reason;
    int64_t from, to;
    uint64_t limit, offset;
    struct slice email; /* this one alone; or empty */
};

static int list_one(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct listing *l = arg;
    (void)place;
    if (l->email.n && !sl_eqi(e->address, l->email)) return 0;
    if (listed_as(e) != l->reason || !e->address.n || e->since < l->from || (l->to && e->since > l->to))
        return 0;
    if (l->offset) {
        l->offset--;
        return 0;
    }
    json_array_append_new(l->out, entry_json(e));
    return json_array_size(l->out) >= l->limit;
}

void sendgrid_suppressed_list(struct http_call *c)
{
    struct listing l = {.reason = list_of(c)->reason, .email = http_query(c, SL("email"))};
    uint64_t from, to;
    if (!sendgrid_number(c, "start_time", 0, INT64_MAX, &from) ||
        !sendgrid_number(c, "end_time", 0, INT64_MAX, &to) ||
        !sendgrid_number(c, "limit", LIST_MAX, LIST_MAX, &l.limit) ||
        !sendgrid_number(c, "offset", 0, INT64_MAX, &l.offset))
        return;
    l.from = (int64_t)from, l.to = (int64_t)to;
    l.out = json_array();
    int e = l.limit ? suppression_each(sends_of(c), account_of(c), SL(""), list_one, &l) : 0;
    if (e >= 0) {
        api_json(c, 200, l.out);
        return;
    }
    json_decref(l.out);
    api_failed(c, e);
}

/* One address: as a list of one or none, as SendGrid has it. */
void sendgrid_suppressed_get(struct http_call *c)
{
    struct suppression_entry *v;
    size_t n;
    json_t *out = json_array();
    int e = suppression_get(sends_of(c), account_of(c), c->param[0], c->a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (listed_as(&v[i]) == list_of(c)->reason) json_array_append_new(out, entry_json(&v[i]));
    if (!e) {
        api_json(c, 200, out);
        return;
    }
    json_decref(out);
    api_failed(c, e);
}

/* ---- removing ---- */

static int remove_one(struct http_call *c, struct slice address, enum send_reason list, size_t *n)
{
    struct suppression_entry *v;
    size_t entries, gone;
    *n = 0;
    int e = suppression_get(sends_of(c), account_of(c), address, c->a, &v, &entries);
    for (size_t i = 0; !e && i < entries; i++) {
        if (listed_as(&v[i]) != list) continue;
        e = suppression_remove(sends_of(c), account_of(c), address, v[i].reason, 0, &gone);
        *n += gone;
    }
    return e;
}

void sendgrid_suppressed_delete(struct http_call *c)
{
    size_t n;
    int e = remove_one(c, c->param[0], list_of(c)->reason, &n);
    if (e) api_failed(c, e);
    else if (!n) http_fail(c, 404, "the address is not on this list");
    else http_answer(c, 204, NULL, SL(""));
}

struct gathering {
    struct arena *a;
    enum send_reason reason;
    struct slice v[EMAILS_MAX];
    size_t n;
};

static int gather(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct gathering *g = arg;
    (void)place;
    if (listed_as(e) == g->reason && e->address.n) g->v[g->n++] = ar_dup(g->a, e->address);
    return g->n == EMAILS_MAX;
}

/* All of a list, some at a time. */
static int remove_all(struct http_call *c, enum send_reason reason)
{
    struct gathering *g = ar_new(c->a, struct gathering);
    int e;
    do {
        size_t n;
        *g = (struct gathering){.a = c->a, .reason = reason};
        e = suppression_each(sends_of(c), account_of(c), SL(""), gather, g);
        for (size_t i = 0; i < g->n && e >= 0; i++) e = remove_one(c, g->v[i], reason, &n);
    } while (e >= 0 && g->n == EMAILS_MAX);
    return e < 0 ? e : 0;
}

/* {"delete_all": true} or {"emails": [...]}. */
void sendgrid_suppressed_delete_some(struct http_call *c)
{
    json_t *body = api_body(c), *one;
    if (!body) return;
    json_t *emails = json_object_get(body, "emails");
    bool all;
    size_t i, n;
    int e = api_member_bool(body, "delete_all", &all);
    json_array_foreach(emails, i, one)
        if (!e && !json_is_string(one)) e = err_set(ERR_USAGE, "emails must be a list of strings");
    if (!e && all == (json_array_size(emails) > 0))
        e = err_set(ERR_USAGE, "either delete_all or a list of emails is needed");
    if (!e && all) e = remove_all(c, list_of(c)->reason);
    json_array_foreach(emails, i, one)
        if (!e) e = remove_one(c, dialect_slice(one), list_of(c)->reason, &n);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
    json_decref(body);
}

/* ---- adding: global unsubscribes ---- */

int sendgrid_suppress(struct http_call *c, const json_t *body, enum send_reason reason, uint32_t group)
{
    json_t *emails = json_object_get(body, "recipient_emails"), *one;
    struct suppression_ask ask = {.account = account_of(c)};
    enum send_reason ignored;
    size_t i;
    int e = json_array_size(emails) && json_array_size(emails) <= EMAILS_MAX
                ? 0
                : err_set(ERR_USAGE, "recipient_emails must be a list of 1 to %d addresses", EMAILS_MAX);
    json_array_foreach(emails, i, one) /* all are judged before the first is entered */
    {
        ask.address = dialect_slice(one);
        if (!e) e = suppression_judge(sends_of(c), &ask, &ignored);
    }
    json_array_foreach(emails, i, one) {
        struct suppression_entry entry = {.address = dialect_slice(one),
                                          .reason = reason,
                                          .group = group,
                                          .evidence = SL("entered over the API of SendGrid")};
        if (!e) e = suppression_add(sends_of(c), account_of(c), &entry);
    }
    return e;
}

void sendgrid_unsubscribe_all(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    int e = sendgrid_suppress(c, body, SEND_OUT_UNSUBSCRIBED, 0);
    if (e) api_failed(c, e);
    else api_json(c, 201, json_pack("{s:O}", "recipient_emails", json_object_get(body, "recipient_emails")));
    json_decref(body);
}

/* Is the address on the list? An empty object when it is not. */
void sendgrid_unsubscribed_get(struct http_call *c)
{
    struct suppression_entry *v;
    size_t n;
    bool found = false;
    int e = suppression_get(sends_of(c), account_of(c), c->param[0], c->a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) found = found || v[i].reason == SEND_OUT_UNSUBSCRIBED;
    if (e) api_failed(c, e);
    else
        api_json(c, 200,
                 found ? json_pack("{s:s%}", "recipient_email", c->param[0].p, c->param[0].n)
                       : json_object());
}
