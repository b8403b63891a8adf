/* thread.c - THREAD and UID THREAD (RFC 5256). */
#include "reader/thread.h"

#include <stdlib.h>

#include "imapd_i.h"
#include "mail/charset.h"
#include "mail/conversation.h"
#include "mail/head.h"

enum { REFERENCES_READ = 10000, REFERENCES_KEPT = 100 }; /* of a message: the nearest ancestors */

struct threading {
    struct imapd_session *s;
    struct arena scratch;
    struct thread_message *v;
};

/* ---- what is asked of each message ---- */

/* The identifiers in References, or the first one in In-Reply-To (section 3, REFERENCES). */
static void take_references(struct threading *x, const struct mail_head *h, struct thread_message *out)
{
    struct slice *id;
    size_t n = mail_message_ids(&x->scratch, mail_head_get(&x->scratch, h, SL("References"), NULL),
                                REFERENCES_READ, &id);
    if (!n) n = mail_message_ids(&x->scratch, mail_head_get(&x->scratch, h, SL("In-Reply-To"), NULL), 1, &id);
    size_t from = n > REFERENCES_KEPT ? n - REFERENCES_KEPT : 0;
    out->nref = n - from;
    out->ref = ar_array(&x->s->a, struct slice, out->nref);
    for (size_t i = from; i < n; i++) out->ref[i - from] = ar_dup(&x->s->a, id[i]);
}

static int take_message(void *arg, size_t k, const struct message *m, struct slice head)
{
    struct threading *x = arg;
    struct thread_message *out = &x->v[k];
    struct mail_head h = {0};
    struct mail_subject subject;
    struct slice *id;
    ar_reset(&x->scratch);
    if (mail_head_parse(&x->scratch, head, &h) != 0 && !h.n) h = (struct mail_head){0};
    mail_subject(&x->scratch, mail_head_get(&x->scratch, &h, SL("Subject"), NULL), &subject);
    out->subject = ar_dup(&x->s->a, collation_key(&x->scratch, x->s->comparator.how, subject.base));
    out->reply = subject.reply;
    out->sent = imapd_sent_date(&x->scratch, &h, m);
    if (mail_message_ids(&x->scratch, mail_head_get(&x->scratch, &h, SL("Message-ID"), NULL), 1, &id))
        out->id = ar_dup(&x->s->a, id[0]);
    take_references(x, &h, out);
    return ar_over(&x->s->a) ? err_set(ERR_LIMIT, "these are too many messages to be put in threads") : 0;
}

/* ---- the answer: of each message which of the found ones it is, and what stands between them ---- */

#define OPEN UINT32_MAX
#define CLOSE (UINT32_MAX - 1)
#define BLANK (UINT32_MAX - 2)

struct answer {
    uint32_t *v; /* on the heap */
    size_t n, room;
};

static void put(struct answer *x, uint32_t what)
{
    if (x->n == x->room) {
        x->room = x->room ? 2 * x->room : 64;
        x->v = xrealloc(x->v, x->room * sizeof *x->v);
    }
    x->v[x->n++] = what;
}

/* One thread: an only child follows its parent, several stand each in brackets (section 4). */
static void put_thread(struct answer *out, const struct thread_node *root)
{
    const struct thread_node *n = root;
    put(out, OPEN);
    for (;;) {
        if (n->message != THREAD_NOBODY) put(out, (uint32_t)n->message);
        if (n->child) {
            if (n->message != THREAD_NOBODY) put(out, BLANK);
            if (n->child->next) put(out, OPEN);
            n = n->child;
            continue;
        }
        for (; n != root && !n->next; n = n->parent)
            if (n->parent->child != n) put(out, CLOSE);
        if (n == root) break;
        put(out, CLOSE);
        put(out, OPEN);
        n = n->next;
    }
    put(out, CLOSE);
}

static void tell_threads(struct imapd_session *s, const struct imapd_kept *k, const struct imapd_found *f)
{
    buf_str(&s->out, k->nvalues ? "* THREAD " : "* THREAD");
    for (size_t i = 0; i < k->nvalues && !conn_error(s->c); i++) {
        uint32_t v = k->value[i];
        if (v == OPEN) buf_char(&s->out, '(');
        else if (v == CLOSE) buf_char(&s->out, ')');
        else if (v == BLANK) buf_char(&s->out, ' ');
        else buf_u64(&s->out, imapd_number(s, f->at[v]));
        if (s->out.n > IMAPD_CHUNK) imapd_flush(s);
        imapd_breathe(i);
    }
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

/* ---- making it ---- */

static int make_threads(struct imapd_session *s, enum imap_threading algorithm, const struct imapd_found *f,
                        struct answer *out, bool *whole)
{
    static const enum thread_order orders[] = {THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS};
    struct threading x = {.s = s, .v = ar_array(&s->a, struct thread_message, f->n)};
    struct thread_node *root = NULL;
    ar_init(&x.scratch, 0);
    int e = imapd_each_found(s, f, true, take_message, &x, whole);
    ar_free(&x.scratch);
    if (!e) e = thread_build(&s->a, orders[algorithm], x.v, f->n, &root);
    for (; root && !e; root = root->next, fiber_breathe()) put_thread(out, root);
    return e;
}

static bool is_about(struct imapd_session *s, const struct imapd_kept *k, const struct imapd_found *f)
{
    bool same = k->n == f->n;
    for (size_t i = 0; i < f->n && same; i++, imapd_breathe(i))
        same = k->uid[i] == view_at(s->view, f->at[i]).uid;
    return same;
}

/* Of just these messages, kept or made. */
static int threads_of(struct imapd_session *s, enum imap_threading algorithm, const struct imapd_found *f,
                      struct imapd_kept **out)
{
    struct imapd_kept_key key = {IMAPD_KEPT_THREADS + (unsigned)algorithm, s->comparator.how};
    struct answer x = {0};
    bool whole = false;
    *out = imapd_kept_get(s, key);
    if (*out && is_about(s, *out, f)) return 0;
    imapd_kept_put(s, out);
    struct imapd_kept *k = *out = imapd_kept_new(s, key, f->n);
    for (size_t i = 0; i < f->n; i++, imapd_breathe(i)) k->uid[i] = view_at(s->view, f->at[i]).uid;
    int e = make_threads(s, algorithm, f, &x, &whole);
    k->value = x.v;
    k->nvalues = x.n;
    if (!e && whole && f->n >= IMAPD_KEPT_LEAST) imapd_kept_keep(s, k);
    return e;
}

static int thread_found(struct imapd_session *s, enum imap_threading algorithm, const struct imapd_found *f)
{
    struct imapd_kept *k;
    int e = threads_of(s, algorithm, f, &k);
    if (!e) tell_threads(s, k, f);
    imapd_kept_put(s, &k);
    return e;
}

void imapd_cmd_thread(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_found found;
    imap_sp(in);
    struct imap_thread_args args = imap_thread_args(in);
    if (imapd_args_bad(s, in) || !imapd_search(s, &args.search, &found)) return;
    if (imapd_found_cut(s, &found)) return;
    int e = thread_found(s, args.algorithm, &found);
    if (e) imapd_failed(s, e);
    else imapd_searched(s, &found, "threaded");
}
