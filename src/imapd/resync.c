/* resync.c - QRESYNC: a client that was away hears what went and what changed since (RFC 7162 section 3.2).
 */
#include "imapd_i.h"

/* Ranges that are in both; both are in order. */
static void put_both(struct buf *b, const struct uid_ranges *gone, const struct imap_set *known)
{
    size_t i = 0, k = 0;
    while (i < gone->n && k < known->n) {
        const struct uid_range *g = &gone->v[i];
        const struct imap_range *r = &known->v[k];
        uint32_t lo = g->lo > r->lo ? g->lo : r->lo, hi = g->hi < r->hi ? g->hi : r->hi;
        if (lo <= hi) {
            if (b->n) buf_char(b, ',');
            buf_u64(b, lo);
            if (hi > lo) buf_printf(b, ":%u", hi);
        }
        if (g->hi < r->hi) i++;
        else k++;
        fiber_breathe();
    }
}

int imapd_tell_vanished_since(struct imapd_session *s, uint64_t modseq, const struct imap_set *known)
{
    struct uid_ranges gone;
    struct buf b = BUF_INIT;
    int e = view_vanished(s->view, modseq, &s->a, &gone);
    if (e) return e;
    put_both(&b, &gone, known);
    if (b.n) {
        buf_str(&s->out, "* VANISHED (EARLIER) ");
        buf_put(&s->out, buf_slice(&b));
        buf_str(&s->out, "\r\n");
        imapd_flush(s);
    }
    buf_free(&b);
    return 0;
}

static void tell_changed_since(struct imapd_session *s, uint64_t modseq, const struct imap_set *known)
{
    for (size_t i = 0; i < s->told && !conn_error(s->c); i++) {
        struct view_msg m = view_at(s->view, i);
        fiber_breathe();
        if (m.modseq <= modseq || !imap_set_has(known, m.uid)) continue;
        imapd_put_fetch(s, i, true);
        buf_str(&s->out, "FLAGS ");
        imapd_put_flags(s, i);
        buf_printf(&s->out, " MODSEQ (%llu))\r\n", (unsigned long long)m.modseq);
        if (s->out.n > IMAPD_CHUNK) imapd_flush(s);
    }
    imapd_flush(s);
}

/* Section 7: numbers that ascend, without '*'. */
static struct imap_set take_ascending(struct imap_in *in)
{
    size_t at = in->at;
    struct imap_set set = imap_set(in);
    bool good = !set.saved;
    for (size_t i = 0; i < set.n && good; i++)
        good = set.v[i].lo && set.v[i].lo <= set.v[i].hi && (!i || set.v[i].lo > set.v[i - 1].hi);
    if (in->code || good) return set;
    in->at = at;
    imap_fail(in, ERR_SYNTAX, "numbers in ascending order, without *, were expected");
    return (struct imap_set){0};
}

static struct imap_set take_known(struct imap_in *in)
{
    size_t at = in->at;
    struct imap_set set = imap_set(in);
    bool good = !set.saved;
    for (size_t i = 0; i < set.n && good; i++) good = set.v[i].lo && set.v[i].hi;
    if (in->code || good) return set;
    in->at = at;
    imap_fail(in, ERR_SYNTAX, "UIDs without * were expected");
    return (struct imap_set){0};
}

/* "(uidvalidity modseq known-uids (sequence-numbers uids))". */
void imapd_take_resync(struct imap_in *in, struct imapd_resync *out)
{
    imap_sp(in);
    imap_need(in, '(');
    out->asked = true;
    out->uidvalidity = (uint32_t)imap_nz_number(in, UINT32_MAX, "0 is no UIDVALIDITY");
    imap_sp(in);
    out->modseq = imap_number(in, INT64_MAX);
    bool more = imap_skip(in, ' ');
    if (more && !imap_skip(in, '(')) {
        out->known = take_known(in);
        more = imap_skip(in, ' ');
        if (more) imap_need(in, '(');
    }
    if (more) {
        out->numbers = take_ascending(in);
        imap_sp(in);
        out->uids = take_ascending(in);
        if (imap_set_count(&out->numbers) != imap_set_count(&out->uids)) /* each number has its UID */
            imap_fail(in, ERR_SYNTAX, "as many UIDs as sequence numbers were expected");
        imap_need(in, ')');
    }
    imap_need(in, ')');
}

/* Numbers of a fixed set, one by one. */
struct walk {
    const struct imap_set *set;
    size_t k;
    uint32_t at;
};

static uint32_t next_of(struct walk *w)
{
    if (w->k == w->set->n) return 0;
    const struct imap_range *r = &w->set->v[w->k];
    w->at = w->at < r->lo ? r->lo : w->at + 1;
    if (w->at == r->hi) w->k++;
    return w->at;
}

/* The last pair of number and uid that is still true: the client knows of all that went below it
 * (section 3.2.5.2). */
static uint32_t last_match(struct imapd_session *s, struct imapd_resync *r)
{
    uint32_t number, uid, match = 0;
    imap_set_fix(&r->numbers, UINT32_MAX);
    imap_set_fix(&r->uids, UINT32_MAX);
    struct walk numbers = {.set = &r->numbers}, uids = {.set = &r->uids};
    while ((number = next_of(&numbers)) && number <= s->told && (uid = next_of(&uids))) {
        if (view_at(s->view, number - 1).uid == uid) match = uid;
        fiber_breathe();
    }
    return match;
}

static struct imap_set above(struct imapd_session *s, const struct imap_set *known, uint32_t uid)
{
    struct imap_set out = {.v = ar_array(&s->a, struct imap_range, known->n)};
    for (size_t i = 0; i < known->n; i++) {
        struct imap_range r = known->v[i];
        if (r.lo <= uid) r.lo = uid + 1;
        if (r.lo && r.lo <= r.hi) out.v[out.n++] = r;
    }
    return out;
}

int imapd_resync(struct imapd_session *s, struct imapd_resync *r)
{
    struct imap_range all = {1, UINT32_MAX};
    if (!r->asked || r->uidvalidity != s->view->uidvalidity) return 0;
    if (!r->known.n) r->known = (struct imap_set){.v = &all, .n = 1};
    imap_set_fix(&r->known, UINT32_MAX);
    struct imap_set unsure = above(s, &r->known, last_match(s, r));
    int e = imapd_tell_vanished_since(s, r->modseq, &unsure);
    if (!e) tell_changed_since(s, r->modseq, &r->known);
    return e;
}
