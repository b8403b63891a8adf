/* mailjet_messages.c - /v3/REST/message, messagehistory and messageinformation: what became of a message, by
 * the number that its sending was answered with. */
#include <string.h>

#include "base/civil.h"
#include "base/text.h"
#include "core/core.h"
#include "mailjet.h"
#include "send/event.h"
#include "store/store.h"
#include "trace/trace.h"

static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

/* Mailjet's words; what is further on hides what was before. */
const char *mailjet_status(const struct send_info *i)
{
    const struct {
        bool is;
        const char *word;
    } words[] = {{i->complained, "spam"},
                 {i->unsubscribed, "unsub"},
                 {i->clicked, "clicked"},
                 {i->opened, "opened"},
                 {i->delivered, "sent"},
                 {i->bounced || i->late, "bounce"},
                 {i->dropped || i->failed, "blocked"},
                 {i->deferred, "deferred"}};
    for (size_t k = 0; k < COUNT_OF(words); k++)
        if (words[k].is) return words[k].word;
    return "queued";
}

static void failed(struct http_call *c, int e)
{
    http_fail(c, http_status_of(e), "%s", e == ERR_NOT_FOUND ? "Object not found" : err_text(e));
}

static int find(struct http_call *c, struct send_info *out)
{
    struct sends *sends = api_of(c)->core->sends;
    struct letter_id id;
    uint64_t number;
    if (!num_u64(c->param[0], INT64_MAX, &number)) return ERR_NOT_FOUND;
    int e = send_numbered(sends, sl_cstr(c->key.account->id), number, &id);
    return e ? e : send_show(sends, &id, c->a, out);
}

/* Who it is for, and what it is about, is told where it is known (f). There are no contacts, and campaigns
 * have names here. */
json_t *mailjet_message_json(const struct send_info *i, const struct send_first *f, bool with_custom)
{
    char at[CIVIL_TEXT_MAX];
    struct letter_id letter;
    send_letter_id(&i->id, 0, &letter);
    bool leaves = i->stream == STREAM_BULK && !(i->options & SEND_NO_UNSUBSCRIBE);
    json_t *v =
        json_pack("{s:I,s:s,s:s,s:s,s:o,s:i,s:o,s:i,s:o,s:b,s:b,s:b}", "ID", (json_int_t)send_number(&i->id),
                  "UUID", letter.s, "ArrivedAt", civil_format(i->taken, at), "Status", mailjet_status(i),
                  "Campaign", text(i->campaign), "CampaignID", 0, "ContactAlt", text(f->address), "ContactID",
                  0, "Subject", text(f->subject), "IsClickTracked", (i->options & SEND_TRACK_CLICKS) != 0,
                  "IsOpenTracked", (i->options & SEND_TRACK_OPENS) != 0, "IsUnsubTracked", leaves);
    if (with_custom) json_object_set_new(v, "CustomID", text(f->custom));
    return v;
}

json_t *mailjet_information_json(const struct send_info *i)
{
    char at[CIVIL_TEXT_MAX], end[CIVIL_TEXT_MAX] = "";
    if (i->over) civil_format(i->over, end);
    return json_pack("{s:I,s:i,s:I,s:i,s:s,s:i,s:I,s:I,s:s,s:I,s:{},s:i}", "ID",
                     (json_int_t)send_number(&i->id), "CampaignID", 0, "ClickTrackedCount",
                     (json_int_t)i->clicked, "ContactID", 0, "CreatedAt", civil_format(i->taken, at),
                     "MessageSize", 0, "OpenTrackedCount", (json_int_t)i->opened, "QueuedCount",
                     (json_int_t)i->waiting, "SendEndAt", end, "SentCount", (json_int_t)i->delivered,
                     "SpamAssassinRules", "SpamAssassinScore", 0);
}

static void one_told(struct http_call *c, json_t *v)
{
    mailjet_told(c, &(struct mailjet_page){0}, json_pack("[o]", v), 1);
}

void mailjet_message_get(struct http_call *c)
{
    struct send_info i;
    struct send_first f;
    int e = find(c, &i);
    if (!e) e = send_show_first(api_of(c)->core->sends, &i.id, c->a, &f);
    if (e) failed(c, e);
    else one_told(c, mailjet_message_json(&i, &f, true));
}

void mailjet_message_information(struct http_call *c)
{
    struct send_info i;
    int e = find(c, &i);
    if (e) failed(c, e);
    else one_told(c, mailjet_information_json(&i));
}

/* Or NULL: nothing that Mailjet has a word for. */
static const char *word_of(enum trace_kind kind)
{
    switch (kind) {
    case TRACE_QUEUED: return "queued";
    case TRACE_DELIVERED:
    case TRACE_RELAYED: return "sent";
    case TRACE_DEFERED: return "deferred";
    case TRACE_BOUNCED: return "bounced";
    case TRACE_DROPPED: return "blocked";
    default: return NULL;
    }
}

static void put(json_t *list, const char *word, uint64_t us, struct slice comment)
{
    json_array_append_new(list, json_pack("{s:s,s:I,s:o,s:s,s:s}", "EventType", word, "EventAt",
                                          (json_int_t)(us / 1000000), "Comment", text(comment), "State", "",
                                          "Useragent", ""));
}

/* Of recipients whose letter never came into the queue there is no trace, but an event, made when it would
 * have come: not long after it was taken. */
static int put_outside(struct http_call *c, const struct send_info *i, json_t *list)
{
    enum { LOOKED = 20 }; /* pages of events */
    struct slice account = sl_cstr(c->key.account->id);
    struct arena a = {0};
    uint64_t after = i->events;
    size_t n = EVENT_READ_MAX;
    int e = 0;
    for (int looked = 0; !e && n == EVENT_READ_MAX && looked < LOOKED; looked++) {
        struct event *v;
        ar_reset(&a);
        e = event_read(api_of(c)->core->sends, account, after, EVENT_READ_MAX, &a, &v, &n);
        for (size_t k = 0; !e && k < n; k++) {
            after = v[k].id;
            if (!v[k].outside || strcmp(v[k].send.s, i->id.s)) continue;
            struct slice why = v[k].reply.n ? v[k].reply : sl_cstr(send_reason_word(v[k].reason));
            put(list, v[k].kind == EVENT_BOUNCED ? "bounced" : "blocked", v[k].at, why);
        }
        if (i->over && (int64_t)(after / 1000000) > i->over) break;
    }
    ar_free(&a);
    return e;
}

static int put_traced(struct http_call *c, const struct send_info *i, json_t *list)
{
    struct letter_id letter;
    struct trace_event *ev;
    size_t n;
    send_letter_id(&i->id, 0, &letter);
    int e = trace_read(api_of(c)->core->store->trace, &letter, c->a, &ev, &n);
    if (e) return e == ERR_NOT_FOUND ? 0 : e; /* not in the queue: not yet, or never */
    for (size_t k = 0; k < n; k++)
        if (word_of(ev[k].kind)) put(list, word_of(ev[k].kind), (uint64_t)ev[k].time, ev[k].sentence);
    return 0;
}

void mailjet_message_history(struct http_call *c)
{
    struct send_info i;
    json_t *list = json_array();
    int e = find(c, &i);
    if (!e && i.dropped + i.failed + i.bounced) e = put_outside(c, &i, list);
    if (!e) e = put_traced(c, &i, list);
    if (!e) {
        mailjet_told(c, &(struct mailjet_page){0}, list, json_array_size(list));
        return;
    }
    json_decref(list);
    failed(c, e);
}
