/* places_test.c - messages by EMAILID and thread, whatever is done to them, and whatever became of the rows.
 */
#include "places_test.h"
#include "care.h"
#include "rescue.h"
#include "store_test.h"

enum { SENT = 3, MANY = 2 * CHANGE_MAX + 40 };

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static int count_row(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

static size_t rows(struct fixture *f, const char *from, const char *to)
{
    size_t n = 0;
    CHECK_OK(rows_each(f->s, ACC, sl_cstr(from), sl_cstr(to), count_row, &n));
    return n;
}

static void add_many(struct fixture *f, size_t n)
{
    struct message_new one = letter(f, "x", 0), *all = ar_array(&f->a, struct message_new, n);
    uint32_t validity, first;
    for (size_t i = 0; i < n; i++) all[i] = one;
    CHECK_OK(message_append(f->s, BOX(INBOX_ID), all, n, &validity, &first));
}

static struct uids numbers(struct fixture *f, uint32_t from, size_t n)
{
    uint32_t *v = ar_array(&f->a, uint32_t, n);
    for (size_t i = 0; i < n; i++) v[i] = from + (uint32_t)i;
    return (struct uids){v, n};
}

static void copy(struct fixture *f, uint32_t from, struct uids u, uint32_t to, bool move)
{
    struct message_copied c;
    CHECK_OK(message_copy(f->s, BOX(from), u, to, move, &f->a, &c));
    CHECK(c.n <= u.n);
}

static struct places of(struct fixture *f, const char *email_id, uint32_t box)
{
    struct places p = {0};
    CHECK_OK(places_of_email_id(f->s, (struct places_in){ACC, box, NULL}, sl_cstr(email_id), &f->a, &p));
    return p;
}

/* Whatever is done before somebody asks for the first time, and after it. */
static void do_all(struct fixture *f)
{
    struct mailbox box;
    uint32_t first = add(f, INBOX_ID, "one", 0), second = add(f, INBOX_ID, "two", 0);
    add_many(f, MANY); /* a batch */
    copy(f, INBOX_ID, numbers(f, first, 2), SENT, false);
    copy(f, INBOX_ID, numbers(f, second, 1), SENT, true);
    copy(f, INBOX_ID, numbers(f, second + 1, MANY / 2), SENT, false); /* a batch */
    copy(f, INBOX_ID, numbers(f, second + 9, 3), INBOX_ID, true);
    CHECK_OK(message_expunge(f->s, BOX(INBOX_ID), numbers(f, second + 40, 9), false, NULL, NULL));
    struct message_new new = letter(f, "three", 0);
    uint32_t validity, uid;
    CHECK_OK(message_replace(f->s, BOX(INBOX_ID), first, SENT, &new, &validity, &uid));
    CHECK_OK(mailbox_rename(f->s, ACC, SL("Sent"), SL("Gone out")));
    CHECK_OK(mailbox_create(f->s, ACC, SL("Short-lived"), 0, &f->a, &box));
    copy(f, SENT, numbers(f, 1, 200), box.id, false);
    copy(f, SENT, numbers(f, 1, 1), box.id, true);
    CHECK_OK(mailbox_delete(f->s, ACC, SL("Short-lived")));
    CHECK_OK(mailbox_rename(f->s, ACC, SL("Gone out"), SL("Sent")));
    struct message_relations r = {.id = {SL_INIT("a@x.test")}, .n = 1, .subject = SL_INIT("plans")};
    uint64_t thread;
    for (uint32_t u = second + 1; u < second + 4; u++)
        CHECK_OK(message_thread(f->s, BOX(INBOX_ID), u, &r, &thread));
    CHECK_OK(message_thread(f->s, BOX(SENT), 5, &r, &thread));
}

TEST(messages_are_found_by_emailid_and_thread_whatever_is_done_to_them)
{
    struct fixture f;
    struct sweep_report report;
    REQUIRE(fixture_begin(&f));
    do_all(&f);
    CHECK_INT(rows(&f, "p/", "p0"), 0); /* nobody asked */
    size_t n = check_places(f.s, ACC);
    CHECK_INT(rows(&f, "p/e/", "p/f"), n);
    CHECK_INT(rows(&f, "p/t/", "p/u"), n);
    do_all(&f);
    n = check_places(f.s, ACC);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK(rows(&f, "p/e/", "p/f") > n); /* of the mailbox that was deleted */
    CHECK_OK(store_sweep(f.s, NULL, 0, 0, &report));
    CHECK_INT(rows(&f, "p/e/", "p/f"), n);
    CHECK_INT(rows(&f, "p/", "p0"), 2 * n);
    CHECK_INT(check_places(f.s, ACC), n);
    CHECK_OK(account_erase(f.s, ACC));
    CHECK_INT(rows(&f, "", ""), 0);
    fixture_end(&f);
}

TEST(an_emailid_is_looked_for_in_one_mailbox_or_in_all)
{
    struct fixture f;
    struct message m;
    struct message_copied c;
    REQUIRE(fixture_begin(&f));
    uint32_t uid = add(&f, INBOX_ID, "one", 0);
    add(&f, INBOX_ID, "two", 0);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){&uid, 1}, SENT, false, &f.a, &c));
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){&uid, 1}, INBOX_ID, false, &f.a, &c));
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), uid, &m));
    struct places p = of(&f, m.email_id, 0);
    REQUIRE(p.n == 3);
    CHECK(p.v[0].box == INBOX_ID && p.v[0].uid == uid && p.v[1].uid == uid + 2 && p.v[2].box == SENT);
    CHECK_INT(of(&f, m.email_id, SENT).n, 1);
    CHECK_INT(of(&f, m.email_id, SENT + 1).n, 0);
    CHECK_INT(of(&f, "m-nobody", 0).n + of(&f, "", 0).n, 0);
    CHECK_ERR(places_of_email_id(f.s, (struct places_in){.account = "nobody"}, SL("x"), &f.a, &p),
              ERR_NOT_FOUND);
    fixture_end(&f);
}

struct changing {
    struct fixture *f;
    bool asked;
};

static void ask(void *arg)
{
    struct changing *c = arg;
    struct places p;
    CHECK_OK(places_of_email_id(c->f->s, (struct places_in){.account = ACC}, SL("x"), &c->f->a, &p));
    c->asked = true;
}

static void change(void *arg)
{
    struct changing *c = arg;
    for (uint32_t i = 0; !c->asked && i < 400; i++) {
        uint32_t uid = 1 + i * 7 % MANY, again = 1 + i * 11 % MANY;
        struct message_copied copied;
        CHECK_OK(
            message_copy(c->f->s, BOX(INBOX_ID), (struct uids){&uid, 1}, SENT, i % 2, &c->f->a, &copied));
        CHECK_OK(message_expunge(c->f->s, BOX(INBOX_ID), (struct uids){&again, 1}, false, NULL, NULL));
        add(c->f, INBOX_ID, "more", 0);
        fiber_yield();
    }
}

TEST(many_ask_for_the_first_time_while_others_change_messages)
{
    struct fixture f;
    struct group g;
    struct changing c = {.f = &f};
    REQUIRE(fixture_begin(&f));
    add_many(&f, MANY);
    copy(&f, INBOX_ID, numbers(&f, 1, MANY), INBOX_ID, false);
    group_init(&g);
    for (int i = 0; i < 3; i++) CHECK_OK(group_go(&g, "ask", ask, &c));
    for (int i = 0; i < 2; i++) CHECK_OK(group_go(&g, "change", change, &c));
    CHECK_OK(group_wait(&g));
    CHECK(check_places(f.s, ACC) > MANY / 2);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

static void ask_or_give_up(void *arg)
{
    struct changing *c = arg;
    struct places p;
    int e = places_of_email_id(c->f->s, (struct places_in){.account = ACC}, SL("x"), &c->f->a, &p);
    CHECK(e == 0 || e == ERR_CANCELED);
    c->asked = e == 0;
}

/* Each step of the making is durable, and what is changed between two of them is in it. */
TEST(what_is_changed_while_the_making_was_given_up_is_found)
{
    struct fixture f;
    struct changing c = {.f = &f};
    REQUIRE(fixture_begin(&f));
    add_many(&f, MANY);
    for (uint32_t i = 0; i < 130; i++) add(&f, INBOX_ID, "single", 0);
    for (uint32_t i = 1; i < 60 && !c.asked; i++) {
        struct group g;
        group_init(&g);
        CHECK_OK(group_go(&g, "ask", ask_or_give_up, &c));
        while (rows(&f, "p/e/", "p/f") < (size_t)i * 12 && !c.asked) fiber_yield();
        group_cancel(&g);
        CHECK_OK(group_wait(&g));
        copy(&f, INBOX_ID, numbers(&f, i, 1), SENT, i % 2);
        copy(&f, INBOX_ID, numbers(&f, MANY + i, 1), SENT, i % 3);
        add(&f, INBOX_ID, "more", 0);
    }
    CHECK(c.asked);
    CHECK(check_places(f.s, ACC) > MANY);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

/* ---- while somebody looks ---- */

struct moving {
    struct fixture *f;
    struct batch b;
    bool moved;
};

enum { SINGLES = 600, MOVED = 10, WANTED = 20 };

static int copies(struct kv_tx *tx, struct batch *b, struct box_row *to, void *arg)
{
    struct message m = {.size = 1, .body = *(struct body_ref *)arg, .email_id = "same"};
    (void)to;
    for (int i = 0; i < MOVED; i++) batch_add(tx, b, &m);
    return 0;
}

/* The batch's rows were passed over already, those of the messages it takes the place of are not read yet. */
static int move_now(void *arg, size_t done)
{
    struct moving *x = arg;
    if (done != WANTED || x->moved || rows(x->f, "p/at", "p/au")) return 0;
    x->moved = true;
    CHECK_OK(batch_see(&x->b));
    return message_expunge(x->f->s, BOX(INBOX_ID), numbers(x->f, SINGLES - MOVED + 1, MOVED), false, NULL,
                           NULL);
}

static void add_same(struct fixture *f, size_t n)
{
    struct message_new m = letter(f, "same", 0);
    uint32_t validity, uid;
    m.email_id = "same";
    for (size_t i = 0; i < n; i++) CHECK_OK(message_append(f->s, BOX(INBOX_ID), &m, 1, &validity, &uid));
}

TEST(messages_that_become_seen_elsewhere_while_they_are_looked_for_are_found)
{
    struct fixture f;
    struct places p;
    REQUIRE(fixture_begin(&f));
    struct moving x = {.f = &f};
    struct places_asker asker = {move_now, &x};
    struct message_new one = letter(&f, "x", 0);
    CHECK_OK(batch_begin(&x.b, f.s, BOX(INBOX_ID)));
    CHECK_OK(batch_page(&x.b, copies, &one.body));
    add_same(&f, SINGLES);
    CHECK_INT(of(&f, "same", 0).n, SINGLES);
    CHECK_OK(places_of_email_id(f.s, (struct places_in){ACC, 0, &asker}, SL("same"), &f.a, &p));
    CHECK(x.moved);
    CHECK_INT(p.n, SINGLES);
    fixture_end(&f);
}

/* Rows of batches alternate, and each mailbox has ranges of its own. */
TEST(each_of_many_batches_has_its_messages)
{
    enum { BATCHES = 40 };
    struct fixture f;
    struct batch b, never;
    REQUIRE(fixture_begin(&f));
    struct message_new one = letter(&f, "x", 0);
    CHECK_OK(batch_begin(&never, f.s, BOX(INBOX_ID)));
    CHECK_OK(batch_page(&never, copies, &one.body));
    for (uint32_t i = 0; i < BATCHES; i++) {
        CHECK_OK(batch_begin(&b, f.s, BOX(i % 2 ? INBOX_ID : SENT)));
        CHECK_OK(batch_page(&b, copies, &one.body));
        CHECK_OK(batch_see(&b));
    }
    struct places p = of(&f, "same", 0);
    REQUIRE(p.n == BATCHES * MOVED);
    for (size_t i = 0; i < p.n; i++)
        CHECK(p.v[i].box == (i < p.n / 2 ? INBOX_ID : SENT) && p.v[i].uid == i % (p.n / 2) + 1);
    fixture_end(&f);
}

struct ending {
    size_t at;
    int with;
};

static int end_at(void *arg, size_t done)
{
    const struct ending *x = arg;
    return done >= x->at ? x->with : 0;
}

TEST(whoever_is_not_there_any_more_is_looked_for_no_further)
{
    struct fixture f;
    struct places p;
    struct arena small;
    REQUIRE(fixture_begin(&f));
    struct ending x = {CHANGE_MAX, ERR_EOF};
    struct places_asker asker = {end_at, &x};
    struct places_in in = {ACC, 0, &asker};
    add_same(&f, 2 * CHANGE_MAX + 10);
    CHECK_ERR(places_of_email_id(f.s, in, SL("same"), &f.a, &p), ERR_EOF); /* while they are made */
    CHECK(rows(&f, "p/at", "p/au") == 1 && rows(&f, "p/e/", "p/f") <= 2 * CHANGE_MAX);
    CHECK_INT(of(&f, "same", 0).n, 2 * CHANGE_MAX + 10);
    CHECK_ERR(places_of_email_id(f.s, in, SL("same"), &f.a, &p), ERR_EOF);
    CHECK(!p.n && !p.v);
    ar_init(&small, 100 * sizeof *p.v);
    CHECK_ERR(places_of_thread(f.s, (struct places_in){.account = ACC}, 0, &small, &p), ERR_LIMIT);
    ar_free(&small);
    fixture_end(&f);
}

/* ---- what became of the rows ---- */

/* As a program that does not know the field writes it. */
static int overlook(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    (void)arg;
    int e = account_tx(tx, &a);
    if (e) return e;
    a.places = 0;
    account_row_put(tx, &a);
    return 0;
}

TEST(a_program_that_does_not_know_the_rows_does_no_harm)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 5; i++) add(&f, INBOX_ID, "one", 0);
    CHECK_INT(check_places(f.s, ACC), 5);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), overlook, NULL));
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), numbers(&f, 2, 2), false, NULL, NULL));
    add(&f, INBOX_ID, "two", 0);
    CHECK_INT(rows(&f, "p/e/", "p/f"), 5);
    CHECK_INT(check_places(f.s, ACC), 4);
    CHECK_INT(rows(&f, "p/e/", "p/f"), 4);
    fixture_end(&f);
}

struct anew {
    struct fixture *f;
    bool done;
    int steps; /* of the other making */
};

static int one_step(void *arg, size_t done)
{
    struct anew *x = arg;
    (void)done;
    return x->steps++ ? ERR_EOF : 0;
}

/* Between the reading of a step's rows and its transaction the rows are forgotten, a message comes of which
 * nobody makes rows, and somebody begins anew. */
static int begin_anew(void *arg, size_t done)
{
    struct anew *x = arg;
    struct places p;
    struct places_asker other = {one_step, x};
    (void)done;
    if (x->done || !rows(x->f, "p/at", "p/au")) return 0;
    x->done = true;
    CHECK_OK(kv_transact(x->f->s->kv, SL("u:" ACC), overlook, NULL));
    add(x->f, INBOX_ID, "meanwhile", 0);
    struct places_in in = {ACC, 0, &other};
    CHECK_ERR(places_of_email_id(x->f->s, in, SL("x"), &x->f->a, &p), ERR_EOF);
    return 0;
}

TEST(a_step_of_a_making_that_was_begun_anew_meanwhile_counts_for_nothing)
{
    struct fixture f;
    struct places p;
    REQUIRE(fixture_begin(&f));
    struct anew x = {.f = &f};
    struct places_asker asker = {begin_anew, &x};
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "one", 0);
    CHECK_OK(places_of_email_id(f.s, (struct places_in){ACC, 0, &asker}, SL("x"), &f.a, &p));
    CHECK(x.done);
    CHECK_INT(check_places(f.s, ACC), 4);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

static struct slice mark_now(struct fixture *f)
{
    struct slice value = {0};
    CHECK_OK(kv_get(f->s->kv, SL("u:" ACC), SL("p/x"), &f->a, &value));
    return value;
}

/* A sweep that passed by rows that were still true then must not take away the mark that they are not. */
TEST(each_time_that_rows_come_to_lead_to_nothing_the_mark_is_another)
{
    struct fixture f;
    struct batch b[3];
    struct slice before = {0};
    REQUIRE(fixture_begin(&f));
    struct message_new one = letter(&f, "x", 0);
    CHECK_INT(of(&f, "same", 0).n, 0);
    for (size_t i = 0; i < COUNT_OF(b); i++) {
        CHECK_OK(batch_begin(&b[i], f.s, BOX(INBOX_ID)));
        CHECK_OK(batch_page(&b[i], copies, &one.body));
    }
    for (size_t i = 0; i < COUNT_OF(b); i++) {
        batch_drop(&b[i]);
        CHECK(!sl_eq(mark_now(&f), before));
        before = mark_now(&f);
    }
    CHECK_INT(rows(&f, "p/e/", "p/u"), 2 * COUNT_OF(b) * MOVED);
    CHECK_OK(places_care(f.s, ACC));
    CHECK_INT(rows(&f, "p/", "p0"), 0);
    fixture_end(&f);
}

static int erase_one(struct kv_tx *tx, void *arg)
{
    kv_tx_del(tx, sl_cstr(arg));
    kv_tx_put(tx, SL("p/e/spoilt"), SL("\1"));
    kv_tx_put(tx, SL("p/at"), SL("no record"));
    return 0;
}

static int keep_key(void *arg, struct slice key, struct slice value)
{
    (void)value;
    snprintf(arg, KEY_ROOM, "%.*s", SLF(key));
    return 0;
}

static void count_fault(void *arg, const char *sentence)
{
    *(size_t *)arg += sl_find(sl_cstr(sentence), SL("1 messages are not found by their EMAILID")) != SL_NONE;
}

static void no_word(void *arg, const char *sentence) { *(bool *)arg |= sentence != NULL; }

TEST(a_lost_row_is_told_by_verify_and_mended)
{
    static const char *const kinds[][2] = {{"p/e/", "p/f"}, {"p/t/", "p/u"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct fixture f;
        char key[KEY_ROOM];
        size_t faults = 0;
        bool said = false;
        REQUIRE(fixture_begin(&f));
        for (int k = 0; k < 4; k++) add(&f, INBOX_ID, "one", 0);
        CHECK_INT(check_places(f.s, ACC), 4);
        CHECK_OK(rows_each(f.s, ACC, sl_cstr(kinds[i][0]), sl_cstr(kinds[i][1]), keep_key, key));
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), erase_one, key));
        CHECK_ERR(store_verify(f.s, NULL, NULL, count_fault, &faults), ERR_CORRUPT);
        CHECK_INT(faults, 1);
        CHECK_OK(rescue_mend(f.s, no_word, &said));
        CHECK(said);
        CHECK_INT(check_places(f.s, ACC), 4);
        CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
        CHECK_INT(rows(&f, "p/", "p0"), 8);
        fixture_end(&f);
    }
}
