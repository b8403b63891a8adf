/* webhook_run.c - events are told to webhooks: a fiber for each that has something to hear, so that one that
 * hangs keeps no other; its place moves when the receiver has answered 2xx, and no sooner. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "event.h"
#include "fetch/fetch.h"
#include "send_i.h"
#include "webhook_i.h"

enum { WAIT_LEAST_S = 30, WAIT_MOST_S = 3600, ANSWER_MAX = 16 * 1024 };
#define GATHER RT_S /* events that come within it are told together */
#define LOOK_EVERY (60 * RT_S)
#define ANSWER_WITHIN (30 * RT_S)

struct telling {
    struct sends *s;
    char key[KV_KEY_MAX + 1];
    bool again;  /* there may be more events than it has seen */
    bool failed; /* it is to be called again, at a time that is in its row */
    /* Events that were read with those of the last call, behind `after`: one that wants a call for each does
     * not have a hundred read anew for it. */
    struct arena kept;
    const struct event *event;
    size_t left;
    uint64_t after;
};

/* ---- one call ---- */

/* ASN.1: a sequence of two positive integers (RFC 3279 section 2.2.3). */
static size_t put_integer(uint8_t *p, const uint8_t *n)
{
    size_t skip = 0;
    while (skip < ES256_NUMBER - 1 && !n[skip]) skip++;
    bool sign = n[skip] & 0x80;
    size_t len = ES256_NUMBER - skip + sign;
    p[0] = 2;
    p[1] = (uint8_t)len;
    p[2] = 0;
    memcpy(p + 2 + sign, n + skip, ES256_NUMBER - skip);
    return 2 + len;
}

int webhook_sign(const struct es256 *k, struct arena *a, struct slice bytes, struct slice *out)
{
    uint8_t raw[ES256_SIGNATURE], der[2 + 2 * (ES256_NUMBER + 3)];
    int e = es256_sign(k, bytes, raw);
    if (e) return e;
    size_t n = put_integer(der + 2, raw);
    n += put_integer(der + 2 + n, raw + ES256_NUMBER);
    der[0] = 0x30;
    der[1] = (uint8_t)n;
    *out = b64_encode_ar(a, sl((const char *)der, n + 2));
    return 0;
}

/* k: NULL when the call bears no signature. */
static int call(struct sends *s, const struct webhook *h, const struct es256 *k, struct slice body,
                struct arena *a)
{
    struct slice when = ar_printf(a, "%lld", (long long)rt_wall_seconds()), signature = {0};
    struct fetch_answer answer = {0};
    int e = k ? webhook_sign(k, a, ar_cat(a, when, body), &signature) : 0;
    if (e) return e;
    const struct fetch_field fields[] = {{SL("Content-Type"), SL("application/json")},
                                         {SL("User-Agent"), SL("Tram")},
                                         {SL("X-Twilio-Email-Event-Webhook-Signature"), signature},
                                         {SL("X-Twilio-Email-Event-Webhook-Timestamp"), when}};
    struct fetch_request q = {.method = SL("POST"),
                              .url = h->url,
                              .field = fields,
                              .nfield = k ? COUNT_OF(fields) : 2,
                              .body = body,
                              .size_max = ANSWER_MAX,
                              .timeout = ANSWER_WITHIN,
                              .asker = sl_hash(h->account) | 1,
                              .clear = s->webhook_private,
                              .private_hosts = s->webhook_private};
    e = fetch(s->fetch, a, &q, &answer);
    if (e == ERR_LIMIT) e = 0; /* it talks a lot, but it has answered; its status is not known */
    if (!e && (answer.status < 200 || answer.status > 299))
        e = err_set(ERR_DENIED, "it answered %d", answer.status);
    return e;
}

int webhook_try(struct sends *s, struct slice account, struct slice name, struct slice url, struct arena *a)
{
    struct webhook h = {.account = account, .bare = true};
    struct event v[EVENT_KIND_COUNT] = {{0}};
    struct slice body;
    struct es256 *k = NULL;
    int e = fetch_url_fits(url, s->webhook_private);
    if (!e && name.n) e = webhook_get_key(s, account, name, a, &h, &k);
    if (e) return e;
    for (unsigned i = 0; i < EVENT_KIND_COUNT; i++)
        v[i] = (struct event){.id = (uint64_t)rt_wall() + i,
                              .at = (uint64_t)rt_wall(),
                              .kind = (enum event_kind)i,
                              .address = SL("example@test.com")};
    h.kinds = 0;
    h.url = url;
    size_t took;
    e = webhook_body(s, &h, v, EVENT_KIND_COUNT, a, &body, &took);
    if (!e) e = call(s, &h, h.bare ? NULL : k, body, a);
    es256_free(&k);
    return e;
}

/* ---- its turn ---- */

/* A time that lies further off than any wait was made by a clock that was wrong: it is over. */
static bool is_due(const struct webhook *h, int64_t now)
{
    return h->next <= now || h->next > now + WAIT_MOST_S + WAIT_MOST_S / 4;
}

/* Time in which nobody was asked is not held against it: the node was off, or its clock
 * jumped. Who is asked in time is asked within WAIT_MOST_S of when it was due. */
static void leave_out(struct webhook *h, int64_t now)
{
    bool late = h->next && now > h->next && now - h->next > WAIT_MOST_S;
    if (h->failing && late) h->failing += now - h->next;
    if (!h->failing || h->failing > now) h->failing = now;
}

static int not_taken(struct sends *s, struct webhook *h, int why, struct arena *a)
{
    int64_t now = rt_wall_seconds();
    h->why = ar_dup(a, sl_cstr(err_text(why)));
    leave_out(h, now);
    int64_t wait = (now - h->failing) / 2;
    if (wait < WAIT_LEAST_S) wait = WAIT_LEAST_S;
    if (wait > WAIT_MOST_S) wait = WAIT_MOST_S;
    h->next = now + wait + (int64_t)rt_random_below((uint64_t)wait / 4 + 1);
    h->paused = now - h->failing > WEBHOOK_GIVE_UP_S;
    if (h->paused)
        log_warn("send", "the webhook %.*s is paused, nobody has taken its events for %d hours: %.*s",
                 SLF(h->name), WEBHOOK_GIVE_UP_S / 3600, SLF(h->why));
    return webhook_failed(s, h);
}

static int read_events(struct telling *t, const struct webhook *h)
{
    struct event *v;
    if (t->left && t->after == h->after) return 0;
    t->left = 0;
    ar_reset(&t->kept);
    int e = event_read(t->s, h->account, h->after, WEBHOOK_BATCH, &t->kept, &v, &t->left);
    t->event = v;
    return e;
}

/* Those that were taken are behind it. */
static int go_past(struct telling *t, const struct webhook *h, size_t took)
{
    t->after = t->event[took - 1].id;
    t->event += took;
    t->left -= took;
    return webhook_moved(t->s, h, t->after);
}

/* One batch; *more: there may be another. */
static int tell_batch(struct telling *t, struct arena *a, bool *more)
{
    struct sends *s = t->s;
    struct slice row, body, key = sl_cstr(t->key);
    struct webhook h, signing;
    struct es256 *k = NULL;
    size_t n = 0, took = 0;
    *more = false;
    int e = kv_get(s->store->kv, SL(SENDS_OBJECT), key, a, &row);
    if (!e) e = webhook_read(s, key, row, a, &h, NULL);
    if (!e && !h.off && !h.paused && is_due(&h, rt_wall_seconds())) {
        e = read_events(t, &h);
        n = t->left;
    }
    if (!e && n) e = webhook_body(s, &h, t->event, n, a, &body, &took);
    if (!e && n && body.n && !h.bare)
        e = webhook_read(s, key, row, a, &signing, &k); /* only now: it takes long */
    if (!e && n) {
        int why = body.n ? call(s, &h, k, body, a) : 0;
        if (why == ERR_CANCELED) e = why;
        else if (why) t->failed = (e = not_taken(s, &h, why, a)) == 0; /* its row says when again */
        else e = go_past(t, &h, took);
        *more = !e && !why;
    }
    es256_free(&k);
    return e;
}

static void teller(void *arg)
{
    struct telling *t = arg;
    struct arena a = {0};
    bool more = true;
    int e = 0;
    while (!e && (more || t->again) && !t->s->stopping) {
        ar_reset(&a);
        t->again = false;
        e = tell_batch(t, &a, &more);
    }
    if (e && e != ERR_NOT_FOUND && e != ERR_CANCELED)
        log_warn("send", "the webhook %s cannot be told now: %s", t->key, err_text(e));
    ar_free(&a);
    ar_free(&t->kept);
    map_del(&t->s->telling, sl_cstr(t->key));
    if (t->failed) sends_wake(t->s, SENDS_HOOKS);
    free(t);
}

/* ---- all of them ---- */

struct look {
    struct sends *s;
    int64_t next; /* unix seconds: the first of those that wait */
};

static int look_at(void *arg, const struct webhook *h)
{
    struct look *l = arg;
    struct sends *s = l->s;
    struct telling *t = xcalloc(1, sizeof *t);
    t->s = s;
    snprintf(t->key, sizeof t->key, "w/%.*s/%.*s", SLF(h->account), SLF(h->name));
    bool waits = h->off || h->paused || !is_due(h, rt_wall_seconds());
    if (!h->off && !h->paused && waits && (!l->next || h->next < l->next)) l->next = h->next;
    struct telling *under_way = map_get(&s->telling, sl_cstr(t->key));
    if (under_way) under_way->again = true;
    if (waits || under_way) {
        free(t);
        return 0;
    }
    map_put(&s->telling, sl_cstr(t->key), t);
    if (group_go(&s->fibers, "webhook", teller, t) != 0) {
        map_del(&s->telling, sl_cstr(t->key));
        free(t);
    }
    return 0;
}

void webhooks_run(void *sends)
{
    struct sends *s = sends;
    while (!s->stopping && !fiber_canceled()) {
        struct look l = {.s = s};
        sends_look(s, SENDS_HOOKS);
        int e = webhook_each_keyless(s, look_at, &l);
        if (e && e != ERR_CANCELED) log_warn("send", "webhooks cannot be read now: %s", err_text(e));
        if (fiber_sleep(GATHER) != 0) break;
        if (sends_have_news(s, SENDS_HOOKS)) continue;
        int64_t until = DEADLINE_IN(LOOK_EVERY),
                due = l.next ? DEADLINE_IN((l.next - rt_wall_seconds()) * RT_S) : until;
        int64_t before = deadline_narrow(due < until ? due : until);
        e = waitq_wait(&s->hooks);
        deadline_restore(before);
        if (e == ERR_CANCELED) break;
    }
}
