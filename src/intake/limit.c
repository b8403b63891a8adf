/* limit.c - how much our people may send: asked for each letter and recipient, counted when it is taken. What
 * Tram makes itself and what the operator's programs send are exempt. */
#include "intake_i.h"
#include "mail/addr.h"
#include "store/store.h"

struct asker {
    struct allowance_of of;
    char room[LIMIT_LOCAL_PART + 2];
};

/* A user of the machine without an account is known by the name. */
static const char *id_of_login(struct slice login, char room[LIMIT_LOCAL_PART + 2])
{
    size_t n = login.n < LIMIT_LOCAL_PART ? login.n : LIMIT_LOCAL_PART;
    room[0] = '@';
    for (size_t i = 0; i < n; i++) room[i + 1] = login.p[i] > 0x20 && login.p[i] < 0x7f ? login.p[i] : '?';
    room[n + 1] = 0;
    return room;
}

/* Whose limits bind, as they are now: a session may have read the account long ago. ERR_NOT_FOUND: nobody's.
 */
static int asker_of(const struct intake *in, const struct intake_from *from, struct asker *out)
{
    struct arena a;
    struct account now;
    *out = (struct asker){
        .of = {.limits = SENDER_LIMITS_UNSET, .key = from->key, .key_limits = from->key_limits}};
    if (!in->allowance || !intake_is_bound(from)) return ERR_NOT_FOUND;
    if (!from->account) {
        out->of.id = id_of_login(from->login, out->room);
        return 0;
    }
    out->of.id = from->account->id;
    out->of.limits = from->account->limits;
    ar_init(&a, 0);
    int e = account_read(in->store->directory, &a, from->account->local, from->account->domain, &now);
    if (!e) out->of.limits = now.limits;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* it is gone: the session ends by itself */
}

/* What passes is refused for now, what never will for good; a letter with too many recipients as any server
 * refuses it, so that the client sends another one to the rest (RFC 5321 section 4.5.3.1.10). */
static struct intake_refusal refusal(const struct allowance_end *end, struct arena *a)
{
    struct intake_refusal r = {450, "4.7.1", ERR_LIMIT, ar_dup(a, sl_cstr(err_text(ERR_LIMIT)))};
    if (end->which == SENDER_HELD || end->which == SENDER_HELD_MIB)
        return (struct intake_refusal){552, "5.7.16", ERR_LIMIT, r.text}; /* RFC 4865 section 6 */
    if (end->which == SENDER_RCPTS_LETTER) r.code = 452, r.enhanced = "4.5.3";
    else if (!end->until) r.code = 550, r.enhanced = "5.7.1";
    return r;
}

static struct intake_refusal no_rows(struct arena *a, int e)
{
    return intake_failure(a, e, "What was sent lately cannot be read");
}

static struct intake_refusal ask(const struct intake *in, const struct intake_from *from,
                                 const struct asker *x, const struct allowance_want *want, struct arena *a,
                                 bool take)
{
    struct allowance_end end;
    int e = take ? allowance_take(in->allowance, &x->of, want, &end)
                 : allowance_ask(in->allowance, &x->of, want, &end);
    if (!e) return (struct intake_refusal){0};
    if (e != ERR_LIMIT) return no_rows(a, e);
    struct intake_refusal r = refusal(&end, a);
    if (end.until && allowance_tell(in->allowance, x->of.id)) intake_limit_tell(in, from, r.text);
    return r;
}

/* That a letter is to wait is the sender's own doing, so nobody else is told that no more can. */
static struct intake_refusal hold(const struct intake *in, const struct asker *x, struct allowance_held *held,
                                  struct arena *a, bool take)
{
    struct allowance_end end;
    int e = take ? allowance_held_take(in->allowance, &x->of, held, &end)
                 : allowance_held_ask(in->allowance, &x->of, held, &end);
    if (!e) return (struct intake_refusal){0};
    return e == ERR_LIMIT ? refusal(&end, a) : no_rows(a, e);
}

struct intake_refusal intake_limit_begin(const struct intake *in, const struct intake_from *from,
                                         const struct intake_sender *s, struct arena *a)
{
    struct asker x;
    int e = asker_of(in, from, &x);
    if (e) return e == ERR_NOT_FOUND ? (struct intake_refusal){0} : no_rows(a, e);
    struct intake_refusal r = ask(in, from, &x, &(struct allowance_want){.letters = 1, .rcpts = 1}, a, false);
    if (r.code || !s->wants.hold_until) return r;
    return hold(in, &x, &(struct allowance_held){s->wants.hold_until, s->size}, a, false);
}

/* Is the address new to the sender? Only asked where that is limited. */
static int look(struct intake_letter *l, const struct asker *x, struct slice address,
                enum allowance_known *out)
{
    *out = ALLOWANCE_KNOWN;
    if (!allowance_counts_fresh(l->in->allowance, &x->of)) return 0;
    for (size_t i = 0; i < l->nfresh; i++)
        if (sl_eqi(l->fresh[i], address)) return 0;
    return allowance_knows(l->in->allowance, x->of.id, address, out);
}

struct intake_refusal intake_limit_rcpt(struct intake_letter *l, struct slice address, struct arena *a)
{
    enum allowance_known known = ALLOWANCE_KNOWN;
    struct asker x;
    int e = asker_of(l->in, &l->from, &x);
    if (e == ERR_NOT_FOUND) return (struct intake_refusal){0};
    if (!e) e = look(l, &x, address, &known);
    if (e) return no_rows(a, e);
    struct allowance_want want = {1, (uint32_t)l->nsaid + 1, l->nnew + (known == ALLOWANCE_FRESH)};
    struct intake_refusal r = ask(l->in, &l->from, &x, &want, a, false);
    if (r.code || known == ALLOWANCE_KNOWN) return r;
    l->fresh = intake_one_more(&l->a, l->fresh, l->nfresh, &l->fresh_room, sizeof *l->fresh);
    l->fresh[l->nfresh++] = ar_dup(&l->a, address);
    l->nnew += known == ALLOWANCE_FRESH;
    return r;
}

static struct allowance_want want_of(const struct intake_letter *l)
{
    return (struct allowance_want){1, (uint32_t)l->nsaid, l->nnew};
}

void intake_limit_take(struct intake_letter *l)
{
    struct asker x;
    struct allowance_want want = want_of(l);
    struct allowance_held held = {l->wants.hold_until, l->size};
    int e = asker_of(l->in, &l->from, &x);
    if (e == ERR_NOT_FOUND) return;
    struct intake_refusal r = e ? no_rows(&l->a, e) : ask(l->in, &l->from, &x, &want, &l->a, true);
    l->counted = !r.code;
    if (!r.code && l->wants.hold_until && !l->discarded)
        r = hold(l->in, &x, &held, &l->a, true), l->held = held;
    l->refusal = r;
    for (size_t i = 0; !r.code && i < l->nfresh; i++) allowance_wrote(l->in->allowance, x.of.id, l->fresh[i]);
}

void intake_limit_return(struct intake_letter *l)
{
    struct asker x;
    struct allowance_want want = want_of(l);
    if (!l->counted || asker_of(l->in, &l->from, &x)) return;
    allowance_return(l->in->allowance, &x.of, &want);
    allowance_held_return(l->in->allowance, &x.of, &l->held);
    l->counted = false;
    l->held.until = 0;
}
