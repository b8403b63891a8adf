/* app_sim.c - whole servers in the simulator: clients that keep their own books, and the power
 * cut at every durable step. What was answered with 250 is in every mailbox exactly once. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "mail/head.h"
#include "queue/queue.h"
#include "rt/conn.h"
#include "sim/ledger.h"
#include "sim/power.h"
#include "store/mailbox.h"
#include "world_sim.h"

enum { LETTERS = 8, BIG = 300 * 1024 };

struct client {
    struct server *server;
    struct ledger books;
    bool done;
};

/* Letter i goes to these users (a set of bits): one, two, all. */
static unsigned to_users(int i)
{
    static const unsigned sets[] = {1, 3, 7, 2, 5, 4, 7, 1};
    return sets[i % 8];
}

/* ---- a client that keeps its own book ---- */

static int expect(struct conn *c, char digit)
{
    struct slice line;
    do {
        int e = conn_read_line(c, 4096, &line);
        if (e) return e;
        if (line.n < 3 || line.p[0] != digit) return ERR_DENIED;
    } while (line.n > 3 && line.p[3] == '-');
    return 0;
}

static int command(struct conn *c, char digit, const char *fmt, const char *arg)
{
    conn_printf(c, fmt, arg);
    return expect(c, digit);
}

static void write_letter(struct conn *c, int i)
{
    conn_printf(c, "From: load@elsewhere.test\r\nSubject: letter-%d\r\n\r\n", i);
    for (int n = i == 5 ? BIG : 700; n > 0; n -= 70)
        conn_puts(c, "0123456789012345678901234567890123456789012345678901234567890123456\r\n");
    conn_puts(c, ".\r\n");
}

static int send_letter(struct conn *c, int i)
{
    int e = command(c, '2', "MAIL FROM:<%s>\r\n", "load@elsewhere.test");
    for (int u = 0; !e && u < USERS; u++)
        if (to_users(i) >> u & 1) e = command(c, '2', "RCPT TO:<%s@one.test>\r\n", server_users[u]);
    if (!e) e = command(c, '3', "%s\r\n", "DATA");
    if (e) return e;
    write_letter(c, i);
    return expect(c, '2');
}

/* The letter is about to be sent; 250 was answered. */
static void book(struct client *k, int i, bool acknowledged)
{
    for (int u = 0; u < USERS; u++) {
        struct ledger_line *x = &k->books.line[i][u];
        if (!(to_users(i) >> u & 1)) continue;
        x->offered = true;
        x->acknowledged |= acknowledged;
    }
}

static int client_main(void *arg)
{
    struct client *k = arg;
    struct endpoint at;
    endpoint_parse(SL("127.0.0.2:10025"), &at);
    for (int i = 0; i < LETTERS && !fiber_canceled();) {
        struct conn *c;
        int64_t before = deadline_narrow(DEADLINE_IN(120 * RT_S));
        int e = conn_dial(&c, &at, NULL);
        if (!e) {
            e = expect(c, '2');
            if (!e) e = command(c, '2', "EHLO %s\r\n", "client.test");
            /* An answer that was lost is not asked for again: that letter may be there or not. */
            for (; !e && i < LETTERS; i++) {
                book(k, i, false);
                e = send_letter(c, i);
                if (!e) book(k, i, true);
            }
            conn_close(&c);
        }
        deadline_restore(before);
        if (e) (void)fiber_sleep(RT_S);
    }
    k->done = true;
    return 0;
}

/* ---- what is in the mailboxes ---- */

struct found {
    struct server *server;
    struct ledger *books;
    int result;
    size_t waiting;
};

static int count_letters(struct core *core, int user, struct ledger *books)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc;
    struct mailbox box;
    struct message *m;
    size_t nm = 0;
    char address[64];
    snprintf(address, sizeof address, "%s@one.test", server_users[user]);
    int e = account_get(core->store->directory, &a, sl_cstr(address), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(core->store, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &a, &m,
                         &nm);
    for (size_t i = 0; !e && i < nm; i++) {
        struct slice bytes;
        struct mail_head head;
        bool found;
        uint64_t number;
        e = body_get(core->store->body, &m[i].body, SIZE_MAX, &a, &bytes);
        if (!e) e = mail_head_parse(&a, bytes, &head);
        if (e) break;
        struct slice subject = mail_head_get(&a, &head, SL("Subject"), &found);
        if (sl_starts(subject, SL("letter-")) && num_u64(sl_from(subject, 7), LETTERS - 1, &number))
            books->line[number][user].seen[LEDGER_DELIVERED]++;
        else e = ERR_CORRUPT;
        if (bytes.n != m[i].size) e = ERR_CORRUPT;
    }
    ar_free(&a);
    return e;
}

static int checker_main(void *arg)
{
    struct found *f = arg;
    struct core *core = xcalloc(1, sizeof *core);
    int e = server_open_core(core, f->server);
    for (int u = 0; !e && u < USERS; u++) e = count_letters(core, u, f->books);
    struct queue_stats qs = {0};
    if (!e) e = queue_stats(core->queue, &qs);
    f->waiting = qs.letters;
    f->result = e;
    if (core->store) core_close(core);
    free(core);
    return e;
}

struct world {
    struct power p;
    struct sim_node *peer;
    struct server server;
    struct client client;
    struct found found;
    int64_t now;
};

static void check_books(void *arg)
{
    const struct world *w = arg;
    const struct client *k = &w->client;
    const struct found *f = &w->found;
    CHECK(k->done);
    if (f->result) test_fail(__FILE__, __LINE__, "reading the store: %s", err_name(f->result));
    if (f->waiting) test_fail(__FILE__, __LINE__, "%zu letters still wait", f->waiting);
    ledger_judge(&k->books, true);
}

static void boot(struct world *w)
{
    if (!sim_node_running(w->p.node) && !w->server.failed) sim_node_start(w->p.node, server_main, &w->server);
}

/* The power may go when the server is ready. */
static void begin(void *arg)
{
    struct world *w = arg;
    w->peer = sim_node(w->p.sim, "client.test", "127.0.0.9");
    w->client.server = w->found.server = &w->server;
    w->found.books = &w->client.books;
    server_configure(&w->server);
    boot(w);
    while (!w->server.ready && !w->server.failed && w->now < 600 * RT_S)
        w->now = sim_run(w->p.sim, w->now + RT_S);
}

/* The client sends its letters, whatever becomes of the server, which boots again when it is gone; then the
 * queue empties, and the server stops in order. */
static void serve_client(void *arg)
{
    struct world *w = arg;
    boot(w);
    if (!w->client.done) sim_node_start(w->peer, client_main, &w->client);
    for (int64_t end = w->now + 3600 * RT_S; !w->client.done && w->now < end; boot(w))
        w->now = sim_run(w->p.sim, w->now + RT_S);
    w->now = sim_run(w->p.sim, w->now + 600 * RT_S);
    if (!sim_node_running(w->p.node)) {
        boot(w);
        w->now = sim_run(w->p.sim, w->now + 1200 * RT_S);
    }
    sim_signal(w->p.node, SIGTERM);
    w->now = sim_run(w->p.sim, w->now + 2400 * RT_S);
    CHECK(!sim_node_running(w->p.node));
}

static int count_all(void *arg) { return checker_main(&((struct world *)arg)->found); }

static const struct power_test power = {.addresses = "127.0.0.2,198.51.100.2",
                                        .loops = 2,
                                        .size = sizeof(struct world),
                                        .begin = begin,
                                        .drive = serve_client,
                                        .stock = count_all,
                                        .check = check_books,
                                        .least = 30};

TEST(a_server_takes_letters_and_stops_in_order)
{
    struct world *w = power_begin(&power, 1);
    serve_client(w);
    power_end(&power, w);
}

TEST(power_cut_at_every_durable_step) { power_cut_everywhere(&power); }

/* So a start may fail, too, and is tried again. */
static void begin_badly(void *arg)
{
    begin(arg);
    ((struct world *)arg)->server.disk_fails = true;
}

static struct sim_faults much_fails(uint64_t seed)
{
    uint32_t hard = seed % 3 ? 1 : 4;
    return (struct sim_faults){.write_fails = 10000 * hard,
                               .disk_full = 5000 * hard,
                               .sync_full = 10000 * hard,
                               .no_descriptor = 5000 * hard};
}

TEST(a_disk_that_fails_now_and_then_loses_and_doubles_nothing)
{
    struct power_test bad = power;
    bad.begin = begin_badly;
    power_bad_disk(&bad, 6, true, much_fails);
    power_bad_disk(&bad, 6, false, much_fails); /* what the disk only pretended to have is gone */
}
