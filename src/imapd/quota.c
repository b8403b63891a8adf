/* quota.c - GETQUOTA and GETQUOTAROOT (RFC 9208): an account has one quota root over all its mailboxes, when
 * it has a limit: "account", or of another one what its mailboxes begin with. Limits are the operator's to
 * set: SETQUOTA is refused to everybody, and QUOTASET not offered. */
#include "imapd_i.h"

#define ROOT SL("account")

uint64_t imapd_deleted_storage(struct imapd_session *s, const char *account, const struct mailbox *m)
{
    struct mailbox_ref box = {.account = account, .box = m->id};
    uint64_t bytes = 0;
    struct arena a;
    ar_init(&a, 0);
    uint32_t left = m->deleted, from = 1;
    for (bool more = left > 0; more && left;) {
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

static bool limited(const struct account_usage *u) { return u->quota_bytes || u->quota_messages; }

/* Bytes in units of 1,024 (section 5.1), rounded up: what is used is never told as less. */
static void tell_quota(struct imapd_session *s, struct slice root, const struct account_usage *u)
{
    buf_str(&s->out, "* QUOTA ");
    imap_put_astring(&s->out, root, s->utf8);
    buf_str(&s->out, " (");
    if (u->quota_bytes)
        buf_printf(&s->out, "STORAGE %llu %llu", (unsigned long long)((u->bytes + 1023) / 1024),
                   (unsigned long long)(u->quota_bytes / 1024));
    if (u->quota_messages) /* section 5.2 */
        buf_printf(&s->out, "%sMESSAGE %llu %llu", u->quota_bytes ? " " : "", (unsigned long long)u->messages,
                   (unsigned long long)u->quota_messages);
    buf_str(&s->out, ")\r\n");
    imapd_flush(s);
}

static bool is_root(const void *arg, struct slice root)
{
    const struct slice *asked = arg;
    return sl_startsi(*asked, root);
}

/* The root of another account, which may be told of to whoever may read one of its mailboxes (section 6). */
static int find_root(struct imapd_session *s, struct slice root, const char **account)
{
    struct acl_owner *o;
    struct imapd_visible *v;
    size_t owners, n = 0;
    int e = imapd_others(s, is_root, &root, &o, &owners);
    for (size_t i = 0; i < owners && !e; i++) {
        if (!sl_eqi(root, imapd_foreign_name(s, o[i].address, SL("")))) continue;
        e = imapd_visible(s, &o[i], 1, IMAPD_NAMES_MAX, &v, &n);
        for (size_t k = 0; k < n && !e; k++)
            if (strcmp(v[k].account, o[i].id) == 0 && v[k].rights & ACL_READ) *account = v[k].account;
    }
    return e;
}

void imapd_cmd_getquota(struct imapd_session *s, struct imap_in *in)
{
    struct account_usage u;
    const char *account = NULL;
    imap_sp(in);
    struct slice root = imap_astring(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_is_foreign(root) ? find_root(s, root, &account) : 0;
    if (sl_eq(root, ROOT)) account = s->account;
    if (!e && account) e = account_usage(s->server->conf.store, account, &u);
    if (!e && (!account || !limited(&u))) e = err_set(ERR_NOT_FOUND, "there is no such quota root");
    if (e) {
        imapd_failed(s, e);
        return;
    }
    tell_quota(s, root, &u);
    imapd_ok(s, NULL, "that is the quota");
}

/* One's own mailbox need not exist (section 4.1.2); another's must, and the client may read it (section 6).
 */
void imapd_cmd_getquotaroot(struct imapd_session *s, struct imap_in *in)
{
    struct account_usage u;
    struct imapd_place p;
    struct slice rest;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_owner(s, name, &p, &rest);
    if (!e && p.foreign) e = imapd_find(s, name, ACL_READ, &p);
    if (!e) e = account_usage(s->server->conf.store, p.account, &u);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    struct slice root = p.foreign ? imapd_foreign_name(s, p.owner, SL("")) : ROOT;
    buf_str(&s->out, "* QUOTAROOT ");
    imap_put_mailbox(&s->out, name, s->utf8);
    if (limited(&u)) {
        buf_char(&s->out, ' ');
        imap_put_astring(&s->out, root, s->utf8);
    }
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    if (limited(&u)) tell_quota(s, root, &u);
    imapd_ok(s, NULL, limited(&u) ? "that is its quota" : "it has no limit");
}

/* Section 4.1.3. */
void imapd_cmd_setquota(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    (void)imap_astring(in);
    imap_sp(in);
    imap_need(in, '(');
    for (bool more = !imap_skip(in, ')'); more && !in->code;) {
        (void)imap_atom(in);
        imap_sp(in);
        (void)imap_number(in, INT64_MAX); /* number64 */
        more = imap_skip(in, ' ');
        if (!more) imap_need(in, ')');
    }
    if (!imapd_args_bad(s, in)) imapd_no(s, "NOPERM", "limits are set by the operator (tram account set)");
}
