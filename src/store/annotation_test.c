/* annotation_test.c - annotations go with their mailbox, and their bytes are counted. */
#include "annotation.h"

#include "mailbox_i.h"
#include "store_test.h"

static size_t count(struct fixture *f, uint32_t box, const char *user)
{
    struct annotation *v;
    size_t n;
    CHECK_OK(annotation_list(f->s, (struct mailbox_ref){.account = ACC, .box = box}, user, &f->a, &v, &n));
    return n;
}

static int row_of(struct kv_tx *tx, void *arg) { return account_tx(tx, arg); }

static uint64_t noted(struct fixture *f)
{
    struct account_row a;
    CHECK_OK(account_transact(f->s, ACC, row_of, &a));
    return a.noted;
}

TEST(annotations_belong_to_their_mailbox)
{
    struct fixture f;
    struct mailbox box;
    struct annotation v[] = {{SL("/shared/comment"), SL("for all")}, {SL("/private/comment"), SL("mine")}};
    struct annotation gone = {SL("/shared/comment"), {0}};
    if (!fixture_begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, &f.a, &box));
    struct mailbox_ref ref = {.account = ACC, .box = box.id};
    CHECK_OK(annotation_set(f.s, ref, ACC, v, 2));
    CHECK_OK(annotation_set(f.s, ref, "other", v + 1, 1));
    CHECK_OK(annotation_set(f.s, (struct mailbox_ref){.account = ACC, .box = 0}, ACC, v + 1, 1));
    CHECK_INT(count(&f, box.id, ACC), 2);
    CHECK_INT(count(&f, box.id, "third"), 1);
    uint64_t all = noted(&f);
    CHECK_OK(annotation_set(f.s, ref, ACC, v, 2)); /* the same again costs nothing */
    CHECK_INT(noted(&f), all);
    CHECK_OK(annotation_set(f.s, ref, "other", &gone, 1));
    CHECK_OK(annotation_set(f.s, ref, "other", &gone, 1));
    CHECK_INT(count(&f, box.id, ACC), 1);
    CHECK(noted(&f) < all);
    CHECK_OK(mailbox_delete(f.s, ACC, SL("A")));
    CHECK_INT(count(&f, box.id, ACC), 0);
    CHECK_INT(count(&f, 0, ACC), 1);
    gone.name = SL("/private/comment");
    CHECK_OK(annotation_set(f.s, (struct mailbox_ref){.account = ACC, .box = 0}, ACC, &gone, 1));
    CHECK_INT(noted(&f), 0);
    CHECK_ERR(annotation_set(f.s, ref, ACC, v, 2), ERR_NOT_FOUND);
    fixture_end(&f);
}
