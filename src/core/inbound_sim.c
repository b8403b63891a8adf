/* inbound_sim.c - mail that is handed to URLs in the simulator: receivers that are down, and the
 * power cut at every durable step. Each letter is taken by its receiver, filed in the end, or back with its
 * sender. */
#include <stdio.h>

#include "base/test.h"
#include "config.h"
#include "fetch/fetch.h"
#include "intake/intake.h"
#include "own_sim.h"
#include "queue/letter.h"
#include "queue/queue.h"
#include "send/inbound.h"
#include "sim/power.h"
#include "store/mailbox.h"

enum { DOWN_S = 1800, LIFETIME_S = 7200, LETTERS = 3 };
static const char *const to[LETTERS] = {"any@up.test", "box@one.test", "never@one.test"};

struct world {
    struct power p;
    struct config conf;
    struct letter_id id[LETTERS];
    int64_t begun;
    size_t calls[LETTERS], taken;
    char name[200]; /* of the delivery that is taken in the end */
    size_t filed, left;
};

static struct slice name_of(const struct fetch_call *c)
{
    for (size_t i = 0; i < c->request->nfield; i++)
        if (sl_eq(c->request->field[i].name, SL("X-Tram-Delivery"))) return c->request->field[i].value;
    return SL("");
}

/* The first one is down for half an hour, the others for ever. */
static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    struct slice name = name_of(c);
    size_t n = 0;
    while (n < LETTERS && sl_find(c->request->body, sl_cstr(to[n])) == SL_NONE) n++;
    CHECK(n < LETTERS && name.n);
    if (n == LETTERS) return ERR_USAGE;
    w->calls[n]++;
    if (n == 1) return err_set(ERR_TIMEOUT, "hook.test is silent");
    out->status = n == 0 && rt_wall_seconds() - w->begun > DOWN_S ? 204 : 500;
    if (n) return 0;
    CHECK(!*w->name || sl_eq(name, sl_cstr(w->name)));
    snprintf(w->name, sizeof w->name, "%.*s", SLF(name));
    w->taken += out->status == 204;
    return 0;
}

static int open_core(struct core *core, struct world *w)
{
    int e = own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\nhook.test. IN A 192.0.2.9\n");
    if (e) return e;
    core->fetch->conf.transfer = transfer;
    core->fetch->conf.transfer_arg = w;
    return 0;
}

static int there(int e) { return e == ERR_EXISTS ? 0 : e; }

static int hook(struct core *core, struct arena *a, const char *name, bool mailbox)
{
    struct account acc;
    struct slice key;
    int e = account_get(core->store->directory, a, SL("alice@one.test"), &acc);
    struct inbound in = {
        .name = sl_cstr(name), .url = SL("https://hook.test/"), .mailbox = mailbox, .given = true};
    in.account = sl_cstr(acc.id);
    return there(e ? e : inbound_add(core->sends, &in, a, &key));
}

static int people(struct core *core, struct arena *a)
{
    struct directory *d = core->store->directory;
    int e = there(domain_add(d, SL("one.test")));
    if (!e) e = there(domain_add(d, SL("up.test")));
    if (!e) e = there(account_add(d, SL("alice@one.test"), SL("secret")));
    if (!e) e = hook(core, a, "up.test", false);
    if (!e) e = hook(core, a, "box@one.test", true);
    return e ? e : hook(core, a, "never@one.test", false);
}

static void no_relay(void *ctx, struct attempt_letter *at)
{
    (void)ctx;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].reply = SL("nothing leaves");
}

static int work(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct queue_stats st = {.letters = 1};
    if (!w->begun) w->begun = rt_wall_seconds();
    int e = open_core(core, w);
    if (!e) e = people(core, &a);
    for (size_t i = 0; !e && i < LETTERS; i++)
        e = intake_take(core->intake, &(struct letter_own){
                                          .id = w->id[i],
                                          .sender = SL("alice@one.test"),
                                          .to = sl_cstr(to[i]),
                                          .what = SL("a letter of the test"),
                                          .text = SL("From: alice@one.test\r\nSubject: t\r\n\r\nHello\r\n")});
    if (!e) e = queue_start(core->queue, no_relay, NULL);
    for (int n = 0; !e && st.letters && n < 20; n++) {
        e = fiber_sleep(600 * RT_S);
        if (!e) e = queue_stats(core->queue, &st);
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
    size_t n = 0;
    struct queue_stats st = {0};
    int e = open_core(core, w);
    if (!e) e = account_get(core->store->directory, &a, SL("alice@one.test"), &acc);
    if (!e) e = mailbox_find(core->store, acc.id, SL("INBOX"), &a, &box);
    struct mailbox_ref ref = {.account = acc.id, .box = box.id};
    if (!e) e = message_list(core->store, ref, 1, 1000, &a, &m, &n);
    w->filed = n;
    if (!e) e = queue_stats(core->queue, &st);
    CHECK_OK(e);
    w->left = st.letters;
    if (core->store) core_close(core);
    ar_free(&a);
    return 0;
}

static void begin(void *arg)
{
    struct world *w = arg;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
    w->conf.webhook_private = true;
    w->conf.queue_delay_warning_s = -1;
    w->conf.queue_lifetime_s = LIFETIME_S;
    w->conf.queue_retry_most_s = 600;
    for (size_t i = 0; i < LETTERS; i++) {
        w->id[i] = (struct letter_id){"0123456789abcdef"};
        w->id[i].s[LETTER_ID_LEN - 1] = (char)('0' + i);
    }
}

static void check(void *arg)
{
    const struct world *w = arg;
    CHECK(w->taken >= 1 &&
          w->taken <= 1 + w->p.cuts); /* twice where the power went before it was written down */
    CHECK(w->calls[1] > 5 && w->calls[2] > w->calls[1]);
    CHECK_INT(w->filed, 1);
    CHECK_INT(w->left, 0);
}

TEST(mail_for_webhooks_is_taken_or_filed_whatever_is_down)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .begin = begin,
                                              .work = work,
                                              .stock = take_stock,
                                              .check = check,
                                              .must_end = true,
                                              .least = 20,
                                              .sparse = 1});
}
