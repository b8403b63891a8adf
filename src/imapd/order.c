/* order.c - the order of SORT and the keys for it (RFC 5256, SORT=DISPLAY of RFC 5957, RELEVANCY of RFC
 * 6203). */
#include "reader/order.h"

#include "imapd_i.h"
#include "mail/charset.h"
#include "mail/head.h"
#include "reader/keys.h"

struct sorting {
    struct imapd_session *s;
    const struct imap_sort_args *args;
    const struct imapd_found *found;
    struct arena *a; /* for the keys */
    struct arena scratch;
    struct imapd_sorted **v;
    struct imapd_found left; /* those whose keys have to be computed, */
    size_t *left_k;          /* and which of the found ones they are */
};

/* ---- keys ---- */

int64_t imapd_sent_date(struct arena *a, const struct mail_head *h, const struct message *m)
{
    int64_t sent;
    return reader_sent(a, h, &sent) ? sent : m ? m->internal_date : 0;
}

static enum reader_key key_of(enum imap_sort_key by)
{
    switch (by) {
    case IMAP_SORT_FROM: return READER_KEY_FROM;
    case IMAP_SORT_TO: return READER_KEY_TO;
    case IMAP_SORT_CC: return READER_KEY_CC;
    case IMAP_SORT_DISPLAYFROM: return READER_KEY_DISPLAY_FROM;
    case IMAP_SORT_DISPLAYTO: return READER_KEY_DISPLAY_TO;
    case IMAP_SORT_SUBJECT: return READER_KEY_SUBJECT;
    default: return READER_KEYS; /* it has no text */
    }
}

static struct imapd_sorted *begin_one(struct sorting *x, size_t k)
{
    struct imapd_sorted *one = ar_zalloc(x->a, sizeof *one + x->args->n * sizeof *one->key);
    one->k = k;
    for (size_t i = 0; i < x->args->n; i++) {
        if (x->args->by[i].key == IMAP_SORT_RELEVANCY) /* the best first */
            one->key[i].number = x->found->score ? -x->found->score[k] : 0;
        if (key_of(x->args->by[i].key) != READER_KEYS || x->args->by[i].key == IMAP_SORT_ANNOTATION)
            one->key[i].reversed = x->s->comparator.reversed;
    }
    return x->v[k] = one;
}

static int too_many(const struct sorting *x)
{
    return ar_over(x->a) ? err_set(ERR_LIMIT, "these are too many messages to be put in order") : 0;
}

static void make_key(struct sorting *x, const struct mail_head *h, const struct message *m,
                     enum imap_sort_key by, struct imapd_sort_key *out)
{
    enum reader_key key = key_of(by);
    if (by == IMAP_SORT_ARRIVAL) out->number = m ? m->internal_date : 0;
    else if (by == IMAP_SORT_SIZE) out->number = m ? (int64_t)m->size : 0;
    else if (by == IMAP_SORT_ANNOTATION) return;
    else if (by == IMAP_SORT_DATE) out->number = imapd_sent_date(&x->scratch, h, m);
    else if (key != READER_KEYS)
        out->text = ar_dup(x->a, reader_key(&x->scratch, h, key, x->s->comparator.how));
}

/* Of the k-th of those that are left. */
static int make_keys(void *arg, size_t k, const struct message *m, struct slice head)
{
    struct sorting *x = arg;
    struct mail_head h = {0};
    int e = 0;
    ar_reset(&x->scratch);
    if (mail_head_parse(&x->scratch, head, &h) != 0 && !h.n) h = (struct mail_head){0};
    struct imapd_sorted *one = begin_one(x, x->left_k[k]);
    for (size_t i = 0; i < x->args->n && !e; i++) {
        make_key(x, &h, m, x->args->by[i].key, &one->key[i]);
        if (m && x->args->by[i].key == IMAP_SORT_ANNOTATION)
            e = imapd_annotation_sort(x->s, m, &x->args->by[i], x->a, &one->key[i].text);
    }
    return e ? e : too_many(x);
}

/* ---- keys that were computed before ---- */

/* False: not all that is asked for is among them. */
static bool take_kept(struct sorting *x, struct reader_digests *d, size_t k)
{
    struct slice text;
    struct reader_keys keys;
    if (!reader_digest(d, view_at(x->s->view, x->found->at[k]).uid, &text) || !reader_keys_get(text, &keys))
        return false;
    for (size_t i = 0; i < x->args->n; i++)
        if (x->args->by[i].key == IMAP_SORT_DATE && !keys.dated) return false; /* the internal date, then */
    struct imapd_sorted *one = begin_one(x, k);
    for (size_t i = 0; i < x->args->n; i++) {
        enum reader_key key = key_of(x->args->by[i].key);
        if (key != READER_KEYS) one->key[i].text = ar_dup(x->a, keys.text[key]);
        else if (x->args->by[i].key == IMAP_SORT_DATE) one->key[i].number = keys.sent;
    }
    return true;
}

/* They are those of the default comparator, and say nothing of what stands in records. */
static bool may_be_kept(const struct sorting *x)
{
    bool heads = false;
    for (size_t i = 0; i < x->args->n; i++) {
        enum imap_sort_key by = x->args->by[i].key;
        if (by == IMAP_SORT_ARRIVAL || by == IMAP_SORT_SIZE || by == IMAP_SORT_ANNOTATION) return false;
        heads |= by != IMAP_SORT_RELEVANCY;
    }
    return heads && x->s->comparator.how == COLLATION_UNICODE_CASEMAP;
}

static int take_all_kept(struct sorting *x)
{
    struct reader_digests d;
    bool may = may_be_kept(x);
    int e = 0;
    imapd_digests_begin(x->s, &d, READER_ORDER, may ? x->found->n : 0);
    for (size_t k = 0; k < x->found->n && !e; k++) {
        if (!may || !take_kept(x, &d, k)) {
            x->left.at[x->left.n] = x->found->at[k];
            x->left_k[x->left.n++] = k;
        }
        e = too_many(x);
        if (!e) e = conn_error(x->s->c);
        fiber_breathe();
    }
    reader_digests_end(&d);
    return e;
}

/* ---- order ---- */

int imapd_sort_compare(const void *ctx, const void *a, const void *b)
{
    const struct imap_sort_args *args = ctx;
    const struct imapd_sorted *x = a, *y = b;
    for (size_t i = 0; i < args->n; i++) {
        const struct imapd_sort_key *p = &x->key[i], *q = &y->key[i];
        int order = p->number != q->number ? (p->number < q->number ? -1 : 1) : sl_cmp(p->text, q->text);
        if (order) return args->by[i].reverse != p->reversed ? -order : order;
    }
    return 0; /* the sort is stable: the mailbox's order */
}

static bool needs_heads(const struct imap_sort_args *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->by[i].key != IMAP_SORT_ARRIVAL && args->by[i].key != IMAP_SORT_SIZE &&
            args->by[i].key != IMAP_SORT_RELEVANCY && args->by[i].key != IMAP_SORT_ANNOTATION)
            return true;
    return false;
}

int imapd_sort_keys(struct imapd_session *s, const struct imap_sort_args *args, const struct imapd_found *f,
                    struct arena *a, struct imapd_sorted **v, bool *whole)
{
    struct sorting x = {.s = s,
                        .args = args,
                        .found = f,
                        .a = a,
                        .v = v,
                        .left.at = ar_array(a, size_t, f->n),
                        .left_k = ar_array(a, size_t, f->n)};
    ar_init(&x.scratch, 0);
    int e = take_all_kept(&x);
    if (!e) e = imapd_each_found(s, &x.left, needs_heads(args), make_keys, &x, whole);
    ar_free(&x.scratch);
    return e;
}

int imapd_sort_by_keys(struct imapd_session *s, const struct imap_sort_args *args, struct imapd_found *f)
{
    struct imapd_sorted **v = ar_array(&s->a, struct imapd_sorted *, f->n);
    struct imapd_found out = {.at = ar_array(&s->a, size_t, f->n)};
    bool whole;
    if (f->score) out.score = ar_array(&s->a, uint8_t, f->n);
    int e = imapd_sort_keys(s, args, f, &s->a, v, &whole);
    if (e) return e;
    order_sort((void **)v, f->n, imapd_sort_compare, args);
    for (size_t k = 0; k < f->n; k++) {
        out.at[k] = f->at[v[k]->k];
        if (f->score) out.score[k] = f->score[v[k]->k];
    }
    f->at = out.at;
    f->score = out.score;
    return 0;
}
