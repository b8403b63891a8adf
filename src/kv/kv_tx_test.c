/* kv_tx_test.c - the conformance suite: transactions, alone and many at once, and what goes with them. */
#include "base/text.h"
#include "kv_test.h"

/* ---- what is not in memory ---- */

struct cold {
    int runs;
    struct buf seen;
};

static int read_much(struct kv_tx *tx, void *arg)
{
    struct cold *c = arg;
    struct slice v;
    c->runs++;
    buf_clear(&c->seen);
    if (kv_tx_get(tx, SL("a"), &v) == 0) buf_put(&c->seen, v);
    if (kv_tx_get(tx, SL("z"), &v) == 0) buf_put(&c->seen, v);
    (void)!kv_tx_scan(tx, SL("k/"), SL("k0"), text_row, &c->seen);
    kv_tx_put(tx, SL("z"), buf_slice(&c->seen));
    kv_tx_erase(tx, SL("k/"), SL("k0"));
    return 0; /* as if nothing were the matter */
}

static void cold_rows(void)
{
    struct suite s = {.engine = "mem"};
    struct cold c = {.seen = BUF_INIT};
    struct kv_stats st;
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    fill(&s, "o", 2);
    kv_mem_cool(s.kv);
    CHECK_OK(kv_transact(s.kv, SL("o"), read_much, &c));
    CHECK_SL(buf_slice(&c.seen), "beforebehindk/0000=v k/0001=v ");
    CHECK_SL(scan(&s, "o", "", "", 10), "a=before z=beforebehindk/0000=v k/0001=v  ");
    kv_stats(s.kv, &st);
    CHECK(c.runs == 2 && st.fetched == 1 && st.waited == 0);
    buf_free(&c.seen);
    kv_close(&s.kv);
    ar_free(&s.a);
}

TEST(what_is_not_in_memory_is_fetched_and_the_transaction_runs_again) { cold_rows(); }

static int read_one_more(struct kv_tx *tx, void *arg)
{
    char key[16];
    struct slice v;
    int *n = arg; /* each run wants another row */
    snprintf(key, sizeof key, "k%d", ++*n);
    int e = kv_tx_get(tx, sl_cstr(key), &v);
    return e == ERR_NOT_FOUND ? 0 : e;
}

TEST(a_transaction_that_never_finds_all_in_memory_reads_the_disk_itself)
{
    struct kv *kv;
    struct kv_stats st;
    int n = 0;
    REQUIRE(kv_mem_open(&kv, NULL) == 0);
    kv_mem_cool(kv);
    CHECK_OK(kv_transact(kv, SL("o"), read_one_more, &n));
    kv_stats(kv, &st);
    CHECK_INT(st.waited, 1);
    CHECK_INT(st.fetched, 5);
    CHECK_INT(n, 7);
    kv_close(&kv);
}

enum { WANTED = 200 };

static struct slice wanted_key(int i, char room[16])
{
    return sl(room, (size_t)snprintf(room, 16, "k/%04d", i));
}

static int read_all(struct kv_tx *tx, void *arg)
{
    char room[16];
    struct slice v;
    int e = 0, *runs = arg;
    ++*runs;
    for (int i = 0; e == 0 && i < WANTED; i++) e = kv_tx_get(tx, wanted_key(i, room), &v);
    for (int i = 0; e && i < WANTED; i++) kv_tx_want(tx, wanted_key(i, room));
    return e;
}

TEST(many_rows_that_are_not_in_memory_are_fetched_at_once)
{
    struct suite s = {.engine = "mem"};
    struct kv_stats st;
    int runs = 0;
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    fill(&s, "o", WANTED);
    kv_mem_cool(s.kv);
    CHECK_OK(kv_transact(s.kv, SL("o"), read_all, &runs));
    kv_stats(s.kv, &st);
    CHECK_INT(runs, 2);
    CHECK(st.fetched == 1 && st.waited == 0);
    kv_close(&s.kv);
    ar_free(&s.a);
}

EACH_ENGINE(several_rows_are_read_at_once)
{
    char rooms[WANTED + 1][16];
    struct slice key[WANTED + 1], value[WANTED + 1];
    fill(s, "o", WANTED);
    for (int i = 0; i <= WANTED; i++) key[i] = wanted_key(i, rooms[i]);
    CHECK_OK(kv_get_many(s->kv, SL("o"), key, WANTED + 1, &s->a, value));
    for (int i = 0; i < WANTED; i++) CHECK_SL(value[i], "v");
    CHECK(!value[WANTED].p); /* there is none */
    CHECK_OK(kv_get_many(s->kv, SL("nobody"), key, 2, &s->a, value));
    CHECK(!value[0].p && !value[1].p);
    CHECK_OK(kv_get_many(s->kv, SL("o"), key, 0, &s->a, value));
    key[1] = SL("no\tkey");
    CHECK_ERR(kv_get_many(s->kv, SL("o"), key, 2, &s->a, value), ERR_USAGE);
}

EACH_ENGINE(what_was_noted_is_there_after_a_flush)
{
    kv_note(s->kv, SL("t"), SL("n"), SL("note"));
    CHECK_OK(kv_flush(s->kv, SL("t")));
    CHECK_SL(get(s, "t", "n"), "note");
    CHECK_OK(kv_flush(s->kv, SL("nobody")));
    CHECK_ERR(kv_flush(s->kv, SL("")), ERR_USAGE);
}

/* ---- inside a transaction ---- */

static int own_writes(struct kv_tx *tx, void *arg)
{
    struct buf *b = arg;
    struct slice v;
    CHECK_SL(kv_tx_object(tx), "o");
    CHECK_OK(kv_tx_get(tx, SL("b"), &v));
    CHECK_SL(v, "old");
    kv_tx_put(tx, SL("b"), SL("new"));
    kv_tx_put(tx, SL("a"), SL("first"));
    kv_tx_put(tx, SL("z"), SL("last"));
    kv_tx_del(tx, SL("c"));
    kv_tx_del(tx, SL("missing"));
    CHECK_OK(kv_tx_get(tx, SL("b"), &v));
    CHECK_SL(v, "new");
    CHECK_ERR(kv_tx_get(tx, SL("c"), &v), ERR_NOT_FOUND);
    CHECK_INT(kv_tx_scan(tx, SL(""), SL(""), text_row, b), 0);
    buf_str(b, "| ");
    CHECK_INT(kv_tx_scan(tx, SL("b"), SL("d"), text_row, b), 0);
    kv_tx_put(tx, SL("bb"), SL("stop"));
    buf_str(b, "| ");
    CHECK_INT(kv_tx_scan(tx, SL("b"), SL(""), text_row, b), 7);
    return 0;
}

EACH_ENGINE(a_transaction_sees_its_own_writes)
{
    struct buf b = BUF_INIT;
    CHECK_OK(put(s->kv, "o", "b", "old"));
    CHECK_OK(put(s->kv, "o", "c", "old"));
    CHECK_OK(put(s->kv, "o", "d", "old"));
    CHECK_OK(put(s->kv, "p", "a", "other"));
    CHECK_OK(kv_transact(s->kv, SL("o"), own_writes, &b));
    CHECK_SL(buf_slice(&b), "a=first b=new d=old z=last | b=new | b=new bb=stop ");
    CHECK_SL(scan(s, "o", "", "", 100), "a=first b=new bb=stop d=old z=last ");
    buf_free(&b);
}

static int change_while_scanning(void *arg, struct slice key, struct slice value)
{
    struct kv_tx *tx = arg;
    struct slice copy;
    (void)value;
    CHECK_OK(kv_tx_get(tx, SL("k0"), &copy));
    kv_tx_put(tx, key, SL("seen"));
    if (sl_eq(key, SL("k1"))) kv_tx_del(tx, SL("k2"));
    return 0;
}

static int scan_and_change(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("k4"), SL("own"));
    return kv_tx_scan(tx, SL(""), SL(""), change_while_scanning, tx);
}

EACH_ENGINE(a_scan_may_change_what_it_visits)
{
    for (int i = 0; i < 4; i++)
        CHECK_OK(put(s->kv, "o", ((const char *[]){"k0", "k1", "k2", "k3"})[i], "old"));
    CHECK_OK(kv_transact(s->kv, SL("o"), scan_and_change, NULL));
    CHECK_SL(get(s, "o", "k0"), "seen");
    CHECK_SL(get(s, "o", "k3"), "seen");
    CHECK_SL(get(s, "o", "k4"), "seen");
}

static int refuse(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("a"), SL("never"));
    kv_tx_del(tx, SL("k"));
    return err_set(ERR_QUOTA, "the sentence of the transaction");
}

EACH_ENGINE(a_refused_transaction_leaves_nothing)
{
    CHECK_OK(put(s->kv, "o", "k", "v"));
    CHECK_ERR(kv_transact(s->kv, SL("o"), refuse, NULL), ERR_QUOTA);
    CHECK_SL(sl_cstr(err_text(ERR_QUOTA)), "the sentence of the transaction");
    CHECK_SL(scan(s, "o", "", "", 9), "k=v ");
    reopen(s);
    CHECK_SL(scan(s, "o", "", "", 9), "k=v ");
}

/* ---- many at once ---- */

enum { FIBERS = 40, ROUNDS = 25 };

static void adder(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < ROUNDS; i++)
        if (kv_transact(c->kv, SL("count"), add_one, c) == 0) c->done++;
}

static int add_here(void *arg)
{
    struct counter *c = arg, each[FIBERS];
    struct group g;
    group_init(&g);
    for (int i = 0; i < FIBERS; i++) {
        each[i] = (struct counter){.kv = c->kv};
        CHECK_OK(group_go(&g, "adder", adder, &each[i]));
    }
    CHECK_OK(group_wait(&g));
    for (int i = 0; i < FIBERS; i++) c->done += each[i].done;
    return 0;
}

static void add_on_other_loop(void *arg) { CHECK_OK(rt_call(1, add_here, arg)); }

EACH_ENGINE(transactions_are_serial_over_fibers_and_loops)
{
    struct counter here = {.kv = s->kv}, there = {.kv = s->kv};
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "other", add_on_other_loop, &there));
    CHECK_OK(add_here(&here));
    CHECK_OK(group_wait(&g));
    CHECK_INT(here.done + there.done, 2 * FIBERS * ROUNDS);
    CHECK_SL(get(s, "count", "n"), "2000");
    struct kv_stats st;
    kv_stats(s->kv, &st);
    CHECK(st.transactions >= 2000 && st.groups < 2000);
    reopen(s);
    CHECK_SL(get(s, "count", "n"), "2000");
}

/* ---- notes ---- */

static int see_note(struct kv_tx *tx, void *arg)
{
    struct slice v;
    int e = kv_tx_get(tx, SL("n"), &v);
    if (e == 0) *(bool *)arg = sl_eq(v, SL("note 2"));
    return e;
}

EACH_ENGINE(notes_come_before_later_transactions)
{
    bool seen = false;
    kv_note(s->kv, SL("t"), SL("n"), SL("note 1"));
    kv_note(s->kv, SL("t"), SL("n"), SL("note 2"));
    CHECK_OK(kv_transact(s->kv, SL("t"), see_note, &seen));
    CHECK(seen);
    CHECK_SL(get(s, "t", "n"), "note 2");
    kv_note(s->kv, SL("t"), SL("m"), SL("at close"));
    reopen(s);
    CHECK_SL(get(s, "t", "m"), "at close");
    CHECK_SL(get(s, "t", "n"), "note 2");
}

EACH_ENGINE(notes_that_wait_are_bounded)
{
    static char big[60000];
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 100; i++) kv_note(s->kv, SL("t"), SL("n"), sl(big, sizeof big));
    struct kv_stats st;
    kv_stats(s->kv, &st);
    CHECK(st.notes_dropped > 20 && st.notes > 40);
    CHECK_INT(st.notes + st.notes_dropped, 100);
}

/* ---- watches ---- */

static void count_news(void *arg) { ++*(int *)arg; }

EACH_ENGINE(watches_hear_of_their_object)
{
    int a = 0, b = 0;
    struct kv_watch *wa = kv_watch(s->kv, SL("a"), count_news, &a),
                    *wb = kv_watch(s->kv, SL("b"), count_news, &b);
    struct kv_watch *wa2 = kv_watch(s->kv, SL("a"), count_news, &a);
    kv_notify(s->kv, SL("a"));
    kv_notify(s->kv, SL("a"));
    kv_notify(s->kv, SL("nobody"));
    CHECK_INT(a, 0); /* in a turn of its own */
    while (a < 2) fiber_yield();
    CHECK_INT(a, 2); /* joined */
    CHECK_INT(b, 0);
    kv_notify(s->kv, SL("a"));
    kv_unwatch(&wa); /* while the call is on its way */
    while (a < 3) fiber_yield();
    fiber_yield();
    CHECK_INT(a, 3);
    kv_unwatch(&wa2);
    kv_unwatch(&wb);
    kv_notify(s->kv, SL("a"));
    fiber_yield();
    CHECK_INT(a, 3);
    CHECK(!wa && !wb);
}

/* ---- leases ---- */

static int fenced_put(struct kv_tx *tx, void *arg)
{
    int e = kv_tx_fence(tx, SL("owner"), *(uint64_t *)arg);
    if (e) return e;
    kv_tx_put(tx, SL("k"), SL("v"));
    return 0;
}

EACH_ENGINE(leases_have_one_owner)
{
    uint64_t one, two;
    int64_t left;
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 1"), 60000, &one, &left));
    CHECK_INT(one, 1);
    CHECK_ERR(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 2"), 60000, &two, &left), ERR_BUSY);
    CHECK(left > 50000 && left <= 60000);
    CHECK_OK(
        kv_lease(s->kv, SL("q"), SL("owner"), SL("node 1"), 0, &one, &left)); /* renewed, and given back */
    CHECK_INT(one, 1);
    CHECK_OK(kv_transact(s->kv, SL("q"), fenced_put, &one));
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 2"), 60000, &two, &left));
    CHECK_INT(two, 2);
    CHECK_ERR(kv_transact(s->kv, SL("q"), fenced_put, &one),
              ERR_DENIED); /* the late write of a former owner */
    CHECK_OK(kv_transact(s->kv, SL("q"), fenced_put, &two));
    CHECK_ERR(kv_transact(s->kv, SL("other"), fenced_put, &two), ERR_DENIED);
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("another"), SL("node 1"), 60000, &one, &left));
}

static int claimed_put(struct kv_tx *tx, void *arg)
{
    int e = kv_tx_claim(tx, SL("owner"), *(uint64_t *)arg);
    if (e) return e;
    kv_tx_put(tx, SL("k"), SL("v"));
    return 0;
}

static int damage_lease(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("_lease/owner"), SL("\x01\x66\x7f"));
    return 0;
}

EACH_ENGINE(a_lease_over_many_objects_leaves_its_number_in_each)
{
    uint64_t one, two, three;
    int64_t left;
    CHECK_OK(kv_lease(s->kv, SL("node"), SL("owner"), SL("one"), 0, &one, &left));
    uint64_t claims = kv_claims(s->kv);
    CHECK(claims > 0);
    CHECK_OK(kv_transact(s->kv, SL("a"), claimed_put, &one));
    CHECK(kv_claims(s->kv) > claims);
    claims = kv_claims(s->kv);
    CHECK_OK(kv_transact(s->kv, SL("a"), claimed_put, &one)); /* it is claimed already */
    CHECK_INT(kv_claims(s->kv), claims);
    CHECK_OK(kv_lease(s->kv, SL("node"), SL("owner"), SL("one"), 0, &two, &left));
    CHECK_INT(two, one + 1); /* it runs for no time: the same owner begins anew */
    CHECK_OK(kv_claimed(s->kv, SL("a"), SL("owner"), one));
    CHECK_OK(kv_transact(s->kv, SL("a"), claimed_put, &two));
    CHECK(kv_claims(s->kv) > claims);
    CHECK_ERR(kv_transact(s->kv, SL("a"), claimed_put, &one), ERR_DENIED);
    CHECK_ERR(kv_claimed(s->kv, SL("a"), SL("owner"), one), ERR_DENIED);
    CHECK_OK(kv_claimed(s->kv, SL("a"), SL("owner"), two));
    CHECK_OK(kv_transact(s->kv, SL("b"), claimed_put, &one)); /* nobody used that one later */
    CHECK_OK(kv_transact(s->kv, SL("a"), damage_lease, NULL));
    CHECK_OK(kv_claimed(s->kv, SL("a"), SL("owner"), two));
    CHECK_OK(kv_transact(s->kv, SL("a"), claimed_put, &two));
    CHECK_ERR(kv_transact(s->kv, SL("a"), claimed_put, &one), ERR_DENIED);
    CHECK_OK(kv_transact(s->kv, SL("node"), damage_lease, NULL));
    CHECK_OK(kv_lease(s->kv, SL("node"), SL("owner"), SL("one"), 0, &three, &left));
    CHECK(three > two);
    CHECK_OK(kv_transact(s->kv, SL("a"), claimed_put, &three));
}

/* ---- what was erased and lies there ---- */

enum { OLD_ROWS = 30000, KEPT_EACH = 10000 };

static struct slice old_key(int i, char room[16])
{
    return sl(room, (size_t)snprintf(room, 16, "m/%06d", i));
}

struct old_rows {
    int from;
    bool del;
};

static int change_old(struct kv_tx *tx, void *arg)
{
    const struct old_rows *x = arg;
    char room[16];
    for (int i = x->from; i < x->from + 1000; i++) {
        if (!x->del) kv_tx_put(tx, old_key(i, room), SL("row"));
        else if (i % KEPT_EACH != KEPT_EACH / 2) kv_tx_del(tx, old_key(i, room));
    }
    return 0;
}

/* A few rows with many thousands between them that are not there any more. */
static void leave_gaps(struct suite *s)
{
    for (int del = 0; del < 2; del++)
        for (int i = 0; i < OLD_ROWS; i += 1000)
            CHECK_OK(kv_transact(s->kv, SL("o"), change_old, &(struct old_rows){.from = i, .del = del}));
}

struct counted {
    int rows, runs;
};

static int one_more(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(int *)arg;
    return 0;
}

static int put_between(struct kv_tx *tx, void *arg)
{
    char room[16];
    (void)arg;
    kv_tx_put(tx, old_key(12345, room), SL("new"));
    return 0;
}

static int count_old(struct kv_tx *tx, void *arg)
{
    struct counted *c = arg;
    c->runs++;
    c->rows = 0;
    int e = kv_tx_scan(tx, SL("m/"), SL("m0"), one_more, &c->rows);
    return e < 0 ? e : 0;
}

static int erase_old(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_erase(tx, SL("m/"), SL("m0"));
    return 0;
}

EACH_ENGINE(a_transaction_makes_nobody_wait_while_it_passes_over_what_was_erased)
{
    struct counted c = {0};
    struct kv_stats before, after;
    leave_gaps(s);
    kv_stats(s->kv, &before);
    CHECK_OK(kv_transact(s->kv, SL("o"), count_old, &c));
    kv_stats(s->kv, &after);
    CHECK_INT(c.rows, OLD_ROWS / KEPT_EACH);
    CHECK(s->engine[0] == 'm' || after.fetched > before.fetched); /* which has nothing of them any more */
    CHECK(after.waited == before.waited && c.runs <= 3);
    CHECK_OK(kv_transact(s->kv, SL("o"), put_between, NULL));
    CHECK_OK(kv_transact(s->kv, SL("o"), count_old, &c));
    CHECK_INT(c.rows, OLD_ROWS / KEPT_EACH + 1);
    CHECK_OK(kv_transact(s->kv, SL("o"), erase_old, NULL));
    CHECK_OK(kv_transact(s->kv, SL("o"), count_old, &c));
    CHECK_INT(c.rows, 0);
    kv_stats(s->kv, &after);
    CHECK(after.waited == before.waited);
}

struct rival {
    struct suite *s;
    int n;
    bool done;
};

static int put_next(struct kv_tx *tx, void *arg)
{
    struct rival *r = arg;
    char room[16];
    kv_tx_put(tx, old_key(1 + (r->n * 7919) % OLD_ROWS, room), SL("new"));
    kv_tx_put(tx, SL("sum"), sl(room, (size_t)snprintf(room, sizeof room, "%d", r->n + 1)));
    return 0;
}

/* Puts rows where there were none. */
static void put_on(void *arg)
{
    struct rival *r = arg;
    while (!r->done && kv_transact(r->s->kv, SL("o"), put_next, r) == 0) r->n++;
}

struct balance {
    struct counted c;
    uint64_t sum;
};

static int balance(struct kv_tx *tx, void *arg)
{
    struct balance *b = arg;
    struct slice v;
    int e = count_old(tx, &b->c), none = kv_tx_get(tx, SL("sum"), &v);
    b->sum = 0;
    if (!none && !num_u64(v, UINT64_MAX, &b->sum)) return ERR_CORRUPT;
    return e;
}

/* All of them and no other, at each moment. */
EACH_ENGINE(what_is_put_among_erased_rows_while_they_are_passed_over_is_seen)
{
    enum { COUNTS = 200 };
    struct rival r = {.s = s};
    struct balance b = {0};
    struct group g;
    leave_gaps(s);
    group_init(&g);
    CHECK_OK(group_go(&g, "rival", put_on, &r));
    for (int i = 0; i < COUNTS; i++) {
        if (s->engine[0] == 'm') kv_mem_cool(s->kv);
        CHECK_OK(kv_transact(s->kv, SL("o"), balance, &b));
        CHECK_INT((uint64_t)b.c.rows, OLD_ROWS / KEPT_EACH + b.sum);
    }
    r.done = true;
    CHECK_OK(group_wait(&g));
    CHECK(r.n > 0);
}
