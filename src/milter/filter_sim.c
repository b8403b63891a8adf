/* filter_sim.c - filters that are slow, gone, or never come to an end, on a clock that needs no waiting. */
#include <stdlib.h>

#include "base/test.h"
#include "filter.h"
#include "rt/conn.h"
#include "rt/serve_test.h"
#include "sim/sim.h"

enum mood { SILENT, BUSY_FOR_EVER, ENDLESS_CHANGES, ENDLESS_BODY, SLOW, MOODS };
struct world {
    struct sim *sim;
    struct sim_node *mail, *far;
    struct filters set;
    enum mood mood;
    int64_t took;
    uint64_t body;
    struct filter_answer mail_said, rcpt_said, said;
    bool failed, done, hurried;
};

/* ---- a filter that is well until the letter's end ---- */

static const struct slice options = SL_INIT("\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\0\0\0"),
                          go_on = SL_INIT("\0\0\0\x01"
                                          "c"),
                          progress = SL_INIT("\0\0\0\x01p"), field = SL_INIT("\0\0\0\x09hX-New\0a\0");

static void repeat(struct conn *c, struct slice packet, int64_t pause)
{
    while (!conn_error(c) && !fiber_canceled()) {
        conn_write(c, packet);
        if (conn_flush(c) || (pause && fiber_sleep(pause))) return;
        fiber_breathe();
    }
}

static void misbehave(struct world *w, struct conn *c)
{
    static char chunk[5 + 60000];
    memcpy(chunk,
           "\0\0\xea\x61"
           "b",
           5);
    switch (w->mood) {
    case SILENT: (void)!fiber_sleep(86400 * RT_S); break;
    case BUSY_FOR_EVER: repeat(c, progress, 5 * RT_S); break;
    case ENDLESS_CHANGES: repeat(c, field, 0); break;
    case ENDLESS_BODY: repeat(c, sl(chunk, sizeof chunk), 0); break;
    default:
        (void)!fiber_sleep(20 * RT_S);
        conn_write(c, go_on);
        break;
    }
}

static void session(struct serving *s, struct conn *c)
{
    char head[5], rest[70000];
    while (!conn_read(c, head, 5)) {
        size_t n = ((size_t)(uint8_t)head[2] << 8) + (uint8_t)head[3] - 1;
        if (conn_read(c, rest, n)) break;
        if (head[4] == 'O') conn_write(c, options);
        else if (head[4] == 'E') misbehave(s->ctx, c);
        else if (!strchr("DAQ", head[4])) conn_write(c, go_on);
    }
    conn_close(&c);
}

static int filter_main(void *arg)
{
    struct serving s = {.session = session, .ctx = arg};
    return serving_run(&s, "192.0.2.2:8891");
}

/* ---- a letter before it ---- */

static int64_t read_body(void *arg, uint64_t at, void *p, size_t n)
{
    (void)arg, (void)n;
    if (at) return 0;
    memcpy(p, "body\r\n", 6);
    return 6;
}

/* A letter has a size. */
static int replace_body(void *arg, struct slice bytes)
{
    struct world *w = arg;
    w->body += bytes.n;
    return w->body > 10 << 20 ? err_set(ERR_TOO_LONG, "too large") : 0;
}

/* A session whose time others have used up. */
static void come_without_time(struct world *w, const struct filter_client *client, struct arena *a)
{
    struct filter_talk *t = filter_talk_new(&w->set, client);
    int64_t before = deadline_narrow(rt_now());
    CHECK_INT(filter_mail(t, SL("a@one.test"), a).code, 451);
    deadline_restore(before);
    filter_talk_free(&t);
}

static int mail_main(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct filter_client client = {.port = 1234};
    struct filter_field one = {SL("Subject"), SL(" one")};
    struct filter_content content = {
        .field = &one, .nfield = 1, .read = read_body, .replace = replace_body, .arg = w};
    struct filter_changes changes;
    CHECK(ip_parse(SL("198.51.100.1"), &client.peer));
    if (w->hurried) come_without_time(w, &client, &a);
    struct filter_talk *t = filter_talk_new(&w->set, &client);
    int64_t begun = rt_now();
    CHECK_INT(filter_connect(t, &a).code, 0);
    CHECK_INT(filter_helo(t, SL("one.test"), &a).code, 0);
    w->mail_said = filter_mail(t, SL("a@one.test"), &a);
    w->rcpt_said = filter_rcpt(t, SL("b@two.test"), &a);
    w->said = filter_content(t, 0, &content, &a, &changes, &w->failed);
    w->took = rt_now() - begun;
    if (w->mood == SLOW) CHECK_INT(changes.n, 0);
    filter_forget(t);
    filter_talk_free(&t);
    ar_free(&a);
    w->done = true;
    return 0;
}

static void world_begin(struct world *w, enum mood mood, const char *options_text)
{
    char text[200];
    *w = (struct world){.mood = mood};
    snprintf(text, sizeof text, "inet:192.0.2.2:8891 %s", options_text);
    CHECK_OK(filter_parse(sl_cstr(text), &w->set.v[0]));
    w->set.n = 1;
    w->set.hostname = SL("mail.test");
    log_set_level(LOG_ERROR);
    w->sim = sim_new(7);
    w->mail = sim_node(w->sim, "mail", "192.0.2.1");
    w->far = sim_node(w->sim, "filter", "192.0.2.2");
}

static void world_run(struct world *w, bool filter_runs)
{
    if (filter_runs) sim_node_start(w->far, filter_main, w);
    sim_run(w->sim, RT_S); /* it listens */
    sim_node_start(w->mail, mail_main, w);
    sim_run(w->sim, 3600 * RT_S);
    CHECK(w->done);
    sim_free(&w->sim);
}

TEST(filter_that_never_ends_is_not_waited_for)
{
    for (int mood = 0; mood < MOODS; mood++) {
        struct world w;
        world_begin(&w, (enum mood)mood, "timeout=30s");
        world_run(&w, true);
        CHECK_INT(w.rcpt_said.code, 0);
        CHECK_INT(w.said.code, mood == SLOW ? 0 : 451);
        CHECK(w.failed == (mood != SLOW));
        CHECK(w.took < FILTER_LETTER + 10 * RT_S);
        if (mood == SILENT) CHECK(w.took < 32 * RT_S);
        if (mood == BUSY_FOR_EVER) CHECK(w.took > 200 * RT_S);
    }
}

TEST(filter_that_is_not_there_costs_no_more_than_its_setting_says)
{
    struct world w;
    world_begin(&w, SILENT, "failure=pass");
    world_run(&w, false);
    CHECK_INT(w.mail_said.code, 0);
    CHECK_INT(w.said.code, 0);
    CHECK(w.failed); /* the trace of the letter says that it was passed by */
    world_begin(&w, SILENT, "");
    world_run(&w, false);
    CHECK_INT(w.mail_said.code, 451);
}

/* A host that takes no packet at all: the first letter waits for it, those after it do not. */
TEST(filter_behind_a_black_hole_is_given_a_rest)
{
    struct world w;
    world_begin(&w, SILENT, "timeout=4s");
    sim_kill(w.far);
    world_run(&w, false);
    CHECK_INT(w.mail_said.code, 451);
    CHECK(w.took < 5 * RT_S);
}

/* What failed for want of the session's own time says nothing of the filter: the next letter asks it. */
TEST(filter_is_not_given_a_rest_because_a_session_had_no_time)
{
    struct world w;
    world_begin(&w, SLOW, "");
    w.hurried = true;
    world_run(&w, true);
    CHECK_INT(w.mail_said.code, 0);
    CHECK_INT(w.said.code, 0);
    CHECK(!w.failed);
}

TEST(filter_lines_of_the_configuration)
{
    struct filter f;
    CHECK_OK(filter_parse(SL("unix:/run/x.sock timeout=5s  failure=hold letters=own name=virus"), &f));
    CHECK_SL(sl_cstr(f.at.path), "/run/x.sock");
    CHECK_SL(sl_cstr(f.name), "virus");
    CHECK(f.failure == FILTER_HOLD && f.letters == FILTER_OWN && f.timeout_s == 5);
    static const char *const bad[] = {"",
                                      "x",
                                      "unix:run/x",
                                      "inet:localhost:1",
                                      "inet:1.2.3.4:5 timeout=0s",
                                      "inet:1.2.3.4:5 failure=maybe",
                                      "inet:1.2.3.4:5 name=a/b",
                                      "inet:1.2.3.4:5 color=red"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(filter_parse(sl_cstr(bad[i]), &f), ERR_SYNTAX);
}
