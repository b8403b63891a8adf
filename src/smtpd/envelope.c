/* envelope.c - MAIL and RCPT: who sends, and who may be written to by them (RFC 5321 section 3.3). */
#include "base/text.h"
#include "mail/addr.h"
#include "smtpd_i.h"

void smtpd_tx_end(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    if (!t->open) return;
    if (t->auth) mailauth_free(&t->auth);
    if (t->signing) (void)!signing_end(t->pass, NULL);
    if (t->body) body_abandon(&t->body);
    if (t->receiving) { /* also when the letter is given up: what follows are commands */
        conn_set_min_rate(s->c, 0, 0);
        conn_set_buffer(s->c, SMTPD_BUFFER / 4);
    }
    map_free(&t->routes);
    struct arena a = t->a;
    struct buf head = t->head, edited = t->edited;
    ar_reset(&a);
    buf_clear(&head);
    buf_clear(&edited);
    if (head.size > SMTPD_BUFFER) buf_free(&head);
    if (edited.size > SMTPD_BUFFER) buf_free(&edited);
    *t = (struct smtpd_tx){.a = a, .head = head, .edited = edited};
}

uint64_t smtpd_size_max(const struct smtpd_session *s)
{
    return s->conf->size_max ? s->conf->size_max : 50u << 20;
}

/* A syntax error in a command's argument or parameters, told by its kind. */
static void reply_syntax(struct smtpd_session *s, int e)
{
    if (e == ERR_UNSUPPORTED) smtpd_reply(s, 555, "5.5.4", "%s", err_text(e));
    else smtpd_reply(s, 501, "5.5.4", "%s", err_text(e));
}

/* ---- MAIL ---- */

int smtpd_ascii_domain(struct arena *a, struct slice domain, struct slice *out)
{
    *out = domain;
    return is_ascii(domain) ? 0 : dns_to_ascii(a, domain, out);
}

/* Puts the domain into A-labels and the address with it. Answers when that cannot be: UTF-8 is
 * for letters that said so (RFC 6531 section 3.4). */
static bool fold_path(struct smtpd_session *s, struct smtp_path *p, bool smtputf8)
{
    if (!p->utf8) return true;
    if (!smtputf8) {
        smtpd_reply(s, 553, "5.6.7", "Addresses must be ASCII, or MAIL must say SMTPUTF8");
        return false;
    }
    int r = smtpd_ascii_domain(&s->cmd_a, p->domain, &p->domain);
    if (r) {
        smtpd_reply(s, 501, "5.1.3", "%s", err_text(r));
        return false;
    }
    p->address = smtp_address(&s->cmd_a, p->local, p->domain);
    return true;
}

/* What was asked for and is not offered in EHLO. */
static bool opts_offered(struct smtpd_session *s, const struct smtp_mail_opts *o)
{
    if (!s->extended && o->smtputf8) { /* RFC 5321 section 2.2.1: HELO knows no extensions */
        smtpd_reply(s, 555, "5.5.4", "SMTPUTF8 is for those who say EHLO");
        return false;
    }
    const char *what = o->requiretls ? "REQUIRETLS" : o->body == SMTP_BODY_BINARYMIME ? "BINARYMIME" : NULL;
    if (!what) return true;
    smtpd_reply(s, 555, "5.5.4", "%s is not offered here", what);
    return false;
}

static bool size_fits(struct smtpd_session *s, const struct smtp_mail_opts *o)
{
    if (o->size <= smtpd_size_max(s)) return true;
    smtpd_reply(s, 552, "5.3.4",
                "Letters of more than %llu bytes are not taken here; send less, or send a link",
                (unsigned long long)smtpd_size_max(s));
    return false;
}

/* A user sends only under addresses of their own; reports have the null path. */
static bool sender_allowed(struct smtpd_session *s, const struct smtp_path *p)
{
    if (!s->logged_in || p->null) return true;
    int r = account_may_send_as(s->conf->store->directory, &s->account, p->local, p->domain);
    if (r == 0) return true;
    if (r == ERR_DENIED) smtpd_reply(s, 550, "5.7.1", "%s", err_text(r));
    else smtpd_reply_error(s, r, "The directory cannot be read");
    return false;
}

void smtpd_mail(struct smtpd_session *s, struct smtp_command *c)
{
    struct smtpd_tx *t = &s->tx;
    struct smtp_mail_opts opts;
    int r = smtp_mail_opts(&s->cmd_a, c, &opts);
    if (r) {
        reply_syntax(s, r);
        return;
    }
    if (!opts_offered(s, &opts) || !size_fits(s, &opts) || !fold_path(s, &c->path, opts.smtputf8)) return;
    if (!sender_allowed(s, &c->path)) return;
    t->open = true;
    t->opts = opts;
    t->international = !is_ascii(c->path.local);
    t->opts.envid = ar_dup(&t->a, opts.envid);
    t->sender = c->path.null ? SL("") : mail_addr_join(&t->a, c->path.local, c->path.domain);
    t->sender_path = c->path.null ? SL("") : ar_dup(&t->a, c->path.address);
    map_init(&t->routes, false);
    letter_id_new(&t->id);
    smtpd_reply(s, 250, "2.1.0", "Sender is fine");
}

/* ---- RCPT ---- */

/* RFC 8601 section 3, RFC 7208: the questions about the client and the sender begin now, and are answered
 * while the letter arrives. */
static void begin_checks(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    if (s->kind != SMTPD_MX || t->auth || !s->conf->mailauth) return;
    struct mailauth_conn conn = {.ip = conn_peer(s->c)->ip,
                                 .helo = sl_cstr(s->helo),
                                 .tls = s->tls,
                                 .iprev = s->has_iprev ? &s->iprev : NULL};
    struct mailauth_envelope env = {.mail_from = t->sender};
    int r = mailauth_new(&t->auth, s->conf->mailauth, &t->a, &conn, &env);
    if (r) {
        t->auth = NULL;
        smtpd_decide_error(s, r, "The sender cannot be checked");
    }
}

/* Would the rows of one more recipient for each route fit the letter? */
static bool routes_fit(const struct smtpd_tx *t, const struct routes *routes, const struct smtp_rcpt_opts *o)
{
    size_t rows = t->rows;
    for (size_t i = 0; i < routes->n; i++)
        rows += letter_rcpt_rows(&(struct letter_rcpt){.route = routes->v[i], .orcpt = o->orcpt});
    return t->nrcpt + routes->n <= LETTER_RCPTS_MAX && rows <= LETTER_ROWS_MAX;
}

static void add_route(struct smtpd_session *s, struct slice address, const struct route *r,
                      const struct smtp_rcpt_opts *o)
{
    struct smtpd_tx *t = &s->tx;
    /* elsewhere Bob@ and bob@ are two (RFC 5321 section 2.4) */
    size_t at = r->local ? SL_NONE : sl_rchr(r->address, '@');
    struct slice key =
        at == SL_NONE ? sl_cstr(r->account)
                      : ar_cat(&t->a, sl_sub(r->address, 0, at), ar_lower(&t->a, sl_from(r->address, at)));
    if (map_get(&t->routes, key)) return;
    if (t->nrcpt == t->room) {
        if (!t->room) t->rcpt = ar_array(&t->a, struct letter_rcpt, t->room = 4);
        else t->rcpt = ar_grow(&t->a, t->rcpt, &t->room, sizeof *t->rcpt);
    }
    struct letter_rcpt *l = &t->rcpt[t->nrcpt++];
    *l = (struct letter_rcpt){.address = address, .route = *r, .notify = o->notify, .orcpt = o->orcpt};
    l->route.address = ar_dup(&t->a, r->address);
    l->route.detail = ar_dup(&t->a, r->detail);
    t->rows += letter_rcpt_rows(l);
    t->any_local |= r->local;
    map_put(&t->routes, key, t);
}

/* An alias of ours that sends on to other servers: from there the letter may come back. */
static bool leads_elsewhere(const struct routes *r)
{
    for (size_t i = 0; r->rewritten && i < r->n; i++)
        if (!r->v[i].local) return true;
    return false;
}

static void accept_rcpt(struct smtpd_session *s, const struct smtp_path *p, struct slice address,
                        const struct routes *routes, const struct smtp_rcpt_opts *o)
{
    struct smtpd_tx *t = &s->tx;
    struct smtp_rcpt_opts kept = {.notify = o->notify, .orcpt = ar_dup(&t->a, o->orcpt)};
    if (!routes_fit(t, routes, o)) {
        smtpd_reply(s, 452, "4.5.3",
                    "Too many recipients behind the addresses; send another letter to the others");
        return;
    }
    address = ar_dup(&t->a, address);
    if (leads_elsewhere(routes)) {
        if (!t->forward_room) t->forward = ar_array(&t->a, struct slice, t->forward_room = 4);
        if (t->nforward == t->forward_room)
            t->forward = ar_grow(&t->a, t->forward, &t->forward_room, sizeof *t->forward);
        t->forward[t->nforward++] = address;
    }
    for (size_t i = 0; i < routes->n; i++) add_route(s, address, &routes->v[i], &kept);
    if (t->nsaid == t->said_room) {
        if (!t->said_room) t->said = ar_array(&t->a, struct slice, t->said_room = 4);
        else t->said = ar_grow(&t->a, t->said, &t->said_room, sizeof *t->said);
    }
    if (!t->nsaid) t->first = ar_dup(&t->a, p->address);
    t->said[t->nsaid++] = address;
    t->international |= !is_ascii(p->local);
    begin_checks(s);
    s->progress = rt_now();
    smtpd_reply(s, 250, "2.1.5", "Recipient is fine");
}

/* Who asks for one recipient after another that is not here hears of them ever more slowly. */
static bool brake(struct smtpd_session *s)
{
    int64_t delay = 0;
    int r = s->logged_in ? 0 : guard_probe(s->visit, &delay);
    if (delay && !r) {
        (void)!conn_flush(s->c);
        (void)!fiber_sleep(delay);
    }
    if (r) smtpd_reply(s, 421, "4.7.0", "%s", err_text(r));
    return r == 0;
}

/* An honest list holds addresses that are gone: they have a budget of their own. */
static void refuse_rcpt(struct smtpd_session *s, struct slice address, int code, const char *enhanced,
                        struct slice text)
{
    if (!brake(s)) return;
    unsigned before = s->errors;
    smtpd_reply(s, code, enhanced, "%.*s", SLF(text));
    s->errors = before;
    s->refused++;
    smtpd_trace_refused(s, address, enhanced, code, text);
}

/* Mail for elsewhere: users only (never an open relay). */
static void judge_remote(struct smtpd_session *s, const struct smtp_path *p, struct slice address,
                         struct routes *routes, const struct smtp_rcpt_opts *o)
{
    if (!s->logged_in) {
        refuse_rcpt(s, address, 550, "5.7.1",
                    ar_printf(&s->cmd_a,
                              "Mail for %.*s is not passed on from here. If you are a user of this server, "
                              "log in on port 587 "
                              "or 465; if not, look at the MX records of %.*s",
                              SLF(p->domain), SLF(p->domain)));
        return;
    }
    struct route one = {.address = address};
    *routes = (struct routes){.result = RESOLVED, .v = &one, .n = 1};
    accept_rcpt(s, p, address, routes, o);
}

/* Mail to the names that every server has reaches its postmaster (RFC 5321 section 4.5.1, RFC 2142),
 * at the host's own name as well, and so do answers to our reports. */
static int resolve(struct smtpd_session *s, const struct smtp_path *p, struct routes *out)
{
    static const struct slice duties[] = {SL_INIT("postmaster"), SL_INIT("abuse"), SL_INIT("mailer-daemon")};
    int r = directory_resolve(s->conf->store->directory, &s->cmd_a, p->local, p->domain, out);
    bool host = out->result == RESOLVED_NOT_LOCAL && sl_eqi(p->domain, s->conf->hostname), duty = false;
    for (size_t i = 0; i < COUNT_OF(duties); i++) duty |= sl_eqi(p->local, duties[i]);
    if (r || !duty || !(host || out->result == RESOLVED_NO_USER)) return r;
    return directory_resolve(s->conf->store->directory, &s->cmd_a, SL("postmaster"),
                             host ? SL("") : p->domain, out);
}

static void judge_rcpt(struct smtpd_session *s, const struct smtp_path *p, const struct smtp_rcpt_opts *o)
{
    struct routes routes;
    struct slice address = mail_addr_join(&s->cmd_a, p->local, p->domain.n ? p->domain : s->conf->hostname);
    int r = resolve(s, p, &routes);
    if (r) {
        s->refused++;
        smtpd_reply_error(s, r, "The directory cannot be read");
        return;
    }
    switch (routes.result) {
    case RESOLVED: accept_rcpt(s, p, address, &routes, o); return;
    case RESOLVED_NOT_LOCAL: judge_remote(s, p, address, &routes, o); return;
    case RESOLVED_NO_USER:
        refuse_rcpt(s, address, 550, "5.1.1",
                    ar_printf(&s->cmd_a,
                              "There is no mailbox %.*s here; look for a typing error before the @",
                              SLF(p->address)));
        return;
    case RESOLVED_DISABLED:
        refuse_rcpt(s, address, 550, "5.2.1",
                    ar_printf(&s->cmd_a, "The mailbox %.*s is switched off", SLF(p->address)));
        return;
    case RESOLVED_LOOP:
        refuse_rcpt(
            s, address, 550, "5.4.6",
            ar_printf(&s->cmd_a, "The address %.*s leads in a circle; tell postmaster", SLF(p->address)));
        return;
    case RESOLVED_TOO_MANY:
        refuse_rcpt(s, address, 550, "5.5.3",
                    ar_printf(&s->cmd_a,
                              "The address %.*s leads to more than %d others, or too far; tell postmaster",
                              SLF(p->address), ALIAS_TARGETS_MAX));
        return;
    }
}

void smtpd_rcpt(struct smtpd_session *s, struct smtp_command *c)
{
    struct smtp_rcpt_opts opts;
    uint32_t max = s->conf->rcpts_max ? s->conf->rcpts_max : 1000;
    int r = smtp_rcpt_opts(&s->cmd_a, c, &opts);
    if (r) reply_syntax(s, r);
    else if (s->tx.nsaid >= max) { /* RFC 5321 section 4.5.3.1.10 */
        smtpd_reply(s, 452, "4.5.3", "Too many recipients; send another letter to the others");
        s->refused++;
    } else if (fold_path(s, &c->path, s->tx.opts.smtputf8)) judge_rcpt(s, &c->path, &opts);
}
