/* sigv4_test.c - signatures of AWS' own test suite (aws-sig-v4-test-suite), and what is none. */
#include "sigv4.h"

#include "base/test.h"

enum { WHEN = 1440938160 }; /* 2015-08-30T12:36:00Z */
static const struct slice secret = SL_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

static struct http_request request(const char *line)
{
    struct http_request r = {0};
    CHECK_OK(http_request_line(&r, sl_cstr(line)));
    CHECK_OK(http_request_field(&r, SL("Host: example.amazonaws.com")));
    CHECK_OK(http_request_field(&r, SL("X-Amz-Date: 20150830T123600Z")));
    CHECK_OK(http_request_end(&r));
    return r;
}

static struct sigv4 signature(const char *hex)
{
    return (struct sigv4){SL("AKIDEXAMPLE"), SL("20150830"),        SL("us-east-1"),
                          SL("service"),     SL("host;x-amz-date"), sl_cstr(hex)};
}

TEST(sigv4_suite)
{
    static const struct {
        const char *line, *signature;
    } cases[] = {
        {"GET / HTTP/1.1", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"GET /?Param2=value2&Param1=value1 HTTP/1.1",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"POST / HTTP/1.1", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    };
    struct arena a;
    ar_init(&a, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_request r = request(cases[i].line);
        struct sigv4 s = signature(cases[i].signature);
        CHECK_OK(sigv4_verify(&a, &s, &r, SL(""), secret, WHEN));
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL("x"), secret, WHEN), ERR_DENIED);
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL(""), SL("other"), WHEN), ERR_DENIED);
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL(""), secret, WHEN + SIGV4_SKEW_S + 1), ERR_DENIED);
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL(""), secret, WHEN - SIGV4_SKEW_S - 1), ERR_DENIED);
        s.headers = SL("x-amz-date");
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL(""), secret, WHEN), ERR_DENIED);
        s.headers = SL("host;x-amz-date;x-other");
        CHECK_ERR(sigv4_verify(&a, &s, &r, SL(""), secret, WHEN), ERR_DENIED);
    }
    ar_free(&a);
}

TEST(sigv4_field)
{
    struct sigv4 s;
    CHECK_OK(sigv4_parse(SL("AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/ses/aws4_request, "
                            "SignedHeaders=host;x-amz-date, "
                            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
                         &s));
    CHECK_SL(s.id, "AKID");
    CHECK_SL(s.service, "ses");
    CHECK_SL(s.headers, "host;x-amz-date");
    static const char *const bad[] = {
        "", "Bearer x", "AWS4-HMAC-SHA256 Credential=AKID",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws5, "
        "SignedHeaders=host, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host, Signature=5f"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(sigv4_parse(sl_cstr(bad[i]), &s), ERR_DENIED);
}

static int verify(const char *line, const char *more, const char *signature_of)
{
    struct arena a;
    ar_init(&a, 0);
    struct http_request r = request(line);
    if (more) CHECK_OK(http_request_field(&r, sl_cstr(more)));
    struct sigv4 s = signature(signature_of);
    int e = sigv4_verify(&a, &s, &r, SL(""), secret, WHEN);
    ar_free(&a);
    return e;
}

/* Signatures by botocore's SigV4Auth, the reference in Python. */
TEST(sigv4_of_awkward_queries)
{
    static const struct {
        const char *line, *signature;
    } cases[] = {
        {"GET /?a=1&a-b=2&a=0 HTTP/1.1", "c73e4d1a8a3a45ef95f4c13d114ee2f57027207e127a68a10c203a94b05d0040"},
        {"GET /?a%20b=c&a=d HTTP/1.1", "cba5f0ed73f0949bf5cb06c7a148a557774eb343d441b0ce08af95ba1a46841c"},
        {"GET /?x=%2F&x=%2B&y HTTP/1.1", "9c894639ee027c9f793daaace7c84612bf72b78b3d02af4f38ac97f095340b59"},
        {"GET /a%2Fb/c HTTP/1.1", "006eff3d53d3fa15e6340e61e016213e7f99291f4bf407e953a1b0ec30bae5da"},
        {"GET /v2/email/suppression/addresses/a%2Bb%40c.example?b=&a=~ HTTP/1.1",
         "b6f6139bc195fd9587512afca497cd0548af92e549aabe5e7ded678cb6010c33"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (verify(cases[i].line, NULL, cases[i].signature))
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].line, err_text(ERR_DENIED));
}

/* What is not signed has no say; what is not proved is not there. */
TEST(sigv4_nothing_rides_along)
{
    static const char right[] = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    CHECK_OK(verify("GET / HTTP/1.1", "X-Other: 1", right));
    CHECK_ERR(verify("GET / HTTP/1.1", "Idempotency-Key: another", right), ERR_DENIED);
    CHECK_ERR(verify("GET / HTTP/1.1", "x-AMZ-Target: another", right), ERR_DENIED);
    struct buf b = BUF_INIT;
    buf_str(&b, "GET /?");
    for (int i = 0; i < 101; i++) buf_printf(&b, "a%03d=&", i);
    buf_str(&b, " HTTP/1.1");
    buf_char(&b, 0);
    CHECK_ERR(verify(buf_slice(&b).p, NULL, right), ERR_DENIED);
    CHECK(strstr(err_text(ERR_DENIED), "100 parameters"));
    buf_free(&b);
}
