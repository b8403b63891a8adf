/* srs_test.c - return paths of what is sent on, and back again. */
#include "srs.h"

#include "directory/directory_test.h"
#include "mail/addr.h"

TEST(srs_there_and_back)
{
    static const char *const senders[] = {"bob@far.test", "Bob+tag@far.test", "a=b@far.test",
                                          "\"odd one\"@far.test"};
    struct arena a = {0};
    struct dir_fixture w;
    REQUIRE(dir_fixture_begin(&w));
    CHECK_OK(domain_add(w.dir, SL("one.test")));
    struct srs s = {.directory = w.dir, .domain = SL("one.test"), .key = {7}}, other = s;
    struct slice out, local, domain, back;
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        srs_forward(&s, &a, sl_cstr(senders[i]), &out);
        CHECK_OK(mail_addr_split(&a, out, &local, &domain));
        CHECK(sl_starts(local, SL("SRS0=")) && sl_eq(domain, SL("one.test")));
        CHECK_OK(srs_back(&s, &a, local, &back));
        CHECK_SL(back, senders[i]);
        other.key[0] = 8;
        CHECK_ERR(srs_back(&other, &a, local, &back), ERR_DENIED);
    }
    /* ours, nobody, an address, one that is too long: as they are */
    static const char *const kept[] = {"al@one.test", "", "x@[192.0.2.1]",
                                       "a.very.long.local.part.of.a.sender@a.long.domain.of.somebody.test"};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        srs_forward(&s, &a, sl_cstr(kept[i]), &out);
        CHECK_SL(out, kept[i]);
    }
    ar_free(&a);
    dir_fixture_end(&w);
}

/* A second forwarder's address leads back to the first one, whoever comes after. */
TEST(srs_of_several_forwarders)
{
    struct arena a = {0};
    struct dir_fixture w;
    REQUIRE(dir_fixture_begin(&w));
    struct srs one = {.directory = w.dir, .domain = SL("one.test"), .key = {1}},
               two = {.directory = w.dir, .domain = SL("two.test"), .key = {2}},
               three = {.directory = w.dir, .domain = SL("3.test"), .key = {3}};
    struct slice first, second, third, local, domain, back;
    srs_forward(&one, &a, SL("bob@far.test"), &first);
    srs_forward(&two, &a, first, &second);
    CHECK(sl_starts(second, SL("SRS1=")) && sl_ends(second, SL("@two.test")));
    srs_forward(&three, &a, second, &third);
    CHECK(sl_starts(third, SL("SRS1=")) && sl_ends(third, SL("@3.test")));
    CHECK_OK(mail_addr_split(&a, third, &local, &domain));
    CHECK_OK(srs_back(&three, &a, local, &back));
    CHECK(sl_eq(back, first));
    CHECK_OK(mail_addr_split(&a, first, &local, &domain));
    CHECK_OK(srs_back(&one, &a, local, &back));
    CHECK_SL(back, "bob@far.test");
    ar_free(&a);
    dir_fixture_end(&w);
}

TEST(srs_refuses_what_it_did_not_make)
{
    static const char *const bad[] = {"SRS0=",
                                      "SRS0=aaaaaa",
                                      "SRS0=aaaaaa=aa=far.test=bob",
                                      "SRS0==aa=far.test=bob",
                                      "SRS1=aaaaaa=two.test=x",
                                      "srs0+aaaaaa"};
    struct arena a = {0};
    struct srs s = {.domain = SL("one.test"), .key = {7}};
    struct slice back;
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK(srs_back(&s, &a, sl_cstr(bad[i]), &back) < 0);
    CHECK_ERR(srs_back(&s, &a, SL("bob"), &back), ERR_NOT_FOUND);
    CHECK_ERR(srs_back(&s, &a, SL("SRS0x"), &back), ERR_NOT_FOUND);
    ar_free(&a);
}
