/* watch_sim.c - clients that look at a mailbox while letters come to it, in the ways of clients there are:
 * IDLE with DONE and the next command in one write, NOOP and UID FETCH of what is new (Thunderbird), QRESYNC,
 * NOTIFY, all of it compressed or not. Whatever a client does, it hears of every letter whose sender was told
 * that it is there: with the answer to its next command, or at once while it idles. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "rt/conn.h"
#include "world_sim.h"

enum { WATCHERS = 3, LETTERS = 24, SEEDS = 10, LOOPS = 2, UIDS = 200 };
#define AT_ONCE (2 * RT_S)

struct world {
    struct server server;
    struct sim_node *host;
    unsigned acked; /* letters in alice's INBOX of which somebody was told */
    int adding, watching;
    struct watcher {
        struct world *w;
        struct tls_ctx *tls;
        struct conn *c;
        unsigned number, exists;
        bool notify, condstore, selects, failed;
        bool has[UIDS]; /* UIDs that it was told of */
        uint32_t newest;
    } watcher[WATCHERS];
};

/* ---- letters ---- */

static int expect(struct conn *c, const char *start)
{
    struct slice line;
    int e;
    do {
        e = conn_read_line(c, 4096, &line);
    } while (!e && !(sl_starts(line, sl_cstr(start)) && (line.n < 4 || line.p[3] != '-')));
    return e;
}

static int say(struct conn *c, const char *what, const char *answer)
{
    conn_puts(c, what);
    return expect(c, answer);
}

static int by_smtp(struct world *w)
{
    struct endpoint at;
    struct conn *c;
    endpoint_parse(SL("127.0.0.2:10025"), &at);
    int e = conn_dial(&c, &at, NULL);
    if (e) return e;
    e = expect(c, "220");
    if (!e) e = say(c, "EHLO client.test\r\n", "250");
    for (int i = 0; i < LETTERS && !e; i++) {
        e = fiber_sleep((int64_t)rt_random_below(400 * RT_MS));
        if (!e) e = say(c, "MAIL FROM:<load@elsewhere.test>\r\n", "250");
        if (!e) e = say(c, "RCPT TO:<alice@one.test>\r\n", "250");
        if (!e) e = say(c, "DATA\r\n", "354");
        if (!e) e = say(c, "From: load@elsewhere.test\r\nSubject: letter\r\n\r\nHello\r\n.\r\n", "250");
        w->acked += !e;
    }
    conn_close(&c);
    return e;
}

static int dial(struct conn **c, struct tls_ctx *tls)
{
    struct endpoint at;
    struct tls_peer peer = {.name = SL("mail.one.test"), .verify = TLS_VERIFY_NONE};
    endpoint_parse(SL("127.0.0.2:10993"), &at);
    int e = conn_dial(c, &at, NULL);
    if (!e) e = conn_tls_connect(*c, tls, &peer);
    if (!e) e = expect(*c, "* OK");
    return e ? e : say(*c, "t LOGIN alice@one.test secret\r\n", "t OK");
}

static int by_append(struct world *w)
{
    struct tls_ctx *tls;
    struct conn *c = NULL;
    int e = tls_client_new(&tls, SL(""));
    if (!e) e = dial(&c, tls);
    for (int i = 0; i < LETTERS && !e; i++) {
        e = fiber_sleep((int64_t)rt_random_below(400 * RT_MS));
        if (!e) e = say(c, "t APPEND INBOX {15+}\r\nSubject: xy\r\n\r\n\r\n", "t OK");
        w->acked += !e;
    }
    conn_close(&c);
    tls_free(&tls);
    return e;
}

static int adder(struct world *w, int (*fn)(struct world *))
{
    while (!w->server.ready) fiber_sleep(RT_MS);
    int64_t before = deadline_narrow(DEADLINE_IN(600 * RT_S));
    CHECK_OK(fn(w));
    deadline_restore(before);
    w->adding--;
    return 0;
}
static int smtp_main(void *arg) { return adder(arg, by_smtp); }
static int append_main(void *arg) { return adder(arg, by_append); }

/* ---- who looks on ---- */

static int wrong(struct watcher *k, const char *what, struct slice line)
{
    if (!k->failed)
        test_fail(__FILE__, __LINE__, "client %u: %s: it knows of %u letters of %u: %.*s", k->number, what,
                  k->exists, k->w->acked, SLF(line));
    k->failed = true;
    return ERR_STATE;
}

static void believe(struct watcher *k, struct slice line)
{
    struct slice rest = line, star, number, word;
    uint64_t n, uid;
    if (k->selects && sl_starts(line, SL("* FLAGS "))) k->selects = false, k->exists = 0;
    if (!sl_next(&rest, ' ', &star) || !sl_next(&rest, ' ', &number) || !sl_next(&rest, ' ', &word)) return;
    if (!sl_eq(star, SL("*")) || !num_u64(number, UINT32_MAX, &n)) return;
    if (sl_eq(word, SL("EXISTS"))) k->exists = (unsigned)n;
    size_t at = sl_find(rest, SL("UID "));
    if (!sl_eq(word, SL("FETCH")) || at == SL_NONE) return;
    uid = strtoul(rest.p + at + 4, NULL, 10);
    if (n > k->exists || uid >= UIDS) wrong(k, "FETCH of a letter it was not told of", line);
    else k->has[uid] = true;
    if (uid > k->newest) k->newest = (uint32_t)uid;
}

static int read_to(struct watcher *k, const char *start)
{
    struct slice line;
    for (;;) {
        int e = conn_read_line(k->c, 60000, &line);
        if (e) return wrong(k, err_text(e), SL("while reading"));
        if (sl_starts(line, SL("t BAD")) || sl_starts(line, SL("t NO"))) return wrong(k, "refused", line);
        believe(k, line);
        if (sl_starts(line, sl_cstr(start))) return 0;
    }
}

/* The answer to what was said when so many were there. */
static int answer(struct watcher *k, const char *tag, unsigned acked)
{
    int e = read_to(k, tag);
    return !e && k->exists < acked ? wrong(k, "the answer told nothing of the newest", SL("")) : e;
}

static int tell(struct watcher *k, const char *fmt, unsigned a)
{
    unsigned acked = k->w->acked;
    conn_puts(k->c, "t ");
    conn_printf(k->c, fmt, a);
    conn_puts(k->c, "\r\n");
    return answer(k, "t OK", acked);
}

static void put_fetch_new(struct watcher *k, const char *tag)
{
    conn_printf(k->c, "%s UID FETCH %u:* (FLAGS)\r\n", tag, k->newest + 1);
}

/* News come by themselves, however the client waits. */
static int hears(struct watcher *k)
{
    int e = 0;
    for (uint64_t i = rt_random_below(4); i-- && !e && !k->failed;) {
        e = fiber_sleep((int64_t)rt_random_below(500 * RT_MS));
        unsigned acked = k->w->acked;
        int64_t before = deadline_narrow(DEADLINE_IN(AT_ONCE));
        while (!e && k->exists < acked) e = read_to(k, "* ");
        deadline_restore(before);
    }
    return e;
}

static int idle(struct watcher *k)
{
    bool at_once = rt_random_below(4) == 0, more = rt_random_below(2);
    unsigned acked = k->w->acked;
    if (rt_random_below(3) == 0) conn_puts(k->c, "n NOOP\r\n");
    else more = true;
    bool noop = !more;
    conn_puts(k->c, at_once ? "i IDLE\r\nDONE\r\n" : "i IDLE\r\n");
    int e = noop ? answer(k, "n OK", acked) : 0;
    if (!e) e = read_to(k, "+ ");
    if (!e && !at_once) e = hears(k);
    acked = k->w->acked;
    if (!at_once) conn_puts(k->c, "DONE\r\n");
    else acked = 0;
    if (more) put_fetch_new(k, "f");
    if (!e) e = answer(k, "i OK", acked);
    return e || !more ? e : answer(k, "f OK", acked);
}

static int compress(struct watcher *k)
{
    int e = conn_is_compressed(k->c) ? 0 : tell(k, "COMPRESS DEFLATE", 0);
    if (!e && !conn_is_compressed(k->c)) conn_compress(k->c);
    return e;
}

/* As Thunderbird does when somebody opens the folder: it asks for what is above the highest UID that it ever
 * heard of. */
static int update(struct watcher *k)
{
    int e = tell(k, "NOOP", 0);
    if (!e) e = tell(k, "GETQUOTAROOT INBOX", 0);
    uint32_t from = k->newest + 1;
    if (!e) e = tell(k, "UID FETCH %u:* (FLAGS)", from);
    return e ? e : tell(k, "UID FETCH %u:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])", from);
}

static int step(struct watcher *k)
{
    switch (rt_random_below(10)) {
    case 0: return compress(k);
    case 1: return tell(k, "NOOP", 0);
    case 2:
        if (!k->exists) return 0;
        return tell(
            k, rt_random_below(2) ? "STORE * +FLAGS.SILENT (\\Seen)" : "STORE * -FLAGS.SILENT (\\Seen)", 0);
    case 3: return tell(k, "UID SEARCH UNSEEN", 0);
    case 4:
        k->selects = true; /* what came before its answer is of the mailbox before */
        if (rt_random_below(4)) return tell(k, "SELECT INBOX", 0);
        k->condstore = true;
        return tell(k, "SELECT INBOX (CONDSTORE)", 0);
    case 5: return tell(k, "CHECK", 0);
    case 6:
    case 7: return update(k);
    case 8: return k->notify ? hears(k) : idle(k);
    default: return idle(k);
    }
}

static int begin(struct watcher *k)
{
    int e = dial(&k->c, k->tls);
    if (!e && rt_random_below(2)) e = compress(k);
    k->condstore = rt_random_below(3) == 0;
    if (k->condstore) conn_puts(k->c, "t ENABLE QRESYNC\r\n");
    if (!e && k->condstore) e = read_to(k, "t OK");
    if (!e) e = tell(k, "SELECT INBOX", 0);
    k->notify = rt_random_below(4) == 0;
    if (!e && k->notify) e = tell(k, "NOTIFY SET (SELECTED (MessageNew (FLAGS) MessageExpunge))", 0);
    return e;
}

/* All there is, when nothing comes any more. Who follows flags by MODSEQ or NOTIFY hears UIDs in any order.
 */
static int judge(struct watcher *k)
{
    unsigned n = 0;
    int e = update(k);
    if (!e && (k->condstore || k->notify)) e = tell(k, "UID FETCH 1:* (FLAGS)", 0);
    for (int i = 0; i < UIDS; i++) n += k->has[i];
    return !e && (k->exists != k->w->acked || n != k->exists) ? wrong(k, "some it never saw", SL("")) : e;
}

static void watch(struct watcher *k)
{
    int64_t before = deadline_narrow(DEADLINE_IN(3600 * RT_S));
    int e = tls_client_new(&k->tls, SL(""));
    if (!e) e = begin(k);
    for (int i = 0; !e && !k->failed && (k->w->adding || i < 10); i++) {
        e = step(k);
        if (!e) e = fiber_sleep((int64_t)rt_random_below(100 * RT_MS));
    }
    if (!e && !k->failed) e = judge(k);
    if (e) wrong(k, err_text(e), SL("at the end"));
    conn_close(&k->c);
    tls_free(&k->tls);
    deadline_restore(before);
    if (!--k->w->watching) sim_signal(k->w->host, SIGTERM);
}

static int watch_main(void *arg)
{
    struct watcher *k = arg;
    while (!k->w->server.ready) fiber_sleep(RT_MS);
    watch(k);
    return 0;
}

static bool run_seed(int seed)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new((uint64_t)seed);
    struct sim_node *clients[WATCHERS], *adds = sim_node(s, "client.test", "203.0.113.9");
    w->host = sim_node(s, "mail.one.test", "127.0.0.2,198.51.100.2");
    sim_node_loops(w->host, LOOPS);
    server_configure(&w->server);
    w->adding = 2;
    w->watching = WATCHERS;
    sim_node_start(w->host, server_main, &w->server);
    sim_node_start(adds, smtp_main, w);
    sim_node_start(adds, append_main, w);
    for (unsigned i = 0; i < WATCHERS; i++) {
        char name[20];
        snprintf(name, sizeof name, "127.0.1.%u", i + 1);
        clients[i] = sim_node(s, "reader.test", name);
        w->watcher[i] = (struct watcher){.w = w, .number = i};
        sim_node_start(clients[i], watch_main, &w->watcher[i]);
    }
    sim_run(s, 2 * 3600 * RT_S);
    bool good = !sim_node_running(w->host) && !w->server.failed && w->acked == 2 * LETTERS;
    CHECK(good);
    for (int i = 0; i < WATCHERS; i++) good &= !w->watcher[i].failed;
    if (!good) printf("    seed %d\n", seed);
    sim_free(&s);
    free(w);
    return good;
}

TEST(whoever_looks_at_a_mailbox_hears_of_every_letter)
{
    int seeds = getenv("SEEDS") ? atoi(getenv("SEEDS")) : SEEDS,
        first = getenv("SEED") ? atoi(getenv("SEED")) : 1;
    for (int seed = first; seed < first + seeds; seed++) (void)run_seed(seed);
}
