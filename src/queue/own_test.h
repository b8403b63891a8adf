/* own_test.h - intake's stand-in for tests of the floors below it: a letter_take that accepts as it is. */
#pragma once
#include "accept.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "rt/rt.h"

struct own_way { /* where the test keeps them: they may be opened after who is given it */
    struct store **store;
    struct queue **queue;
};

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
                       .smtputf8 = own->smtputf8};
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
