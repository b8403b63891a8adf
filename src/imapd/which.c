/* which.c - which mailboxes a client means (RFC 5465 section 6, 7377 section 2.2). */
#include "imapd_i.h"

static bool is_below(struct slice name, struct slice above, int levels)
{
    int n = 0;
    if (!sl_starts(name, above) || name.n == above.n || name.p[above.n] != '/') return false;
    for (size_t i = above.n; i < name.n; i++) n += name.p[i] == '/';
    return n <= levels;
}

static bool is_named(const struct imap_boxes *b, struct slice name, int levels)
{
    for (size_t i = 0; i < b->n; i++)
        if (sl_eq(b->name[i], name) || is_below(name, b->name[i], levels)) return true;
    return false;
}

bool imapd_boxes_have(const struct imapd_session *s, const struct imap_boxes *b, const struct mailbox *m)
{
    switch (b->kind) {
    case IMAP_BOXES_SELECTED:
    case IMAP_BOXES_SELECTED_DELAYED: return s->view && !s->shown && s->view->box == m->id;
    case IMAP_BOXES_INBOXES: return sl_eq(m->name, SL("INBOX"));
    case IMAP_BOXES_PERSONAL: return true;
    case IMAP_BOXES_SUBSCRIBED: return m->subscribed;
    case IMAP_BOXES_SUBTREE: return is_named(b, m->name, MAILBOX_DEPTH_MAX);
    case IMAP_BOXES_SUBTREE_ONE: return is_named(b, m->name, 1);
    case IMAP_BOXES_MAILBOXES: return is_named(b, m->name, 0);
    }
    return false;
}
