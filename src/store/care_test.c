/* care_test.c - sweep, verify, backup. */
#include "body/engine.h"
#include "care_i.h"
#include "kv/unreadable_test.h"
#include "rescue_i.h"
#include "rt/file.h"
#include "store_test.h"

static struct body_ref ref_of(struct fixture *f, uint32_t uid)
{
    struct message m;
    CHECK_OK(message_get(f->s, BOX(INBOX_ID), uid, &m));
    return m.body;
}

static void seal(struct fixture *f)
{
    char to[128];
    static int n;
    snprintf(to, sizeof to, "%s/sealed-%d", f->dir, n++);
    CHECK_OK(body_backup(f->s->body, to, NULL, NULL)); /* ends the current packs */
}

static struct sweep_report sweep(struct fixture *f, const struct care_queue *queue, int64_t min_age)
{
    struct sweep_report r = {0};
    CHECK_OK(store_sweep(f->s, queue, min_age, 0, &r));
    return r;
}

static void expunge(struct fixture *f, uint32_t uid)
{
    CHECK_OK(message_expunge(f->s, BOX(INBOX_ID), (struct uids){&uid, 1}, false, &f->a, NULL));
}

static void check_text(struct fixture *f, uint32_t uid, const char *want)
{
    struct body_ref ref = ref_of(f, uid);
    struct slice got = {0};
    CHECK_OK(body_get(f->s->body, &ref, 10000, &f->a, &got));
    CHECK_SL(got, want);
}

TEST(dead_packs_are_dropped_and_living_ones_not)
{
    struct fixture f;
    struct slice got;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "one", 0);
    struct body_ref one = ref_of(&f, 1);
    CHECK_INT(sweep(&f, NULL, 0).dropped, 0); /* still written to */
    seal(&f);
    struct sweep_report r = sweep(&f, NULL, 0);
    CHECK(r.packs == 1 && r.dropped == 0 && r.bodies_alive == 1);
    expunge(&f, 1);
    CHECK_INT(sweep(&f, NULL, 1000).dropped, 0); /* too young */
    CHECK_OK(body_get(f.s->body, &one, 10, &f.a, &got));
    r = sweep(&f, NULL, 0);
    CHECK(r.dropped == 1 && r.bytes_freed > 3);
    CHECK_ERR(body_get(f.s->body, &one, 10, &f.a, &got), ERR_NOT_FOUND);
    fixture_end(&f);
}

/* A queue of one letter. */
static int queue_has(void *ctx, struct store *s,
                     int (*each)(void *arg, struct slice letter, struct slice ref), void *arg)
{
    (void)s;
    return each(arg, SL("letter"), body_ref_slice(ctx));
}

static int queue_moves(void *ctx, struct store *s, struct slice letter, const struct body_ref *from,
                       const struct body_ref *to)
{
    struct body_ref *body = ctx;
    (void)s, (void)letter;
    CHECK_SL(body_ref_slice(body), from->s);
    *body = *to;
    return 0;
}

TEST(what_the_queue_refers_to_lives)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    struct message_new m = letter(&f, "queued", 0);
    struct care_queue queue = {&m.body, queue_has, queue_moves};
    seal(&f);
    CHECK_INT(sweep(&f, NULL, 0).dropped, 0); /* pinned */
    body_unpin(f.s->body, &m.body);
    CHECK_INT(sweep(&f, &queue, 0).dropped, 0);
    struct body_ref nonsense = {"nonsense"};
    queue.ctx = &nonsense;
    struct sweep_report r = sweep(&f, &queue, 0); /* not sure what is alive */
    CHECK(r.dropped == 0 && r.damaged == 1 && r.kept == 1);
    CHECK_INT(sweep(&f, NULL, 0).dropped, 1);
    fixture_end(&f);
}

/* One letter deferred for days keeps no pack. */
TEST(queued_bodies_are_moved_out_of_mostly_dead_packs)
{
    static char big[9000];
    struct fixture f;
    struct body_ref gone, body;
    struct slice got;
    REQUIRE(fixture_begin(&f));
    memset(big, 'x', sizeof big);
    CHECK_OK(body_put(f.s->body, BODY_QUEUE, sl(big, sizeof big), SL(""), &gone));
    CHECK_OK(body_put(f.s->body, BODY_QUEUE, SL("deferred"), SL(""), &body));
    body_unpin(f.s->body, &gone);
    body_unpin(f.s->body, &body);
    seal(&f);
    struct care_queue queue = {&body, queue_has, queue_moves};
    struct body_ref before = body;
    struct sweep_report r = sweep(&f, &queue, 0);
    CHECK(r.compacted == 1 && r.dropped == 0);
    CHECK(body_ref_pack(&before) != body_ref_pack(&body));
    CHECK_INT(sweep(&f, &queue, 0).dropped, 1);
    CHECK_OK(body_get(f.s->body, &body, 100, &f.a, &got));
    CHECK_SL(got, "deferred");
    fixture_end(&f);
}

/* ---- busy accounts ---- */

/* Each time the sweep asks for the account's rows, a message goes from mailbox to mailbox. */
struct shuttle {
    struct fixture *f;
    uint32_t uid, box, other;
    bool stop;
};

static void shuttle(void *arg)
{
    struct shuttle *x = arg;
    while (!x->stop) {
        struct arena a = {0};
        uint32_t uid = x->uid;
        struct message_copied c;
        CHECK_OK(message_copy(x->f->s, BOX(x->box), (struct uids){&uid, 1}, x->other, true, &a, &c));
        REQUIRE(c.n == 1);
        uint32_t was = x->box;
        x->uid = c.to[0];
        x->box = x->other;
        x->other = was;
        ar_free(&a);
        fiber_yield();
    }
}

TEST(a_sweep_ends_however_busy_an_account_is)
{
    struct fixture f;
    struct mailbox other;
    struct group g;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Archive"), &f.a, &other));
    add(&f, INBOX_ID, "on the move", 0);
    seal(&f);
    for (int i = 0; i < 2500; i++) add(&f, other.id, "x", 0); /* some pages, in packs of their own */
    struct shuttle x = {.f = &f, .uid = 1, .box = INBOX_ID, .other = other.id};
    group_init(&g);
    REQUIRE(group_go(&g, "shuttle", shuttle, &x) == 0);
    for (int i = 0; i < 20; i++) {
        struct sweep_report r = sweep(&f, NULL, 0);
        CHECK(r.bodies_alive >= 2501);
    }
    x.stop = true;
    CHECK_OK(group_wait(&g));
    struct message m;
    struct slice got;
    CHECK_OK(message_get(f.s, BOX(x.box), x.uid, &m));
    CHECK_OK(body_get(f.s->body, &m.body, 100, &f.a, &got));
    CHECK_SL(got, "on the move");
    fixture_end(&f);
}

/* What did not change is not read again, and costs no commit. */
TEST(a_sweep_reads_what_changed_and_writes_nothing)
{
    struct fixture f;
    struct kv_stats before, after;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 50; i++) {
        char acc[16];
        snprintf(acc, sizeof acc, "many%d", i);
        CHECK_OK(mailbox_make_defaults(f.s, acc));
    }
    add(&f, INBOX_ID, "letter", 0);
    CHECK_INT(sweep(&f, NULL, 0).accounts_read, 51);
    kv_stats(f.s->kv, &before);
    struct sweep_report r = sweep(&f, NULL, 0);
    kv_stats(f.s->kv, &after);
    CHECK(r.accounts_read == 0 && r.bodies_alive == 1);
    CHECK(after.transactions - before.transactions <= 2); /* the lease taken and given back */
    add(&f, INBOX_ID, "another", 0);
    r = sweep(&f, NULL, 0);
    CHECK(r.accounts_read == 1 && r.bodies_alive == 2);
    fixture_end(&f);
}

TEST(mostly_dead_packs_are_moved_out_of)
{
    static char big[5000];
    struct fixture f;
    uint32_t copy_of = 4;
    struct message_copied c;
    REQUIRE(fixture_begin(&f));
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, big, 0);
    CHECK_INT(add(&f, INBOX_ID, "survivor", 0), 4);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){&copy_of, 1}, INBOX_ID, false, &f.a, &c));
    seal(&f);
    expunge(&f, 1);
    CHECK_INT(sweep(&f, NULL, 0).compacted, 0); /* more than a third is alive */
    for (uint32_t i = 2; i <= 3; i++) expunge(&f, i);
    struct body_ref before = ref_of(&f, 4);
    struct sweep_report r = sweep(&f, NULL, 0);
    CHECK(r.compacted == 1 && r.dropped == 0);
    struct body_ref after = ref_of(&f, 4), after_copy = ref_of(&f, 5);
    CHECK(strcmp(before.s, after.s) && !strcmp(after.s, after_copy.s)); /* copies stay one body */
    check_text(&f, 4, "survivor");
    CHECK_INT(sweep(&f, NULL, 0).dropped, 1);
    check_text(&f, 4, "survivor");
    check_text(&f, 5, "survivor");
    fixture_end(&f);
}

static void note_fault(void *arg, const char *sentence)
{
    struct buf *b = arg;
    buf_printf(b, "%s\n", sentence);
}

/* Whatever keeps the bodies, those above see no difference. */
TEST(a_store_over_another_engine_of_bodies)
{
    static char big[5000];
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    memset(big, 'x', sizeof big - 1);
    body_close(&f.s->body);
    CHECK_OK(body_mem_open(&f.s->body, 14250));
    for (int i = 0; i < 2; i++) add(&f, INBOX_ID, big, 0);
    CHECK_INT(add(&f, INBOX_ID, "survivor", 0), 3);
    add(&f, INBOX_ID, big, 0); /* in the next pack */
    for (uint32_t i = 1; i <= 2; i++) expunge(&f, i);
    CHECK_INT(sweep(&f, NULL, 0).compacted, 1);
    CHECK_INT(sweep(&f, NULL, 0).dropped, 1);
    check_text(&f, 3, "survivor");
    CHECK_OK(store_verify(f.s, NULL, NULL, note_fault, &said));
    buf_free(&said);
    fixture_end(&f);
}

/* ---- verify ---- */

static int damage_rows(struct kv_tx *tx, void *arg)
{
    struct box_row b;
    CHECK_OK(box_tx(tx, INBOX_ID, &b));
    b.m.unseen = 7;
    if (*(int *)arg == 1) box_row_put(tx, NULL, &b);
    if (*(int *)arg == 2) kv_tx_put(tx, SL("m/00000001/00000002"), SL("\1x"));
    if (*(int *)arg == 3) kv_tx_del(tx, SL("m/00000001/00000002"));
    return 0;
}

TEST(verify_says_what_is_wrong_and_whom_it_concerns)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(store_verify(f.s, NULL, NULL, note_fault, &said));
    CHECK_INT(said.n, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_rows, &(int){1}));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    CHECK_SL(
        buf_slice(&said),
        "account acc1, mailbox 1: counts 3 messages (7 unseen, 0 deleted, 18 bytes), has 3 (3, 0, 18)\n");
    buf_clear(&said);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_rows, &(int){2}));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    CHECK(sl_find(buf_slice(&said), SL("account acc1, mailbox 1, message 2: its record is damaged\n")) !=
          SL_NONE);
    seal(&f);
    struct body_ref none = letter(&f, "of nobody", 0).body;
    body_unpin(f.s->body, &none);
    seal(&f);
    struct sweep_report r = sweep(&f, NULL, 0); /* not sure what is alive */
    CHECK(r.damaged == 1 && r.dropped == 0 && r.kept == 2);
    uint32_t uid = 1;
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){&uid, 1}, false, &f.a, NULL));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_rows, &(int){3}));
    r = sweep(&f, NULL, 0); /* the row is gone */
    CHECK(r.damaged == 0 && r.dropped == 1);
    buf_free(&said);
    fixture_end(&f);
}

static int damage_one(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\1x"));
    return 0;
}

static int delete_one(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, sl_cstr(key));
    return 0;
}

static void expunged_letter(struct fixture *f, const char *text)
{
    uint32_t uid = add(f, INBOX_ID, text, 0);
    seal(f);
    expunge(f, uid);
}

/* The bodies that it might name stay; what came later is swept. */
TEST(a_damaged_row_keeps_what_it_might_name_and_stops_nothing_else)
{
    struct fixture f;
    struct kv_page page;
    struct slice got;
    char key[] = "m/00000001/00000002", other[] = "m/00000001/00000009";
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 2; i++) add(&f, INBOX_ID, "old", 0);
    struct body_ref two = ref_of(&f, 2);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_one, key));
    seal(&f);
    expunge(&f, 1);
    for (int i = 0; i < 2; i++) { /* the moment is that of the first sweep, not of the last */
        struct sweep_report r = sweep(&f, NULL, 0);
        CHECK(r.dropped == (uint64_t)i && r.damaged == 1 && r.kept == 1);
        expunged_letter(&f, "new");
    }
    CHECK_OK(body_get(f.s->body, &two, 10, &f.a, &got));
    /* further damage might name what has come since */
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_one, other));
    struct sweep_report r = sweep(&f, NULL, 0);
    CHECK(r.dropped == 0 && r.damaged == 2 && r.kept == 2);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), delete_one, other));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), delete_one, key));
    r = sweep(&f, NULL, 0);
    CHECK(r.dropped == 2 && r.damaged == 0 && r.kept == 0);
    CHECK_OK(kv_scan(f.s->kv, SL("_store"), SL("damage/"), SL("damage0"), 10, &f.a, &page));
    CHECK_INT(page.n, 0);
    fixture_end(&f);
}

static int put_lease(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT; /* docs/format.md, section 2 */
    (void)arg;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'f', 1000);
    rec_put_u64(&b, 'x', (uint64_t)rt_wall() / 1000 + 60000);
    rec_put_u64(&b, 't', 60000);
    rec_put(&b, 'o', SL("another"));
    kv_tx_put_record(tx, SL("_lease/care"), &b);
    buf_free(&b);
    return 0;
}

/* While the queue is read another one takes care. */
static int passes_on(void *ctx, struct store *s,
                     int (*each)(void *arg, struct slice letter, struct slice ref), void *arg)
{
    (void)ctx, (void)each, (void)arg;
    return kv_transact(s->kv, SL("_store"), put_lease, NULL);
}

TEST(a_sweep_whose_lease_has_passed_on_keeps_no_book_and_drops_nothing)
{
    struct fixture f;
    struct kv_page page;
    struct sweep_report r;
    struct care_queue queue = {NULL, passes_on, queue_moves};
    char key[] = "m/00000001/00000002";
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 2; i++) add(&f, INBOX_ID, "old", 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_one, key));
    seal(&f);
    CHECK_ERR(store_sweep(f.s, &queue, 0, 0, &r), ERR_DENIED);
    CHECK_INT(r.dropped + r.compacted, 0);
    CHECK_OK(kv_scan(f.s->kv, SL("_store"), SL("damage/"), SL("damage0"), 10, &f.a, &page));
    CHECK_INT(page.n, 0);
    fixture_end(&f);
}

TEST(verify_tells_what_it_found_before_an_account_could_not_be_read_on)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_one, "b/00000002"));
    unreadable_begin(f.s->kv, SL("n/"));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    unreadable_end(f.s->kv);
    CHECK(sl_find(buf_slice(&said), SL("account acc1: the record of a mailbox is damaged\n")) != SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("account acc1: cannot be read to its end: a block is damaged\n")) !=
          SL_NONE);
    buf_free(&said);
    fixture_end(&f);
}

TEST(verify_names_a_damaged_row_of_every_object)
{
    struct fixture f;
    static const struct {
        const char *object, *key, *said;
    } rows[] = {
        {"d:one.test", ".", "object d:one.test: the row . is damaged\n"},
        {"d:one.test", "a:alice", "object d:one.test: the row a:alice is damaged\n"},
        {"d:one.test", "k:sel", "object d:one.test: the row k:sel is damaged\n"},
        {"t:04f00", "e/0123456789abcdef/00000000000001/00000001",
         "object t:04f00: the row e/0123456789abcdef/00000000000001/00000001 is damaged\n"},
        {"r:20261129", "o/one.test/x.1", "object r:20261129: the row o/one.test/x.1 is damaged\n"},
        {"r:in:one.test", "np", "object r:in:one.test: the row np is damaged\n"},
        {"u:" ACC, "j/0000000000000001", "object u:acc1: the row j/0000000000000001 is damaged\n"},
    };
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(domain_add(f.s->directory, SL("one.test")));
    CHECK_OK(dkim_key_add(f.s->directory, SL("one.test"), SL("good"), KEY_ED25519, DKIM_KEY_ACTIVE));
    CHECK_OK(account_add(f.s->directory, SL("bob@one.test"), SL("secret")));
    CHECK_OK(store_verify(f.s, NULL, NULL, note_fault, &said));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(rows[i].object), damage_one, (void *)rows[i].key));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (sl_find(buf_slice(&said), sl_cstr(rows[i].said)) == SL_NONE)
            test_fail(__FILE__, __LINE__, "not said: %s", rows[i].said);
    buf_free(&said);
    fixture_end(&f);
}

static int of_a_later_version(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\2n\1x"));
    return 0;
}

static int claim_without_key(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\1c\1x"));
    return 0;
}

TEST(verify_names_a_row_of_a_later_version)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(kv_transact(f.s->kv, SL("_audit"), of_a_later_version, "0006618c30f7e4e35e04c998"));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    CHECK_SL(buf_slice(&said), "object _audit: the row 0006618c30f7e4e35e04c998 is of a version that this "
                               "program does not know: use a newer Tram\n");
    buf_free(&said);
    fixture_end(&f);
}

static int put_mark(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("1"));
    return 0;
}

TEST(verify_knows_rows_that_are_their_keys)
{
    struct fixture f;
    static const char *const mark[][2] = {{"_sends", "o/001796000000/66gdnrqctousrsqe"},
                                          {"_sends", "B/acc1/95d1420c56bd3e97"},
                                          {"m:acc1", "f/020788/b/~0123456789abcdef0123456789abcdef"}};
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (size_t i = 0; i < COUNT_OF(mark); i++)
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(mark[i][0]), put_mark, (void *)mark[i][1]));
    CHECK_OK(store_verify(f.s, NULL, NULL, note_fault, &said));
    for (size_t i = 0; i < COUNT_OF(mark); i++)
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(mark[i][0]), damage_one, (void *)mark[i][1]));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    for (size_t i = 0; i < COUNT_OF(mark); i++)
        CHECK(sl_find(buf_slice(&said), ar_printf(&f.a, "object %s: the row %s is damaged\n", mark[i][0],
                                                  mark[i][1])) != SL_NONE);
    buf_free(&said);
    fixture_end(&f);
}

/* A whole record, of which no reader can make what it is to be: a claim without a key. */
TEST(verify_names_a_claim_of_a_domain_that_says_nothing)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(kv_transact(f.s->kv, SL("_senders"), claim_without_key, "c/acc1/shop.example"));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    CHECK_SL(buf_slice(&said), "object _senders: the row c/acc1/shop.example is damaged\n");
    buf_free(&said);
    fixture_end(&f);
}

/* The next object that docs/format.md has a heading for: "### `NAME`..."; the queue checks its own. */
static bool next_object(struct fixture *f, struct slice *page, const char **object)
{
    struct slice head = SL("\n### `");
    size_t at = sl_find(*page, head);
    if (at == SL_NONE) return false;
    *page = sl_from(*page, at + head.n);
    *object = ar_cstr(&f->a, sl_sub(*page, 0, sl_chr(*page, '`')));
    return true;
}

TEST(verify_reads_every_kind_of_object_that_there_is)
{
    struct fixture f;
    struct buf said = BUF_INIT, page = BUF_INIT;
    const char *object;
    size_t kinds = 0;
    REQUIRE(fixture_begin(&f));
    REQUIRE(path_read("docs/format.md", 1 << 20, &page) == 0);
    struct slice rest = buf_slice(&page);
    while (next_object(&f, &rest, &object)) {
        if (!object_kind(sl_cstr(object))) /* what becomes of it with the index is to be decided */
            test_fail(__FILE__, __LINE__, "rescue_kinds.c does not know %.*s", SLF(sl_cstr(object)));
        if (sl_starts(sl_cstr(object), SL("q:"))) continue;
        buf_clear(&said);
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(object), damage_one, "zz"));
        CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
        struct slice want = ar_printf(&f.a, "object %s: the row zz is damaged\n", object);
        if (sl_find(buf_slice(&said), want) == SL_NONE)
            test_fail(__FILE__, __LINE__, "not said: %.*s", SLF(want));
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(object), delete_one, "zz"));
        kinds++;
    }
    CHECK(kinds >= 25);
    buf_free(&said);
    buf_free(&page);
    fixture_end(&f);
}

static int set_duties(struct kv_tx *tx, void *local)
{
    struct buf b = BUF_INIT; /* docs/format.md */
    rec_begin(&b, 1);
    rec_put_u64(&b, 'c', 1700000000);
    rec_opt(&b, 'o', sl_cstr(local));
    kv_tx_put_record(tx, SL("."), &b);
    buf_free(&b);
    return 0;
}

static int miscount_keyword(struct kv_tx *tx, void *arg)
{
    struct box_row b;
    CHECK_OK(box_tx(tx, INBOX_ID, &b));
    b.users[0] += *(uint32_t *)arg;
    box_row_put(tx, NULL, &b);
    return 0;
}

TEST(verify_compares_what_belongs_together)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    struct slice keyword = SL("work");
    uint32_t v, uid;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(domain_add(f.s->directory, SL("one.test")));
    CHECK_OK(account_add(f.s->directory, SL("bob@one.test"), SL("secret")));
    struct message_new m = letter(&f, "text", 0);
    m.keyword = &keyword, m.nkeywords = 1;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid));
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    CHECK_SL(buf_slice(&said), "the domain one.test has no DKIM key that signs\n");
    CHECK_OK(dkim_key_add(f.s->directory, SL("one.test"), SL("s"), KEY_ED25519, DKIM_KEY_ACTIVE));
    CHECK_OK(store_verify(f.s, NULL, NULL, note_fault, &said));
    static const struct {
        char duties[4];
        uint32_t more;
        const char *said;
    } x[] = {
        {"al", 0, "the domain one.test: postmaster's mail falls to al, no enabled account there\n"},
        {"", 0, "the domain one.test: postmaster's mail falls to nobody, though there are accounts\n"},
        {"bob", 1, "account acc1, mailbox 1: counts 2 messages with the keyword work, has 1\n"},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        buf_clear(&said);
        CHECK_OK(kv_transact(f.s->kv, SL("d:one.test"), set_duties, (void *)x[i].duties));
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), miscount_keyword, (void *)&x[i].more));
        CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
        CHECK_SL(buf_slice(&said), x[i].said);
    }
    buf_free(&said);
    fixture_end(&f);
}

static void verify_canceled(void *arg)
{
    struct fixture *f = arg;
    CHECK_ERR(store_verify(f->s, NULL, NULL, note_fault, &(struct buf){0}), ERR_CANCELED);
}

TEST(verify_ends_when_it_is_canceled)
{
    struct fixture f;
    struct group g;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    group_init(&g);
    REQUIRE(group_go(&g, "verify", verify_canceled, &f) == 0);
    group_cancel(&g);
    CHECK_OK(group_wait(&g));
    fixture_end(&f);
}

TEST(verify_reads_the_bodies)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    struct body_ref ref = ref_of(&f, 2);
    char path[128];
    struct file *file = NULL;
    snprintf(path, sizeof path, "%s/mail-%016llx.pack", f.dir, (unsigned long long)body_ref_pack(&ref));
    CHECK_OK(file_open(&file, path, FILE_WRITE));
    CHECK_OK(file_pwrite(file, "X", 1, 4096 + 64 + 56)); /* the second record's first byte */
    file_close(&file);
    CHECK_ERR(store_verify(f.s, NULL, NULL, note_fault, &said), ERR_CORRUPT);
    struct slice want = SL("account acc1, mailbox 1, message 2: its body ");
    CHECK(sl_starts(buf_slice(&said), want));
    CHECK(sl_chr(buf_slice(&said), '\n') == said.n - 1); /* and nothing else */
    buf_free(&said);
    fixture_end(&f);
}

/* ---- backup ---- */

static int open_copied(struct kv **out, const char *dir)
{
    char path[256];
    snprintf(path, sizeof path, "%s/kv.log", dir);
    return kv_mem_open(out, path);
}

TEST(a_backup_opens_as_a_store)
{
    struct fixture f;
    struct kv *kv;
    struct body_store *b;
    struct store *copy;
    struct message m;
    struct slice got;
    char to[96], path[112];
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    snprintf(to, sizeof to, "%s/copy", f.dir);
    CHECK_OK(store_backup(f.s, NULL, open_copied, to));
    CHECK_ERR(store_backup(f.s, NULL, open_copied, to), ERR_EXISTS);
    expunge(&f, 1);
    snprintf(path, sizeof path, "%s/index", to);
    REQUIRE(open_copied(&kv, path) == 0);
    snprintf(path, sizeof path, "%s/bodies", to);
    REQUIRE(body_open(&b, path, 0) == 0);
    REQUIRE(store_open(&copy, kv, b) == 0);
    CHECK_OK(message_get(copy, BOX(INBOX_ID), 1, &m));
    CHECK_OK(body_get(b, &m.body, 100, &f.a, &got));
    CHECK_SL(got, "letter");
    store_close(&copy);
    fixture_end(&f);
}

TEST(a_backup_that_lacks_a_pack_fails_and_names_it)
{
    struct fixture f;
    char to[96], name[BODY_FILE_MAX];
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    struct body_ref ref = ref_of(&f, 1);
    seal(&f);
    body_ref_file(&ref, name);
    CHECK_OK(body_drop_pack(f.s->body, body_ref_pack(&ref))); /* as a sweep that should not have */
    snprintf(to, sizeof to, "%s/copy", f.dir);
    CHECK_ERR(store_backup(f.s, NULL, open_copied, to), ERR_NOT_FOUND);
    CHECK(sl_find(sl_cstr(err_text(ERR_NOT_FOUND)), sl_cstr(name)) != SL_NONE);
    fixture_end(&f);
}

TEST(one_takes_care_at_a_time)
{
    struct fixture f;
    struct care one, two;
    struct sweep_report r;
    char to[96];
    REQUIRE(fixture_begin(&f));
    snprintf(to, sizeof to, "%s/copy", f.dir);
    CHECK_OK(care_begin(&one, f.s, "backup"));
    CHECK_ERR(care_begin(&two, f.s, "backup"), ERR_BUSY);
    CHECK_ERR(store_sweep(f.s, NULL, 0, 0, &r), ERR_BUSY);
    CHECK_ERR(store_backup(f.s, NULL, open_copied, to), ERR_BUSY);
    CHECK_OK(care_check(&one));
    care_end(&one);
    CHECK_OK(store_sweep(f.s, NULL, 0, 0, &r));
    fixture_end(&f);
}
