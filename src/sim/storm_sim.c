/* storm_sim.c - everything at once: many nodes, TLS or not, parked or not, resets, refusals, stalls,
 * partitions, power cuts. Whatever happens: answers are right, all fibers come to their
 * end, no memory is lost (ASan), and the same seed makes the same storm. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/test.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "sim.h"

enum { NODES = 4, QUESTIONS = 6 };

struct storm;
struct host { /* one node; its programs share nothing else */
    struct storm *storm;
    struct sim_node *node;
    int no;
    unsigned boots;
};
struct storm {
    struct sim *sim;
    struct host host[NODES];
    struct buf chain, key;
    struct tls_ctx *client_tls; /* of all: making one reads the system's trust store */
    unsigned answered, failed, booted, sessions, ended;
};

/* ---- server: counts in a file what it answers ---- */

struct service {
    struct host *host;
    struct group sessions;
    struct tls_ctx *tls;
    struct worker *writer;
    struct file *file;
    uint64_t size;
};
struct session {
    struct service *service;
    struct conn *c;
    bool tls;
};
struct note {
    struct job job;
    int result;
};

static void write_notes(void *ctx, struct job *jobs)
{
    struct service *v = ctx;
    int e = 0;
    for (struct job *j = jobs; j; j = j->next)
        if (!e && !(e = file_pwrite(v->file, "note", 4, v->size))) v->size += 4;
    if (!e) e = file_sync(v->file);
    for (struct job *j = jobs; j; j = j->next) CONTAINER_OF(j, struct note, job)->result = e;
}

static int answer(struct session *x)
{
    struct slice line;
    struct note n = {0};
    int e = conn_read_line(x->c, 100, &line);
    if (e) return e;
    conn_printf(x->c, "yes, %.*s\r\n", SLF(line));
    worker_do(x->service->writer, &n.job);
    return n.result;
}

static void session(void *arg)
{
    struct session *x = arg;
    int e = conn_error(x->c);
    if (!e && x->tls && !conn_is_tls(x->c)) e = conn_tls_accept(x->c, x->service->tls);
    while (!e && !sl_empty(conn_peek(x->c))) e = answer(x);
    if (!e && !fiber_canceled() && rt_random_below(2)) {
        conn_park(x->c, &x->service->sessions, DEADLINE_IN(3600 * RT_S), session, x);
        return;
    }
    int64_t before = deadline_narrow(DEADLINE_IN(3600 * RT_S));
    while (!e) e = answer(x);
    deadline_restore(before);
    x->service->host->storm->ended++;
    conn_close(&x->c);
    free(x);
}

static int accept_all(struct service *v, bool tls)
{
    struct endpoint at = {.port = tls ? 465 : 25, .ip.family = 4};
    struct listener *l;
    struct conn *c;
    int e = listener_open(&l, &at);
    if (e) return e;
    while (!(e = listener_accept(l, &c))) {
        struct session *x = xcalloc(1, sizeof *x);
        *x = (struct session){v, c, tls};
        v->host->storm->sessions++;
        CHECK_OK(group_go(&v->sessions, "session", session, x));
    }
    listener_close(&l);
    return e;
}
static void accept_plain(void *arg) { (void)accept_all(arg, false); }
static void accept_tls(void *arg) { (void)accept_all(arg, true); }

static int open_service(struct service *v)
{
    struct storm *s = v->host->storm;
    int e = file_open(&v->file, "notes", FILE_WRITE | FILE_CREATE);
    if (!e) e = path_sync_dir("/");
    if (!e) e = file_size(v->file, &v->size);
    if (!e) e = tls_server_new(&v->tls, NULL);
    if (!e) e = tls_server_add_cert(v->tls, buf_slice(&s->chain), buf_slice(&s->key));
    return e ? e : worker_new(&v->writer, "writer", 16, write_notes, v);
}

static int server(void *arg)
{
    struct service v = {.host = arg};
    group_init(&v.sessions);
    v.host->storm->booted++;
    int e = open_service(&v);
    if (!e) e = group_go(&v.sessions, "plain", accept_plain, &v);
    if (!e) e = group_go(&v.sessions, "tls", accept_tls, &v);
    if (!e) e = group_wait(&v.sessions);
    worker_free(&v.writer);
    tls_free(&v.tls);
    file_close(&v.file);
    return e;
}

/* ---- clients ---- */

static int question(struct conn *c, int no)
{
    struct slice line;
    char want[40];
    conn_printf(c, "is it %d?\r\n", no);
    int e = conn_read_line(c, 100, &line);
    if (e) return e;
    snprintf(want, sizeof want, "yes, is it %d?", no);
    CHECK_SL(line, want);
    return 0;
}

static int visit(struct host *h, struct tls_ctx *tls)
{
    struct endpoint to = {.port = tls ? 465 : 25};
    struct tls_peer peer = {.name = SL("storm.test"), .verify = TLS_VERIFY_PKIX};
    struct conn *c;
    char text[20];
    snprintf(text, sizeof text, "192.0.2.%d", 1 + (int)rt_random_below(NODES));
    CHECK(ip_parse(sl_cstr(text), &to.ip));
    int e = conn_dial(&c, &to, NULL);
    if (e) return e;
    if (tls) e = conn_tls_connect(c, tls, &peer);
    for (int i = 0; !e && i < QUESTIONS; i++) {
        if (!(e = question(c, i))) h->storm->answered++;
        if (!e && rt_random_below(3) == 0) e = fiber_sleep((int64_t)rt_random_below(30) * RT_S);
    }
    conn_close(&c);
    return e;
}

static void visitor(void *arg)
{
    struct host *h = arg;
    for (int i = 0; i < 5; i++) {
        int64_t before = deadline_narrow(DEADLINE_IN(300 * RT_S));
        int e = visit(h, rt_random_below(2) ? h->storm->client_tls : NULL);
        deadline_restore(before);
        /* No fault damages bytes. */
        CHECK(e != ERR_TLS || sl_find(sl_cstr(err_text(e)), SL("the other side")) != SL_NONE);
        h->storm->failed += e != 0;
        if (fiber_sleep((int64_t)rt_random_below(60 * 1000) * RT_MS)) break;
    }
}

static int clients(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < 3; i++) CHECK_OK(group_go(&g, "visitor", visitor, arg));
    return group_wait(&g);
}

/* ---- the weather ---- */

static int make_keys(void *arg)
{
    struct storm *s = arg;
    struct slice name = SL("storm.test");
    int e = tls_self_signed(&name, 1, 30, &s->chain, &s->key);
    return e ? e : tls_client_new(&s->client_tls, buf_slice(&s->chain));
}

static void begin(struct storm *s, uint64_t seed)
{
    char text[40];
    *s = (struct storm){.sim = sim_new(seed)};
    for (int i = 0; i < NODES; i++) {
        snprintf(text, sizeof text, "192.0.2.%d", i + 1);
        s->host[i] = (struct host){s, sim_node(s->sim, text, text), i, 0};
    }
    sim_node_start(s->host[0].node, make_keys, s);
    sim_run(s->sim, RT_NEVER);
    CHECK_OK(sim_node_result(s->host[0].node));
    sim_faults(s->sim,
               &(struct sim_faults){.reset = 3000, .refuse = 30000, .stall = 1000, .read_fails = 500});
    for (int i = 0; i < NODES; i++) {
        sim_node_start(s->host[i].node, server, &s->host[i]);
        sim_node_start(s->host[i].node, clients, &s->host[i]);
    }
}

/* One blow of fate in each interval, chosen from the seed as well. */
static void blow(struct storm *s, uint64_t luck)
{
    struct host *h = &s->host[luck % NODES], *other = &s->host[luck / NODES % NODES];
    switch (luck / NODES / NODES % 4) {
    case 0:
        sim_kill(h->node);
        sim_node_start(h->node, server, h);
        sim_node_start(h->node, clients, h);
        break;
    case 1: sim_kill_at_step(h->node, 1 + luck % 29); break;
    case 2: sim_partition(s->sim, h->node, other->node, true); break;
    default: sim_partition(s->sim, h->node, other->node, false);
    }
    if (sim_node_running(h->node)) return;
    sim_node_start(h->node, server, h); /* died at a step */
    sim_node_start(h->node, clients, h);
}

static uint64_t run_storm(struct storm *s, uint64_t seed)
{
    begin(s, seed);
    uint64_t luck = seed;
    for (int i = 1; i <= 20; i++) {
        sim_run(s->sim, i * 30 * RT_S);
        luck = luck * 6364136223846793005u + 1442695040888963407u;
        blow(s, luck >> 33);
    }
    for (int i = 0; i < NODES; i++)
        for (int k = 0; k < NODES; k++) sim_partition(s->sim, s->host[i].node, s->host[k].node, false);
    sim_run(s->sim, 5 * 86400 * RT_S);
    for (int i = 0; i < NODES; i++) sim_kill(s->host[i].node);
    sim_run(s->sim, RT_NEVER);
    for (int i = 0; i < NODES; i++) CHECK(!sim_node_running(s->host[i].node));
    CHECK_INT(s->ended, s->sessions);
    uint64_t digest = sim_digest(s->sim);
    tls_free(&s->client_tls);
    sim_free(&s->sim);
    buf_free(&s->chain);
    buf_free(&s->key);
    return digest;
}

TEST(storm)
{
    struct storm s;
    unsigned answered = 0, failed = 0, booted = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t first = run_storm(&s, seed);
        answered += s.answered;
        failed += s.failed;
        booted += s.booted;
        CHECK(first == run_storm(&s, seed));
    }
    CHECK(answered > 1000);
    CHECK(failed > 50);
    CHECK(booted > 10 * NODES);
}
