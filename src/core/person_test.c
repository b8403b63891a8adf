/* person_test.c - where a text names somebody, and where it names others. */
#include "base/test.h"
#include "person.h"

static struct person bob(bool tags)
{
    return (struct person){.address = SL("bob@two.test"),
                           .local = SL("bob"),
                           .escaped = SL("bob"),
                           .domain = SL("two.test"),
                           .swapped = SL("=two.test=bob"),
                           .tags = tags};
}

static void check_named(const struct person *p, struct slice text, const char *want)
{
    size_t at = 0, n = 0;
    bool named = person_in(p, text, &at, &n);
    CHECK_INT(named, *want != 0);
    if (named) CHECK_SL(sl_sub(text, at, at + n), want);
}

TEST(person_is_named_where_the_address_stands)
{
    static const struct {
        struct slice text;
        const char *want, *with_tags;
    } cases[] = {
        {SL_INIT("bob@two.test"), "bob@two.test", "bob@two.test"},
        {SL_INIT("550 <Bob@TWO.test>: no"), "Bob@TWO.test", "Bob@TWO.test"},
        {SL_INIT("smtp.mailfrom=bob@two.test."), "bob@two.test", "bob@two.test"},
        {SL_INIT("{\"to\":\"bob@two.test\"}"), "bob@two.test", "bob@two.test"},
        {SL_INIT("SRS0=aB3d=xy=two.test=bob@one.test"), "two.test=bob", "two.test=bob"},
        {SL_INIT("ann@one.test and bob@two.test"), "bob@two.test", "bob@two.test"},
        {SL_INIT("bob+news@two.test"), "", "bob+news@two.test"},
        {SL_INIT("jim.bob@two.test"), "", ""},
        {SL_INIT("jim-bob+x@two.test"), "", ""},
        {SL_INIT("bobby@two.test"), "", ""},
        {SL_INIT("bob@two.test.example"), "", ""},
        {SL_INIT("bob@two.testing"), "", ""},
        {SL_INIT("bob@two.test-x"), "", ""},
        {SL_INIT("bob@"), "", ""},
        {SL_INIT("@two.test"), "", ""},
        {SL_INIT(""), "", ""},
    };
    const struct person plain = bob(false), ours = bob(true);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_named(&plain, cases[i].text, cases[i].want);
        check_named(&ours, cases[i].text, cases[i].with_tags);
    }
}

TEST(person_is_named_in_quotes_as_text_and_json_have_them)
{
    const struct person p = {.local = SL("\"a b\""),
                             .escaped = SL("\\\"a b\\\""),
                             .domain = SL("x.test"),
                             .swapped = SL("=x.test=\"a b\"")};
    check_named(&p, SL("to <\"a b\"@x.test>"), "\"a b\"@x.test");
    check_named(&p, SL("{\"to\":\"\\\"a b\\\"@x.test\"}"), "\\\"a b\\\"@x.test");
    check_named(&p, SL("b@x.test"), "");
}

TEST(person_is_named_each_time)
{
    const struct person p = bob(false);
    const struct slice text = SL("bob@two.test, bob@two.testx, x=two.test=bob@a.test;bob@two.test");
    size_t at = 0, n = 0, times = 0;
    for (; person_in(&p, text, &at, &n); at += n) times++;
    CHECK_INT(times, 3);
}
