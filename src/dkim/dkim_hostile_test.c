/* dkim_hostile_test.c - signatures that must not pass, and the word and reason each gets. */
#include "dkim_i.h"
#include "dkim_test.h"

/* RSA-2048 and RSA-1024 records are long; most cases use Ed25519. */
#define ED "k=ed25519; p=" TEST_ED_P "\"\n"
static const char keys[] =
    "e._domainkey.example.com. IN TXT \"v=DKIM1; " ED "e._domainkey.sub.example.com. IN TXT \"v=DKIM1; " ED
    "r._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=" TEST_RSA_P "\"\n"
    "bare._domainkey.example.com. IN TXT \"" ED "testing._domainkey.example.com. IN TXT \"v=DKIM1; t=y; " ED
    "strict._domainkey.example.com. IN TXT \"v=DKIM1; t=s; " ED
    "sha1._domainkey.example.com. IN TXT \"v=DKIM1; h=sha1; " ED
    "sha._domainkey.example.com. IN TXT \"v=DKIM1; h=sha1:sha256; " ED
    "web._domainkey.example.com. IN TXT \"v=DKIM1; s=web; " ED
    "any._domainkey.example.com. IN TXT \"v=DKIM1; s=web:*; " ED
    "gone._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; p=\"\n"
    "nop._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519\"\n"
    "v2._domainkey.example.com. IN TXT \"v=DKIM2; " ED "late._domainkey.example.com. IN TXT \"p=" TEST_ED_P
    "; k=ed25519; v=DKIM1\"\n"
    "dup._domainkey.example.com. IN TXT \"v=DKIM1; p=AAAA; " ED
    "short._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; "
    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==\"\n"
    "kind._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=" TEST_ED_P "\"\n"
    "alien._domainkey.example.com. IN TXT \"v=DKIM1; k=falcon; p=" TEST_ED_P "\"\n"
    "other._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; "
    "p=PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"\n"
    "wild._domainkey.example.com. IN TXT \"v=spf1 -all\"\n"
    "two._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; "
    "p=PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"\n"
    "two._domainkey.example.com. IN TXT \"hello\"\n"
    "two._domainkey.example.com. IN TXT \"v=DKIM1; " ED
    "alias._domainkey.example.com. IN CNAME key.provider.test.\n"
    "key.provider.test. IN TXT \"v=DKIM1; " ED
    "loop._domainkey.example.com. IN CNAME loop._domainkey.example.com.\n"
    "split._domainkey.example.com. IN TXT \"v=DKI\" \"M1; k=ed255\" \"19; p=11qYAYKxCrfVS/7TyWQHOg7h\" "
    "\"cvPapiMlrwIaaPcHURo=\"\n"
    "host._domainkey.example.com. IN A 192.0.2.1\n"
    "under_score._domainkey.example.com. IN TXT \"v=DKIM1; " ED ";! servfail fail._domainkey.example.com\n"
    ";! timeout slow._domainkey.example.com\n"
    "e._domainkey.xn--strae-oqa.example. IN TXT \"v=DKIM1; " ED
    "weak._domainkey.example.com. IN TXT \"v=DKIM1; "
    "p="
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMNKwHw40q9JsRZwi0vpQ34fvt3b5Auasl5oDmCTKUeaUynzHNdUKgXcflF4zBzsAKDF7XVr"
    "Y8/agvtu8njbk5kCAwEAAQ==\"\n";

#define MSG "From: joe@example.com\nTo: a@b.test\nSubject: hello\nDate: today\n\nLine one\nLine two\n"

/* A letter with one DKIM-Signature of these tags; where a tag list holds "bh=@" the body's hash
 * is put in, and a b= follows that is right for `key`. */
static struct slice sign_tags(struct arena *a, const char *tags, struct sign_key *key, const char *message)
{
    struct slice msg = letter(a, message), list = letter(a, tags);
    struct mail_head h;
    struct dkim_sig s;
    struct dkim_names names;
    struct buf data = BUF_INIT, sig = BUF_INIT;
    uint8_t sha256[32] = {0}, digest[HASH_MAX];
    uint64_t rest;
    size_t at = sl_find(list, SL("bh=@"));
    struct slice probe =
        at == SL_NONE ? list : replace(a, list, "bh=@", "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    CHECK_OK(
        mail_head_parse(a, ar_printf(a, "DKIM-Signature: %.*s; b=AAAA\r\n%.*s", SLF(probe), SLF(msg)), &h));
    dkim_sig_read(a, &h.field[0], FAMILY_DKIM, &s);
    struct dkim_body *b = dkim_body_new(a);
    int want = dkim_body_want(b, s.body_canon, s.has_length ? s.length : DKIM_WHOLE);
    dkim_body_add(b, sl_from(msg, sl_find(msg, SL("\r\n\r\n")) + 4));
    dkim_body_end(b);
    dkim_body_hash(b, want, sha256, &rest);
    struct slice bh = b64_encode_ar(a, sl(sha256, 32));
    if (at != SL_NONE) list = replace(a, list, "bh=@", ar_cstr(a, ar_printf(a, "bh=%.*s", SLF(bh))));
    CHECK_OK(
        mail_head_parse(a, ar_printf(a, "DKIM-Signature: %.*s; b=AAAA\r\n%.*s", SLF(list), SLF(msg)), &h));
    dkim_sig_read(a, &h.field[0], FAMILY_DKIM, &s);
    dkim_names_init(a, &h, &names);
    dkim_head_data(&data, &names, &s);
    hash_once(HASH_SHA256, buf_slice(&data), digest);
    CHECK_OK(sign_digest(key, digest, &sig));
    struct slice text = b64_encode_ar(a, buf_slice(&sig));
    buf_free(&data);
    buf_free(&sig);
    return ar_printf(a, "DKIM-Signature: %.*s; b=%.*s\r\n%.*s", SLF(list), SLF(text), SLF(msg));
}

#define BASE "v=1; a=ed25519-sha256; d=example.com; c=relaxed/relaxed; h=from:to:subject:date; bh=@; "

static void expect(struct dns *d, const char *tags, enum dkim_result want, const char *reason)
{
    struct arena a = {0};
    struct dkim_results r = verify(&a, d, sign_tags(&a, tags, test_key(KEY_ED25519), MSG));
    if (r.n != 1 || r.v[0].result != want || sl_find(r.v[0].reason, sl_cstr(reason)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "%s -> %s: %.*s", tags,
                  r.n ? dkim_result_name(r.v[0].result) : "nothing", SLF(r.n ? r.v[0].reason : SL("")));
    ar_free(&a);
}

/* Tags: syntax and meaning (RFC 6376 section 3.2, 3.5, 6.1.1). */
TEST(dkim_tags)
{
    struct dns *d = zone(keys);
    static const struct {
        const char *tags;
        enum dkim_result want;
        const char *reason;
    } cases[] = {
        {BASE "s=e", DKIM_PASS, "Ed25519"},
        {BASE "s=e; x_unknown=1; zz=", DKIM_PASS, ""},
        {BASE "s=e; q=dns/txt", DKIM_PASS, ""},
        {BASE "s=e; q=http/x : dns/txt", DKIM_PASS, ""},
        {BASE "s=e; q=http/x", DKIM_NEUTRAL, "q="},
        {BASE "s=e; q=dns", DKIM_NEUTRAL, "q="},
        {BASE "s=e; q=", DKIM_NEUTRAL, "q="},
        {BASE "s=e; z=From:joe@example.com|Subject:hello", DKIM_PASS, ""},
        {BASE "s=e; s=e", DKIM_NEUTRAL, "occurs twice"},
        {BASE "s=e; =1", DKIM_NEUTRAL, "tag name"},
        {BASE "s=e;; t=1", DKIM_NEUTRAL, "tag name"},
        {BASE "s=e; n\001=1", DKIM_NEUTRAL, "no \"=\""},
        {BASE "s=e; n=a\001b", DKIM_NEUTRAL, "not allowed"},
        {BASE "s=e; i=@example.com", DKIM_PASS, ""},
        {BASE "s=e; i=joe@EXAMPLE.com", DKIM_PASS, ""},
        {BASE "s=e; i=joe@a.b.example.com", DKIM_PASS, ""},
        {BASE "s=e; i=joe=40x@example.com", DKIM_PASS, ""},
        {BASE "s=e; i=example.com", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=@", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=joe@example.org", DKIM_PERMERROR, "i= is not d="},
        {BASE "s=e; i=joe@xexample.com", DKIM_PERMERROR, "i= is not d="},
        {BASE "s=e; i=joe@com", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=a=0Ab@example.com", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=a=4@example.com", DKIM_NEUTRAL, "i="},
        {BASE "s=e; i=@example.com=00", DKIM_NEUTRAL, "i="},
        {BASE "s=e; t=1700000000; x=1900000000", DKIM_PASS, ""},
        {BASE "s=e; t=1700000000; x=1700000000", DKIM_NEUTRAL, "not later"},
        {BASE "s=e; x=1700000000", DKIM_FAIL, "expired at 2023-11-14"},
        {BASE "s=e; x=1799999900", DKIM_PASS, ""}, /* within the clocks' difference */
        {BASE "s=e; t=1900000000", DKIM_POLICY, "future"},
        {BASE "s=e; t=1800000100", DKIM_PASS, ""},
        {BASE "s=e; t=-1", DKIM_NEUTRAL, "t="},
        {BASE "s=e; t=1234567890123", DKIM_NEUTRAL, "t="},
        {BASE "s=e; t=", DKIM_NEUTRAL, "t="},
        {BASE "s=e; x=1e9", DKIM_NEUTRAL, "x="},
        {BASE "s=e; l=-1", DKIM_NEUTRAL, "l="},
        {BASE "s=e; l=", DKIM_NEUTRAL, "l="},
        {BASE "s=e; l=1 0", DKIM_NEUTRAL, "l="},
        {BASE "s=e; l=20", DKIM_PASS, ""},
        {BASE "s=e; l=19", DKIM_POLICY, "1 bytes of the body are not covered"},
        {BASE "s=e; l=0", DKIM_POLICY, "20 bytes"},
        {BASE "s=e; l=21", DKIM_FAIL, "shorter"},
        {BASE "s=e; l=99999999999999999999999999999999999999999999999999999999999999999999999999", DKIM_FAIL,
         "shorter"},
        {BASE "s=e; l=18446744073709551616", DKIM_FAIL, "shorter"},
        {BASE "s=e; l=18446744073709551615", DKIM_FAIL, "shorter"},
        {BASE "s=e; l=00000000000000000000000000000000000000000000000000000000000000000000000000020",
         DKIM_NEUTRAL, "l="},
        {"v=2; a=ed25519-sha256; d=example.com; h=from; bh=@; s=e", DKIM_NEUTRAL, "v=2"},
        {"v=1 1; a=ed25519-sha256; d=example.com; h=from; bh=@; s=e", DKIM_NEUTRAL, "version"},
        {"a=ed25519-sha256; d=example.com; h=from; bh=@; s=e", DKIM_PERMERROR, "v= is missing"},
        {"v=1; d=example.com; h=from; bh=@; s=e", DKIM_PERMERROR, "a= is missing"},
        {"v=1; a=ed25519-sha256; h=from; bh=@; s=e", DKIM_PERMERROR, "d= is missing"},
        {"v=1; a=ed25519-sha256; d=example.com; bh=@; s=e", DKIM_PERMERROR, "h= is missing"},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; s=e", DKIM_PERMERROR, "bh= is missing"},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=@", DKIM_PERMERROR, "s= is missing"},
        {"v=1; a=rsa-sha1; d=example.com; h=from; bh=@; s=r", DKIM_PERMERROR, "RFC 8301"},
        {"v=1; a=rsa-md5; d=example.com; h=from; bh=@; s=r", DKIM_NEUTRAL, "not known"},
        {"v=1; a=RSA-SHA256; d=example.com; h=from; bh=@; s=r", DKIM_NEUTRAL, "not known"},
        {"v=1; a=; d=example.com; h=from; bh=@; s=r", DKIM_NEUTRAL, "not known"},
        {"v=1; a=ed25519-sha256; d=com; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=example.com.; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=exa mple.com; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=.example.com; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        /* names that would ask somebody else's DNS for the key (and look like the victim's) */
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=@; s=e._domainkey.evil.test.", DKIM_NEUTRAL, "s="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=@; s=e\\000", DKIM_NEUTRAL, "s="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=@; s=.", DKIM_NEUTRAL, "s="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=@; s=e(x)", DKIM_NEUTRAL, "s="},
        {"v=1; a=ed25519-sha256; d=example.com(.evil.test); h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=example.com,evil.test; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=[192.0.2.1]; h=from; bh=@; s=e", DKIM_NEUTRAL, "d="},
        {"v=1; a=ed25519-sha256; d=EXAMPLE.COM; h=from; bh=@; s=E", DKIM_PASS, ""},
        {"v=1; a=ed25519-sha256; d=example.com; h=to:subject; bh=@; s=e", DKIM_PERMERROR,
         "From is not signed"},
        {"v=1; a=ed25519-sha256; d=example.com; h=fromm; bh=@; s=e", DKIM_PERMERROR, "From is not signed"},
        {"v=1; a=ed25519-sha256; d=example.com; h=; bh=@; s=e", DKIM_NEUTRAL, "h="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from:; bh=@; s=e", DKIM_NEUTRAL, "h="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from::to; bh=@; s=e", DKIM_NEUTRAL, "h="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from to; bh=@; s=e", DKIM_NEUTRAL, "h="},
        {"v=1; a=ed25519-sha256; d=example.com; h=x-none:FROM\n : from; bh=@; s=e", DKIM_PASS, ""},
        {"v=1; a=ed25519-sha256; d=example.com; c=nofws; h=from; bh=@; s=e", DKIM_NEUTRAL, "c=nofws"},
        {"v=1; a=ed25519-sha256; d=example.com; c=simple/; h=from; bh=@; s=e", DKIM_NEUTRAL, "c="},
        {"v=1; a=ed25519-sha256; d=example.com; c=/simple; h=from; bh=@; s=e", DKIM_NEUTRAL, "c="},
        {"v=1; a=ed25519-sha256; d=example.com; c=relaxed; h=from; bh=@; s=e", DKIM_PASS, ""},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=AAAA; s=e", DKIM_NEUTRAL, "bh="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=; s=e", DKIM_NEUTRAL, "bh="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=!!; s=e", DKIM_NEUTRAL, "bh="},
        {"v=1; a=ed25519-sha256; d=example.com; h=from; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; s=e",
         DKIM_FAIL, "body was changed"},
        {"v=1; a=ed25519-sha256; d=stra\xc3\x9f"
         "e.example; h=from; bh=@; s=e",
         DKIM_PASS, ""}, /* RFC 8616 */
        {"v=1; a=ed25519-sha256; d=xn--strae-oqa.example; i=@stra\xc3\x9f"
         "e.example; h=from; bh=@; s=e",
         DKIM_PASS, ""},
        {"v=1; a=ed25519-sha256; d=\xff.example; h=from; bh=@; s=e", DKIM_NEUTRAL, "not allowed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) expect(d, cases[i].tags, cases[i].want, cases[i].reason);
    dns_close(&d);
}

/* Keys (section 3.6.1, 6.1.2; RFC 8301, 8463). */
TEST(dkim_keys)
{
    struct dns *d = zone(keys);
    static const struct {
        const char *tags;
        enum dkim_result want;
        const char *reason;
    } cases[] = {
        {BASE "s=bare", DKIM_PASS, ""},
        {BASE "s=testing", DKIM_PASS, "t=y"},
        {BASE "s=strict", DKIM_PASS, ""},
        {BASE "s=strict; i=joe@example.com", DKIM_PASS, ""},
        {BASE "s=strict; i=joe@sub.example.com", DKIM_PERMERROR, "t=s"},
        {BASE "s=sha1", DKIM_PERMERROR, "h="},
        {BASE "s=sha", DKIM_PASS, ""},
        {BASE "s=web", DKIM_PERMERROR, "s="},
        {BASE "s=any", DKIM_PASS, ""},
        {BASE "s=gone", DKIM_PERMERROR, "revoked"},
        {BASE "s=nop", DKIM_PERMERROR, "no p="},
        {BASE "s=v2", DKIM_PERMERROR, "DKIM1"},
        {BASE "s=late", DKIM_PERMERROR, "not the first"},
        {BASE "s=dup", DKIM_PERMERROR, "twice"},
        {BASE "s=short", DKIM_PERMERROR, "32 bytes"},
        {BASE "s=kind", DKIM_PERMERROR, "kind rsa"},
        {BASE "s=alien", DKIM_PERMERROR, "kind falcon"},
        {BASE "s=r", DKIM_PERMERROR, "kind rsa"},
        {BASE "s=other", DKIM_FAIL, "key is another"},
        {BASE "s=wild", DKIM_PERMERROR, "holds no key"},
        {BASE "s=two", DKIM_PASS, ""},
        {BASE "s=alias", DKIM_PASS, ""},
        {BASE "s=split", DKIM_PASS, ""},
        {BASE "s=under_score", DKIM_PASS, ""},
        {BASE "s=host", DKIM_PERMERROR, "no TXT"},
        {BASE "s=nowhere", DKIM_PERMERROR, "does not exist"},
        {BASE "s=fail", DKIM_TEMPERROR, "does not answer"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) expect(d, cases[i].tags, cases[i].want, cases[i].reason);
    int64_t deadline = deadline_narrow(DEADLINE_IN(50 * RT_MS));
    expect(d, BASE "s=slow", DKIM_TEMPERROR, "does not answer");
    deadline_restore(deadline);
    struct arena a = {0};
    struct dkim_results r = verify(&a, d, sign_tags(&a, BASE "s=loop", test_key(KEY_ED25519), MSG));
    CHECK(r.n == 1 && (r.v[0].result == DKIM_TEMPERROR || r.v[0].result == DKIM_PERMERROR));
    r = verify(&a, d, sign_tags(&a, BASE "s=testing", test_key(KEY_ED25519), MSG));
    CHECK(r.n == 1 && r.v[0].testing);
    ar_free(&a);
    dns_close(&d);
}

/* RSA keys of each size: below 1024 bits permanently failed, 1024 to 2047 noted (RFC 8301). */
TEST(dkim_rsa_sizes)
{
    struct arena a = {0};
    static const int sizes[] = {1024, 1536, 2048, 4096};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sign_key *k;
        REQUIRE(sign_key_new(KEY_RSA, sizes[i], &k) == 0);
        struct slice line = dkim_record_line(&a, SL("k"), SL("example.com"), k);
        struct dns *d = zone(ar_cstr(&a, ar_cat(&a, line, SL("\n"))));
        struct slice msg = sign_tags(&a, "v=1; a=rsa-sha256; d=example.com; s=k; h=from; bh=@", k, MSG);
        struct dkim_results r = verify(&a, d, msg);
        ONLY(r, DKIM_PASS);
        CHECK_INT(r.v[0].key_bits, sizes[i]);
        CHECK_INT(r.v[0].weak, sizes[i] < 2048);
        ONLY(verify(&a, d, replace(&a, msg, "hello", "hullo")), DKIM_PASS); /* Subject is not signed */
        ONLY(verify(&a, d, replace(&a, msg, "joe@", "jim@")), DKIM_FAIL);
        ONLY(verify(&a, d, replace(&a, msg, "b=", "b=AAAA")), DKIM_FAIL); /* wrong length */
        sign_key_free(&k);
        dns_close(&d);
    }
    ar_free(&a);
}

static const char weak_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEAw0rAfDjSr0mxFnCL\n"
                               "S+lDfh++3dvkC5qyXmgOYJMpR5pTKfMc11QqBdx+UXjMHOwAoMXtdWtjz9qC+27y\n"
                               "eNuTmQIDAQABAkEAvMNaPjfmXQvLobbyzVMQq64fnO5YBGdolRvbGbnkopFy/Id5\n"
                               "PYKVz9ZaaDdiRqF2pceBCgRs4rr68GHUjSLsKQIhAPxTHs5W+E7qlZz+rOA8NkcA\n"
                               "5xkmJGJzqRTOmr/vSF03AiEAxiL3KvVQjRNSq/OmLHc5mHTi9t1dCvtZFbzqCGYg\n"
                               "fa8CIQCIXffJNnGOXPOs3Grb6U7AQvmiut1xI+ceaqZx0sU+MwIgAKNOLmo5xyp/\n"
                               "wqP3Lf94RQBjVq4hxY5HnCVOj5ZclmsCIFOBoNzv1g81MqBPWN+SV6Y8FAKh56NR\n"
                               "OFxqpyIiMJCQ\n"
                               "-----END PRIVATE KEY-----\n";

TEST(dkim_rsa_too_short)
{
    struct arena a = {0};
    struct sign_key *k = NULL;
    struct dns *d = zone(keys);
    REQUIRE(sign_key_from_pem(sl_cstr(weak_pem), &k) == 0);
    struct dkim_results r =
        verify(&a, d, sign_tags(&a, "v=1; a=rsa-sha256; d=example.com; s=weak; h=from; bh=@", k, MSG));
    ONLY(r, DKIM_PERMERROR);
    CHECK_SL(r.v[0].reason, "the RSA key has 512 bits, fewer than 1024 (RFC 8301)");
    struct mail_head h;
    struct dkim_sign *s;
    struct dkim_body *b = dkim_body_new(&a);
    struct dkim_signer signer = {.domain = SL("example.com"), .selector = SL("weak"), .key = k};
    CHECK_OK(mail_head_parse(&a, SL("From: x\r\n\r\n"), &h));
    CHECK_ERR(dkim_sign_new(&a, &h, &signer, 1, 0, b, &s), ERR_DENIED);
    dkim_body_end(b);
    sign_key_free(&k);
    dns_close(&d);
    ar_free(&a);
}

/* A header that is replayed with others beside it: the literature's forgeries (section 8.15). */
TEST(dkim_replayed_headers)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = sign_tags(&a, BASE "s=e", test_key(KEY_ED25519), MSG);
    static const struct {
        const char *add;
        enum dkim_result want;
    } cases[] = {
        {"From: ceo@bank.test\r\n", DKIM_POLICY},
        {"from : ceo@bank.test\r\n", DKIM_POLICY},
        {"FROM:\r\n", DKIM_POLICY},
        {"Subject: you won\r\n", DKIM_POLICY},
        {"To: x\r\n", DKIM_POLICY},
        {"Date: x\r\n", DKIM_POLICY},
        {"Content-Type: text/html\r\n", DKIM_PASS}, /* was never signed */
        {"X-From: x\r\n", DKIM_PASS},
        {"From\t ceo@bank.test\r\n", DKIM_PASS}, /* no field at all */
        {"From : ceo@bank.test\r\n", DKIM_POLICY},
    };
    ONLY(verify(&a, d, msg), DKIM_PASS);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dkim_results r = verify(&a, d, ar_cat(&a, sl_cstr(cases[i].add), msg));
        if (r.n != 1 || r.v[0].result != cases[i].want)
            test_fail(__FILE__, __LINE__, "%s -> %s", cases[i].add, dkim_result_name(r.v[0].result));
    }
    /* The forged field below the signed one is the one that is hashed. */
    ONLY(verify(&a, d, replace(&a, msg, "Date: today", "Date: today\r\nFrom: ceo@bank.test")), DKIM_FAIL);
    /* Hidden by folding: one field, changed. */
    ONLY(verify(&a, d, replace(&a, msg, "hello", "hello\r\n From: ceo@bank.test")), DKIM_FAIL);
    struct dkim_policy lax = {.now = 1800000000, .extra_fields_ok = true, .partial_body_ok = true};
    ONLY(verify_with(&a, d, ar_cat(&a, SL("From: ceo@bank.test\r\n"), msg), &lax, 100), DKIM_PASS);
    ONLY(verify_with(&a, d, sign_tags(&a, BASE "s=e; l=3", test_key(KEY_ED25519), MSG), &lax, 100),
         DKIM_PASS);
    dns_close(&d);
    ar_free(&a);
}

/* l= and a body that somebody continued (section 8.2). */
TEST(dkim_appended_body)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg = sign_tags(&a, BASE "s=e; l=20", test_key(KEY_ED25519), MSG);
    struct dkim_results r = verify(&a, d, ar_cat(&a, msg, SL("Buy now!\r\n")));
    ONLY(r, DKIM_POLICY);
    CHECK(r.v[0].has_length && r.v[0].length == 20 && r.v[0].uncovered == 10);
    ONLY(verify(&a, d, ar_cat(&a, msg, SL("\r\n\r\n"))), DKIM_PASS);
    ONLY(verify(&a, d, replace(&a, msg, "Line two", "Line 2")), DKIM_FAIL);
    dns_close(&d);
    ar_free(&a);
}

/* Many signatures: eight are evaluated, 32 listed, the rest counted; eight questions at most. */
struct counting {
    int questions;
    bool big;
};

static int count_questions(void *arg, struct arena *a, struct slice name, enum dns_type type,
                           struct dns_answer *out)
{
    struct counting *c = arg;
    (void)name;
    c->questions++;
    *out = (struct dns_answer){.status = c->big ? DNS_FOUND : DNS_NXDOMAIN};
    if (c->big && type == DNS_TXT) {
        out->n = 300;
        out->rr = ar_array(a, struct dns_rr, 300);
        char *text = ar_alloc(a, 65000);
        memset(text, 'a', 65000);
        memcpy(text, "p=", 2);
        for (size_t i = 0; i < 300; i++) out->rr[i].txt = sl(text, i % 2 ? 200 : 65000);
    }
    return 0;
}

TEST(dkim_many_signatures)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    for (int i = 0; i < 50; i++)
        buf_printf(&b,
                   "DKIM-Signature: v=1; a=ed25519-sha256; d=d%d.test; s=s; h=from; b=AAAA%d; l=%d;\r\n"
                   " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=\r\n",
                   i, i + 10, i);
    buf_str(&b, "From: x\r\n\r\nbody of the letter\r\n");
    for (int big = 0; big < 2; big++) {
        struct counting c = {.big = big};
        struct dns *d = dns_open_func(count_questions, &c);
        struct dkim_results r = verify(&a, d, buf_slice(&b));
        CHECK_INT(r.n, 32);
        CHECK_INT(r.unlisted, 18);
        CHECK_INT(c.questions, 8);
        for (size_t i = 0; i < r.n; i++) CHECK_INT(r.v[i].result, i < 8 ? DKIM_PERMERROR : DKIM_POLICY);
        CHECK_INT(r.overall, DKIM_POLICY);
        CHECK_SL(r.v[3].b_prefix, "AAAA13");
        dns_close(&d);
    }
    buf_free(&b);
    ar_free(&a);
}

/* The same key for several signatures is asked for once. */
TEST(dkim_questions_shared)
{
    struct arena a = {0};
    struct counting c = {0};
    struct dns *d = dns_open_func(count_questions, &c);
    struct slice one = sign_tags(&a, BASE "s=e", test_key(KEY_ED25519), MSG);
    struct slice field = sl_sub(one, 0, sl_find(one, SL("From:")));
    verify(&a, d, ar_cat(&a, field, ar_cat(&a, field, one)));
    CHECK_INT(c.questions, 1);
    c.questions = 0;
    struct dkim_results r = verify(&a, d, letter(&a, MSG));
    CHECK(r.n == 0 && r.overall == DKIM_NONE && c.questions == 0);
    dns_close(&d);
    ar_free(&a);
}

/* Keys asked for while the body still streams by, in a fiber of its own. */
struct early {
    struct dkim_verify *v;
    struct arc_verify *c;
    struct dns *dns;
};

static void ask_early(void *arg)
{
    struct early *x = arg;
    CHECK_OK(dkim_verify_ask(x->v, x->dns));
    CHECK_OK(arc_verify_ask(x->c, x->dns));
}

TEST(dkim_asked_early)
{
    struct arena a = {0};
    struct counting c = {0};
    struct dns *d = zone(keys), *none = dns_open_func(count_questions, &c);
    struct slice msg = sign_tags(&a, BASE "s=e", test_key(KEY_ED25519), MSG);
    struct mail_head head;
    struct group g;
    struct dkim_results r;
    struct arc_result chain;
    CHECK_OK(mail_head_parse(&a, msg, &head));
    struct dkim_body *b = dkim_body_new(&a);
    struct early x = {dkim_verify_new(&a, &head, NULL, b), arc_verify_new(&a, &head, NULL, b), d};
    group_init(&g);
    CHECK_OK(group_go(&g, "early", ask_early, &x));
    dkim_body_add(b, sl_from(msg, head.body_at));
    fiber_yield();
    dkim_body_end(b);
    CHECK_OK(group_wait(&g));
    CHECK_OK(dkim_verify_end(x.v, none, &r));
    CHECK_OK(arc_verify_end(x.c, none, &chain));
    ONLY(r, DKIM_PASS);
    CHECK_INT(c.questions, 0);
    dns_close(&d);
    dns_close(&none);
    ar_free(&a);
}

/* A DNS that hangs costs the fiber's deadline, not eight times 15 seconds. */
static int hang(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)a, (void)name, (void)type;
    int e = fiber_sleep(60 * RT_S);
    *out = (struct dns_answer){.status = DNS_TEMPFAIL};
    return e == ERR_CANCELED ? e : 0;
}

TEST(dkim_dns_hangs)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(hang, NULL);
    struct slice one = sign_tags(&a, BASE "s=e", test_key(KEY_ED25519), MSG);
    struct slice two = sign_tags(&a, BASE "s=f", test_key(KEY_ED25519), MSG);
    struct slice both = ar_cat(&a, sl_sub(two, 0, sl_find(two, SL("From:"))), one);
    int64_t before = rt_now(), deadline = deadline_narrow(DEADLINE_IN(50 * RT_MS));
    struct dkim_results r = verify(&a, d, both);
    deadline_restore(deadline);
    CHECK(rt_now() - before < 30 * RT_S);
    CHECK_INT(r.n, 2);
    CHECK_INT(r.overall, DKIM_TEMPERROR);
    dns_close(&d);
    ar_free(&a);
}

/* Oversized fields and lists are refused before they cost anything. */
TEST(dkim_oversized)
{
    struct arena a = {0};
    struct counting c = {0};
    struct dns *d = dns_open_func(count_questions, &c);
    struct buf b = BUF_INIT;
    buf_str(&b, "DKIM-Signature: v=1; a=ed25519-sha256; d=d.test; s=s; "
                "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;b=AA; h=from");
    for (int i = 0; i < DKIM_NAMES_MAX; i++) buf_str(&b, ":x");
    buf_str(&b, "\r\nFrom: x\r\n\r\n");
    ONLY(verify(&a, d, buf_slice(&b)), DKIM_NEUTRAL);
    buf_clear(&b);
    buf_str(&b, "DKIM-Signature: v=1; a=ed25519-sha256; d=d.test; s=s; "
                "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;h=from;b=");
    for (int i = 0; i < DKIM_FIELD_MAX; i++) buf_char(&b, 'A');
    buf_str(&b, "\r\nFrom: x\r\n\r\n");
    ONLY(verify(&a, d, buf_slice(&b)), DKIM_NEUTRAL);
    CHECK_INT(c.questions, 0);
    buf_free(&b);
    dns_close(&d);
    ar_free(&a);
}

/* What was not signed by us never passes, however the letter is damaged: one change at each
 * place of a signed letter either keeps the canonical form or ends in no pass. */
TEST(dkim_mutations_never_pass_by_mistake)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg =
        sign_tags(&a,
                  "v=1; a=ed25519-sha256; d=example.com; c=simple/simple;\n h=from:to:subject:date; bh=@;"
                  " s=e; t=1700000000; i=joe@example.com",
                  test_key(KEY_ED25519), MSG);
    ONLY(verify(&a, d, msg), DKIM_PASS);
    size_t b_at = sl_find(msg, SL("; b=")) + 4, b_end = sl_find(msg, SL("From:"));
    for (size_t i = 0; i < msg.n; i++) {
        struct arena each = {0};
        char *copy = ar_cstr(&each, msg);
        copy[i] ^= 0x01;
        struct dkim_results r = verify(&each, d, sl(copy, msg.n));
        /* b= may change without effect only in the unused bits of its last character. */
        bool in_b = i >= b_at && i < b_end;
        if (r.overall == DKIM_PASS && !in_b)
            test_fail(__FILE__, __LINE__, "byte %zu changed and still a pass", i);
        ar_free(&each);
    }
    dns_close(&d);
    ar_free(&a);
}

/* z= tells people which field was changed (diagnosis only, section 3.5). */
TEST(dkim_copied_fields)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct slice msg =
        sign_tags(&a, BASE "s=e; z=From:joe@example.com|To:a@b.test|\n Subject:hel=\n|Date:today",
                  test_key(KEY_ED25519), MSG);
    (void)msg;
    msg = sign_tags(&a, BASE "s=e; z=From:joe@example.com|To:a@b.test|\n Subject:hello|Date:=20today",
                    test_key(KEY_ED25519), MSG);
    ONLY(verify(&a, d, msg), DKIM_PASS);
    struct dkim_results r = verify(&a, d, replace(&a, msg, "Subject: hello", "Subject: bye"));
    ONLY(r, DKIM_FAIL);
    CHECK(sl_find(r.v[0].reason, SL("Subject")) != SL_NONE);
    dns_close(&d);
    ar_free(&a);
}
