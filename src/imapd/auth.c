/* auth.c - STARTTLS, LOGIN, AUTHENTICATE (RFC 9051 section 6.2; 4616, 5802, 7677). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "imapd_i.h"
#include "login/sasl.h"

enum { SASL_LINE_MAX = 8192 };

/* ---- what is offered ---- */

struct imapd_refusal imapd_starttls_closed(struct imapd_session *s)
{
    if (conn_is_tls(s->c)) return (struct imapd_refusal){NULL, "TLS is on already"};
    if (!s->server->conf.tls) return (struct imapd_refusal){"CANNOT", "there is no TLS here"};
    return (struct imapd_refusal){0};
}

/* LOGIN the command says what LOGIN the mechanism would. */
unsigned imapd_logins(struct imapd_session *s)
{
    return sasl_offered(s->server->conf.logins, s->c) & ~(unsigned)SASL_LOGIN;
}

struct imapd_refusal imapd_authenticate_closed(struct imapd_session *s)
{
    if (!conn_is_tls(s->c)) return (struct imapd_refusal){"PRIVACYREQUIRED", "turn on TLS first"};
    return (struct imapd_refusal){0};
}

struct imapd_refusal imapd_login_closed(struct imapd_session *s)
{
    if (!(sasl_offered(s->server->conf.logins, NULL) & (SASL_PLAIN | SASL_LOGIN)))
        return (struct imapd_refusal){"CANNOT", "passwords are not taken in this way here; use AUTHENTICATE"};
    return imapd_authenticate_closed(s);
}

/* ---- STARTTLS ---- */

int imapd_tls_begin(struct imapd_session *s)
{
    static const char *const alpn[] = {"imap", NULL};
    int64_t before = deadline_narrow(s->born + IMAPD_STRANGER);
    int e = conn_tls_accept_login(s->c, s->server->conf.tls, alpn);
    deadline_restore(before);
    if (e) log_info(s->who, "TLS did not come about: %s", err_text(e));
    return e;
}

void imapd_cmd_starttls(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    if (conn_peek(s->c).n) { /* a command slipped in before TLS must not count after it */
        imapd_bad(s, "nothing may follow STARTTLS before TLS is on");
        s->over = true;
        return;
    }
    imapd_ok(s, NULL, "begin TLS now");
    if (imapd_tls_begin(s)) s->over = true;
}

/* ---- the outcome ---- */

/* The session is the account's. imapd_dispatch() answers. */
static void welcome(struct imapd_session *s, const struct account *acc)
{
    snprintf(s->account, sizeof s->account, "%s", acc->id);
    if (!imapd_count_session(s)) {
        imapd_no(s, "LIMIT", "this account has too many sessions");
        imapd_bye(s, NULL, "close some of them first");
        return;
    }
    s->state = IMAPD_AUTH;
    authority_begin(&s->authority, s->server->conf.store->directory, acc, s->c);
    free(s->address);
    s->address = xstrndup(acc->address.p, acc->address.n);
    s->failed_logins = 0;
    conn_set_buffer(s->c, IMAPD_LINE_MAX + 4096);
    sasl_tell(s->who, acc->address, SL(""));
}

/* Why is not told (RFC 9051 section 11.7); who guesses waits longer each time. */
static void turn_away(struct imapd_session *s, int e, struct slice user)
{
    if (e == ERR_BUSY) {
        imapd_no(s, "UNAVAILABLE", "%s", err_text(e));
        imapd_bye(s, NULL, "too many failed logins");
        return;
    }
    if (err_is_temporary(e)) {
        imapd_failed(s, e);
        return;
    }
    sasl_tell(s->who, user, sl_cstr(err_text(e)));
    s->failed_logins++;
    if (fiber_sleep((int64_t)s->failed_logins * RT_S / 2) != 0) s->over = true;
    imapd_no(s, "AUTHENTICATIONFAILED", "the name or the password is wrong");
    if (s->failed_logins >= IMAPD_LOGINS_MAX) imapd_bye(s, NULL, "too many failed logins");
}

void imapd_cmd_login(struct imapd_session *s, struct imap_in *in)
{
    struct account acc;
    imap_sp(in);
    struct slice user = imap_astring(in);
    imap_sp(in);
    struct slice password = imap_astring(in);
    if (imapd_args_bad(s, in)) return;
    struct slice name;
    struct login_try try = {user, password, LOGIN_IMAP, guard_asker(s->visit), guard_allows, s->visit};
    int e = login_counted(s->server->conf.login, &s->a, user, guard_prove, s->visit, &name);
    if (!e)
        e = guard_prove(s->visit, name, login_prove,
                        &(struct login_proof){s->server->conf.login, &s->a, &try, &acc});
    if (e) turn_away(s, e, user);
    else welcome(s, &acc);
}

/* RFC 8437: another login may follow on this connection; nothing of the last one is left. */
void imapd_cmd_unauthenticate(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    imapd_unselect(s);
    imapd_notify_end(s);
    authority_end(&s->authority);
    imapd_uncount_session(s);
    free(s->address);
    s->address = NULL;
    s->account[0] = 0;
    s->utf8 = s->rev2 = s->condstore = s->qresync = s->utf8_accept = s->uidonly = false;
    s->comparator = (struct imapd_comparator){0};
    s->state = IMAPD_LOGGED_OUT;
    s->born = rt_now(); /* as after a greeting */
    s->cost = 0;
    imapd_ok(s, NULL, "logged out; the connection goes on");
}

/* ---- SASL ---- */

/* The client's next message, after "+ challenge"; false: the exchange is over and answered. */
static bool ask(struct imapd_session *s, struct slice challenge, struct slice *out)
{
    struct slice line;
    buf_str(&s->out, "+ ");
    b64_encode(&s->out, challenge);
    buf_str(&s->out, "\r\n");
    s->exchanging = true;
    imapd_flush(s);
    s->exchanging = false;
    int e = imapd_line(s, SASL_LINE_MAX, &line);
    if (!e) imapd_heard_secret(s, line.n);
    if (e && e != ERR_TOO_LONG && e != ERR_SYNTAX) {
        s->over = true;
        return false;
    }
    if (!e) e = sasl_line_decode(&s->a, line, out);
    if (e) imapd_bad(s, e == ERR_CANCELED ? "given up" : "that was no base64");
    return e == 0;
}

/* The client's messages one after another; SASL_DONE or an error. false: answered already. */
static bool exchange(struct imapd_session *s, struct sasl *x, const struct slice *initial, int *result)
{
    struct slice challenge = SL(""), response;
    int r = sasl_start(x, initial, &challenge);
    while (r == SASL_MORE) {
        if (!ask(s, challenge, &response)) return false;
        r = sasl_step(x, response, &challenge);
    }
    *result = r;
    return true;
}

void imapd_cmd_authenticate(struct imapd_session *s, struct imap_in *in)
{
    struct sasl x;
    imap_sp(in);
    struct slice mechanism = imap_atom(in), message = SL("");
    bool initial = imap_skip(in, ' '); /* RFC 4959 */
    struct slice encoded = initial ? sl_from(in->s, in->at) : SL("");
    if (initial) in->at = in->s.n;
    imapd_heard_mechanism(s, mechanism);
    if (imapd_args_bad(s, in)) return;
    int e = sasl_begin(&x, s->server->conf.login, &s->a, mechanism, imapd_logins(s), s->c);
    if (e) {
        imapd_no(s, "CANNOT", "this mechanism is not known here");
        return;
    }
    if (initial && sasl_line_decode(&s->a, encoded, &message) != 0) {
        imapd_bad(s, "that was no base64");
        return;
    }
    x.guard = guard_prove;
    x.allows = guard_allows;
    x.guard_arg = s->visit;
    x.asker = guard_asker(s->visit);
    x.protocol = LOGIN_IMAP;
    if (!exchange(s, &x, initial ? &message : NULL, &e)) return;
    if (e == ERR_SYNTAX) imapd_bad(s, "%s", err_text(e));
    else if (e) turn_away(s, e, x.user);
    else welcome(s, &x.account);
}
