/* preflight_test.c - our own letters before they leave: what is wrong is named, with the line that
 * mends it, and publishing that line mends it. */
#include "preflight.h"

#include "base/test.h"
#include "dkim/dkim_test.h"
#include "dns/dns_test.h"

#define KEY_LINE "t._domainkey.us.example. TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n"
#define HOST_LINES "1.2.0.192.in-addr.arpa. PTR mx.us.example.\nmx.us.example. A 192.0.2.1\n"
#define SPF_LINE "us.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
#define DMARC_LINE "_dmarc.us.example. TXT \"v=DMARC1; p=reject\"\n"

static struct preflight_result fly(struct arena *a, const char *zone_text, const char *mail_from,
                                   const char *author, size_t nkey)
{
    struct preflight_result r = {0};
    struct counted_dns *z = counted_open(zone_text);
    struct preflight_key k = {SL("us.example"), SL("t"), test_key(KEY_ED25519)};
    struct preflight_query q = {.ip = {4, {192, 0, 2, 1}},
                                .helo = SL("mx.us.example"),
                                .mail_from = sl_cstr(mail_from),
                                .author = sl_cstr(author),
                                .key = &k,
                                .nkey = nkey};
    CHECK_OK(preflight_check(z->dns, a, &q, &r));
    counted_close(z);
    return r;
}

static const struct preflight_item *item(const struct preflight_result *r, const char *what)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->item[i].what, what) == 0) return &r->item[i];
    static const struct preflight_item none;
    test_fail(__FILE__, __LINE__, "there is no item %s", what);
    return &none;
}

TEST(preflight_in_order)
{
    struct arena a = {0};
    struct preflight_result r =
        fly(&a, KEY_LINE HOST_LINES SPF_LINE DMARC_LINE, "a@us.example", "us.example", 1);
    CHECK_INT(r.verdict, PREFLIGHT_RIGHT);
    CHECK_INT(r.n, 5);
    CHECK(r.seconds > 0 && r.cacheable);
    for (size_t i = 0; i < r.n; i++) CHECK(r.item[i].sentence.n && !r.item[i].line.n);
    r = fly(&a, KEY_LINE HOST_LINES SPF_LINE DMARC_LINE, "a@us.example", "US.example", 1);
    CHECK_INT(r.verdict, PREFLIGHT_RIGHT);
    ar_free(&a);
}

/* Each thing missing is named, and its line put into the zone mends it. */
TEST(preflight_lines_mend)
{
    static const struct {
        const char *zone, *what;
        enum preflight_state state;
    } cases[] = {
        {HOST_LINES SPF_LINE DMARC_LINE, "dkim", PREFLIGHT_WRONG},
        {KEY_LINE SPF_LINE DMARC_LINE "mx.us.example. A 192.0.2.1\n", "ptr", PREFLIGHT_WRONG},
        {KEY_LINE HOST_LINES DMARC_LINE, "spf", PREFLIGHT_WEAK},
        {KEY_LINE HOST_LINES SPF_LINE, "dmarc", PREFLIGHT_WEAK},
        {KEY_LINE SPF_LINE DMARC_LINE
         "1.2.0.192.in-addr.arpa. PTR other.example.\nother.example. A 192.0.2.1\n",
         "helo", PREFLIGHT_WRONG},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena a = {0};
        struct preflight_result r = fly(&a, cases[i].zone, "a@us.example", "us.example", 1);
        const struct preflight_item *it = item(&r, cases[i].what);
        if (it->state != cases[i].state)
            test_fail(__FILE__, __LINE__, "%s is %s: %.*s", cases[i].what, preflight_state_name(it->state),
                      SLF(it->sentence));
        CHECK(r.verdict >= cases[i].state);
        REQUIRE(it->line.n);
        char *mended = ar_cstr(&a, ar_printf(&a, "%s%.*s\n", cases[i].zone, SLF(it->line)));
        r = fly(&a, mended, "a@us.example", "us.example", 1);
        it = item(&r, cases[i].what);
        if (it->state != PREFLIGHT_RIGHT)
            test_fail(__FILE__, __LINE__, "mended, %s is %s: %.*s", cases[i].what,
                      preflight_state_name(it->state), SLF(it->sentence));
        ar_free(&a);
    }
}

TEST(preflight_spf_line_keeps_the_record)
{
    struct arena a = {0};
    struct preflight_result r =
        fly(&a, KEY_LINE HOST_LINES DMARC_LINE "us.example. TXT \"v=spf1 ip4:198.51.100.7 -all\"\n",
            "a@us.example", "us.example", 1);
    const struct preflight_item *it = item(&r, "spf");
    CHECK_INT(it->state, PREFLIGHT_WRONG);
    CHECK_SL(it->line, "us.example. IN TXT \"v=spf1 ip4:192.0.2.1 ip4:198.51.100.7 -all\"");
    r = fly(&a, KEY_LINE HOST_LINES DMARC_LINE "us.example. TXT \"v=spf1 ipv4:198.51.100.7 -all\"\n",
            "a@us.example", "us.example", 1);
    it = item(&r, "spf");
    CHECK_INT(it->state, PREFLIGHT_WRONG);
    CHECK_SL(it->line, "us.example. IN TXT \"v=spf1 mx ip4:192.0.2.1 -all\"");
    ar_free(&a);
}

TEST(preflight_authors)
{
    struct arena a = {0};
    struct preflight_result r =
        fly(&a, KEY_LINE HOST_LINES SPF_LINE DMARC_LINE "_dmarc.bank.example. TXT \"v=DMARC1; p=reject\"\n",
            "a@us.example", "bank.example", 1);
    CHECK_INT(r.verdict, PREFLIGHT_WRONG); /* we may not write as the bank */
    CHECK_INT(item(&r, "dmarc")->state, PREFLIGHT_WRONG);
    r = fly(&a, KEY_LINE HOST_LINES SPF_LINE DMARC_LINE, "a@us.example", "", 1);
    CHECK_INT(item(&r, "from")->state, PREFLIGHT_WRONG);
    r = fly(&a, HOST_LINES SPF_LINE DMARC_LINE, "a@us.example", "us.example", 0);
    CHECK_INT(r.verdict, PREFLIGHT_WEAK); /* SPF alone */
    r = fly(&a, KEY_LINE HOST_LINES DMARC_LINE "mx.us.example. TXT \"v=spf1 a -all\"\n", "", "us.example",
            1); /* a bounce */
    CHECK_INT(r.verdict, PREFLIGHT_RIGHT);
    r = fly(&a, HOST_LINES SPF_LINE DMARC_LINE ";! servfail t._domainkey.us.example\n", "a@other.example",
            "us.example", 1);
    CHECK_INT(r.verdict, PREFLIGHT_UNKNOWN);
    ar_free(&a);
}

TEST(preflight_address_not_known)
{
    static const struct {
        const char *zone;
        enum preflight_state verdict;
        size_t items;
    } cases[] = {
        {KEY_LINE DMARC_LINE, PREFLIGHT_RIGHT, 2},
        {DMARC_LINE, PREFLIGHT_WRONG, 2},
        {"t._domainkey.us.example. TXT \"v=DKIM1; t=y; k=ed25519; p=" TEST_ED_P "\"\n" DMARC_LINE,
         PREFLIGHT_UNKNOWN, 2},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena a = {0};
        struct preflight_result r = {0};
        struct counted_dns *z = counted_open(cases[i].zone);
        struct preflight_key k = {SL("us.example"), SL("t"), test_key(KEY_ED25519)};
        struct preflight_query q = {.helo = SL("mx.us.example"),
                                    .mail_from = SL("a@us.example"),
                                    .author = SL("us.example"),
                                    .key = &k,
                                    .nkey = 1};
        CHECK_OK(preflight_check(z->dns, &a, &q, &r));
        CHECK_INT(r.verdict, cases[i].verdict);
        CHECK_INT(r.n, cases[i].items);
        CHECK(r.seconds > 0);
        counted_close(z);
        ar_free(&a);
    }
}

TEST(preflight_key_in_test)
{
    struct arena a = {0};
    struct preflight_result r = fly(&a,
                                    "t._domainkey.us.example. TXT \"v=DKIM1; t=y; k=ed25519; p=" TEST_ED_P
                                    "\"\n" HOST_LINES SPF_LINE DMARC_LINE,
                                    "a@us.example", "us.example", 1);
    CHECK_INT(r.verdict, PREFLIGHT_WEAK);
    CHECK_INT(item(&r, "dkim")->state, PREFLIGHT_WEAK);
    CHECK_INT(item(&r, "dmarc")->state, PREFLIGHT_WEAK); /* it vouches for nothing */
    ar_free(&a);
}

TEST(preflight_cache)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(KEY_LINE HOST_LINES SPF_LINE DMARC_LINE);
    struct preflight_cache *c = preflight_cache_new(4);
    struct preflight_key k = {SL("us.example"), SL("t"), test_key(KEY_ED25519)};
    struct preflight_query q = {.ip = {4, {192, 0, 2, 1}},
                                .helo = SL("mx.us.example"),
                                .mail_from = SL("a@us.example"),
                                .author = SL("us.example"),
                                .key = &k,
                                .nkey = 1};
    struct preflight_result first, again;
    CHECK_OK(preflight_cached(c, z->dns, &a, &q, &first));
    unsigned asked = z->questions;
    q.mail_from = SL("b@us.example");
    for (int i = 0; i < 1000; i++) CHECK_OK(preflight_cached(c, z->dns, &a, &q, &again));
    CHECK_INT(z->questions, asked);
    CHECK_INT(again.n, first.n);
    CHECK(again.remembered && !first.remembered);
    for (size_t i = 0; i < again.n; i++) CHECK(sl_eq(again.item[i].sentence, first.item[i].sentence));
    for (int i = 0; i < 20; i++) { /* bounded */
        q.helo = ar_printf(&a, "h%d.us.example", i);
        CHECK_OK(preflight_cached(c, z->dns, &a, &q, &again));
    }
    preflight_cache_free(&c);
    CHECK(!c);
    counted_close(z);
    ar_free(&a);
}
