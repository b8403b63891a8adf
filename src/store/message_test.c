/* message_test.c - messages: adding, delivering once, flags, expunging, copying; the laws of
 * UID (RFC 9051 section 2.3.1.1) and MODSEQ (RFC 7162). */
#include "mailbox_i.h"
#include "quota.h"
#include "store_test.h"

static struct mailbox box_now(struct fixture *f, uint32_t id)
{
    struct mailbox m = {0};
    CHECK_OK(mailbox_get(f->s, ACC, id, &f->a, &m));
    return m;
}

/* "uid:flags uid:flags" */
static struct slice listing(struct fixture *f, uint32_t box)
{
    struct message *m;
    size_t n;
    struct slice text = SL("");
    CHECK_OK(message_list(f->s, BOX(box), 1, 1000, &f->a, &m, &n));
    for (size_t i = 0; i < n; i++)
        text = ar_printf(&f->a, "%.*s%s%u:%llx", SLF(text), i ? " " : "", m[i].uid,
                         (unsigned long long)m[i].flags);
    return text;
}

/* Counters of a mailbox agree with its messages. */
static void check_counters(struct fixture *f, uint32_t box)
{
    struct mailbox b = box_now(f, box);
    struct message *m;
    size_t n;
    uint32_t unseen = 0, deleted = 0;
    uint64_t size = 0;
    CHECK_OK(message_list(f->s, BOX(box), 1, 1000, &f->a, &m, &n));
    for (size_t i = 0; i < n; i++) {
        unseen += !(m[i].flags & FLAG_SEEN);
        deleted += (m[i].flags & FLAG_DELETED) != 0;
        size += m[i].size;
        CHECK(m[i].modseq <= b.modseq && m[i].uid < b.uidnext);
    }
    CHECK(b.exists == n && b.unseen == unseen && b.deleted == deleted && b.size == size);
}

static int damage_message(struct kv_tx *tx, void *uid)
{
    char key[KEY_ROOM];
    kv_tx_put(tx, row_key('m', INBOX_ID, *(uint32_t *)uid, 8, key),
              *(uint32_t *)uid == 1 ? SL("\1\xff") : SL("\3")); /* of a version that is not */
    return 0;
}

TEST(a_damaged_message_hides_no_other)
{
    struct fixture f;
    struct message *m;
    size_t n;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 5; i++) add(&f, INBOX_ID, "x", 0);
    for (uint32_t uid = 1; uid <= 3; uid += 2)
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_message, &uid));
    CHECK_SL(listing(&f, INBOX_ID), "2:0 4:0 5:0");
    CHECK_OK(
        message_list(f.s, BOX(INBOX_ID), 1, 2, &f.a, &m, &n)); /* a page is full although rows are left out */
    REQUIRE(n == 2);
    CHECK(m[0].uid == 2 && m[1].uid == 4);
    struct view *v = NULL;
    CHECK_OK(view_open(&v, f.s, ACC, INBOX_ID));
    CHECK(v && v->n == 3);
    view_close(&v);
    fixture_end(&f);
}

TEST(messages_are_added_with_ascending_uids)
{
    struct fixture f;
    struct message m;
    struct slice text;
    uint32_t validity, first;
    REQUIRE(fixture_begin(&f));
    uint64_t before = box_now(&f, INBOX_ID).modseq;
    struct message_new new[3] = {letter(&f, "one", 0), letter(&f, "two!", FLAG_SEEN),
                                 letter(&f, "three", FLAG_DELETED)};
    struct slice keyword[] = {SL("$Junk")};
    new[1].keyword = keyword;
    new[1].nkeywords = 1;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), new, 3, &validity, &first));
    CHECK(first == 1 && validity == box_now(&f, INBOX_ID).uidvalidity);
    CHECK_SL(listing(&f, INBOX_ID), "1:0 2:21 3:8");
    CHECK(box_now(&f, INBOX_ID).modseq > before);
    check_counters(&f, INBOX_ID);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 2, &m));
    CHECK(m.uid == 2 && m.size == 4 && m.internal_date == 1700000000 && m.head_size == 1 &&
          m.save_date > 1700000000);
    CHECK_OK(body_get(f.s->body, &m.body, 100, &f.a, &text));
    CHECK_SL(text, "two!");
    CHECK_ERR(message_get(f.s, BOX(INBOX_ID), 4, &m), ERR_NOT_FOUND);
    CHECK_ERR(message_append(f.s, BOX(99), new, 1, &validity, &first), ERR_NOT_FOUND);
    CHECK_ERR(message_append(f.s, (struct mailbox_ref){.account = "nobody", .box = INBOX_ID}, new, 1,
                             &validity, &first),
              ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(a_uid_is_never_used_again)
{
    struct fixture f;
    struct uids gone;
    REQUIRE(fixture_begin(&f));
    CHECK_INT(add(&f, INBOX_ID, "one", FLAG_DELETED), 1);
    CHECK_INT(add(&f, INBOX_ID, "two", FLAG_DELETED), 2);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){0}, false, &f.a, &gone));
    CHECK_INT(gone.n, 2);
    CHECK_INT(add(&f, INBOX_ID, "three", 0), 3);
    check_counters(&f, INBOX_ID);
    fixture_end(&f);
}

TEST(delivery_happens_once)
{
    struct fixture f;
    uint32_t uid;
    bool twice;
    struct account_usage u;
    REQUIRE(fixture_begin(&f));
    struct message_new m = letter(&f, "a letter", 0);
    CHECK_OK(message_deliver(f.s, ACC, SL("0123456789abcdef/1"), SL("Junk"), &m, &uid, &twice));
    CHECK(uid == 1 && !twice);
    CHECK_OK(message_deliver(f.s, ACC, SL("0123456789abcdef/1"), SL("INBOX"), &m, &uid, &twice));
    CHECK(uid == 1 && twice);
    CHECK_OK(message_deliver(f.s, ACC, SL("0123456789abcdef/2"), SL("No Such Box"), &m, &uid, &twice));
    CHECK(uid == 1 && !twice);
    CHECK_OK(message_deliver(f.s, ACC, SL("0123456789abcdef/3"), SL("*"), &m, &uid, &twice));
    CHECK(uid == 2 && !twice);
    CHECK_SL(listing(&f, INBOX_ID), "1:0 2:0");
    CHECK_OK(account_usage(f.s, ACC, &u));
    CHECK(u.messages == 3 && u.bytes == 24);
    CHECK_ERR(message_deliver(f.s, "nobody", SL("x"), SL("INBOX"), &m, &uid, &twice), ERR_NOT_FOUND);
    CHECK_ERR(message_deliver(f.s, ACC, SL(""), SL("INBOX"), &m, &uid, &twice), ERR_USAGE);
    fixture_end(&f);
}

static int old_delivery(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    char key[32];
    (void)arg;
    rec_begin(&b, 1);
    rec_put_u64(&b, 't', 1000000000);
    rec_put_u64(&b, 'u', 1);
    /* damaged ones stop nothing: verify names them */
    kv_tx_put(tx, SL("d/0damaged"), SL("\1x"));
    kv_tx_put(tx, SL("e"), SL("no key\xff"));
    for (int i = 0; i < 700; i++) {
        snprintf(key, sizeof key, "d/old%04d", i);
        kv_tx_put(tx, sl_cstr(key), buf_slice(&b));
    }
    buf_free(&b);
    return 0;
}

TEST(old_delivery_ids_are_forgotten)
{
    struct fixture f;
    uint32_t uid;
    bool twice;
    char id[32];
    struct kv_page page;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), old_delivery, NULL));
    struct message_new m = letter(&f, "a letter", 0);
    for (int i = 0; i < 800; i++) {
        snprintf(id, sizeof id, "new%04d", i);
        CHECK_OK(message_deliver(f.s, ACC, sl_cstr(id), SL("INBOX"), &m, &uid, &twice));
    }
    CHECK_OK(kv_scan(f.s->kv, SL("u:" ACC), SL("d/old"), SL("d/p"), 1000, &f.a, &page));
    CHECK_INT(page.n, 0);
    CHECK_OK(kv_scan(f.s->kv, SL("u:" ACC), SL("d/new"), SL("d/o"), 1000, &f.a, &page));
    CHECK_INT(page.n, 800);
    fixture_end(&f);
}

TEST(a_quota_is_kept)
{
    struct fixture f;
    uint32_t uid, v;
    struct message_copied c;
    bool twice;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(account_set_quota(f.s, ACC, 10));
    struct message_new m = letter(&f, "123456", 0);
    CHECK_OK(message_deliver(f.s, ACC, SL("1"), SL("INBOX"), &m, &uid, &twice));
    CHECK_ERR(message_deliver(f.s, ACC, SL("2"), SL("INBOX"), &m, &uid, &twice), ERR_QUOTA);
    CHECK_ERR(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid), ERR_QUOTA);
    uint32_t one = 1;
    CHECK_ERR(message_copy(f.s, BOX(INBOX_ID), (struct uids){&one, 1}, 2, false, &f.a, &c), ERR_QUOTA);
    CHECK_INT(c.n, 0);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){&one, 1}, 2, true, &f.a, &c));
    CHECK_OK(account_set_quota(f.s, ACC, 12));
    CHECK_OK(message_deliver(f.s, ACC, SL("2"), SL("INBOX"), &m, &uid,
                             &twice)); /* what failed was not remembered */
    CHECK(!twice);
    fixture_end(&f);
}

static size_t marks(struct fixture *f, struct quota_passed **p)
{
    size_t n = 0;
    CHECK_OK(quota_passed_list(f->s, SL(""), 10, &f->a, p, &n));
    return n;
}

TEST(the_marks_of_a_quota_are_passed_once)
{
    struct fixture f;
    struct quota_passed *p;
    uint32_t uid, v, low[] = {1, 2};
    struct slice damaged = SL("\1x");
    REQUIRE(fixture_begin(&f));
    struct message_new m = letter(&f, "123456", 0);
    CHECK_OK(account_set_quotas(f.s, ACC, &(struct account_quotas){.messages = &(uint64_t){20}}));
    for (int i = 0; i < 17; i++) CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid));
    CHECK_INT(marks(&f, &p), 0);
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid)); /* 18 of 20 */
    REQUIRE(marks(&f, &p) == 1);
    CHECK(sl_eq(p->account, SL(ACC)) && p->mark == 90 && p->when > 0);
    struct quota_passed told = *p;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid)); /* 19 */
    REQUIRE(marks(&f, &p) == 1 && p->mark == 95);
    CHECK_OK(quota_passed_done(f.s, &told)); /* it was not this one that was told */
    CHECK_INT(marks(&f, &p), 1);
    CHECK_OK(quota_passed_done(f.s, p));
    CHECK_INT(marks(&f, &p), 0);
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid)); /* 20: both were passed before */
    CHECK_INT(marks(&f, &p), 0);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){low, 1}, false, &f.a, NULL));
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid)); /* to and fro at a mark */
    CHECK_INT(marks(&f, &p), 0);
    struct uids all = {(uint32_t[]){2, 3, 4}, 3};
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), all, false, &f.a, NULL)); /* 17 */
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &m, 1, &v, &uid));
    REQUIRE(marks(&f, &p) == 1 && p->mark == 90);
    CHECK_OK(account_set_quota(f.s, ACC, 10)); /* a new limit is passed at once */
    REQUIRE(marks(&f, &p) == 1 && p->mark == 95);
    CHECK_OK(quota_passed_done(f.s, p));
    CHECK_ERR(account_room(f.s, ACC, 1), ERR_QUOTA);
    CHECK_OK(account_set_quota(f.s, ACC, 0));
    CHECK_OK(account_room(f.s, ACC, 1 << 30));
    kv_note(f.s->kv, SL("_full"), SL(ACC), damaged); /* its key still says whom to look at */
    CHECK_OK(account_set_quota(f.s, ACC, 0));
    REQUIRE(marks(&f, &p) == 1 && p->mark == 0 && sl_eq(p->account, SL(ACC)));
    CHECK_OK(quota_passed_done(f.s, p));
    CHECK_INT(marks(&f, &p), 0);
    fixture_end(&f);
}

TEST(flags_change_with_a_new_modseq)
{
    struct fixture f;
    struct message m;
    uint32_t uids[] = {1, 2, 3, 9};
    struct uids failed;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "x", 0);
    uint64_t seq = box_now(&f, INBOX_ID).modseq;
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){uids, 4},
                           &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN | FLAG_DELETED}, &f.a,
                           &failed));
    CHECK_SL(listing(&f, INBOX_ID), "1:9 2:9 3:9");
    CHECK(box_now(&f, INBOX_ID).modseq > seq && failed.n == 0);
    check_counters(&f, INBOX_ID);
    seq = box_now(&f, INBOX_ID).modseq;
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){uids, 4},
                           &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN}, &f.a, &failed));
    CHECK_INT(box_now(&f, INBOX_ID).modseq, seq); /* nothing changed */
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){uids + 1, 1},
                           &(struct flags_change){.op = FLAGS_REMOVE, .bits = FLAG_DELETED}, &f.a, &failed));
    CHECK_SL(listing(&f, INBOX_ID), "1:9 2:1 3:9");
    /* RFC 7162 section 3.1.3: the one that changed since is left alone and named. */
    CHECK_OK(message_flags(
        f.s, BOX(INBOX_ID), (struct uids){uids, 3},
        &(struct flags_change){.op = FLAGS_REPLACE, .bits = FLAG_FLAGGED, .unchanged_since = seq}, &f.a,
        &failed));
    CHECK_SL(listing(&f, INBOX_ID), "1:4 2:1 3:4");
    REQUIRE(failed.n == 1);
    CHECK_INT(failed.v[0], 2);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 3, &m));
    CHECK_INT(m.modseq, box_now(&f, INBOX_ID).modseq);
    check_counters(&f, INBOX_ID);
    CHECK_ERR(message_flags(f.s, BOX(99), (struct uids){uids, 3},
                            &(struct flags_change){.op = FLAGS_ADD, .bits = 1}, &f.a, &failed),
              ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(expunge_removes_what_it_should)
{
    struct fixture f;
    uint32_t uids[] = {1, 2, 4, 7};
    struct uids gone;
    REQUIRE(fixture_begin(&f));
    for (uint64_t i = 1; i <= 5; i++) add(&f, INBOX_ID, "x", i % 2 ? FLAG_DELETED : 0);
    uint64_t seq = box_now(&f, INBOX_ID).modseq;
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){uids, 4}, true, &f.a, &gone));
    REQUIRE(gone.n == 1);
    CHECK_INT(gone.v[0], 1);
    CHECK_SL(listing(&f, INBOX_ID), "2:0 3:8 4:0 5:8");
    CHECK(box_now(&f, INBOX_ID).modseq > seq);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){uids, 4}, false, &f.a, &gone));
    CHECK_INT(gone.n, 2);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){0}, false, &f.a, NULL));
    CHECK_SL(listing(&f, INBOX_ID), "");
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){0}, false, &f.a, &gone));
    CHECK_INT(gone.n, 0);
    check_counters(&f, INBOX_ID);
    fixture_end(&f);
}

static int keyword(struct fixture *f, uint32_t box, uint32_t uid, enum flags_op op, const char *name)
{
    struct slice one = sl_cstr(name);
    struct flags_change set = {.op = op, .keyword = &one, .n = 1};
    return message_flags(f->s, BOX(box), (struct uids){&uid, 1}, &set, &f->a, NULL);
}

/* When all are taken, one that no message has gives way; never one that some message has. */
TEST(keywords_are_given_back)
{
    struct fixture f;
    struct mailbox m, junk;
    struct message row;
    char name[16];
    uint32_t v, uid;
    struct message_copied c;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "x", 0);
    for (int i = 0; i < MAILBOX_KEYWORDS_MAX; i++) {
        snprintf(name, sizeof name, "kw%d", i);
        CHECK_OK(keyword(&f, INBOX_ID, (uint32_t)i % 3 + 1, FLAGS_ADD, name));
    }
    CHECK_ERR(keyword(&f, INBOX_ID, 1, FLAGS_ADD, "more"), ERR_LIMIT);
    CHECK_OK(keyword(&f, INBOX_ID, 1, FLAGS_ADD, "KW58")); /* in any case of letters */
    struct slice more = SL("more");
    struct message_new y = letter(&f, "y", 0);
    y.keyword = &more;
    y.nkeywords = 1;
    CHECK_ERR(message_append(f.s, BOX(INBOX_ID), &y, 1, &v, &uid), ERR_LIMIT);
    CHECK_OK(keyword(&f, INBOX_ID, 3, FLAGS_REMOVE, "kw2"));
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), &y, 1, &v, &uid));
    m = box_now(&f, INBOX_ID);
    CHECK(m.nkeywords == 59 && m.names == 1);
    CHECK_SL(m.keyword[2], "more");
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), uid, &row));
    CHECK_INT(row.flags, 1 << 7);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 3, &row));
    CHECK(!(row.flags & 1 << 7));
    /* A copy does not lose one in silence. */
    CHECK_OK(mailbox_find(f.s, ACC, SL("Junk"), &f.a, &junk));
    add(&f, junk.id, "x", 0);
    CHECK_OK(keyword(&f, junk.id, 1, FLAGS_ADD, "$Forwarded"));
    CHECK_ERR(message_copy(f.s, BOX(junk.id), (struct uids){&(uint32_t){1}, 1}, INBOX_ID, false, &f.a, &c),
              ERR_LIMIT);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){&uid, 1}, false, &f.a, NULL));
    CHECK_OK(message_copy(f.s, BOX(junk.id), (struct uids){&(uint32_t){1}, 1}, INBOX_ID, false, &f.a, &c));
    CHECK_SL(box_now(&f, INBOX_ID).keyword[2], "$Forwarded");
    check_counters(&f, INBOX_ID);
    fixture_end(&f);
}

TEST(what_was_expunged_is_remembered_for_a_while)
{
    struct fixture f;
    struct message m;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "abc", FLAG_SEEN);
    CHECK_ERR(message_expunged(f.s, BOX(INBOX_ID), 1, &m), ERR_NOT_FOUND);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){&(uint32_t){1}, 1}, false, &f.a, NULL));
    CHECK_OK(message_expunged(f.s, BOX(INBOX_ID), 1, &m));
    CHECK(m.uid == 1 && m.size == 3 && m.flags == FLAG_SEEN);
    CHECK_ERR(message_expunged(f.s, BOX(INBOX_ID + 1), 1, &m), ERR_NOT_FOUND);
    fixture_end(&f);
}

static void expunge_first(void *arg)
{
    struct fixture *f = arg;
    CHECK_OK(message_expunge(f->s, BOX(INBOX_ID), (struct uids){&(uint32_t){1}, 1}, false, &f->a, NULL));
}

/* Also in the moment between the commit and the turn of the fiber that waits for it. */
TEST(what_is_expunged_is_remembered_before_it_is_gone)
{
    struct fixture f;
    struct message m;
    struct group g;
    int e = 0;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "abc", FLAG_SEEN);
    group_init(&g);
    CHECK_OK(group_go(&g, "expunge", expunge_first, &f));
    fiber_yield();
    for (int64_t end = rt_now() + 20 * RT_S; !e && rt_now() < end;) /* gives nobody else a turn */
        e = message_get(f.s, BOX(INBOX_ID), 1, &m);
    CHECK_ERR(e, ERR_NOT_FOUND);
    CHECK_OK(message_expunged(f.s, BOX(INBOX_ID), 1, &m));
    CHECK_OK(group_wait(&g));
    fixture_end(&f);
}

TEST(copies_keep_what_belongs_to_the_message)
{
    struct fixture f;
    struct mailbox junk;
    struct message a, b;
    uint32_t uids[] = {1, 3, 8};
    struct message_copied c;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Junk"), &f.a, &junk));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "x", FLAG_SEEN);
    CHECK_OK(keyword(&f, INBOX_ID, 1, FLAGS_ADD, "Other"));
    CHECK_OK(keyword(&f, INBOX_ID, 1, FLAGS_REMOVE, "Other"));
    CHECK_OK(keyword(&f, INBOX_ID, 1, FLAGS_ADD, "Work"));
    CHECK_OK(keyword(&f, INBOX_ID, 3, FLAGS_ADD, "work"));
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, 3}, junk.id, false, &f.a, &c));
    REQUIRE(c.n == 2);
    CHECK(c.from[0] == 1 && c.from[1] == 3 && c.to[0] == 1 && c.to[1] == 2 &&
          c.uidvalidity == junk.uidvalidity);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 3, &a));
    CHECK_OK(message_get(f.s, BOX(junk.id), 2, &b));
    CHECK_SL(sl_cstr(a.email_id), b.email_id);
    CHECK_SL(body_ref_slice(&a.body), b.body.s);
    CHECK_INT(a.internal_date, b.internal_date);
    CHECK(a.flags == (FLAG_SEEN | 1 << 6) && b.flags == (FLAG_SEEN | 1 << 5)); /* another bit there */
    junk = box_now(&f, junk.id);
    CHECK(junk.nkeywords == 1 && sl_eq(junk.keyword[0], SL("Work")));
    check_counters(&f, junk.id);
    check_counters(&f, INBOX_ID);
    CHECK_OK(message_get(f.s, BOX(INBOX_ID), 1, &b));
    CHECK(strcmp(a.email_id, b.email_id));
    fixture_end(&f);
}

TEST(moving_is_both_or_none)
{
    struct fixture f;
    uint32_t uids[] = {1, 2};
    struct message_copied c;
    struct account_usage u;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "x", FLAG_DELETED);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, 2}, 4, true, &f.a, &c));
    CHECK_INT(c.n, 2);
    CHECK_SL(listing(&f, INBOX_ID), "3:8");
    CHECK_SL(listing(&f, 4), "1:8 2:8");
    check_counters(&f, INBOX_ID);
    check_counters(&f, 4);
    CHECK_OK(
        message_copy(f.s, BOX(4), (struct uids){uids, 2}, 4, true, &f.a, &c)); /* onto itself: new uids */
    CHECK_SL(listing(&f, 4), "3:8 4:8");
    check_counters(&f, 4);
    CHECK_ERR(message_copy(f.s, BOX(INBOX_ID), (struct uids){&(uint32_t){3}, 1}, 99, true, &f.a, &c),
              ERR_NOT_FOUND);
    CHECK_SL(listing(&f, INBOX_ID), "3:8");
    CHECK_OK(account_usage(f.s, ACC, &u));
    CHECK(u.messages == 3 && u.bytes == 3);
    fixture_end(&f);
}

/* More than one transaction's worth. */
TEST(large_sets_are_changed_in_parts)
{
    enum { N = 2 * CHANGE_MAX + 50, LAST = 2 * CHANGE_MAX + 7 };
    struct fixture f;
    uint32_t v, first, *uids = xcalloc(N, sizeof *uids);
    struct message_copied c;
    struct uids out;
    REQUIRE(fixture_begin(&f));
    struct message_new one = letter(&f, "x", 0), *all = xcalloc(N, sizeof *all);
    for (uint32_t i = 0; i < N; i++) all[i] = one, uids[i] = i + 1;
    CHECK_OK(message_append(f.s, BOX(INBOX_ID), all, N, &v, &first));
    uint64_t seq = box_now(&f, INBOX_ID).modseq;
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){&(uint32_t){LAST}, 1},
                           &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN}, &f.a, &out));
    CHECK_OK(message_flags(
        f.s, BOX(INBOX_ID), (struct uids){uids, N},
        &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_DELETED, .unchanged_since = seq}, &f.a, &out));
    REQUIRE(out.n == 1);
    CHECK_INT(out.v[0], LAST);
    struct mailbox b = box_now(&f, INBOX_ID);
    CHECK(b.deleted == N - 1 && b.unseen == N - 1);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, N}, 3, false, &f.a, &c));
    CHECK_INT(c.n, N);
    CHECK_INT(c.to[N - 1], N);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){0}, true, &f.a, &out));
    CHECK_INT(out.n, N - 1);
    CHECK_INT(box_now(&f, INBOX_ID).exists, 1);
    CHECK_INT(box_now(&f, 3).exists, N);
    free(all);
    free(uids);
    fixture_end(&f);
}

/* ---- threads ---- */

static uint64_t thread_of(struct fixture *f, uint32_t box, uint32_t uid, const char *ids, const char *subject,
                          bool reply)
{
    struct message_relations r = {.subject = sl_cstr(subject), .reply = reply};
    struct slice rest = sl_cstr(ids), id;
    uint64_t thread = 0;
    while (rest.n && sl_next(&rest, ' ', &id)) r.id[r.n++] = id;
    CHECK_OK(message_thread(f->s, BOX(box), uid, &r, &thread));
    return thread;
}

/* RFC 8474 section 5.2. */
TEST(relatives_have_one_thread_whoever_is_asked_first)
{
    struct fixture f;
    struct message_copied c;
    struct message m;
    uint64_t none;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 8; i++) add(&f, INBOX_ID, "x", 0);
    uint64_t answer = thread_of(&f, INBOX_ID, 2, "b a", "plans", true);
    CHECK(answer != 0);
    CHECK(thread_of(&f, INBOX_ID, 1, "a", "plans", false) == answer);         /* its parent, asked later */
    CHECK(thread_of(&f, INBOX_ID, 3, "c b", "new plans", true) == answer);    /* a grandchild */
    CHECK(thread_of(&f, INBOX_ID, 4, "d", "plans", false) != answer);         /* begins anew */
    CHECK(thread_of(&f, INBOX_ID, 5, "e lost", "new plans", true) == answer); /* by its subject alone */
    CHECK(thread_of(&f, INBOX_ID, 6, "A", "", false) != answer);
    CHECK(thread_of(&f, INBOX_ID, 2, "z", "", false) == answer); /* it never changes */
    uint64_t bare = thread_of(&f, INBOX_ID, 7, "", "", false);
    CHECK(bare && bare != thread_of(&f, INBOX_ID, 8, "", "", false));
    uint32_t uids[] = {2, 7, 8};
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uids, 3}, 3, false, &f.a, &c));
    CHECK_OK(message_get(f.s, BOX(3), 1, &m));
    CHECK(m.thread == answer);
    CHECK(thread_of(&f, 3, 2, "", "", false) == bare);
    CHECK_ERR(message_thread(f.s, BOX(3), 9, &(struct message_relations){0}, &none), ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(copies_made_before_anybody_asked_have_one_thread)
{
    struct fixture f;
    struct message_copied c;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "x", 0);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){&(uint32_t){1}, 1}, 3, false, &f.a, &c));
    CHECK(thread_of(&f, INBOX_ID, 1, "", "", false) == thread_of(&f, 3, 1, "", "", false));
    fixture_end(&f);
}

/* Or else whoever asks for all threads of a large mailbox once makes every other client compare it anew. */
TEST(threads_use_up_no_journal)
{
    enum { MANY = 20 };
    struct fixture f;
    struct slice before, after;
    uint64_t thread[MANY];
    struct account_row a, b;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < MANY; i++) add(&f, INBOX_ID, "x", 0);
    CHECK_OK(kv_get(f.s->kv, SL("u:" ACC), SL("a"), &f.a, &before));
    for (uint32_t i = 0; i < MANY; i++) {
        thread[i] = thread_of(&f, INBOX_ID, i + 1, "", "", false);
        for (uint32_t k = 0; k < i; k++) CHECK(thread[k] != thread[i]);
    }
    CHECK_OK(kv_get(f.s->kv, SL("u:" ACC), SL("a"), &f.a, &after));
    CHECK_OK(account_row_get(before, &a));
    CHECK_OK(account_row_get(after, &b));
    CHECK(a.modseq == b.modseq && a.journal_floor == b.journal_floor);
    CHECK(!sl_eq(before, after)); /* by which an image is known to be too old */
    fixture_end(&f);
}

static void add_at(struct fixture *f, int64_t date)
{
    struct message_new m = letter(f, "x", 0);
    uint32_t validity, uid;
    m.internal_date = date;
    CHECK_OK(message_append(f->s, BOX(INBOX_ID), &m, 1, &validity, &uid));
}

TEST(the_subject_of_last_year_is_another_thread)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    for (int64_t date = 1700000000; date < 1800000000; date += 31 * 86400 / 2) add_at(&f, date);
    uint64_t first = thread_of(&f, INBOX_ID, 1, "a", "hello", false);
    CHECK(thread_of(&f, INBOX_ID, 2, "b", "hello", true) == first);
    CHECK(thread_of(&f, INBOX_ID, 4, "c", "hello", true) != first);
    fixture_end(&f);
}

/* ---- what is not in memory ---- */

static uint64_t waited(struct fixture *f)
{
    struct kv_stats st;
    kv_stats(f->s->kv, &st);
    return st.waited;
}

/* Whatever of it is not in memory is fetched beside the committer, for all at once. */
TEST(a_change_of_many_cold_messages_holds_nobody_up)
{
    enum { N = 240 };
    struct fixture f;
    struct message_copied c;
    struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    uint32_t uid[N];
    REQUIRE(fixture_begin(&f));
    for (uint32_t i = 0; i < N; i++) uid[i] = add(&f, INBOX_ID, "cold", 0);
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_flags(f.s, BOX(INBOX_ID), (struct uids){uid, N}, &seen, &f.a, NULL));
    CHECK_INT(waited(&f), 0);
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uid, N}, 3, false, &f.a, &c)); /* a batch */
    CHECK_INT(waited(&f), 0);
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), (struct uids){uid, 100}, 3, true, &f.a, &c));
    CHECK_INT(waited(&f), 0);
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), (struct uids){uid + 100, N - 100}, false, NULL, NULL));
    CHECK_INT(waited(&f), 0);
    for (uint32_t i = 0; i < N; i++) uid[i] = i + 1;
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_flags(f.s, BOX(3), (struct uids){uid, N}, &seen, &f.a, NULL)); /* those of the batch */
    CHECK_INT(waited(&f), 0);
    fixture_end(&f);
}

/* Nor does the search for threads, of as many as are asked for at once, each with all the relatives it may
 * have. */
TEST(threads_of_many_cold_messages_hold_nobody_up)
{
    enum { N = MESSAGE_THREADS_MAX };
    struct fixture f;
    struct message_threading v[N] = {0};
    REQUIRE(fixture_begin(&f));
    for (uint32_t i = 0; i < N; i++) {
        struct message_relations *r = &v[i].relations;
        v[i].uid = add(&f, INBOX_ID, "cold", 0);
        *r = (struct message_relations){.subject = ar_printf(&f.a, "subject %u", i), .reply = true};
        while (r->n < MESSAGE_RELATIONS_MAX) {
            r->id[r->n] = ar_printf(&f.a, "%u.%zu@one.test", i, r->n);
            r->n++;
        }
    }
    kv_mem_cool(f.s->kv);
    CHECK_OK(message_threads(f.s, BOX(INBOX_ID), v, N));
    CHECK_INT(waited(&f), 0);
    for (uint32_t i = 0; i < N; i++) CHECK(v[i].thread != 0);
    fixture_end(&f);
}
