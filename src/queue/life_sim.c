/* life_sim.c - all that goes on in a store, at once, on two loops, with the power cut at every durable step.
 *
 * Letters come, one of them under a clock that is a year ahead, and are delivered here and elsewhere, while
 * an operator on the other loop holds and releases them; messages are copied and moved, a tree of mailboxes
 * is renamed, mailboxes and an account are erased; packs are swept the moment they may be, and the node is
 * copied. Copies of a message are places of a letter like any other, so one book (sim/ledger.h) says what
 * must be where: now, and in the copy of the node what was acknowledged before that was begun. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/ledger.h"
#include "sim/power.h"
#include "store/mailbox.h"

enum { LETTERS = 3, CARES = 6, PACK = 1000, YEAR = 365 * 86400 };
enum place { ME, YOU, FAR, COPY, PLACES };
static const char *const to[] = {"me@one.test", "you@one.test", "far@two.test"};
static const char *const account[] = {"acc1", "acc2"};
static const char passing[] = "acc3"; /* is filled and erased */

struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    struct ledger books, copied; /* copied: of the last copy of the node that was said to be whole */
    char copy[40];               /* its folder, or empty */
    int copies, put_off;
    struct letter_id id[LETTERS], report[LETTERS];
    bool erased, renamed; /* acknowledged; the tree is `Held` */
    size_t in_queue;
    uint64_t swept, ordered; /* packs, orders that were carried out */
};

/* ---- opening ---- */

static int open_at(struct world *w, const char *index, const char *bodies)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 2);
    w->way = (struct own_way){&w->store, &w->queue};
    w->store = NULL;
    w->queue = NULL;
    c.retry_first_s = 5;
    int e = kv_mem_open(&kv, index);
    if (!e) e = body_open(&b, bodies, PACK);
    if (e) kv_close(&kv);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    return e;
}

static void close_all(struct world *w)
{
    queue_close(&w->queue);
    store_close(&w->store);
}

/* Which letter, by a subject that ends with "letter-N". */
static unsigned number_of(struct slice subject)
{
    size_t at = sl_find(subject, SL("letter-"));
    uint64_t n = 0;
    CHECK(at != SL_NONE && num_u64(sl_from(subject, at + 7), LETTERS - 1, &n));
    return (unsigned)n;
}

/* The clock that was wrong may be the end of a letter that waited then; its sender hears so. */
static bool is_end(struct slice report) { return sl_starts(report, SL("Not delivered to far@two.test: ")); }

static void report_comes(struct world *w, const struct letter_id *id, struct slice subject)
{
    if (!is_end(subject) || !strcmp(w->report[number_of(subject)].s, id->s)) return;
    w->report[number_of(subject)] = *id;
    w->books.line[number_of(subject)][FAR].seen[LEDGER_BOUNCED]++;
}

/* The other server puts off every second letter. */
static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    struct attempt_rcpt *r = &at->rcpt[0];
    r->result = ATTEMPT_TEMPORARY;
    r->reply = SL("450 later");
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    if (fiber_sleep((int64_t)rt_random_below(RT_S)) != 0 || w->put_off++ % 2 == 0) return;
    if (!at->letter->sender.n) report_comes(w, &at->letter->id, at->letter->subject);
    else w->books.line[number_of(at->letter->subject)][FAR].seen[LEDGER_DELIVERED]++;
    r->result = ATTEMPT_DELIVERED;
    r->code = 250;
    r->reply = SL("250 ok");
}

/* ---- letters ---- */

static int submit(struct world *w, int n)
{
    struct letter_rcpt rcpt[FAR + 1];
    char text[1600];
    size_t size =
        (size_t)snprintf(text, sizeof text, "Subject: letter-%d\r\n\r\n%0*d\r\n", n, 1 + n * 600, 0);
    struct letter l = {.sender = SL("sender@six.test"),
                       .rcpt = rcpt,
                       .nrcpt = FAR + 1,
                       .head_size = 22,
                       .received = rt_wall_seconds(),
                       .subject = sl(text + 9, 8)};
    letter_id_new(&l.id);
    for (int i = 0; i <= FAR; i++) {
        rcpt[i] = (struct letter_rcpt){.address = sl_cstr(to[i]), .route = {.address = sl_cstr(to[i])}};
        rcpt[i].route.local = i < FAR;
        if (i < FAR) snprintf(rcpt[i].route.account, sizeof rcpt[i].route.account, "%s", account[i]);
    }
    int e = body_put(w->store->body, BODY_QUEUE, sl(text, size), SL(""), &l.body);
    if (e) return e;
    w->id[n] = l.id;
    for (int i = 0; i <= FAR; i++) w->books.line[n][i].offered = true;
    e = accept_letter(w->queue, &l);
    for (int i = 0; i <= FAR; i++) w->books.line[n][i].acknowledged = !e;
    return e;
}

static void people_write(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < LETTERS; i++) {
        if (w->books.line[i][ME].offered) continue; /* an answer that was lost is not asked for again */
        if (i == 1) sim_clock_skew(w->p.node, YEAR * INT64_C(1000000));
        int e = submit(w, i);
        sim_clock_skew(w->p.node, 0);
        if (e || fiber_sleep((int64_t)rt_random_below(RT_S))) return;
    }
}

/* For each letter a few times; one that has come to its end, or did not come, is none to hold. */
static int hold_and_release(void *arg)
{
    struct world *w = arg;
    static const enum queue_action acts[] = {QUEUE_HOLD, QUEUE_RETRY, QUEUE_RELEASE, QUEUE_RETRY};
    int e = 0;
    for (size_t i = 0; !e && i < 8 * COUNT_OF(acts); i++) {
        const struct letter_id *id = &w->id[i / COUNT_OF(acts) % LETTERS];
        if (id->s[0] && queue_act(w->queue, id, acts[i % COUNT_OF(acts)]) == 0) w->ordered++;
        e = fiber_sleep((int64_t)rt_random_below(RT_S / 4));
    }
    return e;
}

/* ---- mailboxes ---- */

static bool box_of(struct world *w, struct arena *a, const char *acc, const char *name, uint32_t *id)
{
    struct mailbox box;
    int e = mailbox_find(w->store, acc, sl_cstr(name), a, &box);
    *id = e ? 0 : box.id;
    return e == 0;
}

/* Which letter it is, by its first line; -1: none of the book's. */
static int letter_of(struct world *w, struct arena *a, const struct message *m)
{
    struct slice text = {0};
    CHECK_OK(body_get(w->store->body, &m->body, SIZE_MAX, a, &text));
    CHECK_INT(text.n, m->size);
    return sl_starts(text, SL("Subject: letter-")) ? text.p[16] - '0' : -1;
}

static void file_one(struct world *w, struct arena *a, uint32_t inbox, const struct message *m,
                     uint32_t copies, uint32_t kept)
{
    struct mailbox_ref from = {.account = account[ME], .box = inbox};
    struct message_copied out;
    struct slice text;
    uint32_t uid = m->uid;
    if (body_get(w->store->body, &m->body, SIZE_MAX, a, &text) || text.n < 17) return;
    struct ledger_line *x = &w->books.line[(unsigned)(text.p[16] - '0') % LETTERS][COPY];
    if (!x->acknowledged) {
        x->unanswered += x->offered;
        x->offered = true;
        x->acknowledged =
            message_copy(w->store, from, (struct uids){&uid, 1}, copies, false, a, &out) == 0 && out.n == 1;
    }
    (void)!message_copy(w->store, from, (struct uids){&uid, 1}, kept, true, a, &out);
}

/* From the inbox into an archive, as a copy, and then away into a mailbox whose name changes. */
static int file_away(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct message *m;
    uint32_t inbox, copies, kept;
    size_t n;
    int e = 0;
    bool there =
        box_of(w, &a, account[ME], "INBOX", &inbox) && box_of(w, &a, account[ME], "Archive", &copies);
    there =
        there && (box_of(w, &a, account[ME], "Kept/x", &kept) ||
                  box_of(w, &a, account[ME], "Held/x", &kept) || box_of(w, &a, account[ME], "Kept/x", &kept));
    for (int round = 0; there && !e && round < 2 * LETTERS; round++) {
        ar_reset(&a);
        e = message_list(w->store, (struct mailbox_ref){.account = account[ME], .box = inbox}, 1, 100, &a, &m,
                         &n);
        for (size_t i = 0; !e && i < n; i++) file_one(w, &a, inbox, &m[i], copies, kept);
        if (!e) e = fiber_sleep((int64_t)rt_random_below(RT_S));
    }
    ar_free(&a);
    return e;
}

static void rename_tree(void *arg)
{
    struct world *w = arg;
    for (int round = 0; round < 3; round++) {
        struct slice kept = SL("Kept"), held = SL("Held");
        int e = mailbox_rename(w->store, account[ME], w->renamed ? held : kept, w->renamed ? kept : held);
        if (e == 0 || e == ERR_NOT_FOUND) w->renamed = !w->renamed; /* not found: done before a power cut */
        if (fiber_sleep((int64_t)rt_random_below(RT_S))) return;
    }
}

static int add_rubbish(struct world *w, const char *acc, uint32_t box)
{
    char text[1300];
    struct message_new m = {.internal_date = 1700000000};
    uint32_t validity, uid;
    m.size = (uint64_t)snprintf(text, sizeof text, "Subject: rubbish\r\n\r\n%01200d\r\n", 7);
    int e = body_put(w->store->body, BODY_MAIL, sl(text, m.size), SL(""), &m.body);
    if (e) return e;
    e = message_append(w->store, (struct mailbox_ref){.account = acc, .box = box}, &m, 1, &validity, &uid);
    body_unpin(w->store->body, &m.body);
    return e;
}

/* Mailboxes and an account that leave bodies behind. */
static void throw_away(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct mailbox box;
    int e = 0;
    for (int i = 0; !e && i < 3; i++) {
        bool account_goes = i == 1;
        const char *acc = account_goes ? passing : account[ME];
        w->erased = w->erased && !account_goes;
        e = account_goes ? mailbox_make_defaults(w->store, acc) : 0;
        if (!e) e = mailbox_create(w->store, acc, SL("Gone"), 0, &a, &box);
        if (e == ERR_EXISTS) e = mailbox_find(w->store, acc, SL("Gone"), &a, &box);
        for (int k = 0; !e && k < 2; k++) e = add_rubbish(w, acc, box.id);
        if (!e) e = account_goes ? account_erase(w->store, acc) : mailbox_delete(w->store, acc, SL("Gone"));
        if (account_goes) w->erased = !e;
        if (!e) e = fiber_sleep((int64_t)rt_random_below(RT_S));
    }
    ar_free(&a);
}

/* ---- care ---- */

static int open_copied(struct kv **out, const char *dir)
{
    char path[80];
    snprintf(path, sizeof path, "%s/kv.log", dir);
    return kv_mem_open(out, path);
}

static int copy_node(struct world *w, const struct care_queue *queue)
{
    struct ledger before = w->books;
    char to_dir[40];
    snprintf(to_dir, sizeof to_dir, "copy-%d", w->copies++);
    int e = store_backup(w->store, queue, open_copied, to_dir);
    if (e) return e;
    w->copied = w->books; /* what was offered since may be in it, too */
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < PLACES; k++) w->copied.line[i][k].acknowledged = before.line[i][k].acknowledged;
    memcpy(w->copy, to_dir, sizeof to_dir);
    return 0;
}

static int take_care(void *arg)
{
    struct world *w = arg;
    struct care_queue queue = queue_care(w->queue);
    struct sweep_report report;
    int e = 0;
    for (int i = 0; !e && i < CARES; i++) {
        e = store_sweep(w->store, &queue, 0, 0, &report);
        w->swept += report.dropped + report.compacted;
        if (!e) e = fiber_sleep((int64_t)rt_random_below(RT_S));
        if (!e && i == 0) e = copy_node(w, &queue);
    }
    return e == ERR_BUSY ? 0 : e; /* the lease of who lost its power */
}

/* ---- the work ---- */

static void on_loop_1(void *arg)
{
    struct world *w = arg;
    (void)!rt_call(1, file_away, w);
}
static void orders_from_loop_1(void *arg)
{
    struct world *w = arg;
    (void)!rt_call(1, hold_and_release, w);
}
static void care_on_loop_1(void *arg)
{
    struct world *w = arg;
    (void)!rt_call(1, take_care, w);
}

static int make_boxes(struct world *w)
{
    struct arena a = {0};
    struct mailbox box;
    uint32_t id;
    int e = 0;
    for (int i = 0; !e && i < FAR; i++) e = mailbox_make_defaults(w->store, account[i]);
    if (!e && !box_of(w, &a, account[ME], "Kept/x", &id) && !box_of(w, &a, account[ME], "Held/x", &id))
        e = mailbox_create(w->store, account[ME], SL("Kept/x"), 0, &a, &box);
    if (!e) w->renamed = !box_of(w, &a, account[ME], "Kept/x", &id);
    ar_free(&a);
    return e;
}

static int live(void *arg)
{
    static fiber_fn *const all[] = {people_write, on_loop_1,  orders_from_loop_1,
                                    rename_tree,  throw_away, care_on_loop_1};
    struct world *w = arg;
    struct group g;
    size_t n;
    group_init(&g);
    int e = open_at(w, "kv.log", "bodies");
    if (!e) e = make_boxes(w);
    if (!e) e = queue_start(w->queue, relay, w);
    if (!e) e = queue_act_all(w->queue, &(struct queue_filter){0}, QUEUE_RELEASE, &n); /* held before a cut */
    for (size_t i = 0; !e && i < COUNT_OF(all); i++) e = group_go(&g, "life", all[i], w);
    int ended = group_wait(&g);
    if (!e && !ended) e = queue_act_all(w->queue, &(struct queue_filter){0}, QUEUE_RELEASE, &n);
    if (!e && !ended) e = fiber_sleep(3600 * RT_S);
    close_all(w);
    return e ? e : ended;
}

/* ---- looking ---- */

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static void look_at_box(struct world *w, struct ledger *books, int acc, const struct mailbox *box)
{
    struct arena a = {0};
    struct message *m;
    size_t n = 0;
    bool copies = sl_eq(box->name, SL("Archive"));
    CHECK_OK(message_list(w->store, (struct mailbox_ref){.account = account[acc], .box = box->id}, 1, 1000,
                          &a, &m, &n));
    for (size_t i = 0; i < n; i++) {
        int k = letter_of(w, &a, &m[i]);
        if (k >= 0) books->line[k % LETTERS][copies ? COPY : acc].seen[LEDGER_DELIVERED]++;
    }
    ar_free(&a);
}

/* The tree has one of its names, whole; whatever the power cut. */
static void look_at_names(const struct mailbox *box, size_t n)
{
    unsigned kept = 0, held = 0;
    for (size_t i = 0; i < n; i++) {
        kept += sl_starts(box[i].name, SL("Kept"));
        held += sl_starts(box[i].name, SL("Held"));
        for (size_t k = 0; k < i; k++) CHECK(!sl_eq(box[i].name, box[k].name));
    }
    CHECK((kept == 0) != (held == 0));
    CHECK_INT(kept + held, 2);
}

static void look_at_account(struct world *w, struct ledger *books, int acc)
{
    struct arena a = {0};
    struct mailbox *box;
    size_t n = 0;
    CHECK_OK(mailbox_list(w->store, account[acc], &a, &box, &n));
    for (size_t i = 0; i < n; i++) look_at_box(w, books, acc, &box[i]);
    if (acc == ME && n) look_at_names(box, n);
    ar_free(&a);
}

static int note_waiting(void *arg, const struct queue_info *info)
{
    struct ledger *books = arg;
    struct ledger_line *line = books->line[number_of(info->subject)];
    CHECK(!info->damage.n);
    if (!info->sender.n) {
        line[FAR].seen[LEDGER_BOUNCED] += is_end(info->subject) && !line[FAR].seen[LEDGER_BOUNCED];
        return 0;
    }
    for (size_t i = 0; i < info->nrcpt; i++)
        for (int p = 0; p <= FAR; p++)
            if (sl_eq(info->rcpt[i].address, sl_cstr(to[p])) && !sl_eq(info->rcpt[i].state, SL("delivered")))
                line[p].seen[LEDGER_WAITS]++;
    return 0;
}

/* All that is there, into the book. */
static int look_at_all(struct world *w, struct ledger *books)
{
    size_t rows;
    struct arena a = {0};
    struct mailbox *box;
    CHECK_OK(store_verify(w->store, queue_verify, w->queue, complain, NULL));
    for (int i = 0; i < FAR; i++) look_at_account(w, books, i);
    CHECK_OK(mailbox_list(w->store, passing, &a, &box, &rows));
    ar_free(&a);
    return queue_list(w->queue, &(struct queue_filter){.limit = 100}, note_waiting, books) ? -1 : (int)rows;
}

/* After each cut nothing is missing, though much may wait. */
static int look(void *arg)
{
    struct world *w = arg;
    struct ledger now = w->books;
    struct arena a = {0};
    uint32_t id;
    int e = open_at(w, "kv.log", "bodies");
    CHECK_OK(e);
    if (!e && (box_of(w, &a, account[ME], "Kept/x", &id) || box_of(w, &a, account[ME], "Held/x", &id))) {
        int rows = look_at_all(w, &now);
        if (w->erased) CHECK_INT(rows, 0);
        for (int i = 0; i < LETTERS; i++)
            for (int k = 0; k < PLACES; k++)
                now.line[i][k].unanswered += 1 + w->p.cuts; /* on its way: in both */
        ledger_judge(&now, false);
    } else {
        for (int i = 0; i < LETTERS; i++) CHECK(!w->books.line[i][ME].offered);
    }
    ar_free(&a);
    close_all(w);
    return e;
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct queue_stats st = {0};
    char index[80], bodies[80];
    int e = open_at(w, "kv.log", "bodies");
    if (!e) (void)!look_at_all(w, &w->books);
    if (!e) e = queue_stats(w->queue, &st);
    w->in_queue = st.letters + st.recipients;
    close_all(w);
    if (!e && w->copy[0]) {
        snprintf(index, sizeof index, "%s/index/kv.log", w->copy);
        snprintf(bodies, sizeof bodies, "%s/bodies", w->copy);
        e = open_at(w, index, bodies);
        if (!e) (void)!look_at_all(w, &w->copied);
        close_all(w);
    }
    CHECK_OK(e);
    return e;
}

static void check(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < LETTERS; i++) {
        w->books.line[i][FAR].unanswered += w->p.cuts; /* a yes that was not recorded */
        for (int k = 0; k < PLACES; k++)
            w->copied.line[i][k].unanswered++; /* just then on its way: in both */
    }
    ledger_judge(&w->books, true);
    if (w->copy[0]) ledger_judge(&w->copied, false);
    else CHECK(w->p.cuts > 0);
    CHECK_INT(w->in_queue, 0);
    CHECK(w->p.cuts > 0 || (w->erased && w->swept > 3 && w->ordered > 3));
}

TEST(everything_at_once_survives_power_cuts_at_every_step)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .work = live,
                                              .look = look,
                                              .stock = take_stock,
                                              .check = check,
                                              .seeds = 1,
                                              .sparse = 60,
                                              .least = 200});
}
