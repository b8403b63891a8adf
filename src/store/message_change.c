/* message_change.c - flags, expunging, copying and moving.
 *
 * A set of messages is changed some at a time, each part in a transaction of its
 * own with a modseq of its own (RFC 7162 section 3.1 asks for no more), so that a
 * change of a whole large mailbox does not hold up everybody else. */
#include <stdlib.h>

#include <stdio.h>

#include "base/log.h"
#include "digest.h"
#include "mailbox_i.h"
#include "seen.h"

/* What a transaction found out. It may run twice, so each run starts anew. */
void gather_add(struct gather *u, uint32_t uid)
{
    if (u->n == u->cap) {
        u->cap = u->cap ? 2 * u->cap : 64;
        u->v = xrealloc(u->v, u->cap * sizeof *u->v);
    }
    u->v[u->n++] = uid;
}

/* Into the arena. */
static const uint32_t *gather_keep(const struct gather *g, struct arena *a)
{
    uint32_t *v = ar_array(a, uint32_t, g->n);
    if (g->n) memcpy(v, g->v, g->n * sizeof *v);
    return v;
}

void gather_hand_out(struct gather *g, struct arena *a, struct uids *out)
{
    if (out) *out = (struct uids){gather_keep(g, a), g->n};
    free(g->v);
    *g = (struct gather){0};
}

/* Sessions that see the message still can go on to, from the moment on in which its row is gone; of a
 * transaction that fails nothing is asked. */
static void remember(struct expunged *e, const struct kv_tx *tx, uint32_t box, const struct message *m)
{
    char acc[20];
    snprintf(acc, sizeof acc, "%.*s", SLF(sl_from(kv_tx_object(tx), 2)));
    expunged_add(e, acc, box, m);
}

/* For the messages of one transaction of a change of n. */
static struct message *rows_room(size_t n)
{
    _Static_assert((int)FLAGS_MAX >= (int)CHANGE_MAX && (int)CHANGE_MAX >= (int)MOVE_MAX, "the most");
    return xcalloc(n < FLAGS_MAX ? n + 1 : FLAGS_MAX, sizeof(struct message));
}

/* ---- flags ---- */

struct flagging {
    uint32_t box;
    const uint32_t *uid;
    size_t n;
    const struct flags_change *as;
    uint64_t flags;          /* that it names, in this mailbox now */
    const char *guest;       /* whose \Seen is another one than the owner's; NULL: the owner's is meant */
    struct seen_change seen; /* the guest's */
    struct gather failed;
    size_t failed_before; /* by the parts before this one */
    struct journal_box journal;
    struct batch_range near; /* of the message looked at last */
    struct message *row;     /* rows_room() */
    size_t bytes;            /* of annotations that were written anew */
};

static uint64_t apply(enum flags_op op, uint64_t old, uint64_t flags)
{
    return op == FLAGS_ADD ? old | flags : op == FLAGS_REMOVE ? old & ~flags : flags;
}

/* As whoever changes them sees them. */
static int flags_of(struct kv_tx *tx, struct flagging *c, const struct message *m, uint64_t *out)
{
    bool seen = false;
    *out = m->flags;
    int e = c->guest ? seen_is(tx, &c->seen, m->uid, &seen) : 0;
    if (c->guest) *out = (m->flags & ~(uint64_t)FLAG_SEEN) | (seen ? FLAG_SEEN : 0);
    return e;
}

static int flags_one(struct kv_tx *tx, struct flagging *c, struct box_row *b, uint64_t modseq,
                     struct message *m)
{
    if (!m->uid) return 0;
    if (c->as->unchanged_since && m->modseq > c->as->unchanged_since) {
        gather_add(&c->failed, m->uid);
        return 0;
    }
    uint64_t old, flags;
    int e = flags_of(tx, c, m, &old);
    if (e) return e;
    flags = apply(c->as->op, old, c->flags);
    if (flags == old) return 0;
    e = message_whole_tx(tx, c->box, &c->near, m);
    if (e) return e;
    if (c->guest) {
        e = seen_set(tx, &c->seen, m->uid, flags & FLAG_SEEN);
        flags = (flags & ~(uint64_t)FLAG_SEEN) | (m->flags & FLAG_SEEN);
    }
    if (e) return e;
    count_flags(b, m->flags, flags);
    m->flags = flags;
    m->modseq = modseq;
    c->bytes += m->remarks.n;
    message_row_put(tx, c->box, m);
    journal_flags(&c->journal, m->uid, flags);
    return 0;
}

static int change_flags(struct kv_tx *tx, void *arg)
{
    struct flagging *c = arg;
    struct account_row a;
    struct box_row b;
    c->failed.n = c->failed_before;
    journal_free(&c->journal);
    seen_begin(&c->seen, c->box, c->guest);
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, c->box, &b);
    if (e == 0)
        e = box_flags(&b, c->as->bits, c->as->keyword, c->as->n, c->as->op != FLAGS_REMOVE, &c->flags);
    if (e == 0) e = messages_tx(tx, c->box, c->uid, c->n, &c->near, c->row);
    c->bytes = 0;
    for (size_t i = 0; e == 0 && i < c->n; i++) {
        e = flags_one(tx, c, &b, a.modseq + 1, &c->row[i]);
        if (c->bytes > CHANGE_BYTES) c->n = i + 1; /* the others in the next one */
    }
    if (e || !c->journal.changes.n) return e;
    seen_end(tx, &c->seen);
    b.m.modseq = ++a.modseq;
    journal_put(tx, &a, &c->journal, 1);
    box_row_put(tx, &a, &b);
    account_row_put(tx, &a);
    return 0;
}

int message_flags(struct store *s, struct mailbox_ref box, struct uids uids,
                  const struct flags_change *change, struct arena *a, struct uids *failed)
{
    ASSERT(change->op <= FLAGS_REPLACE && (change->keyword || !change->n));
    struct flagging c = {
        .box = box.box, .as = change, .guest = box.guest ? box.guest->id : NULL, .journal.box = box.box};
    int e = 0;
    c.row = rows_room(uids.n);
    for (size_t at = 0; e == 0 && at < uids.n; at += c.n) {
        c.uid = uids.v + at;
        c.n = uids.n - at < FLAGS_MAX ? uids.n - at : FLAGS_MAX;
        c.failed_before = c.failed.n;
        e = mailbox_transact(s, box, c.n, change_flags, &c);
    }
    free(c.row);
    journal_free(&c.journal);
    gather_hand_out(&c.failed, a, failed);
    return e;
}

/* ---- expunging ---- */

struct expunge {
    uint32_t box;
    const uint32_t *uid;
    size_t n;
    bool only_deleted;
    struct gather gone;
    size_t gone_before;
    struct expunged *remembered;
    struct journal_box journal;
    struct batch_range near; /* of the message looked at last */
    struct message *row;     /* rows_room() */
};

static void expunge_one(struct kv_tx *tx, struct expunge *c, struct account_row *a, struct box_row *b,
                        const struct message *m)
{
    char room[KEY_ROOM];
    if (!m->uid || (c->only_deleted && !(m->flags & FLAG_DELETED))) return;
    count_message(a, b, m, -1);
    places_del(tx, a, c->box, m);
    kv_tx_del(tx, message_row_key(c->box, m, room));
    journal_gone(&c->journal, m->uid);
    gather_add(&c->gone, m->uid);
    remember(c->remembered, tx, c->box, m);
}

static int expunge(struct kv_tx *tx, void *arg)
{
    struct expunge *c = arg;
    struct account_row a;
    struct box_row b;
    c->gone.n = c->gone_before;
    journal_free(&c->journal);
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, c->box, &b);
    if (e == 0) e = messages_tx(tx, c->box, c->uid, c->n, &c->near, c->row);
    for (size_t i = 0; e == 0 && i < c->n; i++) expunge_one(tx, c, &a, &b, &c->row[i]);
    if (e || c->gone.n == c->gone_before) return e;
    b.m.modseq = ++a.modseq; /* RFC 7162 section 3.2.7 */
    journal_put(tx, &a, &c->journal, 1);
    box_row_put(tx, &a, &b);
    account_row_put(tx, &a);
    return 0;
}

static int expunge_parts(struct store *s, struct mailbox_ref box, struct expunge *c, struct uids uids)
{
    int e = 0;
    c->row = rows_room(uids.n);
    for (size_t at = 0; e == 0 && at < uids.n; at += c->n) {
        c->uid = uids.v + at;
        c->n = uids.n - at < CHANGE_MAX ? uids.n - at : CHANGE_MAX;
        c->gone_before = c->gone.n;
        e = mailbox_transact(s, box, c->n, expunge, c);
    }
    free(c->row);
    return e;
}

/* The uids that have \Deleted now. */
static int find_deleted(struct store *s, struct mailbox_ref box, struct gather *out)
{
    struct arena a;
    struct mailbox b;
    struct message *m;
    size_t n = 1;
    ar_init(&a, 0);
    int e = mailbox_get(s, box.account, box.box, &a, &b);
    uint32_t left = e ? 0 : b.deleted;
    for (uint32_t from = 1; e == 0 && left && n;) {
        e = message_list(s, box, from, KV_PAGE_MAX, &a, &m, &n);
        for (size_t i = 0; e == 0 && i < n; i++)
            if (m[i].flags & FLAG_DELETED) gather_add(out, m[i].uid);
        if (e == 0 && n) from = m[n - 1].uid + 1;
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

int message_expunge(struct store *s, struct mailbox_ref box, struct uids uids, bool only_deleted,
                    struct arena *a, struct uids *gone)
{
    struct expunge c = {.box = box.box,
                        .only_deleted = only_deleted || !uids.v,
                        .remembered = s->expunged,
                        .journal.box = box.box};
    struct gather found = {0};
    int e = 0;
    if (!uids.v) {
        e = find_deleted(s, box, &found);
        uids = (struct uids){found.v, found.n};
    }
    if (e == 0) e = expunge_parts(s, box, &c, uids);
    digest_forget(s, box, c.gone.v, c.gone.n);
    journal_free(&c.journal);
    free(found.v);
    gather_hand_out(&c.gone, a, gone);
    return e;
}

/* ---- replacing ---- */

struct replace {
    struct expunge old;
    struct message_append new;
};

static int replace(struct kv_tx *tx, void *arg)
{
    struct replace *r = arg;
    int e = expunge(tx, &r->old);
    if (e == ERR_NOT_FOUND || (!e && !r->old.gone.n))
        e = err_set(ERR_STATE, "the message that is to be replaced is gone");
    return e ? e : message_append_tx(tx, &r->new);
}

int message_replace(struct store *s, struct mailbox_ref from, uint32_t old, uint32_t to,
                    const struct message_new *m, uint32_t *uidvalidity, uint32_t *uid)
{
    ASSERT(m && uidvalidity && uid);
    struct message row;
    struct replace r = {.old = {.box = from.box,
                                .uid = &old,
                                .n = 1,
                                .row = &row,
                                .remembered = s->expunged,
                                .journal.box = from.box},
                        .new = {.box = to, .m = m, .n = 1, .guest = from.guest ? from.guest->id : NULL}};
    int e = guest_transact(s, from.account, from.guest, replace, &r);
    if (e == 0) digest_forget(s, from, &old, 1);
    journal_free(&r.old.journal);
    free(r.old.gone.v);
    *uidvalidity = r.new.uidvalidity;
    *uid = r.new.first_uid;
    return e;
}

/* ---- copying and moving ---- */

struct copy {
    uint32_t from, to;
    const uint32_t *uid;
    size_t n;
    bool move, promised; /* promised: whatever the limits */
    const char *user;    /* whose own annotations go along; NULL: everybody's */
    unsigned keeps;      /* REMARKS_ */
    struct buf remarks;  /* of the message at hand */
    size_t bytes;        /* of annotations written */
    bool large;          /* these are too many for one transaction */
    struct gather old, new;
    struct expunged *remembered;
    size_t before;
    uint32_t uidvalidity;
    struct journal_box journal[2]; /* from, to */
    struct batch_range near;       /* of the message looked at last */
    struct message *row;           /* rows_room() */
};

/* A keyword has another bit in the other mailbox. */
static int translate(const struct box_row *from, struct box_row *to, uint64_t *flags)
{
    struct slice name[MAILBOX_KEYWORDS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < from->m.nkeywords; i++)
        if (*flags >> (FLAG_KEYWORD_FIRST + i) & 1) name[n++] = from->keyword[i];
    return box_flags(to, *flags, name, n, true, flags);
}

/* Of others their own annotations stay behind (RFC 5257 section 4.6). */
static int copy_remarks(struct kv_tx *tx, struct copy *c, struct message *m)
{
    uint64_t flags = m->flags;
    if (!m->remarks.n) return 0;
    int e = message_whole_tx(tx, c->from, &c->near, m);
    m->flags = flags;
    if (e) return e;
    if (c->user) e = remarks_copied(m->remarks, c->user, c->keeps, &c->remarks, &m->remarks);
    c->bytes += m->remarks.n;
    return e;
}

/* from and to may be the same row. */
static int copy_one(struct kv_tx *tx, struct copy *c, struct account_row *a, struct box_row *from,
                    struct box_row *to, const struct message *old)
{
    struct message m = *old;
    char room[KEY_ROOM];
    if (!m.uid) return 0;
    if (to->m.uidnext == UINT32_MAX) return err_set(ERR_LIMIT, "the mailbox has used up its UIDs");
    uint64_t flags = m.flags;
    int e = from == to ? 0 : translate(from, to, &flags);
    if (e) return e;
    struct message kept = m;
    e = copy_remarks(tx, c, &kept);
    if (e) return e;
    gather_add(&c->old, m.uid);
    gather_add(&c->new, to->m.uidnext);
    if (c->move) {
        remember(c->remembered, tx, c->from, &m);
        count_message(a, from, &m, -1);
        places_del(tx, a, c->from, &m);
        kv_tx_del(tx, message_row_key(c->from, &m, room));
        journal_gone(&c->journal[0], m.uid);
    }
    m.remarks = kept.remarks;
    m.uid = to->m.uidnext++;
    m.batch = 0;
    m.modseq = a->modseq;
    m.save_date = rt_wall_seconds();
    m.flags = flags;
    journal_added(&c->journal[1], m.uid, 1);
    count_message(a, to, &m, 1);
    places_put(tx, a, c->to, &m);
    message_row_put(tx, c->to, &m);
    return 0;
}

static int copy_end(struct kv_tx *tx, struct copy *c, struct account_row *a, struct box_row *from,
                    struct box_row *to)
{
    struct quota_load more = {to->m.size - to->was.size, to->m.exists - to->was.exists, 0};
    int e = c->move ? 0 : quota_check(a, 0, 0); /* they are counted */
    if (e == 0 && !c->promised) e = quota_tree_fit(tx, a, c->move ? from->m.name : SL(""), to->m.name, more);
    if (e) return e;
    to->m.modseq = a->modseq;
    if (c->move) {
        from->m.modseq = a->modseq;
        if (from != to) box_row_put(tx, a, from);
    }
    journal_put(tx, a, c->journal, 2);
    box_row_put(tx, a, to);
    account_row_put(tx, a);
    return 0;
}

static int copy(struct kv_tx *tx, void *arg)
{
    struct copy *c = arg;
    struct account_row a;
    struct box_row boxes[2], *from = &boxes[0], *to = c->from == c->to ? from : &boxes[1];
    c->old.n = c->new.n = c->before;
    for (int i = 0; i < 2; i++) journal_free(&c->journal[i]);
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, c->from, from);
    if (e == 0 && to != from) e = box_tx(tx, c->to, to);
    if (e) return e;
    c->uidvalidity = to->m.uidvalidity;
    a.modseq++;
    e = messages_tx(tx, c->from, c->uid, c->n, &c->near, c->row);
    c->bytes = 0;
    for (size_t i = 0; e == 0 && i < c->n; i++) {
        e = copy_one(tx, c, &a, from, to, &c->row[i]);
        if (c->bytes <= CHANGE_BYTES) continue;
        if (c->move) c->n = i + 1; /* the others in the next one */
        else c->large = true;
    }
    if (e == 0 && c->large) return ERR_BUSY;
    return e || c->new.n == c->before ? e : copy_end(tx, c, &a, from, to);
}

/* ---- large sets ---- */

static int copy_page(struct kv_tx *tx, struct batch *b, struct box_row *to, void *arg)
{
    struct copy *c = arg;
    struct box_row other, *from = c->from == c->to ? to : &other;
    c->old.n = b->n;
    c->bytes = 0;
    int e = from == to ? 0 : box_tx(tx, c->from, from);
    if (e == 0) e = messages_tx(tx, c->from, c->uid, c->n, &c->near, c->row);
    for (size_t i = 0; e == 0 && i < c->n; i++) {
        struct message *m = &c->row[i];
        if (!m->uid) continue;
        if (from != to) e = translate(from, to, &m->flags);
        if (e == 0) e = copy_remarks(tx, c, m);
        if (e) break;
        gather_add(&c->old, c->uid[i]);
        m->save_date = rt_wall_seconds();
        batch_add(tx, b, m);
        if (c->bytes > CHANGE_BYTES) c->n = i + 1; /* the others in the next page */
    }
    return e;
}

/* Unseen until it is whole (RFC 9051 section 6.4.7: a COPY that fails leaves the destination as it was). */
static int copy_batch(struct store *s, struct mailbox_ref box, struct copy *c, struct uids uids)
{
    struct batch b;
    int e = batch_begin(&b, s, (struct mailbox_ref){box.account, c->to, box.guest});
    if (e) return e;
    for (size_t at = 0; e == 0 && at < uids.n; at += c->n) {
        c->uid = uids.v + at;
        c->n = uids.n - at < CHANGE_MAX ? uids.n - at : CHANGE_MAX;
        e = batch_page(&b, copy_page, c);
        if (fiber_canceled()) e = ERR_CANCELED;
    }
    if (e == 0) e = batch_see(&b);
    if (e) batch_drop(&b);
    c->uidvalidity = b.uidvalidity;
    for (uint32_t i = 0; e == 0 && i < b.n; i++) gather_add(&c->new, b.first_uid + i);
    return e;
}

/* Some at a time, each message wholly (RFC 6851 section 3.3). */
static int copy_parts(struct store *s, struct mailbox_ref box, struct copy *c, struct uids uids)
{
    int e = 0;
    for (size_t at = 0; e == 0 && at < uids.n; at += c->n) {
        c->uid = uids.v + at;
        c->n = uids.n - at < MOVE_MAX ? uids.n - at : MOVE_MAX;
        c->before = c->new.n;
        e = mailbox_transact(s, box, c->n, copy, c);
        if (e) c->old.n = c->new.n = c->before;
    }
    return e;
}

/* What a guest has seen is seen in the copies, too. */
static int copy_seen(struct store *s, struct mailbox_ref box, uint32_t to, const struct message_copied *c)
{
    struct seen_set seen = {0};
    uint32_t *uid = xcalloc(c->n ? c->n : 1, sizeof *uid);
    size_t n = 0;
    int e = seen_read(s, box.account, box.box, box.guest->id, &seen);
    for (size_t i = 0; e == 0 && i < c->n; i++)
        if (seen_has(&seen, c->from[i])) uid[n++] = c->to[i];
    if (e == 0 && n)
        e = message_flags(s, (struct mailbox_ref){box.account, to, box.guest}, (struct uids){uid, n},
                          &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN}, NULL, NULL);
    seen_free(&seen);
    free(uid);
    return e;
}

static struct copy copy_new(struct store *s, struct mailbox_ref box, uint32_t to, bool move, size_t n)
{
    return (struct copy){.from = box.box,
                         .to = to,
                         .move = move,
                         .row = rows_room(n),
                         .user = box.guest ? box.guest->id : box.account,
                         .keeps = box.guest ? box.guest->keeps : REMARKS_SHARED | REMARKS_OWN,
                         .remembered = s->expunged,
                         .journal = {{.box = box.box}, {.box = to}}};
}

static void copy_free(struct copy *c)
{
    for (int i = 0; i < 2; i++) journal_free(&c->journal[i]);
    buf_free(&c->remarks);
    free(c->old.v);
    free(c->new.v);
    free(c->row);
}

int message_copy(struct store *s, struct mailbox_ref box, struct uids uids, uint32_t to, bool move,
                 struct arena *a, struct message_copied *out)
{
    ASSERT(box.box && to);
    struct copy c = copy_new(s, box, to, move, uids.n);
    c.large = !move && uids.n > MOVE_MAX;
    int e = c.large ? ERR_BUSY : copy_parts(s, box, &c, uids);
    if (c.large) e = copy_batch(s, box, &c, uids);
    if (e && !move) c.new.n = 0;
    if (move) digest_forget(s, box, c.old.v, c.old.n);
    *out = (struct message_copied){c.uidvalidity, gather_keep(&c.old, a), gather_keep(&c.new, a), c.new.n};
    copy_free(&c);
    return e || !box.guest ? e : copy_seen(s, box, to, out);
}

int message_move_promised(struct store *s, struct mailbox_ref box, struct uids uids, uint32_t to)
{
    struct copy c = copy_new(s, box, to, true, uids.n);
    c.promised = true;
    c.user = NULL; /* the mailbox has another name, that is all */
    int e = copy_parts(s, box, &c, uids);
    digest_forget(s, box, c.old.v, c.old.n);
    copy_free(&c);
    return e;
}
