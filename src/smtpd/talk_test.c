/* talk_test.c - what the tests of this folder stand on. */
#include "talk_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "outgoing/signing.h"
#include "queue/accept.h"
#include "rt/test_rt.h"
#include "store/store.h"

static const char zone[] = "$ORIGIN test.\n$TTL 300\n"
                           "@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "one TXT \"v=spf1 ip4:127.0.0.1 -all\"\n"
                           "one MX 10 mail.one\nmail.one A 127.0.0.1\n"
                           "strict TXT \"v=spf1 -all\"\n_dmarc.strict TXT \"v=DMARC1; p=reject\"\n"
                           "suspect TXT \"v=spf1 ?all\"\n_dmarc.suspect TXT \"v=DMARC1; p=quarantine\"\n"
                           "soft TXT \"v=spf1 ~all\"\nplain TXT \"v=spf1 ?all\"\n"
                           "_dmarc.one TXT \"v=DMARC1; p=reject\"\n"
                           "home TXT \"v=spf1 -all\"\n_dmarc.home TXT \"v=DMARC1; p=reject\"\n"
                           "$ORIGIN in-addr.arpa.\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "1.0.0.127 PTR mail.one.test.\n";

struct handed handed;

static void keep(char *to, size_t size, struct slice s) { snprintf(to, size, "%.*s", SLF(s)); }

static int commit(struct kv_tx *tx, void *letter)
{
    kv_tx_put(tx, sl_cstr(((struct letter *)letter)->id.s), SL("taken"));
    return 0;
}

int accept_letter(struct queue *q, struct letter *l)
{
    struct store *s = (struct store *)q; /* the tests' queue is the store */
    struct arena a;
    struct slice bytes;
    if (handed.fail_with) {
        body_unpin(s->body, &l->body);
        return err_set(handed.fail_with, "the test says no");
    }
    CHECK_OK(kv_transact(s->kv, SL("handed"), commit, l)); /* with it goes what was noted before */
    ar_init(&a, 0);
    CHECK_OK(body_get(s->body, &l->body, 64 << 20, &a, &bytes));
    free((void *)handed.bytes.p);
    handed.count++;
    handed.bytes = sl(xstrndup(bytes.p, bytes.n), bytes.n);
    keep(handed.sender, sizeof handed.sender, l->sender);
    keep(handed.submitter, sizeof handed.submitter, l->submitter);
    keep(handed.message_id, sizeof handed.message_id, l->message_id);
    keep(handed.subject, sizeof handed.subject, l->subject);
    keep(handed.ret, sizeof handed.ret, l->ret);
    keep(handed.envid, sizeof handed.envid, l->envid);
    keep(handed.id, sizeof handed.id, sl_cstr(l->id.s));
    handed.nrcpt = l->nrcpt;
    handed.path = l->path;
    handed.junk = l->junk;
    handed.held = l->hold.n && l->hold_all;
    handed.eight_bit = l->eight_bit;
    handed.smtputf8 = l->smtputf8;
    handed.binary = l->binary;
    handed.wants = l->wants;
    handed.skip = l->skip;
    handed.head_size = l->head_size;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < l->nrcpt; i++)
        buf_printf(&b, "%s%s%.*s", i ? " " : "", l->rcpt[i].route.local ? "here:" : "",
                   SLF(l->rcpt[i].route.address));
    keep(handed.rcpts, sizeof handed.rcpts, buf_slice(&b));
    buf_clear(&b);
    for (size_t i = 0; i < l->nrcpt; i++)
        buf_printf(&b, "%s%.*s %u %.*s", i ? ", " : "", SLF(l->rcpt[i].address), l->rcpt[i].notify,
                   SLF(l->rcpt[i].orcpt));
    keep(handed.wishes, sizeof handed.wishes, buf_slice(&b));
    buf_free(&b);
    body_unpin(s->body, &l->body);
    ar_free(&a);
    return 0;
}

static void open_store(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    snprintf(w->dir, sizeof w->dir, "/tmp/tram-smtpd-test-XXXXXX");
    ASSERT(mkdtemp(w->dir));
    ASSERT(kv_mem_open(&kv, NULL) == 0);
    ASSERT(body_open(&body, w->dir, 0) == 0);
    CHECK_OK(store_open(&w->store, kv, body));
    CHECK_OK(login_open(&w->login, kv, w->store->directory));
    CHECK_OK(domain_add(w->store->directory, SL("home.test")));
    CHECK_OK(dkim_key_add(w->store->directory, SL("home.test"), SL("test"), KEY_ED25519, DKIM_KEY_ACTIVE));
    CHECK_OK(account_add(w->store->directory, SL("alice@home.test"), SL("wonderland")));
    CHECK_OK(account_add(w->store->directory, SL("bob@home.test"), SL("builder")));
    struct slice both[2] = {SL("alice@home.test"), SL("far@away.test")};
    CHECK_OK(alias_add(w->store->directory, SL("team@home.test"), both, 2));
}

static void open_tls(struct world *w)
{
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("mx.home.test");
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
    smtpd_session(w->smtpd, (enum smtpd_kind)(s - w->door), c, &s->sessions, w->visit);
}

void world_begin(struct world *w, void (*change)(struct world *))
{
    *w = (struct world){0};
    free((void *)handed.bytes.p);
    handed = (struct handed){0};
    log_set_level(LOG_ERROR);
    open_store(w);
    open_tls(w);
    CHECK_OK(dns_open_zone_text(&w->dns, sl_cstr(zone)));
    CHECK_OK(signing_open(&w->signing, w->store->directory));
    w->mailauth = (struct mailauth_ctx){.dns = w->dns, .hostname = SL("mx.home.test")};
    w->intake = (struct intake){.store = w->store,
                                .queue = (struct queue *)w->store,
                                .signing = w->signing,
                                .mailauth = &w->mailauth,
                                .hostname = SL("mx.home.test")};
    w->conf = (struct smtpd_conf){.store = w->store, .login = w->login, .intake = &w->intake, .tls = w->tls};
    if (change) change(w);
    CHECK_OK(smtpd_open(&w->smtpd, &w->conf));
    for (int k = 0; k < SMTPD_DOORS; k++) {
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

void world_end(struct world *w)
{
    for (int k = 0; k < SMTPD_DOORS; k++) serving_stop(&w->door[k]);
    smtpd_close(&w->smtpd);
    signing_close(&w->signing);
    dns_close(&w->dns);
    login_close(&w->login);
    store_close(&w->store);
    tls_free(&w->tls);
    tls_free(&w->client_tls);
    ar_free(&w->a);
    remove_dir(w->dir);
    free((void *)handed.bytes.p);
    handed.bytes = SL("");
    handed.bytes.p = NULL;
}

/* ---- the client ---- */

struct slice client_reply(struct client *cl)
{
    struct slice all = SL(""), line;
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    for (;;) {
        int e = conn_read_line(cl->c, 4096, &line);
        if (e) {
            all = SL("");
            break;
        }
        all = all.n ? ar_printf(&cl->a, "%.*s\n%.*s", SLF(all), SLF(line)) : ar_dup(&cl->a, line);
        if (line.n < 4 || line.p[3] != '-') break;
    }
    deadline_restore(before);
    return all;
}

void client_send(struct client *cl, struct slice bytes) { conn_write(cl->c, bytes); }

struct slice talk(struct client *cl, const char *line)
{
    conn_printf(cl->c, "%s\r\n", line);
    return client_reply(cl);
}

void client_open(struct client *cl, struct world *w, enum smtpd_kind kind)
{
    *cl = (struct client){0};
    ASSERT(conn_dial(&cl->c, listener_at(w->door[kind].l), NULL) == 0);
    struct tls_peer peer = {.name = SL("mx.home.test")};
    if (kind == SMTPD_SUBMISSIONS) CHECK_OK(conn_tls_connect(cl->c, w->client_tls, &peer));
    CHECK_SL(client_reply(cl),
             kind == SMTPD_LMTP ? "220 mx.home.test LMTP Tram" : "220 mx.home.test ESMTP Tram");
}

void client_starttls(struct client *cl, struct world *w)
{
    struct tls_peer peer = {.name = SL("mx.home.test")};
    CHECK_SL(talk(cl, "STARTTLS"), "220 2.0.0 Begin TLS");
    CHECK_OK(conn_tls_connect(cl->c, w->client_tls, &peer));
}

void client_close(struct client *cl)
{
    conn_close(&cl->c);
    ar_free(&cl->a);
}

struct slice talk_plain(struct client *cl, const char *user, const char *password)
{
    struct slice b64 = b64_encode_ar(&cl->a, ar_printf(&cl->a, "%c%s%c%s", 0, user, 0, password));
    return talk(cl, ar_cstr(&cl->a, ar_printf(&cl->a, "AUTH PLAIN %.*s", SLF(b64))));
}

void client_envelope(struct client *cl, const char *sender)
{
    struct arena *a = &cl->a;
    CHECK(
        sl_starts(talk(cl, "EHLO mail.one.test"), SL("250-mx.home.test at your service\n250-PIPELINING\n")));
    CHECK_SL(talk(cl, ar_cstr(a, ar_printf(a, "MAIL FROM:<%s>", sender))), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(cl, "RCPT TO:<alice@home.test>"), "250 2.1.5 Recipient is fine");
}

struct slice client_letter(struct client *cl, struct slice text)
{
    CHECK(sl_starts(talk(cl, "DATA"), SL("354 ")));
    client_send(cl, text);
    return client_reply(cl);
}

struct slice client_try(struct client *cl, const char *to, const char *text)
{
    talk(cl, "MAIL FROM:<carol@one.test>");
    CHECK(sl_starts(talk(cl, ar_cstr(&cl->a, ar_printf(&cl->a, "RCPT TO:<%s>", to))), SL("250 ")));
    return client_letter(cl, ar_printf(&cl->a, "%s.\r\n", text));
}
