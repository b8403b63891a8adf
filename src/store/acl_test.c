/* acl_test.c - a guest's right counts at the moment of the change, and a damaged row hides no other. */
#include "acl.h"

#include "annotation.h"
#include "mailbox_i.h"
#include "quota.h"
#include "store_test.h"
#include "urlkey.h"

#define BOB "acc2"

static bool begin(struct fixture *f)
{
    if (!fixture_begin(f)) return false;
    CHECK_OK(mailbox_make_defaults(f->s, BOB));
    return true;
}

static void allow(struct fixture *f, uint32_t box, unsigned rights)
{
    struct acl_entry bob = {.who = SL("bob@x.test"), .id = BOB, .rights = rights};
    CHECK_OK(acl_change(f->s, BOX(box), SL("alice@x.test"), &bob, ACL_SET));
}

static int run(struct fixture *f, struct mailbox_ref box, unsigned act, uint32_t uid)
{
    struct message_new m = letter(f, "new", 0);
    struct annotation note = {SL("/shared/comment"), SL("x")};
    struct acl_entry carol = {.who = SL("anyone"), .rights = ACL_READ};
    struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    struct message_copied copied;
    struct mailbox made;
    uint32_t validity, at;
    int e = ERR_USAGE;
    if (act == 0) e = message_append(f->s, box, &m, 1, &validity, &at);
    if (act == 1) e = message_flags(f->s, box, (struct uids){&uid, 1}, &seen, &f->a, NULL);
    if (act == 2) e = message_expunge(f->s, box, (struct uids){&uid, 1}, false, &f->a, NULL);
    if (act == 3) e = message_copy(f->s, box, (struct uids){&uid, 1}, INBOX_ID, true, &f->a, &copied);
    if (act == 4) e = message_replace(f->s, box, uid, INBOX_ID, &m, &validity, &at);
    if (act == 5) e = annotation_set(f->s, box, BOB, &note, 1);
    if (act == 6) e = acl_change(f->s, box, SL("alice@x.test"), &carol, ACL_ADD);
    if (act == 7) e = mailbox_create_as(f->s, ACC, box.guest, SL("A/new"), 0, &f->a, &made);
    if (act == 8) e = mailbox_rename_as(f->s, ACC, box.guest, SL("A"), SL("Drafts/B"));
    if (act == 9) e = mailbox_delete_as(f->s, ACC, box.guest, SL("Drafts/B"));
    body_unpin(f->s->body, &m.body);
    return e;
}

TEST(a_guest_changes_nothing_without_the_right_at_that_moment)
{
    struct fixture f;
    struct mailbox box, after, drafts;
    if (!begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &box));
    CHECK_OK(mailbox_find(f.s, ACC, SL("Drafts"), &f.a, &drafts));
    struct mailbox_guest bob = {BOB, {{box.id, ACL_WRITE | ACL_MARK}, {drafts.id, 0}}, 0};
    struct mailbox_ref ref = {.account = ACC, .box = box.id, .guest = &bob};
    for (unsigned act = 0; act < 10; act++) {
        uint32_t uid = act < 8 ? add(&f, box.id, "old", 0) : 0;
        CHECK_OK(mailbox_get(f.s, ACC, box.id, &f.a, &box));
        allow(&f, box.id, ACL_WRITE);
        CHECK_ERR(run(&f, ref, act, uid), ERR_DENIED);
        CHECK_OK(mailbox_get(f.s, ACC, box.id, &f.a, &after));
        CHECK_INT(after.modseq, box.modseq);
        allow(&f, box.id, ACL_WRITE | ACL_MARK);
        CHECK_OK(run(&f, ref, act, uid));
    }
    fixture_end(&f);
}

TEST(a_guest_limits_the_mailbox_that_was_meant_not_one_of_its_name)
{
    struct fixture f;
    struct mailbox box, other;
    struct quota_limits l = {QUOTA_NONE, 0, QUOTA_NONE};
    struct quota_tree *t;
    size_t n;
    if (!begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &box));
    allow(&f, box.id, ACL_ADMIN);
    struct mailbox_guest bob = {BOB, {{box.id, ACL_ADMIN}}, 0};
    CHECK_OK(mailbox_rename(f.s, ACC, SL("A"), SL("B")));
    CHECK_ERR(quota_tree_set(f.s, ACC, &bob, SL("A"), &l, false), ERR_NOT_FOUND);
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &other));
    CHECK_ERR(quota_tree_set(f.s, ACC, &bob, SL("A"), &l, false), ERR_NOT_FOUND);
    CHECK_OK(quota_trees(f.s, ACC, SL(""), &f.a, &t, &n));
    CHECK_INT(n, 0);
    CHECK_OK(quota_tree_set(f.s, ACC, &bob, SL("B"), &l, false));
    allow(&f, box.id, ACL_WRITE);
    CHECK_ERR(quota_tree_set(f.s, ACC, &bob, SL("B"), &l, false), ERR_DENIED);
    fixture_end(&f);
}

TEST(a_guest_takes_away_the_mailbox_that_was_meant_not_one_of_its_name)
{
    struct fixture f;
    struct mailbox box, other;
    if (!begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &box));
    allow(&f, box.id, ACL_DELETE);
    struct mailbox_guest bob = {BOB, {{box.id, ACL_DELETE}}, 0};
    CHECK_OK(mailbox_rename(f.s, ACC, SL("A"), SL("B")));
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &other));
    CHECK_ERR(mailbox_delete_as(f.s, ACC, &bob, SL("A")), ERR_NOT_FOUND);
    CHECK_ERR(mailbox_rename_as(f.s, ACC, &bob, SL("A"), SL("C")), ERR_NOT_FOUND);
    CHECK_OK(mailbox_delete_as(f.s, ACC, &bob, SL("B")));
    CHECK_OK(mailbox_find(f.s, ACC, SL("A"), &f.a, &other));
    fixture_end(&f);
}

TEST(a_guest_makes_a_mailbox_below_the_one_that_was_meant)
{
    struct fixture f;
    struct mailbox box, below, other, made;
    if (!begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &box));
    CHECK_OK(mailbox_create(f.s, ACC, SL("A/mine"), 0, &f.a, &below));
    allow(&f, box.id, ACL_CREATE);
    allow(&f, below.id, ACL_DELETE);
    struct mailbox_guest makes = {BOB, {{box.id, ACL_CREATE}}, 0},
                         moves = {BOB, {{below.id, ACL_DELETE}, {box.id, ACL_CREATE}}, 0},
                         inbox = {BOB, {{0, 0}, {box.id, ACL_CREATE}}, 0};
    CHECK_OK(mailbox_rename(f.s, ACC, SL("A"), SL("B")));
    for (int there = 0; there < 2; there++) { /* nothing bears the name, then another mailbox does */
        CHECK_ERR(mailbox_create_as(f.s, ACC, &makes, SL("A/x/new"), 0, &f.a, &made), ERR_NOT_FOUND);
        CHECK_ERR(mailbox_rename_as(f.s, ACC, &moves, SL("B/mine"), SL("A/new")), ERR_NOT_FOUND);
        CHECK_ERR(mailbox_rename_as(f.s, ACC, &inbox, SL("INBOX"), SL("A/new")), ERR_NOT_FOUND);
        if (!there) CHECK_ERR(mailbox_find(f.s, ACC, SL("A"), &f.a, &other), ERR_NOT_FOUND);
        if (!there) CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &other));
    }
    CHECK_OK(mailbox_create_as(f.s, ACC, &makes, SL("B/x/new"), 0, &f.a, &made));
    CHECK_OK(mailbox_rename_as(f.s, ACC, &moves, SL("B/mine"), SL("B/new")));
    CHECK_OK(mailbox_rename_as(f.s, ACC, &inbox, SL("INBOX"), SL("B/old")));
    fixture_end(&f);
}

struct spoil {
    const char *object, *key;
    bool later; /* of a version that is not */
};

static int spoil(struct kv_tx *tx, void *arg)
{
    const struct spoil *s = arg;
    kv_tx_put(tx, sl_cstr(s->key), s->later ? SL("\7damaged") : SL("\1damaged"));
    return 0;
}

static void spoil_row(struct fixture *f, struct spoil s)
{
    CHECK_OK(kv_transact(f->s->kv, sl_cstr(s.object), spoil, &s));
}

TEST(what_is_shared_is_told_within_a_limit)
{
    struct fixture f;
    struct mailbox box;
    struct acl_shared *v;
    size_t n;
    char name[32], key[32];
    if (!begin(&f)) return;
    for (int i = 0; i < 250; i++) {
        snprintf(name, sizeof name, "shared %d", i);
        CHECK_OK(mailbox_create(f.s, ACC, sl_cstr(name), 0, &f.a, &box));
        allow(&f, box.id, i % 5 ? ACL_LOOKUP | ACL_READ : ACL_READ);
    }
    CHECK_OK(acl_shared(f.s, ACC, BOB, 1000, &f.a, &v, &n));
    CHECK_INT(n, 200);
    CHECK(v[199].box == box.id && v[199].rights == (ACL_LOOKUP | ACL_READ));
    snprintf(key, sizeof key, "c/%08x", v[1].box);
    spoil_row(&f, (struct spoil){"u:" ACC, key, false});
    spoil_row(&f, (struct spoil){"u:" ACC, "c/none", false});
    uint32_t third = v[2].box;
    CHECK_OK(acl_shared(f.s, ACC, BOB, 150, &f.a, &v, &n));
    CHECK(n == 150 && v[1].box == third);
    CHECK_OK(acl_shared(f.s, ACC, "acc9", 150, &f.a, &v, &n));
    CHECK_INT(n, 0);
    fixture_end(&f);
}

TEST(a_damaged_row_of_a_shared_mailbox_hides_no_other)
{
    struct fixture f;
    struct acl_owner *o;
    struct annotation *v;
    struct annotation notes[] = {{SL("/shared/a"), SL("1")}, {SL("/shared/b"), SL("2")}};
    size_t n;
    if (!begin(&f)) return;
    CHECK_OK(annotation_set(f.s, BOX(INBOX_ID), ACC, notes, 2));
    allow(&f, INBOX_ID, ACL_READ);
    for (int later = 0; later < 2; later++) {
        spoil_row(&f, (struct spoil){"u:" BOB, "o/acc0", later});
        spoil_row(&f, (struct spoil){"u:" ACC, "t/00000001/-/a", later});
        CHECK_OK(acl_owners(f.s, BOB, &f.a, &o, &n));
        CHECK(n == 1 && sl_eq(o[0].address, SL("alice@x.test")));
        CHECK_OK(annotation_list(f.s, BOX(INBOX_ID), ACC, &f.a, &v, &n));
        CHECK(n == 1 && sl_eq(v[0].value, SL("2")));
    }
    fixture_end(&f);
}

TEST(a_secret_of_urls_of_a_later_version_stays_until_a_fresh_one_is_wanted)
{
    struct fixture f;
    char token[URL_TOKEN + 1];
    if (!begin(&f)) return;
    CHECK_OK(url_token(f.s, ACC, BOX(1), SL("imap://x"), true, token));
    spoil_row(&f, (struct spoil){"u:" ACC, "z/-/00000001", true});
    CHECK_ERR(url_token(f.s, ACC, BOX(1), SL("imap://x"), true, token), ERR_VERSION);
    CHECK_OK(url_reset(f.s, ACC, BOX(1)));
    CHECK_OK(url_token(f.s, ACC, BOX(1), SL("imap://x"), false, token));
    spoil_row(&f, (struct spoil){"u:" ACC, "z/-/00000001", false});
    CHECK_OK(url_token(f.s, ACC, BOX(1), SL("imap://x"), true, token));
    fixture_end(&f);
}
