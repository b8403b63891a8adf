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

bool imapd_is_selected(const struct imapd_session *s, const char *account, uint32_t box)
{
    return s->view && s->view->box == box && strcmp(s->view->acc, account) == 0;
}

bool imapd_boxes_have(const struct imapd_session *s, const struct imap_boxes *b,
                      const struct imapd_visible *x)
{
    bool own = strcmp(x->account, s->account) == 0;
    switch (b->kind) {
    case IMAP_BOXES_SELECTED:
    case IMAP_BOXES_SELECTED_DELAYED: return imapd_is_selected(s, x->account, x->m->id);
    case IMAP_BOXES_INBOXES: return own && sl_eq(x->m->name, SL("INBOX"));
    case IMAP_BOXES_PERSONAL: return own;
    case IMAP_BOXES_SUBSCRIBED: return x->subscribed;
    case IMAP_BOXES_SUBTREE: return is_named(b, x->shown, MAILBOX_DEPTH_MAX + 2); /* "#user/ADDRESS" */
    case IMAP_BOXES_SUBTREE_ONE: return is_named(b, x->shown, 1);
    case IMAP_BOXES_MAILBOXES: return is_named(b, x->shown, 0);
    }
    return false;
}

bool imapd_boxes_reach(const struct imap_boxes *b, struct slice root)
{
    for (size_t i = 0; i < b->n; i++)
        if (sl_starts(b->name[i], root) || sl_starts(root, b->name[i])) return true;
    return b->kind <= IMAP_BOXES_SELECTED_DELAYED || b->kind == IMAP_BOXES_SUBSCRIBED;
}

static int subscribed_elsewhere(struct imapd_session *s, bool *yes)
{
    struct slice *name;
    size_t n = 0;
    int e = mailbox_subscriptions(s->server->conf.store, s->account, &s->a, &name, &n);
    for (size_t i = 0; i < n && !e; i++) *yes |= imapd_is_foreign(name[i]);
    return e;
}

int imapd_boxes_elsewhere(struct imapd_session *s, const struct imap_boxes *b, bool *yes)
{
    if (*yes) return 0;
    if (b->kind <= IMAP_BOXES_SELECTED_DELAYED) *yes = s->owner != NULL;
    if (b->kind == IMAP_BOXES_SUBSCRIBED) return subscribed_elsewhere(s, yes);
    for (size_t i = 0; i < b->n; i++) *yes |= sl_starts(b->name[i], SL("#"));
    return 0;
}
