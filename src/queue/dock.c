/* dock.c - a site as it is reached from several sources: where there is room, and why there is none. */
#include "dock.h"

#include "base/civil.h"

#define WARM_AGAIN (600 * RT_S)

const struct source *dock_source(const struct dock *d, size_t path)
{
    return d->way->n ? d->way->v[path] : NULL;
}

bool dock_reaches(const struct dock *d, const struct source *s)
{
    return !s || !d->families || d->families & (s->ip.family == 6 ? FROM_IPV6 : FROM_IPV4);
}

/* What the site says, if the path's source has an allowance left. */
static enum site_bind ask_site(struct sources *all, const struct dock_asked *x, size_t path, int64_t *again)
{
    const struct source *from = dock_source(x->d, path);
    struct site *s = x->d->path[path];
    const struct line *l = x->l;
    if (from && source_out(all, from->name, again, NULL)) return SITE_CUT;
    if (from && !source_warm_take(all, from->name, site_group(s), l->stream == STREAM_BULK)) {
        int64_t left = (warm_next_day() - rt_wall_seconds()) * RT_S;
        *again = rt_now() + (left < WARM_AGAIN ? left : WARM_AGAIN);
        return SITE_WARMS;
    }
    enum site_bind bind = site_take(s, l->stream, l->like.domain, again);
    if (from && bind != SITE_HAS_ROOM) source_warm_give(all, from->name, site_group(s), WARM_UNASKED);
    return bind;
}

/* The first that has room. */
static bool ask_path(struct sources *all, struct dock_asked *x, size_t path)
{
    int64_t again = RT_NEVER;
    if (!dock_reaches(x->d, dock_source(x->d, path))) return false;
    enum site_bind bind = ask_site(all, x, path, &again);
    bool first = !x->any;
    x->any = true;
    if (bind == SITE_HAS_ROOM) {
        x->bind = bind;
        x->path = path;
        return true;
    }
    if (bind == SITE_SPURNS) x->spurns = true;
    else if (bind == SITE_WARMS) x->warms = true;
    else if (bind != SITE_CUT) x->other = true;
    if (first || again < x->again) x->again = again;
    if (first || (x->bind == SITE_SPURNS && bind != SITE_SPURNS)) x->bind = bind;
    return false;
}

struct dock_asked dock_take(struct sources *all, const struct dock *d, const struct line *l)
{
    struct dock_asked asked = {.d = d, .l = l, .again = RT_NEVER}, *x = &asked;
    size_t own = d->way->n ? d->way->own : 1;
    bool found = false;
    size_t turn = source_turn(d->plan, d->way);
    for (size_t i = 0; !found && i < own; i++) found = ask_path(all, x, (turn + i) % own);
    bool over = !found && x->warms && !x->spurns && !x->other;
    for (size_t i = own; over && !found && i < d->npath; i++) found = ask_path(all, x, i);
    if (!x->any) { /* none is of a family of the site's: the relay will say so */
        x->bind = SITE_NO_WAY;
        x->again = rt_now() + 60 * RT_S;
    }
    return asked;
}

/* ---- why ---- */

struct slice wait_words(struct arena *a, struct slice what, int64_t since, int64_t until)
{
    char one[CIVIL_TEXT_MAX], two[CIVIL_TEXT_MAX];
    return ar_printf(a, "%.*s; since %s, %s%s", SLF(what), civil_format(since, one),
                     until ? "until " : "until one ends", until ? civil_format(until, two) : "");
}

static bool lacks_allowance(struct sources *all, const struct dock *d, size_t path, const struct q_due *due)
{
    struct warm_group g;
    const struct source *s = dock_source(d, path);
    return s && !source_warm_group(all, s->name, site_group(d->path[path]), due->stream == STREAM_BULK, &g);
}

/* What a source that is new may send, in words. */
static struct slice warm_why(struct sources *all, const struct dock *d, size_t path, const struct q_due *due,
                             struct arena *a)
{
    struct warm_group g = {0};
    const struct source *s = dock_source(d, path);
    bool bulk = due->stream == STREAM_BULK;
    if (!s || source_warm_group(all, s->name, site_group(d->path[path]), bulk, &g))
        return SL("the source's allowance has just risen");
    return ar_printf(
        a,
        "the source %.*s is warming up: %u of its %u deliveries of today to this group of sites are used%s",
        SLF(s->name), g.sent, g.allowance, bulk ? ", of which bulk leaves a fifth to others" : "");
}

/* What keeps a path for its source's sake. */
static void ask_source(struct sources *all, const struct dock *d, size_t path, const struct q_due *due,
                       struct site_state *st)
{
    int64_t until;
    const struct source *s = dock_source(d, path);
    if (s && source_out(all, s->name, &until, st->words)) {
        st->bind = SITE_CUT;
        st->until = rt_wall_seconds() + (until - rt_now()) / RT_S;
        st->since = 0;
    } else if (lacks_allowance(all, d, path, due)) {
        st->bind = SITE_WARMS, st->until = warm_next_day(), st->since = 0;
    }
}

/* The path that has room soonest, of those that dock_take() would try. */
static size_t look_for_room(struct sources *all, const struct dock *d, const struct q_due *due,
                            struct site_state *out)
{
    size_t best = 0, own = d->way->n ? d->way->own : 1;
    bool warms = false, other = false;
    *out = (struct site_state){0};
    for (size_t i = 0, seen = 0; i < d->npath; i++) {
        struct site_state st;
        if (i >= own && (other || !warms)) break; /* an overflow is for sources that warm up alone */
        if (!dock_reaches(d, dock_source(d, i))) continue;
        site_look(d->path[i], due->stream, due->domain, &st);
        ask_source(all, d, i, due, &st);
        warms |= st.bind == SITE_WARMS;
        other |= st.bind != SITE_WARMS && st.bind != SITE_CUT;
        bool better = !seen++ || st.bind == SITE_HAS_ROOM || (st.until && st.until < out->until);
        if (better) *out = st, best = i;
        if (st.bind == SITE_HAS_ROOM) break;
    }
    return best;
}

bool dock_has_room(struct sources *all, const struct dock *d, const struct q_due *due)
{
    struct site_state st;
    (void)look_for_room(all, d, due, &st);
    return st.limits.site.n && st.bind == SITE_HAS_ROOM;
}

struct slice dock_why(struct sources *all, const struct dock *d, const struct q_due *due, struct arena *a)
{
    struct site_state st;
    size_t path = look_for_room(all, d, due, &st);
    struct slice name = site_name(d->path[path]), what = SL("");
    if (dock_source(d, path))
        name = ar_printf(a, "%.*s, from the source %.*s,", SLF(site_bare_name(d->path[path])),
                         SLF(dock_source(d, path)->name));
    const struct shape_number *n = st.limits.v;
    switch (st.bind) {
    case SITE_HAS_ROOM: return SL("its turn comes now");
    case SITE_NO_WAY:
        what = SL("none of the sources that it may leave from has an address of a family of the site's");
        break;
    case SITE_CUT:
        what = ar_printf(a, "the source %.*s: %s", SLF(dock_source(d, path)->name), st.words);
        break;
    case SITE_WARMS: what = warm_why(all, d, path, due, a); break;
    case SITE_PLACES:
        what = ar_printf(a, "%u deliveries to the site %.*s are under way, as many as it gets at once (%.*s)",
                         st.under_way, SLF(name), SLF(n[SHAPE_CONNECTIONS].source));
        break;
    case SITE_WINDOW:
        what =
            ar_printf(a, "%u deliveries to the site %.*s are under way, as many as it has shown it can take",
                      st.under_way, SLF(name));
        break;
    case SITE_LETTERS:
        what = ar_printf(a, "the site %.*s gets %u letters a minute (%.*s)", SLF(name), n[SHAPE_RATE].n,
                         SLF(n[SHAPE_RATE].source));
        break;
    case SITE_OPENS:
        what = ar_printf(a, "the site %.*s gets %u connections a minute (%.*s)", SLF(name), n[SHAPE_OPENS].n,
                         SLF(n[SHAPE_OPENS].source));
        break;
    case SITE_RESTS:
        what = ar_printf(a, "the site %.*s refuses us, not the recipient, and is left alone; it said: %s",
                         SLF(name), st.words);
        break;
    case SITE_SPURNS:
        what =
            ar_printf(a,
                      "the site %.*s refuses what %.*s sends, not the recipient, and gets none of it for a "
                      "while; it said: %s",
                      SLF(name), SLF(due->domain), st.words);
        break;
    case SITE_DOWN:
        what = ar_printf(a, "the site %.*s does not answer, one letter tries from time to time: %s",
                         SLF(name), st.words);
        break;
    }
    return wait_words(a, what, st.since ? st.since : d->since, st.until);
}
