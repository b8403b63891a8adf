/* damage_test.c - frames of RocksDB's log, and each engine's files damaged in their middle. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "kv.h"
#include "rocks_log.h"
#include "rt/file.h"
#include "rt/test_rt.h"

/* ---- frames ---- */

enum { NUMBER = 7 };
static uint8_t image[4 * ROCKS_BLOCK];

/* One frame, as RocksDB writes it. type: 1 to 4 plain, 5 to 8 with the number. The bytes put into out. */
static size_t put_frame(uint8_t *out, unsigned type, uint32_t number, struct slice payload)
{
    size_t header = type > 4 ? 11 : 7;
    out[4] = (uint8_t)payload.n;
    out[5] = (uint8_t)(payload.n >> 8);
    out[6] = (uint8_t)type;
    for (size_t i = 7; i < header; i++) out[i] = (uint8_t)(number >> 8 * (i - 7));
    if (payload.n) memcpy(out + header, payload.p, payload.n);
    uint32_t sum = crc32c(0, out + 6, header - 6 + payload.n);
    sum = (sum >> 15 | sum << 17) + 0xa282ead8u; /* as checksums are stored there */
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(sum >> 8 * i);
    return header + payload.n;
}

/* Puts a group of n bytes with one row at *at, in frames, as RocksDB does. */
static void put_group(size_t *at, uint64_t sequence, size_t n)
{
    static char payload[4 * ROCKS_BLOCK];
    memset(payload, 'x', sizeof payload);
    for (int i = 0; i < 8; i++) payload[i] = (char)(sequence >> 8 * i);
    memcpy(payload + 8, "\1\0\0\0", 4);
    for (size_t done = 0; done < n;) {
        size_t left = ROCKS_BLOCK - *at % ROCKS_BLOCK;
        if (left < 11) *at += left, left = ROCKS_BLOCK;
        size_t piece = n - done < left - 11 ? n - done : left - 11;
        bool first = done == 0, last = done + piece == n;
        unsigned type = first && last ? 5 : first ? 6 : last ? 8 : 7;
        *at += put_frame(image + *at, type, NUMBER, sl(payload + done, piece));
        done += piece;
    }
}

static struct rocks_log walk(size_t n)
{
    struct rocks_log w = {.kind = ROCKS_WAL, .number = NUMBER};
    for (size_t at = 0; at < n; at += ROCKS_BLOCK)
        rocks_log_block(&w, sl(image + at, n - at < ROCKS_BLOCK ? n - at : ROCKS_BLOCK));
    return w;
}

static size_t ends[5];

/* Five groups: small, one over three blocks, small ones, one over two blocks. */
static size_t put_log(void)
{
    static const size_t sizes[] = {100, 70000, 50, 300, 33000};
    size_t at = 0;
    memset(image, 0, sizeof image);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        put_group(&at, 40 + i, sizes[i]);
        ends[i] = at;
    }
    return at;
}

TEST(a_log_without_damage_is_whole)
{
    size_t n = put_log();
    struct rocks_log w = walk(n);
    CHECK(!w.broken && !w.damaged);
    CHECK_INT(w.groups, 5);
    CHECK_INT(w.whole, n);
    CHECK_INT(w.first, 40);
    CHECK_INT(w.next, 45);
    w = walk(sizeof image); /* zeros behind it: space taken in advance */
    CHECK(w.broken && !w.damaged);
    CHECK_INT(w.broken_at, n);
}

TEST(every_torn_tail_is_a_torn_tail)
{
    size_t n = put_log();
    for (size_t cut = 1; cut < n; cut += cut < 400 ? 1 : 997) {
        put_log();
        struct rocks_log w = walk(n - cut); /* shorter */
        CHECK(!w.damaged);
        memset(image + (n - cut), 0, cut); /* or zeros */
        w = walk(n);
        CHECK(!w.damaged && w.whole <= n - cut);
    }
    for (size_t at = ends[3]; at < n; at += 512) { /* a hole in the last group, whose rest is there */
        put_log();
        memset(image + at, 0, n - at < 512 ? n - at : 512);
        struct rocks_log w = walk(n);
        CHECK(w.broken && !w.damaged);
        CHECK_INT(w.groups, 4);
    }
}

TEST(a_flipped_bit_before_the_last_group_is_damage)
{
    size_t n = put_log();
    for (size_t at = 0; at < ends[3]; at++) {
        if (at > 300 && at % 251 && at % ROCKS_BLOCK > 12) continue;
        put_log();
        image[at] ^= (uint8_t)(1u << at % 8);
        struct rocks_log w = walk(n);
        if (at >= ends[1] - 30 && !w.broken) continue; /* zeros at the end of a block that nobody reads */
        CHECK(w.damaged);
        CHECK(w.broken_at <= at && w.again_at > at && w.lost_groups >= 1);
        CHECK(w.whole <= at);
    }
}

TEST(a_missing_group_and_one_of_an_older_file_are_damage)
{
    size_t at = 0;
    memset(image, 0, sizeof image);
    put_group(&at, 1, 100);
    size_t gap = at;
    put_group(&at, 3, 100);
    struct rocks_log w = walk(at);
    CHECK(w.damaged);
    CHECK_INT(w.broken_at, gap);
    uint8_t old[200];
    size_t n = put_frame(old, 5, NUMBER - 3, sl(image, 100));
    memcpy(image + at, old, n); /* what the file held before it was used again: the log ends here */
    w = walk(gap);
    CHECK(!w.damaged);
    memmove(image + gap, image + at, n);
    w = walk(gap + n);
    CHECK(w.broken && !w.damaged);
    CHECK_INT(w.whole, gap);
}

/* ---- engines ---- */

static const char *engine;
static char home[64], path[96];

static int engine_open(struct kv **kv)
{
    return *engine == 'r' ? kv_rocks_open(kv, path) : kv_mem_open(kv, path);
}

static int engine_accept(void)
{
    return *engine == 'r' ? kv_rocks_accept_loss(path) : kv_mem_accept_loss(path);
}

static int put_row(struct kv_tx *tx, void *arg)
{
    char key[16], value[200];
    int n = *(int *)arg;
    memset(value, 'v', sizeof value);
    kv_tx_put(tx, sl(key, (size_t)snprintf(key, sizeof key, "k%03d", n)), sl(value, sizeof value));
    return 0;
}

static void put_rows(int n)
{
    struct kv *kv;
    REQUIRE(engine_open(&kv) == 0);
    for (int i = 0; i < n; i++) CHECK_OK(kv_transact(kv, SL("o"), put_row, &i));
    kv_close(&kv);
}

static size_t count_rows(struct kv *kv)
{
    struct arena a;
    struct kv_page page = {0};
    ar_init(&a, 0);
    CHECK_OK(kv_scan(kv, SL("o"), SL("k"), SL("l"), KV_PAGE_MAX, &a, &page));
    for (size_t i = 0; i < page.n; i++) /* nothing is missing in between */
        CHECK_SL(page.row[i].key, ar_printf(&a, "k%03zu", i).p);
    ar_free(&a);
    return page.n;
}

static void begin(const char *which)
{
    engine = which;
    snprintf(home, sizeof home, "/tmp/tram-damage-XXXXXX");
    REQUIRE(mkdtemp(home));
    snprintf(path, sizeof path, "%s/index", home);
}

static void end(void)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", home);
    CHECK(system(cmd) == 0);
}

struct find {
    const char *ending;
    char name[64];
};

/* The last name of the folder with this ending (or beginning). */
static int find_name(void *arg, const char *name)
{
    struct find *f = arg;
    struct slice s = sl_cstr(name), e = sl_cstr(f->ending);
    if ((sl_ends(s, e) || sl_starts(s, e)) && strcmp(name, f->name) > 0)
        snprintf(f->name, sizeof f->name, "%s", name);
    return 0;
}

static void file_of(const char *ending, char out[200])
{
    struct find f = {.ending = ending};
    if (*engine == 'r') {
        CHECK_OK(path_list(path, find_name, &f));
        CHECK(f.name[0]);
    }
    snprintf(out, 200, "%s%s%s", path, *engine == 'r' ? "/" : "", f.name);
}

/* The place is a part of the file in thousandths. */
static void flip(const char *ending, unsigned part)
{
    char name[200];
    struct buf b = BUF_INIT;
    file_of(ending, name);
    REQUIRE(path_read(name, 16 << 20, &b) == 0);
    b.p[b.n * part / 1000] ^= 4;
    CHECK_OK(path_write(name, buf_slice(&b), 0600));
    buf_free(&b);
}

static void each_engine(void (*body)(void))
{
    begin("mem");
    body();
    end();
    begin("rocks");
    body();
    end();
}

#define EACH_ENGINE(id)                                                                                      \
    static void id##_on(void);                                                                               \
    TEST(id) { each_engine(id##_on); }                                                                       \
    static void id##_on(void)

EACH_ENGINE(damage_in_the_log_is_refused_until_the_loss_is_accepted)
{
    struct kv *kv = NULL;
    struct buf what = BUF_INIT;
    put_rows(100);
    flip(".log", 300);
    for (int i = 0; i < 2; i++) { /* refusing changes nothing */
        CHECK_ERR(engine_open(&kv), ERR_CORRUPT);
        const char *said = err_text(ERR_CORRUPT);
        CHECK(strstr(said, "the log of the index is damaged") && strstr(said, "at byte") &&
              strstr(said, "--accept-loss"));
    }
    CHECK_OK(engine_accept());
    REQUIRE(engine_open(&kv) == 0);
    size_t n = count_rows(kv);
    CHECK(n >= 25 && n < 35);
    CHECK_OK(kv_loss(kv, &what));
    CHECK(sl_find(buf_slice(&what), SL("at byte")) != SL_NONE);
    kv_close(&kv);
    REQUIRE(engine_open(&kv) == 0); /* noted until somebody has heard of it */
    CHECK_OK(kv_loss(kv, &what));
    CHECK_OK(kv_loss_done(kv));
    CHECK_ERR(kv_loss(kv, &what), ERR_NOT_FOUND);
    kv_close(&kv);
    CHECK_ERR(engine_accept(), ERR_STATE);
    put_rows(100);
    REQUIRE(engine_open(&kv) == 0);
    CHECK_INT(count_rows(kv), 100);
    kv_close(&kv);
    buf_free(&what);
}

EACH_ENGINE(acceptance_holds_for_the_damage_it_was_given_for)
{
    struct kv *kv = NULL;
    put_rows(100);
    flip(".log", 600);
    CHECK_OK(engine_accept());
    flip(".log", 300);
    CHECK_ERR(engine_open(&kv), ERR_CORRUPT);
}

EACH_ENGINE(a_torn_tail_is_cut_in_silence)
{
    struct kv *kv = NULL;
    char name[200];
    struct buf b = BUF_INIT, what = BUF_INIT;
    put_rows(100);
    file_of(".log", name);
    REQUIRE(path_read(name, 16 << 20, &b) == 0);
    size_t n = b.n;
    while (n && !b.p[n - 1]) n--; /* the last row ends in v */
    memset(b.p + n - 100, 0, 100);
    CHECK_OK(path_write(name, buf_slice(&b), 0600));
    REQUIRE(engine_open(&kv) == 0);
    CHECK_INT(count_rows(kv), 99);
    CHECK_ERR(kv_loss(kv, &what), ERR_NOT_FOUND);
    kv_close(&kv);
    buf_free(&b);
    buf_free(&what);
}

/* Any bit of a file that the index cannot be read without. */
static void refused_when_flipped(const char *ending, const char *said)
{
    for (unsigned part = 0; part < 900; part += 45) {
        struct kv *kv = NULL;
        begin("rocks");
        put_rows(3);
        put_rows(3); /* again, so that the MANIFEST knows of a table file and the log begins anew */
        flip(ending, part);
        int e = engine_open(&kv);
        CHECK(e == ERR_CORRUPT || e == ERR_IO);
        if (e == 0) kv_close(&kv);
        else if (!strstr(err_text(e), said)) test_fail(__FILE__, __LINE__, "%u: %s", part, err_text(e));
        end();
    }
}

TEST(a_damaged_manifest_is_refused) { refused_when_flipped("MANIFEST-", "MANIFEST-"); }
TEST(a_damaged_current_is_refused) { refused_when_flipped("CURRENT", "CURRENT"); }

enum { MANY = 3000 };

static int put_many(struct kv_tx *tx, void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        char key[16], value[64];
        rt_random(value, sizeof value); /* it does not shrink: as many blocks as rows ask for */
        kv_tx_put(tx, sl(key, (size_t)snprintf(key, sizeof key, "k%07d", i * 37)), sl(value, sizeof value));
    }
    return 0;
}

/* Page by page over all that can be read: which rows are missing, and where a hole was told of. */
static void read_over(struct kv *kv, size_t *n, size_t *missing, size_t *runs, bool *told)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice from = SL("k");
    size_t next = 0;
    for (*n = *missing = *runs = 0, *told = false; page.more;) {
        bool hole;
        REQUIRE(kv_scan_over(kv, SL("o"), from, SL("l"), 50, &a, &page, &hole) == 0);
        *told |= hole;
        for (size_t i = 0; i < page.n; i++, ++*n, next++) {
            uint64_t key;
            REQUIRE(num_u64(sl_from(page.row[i].key, 1), UINT64_MAX, &key) && key % 37 == 0);
            *runs += key / 37 > next;
            *missing += key / 37 - next;
            next = key / 37;
        }
        if (page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    *runs += next < MANY;
    *missing += MANY - next;
    ar_free(&a);
}

/* A block of a table hides its rows, and none behind them. */
TEST(a_damaged_block_hides_only_its_own_rows)
{
    for (unsigned part = 50; part < 900; part += 85) {
        struct kv *kv;
        size_t n, missing, runs;
        bool told;
        begin("rocks");
        REQUIRE(engine_open(&kv) == 0);
        CHECK_OK(kv_transact(kv, SL("o"), put_many, NULL));
        kv_close(&kv);
        put_rows(0); /* opening makes a table of what the log holds */
        flip(".sst", part);
        REQUIRE(engine_open(&kv) == 0);
        read_over(kv, &n, &missing, &runs, &told);
        if (!told || runs != 1 || !missing || missing > MANY / 5 || n + missing != MANY)
            test_fail(__FILE__, __LINE__, "%u: %zu rows, %zu missing in %zu places", part, n, missing, runs);
        kv_close(&kv);
        end();
    }
}

/* Two of them hide none of what lies between them. */
TEST(two_damaged_blocks_hide_only_their_own_rows)
{
    enum { OF_TWO = 2 * 130 }; /* rows */
    for (unsigned part = 50; part < 700; part += 29) {
        struct kv *kv;
        size_t n, missing, runs;
        bool told;
        begin("rocks");
        REQUIRE(engine_open(&kv) == 0);
        CHECK_OK(kv_transact(kv, SL("o"), put_many, NULL));
        kv_close(&kv);
        put_rows(0); /* opening makes a table of what the log holds */
        flip(".sst", part);
        flip(".sst", part + 75 + part % 4 * 40);
        REQUIRE(engine_open(&kv) == 0);
        read_over(kv, &n, &missing, &runs, &told);
        if (!told || runs != 2 || !missing || missing > OF_TWO || n + missing != MANY)
            test_fail(__FILE__, __LINE__, "%u: %zu rows, %zu missing in %zu places", part, n, missing, runs);
        kv_close(&kv);
        end();
    }
}

TEST(an_index_without_current_is_not_taken_for_a_new_one)
{
    struct kv *kv = NULL;
    char name[200];
    begin("rocks");
    put_rows(3);
    file_of("CURRENT", name);
    CHECK_OK(path_unlink(name));
    CHECK_ERR(engine_open(&kv), ERR_CORRUPT);
    CHECK(strstr(err_text(ERR_CORRUPT), "CURRENT is missing"));
    end();
}

static void bad(void *arg, const char *what)
{
    ++*(int *)arg;
    CHECK(strstr(what, "Corruption") || strstr(what, "damaged"));
}

TEST(a_damaged_table_file_is_told)
{
    struct kv *kv = NULL;
    struct arena a;
    struct slice v;
    int faults = 0;
    begin("rocks");
    put_rows(100);
    REQUIRE(engine_open(&kv) == 0); /* the rows of the log go to a table file */
    kv_close(&kv);
    flip(".sst", 100);
    int e = engine_open(&kv);
    if (e == 0) {
        ar_init(&a, 0);
        CHECK_OK(kv_verify(kv, bad, &faults));
        CHECK(faults > 0);
        CHECK_ERR(kv_get(kv, SL("o"), SL("k003"), &a, &v), ERR_CORRUPT);
        ar_free(&a);
        kv_close(&kv);
    } else {
        CHECK_ERR(e, ERR_CORRUPT);
    }
    end();
}

static int put_noise(struct kv_tx *tx, void *arg)
{
    uint64_t chance = 88172645463325252u, value[256];
    char key[16];
    (void)arg;
    for (int n = 0; n < 400; n++) {
        for (size_t i = 0; i < COUNT_OF(value); i++) {
            chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
            value[i] = chance;
        }
        kv_tx_put(tx, sl(key, (size_t)snprintf(key, sizeof key, "m/%08x", n)), sl(value, sizeof value));
    }
    return 0;
}

/* The first does not hide the others. */
TEST(every_damaged_block_is_told)
{
    struct kv *kv = NULL;
    int faults = 0;
    begin("rocks");
    REQUIRE(engine_open(&kv) == 0);
    CHECK_OK(kv_transact(kv, SL("o"), put_noise, NULL));
    kv_close(&kv);
    REQUIRE(engine_open(&kv) == 0); /* the rows of the log go to a table file */
    kv_close(&kv);
    for (unsigned part = 200; part <= 800; part += 300) flip(".sst", part);
    REQUIRE(engine_open(&kv) == 0);
    CHECK_OK(kv_verify(kv, bad, &faults));
    CHECK_INT(faults, 3);
    kv_close(&kv);
    end();
}
