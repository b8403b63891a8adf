/* imapd_sim.c - several clients on one mailbox, doing everything at random, each believing only
 * what it is told. At no time may a sequence number mean another message than the client
 * believes, and when all is quiet every belief must be the truth; also when connections break
 * and the disk fails now and then, when half of them are guests of another account, when some know
 * messages by their UIDs only, when what they say is compressed, and when one command may not work on all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "imapd.h"
#include "kv/unreadable_test.h"
#include "sim/sim.h"
#include "store/acl.h"

enum { CLIENTS = 4, STEPS = 50, BELIEFS = 600, SEEDS = 12, LIMIT = 7 };

struct belief {
    uint32_t uid;    /* 0 = not known */
    char flags[120]; /* "?" = not known */
};
struct client {
    struct world *w;
    int number;
    struct conn *c;
    struct belief v[BELIEFS], before[BELIEFS];
    size_t n;
    bool guest;      /* of another account */
    bool uidonly;    /* ENABLEd (RFC 9586): v holds the uids that it heard of, */
    size_t exists;   /* of so many messages */
    bool no_expunge; /* the command under way forbids it */
    bool selected;
    bool failed, broken; /* broken: the connection is of no use any more */
};
struct world {
    struct store *store;
    struct login *login;
    struct imapd *imapd;
    struct tls_ctx *server, *tls;
    struct listener *l;
    struct group sessions, clients;
    struct waitq quiet;
    int busy;
    struct sim *sim;
    struct sim_node *node; /* the server's */
    bool faulty;           /* connections and the disk fail now and then */
    bool mixed;            /* guests, UIDONLY, COMPRESS and MESSAGELIMIT are among them */
    bool ready, done;
    bool spoils; /* what alice has in INBOX cannot be read any more */
    struct client client[CLIENTS];
};

static void wrong(struct client *k, const char *what, struct slice line)
{
    if (!k->failed) test_fail(__FILE__, __LINE__, "client %d: %s: %.*s", k->number, what, SLF(line));
    k->failed = true;
}

/* ---- what a client believes ---- */

static void believe_flags(struct belief *b, struct slice line)
{
    size_t flags = sl_find(line, SL("FLAGS ("));
    struct slice rest = sl_from(line, flags + 7), word;
    if (flags == SL_NONE) return;
    rest = sl_sub(rest, 0, sl_chr(rest, ')'));
    b->flags[0] = 0;
    while (sl_next(&rest, ' ', &word))
        if (word.n && !sl_eq(word, SL("\\Recent")))
            snprintf(b->flags + strlen(b->flags), sizeof b->flags - strlen(b->flags), "%.*s ", SLF(word));
}

static void believe_fetch(struct client *k, uint64_t seq, struct slice line)
{
    size_t uid = sl_find(line, SL("UID "));
    if (!seq || seq > k->n) {
        wrong(k, "FETCH of a message it knows nothing of", line);
        return;
    }
    struct belief *b = &k->v[seq - 1];
    if (uid != SL_NONE) {
        uint32_t v = (uint32_t)strtoul(line.p + uid + 4, NULL, 10);
        if (b->uid && b->uid != v) wrong(k, "another message under this number", line);
        b->uid = v;
    }
    believe_flags(b, line);
}

static size_t rank_of(const struct client *k, uint64_t uid)
{
    size_t i = 0;
    while (i < k->n && k->v[i].uid < uid) i++;
    return i;
}

static void believe_uidfetch(struct client *k, uint64_t uid, struct slice line)
{
    size_t i = rank_of(k, uid);
    if (k->n == BELIEFS) return;
    if (i == k->n || k->v[i].uid != uid) {
        memmove(&k->v[i + 1], &k->v[i], (k->n - i) * sizeof *k->v);
        k->v[i] = (struct belief){.uid = (uint32_t)uid, .flags = "?"};
        k->n++;
    }
    if (k->n > k->exists) wrong(k, "more messages than there are", line);
    believe_flags(&k->v[i], line);
}

static void believe_vanished(struct client *k, struct slice set, struct slice line)
{
    struct slice range;
    while (sl_next(&set, ',', &range)) {
        char *end;
        uint64_t lo = strtoul(range.p, &end, 10), hi = *end == ':' ? strtoul(end + 1, NULL, 10) : lo;
        for (; lo <= hi; lo++) {
            size_t i = rank_of(k, lo);
            if (!k->exists--) wrong(k, "VANISHED of nothing", line);
            if (i == k->n || k->v[i].uid != lo) continue;
            memmove(&k->v[i], &k->v[i + 1], (k->n - i - 1) * sizeof *k->v);
            k->n--;
        }
    }
}

static void believe_expunge(struct client *k, uint64_t seq, struct slice line)
{
    if (k->no_expunge) wrong(k, "EXPUNGE where it may not be", line);
    if (!seq || seq > k->n) {
        wrong(k, "EXPUNGE of nothing", line);
        return;
    }
    memmove(&k->v[seq - 1], &k->v[seq], (k->n - seq) * sizeof *k->v);
    k->n--;
}

static void believe_exists(struct client *k, uint64_t n, struct slice line)
{
    if (n < (k->uidonly ? k->exists : k->n)) wrong(k, "EXISTS became less", line);
    if (n > BELIEFS) n = BELIEFS;
    k->exists = n;
    if (k->uidonly) return;
    for (; k->n < n; k->n++) k->v[k->n] = (struct belief){.flags = "?"};
}

static void believe(struct client *k, struct slice line)
{
    struct slice rest = line, star, number, word;
    uint64_t n;
    if (!sl_next(&rest, ' ', &star) || !sl_next(&rest, ' ', &number) || !sl_next(&rest, ' ', &word)) return;
    if (sl_eq(star, SL("*")) && sl_eq(number, SL("VANISHED"))) believe_vanished(k, word, line);
    if (!sl_eq(star, SL("*")) || !num_u64(number, UINT32_MAX, &n)) return;
    if (k->uidonly && (sl_eq(word, SL("EXPUNGE")) || sl_eq(word, SL("FETCH"))))
        wrong(k, "a sequence number after UIDONLY", line);
    else if (sl_eq(word, SL("UIDFETCH"))) believe_uidfetch(k, n, line);
    else if (sl_eq(word, SL("EXISTS"))) believe_exists(k, n, line);
    else if (sl_eq(word, SL("EXPUNGE"))) believe_expunge(k, n, line);
    else if (sl_eq(word, SL("FETCH"))) believe_fetch(k, n, line);
}

/* ---- talking ---- */

static bool read_to(struct client *k, const char *start)
{
    struct slice line;
    for (;;) {
        int e = conn_read_line(k->c, 60000, &line);
        if (e) {
            k->broken = true;
            if (!k->w->faulty) wrong(k, err_text(e), SL("while reading"));
            return false;
        }
        if (sl_starts(line, sl_cstr(start))) {
            if (sl_starts(line, SL("t BAD"))) wrong(k, "BAD", line);
            if (sl_starts(line, SL("t OK [READ-WRITE]"))) k->selected = true;
            return true;
        }
        believe(k, line);
    }
}

static bool tell(struct client *k, const char *fmt, unsigned a, unsigned b)
{
    conn_puts(k->c, "t ");
    conn_printf(k->c, fmt, a, b);
    conn_puts(k->c, "\r\n");
    return read_to(k, "t ");
}

/* "INBOX" stands before the end of each of these commands. */
static bool tell_box(struct client *k, const char *before, unsigned a, const char *behind)
{
    char fmt[200];
    snprintf(fmt, sizeof fmt, "%s%s%s%s", k->uidonly && a ? "UID " : "", before,
             k->guest ? "#user/alice@x.test/INBOX" : "INBOX", behind);
    return tell(k, fmt, k->uidonly && a ? k->v[a - 1].uid : a, 0);
}

/* Messages a to b, as the client counts them. */
static bool tell_set(struct client *k, const char *fmt, unsigned a, unsigned b)
{
    char uid[200];
    if (!k->uidonly) return tell(k, fmt, a, b);
    snprintf(uid, sizeof uid, "UID %s", fmt);
    return tell(k, uid, a ? k->v[a - 1].uid : 1, b ? k->v[b - 1].uid : 1);
}

/* Of all messages, as many at a time as one command may. */
static bool fetch_all(struct client *k)
{
    if (!k->w->mixed) return tell(k, "FETCH 1:* (UID FLAGS)", 0, 0);
    if (!k->uidonly) {
        for (unsigned a = 1; a <= k->n; a += LIMIT)
            if (!tell(k, "FETCH %u:%u (UID FLAGS)", a, a + LIMIT - 1)) return false;
        return true;
    }
    for (unsigned a = 1; k->n < k->exists && a < BELIEFS; a += LIMIT)
        if (!tell(k, "UID FETCH %u:%u (FLAGS)", a, a + LIMIT - 1)) return false;
    for (unsigned a = 1; a <= k->n; a += LIMIT) /* and what was heard of before */
        if (!tell_set(k, "FETCH %u:%u (FLAGS)", a, a + LIMIT - 1 < k->n ? a + LIMIT - 1 : (unsigned)k->n))
            return false;
    return true;
}

static bool open_box(struct client *k)
{
    k->n = k->exists = 0;
    k->selected = false;
    return tell_box(k, "SELECT ", 0, "") && k->selected && fetch_all(k);
}

static bool log_in(struct client *k)
{
    struct tls_peer peer = {.name = SL("x"), .verify = TLS_VERIFY_NONE};
    k->broken = true;
    if (conn_dial(&k->c, listener_at(k->w->l), NULL) != 0 || conn_tls_connect(k->c, k->w->tls, &peer) != 0)
        return false;
    k->broken = k->uidonly = false;
    if (!read_to(k, "* OK")) return false;
    k->guest = k->w->mixed && k->number % 2;
    if (!tell(k, k->guest ? "LOGIN bob@x.test secret" : "LOGIN alice@x.test secret", 0, 0)) return false;
    if (!k->w->mixed) return true;
    if (rt_random_below(2)) {
        if (!tell(k, "COMPRESS DEFLATE", 0, 0)) return false;
        conn_compress(k->c);
    }
    if (rt_random_below(2)) {
        if (!tell(k, "ENABLE UIDONLY", 0, 0)) return false;
        k->uidonly = true;
    }
    return true;
}

/* Begins, and begins again after a fault, until there is a session. */
static bool connect_client(struct client *k)
{
    for (int i = 0; i < 50; i++) {
        conn_close(&k->c);
        k->n = 0;
        if (log_in(k) && open_box(k) && k->selected) return true;
        if (!k->w->faulty) return false;
        fiber_sleep(RT_S);
    }
    return false;
}

/* ---- at random ---- */

static const char *const flag_names[] = {"\\Seen", "\\Flagged", "\\Deleted", "$a", "$b"};

static void forget_flags(struct client *k, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to && i <= k->n; i++) strcpy(k->v[i - 1].flags, "?");
}

static bool store(struct client *k, unsigned a, unsigned b)
{
    char cmd[100];
    const char *op = (const char *const[]){"+", "-", ""}[rt_random_below(3)];
    bool silent = rt_random_below(3) == 0;
    snprintf(cmd, sizeof cmd, "STORE %%u:%%u %sFLAGS%s (%s)", op, silent ? ".SILENT" : "",
             flag_names[rt_random_below(5)]);
    if (silent) forget_flags(k, a, b);
    k->no_expunge = true;
    bool r = tell_set(k, cmd, a, b);
    k->no_expunge = false;
    return r;
}

static bool without_expunge(struct client *k, const char *cmd, unsigned a, unsigned b)
{
    k->no_expunge = true;
    bool r = tell_set(k, cmd, a, b);
    k->no_expunge = false;
    return r;
}

static bool idle(struct client *k)
{
    conn_puts(k->c, "t IDLE\r\n");
    if (!read_to(k, "+ ")) return false;
    fiber_sleep((int64_t)rt_random_below(3000) * RT_MS);
    conn_puts(k->c, "DONE\r\n");
    return read_to(k, "t ");
}

static bool step(struct client *k)
{
    unsigned a = k->n ? (unsigned)rt_random_below(k->n) + 1 : 0,
             b = k->n ? a + (unsigned)rt_random_below(k->n - a + 1) : 0;
    uint64_t what = rt_random_below(14);
    if (!k->n && what > 3) what = 0;
    switch (what) {
    case 0: return tell_box(k, "APPEND ", 0, " (\\Flagged) {14+}\r\nSubject: x\r\n\r\n");
    case 1: return tell_box(k, "APPEND ", 0, " {14+}\r\nSubject: x\r\n\r\n ($a) {14+}\r\nSubject: y\r\n\r\n");
    case 2: return tell(k, "NOOP", 0, 0);
    case 3: return idle(k);
    case 4:
    case 5:
    case 6: return store(k, a, b);
    case 7: return tell(k, "EXPUNGE", 0, 0);
    case 8:
        return without_expunge(
            k, k->uidonly ? "FETCH %u:%u (FLAGS BODY[HEADER])" : "FETCH %u:%u (UID FLAGS BODY[HEADER])", a,
            b);
    case 9:
        return without_expunge(
            k, k->uidonly ? "SEARCH UID %u:%u UNSEEN SUBJECT x" : "SEARCH %u:%u UNSEEN SUBJECT x", a, b);
    case 10: return tell_box(k, "COPY %u ", a, "");
    case 11: return tell_set(k, "MOVE %u:%u Trash", a, a);
    case 12: return tell(k, "UID FETCH 1:* (FLAGS)", 0, 0);
    default:
        return rt_random_below(3) ? tell(k, "UID STORE 1:* +FLAGS ($c)", 0, 0)
                                  : tell(k, "CLOSE", 0, 0) && open_box(k);
    }
}

/* When nobody changes anything any more. */
static void compare(struct client *k)
{
    struct belief *before = k->before;
    if (!tell(k, "NOOP", 0, 0)) return;
    if (k->uidonly && !fetch_all(k)) return; /* of some it never heard */
    size_t n = k->n;
    memcpy(before, k->v, sizeof k->before);
    if (!fetch_all(k)) return;
    if (k->n != n) wrong(k, "the number of messages changed in silence", SL(""));
    for (size_t i = 0; i < n && !k->failed; i++)
        if (strcmp(before[i].flags, "?") != 0 && strcmp(before[i].flags, k->v[i].flags) != 0)
            wrong(k, "flags it was never told of", sl_cstr(k->v[i].flags));
}

static void client_fiber(void *arg)
{
    struct client *k = arg;
    bool going = connect_client(k);
    for (int i = 0; i < STEPS && going && !k->failed; i++)
        going = (step(k) && k->selected) || (k->w->faulty && connect_client(k));
    if (!going) wrong(k, "the session ended early", SL(""));
    if (--k->w->busy) {
        waitq_wait(&k->w->quiet);
    } else {
        sim_faults(k->w->sim, &(struct sim_faults){0});
        waitq_wake_all(&k->w->quiet);
    }
    /* What failed on the way may have cost the connection. */
    if (going && k->w->faulty && !tell(k, "NOOP", 0, 0)) going = connect_client(k);
    if (going) compare(k);
    conn_close(&k->c);
}

/* \Seen, which comes first, is everybody's own. */
static const char *shared_flags(const struct belief *b)
{
    return strncmp(b->flags, "\\Seen ", 6) == 0 ? b->flags + 6 : b->flags;
}

static bool agree(const struct client *x, const struct client *y)
{
    bool same_user = x->guest == y->guest;
    if (x->n != y->n || (x->uidonly && x->exists != x->n) || (y->uidonly && y->exists != y->n)) return false;
    for (size_t i = 0; i < x->n; i++) {
        const struct belief *p = &x->v[i], *q = &y->v[i];
        if (p->uid != q->uid) return false;
        if (strcmp(same_user ? p->flags : shared_flags(p), same_user ? q->flags : shared_flags(q)) != 0)
            return false;
    }
    return true;
}

/* ---- the server ---- */

static struct world *world; /* of the run under way */

static void session(void *arg) { imapd_session(world->imapd, true, arg, &world->sessions, NULL); }

static void accept_all(void *arg)
{
    struct conn *c;
    while (listener_accept(((struct world *)arg)->l, &c) == 0)
        if (group_go(&world->sessions, "imap", session, c) != 0) conn_close(&c);
}

/* Alice's inbox with Bob. */
static int share(struct world *w)
{
    struct account alice, bob;
    struct arena a;
    ar_init(&a, 0);
    int e = account_add(w->store->directory, SL("bob@x.test"), SL("secret"));
    if (!e) e = account_get(w->store->directory, &a, SL("alice@x.test"), &alice);
    if (!e) e = account_get(w->store->directory, &a, SL("bob@x.test"), &bob);
    struct acl_entry all = {.who = SL("bob@x.test"), .rights = ACL_ALL};
    if (!e) memcpy(all.id, bob.id, sizeof all.id);
    if (!e)
        e = acl_change(w->store, (struct mailbox_ref){.account = alice.id, .box = 1}, SL("alice@x.test"),
                       &all, ACL_SET);
    ar_free(&a);
    return e;
}

static int open_all(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("x");
    struct endpoint at = {.ip = {.family = 4, .b = {127, 0, 0, 2}}, .port = 993};
    int e = kv_mem_open(&kv, w->faulty ? "index.log" : NULL);
    if (!e) e = body_open(&body, "bodies", 0);
    if (!e) e = store_open(&w->store, kv, body);
    if (!e) e = login_open(&w->login, kv, w->store->directory);
    if (!e) e = domain_add(w->store->directory, SL("x.test"));
    if (!e) e = account_add(w->store->directory, SL("alice@x.test"), SL("secret"));
    if (!e && w->mixed) e = share(w);
    if (!e) e = tls_self_signed(&name, 1, 10, &chain, &key);
    if (!e) e = tls_server_new(&w->server, NULL);
    if (!e) e = tls_server_add_cert(w->server, buf_slice(&chain), buf_slice(&key));
    struct imapd_conf conf = {.store = w->store,
                              .login = w->login,
                              .tls = w->server,
                              .hostname = SL("x"),
                              .messages_max = w->mixed ? LIMIT : 0};
    if (!e) e = imapd_open(&w->imapd, &conf);
    if (!e) e = listener_open(&w->l, &at);
    buf_free(&chain);
    buf_free(&key);
    return e;
}

static int spoil_inbox(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("b/00000001"), SL("\1damaged"));
    return 0;
}

static void spoil(struct world *w)
{
    struct arena a = {0};
    struct account alice;
    CHECK_OK(account_get(w->store->directory, &a, SL("alice@x.test"), &alice));
    CHECK_OK(kv_transact(w->store->kv, ar_cat(&a, SL("u:"), sl_cstr(alice.id)), spoil_inbox, NULL));
    w->spoils = false;
    ar_free(&a);
}

static int server_main(void *arg)
{
    struct world *w = world = arg;
    struct group accepting;
    CHECK_OK(open_all(w));
    group_init(&w->sessions);
    group_init(&accepting);
    CHECK_OK(group_go(&accepting, "accept", accept_all, w));
    w->ready = true;
    while (!w->done && fiber_sleep(RT_S) == 0)
        if (w->spoils) spoil(w);
    group_cancel(&accepting);
    group_wait(&accepting);
    group_cancel(&w->sessions);
    group_wait(&w->sessions);
    listener_close(&w->l);
    imapd_close(&w->imapd);
    login_close(&w->login);
    store_close(&w->store);
    tls_free(&w->server);
    return 0;
}

/* On another host, so that the network lies between. */
static int clients_main(void *arg)
{
    struct world *w = arg;
    struct sim_faults faults = {.reset = 1000, .read_fails = 20000, .write_fails = 20000};
    group_init(&w->clients);
    waitq_init(&w->quiet);
    CHECK_OK(tls_client_new(&w->tls, SL("")));
    while (!w->ready) fiber_sleep(RT_MS);
    if (w->faulty) sim_faults(w->sim, &faults);
    w->busy = CLIENTS;
    for (int i = 0; i < CLIENTS; i++) {
        w->client[i] = (struct client){.w = w, .number = i};
        CHECK_OK(group_go(&w->clients, "client", client_fiber, &w->client[i]));
    }
    group_wait(&w->clients);
    for (int i = 1; i < CLIENTS; i++) CHECK(agree(&w->client[0], &w->client[i]));
    for (int i = 3; i < CLIENTS; i++) CHECK(agree(&w->client[1], &w->client[i])); /* of one user */
    tls_free(&w->tls);
    w->done = true;
    return 0;
}

/* Keeps its connection by what the server says, as NATs forget it after 4 minutes; and is let go in the end.
 */
static int idling_main(void *arg)
{
    struct world *w = arg;
    struct client *k = &w->client[0];
    struct slice line;
    int said = 0;
    *k = (struct client){.w = w};
    CHECK_OK(tls_client_new(&w->tls, SL("")));
    while (!w->ready) fiber_sleep(RT_MS);
    CHECK(connect_client(k));
    CHECK(tell(k, "SELECT INBOX", 0, 0));
    w->spoils = true;
    while (w->spoils) fiber_sleep(RT_S);
    unreadable_begin(w->store->kv, SL("-"));
    conn_puts(k->c, "t IDLE\r\n");
    int64_t from = rt_now(), last = from;
    while (conn_read_line(k->c, 60000, &line) == 0 && !sl_starts(line, SL("* BYE"))) {
        CHECK(rt_now() - last <= 181 * RT_S);
        last = rt_now();
        said += sl_starts(line, SL("* OK still here"));
    }
    unreadable_end(w->store->kv);
    CHECK_INT(said, 9);
    CHECK(unreadable.asked >= 10 && unreadable.asked <= 20); /* ever less often: each 2 s would be 900 */
    CHECK(sl_starts(line, SL("* BYE you were idle")));
    CHECK(rt_now() - from < 1802 * RT_S);
    conn_close(&k->c);
    tls_free(&w->tls);
    w->done = true;
    return 0;
}

static int appending_main(void *arg)
{
    struct world *w = arg;
    struct client *k = &w->client[0];
    *k = (struct client){.w = w};
    CHECK_OK(tls_client_new(&w->tls, SL("")));
    while (!w->ready) fiber_sleep(RT_MS);
    CHECK(connect_client(k));
    uint64_t before = sim_steps(w->node);
    conn_puts(k->c, "t APPEND INBOX");
    for (int i = 0; i < 60; i++) conn_puts(k->c, " {14+}\r\nSubject: x\r\n\r\n");
    conn_puts(k->c, "\r\n");
    CHECK(read_to(k, "t OK [APPENDUID "));
    CHECK(sim_steps(w->node) - before < 60); /* a write and a sync for each would be twice that */
    conn_close(&k->c);
    tls_free(&w->tls);
    w->done = true;
    return 0;
}

static void run_seed(int seed, bool faulty, bool mixed, int (*clients_do)(void *))
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new((uint64_t)seed);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2"),
                    *clients = sim_node(s, "clients.test", "127.0.0.3");
    w->sim = s;
    w->node = n;
    w->faulty = faulty;
    w->mixed = mixed;
    sim_node_start(n, server_main, w);
    sim_node_start(clients, clients_do, w);
    sim_run(s, 4 * 3600 * RT_S);
    bool failed = sim_node_running(n);
    if (failed) test_fail(__FILE__, __LINE__, "still running after hours");
    for (int i = 0; i < CLIENTS; i++) failed |= w->client[i].failed;
    if (failed) printf("    seed %d\n", seed);
    sim_free(&s);
    free(w);
}

static void run_seeds(bool faulty, bool mixed)
{
    int seeds = getenv("SEEDS") ? atoi(getenv("SEEDS")) : SEEDS,
        first = getenv("SEED") ? atoi(getenv("SEED")) : 1;
    for (int seed = first; seed < first + seeds; seed++) run_seed(seed, faulty, mixed, clients_main);
}

TEST(imapd_clients_agree_whatever_they_do) { run_seeds(false, false); }
TEST(imapd_clients_agree_when_things_fail) { run_seeds(true, false); }
TEST(imapd_guests_agree_whatever_they_do) { run_seeds(false, true); }
TEST(imapd_guests_agree_when_things_fail) { run_seeds(true, true); }
TEST(imapd_idle_of_a_mailbox_that_stays_unreadable_goes_on_as_any_other)
{
    run_seed(1, false, false, idling_main);
}
/* RFC 3502: all or none are kept, so they share what makes them durable. */
TEST(imapd_messages_of_one_append_share_their_syncs) { run_seed(1, false, false, appending_main); }
