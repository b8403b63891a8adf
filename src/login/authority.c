/* authority.c - does a session's login still count? */
#include <stdio.h>
#include <string.h>

#include "kv/kv.h"
#include "login.h"
#include "rt/conn.h"

static const int64_t ask_every = 60 * RT_S;

/* A parked session looks whether it may go on. */
static void on_news(void *arg) { conn_wake(arg); }

void authority_begin(struct authority *x, struct directory *dir, const struct account *acc, struct conn *c)
{
    snprintf(x->id, sizeof x->id, "%s", acc->id);
    snprintf(x->local, sizeof x->local, "%.*s", SLF(acc->local));
    snprintf(x->domain, sizeof x->domain, "%.*s", SLF(acc->domain));
    snprintf(x->app, sizeof x->app, "%s", acc->by ? acc->by->id : "");
    x->version = acc->authority;
    x->generation = acc->generation;
    x->ask_at = acc->elsewhere.n ? rt_now() + ask_every : 0;
    x->dir = dir;
    if (c) x->watch = account_watch(dir, x->id, on_news, c);
}

void authority_end(struct authority *x)
{
    if (x->watch) kv_unwatch(&x->watch);
    x->dir = NULL;
}

static bool has_app(const struct account *acc, const char *id)
{
    for (size_t i = 0; i < acc->napps; i++)
        if (strcmp(acc->app[i].id, id) == 0) return true;
    return !*id;
}

static int look(struct authority *x)
{
    struct arena a;
    struct account now;
    ar_init(&a, 0);
    int e = account_read(x->dir, &a, sl_cstr(x->local), sl_cstr(x->domain), &now);
    bool same = !e && strcmp(now.id, x->id) == 0 && now.authority == x->version && !now.disabled &&
                has_app(&now, x->app);
    if (!e && same) x->generation = now.generation;
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    return same ? 0 : err_set(ERR_DENIED, "the account was changed: log in again");
}

/* What it says is in the account's row afterwards. */
static void ask_elsewhere(struct authority *x)
{
    struct arena a;
    struct account now;
    x->ask_at = rt_now() + ask_every;
    ar_init(&a, 0);
    if (account_read(x->dir, &a, sl_cstr(x->local), sl_cstr(x->domain), &now) == 0)
        account_refresh(x->dir, &a, ASK_FOR_LOGINS, &now);
    ar_free(&a);
}

/* What changes while it is read is read again: who parks after this misses nothing. */
int authority_check(struct authority *x)
{
    int e = 0;
    if (x->dir && x->ask_at && rt_now() >= x->ask_at) ask_elsewhere(x);
    while (!e && x->dir && x->generation != directory_generation(x->dir)) e = look(x);
    return e;
}
