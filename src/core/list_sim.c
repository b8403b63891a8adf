/* list_sim.c - a letter to a distribution list, and the power cut at every step of its becoming letters to
 * all members: nobody is written to twice, nobody is left out, and that holds for those who come or go
 * meanwhile. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "config.h"
#include "directory/maillist.h"
#include "own_sim.h"
#include "queue/accept.h"
#include "queue/queue.h"
#include "sim/power.h"
#include "store/mailbox.h"

enum { FAR = 255 }; /* members elsewhere: more than a page of recipients */

struct world {
    struct power p;
    struct config conf;
    bool late; /* somebody was added and somebody removed, after the letter had come */
    unsigned seen[FAR + 1];
    size_t in_inbox;
};

static int open_core(struct core *core, struct world *w)
{
    return own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\n");
}

static struct slice far(struct arena *a, unsigned i) { return ar_printf(a, "m%u@d%u.test", i, i % 3); }

static int make_list(struct world *w, struct directory *d, struct arena *a)
{
    struct slice who[FAR + 1];
    size_t n;
    struct maillist l = {
        .address = SL("all@one.test"), .owner = SL("alice@one.test"), .hourly = MAILLIST_HOURLY};
    int e = domain_add(d, SL("one.test"));
    if (!e || e == ERR_EXISTS) e = account_add(d, SL("alice@one.test"), SL("secret"));
    if (!e || e == ERR_EXISTS) e = maillist_add(d, &l);
    if ((e && e != ERR_EXISTS) || w->late) return w->late ? 0 : e;
    for (unsigned i = 0; i < FAR; i++) who[i] = far(a, i);
    who[FAR] = SL("alice@one.test");
    return maillist_members_add(d, SL("all@one.test"), who, FAR + 1, &n);
}

/* Under an id that is always the same: whoever hands it over does not know whether it was taken. */
static int post(struct core *core, struct arena *a)
{
    static const char text[] = "From: carol@two.test\r\nSubject: to all\r\n\r\nbody\r\n";
    struct maillist l;
    struct letter_rcpt to = {.address = SL("all@one.test"), .route = {.local = true}};
    struct letter letter = {.id = {"0123456789abcdef"},
                            .sender = SL("carol@two.test"),
                            .rcpt = &to,
                            .nrcpt = 1,
                            .head_size = sizeof text - 7,
                            .received = rt_wall_seconds(),
                            .once = true};
    int e = maillist_get(core->store->directory, a, to.address, &l);
    if (e) return e;
    to.route.address = l.address;
    snprintf(to.route.account, sizeof to.route.account, "%s%s", MAILLIST_POST, l.id);
    e = body_put(core->store->body, BODY_QUEUE, sl_cstr(text), SL(""), &letter.body);
    return e ? e : accept_letter(core->queue, &letter);
}

static void later(void *arg, struct attempt_letter *at)
{
    (void)arg;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    for (size_t i = 0; i < at->nrcpt; i++) {
        at->rcpt[i].result = ATTEMPT_TEMPORARY;
        at->rcpt[i].code = 451;
        at->rcpt[i].reply = SL("451 later");
    }
}

static void take(void *arg, struct attempt_letter *at)
{
    struct world *w = arg;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    for (size_t i = 0; i < at->nrcpt; i++) {
        uint64_t n = FAR;
        struct slice a = at->rcpt[i].address;
        if (!num_u64(sl_sub(a, 1, sl_chr(a, '@')), FAR, &n)) n = FAR;
        w->seen[n]++;
        at->rcpt[i].result = ATTEMPT_DELIVERED;
        at->rcpt[i].code = 250;
        at->rcpt[i].reply = SL("250 ok");
    }
}

/* Once it is taken one goes and one comes: whoever is written to by a first half and a second one would see
 * two different lists. */
static int change_members(struct world *w, struct directory *d, struct arena *a)
{
    struct slice goes = far(a, 0), comes = far(a, FAR);
    size_t n;
    int e = maillist_members_remove(d, SL("all@one.test"), &goes, 1, &n);
    if (!e) e = maillist_members_add(d, SL("all@one.test"), &comes, 1, &n);
    w->late |= !e;
    return e;
}

static int distribute(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    int e = open_core(core, w);
    if (!e) e = make_list(w, core->store->directory, &a);
    if (!e) e = post(core, &a);
    if (!e) e = queue_start(core->queue, later, w);
    if (!e) e = fiber_sleep(60 * RT_S);
    if (!e) e = change_members(w, core->store->directory, &a);
    if (!e) e = post(core, &a);
    if (!e) e = fiber_sleep(60 * RT_S);
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
    int e = open_core(core, w);
    if (!e) e = queue_start(core->queue, take, w);
    if (!e) e = fiber_sleep(4 * 3600 * RT_S);
    if (!e) e = account_get(core->store->directory, &a, SL("alice@one.test"), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(core->store, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &a, &m,
                         &w->in_inbox);
    CHECK_OK(e);
    if (core->store) core_close(core);
    ar_free(&a);
    return 0;
}

static void begin(void *arg)
{
    struct world *w = arg;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
}

static void check(void *arg)
{
    const struct world *w = arg;
    CHECK(w->late);
    CHECK_INT(w->in_inbox, 1);
    unsigned bad = 0;
    for (unsigned i = 0; i < FAR; i++)
        if (w->seen[i] != 1) bad++;
    if (bad || w->seen[FAR])
        test_fail(__FILE__, __LINE__, "%u members were not written to just once, %u times who came later",
                  bad, w->seen[FAR]);
}

TEST(a_list_writes_to_each_member_once_wherever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .begin = begin,
                                              .work = distribute,
                                              .stock = take_stock,
                                              .check = check,
                                              .must_end = true,
                                              .sparse = 12,
                                              .least = 20});
}
