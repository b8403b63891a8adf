/* quota_tree.c - limits of trees: of the mailbox of a name with all that is below it (RFC 9208 section 3.2).
 *
 * A limit belongs to the name, not to a mailbox: what is moved there counts there from then on, and who
 * deletes the mailbox and makes it again finds the limit as it was. What a tree holds stands in its row, and
 * changes in the transaction that changes a mailbox: box_row_put() calls quota_trees_moved(), so nobody
 * forgets it. An account without such limits reads nothing for it. */
#include "base/log.h"
#include "quota_i.h"

enum { TREE_ROW = 1 };

struct slice quota_tree_key(struct slice name, char room[KEY_ROOM])
{
    memcpy(room, "q/", 2);
    return sl(room, 2 + hex_digits(room + 2, quota_tree_id(name), 16));
}

uint64_t quota_tree_id(struct slice name) { return hash_stable(name, false); }

bool quota_tree_has(const struct quota_tree *t, struct slice name)
{
    return sl_eq(name, t->name) || mailbox_below(name, t->name);
}

int quota_tree_get(struct slice value, struct quota_tree_row *out)
{
    struct rec r;
    *out = (struct quota_tree_row){.t.limit = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}};
    int e = rec_open(&r, value, TREE_ROW);
    while (e == 0 && rec_next(&r)) switch (r.tag) {
        case 'N': out->t.name = r.field; break;
        case 's': out->t.has.bytes = rec_u64(&r); break;
        case 'n': out->t.has.messages = rec_u64(&r); break;
        case 'c': out->t.has.boxes = rec_u64(&r); break;
        case 'S': out->t.limit.bytes = rec_u64(&r); break;
        case 'M': out->t.limit.messages = rec_u64(&r); break;
        case 'C': out->t.limit.boxes = rec_u64(&r); break;
        case 'o': out->t.by_operator = rec_u64(&r) != 0; break;
        case 'w': out->warned = (unsigned)rec_u64(&r); break;
        }
    if (e == 0) e = rec_error(&r);
    if (e == 0 && !out->t.name.n) e = err_set(ERR_CORRUPT, "a limit of mailboxes has no name");
    return e;
}

bool quota_tree_row_good(struct slice value)
{
    struct quota_tree_row t;
    return quota_tree_get(value, &t) == 0;
}

static void put_limit(struct buf *b, uint8_t tag, uint64_t limit)
{
    if (limit != QUOTA_NONE) rec_put_u64(b, tag, limit);
}

static uint64_t or_none(uint64_t limit) { return limit == QUOTA_NONE ? 0 : limit; }

void quota_tree_put(struct kv_tx *tx, uint64_t modseq, const struct quota_tree_row *r)
{
    const struct quota_tree *t = &r->t;
    struct account_usage u = {.bytes = t->has.bytes,
                              .messages = t->has.messages,
                              .quota_bytes = or_none(t->limit.bytes),
                              .quota_messages = or_none(t->limit.messages)};
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, TREE_ROW);
    rec_put(&b, 'N', t->name);
    rec_opt_u64(&b, 's', t->has.bytes);
    rec_opt_u64(&b, 'n', t->has.messages);
    rec_opt_u64(&b, 'c', t->has.boxes);
    put_limit(&b, 'S', t->limit.bytes);
    put_limit(&b, 'M', t->limit.messages);
    put_limit(&b, 'C', t->limit.boxes);
    rec_opt_u64(&b, 'o', t->by_operator);
    rec_opt_u64(&b, 'w', quota_mark(tx, &u, r->warned, modseq, quota_tree_id(t->name)));
    kv_tx_put_record(tx, quota_tree_key(t->name, room), &b);
    buf_free(&b);
}

/* ---- what a tree holds ---- */

struct moving {
    struct kv_tx *tx;
    uint64_t modseq;
    const struct box_row *b;
    bool gone;
};

static void log_damaged(struct kv_tx *tx, struct slice key)
{
    log_error("store", "object %.*s: the row %.*s is damaged, its limit counts nothing; see tram verify",
              SLF(kv_tx_object(tx)), SLF(key));
}

static int count_move(void *arg, struct slice key, struct slice value)
{
    const struct moving *x = arg;
    const struct box_row *b = x->b;
    struct quota_tree_row r;
    if (quota_tree_get(value, &r)) {
        log_damaged(x->tx, key);
        return 0;
    }
    bool was = b->was.name.n && quota_tree_has(&r.t, b->was.name);
    bool is = !x->gone && quota_tree_has(&r.t, b->m.name);
    if (!was && !is) return 0;
    r.t.has.bytes += (is ? b->m.size : 0) - (was ? b->was.size : 0);
    r.t.has.messages += (uint64_t)(is ? b->m.exists : 0) - (was ? b->was.exists : 0);
    r.t.has.boxes += (uint64_t)is - was;
    quota_tree_put(x->tx, x->modseq, &r);
    return 0;
}

void quota_trees_moved(struct kv_tx *tx, const struct account_row *a, const struct box_row *b, bool gone)
{
    struct moving x = {tx, a ? a->modseq : 0, b, gone};
    bool same =
        !gone && sl_eq(b->was.name, b->m.name) && b->was.size == b->m.size && b->was.exists == b->m.exists;
    if (a && a->trees && !same) (void)kv_tx_scan(tx, SL("q/"), SL("q0"), count_move, &x); /* errors stick */
}

/* ---- does it fit? ---- */

struct fitting {
    struct slice from, into;
    struct quota_load more;
};

static int fits(const struct quota_tree *t, const char *what, uint64_t has, uint64_t more, uint64_t limit)
{
    if (!more || limit == QUOTA_NONE || (has <= limit && more <= limit - has)) return 0;
    return err_set(ERR_QUOTA, "the mailboxes from \"%.*s\" on hold %llu %s of the %llu they may",
                   SLF(utf8_cut(t->name, 100)), (unsigned long long)has, what, (unsigned long long)limit);
}

static int fits_load(const struct quota_tree *t, const struct quota_load *more)
{
    int e = fits(t, "bytes", t->has.bytes, more->bytes, t->limit.bytes);
    if (e == 0) e = fits(t, "messages", t->has.messages, more->messages, t->limit.messages);
    return e ? e : fits(t, "mailboxes", t->has.boxes, more->boxes, t->limit.boxes);
}

int quota_tree_room(const struct quota_tree *t, uint64_t bytes)
{
    return fits_load(t, &(struct quota_load){bytes, 1, 0});
}

static int fits_tree(void *arg, struct slice key, struct slice value)
{
    const struct fitting *f = arg;
    struct quota_tree_row r;
    (void)key;
    if (quota_tree_get(value, &r)) return 0; /* told of where it would be counted */
    bool grows = quota_tree_has(&r.t, f->into) && !(f->from.n && quota_tree_has(&r.t, f->from));
    return grows ? fits_load(&r.t, &f->more) : 0;
}

/* ---- many mailboxes at once ---- */

struct quota_moves {
    struct arena *a;
    struct kv_tx *tx;
    struct {
        struct quota_tree_row row;
        struct quota_load came, went;
    } * tree;
    size_t n, cap;
};

static int know_tree(void *arg, struct slice key, struct slice value)
{
    struct quota_moves *m = arg;
    struct quota_tree_row r;
    if (quota_tree_get(value, &r)) {
        log_damaged(m->tx, key);
        return 0;
    }
    if (m->n == m->cap) m->tree = ar_grow(m->a, m->tree, &m->cap, sizeof *m->tree);
    r.t.name = ar_dup(m->a, r.t.name);
    memset(&m->tree[m->n], 0, sizeof *m->tree);
    m->tree[m->n++].row = r;
    return 0;
}

int quota_moves_begin(struct kv_tx *tx, const struct account_row *a, struct arena *arena,
                      struct quota_moves **out)
{
    struct quota_moves *m = *out = ar_new(arena, struct quota_moves);
    *m = (struct quota_moves){.a = arena, .tx = tx};
    return a->trees ? kv_tx_scan(tx, SL("q/"), SL("q0"), know_tree, m) : 0;
}

static void load_add(struct quota_load *l, uint64_t bytes, uint64_t messages)
{
    l->bytes += bytes;
    l->messages += messages;
    l->boxes++;
}

void quota_moves_add(struct quota_moves *m, const struct box_row *b)
{
    for (size_t i = 0; i < m->n; i++) {
        bool was = quota_tree_has(&m->tree[i].row.t, b->was.name);
        bool is = quota_tree_has(&m->tree[i].row.t, b->m.name);
        if (was) load_add(&m->tree[i].went, b->was.size, b->was.exists);
        if (is) load_add(&m->tree[i].came, b->m.size, b->m.exists);
    }
}

static uint64_t beyond(uint64_t came, uint64_t went) { return came > went ? came - went : 0; }

int quota_moves_end(struct kv_tx *tx, uint64_t modseq, struct quota_moves *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct quota_tree_row *r = &m->tree[i].row;
        const struct quota_load *came = &m->tree[i].came, *went = &m->tree[i].went;
        struct quota_load more = {beyond(came->bytes, went->bytes), beyond(came->messages, went->messages),
                                  beyond(came->boxes, went->boxes)};
        int e = fits_load(&r->t, &more);
        if (e) return e;
        if (!came->boxes && !went->boxes) continue;
        r->t.has.bytes += came->bytes - went->bytes;
        r->t.has.messages += came->messages - went->messages;
        r->t.has.boxes += came->boxes - went->boxes;
        quota_tree_put(tx, modseq, r);
    }
    return 0;
}

int quota_tree_fit(struct kv_tx *tx, const struct account_row *a, struct slice from, struct slice into,
                   struct quota_load more)
{
    struct fitting f = {from, into, more};
    return a->trees ? kv_tx_scan(tx, SL("q/"), SL("q0"), fits_tree, &f) : 0;
}
