/* imap_search.c - the keys of SEARCH as a tree (RFC 9051 section 6.4.4, 3501 6.4.4, 5032, 4731). */
#include "imap_i.h"

/* What follows a key's name. */
enum takes {
    NOTHING,
    FILTER,
    ANNOTATION, /* RFC 5257 section 4.8 */
    ASTRING,
    OBJECTID, /* RFC 8474 section 4 */
    DATE,
    NUMBER,
    SECONDS,
    SET,
    KEYWORD,
    FIELD,
    ONE_KEY,
    TWO_KEYS,
    MODSEQ
};

struct key_word {
    struct slice name;
    enum imap_key key;
    enum takes takes;
    unsigned flag; /* with NOT: negate */
    bool negate;
    struct slice field;
};
static const struct key_word words[] = {
    {SL_INIT("ALL"), IMAP_KEY_ALL, NOTHING, 0, false, {0}},
    {SL_INIT("ANSWERED"), IMAP_KEY_FLAG, NOTHING, IMAP_ANSWERED, false, {0}},
    {SL_INIT("DELETED"), IMAP_KEY_FLAG, NOTHING, IMAP_DELETED, false, {0}},
    {SL_INIT("DRAFT"), IMAP_KEY_FLAG, NOTHING, IMAP_DRAFT, false, {0}},
    {SL_INIT("FLAGGED"), IMAP_KEY_FLAG, NOTHING, IMAP_FLAGGED, false, {0}},
    {SL_INIT("SEEN"), IMAP_KEY_FLAG, NOTHING, IMAP_SEEN, false, {0}},
    {SL_INIT("UNANSWERED"), IMAP_KEY_FLAG, NOTHING, IMAP_ANSWERED, true, {0}},
    {SL_INIT("UNDELETED"), IMAP_KEY_FLAG, NOTHING, IMAP_DELETED, true, {0}},
    {SL_INIT("UNDRAFT"), IMAP_KEY_FLAG, NOTHING, IMAP_DRAFT, true, {0}},
    {SL_INIT("UNFLAGGED"), IMAP_KEY_FLAG, NOTHING, IMAP_FLAGGED, true, {0}},
    {SL_INIT("UNSEEN"), IMAP_KEY_FLAG, NOTHING, IMAP_SEEN, true, {0}},
    {SL_INIT("KEYWORD"), IMAP_KEY_KEYWORD, KEYWORD, 0, false, {0}},
    {SL_INIT("UNKEYWORD"), IMAP_KEY_KEYWORD, KEYWORD, 0, true, {0}},
    {SL_INIT("NEW"), IMAP_KEY_NEW, NOTHING, 0, false, {0}},
    {SL_INIT("OLD"), IMAP_KEY_OLD, NOTHING, 0, false, {0}},
    {SL_INIT("RECENT"), IMAP_KEY_RECENT, NOTHING, 0, false, {0}},
    {SL_INIT("BEFORE"), IMAP_KEY_BEFORE, DATE, 0, false, {0}},
    {SL_INIT("ON"), IMAP_KEY_ON, DATE, 0, false, {0}},
    {SL_INIT("SINCE"), IMAP_KEY_SINCE, DATE, 0, false, {0}},
    {SL_INIT("SENTBEFORE"), IMAP_KEY_SENTBEFORE, DATE, 0, false, {0}},
    {SL_INIT("SENTON"), IMAP_KEY_SENTON, DATE, 0, false, {0}},
    {SL_INIT("SENTSINCE"), IMAP_KEY_SENTSINCE, DATE, 0, false, {0}},
    {SL_INIT("SAVEDBEFORE"), IMAP_KEY_SAVEDBEFORE, DATE, 0, false, {0}},
    {SL_INIT("SAVEDON"), IMAP_KEY_SAVEDON, DATE, 0, false, {0}},
    {SL_INIT("SAVEDSINCE"), IMAP_KEY_SAVEDSINCE, DATE, 0, false, {0}},
    {SL_INIT("SAVEDATESUPPORTED"), IMAP_KEY_ALL, NOTHING, 0, false, {0}},
    {SL_INIT("LARGER"), IMAP_KEY_LARGER, NUMBER, 0, false, {0}},
    {SL_INIT("SMALLER"), IMAP_KEY_SMALLER, NUMBER, 0, false, {0}},
    {SL_INIT("OLDER"), IMAP_KEY_OLDER, SECONDS, 0, false, {0}},
    {SL_INIT("YOUNGER"), IMAP_KEY_YOUNGER, SECONDS, 0, false, {0}},
    {SL_INIT("MODSEQ"), IMAP_KEY_MODSEQ, MODSEQ, 0, false, {0}},
    {SL_INIT("EMAILID"), IMAP_KEY_EMAILID, OBJECTID, 0, false, {0}},
    {SL_INIT("THREADID"), IMAP_KEY_THREADID, OBJECTID, 0, false, {0}},
    {SL_INIT("FILTER"), IMAP_KEY_FILTER, FILTER, 0, false, {0}},
    {SL_INIT("ANNOTATION"), IMAP_KEY_ANNOTATION, ANNOTATION, 0, false, {0}},
    {SL_INIT("FUZZY"), IMAP_KEY_FUZZY, ONE_KEY, 0, false, {0}},
    {SL_INIT("FROM"), IMAP_KEY_ADDRESS, ASTRING, 0, false, SL_INIT("From")},
    {SL_INIT("TO"), IMAP_KEY_ADDRESS, ASTRING, 0, false, SL_INIT("To")},
    {SL_INIT("CC"), IMAP_KEY_ADDRESS, ASTRING, 0, false, SL_INIT("Cc")},
    {SL_INIT("BCC"), IMAP_KEY_ADDRESS, ASTRING, 0, false, SL_INIT("Bcc")},
    {SL_INIT("SUBJECT"), IMAP_KEY_HEADER, ASTRING, 0, false, SL_INIT("Subject")},
    {SL_INIT("HEADER"), IMAP_KEY_HEADER, FIELD, 0, false, {0}},
    {SL_INIT("BODY"), IMAP_KEY_BODY, ASTRING, 0, false, {0}},
    {SL_INIT("TEXT"), IMAP_KEY_TEXT, ASTRING, 0, false, {0}},
    {SL_INIT("UID"), IMAP_KEY_UID, SET, 0, false, {0}},
    {SL_INIT("NOT"), IMAP_KEY_NOT, ONE_KEY, 0, false, {0}},
    {SL_INIT("OR"), IMAP_KEY_OR, TWO_KEYS, 0, false, {0}},
};

struct search_parser {
    struct imap_in *in;
    size_t keys;
    bool modseq, numbers, filters, fuzzy, saved;
};

static struct imap_search *new_key(struct search_parser *p, enum imap_key key)
{
    if (p->keys++ == IMAP_KEYS_MAX) imap_fail(p->in, ERR_LIMIT, "too many search keys");
    struct imap_search *k = ar_new(p->in->a, struct imap_search);
    k->key = key;
    return k;
}

static struct imap_search *take_key(struct search_parser *p, size_t depth);

/* One key or more, separated by spaces, as an AND (or the key itself when it is alone). */
static struct imap_search *take_keys(struct search_parser *p, size_t depth)
{
    struct imap_search *first = take_key(p, depth), *last = first;
    while (!p->in->code && imap_skip(p->in, ' ')) last = last->next = take_key(p, depth);
    if (!first->next) return first;
    struct imap_search *and = new_key(p, IMAP_KEY_AND);
    and->child = first;
    return and;
}

/* "MODSEQ [entry type] n" (RFC 7162 section 3.1.5): the entry does not matter here. */
static uint64_t take_modseq(struct imap_in *in)
{
    if (imap_at(in, '"')) {
        (void)imap_string(in);
        imap_sp(in);
        if (!imap_skip_word(in, SL("priv")) && !imap_skip_word(in, SL("shared")) &&
            !imap_skip_word(in, SL("all")))
            imap_fail(in, ERR_SYNTAX, "priv, shared or all was expected");
        imap_sp(in);
    }
    return imap_number(in, INT64_MAX);
}

static void take_arguments(struct search_parser *p, const struct key_word *w, struct imap_search *k,
                           size_t depth)
{
    struct imap_in *in = p->in;
    if (w->takes != NOTHING) imap_sp(in);
    switch (w->takes) {
    case NOTHING: break;
    case FILTER:
        k->text = imap_atom(in);
        if (sl_chr(k->text, '/') != SL_NONE) imap_fail(in, ERR_SYNTAX, "the name of a filter has no '/'");
        p->filters = true;
        break;
    case ANNOTATION: imap_annotation_key(in, &k->field, &k->flag, &k->text); break;
    case ASTRING: k->text = imap_astring(in); break;
    case OBJECTID:
        k->text = imap_astring(in);
        if (!k->text.n) imap_fail(in, ERR_SYNTAX, "an id has at least one character");
        break;
    case DATE: k->day = imap_date(in); break;
    case NUMBER: k->number = imap_number(in, INT64_MAX); break;
    case SECONDS: /* RFC 5032: nz-number */
        k->number = imap_number(in, INT64_MAX);
        if (!k->number) imap_fail(in, ERR_SYNTAX, "0 seconds are no interval");
        break;
    case SET:
        k->set = imap_set(in);
        p->saved |= k->set.saved;
        break;
    case KEYWORD: k->text = imap_atom(in); break;
    case MODSEQ:
        k->number = take_modseq(in);
        p->modseq = true;
        break;
    case FIELD:
        k->field = imap_astring(in);
        imap_sp(in);
        k->text = imap_astring(in);
        break;
    case ONE_KEY:
        p->fuzzy |= w->key == IMAP_KEY_FUZZY;
        k->child = take_key(p, depth + 1);
        break;
    case TWO_KEYS:
        k->child = take_key(p, depth + 1);
        imap_sp(in);
        k->child->next = take_key(p, depth + 1);
        break;
    }
}

static struct imap_search *take_word(struct search_parser *p, size_t depth)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const struct key_word *w = &words[i];
        if ((w->takes == ANNOTATION && !p->in->annotate) || !imap_skip_word(p->in, w->name)) continue;
        struct imap_search *k = new_key(p, w->key);
        k->flag = w->flag;
        k->field = w->field;
        take_arguments(p, w, k, depth);
        if (!w->negate) return k;
        struct imap_search *not = new_key(p, IMAP_KEY_NOT);
        not ->child = k;
        return not ;
    }
    imap_fail(p->in, ERR_SYNTAX, "a search key was expected");
    return new_key(p, IMAP_KEY_ALL);
}

static struct imap_search *take_key(struct search_parser *p, size_t depth)
{
    struct imap_in *in = p->in;
    if (depth > IMAP_DEPTH_MAX) imap_fail(in, ERR_LIMIT, "the search keys are nested too deep");
    if (!imap_more(in)) {
        imap_fail(in, ERR_SYNTAX, "a search key was expected");
        return new_key(p, IMAP_KEY_ALL);
    }
    char c = in->s.p[in->at];
    if (imap_skip(in, '(')) {
        struct imap_search *k = take_keys(p, depth + 1);
        imap_need(in, ')');
        return k;
    }
    if ((c >= '0' && c <= '9') || c == '*' || c == '$') {
        struct imap_search *k = new_key(p, IMAP_KEY_SEQ);
        k->set = imap_set(in);
        p->numbers |= !k->set.saved;
        p->saved |= k->set.saved;
        return k;
    }
    return take_word(p, depth);
}

struct imap_partial imap_partial(struct imap_in *in)
{
    struct imap_partial p = {0};
    size_t begin = in->at;
    p.from_end = imap_skip(in, '-');
    p.first = (uint32_t)imap_nz_number(in, UINT32_MAX, "results are counted from 1");
    imap_need(in, ':');
    if (p.from_end) imap_need(in, '-');
    p.last = (uint32_t)imap_nz_number(in, UINT32_MAX, "results are counted from 1");
    if (p.first > p.last) {
        uint32_t first = p.last;
        p.last = p.first;
        p.first = first;
    }
    p.label = sl_sub(in->s, begin, in->at);
    return p;
}

void imap_partial_of(const struct imap_partial *p, size_t n, size_t *from, size_t *to)
{
    size_t first = p->first - 1 < n ? p->first - 1 : n, last = p->last < n ? p->last : n;
    *from = p->from_end ? n - last : first;
    *to = p->from_end ? n - first : last;
}

/* One result option; each bit is 1 << its place in the list. */
static void take_option(struct imap_in *in, struct imap_search_args *s)
{
    static const struct slice names[] = {SL_INIT("MIN"),       SL_INIT("MAX"),    SL_INIT("ALL"),
                                         SL_INIT("COUNT"),     SL_INIT("SAVE"),   SL_INIT("PARTIAL"),
                                         SL_INIT("RELEVANCY"), SL_INIT("UPDATE"), SL_INIT("CONTEXT")};
    unsigned i = 0;
    while (i < COUNT_OF(names) && !imap_skip_word(in, names[i])) i++;
    if (i == COUNT_OF(names)) {
        imap_fail(in, ERR_SYNTAX, "a result option was expected");
        return;
    }
    unsigned option = 1u << i;
    if (option == IMAP_RETURN_PARTIAL) {
        imap_sp(in);
        if (s->wants & option) imap_fail(in, ERR_SYNTAX, "PARTIAL was given twice");
        s->partial = imap_partial(in);
    }
    s->wants |= option;
    if (s->wants & IMAP_RETURN_PARTIAL && s->wants & IMAP_RETURN_ALL) /* RFC 9394 section 3.1 */
        imap_fail(in, ERR_SYNTAX, "PARTIAL and ALL exclude each other");
}

void imap_search_return(struct imap_in *in, struct imap_search_args *s)
{
    if (!imap_skip_word(in, SL("RETURN"))) return;
    s->extended = true;
    imap_sp(in);
    imap_need(in, '(');
    if (!imap_skip(in, ')')) {
        do take_option(in, s);
        while (imap_skip(in, ' '));
        imap_need(in, ')');
    }
    if (!s->wants) s->wants = IMAP_RETURN_ALL; /* RFC 4731 section 3.1 */
    imap_sp(in);
}

void imap_search_keys(struct imap_in *in, struct imap_search_args *s)
{
    struct search_parser p = {.in = in};
    s->key = take_keys(&p, 0);
    s->modseq = p.modseq;
    s->numbers = p.numbers;
    s->filters = p.filters;
    s->fuzzy = p.fuzzy;
    s->saved = p.saved;
    if (s->wants & IMAP_RETURN_RELEVANCY && !s->fuzzy) /* RFC 6203 section 4 */
        imap_fail(in, ERR_SYNTAX, "RELEVANCY goes with FUZZY only");
}

/* "CHARSET name" when it comes, and the keys. */
static void charset_and_keys(struct imap_in *in, struct imap_search_args *s)
{
    if (imap_skip_word(in, SL("CHARSET"))) {
        imap_sp(in);
        s->charset = imap_astring(in);
        imap_sp(in);
    }
    imap_search_keys(in, s);
}

struct imap_search_args imap_search_args(struct imap_in *in)
{
    struct imap_search_args s = {0};
    imap_search_return(in, &s);
    charset_and_keys(in, &s);
    return s;
}

/* ---- which mailboxes ---- */

struct imap_boxes imap_boxes(struct imap_in *in)
{
    static const struct slice kinds[] = {
        SL_INIT("selected"),   SL_INIT("selected-delayed"), SL_INIT("inboxes"),     SL_INIT("personal"),
        SL_INIT("subscribed"), SL_INIT("subtree"),          SL_INIT("subtree-one"), SL_INIT("mailboxes")};
    struct imap_boxes b = {0};
    size_t cap = 0;
    unsigned i = 0;
    while (i < COUNT_OF(kinds) && !imap_skip_word(in, kinds[i])) i++;
    if (i == COUNT_OF(kinds))
        imap_fail(in, ERR_SYNTAX,
                  "selected, inboxes, personal, subscribed, subtree or mailboxes was expected");
    else b.kind = (enum imap_boxes_kind)i;
    if (in->code || b.kind < IMAP_BOXES_SUBTREE) return b;
    imap_sp(in);
    bool several = imap_skip(in, '(');
    do {
        struct slice name = imap_mailbox(in);
        if (b.n == IMAP_NAMES_MAX) imap_fail(in, ERR_LIMIT, "too many mailboxes");
        if (in->code) return b;
        if (b.n == cap) b.name = ar_grow(in->a, b.name, &cap, sizeof *b.name);
        b.name[b.n++] = name;
    } while (several && imap_skip(in, ' '));
    if (several) imap_need(in, ')');
    return b;
}

struct imap_esearch_args imap_esearch_args(struct imap_in *in)
{
    struct imap_esearch_args e = {0};
    e.search.extended = true;
    if (imap_skip_word(in, SL("IN"))) {
        imap_sp(in);
        imap_need(in, '(');
        do {
            if (e.n == IMAP_SOURCES_MAX) imap_fail(in, ERR_LIMIT, "too many sources");
            if (in->code) return e;
            e.in[e.n++] = imap_boxes(in);
        } while (imap_skip(in, ' '));
        imap_need(in, ')');
        imap_sp(in);
    }
    imap_search_return(in, &e.search);
    if (!e.search.wants) e.search.wants = IMAP_RETURN_ALL;
    charset_and_keys(in, &e.search);
    return e;
}
