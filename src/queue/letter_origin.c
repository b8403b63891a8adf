/* letter_origin.c - a letter's envelope as its body's record keeps it (store/origin.h): with it a letter can
 * come back when the index is lost. */
#include "accept.h"
#include "kv/record.h"
#include "letter_record.h"
#include "store/origin.h"

static void put_rcpt(struct buf *b, struct buf *one, const struct letter_rcpt *r)
{
    rec_begin(one, ORIGIN_VERSION);
    rec_put(one, 'a', r->route.address);
    if (r->route.local) rec_put(one, 'l', sl_cstr(r->route.account));
    rec_opt(one, 'D', r->route.detail);
    if (!sl_eq(r->address, r->route.address)) rec_put(one, 'A', r->address);
    rec_opt_u64(one, 'n', r->notify);
    rec_opt(one, 'o', r->orcpt);
    rec_put(b, 'R', buf_slice(one));
}

int letter_origin(struct buf *b, const struct letter *l)
{
    struct buf one = BUF_INIT;
    origin_begin(b, ORIGIN_LETTER);
    rec_put(b, 'i', sl_cstr(l->id.s));
    rec_opt_u64(b, 'K', l->skip);
    letter_record_put(b, l);
    for (size_t i = 0; i < l->nrcpt && !b->over; i++) {
        put_rcpt(b, &one, &l->rcpt[i]);
        fiber_breathe();
    }
    bool over = b->over || one.over;
    buf_free(&one);
    return over ? err_set(ERR_LIMIT, "the recipients are too many for one letter") : 0;
}

static int get_rcpt(struct slice field, struct letter_rcpt *out)
{
    struct rec r;
    int e = rec_open(&r, field, ORIGIN_VERSION);
    if (e) return e;
    *out = (struct letter_rcpt){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'a': out->route.address = r.field; break;
        case 'A': out->address = r.field; break;
        case 'l':
            out->route.local = r.field.n && r.field.n < sizeof out->route.account;
            memcpy(out->route.account, r.field.p, out->route.local ? r.field.n : 0);
            break;
        case 'D': out->route.detail = r.field; break;
        case 'n': out->notify = (unsigned)rec_u64(&r); break;
        case 'o': out->orcpt = r.field; break;
        }
    if (!out->address.n) out->address = out->route.address;
    return rec_error(&r);
}

static int get_field(struct rec *r, struct letter *l)
{
    switch (r->tag) {
    case 'i':
        if (letter_id_ok(r->field)) memcpy(l->id.s, r->field.p, LETTER_ID_LEN);
        break;
    case 'K': l->skip = (uint32_t)rec_u64(r); break;
    default: return letter_record_take(r, l);
    }
    return 0;
}

int letter_origin_get(struct rec *r, struct arena *a, struct letter *l)
{
    size_t cap = 8;
    int e = 0;
    *l = (struct letter){.rcpt = ar_array(a, struct letter_rcpt, cap)};
    while (!e && rec_next(r)) {
        if (r->tag != 'R') {
            e = get_field(r, l);
            continue;
        }
        if (l->nrcpt == cap) l->rcpt = ar_grow(a, l->rcpt, &cap, sizeof *l->rcpt);
        e = get_rcpt(r->field, &l->rcpt[l->nrcpt++]);
    }
    if (!e) e = rec_error(r);
    bool whole = l->id.s[0] && l->nrcpt && l->nrcpt <= LETTER_RCPTS_MAX && l->skip <= l->head_size &&
                 (unsigned)l->stream < STREAMS;
    return e ? e : whole ? 0 : err_set(ERR_CORRUPT, "the origin of a letter is damaged");
}
