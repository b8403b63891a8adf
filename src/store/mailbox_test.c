/* mailbox_test.c - mailboxes of an account: names, making, renaming, deleting, subscriptions. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "care.h"
#include "mailbox_i.h"
#include "store_test.h"

static struct slice names(struct fixture *f)
{
    struct mailbox *m;
    size_t n;
    struct slice text = SL("");
    CHECK_OK(mailbox_list(f->s, ACC, &f->a, &m, &n));
    for (size_t i = 0; i < n; i++)
        text = ar_printf(&f->a, "%.*s%s%.*s%s", SLF(text), i ? " " : "", SLF(m[i].name),
                         m[i].subscribed ? "+" : "");
    return text;
}

static int create(struct fixture *f, const char *name, struct mailbox *out)
{
    struct mailbox m;
    return mailbox_create(f->s, ACC, sl_cstr(name), 0, &f->a, out ? out : &m);
}

struct spoiled {
    char key[KEY_ROOM];
    bool later; /* of a version that is not */
};

static int spoil(struct kv_tx *tx, void *arg)
{
    const struct spoiled *x = arg;
    kv_tx_put(tx, sl_cstr(x->key), x->later ? SL("\7") : SL("\1x"));
    return 0;
}

TEST(a_damaged_row_hides_no_other_mailbox)
{
    struct fixture f;
    struct mailbox a, b;
    REQUIRE(fixture_begin(&f));
    struct slice before = names(&f);
    CHECK_OK(create(&f, "a", &a));
    CHECK_OK(create(&f, "b", &b));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("a"), true));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("b"), true));
    for (int later = 0; later < 2; later++) {
        struct spoiled x = {.later = later};
        snprintf(x.key, sizeof x.key, "b/%08x", a.id);
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &x));
        snprintf(x.key, sizeof x.key, "s/%08x", crc32c(0, "b", 1));
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &x));
        CHECK(sl_eq(names(&f), ar_printf(&f.a, "%.*s b", SLF(before))));
        CHECK_OK(mailbox_find(f.s, ACC, SL("b"), &f.a, &b));
        CHECK(!b.subscribed);
        CHECK(err_is_damage(mailbox_find(f.s, ACC, SL("a"), &f.a, &a)));
    }
    fixture_end(&f);
}

TEST(names_are_checked_and_normalised)
{
    static const struct {
        const char *in, *out;
    } good[] = {
        {"inbox", "INBOX"},        {"InBox/Sub", "INBOX/Sub"},   {"inboxes", "inboxes"},
        {"foo/", "foo"},           {"a/b/c", "a/b/c"},           {"Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe"},
        {"u\xcc\x88", "\xc3\xbc"}, {"with space", "with space"},
    };
    static const char *const bad[] = {"",
                                      "/",
                                      "/a",
                                      "a//b",
                                      "a\nb",
                                      "a*",
                                      "50%",
                                      "#news",
                                      ".",
                                      "a/..",
                                      "\xff",
                                      "a\xc2\x80z",
                                      "x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x",
                                      "\xe2\x80\xa8"};
    struct arena a;
    struct slice out;
    ar_init(&a, 0);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CHECK_OK(mailbox_name(&a, sl_cstr(good[i].in), &out));
        CHECK_SL(out, good[i].out);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(mailbox_name(&a, sl_cstr(bad[i]), &out), ERR_SYNTAX);
    char longest[MAILBOX_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    CHECK_OK(mailbox_name(&a, sl(longest, MAILBOX_NAME_MAX), &out));
    CHECK_ERR(mailbox_name(&a, sl(longest, MAILBOX_NAME_MAX + 1), &out), ERR_SYNTAX);
    ar_free(&a);
}

TEST(a_new_account_has_its_mailboxes)
{
    struct fixture f;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+");
    CHECK_OK(mailbox_make_defaults(f.s, ACC));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+");
    CHECK_OK(mailbox_find(f.s, ACC, SL("inbox"), &f.a, &m));
    CHECK(m.id == INBOX_ID && m.uidnext == 1 && m.uidvalidity > 0 && m.modseq > 0 && m.exists == 0 &&
          m.subscribed);
    CHECK_OK(mailbox_find(f.s, ACC, SL("Junk"), &f.a, &m));
    CHECK_INT(m.use, USE_JUNK);
    CHECK_ERR(mailbox_find(f.s, ACC, SL("junk"), &f.a, &m), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_find(f.s, "nobody", SL("INBOX"), &f.a, &m), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_find(f.s, ACC, SL("a//b"), &f.a, &m), ERR_SYNTAX);
    fixture_end(&f);
}

TEST(create_makes_parents_and_new_uidvalidity)
{
    struct fixture f;
    struct mailbox first, again, other;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "foo/bar/zap", &first));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ foo foo/bar foo/bar/zap");
    CHECK_ERR(create(&f, "foo/bar", NULL), ERR_EXISTS);
    CHECK_ERR(create(&f, "INBOX", NULL), ERR_EXISTS);
    CHECK_ERR(create(&f, "a*", NULL), ERR_SYNTAX);
    CHECK_OK(create(&f, "other", &other));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("foo/bar/zap")));
    CHECK_ERR(mailbox_delete(f.s, ACC, SL("foo/bar/zap")), ERR_NOT_FOUND);
    CHECK_OK(create(&f, "foo/bar/zap", &again));
    CHECK(again.uidvalidity > first.uidvalidity && again.uidvalidity > other.uidvalidity &&
          again.id > other.id);
    CHECK_ERR(mailbox_delete(f.s, ACC, SL("InBox")), ERR_DENIED);
    CHECK_OK(mailbox_delete(f.s, ACC, SL("foo"))); /* children stay */
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ foo/bar foo/bar/zap other");
    fixture_end(&f);
}

TEST(rename_takes_children_along)
{
    struct fixture f;
    struct mailbox before, after;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "foo/bar", &before));
    CHECK_OK(create(&f, "foobar", NULL));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("foo"), SL("deep/zap")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ deep deep/zap deep/zap/bar foobar");
    CHECK_OK(mailbox_find(f.s, ACC, SL("deep/zap/bar"), &f.a, &after));
    CHECK(after.id == before.id && after.uidvalidity == before.uidvalidity);
    CHECK_ERR(mailbox_find(f.s, ACC, SL("foo/bar"), &f.a, &after), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("deep"), SL("foobar")), ERR_EXISTS);
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("none"), SL("x")), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("deep"), SL("deep/er")), ERR_SYNTAX);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("deep/zap/bar"), SL("bar")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ bar deep deep/zap foobar");
    fixture_end(&f);
}

TEST(renaming_inbox_moves_its_messages)
{
    struct fixture f;
    struct mailbox inbox, old;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(create(&f, "INBOX/child", NULL));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("old/mail")));
    CHECK_OK(mailbox_find(f.s, ACC, SL("INBOX"), &f.a, &inbox));
    CHECK_OK(mailbox_find(f.s, ACC, SL("old/mail"), &f.a, &old));
    CHECK(inbox.exists == 0 && inbox.size == 0 && old.exists == 3 && old.size == 18 && old.uidnext == 4);
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ INBOX/child Junk+ Sent+ Trash+ old old/mail");
    fixture_end(&f);
}

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

TEST(rename_never_makes_two_of_one_name)
{
    struct fixture f;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "a/x", NULL));
    CHECK_OK(create(&f, "b/x", NULL));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("b"))); /* now b only stands above b/x */
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("a"), SL("b")), ERR_EXISTS);
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ a a/x b/x");
    CHECK_OK(mailbox_delete(f.s, ACC, SL("a/x")));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("a"), SL("b")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ b b/x");
    CHECK_OK(create(&f, "c/c/c", &m)); /* what moves may take the place of what moves */
    CHECK_OK(mailbox_delete(f.s, ACC, SL("c")));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("c/c"), SL("c")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ b b/x c c/c");
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("b"), SL("INBOX")), ERR_EXISTS);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    fixture_end(&f);
}

TEST(a_name_that_only_stands_above_others_is_renamed)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "top/one", NULL));
    CHECK_OK(create(&f, "top/two/three", NULL));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("top")));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("top/two")));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("top"), SL("new")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk+ Sent+ Trash+ new/one new/two/three");
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("top"), SL("x")), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_delete(f.s, ACC, SL("new")), ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(a_mailbox_that_comes_back_has_its_use_again)
{
    struct fixture f;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("Trash")));
    CHECK_OK(create(&f, "Trash", &m));
    CHECK_INT(m.use, USE_TRASH);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("Trash"), SL("Bin"))); /* the use goes along */
    CHECK_OK(create(&f, "Trash", &m));
    CHECK_INT(m.use, 0);
    CHECK_OK(mailbox_find(f.s, ACC, SL("Bin"), &f.a, &m));
    CHECK_INT(m.use, USE_TRASH);
    fixture_end(&f);
}

static int two_of_one_name(struct kv_tx *tx, void *arg)
{
    struct box_row b;
    int e = box_tx_named(tx, SL("Sent"), &b);
    if (e) return e;
    b.m.name = SL("Drafts");
    mailbox_name_del(tx, SL("Archive"), 6);
    mailbox_name_put(tx, SL("ghost"), 99);
    (void)arg;
    box_row_put(tx, NULL, &b);
    return 0;
}

static void gather(void *arg, const char *sentence)
{
    buf_str(arg, sentence);
    buf_char(arg, '\n');
}

TEST(verify_names_mailboxes_that_cannot_be_found_by_name)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(account_transact(f.s, ACC, two_of_one_name, NULL));
    CHECK_ERR(store_verify(f.s, NULL, NULL, gather, &said), ERR_CORRUPT);
    CHECK(sl_find(buf_slice(&said), SL("mailboxes 2 and 3 have the same name, \"Drafts\"")) != SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("mailbox 6, \"Archive\", cannot be found by its name")) != SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("leads to no mailbox that bears it")) != SL_NONE);
    buf_free(&said);
    fixture_end(&f);
}

/* As a crash in the middle leaves it: INBOX is on its way to Work. */
static int half_renamed(struct kv_tx *tx, void *arg)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'u', 3);
    kv_tx_put_record(tx, box_key('f', *(const uint32_t *)arg, room), &b);
    buf_free(&b);
    return 0;
}

TEST(inbox_goes_on_to_its_first_new_name_before_it_gets_another)
{
    struct fixture f;
    struct mailbox work, other;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "Work", &work));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), half_renamed, &work.id));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Other")));
    CHECK_OK(mailbox_get(f.s, ACC, work.id, &f.a, &work));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Other"), &f.a, &other));
    CHECK(work.exists == 2 && other.exists == 1);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), half_renamed, &other.id));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("Other"))); /* nobody moves anything there any more */
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Third")));
    fixture_end(&f);
}

/* Damaged, or to a mailbox that never was: nothing can be moved, and the next RENAME is not kept from it. */
TEST(a_renaming_of_inbox_that_cannot_be_read_keeps_nobody_from_another)
{
    struct fixture f;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    static const struct spoiled row[] = {{"f/00000009", false}, {"f/x", false}};
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, (void *)&row[i]));
        CHECK_OK(inbox_rename_finish(f.s, ACC));
    }
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), half_renamed, &(uint32_t){INBOX_ID}));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Old")));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Old"), &f.a, &m));
    CHECK(m.exists == 1);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &(struct spoiled){"f/00000009", true}));
    CHECK_ERR(mailbox_rename(f.s, ACC, SL("INBOX"), SL("New")), ERR_VERSION); /* that version ends it */
    CHECK_ERR(mailbox_find(f.s, ACC, SL("New"), &f.a, &m), ERR_NOT_FOUND);
    fixture_end(&f);
}

static void add_with_keyword(struct fixture *f, uint32_t box, const char *name)
{
    struct message_new m = letter(f, "letter", 0);
    struct slice keyword[] = {sl_cstr(name)};
    uint32_t validity, uid;
    m.keyword = keyword;
    m.nkeywords = 1;
    CHECK_OK(message_append(f->s, BOX(box), &m, 1, &validity, &uid));
    body_unpin(f->s->body, &m.body);
}

TEST(a_message_of_inbox_that_cannot_be_moved_keeps_no_other_from_it)
{
    struct fixture f;
    struct mailbox work, inbox, other;
    char name[8];
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "Work", &work));
    for (int i = 0; i < MAILBOX_KEYWORDS_MAX; i++) {
        snprintf(name, sizeof name, "k%d", i);
        add_with_keyword(&f, work.id, name);
    }
    add_with_keyword(&f, INBOX_ID, "one-more");
    add(&f, INBOX_ID, "letter", 0);
    add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), half_renamed, &work.id)); /* the first two */
    CHECK_OK(inbox_rename_finish(f.s, ACC));
    CHECK_OK(mailbox_get(f.s, ACC, work.id, &f.a, &work));
    CHECK_OK(mailbox_get(f.s, ACC, INBOX_ID, &f.a, &inbox));
    CHECK(work.exists == MAILBOX_KEYWORDS_MAX + 1 && inbox.exists == 2);
    CHECK_OK(mailbox_rename(f.s, ACC, SL("INBOX"), SL("Other"))); /* that one has ended */
    CHECK_OK(mailbox_find(f.s, ACC, SL("Other"), &f.a, &other));
    CHECK(other.exists == 2);
    fixture_end(&f);
}

/* Nobody waits for it: a transaction would, and would fail here. */
TEST(verify_reads_accounts_by_pages)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    kv_mem_inject(f.s->kv, KV_FAULT_IO, 1);
    CHECK_OK(store_verify(f.s, NULL, NULL, gather, &said));
    CHECK_ERR(create(&f, "box", NULL), ERR_IO);
    CHECK_SL(buf_slice(&said), "");
    buf_free(&said);
    fixture_end(&f);
}

TEST(subscriptions_are_names_of_their_own)
{
    struct fixture f;
    struct slice *name;
    size_t n;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("not/there"), true));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("not/there"), true));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("Junk"), false));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("Junk"), false));
    CHECK_OK(mailbox_subscriptions(f.s, ACC, &f.a, &name, &n));
    REQUIRE(n == 6);
    CHECK_SL(name[5], "not/there");
    CHECK_SL(names(&f), "INBOX+ Archive+ Drafts+ Junk Sent+ Trash+");
    CHECK_OK(create(&f, "not/there", NULL));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("not/there")));
    CHECK_OK(mailbox_subscriptions(f.s, ACC, &f.a, &name, &n));
    CHECK_INT(n, 6); /* outlives the mailbox */
    CHECK_ERR(mailbox_subscribe(f.s, ACC, SL("*"), true), ERR_SYNTAX);
    fixture_end(&f);
}

static int put_any(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("row"), SL("1"));
    return 0;
}

/* What other folders keep of an account lies in objects of their own; docs/format.md names them. */
TEST(an_account_takes_what_is_kept_of_it_along)
{
    static const char *const objects[] = {"n:" ACC, "v:" ACC, "m:" ACC, "x:" ACC, "y:" ACC};
    struct fixture f;
    struct slice row;
    REQUIRE(fixture_begin(&f));
    struct account_home home = account_home(f.s);
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        CHECK_OK(kv_transact(f.s->kv, sl_cstr(objects[i]), put_any, NULL));
    CHECK_OK(kv_transact(f.s->kv, SL("n:other"), put_any, NULL));
    CHECK_OK(home.erase(home.ctx, ACC));
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        CHECK_ERR(kv_get(f.s->kv, sl_cstr(objects[i]), SL("row"), &f.a, &row), ERR_NOT_FOUND);
    CHECK_OK(kv_get(f.s->kv, SL("n:other"), SL("row"), &f.a, &row));
    fixture_end(&f);
}

TEST(an_account_is_erased_whole)
{
    struct fixture f;
    struct kv_page page;
    struct account_usage u;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(account_usage(f.s, ACC, &u));
    CHECK(u.messages == 1 && u.bytes == 6 && u.quota_bytes == 0);
    CHECK_OK(account_erase(f.s, ACC));
    CHECK_OK(kv_scan(f.s->kv, SL("u:" ACC), SL(""), SL(""), 10, &f.a, &page));
    CHECK_INT(page.n, 0);
    CHECK_ERR(account_usage(f.s, ACC, &u), ERR_NOT_FOUND);
    CHECK_OK(account_erase(f.s, ACC));
    fixture_end(&f);
}

TEST(a_damaged_row_keeps_no_tree_from_being_renamed)
{
    struct fixture f;
    struct mailbox m;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(create(&f, "Work/a", NULL));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Drafts"), &f.a, &m));
    struct spoiled box = {0}, deletion = {.key = "x/none"};
    snprintf(box.key, sizeof box.key, "b/%08x", m.id);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &box));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil, &deletion));
    CHECK_OK(mailbox_rename(f.s, ACC, SL("Work"), SL("Play")));
    CHECK_SL(names(&f), "INBOX+ Archive+ Junk+ Play Play/a Sent+ Trash+");
    CHECK_ERR(create(&f, "Drafts", NULL), ERR_CORRUPT); /* there is one */
    CHECK_OK(mailbox_finish_deletes(f.s, ACC));
    fixture_end(&f);
}
