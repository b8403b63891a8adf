/* deliver_test.c - the last hop here: which mailbox, once under one name, and what is said when it cannot be.
 */
#include "deliver.h"
#include "store/acl.h"
#include "store/store_test.h"

static struct letter letter_for(struct fixture *f, const char *text)
{
    struct letter l = {.received = 1700000000, .head_size = 12};
    CHECK_OK(body_put(f->s->body, BODY_MAIL, sl_cstr(text), SL(""), &l.body));
    return l;
}

static size_t lie_in(struct fixture *f, const char *box_name)
{
    struct mailbox box;
    struct message *m;
    size_t n = 0;
    CHECK_OK(mailbox_find(f->s, ACC, sl_cstr(box_name), &f->a, &box));
    CHECK_OK(message_list(f->s, BOX(box.id), 1, 100, &f->a, &m, &n));
    for (size_t i = 0; i < n; i++) CHECK(m[i].internal_date == 1700000000 && m[i].head_size == 12);
    return n;
}

struct told {
    const struct last_hop *d;
    int times;
};
static int tell(struct kv_tx *tx, void *arg)
{
    struct told *x = arg;
    CHECK(tx && x->d->where); /* what is told is known by then */
    x->times++;
    return 0;
}

TEST(deliver_into_the_inbox_once)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    struct letter l = letter_for(&f, "Subject: s\r\n\r\nbody\r\n");
    struct last_hop d = {.letter = &l, .account = ACC, .name = SL("one.0.1")};
    struct told x = {&d, 0};
    d.tell = tell, d.tell_arg = &x;
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK(!d.before && x.times == 1);
    CHECK_SL(sl_cstr(d.where), "into the inbox");
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK(d.before);
    CHECK_INT(lie_in(&f, "INBOX"), 1);
    d.name = SL("one.1.1"); /* another recipient of it that leads here */
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK(!d.before);
    CHECK_INT(lie_in(&f, "INBOX"), 2);
    fixture_end(&f);
}

TEST(deliver_junk_where_junk_lies)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    struct letter l = letter_for(&f, "Subject: s\r\n\r\nbody\r\n");
    l.junk = true;
    struct last_hop d = {.letter = &l, .account = ACC, .name = SL("one.0.1")};
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK_SL(sl_cstr(d.where), "as junk");
    CHECK_INT(lie_in(&f, "Junk"), 1);
    CHECK_INT(lie_in(&f, "INBOX"), 0);
    fixture_end(&f);
}

TEST(deliver_to_an_account_that_is_gone)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    struct letter l = letter_for(&f, "Subject: s\r\n\r\nbody\r\n");
    struct last_hop d = {.letter = &l, .account = "acc9", .name = SL("one.0.1")};
    CHECK_INT(deliver_letter(f.s, &d), ERR_NOT_FOUND);
    fixture_end(&f);
}

/* RFC 4314, right "p": an address names a mailbox only where anyone may post. */
TEST(deliver_into_the_mailbox_that_the_address_names)
{
    struct fixture f;
    struct mailbox box;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(mailbox_create(f.s, ACC, SL("lists/tram"), 0, &f.a, &box));
    struct letter l = letter_for(&f, "Subject: s\r\n\r\nbody\r\n");
    struct last_hop d = {.letter = &l, .account = ACC, .detail = SL("lists/tram"), .name = SL("one.0.1")};
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK_SL(sl_cstr(d.where), "into the inbox");
    struct acl_entry post = {.who = ACL_AUTHENTICATED, .rights = ACL_POST};
    CHECK_OK(acl_change(f.s, BOX(box.id), SL("alice@one.test"), &post, ACL_SET));
    d.name = SL("two.0.1");
    CHECK_OK(deliver_letter(f.s, &d)); /* a letter comes from anybody */
    CHECK_INT(lie_in(&f, "INBOX"), 2);
    post.who = ACL_ANYONE;
    CHECK_OK(acl_change(f.s, BOX(box.id), SL("alice@one.test"), &post, ACL_SET));
    d.name = SL("three.0.1");
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK_SL(sl_cstr(d.where), "into the mailbox that its address names");
    CHECK_INT(lie_in(&f, "lists/tram"), 1);
    d.detail = SL("lists/no such");
    d.name = SL("four.0.1");
    CHECK_OK(deliver_letter(f.s, &d));
    d.detail = SL("lists/tram");
    d.name = SL("five.0.1");
    l.junk = true;
    CHECK_OK(deliver_letter(f.s, &d));
    CHECK_INT(lie_in(&f, "lists/tram"), 1);
    CHECK_INT(lie_in(&f, "INBOX"), 3);
    fixture_end(&f);
}
