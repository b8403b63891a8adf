/* dkim_sign_test.c - what we sign verifies, and covers what it should. */
#include "dkim_i.h"
#include "dkim_test.h"

static const char keys[] = "r._domainkey.example.com. IN TXT \"v=DKIM1; h=sha256; k=rsa; p=" TEST_RSA_P "\"\n"
                           "e._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n";

static const char text[] = "Received: from a\n by b; Fri, 11 Jul 2003 21:01:54 -0700\n"
                           "From: Joe SixPack <joe@example.com>\n"
                           "To: Suzie Q <suzie@shopping.example.net>,\n\tx@example.net\n"
                           "Subject: Is dinner  ready?\n"
                           "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                           "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                           "References: <1@x> <2@x>\n"
                           "\n"
                           "Hi.  \n"
                           "\n"
                           "We lost the game.\n"
                           "\n\n";

static struct dkim_signer signer(enum key_kind k, enum dkim_canon head, enum dkim_canon body)
{
    return (struct dkim_signer){.domain = SL("example.com"),
                                .selector = k == KEY_RSA ? SL("r") : SL("e"),
                                .key = test_key(k),
                                .head_canon = head,
                                .body_canon = body,
                                .timestamp = true,
                                .lifetime = 864000000};
}

static size_t longest_line(struct slice s)
{
    size_t most = 0;
    struct slice line;
    while (sl_next(&s, '\n', &line)) most = line.n > most ? line.n : most;
    return most;
}

TEST(sign_and_verify)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = letter(&a, text);
    for (int c = 0; c < 8; c++) {
        struct dkim_signer k =
            signer((enum key_kind)(c & 1), (enum dkim_canon)(c >> 1 & 1), (enum dkim_canon)(c >> 2));
        k.identity = c & 1 ? SL("joe smith;=\xc3\xa4|@news.example.com") : SL("");
        struct slice out = sign_letter(&a, msg, &k, 1);
        struct dkim_results r = verify(&a, d, out);
        ONLY(r, DKIM_PASS);
        CHECK(sl_eq(r.v[0].identity, c & 1 ? k.identity : SL("@example.com")));
        CHECK_INT(r.v[0].timestamp, 1700000000);
        CHECK_INT(r.v[0].expires, 1700000000LL + 864000000);
        CHECK(r.v[0].head_canon == k.head_canon && r.v[0].body_canon == k.body_canon);
        CHECK(longest_line(sl_sub(out, 0, out.n - msg.n)) <= 78);
        r = verify(&a, d, replace(&a, out, "dinner", "Dinner"));
        ONLY(r, DKIM_FAIL);
        r = verify(&a, d, replace(&a, out, "game", "match"));
        ONLY(r, DKIM_FAIL);
    }
    dns_close(&d);
    ar_free(&a);
}

TEST(sign_rsa_and_ed25519)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct dkim_signer k[] = {signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED),
                              signer(KEY_RSA, DKIM_RELAXED, DKIM_SIMPLE)};
    struct dkim_results r = verify(&a, d, sign_letter(&a, letter(&a, text), k, 2));
    REQUIRE(r.n == 2);
    CHECK(r.v[0].result == DKIM_PASS && r.v[1].result == DKIM_PASS);
    CHECK_SL(r.v[0].algorithm, "ed25519-sha256");
    CHECK_SL(r.v[1].algorithm, "rsa-sha256");
    CHECK_SL(r.v[0].names,
             "from:from:to:to:subject:subject:date:date:cc:reply-to:message-id:message-id:mime-version:"
             "content-type:content-transfer-encoding:references");
    dns_close(&d);
    ar_free(&a);
}

/* What is oversigned cannot be added (RFC 6376 section 8.15); what is not, can. */
TEST(sign_oversigned)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct dkim_signer k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
    struct slice out = sign_letter(&a, letter(&a, text), &k, 1);
    static const char *const fatal[] = {
        "From: a@evil.test\r\n",
        "To: b@evil.test\r\n",
        "Subject: Win\r\n",
        "Date: now\r\n",
        "Reply-To: a@evil.test\r\n",
        "Content-Type: text/html\r\n",
        "content-transfer-encoding: base64\r\n",
        "CC: x@evil.test\r\n",
        "MIME-Version: 1.0\r\n",
        "Message-ID: <2@x>\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(fatal); i++) {
        ONLY(verify(&a, d, ar_cat(&a, sl_cstr(fatal[i]), out)), DKIM_FAIL); /* at the top */
        ONLY(verify(&a, d,
                    replace(&a, out, "\r\n\r\nHi", ar_cstr(&a, ar_printf(&a, "\r\n%s\r\nHi", fatal[i])))),
             DKIM_FAIL); /* and at the bottom */
    }
    ONLY(verify(&a, d, ar_cat(&a, SL("X-Spam: no\r\nReceived: x\r\nList-Id: <l>\r\nSender: s@x\r\n"), out)),
         DKIM_PASS);
    dns_close(&d);
    ar_free(&a);
}

TEST(sign_own_rules_and_duplicates)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    static const struct dkim_field_rule rules[] = {{SL_INIT("Received"), false}, {SL_INIT("From"), false}};
    struct dkim_signer k = signer(KEY_ED25519, DKIM_SIMPLE, DKIM_SIMPLE);
    k.rules = rules, k.nrules = 2, k.timestamp = false, k.lifetime = 0;
    struct slice msg = ar_cat(&a, SL("Received: one\r\n"), letter(&a, text));
    struct slice out = sign_letter(&a, msg, &k, 1);
    struct dkim_results r = verify(&a, d, out);
    ONLY(r, DKIM_PASS);
    CHECK_SL(r.v[0].names, "received:received:from");
    CHECK(r.v[0].timestamp == -1 && r.v[0].expires == -1);
    ONLY(verify(&a, d, replace(&a, out, "one", "two")), DKIM_FAIL);
    ONLY(verify(&a, d, replace(&a, out, "dinner", "lunch")), DKIM_PASS);
    dns_close(&d);
    ar_free(&a);
}

TEST(sign_refuses)
{
    struct arena a = {0};
    struct mail_head with, without;
    struct dkim_sign *s;
    struct dkim_body *b = dkim_body_new(&a);
    CHECK_OK(mail_head_parse(&a, SL("From: x\r\n\r\n"), &with));
    CHECK_OK(mail_head_parse(&a, SL("To: x\r\n\r\n"), &without));
    struct dkim_signer k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
    CHECK_ERR(dkim_sign_new(&a, &without, &k, 1, 0, b, &s), ERR_SYNTAX);
    static const char *const bad[] = {"", "com", "a..b", ".a.b", "a.b.", "a b.c", "a;b.c", "-a.b", "a\r\n.b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
        k.domain = sl_cstr(bad[i]);
        CHECK_ERR(dkim_sign_new(&a, &with, &k, 1, 0, b, &s), ERR_USAGE);
    }
    k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
    k.selector = SL("a;b");
    CHECK_ERR(dkim_sign_new(&a, &with, &k, 1, 0, b, &s), ERR_USAGE);
    k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
    static const char *const bad_i[] = {"joe", "@example.org", "@notexample.com", "@xexample.com", "a@"};
    for (size_t i = 0; i < COUNT_OF(bad_i); i++) {
        k.identity = sl_cstr(bad_i[i]);
        CHECK_ERR(dkim_sign_new(&a, &with, &k, 1, 0, b, &s), ERR_USAGE);
    }
    dkim_body_end(b);
    ar_free(&a);
}

/* Letters without body, header-only, with odd line ends and a full buffer. */
TEST(sign_odd_letters)
{
    static const char *const odd[] = {
        "From: x\r\n\r\n",
        "From: x\r\n",
        "From: x",
        "From:\r\n\r\n\r\n\r\n",
        "From: x\r\n\r\na\rb\nc",
        "fRoM : x\r\n\ty\r\n\r\n.",
        "bad line\r\nFrom: x\r\n\r\n \r\n",
        "From: \xff\xfe\r\nTo: \xc3\xa4@x\r\n\r\n\0",
    };
    struct arena a = {0};
    struct dns *d = zone(keys);
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        for (int c = 0; c < 4; c++) {
            struct dkim_signer k = signer(KEY_ED25519, (enum dkim_canon)(c & 1), (enum dkim_canon)(c >> 1));
            struct dkim_results r = verify(&a, d, sign_letter(&a, sl_cstr(odd[i]), &k, 1));
            ONLY(r, DKIM_PASS);
        }
    struct mail_head h;
    struct buf small = {.cap = 100};
    struct dkim_sign *s = NULL;
    struct dkim_signer k = signer(KEY_ED25519, DKIM_RELAXED, DKIM_RELAXED);
    struct dkim_body *b = dkim_body_new(&a);
    CHECK_OK(mail_head_parse(&a, SL("From: x\r\n\r\n"), &h));
    CHECK_OK(dkim_sign_new(&a, &h, &k, 1, 0, b, &s));
    dkim_body_end(b);
    CHECK_ERR(dkim_sign_end(s, &small), ERR_TOO_LONG);
    buf_free(&small);
    dns_close(&d);
    ar_free(&a);
}
