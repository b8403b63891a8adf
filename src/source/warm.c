/* warm.c - warm-up of new sources: how many deliveries a day each may make to a group of sites, and how that
 * moves with what receivers answer. The rules are published in docs/delivery.md.
 *
 * Rows w/SOURCE (the curve) and w/SOURCE/GROUP (where it stands) of _source. What is counted is noted: a
 * machine that dies forgets the last moment of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kv/record.h"
#include "source_i.h"

enum {
    VERSION = 1,
    PAGE = 500,
    DAY_S = 86400,
    WARM_GROUP_MAX = 60,
    REFUSALS = 3,
    /* of complaints: so many, and more than so many in a thousand (Google and Yahoo ask for less than 1 of
     * their senders, and see 3 as the end) */
    BLAMES_FALL = 3,
    BLAMES_FALL_OF_1000 = 3,
    BLAMES_STAY = 2,
    BLAMES_STAY_OF_1000 = 1,
};

struct warm_place {
    struct slice source; /* into its key */
    struct warm_group g;
    bool refused;                                   /* to somebody, since it last had room */
    char key[SOURCE_NAME_MAX + WARM_GROUP_MAX + 8]; /* of its row */
};

static struct slice place_key(struct slice source, struct slice group,
                              char text[sizeof(((struct warm_place *)0)->key)])
{
    int n = snprintf(text, sizeof(((struct warm_place *)0)->key), "w/%.*s/%.*s",
                     SLF(sl_sub(source, 0, SOURCE_NAME_MAX)), SLF(sl_sub(group, 0, WARM_GROUP_MAX)));
    return sl(text, (size_t)n);
}

static int64_t today(void) { return rt_wall_seconds() / DAY_S; }

/* ---- the curve ---- */

/* Complaints come a day later: of what was sent on this day or the day before it, whichever is more. */
static bool blamed(const struct warm_group *g, unsigned least, unsigned of_1000)
{
    uint64_t sent = g->sent > g->was_sent ? g->sent : g->was_sent;
    return g->blamed >= least && (uint64_t)g->blamed * 1000 > sent * of_1000;
}

/* A day has come: the day before it, if something was sent, says what may be sent now. */
static void roll(const struct warm_curve *c, struct warm_group *g, int64_t day)
{
    if (g->day > day + 1) g->day = day; /* written by a clock that was wrong */
    if (day <= g->day) return;
    bool fell = blamed(g, BLAMES_FALL, BLAMES_FALL_OF_1000) ||
                (g->sent && (g->put_off > g->sent / 4 || g->refused >= REFUSALS));
    bool stays = blamed(g, BLAMES_STAY, BLAMES_STAY_OF_1000);
    g->was = g->allowance, g->was_sent = g->sent, g->was_put_off = g->put_off, g->was_blamed = g->blamed;
    if (!g->sent && !fell) {
        g->why = g->days ? WARM_UNUSED : WARM_BEGAN;
    } else if (fell) {
        g->allowance = g->allowance / 2 > c->first ? g->allowance / 2 : c->first;
        g->why = WARM_FELL;
    } else if (g->put_off > g->sent / 20) {
        g->why = WARM_PUT_OFF;
    } else if (stays) {
        g->why = WARM_BLAMED;
    } else if (g->sent < g->allowance / 2) {
        g->why = WARM_UNUSED;
    } else {
        uint64_t more = (uint64_t)g->allowance * c->growth / 100, next = g->allowance + (more ? more : 1);
        g->allowance = next < c->most ? (unsigned)next : c->most;
        g->days++;
        g->why = WARM_ROSE;
    }
    g->day = day;
    g->sent = g->put_off = g->refused = g->blamed = 0;
}

/* Bulk leaves a fifth to what somebody waits for. */
static bool has_room(const struct warm_curve *c, const struct warm_group *g, bool bulk)
{
    return g->allowance >= c->most || g->sent < g->allowance - (bulk ? g->allowance / 5 : 0);
}

/* ---- in memory ---- */

/* Under the lock. NULL: the source is warm. */
static const struct warm_curve *curve_of(const struct sources *s, struct slice source)
{
    return s->curves.count ? map_get(&s->curves, source) : NULL;
}

static struct warm_place *place_of(struct sources *s, const struct warm_curve *c, struct slice source,
                                   struct slice group)
{
    char text[sizeof(((struct warm_place *)0)->key)];
    struct slice key = place_key(source, group, text);
    struct warm_place *p = map_get(&s->places, key);
    if (p) return p;
    p = xcalloc(1, sizeof *p);
    memcpy(p->key, key.p, key.n);
    p->source = sl(p->key + 2, sl_sub(source, 0, SOURCE_NAME_MAX).n);
    p->g = (struct warm_group){.group = sl(p->key + p->source.n + 3, key.n - p->source.n - 3),
                               .day = today(),
                               .allowance = c->first};
    map_put(&s->places, key, p);
    return p;
}

/* A note may come to the disk behind a new beginning of the warm-up: the mark tells that it is of the one
 * before. */
static void note(struct sources *s, const struct warm_curve *c, const struct warm_place *p)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'd', (uint64_t)p->g.day);
    rec_put_u64(&b, 'a', p->g.allowance);
    rec_opt_u64(&b, 'i', c->mark);
    rec_opt_u64(&b, 'n', p->g.days);
    rec_opt_u64(&b, 's', p->g.sent);
    rec_opt_u64(&b, 'p', p->g.put_off);
    rec_opt_u64(&b, 'r', p->g.refused);
    rec_opt_u64(&b, 'c', p->g.blamed);
    rec_opt_u64(&b, 'w', p->g.why);
    rec_opt_u64(&b, 'A', p->g.was);
    rec_opt_u64(&b, 'S', p->g.was_sent);
    rec_opt_u64(&b, 'P', p->g.was_put_off);
    rec_opt_u64(&b, 'C', p->g.was_blamed);
    kv_note_record(s->kv, SOURCE_OBJECT, sl_cstr(p->key), &b);
    buf_free(&b);
}

bool source_warm_take(struct sources *s, struct slice source, struct slice group, bool bulk)
{
    if (!s) return true;
    lock_take(&s->lock);
    const struct warm_curve *c = curve_of(s, source);
    struct warm_place *p = c ? place_of(s, c, source, group) : NULL;
    if (p) roll(c, &p->g, today());
    bool may = !p || has_room(c, &p->g, bulk);
    if (may && p) p->g.sent++;
    if (!may) p->refused = true;
    lock_release(&s->lock);
    return may;
}

void source_warm_give(struct sources *s, struct slice source, struct slice group, enum warm_news news)
{
    if (!s) return;
    lock_take(&s->lock);
    const struct warm_curve *c = curve_of(s, source);
    struct warm_place *p = c ? place_of(s, c, source, group) : NULL;
    bool room = p && news == WARM_NOTHING && p->g.sent && p->refused;
    if (room) p->refused = false;
    bool back = news == WARM_NOTHING || news == WARM_UNASKED;
    if (p && back && p->g.sent) p->g.sent--;
    if (p && news == WARM_DEFERRED) p->g.put_off++;
    if (p && news == WARM_REFUSED) p->g.refused++;
    if (p && !back) note(s, c, p);
    struct source_watch tell = s->watch;
    lock_release(&s->lock);
    if (room && tell.room) tell.room(tell.ctx);
}

void source_warm_blame(struct sources *s, struct slice source, struct slice group)
{
    if (!s) return;
    lock_take(&s->lock);
    const struct warm_curve *c = curve_of(s, source);
    struct warm_place *p = c ? place_of(s, c, source, group) : NULL;
    if (p) {
        roll(c, &p->g, today());
        p->g.blamed++;
        note(s, c, p);
    }
    lock_release(&s->lock);
}

bool source_warm_look(struct sources *s, struct slice source, struct arena *a, struct warm_curve *curve,
                      struct warm_group **out, size_t *n)
{
    struct map_iter it = {0};
    *n = 0;
    *out = NULL;
    if (!s) return false;
    lock_take(&s->lock);
    const struct warm_curve *c = curve_of(s, source);
    if (c) *curve = *c, *out = ar_array(a, struct warm_group, s->places.count);
    while (c && map_next(&s->places, &it)) {
        struct warm_place *p = it.value;
        if (!sl_eq(p->source, source)) continue;
        roll(c, &p->g, today());
        (*out)[*n] = p->g;
        (*out)[(*n)++].group = ar_dup(a, p->g.group);
    }
    lock_release(&s->lock);
    return c != NULL;
}

bool source_warm_group(struct sources *s, struct slice source, struct slice group, bool bulk,
                       struct warm_group *out)
{
    if (!s) return true;
    lock_take(&s->lock);
    const struct warm_curve *c = curve_of(s, source);
    struct warm_place *p = c ? place_of(s, c, source, group) : NULL;
    if (p) roll(c, &p->g, today()), *out = p->g;
    bool may = !p || has_room(c, &p->g, bulk);
    lock_release(&s->lock);
    return may;
}

int64_t warm_next_day(void) { return (today() + 1) * DAY_S; }

static void forget_places(struct sources *s, struct slice source)
{
    struct map_iter it = {0};
    while (map_next(&s->places, &it)) {
        struct warm_place *p = it.value;
        if (!sl_eq(p->source, source)) continue;
        map_del(&s->places, it.key);
        free(p);
    }
}

void warm_forget(struct sources *s, struct slice source)
{
    lock_take(&s->lock);
    forget_places(s, source);
    free(map_del(&s->curves, source));
    lock_release(&s->lock);
}

static void set_curve(struct sources *s, struct slice source, const struct warm_curve *c)
{
    struct warm_curve *copy = xmalloc(sizeof *copy);
    *copy = *c;
    free(map_put(&s->curves, source, copy));
}

/* ---- rows ---- */

static int read_curve(struct slice value, struct warm_curve *out)
{
    struct rec r;
    *out = (struct warm_curve){0};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'f': out->first = (unsigned)rec_u64(&r); break;
        case 'g': out->growth = (unsigned)rec_u64(&r); break;
        case 'm': out->most = (unsigned)rec_u64(&r); break;
        case 't': out->begun = (int64_t)rec_u64(&r); break;
        case 'i': out->mark = rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    bool sound = out->first && out->growth && out->most >= out->first && out->most <= SOURCE_WARM_MOST &&
                 out->growth <= SOURCE_GROWTH_MOST;
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

static int read_group(struct slice value, struct warm_group *out, uint64_t *mark)
{
    struct rec r;
    uint64_t why = 0;
    *out = (struct warm_group){0};
    *mark = 0;
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'd': out->day = (int64_t)rec_u64(&r); break;
        case 'a': out->allowance = (unsigned)rec_u64(&r); break;
        case 'i': *mark = rec_u64(&r); break;
        case 'n': out->days = (unsigned)rec_u64(&r); break;
        case 's': out->sent = (unsigned)rec_u64(&r); break;
        case 'p': out->put_off = (unsigned)rec_u64(&r); break;
        case 'r': out->refused = (unsigned)rec_u64(&r); break;
        case 'w': why = rec_u64(&r); break;
        case 'A': out->was = (unsigned)rec_u64(&r); break;
        case 'S': out->was_sent = (unsigned)rec_u64(&r); break;
        case 'P': out->was_put_off = (unsigned)rec_u64(&r); break;
        case 'c': out->blamed = (unsigned)rec_u64(&r); break;
        case 'C': out->was_blamed = (unsigned)rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    bool sound = out->day > 0 && out->allowance && out->allowance <= SOURCE_WARM_MOST && why < WARM_WHYS;
    out->why = sound ? (enum warm_why)why : WARM_BEGAN;
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

/* Curves come before what stands below them; s NULL: they are only judged. */
static int take_row(struct sources *s, const struct kv_row *row)
{
    struct slice name = sl_from(row->key, 2);
    size_t slash = sl_chr(name, '/');
    struct warm_curve c;
    struct warm_group g;
    if (slash == SL_NONE) {
        int e = read_curve(row->value, &c);
        if (e)
            c = (struct warm_curve){.first = SOURCE_WARM_FIRST, .growth = SOURCE_GROWTH, .most = SOURCE_WARM};
        if (s) set_curve(s, name, &c); /* damage lets no flood go */
        return e;
    }
    uint64_t mark;
    int e = read_group(row->value, &g, &mark);
    const struct warm_curve *curve = s && !e ? curve_of(s, sl_sub(name, 0, slash)) : NULL;
    if (!curve || (curve->mark && curve->mark != mark)) return e;
    struct warm_place *p = place_of(s, curve, sl_sub(name, 0, slash), sl_from(name, slash + 1));
    g.group = p->g.group;
    p->g = g;
    return 0;
}

int warm_read(struct kv *kv, struct sources *s, void (*bad)(void *arg, const char *what), void *arg)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice from = SL("w/");
    int e = 0;
    while (!e && page.more) {
        e = kv_scan(kv, SOURCE_OBJECT, from, SL("w0"), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            int why = take_row(s, &page.row[i]);
            char text[KV_KEY_MAX + 100];
            snprintf(text, sizeof text, "the row %.*s of _source cannot be read: %.60s", SLF(page.row[i].key),
                     why ? err_text(why) : "");
            if (why) bad(arg, text);
        }
        if (!e && page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return e;
}

/* ---- changes ---- */

void warm_tx_erase(struct kv_tx *tx, struct arena *a, struct slice source)
{
    struct slice below = ar_printf(a, "w/%.*s/", SLF(source));
    kv_tx_del(tx, ar_printf(a, "w/%.*s", SLF(source)));
    kv_tx_erase(tx, below, kv_prefix_end(a, below));
}

struct setting {
    struct slice source;
    const struct warm_curve *c;
};

static int set_tx(struct kv_tx *tx, void *arg)
{
    const struct setting *x = arg;
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct slice row;
    int e = kv_tx_get(tx, ar_printf(&a, "s/%.*s", SLF(x->source)), &row);
    if (!e) warm_tx_erase(tx, &a, x->source);
    if (!e && x->c) {
        rec_begin(&b, VERSION);
        rec_put_u64(&b, 'f', x->c->first);
        rec_put_u64(&b, 'g', x->c->growth);
        rec_put_u64(&b, 'm', x->c->most);
        rec_put_u64(&b, 't', (uint64_t)x->c->begun);
        rec_put_u64(&b, 'i', x->c->mark);
        kv_tx_put_record(tx, ar_printf(&a, "w/%.*s", SLF(x->source)), &b);
    }
    buf_free(&b);
    ar_free(&a);
    return e;
}

int source_warm(struct sources *s, struct slice source, const struct warm_curve *c)
{
    bool sound = !c || (c->first && c->growth && c->growth <= SOURCE_GROWTH_MOST && c->most >= c->first &&
                        c->most <= SOURCE_WARM_MOST);
    if (!sound) return err_set(ERR_SYNTAX, "a curve begins with less than it leads to");
    struct warm_curve now;
    if (c) {
        now = *c;
        do rt_random(&now.mark, sizeof now.mark);
        while (!now.mark);
        c = &now;
    }
    struct setting x = {source, c};
    int e = source.n <= SOURCE_NAME_MAX ? kv_transact(s->kv, SOURCE_OBJECT, set_tx, &x) : ERR_NOT_FOUND;
    if (e) return e == ERR_NOT_FOUND ? err_set(e, "there is no source %.*s", SLF(source)) : e;
    lock_take(&s->lock);
    forget_places(s, source);
    if (c) set_curve(s, source, c);
    else free(map_del(&s->curves, source));
    lock_release(&s->lock);
    sources_changed(s);
    return 0;
}

void warm_close(struct sources *s)
{
    struct map_iter it = {0};
    while (map_next(&s->places, &it)) free(it.value);
    it = (struct map_iter){0};
    while (map_next(&s->curves, &it)) free(it.value);
    map_free(&s->places);
    map_free(&s->curves);
}
