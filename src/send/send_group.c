/* send_group.c - unsubscribe groups of an account: rows g/ID, and the last id given in row `g`. */
#include "send_group.h"

#include "base/log.h"
#include "base/text.h"
#include "send_i.h"

enum { ROW_VERSION = 1 };

static struct slice object_of(struct arena *a, struct slice account)
{
    return ar_printf(a, "y:%.*s", SLF(account));
}
static struct slice key_of(struct arena *a, uint32_t id) { return ar_printf(a, "g/%08x", id); }

static int get_row(struct slice row, struct send_group *g)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': g->name = r.field; break;
        case 'd': g->description = r.field; break;
        case 'D': g->is_default = rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    return e || (utf8_valid(g->name) && utf8_valid(g->description))
               ? e
               : err_set(ERR_CORRUPT, "the record of a group is damaged");
}

int send_group_row_check(struct slice key, struct slice row)
{
    struct send_group g = {0};
    return key.n > 1 ? get_row(row, &g) : 0;
}

static void put_row(struct kv_tx *tx, struct slice key, const struct send_group *g)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put(&b, 'n', g->name);
    rec_opt(&b, 'd', g->description);
    rec_opt_u64(&b, 'D', g->is_default);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

struct changing {
    struct arena *a;
    struct send_group *g;
    uint32_t id; /* that was given */
};

/* The id after the last one, which is never given again: a letter of old may still be sent back to it. */
static int next_id(struct kv_tx *tx, uint32_t *id)
{
    struct slice row;
    struct buf b = BUF_INIT;
    uint64_t last = 0;
    int e = kv_tx_get(tx, SL("g"), &row);
    struct rec r;
    if (!e) e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r))
        if (r.tag == 'l') last = rec_u64(&r);
    if (e && e != ERR_NOT_FOUND) return e;
    *id = (uint32_t)last + 1;
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'l', *id);
    kv_tx_put_record(tx, SL("g"), &b);
    buf_free(&b);
    return 0;
}

static int count(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

static int put_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice row;
    size_t n = 0;
    x->id = x->g->id;
    int e = x->id ? kv_tx_get(tx, key_of(x->a, x->id), &row) : kv_tx_scan(tx, SL("g/"), SL("g0"), count, &n);
    if (!e && n >= SEND_GROUPS_MAX)
        e = err_set(ERR_LIMIT, "the account has %d unsubscribe groups already", SEND_GROUPS_MAX);
    if (!e && !x->id) e = next_id(tx, &x->id);
    if (!e) put_row(tx, key_of(x->a, x->id), x->g);
    return e;
}

static int remove_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice row;
    int e = kv_tx_get(tx, key_of(x->a, x->id), &row);
    if (!e) kv_tx_del(tx, key_of(x->a, x->id));
    return e;
}

static int transact(struct sends *s, struct slice account, kv_fn *fn, struct changing *x)
{
    struct arena a = {0};
    x->a = &a;
    int e = kv_transact(s->store->kv, object_of(&a, account), fn, x);
    ar_free(&a);
    return e;
}

static bool is_text(struct slice s, size_t max)
{
    return s.n <= max && utf8_valid(s) && sl_chr(s, '\n') == SL_NONE;
}

static int judge(const struct send_group *g)
{
    if (!g->name.n || !is_text(g->name, SEND_GROUP_NAME_MAX))
        return err_set(ERR_SYNTAX, "the name of a group is one line of 1 to %d bytes", SEND_GROUP_NAME_MAX);
    if (!is_text(g->description, SEND_GROUP_WORDS_MAX))
        return err_set(ERR_SYNTAX, "the description of a group is one line of at most %d bytes",
                       SEND_GROUP_WORDS_MAX);
    return 0;
}

int send_group_put(struct sends *s, struct slice account, struct send_group *g)
{
    struct changing x = {.g = g};
    int e = judge(g);
    if (!e) e = transact(s, account, put_tx, &x);
    if (!e) g->id = x.id;
    return e;
}

struct editing {
    struct changing c;
    send_group_edit *edit;
    void *arg;
    struct arena *a;
};

static int edit_tx(struct kv_tx *tx, void *arg)
{
    struct changing *c = arg;
    const struct editing *x = CONTAINER_OF(c, struct editing, c);
    struct slice row;
    *c->g = (struct send_group){.id = c->id};
    int e = kv_tx_get(tx, key_of(c->a, c->id), &row);
    if (!e) e = get_row(ar_dup(x->a, row), c->g);
    if (!e) e = x->edit(x->arg, c->g);
    if (!e) e = judge(c->g);
    if (!e) put_row(tx, key_of(c->a, c->id), c->g);
    return e;
}

int send_group_change(struct sends *s, struct slice account, uint32_t id, send_group_edit *edit, void *arg,
                      struct arena *a, struct send_group *out)
{
    struct editing x = {.c = {.g = out, .id = id}, .edit = edit, .arg = arg, .a = a};
    return transact(s, account, edit_tx, &x.c);
}

int send_group_remove(struct sends *s, struct slice account, uint32_t id)
{
    return transact(s, account, remove_tx, &(struct changing){.id = id});
}

int send_group_get(struct sends *s, struct slice account, uint32_t id, struct arena *a,
                   struct send_group *out)
{
    struct slice row;
    *out = (struct send_group){.id = id};
    int e = kv_get(s->store->kv, object_of(a, account), key_of(a, id), a, &row);
    return e ? e : get_row(row, out);
}

int send_group_list(struct sends *s, struct slice account, struct arena *a, struct send_group **out,
                    size_t *n)
{
    struct kv_page page;
    int e = kv_scan(s->store->kv, object_of(a, account), SL("g/"), SL("g0"), SEND_GROUPS_MAX, a, &page);
    if (e) return e;
    *out = ar_array(a, struct send_group, page.n);
    *n = page.n;
    for (size_t i = 0; i < page.n; i++) {
        uint64_t id;
        if (num_hex64(sl_from(page.row[i].key, 2), &id)) (*out)[i].id = (uint32_t)id;
        if (get_row(page.row[i].value, &(*out)[i]) == 0) continue;
        log_error("send", "the row %.*s of y:%.*s is damaged", SLF(page.row[i].key), SLF(account));
        (*out)[i] = (struct send_group){.id = (*out)[i].id, .damaged = true};
    }
    return 0;
}
