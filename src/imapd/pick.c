/* pick.c - which messages of the selected mailbox a set names; there may be a million of them. */
#include "imapd_i.h"

static void pick(struct imapd_picked *p, const struct view *v, bool gone, size_t i)
{
    struct view_msg m = view_at(v, i);
    imapd_breathe(i);
    p->missing |= m.gone;
    if (m.gone && !gone) return;
    p->at[p->n] = i;
    p->uid[p->n++] = m.uid;
}

static void pick_saved(struct imapd_session *s, bool gone, struct imapd_picked *out)
{
    for (size_t i = 0; i < s->nsaved; i++) {
        size_t at = view_find(s->view, s->saved[i]);
        imapd_breathe(i);
        if (at < s->told) pick(out, s->view, gone, at);
    }
}

/* RFC 9738: the newest ones, when they are too many. */
static void keep_newest(struct imapd_session *s, struct imapd_picked *p)
{
    size_t max = s->server->conf.messages_max;
    if (p->n <= max) return;
    p->at += p->n - max;
    p->uid += p->n - max;
    p->n = max;
    p->cut = p->uid[0];
}

bool imapd_pick(struct imapd_session *s, struct imap_set set, bool gone, struct imapd_picked *out)
{
    const struct view *v = s->view;
    size_t n = s->told; /* beyond it the client knows of nothing */
    *out = (struct imapd_picked){.at = ar_array(&s->a, size_t, n), .uid = ar_array(&s->a, uint32_t, n)};
    if (set.saved) {
        pick_saved(s, gone, out);
        keep_newest(s, out);
        return true;
    }
    if (!n) return true;
    imap_set_fix(&set, s->uid ? view_at(v, n - 1).uid : (uint32_t)n);
    for (size_t k = 0; k < set.n; k++) {
        struct imap_range r = set.v[k];
        if (!s->uid && r.lo > n) {
            imapd_bad(s, "there are only %zu messages", n);
            return false;
        }
        size_t i = s->uid ? view_rank(v, r.lo) : r.lo - 1;
        for (; i < n && (s->uid ? view_at(v, i).uid : i + 1) <= r.hi; i++) pick(out, v, gone, i);
    }
    keep_newest(s, out);
    return true;
}
