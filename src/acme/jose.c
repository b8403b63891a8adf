/* jose.c - the few forms of JOSE that ACME needs. */
#include "jose.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/wiped.h"
#include "crypto/crypto.h"

/* The public key as JSON, with its members in the order that the fingerprint wants. */
static struct slice jose_jwk(struct arena *a, const struct es256 *k)
{
    uint8_t x[ES256_NUMBER], y[ES256_NUMBER];
    es256_public(k, x, y);
    return ar_printf(a, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
                     SLF(b64url_encode_ar(a, sl((char *)x, sizeof x))),
                     SLF(b64url_encode_ar(a, sl((char *)y, sizeof y))));
}

struct slice jose_thumbprint(struct arena *a, const struct es256 *k)
{
    uint8_t hash[HASH_MAX];
    hash_once(HASH_SHA256, jose_jwk(a, k), hash);
    return b64url_encode_ar(a, sl((char *)hash, 32));
}

static struct slice text_of(struct arena *a, json_t *v)
{
    char *p = json_dumps(v, JSON_COMPACT);
    struct slice s = ar_dup(a, sl_cstr(p));
    wiped_free(p);
    json_decref(v);
    return s;
}

static json_t *string(struct slice s) { return json_stringn(s.p, s.n); }

int jose_sign(struct arena *a, const struct es256 *k, const struct jose_head *head, struct slice payload,
              struct slice *out)
{
    uint8_t sig[ES256_SIGNATURE];
    json_t *h = json_object(), *o = json_object();
    struct slice jwk = jose_jwk(a, k);
    json_object_set_new(h, "alg", json_string("ES256"));
    json_object_set_new(h, "nonce", string(head->nonce));
    json_object_set_new(h, "url", string(head->url));
    if (head->kid.n) json_object_set_new(h, "kid", string(head->kid));
    else json_object_set_new(h, "jwk", json_loadb(jwk.p, jwk.n, 0, NULL));
    struct slice protected = b64url_encode_ar(a, text_of(a, h)), body = b64url_encode_ar(a, payload);
    int e = es256_sign(k, ar_printf(a, "%.*s.%.*s", SLF(protected), SLF(body)), sig);
    json_object_set_new(o, "protected", string(protected));
    json_object_set_new(o, "payload", string(body));
    json_object_set_new(o, "signature", string(b64url_encode_ar(a, sl((char *)sig, sizeof sig))));
    *out = text_of(a, o);
    return e;
}
