/* limits_test.c - the shaping data, and what binds towards a host. */
#include "limits.h"

#include "base/test.h"

TEST(limits_of_the_program)
{
    struct shaping *s;
    struct shape_limits l;
    struct buf out = BUF_INIT;
    CHECK_OK(shaping_open(&s));
    REQUIRE(s);
    CHECK_INT(shaping_check(s, &out), 0);
    CHECK(shaping_sites(s) > 15);
    shaping_limits(s, SL("gmail-smtp-in.l.google.com."), &l);
    CHECK_SL(l.site, "google");
    CHECK_INT(l.v[SHAPE_CONNECTIONS].n, 5);
    CHECK_SL(l.v[SHAPE_RECIPIENTS].from, "default");
    shaping_limits(s, SL("mx.notgoogle.com"), &l);
    CHECK_SL(l.site, "default");
    shaping_limits(s, SL("eu-smtp-inbound-1.MIMECAST.com"), &l);
    CHECK(l.apart);
    buf_free(&out);
    shaping_close(&s);
}

static void wrong(const char *text, const char *sentence)
{
    struct shaping *s;
    CHECK_ERR(shaping_read(&s, sl_cstr(text)), ERR_SYNTAX);
    CHECK(s == NULL);
    if (sl_find(sl_cstr(err_text(ERR_SYNTAX)), sl_cstr(sentence)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err_text(ERR_SYNTAX), sentence);
}

#define DEFAULT                                                                                              \
    "default\nconnections 2 guessed\nletters 3 guessed\nrecipients 4 guessed\nrate 5 guessed\nopens 6 "      \
    "guessed\n"

TEST(limits_are_refused_with_their_line)
{
    wrong("", "no default");
    wrong("connections 2 guessed", "line 1 of the shaping: the default comes first");
    wrong("default\nconnections 2 guessed", "does not say \"letters\"");
    wrong(DEFAULT "site a\nhost a.test\nletters 5", "a source, or \"guessed\", is missing behind \"5\"");
    wrong(DEFAULT "site a\nhost a.test\nletters 0 guessed", "no number");
    wrong(DEFAULT "site a\nhost a.test\nconnections 10001 guessed", "no number");
    wrong(DEFAULT "site a\nletters 5 guessed", "no host is named for \"a\"");
    wrong(DEFAULT "speed 5 guessed", "line 7 of the shaping: this is not understood");
    wrong(DEFAULT "letters 5 guessed", "this stands twice");
}

TEST(limits_lint_names_a_host_that_comes_elsewhere)
{
    struct shaping *s;
    struct buf out = BUF_INIT;
    CHECK_OK(shaping_read(&s, SL(DEFAULT "site a\nhost a.test\nsite b\nhost c.test mx.a.test")));
    REQUIRE(s);
    CHECK_INT(shaping_check(s, &out), 1);
    CHECK(sl_find(buf_slice(&out), SL("site b: its host mx.a.test comes to a")) != SL_NONE);
    buf_free(&out);
    shaping_close(&s);
}
