/* dkim_record_test.c - tag lists, key records, publication (RFC 6376 section 3.2, 3.6). */
#include "dkim_publish.h"
#include "dkim_test.h"

static int parse(struct arena *a, const char *text, struct tag_list *l)
{
    return tag_list_parse(a, sl_cstr(text), l);
}

TEST(tag_list_good)
{
    struct arena a = {0};
    struct tag_list l;
    CHECK_OK(parse(&a, "a=1", &l));
    CHECK_OK(parse(&a, " v = DKIM1 ;\tk=\r\n rsa; x_1=; p=a b\r\n\tc = ; ", &l));
    REQUIRE(l.n == 4);
    CHECK_SL(l.v[0].name, "v");
    CHECK_SL(l.v[0].value, "DKIM1");
    CHECK_SL(l.v[0].span, " DKIM1 ");
    CHECK_SL(l.v[1].value, "rsa");
    CHECK_SL(tag_value(&l, "x_1"), "");
    CHECK(tag_value(&l, "x_1").p && !tag_value(&l, "X_1").p); /* empty is not missing; case matters */
    CHECK_SL(tag_value(&l, "p"), "a b\r\n\tc =");
    CHECK_OK(parse(&a, "a=1;b=2;", &l));
    CHECK_INT(l.n, 2);
    CHECK_OK(parse(&a, "n=\xc3\xa4", &l)); /* RFC 8616 */
    ar_free(&a);
}

TEST(tag_list_bad)
{
    static const char *const bad[] = {
        "",        " ",          ";",         "a",     "a;",    "=1",      "1a=1",
        "_a=1",    "a-b=1",      "a=1;;b=2",  ";a=1",  "a=1;b", "a=1;a=2", "a=1; b=2; a=1",
        "a=1\x01", "a=\x7f",     "a=1\r\nb",  "a=1\r", "a=1\n", "a=b\rc",  "a=\xff",
        "a b=1",   "\xc3\xa4=1", "a=1;b=2;;",
    };
    struct arena a = {0};
    struct tag_list l;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (parse(&a, bad[i], &l) != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "accepted: \"%s\"", bad[i]);
    CHECK_ERR(tag_list_parse(&a, sl("a=\0", 3), &l), ERR_SYNTAX);
    struct buf many = BUF_INIT;
    for (int i = 0; i < TAGS_MAX; i++) buf_printf(&many, "t%d=%d;", i, i);
    CHECK_OK(tag_list_parse(&a, buf_slice(&many), &l));
    CHECK_INT(l.n, TAGS_MAX);
    buf_str(&many, "z=1");
    CHECK_ERR(tag_list_parse(&a, buf_slice(&many), &l), ERR_LIMIT);
    buf_free(&many);
    ar_free(&a);
}

TEST(key_record)
{
    struct arena a = {0};
    struct dkim_record r;
    CHECK_OK(dkim_record_parse(&a, SL("v=DKIM1; p=AAEC"), &r));
    CHECK(r.known_kind && r.kind == KEY_RSA && r.sha256_ok && r.email_ok && !r.testing && !r.strict);
    CHECK(r.public.n == 3 && !memcmp(r.public.p, "\0\1\2", 3));
    CHECK_OK(dkim_record_parse(&a, SL("p=AA EC\r\n "), &r)); /* v= is only recommended; FWS in base64 */
    CHECK_INT(r.public.n, 3);
    CHECK_OK(dkim_record_parse(
        &a, SL("v=DKIM1;k=ed25519;h=sha1 : sha256;s=email:x;t=y : s;n=a note;p=AAEC;z=9"), &r));
    CHECK(r.kind == KEY_ED25519 && r.sha256_ok && r.email_ok && r.testing && r.strict);
    CHECK_SL(r.notes, "a note");
    CHECK_OK(dkim_record_parse(&a, SL("v=DKIM1; p="), &r)); /* revoked */
    CHECK_INT(r.public.n, 0);
    CHECK_OK(dkim_record_parse(&a, SL("v=DKIM1; h=sha1; s=tlsrpt; t=Y:S; k=dsa; p=AAEC"), &r));
    CHECK(!r.known_kind && !r.sha256_ok && !r.email_ok && !r.testing && !r.strict);
    CHECK_SL(r.k, "dsa");
    CHECK_OK(dkim_record_parse(&a, SL("v=DKIM1; s=*; h=; p=AAEC"), &r));
    CHECK(r.email_ok && !r.sha256_ok); /* an empty list allows nothing */
    static const char *const bad[] = {
        "v=DKIM1",         "v=DKIM1; k=rsa",
        "v=DKIM2; p=AAEC", "v=DKIM1.0; p=AAEC",
        "v=dkim1; p=AAEC", "p=AAEC; v=DKIM1",
        "v=DKIM1; p=*",    "v=DKIM1; p=AAEC; p=AAEC",
        "v=spf1 -all",     "",
        "hello",           "v=DKIM1 p=AAEC",
        "v=; p=AAEC",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (dkim_record_parse(&a, sl_cstr(bad[i]), &r) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "accepted: \"%s\"", bad[i]);
    char *huge = ar_alloc(&a, DKIM_RECORD_MAX + 1);
    memset(huge, 'a', DKIM_RECORD_MAX + 1);
    memcpy(huge, "p=", 2);
    CHECK_ERR(dkim_record_parse(&a, sl(huge, DKIM_RECORD_MAX + 1), &r), ERR_SYNTAX);
    ar_free(&a);
}

TEST(key_record_text)
{
    struct arena a = {0};
    CHECK_SL(dkim_record_text(&a, test_key(KEY_ED25519), ""), "v=DKIM1; k=ed25519; p=" TEST_ED_P);
    CHECK_SL(dkim_record_text(&a, test_key(KEY_RSA), "y:s"),
             "v=DKIM1; h=sha256; k=rsa; t=y:s; p=" TEST_RSA_P);
    CHECK_SL(dkim_txt_quote(&a, SL("a\"b\\c\001")), "\"a\\\"b\\\\c\\001\"");
    CHECK_SL(dkim_txt_quote(&a, SL("")), "\"\"");
    char *x = ar_alloc(&a, 600);
    memset(x, 'x', 600);
    struct slice q = dkim_txt_quote(&a, sl(x, 600));
    CHECK_INT(q.n, 600 + 3 * 2 + 2);
    CHECK_INT(sl_find(q, SL("\" \"")), 256);
    struct slice line = dkim_record_line(&a, SL("s1"), SL("example.com"), test_key(KEY_RSA));
    CHECK(sl_starts(line, SL("s1._domainkey.example.com. IN TXT \"v=DKIM1; h=sha256; k=rsa; p=MIG")));
    ar_free(&a);
}

static struct dkim_publish check(struct arena *a, const char *records, enum key_kind k)
{
    struct dkim_publish p = {0};
    struct dns *d = zone(records);
    CHECK_OK(dkim_publish_check(a, d, SL("example.com"), SL("s1"), test_key(k), &p));
    dns_close(&d);
    return p;
}
#define NAME "s1._domainkey.example.com. IN TXT "

TEST(publish_check)
{
    struct arena a = {0};
    static const struct {
        const char *zone;
        enum key_kind key;
        enum dkim_published want;
    } cases[] = {
        {NAME "\"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n", KEY_ED25519, DKIM_PUB_RIGHT},
        {NAME "\"v=DKIM1; k=ed25519; p=11qYAYKx\" \"CrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n", KEY_ED25519,
         DKIM_PUB_RIGHT},
        {NAME "\"v=DKIM1; t=y; k=ed25519; p=" TEST_ED_P "\"\n", KEY_ED25519, DKIM_PUB_RIGHT},
        {NAME "\"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n", KEY_RSA, DKIM_PUB_WRONG},
        {NAME "\"v=DKIM1; k=ed25519; p=\"\n", KEY_ED25519, DKIM_PUB_WRONG},
        {NAME "\"v=DKIM1; k=ed25519; h=sha1; p=" TEST_ED_P "\"\n", KEY_ED25519, DKIM_PUB_WRONG},
        {NAME "\"v=DKIM1; k=ed25519; s=other; p=" TEST_ED_P "\"\n", KEY_ED25519, DKIM_PUB_WRONG},
        {NAME "\"v=DKIM1; k=ed25519; p=AAAA"
              "\"\n",
         KEY_ED25519, DKIM_PUB_WRONG},
        {NAME "\"v=spf1 -all\"\n", KEY_RSA, DKIM_PUB_MISSING},
        {"x.example.com. IN TXT \"v=spf1 -all\"\n", KEY_RSA, DKIM_PUB_MISSING},
        {"s1._domainkey.example.com. IN A 192.0.2.1\n", KEY_RSA, DKIM_PUB_MISSING},
        {NAME "\"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n" NAME "other\n", KEY_ED25519, DKIM_PUB_SEVERAL},
        {";! servfail s1._domainkey.example.com\n" NAME "x\n", KEY_RSA, DKIM_PUB_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dkim_publish p = check(&a, cases[i].zone, cases[i].key);
        if (p.state != cases[i].want)
            test_fail(__FILE__, __LINE__, "case %zu: %s (%.*s)", i, dkim_published_name(p.state),
                      SLF(p.reason));
        CHECK_SL(p.name, "s1._domainkey.example.com");
    }
    /* What we tell people to publish is what we accept. */
    for (int k = 0; k < 2; k++) {
        struct slice line = dkim_record_line(&a, SL("s1"), SL("example.com"), test_key((enum key_kind)k));
        struct dkim_publish p = check(&a, ar_cstr(&a, line), (enum key_kind)k);
        CHECK_INT(p.state, DKIM_PUB_RIGHT);
        CHECK(sl_eq(p.line, line));
    }
    ar_free(&a);
}
