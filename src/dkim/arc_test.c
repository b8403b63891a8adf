/* arc_test.c - ARC chains: sealed by us and verified, forged in every way (RFC 8617). */
#include "arc.h"
#include "dkim_test.h"

#define ED "IN TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n"
static const char keys[] =
    "s._domainkey.one.test. " ED "s._domainkey.two.test. " ED "s._domainkey.three.test. " ED
    "r._domainkey.one.test. IN TXT \"v=DKIM1; k=rsa; p=" TEST_RSA_P "\"\n"
    "gone._domainkey.one.test. IN TXT \"v=DKIM1; k=ed25519; p=\"\n"
    ";! servfail fail._domainkey.one.test\n";

static const char text[] =
    "DKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=s; h=from; bh=AAAA; b=AAAA\n"
    "From: Joe <joe@example.com>\n"
    "To: list@one.test\n"
    "Subject: hello\n"
    "Date: today\n"
    "Message-ID: <1@example.com>\n"
    "\n"
    "Text of the letter.\n";

/* Seals as `domain` what arrived with this result; RSA for selector r; rules: NULL for the default. */
static struct slice seal_with(struct arena *a, struct slice msg, const char *domain, const char *selector,
                              const struct arc_result *arrived, const struct dkim_field_rule *rules,
                              size_t nrules)
{
    struct mail_head *head = ar_new(a, struct mail_head);
    struct arc_sealer s = {
        .domain = sl_cstr(domain),
        .selector = sl_cstr(selector),
        .key = test_key(*selector == 'r' ? KEY_RSA : KEY_ED25519),
        .rules = rules,
        .nrules = nrules,
        .authres = ar_printf(a, "%s;\r\n\tspf=pass smtp.mailfrom=joe@example.com; dkim=fail", domain)};
    struct buf out = BUF_INIT;
    struct arc_seal *x = NULL;
    CHECK_OK(mail_head_parse(a, msg, head));
    struct dkim_body *b = dkim_body_new(a);
    CHECK_OK(arc_seal_new(a, head, &s, arrived, 1700000000, b, &x));
    dkim_body_add(b, sl_from(msg, head->body_at));
    dkim_body_end(b);
    if (x) CHECK_OK(arc_seal_end(x, &out));
    buf_put(&out, msg);
    struct slice sealed = ar_dup(a, buf_slice(&out));
    buf_free(&out);
    return sealed;
}

static struct slice seal(struct arena *a, struct slice msg, const char *domain, const char *selector,
                         const struct arc_result *arrived)
{
    return seal_with(a, msg, domain, selector, arrived, NULL, 0);
}

/* Verifies and seals again. */
static struct slice hop(struct arena *a, struct dns *d, struct slice msg, const char *domain,
                        const char *selector)
{
    struct arc_result arrived = verify_arc(a, d, msg);
    return seal(a, msg, domain, selector, &arrived);
}

static struct slice three_hops(struct arena *a, struct dns *d)
{
    struct slice msg = hop(a, d, letter(a, text), "one.test", "r");
    msg = hop(a, d, msg, "two.test", "s");
    return hop(a, d, msg, "three.test", "s");
}

#define EXPECT(r, want)                                                                                      \
    do {                                                                                                     \
        if ((r).status != (want))                                                                            \
            test_fail(__FILE__, __LINE__, "%s (%.*s), not %s", arc_status_name((r).status), SLF((r).reason), \
                      arc_status_name(want));                                                                \
    } while (0)

TEST(arc_none)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct arc_result r = verify_arc(&a, d, letter(&a, text));
    EXPECT(r, ARC_NONE);
    CHECK(r.n == 0 && r.highest == 0 && !r.ended);
    dns_close(&d);
    ar_free(&a);
}

TEST(arc_seal_and_verify)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = hop(&a, d, letter(&a, text), "one.test", "r");
    struct arc_result r = verify_arc(&a, d, msg);
    EXPECT(r, ARC_PASS);
    CHECK_SL(r.reason, "1 set, newest sealed by one.test");
    CHECK(r.n == 1 && r.highest == 1 && r.oldest_pass == 0);
    CHECK_SL(r.set[0].cv, "none");
    CHECK_SL(r.set[0].aar_id, "one.test");
    CHECK_SL(r.set[0].aar, "one.test;\tspf=pass smtp.mailfrom=joe@example.com; dkim=fail");
    msg = three_hops(&a, d);
    r = verify_arc(&a, d, msg);
    EXPECT(r, ARC_PASS);
    REQUIRE(r.n == 3);
    CHECK_INT(r.oldest_pass, 0);
    CHECK_SL(r.set[0].seal_domain, "one.test");
    CHECK_SL(r.set[2].seal_domain, "three.test");
    CHECK_SL(r.set[2].ams_selector, "s");
    CHECK_SL(r.set[2].cv, "pass");
    for (int i = 0; i < 3; i++) {
        CHECK_INT(r.set[i].instance, i + 1);
        CHECK_INT(r.set[i].seal_result, DKIM_PASS);
        CHECK_INT(r.set[i].ams_result, DKIM_PASS);
        CHECK_INT(r.set[i].timestamp, 1700000000);
    }
    /* the top field is the newest seal */
    CHECK(sl_starts(msg, SL("ARC-Seal: i=3; a=ed25519-sha256; t=1700000000; cv=pass; d=three.test; s=s;")));
    CHECK_INT(r.set[2].seal_field, 0);
    CHECK_INT(r.set[2].ams_field, 1);
    CHECK_INT(r.set[2].aar_field, 2);
    dns_close(&d);
    ar_free(&a);
}

/* A list changes the letter between two hops: older message signatures break, the chain does not. */
TEST(arc_oldest_pass)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = hop(&a, d, letter(&a, text), "one.test", "s");
    struct arc_result arrived = verify_arc(&a, d, msg);
    EXPECT(arrived, ARC_PASS);
    msg = seal(&a, ar_cat(&a, msg, SL("-- \r\nlist footer\r\n")), "two.test", "s", &arrived);
    msg = hop(&a, d, msg, "three.test", "s");
    struct arc_result r = verify_arc(&a, d, msg);
    EXPECT(r, ARC_PASS);
    CHECK_INT(r.oldest_pass, 2);
    REQUIRE(r.n == 3);
    CHECK(r.set[0].ams_result == DKIM_FAIL && r.set[1].ams_result == DKIM_PASS);
    CHECK(r.set[0].reason.n > 0);
    /* Changed after the newest seal: fail. */
    EXPECT(verify_arc(&a, d, ar_cat(&a, msg, SL("more\r\n"))), ARC_FAIL);
    dns_close(&d);
    ar_free(&a);
}

/* A whole field of that start cut out of a letter. */
static struct slice without(struct arena *a, struct slice msg, const char *start)
{
    size_t at = sl_find(msg, sl_cstr(start));
    if (at == SL_NONE) return msg;
    size_t end = at;
    do end += sl_chr(sl_from(msg, end), '\n') + 1;
    while (msg.p[end] == '\t' || msg.p[end] == ' ');
    return ar_cat(a, sl_sub(msg, 0, at), sl_from(msg, end));
}

static struct slice field(struct slice msg, const char *start)
{
    size_t at = sl_find(msg, sl_cstr(start)), end = at;
    do end += sl_chr(sl_from(msg, end), '\n') + 1;
    while (msg.p[end] == '\t' || msg.p[end] == ' ');
    return sl_sub(msg, at, end);
}

static void must_fail(struct arena *a, struct dns *d, struct slice msg, const char *why)
{
    struct arc_result r = verify_arc(a, d, msg);
    if (r.status != ARC_FAIL || sl_find(r.reason, sl_cstr(why)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "\"%s\" wanted, got %s: %.*s", why, arc_status_name(r.status),
                  SLF(r.reason));
}

/* Section 5.2 step 3 A and B: missing, doubled, forged, out of range. */
TEST(arc_structure)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = three_hops(&a, d);
    static const char *const parts[] = {
        "ARC-Seal: i=", "ARC-Message-Signature: i=", "ARC-Authentication-Results: i="};
    for (int p = 0; p < 3; p++)
        for (int i = 1; i <= 3; i++) {
            const char *start = ar_cstr(&a, ar_printf(&a, "%s%d;", parts[p], i));
            must_fail(&a, d, without(&a, msg, start), "not one of each");
            must_fail(&a, d, ar_cat(&a, field(msg, start), msg), "not one of each"); /* doubled on top */
            must_fail(&a, d, replace(&a, msg, start, ar_cstr(&a, ar_printf(&a, "%s%d;", parts[p], i + 3))),
                      "");
            must_fail(&a, d, replace(&a, msg, start, ar_cstr(&a, ar_printf(&a, "%s0;", parts[p]))),
                      "malformed");
            must_fail(&a, d, replace(&a, msg, start, ar_cstr(&a, ar_printf(&a, "%s51;", parts[p]))),
                      "malformed");
            must_fail(&a, d, replace(&a, msg, start, ar_cstr(&a, ar_printf(&a, "%s001;", parts[p]))),
                      "malformed");
            must_fail(&a, d, replace(&a, msg, start, ar_cstr(&a, ar_printf(&a, "%s-1;", parts[p]))),
                      "malformed");
        }
    for (int i = 1; i <= 3;
         i++) { /* a gap, or the newest set taken away whole (the chain before it is good) */
        struct slice cut = msg;
        for (int p = 0; p < 3; p++) cut = without(&a, cut, ar_cstr(&a, ar_printf(&a, "%s%d;", parts[p], i)));
        if (i == 3) EXPECT(verify_arc(&a, d, cut), ARC_PASS);
        else must_fail(&a, d, cut, "not one of each");
    }
    must_fail(&a, d, ar_cat(&a, SL("ARC-Seal: hello\r\n"), msg), "malformed");
    must_fail(&a, d, ar_cat(&a, SL("ARC-Authentication-Results: one.test; spf=pass\r\n"), msg), "malformed");
    must_fail(&a, d,
              ar_cat(&a, SL("ARC-Authentication-Results: i=1; one.test; spf=pass\r\n"), letter(&a, text)),
              "not one of each");
    dns_close(&d);
    ar_free(&a);
}

/* Step 3 C and the contents: any change to any ARC field breaks the chain. */
TEST(arc_contents)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = three_hops(&a, d);
    must_fail(&a, d, replace(&a, msg, "cv=pass", "cv=none"), "cv=none, not cv=pass");
    must_fail(&a, d, replace(&a, msg, "cv=none", "cv=pass"), "cv=pass, not cv=none");
    must_fail(&a, d, replace(&a, msg, "cv=none", "cv=fail"), "cv=fail, not cv=none");
    must_fail(&a, d, replace(&a, msg, "cv=none", "cv=NONE"), "malformed");
    must_fail(&a, d, replace(&a, msg, "cv=pass; ", ""), "malformed");
    must_fail(&a, d, replace(&a, msg, "ARC-Seal: i=1;", "ARC-Seal: i=1; h=from;"), "no h=");
    must_fail(&a, d, replace(&a, msg, "dkim=fail", "dkim=pass"), "ARC-Seal of set 3");
    must_fail(&a, d,
              replace(&a, msg, "ARC-Message-Signature: i=3; a=ed25519-sha256; c=relaxed/relaxed;",
                      "ARC-Message-Signature: i=3; a=ed25519-sha256; c=relaxed/relaxed; h=arc-seal:from;"),
              "twice");
    must_fail(&a, d, replace(&a, msg, "h=from:", "h=arc-seal:from:"), "signs ARC-Seal fields");
    must_fail(&a, d, replace(&a, msg, "Subject: hello", "Subject: Hello"), "ARC-Message-Signature of set 3");
    must_fail(&a, d, replace(&a, msg, "Text", "text"), "body was changed");
    must_fail(&a, d, ar_cat(&a, SL("From: ceo@bank.test\r\n"), msg), "ARC-Message-Signature of set 3");
    /* older AAR, AMS and AS are protected by the seals above them */
    size_t last = sl_find(msg, SL("ARC-Authentication-Results: i=1;"));
    struct slice old = replace(&a, sl_from(msg, last), "spf=pass", "spf=fail");
    must_fail(&a, d, ar_cat(&a, sl_sub(msg, 0, last), old), "ARC-Seal of set");
    /* what relaxed canonicalisation forgives */
    EXPECT(verify_arc(&a, d, replace(&a, msg, "ARC-Seal: i=2;", "arc-seal:   i=2;")), ARC_PASS);
    EXPECT(verify_arc(&a, d, ar_cat(&a, SL("Received: x\r\nAuthentication-Results: y; none\r\n"), msg)),
           ARC_PASS);
    dns_close(&d);
    ar_free(&a);
}

/* An attacker's own chain on top of foreign evidence: instances forged with another's name. */
TEST(arc_forged_instances)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice plain = letter(&a, text);
    struct slice honest = hop(&a, d, plain, "one.test", "s");
    /* set 1 taken from another letter, set 2 sealed honestly by somebody who did not look */
    struct slice stolen = sl_sub(honest, 0, honest.n - plain.n);
    struct slice other = replace(&a, ar_cat(&a, stolen, plain), "Subject: hello", "Subject: Buy now");
    must_fail(&a, d, other, "ARC-Message-Signature of set 1");
    struct arc_result lie = {.status = ARC_PASS, .highest = 1};
    struct arc_result r = verify_arc(&a, d, seal(&a, other, "two.test", "s", &lie));
    EXPECT(r, ARC_PASS); /* whoever trusts two.test trusts that it verified; the report tells the rest */
    CHECK_INT(r.oldest_pass, 2);
    /* the seal of set 1 is not of the domain that it names */
    must_fail(&a, d, replace(&a, honest, "d=one.test; s=s;", "d=two.test; s=s;"), "set 1");
    must_fail(&a, d, replace(&a, honest, "d=one.test; s=s;", "d=nobody.test; s=s;"), "does not exist");
    dns_close(&d);
    ar_free(&a);
}

TEST(arc_keys)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = seal(&a, letter(&a, text), "one.test", "gone", NULL);
    must_fail(&a, d, msg, "revoked");
    msg = seal(&a, letter(&a, text), "one.test", "fail", NULL);
    must_fail(&a, d, msg, "does not answer");
    struct arc_result r = verify_arc(&a, d, msg);
    CHECK(r.temporary); /* all the same permanent: section 5.2.1 */
    dns_close(&d);
    ar_free(&a);
}

TEST(arc_sealing_rules)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = hop(&a, d, letter(&a, text), "one.test", "s");
    /* A broken chain: our set says cv=fail and covers itself only; then nothing more may be added. */
    struct slice broken = replace(&a, msg, "Text", "text");
    struct slice out = hop(&a, d, broken, "two.test", "s");
    CHECK(sl_starts(out, SL("ARC-Seal: i=2; a=ed25519-sha256; t=1700000000; cv=fail; d=two.test")));
    must_fail(&a, d, out, "says cv=fail");
    struct arc_result r = verify_arc(&a, d, out);
    CHECK(r.ended && r.highest == 2 && r.n == 2);
    struct mail_head h;
    struct arc_seal *x;
    struct dkim_body *b = dkim_body_new(&a);
    struct arc_sealer s = {.domain = SL("two.test"),
                           .selector = SL("s"),
                           .key = test_key(KEY_ED25519),
                           .authres = SL("x; none")};
    CHECK_OK(mail_head_parse(&a, out, &h));
    CHECK_ERR(arc_seal_new(&a, &h, &s, &r, 0, b, &x), ERR_STATE);
    /* 50 sets are the end */
    struct arc_result full = {.status = ARC_PASS, .highest = 50};
    CHECK_ERR(arc_seal_new(&a, &h, &s, &full, 0, b, &x), ERR_STATE);
    /* the chain went away on the road inside */
    struct arc_result one = {.status = ARC_PASS, .highest = 1};
    CHECK_OK(mail_head_parse(&a, letter(&a, text), &h));
    CHECK_ERR(arc_seal_new(&a, &h, &s, &one, 0, b, &x), ERR_STATE);
    s.authres = SL("x; none\r\nBcc: y");
    CHECK_ERR(arc_seal_new(&a, &h, &s, NULL, 0, b, &x), ERR_USAGE);
    s.authres = SL("");
    CHECK_ERR(arc_seal_new(&a, &h, &s, NULL, 0, b, &x), ERR_USAGE);
    dkim_body_end(b);
    dns_close(&d);
    ar_free(&a);
}

TEST(arc_long_chain)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = letter(&a, text);
    static const char *const who[] = {"one.test", "two.test", "three.test"};
    for (int i = 0; i < 50; i++) msg = hop(&a, d, msg, who[i % 3], "s");
    struct arc_result r = verify_arc(&a, d, msg);
    EXPECT(r, ARC_PASS);
    CHECK(r.n == 50 && r.oldest_pass == 0);
    struct buf many = BUF_INIT;
    for (int i = 0; i < 60; i++)
        buf_printf(&many,
                   "ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=d%d.test; s=s; b=AAAA\r\n"
                   "ARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1; x; none\r\n",
                   i);
    buf_put(&many, letter(&a, text));
    must_fail(&a, d, buf_slice(&many), "more than 50 sets");
    buf_free(&many);
    dns_close(&d);
    ar_free(&a);
}

/* Section 4.1.2, 5.2: a message signature may cover fields of the sets before it, all but ARC-Seal, which is
 * written after it. Chains of every length by sealers that do so, in turn with those that do not. */
TEST(arc_chains_that_sign_arc_fields)
{
    static const struct dkim_field_rule rules[] = {{SL_INIT("from"), true},
                                                   {SL_INIT("subject"), false},
                                                   {SL_INIT("mime-version"), false},
                                                   {SL_INIT("arc-authentication-results"), false},
                                                   {SL_INIT("arc-message-signature"), false}},
                                        seals[] = {{SL_INIT("from"), true}, {SL_INIT("arc-seal"), false}};
    static const char twice[] =
        "From: joe@example.com\nMIME-Version: 1.0\nMIME-Version: 1.0\nSubject: x\n\ntext\n";
    static const char *const who[] = {"one.test", "two.test", "three.test"};
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = letter(&a, twice);
    for (int i = 0; i < 12; i++) {
        struct arc_result arrived = verify_arc(&a, d, msg);
        EXPECT(arrived, i ? ARC_PASS : ARC_NONE);
        CHECK(arrived.oldest_pass == (i ? 0 : -1));
        size_t n = i % 4 == 3 ? 0 : COUNT_OF(rules);
        struct slice before = msg;
        msg = seal_with(&a, msg, who[i % 3], "s", &arrived, n ? rules : NULL, n);
        if (i && n) CHECK(sl_find(msg, SL("arc-authentication-results")) != SL_NONE);
        if (i)
            must_fail(&a, d, seal_with(&a, before, who[i % 3], "s", &arrived, seals, COUNT_OF(seals)),
                      "signs ARC-Seal fields");
    }
    /* a set in the middle loses one word of what the others cover */
    must_fail(&a, d, replace(&a, msg, "MIME-Version: 1.0", "MIME-Version: 2.0"), "ARC-Message-Signature");
    dns_close(&d);
    ar_free(&a);
}

static int counted(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)a, (void)name, (void)type;
    ++*(int *)arg;
    *out = (struct dns_answer){.status = DNS_NXDOMAIN};
    return 0;
}

/* Section 9.2: who cannot sign the message as it is does not make us ask for others' keys. */
TEST(arc_questions)
{
    struct arena a = {0};
    int n = 0;
    struct dns *none = dns_open_func(counted, &n);
    struct buf b = BUF_INIT;
    for (int i = 50; i >= 1; i--)
        buf_printf(&b,
                   "ARC-Seal: i=%d; a=ed25519-sha256; cv=%s; d=d%d.test; s=s; b=AAAA\r\n"
                   "ARC-Message-Signature: i=%d; a=ed25519-sha256; d=m%d.test; s=s; h=from; l=%d;\r\n"
                   " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n"
                   "ARC-Authentication-Results: i=%d; x; none\r\n",
                   i, i > 1 ? "pass" : "none", i, i, i, i, i);
    buf_put(&b, letter(&a, text));
    struct arc_result r = verify_arc(&a, none, buf_slice(&b));
    EXPECT(r, ARC_FAIL);
    CHECK_INT(n, 2);
    CHECK_INT(r.n, 50);
    buf_free(&b);
    dns_close(&none);
    ar_free(&a);
}

/* The form of RFC 8617 appendix B (the RFC gives no keys for it): read as it stands there. */
TEST(arc_rfc8617_appendix_b)
{
    static const char set1[] = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;\n"
                               "         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/\n"
                               "        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==\n"
                               "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=\n"
                               "        lists.example.org; h=message-id:date:from:to:subject; s=\n"
                               "        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL\n"
                               "        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y\n"
                               "        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==\n"
                               "ARC-Authentication-Results: i=1; lists.example.org; spf=pass\n"
                               "    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)\n"
                               "    header.i=@d1.example; dmarc=pass\n"
                               "From: John Q Doe <jqd@d1.example>\n"
                               "\n"
                               "Hey gang,\n";
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct arc_result r = verify_arc(&a, d, letter(&a, set1));
    EXPECT(r, ARC_FAIL);
    CHECK_SL(r.reason, "the ARC-Message-Signature of set 1 did not verify: no key: "
                       "dk-lists._domainkey.lists.example.org does not exist");
    REQUIRE(r.n == 1);
    CHECK_SL(r.set[0].ams_domain, "lists.example.org");
    CHECK_SL(r.set[0].ams_selector, "dk-lists");
    CHECK_SL(r.set[0].aar_id, "lists.example.org");
    CHECK_INT(r.set[0].timestamp, 12345);
    /* comments are allowed around the instance (section 3.9) */
    r = verify_arc(
        &a, d,
        letter(&a, "ARC-Seal: (a \\) (b)) i = 1 (c); cv=none; a=ed25519-sha256; d=one.test; s=s; b=AAAA\n"
                   "ARC-Message-Signature: (x) i=1 (y); a=ed25519-sha256; d=one.test; s=s; h=from; b=AAAA;\n"
                   " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=\n"
                   "ARC-Authentication-Results: (p) i (q) = (r) 1 (s); host; none\nFrom: x\n\n"));
    EXPECT(r, ARC_FAIL);
    CHECK_SL(sl_sub(r.reason, 0, 48), "the ARC-Message-Signature of set 1 did not verif");
    CHECK_SL(r.set[0].aar_id, "host");
    dns_close(&d);
    ar_free(&a);
}
