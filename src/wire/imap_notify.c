/* imap_notify.c - the arguments of NOTIFY (RFC 5465 section 8). */
#include "imap_i.h"

static const struct slice events[] = {SL_INIT("MessageNew"),           SL_INIT("MessageExpunge"),
                                      SL_INIT("FlagChange"),           SL_INIT("MailboxName"),
                                      SL_INIT("SubscriptionChange"),   SL_INIT("MailboxMetadataChange"),
                                      SL_INIT("ServerMetadataChange"), SL_INIT("AnnotationChange")};
enum { OF_MESSAGES = IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE | IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION };

static bool is_selected(const struct imap_event_group *g)
{
    return g->boxes.kind <= IMAP_BOXES_SELECTED_DELAYED;
}

static void take_event(struct imap_in *in, struct imap_notify *n, struct imap_event_group *g)
{
    unsigned i = 0;
    unsigned known = COUNT_OF(events) - !in->annotate; /* the last is of annotations of messages */
    while (i < known && !imap_skip_word(in, events[i])) i++;
    if (i == known) {
        (void)imap_atom(in);
        n->unsupported = true;
        return;
    }
    g->events |= 1u << i;
    if (i || in->at + 1 >= in->s.n || in->s.p[in->at] != ' ' || in->s.p[in->at + 1] != '(') return;
    imap_sp(in);
    g->items = imap_fetch_items(in);
    if (!is_selected(g)) imap_fail(in, ERR_SYNTAX, "items go with the selected mailbox only");
}

static void check_group(struct imap_in *in, const struct imap_event_group *g)
{
    unsigned both = g->events & (IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE);
    if (both && both != (IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE))
        imap_fail(in, ERR_SYNTAX, "MessageNew and MessageExpunge go together");
    if (g->events & (IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION) && !both)
        imap_fail(in, ERR_SYNTAX, "FlagChange goes with MessageNew and MessageExpunge");
    if (is_selected(g) && g->events & ~(unsigned)OF_MESSAGES)
        imap_fail(in, ERR_SYNTAX, "of the selected mailbox there are events of messages only");
    if (g->boxes.kind == IMAP_BOXES_SUBTREE_ONE) imap_fail(in, ERR_SYNTAX, "subtree-one is for ESEARCH");
}

/* The grammar wants parentheses around the events, the examples have none: both are taken. */
static void take_group(struct imap_in *in, struct imap_notify *n)
{
    struct imap_event_group *g = &n->group[n->n++];
    imap_need(in, '(');
    g->boxes = imap_boxes(in);
    imap_sp(in);
    if (!imap_skip_word(in, SL("NONE"))) {
        bool inner = imap_skip(in, '(');
        do take_event(in, n, g);
        while (imap_skip(in, ' '));
        if (inner) imap_need(in, ')');
    }
    imap_need(in, ')');
    check_group(in, g);
}

struct imap_notify imap_notify_args(struct imap_in *in)
{
    struct imap_notify n = {.none = imap_skip_word(in, SL("NONE"))};
    size_t selected = 0;
    if (n.none) return n;
    if (!imap_skip_word(in, SL("SET"))) imap_fail(in, ERR_SYNTAX, "SET or NONE was expected");
    imap_sp(in);
    n.status = imap_skip_word(in, SL("STATUS"));
    if (n.status) imap_sp(in);
    n.group = ar_array(in->a, struct imap_event_group, IMAP_SOURCES_MAX);
    do {
        if (n.n == IMAP_SOURCES_MAX) imap_fail(in, ERR_LIMIT, "too many groups of events");
        if (in->code) break;
        take_group(in, &n);
        selected += is_selected(&n.group[n.n - 1]);
        if (selected > 1) imap_fail(in, ERR_SYNTAX, "the selected mailbox was named twice");
    } while (imap_skip(in, ' '));
    return n;
}
