/* send_back.c - a send that came back from an image, when the index was lost: it stands as it stood then, and
 * nobody knows what left since, or which orders were given. */
#include "send_i.h"

#include "base/civil.h"
#include "base/log.h"

struct coming_back {
    const struct letter_id *id;
    struct slice object;
    int64_t when, now;
    struct arena *a;
    struct send_back *out;
};

/* What can be known of it. */
struct known {
    struct send_head h;
    struct send_count c;
    struct send_order o;
    bool counted, ordered; /* c, o can be read, or are not there yet */
};

/* Its row, if it can be read; *good: it can, or it is not there. */
static int read_row(struct kv_tx *tx, const char *key, struct slice *row, bool *good)
{
    int e = kv_tx_get(tx, sl_cstr(key), row);
    if (e) *row = (struct slice){0};
    *good = !err_is_damage(e);
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

static bool may_be_in_key(struct slice word, size_t most)
{
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] <= ' ' || word.p[i] > '~' || word.p[i] == '/') return false;
    return word.n <= most;
}

/* What names of rows are made of may be damaged, too. */
static int check_names(struct send_head *h)
{
    if (!may_be_in_key(h->claim, 32)) h->claim = SL("");
    return may_be_in_key(h->account, 19) ? 0 : err_set(ERR_CORRUPT, "the head names no account");
}

/* ERR_NOT_FOUND, ERR_CORRUPT, ERR_VERSION: of the head. */
static int read_known(struct kv_tx *tx, struct known *k)
{
    struct slice row;
    *k = (struct known){0};
    int e = kv_tx_get(tx, SL("h"), &row);
    if (!e) e = send_head_get(row, &k->h);
    if (!e) e = check_names(&k->h);
    if (!e) e = read_row(tx, "c", &row, &k->counted);
    if (!e && row.n && send_count_get(row, &k->c)) k->counted = false, k->c = (struct send_count){0};
    if (!e) e = read_row(tx, "s", &row, &k->ordered);
    if (!e && row.n && send_order_get(row, &k->o)) k->ordered = false, k->o = (struct send_order){0};
    return e;
}

/* One that was to begin later had not begun: nothing of it left. */
static bool is_untouched(const struct coming_back *x, const struct known *k)
{
    return k->counted && k->h.send_at > x->now && !k->c.begun && !k->c.next;
}

static struct slice sentence(const struct coming_back *x, const struct known *k)
{
    char text[CIVIL_TEXT_MAX];
    const char *when = civil_format(x->when, text);
    if (x->out->unknown)
        return ar_printf(
            x->a,
            "the index was lost, and how far it was at %s cannot be read: everybody who got one gets a "
            "second one if you resume it",
            when);
    if (is_untouched(x, k))
        return ar_printf(
            x->a,
            "the index was lost; at %s it had not begun. Whether it was paused or canceled since "
            "nobody knows: resume it if it is to go out at its time",
            when);
    return ar_printf(
        x->a,
        "the index was lost; at %s %llu of %llu letters were given to the queue, at least %llu "
        "recipients of those are lost; who got one since gets a second one if you resume it, and orders "
        "since then are not known",
        when, (unsigned long long)x->out->given, (unsigned long long)k->h.numbers,
        (unsigned long long)x->out->lost);
}

static void put_order(struct kv_tx *tx, const struct send_order *o)
{
    struct buf b = BUF_INIT;
    send_order_put(&b, o);
    kv_tx_put_record(tx, SL("s"), &b);
    buf_free(&b);
}

/* What was in the queue is lost with it. Of those who were counted as queued the rest counts as failed, so
 * that the send can end; what was given and not counted yet stands in no number. */
static void put_count(struct kv_tx *tx, const struct coming_back *x, struct known *k)
{
    struct buf b = BUF_INIT;
    k->c.ended += x->out->lost;
    k->c.failed += x->out->lost;
    if (!k->counted && x->out->over) k->c.next = k->h.numbers, k->c.over = x->now; /* nobody gets it again */
    send_count_put(&b, &k->c);
    if (x->out->lost || !k->counted) kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
}

/* The same request under its key of idempotency is the same send. */
static void note_claim(struct kv_tx *tx, const struct coming_back *x, const struct send_head *h)
{
    struct buf b = BUF_INIT;
    if (h->claim.n) {
        send_claim_put(&b, x->id, h->claimed, h->taken);
        kv_tx_note(tx, SL(SENDS_OBJECT), send_key_claim(x->a, h->account, h->claim), &b);
    }
    buf_free(&b);
}

static int take_back_tx(struct kv_tx *tx, void *arg)
{
    const struct coming_back *x = arg;
    struct send_back *out = x->out;
    struct known k;
    int e = read_known(tx, &k);
    if (e) return e;
    const struct send_count *c = &k.c;
    *out = (struct send_back){
        .id = *x->id,
        .account = ar_dup(x->a, k.h.address),
        .campaign = ar_dup(x->a, k.h.campaign),
        .when = x->when,
        .letters = k.h.numbers,
        .given = c->next,
        .over = c->over || k.o.state == SEND_FINISHED,
    };
    out->unknown = !k.counted && !out->over;
    out->begun = !is_untouched(x, &k);
    out->lost = !out->over && c->queued > c->ended ? c->queued - c->ended : 0;
    /* one that was canceled is not held: it gives nothing away any more */
    bool stands = k.o.state == SEND_CANCELED || (k.o.state == SEND_PAUSED && k.counted);
    out->held = !out->over && !stands;
    put_count(tx, x, &k);
    if (out->held) put_order(tx, &(struct send_order){SEND_PAUSED, x->now, sentence(x, &k)});
    else if (!k.ordered) put_order(tx, &(struct send_order){SEND_FINISHED, c->over, SL("")});
    send_tx_list(tx, x->a, x->id, &k.h);
    note_claim(tx, x, &k.h);
    return 0;
}

/* Without its head it can go on never: nothing of it stays, and it is told. */
static int give_up(struct store *s, const struct coming_back *x, int why)
{
    log_error("send", "the send %s does not come back: its head cannot be read: %s", x->id->s, err_text(why));
    *x->out = (struct send_back){.id = *x->id, .when = x->when, .gone = true};
    return kv_erase(s->kv, x->object, SL(" "), SL(""));
}

int send_take_back(struct store *s, struct slice object, int64_t when, struct arena *a, struct send_back *out)
{
    struct letter_id id = {{0}};
    struct slice name = sl_from(object, 2);
    *out = (struct send_back){0};
    memcpy(id.s, name.p, name.n < LETTER_ID_LEN ? name.n : LETTER_ID_LEN);
    struct coming_back x = {
        .id = &id, .object = object, .when = when, .now = rt_wall_seconds(), .a = a, .out = out};
    if (!letter_id_ok(name)) return give_up(s, &x, err_set(ERR_CORRUPT, "it has no name of a send"));
    int e = kv_transact(s->kv, object, take_back_tx, &x);
    return e == ERR_NOT_FOUND || err_is_damage(e) ? give_up(s, &x, e) : e;
}
