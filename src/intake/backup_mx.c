/* backup_mx.c - who gets mail at the domains that we keep mail for. */
#include "backup_mx.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define PATIENCE (20 * RT_S)
/* A wrong word lives shortly, so that a new address is not refused for long. */
static const int64_t good_for = 12 * 3600 * RT_S, bad_for = 900 * RT_S, silent_for = 300 * RT_S;

struct known {
    int64_t until;
    enum backup_mx_word word;
    size_t n;
    char text[];
};

void backup_mx_open(struct backup_mx *b, struct arena *a, const struct slice *name, size_t n,
                    backup_mx_ask *ask, void *ctx)
{
    *b =
        (struct backup_mx){.domain = ar_array(a, struct backup_mx_domain, n), .n = n, .ask = ask, .ctx = ctx};
    for (size_t i = 0; i < n; i++) b->domain[i] = (struct backup_mx_domain){.name = name[i]};
    map_init(&b->known, false);
}

static void forget(struct backup_mx *b)
{
    struct map_iter it = {0};
    while (map_next(&b->known, &it)) free(it.value);
    map_free(&b->known);
}

void backup_mx_close(struct backup_mx *b) { forget(b); }

struct backup_mx_domain *backup_mx_find(struct backup_mx *b, struct slice domain)
{
    for (size_t i = 0; b && i < b->n; i++)
        if (sl_eqi(b->domain[i].name, domain)) return &b->domain[i];
    return NULL;
}

/* What is known without asking; false: it is this one's turn to ask, or (*busy) too many do. */
static bool look(struct backup_mx *b, struct arena *a, struct backup_mx_domain *d, struct slice address,
                 struct backup_mx_said *out, bool *busy)
{
    lock_take(&b->lock);
    struct known *k = map_get(&b->known, address);
    bool told = k && k->until > rt_now();
    if (told) *out = (struct backup_mx_said){k->word, ar_dup(a, sl(k->text, k->n))};
    else if (d->silent_until > rt_now())
        *out = (struct backup_mx_said){BACKUP_MX_SILENT, SL("")}, told = true;
    *busy = !told && d->asking >= BACKUP_MX_ASKING_MAX;
    if (!told && !*busy) d->asking++;
    lock_release(&b->lock);
    return told;
}

/* hurried: who asked had no time left for an answer, which says nothing of the domain. */
static void keep(struct backup_mx *b, struct backup_mx_domain *d, struct slice address,
                 const struct backup_mx_said *s, bool hurried)
{
    bool lasts = s->word == BACKUP_MX_TAKES || s->word == BACKUP_MX_REFUSES;
    bool silent = s->word == BACKUP_MX_SILENT && !hurried && !fiber_canceled(); /* else we went, not they */
    struct known *k = lasts ? xmalloc(sizeof *k + s->text.n) : NULL;
    if (k) {
        *k = (struct known){rt_now() + (s->word == BACKUP_MX_TAKES ? good_for : bad_for), s->word, s->text.n};
        memcpy(k->text, s->text.p, s->text.n);
    }
    lock_take(&b->lock);
    d->asking--;
    if (b->known.count >= BACKUP_MX_KNOWN_MAX) forget(b);
    if (k) free(map_put(&b->known, address, k));
    if (silent) d->silent_until = rt_now() + silent_for;
    lock_release(&b->lock);
    if (silent)
        log_warn("backup", "the servers of %.*s cannot be asked, its mail is kept: %.*s", SLF(d->name),
                 SLF(s->text));
}

/* Nobody can be asked: mail is taken all the same, that is what it is for, but not without end. */
static int take_blindly(struct backup_mx *b, struct backup_mx_domain *d)
{
    int64_t hour = rt_now() / (3600 * RT_S);
    lock_take(&b->lock);
    if (d->hour != hour) d->hour = hour, d->blind = 0;
    bool room = d->blind < BACKUP_MX_BLIND_MAX;
    d->blind += room;
    lock_release(&b->lock);
    return room ? 0
                : err_set(ERR_BUSY,
                          "The servers of %.*s cannot be asked who is there, and enough is kept for them",
                          SLF(d->name));
}

int backup_mx_judge(struct backup_mx *b, struct arena *a, struct backup_mx_domain *d, struct slice address)
{
    struct backup_mx_said s;
    bool busy;
    if (!look(b, a, d, address, &s, &busy)) {
        if (busy)
            return err_set(ERR_BUSY, "The servers of %.*s are asked too much at this moment", SLF(d->name));
        int64_t before = deadline_narrow(DEADLINE_IN(PATIENCE));
        b->ask(b->ctx, a, d->name, address, &s);
        deadline_restore(before);
        keep(b, d, address, &s, before <= rt_now());
    }
    switch (s.word) {
    case BACKUP_MX_TAKES: return 0;
    case BACKUP_MX_REFUSES: return err_set(ERR_NOT_FOUND, "%.*s", SLF(s.text));
    default: return take_blindly(b, d);
    }
}
