/* letter_wants.c - what a sender asks for, as rows and people read it. */
#include "letter_wants.h"

#include "kv/record.h"

enum { WANTS_VERSION = 1 };

void letter_wants_put(struct buf *row, const struct letter_wants *w)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, WANTS_VERSION);
    size_t empty = b.n;
    rec_opt_u64(&b, 'q', w->requiretls);
    rec_opt_u64(&b, 'n', w->tls_optional);
    if (b.n > empty) rec_put(row, 'w', buf_slice(&b));
    buf_free(&b);
}

int letter_wants_get(struct slice field, struct letter_wants *w)
{
    struct rec r;
    int e = rec_open(&r, field, WANTS_VERSION);
    if (e) return e;
    *w = (struct letter_wants){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'q': w->requiretls = rec_u64(&r) != 0; break;
        case 'n': w->tls_optional = rec_u64(&r) != 0; break;
        }
    return rec_error(&r);
}

struct slice letter_wants_text(struct arena *a, const struct letter_wants *w)
{
    struct buf b = BUF_INIT;
    if (w->requiretls) buf_str(&b, "; verified TLS all the way (REQUIRETLS)");
    if (w->tls_optional) buf_str(&b, "; whatever the receiving domain says of TLS (TLS-Required: No)");
    struct slice s = ar_dup(a, sl_from(buf_slice(&b), 2));
    buf_free(&b);
    return s;
}
