/* format_test.c - the bytes of rows, as docs/format.md has them. A change here is a change of format. */
#include "mailbox_i.h"
#include "origin.h"
#include "rt/file.h"
#include "store_test.h"

static void check_row(struct fixture *f, const char *object, const char *key, const char *want)
{
    struct slice value;
    struct buf hex = BUF_INIT;
    CHECK_OK(kv_get(f->s->kv, sl_cstr(object), sl_cstr(key), &f->a, &value));
    hex_encode(&hex, value);
    CHECK_SL(buf_slice(&hex), want);
    buf_free(&hex);
}

static int put_rows(struct kv_tx *tx, void *arg)
{
    (void)arg;
    struct account_row a = {.modseq = 300,
                            .next_box = 7,
                            .uidvalidity = 1700000000,
                            .boxes = 6,
                            .subscriptions = 6,
                            .bytes = 1000,
                            .messages = 2,
                            .quota = 0};
    struct box_row b = {.m = {.id = 9,
                              .name = SL("Work"),
                              .uidvalidity = 1700000000,
                              .uidnext = 3,
                              .modseq = 300,
                              .exists = 2,
                              .unseen = 1,
                              .size = 1000,
                              .use = USE_ARCHIVE,
                              .nkeywords = 1},
                        .keyword = {SL("$Junk")}};
    struct message m = {.uid = 2,
                        .modseq = 299,
                        .flags = FLAG_SEEN | 32,
                        .internal_date = 1700000000,
                        .save_date = -1,
                        .size = 500,
                        .head_size = 40,
                        .body = {"ms.1.1000.1f4.5"},
                        .email_id = "m12b-0"};
    struct journal_box j[2] = {{.box = 9}, {.box = 10, .first_added = 7, .added = 3}};
    account_row_put(tx, &a);
    message_row_put(tx, 9, &m);
    journal_flags(&j[0], 2, 1);
    journal_flags(&j[0], 200, 32);
    for (uint32_t uid = 4; uid < 7; uid++) journal_gone(&j[0], uid);
    journal_gone(&j[0], 9);
    journal_put(tx, &a, j, 2);
    journal_free(&j[0]);
    box_row_put(tx, NULL, &b);
    return 0;
}

TEST(rows_have_the_documented_bytes)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    CHECK_OK(kv_transact(f.s->kv, SL("u:x"), put_rows, NULL));
    check_row(&f, "u:x", "a",
              "01"
              "6d02ac02"
              "690107"
              "760580e2cfaa06"
              "630106"
              "6b0106"
              "7302e807"
              "6e0102");
    check_row(&f, "u:x", "b/00000009",
              "01"
              "4e04576f726b"
              "760580e2cfaa06"
              "750103"
              "6d02ac02"
              "650102"
              "6e0101"
              "7302e807"
              "550110"
              "6b05244a756e6b");
    check_row(&f, "u:x", "m/00000009/00000002",
              "01"
              "6d02ab02"
              "660121"
              "640580e2cfaa06"
              "740affffffffffffffffff01"
              "7302f403"
              "680128"
              "720f6d732e312e313030302e3166342e35"
              "65066d3132622d30");
    check_row(&f, "u:x", "j/000000000000012c",
              "01"
              "620109"
              "6305"
              "0201"
              "c60120"
              "7804"
              "0402"
              "0300"
              "62010a"
              "750107"
              "6e0103");
    check_row(&f, "_store", "format",
              "01"
              "660102");
    fixture_end(&f);
}

/* A record of the next version is refused with a sentence; fields of the next program are passed over. */
TEST(records_of_other_programs)
{
    struct message m;
    struct slice known = SL("\1"
                            "m\1\5"
                            "r\x0fms.1.1000.1f4.5"
                            "Z\3new"),
                 newer = SL("\2"
                            "m\1\5");
    CHECK_OK(message_row_get(known, 4, &m));
    CHECK(m.uid == 4 && m.modseq == 5);
    CHECK_ERR(message_row_get(newer, 4, &m), ERR_VERSION);
    CHECK_ERR(message_row_get(SL(""), 4, &m), ERR_CORRUPT);
    CHECK_ERR(message_row_get(SL("\1m\1\5"), 4, &m), ERR_CORRUPT); /* without a body */
    CHECK_ERR(message_row_get(SL("\1m\5\5"), 4, &m), ERR_CORRUPT); /* cut short */
}

static int put_format_1(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("format"), SL("\1f\1\1"));
    return 0;
}

TEST(a_store_of_format_1_is_refused_in_words)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct store *s = NULL;
    char dir[] = "/tmp/tram-format-test-XXXXXX";
    REQUIRE(mkdtemp(dir) != NULL);
    REQUIRE(kv_mem_open(&kv, NULL) == 0);
    REQUIRE(body_open(&b, dir, 0) == 0);
    CHECK_OK(kv_transact(kv, SL("_store"), put_format_1, NULL));
    CHECK_ERR(store_open(&s, kv, b), ERR_VERSION);
    CHECK(strstr(err_text(ERR_VERSION), "the store has format 1, this program knows 2"));
    CHECK_OK(path_list(dir, remove_entry, dir));
    CHECK(rmdir(dir) == 0);
}

TEST(the_origin_of_a_message)
{
    static const char *const want = "016b016d610161620102"
                                    "6e06427269656665"
                                    "640164"
                                    "7a02dc0b"
                                    "660101"
                                    "77046b657931"
                                    "77046b657932"
                                    "6c0103"
                                    "680114";
    struct slice keyword[] = {SL("key1"), SL("key2")};
    struct message_new m = {.flags = FLAG_SEEN,
                            .keyword = keyword,
                            .nkeywords = 2,
                            .internal_date = 100,
                            .internal_zone = 60,
                            .by_lines = 3,
                            .head_size = 20};
    struct mailbox box = {.id = 2, .name = SL("Briefe")};
    struct buf b = BUF_INIT, hex = BUF_INIT;
    struct origin_message got;
    struct rec r;
    CHECK_OK(origin_message(&b, "a", &box, &m));
    hex_encode(&hex, buf_slice(&b));
    CHECK_SL(buf_slice(&hex), want);
    CHECK(origin_open(buf_slice(&b), &r) == ORIGIN_MESSAGE);
    CHECK_OK(origin_message_get(&r, &got));
    CHECK(!strcmp(got.acc, "a") && got.box == 2 && sl_eq(got.name, box.name) && got.m.flags == FLAG_SEEN);
    CHECK(got.m.nkeywords == 2 && sl_eq(got.m.keyword[1], SL("key2")) && got.m.internal_zone == 60);
    CHECK(got.m.internal_date == 100 && got.m.by_lines == 3 && got.m.head_size == 20);
    CHECK(origin_open(SL(""), &r) == ORIGIN_NONE && origin_open(SL("\2k\1m"), &r) == ORIGIN_NONE);
    CHECK(origin_open(SL("\1k\1?"), &r) == ORIGIN_NONE && origin_open(SL("\1a\1m"), &r) == ORIGIN_NONE);
    buf_free(&b);
    buf_free(&hex);
}
