/* popd.c - the POP3 session: one loop over one table of commands (RFC 1939). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "popd_i.h"

static void capa(struct popd_session *s, struct pop3_command *c);

static void noop(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    popd_ok(s, "done, nothing");
}

static const struct popd_command table[] = {
    {POP3_CAPA, POPD_STRANGER | POPD_IN, .cost = 1, .run = capa,
     .capability = "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nIMPLEMENTATION Tram"},
    {POP3_UTF8, POPD_STRANGER, .cost = 1, .run = popd_utf8, .capability = "UTF8 USER"},
    {POP3_LANG, POPD_STRANGER | POPD_IN, .cost = 1, .run = popd_lang, .capability = "LANG"},
    {POP3_STLS, POPD_STRANGER, .cost = 1, .run = popd_stls, .capability = "STLS"},
    {POP3_USER, POPD_STRANGER | POPD_TLS | POPD_PASSWORD, .cost = 1, .run = popd_user, .capability = "USER"},
    {POP3_PASS, POPD_STRANGER | POPD_TLS | POPD_PASSWORD, .cost = 1, .run = popd_pass},
    {POP3_AUTH, POPD_STRANGER | POPD_TLS, .cost = 1, .run = popd_auth, .capability = "SASL"},
    {POP3_STAT, POPD_IN, .run = popd_stat},
    {POP3_LIST, POPD_IN, .run = popd_list},
    {POP3_UIDL, POPD_IN, .run = popd_uidl, .capability = "UIDL"},
    {POP3_RETR, POPD_IN | POPD_LETTER, .run = popd_retr},
    {POP3_TOP, POPD_IN | POPD_LETTER, .run = popd_top, .capability = "TOP"},
    {POP3_DELE, POPD_IN, .run = popd_dele},
    {POP3_RSET, POPD_IN, .run = popd_rset},
    {POP3_NOOP, POPD_IN, .run = noop},
    {POP3_QUIT, POPD_STRANGER | POPD_IN, .run = popd_quit},
};

/* Why this connection does not offer it, in whatever state; or NULL. CAPA and the loop both ask it, so that
 * what is told is what is served. */
static const char *closed(struct popd_session *s, const struct popd_command *c)
{
    if ((c->flags & POPD_TLS) && !s->tls) return "begin TLS with STLS before you log in";
    if ((c->flags & POPD_PASSWORD) && !(popd_logins(s) & (SASL_PLAIN | SASL_LOGIN)))
        return "passwords are not taken in this way here; use AUTH";
    if (c->verb == POP3_STLS && s->tls) return "TLS is already in use";
    if (c->verb == POP3_STLS && s->utf8) return "STLS comes before UTF8"; /* RFC 6856 section 2.1 */
    if (c->verb == POP3_STLS && !s->conf->tls) return "TLS is not offered here";
    return NULL;
}

/* RFC 2449 section 5. */
static void capa(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    buf_clear(&s->out);
    buf_str(&s->out, "+OK what there is\r\n");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (!table[i].capability || closed(s, &table[i])) continue;
        buf_str(&s->out, table[i].capability);
        if (table[i].verb == POP3_AUTH) sasl_put(&s->out, popd_logins(s), " ", "");
        buf_str(&s->out, "\r\n");
    }
    if (s->conf->login_delay) buf_printf(&s->out, "LOGIN-DELAY %u\r\n", s->conf->login_delay);
    buf_str(&s->out, ".\r\n");
    popd_say(s);
}

static const struct popd_command *find(enum pop3_verb v)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].verb == v) return &table[i];
    return NULL;
}

/* ---- the loop ---- */

/* Before the login all clocks run from the greeting on, whatever is said. */
static int64_t patience_ends(const struct popd_session *s)
{
    return s->in ? DEADLINE_IN(POPD_IDLE) : s->born + POPD_PATIENCE;
}

static void check_budgets(struct popd_session *s)
{
    if (s->over) return;
    const char *why = NULL;
    if (s->errors >= (s->locked ? POPD_ERRORS_USER : POPD_ERRORS_MAX)) why = "too many errors";
    else if (memory_refuses(&s->a) || memory_refuses(&s->cmd_a)) why = "the session takes too much memory";
    else if (!s->in && s->cost >= POPD_COST_MAX) why = "too many commands before the login";
    else if (rt_now() >= patience_ends(s)) why = "no login came for too long";
    if (!why) return;
    popd_err(s, NULL, "%s; the connection is closed", why);
    s->over = true;
}

/* The password was changed, the account disabled or removed: the login counts no more, and nothing
 * is removed (RFC 1939 section 6, RFC 3206). */
static bool may_go_on(struct popd_session *s)
{
    int e = authority_check(&s->authority);
    if (!e) return true;
    log_info(s->who, "closed: %s", err_text(e));
    popd_err(s, e == ERR_DENIED ? "AUTH" : "SYS/TEMP", "%s", err_text(e));
    s->over = true;
    return false;
}

static void run_command(struct popd_session *s, struct slice line)
{
    struct pop3_command c;
    int e = pop3_command_parse(ar_dup(&s->cmd_a, line), &c); /* commands may read on */
    const struct popd_command *t = find(c.verb);
    popd_heard(s, line, &c);
    if (!t || !(t->flags & POPD_LETTER)) (void)deadline_narrow(patience_ends(s));
    const char *why = t ? closed(s, t) : "there is no such command here";
    if (!may_go_on(s)) return;
    if (t && !(t->flags & (s->in ? POPD_IN : POPD_STRANGER)))
        popd_err(s, NULL, s->in ? "you are logged in already" : "log in first");
    else if (why) popd_err(s, NULL, "%s", why);
    else if (e) popd_err(s, NULL, "%s", err_text(e));
    else t->run(s, &c);
    if (t && !s->in) s->cost += t->cost;
}

/* The wait for a command ended with r; without QUIT nothing is removed (RFC 1939 section 3). */
static void cut_off(struct popd_session *s, int e)
{
    if (guard_gave_way(s->visit)) popd_err(s, "SYS/TEMP", "others wait for this place, try again later");
    else if (e == ERR_TIMEOUT) popd_err(s, "SYS/TEMP", "nothing was said for too long");
    if (e == ERR_CANCELED) popd_err(s, "SYS/TEMP", "the server is shutting down");
    s->over = true;
}

static void one_command(struct popd_session *s)
{
    struct slice line;
    int64_t before = deadline_narrow(patience_ends(s));
    int e = conn_read_line(s->c, s->in ? POP3_LINE_MAX : POP3_AUTH_LINE_MAX, &line);
    if (e == ERR_TOO_LONG || e == ERR_SYNTAX) {
        popd_err(s, NULL, e == ERR_SYNTAX ? "lines must end in CR LF" : "the line is too long");
    } else if (e) {
        cut_off(s, e);
    } else {
        deadline_restore(before);
        run_command(s, line);
        ar_reset(&s->cmd_a);
    }
    deadline_restore(before);
}

static void session_end(struct popd_session *s)
{
    popd_ends(s);
    authority_end(&s->authority);
    popd_close_box(s);
    free(s->user);
    free(s->folder);
    buf_free(&s->out);
    ar_free(&s->cmd_a);
    ar_free(&s->a);
    conn_close(&s->c);
    free(s);
}

static void session_run(struct popd_session *s);

static void resume(void *arg)
{
    struct popd_session *s = arg;
    if (fiber_canceled()) cut_off(s, ERR_CANCELED);
    else if (!conn_peek(s->c).n && rt_now() >= s->until) cut_off(s, ERR_TIMEOUT);
    session_run(s);
}

/* Who has logged in waits without a stack, and a change of the account wakes them. */
static bool is_idle(const struct popd_session *s) { return s->in && !conn_peek(s->c).n && !conn_error(s->c); }

static void park(struct popd_session *s)
{
    buf_free(&s->out);
    ar_free(&s->cmd_a);
    s->until = patience_ends(s);
    conn_park(s->c, s->g, s->until, resume, s);
}

static void session_run(struct popd_session *s)
{
    while (!s->over) {
        if (is_idle(s)) {
            if (!may_go_on(s)) break;
            park(s);
            return;
        }
        one_command(s);
        check_budgets(s);
        fiber_breathe();
    }
    session_end(s);
}

void popd_session(struct popd *server, bool tls_at_once, struct conn *c, struct group *g,
                  struct guard_visit *visit)
{
    ASSERT(c && g && (!tls_at_once || server->conf.tls));
    char peer[ENDPOINT_TEXT_MAX];
    struct popd_session *s = xcalloc(1, sizeof *s);
    s->a.cap = s->cmd_a.cap = POPD_MEMORY;
    s->server = server;
    s->g = g;
    s->conf = &server->conf;
    s->c = c;
    s->visit = visit;
    s->born = rt_now();
    endpoint_format(conn_peer(c), peer);
    snprintf(s->who, sizeof s->who, "popd %.50s", peer);
    popd_begins(s);
    if (tls_at_once && popd_tls_begin(s)) s->over = true;
    else popd_ok(s, "%.*s POP3 Tram", SLF(s->conf->hostname));
    session_run(s);
}

int popd_open(struct popd **out, const struct popd_conf *conf)
{
    ASSERT(conf->store && conf->login);
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
    map_init(&(*out)->open, false);
    map_init(&(*out)->logins, false);
    return 0;
}

void popd_close(struct popd **s)
{
    if (!*s) return;
    map_free(&(*s)->open);
    map_free(&(*s)->logins);
    free(*s);
    *s = NULL;
}
