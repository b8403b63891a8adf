/* filter_test.c - what of an address can become syntax of a filter: nothing (RFC 4515 section 3). */
#include "base/test.h"
#include "people_i.h"
#include "people_test.h"

static bool becomes(const char *pattern, struct slice local, const char *expected)
{
    struct arena a;
    struct slice f;
    ar_init(&a, 0);
    int e = people_filter(&a, sl_cstr(pattern), local, SL("one.test"), &f);
    bool good = !e && sl_eq(f, sl_cstr(expected));
    if (!good) printf("%.*s\n", SLF(f));
    ar_free(&a);
    return good;
}

TEST(filter_holds_an_address_as_a_value)
{
    CHECK(becomes("(mail=%s)", SL("al-ice.b_c+d"), "(mail=al-ice.b_c+d@one.test)"));
    CHECK(becomes("(|(uid=%u)(alias=%u))", SL("al"), "(|(uid=al)(alias=al))"));
    CHECK(becomes("(&(uid=%u)(o=%d))", SL("al"), "(&(uid=al)(o=one.test))"));
    /* the characters of section 3, and everything else that is not plain */
    CHECK(becomes("(uid=%u)", SL("*"), "(uid=\\2a)"));
    CHECK(becomes("(uid=%u)", SL("a)(uid=*"), "(uid=a\\29\\28uid\\3d\\2a)"));
    CHECK(becomes("(uid=%u)", SL("a\\2a"), "(uid=a\\5c2a)"));
    CHECK(becomes("(uid=%u)", SL("a\0b"), "(uid=a\\00b)"));
    CHECK(becomes("(uid=%u)", SL("|&!~<>= "), "(uid=\\7c\\26\\21\\7e\\3c\\3e\\3d\\20)"));
    CHECK(becomes("(uid=%u)", SL("\xc3\xa9"), "(uid=\\c3\\a9)"));
    CHECK(becomes("(uid=%u)", SL("%s%u"), "(uid=\\25s\\25u)")); /* what was put in is not looked at again */
}

TEST(filter_has_an_end)
{
    struct arena a;
    struct slice f;
    char local[PEOPLE_FILTER_MAX];
    memset(local, 'x', sizeof local);
    ar_init(&a, 0);
    CHECK_ERR(people_filter(&a, SL("(mail=%s)"), sl(local, sizeof local), SL("one.test"), &f), ERR_TOO_LONG);
    ar_free(&a);
}

static int judge(const char *server, const char *filter)
{
    struct people_conf c = {.server = sl_cstr(server),
                            .base = SL("dc=test"),
                            .filter = sl_cstr(filter),
                            .address = SL("mail"),
                            .id = SL("entryUUID")};
    return people_check(&c);
}

TEST(people_settings_that_make_no_sense)
{
    static const char *const filters[] = {
        "",         "mail=%s", "(mail=%s",     "(mail=%s))", "(mail=%s)x", "(mail=%x)",     "(mail=%)",
        "(mail=x)", "(o=%d)",  "(a=%s)(b=%s)", ")mail=%s(",  "(mail=%s)(", "((mail=%s)))(("};
    static const char *const servers[] = {"",
                                          "ldap://",
                                          "http://x",
                                          "ldapi:///",
                                          "ldap:/x",
                                          "ldap://x/y",
                                          "ldap://x http://y",
                                          "ldaps://u@x",
                                          "ldap://x?",
                                          "LDAP://x.test",
                                          "ldap://x, ldap://y",
                                          " ",
                                          "ldap://a ldap://b ldap://c ldap://d ldap://e"};
    CHECK_OK(judge("ldap://127.0.0.1:389", "(&(mail=%s)(!(locked=TRUE)))"));
    CHECK_OK(judge("ldaps://ldap.one.test", "(uid=%u)"));
    CHECK_OK(judge("ldaps://a.test  ldaps://b.test ldap://c.test:389 ldap://d ", "(uid=%u)"));
    CHECK_OK(judge("ldaps://[2001:db8::1]:636", "(cn=\\28%u)"));
    for (size_t i = 0; i < COUNT_OF(filters); i++) CHECK_ERR(judge("ldap://x.test", filters[i]), ERR_SYNTAX);
    for (size_t i = 0; i < COUNT_OF(servers); i++) CHECK_ERR(judge(servers[i], "(mail=%s)"), ERR_SYNTAX);
}

TEST(people_are_asked_in_clear_on_this_machine_only)
{
    static const char *const far[] = {"ldap://127.example.org",    "ldap://192.0.2.1",
                                      "ldap://localhost.test",     "ldap://[2001:db8::1]:389",
                                      "ldap://127.0.0.1.test:389", "ldap://::1"};
    CHECK(people_is_near(SL("ldap://127.0.0.1")) && people_is_near(SL("ldap://127.9.8.7:389")));
    CHECK(people_is_near(SL("ldap://[::1]")) && people_is_near(SL("ldap://[::1]:1389")));
    for (size_t i = 0; i < COUNT_OF(far); i++) CHECK(!people_is_near(sl_cstr(far[i])));
}
