/* jwt.c - signed tokens (RFC 7515 compact form, 7517, 7519). */
#include "jwt.h"

#include "base/text.h"
#include "crypto/jws.h"

enum { KEYS_MAX = 100, TRIED_MAX = 4, NESTED_MAX = 64 };

static bool is_url_char(char c) { return is_alnum(c) || c == '-' || c == '_'; }

bool jwt_is_one(struct slice token)
{
    int dots = 0;
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] == '.') dots++;
        else if (!is_url_char(token.p[i])) return false;
    return dots == 2 && token.n <= JWT_MAX;
}

static struct slice text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? sl(s, json_string_length(json_object_get(o, name))) : SL("");
}

/* Nothing that is nested deeply is read: anybody can send it, and each level costs stack. */
static bool is_flat(struct slice text)
{
    int n = 0;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '[' || text.p[i] == '{';
    return n <= NESTED_MAX;
}

/* An object in base64url. NULL: it is none. */
static json_t *object_of(struct arena *a, struct slice part)
{
    struct slice text;
    if (b64url_decode_ar(a, part, &text) || !is_flat(text)) return NULL;
    json_t *o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

/* ---- keys (RFC 7517 section 4) ---- */

static bool fits(const json_t *jwk, struct slice kid, struct slice alg)
{
    struct slice use = text_of(jwk, "use"), own = text_of(jwk, "alg");
    if ((use.n && !sl_eq(use, SL("sig"))) || (own.n && !sl_eq(own, alg))) return false;
    return !kid.n || sl_eq(text_of(jwk, "kid"), kid);
}

static bool read_key(struct arena *a, const json_t *jwk, struct jws_key *k)
{
    *k = (struct jws_key){.type = text_of(jwk, "kty"), .curve = text_of(jwk, "crv")};
    return b64url_decode_ar(a, text_of(jwk, "n"), &k->n) == 0 &&
           b64url_decode_ar(a, text_of(jwk, "e"), &k->e) == 0 &&
           b64url_decode_ar(a, text_of(jwk, "x"), &k->x) == 0 &&
           b64url_decode_ar(a, text_of(jwk, "y"), &k->y) == 0;
}

/* A token that names no key is tried with a few. */
static int try_keys(struct arena *a, const json_t *set, const json_t *head, struct slice bytes,
                    struct slice sig)
{
    struct slice kid = text_of(head, "kid"), alg = text_of(head, "alg");
    size_t n = json_array_size(set);
    int tried = 0, e = err_set(ERR_NOT_FOUND, "no key of the issuer is the one that the token names");
    for (size_t i = 0; i < n && i < KEYS_MAX && tried < TRIED_MAX; i++) {
        const json_t *jwk = json_array_get(set, i);
        struct jws_key k;
        if (!fits(jwk, kid, alg) || !read_key(a, jwk, &k)) continue;
        e = jws_verify(&k, alg, bytes, sig);
        if (e == 0) return 0;
        if (e != ERR_UNSUPPORTED) tried++; /* else of another kind */
    }
    return e == ERR_NOT_FOUND ? e : err_set(ERR_DENIED, "the token is not signed by its issuer");
}

/* RFC 8725 section 3.11, RFC 9068 section 4: a token that says that it is of another kind is none that opens
 * anything; "JWT" and silence say nothing. "application/" may be left out (RFC 7515 section 4.1.9). */
static bool is_access_type(struct slice typ)
{
    if (sl_startsi(typ, SL("application/"))) typ = sl_from(typ, 12);
    return sl_eqi(typ, SL("at+jwt")) || sl_eqi(typ, SL("JWT"));
}

/* What issuers that write "JWT" over all of them put inside: the kind as a claim (Keycloak), and what stands
 * in ID tokens only (OpenID Connect Core sections 2 and 3.3.2.11). */
static int check_kind(const json_t *head, const json_t *claims)
{
    static const char *const of_ids[] = {"nonce", "at_hash", "c_hash", "events"};
    const json_t *typ = json_object_get(head, "typ"), *kind = json_object_get(claims, "typ");
    bool good = !typ || is_access_type(text_of(head, "typ"));
    if (good && kind)
        good = sl_eqi(text_of(claims, "typ"), SL("Bearer")) || is_access_type(text_of(claims, "typ"));
    for (size_t i = 0; i < COUNT_OF(of_ids); i++) good = good && !json_object_get(claims, of_ids[i]);
    return good ? 0 : err_set(ERR_DENIED, "the token is of another kind than an access token");
}

/* "crit" names what must be understood (RFC 7515 section 4.1.11): nothing is. */
static int check_signature(struct arena *a, const json_t *head, struct slice bytes, struct slice sig,
                           struct slice keys)
{
    if (json_object_get(head, "crit"))
        return err_set(ERR_DENIED, "the token wants something that is not known here");
    json_t *all = json_loadb(keys.p, keys.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *set = json_object_get(all, "keys");
    int e = json_is_array(set) ? try_keys(a, set, head, bytes, sig)
                               : err_set(ERR_SYNTAX, "the issuer's keys are no JSON Web Key Set");
    json_decref(all);
    return e;
}

int jwt_verify(struct arena *a, struct slice token, struct slice keys, json_t **claims)
{
    struct slice rest = token, head, body, sig;
    *claims = NULL;
    if (!jwt_is_one(token) || !sl_next(&rest, '.', &head) || !sl_next(&rest, '.', &body) ||
        b64url_decode_ar(a, rest, &sig))
        return err_set(ERR_SYNTAX, "this is no signed token");
    json_t *h = object_of(a, head);
    int e = h ? check_signature(a, h, sl_sub(token, 0, head.n + 1 + body.n), sig, keys)
              : err_set(ERR_SYNTAX, "this is no signed token");
    if (!e) *claims = object_of(a, body);
    if (!e && !*claims) e = err_set(ERR_SYNTAX, "the token claims nothing");
    if (!e) e = check_kind(h, *claims);
    json_decref(h);
    return e;
}
