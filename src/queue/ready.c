/* ready.c - items, and who is next. */
#include "ready.h"

#include <stdio.h>
#include <stdlib.h>

#include "dock.h"
#include "line.h"

enum {
    NODE_QUICK = 512,   /* deliveries at once that have not lasted long */
    NODE_SLOW = 4096,   /* those that have: they wait for somebody else, and cost little but memory */
    NODE_ITEMS = 40000, /* in memory */
    CRAWLS_BELOW = 20,  /* deliveries begun in 20 s, while more wait */
    ANSWERED_MOST = 64, /* of a loop: so many more a disk that cannot record lets go out */
};
#define QUICK_FOR RT_S

static struct slice item_key(const struct letter_id *id, uint32_t g, char text[32])
{
    return sl(text, (size_t)snprintf(text, 32, "%s/%05u", id->s, g));
}

static size_t part(size_t of_node, int loops)
{
    size_t n = of_node / (size_t)loops;
    return n ? n : 1;
}

void ready_init(struct ready *r, struct sites *sites, struct sources *sources, struct source_plan *plan,
                int loops)
{
    *r = (struct ready){.sites = sites,
                        .sources = sources,
                        .plan = plan,
                        .quick_most = part(NODE_QUICK, loops),
                        .slow_most = part(NODE_SLOW, loops),
                        .items_most = part(NODE_ITEMS, loops)};
    map_init(&r->items, false);
    map_init(&r->lines, true);
    map_init(&r->shares, true);
    map_init(&r->hops, true);
    map_init(&r->docks, true);
    map_init(&r->of_site, true);
    list_init(&r->crowds);
    list_init(&r->quick);
}

/* ---- items ---- */

static struct slice due_key(const struct q_due *d, char text[READY_KEY])
{
    return sl(text, (size_t)snprintf(text, READY_KEY, "d%d%012lld/%s/%05u", (int)d->stream, (long long)d->due,
                                     d->id.s, d->g));
}

/* What has a priority above 0 finds a little room where the others have taken all of theirs. */
static bool full_for(const struct ready *r, const struct line *l, struct crowd *c)
{
    return crowd_full(r, c, l->stream) && (l->like.priority <= 0 || !crowd_spares(c, l->stream));
}

/* Which of its crowds has no room for one more? */
static struct crowd *too_many(const struct ready *r, struct line *l)
{
    if (crowd_full(r, &l->crowd, l->stream) || (l->crowd.left && !l->crowd.reading)) return &l->crowd;
    if (full_for(r, l, &l->hop->crowd)) return &l->hop->crowd;
    return full_for(r, l, &l->share->crowd) ? &l->share->crowd : NULL;
}

static void count(struct ready *r, struct line *l, size_t by)
{
    struct crowd *of[] = {&l->crowd, &l->hop->crowd, &l->share->crowd};
    l->hop->n[l->stream] += by;
    for (size_t i = 0; i < COUNT_OF(of); i++) {
        of[i]->n += by;
        if (of[i]->left) crowd_stir(r, of[i]);
    }
}

/* Bulk leaves a quarter of the memory to what somebody waits for. */
bool ready_has_memory(const struct ready *r, enum stream s, size_t more)
{
    size_t most = s == STREAM_BULK ? r->items_most / 4 * 3 : s ? r->items_most / 16 * 15 : r->items_most;
    return r->items.count + more < most;
}

static void item_free(struct ready *r, struct item *it)
{
    char text[32];
    list_remove(&it->link);
    count(r, it->line, (size_t)-1);
    map_del(&r->items, item_key(&it->id, it->g, text));
    free(it);
}

/* ---- what is more than enough goes back to the disk ---- */

/* The last of the line. */
static void unload(struct ready *r, struct line *l, struct crowd *of)
{
    char text[READY_KEY];
    struct item *it = CONTAINER_OF(l->items.prev, struct item, link);
    struct q_due d = {.stream = l->stream, .due = it->due, .id = it->id, .g = it->g};
    crowd_leave(r, of, it->shard, &d, due_key(&d, text));
    item_free(r, it);
    line_check(r, l);
}

static void hop_unload(struct ready *r, struct hop *h)
{
    LIST_EACH(struct line, l, &h->lines, hop_link)
    for (size_t n = l->crowd.n - l->under_way; n && hop_has_too_many(r, h, l->stream); n--)
        unload(r, l, &h->crowd);
}

/* The line stays, for it has left something. */
static void line_unload(struct ready *r, struct line *l)
{
    while (line_has_too_many(r, l)) unload(r, l, &l->crowd);
}

static void unload_all(struct ready *r)
{
    struct map_iter it = {0};
    while (map_next(&r->docks, &it)) {
        struct dock *d = it.value;
        if (dock_keeps_few(d)) LIST_EACH(struct hop, h, &d->hops, dock_link) hop_unload(r, h);
    }
    for (size_t i = 0; i < r->rests.n; i++) line_unload(r, CONTAINER_OF(r->rests.v[i], struct line, node));
}

/* ---- items come and go ---- */

/* Each takes memory as well, with nothing but what it left on the disk. */
static bool too_many_crowds(const struct ready *r, const struct q_due *d)
{
    char text[HOP_NAME];
    return r->ncrowds >= r->items_most && !map_get(&r->hops, hop_name(r->plan, d, text));
}

enum added ready_add(struct ready *r, struct shard *s, const struct q_due *d, struct slice key)
{
    char text[32];
    struct slice k = item_key(&d->id, d->g, text);
    struct item *it = map_get(&r->items, k);
    if (it) return ADDED;
    while (ready_tighten(r)) unload_all(r);
    if (!ready_has_memory(r, d->stream, 0) || too_many_crowds(r, d)) return NO_ROOM;
    struct line *l = line_get(r, d);
    struct crowd *full = too_many(r, l);
    if (full) {
        crowd_leave(r, full, s, d, key);
        line_check(r, l);
        return LEFT;
    }
    it = xcalloc(1, sizeof *it);
    *it = (struct item){.line = l, .shard = s, .id = d->id, .g = d->g, .due = d->due};
    list_push(&l->items, &it->link);
    count(r, l, 1);
    map_put(&r->items, k, it);
    line_enter(r, l);
    return ADDED;
}

struct item *ready_find(const struct ready *r, const struct letter_id *id, uint32_t g)
{
    char text[32];
    return map_get(&r->items, item_key(id, g, text));
}

void ready_drop(struct ready *r, struct item *it)
{
    struct line *l = it->line;
    item_free(r, it);
    line_check(r, l);
}

/* ---- who is next ---- */

bool ready_has_place(const struct ready *r, enum stream s)
{
    size_t most = s == STREAM_BULK ? r->quick_most / 4 * 3 : s ? r->quick_most / 16 * 15 : r->quick_most;
    return r->nquick < (most ? most : 1);
}

static bool waits_for_share(struct ready *r, struct line *l)
{
    if (share_has_room(r, l->share)) return false;
    line_waits(l, AT_SHARE, &l->share->waiting);
    return true;
}

static bool waits_for_hop(struct line *l)
{
    if (hop_has_room(l->hop)) return false;
    line_waits(l, AT_HOP, &l->hop->waiting);
    return true;
}

static void shut(struct ready *r, struct dock *d, enum stream s, enum site_bind bind, int64_t again)
{
    if (d->shut == STREAMS) d->since = rt_wall_seconds();
    if (s < d->shut) d->shut = s;
    dock_binds(r, d, bind);
    if (again == RT_NEVER) heap_remove(&r->alarms, &d->alarm);
    else heap_put(&r->alarms, &d->alarm, again);
    if (dock_keeps_few(d)) LIST_EACH(struct hop, h, &d->hops, dock_link) hop_unload(r, h);
}

static bool crawls(const struct dock *d)
{
    bool more_wait = d->lines.n || d->crawls; /* then on the disk, perhaps */
    return d->seen && more_wait && d->starts < CRAWLS_BELOW;
}

/* More of what rests may be in memory. */
static void stir_all(struct ready *r)
{
    struct map_iter it = {0};
    while (map_next(&r->hops, &it)) crowd_stir(r, &((struct hop *)it.value)->crowd);
    for (size_t i = 0; i < r->rests.n; i++)
        crowd_stir(r, &CONTAINER_OF(r->rests.v[i], struct line, node)->crowd);
}

bool ready_weigh(struct ready *r)
{
    struct map_iter it = {0};
    bool any = ready_loosen(r);
    if (any) stir_all(r);
    while (map_next(&r->docks, &it)) {
        struct dock *d = it.value;
        bool did = d->crawls;
        d->crawls = crawls(d);
        d->starts = 0;
        d->seen = true;
        if (d->crawls == did) continue;
        any = true;
        LIST_EACH(struct hop, h, &d->hops, dock_link)
        {
            if (d->crawls) hop_unload(r, h);
            crowd_stir(r, &h->crowd);
        }
    }
    return any;
}

static bool take_place(struct ready *r, struct item *it, struct dock *d)
{
    enum stream s = it->line->stream;
    if (s >= d->shut) return false;
    d->asked = rt_now();
    struct dock_asked x = dock_take(r->sources, d, it->line);
    if (x.bind == SITE_HAS_ROOM) {
        it->place = site_again(d->path[x.path]);
        it->from = dock_source(d, x.path);
        if (it->from) it->from_plan = source_plan_hold(d->plan);
        it->placed = rt_now();
        d->starts++;
    } else if (x.spurns) { /* of this domain alone; what binds elsewhere may be over soon */
        it->line->rest = x.other && x.again > rt_now() + RT_S ? rt_now() + RT_S : x.again;
    } else {
        shut(r, d, s, x.bind, x.again);
    }
    return x.bind == SITE_HAS_ROOM;
}

/* What its dock sheds may be all that there was of it. */
static bool waits_for_site(struct ready *r, struct line *l)
{
    struct dock *d = l->hop->dock;
    if (!d) return false;
    l->under_way++; /* it stays while this goes on */
    l->rest = 0;
    bool taken = take_place(r, CONTAINER_OF(l->items.next, struct item, link), d);
    l->under_way--;
    if (!taken && l->rest) {
        line_rests(r, l);
        line_unload(r, l);
    } else if (!taken && !list_empty(&l->items)) {
        line_waits(l, AT_DOCK, NULL);
    }
    return !taken;
}

static struct item *start(struct ready *r, struct line *l)
{
    struct item *it = CONTAINER_OF(list_shift(&l->items), struct item, link);
    int64_t turn = l->node.key & ((INT64_C(1) << 48) - 1);
    if (turn > r->turn) r->turn = turn;
    it->pace = QUICK;
    it->started = rt_now();
    list_push(&r->quick, &it->link);
    r->nquick++;
    l->under_way++;
    l->hop->under_way++; /* more of it is enough now */
    if (l->hop->crowd.left) crowd_stir(r, &l->hop->crowd);
    l->share->quick++;
    line_enter(r, l);
    return it;
}

struct item *ready_next(struct ready *r)
{
    struct heap_node *first;
    while ((first = heap_least(&r->able)) != NULL) {
        struct line *l = CONTAINER_OF(first, struct line, node);
        if (!ready_has_place(r, l->stream)) return NULL; /* those behind it have less */
        heap_remove(&r->able, first);
        l->where = NOWHERE;
        bool waits = waits_for_share(r, l) || waits_for_hop(l) || waits_for_site(r, l);
        struct item *it = waits ? NULL : start(r, l);
        line_stir(r, l->share, l->hop);
        if (it) return it;
        line_check(r, l);
    }
    return NULL;
}

/* ---- hops find their sites ---- */

static struct slice dock_name(struct slice way, struct slice site, char text[LINE_NAME])
{
    int n = snprintf(text, LINE_NAME, "%.*s|%.*s", SLF(way), SLF(site));
    return sl(text, (size_t)(n < LINE_NAME ? n : LINE_NAME - 1));
}

/* `one` is any path of it. */
static struct dock *dock_get(struct ready *r, const struct hop *h, const struct source_way *way,
                             struct slice mx_set, struct slice host, const struct site *one)
{
    char text[LINE_NAME];
    struct slice name = dock_name(way->name, site_bare_name(one), text);
    struct dock *d = map_get(&r->docks, name);
    if (d && d->way == way) return d;
    d = xcalloc(1, sizeof *d);
    d->plan = h->plan;
    d->way = way;
    d->npath = way->n ? way->n : 1;
    d->path = xcalloc(d->npath, sizeof(struct site *));
    for (size_t i = 0; i < d->npath; i++)
        d->path[i] = site_get(r->sites, way->n ? way->v[i]->name : SL(""), mx_set, host);
    d->name = xstrndup(name.p, name.n);
    d->shut = STREAMS;
    d->asked = rt_now();
    list_init(&d->hops);
    map_put(&r->docks, name, d);
    d->same = map_put(&r->of_site, site_bare_name(one), d);
    return d;
}

static bool dock_has(const struct dock *d, const struct site *s)
{
    for (size_t i = 0; d && i < d->npath; i++)
        if (d->path[i] == s) return true;
    return false;
}

/* The hop's site is this one, to which it goes by that way of its plan. */
static void hop_goes(struct ready *r, struct hop *h, const struct source_way *way, struct slice mx_set,
                     struct slice host)
{
    struct site *one = site_get(r->sites, way->n ? way->v[0]->name : SL(""), mx_set, host);
    if (!dock_has(h->dock, one)) {
        LIST_EACH(struct line, l, &h->lines, hop_link)
        if (l->where == AT_DOCK) line_away(r, l), line_enter(r, l);
        struct dock *d = dock_get(r, h, way, mx_set, host, one);
        hop_undock(r, h);
        h->dock = d;
        list_push(&d->hops, &h->dock_link);
        crowd_stir(r, &h->crowd);
    }
    site_put(one);
    h->known = true;
    while (!list_empty(&h->waiting)) line_wake(r, &h->waiting);
}

static enum warm_news warm_news(enum site_news news)
{
    switch (news) {
    case SITE_ANSWERED:
    case SITE_GOOD: return WARM_LEFT;
    case SITE_BUSY: return WARM_DEFERRED;
    case SITE_SPURNED:
    case SITE_REFUSED: return WARM_REFUSED;
    default: return WARM_NOTHING;
    }
}

static void place_leave(struct ready *r, struct item *it, enum site_news news, struct slice words)
{
    if (!it->place) return;
    if (it->from) source_warm_give(r->sources, it->from->name, site_group(it->place), warm_news(news));
    site_give(it->place,
              &(struct site_report){it->line->stream, it->line->like.domain, news, words, it->placed});
    site_put(it->place);
    it->place = NULL;
    it->from = NULL;
    source_plan_drop(&it->from_plan);
}

/* Its place, if it has one, is on a path of the site that can be gone by. */
static bool placed_well(const struct item *it, const struct dock *d)
{
    return it->place && dock_has(d, it->place) && dock_reaches(d, it->from);
}

bool ready_place(struct ready *r, struct item *it, const struct ready_site *to)
{
    struct hop *h = it->line->hop;
    hop_goes(r, h, to->routed ? &h->plan->way[0] : h->way, to->mx_set, to->host);
    h->dock->families = to->families;
    if (!placed_well(it, h->dock)) {
        place_leave(r, it, SITE_NO_NEWS, SL(""));
        (void)take_place(r, it, h->dock);
    }
    return it->place != NULL;
}

/* ---- the end of a delivery ---- */

static void undo_start(struct ready *r, struct item *it)
{
    struct line *l = it->line;
    if (it->pace == QUICK) r->nquick--, l->share->quick--;
    else r->nslow--, l->share->slow--;
    list_remove(&it->link);
    it->pace = WAITS;
    if (--l->hop->under_way == 0) l->hop->quiet = rt_now();
    l->under_way--;
    if (l->hop->crowd.left) crowd_stir(r, &l->hop->crowd);
    share_stir(r, l->share);
    hop_stir(r, l->hop);
}

void ready_back(struct ready *r, struct item *it)
{
    place_leave(r, it, SITE_NO_NEWS, SL(""));
    undo_start(r, it);
    list_unshift(&it->line->items, &it->link);
    line_enter(r, it->line);
}

/* Whoever delivers names no sites, or none was found: what is known is of this domain alone. */
static void hop_by_name(struct ready *r, struct item *it, const struct trip *trip)
{
    struct hop *h = it->line->hop;
    hop_goes(r, h, h->way, it->line->like.hop, SL(""));
    if (dock_has(h->dock, it->place)) place_leave(r, it, trip->news, trip->words);
    else if (trip->news == SITE_UNREACHED)
        for (size_t i = 0; i < h->dock->npath; i++) site_miss(h->dock->path[i], trip->words);
}

/* What its site learns of an attempt: nothing of one in which no server of it was asked, but that it has yet
 * to show whether it is back. */
static enum site_news news_of_site(const struct trip *trip)
{
    if (trip->asked) return trip->news;
    return trip->found && trip->news == SITE_UNREACHED ? SITE_UNASKED : SITE_NO_NEWS;
}

void ready_answered(struct ready *r, struct item *it, const struct trip *trip)
{
    if (!trip->asked || !it->place || r->nanswered >= ANSWERED_MOST) return;
    place_leave(r, it, news_of_site(trip), trip->words);
    it->answered = true;
    r->nanswered++;
}

bool ready_is_outdated(const struct ready *r, const struct item *it)
{
    return it->line->hop->plan != r->plan;
}

void ready_end(struct ready *r, struct item *it, const struct trip *trip)
{
    struct line *l = it->line;
    struct hop *h = l->hop;
    bool lost = trip->tried && !trip->found && trip->news == SITE_UNREACHED;
    if (!h->local && (!h->known || lost)) hop_by_name(r, it, trip);
    place_leave(r, it, news_of_site(trip), trip->words);
    r->nanswered -= it->answered;
    if (trip->no_room) return ready_back(r, it);
    undo_start(r, it);
    item_free(r, it);
    line_enter(r, l);
    line_check(r, l);
}

void ready_site_free(struct ready *r, const struct site *s)
{
    for (struct dock *d = map_get(&r->of_site, site_bare_name(s)); d; d = d->same)
        if (d->shut < STREAMS && dock_has(d, s)) dock_open(r, d);
}

void ready_source_free(struct ready *r)
{
    struct map_iter it = {0};
    while (map_next(&r->docks, &it)) {
        struct dock *d = it.value;
        if (d->way->n && d->shut < STREAMS) dock_open(r, d);
    }
}

void ready_nudge(struct ready *r, const struct q_due *d)
{
    char text[HOP_NAME];
    struct hop *h = map_get(&r->hops, hop_name(r->plan, d, text));
    if (!h || !h->dock || h->dock->bind != SITE_DOWN) return;
    for (size_t i = 0; i < h->dock->npath; i++) site_nudge(h->dock->path[i]);
    dock_open(r, h->dock);
}

void ready_replan(struct ready *r, struct source_plan *plan)
{
    struct map_iter it = {0};
    while (map_next(&r->items, &it)) {
        struct item *i = it.value;
        if (i->pace == WAITS) ready_drop(r, i);
    }
    source_plan_drop(&r->plan);
    r->plan = plan;
    it = (struct map_iter){0};
    while (map_next(&r->hops, &it)) { /* which still have something under way */
        struct hop *h = it.value;
        const struct source_way *way = source_way_named(plan, h->way->name);
        if (!way) continue;
        hop_undock(r, h);
        h->known = false;
        h->way = way;
        source_plan_drop(&h->plan);
        h->plan = source_plan_hold(plan);
    }
}

static bool may_be_slow(const struct ready *r, const struct item *it)
{
    return r->nslow < r->slow_most && it->line->share->slow < (r->slow_most + 1) / 2;
}

void ready_tick(struct ready *r)
{
    int64_t now = rt_now();
    struct heap_node *a;
    while ((a = heap_least(&r->alarms)) != NULL && a->key <= now)
        dock_open(r, CONTAINER_OF(a, struct dock, alarm));
    while ((a = heap_least(&r->rests)) != NULL && a->key <= now) {
        struct line *l = CONTAINER_OF(a, struct line, node);
        line_away(r, l);
        line_enter(r, l);
        crowd_stir(r, &l->crowd);
    }
    LIST_EACH(struct item, it, &r->quick, link)
    {
        struct share *s = it->line->share;
        if (it->started + QUICK_FOR > now) break;
        if (!may_be_slow(r, it)) continue;
        list_remove(&it->link);
        it->pace = SLOW;
        r->nquick--, s->quick--;
        r->nslow++, s->slow++;
        share_stir(r, s);
    }
}

static int64_t sooner(int64_t t, const struct heap *h)
{
    const struct heap_node *first = heap_least(h);
    return first && first->key < t ? first->key : t;
}

int64_t ready_next_tick(const struct ready *r)
{
    int64_t next = sooner(sooner(RT_NEVER, &r->alarms), &r->rests);
    LIST_EACH(const struct item, it, &r->quick, link)
    if (may_be_slow(r, it)) return it->started + QUICK_FOR < next ? it->started + QUICK_FOR : next;
    return next;
}

void ready_free(struct ready *r)
{
    struct map_iter it = {0};
    while (map_next(&r->items, &it)) {
        struct item *i = it.value;
        struct line *l = i->line;
        item_free(r, i);
        line_check(r, l);
    }
    LIST_EACH(struct crowd, c, &r->crowds, link)
    {
        c->left = false;
        crowd_done(r, c);
    }
    source_plan_drop(&r->plan);
    map_free(&r->items);
    map_free(&r->lines);
    map_free(&r->shares);
    map_free(&r->hops);
    map_free(&r->docks);
    map_free(&r->of_site);
    heap_free(&r->hungry);
    heap_free(&r->able);
    heap_free(&r->alarms);
    heap_free(&r->rests);
}
