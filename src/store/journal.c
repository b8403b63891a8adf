/* journal.c - what changed in a mailbox, by modseq: how views catch up without reading every message. */
#include "mailbox_i.h"

enum { JOURNAL_ROW = 1 };

void leb_put(struct buf *b, uint64_t v)
{
    while (v > 127) {
        buf_char(b, (char)(v | 128));
        v >>= 7;
    }
    buf_char(b, (char)v);
}

bool leb_take(struct slice *s, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < s->n && i < 10; i++) {
        *v |= (uint64_t)(s->p[i] & 127) << 7 * i;
        if (s->p[i] & 128) continue;
        *s = sl_from(*s, i + 1);
        return true;
    }
    return false;
}

void journal_flags(struct journal *j, uint32_t uid, uint64_t flags)
{
    leb_put(&j->changes, uid - j->last_changed);
    leb_put(&j->changes, flags);
    j->last_changed = uid;
}

static void gone_end(struct journal *j)
{
    if (!j->gone_last) return;
    leb_put(&j->gone, j->gone_first - j->gone_before);
    leb_put(&j->gone, j->gone_last - j->gone_first);
    j->gone_before = j->gone_last;
    j->gone_last = 0;
}

void journal_gone(struct journal *j, uint32_t uid)
{
    if (j->gone_last && uid != j->gone_last + 1) gone_end(j);
    if (!j->gone_last) j->gone_first = uid;
    j->gone_last = uid;
}

struct prune {
    struct kv_tx *tx;
    struct box_row *box;
    int left;
};

static int prune_row(void *arg, struct slice key, struct slice value)
{
    struct prune *p = arg;
    uint64_t modseq;
    (void)value;
    int rc = row_number(key, &modseq);
    if (rc) return rc;
    kv_tx_del(p->tx, key);
    p->box->journal_floor = modseq;
    p->box->journal_rows--;
    return --p->left == 0;
}

void journal_put(struct kv_tx *tx, struct journal *j, struct box_row *box)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct buf b = BUF_INIT;
    gone_end(j);
    if (!j->changes.n && !j->gone.n) return;
    rec_begin(&b, JOURNAL_ROW);
    rec_opt(&b, 'c', buf_slice(&j->changes));
    rec_opt(&b, 'x', buf_slice(&j->gone));
    kv_tx_put_record(tx, row_key('j', box->m.id, box->m.modseq, 16, room), &b);
    buf_free(&b);
    if (++box->journal_rows <= JOURNAL_MAX) return;
    struct prune p = {tx, box, JOURNAL_PRUNE};
    (void)kv_tx_scan(tx, row_prefix('j', box->m.id, from), row_prefix_end('j', box->m.id, to), prune_row, &p);
}

void journal_free(struct journal *j)
{
    buf_free(&j->changes);
    buf_free(&j->gone);
    *j = (struct journal){0};
}

int journal_open(struct slice value, struct journal_reader *out)
{
    struct rec r;
    int rc = rec_open(&r, value, JOURNAL_ROW);
    if (rc) return rc;
    *out = (struct journal_reader){0};
    while (rec_next(&r)) {
        if (r.tag == 'c') out->changes = r.field;
        if (r.tag == 'x') out->gone = r.field;
    }
    return rec_error(&r);
}

bool journal_next_flags(struct journal_reader *r, uint32_t *uid, uint64_t *flags)
{
    uint64_t step;
    if (!leb_take(&r->changes, &step) || !leb_take(&r->changes, flags)) return false;
    *uid = r->changed_uid += (uint32_t)step;
    return true;
}

bool journal_next_gone(struct journal_reader *r, uint32_t *uid)
{
    uint64_t step, more;
    if (r->gone_more) {
        r->gone_more--;
        *uid = ++r->gone_uid;
        return true;
    }
    if (!leb_take(&r->gone, &step) || !leb_take(&r->gone, &more) || more >= CHANGE_MAX) return false;
    *uid = r->gone_uid += (uint32_t)step;
    r->gone_more = (uint32_t)more;
    return true;
}
