/* events.c - GET /v1/events, /v1/suppressions: what became of an account's recipients, and who gets nothing.
 */
#include "send/event.h"

#include <stdlib.h>

#include "api_i.h"
#include "base/text.h"
#include "core/core.h"
#include "cursor.h"
#include "send/suppression.h"

enum { EVENTS_DEFAULT = 500, LIST_MAX = 10000 };

static json_t *json_text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }
static void put(json_t *o, const char *name, struct slice s)
{
    if (s.n) json_object_set_new(o, name, json_text(s));
}

static json_t *event_json(struct arena *a, const struct event *e)
{
    json_t *o =
        json_pack("{s:o,s:s,s:I,s:o}", "id", json_text(event_id_text(e->id, a)), "event", event_word(e->kind),
                  "time", (json_int_t)(e->at / 1000000), "email", json_text(e->address));
    put(o, "send", sl_cstr(e->send.s));
    put(o, "message", sl_cstr(e->letter.s));
    put(o, "reason", sl_cstr(send_reason_word(e->reason)));
    put(o, "reply", e->reply);
    put(o, "status", e->enhanced);
    put(o, "class", e->class);
    put(o, "host", e->host);
    put(o, "url", e->url);
    put(o, "agent", e->agent);
    put(o, "ip", e->ip);
    if (e->machine) json_object_set_new(o, "machine", json_true());
    if (e->code) json_object_set_new(o, "code", json_integer(e->code));
    if (e->attempts) json_object_set_new(o, "attempts", json_integer(e->attempts));
    if (e->until && e->kind == EVENT_DEFERRED) json_object_set_new(o, "until", json_integer(e->until));
    if (e->group) json_object_set_new(o, "group", json_integer(e->group));
    return o;
}

/* ?after=ID&limit=N: events in order; next is the place to go on from. */
void api_events(struct http_call *c)
{
    struct slice from = http_query(c, SL("after")), most = http_query(c, SL("limit"));
    uint64_t after = 0, limit = EVENTS_DEFAULT;
    struct event *v;
    size_t n;
    if ((from.n && !num_hex64(from, &after)) ||
        (most.n && (!num_u64(most, EVENT_READ_MAX, &limit) || !limit))) {
        http_fail(c, 400, "after must be the id of an event, limit a number from 1 to %d", EVENT_READ_MAX);
        return;
    }
    if (after > event_newest(api_of(c)->core->sends)) {
        http_fail(c, 400,
                  "after is behind every event that there is: this server did not give it, or gave it before "
                  "its store came from a backup");
        return;
    }
    int e = event_read(api_of(c)->core->sends, sl_cstr(c->key.account->id), after, limit, c->a, &v, &n);
    if (e) {
        api_failed(c, e);
        return;
    }
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(all, event_json(c->a, &v[i]));
    struct slice next = event_id_text(n ? v[n - 1].id : after, c->a);
    api_json(c, 200, json_pack("{s:o,s:o,s:b}", "events", all, "next", json_text(next), "more", n == limit));
}

/* ---- suppressions ---- */

struct listing {
    json_t *all;
    struct arena *a;
    struct slice next;
    size_t limit;
};

static json_t *entry_json(const struct suppression_entry *e)
{
    json_t *o = json_pack("{s:o,s:s,s:I}", "email", json_text(e->address), "reason",
                          send_reason_word(e->reason), "since", (json_int_t)e->since);
    if (e->group) json_object_set_new(o, "group", json_integer(e->group));
    if (e->expires) json_object_set_new(o, "expires", json_integer(e->expires));
    put(o, "evidence", e->evidence);
    put(o, "message", e->letter);
    return o;
}

static int list_entry(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct listing *l = arg;
    bool full = json_array_size(l->all) >= l->limit;
    if (full && !sl_eq(place, l->next)) return 1; /* those of one address stay together */
    l->next = ar_dup(l->a, place);
    json_array_append_new(l->all, entry_json(e));
    return 0;
}

void api_suppressions_list(struct http_call *c)
{
    struct listing l = {json_array(), c->a, SL(""), 1000};
    struct slice after;
    int e = cursor_read(c, "suppressions", "after", &after);
    if (!e) e = suppression_each(api_of(c)->core->sends, sl_cstr(c->key.account->id), after, list_entry, &l);
    struct slice last = l.next.n ? l.next : after;
    struct slice next = last.n ? cursor_make(c, "suppressions", last) : SL("");
    json_t *v = json_pack("{s:o,s:o,s:b}", "suppressions", l.all, "next", json_text(next), "more", e == 1);
    if (e >= 0) {
        api_json(c, 200, v);
        return;
    }
    json_decref(v);
    api_failed(c, e);
}

static int read_entry(const json_t *o, struct suppression_entry *out)
{
    struct slice word = SL("");
    json_t *group = json_object_get(o, "group");
    *out = (struct suppression_entry){.reason = SEND_OUT_BY_HAND};
    int e = api_member_text(o, "email", &out->address);
    if (!e && !out->address.n) e = err_set(ERR_USAGE, "email must be an address");
    if (!e) e = api_member_text(o, "reason", &word);
    if (!e) e = api_member_text(o, "evidence", &out->evidence);
    if (!e && word.n && !send_reason_named(word, &out->reason))
        e = err_set(ERR_USAGE, "reason is none of the words that are known");
    if (e) return e;
    json_int_t n = json_integer_value(group);
    if (group && (!json_is_integer(group) || n < 0 || n > UINT32_MAX))
        return err_set(ERR_USAGE, "group must be the number of a group");
    out->group = (uint32_t)n;
    if (!out->evidence.n) out->evidence = SL("over the API");
    return 0;
}

void api_suppressions_add(struct http_call *c)
{
    struct suppression_entry entry;
    json_t *o = api_body(c);
    if (!o) return;
    int e = read_entry(o, &entry);
    if (!e) e = suppression_add(api_of(c)->core->sends, sl_cstr(c->key.account->id), &entry);
    json_decref(o);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

void api_suppressions_remove(struct http_call *c)
{
    size_t n;
    int e = suppression_remove(api_of(c)->core->sends, sl_cstr(c->key.account->id), c->param[0],
                               SEND_OUT_NONE, 0, &n);
    if (!e && !n) e = err_set(ERR_NOT_FOUND, "the address is not suppressed");
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}
