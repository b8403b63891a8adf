/* core.c - make bench-core: what one user's large work costs the others, how long a large mailbox takes to
 * open, and deliveries into a large index.
 *
 * The store lies on RocksDB in a folder of its own under /tmp (or TMPDIR) that is removed at the end. While
 * one fiber does something large, another makes small transactions, a millisecond apart, and times them: what
 * they wait is what everybody waits. MESSAGES (1,000,000) and ACCOUNTS (20,000) in the environment set the
 * sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "store/mailbox.h"

enum { SAMPLES_MAX = 400000, CROWD = 64, PAGE = 1000, EACH = 25 };
#define LARGE "large"

struct bench {
    char dir[128];
    struct store *store;
    bool busy; /* the large work goes on */
    double *sample;
    size_t n;
    uint32_t *uids;
    size_t nuids;
    struct message_new *letters; /* PAGE of them */
};

static void must(int e, const char *what)
{
    if (e >= 0) return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

static size_t size_of(const char *name, size_t otherwise)
{
    const char *asked = getenv(name);
    uint64_t n;
    return asked && num_u64(sl_cstr(asked), 100000000, &n) ? (size_t)n : otherwise;
}

/* ---- the others ---- */

static int put_small(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("small"), SL("somebody else's delivery"));
    return 0;
}

static void others(void *arg)
{
    struct bench *b = arg;
    while (b->busy && b->n < SAMPLES_MAX) {
        fiber_sleep(RT_MS);
        fiber_yield();
        int64_t start = rt_now();
        must(kv_transact(b->store->kv, SL("u:other"), put_small, b), "a small transaction");
        fiber_yield();
        b->sample[b->n++] = (double)(rt_now() - start) / RT_MS;
    }
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Of the whole process, all threads: milliseconds. */
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void beside_others(struct bench *b, const char *what, void (*fn)(struct bench *b))
{
    struct group g;
    group_init(&g);
    b->busy = true;
    b->n = 0;
    must(group_go(&g, "others", others, b), "a fiber");
    int64_t start = rt_now();
    double used = cpu();
    fn(b);
    fiber_yield();
    used = cpu() - used;
    double took = (double)(rt_now() - start) / RT_MS;
    b->busy = false;
    must(group_wait(&g), "the others");
    qsort(b->sample, b->n, sizeof *b->sample, ascending);
    printf("%-36s %9.1f ms, %8.1f of CPU", what, took, used);
    if (b->n > 20)
        printf("   others: median %5.2f  99 %% %6.2f  worst %7.2f ms", b->sample[b->n / 2],
               b->sample[b->n * 99 / 100], b->sample[b->n - 1]);
    printf("\n");
    fflush(stdout);
}

static void nothing_large(struct bench *b)
{
    (void)b;
    fiber_sleep(3 * RT_S);
}

/* ---- a large mailbox ---- */

static struct mailbox_ref large(uint32_t box) { return (struct mailbox_ref){.account = LARGE, .box = box}; }

static void fill(struct bench *b)
{
    uint32_t validity, first;
    for (size_t i = 0; i < b->nuids; i += PAGE)
        must(message_append(b->store, large(1), b->letters, PAGE, &validity, &first), "filling");
}

static void flag_all(struct bench *b)
{
    const struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    must(message_flags(b->store, large(1), (struct uids){b->uids, b->nuids}, &seen, NULL, NULL), "STORE");
}

static void copy_or_move(struct bench *b, size_t n, uint32_t to, bool move)
{
    struct arena a;
    struct message_copied c;
    ar_init(&a, 0);
    must(message_copy(b->store, large(1), (struct uids){b->uids, n}, to, move, &a, &c), "COPY");
    ar_free(&a);
}

static void copy_many(struct bench *b) { copy_or_move(b, b->nuids / 5, 4, false); }
static void move_many(struct bench *b) { copy_or_move(b, b->nuids / 10, 5, true); }

static void expunge_many(struct bench *b)
{
    struct uids last = {b->uids + b->nuids - b->nuids / 10, b->nuids / 10};
    must(message_expunge(b->store, large(1), last, false, NULL, NULL), "EXPUNGE");
}

static void open_view(struct bench *b)
{
    struct view *v;
    must(view_open(&v, b->store, LARGE, 1), "opening");
    view_close(&v);
}

static void open_beside(struct bench *b)
{
    struct view *v;
    must(view_open(&v, b->store, LARGE, 1), "opening");
    beside_others(b, "opened while somebody has it open", open_view);
    view_close(&v);
}

static void delete_large(struct bench *b) { must(mailbox_delete(b->store, LARGE, SL("large")), "DELETE"); }

static void move_name(struct bench *b)
{
    must(mailbox_rename(b->store, LARGE, SL("INBOX"), SL("large")), "RENAME of INBOX: moves all");
}

static void large_mailbox(struct bench *b)
{
    b->nuids = size_of("MESSAGES", 1000000) / (10 * PAGE) * (10 * PAGE);
    b->uids = xcalloc(b->nuids, sizeof *b->uids);
    for (size_t i = 0; i < b->nuids; i++) b->uids[i] = (uint32_t)i + 1;
    must(mailbox_make_defaults(b->store, LARGE), "an account");
    printf("a mailbox of %zu messages\n", b->nuids);
    beside_others(b, "filled, 1,000 at once", fill);
    beside_others(b, "opened, without an image", open_view);
    beside_others(b, "opened again", open_view);
    open_beside(b);
    beside_others(b, "STORE of all", flag_all);
    beside_others(b, "opened after it", open_view);
    beside_others(b, "COPY of a fifth", copy_many);
    beside_others(b, "MOVE of a tenth", move_many);
    beside_others(b, "EXPUNGE of a tenth", expunge_many);
    beside_others(b, "opened after it", open_view);
    beside_others(b, "all moved to another mailbox", move_name);
    beside_others(b, "that mailbox deleted", delete_large);
    free(b->uids);
}

/* ---- deliveries to accounts at random ---- */

struct crowd {
    struct bench *b;
    size_t accounts, next;
    int64_t until;
    uint64_t done;
};

static void account_id(size_t i, char room[20]) { snprintf(room, 20, "%08x", (unsigned)(i * 2654435761u)); }

static void make_accounts(void *arg)
{
    struct crowd *c = arg;
    char acc[20];
    uint32_t validity, first;
    while (c->next < c->accounts) {
        account_id(c->next++, acc);
        must(mailbox_make_defaults(c->b->store, acc), "an account");
        must(message_append(c->b->store, (struct mailbox_ref){.account = acc, .box = 1}, c->b->letters, EACH,
                            &validity, &first),
             "filling");
    }
}

static void deliver_some(void *arg)
{
    struct crowd *c = arg;
    char acc[20], id[40];
    while (rt_now() < c->until) {
        uint32_t uid;
        bool twice;
        account_id(rt_random_below(c->accounts), acc);
        snprintf(id, sizeof id, "%016llx.0", (unsigned long long)rt_random_below(UINT64_MAX));
        must(message_deliver(c->b->store, acc, sl_cstr(id), SL("INBOX"), c->b->letters, &uid, &twice),
             "a delivery");
        c->done++;
        fiber_yield();
    }
}

static void crowd(struct crowd *c, fiber_fn *fn)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < CROWD; i++) must(group_go(&g, "crowd", fn, c), "a fiber");
    must(group_wait(&g), "the crowd");
}

static void deliver_round(struct bench *b, size_t accounts, const char *what)
{
    enum { SECONDS = 10 };
    struct crowd c = {.b = b, .accounts = accounts, .until = rt_now() + SECONDS * RT_S};
    crowd(&c, deliver_some);
    printf("%-40s %10.1f deliveries a second\n", what, (double)c.done / SECONDS);
    fflush(stdout);
}

static void random_deliveries(struct bench *b)
{
    size_t n = size_of("ACCOUNTS", 20000);
    struct crowd c = {.b = b, .accounts = n};
    crowd(&c, make_accounts);
    printf("%zu accounts with %d messages each\n", n, EACH);
    for (int i = 0; i < 2; i++) {
        deliver_round(b, n, "to accounts at random");
        deliver_round(b, n < 500 ? n : 500, "to 500 accounts");
    }
}

/* ---- all of it ---- */

static void make_letters(struct bench *b)
{
    struct body_ref ref;
    must(body_put(b->store->body, BODY_MAIL, SL("a letter"), SL(""), &ref), "a body");
    b->letters = xcalloc(PAGE, sizeof *b->letters);
    for (size_t i = 0; i < PAGE; i++)
        b->letters[i] = (struct message_new){
            .internal_date = 1700000000, .size = body_ref_size(&ref), .head_size = 1, .body = ref};
}

static int run(void *arg)
{
    struct bench *b = arg;
    struct kv *kv;
    struct body_store *body;
    char path[160];
    snprintf(path, sizeof path, "%s/index", b->dir);
    must(kv_rocks_open(&kv, path), "opening the index");
    kv_rocks_cache(kv, rt_memory() / 8);
    snprintf(path, sizeof path, "%s/bodies", b->dir);
    must(body_open(&body, path, 0), "opening the bodies");
    must(store_open(&b->store, kv, body), "opening the store");
    make_letters(b);
    beside_others(b, "nothing large", nothing_large);
    large_mailbox(b);
    random_deliveries(b);
    free(b->letters);
    store_close(&b->store);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = {.sample = xcalloc(SAMPLES_MAX, sizeof(double))};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_core FOLDER   (an empty one; it is filled)\n");
        return 2;
    }
    snprintf(b.dir, sizeof b.dir, "%s", argv[1]);
    int rc = rt_run(&(struct rt_opts){.loops = 1}, run, &b);
    free(b.sample);
    return rc;
}
