/* dkim_test.h - helpers of the DKIM and ARC tests: letters as text, zones, one call to verify. */
#pragma once
#include <stdlib.h>

#include "arc.h"
#include "base/text.h"
#include "rt/test_rt.h"

/* Lines end in \n in the test's source and in CRLF in the letter. */
static inline struct slice letter(struct arena *a, const char *text)
{
    struct buf b = BUF_INIT;
    for (; *text; text++) {
        if (*text == '\n') buf_char(&b, '\r');
        buf_char(&b, *text);
    }
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static inline struct dns *zone(const char *text)
{
    struct dns *d = NULL;
    CHECK_OK(dns_open_zone_text(&d, sl_cstr(text)));
    return d;
}

/* A deterministic stream for cutting and mutating. */
static inline uint32_t next_random(uint32_t *state)
{
    return (*state = *state * 1664525u + 1013904223u) >> 8;
}

/* Verifies a letter, its body cut into pieces of at most `chunk` bytes. */
static inline struct dkim_results verify_with(struct arena *a, struct dns *dns, struct slice msg,
                                              const struct dkim_policy *p, size_t chunk)
{
    struct dkim_results r = {0};
    struct mail_head *head = ar_new(a, struct mail_head);
    CHECK_OK(mail_head_parse(a, msg, head));
    struct dkim_body *b = dkim_body_new(a);
    struct dkim_verify *v = dkim_verify_new(a, head, p, b);
    for (struct slice body = sl_from(msg, head->body_at); body.n;) {
        struct slice piece = sl_sub(body, 0, chunk);
        dkim_body_add(b, piece);
        body = sl_from(body, piece.n);
    }
    dkim_body_end(b);
    CHECK_OK(dkim_verify_end(v, dns, &r));
    return r;
}

static inline struct dkim_results verify(struct arena *a, struct dns *dns, struct slice msg)
{
    struct dkim_policy p = {.now = 1800000000};
    return verify_with(a, dns, msg, &p, 4096);
}

static inline struct arc_result verify_arc(struct arena *a, struct dns *dns, struct slice msg)
{
    struct arc_result r = {0};
    struct dkim_policy p = {.now = 1800000000};
    struct mail_head *head = ar_new(a, struct mail_head);
    CHECK_OK(mail_head_parse(a, msg, head));
    struct dkim_body *b = dkim_body_new(a);
    struct arc_verify *v = arc_verify_new(a, head, &p, b);
    dkim_body_add(b, sl_from(msg, head->body_at));
    dkim_body_end(b);
    CHECK_OK(arc_verify_end(v, dns, &r));
    return r;
}

/* The keys of RFC 8463 appendix A.1 (RSA: 1024 bits). */
#define TEST_RSA_PEM                                                                                         \
    "-----BEGIN RSA PRIVATE KEY-----\n"                                                                      \
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"                                     \
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"                                     \
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"                                     \
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"                                     \
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"                                     \
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"                                     \
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"                                     \
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"                                     \
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"                                     \
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"                                     \
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"                                     \
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"                                     \
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"                                                         \
    "-----END RSA PRIVATE KEY-----\n"
/* The same Ed25519 secret as PKCS#8. */
#define TEST_ED_PEM                                                                                          \
    "-----BEGIN PRIVATE KEY-----\n"                                                                          \
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                                     \
    "-----END PRIVATE KEY-----\n"
#define TEST_RSA_P                                                                                           \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"               \
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZy"               \
    "VYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define TEST_ED_P "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

/* Keys live until the program ends. */
static inline struct sign_key *test_key(enum key_kind k)
{
    static struct sign_key *key[2];
    if (!key[k]) CHECK_OK(sign_key_from_pem(k == KEY_RSA ? SL(TEST_RSA_PEM) : SL(TEST_ED_PEM), &key[k]));
    return key[k];
}

/* Signs with our own signer and puts the fields on top. */
static inline struct slice sign_letter(struct arena *a, struct slice msg, const struct dkim_signer *k,
                                       size_t n)
{
    struct mail_head *head = ar_new(a, struct mail_head);
    struct buf out = BUF_INIT;
    struct dkim_sign *s = NULL;
    CHECK_OK(mail_head_parse(a, msg, head));
    struct dkim_body *b = dkim_body_new(a);
    CHECK_OK(dkim_sign_new(a, head, k, n, 1700000000, b, &s));
    dkim_body_add(b, sl_from(msg, head->body_at));
    dkim_body_end(b);
    if (s) CHECK_OK(dkim_sign_end(s, &out));
    buf_put(&out, msg);
    struct slice signed_letter = ar_dup(a, buf_slice(&out));
    buf_free(&out);
    return signed_letter;
}

/* The first occurrence of `from` in s replaced by `to`. */
static inline struct slice replace(struct arena *a, struct slice s, const char *from, const char *to)
{
    size_t at = sl_find(s, sl_cstr(from));
    if (at == SL_NONE) {
        test_fail(__FILE__, __LINE__, "\"%s\" is not in the letter", from);
        return s;
    }
    struct slice head = ar_cat(a, sl_sub(s, 0, at), sl_cstr(to));
    return ar_cat(a, head, sl_from(s, at + strlen(from)));
}

#define ONLY(r, want)                                                                                        \
    do {                                                                                                     \
        if ((r).n != 1) test_fail(__FILE__, __LINE__, "%zu signatures", (r).n);                              \
        else if ((r).v[0].result != (want))                                                                  \
            test_fail(__FILE__, __LINE__, "%s (%.*s), not %s", dkim_result_name((r).v[0].result),            \
                      SLF((r).v[0].reason), dkim_result_name(want));                                         \
    } while (0)
