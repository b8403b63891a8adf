/* rescue_sim.c - power cuts at every durable step of writing images, with sweeps in between; then the index
 * is lost: what was acknowledged comes back from images and younger bodies, once. */
#include "rescue.h"

#include <stdio.h>

#include "base/test.h"
#include "care.h"
#include "origin.h"
#include "rt/file.h"
#include "sim/power.h"

enum { ROUNDS = 3, EACH = 3, LETTERS = ROUNDS * EACH, BOX = 1 };

struct world {
    struct power p;
    struct store *s;
    char acc[20];
    bool imaged;
    bool acked[LETTERS], kept[LETTERS];    /* kept: an image that is done has it */
    bool expunged[LETTERS], away[LETTERS]; /* away: an image that is done was made after that */
    uint32_t uid[LETTERS];
    uint32_t validity, uidnext; /* the highest that somebody was told */
    int at;                     /* letters that came */
    bool unswept, cut;          /* the bodies of what was expunged stay; the power is cut */
};

static int open_store(struct world *w, const char *index)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    int e = kv_mem_open(&kv, index);
    if (e == 0) e = body_open(&b, "bodies", w->unswept ? 1 << 20 : 3000);
    if (e == 0) return store_open(&w->s, kv, b); /* takes both over */
    kv_close(&kv);
    return e;
}

static int set_up(void *arg)
{
    struct world *w = arg;
    struct account acc = {0};
    struct arena a;
    ar_init(&a, 0);
    int e = open_store(w, "index.log");
    if (e == 0) e = domain_add(w->s->directory, SL("one.test"));
    if (e == 0) e = dkim_key_add(w->s->directory, SL("one.test"), SL("key"), KEY_ED25519, DKIM_KEY_ACTIVE);
    if (e == 0) e = account_add(w->s->directory, SL("a@one.test"), SL("secret"));
    if (e == 0) e = account_get(w->s->directory, &a, SL("a@one.test"), &acc);
    snprintf(w->acc, sizeof w->acc, "%s", acc.id);
    CHECK_OK(e);
    ar_free(&a);
    store_close(&w->s);
    return e;
}

static int append(struct world *w, int i)
{
    char text[1000];
    struct arena a;
    struct mailbox box;
    struct buf origin = BUF_INIT;
    struct message_new m = {.internal_date = 1700000000 + i};
    size_t n = (size_t)snprintf(text, sizeof text, "letter %d %0*d", i, i * 80 + 1, i);
    ar_init(&a, 0);
    m.size = n;
    int e = mailbox_get(w->s, w->acc, BOX, &a, &box);
    if (e == 0) e = origin_message(&origin, w->acc, &box, &m);
    if (e == 0) e = body_put(w->s->body, BODY_MAIL, sl(text, n), buf_slice(&origin), &m.body);
    if (e == 0) {
        e = message_append(w->s, (struct mailbox_ref){.account = w->acc, .box = BOX}, &m, 1, &w->validity,
                           &w->uid[i]);
        body_unpin(w->s->body, &m.body);
    }
    if (e == 0 && w->uid[i] >= w->uidnext) w->uidnext = w->uid[i] + 1;
    buf_free(&origin);
    ar_free(&a);
    return e;
}

static int make_images(struct world *w)
{
    struct images_report images;
    struct sweep_report swept;
    bool acked[LETTERS], expunged[LETTERS];
    memcpy(acked, w->acked, sizeof acked);
    memcpy(expunged, w->expunged, sizeof expunged);
    int e = images_write(w->s, IMAGES_OF_ALL, false, &images);
    if (e) return e;
    w->imaged = true;
    memcpy(w->kept, acked, sizeof acked);
    memcpy(w->away, expunged, sizeof expunged);
    return w->unswept ? 0 : store_sweep(w->s, NULL, 0, 0, &swept);
}

static int expunge(struct world *w, int i)
{
    int e = message_expunge(w->s, (struct mailbox_ref){.account = w->acc, .box = BOX},
                            (struct uids){&w->uid[i], 1}, false, NULL, NULL);
    w->expunged[i] = e == 0;
    return e;
}

static int work(void *arg)
{
    struct world *w = arg;
    int e = open_store(w, "index.log");
    for (int r = 0; e == 0 && r < ROUNDS; r++) {
        for (int i = r * EACH; e == 0 && i < (r + 1) * EACH; i++) {
            e = append(w, i);
            w->acked[i] = e == 0;
        }
        if (e == 0) e = make_images(w);
        if (e == 0) e = expunge(w, r * EACH);
    }
    if (e == 0) e = make_images(w);
    store_close(&w->s);
    return e;
}

/* ---- the index is gone ---- */

static int no_letter(void *ctx, const struct rescue_letter *l)
{
    (void)ctx, (void)l;
    return ERR_CORRUPT;
}

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static int letter_number(struct world *w, struct arena *a, const struct message *m)
{
    struct slice text = {0};
    CHECK_OK(body_get(w->s->body, &m->body, SIZE_MAX, a, &text));
    int i = text.n > 7 ? text.p[7] - '0' : -1;
    CHECK(i >= 0 && i < LETTERS);
    return i;
}

/* image: the account had one; else it is a new one with new numbers. */
static void look_at_messages(struct world *w, struct arena *a, bool image)
{
    struct message *m;
    struct mailbox box = {0};
    size_t n;
    bool there[LETTERS] = {false};
    CHECK_OK(mailbox_get(w->s, w->acc, BOX, a, &box));
    CHECK(!image || !w->validity || box.uidvalidity == w->validity);
    CHECK(!image || box.uidnext >= w->uidnext);
    CHECK_OK(message_list(w->s, (struct mailbox_ref){.account = w->acc, .box = BOX}, 1, 1000, a, &m, &n));
    for (size_t k = 0; k < n; k++) {
        int i = letter_number(w, a, &m[k]);
        if (i < 0 || i >= LETTERS) continue;
        CHECK(!there[i] && !w->away[i] && m[k].internal_date == 1700000000 + i);
        CHECK(!w->kept[i] || m[k].uid == w->uid[i]);
        CHECK(!image || m[k].uid == w->uid[i] ||
              m[k].uid >= w->uidnext); /* a UID never means another message */
        there[i] = true;
    }
    for (int i = 0; i < LETTERS; i++) CHECK(there[i] || !w->acked[i] || w->expunged[i]);
}

static int look(void *arg)
{
    struct world *w = arg;
    struct rescue_conf conf = {.queued_s = 86400, .letter = no_letter};
    struct rescue_report report;
    struct account acc;
    struct arena a;
    ar_init(&a, 0);
    int e = open_store(w, "again.log");
    CHECK_OK(e);
    if (e == 0) e = rescue_index(w->s, &conf, &a, &report);
    if (e == ERR_NOT_FOUND) CHECK(!w->imaged);
    else CHECK_OK(e);
    store_close(&w->s);
    if (e == 0) {
        CHECK_OK(open_store(w, "again.log"));
        CHECK_OK(account_get(w->s->directory, &a, SL("a@one.test"), &acc));
        CHECK(strcmp(acc.id, w->acc) == 0 && report.rows_lost == 0);
        look_at_messages(w, &a, report.account[0].image);
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
        store_close(&w->s);
    }
    ar_free(&a);
    return 0;
}

static void begin(void *w) { power_run(w, set_up); }

/* The clock was a month ahead: until then stamps only count, also over starts and power cuts. */
static int work_after_a_wrong_clock(void *arg)
{
    static const int64_t month = INT64_C(30) * 86400 * 1000000;
    struct world *w = arg;
    int e = open_store(w, "index.log");
    CHECK_OK(e);
    if (e) return e;
    while (w->at < LETTERS) {
        int i = w->at++;
        sim_clock_skew(w->p.node, i < 2 ? month : 0);
        for (int k = 0; i == 6 && k < 1000; k++)
            CHECK(body_stamp(w->s->body) > 0); /* they have gone on for long */
        CHECK_OK(append(w, i));
        w->acked[i] = true;
        if (i % 3 == 0) CHECK_OK(expunge(w, i));
        if (i == 6 && w->cut) sim_kill(w->p.node); /* between the expunge and the last image */
        if (i == 6 && w->cut) break;
        if (i % 3 == 1) CHECK_OK(make_images(w));
        if (i % 3 == 1) CHECK_OK(fiber_sleep(2 * 86400 * RT_S));
        if (i != 5) continue;
        store_close(&w->s);
        CHECK_OK(open_store(w, "index.log")); /* stamps go on from the packs' times */
    }
    store_close(&w->s);
    return 0;
}

/* Nobody goes on with the index: it is gone. */
static int nothing(void *w)
{
    (void)w;
    return 0;
}

TEST(after_a_clock_that_was_ahead_each_message_comes_back_once_and_none_that_was_expunged)
{
    static const struct power_test plain = {.size = sizeof(struct world)};
    for (int cut = 0; cut < 2; cut++) {
        struct world *w = power_begin(&plain, 1);
        w->unswept = true;
        w->cut = cut;
        power_run(w, set_up);
        while (w->at < LETTERS) power_run(w, work_after_a_wrong_clock);
        power_run(w, look);
        power_end(&plain, w);
    }
}

TEST(a_power_cut_while_images_are_written_costs_nothing_that_was_acknowledged)
{
    static const struct power_test images = {.size = sizeof(struct world),
                                             .begin = begin,
                                             .work = work,
                                             .again = nothing,
                                             .stock = look,
                                             .least = 40};
    power_cut_everywhere(&images);
}
