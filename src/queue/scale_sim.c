/* scale_sim.c - many domains on many sites, of which most behave badly in one of eleven ways, over five days:
 * every letter ends delivered or bounced within its lifetime, a site that is well gets its letters at once,
 * whatever the others do, and no site gets more at once than it may. `make scale`: a million letters to
 * 10,000 domains on 300 sites, from several seeds. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/sim.h"

#define HOUR (3600 * RT_S)
#define DAY (24 * HOUR)
enum { SUBMITTED_DAYS = 3, LIFETIME_DAYS = 2 }; /* together five */

#define KINDS(X)                                                                                             \
    X(GOOD)     /* well */                                                                                   \
    X(SLOW)     /* a minute for each step */                                                                 \
    X(DEAD)     /* nobody answers */                                                                         \
    X(FEW)      /* three at once */                                                                          \
    X(GREY)     /* who comes back is let in */                                                               \
    X(FLAPPING) /* away every second hour */                                                                 \
    X(SPURNS)   /* refuses our domain for good */                                                            \
    X(BARS_US)  /* refuses our host for good, every second day */                                            \
    X(NOBODY)   /* there is no such address */                                                               \
    X(LOSES)    /* takes letters, and the connection breaks before it says so */                             \
    X(NO_DNS)   /* its DNS does not answer */                                                                \
    X(HALF_DNS) /* it answers half the time */
enum kind {
#define X(name) name,
    KINDS(X)
#undef X
        NKINDS
};
struct site_seen {
    int at_once, most;
};
struct letter_seen {
    int64_t sent, first; /* first: when an attempt that went well began */
    int taken, bounced, tried;
    bool lost;
};
struct world {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct queue *queue;
    struct own_way way;
    int sites, domains, letters;
    struct site_seen *site;
    struct letter_seen *letter;
    int64_t worst; /* of a site that is well */
    uint64_t left, stalled;
};

/* ---- the other side ---- */

static void say(struct attempt_rcpt *r, enum attempt what, int code, const char *text)
{
    r->result = what;
    r->code = code;
    r->reply = sl_cstr(text);
    r->host = SL("mx.test [192.0.2.9]:25");
}

static bool away(enum kind k) { return k == DEAD || (k == FLAPPING && rt_now() / HOUR % 2); }

static void answer(struct world *w, enum kind k, const struct site_seen *s, struct letter_seen *l,
                   struct attempt_rcpt *r)
{
    (void)w;
    if (k == FEW && s->at_once > 3) return say(r, ATTEMPT_TEMPORARY, 421, "421 4.7.0 too many connections");
    if (k == GREY && l->tried++ < 2)
        return say(r, ATTEMPT_TEMPORARY, 450, "450 4.2.0 Greylisted, come back later");
    if (k == SPURNS) return say(r, ATTEMPT_PERMANENT, 550, "550 5.7.23 SPF validation failed");
    if (k == BARS_US && rt_now() / DAY % 2)
        return say(r, ATTEMPT_PERMANENT, 550, "550 5.7.1 Your IP is on our blacklist");
    if (k == NOBODY) return say(r, ATTEMPT_PERMANENT, 550, "550 5.1.1 no such user");
    l->taken++;
    if (k == LOSES && !l->lost) {
        l->lost = true;
        return say(r, ATTEMPT_UNCERTAIN, 0, "the connection broke");
    }
    say(r, ATTEMPT_DELIVERED, 250, "250 ok");
}

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    uint64_t n = 0, d = 0;
    char name[32];
    struct slice local = sl_sub(at->rcpt[0].address, 1, sl_chr(at->rcpt[0].address, '@'));
    say(&at->rcpt[0], ATTEMPT_TEMPORARY, 0, "no server answered");
    CHECK(num_u64(local, UINT64_MAX, &n) && num_u64(sl_sub(at->domain, 1, at->domain.n - 5), UINT64_MAX, &d));
    struct letter_seen *l = &w->letter[n];
    struct site_seen *s = &w->site[d % (uint64_t)w->sites];
    enum kind k = (enum kind)(d % (uint64_t)w->sites % NKINDS);
    int64_t begun = rt_now();
    if (k == NO_DNS || (k == HALF_DNS && rt_random_below(2))) {
        (void)fiber_sleep(5 * RT_S);
        return;
    }
    snprintf(name, sizeof name, "mx%d.test", (int)(d % (uint64_t)w->sites));
    if (!attempt_place(at, sl_cstr(name), sl_cstr(name), FROM_IPV4)) return;
    attempt_asks(at);
    if (++s->at_once > s->most) s->most = s->at_once;
    int64_t takes = away(k) ? 30 * RT_S : k == SLOW ? 60 * RT_S : 300 * RT_MS;
    int e = fiber_sleep(takes / 2 + (int64_t)rt_random_below((uint64_t)takes));
    if (!e && !away(k)) answer(w, k, s, l, &at->rcpt[0]);
    if (at->rcpt[0].result == ATTEMPT_DELIVERED && k == GOOD && begun - l->sent > w->worst)
        w->worst = begun - l->sent;
    s->at_once--;
}

/* A report names the letter's recipient. */
static int take_own(void *ctx, const struct letter_own *own)
{
    struct world *w = ctx;
    uint64_t n;
    size_t at = sl_find(own->text, SL("Final-Recipient: rfc822; u"));
    if (sl_find(own->text, SL("Action: failed")) == SL_NONE || at == SL_NONE) return 0;
    struct slice rest = sl_from(own->text, at + 26);
    if (num_u64(sl_sub(rest, 0, sl_chr(rest, '@')), (uint64_t)w->letters - 1, &n)) w->letter[n].bounced++;
    return 0;
}

/* ---- ours ---- */

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 16);
    w->way = (struct own_way){&w->store, &w->queue};
    c.take = take_own, c.take_ctx = w;
    c.lifetime_s = LIFETIME_DAYS * 86400;
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    return e ? e : queue_start(w->queue, relay, w);
}

static int submit(struct world *w, int n)
{
    char to[64], sender[64];
    snprintf(to, sizeof to, "u%d@d%d.test", n, (int)rt_random_below((uint64_t)w->domains));
    snprintf(sender, sizeof sender, "s@one%d.test", (int)rt_random_below(20));
    struct letter_rcpt r = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    struct letter l = {.sender = sl_cstr(sender),
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .stream = rt_random_below(3) ? STREAM_BULK : STREAM_TRANSACTIONAL,
                       .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    w->letter[n].sent = rt_now();
    return e ? e : accept_letter(w->queue, &l);
}

static int days(void *arg)
{
    struct world *w = arg;
    struct queue_stats st = {0};
    int e = open_all(w);
    for (int i = 0; !e && i < w->letters; i++) {
        e = submit(w, i);
        if (!e && i % 100 == 99)
            e = fiber_sleep(SUBMITTED_DAYS * DAY / (w->letters / 100)); /* in waves of a hundred */
    }
    if (!e) e = fiber_sleep(LIFETIME_DAYS * DAY + HOUR);
    if (!e) e = queue_stats(w->queue, &st);
    w->left = st.letters;
    w->stalled = st.stalled;
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

static void check_ends(const struct world *w)
{
    size_t none = 0, both = 0;
    for (int i = 0; i < w->letters; i++) {
        const struct letter_seen *l = &w->letter[i];
        none += !l->taken && !l->bounced;
        both += (l->taken && l->bounced) || l->bounced > 1 || l->taken > 1 + l->lost;
    }
    CHECK_INT(none, 0);
    CHECK_INT(both, 0);
    CHECK_INT(w->left, 0);
    CHECK_INT(w->stalled, 0);
    for (int i = 0; i < w->sites; i++) CHECK(w->site[i].most <= 20);
    if (w->worst >= 10 * RT_S)
        test_fail(__FILE__, __LINE__, "a letter to a site that is well waited %d s", (int)(w->worst / RT_S));
}

static void run(uint64_t seed, int sites, int domains, int letters)
{
    struct world w = {.sim = sim_new(seed), .sites = sites, .domains = domains, .letters = letters};
    w.site = xcalloc((size_t)sites, sizeof *w.site);
    w.letter = xcalloc((size_t)letters, sizeof *w.letter);
    w.node = sim_node(w.sim, "one.test", "192.0.2.1");
    sim_node_start(w.node, days, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.node), 0);
    check_ends(&w);
    sim_free(&w.sim);
    free(w.site);
    free(w.letter);
}

static uint64_t setting(const char *name, uint64_t most, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n;
    return text && num_u64(sl_cstr(text), most, &n) && n ? n : otherwise;
}

TEST(many_domains_on_many_sites_end_in_their_time)
{
    int letters = (int)setting("LETTERS", 100000000, 0);
    uint64_t first = setting("SEED", UINT64_MAX / 2, 1), n = letters ? setting("SEEDS", 100000, 1) : 1;
    for (uint64_t seed = first; seed < first + n; seed++)
        if (letters) run(seed, 300, 10000, letters);
        else run(seed, 66, 1000, 4000);
}
