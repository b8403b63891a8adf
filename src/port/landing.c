/* landing.c - messages on their way into a mailbox: what it has already is left alone, the rest goes in some
 * at a time, their bodies made durable together. */
#include <stdio.h>
#include <stdlib.h>

#include "mail/head.h"
#include "port_i.h"
#include "store/origin.h"
#include "wire/smtp.h"

enum { LIST_AT_ONCE = 1000, FINISHERS = 16, COMPARE_PIECE = 64 * 1024 };

/* ---- what the mailbox had ---- */

struct landed {
    uint64_t key; /* of size and date */
    uint32_t uid;
    uint32_t taken; /* by a message of the same content: there may be several of each */
};

static uint64_t key_of(uint64_t size, int64_t date)
{
    uint64_t v[] = {size, (uint64_t)date};
    return sl_hash(sl(v, sizeof v));
}

static int compare_landed(const void *a, const void *b)
{
    const struct landed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int load(struct landing *l)
{
    struct message *m;
    size_t n = LIST_AT_ONCE, size = 0;
    int e = 0;
    for (uint32_t from = 1; !e && n == LIST_AT_ONCE; fiber_breathe()) {
        ar_reset(&l->a);
        e = message_list(l->p->store, (struct mailbox_ref){.account = l->p->acc, .box = l->box.id}, from,
                         LIST_AT_ONCE, &l->a, &m, &n);
        if (e || !n) break;
        if (l->nhad + n > size) {
            size = 2 * (l->nhad + n);
            l->had = xrealloc(l->had, size * sizeof *l->had);
        }
        for (size_t i = 0; i < n; i++)
            l->had[l->nhad++] =
                (struct landed){.key = key_of(m[i].size, m[i].internal_date), .uid = m[i].uid};
        from = m[n - 1].uid + 1;
        if (!from) break;
    }
    if (l->nhad) qsort(l->had, l->nhad, sizeof *l->had, compare_landed);
    return e;
}

static size_t first_of(const struct landing *l, uint64_t key)
{
    size_t lo = 0, hi = l->nhad;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->had[mid].key < key) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* Has the message these bytes from `at` on? One that cannot be read has not. */
static bool holds(struct reader *rd, uint64_t at, struct slice bytes)
{
    char *piece = xmalloc(COMPARE_PIECE);
    bool same = true;
    while (bytes.n && same) {
        size_t n = bytes.n < COMPARE_PIECE ? bytes.n : COMPARE_PIECE;
        int64_t got = reader_read(rd, at, piece, n);
        same = got > 0 && memcmp(piece, bytes.p, (size_t)got) == 0;
        if (!same) break;
        at += (uint64_t)got;
        bytes = sl_from(bytes, (size_t)got);
    }
    free(piece);
    return same;
}

static bool holds_all(struct reader *rd, struct incoming *in)
{
    struct buf b = BUF_INIT;
    uint64_t at = 0;
    bool same = in->begin(in) == 0;
    for (int more = 1; same && more > 0;) {
        buf_clear(&b);
        more = in->next(in, &b);
        same = more >= 0 && holds(rd, at, buf_slice(&b));
        at += b.n;
        fiber_breathe();
    }
    buf_free(&b);
    return same;
}

/* Is it there? Each that is there stands for one that comes. */
static bool is_there(struct landing *l, struct incoming *in, const struct body_writer *w)
{
    uint64_t size = body_written(w), key = key_of(size, in->date);
    struct slice small = body_small(w);
    for (size_t i = first_of(l, key); i < l->nhad && l->had[i].key == key; i++) {
        struct reader *rd;
        if (l->had[i].taken) continue;
        if (reader_open(&rd, l->p->store, (struct mailbox_ref){.account = l->p->acc, .box = l->box.id},
                        l->had[i].uid, NULL))
            continue;
        bool same = rd->m.size == size && rd->m.internal_date == in->date &&
                    (small.n == size ? holds(rd, 0, small) : holds_all(rd, in));
        reader_close(&rd);
        if (!same) continue;
        l->had[i].taken = 1;
        return true;
    }
    return false;
}

/* ---- together ---- */

struct finishing {
    struct landing *l;
    size_t next;
    int e;
    char why[ERR_TEXT_MAX];
};

static int finish_one(struct landing *l, size_t i)
{
    struct buf origin = BUF_INIT;
    int e = origin_message(&origin, l->p->acc, &l->box, &l->m[i]);
    if (e) body_abandon(&l->w[i]);
    else e = body_finish(&l->w[i], SL(""), buf_slice(&origin), &l->m[i].body);
    if (e) l->m[i].body.s[0] = 0;
    buf_free(&origin);
    return e;
}

static void finisher(void *arg)
{
    struct finishing *f = arg;
    while (f->next < f->l->n && !f->e) {
        int e = finish_one(f->l, f->next++);
        if (!e || f->e) continue;
        f->e = e;
        snprintf(f->why, sizeof f->why, "%s", err_text(e));
    }
}

static int finish_bodies(struct landing *l)
{
    struct finishing f = {.l = l};
    struct group g;
    group_init(&g);
    for (size_t i = 1; i < FINISHERS && i < l->n; i++)
        if (group_go(&g, "import", finisher, &f)) break; /* then this one does it alone */
    finisher(&f);
    int e = group_wait(&g);
    return f.e ? err_set(f.e, "%s", f.why) : e;
}

static int append(struct landing *l)
{
    struct mailbox_ref box = {.account = l->p->acc, .box = l->box.id};
    uint32_t validity, uid;
    int e = message_append(l->p->store, box, l->m, l->n, &validity, &uid);
    if (e != ERR_LIMIT) return e;
    for (size_t i = 0; i < l->n; i++) l->m[i].nkeywords = 0;
    if (!l->no_keywords)
        e = port_problem(l->p, "%.*s: some messages lose their keywords: %s", SLF(l->box.name), err_text(e));
    else e = 0;
    l->no_keywords = true;
    return e ? e : message_append(l->p->store, box, l->m, l->n, &validity, &uid);
}

static void clear(struct landing *l, int e)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->w[i]) body_abandon(&l->w[i]);
        else if (l->m[i].body.s[0] && e != ERR_UNKNOWN) body_unpin(l->p->store->body, &l->m[i].body);
    } /* ERR_UNKNOWN: a row that nobody sees may name it */
    l->n = 0;
    l->bytes = 0;
    ar_reset(&l->a);
}

static int land(struct landing *l)
{
    if (!l->n) return 0;
    int e = finish_bodies(l);
    if (!e) e = append(l);
    if (!e) l->p->report->messages += l->n;
    clear(l, e);
    return e;
}

/* ---- one ---- */

/* *store: it was not the source that failed. */
static int read_in(struct incoming *in, struct body_writer *w, struct message_new *m, bool *store)
{
    struct mail_head_size head = {0};
    struct smtp_lines lines = {0};
    struct buf b = BUF_INIT;
    int more, e = in->begin(in);
    while (!e && (more = in->next(in, &b)) != 0) {
        e = more < 0 ? more : body_write(w, buf_slice(&b));
        *store = e && more > 0;
        if (e) break;
        mail_head_size_next(&head, buf_slice(&b));
        smtp_lines_feed(&lines, buf_slice(&b));
        buf_clear(&b);
        fiber_breathe();
    }
    buf_free(&b);
    m->size = body_written(w);
    m->by_lines = smtp_lines_end(&lines);
    m->head_size = head.size > UINT32_MAX ? 0 : (uint32_t)head.size;
    return e || m->size ? e : err_set(ERR_SYNTAX, "it is empty");
}

static void keep(struct landing *l, struct body_writer *w, const struct incoming *in, struct message_new m)
{
    struct slice *keyword = ar_array(&l->a, struct slice, in->marks.n);
    for (size_t i = 0; i < in->marks.n; i++) keyword[i] = ar_dup(&l->a, in->marks.keyword[i]);
    m.flags = in->marks.set;
    m.keyword = keyword;
    m.nkeywords = l->no_keywords ? 0 : in->marks.n;
    m.internal_date = in->date;
    m.internal_zone = in->zone;
    l->bytes += m.size;
    l->m[l->n] = m;
    l->w[l->n++] = w;
}

int landing_take(struct landing *l, struct incoming *in)
{
    struct body_writer *w = NULL;
    struct message_new m = {0};
    int e = body_begin(l->p->store->body, BODY_MAIL, &w);
    if (e) return e;
    bool store = false;
    e = read_in(in, w, &m, &store);
    if (e || is_there(l, in, w)) {
        if (!e) l->p->report->there++;
        else if (!store) e = port_failed(l->p, e, in->what);
        body_abandon(&w);
        return e;
    }
    keep(l, w, in, m);
    return l->n == LANDING_AT_ONCE || l->bytes >= LANDING_BYTES ? land(l) : 0;
}

int landing_begin(struct landing **out, struct porting *p, struct slice name)
{
    struct landing *l = xcalloc(1, sizeof *l);
    l->p = p;
    ar_init(&l->a, 0);
    ar_init(&l->box_a, 0);
    int e = mailbox_find(p->store, p->acc, name, &l->box_a, &l->box);
    if (e == ERR_NOT_FOUND) e = mailbox_create(p->store, p->acc, name, 0, &l->box_a, &l->box);
    if (!e) e = load(l);
    ar_reset(&l->a);
    if (e) return landing_end(&l, e);
    p->report->mailboxes++;
    p->progress.mailbox = l->box.name;
    *out = l;
    return 0;
}

int landing_end(struct landing **lp, int e)
{
    struct landing *l = *lp;
    *lp = NULL;
    if (!e) e = land(l);
    clear(l, 0);
    l->p->progress.mailbox = SL("");
    free(l->had);
    ar_free(&l->a);
    ar_free(&l->box_a);
    free(l);
    return e;
}
