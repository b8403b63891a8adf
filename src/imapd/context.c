/* context.c - searches whose results are kept up to date (RFC 5267): a context remembers the arguments as
 * text and the UIDs found. When the mailbox changes, only messages that changed are asked again. */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"

enum {
    CONTEXTS_MAX = 8,       /* of a session */
    RESULTS_MAX = 100000,   /* of one SEARCH */
    SORTED_MAX = 5000,      /* of one SORT: a new message has all of them put in order again */
    CONTEXT_TEXT_MAX = 8192 /* arguments */
};

struct imapd_context {
    struct imapd_context *next;
    char tag[IMAP_TAG_MAX + 1];
    char *text; /* the arguments */
    size_t ntext;
    bool uid, sorted;
    struct imapd_comparator comparator; /* as it was when the command came */
    uint64_t modseq;                    /* the results are as of this one */
    uint32_t *v;                        /* uids in the order of the results */
    size_t n;
};

struct imapd_context *imapd_context_find(const struct imapd_session *s, struct slice tag)
{
    struct imapd_context *c = s->contexts;
    while (c && !sl_eq(sl_cstr(c->tag), tag)) c = c->next;
    return c;
}

static void context_free(struct imapd_context *c)
{
    free(c->text);
    free(c->v);
    free(c);
}

void imapd_contexts_end(struct imapd_session *s)
{
    while (s->contexts) {
        struct imapd_context *c = s->contexts;
        s->contexts = c->next;
        context_free(c);
    }
}

/* ---- beginning ---- */

static size_t count(const struct imapd_session *s)
{
    size_t n = 0;
    for (const struct imapd_context *c = s->contexts; c; c = c->next) n++;
    return n;
}

/* Section 4.3.1. Numbers and "$" mean what they meant when the command came, filters may change. */
static const char *why_not(const struct imapd_session *s, const struct imap_search_args *args, size_t ntext,
                           bool sorted, const struct imapd_found *f)
{
    if (count(s) >= CONTEXTS_MAX) return "too many searches are being updated";
    if (f->n > (sorted ? SORTED_MAX : RESULTS_MAX) || f->cut) return "these are too many results";
    if (args->numbers || args->saved || args->filters)
        return "only searches without sequence numbers, $ and filters are updated";
    return ntext > CONTEXT_TEXT_MAX ? "the search is too long" : NULL;
}

void imapd_context_begin(struct imapd_session *s, const struct imap_search_args *args, struct slice text,
                         const struct imap_sort_args *sort, const struct imapd_found *f)
{
    if (!(args->wants & IMAP_RETURN_UPDATE) || s->state != IMAPD_SELECTED) return;
    const char *why = why_not(s, args, text.n, sort, f);
    for (size_t i = 0; sort && i < sort->n; i++)
        if (sort->by[i].key == IMAP_SORT_ANNOTATION) why = "an order by annotations is not updated";
    if (why) {
        buf_str(&s->out, "* NO [NOUPDATE ");
        imap_put_string(&s->out, s->tag, false);
        buf_printf(&s->out, "] %s\r\n", why);
        imapd_flush(s);
        return;
    }
    struct imapd_context *c = xcalloc(1, sizeof *c);
    snprintf(c->tag, sizeof c->tag, "%.*s", SLF(s->tag));
    c->text = xstrndup(text.p, text.n);
    c->ntext = text.n;
    c->uid = s->uid;
    c->sorted = sort;
    c->comparator = s->comparator;
    c->modseq = s->view->modseq;
    c->v = xcalloc(f->n ? f->n : 1, sizeof *c->v);
    for (c->n = 0; c->n < f->n; c->n++) c->v[c->n] = view_at(s->view, f->at[c->n]).uid;
    c->next = s->contexts;
    s->contexts = c;
}

bool imapd_context_cancel(struct imapd_session *s, struct slice tag)
{
    for (struct imapd_context **p = &s->contexts; *p; p = &(*p)->next) {
        struct imapd_context *c = *p;
        if (!sl_eq(sl_cstr(c->tag), tag)) continue;
        *p = c->next;
        context_free(c);
        return true;
    }
    return false;
}

/* ---- telling ---- */

struct telling {
    struct imapd_session *s;
    struct imapd_context *c;
    const char *what; /* ADDTO, REMOVEFROM */
    uint32_t *v;      /* numbers, or with a sorted context pairs of position and number */
    size_t n;
};

static struct telling begin(struct imapd_session *s, struct imapd_context *c, const char *what, size_t most)
{
    return (struct telling){s, c, what, ar_array(&s->a, uint32_t, 2 * most + 1), 0};
}

static void tell(struct telling *t, uint32_t uid, size_t position)
{
    uint32_t number = t->c->uid ? uid : (uint32_t)view_find(t->s->view, uid) + 1;
    if (t->c->sorted) t->v[t->n++] = (uint32_t)position;
    t->v[t->n++] = number;
}

static void end(struct telling *t)
{
    struct buf *out = &t->s->out;
    if (!t->n) return;
    buf_str(out, "* ESEARCH (TAG ");
    imap_put_string(out, sl_cstr(t->c->tag), false);
    buf_printf(out, ")%s %s (", t->c->uid ? " UID" : "", t->what);
    if (!t->c->sorted) {
        buf_str(out, "0 ");
        imap_put_set(out, t->v, t->n);
    }
    for (size_t i = 0; t->c->sorted && i < t->n; i += 2)
        buf_printf(out, "%s%u %u", i ? " " : "", t->v[i], t->v[i + 1]);
    buf_str(out, ")\r\n");
    imapd_flush(t->s);
}

/* Those for which leaves() holds go; what stays keeps its order. */
static void remove_some(struct imapd_session *s, struct imapd_context *c,
                        bool (*leaves)(const void *arg, uint32_t uid), const void *arg)
{
    struct telling t = begin(s, c, "REMOVEFROM", c->n);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (leaves(arg, c->v[i])) tell(&t, c->v[i], kept + 1);
        else c->v[kept++] = c->v[i];
    }
    c->n = kept;
    end(&t);
}

static bool is_gone(const void *arg, uint32_t uid)
{
    const struct imapd_session *s = arg;
    size_t i = view_find(s->view, uid);
    return i == SL_NONE || view_at(s->view, i).gone;
}

void imapd_contexts_gone(struct imapd_session *s)
{
    for (struct imapd_context *c = s->contexts; c; c = c->next) remove_some(s, c, is_gone, s);
}

/* ---- what changed ---- */

struct change {
    struct imapd_session *s;
    uint64_t since;
    const struct imapd_found *now; /* of what changed: what matches, in the mailbox's order */
};

/* It changed, and does not match any more. */
static bool no_longer(const void *arg, uint32_t uid)
{
    const struct change *x = arg;
    size_t i = view_find(x->s->view, uid), from = 0, to = x->now->n;
    if (i == SL_NONE || view_at(x->s->view, i).modseq <= x->since) return false;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (x->now->at[mid] < i) from = mid + 1;
        else to = mid;
    }
    return from == x->now->n || x->now->at[from] != i;
}

static int by_index(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* What was found before and is there, with what matches now: *at ascending. */
static size_t both(struct imapd_session *s, const struct imapd_context *c, const struct imapd_found *now,
                   size_t *at)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        size_t k = view_find(s->view, c->v[i]);
        if (k != SL_NONE) at[n++] = k;
    }
    if (now->n) memcpy(at + n, now->at, now->n * sizeof *at);
    n += now->n;
    qsort(at, n, sizeof *at, by_index);
    for (size_t i = 0; i < n; i++)
        if (!i || at[i] != at[i - 1]) at[kept++] = at[i];
    return kept;
}

/* The results as they are now; those that were not among them are told with their places. */
static void add_some(struct imapd_session *s, struct imapd_context *c, const struct imapd_found *f)
{
    struct telling t = begin(s, c, "ADDTO", f->n);
    uint32_t *v = xcalloc(f->n ? f->n : 1, sizeof *v);
    bool *was = ar_array(&s->a, bool, s->view->n + 1);
    for (size_t i = 0; i < c->n; i++) {
        size_t at = view_find(s->view, c->v[i]);
        if (at != SL_NONE) was[at] = true;
    }
    for (size_t i = 0; i < f->n; i++) {
        v[i] = view_at(s->view, f->at[i]).uid;
        if (!was[f->at[i]]) tell(&t, v[i], i + 1);
    }
    free(c->v);
    c->v = v;
    c->n = f->n;
    end(&t);
}

static int parse(struct imapd_session *s, const struct imapd_context *c, struct imap_sort_args *out)
{
    struct imap_in in;
    in = imapd_in(s, &s->a, sl(c->text, c->ntext));
    if (c->sorted) *out = imap_sort_args(&in);
    else out->search = imap_search_args(&in);
    return imap_done(&in);
}

static int update(struct imapd_session *s, struct imapd_context *c)
{
    struct imap_sort_args args = {0};
    struct imapd_found now, all = {0};
    int e = parse(s, c, &args);
    if (!e) e = imapd_search_run(s, &args.search, c->modseq, &now);
    if (e) return e;
    struct change x = {s, c->modseq, &now};
    remove_some(s, c, no_longer, &x);
    if (!now.n) return 0;
    all.at = ar_array(&s->a, size_t, c->n + now.n);
    all.n = both(s, c, &now, all.at);
    if (all.n > (c->sorted ? SORTED_MAX : RESULTS_MAX))
        return err_set(ERR_LIMIT, "these are too many results");
    if (c->sorted && all.n > c->n) e = imapd_sort_found(s, &args, &all);
    if (!e && all.n > c->n) add_some(s, c, &all);
    return e;
}

/* A search that cannot be updated any more says so, once (section 4.3.1). */
static void give_up(struct imapd_session *s, struct imapd_context **p)
{
    struct imapd_context *c = *p;
    buf_str(&s->out, "* NO [NOUPDATE ");
    imap_put_string(&s->out, sl_cstr(c->tag), false);
    buf_str(&s->out, "] the results cannot be kept up to date any more\r\n");
    imapd_flush(s);
    *p = c->next;
    context_free(c);
}

void imapd_contexts_changed(struct imapd_session *s)
{
    for (struct imapd_context **p = &s->contexts; *p && !conn_error(s->c);) {
        uint64_t now = s->view->modseq;
        struct imapd_comparator was = s->comparator;
        s->comparator = (*p)->comparator;
        int e = (*p)->modseq < now ? update(s, *p) : 0;
        s->comparator = was;
        if (e) {
            give_up(s, p);
            continue;
        }
        (*p)->modseq = now;
        p = &(*p)->next;
    }
}
