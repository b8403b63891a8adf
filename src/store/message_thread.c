/* message_thread.c - which messages belong together (RFC 8474 section 5.2): found out when somebody first
 * asks, and kept with the message from then on, for a THREADID that was told never changes.
 *
 * A row k/<kind>/<hash> leads from what relates messages to their thread: the EMAILID, so that copies have
 * one thread; the message's own identifier and those it refers to, so that it does not matter who of two
 * relatives is asked for first; the base subject. They stay when the messages go: an answer to one that was
 * deleted belongs to the rest. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "mailbox_i.h"

enum { RELATION_ROW = 1, SUBJECT_DAYS = 30 };

struct relation_row {
    uint64_t thread;
    int64_t time; /* internal date of the message that brought it */
};

static struct slice relation_key(char kind, struct slice what, char room[KEY_ROOM])
{
    memcpy(room, "k/?/", 4);
    room[2] = kind;
    return sl(room, 4 + hex_digits(room + 4, hash_stable(what, false), 16));
}

static int relation_get(struct slice value, struct relation_row *out)
{
    struct rec r;
    *out = (struct relation_row){0};
    int e = rec_open(&r, value, RELATION_ROW);
    while (e == 0 && rec_next(&r)) {
        if (r.tag == 'T') out->thread = rec_u64(&r);
        if (r.tag == 't') out->time = (int64_t)rec_u64(&r);
    }
    return e ? e : rec_error(&r);
}

struct relating {
    struct kv_tx *tx;
    const struct message *m;
    uint64_t thread; /* 0: none was found yet */
};

/* A damaged row relates to nothing; it is written anew. */
static int look(struct relating *x, char kind, struct slice what, bool *found)
{
    char room[KEY_ROOM];
    struct relation_row row;
    struct slice value;
    int e = kv_tx_get(x->tx, relation_key(kind, what, room), &value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (relation_get(value, &row)) return 0;
    int64_t apart =
        row.time > x->m->internal_date ? row.time - x->m->internal_date : x->m->internal_date - row.time;
    *found = kind != 's' || apart <= SUBJECT_DAYS * 86400;
    if (*found && !x->thread) x->thread = row.thread;
    return 0;
}

static void relate(struct relating *x, char kind, struct slice what)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, RELATION_ROW);
    rec_put_u64(&b, 'T', x->thread);
    rec_put_u64(&b, 't', (uint64_t)x->m->internal_date);
    kv_tx_put_record(x->tx, relation_key(kind, what, room), &b);
    buf_free(&b);
}

/* The first that is known decides; those that are not known yet lead to the same thread from now on. */
static int find_thread(struct relating *x, const struct message_relations *r, uint64_t fresh)
{
    bool known[MESSAGE_RELATIONS_MAX] = {false}, copy = false, subject = false;
    int e = look(x, 'e', sl_cstr(x->m->email_id), &copy);
    for (size_t i = 0; e == 0 && i < r->n; i++) e = look(x, 'i', r->id[i], &known[i]);
    if (e == 0 && r->reply && r->subject.n) e = look(x, 's', r->subject, &subject);
    if (e) return e;
    if (!x->thread) x->thread = fresh;
    if (!copy) relate(x, 'e', sl_cstr(x->m->email_id));
    for (size_t i = 0; i < r->n; i++)
        if (!known[i]) relate(x, 'i', r->id[i]);
    if (r->subject.n) relate(x, 's', r->subject);
    return 0;
}

/* That of a thread which begins with the message: as its EMAILID is nobody else's, so is this. */
static uint64_t fresh_thread(const struct message *m)
{
    uint64_t thread = hash_stable(sl_cstr(m->email_id), false);
    return thread ? thread : 1;
}

struct threading {
    uint32_t box;
    struct message_threading *v;
    size_t n;
    char email_id[MESSAGE_THREADS_MAX][EMAIL_ID_MAX + 1]; /* of those that were read and have no thread */
};

/* *found: one more was found out. */
static int thread_one(struct kv_tx *tx, const struct account_row *a, uint32_t box, struct batch_range *near,
                      struct message_threading *t, bool *found)
{
    struct message m;
    struct relating x = {.tx = tx, .m = &m};
    int e = message_tx(tx, box, t->uid, near, &m);
    if (e) return e;
    t->thread = m.thread;
    if (m.thread) return 0;
    e = find_thread(&x, &t->relations, fresh_thread(&m));
    if (e) return e;
    places_del(tx, a, box, &m);
    t->thread = m.thread = x.thread;
    places_put(tx, a, box, &m);
    message_row_put(tx, box, &m);
    *found = true;
    return 0;
}

/* What the rest of them needs is fetched together, not one after the other. */
static void want_rest(struct kv_tx *tx, const struct threading *t, size_t from,
                      const struct batch_range *near)
{
    char room[KEY_ROOM];
    for (size_t i = from; i < t->n; i++) messages_want(tx, t->box, &t->v[i].uid, 1, near);
    for (size_t i = from; i < t->n; i++) {
        const struct message_relations *r = &t->v[i].relations;
        if (t->email_id[i][0]) kv_tx_want(tx, relation_key('e', sl_cstr(t->email_id[i]), room));
        for (size_t k = 0; k < r->n; k++) kv_tx_want(tx, relation_key('i', r->id[k], room));
        if (r->reply && r->subject.n) kv_tx_want(tx, relation_key('s', r->subject, room));
    }
}

/* All are read first: by their EMAILIDs what they are related to can be fetched together, too. */
static int read_all(struct kv_tx *tx, struct threading *t, struct batch_range *near)
{
    struct message m;
    int e = 0;
    memset(t->email_id, 0, sizeof t->email_id);
    for (size_t i = 0; e == 0 && i < t->n; i++) {
        e = message_tx(tx, t->box, t->v[i].uid, near, &m);
        if (e == 0 && !m.thread) memcpy(t->email_id[i], m.email_id, sizeof m.email_id);
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0; /* told for each */
    }
    return e;
}

static int thread_tx(struct kv_tx *tx, void *arg)
{
    struct threading *t = arg;
    struct account_row a;
    struct batch_range near = {0};
    uint64_t before;
    size_t i = 0;
    int e = account_tx(tx, &a);
    before = e ? 0 : a.threaded;
    if (e == 0) e = read_all(tx, t, &near);
    for (; e == 0 && i < t->n; i++) {
        bool found = false;
        t->v[i].thread = 0;
        e = thread_one(tx, &a, t->box, &near, &t->v[i], &found);
        a.threaded += found; /* not the modseq: nothing that a view shows has changed */
        if (t->n > 1 && (e == ERR_NOT_FOUND || err_is_damage(e))) e = 0;
    }
    if (e) want_rest(tx, t, i ? i - 1 : 0, &near);
    else if (a.threaded != before) account_row_put(tx, &a);
    return e;
}

int message_threads(struct store *s, struct mailbox_ref box, struct message_threading *v, size_t n)
{
    char room[KEY_ROOM];
    struct threading t = {.box = box.box, .v = v, .n = n};
    struct slice object = account_object(box.account, room);
    ASSERT(n <= MESSAGE_THREADS_MAX);
    return (n > 1 ? kv_transact_large : kv_transact)(s->kv, object, thread_tx, &t);
}

int message_thread(struct store *s, struct mailbox_ref box, uint32_t uid, const struct message_relations *r,
                   uint64_t *thread)
{
    struct message_threading one = {.uid = uid, .relations = *r};
    int e = message_threads(s, box, &one, 1);
    *thread = e ? 0 : one.thread;
    return e;
}
