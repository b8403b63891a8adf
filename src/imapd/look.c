/* look.c - the message that is looked into, and each of those that were found, one after another. */
#include "base/log.h"
#include "imapd_i.h"
#include "reader/reader.h"

int imapd_reader(struct imapd_session *s, uint32_t uid, const struct message *known, struct reader **out)
{
    int e = 0;
    if (!s->reader || s->reader->m.uid != uid) {
        reader_close(&s->reader);
        e = reader_open(&s->reader, s->server->conf.store, imapd_box(s), uid, known);
    }
    *out = s->reader;
    return e;
}

static size_t count(void *arg, uint32_t from, uint32_t to)
{
    const struct view *v = ((struct imapd_session *)arg)->view;
    return view_rank(v, to) - view_rank(v, from);
}

static int go_on(void *arg)
{
    const struct imapd_session *s = arg;
    return fiber_canceled() ? ERR_CANCELED : conn_error(s->c);
}

void imapd_digests_begin(struct imapd_session *s, struct reader_digests *x, enum reader_digest_kind kind,
                         size_t many)
{
    const struct reader_digests_of of = {s->server->conf.store, imapd_box(s), s->view->uidvalidity,
                                         s->view->uidnext};
    reader_digests_begin(x, &of, kind, many,
                         &(struct reader_digests_asker){count, go_on, s, s->server->tails});
}

bool imapd_unreadable(struct imapd_session *s, int e, uint32_t uid, size_t *n)
{
    if (e != ERR_CORRUPT && e != ERR_VERSION && e != ERR_IO) return false;
    if (!(*n)++)
        log_error(s->who, "mailbox %u: the message with UID %u is taken for empty: %s; see tram verify",
                  s->view->box, uid, err_text(e));
    return true;
}

static int read_head(struct imapd_session *s, uint32_t uid, const struct message *m, struct arena *a,
                     struct slice *head)
{
    struct reader *rd;
    int e = imapd_reader(s, uid, m, &rd);
    return e ? e : reader_head(rd, a, head);
}

int imapd_each_found(struct imapd_session *s, const struct imapd_found *f, bool heads,
                     int (*each)(void *arg, size_t k, const struct message *m, struct slice head), void *arg,
                     bool *whole)
{
    struct reader_records records;
    struct reader_digests digests;
    struct arena a;
    size_t unread = 0;
    int e = 0;
    *whole = true;
    if (!f->n) return 0;
    ar_init(&a, 0);
    reader_records_begin(&records, s->server->conf.store, imapd_box(s),
                         view_at(s->view, f->at[f->n - 1]).uid);
    imapd_digests_begin(s, &digests, READER_HEAD, heads ? f->n : 0);
    for (size_t k = 0; k < f->n && !e; k++) {
        const struct message *m = NULL;
        struct slice head = SL("");
        uint32_t uid = view_at(s->view, f->at[k]).uid;
        ar_reset(&a);
        e = reader_record(&records, uid, &m);
        if (!e && heads && !reader_digest(&digests, uid, &head)) e = read_head(s, uid, m, &a, &head);
        if (imapd_unreadable(s, e, uid, &unread)) e = 0, head = SL("");
        if (e == ERR_NOT_FOUND) e = 0, m = NULL;
        *whole &= m && !unread;
        if (!e) e = each(arg, k, m, head);
        if (!e) e = conn_error(s->c);
        imapd_progress(s, k, f->n);
        fiber_breathe();
    }
    reader_digests_end(&digests);
    reader_records_end(&records);
    ar_free(&a);
    return e;
}

void imapd_gone_flags(struct imapd_session *s, size_t i, enum flags_op op, uint64_t flags)
{
    if (!s->view->ngone) return;
    struct view_msg m = view_at(s->view, i);
    uint64_t now = op == FLAGS_ADD ? m.flags | flags : op == FLAGS_REMOVE ? m.flags & ~flags : flags;
    if (m.gone) view_gone_flags(s->view, i, now);
}
