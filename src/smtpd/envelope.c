/* envelope.c - MAIL and RCPT: their words, put to intake (RFC 5321 section 3.3). */
#include "base/text.h"
#include "dns/dns.h"
#include "mail/build.h"
#include "smtpd_i.h"

void smtpd_tx_end(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    intake_drop(&t->letter);
    if (t->receiving) { /* also when the letter is given up: what follows are commands */
        conn_set_min_rate(s->c, 0, 0);
        conn_set_buffer(s->c, SMTPD_BUFFER / 4);
    }
    t->open = t->receiving = t->chunking = t->smtputf8 = t->binary = t->prdr = false;
    t->owed = 0;
    if (s->visit) s->visit->letter = 0;
}

/* A syntax error in a command's argument or parameters, told by its kind. */
static void reply_syntax(struct smtpd_session *s, int e)
{
    if (e == ERR_UNSUPPORTED) smtpd_reply(s, 555, "5.5.4", "%s", err_text(e));
    else smtpd_reply(s, 501, "5.5.4", "%s", err_text(e));
}

/* ---- MAIL ---- */

/* Puts the domain into A-labels and the address with it. Answers when that cannot be: UTF-8 is
 * for letters that said so (RFC 6531 section 3.4). */
static bool fold_path(struct smtpd_session *s, struct smtp_path *p, bool smtputf8)
{
    if (!p->utf8) return true;
    if (!smtputf8) {
        smtpd_reply(s, 553, "5.6.7", "Addresses must be ASCII, or MAIL must say SMTPUTF8");
        return false;
    }
    int e = is_ascii(p->domain) ? 0 : dns_to_ascii(&s->cmd_a, p->domain, &p->domain);
    if (e) {
        smtpd_reply(s, 501, "5.1.3", "%s", err_text(e));
        return false;
    }
    p->address = smtp_address(&s->cmd_a, p->local, p->domain);
    return true;
}

/* What was asked for and is not offered in EHLO. */
static bool opts_offered(struct smtpd_session *s, const struct smtp_mail_opts *o)
{
    const struct {
        bool asked;
        const char *keyword;
    } x[] = {
        {o->smtputf8, "SMTPUTF8"},
        {o->body == SMTP_BODY_BINARYMIME, "BINARYMIME"},
        {o->requiretls, "REQUIRETLS"},
        {o->hold_for || o->hold_until, "FUTURERELEASE"},
        {o->by_mode, "DELIVERBY"},
        {o->has_priority, "MT-PRIORITY"},
        {o->prdr, "PRDR"},
        {o->solicit.n, "NO-SOLICITING"},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        if (!x[i].asked) continue;
        if (!smtpd_offers(s, sl_cstr(x[i].keyword)))
            smtpd_reply(s, 555, "5.5.4", "%s is not offered here", x[i].keyword);
        else if (!s->extended) /* RFC 5321 section 2.2.1: HELO knows no extensions */
            smtpd_reply(s, 555, "5.5.4", "%s is for those who say EHLO", x[i].keyword);
        else continue;
        return false;
    }
    return true;
}

static bool size_fits(struct smtpd_session *s, const struct smtp_mail_opts *o)
{
    if (o->size <= intake_size_max(s->conf->intake)) return true;
    smtpd_reply(s, 552, "5.3.4",
                "Letters of more than %llu bytes are not taken here; send less, or send a link",
                (unsigned long long)intake_size_max(s->conf->intake));
    return false;
}

/* A stranger may make a letter wait, not hurry (RFC 6710 section 4.1). */
static struct letter_wants wants_of(const struct smtpd_session *s, const struct smtp_mail_opts *o)
{
    int64_t now = rt_wall_seconds();
    struct letter_wants w = {.requiretls = o->requiretls,
                             .hold_for = o->hold_for,
                             .hold_until = o->hold_for ? now + o->hold_for : o->hold_until,
                             .by = o->by_mode ? now + o->by : 0,
                             .by_mode = o->by_mode,
                             .by_trace = o->by_trace,
                             .has_priority = o->has_priority,
                             .priority = o->priority};
    if (!s->logged_in && w.priority > 0) w.priority = 0;
    return w;
}

/* RFC 4865 sections 4.2, 5.2.2. */
static bool times_fit(struct smtpd_session *s, const struct letter_wants *w)
{
    const char *why = NULL;
    int64_t now = rt_wall_seconds();
    if (w->hold_until > now + LETTER_HOLD_MAX_S) why = "A letter is held for 30 days at most";
    else if (w->hold_until && w->hold_until < now) why = "The time until which to hold the letter is over";
    else if (w->by && w->hold_until > w->by)
        why = "The letter would be held beyond the time it is to be delivered by";
    if (why) smtpd_reply(s, 501, "5.5.4", "%s", why);
    return !why;
}

static struct intake_from session(struct smtpd_session *s)
{
    struct intake_from f = {
        .origin = s->kind == SMTPD_MX     ? INTAKE_STRANGER
                  : s->kind == SMTPD_LMTP ? INTAKE_TRUSTED
                                          : INTAKE_USER,
        .peer = conn_peer(s->c)->ip,
        .helo = sl_cstr(s->helo),
        .with = s->kind == SMTPD_LMTP ? mail_with_lmtp(s->tls, s->tx.smtputf8)
                                      : mail_with(s->extended, s->tls, s->logged_in, s->tx.smtputf8),
        .account = s->logged_in ? &s->account : NULL,
        .iprev = s->has_iprev ? &s->iprev : NULL,
        .visit = s->visit,
        .session = s->who,
        .session_id = sl_cstr(s->id.s),
        .filters = s->filters,
        .hasty = s->early,
    };
    if (f.account && f.account->by) f.key = sl_cstr(f.account->by->id), f.key_limits = f.account->by->limits;
    if (s->tls) f.tls_version = sl_cstr(s->tls_info.version), f.tls_cipher = sl_cstr(s->tls_info.cipher);
    return f;
}

void smtpd_mail(struct smtpd_session *s, struct smtp_command *c)
{
    struct smtp_mail_opts opts;
    s->tx.owed = 0;
    int e = smtp_mail_opts(&s->cmd_a, c, &opts);
    if (e) {
        reply_syntax(s, e);
        return;
    }
    if (!opts_offered(s, &opts) || !size_fits(s, &opts) || !fold_path(s, &c->path, opts.smtputf8)) return;
    struct letter_wants wants = wants_of(s, &opts);
    if (!times_fit(s, &wants)) return;
    s->tx.smtputf8 = opts.smtputf8;
    s->tx.binary = opts.body == SMTP_BODY_BINARYMIME;
    s->tx.prdr = opts.prdr;
    smtpd_filters_ready(s);
    struct intake_from from = session(s);
    struct intake_sender sender = {.ret = opts.ret == SMTP_RET_FULL   ? SL("FULL")
                                          : opts.ret == SMTP_RET_HDRS ? SL("HDRS")
                                                                      : SL(""),
                                   .envid = opts.envid,
                                   .wants = wants,
                                   .solicit = opts.solicit,
                                   .size = opts.size,
                                   .binary = s->tx.binary,
                                   .smtputf8 = opts.smtputf8};
    if (!c->path.null) sender.local = c->path.local, sender.domain = c->path.domain;
    struct intake_refusal no = intake_begin(&s->tx.letter, s->conf->intake, &from, &sender, &s->cmd_a);
    smtpd_refuse(s, &no);
    if (no.code) return;
    s->tx.open = true;
    if (opts.has_priority && opts.priority != wants.priority)
        smtpd_reply(s, 250, "2.3.6", "%d is the priority; higher ones are for users who log in",
                    wants.priority);
    else smtpd_reply(s, 250, "2.1.0", "Sender is fine");
}

/* ---- RCPT ---- */

/* Who asks for one recipient after another that is not here hears of them ever more slowly. */
static bool brake(struct smtpd_session *s)
{
    int64_t delay = 0;
    int e = s->logged_in ? 0 : guard_probe(s->visit, &delay);
    if (delay && !e) {
        (void)!conn_flush(s->c);
        (void)!fiber_sleep(delay);
    }
    if (e) smtpd_reply(s, 421, "4.7.0", "%s", err_text(e));
    return e == 0;
}

/* Who names nobody here, or asks for mail to be passed on, may be probing. That a mailbox is full or switched
 * off, that a list is for its members, or an alias in a circle, is no fault of who sends. */
static bool is_probe(const struct intake_refusal *no)
{
    return no->code >= 500 && (strcmp(no->enhanced, "5.1.1") == 0 || strcmp(no->enhanced, "5.7.1") == 0);
}

/* An honest list holds addresses that are gone: they have a budget of their own. Who is only put off, for
 * limits and troubles of ours, is to hear that of each recipient. */
static void refuse_rcpt(struct smtpd_session *s, const struct intake_refusal *no)
{
    unsigned before = s->errors;
    if (no->code >= 500) s->refused++;
    else s->put_off++;
    if (is_probe(no) && !brake(s)) return;
    smtpd_refuse(s, no);
    s->errors = before;
}

void smtpd_rcpt(struct smtpd_session *s, struct smtp_command *c)
{
    struct smtp_rcpt_opts opts;
    int e = smtp_rcpt_opts(&s->cmd_a, c, &opts);
    if (e) {
        reply_syntax(s, e);
    } else if (s->tx.letter.nsaid >= smtpd_rcpts_max(s)) { /* RFC 5321 section 4.5.3.1.10 */
        smtpd_reply(s, 452, "4.5.3", "Too many recipients; send another letter to the others");
        s->put_off++;
    } else if (fold_path(s, &c->path, s->tx.smtputf8)) {
        struct intake_to to = {
            .local = c->path.local, .domain = c->path.domain, .notify = opts.notify, .orcpt = opts.orcpt};
        struct intake_refusal no = intake_rcpt(&s->tx.letter, &to, &s->cmd_a);
        if (no.code) {
            refuse_rcpt(s, &no);
            return;
        }
        smtpd_amid_letter(s);
        smtpd_reply(s, 250, "2.1.5", "Recipient is fine");
    }
}
