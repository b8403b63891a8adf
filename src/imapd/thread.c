/* thread.c - THREAD and UID THREAD (RFC 5256). */
#include "reader/thread.h"

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

/* ---- the answer ---- */

/* One thread: an only child follows its parent, several stand each in brackets (section 4). */
static void put_thread(struct buf *out, const uint32_t *number, const struct thread_node *root)
{
    const struct thread_node *n = root;
    buf_char(out, '(');
    for (;;) {
        if (n->message != THREAD_NOBODY) buf_u64(out, number[n->message]);
        if (n->child) {
            if (n->message != THREAD_NOBODY) buf_char(out, ' ');
            if (n->child->next) buf_char(out, '(');
            n = n->child;
            continue;
        }
        for (; n != root && !n->next; n = n->parent)
            if (n->parent->child != n) buf_char(out, ')');
        if (n == root) break;
        buf_str(out, ")(");
        n = n->next;
    }
    buf_char(out, ')');
}

static int thread_found(struct imapd_session *s, enum imap_threading algorithm, const struct imapd_found *f)
{
    static const enum thread_order orders[] = {THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS};
    struct threading x = {.s = s, .v = ar_array(&s->a, struct thread_message, f->n)};
    struct thread_node *root = NULL;
    uint32_t *number = ar_array(&s->a, uint32_t, f->n);
    ar_init(&x.scratch, 0);
    int e = imapd_each_found(s, f, true, take_message, &x);
    ar_free(&x.scratch);
    if (!e) e = thread_build(&s->a, orders[algorithm], x.v, f->n, &root);
    if (e) return e;
    for (size_t k = 0; k < f->n; k++) number[k] = imapd_number(s, f->at[k]);
    buf_str(&s->out, "* THREAD");
    if (root) buf_char(&s->out, ' ');
    for (; root; root = root->next) put_thread(&s->out, number, root);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    return 0;
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
