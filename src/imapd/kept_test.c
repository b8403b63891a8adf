/* kept_test.c - what is computed once of messages says the same as what is computed each time. */
#include "base/log.h"
#include "dialog_test.h"
#include "imapd_i.h"
#include "kv/kv.h"
#include "rt/file.h"

enum { FIRST = 60, ALL = 100 }; /* fewer than READER_MANY, and some more than three parts */
#define ITEMS                                                                                                \
    "(UID ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[HEADER.FIELDS (From Subject X-Priority)] "                \
    "BODY.PEEK[HEADER.FIELDS (SUBJECT To)]<2.9> BODY.PEEK[HEADER.FIELDS (Received)])"

static const char *const letters[] = {
    "From: A <a@b>\r\nSubject: plain\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\none\r\n",
    "Received: x\r\nfrom:\tA\r\n <a@b>\r\nSUBJECT : =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\ntwo\r\n",
    "Subject: Re: plain\r\nSubject: second\r\nX-Priority: 1\r\nMessage-ID: <1@x>\r\n\r\n> "
    "quoted\r\nthree\r\n",
    "Subject: no end\r\nIn-Reply-To: <1@x>",
    "Subject: a line that is none\r\nno colon here\r\nFrom: z@b\r\n\r\nbody\r\n",
    "From: (comment) \"q\\\"x\" <\"a b\"@c>, group: d@e;\r\nSubject: \xff\xfe raw\r\n\r\n\xff\r\n",
    "\r\nno head\r\n",
    "Subject: two parts\r\nContent-Type: multipart/alternative; "
    "boundary=b\r\n\r\n--b\r\n\r\n\r\nfirst\r\n--b\r\n"
    "Content-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n",
    "Subject: within\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhello\r\n",
};

static void put(struct conn *c, size_t i)
{
    struct buf b = BUF_INIT;
    if (i % 11 == 10) { /* too much of it to be kept */
        buf_str(&b, "Subject: many\r\nTo: a@b");
        for (int k = 0; k < 500; k++) buf_str(&b, ",\r\n a@b");
        buf_str(&b, "\r\n\r\nx\r\n");
    } else {
        buf_str(&b, letters[i % COUNT_OF(letters)]);
    }
    buf_char(&b, 0);
    append(c, "box", "", b.p);
    buf_free(&b);
}

/* What is answered, without the tagged line. */
static void ask(struct conn *c, struct buf *out, const char *command)
{
    conn_printf(c, "t %s\r\n", command);
    read_until(c, SL("t "));
    CHECK(sl_find(buf_slice(&got), SL("t OK")) != SL_NONE);
    size_t end = sl_rchr(sl_sub(buf_slice(&got), 0, got.n - 1), '\n');
    buf_put(out, sl_sub(buf_slice(&got), 0, end == SL_NONE ? 0 : end));
    if (end != SL_NONE) buf_char(out, '\n');
}

static void ask_orders(struct conn *c, struct buf *out)
{
    ask(c, out, "SORT (SUBJECT DATE FROM TO) UTF-8 1:60");
    ask(c, out, "SORT (REVERSE DISPLAYFROM DISPLAYTO CC) UTF-8 1:60");
    ask(c, out, "SORT (REVERSE ARRIVAL SIZE SUBJECT) UTF-8 1:60");
    ask(c, out, "THREAD REFERENCES UTF-8 1:60");
    ask(c, out, "SEARCH CHARSET UTF-8 1:60 SUBJECT {6+}\r\ngr\xc3\xbc\xc3\x9f");
    ask(c, out, "SEARCH 1:60 OR FROM a@b HEADER X-Priority 1");
    ask(c, out, "SEARCH 1:60 SENTSINCE 1-Jan-1990 HEADER Received \"\"");
}

static void check_same(struct buf *now, const struct buf *truth)
{
    size_t at = 0;
    while (at < now->n && at < truth->n && now->p[at] == truth->p[at]) at++;
    if (now->n != truth->n || at < now->n)
        test_fail(__FILE__, __LINE__, "they differ: \"%.*s\", not \"%.*s\"",
                  SLF(sl_sub(buf_slice(now), at > 80 ? at - 80 : 0, at + 200)),
                  SLF(sl_sub(buf_slice(truth), at > 80 ? at - 80 : 0, at + 200)));
    buf_free(now);
}

static size_t rows(struct slice object, struct arena *a)
{
    struct kv_page page;
    CHECK_OK(kv_scan(w.kv, object, SL(""), SL(""), 1000, a, &page));
    return page.n;
}

static int spoil(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("00000007/n/00000001"), SL("no record"));
    kv_tx_del(tx, SL("00000007/s/00000001"));
    return 0;
}

TEST(imapd_computes_once_what_it_would_compute_again)
{
    struct buf truth = BUF_INIT, orders = BUF_INIT, now = BUF_INIT;
    struct arena a = {0};
    struct account alice;
    char command[200];
    start();
    struct conn *c = login();
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    struct slice object = ar_cat(&a, SL("f:"), sl_cstr(alice.id));
    TALK(c, "1 CREATE box", "1 OK ~\n");
    for (size_t i = 0; i < FIRST; i++) put(c, i);
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    ask_orders(c, &orders);
    CHECK_INT(rows(object, &a), 0);
    for (size_t i = FIRST; i < ALL; i++) put(c, i);
    TALK(c, "3 NOOP", "3 OK ~\n");
    for (int i = 1; i <= ALL; i++) {
        snprintf(command, sizeof command, "FETCH %d " ITEMS, i);
        ask(c, &truth, command);
    }
    CHECK_INT(rows(object, &a), 0);
    for (int i = 0; i < 2; i++) {
        ask(c, &now, "FETCH 1:* " ITEMS);
        check_same(&now, &truth);
        CHECK_INT(rows(object, &a), 4 * 3); /* the last messages are in a part that is not full */
    }
    ask(c, &now, "SORT (DATE) UTF-8 ALL");
    CHECK_INT(rows(object, &a), 5 * 3);
    buf_free(&now);
    ask_orders(c, &now);
    check_same(&now, &orders);
    CHECK_OK(kv_transact(w.kv, object, spoil, NULL));
    ask(c, &now, "FETCH 1:* " ITEMS);
    check_same(&now, &truth);
    CHECK_INT(rows(object, &a), 5 * 3 + 2); /* two that SUBJECT looks into */
    TALK(c, "4 UNSELECT", "4 OK ~\n");
    TALK(c, "5 DELETE box", "5 OK ~\n");
    CHECK_INT(rows(object, &a), 0);
    bye(&c);
    buf_free(&truth);
    buf_free(&orders);
    ar_free(&a);
    stop();
}

static int drop_part(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_del(tx, SL("00000007/n/00000001"));
    return 0;
}

static struct slice open_box(struct conn **c, struct arena *a)
{
    struct account alice;
    start();
    *c = login();
    CHECK_OK(account_get(w.store->directory, a, SL("alice@x.test"), &alice));
    TALK(*c, "1 CREATE box", "1 OK ~\n");
    return ar_cat(a, SL("f:"), sl_cstr(alice.id));
}

/* But those of copies of the fifth. */
static int spoil_records(struct kv_tx *tx, void *arg)
{
    char key[40];
    for (unsigned uid = 1; uid < 320; uid++) {
        if (uid % 32 == 5) continue;
        snprintf(key, sizeof key, "m/00000007/%08x", uid);
        kv_tx_put(tx, sl_cstr(key), SL("no record"));
    }
    (void)arg;
    return 0;
}

/* Of a million as of these. */
TEST(imapd_finds_an_emailid_without_reading_other_records)
{
    struct buf command = BUF_INIT, first = BUF_INIT, now = BUF_INIT, id = BUF_INIT;
    struct arena a = {0};
    struct account alice;
    struct conn *c;
    struct slice object = open_box(&c, &a);
    for (size_t i = 0; i < 32; i++) append(c, "box", "", letters[0]);
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    for (size_t i = 0; i < 9; i++) ask(c, &now, "COPY 1:32 box"); /* copies have the same */
    ask(c, &id, "FETCH 5 (EMAILID)");
    size_t from = sl_find(buf_slice(&id), SL("EMAILID (")) + 9;
    struct slice name = sl_sub(buf_slice(&id), from, from + sl_chr(sl_from(buf_slice(&id), from), ')'));
    buf_printf(&command, "UID SEARCH EMAILID %.*s", SLF(name));
    buf_char(&command, 0);
    ask(c, &first, command.p);
    CHECK(sl_find(buf_slice(&first), SL("5 37 69 101 133 165 197 229 261 293")) != SL_NONE);
    CHECK_INT(rows(object, &a), 0); /* nothing has to be kept for it */
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    CHECK_OK(kv_transact(w.kv, ar_cat(&a, SL("u:"), sl_cstr(alice.id)), spoil_records, NULL));
    buf_clear(&now);
    ask(c, &now, command.p);
    check_same(&now, &first);
    bye(&c);
    buf_free(&command);
    buf_free(&first);
    buf_free(&id);
    ar_free(&a);
    stop();
}

/* Whatever UIDs somebody thinks of: not many times as much is read as was asked for. */
TEST(imapd_makes_no_part_for_a_few_of_its_messages)
{
    struct buf seven = BUF_INIT, eight = BUF_INIT, now = BUF_INIT;
    struct arena a = {0};
    struct conn *c;
    struct slice object = open_box(&c, &a);
    for (size_t i = 0; i < 32; i++) append(c, "box", "", letters[0]);
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    for (size_t i = 0; i < 9; i++) ask(c, &now, "COPY 1:32 box");
    for (unsigned part = 0; part < 10; part++) {
        buf_printf(&seven, "%s%u:%u", part ? "," : "UID FETCH ", part * 32 + 1, part * 32 + 7);
        buf_printf(&eight, "%s%u:%u", part ? "," : "UID FETCH ", part * 32 + 1, part * 32 + 8);
    }
    buf_str(&seven, " ENVELOPE");
    buf_char(&seven, 0);
    buf_str(&eight, " ENVELOPE");
    buf_char(&eight, 0);
    ask(c, &now, seven.p);
    CHECK_INT(rows(object, &a), 0);
    ask(c, &now, eight.p);
    CHECK_INT(rows(object, &a), 10);
    ask(c, &now, "UID STORE 36:63 +FLAGS.SILENT (\\Deleted)");
    ask(c, &now, "EXPUNGE");
    CHECK_OK(kv_transact(w.kv, object, drop_part, NULL));
    ask(c, &now, "FETCH 1:* ENVELOPE"); /* the few are all that are there */
    CHECK_INT(rows(object, &a), 10);
    bye(&c);
    buf_free(&seven);
    buf_free(&eight);
    buf_free(&now);
    ar_free(&a);
    stop();
}

/* In the file of bodies: a byte of the text becomes another one, and the second time what it was. */
static int spoil_body(void *text, const char *name)
{
    static char bytes[65536];
    char path[400];
    snprintf(path, sizeof path, "%s/%s", w.dir, name);
    FILE *f = fopen(path, "r+b");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0, at = sl_find(sl(bytes, n), sl_cstr(text));
    if (at != SL_NONE && fseek(f, (long)at, SEEK_SET) == 0) fputc(bytes[at] ^ 1, f);
    if (f) fclose(f);
    return 0;
}

static int spoil_bodies(void *text) { return path_list(w.dir, spoil_body, text); }

TEST(imapd_keeps_nothing_of_an_error_that_may_pass)
{
    struct buf now = BUF_INIT;
    struct arena a = {0};
    struct conn *c;
    struct slice object = open_box(&c, &a);
    for (size_t i = 0; i < 64; i++)
        append(c, "box", "", i == 7 ? "Subject: to be damaged\r\n\r\nx\r\n" : letters[0]);
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    CHECK_OK(offload(spoil_bodies, "to be damaged"));
    conn_puts(c, "t FETCH 1:* ENVELOPE\r\n");
    read_until(c, SL("t "));
    CHECK(sl_find(buf_slice(&got), SL("to be damaged")) == SL_NONE);
    CHECK_INT(rows(object, &a), 1);
    CHECK_OK(offload(spoil_bodies, "uo be damaged"));
    ask(c, &now, "FETCH 1:* ENVELOPE");
    CHECK(sl_find(buf_slice(&now), SL("to be damaged")) != SL_NONE);
    CHECK_INT(rows(object, &a), 2);
    bye(&c);
    buf_free(&now);
    ar_free(&a);
    stop();
}

/* ---- ids that are looked up ---- */

static size_t count(struct slice text, struct slice what)
{
    size_t n = 0, at;
    for (; (at = sl_find(text, what)) != SL_NONE; n++) text = sl_from(text, at + what.n);
    return n;
}

/* "UID SEARCH OR EMAILID x OR EMAILID x ... EMAILID x", as often as a command may have it. */
static void search_often(struct conn *c, struct buf *out, struct slice key, size_t times)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "UID SEARCH ");
    for (size_t i = 1; i < times; i++) buf_printf(&b, "OR %.*s ", SLF(key));
    buf_put(&b, key);
    buf_char(&b, 0);
    ask(c, out, b.p);
    buf_free(&b);
}

/* Each row that is looked at is told as progress here. */
TEST(imapd_looks_an_id_up_once_however_often_a_search_has_it)
{
    enum { MESSAGES = 10, TIMES = 20 };
    struct buf id = BUF_INIT, now = BUF_INIT;
    struct arena a = {0};
    struct conn *c;
    open_box(&c, &a);
    append(c, "box", "", letters[0]);
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    for (size_t i = 1; i < MESSAGES; i++) ask(c, &now, "COPY 1 box");
    ask(c, &id, "FETCH 1 (EMAILID)");
    size_t from = sl_find(buf_slice(&id), SL("EMAILID (")) + 9;
    struct slice name = sl_sub(buf_slice(&id), from, from + sl_chr(sl_from(buf_slice(&id), from), ')'));
    struct slice key = ar_printf(&a, "EMAILID %.*s", SLF(name));
    ask(c, &now, (char *)ar_printf(&a, "SEARCH %.*s", SLF(key)).p); /* the first time rows are made */
    buf_clear(&now);
    w.imapd->conf.progress = -1;
    search_often(c, &now, key, TIMES);
    CHECK(sl_find(buf_slice(&now), SL("* SEARCH 1 2 3 4 5 6 7 8 9 10")) != SL_NONE);
    size_t told = count(buf_slice(&now), SL("[INPROGRESS "));
    CHECK(told > MESSAGES && told <= 3 * MESSAGES);
    bye(&c);
    buf_free(&id);
    buf_free(&now);
    ar_free(&a);
    stop();
}

static _Atomic size_t empty_ones;

static void count_empty(const struct log_line *l)
{
    empty_ones += sl_find(l->said, SL("is taken for empty")) != SL_NONE;
}

/* One that cannot be read is in no thread: nobody has to find that out for each key, or each time that
 * another one came. */
TEST(imapd_looks_into_a_damaged_message_once_for_all_threads_of_a_search)
{
    struct buf now = BUF_INIT;
    struct arena a = {0};
    struct conn *c;
    open_box(&c, &a);
    append(c, "box", "", "Subject: whole\r\n\r\nx\r\n");
    append(c, "box", "", "Subject: to be damaged\r\n\r\nx\r\n");
    TALK(c, "2 SELECT box", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    CHECK_OK(offload(spoil_bodies, "to be damaged"));
    log_set_tap(count_empty, LOG_ERROR);
    empty_ones = 0;
    ask(c, &now, "SEARCH OR THREADID T1 OR THREADID T2 THREADID T3");
    CHECK_INT(empty_ones, 1);
    ask(c, &now, "SEARCH RETURN (UPDATE) NOT THREADID T1");
    CHECK_INT(empty_ones, 2);
    append(c, "box", "", "Subject: new\r\n\r\nx\r\n");
    CHECK(sl_find(buf_slice(&got), SL("ADDTO (0 3)")) != SL_NONE); /* that was told before its OK */
    CHECK_INT(empty_ones, 2);
    log_set_tap(NULL, LOG_ERROR);
    bye(&c);
    buf_free(&now);
    ar_free(&a);
    stop();
}
