/* batch_test.c - great numbers of messages come unseen and become seen at once. */
#include "care_i.h"
#include "store_test.h"

enum { N = 2 * CHANGE_MAX + 50 };

static struct message_new *letters(struct fixture *f, size_t n)
{
    struct message_new one = letter(f, "x", FLAG_FLAGGED), *all = ar_array(&f->a, struct message_new, n);
    for (size_t i = 0; i < n; i++) all[i] = one;
    return all;
}

static uint32_t *numbers(struct fixture *f, uint32_t from, size_t n)
{
    uint32_t *v = ar_array(&f->a, uint32_t, n);
    for (size_t i = 0; i < n; i++) v[i] = from + (uint32_t)i;
    return v;
}

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

/* How many messages from `from` on, in order. */
static size_t listed(struct fixture *f, uint32_t box, uint32_t from)
{
    struct message *m;
    size_t n = 1, all = 0;
    while (n) {
        CHECK_OK(message_list(f->s, BOX(box), from, 77, &f->a, &m, &n));
        for (size_t i = 0; i < n; i++, from = m[i - 1].uid + 1) CHECK(m[i].uid >= from);
        all += n;
    }
    return all;
}

static int fill(struct kv_tx *tx, struct batch *b, struct box_row *to, void *arg)
{
    struct message m = {.size = 1, .body = *(struct body_ref *)arg, .email_id = "m1-1"};
    (void)to;
    for (int i = 0; i < 10; i++) batch_add(tx, b, &m);
    return 0;
}

TEST(a_batch_is_seen_at_once_behind_what_came_meanwhile)
{
    struct fixture f;
    struct batch b;
    struct message m;
    struct mailbox box;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "before", 0);
    struct message_new one = letter(&f, "x", 0);
    CHECK_OK(batch_begin(&b, f.s, BOX(INBOX_ID)));
    CHECK_OK(batch_page(&b, fill, &one.body));
    CHECK_INT(add(&f, INBOX_ID, "meanwhile", 0), 2); /* neither waits nor is pushed aside */
    CHECK_OK(batch_page(&b, fill, &one.body));
    CHECK_INT(listed(&f, INBOX_ID, 1), 2);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK_OK(batch_see(&b));
    CHECK(b.first_uid == 3 && rows(&f, "h/", "h0") == 0);
    CHECK_INT(add(&f, INBOX_ID, "after", 0), 23);
    CHECK_INT(listed(&f, INBOX_ID, 1), 23);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 22, &m));
    CHECK_OK(mailbox_get(f.s, ACC, INBOX_ID, &f.a, &box));
    CHECK(m.uid == 22 && box.exists == 23 && box.uidnext == 24 && m.modseq == box.modseq - 1);
    CHECK_ERR(message_get(f.s, BOX(INBOX_ID), 24, &m), ERR_NOT_FOUND);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

struct late { /* what happens while an account is read */
    struct fixture *f;
    struct batch b;
    struct message_new one;
    bool begun, seen;
    size_t rows;
};

/* A batch is begun at the first row, and becomes seen at the first one of what came after it. */
static int happen(void *arg, struct slice key, struct slice value)
{
    struct late *l = arg;
    (void)value;
    l->rows += sl_starts(key, SL("y/"));
    if (!l->begun) {
        l->begun = true;
        CHECK_OK(batch_begin(&l->b, l->f->s, BOX(INBOX_ID)));
        CHECK_OK(batch_page(&l->b, fill, &l->one.body));
        add(l->f, 3, "meanwhile", 0);
    } else if (sl_starts(key, SL("m/00000003/")) && !l->seen) {
        l->seen = true;
        CHECK_OK(batch_see(&l->b));
    }
    return 0;
}

TEST(a_walk_misses_no_batch_that_becomes_seen_meanwhile)
{
    struct fixture f;
    uint64_t modseq;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "before", 0);
    struct late l = {.f = &f, .one = letter(&f, "x", 0)};
    CHECK_OK(account_modseq(f.s, ACC, &modseq));
    CHECK_OK(account_walk(f.s, ACC, "m", happen, &l, &modseq));
    CHECK(l.seen && l.rows >= 10);
    fixture_end(&f);
}

/* RFC 9051 section 6.4.7. */
TEST(a_batch_that_fails_leaves_nothing)
{
    struct fixture f;
    struct batch b;
    struct mailbox gone;
    struct account_usage u;
    struct message_copied c;
    uint32_t v, first;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), letters(&f, N), N, &v, &first));
    CHECK_OK(account_set_quota(f.s, ACC, N + CHANGE_MAX));
    struct uids all = {numbers(&f, 1, N), N};
    CHECK_ERR(message_copy(f.s, BOX(INBOX_ID), all, 3, false, &f.a, &c), ERR_QUOTA);
    CHECK(c.n == 0 && rows(&f, "y/00000003/", "y/000000030") == 0 && rows(&f, "h/", "h0") == 0);
    CHECK_OK(account_usage(f.s, ACC, &u));
    CHECK_INT(u.messages, N);
    CHECK_OK(mailbox_create(f.s, ACC, SL("box"), 0, &f.a, &gone));
    struct message_new one = letter(&f, "x", 0);
    CHECK_OK(batch_begin(&b, f.s, BOX(gone.id)));
    CHECK_OK(batch_page(&b, fill, &one.body));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("box")));
    CHECK_ERR(batch_page(&b, fill, &one.body), ERR_NOT_FOUND);
    CHECK_INT(rows(&f, "y/", "y0"), N);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

/* Flags, copies, moves and expunges of messages that came as a batch. */
TEST(messages_of_a_batch_change_like_others)
{
    struct fixture f;
    struct mailbox box;
    struct message m;
    struct message_copied c;
    uint32_t v, first, last = N;
    struct slice work = SL("Work");
    REQUIRE(fixture_begin(&f));
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), letters(&f, N), N, &v, &first));
    CHECK_INT(first, 1);
    struct uids all = {numbers(&f, 1, N), N};
    const struct flags_change named = {.op = FLAGS_ADD, .keyword = &work, .n = 1};
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){&last, 1}, &named, &f.a, NULL));
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), all, 3, false, &f.a, &c));
    REQUIRE(c.n == N && c.to[N - 1] == N && c.from[N - 1] == N);
    CHECK_OK(message_get(f.s, BOX(3), N, &m));
    CHECK(m.flags == (FLAG_FLAGGED | 1 << FLAG_KEYWORD_FIRST));
    CHECK_OK(message_copy(f.s, BOX(3), (struct uids){numbers(&f, 100, 300), 300}, 4, true, &f.a, &c));
    CHECK(c.n == 300 && listed(&f, 4, 1) == 300 && listed(&f, 3, 1) == N - 300);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){all.v, N - 1}, false, &f.a, NULL));
    CHECK_INT(listed(&f, INBOX_ID, N), 1);
    CHECK_OK(batch_care(f.s, ACC));
    CHECK_INT(rows(&f, "g/", "g0"), 2);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){&last, 1}, false, &f.a, NULL));
    CHECK_OK(batch_care(f.s, ACC));
    CHECK_INT(rows(&f, "g/", "g0"), 1);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("Drafts"), SL("again")));
    CHECK_OK(mailbox_get(f.s, ACC, 3, &f.a, &box));
    CHECK_INT(box.exists, N - 300);
    fixture_end(&f);
}

/* What nobody sees yet keeps its bodies; one whose writer is gone is erased after an hour. */
TEST(care_tells_batches_under_way_from_those_given_up)
{
    struct fixture f;
    struct batch b;
    struct sweep_report report;
    struct message m;
    struct slice got;
    REQUIRE(fixture_begin(&f));
    struct message_new one = letter(&f, "k", 0);
    CHECK_OK(batch_begin(&b, f.s, BOX(INBOX_ID)));
    CHECK_OK(batch_page(&b, fill, &one.body));
    body_unpin(f.s->body, &one.body);
    char to[128];
    snprintf(to, sizeof to, "%s/sealed", f.dir);
    CHECK_OK(body_backup(f.s->body, to, NULL, NULL)); /* ends the current packs */
    for (int i = 0; i < 2; i++) { /* moved out of a pack that is mostly dead, which goes then */
        CHECK_OK(store_sweep(f.s, NULL, 0, 0, &report));
        CHECK_INT(report.accounts_read, 1); /* not remembered as done */
        CHECK_INT(report.dropped, i);
        CHECK_INT(report.bodies_alive, 10);
    }
    CHECK_INT(rows(&f, "y/", "y0"), 10);
    CHECK_OK(batch_see(&b));
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 10, &m));
    CHECK_OK(body_get(f.s->body, &m.body, 100, &f.a, &got));
    CHECK_SL(got, "k");
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK_OK(batch_begin(&b, f.s, BOX(INBOX_ID)));
    CHECK_OK(batch_page(&b, fill, &m.body));
    batch_drop(&b);
    CHECK_INT(rows(&f, "y/", "y0"), 10);
    CHECK_ERR(batch_page(&b, fill, &m.body), ERR_BUSY);
    fixture_end(&f);
}

/* ---- neighbours ---- */

enum { SIDE = 40 }; /* plain ones on either side of two batches */

static uint64_t flags_at(struct fixture *f, uint32_t uid)
{
    struct message m;
    int e = message_get(f->s, BOX(INBOX_ID), uid, &m);
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    return e ? UINT64_MAX : m.flags;
}

/* Plain rows, two batches, plain rows, all of which have \Flagged. */
static uint32_t mixed(struct fixture *f)
{
    uint32_t v, first, next = 1;
    for (int part = 0; part < 4; part++) {
        size_t n = part == 0 || part == 3 ? SIDE : N;
        CHECK_OK(message_append(f->s, BOX(INBOX_ID), letters(f, n), n, &v, &first));
        CHECK_INT(first, next);
        next += (uint32_t)n;
    }
    return next - 1;
}

/* Whatever lies between those that are asked for, and however they came: each is found, no other is touched.
 */
static void change_some(struct fixture *f, uint32_t last, uint32_t step, uint32_t without)
{
    struct uids failed, some = {numbers(f, 1, last), 0};
    uint32_t *v = (uint32_t *)some.v;
    for (uint32_t uid = 1; uid <= last; uid++)
        if (uid % step == 0) v[some.n++] = uid;
    struct flags_change change = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    uint32_t unseen = 0, exists = 0;
    CHECK_OK(message_flags(f->s, BOX(INBOX_ID), some, &change, &f->a, &failed));
    CHECK(!failed.n);
    for (uint32_t uid = 1; uid <= last; uid++) {
        uint64_t want = uid % without == 0 ? UINT64_MAX : FLAG_FLAGGED | (uid % step ? 0 : FLAG_SEEN);
        CHECK(flags_at(f, uid) == want);
        exists += want != UINT64_MAX;
        unseen += want == FLAG_FLAGGED;
    }
    struct mailbox m;
    CHECK_OK(mailbox_get(f->s, ACC, INBOX_ID, &f->a, &m));
    CHECK_INT(m.exists, exists);
    CHECK_INT(m.unseen, unseen);
    change.op = FLAGS_REMOVE;
    CHECK_OK(message_flags(f->s, BOX(INBOX_ID), some, &change, &f->a, &failed));
}

TEST(neighbours_are_found_however_they_came_and_whatever_went)
{
    static const uint32_t holes[] = {7, 2, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(holes); i++) {
        struct fixture f;
        struct uids gone = {0};
        REQUIRE(fixture_begin(&f));
        uint32_t last = mixed(&f), *v = numbers(&f, 1, last);
        size_t n = 0;
        for (uint32_t uid = holes[i]; uid <= last && uid; uid += holes[i]) v[n++] = uid;
        if (n) CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){v, n}, false, &f.a, &gone));
        CHECK_INT(gone.n, n);
        for (uint32_t step = 1; step < 6; step += 2) change_some(&f, last, step, holes[i]);
        fixture_end(&f);
    }
}

static int spoil(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, *(struct slice *)arg, SL("\1damaged"));
    return 0;
}

static void damage(struct fixture *f, struct slice key)
{
    char room[KEY_ROOM];
    CHECK_OK(kv_transact(f->s->kv, account_object(ACC, room), spoil, &key));
}

/* A damaged row is in the way of those who ask for it alone. */
TEST(a_damaged_neighbour_is_passed_over)
{
    struct fixture f;
    struct uids failed;
    char room[KEY_ROOM];
    REQUIRE(fixture_begin(&f));
    uint32_t last = mixed(&f), *v = numbers(&f, 1, last);
    struct message m = {.uid = 5};
    damage(&f, message_row_key(INBOX_ID, &m, room));
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), SIDE + 9, &m));
    damage(&f, message_row_key(INBOX_ID, &m, room));
    struct flags_change change = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    CHECK_ERR(message_flags(f.s, BOX(INBOX_ID), (struct uids){v, 100}, &change, &f.a, &failed), ERR_CORRUPT);
    CHECK(flags_at(&f, 1) == FLAG_FLAGGED);
    memmove(v + 4, v + 5, (last - 5) * sizeof *v);
    memmove(v + SIDE + 7, v + SIDE + 8, (last - SIDE - 8) * sizeof *v);
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){v, 98}, &change, &f.a, &failed));
    CHECK(flags_at(&f, 1) == (FLAG_FLAGGED | FLAG_SEEN) && flags_at(&f, 100) == (FLAG_FLAGGED | FLAG_SEEN));
    fixture_end(&f);
}
