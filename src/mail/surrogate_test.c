/* surrogate_test.c - header sections in UTF-8 as they are shown to programs that know no such thing. */
#include "surrogate.h"

#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "mime.h"

static struct arena a;

/* What becomes of one header section that begins at `at`. */
static struct slice surrogate(struct slice head, bool all, size_t step, size_t *patches)
{
    struct mail_surrogate x;
    struct buf out = BUF_INIT;
    const uint64_t at = 1000;
    uint64_t pos = at;
    mail_surrogate_begin(&x, &a, all);
    mail_surrogate_head(&x, at);
    for (size_t i = 0; i < head.n; i += step) mail_surrogate_next(&x, sl_sub(head, i, i + step));
    mail_surrogate_head_end(&x);
    mail_surrogate_end(&x);
    for (size_t i = 0; i < x.n; i++) {
        CHECK(x.patch[i].from >= pos && x.patch[i].to > x.patch[i].from);
        buf_put(&out, sl_sub(head, pos - at, x.patch[i].from - at));
        buf_put(&out, x.patch[i].text);
        pos = x.patch[i].to;
    }
    buf_put(&out, sl_from(head, pos - at));
    if (patches) *patches = x.n;
    struct slice s = ar_dup(&a, buf_slice(&out));
    buf_free(&out);
    return s;
}

struct pair {
    const char *from, *to;
};

static void check(bool all, const struct pair *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t step = 1; step < 600; step = step * 3 + 1) {
            struct slice got = surrogate(sl_cstr(v[i].from), all, step, NULL);
            if (!sl_eq(got, sl_cstr(v[i].to)))
                test_fail(__FILE__, __LINE__, "case %zu, step %zu: got\n%.*s", i, step, SLF(got));
        }
}

TEST(surrogate_of_each_field)
{
    static const struct pair v[] = {
        {"Subject: x\r\nX-A: b\r\n c\r\n\r\n", "Subject: x\r\nX-A: b\r\n c\r\n\r\n"},
        /* RFC 6858 section 2.3; words that are encoded already stay words */
        {"Subject: Gr\xc3\xbc\xc3\x9f\r\n\r\n", "Subject: =?utf-8?b?R3LDvMOf?=\r\n\r\n"},
        {"subject : =?utf-8?q?=c3=a4?=\r\n \xc3\xb6\r\n\r\n", "subject: =?utf-8?b?w6Qgw7Y=?=\r\n\r\n"},
        /* section 2.1: the address itself, the name alone, a group, the rest of the list */
        {"From: Fred Foo <fred@\xc3\xa9.test>\r\n", "From: =?utf-8?q?Fred_Foo_fred=40=C3=A9=2Etest?=\r\n "
                                                    "<invalid@internationalized-address.invalid>\r\n"},
        {"To: J\xc3\xb6rg <j@a.test>, b@a.test\r\n", "To: =?utf-8?q?J=C3=B6rg?= <j@a.test>, b@a.test\r\n"},
        {"Cc: G: \xc3\xb6@a.test, b@a.test;, c@a.test\r\n",
         "Cc: G: =?utf-8?q?=C3=B6=40a=2Etest?=\r\n <invalid@internationalized-address.invalid>, b@a.test;, "
         "c@a.test\r\n"},
        {"Return-Path: <\xc3\xb6@a.test>\r\n",
         "Return-Path: <invalid@internationalized-address.invalid>\r\n"},
        /* section 2.2 */
        {"Content-Disposition: attachment; filename=\"\xc3\xb6 \\\"1;2\\\".txt\"; size=3\r\n",
         "Content-Disposition: attachment; filename*=utf-8''%C3%B6%20%221%3B2%22.txt;\r\n size=3\r\n"},
        {"Content-Type: text/plain; charset=utf-8; na\xc3\xb6me=x; name*0=\xc3\xb6\r\n",
         "Content-Type: text/plain; charset=utf-8\r\n"},
        {"Content-Type: text/pl\xc3\xa4in; charset=utf-8\r\nA: b\r\n", "A: b\r\n"},
        /* section 2.4: all else is left out, with its lines */
        {"A: b\r\nX-B: \xc3\xb6\r\n c\r\n d\r\nReceived: \xc3\xb6\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n"},
        {"X: a\r\n \xc3\xb6\r\n", ""},
        {"\xc3\xb6: a\r\nB: c\r\n", "B: c\r\n"},
    };
    ar_init(&a, 0);
    check(false, v, COUNT_OF(v));
    check(true, v, COUNT_OF(v));
    ar_free(&a);
}

/* Which charset that is nobody says. */
TEST(surrogate_of_what_is_no_utf8)
{
    static const struct pair as_it_is[] = {
        {"Subject: Gr\xfc\xdf\r\nFrom: \xc3\xb6@a.test\r\nX: \xfc\r\n\r\n",
         "Subject: Gr\xfc\xdf\r\nFrom: =?utf-8?q?=C3=B6=40a=2Etest?=\r\n "
         "<invalid@internationalized-address.invalid>\r\nX: \xfc\r\n\r\n"},
    };
    static const struct pair all[] = {
        {"Subject: Gr\xfc\xdf\r\nX: \xfc\r\n\r\n", "Subject: =?unknown-8bit?B?R3L83w==?=\r\n\r\n"},
        {"To: M\xfcller <m@a.test>\r\n", "To: =?utf-8?q?M=EF=BF=BDller?= <m@a.test>\r\n"},
    };
    ar_init(&a, 0);
    check(false, as_it_is, COUNT_OF(as_it_is));
    check(true, all, COUNT_OF(all));
    ar_free(&a);
}

/* Whatever is sent: within the limits, in ASCII. */
TEST(surrogate_is_bounded)
{
    struct buf b = BUF_INIT;
    size_t n;
    ar_init(&a, 0);
    for (int i = 0; i < MAIL_SURROGATE_PATCHES_MAX + 5000; i++) buf_str(&b, "X: \xc3\xb6\r\nA: b\r\n");
    struct slice s = surrogate(buf_slice(&b), true, 4096, &n);
    CHECK(is_ascii(s) && n == MAIL_SURROGATE_PATCHES_MAX + 1);
    buf_clear(&b);
    buf_str(&b, "A: b\r\nTo: ");
    for (int i = 0; i < 10000; i++) buf_printf(&b, "\xc3\xb6%d@a.test,\r\n ", i);
    buf_str(&b, "c@a.test\r\n\r\n");
    s = surrogate(buf_slice(&b), true, 4096, &n);
    CHECK(is_ascii(s) && n == 1 && sl_find(s, SL("=409999=")) == SL_NONE);
    CHECK(sl_find(s, SL("internationalized-address")) != SL_NONE);
    buf_clear(&b);
    buf_str(&b, "Subject: "); /* longer than any field */
    for (int i = 0; i < 700000; i++) buf_str(&b, "\xc3\xb6");
    buf_str(&b, "\r\nA: b\r\n\r\n");
    CHECK(sl_eq(surrogate(buf_slice(&b), false, 4096, &n), SL("A: b\r\n\r\n")));
    buf_clear(&b);
    for (int k = 0; k < 10; k++) { /* together more than may be kept */
        buf_str(&b, "Subject: ");
        for (int i = 0; i < 200000; i++) buf_str(&b, "\xc3\xb6");
        buf_str(&b, "\r\n");
    }
    s = surrogate(buf_slice(&b), false, 4096, &n);
    CHECK(is_ascii(s) && s.n <= MAIL_SURROGATE_TEXT_MAX && s.n > MAIL_SURROGATE_TEXT_MAX / 4);
    buf_free(&b);
    ar_free(&a);
}
