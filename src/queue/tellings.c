/* tellings.c - how many reports went to whom within the hour. */
#include "tellings.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/text.h"

struct tellings {
    struct lock lock;
    int64_t hour; /* rt_now() at which it began */
    struct {
        struct map n; /* address or domain -> how many, as a pointer */
        uintptr_t all;
    } of[LETTER_PATHS];
};

static const struct {
    uintptr_t address, domain, all; /* 0: any */
    int beyond;
} limits[LETTER_PATHS] = {
    [PATH_OURS] = {TELL_OURS, 0, 0, ERR_BUSY},
    [PATH_PROVEN] = {TELL_PROVEN, TELL_PROVEN_DOMAIN, 0, ERR_BUSY},
    [PATH_UNPROVEN] = {TELL_UNPROVEN, TELL_UNPROVEN_DOMAIN, TELL_UNPROVEN_ALL, ERR_DENIED},
};

struct tellings *tellings_open(void)
{
    struct tellings *t = xcalloc(1, sizeof *t);
    t->hour = rt_now();
    for (int p = 0; p < LETTER_PATHS; p++) map_init(&t->of[p].n, true);
    return t;
}

static void forget(struct tellings *t, int p)
{
    map_free(&t->of[p].n);
    map_init(&t->of[p].n, true);
    t->of[p].all = 0;
}

void tellings_close(struct tellings **t)
{
    if (!*t) return;
    for (int p = 0; p < LETTER_PATHS; p++) map_free(&(*t)->of[p].n);
    free(*t);
    *t = NULL;
}

static uintptr_t count(const struct map *m, struct slice key) { return (uintptr_t)map_get(m, key); }

static void put(struct map *m, struct slice key, uintptr_t n)
{
    if (n) map_put(m, key, (void *)n);
    else map_del(m, key);
}

/* With its @: no address is equal to it. */
static struct slice domain_of(struct slice sender)
{
    size_t at = sl_rchr(sender, '@');
    return at == SL_NONE ? sender : sl_from(sender, at);
}

/* The log hears of it once. *n: how many there were. */
static int full(enum letter_path p, struct slice whom, uintptr_t most, uintptr_t *n)
{
    int e = err_set(limits[p].beyond, "%llu reports went to %.*s within this hour, as many as may%s",
                    (unsigned long long)most, SLF(whom),
                    p == PATH_UNPROVEN ? " where nothing proves that a letter is its own" : "");
    if (*n == most)
        log_warn("queue", "%s; further ones %s", err_text(e), p == PATH_UNPROVEN ? "are not made" : "wait");
    *n = most + 1;
    return e;
}

static int full_of(struct map *m, enum letter_path p, struct slice key, struct slice whom, uintptr_t most)
{
    uintptr_t n = count(m, key);
    if (n < most) return 0;
    int e = full(p, whom, most, &n);
    put(m, key, n);
    return e;
}

/* Under the lock. */
static int ask(struct tellings *t, enum letter_path p, struct slice sender)
{
    struct slice domain = domain_of(sender);
    struct map *m = &t->of[p].n;
    if (limits[p].all && t->of[p].all >= limits[p].all)
        return full(p, SL("such senders"), limits[p].all, &t->of[p].all);
    int e = full_of(m, p, sender, sender, limits[p].address);
    if (!e && limits[p].domain) e = full_of(m, p, domain, sl_from(domain, domain.n > 0), limits[p].domain);
    if (!e && p == PATH_PROVEN && m->count + 2 > TELL_KNOWN_MAX && !count(m, sender))
        e = err_set(ERR_BUSY, "reports went to %d strangers within this hour, as many as are remembered",
                    TELL_KNOWN_MAX);
    return e;
}

int tellings_take(struct tellings *t, enum letter_path p, struct slice sender)
{
    if (p == PATH_FORGED)
        return err_set(ERR_DENIED, "somebody else wrote this in its name, the checks say, or it is junk");
    lock_take(&t->lock);
    if (rt_now() - t->hour >= TELL_HOUR) {
        for (int i = 0; i < LETTER_PATHS; i++) forget(t, i);
        t->hour = rt_now();
    }
    struct map *m = &t->of[p].n;
    if (p == PATH_OURS && m->count >= TELL_KNOWN_MAX) forget(t, p);
    int e = ask(t, p, sender);
    if (!e) {
        put(m, sender, count(m, sender) + 1);
        if (limits[p].domain) put(m, domain_of(sender), count(m, domain_of(sender)) + 1);
        t->of[p].all++;
    }
    lock_release(&t->lock);
    return e;
}

static void less(struct map *m, struct slice key)
{
    uintptr_t n = count(m, key);
    if (n) put(m, key, n - 1);
}

void tellings_return(struct tellings *t, enum letter_path p, struct slice sender)
{
    lock_take(&t->lock);
    less(&t->of[p].n, sender);
    if (limits[p].domain) less(&t->of[p].n, domain_of(sender));
    if (t->of[p].all) t->of[p].all--;
    lock_release(&t->lock);
}
