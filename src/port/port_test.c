/* port_test.c - mail out of a store and into another: to the byte, with flags, dates and folders; begun
 * again; past what is damaged; files of other programs. */
#include "port.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "base/text.h"
#include "mail/marks.h"
#include "store/store_test.h"
#include "wire/smtp.h"

_Static_assert((int)MARK_SEEN == FLAG_SEEN && (int)MARK_ANSWERED == FLAG_ANSWERED &&
                   (int)MARK_FLAGGED == FLAG_FLAGGED && (int)MARK_DELETED == FLAG_DELETED &&
                   (int)MARK_DRAFT == FLAG_DRAFT,
               "marks are flags");

/* ---- helpers ---- */

struct heard {
    size_t problems, steps, fail_after; /* 0: never */
    char last[ERR_TEXT_MAX];
};

static int hear_problem(void *arg, const char *sentence)
{
    struct heard *h = arg;
    h->problems++;
    snprintf(h->last, sizeof h->last, "%s", sentence);
    return 0;
}

static int hear_step(void *arg, const struct port_progress *p)
{
    struct heard *h = arg;
    CHECK(p->done <= p->of || !p->of);
    h->steps++;
    return 0;
}

static char scratch[64];

static const char *in_scratch(const char *fmt, ...)
{
    static char room[4][400];
    static int at;
    char *p = room[at++ % 4];
    int n = snprintf(p, sizeof room[0], "%s/", scratch);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p + n, sizeof room[0] - (size_t)n, fmt, ap);
    va_end(ap);
    return p;
}

static void scratch_begin(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/tram-port-test-XXXXXX");
    CHECK(mkdtemp(scratch) != NULL);
}

static void scratch_end(void)
{
    CHECK_OK(path_list(scratch, remove_entry, scratch));
    CHECK(rmdir(scratch) == 0);
}

static void write_file(const char *path, const char *text)
{
    CHECK_OK(path_write(path, sl_cstr(text), 0600));
}

static void make_maildir(const char *path)
{
    static const char *const subs[] = {"", "/cur", "/new", "/tmp"};
    for (size_t i = 0; i < COUNT_OF(subs); i++) {
        char sub[400];
        snprintf(sub, sizeof sub, "%s%s", path, subs[i]);
        CHECK_OK(path_mkdir(sub));
    }
}

static int import_as(struct fixture *f, enum port_form form, const char *path, const struct port_hear *hear,
                     struct port_report *rep)
{
    struct port_local files;
    port_local_begin(&files);
    int e = port_import(f->s, ACC, (struct port_source){&files.f, form, path}, hear, rep);
    port_local_end(&files);
    return e;
}

static int export_as(struct fixture *f, enum port_form form, const char *path, const struct port_hear *hear,
                     struct port_report *rep)
{
    struct port_local files;
    port_local_begin(&files);
    int e = port_export(f->s, ACC, (struct port_source){&files.f, form, path}, hear, rep);
    port_local_end(&files);
    return e;
}

static struct port_report take(struct fixture *f, enum port_form form, const char *path, struct heard *h)
{
    struct port_report rep;
    struct port_hear hear = {.problem = hear_problem, .progress = hear_step, .arg = h};
    CHECK_OK(import_as(f, form, path, &hear, &rep));
    return rep;
}

static struct port_report give(struct fixture *f, enum port_form form, const char *path, struct heard *h)
{
    struct port_report rep;
    struct port_hear hear = {.problem = hear_problem, .progress = hear_step, .arg = h};
    CHECK_OK(export_as(f, form, path, &hear, &rep));
    return rep;
}

static uint32_t add_as(struct fixture *f, const char *box, struct slice text, uint64_t flags,
                       const char *keyword, int64_t date, int zone)
{
    struct mailbox m;
    struct slice name = sl_cstr(keyword ? keyword : "");
    struct message_new n = {.flags = flags,
                            .keyword = &name,
                            .nkeywords = keyword != NULL,
                            .internal_date = date,
                            .internal_zone = zone,
                            .size = text.n,
                            .head_size = 1};
    uint32_t validity, uid = 0;
    struct smtp_lines lines = {0};
    smtp_lines_feed(&lines, text);
    n.by_lines = smtp_lines_end(&lines);
    int e = mailbox_find(f->s, ACC, sl_cstr(box), &f->a, &m);
    if (e == ERR_NOT_FOUND) e = mailbox_create(f->s, ACC, sl_cstr(box), 0, &f->a, &m);
    CHECK_OK(e);
    CHECK_OK(body_put(f->s->body, BODY_MAIL, text, SL(""), &n.body));
    CHECK_OK(message_append(f->s, BOX(m.id), &n, 1, &validity, &uid));
    body_unpin(f->s->body, &n.body);
    return uid;
}

/* All that an account has, as text: the same in both means that nothing was lost or changed. */
static struct slice all_of(struct fixture *f)
{
    struct mailbox *box;
    struct message *m;
    size_t n, k;
    struct buf b = BUF_INIT;
    CHECK_OK(mailbox_list(f->s, ACC, &f->a, &box, &n));
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "[%.*s]\n", SLF(box[i].name));
        CHECK_OK(message_list(f->s, BOX(box[i].id), 1, 1000, &f->a, &m, &k));
        for (size_t j = 0; j < k; j++) {
            struct slice text;
            CHECK_OK(body_get(f->s->body, &m[j].body, SIZE_MAX, &f->a, &text));
            buf_printf(&b, "%lld%+d %llu %llu %u %08x", (long long)m[j].internal_date, m[j].internal_zone,
                       (unsigned long long)m[j].size, (unsigned long long)m[j].by_lines,
                       (unsigned)(m[j].flags & 31), crc32c(0, text.p, text.n));
            for (size_t w = 0; w < box[i].nkeywords; w++)
                if (m[j].flags >> (FLAG_KEYWORD_FIRST + w) & 1)
                    buf_printf(&b, " %.*s", SLF(box[i].keyword[w]));
            buf_char(&b, '\n');
        }
    }
    struct slice all = ar_dup(&f->a, buf_slice(&b));
    buf_free(&b);
    return all;
}

static const struct slice odd[] = {
    SL_INIT("Subject: one\r\n\r\nFrom me\r\n>From you\r\n"),
    SL_INIT("Subject: no empty line\r\n"),
    SL_INIT("Subject: two\r\n\r\nno end"),
    SL_INIT("Subject: bare\n\nlines\n\nFrom x Sun Nov 22 21:34:26 2026\n"),
    SL_INIT("Subject: mixed\r\n\r\na\nb\rc\r\n\0\r"),
    SL_INIT("From x Sun Nov 22 21:34:26 2026\r\nStatus: RO\r\nX-Status: F\r\nX-Tram-Message: 1 crlf "
            "0\r\n\r\nx\r\n\r\n\r\n"),
    SL_INIT("\r\n\r\nonly text\r\n"),
    SL_INIT("."),
};

static void fill(struct fixture *f, struct slice large)
{
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        add_as(f, "INBOX", odd[i], i % 2 ? FLAG_SEEN : 0, NULL, 1700000000 + (int64_t)i, 60);
    add_as(f, "INBOX", odd[0], FLAG_ANSWERED | FLAG_DRAFT, NULL, 1700000000, 60); /* the same once more */
    add_as(f, "Work/R&D v2.0/Größe", odd[0], FLAG_FLAGGED, "$Forwarded", 1600000000, -330);
    add_as(f, "Work", large, FLAG_DELETED, "two", 1500000000, 0);
    add_as(f, "a.mbox/.hidden", odd[1], 31, "three", 0, 0);
    add_as(f, "Tick ✓.sbd", odd[1], 0, NULL, 1, 0);
}

static struct slice large_text(struct arena *a)
{
    enum { LINES = 60000 };
    struct buf b = BUF_INIT;
    buf_str(&b, "Subject: large\r\n\r\n");
    for (int i = 0; i < LINES; i++) buf_printf(&b, "%sFrom line %d\r\n", i % 3 ? ">" : "", i);
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static void round_trip(enum port_form form)
{
    struct fixture f, g;
    struct heard h = {0};
    scratch_begin();
    if (!fixture_begin(&f) || !fixture_begin(&g)) return;
    fill(&f, large_text(&f.a));
    char path[100];
    snprintf(path, sizeof path, "%s/out", scratch);
    struct port_report out = give(&f, form, path, &h);
    CHECK_INT(out.messages, COUNT_OF(odd) + 5);
    CHECK_INT(out.failed + h.problems, 0);
    struct port_report in = take(&g, form, path, &h);
    CHECK_INT(in.messages, out.messages);
    CHECK_INT(in.mailboxes, out.mailboxes);
    CHECK(h.steps > 0);
    if (h.problems) test_fail(__FILE__, __LINE__, "%s", h.last);
    CHECK_SL(all_of(&g), ar_cstr(&f.a, all_of(&f)));

    in = take(&g, form, path, &h); /* once more: nothing comes twice */
    CHECK_INT(in.messages, 0);
    CHECK_INT(in.there, out.messages);
    CHECK_SL(all_of(&g), ar_cstr(&f.a, all_of(&f)));
    fixture_end(&f);
    fixture_end(&g);
    scratch_end();
}

TEST(port_maildir_there_and_back) { round_trip(PORT_MAILDIR); }
TEST(port_mbox_there_and_back) { round_trip(PORT_MBOX); }

TEST(port_export_goes_on_in_a_maildir)
{
    struct fixture f;
    struct heard h = {0};
    scratch_begin();
    if (!fixture_begin(&f)) return;
    add_as(&f, "INBOX", odd[0], 0, "k", 1700000000, 0);
    char path[100];
    snprintf(path, sizeof path, "%s/out", scratch);
    CHECK_INT(give(&f, PORT_MAILDIR, path, &h).messages, 1);
    add_as(&f, "INBOX", odd[1], 0, "l", 1700000000, 0);
    struct port_report rep = give(&f, PORT_MAILDIR, path, &h);
    CHECK_INT(rep.messages, 1);
    CHECK_INT(rep.there, 1);
    CHECK_OK(give(&f, PORT_MBOX, in_scratch("m"), &h).failed);
    struct port_report out;
    CHECK_ERR(export_as(&f, PORT_MBOX, in_scratch("m"), &(struct port_hear){hear_problem, NULL, &h}, &out),
              ERR_EXISTS);
    fixture_end(&f);
    scratch_end();
}

/* ---- begun again ---- */

TEST(port_import_begun_again)
{
    enum { MANY = 150 };
    struct fixture f;
    struct heard h = {0};
    struct mailbox inbox;
    scratch_begin();
    if (!fixture_begin(&f)) return;
    char dir[100];
    snprintf(dir, sizeof dir, "%s/md", scratch);
    make_maildir(dir);
    for (int i = 0; i < MANY; i++) {
        char text[100];
        snprintf(text, sizeof text, "Subject: %d\n\n%d\n", i, i);
        write_file(in_scratch("md/cur/%d.M%d.host:2,S", 1700000000 + i, i), text);
    }
    CHECK_OK(account_set_quota(f.s, ACC, 2000)); /* it breaks off */
    struct port_report rep;
    struct port_hear hear = {.problem = hear_problem, .arg = &h};
    CHECK_ERR(import_as(&f, PORT_MAILDIR, dir, &hear, &rep), ERR_QUOTA);
    CHECK(rep.messages > 0 && rep.messages < MANY);
    uint64_t first = rep.messages;
    CHECK_OK(account_set_quota(f.s, ACC, 0));
    rep = take(&f, PORT_MAILDIR, dir, &h);
    CHECK_INT(rep.there, first);
    CHECK_INT(rep.messages, MANY - first);
    CHECK_OK(mailbox_find(f.s, ACC, SL("INBOX"), &f.a, &inbox));
    CHECK_INT(inbox.exists, MANY);
    CHECK_INT(inbox.unseen, 0);
    struct message *m;
    size_t n;
    CHECK_OK(message_list(f.s, BOX(inbox.id), 1, 1000, &f.a, &m, &n));
    struct slice text;
    CHECK_OK(body_get(f.s->body, &m[MANY - 1].body, 1000, &f.a, &text)); /* in the order of their times */
    CHECK_SL(text, "Subject: 149\r\n\r\n149\r\n");
    fixture_end(&f);
    scratch_end();
}

/* ---- what is wrong ---- */

TEST(port_import_goes_on_after_what_is_wrong)
{
    struct fixture f;
    struct heard h = {0};
    scratch_begin();
    if (!fixture_begin(&f)) return;
    write_file(in_scratch("secret"), "Subject: of the node\n\n");
    char dir[100];
    snprintf(dir, sizeof dir, "%s/md", scratch);
    make_maildir(dir);
    write_file(in_scratch("md/cur/1.a:2,"), "Subject: good\n\n");
    write_file(in_scratch("md/cur/2.b:2,"), "");
    CHECK(symlink(in_scratch("secret"), in_scratch("md/cur/3.c:2,")) == 0);
    CHECK(mkfifo(in_scratch("md/new/4.d"), 0600) == 0);
    CHECK_OK(path_mkdir(in_scratch("md/cur/5.e:2,")));
    CHECK(symlink(in_scratch("md"), in_scratch("md/again")) == 0);
    make_maildir(in_scratch("md/.bad&&name\xff"));
    write_file(in_scratch("md/new/6.f"), "Subject: good as well\n\n");
    struct port_report rep = take(&f, PORT_MAILDIR, dir, &h);
    CHECK_INT(rep.messages, 2);
    CHECK_INT(rep.mailboxes, 1);
    CHECK_INT(rep.failed, 5);
    CHECK_INT(h.problems, 5);
    struct port_hear hear = {.problem = hear_problem, .arg = &h};
    CHECK_ERR(import_as(&f, PORT_MAILDIR, in_scratch("none"), &hear, &rep), ERR_NOT_FOUND);
    CHECK_ERR(import_as(&f, PORT_MAILDIR, in_scratch("md/cur"), &hear, &rep), ERR_NOT_FOUND);
    fixture_end(&f);
    scratch_end();
}

TEST(port_export_goes_on_after_a_damaged_message)
{
    struct fixture f;
    struct heard h = {0};
    struct mailbox inbox;
    struct message m;
    scratch_begin();
    if (!fixture_begin(&f)) return;
    uint32_t first = add_as(&f, "INBOX", odd[0], 0, NULL, 1700000000, 0);
    add_as(&f, "INBOX", odd[1], 0, NULL, 1700000001, 0);
    CHECK_OK(mailbox_find(f.s, ACC, SL("INBOX"), &f.a, &inbox));
    CHECK_OK(message_get(f.s, BOX(inbox.id), first, &m));
    char name[BODY_FILE_MAX], path[200];
    body_ref_file(&m.body, name);
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    struct file *file;
    char *pack = ar_alloc(&f.a, 65536);
    CHECK_OK(file_open(&file, path, FILE_WRITE));
    int64_t got = file_pread(file, pack, 65536, 0);
    size_t at = sl_find(sl(pack, (size_t)got), odd[0]);
    CHECK(got > 0 && at != SL_NONE);
    CHECK_OK(file_pwrite(file, "X", 1, at + 3));
    file_close(&file);
    static const enum port_form forms[] = {PORT_MAILDIR, PORT_MBOX};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        h = (struct heard){0};
        struct port_report rep = give(&f, forms[i], in_scratch("out%zu", i), &h);
        CHECK_INT(rep.messages, 1);
        CHECK_INT(rep.failed, 1);
        CHECK(strstr(h.last, "the message with UID 1 in INBOX") != NULL);
    }
    fixture_end(&f);
    scratch_end();
}

static int spoil_box(struct kv_tx *tx, void *arg)
{
    char key[20];
    snprintf(key, sizeof key, "b/%08x", *(uint32_t *)arg);
    kv_tx_put(tx, sl_cstr(key), SL("\7"));
    return 0;
}

TEST(port_export_goes_on_after_a_damaged_mailbox)
{
    struct fixture f;
    struct heard h = {0};
    struct mailbox sent;
    scratch_begin();
    if (!fixture_begin(&f)) return;
    add_as(&f, "INBOX", odd[0], 0, NULL, 1700000000, 0);
    for (int i = 0; i < 2; i++) add_as(&f, "Sent", odd[1], 0, NULL, 1700000001, 0);
    CHECK_OK(mailbox_find(f.s, ACC, SL("Sent"), &f.a, &sent));
    CHECK_OK(kv_transact(f.s->kv, SL("u:" ACC), spoil_box, &sent.id));
    struct port_report rep = give(&f, PORT_MBOX, in_scratch("out"), &h);
    CHECK_INT(rep.messages, 1);
    CHECK_INT(rep.failed, 2);
    CHECK(strstr(h.last, "2 messages lie in mailboxes whose records are damaged") != NULL);
    fixture_end(&f);
    scratch_end();
}

/* ---- of other programs ---- */

TEST(port_maildirs_of_other_programs)
{
    struct fixture f;
    struct heard h = {0};
    scratch_begin();
    if (!fixture_begin(&f)) return;
    char dir[100];
    snprintf(dir, sizeof dir, "%s/md", scratch);
    make_maildir(dir);
    make_maildir(in_scratch("md/.Sent"));
    make_maildir(in_scratch("md/.Work.Gr&APYA3w-e")); /* mUTF-7, its parent is no mailbox */
    CHECK_OK(path_mkdir(in_scratch("md/Nested")));
    make_maildir(in_scratch("md/Nested/Größe"));
    write_file(in_scratch("md/dovecot-keywords"), "0 $Junk\n1 Important\n");
    write_file(in_scratch("md/cur/1700000000.M1P2.h,S=5,W=7:2,RSab"), "A: b\n");
    write_file(in_scratch("md/new/1700000001.M1P2.h"), "A: crlf\r\n\r\nx\n");
    write_file(in_scratch("md/.Sent/cur/1.h:2,PS"), "A: sent\n");
    write_file(in_scratch("md/.Work.Gr&APYA3w-e/cur/1.h,U=3:2,F"), "A: plus\n");
    write_file(in_scratch("md/Nested/Größe/cur/1.h:2,D"), "A: nested\n");
    write_file(in_scratch("md/subscriptions"), "Sent\nWork.Gr&APYA3w-e\n");
    CHECK_OK(path_set_time(in_scratch("md/cur/1700000000.M1P2.h,S=5,W=7:2,RSab"), 1234567890));
    CHECK_OK(path_set_time(in_scratch("md/new/1700000001.M1P2.h"), 1234567891));
    CHECK_OK(path_set_time(in_scratch("md/.Sent/cur/1.h:2,PS"), 1));
    CHECK_OK(path_set_time(in_scratch("md/.Work.Gr&APYA3w-e/cur/1.h,U=3:2,F"), 2));
    CHECK_OK(path_set_time(in_scratch("md/Nested/Größe/cur/1.h:2,D"), 3));
    take(&f, PORT_MAILDIR, dir, &h);
    if (h.problems) test_fail(__FILE__, __LINE__, "%s", h.last);
    struct slice all = all_of(&f);
    CHECK(sl_starts(all, SL("[INBOX]\n1234567890+0 6 0 3 ")));
    CHECK(sl_find(all, SL(" $Junk Important\n1234567891+0 14 0 0 ")) != SL_NONE);
    CHECK(sl_find(all, SL("[Sent]\n1+0 9 0 1 ")) != SL_NONE && sl_find(all, SL("$Forwarded")) != SL_NONE);
    CHECK(sl_find(all, SL("[Work/Größe]\n2+0 9 0 4 ")) != SL_NONE);
    CHECK(sl_find(all, SL("[Nested/Größe]\n3+0 11 0 16 ")) != SL_NONE);
    fixture_end(&f);
    scratch_end();
}

TEST(port_mboxes_of_other_programs)
{
    struct fixture f;
    struct heard h = {0};
    struct mailbox box;
    struct message *m;
    struct slice text;
    size_t n;
    scratch_begin();
    if (!fixture_begin(&f)) return;
    CHECK_OK(path_mkdir(in_scratch("mail")));
    CHECK_OK(path_mkdir(in_scratch("mail/Work.sbd")));
    write_file(in_scratch("mail/empty"), "");
    write_file(in_scratch("mail/Work.msf"), "no mbox");
    write_file(in_scratch("mail/notes"), "Dear diary\n");
    write_file(in_scratch("mail/Work.sbd/Sub"),
               "From - Sun Nov 22 21:34:26 2026\nX-Mozilla-Status: 0001\nA: b\n\nx\n");
    write_file(
        in_scratch("mail/mboxo"),
        "From MAILER-DAEMON Sun Nov 22 21:34:26 2026\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL "
        "DATA\nX-IMAP: 1 2\n\nThis text is part of the format\n\n"
        "From a@x Sun Nov 22 21:34:26 2026\nStatus: R\nA: b\n\nx\n>From here on\n\n"
        "From b@x Sun Nov 22 21:34:27 2026\nX-Status: F\nA: c\n\nFrom here on\n\n\n");
    write_file(in_scratch("mail/mboxcl"),
               "From a@x Sun Nov 22 21:34:26 2026\nContent-Length: 49\nA: b\n\n"
               "a\n\nFrom x@y Sun Nov 22 21:34:26 2026\n\nb\n>From me\n\n"
               "From a@x Sun Nov 22 21:34:27 2026\nContent-Length: 10\nA: b\n\n>From you\n\n"
               "From a@x Sun Nov 22 21:34:28 2026\nContent-Length: 9999\nA: b\n\nwrong\n");
    struct port_report rep = take(&f, PORT_MBOX, in_scratch("mail"), &h);
    CHECK_INT(rep.failed, 1); /* notes */
    CHECK(strstr(h.last, "notes") != NULL);
    CHECK_INT(rep.messages, 6);
    CHECK_OK(mailbox_find(f.s, ACC, SL("Work/Sub"), &f.a, &box));
    CHECK_INT(box.unseen, 0);
    CHECK_OK(mailbox_find(f.s, ACC, SL("empty"), &f.a, &box));
    CHECK_OK(mailbox_find(f.s, ACC, SL("mboxo"), &f.a, &box));
    CHECK_OK(message_list(f.s, BOX(box.id), 1, 10, &f.a, &m, &n));
    CHECK_INT(n, 2);
    CHECK_INT(m[0].flags, FLAG_SEEN);
    CHECK_INT(m[0].internal_date, 1795383266);
    CHECK_OK(body_get(f.s->body, &m[0].body, 1000, &f.a, &text));
    CHECK_SL(text, "A: b\r\n\r\nx\r\nFrom here on\r\n");
    CHECK_OK(body_get(f.s->body, &m[1].body, 1000, &f.a, &text));
    CHECK_SL(text, "A: c\r\n\r\nFrom here on\r\n\r\n");
    CHECK_OK(mailbox_find(f.s, ACC, SL("mboxcl"), &f.a, &box));
    CHECK_OK(message_list(f.s, BOX(box.id), 1, 10, &f.a, &m, &n));
    CHECK_INT(n, 3);
    CHECK_OK(body_get(f.s->body, &m[0].body, 1000, &f.a, &text)); /* bare lines: none of them is quoted */
    CHECK_SL(text, "A: b\r\n\r\na\r\n\r\nFrom x@y Sun Nov 22 21:34:26 2026\r\n\r\nb\r\n>From me\r\n");
    CHECK_OK(body_get(f.s->body, &m[1].body, 1000, &f.a, &text));
    CHECK_SL(text, "A: b\r\n\r\nFrom you\r\n");
    CHECK_OK(body_get(f.s->body, &m[2].body, 1000, &f.a, &text));
    CHECK_SL(text, "A: b\r\n\r\nwrong\r\n");
    rep = take(&f, PORT_MBOX, in_scratch("mail/mboxo"), &h); /* a file alone is INBOX */
    CHECK_INT(rep.messages, 2);
    fixture_end(&f);
    scratch_end();
}
