/* places.c - the messages of an account by EMAILID and by thread, whatever mailboxes they are in.
 *
 * A row p/e/<hash of the EMAILID>/<place> and a row p/t/<thread>/<place> for each message; the place is
 * <box>/<uid>, of one that came with a batch <box>/<batch>/<number>, which is known before its UID is. The
 * rows are true only as far as the message's own row says the same, which who looks something up asks: so
 * a mailbox can go as a range, and what its rows leave here is erased by the care.
 *
 * An account has no such rows until somebody asks: a delivery pays for what few ask. The field p of the row a
 * says so: 1, they are being made, by whoever asks and from where the row p/at says, and each change
 * already keeps them; 2, they are all there. A program that does not know the field forgets it with its first
 * change, so that all is made anew. */
#include "places.h"

#include <stdio.h>
#include <stdlib.h>

#include "places_i.h"

enum { FOUND_MAX = 500 }; /* rows of one page */

/* ---- made ---- */

struct making {
    struct kv_tx *tx;
    const struct account_row *account;
    uint32_t box; /* looked at last */
    bool there;   /* it is one, and not being deleted */
    size_t n;
    char next[KEY_ROOM]; /* where to go on */
    bool done;
};

/* 1: that is enough for one transaction. A damaged row hides no other: verify names it. */
static int make_one(void *arg, struct slice key, struct slice value)
{
    struct making *x = arg;
    struct message m;
    struct slice row;
    uint32_t box;
    char room[KEY_ROOM];
    if (x->n++ == PLACES_STEP) {
        snprintf(x->next, sizeof x->next, "%.*s", SLF(key));
        return 1;
    }
    if (!places_row_take(key, value, &box, &m)) return 0;
    if (box != x->box) {
        int e = kv_tx_get(x->tx, box_key('b', box, room), &row);
        if (e && e != ERR_NOT_FOUND) return e;
        x->box = box;
        x->there = e == 0;
    }
    if (x->there) places_put(x->tx, x->account, box, &m);
    return 0;
}

static int mark_get(struct kv_tx *tx, char room[KEY_ROOM])
{
    struct slice value;
    struct rec r;
    room[0] = 0;
    int e = kv_tx_get(tx, SL("p/at"), &value);
    if (e == 0) e = rec_open(&r, value, PLACES_MARK_ROW);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'k') snprintf(room, KEY_ROOM, "%.*s", SLF(sl_sub(r.field, 0, KEY_ROOM - 1)));
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e; /* then from the start */
}

static void mark_put(struct kv_tx *tx, const char *next)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, PLACES_MARK_ROW);
    rec_put(&b, 'k', sl_cstr(next));
    kv_tx_put_record(tx, SL("p/at"), &b);
    buf_free(&b);
}

static int make_begin(struct kv_tx *tx, struct account_row *a)
{
    kv_tx_erase(tx, SL("p/"), SL("p0")); /* of a program that knew of them, before one that did not */
    a->places = PLACES_MAKING;
    account_row_put(tx, a);
    return 0;
}

/* Rows m/, then rows y/. Whoever asks takes the next step, so that many do the work once. */
static int make_step(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    struct making *x = arg;
    *x = (struct making){.tx = tx, .account = &a};
    int e = account_tx(tx, &a);
    if (e == 0) x->done = a.places == PLACES_ALL;
    if (e || x->done) return e;
    if (a.places != PLACES_MAKING) return make_begin(tx, &a);
    char from[KEY_ROOM];
    e = mark_get(tx, from);
    bool batches = sl_starts(sl_cstr(from), SL("y/"));
    if (!batches && !sl_starts(sl_cstr(from), SL("m/"))) snprintf(from, sizeof from, "m/");
    if (e == 0) e = kv_tx_scan(tx, sl_cstr(from), batches ? SL("y0") : SL("m0"), make_one, x);
    if (e < 0) return e;
    if (e == 0 && !batches) snprintf(x->next, sizeof x->next, "y/");
    if (x->next[0]) {
        mark_put(tx, x->next);
        return 0;
    }
    kv_tx_del(tx, SL("p/at"));
    a.places = PLACES_ALL;
    x->done = true;
    account_row_put(tx, &a);
    return 0;
}

static int make(struct store *s, const char *acc)
{
    char room[KEY_ROOM];
    struct account_row a;
    struct making x = {0};
    int e = places_account(s, acc, &a);
    if (e == 0) x.done = a.places == PLACES_ALL;
    while (e == 0 && !x.done)
        e = fiber_canceled() ? ERR_CANCELED
                             : kv_transact_large(s->kv, account_object(acc, room), make_step, &x);
    return e;
}

/* ---- looked up ---- */

struct finding {
    struct store *s;
    const char *acc;
    struct arena *a;
    struct slice prefix, email_id; /* p NULL: the thread counts */
    uint64_t thread;
    struct places *out;
    size_t cap;
    struct map boxes; /* 4 bytes -> (void *)1 it is there, (void *)2 it is not */
    bool stale;       /* a row leads to nothing */
};

static int box_there(struct finding *f, uint32_t box, bool *there)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value, id = sl((const char *)&box, sizeof box);
    void *known = map_get(&f->boxes, id);
    int e = 0;
    if (!known) {
        ar_init(&a, 0);
        e = kv_get(f->s->kv, account_object(f->acc, room), box_key('b', box, key), &a, &value);
        ar_free(&a);
        known = e == 0 ? (void *)1 : (void *)2;
        if (e == 0 || e == ERR_NOT_FOUND) map_put(&f->boxes, id, known);
    }
    *there = known == (void *)1;
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* The range of UIDs that a batch became. ERR_NOT_FOUND: nobody sees it yet. */
static int range_of(struct finding *f, uint32_t box, uint64_t batch, struct batch_range *out)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct slice first = row_prefix('g', box, from), end = row_prefix_end('g', box, to);
    struct kv_page page = {.more = true};
    struct arena a;
    uint32_t id;
    int e = 0;
    bool found = false;
    ar_init(&a, 0);
    while (e == 0 && page.more && !found) {
        e = kv_scan(f->s->kv, account_object(f->acc, room), first, end, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n && !found; i++)
            found = batch_range_get(page.row[i].key, &id, out) == 0 && out->batch == batch;
        if (page.n) first = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return e ? e : found ? 0 : ERR_NOT_FOUND;
}

/* The message at the place as its own row says; r: of a batch that is seen. ERR_NOT_FOUND. */
static int look_at(struct finding *f, uint32_t box, const struct message *at, const struct batch_range *r,
                   struct message *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value, row = message_row_key(box, at, key);
    ar_init(&a, 0);
    int e = kv_get(f->s->kv, account_object(f->acc, room), row, &a, &value);
    if (e == 0) e = at->batch ? batch_message_get(row, value, r, out) : message_row_get(value, at->uid, out);
    ar_free(&a);
    return e;
}

static void found(struct finding *f, uint32_t box, const struct message *m)
{
    if (f->email_id.p ? !sl_eq(f->email_id, sl_cstr(m->email_id)) : m->thread != f->thread) return;
    if (f->out->n == f->cap) f->out->v = ar_grow(f->a, f->out->v, &f->cap, sizeof *f->out->v);
    f->out->v[f->out->n++] = (struct place){box, m->uid};
}

static int find_one(struct finding *f, struct slice key)
{
    struct message at, m;
    struct batch_range r;
    uint32_t box;
    bool there;
    if (!places_key_take(key, &box, &at)) return 0; /* damaged: it says nothing */
    int e = box_there(f, box, &there);
    if (e || !there) return e;
    e = at.batch ? range_of(f, box, at.batch, &r) : 0;
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    e = look_at(f, box, &at, &r, &m);
    if (e == 0) found(f, box, &m);
    f->stale |= e == ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

static int find_all(struct finding *f)
{
    char room[KEY_ROOM];
    struct arena a;
    struct kv_page page = {.more = true};
    int e = 0;
    ar_init(&a, 0);
    struct slice from = f->prefix, to = kv_prefix_end(f->a, f->prefix);
    f->out->n = 0;
    f->stale = false;
    while (e == 0 && page.more) {
        e = kv_scan(f->s->kv, account_object(f->acc, room), from, to, FOUND_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            e = find_one(f, page.row[i].key);
            fiber_breathe();
        }
        if (e == 0 && page.n) from = kv_after(f->a, page.row[page.n - 1].key);
        ar_reset(&a);
    }
    ar_free(&a);
    return e;
}

static int by_place(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->box != b->box) return a->box < b->box ? -1 : 1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

/* A message that is moved while it is looked for is not where its row was found any more, but where the next
 * look finds it. */
static int find(struct finding *f, char kind, uint64_t what, uint32_t box)
{
    enum { LOOKS = 3 };
    char room[KEY_ROOM];
    *f->out = (struct places){0};
    int e = make(f->s, f->acc);
    struct slice prefix = places_key(kind, what, room);
    if (box) prefix = row_key_more(prefix, box, 8, room);
    f->prefix = ar_cat(f->a, prefix, SL("/"));
    map_init(&f->boxes, false);
    f->stale = true;
    for (int i = 0; e == 0 && i < LOOKS && f->stale; i++) e = find_all(f);
    map_free(&f->boxes);
    if (e == 0 && f->out->n) qsort(f->out->v, f->out->n, sizeof *f->out->v, by_place);
    return e;
}

int places_of_email_id(struct store *s, const char *acc, struct slice email_id, uint32_t box, struct arena *a,
                       struct places *out)
{
    struct finding f = {.s = s, .acc = acc, .a = a, .email_id = email_id, .out = out};
    return find(&f, 'e', places_hash(email_id), box);
}

int places_of_thread(struct store *s, const char *acc, uint64_t thread, uint32_t box, struct arena *a,
                     struct places *out)
{
    struct finding f = {.s = s, .acc = acc, .a = a, .thread = thread, .out = out};
    return find(&f, 't', thread, box);
}

/* ---- what leads to nothing ---- */

struct clearing {
    struct finding f;
    struct slice mark;
    size_t n;
    char key[PLACES_STEP][KEY_ROOM];
};

static int clear_some(struct kv_tx *tx, void *arg)
{
    struct clearing *c = arg;
    for (size_t i = 0; i < c->n; i++) kv_tx_del(tx, sl_cstr(c->key[i]));
    return 0;
}

static int clear_now(struct clearing *c)
{
    char room[KEY_ROOM];
    int e = c->n ? kv_transact_large(c->f.s->kv, account_object(c->f.acc, room), clear_some, c) : 0;
    c->n = 0;
    return e;
}

/* A place that is gone never comes back: UIDs, mailboxes and batches have their numbers for good. */
static int clear_one(void *arg, struct slice key, struct slice value)
{
    struct clearing *c = arg;
    struct message at, m;
    uint32_t box;
    bool there;
    (void)value;
    if (!places_key_take(key, &box, &at)) return 0;
    int e = box_there(&c->f, box, &there);
    if (e == 0 && there) {
        e = look_at(&c->f, box, &at, &(struct batch_range){.first = 1}, &m);
        there = e != ERR_NOT_FOUND;
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0;
    }
    if (e || there) return e;
    snprintf(c->key[c->n++], KEY_ROOM, "%.*s", SLF(key));
    return c->n == PLACES_STEP ? clear_now(c) : 0;
}

static int clear_end(struct kv_tx *tx, void *arg)
{
    const struct clearing *c = arg;
    struct slice now;
    int e = kv_tx_get(tx, SL("p/x"), &now);
    if (e == 0 && sl_eq(now, c->mark)) kv_tx_del(tx, SL("p/x")); /* else there is more by now */
    return e == ERR_NOT_FOUND ? 0 : e;
}

int places_care(struct store *s, const char *acc)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice mark;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("p/x"), &a, &mark);
    if (e == 0) {
        struct clearing *c = xcalloc(1, sizeof *c);
        c->f = (struct finding){.s = s, .acc = acc, .a = &a};
        c->mark = mark;
        map_init(&c->f.boxes, false);
        e = rows_each(s, acc, SL("p/e/"), SL("p/u"), clear_one, c);
        if (e == 0) e = clear_now(c);
        if (e == 0) e = kv_transact(s->kv, account_object(acc, room), clear_end, c);
        map_free(&c->f.boxes);
        free(c);
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}
