/* acl.c - SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314). */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"

/* The right n is one while annotations of messages are offered (RFC 5257 section 4.10). */
static unsigned known(const struct imapd_session *s)
{
    return s->server->conf.annotate ? ACL_ALL : ACL_ALL & ~(unsigned)ACL_ANNOTATE;
}

/* The letters of rights, with the virtual ones of RFC 2086 that older clients look for (section 2.1.1). */
static void put_rights(const struct imapd_session *s, struct buf *out, unsigned rights)
{
    static const char letters[] = ACL_LETTERS;
    struct buf b = BUF_INIT;
    rights &= known(s);
    for (unsigned i = 0; i < sizeof letters - 1; i++)
        if (rights & 1u << i) buf_char(&b, letters[i]);
    if (rights & (ACL_CREATE | ACL_DELETE)) buf_char(&b, 'c');
    if (rights & (ACL_MARK | ACL_EXPUNGE)) buf_char(&b, 'd');
    imap_put_astring(out, buf_slice(&b), false);
    buf_free(&b);
}

/* "+lrs": with "c" and "d" for what they stand for. */
static bool take_rights(const struct imapd_session *s, struct slice text, unsigned *rights, enum acl_op *op)
{
    static const char letters[] = ACL_LETTERS;
    *rights = 0;
    *op = ACL_SET;
    if (text.n && (*text.p == '+' || *text.p == '-')) {
        *op = *text.p == '+' ? ACL_ADD : ACL_REMOVE;
        text = sl_from(text, 1);
    }
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(letters, text.p[i], sizeof letters - 1);
        if (at) *rights |= 1u << (at - letters);
        else if (text.p[i] == 'c') *rights |= ACL_CREATE | ACL_DELETE;
        else if (text.p[i] == 'd') *rights |= ACL_MARK | ACL_EXPUNGE;
        else return false;
    }
    return !(*rights & ~known(s));
}

/* "anyone", "authenticated", or the address of an account, with "-" in front when rights are taken away. */
static int take_who(struct imapd_session *s, struct slice text, struct acl_entry *out)
{
    struct account acc;
    *out = (struct acl_entry){.negative = text.n && *text.p == '-'};
    if (out->negative) text = sl_from(text, 1);
    out->who = sl_eqi(text, ACL_ANYONE) ? ACL_ANYONE : ACL_AUTHENTICATED;
    if (sl_eqi(text, out->who)) return 0;
    int e = account_get(s->server->conf.store->directory, &s->a, text, &acc);
    if (e) return e == ERR_SYNTAX ? err_set(ERR_NOT_FOUND, "there is no such account") : e;
    out->who = acc.address;
    snprintf(out->id, sizeof out->id, "%s", acc.id);
    return 0;
}

static void change(struct imapd_session *s, struct slice name, struct slice who, unsigned rights,
                   enum acl_op op)
{
    struct imapd_place p;
    struct acl_entry entry;
    int e = imapd_find(s, name, ACL_ADMIN, &p);
    if (!e) e = take_who(s, who, &entry);
    if (!e && strcmp(entry.id, p.account) == 0)
        e = err_set(ERR_USAGE, "the owner of a mailbox may do everything with it, always");
    if (!e) {
        entry.rights = rights;
        e = acl_change(s->server->conf.store, imapd_acting(s, p.account, p.m.id, ACL_ADMIN), p.owner, &entry,
                       op);
    }
    if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, "the access list is changed");
}

void imapd_cmd_setacl(struct imapd_session *s, struct imap_in *in)
{
    unsigned rights;
    enum acl_op op;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    imap_sp(in);
    struct slice who = imap_astring(in);
    imap_sp(in);
    if (!take_rights(s, imap_astring(in), &rights, &op))
        imap_fail(in, ERR_SYNTAX, "one of these rights is not known");
    if (!imapd_args_bad(s, in)) change(s, name, who, rights, op);
}

void imapd_cmd_deleteacl(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    imap_sp(in);
    struct slice who = imap_astring(in);
    if (!imapd_args_bad(s, in)) change(s, name, who, 0, ACL_SET);
}

void imapd_cmd_getacl(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    struct acl_entry *v;
    size_t n;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_find(s, name, ACL_ADMIN, &p);
    if (!e)
        e = acl_read(s->server->conf.store, (struct mailbox_ref){.account = p.account, .box = p.m.id}, &s->a,
                     &v, &n);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    buf_str(&s->out, "* ACL ");
    imap_put_mailbox(&s->out, p.shown, s->utf8);
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, p.owner, s->utf8);
    buf_char(&s->out, ' ');
    put_rights(s, &s->out, ACL_ALL);
    for (size_t i = 0; i < n; i++) {
        buf_char(&s->out, ' ');
        imap_put_astring(&s->out, v[i].negative ? ar_cat(&s->a, SL("-"), v[i].who) : v[i].who, s->utf8);
        buf_char(&s->out, ' ');
        put_rights(s, &s->out, v[i].rights);
    }
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "that is the access list");
}

/* No right is tied to another one; the owner has them all. */
void imapd_cmd_listrights(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    struct acl_entry entry;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    imap_sp(in);
    struct slice who = imap_astring(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_find(s, name, ACL_ADMIN, &p);
    if (!e) e = take_who(s, who, &entry);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    buf_str(&s->out, "* LISTRIGHTS ");
    imap_put_mailbox(&s->out, p.shown, s->utf8);
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, who, s->utf8);
    const char *more = s->server->conf.annotate ? " n" : "";
    if (strcmp(entry.id, p.account) == 0) buf_printf(&s->out, " lrswipkxtea%scd\r\n", *more ? more + 1 : "");
    else buf_printf(&s->out, " \"\" l r s w i p k x t e a%s c d\r\n", more);
    imapd_flush(s);
    imapd_ok(s, NULL, "these are the rights");
}

void imapd_tell_rights(struct imapd_session *s, struct slice name, unsigned rights)
{
    buf_str(&s->out, "* MYRIGHTS ");
    imap_put_mailbox(&s->out, name, s->utf8);
    buf_char(&s->out, ' ');
    put_rights(s, &s->out, rights);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

void imapd_cmd_myrights(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_find(s, name, 0, &p);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    imapd_tell_rights(s, p.shown, p.rights);
    imapd_ok(s, NULL, "these are your rights");
}
