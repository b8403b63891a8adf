/* envelope.c - who sends, and who may be written to from there (RFC 5321 section 3.3). */
#include <stdio.h>

#include "backup_mx.h"
#include "base/memory.h"
#include "directory/sending_domain.h"
#include "guard/guard.h"
#include "intake_i.h"
#include "mail/addr.h"
#include "outgoing/srs.h"
#include "send/inbound.h"
#include "send/return_path.h"
#include "send/simulator.h"
#include "store/store.h"

static const struct intake_refusal none, no_memory = {452, "4.3.1", ERR_BUSY, SL_INIT(INTAKE_NO_MEMORY)};

/* ---- the sender ---- */

int intake_may_write_as(const struct intake *in, const struct intake_from *from, struct slice local,
                        struct slice domain)
{
    if (from->login.n && sl_eqi(local, from->login) &&
        (sl_eqi(domain, from->login_domain) || sl_eqi(domain, in->hostname)))
        return 0;
    if (from->account) return account_may_send_as(in->store->directory, from->account, local, domain);
    return err_set(ERR_DENIED,
                   "the user %.*s of this machine sends as %.*s@%.*s only, unless an account of that name "
                   "has other addresses",
                   SLF(from->login), SLF(from->login), SLF(from->login_domain));
}

/* A user sends only under addresses of their own; receipts have the null path. */
static struct intake_refusal judge_sender(const struct intake *in, const struct intake_from *from,
                                          const struct intake_sender *s, struct arena *a)
{
    if (!intake_is_bound(from) || !s->domain.n) return none;
    int e = intake_may_write_as(in, from, s->local, s->domain);
    if (e == ERR_DENIED) return (struct intake_refusal){550, "5.7.1", e, ar_dup(a, sl_cstr(err_text(e)))};
    return e ? intake_failure(a, e, "The directory cannot be read") : none;
}

struct intake_refusal intake_begin(struct intake_letter *l, const struct intake *in,
                                   const struct intake_from *from, const struct intake_sender *s,
                                   struct arena *a)
{
    ASSERT(!l->in);
    ASSERT(from->origin != INTAKE_USER || from->account);
    struct intake_refusal r = judge_sender(in, from, s, a);
    if (!r.code) r = intake_solicits(in, from, s->solicit, a);
    if (!r.code && from->origin != INTAKE_OURS && memory_over()) r = no_memory;
    if (!r.code) r = intake_limit_begin(in, from, s, a);
    if (r.code) return r;
    l->in = in;
    l->a.cap = INTAKE_MEMORY;
    l->from = *from;
    l->sender = s->domain.n ? mail_addr_join(&l->a, s->local, s->domain) : SL("");
    l->ret = ar_dup(&l->a, s->ret);
    l->envid = ar_dup(&l->a, s->envid);
    l->smtputf8 = s->smtputf8;
    l->binary = s->binary;
    l->seen = (struct intake_lines){0};
    l->size_said = s->size;
    l->wants = s->wants;
    l->international = !is_ascii(s->local);
    map_init(&l->routes, false);
    letter_id_new(&l->id);
    r = intake_filter_sender(l, a);
    if (!r.code) return none;
    intake_note_refused(l, SL(""), &r);
    intake_drop(l);
    return r;
}

/* ---- a recipient ---- */

/* RFC 8601 section 3, RFC 7208: the questions about the client and the sender begin now, and are answered
 * while the letter arrives. */
static void begin_checks(struct intake_letter *l)
{
    if (l->from.origin != INTAKE_STRANGER || l->auth || !l->in->mailauth) return;
    struct mailauth_conn conn = {
        .ip = l->from.peer, .helo = l->from.helo, .tls = l->from.tls_version.n > 0, .iprev = l->from.iprev};
    struct mailauth_envelope env = {.mail_from = l->sender};
    int e = mailauth_new(&l->auth, l->in->mailauth, &l->a, &conn, &env);
    if (e) {
        l->auth = NULL;
        intake_fail(l, e, "The sender cannot be checked");
    }
}

/* Of what somebody hears who was given so: nothing said means failures and delays (RFC 3461 section 4.1). */
static unsigned hears(unsigned notify)
{
    return notify & NOTIFY_NEVER ? 0 : notify ? notify : NOTIFY_FAILURE | NOTIFY_DELAY;
}

/* A second recipient that leads to the same place: one copy, of which is reported what either wants to hear,
 * to the one that wants more of it. */
static void wish_too(struct intake_letter *l, struct letter_rcpt *to, struct slice address, unsigned notify,
                     struct slice orcpt)
{
    unsigned before = hears(to->notify), now = hears(notify);
    if (!(now & ~before)) return;
    l->rows -= letter_rcpt_rows(to);
    if (before & ~now) to->notify = before | now;
    else to->address = address, to->notify = notify, to->orcpt = orcpt;
    l->rows += letter_rcpt_rows(to);
}

static void add_route(struct intake_letter *l, struct slice address, const struct route *r, unsigned notify,
                      struct slice orcpt)
{
    /* elsewhere Bob@ and bob@ are two (RFC 5321 section 2.4) */
    size_t at = r->local ? SL_NONE : sl_rchr(r->address, '@');
    struct slice key =
        r->local && last_hop_calls(r->account) ? ar_printf(&l->a, "%s %.*s", r->account, SLF(r->address))
        : at == SL_NONE                        ? sl_cstr(r->account)
                        : ar_cat(&l->a, sl_sub(r->address, 0, at), ar_lower(&l->a, sl_from(r->address, at)));
    uintptr_t before = (uintptr_t)map_get(&l->routes, key); /* its number, from 1 */
    if (before) {
        wish_too(l, &l->rcpt[before - 1], address, notify, orcpt);
        return;
    }
    l->rcpt = intake_one_more(&l->a, l->rcpt, l->nrcpt, &l->rcpt_room, sizeof *l->rcpt);
    struct letter_rcpt *to = &l->rcpt[l->nrcpt++];
    *to = (struct letter_rcpt){.address = address, .route = *r, .notify = notify, .orcpt = orcpt};
    to->route.address = ar_dup(&l->a, r->address);
    to->route.detail = ar_dup(&l->a, r->detail);
    l->rows += letter_rcpt_rows(to);
    l->any_local |= r->local;
    map_put(&l->routes, key, (void *)(uintptr_t)l->nrcpt);
}

/* An alias of ours that sends on to other servers: from there the letter may come back. */
static bool leads_elsewhere(const struct routes *r)
{
    for (size_t i = 0; r->rewritten && i < r->n; i++)
        if (!r->v[i].local) return true;
    return false;
}

static void add_routes(struct intake_letter *l, const struct intake_to *to, struct slice address,
                       const struct routes *routes)
{
    struct slice orcpt = ar_dup(&l->a, to->orcpt);
    if (leads_elsewhere(routes)) {
        l->forward = intake_one_more(&l->a, l->forward, l->nforward, &l->forward_room, sizeof *l->forward);
        l->forward[l->nforward++] = address;
    }
    for (size_t i = 0; i < routes->n; i++) add_route(l, address, &routes->v[i], to->notify, orcpt);
}

/* Filters may take a recipient away: then the routes of the others are looked up again. */
static void keep_to(struct intake_letter *l, const struct intake_to *to)
{
    if (!l->filters) return;
    l->to = intake_one_more(&l->a, l->to, l->nsaid, &l->to_room, sizeof *l->to);
    l->to[l->nsaid] = (struct intake_to){.local = ar_dup(&l->a, to->local),
                                         .domain = ar_dup(&l->a, to->domain),
                                         .notify = to->notify,
                                         .orcpt = ar_dup(&l->a, to->orcpt)};
}

static void add_rcpt(struct intake_letter *l, const struct intake_to *to, struct slice address,
                     const struct routes *routes)
{
    address = ar_dup(&l->a, address);
    add_routes(l, to, address, routes);
    keep_to(l, to);
    l->said = intake_one_more(&l->a, l->said, l->nsaid, &l->said_room, sizeof *l->said);
    l->said[l->nsaid++] = address;
    begin_checks(l);
}

/* What comes back about letters of sends: to an address that is theirs alone and was made here, at whatever
 * name led here: a domain of ours, the host's, one of a customer that may be none by now. */
static void resolve_return(const struct intake *in, struct arena *a, const struct intake_to *to,
                           struct routes *out, bool *is)
{
    *is = in->sends && to->domain.n && return_path_is_ours(in->sends, to->local);
    if (!*is) return;
    struct route *r = ar_new(a, struct route);
    *r = (struct route){.local = true, .address = mail_addr_join(a, to->local, to->domain)};
    snprintf(r->account, sizeof r->account, "%s", RETURN_PATH_ACCOUNT);
    *out = (struct routes){.result = RESOLVED, .v = r, .n = 1};
}

/* Where complaints come to is read, too, beside who reads that mailbox (RFC 5965). */
static void hear(const struct intake *in, struct arena *a, const struct intake_to *to, struct routes *out)
{
    if (!in->sends || out->result != RESOLVED || !return_path_hears(to->local)) return;
    struct route *v = ar_array(a, struct route, out->n + 1);
    memcpy(v, out->v, out->n * sizeof *v);
    v[out->n] = (struct route){.local = true, .address = mail_addr_join(a, to->local, to->domain)};
    snprintf(v[out->n].account, sizeof v->account, "%s", RETURN_PATH_ACCOUNT);
    out->v = v;
    out->n++;
}

/* Does mail for a customer's domain come back to that name? */
static int is_return_host(const struct intake *in, struct arena *a, struct slice host, bool *yes)
{
    struct sending_domain d;
    struct slice domain;
    *yes = false;
    if (domain_name(a, host, &host)) return 0;
    size_t dot = sl_chr(host, '.');
    domain = dot == SL_NONE ? SL("") : sl_from(host, dot + 1);
    int e = sending_domain_of(in->store->directory, a, domain, &d);
    *yes = !e && sl_eq(host, sending_return_host(a, &d));
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* Mail to the names that every server has reaches its postmaster (RFC 5321 section 4.5.1, RFC 2142),
 * at the host's own name as well, and at those that customers' mail comes back to, and so do answers to our
 * reports and what the machine tells its root. */
static int resolve_name(const struct intake *in, struct arena *a, const struct intake_to *to,
                        struct routes *out)
{
    static const struct slice duties[] = {SL_INIT("postmaster"), SL_INIT("abuse"), SL_INIT("mailer-daemon"),
                                          SL_INIT("root")};
    int e = directory_resolve(in->store->directory, a, to->local, to->domain, out);
    if (e) return e;
    bool host = out->result == RESOLVED_NOT_LOCAL && sl_eqi(to->domain, in->hostname), duty = false;
    for (size_t i = 0; i < COUNT_OF(duties); i++) duty |= sl_eqi(to->local, duties[i]);
    if (duty && !host && out->result == RESOLVED_NOT_LOCAL) e = is_return_host(in, a, to->domain, &host);
    if (e) return e;
    if (!duty || !(host || out->result == RESOLVED_NO_USER)) return 0;
    return directory_resolve(in->store->directory, a, SL("postmaster"), host ? SL("") : to->domain, out);
}

static int resolve(const struct intake *in, struct arena *a, const struct intake_to *to, struct routes *out)
{
    bool back = false;
    int e = 0;
    resolve_return(in, a, to, out, &back);
    if (!back) e = resolve_name(in, a, to, out);
    if (!e && !back && in->sends && to->domain.n)
        e = inbound_routes(in->sends, a, to->local, to->domain, out);
    if (!e && !back) hear(in, a, to, out);
    return e;
}

/* Would the rows of one more recipient for each route fit the letter? */
static bool routes_fit(const struct intake_letter *l, const struct routes *routes, struct slice orcpt)
{
    size_t rows = l->rows;
    for (size_t i = 0; i < routes->n; i++)
        rows += letter_rcpt_rows(&(struct letter_rcpt){.route = routes->v[i], .orcpt = orcpt});
    return l->nrcpt + routes->n <= LETTER_RCPTS_MAX && rows <= LETTER_ROWS_MAX && !ar_over(&l->a);
}

static struct intake_refusal no_relay(const struct intake_to *to, struct arena *a)
{
    return (struct intake_refusal){
        550, "5.7.1", ERR_DENIED,
        ar_printf(a,
                  "Mail for %.*s is not passed on from here. If you are a user of this server, "
                  "log in on port 587 or 465; if not, look at the MX records of %.*s",
                  SLF(to->domain), SLF(to->domain))};
}

/* What comes back for a letter that was sent on goes to its sender, whoever brings it: the address proves
 * that it was made here. *to, *address: then the sender's. */
static struct intake_refusal come_back(const struct intake_letter *l, struct arena *a, struct intake_to *to,
                                       struct slice *address, bool *back)
{
    struct slice spec;
    bool here = false;
    *back = false;
    if (!l->in->srs || !sl_startsi(to->local, SL("SRS"))) return none;
    int e = domain_is_local(l->in->store->directory, to->domain, &here);
    if (e) return intake_failure(a, e, "The directory cannot be read");
    e = here ? srs_back(l->in->srs, a, to->local, &spec) : ERR_NOT_FOUND;
    if (e == ERR_DENIED)
        return (struct intake_refusal){550, "5.1.1", e,
                                       ar_printf(a, "Nobody is to be found here: %s", err_text(e))};
    if (e || mail_addr_split(a, spec, &to->local, &to->domain) != 0) return none;
    *address = spec;
    *back = true;
    return none;
}

/* Mail that waits here for others' servers, if they know the recipient. Asked last: it opens sessions, and
 * what is taken unseen is counted, so nobody does that who is refused for another reason. */
static struct intake_refusal keep_for_others(const struct intake_letter *l, const struct intake_to *to,
                                             struct slice address, struct arena *a)
{
    struct backup_mx_domain *d = backup_mx_find(l->in->backup_mx, to->domain);
    int e = d ? backup_mx_judge(l->in->backup_mx, a, d, address) : 0;
    if (!e) return none;
    struct slice why = ar_dup(a, sl_cstr(err_text(e)));
    if (e == ERR_BUSY)
        return (struct intake_refusal){450, "4.4.1", e, ar_printf(a, "%.*s; try again later", SLF(why))};
    return (struct intake_refusal){550, "5.1.1", e, why};
}

/* address: as it is known here. A remote one becomes its own route, but never for a stranger, unless the
 * operator's filter wants it (trusted), or (*kept) its servers are still to be asked: this is no open relay.
 */
static struct intake_refusal judge(const struct intake_letter *l, const struct intake_to *said, bool trusted,
                                   struct slice address, struct routes *routes, bool *kept, struct arena *a)
{
    struct intake_to own = *said, *to = &own;
    bool back;
    enum simulated ignored;
    *kept = false;
    struct intake_refusal r = come_back(l, a, to, &address, &back);
    if (r.code) return r;
    int e = resolve(l->in, a, to, routes);
    if (e) return intake_failure(a, e, "The directory cannot be read");
    switch (routes->result) {
    case RESOLVED: break;
    case RESOLVED_NOT_LOCAL:
        if (!trusted && intake_is_foreign(l) && !back) {
            *kept = backup_mx_find(l->in->backup_mx, to->domain) != NULL;
            if (!*kept) return no_relay(to, a);
        }
        *routes = (struct routes){.result = RESOLVED, .v = ar_new(a, struct route), .n = 1};
        routes->v->address = address;
        if (!intake_is_foreign(l) && simulator_is(l->in->hostname, to->local, to->domain, &ignored)) {
            routes->v->local = true;
            snprintf(routes->v->account, sizeof routes->v->account, "%s", SIMULATOR_ACCOUNT);
        }
        break;
    case RESOLVED_NO_USER:
        return (struct intake_refusal){
            550, "5.1.1", ERR_NOT_FOUND,
            ar_printf(a, "There is no mailbox %.*s here; look for a typing error before the @",
                      SLF(address))};
    case RESOLVED_DISABLED:
        return (struct intake_refusal){550, "5.2.1", ERR_DENIED,
                                       ar_printf(a, "The mailbox %.*s is switched off", SLF(address))};
    case RESOLVED_TOO_MANY:
        return (struct intake_refusal){
            550, "5.5.3", ERR_LIMIT,
            ar_printf(a, "The address %.*s leads to more than %d others, or too far; tell postmaster",
                      SLF(address), ALIAS_TARGETS_MAX)};
    case RESOLVED_LOOP:
        return (struct intake_refusal){
            550, "5.4.6", ERR_STATE,
            ar_printf(a, "The address %.*s leads in a circle; tell postmaster", SLF(address))};
    }
    if (!routes_fit(l, routes, to->orcpt))
        return (struct intake_refusal){
            452, "4.5.3", ERR_LIMIT,
            SL("Too many recipients behind the addresses; send another letter to the others")};
    return none;
}

/* Somebody is being buried in mail: that makes nobody else wait (RFC 3463: 4.2.1). */
static struct intake_refusal flooded(const struct intake_letter *l, struct slice address,
                                     const struct routes *routes, struct arena *a)
{
    for (size_t i = 0; l->from.origin == INTAKE_STRANGER && i < routes->n; i++)
        if (routes->v[i].local && guard_flooded(l->from.visit, sl_cstr(routes->v[i].account)))
            return (struct intake_refusal){
                450, "4.2.1", ERR_BUSY,
                ar_printf(a, "%.*s gets more letters at this moment than anybody reads; try again later",
                          SLF(address))};
    return none;
}

struct intake_refusal intake_rcpt(struct intake_letter *l, const struct intake_to *to, struct arena *a)
{
    struct routes routes;
    struct slice address = mail_addr_join(a, to->local, to->domain.n ? to->domain : l->in->hostname);
    bool kept;
    ASSERT(!l->head_done);
    struct intake_refusal r = judge(l, to, false, address, &routes, &kept, a);
    if (!r.code) r = intake_list_rcpt(l, address, &routes, a);
    if (!r.code) r = flooded(l, address, &routes, a);
    if (!r.code) r = intake_full_rcpt(l, address, &routes, a);
    if (!r.code) r = intake_limit_rcpt(l, address, a);
    if (!r.code) r = intake_repute_rcpt(l, to, a);
    if (!r.code) r = intake_filter_rcpt(l, address, a);
    if (!r.code && kept) r = keep_for_others(l, to, address, a);
    if (r.code) intake_note_refused(l, address, &r);
    else add_rcpt(l, to, address, &routes);
    return r;
}

int intake_route(struct intake_letter *l, const struct intake_to *to)
{
    struct routes routes;
    struct slice address = mail_addr_join(&l->a, to->local, to->domain.n ? to->domain : l->in->hostname);
    bool kept;
    struct intake_refusal r = judge(l, to, true, address, &routes, &kept, &l->a);
    if (!r.code) add_routes(l, to, address, &routes);
    else if (r.code < 500) return err_set(r.error, "%.*s", SLF(r.text));
    else
        trace_addf(l->in->store->trace, &l->id, TRACE_FILTERED, address,
                   "a filter wanted it to go to %.*s: %.*s", SLF(address), SLF(r.text));
    return 0;
}
