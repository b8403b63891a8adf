/* preflight_gate_test.c - letters of our own against a zone that is in order and zones that are not. */
#include "preflight_gate.h"
#include "signing.h"

#include "base/text.h"
#include "directory/directory_test.h"
#include "dns/dns.h"

#define HOST "1.2.0.192.in-addr.arpa. PTR mail.one.test.\nmail.one.test. A 192.0.2.1\n"
#define SPF "one.test. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
#define DMARC "_dmarc.one.test. TXT \"v=DMARC1; p=reject\"\n"
#define NO_SPF "one.test. TXT \"v=spf1 ip4:198.51.100.9 -all\"\n"

struct gate_world {
    struct dir_fixture f;
    struct dns *zone, *dns;
    struct signing *signing;
    unsigned asked;
    bool silent;
    struct preflight_gate *gate;
    struct letter_id id;
    struct slice hold, found;
};

static int ask(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct gate_world *w = arg;
    w->asked++;
    if (w->silent) return fiber_sleep(3600 * RT_S);
    return dns_ask(w->zone, a, name, type, out);
}

/* The zone with the key's record, unless there is to be none. */
static void open_zone(struct gate_world *w, const char *text, bool key)
{
    struct dkim_key *k;
    size_t n;
    struct arena *a = &w->f.a;
    CHECK_OK(dkim_keys(w->f.dir, a, SL("one.test"), &k, &n));
    REQUIRE(n == 1);
    struct sign_key *sk;
    CHECK_OK(sign_key_from_pem(k[0].pem, &sk));
    struct buf public = BUF_INIT;
    sign_key_public(sk, &public);
    struct slice zone = ar_printf(a, "%st._domainkey.one.test. TXT \"v=DKIM1; k=ed25519; p=%.*s\"\n", text,
                                  SLF(b64_encode_ar(a, buf_slice(&public))));
    buf_free(&public);
    sign_key_free(&sk);
    CHECK_OK(dns_open_zone_text(&w->zone, key ? zone : sl_cstr(text)));
}

static bool begin(struct gate_world *w, const char *text, bool key, enum preflight_policy policy)
{
    *w = (struct gate_world){0};
    if (!dir_fixture_begin(&w->f)) return false;
    log_set_level(LOG_ERROR);
    CHECK_OK(domain_add(w->f.dir, SL("one.test")));
    CHECK_OK(dkim_key_add(w->f.dir, SL("one.test"), SL("t"), KEY_ED25519, DKIM_KEY_ACTIVE));
    CHECK_OK(signing_open(&w->signing, w->f.dir));
    open_zone(w, text, key);
    w->dns = dns_open_func(ask, w);
    struct preflight_gate_conf c = {.dns = w->dns,
                                    .signing = w->signing,
                                    .helo = SL("mail.one.test"),
                                    .source = {4, {192, 0, 2, 1}},
                                    .policy = policy};
    w->gate = preflight_gate_new(&c);
    letter_id_new(&w->id);
    return true;
}

static void end(struct gate_world *w)
{
    preflight_gate_free(&w->gate);
    signing_close(&w->signing);
    dns_close(&w->dns);
    dns_close(&w->zone);
    dir_fixture_end(&w->f);
}

static int pass(struct gate_world *w, const char *head)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&w->f.a, sl_cstr(head), &h));
    return preflight_gate(w->gate, &w->f.a, &w->id, SL("alice@one.test"), &h, &w->hold, &w->found);
}

#define FROM_ALICE "From: Alice <alice@one.test>\r\nTo: bob@two.test\r\n"

TEST(preflight_gate_in_order)
{
    struct gate_world w;
    REQUIRE(begin(&w, HOST SPF DMARC, true, PREFLIGHT_REFUSE));
    CHECK_OK(pass(&w, FROM_ALICE));
    CHECK(!w.hold.n && w.asked > 0);
    unsigned asked = w.asked;
    for (int i = 0; i < 100; i++) CHECK_OK(pass(&w, FROM_ALICE));
    CHECK_INT(w.asked, asked);
    CHECK_OK(pass(&w, "From: Alice <alice@ONE.test>\r\n"));
    CHECK_ERR(pass(&w, "From: a@one.test, b@bank.test\r\n"),
              ERR_DENIED);                           /* what signs is not the one author */
    CHECK_ERR(pass(&w, "From: b@bank.test\r\n"), 0); /* no policy there forbids it */
    end(&w);
}

TEST(preflight_gate_policies)
{
    static const struct {
        const char *zone;
        bool key;
        const char *says, *line;
    } cases[] = {
        {HOST NO_SPF DMARC, true, "forbids 192.0.2.1 to send", "v=spf1 ip4:192.0.2.1 ip4:198.51.100.9 -all"},
        {HOST SPF DMARC, false, "the key t._domainkey.one.test is not published", "t._domainkey.one.test. "},
        {"mail.one.test. A 192.0.2.1\n" SPF DMARC, true, "192.0.2.1",
         "1.2.0.192.in-addr.arpa. IN PTR mail.one.test."},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int policy = PREFLIGHT_WARN; policy <= PREFLIGHT_OFF; policy++) {
            struct gate_world w;
            REQUIRE(begin(&w, cases[i].zone, cases[i].key, (enum preflight_policy)policy));
            int e = pass(&w, FROM_ALICE);
            struct slice said = policy == PREFLIGHT_REFUSE ? sl_cstr(err_text(ERR_DENIED)) : w.hold;
            CHECK_INT(e, policy == PREFLIGHT_REFUSE ? ERR_DENIED : 0);
            CHECK_INT(w.hold.n > 0, policy == PREFLIGHT_HOLD);
            if (policy == PREFLIGHT_REFUSE || policy == PREFLIGHT_HOLD)
                CHECK(sl_find(said, sl_cstr(cases[i].says)) != SL_NONE);
            if (policy != PREFLIGHT_OFF) CHECK(sl_find(w.found, sl_cstr(cases[i].line)) != SL_NONE);
            CHECK_INT(w.asked > 0, policy != PREFLIGHT_OFF);
            end(&w);
        }
}

/* A DNS in trouble refuses nothing and is not waited for any longer than the fiber may. */
TEST(preflight_gate_silent_dns)
{
    struct gate_world w;
    REQUIRE(begin(&w, HOST SPF DMARC, true, PREFLIGHT_REFUSE));
    w.silent = true;
    int64_t before = deadline_narrow(DEADLINE_IN(50 * RT_MS));
    CHECK_OK(pass(&w, FROM_ALICE));
    deadline_restore(before);
    CHECK(!w.hold.n);
    end(&w);
    REQUIRE(begin(&w, HOST ";! servfail one.test\n;! servfail t._domainkey.one.test\n" DMARC, false,
                  PREFLIGHT_REFUSE));
    CHECK_OK(pass(&w, FROM_ALICE));
    end(&w);
}
