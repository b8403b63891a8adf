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
    struct reader_needle v[] = {{.folded = fold_utf8_ar(&x.f.a, SL("GR\303\234SSE"))},
                                {.folded = fold_utf8_ar(&x.f.a, SL("STRASSE"))},
                                {.folded = SL("nowhere")}};
    CHECK_OK(reader_search(x.rd, COLLATION_UNICODE_CASEMAP, v, COUNT_OF(v)));
    CHECK(v[0].in_head && !v[0].in_body);
    CHECK(v[1].in_body && !v[1].in_head);
    CHECK(!v[2].in_head && !v[2].in_body);
    CHECK_OK(reader_head(x.rd, &x.f.a, &head));
    CHECK(reader_head_holds(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("remark")));
    CHECK(reader_head_addresses(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("bo@b.test")));
    CHECK(!reader_head_addresses(head, SL("to"), COLLATION_UNICODE_CASEMAP, SL("remark")));
    end(&x);
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
