/* session_sim.c - hostile bytes into a real session, each time of the same server. */
#define _GNU_SOURCE /* memfd_create */
#include "session_sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "intake/intake.h"
#include "kv/record.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "serve.h"
#include "store/mailbox.h"
#include "world_sim.h"

enum { PIECE = 4096, LMTP_PORT = 10024, FILES = 16 };

/* ---- a server that was set up once ---- */

static struct image {
    struct {
        char path[64];
        struct buf bytes;
    } file[FILES];
    size_t n;
    struct buf chain, key;
} image;

/* A login costs as little as it can. */
static int cheap_key(struct kv_tx *tx, void *arg)
{
    static const uint8_t salt[16] = "sixteen bytes ..";
    struct slice row;
    struct scram_keys keys;
    struct buf b = BUF_INIT, text = BUF_INIT;
    struct rec r;
    (void)arg;
    int e = kv_tx_get(tx, SL("a:alice"), &row);
    if (!e) e = scram_derive(SCRAM_SHA256, SL("secret"), salt, 1, &keys);
    if (!e) e = rec_open(&r, row, 255);
    if (e) return e;
    scram_keys_text(&keys, &text);
    rec_begin(&b, r.version);
    while (rec_next(&r)) rec_put(&b, r.tag, r.tag == 'k' ? buf_slice(&text) : r.field);
    kv_tx_put_record(tx, SL("a:alice"), &b);
    buf_free(&b);
    buf_free(&text);
    return rec_error(&r);
}

static int put_message(struct store *s, const char *id, const struct mailbox *box, struct slice text)
{
    struct body_ref ref;
    uint32_t validity, uid;
    int e = body_put(s->body, BODY_MAIL, text, SL(""), &ref);
    if (e) return e;
    struct message_new m = {.internal_date = 1795383266, .size = text.n, .body = ref};
    e = message_append(s, (struct mailbox_ref){.account = id, .box = box->id}, &m, 1, &validity, &uid);
    body_unpin(s->body, &ref);
    return e;
}

static int fill_inbox(struct core *core, struct arena *a)
{
    static const char plain[] =
        "From: Bob <bob@x.test>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nTo: alice@one.test\r\n"
        "Message-ID: <1@x.test>\r\n\r\nHello.\r\n.\r\n",
                      parts[] =
                          "From: a@x.test\r\nSubject: two\r\nMIME-Version: 1.0\r\nReferences: <1@x.test>\r\n"
                          "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
                          "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--b--\r\n";
    struct account acc;
    struct mailbox box;
    int e = account_get(core->store->directory, a, SL("alice@one.test"), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), a, &box);
    if (!e) e = put_message(core->store, acc.id, &box, sl_cstr(plain));
    return e ? e : put_message(core->store, acc.id, &box, sl_cstr(parts));
}

static int queue_letter(struct core *core)
{
    struct letter_own own = {
        .id = {"0123456789abcdef"},
        .sender = SL("alice@one.test"),
        .to = SL("bob@far.test"),
        .text = SL("From: alice@one.test\r\nTo: bob@far.test\r\nSubject: out\r\n\r\nHello.\r\n.\r\n"),
        .what = SL("a letter")};
    return intake_take(core->intake, &own);
}

static int set_up(struct core *core)
{
    struct arena a = {0};
    int e = domain_add(core->store->directory, SL("one.test"));
    if (!e) e = account_add(core->store->directory, SL("alice@one.test"), SL("secret"));
    if (!e) e = kv_transact(core->store->kv, SL("d:one.test"), cheap_key, NULL);
    if (!e) e = fill_inbox(core, &a);
    if (!e) e = queue_letter(core);
    ar_free(&a);
    return e;
}

static void keep_file(const char *path)
{
    ASSERT(image.n < FILES);
    snprintf(image.file[image.n].path, sizeof image.file[0].path, "%s", path);
    ASSERT(path_read(path, 1 << 20, &image.file[image.n++].bytes) == 0);
}

static int keep_body(void *arg, const char *name)
{
    char path[64];
    (void)arg;
    snprintf(path, sizeof path, "bodies/%s", name);
    keep_file(path);
    return 0;
}

static int make_image(void *arg)
{
    struct server *s = arg;
    struct core core;
    struct slice name = SL("mail.one.test");
    int e = server_open_core(&core, s);
    if (!e) e = set_up(&core);
    ASSERT(!e && "the server is set up");
    core_close(&core);
    keep_file("index.log");
    ASSERT(path_list("bodies", keep_body, NULL) == 0);
    return tls_self_signed(&name, 1, 30, &image.chain, &image.key);
}

/* Reading the system's trust store takes longer than all the rest. */
static void trust_little(void)
{
    char path[32];
    int fd = memfd_create("trust", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ASSERT(fd >= 0 && write(fd, image.chain.p, image.chain.n) == (ssize_t)image.chain.n);
    setenv("SSL_CERT_FILE", path, 1);
}

static void set_up_once(void)
{
    struct server s = {0};
    if (image.n) return;
    server_configure(&s);
    struct sim *w = sim_new(1);
    struct sim_node *n = sim_node(w, "mail.one.test", "127.0.0.2,198.51.100.2");
    sim_node_start(n, make_image, &s);
    sim_run(w, 600 * RT_S);
    ASSERT(!sim_node_running(n) && sim_node_result(n) == 0);
    sim_free(&w);
    trust_little();
}

/* ---- the server of one input ---- */

static int from_image(void)
{
    int e = path_mkdir("bodies");
    for (size_t i = 0; i < image.n && !e; i++)
        e = path_write(image.file[i].path, buf_slice(&image.file[i].bytes), 0600);
    return e;
}

static void is_ready(void *arg)
{
    struct server *s = arg;
    s->ready = true;
}

static int serve_image(void *arg)
{
    struct server *s = arg;
    struct node *n = xcalloc(1, sizeof *n);
    int e = from_image();
    if (!e) e = server_open_core(&n->core, s);
    if (!e) e = node_start(n, buf_slice(&image.chain), buf_slice(&image.key));
    if (!e) e = serve(n, false, is_ready, s);
    ASSERT(!e && "the server ends in order");
    node_stop(n);
    free(n);
    return e;
}

/* ---- the peer ---- */

struct peer {
    enum session_kind kind;
    struct slice input;
    struct conn *c;
    struct tls_ctx *tls;
    bool accepts; /* it is the server */
};

static bool is_smtp(const struct peer *p) { return p->kind <= SESSION_SUBMISSION_IN; }

static void check_reply(struct slice line)
{
    ASSERT(line.n >= 4 && line.p[0] >= '2' && line.p[0] <= '5' && is_digit(line.p[1]) && is_digit(line.p[2]));
    ASSERT(line.p[3] == ' ' || line.p[3] == '-');
    for (size_t i = 0; i < line.n; i++) ASSERT((unsigned char)line.p[i] >= 0x20);
}

static void hear(struct peer *p)
{
    size_t end;
    (void)!conn_overhear(p->c);
    while (is_smtp(p) && (end = sl_find(conn_peek(p->c), SL("\r\n"))) != SL_NONE) {
        check_reply(sl_sub(conn_peek(p->c), 0, end));
        conn_consume(p->c, end + 2);
    }
    if (!is_smtp(p)) conn_consume(p->c, conn_peek(p->c).n);
    ASSERT(conn_peek(p->c).n < 8192);
}

/* A read with a deadline would be the last one: so it looks again and again. */
static void listen_for(struct peer *p, int64_t ns)
{
    for (int i = 0; i < 8 && !conn_error(p->c); i++) {
        (void)!fiber_sleep(ns / 8);
        hear(p);
    }
}

static void begin_tls(struct peer *p)
{
    static const char *const h2[] = {"h2", NULL};
    struct tls_peer name = {
        .name = SL("mail.one.test"), .verify = TLS_VERIFY_NONE, .alpn = p->kind == SESSION_H2 ? h2 : NULL};
    int64_t before = deadline_narrow(DEADLINE_IN(100 * RT_S));
    int e = conn_is_tls(p->c) || conn_peek(p->c).n ? ERR_STATE : 0;
    if (!e) e = p->accepts ? conn_tls_accept(p->c, p->tls) : conn_tls_connect(p->c, p->tls, &name);
    (void)e; /* the connection knows */
    deadline_restore(before);
}

static void say(struct peer *p, struct slice bytes)
{
    int64_t before = deadline_narrow(DEADLINE_IN(100 * RT_S));
    conn_write(p->c, bytes);
    (void)!conn_flush(p->c);
    deadline_restore(before);
    listen_for(p, RT_MS);
}

static void play(struct peer *p)
{
    struct slice rest = p->input;
    while (rest.n && !conn_error(p->c)) {
        size_t n = 0;
        while (n < rest.n && n < PIECE && rest.p[n] != SESSION_PAUSE && rest.p[n] != SESSION_TLS) n++;
        if (n) say(p, sl_sub(rest, 0, n));
        else if (rest.p[0] == SESSION_TLS) begin_tls(p);
        else listen_for(p, RT_S);
        rest = sl_from(rest, n ? n : 1);
    }
    listen_for(p, 2 * RT_S);
}

static void log_in(struct peer *p)
{
    static const char *const words[] = {
        [SESSION_SUBMISSION_IN] = "EHLO x\r\nAUTH PLAIN AGFsaWNlQG9uZS50ZXN0AHNlY3JldA==\r\n",
        [SESSION_IMAP_IN] = "l LOGIN alice@one.test secret\r\n",
        [SESSION_POP3_IN] = "USER alice@one.test\r\nPASS secret\r\n",
        [SESSION_HTTPS] = "",
        [SESSION_H2] = "",
        [SESSION_RELAY] = NULL,
    };
    if (!words[p->kind]) return;
    begin_tls(p);
    listen_for(p, RT_S);
    say(p, sl_cstr(words[p->kind]));
    listen_for(p, RT_S);
}

static int be_client(void *arg)
{
    static const uint16_t port[] = {
        [SESSION_SMTP] = 10025,          [SESSION_LMTP] = LMTP_PORT, [SESSION_SUBMISSION] = 10587,
        [SESSION_SUBMISSION_IN] = 10465, [SESSION_IMAP] = 10143,     [SESSION_IMAP_IN] = 10993,
        [SESSION_POP3] = 10110,          [SESSION_POP3_IN] = 10995,  [SESSION_HTTP] = 10080,
        [SESSION_HTTPS] = 10443,         [SESSION_H2] = 10443,
    };
    struct peer *p = arg;
    struct endpoint at = {.port = port[p->kind]};
    ASSERT(ip_parse(SL("198.51.100.2"), &at.ip) && conn_dial(&p->c, &at, NULL) == 0);
    ASSERT(tls_client_new(&p->tls, SL("")) == 0);
    log_in(p);
    play(p);
    conn_close(&p->c);
    tls_free(&p->tls);
    return 0;
}

/* Says the same to each connection, for some retries. */
static int be_server(void *arg)
{
    struct peer *p = arg;
    struct endpoint at = {.port = 10025};
    struct listener *l;
    p->accepts = true;
    ASSERT(ip_parse(SL("203.0.113.9"), &at.ip) && listener_open(&l, &at) == 0);
    ASSERT(tls_server_new(&p->tls, NULL) == 0);
    ASSERT(tls_server_add_cert(p->tls, buf_slice(&image.chain), buf_slice(&image.key)) == 0);
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    while (listener_accept(l, &p->c) == 0) {
        play(p);
        conn_close(&p->c);
    }
    deadline_restore(before);
    listener_close(&l);
    tls_free(&p->tls);
    return 0;
}

/* ---- one input ---- */

uint64_t session_play(enum session_kind kind, struct slice input)
{
    struct server s = {0};
    struct peer p = {.kind = kind, .input = input};
    int64_t now = 0;
    set_up_once();
    server_configure(&s);
    s.conf.annotate = true;
    s.conf.lmtp_listen.port = LMTP_PORT;
    ASSERT(ip_parse(SL("198.51.100.2"), &s.conf.lmtp_listen.ip));
    struct sim *w = sim_new(1);
    struct sim_node *host = sim_node(w, "mail.one.test", "127.0.0.2,198.51.100.2"),
                    *peer = sim_node(w, "mail.far.test", "203.0.113.9");
    if (kind == SESSION_RELAY) sim_node_start(peer, be_server, &p);
    sim_node_start(host, serve_image, &s);
    while (!s.ready && now < 600 * RT_S) now = sim_run(w, now + RT_S / 10);
    ASSERT(s.ready);
    if (kind != SESSION_RELAY) sim_node_start(peer, be_client, &p);
    for (int i = 0; i < 2000 && sim_node_running(peer); i++) now = sim_run(w, now + 10 * RT_S);
    ASSERT(!sim_node_running(peer) && "nobody is waited for without an end");
    sim_signal(host, SIGTERM);
    sim_run(w, now + 2400 * RT_S);
    ASSERT(!sim_node_running(host) && "the server stops");
    uint64_t digest = sim_digest(w);
    sim_free(&w);
    return digest;
}
