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
    struct store *s;
    const char *acc;
    struct mark { /* how far it is, and when it was begun: row p/at */
        char next[KEY_ROOM];
        uint64_t begun;
    } mark;
    char key[PLACES_STEP][KEY_ROOM]; /* of rows m/ or y/ from there on, as they were outside */
    size_t n;
    char next[KEY_ROOM]; /* where to go on behind them; empty: that is all */
    bool begun, done;
    uint32_t box; /* looked at last */
    bool there;   /* it is one, and not being deleted */
};

/* Damaged: from the start. */
static void mark_get(struct slice value, struct mark *m)
{
    struct rec r;
    *m = (struct mark){0};
    if (rec_open(&r, value, PLACES_MARK_ROW)) return;
    while (rec_next(&r)) {
        if (r.tag == 'k') snprintf(m->next, KEY_ROOM, "%.*s", SLF(sl_sub(r.field, 0, KEY_ROOM - 1)));
        if (r.tag == 'b') m->begun = rec_u64(&r);
    }
    if (rec_error(&r)) *m = (struct mark){0};
}

static void mark_put(struct kv_tx *tx, const struct mark *m)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, PLACES_MARK_ROW);
    rec_opt(&b, 'k', sl_cstr(m->next));
    rec_put_u64(&b, 'b', m->begun);
    kv_tx_put_record(tx, SL("p/at"), &b);
    buf_free(&b);
}

/* A making that began before messages came of which it knows nothing is none of the same modseq. */
static int make_begin(struct kv_tx *tx, struct account_row *a)
{
    kv_tx_erase(tx, SL("p/"), SL("p0")); /* of a program that knew of them, before one that did not */
    a->places = PLACES_MAKING;
    mark_put(tx, &(struct mark){.begun = a->modseq});
    account_row_put(tx, a);
    return 0;
}

/* A row that went meanwhile, or is damaged, hides no other: verify names the latter. */
static int make_one(struct kv_tx *tx, struct making *x, const struct account_row *a, struct slice key)
{
    struct message m;
    struct slice value;
    uint32_t box;
    char room[KEY_ROOM];
    int e = kv_tx_get(tx, key, &value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (!places_row_take(key, value, &box, &m)) return 0;
    if (box != x->box) {
        e = kv_tx_get(tx, box_key('b', box, room), &value);
        if (e && e != ERR_NOT_FOUND) return e;
        x->box = box;
        x->there = e == 0;
    }
    if (x->there) places_put(tx, a, box, &m);
    return 0;
}

/* Is the page that was read outside what comes next? What came since the making began keeps its own rows. */
static int is_next(struct kv_tx *tx, const struct making *x, bool *yes)
{
    struct mark now = {0};
    struct slice value;
    int e = kv_tx_get(tx, SL("p/at"), &value);
    if (e && e != ERR_NOT_FOUND) return e;
    if (e == 0) mark_get(value, &now);
    *yes = x->begun && now.begun == x->mark.begun && strcmp(now.next, x->mark.next) == 0;
    return 0;
}

/* Whoever asks takes the next step, so that many do the work once. */
static int make_step(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    struct making *x = arg;
    bool next = false;
    x->box = 0;
    int e = account_tx(tx, &a);
    if (e == 0) x->done = a.places == PLACES_ALL;
    if (e || x->done) return e;
    if (a.places != PLACES_MAKING) return make_begin(tx, &a);
    e = is_next(tx, x, &next);
    for (size_t i = 0; e == 0 && next && i < x->n; i++) {
        e = make_one(tx, x, &a, sl_cstr(x->key[i]));
        for (size_t k = i + 1; e && k < x->n; k++) kv_tx_want(tx, sl_cstr(x->key[k]));
    }
    if (e || !next) return e;
    if (x->next[0]) {
        struct mark m = {.begun = x->mark.begun};
        memcpy(m.next, x->next, sizeof m.next);
        mark_put(tx, &m);
        return 0;
    }
    kv_tx_del(tx, SL("p/at"));
    a.places = PLACES_ALL;
    x->done = true;
    account_row_put(tx, &a);
    return 0;
}

/* The keys of one step, rows m/, then rows y/. Rows that were deleted may lie between them, and to pass over
 * a million of those takes long: so it is not the transaction that looks for the next ones. */
static int make_read(struct making *x)
{
    char room[KEY_ROOM];
    struct arena a;
    struct kv_page page = {0};
    struct slice value = {0};
    struct account_row row;
    ar_init(&a, 0);
    int e = places_account(x->s, x->acc, &row);
    x->done = e == 0 && row.places == PLACES_ALL;
    x->begun = e == 0 && row.places == PLACES_MAKING;
    x->n = 0;
    if (e == 0 && x->begun) e = kv_get(x->s->kv, account_object(x->acc, room), SL("p/at"), &a, &value);
    if (e == ERR_NOT_FOUND && x->begun) e = 0;
    mark_get(value, &x->mark);
    struct slice from = sl_cstr(x->mark.next);
    bool batches = sl_starts(from, SL("y/"));
    if (!batches && !sl_starts(from, SL("m/"))) from = SL("m/");
    if (e == 0 && x->begun)
        e = kv_scan(x->s->kv, account_object(x->acc, room), from, batches ? SL("y0") : SL("m0"), PLACES_STEP,
                    &a, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++)
        snprintf(x->key[x->n++], KEY_ROOM, "%.*s", SLF(page.row[i].key));
    snprintf(x->next, sizeof x->next, "%s", batches ? "" : "y/");
    if (page.more && page.n)
        snprintf(x->next, sizeof x->next, "%.*s", SLF(kv_after(&a, page.row[page.n - 1].key)));
    ar_free(&a);
    return e;
}

static int go_on(const struct places_asker *asker, size_t done)
{
    if (fiber_canceled()) return ERR_CANCELED;
    return asker ? asker->go_on(asker->arg, done) : 0;
}

static int make(struct store *s, const char *acc, const struct places_asker *asker)
{
    char room[KEY_ROOM];
    struct making *x = xcalloc(1, sizeof *x);
    size_t done = 0;
    x->s = s;
    x->acc = acc;
    int e = make_read(x);
    while (e == 0 && !x->done) {
        e = go_on(asker, done);
        if (e == 0) e = kv_transact_large(s->kv, account_object(acc, room), make_step, x);
        done += x->n;
        if (e == 0 && !x->done) e = make_read(x);
    }
    free(x);
    return e;
}

/* ---- looked up ---- */

/* The ranges of UIDs that the batches of a mailbox became, by batch. */
struct ranges {
    uint32_t box; /* 0: of none yet */
    struct batch_range *v;
    size_t n, cap;
    uint64_t other; /* a batch that has none */
};

struct unseen {
    uint32_t box;
    uint64_t batch;
};

struct finding {
    struct store *s;
    const char *acc;
    struct arena *a;
    const struct places_asker *asker;
    struct slice prefix, email_id; /* p NULL: the thread counts */
    uint64_t thread;
    struct place *v;
    size_t n, cap, looked;
    struct map boxes; /* 4 bytes -> (void *)1 it is there, (void *)2 it is not */
    struct ranges ranges;
    struct unseen *unseen; /* batches that nobody saw yet when their rows were passed over */
    size_t nunseen, unseen_cap;
    bool stale; /* a row leads to nothing, or a batch became seen that was passed over */
};

static void *grown(void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return v;
    *cap = *cap ? *cap * 2 : 16;
    return xrealloc(v, *cap * size);
}

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

static int by_batch(const void *x, const void *y)
{
    const struct batch_range *a = x, *b = y;
    return a->batch < b->batch ? -1 : a->batch > b->batch;
}

static int read_ranges(struct finding *f, uint32_t box)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct slice first = row_prefix('g', box, from), end = row_prefix_end('g', box, to);
    struct kv_page page = {.more = true};
    struct ranges *r = &f->ranges;
    struct arena a;
    uint32_t id;
    int e = 0;
    r->n = 0;
    r->box = box;
    r->other = 0;
    ar_init(&a, 0);
    while (e == 0 && page.more) {
        e = kv_scan(f->s->kv, account_object(f->acc, room), first, end, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            r->v = grown(r->v, r->n, &r->cap, sizeof *r->v);
            r->n += batch_range_get(page.row[i].key, &id, &r->v[r->n]) == 0;
        }
        if (e == 0 && page.n)
            first = sl(from, (size_t)snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key)));
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    if (r->n) qsort(r->v, r->n, sizeof *r->v, by_batch);
    if (e) r->box = 0;
    return e;
}

static bool among(const struct ranges *r, uint64_t batch, struct batch_range *out)
{
    struct batch_range like = {.batch = batch};
    const struct batch_range *at = r->n ? bsearch(&like, r->v, r->n, sizeof like, by_batch) : NULL;
    if (at) *out = *at;
    return at;
}

static int is_unseen(struct finding *f, struct unseen u, bool *yes)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value;
    ar_init(&a, 0);
    int e = kv_get(f->s->kv, account_object(f->acc, room), row_key('h', u.box, u.batch, 16, key), &a, &value);
    ar_free(&a);
    *yes = e == 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* The range of UIDs that a batch became. A mailbox may have thousands of them: they are read once, and once
 * more for a batch that is not among them and may have become seen since. ERR_NOT_FOUND: nobody sees it. */
static int range_of(struct finding *f, uint32_t box, uint64_t batch, struct batch_range *out)
{
    struct ranges *r = &f->ranges;
    struct unseen u = {box, batch};
    bool unseen;
    int e = r->box == box ? 0 : read_ranges(f, box);
    if (e || among(r, batch, out)) return e;
    if (r->other == batch) return ERR_NOT_FOUND;
    e = is_unseen(f, u, &unseen);
    if (e == 0 && unseen) {
        f->unseen = grown(f->unseen, f->nunseen, &f->unseen_cap, sizeof u);
        f->unseen[f->nunseen++] = u;
    } else if (e == 0) {
        e = read_ranges(f, box);
        if (e || among(r, batch, out)) return e;
    }
    r->other = batch;
    return e ? e : ERR_NOT_FOUND;
}

/* Messages that were moved in great numbers while they were looked for are neither where they were nor yet
 * where their rows were passed over. */
static int look_back(struct finding *f)
{
    bool unseen = true;
    int e = 0;
    for (size_t i = 0; e == 0 && unseen && i < f->nunseen; i++) {
        e = is_unseen(f, f->unseen[i], &unseen);
        fiber_breathe();
    }
    f->stale |= !unseen;
    return e;
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
    f->v = grown(f->v, f->n, &f->cap, sizeof *f->v);
    f->v[f->n++] = (struct place){box, m->uid};
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
    char room[KEY_ROOM], next[KEY_ROOM + 1];
    struct arena a;
    struct kv_page page = {.more = true};
    int e = 0;
    ar_init(&a, 0);
    struct slice from = f->prefix, to = kv_prefix_end(f->a, f->prefix);
    f->n = f->nunseen = f->ranges.box = 0;
    f->stale = false;
    while (e == 0 && page.more) {
        e = kv_scan(f->s->kv, account_object(f->acc, room), from, to, FOUND_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            e = go_on(f->asker, f->looked++);
            if (e == 0) e = find_one(f, page.row[i].key);
            if (e == 0 && f->a->cap && f->n > f->a->cap / sizeof *f->v)
                e = err_set(ERR_LIMIT, "these are too many messages of one EMAILID or thread");
            fiber_breathe();
        }
        if (e == 0 && page.n)
            from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        ar_reset(&a);
    }
    ar_free(&a);
    return e ? e : look_back(f);
}

static int by_place(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->box != b->box) return a->box < b->box ? -1 : 1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

/* A message that is moved while it is looked for is not where its row was found any more, but where the next
 * look finds it. */
static int find(struct finding *f, char kind, uint64_t what, uint32_t box, struct places *out)
{
    enum { LOOKS = 3 };
    char room[KEY_ROOM];
    *out = (struct places){0};
    int e = make(f->s, f->acc, f->asker);
    struct slice prefix = places_key(kind, what, room);
    if (box) prefix = row_key_more(prefix, box, 8, room);
    f->prefix = ar_cat(f->a, prefix, SL("/"));
    map_init(&f->boxes, false);
    f->stale = true;
    for (int i = 0; e == 0 && i < LOOKS && f->stale; i++) e = find_all(f);
    map_free(&f->boxes);
    if (e == 0 && f->n) {
        qsort(f->v, f->n, sizeof *f->v, by_place);
        out->v = (struct place *)ar_dup(f->a, sl((const char *)f->v, f->n * sizeof *f->v)).p;
        out->n = f->n;
    }
    free(f->v);
    free(f->ranges.v);
    free(f->unseen);
    return e;
}

int places_of_email_id(struct store *s, struct places_in in, struct slice email_id, struct arena *a,
                       struct places *out)
{
    struct finding f = {.s = s, .acc = in.account, .a = a, .asker = in.asker, .email_id = email_id};
    return find(&f, 'e', places_hash(email_id), in.box, out);
}

int places_of_thread(struct store *s, struct places_in in, uint64_t thread, struct arena *a,
                     struct places *out)
{
    struct finding f = {.s = s, .acc = in.account, .a = a, .asker = in.asker, .thread = thread};
    return find(&f, 't', thread, in.box, out);
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
    fiber_breathe();
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
