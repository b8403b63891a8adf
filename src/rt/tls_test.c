/* tls_test.c - TLS between two ends in one process. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "tls_i.h"
#include "tls_test.h"

/* ---- a server's and a client's end (tls_test.h) ---- */

void make_cert(struct tls_ctx *t, const char *name, const char *second, struct buf *chain_out)
{
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice names[2] = {sl_cstr(name), sl_cstr(second)};
    CHECK_OK(tls_self_signed(names, second ? 2 : 1, 30, &chain, &key));
    CHECK_OK(tls_server_add_cert(t, buf_slice(&chain), buf_slice(&key)));
    if (chain_out) buf_put(chain_out, buf_slice(&chain));
    buf_free(&chain);
    buf_free(&key);
}

void two_init(struct two *t, const char *const *alpn)
{
    struct buf trusted = BUF_INIT;
    struct endpoint at;
    *t = (struct two){.peer = {.name = SL("mail.one.test"), .verify = TLS_VERIFY_PKIX}};
    CHECK_OK(tls_server_new(&t->server, alpn));
    make_cert(t->server, "mail.one.test", NULL, &trusted);
    make_cert(t->server, "www.two.test", "*.wild.test", &trusted);
    CHECK_OK(tls_client_new(&t->client, buf_slice(&trusted)));
    buf_free(&trusted);
    CHECK(endpoint_parse(SL("127.0.0.1:0"), &at));
    CHECK_OK(listener_open(&t->l, &at));
}

static void connect_plain(void *arg)
{
    struct two *t = arg;
    CHECK_OK(conn_dial(&t->a, listener_at(t->l), NULL));
}

static void client_side(void *arg)
{
    struct two *t = arg;
    t->client_error = conn_tls_connect(t->a, t->client, &t->peer);
    if (t->client_error) snprintf(t->client_text, sizeof t->client_text, "%s", err_text(t->client_error));
}

void two_open(struct two *t)
{
    group_init(&t->g);
    CHECK_OK(group_go(&t->g, "dial", connect_plain, t));
    CHECK_OK(listener_accept(t->l, &t->b));
    CHECK_OK(group_wait(&t->g));
}

void two_handshake(struct two *t)
{
    group_init(&t->g);
    CHECK_OK(group_go(&t->g, "client", client_side, t));
    t->server_error = conn_tls_accept(t->b, t->server);
    if (t->server_error) snprintf(t->server_text, sizeof t->server_text, "%s", err_text(t->server_error));
    CHECK_OK(group_wait(&t->g));
}

bool says(const char *text, const char *part) { return sl_find(sl_cstr(text), sl_cstr(part)) != SL_NONE; }

bool two_start(struct two *t)
{
    two_open(t);
    two_handshake(t);
    return t->server_error == 0 && t->client_error == 0;
}

void two_end(struct two *t)
{
    conn_close(&t->a);
    conn_close(&t->b);
}

void two_free(struct two *t)
{
    two_end(t);
    listener_close(&t->l);
    tls_free(&t->server);
    tls_free(&t->client);
}

void exchange(struct two *t)
{
    struct slice line;
    conn_puts(t->b, "220 hello\r\n");
    CHECK_OK(conn_flush(t->b));
    CHECK_OK(conn_read_line(t->a, 100, &line));
    CHECK_SL(line, "220 hello");
    conn_puts(t->a, "EHLO you\r\n");
    CHECK_OK(conn_flush(t->a));
    CHECK_OK(conn_read_line(t->b, 100, &line));
    CHECK_SL(line, "EHLO you");
}

/* ---- the ordinary case ---- */

TEST(tls_both_ways)
{
    struct two t;
    struct tls_info a, b;
    struct slice line;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    exchange(&t);
    conn_tls_info(t.a, &a);
    conn_tls_info(t.b, &b);
    CHECK_SL(sl_cstr(a.version), "TLSv1.3");
    CHECK_SL(sl_cstr(a.cipher), b.cipher);
    CHECK(sl_starts(sl_cstr(a.cipher), SL("TLS_")));
    CHECK(a.bits >= 128);
    CHECK_SL(sl_cstr(a.verify), "ok");
    CHECK_SL(sl_cstr(b.sni), "mail.one.test");
    CHECK(!a.resumed);
    uint8_t x[32], y[32];
    CHECK_OK(conn_tls_exporter(t.a, x));
    CHECK_OK(conn_tls_exporter(t.b, y));
    CHECK(memcmp(x, y, 32) == 0);
    CHECK(conn_is_tls(t.a) && conn_is_tls(t.b));
    conn_puts(t.a, "last words\r\n");
    conn_close(&t.a); /* sends them, and says goodbye */
    CHECK_OK(conn_read_line(t.b, 100, &line));
    CHECK_SL(line, "last words");
    CHECK_ERR(conn_read_line(t.b, 100, &line), ERR_EOF);
    conn_puts(t.b, "too late\r\n");
    two_free(&t);
}

static void send_much(void *arg)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 200000; i++) buf_printf(&b, "%07d\n", i);
    conn_write(arg, buf_slice(&b));
    CHECK_OK(conn_flush(arg));
    buf_free(&b);
}

static void read_much(void *arg)
{
    char got[9] = {0}, want[16];
    for (int i = 0; i < 200000; i++) {
        snprintf(want, sizeof want, "%07d\n", i);
        if (conn_read(arg, got, 8) || strcmp(got, want) != 0) {
            test_fail(__FILE__, __LINE__, "wrong at %d", i);
            return;
        }
    }
}

TEST(much_data_over_tls_both_ways_at_once)
{
    struct two t;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "send", send_much, t.a));
    CHECK_OK(group_go(&g, "read", read_much, t.b));
    CHECK_OK(group_wait(&g));
    CHECK_OK(group_go(&g, "send", send_much, t.b));
    CHECK_OK(group_go(&g, "read", read_much, t.a));
    CHECK_OK(group_wait(&g));
    CHECK_INT(conn_bytes_in(t.b), 1600000);
    two_free(&t);
}

TEST(starttls)
{
    struct two t;
    struct slice line;
    two_init(&t, NULL);
    two_open(&t);
    conn_puts(t.a, "STARTTLS\r\n");
    CHECK_OK(conn_flush(t.a));
    CHECK_OK(conn_read_line(t.b, 100, &line));
    CHECK_SL(line, "STARTTLS");
    CHECK_INT(conn_peek(t.b).n, 0);
    conn_puts(t.b, "220 go on\r\n"); /* goes out before the handshake */
    CHECK_OK(conn_flush(t.b));
    CHECK_OK(conn_read_line(t.a, 100, &line));
    two_handshake(&t);
    CHECK_OK(t.client_error);
    CHECK_OK(t.server_error);
    exchange(&t);
    two_free(&t);
}

/* ---- names and trust ---- */

void try_peer(struct two *t, const char *name, enum tls_verify verify, const char *reason)
{
    t->peer.name = sl_cstr(name);
    t->peer.verify = verify;
    bool ok = two_start(t);
    CHECK(ok == !reason);
    if (reason) {
        CHECK_ERR(t->client_error, ERR_TLS);
        CHECK(says(t->client_text, reason));
        if (!says(t->client_text, reason)) printf("    said: %s\n", t->client_text);
        char b[1];
        CHECK(conn_read(t->a, b, 1) == ERR_TLS); /* sticky */
    } else {
        exchange(t);
    }
    two_end(t);
}

TEST(names_must_be_right)
{
    struct two t;
    two_init(&t, NULL);
    try_peer(&t, "mail.one.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "MAIL.one.test.", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "www.two.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "any.wild.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "a.b.wild.test", TLS_VERIFY_PKIX, "hostname mismatch");
    try_peer(&t, "other.test", TLS_VERIFY_PKIX, "hostname mismatch");
    try_peer(&t, "127.0.0.1", TLS_VERIFY_PKIX, "IP address mismatch");
    try_peer(&t, "other.test", TLS_VERIFY_NONE, NULL);
    two_free(&t);
}

TEST(strangers_are_not_believed)
{
    struct two t;
    struct tls_info info;
    two_init(&t, NULL);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, SL("")));
    try_peer(&t, "mail.one.test", TLS_VERIFY_PKIX, "self-signed certificate");
    t.peer.verify = TLS_VERIFY_NONE;
    REQUIRE(two_start(&t));
    conn_tls_info(t.a, &info);
    CHECK_SL(sl_cstr(info.verify), "self-signed certificate"); /* known, though not asked for */
    two_end(&t);
    t.peer.name = SL("");
    CHECK(two_start(&t));
    two_free(&t);
}

TEST(the_server_hears_why_it_was_refused)
{
    struct two t;
    two_init(&t, NULL);
    t.peer.name = SL("other.test");
    two_open(&t);
    two_handshake(&t);
    CHECK_ERR(t.client_error, ERR_TLS);
    char b[1];
    /* With TLS 1.3 the server is done before the client judges: the alert is the first thing it reads. */
    if (!t.server_error) t.server_error = conn_read(t.b, b, 1);
    CHECK_ERR(t.server_error, ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "the other side gave up"));
    two_free(&t);
}

static void leaf_of(struct two *t, const char *name, uint8_t spki_sha256[32], struct buf *der)
{
    struct tls_cert *c = t->server->certs;
    while (c && tls_cert_fits(c, sl_cstr(name)) < 2) c = c->next;
    unsigned char *p = NULL, *q = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->leaf), &p), m = i2d_X509(c->leaf, &q);
    EVP_Digest(p, (size_t)n, spki_sha256, NULL, EVP_sha256(), NULL);
    buf_bytes(der, q, (size_t)m);
    OPENSSL_free(p);
    OPENSSL_free(q);
}

TEST(dane)
{
    struct two t;
    uint8_t right[32], wrong[32] = {1, 2, 3};
    struct buf der = BUF_INIT;
    two_init(&t, NULL);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, SL(""))); /* trusts no one */
    leaf_of(&t, "mail.one.test", right, &der);
    struct tls_tlsa r[] = {{3, 1, 1, sl(wrong, 32)}, {3, 1, 1, sl(right, 32)}};
    t.peer.tlsa = r;
    t.peer.ntlsa = 2;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, NULL);
    t.peer.ntlsa = 1;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, "not believed");
    struct tls_tlsa full = {3, 0, 0, buf_slice(&der)};
    t.peer.tlsa = &full;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, NULL);
    /* RFC 7672 section 3.1.1: the name in the certificate does not count with usage 3. The server
     * gives its default certificate to an unknown name. */
    t.peer.tlsa = &r[1];
    try_peer(&t, "unknown.test", TLS_VERIFY_DANE, NULL);
    struct tls_tlsa useless[] = {{0, 1, 1, sl(right, 32)}, {1, 1, 1, sl(right, 32)}, {3, 1, 1, sl(right, 5)}};
    t.peer.tlsa = useless;
    t.peer.ntlsa = 3;
    two_open(&t);
    t.peer.name = SL("mail.one.test");
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "none of the 3 TLSA records"));
    buf_free(&der);
    two_free(&t);
}

/* ---- resumption ---- */

static bool resumed(struct two *t)
{
    struct tls_info a, b;
    if (!two_start(t)) return false;
    exchange(t);
    conn_tls_info(t->a, &a);
    conn_tls_info(t->b, &b);
    CHECK(a.resumed == b.resumed);
    CHECK(t->peer.verify == TLS_VERIFY_NONE || strcmp(a.verify, "ok") == 0);
    two_end(t);
    return a.resumed;
}

TEST(sessions_resume_for_the_same_name_and_rules_only)
{
    struct two t;
    two_init(&t, NULL);
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    CHECK(resumed(&t)); /* with the ticket of the second */
    t.peer.name = SL("www.two.test");
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    t.peer.name = SL("mail.one.test");
    t.peer.verify = TLS_VERIFY_NONE;
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    t.peer.verify = TLS_VERIFY_PKIX;
    CHECK(resumed(&t));
    two_free(&t);
}

TEST(ticket_keys_change)
{
    struct two t;
    two_init(&t, NULL);
    for (int tls13 = 1; tls13 >= 0; tls13--) {
        if (!tls13) SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_2_VERSION);
        struct tls_ticket_key *k = t.server->ticket_keys;
        CHECK(!resumed(&t) || !tls13);
        CHECK(resumed(&t));
        struct tls_ticket_key first = k[0];
        k[0].born -= 13 * 3600;
        CHECK(resumed(&t)); /* the key before still opens, and the ticket is renewed */
        CHECK(memcmp(first.name, k[0].name, sizeof first.name) != 0);
        CHECK(memcmp(first.aes, k[1].aes, sizeof first.aes) == 0);
        CHECK(resumed(&t));
        k[0].born -= 30 * 3600; /* nobody came for more than a day */
        CHECK(!resumed(&t));
        CHECK_INT(k[1].born, 0);
        CHECK(resumed(&t));
    }
    two_free(&t);
}

TEST(the_session_cache_is_bounded)
{
    struct two t;
    two_init(&t, NULL);
    SSL_SESSION *s = SSL_SESSION_new();
    for (int i = 0; i < 3 * TLS_SESSIONS_MAX; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "%d", i);
        SSL_SESSION_up_ref(s);
        tls_session_put(t.client, sl(key, (size_t)n), s);
        SSL_SESSION_up_ref(s);
        tls_session_put(t.client, sl(key, (size_t)n), s); /* replaced */
    }
    CHECK_INT(t.client->sessions.count, TLS_SESSIONS_MAX);
    SSL_SESSION_free(s);
    two_free(&t);
}

/* ---- ALPN ---- */

TEST(alpn)
{
    static const char *const ours[] = {"imap", "http/1.1", NULL}, *const theirs[] = {"h2", "http/1.1", NULL},
                             *const strange[] = {"smtp", NULL};
    struct two t;
    struct tls_info info;
    two_init(&t, ours);
    t.peer.alpn = theirs;
    REQUIRE(two_start(&t));
    conn_tls_info(t.a, &info);
    CHECK_SL(sl_cstr(info.alpn), "http/1.1");
    conn_tls_info(t.b, &info);
    CHECK_SL(sl_cstr(info.alpn), "http/1.1");
    two_end(&t);
    t.peer.alpn = strange; /* RFC 7301 section 3.2: no_application_protocol */
    CHECK(!two_start(&t));
    CHECK_ERR(t.client_error, ERR_TLS);
    two_end(&t);
    t.peer.alpn = NULL;
    CHECK(two_start(&t));
    two_free(&t);
}

/* ---- peers that do not play along ---- */

static void talk_nonsense(void *arg)
{
    struct two *t = arg;
    conn_puts(t->a, "GET / HTTP/1.0\r\n\r\n");
    CHECK_OK(conn_flush(t->a));
}

TEST(a_peer_that_does_not_speak_tls)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    CHECK_OK(group_go(&t.g, "nonsense", talk_nonsense, &t));
    CHECK_ERR(conn_tls_accept(t.b, t.server), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "does not speak TLS"));
    CHECK_OK(group_wait(&t.g));
    CHECK_ERR(conn_flush(t.b), ERR_TLS);
    two_end(&t);
    two_open(&t);
    conn_puts(t.b, "220 mail.one.test ESMTP\r\n");
    CHECK_OK(conn_flush(t.b));
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "does not speak TLS"));
    two_free(&t);
}

TEST(a_peer_that_leaves_or_is_silent)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    conn_close(&t.a);
    CHECK_ERR(conn_tls_accept(t.b, t.server), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "closed the connection"));
    two_end(&t);
    two_open(&t);
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TIMEOUT);
    deadline_restore(before);
    two_free(&t);
}

static void accept_fiber(void *arg)
{
    struct two *t = arg;
    t->server_error = conn_tls_accept(t->b, t->server);
}

TEST(cancel_ends_a_handshake)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    group_init(&t.g);
    CHECK_OK(group_go(&t.g, "accept", accept_fiber, &t));
    CHECK_OK(fiber_sleep(RT_MS));
    group_cancel(&t.g);
    CHECK_OK(group_wait(&t.g));
    CHECK_ERR(t.server_error, ERR_CANCELED);
    two_free(&t);
}

/* A client of OpenSSL that is handed its bytes: what it says can be given to a server piece by piece. */
struct by_hand {
    SSL *ssl;
    BIO *in, *out; /* belong to it */
    struct conn *c;
};

static void by_hand_open(struct by_hand *x, struct two *t)
{
    *x = (struct by_hand){SSL_new(t->client->ssl), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()), t->a};
    SSL_set_bio(x->ssl, x->in, x->out);
    SSL_set_connect_state(x->ssl);
    SSL_set_verify(x->ssl, SSL_VERIFY_NONE, NULL);
    CHECK_INT(SSL_do_handshake(x->ssl), -1);
}

/* At most n bytes of what it has to say. */
static void by_hand_say(struct by_hand *x, int n)
{
    char piece[4096];
    int k = BIO_read(x->out, piece, n < (int)sizeof piece ? n : (int)sizeof piece);
    REQUIRE(k > 0);
    conn_write(x->c, sl(piece, (size_t)k));
    CHECK_OK(conn_flush(x->c));
    for (int i = 0; i < 20; i++) fiber_yield(); /* the server has seen it, or it will */
}

static void by_hand_finish(struct by_hand *x)
{
    while (SSL_do_handshake(x->ssl) != 1) {
        if (BIO_pending(x->out)) by_hand_say(x, 1 << 20);
        if (conn_fill(x->c) < 0) break;
        struct slice got = conn_peek(x->c);
        BIO_write(x->in, got.p, (int)got.n);
        conn_consume(x->c, got.n);
    }
    CHECK(SSL_is_init_finished(x->ssl));
    if (BIO_pending(x->out)) by_hand_say(x, 1 << 20);
}

TEST(half_a_hello_costs_no_session)
{
    struct two t;
    struct by_hand x;
    two_init(&t, NULL);
    two_open(&t);
    by_hand_open(&x, &t);
    group_init(&t.g);
    CHECK_OK(group_go(&t.g, "accept", accept_fiber, &t));
    by_hand_say(&x, 1);
    size_t before = memory_used();
    while (BIO_pending(x.out) > 1) by_hand_say(&x, 1);
    CHECK(memory_used() - before < 4 << 10);
    by_hand_say(&x, 1);
    by_hand_finish(&x);
    CHECK_OK(group_wait(&t.g));
    CHECK_OK(t.server_error);
    CHECK(memory_used() - before > 16 << 10);
    SSL_free(x.ssl);
    two_free(&t);
}

TEST(what_is_no_hello_is_told_at_once)
{
    static const struct slice said[] = {SL_INIT("GET / HTTP/1.1\r\n\r\n"), SL_INIT("EHLO a.test\r\n"),
                                        SL_INIT("\x80"), SL_INIT("\x16\3\1\xff\xff\1"),
                                        SL_INIT("\x15\x03\x01\0\2\2\x28")};
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        struct two t;
        two_init(&t, NULL);
        two_open(&t);
        conn_write(t.a, said[i]);
        CHECK_OK(conn_flush(t.a));
        if (said[i].n < 5) conn_close(&t.a);
        CHECK_ERR(conn_tls_accept(t.b, t.server), ERR_TLS);
        two_end(&t);
        two_free(&t);
    }
}

TEST(old_versions_are_refused)
{
    struct two t;
    two_init(&t, NULL);
    SSL_CTX_set_min_proto_version(t.client->ssl, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_1_VERSION);
    t.peer.verify = TLS_VERIFY_NONE;
    CHECK(!two_start(&t));
    CHECK_ERR(t.client_error, ERR_TLS);
    two_end(&t);
    SSL_CTX_set_min_proto_version(t.client->ssl, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_2_VERSION);
    REQUIRE(two_start(&t));
    exchange(&t);
    uint8_t x[32];
    struct tls_info info;
    conn_tls_info(t.b, &info);
    CHECK_SL(sl_cstr(info.version), "TLSv1.2");
    CHECK_ERR(conn_tls_exporter(t.a, x), ERR_STATE); /* RFC 9266 section 3 */
    two_end(&t);
    CHECK(resumed(&t));
    two_free(&t);
}

static const char *const mail_alpn[] = {"smtp", NULL};

static int accept_user(struct two *t) { return conn_tls_accept_login(t->b, t->server, mail_alpn); }
static int accept_web(struct two *t) { return conn_tls_accept_as(t->b, t->server, mail_alpn); }
static int accept_stranger(struct two *t) { return conn_tls_accept_stranger(t->b, t->server, mail_alpn); }

/* A client of TLS 1.2 that offers these ciphers alone. */
static void old_client(struct two *t, const char *ciphers)
{
    two_init(t, NULL);
    SSL_CTX_set_max_proto_version(t->client->ssl, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(t->client->ssl, ciphers);
    t->peer.verify = TLS_VERIFY_NONE;
}

static bool meet(struct two *t, int (*accept)(struct two *t), struct tls_info *info)
{
    two_open(t);
    group_init(&t->g);
    CHECK_OK(group_go(&t->g, "client", client_side, t));
    bool good = accept(t) == 0;
    if (good) conn_tls_info(t->b, info);
    else conn_close(&t->b);
    CHECK_OK(group_wait(&t->g));
    if (good) two_end(t);
    else conn_close(&t->a);
    return good;
}

static bool agree(int (*accept)(struct two *t), const char *ciphers, struct tls_info *info)
{
    struct two t;
    old_client(&t, ciphers);
    bool good = meet(&t, accept, info);
    two_free(&t);
    return good;
}

/* docs/tls.md */
TEST(strangers_alone_may_have_older_ciphers)
{
    struct tls_info info;
    CHECK(!agree(accept_user, "ECDHE-ECDSA-AES128-SHA256", &info));
    CHECK(!agree(accept_web, "ECDHE-ECDSA-AES128-SHA", &info));
    REQUIRE(agree(accept_stranger, "ECDHE-ECDSA-AES128-SHA", &info));
    CHECK_SL(sl_cstr(info.cipher), "ECDHE-ECDSA-AES128-SHA");
    REQUIRE(agree(accept_stranger, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256", &info));
    CHECK_SL(sl_cstr(info.cipher), "ECDHE-ECDSA-AES128-GCM-SHA256");
    REQUIRE(agree(accept_user, "ECDHE-ECDSA-CHACHA20-POLY1305", &info));
    CHECK_SL(sl_cstr(info.cipher), "ECDHE-ECDSA-CHACHA20-POLY1305");
    CHECK(!agree(accept_stranger, "ECDHE-ECDSA-NULL-SHA:AES128-SHA", &info));
}

TEST(a_session_with_older_ciphers_is_resumed_at_no_other_door)
{
    struct two t;
    struct tls_info info;
    old_client(&t, "ECDHE-ECDSA-AES128-SHA");
    CHECK(meet(&t, accept_stranger, &info));
    CHECK(!meet(&t, accept_user, &info));
    two_free(&t);
}

/* ---- parked under TLS ---- */

struct tls_parked {
    struct conn *c;
    struct group *g;
    char got[64];
};

static void tls_resumed(void *arg)
{
    struct tls_parked *k = arg;
    struct slice in = conn_peek(k->c);
    snprintf(k->got, sizeof k->got, "%.*s %d", SLF(in), conn_error(k->c));
    conn_consume(k->c, in.n);
    conn_puts(k->c, "heard\r\n");
    conn_close(&k->c);
}

TEST(parked_under_tls)
{
    struct two t;
    struct slice line;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    exchange(&t);
    struct tls_parked k = {.c = t.b, .g = &t.g};
    group_init(&t.g);
    t.b = NULL;
    conn_puts(k.c, "* idling\r\n");
    conn_park(k.c, &t.g, RT_NEVER, tls_resumed, &k);
    CHECK_OK(conn_read_line(t.a, 100, &line));
    CHECK_SL(line, "* idling");
    conn_puts(t.a, "DONE\r\n");
    CHECK_OK(conn_flush(t.a));
    CHECK_OK(conn_read_line(t.a, 100, &line));
    CHECK_SL(line, "heard");
    CHECK_OK(group_wait(&t.g));
    CHECK_SL(sl_cstr(k.got), "DONE\r\n 0");
    two_free(&t);
}

/* The server's ticket is a record without data: it must not wake a parked client. */
TEST(records_without_data_wake_nobody)
{
    struct two t;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    struct tls_parked k = {.c = t.a, .g = &t.g};
    group_init(&t.g);
    t.a = NULL;
    conn_park(k.c, &t.g, RT_NEVER, tls_resumed, &k);
    CHECK_OK(fiber_sleep(3 * RT_MS));
    CHECK_INT(t.g.count, 1);
    CHECK_SL(sl_cstr(k.got), "");
    CHECK_INT(t.client->sessions.count, 1); /* but the ticket was kept */
    conn_puts(t.b, "news\r\n");
    CHECK_OK(conn_flush(t.b));
    CHECK_OK(group_wait(&t.g));
    CHECK_SL(sl_cstr(k.got), "news\r\n 0");
    two_free(&t);
}
