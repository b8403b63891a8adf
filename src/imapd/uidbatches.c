/* uidbatches.c - UIDBATCHES: ranges of UIDs with equally many messages in each, the newest first
 * (draft-ietf-mailmaint-imap-uidbatches). */
#include "imapd_i.h"

enum { BATCH_LEAST = 500 }; /* smaller ones may be refused: the answer would be as large as a FETCH */

struct uidbatches_args {
    uint32_t size, first, last; /* batches first to last, counted from 1 */
};

static struct uidbatches_args take_args(struct imap_in *in)
{
    static const char wrong[] = "batches are counted from 1, the lower number first";
    struct uidbatches_args v = {.first = 1, .last = UINT32_MAX};
    imap_sp(in);
    v.size = (uint32_t)imap_nz_number(in, UINT32_MAX, "a batch has at least one message");
    if (!imap_skip(in, ' ')) return v;
    v.first = v.last = (uint32_t)imap_nz_number(in, UINT32_MAX, wrong);
    if (imap_skip(in, ':')) v.last = (uint32_t)imap_nz_number(in, UINT32_MAX, wrong);
    if (!in->code && v.first > v.last) imap_fail(in, ERR_SYNTAX, wrong);
    return v;
}

/* Every UID between the highest and the lowest one lies in one of the ranges, those of messages that went
 * too. */
static void put_batches(struct imapd_session *s, const struct uidbatches_args *v)
{
    uint64_t skip = (uint64_t)(v->first - 1) * v->size;
    size_t left = skip < s->told ? s->told - (size_t)skip : 0;
    uint32_t high = !left            ? 0
                    : left < s->told ? view_at(s->view, left).uid - 1
                                     : view_at(s->view, left - 1).uid;
    for (uint32_t k = v->first; left && k <= v->last; k++) {
        size_t n = left < v->size ? left : v->size;
        uint32_t low = view_at(s->view, left - n).uid;
        buf_printf(&s->out, "%s%u", k == v->first ? " " : ",", high);
        if (low < high) buf_printf(&s->out, ":%u", low);
        high = low - 1;
        left -= n;
        if (s->out.n > IMAPD_CHUNK) imapd_flush(s);
        if (k == UINT32_MAX) break;
    }
}

void imapd_cmd_uidbatches(struct imapd_session *s, struct imap_in *in)
{
    struct uidbatches_args v = take_args(in);
    if (imapd_args_bad(s, in)) return;
    if (v.size < BATCH_LEAST) {
        imapd_no(s, "TOOSMALL", "a batch has at least %d messages", BATCH_LEAST);
        return;
    }
    buf_str(&s->out, "* UIDBATCHES (TAG ");
    imap_put_string(&s->out, s->tag, false);
    buf_char(&s->out, ')');
    put_batches(s, &v);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "these are the batches");
}
