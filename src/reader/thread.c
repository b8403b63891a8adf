/* thread.c - the threading algorithms ORDEREDSUBJECT and REFERENCES of RFC 5256 section 3, and REFS, which is
 * REFERENCES without its step 5. A thread may be as deep as there are messages: nothing here recurses. */
#include "thread.h"

#include <stdlib.h>

#include "base/map.h"
#include "order.h"
#include "rt/rt.h"

enum { STEPS_MAX = 100 * 1000 * 1000, STEPS_AT_ONCE = 4096 };

struct item {
    struct thread_node node; /* first: a node is its item */
    size_t answers;          /* how many have it as parent */
    struct item *before;     /* the item made before it */
    int64_t latest;          /* REFS, of a root: when the latest message of its thread was sent */
    bool dead;
};
struct builder {
    struct arena *a;
    const struct thread_message *v;
    size_t n, steps;
    struct item *last; /* all items, from the last one made backwards */
    struct map ids;
    struct item **root;
    size_t nroots, cap;
    bool latest; /* roots in the order of their latest message */
};

static struct item *item_of(struct thread_node *n) { return (struct item *)n; }
static bool is_nobody(const struct thread_node *n) { return n->message == THREAD_NOBODY; }

static struct item *item_new(struct builder *b, int64_t message)
{
    struct item *i = ar_new(b->a, struct item);
    i->node.message = message;
    i->before = b->last;
    b->last = i;
    return i;
}

/* The item of an identifier, one of nobody when there is none yet. */
static struct item *item_named(struct builder *b, struct slice id)
{
    struct item *i = map_get(&b->ids, id);
    if (i) return i;
    i = item_new(b, THREAD_NOBODY);
    map_put(&b->ids, id, i);
    return i;
}

/* The item of message m: when another one has its identifier already, one that nobody refers to. */
static struct item *item_of_message(struct builder *b, size_t m)
{
    struct slice id = b->v[m].id;
    struct item *i = id.n ? item_named(b, id) : item_new(b, THREAD_NOBODY);
    if (!is_nobody(&i->node)) i = item_new(b, THREAD_NOBODY);
    i->node.message = (int64_t)m;
    return i;
}

/* ---- step 1: parents ---- */

static void set_parent(struct item *child, struct item *parent)
{
    if (child->node.parent) item_of(child->node.parent)->answers--;
    child->node.parent = parent ? &parent->node : NULL;
    if (parent) parent->answers++;
}

/* Would a loop arise? Only when the parent stands below the child. With no steps left nothing is linked: the
 * whole is refused then. */
static bool is_loop(struct builder *b, const struct item *child, const struct item *parent)
{
    if (child == parent) return true;
    if (!child->answers) return false;
    for (const struct thread_node *p = &parent->node; p; p = p->parent) {
        if (p == &child->node || b->steps >= STEPS_MAX) return true;
        if (++b->steps % STEPS_AT_ONCE == 0) fiber_breathe();
    }
    return false;
}

static void link_ancestry(struct builder *b, size_t m)
{
    struct item *i = item_of_message(b, m), *before = NULL;
    for (size_t k = 0; k < b->v[m].nref; k++) {
        struct item *ref = item_named(b, b->v[m].ref[k]);
        if (before && !ref->node.parent && !is_loop(b, ref, before)) set_parent(ref, before);
        before = ref;
    }
    set_parent(i, NULL);
    if (before && !is_loop(b, i, before)) set_parent(i, before);
}

/* ---- lists of siblings ---- */

struct sent_key {
    int64_t sent, message;
};
static struct sent_key key_of(const struct builder *b, const struct thread_node *n)
{
    const struct thread_node *m = is_nobody(n) ? n->child : n;
    return (struct sent_key){b->v[m->message].sent, m->message};
}

static int by_sent(const void *ctx, const void *x, const void *y)
{
    struct sent_key p = key_of(ctx, x), q = key_of(ctx, y);
    if (p.sent != q.sent) return p.sent < q.sent ? -1 : 1;
    return p.message < q.message ? -1 : p.message > q.message;
}

static int by_latest(const void *ctx, const void *x, const void *y)
{
    int64_t p = ((const struct item *)x)->latest, q = ((const struct item *)y)->latest;
    return p != q ? (p < q ? -1 : 1) : by_sent(ctx, x, y);
}

static void adopt(struct thread_node *parent, struct thread_node *child)
{
    child->parent = parent;
    child->next = parent->child;
    parent->child = child;
}

static void relink(struct thread_node **first, void **v, size_t n)
{
    *first = NULL;
    for (size_t i = n; i-- > 0;) {
        struct thread_node *node = v[i];
        node->next = *first;
        *first = node;
    }
}

static void sort_children(struct builder *b, struct thread_node *parent)
{
    size_t n = 0;
    if (!parent->child || !parent->child->next) return;
    for (struct thread_node *c = parent->child; c; c = c->next) n++;
    void **v = xcalloc(n, sizeof *v);
    n = 0;
    for (struct thread_node *c = parent->child; c; c = c->next) v[n++] = c;
    order_sort(v, n, by_sent, b);
    relink(&parent->child, v, n);
    free(v);
}

static void root_add(struct builder *b, struct item *i)
{
    if (b->nroots == b->cap) b->root = ar_grow(b->a, b->root, &b->cap, sizeof *b->root);
    b->root[b->nroots++] = i;
}

/* ---- steps 2 and 3: roots; items of nobody give their place to who answers them ---- */

/* The nearest ancestor that stays: a message, or the oldest of nobody; NULL when there is none. Those of
 * nobody on the way are passed over the next time. */
static struct thread_node *ancestor(struct thread_node *n)
{
    struct thread_node *top = n->parent;
    while (top && is_nobody(top) && top->parent) top = top->parent;
    for (struct thread_node *p = n->parent, *next; p && p != top; p = next) {
        next = p->parent;
        p->parent = top;
    }
    return top;
}

static void make_lists(struct builder *b)
{
    for (struct item *i = b->last; i; i = i->before) i->answers = 0;
    for (struct item *i = b->last; i; i = i->before) {
        if (is_nobody(&i->node)) continue;
        i->node.parent = ancestor(&i->node);
        if (i->node.parent) item_of(i->node.parent)->answers++;
        fiber_breathe();
    }
    for (struct item *i = b->last; i; i = i->before) {
        struct thread_node *p = i->node.parent;
        if (is_nobody(&i->node)) {
            if (i->answers > 1) root_add(b, i);
        } else if (p && (!is_nobody(p) || item_of(p)->answers > 1)) {
            adopt(p, &i->node);
        } else {
            i->node.parent = NULL;
            root_add(b, i);
        }
    }
}

/* ---- steps 4 and 6 ---- */

static void sort_roots(struct builder *b)
{
    for (size_t i = 0; i < b->nroots; i++)
        if (is_nobody(&b->root[i]->node)) sort_children(b, &b->root[i]->node);
    order_sort((void **)b->root, b->nroots, b->latest ? by_latest : by_sent, b);
}

/* ---- step 5: threads with the same subject ---- */

static const struct thread_message *speaker(const struct builder *b, const struct item *i)
{
    const struct thread_node *n = is_nobody(&i->node) ? i->node.child : &i->node;
    return &b->v[n->message];
}

/* B: the one root that stands for each subject. */
static void find_subjects(struct builder *b, struct map *table)
{
    for (size_t k = 0; k < b->nroots; k++) {
        struct item *i = b->root[k];
        const struct thread_message *m = speaker(b, i);
        if (!m->subject.n) continue;
        struct item *there = map_get(table, m->subject);
        bool replaces = there && !is_nobody(&there->node) &&
                        (is_nobody(&i->node) || (speaker(b, there)->reply && !m->reply));
        if (!there || replaces) map_put(table, m->subject, i);
        fiber_breathe();
    }
}

/* C: what the root i becomes when `there` stands for its subject. */
static void put_together(struct builder *b, struct map *table, struct item *i, struct item *there)
{
    struct slice subject = speaker(b, i)->subject;
    bool reply = speaker(b, i)->reply;
    if (is_nobody(&i->node) && is_nobody(&there->node)) {
        for (struct thread_node *c = i->node.child, *next; c; c = next) {
            next = c->next;
            adopt(&there->node, c);
        }
        i->node.child = NULL;
        i->dead = true;
    } else if (is_nobody(&there->node) || (reply && !speaker(b, there)->reply)) {
        adopt(&there->node, &i->node);
    } else {
        struct item *both = item_new(b, THREAD_NOBODY);
        adopt(&both->node, &i->node);
        adopt(&both->node, &there->node);
        map_put(table, subject, both);
        root_add(b, both);
    }
}

static void merge_subjects(struct builder *b)
{
    struct map table;
    size_t n = b->nroots, left = 0;
    map_init(&table, false);
    find_subjects(b, &table);
    for (size_t k = 0; k < n; k++) {
        struct item *i = b->root[k], *there;
        struct slice subject = speaker(b, i)->subject;
        if (!subject.n || (there = map_get(&table, subject)) == i || i->node.parent) continue;
        put_together(b, &table, i, there);
        fiber_breathe();
    }
    map_free(&table);
    for (size_t k = 0; k < b->nroots; k++) {
        struct item *i = b->root[k];
        if (!i->dead && !i->node.parent) b->root[left++] = i;
    }
    b->nroots = left;
}

/* ---- the algorithms ---- */

static int64_t latest_of(const struct builder *b, const struct thread_node *root)
{
    int64_t most = INT64_MIN;
    for (const struct thread_node *n = root; n;) {
        if (!is_nobody(n) && b->v[n->message].sent > most) most = b->v[n->message].sent;
        if (n->child) {
            n = n->child;
            continue;
        }
        while (n != root && !n->next) n = n->parent;
        n = n == root ? NULL : n->next;
    }
    return most;
}

static int by_ancestry(struct builder *b)
{
    for (size_t m = 0; m < b->n; m++) {
        link_ancestry(b, m);
        if (b->steps >= STEPS_MAX) return err_set(ERR_LIMIT, "the ancestry of these messages is too tangled");
        if (ar_over(b->a)) return err_set(ERR_LIMIT, "these are too many messages to be put in threads");
        fiber_breathe();
    }
    make_lists(b);
    for (size_t i = 0; b->latest && i < b->nroots; i++) b->root[i]->latest = latest_of(b, &b->root[i]->node);
    if (!b->latest) {
        sort_roots(b);
        merge_subjects(b);
    }
    for (struct item *i = b->last; i; i = i->before) sort_children(b, &i->node);
    sort_roots(b);
    return 0;
}

static int by_subject(const void *ctx, const void *x, const void *y)
{
    const struct builder *b = ctx;
    const struct thread_node *p = x, *q = y;
    int order = sl_cmp(b->v[p->message].subject, b->v[q->message].subject);
    return order ? order : by_sent(ctx, x, y);
}

static void by_ordered_subject(struct builder *b)
{
    size_t left = 0;
    for (size_t m = 0; m < b->n; m++) root_add(b, item_new(b, (int64_t)m));
    order_sort((void **)b->root, b->n, by_subject, b);
    for (size_t k = 0; k < b->n; k++) {
        struct item *i = b->root[k], *head = left ? b->root[left - 1] : NULL;
        if (head && sl_eq(speaker(b, head)->subject, speaker(b, i)->subject)) adopt(&head->node, &i->node);
        else b->root[left++] = i;
    }
    b->nroots = left;
    for (size_t k = 0; k < b->nroots; k++) sort_children(b, &b->root[k]->node);
    sort_roots(b);
}

int thread_build(struct arena *a, enum thread_order order, const struct thread_message *v, size_t n,
                 struct thread_node **out)
{
    struct builder b = {.a = a, .v = v, .n = n, .cap = 64, .latest = order == THREAD_REFS};
    int e = 0;
    b.root = ar_array(a, struct item *, b.cap);
    map_init(&b.ids, false);
    if (order == THREAD_ORDEREDSUBJECT) by_ordered_subject(&b);
    else e = by_ancestry(&b);
    map_free(&b.ids);
    if (!e) relink(out, (void **)b.root, b.nroots);
    return e;
}
