/* rescue_image.c - images written.
 *
 * The rows of an object go in order into parts of some hundred rows. Where a part ends depends on the keys
 * alone, so a change changes one part and the others are found again by their digests: they are named anew,
 * not written. What is left behind the last part lies in the head.
 *
 * An account changes while it is read: account_walk() misses nothing that is there at the end; the rows of
 * the mailboxes are read once more behind it. A row that cannot be read is taken from the image before. */
#include "rescue_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/crypto.h"

enum { PART_LEAST = 32 << 10, PART_MOST = 160 << 10, PART_MASK = 255, TOGETHER = 64, SOUGHT_MOST = 100 };
enum { OVER_MOST = 4096 };
static const int64_t pause_most = RT_S / 2, sends_most = 300 * RT_S;

/* Images whose rows wait to be put together. */
struct done {
    struct slice object; /* in the arena */
    struct buf row;
};

struct images {
    struct store *s;
    bool gently;
    struct images_report *report;
    struct map alive;  /* 8 bytes of an image pack's number -> bytes that are named, + 1 */
    struct map vacate; /* packs of which little is: what lies there is written anew */
    struct arena a;    /* of what waits */
    struct done done[TOGETHER];
    size_t ndone;
    struct slice gone[TOGETHER]; /* names of images that are nobody's, in the arena */
    size_t ngone;
    bool anew;          /* the list at hand is written though it did not change */
    struct slice *over; /* names that went from it and still have images, OVER_MOST at most; in `later` */
    size_t nover;
    struct arena later;
    uint64_t sends;       /* that are not over */
    struct body_ref *pin; /* bodies that no row names yet */
    size_t npin, pins;
};

/* One image under way. */
struct imaging {
    struct images *all;
    struct slice object;
    struct image_row before; /* the image before, if has_before */
    bool has_before;
    uint64_t stamp;
    int64_t when;
    struct slice account; /* row `a`; of a send its rows h, c and s */
    struct map old;       /* digest of a part of the image before -> its reference, in a */
    struct map packs;     /* 8 bytes of a pack's number -> bytes in it */
    struct buf rows;      /* of the part at hand */
    struct buf head;
    size_t damaged; /* rows */
    struct arena a;
};

/* ---- bodies ---- */

static void keep_pinned(struct images *all, const struct body_ref *ref)
{
    if (all->npin == all->pins) {
        all->pins = all->pins ? 2 * all->pins : 64;
        all->pin = xrealloc(all->pin, all->pins * sizeof *all->pin);
    }
    all->pin[all->npin++] = *ref;
}

static void unpin(struct images *all)
{
    for (size_t i = 0; i < all->npin; i++) body_unpin(all->s->body, &all->pin[i]);
    all->npin = 0;
}

static void count_bytes(struct map *packs, uint64_t pack, uint64_t bytes)
{
    struct slice key = sl(&pack, sizeof pack);
    map_put(packs, key, (void *)((uintptr_t)map_get(packs, key) + bytes));
}

static int put_body(struct imaging *im, struct slice bytes, bool part, struct body_ref *ref)
{
    struct images *all = im->all;
    struct buf origin = BUF_INIT;
    origin_begin(&origin, ORIGIN_IMAGE);
    rec_put(&origin, 'o', im->object);
    rec_opt_u64(&origin, 'p', part);
    rec_put_u64(&origin, 's', im->stamp);
    rec_put_u64(&origin, 't', (uint64_t)im->when);
    int e = body_put(all->s->body, BODY_IMAGE, bytes, buf_slice(&origin), ref);
    buf_free(&origin);
    if (e) return e;
    keep_pinned(all, ref);
    all->report->bodies++;
    all->report->bytes += bytes.n;
    return 0;
}

/* ---- parts ---- */

/* What the image before has, if it may stay where it is. */
static struct body_ref *known_part(struct imaging *im, struct slice digest)
{
    struct body_ref *ref = map_get(&im->old, digest);
    if (!ref) return NULL;
    uint64_t pack = body_ref_pack(ref);
    if (map_get(&im->all->vacate, sl(&pack, sizeof pack)) || body_pin(im->all->s->body, ref)) return NULL;
    keep_pinned(im->all, ref);
    return ref;
}

static void name_part(struct imaging *im, struct slice digest, const struct body_ref *ref)
{
    struct buf one = BUF_INIT;
    rec_begin(&one, 1);
    rec_put(&one, 'd', digest);
    rec_put(&one, 'r', body_ref_slice(ref));
    rec_put(&im->head, 'S', buf_slice(&one));
    buf_free(&one);
    count_bytes(&im->packs, body_ref_pack(ref), body_ref_size(ref) + 48);
}

static int end_part(struct imaging *im)
{
    uint8_t digest[HASH_MAX];
    struct body_ref fresh, *ref;
    hash_once(HASH_SHA256, buf_slice(&im->rows), digest);
    struct slice name = sl(digest, IMAGE_DIGEST);
    int e = 0;
    if (!(ref = known_part(im, name))) {
        e = put_body(im, buf_slice(&im->rows), true, &fresh);
        ref = &fresh;
    }
    if (e == 0) name_part(im, name, ref);
    buf_clear(&im->rows);
    return e;
}

/* ---- rows ---- */

struct finding {
    struct slice key;
    struct arena *a;
    struct slice value;
};

static int find_row(void *arg, struct slice key, struct slice value)
{
    struct finding *f = arg;
    if (sl_eq(key, f->key)) f->value = ar_dup(f->a, value); /* the last one is right */
    return 0;
}

/* A row that cannot be read stays as the image before has it, until it is mended. */
static struct slice best_of(struct imaging *im, struct slice key, struct slice value)
{
    struct finding f = {key, &im->a, value};
    if (!im->has_before || im->damaged++ >= SOUGHT_MOST) return value;
    return image_rows(im->all->s, &im->before.head, find_row, &f) ? value : f.value;
}

/* Of what sends know of each other: webhooks, whose mail goes to URLs, and the last id of an event. Which
 * sends there are, they tell themselves. */
static bool belongs_to_all_sends(struct slice key)
{
    return sl_starts(key, SL("w/")) || sl_starts(key, SL("W/")) || sl_starts(key, SL("b/")) ||
           sl_starts(key, SL("B/")) || sl_eq(key, SL("e"));
}

/* View images, journal and places are made anew, names of mailboxes follow from the mailboxes; batches that
 * nobody sees stay unseen. */
static bool belongs(struct slice object, struct slice key)
{
    if (sl_eq(object, SL("_sends"))) return belongs_to_all_sends(key);
    return !sl_starts(object, SL("u:")) ||
           !(sl_starts(key, SL("i/")) || sl_starts(key, SL("j/")) || sl_starts(key, SL("n/")) ||
             sl_starts(key, SL("h/")) || sl_starts(key, SL("p/")) || sl_eq(key, SL("e")));
}

static int add_row(void *arg, struct slice key, struct slice value)
{
    struct imaging *im = arg;
    struct arena a;
    if (!belongs(im->object, key)) return 0;
    ar_init(&a, 0);
    if (!image_row_good(&a, im->object, key, value)) value = best_of(im, key, value);
    ar_free(&a);
    rows_add(&im->rows, key, value);
    bool end = im->rows.n >= PART_LEAST && !(crc32c(0, key.p, key.n) & PART_MASK);
    return end || im->rows.n >= PART_MOST ? end_part(im) : 0;
}

static int add_account(struct imaging *im)
{
    struct store *s = im->all->s;
    struct account_row row = {0};
    const char *acc = ar_cstr(&im->a, sl_from(im->object, 2));
    if (account_row_get(im->account, &row)) row.modseq = 0;
    int e = account_walk(s, acc, NULL, add_row, im, &row.modseq);
    if (e == 0) e = rows_each(s, acc, SL("a"), SL("a "), add_row, im);
    if (e == 0) e = rows_each(s, acc, SL("b/"), SL("b0"), add_row, im);
    return e ? e : rows_each(s, acc, SL("g/"), SL("g0"), add_row, im);
}

/* Sends that are not over (rows `a/ID` of `_sends`); each() gets the name of the object. */
struct sends_walk {
    int (*each)(void *arg, struct slice object);
    void *arg;
};

static int each_running(void *arg, struct slice key, struct slice value)
{
    struct sends_walk *w = arg;
    char name[KEY_ROOM];
    (void)value;
    return w->each(w->arg, sl(name, (size_t)snprintf(name, sizeof name, "s:%.*s", SLF(sl_from(key, 2)))));
}

static int sends_each(struct images *all, int (*each)(void *arg, struct slice object), void *arg)
{
    struct sends_walk w = {each, arg};
    return object_range(all->s, SL("_sends"), SL("a/"), SL("a0"), each_running, &w);
}

static int add_name(void *im, struct slice object) { return add_row(im, object, SL("\1")); }

static int add_send(void *arg, struct slice object)
{
    struct imaging *im = arg;
    im->all->sends++;
    return add_name(im, object);
}

static int add_all(struct imaging *im)
{
    /* The names of all domains, and of sends that are not over, so that none comes back that was removed. */
    if (sl_eq(im->object, SL("d:"))) return kv_each_object(im->all->s->kv, SL("d:"), SL("d;"), add_name, im);
    if (sl_eq(im->object, SL("s:"))) return sends_each(im->all, add_send, im);
    if (sl_starts(im->object, SL("u:"))) return add_account(im);
    return object_rows(im->all->s, im->object, add_row, im);
}

/* ---- the rows of _images ---- */

static int put_rows(struct kv_tx *tx, void *arg)
{
    const struct images *all = arg;
    for (size_t i = 0; i < all->ndone; i++) kv_tx_put_record(tx, all->done[i].object, &all->done[i].row);
    return 0;
}

/* Some at a time: a sync for each would be felt by others. */
static int commit(struct images *all)
{
    int e = all->ndone ? kv_transact(all->s->kv, SL("_images"), put_rows, all) : 0;
    for (size_t i = 0; i < all->ndone; i++) buf_free(&all->done[i].row);
    if (e == 0) all->report->written += all->ndone;
    all->ndone = 0;
    unpin(all);
    ar_reset(&all->a);
    return e;
}

static int name_image(struct imaging *im, const struct body_ref *head, struct slice digest)
{
    struct images *all = im->all;
    struct done *d = &all->done[all->ndone++];
    *d = (struct done){.object = ar_dup(&all->a, im->object), .row = BUF_INIT};
    rec_begin(&d->row, 1);
    rec_put(&d->row, 'h', body_ref_slice(head));
    rec_put_u64(&d->row, 's', im->stamp);
    rec_put_u64(&d->row, 't', (uint64_t)im->when);
    rec_put(&d->row, 'd', digest);
    rec_opt(&d->row, 'a', im->account);
    count_bytes(&im->packs, body_ref_pack(head), body_ref_size(head) + 48);
    struct map_iter it = {0};
    while (map_next(&im->packs, &it)) {
        uint64_t pack;
        memcpy(&pack, it.key.p, sizeof pack);
        rec_put_u64(&d->row, 'p', pack);
        rec_put_u64(&d->row, 'b', (uintptr_t)it.value);
    }
    return all->ndone == TOGETHER ? commit(all) : 0;
}

/* ---- one image ---- */

static int know_part(void *arg, struct slice digest, const struct body_ref *ref)
{
    struct imaging *im = arg;
    struct body_ref *keep = ar_new(&im->a, struct body_ref);
    *keep = *ref;
    map_put(&im->old, digest, keep);
    return 0;
}

static bool head_stays(struct imaging *im, struct slice digest)
{
    uint64_t pack = body_ref_pack(&im->before.head);
    if (image_is_list(im->object) && im->all->anew) return false;
    return im->has_before && sl_eq(im->before.digest, digest) &&
           !map_get(&im->all->vacate, sl(&pack, sizeof pack)) && sl_eq(im->before.account, im->account);
}

static int make_image(struct imaging *im)
{
    uint8_t digest[HASH_MAX];
    struct body_ref head;
    rec_begin(&im->head, 1);
    im->head.cap = 0;
    int e = add_all(im);
    if (e) return e;
    rec_put(&im->head, 'R', buf_slice(&im->rows));
    hash_once(HASH_SHA256, buf_slice(&im->head), digest);
    struct slice name = sl(digest, IMAGE_DIGEST);
    if (head_stays(im, name)) return 0;
    e = put_body(im, buf_slice(&im->head), false, &head);
    return e ? e : name_image(im, &head, name);
}

static int read_row(struct images *all, struct slice object, struct slice key, struct arena *a,
                    struct slice *out)
{
    int e = kv_get(all->s->kv, object, key, a, out);
    if (e == ERR_NOT_FOUND) *out = (struct slice){0};
    return e == ERR_NOT_FOUND ? 0 : e;
}

static bool touches_vacated(struct imaging *im, struct slice row);

/* The rows that change with every change of it: of an account, of numbers, of a send, whose pages never do.
 * Of others nothing tells. */
static int read_state(struct imaging *im)
{
    static const char *const of_send[] = {"h", "c", "s"};
    struct slice row;
    int e = 0;
    if (sl_starts(im->object, SL("u:"))) return read_row(im->all, im->object, SL("a"), &im->a, &im->account);
    if (sl_starts(im->object, SL("m:"))) return read_row(im->all, im->object, SL("e"), &im->a, &im->account);
    if (!sl_starts(im->object, SL("s:")) || image_is_list(im->object)) return 0;
    for (size_t i = 0; e == 0 && i < COUNT_OF(of_send); i++) {
        e = read_row(im->all, im->object, sl_cstr(of_send[i]), &im->a, &row);
        if (e == 0) im->account = ar_cat(&im->a, im->account, row);
    }
    return e;
}

/* Has it changed since? */
static int prepare(struct imaging *im, bool *needed)
{
    struct slice row;
    int e = read_row(im->all, SL("_images"), im->object, &im->a, &row);
    im->has_before = e == 0 && row.n && image_row_get(row, &im->before) == 0;
    if (e == 0) e = read_state(im);
    *needed = e == 0 && !(im->has_before && im->account.n && sl_eq(im->before.account, im->account) &&
                          !touches_vacated(im, row));
    if (e || !*needed || !im->has_before) return e;
    e = image_head(im->all->s, &im->before.head, &(struct image_reader){.part = know_part, .arg = im});
    if (e == ERR_CANCELED) return e;
    im->has_before = e == 0; /* one that cannot be read is as good as none */
    return 0;
}

struct vacated {
    struct images *all;
    bool yes;
};

static void is_vacated(void *arg, uint64_t pack, uint64_t bytes)
{
    struct vacated *v = arg;
    (void)bytes;
    v->yes = v->yes || map_get(&v->all->vacate, sl(&pack, sizeof pack));
}

static bool touches_vacated(struct imaging *im, struct slice row)
{
    struct vacated v = {.all = im->all};
    return image_packs(row, is_vacated, &v) || v.yes;
}

static int image_object(struct images *all, struct slice object)
{
    struct imaging im = {.all = all, .object = object, .when = rt_wall_seconds()};
    int64_t began = rt_now();
    bool needed;
    im.stamp = body_settled(all->s->body); /* before anything is read */
    ar_init(&im.a, 0);
    map_init(&im.old, false);
    map_init(&im.packs, false);
    all->report->objects++;
    int e = prepare(&im, &needed);
    if (e == 0 && needed) e = make_image(&im);
    if (err_is_damage(e)) {
        log_warn("care", "no image of %.*s can be made: %s; the one before stays", SLF(object), err_text(e));
        all->report->failed++;
        e = 0;
    }
    buf_free(&im.rows);
    buf_free(&im.head);
    map_free(&im.old);
    map_free(&im.packs);
    ar_free(&im.a);
    int64_t pause = 2 * (rt_now() - began);
    if (e == 0 && needed && all->gently) e = fiber_sleep(pause < pause_most ? pause : pause_most);
    return e;
}

/* ---- all of them ---- */

static int each_account(void *arg, const char *acc)
{
    char room[KEY_ROOM];
    return image_object(arg, account_object(acc, room));
}

static int each_object(void *arg, struct slice object) { return image_object(arg, object); }

static int forget_gone(struct images *all);
static int has_object(struct images *all, struct slice object, bool *yes);

static int note_over(void *arg, struct slice object, struct slice value)
{
    struct images *all = arg;
    bool there = true;
    (void)value;
    int e = image_is_list(object) ? 0 : has_object(all, object, &there);
    if (e || there) return e;
    all->anew = true;
    if (!all->over) all->over = ar_array(&all->later, struct slice, OVER_MOST);
    if (all->nover < OVER_MOST) all->over[all->nover++] = ar_dup(&all->later, object);
    return 0;
}

static int forget_over(struct images *all)
{
    int e = commit(all); /* the list */
    for (size_t i = 0; e == 0 && i < all->nover; i++) {
        all->gone[all->ngone++] = all->over[i];
        if (all->ngone == TOGETHER) e = forget_gone(all);
    }
    return e ? e : forget_gone(all);
}

/* A list of names, and no image more of what it does not name. An image that is younger than the list counts
 * without being on it: so one whose object went again before it was on any list comes back unless a list
 * without it is written behind it, though that says what the one before said. */
static int image_list(struct images *all, struct slice list, struct slice end)
{
    uint64_t failed = all->report->failed;
    all->anew = false;
    all->nover = 0;
    int e = object_range(all->s, SL("_images"), list, end, note_over, all);
    if (e == 0) e = image_object(all, list);
    if (e == 0 && all->nover && all->report->failed == failed) e = forget_over(all);
    all->over = NULL;
    ar_reset(&all->later);
    return e;
}

/* The list first. */
static int image_directory(struct images *all)
{
    uint64_t generation = directory_generation(all->s->directory) + 1;
    if (all->gently && all->s->imaged == generation) return 0;
    int e = image_list(all, SL("d:"), SL("d;"));
    if (e == 0) e = kv_each_object(all->s->kv, SL("d:"), SL("d;"), each_object, all);
    if (e == 0 && !all->report->failed) all->s->imaged = generation;
    return e;
}

static void name_bytes(void *arg, uint64_t pack, uint64_t bytes)
{
    struct images *all = arg;
    count_bytes(&all->alive, pack, bytes);
}

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct images *all = arg;
    for (size_t i = 0; i < all->ngone; i++) kv_tx_del(tx, all->gone[i]);
    return 0;
}

static int forget_gone(struct images *all)
{
    int e = all->ngone ? kv_transact(all->s->kv, SL("_images"), forget_tx, all) : 0;
    all->ngone = 0;
    ar_reset(&all->a);
    return e;
}

/* Is there what it is of? Of a send: is it not over? */
static int has_object(struct images *all, struct slice object, bool *yes)
{
    struct arena a;
    struct slice row;
    struct kv_page page = {.n = 1};
    int e = 0;
    ar_init(&a, 0);
    if (image_is_list(object)) e = 0;
    else if (sl_starts(object, SL("s:")))
        e = kv_get(all->s->kv, SL("_sends"), ar_printf(&a, "a/%.*s", SLF(sl_from(object, 2))), &a, &row);
    else e = kv_scan(all->s->kv, object, SL(""), SL(""), 1, &a, &page);
    ar_free(&a);
    *yes = err_is_damage(e) || (e == 0 && page.n);
    return *yes || e == ERR_NOT_FOUND ? 0 : e;
}

/* An image whose object is gone is nobody's. Of what stands on a list image_list() forgets it. */
static int look_at_row(void *arg, struct slice object, struct slice value)
{
    struct images *all = arg;
    bool there;
    int e = has_object(all, object, &there);
    if (e) return e;
    if (!there && (sl_starts(object, SL("s:")) || sl_starts(object, SL("d:")))) return 0;
    if (!there) {
        all->gone[all->ngone++] = ar_dup(&all->a, object);
        return all->ngone == TOGETHER ? forget_gone(all) : 0;
    }
    (void)!image_packs(value, name_bytes, all); /* a damaged row names nothing: its image is made anew */
    return 0;
}

/* Packs of which less than a third is named: who lies there is written anew, and the sweep drops them. */
static int find_vacated(struct images *all)
{
    struct body_pack *pack;
    size_t n = 0;
    int e = images_each(all->s, look_at_row, all);
    if (e == 0) e = forget_gone(all);
    if (e == 0) e = body_packs(all->s->body, &all->a, &pack, &n);
    for (size_t i = 0; e == 0 && i < n; i++) {
        if (pack[i].cls != BODY_IMAGE || pack[i].open) continue;
        struct slice key = sl(&pack[i].number, sizeof pack[i].number);
        uint64_t alive = (uintptr_t)map_get(&all->alive, key);
        if (alive && alive < (pack[i].bytes - pack[i].origins) / 3) map_put(&all->vacate, key, all);
    }
    ar_reset(&all->a);
    return e;
}

/* The certificate and its keys, who is shut out, keys of the API, the secret of marks, domains of customers,
 * webhooks, who shares, reports that came in, who gets nothing, templates, numbers. */
static int image_kind(void *arg, const struct object_kind *k)
{
    struct images *all = arg;
    char to[KEY_ROOM];
    int n = snprintf(to, sizeof to, "%s ", k->name);
    if (k->fate != KIND_AS_IT_IS) return 0;
    if (k->name[0] != '_') n--, to[n - 1]++; /* all whose names begin so */
    return kv_each_object(all->s->kv, sl_cstr(k->name), sl(to, (size_t)n), each_object, all);
}

/* Sends of a round, by their order. */
struct some_sends {
    struct images *all;
    uint64_t i, from, to;
    int64_t until;
};

static int each_send(void *arg, struct slice object)
{
    struct some_sends *x = arg;
    uint64_t i = x->i++;
    if (i < x->from || i >= x->to) return 0;
    if (x->all->gently && rt_now() >= x->until) return 1;
    return image_object(x->all, object);
}

/* Running sends change all the time, and there may be very many: gently they get some minutes of a round,
 * which begins with any of them, so that each has its turn. */
static int image_sends(struct images *all)
{
    all->sends = 0;
    int e = image_list(all, SL("s:"), SL("s;"));
    uint64_t first = all->gently && all->sends ? rt_random_below(all->sends) : 0;
    struct some_sends x = {.all = all, .from = first, .to = UINT64_MAX, .until = rt_now() + sends_most};
    if (e == 0) e = sends_each(all, each_send, &x);
    x.i = x.from = 0;
    x.to = first;
    if (e == 0 && first) e = sends_each(all, each_send, &x);
    return e < 0 ? e : 0;
}

/* Sends behind the accounts, whose images do not wait for theirs. */
static int write_all(struct images *all, enum images_of which, int64_t began)
{
    int e = which == IMAGES_OF_ALL ? find_vacated(all) : 0;
    if (e == 0) e = image_directory(all);
    if (e == 0 && which == IMAGES_OF_ALL) e = object_kinds_each(image_kind, all);
    if (e == 0 && which == IMAGES_OF_ALL) e = accounts_each(all->s, each_account, all);
    if (e == 0 && which == IMAGES_OF_ALL) e = commit(all);
    if (e == 0 && which == IMAGES_OF_ALL && !all->report->failed)
        __atomic_store_n(&all->s->all_imaged, began, __ATOMIC_RELAXED);
    if (e == 0 && which == IMAGES_OF_ALL) e = image_sends(all);
    int ended = commit(all); /* what is made is made */
    return e ? e : ended;
}

int images_write(struct store *s, enum images_of which, bool gently, struct images_report *out)
{
    struct images all = {.s = s, .gently = gently, .report = out};
    *out = (struct images_report){0};
    if (__atomic_exchange_n(&s->imaging, true, __ATOMIC_ACQ_REL))
        return err_set(ERR_BUSY, "images are being written");
    map_init(&all.alive, false);
    map_init(&all.vacate, false);
    ar_init(&all.a, 0);
    int64_t began = rt_wall_seconds();
    ar_init(&all.later, 0);
    int e = write_all(&all, which, began);
    map_free(&all.alive);
    map_free(&all.vacate);
    ar_free(&all.a);
    ar_free(&all.later);
    free(all.pin);
    __atomic_store_n(&s->imaging, false, __ATOMIC_RELEASE);
    return e;
}

int64_t images_complete(const struct store *s) { return __atomic_load_n(&s->all_imaged, __ATOMIC_RELAXED); }
