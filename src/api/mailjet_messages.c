/* mailjet_messages.c - /v3/REST/message, messagehistory and messageinformation: what became of a message, by
 * the number that its sending was answered with. */
#include "base/civil.h"
#include "base/text.h"
#include "core/core.h"
#include "mailjet.h"
#include "store/store.h"
#include "trace/trace.h"

static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

/* Mailjet's words; what is further on hides what was before. */
static const char *status_of(const struct send_info *i)
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

static void told(struct http_call *c, json_t *list)
{
    json_int_t n = (json_int_t)json_array_size(list);
    api_json(c, 200, json_pack("{s:I,s:o,s:I}", "Count", n, "Data", list, "Total", n));
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

void mailjet_message_get(struct http_call *c)
{
    struct send_info i;
    char at[CIVIL_TEXT_MAX];
    int e = find(c, &i);
    if (e) {
        failed(c, e);
        return;
    }
    struct letter_id letter;
    send_letter_id(&i.id, 0, &letter);
    told(c, json_pack("[{s:I,s:s,s:s,s:s,s:o}]", "ID", (json_int_t)send_number(&i.id), "UUID", letter.s,
                      "ArrivedAt", civil_format(i.taken, at), "Status", status_of(&i), "Campaign",
                      text(i.campaign)));
}

void mailjet_message_information(struct http_call *c)
{
    struct send_info i;
    char at[CIVIL_TEXT_MAX], end[CIVIL_TEXT_MAX] = "";
    int e = find(c, &i);
    if (e) {
        failed(c, e);
        return;
    }
    if (i.over) civil_format(i.over, end);
    told(c, json_pack("[{s:I,s:i,s:I,s:i,s:s,s:i,s:I,s:I,s:s,s:I,s:{},s:i}]", "ID",
                      (json_int_t)send_number(&i.id), "CampaignID", 0, "ClickTrackedCount",
                      (json_int_t)i.clicked, "ContactID", 0, "CreatedAt", civil_format(i.taken, at),
                      "MessageSize", 0, "OpenTrackedCount", (json_int_t)i.opened, "QueuedCount",
                      (json_int_t)i.waiting, "SendEndAt", end, "SentCount", (json_int_t)i.delivered,
                      "SpamAssassinRules", "SpamAssassinScore", 0));
}

/* Or NULL: nothing that Mailjet has a word for. */
static const char *word_of(enum trace_kind kind)
{
    switch (kind) {
    case TRACE_QUEUED: return "queued";
    case TRACE_DELIVERED:
    case TRACE_RELAYED: return "sent";
    case TRACE_DEFERED: return "deferred";
    case TRACE_BOUNCED: return "bounce";
    case TRACE_DROPPED: return "blocked";
    default: return NULL;
    }
}

void mailjet_message_history(struct http_call *c)
{
    struct send_info i = {0};
    struct letter_id letter;
    struct trace_event *ev = NULL;
    size_t n = 0;
    int e = find(c, &i);
    if (!e) send_letter_id(&i.id, 0, &letter);
    if (!e) e = trace_read(api_of(c)->core->store->trace, &letter, c->a, &ev, &n);
    if (e == ERR_NOT_FOUND && i.letters) e = 0, n = 0; /* taken, and not yet in the queue */
    if (e) {
        failed(c, e);
        return;
    }
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++)
        if (word_of(ev[k].kind))
            json_array_append_new(list, json_pack("{s:s,s:I,s:o,s:s,s:s}", "EventType", word_of(ev[k].kind),
                                                  "EventAt", (json_int_t)(ev[k].time / 1000000), "Comment",
                                                  text(ev[k].sentence), "State", "", "Useragent", ""));
    told(c, list);
}
