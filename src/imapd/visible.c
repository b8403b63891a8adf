/* visible.c - the mailboxes that a client may know of: its own, and those that others share with it. */
#include "base/log.h"
#include "imapd_i.h"

/* ---- whose ---- */

static int add_public(struct imapd_session *s, struct acl_owner **v, size_t *n)
{
    struct account acc;
    int e = imapd_public(s, &acc);
    if (e || strcmp(acc.id, s->account) == 0) return e == ERR_NOT_FOUND ? 0 : e;
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*v)[i].id, acc.id) == 0) return 0;
    struct acl_owner *last = &(*v)[(*n)++];
    memcpy(last->id, acc.id, sizeof last->id);
    last->address = acc.address;
    return 0;
}

int imapd_others(struct imapd_session *s, bool (*may)(const void *arg, struct slice root), const void *arg,
                 struct acl_owner **out, size_t *n)
{
    struct acl_owner *o;
    size_t all = 0;
    *n = 0;
    *out = NULL;
    if (!may(arg, SL(IMAPD_OTHERS)) && !may(arg, SL(IMAPD_PUBLIC))) return 0;
    int e = acl_owners(s->server->conf.store, s->account, &s->a, &o, &all);
    if (e) return e;
    *out = ar_array(&s->a, struct acl_owner, all + 1);
    if (all) memcpy(*out, o, all * sizeof *o);
    e = add_public(s, out, &all);
    for (size_t i = 0; i < all && !e; i++) {
        if (may(arg, imapd_foreign_name(s, (*out)[i].address, SL("")))) (*out)[(*n)++] = (*out)[i];
        fiber_breathe();
    }
    return e;
}

/* ---- which ---- */

struct gathering {
    struct imapd_session *s;
    struct map subscribed; /* names of foreign ones */
    struct imapd_visible *v;
    size_t n, cap;
    size_t left; /* so many more of others */
};

static void add(struct gathering *g, const struct imapd_visible *x)
{
    if (g->n == g->cap) g->v = ar_grow(&g->s->a, g->v, &g->cap, sizeof *g->v);
    g->v[g->n++] = *x;
}

static int add_own(struct gathering *g, size_t max)
{
    struct imapd_session *s = g->s;
    struct mailbox *box;
    size_t n;
    int e = mailbox_list(s->server->conf.store, s->account, &s->a, &box, &n);
    if (e) return e;
    if (n > max) return err_set(ERR_LIMIT, "there are more than %zu mailboxes", max);
    for (size_t i = 0; i < n; i++)
        add(g, &(struct imapd_visible){s->account, &box[i], box[i].name, ACL_ALL, box[i].subscribed});
    return 0;
}

static int add_shared(struct gathering *g, const struct acl_owner *o, const struct acl_shared *shared)
{
    struct imapd_session *s = g->s;
    struct mailbox *m = ar_new(&s->a, struct mailbox);
    int e = mailbox_get(s->server->conf.store, o->id, shared->box, &s->a, m);
    if (err_is_damage(e))
        log_error("imap", "account %s, mailbox %u: its record is damaged, nobody else sees it", o->id,
                  shared->box);
    if (e) return err_is_damage(e) || e == ERR_NOT_FOUND ? 0 : e; /* or it was deleted meanwhile */
    struct slice shown = imapd_foreign_name(s, o->address, m->name);
    add(g, &(struct imapd_visible){o->id, m, shown, shared->rights, map_get(&g->subscribed, shown)});
    return 0;
}

/* What one other account lets the client know of. Whoever shares more than can be shown hides their own
 * newest mailboxes with it, and nobody else's as long as there is room for all. */
static int add_foreign(struct gathering *g, const struct acl_owner *o)
{
    struct imapd_session *s = g->s;
    struct acl_shared *v;
    struct arena a;
    size_t n, most = g->left < IMAPD_SHARED_MAX ? g->left : IMAPD_SHARED_MAX, before = g->n;
    ar_init(&a, 0);
    int e = acl_shared(s->server->conf.store, o->id, s->account, most + 1, &a, &v, &n);
    if (!e && n > most) {
        if (!s->cut)
            log_warn(s->who, "account %s shares more than the %zu mailboxes that are shown of it", o->id,
                     most);
        s->cut = true;
        n = most;
    }
    for (size_t i = 0; i < n && !e; i++) {
        e = add_shared(g, o, &v[i]);
        fiber_breathe();
    }
    g->left -= g->n - before;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* the account is gone */
}

static int read_subscribed(struct gathering *g)
{
    struct slice *name;
    size_t n = 0;
    int e = mailbox_subscriptions(g->s->server->conf.store, g->s->account, &g->s->a, &name, &n);
    for (size_t i = 0; i < n && !e; i++)
        if (imapd_is_foreign(name[i])) map_put(&g->subscribed, name[i], &name[i]);
    return e;
}

int imapd_visible(struct imapd_session *s, const struct acl_owner *o, size_t owners, size_t max,
                  struct imapd_visible **out, size_t *n)
{
    struct gathering g = {.s = s, .left = max < IMAPD_SHARED_ALL ? max : IMAPD_SHARED_ALL};
    map_init(&g.subscribed, false);
    int e = add_own(&g, max);
    if (!e && owners) e = read_subscribed(&g);
    for (size_t i = 0; i < owners && !e; i++) e = add_foreign(&g, &o[i]);
    map_free(&g.subscribed);
    *out = g.v;
    *n = e ? 0 : g.n;
    return e;
}

/* ---- what is unseen there ---- */

uint32_t imapd_unseen(struct imapd_session *s, const char *account, const struct mailbox *m)
{
    struct view *v;
    if (strcmp(account, s->account) == 0) return m->unseen;
    if (view_open_as(&v, s->server->conf.store, account, m->id, s->account) != 0) return 0;
    size_t n = view_unseen(v);
    view_close(&v);
    return (uint32_t)n;
}
