/* records.c - records of a mailbox's messages, read in pages. */
#include "reader.h"

enum { PAGE = 256 };

void reader_records_begin(struct reader_records *r, struct store *store, struct mailbox_ref box,
                          uint32_t last)
{
    *r = (struct reader_records){.store = store, .box = box, .last = last};
    ar_init(&r->a, 0);
}

void reader_records_end(struct reader_records *r) { ar_free(&r->a); }

int reader_record(struct reader_records *r, uint32_t uid, const struct message **out)
{
    while (r->at < r->n && r->v[r->at].uid < uid) r->at++;
    if (r->at == r->n) {
        size_t limit = r->last - uid < PAGE ? r->last - uid + 1 : PAGE;
        ar_reset(&r->a);
        r->at = r->n = 0;
        int e = message_list(r->store, r->box, uid, limit, &r->a, &r->v, &r->n);
        if (e) return e;
    }
    *out = &r->gone;
    if (r->at == r->n || r->v[r->at].uid != uid) return message_expunged(r->store, r->box, uid, &r->gone);
    *out = &r->v[r->at];
    return 0;
}
