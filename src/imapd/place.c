/* place.c - where a mailbox name leads: into the client's own account, by "#user/ADDRESS/NAME" into somebody
 * else's, by "#public/NAME" into the one whose mailboxes are public (RFC 2342), and what the client may do
 * there (RFC 4314). */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"

static bool is_public(struct slice name) { return sl_startsi(name, SL(IMAPD_PUBLIC)); }

bool imapd_is_foreign(struct slice name) { return is_public(name) || sl_startsi(name, SL(IMAPD_OTHERS)); }

int imapd_public(struct imapd_session *s, struct account *out)
{
    const struct imapd_conf *c = &s->server->conf;
    if (!c->public_account.n) return err_set(ERR_NOT_FOUND, "there are no public mailboxes");
    int e = account_get(c->store->directory, &s->a, c->public_account, out);
    return e == ERR_SYNTAX ? ERR_NOT_FOUND : e;
}

/* "#user/ADDRESS/NAME" and "#public/NAME" apart. */
static bool take_apart(struct imapd_session *s, struct slice name, struct slice *owner, struct slice *rest)
{
    *owner = s->server->conf.public_account;
    *rest = sl_from(name, is_public(name) ? sizeof IMAPD_PUBLIC - 1 : sizeof IMAPD_OTHERS - 1);
    return (is_public(name) || sl_next(rest, '/', owner)) && owner->n && rest->p && rest->n;
}

static int no_such(struct slice name)
{
    return err_set(ERR_NOT_FOUND, "there is no mailbox \"%.*s\"", SLF(sl_sub(name, 0, 200)));
}

int imapd_owner(struct imapd_session *s, struct slice name, struct imapd_place *out, struct slice *rest)
{
    struct slice owner;
    struct account acc;
    *out = (struct imapd_place){.rights = ACL_ALL, .owner = sl_cstr(s->address)};
    *rest = name;
    snprintf(out->account, sizeof out->account, "%s", s->account);
    if (!imapd_is_foreign(name)) return 0;
    if (!take_apart(s, name, &owner, rest)) return no_such(name);
    int e = account_get(s->server->conf.store->directory, &s->a, owner, &acc);
    if (e == ERR_NOT_FOUND || e == ERR_SYNTAX) return no_such(name);
    if (e) return e;
    snprintf(out->account, sizeof out->account, "%s", acc.id);
    out->foreign = strcmp(acc.id, s->account) != 0;
    out->owner = acc.address;
    if (out->foreign) out->rights = 0; /* until the mailbox is known */
    return 0;
}

int imapd_read_rights(struct imapd_session *s, struct mailbox_ref box, unsigned *out)
{
    struct acl_entry *v;
    size_t n;
    struct arena a;
    *out = ACL_ALL;
    if (strcmp(box.account, s->account) == 0) return 0;
    ar_init(&a, 0);
    int e = acl_read(s->server->conf.store, box, &a, &v, &n);
    *out = e ? 0 : acl_rights_of(v, n, s->account);
    ar_free(&a);
    return e;
}

const struct mailbox_guest *imapd_guest(struct imapd_session *s, const char *account, struct imapd_need need,
                                        struct imapd_need also)
{
    if (strcmp(account, s->account) == 0) return NULL;
    struct mailbox_guest *g = ar_new(&s->a, struct mailbox_guest);
    g->id = s->account;
    g->must[0].box = need.box;
    g->must[0].need = need.rights;
    g->must[1].box = also.box;
    g->must[1].need = also.rights;
    return g;
}

struct mailbox_ref imapd_acting(struct imapd_session *s, const char *account, uint32_t box, unsigned need)
{
    return (struct mailbox_ref){
        account, box, imapd_guest(s, account, (struct imapd_need){box, need}, (struct imapd_need){0})};
}

struct slice imapd_foreign_name(struct imapd_session *s, struct slice owner, struct slice name)
{
    if (sl_eqi(s->server->conf.public_account, owner))
        return ar_printf(&s->a, IMAPD_PUBLIC "%.*s", SLF(name));
    return ar_printf(&s->a, IMAPD_OTHERS "%.*s/%.*s", SLF(owner), SLF(name));
}

void imapd_put_name(struct imapd_session *s, const char *attributes, struct slice name, struct slice given)
{
    buf_printf(&s->out, "* LIST (%s) \"/\" ", attributes);
    imap_put_mailbox(&s->out, name, s->utf8);
    if (!sl_eq(name, given)) {
        buf_str(&s->out, " (\"OLDNAME\" (");
        imap_put_mailbox(&s->out, given, s->utf8);
        buf_str(&s->out, "))");
    }
    buf_str(&s->out, "\r\n");
}

void imapd_tell_changed_name(struct imapd_session *s, const char *attributes, struct slice name,
                             struct slice given)
{
    if (!s->rev2 || sl_eq(name, given)) return;
    imapd_put_name(s, attributes, name, given);
    imapd_flush(s);
}

/* Who may not even know of it hears that there is none. */
int imapd_find(struct imapd_session *s, struct slice name, unsigned need, struct imapd_place *out)
{
    struct slice rest;
    int e = imapd_owner(s, name, out, &rest);
    if (!e) e = mailbox_find(s->server->conf.store, out->account, rest, &s->a, &out->m);
    if (e == ERR_NOT_FOUND && out->foreign) return no_such(name);
    if (!e && out->foreign)
        e = imapd_read_rights(s, (struct mailbox_ref){.account = out->account, .box = out->m.id},
                              &out->rights);
    if (e) return e;
    if (!out->rights) return no_such(name);
    out->shown = out->foreign ? imapd_foreign_name(s, out->owner, out->m.name) : out->m.name;
    e = acl_allow(out->rights, need);
    return e && !(out->rights & (ACL_LOOKUP | ACL_READ)) ? no_such(name) : e;
}

/* The flags that may be set or cleared there (RFC 4314 section 4). */
uint64_t imapd_may_flag(unsigned rights)
{
    uint64_t bits = 0;
    if (rights & ACL_SEEN) bits |= FLAG_SEEN;
    if (rights & ACL_MARK) bits |= FLAG_DELETED;
    if (rights & ACL_WRITE) bits |= ~(uint64_t)(FLAG_SEEN | FLAG_DELETED);
    return bits;
}
