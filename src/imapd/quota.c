/* quota.c - GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208). An account has a quota root over all its
 * mailboxes: "account", or of another one what its mailboxes begin with; its limits are the operator's, and
 * that of the number of mailboxes is the same for all. Below it each name of a mailbox may be a root, over
 * that mailbox and all below it, called as the client calls the mailbox: whoever administers it sets its
 * limits. */
#include <stdio.h>

#include "imapd_i.h"
#include "store/quota.h"

#define ROOT SL("account")

uint64_t imapd_deleted_storage(struct imapd_session *s, const char *account, const struct mailbox *m)
{
    struct mailbox_ref box = {.account = account, .box = m->id};
    uint64_t bytes = 0;
    struct arena a;
    ar_init(&a, 0);
    uint32_t left = m->deleted, from = 1;
    for (bool more = left > 0; more && left && !conn_error(s->c);) {
        struct message *v;
        size_t n;
        ar_reset(&a);
        if (message_list(s->server->conf.store, box, from, 1000, &a, &v, &n) != 0) break;
        for (size_t i = 0; i < n && left; i++)
            if (v[i].flags & FLAG_DELETED) bytes += v[i].size, left--;
        more = n == 1000;
        if (n) from = v[n - 1].uid + 1;
        fiber_breathe();
    }
    ar_free(&a);
    return bytes;
}

/* ---- told ---- */

static void tell_resource(struct imapd_session *s, bool *first, const char *name, uint64_t has,
                          uint64_t limit)
{
    if (limit == QUOTA_NONE) return;
    buf_printf(&s->out, "%s%s %llu %llu", *first ? "" : " ", name, (unsigned long long)has,
               (unsigned long long)limit);
    *first = false;
}

/* Bytes in units of 1,024 (section 5.1), rounded up: what is used is never told as less. */
static void tell_quota(struct imapd_session *s, struct slice root, const struct quota_load *has,
                       const struct quota_limits *limit)
{
    bool first = true;
    uint64_t units = limit->bytes == QUOTA_NONE ? QUOTA_NONE : limit->bytes / 1024;
    buf_str(&s->out, "* QUOTA ");
    imap_put_mailbox(&s->out, root, s->utf8);
    buf_str(&s->out, " (");
    tell_resource(s, &first, "STORAGE", has->bytes / 1024 + (has->bytes % 1024 != 0), units);
    tell_resource(s, &first, "MESSAGE", has->messages, limit->messages); /* section 5.2 */
    tell_resource(s, &first, "MAILBOX", has->boxes, limit->boxes);       /* section 5.3 */
    buf_str(&s->out, ")\r\n");
    imapd_flush(s);
}

static int tell_account(struct imapd_session *s, struct slice root, const char *account)
{
    struct account_usage u;
    int e = account_usage(s->server->conf.store, account, &u);
    if (e) return e;
    tell_quota(s, root, &(struct quota_load){u.bytes, u.messages, u.boxes},
               &(struct quota_limits){u.quota_bytes ? u.quota_bytes : QUOTA_NONE,
                                      u.quota_messages ? u.quota_messages : QUOTA_NONE, MAILBOXES_MAX});
    return 0;
}

static struct slice shown(struct imapd_session *s, const struct imapd_place *p, struct slice name)
{
    return p->foreign ? imapd_foreign_name(s, p->owner, name) : name;
}

/* ---- GETQUOTA ---- */

static int no_root(void) { return err_set(ERR_NOT_FOUND, "there is no such quota root"); }

static bool is_root(const void *arg, struct slice root)
{
    const struct slice *asked = arg;
    return sl_startsi(*asked, root);
}

/* A root of another account, which may be told of to whoever may read one of the mailboxes below it (section
 * 6). *rest: its name there, empty: that of all. */
static int find_root(struct imapd_session *s, struct slice root, struct imapd_place *p, struct slice *rest)
{
    struct acl_owner *o;
    struct imapd_visible *v;
    size_t owners, n = 0;
    bool may = false;
    int e = imapd_others(s, is_root, &root, &o, &owners);
    for (size_t i = 0; i < owners && !e && !may; i++) {
        *rest = sl_from(root, imapd_foreign_name(s, o[i].address, SL("")).n);
        struct quota_tree t = {.name = *rest};
        e = imapd_visible(s, &o[i], 1, IMAPD_NAMES_MAX, &v, &n);
        for (size_t k = 0; k < n && !e; k++)
            may |= strcmp(v[k].account, o[i].id) == 0 && v[k].rights & ACL_READ &&
                   (!rest->n || quota_tree_has(&t, v[k].m->name));
        snprintf(p->account, sizeof p->account, "%s", o[i].id);
        p->owner = o[i].address;
        p->foreign = true;
    }
    return e ? e : may ? 0 : no_root();
}

/* Names as mailboxes have them: NFC, INBOX in any case. */
static bool is_called(struct slice tree, struct slice name)
{
    bool inbox = name.n >= 5 && sl_starts(tree, SL("INBOX")) && sl_startsi(name, SL("INBOX"));
    return sl_eq(tree, name) || (inbox && sl_eq(sl_from(tree, 5), sl_from(name, 5)));
}

static int tell_root(struct imapd_session *s, const struct imapd_place *p, struct slice name)
{
    struct quota_tree *t;
    size_t n;
    struct slice clean = mailbox_pattern(&s->a, name);
    int e = quota_trees(s->server->conf.store, p->account, name, &s->a, &t, &n);
    if (e) return e == ERR_SYNTAX ? no_root() : e;
    for (size_t i = 0; i < n; i++) {
        if (!is_called(t[i].name, clean)) continue;
        tell_quota(s, shown(s, p, t[i].name), &t[i].has, &t[i].limit);
        return 0;
    }
    return no_root();
}

void imapd_cmd_getquota(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p = {0};
    imap_sp(in);
    struct slice root = imap_mailbox(in), rest = root;
    if (imapd_args_bad(s, in)) return;
    int e = imapd_is_foreign(root) ? find_root(s, root, &p, &rest) : 0;
    if (!p.foreign) snprintf(p.account, sizeof p.account, "%s", s->account);
    bool all = p.foreign ? !rest.n : sl_eq(root, ROOT);
    if (!e) e = all ? tell_account(s, root, p.account) : tell_root(s, &p, rest);
    if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, "that is the quota");
}

/* ---- GETQUOTAROOT ---- */

/* One's own mailbox need not exist (section 4.1.2); another's must, and the client may read it (section 6).
 */
static int find_any(struct imapd_session *s, struct slice name, struct imapd_place *p)
{
    int e = imapd_find(s, name, 0, p);
    if (!e && p->foreign) e = acl_allow(p->rights, ACL_READ);
    if ((e != ERR_NOT_FOUND && e != ERR_SYNTAX) || p->foreign) return e;
    p->shown = mailbox_pattern(&s->a, name);
    return 0;
}

void imapd_cmd_getquotaroot(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    struct slice rest;
    struct quota_tree *t;
    size_t n = 0;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_owner(s, name, &p, &rest);
    if (!e) e = find_any(s, name, &p);
    if (!e) e = quota_trees(s->server->conf.store, p.account, rest, &s->a, &t, &n);
    if (e == ERR_SYNTAX) e = 0; /* what is no name is below none */
    if (e) {
        imapd_failed(s, e);
        return;
    }
    struct slice root = p.foreign ? imapd_foreign_name(s, p.owner, SL("")) : ROOT;
    buf_str(&s->out, "* QUOTAROOT ");
    imap_put_mailbox(&s->out, p.shown, s->utf8);
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, root, s->utf8);
    for (size_t i = 0; i < n; i++) {
        buf_char(&s->out, ' ');
        imap_put_mailbox(&s->out, shown(s, &p, t[i].name), s->utf8);
    }
    buf_str(&s->out, "\r\n");
    e = tell_account(s, root, p.account);
    for (size_t i = 0; i < n && !e; i++) tell_quota(s, shown(s, &p, t[i].name), &t[i].has, &t[i].limit);
    if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, "that is its quota");
}

/* ---- SETQUOTA (section 4.1.3) ---- */

/* One resource with its limit; a limit that is larger than anything is none. */
static int take_limit(struct imap_in *in, struct quota_limits *out)
{
    struct slice what = imap_atom(in);
    imap_sp(in);
    uint64_t n = imap_number(in, INT64_MAX); /* number64 */
    if (sl_eqi(what, SL("STORAGE"))) out->bytes = n > UINT64_MAX / 2048 ? QUOTA_NONE : n * 1024;
    else if (sl_eqi(what, SL("MESSAGE"))) out->messages = n;
    else if (sl_eqi(what, SL("MAILBOX"))) out->boxes = n;
    else return err_set(ERR_DENIED, "%.*s cannot be limited", SLF(sl_sub(what, 0, 50)));
    return 0;
}

static int take_limits(struct imap_in *in, struct quota_limits *out)
{
    int e = 0;
    *out = (struct quota_limits){QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};
    imap_need(in, '(');
    for (bool more = !imap_skip(in, ')'); more && !in->code;) {
        int no = take_limit(in, out);
        if (no) e = no;
        more = imap_skip(in, ' ');
        if (!more) imap_need(in, ')');
    }
    return e;
}

/* The right is looked at again in the transaction. */
static int set_limits(struct imapd_session *s, struct slice root, const struct quota_limits *limit)
{
    struct imapd_place p;
    struct slice rest;
    const struct mailbox_guest *guest = NULL;
    struct store *store = s->server->conf.store;
    if (sl_eq(root, ROOT) || (imapd_is_foreign(root) && sl_ends(root, SL("/"))))
        return err_set(ERR_DENIED, "limits of an account are set by the operator (tram account set)");
    int e = imapd_owner(s, root, &p, &rest);
    if (sl_ends(rest, SL("/"))) rest.n--; /* as for CREATE */
    if (!e && p.foreign) {
        e = imapd_find(s, root, ACL_ADMIN, &p);
        if (e) return e;
        guest = imapd_guest(s, p.account, (struct imapd_need){p.m.id, ACL_ADMIN}, (struct imapd_need){0});
        rest = p.m.name;
    }
    if (!e) e = quota_tree_set(store, p.account, guest, rest, limit, false);
    if (e) return e;
    if (tell_root(s, &p, rest)) tell_quota(s, root, &(struct quota_load){0}, limit); /* it has none now */
    return 0;
}

void imapd_cmd_setquota(struct imapd_session *s, struct imap_in *in)
{
    struct quota_limits limit;
    imap_sp(in);
    struct slice root = imap_mailbox(in);
    imap_sp(in);
    int e = take_limits(in, &limit);
    if (imapd_args_bad(s, in)) return;
    if (!e) e = set_limits(s, root, &limit);
    if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, "that is its quota now");
}
