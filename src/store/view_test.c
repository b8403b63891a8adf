/* view_test.c - views follow every change, through journal, image and comparison alike. */
#include "base/log.h"
#include "mailbox_i.h"
#include "store_test.h"

static struct view *opened(struct fixture *f, uint32_t box)
{
    struct view *v = NULL;
    CHECK_OK(view_open(&v, f->s, ACC, box));
    return v;
}

/* "1 2* 3-" for changed and gone. */
static struct slice shown(struct fixture *f, const struct view *v)
{
    struct slice text = SL("");
    for (size_t i = 0; i < v->n; i++)
        text = ar_printf(&f->a, "%.*s%s%u%s%s", SLF(text), i ? " " : "", view_at(v, i).uid,
                         view_changed(v, i) ? "*" : "", view_at(v, i).gone ? "-" : "");
    return text;
}

static void set_flags(struct fixture *f, uint32_t box, uint32_t uid, uint64_t flags)
{
    CHECK_OK(message_flags(f->s, BOX(box), (struct uids){&uid, 1},
                           &(struct flags_change){.op = FLAGS_REPLACE, .bits = flags}, &f->a, NULL));
}

static void expunge(struct fixture *f, uint32_t box, uint32_t uid)
{
    CHECK_OK(message_expunge(f->s, BOX(box), (struct uids){&uid, 1}, false, &f->a, NULL));
}

/* The view says the same as the messages do. */
static void check_same(struct fixture *f, const struct view *v)
{
    struct message *m;
    size_t n = 0, i = 0;
    uint32_t from = 1;
    do {
        CHECK_OK(message_list(f->s, BOX(v->box), from, 1000, &f->a, &m, &n));
        for (size_t k = 0; k < n; k++, i++)
            if (!(i < v->n && view_at(v, i).uid == m[k].uid && view_at(v, i).flags == m[k].flags &&
                  view_at(v, i).modseq == m[k].modseq))
                test_fail(__FILE__, __LINE__, "message %u is not as shown", m[k].uid);
        if (n) from = m[n - 1].uid + 1;
    } while (n);
    CHECK_INT(v->n, i);
}

static void add_seq(void *arg, uint32_t seq, uint32_t uid)
{
    (void)uid;
    struct buf *b = arg;
    buf_printf(b, "%u ", seq);
}

TEST(a_view_hears_of_all_changes)
{
    struct fixture f;
    size_t added;
    struct buf seqs = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 4; i++) add(&f, INBOX_ID, "x", 0);
    struct view *v = opened(&f, INBOX_ID);
    CHECK_SL(shown(&f, v), "1 2 3 4");
    CHECK_OK(view_sync(v, &added));
    CHECK_INT(added, 0);
    add(&f, INBOX_ID, "x", 0);
    set_flags(&f, INBOX_ID, 2, FLAG_SEEN);
    expunge(&f, INBOX_ID, 1);
    expunge(&f, INBOX_ID, 4);
    add(&f, INBOX_ID, "x", 0);
    expunge(&f, INBOX_ID, 6); /* came and went meanwhile */
    CHECK_OK(view_sync(v, &added));
    CHECK_INT(added, 1);
    CHECK_SL(shown(&f, v), "1- 2* 3 4- 5");
    CHECK(v->ngone == 2 && v->nchanged == 1 && view_at(v, 1).flags == FLAG_SEEN && v->uidnext == 7);
    CHECK_INT(view_find(v, 3), 2);
    CHECK(view_find(v, 6) == SL_NONE);
    view_drop_gone(v, add_seq, &seqs);
    CHECK_SL(buf_slice(&seqs), "1 3 "); /* the second was the fourth before the first went */
    CHECK_SL(shown(&f, v), "2* 3 5");
    check_same(&f, v);
    CHECK_OK(mailbox_create(f.s, ACC, SL("gone"), 0, &f.a, &(struct mailbox){0}));
    view_close(&v);
    buf_free(&seqs);
    fixture_end(&f);
}

TEST(a_view_of_a_deleted_mailbox_says_so)
{
    struct fixture f;
    struct mailbox m;
    struct view *none;
    size_t added;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_create(f.s, ACC, SL("box"), 0, &f.a, &m));
    add(&f, m.id, "x", 0);
    struct view *v = opened(&f, m.id);
    CHECK_OK(mailbox_delete(f.s, ACC, SL("box")));
    CHECK_OK(view_sync(v, &added));
    CHECK(v->deleted && v->n == 1);
    view_close(&v);
    CHECK_ERR(view_open(&none, f.s, ACC, m.id), ERR_NOT_FOUND);
    fixture_end(&f);
}

static struct slice image_key(char room[KEY_ROOM]) { return row_key('i', INBOX_ID, 0, 6, room); }

TEST(an_image_is_kept_and_brought_up_to_date)
{
    struct fixture f;
    char room[KEY_ROOM];
    struct slice value;
    size_t added;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 300; i++) add(&f, INBOX_ID, "x", i % 3 ? 0 : (uint64_t)1 << 63 | FLAG_SEEN);
    struct view *v = opened(&f, INBOX_ID);
    CHECK_ERR(kv_get(f.s->kv, SL("u:" ACC), image_key(room), &f.a, &value), ERR_NOT_FOUND);
    expunge(&f, INBOX_ID, 7);
    CHECK_OK(view_sync(v, &added));
    view_close(&v); /* is saved now, without the one that is gone */
    CHECK_OK(kv_get(f.s->kv, SL("u:" ACC), image_key(room), &f.a, &value));
    CHECK(value.n < 300 * 13);
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    set_flags(&f, INBOX_ID, 5, FLAG_FLAGGED);
    expunge(&f, INBOX_ID, 9);
    add(&f, INBOX_ID, "x", 0);
    v = opened(&f, INBOX_ID);
    CHECK(v->n == 299 && v->ngone == 0 && v->nchanged == 0);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

static int spoil_image(struct kv_tx *tx, void *arg)
{
    char room[KEY_ROOM];
    struct slice value;
    (void)arg;
    CHECK_OK(kv_tx_get(tx, image_key(room), &value));
    kv_tx_put(tx, image_key(room), sl_sub(value, 0, value.n / 2));
    return 0;
}

TEST(a_damaged_image_is_made_anew)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 250; i++) add(&f, INBOX_ID, "x", 0);
    struct view *v = opened(&f, INBOX_ID);
    view_close(&v);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil_image, NULL));
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

static void add_many(struct fixture *f, uint32_t box, size_t n)
{
    struct message_new one = letter(f, "x", 0), *all = ar_array(&f->a, struct message_new, n);
    uint32_t validity, first;
    for (size_t i = 0; i < n; i++) all[i] = one;
    CHECK_OK(message_append(f->s, BOX(box), all, n, &validity, &first));
    body_unpin(f->s->body, &one.body);
}

struct part_row {
    size_t n;
    uint32_t sum[64];
};

static int note_part(void *arg, struct slice key, struct slice value)
{
    struct part_row *p = arg;
    if (!sl_ends(key, SL("head"))) p->sum[p->n++ % 64] = crc32c(0, value.p, value.n);
    return 0;
}

static int forget_journal(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    int e = account_tx(tx, &a);
    (void)arg;
    a.journal_floor = a.modseq;
    account_row_put(tx, &a);
    return e;
}

TEST(a_view_older_than_the_journal_compares)
{
    struct fixture f;
    size_t added;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 10; i++) add(&f, INBOX_ID, "x", 0);
    struct view *v = opened(&f, INBOX_ID);
    expunge(&f, INBOX_ID, 3);
    set_flags(&f, INBOX_ID, 4, FLAG_SEEN);
    add(&f, INBOX_ID, "x", 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), forget_journal, NULL));
    CHECK_OK(view_sync(v, &added));
    CHECK_INT(added, 1);
    CHECK_SL(shown(&f, v), "1 2 3- 4* 5 6 7 8 9 10 11");
    view_drop_gone(v, NULL, NULL);
    check_same(&f, v);
    CHECK_INT(v->uidnext, 12);
    view_close(&v);
    fixture_end(&f);
}

static int spoil_change(struct kv_tx *tx, void *modseq)
{
    struct journal_keys keys;
    journal_range(*(uint64_t *)modseq - 1, *(uint64_t *)modseq, &keys);
    kv_tx_put(tx, keys.from, SL("\1damaged"));
    return 0;
}

TEST(a_damaged_row_of_the_journal_shuts_no_view)
{
    struct fixture f;
    struct mailbox box;
    struct uid_ranges went;
    size_t added;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 10; i++) add(&f, INBOX_ID, "x", 0);
    struct view *v = opened(&f, INBOX_ID);
    uint64_t before = v->modseq;
    set_flags(&f, INBOX_ID, 4, FLAG_SEEN);
    expunge(&f, INBOX_ID, 3);
    CHECK_OK(mailbox_get(f.s, ACC, INBOX_ID, &f.a, &box));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil_change, &box.modseq));
    add(&f, INBOX_ID, "x", 0);
    CHECK_OK(view_sync(v, &added));
    CHECK_INT(added, 1);
    CHECK_SL(shown(&f, v), "1 2 3- 4* 5 6 7 8 9 10 11");
    view_drop_gone(v, NULL, NULL);
    check_same(&f, v);
    CHECK_OK(view_vanished(v, before, &f.a, &went));
    CHECK(went.n == 1 && went.v[0].lo == 3 && went.v[0].hi == 3);
    view_close(&v);
    fixture_end(&f);
}

static int much_happened(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    int e = account_tx(tx, &a);
    (void)arg;
    a.modseq += JOURNAL_MAX + JOURNAL_PRUNE;
    account_row_put(tx, &a);
    return e;
}

static size_t journal_rows(struct fixture *f, uint64_t upto)
{
    struct part_row p = {0};
    struct journal_keys keys;
    journal_range(0, upto, &keys);
    CHECK_OK(rows_each(f->s, ACC, keys.from, keys.to, note_part, &p));
    return p.n;
}

TEST(the_journal_is_pruned)
{
    struct fixture f;
    struct slice value;
    struct account_row a;
    size_t added;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 3);
    struct view *v = opened(&f, INBOX_ID);
    set_flags(&f, INBOX_ID, 1, FLAG_SEEN);
    CHECK(journal_rows(&f, v->modseq) > 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), much_happened, NULL));
    expunge(&f, INBOX_ID, 2);
    CHECK_INT(journal_rows(&f, v->modseq + 1), 0);
    CHECK_OK(kv_get(f.s->kv, SL("u:" ACC), SL("a"), &f.a, &value));
    CHECK_OK(account_row_get(value, &a));
    CHECK(a.journal_floor == a.modseq - JOURNAL_MAX && a.journal_floor > v->modseq);
    CHECK_OK(view_sync(v, &added));
    CHECK_SL(shown(&f, v), "1* 2- 3");
    view_drop_gone(v, NULL, NULL);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

/* "box: made, 1+2, 3f, 4-" of each change, in order. */
static int tell_change(void *arg, struct slice key, struct slice value)
{
    struct buf *b = arg;
    struct journal_reader j;
    uint64_t flags;
    uint32_t uid;
    (void)key;
    CHECK_OK(journal_open(value, &j));
    while (journal_next_box(&j)) {
        buf_printf(b, "%u:%s", j.box,
                   j.kind == JOURNAL_MADE      ? " made"
                   : j.kind == JOURNAL_RENAMED ? " renamed"
                   : j.kind == JOURNAL_DELETED ? " deleted"
                                               : "");
        if (j.added) buf_printf(b, " %u+%u", j.first_added, j.added);
        while (journal_next_flags(&j, &uid, &flags))
            buf_printf(b, " %uf%llu", uid, (unsigned long long)flags);
        while (journal_next_gone(&j, &uid)) buf_printf(b, " %u-", uid);
        buf_str(b, "; ");
    }
    return 0;
}

/* Whoever follows the account hears of all of its mailboxes. */
TEST(the_journal_names_every_change_of_the_account)
{
    struct fixture f;
    struct mailbox box;
    struct message_copied c;
    struct account_usage u;
    struct buf told = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_create(f.s, ACC, SL("x"), 0, &f.a, &box));
    uint64_t after = box.modseq - 1;
    add(&f, INBOX_ID, "one", 0);
    add(&f, INBOX_ID, "two", 0);
    set_flags(&f, INBOX_ID, 2, FLAG_SEEN);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){(uint32_t[]){1, 2}, 2}, box.id, false, &f.a, &c));
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){(uint32_t[]){1, 2}, 2}, box.id, true, &f.a, &c));
    expunge(&f, box.id, 3);
    add_many(&f, INBOX_ID, CHANGE_MAX + 1);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("x"), SL("y")));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("y")));
    struct journal_keys keys;
    journal_range(after, UINT32_MAX, &keys);
    CHECK_OK(rows_each(f.s, ACC, keys.from, keys.to, tell_change, &told));
    CHECK_SL(buf_slice(&told),
             ar_printf(&f.a,
                       "7: made; 1: 1+1; 1: 2+1; 1: 2f1; 7: 1+2; 1: 1- 2-; 7: 3+2; 7: 3-; 1: 3+%d; "
                       "7: renamed; 7: deleted; ",
                       CHANGE_MAX + 1)
                 .p);
    CHECK_OK(account_usage(f.s, ACC, &u));
    CHECK_INT(u.messages, CHANGE_MAX + 1);
    buf_free(&told);
    fixture_end(&f);
}

/* Chance changes, many rounds: two views, one that is always current and one that is opened anew. */
TEST(views_and_messages_never_disagree)
{
    struct fixture f;
    uint64_t dice = 12345;
    size_t added;
    REQUIRE(fixture_begin(&f));
    struct view *v = opened(&f, INBOX_ID), *fresh;
    for (int round = 0; round < 400; round++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(dice >> 33), uid = 1 + r / 16 % (v->uidnext + 1);
        if (r % 16 < 7) add(&f, INBOX_ID, "x", r & 31);
        else if (r % 16 < 12) set_flags(&f, INBOX_ID, uid, r >> 8 & 31);
        else expunge(&f, INBOX_ID, uid);
        if (r % 5 == 0) {
            CHECK_OK(view_sync(v, &added));
            view_drop_gone(v, NULL, NULL);
            check_same(&f, v);
        }
        if (r % 37 == 0) {
            fresh = opened(&f, INBOX_ID);
            check_same(&f, fresh);
            view_close(&fresh);
        }
        ar_reset(&f.a);
    }
    view_close(&v);
    fixture_end(&f);
}

struct turns {
    bool over;
    unsigned n;
};

static void take_turns(void *arg)
{
    struct turns *t = arg;
    for (; !t->over; t->n++) fiber_yield();
}

/* Whoever reads a long journal, or compares a large mailbox, lets the other fibers of the loop have their
 * turns. */
TEST(a_view_that_has_much_to_catch_up_on_lets_others_have_their_turns)
{
    struct fixture f;
    struct turns t = {0};
    struct group g;
    size_t added;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 3);
    struct view *v = opened(&f, INBOX_ID);
    for (unsigned i = 0; i < KV_PAGE_MAX - 100; i++)
        set_flags(&f, INBOX_ID, 1 + i % 3, i & 1 ? FLAG_SEEN : 0);
    group_init(&g);
    CHECK_OK(group_go(&g, "others", take_turns, &t));
    CHECK_OK(view_sync(v, &added));
    t.over = true;
    CHECK_OK(group_wait(&g));
    CHECK(t.n >= 3);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

/* What a client knows that hears of expunges now and then. */
struct belief {
    uint32_t uid[6000];
    size_t n;
};

static void believe_expunge(void *arg, uint32_t seq, uint32_t uid)
{
    struct belief *b = arg;
    REQUIRE(seq >= 1 && seq <= b->n && b->uid[seq - 1] == uid);
    memmove(&b->uid[seq - 1], &b->uid[seq], (b->n-- - seq) * sizeof b->uid[0]);
}

static void believe_new(struct belief *b, const struct view *v, size_t added)
{
    CHECK_INT(v->n, b->n + added);
    for (; b->n < v->n; b->n++) b->uid[b->n] = view_at(v, b->n).uid;
    for (size_t i = 0; i < v->n; i++) {
        if (view_at(v, i).uid != b->uid[i])
            test_fail(__FILE__, __LINE__, "%zu is %u, not %u", i + 1, view_at(v, i).uid, b->uid[i]);
        CHECK(view_find(v, b->uid[i]) == i && view_rank(v, b->uid[i]) == i);
    }
}

/* Over several pages of the roll, with views as of different moments. */
TEST(a_view_keeps_its_numbers_until_it_is_told)
{
    struct fixture f;
    uint64_t dice = 4711;
    size_t added;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 2600);
    struct view *late = opened(&f, INBOX_ID), *v = opened(&f, INBOX_ID);
    struct belief *b = xcalloc(1, sizeof *b);
    believe_new(b, late, late->n);
    for (int round = 0; round < 60; round++) {
        uint32_t uids[200];
        size_t n = 0;
        for (uint32_t uid = 1; uid < v->uidnext && n < 200; uid++) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            if (dice >> 58 == 1) uids[n++] = uid;
        }
        if (round % 3 == 0) add_many(&f, INBOX_ID, 40);
        if (round % 3 == 1) set_flags(&f, INBOX_ID, uids[n - 1], FLAG_SEEN);
        if (round % 3 == 2)
            CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){uids, n}, false, &f.a, NULL));
        CHECK_OK(view_sync(v, &added));
        if (round % 4 == 0) view_drop_gone(v, NULL, NULL);
        if (round % 4 == 0) check_same(&f, v);
        if (round % 5 == 0) {
            CHECK_OK(view_sync(late, &added));
            believe_new(b, late, added);
        }
        if (round % 15 == 0) {
            view_drop_gone(late, believe_expunge, b);
            CHECK_INT(b->n, late->n);
            check_same(&f, late);
        }
        ar_reset(&f.a);
    }
    view_close(&v);
    view_close(&late);
    free(b);
    fixture_end(&f);
}

static struct part_row parts_now(struct fixture *f)
{
    struct part_row p = {0};
    CHECK_OK(rows_each(f->s, ACC, SL("i/00000001/"), SL("i/000000010"), note_part, &p));
    return p;
}

/* Who opens a large mailbox again soon finds it as it was left, and hears what came since. */
TEST(a_large_mailbox_stays_open_for_a_while)
{
    struct fixture f;
    struct mailbox_ref other = {.account = "acc2", .box = INBOX_ID};
    struct view *v, *w;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 5000);
    v = opened(&f, INBOX_ID);
    view_close(&v);
    set_flags(&f, INBOX_ID, 4000, FLAG_SEEN);
    expunge(&f, INBOX_ID, 1);
    v = opened(&f, INBOX_ID);
    CHECK(v->n == 4999 && v->ngone == 0 && v->nchanged == 0);
    check_same(&f, v);
    CHECK_OK(mailbox_make_defaults(f.s, other.account));
    CHECK_OK(view_open(&w, f.s, other.account, other.box));
    CHECK_INT(w->n, 0);
    view_close(&w);
    view_close(&v);
    v = opened(&f, 3);
    view_close(&v);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("all")));
    v = opened(&f, INBOX_ID);
    CHECK_INT(v->n, 0);
    view_close(&v);
    fixture_end(&f);
}

/* As after a start: nothing is kept in memory. */
static void forget_views(struct fixture *f)
{
    loop_views_free(f->s->views);
    f->s->views = loop_views_new();
}

TEST(only_parts_that_changed_are_written_anew)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 45 * ROLL_PAGE); /* more than one transaction writes */
    struct view *v = opened(&f, INBOX_ID);
    view_close(&v);
    struct part_row before = parts_now(&f), after;
    CHECK_INT(before.n, 46); /* the first one has no UID 0 */
    for (uint32_t uid = 2000; uid < 2300; uid++) set_flags(&f, INBOX_ID, uid, FLAG_SEEN);
    for (uint32_t uid = 1; uid < ROLL_PAGE; uid++) expunge(&f, INBOX_ID, uid); /* all of a part */
    forget_views(&f);
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    after = parts_now(&f);
    REQUIRE(after.n == 45);
    int differ = 0;
    for (size_t i = 0; i < after.n; i++) differ += after.sum[i] != before.sum[i + 1];
    CHECK_INT(differ, 2);
    forget_views(&f);
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

static int half_written(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("i/00000001/head"), SL("\1w\1\7"));
    return 0;
}

TEST(a_half_written_image_is_none)
{
    struct fixture f;
    struct slice value;
    REQUIRE(fixture_begin(&f));
    add_many(&f, INBOX_ID, 3000);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), half_written, NULL));
    struct view *v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    CHECK_OK(kv_get(f.s->kv, SL("u:" ACC), SL("i/00000001/head"), &f.a, &value));
    CHECK(sl_starts(value, SL("\1m"))); /* whole */
    v = opened(&f, INBOX_ID);
    check_same(&f, v);
    view_close(&v);
    fixture_end(&f);
}

static void heard(void *arg) { ++*(int *)arg; }

TEST(watchers_hear_of_a_delivery)
{
    struct fixture f;
    int news = 0;
    REQUIRE(fixture_begin(&f));
    struct kv_watch *w = mailbox_watch(f.s, ACC, heard, &news);
    add(&f, INBOX_ID, "x", 0);
    while (!news) fiber_yield();
    kv_unwatch(&w);
    fixture_end(&f);
}

static int spoil_row(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("no record"));
    return 0;
}

/* Of what a guest has seen only the parts are read again in which something changed. */
TEST(a_guests_view_reads_what_changed)
{
    struct fixture f;
    struct mailbox box;
    size_t added;
    struct view *v = NULL;
    const struct mailbox_guest guest = {.id = "guest"};
    const struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_find(f.s, ACC, SL("INBOX"), &f.a, &box));
    struct mailbox_ref as_guest = {.account = ACC, .box = box.id, .guest = &guest};
    add_many(&f, box.id, 2100);
    CHECK_OK(message_flags(f.s, as_guest, (struct uids){(uint32_t[]){5, 1500}, 2}, &seen, &f.a, NULL));
    CHECK_OK(view_open_as(&v, f.s, ACC, box.id, "guest"));
    CHECK(view_at(v, 4).flags & FLAG_SEEN && view_at(v, 1499).flags & FLAG_SEEN);
    struct slice key = SL("v/00000001/guest/000001");
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil_row, &key));
    CHECK_OK(message_flags(f.s, as_guest, (struct uids){(uint32_t[]){6, 2099}, 2}, &seen, &f.a, NULL));
    CHECK_OK(view_sync(v, &added));
    CHECK(view_at(v, 4).flags & FLAG_SEEN && view_at(v, 5).flags & FLAG_SEEN);
    CHECK(view_at(v, 1499).flags & FLAG_SEEN && view_at(v, 2098).flags & FLAG_SEEN);
    log_set_level((enum log_level)(LOG_ERROR + 1));
    set_flags(&f, box.id, 1600, FLAG_FLAGGED);
    CHECK_OK(view_sync(v, &added));
    log_set_level(LOG_ERROR);
    CHECK(!(view_at(v, 1499).flags & FLAG_SEEN) && view_at(v, 5).flags & FLAG_SEEN);
    view_close(&v);
    fixture_end(&f);
}
