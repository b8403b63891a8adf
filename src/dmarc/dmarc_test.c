/* dmarc_test.c - DMARC (RFC 9989): records, tree walk, author domains, alignment, verdicts; the
 * examples of appendix B, and what forgers try with From fields (section 11.5). */
#include "dmarc.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/test.h"
#include "dns/dns_test.h"
#include "mail/head.h"
#include "rt/test_rt.h"

/* ---- records ---- */

TEST(dmarc_versions)
{
    static const char *const good[] = {"v=DMARC1",           "v=DMARC1;",        "v=DMARC1; p=none",
                                       "v = DMARC1 ;p=none", "v=DMARC1;p=none;", "v=DMARC1 \t; p=none"};
    static const char *const bad[] = {"",
                                      "v=DMARC10",
                                      "v=dmarc1",
                                      "V=DMARC1",
                                      " v=DMARC1",
                                      "p=none; v=DMARC1",
                                      "v=DMARC1 p=none",
                                      "v=DMARC2; p=none",
                                      "v=spf1 -all",
                                      "DMARC1; p=none",
                                      "v=DMARC1,p=none"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!dmarc_is_record(sl_cstr(good[i]))) test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (dmarc_is_record(sl_cstr(bad[i]))) test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
}

static struct dmarc_record *record(struct arena *a, const char *text)
{
    struct dmarc_record *r = ar_new(a, struct dmarc_record);
    CHECK_OK(dmarc_record_parse(a, sl_cstr(text), r));
    return r;
}

TEST(dmarc_record_tags)
{
    struct arena a = {0};
    struct dmarc_record *r =
        record(&a, "v=DMARC1; p=reject; sp=Quarantine; np=none; adkim=s; aspf=S; psd=y; t=y; fo=1:d:s; "
                   "rua=mailto:a@example.com!10m , https://x.example/r,mailto:b%2Bc@example.net; "
                   "ruf=mailto:f@example.com; pct=50; ri=3600; "
                   "rf=afrf; x=y; junk");
    CHECK(r->usable && !r->bad_policy);
    CHECK_INT(r->p, DMARC_P_REJECT);
    CHECK_INT(r->sp, DMARC_P_QUARANTINE);
    CHECK_INT(r->np, DMARC_P_NONE);
    CHECK(r->adkim_strict && r->aspf_strict && r->test && r->psd == 'y');
    CHECK(r->fo_1 && r->fo_d && r->fo_s && !r->fo_0);
    REQUIRE(r->nrua == 3);
    CHECK_SL(r->rua[0].uri, "mailto:a@example.com");
    CHECK_SL(r->rua[0].mailbox, "a@example.com");
    CHECK_INT(r->rua[0].max_bytes, 10 << 20);
    CHECK_SL(r->rua[1].mailbox, "");
    CHECK_SL(r->rua[2].mailbox, "b+c@example.net");
    CHECK_INT(r->nruf, 1);
    CHECK_INT(r->pct, 50);
    CHECK_INT(r->ri, 3600);
    ar_free(&a);
}

TEST(dmarc_record_defaults)
{
    struct arena a = {0};
    struct dmarc_record *r = record(&a, "v=DMARC1; p=quarantine");
    CHECK_INT(r->sp, DMARC_P_QUARANTINE);
    CHECK_INT(r->np, DMARC_P_QUARANTINE);
    CHECK(!r->adkim_strict && !r->aspf_strict && !r->test && r->psd == 'u' && r->fo_0);
    r = record(&a, "v=DMARC1; p=reject; sp=none");
    CHECK_INT(r->np, DMARC_P_NONE); /* np takes sp's */
    /* Syntax errors take the default (section 4.8); the first of two tags counts. */
    r = record(
        &a, "v=DMARC1; adkim=x; aspf=rs; t=yes; psd=maybe; fo=0:1; pct=200; ri=-1; p=reject; p=none; =; ;;");
    CHECK(r->usable && !r->adkim_strict && !r->aspf_strict && !r->test && r->psd == 'u' && r->fo_0 &&
          !r->fo_1);
    CHECK_INT(r->p, DMARC_P_REJECT);
    CHECK_INT(r->pct, 100);
    ar_free(&a);
}

/* Section 4.10.1: what a wrong policy makes of the record. */
TEST(dmarc_record_without_good_policy)
{
    static const struct {
        const char *text;
        bool usable;
    } cases[] = {
        {"v=DMARC1;", false},
        {"v=DMARC1; rua=mailto:a@example.com", true},
        {"v=DMARC1; p=deny", false},
        {"v=DMARC1; p=deny; rua=mailto:a@example.com", true},
        {"v=DMARC1; p=reject; sp=x", false},
        {"v=DMARC1; p=reject; np=x; rua=mailto:a@example.com", true},
        {"v=DMARC1; p=; rua=nothing", false},
        {"v=DMARC1; rua=mailto:", false},
        {"v=DMARC1; rua=mailto:nobody", false},
        {"v=DMARC1; rua=https://a.example/", true},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dmarc_record *r = record(&a, cases[i].text);
        if (r->usable != cases[i].usable || !r->bad_policy || r->p != DMARC_P_NONE || r->sp != DMARC_P_NONE)
            test_fail(__FILE__, __LINE__, "%s", cases[i].text);
    }
    ar_free(&a);
}

TEST(dmarc_report_addresses_are_checked)
{
    static const char *const bad[] = {
        "mailto:a@b",
        "mailto:a b@example.com",
        "mailto:a%0d%0aRCPT@example.com",
        "mailto:%22x%22@example.com",
        "mailto:<a@example.com>",
        "mailto:@example.com",
        "mailto:a@[192.0.2.1]",
        "a@example.com",
        ":x",
        "1mailto:a@example.com",
        "mailto:a@example.com%",
        "ma ilto:x",
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct dmarc_record *r = record(&a, ar_cstr(&a, ar_printf(&a, "v=DMARC1; p=none; rua=%s", bad[i])));
        if (r->nrua) test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    }
    struct buf b = BUF_INIT;
    buf_str(&b, "v=DMARC1; p=none; rua=");
    for (int i = 0; i < 100; i++) buf_printf(&b, "mailto:a%d@example.com,", i);
    CHECK_INT(record(&a, ar_cstr(&a, buf_slice(&b)))->nrua, DMARC_URIS_MAX);
    buf_free(&b);
    ar_free(&a);
}

/* ---- the tree walk (section 4.10, appendix B.4) ---- */

static const char tree[] =
    "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n"
    "_dmarc.signing.example.com. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.mail.two.example. TXT \"v=DMARC1; p=none\"\n_dmarc.two.example. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.mail.own.example. TXT \"v=DMARC1; p=none; psd=n\"\n_dmarc.own.example. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.bank. TXT \"v=DMARC1; p=reject; psd=y\"\n_dmarc.giant.bank. TXT \"v=DMARC1; p=quarantine\"\n"
    "_dmarc.twice.example. TXT \"v=DMARC1; p=none\"\n_dmarc.twice.example. TXT \"v=DMARC1; p=reject\"\n"
    "_dmarc.other.example. TXT \"v=spf1 -all\"\n_dmarc.other.example. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.lost.example. TXT \"x\"\n;! servfail _dmarc.temp.example\n";

static struct dmarc_walk walk(struct counted_dns *z, struct arena *a, const char *domain)
{
    struct dmarc_walk w;
    z->questions = 0;
    CHECK_OK(dmarc_tree_walk(z->dns, a, sl_cstr(domain), &w));
    CHECK_INT(z->questions, w.n);
    return w;
}

TEST(dmarc_walk_takes_eight_questions)
{
    static const char *const want[] = {"a.b.c.d.e.f.g.h.i.j.mail.example.com",
                                       "g.h.i.j.mail.example.com",
                                       "h.i.j.mail.example.com",
                                       "i.j.mail.example.com",
                                       "j.mail.example.com",
                                       "mail.example.com",
                                       "example.com",
                                       "com"};
    struct arena a = {0};
    struct counted_dns *z = counted_open(tree);
    struct dmarc_walk w = walk(z, &a, want[0]);
    CHECK_INT(w.n, 8);
    for (size_t i = 0; i < w.n; i++) CHECK_SL(w.step[i].domain, want[i]);
    CHECK_SL(w.org, "example.com");
    w = walk(z, &a, "a.b.c.d.e.f.example.com"); /* exactly eight labels */
    CHECK_INT(w.n, 8);
    CHECK_SL(w.step[1].domain, "b.c.d.e.f.example.com");
    w = walk(z, &a, "com");
    CHECK_INT(w.n, 1);
    struct slice deep = {0};
    for (int i = 0; i < 110; i++) deep = ar_cat(&a, deep, SL("a."));
    w = walk(z, &a, ar_cstr(&a, ar_cat(&a, deep, SL("example.com"))));
    CHECK_INT(w.n, 8);
    CHECK_SL(w.org, "example.com");
    counted_close(z);
    ar_free(&a);
}

TEST(dmarc_walk_finds_the_organisation)
{
    static const struct {
        const char *domain, *org;
    } cases[] = {
        {"example.com", "example.com"},
        {"signing.example.com", "example.com"},
        {"a.mail.two.example", "two.example"},
        {"a.mail.own.example", "mail.own.example"},
        {"own.example", "own.example"},
        {"mail.own.example", "mail.own.example"},
        {"giant.bank", "giant.bank"},
        {"mail.giant.bank", "giant.bank"},
        {"mail.mega.bank", "mega.bank"},
        {"mega.bank", "mega.bank"},
        {"bank", "bank"},
        {"a.b.c.d.e.f.g.h.i.j.bank", "j.bank"},
        {"a.twice.example", "a.twice.example"},
        {"x.other.example", "other.example"},
        {"nothing.lost.example", "nothing.lost.example"},
    };
    struct arena a = {0};
    struct counted_dns *z = counted_open(tree);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dmarc_walk w = walk(z, &a, cases[i].domain);
        if (!sl_eq(w.org, sl_cstr(cases[i].org)))
            test_fail(__FILE__, __LINE__, "the organisation of %s is %.*s", cases[i].domain, SLF(w.org));
    }
    CHECK(walk(z, &a, "mail.temp.example").temperror);
    counted_close(z);
    ar_free(&a);
}

/* ---- author domains (section 5.3.1, 11.5) ---- */

static struct dmarc_authors authors(struct arena *a, const char *head, size_t n)
{
    struct mail_head *h = ar_new(a, struct mail_head);
    struct dmarc_authors r = {0};
    CHECK_OK(mail_head_parse(a, ar_dup(a, sl(head, n)), h));
    CHECK_OK(dmarc_authors(a, h, &r));
    return r;
}

TEST(dmarc_from_fields)
{
    static const struct {
        const char *head;
        enum dmarc_from state;
        const char *first;
    } cases[] = {
        {"From: a@Example.COM\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"from : \"A\" <a@example.com>\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: a@b\303\274cher.example\r\n\r\n", DMARC_FROM_ONE, "xn--bcher-kva.example"},
        {"From: a@example.com.\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: a@example.com, b@EXAMPLE.com\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From:\r\n (comment)\r\n a@example.com\r\n (x@bank.example)\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: \"boss@bank.example\" <a@evil.example>\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
        {"From: =?utf-8?q?boss=40bank.example?= <a@evil.example>\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
        {"From: \"x@bank.example,\" <a@evil.example>\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
        {"From: \"a\\\"@bank.example\"@evil.example\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
        {"From: People: a@example.com;\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"To: a@example.com\r\n\r\n", DMARC_FROM_MISSING, NULL},
        {"From: a@evil.example\r\nFrom: boss@bank.example\r\n\r\n", DMARC_FROM_REPEATED, NULL},
        {"From: a@evil.example\r\nFROM : boss@bank.example\r\n\r\n", DMARC_FROM_REPEATED, NULL},
        {"From: a@evil.example, b@bank.example\r\n\r\n", DMARC_FROM_SEVERAL, "evil.example"},
        {"From: boss@bank.example <a@evil.example>\r\n\r\n", DMARC_FROM_SEVERAL, "evil.example"},
        {"From: a@evil.example <a@evil.example>\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
        {"From: <boss@bank.example> <a@evil.example>\r\n\r\n", DMARC_FROM_SEVERAL, "bank.example"},
        {"From: <@bank.example:a@evil.example>\r\n\r\n", DMARC_FROM_SEVERAL, "bank.example"},
        {"From: a@evil.example\001, b@bank.example\r\n\r\n", DMARC_FROM_SEVERAL, "evil.example"},
        {"From: a@b.example,a@c.example,a@d.example,a@e.example,a@f.example\r\n\r\n", DMARC_FROM_TOO_MANY,
         "b.example"},
        {"From: \r\n\r\n", DMARC_FROM_NO_DOMAIN, NULL},
        {"From: nobody\r\n\r\n", DMARC_FROM_NO_DOMAIN, NULL},
        {"From: undisclosed:;\r\n\r\n", DMARC_FROM_NO_DOMAIN, NULL},
        {"From: a@[192.0.2.1]\r\n\r\n", DMARC_FROM_BAD, NULL},
        {"From: a@localhost\r\n\r\n", DMARC_FROM_BAD, NULL},
        /* who decodes first sees another author */
        {"From: =?utf-8?q?boss=40bank.example?=, a@evil.example\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: =?utf-8?b?Ym9zc0BiYW5rLmV4YW1wbGU=?=, a@evil.example\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: =?utf-8?q?boss=40bank.example=2C?= <a@evil.example>\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: =?utf-8?q?boss=40bank?=\r\n =?utf-8?q?=2Eexample=2C?= <a@evil.example>\r\n\r\n",
         DMARC_FROM_HIDDEN, NULL},
        {"From: =?utf-8?q?=3Cboss=40bank.example=3E?= <a@evil.example>\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: =?utf-8?q?boss=40bank.example?=@evil.example\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: a@evil.example (=?utf-8?q?=29=2Cboss=40bank.example?=)\r\n\r\n", DMARC_FROM_HIDDEN, NULL},
        {"From: \"=?utf-8?q?=22=2C_boss=40bank.example?=\" <a@evil.example>\r\n\r\n", DMARC_FROM_HIDDEN,
         NULL},
        {"From: =?utf-8?q?M=C3=BCller=2C_Hans?= <a@example.com>\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: =?utf-8?q?a=40example.com=2C_b?= <a@example.com>\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: =?utf-8?q?=40home?= <a@example.com>\r\n\r\n", DMARC_FROM_ONE, "example.com"},
        {"From: =?x-none?q?boss=40bank.example?=, a@evil.example\r\n\r\n", DMARC_FROM_ONE, "evil.example"},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dmarc_authors r = authors(&a, cases[i].head, strlen(cases[i].head));
        if (r.state != cases[i].state || (cases[i].first && !sl_eq(r.domain[0], sl_cstr(cases[i].first))))
            test_fail(__FILE__, __LINE__, "%s: state %d, %.*s", cases[i].head, r.state, SLF(r.domain[0]));
    }
    ar_free(&a);
}

TEST(dmarc_from_with_nul)
{
    static const char head[] = "From: a@evil.example\0, boss@bank.example\r\n\r\n";
    struct arena a = {0};
    struct dmarc_authors r = authors(&a, head, sizeof head - 1);
    CHECK(r.state != DMARC_FROM_ONE);
    ar_free(&a);
}

/* No From field, however odd, names one domain cleanly when another one stands behind an @. */
TEST(dmarc_from_never_hides_a_domain)
{
    static const char *const fields[] = {
        "boss@bank.example\\ <a@evil.example>",
        "<boss@bank.example>a@evil.example",
        "\"boss@bank.example a@evil.example",
        "boss@bank.example;a@evil.example",
        "boss@bank.example\t\t<a@evil.example",
        "a@evil.example boss@bank.example",
        "=?utf-8?b?eA==?= boss@bank.example (x) <a@evil.example>",
        "(a@evil.example boss@bank.example",
        "a@@bank.example <a@evil.example>",
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct arena a = {0};
        struct slice head = ar_printf(&a, "From: %s\r\n\r\n", fields[i]);
        struct dmarc_authors r = authors(&a, head.p, head.n);
        bool bank = false;
        for (size_t k = 0; k < r.n; k++) bank |= sl_eq(r.domain[k], SL("bank.example"));
        if (r.state == DMARC_FROM_ONE && !bank) test_fail(__FILE__, __LINE__, "%s", fields[i]);
        ar_free(&a);
    }
}

/* ---- verdicts ---- */

static const char policies[] =
    "example.com. A 192.0.2.1\nchild.example.com. A 192.0.2.1\n_dmarc.example.com. TXT \"v=DMARC1; p=reject; "
    "sp=quarantine; np=reject\"\n"
    "_dmarc.strict.example. TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n"
    "_dmarc.test.example. TXT \"v=DMARC1; p=reject; sp=quarantine; t=y\"\n"
    "_dmarc.quiet.example. TXT \"v=DMARC1; p=none\"\n_dmarc.bad.example. TXT \"v=DMARC1; p=deny\"\n"
    "_dmarc.old.example. TXT \"v=DMARC1; p=reject; pct=0; rf=afrf; ri=60\"\n"
    "_dmarc.bank. TXT \"v=DMARC1; p=reject; sp=quarantine; np=reject; psd=y\"\nnew.bank. A 192.0.2.1\n"
    "_dmarc.giant.bank. TXT \"v=DMARC1; p=quarantine\"\n"
    ";! servfail _dmarc.temp.example\n_dmarc.a.temp.example. TXT \"v=DMARC1; p=reject\"\n_dmarc.np.example. "
    "TXT \"v=DMARC1; p=none; sp=none; np=reject\"\n;! servfail odd.np.example\n"
    "_dmarc.xn--bcher-kva.example. TXT \"v=DMARC1; p=reject\"\n_dmarc.example.net. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.sub.example.com. TXT \"v=DMARC1; p=none\"\nsub.example.com. A 192.0.2.1\n";

struct facts {
    const char *spf, *dkim, *spf_temp, *dkim_temp;
};

static struct dmarc_result judge_all(struct dns *d, struct arena *a, struct dmarc_authors *from,
                                     struct facts f)
{
    struct dmarc_result r;
    struct slice pass = sl_cstr(f.dkim), temp = sl_cstr(f.dkim_temp);
    struct dmarc_evidence e = {
        .spf_domain = sl_cstr(f.spf ? f.spf : f.spf_temp),
        .spf_pass = f.spf,
        .spf_temperror = f.spf_temp,
        .dkim_pass = &pass,
        .ndkim_pass = f.dkim != NULL,
        .dkim_temperror = &temp,
        .ndkim_temperror = f.dkim_temp != NULL,
    };
    CHECK_OK(dmarc_check(d, a, from, &e, &r));
    CHECK(r.why.n > 0);
    CHECK(r.code == DMARC_FAIL || r.applied == DMARC_P_NONE);
    return r;
}

static struct dmarc_result judge(struct dns *d, struct arena *a, const char *author, struct facts f)
{
    struct dmarc_authors from = {.state = DMARC_FROM_ONE, .n = 1};
    CHECK_OK(dns_to_ascii(a, sl_cstr(author), &from.domain[0]));
    return judge_all(d, a, &from, f);
}

/* Appendix B.1: SPF and DKIM, strict, relaxed and not aligned. */
TEST(dmarc_alignment_examples)
{
    static const struct {
        const char *author, *id;
        bool pass;
    } cases[] = {
        {"example.com", "example.com", true},
        {"example.com", "child.example.com", true},
        {"child.example.com", "example.com", true},
        {"child.example.com", "example.net", false},
        {"example.com", "notexample.com", false},
        {"example.com", "com", false},
        {"foo.example.com", "bar.example.com", true},
        {"strict.example", "a.strict.example", false},
        {"strict.example", "strict.example", true},
        {"strict.example", "STRICT.example.", true},
        {"b\303\274cher.example", "xn--bcher-kva.example", true},
        {"mail.giant.bank", "giant.bank", true},
        {"giant.bank", "mail.mega.bank", false},
        {"example.com", "", false},
        {"example.com", "[192.0.2.1]", false},
    };
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int dkim = 0; dkim < 2; dkim++) {
            struct facts f = {.spf = dkim ? NULL : cases[i].id, .dkim = dkim ? cases[i].id : NULL};
            struct dmarc_result r = judge(z->dns, &a, cases[i].author, f);
            if ((r.code == DMARC_PASS) != cases[i].pass || (r.code != DMARC_PASS && r.code != DMARC_FAIL))
                test_fail(__FILE__, __LINE__, "%s for %s: %s", cases[i].id, cases[i].author,
                          dmarc_code_name(r.code));
            CHECK((dkim ? r.dkim_aligned : r.spf_aligned) == cases[i].pass);
        }
    counted_close(z);
    ar_free(&a);
}

#define FAILS(author_, tag_, policy_, published_, applied_)                                                  \
    do {                                                                                                     \
        struct dmarc_result r_ = judge(z->dns, &a, author_, (struct facts){0});                              \
        CHECK_INT(r_.code, DMARC_FAIL);                                                                      \
        CHECK_SL(sl_cstr(r_.tag), tag_);                                                                     \
        CHECK_SL(r_.policy_domain, policy_);                                                                 \
        CHECK_INT(r_.published, published_);                                                                 \
        CHECK_INT(r_.applied, applied_);                                                                     \
    } while (0)

/* Section 4.10.2: no tree walk is needed to tell that the same domain is the same. */
TEST(dmarc_the_same_domain_needs_no_walk)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    struct dmarc_result r = judge(z->dns, &a, "a.temp.example", (struct facts){.spf = "a.temp.example"});
    CHECK_INT(r.code, DMARC_PASS);
    CHECK(r.spf_aligned && !r.dkim_aligned && r.record);
    r = judge(z->dns, &a, "a.temp.example",
              (struct facts){.spf = "b.temp.example", .dkim = "A.temp.example"});
    CHECK_INT(r.code, DMARC_PASS);
    CHECK(!r.spf_aligned && r.dkim_aligned);
    r = judge(z->dns, &a, "a.temp.example", (struct facts){.spf = "b.temp.example"});
    CHECK_INT(r.code, DMARC_TEMPERROR);
    counted_close(z);
    ar_free(&a);
}

TEST(dmarc_policy_is_discovered)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    FAILS("example.com", "p", "example.com", DMARC_P_REJECT, DMARC_P_REJECT);
    FAILS("child.example.com", "sp", "example.com", DMARC_P_QUARANTINE, DMARC_P_QUARANTINE);
    FAILS("absent.example.com", "np", "example.com", DMARC_P_REJECT, DMARC_P_REJECT);
    FAILS("sub.example.com", "p", "sub.example.com", DMARC_P_NONE, DMARC_P_NONE);
    FAILS("test.example", "p", "test.example", DMARC_P_REJECT, DMARC_P_QUARANTINE);
    FAILS("a.test.example", "sp", "test.example", DMARC_P_QUARANTINE, DMARC_P_NONE);
    FAILS("quiet.example", "p", "quiet.example", DMARC_P_NONE, DMARC_P_NONE);
    FAILS("old.example", "p", "old.example", DMARC_P_REJECT, DMARC_P_REJECT); /* pct is gone */
    FAILS("new.bank", "sp", "bank", DMARC_P_QUARANTINE, DMARC_P_QUARANTINE);
    FAILS("absent.bank", "np", "bank", DMARC_P_REJECT, DMARC_P_REJECT);
    FAILS("mail.giant.bank", "p", "giant.bank", DMARC_P_QUARANTINE, DMARC_P_QUARANTINE);
    FAILS("bank", "p", "bank", DMARC_P_REJECT, DMARC_P_REJECT);
    struct dmarc_result r = judge(z->dns, &a, "nowhere.example", (struct facts){.spf = "nowhere.example"});
    CHECK_INT(r.code, DMARC_NONE);
    CHECK(!r.record);
    r = judge(z->dns, &a, "bad.example", (struct facts){0});
    CHECK_INT(r.code, DMARC_PERMERROR);
    r = judge(z->dns, &a, "absent.example.com", (struct facts){0});
    CHECK(r.author_missing);
    counted_close(z);
    ar_free(&a);
}

TEST(dmarc_dns_errors)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    CHECK_INT(judge(z->dns, &a, "temp.example", (struct facts){0}).code, DMARC_TEMPERROR);
    CHECK_INT(judge(z->dns, &a, "x.temp.example", (struct facts){.spf = "x.temp.example"}).code,
              DMARC_TEMPERROR);
    CHECK_INT(judge(z->dns, &a, "odd.np.example", (struct facts){0}).code, DMARC_TEMPERROR);
    /* Section 5.3.6: an identifier that could not be judged now makes no failure, when it would align. */
    CHECK_INT(judge(z->dns, &a, "example.com", (struct facts){.spf_temp = "child.example.com"}).code,
              DMARC_TEMPERROR);
    CHECK_INT(judge(z->dns, &a, "example.com", (struct facts){.dkim_temp = "example.com"}).code,
              DMARC_TEMPERROR);
    /* A stranger's silent DNS gains nothing. */
    CHECK_INT(judge(z->dns, &a, "example.com", (struct facts){.spf_temp = "example.net"}).code, DMARC_FAIL);
    CHECK_INT(judge(z->dns, &a, "example.com", (struct facts){.dkim_temp = "evil.example"}).code, DMARC_FAIL);
    CHECK_INT(
        judge(z->dns, &a, "example.com", (struct facts){.spf = "example.com", .dkim_temp = "example.com"})
            .code,
        DMARC_PASS);
    counted_close(z);
    ar_free(&a);
}

static struct dmarc_result judge_from(struct dns *d, struct arena *a, const char *field, struct facts f)
{
    struct slice head = ar_printf(a, "From: %s\r\n\r\n", field);
    struct dmarc_authors from = authors(a, head.p, head.n);
    return judge_all(d, a, &from, f);
}

TEST(dmarc_several_authors_take_the_strictest)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    struct facts ours = {.spf = "quiet.example", .dkim = "quiet.example"};
    struct dmarc_result r = judge_from(z->dns, &a, "a@quiet.example, b@example.com", ours);
    CHECK_INT(r.code, DMARC_FAIL);
    CHECK_SL(r.author, "example.com");
    CHECK_INT(r.applied, DMARC_P_REJECT);
    r = judge_from(z->dns, &a, "b@example.com <a@quiet.example>", ours);
    CHECK_INT(r.applied, DMARC_P_REJECT);
    r = judge_from(z->dns, &a, "a@quiet.example, b@nowhere.example", ours); /* never a pass for both */
    CHECK_INT(r.code, DMARC_NONE);
    CHECK_INT(r.from_state, DMARC_FROM_SEVERAL);
    r = judge_from(z->dns, &a, "a@quiet.example, b@quiet.example", ours);
    CHECK_INT(r.code, DMARC_PASS);
    CHECK_INT(judge_from(z->dns, &a, "nobody", ours).code, DMARC_PERMERROR);
    counted_close(z);
    ar_free(&a);
}

/* A stranger's From, whatever it holds, is judged. */
TEST(dmarc_too_many_authors_are_no_author)
{
    static const char *const heads[] = {
        "From: a@b.example,a@c.example,a@d.example,a@e.example,a@f.example\r\n\r\n",
        "From: a@b.example,a@c.example,a@d.example,a@e.example,a@f.example,a@g.example,a@h.example\r\n\r\n",
    };
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct dmarc_authors from = authors(&a, heads[i], strlen(heads[i]));
        CHECK_INT(from.state, DMARC_FROM_TOO_MANY);
        CHECK(judge_all(z->dns, &a, &from, (struct facts){.spf = "b.example"}).code != DMARC_PASS);
    }
    counted_close(z);
    ar_free(&a);
}

TEST(dmarc_questions_are_few)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(policies);
    judge(z->dns, &a, "quiet.example", (struct facts){.spf = "quiet.example", .dkim = "quiet.example"});
    CHECK_INT(z->questions, 1);
    z->questions = 0;
    judge(z->dns, &a, "a.b.c.d.e.f.g.h.i.j.example.com",
          (struct facts){.spf = "z.y.x.w.v.u.t.s.r.q.example.com"});
    CHECK(z->questions <= 2 * DMARC_WALK_MAX + 1);
    counted_close(z);
    ar_free(&a);
}
