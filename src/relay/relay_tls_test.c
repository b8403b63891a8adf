/* relay_tls_test.c - TLS of the relay: offered or not, asked for by a letter (REQUIRETLS), DANE, MTA-STS. */
#include "base/text.h"
#include "crypto/cert.h"
#include "relay_test.h"

#define WRONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(relay_tls)
{
    struct tester t;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, NULL);
    t.a.caps = "PIPELINING\nSTARTTLS";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.tls_sessions, 1);
    HAS(t.rcpt[0].tls, "TLSv1.3 ");
    HAS(t.rcpt[0].tls, "certificate not verified");
    CHECK_INT(t.a.times[EHLO], 2); /* again under TLS */
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.a.sessions, 1);

    server_forget(&t.a);
    t.a.say[TLS] = "454 4.7.0 not now";
    reopen(&t);
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "not encrypted: STARTTLS was answered 454");

    server_forget(&t.a);
    t.a.broken_tls = true;
    reopen(&t);
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "not encrypted: TLS failed");
    CHECK_INT(t.a.sessions, 2);

    /* a server that demands TLS, and whose handshake broke: what it says in clear is not its last word */
    static const char *const demands[] = {"530 5.7.0 Must issue a STARTTLS command first", "550 5.7.1 no",
                                          "554 no"};
    for (size_t i = 0; i < COUNT_OF(demands); i++)
        for (int step = MAIL; step <= RCPT; step++) {
            server_forget(&t.a);
            t.a.broken_tls = true;
            t.a.say[step] = demands[i];
            relay_close(&t.relay);
            CHECK_OK(relay_open(&t.relay, &t.conf));
            send(&t, "two.test", "ok@two.test");
            CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
            CHECK_SL(t.rcpt[0].reply, demands[i]);
            server_forget(&t.a);
            t.a.broken_tls = false; /* and it is asked for TLS at once the next time */
            send(&t, "two.test", "ok@two.test");
            CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
            HAS(t.rcpt[0].tls, "TLSv1.3 ");
        }
    t.a.broken_tls = true;
    reopen(&t);
    send(&t, "two.test", "no@two.test"); /* a wrong address is wrong in clear as well */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    end(&t);
}

/* RFC 8689 section 4.2.1: over verified TLS, to a server that promises the same, of a domain whose servers
 * are proved; a report goes anyhow (section 5). */
TEST(relay_requires_tls)
{
    enum { CLEAR = 1, STRANGE = 2, BROKEN = 4, FOREIGN = 8, REPORT = 16 };
    static const struct {
        int how;
        const char *caps;
        enum attempt result;
        const char *enhanced, *words;
    } x[] = {
        {0, "STARTTLS\nREQUIRETLS\nPIPELINING", ATTEMPT_DELIVERED, "2.0.0", "taken"},
        {0, "STARTTLS", ATTEMPT_PERMANENT, "5.7.30", "does not promise it (REQUIRETLS)"},
        {CLEAR, "REQUIRETLS", ATTEMPT_PERMANENT, "5.7.10", "does not offer it"},
        {STRANGE, "STARTTLS\nREQUIRETLS", ATTEMPT_PERMANENT, "5.7.10", "is not proved: TLSv1.3"},
        {BROKEN, "STARTTLS\nREQUIRETLS", ATTEMPT_TEMPORARY, "4.7.10", "it did not come about"},
        {FOREIGN, "STARTTLS\nREQUIRETLS", ATTEMPT_PERMANENT, "5.7.30", "neither DNSSEC nor MTA-STS"},
        {REPORT, "STARTTLS", ATTEMPT_DELIVERED, "2.0.0", "taken"},
        {REPORT | CLEAR, "REQUIRETLS", ATTEMPT_DELIVERED, "2.0.0", "taken"},
    };
    struct tester t;
    struct buf chain = BUF_INIT;
    struct dns *dns;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, &chain);
    CHECK_OK(
        dns_open_zone_text(&dns, SL(";! insecure\ntwo.test. MX 10 a.two.test.\na.two.test. A 127.0.0.2\n")));
    struct tls_ctx *stranger = t.client, *friend;
    struct dns *signed_zone = t.dns;
    CHECK_OK(tls_client_new(&friend, buf_slice(&chain)));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        server_forget(&t.a);
        t.conf.tls = x[i].how & STRANGE ? stranger : friend;
        t.conf.dns = x[i].how & FOREIGN ? dns : signed_zone;
        t.a.broken_tls = x[i].how & BROKEN;
        t.a.caps = x[i].caps;
        reopen(&t);
        prepare(&t, "two.test", "ok@two.test");
        if (x[i].how & REPORT) t.letter.sender = SL("");
        t.letter.wants.requiretls = true;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), x[i].enhanced);
        CHECK(sl_find(t.rcpt[0].reply, sl_cstr(x[i].words)) != SL_NONE);
        bool said = sl_find(sl_cstr(t.a.log), SL("> REQUIRETLS|")) != SL_NONE;
        CHECK(said == (i == 0));
        CHECK(t.a.times[MAIL] == (x[i].result == ATTEMPT_DELIVERED));
    }
    relay_close(&t.relay);
    t.conf.tls = t.client = stranger, t.conf.dns = t.dns = signed_zone;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    tls_free(&friend);
    dns_close(&dns);
    buf_free(&chain);
    end(&t);
}

/* The next server of the domain may promise what the first does not (section 4.2.1). */
TEST(relay_looks_for_a_server_that_promises_tls)
{
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice names[] = {SL("a.two.test"), SL("b.two.test")};
    REQUIRE(begin(&t));
    CHECK_OK(tls_self_signed(names, 2, 30, &chain, &key));
    for (struct server *s = &t.a; s; s = s == &t.a ? &t.b : NULL) {
        CHECK_OK(tls_server_new(&s->tls, NULL));
        CHECK_OK(tls_server_add_cert(s->tls, buf_slice(&chain), buf_slice(&key)));
    }
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, buf_slice(&chain)));
    t.conf.tls = t.client;
    t.a.caps = "STARTTLS", t.b.caps = "STARTTLS\nREQUIRETLS";
    reopen(&t);
    prepare(&t, "pair.test", "ok@pair.test");
    t.letter.wants.requiretls = true;
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "b.two.test");
    CHECK_INT(t.a.times[MAIL], 0);
    buf_free(&chain);
    buf_free(&key);
    end(&t);
}

/* What the zone proves of a server's keys binds: RFC 7672 section 2.2. */
TEST(relay_dane)
{
    enum { CLEAR = 1, BROKEN = 2, ANYHOW = 4, PAIR = 8, OLD = 16 };
    static const struct {
        int how;
        const char *records; /* %s: what the server has, "x": something else */
        enum attempt result;
        const char *words;
    } x[] = {
        {0, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, ", certificate proved by DANE"},
        {OLD, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, ", certificate proved by DANE"}, /* dates do not count */
        {0, "TLSA 3 1 1 " WRONG, ATTEMPT_TEMPORARY, "over TLS alone, because DNSSEC proves 1 TLSA record"},
        {CLEAR, "TLSA 3 1 1 %s", ATTEMPT_TEMPORARY, "not encrypted: not offered"},
        {BROKEN, "TLSA 3 1 1 %s", ATTEMPT_TEMPORARY, "while TLS was begun"},
        {0, "TLSA 1 1 1 " WRONG, ATTEMPT_DELIVERED, "certificate not verified"},
        {CLEAR, "TLSA 1 1 1 " WRONG, ATTEMPT_TEMPORARY, "none of which can be used"},
        {ANYHOW | CLEAR, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {PAIR, "TLSA 3 1 1 " WRONG, ATTEMPT_DELIVERED, "not encrypted: not offered"}, /* b takes it */
        {0, "CNAME fail.test.", ATTEMPT_TEMPORARY, "is passed over: the DNS does not tell what keys it has"},
        {PAIR, "CNAME fail.test.", ATTEMPT_DELIVERED, "not encrypted: not offered"},
    };
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT, hex = BUF_INIT;
    struct slice name = SL("of.no.matter.test");
    uint8_t digest[32];
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        char text[2000], records[200];
        test_run_is("case %zu", i);
        server_forget(&t.a);
        buf_clear(&chain), buf_clear(&key), buf_clear(&hex);
        CHECK_OK(tls_self_signed(&name, 1, x[i].how & OLD ? -3 : 30, &chain, &key));
        CHECK_OK(cert_spki_sha256(buf_slice(&chain), digest));
        hex_encode(&hex, sl(digest, 32));
        tls_free(&t.a.tls);
        CHECK_OK(tls_server_new(&t.a.tls, NULL));
        CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
        snprintf(records, sizeof records, x[i].records, ar_cstr(&t.arena, buf_slice(&hex)));
        snprintf(text, sizeof text, "%s_%u._tcp.a.two.test. %s\n", relay_zone, t.conf.port, records);
        relay_close(&t.relay);
        dns_close(&t.dns);
        CHECK_OK(dns_open_zone_text(&t.dns, sl_cstr(text)));
        t.conf.dns = t.dns;
        CHECK_OK(relay_open(&t.relay, &t.conf));
        t.a.caps = x[i].how & CLEAR ? "" : "STARTTLS";
        t.a.broken_tls = x[i].how & BROKEN;
        prepare(&t, x[i].how & PAIR ? "pair.test" : "two.test", "ok@two.test");
        t.letter.wants.tls_optional = x[i].how & ANYHOW;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK(sl_find(x[i].result == ATTEMPT_DELIVERED ? t.rcpt[0].tls : t.rcpt[0].reply,
                      sl_cstr(x[i].words)) != SL_NONE);
        if (x[i].result != ATTEMPT_DELIVERED) CHECK_INT(t.a.times[MAIL], 0);
    }
    test_run_is("%s", "");
    buf_free(&chain);
    buf_free(&key);
    buf_free(&hex);
    end(&t);
}

/* What a domain promises over HTTPS binds, where DANE does not: RFC 8461 section 5. */
static int serve_policy(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    (void)c;
    *out = (struct fetch_answer){.status = 200, .body = sl_cstr(*(const char **)arg), .nfield = 1};
    out->field = ar_new(c->a, struct fetch_field);
    out->field[0] = (struct fetch_field){SL("content-type"), SL("text/plain")};
    return 0;
}

TEST(relay_mta_sts)
{
    enum { STRANGE = 1, CLEAR = 2, PROMISE = 4, ANYHOW = 8, DANE = 16, OTHER = 32, USELESS = 64 };
    static const char enforce[] = "version: STSv1\nmode: enforce\nmx: a.two.test\nmax_age: 9999\n",
                      testing[] = "version: STSv1\nmode: testing\nmx: z.two.test\nmax_age: 9999\n",
                      other[] = "version: STSv1\nmode: enforce\nmx: *.three.test\nmax_age: 9999\n";
    static const struct {
        int how;
        const char *policy;
        enum attempt result;
        const char *words;
    } x[] = {
        {0, enforce, ATTEMPT_DELIVERED, ", certificate verified"},
        {STRANGE, enforce, ATTEMPT_TEMPORARY,
         "asks for a certificate that is valid for the host; while TLS was"},
        {OTHER, enforce, ATTEMPT_TEMPORARY, "hostname mismatch"},
        {CLEAR, enforce, ATTEMPT_TEMPORARY, "not encrypted: not offered"},
        {0, other, ATTEMPT_TEMPORARY,
         "a.two.test is passed over: the MTA-STS policy of two.test does not name"},
        {ANYHOW | CLEAR, other, ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {STRANGE, testing, ATTEMPT_DELIVERED, "certificate not verified"},
        {CLEAR, testing, ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {STRANGE | DANE, other, ATTEMPT_DELIVERED, "certificate proved by DANE"},
        {DANE | USELESS, enforce, ATTEMPT_DELIVERED, ", certificate verified"},
        {STRANGE | DANE | USELESS, enforce, ATTEMPT_TEMPORARY, "asks for a certificate that is valid"},
        {DANE | USELESS, other, ATTEMPT_TEMPORARY, "the MTA-STS policy of two.test does not name"},
        {STRANGE | DANE | USELESS, testing, ATTEMPT_DELIVERED, "certificate not verified"},
        {CLEAR | DANE | USELESS, testing, ATTEMPT_TEMPORARY, "none of which can be used"},
        {PROMISE, enforce, ATTEMPT_DELIVERED, ", certificate verified"},
        {PROMISE, testing, ATTEMPT_PERMANENT, "neither DNSSEC nor MTA-STS proves"},
    };
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT, hex = BUF_INIT;
    struct slice name = SL("a.two.test"), wrong = SL("b.two.test");
    uint8_t digest[32];
    const char *policy;
    struct fetch fetch = {
        .conf = {.private_hosts = true, .transfer = serve_policy, .transfer_arg = (void *)&policy}};
    REQUIRE(begin(&t));
    struct tls_ctx *stranger = t.client;
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        char text[2200];
        struct kv *kv;
        test_run_is("case %zu", i);
        server_forget(&t.a);
        relay_close(&t.relay);
        buf_clear(&chain), buf_clear(&key), buf_clear(&hex);
        CHECK_OK(tls_self_signed(x[i].how & OTHER ? &wrong : &name, 1, 30, &chain, &key));
        CHECK_OK(cert_spki_sha256(buf_slice(&chain), digest));
        hex_encode(&hex, sl(digest, 32));
        tls_free(&t.a.tls);
        CHECK_OK(tls_server_new(&t.a.tls, NULL));
        CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
        CHECK_OK(tls_client_new(&t.client, buf_slice(&chain)));
        snprintf(text, sizeof text,
                 "%s%s_mta-sts.two.test. TXT \"v=STSv1; id=1\"\nmta-sts.two.test. A 127.0.0.8\n"
                 "_%u._tcp.a.two.test. TLSA %d 1 1 %s\n",
                 x[i].how & DANE ? "" : ";! insecure\n", relay_zone, t.conf.port, x[i].how & USELESS ? 1 : 3,
                 ar_cstr(&t.arena, buf_slice(&hex)));
        dns_close(&t.dns);
        CHECK_OK(dns_open_zone_text(&t.dns, sl_cstr(text)));
        CHECK_OK(kv_mem_open(&kv, NULL));
        fetch.conf.dns = t.conf.dns = t.dns;
        t.conf.tls = x[i].how & STRANGE ? stranger : t.client;
        policy = x[i].policy;
        sts_open(&t.conf.sts, &(struct sts_conf){.kv = kv, .dns = t.dns, .fetch = &fetch});
        CHECK_OK(relay_open(&t.relay, &t.conf));
        t.a.caps = x[i].how & CLEAR ? "" : "STARTTLS\nREQUIRETLS";
        prepare(&t, "two.test", "ok@two.test");
        t.letter.wants.tls_optional = x[i].how & ANYHOW;
        t.letter.wants.requiretls = x[i].how & PROMISE;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK(sl_find(x[i].result == ATTEMPT_DELIVERED ? t.rcpt[0].tls : t.rcpt[0].reply,
                      sl_cstr(x[i].words)) != SL_NONE);
        if (x[i].result != ATTEMPT_DELIVERED) CHECK_INT(t.a.times[MAIL], 0);
        relay_close(&t.relay);
        sts_close(&t.conf.sts);
        kv_close(&kv);
        tls_free(&t.client);
    }
    test_run_is("%s", "");
    t.client = stranger;
    buf_free(&chain);
    buf_free(&key);
    buf_free(&hex);
    end(&t);
}
