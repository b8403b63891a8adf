/* fields_sim.c - every field of a letter around its limit, from the wire to the disk and back: a
 * stranger's letters to two users and through an alias to another server, one address of which refuses
 * them. What was answered with 250 reaches each of them once and its sender is told once; what is above
 * a limit is answered in words and leaves nothing. In between the letters wait, the server starts anew. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/test.h"
#include "base/text.h"
#include "core/config.h"
#include "node.h"
#include "queue/queue.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "serve.h"
#include "sim/sim.h"
#include "store/mailbox.h"

enum { LONGEST = 300 * 1024 };
static const char zone[] = "one.test. IN MX 10 mail.one.test.\nmail.one.test. IN A 127.0.0.2\n"
                           "two.test. IN MX 10 mail.two.test.\nmail.two.test. IN A 127.0.0.3\n"
                           "two.test. IN TXT \"v=spf1 +all\"\n";

enum field { MESSAGE_ID, FOLDED_ID, SUBJECT, ENVID, ORCPT, LOCAL_PART, OTHER, FIELDS };
static const struct {
    size_t limit; /* 0: there is none */
    size_t most;  /* what can be sent of it */
    int code;     /* above the limit */
} fields[FIELDS] = {
    [MESSAGE_ID] = {LIMIT_MESSAGE_ID, 15000, 554},
    [FOLDED_ID] = {LIMIT_MESSAGE_ID, 200000, 554},
    [SUBJECT] = {0, 200000, 0},
    [ENVID] = {LIMIT_ENVID, 3900, 501},
    [ORCPT] = {LIMIT_ORCPT, 3900, 501},
    [LOCAL_PART] = {LIMIT_LOCAL_PART, 3900, 501},
    [OTHER] = {0, 200000, 0},
};
/* Around each limit, around that of a record, and far above. */
static const size_t sizes[] = {50,  63,   64,   65,   99,   100,   101,   499,   500,   501,   997,   998,
                               999, 1999, 2000, 2001, 3900, 15000, 65380, 65415, 65450, 65536, 67000, 200000};
enum { LETTERS = FIELDS * (int)COUNT_OF(sizes) };

struct server {
    struct config conf;
    const char *domain;
    const char *const *user;
    bool is_one, ready, failed;
};
struct client {
    int code[LETTERS]; /* the first answer that is no 2xx or 3xx, else 250 */
    bool done;
};

static void configure(struct server *s, const char *host, const char *ip)
{
    config_defaults(&s->conf);
    s->conf.hostname = sl_cstr(host);
    s->conf.nlisten = 0;
    ip_parse(sl_cstr(ip), &s->conf.listen[s->conf.nlisten++]);
    s->conf.port_offset = 10000;
    s->conf.queue_retry_first_s = 60;
    s->conf.connections_per_address = 1000;
}

static int first_boot(struct core *core, const struct server *s)
{
    char address[64];
    int e = domain_add(core->store->directory, sl_cstr(s->domain));
    if (!e)
        e = dkim_key_add(core->store->directory, sl_cstr(s->domain), SL("s"), KEY_ED25519, DKIM_KEY_ACTIVE);
    for (int i = 0; s->user[i] && (!e || e == ERR_EXISTS); i++) {
        snprintf(address, sizeof address, "%s@%s", s->user[i], s->domain);
        e = account_add(core->store->directory, sl_cstr(address), SL("secret"));
    }
    struct slice far[2] = {SL("carol@two.test"), SL("nobody@two.test")};
    if (s->is_one && (!e || e == ERR_EXISTS))
        e = alias_add(core->store->directory, SL("far@one.test"), far, 2);
    return e == ERR_EXISTS ? 0 : e;
}

static int open_core(struct core *core, struct server *s)
{
    struct dns *dns;
    struct kv *kv;
    struct body_store *body;
    int e = dns_open_zone_text(&dns, sl_cstr(zone));
    if (!e) e = kv_mem_open(&kv, "index.log");
    if (!e) e = body_open(&body, "bodies", 0);
    return e ? e : core_open_on(core, &s->conf, dns, kv, body);
}

static void is_ready(void *arg)
{
    struct server *s = arg;
    s->ready = true;
}

static int server_main(void *arg)
{
    struct server *s = arg;
    struct node *n = xcalloc(1, sizeof *n);
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = s->conf.hostname;
    int e = open_core(&n->core, s);
    if (!e) {
        e = first_boot(&n->core, s);
        if (!e) e = tls_self_signed(&name, 1, 30, &chain, &key);
        if (!e) e = node_start(n, buf_slice(&chain), buf_slice(&key));
        if (!e) e = serve(n, false, is_ready, s);
        node_stop(n);
    }
    if (e && e != ERR_CANCELED) {
        s->failed = true;
        printf("    the server ended with %s: %s\n", err_name(e), err_text(e));
    }
    buf_free(&chain);
    buf_free(&key);
    free(n);
    return e;
}

/* ---- the stranger ---- */

/* The code of the whole reply, negative when there was none. */
static int answer(struct conn *c)
{
    struct slice line;
    uint64_t code = 0;
    do {
        int e = conn_read_line(c, 4096, &line);
        if (e) return e;
        if (line.n < 3 || !num_u64(sl_sub(line, 0, 3), 999, &code)) return ERR_SYNTAX;
    } while (line.n > 3 && line.p[3] == '-');
    return (int)code;
}

static void fill(struct conn *c, size_t n, size_t fold)
{
    for (size_t i = 0; i < n; i++) conn_puts(c, fold && i % fold == fold - 1 && i + 1 < n ? "\r\n " : "x");
}

/* "Name: value", n bytes of value unfolded. */
static void put_field(struct conn *c, const char *name, const char *before, size_t n, const char *after,
                      size_t fold)
{
    size_t around = strlen(before) + strlen(after);
    conn_printf(c, "%s: %s", name, before);
    fill(c, n > around ? n - around : 0, fold);
    conn_printf(c, "%s\r\n", after);
}

static void put_letter(struct conn *c, int i, enum field f, size_t n)
{
    conn_puts(c, "From: dave@two.test\r\n");
    conn_printf(c, "X-Letter: %d.\r\n", i);
    if (f == MESSAGE_ID) put_field(c, "Message-ID", "<", n, "@two.test>", 0);
    if (f == FOLDED_ID) put_field(c, "Message-ID", "<", n, "@two.test>", 900);
    if (f == SUBJECT) put_field(c, "Subject", "", n, "", 900);
    if (f == OTHER) put_field(c, "References", "", n, "", 900);
    conn_puts(c, "\r\nHello\r\n.\r\n");
}

static int send_letter(struct conn *c, int i)
{
    enum field f = (enum field)(i / (int)COUNT_OF(sizes));
    size_t n = sizes[i % (int)COUNT_OF(sizes)];
    static const char *const to[] = {"alice", "bob", "far"};
    conn_puts(c, "MAIL FROM:<dave+");
    if (f == LOCAL_PART) fill(c, n - 5, 0);
    conn_puts(c, "@two.test>");
    if (f == ENVID) conn_puts(c, " ENVID="), fill(c, n, 0);
    conn_puts(c, "\r\n");
    int code = answer(c);
    for (int k = 0; k < 3 && code / 100 == 2; k++) {
        conn_printf(c, "RCPT TO:<%s@one.test>", to[k]);
        if (f == ORCPT) conn_puts(c, " ORCPT=rfc822;"), fill(c, n - 7, 0);
        conn_puts(c, "\r\n");
        code = answer(c);
    }
    if (code / 100 != 2) return code;
    conn_puts(c, "DATA\r\n");
    code = answer(c);
    if (code != 354) return code;
    put_letter(c, i, f, n);
    return answer(c);
}

static int client_main(void *arg)
{
    struct client *k = arg;
    struct endpoint at;
    endpoint_parse(SL("127.0.0.2:10025"), &at);
    for (int i = 0; i < LETTERS; i++) {
        struct conn *c;
        if (sizes[i % (int)COUNT_OF(sizes)] > fields[i / (int)COUNT_OF(sizes)].most) continue;
        int e = conn_dial(&c, &at, NULL);
        if (!e) e = answer(c) == 220 ? 0 : ERR_DENIED;
        if (e) {
            k->code[i] = e;
            continue;
        }
        conn_puts(c, "EHLO client.test\r\n");
        k->code[i] = answer(c) == 250 ? send_letter(c, i) : ERR_DENIED;
        conn_close(&c);
    }
    k->done = true;
    return 0;
}

/* ---- what is in the mailboxes and in the queue ---- */

struct found {
    struct server *server;
    int count[3][LETTERS]; /* by user; of the second server's dave: reports */
    size_t waiting, faults;
    int result;
};

static void count_fault(void *arg, const char *sentence)
{
    struct found *f = arg;
    f->faults++;
    printf("    %s\n", sentence);
}

static int count_letters(struct core *core, const struct server *s, int user, int *count)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc;
    struct mailbox box;
    struct message *m;
    size_t nm = 0;
    int e = account_get(core->store->directory, &a, ar_printf(&a, "%s@%s", s->user[user], s->domain), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(core->store, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &a, &m,
                         &nm);
    for (size_t i = 0; !e && i < nm; i++) {
        struct slice bytes, mark = SL("X-Letter: ");
        uint64_t number;
        e = body_get(core->store->body, &m[i].body, SIZE_MAX, &a, &bytes);
        size_t at = e ? SL_NONE : sl_find(bytes, mark);
        if (at == SL_NONE) continue; /* a report whose copy of the header section was cut */
        bytes = sl_from(bytes, at + mark.n);
        if (num_u64(sl_sub(bytes, 0, sl_chr(bytes, '.')), LETTERS - 1, &number)) count[number]++;
        else e = ERR_CORRUPT;
    }
    ar_free(&a);
    return e;
}

static int count_waiting(void *arg, const struct queue_info *info)
{
    struct found *f = arg;
    f->waiting++;
    f->faults += info->damage.n > 0 || !info->nrcpt;
    return 0;
}

static int checker_main(void *arg)
{
    struct found *f = arg;
    struct core *core = xcalloc(1, sizeof *core);
    int e = open_core(core, f->server);
    for (int u = 0; !e && f->server->user[u]; u++) e = count_letters(core, f->server, u, f->count[u]);
    if (!e) e = queue_list(core->queue, &(struct queue_filter){0}, count_waiting, f);
    if (!e) e = store_verify(core->store, queue_verify, core->queue, count_fault, f);
    f->result = e;
    if (core->store) core_close(core);
    free(core);
    return e;
}

static int want_code(int i)
{
    size_t n = sizes[i % (int)COUNT_OF(sizes)];
    int f = i / (int)COUNT_OF(sizes);
    return fields[f].limit && n > fields[f].limit ? fields[f].code : 250;
}

static bool is_sent(int i)
{
    return sizes[i % (int)COUNT_OF(sizes)] <= fields[i / (int)COUNT_OF(sizes)].most;
}

static struct found look(struct sim *s, struct sim_node *host, struct server *server, int64_t *now)
{
    struct found f = {.server = server};
    sim_signal(host, SIGTERM);
    *now = sim_run(s, *now + 2400 * RT_S);
    CHECK(!sim_node_running(host));
    sim_node_start(host, checker_main, &f);
    *now = sim_run(s, *now + 600 * RT_S);
    CHECK_OK(f.result);
    CHECK_INT(f.faults, 0);
    return f;
}

static void check(const char *who, const int *count, const struct client *k)
{
    for (int i = 0; i < LETTERS; i++)
        if (count[i] != (k->code[i] == 250))
            test_fail(__FILE__, __LINE__, "field %d of %zu bytes was answered %d and is %d times with %s",
                      i / (int)COUNT_OF(sizes), sizes[i % (int)COUNT_OF(sizes)], k->code[i], count[i], who);
}

TEST(every_field_around_its_limit_from_the_wire_to_the_disk_and_back)
{
    static const char *const users_one[] = {"alice", "bob", NULL}, *const users_two[] = {"carol", "dave",
                                                                                         NULL};
    struct sim *s = sim_new(1);
    struct sim_node *one_host = sim_node(s, "mail.one.test", "127.0.0.2"),
                    *two_host = sim_node(s, "mail.two.test", "127.0.0.3"),
                    *peer = sim_node(s, "client.test", "127.0.0.9");
    static struct server one = {.domain = "one.test", .is_one = true}, two = {.domain = "two.test"};
    static struct client client;
    one.user = users_one, two.user = users_two;
    configure(&one, "mail.one.test", "127.0.0.2");
    configure(&two, "mail.two.test", "127.0.0.3");
    sim_node_start(one_host, server_main, &one);
    int64_t now = 0;
    while (!one.ready && !one.failed && now < 600 * RT_S) now = sim_run(s, now + RT_S);
    sim_node_start(peer, client_main, &client);
    for (int64_t end = now + 3600 * RT_S; !client.done && now < end;) now = sim_run(s, now + RT_S);
    CHECK(client.done);
    size_t taken = 0;
    for (int i = 0; i < LETTERS; i++) {
        taken += client.code[i] == 250;
        if (is_sent(i) && client.code[i] != want_code(i))
            test_fail(__FILE__, __LINE__, "field %d of %zu bytes was answered %d, not %d",
                      i / (int)COUNT_OF(sizes), sizes[i % (int)COUNT_OF(sizes)], client.code[i],
                      want_code(i));
    }
    /* the other server is not there yet: all wait, and are seen */
    struct found f = look(s, one_host, &one, &now);
    CHECK_INT(f.waiting, taken);
    check("alice", f.count[0], &client);
    check("bob", f.count[1], &client);
    sim_node_start(two_host, server_main, &two);
    sim_node_start(one_host, server_main, &one);
    now = sim_run(s, now + 12 * 3600 * RT_S);
    f = look(s, one_host, &one, &now);
    CHECK_INT(f.waiting, 0);
    check("alice", f.count[0], &client);
    check("bob", f.count[1], &client);
    f = look(s, two_host, &two, &now);
    CHECK_INT(f.waiting, 0);
    check("carol", f.count[0], &client);
    check("dave, as a report", f.count[1], &client);
    sim_free(&s);
}
