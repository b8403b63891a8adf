/* popd.c - the POP3 session: one loop over one table of commands (RFC 1939). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "popd_i.h"

static void pm_noop(struct pm *s, struct pop3_command *c)
{
    (void)c;
    pm_ok(s, "done, nothing");
}

static const struct pm_command table[] = {
    {POP3_CAPA, PM_STRANGER | PM_IN, pm_capa},
    {POP3_STLS, PM_STRANGER, pm_stls},
    {POP3_USER, PM_STRANGER | PM_TLS, pm_user},
    {POP3_PASS, PM_STRANGER | PM_TLS, pm_pass},
    {POP3_AUTH, PM_STRANGER | PM_TLS, pm_auth},
    {POP3_STAT, PM_IN, pm_stat},
    {POP3_LIST, PM_IN, pm_list},
    {POP3_UIDL, PM_IN, pm_uidl},
    {POP3_RETR, PM_IN, pm_retr},
    {POP3_TOP, PM_IN, pm_top},
    {POP3_DELE, PM_IN, pm_dele},
    {POP3_RSET, PM_IN, pm_rset},
    {POP3_NOOP, PM_IN, pm_noop},
    {POP3_QUIT, PM_STRANGER | PM_IN, pm_quit},
};

static const struct pm_command *find(enum pop3_verb v)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].verb == v) return &table[i];
    return NULL;
}

/* ---- answers ---- */

void pm_ok(struct pm *s, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_clear(&s->out);
    pop3_ok(&s->out, "%s", text);
    conn_write(s->c, buf_slice(&s->out));
}

void pm_err(struct pm *s, const char *code, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_clear(&s->out);
    pop3_err(&s->out, code, "%s", text);
    conn_write(s->c, buf_slice(&s->out));
    s->errors++;
}

/* ---- the lock on an account's inbox (RFC 1939 section 4) ---- */

bool pm_lock(struct pm *s)
{
    struct slice key = sl_cstr(s->account.id);
    lock_take(&s->server->lock);
    bool yes = !map_get(&s->server->open, key);
    if (yes) map_put(&s->server->open, key, s);
    lock_release(&s->server->lock);
    s->locked = yes;
    return yes;
}

void pm_unlock(struct pm *s)
{
    if (!s->locked) return;
    lock_take(&s->server->lock);
    map_del(&s->server->open, sl_cstr(s->account.id));
    lock_release(&s->server->lock);
    s->locked = false;
}

/* ---- the loop ---- */

static void run_command(struct pm *s, struct slice line)
{
    struct pop3_command c;
    ar_reset(&s->cmd_a);
    int r = pop3_command_parse(ar_dup(&s->cmd_a, line), &c); /* commands may read on */
    const struct pm_command *t = find(c.verb);
    if (!t) pm_err(s, NULL, "there is no such command here");
    else if (!(t->flags & (s->in ? PM_IN : PM_STRANGER)))
        pm_err(s, NULL, s->in ? "you are logged in already" : "log in first");
    else if ((t->flags & PM_TLS) && !s->tls) pm_err(s, NULL, "begin TLS with STLS before you log in");
    else if (r) pm_err(s, NULL, "%s", err_text(r));
    else t->run(s, &c);
}

/* The password was changed, the account disabled or removed: the login counts no more, and nothing
 * is removed (RFC 1939 section 6, RFC 3206). */
static bool may_go_on(struct pm *s)
{
    int r = s->in ? authority_check(&s->authority, s->conf->store) : 0;
    if (!r) return true;
    pm_err(s, r == ERR_DENIED ? "AUTH" : "SYS/TEMP", "%s", err_text(r));
    s->over = true;
    return false;
}

static void one_command(struct pm *s)
{
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(s->in ? PM_IDLE : PM_IDLE_STRANGER));
    int r = conn_read_line(s->c, s->in ? POP3_LINE_MAX : POP3_AUTH_LINE_MAX, &line);
    if (r == ERR_TOO_LONG || r == ERR_SYNTAX) {
        pm_err(s, NULL, r == ERR_SYNTAX ? "lines must end in CR LF" : "the line is too long");
    } else if (r) {
        /* RFC 1939 section 3: without QUIT nothing is removed. */
        if (r == ERR_TIMEOUT) pm_err(s, "SYS/TEMP", "nothing was said for too long");
        if (r == ERR_CANCELED) pm_err(s, "SYS/TEMP", "the server is shutting down");
        s->over = true;
    } else {
        deadline_restore(before);
        /* Letters take the time they need, with deadlines of their own. */
        if (!sl_startsi(line, SL("RETR")) && !sl_startsi(line, SL("TOP")))
            deadline_narrow(DEADLINE_IN(PM_IDLE));
        if (may_go_on(s)) run_command(s, line);
    }
    deadline_restore(before);
    if (s->errors >= (s->locked ? PM_ERRORS_USER : PM_ERRORS_MAX) && !s->over) {
        pm_err(s, NULL, "too many errors; the connection is closed");
        s->over = true;
    }
}

static void session_loop(struct pm *s, bool tls_at_once)
{
    if (tls_at_once && pm_tls_begin(s)) return;
    pm_ok(s, "%.*s POP3 Tram", SLF(s->conf->hostname));
    while (!s->over) one_command(s);
}

void popd_session(struct popd *server, bool tls_at_once, struct conn *c, struct group *g)
{
    char ip[IP_TEXT_MAX];
    struct pm *s = xcalloc(1, sizeof *s);
    (void)g;
    s->server = server;
    s->conf = &server->conf;
    s->c = c;
    snprintf(s->who, sizeof s->who, "popd [%s]", ip_format(&conn_peer(c)->ip, ip));
    session_loop(s, tls_at_once);
    pm_close_box(s);
    free(s->user);
    buf_free(&s->out);
    ar_free(&s->cmd_a);
    ar_free(&s->a);
    conn_close(&s->c);
    free(s);
}

int popd_open(struct popd **out, const struct popd_conf *conf)
{
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
    map_init(&(*out)->open, false);
    return 0;
}

void popd_close(struct popd **s)
{
    if (!*s) return;
    map_free(&(*s)->open);
    free(*s);
    *s = NULL;
}
