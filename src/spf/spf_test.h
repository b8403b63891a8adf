/* spf_test.h - checks against zones given as text, for the tests of check_host(). */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "dns/dns_test.h"
#include "rt/test_rt.h"
#include "spf.h"

static inline struct spf_result check_full(struct dns *d, struct arena *a, enum spf_identity id,
                                           const char *ip, const char *helo, const char *from)
{
    struct spf_result r = {0};
    struct spf_query q = {.identity = id,
                          .helo = sl_cstr(helo),
                          .mail_from = sl_cstr(from),
                          .receiver = SL("mx.receiver.test")};
    CHECK(ip_parse(sl_cstr(ip), &q.ip));
    CHECK_OK(spf_check(d, a, &q, &r));
    CHECK(r.questions <= SPF_QUESTIONS_MAX);
    return r;
}

static inline struct spf_result check(struct dns *d, struct arena *a, const char *ip, const char *from)
{
    return check_full(d, a, SPF_MAILFROM, ip, "helo.test.example", from);
}

#define WANT(ip, from, code_)                                                                                \
    do {                                                                                                     \
        struct spf_result r_ = check(z->dns, &a, ip, from);                                                  \
        if (r_.code != (code_))                                                                              \
            test_fail(__FILE__, __LINE__, "%s from %s is %s (%.*s), not %s", from, ip,                       \
                      spf_result_name(r_.code), SLF(r_.problem), spf_result_name(code_));                    \
    } while (0)
