/* send_back.c - a send that came back from an image, when the index was lost: it stands as it stood then, and
 * nobody knows what left since. */
#include "send_i.h"

#include "base/civil.h"

struct coming_back {
    const struct letter_id *id;
    int64_t when, now;
    struct arena *a;
    struct send_back *out;
};

/* So many recipients at most have letters that were given to the queue: each of the others has one at least.
 * What was counted of them lags behind. */
static uint64_t given_most(const struct send_head *h, const struct send_count *c)
{
    uint64_t not_given = h->letters > c->next ? h->letters - c->next : 0;
    uint64_t most = h->recipients > not_given ? h->recipients - not_given : 0;
    if (!c->next) most = 0;
    return most > c->queued ? most : c->queued;
}

/* What was in the queue is lost with it; its recipients count as failed, so that the send can end. */
static void count_lost(struct kv_tx *tx, const struct send_head *h, struct send_count *c, uint64_t lost)
{
    struct buf b = BUF_INIT;
    c->queued = given_most(h, c);
    c->ended += lost;
    c->failed += lost;
    send_count_put(&b, c);
    if (lost) kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
}

static void hold(struct kv_tx *tx, const struct coming_back *x, const struct send_head *h)
{
    char when[CIVIL_TEXT_MAX];
    struct buf b = BUF_INIT;
    struct slice why =
        ar_printf(x->a,
                  "the index was lost; this is how it stood at %s: %llu of %llu letters were given to "
                  "the queue, up to %llu recipients of those are lost; who got one since gets a second one "
                  "when you resume it",
                  civil_format(x->when, when), (unsigned long long)x->out->given,
                  (unsigned long long)h->numbers, (unsigned long long)x->out->lost);
    send_order_put(&b, &(struct send_order){SEND_PAUSED, x->now, why});
    kv_tx_put_record(tx, SL("s"), &b);
    buf_free(&b);
}

/* One that was to begin later has not begun: nothing of it left. */
static bool is_untouched(const struct coming_back *x, const struct send_head *h, const struct send_count *c)
{
    return h->send_at > x->now && !c->begun && !c->next;
}

/* 0, or ERR_NOT_FOUND when no such row is there. */
static int read_rows(struct kv_tx *tx, struct send_head *h, struct send_count *c, struct send_order *o)
{
    struct slice row;
    int e = kv_tx_get(tx, SL("h"), &row);
    if (!e) e = send_head_get(row, h);
    if (e) return e;
    *c = (struct send_count){0};
    *o = (struct send_order){0};
    e = kv_tx_get(tx, SL("c"), &row);
    if (!e) e = send_count_get(row, c);
    if (e && e != ERR_NOT_FOUND) return e;
    e = kv_tx_get(tx, SL("s"), &row);
    if (!e) e = send_order_get(row, o);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int take_back_tx(struct kv_tx *tx, void *arg)
{
    const struct coming_back *x = arg;
    struct send_back *out = x->out;
    struct send_head h;
    struct send_count c;
    struct send_order o;
    int e = read_rows(tx, &h, &c, &o);
    if (e) return e;
    *out = (struct send_back){
        .id = *x->id,
        .account = ar_dup(x->a, h.address),
        .campaign = ar_dup(x->a, h.campaign),
        .when = x->when,
        .letters = h.numbers,
        .given = c.next,
    };
    uint64_t most = given_most(&h, &c);
    out->lost = most > c.ended ? most - c.ended : 0;
    out->held = o.state == SEND_RUNS && !is_untouched(x, &h, &c);
    count_lost(tx, &h, &c, out->lost);
    if (out->held) hold(tx, x, &h);
    send_tx_list(tx, x->a, x->id, &h);
    return 0;
}

int send_take_back(struct store *s, struct slice object, int64_t when, struct arena *a, struct send_back *out)
{
    struct letter_id id = {{0}};
    struct slice name = sl_from(object, 2);
    *out = (struct send_back){0};
    if (!letter_id_ok(name)) return err_set(ERR_CORRUPT, "%.*s is no name of a send", SLF(object));
    memcpy(id.s, name.p, LETTER_ID_LEN);
    struct coming_back x = {.id = &id, .when = when, .now = rt_wall_seconds(), .a = a, .out = out};
    return kv_transact(s->kv, object, take_back_tx, &x);
}
