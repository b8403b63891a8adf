/* places_test.h - for tests: is each message of an account found by its EMAILID and by its thread, and
 * nothing else? */
#pragma once
#include "base/test.h"
#include "mailbox_i.h"
#include "places.h"

static inline bool is_among(const struct places *p, uint32_t box, uint32_t uid)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].box == box && p->v[i].uid == uid) return true;
    return false;
}

struct looked {
    struct message *m;
    uint32_t *box;
    size_t n;
};

enum { LOOKED_MAX = 8000 };

static inline void look_into_boxes(struct store *s, const char *acc, struct arena *a, struct looked *out)
{
    struct mailbox *box;
    struct message *m;
    size_t boxes, n;
    CHECK_OK(mailbox_list(s, acc, a, &box, &boxes));
    *out = (struct looked){ar_array(a, struct message, LOOKED_MAX), ar_array(a, uint32_t, LOOKED_MAX), 0};
    for (size_t i = 0; i < boxes; i++) {
        struct mailbox_ref ref = {.account = acc, .box = box[i].id};
        n = 1;
        for (uint32_t from = 1; n; from = n ? m[n - 1].uid + 1 : 0) {
            CHECK_OK(message_list(s, ref, from, 1000, a, &m, &n));
            for (size_t k = 0; k < n && out->n < LOOKED_MAX; k++) {
                out->box[out->n] = box[i].id;
                out->m[out->n++] = m[k];
            }
        }
    }
}

/* How many messages there are. */
static inline size_t check_places(struct store *s, const char *acc)
{
    struct arena a;
    struct looked l;
    struct places p;
    struct places_in in = {.account = acc};
    ar_init(&a, 0);
    look_into_boxes(s, acc, &a, &l);
    for (size_t i = 0; i < l.n; i++) {
        size_t same = 0, thread = 0;
        for (size_t k = 0; k < l.n; k++) {
            same += strcmp(l.m[k].email_id, l.m[i].email_id) == 0;
            thread += l.m[k].thread == l.m[i].thread;
        }
        CHECK_OK(places_of_email_id(s, in, sl_cstr(l.m[i].email_id), &a, &p));
        CHECK_INT(p.n, same);
        CHECK(is_among(&p, l.box[i], l.m[i].uid));
        if (i % 16) continue; /* those of one thread are many */
        CHECK_OK(places_of_thread(s, in, l.m[i].thread, &a, &p));
        CHECK_INT(p.n, thread);
        CHECK(is_among(&p, l.box[i], l.m[i].uid));
    }
    ar_free(&a);
    return l.n;
}
