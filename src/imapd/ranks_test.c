/* ranks_test.c - orders and threads of many messages that are kept say what those that are made say, and
 * dates and sizes what the records say. */
#include "dialog_test.h"
#include "imapd_i.h"

enum { FIRST = IMAPD_KEPT_LEAST + 20, SOME = 5, MANY = 100, MOST = FIRST + SOME + MANY, TOGETHER = 60 };
enum field { SUBJECT, FROM, DATE, SIZE, DAY, FIELDS };

/* What there is, in the order of the mailbox. */
static struct model {
    uint32_t uid;
    int v[FIELDS];
} model[MOST];
static size_t nmodel;
static uint32_t next_uid;

static void put(struct buf *b, struct model *m, int i)
{
    struct buf text = BUF_INIT;
    *m = (struct model){next_uid++, {i * 7 % 31, i * 5 % 13, i * 11 % 500, i % 3, 1 + i % 28}};
    buf_printf(&text, "Subject: %ss%02d\r\nFrom: p%02d@x\r\nDate: Mon, 7 Feb 1994 21:%02d:%02d +0000\r\n",
               i % 2 ? "Re: " : "", m->v[SUBJECT], m->v[FROM], 10 + m->v[DATE] / 60, m->v[DATE] % 60);
    buf_printf(&text, "Message-ID: <%04d@x>\r\nReferences: <%04d@x>\r\n\r\n", i, i % 5 ? i - 1 : 9999);
    while (text.n < 200 + 10 * (size_t)m->v[SIZE]) buf_char(&text, 'x');
    buf_printf(b, " \"%02d-Feb-1994 12:00:00 +0100\" {%zu+}\r\n%.*s", m->v[DAY], text.n,
               SLF(buf_slice(&text)));
    buf_free(&text);
}

static void add(struct conn *c, size_t n)
{
    while (n) {
        struct buf b = BUF_INIT;
        size_t some = n < TOGETHER ? n : TOGETHER;
        for (size_t i = 0; i < some; i++, nmodel++) put(&b, &model[nmodel], (int)next_uid);
        conn_printf(c, "t APPEND INBOX");
        conn_write(c, buf_slice(&b));
        conn_puts(c, "\r\n");
        read_until(c, SL("t OK [APPENDUID"));
        buf_free(&b);
        n -= some;
    }
}

static void take_away(struct conn *c, size_t i)
{
    conn_printf(c, "t UID STORE %u +FLAGS.SILENT (\\Deleted)\r\n", model[i].uid);
    read_until(c, SL("t OK"));
    conn_puts(c, "t EXPUNGE\r\n");
    read_until(c, SL("t OK"));
    memmove(&model[i], &model[i + 1], (--nmodel - i) * sizeof *model);
}

/* ---- orders ---- */

static const struct program {
    const char *text;
    int key[3]; /* field + 1, below 0: reversed; 0: no more */
} programs[] = {
    {"SUBJECT", {SUBJECT + 1}},
    {"REVERSE SUBJECT", {-(SUBJECT + 1)}},
    {"REVERSE FROM SUBJECT", {-(FROM + 1), SUBJECT + 1}},
    {"DATE", {DATE + 1}},
    {"REVERSE DATE FROM", {-(DATE + 1), FROM + 1}},
    {"ARRIVAL REVERSE SIZE", {DAY + 1, -(SIZE + 1)}},
    {"SIZE REVERSE SUBJECT DATE", {SIZE + 1, -(SUBJECT + 1), DATE + 1}},
};
static const struct program *program;
static bool reversed; /* the comparator */

static int by_program(const void *a, const void *b)
{
    const struct model *x = *(const struct model *const *)a, *y = *(const struct model *const *)b;
    for (const int *k = program->key; *k; k++) {
        int field = abs(*k) - 1;
        bool back = (*k < 0) != (reversed && (field == SUBJECT || field == FROM));
        if (x->v[field] != y->v[field]) return (x->v[field] < y->v[field]) != back ? -1 : 1;
    }
    return x < y ? -1 : 1;
}

static void check_order(struct conn *c, const struct program *p, size_t from)
{
    const struct model *v[MOST];
    struct buf want = BUF_INIT;
    size_t n = nmodel - from;
    program = p;
    for (size_t i = 0; i < n; i++) v[i] = &model[from + i];
    qsort(v, n, sizeof *v, by_program);
    buf_str(&want, "* SORT");
    for (size_t i = 0; i < n; i++) buf_printf(&want, " %u", v[i]->uid);
    conn_printf(c, "t UID SORT (%s) UTF-8 UID %u:*\r\n", p->text, model[from].uid);
    read_until(c, SL("t OK sorted"));
    CHECK(sl_starts(buf_slice(&got), buf_slice(&want)) && got.p[want.n] == '\n');
    buf_free(&want);
}

static void check_orders(struct conn *c)
{
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        check_order(c, &programs[i], 0);
        check_order(c, &programs[i], 7);
    }
}

TEST(imapd_orders_that_are_kept_are_those_that_are_made)
{
    start();
    struct conn *c = login();
    nmodel = 0;
    next_uid = 1;
    reversed = false;
    add(c, FIRST);
    conn_puts(c, "t SELECT INBOX\r\n");
    read_until(c, SL("t OK"));
    check_orders(c); /* made, */
    check_orders(c); /* kept, */
    add(c, SOME);    /* with a few that came since, */
    check_orders(c);
    take_away(c, 500); /* without some of them, */
    take_away(c, 0);
    take_away(c, nmodel - 1);
    check_orders(c);
    conn_puts(c, "t COMPARATOR \"-i;*\"\r\n"); /* the other way round, */
    read_until(c, SL("t OK"));
    reversed = true;
    check_orders(c);
    add(c, MANY); /* and made anew */
    check_orders(c);
    bye(&c);
    stop();
}

static int spoil(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("no record"));
    return 0;
}

static void spoil_record(uint32_t uid)
{
    struct arena a = {0};
    struct account alice;
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    struct slice key = ar_printf(&a, "m/00000001/%08x", uid);
    CHECK_OK(kv_transact(w.kv, ar_cat(&a, SL("u:"), sl_cstr(alice.id)), spoil, &key));
    ar_free(&a);
}

/* The one at which the search for the place of a new one begins cannot be read. */
TEST(imapd_a_damaged_message_puts_no_other_out_of_order)
{
    const struct model *v[MOST];
    start();
    struct conn *c = login();
    nmodel = 0;
    next_uid = 1;
    reversed = false;
    add(c, FIRST);
    conn_puts(c, "t SELECT INBOX\r\n");
    read_until(c, SL("t OK"));
    program = &programs[COUNT_OF(programs) - 1];
    check_order(c, program, 0); /* kept */
    for (size_t i = 0; i < nmodel; i++) v[i] = &model[i];
    qsort(v, nmodel, sizeof *v, by_program);
    size_t mid = (size_t)(v[nmodel / 2] - model);
    spoil_record(model[mid].uid);
    model[mid].v[SIZE] = -1; /* it is taken for empty */
    add(c, SOME);
    log_set_level((enum log_level)(LOG_ERROR + 1));
    check_order(c, program, 0);
    log_set_level(LOG_ERROR);
    bye(&c);
    stop();
}

/* ---- threads ---- */

/* The untagged line of the answer. */
static void ask(struct conn *c, const char *command, struct buf *out)
{
    conn_printf(c, "t %s\r\n", command);
    read_until(c, SL("t OK"));
    buf_clear(out);
    buf_put(out, sl_sub(buf_slice(&got), 0, sl_chr(buf_slice(&got), '\n')));
}

/* The numbers in the text, each by one less. */
static void less_one(struct slice text, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < text.n; i++) {
        uint64_t n = 0;
        bool number = text.p[i] >= '0' && text.p[i] <= '9';
        while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9') n = n * 10 + (uint64_t)(text.p[i++] - '0');
        if (number) buf_u64(out, n - 1);
        if (i < text.n) buf_char(out, text.p[i]);
    }
}

TEST(imapd_threads_that_are_kept_are_those_that_are_made)
{
    static const char *const how[] = {"REFERENCES", "ORDEREDSUBJECT", "REFS"};
    struct buf made = BUF_INIT, kept = BUF_INIT, want = BUF_INIT;
    char command[100];
    start();
    struct conn *c = login();
    nmodel = 0;
    next_uid = 1;
    add(c, FIRST);
    conn_puts(c, "t SELECT INBOX\r\n");
    read_until(c, SL("t OK"));
    for (size_t i = 0; i < COUNT_OF(how); i++) {
        snprintf(command, sizeof command, "THREAD %s UTF-8 UID %zu:*", how[i], i + 2);
        ask(c, command, &made);
        CHECK(made.n > 4 * FIRST);
        ask(c, command, &kept);
        CHECK(sl_eq(buf_slice(&made), buf_slice(&kept)));
        /* the same messages under other numbers */
        take_away(c, 0);
        less_one(buf_slice(&made), &want);
        ask(c, command, &kept);
        CHECK(sl_eq(buf_slice(&want), buf_slice(&kept)));
        /* without one of them */
        snprintf(command, sizeof command, "THREAD %s UTF-8 UID %zu:*", how[i], i + 3);
        ask(c, command, &kept);
        CHECK(kept.n > 4 * FIRST && !sl_eq(buf_slice(&want), buf_slice(&kept)));
    }
    buf_free(&made);
    buf_free(&kept);
    buf_free(&want);
    bye(&c);
    stop();
}

/* ---- dates and sizes ---- */

static void check_search(struct conn *c)
{
    struct buf want = BUF_INIT;
    buf_str(&want, "* SEARCH");
    for (size_t i = 0; i < nmodel; i++)
        if (model[i].v[DAY] >= 15 && model[i].v[SIZE] < 2) buf_printf(&want, " %u", model[i].uid);
    conn_puts(c, "t UID SEARCH SINCE 15-Feb-1994 SMALLER 220\r\n");
    read_until(c, SL("t OK"));
    CHECK(sl_starts(buf_slice(&got), buf_slice(&want)) && got.p[want.n] == '\n');
    buf_free(&want);
}

static void check_fetch(struct conn *c)
{
    struct buf want = BUF_INIT;
    for (size_t i = 0; i < nmodel; i++)
        buf_printf(&want,
                   "* %zu FETCH (UID %u INTERNALDATE \"%02d-Feb-1994 12:00:00 +0100\" RFC822.SIZE %d)\n",
                   i + 1, model[i].uid, model[i].v[DAY], 200 + 10 * model[i].v[SIZE]);
    conn_puts(c, "t FETCH 1:* (UID INTERNALDATE RFC822.SIZE)\r\n");
    read_until(c, SL("t OK"));
    CHECK(sl_starts(buf_slice(&got), buf_slice(&want)));
    buf_free(&want);
}

TEST(imapd_dates_and_sizes_that_are_kept_are_those_of_the_records)
{
    start();
    struct conn *c = login();
    nmodel = 0;
    next_uid = 1;
    add(c, FIRST);
    conn_puts(c, "t SELECT INBOX\r\n");
    read_until(c, SL("t OK"));
    for (int i = 0; i < 3; i++) { /* gathered, kept; with a few that came since; gathered anew */
        check_search(c);
        check_fetch(c);
        check_search(c);
        take_away(c, 3);
        check_fetch(c);
        if (i < 2) add(c, i ? MANY : SOME);
    }
    bye(&c);
    stop();
}
