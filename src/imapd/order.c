/* order.c - the order of SORT and the keys for it (RFC 5256, SORT=DISPLAY of RFC 5957, RELEVANCY of RFC
 * 6203). */
#include "reader/order.h"
#include "imapd_i.h"
#include "mail/addr.h"
#include "mail/charset.h"
#include "mail/conversation.h"
#include "mail/date.h"
#include "mail/encoded.h"
#include "mail/head.h"

enum { KEY_BYTES_MAX = 1000 }; /* of a text by which messages are put in order */

struct sort_key {
    int64_t number;
    struct slice text;
    bool reversed; /* by the comparator */
};
struct sorted { /* a message that was found */
    size_t at;  /* its index in the view */
    uint8_t score;
    struct sort_key key[];
};
struct sorting {
    struct imapd_session *s;
    const struct imap_sort_args *args;
    const struct imapd_found *found;
    struct arena scratch;
    struct sorted **v;
};

/* ---- keys ---- */

int64_t imapd_sent_date(struct arena *a, const struct mail_head *h, const struct message *m)
{
    struct mail_date d;
    bool found;
    struct slice date = mail_head_get(a, h, SL("Date"), &found);
    return found && mail_date_parse(date, &d) == 0 ? d.seconds : m ? m->internal_date : 0;
}

/* The first address of the field as ENVELOPE tells it: its mailbox, or what is shown of it. */
static struct slice address_text(struct arena *a, const struct mail_head *h, struct slice field, bool display)
{
    struct mail_addrs v;
    mail_addrs_tell(a, mail_head_get(a, h, field, NULL), &v);
    if (!v.n) return SL("");
    const struct mail_addr *m = &v.v[0];
    if (m->group.n) return m->group; /* ENVELOPE begins with the group's name as a mailbox */
    if (!display) return m->local;
    struct slice name = mail_words_decode(a, m->name);
    if (name.n) return name;
    return m->domain.n ? ar_printf(a, "%.*s@%.*s", SLF(m->local), SLF(m->domain)) : m->local;
}

static struct slice key_text(struct arena *a, const struct mail_head *h, enum imap_sort_key key)
{
    struct mail_subject subject;
    switch (key) {
    case IMAP_SORT_CC: return address_text(a, h, SL("Cc"), false);
    case IMAP_SORT_FROM: return address_text(a, h, SL("From"), false);
    case IMAP_SORT_TO: return address_text(a, h, SL("To"), false);
    case IMAP_SORT_DISPLAYFROM: return address_text(a, h, SL("From"), true);
    case IMAP_SORT_DISPLAYTO: return address_text(a, h, SL("To"), true);
    case IMAP_SORT_SUBJECT:
        mail_subject(a, mail_head_get(a, h, SL("Subject"), NULL), &subject);
        return subject.base;
    default: return SL("");
    }
}

static void make_key(struct sorting *x, const struct mail_head *h, const struct message *m,
                     enum imap_sort_key by, struct sort_key *out)
{
    if (by == IMAP_SORT_RELEVANCY) return;
    if (by == IMAP_SORT_ARRIVAL) out->number = m ? m->internal_date : 0;
    else if (by == IMAP_SORT_SIZE) out->number = m ? (int64_t)m->size : 0;
    else if (by == IMAP_SORT_DATE) out->number = imapd_sent_date(&x->scratch, h, m);
    else {
        struct slice text = collation_key(&x->scratch, x->s->comparator.how, key_text(&x->scratch, h, by));
        out->reversed = x->s->comparator.reversed;
        out->text = ar_dup(&x->s->a, sl_sub(text, 0, KEY_BYTES_MAX));
    }
}

static int make_keys(void *arg, size_t k, const struct message *m, struct slice head)
{
    struct sorting *x = arg;
    struct mail_head h = {0};
    ar_reset(&x->scratch);
    if (mail_head_parse(&x->scratch, head, &h) != 0 && !h.n) h = (struct mail_head){0};
    struct sorted *one = ar_zalloc(&x->s->a, sizeof *one + x->args->n * sizeof *one->key);
    one->at = x->found->at[k];
    one->score = x->found->score ? x->found->score[k] : 100;
    for (size_t i = 0; i < x->args->n; i++) {
        make_key(x, &h, m, x->args->by[i].key, &one->key[i]);
        if (x->args->by[i].key == IMAP_SORT_RELEVANCY) one->key[i].number = -one->score; /* the best first */
    }
    x->v[k] = one;
    return ar_over(&x->s->a) ? err_set(ERR_LIMIT, "these are too many messages to be put in order") : 0;
}

/* ---- order ---- */

static int compare(const void *ctx, const void *a, const void *b)
{
    const struct imap_sort_args *args = ctx;
    const struct sorted *x = a, *y = b;
    for (size_t i = 0; i < args->n; i++) {
        const struct sort_key *p = &x->key[i], *q = &y->key[i];
        int order = p->number != q->number ? (p->number < q->number ? -1 : 1) : sl_cmp(p->text, q->text);
        if (order) return args->by[i].reverse != p->reversed ? -order : order;
    }
    return 0; /* the sort is stable: the mailbox's order */
}

static bool needs_heads(const struct imap_sort_args *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->by[i].key != IMAP_SORT_ARRIVAL && args->by[i].key != IMAP_SORT_SIZE &&
            args->by[i].key != IMAP_SORT_RELEVANCY)
            return true;
    return false;
}

int imapd_sort_found(struct imapd_session *s, const struct imap_sort_args *args, struct imapd_found *f)
{
    struct sorting x = {.s = s, .args = args, .found = f, .v = ar_array(&s->a, struct sorted *, f->n)};
    ar_init(&x.scratch, 0);
    int e = imapd_each_found(s, f, needs_heads(args), make_keys, &x);
    ar_free(&x.scratch);
    if (e) return e;
    order_sort((void **)x.v, f->n, compare, args);
    for (size_t k = 0; k < f->n; k++) {
        f->at[k] = x.v[k]->at;
        if (f->score) f->score[k] = x.v[k]->score;
    }
    return 0;
}
