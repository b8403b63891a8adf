/* claims.c - what is said of a token, by its issuer when it is asked (RFC 7662 section 2.2) or by the token
 * itself (RFC 7519): for whom it is, and until when. Pure. */
#include <string.h>

#include "base/text.h"
#include "login_i.h"

enum { KNOWN_S = 60 };

static bool has_word(struct slice words, struct slice word)
{
    struct slice one;
    while (sl_next(&words, ' ', &one))
        if (sl_eq(one, word)) return true;
    return false;
}

static struct slice text_of(const json_t *o, struct arena *a, struct slice name)
{
    const char *s = json_string_value(json_object_get(o, ar_cstr(a, name)));
    return s ? sl_cstr(s) : SL("");
}

/* What an issuer says of a token, or the token of itself. *until: unix seconds until which it may be believed
 * without asking again. */
static int read_claims(const struct login_issuer *issuer, struct arena *a, const json_t *o, int64_t now,
                       struct slice *user, int64_t *until)
{
    const json_t *exp = json_object_get(o, "exp"), *before = json_object_get(o, "nbf");
    *until = now + KNOWN_S;
    if (json_is_number(exp) && json_number_value(exp) < (double)*until)
        *until = json_number_value(exp) > 0 ? (int64_t)json_number_value(exp) : 0;
    if (*until <= now || (json_is_number(before) && json_number_value(before) > (double)now))
        return err_set(ERR_DENIED, "the token does not count at this time");
    if (json_object_get(
            o, "cnf")) /* RFC 7800: of one who proves a key besides (RFC 8705, 9449), which nobody can here */
        return err_set(ERR_DENIED, "the token counts only with a key, which cannot be proved here");
    if (issuer->scope.n && !has_word(text_of(o, a, SL("scope")), issuer->scope))
        return err_set(ERR_DENIED, "the token is not for mail: it lacks the scope %.*s", SLF(issuer->scope));
    *user = ar_dup(a, text_of(o, a, issuer->user));
    if (!user->n) return err_set(ERR_DENIED, "the issuer names no user in \"%.*s\"", SLF(issuer->user));
    return 0;
}

int claims_told(const struct login_issuer *issuer, struct arena *a, struct slice answer, int64_t now,
                struct slice *user, int64_t *until)
{
    json_t *o = json_loadb(answer.p ? answer.p : "", answer.n, JSON_REJECT_DUPLICATES, NULL);
    int e = 0;
    if (!json_is_object(o)) e = err_set(ERR_UNREACHABLE, "the issuer of tokens does not answer in JSON");
    else if (!json_is_true(json_object_get(o, "active"))) e = err_set(ERR_DENIED, "the token counts no more");
    if (!e) e = read_claims(issuer, a, o, now, user, until);
    json_decref(o);
    return e;
}

/* ---- a token that says it itself ---- */

static bool is_for(const json_t *aud, struct arena *a, struct slice name)
{
    const char *want = ar_cstr(a, name);
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const char *one = json_string_value(json_array_get(aud, i));
        if (one && strcmp(one, want) == 0) return true;
    }
    return json_is_string(aud) && strcmp(json_string_value(aud), want) == 0;
}

/* RFC 7519 section 4.1, RFC 9068 section 4: who issued it, for whom, and that it ends. */
int claims_signed(const struct login_issuer *issuer, struct arena *a, const json_t *o, int64_t now,
                  struct slice *user, int64_t *until)
{
    if (!sl_eq(text_of(o, a, SL("iss")), issuer->name))
        return err_set(ERR_DENIED, "the token is of another issuer than %.*s", SLF(issuer->name));
    if (!is_for(json_object_get(o, "aud"), a, issuer->audience))
        return err_set(ERR_DENIED, "the token is not for %.*s", SLF(issuer->audience));
    if (!json_is_number(json_object_get(o, "exp"))) return err_set(ERR_DENIED, "the token has no end");
    return read_claims(issuer, a, o, now, user, until);
}
