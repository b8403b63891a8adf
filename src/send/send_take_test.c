/* send_take_test.c - sends are taken whole or not at all, once under one key, with the suppressed left out.
 */
#include "send_batch.h"
#include "send_test.h"
#include "suppression.h"

static size_t count_rows(struct send_fixture *x, const struct letter_id *id, const char *from, const char *to)
{
    struct kv_page page;
    char object[24];
    send_object(id, object);
    CHECK_OK(kv_scan(x->f.s->kv, sl_cstr(object), sl_cstr(from), sl_cstr(to), KV_PAGE_MAX, &x->f.a, &page));
    return page.n;
}

struct putting {
    const char *key;
    struct slice value;
};

static int put_tx(struct kv_tx *tx, void *arg)
{
    const struct putting *p = arg;
    kv_tx_put(tx, sl_cstr(p->key), p->value);
    return 0;
}

static void put_row(struct send_fixture *x, const char *object, const char *key, struct slice value)
{
    CHECK_OK(kv_transact(x->f.s->kv, sl_cstr(object), put_tx, &(struct putting){key, value}));
}

static size_t objects_of_sends(struct send_fixture *x)
{
    struct slice *names;
    size_t n;
    bool more;
    CHECK_OK(kv_objects(x->f.s->kv, SL("s:"), SL("s;"), 100, &x->f.a, &names, &n, &more));
    return n;
}

TEST(send_take_keeps_all_that_was_given)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_addr to[] = {{SL("Bob, \"B\""), SL("Bob@TWO.test"), 0}, {SL(""), SL("c@three.test"), 0}};
    struct send_addr cc = {SL("Đặng"), SL("d@four.test"), 0}, answer = {SL("R"), SL("r@five.test"), 0};
    struct send_field f = {SL("X-Own"), SL("é")}, g = {SL("X-All"), SL("1")};
    struct send_file file = {SL("a.pdf"), SL("application/pdf"), SL("cid1"), true, SL("\0\1\2")};
    struct send s = test_send(&x);
    s.reply_to = (struct send_addrs){&answer, 1};
    s.fields = (struct send_fields){&g, 1};
    s.file = &file, s.nfiles = 1;
    s.campaign = SL("June"), s.category = &SL("c"), s.ncategories = 1;
    s.data = SL("{\"a\":1}"), s.language = SEND_HANDLEBARS;
    struct send_letter l = {.to = {to, 2},
                            .cc = {&cc, 1},
                            .subject = SL("Own"),
                            .fields = {&f, 1},
                            .data = SL("{}"),
                            .args = SL("{\"x\":\"y\"}"),
                            .custom = SL("id-7")};
    struct send_taken t;
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_INT(t.letters, 1);
    CHECK_INT(t.recipients, 3);
    CHECK(!t.before && !t.left_out);

    struct send_head h;
    struct send c;
    struct slice page;
    struct send_letter got;
    struct rec r;
    CHECK_OK(send_head_read(x.s, &t.id, a, &h));
    CHECK_SL(h.account, x.account.id);
    CHECK_SL(h.campaign, "June");
    CHECK_SL(h.category[0], "c");
    CHECK_INT(h.stream, STREAM_BULK);
    CHECK_INT(h.numbers, 1);
    CHECK_OK(send_common_read(x.s, &t.id, a, &c));
    CHECK_SL(c.from.address, "news@one.test");
    CHECK_SL(c.from.name, "The news");
    CHECK_SL(c.reply_to.v[0].address, "r@five.test");
    CHECK_SL(c.reply_to.v[0].name, "R");
    CHECK_SL(c.fields.v[0].value, "1");
    CHECK_SL(c.part[0].text, "Hello\r\n");
    CHECK_SL(c.file[0].content_id, "cid1");
    CHECK(c.file[0].in_text && sl_eq(c.file[0].bytes, sl("\0\1\2", 3)));
    CHECK_INT(c.language, SEND_HANDLEBARS);
    CHECK_OK(send_page_read(x.s, &t.id, 0, a, &page));
    r = (struct rec){.rest = page};
    REQUIRE(rec_next(&r) && r.tag == 'L');
    CHECK_OK(send_letter_get(r.field, a, &got));
    CHECK_SL(got.to.v[0].address, "Bob@two.test");
    CHECK_SL(got.to.v[0].name, "Bob, \"B\"");
    CHECK_SL(got.to.v[1].address, "c@three.test");
    CHECK_SL(got.cc.v[0].name, "Đặng");
    CHECK_SL(got.fields.v[0].name, "X-Own");
    CHECK_SL(got.fields.v[0].value, "é");
    CHECK_SL(got.custom, "id-7");
    CHECK(!rec_next(&r) && !r.bad);
    send_fixture_end(&x);
}

TEST(send_take_refuses_whole_and_leaves_nothing)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_taken t;
    struct send_letter good = test_letter(a, SL("b@two.test")), bad = test_letter(a, SL("no address"));
    struct send_letter two[] = {good, bad};
    struct send s = test_send(&x);
    CHECK_ERR(send_take(x.s, &s, two, 2, a, &t), ERR_SYNTAX);
    s.from.address = SL("somebody@two.test");
    CHECK_ERR(send_take(x.s, &s, &good, 1, a, &t), ERR_DENIED);
    s = test_send(&x);
    s.subject = SL("x\r\nBcc: all@three.test");
    CHECK_ERR(send_take(x.s, &s, &good, 1, a, &t), ERR_SYNTAX);
    s = test_send(&x);
    s.fields = (struct send_fields){&(struct send_field){SL("X: y\r\nBcc"), SL("1")}, 1};
    CHECK_ERR(send_take(x.s, &s, &good, 1, a, &t), ERR_SYNTAX);
    s = test_send(&x);
    good.from = (struct send_addr){SL(""), SL("boss@one.test"), 0};
    CHECK_ERR(send_take(x.s, &s, &good, 1, a, &t), ERR_DENIED);
    CHECK_ERR(send_take(x.s, &s, NULL, 0, a, &t), ERR_SYNTAX);
    CHECK_INT(objects_of_sends(&x), 0);
    send_fixture_end(&x);
}

TEST(send_take_under_one_key_is_one_send)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_taken t, again;
    struct send_letter l = test_letter(a, SL("b@two.test")), bad = test_letter(a, SL("b"));
    struct send s = test_send(&x);
    s.idempotency = SL("key-1"), s.digest = SL("d1");
    CHECK_ERR(send_take(x.s, &s, &bad, 1, a, &t), ERR_SYNTAX); /* a refused one does not use the key up */
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &again));
    CHECK(again.before && !strcmp(again.id.s, t.id.s));
    CHECK_INT(again.recipients, 1);
    s.digest = SL("d2");
    CHECK_ERR(send_take(x.s, &s, &l, 1, a, &again), ERR_EXISTS);
    CHECK_INT(objects_of_sends(&x), 1);
    s.idempotency = SL("key-2");
    struct send_writer *w, *none;
    CHECK_OK(send_begin(x.s, &s, a, &w, &t));
    CHECK_ERR(send_begin(x.s, &s, a, &none, &again), ERR_BUSY);
    CHECK_ERR(send_begin(x.s, &s, a, &none, &again), ERR_BUSY); /* the first is still at it */
    CHECK_OK(send_add(w, &l));
    CHECK_OK(send_commit(&w, a, &t));
    CHECK_INT(objects_of_sends(&x), 2);
    send_fixture_end(&x);
}

struct taking {
    struct send_fixture *x;
    const struct send *s;
    const struct send_letter *l;
    struct send_taken t;
    bool began;
};

static void take_fiber(void *arg)
{
    struct taking *t = arg;
    t->began = true;
    CHECK_OK(send_take(t->x->s, t->s, t->l, 1, &t->x->f.a, &t->t));
}

/* Who waited for one that fails is the one that is remembered under the key. */
TEST(send_take_after_one_that_failed_is_remembered)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_writer *w;
    struct send_taken t, again;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    struct taking second = {.x = &x, .s = &s, .l = &l};
    struct group g;
    group_init(&g);
    s.idempotency = SL("key"), s.digest = SL("d");
    CHECK_OK(send_begin(x.s, &s, a, &w, &t));
    CHECK_OK(group_go(&g, "second", take_fiber, &second));
    while (!second.began) CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(fiber_sleep(100 * RT_MS));            /* it waits */
    CHECK_ERR(send_commit(&w, a, &t), ERR_SYNTAX); /* without a recipient */
    CHECK_OK(group_wait(&g));
    CHECK(!second.t.before);
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &again));
    CHECK(again.before && !strcmp(again.id.s, second.t.id.s));
    CHECK_INT(objects_of_sends(&x), 1);
    send_fixture_end(&x);
}

/* Who gives up takes its own claim away, and that of nobody who has the key now. */
TEST(send_that_is_abandoned_takes_away_its_own_claim_alone)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_writer *w;
    struct send_taken t;
    struct send s = test_send(&x);
    struct letter_id other = {"0123456789abcdef"};
    struct buf b = BUF_INIT;
    s.idempotency = SL("key"), s.digest = SL("d");
    for (int taken_over = 0; taken_over < 2; taken_over++) {
        struct kv_page page;
        CHECK_OK(send_begin(x.s, &s, a, &w, &t));
        CHECK_OK(kv_scan(x.f.s->kv, SL(SENDS_OBJECT), SL("i/"), SL("i0"), 9, a, &page));
        REQUIRE(page.n == 1);
        const char *key = ar_cstr(a, page.row[0].key);
        send_claim_put(&b, &other, SL("d"), rt_wall_seconds());
        if (taken_over) put_row(&x, SENDS_OBJECT, key, buf_slice(&b));
        send_abandon(&w);
        CHECK_OK(kv_scan(x.f.s->kv, SL(SENDS_OBJECT), SL("i/"), SL("i0"), 9, a, &page));
        CHECK_INT(page.n, taken_over);
        buf_clear(&b);
    }
    buf_free(&b);
    send_fixture_end(&x);
}

TEST(send_take_leaves_the_suppressed_out)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct slice acc = sl_cstr(x.account.id);
    struct send_taken t;
    struct suppression_entry e = {
        .address = SL("Bob@two.TEST"), .reason = SEND_OUT_BOUNCED, .evidence = SL("550 no")};
    CHECK_OK(suppression_add(x.s, acc, &e));
    struct send_letter l[] = {test_letter(a, SL("bOB@Two.test")), test_letter(a, SL("c@two.test"))};
    struct send s = test_send(&x);
    CHECK_OK(send_take(x.s, &s, l, 2, a, &t));
    CHECK_INT(t.letters, 1);
    CHECK_INT(t.recipients, 1);
    CHECK_INT(t.left_out, 1);
    REQUIRE(t.nwho == 1);
    CHECK_SL(t.who[0].address, "bOB@two.test");
    CHECK_INT(t.who[0].reason, SEND_OUT_BOUNCED);
    s.options = SEND_BYPASS_BOUNCES;
    CHECK_OK(send_take(x.s, &s, l, 2, a, &t));
    CHECK_INT(t.recipients, 2);
    send_fixture_end(&x);
}

static enum send_state state_of(struct send_fixture *x, const struct letter_id *id)
{
    struct send_order o = {0};
    char object[24];
    send_object(id, object);
    CHECK_OK(send_order_read(x->s, object, &x->f.a, &o));
    return o.state;
}

/* Each of its sends hears it, for which nothing of it is read but its row in the list: damage of one hides
 * nothing. Other sends do not hear it. What is canceled stays so. */
TEST(send_batch_is_told_to_its_sends_alone)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct slice account = sl_cstr(x.account.id);
    static const char *const batch[] = {"a", "b", "", "a", "ab"};
    struct send_taken t[5];
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    enum send_action said;
    char object[24];
    s.campaign = SL("a");
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        s.batch = sl_cstr(batch[i]);
        CHECK_OK(send_take(x.s, &s, &l, 1, a, &t[i]));
    }
    send_object(&t[0].id, object);
    put_row(&x, object, "h", SL("damage"));
    CHECK_OK(send_batch_act(x.s, account, SL("a"), SEND_PAUSE, SL("why")));
    for (size_t i = 0; i < COUNT_OF(t); i++)
        CHECK_INT(state_of(&x, &t[i].id), strcmp(batch[i], "a") ? SEND_RUNS : SEND_PAUSED);
    CHECK_OK(send_batch_act(x.s, account, SL("a"), SEND_CANCEL, SL("why")));
    CHECK_ERR(send_batch_act(x.s, account, SL("a"), SEND_PAUSE, SL("why")), ERR_STATE);
    CHECK_OK(send_batch_said(x.s, account, SL("a"), 0, &said));
    CHECK_INT(said, SEND_CANCEL);
    CHECK_INT(state_of(&x, &t[3].id), SEND_CANCELED);
    CHECK_OK(send_batch_said(x.s, account, SL("a"), rt_wall_seconds() + 1, &said));
    CHECK_INT(said, SEND_RESUME);
    CHECK_OK(send_batch_act(x.s, account, SL("a"), SEND_RESUME, SL("why")));
    CHECK_OK(send_batch_act(x.s, account, SL("a"), SEND_PAUSE, SL("why")));
    send_fixture_end(&x);
}

TEST(send_take_writes_pages_while_letters_come)
{
    enum { N = 40000 };
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct send_writer *w;
    struct send_taken t;
    struct send s = test_send(&x);
    struct arena a = {0};
    CHECK_OK(send_begin(x.s, &s, &x.f.a, &w, &t));
    for (int i = 0; i < N; i++) {
        ar_reset(&a);
        struct send_letter l = test_letter(&a, ar_printf(&a, "recipient%d@two.test", i));
        l.data = SL("{\"name\":\"Somebody With A Name\",\"code\":\"0123456789\",\"more\":\"abcdefghij\"}");
        if (i == 7) l.data = ar_printf(&a, "{\"long\":\"%0200000d\"}", 1); /* goes over several rows */
        CHECK_OK(send_add(w, &l));
    }
    CHECK_OK(send_commit(&w, &x.f.a, &t));
    CHECK_INT(t.letters, N);
    CHECK(count_rows(&x, &t.id, "p/", "p0") > 80);
    uint64_t seen = 0;
    int e = 0;
    while (!e && seen < N) {
        struct slice page;
        ar_reset(&a);
        e = send_page_read(x.s, &t.id, seen, &a, &page);
        for (struct rec r = {.rest = page}; !e && rec_next(&r); seen++) {
            struct send_letter l;
            CHECK_OK(send_letter_get(r.field, &a, &l));
            CHECK(
                sl_eq(l.to.v[0].address, ar_printf(&a, "recipient%llu@two.test", (unsigned long long)seen)));
        }
    }
    CHECK_OK(e);
    CHECK_INT(seen, N);
    ar_free(&a);
    send_fixture_end(&x);
}

TEST(send_letters_have_ids_of_their_own)
{
    struct letter_id send, a, b;
    letter_id_new(&send);
    send_letter_id(&send, 0, &a);
    send_letter_id(&send, 1000000, &b);
    CHECK(strcmp(send.s, a.s) < 0 && strcmp(a.s, b.s) < 0);
    CHECK(letter_id_ok(sl_cstr(b.s)) && !strcmp(a.s + 10, b.s + 10));
    CHECK_INT(letter_id_time(&b) - letter_id_time(&a), 1);
}

TEST(send_with_a_damaged_head_is_not_begun_again_nor_swept)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_taken t, again;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    struct slice head;
    char object[24];
    s.idempotency = SL("key"), s.digest = SL("d");
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    send_object(&t.id, object);
    CHECK_OK(kv_get(x.f.s->kv, sl_cstr(object), SL("h"), a, &head));
    put_row(&x, object, "h", SL("damage"));
    put_row(&x, SENDS_OBJECT, ar_printf(a, "u/%s", t.id.s).p, SL("old")); /* as behind a large one */
    CHECK_ERR(send_take(x.s, &s, &l, 1, a, &again), ERR_VERSION);
    CHECK_OK(sends_care(x.s));
    CHECK_INT(count_rows(&x, &t.id, "p/", "p0"), 1);
    put_row(&x, object, "h", head); /* repaired: it is the one that was asked for under the key */
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &again));
    CHECK(again.before && !strcmp(again.id.s, t.id.s));
    send_fixture_end(&x);
}

TEST(send_care_takes_nothing_away_from_who_begins_it_again)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct letter_id id = {"0123456789abcdef"};
    char object[24];
    send_object(&id, object);
    put_row(&x, object, "b/00000", SL("x"));
    put_row(&x, SENDS_OBJECT, ar_printf(a, "u/%s", id.s).p, SL("old"));
    CHECK(send_hold(x.s, &id) && !send_hold(x.s, &id));
    CHECK_OK(sends_care(x.s));
    CHECK_INT(count_rows(&x, &id, "b/", "b0"), 1);
    send_let_go(x.s, &id);
    CHECK_OK(sends_care(x.s));
    CHECK_INT(count_rows(&x, &id, "b/", "b0"), 0);
    CHECK(send_hold(x.s, &id));
    send_let_go(x.s, &id);
    send_fixture_end(&x);
}

/* Who hands over a whole message is nobody else in it: neither in From, nor in a second one, nor in a field
 * that says who sends it, or sends it again. */
TEST(send_raw_names_its_own_sender_alone)
{
    static const struct {
        const char *head;
        int e;
    } cases[] = {
        {"From: news@one.test\r\n", 0},
        {"From: The news <NEWS@One.test>\r\nSender: news@one.test\r\n", 0},
        {"From: news@one.test\nSubject: lines of a file\n", 0},
        {"From: boss@one.test\r\n", ERR_DENIED},
        {"From: eve@two.test\r\n", ERR_DENIED},
        {"From: news@one.test, boss@one.test\r\nSender: news@one.test\r\n", ERR_DENIED},
        {"From: news@one.test\r\nFrom: boss@one.test\r\n", ERR_SYNTAX},
        {"From: news@one.test\nFrom: boss@one.test\n", ERR_SYNTAX},
        {"From: news@one.test\rFrom: boss@one.test\r\n", ERR_SYNTAX},
        {"From: news@one.test\r\nSender: boss@one.test\r\n", ERR_DENIED},
        {"From: news@one.test\r\nResent-From: boss@one.test\r\n", ERR_DENIED},
        {"Resent-From: news@one.test\r\nFrom: boss@one.test\r\n", ERR_DENIED},
        {"From: news@one.test\r\nResent-Sender: boss@one.test\r\n", ERR_DENIED},
        {"From: news@one.test\r\nSender: nobody\r\n", ERR_SYNTAX},
        {"From: nobody\r\n", ERR_SYNTAX},
        {"Subject: nobody\r\n", ERR_SYNTAX},
        {"From: news@one.test\r\nno field\r\n", ERR_SYNTAX},
    };
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x), c;
    struct send_taken t;
    CHECK_OK(account_add(x.f.s->directory, SL("boss@one.test"), SL("secret")));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        s.raw = ar_printf(a, "%s\r\nText\n", cases[i].head);
        int e = send_take(x.s, &s, &l, 1, a, &t);
        CHECK_INT(e, cases[i].e);
        if (e != cases[i].e) printf("  with %s", cases[i].head);
        if (e) continue;
        CHECK_OK(send_common_read(x.s, &t.id, a, &c));
        CHECK(sl_ends(c.raw, SL("\r\n\r\nText\r\n")));
        for (size_t k = 0; k < c.raw.n; k++) CHECK(c.raw.p[k] != '\n' || (k && c.raw.p[k - 1] == '\r'));
    }
    char line[1000];
    memset(line, 'x', sizeof line);
    s.raw = ar_printf(a, "From: news@one.test\r\n\r\n%.998s\r\n", line);
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    s.raw = ar_printf(a, "From: news@one.test\r\n\r\n%.999s\r\n", line);
    CHECK_ERR(send_take(x.s, &s, &l, 1, a, &t), ERR_SYNTAX);
    s.raw = SL("From: news@one.test\r\nSubject: \0\r\n\r\n");
    CHECK_ERR(send_take(x.s, &s, &l, 1, a, &t), ERR_SYNTAX);
    send_fixture_end(&x);
}

TEST(send_of_a_sandbox_is_forgotten_as_any_other)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    struct send_taken t;
    struct kv_page page;
    struct send_info info;
    s.options = SEND_SANDBOX, s.campaign = SL("tried");
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(kv_scan(x.f.s->kv, SL(SENDS_OBJECT), SL("a/"), SL("a0"), 10, a, &page));
    CHECK_INT(page.n, 0);
    CHECK_OK(kv_scan(x.f.s->kv, SL(SENDS_OBJECT), SL("o/"), SL("o0"), 10, a, &page));
    REQUIRE(page.n == 1 && sl_ends(page.row[0].key, sl_cstr(t.id.s)));
    CHECK_OK(sends_care(x.s));
    CHECK_OK(send_show(x.s, &t.id, a, &info)); /* who asks again is answered as before */
    put_row(&x, SENDS_OBJECT, send_key_over(a, 1, &t.id).p, SL("1"));
    CHECK_OK(sends_care(x.s));
    CHECK_ERR(send_show(x.s, &t.id, a, &info), ERR_NOT_FOUND);
    CHECK_INT(objects_of_sends(&x), 0);
    send_fixture_end(&x);
}

struct lister {
    struct letter_id id[8];
    size_t n, most;
};

static int list_one(void *arg, const struct send_info *i)
{
    struct lister *l = arg;
    l->id[l->n++] = i->id;
    return l->n == l->most ? 7 : 0;
}

static bool lists(struct send_fixture *x, int64_t from, int64_t to, const struct send_taken *t, size_t n)
{
    struct lister l = {.most = 0};
    CHECK_OK(send_each_taken(x->s, sl_cstr(x->account.id), from, to, list_one, &l));
    for (size_t i = 0; i < n && i < l.n; i++) CHECK(!strcmp(l.id[i].s, t[i].id.s));
    return l.n == n;
}

TEST(sends_are_listed_by_the_time_they_were_taken)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    struct send_taken t[3], other;
    int64_t now = rt_wall_seconds();
    for (size_t i = 0; i < COUNT_OF(t); i++) CHECK_OK(send_take(x.s, &s, &l, 1, a, &t[i]));
    s.options = SEND_SANDBOX;
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &other));
    CHECK(lists(&x, 0, INT64_MAX, t, 3) && lists(&x, now, now + 60, t, 3));
    CHECK(lists(&x, INT64_MIN, now, t, 0) && lists(&x, now + 60, INT64_MAX, t, 0));
    CHECK(lists(&x, INT64_MAX, INT64_MIN, t, 0));
    struct lister two = {.most = 2};
    CHECK_INT(send_each_taken(x.s, sl_cstr(x.account.id), 0, INT64_MAX, list_one, &two), 7);
    CHECK_INT(two.n, 2);
    two = (struct lister){.most = 0};
    CHECK_OK(send_each_taken(x.s, SL("somebody"), 0, INT64_MAX, list_one, &two));
    CHECK_INT(two.n, 0);
    char object[24]; /* one that cannot be read hides no other */
    send_object(&t[1].id, object);
    put_row(&x, object, "h", SL("\1damage"));
    t[1] = t[2];
    CHECK(lists(&x, 0, INT64_MAX, t, 2));
    send_fixture_end(&x);
}

TEST(send_shows_its_first_letter)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send s = test_send(&x);
    struct send_taken t;
    struct send_first f;
    l.custom = SL("own word");
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(send_show_first(x.s, &t.id, a, &f));
    CHECK_SL(f.address, "b@two.test");
    CHECK_SL(f.custom, "own word");
    CHECK_SL(f.subject, "News");
    s.subject = SL("");
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(send_show_first(x.s, &t.id, a, &f));
    CHECK_SL(f.subject, "");
    s.subject = SL("Behind many"); /* in the second row */
    s.reply_to.v = ar_array(a, struct send_addr, s.reply_to.n = 1000);
    for (size_t i = 0; i < 1000; i++)
        s.reply_to.v[i].address = ar_printf(a, "%060zu@%060zu.test", i, i), s.reply_to.v[i].name = SL("N");
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(send_show_first(x.s, &t.id, a, &f));
    CHECK_SL(f.subject, "Behind many");
    l.subject = SL("Own"), l.cc = l.to, l.to = (struct send_addrs){0};
    CHECK_OK(send_take(x.s, &s, &l, 1, a, &t));
    CHECK_OK(send_show_first(x.s, &t.id, a, &f));
    CHECK_SL(f.subject, "Own");
    CHECK_SL(f.address, "b@two.test");
    send_fixture_end(&x);
}
