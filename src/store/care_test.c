/* care_test.c - sweep, verify, backup. */
#include "care_i.h"
#include "rt/file.h"
#include "store_test.h"

static struct body_ref ref_of(struct fixture *f, uint32_t uid)
{
    struct message m;
    CHECK_OK(message_get(f->s, ACC, INBOX_ID, uid, &m));
    return m.body;
}

static void seal(struct fixture *f)
{
    char to[128];
    static int n;
    snprintf(to, sizeof to, "%s/sealed-%d", f->dir, n++);
    CHECK_OK(body_backup(f->s->body, to)); /* ends the current packs */
}

static struct sweep_report sweep(struct fixture *f, sweep_refs *refs, void *ctx, int64_t min_age)
{
    struct sweep_report r = {0};
    CHECK_OK(store_sweep(f->s, refs, ctx, min_age, 0, &r));
    return r;
}

static void expunge(struct fixture *f, uint32_t uid)
{
    CHECK_OK(message_expunge(f->s, ACC, INBOX_ID, &uid, 1, false, &f->a, NULL, NULL));
}

static void check_text(struct fixture *f, uint32_t uid, const char *want)
{
    struct body_ref ref = ref_of(f, uid);
    struct slice got = {0};
    CHECK_OK(body_get(f->s->body, &ref, 10000, &f->a, &got));
    CHECK_SL(got, want);
}

TEST(dead_packs_are_dropped_and_living_ones_not)
{
    struct fixture f;
    struct slice got;
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "one", 0);
    struct body_ref one = ref_of(&f, 1);
    CHECK_INT(sweep(&f, NULL, NULL, 0).dropped, 0); /* still written to */
    seal(&f);
    struct sweep_report r = sweep(&f, NULL, NULL, 0);
    CHECK(r.packs == 1 && r.dropped == 0 && r.bodies_alive == 1);
    expunge(&f, 1);
    CHECK_INT(sweep(&f, NULL, NULL, 1000).dropped, 0); /* too young */
    CHECK_OK(body_get(f.s->body, &one, 10, &f.a, &got));
    r = sweep(&f, NULL, NULL, 0);
    CHECK(r.dropped == 1 && r.bytes_freed > 3);
    CHECK_ERR(body_get(f.s->body, &one, 10, &f.a, &got), ERR_NOT_FOUND);
    fixture_end(&f);
}

static int queue_has(void *ctx, struct store *s, int (*each)(void *arg, struct slice ref), void *arg)
{
    (void)s;
    return each(arg, body_ref_slice(ctx));
}

TEST(what_the_queue_refers_to_lives)
{
    struct fixture f;
    REQUIRE(fixture_begin(&f));
    struct message_new m = letter(&f, "queued", 0);
    seal(&f);
    CHECK_INT(sweep(&f, NULL, NULL, 0).dropped, 0); /* pinned */
    body_unpin(f.s->body, &m.body);
    CHECK_INT(sweep(&f, queue_has, &m.body, 0).dropped, 0);
    struct sweep_report r;
    struct body_ref nonsense = {"nonsense"};
    CHECK_ERR(store_sweep(f.s, queue_has, &nonsense, 0, 0, &r), ERR_SYNTAX);
    CHECK_INT(r.dropped, 0);
    CHECK_INT(sweep(&f, NULL, NULL, 0).dropped, 1);
    fixture_end(&f);
}

TEST(mostly_dead_packs_are_moved_out_of)
{
    static char big[5000];
    struct fixture f;
    uint32_t copy_of = 4, v, *from, *to;
    size_t n;
    REQUIRE(fixture_begin(&f));
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, big, 0);
    CHECK_INT(add(&f, INBOX_ID, "survivor", 0), 4);
    CHECK_OK(message_copy(f.s, ACC, INBOX_ID, &copy_of, 1, INBOX_ID, false, &f.a, &v, &from, &to, &n));
    seal(&f);
    expunge(&f, 1);
    CHECK_INT(sweep(&f, NULL, NULL, 0).compacted, 0); /* more than a third is alive */
    for (uint32_t i = 2; i <= 3; i++) expunge(&f, i);
    struct body_ref before = ref_of(&f, 4);
    struct sweep_report r = sweep(&f, NULL, NULL, 0);
    CHECK(r.compacted == 1 && r.dropped == 0);
    struct body_ref after = ref_of(&f, 4), after_copy = ref_of(&f, 5);
    CHECK(strcmp(before.s, after.s) && !strcmp(after.s, after_copy.s)); /* copies stay one body */
    check_text(&f, 4, "survivor");
    CHECK_INT(sweep(&f, NULL, NULL, 0).dropped, 1);
    check_text(&f, 4, "survivor");
    check_text(&f, 5, "survivor");
    fixture_end(&f);
}

/* ---- verify ---- */

static void note_fault(void *arg, const char *sentence)
{
    struct buf *b = arg;
    buf_printf(b, "%s\n", sentence);
}

static int damage_rows(struct kv_tx *tx, void *arg)
{
    struct box_row b;
    CHECK_OK(tx_box(tx, INBOX_ID, &b));
    b.m.unseen = 7;
    if (*(int *)arg == 1) box_row_put(tx, &b);
    if (*(int *)arg == 2) kv_tx_put(tx, SL("m/00000001/00000002"), SL("\1x"));
    return 0;
}

TEST(verify_says_what_is_wrong_and_whom_it_concerns)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    CHECK_OK(store_verify(f.s, note_fault, &said));
    CHECK_INT(said.n, 0);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_rows, &(int){1}));
    CHECK_ERR(store_verify(f.s, note_fault, &said), ERR_CORRUPT);
    CHECK_SL(
        buf_slice(&said),
        "account acc1, mailbox 1: counts 3 messages (7 unseen, 0 deleted, 18 bytes), has 3 (3, 0, 18)\n");
    buf_clear(&said);
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), damage_rows, &(int){2}));
    CHECK_ERR(store_verify(f.s, note_fault, &said), ERR_CORRUPT);
    CHECK(sl_find(buf_slice(&said), SL("account acc1, mailbox 1, message 2: its record is damaged\n")) !=
          SL_NONE);
    struct sweep_report r;
    CHECK_ERR(store_sweep(f.s, NULL, NULL, 0, 0, &r),
              ERR_CORRUPT); /* not sure what is alive: nothing is dropped */
    buf_free(&said);
    fixture_end(&f);
}

TEST(verify_reads_the_bodies)
{
    struct fixture f;
    struct buf said = BUF_INIT;
    REQUIRE(fixture_begin(&f));
    for (int i = 0; i < 3; i++) add(&f, INBOX_ID, "letter", 0);
    struct body_ref ref = ref_of(&f, 2);
    char path[128];
    struct file *file = NULL;
    snprintf(path, sizeof path, "%s/mail-%016llx.pack", f.dir, (unsigned long long)body_ref_pack(&ref));
    CHECK_OK(file_open(&file, path, FILE_WRITE));
    CHECK_OK(file_pwrite(file, "X", 1, 4096 + 48 + 40)); /* the second record's first byte */
    file_close(&file);
    CHECK_ERR(store_verify(f.s, note_fault, &said), ERR_CORRUPT);
    struct slice want = SL("account acc1, mailbox 1, message 2: its body ");
    CHECK(sl_starts(buf_slice(&said), want));
    CHECK(sl_chr(buf_slice(&said), '\n') == said.n - 1); /* and nothing else */
    buf_free(&said);
    fixture_end(&f);
}

/* ---- backup ---- */

TEST(a_backup_opens_as_a_store)
{
    struct fixture f;
    struct kv *kv;
    struct body_store *b;
    struct store *copy;
    struct message m;
    struct slice got;
    char to[96], path[112];
    REQUIRE(fixture_begin(&f));
    add(&f, INBOX_ID, "letter", 0);
    snprintf(to, sizeof to, "%s/copy", f.dir);
    CHECK_OK(store_backup(f.s, to));
    CHECK_ERR(store_backup(f.s, to), ERR_EXISTS);
    expunge(&f, 1);
    snprintf(path, sizeof path, "%s/index/kv.log", to);
    REQUIRE(kv_mem_open(&kv, path) == 0);
    snprintf(path, sizeof path, "%s/bodies", to);
    REQUIRE(body_open(&b, path, 0) == 0);
    REQUIRE(store_open(&copy, kv, b) == 0);
    CHECK_OK(message_get(copy, ACC, INBOX_ID, 1, &m));
    CHECK_OK(body_get(b, &m.body, 100, &f.a, &got));
    CHECK_SL(got, "letter");
    store_close(&copy);
    fixture_end(&f);
}
