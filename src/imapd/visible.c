/* visible.c - the mailboxes that a client may know of: its own, and those that others share with it. */
#include "base/log.h"
#include "imapd_i.h"

/* ---- whose ---- */

int imapd_others(struct imapd_session *s, struct acl_owner **out, size_t *n)
{
    struct acl_owner *o;
    struct account acc;
    struct store *store = s->server->conf.store;
    *n = 0;
    int e = acl_owners(store, s->account, &s->a, &o, n);
    if (e) return e;
    *out = ar_array(&s->a, struct acl_owner, *n + 1);
    if (*n) memcpy(*out, o, *n * sizeof *o);
    e = imapd_public(s, &acc);
    if (e || strcmp(acc.id, s->account) == 0) return e == ERR_NOT_FOUND ? 0 : e;
    for (size_t i = 0; i < *n; i++)
        if (strcmp(o[i].id, acc.id) == 0) return 0;
    struct acl_owner *last = &(*out)[(*n)++];
    memcpy(last->id, acc.id, sizeof last->id);
    last->address = acc.address;
    return 0;
}

/* ---- which ---- */

struct gathering {
    struct imapd_session *s;
    struct map subscribed; /* names of foreign ones */
    struct imapd_visible *v;
    size_t n, cap, max;
};

static int add(struct gathering *g, const struct imapd_visible *x)
{
    if (g->n == g->max) return err_set(ERR_LIMIT, "there are more than %zu mailboxes", g->max);
    if (g->n == g->cap) g->v = ar_grow(&g->s->a, g->v, &g->cap, sizeof *g->v);
    g->v[g->n++] = *x;
    return 0;
}

static int add_own(struct gathering *g)
{
    struct imapd_session *s = g->s;
    struct mailbox *box;
    size_t n;
    int e = mailbox_list(s->server->conf.store, s->account, &s->a, &box, &n);
    for (size_t i = 0; i < n && !e; i++)
        e = add(g, &(struct imapd_visible){s->account, &box[i], box[i].name, ACL_ALL, box[i].subscribed});
    return e;
}

/* The rights on a mailbox that is listed; none when its access list is damaged, which hides no other. */
static int listed_rights(struct imapd_session *s, struct mailbox_ref box, unsigned *out)
{
    int e = imapd_read_rights(s, box, out);
    if (e != ERR_CORRUPT) return e;
    log_error("imap", "account %s, mailbox %u: its access list is damaged, nobody else sees it", box.account,
              box.box);
    return 0;
}

/* What one other account lets the client know of. */
static int add_foreign(struct gathering *g, const struct acl_owner *o)
{
    struct imapd_session *s = g->s;
    struct mailbox *box;
    size_t n;
    int e = mailbox_list(s->server->conf.store, o->id, &s->a, &box, &n);
    for (size_t i = 0; i < n && !e; i++) {
        struct imapd_visible x = {.account = o->id, .m = &box[i]};
        e = listed_rights(s, (struct mailbox_ref){.account = o->id, .box = box[i].id}, &x.rights);
        if (e || !(x.rights & ACL_LOOKUP)) continue;
        x.shown = imapd_foreign_name(s, o->address, box[i].name);
        x.subscribed = map_get(&g->subscribed, x.shown);
        e = add(g, &x);
        fiber_breathe();
    }
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
    struct gathering g = {.s = s, .max = max};
    map_init(&g.subscribed, false);
    int e = add_own(&g);
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
