/* result.c - the words of RFC 8460 for what came of a session. */
#include "policy.h"

const char *policy_result_word(enum policy_result r)
{
    static const char *const words[POLICY_RESULTS] = {"",
                                                      "starttls-not-supported",
                                                      "certificate-host-mismatch",
                                                      "certificate-expired",
                                                      "certificate-not-trusted",
                                                      "validation-failure",
                                                      "tlsa-invalid",
                                                      "dnssec-invalid",
                                                      "sts-policy-fetch-error",
                                                      "sts-policy-invalid",
                                                      "sts-webpki-invalid"};
    return words[r];
}

const char *policy_kind_word(enum policy_kind k)
{
    static const char *const words[] = {"no-policy-found", "sts", "tlsa"};
    return words[k];
}
