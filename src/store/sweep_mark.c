/* sweep_mark.c - which packs are referred to, and by how many bytes.
 *
 * An account is read page by page while it changes; nothing that is there when the reading ends is missed
 * (account_walk.c), however busy it is.
 *
 * What an account refers to is remembered with its modseq, within a limit on memory: an
 * account that did not change is not read again. */
#include <stdlib.h>

#include "base/log.h"
#include "rescue_i.h"
#include "sweep_i.h"

enum { REMEMBER_BYTES = 32 << 20 };

/* ---- what is remembered from sweep to sweep ---- */

struct part {
    uint64_t pack, bytes, bodies;
};
struct known {
    uint64_t modseq;
    size_t n;
    struct part part[];
};
struct sweep_memory {
    struct map accounts, before; /* id -> struct known; before: not looked at in this sweep yet */
    size_t bytes;
};

static size_t weight(const char *acc, const struct known *k)
{
    return sizeof *k + k->n * sizeof k->part[0] + strlen(acc) + 64;
}

static void forget(struct sweep_memory *m, struct map *in, const char *acc)
{
    struct known *k = map_del(in, sl_cstr(acc));
    if (k) m->bytes -= weight(acc, k);
    free(k);
}

void sweep_forget_account(struct sweep *w, const char *acc)
{
    forget(w->s->swept, &w->s->swept->accounts, acc);
}

static void forget_all(struct map *accounts)
{
    struct map_iter it = {0};
    while (map_next(accounts, &it)) free(it.value);
    map_free(accounts);
}

void store_sweep_forget(struct store *s)
{
    if (!s->swept) return;
    forget_all(&s->swept->accounts);
    forget_all(&s->swept->before);
    free(s->swept);
    s->swept = NULL;
}

static void memory_begin(struct store *s)
{
    if (!s->swept) {
        s->swept = xcalloc(1, sizeof *s->swept);
        map_init(&s->swept->accounts, false);
        map_init(&s->swept->before, false);
    }
    struct map_iter it = {0}; /* left there by a sweep that did not end */
    while (map_next(&s->swept->before, &it)) {
        struct known *twice = map_put(&s->swept->accounts, it.key, it.value);
        if (twice) s->swept->bytes -= sizeof *twice + twice->n * sizeof twice->part[0] + it.key.n + 64;
        free(twice);
    }
    map_free(&s->swept->before);
    s->swept->before = s->swept->accounts;
    map_init(&s->swept->accounts, false);
}

/* Accounts that are gone. */
static void memory_end(struct store *s)
{
    struct map_iter it = {0};
    while (map_next(&s->swept->before, &it)) {
        struct known *k = it.value;
        s->swept->bytes -= sizeof *k + k->n * sizeof k->part[0] + it.key.n + 64;
        free(k);
    }
    map_free(&s->swept->before);
    map_init(&s->swept->before, false);
}

/* ---- marking ---- */

struct live *sweep_live(struct sweep *w, uint64_t pack, bool make)
{
    struct slice key = sl(&pack, sizeof pack);
    struct live *l = map_get(&w->packs, key);
    if (l || !make) return l;
    l = ar_new(&w->a, struct live);
    map_put(&w->packs, key, l);
    return l;
}

static void mark_known(struct sweep *w, const struct known *k)
{
    for (size_t i = 0; i < k->n; i++) {
        sweep_live(w, k->part[i].pack, true)->bytes += k->part[i].bytes;
        w->report->bodies_alive += k->part[i].bodies;
    }
}

static const struct slice queue_name = SL("q");

static int mark_letter(void *arg, struct slice letter, struct slice ref)
{
    struct sweep *w = arg;
    struct body_ref r;
    int e = care_check(&w->care);
    if (body_ref_parse(ref, &r)) sweep_damaged(w, queue_name, letter);
    else sweep_live(w, body_ref_pack(&r), true)->bytes += body_ref_size(&r) + 48;
    return e;
}

/* One account that is being read. */
struct reading {
    struct sweep *w;
    struct map parts; /* 8 bytes of a pack's number -> struct part */
    bool damaged;
};

static void reading_add(struct reading *r, const struct body_ref *ref)
{
    uint64_t pack = body_ref_pack(ref);
    struct part *p = map_get(&r->parts, sl(&pack, sizeof pack));
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->pack = pack;
        map_put(&r->parts, sl(&pack, sizeof pack), p);
    }
    p->bytes += body_ref_size(ref) + 48;
    p->bodies++;
}

/* key empty: there are rows that cannot be seen. */
static void read_damage(struct reading *r, struct slice key)
{
    char room[KEY_ROOM];
    r->damaged = true;
    sweep_damaged(r->w, account_object(r->w->acc, room), key);
}

static int read_row(void *arg, struct slice key, struct slice value)
{
    struct reading *r = arg;
    struct message m;
    if (message_row_get(value, 0, &m) == 0) reading_add(r, &m.body);
    else read_damage(r, key);
    return 0;
}

/* Rows of mailboxes that are being deleted, and of batches that are given up, go without a change of the
 * modseq; an INBOX half renamed is looked at again. */
static int found(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

static bool may_remember(struct reading *r, uint64_t modseq)
{
    static const char *const waiting[][2] = {{"x/", "x0"}, {"h/", "h0"}, {"f/", "f0"}};
    bool may = modseq && !r->damaged;
    for (size_t i = 0; may && i < COUNT_OF(waiting); i++)
        may = rows_each(r->w->s, r->w->acc, sl_cstr(waiting[i][0]), sl_cstr(waiting[i][1]), found, NULL) == 0;
    return may;
}

static struct known *known_from(struct reading *r, uint64_t modseq)
{
    struct known *k = xcalloc(1, sizeof *k + r->parts.count * sizeof k->part[0]);
    struct map_iter it = {0};
    k->modseq = modseq;
    while (map_next(&r->parts, &it)) k->part[k->n++] = *(struct part *)it.value;
    return k;
}

static void remember(struct sweep *w, struct known *k)
{
    struct sweep_memory *m = w->s->swept;
    if (m->bytes + weight(w->acc, k) > REMEMBER_BYTES) {
        free(k);
        return;
    }
    m->bytes += weight(w->acc, k);
    map_put(&m->accounts, sl_cstr(w->acc), k);
}

/* What a crash left half done; what cannot be is read as it is. */
static int finish(struct sweep *w)
{
    int e = mailbox_finish_deletes(w->s, w->acc);
    if (e == 0) e = batch_care(w->s, w->acc);
    if (e == 0) e = places_care(w->s, w->acc);
    if (e == ERR_CORRUPT) e = 0;
    int moved = e ? 0 : inbox_rename_finish(w->s, w->acc);
    if (moved == ERR_CANCELED) return moved;
    if (moved)
        log_warn("care", "account %s: INBOX is being renamed, and some of it cannot be moved: %s", w->acc,
                 err_text(moved));
    return e;
}

static int mark_by_reading(struct sweep *w, uint64_t modseq)
{
    struct reading r = {.w = w};
    map_init(&r.parts, false);
    w->report->accounts_read++;
    int e = finish(w);
    if (e == 0) e = account_walk(w->s, w->acc, "my", read_row, &r, &modseq);
    if (e == ERR_CORRUPT) {
        read_damage(&r, (struct slice){0});
        e = 0;
    }
    struct known *k = known_from(&r, modseq);
    if (e == 0) mark_known(w, k);
    if (e == 0 && may_remember(&r, modseq)) remember(w, k);
    else free(k);
    struct map_iter it = {0};
    while (map_next(&r.parts, &it)) free(it.value);
    map_free(&r.parts);
    return e;
}

static int mark_account(void *arg, const char *acc)
{
    struct sweep *w = arg;
    struct sweep_memory *m = w->s->swept;
    uint64_t modseq;
    w->acc = acc;
    int e = care_check(&w->care);
    if (e == 0) e = account_modseq(w->s, acc, &modseq);
    if (e) return e;
    struct known *k = map_get(&m->before, sl_cstr(acc));
    if (!k || k->modseq != modseq) {
        forget(m, &m->before, acc);
        return mark_by_reading(w, modseq);
    }
    mark_known(w, k);
    (void)map_del(&m->before, sl_cstr(acc));
    map_put(&m->accounts, sl_cstr(acc), k);
    return 0;
}

static void mark_pack(void *arg, uint64_t pack, uint64_t bytes)
{
    sweep_live(arg, pack, true)->bytes += bytes;
}

static int mark_image(void *arg, struct slice object, struct slice value)
{
    struct sweep *w = arg;
    int e = image_packs(value, mark_pack, w);
    if (e) sweep_damaged(w, SL("_images"), object);
    return care_check(&w->care);
}

int sweep_mark(struct sweep *w)
{
    memory_begin(w->s);
    int e = w->queue ? w->queue->refs(w->queue->ctx, w->s, mark_letter, w) : 0;
    if (e == ERR_CORRUPT) {
        sweep_damaged(w, queue_name, (struct slice){0});
        e = 0;
    }
    if (e == 0) e = images_each(w->s, mark_image, w);
    if (e == 0) e = accounts_each(w->s, mark_account, w);
    if (e == 0) memory_end(w->s);
    return e;
}

bool sweep_account_moves(struct sweep *w, const char *acc)
{
    const struct known *k = map_get(&w->s->swept->accounts, sl_cstr(acc));
    bool moves = !k;
    for (size_t i = 0; k && i < k->n && !moves; i++) {
        struct live *l = sweep_live(w, k->part[i].pack, false);
        moves = l && l->move;
    }
    return moves;
}
