/* world.c - the DNS of the world through libunbound, DNSSEC validated.
 *
 * libunbound asks in a thread of its own. A fiber on loop 0 waits for its descriptor
 * and takes finished answers, which go through the cache to whoever asked.
 *
 * With a resolver to forward to there are two contexts: one validates, one does not.
 * Many resolvers in networks and containers strip signatures, and some trial ones
 * have a root of their own; validating would then disprove everything. So the root's
 * keys are asked for first: when they can be proved, the first context answers, else
 * the second one, whose answers are never "secure", and the proof is tried again
 * after a while. Without a resolver to forward to everything is validated. */
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

#include "base/log.h"
#include "base/text.h"
#include "dns_i.h"

enum { CACHE_BYTES = 16 << 20, DNSKEY = 48, PROBE_AGAIN_S = 60 };
enum { FILES_MAX = 1600, FILES_LEAST = 100, TCP_MAX = 50 };

/* The root's key signing keys of 2017 and 2024 (IANA). */
static const char *const root_keys[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

enum mode { MODE_UNKNOWN, MODE_PROVED, MODE_PLAIN };
struct world {
    struct dns dns;
    struct cache *cache;
    struct ub_ctx *validating, *plain; /* plain: only when forwarding */
    struct group pumps;                /* on loop 0 */
    struct lock lock;
    struct link asked; /* struct question, handed to libunbound */
    struct link held;  /* struct question, until the proof is decided */
    enum mode mode;
    bool probing;
    int64_t probe_again;
};
struct question {
    struct link link;
    struct world *w;
    struct flight *f; /* NULL: the proof */
};

static void on_answer(void *arg, int failed, struct ub_result *r);

/* ---- asking ---- */

static void finish(struct question *q, const struct dns_answer *r)
{
    struct world *w = q->w;
    lock_take(&w->lock);
    list_remove(&q->link);
    lock_release(&w->lock);
    flight_finish(q->f, r);
    free(q);
}

static void finish_failed(struct question *q, const char *why)
{
    struct dns_answer r;
    answer_tempfail(&r, sl_cstr(why));
    finish(q, &r);
}

static void hand_over(struct world *w, struct ub_ctx *ctx, struct question *q)
{
    lock_take(&w->lock);
    list_remove(&q->link);
    list_push(&w->asked, &q->link);
    lock_release(&w->lock);
    int e = ub_resolve_async(ctx, flight_name(q->f).p, (int)flight_type(q->f), 1, q, on_answer, NULL);
    if (e) finish_failed(q, ub_strerror(e));
}

static void probe(struct world *w)
{
    struct question *q = xcalloc(1, sizeof *q);
    q->w = w;
    list_init(&q->link);
    lock_take(&w->lock);
    list_push(&w->asked, &q->link);
    lock_release(&w->lock);
    if (ub_resolve_async(w->validating, ".", DNSKEY, 1, q, on_answer, NULL) != 0) on_answer(q, UB_PIPE, NULL);
}

/* cache's start function: any loop, no suspending. */
static void start(void *arg, struct flight *f)
{
    struct world *w = arg;
    struct question *q = xcalloc(1, sizeof *q);
    *q = (struct question){.w = w, .f = f};
    list_init(&q->link);
    lock_take(&w->lock);
    enum mode mode = w->mode;
    bool must_probe = mode != MODE_PROVED && !w->probing && rt_now() >= w->probe_again;
    if (must_probe) w->probing = true;
    if (mode == MODE_UNKNOWN) list_push(&w->held, &q->link);
    lock_release(&w->lock);
    if (must_probe) probe(w);
    if (mode != MODE_UNKNOWN) hand_over(w, mode == MODE_PROVED ? w->validating : w->plain, q);
}

static void probe_done(struct world *w, bool proved)
{
    struct link held;
    list_init(&held);
    lock_take(&w->lock);
    bool news = w->mode == MODE_UNKNOWN || proved;
    w->mode = proved ? MODE_PROVED : MODE_PLAIN;
    w->probing = false;
    w->probe_again = rt_now() + PROBE_AGAIN_S * RT_S;
    for (struct link *l; (l = list_shift(&w->held)) != NULL;) list_push(&held, l);
    lock_release(&w->lock);
    if (news && proved) log_info("dns", "the resolver passes DNSSEC on; answers are validated");
    else if (news)
        log_warn("dns", "the resolver does not pass DNSSEC on: no answer counts as proved (no DANE)");
    for (struct link *l; (l = list_shift(&held)) != NULL;)
        hand_over(w, proved ? w->validating : w->plain, CONTAINER_OF(l, struct question, link));
}

/* ---- answers ---- */

static struct slice rcode_sentence(int rcode)
{
    switch (rcode) {
    case 1: return SL("the name server answered FORMERR");
    case 2: return SL("the name servers could not be reached or answered SERVFAIL");
    case 4: return SL("the name server answered NOTIMP");
    case 5: return SL("the name server refused to answer");
    default: return SL("the name server answered with an error");
    }
}

static void take_records(struct arena *a, const struct ub_result *r, struct dns_answer *out)
{
    size_t n = 0;
    while (n < ANSWER_RR_MAX && r->data[n]) n++;
    out->rr = ar_array(a, struct dns_rr, n);
    for (size_t i = 0; i < n; i++) {
        struct dns_rr *rr = &out->rr[out->n];
        if (r->len[i] < 0 || rdata_parse(a, r->qtype, sl(r->data[i], (size_t)r->len[i]), rr) != 0) continue;
        rr->ttl = out->ttl;
        out->n++;
    }
    if (out->n) out->status = DNS_FOUND;
    else answer_tempfail(out, SL("the records of the answer are malformed"));
}

static void from_result(struct arena *a, const struct ub_result *r, struct dns_answer *out)
{
    char text[NAME_TEXT_MAX];
    struct wire_name wire;
    *out = (struct dns_answer){.secure = r->secure != 0, .ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0};
    if (r->canonname && name_to_wire(sl_cstr(r->canonname), &wire)) {
        name_from_wire(sl(wire.b, wire.n), text, &out->canon);
        out->canon = ar_dup(a, out->canon);
    }
    if (r->bogus) {
        answer_tempfail(
            out, ar_printf(a, "DNSSEC validation failed: %.200s", r->why_bogus ? r->why_bogus : "bogus"));
        out->bogus = true;
    } else if (r->havedata && r->data && r->data[0]) {
        take_records(a, r, out);
    } else if (r->nxdomain || r->rcode == 3) {
        out->status = DNS_NXDOMAIN;
    } else if (r->rcode == 0) {
        out->status = DNS_NODATA;
    } else {
        answer_tempfail(out, rcode_sentence(r->rcode));
    }
}

/* libunbound's callback: in the fiber that called ub_process(). */
static void on_answer(void *arg, int failed, struct ub_result *r)
{
    struct question *q = arg;
    struct world *w = q->w;
    if (!q->f) {
        bool proved = !failed && r && r->secure && r->havedata;
        lock_take(&w->lock);
        list_remove(&q->link);
        lock_release(&w->lock);
        free(q);
        probe_done(w, proved);
    } else if (failed || !r) {
        finish_failed(q, ub_strerror(failed));
    } else {
        struct arena a = {0};
        struct dns_answer answer;
        from_result(&a, r, &answer);
        finish(q, &answer);
        ar_free(&a);
    }
    ub_resolve_free(r);
}

static void pump(void *arg)
{
    struct ub_ctx *ctx = arg;
    while (rt_wait_readable(ub_fd(ctx)) == 0) ub_process(ctx);
}

/* ---- open and close ---- */

/* Zones that a resolver by default answers by itself, but a trial network may have. */
static const char *const trial_zones[] = {
    "test.", "localhost.", "127.in-addr.arpa.", "home.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."};

static int forward_to(struct ub_ctx *c, const struct endpoint *to)
{
    char ip[IP_TEXT_MAX], at[IP_TEXT_MAX + 8];
    snprintf(at, sizeof at, "%s@%u", ip_format(&to->ip, ip), to->port);
    int e = ub_ctx_set_fwd(c, at);
    if (!e) e = ub_ctx_set_option(c, "do-not-query-localhost:", "no");
    if (!e) e = ub_ctx_set_option(c, "unblock-lan-zones:", "yes");
    if (!e) e = ub_ctx_set_option(c, "insecure-lan-zones:", "yes");
    for (size_t i = 0; !e && i < COUNT_OF(trial_zones); i++) ub_ctx_zone_remove(c, trial_zones[i]);
    return e;
}

/* The library's own values are those of a small program: 16 ports, so that 16 questions about silent domains
 * stop all others. */
static const struct {
    const char *name, *value;
} capacity[] = {
    {"num-queries-per-thread:", "1600"}, /* two for each of ours: those that resolving needs */
    {"outgoing-num-tcp:", "50"},
    /* A server that is silent about one name is not down for the others: what is noted of its times holds a
     * second. With a resolver to forward to, all names have the same server. */
    {"infra-host-ttl:", "0"},
};

size_t dns_files_max(void)
{
    size_t n = rt_files_max() / 8;
    return n > FILES_MAX ? FILES_MAX : n < FILES_LEAST ? FILES_LEAST : n;
}

static bool next_word(struct slice *rest, struct slice *word)
{
    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t')) *rest = sl_from(*rest, 1);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') n++;
    *word = sl_sub(*rest, 0, n);
    *rest = sl_from(*rest, n);
    return n > 0;
}

/* "NAME [TTL] [IN] DS|DNSKEY number number number data": libunbound looks at it when it is asked for the
 * first time, and then fails for good. */
static bool is_anchor(struct slice line)
{
    struct slice word;
    uint64_t n;
    size_t at = 0, numbers = 0;
    bool data = false, typed = false;
    while (next_word(&line, &word)) {
        if (!at++) continue;
        if (!typed && (sl_eqi(word, SL("DS")) || sl_eqi(word, SL("DNSKEY")))) typed = true;
        else if (!typed && !sl_eqi(word, SL("IN")) && !num_u64(word, UINT32_MAX, &n)) return false;
        else if (typed && numbers < 3 && !num_u64(word, UINT16_MAX, &n)) return false;
        else if (typed && numbers++ >= 3) data = true;
    }
    return data;
}

int dns_anchors_fit(struct slice text)
{
    struct slice line;
    int n = 0, found = 0;
    while (sl_next(&text, '\n', &line)) {
        n++;
        line = sl_trim(sl_sub(line, 0, sl_chr(line, ';')));
        if (line.n && !is_anchor(line)) return err_set(ERR_SYNTAX, "line %d is no DS or DNSKEY record", n);
        found += line.n != 0;
    }
    return found ? 0 : err_set(ERR_SYNTAX, "there is no DS or DNSKEY record, so nothing could be proved");
}

/* Lines of a master file; what stands behind a semicolon is no part of them. */
static int add_anchors(struct ub_ctx *c, struct slice text)
{
    struct slice line;
    char room[1100];
    int e = 0;
    for (size_t i = 0; !text.n && !e && i < COUNT_OF(root_keys); i++) e = ub_ctx_add_ta(c, root_keys[i]);
    while (!e && sl_next(&text, '\n', &line)) {
        line = sl_trim(sl_sub(line, 0, sl_chr(line, ';')));
        if (!line.n) continue;
        snprintf(room, sizeof room, "%.*s", SLF(line));
        e = line.n < sizeof room ? ub_ctx_add_ta(c, room) : UB_SYNTAX;
    }
    return e;
}

static int context(struct ub_ctx **out, const struct endpoint *forward, const struct slice *anchors)
{
    char ports[24];
    struct ub_ctx *c = ub_ctx_create();
    if (!c) return err_set(ERR_DNS, "libunbound cannot be started");
    int e = ub_ctx_async(c, 1);
    ub_ctx_debugout(c, NULL);
    snprintf(ports, sizeof ports, "%zu", dns_files_max() - TCP_MAX);
    if (!e) e = ub_ctx_set_option(c, "outgoing-range:", ports); /* each a descriptor while a question waits */
    for (size_t i = 0; !e && i < COUNT_OF(capacity); i++)
        e = ub_ctx_set_option(c, capacity[i].name, capacity[i].value);
    /* answers are kept in our own cache; this one serves what resolving needs */
    if (!e) e = ub_ctx_set_option(c, "msg-cache-size:", "2m");
    if (!e) e = ub_ctx_set_option(c, "rrset-cache-size:", "8m");
    if (!e && anchors) e = add_anchors(c, *anchors);
    if (!e && forward) e = forward_to(c, forward);
    *out = c;
    if (!e) return 0;
    ub_ctx_delete(c);
    *out = NULL;
    return err_set(ERR_DNS, "libunbound cannot be set up: %s", ub_strerror(e));
}

/* On loop 0. */
static int stop_pumps(void *arg)
{
    struct world *w = arg;
    group_cancel(&w->pumps);
    group_wait(&w->pumps);
    return 0;
}

/* On loop 0. */
static int start_pumps(void *arg)
{
    struct world *w = arg;
    group_init(&w->pumps);
    int e = group_go(&w->pumps, "dns", pump, w->validating);
    if (!e && w->plain) e = group_go(&w->pumps, "dns", pump, w->plain);
    if (e) stop_pumps(w);
    return e;
}

/* BLOCKS: ends libunbound's threads. Questions still under way are not answered by it. */
static int delete_contexts(void *arg)
{
    struct world *w = arg;
    ub_ctx_delete(w->validating);
    if (w->plain) ub_ctx_delete(w->plain);
    return 0;
}

static int world_ask(struct dns *d, struct arena *a, struct dns_asker by, struct slice name,
                     enum dns_type type, struct dns_answer *out)
{
    return cache_ask(CONTAINER_OF(d, struct world, dns)->cache, a, by, name, type, out);
}

static void world_close(struct dns *d)
{
    struct world *w = CONTAINER_OF(d, struct world, dns);
    rt_call(0, stop_pumps, w);
    offload(delete_contexts, w);
    while (!list_empty(&w->asked) || !list_empty(&w->held)) {
        struct link *from = list_empty(&w->asked) ? &w->held : &w->asked;
        struct question *q = CONTAINER_OF(from->next, struct question, link);
        if (q->f) {
            finish_failed(q, "the resolver is shut down");
        } else {
            list_remove(&q->link);
            free(q);
        }
    }
    cache_free(&w->cache);
    free(w);
}

int dns_open_unbound(struct dns **out, const struct endpoint *forward, struct slice anchors)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->dns = (struct dns){world_ask, world_close};
    list_init(&w->asked);
    list_init(&w->held);
    w->mode = forward ? MODE_UNKNOWN : MODE_PROVED;
    w->probe_again = INT64_MIN;
    int e = context(&w->validating, forward, &anchors);
    if (!e && forward) e = context(&w->plain, forward, NULL);
    if (!e) w->cache = cache_new(CACHE_BYTES, start, w);
    if (!e) e = rt_call(0, start_pumps, w);
    if (e) {
        if (w->validating) delete_contexts(w);
        cache_free(&w->cache);
        free(w);
        return e;
    }
    *out = &w->dns;
    return 0;
}
