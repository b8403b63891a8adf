/* auth.c - AUTH (RFC 4954) over the login exchange that all servers share. */
#include <stdio.h>

#include "base/text.h"
#include "smtpd_i.h"
#include "store/store.h"

static void put_challenge(struct smtpd_session *s, struct slice challenge)
{
    buf_clear(&s->out);
    buf_str(&s->out, "334 ");
    b64_encode(&s->out, challenge);
    buf_str(&s->out, "\r\n");
    conn_write(s->c, buf_slice(&s->out));
    smtpd_said(s, SL("334 ..."));
}

/* The next line of the exchange, decoded. */
static int read_response(struct smtpd_session *s, struct slice *response)
{
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK));
    int e = conn_read_line(s->c, SMTP_AUTH_LINE_MAX, &line);
    deadline_restore(before);
    if (!e) smtpd_heard_secret(s, line.n);
    return e ? e : sasl_line_decode(&s->a, line, response);
}

static int exchange(struct smtpd_session *s, struct sasl *x, const struct slice *initial)
{
    struct slice out, response;
    int r = sasl_start(x, initial, &out);
    while (r == SASL_MORE) {
        put_challenge(s, out);
        r = read_response(s, &response);
        if (!r) r = sasl_step(x, response, &out);
    }
    return r;
}

static void failed(struct smtpd_session *s, const struct sasl *x, int e)
{
    sasl_tell(s->who, x->user, sl_cstr(err_text(e)));
    s->failed_logins++;
    if (s->failed_logins >= SMTPD_LOGINS_MAX)
        smtpd_reply(s, 421, "4.7.0", "Too many failed logins; try again later");
    else smtpd_reply(s, 535, "5.7.8", "User name or password is wrong");
}

bool smtpd_may_go_on(struct smtpd_session *s)
{
    int e = authority_check(&s->authority);
    if (e) log_info(s->who, "closed: %s", err_text(e));
    if (e) smtpd_reply(s, 421, "4.7.0", "%s", err_text(e));
    return e == 0;
}

static void keep_mechanism(struct smtpd_session *s, unsigned mechanism)
{
    struct buf b = BUF_INIT;
    sasl_put(&b, mechanism, "", "");
    snprintf(s->mechanism, sizeof s->mechanism, "%.*s", SLF(buf_slice(&b)));
    buf_free(&b);
}

static void answer(struct smtpd_session *s, struct sasl *x, int e)
{
    switch (e) {
    case SASL_DONE:
        s->logged_in = true;
        keep_mechanism(s, x->mechanism);
        s->account = x->account;
        authority_begin(&s->authority, s->conf->store->directory, &s->account, s->c);
        sasl_tell(s->who, s->account.address, SL(""));
        smtpd_reply(s, 235, "2.7.0", "Welcome");
        return;
    case ERR_DENIED: failed(s, x, e); return;
    case ERR_BUSY: smtpd_reply(s, 421, "4.7.0", "%s", err_text(e)); return;
    case ERR_SYNTAX: smtpd_reply(s, 501, "5.5.2", "%s", err_text(e)); return;
    case ERR_TOO_LONG:
        smtpd_reply(s, 500, "5.5.6", "The line is longer than %d bytes", SMTP_AUTH_LINE_MAX);
        return;
    case ERR_EOF:
    case ERR_TIMEOUT:
        if (conn_error(s->c)) return; /* the session's loop says what there is to say */
        /* fall through */
    default:
        if (e == ERR_CANCELED && !conn_error(s->c)) smtpd_reply(s, 501, "5.7.0", "The login is given up");
        else if (!conn_error(s->c)) {
            log_warn(s->who, "logins cannot be checked: %s", err_text(e));
            smtpd_reply(s, 454, "4.7.0", "Logins cannot be checked at this moment; try again later");
        }
    }
}

/* Never in clear: RFC 4954 section 9, RFC 8314 section 3. */
struct smtpd_refusal smtpd_auth_closed(const struct smtpd_session *s)
{
    if (!smtpd_is_submission(s))
        return (struct smtpd_refusal){
            503, "5.5.1", "There is no login on this port; mail programs log in on port 587 or 465"};
    if (s->logged_in) return (struct smtpd_refusal){503, "5.5.1", "You are logged in already"};
    if (!s->tls) return (struct smtpd_refusal){538, "5.7.11", "Begin TLS with STARTTLS before you log in"};
    return (struct smtpd_refusal){0};
}

unsigned smtpd_logins(struct smtpd_session *s) { return sasl_offered(s->conf->logins, s->c); }

void smtpd_auth(struct smtpd_session *s, struct smtp_command *c)
{
    struct slice initial, *given = NULL;
    struct sasl x = {0};
    int e = 0;
    if (c->has_initial) {
        given = &initial;
        e = sl_eq(c->initial, SL("*")) ? err_set(ERR_SYNTAX, "the initial response is no base64")
                                       : sasl_line_decode(&s->a, c->initial, &initial);
    }
    if (!e) e = sasl_begin(&x, s->conf->login, &s->a, c->mechanism, smtpd_logins(s), s->c);
    x.guard = guard_prove;
    x.allows = guard_allows;
    x.guard_arg = s->visit;
    x.asker = guard_asker(s->visit);
    x.protocol = LOGIN_SMTP;
    bool known = e != ERR_UNSUPPORTED;
    if (!e) e = exchange(s, &x, given);
    if (known) answer(s, &x, e);
    else smtpd_reply(s, 504, "5.5.4", "%s", err_text(e));
    if (!s->logged_in) ar_reset(&s->a);
}
