/* copy.c - COPY and MOVE between two accounts. Nothing in the index spans two of them, and no account refers
 * to a body of another one: each copy is a body of its own, appended like any message, so neither the sweep
 * nor the end of the first account can take it away. */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"
#include "reader/reader.h"
#include "store/origin.h"
#include "store/remark.h"

enum {
    ACROSS_MAX = 250,
    COPY_CHUNK = 64 * 1024
}; /* messages of one command: they come all at once or not at all */

struct across {
    struct imapd_session *s;
    const struct imapd_place *to;
    struct message_new v[ACROSS_MAX];
    size_t n;
    char *chunk;
};

static int copy_bytes(struct across *x, struct reader *rd, struct body_writer *w)
{
    uint64_t at = 0;
    while (at < rd->m.size) {
        uint64_t left = rd->m.size - at;
        int64_t got = reader_read(rd, at, x->chunk, left < COPY_CHUNK ? (size_t)left : COPY_CHUNK);
        if (got <= 0)
            return got ? (int)got : err_set(ERR_CORRUPT, "the message is shorter than it should be");
        int e = body_write(w, sl(x->chunk, (size_t)got));
        if (e) return e;
        at += (uint64_t)got;
        fiber_breathe();
    }
    return 0;
}

/* What the record says of the message, with the flags that may be set there; keywords go by their names. */
static void take_record(struct across *x, const struct message *m, struct message_new *out)
{
    size_t at = view_find(x->s->view, m->uid); /* \Seen is the client's, not the owner's */
    uint64_t flags = at == SL_NONE ? m->flags : view_at(x->s->view, at).flags;
    flags &= imapd_may_flag(x->to->rights);
    struct slice *keyword = ar_array(&x->s->a, struct slice, x->s->nkeywords);
    *out = (struct message_new){.flags = flags & (((uint64_t)1 << FLAG_KEYWORD_FIRST) - 1),
                                .keyword = keyword,
                                .internal_date = m->internal_date,
                                .internal_zone = m->internal_zone,
                                .size = m->size,
                                .by_lines = m->by_lines,
                                .head_size = m->head_size,
                                .email_id = ar_cstr(&x->s->a, sl_cstr(m->email_id))};
    for (size_t i = 0; i < x->s->nkeywords && FLAG_KEYWORD_FIRST + i < 64; i++)
        if (flags >> (FLAG_KEYWORD_FIRST + i) & 1) keyword[out->nkeywords++] = x->s->keyword[i];
}

/* The shared ones and the client's own, as far as they may be set there (RFC 5257 section 4.6). */
static int take_remarks(struct across *x, const struct message *m, struct message_new *out)
{
    struct remark *v;
    size_t n, kept = 0;
    if (!m->remarks.n) return 0;
    int e = remark_list(x->s->server->conf.store, imapd_box(x->s), m->uid, x->s->account, &x->s->a, &v, &n);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    for (size_t i = 0; i < n; i++)
        if (x->to->rights & (v[i].shared ? ACL_ANNOTATE : ACL_READ)) v[kept++] = v[i];
    return remark_pack(&x->s->a, x->s->account, v, kept, &out->remarks);
}

static int copy_one(struct across *x, uint32_t uid)
{
    struct reader *rd;
    struct body_writer *w = NULL;
    struct message_new *m = &x->v[x->n];
    struct buf origin = BUF_INIT;
    int e = imapd_reader(x->s, uid, NULL, &rd);
    uint64_t thread = 0;
    if (!e) e = reader_thread(rd, &x->s->a, &thread);
    if (!e) e = body_begin(x->s->server->conf.store->body, BODY_MAIL, &w);
    if (e) return e;
    take_record(x, &rd->m, m);
    e = take_remarks(x, &rd->m, m);
    if (e) {
        body_abandon(&w);
        return e;
    }
    m->thread = thread;
    e = copy_bytes(x, rd, w);
    if (!e) e = origin_message(&origin, x->to->account, &x->to->m, m);
    if (e) body_abandon(&w);
    else e = body_finish(&w, SL(""), buf_slice(&origin), &m->body);
    buf_free(&origin);
    x->n += !e;
    return e;
}

/* The bodies lie there: they become messages, and the old ones go. */
static int keep(struct across *x, const struct imapd_picked *p, bool move, struct message_copied *out)
{
    struct store *store = x->s->server->conf.store;
    uint32_t first, *to = ar_array(&x->s->a, uint32_t, x->n);
    int e = message_append(store, imapd_acting(x->s, x->to->account, x->to->m.id, ACL_INSERT), x->v, x->n,
                           &out->uidvalidity, &first);
    if (e) return e;
    for (size_t i = 0; i < x->n; i++) to[i] = first + (uint32_t)i;
    out->from = p->uid;
    out->to = to;
    out->n = x->n;
    if (!move) return 0;
    return message_expunge(store,
                           imapd_acting(x->s, x->s->view->acc, x->s->view->box, ACL_MARK | ACL_EXPUNGE),
                           (struct uids){p->uid, p->n}, false, &x->s->a, NULL);
}

int imapd_copy_across(struct imapd_session *s, const struct imapd_picked *p, const struct imapd_place *to,
                      bool move, struct message_copied *out)
{
    int e = 0;
    *out = (struct message_copied){0};
    if (p->n > ACROSS_MAX)
        return err_set(ERR_LIMIT, "at most %d messages go to another account at once", ACROSS_MAX);
    struct across *x = xcalloc(1, sizeof *x);
    x->s = s;
    x->to = to;
    x->chunk = ar_alloc(&s->a, COPY_CHUNK);
    for (size_t i = 0; i < p->n && !e && !conn_error(s->c); i++) {
        e = copy_one(x, p->uid[i]);
        imapd_progress(s, i, p->n);
    }
    if (!e) e = conn_error(s->c);
    if (!e && x->n) e = keep(x, p, move, out);
    for (size_t i = 0; i < x->n && e != ERR_UNKNOWN; i++) /* else a row that nobody sees may name them */
        body_unpin(s->server->conf.store->body, &x->v[i].body);
    free(x);
    return e;
}
