/* quota_trees.c - limits of trees as a whole: counted again, compared, told and set. */
#include "base/log.h"
#include "quota_i.h"

/* ---- counted again ---- */

struct counting {
    struct arena *a;
    struct quota_tree_row *v;
    struct quota_load *found;
    size_t n, cap, room;
    uint32_t rows, damaged;
};

static int count_tree(void *arg, struct slice key, struct slice value)
{
    struct counting *c = arg;
    (void)key;
    if (c->n == c->cap) {
        c->v = ar_grow(c->a, c->v, &c->cap, sizeof *c->v);
        c->found = ar_grow(c->a, c->found, &c->room, sizeof *c->found);
    }
    c->rows++;
    if (quota_tree_get(value, &c->v[c->n])) {
        c->damaged++;
        return 0;
    }
    c->v[c->n].t.name = ar_dup(c->a, c->v[c->n].t.name);
    c->found[c->n++] = (struct quota_load){0};
    return 0;
}

static int count_box(void *arg, struct slice key, struct slice value)
{
    struct counting *c = arg;
    struct box_row b;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) return 0; /* told of elsewhere */
    for (size_t i = 0; i < c->n; i++)
        if (quota_tree_has(&c->v[i].t, b.m.name)) {
            c->found[i].bytes += b.m.size;
            c->found[i].messages += b.m.exists;
            c->found[i].boxes++;
        }
    return 0;
}

static int count(const struct account_rows *rows, struct arena *a, struct counting *c)
{
    *c = (struct counting){.a = a, .cap = QUOTA_TREES_MAX, .room = QUOTA_TREES_MAX};
    c->v = ar_array(a, struct quota_tree_row, c->cap);
    c->found = ar_array(a, struct quota_load, c->room);
    int e = account_rows_each(rows, SL("q/"), SL("q0"), count_tree, c);
    return e || !c->n ? e : account_rows_each(rows, SL("b/"), SL("b0"), count_box, c);
}

static bool differs(const struct quota_load *x, const struct quota_load *y)
{
    return x->bytes != y->bytes || x->messages != y->messages || x->boxes != y->boxes;
}

int quota_trees_settle(struct kv_tx *tx, struct account_row *a, size_t *wrong)
{
    struct arena arena;
    struct counting c;
    ar_init(&arena, 0);
    int e = count(&(struct account_rows){.tx = tx}, &arena, &c);
    *wrong = e == 0 && a->trees != c.rows;
    for (size_t i = 0; e == 0 && i < c.n; i++) {
        if (!differs(&c.v[i].t.has, &c.found[i])) continue;
        c.v[i].t.has = c.found[i];
        quota_tree_put(tx, a->modseq, &c.v[i]);
        ++*wrong;
    }
    if (e == 0) a->trees = c.rows;
    ar_free(&arena);
    return e;
}

int quota_trees_recount(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    size_t wrong, *out = arg ? arg : &wrong;
    int e = account_tx(tx, &a);
    if (e == 0) e = quota_trees_settle(tx, &a, out);
    if (e == 0 && *out) account_row_put(tx, &a);
    return e;
}

int quota_trees_check(const struct account_rows *rows, const struct account_row *a,
                      void (*bad)(void *arg, const char *what), void *arg)
{
    struct arena arena;
    struct counting c;
    ar_init(&arena, 0);
    int e = count(rows, &arena, &c);
    if (e == 0 && a->trees != c.rows)
        bad(arg, ar_printf(&arena, "counts %u limits of mailboxes, has %u", a->trees, c.rows).p);
    if (e == 0 && c.damaged) bad(arg, ar_printf(&arena, "%u limits of mailboxes are damaged", c.damaged).p);
    for (size_t i = 0; e == 0 && i < c.n; i++) {
        const struct quota_load *has = &c.v[i].t.has, *found = &c.found[i];
        if (differs(has, found))
            bad(arg, ar_printf(&arena,
                               "counts %llu messages with %llu bytes in %llu mailboxes from \"%.*s\" on, has "
                               "%llu with %llu in %llu",
                               (unsigned long long)has->messages, (unsigned long long)has->bytes,
                               (unsigned long long)has->boxes, SLF(utf8_cut(c.v[i].t.name, 100)),
                               (unsigned long long)found->messages, (unsigned long long)found->bytes,
                               (unsigned long long)found->boxes)
                         .p);
    }
    ar_free(&arena);
    return e;
}

/* ---- asked for, and set ---- */

int quota_trees(struct store *s, const char *acc, struct slice name, struct arena *a, struct quota_tree **out,
                size_t *n)
{
    char room[KEY_ROOM];
    struct kv_page page;
    struct quota_tree_row r;
    *n = 0;
    *out = NULL;
    int e = name.n ? mailbox_name(a, name, &name) : 0;
    if (e == 0) e = kv_scan(s->kv, account_object(acc, room), SL("q/"), SL("q0"), KV_PAGE_MAX, a, &page);
    if (e == 0) *out = ar_array(a, struct quota_tree, page.n);
    for (size_t i = 0; e == 0 && i < page.n; i++)
        if (quota_tree_get(page.row[i].value, &r))
            log_error("store", "account %s: the row %.*s is damaged, its limit is left out; see tram verify",
                      acc, SLF(page.row[i].key));
        else if (!name.n || quota_tree_has(&r.t, name)) (*out)[(*n)++] = r.t;
    return e;
}

struct set {
    const struct mailbox_guest *guest;
    struct slice name;
    const struct quota_limits *limit;
    bool by_operator;
};

static bool is_none(const struct quota_limits *l)
{
    return l->bytes == QUOTA_NONE && l->messages == QUOTA_NONE && l->boxes == QUOTA_NONE;
}

/* The row that is there, if it may be changed. ERR_NOT_FOUND: there is none. A damaged one may be the
 * operator's. */
static int find_row(struct kv_tx *tx, const struct set *x, struct quota_tree_row *out)
{
    char room[KEY_ROOM];
    struct slice value;
    int e = kv_tx_get(tx, quota_tree_key(x->name, room), &value);
    *out = (struct quota_tree_row){0};
    if (e) return e;
    bool damaged = quota_tree_get(value, out) != 0;
    if (damaged) *out = (struct quota_tree_row){.t.by_operator = true};
    if (!damaged && !sl_eq(out->t.name, x->name))
        return err_set(ERR_EXISTS, "this name and \"%.*s\" cannot both have a limit",
                       SLF(utf8_cut(out->t.name, 100)));
    if (out->t.by_operator && !x->by_operator)
        return err_set(ERR_DENIED, "this limit is the operator's (tram quota)");
    return 0;
}

static int put_row(struct kv_tx *tx, const struct account_row *a, const struct set *x,
                   struct quota_tree_row *r, bool new)
{
    unsigned most = x->by_operator ? QUOTA_TREES_MAX : QUOTA_TREES_OWN;
    if (new && a->trees >= most)
        return err_set(ERR_LIMIT, "an account may have %u limits of mailboxes%s", most,
                       x->by_operator ? "" : ", with those of the operator");
    r->t.name = x->name;
    r->t.limit = *x->limit;
    r->t.by_operator = x->by_operator;
    quota_tree_put(tx, a->modseq, r);
    return 0;
}

static int set_tree(struct kv_tx *tx, void *arg)
{
    const struct set *x = arg;
    struct account_row a;
    struct quota_tree_row r;
    char room[KEY_ROOM];
    size_t wrong;
    int e = account_tx(tx, &a);
    if (e == 0) e = guest_means_tx(tx, x->guest, x->name);
    if (e) return e;
    int found = find_row(tx, x, &r);
    if (found && found != ERR_NOT_FOUND) return found;
    a.modseq++;                          /* nothing changes without a change of the account's row */
    bool counted = !found && r.t.name.n; /* one that is damaged says nothing */
    if (!is_none(x->limit)) e = put_row(tx, &a, x, &r, found != 0);
    else if (found) e = err_set(ERR_NOT_FOUND, "these mailboxes have no limit");
    else kv_tx_del(tx, quota_tree_key(x->name, room));
    if (e == 0 && is_none(x->limit)) a.trees -= a.trees > 0;
    else if (e == 0 && !counted) e = quota_trees_settle(tx, &a, &wrong);
    if (e == 0) account_row_put(tx, &a);
    return e;
}

int quota_tree_set(struct store *s, const char *acc, const struct mailbox_guest *guest, struct slice name,
                   const struct quota_limits *limit, bool by_operator)
{
    struct arena a;
    struct set x = {.guest = guest, .limit = limit, .by_operator = by_operator};
    ar_init(&a, 0);
    int e = mailbox_name(&a, name, &x.name);
    /* for a new one every mailbox is looked at: others go first */
    if (e == 0) e = mailbox_transact(s, (struct mailbox_ref){acc, 0, guest}, CHANGE_MAX, set_tree, &x);
    ar_free(&a);
    return e;
}
