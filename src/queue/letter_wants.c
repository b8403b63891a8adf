/* letter_wants.c - what a sender asks for, as rows and people read it. */
#include "letter_wants.h"

#include "base/civil.h"
#include "kv/record.h"

enum { WANTS_VERSION = 1 };

void letter_wants_put(struct buf *row, const struct letter_wants *w)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, WANTS_VERSION);
    size_t empty = b.n;
    rec_opt_u64(&b, 'q', w->requiretls);
    rec_opt_u64(&b, 'n', w->tls_optional);
    rec_opt_u64(&b, 'h', (uint64_t)w->hold_until);
    rec_opt_u64(&b, 'f', w->hold_for);
    rec_opt_u64(&b, 'b', (uint64_t)w->by);
    rec_opt_u64(&b, 'm', (uint64_t)w->by_mode);
    rec_opt_u64(&b, 't', w->by_trace);
    rec_opt_u64(&b, 'p', w->has_priority ? (uint64_t)(w->priority + 10) : 0);
    if (b.n > empty) rec_put(row, 'w', buf_slice(&b));
    buf_free(&b);
}

static void take_priority(uint64_t v, struct letter_wants *w)
{
    w->has_priority = v >= 1 && v <= 19;
    w->priority = (int8_t)(w->has_priority ? (int)v - 10 : 0);
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
        case 'h': w->hold_until = (int64_t)rec_u64(&r); break;
        case 'f': w->hold_for = (uint32_t)rec_u64(&r); break;
        case 'b': w->by = (int64_t)rec_u64(&r); break;
        case 'm': w->by_mode = rec_u64(&r) == 'R' ? 'R' : 'N'; break;
        case 't': w->by_trace = rec_u64(&r) != 0; break;
        case 'p': take_priority(rec_u64(&r), w); break;
        }
    return rec_error(&r);
}

struct slice letter_wants_text(struct arena *a, const struct letter_wants *w)
{
    struct buf b = BUF_INIT;
    if (w->requiretls) buf_str(&b, "; verified TLS all the way (REQUIRETLS)");
    if (w->tls_optional) buf_str(&b, "; whatever the receiving domain says of TLS (TLS-Required: No)");
    char when[CIVIL_TEXT_MAX];
    if (w->hold_until) buf_printf(&b, "; not before %s (FUTURERELEASE)", civil_format(w->hold_until, when));
    if (w->by)
        buf_printf(&b, "; by %s, else %s%s (DELIVERBY)", civil_format(w->by, when),
                   w->by_mode == 'R' ? "back" : "a notice", w->by_trace ? ", with reports on the way" : "");
    if (w->has_priority) buf_printf(&b, "; priority %d (MT-PRIORITY)", w->priority);
    struct slice s = ar_dup(a, sl_from(buf_slice(&b), 2));
    buf_free(&b);
    return s;
}
