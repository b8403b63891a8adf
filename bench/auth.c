/* auth.c - make bench-auth: what checking and signing a letter costs on one core.
 *
 * Every line repeats one thing for a second and prints how often it goes in a second and the
 * processor time of one. The zone lies in memory, as with a warm cache: what is measured is our
 * work, not the network's. Keys are fresh: RSA of 2048 bits and Ed25519; the letter has 10 KB. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "dkim/dkim_publish.h"
#include "mailauth/mailauth.h"

enum { LETTER_BYTES = 10240 };

struct world {
    struct arena arena;
    struct dns *dns;
    struct sign_key *rsa, *ed;
    struct slice plain, by_rsa, by_ed, by_both; /* letters */
};

static void must(int e, const char *what)
{
    if (e == 0) return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

static void must_be(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "%s has not the expected result\n", what);
    exit(1);
}

/* ---- the letter and the zone ---- */

static struct slice letter(struct arena *a)
{
    struct buf b = BUF_INIT;
    buf_put(&b,
            SL("Received: from client.example.com ([192.0.2.1]) by mail.example.com\r\n"
               "\twith ESMTPSA id 1234; Sun, 22 Nov 2026 12:00:00 +0000\r\n"
               "From: Alice <alice@example.com>\r\nTo: Bob <bob@example.net>\r\n"
               "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= and figures\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
               "Message-ID: <1234@example.com>\r\nMIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"));
    while (b.n < LETTER_BYTES)
        buf_put(&b, SL("The quick brown fox  jumps over the lazy dog, again and again.\r\n"));
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static void pass_body(struct dkim_body *b, struct slice body)
{
    dkim_body_add(b, body);
    dkim_body_end(b);
}

static void sign(struct arena *a, struct world *w, bool rsa, bool ed, struct buf *out)
{
    struct dkim_signer s[2];
    size_t n = 0;
    struct mail_head head;
    struct dkim_sign *d;
    struct dkim_signer common = {.domain = SL("example.com"),
                                 .timestamp = true,
                                 .head_canon = DKIM_RELAXED,
                                 .body_canon = DKIM_RELAXED};
    if (rsa) s[n] = common, s[n].selector = SL("r"), s[n++].key = w->rsa;
    if (ed) s[n] = common, s[n].selector = SL("e"), s[n++].key = w->ed;
    must(mail_head_parse(a, w->plain, &head), "reading");
    struct dkim_body *b = dkim_body_new(a);
    must(dkim_sign_new(a, &head, s, n, rt_wall_seconds(), b, &d), "signing");
    pass_body(b, sl_from(w->plain, head.body_at));
    must(dkim_sign_end(d, out), "signing");
}

static struct slice signed_letter(struct world *w, bool rsa, bool ed)
{
    struct buf fields = BUF_INIT;
    sign(&w->arena, w, rsa, ed, &fields);
    struct slice s = buf_slice(&fields);
    s = ar_printf(&w->arena, "%.*s%.*s", SLF(s), SLF(w->plain));
    buf_free(&fields);
    return s;
}

static struct slice key_line(struct world *w, struct slice selector, struct sign_key *key)
{
    struct dkim_publish p;
    struct dns *none;
    must(dns_open_zone_text(&none, SL("")), "an empty zone");
    must(dkim_publish_check(&w->arena, none, SL("example.com"), selector, key, &p), "a key record");
    dns_close(&none);
    return p.line;
}

static void open_world(struct world *w)
{
    must(sign_key_new(KEY_RSA, 2048, &w->rsa), "an RSA key");
    must(sign_key_new(KEY_ED25519, 0, &w->ed), "an Ed25519 key");
    struct slice r = key_line(w, SL("r"), w->rsa), e = key_line(w, SL("e"), w->ed);
    must(dns_open_zone_text(
             &w->dns,
             ar_printf(
                 &w->arena,
                 "example.com. TXT \"v=spf1 ip4:198.51.100.0/24 mx include:_spf.example.net -all\"\n"
                 "example.com. MX 10 mail.example.com.\nmail.example.com. A 203.0.113.9\n"
                 "_spf.example.net. TXT \"v=spf1 ip4:203.0.113.64/26 ip4:192.0.2.0/24 -all\"\n"
                 "direct.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
                 "_dmarc.example.com. TXT \"v=DMARC1; p=reject; rua=mailto:d@example.com\"\n"
                 "_dmarc.a.b.example.org. TXT \"unrelated\"\n_dmarc.example.org. TXT \"v=DMARC1; p=reject\"\n"
                 "1.2.0.192.in-addr.arpa. PTR out.example.com.\nout.example.com. A 192.0.2.1\n%.*s\n%.*s\n",
                 SLF(r), SLF(e))),
         "the zone");
    w->plain = letter(&w->arena);
    w->by_rsa = signed_letter(w, true, false);
    w->by_ed = signed_letter(w, false, true);
    w->by_both = signed_letter(w, true, true);
}

static void close_world(struct world *w)
{
    dns_close(&w->dns);
    sign_key_free(&w->rsa);
    sign_key_free(&w->ed);
    ar_free(&w->arena);
}

/* ---- what is measured ---- */

static struct ip client(void)
{
    struct ip ip;
    must_be(ip_parse(SL("192.0.2.1"), &ip), "an address");
    return ip;
}

static void spf_of(struct arena *a, struct world *w, struct slice sender)
{
    struct spf_query q = {.ip = client(), .helo = SL("out.example.com"), .mail_from = sender};
    struct spf_result r;
    must(spf_check(w->dns, a, &q, &r), "SPF");
    must_be(r.code == SPF_PASS, "SPF");
}

static void spf_direct(struct arena *a, struct world *w) { spf_of(a, w, SL("a@direct.example")); }
static void spf_include(struct arena *a, struct world *w) { spf_of(a, w, SL("a@example.com")); }

static void verify(struct arena *a, struct world *w, struct slice msg)
{
    struct mail_head head;
    struct dkim_results r;
    must(mail_head_parse(a, msg, &head), "reading");
    struct dkim_body *b = dkim_body_new(a);
    struct dkim_verify *v = dkim_verify_new(a, &head, NULL, b);
    pass_body(b, sl_from(msg, head.body_at));
    must(dkim_verify_end(v, w->dns, &r), "DKIM");
    must_be(r.overall == DKIM_PASS, "DKIM");
}

static void verify_rsa(struct arena *a, struct world *w) { verify(a, w, w->by_rsa); }
static void verify_ed(struct arena *a, struct world *w) { verify(a, w, w->by_ed); }
static void verify_both(struct arena *a, struct world *w) { verify(a, w, w->by_both); }

static void sign_and_drop(struct arena *a, struct world *w, bool rsa, bool ed)
{
    struct buf out = BUF_INIT;
    sign(a, w, rsa, ed, &out);
    buf_free(&out);
}

static void sign_rsa(struct arena *a, struct world *w) { sign_and_drop(a, w, true, false); }
static void sign_ed(struct arena *a, struct world *w) { sign_and_drop(a, w, false, true); }
static void sign_both(struct arena *a, struct world *w) { sign_and_drop(a, w, true, true); }

static void dmarc_of(struct arena *a, struct world *w, struct slice author, struct slice signer,
                     enum dmarc_code want)
{
    struct dmarc_authors from = {.state = DMARC_FROM_ONE, .n = 1, .domain = {author}};
    struct dmarc_evidence e = {.spf_domain = signer, .spf_pass = true, .dkim_pass = &signer, .ndkim_pass = 1};
    struct dmarc_result r;
    must(dmarc_check(w->dns, a, &from, &e, &r), "DMARC");
    must_be(r.code == want, "DMARC");
}

static void dmarc_exact(struct arena *a, struct world *w)
{
    dmarc_of(a, w, SL("example.com"), SL("example.com"), DMARC_PASS);
}
static void dmarc_walk(struct arena *a, struct world *w)
{
    dmarc_of(a, w, SL("a.b.example.org"), SL("c.example.org"), DMARC_PASS);
}

static void whole(struct arena *a, struct world *w, struct slice msg, struct slice sender,
                  enum mailauth_disposition want)
{
    struct mailauth_ctx ctx = {.dns = w->dns, .hostname = SL("mx.example.net")};
    struct mailauth_conn conn = {.ip = client(), .helo = SL("out.example.com"), .tls = true};
    struct mailauth_envelope env = {.mail_from = sender};
    struct mailauth_verdict v;
    must(mailauth_check(&ctx, a, &conn, &env, msg, &v), "the whole check");
    must_be(v.disposition == want, "the whole check");
}

static void whole_pass(struct arena *a, struct world *w)
{
    whole(a, w, w->by_both, SL("alice@example.com"), MAILAUTH_ACCEPT);
}
static void whole_rsa(struct arena *a, struct world *w)
{
    whole(a, w, w->by_rsa, SL("alice@example.com"), MAILAUTH_ACCEPT);
}
static void whole_forged(struct arena *a, struct world *w)
{
    whole(a, w, w->plain, SL("x@direct.example"), MAILAUTH_REJECT);
}

/* ---- the clock ---- */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct world *w, const char *what, void (*fn)(struct arena *, struct world *))
{
    double from = cpu_seconds(), took = 0;
    long n = 0;
    for (; took < 1.0; took = cpu_seconds() - from)
        for (int i = 0; i < 20; i++, n++) {
            struct arena a = {0};
            fn(&a, w);
            ar_free(&a);
        }
    printf("%-58s %9.0f /s %9.1f us\n", what, (double)n / took, took / (double)n * 1e6);
    fflush(stdout);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a letter waits for its verdict, by the clock on the wall. */
static void waiting(struct world *w, const char *what, void (*fn)(struct arena *, struct world *))
{
    enum { RUNS = 5000 };
    static double took[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct arena a = {0};
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        fn(&a, w);
        clock_gettime(CLOCK_MONOTONIC, &to);
        took[i] = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
        ar_free(&a);
    }
    qsort(took, RUNS, sizeof *took, by_size);
    printf("%-58s median %.0f us, 99 of 100 within %.0f us\n", what, took[RUNS / 2], took[RUNS / 100 * 99]);
}

static int bench(void *arg)
{
    struct world *w = arg;
    open_world(w);
    printf("a letter of %d bytes; answers from a zone in memory; one core\n", LETTER_BYTES);
    measure(w, "SPF: ip4 in the record", spf_direct);
    measure(w, "SPF: ip4, mx, include (4 questions)", spf_include);
    measure(w, "DKIM: verify RSA-2048", verify_rsa);
    measure(w, "DKIM: verify Ed25519", verify_ed);
    measure(w, "DKIM: verify RSA-2048 and Ed25519", verify_both);
    measure(w, "DKIM: sign RSA-2048", sign_rsa);
    measure(w, "DKIM: sign Ed25519", sign_ed);
    measure(w, "DKIM: sign RSA-2048 and Ed25519", sign_both);
    measure(w, "DMARC: same domain", dmarc_exact);
    measure(w, "DMARC: tree walks of author and identifier", dmarc_walk);
    measure(w, "all checks, letter with RSA-2048 passes", whole_rsa);
    measure(w, "all checks, letter with RSA-2048 and Ed25519 passes", whole_pass);
    measure(w, "all checks, forged letter without signature is refused", whole_forged);
    waiting(w, "a letter with both signatures waits for its verdict", whole_pass);
    waiting(w, "a letter waits for its two signatures", sign_both);
    close_world(w);
    return 0;
}

int main(void)
{
    static struct world w;
    struct rt_opts opts = {.loops = 1};
    return rt_run(&opts, bench, &w);
}
