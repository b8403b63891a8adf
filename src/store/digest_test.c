/* digest_test.c - what is computed of messages goes when of a part no message is left. */
#include "digest.h"
#include "grams.h"
#include "mailbox_i.h"
#include "store_test.h"

enum { MESSAGES = 130 };

static void write_part(struct fixture *f, uint32_t part, char kind)
{
    struct digest_key k = {BOX(INBOX_ID), 1, kind, 1};
    struct digest d = {.part = part};
    d.v[1] = SL("computed");
    CHECK_OK(digest_write(f->s, &k, &d, 1));
}

/* Keys of what is kept, without the mailbox. */
static struct slice kept(struct fixture *f)
{
    struct kv_page page;
    struct slice all = SL("");
    CHECK_OK(kv_scan(f->s->kv, SL("f:" ACC), SL(""), SL(""), 100, &f->a, &page));
    for (size_t i = 0; i < page.n; i++)
        if (page.row[i].key.n == 19) all = ar_cat(&f->a, all, sl_from(page.row[i].key, 8));
    return all;
}

static struct uids range(struct fixture *f, uint32_t from, uint32_t to)
{
    uint32_t *v = ar_array(&f->a, uint32_t, to - from + 1);
    for (uint32_t i = from; i <= to; i++) v[i - from] = i;
    return (struct uids){v, to - from + 1};
}

TEST(what_is_computed_of_messages_goes_with_them)
{
    struct fixture f;
    struct message_copied c;
    struct grams_state state;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < MESSAGES; i++) add(&f, INBOX_ID, "x", 0);
    for (uint32_t part = 0; part < 4; part++) write_part(&f, part, 'h');
    write_part(&f, 2, 'p');
    struct grams *g = grams_begin();
    grams_add(g, 5, GRAMS_FIELDS, SL("some text"));
    CHECK_OK(grams_write(g, f.s, BOX(INBOX_ID), 0));
    grams_free(&g);
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), range(&f, 33, 62), false, &f.a, NULL));
    CHECK_SL(kept(&f), "/h/00000000/h/00000001/h/00000002/h/00000003/p/00000002"); /* two are left */
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), range(&f, 32, 32), false, &f.a, NULL));
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), range(&f, 63, 100), false, &f.a, NULL));
    CHECK_SL(kept(&f), "/h/00000000/h/00000003");
    CHECK_OK(grams_there(f.s, BOX(INBOX_ID), 0, &state));
    CHECK_OK(message_copy(f.s, BOX(INBOX_ID), range(&f, 1, 31), 2, true, &f.a, &c));
    CHECK_SL(kept(&f), "/h/00000003");
    CHECK_OK(message_expunge(f.s, BOX(INBOX_ID), range(&f, 101, MESSAGES), false, &f.a, NULL));
    CHECK_SL(kept(&f), "");
    CHECK_ERR(grams_there(f.s, BOX(INBOX_ID), 0, &state), ERR_NOT_FOUND);
    fixture_end(&f);
}
