/* send_count.c - events of an account become counts of its sends, each once: a send's row remembers the last
 * event that is in it. (What comes later, reports and clicks, is counted where it is made: event_add_late().)
 * What names a recipient for good goes to the suppression list first. */
#include "base/log.h"
#include "send_run.h"
#include "shape/reply.h"
#include "simulator.h"
#include "suppression.h"

enum { READ = 500 };

struct counting {
    struct letter_id send;
    const struct event *e;
    size_t n;
    struct send_count count; /* out */
};

static void count_one(struct send_count *c, const struct event *e)
{
    bool end = true;
    switch (e->kind) {
    case EVENT_PROCESSED:
        c->queued++;
        end = false;
        break;
    case EVENT_DROPPED: c->dropped++; break;
    case EVENT_DELIVERED: c->delivered++; break;
    case EVENT_BOUNCED: c->bounced++; break;
    case EVENT_FAILED: c->failed++; break;
    default: end = false; break;
    }
    c->ended += end && !e->outside;
    c->deferred += e->kind == EVENT_DEFERRED;
}

static int count_tx(struct kv_tx *tx, void *arg)
{
    struct counting *x = arg;
    struct slice row;
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, SL("h"), &row);
    if (e == ERR_NOT_FOUND) return 0; /* the send is forgotten */
    if (!e) e = kv_tx_get(tx, SL("c"), &row);
    x->count = (struct send_count){0};
    if (!e) e = send_count_get(row, &x->count);
    if (e && e != ERR_NOT_FOUND) return e;
    for (size_t i = 0; i < x->n; i++) {
        const struct event *v = &x->e[i];
        if (v->id <= x->count.seen || strcmp(v->send.s, x->send.s) != 0) continue;
        count_one(&x->count, v);
        x->count.seen = v->id;
    }
    send_count_put(&b, &x->count);
    kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
    return 0;
}

/* ---- suppression ---- */

/* Does the refusal mean this recipient? Of what a report says return_path.c judges. */
static void judge(struct sends *s, const struct event *e, struct reply_verdict *out)
{
    struct arena a = {0};
    struct reply_in in = {.code = e->code, .enhanced = e->enhanced, .text = e->reply, .host = e->host};
    reply_class(s->replies, &a, &in, out);
    ar_free(&a);
}

/* Once: an entry that its account has taken away again does not come back when events are read anew. */
static int is_counted(struct sends *s, const struct event *e, bool *counted)
{
    struct arena a = {0};
    struct send_count c;
    char object[24];
    send_object(&e->send, object);
    int bad = send_count_read(s, object, &a, &c);
    if (run_is_damage(bad)) bad = 0, c.seen = 0;
    *counted = e->id <= c.seen;
    ar_free(&a);
    return bad;
}

static int note_refusal(struct sends *s, struct slice account, const struct event *e)
{
    struct suppression_entry entry = {.address = e->address,
                                      .evidence = e->reply,
                                      .since = (int64_t)(e->at / 1000000),
                                      .letter = sl_cstr(e->letter.s)};
    struct reply_verdict v;
    bool counted = true;
    enum simulated ignored;
    judge(s, e, &v);
    if (v.suppress == REPLY_KEEP) return 0;
    if (simulator_is_address(s, e->address, &ignored)) return 0; /* that it goes on behaving */
    int bad = is_counted(s, e, &counted);
    if (bad || counted) return bad;
    if (entry.since > rt_wall_seconds()) entry.since = rt_wall_seconds(); /* the clock was ahead */
    suppression_by_reply(&v, &entry);
    return v.suppress == REPLY_SUPPRESS ? suppression_add(s, account, &entry)
                                        : suppression_add_doubted(s, account, &entry, false);
}

static int suppress(struct sends *s, struct slice account, const struct event *e)
{
    int bad = 0;
    if (!e->send.s[0]) return 0;
    if (e->kind == EVENT_DELIVERED) bad = suppression_came_through(s, account, e->address);
    if (e->kind == EVENT_BOUNCED && !e->expired) bad = note_refusal(s, account, e);
    if (!bad || err_is_temporary(bad)) return bad;
    log_warn("send", "%.*s is not suppressed: %s", SLF(e->address), err_text(bad));
    return 0; /* it would be the same the next time */
}

/* ---- a portion of the stream ---- */

static bool is_first(const struct event *v, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(v[k].send.s, v[i].send.s)) return false;
    return v[i].send.s[0] != 0;
}

int run_count(struct sends *s, struct slice account, uint64_t *at, bool *more, run_counted *counted)
{
    struct arena a = {0};
    struct event *v;
    size_t n;
    int e = event_read(s, account, *at, READ, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) e = suppress(s, account, &v[i]);
    for (size_t i = 0; !e && i < n; i++) {
        char object[24];
        struct counting x = {.send = v[i].send, .e = v + i, .n = n - i};
        if (!is_first(v, i)) continue;
        send_object(&x.send, object);
        e = kv_transact(s->store->kv, sl_cstr(object), count_tx, &x);
        if (!e) counted(s, &x.send, &x.count);
        if (!run_is_damage(e)) continue;
        log_error("send", "events of the send %s cannot be counted: %s", x.send.s, err_text(e));
        e = 0; /* those of the account's other sends are */
    }
    if (!e && n) *at = v[n - 1].id;
    *more = !e && n == READ;
    ar_free(&a);
    return e;
}
