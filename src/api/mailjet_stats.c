/* mailjet_stats.c - GET /v3/REST/statcounters: what became of the account's recipients, in numbers, by the
 * day of what happened. */
#include "base/log.h"
#include "base/text.h"
#include "core/core.h"
#include "mailjet.h"
#include "rt/rt.h"
#include "send/numbers.h"

enum { DAY_S = 86400 };

/* ---- what is asked for ---- */

/* Empty: *day stays. */
static int day_of(struct http_call *c, const char *name, int64_t *day)
{
    int64_t at = *day * DAY_S;
    int e = mailjet_time(c, name, &at);
    *day = at / DAY_S;
    return e;
}

static int source_of(struct http_call *c, struct numbers_ask *ask)
{
    struct slice source = http_query(c, SL("CounterSource"));
    ask->by = NUMBERS_BY_ALL;
    if (sl_eqi(source, SL("APIKey"))) return 0;
    if (!sl_eqi(source, SL("Campaign")))
        return err_set(ERR_USAGE,
                       "CounterSource must be APIKey or Campaign: lists and senders are not counted here");
    ask->by = NUMBERS_BY_CAMPAIGN;
    ask->name = http_query(c, SL("SourceID"));
    return ask->name.n ? 0 : err_set(ERR_USAGE, "SourceID must be the name of a campaign (CustomCampaign)");
}

static int resolution_of(struct http_call *c, struct numbers_ask *ask)
{
    struct slice text = http_query(c, SL("CounterResolution"));
    ask->each = sl_eqi(text, SL("Lifetime")) ? NUMBERS_WHOLE : NUMBERS_DAY;
    return ask->each == NUMBERS_WHOLE || sl_eqi(text, SL("Day"))
               ? 0
               : err_set(ERR_USAGE,
                         "CounterResolution must be Day or Lifetime: numbers are kept by day here");
}

static int ask_of(struct http_call *c, struct numbers_ask *ask)
{
    struct slice timing = http_query(c, SL("CounterTiming"));
    *ask = (struct numbers_ask){.account = sl_cstr(c->key.account->id), .to = rt_wall_seconds() / DAY_S};
    ask->from = ask->to - NUMBERS_KEEP_DAYS;
    int e = source_of(c, ask);
    if (!e) e = resolution_of(c, ask);
    if (!e && !sl_eqi(timing, SL("Message")) && !sl_eqi(timing, SL("Event")))
        e = err_set(ERR_USAGE, "CounterTiming must be Message or Event");
    if (e || ask->each == NUMBERS_WHOLE) return e;
    e = day_of(c, "FromTS", &ask->from);
    if (!e) e = day_of(c, "ToTS", &ask->to);
    if (!e && ask->from > ask->to) e = err_set(ERR_USAGE, "FromTS is behind ToTS");
    return e;
}

/* ---- what is answered ---- */

/* Whose address is no use: the others may come back. */
static uint64_t hard(const struct numbers *n)
{
    return n->bounced[REPLY_INVALID] + n->bounced[REPLY_INACTIVE];
}

static uint64_t less(uint64_t n, uint64_t by) { return n > by ? n - by : 0; }

static void put(json_t *o, const char *name, uint64_t n)
{
    json_object_set_new(o, name, json_integer((json_int_t)n));
}

/* Mailjet's Event… and Message… are the times it happened, and the messages to which it did. */
static json_t *row_json(const struct numbers_ask *ask, const struct numbers_row *r, struct arena *a)
{
    const uint64_t *n = r->n.n;
    uint64_t bounced = n[NUMBER_BOUNCED] + n[NUMBER_LATE], blocked = n[NUMBER_DROPPED] + n[NUMBER_FAILED];
    json_t *o = json_object();
    struct slice day = ask->each == NUMBERS_WHOLE
                           ? SL("")
                           : ar_printf(a, "%.*sT00:00:00Z", SLF(numbers_day_text(r->day, a)));
    put(o, "APIKeyID", 0);
    put(o, "EventClickDelay", 0);
    put(o, "EventClickedCount", n[NUMBER_CLICKS]);
    put(o, "EventOpenDelay", 0);
    put(o, "EventOpenedCount", n[NUMBER_OPENS]);
    put(o, "EventSpamCount", n[NUMBER_COMPLAINTS]);
    put(o, "EventUnsubscribedCount", n[NUMBER_UNSUBSCRIBED]);
    put(o, "EventWorkflowExitedCount", 0);
    put(o, "MessageBlockedCount", blocked);
    put(o, "MessageClickedCount", n[NUMBER_CLICKED]);
    put(o, "MessageDeferredCount", n[NUMBER_DEFERRED]);
    put(o, "MessageHardBouncedCount", hard(&r->n));
    put(o, "MessageOpenedCount", n[NUMBER_OPENED]);
    put(o, "MessageQueuedCount", less(n[NUMBER_ACCEPTED], n[NUMBER_DELIVERED] + n[NUMBER_BOUNCED] + blocked));
    put(o, "MessageSentCount", n[NUMBER_DELIVERED]);
    put(o, "MessageSoftBouncedCount", less(bounced, hard(&r->n)));
    put(o, "MessageSpamCount", n[NUMBER_COMPLAINTS]);
    put(o, "MessageUnsubscribedCount", n[NUMBER_UNSUBSCRIBED]);
    put(o, "MessageWorkFlowExitedCount", 0);
    put(o, "SourceID", 0);
    json_object_set_new(o, "Timeslice", json_stringn(day.p, day.n));
    put(o, "Total", n[NUMBER_ACCEPTED]);
    return o;
}

void mailjet_stat_counters(struct http_call *c)
{
    static const char *const heard[] = {
        "CounterSource", "SourceID", "CounterResolution", "CounterTiming", "FromTS", "ToTS", NULL};
    struct numbers_ask ask;
    struct numbers_row *row;
    size_t n;
    int e = ask_of(c, &ask);
    if (!e) e = numbers_table(api_of(c)->core->sends, &ask, c->a, &row, &n);
    if (e) {
        http_fail(c, e == ERR_LIMIT ? 400 : http_status_of(e), "%s", err_text(e));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, row_json(&ask, &row[i], c->a));
    mailjet_list(c, list, heard);
}
