/* origin.c - origins of messages, written and read (origin.h). */
#include "origin.h"

#include <stdio.h>

enum { ZONE_ZERO = 1440 };

void origin_begin(struct buf *b, enum origin_kind kind)
{
    char k = (char)kind;
    rec_begin(b, ORIGIN_VERSION);
    b->cap = BODY_ORIGIN_MAX;
    rec_put(b, 'k', sl(&k, 1));
}

enum origin_kind origin_open(struct slice origin, struct rec *r)
{
    if (!origin.n || rec_open(r, origin, ORIGIN_VERSION)) return ORIGIN_NONE;
    if (!rec_next(r) || r->tag != 'k' || r->field.n != 1) return ORIGIN_NONE;
    char k = r->field.p[0];
    return k == ORIGIN_MESSAGE || k == ORIGIN_LETTER || k == ORIGIN_IMAGE ? (enum origin_kind)k : ORIGIN_NONE;
}

int origin_message(struct buf *b, const char *acc, const struct mailbox *box, const struct message_new *m)
{
    origin_begin(b, ORIGIN_MESSAGE);
    rec_put(b, 'a', sl_cstr(acc));
    rec_put_u64(b, 'b', box->id);
    rec_put(b, 'n', box->name);
    rec_put_u64(b, 'd', (uint64_t)m->internal_date);
    rec_opt_u64(b, 'z', m->internal_zone ? (uint64_t)(m->internal_zone + ZONE_ZERO) : 0);
    rec_opt_u64(b, 'f', m->flags);
    for (size_t i = 0; i < m->nkeywords; i++) rec_put(b, 'w', m->keyword[i]);
    rec_opt_u64(b, 'l', m->by_lines);
    rec_opt_u64(b, 'h', m->head_size);
    return b->over ? err_set(ERR_LIMIT, "the keywords are too many") : 0;
}

int origin_message_get(struct rec *r, struct origin_message *out)
{
    *out = (struct origin_message){0};
    struct message_new *m = &out->m;
    m->keyword = out->keyword;
    while (rec_next(r)) switch (r->tag) {
        case 'a': snprintf(out->acc, sizeof out->acc, "%.*s", SLF(r->field)); break;
        case 'b': out->box = (uint32_t)rec_u64(r); break;
        case 'n': out->name = r->field; break;
        case 'd': m->internal_date = (int64_t)rec_u64(r); break;
        case 'z': m->internal_zone = (int)(rec_u64(r) & 0xfff) - ZONE_ZERO; break;
        case 'f': m->flags = rec_u64(r); break;
        case 'w':
            if (m->nkeywords < MAILBOX_KEYWORDS_MAX) out->keyword[m->nkeywords++] = r->field;
            break;
        case 'l': m->by_lines = rec_u64(r); break;
        case 'h': m->head_size = (uint32_t)rec_u64(r); break;
        }
    int e = rec_error(r);
    return e ? e : out->acc[0] ? 0 : err_set(ERR_CORRUPT, "the origin of a message names no account");
}
