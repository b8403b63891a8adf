/* annotated.c - annotations of messages (RFC 5257): what FETCH and news tell, SEARCH and SORT ask for. */
#include "base/text.h"
#include "imapd_i.h"
#include "reader/reader.h"
#include "store/remark.h"

/* ---- parts ---- */

static int has_part(struct reader *rd, struct slice entry)
{
    struct slice part, number;
    uint32_t path[IMAP_PATH_MAX];
    size_t n = 0;
    uint64_t v;
    if (!imap_entry_part(entry, &part)) return 0;
    int e = reader_tree(rd);
    if (e) return e;
    while (n < IMAP_PATH_MAX && sl_next(&part, '.', &number) && num_u64(number, UINT32_MAX, &v))
        path[n++] = (uint32_t)v;
    if (mime_imap_part(rd->tree, path, n)) return 0;
    return err_set(ERR_SYNTAX, "there is no part %.*s of the message", SLF(sl_from(entry, 1)));
}

int imapd_annotated_parts(struct reader *rd, const struct imap_annotations *v)
{
    int e = 0;
    for (size_t i = 0; i < v->n && !e; i++) e = has_part(rd, v->v[i].entry);
    return e;
}

/* ---- reading ---- */

static int read_remarks(struct imapd_session *s, const struct message *m, struct arena *a, struct remark **v,
                        size_t *n)
{
    *n = 0;
    if (!m->remarks.n) return 0;
    int e = remark_list(s->server->conf.store, imapd_box(s), m->uid, s->account, a, v, n);
    if (e == ERR_NOT_FOUND) *n = 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

static struct slice value_of(const struct remark *v, size_t n, struct slice entry, bool shared)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].shared == shared && sl_eq(v[i].entry, entry)) return v[i].value;
    return (struct slice){0};
}

int imapd_asked_parts(struct imapd_session *s, uint32_t uid, const struct imap_fetch *f)
{
    struct reader *rd = NULL;
    struct slice part;
    int e = 0;
    for (size_t k = 0; k < f->n; k++) {
        const struct imap_annotation_want *w = f->item[k].annotation;
        for (size_t i = 0; w && i < w->n && !e; i++) {
            if (imap_entry_has_wild(w->entry[i]) || !imap_entry_part(w->entry[i], &part)) continue;
            e = imapd_reader(s, uid, NULL, &rd);
            if (!e) e = has_part(rd, w->entry[i]);
        }
    }
    return e;
}

/* The entries that the pattern names, each once; what is named as it is comes whether there is any or not. */
struct naming {
    struct imapd_session *s;
    const struct imap_annotation_want *w;
    const struct remark *v;
    size_t n, put;
    struct slice *told;
};

static void put_entry(struct naming *x, struct slice entry)
{
    for (size_t i = 0; i < x->put; i++)
        if (sl_eq(x->told[i], entry)) return;
    buf_str(&x->s->out, x->put ? " " : "ANNOTATION (");
    x->told[x->put++] = entry;
    imap_put_annotation(&x->s->out, entry, x->w->attributes, value_of(x->v, x->n, entry, false),
                        value_of(x->v, x->n, entry, true));
}

static void put_named(struct naming *x, struct slice pattern)
{
    const unsigned shared = IMAP_VALUE_SHARED | IMAP_SIZE_SHARED, own = IMAP_VALUE_PRIV | IMAP_SIZE_PRIV;
    if (!imap_entry_has_wild(pattern)) {
        put_entry(x, pattern);
        return;
    }
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].value.p && x->w->attributes & (x->v[i].shared ? shared : own) &&
            imap_entry_match(pattern, x->v[i].entry))
            put_entry(x, x->v[i].entry);
}

int imapd_put_annotations(struct imapd_session *s, const struct message *m,
                          const struct imap_annotation_want *w, struct arena *a, bool *put)
{
    struct remark *v = NULL;
    size_t n;
    *put = false;
    int e = read_remarks(s, m, a, &v, &n);
    if (e) return e;
    struct naming x = {.s = s, .w = w, .v = v, .n = n, .told = ar_array(a, struct slice, n + w->n)};
    for (size_t i = 0; i < w->n; i++) put_named(&x, w->entry[i]);
    if (x.put) buf_char(&s->out, ')');
    *put = x.put;
    return 0;
}

/* ---- news ---- */

/* Only the names (section 4.4). */
void imapd_put_annotated(struct imapd_session *s, size_t i)
{
    struct arena a;
    struct remark *v;
    size_t n = 0, put = 0;
    if (!(s->notify ? s->notify_annotates : s->annotates)) return;
    ar_init(&a, 0);
    if (remark_list(s->server->conf.store, imapd_box(s), view_at(s->view, i).uid, s->account, &a, &v, &n))
        n = 0;
    for (size_t k = 0; k < n; k++) {
        bool twice = false;
        for (size_t j = 0; j < k; j++) twice |= v[j].modseq > s->told_modseq && sl_eq(v[j].entry, v[k].entry);
        if (twice || v[k].modseq <= s->told_modseq) continue;
        buf_str(&s->out, put++ ? " " : " ANNOTATION (");
        imap_put_astring(&s->out, v[k].entry, false);
    }
    if (put) buf_char(&s->out, ')');
    ar_free(&a);
}

/* ---- searching, sorting ---- */

bool imapd_annotation_has(struct arena *a, enum collation how, const struct remark *v, size_t n,
                          const struct imap_search *key)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!v[i].value.p || !(key->flag & (v[i].shared ? IMAP_VALUE_SHARED : IMAP_VALUE_PRIV))) continue;
        if (!imap_entry_match(key->field, v[i].entry)) continue;
        any = true;
        if (key->text.p && sl_find(collation_fold_ar(a, how, v[i].value), key->text) != SL_NONE) return true;
    }
    return !key->text.p && !any; /* NIL: it has none */
}

int imapd_annotation_sort(struct imapd_session *s, const struct message *m, const struct imap_sort *by,
                          struct arena *a, struct slice *out)
{
    struct arena scratch;
    struct remark *v = NULL;
    size_t n;
    *out = SL("");
    ar_init(&scratch, 0);
    int e = read_remarks(s, m, &scratch, &v, &n);
    struct slice value = e ? SL("") : value_of(v, n, by->entry, by->shared);
    if (value.n) *out = collation_fold_ar(a, s->comparator.how, ar_dup(a, value));
    ar_free(&scratch);
    return e;
}
