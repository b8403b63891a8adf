/* send_give.c - letters of a send into the queue, a batch at a time: each under an id that is always the
 * same, so that a batch that is repeated after a crash gives nobody a second one; then the place is moved on.
 */
#include <stdio.h>

#include "base/text.h"
#include "mail/addr.h"
#include "queue/accept.h"
#include "send_run.h"
#include "trace/trace.h"
#include "unsubscribe.h"

/* One letter of the batch, on its way. */
struct giving {
    struct sends *s;
    struct run *r;
    const struct send *common;
    const struct send_head *head;
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
    if (to->left_out || g->r->state == SEND_CANCELED) {
        one_out(g, to->address, EVENT_DROPPED)->reason = to->left_out ? to->left_out : SEND_OUT_CANCELED;
        return 0;
    }
    int e = mail_addr_split(&g->a, to->address, &local, &domain);
    if (!e) e = directory_resolve(g->s->store->directory, &g->a, local, domain, &routes);
    if (e) return e;
    if (routes.result == RESOLVED_NOT_LOCAL)
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

/* Where its bounces go: to this letter's own address, at the sender's domain. */
static struct slice return_path(struct giving *g, struct slice domain)
{
    struct send_ref r = {'r', g->r->id, g->r->count.page, g->number};
    struct slice local = send_ref_text(g->s, &g->a, &r);
    return mail_addr_join(&g->a, local, domain);
}

static int into_queue(struct giving *g)
{
    const struct send_head *h = g->head;
    struct slice from = g->l.from.address.n ? g->l.from.address : g->common->from.address;
    struct slice domain = sl_from(from, sl_rchr(from, '@') + 1);
    struct trace_event came = {.kind = TRACE_RECEIVED};
    struct letter l = {.sender = return_path(g, domain),
                       .rcpt = g->rcpt,
                       .nrcpt = g->n,
                       .made = ar_printf(&g->a, "%s %llu %llu", g->r->id.s,
                                         (unsigned long long)g->r->count.page, (unsigned long long)g->number),
                       .received = rt_wall_seconds(),
                       .smtputf8 = needs_utf8(g, from),
                       .stream = h->stream,
                       .once = true,
                       .submitter = sl_cstr(g->r->account),
                       .subject = utf8_cut(g->l.subject.n ? g->l.subject : g->common->subject, LIMIT_SUBJECT),
                       .signed_for = domain,
                       .events = &came,
                       .nevents = 1};
    send_letter_id(&g->r->id, g->number, &l.id);
    if (g->l.send_at > l.received && g->l.send_at <= l.received + LETTER_HOLD_MAX_S)
        l.wants.hold_until = g->l.send_at;
    l.message_id = ar_printf(&g->a, "<%s@%.*s>", l.id.s, SLF(domain));
    came.id = l.id;
    came.sentence = ar_printf(&g->a, "letter %llu of the send %s, taken from %.*s",
                              (unsigned long long)g->number, g->r->id.s, SLF(h->address));
    bool here = false;
    int e = domain_is_local(g->s->store->directory, domain, &here);
    if (!here) l.sender = from;
    return e ? e : accept_letter(g->s->queue, &l);
}

static void give(void *arg)
{
    struct giving *g = arg;
    int e = add_addrs(g, &g->l.to);
    if (!e) e = add_addrs(g, &g->l.cc);
    if (!e) e = add_addrs(g, &g->l.bcc);
    if (!e && g->n) e = into_queue(g);
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
    size_t n;
    bool page_ends;
    struct send_count count; /* out */
};

static int move_tx(struct kv_tx *tx, void *arg)
{
    struct moving *x = arg;
    struct slice row;
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, SL("c"), &row);
    x->count = (struct send_count){0};
    if (!e) e = send_count_get(row, &x->count);
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && (x->count.next != x->r->count.next || x->count.page != x->r->count.page))
        e = err_set(ERR_CONFLICT, "somebody else moves the send %s", x->r->id.s);
    if (e) return e;
    x->count.next += x->n;
    if (x->page_ends) x->count.page = x->count.next;
    if (!x->count.begun) x->count.begun = rt_wall_seconds();
    send_count_put(&b, &x->count);
    kv_tx_put_record(tx, SL("c"), &b);
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < x->g[i].nout; k++)
            event_tx_add(x->s, tx, sl_cstr(x->r->account), &x->g[i].out[k]);
    buf_free(&b);
    return 0;
}

static bool has_room(const struct run *r)
{
    return r->state == SEND_CANCELED || r->count.queued < r->count.ended + RUN_WINDOW;
}

/* Letters of the page from the next one on; *rest: there are more. */
static size_t read_batch(struct sends *s, struct run *r, struct slice page, struct giving *g, int *bad,
                         bool *rest)
{
    struct rec at = {.rest = page};
    uint64_t number = r->count.page;
    size_t n = 0;
    *rest = false;
    for (*bad = 0; !*bad && rec_next(&at); number++) {
        if (number < r->count.next) continue;
        if ((*rest = n == RUN_BATCH)) break;
        g[n] = (struct giving){.s = s, .r = r, .number = number};
        *bad = send_letter_get(at.field, &g[n].a, &g[n].l);
        n++;
    }
    if (!*bad && at.bad) *bad = err_set(ERR_CORRUPT, "a page of the send %s is damaged", r->id.s);
    return n;
}

int run_give(struct sends *s, struct run *r, struct send_count *count, bool *moved)
{
    struct arena a = {0};
    struct giving *g = ar_array(&a, struct giving, RUN_BATCH);
    struct slice page;
    struct send common;
    struct send_head head;
    size_t n = 0;
    bool rest = false;
    *moved = false;
    if (r->count.next >= r->numbers || !has_room(r)) return ar_free(&a), 0;
    int bad, e = send_head_read(s, &r->id, &a, &head);
    if (!e) e = send_common_read(s, &r->id, &a, &common);
    if (!e) e = send_page_read(s, &r->id, r->count.page, &a, &page);
    if (!e) n = read_batch(s, r, page, g, &bad, &rest), e = bad;
    for (size_t i = 0; i < n; i++) g[i].common = &common, g[i].head = &head;
    if (!e && !n) e = err_set(ERR_CORRUPT, "a page of the send %s lacks letters", r->id.s);
    if (!e) e = give_all(g, n);
    struct moving x = {.s = s, .r = r, .g = g, .n = n, .page_ends = !rest};
    if (!e) e = kv_transact(s->store->kv, sl_cstr(r->object), move_tx, &x);
    if (!e) *count = x.count, *moved = true;
    for (size_t i = 0; i < n; i++) ar_free(&g[i].a);
    ar_free(&a);
    return e;
}
