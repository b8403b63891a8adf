/* queue_test.h - for tests of the queue: one over a store of its own, with a relay made up by the test. Time
 * is real here; retries over days are in queue_sim.c. */
#pragma once
#include "letter_source.h"
#include "own_test.h"
#include "queue_i.h"
#include "store/store_test.h"

struct tester {
    struct fixture f;
    struct own_way way;
    struct queue *q;
    int attempts, unfound, rcpts, under_way, most_under_way;
    bool slow;
    struct waitq slow_end;
    char first_host[64], bytes[600]; /* the first of the letter that was sent last */
    struct letter_source sent;
    size_t nbytes;
    struct letter_wants wants; /* of the last letter that was relayed */
};

/* made_up_relay_test.c. ctx: the tester. The recipient's local part begins with what is to come of it: temp,
 * perm, ...; any other is delivered. */
void fake_relay(void *ctx, struct attempt_letter *at);

static inline int open_queue(struct tester *t, struct queue_conf c)
{
    t->way = (struct own_way){&t->f.s, &t->q};
    struct queue_conf own =
        own_way_queue(&t->way, 1); /* one: its loop is the test's: no locks in the tester */
    c.hostname = own.hostname, c.shards = c.shards ? c.shards : own.shards;
    c.take = own.take, c.take_ctx = own.take_ctx;
    c.deliver = own.deliver, c.deliver_ctx = own.deliver_ctx;
    return queue_open(&t->q, t->f.s, &c);
}

static inline bool begin(struct tester *t, const struct queue_conf *conf)
{
    *t = (struct tester){0};
    waitq_init(&t->slow_end);
    struct queue_conf c = conf ? *conf : (struct queue_conf){0};
    if (!fixture_begin(&t->f)) return false;
    CHECK_OK(domain_add(t->f.s->directory, SL("one.test")));
    CHECK_OK(account_add(t->f.s->directory, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_add(t->f.s->directory, SL("bob@one.test"), SL("secret")));
    CHECK_OK(open_queue(t, c));
    return t->q != NULL;
}

static inline void go(struct tester *t) { CHECK_OK(queue_start(t->q, fake_relay, t)); }

static inline void end(struct tester *t)
{
    queue_close(&t->q);
    fixture_end(&t->f);
}

#define TEXT "Return-Path: <x@one.test>\r\nSubject: test\r\n\r\nHello\r\n"

/* to: addresses separated by blanks; those of one.test are local. */
static inline struct letter letter_to(struct tester *t, const char *sender, const char *to)
{
    struct arena *a = &t->f.a;
    struct letter l = {.sender = sl_cstr(sender),
                       .received = rt_wall_seconds(),
                       .skip = 27,
                       .head_size = 45,
                       .message_id = SL("<m@one.test>"),
                       .subject = SL("test")};
    struct slice rest = sl_cstr(to), one;
    letter_id_new(&l.id);
    l.rcpt = ar_array(a, struct letter_rcpt, 300);
    while (sl_next(&rest, ' ', &one)) {
        struct slice local, domain;
        struct routes r = {0};
        size_t at = sl_rchr(one, '@');
        local = sl_sub(one, 0, at), domain = sl_from(one, at + 1);
        CHECK_OK(directory_resolve(t->f.s->directory, a, local, domain, &r));
        struct letter_rcpt *x = &l.rcpt[l.nrcpt++];
        x->address = one;
        x->route = r.result == RESOLVED ? r.v[0] : (struct route){.address = one};
    }
    CHECK_OK(body_put(t->f.s->body, BODY_MAIL, SL(TEXT), SL(""), &l.body));
    return l;
}

/* Gives the queue time until pred holds; false after 5 s. */
static inline bool until(struct tester *t, bool (*pred)(struct tester *t))
{
    for (int i = 0; i < 2500; i++) {
        if (pred(t)) return true;
        if (fiber_sleep(2 * RT_MS) != 0) return false;
    }
    return false;
}

static inline struct queue_stats stats(struct tester *t)
{
    struct queue_stats st;
    CHECK_OK(queue_stats(t->q, &st));
    return st;
}
/* Nothing is there, and those who took it away have also told of it. */
static inline bool is_empty(struct tester *t)
{
    struct queue_stats st = stats(t);
    return st.letters == 0 && st.sending == 0;
}
static inline bool one_deferred(struct tester *t) { return stats(t).deferred >= 1 && stats(t).sending == 0; }
static inline bool five_slow(struct tester *t) { return t->under_way >= 5; }
static inline bool none_under_way(struct tester *t) { return stats(t).sending == 0; }

static inline size_t inbox(struct tester *t, const char *address, struct message **out)
{
    struct account acc;
    struct mailbox box;
    size_t n = 0;
    CHECK_OK(account_get(t->f.s->directory, &t->f.a, sl_cstr(address), &acc));
    CHECK_OK(mailbox_find(t->f.s, acc.id, SL("INBOX"), &t->f.a, &box));
    CHECK_OK(message_list(t->f.s, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &t->f.a,
                          out, &n));
    return n;
}

static inline struct slice text_of(struct tester *t, const struct message *m)
{
    struct slice text = {0};
    CHECK_OK(body_get(t->f.s->body, &m->body, 100000, &t->f.a, &text));
    return text;
}

static inline int count_letter(void *n, const struct queue_info *info)
{
    (void)info;
    ++*(size_t *)n;
    return 0;
}

static inline size_t listed(struct tester *t, const struct queue_filter *f)
{
    size_t n = 0;
    CHECK_OK(queue_list(t->q, f, count_letter, &n));
    return n;
}
