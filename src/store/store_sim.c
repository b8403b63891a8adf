/* store_sim.c - deliveries with power cuts at every durable step: a delivery that was
 * acknowledged is there with its body, one that is tried again is there once, and the
 * counters, UIDs and modseqs obey their laws whatever happened. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "care.h"
#include "places_test.h"
#include "rt/file.h"
#include "sim/power.h"

enum { FIBERS = 3, ROUNDS = 3, LETTERS = FIBERS * ROUNDS };

#define REQUIRE_OK(got)                                                                                      \
    do {                                                                                                     \
        int rc_ = (got);                                                                                     \
        CHECK_OK(rc_);                                                                                       \
        if (rc_) return rc_;                                                                                 \
    } while (0)

struct world {
    struct power p;
    struct store *s;
    bool acked[LETTERS], flagged[LETTERS];
    uint32_t uid[LETTERS];
    uint32_t uidnext; /* seen */
    uint64_t modseq;
    size_t present;
};

struct courier {
    struct world *w;
    int i;
};

static const char acc[] = "acc1";

static int open_store(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    int e = kv_mem_open(&kv, "index.log");
    if (e == 0) e = body_open(&b, "bodies", 3000);
    if (e == 0) return store_open(&w->s, kv, b); /* takes both over */
    kv_close(&kv);
    return e;
}

/* Body first, then the account; a second time with the same id does nothing. */
static int deliver(struct world *w, int i)
{
    char text[2000], id[32];
    struct message_new m = {.internal_date = 1700000000 + i};
    bool twice;
    size_t n = (size_t)snprintf(text, sizeof text, "letter %d %0*d", i, i * 150 + 1, i);
    snprintf(id, sizeof id, "delivery-%d", i);
    m.size = n;
    int e = body_put(w->s->body, BODY_MAIL, sl(text, n), SL(""), &m.body);
    if (e) return e;
    e = message_deliver(w->s, acc, sl_cstr(id), SL("INBOX"), &m, &w->uid[i], &twice);
    body_unpin(w->s->body, &m.body);
    return e;
}

static void courier(void *arg)
{
    struct courier *c = arg;
    struct world *w = c->w;
    for (int r = 0; r < ROUNDS; r++) {
        int i = r * FIBERS + c->i;
        if (!w->acked[i]) w->acked[i] = deliver(w, i) == 0;
        if (w->acked[i] && !w->flagged[i] && i % 2)
            w->flagged[i] =
                message_flags(w->s, (struct mailbox_ref){.account = acc, .box = 1},
                              (struct uids){&w->uid[i], 1},
                              &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN}, NULL, NULL) == 0;
        fiber_yield();
    }
}

static int work(void *arg)
{
    struct world *w = arg;
    struct courier c[FIBERS];
    struct sweep_report report;
    struct group g;
    int e = open_store(w);
    if (e) return e;
    e = mailbox_make_defaults(w->s, acc);
    group_init(&g);
    for (int i = 0; e == 0 && i < FIBERS; i++) {
        c[i] = (struct courier){w, i};
        if (group_go(&g, "courier", courier, &c[i])) break;
    }
    if (e == 0) e = store_sweep(w->s, NULL, 0, 0, &report); /* at the same time */
    int ended = group_wait(&g);
    store_close(&w->s);
    return e ? e : ended;
}

/* ---- looking ---- */

static void complain(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static int letter_number(struct world *w, struct arena *a, const struct message *m)
{
    struct slice text = {0};
    CHECK_OK(body_get(w->s->body, &m->body, SIZE_MAX, a, &text));
    CHECK_INT(text.n, m->size);
    int i = text.n > 7 ? text.p[7] - '0' : -1;
    CHECK(i >= 0 && i < LETTERS);
    return i;
}

static void look_at_messages(struct world *w, struct arena *a, const struct mailbox *box)
{
    struct message *m;
    size_t n;
    bool there[LETTERS] = {false};
    CHECK_OK(message_list(w->s, (struct mailbox_ref){.account = acc, .box = 1}, 1, 1000, a, &m, &n));
    for (size_t k = 0; k < n; k++) {
        int i = letter_number(w, a, &m[k]);
        if (i < 0 || i >= LETTERS) continue;
        CHECK(!there[i]); /* nothing twice */
        there[i] = true;
        CHECK(!w->acked[i] || m[k].uid == w->uid[i]);
        CHECK(!w->flagged[i] || m[k].flags & FLAG_SEEN);
        CHECK(m[k].uid < box->uidnext && m[k].modseq <= box->modseq && m[k].internal_date == 1700000000 + i);
    }
    for (int i = 0; i < LETTERS; i++) CHECK(there[i] || !w->acked[i]); /* nothing missing */
    w->present = n;
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a;
    struct mailbox box;
    int e = open_store(w);
    CHECK_OK(e);
    if (e) return e;
    ar_init(&a, 0);
    e = mailbox_find(w->s, acc, SL("INBOX"), &a, &box);
    if (e == 0) {
        look_at_messages(w, &a, &box);
        CHECK(box.uidnext >= w->uidnext && box.modseq >= w->modseq);
        w->uidnext = box.uidnext;
        w->modseq = box.modseq;
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
    } else {
        CHECK_ERR(e, ERR_NOT_FOUND); /* the account was never made */
        for (int i = 0; i < LETTERS; i++) CHECK(!w->acked[i]);
    }
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

static void check_all(void *arg)
{
    const struct world *w = arg;
    CHECK_INT(w->present, LETTERS);
}

static const struct power_test power = {.size = sizeof(struct world),
                                        .work = work,
                                        .look = look,
                                        .check = check_all,
                                        .rounds = 2,
                                        .seeds = 4,
                                        .least = 30};

TEST(deliveries_survive_power_cuts_at_every_step) { power_cut_everywhere(&power); }

static struct sim_faults writes_fail(uint64_t seed)
{
    (void)seed;
    return (struct sim_faults){.write_fails = 60000, .disk_full = 40000};
}

TEST(a_failing_disk_is_never_answered_with_success) { power_bad_disk(&power, 80, false, writes_fail); }

/* ---- batches ---- */

enum { BATCH = CHANGE_MAX + 30, SENT = 3 };

struct crowd {
    struct world w;
    bool appended, copied, delivered, looked_up;
};

static int append_crowd(struct world *w)
{
    static struct message_new all[BATCH];
    uint32_t validity, first;
    struct message_new m = {.internal_date = 1700000000, .size = 1};
    int e = body_put(w->s->body, BODY_MAIL, SL("x"), SL(""), &m.body);
    if (e) return e;
    for (size_t i = 0; i < BATCH; i++) all[i] = m;
    e = message_append(w->s, (struct mailbox_ref){.account = acc, .box = 1}, all, BATCH, &validity, &first);
    body_unpin(w->s->body, &m.body);
    return e;
}

static void copy_crowd(void *arg)
{
    struct crowd *c = arg;
    struct arena a = {0};
    struct message_copied copied;
    uint32_t uid[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) uid[i] = i + 1;
    if (c->copied || !c->appended) return;
    c->copied = message_copy(c->w.s, (struct mailbox_ref){.account = acc, .box = 1},
                             (struct uids){uid, BATCH}, SENT, false, &a, &copied) == 0;
    ar_free(&a);
}

/* Rows for lookups are made meanwhile; verify compares them with the messages. */
static void look_up(void *arg)
{
    struct crowd *c = arg;
    struct arena a = {0};
    struct places p;
    c->looked_up |=
        places_of_email_id(c->w.s, (struct places_in){.account = acc}, SL("nobody's"), &a, &p) == 0;
    ar_free(&a);
}

static int crowd_work(void *arg)
{
    struct crowd *c = arg;
    struct world *w = &c->w;
    struct group g;
    bool twice;
    uint32_t uid;
    int e = open_store(w);
    if (e) return e;
    e = mailbox_make_defaults(w->s, acc);
    if (e == 0 && !c->appended) c->appended = append_crowd(w) == 0;
    group_init(&g);
    if (e == 0) e = group_go(&g, "copy", copy_crowd, c);
    if (e == 0) e = group_go(&g, "look up", look_up, c);
    struct message_new m = {.internal_date = 1700000000, .size = 1};
    if (e == 0) e = body_put(w->s->body, BODY_MAIL, SL("y"), SL(""), &m.body);
    if (e == 0) e = message_deliver(w->s, acc, SL("one"), SL("Sent"), &m, &uid, &twice);
    c->delivered |= e == 0;
    if (e == 0) body_unpin(w->s->body, &m.body);
    int ended = group_wait(&g);
    store_close(&w->s);
    return e ? e : ended;
}

static int one_row(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

static size_t crowd_in(struct world *w, struct arena *a, uint32_t id)
{
    struct mailbox box;
    struct message *m;
    size_t n = 0;
    CHECK_OK(message_list(w->s, (struct mailbox_ref){.account = acc, .box = id}, 1, 1000, a, &m, &n));
    CHECK_OK(mailbox_get(w->s, acc, id, a, &box));
    CHECK_INT(box.exists, n);
    for (size_t i = 0; i < n; i++) CHECK(m[i].uid < box.uidnext && (!i || m[i].uid > m[i - 1].uid));
    return n;
}

/* All of a copy or nothing, and what nobody will see goes within hours. */
static int crowd_look(void *arg)
{
    struct crowd *c = arg;
    struct world *w = &c->w;
    struct arena a;
    struct mailbox box;
    struct sweep_report report;
    size_t unseen = 0;
    REQUIRE_OK(open_store(w));
    ar_init(&a, 0);
    if (mailbox_get(w->s, acc, SENT, &a, &box) == 0) {
        size_t here = crowd_in(w, &a, 1), sent = crowd_in(w, &a, SENT) - c->delivered;
        CHECK(here % BATCH == 0 && (here || !c->appended));
        if (!c->delivered && sent % BATCH == 1) sent--; /* not acknowledged, but there */
        CHECK(sent % BATCH == 0 && (sent || !c->copied));
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
        CHECK_OK(fiber_sleep(2 * 3600 * RT_S));
        CHECK_OK(store_sweep(w->s, NULL, 0, 0, &report));
        CHECK_OK(rows_each(w->s, acc, SL("h/"), SL("h0"), one_row, &unseen));
        if (sent + here <= BATCH) CHECK_OK(rows_each(w->s, acc, SL("y/"), SL("y0"), one_row, &unseen));
        CHECK_INT(unseen, here + sent <= BATCH ? here : 0);
        CHECK(check_places(w->s, acc) >= here + sent);
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
    }
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

static void check_crowd(void *arg)
{
    const struct crowd *c = arg;
    CHECK(c->appended && c->copied && c->delivered && c->looked_up);
}

TEST(a_large_copy_is_whole_or_not_there_after_a_power_cut)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct crowd),
                                              .work = crowd_work,
                                              .look = crowd_look,
                                              .check = check_crowd,
                                              .least = 20});
}

/* ---- INBOX is renamed ---- */

static int rename_work(void *arg)
{
    struct crowd *c = arg;
    struct world *w = &c->w;
    struct arena a = {0};
    struct mailbox old;
    int e = open_store(w);
    if (e) return e;
    e = mailbox_make_defaults(w->s, acc);
    if (e == 0 && !c->appended) c->appended = append_crowd(w) == 0;
    if (e == 0 && mailbox_find(w->s, acc, SL("Work/old"), &a, &old) == ERR_NOT_FOUND)
        e = mailbox_rename(w->s, acc, SL("INBOX"), SL("Work/old"));
    ar_free(&a);
    store_close(&w->s);
    return e;
}

/* All of it is where it was, or where it goes, as soon as the care has looked. */
static int rename_look(void *arg)
{
    struct crowd *c = arg;
    struct world *w = &c->w;
    struct arena a;
    struct mailbox box;
    struct sweep_report report;
    size_t waiting = 0;
    REQUIRE_OK(open_store(w));
    ar_init(&a, 0);
    if (mailbox_get(w->s, acc, 1, &a, &box) == 0) {
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
        CHECK_OK(store_sweep(w->s, NULL, 0, 0, &report));
        bool renamed = mailbox_find(w->s, acc, SL("Work/old"), &a, &box) == 0;
        size_t here = crowd_in(w, &a, 1), there = renamed ? crowd_in(w, &a, box.id) : 0;
        CHECK(!renamed || !here);
        CHECK((here + there) % BATCH == 0 && (here + there || !c->appended));
        CHECK_OK(rows_each(w->s, acc, SL("f/"), SL("f0"), one_row, &waiting));
        CHECK_INT(waiting, 0);
        CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
    }
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(inbox_is_renamed_wholly_or_not_at_all_after_a_power_cut)
{
    power_cut_everywhere(&(struct power_test){
        .size = sizeof(struct crowd), .work = rename_work, .look = rename_look, .least = 20});
}

/* ---- a disk that lies ---- */

static const struct power_test plain = {.size = sizeof(struct world)};

enum { LOG_HEADER = 16 };

/* Flips one bit of the file, somewhere in [from, to); to 0: its end. */
static void flip_bit(const char *path, uint64_t from, uint64_t to)
{
    struct file *f;
    uint64_t size, chance;
    uint8_t byte = 0;
    REQUIRE(file_open(&f, path, FILE_WRITE) == 0);
    CHECK_OK(file_size(f, &size));
    rt_random(&chance, sizeof chance);
    uint64_t at = from + (chance >> 8) % ((to ? to : size) - from);
    CHECK_INT(file_pread(f, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << (chance & 7));
    CHECK_OK(file_pwrite(f, &byte, 1, at));
    CHECK_OK(file_sync(f));
    file_close(&f);
}

static uint64_t log_size(void)
{
    struct file *f;
    uint64_t size = 0;
    CHECK_OK(file_open(&f, "index.log", FILE_READ));
    CHECK_OK(file_size(f, &size));
    file_close(&f);
    return size;
}

static int put_one(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("last"), SL("group"));
    return 0;
}

struct found {
    struct body_ref ref[8 * LETTERS];
    size_t n;
};

static void one_unreferenced(void *arg, const struct body_seen *seen)
{
    struct found *f = arg;
    if (seen->status == 0 && f->n < COUNT_OF(f->ref)) f->ref[f->n++] = seen->ref;
}

static int letter_of(struct world *w, struct arena *a, const struct body_ref *ref)
{
    struct slice text = {0};
    CHECK_OK(body_get(w->s->body, ref, SIZE_MAX, a, &text));
    return text.n > 7 && text.p[7] >= '0' && text.p[7] < '0' + LETTERS ? text.p[7] - '0' : -1;
}

/* Each letter that was acknowledged is in the mailbox, or its body is among those that nothing refers to. */
static void look_for_letters(struct world *w, struct arena *a)
{
    struct message *m;
    struct store_loss l;
    struct found f = {0};
    size_t n = 0;
    bool there[LETTERS] = {false};
    int e = message_list(w->s, (struct mailbox_ref){.account = acc, .box = 1}, 1, 1000, a, &m, &n);
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    if (e) n = 0;
    CHECK_OK(store_loss(w->s, a, &l));
    CHECK(sl_find(l.what, SL("at byte")) != SL_NONE);
    CHECK_OK(store_loss_bodies(w->s, &l, NULL, one_unreferenced, &f));
    for (size_t i = 0; i < n; i++) there[letter_number(w, a, &m[i])] = true;
    for (size_t i = 0; i < f.n; i++) {
        int k = letter_of(w, a, &f.ref[i]);
        if (k >= 0) there[k] = true;
    }
    for (int i = 0; i < LETTERS; i++) CHECK(there[i] || !w->acked[i]);
}

/* Damage anywhere but in the last group is refused; once it is accepted, no body goes before it is judged. */
static int log_lies(void *arg)
{
    struct world *w = arg;
    struct arena a;
    struct store_loss l;
    struct sweep_report report;
    REQUIRE_OK(open_store(w));
    uint64_t size = log_size();
    CHECK_OK(kv_transact(w->s->kv, SL("_test"), put_one, NULL));
    store_close(&w->s);
    flip_bit("index.log", LOG_HEADER, size);
    CHECK_ERR(open_store(w), ERR_CORRUPT);
    CHECK(strstr(err_text(ERR_CORRUPT), "the log of the index is damaged"));
    CHECK_OK(kv_mem_accept_loss("index.log"));
    REQUIRE_OK(open_store(w));
    ar_init(&a, 0);
    CHECK_OK(fiber_sleep(150 * RT_S)); /* the lease of the sweep that the power cut ended */
    CHECK_OK(store_sweep(w->s, NULL, 0, 0, &report));
    CHECK_INT(report.dropped + report.compacted, 0);
    look_for_letters(w, &a);
    CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
    CHECK_OK(store_loss_close(w->s));
    CHECK_ERR(store_loss(w->s, &a, &l), ERR_NOT_FOUND);
    CHECK_OK(store_sweep(w->s, NULL, 0, 0, &report));
    CHECK_OK(store_verify(w->s, NULL, NULL, complain, NULL));
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(nothing_is_lost_in_silence_when_a_bit_of_the_log_flips)
{
    for (uint64_t seed = 1; seed <= power_seeds(160); seed++) {
        struct world *w = power_begin(&plain, seed);
        power_run(w, work);
        power_run(w, log_lies);
        power_end(&plain, w);
    }
}

static int pick_pack(void *arg, const char *name)
{
    char *path = arg;
    uint64_t chance;
    rt_random(&chance, sizeof chance);
    if (!*path || chance % 3 == 0) snprintf(path, 100, "bodies/%s", name);
    return 0;
}

static void count_fault(void *arg, const char *sentence)
{
    (void)sentence;
    ++*(int *)arg;
}

/* One letter at most is hurt, and verify says so; no start is refused. */
static int pack_lies(void *arg)
{
    struct world *w = arg;
    struct message *m;
    struct arena a;
    struct slice text;
    char path[100] = "";
    size_t n;
    int bad = 0, faults = 0;
    CHECK_OK(path_list("bodies", pick_pack, path));
    flip_bit(path, 0, 0);
    REQUIRE_OK(open_store(w));
    ar_init(&a, 0);
    CHECK_OK(message_list(w->s, (struct mailbox_ref){.account = acc, .box = 1}, 1, 1000, &a, &m, &n));
    CHECK_INT(n, LETTERS);
    for (size_t i = 0; i < n; i++) {
        int e = body_get(w->s->body, &m[i].body, SIZE_MAX, &a, &text);
        bad += e != 0;
        if (e) CHECK_ERR(e, ERR_CORRUPT);
        else (void)letter_number(w, &a, &m[i]);
    }
    CHECK(bad <= 1);
    int e = store_verify(w->s, NULL, NULL, count_fault, &faults);
    CHECK(bad ? e == ERR_CORRUPT && faults >= 1 : e == 0 || e == ERR_CORRUPT);
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(a_flipped_bit_in_a_pack_hides_no_other_letter)
{
    for (uint64_t seed = 1; seed <= power_seeds(160); seed++) {
        struct world *w = power_begin(&plain, seed);
        power_run(w, work);
        power_run(w, pack_lies);
        power_end(&plain, w);
    }
}

/* ---- a clock that was wrong ---- */

static bool traced(struct world *w, const struct letter_id *id)
{
    struct arena a;
    struct trace_event *ev;
    size_t n;
    ar_init(&a, 0);
    int e = trace_read(w->s->trace, id, &a, &ev, &n);
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    ar_free(&a);
    return e == 0;
}

static int wrong_clock(void *arg)
{
    struct world *w = arg;
    static const int64_t year = INT64_C(365) * 86400 * 1000000, day = 86400 * RT_S;
    struct letter_id id[3];
    struct mailbox box[3];
    struct arena a;
    REQUIRE_OK(open_store(w));
    ar_init(&a, 0);
    CHECK_OK(mailbox_make_defaults(w->s, acc));
    for (int i = 0; i < 3; i++) { /* a year ahead, before there were ids, a century ahead */
        sim_clock_skew(w->p.node, i == 0 ? year : i == 1 ? -60 * year : 100 * year);
        letter_id_new(&id[i]);
        CHECK(letter_id_ok(sl_cstr(id[i].s)));
        trace_addf(w->s->trace, &id[i], TRACE_QUEUED, SL(""), "by a wrong clock");
        CHECK_OK(mailbox_create(w->s, acc, SL("again"), 0, &a, &box[i]));
        CHECK_OK(mailbox_delete(w->s, acc, SL("again")));
        CHECK(!i || box[i].uidvalidity > box[i - 1].uidvalidity);
    }
    CHECK(box[2].uidvalidity < UINT32_MAX - 1000000); /* room for more than were ever made */
    sim_clock_skew(w->p.node, 0);
    CHECK_OK(trace_expire(w->s->trace, 30));
    CHECK(traced(w, &id[0]));
    CHECK_OK(fiber_sleep(20 * day));
    CHECK_OK(trace_expire(w->s->trace, 30));
    CHECK(traced(w, &id[0]));
    CHECK_OK(fiber_sleep(11 * day));
    CHECK_OK(trace_expire(w->s->trace, 30));
    CHECK(!traced(w, &id[0])); /* not only in a year */
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(what_a_wrong_clock_named_is_no_burden_for_ever)
{
    struct world *w = power_begin(&plain, 1);
    power_run(w, wrong_clock);
    power_end(&plain, w);
}
