/* imap_metadata.c - arguments of GETMETADATA and SETMETADATA (RFC 5464 section 5). */
#include <limits.h>

#include "imap_i.h"

static void more_entries(struct imap_in *in, struct imap_entries *e, bool values)
{
    do {
        if (e->n == IMAP_ENTRIES_MAX) imap_fail(in, ERR_LIMIT, "too many entries");
        struct slice name = imap_astring(in), value = {0};
        if (values) imap_sp(in);
        if (values) value = imap_nstring8(in);
        if (in->code) return;
        e->entry[e->n] = name;
        e->value[e->n++] = value;
    } while (imap_skip(in, ' '));
}

static struct imap_entries no_entries(struct imap_in *in)
{
    return (struct imap_entries){.entry = ar_array(in->a, struct slice, IMAP_ENTRIES_MAX),
                                 .value = ar_array(in->a, struct slice, IMAP_ENTRIES_MAX)};
}

struct imap_entries imap_entries(struct imap_in *in)
{
    struct imap_entries e = no_entries(in);
    bool several = imap_skip(in, '(');
    if (several) {
        more_entries(in, &e, false);
        imap_need(in, ')');
    } else {
        e.entry[0] = imap_astring(in);
        e.n = !in->code;
    }
    return e;
}

static void take_option(struct imap_in *in, struct imap_metadata *m)
{
    if (imap_skip_word(in, SL("MAXSIZE"))) {
        imap_sp(in);
        m->limited = true;
        m->maxsize = imap_number(in, UINT32_MAX);
    } else if (imap_skip_word(in, SL("DEPTH"))) {
        imap_sp(in);
        if (imap_skip_word(in, SL("infinity"))) m->depth = INT_MAX;
        else m->depth = (int)imap_number(in, 1);
    } else {
        imap_fail(in, ERR_SYNTAX, "MAXSIZE or DEPTH was expected");
    }
}

/* "(MAXSIZE 1024 DEPTH 1) ". An entry begins with '/', an option does not. */
static void take_options(struct imap_in *in, struct imap_metadata *m)
{
    if (in->code || in->at + 1 >= in->s.n || in->s.p[in->at] != '(' || in->s.p[in->at + 1] == '/' ||
        in->s.p[in->at + 1] == '"' || in->s.p[in->at + 1] == '{')
        return;
    imap_need(in, '(');
    do take_option(in, m);
    while (imap_skip(in, ' '));
    imap_need(in, ')');
    imap_sp(in);
}

/* The grammar has the options in front of the mailbox, every example behind it: both are taken. */
struct imap_metadata imap_getmetadata_args(struct imap_in *in)
{
    struct imap_metadata m = {0};
    take_options(in, &m);
    m.mailbox = imap_mailbox(in);
    imap_sp(in);
    take_options(in, &m);
    m.entries = imap_entries(in);
    return m;
}

struct imap_metadata imap_setmetadata_args(struct imap_in *in)
{
    struct imap_metadata m = {.mailbox = imap_mailbox(in), .entries = no_entries(in)};
    imap_sp(in);
    imap_need(in, '(');
    more_entries(in, &m.entries, true);
    imap_need(in, ')');
    return m;
}
