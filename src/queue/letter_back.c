/* letter_back.c - a letter whose rows were lost comes back from the origin of its body (store/rescue.h).
 *
 * A recipient here gets it under its old name, so whoever has it does not get it again. One elsewhere may
 * have it: it waits, held, until somebody says. */
#include "accept.h"
#include "queue_i.h"
#include "store/rescue.h"

static const struct slice why_held = SL_INIT(
    "the index was lost and made again: whether it was sent on before is not known; release it to send it, "
    "or drop it");

struct coming_back {
    struct queue *q;
    const struct rescue_letter *from;
    struct letter l;
    struct letter_rcpt *held; /* of them */
    size_t nheld;
    struct arena *a;
    struct queue_back *out;
};

/* Whoever is not here any more is treated as somebody elsewhere: it goes out and is told what becomes of it.
 * A call may have been made, too, or a list have written to its members. */
static void hold(struct coming_back *x, const struct letter_rcpt *r)
{
    if (!x->from->waited) return;
    x->held[x->nheld] = *r;
    x->held[x->nheld++].route.local = last_hop_goes_on(r->route.account);
    x->out->held =
        ar_printf(x->a, "%.*s%s%.*s", SLF(x->out->held), x->out->held.n ? ", " : "", SLF(r->route.address));
}

static int deliver_here(struct coming_back *x, size_t i)
{
    const struct letter_rcpt *r = &x->l.rcpt[i];
    int has = rescue_has(x->from, r->route.account, x->l.received);
    if (has == ERR_NOT_FOUND) hold(x, r);
    if (has) return has == 1 || has == ERR_NOT_FOUND ? 0 : has;
    struct last_hop d = {
        .letter = &x->l, .account = r->route.account, .address = r->route.address, .detail = r->route.detail};
    int e = local_deliver(x->q, &d, (uint32_t)i);
    if (e || d.before) return e;
    x->out->delivered++;
    rescue_delivered(x->from, r->route.account);
    return 0;
}

static int queue_held(struct coming_back *x)
{
    x->l.rcpt = x->held;
    x->l.nrcpt = x->nheld;
    x->l.hold = why_held;
    x->l.hold_all = true;
    int e = body_pin(x->q->store->body, &x->l.body);
    if (!e) e = accept_letter(x->q, &x->l);
    if (e == ERR_BUSY) e = 0, x->nheld = 0; /* it is there: from the place where a sweep had it before */
    return e;
}

int queue_take_back(struct queue *q, const struct rescue_letter *from, struct arena *a,
                    struct queue_back *out)
{
    struct coming_back x = {.q = q, .from = from, .a = a, .out = out};
    *out = (struct queue_back){0};
    int e = letter_origin_get(from->origin, a, &x.l);
    if (e) return e;
    x.l.body = *from->ref;
    x.held = ar_array(a, struct letter_rcpt, x.l.nrcpt);
    for (size_t i = 0; !e && i < x.l.nrcpt; i++) {
        const struct route *r = &x.l.rcpt[i].route;
        if (r->local && !last_hop_goes_on(r->account)) e = deliver_here(&x, i);
        else hold(&x, &x.l.rcpt[i]);
    }
    if (!e && x.nheld) e = queue_held(&x);
    out->id = x.l.id;
    out->sender = x.l.sender;
    out->nheld = x.nheld;
    return e;
}
