/* remark_row.c - annotations of a message as they lie in its row (remark_i.h). */
#include "remark_i.h"

#include <stdlib.h>

#include "base/log.h"

enum { REMARKS_RECORD = 1, REMARK_RECORD = 1 };

static int take_one(struct slice field, struct lying *out)
{
    struct rec r;
    int e = rec_open(&r, field, REMARK_RECORD);
    *out = (struct lying){0};
    while (e == 0 && rec_next(&r)) {
        if (r.tag == 'n') out->r.entry = r.field;
        else if (r.tag == 'w') out->who = r.field;
        else if (r.tag == 'm') out->r.modseq = rec_u64(&r);
        else if (r.tag == 'v') out->r.value = r.field.n ? r.field : SL("");
    }
    out->r.shared = !out->who.n;
    return e ? e : rec_error(&r);
}

int remarks_take(struct slice field, struct lying *v, size_t *n)
{
    struct rec r;
    *n = 0;
    if (!field.n) return 0;
    int e = rec_open(&r, field, REMARKS_RECORD);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'a' && *n < LYING_MAX) e = take_one(r.field, &v[(*n)++]);
    return e ? e : rec_error(&r);
}

static void put_one(struct buf *out, const struct lying *l)
{
    struct buf one = BUF_INIT;
    rec_begin(&one, REMARK_RECORD);
    rec_put(&one, 'n', l->r.entry);
    rec_opt(&one, 'w', l->who);
    rec_opt_u64(&one, 'm', l->r.modseq);
    if (l->r.value.p) rec_put(&one, 'v', l->r.value);
    rec_put(out, 'a', buf_slice(&one));
    buf_free(&one);
}

struct slice remarks_row(struct buf *out, const struct lying *v, size_t n)
{
    rec_begin(out, REMARKS_RECORD);
    for (size_t i = 0; i < n; i++) put_one(out, &v[i]);
    return n ? buf_slice(out) : SL("");
}

/* ---- limits ---- */

enum { SHARED, OWNERS, OTHERS, SHARES };

/* Nobody takes the room of somebody else: what all share, what is the owner's and what is of others each has
 * its own. */
int remarks_fit(const struct lying *v, size_t n, struct slice owner, struct slice user)
{
    size_t bytes[SHARES] = {0}, shared = 0, own = 0;
    for (size_t i = 0; i < n; i++) {
        if (!v[i].r.value.p) continue;
        shared += v[i].r.shared;
        own += sl_eq(v[i].who, user);
        bytes[v[i].r.shared            ? SHARED
              : sl_eq(v[i].who, owner) ? OWNERS
                                       : OTHERS] +=
            v[i].r.entry.n + v[i].r.value.n + v[i].who.n + LYING_BESIDES;
    }
    if (shared > REMARKS_MAX || own > REMARKS_MAX)
        return err_set(ERR_LIMIT, "a message may have %d annotations", REMARKS_MAX);
    for (size_t i = 0; i < SHARES; i++)
        if (bytes[i] > REMARKS_SHARE)
            return err_set(ERR_LIMIT, "the annotations of a message may have %d bytes together",
                           REMARKS_SHARE);
    return 0;
}

int remark_fits(const struct remark *r)
{
    ASSERT(r->entry.n && r->entry.n <= REMARK_NAME_MAX);
    if (r->value.n <= REMARK_VALUE_MAX) return 0;
    return err_set(ERR_TOO_LONG, "an annotation may have %d bytes", REMARK_VALUE_MAX);
}

/* ---- with the message ---- */

int remark_pack(struct arena *a, const char *user, const struct remark *v, size_t n, struct slice *out)
{
    struct lying *l = ar_array(a, struct lying, n + 1);
    struct buf b = BUF_INIT;
    size_t kept = 0;
    int e = 0;
    for (size_t i = 0; i < n && e == 0; i++) {
        struct lying one = {.r = v[i], .who = v[i].shared ? SL("") : sl_cstr(user)};
        size_t at = 0;
        e = remark_fits(&v[i]);
        one.r.modseq = 0;
        while (at < kept && !remark_same(&l[at], &one)) at++;
        if (one.r.value.p) l[at] = one;
        else if (at < kept) l[at] = l[--kept];
        kept += one.r.value.p && at == kept;
    }
    if (e == 0) e = remarks_fit(l, kept, sl_cstr(user), sl_cstr(user));
    *out = e ? SL("") : ar_dup(a, remarks_row(&b, l, kept));
    buf_free(&b);
    return e;
}

int remarks_copied(struct slice field, const char *user, unsigned keep, struct buf *out, struct slice *copied)
{
    struct lying *v = xcalloc(LYING_MAX, sizeof *v);
    size_t n, kept = 0;
    int e = remarks_take(field, v, &n);
    for (size_t i = 0; i < n && e == 0; i++) {
        bool taken =
            v[i].r.shared ? keep & REMARKS_SHARED : keep & REMARKS_OWN && sl_eq(v[i].who, sl_cstr(user));
        if (!taken || !v[i].r.value.p) continue;
        v[i].r.modseq = 0;
        v[kept++] = v[i];
    }
    *copied = e ? SL("") : remarks_row(out, v, kept);
    free(v);
    return e;
}
