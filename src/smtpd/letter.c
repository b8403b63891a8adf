/* letter.c - judging a letter, dressing it with trace fields, committing it, answering. */
#include "base/text.h"
#include "mail/build.h"
#include "mail/encoded.h"
#include "mail/submit.h"
#include "smtpd_i.h"

/* ---- the header section is there ---- */

static void check_hops(struct smtpd_session *s)
{
    size_t n = mail_head_count(&s->tx.parsed, SL("Received"));
    if (n > SMTPD_HOPS_MAX)
        smtpd_decide(s, 554, "5.4.6", "The letter has passed %zu servers, it goes in a circle", n);
}

/* What readers take for different things is not taken at all: a NUL, or a first line that would be
 * the end of our own trace field. */
static void check_form(struct smtpd_session *s)
{
    struct slice head = buf_slice(&s->tx.head);
    if (sl_chr(head, 0) != SL_NONE)
        smtpd_decide(s, 554, "5.6.0", "There is a NUL in the header section (RFC 5322 section 2.2)");
    else if (head.n && (head.p[0] == ' ' || head.p[0] == '\t'))
        smtpd_decide(s, 554, "5.6.0", "The first line of the header section begins with a blank");
}

/* A letter that an alias of ours sent on says so, and is not sent on a second time. */
static void check_return(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    for (const struct mail_field *f = mail_head_find(&t->parsed, SL("Delivered-To"), 0); f;
         f = mail_head_find(&t->parsed, SL("Delivered-To"), (size_t)(f - t->parsed.field) + 1))
        for (size_t i = 0; i < t->nforward; i++)
            if (sl_eqi(sl_trim(f->body), t->forward[i]))
                smtpd_decide(s, 554, "5.4.6", "The letter was sent on from %.*s before and has come back",
                             SLF(t->forward[i]));
}

/* Every author, and Sender, must be an address of the account (RFC 6409 section 6.1). */
static void check_authors(struct smtpd_session *s, struct arena *scratch, const struct mail_addrs *l,
                          const char *field)
{
    for (size_t i = 0; i < l->n && !s->tx.answer.code; i++) {
        struct slice domain;
        int r = smtpd_ascii_domain(scratch, l->v[i].domain, &domain);
        if (!r) r = account_may_send_as(s->conf->store->directory, &s->account, l->v[i].local, domain);
        if (r == ERR_DENIED || r == ERR_SYNTAX)
            smtpd_decide(s, 550, "5.7.1", "In %s: %s", field, err_text(r));
        else if (r) smtpd_decide_error(s, r, "The directory cannot be read");
    }
}

/* Tens of thousands of addresses may stand there: they are looked at in scratch memory. */
static void check_addresses(struct smtpd_session *s, struct arena *scratch)
{
    struct smtpd_tx *t = &s->tx;
    struct mail_addrs from, sender;
    struct slice domain;
    int r = mail_submit_check(scratch, &t->parsed, &from);
    if (r) {
        smtpd_decide(s, 554, "5.6.0", "The letter is not well-formed: %s", err_text(r));
        return;
    }
    check_authors(s, scratch, &from, "From");
    if (!t->answer.code && smtpd_ascii_domain(scratch, from.v[0].domain, &domain) == 0)
        t->from_domain = ar_dup(&t->a, domain);
    const struct mail_field *f = mail_head_find(&t->parsed, SL("Sender"), 0);
    if (!f) return;
    if (mail_addrs_parse(scratch, f->body, &sender) == 0) check_authors(s, scratch, &sender, "Sender");
    else
        smtpd_decide(s, 554, "5.6.0",
                     "The letter is not well-formed: the Sender field does not hold a valid address");
}

static void check_submitted(struct smtpd_session *s)
{
    struct arena scratch;
    ar_init(&scratch, 0);
    check_addresses(s, &scratch);
    ar_free(&scratch);
}

static struct slice authserv_id(const struct smtpd_session *s)
{
    const struct mailauth_ctx *m = s->conf->mailauth;
    return m && m->authserv_id.n ? m->authserv_id : s->conf->hostname;
}

static void edit_head(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    struct mailauth_ctx ours = {.hostname = s->conf->hostname, .authserv_id = authserv_id(s)};
    struct mail_edit e = {.forged = mailauth_forged,
                          .forged_arg = &ours,
                          .domain = t->from_domain,
                          .now = rt_wall_seconds(),
                          .delivery = true,
                          .submission = s->kind != SMTPD_MX};
    if (!e.domain.n) e.domain = s->conf->hostname;
    rt_random(&e.random, sizeof e.random);
    t->edits = mail_head_edit(&t->a, &t->parsed, &e, &t->edited);
}

static void begin_signing(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    if (s->kind == SMTPD_MX || !s->conf->signing || t->answer.code) return;
    int r = signing_begin(s->conf->signing, &t->a, t->from_domain, buf_slice(&t->edited), &t->pass);
    if (r) smtpd_decide_error(s, r, "The letter cannot be signed");
    else t->signing = true;
}

void smtpd_head_complete(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    t->head_done = true;
    int r = mail_head_parse(&t->a, buf_slice(&t->head), &t->parsed);
    if (r) {
        smtpd_decide(s, 552, "5.3.4", "%s", err_text(r));
        return;
    }
    r = letter_fields(&t->a, &t->parsed, &t->message_id, &t->subject);
    if (r) {
        smtpd_decide(s, 554, "5.6.0", "The letter is not well-formed: %s", err_text(r));
        return;
    }
    bool ascii = is_ascii(buf_slice(&t->head));
    t->eight_bit = !ascii; /* the fact counts, whatever MAIL declared: ASCII can go anywhere */
    /* Said to be possible; only what needs it is held to it on the way on (RFC 6531 section 3.3). */
    t->international |= t->opts.smtputf8 && !ascii;
    check_hops(s);
    check_return(s);
    if (s->kind == SMTPD_MX) check_form(s);
    if (s->kind != SMTPD_MX && !t->answer.code) check_submitted(s);
    if (t->answer.code) return;
    edit_head(s);
    begin_signing(s);
    if (!t->answer.code && t->auth) {
        smtpd_seal_begin(s);
        r = mailauth_head(t->auth, &t->parsed, sl_sub(buf_slice(&t->head), 0, t->parsed.size));
        if (r) smtpd_decide_error(s, r, "The letter cannot be checked");
    }
    if (ar_over(&t->a))
        smtpd_decide(s, 552, "5.3.4", "The header section takes more than %d bytes of memory",
                     SMTPD_TX_MEMORY);
    if (t->answer.code) return;
    r = body_begin(s->conf->store->body, accept_body_class(t->any_local), &t->body);
    if (r) smtpd_decide_error(s, r, "The letter cannot be stored");
}

/* ---- trace ---- */

static void index_letter(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    trace_index(s->conf->store->trace, &t->id, t->message_id, t->sender, t->said, t->nsaid);
}

void smtpd_trace_refused(struct smtpd_session *s, struct slice who, const char *enhanced, int code,
                         struct slice text)
{
    char ip[IP_TEXT_MAX];
    if (!guard_evidence(s->visit)) {
        s->unwritten++;
        return;
    }
    if (who.n) trace_index(s->conf->store->trace, &s->tx.id, SL(""), s->tx.sender, &who, 1);
    struct slice sentence =
        ar_printf(&s->tx.a, "refused to %s [%s], sender <%.*s>: %d %s %.*s", s->helo,
                  ip_format(&conn_peer(s->c)->ip, ip), SLF(s->tx.sender), code, enhanced, SLF(text));
    trace_add(
        s->conf->store->trace,
        &(struct trace_event){
            .id = s->tx.id, .kind = TRACE_REFUSED, .who = who, .sentence = sentence, .session = s->who});
}

static struct slice checked_sentence(struct smtpd_session *s, const struct mailauth_verdict *v)
{
    return ar_printf(&s->tx.a, "%s: %.*s", mailauth_disposition_name(v->disposition), SLF(v->sentence));
}

static void trace_checked(struct smtpd_session *s, const struct mailauth_verdict *v)
{
    trace_add(
        s->conf->store->trace,
        &(struct trace_event){.id = s->tx.id, .kind = TRACE_CHECKED, .sentence = checked_sentence(s, v)});
}

static struct slice received_sentence(struct smtpd_session *s)
{
    char ip[IP_TEXT_MAX];
    struct smtpd_tx *t = &s->tx;
    struct slice user = s->logged_in ? s->account.address : SL("");
    return ar_printf(&t->a, "received from %s [%s] by %.*s%s%s%s%.*s, sender <%.*s>, %llu bytes", s->helo,
                     ip_format(&conn_peer(s->c)->ip, ip),
                     SLF(mail_with(s->extended, s->tls, s->logged_in, t->opts.smtputf8)),
                     s->tls ? " with " : "", s->tls ? s->tls_info.version : "",
                     user.n ? ", logged in as " : "", SLF(user), SLF(t->sender),
                     (unsigned long long)t->data.size);
}

/* A letter that is about to be committed. */
static void trace_received(struct smtpd_session *s, const struct mailauth_verdict *v)
{
    struct smtpd_tx *t = &s->tx;
    struct trace_event e[TRACE_TOGETHER_MAX];
    size_t n = 0;
    e[n++] = (struct trace_event){
        .id = t->id, .kind = TRACE_RECEIVED, .sentence = received_sentence(s), .session = s->who};
    if (t->auth)
        e[n++] = (struct trace_event){.id = t->id, .kind = TRACE_CHECKED, .sentence = checked_sentence(s, v)};
    if (t->edits)
        e[n++] = (struct trace_event){
            .id = t->id,
            .kind = TRACE_REWRITTEN,
            .sentence = ar_printf(&t->a, "%d header fields were added or removed", t->edits)};
    trace_add_together(s->conf->store->trace, e, n);
}

/* ---- the letter is there ---- */

/* What DATA itself shows to be wrong. */
static void check_lines(struct smtpd_session *s)
{
    const struct smtpd_tx *t = &s->tx;
    const struct smtp_data *d = s->logged_in ? &t->mended : &t->data;
    size_t max = s->kind == SMTPD_MX ? SMTPD_LINE_MX : SMTP_TEXT_LINE_MAX;
    if (d->fault)
        smtpd_decide(s, 554, "5.5.2",
                     "A line of the letter ends in %s; lines must end in CR LF (RFC 5321 section 2.3.8)",
                     d->fault == SMTP_FAULT_BARE_LF ? "LF without CR" : "CR without LF");
    else if (d->longest > max)
        smtpd_decide(s, 554, "5.6.0",
                     "A line of the letter is longer than %zu bytes (RFC 5322 section 2.1.1)", max);
}

/* For the next letters of the session; what failed for the moment is asked again. */
static void keep_iprev(struct smtpd_session *s, const struct iprev_result *r)
{
    if (s->has_iprev || r->code == IPREV_TEMPERROR) return;
    s->iprev = *r;
    s->iprev.name = ar_dup(&s->a, r->name);
    s->iprev.problem = ar_dup(&s->a, r->problem);
    s->has_iprev = true;
}

static void judge(struct smtpd_session *s, struct mailauth_verdict *v)
{
    struct smtpd_tx *t = &s->tx;
    if (!t->auth || t->answer.code) return;
    int r = mailauth_end(t->auth, v);
    if (r) {
        smtpd_decide_error(s, r, "The letter cannot be checked");
        return;
    }
    keep_iprev(s, &v->iprev);
    smtpd_report_note(s, v);
    if (v->disposition != MAILAUTH_REJECT && v->disposition != MAILAUTH_DEFER) return;
    trace_checked(s, v);
    smtpd_decide(s, v->reply, v->enhanced, "%.*s", SLF(v->sentence));
}

/* What our users send must stand before the strictest receiver. */
static void preflight(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    if (s->kind == SMTPD_MX || !s->conf->preflight || t->answer.code) return;
    if (!letter_leaves(&(struct letter){.rcpt = t->rcpt, .nrcpt = t->nrcpt})) return;
    int r = preflight_gate(s->conf->preflight, &t->a, &t->id, t->sender, &t->parsed, &t->hold);
    if (r == ERR_DENIED) smtpd_decide(s, 550, "5.7.1", "%s", err_text(r));
    else if (r) smtpd_decide_error(s, r, "The letter cannot be checked");
}

static void put_received(struct smtpd_session *s, const struct mailauth_verdict *v, int64_t now,
                         struct buf *out)
{
    struct smtpd_tx *t = &s->tx;
    struct mail_received r = {
        .helo = sl_cstr(s->helo),
        .peer = conn_peer(s->c)->ip,
        .by = s->conf->hostname,
        .with = mail_with(s->extended, s->tls, s->logged_in, t->opts.smtputf8),
        .id = sl_cstr(t->id.s),
        .when = now,
    };
    if (t->auth && v->iprev.code == IPREV_PASS) r.name = v->iprev.name;
    if (s->tls) r.tls_version = sl_cstr(s->tls_info.version), r.tls_cipher = sl_cstr(s->tls_info.cipher);
    if (t->nsaid == 1) r.for_one = t->first; /* several would tell them of each other: RFC 5321 section 7.2 */
    mail_received(out, &r);
}

/* Everything that stands before the body; *skip: how much of it is for local eyes only. */
static int put_prefix(struct smtpd_session *s, const struct mailauth_verdict *v, int64_t now, struct buf *out,
                      uint32_t *skip)
{
    struct smtpd_tx *t = &s->tx;
    struct slice signatures = SL("");
    if (t->signing) {
        int r = signing_end(t->pass, &signatures);
        t->signing = false;
        if (r) return r;
        if (signatures.n)
            trace_addf(s->conf->store->trace, &t->id, TRACE_SIGNED, SL(""), "signed with DKIM for %.*s",
                       SLF(t->from_domain));
    }
    mail_return_path(out, t->sender_path);
    *skip = (uint32_t)out->n;
    if (t->auth) buf_put(out, v->field);
    else if (s->logged_in) buf_put(out, mailauth_submission_field(&t->a, authserv_id(s), s->account.address));
    put_received(s, v, now, out);
    if (t->nforward == 1 && t->nsaid == 1) mail_field(out, SL("Delivered-To"), t->forward[0]);
    buf_put(out, signatures);
    buf_put(out, buf_slice(&t->edited));
    smtpd_seal(s, v, out, *skip);
    if (t->parsed.complete) buf_str(out, "\r\n");
    return 0;
}

static struct letter letter_of(struct smtpd_session *s, const struct mailauth_verdict *v, uint32_t skip,
                               size_t head_size, int64_t now)
{
    struct smtpd_tx *t = &s->tx;
    return (struct letter){
        .id = t->id,
        .sender = t->sender,
        .rcpt = t->rcpt,
        .nrcpt = t->nrcpt,
        .skip = skip,
        .head_size = (uint32_t)head_size,
        .received = now,
        .eight_bit = t->eight_bit,
        .smtputf8 = t->international,
        .junk = t->auth && v->disposition == MAILAUTH_QUARANTINE,
        .submitter = s->logged_in ? sl_cstr(s->account.id) : SL(""),
        .message_id = t->message_id,
        .subject = t->subject,
        .ret = t->opts.ret == SMTP_RET_FULL   ? SL("FULL")
               : t->opts.ret == SMTP_RET_HDRS ? SL("HDRS")
                                              : SL(""),
        .envid = t->opts.envid,
        .hold = t->hold,
    };
}

/* The body first, then the index; only then the letter is ours. ERR_UNKNOWN: it may be ours. */
static int commit(struct smtpd_session *s, const struct mailauth_verdict *v)
{
    struct smtpd_tx *t = &s->tx;
    struct buf prefix = BUF_INIT, origin = BUF_INIT;
    struct letter l = {0};
    uint32_t skip;
    int64_t now = rt_wall_seconds();
    int r = put_prefix(s, v, now, &prefix, &skip);
    if (!r) l = letter_of(s, v, skip, prefix.n, now);
    if (!r) r = letter_origin(&origin, &l);
    if (!r) r = body_finish(&t->body, buf_slice(&prefix), buf_slice(&origin), &l.body);
    if (!r) {
        trace_received(s, v);
        r = accept_letter(s->conf->queue, &l);
        if (!r) smtpd_report_take(s, v, &l.body);
    } else if (t->auth) {
        trace_checked(s, v);
    }
    buf_free(&origin);
    buf_free(&prefix);
    if (r == ERR_TOO_LONG || r == ERR_LIMIT)
        smtpd_decide(s, 554, "5.3.4", "The letter cannot be taken: %s", err_text(r));
    else if (r && r != ERR_UNKNOWN) smtpd_decide_error(s, r, "The letter cannot be stored");
    return r;
}

/* Neither "taken" nor "not taken" would be true: the client hears nothing and will try again, as after
 * a broken connection (RFC 5321 section 4.2.5 leaves it the responsibility until it has an answer). */
static void leave_open(struct smtpd_session *s)
{
    index_letter(s);
    trace_addf(s->conf->store->trace, &s->tx.id, TRACE_UNKNOWN, SL(""),
               "not answered, the connection was closed: %s", err_text(ERR_UNKNOWN));
    log_error(s->who, "letter %s is not answered: %s", s->tx.id.s, err_text(ERR_UNKNOWN));
    s->over = true;
}

void smtpd_letter_complete(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    struct mailauth_verdict v = {0};
    check_lines(s);
    int r = s->logged_in ? authority_check(&s->authority, s->conf->store->directory) : 0;
    if (r) smtpd_decide(s, 421, "4.7.0", "%s", err_text(r));
    judge(s, &v);
    preflight(s);
    if (!t->answer.code && commit(s, &v) == ERR_UNKNOWN) {
        leave_open(s);
        return;
    }
    if (!t->answer.code) {
        s->letters++;
        s->cost = 0;
        log_debug(s->who, "letter %s accepted for %zu recipients", t->id.s, t->nsaid);
        smtpd_reply(s, 250, "2.0.0", "Accepted as %s", t->id.s);
        return;
    }
    if (guard_evidence(s->visit)) index_letter(s);
    smtpd_trace_refused(s, SL(""), t->answer.enhanced, t->answer.code, t->answer.text);
    log_info(s->who, "letter %s refused: %d %s %.*s", t->id.s, t->answer.code, t->answer.enhanced,
             SLF(t->answer.text));
    smtpd_reply(s, t->answer.code, t->answer.enhanced, "%.*s", SLF(t->answer.text));
}
