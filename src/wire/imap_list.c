/* imap_list.c - LIST and LSUB: their arguments (RFC 5258, 6154, 5819) and the matching of names. */
#include "imap_i.h"

static const struct slice select_names[] = {SL_INIT("SUBSCRIBED"), SL_INIT("REMOTE"),
                                            SL_INIT("RECURSIVEMATCH"), SL_INIT("SPECIAL-USE")};

static unsigned take_select(struct imap_in *in)
{
    unsigned bits = 0;
    if (imap_skip(in, ')')) return 0;
    do {
        unsigned i = 0;
        while (i < COUNT_OF(select_names) && !imap_skip_word(in, select_names[i])) i++;
        if (i == COUNT_OF(select_names)) imap_fail(in, ERR_SYNTAX, "a selection option was expected");
        else bits |= 1u << i;
    } while (imap_skip(in, ' '));
    /* RFC 5258 section 3.1: it modifies another option, REMOTE does not count. */
    if (bits & IMAP_LIST_RECURSIVE && !(bits & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE)))
        imap_fail(in, ERR_SYNTAX, "RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE");
    imap_need(in, ')');
    return bits;
}

static void take_return(struct imap_in *in, struct imap_list *l)
{
    imap_need(in, '(');
    if (imap_skip(in, ')')) return;
    do {
        if (imap_skip_word(in, SL("SUBSCRIBED"))) {
            l->give |= IMAP_LIST_SUBSCRIBED;
        } else if (imap_skip_word(in, SL("CHILDREN"))) {
            l->give |= IMAP_LIST_CHILDREN;
        } else if (imap_skip_word(in, SL("SPECIAL-USE"))) {
            l->give |= IMAP_LIST_SPECIAL_USE;
        } else if (imap_skip_word(in, SL("STATUS"))) {
            imap_sp(in);
            l->status |= imap_status_items(in);
            l->give |= IMAP_LIST_STATUS;
        } else if (imap_skip_word(in, SL("MYRIGHTS"))) { /* RFC 8440 */
            l->give |= IMAP_LIST_MYRIGHTS;
        } else if (imap_skip_word(in, SL("METADATA"))) {
            imap_sp(in);
            l->entries = imap_entries(in);
            l->give |= IMAP_LIST_METADATA;
        } else {
            imap_fail(in, ERR_SYNTAX, "a return option was expected");
        }
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
}

struct imap_list imap_list_args(struct imap_in *in, bool lsub)
{
    struct imap_list l = {.pattern = ar_array(in->a, struct slice, IMAP_PATTERNS_MAX)};
    if (!lsub && imap_skip(in, '(')) {
        l.extended = true;
        l.select = take_select(in);
        imap_sp(in);
    }
    l.reference = imap_mailbox(in);
    imap_sp(in);
    if (!lsub && imap_skip(in, '(')) {
        l.extended = true;
        do {
            if (l.n == IMAP_PATTERNS_MAX) imap_fail(in, ERR_LIMIT, "too many patterns");
            struct slice p = imap_pattern(in);
            if (!in->code) l.pattern[l.n++] = p;
        } while (imap_skip(in, ' '));
        imap_need(in, ')');
    } else {
        l.pattern[l.n++] = imap_pattern(in);
    }
    if (!lsub && imap_skip(in, ' ')) {
        if (!imap_skip_word(in, SL("RETURN"))) imap_fail(in, ERR_SYNTAX, "RETURN was expected");
        l.extended = true;
        imap_sp(in);
        take_return(in, &l);
    }
    return l;
}

static bool same(char a, char b, bool fold) { return a == b || (fold && sl_lower(a) == sl_lower(b)); }

/* Walks the pattern once, keeping for every prefix of the name whether the pattern so far
 * matches it: no pattern costs more than its length times the name's. */
bool imap_list_match(struct slice pattern, struct slice name)
{
    bool may[IMAP_NAME_MAX + 1] = {true}, fold = sl_eq(name, SL("INBOX"));
    size_t first = 0; /* no shorter prefix matches */
    if (name.n > IMAP_NAME_MAX) return false;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '*' || c == '%') {
            if (i && pattern.p[i - 1] == '*') continue;
            for (size_t k = first + 1; k <= name.n; k++)
                may[k] |= may[k - 1] && (c == '*' || name.p[k - 1] != '/');
            continue;
        }
        size_t next = name.n + 1;
        for (size_t k = name.n; k > first; k--) {
            may[k] = may[k - 1] && same(c, name.p[k - 1], fold);
            if (may[k]) next = k;
        }
        may[first] = false;
        first = next;
        if (first > name.n) return false;
    }
    return may[name.n];
}

bool imap_list_reaches(struct slice pattern, struct slice root)
{
    for (size_t i = 0; i < pattern.n && i < root.n; i++) {
        if (pattern.p[i] == '*' || pattern.p[i] == '%') return true;
        if (pattern.p[i] != root.p[i]) return false;
    }
    return true;
}
