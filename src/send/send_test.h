/* send_test.h - for tests: the sending service on a store in memory, with an account that sends. */
#pragma once
#include "send_i.h"
#include "store/store_test.h"

struct send_fixture {
    struct fixture f;
    struct sends *s;
    struct account account; /* news@one.test */
};

static inline bool send_fixture_begin(struct send_fixture *x)
{
    *x = (struct send_fixture){0};
    if (!fixture_begin(&x->f)) return false;
    struct sends_conf c = {.store = x->f.s, .hostname = SL("mail.one.test")};
    CHECK_OK(domain_add(x->f.s->directory, SL("one.test")));
    CHECK_OK(account_add(x->f.s->directory, SL("news@one.test"), SL("secret")));
    CHECK_OK(account_get(x->f.s->directory, &x->f.a, SL("news@one.test"), &x->account));
    CHECK_OK(sends_open(&x->s, &c));
    return x->s != NULL;
}

static inline void send_fixture_end(struct send_fixture *x)
{
    sends_close(&x->s);
    fixture_end(&x->f);
}

/* A send with one text part. */
static inline struct send test_send(struct send_fixture *x)
{
    static struct send_part part = {SL_INIT("text/plain"), SL_INIT("Hello\r\n")};
    return (struct send){.account = &x->account,
                         .from = {SL("The news"), SL("news@one.test"), 0},
                         .stream = STREAM_BULK,
                         .subject = SL("News"),
                         .part = &part,
                         .nparts = 1};
}

static inline struct send_letter test_letter(struct arena *a, struct slice to)
{
    struct send_addr *v = ar_new(a, struct send_addr);
    v->address = to;
    return (struct send_letter){.to = {v, 1}};
}
