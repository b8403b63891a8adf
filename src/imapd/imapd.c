/* imapd.c - a session from greeting to end: reading commands, parking, IDLE. */
#include "imapd_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"

enum {
    APPEND_DEFAULT = 50 << 20,
    SESSIONS_DEFAULT = 5000,
    MESSAGES_DEFAULT = 2000000,
    SAVED_DEFAULT = 1000000
};
#define PROGRESS_DEFAULT (10 * RT_S)

int imapd_open(struct imapd **out, const struct imapd_conf *conf)
{
    struct imapd *d = xcalloc(1, sizeof *d);
    d->conf = *conf;
    if (!d->conf.append_max) d->conf.append_max = APPEND_DEFAULT;
    if (!d->conf.sessions_max) d->conf.sessions_max = SESSIONS_DEFAULT;
    if (!d->conf.messages_max) d->conf.messages_max = MESSAGES_DEFAULT;
    if (!d->conf.saved_max) d->conf.saved_max = SAVED_DEFAULT;
    if (!d->conf.progress) d->conf.progress = PROGRESS_DEFAULT;
    map_init(&d->recent, false);
    map_init(&d->sessions, false);
    *out = d;
    return 0;
}

void imapd_close(struct imapd **s)
{
    struct imapd *d = *s;
    *s = NULL;
    if (!d) return;
    map_free(&d->recent);
    map_free(&d->sessions);
    free(d);
}

/* ---- how many sessions an account has ---- */

static bool change_count(struct imapd_session *s, int by)
{
    struct imapd *d = s->server;
    struct slice key = sl_cstr(s->account);
    lock_take(&d->lock);
    intptr_t n = (intptr_t)map_get(&d->sessions, key) + by;
    bool fits = by < 0 || n <= (intptr_t)d->conf.sessions_max;
    if (fits && n > 0) map_put(&d->sessions, key, (void *)n);
    else if (fits) map_del(&d->sessions, key);
    lock_release(&d->lock);
    return fits;
}

bool imapd_count_session(struct imapd_session *s)
{
    s->counted = change_count(s, 1);
    return s->counted;
}

void imapd_uncount_session(struct imapd_session *s)
{
    if (s->counted) change_count(s, -1);
    s->counted = false;
}

/* ---- the end ---- */

static void release_buffers(struct imapd_session *s)
{
    buf_free(&s->cmd);
    buf_free(&s->out);
    ar_free(&s->a);
    /* A client that fetches a message piece by piece does not have it parsed for each. */
    if (s->idling || s->over) reader_close(&s->reader);
    else reader_trim(&s->reader);
}

static void session_end(struct imapd_session *s)
{
    s->over = true;
    imapd_unselect(s);
    imapd_notify_end(s);
    authority_end(&s->authority);
    imapd_uncount_session(s);
    release_buffers(s);
    conn_close(&s->c);
    free(s->address);
    free(s);
}

/* ---- reading a command ---- */

int imapd_line(struct imapd_session *s, size_t max, struct slice *line)
{
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    int r = conn_read_line(s->c, max, line);
    deadline_restore(before);
    return r;
}

int imapd_swallow(struct imapd_session *s, uint64_t n)
{
    int r = 0;
    while (n && r >= 0) {
        struct slice have = conn_peek(s->c);
        size_t k = have.n < n ? have.n : (size_t)n;
        conn_consume(s->c, k);
        n -= k;
        int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
        if (n) r = conn_fill(s->c);
        deadline_restore(before);
    }
    return r < 0 ? r : 0;
}

/* The tag of a command of which only the start is there. */
static void find_tag(struct imapd_session *s)
{
    struct imap_in in;
    imap_in_init(&in, &s->a, buf_slice(&s->cmd), s->utf8);
    s->tag = imap_tag(&in);
    if (in.code || !imap_at(&in, ' ')) s->tag = SL("*");
}

static size_t command_max(const struct imapd_session *s)
{
    return s->state == IMAPD_LOGGED_OUT ? IMAPD_COMMAND_STRANGER : IMAPD_COMMAND_MAX;
}

/* A literal that is no message: into s->cmd. 1: go on reading, 0: refused, < 0: the end. */
static int take_literal(struct imapd_session *s, const struct imap_literal *l)
{
    bool known = s->state != IMAPD_LOGGED_OUT;
    if ((l->binary && !known) || l->size > (known ? IMAPD_LITERAL_MAX : IMAPD_LITERAL_STRANGER) ||
        s->cmd.n + l->size > command_max(s)) {
        find_tag(s);
        imapd_bad(s, l->binary ? "a literal8 cannot stand here" : "the literal is too large");
        if (!l->nonsync) return 0;
        /* RFC 7888 section 4: what was announced with {n+} is on its way. */
        if (l->size > IMAPD_SWALLOW_MAX) {
            imapd_bye(s, "TOOBIG", "the literal is too large");
            return 0;
        }
        int r = imapd_swallow(s, l->size);
        struct slice rest;
        return r ? r : imapd_line(s, IMAPD_LINE_MAX, &rest);
    }
    if (!l->nonsync) imapd_write(s, SL("+ go ahead\r\n"));
    buf_str(&s->cmd, "\r\n");
    char *to = buf_space(&s->cmd, l->size + 1);
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    int r = conn_read(s->c, to, l->size);
    deadline_restore(before);
    if (r) return r;
    s->cmd.n += l->size;
    return 1;
}

/* Learns the tag of the command that begins: a line that is too long is refused with it. */
static int learn_tag(struct imapd_session *s)
{
    struct slice have;
    int r = 0;
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    for (;;) {
        have = sl_sub(conn_peek(s->c), 0, IMAP_TAG_MAX + 1);
        if (have.n > IMAP_TAG_MAX || sl_chr(have, ' ') != SL_NONE || sl_chr(have, '\n') != SL_NONE) break;
        if ((r = conn_fill(s->c)) < 0) break;
    }
    deadline_restore(before);
    struct imap_in in;
    imap_in_init(&in, &s->a, have, false);
    struct slice tag = imap_tag(&in);
    if (in.code || !imap_at(&in, ' ')) tag = SL("*");
    snprintf(s->next_tag, sizeof s->next_tag, "%.*s", SLF(tag));
    return r < 0 ? r : 0;
}

/* The tag stands in s->tag. */
static int refuse_line(struct imapd_session *s, int e)
{
    if (e == ERR_TOO_LONG) imapd_bad(s, "the line is too long");
    else if (e == ERR_SYNTAX) imapd_bad(s, "lines end in CRLF");
    else return e;
    return 0;
}

/* 1: s->cmd holds a command. 0: what came was answered already. */
static int read_command(struct imapd_session *s)
{
    size_t max = s->state == IMAPD_LOGGED_OUT ? IMAPD_LINE_STRANGER : IMAPD_LINE_MAX;
    int r = learn_tag(s);
    if (r) return r;
    buf_clear(&s->cmd);
    for (;;) {
        struct slice line;
        struct imap_literal l;
        size_t start = s->cmd.n;
        r = imapd_line(s, max, &line);
        s->tag = sl_cstr(s->next_tag);
        if (r) return refuse_line(s, r);
        buf_put(&s->cmd, line);
        if (s->cmd.n > command_max(s)) {
            find_tag(s);
            imapd_bad(s, "the command is too long");
            return 0;
        }
        if (!imap_line_literal(line, &l)) return 1;
        if (imapd_is_append(s, &l, start + l.at)) return imapd_append(s, &l, start + l.at);
        r = take_literal(s, &l);
        if (r <= 0) return r;
    }
}

/* ---- the loop ---- */

/* News out, DONE in. true: something happened, look again; false: nothing left to do. */
static bool idle_turn(struct imapd_session *s)
{
    s->tag = sl_cstr(s->idle_tag);
    s->may_expunge = true;
    if (s->news) {
        imapd_news(s);
        return true;
    }
    if (!conn_peek(s->c).n) return false;
    struct slice line;
    int r = imapd_line(s, IMAPD_LINE_STRANGER, &line);
    s->idling = false;
    if (r && refuse_line(s, r) != 0) s->over = true;
    else if (!r && sl_eqi(line, SL("DONE"))) imapd_ok(s, NULL, "idle no more");
    else if (!r) imapd_bad(s, "DONE was expected");
    return true;
}

/* What NOTIFY asks for, while no command runs. false: nothing to tell. */
static bool notify_turn(struct imapd_session *s)
{
    bool expunges, selected = !s->idling && s->news && imapd_notify_pushes(s, &expunges);
    if (selected) {
        s->tag = SL("*");
        s->may_expunge = expunges;
        imapd_news(s);
    }
    bool others = !s->over && imapd_notify_tell(s);
    if (selected || others) ar_reset(&s->a);
    return selected || others;
}

static void session_run(struct imapd_session *s);

static void resume(void *arg)
{
    struct imapd_session *s = arg;
    if (!conn_peek(s->c).n && rt_now() >= s->until)
        imapd_bye(s, NULL,
                  s->state == IMAPD_LOGGED_OUT ? "log in sooner next time" : "you were idle for too long");
    else if (fiber_canceled()) imapd_bye(s, "UNAVAILABLE", "the server is shutting down");
    else if (s->idling && rt_now() >= s->wake) imapd_untagged(s, "OK still here"); /* for NATs on the way */
    session_run(s);
}

/* s->until is moved by the client's commands and by news, not by what we send on our own. */
static void park(struct imapd_session *s)
{
    release_buffers(s);
    s->wake = s->idling && s->until - rt_now() > IMAPD_KEEPALIVE ? rt_now() + IMAPD_KEEPALIVE : s->until;
    conn_park(s->c, s->g, s->wake, resume, s);
}

/* Before the login all clocks run from the greeting on, whatever is said. */
static bool patience_ended(struct imapd_session *s)
{
    if (s->over || s->state != IMAPD_LOGGED_OUT) return s->over;
    if (rt_now() >= s->born + IMAPD_STRANGER) imapd_bye(s, NULL, "log in sooner next time");
    else if (s->cost >= IMAPD_COST_MAX) imapd_bye(s, NULL, "too many commands before the login");
    return s->over;
}

static void run_command(struct imapd_session *s)
{
    bool stranger = s->state == IMAPD_LOGGED_OUT;
    int64_t before = deadline_narrow(stranger ? s->born + IMAPD_STRANGER : RT_NEVER);
    int r = read_command(s);
    if (r < 0) {
        if (r == ERR_TIMEOUT) imapd_bye(s, NULL, "the command took too long to arrive");
        s->over = true;
    } else if (r > 0) {
        imapd_dispatch(s);
    }
    if (s->junk >= IMAPD_JUNK_MAX && !s->over) imapd_bye(s, NULL, "too many bad commands");
    ar_reset(&s->a);
    if (s->cmd.size > 16384) buf_free(&s->cmd);
    deadline_restore(before);
    fiber_breathe();
}

/* The password was changed, the account disabled or removed: the login counts no more (RFC 5530). */
static bool may_go_on(struct imapd_session *s)
{
    int r = authority_check(&s->authority);
    if (r) log_info(s->who, "closed: %s", err_text(r));
    if (r) imapd_bye(s, r == ERR_DENIED ? "EXPIRED" : "UNAVAILABLE", "%s", err_text(r));
    return !s->over;
}

static void session_run(struct imapd_session *s)
{
    while (!s->over && !conn_error(s->c) && may_go_on(s)) {
        if (s->notify && notify_turn(s)) continue;
        if (s->idling) {
            if (idle_turn(s)) {
                s->until = rt_now() + IMAPD_IDLE;
                continue;
            }
            if (s->over || conn_error(s->c)) break;
            if (s->news || conn_peek(s->c).n) continue;
            park(s);
            return;
        }
        if (!conn_peek(s->c).n) {
            park(s);
            return;
        }
        run_command(s);
        if (patience_ended(s)) break;
        s->until = s->state == IMAPD_LOGGED_OUT ? s->born + IMAPD_STRANGER : rt_now() + IMAPD_IDLE;
    }
    session_end(s);
}

void imapd_session(struct imapd *d, bool tls_at_once, struct conn *c, struct group *g,
                   struct guard_visit *visit)
{
    struct imapd_session *s = xcalloc(1, sizeof *s);
    char peer[ENDPOINT_TEXT_MAX];
    *s = (struct imapd_session){
        .server = d, .c = c, .g = g, .visit = visit, .state = IMAPD_LOGGED_OUT, .born = rt_now()};
    s->until = s->born + IMAPD_STRANGER;
    ar_init(&s->a, IMAPD_MEMORY);
    endpoint_format(conn_peer(c), peer);
    snprintf(s->who, sizeof s->who, "imap %.50s", peer);
    if (tls_at_once && imapd_tls_begin(s)) {
        session_end(s);
        return;
    }
    buf_str(&s->out, "* OK [CAPABILITY ");
    imapd_capabilities(s, &s->out);
    buf_printf(&s->out, "] %.*s Tram is ready\r\n", SLF(d->conf.hostname));
    imapd_flush(s);
    session_run(s);
}

/* ---- IDLE (RFC 2177) ---- */

void imapd_cmd_idle(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    snprintf(s->idle_tag, sizeof s->idle_tag, "%.*s", SLF(s->tag));
    s->idling = true;
    imapd_write(s, SL("+ idling\r\n"));
    s->news = s->view; /* what is known now is told at once */
}
