/* accept.c - what arrives becomes durable for every recipient, or for none. */
#include "accept.h"

#include "base/log.h"
#include "base/map.h"
#include "pages.h"
#include "queue_i.h"
#include "trace/trace.h"

struct accepting {
    struct queue *q;
    const struct letter *l;
    bool before;        /* it was accepted earlier */
    uint32_t *group_of; /* of each recipient */
    struct q_group *group;
    uint32_t groups;
    int64_t now, due; /* due: when its first attempt is */
    bool paged;       /* its recipients come before it, in pages */
    size_t from, to;  /* of a page: recipients, and groups as far as there are */
};

static struct slice domain_of(struct slice address)
{
    size_t at = sl_rchr(address, '@');
    return at == SL_NONE ? (struct slice){0} : sl_from(address, at + 1);
}

static bool is_held(const struct letter *l, const struct route *r)
{
    return l->hold.n && (l->hold_all || !r->local);
}

/* Recipients of one next hop, or of one account here, are tried together. */
static void make_groups(struct arena *a, struct accepting *x)
{
    struct map seen;
    map_init(&seen, true);
    x->group_of = ar_array(a, uint32_t, x->l->nrcpt);
    x->group = ar_array(a, struct q_group, x->l->nrcpt);
    uint32_t *members = ar_array(a, uint32_t, x->l->nrcpt);
    for (size_t i = 0; i < x->l->nrcpt; i++) {
        const struct route *r = &x->l->rcpt[i].route;
        struct slice hop = r->local ? sl_cstr(r->account) : ar_lower(a, domain_of(r->address));
        struct slice key = ar_cat(a, r->local ? SL("@") : SL(""), hop);
        struct q_group *g = map_get(&seen, key);
        if (!g || members[g->n] == QUEUE_GROUP_RCPTS) {
            g = &x->group[x->groups];
            *g = (struct q_group){.n = x->groups++, .local = r->local, .hop = hop};
            if (!is_held(x->l, r)) g->due = x->due;
            map_put(&seen, key, g);
        }
        members[g->n]++;
        x->group_of[i] = g->n;
        fiber_breathe();
    }
    map_free(&seen);
}

/* The attempt of a letter that goes at once to one comes back for its rows while they are warm; those of many
 * would push out what else is. */
static void put_row(struct kv_tx *tx, const struct accepting *x, struct slice key, const struct buf *record)
{
    if (x->l->nrcpt == 1 && x->due <= x->now) kv_tx_put_warm(tx, key, record);
    else kv_tx_put_record(tx, key, record);
}

static void put_group(struct kv_tx *tx, struct arena *a, const struct accepting *x, uint32_t i)
{
    struct buf b = BUF_INIT;
    q_group_put(&b, &x->group[i]);
    put_row(tx, x, queue_key_group(a, &x->l->id, i), &b);
    buf_free(&b);
}

static void put_due(struct kv_tx *tx, struct arena *a, const struct accepting *x, const struct q_envelope *e,
                    uint32_t i)
{
    struct buf b = BUF_INIT;
    struct q_due d;
    if (!x->group[i].due) return;
    q_due_of(&d, e, &x->group[i], x->due, false);
    q_due_put(&b, &d);
    kv_tx_put_record(tx, queue_key_due(a, d.stream, d.due, &x->l->id, i), &b);
    buf_free(&b);
}

static void put_rcpt(struct kv_tx *tx, struct arena *a, const struct accepting *x, size_t i)
{
    const struct letter_rcpt *in = &x->l->rcpt[i];
    struct q_rcpt r = {.g = x->group_of[i],
                       .n = (uint32_t)i,
                       .address = in->route.address,
                       .detail = in->route.detail,
                       .notify = in->notify,
                       .orcpt = in->orcpt,
                       .next_try = x->due};
    if (is_held(x->l, &in->route)) r.state = Q_HELD, r.barred = true;
    struct buf b = BUF_INIT;
    q_rcpt_put(&b, &r);
    put_row(tx, x, queue_key_rcpt(a, &x->l->id, r.g, r.n), &b);
    buf_free(&b);
}

/* Recipients and groups from x->from on. */
static void put_page(struct kv_tx *tx, struct arena *a, const struct accepting *x)
{
    for (size_t i = x->from; i < x->to; i++) {
        put_rcpt(tx, a, x, i);
        if (i < x->groups) put_group(tx, a, x, (uint32_t)i);
    }
}

static void put_letter(struct kv_tx *tx, struct arena *a, const struct accepting *x)
{
    const struct letter *l = x->l;
    struct buf b = BUF_INIT;
    struct q_envelope e = {.l = *l,
                           .expires = letter_expires(&l->wants, x->now, x->q->lifetime_s),
                           .sieve = q_sieve_make(a, l),
                           .rcpts = (uint32_t)l->nrcpt,
                           .groups = x->groups,
                           .open = x->groups};
    uint32_t scheduled = x->groups < QUEUE_PAGE ? x->groups : QUEUE_PAGE;
    if (scheduled < x->groups) e.unscheduled = scheduled;
    e.l.received = x->now; /* its time begins here, whenever it is said to have come */
    e.age = e.unscheduled ? x->now : queue_next_age(x->q, &e, x->now);
    e.l.received = l->received;
    kv_tx_put(tx, queue_key_age(a, e.age, &l->id), SL("1"));
    q_envelope_put(&b, &e);
    put_row(tx, x, queue_key_envelope(a, &l->id), &b);
    buf_free(&b);
    for (uint32_t i = 0; i < scheduled; i++) put_due(tx, a, x, &e, i);
    if (x->paged) kv_tx_del(tx, queue_key_accepting(a, &l->id));
    else put_page(tx, a, x);
}

/* A letter that comes again has its body with it; another one that happens to have its id has not. */
static bool same_body(const struct letter *l, struct slice row)
{
    struct q_envelope there;
    if (q_envelope_get(row, &l->id, &there) != 0) return false;
    return l->made.n ? sl_eq(there.l.made, l->made) : strcmp(there.l.body.s, l->body.s) == 0;
}

/* By recipients from..to, and by what the letter itself has. */
static void index_letter(struct trace *t, struct kv_tx *tx, struct arena *a, const struct letter *l,
                         size_t from, size_t end)
{
    struct slice *to = ar_array(a, struct slice, end - from);
    for (size_t i = from; i < end; i++) to[i - from] = l->rcpt[i].address;
    trace_tx_index(t, tx, &l->id, l->message_id, l->sender, to, end - from);
}

/* What the trace says of it goes with the letter, in one row if it can. */
static void tell_queued(struct kv_tx *tx, struct arena *a, const struct accepting *x)
{
    struct trace *t = x->q->store->trace;
    const struct letter *l = x->l;
    struct slice wants = letter_wants_text(a, &l->wants);
    struct trace_event all[TRACE_TOGETHER_MAX];
    size_t n = l->nevents < TRACE_TOGETHER_MAX ? l->nevents : 0;
    if (!n) trace_tx_add_together(t, tx, l->events, l->nevents);
    else memcpy(all, l->events, n * sizeof *all);
    all[n] = (struct trace_event){.id = l->id,
                                  .kind = TRACE_QUEUED,
                                  .sentence = ar_printf(a, "queued for %zu recipient%s in %u group%s%s%.*s",
                                                        l->nrcpt, l->nrcpt == 1 ? "" : "s", x->groups,
                                                        x->groups == 1 ? "" : "s",
                                                        wants.n ? "; asked for: " : "", SLF(wants))};
    trace_tx_add_together(t, tx, all, n + 1);
    if (l->hold.n) trace_tx_addf(t, tx, &l->id, TRACE_HELD, SL(""), "held: %.*s", SLF(l->hold));
    if (!x->paged) index_letter(t, tx, a, l, 0, l->nrcpt);
}

/* Who makes it hears that it is taken, of each recipient by the address that was written to. */
static void tell_maker(struct kv_tx *tx, const struct accepting *x)
{
    const struct queue_maker *m = &x->q->maker;
    for (size_t i = 0; x->l->made.n && i < x->l->nrcpt; i++)
        m->tell(m->ctx, tx,
                &(struct made_news){
                    .letter = x->l, .what = MADE_TAKEN, .address = x->l->rcpt[i].address, .n = (uint32_t)i});
}

static int accept_tx(struct kv_tx *tx, void *arg)
{
    struct accepting *x = arg;
    struct arena a = {0};
    struct slice row;
    struct slice once = queue_key_once(&a, &x->l->id), key = queue_key_envelope(&a, &x->l->id);
    bool taken = kv_tx_get(tx, key, &row) == 0;
    if (taken && (!x->l->once || x->l->made.n) && !same_body(x->l, row)) {
        ar_free(&a);
        return err_set(ERR_BUSY, "the id %s names another letter: try again", x->l->id.s);
    }
    x->before = taken || (x->l->once && kv_tx_get(tx, once, &row) == 0);
    int e = x->paged && !x->before ? queue_tx_pages_there(tx, &a, &x->l->id) : 0;
    if (!e && !x->before) {
        put_letter(tx, &a, x);
        queue_tx_count(tx, 1, (int64_t)x->l->nrcpt);
        tell_queued(tx, &a, x);
        tell_maker(tx, x);
        if (x->l->once) kv_tx_put(tx, once, ar_printf(&a, "%lld", (long long)x->now));
    }
    ar_free(&a);
    return e;
}

/* ---- many recipients ---- */

static int page_tx(struct kv_tx *tx, void *arg)
{
    struct accepting *x = arg;
    struct arena a = {0};
    struct slice row;
    int e = 0;
    x->before = x->from == 0 && (kv_tx_get(tx, queue_key_envelope(&a, &x->l->id), &row) == 0 ||
                                 (x->l->once && kv_tx_get(tx, queue_key_once(&a, &x->l->id), &row) == 0));
    if (x->from) e = queue_tx_pages_there(tx, &a, &x->l->id);
    else if (!x->before && kv_tx_get(tx, queue_key_accepting(&a, &x->l->id), &row) == 0)
        e = err_set(ERR_BUSY, "the letter %s is being accepted already", x->l->id.s);
    if (!e && !x->before) {
        put_page(tx, &a, x);
        index_letter(x->q->store->trace, tx, &a, x->l, x->from, x->to);
        queue_tx_pages_note(tx, &a, &x->l->id, rt_wall_seconds());
    }
    ar_free(&a);
    return e;
}

/* *begun: there are pages of it, which go when its envelope does not come. */
static int put_pages(struct shard *s, struct accepting *x, bool *begun)
{
    int e = 0;
    for (x->from = 0; !e && x->from < x->l->nrcpt; x->from = x->to) {
        x->to = x->l->nrcpt - x->from < QUEUE_PAGE ? x->l->nrcpt : x->from + QUEUE_PAGE;
        e = fiber_canceled() ? ERR_CANCELED : shard_transact_large(s, page_tx, x);
        if (!e && x->before) break; /* accept_tx says what that means */
        *begun |= !e || e == ERR_UNKNOWN;
    }
    return e;
}

static int fits(const char *what, struct slice s, size_t max)
{
    return s.n <= max ? 0 : err_set(ERR_TOO_LONG, "%s has %zu bytes, more than %zu", what, s.n, max);
}

static int rcpt_fits(const struct letter_rcpt *r)
{
    int e = fits("a recipient", r->address, LIMIT_ADDRESS);
    if (!e) e = fits("the address a recipient leads to", r->route.address, LIMIT_ADDRESS);
    if (!e) e = fits("what follows the + of a recipient", r->route.detail, LIMIT_LOCAL_PART);
    return e ? e : fits("ORCPT", r->orcpt, LIMIT_ORCPT);
}

/* Whoever takes a letter in has refused or cut what is too long, in the words of its protocol. Here it
 * is made sure of, before the work. */
static int letter_fits(const struct letter *l)
{
    size_t rows = 0;
    int e = fits("the sender", l->sender, LIMIT_ADDRESS);
    if (!e) e = fits("the name by which it is made", l->made, LETTER_MADE_MAX);
    if (!e) e = fits("the Message-ID", l->message_id, LIMIT_MESSAGE_ID);
    if (!e) e = fits("the subject", l->subject, LIMIT_SUBJECT);
    if (!e) e = fits("ENVID", l->envid, LIMIT_ENVID);
    if (!e) e = fits("RET", l->ret, 4);
    if (!e) e = fits("the account", l->submitter, sizeof l->rcpt->route.account - 1);
    for (size_t i = 0; !e && i < l->nrcpt; i++) {
        e = rcpt_fits(&l->rcpt[i]);
        rows += letter_rcpt_rows(&l->rcpt[i]);
    }
    if (!e && (rows > LETTER_ROWS_MAX || l->nrcpt > LETTER_RCPTS_MAX))
        e = err_set(ERR_LIMIT, "the recipients are too many for one letter");
    return e;
}

static int put_envelope(struct shard *s, struct accepting *x, struct arena *a)
{
    struct slice row;
    int e = shard_transact(s, accept_tx, x);
    if (e == ERR_UNKNOWN && /* a name is given once: what is there is this letter */
        kv_get(x->q->store->kv, shard_object(s), queue_key_envelope(a, &x->l->id), a, &row) == 0)
        e = 0;
    return e;
}

static void offer_groups(struct shard *s, const struct accepting *x)
{
    for (uint32_t i = 0; i < x->groups && i < QUEUE_PAGE; i++) {
        struct q_due d;
        q_due_of(&d, &(struct q_envelope){.l = *x->l}, &x->group[i], x->due, false);
        if (x->group[i].due) schedule_offer(s, &d);
    }
}

static void offer_one(void *shard, const struct q_due *d) { schedule_offer(shard, d); }

static int into_queue(struct queue *q, struct letter *l, struct arena *a)
{
    /* what is made when it leaves has few */
    struct accepting x = {.q = q,
                          .l = l,
                          .now = rt_wall_seconds(),
                          .to = l->nrcpt,
                          .paged = l->nrcpt > QUEUE_PAGE && !l->made.n};
    struct shard *s = queue_shard(q, &l->id);
    bool begun = false;
    x.due = queue_release(q, &l->wants, x.now);
    make_groups(a, &x);
    int e = x.paged ? put_pages(s, &x, &begun) : 0;
    if (e == ERR_UNKNOWN) e = err_set(ERR_BUSY, "the recipients cannot be written down now");
    else if (!e) e = put_envelope(s, &x, a);
    if (e && e != ERR_UNKNOWN && begun)
        (void)!queue_pages_drop(s, &l->id); /* else the next start, or the care */
    if (e) return e;
    offer_groups(s, &x);
    if (x.groups > QUEUE_PAGE &&
        (e = queue_pages_schedule(s, &l->id, offer_one, s)) != 0) /* it is taken all the same */
        log_warn("queue", "%s: the rest of it is scheduled later: %s", l->id.s, err_text(e));
    return 0;
}

struct delivering {
    struct trace *trace;
    struct last_hop d;
};

static int tell_delivered(struct kv_tx *tx, void *arg)
{
    const struct delivering *x = arg;
    struct arena a = {0};
    const struct last_hop *d = &x->d;
    trace_tx_add_together(x->trace, tx, d->letter->events, d->letter->nevents);
    trace_tx_addf(x->trace, tx, &d->letter->id, TRACE_DELIVERED, d->address, "delivered to %.*s, %s",
                  SLF(d->address), d->where);
    index_letter(x->trace, tx, &a, d->letter, 0, d->letter->nrcpt);
    ar_free(&a);
    return 0;
}

static int into_account(struct queue *q, struct letter *l)
{
    const struct letter_rcpt *r = &l->rcpt[0];
    struct delivering x = {.trace = q->store->trace,
                           .d = {.letter = l,
                                 .account = r->route.account,
                                 .address = r->route.address,
                                 .detail = r->route.detail,
                                 .tell = tell_delivered,
                                 .tell_arg = &x}};
    int e = local_deliver(q, &x.d, 0);
    if (e) return e;
    queue_tally(&q->delivered, 1);
    if (x.d.before)
        trace_addf(q->store->trace, &l->id, TRACE_DELIVERED, r->route.address,
                   "delivered to %.*s, where it was already", SLF(r->route.address));
    return 0;
}

int accept_letter(struct queue *q, struct letter *l)
{
    struct arena a = {0};
    int e = l->nrcpt ? letter_fits(l) : err_set(ERR_USAGE, "the letter has no recipients");
    /* a report of success is made by the queue */
    bool direct = !l->made.n && l->nrcpt == 1 && l->rcpt[0].route.local &&
                  !last_hop_goes_on(l->rcpt[0].route.account) && !(l->rcpt[0].notify & NOTIFY_SUCCESS) &&
                  !l->wants.hold_until && !l->wants.by && !l->hold_all;
    if (!e) e = direct ? into_account(q, l) : into_queue(q, l, &a);
    if (e != ERR_UNKNOWN && !l->made.n)
        body_unpin(q->store->body, &l->body); /* else a row that nobody sees may name it */
    ar_free(&a);
    return e;
}
