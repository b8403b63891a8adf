/* login.c - the AUTHORIZATION state: TLS, USER and PASS, AUTH (RFC 1939, 2449, 2595, 5034). */
#include <stdlib.h>

#include "base/text.h"
#include "popd_i.h"

unsigned popd_logins(struct popd_session *s) { return sasl_offered(s->conf->logins, s->c); }

/* ---- UTF8 and LANG (RFC 6856) ---- */

/* Nothing changes: letters are always sent as they are. One with UTF-8 in its header is sent also to who did
 * not say UTF8, because a refusal would let any sender of such a letter lock an older client out of its
 * mailbox. */
void popd_utf8(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    s->utf8 = true;
    popd_ok(s, "UTF-8 from here on");
}

/* Section 3.2: the server speaks English. */
void popd_lang(struct popd_session *s, struct pop3_command *c)
{
    struct slice range = sl_trim(c->arg);
    if (!range.n) {
        popd_ok(s, "the languages are");
        buf_clear(&s->out);
        buf_str(&s->out, "en English\r\n.\r\n");
        popd_say(s);
    } else if (sl_eqi(range, SL("en")) || sl_eq(range, SL("*"))) {
        popd_ok(s, "en English it is");
    } else {
        popd_err(s, NULL, "there is English (en) only");
    }
}

/* ---- STLS (RFC 2595 section 4) ---- */

int popd_tls_begin(struct popd_session *s)
{
    static const char *const alpn[] = {"pop3", NULL};
    int64_t before = deadline_narrow(DEADLINE_IN(POPD_WORK));
    int e = conn_tls_accept_login(s->c, s->conf->tls, alpn);
    deadline_restore(before);
    if (e) {
        log_info(s->who, "TLS did not come about: %s", err_text(e));
        s->over = true;
        return e;
    }
    s->tls = true;
    return 0;
}

void popd_stls(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    if (conn_peek(s->c).n) { /* what came in clear must never count as said in TLS */
        popd_err(s, NULL, "commands were sent after STLS before its answer; the connection is closed");
        s->over = true;
        return;
    }
    popd_ok(s, "begin TLS");
    free(s->user);
    s->user = NULL;
    (void)!popd_tls_begin(s);
}

/* ---- logging in ---- */

static void failed(struct popd_session *s, struct slice user)
{
    sasl_tell(s->who, user, sl_cstr(err_text(ERR_DENIED)));
    popd_err(s, "AUTH", "user name or password is wrong");
    if (++s->failed_logins >= POPD_LOGINS_MAX) s->over = true;
}

static void trouble(struct popd_session *s, int e)
{
    if (e == ERR_BUSY) {
        popd_err(s, "LOGIN-DELAY", "%s", err_text(e)); /* RFC 2449 section 8.1.1 */
        s->over = true;
        return;
    }
    log_warn(s->who, "logins cannot be checked: %s", err_text(e));
    popd_err(s, "SYS/TEMP", "logins cannot be checked at this moment; try again later");
}

/* RFC 2449 section 6.5: is it too soon after the last login of the account? Else this one is noted. */
static bool too_soon(struct popd_session *s)
{
    struct popd *d = s->server;
    struct slice key = sl_cstr(s->account.id);
    int64_t now = rt_now() / RT_S + 1;
    if (!s->conf->login_delay) return false;
    lock_take(&d->lock);
    int64_t last = (int64_t)(intptr_t)map_get(&d->logins, key);
    bool soon = last && now - last < s->conf->login_delay;
    if (!soon && d->logins.count >= POPD_DELAYED_MAX) {
        map_free(&d->logins);
        map_init(&d->logins, false);
    }
    if (!soon) map_put(&d->logins, key, (void *)(intptr_t)now);
    lock_release(&d->lock);
    return soon;
}

static void enter(struct popd_session *s)
{
    if (too_soon(s)) {
        popd_err(s, "LOGIN-DELAY", "the last login was less than %u seconds ago", s->conf->login_delay);
        return;
    }
    if (!popd_lock(s)) {
        popd_err(s, "IN-USE", "another session has this mailbox open; try again later");
        return;
    }
    int e = popd_open_box(s);
    if (s->folder && (e == ERR_NOT_FOUND || e == ERR_SYNTAX)) {
        popd_close_box(s);
        popd_err(s, NULL, "there is no such mailbox to be chosen");
        return;
    }
    if (e) {
        popd_close_box(s);
        log_warn(s->who, "the mailbox of %.*s cannot be read: %s", SLF(s->account.address), err_text(e));
        popd_err(s, "SYS/TEMP", "the mailbox cannot be read at this moment; try again later");
        return;
    }
    s->in = true;
    authority_begin(&s->authority, s->conf->store->directory, &s->account, s->c);
    sasl_tell(s->who, s->account.address, SL(""));
    popd_ok(s, "%zu messages", s->n);
}

/* "alice+Lists/work@x.test" chooses a mailbox: it is no part of the name. */
static void take_folder(struct popd_session *s, struct slice *user)
{
    size_t plus = sl_chr(*user, '+'), at = sl_rchr(*user, '@');
    if (at == SL_NONE) at = user->n;
    free(s->folder);
    s->folder = NULL;
    if (plus == SL_NONE || plus == 0 || plus + 1 >= at) return;
    s->folder = xstrndup(user->p + plus + 1, at - plus - 1);
    *user = ar_cat(&s->cmd_a, sl_sub(*user, 0, plus), sl_from(*user, at));
}

void popd_user(struct popd_session *s, struct pop3_command *c)
{
    take_folder(s, &c->arg);
    free(s->user); /* whether there is such a user is told at PASS only (RFC 1939 section 13) */
    s->user = xstrndup(c->arg.p, c->arg.n);
    popd_ok(s, "now the password");
}

void popd_pass(struct popd_session *s, struct pop3_command *c)
{
    if (!s->user) {
        popd_err(s, NULL, "USER comes first");
        return;
    }
    struct slice user = ar_dup(&s->cmd_a, sl_cstr(s->user));
    free(s->user);
    s->user = NULL;
    struct slice name;
    struct login_try try = {user, c->arg, LOGIN_POP3, guard_asker(s->visit), guard_allows, s->visit};
    int e = login_counted(s->conf->login, &s->a, user, guard_prove, s->visit, &name);
    if (!e)
        e = guard_prove(s->visit, name, login_prove,
                        &(struct login_proof){s->conf->login, &s->a, &try, &s->account});
    if (e == 0) enter(s);
    else if (e == ERR_DENIED || e == ERR_SYNTAX) failed(s, user);
    else trouble(s, e);
    if (!s->in) ar_reset(&s->a);
}

/* ---- AUTH (RFC 5034) ---- */

static int exchange(struct popd_session *s, struct sasl *x, const struct slice *initial)
{
    struct slice out, line, response;
    int r = sasl_start(x, initial, &out);
    while (r == SASL_MORE) {
        buf_clear(&s->out);
        buf_str(&s->out, "+ ");
        b64_encode(&s->out, out);
        buf_str(&s->out, "\r\n");
        popd_say(s);
        r = conn_read_line(s->c, POP3_AUTH_LINE_MAX, &line);
        if (!r) popd_heard_secret(s, line.n);
        if (!r) r = sasl_line_decode(&s->a, line, &response);
        if (!r) r = sasl_step(x, response, &out);
    }
    return r;
}

static void list_mechanisms(struct popd_session *s)
{
    popd_ok(s, "ways to log in follow");
    buf_clear(&s->out);
    sasl_put(&s->out, popd_logins(s), "", "\r\n");
    buf_str(&s->out, ".\r\n");
    popd_say(s);
}

static void conclude(struct popd_session *s, const struct sasl *x, int r)
{
    if (r == SASL_DONE) {
        s->account = x->account;
        enter(s);
    } else if (r == ERR_DENIED) {
        failed(s, x->user);
    } else if (conn_error(s->c)) {
        return; /* the session's loop says what there is to say */
    } else if (r == ERR_SYNTAX || r == ERR_UNSUPPORTED || r == ERR_TOO_LONG || r == ERR_CANCELED) {
        popd_err(s, NULL, "%s", err_text(r));
    } else {
        trouble(s, r);
    }
}

void popd_auth(struct popd_session *s, struct pop3_command *c)
{
    struct slice initial;
    struct sasl x = {0};
    if (!c->mechanism.n) {
        list_mechanisms(s);
        return;
    }
    int r = c->has_initial ? sasl_line_decode(&s->a, c->initial, &initial) : 0;
    if (!r) r = sasl_begin(&x, s->conf->login, &s->a, c->mechanism, popd_logins(s), s->c);
    x.guard = guard_prove;
    x.allows = guard_allows;
    x.guard_arg = s->visit;
    x.asker = guard_asker(s->visit);
    x.protocol = LOGIN_POP3;
    if (!r) r = exchange(s, &x, c->has_initial ? &initial : NULL);
    conclude(s, &x, r);
    if (!s->in) ar_reset(&s->a);
}
