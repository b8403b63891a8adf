/* by_id.c - SEARCH for an EMAILID or a THREADID (RFC 8474 section 6): the store knows where such messages are
 * (store/places.h), so no message is looked into; but each of which nobody knows yet to which thread it
 * belongs, once. */
#include "base/log.h"
#include "imapd_i.h"
#include "store/places.h"

struct imapd_by_id {
    size_t n;
    uint32_t uid[];
};

bool imapd_by_id_has(const struct imapd_by_id *x, uint32_t uid)
{
    size_t from = 0, to = x->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (x->uid[mid] < uid) from = mid + 1;
        else to = mid;
    }
    return from < x->n && x->uid[from] == uid;
}

static int find_thread(struct imapd_session *s, uint32_t uid, struct arena *a)
{
    struct reader *rd;
    uint64_t thread;
    int e = imapd_reader(s, uid, NULL, &rd);
    return e ? e : reader_thread(rd, a, &thread);
}

/* One that cannot be read is in no thread. */
static int find_threads(struct imapd_session *s)
{
    struct places unknown;
    struct arena a, each;
    size_t unread = 0;
    ar_init(&a, 0);
    ar_init(&each, 0);
    int e = places_of_thread(s->server->conf.store, s->view->acc, 0, s->view->box, &a, &unknown);
    for (size_t i = 0; e == 0 && i < unknown.n && !conn_error(s->c); i++) {
        e = fiber_canceled() ? ERR_CANCELED : find_thread(s, unknown.v[i].uid, &each);
        if (e == ERR_NOT_FOUND || imapd_unreadable(s, e, unknown.v[i].uid, &unread)) e = 0;
        ar_reset(&each);
        imapd_progress(s, i, unknown.n);
        fiber_breathe();
    }
    ar_free(&each);
    ar_free(&a);
    return e;
}

static int find(struct imapd_session *s, const struct imap_search *k, struct arena *a, struct places *out)
{
    struct store *store = s->server->conf.store;
    if (k->key == IMAP_KEY_EMAILID)
        return places_of_email_id(store, s->view->acc, k->text, s->view->box, a, out);
    *out = (struct places){0};
    if (!k->number) return 0;
    int e = find_threads(s);
    return e ? e : places_of_thread(store, s->view->acc, k->number, s->view->box, a, out);
}

struct imapd_by_id *imapd_by_id(struct imapd_session *s, const struct imap_search *k)
{
    struct imapd_by_id *x = NULL;
    struct places found;
    struct arena a;
    ar_init(&a, 0);
    int e = find(s, k, &a, &found);
    if (e == 0) {
        x = ar_alloc(&s->a, sizeof *x + found.n * sizeof x->uid[0]);
        x->n = found.n;
        for (size_t i = 0; i < found.n; i++) x->uid[i] = found.v[i].uid;
    } else if (e != ERR_CANCELED) {
        log_warn(s->who, "mailbox %u: each message is looked at for its id: %s", s->view->box, err_text(e));
    }
    ar_free(&a);
    return x;
}
