/* deliver.c - a letter into a mailbox of its account (deliver.h). */
#include "deliver.h"

#include "base/log.h"
#include "store/mailbox.h"

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
    d->where = l->junk ? "as junk" : "into the inbox";
    return message_deliver(store, d->account, d->name, l->junk ? SL("Junk") : SL("INBOX"), &m, &uid,
                           &d->before);
}
