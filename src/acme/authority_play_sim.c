/* authority_play_sim.c - an order with an authority that says what somebody wants it to say. */
#include "authority_play_sim.h"

#include <stdlib.h>

#include "acme_i.h"
#include "base/test.h"
#include "base/text.h"
#include "dns/dns.h"
#include "rt/tls.h"
#include "sim/sim.h"

enum { REQUESTS_MAX = 3000, ANSWERS_MAX = 200 };

struct world {
    struct slice input;
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct acme *acme;
    struct tls_ctx *tls;
    unsigned requests, answers;
    int published;
};

static bool is_name(struct slice s) { return sl_eq(s, SL("one.test")) || sl_eq(s, SL("mail.one.test")); }

/* No terminal or log obeys what came from there. */
static void check_words(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) ASSERT((uint8_t)s.p[i] >= 0x20 && s.p[i] != 0x7f);
}

static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    struct slice all, line;
    *out = (struct fetch_answer){.field = ar_array(c->a, struct fetch_field, 8)};
    w->requests++;
    if (!w->input.n || w->answers++ == ANSWERS_MAX) return err_set(ERR_UNREACHABLE, "the authority is gone");
    (void)sl_next(&w->input, AUTHORITY_NEXT, &all);
    for (size_t i = 0; i < 3 && all.n && is_digit(all.p[0]); i++, all = sl_from(all, 1))
        out->status = out->status * 10 + (all.p[0] - '0');
    (void)sl_next(&all, '\n', &line);
    while (sl_next(&all, '\n', &line) && line.n && out->nfield < 8) {
        size_t colon = sl_chr(line, ':');
        if (colon == SL_NONE) continue;
        out->field[out->nfield++] = (struct fetch_field){ar_lower(c->a, sl_sub(line, 0, colon)),
                                                         ar_dup(c->a, sl_trim(sl_from(line, colon + 1)))};
    }
    out->body = ar_dup(c->a, sl_sub(all, 0, c->size_max));
    return 0;
}

static int names(void *ctx, struct arena *a, struct acme_names *out)
{
    (void)ctx;
    *out = (struct acme_names){.v = ar_array(a, struct slice, 2), .n = 2};
    out->v[0] = SL("mail.one.test");
    out->v[1] = SL("one.test");
    return 0;
}

/* Only what was ordered is published, and it is taken away again. */
static int publish(void *ctx, struct arena *a, struct slice name, struct slice text, bool there)
{
    struct world *w = ctx;
    (void)a;
    ASSERT(sl_starts(name, SL("_acme-challenge.")) && is_name(sl_from(name, 16)) && text.n == 43);
    w->published += there ? 1 : -1;
    ASSERT(w->published == 0 || w->published == 1);
    return 0;
}

static void judge(struct world *w)
{
    struct arena a = {0};
    struct acme_kept k;
    ASSERT(acme_kept(w->kv, &a, SL(""), &k) == 0);
    /* a certificate for our key would take a signature over it */
    ASSERT(!k.chain_pem.n && k.failures > 0 && k.renew_at > rt_wall_seconds());
    check_words(k.why);
    ASSERT(w->published == 0 && w->requests <= REQUESTS_MAX);
    for (size_t i = 0; i < ACME_TOKENS_MAX; i++) ASSERT(!w->acme->token[i].name.n);
    ar_free(&a);
}

static int work(void *arg)
{
    struct world *w = arg;
    struct slice name = SL("mail.one.test");
    struct buf chain = BUF_INIT, key = BUF_INIT;
    int e = dns_open_zone_text(&w->dns, SL("ca.test. A 192.0.2.1\n"));
    if (!e) e = kv_mem_open(&w->kv, NULL);
    if (!e) e = tls_self_signed(&name, 1, 90, &chain, &key);
    if (!e) e = tls_server_new(&w->tls, NULL);
    if (!e) e = tls_server_add_cert(w->tls, buf_slice(&chain), buf_slice(&key));
    ASSERT(e == 0);
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
    acme_open(&w->acme, &(struct acme_conf){.kv = w->kv,
                                            .fetch = &w->fetch,
                                            .directory = SL("https://ca.test/dir"),
                                            .names = names,
                                            .publish = publish,
                                            .ctx = w});
    acme_serve_tls(w->acme, w->tls);
    e = acme_renew(w->acme);
    ASSERT(e != 0);
    judge(w);
    acme_close(&w->acme);
    tls_free(&w->tls);
    kv_close(&w->kv);
    dns_close(&w->dns);
    buf_free(&chain);
    buf_free(&key);
    return 0;
}

unsigned authority_play(struct slice input)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(7);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    w->input = input;
    sim_node_start(n, work, w);
    sim_run(s, 86400 * RT_S);
    ASSERT(!sim_node_running(n));
    sim_free(&s);
    unsigned requests = w->requests;
    free(w);
    return requests;
}
