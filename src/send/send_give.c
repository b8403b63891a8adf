/* send_give.c - letters of a send into the queue, a batch at a time: each under an id that is always the
 * same, so that a batch that is repeated after a crash gives nobody a second one; then the place is moved on.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "hosts.h"
#include "inbound.h"
#include "mail/addr.h"
#include "queue/accept.h"
#include "send_content.h"
#include "send_run.h"
#include "simulator.h"
#include "trace/trace.h"
#include "unsubscribe.h"

/* One letter of the batch, on its way. */
struct giving {
    struct sends *s;
    struct run *r;
    const struct content *content; /* NULL: canceled, and it cannot be read */
    bool canceled, lost;           /* the send; the letter cannot be read */
    uint64_t number;
    struct send_letter l;
    struct arena a;
    struct letter_rcpt *rcpt;
    size_t n, room;
    struct event *out; /* those who get nothing: what is told of them */
    size_t nout, out_room;
    int result;
};

static struct event *one_out(struct giving *g, struct slice address, enum event_kind kind)
{
    if (!g->out) g->out = ar_array(&g->a, struct event, g->out_room = 4);
    if (g->nout == g->out_room) g->out = ar_grow(&g->a, g->out, &g->out_room, sizeof *g->out);
    struct event *e = &g->out[g->nout++];
    *e = (struct event){.kind = kind,
                        .send = g->r->id,
                        .page = g->r->count.page,
                        .number = g->number,
                        .address = address,
                        .outside = true};
    return e;
}

/* Nobody here: refused as a server would. */
static void nobody(struct giving *g, struct slice address, enum resolved why)
{
    struct event *e = one_out(g, address, EVENT_BOUNCED);
    e->code = 550;
    e->enhanced = SL("5.1.1");
    e->class = SL("invalid");
    e->reply = SL("550 5.1.1 there is no mailbox of that name here");
    if (why == RESOLVED_NO_USER) return;
    e->enhanced = why == RESOLVED_DISABLED ? SL("5.2.1") : SL("5.4.6");
    e->class = why == RESOLVED_DISABLED ? SL("inactive") : SL("unknown");
    e->reply = why == RESOLVED_DISABLED
                   ? SL("550 5.2.1 the mailbox is switched off")
                   : SL("550 5.4.6 the address leads in a circle, or to too many others");
}

static bool is_there(const struct giving *g, const struct route *r)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->rcpt[i].route.local == r->local && sl_eqi(g->rcpt[i].route.address, r->address)) return true;
    return false;
}

static void add_route(struct giving *g, struct slice address, const struct route *r)
{
    if (is_there(g, r)) return;
    if (!g->rcpt) g->rcpt = ar_array(&g->a, struct letter_rcpt, g->room = 4);
    if (g->n == g->room) g->rcpt = ar_grow(&g->a, g->rcpt, &g->room, sizeof *g->rcpt);
    struct letter_rcpt *to = &g->rcpt[g->n++];
    *to = (struct letter_rcpt){.address = address, .route = *r};
    if (!sl_eq(address, r->address)) to->orcpt = ar_cat(&g->a, SL("rfc822;"), address);
}

static int add_addr(struct giving *g, const struct send_addr *to)
{
    struct slice local, domain;
    struct routes routes;
    if (to->left_out || g->canceled) {
        one_out(g, to->address, EVENT_DROPPED)->reason = to->left_out ? to->left_out : SEND_OUT_CANCELED;
        return 0;
    }
    int e = mail_addr_split(&g->a, to->address, &local, &domain);
    if (!e) e = directory_resolve(g->s->store->directory, &g->a, local, domain, &routes);
    if (!e) e = inbound_routes(g->s, &g->a, local, domain, &routes);
    if (e) return e;
    enum simulated ignored;
    if (routes.result == RESOLVED_NOT_LOCAL && simulator_is(g->s->hostname, local, domain, &ignored))
        add_route(g, to->address, &(struct route){true, SIMULATOR_ACCOUNT, to->address, {0}});
    else if (routes.result == RESOLVED_NOT_LOCAL)
        add_route(g, to->address, &(struct route){.address = to->address});
    else if (routes.result != RESOLVED) nobody(g, to->address, routes.result);
    else
        for (size_t i = 0; i < routes.n; i++) add_route(g, to->address, &routes.v[i]);
    return 0;
}

static int add_addrs(struct giving *g, const struct send_addrs *list)
{
    int e = 0;
    for (size_t i = 0; !e && i < list->n; i++) e = add_addr(g, &list->v[i]);
    return e;
}

static bool needs_utf8(const struct giving *g, struct slice from)
{
    bool yes = !is_ascii(from);
    for (size_t i = 0; i < g->n; i++) yes |= !is_ascii(g->rcpt[i].route.address);
    return yes;
}

/* Where its bounces go: to this letter's own address, at a name of the sender's domain that leads here. */
static int return_path(struct giving *g, struct slice domain, struct slice *out)
{
    struct send_ref r = {'r', g->r->id, g->r->count.page, g->number};
    struct slice local = send_ref_text(g->s, &g->a, &r);
    struct send_hosts h;
    int e = send_hosts(g->s, &g->a, sl_cstr(g->r->account), domain, &h);
    *out = mail_addr_join(&g->a, local, h.mail);
    return e;
}

static int into_queue(struct giving *g)
{
    const struct send_head *h = &g->content->head;
    const struct send *common = &g->content->send;
    struct slice from = g->l.from.address.n ? g->l.from.address : common->from.address;
    struct slice domain = sl_from(from, sl_rchr(from, '@') + 1);
    struct trace_event came = {.kind = TRACE_RECEIVED};
    struct letter l = {.rcpt = g->rcpt,
                       .nrcpt = g->n,
                       .made = ar_printf(&g->a, "%s %llu %llu", g->r->id.s,
                                         (unsigned long long)g->r->count.page, (unsigned long long)g->number),
                       .received = rt_wall_seconds(),
                       .smtputf8 = needs_utf8(g, from),
                       .stream = h->stream,
                       .once = true,
                       .submitter = sl_cstr(g->r->account),
                       .campaign = utf8_cut(common->campaign, LETTER_CAMPAIGN_MAX),
                       .subject = utf8_cut(g->l.subject.n ? g->l.subject : common->subject, LIMIT_SUBJECT),
                       .signed_for = domain,
                       .events = &came,
                       .nevents = 1};
    send_letter_id(&g->r->id, g->number, &l.id);
    if (g->r->state != SEND_CANCELED && g->l.send_at > l.received &&
        g->l.send_at <= l.received + LETTER_HOLD_MAX_S)
        l.wants.hold_until = g->l.send_at;
    const struct send_ref ref = {.send = g->r->id, .page = g->r->count.page, .number = g->number};
    l.message_id = send_message_id(g->s, &g->a, &ref, domain);
    came.id = l.id;
    came.sentence = ar_printf(&g->a, "letter %llu of the send %s, taken from %.*s",
                              (unsigned long long)g->number, g->r->id.s, SLF(h->address));
    int e = return_path(g, domain, &l.sender);
    return e ? e : accept_letter(g->s->queue, &l);
}

/* The next time it would be the same: everybody hears of it, and the others go on. */
static void refused(struct giving *g, int why)
{
    const struct send_addrs *lists[] = {&g->l.to, &g->l.cc, &g->l.bcc};
    struct slice text = ar_printf(&g->a, "the letter cannot be sent: %s", err_text(why));
    g->n = g->nout = 0;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const struct send_addr *m = &lists[i]->v[k];
            struct event *e = one_out(g, m->address, m->left_out ? EVENT_DROPPED : EVENT_FAILED);
            e->reason = m->left_out;
            if (!m->left_out) e->reply = text;
        }
}

static void give(void *arg)
{
    struct giving *g = arg;
    if (g->lost) return;
    int e = add_addrs(g, &g->l.to);
    if (!e) e = add_addrs(g, &g->l.cc);
    if (!e) e = add_addrs(g, &g->l.bcc);
    if (!e && g->n) e = into_queue(g);
    if (e && !err_is_temporary(e)) refused(g, e), e = 0;
    g->result = e;
}

/* ---- a batch ---- */

static int give_all(struct giving *g, size_t n)
{
    struct group fibers;
    int e = 0;
    for (size_t at = 0; !e && at < n; at += RUN_AT_ONCE) {
        group_init(&fibers);
        for (size_t i = at; i < n && i < at + RUN_AT_ONCE; i++)
            if (group_go(&fibers, "send", give, &g[i]) != 0) give(&g[i]);
        e = group_wait(&fibers);
        for (size_t i = at; !e && i < n && i < at + RUN_AT_ONCE; i++) e = g[i].result;
    }
    return e;
}

struct moving {
    struct sends *s;
    struct run *r;
    const struct giving *g;
    size_t n;                /* letters of g */
    uint64_t lost;           /* letters behind them that cannot be read */
    bool page_ends;          /* behind all these */
    struct send_count count; /* out */
};

static int get_count(struct kv_tx *tx, const struct run *r, struct send_count *c)
{
    struct slice row;
    *c = (struct send_count){0};
    int e = kv_tx_get(tx, SL("c"), &row);
    if (!e) e = send_count_get(row, c);
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && (c->next != r->count.next || c->page != r->count.page))
        e = err_set(ERR_CONFLICT, "somebody else moves the send %s", r->id.s);
    return e;
}

static void put_count(struct kv_tx *tx, const struct send_count *c)
{
    struct buf b = BUF_INIT;
    send_count_put(&b, c);
    kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
}

static int move_tx(struct kv_tx *tx, void *arg)
{
    struct moving *x = arg;
    int e = get_count(tx, x->r, &x->count);
    if (e) return e;
    x->count.next += x->n + x->lost;
    x->count.failed += x->lost;
    for (size_t i = 0; i < x->n; i++) x->count.failed += x->g[i].lost;
    if (x->page_ends) x->count.page = x->count.next;
    if (!x->count.begun) x->count.begun = rt_wall_seconds();
    put_count(tx, &x->count);
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < x->g[i].nout; k++)
            event_tx_add(x->s, tx, sl_cstr(x->r->account), &x->g[i].out[k]);
    return 0;
}

/* Events before it begins are not its own: who follows it goes back no further than to here. */
static int begin_tx(struct kv_tx *tx, void *arg)
{
    struct moving *x = arg;
    int e = get_count(tx, x->r, &x->count);
    if (e) return e;
    x->count.begun = rt_wall_seconds();
    lock_take(&x->s->lock);
    x->count.seen = x->s->last_event;
    lock_release(&x->s->lock);
    put_count(tx, &x->count);
    return 0;
}

static bool has_room(const struct run *r)
{
    return r->state == SEND_CANCELED || r->count.queued < r->count.ended + RUN_WINDOW;
}

/* Letters of the page from the next one on; *rest: there are more, or what follows cannot be read. */
static size_t read_batch(struct sends *s, struct run *r, struct slice page, struct giving *g, bool *rest)
{
    struct rec at = {.rest = page};
    uint64_t number = r->count.page;
    size_t n = 0;
    *rest = false;
    for (; rec_next(&at); number++) {
        if (number < r->count.next) continue;
        if ((*rest = n == RUN_BATCH)) break;
        g[n] = (struct giving){.s = s, .r = r, .number = number};
        g[n].lost = send_letter_get(at.field, &g[n].a, &g[n].l) != 0;
        if (g[n].lost)
            log_error("send", "letter %llu of the send %s cannot be read; nobody gets it",
                      (unsigned long long)number, r->id.s);
        n++;
    }
    *rest |= at.bad;
    return n;
}

/* How many letters lie between the next one and the next page. */
static int rest_of_page(struct sends *s, struct run *r, struct arena *a, uint64_t *n)
{
    struct kv_page found;
    uint64_t first = r->numbers;
    int e = kv_scan(s->store->kv, sl_cstr(r->object), send_key_page(a, r->count.next + 1, 0), SL("p0"), 1, a,
                    &found);
    if (!e && found.n) e = num_u64(sl_sub(found.row[0].key, 2, 12), r->numbers, &first) ? 0 : ERR_CORRUPT;
    *n = first - r->count.next;
    return e;
}

/* A page of which nothing more can be read. */
static int pass_over(struct sends *s, struct run *r, struct given *out)
{
    struct arena a = {0};
    struct moving x = {.s = s, .r = r, .page_ends = true};
    int e = rest_of_page(s, r, &a, &x.lost);
    if (!e) e = kv_transact(s->store->kv, sl_cstr(r->object), move_tx, &x);
    if (!e) {
        log_error("send",
                  "%llu letters of the send %s, from letter %llu on, cannot be read; nobody gets them",
                  (unsigned long long)x.lost, r->id.s, (unsigned long long)r->count.next);
        out->count = x.count, out->moved = true;
    }
    ar_free(&a);
    return e;
}

/* Before the first letter of it. */
static int begin(struct sends *s, struct run *r)
{
    struct moving x = {.s = s, .r = r};
    int e = kv_transact(s->store->kv, sl_cstr(r->object), begin_tx, &x);
    if (!e) r->count = x.count;
    return e;
}

/* Letters that were read. A cancel counts for those that are not in the queue yet: what may be there goes
 * again under its id, and is dropped from there, so that each end is told once. */
static int give_batch(struct sends *s, struct run *r, const struct content *c, struct giving *g, size_t n,
                      bool rest, struct given *out)
{
    bool canceled = r->state == SEND_CANCELED;
    struct moving x = {.s = s, .r = r, .g = g, .n = n, .page_ends = !rest};
    for (size_t i = 0; i < n; i++) {
        g[i].content = c;
        g[i].canceled = canceled && (g[i].number >= r->doubt || !c);
    }
    if (!canceled && r->doubt < g[n - 1].number + 1) r->doubt = g[n - 1].number + 1;
    int e = give_all(g, n);
    if (!e) e = kv_transact(s->store->kv, sl_cstr(r->object), move_tx, &x);
    if (!e) out->count = x.count, out->moved = true;
    return e;
}

int run_give(struct sends *s, struct run *r, struct given *out)
{
    struct arena a = {0};
    struct slice page;
    struct content *c = NULL;
    struct giving *g;
    size_t n = 0;
    bool rest = false;
    *out = (struct given){0};
    if (r->count.next >= r->numbers || !has_room(r)) return 0;
    int e = content_get(s, &r->id, &c);
    if (run_is_damage(e) && r->state == SEND_CANCELED) e = 0;
    out->damaged = run_is_damage(e);
    if (!e && run_is_fresh(r)) e = begin(s, r);
    if (e) return c ? content_put(s, c), e : e;
    g = ar_array(&a, struct giving, RUN_BATCH);
    e = send_page_read(s, &r->id, r->count.page, &a, &page);
    if (!e) n = read_batch(s, r, page, g, &rest);
    if (n) e = give_batch(s, r, c, g, n, rest, out);
    else if (!e || run_is_damage(e)) e = pass_over(s, r, out);
    for (size_t i = 0; i < n; i++) ar_free(&g[i].a);
    if (c) content_put(s, c);
    ar_free(&a);
    return e;
}
