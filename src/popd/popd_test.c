/* popd_test.c - dialogues with the POP3 server over loopback, answer by answer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/kv.h"
#include "popd.h"
#include "rt/serve_test.h"
#include "rt/test_rt.h"

struct world {
    char dir[64];
    struct store *store;
    struct login *login;
    struct tls_ctx *tls, *client_tls;
    struct popd_conf conf;
    struct popd *popd;
    struct serving door[2]; /* 110, 995 */
    struct arena a;
    char account[20];
};

static void open_store(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    struct account acc;
    snprintf(w->dir, sizeof w->dir, "/tmp/tram-popd-test-XXXXXX");
    ASSERT(mkdtemp(w->dir));
    ASSERT(kv_mem_open(&kv, NULL) == 0);
    ASSERT(body_open(&body, w->dir, 0) == 0);
    CHECK_OK(store_open(&w->store, kv, body));
    CHECK_OK(login_open(&w->login, kv, w->store->directory));
    CHECK_OK(domain_add(w->store->directory, SL("home.test")));
    CHECK_OK(account_add(w->store->directory, SL("alice@home.test"), SL("wonder land")));
    CHECK_OK(account_get(w->store->directory, &w->a, SL("alice@home.test"), &acc));
    memcpy(w->account, acc.id, sizeof w->account);
}

static void open_tls(struct world *w)
{
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("pop.home.test");
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&w->tls, NULL));
    CHECK_OK(tls_server_add_cert(w->tls, buf_slice(&chain), buf_slice(&key)));
    CHECK_OK(tls_client_new(&w->client_tls, SL("")));
    buf_free(&chain);
    buf_free(&key);
}

static void session(struct serving *s, struct conn *c)
{
    struct world *w = s->ctx;
    popd_session(w->popd, s == &w->door[1], c, &s->sessions, NULL);
}

static void world_begin(struct world *w)
{
    *w = (struct world){0};
    log_set_level(LOG_ERROR);
    open_store(w);
    open_tls(w);
    w->conf = (struct popd_conf){
        .store = w->store, .login = w->login, .tls = w->tls, .hostname = SL("pop.home.test")};
    CHECK_OK(popd_open(&w->popd, &w->conf));
    for (int k = 0; k < 2; k++) {
        w->door[k] = (struct serving){.session = session, .ctx = w};
        CHECK_OK(serving_start(&w->door[k], "127.0.0.1:0"));
    }
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[400];
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

static void world_end(struct world *w)
{
    for (int k = 0; k < 2; k++) serving_stop(&w->door[k]);
    popd_close(&w->popd);
    login_close(&w->login);
    store_close(&w->store);
    tls_free(&w->tls);
    tls_free(&w->client_tls);
    ar_free(&w->a);
    remove_dir(w->dir);
}

/* A letter into alice's inbox; its uid. */
static uint32_t deliver(struct world *w, struct slice text)
{
    struct mailbox box;
    struct body_ref ref;
    uint32_t validity, uid = 0;
    CHECK_OK(body_put(w->store->body, BODY_MAIL, text, SL(""), &ref));
    CHECK_OK(mailbox_find(w->store, w->account, SL("INBOX"), &w->a, &box));
    struct message_new m = {.internal_date = 1795383266, .size = text.n, .body = ref};
    CHECK_OK(message_append(w->store, (struct mailbox_ref){.account = w->account, .box = box.id}, &m, 1,
                            &validity, &uid));
    body_unpin(w->store->body, &ref);
    return uid;
}

/* ---- the client ---- */

struct client {
    struct conn *c;
    struct arena a;
};

static struct slice reply(struct client *cl)
{
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    int e = conn_read_line(cl->c, 100000, &line);
    deadline_restore(before);
    return e ? SL("") : ar_dup(&cl->a, line);
}

static struct slice talk(struct client *cl, const char *line)
{
    conn_printf(cl->c, "%s\r\n", line);
    return reply(cl);
}

/* A multi-line response: the lines after the first, each with LF, up to the dot. */
static struct slice lines(struct client *cl)
{
    struct buf b = BUF_INIT;
    struct slice line;
    while (line = reply(cl), line.n != 1 || line.p[0] != '.') {
        if (conn_error(cl->c)) break;
        buf_put(&b, line);
        buf_char(&b, '\n');
    }
    struct slice s = ar_dup(&cl->a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static void client_open(struct client *cl, struct world *w, int door)
{
    struct tls_peer peer = {.name = SL("pop.home.test")};
    *cl = (struct client){0};
    ASSERT(conn_dial(&cl->c, listener_at(w->door[door].l), NULL) == 0);
    if (door == 1) CHECK_OK(conn_tls_connect(cl->c, w->client_tls, &peer));
    CHECK_SL(reply(cl), "+OK pop.home.test POP3 Tram");
}

static void client_close(struct client *cl)
{
    conn_close(&cl->c);
    ar_free(&cl->a);
}

static void alice(struct client *cl, struct world *w)
{
    client_open(cl, w, 1);
    CHECK_SL(talk(cl, "USER alice@home.test"), "+OK now the password");
    CHECK(sl_starts(talk(cl, "PASS wonder land"), SL("+OK ")));
}

static const char first[] = "Subject: one\r\n\r\nHello\r\n.dot\r\n..\r\n";
static const char second[] = "Subject: two\r\nX: y\r\n\r\nline 1\r\nline 2\r\nno end";

TEST(pop3_session)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    deliver(&w, sl_cstr(first));
    deliver(&w, sl_cstr(second));
    client_open(&cl, &w, 1);
    CHECK_SL(talk(&cl, "USER alice@home.test"), "+OK now the password");
    CHECK_SL(talk(&cl, "PASS wonder land"), "+OK 2 messages");
    CHECK_SL(talk(&cl, "STAT"), "+OK 2 77");
    CHECK_SL(talk(&cl, "LIST"), "+OK 2 messages, 77 bytes");
    CHECK_SL(lines(&cl), "1 33\n2 44\n");
    CHECK_SL(talk(&cl, "LIST 2"), "+OK 2 44");
    CHECK_SL(talk(&cl, "LIST 3"), "-ERR there is no message 3");
    CHECK_SL(talk(&cl, "RETR 1"), "+OK 33 bytes");
    CHECK_SL(lines(&cl), "Subject: one\n\nHello\n..dot\n...\n");
    CHECK_SL(talk(&cl, "RETR 2"), "+OK 44 bytes");
    CHECK_SL(lines(&cl), "Subject: two\nX: y\n\nline 1\nline 2\nno end\n");
    CHECK_SL(talk(&cl, "TOP 2 1"), "+OK the top follows");
    CHECK_SL(lines(&cl), "Subject: two\nX: y\n\nline 1\n");
    CHECK_SL(talk(&cl, "TOP 1 0"), "+OK the top follows");
    CHECK_SL(lines(&cl), "Subject: one\n\n");
    CHECK_SL(talk(&cl, "TOP 1 99"), "+OK the top follows");
    CHECK_SL(lines(&cl), "Subject: one\n\nHello\n..dot\n...\n");
    CHECK_SL(talk(&cl, "NOOP"), "+OK done, nothing");
    CHECK_SL(talk(&cl, "QUIT"), "+OK goodbye");
    CHECK_SL(reply(&cl), "");
    client_close(&cl);
    world_end(&w);
}

TEST(pop3_does_not_answer_what_is_not_known)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    deliver(&w, sl_cstr(first));
    alice(&cl, &w);
    talk(&cl, "DELE 1");
    kv_mem_inject(w.store->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_SL(talk(&cl, "QUIT"), "");
    client_close(&cl);
    world_end(&w);
}

TEST(pop3_removes_at_quit_only)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    deliver(&w, sl_cstr(first));
    deliver(&w, sl_cstr(second));
    deliver(&w, sl_cstr(first));
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "DELE 1"), "+OK message 1 is gone after QUIT");
    CHECK_SL(talk(&cl, "DELE 1"), "-ERR message 1 is marked as deleted");
    CHECK_SL(talk(&cl, "RETR 1"), "-ERR message 1 is marked as deleted");
    CHECK_SL(talk(&cl, "STAT"), "+OK 2 77");
    CHECK_SL(talk(&cl, "LIST"), "+OK 2 messages, 77 bytes");
    CHECK_SL(lines(&cl), "2 44\n3 33\n");
    CHECK_SL(talk(&cl, "RSET"), "+OK nothing is marked as deleted");
    CHECK_SL(talk(&cl, "STAT"), "+OK 3 110");
    talk(&cl, "DELE 1");
    client_close(&cl); /* without QUIT */
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "UIDL"), "+OK 3 messages, 110 bytes");
    struct slice before = lines(&cl), rest = before, uidl2;
    CHECK(sl_next(&rest, '\n', &uidl2) && sl_next(&rest, '\n', &uidl2));
    talk(&cl, "DELE 1");
    talk(&cl, "DELE 3");
    CHECK_SL(talk(&cl, "QUIT"), "+OK goodbye");
    uidl2 = ar_dup(&w.a, uidl2);
    client_close(&cl);
    alice(&cl, &w);
    struct slice now = talk(&cl, "UIDL 1");
    CHECK(sl_eq(sl_from(now, 6), sl_from(uidl2, 2))); /* "+OK 1 id", "2 id": the same letter, the same id */
    CHECK_SL(talk(&cl, "STAT"), "+OK 1 44");
    CHECK_SL(talk(&cl, "UIDL 2"), "-ERR there is no message 2");
    client_close(&cl);
    world_end(&w);
}

TEST(pop3_keeps_its_snapshot)
{
    struct world w;
    struct client cl, other;
    world_begin(&w);
    uint32_t uid = deliver(&w, sl_cstr(first));
    alice(&cl, &w);
    deliver(&w, sl_cstr(second)); /* seen by the next session */
    CHECK_SL(talk(&cl, "STAT"), "+OK 1 33");
    struct mailbox box;
    CHECK_OK(mailbox_find(w.store, w.account, SL("INBOX"), &w.a, &box));
    CHECK_OK(message_expunge(w.store, (struct mailbox_ref){.account = w.account, .box = box.id},
                             (struct uids){&uid, 1}, false, &w.a, NULL));
    /* What LIST and UIDL promised is there until QUIT. */
    CHECK_SL(talk(&cl, "RETR 1"), "+OK 33 bytes");
    CHECK_SL(lines(&cl), "Subject: one\n\nHello\n..dot\n...\n");
    CHECK_SL(talk(&cl, "TOP 1 1"), "+OK the top follows");
    CHECK_SL(lines(&cl), "Subject: one\n\nHello\n");
    CHECK_SL(talk(&cl, "DELE 1"), "+OK message 1 is gone after QUIT");
    client_open(&other, &w, 1);
    talk(&other, "USER alice@home.test");
    CHECK_SL(talk(&other, "PASS wonder land"),
             "-ERR [IN-USE] another session has this mailbox open; try again later");
    CHECK_SL(talk(&cl, "QUIT"), "+OK goodbye");
    CHECK_SL(reply(&cl), "");
    talk(&other, "USER alice@home.test");
    CHECK_SL(talk(&other, "PASS wonder land"), "+OK 1 messages");
    client_close(&cl);
    client_close(&other);
    world_end(&w);
}

TEST(pop3_logs_in_over_tls_only)
{
    struct world w;
    struct client cl;
    struct tls_peer peer = {.name = SL("pop.home.test")};
    world_begin(&w);
    client_open(&cl, &w, 0);
    CHECK_SL(talk(&cl, "CAPA"), "+OK what there is");
    CHECK_SL(lines(&cl), "RESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nEXPIRE NEVER\nIMPLEMENTATION Tram\nUTF8 "
                         "USER\nLANG\nSTLS\nUIDL\nTOP\n");
    CHECK_SL(talk(&cl, "USER alice@home.test"), "-ERR begin TLS with STLS before you log in");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "-ERR begin TLS with STLS before you log in");
    CHECK_SL(talk(&cl, "STAT"), "-ERR log in first");
    CHECK_SL(talk(&cl, "STLS"), "+OK begin TLS");
    CHECK_OK(conn_tls_connect(cl.c, w.client_tls, &peer));
    CHECK_SL(talk(&cl, "CAPA"), "+OK what there is");
    CHECK_SL(
        lines(&cl),
        "RESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nEXPIRE NEVER\nIMPLEMENTATION Tram\nUTF8 USER\nLANG\nUSER\n"
        "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\nUIDL\nTOP\n");
    CHECK_SL(talk(&cl, "STLS"), "-ERR TLS is already in use");
    CHECK_SL(talk(&cl, "PASS x"), "-ERR USER comes first");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "+ ");
    struct slice b64 = b64_encode_ar(&cl.a, sl("\0alice@home.test\0wonder land", 28));
    CHECK_SL(talk(&cl, ar_cstr(&cl.a, b64)), "+OK 0 messages");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "-ERR you are logged in already");
    CHECK_SL(talk(&cl, "STAT"), "+OK 0 0");
    CHECK_SL(talk(&cl, "LIST"), "+OK 0 messages, 0 bytes");
    CHECK_SL(lines(&cl), "");
    client_close(&cl);
    client_open(&cl, &w, 0);
    conn_puts(cl.c, "STLS\r\nUSER injected\r\n");
    CHECK(sl_starts(reply(&cl), SL("-ERR commands were sent after STLS")));
    CHECK_SL(reply(&cl), "");
    client_close(&cl);
    world_end(&w);
}

TEST(pop3_refuses)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    client_open(&cl, &w, 1);
    CHECK_SL(talk(&cl, "AUTH"), "+OK ways to log in follow");
    CHECK_SL(lines(&cl), "SCRAM-SHA-256-PLUS\nSCRAM-SHA-256\nPLAIN\nLOGIN\n");
    CHECK(sl_starts(talk(&cl, "AUTH CRAM-MD5"), SL("-ERR this way to log in is not known here")));
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "+ ");
    CHECK_SL(talk(&cl, "*"), "-ERR the client gave the login up");
    for (int i = 0; i < 3; i++) {
        CHECK_SL(talk(&cl, i ? "USER nobody@home.test" : "USER alice@home.test"), "+OK now the password");
        CHECK_SL(talk(&cl, "PASS wrong"), "-ERR [AUTH] user name or password is wrong");
    }
    CHECK_SL(reply(&cl), "");
    client_close(&cl);
    alice(&cl, &w);
    CHECK(sl_starts(talk(&cl, "RETR x"), SL("-ERR RETR wants a message number")));
    CHECK(sl_starts(talk(&cl, "TOP 1"), SL("-ERR TOP wants a message number and a number of lines")));
    CHECK_SL(talk(&cl, "XYZZY"), "-ERR there is no such command here");
    CHECK_SL(talk(&cl, "APOP a b"), "-ERR there is no such command here");
    conn_puts(cl.c, "NOOP\n");
    CHECK_SL(reply(&cl), "-ERR lines must end in CR LF");
    for (int i = 0; i < 50; i++) CHECK(sl_starts(talk(&cl, "RETR 99"), SL("-ERR "))); /* gone meanwhile */
    CHECK(sl_starts(talk(&cl, "QUIT"), SL("+OK")));
    client_close(&cl);
    client_open(&cl, &w, 1);
    for (int i = 0; i < 20; i++) CHECK_SL(talk(&cl, "XYZZY"), "-ERR there is no such command here");
    CHECK_SL(reply(&cl), "-ERR too many errors; the connection is closed");
    CHECK_SL(reply(&cl), "");
    client_close(&cl);
    world_end(&w);
}

TEST(pop3_streams_large_letters_and_long_lists)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT, want = BUF_INIT;
    world_begin(&w);
    buf_str(&b, "Subject: large\r\n\r\n");
    for (int i = 0; b.n < 1000000; i++) buf_printf(&b, "%s%d\r\n", i % 5 ? "" : ".", i);
    deliver(&w, buf_slice(&b));
    struct slice rest = buf_slice(&b), line;
    while (sl_next(&rest, '\n', &line) && rest.p)
        buf_printf(&want, "%s%.*s\n", line.p[0] == '.' ? "." : "", (int)line.n - 1, line.p);
    for (int i = 0; i < 1200; i++) deliver(&w, SL("Subject: small\r\n\r\nx\r\n"));
    alice(&cl, &w);
    CHECK(sl_starts(talk(&cl, "RETR 1"), SL("+OK 10000")));
    CHECK(sl_eq(lines(&cl), buf_slice(&want)));
    CHECK(sl_starts(talk(&cl, "LIST"), SL("+OK 1201 messages")));
    CHECK(sl_ends(lines(&cl), SL("\n1201 21\n")));
    conn_puts(cl.c, "RETR 2\r\nRETR 3\r\nDELE 2\r\nQUIT\r\n"); /* pipelined */
    for (int i = 0; i < 2; i++) {
        CHECK_SL(reply(&cl), "+OK 21 bytes");
        CHECK_SL(lines(&cl), "Subject: small\n\nx\n");
    }
    CHECK_SL(reply(&cl), "+OK message 2 is gone after QUIT");
    CHECK_SL(reply(&cl), "+OK goodbye");
    client_close(&cl);
    /* what was fetched is marked as seen for other programs */
    struct mailbox box;
    CHECK_OK(mailbox_find(w.store, w.account, SL("INBOX"), &w.a, &box));
    CHECK_INT(box.exists, 1200);
    CHECK_INT(box.unseen, 1198);
    buf_free(&b);
    buf_free(&want);
    world_end(&w);
}

static int passwd(struct directory *d, struct slice who)
{
    return account_password(d, who, SL("another one"));
}
static int disable(struct directory *d, struct slice who) { return account_disable(d, who, true); }

/* Nothing that the client says or waits for ends these sessions before the reply is given up. */
TEST(pop3_an_idle_session_ends_when_its_account_changes)
{
    static int (*const change[])(struct directory *, struct slice) = {passwd, disable, account_remove};
    for (size_t i = 0; i < COUNT_OF(change); i++) {
        struct world w;
        struct client idle, half;
        world_begin(&w);
        deliver(&w, sl_cstr(first));
        CHECK_OK(account_add(w.store->directory, SL("bob@home.test"), SL("builder")));
        alice(&idle, &w);
        CHECK_SL(talk(&idle, "DELE 1"), "+OK message 1 is gone after QUIT");
        client_open(&half, &w, 1);
        CHECK(sl_starts(talk(&half, "USER bob@home.test"), SL("+OK ")));
        CHECK_SL(talk(&half, "PASS builder"), "+OK 0 messages");
        CHECK_OK(change[i](w.store->directory, SL("alice@home.test")));
        CHECK_SL(reply(&idle), "-ERR [AUTH] the account was changed: log in again");
        CHECK_SL(reply(&idle), "");
        CHECK_SL(talk(&half, "NOOP"), "+OK done, nothing"); /* another account's goes on */
        conn_puts(half.c, "NO");
        CHECK_OK(conn_flush(half.c));
        CHECK_OK(change[i](w.store->directory, SL("bob@home.test")));
        CHECK_SL(talk(&half, "OP"), "-ERR [AUTH] the account was changed: log in again");
        client_close(&idle);
        client_close(&half);
        world_end(&w);
    }
}

/* RFC 7301: who names other protocols only meant somebody else; who names none is served. */
TEST(pop3_tls_for_another_protocol_is_refused)
{
    static const char *const wrong[] = {"imap", "http/1.1", NULL}, *const right[] = {"h2", "pop3", NULL};
    static const struct {
        const char *const *alpn;
        int error;
    } cases[] = {{wrong, ERR_TLS}, {right, 0}, {NULL, 0}};
    struct world w;
    world_begin(&w);
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        struct tls_peer peer = {.name = SL("pop.home.test"), .alpn = cases[i / 2].alpn};
        struct client cl = {0};
        ASSERT(conn_dial(&cl.c, listener_at(w.door[i % 2].l), NULL) == 0);
        if (i % 2 == 0) CHECK_SL(reply(&cl), "+OK pop.home.test POP3 Tram");
        if (i % 2 == 0) CHECK_SL(talk(&cl, "STLS"), "+OK begin TLS");
        CHECK_ERR(conn_tls_connect(cl.c, w.client_tls, &peer), cases[i / 2].error);
        client_close(&cl);
    }
    world_end(&w);
}

/* RFC 6856. */
TEST(pop3_utf8_and_languages)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    deliver(&w, SL("Subject: Gr\xc3\xbc\xc3\x9f"
                   "e\r\n\r\nx\r\n"));
    client_open(&cl, &w, 0);
    CHECK_SL(talk(&cl, "LANG"), "+OK the languages are");
    CHECK_SL(lines(&cl), "en English\n");
    CHECK_SL(talk(&cl, "LANG mul"), "-ERR there is English (en) only");
    CHECK_SL(talk(&cl, "LANG *"), "+OK en English it is");
    CHECK_SL(talk(&cl, "UTF8 x"), "-ERR UTF8 takes no argument");
    CHECK_SL(talk(&cl, "UTF8"), "+OK UTF-8 from here on");
    CHECK_SL(talk(&cl, "STLS"), "-ERR STLS comes before UTF8");
    client_close(&cl);
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "UTF8"), "-ERR you are logged in already");
    CHECK_SL(talk(&cl, "LANG en"), "+OK en English it is");
    client_close(&cl);
    world_end(&w);
}

#define UMLAUT "\xc3\xb6"
#define NOBODY "<invalid@internationalized-address.invalid>"

/* RFC 6856 section 2.1, 6858: who did not say UTF8 gets letters in UTF-8 as surrogates, in ASCII but for
 * bodies. */
TEST(pop3_without_utf8_shows_surrogates)
{
    struct world w;
    struct client cl;
    const char *letter =
        "From: <" UMLAUT "@a.test>\r\nX: " UMLAUT "\r\nSubject: a\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: inline;\r\n"
        " filename=" UMLAUT "\r\n\r\n" UMLAUT "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: " UMLAUT "\r\n\r\n." UMLAUT "\r\n--b--\r\n";
    const char *as_it_is = "From: <" UMLAUT "@a.test>\nX: " UMLAUT "\nSubject: a\n";
    const char *top = "From: =?utf-8?q?=C3=B6=40a=2Etest?=\n " NOBODY "\nSubject: a\n"
                      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: inline; "
                      "filename*=utf-8''%C3%B6\n";
    const char *rest =
        "\n" UMLAUT "\n--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?=C3=B6?=\n\n.." UMLAUT
        "\n--b--\n";
    world_begin(&w);
    deliver(&w, sl_cstr(letter));
    deliver(&w, SL("Subject: \xfc\r\n" UMLAUT "\r\n\r\nx\r\n")); /* a line that is no field, and no charset */
    deliver(&w, SL("Subject: b\r\n\r\n" UMLAUT "\r\n"));         /* a body */
    alice(&cl, &w);
    struct slice uidl = talk(&cl, "UIDL 1"), other;
    CHECK(sl_starts(talk(&cl, "LIST 1"), SL("+OK 1 ")));
    CHECK_SL(talk(&cl, "TOP 1 2"), "+OK the top follows");
    CHECK(sl_eq(lines(&cl), sl_cstr(top)));
    CHECK_SL(talk(&cl, "RETR 1"), "+OK a surrogate in ASCII follows; say UTF8 for the letter itself");
    struct slice all = lines(&cl);
    CHECK(sl_starts(all, sl_cstr(top)));
    CHECK_SL(sl_from(all, strlen(top)), rest);
    CHECK(sl_starts(talk(&cl, "RETR 2"), SL("+OK a surrogate ")));
    CHECK_SL(lines(&cl), "Subject: =?unknown-8bit?B?/A==?=\n\n" UMLAUT "\n\nx\n");
    CHECK_SL(talk(&cl, "RETR 3"), "+OK 18 bytes");
    CHECK_SL(lines(&cl), "Subject: b\n\n" UMLAUT "\n");
    other = ar_dup(&w.a, uidl);
    client_close(&cl);
    client_open(&cl, &w, 1);
    CHECK_SL(talk(&cl, "UTF8"), "+OK UTF-8 from here on");
    CHECK_SL(talk(&cl, "USER alice@home.test"), "+OK now the password");
    CHECK(sl_starts(talk(&cl, "PASS wonder land"), SL("+OK ")));
    CHECK(sl_eq(talk(&cl, "UIDL 1"), other));
    CHECK(sl_starts(talk(&cl, "RETR 1"), SL("+OK ")));
    CHECK(sl_starts(lines(&cl), sl_cstr(as_it_is)));
    client_close(&cl);
    world_end(&w);
}

/* The same of one that does not fit into memory: fields in UTF-8 in front, in its midst and at its end. */
TEST(pop3_surrogates_of_large_letters)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT, want = BUF_INIT;
    world_begin(&w);
    buf_str(&b, "Subject: " UMLAUT "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
    buf_str(&want, "Subject: =?utf-8?q?=C3=B6?=\nContent-Type: multipart/mixed; boundary=b\n\n");
    for (int k = 0; k < 3; k++) {
        buf_str(&b, "--b\r\nX: " UMLAUT "\r\n\r\n");
        buf_str(&want, "--b\n\n");
        for (int i = 0; i < 60000; i++) {
            buf_printf(&b, "%d\r\n", i);
            buf_printf(&want, "%d\n", i);
        }
    }
    buf_str(&b, "--b--\r\n");
    buf_str(&want, "--b--\n");
    deliver(&w, buf_slice(&b));
    alice(&cl, &w);
    CHECK(sl_starts(talk(&cl, "RETR 1"), SL("+OK a surrogate ")));
    CHECK(sl_eq(lines(&cl), buf_slice(&want)));
    client_close(&cl);
    buf_free(&b);
    buf_free(&want);
    world_end(&w);
}

TEST(pop3_reads_a_chosen_mailbox)
{
    struct world w;
    struct client cl;
    struct mailbox box, new;
    struct message_copied copied;
    world_begin(&w);
    uint32_t uid = deliver(&w, SL("Subject: x\r\n\r\nx\r\n"));
    CHECK_OK(mailbox_find(w.store, w.account, SL("INBOX"), &w.a, &box));
    CHECK_OK(mailbox_create(w.store, w.account, SL("Lists/work"), 0, &w.a, &new));
    CHECK_OK(message_copy(w.store, (struct mailbox_ref){.account = w.account, .box = box.id},
                          (struct uids){&uid, 1}, new.id, true, &w.a, &copied));
    client_open(&cl, &w, 1);
    CHECK_SL(talk(&cl, "USER alice+Lists/none@home.test"), "+OK now the password");
    CHECK_SL(talk(&cl, "PASS wonder land"), "-ERR there is no such mailbox to be chosen");
    CHECK_SL(talk(&cl, "USER alice+Lists/work@home.test"), "+OK now the password");
    CHECK_SL(talk(&cl, "PASS wrong"), "-ERR [AUTH] user name or password is wrong");
    CHECK_SL(talk(&cl, "USER alice+Lists/work@home.test"), "+OK now the password");
    CHECK_SL(talk(&cl, "PASS wonder land"), "+OK 1 messages");
    CHECK_SL(talk(&cl, "DELE 1"), "+OK message 1 is gone after QUIT");
    CHECK_SL(talk(&cl, "QUIT"), "+OK goodbye");
    client_close(&cl);
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "STAT"), "+OK 0 0");
    client_close(&cl);
    CHECK_OK(mailbox_get(w.store, w.account, new.id, &w.a, &new));
    CHECK_INT(new.exists, 0);
    world_end(&w);
}

/* RFC 2449 section 6.5. */
TEST(pop3_login_delay)
{
    struct world w;
    struct client cl;
    world_begin(&w);
    popd_close(&w.popd);
    w.conf.login_delay = 1000;
    CHECK_OK(popd_open(&w.popd, &w.conf));
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "CAPA"), "+OK what there is");
    CHECK(sl_find(lines(&cl), SL("\nLOGIN-DELAY 1000\n")) != SL_NONE);
    CHECK_SL(talk(&cl, "QUIT"), "+OK goodbye");
    client_close(&cl);
    client_open(&cl, &w, 1);
    CHECK_SL(talk(&cl, "USER alice@home.test"), "+OK now the password");
    CHECK_SL(talk(&cl, "PASS wonder land"),
             "-ERR [LOGIN-DELAY] the last login was less than 1000 seconds ago");
    client_close(&cl);
    world_end(&w);
}
