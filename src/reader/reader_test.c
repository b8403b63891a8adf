/* reader_test.c - stored messages read in pieces, decoded, searched; one that was expunged meanwhile. */
#include "mail/charset.h"
#include "reader.h"
#include "store/store_test.h"

static const char text[] = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: Bo Berg <bo@b.test> (a remark)\r\n"
                           "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
                           "--x\r\n\r\nplain words\r\n"
                           "--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n\r\nstra=DFe =00 end\r\n--x--\r\n";

struct room {
    struct fixture f;
    struct mailbox_ref box;
    uint32_t uid;
    struct reader *rd;
};

static uint32_t put(struct room *x, uint64_t flags)
{
    struct message_new m = letter(&x->f, text, flags);
    uint32_t validity, uid = 0;
    m.head_size = (uint32_t)(strstr(text, "--x") - text);
    CHECK_OK(message_append(x->f.s, x->box, &m, 1, &validity, &uid));
    body_unpin(x->f.s->body, &m.body);
    return uid;
}

static bool begin(struct room *x)
{
    struct mailbox inbox;
    *x = (struct room){0};
    if (!fixture_begin(&x->f)) return false;
    CHECK_OK(mailbox_find(x->f.s, ACC, SL("INBOX"), &x->f.a, &inbox));
    x->box = (struct mailbox_ref){.account = ACC, .box = inbox.id};
    x->uid = put(x, 0);
    CHECK_OK(reader_open(&x->rd, x->f.s, x->box, x->uid, NULL));
    return x->rd != NULL;
}

static void end(struct room *x)
{
    reader_close(&x->rd);
    CHECK(x->rd == NULL);
    fixture_end(&x->f);
}

TEST(reader_reads_bytes_and_head)
{
    struct room x;
    struct slice s;
    uint64_t n;
    char b[8];
    if (!begin(&x)) return;
    CHECK_OK(reader_head_size(x.rd, &n));
    CHECK(n == (uint64_t)(strstr(text, "--x") - text));
    CHECK_OK(reader_head(x.rd, &x.f.a, &s));
    CHECK(sl_eq(s, sl(text, (size_t)n)));
    CHECK_OK(reader_range(x.rd, 9, 8, &x.f.a, &s));
    CHECK(sl_eq(s, sl(text + 9, 8)));
    CHECK(reader_read(x.rd, strlen(text) - 2, b, sizeof b) == 2);
    CHECK(reader_read(x.rd, strlen(text) + 9, b, sizeof b) == 0);
    end(&x);
}

static int gather(void *arg, struct slice piece)
{
    buf_put(arg, piece);
    return 0;
}

TEST(reader_undoes_the_transfer_encoding)
{
    struct room x;
    struct buf b = BUF_INIT;
    struct reader_decoded d;
    if (!begin(&x)) return;
    CHECK_OK(reader_tree(x.rd));
    const struct mime_part *p = x.rd->tree->root->child->next;
    CHECK_OK(reader_decoded(x.rd, p, gather, &b));
    CHECK(sl_eq(buf_slice(&b), SL("stra\337e \0 end")));
    CHECK_OK(reader_decoded_size(x.rd, p, &d));
    CHECK(d.size == b.n && d.nul);
    buf_free(&b);
    end(&x);
}

TEST(reader_finds_texts)
{
    struct room x;
    struct slice head;
    if (!begin(&x)) return;
    struct reader_needle v[] = {{.folded = fold_utf8_ar(&x.f.a, SL("GR\303\234SSE")), .head = true},
                                {.folded = fold_utf8_ar(&x.f.a, SL("STRASSE")), .head = true},
                                {.folded = SL("nowhere")}};
    CHECK_OK(reader_search(x.rd, COLLATION_UNICODE_CASEMAP, v, COUNT_OF(v)));
    CHECK(v[0].in_head && !v[0].in_body);
    CHECK(v[1].in_body && !v[1].in_head);
    CHECK(!v[2].in_head && !v[2].in_body);
    v[0].head = v[1].head = false; /* nobody asks */
    CHECK_OK(reader_search(x.rd, COLLATION_UNICODE_CASEMAP, v, COUNT_OF(v)));
    CHECK(!v[0].in_head && !v[0].in_body && v[1].in_body);
    CHECK_OK(reader_head(x.rd, &x.f.a, &head));
    CHECK(reader_head_holds(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("remark")));
    CHECK(reader_head_addresses(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("bo@b.test")));
    CHECK(!reader_head_addresses(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("remark")));
    end(&x);
}

/* What is kept folded answers as the header section itself does, whatever stands in it. */
TEST(reader_folded_fields_hold_what_the_fields_hold)
{
    static const char *const heads[] = {
        "From: \"Doe, J\\\"oe\" <joe@x.test> (secret comment)\r\nTo: root, =?utf-8?q?J=C3=B6rg?= "
        "<j@y.test>\r\n"
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an\r\n\talle\r\n\r\n",
        "From: <MAILER-DAEMON>\r\nCc: friends: ;\r\nSubject:\r\n\r\n",
        "To: a@x.test\r\nTO: list: b@x.test, c@x.test;\r\nsubject : two\r\nSubject: ONE\r\n\r\n",
        "Bcc: \r\nCc: ,,,\r\nFrom: a b c\r\nSubject: =?utf-8?b?not?= \xff\xfe raw\r\n\r\n",
        "no field at all\r\nSubject: behind it\r\n\r\n",
        "Subject: without an end",
        "",
    };
    static const struct slice fields[] = {SL_INIT("Subject"), SL_INIT("from"), SL_INIT("TO"), SL_INIT("Cc"),
                                          SL_INIT("Bcc")};
    static const struct slice needles[] = {SL_INIT(""),
                                           SL_INIT("A"),
                                           SL_INIT("JOE@X"),
                                           SL_INIT("SECRET"),
                                           SL_INIT("MAILER-DAEMON"),
                                           SL_INIT("ALLE"),
                                           SL_INIT("ONE"),
                                           SL_INIT("TWO"),
                                           SL_INIT("FRIENDS"),
                                           SL_INIT("LIST"),
                                           SL_INIT("B@X.T"),
                                           SL_INIT("ROOT"),
                                           SL_INIT("RAW"),
                                           SL_INIT("BEHIND"),
                                           SL_INIT("END"),
                                           SL_INIT("Gr\303\274\303\237e an alle"),
                                           SL_INIT("J\303\266rg <j@y"),
                                           SL_INIT("not"),
                                           SL_INIT("a b c")};
    struct arena a;
    unsigned held = 0;
    ar_init(&a, 0);
    for (size_t h = 0; h < COUNT_OF(heads); h++) {
        struct buf kept = BUF_INIT;
        struct slice head = sl_cstr(heads[h]);
        reader_folded_put(&kept, head);
        for (size_t f = 0; f < COUNT_OF(fields); f++)
            for (size_t n = 0; n < COUNT_OF(needles); n++) {
                struct slice folded = fold_utf8_ar(&a, needles[n]);
                bool is = (f ? reader_head_addresses : reader_head_holds)(head, fields[f],
                                                                          COLLATION_UNICODE_CASEMAP, folded);
                CHECK(reader_folded_has(fields[f], f > 0) && !reader_folded_has(fields[f], f == 0));
                if (reader_folded_holds(buf_slice(&kept), fields[f], folded) != is)
                    test_fail(__FILE__, __LINE__, "head %zu, %s, %s: %d", h, fields[f].p, needles[n].p, is);
                held += is;
            }
        for (size_t n = 0; n < kept.n; n++) /* cut anywhere it is no more than that */
            (void)reader_folded_holds(sl(kept.p, n), SL("Subject"), SL("x"));
        buf_free(&kept);
    }
    CHECK(held > 30);
    CHECK(!reader_folded_has(SL("Date"), false) && !reader_folded_has(SL("Reply-To"), true));
    ar_free(&a);
}

TEST(reader_sees_what_was_expunged_as_it_was)
{
    struct room x;
    struct reader_records r;
    const struct message *m;
    char b[8];
    if (!begin(&x)) return;
    uint32_t second = put(&x, FLAG_SEEN);
    CHECK_OK(message_expunge(x.f.s, x.box, (struct uids){&x.uid, 1}, false, &x.f.a, NULL));
    reader_records_begin(&r, x.f.s, x.box, second + 1);
    CHECK_OK(reader_record(&r, x.uid, &m));
    CHECK(m->uid == x.uid);
    CHECK_OK(reader_record(&r, second, &m));
    CHECK(m->uid == second && m->flags == FLAG_SEEN);
    CHECK_ERR(reader_record(&r, second + 1, &m), ERR_NOT_FOUND);
    reader_records_end(&r);
    reader_close(&x.rd);
    CHECK_OK(reader_open(&x.rd, x.f.s, x.box, x.uid, NULL));
    CHECK(reader_read(x.rd, 0, b, sizeof b) == sizeof b);
    reader_close(&x.rd);
    CHECK_ERR(reader_open(&x.rd, x.f.s, x.box, second + 1, NULL), ERR_NOT_FOUND);
    end(&x);
}
