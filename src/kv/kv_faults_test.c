/* kv_faults_test.c - the conformance suite: copies, formats, one process, and disks that fail. */
#include <signal.h>
#include <sys/resource.h>

#include "kv_test.h"

/* ---- care ---- */

static void count_bad(void *arg, const char *what)
{
    (void)what;
    ++*(int *)arg;
}

EACH_ENGINE(a_backup_is_the_state_of_its_moment)
{
    char to[96], path[112];
    int bad = 0;
    struct kv *now = s->kv;
    CHECK_OK(put(s->kv, "o", "k", "before"));
    snprintf(to, sizeof to, "%s/copy", s->dir);
    CHECK_OK(kv_backup(s->kv, to));
    CHECK_OK(put(s->kv, "o", "k", "after"));
    snprintf(path, sizeof path, "%s%s", to, s->engine[0] == 'm' ? "/kv.log" : "");
    REQUIRE(engine_open(s->engine, path, &s->kv) == 0);
    CHECK_SL(get(s, "o", "k"), "before");
    kv_close(&s->kv);
    s->kv = now;
    CHECK_SL(get(s, "o", "k"), "after");
    CHECK_OK(kv_verify(s->kv, count_bad, &bad));
    CHECK_INT(bad, 0);
    CHECK(kv_backup(s->kv, to) < 0); /* exists */
}

static int write_format(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("kv"), sl_cstr(arg));
    return 0;
}

EACH_ENGINE(another_format_is_refused_with_a_sentence)
{
    CHECK_OK(kv_transact(s->kv, SL("_format"), write_format, "2"));
    kv_close(&s->kv);
    CHECK_ERR(engine_open(s->engine, s->path, &s->kv), ERR_VERSION);
    CHECK_SL(sl_cstr(err_text(ERR_VERSION)), "the index has format 2; this program reads format 1 only");
}

TEST(a_store_has_one_process)
{
    char dir[] = "/tmp/tram-kv-test-XXXXXX";
    struct kv *one, *two = NULL;
    REQUIRE(mkdtemp(dir));
    REQUIRE(kv_rocks_open(&one, dir) == 0);
    CHECK_ERR(kv_rocks_open(&two, dir), ERR_BUSY);
    CHECK(strstr(err_text(ERR_BUSY), "another process has the store"));
    kv_close(&one);
    REQUIRE(kv_rocks_open(&one, dir) == 0);
    kv_close(&one);
    remove_tree(dir);
}

/* ---- faults ---- */

TEST(faults_end_as_they_say)
{
    struct suite s = {.engine = "mem"};
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    CHECK_OK(put(s.kv, "o", "k", "0"));
    kv_mem_inject(s.kv, KV_FAULT_IO, 1);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_IO);
    CHECK_SL(get(&s, "o", "k"), "0");
    kv_mem_inject(s.kv, KV_FAULT_FULL, 2);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_FULL);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_FULL);
    CHECK_OK(put(s.kv, "o", "k", "2"));
    kv_mem_inject(s.kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    CHECK_ERR(put(s.kv, "o", "k", "3"), ERR_UNKNOWN);
    CHECK_SL(get(&s, "o", "k"), "2");
    kv_mem_inject(s.kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_ERR(put(s.kv, "o", "k", "4"), ERR_UNKNOWN);
    CHECK_SL(get(&s, "o", "k"), "4");
    struct counter c = {.kv = s.kv};
    kv_mem_inject(s.kv, KV_FAULT_RERUN, 1);
    CHECK_OK(kv_transact(s.kv, SL("count"), add_one, &c));
    CHECK_SL(get(&s, "count", "n"), "1"); /* run twice, done once */
    kv_close(&s.kv);
    ar_free(&s.a);
}

static int times_said;

static void say(struct slice data)
{
    CHECK_SL(data, "done");
    times_said++;
}

static int say_something(struct kv_tx *tx, void *result)
{
    kv_tx_put(tx, SL("k"), SL("v"));
    kv_tx_say(tx, say, SL("done"));
    return *(int *)result;
}

TEST(what_a_transaction_has_to_say_is_said_once_and_only_when_it_is_done)
{
    static const struct {
        int result, fault, said;
    } cases[] = {
        {0, KV_FAULT_NONE, 1}, {0, KV_FAULT_RERUN, 1}, {ERR_STATE, KV_FAULT_NONE, 0}, {0, KV_FAULT_FULL, 0}};
    struct suite s = {.engine = "mem"};
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int result = cases[i].result;
        times_said = 0;
        kv_mem_inject(s.kv, (enum kv_fault)cases[i].fault, 1);
        (void)!kv_transact(s.kv, SL("o"), say_something, &result);
        CHECK_INT(times_said, cases[i].said);
    }
    kv_close(&s.kv);
    ar_free(&s.a);
}

/* On kv_mem with a log and without: the store is there again after each of these. */
static void each_memory(void (*body)(struct suite *s))
{
    for (int log = 0; log < 2; log++) {
        struct suite s = {.engine = "mem", .dir = "/tmp/tram-kv-test-XXXXXX"};
        REQUIRE(mkdtemp(s.dir));
        snprintf(s.path, sizeof s.path, "%s/log", s.dir);
        ar_init(&s.a, 0);
        REQUIRE(kv_mem_open(&s.kv, log ? s.path : NULL) == 0);
        body(&s);
        kv_close(&s.kv);
        ar_free(&s.a);
        remove_tree(s.dir);
    }
}

static uint64_t reopened(struct suite *s)
{
    struct kv_stats st;
    kv_stats(s->kv, &st);
    return st.reopened;
}

static void write_errors(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_DONE, 1);
    CHECK_OK(put(s->kv, "o", "b", "2"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 ");
    CHECK_INT(reopened(s), 1);
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 2); /* the second time it is written fails as well */
    kv_note(s->kv, SL("o"), SL("n"), SL("rides along"));
    CHECK_OK(put(s->kv, "o", "c", "3"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 c=3 n=rides along ");
    CHECK_INT(reopened(s), 3);
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 1);
    kv_mem_refuse(s->kv, ERR_BUSY, 2); /* no descriptor to open it with */
    CHECK_OK(put(s->kv, "o", "d", "4"));
    CHECK_SL(scan(s, "o", "d", "n", 9), "d=4 ");
    CHECK_INT(reopened(s), 4);
}

TEST(after_a_write_error_the_log_says_what_is_done) { each_memory(write_errors); }

static void full_disk(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_FULL, 1);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 ");
    kv_mem_refuse(s->kv, ERR_FULL, 2); /* there is no room yet */
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 "); /* reading goes on */
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_OK(put(s->kv, "o", "b", "2"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 ");
    CHECK_INT(reopened(s), 1);
}

TEST(a_full_disk_is_left_behind_when_there_is_room) { each_memory(full_disk); }

/* It could not be opened again, and nobody writes any more: who reads has it tried. */
static void read_after_full(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_FULL, 1);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    kv_mem_refuse(s->kv, ERR_CANCELED, 1);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_CANCELED);
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 ");
    CHECK_INT(reopened(s), 1);
}

TEST(who_reads_has_it_tried_whether_there_is_room_again) { each_memory(read_after_full); }

/* A sync that found no space: the change may be whole in the log. */
static void full_and_unknown(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_DONE, 1);
    kv_mem_refuse(s->kv, ERR_FULL, 2);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_UNKNOWN);
    CHECK_ERR(put(s->kv, "o", "c", "3"), ERR_FULL);
    CHECK_OK(put(s->kv, "o", "d", "4"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 d=4 ");
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 1);
    kv_mem_refuse(s->kv, ERR_FULL, 1);
    CHECK_ERR(put(s->kv, "o", "e", "5"), ERR_UNKNOWN);
    CHECK_OK(put(s->kv, "o", "f", "6"));
    CHECK_SL(scan(s, "o", "d", "", 9), "d=4 f=6 ");
}

TEST(what_a_full_disk_left_open_is_told_as_unknown) { each_memory(full_and_unknown); }

struct reader {
    struct suite *s;
    bool stop;
    int reads;
};

static void read_on(void *arg)
{
    struct reader *r = arg;
    while (!r->stop) {
        struct arena a;
        struct slice v;
        ar_init(&a, 0);
        CHECK_OK(kv_get(r->s->kv, SL("o"), SL("a"), &a, &v));
        ar_free(&a);
        r->reads++;
        fiber_yield();
    }
}

static int read_here(void *arg)
{
    read_on(arg);
    return 0;
}

static void read_there(void *arg) { CHECK_OK(rt_call(1, read_here, arg)); }

/* RocksDB's files may not grow past this: appending to its log fails with EFBIG now and then. */
static void limit_files(rlim_t bytes)
{
    struct rlimit r;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = bytes < r.rlim_max ? bytes : r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

TEST(rocksdb_is_opened_again_under_its_readers)
{
    struct suite s = {.engine = "rocks", .dir = "/tmp/tram-kv-test-XXXXXX"};
    static char big[40000];
    struct group g;
    REQUIRE(mkdtemp(s.dir));
    snprintf(s.path, sizeof s.path, "%s/index", s.dir);
    ar_init(&s.a, 0);
    REQUIRE(kv_rocks_open(&s.kv, s.path) == 0);
    CHECK_OK(put(s.kv, "o", "a", "1"));
    struct reader here = {.s = &s}, there = {.s = &s};
    group_init(&g);
    CHECK_OK(group_go(&g, "here", read_on, &here));
    CHECK_OK(group_go(&g, "there", read_there, &there));
    memset(big, 'x', sizeof big - 1);
    limit_files(100000);
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_OK(put(s.kv, "o", key, big));
    }
    limit_files(RLIM_INFINITY);
    CHECK(reopened(&s) >= 2);
    here.stop = there.stop = true;
    CHECK_OK(group_wait(&g));
    CHECK(here.reads && there.reads);
    for (int again = 0; again < 2; again++, reopen(&s))
        CHECK_INT(scan(&s, "o", "", "", 20).n, 4 + 8 * (3 + sizeof big));
    kv_close(&s.kv);
    ar_free(&s.a);
    remove_tree(s.dir);
}

/* ---- tables ---- */

enum { TABLES = 160 };

static const char *row_of(int i)
{
    static char name[16];
    snprintf(name, sizeof name, "k%03d", i);
    return name;
}

/* Of rows of tables: how many are not read as what was written. */
static int lost_by_get(struct suite *s)
{
    int lost = 0;
    for (int i = 0; i < TABLES; i++) lost += !sl_eq(get(s, "t:day", row_of(i)), sl_cstr(row_of(i)));
    return lost;
}

static int lost_by_many(struct suite *s)
{
    struct slice key[TABLES], value[TABLES];
    int lost = 0;
    for (int i = 0; i < TABLES; i++) key[i] = ar_dup(&s->a, sl_cstr(row_of(i)));
    CHECK_OK(kv_get_many(s->kv, SL("t:day"), key, TABLES, &s->a, value));
    for (int i = 0; i < TABLES; i++) lost += !sl_eq(value[i], key[i]);
    return lost;
}

static int read_all(struct kv_tx *tx, void *lost)
{
    struct slice value;
    *(int *)lost = 0;
    for (int i = 0; i < TABLES; i++)
        *(int *)lost += kv_tx_get(tx, sl_cstr(row_of(i)), &value) != 0 || !sl_eq(value, sl_cstr(row_of(i)));
    return 0;
}

static int lost_in_transaction(struct suite *s)
{
    int lost;
    CHECK_OK(kv_transact(s->kv, SL("t:day"), read_all, &lost));
    return lost;
}

static int lost_by_scan(struct suite *s)
{
    struct kv_page page;
    CHECK_OK(kv_scan(s->kv, SL("t:day"), SL(""), SL(""), 2 * TABLES, &s->a, &page));
    return TABLES - (int)page.n;
}

/* Each time the index is opened what its log held becomes a table; merging leaves many, for each holds later
 * rows than the one before. Of these only some are open at first. */
TEST(rows_of_tables_that_are_not_open_are_read_from_the_disk)
{
    static int (*const ways[])(struct suite *) = {lost_by_get, lost_by_many, lost_in_transaction,
                                                  lost_by_scan};
    struct suite s = {.engine = "rocks", .dir = "/tmp/tram-kv-test-XXXXXX"};
    REQUIRE(mkdtemp(s.dir));
    snprintf(s.path, sizeof s.path, "%s/index", s.dir);
    ar_init(&s.a, 0);
    REQUIRE(kv_rocks_open(&s.kv, s.path) == 0);
    for (int i = 0; i < TABLES; i++, reopen(&s)) CHECK_OK(put(s.kv, "t:day", row_of(i), row_of(i)));
    for (size_t i = 0; i < COUNT_OF(ways); i++, reopen(&s)) CHECK_INT(ways[i](&s), 0);
    kv_close(&s.kv);
    ar_free(&s.a);
    remove_tree(s.dir);
}

TEST(a_torn_log_is_cut)
{
    char dir[] = "/tmp/tram-kv-test-XXXXXX", path[64];
    struct suite s = {.engine = "mem"};
    struct file *f;
    uint64_t size;
    ar_init(&s.a, 0);
    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_OK(put(s.kv, "o", "k", "one"));
    CHECK_OK(put(s.kv, "o", "k", "two"));
    kv_close(&s.kv);
    REQUIRE(file_open(&f, path, FILE_WRITE) == 0);
    CHECK_OK(file_size(f, &size));
    CHECK_OK(file_pwrite(f, "garbage that is longer than a header", 36, size));
    file_close(&f);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "two");
    kv_close(&s.kv);
    REQUIRE(file_open(&f, path, FILE_WRITE) == 0);
    CHECK_OK(file_truncate(f, size - 1));
    file_close(&f);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "one");
    CHECK_OK(put(s.kv, "o", "k", "three"));
    kv_close(&s.kv);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "three");
    kv_close(&s.kv);
    ar_free(&s.a);
    remove_tree(dir);
}
