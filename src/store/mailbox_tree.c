/* mailbox_tree.c - renaming and deleting mailboxes (RFC 9051 sections 6.3.5 and 6.3.6). */
#include "grams.h"
#include "mailbox_i.h"

/* ---- renaming ---- */

struct rename {
    struct arena *a;
    const struct mailbox_guest *guest;
    struct slice from, to;
};

static int move_box(struct kv_tx *tx, struct account_row *a, struct quota_moves *moves, uint32_t id,
                    struct slice to)
{
    struct box_row b;
    int e = box_tx(tx, id, &b);
    if (e) return e;
    mailbox_name_del(tx, b.m.name, id);
    mailbox_name_put(tx, to, id);
    b.m.name = to;
    b.m.modseq = ++a->modseq;
    journal_put(tx, a, &(struct journal_box){.box = id, .kind = JOURNAL_RENAMED}, 1);
    quota_moves_add(moves, &b);
    box_row_put(tx, NULL, &b);
    return 0;
}

struct below {
    struct rename *r;
    uint32_t *id;
    struct slice *to; /* the new name of each */
    size_t n, cap, ncap;
};

/* The mailbox and those below it, with their new names. */
static int find_below(void *arg, struct slice key, struct slice value)
{
    struct below *l = arg;
    struct box_row b;
    uint64_t id;
    /* one that cannot be read says no name: it stays where it is, and verify names it */
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) return 0;
    if (!sl_eq(b.m.name, l->r->from) && !mailbox_below(b.m.name, l->r->from)) return 0;
    if (l->n == l->cap) {
        l->id = ar_grow(l->r->a, l->id, &l->cap, sizeof *l->id);
        l->to = ar_grow(l->r->a, l->to, &l->ncap, sizeof *l->to);
    }
    l->id[l->n] = (uint32_t)id;
    l->to[l->n] = ar_cat(l->r->a, l->r->to, sl_from(b.m.name, l->r->from.n));
    if (l->to[l->n].n > MAILBOX_NAME_MAX)
        return err_set(ERR_SYNTAX, "a mailbox below it would get too long a name");
    l->n++;
    return 0;
}

static int make_parents(struct kv_tx *tx, struct account_row *a, struct slice name)
{
    struct slice above;
    struct box_row b;
    if (!mailbox_parent(name, &above)) return 0;
    int e = box_tx_named(tx, above, &b);
    return e == ERR_NOT_FOUND ? mailbox_make(tx, a, above, 0, &b) : e;
}

static bool moves(const struct below *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->id[i] == id) return true;
    return false;
}

/* Nothing that moves along may come upon a mailbox that stays: two of one name would hide mail. */
static int names_are_free(struct kv_tx *tx, const struct below *l)
{
    struct box_row there;
    for (size_t i = 0; i < l->n; i++) {
        int e = box_tx_named(tx, l->to[i], &there);
        if (e == 0 && !moves(l, there.m.id))
            return err_set(ERR_EXISTS, "the mailbox \"%.*s\" exists already", SLF(sl_sub(l->to[i], 0, 200)));
        if (e && e != ERR_NOT_FOUND) return e;
    }
    return 0;
}

static int move_all(struct kv_tx *tx, struct account_row *a, const struct below *l)
{
    struct quota_moves *moves;
    int e = quota_moves_begin(tx, a, l->r->a, &moves);
    for (size_t i = 0; e == 0 && i < l->n; i++) e = move_box(tx, a, moves, l->id[i], l->to[i]);
    return e ? e : quota_moves_end(tx, a->modseq, moves);
}

/* A name that only stands above others (\Noselect in LIST) takes them along as well. */
static int rename_tree(struct kv_tx *tx, void *arg)
{
    struct rename *r = arg;
    struct account_row a;
    struct box_row b;
    struct below l = {.r = r, .cap = 16, .ncap = 16};
    l.id = ar_array(r->a, uint32_t, l.cap);
    l.to = ar_array(r->a, struct slice, l.ncap);
    int e = account_tx(tx, &a);
    if (e) return e;
    e = guest_means_tx(tx, r->guest, r->from);
    if (e == 0) e = guest_makes_tx(tx, r->guest, 1, r->to);
    if (e) return e;
    e = box_tx_named(tx, r->to, &b);
    if (e == 0) return err_set(ERR_EXISTS, "a mailbox with the new name exists already");
    if (e == ERR_NOT_FOUND) e = kv_tx_scan(tx, SL("b/"), SL("b0"), find_below, &l);
    if (e == 0 && !l.n) e = err_set(ERR_NOT_FOUND, "there is no mailbox of this name");
    if (e == 0) e = names_are_free(tx, &l);
    if (e == 0) e = make_parents(tx, &a, r->to);
    if (e == 0) e = move_all(tx, &a, &l);
    if (e == 0) account_row_put(tx, &a);
    return e;
}

int mailbox_rename(struct store *s, const char *acc, struct slice from, struct slice to)
{
    return mailbox_rename_as(s, acc, NULL, from, to);
}

int mailbox_rename_as(struct store *s, const char *acc, const struct mailbox_guest *guest, struct slice from,
                      struct slice to)
{
    struct arena a;
    struct rename r = {.a = &a, .guest = guest};
    ar_init(&a, 0);
    int e = mailbox_name(&a, from, &r.from);
    if (e == 0) e = mailbox_name(&a, to, &r.to);
    if (e == 0 && mailbox_below(r.to, r.from) && !sl_eq(r.from, SL("INBOX")))
        e = err_set(ERR_SYNTAX, "a mailbox cannot be moved below itself");
    if (e == 0) /* every mailbox is looked at: others go first */
        e = sl_eq(r.from, SL("INBOX"))
                ? inbox_rename(s, acc, guest, r.to)
                : mailbox_transact(s, (struct mailbox_ref){acc, 0, guest}, CHANGE_MAX, rename_tree, &r);
    ar_free(&a);
    return e;
}

/* ---- deleting ---- */

struct delete
{
    const struct mailbox_guest *guest;
    struct slice name;
    uint32_t id;
};

/* From here on it is gone for everybody; its rows follow. */
static int delete (struct kv_tx *tx, void *arg)
{
    struct delete *d = arg;
    struct account_row a;
    struct box_row b;
    char room[KEY_ROOM];
    int e = account_tx(tx, &a);
    if (e == 0) e = guest_means_tx(tx, d->guest, d->name);
    if (e == 0) e = box_tx_named(tx, d->name, &b);
    if (e) return e;
    d->id = b.m.id;
    a.modseq++;
    journal_put(tx, &a, &(struct journal_box){.box = d->id, .kind = JOURNAL_DELETED}, 1);
    a.boxes--;
    a.bytes -= b.m.size;
    a.messages -= b.m.exists;
    account_row_put(tx, &a);
    quota_trees_moved(tx, &a, &b, true);
    mailbox_name_del(tx, b.m.name, d->id);
    kv_tx_del(tx, box_key('b', d->id, room));
    kv_tx_del(tx, box_key('c', d->id, room));
    kv_tx_del(tx, url_key_own(d->id, room));
    kv_tx_put(tx, box_key('x', d->id, room), SL("\1"));
    return 0;
}

static int erase_rows(struct kv_tx *tx, void *arg)
{
    uint32_t id = *(const uint32_t *)arg;
    struct account_row a;
    char from[KEY_ROOM], to[KEY_ROOM];
    int e = account_tx(tx, &a);
    if (e && e != ERR_NOT_FOUND && !err_is_damage(e)) return e;
    if (e == 0) places_left(tx, &a);
    for (const char *kind = "mirghyv"; *kind; kind++)
        kv_tx_erase(tx, row_prefix(*kind, id, from), row_prefix_end(*kind, id, to));
    kv_tx_del(tx, box_key('x', id, from));
    return annotations_erase_tx(tx, id);
}

static int erase_box(struct store *s, const char *acc, uint32_t id)
{
    char room[KEY_ROOM];
    int e = grams_erase(s, (struct mailbox_ref){.account = acc, .box = id}, UINT32_MAX);
    return e ? e : kv_transact(s->kv, account_object(acc, room), erase_rows, &id);
}

int mailbox_finish_deletes(struct store *s, const char *acc)
{
    char room[KEY_ROOM];
    struct arena a;
    struct kv_page page;
    ar_init(&a, 0);
    int e = kv_scan(s->kv, account_object(acc, room), SL("x/"), SL("x0"), KV_PAGE_MAX, &a, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++) {
        uint64_t id;
        if (row_number(page.row[i].key, &id) == 0) e = erase_box(s, acc, (uint32_t)id);
    }
    ar_free(&a);
    return e;
}

int mailbox_delete(struct store *s, const char *acc, struct slice name)
{
    return mailbox_delete_as(s, acc, NULL, name);
}

int mailbox_delete_as(struct store *s, const char *acc, const struct mailbox_guest *guest, struct slice name)
{
    struct arena a;
    struct delete d = {.guest = guest};
    ar_init(&a, 0);
    int e = mailbox_name(&a, name, &d.name);
    if (e == 0 && sl_eq(d.name, SL("INBOX"))) e = err_set(ERR_DENIED, "INBOX cannot be deleted");
    if (e == 0) e = guest_transact(s, acc, guest, delete, &d);
    ar_free(&a);
    return e ? e : erase_box(s, acc, d.id);
}
