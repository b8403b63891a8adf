/* send_maker.c - what the queue asks of letters of sends, and tells of them: are they wanted still, what are
 * their bytes, what became of them. */
#include "event.h"
#include "queue/queue.h"
#include "send_render.h"
#include "send_run.h"
#include "suppression.h"

/* Of one that is not under way (it has ended, or cannot be loaded whole) the rows say what counts. */
static int state_of(struct sends *s, const struct letter_id *id, struct run *r)
{
    struct arena a = {0};
    struct send_head h;
    struct send_order o;
    char object[24];
    if (run_copy(s, id, r)) return 0;
    send_object(id, object);
    int e = send_head_read(s, id, &a, &h);
    if (!e) e = send_order_read(s, object, &a, &o);
    if (!e) *r = (struct run){.stream = h.stream, .group = h.group, .options = h.options, .state = o.state};
    ar_free(&a);
    return e;
}

static int wanted(void *sends, const struct letter *l, struct slice address)
{
    struct sends *s = sends;
    struct send_letter_name name;
    struct run r;
    enum send_reason why;
    if (!send_name_parse(l->made, &name)) return 0; /* making it will say what is wrong */
    int e = state_of(s, &name.send, &r);
    if (e) return e == ERR_NOT_FOUND ? 0 : e; /* the same */
    if (r.state == SEND_CANCELED) return SEND_OUT_CANCELED;
    if (r.state == SEND_PAUSED) return ERR_BUSY;
    struct suppression_ask ask = {.account = l->submitter,
                                  .address = address,
                                  .stream = r.stream,
                                  .group = r.group,
                                  .options = r.options};
    e = suppression_judge(s, &ask, &why);
    return e ? e : (int)why;
}

static void tell(void *sends, struct kv_tx *tx, const struct made_news *n)
{
    static const enum event_kind kinds[] = {
        [MADE_TAKEN] = EVENT_PROCESSED, [MADE_DELIVERED] = EVENT_DELIVERED, [MADE_DEFERRED] = EVENT_DEFERRED,
        [MADE_BOUNCED] = EVENT_BOUNCED, [MADE_DROPPED] = EVENT_DROPPED,     [MADE_FAILED] = EVENT_FAILED};
    struct send_letter_name name;
    if (!send_name_parse(n->letter->made, &name)) return;
    struct event e = {.kind = kinds[n->what],
                      .send = name.send,
                      .page = name.page,
                      .number = name.number,
                      .address = n->address,
                      .code = n->code,
                      .attempts = n->attempts,
                      .until = n->what == MADE_DEFERRED    ? n->until
                               : n->what == MADE_DELIVERED ? n->letter->wants.hold_until
                                                           : 0,
                      .enhanced = n->enhanced,
                      .reply = n->reply,
                      .host = n->host,
                      .class = n->class,
                      .expired = n->expired};
    if (n->what == MADE_DROPPED)
        e.reason = n->why > 0 && n->why < SEND_OUT_COUNT ? (enum send_reason)n->why : SEND_OUT_BY_HAND;
    event_tx_add(sends, tx, n->letter->submitter, &e);
}

struct queue_maker sends_maker(struct sends *s)
{
    return (struct queue_maker){.ctx = s, .source = send_source, .wanted = wanted, .tell = tell};
}
