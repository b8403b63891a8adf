/* authority.c - does a session's login still count? */
#include <stdio.h>
#include <string.h>

#include "login.h"

void authority_begin(struct authority *x, const struct account *acc)
{
    snprintf(x->id, sizeof x->id, "%s", acc->id);
    snprintf(x->local, sizeof x->local, "%.*s", SLF(acc->local));
    snprintf(x->domain, sizeof x->domain, "%.*s", SLF(acc->domain));
    x->version = acc->authority;
    x->generation = acc->generation;
}

int authority_check(struct authority *x, struct directory *dir)
{
    struct arena a;
    struct account now;
    uint64_t generation = directory_generation(dir);
    if (x->generation == generation) return 0;
    ar_init(&a, 0);
    int e = account_read(dir, &a, sl_cstr(x->local), sl_cstr(x->domain), &now);
    bool same = !e && strcmp(now.id, x->id) == 0 && now.authority == x->version && !now.disabled;
    if (!e && same) x->generation = now.generation;
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    return same ? 0 : err_set(ERR_DENIED, "the account was changed: log in again");
}
