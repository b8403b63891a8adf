/* driver.c - Tram's DKIM and ARC behind a pipe, for comparing with other implementations.
 *
 * Reads commands, a line each, some followed by as many bytes as their last word says:
 *     zone N                     the DNS from now on (a master file)
 *     key N                      a private key (PEM); keys are numbered from 0
 *     verify LAX N               LAX 1: without our policy on l= and extra fields
 *     arc N
 *     sign KEY DOMAIN SELECTOR HC BC IDENTITY N   HC, BC: simple or relaxed; IDENTITY - for none
 *     tags KEY LEN N             LEN bytes of a tag list, then a letter: signs with exactly those
 *                                tags; "bh=@" gets the body hash, "b=@" the signature (added when missing)
 *     seal KEY DOMAIN SELECTOR N verifies the chain, then seals
 *     bench N                    signs and verifies the letter for a second each: times for people
 * Each answer is a line with the number of bytes that follow, and these. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dkim/arc.h"
#include "dkim/dkim_i.h"

/* A fixed time, so that a seed gives the same signatures each day. */
enum { KEYS = 16, LETTER_MAX = 64 << 20, NOW = 1700000000 };

static struct dns *dns;
static struct sign_key *key[KEYS];
static int nkeys;

static void answer(struct slice s)
{
    printf("%zu\n%.*s", s.n, SLF(s));
    fflush(stdout);
}

static struct slice read_bytes(struct arena *a, size_t n)
{
    char *p = ar_alloc(a, n + 1);
    size_t got = n <= LETTER_MAX ? fread(p, 1, n, stdin) : 0;
    if (got != n) exit(3);
    p[n] = 0;
    return sl(p, n);
}

static struct dkim_body *pass_body(struct dkim_body *b, struct slice body)
{
    /* In pieces of a size that meets every boundary sooner or later. */
    while (body.n) {
        struct slice piece = sl_sub(body, 0, 1021);
        dkim_body_add(b, piece);
        body = sl_from(body, piece.n);
    }
    dkim_body_end(b);
    return b;
}

static void verify(struct arena *a, struct slice msg, bool lax)
{
    struct dkim_policy p = {
        .now = NOW,
        .partial_body_ok = lax,
        .extra_fields_ok = lax,
    };
    struct mail_head head;
    struct dkim_results r = {0};
    struct buf out = BUF_INIT;
    if (mail_head_parse(a, msg, &head)) return answer(SL("unreadable\n"));
    struct dkim_body *b = dkim_body_new(a);
    struct dkim_verify *v = dkim_verify_new(a, &head, &p, b);
    pass_body(b, sl_from(msg, head.body_at));
    int e = dkim_verify_end(v, dns, &r);
    for (size_t i = 0; !e && i < r.n; i++) {
        struct slice line = dkim_sig_line(a, &r.v[i]);
        buf_printf(&out, "%.*s\n", SLF(line));
    }
    answer(buf_slice(&out));
    buf_free(&out);
}

static struct arc_result verify_arc(struct arena *a, const struct mail_head *head, struct slice msg)
{
    struct arc_result r = {0};
    struct dkim_body *b = dkim_body_new(a);
    struct dkim_policy p = {.now = NOW};
    struct arc_verify *v = arc_verify_new(a, head, &p, b);
    pass_body(b, sl_from(msg, head->body_at));
    if (arc_verify_end(v, dns, &r)) exit(3);
    return r;
}

static void arc(struct arena *a, struct slice msg)
{
    struct mail_head head;
    if (mail_head_parse(a, msg, &head)) return answer(SL("unreadable\n"));
    struct arc_result r = verify_arc(a, &head, msg);
    answer(
        ar_printf(a, "%s %d %d %.*s\n", arc_status_name(r.status), r.highest, r.oldest_pass, SLF(r.reason)));
}

static void seal(struct arena *a, int k, const char *domain, const char *selector, struct slice msg)
{
    struct mail_head head;
    struct buf out = BUF_INIT;
    struct arc_seal *s;
    if (mail_head_parse(a, msg, &head)) return answer(SL(""));
    struct arc_result r = verify_arc(a, &head, msg);
    struct arc_sealer sealer = {
        .domain = sl_cstr(domain),
        .selector = sl_cstr(selector),
        .key = key[k],
        .authres = ar_printf(a, "%s;\r\n\tspf=pass smtp.mailfrom=a@b.test;\r\n\tdkim=none", domain)};
    struct dkim_body *b = dkim_body_new(a);
    int e = arc_seal_new(a, &head, &sealer, &r, NOW, b, &s);
    pass_body(b, sl_from(msg, head.body_at));
    if (!e) e = arc_seal_end(s, &out);
    answer(e ? SL("") : buf_slice(&out));
    buf_free(&out);
}

static enum dkim_canon canon(const char *word)
{
    return strcmp(word, "relaxed") ? DKIM_SIMPLE : DKIM_RELAXED;
}

static int sign_with(struct arena *a, const struct dkim_signer *k, struct slice msg, struct buf *out)
{
    struct mail_head head;
    struct dkim_sign *s;
    if (mail_head_parse(a, msg, &head)) return ERR_SYNTAX;
    struct dkim_body *b = dkim_body_new(a);
    int e = dkim_sign_new(a, &head, k, 1, NOW, b, &s);
    pass_body(b, sl_from(msg, head.body_at));
    return e ? e : dkim_sign_end(s, out);
}

static void sign(struct arena *a, const struct dkim_signer *k, struct slice msg)
{
    struct buf out = BUF_INIT;
    int e = sign_with(a, k, msg, &out);
    answer(e ? SL("") : buf_slice(&out));
    buf_free(&out);
}

/* The list with `value` in place of the @ of b=@, or behind it. */
static struct slice with_b(struct arena *a, struct slice list, struct slice value)
{
    size_t at = sl_find(list, SL("b=@"));
    if (at == SL_NONE) return ar_printf(a, "%.*s; b=%.*s", SLF(list), SLF(value));
    return ar_printf(a, "%.*s%.*s%.*s", SLF(sl_sub(list, 0, at + 2)), SLF(value), SLF(sl_from(list, at + 3)));
}

/* The letter with a DKIM-Signature of this list on top, read back as a verifier would. */
static struct slice with_tags(struct arena *a, struct slice list, struct slice msg, struct mail_head *head,
                              struct dkim_sig *s)
{
    struct slice tags = with_b(a, list, SL("AAAA"));
    struct slice whole = ar_printf(a, "DKIM-Signature: %.*s\r\n%.*s", SLF(tags), SLF(msg));
    if (mail_head_parse(a, whole, head)) exit(3);
    dkim_sig_read(a, &head->field[0], FAMILY_DKIM, s);
    return whole;
}

static struct slice put_body_hash(struct arena *a, struct slice list, struct slice msg)
{
    static const char none[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    struct mail_head head;
    struct dkim_sig s;
    uint8_t sha256[32] = {0};
    uint64_t rest;
    size_t at = sl_find(list, SL("bh=@"));
    if (at == SL_NONE) return list;
    struct slice front = sl_sub(list, 0, at + 3), tail = sl_from(list, at + 4);
    struct slice whole =
        with_tags(a, ar_printf(a, "%.*s%s%.*s", SLF(front), none, SLF(tail)), msg, &head, &s);
    struct dkim_body *b = dkim_body_new(a);
    int want = dkim_body_want(b, s.body_canon, s.has_length ? s.length : DKIM_WHOLE);
    pass_body(b, sl_from(whole, head.body_at));
    dkim_body_hash(b, want, sha256, &rest);
    struct slice bh = b64_encode_ar(a, sl(sha256, 32));
    return ar_printf(a, "%.*s%.*s%.*s", SLF(front), SLF(bh), SLF(tail));
}

static void sign_tags(struct arena *a, int k, struct slice list, struct slice msg)
{
    struct mail_head head;
    struct dkim_sig s;
    struct dkim_names names;
    struct buf data = BUF_INIT, sig = BUF_INIT;
    uint8_t digest[HASH_MAX];
    list = put_body_hash(a, list, msg);
    with_tags(a, list, msg, &head, &s);
    dkim_names_init(a, &head, &names);
    dkim_head_data(&data, &names, &s);
    hash_once(HASH_SHA256, buf_slice(&data), digest);
    if (sign_digest(key[k], digest, &sig)) exit(3);
    list = with_b(a, list, b64_encode_ar(a, buf_slice(&sig)));
    answer(ar_printf(a, "DKIM-Signature: %.*s\r\n", SLF(list)));
    buf_free(&data);
    buf_free(&sig);
}

/* ---- cost ---- */

static void bench_sign(struct buf *out, int k, struct slice msg)
{
    struct dkim_signer s = {.domain = SL("example.com"),
                            .selector = SL("k"),
                            .key = key[k],
                            .head_canon = DKIM_RELAXED,
                            .body_canon = DKIM_RELAXED,
                            .timestamp = true};
    int64_t from = rt_wall();
    int n = 0;
    for (; rt_wall() - from < 1000000; n++) {
        struct arena a = {0};
        struct buf field = BUF_INIT;
        if (sign_with(&a, &s, msg, &field)) exit(3);
        buf_free(&field);
        ar_free(&a);
    }
    buf_printf(out, "sign key %d (%d bits): %d us\n", k, sign_key_bits(key[k]),
               (int)((rt_wall() - from) / n));
}

static void bench_verify(struct buf *out, struct slice msg)
{
    int64_t from = rt_wall();
    int n = 0;
    const char *word = "";
    for (; rt_wall() - from < 1000000; n++) {
        struct arena a = {0};
        struct mail_head head;
        struct dkim_results r;
        if (mail_head_parse(&a, msg, &head)) exit(3);
        struct dkim_body *b = dkim_body_new(&a);
        struct dkim_verify *v = dkim_verify_new(&a, &head, NULL, b);
        pass_body(b, sl_from(msg, head.body_at));
        if (dkim_verify_end(v, dns, &r)) exit(3);
        word = dkim_result_name(r.overall);
        ar_free(&a);
    }
    buf_printf(out, "verify (%zu bytes, %s): %d us\n", msg.n, word, (int)((rt_wall() - from) / n));
}

static void bench(struct arena *a, struct slice msg)
{
    struct buf out = BUF_INIT;
    for (int k = 0; k < nkeys; k++) bench_sign(&out, k, msg);
    bench_verify(&out, msg);
    answer(ar_dup(a, buf_slice(&out)));
    buf_free(&out);
}

/* ---- commands ---- */

static void set_zone(struct slice text)
{
    if (dns) dns_close(&dns);
    if (dns_open_zone_text(&dns, text)) {
        fprintf(stderr, "zone: %s\n", err_text(ERR_SYNTAX));
        exit(3);
    }
    answer(SL(""));
}

static void add_key(struct slice pem)
{
    if (nkeys == KEYS || sign_key_from_pem(pem, &key[nkeys])) exit(3);
    nkeys++;
    answer(SL(""));
}

static int number(const char *word)
{
    uint64_t n;
    if (!word || !num_u64(sl_cstr(word), LETTER_MAX, &n)) exit(3);
    return (int)n;
}

static void run(struct arena *a, char **w, int n)
{
    struct slice msg = read_bytes(a, (size_t)number(w[n - 1]));
    if (!strcmp(w[0], "zone")) set_zone(msg);
    else if (!strcmp(w[0], "key")) add_key(msg);
    else if (!strcmp(w[0], "verify") && n == 3) verify(a, msg, number(w[1]));
    else if (!strcmp(w[0], "arc")) arc(a, msg);
    else if (!strcmp(w[0], "bench")) bench(a, msg);
    else if (!strcmp(w[0], "seal") && n == 5) seal(a, number(w[1]), w[2], w[3], msg);
    else if (!strcmp(w[0], "tags") && n == 4) {
        size_t len = (size_t)number(w[2]);
        sign_tags(a, number(w[1]), sl_sub(msg, 0, len), sl_from(msg, len));
    } else if (!strcmp(w[0], "sign") && n == 8) {
        struct dkim_signer k = {.domain = sl_cstr(w[2]),
                                .selector = sl_cstr(w[3]),
                                .key = key[number(w[1])],
                                .head_canon = canon(w[4]),
                                .body_canon = canon(w[5]),
                                .timestamp = true};
        if (strcmp(w[6], "-")) k.identity = sl_cstr(w[6]);
        sign(a, &k, msg);
    } else exit(2);
}

static int main_fiber(void *arg)
{
    char line[1024], *words[10], *rest;
    (void)arg;
    while (fgets(line, sizeof line, stdin)) {
        struct arena a = {0};
        int n = 0;
        for (char *w = strtok_r(line, " \n", &rest); w && n < 10; w = strtok_r(NULL, " \n", &rest))
            words[n++] = w;
        if (n < 2) return 2;
        run(&a, words, n);
        ar_free(&a);
    }
    if (dns) dns_close(&dns);
    for (int i = 0; i < nkeys; i++) sign_key_free(&key[i]);
    return 0;
}

int main(void)
{
    struct rt_opts opts = {.loops = 1};
    return rt_run(&opts, main_fiber, NULL);
}
