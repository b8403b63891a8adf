/* tlsrpt_test.c - TLS reports as documents: what others write, what is none (RFC 8460 section 3, 4.4,
 * Appendix B). */
#include "base/test.h"
#include "tlsrpt_i.h"

#define HEAD                                                                                                 \
    "{\"organization-name\":\"Company-X\",\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\","      \
    "\"end-datetime\":\"2016-04-01T23:59:59Z\"},\"contact-info\":\"sts-reporting@company-x.example\","       \
    "\"report-id\":\"5065427c-23d3-47ca-b6e0-946ea0e8c4be\","

/* Appendix B of the RFC. */
static const char example[] = HEAD
    "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: "
    "testing\","
    "\"mx: *.mail.company-y.example\",\"max_age: 86400\"],\"policy-domain\":\"company-y.example\","
    "\"mx-host\":[\"*.mail.company-y.example\"]},\"summary\":{\"total-successful-session-count\":5326,"
    "\"total-failure-session-count\":303},\"failure-details\":[{\"result-type\":\"certificate-expired\","
    "\"sending-mta-ip\":\"2001:db8:abcd:0012::1\",\"receiving-mx-hostname\":\"mx1.mail.company-y.example\","
    "\"failed-session-count\":100},{\"result-type\":\"starttls-not-supported\",\"sending-mta-ip\":"
    "\"2001:db8:abcd:0013::1\",\"receiving-mx-hostname\":\"mx2.mail.company-y.example\",\"receiving-ip\":"
    "\"203.0.113.56\",\"failed-session-count\":200,\"additional-information\":\"https://"
    "reports.company-x.example/"
    "report_info?id=5065427c-23d3#StarttlsNotSupported\"},{\"result-type\":\"validation-failure\","
    "\"sending-mta-ip\":\"198.51.100.62\",\"receiving-ip\":\"203.0.113.58\",\"receiving-mx-hostname\":"
    "\"mx-backup.mail.company-y.example\",\"failed-session-count\":3,\"failure-reason-code\":"
    "\"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\"}]}]}";

TEST(tlsrpt_reads_the_report_of_the_rfc)
{
    struct arena a = {0};
    struct tlsrpt_report r;
    CHECK_OK(tlsrpt_parse(&a, sl_cstr(example), &r));
    CHECK_SL(r.org, "Company-X");
    CHECK_SL(r.domain, "company-y.example");
    CHECK_INT(r.end - r.begin, 86399);
    CHECK_INT(r.good, 5326);
    CHECK_INT(r.bad, 303);
    CHECK_INT(r.n, 3);
    CHECK_SL(r.failure[0].result, "certificate-expired");
    CHECK_SL(r.failure[0].kind, "sts");
    CHECK_INT(r.failure[1].count, 200);
    CHECK_SL(r.failure[2].reason, "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
    ar_free(&a);
}

TEST(tlsrpt_refuses_what_is_no_report)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "<xml/>",
        "[[[[[[",
        HEAD "\"policies\":[]}",
        HEAD "\"policies\":7}",
        HEAD "\"policies\":[{\"policy\":{\"policy-domain\":\"a.test\"}},{\"policy\":{\"policy-domain\":\"b."
             "test\"}}]}",
        "{\"report-id\":\"1\",\"date-range\":{\"start-datetime\":\"2016-13-01T00:00:00Z\",\"end-datetime\":"
        "\"x\"},"
        "\"policies\":[{\"policy\":{\"policy-domain\":\"a.test\"}}]}",
    };
    struct arena a = {0};
    struct tlsrpt_report r;
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(tlsrpt_parse(&a, sl_cstr(bad[i]), &r), ERR_SYNTAX);
    /* numbers that are none, and more failures than anybody reads */
    struct buf b = BUF_INIT;
    buf_str(&b,
            HEAD "\"policies\":[{\"policy\":{\"policy-domain\":\"a.test\"},\"summary\":{"
                 "\"total-successful-session-count\":-5,\"total-failure-session-count\":9223372036854775807},"
                 "\"failure-details\":[");
    for (int i = 0; i < TLSRPT_IN_FAILURES + 5; i++)
        buf_printf(&b, "%s{\"failed-session-count\":1.5}", i ? "," : "");
    buf_str(&b, "]}]}");
    CHECK_OK(tlsrpt_parse(&a, buf_slice(&b), &r));
    CHECK_INT(r.good + r.bad, 0);
    CHECK_INT(r.n, TLSRPT_IN_FAILURES);
    CHECK_INT(r.failure[0].count, 0);
    buf_free(&b);
    ar_free(&a);
}

/* A megabyte of empty objects would be a hundred of memory. */
TEST(tlsrpt_reports_are_no_bombs)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct tlsrpt_report r;
    for (int bomb = 0; bomb <= 1; bomb++) {
        buf_clear(&b);
        buf_str(&b, HEAD "\"policies\":[{\"policy\":{\"policy-domain\":\"a.test\"},\"failure-details\":[");
        for (int i = 0; i < (bomb ? TLSRPT_JSON_PARTS : TLSRPT_JSON_PARTS - 100); i++)
            buf_str(&b, i ? ",{}" : "{}");
        buf_str(&b, "]}]}");
        int e = tlsrpt_parse(&a, buf_slice(&b), &r);
        CHECK_INT(e, bomb ? ERR_LIMIT : 0);
    }
    buf_free(&b);
    ar_free(&a);
}

/* What we write is what we read. */
TEST(tlsrpt_writes_what_it_reads)
{
    struct arena a = {0};
    struct buf json = BUF_INIT;
    struct slice strings[] = {SL("3 1 1 aa"), SL("quo\"te\n\xff")};
    struct tlsrpt_detail detail[] = {{.result = POLICY_WRONG_HOST, .host = SL("mx.two.test"), .count = 4}};
    struct tlsrpt_policy policy = {.domain = SL("two.test"),
                                   .kind = POLICY_KIND_TLSA,
                                   .string = strings,
                                   .nstring = 2,
                                   .good = 9,
                                   .bad = 4,
                                   .detail = detail,
                                   .n = 1};
    struct tlsrpt_out out = {.domain = SL("two.test"),
                             .submitter = SL("one.test"),
                             .contact = SL("postmaster@one.test"),
                             .id = SL("1.day.two.test@mail.one.test"),
                             .begin = 1459468800,
                             .end = 1459555199,
                             .policy = &policy,
                             .n = 1};
    struct tlsrpt_report r;
    tlsrpt_json(&json, &out);
    CHECK_OK(tlsrpt_parse(&a, buf_slice(&json), &r));
    CHECK_INT(r.begin, 1459468800);
    CHECK(r.good == 9 && r.bad == 4 && r.n == 1 && r.failure[0].count == 4);
    CHECK_SL(r.failure[0].kind, "tlsa");
    CHECK_SL(tlsrpt_filename(&a, &out), "one.test!two.test!1459468800!1459555199!4a2a7c0b.json.gz");
    buf_free(&json);
    ar_free(&a);
}

TEST(tlsrpt_records)
{
    static const struct {
        const char *txt;
        size_t n;
        const char *first;
    } x[] = {
        {"v=TLSRPTv1;rua=mailto:reports@example.com", 1, "mailto:reports@example.com"},
        {"v=TLSRPTv1; rua=https://a.test/v1 , mailto:b@c.test ;", 2, "https://a.test/v1"},
        {"v=TLSRPTv1; x=y; rua=ftp://a.test,http://b.test", 0, ""},
        {"v=TLSRPTv1; x=y", 0, ""},
        {"v=TLSRPTv2; rua=mailto:a@b.test", 0, ""},
        {"rua=mailto:a@b.test", 0, ""},
        {"", 0, ""},
        {"v=TLSRPTv1; rua=mailto:1@a,mailto:2@a,mailto:3@a,mailto:4@a,mailto:5@a", 4, "mailto:1@a"},
    };
    struct arena a = {0};
    struct slice out[TLSRPT_TO_MAX];
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        CHECK_INT(tlsrpt_record(&a, sl_cstr(x[i].txt), out), x[i].n);
        if (x[i].n) CHECK_SL(out[0], x[i].first);
    }
    ar_free(&a);
}
