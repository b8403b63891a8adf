/* rescue_test.c - images of directory and accounts: written, kept, read. */
#include "rescue.h"

#include "care.h"
#include "rescue_i.h"
#include "store_test.h"

static struct images_report write_images(struct fixture *f)
{
    struct images_report r;
    CHECK_OK(images_write(f->s, IMAGES_OF_ALL, false, &r));
    CHECK_INT(r.failed, 0);
    return r;
}

static void sweep(struct fixture *f)
{
    struct sweep_report r;
    CHECK_OK(store_sweep(f->s, NULL, 0, 0, &r));
}

static struct image_row image_of(struct fixture *f, const char *object)
{
    struct slice value = {0};
    struct image_row row = {0};
    CHECK_OK(kv_get(f->s->kv, SL("_images"), sl_cstr(object), &f->a, &value));
    CHECK_OK(image_row_get(value, &row));
    return row;
}

struct counted {
    size_t rows, messages;
    struct slice seek, found;
    struct arena *a;
};

static int count_row(void *arg, struct slice key, struct slice value)
{
    struct counted *c = arg;
    c->rows++;
    c->messages += sl_starts(key, SL("m/")) || sl_starts(key, SL("y/"));
    if (sl_eq(key, c->seek)) c->found = ar_dup(c->a, value);
    return 0;
}

static struct counted count_image(struct fixture *f, const char *object, struct slice seek)
{
    struct counted c = {.seek = seek, .a = &f->a};
    struct image_row row = image_of(f, object);
    CHECK_OK(image_rows(f->s, &row.head, count_row, &c));
    return c;
}

static void add_many(struct fixture *f, size_t n)
{
    struct message_new *m = ar_array(&f->a, struct message_new, n);
    uint32_t validity, uid;
    m[0] = letter(f, "many", 0);
    for (size_t i = 1; i < n; i++) m[i] = m[0];
    CHECK_OK(message_append(f->s, BOX(1), m, n, &validity, &uid));
    body_unpin(f->s->body, &m[0].body);
}

TEST(an_image_holds_the_rows_of_an_account)
{
    struct fixture f;
    if (!fixture_begin(&f)) return;
    add(&f, 1, "one", FLAG_SEEN);
    add(&f, 3, "two", 0);
    struct images_report r = write_images(&f);
    CHECK_INT(r.written, 3); /* the account; the lists of domains and sends, which are empty */
    CHECK_INT(count_image(&f, "u:" ACC, SL("")).messages, 2);
    CHECK_INT(write_images(&f).written, 0);
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("Elsewhere"), true));
    CHECK_INT(write_images(&f).written, 1);
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("Elsewhere"), false));
    CHECK_OK(mailbox_subscribe(f.s, ACC, SL("Somewhere"), true));
    CHECK_INT(write_images(&f).written, 1); /* as many names, but others */
    fixture_end(&f);
}

#define SEND "0123456789abcdef"

static int put_send_row(struct kv_tx *tx, void *key)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 't', (uint64_t)rt_now());
    kv_tx_put_record(tx, sl_cstr(key), &b);
    buf_free(&b);
    return 0;
}

static int end_send(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, sl_cstr(key));
    return 0;
}

/* A send that is not over has an image, made again when its own rows change: its pages never do. */
TEST(a_send_has_an_image_until_it_is_over)
{
    struct fixture f;
    if (!fixture_begin(&f)) return;
    CHECK_OK(kv_transact(f.s->kv, SL("_sends"), put_send_row, "a/" SEND));
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "h"));
    CHECK_INT(write_images(&f).written, 5); /* the account, the two lists, _sends, the send */
    CHECK_INT(write_images(&f).written, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "p/0000000000/000"));
    CHECK_INT(write_images(&f).written, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "c"));
    CHECK_INT(write_images(&f).written, 1);
    CHECK_OK(kv_transact(f.s->kv, SL("_sends"), end_send, "a/" SEND));
    CHECK_INT(write_images(&f).written, 1); /* the list */
    struct slice row;
    CHECK_ERR(kv_get(f.s->kv, SL("_images"), SL("s:" SEND), &f.a, &row), ERR_NOT_FOUND);
    fixture_end(&f);
}

struct one_row {
    const char *key;
    struct slice value;
};

static int put_one(struct kv_tx *tx, void *arg)
{
    const struct one_row *x = arg;
    kv_tx_put(tx, sl_cstr(x->key), x->value);
    return 0;
}

/* It began behind one list and was over before the next: that one says what the one before said, and has to
 * be the younger all the same, or the send comes back. */
/* Of numbers: when something was counted, which their row `e` tells. */
TEST(numbers_have_an_image_made_again_when_something_was_counted)
{
    struct fixture f;
    if (!fixture_begin(&f)) return;
    CHECK_OK(kv_transact(f.s->kv, SL("m:" ACC), put_send_row, "t/20260101/-"));
    CHECK_OK(kv_transact(f.s->kv, SL("m:" ACC), put_send_row, "e"));
    CHECK_INT(write_images(&f).written, 4); /* the account, the two lists, the numbers */
    CHECK_INT(write_images(&f).written, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("m:" ACC), put_send_row, "t/20260102/-"));
    CHECK_INT(write_images(&f).written, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("m:" ACC), put_send_row, "e"));
    CHECK_INT(write_images(&f).written, 1);
    CHECK_INT(count_image(&f, "m:" ACC, SL("")).rows, 3);
    fixture_end(&f);
}

static void name_loss(void *arg, const struct rescue_loss *l)
{
    buf_printf(arg, "%s%s ", l->objects, l->since ? " since" : "");
}

TEST(what_is_lost_with_the_index_is_told_kind_by_kind)
{
    struct buf said = BUF_INIT;
    rescue_losses(&(struct rescue_report){0}, name_loss, &said);
    CHECK_SL(buf_slice(&said), "_audit _full j: n: r: rt: t: v: ");
    buf_clear(&said);
    rescue_losses(&(struct rescue_report){.numbers = 1700000000}, name_loss, &said);
    CHECK_SL(buf_slice(&said), "_audit _full j: m: since n: r: rt: t: v: ");
    buf_free(&said);
}

TEST(a_send_that_is_over_leaves_a_list_that_is_younger_than_its_image)
{
    struct fixture f;
    struct slice row;
    if (!fixture_begin(&f)) return;
    CHECK_OK(kv_transact(f.s->kv, SL("_sends"), put_send_row, "a/" SEND));
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "h"));
    write_images(&f);
    CHECK_OK(kv_get(f.s->kv, SL("_images"), SL("s:" SEND), &f.a, &row));
    CHECK_OK(kv_transact(f.s->kv, SL("_sends"), end_send, "a/" SEND));
    write_images(&f);
    CHECK_INT(write_images(&f).written, 0);
    struct image_row list = image_of(&f, "s:");
    CHECK_OK(kv_transact(f.s->kv, SL("_images"), put_one, &(struct one_row){"s:" SEND, row}));
    CHECK_INT(write_images(&f).written, 1);
    CHECK(image_of(&f, "s:").stamp > list.stamp);
    CHECK_ERR(kv_get(f.s->kv, SL("_images"), SL("s:" SEND), &f.a, &row), ERR_NOT_FOUND);
    CHECK_INT(write_images(&f).written, 0);
    fixture_end(&f);
}

/* The rows of a send of which there is one are looked at as those of an account are. */
TEST(a_damaged_row_of_a_send_is_in_the_image_as_it_was)
{
    struct fixture f;
    struct slice row;
    if (!fixture_begin(&f)) return;
    CHECK_OK(kv_transact(f.s->kv, SL("_sends"), put_send_row, "a/" SEND));
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "h"));
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_send_row, "c"));
    CHECK_OK(kv_get(f.s->kv, SL("s:" SEND), SL("c"), &f.a, &row));
    write_images(&f);
    CHECK_OK(kv_transact(f.s->kv, SL("s:" SEND), put_one, &(struct one_row){"c", SL("\1x")}));
    write_images(&f);
    CHECK(sl_eq(count_image(&f, "s:" SEND, SL("c")).found, row));
    fixture_end(&f);
}

TEST(of_a_giant_only_what_changed_is_written_again)
{
    struct fixture f;
    uint32_t uid = 2500;
    struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    if (!fixture_begin(&f)) return;
    for (int i = 0; i < 3; i++) add_many(&f, 2000);
    struct images_report all = write_images(&f);
    CHECK(all.bodies > 4);
    CHECK_OK(message_flags(f.s, BOX(1), (struct uids){&uid, 1}, &seen, NULL, NULL));
    struct images_report one = write_images(&f);
    CHECK(one.written == 1 && one.bodies <= 4 && one.bytes * 2 < all.bytes);
    CHECK_INT(count_image(&f, "u:" ACC, SL("")).messages, 6000);
    fixture_end(&f);
}

TEST(a_sweep_keeps_images_and_drops_older_ones)
{
    struct fixture f;
    struct body_pack *pack;
    size_t n;
    if (!fixture_begin(&f)) return;
    for (int i = 0; i < 12; i++) {
        add_many(&f, 500);
        write_images(&f);
        CHECK_ERR(body_backup(f.s->body, "/nowhere/at/all", NULL, NULL),
                  ERR_NOT_FOUND); /* but packs are sealed */
        sweep(&f);
        CHECK_INT(count_image(&f, "u:" ACC, SL("")).messages, 500u * (unsigned)(i + 1));
    }
    CHECK_OK(body_packs(f.s->body, &f.a, &pack, &n));
    size_t images = 0;
    for (size_t i = 0; i < n; i++) images += pack[i].cls == BODY_IMAGE;
    CHECK(images && images < 9);
    fixture_end(&f);
}

TEST(an_image_of_what_is_gone_is_forgotten)
{
    struct fixture f;
    struct slice value;
    if (!fixture_begin(&f)) return;
    write_images(&f);
    CHECK_OK(account_erase(f.s, ACC));
    write_images(&f);
    CHECK_ERR(kv_get(f.s->kv, SL("_images"), SL("u:" ACC), &f.a, &value), ERR_NOT_FOUND);
    fixture_end(&f);
}

TEST(images_are_complete_after_a_round_of_all)
{
    struct fixture f;
    struct images_report r;
    if (!fixture_begin(&f)) return;
    CHECK_INT(images_complete(f.s), 0);
    CHECK_OK(images_write(f.s, IMAGES_OF_DIRECTORY, false, &r));
    CHECK_INT(images_complete(f.s), 0);
    int64_t before = rt_wall_seconds();
    write_images(&f);
    CHECK(images_complete(f.s) >= before && images_complete(f.s) <= rt_wall_seconds());
    fixture_end(&f);
}

struct spoil {
    struct slice key, value;
};

static int spoil(struct kv_tx *tx, void *arg)
{
    struct spoil *s = arg;
    kv_tx_put(tx, s->key, s->value);
    return 0;
}

TEST(a_damaged_row_does_not_push_a_good_one_out_of_the_image)
{
    struct fixture f;
    char key[KEY_ROOM];
    struct message m;
    if (!fixture_begin(&f)) return;
    uint32_t uid = add(&f, 1, "one", FLAG_SEEN);
    write_images(&f);
    struct spoil s = {row_key('m', 1, uid, 8, key), SL("\1damaged")};
    CHECK_OK(account_transact(f.s, ACC, spoil, &s));
    add(&f, 1, "two", 0);
    CHECK_INT(write_images(&f).written, 1);
    struct counted c = count_image(&f, "u:" ACC, s.key);
    CHECK_OK(message_row_get(c.found, uid, &m));
    CHECK_INT(m.flags, FLAG_SEEN);
    fixture_end(&f);
}

static void count_sentence(void *n, const char *sentence)
{
    (void)sentence;
    ++*(size_t *)n;
}

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static void spoil_row(struct fixture *f, struct slice key)
{
    struct spoil s = {key, SL("\1damaged")};
    CHECK_OK(kv_transact(f->s->kv, SL("u:" ACC), spoil, &s));
}

TEST(damaged_rows_of_an_account_are_mended_from_its_image)
{
    struct fixture f;
    char key[KEY_ROOM], box[KEY_ROOM];
    struct message m;
    struct mailbox before, after;
    size_t said = 0;
    if (!fixture_begin(&f)) return;
    uint32_t uid = add(&f, 1, "one", FLAG_SEEN);
    add_many(&f, 600);
    write_images(&f);
    uint32_t late = add(&f, 1, "two", 0);
    CHECK_OK(mailbox_get(f.s, ACC, 1, &f.a, &before));
    spoil_row(&f, row_key('m', 1, uid, 8, key));
    spoil_row(&f, box_key('b', 1, box));
    spoil_row(&f, SL("a"));
    CHECK_OK(rescue_mend(f.s, count_sentence, &said));
    CHECK_INT(said, 3);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK_OK(message_get(f.s, BOX(1), uid, &m));
    CHECK(m.flags == FLAG_SEEN && m.modseq > before.modseq);
    CHECK_OK(message_get(f.s, BOX(1), late, &m));
    CHECK_OK(mailbox_get(f.s, ACC, 1, &f.a, &after));
    CHECK(after.exists == before.exists && after.uidvalidity == before.uidvalidity);
    CHECK(after.uidnext >= late + RESCUE_JUMP && after.unseen == before.unseen);
    spoil_row(&f, row_key('m', 1, late, 8, key)); /* younger than the image */
    said = 0;
    CHECK_OK(rescue_mend(f.s, count_sentence, &said));
    CHECK(said == 1 && message_get(f.s, BOX(1), late, &m) == ERR_CORRUPT);
    fixture_end(&f);
}

/* The image keeps what it has of a damaged row, and mends it; one of a later version is left alone. */
TEST(damaged_settings_are_mended_from_the_image_however_often_it_is_made_anew)
{
    static const struct {
        const char *object, *key;
    } rows[] = {{"x:" ACC, "a/0123456789abcdef0123456789abcdef"},
                {"y:" ACC, "t/1"},
                {"y:" ACC, "g/00000001"},
                {"_sends", "w/" ACC "/1"},
                {"_sends", "b/1"},
                {"_keys", "k/a"},
                {"_senders", "c/" ACC "/shop.example"},
                {"_source", "s/1"}};
    struct fixture f;
    if (!fixture_begin(&f)) return;
    for (int round = 0; round < 3; round++) {
        const struct slice value[] = {SL("\1s\1xk\1xr\1xl\1x"), SL("\1damaged"), SL("\2n\1y")};
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct spoil s = {sl_cstr(rows[i].key), value[round]};
            if (round == 1 && !strcmp(rows[i].object, "_senders")) s.value = SL("\1s\1x"); /* no key */
            CHECK_OK(kv_transact(f.s->kv, sl_cstr(rows[i].object), spoil, &s));
        }
        write_images(&f);
        if (round == 0) continue;
        size_t said = 0;
        CHECK_OK(rescue_mend(f.s, count_sentence, &said));
        CHECK_INT(said, round == 1 ? COUNT_OF(rows) : 0);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct slice now;
            CHECK_OK(kv_get(f.s->kv, sl_cstr(rows[i].object), sl_cstr(rows[i].key), &f.a, &now));
            CHECK(sl_eq(now, value[round == 1 ? 0 : 2]));
        }
    }
    fixture_end(&f);
}

static void keep_sentence(void *out, const char *sentence)
{
    buf_str(out, sentence);
    buf_char(out, '\n');
}

/* Nothing tells how far its numbers had gone: they jump as behind a whole index that was lost. */
TEST(an_account_whose_row_no_image_has_gets_a_new_one_with_a_word)
{
    struct fixture f;
    char key[KEY_ROOM];
    struct mailbox before, made;
    struct account_usage usage;
    struct buf said = BUF_INIT;
    if (!fixture_begin(&f)) return;
    uint32_t uid = add(&f, 1, "one", FLAG_SEEN);
    CHECK_OK(account_set_quota(f.s, ACC, 1000));
    CHECK_OK(mailbox_get(f.s, ACC, 1, &f.a, &before));
    spoil_row(&f, SL("a"));
    write_images(&f);
    spoil_row(&f, row_key('m', 1, uid, 8, key));
    CHECK_OK(rescue_mend(f.s, keep_sentence, &said));
    CHECK(sl_find(buf_slice(&said), SL("the row a was lost and is made anew")) != SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("quota is gone")) != SL_NONE);
    CHECK(sl_find(buf_slice(&said), SL("no image that could mend it")) == SL_NONE);
    CHECK_OK(store_verify(f.s, NULL, NULL, complain, NULL));
    CHECK_OK(account_usage(f.s, ACC, &usage));
    CHECK(usage.quota_bytes == 0 && usage.messages == 1);
    CHECK_OK(mailbox_create(f.s, ACC, SL("new"), 0, &f.a, &made));
    CHECK(made.id > RESCUE_JUMP && made.modseq > before.modseq + RESCUE_JUMP);
    CHECK(made.uidvalidity > before.uidvalidity);
    buf_free(&said);
    fixture_end(&f);
}
