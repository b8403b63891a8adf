/* spf_limits_test.c - the limits of RFC 7208 section 4.6.4, and what hostile publishers, clients
 * and name servers try: every check ends soon, with few questions, and never by mistake in a pass. */
#include "spf_test.h"

/* ---- section 4.6.4: limits ---- */

TEST(spf_ten_terms)
{
    static char zone[16384];
    struct arena a = {0};
    size_t n = 0;
    for (int i = 1; i <= 12; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n,
                              "c%d.example. TXT \"v=spf1 include:c%d.example -all\"\n", i, i + 1);
    n += (size_t)snprintf(
        zone + n, sizeof zone - n,
        "c13.example. TXT \"v=spf1 +all\"\n"
        "h.example. A 10.0.0.1\n"
        "t10.example. TXT \"v=spf1 a:h.example a:h.example a:h.example a:h.example a:h.example a:h.example "
        "a:h.example "
        "a:h.example a:h.example a:h.example ip4:192.0.2.1 -all\"\n"
        "t11.example. TXT \"v=spf1 a:h.example a:h.example a:h.example a:h.example a:h.example a:h.example "
        "a:h.example "
        "a:h.example a:h.example a:h.example a:h.example ip4:192.0.2.1 -all\"\n"
        "first.example. TXT \"v=spf1 ip4:192.0.2.1 a:h.example a:h.example a:h.example a:h.example "
        "a:h.example a:h.example "
        "a:h.example a:h.example a:h.example a:h.example a:h.example -all\"\n"
        "r.example. TXT \"v=spf1 include:t10.example redirect=h.example\"\n"
        "loop.example. TXT \"v=spf1 include:loop.example\"\n"
        "loopr.example. TXT \"v=spf1 redirect=loopr.example\"\n"
        "wide.example. TXT \"v=spf1 include:wide.example include:wide.example include:wide.example -all\"\n");
    struct counted_dns *z = counted_open(zone);
    WANT("192.0.2.1", "x@c3.example", SPF_PASS);
    WANT("192.0.2.1", "x@c2.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@t10.example", SPF_PASS);
    WANT("192.0.2.1", "x@t11.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@first.example", SPF_PASS);  /* only what is evaluated counts */
    WANT("192.0.2.9", "x@r.example", SPF_PERMERROR); /* includes share the budget */
    WANT("192.0.2.1", "x@loop.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@loopr.example", SPF_PERMERROR);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@wide.example");
    CHECK_INT(r.code, SPF_PERMERROR);
    CHECK(r.questions <= 11);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_two_void_lookups)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(
        "nodata.example. TXT \"x\"\n"
        "v2.example. TXT \"v=spf1 a:n1.example exists:nodata.example ip4:192.0.2.1 -all\"\n"
        "v3.example. TXT \"v=spf1 a:n1.example a:nodata.example mx:n3.example ip4:192.0.2.1 -all\"\n"
        "vi.example. TXT \"v=spf1 include:v2.example a:n3.example ip4:192.0.2.5 -all\"\n"
        "vbad.example. TXT \"v=spf1 a:x..example a:y..example a:z..example ip4:192.0.2.1 -all\"\n"
        "vmx.example. TXT \"v=spf1 mx -all\"\nvmx.example. MX 1 n1.example.\nvmx.example. MX 2 n2.example.\n"
        "vmx.example. MX 3 n3.example.\nvmx.example. MX 4 good.example.\ngood.example. A 192.0.2.1\n"
        "vptr.example. TXT \"v=spf1 ptr a:n1.example a:n2.example ip4:192.0.2.1 -all\"\n"
        "vptrs.example. TXT \"v=spf1 ptr ptr ptr ip4:192.0.2.1 -all\"\n"
        "5.2.0.192.in-addr.arpa. PTR n1.vp.example.\n5.2.0.192.in-addr.arpa. PTR n2.vp.example.\n"
        "5.2.0.192.in-addr.arpa. PTR n3.vp.example.\n"
        "vp.example. TXT \"v=spf1 ptr ip4:192.0.2.5 -all\"\n");
    WANT("192.0.2.1", "x@v2.example", SPF_PASS);
    WANT("192.0.2.1", "x@v3.example", SPF_PERMERROR);
    WANT("192.0.2.5", "x@vi.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@vbad.example", SPF_PASS); /* nothing was asked, so nothing was void */
    WANT("192.0.2.1", "x@vmx.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@vptr.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@vptrs.example", SPF_PERMERROR); /* terms count, not questions */
    /* The names of the client's address are its owner's: they cannot spoil the check. */
    WANT("192.0.2.5", "x@vp.example", SPF_PASS);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_ten_mx_hosts)
{
    static char zone[16384];
    struct arena a = {0};
    size_t n = 0;
    for (int i = 1; i <= 11; i++) {
        n += (size_t)snprintf(zone + n, sizeof zone - n,
                              "h%d.example. A 192.0.2.%d\nm11.example. MX %d h%d.example.\n", i, i, i, i);
        if (i <= 10)
            n += (size_t)snprintf(zone + n, sizeof zone - n, "m10.example. MX %d h%d.example.\n", i, i);
    }
    snprintf(zone + n, sizeof zone - n,
             "m10.example. TXT \"v=spf1 mx -all\"\nm11.example. TXT \"v=spf1 mx -all\"\n");
    struct counted_dns *z = counted_open(zone);
    WANT("192.0.2.10", "x@m10.example", SPF_PASS);
    WANT("192.0.2.99", "x@m10.example", SPF_FAIL);
    WANT("192.0.2.1", "x@m11.example", SPF_PERMERROR);
    WANT("192.0.2.99", "x@m11.example", SPF_PERMERROR);
    counted_close(z);
    ar_free(&a);
}

/* Whatever is published, a check asks a bounded number of questions. */
TEST(spf_worst_case_is_bounded)
{
    static char zone[65536];
    struct arena a = {0};
    size_t n = (size_t)snprintf(zone, sizeof zone, "w.example. TXT \"v=spf1 exists:%%{p}.x.example\"");
    for (int i = 0; i < 9; i++) n += (size_t)snprintf(zone + n, sizeof zone - n, " \" mx:m%d.example\"", i);
    n += (size_t)snprintf(zone + n, sizeof zone - n, " \" -all exp=%%{p}.example\"\n");
    for (int m = 0; m < 9; m++)
        for (int i = 0; i < 10; i++)
            n += (size_t)snprintf(zone + n, sizeof zone - n,
                                  "m%d.example. MX 1 h%d.m%d.example.\nh%d.m%d.example. A 10.0.0.1\n", m, i,
                                  m, i, m);
    for (int i = 0; i < 200; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n, "1.2.0.192.in-addr.arpa. PTR n%d.example.\n", i);
    snprintf(zone + n, sizeof zone - n, "unknown.x.example. TXT \"x\"\n");
    struct counted_dns *z = counted_open(zone);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@w.example");
    CHECK(r.code == SPF_PERMERROR || r.code == SPF_FAIL);
    CHECK(z->questions <= SPF_QUESTIONS_MAX);
    CHECK(z->questions > 80);
    CHECK_INT(z->questions, r.questions);
    counted_close(z);
    ar_free(&a);
}

static int silent(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)a, (void)name, (void)type, (void)out;
    return fiber_sleep(3600 * RT_S);
}

TEST(spf_silent_dns_is_temperror)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(silent, NULL);
    int64_t before = deadline_narrow(DEADLINE_IN(30 * RT_MS));
    struct spf_result r;
    struct spf_query q = {.mail_from = SL("x@one.example"), .ip = {4, {192, 0, 2, 1}}};
    CHECK_OK(spf_check(d, &a, &q, &r));
    CHECK_INT(r.code, SPF_TEMPERROR);
    deadline_restore(before);
    dns_close(&d);
    ar_free(&a);
}

/* The PTR question may fail without harm (section 5.5), but a deadline that passes meanwhile may
 * not make what follows decide. */
static int slow_ptr(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)name;
    if (type == DNS_PTR) return fiber_sleep(3600 * RT_S);
    out->rr = ar_new(a, struct dns_rr);
    out->rr[0].txt = SL("v=spf1 ptr -all");
    out->n = 1;
    return 0;
}

TEST(spf_deadline_in_ptr_is_temperror)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(slow_ptr, NULL);
    int64_t before = deadline_narrow(DEADLINE_IN(30 * RT_MS));
    struct spf_result r;
    struct spf_query q = {.mail_from = SL("x@one.example"), .ip = {4, {192, 0, 2, 1}}};
    CHECK_OK(spf_check(d, &a, &q, &r));
    CHECK_INT(r.code, SPF_TEMPERROR);
    deadline_restore(before);
    dns_close(&d);
    ar_free(&a);
}

static int huge(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)name;
    out->status = type == DNS_TXT ? DNS_FOUND : DNS_NODATA;
    if (type != DNS_TXT) return 0;
    char *p = ar_alloc(a, 65000);
    memset(p, ' ', 65000);
    memcpy(p, "v=spf1", 6);
    for (size_t i = 7; i + 30 < 65000; i += 30) memcpy(p + i, "exists:%{l1}%{s}%{i}%{h}%{d}", 28);
    out->rr = ar_new(a, struct dns_rr);
    out->rr[0].txt = sl(p, 65000);
    out->n = 1;
    return 0;
}

TEST(spf_huge_records_are_bounded)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(huge, NULL);
    struct spf_result r = check(d, &a, "192.0.2.1", "x@one.example");
    CHECK(r.code == SPF_PERMERROR || r.code == SPF_FAIL);
    CHECK(a.used < 300000);
    dns_close(&d);
    ar_free(&a);
}

static int nothing(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)a, (void)name, (void)type, (void)out;
    return ERR_CANCELED;
}

TEST(spf_cancel_is_told)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(nothing, NULL);
    struct spf_result r;
    struct spf_query q = {.mail_from = SL("x@one.example"), .ip = {4, {192, 0, 2, 1}}};
    CHECK_ERR(spf_check(d, &a, &q, &r), ERR_CANCELED);
    dns_close(&d);
    ar_free(&a);
}

TEST(spf_audit_counts)
{
    struct arena a = {0};
    struct spf_audit u;
    struct counted_dns *z = counted_open(
        "good.example. TXT \"v=spf1 mx include:i.example ip4:192.0.2.1 -all\"\ngood.example. MX 1 "
        "h.example.\n"
        "h.example. A 192.0.2.1\ni.example. TXT \"v=spf1 a:h.example a:gone.example redirect=j.example\"\n"
        "j.example. TXT \"v=spf1 ptr ?all\"\n"
        "open.example. TXT \"v=spf1 +all\"\ntwo.example. TXT \"v=spf1 -all\"\ntwo.example. TXT \"v=spf1 "
        "~all\"\n"
        "loop.example. TXT \"v=spf1 include:loop2.example -all\"\nloop2.example. TXT \"v=spf1 "
        "include:loop.example -all\"\n"
        "deep.example. TXT \"v=spf1 include:gone.example -all\"\nbad.example. TXT \"v=spf1 "
        "ipv4:192.0.2.1\"\n");
    CHECK_OK(spf_audit(z->dns, &a, SL("good.example"), &u));
    CHECK_INT(u.code, SPF_PASS);
    CHECK_INT(u.cost, 6); /* mx include a a redirect ptr */
    CHECK_INT(u.voids, 1);
    CHECK(u.uses_ptr && !u.plus_all);
    CHECK_OK(spf_audit(z->dns, &a, SL("open.example"), &u));
    CHECK(u.plus_all && u.code == SPF_PASS);
    CHECK_OK(spf_audit(z->dns, &a, SL("two.example"), &u));
    CHECK_INT(u.code, SPF_PERMERROR);
    CHECK_OK(spf_audit(z->dns, &a, SL("none.example"), &u));
    CHECK_INT(u.code, SPF_NONE);
    CHECK_OK(spf_audit(z->dns, &a, SL("deep.example"), &u));
    CHECK_INT(u.code, SPF_PERMERROR);
    CHECK_OK(spf_audit(z->dns, &a, SL("bad.example"), &u));
    CHECK_INT(u.code, SPF_PERMERROR);
    unsigned before = z->questions;
    CHECK_OK(spf_audit(z->dns, &a, SL("loop.example"), &u));
    CHECK_INT(u.code, SPF_PERMERROR);
    CHECK(z->questions - before < 30);
    counted_close(z);
    ar_free(&a);
}
