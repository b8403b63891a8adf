/* allowance.c - is that still within what they may send? Counts in memory, of those who sent lately. */
#include "allowance_i.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void allowance_open(struct allowance **out, struct kv *kv, const struct sender_limits *defaults)
{
    struct allowance *a = *out = xcalloc(1, sizeof *a);
    a->kv = kv;
    a->defaults = *defaults;
    map_init(&a->senders, false);
    list_init(&a->oldest);
}

static void forget(struct allowance *a, struct sender *s)
{
    list_remove(&s->link);
    map_del(&a->senders, sl_cstr(s->name));
    free(s);
}

void allowance_close(struct allowance **a)
{
    if (!*a) return;
    LIST_EACH(struct sender, s, &(*a)->oldest, link) forget(*a, s);
    map_free(&(*a)->senders);
    free(*a);
    *a = NULL;
}

/* ---- counts in memory ---- */

static struct slice name_of(const char *id, struct slice key, char room[NAME_MAX_BYTES])
{
    int n = snprintf(room, NAME_MAX_BYTES, key.n ? "%s/%.*s" : "%s", id, SLF(key));
    return sl(room, n < NAME_MAX_BYTES ? (size_t)n : NAME_MAX_BYTES - 1);
}

/* Under the lock. NULL: it is not in memory. */
static struct sender *find(struct allowance *a, struct slice name)
{
    struct sender *s = map_get(&a->senders, name);
    if (!s) return NULL;
    list_remove(&s->link);
    list_push(&a->oldest, &s->link);
    return s;
}

/* Under the lock. */
static void add(struct allowance *a, struct slice name, const struct counts *c)
{
    if (find(a, name)) return;
    if (a->senders.count >= ALLOWANCE_SENDERS_MAX)
        forget(a, CONTAINER_OF(a->oldest.next, struct sender, link));
    struct sender *s = xcalloc(1, sizeof *s + name.n + 1);
    memcpy(s->name, name.p, name.n);
    s->c = *c;
    list_init(&s->link);
    map_put(&a->senders, name, s);
    list_push(&a->oldest, &s->link);
}

/* With the lock when it returns 0: the counts of an account or of a key. SUSPENDS. */
static int enter(struct allowance *a, const char *id, struct slice key, struct sender **out)
{
    char room[NAME_MAX_BYTES];
    struct slice name = name_of(id, key, room);
    lock_take(&a->lock);
    while ((*out = find(a, name)) == NULL) {
        struct counts c;
        lock_release(&a->lock);
        int e = counts_load(a, sl_cstr(id), key, &c);
        if (e) return e;
        lock_take(&a->lock);
        add(a, name, &c);
    }
    return 0;
}

/* The same for both: *of_key is NULL without a key. SUSPENDS. */
static int enter_both(struct allowance *a, const struct allowance_of *who, struct sender **account,
                      struct sender **of_key)
{
    char room[NAME_MAX_BYTES];
    for (*of_key = NULL;; lock_release(&a->lock)) { /* again when one of the two made room for the other */
        int e = who->key.n ? enter(a, who->id, who->key, of_key) : 0;
        if (!e && who->key.n) lock_release(&a->lock);
        if (!e) e = enter(a, who->id, SL(""), account);
        if (e || !who->key.n) return e;
        *of_key = find(a, name_of(who->id, who->key, room));
        if (*of_key) return 0;
    }
}

static uint32_t wanted(const struct allowance_want *w, int k)
{
    switch (k) {
    case SENDER_LETTERS_HOUR:
    case SENDER_LETTERS_DAY: return w->letters;
    case SENDER_FRESH_DAY: return w->fresh;
    default: return w->rcpts;
    }
}

/* ---- the question ---- */

/* Each limit that binds is looked at: the answer is the one that ends last. */
static int judge(struct sender *s, const struct sender_limits *limits, const struct allowance_want *want,
                 int64_t now, bool of_key, struct allowance_end *end)
{
    bool over = false;
    if (limits->v[SENDER_RCPTS_LETTER] >= 0 && limits->v[SENDER_RCPTS_LETTER] < SENDER_UNLIMITED &&
        want->rcpts > limits->v[SENDER_RCPTS_LETTER] * want->letters) {
        *end = (struct allowance_end){.which = SENDER_RCPTS_LETTER, .of_key = of_key};
        return allowance_say(end, limits->v[SENDER_RCPTS_LETTER]);
    }
    for (int k = 0; k < COUNTED; k++) {
        tally_turn(&s->c.t[k], now, slot_seconds(k));
        uint32_t n = wanted(want, k);
        if (!n || limits->v[k] < 0 || limits->v[k] >= SENDER_UNLIMITED) continue;
        int64_t at = tally_free_at(&s->c.t[k], slot_seconds(k), (uint32_t)limits->v[k], n);
        if (!at || (over && (!end->until || (at > 0 && at <= end->until)))) continue;
        *end = (struct allowance_end){(enum sender_limit)k, of_key, at > 0 ? at : 0};
        over = true;
    }
    return over ? allowance_say(end, limits->v[end->which]) : 0;
}

static void count(struct allowance *a, struct slice id, struct slice key, struct sender *s,
                  const struct allowance_want *w, bool back)
{
    for (int k = 0; k < COUNTED; k++) {
        tally_turn(&s->c.t[k], rt_wall_seconds(), slot_seconds(k));
        if (back) tally_back(&s->c.t[k], wanted(w, k));
        else tally_add(&s->c.t[k], wanted(w, k));
    }
    counts_note(a, id, key, &s->c);
}

static int ask(struct allowance *a, const struct allowance_of *who, const struct allowance_want *want,
               struct allowance_end *end, bool take)
{
    struct sender *account, *of_key;
    struct sender_limits limits = allowance_limits(a, &who->limits);
    *end = (struct allowance_end){0};
    int e = enter_both(a, who, &account, &of_key);
    if (e) return e;
    int64_t now = rt_wall_seconds();
    e = judge(account, &limits, want, now, false, end);
    if (!e && of_key) e = judge(of_key, &who->key_limits, want, now, true, end);
    if (!e && take) count(a, sl_cstr(who->id), SL(""), account, want, false);
    if (!e && take && of_key) count(a, sl_cstr(who->id), who->key, of_key, want, false);
    lock_release(&a->lock);
    return e;
}

int allowance_ask(struct allowance *a, const struct allowance_of *who, const struct allowance_want *want,
                  struct allowance_end *end)
{
    return ask(a, who, want, end, false);
}

int allowance_take(struct allowance *a, const struct allowance_of *who, const struct allowance_want *want,
                   struct allowance_end *end)
{
    return ask(a, who, want, end, true);
}

void allowance_return(struct allowance *a, const struct allowance_of *who, const struct allowance_want *want)
{
    struct sender *account, *of_key;
    if (enter_both(a, who, &account, &of_key)) return; /* counted for nothing: it passes */
    count(a, sl_cstr(who->id), SL(""), account, want, true);
    if (of_key) count(a, sl_cstr(who->id), who->key, of_key, want, true);
    lock_release(&a->lock);
}

bool allowance_tell(struct allowance *a, const char *id)
{
    struct sender *s;
    if (enter(a, id, SL(""), &s)) return false;
    bool yes = s->c.told != today();
    s->c.told = today();
    if (yes) counts_note(a, sl_cstr(id), SL(""), &s->c);
    lock_release(&a->lock);
    return yes;
}

int allowance_used(struct allowance *a, const char *id, struct slice key, struct allowance_used *out)
{
    struct sender *s;
    *out = (struct allowance_used){0};
    int e = enter(a, id, key, &s);
    if (e) return e;
    for (int k = 0; k < COUNTED; k++) {
        tally_turn(&s->c.t[k], rt_wall_seconds(), slot_seconds(k));
        out->n[k] = tally_sum(&s->c.t[k]);
    }
    lock_release(&a->lock);
    return key.n ? 0 : held_used(a, id, out);
}
