/* simulator_test.c - addresses that behave. */
#include "send_test.h"
#include "simulator.h"
#include "suppression.h"

TEST(simulator_knows_its_addresses)
{
    enum simulated what;
    struct slice host = SL("mail.one.test"), domain = SL("Simulator.mail.one.TEST");
    CHECK(simulator_is(host, SL("success"), domain, &what) && what == SIMULATED_SUCCESS);
    CHECK(simulator_is(host, SL("Complaint+a+b"), domain, &what) && what == SIMULATED_COMPLAINT);
    CHECK(simulator_is(host, SL("else"), domain, &what) && what == SIMULATED_NOBODY);
    CHECK(simulator_is(host, SL("+"), domain, &what) && what == SIMULATED_NOBODY);
    CHECK(!simulator_is(host, SL("success"), SL("simulator.one.test"), &what));
    CHECK(!simulator_is(host, SL("success"), SL("x.simulator.mail.one.test"), &what));
    CHECK(!simulator_is(host, SL("success"), host, &what));
}

TEST(simulator_has_one_address_that_is_suppressed)
{
    struct send_fixture x;
    enum send_reason why;
    if (!send_fixture_begin(&x)) return;
    struct suppression_ask ask = {.account = sl_cstr(x.account.id),
                                  .address = SL("suppressed+1@simulator.mail.one.test")};
    CHECK_OK(suppression_judge(x.s, &ask, &why));
    CHECK_INT(why, SEND_OUT_BOUNCED);
    ask.options = SEND_BYPASS_BOUNCES;
    CHECK_OK(suppression_judge(x.s, &ask, &why));
    CHECK_INT(why, SEND_OUT_NONE);
    ask = (struct suppression_ask){.account = ask.account, .address = SL("bounce@simulator.mail.one.test")};
    CHECK_OK(suppression_judge(x.s, &ask, &why));
    CHECK_INT(why, SEND_OUT_NONE);
    send_fixture_end(&x);
}
