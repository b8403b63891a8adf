/* own_test.h - stand-ins of the floors above for tests: a letter_take that accepts as it is, a queue_deliver
 * that files into the inbox. */
#pragma once
#include "accept.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "queue.h"
#include "store/mailbox.h"

struct own_way { /* where the test keeps them: they may be opened after who is given it */
    struct store **store;
    struct queue **queue;
};

static inline int own_way_deliver(void *way, struct last_hop *d)
{
    const struct letter *l = d->letter;
    struct message_new m = {.internal_date = l->received,
                            .size = body_ref_size(&l->body),
                            .head_size = l->head_size,
                            .body = l->body,
                            .tell = d->tell,
                            .tell_arg = d->tell_arg};
    uint32_t uid;
    d->where = "into the inbox";
    return message_deliver(*((struct own_way *)way)->store, d->account, d->name, SL("INBOX"), &m, &uid,
                           &d->before);
}

static inline int own_way_take(void *way, const struct letter_own *own)
{
    struct store *s = *((struct own_way *)way)->store;
    struct arena a = {0};
    struct buf text = BUF_INIT, origin = BUF_INIT;
    struct slice local, domain;
    struct routes routes;
    int e = mail_addr_split(&a, own->to, &local, &domain);
    if (!e) e = directory_resolve(s->directory, &a, local, domain, &routes);
    if (e || (routes.result != RESOLVED && routes.result != RESOLVED_NOT_LOCAL)) {
        ar_free(&a);
        return e ? e : err_set(ERR_DENIED, "nobody of that name");
    }
    struct letter_rcpt to = {.address = own->to, .route = {.address = own->to}, .notify = NOTIFY_NEVER};
    if (routes.result == RESOLVED) to.route = routes.v[0];
    struct letter l = {.id = own->id,
                       .sender = own->sender,
                       .rcpt = &to,
                       .nrcpt = 1,
                       .received = rt_wall_seconds(),
                       .once = true,
                       .wants = own->wants,
                       .smtputf8 = own->smtputf8};
    l.subject = sl_from(own->text, sl_find(own->text, SL("Subject: ")) + 9);
    l.subject = sl_sub(l.subject, 0, sl_find(l.subject, SL("\r\n")));
    mail_return_path(&text, own->sender);
    l.skip = (uint32_t)text.n;
    buf_put(&text, own->text);
    l.head_size = (uint32_t)(sl_find(buf_slice(&text), SL("\r\n\r\n")) + 4);
    e = letter_origin(&origin, &l);
    if (!e)
        e = body_put(s->body, accept_body_class(to.route.local), buf_slice(&text), buf_slice(&origin),
                     &l.body);
    if (!e) e = accept_letter(*((struct own_way *)way)->queue, &l);
    buf_free(&text);
    buf_free(&origin);
    ar_free(&a);
    return e;
}

/* For queue_open(): one.test's queue over both. */
static inline struct queue_conf own_way_queue(struct own_way *way, int shards)
{
    return (struct queue_conf){.hostname = SL("mail.one.test"),
                               .take = own_way_take,
                               .take_ctx = way,
                               .deliver = own_way_deliver,
                               .deliver_ctx = way,
                               .shards = shards};
}
