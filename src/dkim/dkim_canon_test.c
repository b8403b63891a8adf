/* dkim_canon_test.c - canonical bodies and headers (RFC 6376 section 3.4), any chunking, l=. */
#include "dkim_i.h"
#include "dkim_test.h"

/* ---- bodies ---- */

/* What the RFC's text says, done slowly over a whole body: the judge of the fast code. */
static struct slice plain_canon(struct arena *a, enum dkim_canon c, struct slice body)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < body.n; i++) {
        char x = body.p[i];
        bool blank = x == ' ' || x == '\t';
        if (c == DKIM_RELAXED && blank) {
            size_t k = i;
            while (k < body.n && (body.p[k] == ' ' || body.p[k] == '\t')) k++;
            bool at_end = k == body.n || (k + 1 < body.n && body.p[k] == '\r' && body.p[k + 1] == '\n');
            if (!at_end) buf_char(&b, ' ');
            i = k - 1;
        } else buf_char(&b, x);
    }
    bool empty = b.n == 0;
    if (!sl_ends(buf_slice(&b), SL("\r\n")) && !(empty && c == DKIM_RELAXED)) buf_str(&b, "\r\n");
    while (sl_ends(buf_slice(&b), SL("\r\n\r\n"))) b.n -= 2;
    if (c == DKIM_RELAXED && sl_eq(buf_slice(&b), SL("\r\n"))) b.n = 0;
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static bool hash_is(struct slice want, const uint8_t got[32])
{
    uint8_t h[HASH_MAX];
    hash_once(HASH_SHA256, want, h);
    return !memcmp(h, got, 32);
}

/* Hashes of both forms, whole and cut at each of a few lengths, with the body in pieces. */
static void check_body(struct slice body, size_t chunk)
{
    struct arena a = {0};
    for (int c = DKIM_SIMPLE; c <= DKIM_RELAXED; c++) {
        struct slice want = plain_canon(&a, (enum dkim_canon)c, body);
        struct dkim_body *b = dkim_body_new(&a);
        int whole = dkim_body_want(b, (enum dkim_canon)c, DKIM_WHOLE), cut[40];
        for (size_t i = 0; i < 40; i++) cut[i] = dkim_body_want(b, (enum dkim_canon)c, (i * 7) % 40);
        for (struct slice rest = body; rest.n;) {
            struct slice piece = sl_sub(rest, 0, chunk);
            dkim_body_add(b, piece);
            rest = sl_from(rest, piece.n);
        }
        dkim_body_end(b);
        uint8_t h[32];
        uint64_t rest;
        CHECK(dkim_body_hash(b, whole, h, &rest) && hash_is(want, h) && rest == 0);
        for (size_t i = 0; i < 40; i++) {
            size_t n = (i * 7) % 40;
            bool there = dkim_body_hash(b, cut[i], h, &rest);
            CHECK_INT(there, n <= want.n);
            if (there) CHECK(hash_is(sl_sub(want, 0, n), h) && rest == want.n - n);
        }
    }
    ar_free(&a);
}

TEST(body_examples)
{
    static const struct {
        const char *body, *simple, *relaxed;
    } cases[] = {
        {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"}, /* section 3.4.5 */
        {"", "\r\n", ""},
        {"\r\n", "\r\n", ""},
        {"\r\n\r\n\r\n", "\r\n", ""},
        {"a", "a\r\n", "a\r\n"},
        {"a\r\n", "a\r\n", "a\r\n"},
        {"a\r\n\r\n \r\n", "a\r\n\r\n \r\n", "a\r\n"},
        {" \t ", " \t \r\n", ""},
        {" \r\n\t\r\n", " \r\n\t\r\n", ""},
        {"a \t b  \r\n", "a \t b  \r\n", "a b\r\n"},
        {"\ta", "\ta\r\n", " a\r\n"},
        {"a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
        {"a\r", "a\r\r\n", "a\r\r\n"},
        {"a \r", "a \r\r\n", "a \r\r\n"},
        {"a\n", "a\n\r\n", "a\n\r\n"},
        {"a\rb\nc", "a\rb\nc\r\n", "a\rb\nc\r\n"},
        {"\r\r\n", "\r\r\n", "\r\r\n"},
        {"\r\n\r", "\r\n\r\r\n", "\r\n\r\r\n"},
        {"a  \r \r\n", "a  \r \r\n", "a \r\r\n"},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice body = sl_cstr(cases[i].body);
        CHECK_SL(plain_canon(&a, DKIM_SIMPLE, body), cases[i].simple);
        CHECK_SL(plain_canon(&a, DKIM_RELAXED, body), cases[i].relaxed);
        for (size_t chunk = 1; chunk < 8; chunk++) check_body(body, chunk);
    }
    ar_free(&a);
}

/* The values that section 3.4.3 and 3.4.4 give for empty bodies. */
TEST(body_empty_hashes)
{
    struct arena a = {0};
    struct dkim_body *b = dkim_body_new(&a);
    int s = dkim_body_want(b, DKIM_SIMPLE, DKIM_WHOLE), r = dkim_body_want(b, DKIM_RELAXED, DKIM_WHOLE);
    uint8_t h[32];
    uint64_t rest;
    dkim_body_end(b);
    CHECK(dkim_body_hash(b, s, h, &rest));
    CHECK_SL(b64_encode_ar(&a, sl(h, 32)), "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    CHECK(dkim_body_hash(b, r, h, &rest));
    CHECK_SL(b64_encode_ar(&a, sl(h, 32)), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    ar_free(&a);
}

/* Long lines go past the buffer in which short ones are gathered, and must not go ahead of them. */
TEST(body_of_long_lines_behind_short_ones)
{
    static const size_t lines[] = {1, 3000, 2047, 2048, 1, 2049, 4095, 4096, 2, 4097, 9000, 5};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t k = 0; k < lines[i]; k++) buf_char(&b, (char)('a' + (i + k) % 26));
        buf_str(&b, i % 4 == 3 ? "\r" : "\r\n");
    }
    for (size_t chunk = 1; chunk <= b.n; chunk = chunk * 3 + 1) check_body(buf_slice(&b), chunk);
    check_body(buf_slice(&b), b.n);
    buf_free(&b);
}

TEST(body_random)
{
    static const char alphabet[] = "ab \t\r\n\r\n\r\n  x";
    uint32_t seed = 7;
    char body[200];
    for (int round = 0; round < 400; round++) {
        size_t n = next_random(&seed) % sizeof body;
        for (size_t i = 0; i < n; i++) body[i] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
        check_body(sl(body, n), 1 + next_random(&seed) % 30);
    }
}

TEST(body_large_pieces)
{
    struct arena a = {0};
    char *big = ar_alloc(&a, 100000);
    uint32_t seed = 3;
    for (size_t i = 0; i < 100000; i++) big[i] = " \t\r\nabcdefghijklmnop"[next_random(&seed) % 20];
    check_body(sl(big, 100000), 100000);
    check_body(sl(big, 100000), 4097);
    memset(big, 'x', 100000);
    check_body(sl(big, 100000), 30000);
    ar_free(&a);
}

TEST(body_wants)
{
    struct arena a = {0};
    struct dkim_body *b = dkim_body_new(&a);
    CHECK_INT(dkim_body_want(b, DKIM_SIMPLE, 5), 0);
    CHECK_INT(dkim_body_want(b, DKIM_RELAXED, 5), 1);
    CHECK_INT(dkim_body_want(b, DKIM_SIMPLE, 5), 0);
    for (int i = 2; i < DKIM_HASHES_MAX; i++) CHECK_INT(dkim_body_want(b, DKIM_SIMPLE, (uint64_t)i * 10), i);
    CHECK_ERR(dkim_body_want(b, DKIM_SIMPLE, 1), ERR_LIMIT);
    dkim_body_end(b);
    dkim_body_end(b);
    ar_free(&a);
}

/* ---- headers ---- */

static struct slice canon(struct arena *a, enum dkim_canon c, const char *field)
{
    struct mail_head h;
    struct buf b = BUF_INIT;
    CHECK_OK(mail_head_parse(a, sl_cstr(field), &h));
    if (h.n) dkim_canon_field(&b, c, &h.field[0], SL(""), true);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

TEST(header_examples)
{
    static const struct {
        const char *field, *simple, *relaxed;
    } cases[] = {
        {"A: X\r\n", "A: X\r\n", "a:X\r\n"},
        {"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
        {"SUBJect: AbC\r\n", "SUBJect: AbC\r\n", "subject:AbC\r\n"},
        {"A:\r\n", "A:\r\n", "a:\r\n"},
        {"A: \t \r\n", "A: \t \r\n", "a:\r\n"},
        {"A:\r\n \r\n b\r\n", "A:\r\n \r\n b\r\n", "a:b\r\n"},
        {"A: b\r\n c\r\n  d\r\n", "A: b\r\n c\r\n  d\r\n", "a:b c d\r\n"},
        {"A: b\r\n \r\n", "A: b\r\n \r\n", "a:b\r\n"},
        {"A: b:c : d\r\n", "A: b:c : d\r\n", "a:b:c : d\r\n"},
        {"A: b\rc\r\n", "A: b\rc\r\n", "a:b\rc\r\n"},
        {"A: b\r c\r\n", "A: b\r c\r\n", "a:b\r c\r\n"},
        {"A: \xc3\xa4\xff\r\n", "A: \xc3\xa4\xff\r\n", "a:\xc3\xa4\xff\r\n"},
        /* a bare LF counts as a line end in a parsed header, and so it is one here */
        {"A: b\n c\n", "A: b\r\n c\r\n", "a:b c\r\n"},
        {"A: b", "A: b\r\n", "a:b\r\n"},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_SL(canon(&a, DKIM_SIMPLE, cases[i].field), cases[i].simple);
        CHECK_SL(canon(&a, DKIM_RELAXED, cases[i].field), cases[i].relaxed);
    }
    ar_free(&a);
}

/* Section 5.4.2: from the bottom up, each once; names that are not there add nothing. */
TEST(header_picking)
{
    struct arena a = {0};
    struct mail_head h;
    struct dkim_names n;
    CHECK_OK(mail_head_parse(
        &a, SL("Received: <A>\r\nX: 1\r\nRECEIVED: <B>\r\nbad line\r\nReceived : <C>\r\n\r\n"), &h));
    dkim_names_init(&a, &h, &n);
    CHECK(dkim_names_pick(&n, SL("received")) == &h.field[4]);
    CHECK(dkim_names_pick(&n, SL("Received")) == &h.field[2]);
    CHECK(dkim_names_pick(&n, SL("x")) == &h.field[1]);
    CHECK(dkim_names_pick(&n, SL("x")) == NULL);
    CHECK(dkim_names_pick(&n, SL("received")) == &h.field[0]);
    CHECK(dkim_names_pick(&n, SL("received")) == NULL);
    CHECK(dkim_names_pick(&n, SL("")) == NULL);
    dkim_names_reset(&n, &h.field[4]);
    CHECK(dkim_names_pick(&n, SL("received")) == &h.field[2]);
    ar_free(&a);
}

/* Section 3.7: the field's own b= is taken out with the blanks around it, and no CRLF follows. */
TEST(header_own_field)
{
    struct arena a = {0};
    struct mail_head h;
    struct dkim_names n;
    struct dkim_sig s;
    struct buf b = BUF_INIT;
    CHECK_OK(mail_head_parse(
        &a,
        SL("DKIM-Signature: v=1; b= QUJD\r\n\tREVG \r\n ;a=rsa-sha256;c=simple; d=e.test;s=s;h=from;\r\n"
           "\tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=\r\nFrom: x\r\n\r\n"),
        &h));
    dkim_sig_read(&a, &h.field[0], FAMILY_DKIM, &s);
    CHECK_SL(s.reason, "");
    CHECK_SL(s.b_text, "QUJDREVG");
    CHECK_SL(s.b, "ABCDEF");
    dkim_names_init(&a, &h, &n);
    dkim_head_data(&b, &n, &s);
    CHECK_SL(buf_slice(&b),
             "From: x\r\nDKIM-Signature: v=1; b=;a=rsa-sha256;c=simple; d=e.test;s=s;h=from;\r\n"
             "\tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    buf_clear(&b);
    s.head_canon = DKIM_RELAXED;
    dkim_head_data(&b, &n, &s);
    CHECK_SL(buf_slice(&b), "from:x\r\ndkim-signature:v=1; b=;a=rsa-sha256;c=simple; d=e.test;s=s;h=from; "
                            "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    buf_free(&b);
    ar_free(&a);
}
