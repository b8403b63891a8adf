/* boxes.c - commands on mailboxes as such: CREATE to STATUS (RFC 9051 section 6.3). */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"

enum { USE_UNKNOWN = 1 << 30 }; /* beside the bits of imapd_use() */

/* RFC 6154 section 3: "(USE (\Sent \Drafts))" */
static unsigned take_use(struct imap_in *in)
{
    unsigned bits = 0;
    imap_need(in, '(');
    if (!imap_skip_word(in, SL("USE"))) imap_fail(in, ERR_SYNTAX, "USE was expected");
    imap_sp(in);
    imap_need(in, '(');
    for (bool more = !imap_skip(in, ')'); more && !in->code;) {
        imap_need(in, '\\');
        unsigned use = imapd_use(imap_atom(in));
        bits |= use ? use : USE_UNKNOWN;
        more = imap_skip(in, ' ');
        if (!more) imap_need(in, ')');
    }
    imap_need(in, ')');
    return bits;
}

/* "k" on the nearest mailbox above that there is (RFC 4314 section 4). */
static int may_create(struct imapd_session *s, struct imapd_place *p, struct slice name,
                      struct imapd_need *need)
{
    struct mailbox above;
    for (size_t i = name.n; i-- > 0;) {
        if (name.p[i] != '/') continue;
        int e = mailbox_find(s->server->conf.store, p->account, sl_sub(name, 0, i), &s->a, &above);
        if (e == ERR_NOT_FOUND) continue;
        if (!e)
            e = imapd_read_rights(s, (struct mailbox_ref){.account = p->account, .box = above.id},
                                  &p->rights);
        *need = (struct imapd_need){above.id, ACL_CREATE};
        /* it is not told that it is there */
        if (!e && !(p->rights & (ACL_LOOKUP | ACL_READ | ACL_CREATE))) break;
        return e ? e : acl_allow(p->rights, ACL_CREATE);
    }
    return err_set(ERR_DENIED, "in another account a mailbox can be made only below one that is shared");
}

void imapd_cmd_create(struct imapd_session *s, struct imap_in *in)
{
    struct mailbox m;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    unsigned use = imap_skip(in, ' ') ? take_use(in) : 0;
    if (imapd_args_bad(s, in)) return;
    if (name.n > 1 && name.p[name.n - 1] == '/') name.n--; /* a wish to put mailboxes under it */
    struct imapd_place p;
    struct slice own;
    struct imapd_need above = {0};
    int e = imapd_owner(s, name, &p, &own);
    if (!e && (use & USE_UNKNOWN || (use && p.foreign))) { /* RFC 6154 section 3 */
        imapd_no(s, "USEATTR",
                 use & USE_UNKNOWN ? "this special use is not known"
                                   : "a special use is the owner's to give");
        return;
    }
    if (!e && p.foreign) e = may_create(s, &p, own, &above);
    if (!e)
        e = mailbox_create_as(s->server->conf.store, p.account,
                              imapd_guest(s, p.account, above, (struct imapd_need){0}), own, use, &s->a, &m);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    char code[64];
    snprintf(code, sizeof code, "MAILBOXID (" IMAPD_MAILBOX_ID ")", p.account, m.id);
    imapd_tell_changed_name(s, "", p.foreign ? imapd_foreign_name(s, p.owner, m.name) : m.name, name);
    imapd_ok(s, code, "created");
}

/* Is the name, which has no mailbox of its own, a level above others (\Noselect)? */
static bool is_only_above(struct imapd_session *s, struct slice name)
{
    struct mailbox *box;
    size_t n = 0;
    if (imapd_is_foreign(name) || mailbox_list(s->server->conf.store, s->account, &s->a, &box, &n) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (sl_starts(box[i].name, name) && sl_starts(sl_from(box[i].name, name.n), SL("/"))) return true;
    return false;
}

void imapd_cmd_delete(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_find(s, name, ACL_DELETE, &p);
    if (!e)
        e = mailbox_delete_as(
            s->server->conf.store, p.account,
            imapd_guest(s, p.account, (struct imapd_need){p.m.id, ACL_DELETE}, (struct imapd_need){0}),
            p.m.name);
    if (!e && imapd_is_selected(s, p.account, p.m.id)) imapd_unselect(s);
    if (e == ERR_NOT_FOUND && is_only_above(s, name)) { /* RFC 9051 section 6.3.5 */
        imapd_no(s, "HASCHILDREN", "the name only stands above other mailboxes, which are there");
        return;
    }
    if (e) {
        imapd_failed(s, e);
        return;
    }
    imapd_tell_changed_name(s, "\\NonExistent", p.shown, name);
    imapd_ok(s, NULL, "deleted");
}

/* RFC 9051 section 6.3.6: the old name as it was given, the new one as it is kept. */
static void tell_renamed(struct imapd_session *s, struct slice from, const struct imapd_place *q,
                         struct slice own_to)
{
    struct slice kept = mailbox_pattern(&s->a, own_to);
    if (!s->rev2 || (sl_eq(kept, own_to) && sl_eq(mailbox_pattern(&s->a, from), from))) return;
    imapd_put_name(s, "", q->foreign ? imapd_foreign_name(s, q->owner, kept) : kept, from);
    imapd_flush(s);
}

void imapd_cmd_rename(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    struct slice from = imap_mailbox(in);
    imap_sp(in);
    struct slice to = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    struct imapd_place p, q;
    struct slice own_from, own_to;
    int e = imapd_owner(s, from, &p, &own_from);
    if (!e && p.foreign) e = imapd_find(s, from, ACL_DELETE, &p);
    if (!e) e = imapd_owner(s, to, &q, &own_to);
    if (!e && strcmp(p.account, q.account) != 0)
        e = err_set(ERR_USAGE, "a mailbox stays in its account; its messages can be copied");
    struct imapd_need above = {0};
    if (!e && q.foreign) e = may_create(s, &q, own_to, &above);
    if (!e)
        e = mailbox_rename_as(s->server->conf.store, p.account,
                              imapd_guest(s, p.account, (struct imapd_need){p.m.id, ACL_DELETE}, above),
                              own_from, own_to);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    tell_renamed(s, from, &q, own_to);
    imapd_ok(s, NULL, "renamed");
}

static void subscribe(struct imapd_session *s, struct imap_in *in, bool yes)
{
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    struct imapd_place p;
    int e = 0;
    if (yes && imapd_is_foreign(name)) {
        e = imapd_find(s, name, ACL_LOOKUP, &p);
        name = p.shown;
    }
    if (!e) e = mailbox_subscribe(s->server->conf.store, s->account, name, yes);
    if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, yes ? "subscribed" : "no longer subscribed");
}

void imapd_cmd_subscribe(struct imapd_session *s, struct imap_in *in) { subscribe(s, in, true); }
void imapd_cmd_unsubscribe(struct imapd_session *s, struct imap_in *in) { subscribe(s, in, false); }

void imapd_cmd_namespace(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    struct account acc;
    bool public = imapd_public(s, &acc) == 0;
    imapd_untagged(s, "NAMESPACE ((\"\" \"/\")) ((\"" IMAPD_OTHERS "\" \"/\")) %s",
                   public ? "((\"" IMAPD_PUBLIC "\" \"/\"))" : "NIL");
    imapd_ok(s, NULL, "these are the namespaces");
}

/* ---- status ---- */

/* shown: its name for the client. SIZE is of RFC 8438. */
static void tell_status(struct imapd_session *s, const char *account, const struct mailbox *m,
                        struct slice shown, unsigned items)
{
    uint32_t recent = 0, unseen = items & IMAP_STATUS_UNSEEN ? imapd_unseen(s, account, m) : 0;
    if (items & IMAP_STATUS_RECENT) (void)!imapd_recent_count(s, account, m, &recent); /* else 0 */
    const struct {
        const char *name;
        uint64_t value;
    } v[] = {{"MESSAGES", m->exists}, {"RECENT", recent},
             {"UIDNEXT", m->uidnext}, {"UIDVALIDITY", m->uidvalidity},
             {"UNSEEN", unseen},      {"DELETED", m->deleted},
             {"SIZE", m->size},       {"HIGHESTMODSEQ", m->modseq ? m->modseq : 1}};
    bool space = false;
    buf_str(&s->out, "* STATUS ");
    imap_put_mailbox(&s->out, shown, s->utf8);
    buf_str(&s->out, " (");
    for (size_t i = 0; i < COUNT_OF(v); i++)
        if (items >> i & 1) {
            buf_printf(&s->out, "%s%s %llu", space ? " " : "", v[i].name, (unsigned long long)v[i].value);
            space = true;
        }
    if (items & IMAP_STATUS_MAILBOXID)
        buf_printf(&s->out, "%sMAILBOXID (" IMAPD_MAILBOX_ID ")", space ? " " : "", account, m->id);
    space |= items & IMAP_STATUS_MAILBOXID;
    if (items & IMAP_STATUS_APPENDLIMIT) /* RFC 7889 section 3.1 */
        buf_printf(&s->out, "%sAPPENDLIMIT %llu", space ? " " : "",
                   (unsigned long long)s->server->conf.append_max);
    space |= items & IMAP_STATUS_APPENDLIMIT;
    if (items & IMAP_STATUS_DELETED_STORAGE)
        buf_printf(&s->out, "%sDELETED-STORAGE %llu", space ? " " : "",
                   (unsigned long long)imapd_deleted_storage(s, account, m));
    buf_str(&s->out, ")\r\n");
    imapd_flush(s);
}

void imapd_cmd_status(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    imap_sp(in);
    unsigned items = imap_status_items(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_find(s, name, ACL_READ, &p);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    if (items & IMAP_STATUS_HIGHESTMODSEQ) imapd_condstore(s);
    tell_status(s, p.account, &p.m, p.shown, items);
    imapd_ok(s, NULL, "that is its status");
}

/* ---- list ---- */

struct entry {
    struct slice name;
    const struct mailbox *box; /* NULL: only a name that others lie under, or a subscription */
    const char *account;       /* whose it is */
    unsigned rights;
    bool subscribed, children, subscribed_below;
};
struct entries {
    struct arena *a;
    struct map by_name;
    struct entry **v;
    size_t n, cap;
};

static struct entry *entry(struct entries *es, struct slice name)
{
    struct entry *e = map_get(&es->by_name, name);
    if (e) return e;
    e = ar_new(es->a, struct entry);
    e->name = name;
    map_put(&es->by_name, name, e);
    if (es->n == es->cap) es->v = ar_grow(es->a, es->v, &es->cap, sizeof *es->v);
    return es->v[es->n++] = e;
}

static void add_box(struct entries *es, const struct imapd_visible *x)
{
    struct entry *e = entry(es, x->shown);
    e->box = x->m;
    e->account = x->account;
    e->rights = x->rights;
    for (size_t i = 1; i < x->shown.n; i++)
        if (x->shown.p[i] == '/') entry(es, sl_sub(x->shown, 0, i))->children = true;
}

static void add_subscription(struct entries *es, struct slice name)
{
    entry(es, name)->subscribed = true;
    for (size_t i = 1; i < name.n; i++)
        if (name.p[i] == '/') entry(es, sl_sub(name, 0, i))->subscribed_below = true;
}

static int by_name(const void *a, const void *b)
{
    struct slice x = (*(struct entry *const *)a)->name, y = (*(struct entry *const *)b)->name;
    bool first = sl_eq(x, SL("INBOX")), second = sl_eq(y, SL("INBOX"));
    return first != second ? (first ? -1 : 1) : sl_cmp(x, y);
}

static bool reaches(const void *arg, struct slice root)
{
    const struct imap_list *l = arg;
    for (size_t i = 0; i < l->n; i++)
        if (imap_list_reaches(l->pattern[i], root)) return true;
    return false;
}

/* Everything that LIST or LSUB may tell. What others share is bounded apart. */
static int gather(struct imapd_session *s, const struct imap_list *l, struct entries *es)
{
    struct acl_owner *o;
    struct imapd_visible *v;
    struct slice *sub;
    size_t owners, n = 0, nsub, i = 0;
    int e = imapd_others(s, reaches, l, &o, &owners);
    if (!e) e = imapd_visible(s, o, owners, IMAPD_NAMES_MAX, &v, &n);
    if (!e) e = mailbox_subscriptions(s->server->conf.store, s->account, es->a, &sub, &nsub);
    if (e) return e;
    for (; i < n && v[i].account == s->account && es->n < IMAPD_NAMES_MAX; i++) add_box(es, &v[i]);
    for (size_t k = 0; k < nsub && es->n < IMAPD_NAMES_MAX; k++) add_subscription(es, sub[k]);
    if (es->n >= IMAPD_NAMES_MAX) return err_set(ERR_LIMIT, "there are more than %d names", IMAPD_NAMES_MAX);
    for (; i < n; i++) add_box(es, &v[i]);
    if (es->n) qsort(es->v, es->n, sizeof *es->v, by_name);
    return 0;
}

static bool matches(const struct imap_list *l, struct slice name)
{
    fiber_breathe();
    for (size_t i = 0; i < l->n; i++)
        if (imap_list_match(l->pattern[i], name)) return true;
    return false;
}

/* The reference in front of each pattern, in the form that names have. */
static int complete_patterns(struct imapd_session *s, struct imap_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->reference.n + l->pattern[i].n > IMAP_NAME_MAX)
            return err_set(ERR_TOO_LONG, "reference and pattern have more than %d bytes", IMAP_NAME_MAX);
        l->pattern[i] = mailbox_pattern(&s->a, ar_cat(&s->a, l->reference, l->pattern[i]));
    }
    return 0;
}

/* The names that may match, in order, in the session's arena. */
static int gather_all(struct imapd_session *s, struct imap_list *l, struct entries *es)
{
    *es = (struct entries){.a = &s->a};
    map_init(&es->by_name, false);
    int e = complete_patterns(s, l);
    if (!e) e = gather(s, l, es);
    map_free(&es->by_name);
    return e;
}

static void tell_entry(struct imapd_session *s, const struct entry *e, const struct imap_list *l, bool below)
{
    buf_str(&s->out, "* LIST (");
    if (!e->box) imapd_put_attribute(s, l->extended || s->rev2 ? "\\NonExistent" : "\\Noselect");
    imapd_put_attribute(s, e->children ? "\\HasChildren" : "\\HasNoChildren");
    if (e->subscribed && (l->give | l->select) & IMAP_LIST_SUBSCRIBED) imapd_put_attribute(s, "\\Subscribed");
    if (e->box && e->account == s->account) imapd_put_uses(s, e->box->use);
    buf_str(&s->out, ") \"/\" ");
    imap_put_mailbox(&s->out, e->name, s->utf8);
    if (below) buf_str(&s->out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    if (e->box && e->rights & ACL_READ && l->give & IMAP_LIST_STATUS)
        tell_status(s, e->account, e->box, e->name, l->status);
    if (e->box && l->give & IMAP_LIST_MYRIGHTS) imapd_tell_rights(s, e->name, e->rights);
    if (e->box && e->rights & ACL_READ && l->give & IMAP_LIST_METADATA)
        (void)!imapd_list_metadata(s, e->account, e->box, e->name, &l->entries); /* else as if none */
}

static void list_entry(struct imapd_session *s, const struct entry *e, const struct imap_list *l)
{
    bool below = false;
    if (l->select & IMAP_LIST_SPECIAL_USE && !(e->box && e->box->use)) return;
    if (l->select & IMAP_LIST_SUBSCRIBED) {
        below = l->select & IMAP_LIST_RECURSIVE && e->subscribed_below;
        if (!e->subscribed && !below) return;
    } else if (!e->box && !e->children) {
        return;
    }
    if (matches(l, e->name)) tell_entry(s, e, l, below);
}

void imapd_cmd_list(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    struct imap_list l = imap_list_args(in, false);
    if (imapd_args_bad(s, in)) return;
    if (!l.extended && !l.pattern[0].n) { /* asks for the delimiter (RFC 9051 section 6.3.9) */
        imapd_untagged(s, "LIST (\\Noselect) \"/\" \"\"");
        imapd_ok(s, NULL, "that is the delimiter");
        return;
    }
    if (imapd_clean_entries(s, &l.entries) != 0) {
        imapd_bad(s, "%s", err_text(ERR_SYNTAX));
        return;
    }
    struct entries es;
    int e = gather_all(s, &l, &es);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    for (size_t i = 0; i < es.n; i++) list_entry(s, es.v[i], &l);
    imapd_ok(s, NULL, "these are the mailboxes");
}

/* RFC 3501 section 6.3.9: with '%' a name that has subscribed ones under it is told as well. */
static void lsub_entry(struct imapd_session *s, const struct entry *e, const struct imap_list *l)
{
    bool parent = !e->subscribed && e->subscribed_below && sl_chr(l->pattern[0], '%') != SL_NONE;
    if ((!e->subscribed && !parent) || !matches(l, e->name)) return;
    buf_str(&s->out, parent ? "* LSUB (\\Noselect) \"/\" " : "* LSUB () \"/\" ");
    imap_put_mailbox(&s->out, e->name, s->utf8);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

void imapd_cmd_lsub(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    struct imap_list l = imap_list_args(in, true);
    if (imapd_args_bad(s, in)) return;
    struct entries es;
    int e = gather_all(s, &l, &es);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    for (size_t i = 0; i < es.n; i++) lsub_entry(s, es.v[i], &l);
    imapd_ok(s, NULL, "these are the subscriptions");
}
