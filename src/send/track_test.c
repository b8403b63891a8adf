/* track_test.c - links of HTML replaced; tokens that only this node makes. */
#include "base/test.h"
#include "base/text.h"
#include "send_test.h"
#include "track.h"
#include "track_html.h"

static struct slice mark(void *arg, struct arena *a, struct slice url)
{
    (void)arg;
    return sl_starts(url, SL("https://own/")) ? SL("") : ar_printf(a, "T(%.*s)", SLF(url));
}

TEST(track_html)
{
    static const struct {
        const char *html, *out;
    } cases[] = {
        {"<a href=\"http://x.test/?a=1&amp;b=2\">x</a>", "<a href=\"T(http://x.test/?a=1&b=2)\">x</a>#"},
        {"<A CLASS=b HREF='https://x.test/'>", "<A CLASS=b HREF=\"T(https://x.test/)\">#"},
        {"<a href=http://x.test/y>z", "<a href=\"T(http://x.test/y)\">z#"},
        {"<a\nhref = \" http://x.test/ \"\n>", "<a\nhref = \"T(http://x.test/)\"\n>#"},
        {"<a href=\"http://x/&amp;amp;\">", "<a href=\"T(http://x/&amp;)\">#"}, /* once */
        {"<a href=\"http://x/&#13;y\">", NULL},
        {"<a href=\"mailto:a@b\"><a href=\"javascript:x\"><a href=\"/y\"><a href='#z'>", NULL},
        {"<a href=\"https://own/u/x\">", NULL},
        {"<a href=\"http://x/ y\"><a href=\"http://x/\xc3\xa9\"><a href=''><a href>", NULL},
        {"<a clicktracking=\"off\" href=\"http://x/\">", "<a href=\"http://x/\">#"},
        {"<a href=\"http://x/\" clicktracking=off>", "<a href=\"http://x/\">#"},
        {"<a href=\"http://x/\" clicktracking=on title=y>", "<a href=\"T(http://x/)\" title=y>#"},
        {"<!-- <a href=\"http://x/\"> --><style>a:before{content:'<a href=http://x>'}</style>", NULL},
        {"<img alt=\"<a href='http://x/'>\"><abbr href=http://x><a name=href>", NULL},
        {"<html><body><area href=http://x></body></html>",
         "<html><body><area href=\"T(http://x)\">#</body></html>"},
        {"<a href=\"http://x/", "<a href=\"T(http://x/)\"#"},
        {"<", NULL},
        {"<!--", NULL},
        {"<script><a href=http://x>", NULL},
        {"<a =\"\" / href=\"http://x/\"/>", "<a =\"\" / href=\"T(http://x/)\"/>#"},
        {"", NULL},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice in = sl_cstr(cases[i].html);
        struct slice want = cases[i].out ? sl_cstr(cases[i].out) : ar_cat(&a, in, SL("#"));
        CHECK_SL(track_html(&a, in, SL("#"), mark, NULL), want.p);
    }
    ar_free(&a);
}

TEST(track_html_is_bounded)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    for (int i = 0; i < TRACK_LINKS_MAX + 9; i++) buf_str(&b, "<a href=http://x>");
    struct slice out = track_html(&a, buf_slice(&b), SL(""), mark, NULL);
    size_t n = 0;
    for (size_t at = 0; (at = sl_find(out, SL("T("))) != SL_NONE; n++) out = sl_from(out, at + 2);
    CHECK_INT(n, TRACK_LINKS_MAX);
    buf_clear(&b);
    for (int i = 0; i < 200000; i++) buf_str(&b, i % 2 ? "<!-" : "<a '</");
    CHECK_INT(track_html(&a, buf_slice(&b), SL(""), mark, NULL).n, b.n);
    buf_free(&b);
    ar_free(&a);
}

TEST(track_tokens_are_made_here_only)
{
    struct send_fixture x;
    struct track t = {.page = 3, .number = 7}, back;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct send_head h = {.options = SEND_TRACK_CLICKS | SEND_TRACK_OPENS};
    struct compose c = {.html = SL("<a href=\"http://x.test/?a=1&amp;b\">x</a>")};
    letter_id_new(&t.send);
    struct slice site = x.s->site;
    x.s->site = SL("mail.one.test");
    track_put(x.s, a, &h, &t, x.s->site, &c);
    x.s->site = site;
    CHECK(sl_find(c.text, SL("http://x.test/?a=1&b")) != SL_NONE);
    CHECK(sl_find(c.html, SL("x.test")) == SL_NONE);
    CHECK(sl_find(c.html, SL("/e/o/")) != SL_NONE);
    size_t at = sl_find(c.html, SL("/e/c/"));
    REQUIRE(at != SL_NONE);
    struct slice token = sl_from(c.html, at + 5);
    token = sl_sub(token, 0, sl_chr(token, '"'));
    CHECK(track_parse(x.s, a, token, &back));
    CHECK_SL(back.url, "http://x.test/?a=1&b");
    CHECK_INT(back.number, 7);
    for (size_t i = 0; i < token.n; i++) {
        struct slice other = ar_dup(a, token);
        ((char *)other.p)[i] = other.p[i] == 'x' ? 'y' : 'x';
        if (track_parse(x.s, a, other, &back)) CHECK_SL(back.url, "http://x.test/?a=1&b"); /* unused bits */
    }
    struct slice text;
    REQUIRE(b64url_decode_ar(a, token, &text) == 0);
    const struct slice more[] = {SL("@y.test/"), sl("\0", 1), sl("\0@y.test/", 9), sl("\0\0", 2)};
    for (size_t i = 0; i < COUNT_OF(more); i++)
        CHECK(!track_parse(x.s, a, b64url_encode_ar(a, ar_cat(a, text, more[i])), &back));
    send_fixture_end(&x);
}
