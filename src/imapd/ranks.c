/* ranks.c - SORT of many messages by orders that are kept (kept.c): for each criterion the place of each
 * message among all is known, so a sort counts and compares nothing. The few that came since are put among
 * the others one by one, by their keys. */
#include <stdlib.h>

#include "imapd_i.h"
#include "reader/order.h"

enum { FEW = 64 }; /* that came since; for more the order is made anew */
#define UNKNOWN UINT32_MAX

struct ranking {
    struct imapd_session *s;
    const struct imap_sort_args *args;
    const struct imapd_found *f;
    uint32_t **place; /* for each criterion, of each that was found */
    uint32_t *order;  /* those that are known, by index in f */
    size_t n;
    bool unsure; /* a known one is gone or cannot be read: its keys do not say where it stands */
};

/* ---- one criterion ---- */

/* What the order says of each that was found, into place; how many it does not know. */
static size_t look_up(struct imapd_session *s, const struct imapd_kept *k, const struct imapd_found *f,
                      uint32_t *place)
{
    size_t i = 0, unknown = 0;
    for (size_t j = 0; j < f->n; j++) {
        uint32_t uid = view_at(s->view, f->at[j]).uid;
        while (i < k->n && k->uid[i] < uid) i++;
        bool known = i < k->n && k->uid[i] == uid;
        place[j] = known ? k->value[i] : UNKNOWN;
        unknown += !known;
        imapd_breathe(j);
    }
    return unknown;
}

static void number_places(struct imapd_sorted **v, size_t n, const struct imap_sort_args *by, uint32_t *value)
{
    uint32_t place = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && imapd_sort_compare(by, v[i - 1], v[i]) != 0) place++;
        value[v[i]->k] = place;
    }
}

static int make_places(struct imapd_session *s, enum imap_sort_key key, const struct imapd_found *f,
                       struct arena *a, uint32_t *value, bool *whole)
{
    const struct imap_sort_args by = {.by = {{.key = key}}, .n = 1};
    struct imapd_sorted **v = ar_array(a, struct imapd_sorted *, f->n);
    int e = imapd_sort_keys(s, &by, f, a, v, whole);
    if (e) return e;
    for (size_t i = 0; i < f->n; i++) v[i]->key[0].reversed = false;
    order_sort((void **)v, f->n, imapd_sort_compare, &by);
    number_places(v, f->n, &by, value);
    return 0;
}

static int make_order(struct imapd_session *s, struct imapd_kept_key key, const struct imapd_found *f,
                      uint32_t *place)
{
    struct arena a;
    bool whole = false;
    struct imapd_kept *k = imapd_kept_new(s, key, f->n);
    k->nvalues = f->n;
    k->value = xcalloc(f->n, sizeof *k->value);
    for (size_t i = 0; i < f->n; i++, imapd_breathe(i)) k->uid[i] = view_at(s->view, f->at[i]).uid;
    ar_init(&a, IMAPD_MEMORY);
    int e = make_places(s, (enum imap_sort_key)key.what, f, &a, k->value, &whole);
    ar_free(&a);
    if (!e) memcpy(place, k->value, f->n * sizeof *place);
    if (!e && whole) imapd_kept_keep(s, k);
    imapd_kept_put(s, &k);
    return e;
}

static int places_of(struct imapd_session *s, enum imap_sort_key by, const struct imapd_found *f,
                     uint32_t *place)
{
    struct imapd_kept_key key = {by, s->comparator.how};
    struct imapd_kept *k = imapd_kept_get(s, key);
    bool good = k && look_up(s, k, f, place) <= FEW;
    imapd_kept_put(s, &k);
    return good ? 0 : make_order(s, key, f, place);
}

/* ---- the known ones: by the last criterion first, each time keeping what is equal as it is ---- */

static bool is_back(const struct ranking *x, size_t i)
{
    enum imap_sort_key by = x->args->by[i].key;
    bool text = by != IMAP_SORT_ARRIVAL && by != IMAP_SORT_DATE && by != IMAP_SORT_SIZE;
    return x->args->by[i].reverse != (text && x->s->comparator.reversed);
}

static void order_by(struct ranking *x, size_t i, uint32_t *other, uint32_t *count, size_t most)
{
    const uint32_t *place = x->place[i];
    bool back = is_back(x, i);
    memset(count, 0, (most + 2) * sizeof *count);
    for (size_t j = 0; j < x->n; j++, imapd_breathe(j)) {
        uint32_t p = place[x->order[j]];
        count[(back ? most - p : p) + 1]++;
    }
    for (size_t p = 0; p < most; p++) count[p + 1] += count[p];
    for (size_t j = 0; j < x->n; j++, imapd_breathe(j)) {
        uint32_t p = place[x->order[j]];
        other[count[back ? most - p : p]++] = x->order[j];
    }
    memcpy(x->order, other, x->n * sizeof *other);
}

static size_t highest(const struct ranking *x, size_t i)
{
    uint32_t most = 0;
    for (size_t j = 0; j < x->n; j++, imapd_breathe(j))
        if (x->place[i][x->order[j]] > most) most = x->place[i][x->order[j]];
    return most;
}

static void order_known(struct ranking *x)
{
    uint32_t *other = ar_array(&x->s->a, uint32_t, x->f->n);
    for (size_t i = x->args->n; i-- > 0;) {
        size_t most = highest(x, i);
        uint32_t *count = xcalloc(most + 2, sizeof *count);
        order_by(x, i, other, count, most);
        free(count);
    }
}

/* ---- those that came since ---- */

/* Where the new one belongs among the known ones: behind what is equal and stands before it in the mailbox.
 */
static int find_place(struct ranking *x, const struct imapd_sorted *new, size_t at, struct arena *a,
                      size_t *out)
{
    size_t from = 0, to = x->n;
    int e = 0;
    while (from < to && !e) {
        size_t mid = from + (to - from) / 2, there = x->f->at[x->order[mid]];
        struct imapd_found one = {.at = &there, .n = 1};
        struct imapd_sorted *v = NULL;
        bool whole;
        ar_reset(a);
        e = imapd_sort_keys(x->s, x->args, &one, a, &v, &whole);
        if (!e) x->unsure |= !whole;
        if (e || x->unsure) break;
        int order = imapd_sort_compare(x->args, v, new);
        if (order < 0 || (order == 0 && there < at)) from = mid + 1;
        else to = mid;
    }
    *out = from;
    return e;
}

/* new: those that are not known, in order; behind: of each, how many known ones stand before it. */
static void merge(const struct ranking *x, struct imapd_sorted **new, const size_t *behind,
                  const struct imapd_found *f, size_t *out)
{
    size_t i = 0;
    for (size_t j = 0; j <= x->n; j++) {
        for (; i < f->n && behind[i] == j; i++) *out++ = f->at[new[i]->k];
        if (j < x->n) *out++ = x->f->at[x->order[j]];
    }
}

static int add_unknown(struct ranking *x, const struct imapd_found *f, size_t *out)
{
    struct imapd_session *s = x->s;
    struct imapd_sorted **v = ar_array(&s->a, struct imapd_sorted *, f->n);
    size_t *behind = ar_array(&s->a, size_t, f->n);
    struct arena a;
    bool whole;
    int e = f->n ? imapd_sort_keys(s, x->args, f, &s->a, v, &whole) : 0;
    if (e) return e;
    order_sort((void **)v, f->n, imapd_sort_compare, x->args);
    ar_init(&a, 0);
    for (size_t i = 0; i < f->n && !e && !x->unsure; i++)
        e = find_place(x, v[i], f->at[v[i]->k], &a, &behind[i]);
    ar_free(&a);
    if (!e && !x->unsure) merge(x, v, behind, f, out);
    return e;
}

/* ---- all ---- */

static bool is_known(const struct ranking *x, size_t j)
{
    for (size_t i = 0; i < x->args->n; i++)
        if (x->place[i][j] == UNKNOWN) return false;
    return true;
}

static int rank_found(struct imapd_session *s, const struct imap_sort_args *args, struct imapd_found *f)
{
    struct ranking x = {.s = s,
                        .args = args,
                        .f = f,
                        .place = ar_array(&s->a, uint32_t *, args->n),
                        .order = ar_array(&s->a, uint32_t, f->n)};
    struct imapd_found new = {.at = ar_array(&s->a, size_t, args->n * FEW)};
    size_t *out = ar_array(&s->a, size_t, f->n);
    int e = 0;
    for (size_t i = 0; i < args->n && !e; i++) {
        x.place[i] = ar_array(&s->a, uint32_t, f->n);
        e = ar_over(&s->a) ? err_set(ERR_LIMIT, "these are too many messages to be put in order") : 0;
        if (!e) e = places_of(s, args->by[i].key, f, x.place[i]);
    }
    for (size_t j = 0; j < f->n && !e; j++) {
        if (is_known(&x, j)) x.order[x.n++] = (uint32_t)j;
        else new.at[new.n++] = f->at[j];
    }
    if (!e) order_known(&x);
    if (!e) e = add_unknown(&x, &new, out);
    if (!e && x.unsure) return imapd_sort_by_keys(s, args, f);
    if (!e) f->at = out;
    return e;
}

/* How well each matches is of this search alone; annotations change. */
static bool may_change(const struct imap_sort_args *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->by[i].key == IMAP_SORT_RELEVANCY || args->by[i].key == IMAP_SORT_ANNOTATION) return true;
    return false;
}

int imapd_sort_found(struct imapd_session *s, const struct imap_sort_args *args, struct imapd_found *f)
{
    bool few = f->n < IMAPD_KEPT_LEAST;
    return few || f->score || may_change(args) ? imapd_sort_by_keys(s, args, f) : rank_found(s, args, f);
}
