/* queue_walk.c - the letters that a filter fits, among a million: what a row says in front passes most of
 * them over. */
#include "queue_walk.h"

#include <stdio.h>

#include "base/text.h"
#include "kv/record.h"
#include "mail/domain.h"

enum { WALK_PAGE = 500 };

/* "mx.two.test [127.0.0.3]:25" is of mx.two.test, of two.test and of test. */
static bool of_host(struct slice host, struct slice asked)
{
    struct slice name = sl_sub(host, 0, sl_chr(host, ' ') == SL_NONE ? host.n : sl_chr(host, ' '));
    return domain_within(name, asked);
}

static bool asks_for_waiting(const struct queue_filter *f)
{
    return f->class.n || f->host.n || f->source.n || f->uncertain;
}
static bool asks_for_rcpts(const struct queue_filter *f)
{
    return f->address.n || f->domain.n || asks_for_waiting(f);
}

static bool address_matches(const struct queue_filter *f, struct slice address)
{
    if (f->address.n && !sl_eqi(f->address, address)) return false;
    size_t at = f->domain.n ? sl_rchr(address, '@') : 0;
    return !f->domain.n || (at != SL_NONE && sl_eqi(f->domain, sl_from(address, at + 1)));
}

static bool rcpt_matches(const struct queue_filter *f, const struct q_rcpt *r)
{
    bool waits = r->state == Q_WAITING || r->state == Q_HELD || r->state == Q_FAILED;
    if (!address_matches(f, r->address)) return false;
    if (asks_for_waiting(f) && !waits) return false;
    return (!f->class.n || sl_eqi(f->class, r->class)) && (!f->host.n || of_host(r->host, f->host)) &&
           (!f->source.n || sl_eq(f->source, r->source)) && (!f->uncertain || r->uncertain);
}

/* Of a letter, what does not depend on its recipients; e NULL: its envelope cannot be read, so its sender is
 * not known. */
static bool letter_matches(const struct queue_filter *f, const struct q_envelope *e,
                           const struct letter_id *id)
{
    if (f->sender.n && (!e || !sl_eqi(f->sender, e->l.sender))) return false;
    if (f->null_sender && (!e || e->l.sender.n)) return false;
    if (f->campaign.n && (!e || !sl_eq(utf8_cut(f->campaign, LETTER_CAMPAIGN_MAX), e->l.campaign)))
        return false;
    return !f->before || (e ? e->l.received : letter_id_time(id)) < f->before;
}

/* An address is asked for that may be the sender's. */
static bool may_be_sender(const struct queue_filter *f)
{
    return f->address.n && !f->domain.n && !asks_for_waiting(f);
}

struct walk {
    struct queue *q;
    const struct queue_filter *f;
    queue_walk_fn *each;
    void *arg;
    struct shard *s;
    struct arena scratch;
    struct letter_id last; /* of the rows at hand: nothing more of it matters */
    bool over;             /* nor of the rows behind */
    bool hole;             /* rows could not be read */
    bool unsieved;         /* of this shard: not every envelope tells of its recipients, */
    uint64_t envelopes;    /* of so many */
};
typedef int row_fn(struct walk *w, const struct kv_row *row);

static bool has_row(struct walk *w, struct slice from)
{
    struct kv_page page;
    return kv_scan(w->q->store->kv, shard_object(w->s), from, kv_prefix_end(&w->scratch, from), 1,
                   &w->scratch, &page) == 0 &&
           page.n;
}

/* Whose row it is. False: `tram verify` tells of it. */
static bool id_of(const struct kv_row *row, struct letter_id *id)
{
    if (!letter_id_ok(sl_sub(row->key, 1, 1 + LETTER_ID_LEN))) return false;
    *id = (struct letter_id){{0}};
    memcpy(id->s, row->key.p + 1, LETTER_ID_LEN);
    return true;
}

/* As its row says in front: most are passed over by that. */
static bool is_no_match(const struct queue_filter *f, const struct q_front *row)
{
    if (f->before && row->received >= f->before) return true;
    if (f->sender.n && !sl_eqi(f->sender, row->sender)) return true;
    if (f->null_sender && row->sender.n) return true;
    return f->address.n && !sl_eqi(f->address, row->sender) && !q_sieve_may_hold(row->sieve, f->address);
}

static bool is_rcpt(struct walk *w, const struct q_envelope *e)
{
    struct q_rcpt *r;
    size_t n;
    bool any = false;
    if (queue_load_rcpts(w->s, &e->l.id, -1, &w->scratch, &r, &n) != 0) return w->unsieved = true, false;
    for (size_t i = 0; i < n; i++) any |= !r[i].damaged && rcpt_matches(w->f, &r[i]);
    return any;
}

/* Without regard to recipients; or, when an address is asked for, letters that are from it or to it. */
static int envelope_row(struct walk *w, const struct kv_row *row)
{
    struct q_envelope e;
    struct q_front front;
    struct letter_id id;
    bool rcpts = asks_for_rcpts(w->f), known = q_envelope_peek(row->value, w->f->before, &front);
    w->envelopes++;
    w->unsieved |= !known || !front.sieve.n;
    if ((known && is_no_match(w->f, &front)) || !id_of(row, &id)) return 0;
    bool whole = q_envelope_get(row->value, &id, &e) == 0;
    w->unsieved |= !whole;
    if (rcpts && !whole) return 0;
    if (!letter_matches(w->f, whole ? &e : NULL, &id)) return 0;
    if (rcpts && !sl_eqi(w->f->address, e.l.sender)) {
        ar_reset(&w->scratch);
        if (!is_rcpt(w, &e)) return 0;
    }
    return w->each(w->arg, &id);
}

/* Its recipient matches: does the letter, and has envelope_row() not given it? What is being accepted is not
 * there yet. */
static bool rcpts_letter_matches(struct walk *w, const struct letter_id *id)
{
    struct q_envelope e;
    ar_reset(&w->scratch);
    int bad = queue_load_envelope(w->s, id, &w->scratch, &e);
    if (bad == ERR_NOT_FOUND && has_row(w, queue_key_accepting(&w->scratch, id))) return false;
    if (!bad && may_be_sender(w->f) && (e.sieve.n || sl_eqi(w->f->address, e.l.sender))) return false;
    return letter_matches(w->f, bad ? NULL : &e, id);
}

static int rcpt_row(struct walk *w, const struct kv_row *row)
{
    struct q_rcpt r;
    struct slice address;
    struct letter_id own, *id = &own;
    if (q_rcpt_peek(row->value, &address) && !address_matches(w->f, address)) return 0;
    if (!id_of(row, id) || strcmp(id->s, w->last.s) == 0 || q_rcpt_get(row->key, row->value, &r) != 0)
        return 0;
    if (!rcpt_matches(w->f, &r)) return 0;
    w->last = *id;
    return rcpts_letter_matches(w, id) ? w->each(w->arg, id) : 0;
}

/* A row of a group or a recipient: only what no row before it, of another kind, has shown already. Rows come
 * in order of their letters' time. */
static int other_row(struct walk *w, const struct kv_row *row)
{
    struct letter_id own, *id = &own;
    if (!id_of(row, id) || strcmp(id->s, w->last.s) == 0) return 0;
    w->last = *id;
    w->over = !letter_matches(w->f, NULL, id);
    if (w->over) return 0;
    ar_reset(&w->scratch);
    if (has_row(w, queue_key_envelope(&w->scratch, id))) return 0;
    if (has_row(w, queue_key_accepting(&w->scratch, id))) return 0;
    if (row->key.p[0] == 'r' && has_row(w, ar_printf(&w->scratch, "g%s/", id->s))) return 0;
    return w->each(w->arg, id);
}

/* The letters that rows of this kind ('e', 'g', 'r') name. */
static int walk_rows(struct walk *w, char kind, row_fn *look)
{
    char last[KV_KEY_MAX + 2] = {kind}, end[2] = {(char)(kind + 1)};
    struct arena rows = {0};
    struct kv_page page = {.more = true};
    bool hole;
    int e = 0;
    w->last = (struct letter_id){{0}};
    w->over = false;
    while (!e && page.more && !w->over) {
        ar_reset(&rows);
        e = kv_scan_over(w->q->store->kv, shard_object(w->s), sl_cstr(last), sl_cstr(end), WALK_PAGE, &rows,
                         &page, &hole);
        w->hole |= hole;
        for (size_t i = 0; !e && i < page.n && !w->over; i++) e = look(w, &page.row[i]);
        if (page.n) snprintf(last, sizeof last, "%.*s ", SLF(page.row[page.n - 1].key));
        fiber_breathe();
    }
    ar_free(&rows);
    return e;
}

/* Did the envelopes tell of all recipients? Not of letters that an older program took, nor of those whose
 * envelope is missing or damaged. */
static bool all_sieved(struct walk *w)
{
    struct arena a = {0};
    struct slice row;
    uint64_t letters = UINT64_MAX;
    struct rec r;
    int e = kv_get(w->q->store->kv, shard_object(w->s), SL("c"), &a, &row);
    if (!e) e = rec_open(&r, row, 1);
    while (!e && rec_next(&r))
        if (r.tag == 'l') letters = rec_u64(&r);
    bool all = !e && !r.bad && !w->unsieved && letters == w->envelopes;
    ar_free(&a);
    return all;
}

/* Only rows of the kinds that the filter asks for are read, each once. */
static int walk_shard(struct walk *w)
{
    bool rcpts = asks_for_rcpts(w->f), hole = w->hole;
    w->unsieved = w->hole = false;
    w->envelopes = 0;
    int e = !rcpts || may_be_sender(w->f) ? walk_rows(w, 'e', envelope_row) : 0;
    bool all = rcpts && may_be_sender(w->f) && !e && !w->hole && all_sieved(w);
    w->hole |= hole;
    if (!e && rcpts) return all ? 0 : walk_rows(w, 'r', rcpt_row);
    if (w->f->sender.n || w->f->null_sender || w->f->campaign.n)
        return e; /* without its envelope nobody knows a letter's */
    if (!e) e = walk_rows(w, 'g', other_row);
    return e ? e : walk_rows(w, 'r', other_row);
}

int queue_walk(struct queue *q, const struct queue_filter *f, queue_walk_fn *each, void *arg)
{
    struct walk w = {.q = q, .f = f, .each = each, .arg = arg};
    int e = 0;
    for (int k = 0; !e && k < q->nshards; k++) {
        w.s = &q->shard[k];
        e = walk_shard(&w);
    }
    ar_free(&w.scratch);
    if (!e && w.hole)
        return err_set(ERR_CORRUPT,
                       "rows of the queue cannot be read, and letters may be missing here; all others "
                       "were looked at (`tram verify` tells more)");
    return e < 0 ? e : 0;
}
