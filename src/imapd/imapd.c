/* imapd.c - a session from greeting to end: its loop, and when it is parked. */
#include "imapd_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "reader/reader.h"
#include "reader/tails.h"

enum {
    APPEND_DEFAULT = 50 << 20,
    SESSIONS_DEFAULT = 5000,
    MESSAGES_DEFAULT = 2000000,
    SAVED_DEFAULT = 1000000
};
#define PROGRESS_DEFAULT (10 * RT_S)

int imapd_open(struct imapd **out, const struct imapd_conf *conf)
{
    ASSERT(conf->store && conf->login);
    struct imapd *d = xcalloc(1, sizeof *d);
    d->conf = *conf;
    if (!d->conf.append_max) d->conf.append_max = APPEND_DEFAULT;
    if (!d->conf.sessions_max) d->conf.sessions_max = SESSIONS_DEFAULT;
    if (!d->conf.messages_max) d->conf.messages_max = MESSAGES_DEFAULT;
    if (!d->conf.saved_max) d->conf.saved_max = SAVED_DEFAULT;
    if (!d->conf.progress) d->conf.progress = PROGRESS_DEFAULT;
    map_init(&d->recent, false);
    map_init(&d->sessions, false);
    list_init(&d->kept);
    d->tails = reader_tails_new();
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
    imapd_kept_end(d);
    reader_tails_free(&d->tails);
    free(d);
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
    imapd_ends(s);
    release_buffers(s);
    conn_close(&s->c);
    free(s->address);
    free(s);
}

/* ---- the loop ---- */

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

#define GAVE_WAY "others wait for this place, try again later"

static void session_run(struct imapd_session *s);

static void resume(void *arg)
{
    struct imapd_session *s = arg;
    if (!conn_peek(s->c).n && rt_now() >= s->until)
        imapd_bye(s, NULL,
                  s->state == IMAPD_LOGGED_OUT ? "log in sooner next time" : "you were idle for too long");
    else if (fiber_canceled()) imapd_bye(s, "UNAVAILABLE", "the server is shutting down");
    else if (guard_gave_way(s->visit)) imapd_bye(s, "UNAVAILABLE", GAVE_WAY);
    if (s->pause && rt_now() >= s->again) s->news = true;
    if (s->idling && !s->over && rt_now() >= s->still) imapd_untagged(s, "OK still here"); /* for NATs */
    session_run(s);
}

/* A mailbox that stays unreadable is not looked at without end. */
static void plan_again(struct imapd_session *s)
{
    if (!s->retry || (!s->idling && !s->notify)) s->pause = 0;
    else if (!s->pause || rt_now() >= s->again) {
        s->pause = !s->pause ? IMAPD_AGAIN : s->pause < IMAPD_KEEPALIVE / 2 ? 2 * s->pause : IMAPD_KEEPALIVE;
        s->again = rt_now() + s->pause;
    }
}

/* Counts from what the client heard last, so not from a try that failed. */
static void plan_still(struct imapd_session *s)
{
    if (!s->idling) s->still = 0;
    else if (!s->retry || rt_now() >= s->still)
        s->still = s->until - rt_now() > IMAPD_KEEPALIVE ? rt_now() + IMAPD_KEEPALIVE : s->until;
}

/* s->until is moved by the client's commands and by news, not by what we send on our own. */
static void park(struct imapd_session *s)
{
    release_buffers(s);
    plan_again(s);
    plan_still(s);
    int64_t wake = s->idling && s->still < s->until ? s->still : s->until;
    if (s->pause && s->again < wake) wake = s->again;
    conn_park(s->c, s->g, wake, resume, s);
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
    int r = imapd_read_command(s);
    if (r < 0) {
        if (guard_gave_way(s->visit)) imapd_bye(s, "UNAVAILABLE", GAVE_WAY);
        else if (r == ERR_TIMEOUT) imapd_bye(s, NULL, "the command took too long to arrive");
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
    int e = authority_check(&s->authority);
    if (e) log_info(s->who, "closed: %s", err_text(e));
    if (e) imapd_bye(s, e == ERR_DENIED ? "EXPIRED" : "UNAVAILABLE", "%s", err_text(e));
    return !s->over;
}

static void session_run(struct imapd_session *s)
{
    while (!s->over && !conn_error(s->c) && may_go_on(s)) {
        if (s->notify && notify_turn(s)) continue;
        if (s->idling) {
            if (imapd_idle_turn(s)) {
                if (!s->idling || !s->retry) s->until = rt_now() + IMAPD_IDLE;
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
    ASSERT(c && g && (!tls_at_once || d->conf.tls));
    struct imapd_session *s = xcalloc(1, sizeof *s);
    char peer[ENDPOINT_TEXT_MAX];
    *s = (struct imapd_session){
        .server = d, .c = c, .g = g, .visit = visit, .state = IMAPD_LOGGED_OUT, .born = rt_now()};
    s->until = s->born + IMAPD_STRANGER;
    ar_init(&s->a, IMAPD_MEMORY);
    endpoint_format(conn_peer(c), peer);
    snprintf(s->who, sizeof s->who, "imap %.50s", peer);
    imapd_begins(s);
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
