/* queue_rows_test.c - rows of the queue and origins of its letters: round trips, limits, damage. */
#include "kv/unreadable_test.h"
#include "pages.h"
#include "queue_test.h"
#include "store/origin.h"

struct spoiling {
    struct slice key, value;
};

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    struct spoiling *x = arg;
    if (x->value.n) kv_tx_put(tx, x->key, x->value);
    else kv_tx_del(tx, x->key);
    return 0;
}

/* A row becomes what a damaged disk may give back; value "": it is not there any more. */
static void spoil(struct tester *t, struct slice key, const char *value)
{
    struct spoiling x = {key, sl_cstr(value)};
    CHECK_OK(kv_transact(t->f.s->kv, SL("q:000"), spoil_tx, &x));
}

static void heard(void *arg, const char *sentence) { buf_printf(arg, "%s\n", sentence); }

static size_t due_rows(struct tester *t)
{
    struct kv_page page;
    CHECK_OK(kv_scan(t->f.s->kv, SL("q:000"), SL("d"), SL("e"), 10, &t->f.a, &page));
    return page.n;
}

static bool nothing_due(struct tester *t) { return due_rows(t) == 0 && stats(t).sending == 0; }

enum spoiled { ENVELOPE, GROUP, NO_GROUP, RCPT, NO_ENVELOPE, SPOILED };

static struct slice spoil_one(struct tester *t, const struct letter_id *id, enum spoiled what)
{
    struct arena *a = &t->f.a;
    struct slice key = what == ENVELOPE || what == NO_ENVELOPE ? queue_key_envelope(a, id)
                       : what == RCPT                          ? queue_key_rcpt(a, id, 0, 0)
                                                               : queue_key_group(a, id, 0);
    spoil(t, key, what == NO_GROUP || what == NO_ENVELOPE ? "" : "\1x");
    return key;
}

/* A block that cannot be read: the server starts, what lies behind it is delivered and listed, and the list
 * says that there may be more. */
TEST(queue_a_place_that_cannot_be_read_stops_no_start_and_hides_no_other)
{
    struct tester t;
    struct letter l[3];
    struct kv *kv;
    struct buf said = BUF_INIT;
    size_t n = 0;
    REQUIRE(begin(&t, NULL));
    kv = t.f.s->kv;
    for (size_t i = 0; i < COUNT_OF(l); i++) {
        l[i] = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l[i]));
    }
    kv_note(kv, SL("q:000"), queue_key_sending(&t.f.a, &l[0].id, 0), SL("1"));
    CHECK_OK(kv_flush(kv, SL("q:000")));
    REQUIRE(unreadable_begin_row(kv, "q:000", 'e', 1));
    struct queue_filter all = {0};
    CHECK_ERR(queue_list(t.q, &all, count_letter, &n), ERR_CORRUPT);
    CHECK(strstr(err_text(ERR_CORRUPT), "all others were looked at"));
    CHECK_OK(queue_verify(t.q, t.f.s, heard, &said));
    CHECK(sl_find(buf_slice(&said), SL("is followed by rows that cannot be read")) != SL_NONE);
    buf_free(&said);
    CHECK_INT(n, 3); /* the second one by its other rows, whose envelope is there for who asks for it alone */
    unreadable_end(kv);
    REQUIRE(unreadable_begin_row(kv, "q:000", 's', 0));
    queue_close(&t.q);
    CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 1}));
    go(&t);
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 3);
    unreadable_end(kv);
    end(&t);
}

/* Of two letters one is damaged: the server starts, the other is delivered, the damaged one is not tried
 * for ever, is seen, says why, can be held and dropped. */
/* The one with a damaged recipient stays due. */
static bool only_one_due(struct tester *t) { return due_rows(t) == 1 && stats(t).sending == 0; }

TEST(queue_damaged_rows_stop_nothing_and_can_be_dropped)
{
    for (enum spoiled what = 0; what < SPOILED; what++) {
        struct tester t;
        struct queue_info info;
        struct message *m;
        struct buf said = BUF_INIT;
        REQUIRE(begin(&t, NULL));
        struct letter bad = letter_to(&t, "alice@one.test", "ok@two.test"),
                      good = letter_to(&t, "", "bob@one.test");
        good.rcpt[0].notify = NOTIFY_SUCCESS; /* by way of the queue */
        CHECK_OK(accept_letter(t.q, &bad));
        CHECK_OK(accept_letter(t.q, &good));
        kv_note(t.f.s->kv, SL("q:000"), queue_key_sending(&t.f.a, &bad.id, 0),
                SL("1")); /* it died in an attempt */
        kv_note(t.f.s->kv, SL("q:000"), SL("s-damaged"), SL("1"));
        struct slice key = spoil_one(&t, &bad.id, what);
        queue_close(&t.q);
        CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 1}));
        go(&t);
        CHECK(until(&t, what == RCPT ? only_one_due : nothing_due));
        CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
        CHECK_INT(t.attempts, 0);
        CHECK_OK(queue_show(t.q, &bad.id, &t.f.a, &info));
        CHECK(sl_find(info.damage, SL("cannot be read or is missing")) != SL_NONE);
        CHECK(info.nrcpt == 1 && sl_eq(info.rcpt[0].state, what == RCPT ? SL("damaged") : SL("waiting")));
        CHECK_INT(listed(&t, &(struct queue_filter){0}), 1);
        CHECK_ERR(queue_verify(t.q, t.f.s, heard, &said), 0);
        CHECK(sl_find(buf_slice(&said), key) != SL_NONE || what == NO_GROUP || what == NO_ENVELOPE);
        int e = queue_act(t.q, &bad.id, QUEUE_HOLD);
        CHECK(what == RCPT ? e == ERR_STATE : e == 0);
        CHECK_OK(queue_act(t.q, &bad.id, QUEUE_DROP));
        CHECK_ERR(queue_show(t.q, &bad.id, &t.f.a, &info), ERR_NOT_FOUND);
        buf_clear(&said);
        CHECK_OK(queue_verify(t.q, t.f.s, heard, &said));
        CHECK_SL(buf_slice(&said), "");
        buf_free(&said);
        end(&t);
    }
}

struct throwing {
    const struct letter_id *id;
    struct slice row;
};

static int throw_tx(struct kv_tx *tx, void *arg)
{
    const struct throwing *x = arg;
    struct arena a = {0};
    int e = queue_tx_pages_throw(tx, &a, x->id, x->row);
    ar_free(&a);
    return e;
}

static int being_accepted(struct kv_tx *tx, void *id)
{
    struct arena a = {0};
    queue_tx_pages_note(tx, &a, id, 1);
    ar_free(&a);
    return 0;
}

static bool one_is_left(struct tester *t) { return stats(t).letters == 1 && stats(t).sending == 0; }

/* Who threw it away had looked before its envelope came, or before its end. */
TEST(queue_throws_nothing_away_that_came_or_ended_meanwhile)
{
    struct tester t;
    struct slice row;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test"),
                  stays = letter_to(&t, "alice@one.test", "temp@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(accept_letter(t.q, &stays));
    const struct slice rows[] = {queue_key_envelope(&t.f.a, &l.id), queue_key_group(&t.f.a, &l.id, 0),
                                 queue_key_rcpt(&t.f.a, &l.id, 0, 0), ar_printf(&t.f.a, "g%s/", l.id.s)};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_ERR(kv_transact(t.f.s->kv, SL("q:000"), throw_tx, &(struct throwing){&l.id, rows[i]}),
                  ERR_STATE);
    CHECK_INT(stats(&t).letters, 2);
    go(&t);
    CHECK(until(&t, one_is_left));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_ERR(kv_transact(t.f.s->kv, SL("q:000"), throw_tx, &(struct throwing){&l.id, rows[i]}),
                  ERR_NOT_FOUND);
    CHECK_INT(stats(&t).letters, 1);
    CHECK_INT(stats(&t).recipients, 1);
    CHECK_ERR(kv_get(t.f.s->kv, SL("q:000"), queue_key_accepting(&t.f.a, &l.id), &t.f.a, &row),
              ERR_NOT_FOUND);
    CHECK_OK(kv_transact(t.f.s->kv, SL("q:000"), being_accepted, &l.id));
    CHECK_ERR(kv_transact(t.f.s->kv, SL("q:000"), throw_tx, &(struct throwing){&l.id, rows[0]}),
              ERR_NOT_FOUND);
    end(&t);
}

static bool first_is_done(struct tester *t) { return t->attempts == 1 && stats(t).sending == 0; }

TEST(queue_damaged_recipient_hides_no_other)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test also@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    spoil(&t, queue_key_rcpt(&t.f.a, &l.id, 0, 0), "\1x");
    go(&t);
    CHECK(until(&t, first_is_done));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_SL(info.rcpt[0].state, "damaged");
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_DROP));
    CHECK_INT(stats(&t).letters, 0);
    end(&t);
}

/* What is done to all is done to all others of it, and to the rest of a letter that is damaged. */
TEST(queue_damage_keeps_no_other_from_being_steered)
{
    static const enum queue_action actions[] = {QUEUE_HOLD, QUEUE_RELEASE, QUEUE_RETRY, QUEUE_DROP};
    for (enum spoiled what = 0; what < SPOILED; what++) {
        struct tester t;
        struct queue_info info;
        struct letter l[3];
        size_t n;
        REQUIRE(begin(&t, NULL));
        for (size_t i = 0; i < COUNT_OF(l); i++) {
            l[i] = letter_to(&t, "alice@one.test", "temp@two.test temp@three.test");
            CHECK_OK(accept_letter(t.q, &l[i]));
        }
        (void)spoil_one(&t, &l[0].id, what);
        for (size_t k = 0; k < COUNT_OF(actions); k++) {
            const char *state = actions[k] == QUEUE_HOLD ? "held" : "waiting";
            CHECK_OK(queue_act_all(t.q, &(struct queue_filter){0}, actions[k], &n));
            CHECK(n >= 2);
            for (size_t i = 1; i < COUNT_OF(l) && actions[k] != QUEUE_DROP; i++) {
                CHECK_OK(queue_show(t.q, &l[i].id, &t.f.a, &info));
                CHECK(info.nrcpt == 2 && sl_eq(info.rcpt[0].state, sl_cstr(state)) &&
                      sl_eq(info.rcpt[1].state, sl_cstr(state)));
            }
            if (actions[k] == QUEUE_DROP || what == ENVELOPE || what == NO_ENVELOPE) continue;
            CHECK_OK(queue_show(t.q, &l[0].id, &t.f.a, &info)); /* its other group */
            CHECK(info.nrcpt == 2 && sl_eq(info.rcpt[1].state, sl_cstr(state)));
        }
        CHECK_INT(listed(&t, &(struct queue_filter){0}), 0);
        end(&t);
    }
}

/* A row that names no group, behind all others. */
TEST(queue_a_damaged_key_hides_nothing_of_the_letter)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "temp@two.test temp@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    struct slice why = info.rcpt[1].why;
    spoil(&t, ar_printf(&t.f.a, "r%s/zzzzz/00000", l.id.s), "\1x");
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 3);
    CHECK_SL(info.rcpt[2].state, "damaged");
    CHECK_SL(info.rcpt[1].state, "waiting");
    CHECK(sl_eq(info.rcpt[1].why, why));
    CHECK(sl_find(info.damage, SL("zzzzz")) != SL_NONE);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_HOLD));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_DROP));
    CHECK_INT(listed(&t, &(struct queue_filter){0}), 0);
    end(&t);
}

TEST(queue_refuses_fields_above_their_limits)
{
    struct tester t;
    char *long_text = xcalloc(1, 70000);
    memset(long_text, 'x', 70000);
    REQUIRE(begin(&t, NULL));
    static const size_t over[] = {LIMIT_MESSAGE_ID + 1, 65415, 67000};
    for (size_t i = 0; i < COUNT_OF(over); i++) {
        struct letter l = letter_to(&t, "alice@one.test", "alice@one.test bob@one.test");
        l.message_id = sl(long_text, over[i]);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
        l.message_id = SL("<m@one.test>");
        l.envid = sl(long_text, LIMIT_ENVID + 1);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
        l.envid = SL("");
        l.rcpt[1].orcpt = sl(long_text, LIMIT_ORCPT + 1);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
    }
    CHECK_INT(stats(&t).letters, 0);
    free(long_text);
    end(&t);
}

TEST(queue_rows_round_trip)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct letter_id id;
    letter_id_new(&id);
    struct q_rcpt r2 = {.g = 3,
                        .n = 77,
                        .state = Q_HELD,
                        .address = SL("x@y"),
                        .attempts = 4,
                        .code = 451,
                        .uncertain = true,
                        .barred = true,
                        .reply = SL("451 no")},
                  r;
    q_rcpt_put(&b, &r2);
    CHECK_OK(q_rcpt_get(queue_key_rcpt(&a, &id, 3, 77), buf_slice(&b), &r));
    CHECK(r.g == 3 && r.n == 77 && r.state == Q_HELD && r.attempts == 4 && r.code == 451 && r.uncertain &&
          r.barred && !r.expired);
    CHECK_SL(r.reply, "451 no");
    for (size_t n = 0; n < b.n; n++) /* damage is seen or harmless, never a crash */
        if (q_rcpt_get(queue_key_rcpt(&a, &id, 3, 77), sl_sub(buf_slice(&b), 0, n), &r) == 0)
            CHECK(r.state < Q_STATES);
    CHECK_ERR(q_rcpt_get(SL("r"), buf_slice(&b), &r), ERR_CORRUPT);
    struct q_due due = {.due = 1234,
                        .stream = STREAM_BULK,
                        .id = id,
                        .g = 5,
                        .priority = -9,
                        .hop = SL("two.test"),
                        .domain = SL("one.test"),
                        .account = SL("acc1")},
                 got;
    struct slice key = queue_key_due(&a, due.stream, due.due, &id, 5);
    q_due_put(&b, &due);
    CHECK_OK(q_due_get(key, buf_slice(&b), &got));
    CHECK(got.due == 1234 && got.g == 5 && got.stream == STREAM_BULK && !got.local && !got.tell);
    CHECK_INT(got.priority, -9);
    CHECK_SL(got.hop, "two.test");
    CHECK_SL(got.domain, "one.test");
    CHECK_SL(got.account, "acc1");
    CHECK_SL(sl_cstr(got.id.s), id.s);
    CHECK_ERR(q_due_get(SL("d"), buf_slice(&b), &got), ERR_CORRUPT);
    CHECK_ERR(q_due_get(SL("d300000001234/0123456789abcdef/00005"), buf_slice(&b), &got), ERR_CORRUPT);
    buf_free(&b);
    ar_free(&a);
}

TEST(the_origin_of_a_letter_has_its_whole_envelope)
{
    struct letter_rcpt rcpt[] = {
        {.address = SL("asked@one.test"),
         .route = {.local = true, .account = "acc1", .address = SL("me@one.test"), .detail = SL("tag")}},
        {.address = SL("you@two.test"),
         .route = {.address = SL("you@two.test")},
         .notify = NOTIFY_FAILURE,
         .orcpt = SL("rfc822;you")}};
    struct letter l = {.sender = SL("me@one.test"),
                       .rcpt = rcpt,
                       .nrcpt = 2,
                       .skip = 3,
                       .head_size = 20,
                       .received = 1700000000,
                       .eight_bit = true,
                       .binary = true,
                       .signed_for = SL("one.test"),
                       .wants = {.requiretls = true,
                                 .tls_optional = true,
                                 .hold_until = 1700000100,
                                 .hold_for = 100,
                                 .by = 1700000200,
                                 .by_mode = 'R',
                                 .by_trace = true,
                                 .has_priority = true,
                                 .priority = -9},
                       .junk = true,
                       .stream = STREAM_BULK,
                       .path = PATH_FORGED,
                       .submitter = SL("acc1"),
                       .message_id = SL("<m@one.test>"),
                       .subject = SL("s"),
                       .ret = SL("HDRS"),
                       .envid = SL("e")},
                  got;
    struct buf b = BUF_INIT;
    struct arena a = {0};
    struct rec r;
    letter_id_new(&l.id);
    CHECK_OK(letter_origin(&b, &l));
    CHECK(origin_open(buf_slice(&b), &r) == ORIGIN_LETTER);
    CHECK_OK(letter_origin_get(&r, &a, &got));
    CHECK(!strcmp(got.id.s, l.id.s) && sl_eq(got.sender, l.sender) && got.skip == 3 && got.head_size == 20);
    CHECK(got.received == l.received && got.eight_bit && got.binary && got.junk && !got.smtputf8 &&
          got.nrcpt == 2);
    CHECK(sl_eq(got.submitter, l.submitter) && got.stream == l.stream && got.path == PATH_FORGED &&
          sl_eq(got.message_id, l.message_id) && sl_eq(got.ret, l.ret));
    CHECK(sl_eq(got.subject, l.subject) && sl_eq(got.envid, l.envid));
    const struct letter_wants *w = &got.wants;
    CHECK(w->hold_until == 1700000100 && w->hold_for == 100 && w->by == 1700000200 && w->by_mode == 'R');
    CHECK(w->by_trace && w->has_priority && w->priority == -9);
    CHECK(got.wants.requiretls && got.wants.tls_optional && sl_eq(got.signed_for, l.signed_for));
    const struct letter_rcpt *one = &got.rcpt[0], *two = &got.rcpt[1];
    CHECK(one->route.local && !strcmp(one->route.account, "acc1") && sl_eq(one->route.detail, SL("tag")));
    CHECK(sl_eq(one->address, SL("asked@one.test")) && sl_eq(one->route.address, SL("me@one.test")));
    CHECK(!two->route.local && sl_eq(two->address, SL("you@two.test")) && two->notify == NOTIFY_FAILURE);
    CHECK(sl_eq(two->orcpt, SL("rfc822;you")));
    for (size_t n = 1; n < b.n; n++) /* what is cut short is no whole letter, whatever it says */
        if (origin_open(sl(b.p, n), &r) == ORIGIN_LETTER && letter_origin_get(&r, &a, &got) == 0)
            CHECK(got.nrcpt == 1 && n < b.n);
    ar_free(&a);
    buf_free(&b);
}

/* What fits the rows of the queue fits the record of the body: nobody is refused after the last byte. */
TEST(the_largest_envelope_fits_its_origin)
{
    static const struct {
        size_t n, address, route, orcpt;
    } c[] = {{10000, 320, 10, 0}, {10000, 10, 10, 60}, {2800, 320, 320, 500}};
    char *text = xmalloc(1000);
    memset(text, 'x', 1000);
    for (size_t k = 0; k < COUNT_OF(c); k++) {
        struct letter_rcpt *rcpt = xcalloc(c[k].n, sizeof *rcpt);
        for (size_t i = 0; i < c[k].n; i++)
            rcpt[i] = (struct letter_rcpt){.address = sl(text, c[k].address),
                                           .route = {.address = sl(text + 1, c[k].route)},
                                           .notify = NOTIFY_FAILURE,
                                           .orcpt = sl(text, c[k].orcpt)};
        struct letter l = {.rcpt = rcpt, .nrcpt = c[k].n, .sender = sl(text, 320), .subject = sl(text, 500)};
        struct buf b = BUF_INIT;
        letter_id_new(&l.id);
        CHECK_OK(letter_origin(&b, &l));
        CHECK(b.n > c[k].n * (c[k].route + c[k].orcpt) && b.n <= BODY_ORIGIN_MAX);
        buf_free(&b);
        free(rcpt);
    }
    free(text);
}

static int spoil_shards(struct kv_tx *tx, void *arg)
{
    const char *text = arg;
    if (*text) kv_tx_put(tx, SL("queue-shards"), sl_cstr(text));
    else kv_tx_del(tx, SL("queue-shards"));
    return 0;
}

/* The letters know in how many shards they lie. */
TEST(a_damaged_or_lost_number_of_shards_stops_no_start)
{
    struct tester t;
    struct letter_id ids[6];
    struct queue_info info;
    int shards;
    if (!begin(&t, &(struct queue_conf){.shards = 5})) return;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct letter l = letter_to(&t, "alice@one.test", "x@two.test");
        ids[i] = l.id;
        CHECK_OK(accept_letter(t.q, &l));
    }
    const char *spoilt[] = {"five", "", "0", "70000"};
    for (size_t k = 0; k < COUNT_OF(spoilt); k++) {
        queue_close(&t.q);
        CHECK_OK(kv_transact(t.f.s->kv, SL("_store"), spoil_shards, (void *)spoilt[k]));
        CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 8}));
        CHECK_OK(queue_shards(t.f.s, 8, &shards));
        for (size_t i = 0; i < COUNT_OF(ids); i++) CHECK_OK(queue_show(t.q, &ids[i], &t.f.a, &info));
    }
    end(&t);
}

/* What passes most rows over says what the whole row does, and nothing of one that is damaged in front. */
TEST(queue_rows_are_told_by_their_front)
{
    struct letter_rcpt to[] = {{.route = {.address = SL("b@two.test")}},
                               {.route = {.address = SL("C@two.test")}}};
    struct letter l = {
        .sender = SL("a@one.test"), .rcpt = to, .nrcpt = 2, .received = 1700000000, .subject = SL("s")};
    struct arena a = {0};
    struct q_envelope e = {.l = l, .sieve = q_sieve_make(&a, &l), .groups = 1};
    struct q_rcpt r = {.address = SL("b@two.test"), .reply = SL("450 later")};
    struct buf b = BUF_INIT;
    struct q_front front;
    struct slice text = {0};
    q_envelope_put(&b, &e);
    CHECK(q_envelope_peek(buf_slice(&b), true, &front) && front.received == 1700000000);
    CHECK(q_envelope_peek(buf_slice(&b), false, &front) && sl_eq(front.sender, l.sender));
    CHECK(q_sieve_may_hold(front.sieve, SL("B@two.test")) && q_sieve_may_hold(front.sieve, SL("c@two.test")));
    CHECK(!q_sieve_may_hold(front.sieve, SL("d@two.test")) && !q_sieve_may_hold(SL(""), SL("b@two.test")));
    for (size_t n = 0; n < 20; n++)
        CHECK(!q_envelope_peek(sl_sub(buf_slice(&b), 0, n), true, &front)); /* cut before the time */
    q_rcpt_put(&b, &r);
    CHECK(q_rcpt_peek(buf_slice(&b), &text));
    CHECK_SL(text, "b@two.test");
    CHECK(!q_rcpt_peek(sl_sub(buf_slice(&b), 0, 5), &text) && !q_rcpt_peek(SL(""), &text));
    CHECK(!q_envelope_peek(SL("\x7f"
                              "f"),
                           true, &front));
    buf_free(&b);
    ar_free(&a);
}

/* Of many recipients each may be one, and few others. */
TEST(queue_sieve_of_many)
{
    struct arena a = {0};
    struct letter l = {.rcpt = ar_array(&a, struct letter_rcpt, 1000), .nrcpt = 1};
    int wrong = 0;
    for (size_t i = 0; i < 1000; i++) l.rcpt[i].route.address = ar_printf(&a, "user%zu@d%zu.test", i, i % 7);
    for (; l.nrcpt <= 1000; l.nrcpt *= 4) {
        struct slice sieve = q_sieve_make(&a, &l);
        CHECK(sieve.n <= 512);
        for (size_t i = 0; i < l.nrcpt; i++) CHECK(q_sieve_may_hold(sieve, l.rcpt[i].route.address));
        for (int i = 0; l.nrcpt <= 256 && i < 1000; i++)
            wrong += q_sieve_may_hold(sieve, ar_printf(&a, "other%d@d%d.test", i, i % 7));
    }
    CHECK(wrong < 100);
    ar_free(&a);
}

/* Letters that an older program took, one whose envelope is gone, and new ones: an address finds each once,
 * as sender and as recipient. */
TEST(queue_an_address_finds_letters_old_and_new)
{
    struct tester t;
    struct letter l[4];
    struct queue_filter f = {.address = SL("OK@two.test")};
    REQUIRE(begin(&t, NULL));
    for (int round = 0; round < 3; round++) {
        static const char *const to[] = {"ok@two.test bob@three.test", "x@two.test ok@two.test",
                                         "ok@two.test", "nobody@two.test"};
        for (size_t i = 0; i < COUNT_OF(l) && !round; i++) {
            l[i] = letter_to(&t, i == 3 ? "ok@two.test" : "alice@one.test", to[i]);
            CHECK_OK(accept_letter(t.q, &l[i]));
        }
        if (round == 1) { /* as an older program wrote it */
            struct q_envelope e;
            struct slice row, key = queue_key_envelope(&t.f.a, &l[1].id);
            struct buf b = BUF_INIT;
            CHECK_OK(kv_get(t.f.s->kv, SL("q:000"), key, &t.f.a, &row));
            CHECK_OK(q_envelope_get(row, &l[1].id, &e));
            CHECK(e.sieve.n > 0);
            e.sieve = SL("");
            q_envelope_put(&b, &e);
            kv_note(t.f.s->kv, SL("q:000"), key, buf_slice(&b));
            CHECK_OK(kv_flush(t.f.s->kv, SL("q:000")));
            buf_free(&b);
        }
        if (round == 2) spoil(&t, queue_key_envelope(&t.f.a, &l[2].id), "");
        CHECK_INT(listed(&t, &f), 4);
        CHECK_INT(listed(&t, &(struct queue_filter){.address = SL("none@two.test")}), 0);
        CHECK_INT(listed(&t, &(struct queue_filter){.address = SL("bob@three.test")}), 1);
    }
    end(&t);
}

TEST(queue_letters_of_a_campaign_and_reports_are_found)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < 4; i++) {
        struct letter l = letter_to(&t, i ? "alice@one.test" : "", "ok@two.test");
        if (i > 1) l.campaign = SL("spring");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK_INT(listed(&t, &(struct queue_filter){.campaign = SL("spring")}), 2);
    CHECK_INT(listed(&t, &(struct queue_filter){.campaign = SL("spring"), .domain = SL("two.test")}), 2);
    CHECK_INT(listed(&t, &(struct queue_filter){.campaign = SL("spring"), .address = SL("ok@two.test")}), 2);
    CHECK_INT(listed(&t, &(struct queue_filter){.campaign = SL("autumn")}), 0);
    CHECK_INT(listed(&t, &(struct queue_filter){.null_sender = true}), 1);
    CHECK_INT(listed(&t, &(struct queue_filter){.null_sender = true, .domain = SL("two.test")}), 1);
    end(&t);
}
