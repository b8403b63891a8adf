/* take_sim.c - letters of our own in the simulator: the power goes at every durable step of a letter_take,
 * which is repeated under the same id; there is one letter. */
#include "base/test.h"
#include "config.h"
#include "intake/intake.h"
#include "own_sim.h"
#include "queue/queue.h"
#include "sim/power.h"
#include "store/mailbox.h"

static const char *const to[] = {"alice@one.test", "bob@two.test", "both@one.test"};

struct world {
    struct power p;
    struct config conf;
    struct letter_id id[COUNT_OF(to)];
    bool taken[COUNT_OF(to)];
    size_t in_inbox, in_queue, recipients;
};

static int open_core(struct core *core, struct world *w)
{
    return own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\n");
}

static int people(struct directory *d)
{
    struct slice both[] = {SL("alice@one.test"), SL("bob@two.test")};
    int e = domain_add(d, SL("one.test"));
    if (!e || e == ERR_EXISTS) e = account_add(d, SL("alice@one.test"), SL("secret"));
    if (!e || e == ERR_EXISTS) e = alias_add(d, SL("both@one.test"), both, 2);
    return e == ERR_EXISTS ? 0 : e;
}

/* Each letter twice, as by a step that does not know that it was done; made anew, with another date. */
static int make_letters(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    int e = open_core(core, w);
    if (!e) e = people(core->store->directory);
    for (size_t i = 0; !e && i < 2 * COUNT_OF(to); i++) {
        struct letter_own own = {
            .id = w->id[i / 2], .to = sl_cstr(to[i / 2]), .what = SL("a letter of the test")};
        own.text =
            ar_printf(&a, "From: mailer-daemon@one.test\r\nSubject: t\r\nX-Made: %lld\r\n\r\nHello\r\n",
                      (long long)rt_now());
        e = intake_take(core->intake, &own);
        w->taken[i / 2] |= !e;
        if (!e) e = fiber_sleep(RT_S);
    }
    if (core->store) core_close(core);
    ar_free(&a);
    return e;
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct account acc;
    struct mailbox box;
    struct message *m;
    struct queue_stats st = {0};
    int e = open_core(core, w);
    if (!e) e = account_get(core->store->directory, &a, SL("alice@one.test"), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(core->store, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &a, &m,
                         &w->in_inbox);
    if (!e) e = queue_stats(core->queue, &st);
    CHECK_OK(e);
    w->in_queue = st.letters, w->recipients = st.recipients;
    if (core->store) core_close(core);
    ar_free(&a);
    return 0;
}

static void begin(void *arg)
{
    struct world *w = arg;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        w->id[i] = (struct letter_id){"0123456789abcdef"};
        w->id[i].s[LETTER_ID_LEN - 1] = (char)('0' + i);
    }
}

static void check(void *arg)
{
    const struct world *w = arg;
    for (size_t i = 0; i < COUNT_OF(to); i++) CHECK(w->taken[i]);
    if (w->in_inbox != 1 || w->in_queue != 2 || w->recipients != 3)
        test_fail(__FILE__, __LINE__, "%zu in the inbox, %zu in the queue for %zu", w->in_inbox, w->in_queue,
                  w->recipients);
}

TEST(a_letter_of_our_own_that_is_made_again_after_a_power_cut_is_one)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .begin = begin,
                                              .work = make_letters,
                                              .stock = take_stock,
                                              .check = check,
                                              .must_end = true,
                                              .least = 10});
}
