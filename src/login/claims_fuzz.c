/* claims_fuzz.c - any bytes as an issuer's answer, and as what a signed token says: believed only when they
 * name somebody, for a time that is not over, and no longer than that. */
#include "base/fuzz.h"
#include "login_i.h"

static const int64_t now = 1795383266;

static void judge(const struct login_issuer *issuer, const json_t *o, struct slice user, int64_t until,
                  size_t n)
{
    const json_t *exp = json_object_get(o, "exp");
    ASSERT(user.n > 0 && user.n <= n && until > now && until <= now + 60);
    ASSERT(!json_is_number(exp) || json_number_value(exp) >= (double)until);
    ASSERT(!json_object_get(o, "cnf"));
    ASSERT(!issuer->scope.n || json_is_string(json_object_get(o, "scope")));
}

FUZZ
{
    struct arena a = {0};
    struct login_issuer issuer = {.name = SL("https://issuer.test"),
                                  .audience = SL("mail.one.test"),
                                  .user = SL("email"),
                                  .scope = input.n % 2 ? SL("") : SL("mail")};
    struct slice user;
    int64_t until;
    json_t *o = json_loadb(input.p ? input.p : "", input.n, JSON_REJECT_DUPLICATES, NULL);
    if (claims_told(&issuer, &a, input, now, &user, &until) == 0) {
        ASSERT(json_is_true(json_object_get(o, "active")));
        judge(&issuer, o, user, until, input.n);
    }
    if (json_is_object(o) && claims_signed(&issuer, &a, o, now, &user, &until) == 0) {
        ASSERT(strcmp(json_string_value(json_object_get(o, "iss")), "https://issuer.test") == 0);
        ASSERT(json_is_number(json_object_get(o, "exp")));
        judge(&issuer, o, user, until, input.n);
    }
    json_decref(o);
    ar_free(&a);
}
