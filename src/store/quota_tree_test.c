/* quota_tree_test.c - limits of trees: kept by whatever fills or moves mailboxes, counted exactly, mended. */
#include "base/log.h"
#include "care.h"
#include "mailbox_i.h"
#include "quota.h"
#include "rescue.h"
#include "store_test.h"

#define N QUOTA_NONE

static int limit(struct fixture *f, const char *name, uint64_t bytes, uint64_t messages, uint64_t boxes)
{
    struct quota_limits l = {bytes, messages, boxes};
    return quota_tree_set(f->s, ACC, NULL, sl_cstr(name), &l, true);
}

/* What it holds: "bytes messages mailboxes". */
static struct slice holds(struct fixture *f, const char *name)
{
    struct quota_tree *t;
    size_t n;
    CHECK_OK(quota_trees(f->s, ACC, SL(""), &f->a, &t, &n));
    for (size_t i = 0; i < n; i++)
        if (sl_eq(t[i].name, sl_cstr(name)))
            return ar_printf(&f->a, "%llu %llu %llu", (unsigned long long)t[i].has.bytes,
                             (unsigned long long)t[i].has.messages, (unsigned long long)t[i].has.boxes);
    return SL("no limit");
}

static const char *holding(struct fixture *f, int n, int boxes) /* of a byte each */
{
    return ar_printf(&f->a, "%d %d %d", n, n, boxes).p;
}

static uint32_t box(struct fixture *f, const char *name)
{
    struct mailbox m = {0};
    int e = mailbox_create(f->s, ACC, sl_cstr(name), 0, &f->a, &m);
    if (e == ERR_EXISTS) e = mailbox_find(f->s, ACC, sl_cstr(name), &f->a, &m);
    CHECK_OK(e);
    return m.id;
}

static void fault(void *arg, const char *sentence)
{
    buf_str(arg, sentence);
    buf_char(arg, '\n');
}

static void check_whole(struct fixture *f)
{
    struct buf said = BUF_INIT;
    CHECK_OK(store_verify(f->s, NULL, NULL, fault, &said));
    CHECK_SL(buf_slice(&said), "");
    buf_free(&said);
}

static int copy(struct fixture *f, uint32_t from, uint32_t uid, uint32_t to, bool move)
{
    struct message_copied c;
    return message_copy(f->s, BOX(from), (struct uids){&uid, 1}, to, move, &f->a, &c);
}

TEST(a_tree_has_a_limit_of_its_own)
{
    struct fixture f;
    uint32_t v, uid;
    bool twice;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    uint32_t work = box(&f, "Work"), below = box(&f, "Work/below"), other = box(&f, "Workshop");
    add(&f, below, "12345", 0);
    CHECK_OK(limit(&f, "Work", 12, 3, 2)); /* what is there counts */
    CHECK_SL(holds(&f, "Work"), "5 1 2");
    struct message_new five = letter(&f, "12345", 0), one = letter(&f, "1", 0);
    CHECK_OK(message_deliver(f.s, ACC, SL("1"), SL("Work"), &five, &uid, &twice));
    CHECK_ERR(message_deliver(f.s, ACC, SL("2"), SL("Work/below"), &five, &uid, &twice), ERR_QUOTA);
    CHECK_ERR(message_append(f.s, BOX(work), &five, 1, &v, &uid), ERR_QUOTA);
    CHECK_OK(message_append(f.s, BOX(work), &one, 1, &v, &uid));
    uint32_t last = uid;
    CHECK_ERR(message_append(f.s, BOX(work), &one, 1, &v, &uid), ERR_QUOTA); /* the number */
    CHECK_SL(holds(&f, "Work"), "11 3 2");
    uint32_t there = add(&f, other, "1", 0);
    CHECK_ERR(copy(&f, other, there, work, false), ERR_QUOTA);
    CHECK_ERR(copy(&f, other, there, below, true), ERR_QUOTA);
    CHECK_OK(copy(&f, work, last, below, true)); /* within the tree nothing changes */
    CHECK_ERR(mailbox_create(f.s, ACC, SL("Work/more"), 0, &f.a, &m), ERR_QUOTA);
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("Workshop"), SL("Work/shop")), ERR_QUOTA);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("Work/below"), SL("Out")));
    CHECK_SL(holds(&f, "Work"), "5 1 1");
    CHECK_OK(mailbox_rename(f.s, ACC, SL("Workshop"), SL("Work/shop")));
    CHECK_SL(holds(&f, "Work"), "6 2 2");
    CHECK_OK(mailbox_delete(f.s, ACC, SL("Work/shop")));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("Work"))); /* the limit stays with the name */
    CHECK_SL(holds(&f, "Work"), "0 0 0");
    check_whole(&f);
    CHECK_OK(limit(&f, "Work", N, N, N));
    CHECK_SL(holds(&f, "Work"), "no limit");
    CHECK_ERR(limit(&f, "Work", N, N, N), ERR_NOT_FOUND);
    check_whole(&f);
    fixture_end(&f);
}

TEST(trees_within_trees_count_each_for_itself)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    uint32_t inner = box(&f, "a/b/c");
    CHECK_OK(limit(&f, "a", N, 3, N));
    CHECK_OK(limit(&f, "a/b/c", N, 1, N));
    uint32_t uid = add(&f, inner, "1", 0);
    CHECK_ERR(copy(&f, inner, uid, inner, false), ERR_QUOTA);
    CHECK_OK(copy(&f, inner, uid, box(&f, "a/b"), false));
    CHECK_SL(holds(&f, "a"), "2 2 3");
    CHECK_SL(holds(&f, "a/b/c"), "1 1 1");
    /* beyond a new limit: what is there stays and may be moved within it, nothing comes */
    CHECK_OK(limit(&f, "a", N, 0, N));
    CHECK_OK(copy(&f, inner, uid, box(&f, "a/b"), true));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("a/b"), SL("a/d")));
    CHECK_ERR(copy(&f, INBOX_ID, add(&f, INBOX_ID, "1", 0), inner, true), ERR_QUOTA);
    CHECK_SL(holds(&f, "a"), "2 2 3");
    CHECK_SL(holds(&f, "a/b/c"), "0 0 0");
    CHECK_OK(limit(&f, "INBOX", 1, N, N));
    CHECK_ERR(account_room(f.s, ACC, 1), ERR_QUOTA); /* as a letter that comes would find */
    check_whole(&f);
    fixture_end(&f);
}

/* Each mailbox changes what every tree holds: that is put once, not once for each. */
TEST(a_large_tree_is_renamed_into_many_limits)
{
    enum { MANY = 4000, TREES = 15 };
    struct fixture f;
    struct quota_tree *t;
    char name[80];
    size_t n;
    REQUIRE(fixture_begin(&f));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many/%u", i);
        box(&f, name);
    }
    add(&f, box(&f, "many/0"), "12345", 0);
    memset(name, 0, sizeof name);
    for (int i = 0; i < TREES; i++) {
        strcat(name, i ? "/x" : "x");
        CHECK_OK(limit(&f, name, 5, 1, MANY + 20));
    }
    CHECK_OK(mailbox_rename(f.s, ACC, SL("many"), sl_cstr(name)));
    CHECK_OK(quota_trees(f.s, ACC, SL(""), &f.a, &t, &n));
    CHECK_INT(n, TREES);
    for (size_t i = 0; i < n; i++)
        CHECK(t[i].has.bytes == 5 && t[i].has.messages == 1 && t[i].has.boxes > MANY);
    CHECK_OK(limit(&f, "few", N, N, MANY)); /* one less than they are */
    CHECK_ERR(mailbox_rename(f.s, ACC, sl_cstr(name), SL("few")), ERR_QUOTA);
    CHECK_OK(limit(&f, "few", N, N, MANY + 1));
    CHECK_OK(mailbox_rename(f.s, ACC, sl_cstr(name), SL("few")));
    CHECK_SL(holds(&f, "few"), "5 1 4001");
    CHECK_SL(holds(&f, "x/x"), "0 0 13");
    check_whole(&f);
    fixture_end(&f);
}

/* A batch that is written unseen counts when it is seen, and stops early where it would not fit. */
TEST(a_large_copy_keeps_the_limit_of_a_tree)
{
    enum { MANY = CHANGE_MAX + 10 };
    static struct message_new all[MANY];
    static uint32_t uids[MANY];
    struct fixture f;
    struct message_copied c;
    uint32_t v, first;
    REQUIRE(fixture_begin(&f));
    struct message_new m = letter(&f, "1", 0);
    for (uint32_t i = 0; i < MANY; i++) all[i] = m, uids[i] = i + 1;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), all, MANY, &v, &first));
    uint32_t to = box(&f, "Work");
    CHECK_OK(limit(&f, "Work", N, MANY, N));
    add(&f, to, "1", 0);
    CHECK_ERR(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, MANY}, to, false, &f.a, &c), ERR_QUOTA);
    CHECK_SL(holds(&f, "Work"), "1 1 1");
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, MANY - 1}, to, false, &f.a, &c));
    CHECK_SL(holds(&f, "Work"), holding(&f, MANY, 1));
    CHECK_ERR(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, MANY}, to, true, &f.a, &c), ERR_QUOTA);
    CHECK_SL(holds(&f, "Work"), holding(&f, MANY, 1));
    check_whole(&f);
    fixture_end(&f);
}

TEST(inbox_is_renamed_wholly_or_not_at_all)
{
    enum { MANY = CHANGE_MAX + 10 };
    static struct message_new all[MANY];
    struct fixture f;
    struct mailbox m;
    uint32_t v, first;
    REQUIRE(fixture_begin(&f));
    struct message_new one = letter(&f, "1", 0);
    for (uint32_t i = 0; i < MANY; i++) all[i] = one;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), all, MANY, &v, &first));
    for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
        CHECK_OK(limit(&f, "Work", by_bytes ? MANY - 1 : N, by_bytes ? N : MANY - 1, N));
        CHECK_ERR(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Work/old")), ERR_QUOTA);
        CHECK_SL(holds(&f, "Work"), "0 0 0");
        CHECK_ERR(mailbox_find(f.s, ACC, SL("Work"), &f.a, &m), ERR_NOT_FOUND);
        CHECK_OK(mailbox_get(f.s, ACC, INBOX_ID, &f.a, &m));
        CHECK_INT(m.exists, MANY);
    }
    CHECK_OK(limit(&f, "Work", MANY, MANY, 2));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Work/old")));
    CHECK_SL(holds(&f, "Work"), holding(&f, MANY, 2));
    add(&f, INBOX_ID, "1", 0);
    CHECK_OK(limit(&f, "INBOX", N, 0, N)); /* what moves within a tree adds nothing to it */
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("INBOX/old")));
    CHECK_SL(holds(&f, "INBOX"), "1 1 2");
    check_whole(&f);
    fixture_end(&f);
}

TEST(whatever_happens_the_counts_of_trees_are_exact)
{
    static const char *const name[] = {"a", "a/b", "a/b/c", "d", "d/e", "f", "a/g"};
    struct fixture f;
    struct mailbox m;
    struct arena page;
    struct message *v;
    uint64_t x = 88172645463325252;
    REQUIRE(fixture_begin(&f));
    ar_init(&page, 0);
    CHECK_OK(limit(&f, "a", 60, N, N));
    CHECK_OK(limit(&f, "a/b", N, 12, 3));
    CHECK_OK(limit(&f, "d", N, 9, N));
    CHECK_OK(limit(&f, "INBOX", N, 5, N));
    for (int i = 0; i < 1500; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        struct slice one = sl_cstr(name[(x >> 8) % COUNT_OF(name)]);
        struct slice two = sl_cstr(name[(x >> 16) % COUNT_OF(name)]);
        struct mailbox from, to;
        size_t n = 0;
        uint32_t uid, validity;
        struct message_copied c;
        bool is = mailbox_find(f.s, ACC, one, &page, &from) == 0, has = false;
        if (is) CHECK_OK(message_list(f.s, BOX(from.id), 1, 3, &page, &v, &n));
        if (n) uid = v[(x >> 24) % n].uid, has = true;
        bool other = mailbox_find(f.s, ACC, two, &page, &to) == 0;
        struct message_new new = {.size = 1 + (x >> 32) % 9, .internal_date = 1};
        snprintf(new.body.s, sizeof new.body.s, "ms.1.1000.1f4.5");
        int e = 0;
        switch (x % 8) {
        case 0: e = mailbox_create(f.s, ACC, one, 0, &page, &m); break;
        case 1: e = i % 5 ? 0 : mailbox_delete(f.s, ACC, one); break;
        case 2: e = mailbox_rename(f.s, ACC, i % 40 ? one : SL("INBOX"), two); break;
        case 3: e = is ? message_append(f.s, BOX(from.id), &new, 1, &validity, &uid) : 0; break;
        case 4: e = message_append(f.s, BOX(INBOX_ID), &new, 1, &validity, &uid); break;
        case 5:
            if (has && other)
                e = message_copy(f.s, BOX(from.id), (struct uids){&uid, 1}, to.id, x >> 60 & 1, &page, &c);
            break;
        case 6:
            if (has) e = message_expunge(f.s, BOX(from.id), (struct uids){&uid, 1}, false, &page, NULL);
            break;
        default:
            if (has && other) e = message_replace(f.s, BOX(from.id), uid, to.id, &new, &validity, &uid);
        }
        CHECK(e == 0 || e == ERR_QUOTA || e == ERR_NOT_FOUND || e == ERR_EXISTS || e == ERR_SYNTAX);
        ar_reset(&page);
    }
    struct buf said = BUF_INIT;
    (void)!store_verify(f.s, NULL, NULL, fault, &said); /* of bodies it has much to say */
    CHECK(sl_find(buf_slice(&said), SL("from \"")) == SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("limits of mailboxes")) == SL_NONE);
    CHECK(!sl_eq(holds(&f, "a"), SL("0 0 0")));
    buf_free(&said);
    ar_free(&page);
    fixture_end(&f);
}

static int spoil(struct kv_tx *tx, void *arg)
{
    char key[KEY_ROOM] = "q/";
    struct slice name = *(struct slice *)arg;
    size_t n = hex_digits(key + 2, quota_tree_id(name), 16);
    kv_tx_put(tx, sl(key, n + 2), SL("\1x"));
    return 0;
}

static int miscount(struct kv_tx *tx, void *arg)
{
    struct box_row b;
    struct account_row a;
    CHECK_OK(account_tx(tx, &a));
    CHECK_OK(box_tx(tx, INBOX_ID, &b));
    b.m.size += *(uint64_t *)arg;
    quota_trees_moved(tx, &a, &b, false); /* and no row of the mailbox */
    return 0;
}

static int damage_told; /* lines of the log */

static void hear_damage(struct slice line)
{
    damage_told += sl_find(line, SL("is damaged, its limit counts nothing; see tram verify")) != SL_NONE;
}

TEST(a_damaged_limit_is_told_when_many_mailboxes_are_renamed)
{
    struct fixture f;
    struct slice work = SL("Work");
    REQUIRE(fixture_begin(&f));
    box(&f, "Work/a");
    box(&f, "Work/b");
    CHECK_OK(limit(&f, "Work", 1000, N, N));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &work));
    log_set_level(LOG_ERROR);
    log_set_sink(hear_damage);
    CHECK_OK(mailbox_rename(f.s, ACC, work, SL("Play")));
    log_set_sink(NULL);
    log_set_level(LOG_ERROR + 1);
    CHECK_INT(damage_told, 1);
    fixture_end(&f);
}

TEST(counts_of_trees_are_verified_and_mended)
{
    struct fixture f;
    struct images_report images;
    struct buf said = BUF_INIT;
    uint64_t more = 7;
    struct slice work = SL("Work");
    REQUIRE(fixture_begin(&f));
    uint32_t id = box(&f, "Work");
    add(&f, id, "12345", 0);
    add(&f, INBOX_ID, "123", 0);
    CHECK_OK(limit(&f, "INBOX", 1000, N, N));
    CHECK_OK(limit(&f, "Work", 8, N, N));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), miscount, &more));
    CHECK_ERR(store_verify(f.s, NULL, NULL, fault, &said), ERR_CORRUPT);
    CHECK_SL(buf_slice(&said),
             "account acc1: counts 1 messages with 10 bytes in 1 mailboxes from \"INBOX\" on, "
             "has 1 with 3 in 1\n");
    buf_clear(&said);
    CHECK_OK(rescue_mend(f.s, fault, &said));
    CHECK_SL(buf_slice(&said),
             "account acc1: what its limits of mailboxes hold is counted anew: 1 were wrong\n");
    check_whole(&f);
    CHECK_OK(images_write(f.s, IMAGES_OF_ALL, false, &images));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &work));
    buf_clear(&said);
    CHECK_ERR(store_verify(f.s, NULL, NULL, fault, &said), ERR_CORRUPT);
    CHECK(sl_find(buf_slice(&said), SL("account acc1: 1 limits of mailboxes are damaged")) != SL_NONE);
    /* it hides no other, and stops nothing */
    CHECK_SL(holds(&f, "Work"), "no limit");
    CHECK_SL(holds(&f, "INBOX"), "3 1 1");
    add(&f, id, "12345", 0);
    struct quota_limits l = {N, 5, N};
    CHECK_ERR(quota_tree_set(f.s, ACC, NULL, work, &l, false), ERR_DENIED); /* whose it was is not known */
    buf_clear(&said);
    CHECK_OK(rescue_mend(f.s, fault, &said));
    CHECK(sl_find(buf_slice(&said), SL("is as the image of")) != SL_NONE);
    CHECK_SL(holds(&f, "Work"), "10 2 1");
    check_whole(&f);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &work));
    CHECK_OK(limit(&f, "Work", 8, N, N)); /* the operator takes its place */
    check_whole(&f);
    buf_free(&said);
    fixture_end(&f);
}

TEST(limits_of_trees_are_few_and_somebodys)
{
    struct fixture f;
    char name[32];
    struct quota_limits l = {N, 1, N}, none = {N, N, N};
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < QUOTA_TREES_MAX; i++) {
        snprintf(name, sizeof name, "box%d", i);
        bool own = i < QUOTA_TREES_OWN;
        if (i == QUOTA_TREES_OWN) CHECK_ERR(quota_tree_set(f.s, ACC, NULL, SL("x"), &l, false), ERR_LIMIT);
        CHECK_OK(quota_tree_set(f.s, ACC, NULL, sl_cstr(name), &l, !own));
    }
    CHECK_ERR(quota_tree_set(f.s, ACC, NULL, SL("x"), &l, true), ERR_LIMIT);
    CHECK_OK(quota_tree_set(f.s, ACC, NULL, SL("box0"), &none, false));
    CHECK_ERR(quota_tree_set(f.s, ACC, NULL, SL("box31"), &none, false), ERR_DENIED);
    CHECK_OK(quota_tree_set(f.s, ACC, NULL, SL("box1"), &l, true)); /* it is the operator's from now on */
    CHECK_ERR(quota_tree_set(f.s, ACC, NULL, SL("box1"), &none, false), ERR_DENIED);
    CHECK_ERR(quota_tree_set(f.s, ACC, NULL, SL("a//b"), &l, true), ERR_SYNTAX);
    CHECK_ERR(quota_tree_set(f.s, "nobody", NULL, SL("a"), &l, true), ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(the_marks_of_a_tree_are_passed_once)
{
    struct fixture f;
    struct quota_passed *p;
    size_t n;
    REQUIRE(fixture_begin(&f));
    uint32_t id = box(&f, "Work/below");
    CHECK_OK(limit(&f, "Work", N, 10, N));
    for (int i = 0; i < 8; i++) add(&f, id, "1", 0);
    CHECK_OK(quota_passed_list(f.s, SL(""), 10, &f.a, &p, &n));
    CHECK_INT(n, 0);
    add(&f, id, "1", 0);
    CHECK_OK(quota_passed_list(f.s, SL(""), 10, &f.a, &p, &n));
    REQUIRE(n == 1);
    CHECK(sl_eq(p->account, SL(ACC)) && p->mark == 90 && p->tree == quota_tree_id(SL("Work")));
    CHECK_OK(quota_passed_done(f.s, p));
    CHECK_OK(copy(&f, id, 1, id, true)); /* to and fro */
    CHECK_OK(quota_passed_list(f.s, SL(""), 10, &f.a, &p, &n));
    CHECK_INT(n, 0);
    fixture_end(&f);
}

TEST(whose_an_account_is_stands_beside_its_mailboxes)
{
    struct fixture f;
    struct account bob, found;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(domain_add(f.s->directory, SL("one.test")));
    CHECK_OK(account_add(f.s->directory, SL("bob@one.test"), SL("secret")));
    CHECK_OK(account_get(f.s->directory, &f.a, SL("bob@one.test"), &bob));
    CHECK_OK(account_owner(f.s, bob.id, &f.a, &found));
    CHECK_SL(found.address, "bob@one.test");
    CHECK_OK(account_rename(f.s->directory, SL("bob@one.test"), SL("rob@one.test")));
    CHECK_ERR(account_owner(f.s, bob.id, &f.a, &found), ERR_NOT_FOUND);
    CHECK_OK(account_note_address(f.s, bob.id, SL("rob@one.test")));
    CHECK_OK(account_owner(f.s, bob.id, &f.a, &found));
    CHECK_SL(found.address, "rob@one.test");
    CHECK_ERR(account_owner(f.s, ACC, &f.a, &found), ERR_NOT_FOUND);
    CHECK_ERR(account_note_address(f.s, "nobody", SL("x@one.test")), ERR_NOT_FOUND);
    fixture_end(&f);
}
