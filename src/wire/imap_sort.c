/* imap_sort.c - the arguments of SORT and THREAD (RFC 5256 section 5, 5957 section 5, 5267 section 3). */
#include "imap_i.h"

static enum imap_sort_key sort_key(struct imap_in *in)
{
    static const struct slice names[] = {SL_INIT("ARRIVAL"),  SL_INIT("CC"),          SL_INIT("DATE"),
                                         SL_INIT("FROM"),     SL_INIT("SIZE"),        SL_INIT("SUBJECT"),
                                         SL_INIT("TO"),       SL_INIT("DISPLAYFROM"), SL_INIT("DISPLAYTO"),
                                         SL_INIT("RELEVANCY")};
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (imap_skip_word(in, names[i])) return (enum imap_sort_key)i;
    if (in->annotate && imap_skip_word(in, SL("ANNOTATION"))) return IMAP_SORT_ANNOTATION;
    imap_fail(in, ERR_SYNTAX, "a sort criterion was expected");
    return IMAP_SORT_ARRIVAL;
}

/* " charset keys": the charset is not optional here. */
static void charset_and_keys(struct imap_in *in, struct imap_search_args *s)
{
    imap_sp(in);
    s->charset = imap_astring(in);
    imap_sp(in);
    imap_search_keys(in, s);
}

struct imap_sort_args imap_sort_args(struct imap_in *in)
{
    struct imap_sort_args s = {0};
    imap_search_return(in, &s.search);
    imap_need(in, '(');
    do {
        if (s.n == IMAP_SORT_MAX) {
            imap_fail(in, ERR_LIMIT, "too many sort criteria");
            break;
        }
        s.by[s.n].reverse = imap_skip_word(in, SL("REVERSE"));
        if (s.by[s.n].reverse) imap_sp(in);
        struct imap_sort *by = &s.by[s.n++];
        by->key = sort_key(in);
        if (by->key != IMAP_SORT_ANNOTATION) continue;
        imap_sp(in);
        imap_annotation_sort(in, &by->entry, &by->shared);
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
    charset_and_keys(in, &s.search);
    for (size_t i = 0; i < s.n; i++)
        if (s.by[i].key == IMAP_SORT_RELEVANCY && !s.search.fuzzy)
            imap_fail(in, ERR_SYNTAX, "RELEVANCY goes with FUZZY only");
    return s;
}

struct imap_thread_args imap_thread_args(struct imap_in *in)
{
    static const struct slice names[] = {SL_INIT("ORDEREDSUBJECT"), SL_INIT("REFERENCES"), SL_INIT("REFS")};
    struct imap_thread_args t = {0};
    unsigned i = 0;
    while (i < COUNT_OF(names) && !imap_skip_word(in, names[i])) i++;
    if (i == COUNT_OF(names)) imap_fail(in, ERR_SYNTAX, "ORDEREDSUBJECT, REFERENCES or REFS was expected");
    t.algorithm = (enum imap_threading)i;
    charset_and_keys(in, &t.search);
    return t;
}
