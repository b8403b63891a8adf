/* trouble.c - sources that cannot be left from for now, because the proxy that they leave by does not do its
 * part. That is no news of a receiver, nor of a letter: what was to leave from there waits, or leaves from
 * another source. It lives in memory: who starts anew asks the proxy anew. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "source_i.h"

#define FIRST (30 * RT_S)
#define MOST (600 * RT_S)

struct trouble {
    int64_t until, pause; /* rt_now() scale; how long it rests */
    char why[SOURCE_TROUBLE_MAX];
    uint64_t unheard[SOURCE_UNHEARD]; /* sites by which no word came since one did; 0: none */
};

/* Under the lock. */
static struct trouble *trouble_of(struct sources *s, struct slice name)
{
    struct trouble *t = map_get(&s->troubles, name);
    if (t) return t;
    t = xcalloc(1, sizeof *t);
    map_put(&s->troubles, name, t);
    return t;
}

bool source_out(struct sources *s, struct slice name, int64_t *until, char why[SOURCE_TROUBLE_MAX])
{
    if (!s) return false;
    lock_take(&s->lock);
    const struct trouble *t = s->troubles.count ? map_get(&s->troubles, name) : NULL;
    bool out = t && t->until > rt_now();
    if (out) *until = t->until;
    if (out && why) snprintf(why, SOURCE_TROUBLE_MAX, "%s", t->why);
    lock_release(&s->lock);
    return out;
}

void source_failed(struct sources *s, struct slice name, struct slice why)
{
    if (!s) return;
    int64_t now = rt_now();
    lock_take(&s->lock);
    struct trouble *t = trouble_of(s, name);
    bool news = t->until <= now; /* those that were under way when it began say nothing more */
    if (news) {
        t->pause = !t->pause ? FIRST : t->pause * 2 < MOST ? t->pause * 2 : MOST;
        t->until = now + t->pause;
        snprintf(t->why, sizeof t->why, "%.*s", SLF(utf8_cut(why, sizeof t->why - 1)));
    }
    int64_t pause = t->pause;
    lock_release(&s->lock);
    if (news)
        log_warn("source", "the source %.*s is left alone for %lld s: %.*s", SLF(name),
                 (long long)(pause / RT_S), SLF(why));
}

void source_works(struct sources *s, struct slice name)
{
    if (!s) return;
    lock_take(&s->lock);
    struct trouble *t = s->troubles.count ? map_del(&s->troubles, name) : NULL;
    struct source_watch tell = s->watch;
    lock_release(&s->lock);
    bool room = t && t->until > rt_now();
    free(t);
    if (room && tell.room) tell.room(tell.ctx);
}

bool source_unheard(struct sources *s, struct slice name, struct slice site)
{
    if (!s) return false;
    uint64_t mark = sl_hash(site) | 1;
    lock_take(&s->lock);
    uint64_t *seen = trouble_of(s, name)->unheard;
    size_t i = 0;
    while (i < SOURCE_UNHEARD && seen[i] && seen[i] != mark) i++;
    if (i < SOURCE_UNHEARD) seen[i] = mark;
    bool all = seen[SOURCE_UNHEARD - 1] != 0;
    lock_release(&s->lock);
    return all;
}

void trouble_close(struct sources *s)
{
    struct map_iter it = {0};
    while (map_next(&s->troubles, &it)) free(it.value);
    map_free(&s->troubles);
}
