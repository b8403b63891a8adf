/* worded_test.c - a corpus of reports in words: what each says of whom. */
#include "worded.h"

#include "base/test.h"

static const struct sample {
    const char *text;
    const char *address, *why, *enhanced;
    int code;
} corpus[] = {
    /* qmail 1.03 */
    {"Hi. This is the qmail-send program at mx.two.test.\r\nI'm afraid I wasn't able to deliver your message "
     "to the "
     "following addresses.\r\nThis is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n"
     "<bob@two.test>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n"
     "--- Below this line is a copy of the message.\r\n\r\n<other@two.test>:\r\nno\r\n",
     "bob@two.test", "Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1", 550},
    {"Hi. This is the qmail-send program at mx.two.test.\n\n<bob@two.test>:\n192.0.2.1 does not like "
     "recipient.\n"
     "Remote host said: 550 User unknown\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy of the "
     "message.\n",
     "bob@two.test",
     "192.0.2.1 does not like recipient. Remote host said: 550 User unknown Giving up on 192.0.2.1.", "",
     550},
    /* Exim 4 */
    {"This message was created automatically by mail delivery software.\r\n\r\nA message that you sent could "
     "not be "
     "delivered to one or more of its\r\nrecipients. This is a permanent error. The following address(es) "
     "failed:\r\n\r\n"
     "  bob@two.test\r\n    host mx.two.test [192.0.2.1]\r\n    SMTP error from remote mail server after "
     "RCPT "
     "TO:<bob@two.test>:\r\n    552 5.2.2 mailbox full\r\n\r\n------ This is a copy of the message, "
     "including all the "
     "headers. ------\r\n",
     "bob@two.test",
     "host mx.two.test [192.0.2.1] SMTP error from remote mail server after RCPT TO:<bob@two.test>: 552 "
     "5.2.2 mailbox "
     "full",
     "5.2.2", 552},
    {"A message that you sent could not be delivered to one or more of its\nrecipients.\n\n  bob@two.test\n  "
     "  Unrouteable "
     "address\n\n",
     "bob@two.test", "Unrouteable address", "", 550},
    /* Exchange 5.5 */
    {"Your message\r\n\r\n  To:      Bob\r\n  Subject: News\r\n\r\ndid not reach the following "
     "recipient(s):\r\n\r\n"
     "bob@two.test on Mon, 30 Nov 2026 10:00:00 -0000\r\n    The recipient name is not recognized\r\n"
     "    The MTS-ID of the original message is: c=us;a= ;p=two\r\n    MSEXCH:IMS:TWO:SITE:MX 0 (000C05A6) "
     "Unknown "
     "Recipient\r\n\r\n",
     "bob@two.test",
     "The recipient name is not recognized The MTS-ID of the original message is: c=us;a= ;p=two "
     "MSEXCH:IMS:TWO:SITE:MX 0 (000C05A6) Unknown Recipient",
     "", 550},
};

TEST(worded_reports_of_the_corpus)
{
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(corpus); i++) {
        struct slice list;
        struct worded w;
        REQUIRE(worded_begin(sl_cstr(corpus[i].text), &list));
        REQUIRE(worded_next(&a, &list, &w));
        CHECK_SL(w.address, corpus[i].address);
        CHECK_SL(w.why, corpus[i].why);
        CHECK_SL(w.enhanced, corpus[i].enhanced);
        CHECK_INT(w.code, corpus[i].code);
        CHECK(!worded_next(&a, &list, &w));
    }
    ar_free(&a);
}

TEST(worded_reports_are_nothing_else)
{
    struct arena a = {0};
    struct slice list = SL("");
    struct worded w;
    CHECK(!worded_begin(SL("I am away until Monday. Write to bob@two.test:\r\nthanks\r\n"), &list));
    CHECK(worded_begin(SL("did not reach the following recipient(s):\r\n\r\n@\r\na@\r\n@b\r\nTo: x\r\n\r\n"),
                       &list));
    CHECK(!worded_next(&a, &list, &w));
    CHECK(worded_begin(SL("did not reach the following recipient(s):"), &list));
    CHECK(!worded_next(&a, &list, &w));
    ar_free(&a);
}
