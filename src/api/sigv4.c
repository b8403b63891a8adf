/* sigv4.c - AWS Signature Version 4, verified. */
#include "sigv4.h"

#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum { SIGNED_MAX = 50, QUERY_MAX = 100 };

static struct slice part_of(struct slice list, struct slice name)
{
    struct slice part;
    while (sl_next(&list, ',', &part)) {
        part = sl_trim(part);
        if (sl_starts(part, name)) return sl_from(part, name.n);
    }
    return SL("");
}

int sigv4_parse(struct slice authorization, struct sigv4 *out)
{
    static const struct slice scheme = SL_INIT("AWS4-HMAC-SHA256 ");
    struct slice credential, end = SL("");
    if (!sl_starts(authorization, scheme))
        return err_set(ERR_DENIED, "the field Authorization must begin with AWS4-HMAC-SHA256");
    authorization = sl_from(authorization, scheme.n);
    *out = (struct sigv4){.headers = part_of(authorization, SL("SignedHeaders=")),
                          .signature = part_of(authorization, SL("Signature="))};
    credential = part_of(authorization, SL("Credential="));
    struct slice *const parts[] = {&out->id, &out->date, &out->region, &out->service, &end};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!sl_next(&credential, '/', parts[i]) || !parts[i]->n) end = SL("");
    if (!sl_eq(end, SL("aws4_request")) || out->date.n != 8 || !out->headers.n || out->signature.n != 64)
        return err_set(ERR_DENIED, "the signature in the field Authorization is malformed");
    return 0;
}

/* ---- the canonical request ---- */

struct pair {
    struct slice name, value;
};

static struct slice escaped(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    percent_encode(&b, s, "-._~");
    s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

/* By name, then by value: "a" stands before "a-b", though '=' stands behind '-'. */
static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int d = sl_cmp(x->name, y->name);
    return d ? d : sl_cmp(x->value, y->value);
}

/* Names and values are escaped anew, so that it does not matter how the client did it on its way here. A
 * query of which only a part would be proved is refused. */
static int put_query(struct arena *a, struct buf *b, struct slice query)
{
    struct pair pair[QUERY_MAX], one;
    size_t n = 0;
    while (http_query_next(a, &query, &one.name, &one.value)) {
        if (n == QUERY_MAX) return err_set(ERR_DENIED, "more than %d parameters are signed", QUERY_MAX);
        pair[n++] = (struct pair){escaped(a, one.name), escaped(a, one.value)};
    }
    qsort(pair, n, sizeof *pair, by_name);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%.*s=%.*s", i ? "&" : "", SLF(pair[i].name), SLF(pair[i].value));
    return 0;
}

/* Rows of blanks are one blank. */
static void put_value(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' || (i && s.p[i - 1] != ' ')) buf_char(b, s.p[i]);
}

/* The signed fields; every field of a name counts, with commas between them. */
static int put_headers(struct buf *b, const struct sigv4 *s, const struct http_request *r)
{
    struct slice names = s->headers, name;
    size_t n = 0;
    bool host = false;
    while (sl_next(&names, ';', &name)) {
        bool any = false;
        if (++n > SIGNED_MAX) return err_set(ERR_DENIED, "more than %d fields are signed", SIGNED_MAX);
        host = host || sl_eq(name, SL("host"));
        buf_put(b, name);
        buf_char(b, ':');
        for (size_t i = 0; i < r->n; i++) {
            if (!sl_eqi(r->field[i].name, name)) continue;
            if (any) buf_char(b, ',');
            put_value(b, sl_trim(r->field[i].value));
            any = true;
        }
        if (!any) return err_set(ERR_DENIED, "a field that is signed is not there");
        buf_char(b, '\n');
    }
    return host ? 0 : err_set(ERR_DENIED, "the field Host must be signed");
}

static bool is_signed(const struct sigv4 *s, struct slice field)
{
    struct slice names = s->headers, name;
    while (sl_next(&names, ';', &name))
        if (sl_eqi(name, field)) return true;
    return false;
}

/* A field that has a say must be signed: else whoever replays the request puts in another. */
static int all_that_matter(const struct sigv4 *s, const struct http_request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct slice name = r->field[i].name;
        if ((sl_startsi(name, SL("x-amz-")) || sl_eqi(name, SL("Idempotency-Key"))) && !is_signed(s, name))
            return err_set(ERR_DENIED, "the field %.*s must be signed", SLF(name));
    }
    return 0;
}

static void put_hash(struct buf *b, struct slice bytes)
{
    uint8_t hash[HASH_MAX];
    hash_once(HASH_SHA256, bytes, hash);
    hex_encode(b, sl((const char *)hash, sizeof hash));
}

static int canonical(struct arena *a, struct buf *b, const struct sigv4 *s, const struct http_request *r,
                     struct slice body)
{
    buf_put(b, r->word);
    buf_char(b, '\n');
    percent_encode(b, r->path, "-._~/"); /* as it was sent, escaped once more */
    buf_char(b, '\n');
    int e = put_query(a, b, r->query);
    buf_char(b, '\n');
    if (!e) e = all_that_matter(s, r);
    if (!e) e = put_headers(b, s, r);
    buf_char(b, '\n');
    buf_put(b, s->headers);
    buf_char(b, '\n');
    put_hash(b, body);
    return e;
}

/* ---- the signature ---- */

/* "20260101T120000Z" of X-Amz-Date. */
static int when(const struct http_request *r, const struct sigv4 *s, int64_t now, struct slice *stamp)
{
    struct civil c;
    uint64_t v[6];
    static const unsigned at[] = {0, 4, 6, 9, 11, 13, 15};
    int64_t t;
    *stamp = http_request_value(r, SL("X-Amz-Date"));
    bool ok = stamp->n == 16 && stamp->p[8] == 'T' && stamp->p[15] == 'Z' && sl_starts(*stamp, s->date);
    for (size_t i = 0; ok && i < 6; i++)
        ok = num_u64(sl_sub(*stamp, at[i], i == 2 ? 8 : at[i + 1]), 9999, &v[i]);
    if (!ok) return err_set(ERR_DENIED, "the field X-Amz-Date is missing or malformed");
    c = (struct civil){.year = (int)v[0],
                       .month = (int)v[1],
                       .day = (int)v[2],
                       .hour = (int)v[3],
                       .minute = (int)v[4],
                       .second = (int)v[5]};
    if (!civil_to_unix(&c, &t) || t < now - SIGV4_SKEW_S || t > now + SIGV4_SKEW_S)
        return err_set(ERR_DENIED,
                       "Signature expired or not yet current: the clock is off by more than %d seconds",
                       SIGV4_SKEW_S);
    return 0;
}

static void sign(struct arena *a, const struct sigv4 *s, struct slice secret, struct slice what,
                 struct buf *hex)
{
    uint8_t key[32];
    const struct slice steps[] = {s->date, s->region, s->service, SL("aws4_request"), what};
    struct slice first = ar_cat(a, SL("AWS4"), secret);
    hmac_sha256(first, steps[0], key);
    for (size_t i = 1; i < COUNT_OF(steps); i++) {
        uint8_t next[32];
        hmac_sha256(sl((const char *)key, sizeof key), steps[i], next);
        memcpy(key, next, sizeof key);
    }
    hex_encode(hex, sl((const char *)key, sizeof key));
    wipe((char *)first.p, first.n);
}

int sigv4_verify(struct arena *a, const struct sigv4 *s, const struct http_request *r, struct slice body,
                 struct slice secret, int64_t now)
{
    struct slice stamp;
    struct buf b = BUF_INIT, hash = BUF_INIT, hex = BUF_INIT;
    int e = when(r, s, now, &stamp);
    if (!e) e = canonical(a, &b, s, r, body);
    if (!e) {
        put_hash(&hash, buf_slice(&b));
        struct slice what =
            ar_printf(a, "AWS4-HMAC-SHA256\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%.*s", SLF(stamp),
                      SLF(s->date), SLF(s->region), SLF(s->service), SLF(buf_slice(&hash)));
        sign(a, s, secret, what, &hex);
        if (!same_secret(buf_slice(&hex), s->signature))
            e = err_set(ERR_DENIED,
                        "The request signature we calculated does not match the signature you provided. "
                        "Check your AWS Secret Access Key and signing method.");
    }
    buf_free(&hex);
    buf_free(&hash);
    buf_free(&b);
    return e;
}
