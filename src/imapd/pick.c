/* pick.c - which messages of the selected mailbox a set names, and the one that is looked into. */
#include "imapd_i.h"

static void pick(struct imapd_picked *p, const struct view *v, bool gone, size_t i)
{
    p->missing |= v->msg[i].gone;
    if (v->msg[i].gone && !gone) return;
    p->at[p->n] = i;
    p->uid[p->n++] = v->msg[i].uid;
}

/* First index whose uid is at least `uid`. */
static size_t lower_bound(const struct view *v, size_t n, uint32_t uid)
{
    size_t from = 0, to = n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (v->msg[mid].uid < uid) from = mid + 1;
        else to = mid;
    }
    return from;
}

static void pick_saved(struct imapd_session *s, bool gone, struct imapd_picked *out)
{
    for (size_t i = 0; i < s->nsaved; i++) {
        size_t at = lower_bound(s->view, s->told, s->saved[i]);
        if (at < s->told && s->view->msg[at].uid == s->saved[i]) pick(out, s->view, gone, at);
    }
}

bool imapd_pick(struct imapd_session *s, struct imap_set set, bool gone, struct imapd_picked *out)
{
    const struct view *v = s->view;
    size_t n = s->told; /* beyond it the client knows of nothing */
    *out = (struct imapd_picked){.at = ar_array(&s->a, size_t, n), .uid = ar_array(&s->a, uint32_t, n)};
    if (set.saved) {
        pick_saved(s, gone, out);
        return true;
    }
    if (!n) return true;
    imap_set_fix(&set, s->uid ? v->msg[n - 1].uid : (uint32_t)n);
    for (size_t k = 0; k < set.n; k++) {
        struct imap_range r = set.v[k];
        if (!s->uid && r.lo > n) {
            imapd_bad(s, "there are only %zu messages", n);
            return false;
        }
        size_t i = s->uid ? lower_bound(v, n, r.lo) : r.lo - 1;
        for (; i < n && (s->uid ? v->msg[i].uid : i + 1) <= r.hi; i++) pick(out, v, gone, i);
    }
    return true;
}

int imapd_reader(struct imapd_session *s, uint32_t uid, const struct message *known, struct reader **out)
{
    int r = 0;
    if (!s->reader || s->reader->m.uid != uid) {
        reader_close(&s->reader);
        r = reader_open(&s->reader, s->server->conf.store, imapd_box(s), uid, known);
    }
    *out = s->reader;
    return r;
}
