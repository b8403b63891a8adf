/* grams_test.c - the index of texts leaves out no message that holds what is looked for. */
#include "grams.h"

#include "mailbox_i.h"
#include "store_test.h"

enum { MESSAGES = 300, WORDS = 40 };

static bool has(const uint8_t *bits, unsigned place) { return bits[place / 8] >> place % 8 & 1; }

/* Words of a few letters, so that grams are shared; sometimes in another script. */
static void make_text(struct buf *b, uint32_t *seed)
{
    static const char *const other[] = {"\xe6\xbc\xa2", "\xe5\xad\x97", "\xc3\xa9", "\xd0\xb6"};
    for (int i = 0; i < WORDS; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        if (*seed >> 28 == 0) buf_str(b, other[*seed >> 20 & 3]);
        else buf_char(b, (char)('a' + (*seed >> 20) % 6));
    }
}

struct texts {
    struct buf v[MESSAGES];
};

static void write_part(struct fixture *f, struct mailbox_ref box, struct texts *t)
{
    struct grams *g = grams_begin();
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct slice s = buf_slice(&t->v[i]);
        grams_add(g, i, GRAMS_TEXTS, sl_sub(s, 0, 20)); /* in two pieces */
        grams_add(g, i, GRAMS_TEXTS, sl_from(s, 18));
        if (i % 2) grams_add(g, i, GRAMS_FIELDS, s);
    }
    grams_unsure(g, 5);
    CHECK_OK(grams_write(g, f->s, box, 0));
    grams_free(&g);
}

static void check_needle(struct fixture *f, struct mailbox_ref box, struct texts *t, struct slice needle,
                         size_t *more)
{
    uint8_t texts[GRAMS_BITS], fields[GRAMS_BITS];
    memset(texts, 0xff, sizeof texts);
    memset(fields, 0xff, sizeof fields);
    CHECK_OK(grams_narrow(f->s, box, 0, GRAMS_TEXTS, needle, texts));
    CHECK_OK(grams_narrow(f->s, box, 0, GRAMS_FIELDS, needle, fields));
    for (unsigned i = 0; i < MESSAGES; i++) {
        bool holds = sl_find(buf_slice(&t->v[i]), needle) != SL_NONE;
        CHECK(!holds || has(texts, i));
        CHECK(!(holds && i % 2) || has(fields, i));
        CHECK(i % 2 || !has(fields, i));
        *more += !holds && has(texts, i);
    }
}

TEST(grams_leave_out_no_message_that_holds_the_text)
{
    struct fixture f;
    struct texts t = {0};
    struct grams_state state;
    uint32_t seed = 7;
    size_t more = 0;
    if (!fixture_begin(&f)) return;
    struct mailbox_ref box = BOX(INBOX_ID);
    CHECK_ERR(grams_there(f.s, box, 0, &state), ERR_NOT_FOUND);
    for (unsigned i = 0; i < MESSAGES; i++) make_text(&t.v[i], &seed);
    write_part(&f, box, &t);
    write_part(&f, box, &t); /* in the place of the first */
    CHECK_OK(grams_there(f.s, box, 0, &state));
    CHECK(has(state.unsure, 5) && !has(state.unsure, 4));
    CHECK_ERR(grams_there(f.s, box, 1, &state), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 200; i++) {
        struct slice s = buf_slice(&t.v[i]);
        check_needle(&f, box, &t, sl_sub(s, i % 20, i % 20 + 3 + i % 15), &more);
    }
    CHECK(more < 200 * MESSAGES / 20); /* and it narrows */
    check_needle(&f, box, &t, SL("zzz"), &more);
    for (unsigned i = 0; i < MESSAGES; i++) buf_free(&t.v[i]);
    fixture_end(&f);
}

TEST(grams_go_with_their_mailbox)
{
    struct fixture f;
    struct mailbox box;
    struct arena *a = &f.a;
    struct kv_page page;
    struct grams_state state;
    if (!fixture_begin(&f)) return;
    CHECK_OK(mailbox_create(f.s, ACC, SL("A"), 0, a, &box));
    struct grams *g = grams_begin();
    grams_add(g, 1, GRAMS_TEXTS, SL("some text"));
    CHECK_OK(grams_write(g, f.s, BOX(box.id), 3));
    CHECK_OK(grams_there(f.s, BOX(box.id), 3, &state));
    CHECK_OK(mailbox_delete(f.s, ACC, SL("A")));
    CHECK_OK(kv_scan(f.s->kv, SL("f:" ACC), SL(""), SL(""), 10, a, &page));
    CHECK_INT(page.n, 0);
    grams_add(g, 1, GRAMS_TEXTS, SL("some text"));
    CHECK_ERR(grams_write(g, f.s, BOX(box.id), 3), ERR_NOT_FOUND); /* nor does one come back */
    CHECK_OK(kv_scan(f.s->kv, SL("f:" ACC), SL(""), SL(""), 10, a, &page));
    CHECK_INT(page.n, 0);
    grams_free(&g);
    fixture_end(&f);
}

struct spoil {
    struct slice key;
};

static int spoil(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, ((struct spoil *)arg)->key, SL("\1g\4\377\377\0\7"));
    return 0;
}

TEST(a_damaged_piece_of_the_index_of_texts_is_told_and_a_half_made_part_is_not_there)
{
    struct fixture f;
    struct kv_page page;
    struct grams_state state;
    uint8_t bits[GRAMS_BITS] = {0};
    if (!fixture_begin(&f)) return;
    struct mailbox_ref box = BOX(INBOX_ID);
    struct grams *g = grams_begin();
    grams_add(g, 1, GRAMS_TEXTS, SL("abc"));
    CHECK_OK(grams_write(g, f.s, box, 0));
    grams_free(&g);
    CHECK_OK(kv_scan(f.s->kv, SL("f:" ACC), SL(""), SL(""), 10, &f.a, &page));
    CHECK_INT(page.n, 2);
    struct spoil s = {page.row[1].key};
    CHECK_OK(kv_transact(f.s->kv, SL("f:" ACC), spoil, &s));
    CHECK_ERR(grams_narrow(f.s, box, 0, GRAMS_TEXTS, SL("abc"), bits), ERR_CORRUPT);
    CHECK_OK(
        kv_erase(f.s->kv, SL("f:" ACC), page.row[0].key, s.key)); /* as after a kill before the last row */
    CHECK_ERR(grams_there(f.s, box, 0, &state), ERR_NOT_FOUND);
    CHECK_OK(grams_erase(f.s, box, UINT32_MAX));
    fixture_end(&f);
}

/* Of what is not known nothing is left out, and each making has another number. */
TEST(a_part_that_is_not_full_says_how_far_it_knows)
{
    struct fixture f;
    struct grams_state one = {0}, two;
    if (!fixture_begin(&f)) return;
    struct mailbox_ref box = BOX(INBOX_ID);
    for (unsigned n = 10; n <= GRAMS_PART; n += GRAMS_PART - 10) {
        struct grams *g = grams_begin();
        grams_add(g, 7, GRAMS_TEXTS, SL("abcdef"));
        grams_known(g, n);
        CHECK_OK(grams_write(g, f.s, box, 0));
        grams_free(&g);
        CHECK_OK(grams_there(f.s, box, 0, &two));
        CHECK_INT(two.known, n);
        CHECK(!has(two.unsure, 9) && has(two.unsure, 10) == (n == 10) && has(two.unsure, 1023) == (n == 10));
        CHECK(n == 10 || one.made != two.made);
        one = two;
    }
    fixture_end(&f);
}
