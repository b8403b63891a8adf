/* deliver.c - a letter into a mailbox of its account (deliver.h). */
#include "deliver.h"

#include "base/log.h"
#include "store/acl.h"

/* Does the address name a mailbox (user+mailbox) to which anyone may post (RFC 4314, right "p")? What says so
 * and cannot be read says nothing. */
static bool names_mailbox(struct store *s, const struct last_hop *d)
{
    struct mailbox m;
    struct acl_entry *v;
    struct arena a;
    size_t n = 0;
    if (!d->detail.n) return false;
    ar_init(&a, 0);
    int e = mailbox_find(s, d->account, d->detail, &a, &m);
    if (!e) e = acl_read(s, (struct mailbox_ref){.account = d->account, .box = m.id}, &a, &v, &n);
    bool yes = !e && acl_rights_of(v, n, "") & ACL_POST;
    ar_free(&a);
    return yes;
}

int deliver_letter(void *store, struct last_hop *d)
{
    const struct letter *l = d->letter;
    struct message_new m = {.internal_date = l->received,
                            .size = body_ref_size(&l->body),
                            .head_size = l->head_size,
                            .body = l->body,
                            .tell = d->tell,
                            .tell_arg = d->tell_arg};
    uint32_t uid;
    ASSERT(d->name.n && d->account[0]);
    struct slice box = SL("INBOX");
    d->where = "into the inbox";
    if (l->junk) {
        box = SL("Junk");
        d->where = "as junk";
    } else if (names_mailbox(store, d)) {
        box = d->detail;
        d->where = "into the mailbox that its address names";
    }
    return message_deliver(store, d->account, d->name, box, &m, &uid, &d->before);
}
