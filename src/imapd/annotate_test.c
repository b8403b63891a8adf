/* annotate_test.c - annotations of messages (RFC 5257) in dialogues. */
#include "dialog_test.h"
#include "store/care.h"
#include "store/remark.h"

static void begin(void)
{
    w.annotate = true;
    start();
    CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("secret")));
}

static struct conn *login_bob(void)
{
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    TALK(c, "l LOGIN bob@x.test secret", "l OK ~\n");
    return c;
}

static void on_fault(void *arg, const char *text)
{
    if (!sl_starts(sl_cstr(text), SL("account "))) return; /* the domain has no keys */
    CHECK_SL(sl_cstr(text), "");
    ++*(size_t *)arg;
}

static void verify_all(void)
{
    size_t faults = 0;
    if (store_verify(w.store, NULL, NULL, on_fault, &faults) != ERR_CORRUPT) CHECK_INT(faults, 1);
    CHECK_INT(faults, 0);
}

/* A command up to its tagged OK. */
static void run(struct conn *c, const char *line)
{
    conn_printf(c, "r %s\r\n", line);
    read_until(c, SL("r "));
    CHECK(sl_find(buf_slice(&got), SL("r OK")) != SL_NONE);
}

static bool has(const char *text) { return sl_find(buf_slice(&got), sl_cstr(text)) != SL_NONE; }

TEST(imapd_annotations)
{
    begin();
    struct conn *c = login();
    append(c, "INBOX", "", mixed);
    append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX (ANNOTATE)");
    CHECK(has("* OK [ANNOTATIONS 1800]"));
    TALK(c, "1 FETCH 1 (ANNOTATION (/comment value))",
         "* 1 FETCH (ANNOTATION (/comment (value.priv NIL value.shared NIL)))\n1 OK fetched\n");
    TALK(c,
         "2 STORE 1 ANNOTATION (/comment (value.priv \"mine\" value.shared \"ours, all\") "
         "/altsubject (value.priv \"Other\"))",
         "2 OK stored\n");
    TALK(c, "3 FETCH 1 (ANNOTATION (/comment (value size)))",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"mine\" value.shared \"ours, all\" size.priv \"4\" "
         "size.shared \"9\")))\n3 OK fetched\n");
    TALK(
        c, "4 UID FETCH 1 (ANNOTATION (/* (value.priv size.priv)))",
        "* 1 FETCH (UID 1 ANNOTATION (/comment (value.priv \"mine\" size.priv \"4\") /altsubject (value.priv "
        "\"Other\" size.priv \"5\")))\n4 OK fetched\n");
    TALK(c, "5 FETCH 1:2 ANNOTATION (/% value.shared)",
         "* 1 FETCH (ANNOTATION (/comment (value.shared \"ours, all\")))\n* 2 FETCH (FLAGS (\\Recent))\n5 OK "
         "fetched\n");
    TALK(c, "6 STORE 1 ANNOTATION (/comment (value.priv NIL))", "6 OK stored\n");
    TALK(c, "7 FETCH 1 ANNOTATION ((/comment /altsubject /vendor/x/y) value.priv)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv NIL) /altsubject (value.priv \"Other\") /vendor/x/y "
         "(value.priv NIL)))\n7 OK fetched\n");
    TALK(c, "8 STORE 1 ANNOTATION (/2/flags/seen (value.priv \"1\"))", "8 OK stored\n");
    TALK(c, "9 STORE 1:2 ANNOTATION (/2/comment (value.priv \"1\"))", "9 BAD ~\n");
    TALK(c, "10 FETCH 1 ANNOTATION (/% value.priv)",
         "* 1 FETCH (ANNOTATION (/altsubject (value.priv \"Other\")))\n10 OK fetched\n");
    TALK(c, "11 FETCH 1 ANNOTATION (/2/* value.priv)",
         "* 1 FETCH (ANNOTATION (/2/flags/seen (value.priv \"1\")))\n11 OK fetched\n");
    TALK(c, "12 FETCH 1 ANNOTATION (/3/comment value.priv)", "12 BAD ~\n");
    static const char nul[] = "13 STORE 2 ANNOTATION (/vendor/a/b (value.shared ~{3+}\r\na\0b))\r\n";
    conn_write(c, sl(nul, sizeof nul - 1));
    CHECK_OK(conn_flush(c));
    EXPECT(c, "13 OK stored\n");
    conn_puts(c, "14 FETCH 2 ANNOTATION (/vendor/% value.shared)\r\n15 FETCH 2 ANNOTATION (/vendor/* "
                 "value.shared)\r\n");
    read_until(c, SL("15 OK"));
    CHECK(sl_find(buf_slice(&got), sl("~{3}\na\0b)", 9)) != SL_NONE);
    verify_all();
    bye(&c);
    stop();
}

TEST(imapd_annotations_bad_input)
{
    static const char *const bad[] = {
        "/comment (value \"x\")",
        "/comment (size.priv \"1\")",
        "/comment (value.priv)",
        "/comment ()",
        "comment (value.priv \"x\")",
        "/foo (value.priv \"x\")",
        "/flags (value.priv \"1\")",
        "/0/comment (value.priv \"x\")",
        "/1./comment (value.priv \"x\")",
        "/comment/ (value.priv \"x\")",
        "/vendor//x (value.priv \"x\")",
        "/comm%nt (value.priv \"x\")",
        "/1..2/comment (value.priv \"x\")",
        "/comment (VALUE.PRIV \"x\")",
        "/Comment (value.priv \"x\")",
        "/1x/comment (value.priv \"x\")",
        "/99/comment (value.priv \"x\")",
        "/1/altsubject (value.priv \"x\")",
        "/comment (value.priv x)",
        "/vendor/ (value.priv \"x\")",
        "/comment (value.priv \"x\"",
    };
    begin();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        conn_printf(c, "1 STORE 1 ANNOTATION (%s)\r\n", bad[i]);
        EXPECT(c, "1 BAD ~\n");
        TALK(c, "2 NOOP", "2 OK done\n");
    }
    TALK(c, "3 FETCH 1 ANNOTATION (/* content-type)", "3 BAD ~\n");
    TALK(c, "4 FETCH 1 ANNOTATION (/a//b value)", "4 BAD ~\n");
    TALK(c, "5 SEARCH ANNOTATION /comment size \"1\"", "5 BAD ~\n");
    TALK(c, "6 SORT (ANNOTATION /comment value) UTF-8 ALL", "6 BAD ~\n");
    TALK(c, "7 SORT (ANNOTATION /comm* value.priv) UTF-8 ALL", "7 BAD ~\n");
    TALK(c, "8 FETCH 1 ANNOTATION (* value)", "* 1 FETCH (FLAGS (\\Recent))\n8 OK fetched\n");
    run(c, "EXAMINE INBOX");
    CHECK(has("* OK [ANNOTATIONS READ-ONLY]"));
    TALK(c, "9 STORE 1 ANNOTATION (/comment (value.priv \"x\"))", "9 NO [READ-ONLY] ~\n");
    bye(&c);
    stop();
    start(); /* it is off by default */
    c = login();
    append(c, "INBOX", "", a_letter);
    run(c, "CAPABILITY");
    CHECK(!has("ANNOTATE") && has("RIGHTS=kxte "));
    TALK(c, "9 SELECT INBOX (ANNOTATE)", "9 BAD ~\n");
    run(c, "SELECT INBOX");
    CHECK(!has("ANNOTATIONS"));
    TALK(c, "10 STORE 1 ANNOTATION (/comment (value.priv \"x\"))", "10 BAD ~\n");
    TALK(c, "11 FETCH 1 ANNOTATION (* value)", "11 BAD ~\n");
    TALK(c, "12 SEARCH ANNOTATION * value \"x\"", "12 BAD ~\n");
    TALK(c, "13 SORT (ANNOTATION /comment value.priv) UTF-8 ALL", "13 BAD ~\n");
    TALK(c, "14 SETACL INBOX bob@x.test n", "14 BAD ~\n");
    bye(&c);
    stop();
}

TEST(imapd_annotations_limits)
{
    begin();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX");
    char big[REMARK_VALUE_MAX + 2];
    memset(big, 'x', sizeof big);
    big[REMARK_VALUE_MAX + 1] = 0;
    conn_printf(c, "1 STORE 1 ANNOTATION (/comment (value.priv \"%s\"))\r\n", big);
    EXPECT(c, "1 NO [ANNOTATE TOOBIG] ~\n");
    big[REMARK_VALUE_MAX] = 0;
    for (int i = 0; i < 10; i++) { /* as many of the full size as section 4.1 asks for at least, for each */
        conn_printf(c, "2 STORE 1 ANNOTATION (/vendor/x/%d (value.priv \"%s\" value.shared \"%s\"))\r\n", i,
                    big, big);
        EXPECT(c, "2 OK stored\n");
    }
    conn_printf(c, "3 STORE 1 ANNOTATION (/vendor/x/10 (value.priv \"%s\" value.shared \"%s\"))\r\n", big,
                big);
    EXPECT(c, "3 NO [ANNOTATE TOOMANY] ~\n");
    for (int i = 0; i < 10; i++) {
        conn_printf(c, "4 STORE 1 ANNOTATION (/vendor/x/%d (value.priv NIL value.shared NIL))\r\n", i);
        EXPECT(c, "4 OK stored\n");
    }
    for (int i = 0; i < REMARKS_MAX; i++) {
        conn_printf(c, "5 STORE 1 ANNOTATION (/vendor/x/%d (value.priv \"\"))\r\n", i);
        EXPECT(c, "5 OK stored\n");
    }
    TALK(c, "6 STORE 1 ANNOTATION (/comment (value.priv \"x\"))", "6 NO [ANNOTATE TOOMANY] ~\n");
    TALK(c, "7 FETCH 1 ANNOTATION (/comment value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv NIL value.shared NIL)))\n7 OK fetched\n");
    TALK(c, "8 FETCH 1 ANNOTATION (/vendor/x/3 (size.priv value.priv))",
         "* 1 FETCH (ANNOTATION (/vendor/x/3 (value.priv \"\" size.priv \"0\")))\n8 OK fetched\n");
    verify_all();
    bye(&c);
    stop();
}

TEST(imapd_annotations_are_quota)
{
    uint64_t limit = 2000;
    begin();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX");
    struct account acc;
    struct arena a;
    ar_init(&a, 0);
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &acc));
    CHECK_OK(account_set_quotas(w.store, acc.id, &(struct account_quotas){.bytes = &limit}));
    ar_free(&a);
    char big[REMARK_VALUE_MAX + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    conn_printf(c, "1 STORE 1 ANNOTATION (/comment (value.priv \"%s\" value.shared \"x\"))\r\n", big);
    EXPECT(c, "1 OK stored\n");
    conn_printf(c, "2 STORE 1 ANNOTATION (/comment (value.shared \"%s\"))\r\n", big);
    EXPECT(c, "2 NO [OVERQUOTA] ~\n");
    TALK(c, "3 STORE 1 ANNOTATION (/comment (value.priv NIL))", "3 OK stored\n");
    conn_printf(c, "4 STORE 1 ANNOTATION (/comment (value.shared \"%s\"))\r\n", big);
    EXPECT(c, "4 OK stored\n");
    verify_all();
    bye(&c);
    stop();
}

TEST(imapd_annotations_searched_and_sorted)
{
    begin();
    struct conn *c = login();
    for (int i = 0; i < 4; i++) append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX");
    run(c, "STORE 1 ANNOTATION (/comment (value.priv \"Zebra\" value.shared {6+}\r\nGr\xc3\xbc\xc3\x9f))");
    run(c, "STORE 3 ANNOTATION (/comment (value.priv \"apple\"))");
    run(c, "STORE 4 ANNOTATION (/altsubject (value.priv \"apple pie\"))");
    TALK(c, "1 SEARCH ANNOTATION /comment value.priv \"APPLE\"", "* SEARCH 3\n1 OK ~\n");
    TALK(c, "2 SEARCH ANNOTATION * value \"apple\"", "* SEARCH 3 4\n2 OK ~\n");
    TALK(c,
         "3 SEARCH CHARSET UTF-8 ANNOTATION /% value.shared {5+}\r\ngr\xc3\xbc"
         "s",
         "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH NOT ANNOTATION * value.priv NIL", "* SEARCH 1 3 4\n4 OK ~\n");
    TALK(c, "5 SEARCH OR ANNOTATION /comment value.shared \"apple\" SUBJECT \"nowhere\"",
         "* SEARCH\n5 OK ~\n");
    TALK(c, "6 SORT (ANNOTATION /comment value.priv) UTF-8 ALL", "* SORT 2 4 3 1\n6 OK ~\n");
    TALK(c, "7 SORT (REVERSE ANNOTATION /comment value.priv) UTF-8 ALL", "* SORT 1 3 2 4\n7 OK ~\n");
    TALK(c, "8 UID SEARCH RETURN (UPDATE) ANNOTATION * value \"kiwi\"",
         "* ESEARCH (TAG \"8\") UID\n8 OK ~\n");
    struct conn *d = login();
    run(d, "SELECT INBOX");
    run(d, "STORE 2 ANNOTATION (/comment (value.shared \"Kiwi\"))");
    conn_puts(c, "9 NOOP\r\n");
    read_until(c, SL("9 OK"));
    CHECK(has("* ESEARCH (TAG \"8\") UID ADDTO (0 2)"));
    bye(&c);
    bye(&d);
    stop();
}

TEST(imapd_annotations_come_with_a_message)
{
    begin();
    struct conn *c = login();
    TALK(c,
         "1 APPEND INBOX (\\Seen) ANNOTATION (/comment (value.priv {5+}\r\nfirst)) {9+}\r\nA: b\r\n\r\nx "
         "ANNOTATION (/altsubject (value.shared ~{3+}\r\nnew) /1/comment (value.priv \"p\")) {9+}\r\nA: "
         "b\r\n\r\ny",
         "1 OK [APPENDUID ~ 1:2] appended\n");
    TALK(c, "2 APPEND INBOX ANNOTATION (/2/comment (value.priv \"p\")) {9+}\r\nA: b\r\n\r\ny", "2 BAD ~\n");
    TALK(c, "3 APPEND INBOX ANNOTATION (/comment (value \"p\")) {9+}\r\nA: b\r\n\r\ny", "3 BAD ~\n");
    run(c, "SELECT INBOX");
    CHECK(has("* 2 EXISTS"));
    TALK(c, "4 FETCH 1:2 ANNOTATION (* value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"first\" value.shared NIL)))\n"
         "* 2 FETCH (ANNOTATION (/altsubject (value.priv NIL value.shared \"new\") /1/comment (value.priv "
         "\"p\" "
         "value.shared NIL)))\n4 OK fetched\n");
    TALK(c, "5 COPY 1:2 Archive", "5 OK ~\n");
    TALK(c, "6 MOVE 1 Archive", "* OK ~\n* 1 EXPUNGE\n6 OK ~\n");
    run(c, "RENAME INBOX Elsewhere");
    verify_all();
    run(c, "SELECT Elsewhere");
    TALK(c, "7 FETCH 1 ANNOTATION (/altsubject value)",
         "* 1 FETCH (ANNOTATION (/altsubject (value.priv NIL value.shared \"new\")))\n7 OK fetched\n");
    run(c, "SELECT Archive");
    TALK(c, "8 FETCH 1:3 ANNOTATION (/comment value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"first\" value.shared NIL)))\n"
         "* 2 FETCH (ANNOTATION (/comment (value.priv NIL value.shared NIL)))\n"
         "* 3 FETCH (ANNOTATION (/comment (value.priv \"first\" value.shared NIL)))\n8 OK fetched\n");
    run(c, "STORE 1:* +FLAGS (\\Flagged)");
    TALK(c, "9 FETCH 3 ANNOTATION (/comment value.priv)",
         "* 3 FETCH (ANNOTATION (/comment (value.priv \"first\")))\n9 OK fetched\n");
    bye(&c);
    stop();
}

/* COPY, MOVE and changes of flags of more rows than one transaction may write. */
TEST(imapd_annotations_of_many)
{
    enum { MANY = 140 };
    begin();
    struct conn *c = login();
    for (int i = 0; i < MANY; i++) append(c, "INBOX", "", "A: b\r\n\r\nx\r\n");
    run(c, "SELECT INBOX");
    char big[REMARK_VALUE_MAX + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    for (int i = 0; i < 10; i++) {
        conn_printf(c, "1 STORE 1:* ANNOTATION (/vendor/x/%d (value.priv \"%s\" value.shared \"%s\"))\r\n", i,
                    big, big);
        EXPECT(c, "1 OK stored\n");
    }
    run(c, "COPY 1:120 Archive");
    run(c, "COPY 1:* Archive");
    run(c, "STORE 1:* FLAGS.SILENT (\\Seen)");
    run(c, "MOVE 1:* Junk");
    verify_all();
    run(c, "SELECT Archive");
    CHECK(has("* 260 EXISTS"));
    run(c, "SEARCH RETURN (COUNT) ANNOTATION /vendor/x/9 value.shared \"xx\"");
    CHECK(has("COUNT 260"));
    run(c, "SELECT Junk");
    run(c, "SEARCH RETURN (COUNT) SEEN ANNOTATION /vendor/x/9 value.priv \"xx\"");
    CHECK(has("COUNT 140"));
    bye(&c);
    stop();
}

TEST(imapd_annotations_of_others)
{
    begin();
    struct conn *a = login(), *b = login_bob();
    run(a, "CREATE Team");
    append(a, "Team", "", a_letter);
    append(a, "Team", "", a_letter);
    TALK(a, "1 LISTRIGHTS Team bob@x.test",
         "* LISTRIGHTS Team bob@x.test \"\" l r s w i p k x t e a n c d\n1 OK ~\n");
    TALK(a, "2 SETACL Team bob@x.test lr", "2 OK ~\n");
    run(a, "SELECT Team");
    run(a, "STORE 1 ANNOTATION (/comment (value.priv \"of Alice\" value.shared \"of all\"))");
    run(b, "SELECT #user/alice@x.test/Team (ANNOTATE)");
    CHECK(has("* OK [ANNOTATIONS 1800]"));
    TALK(b, "3 STORE 1 ANNOTATION (/comment (value.shared \"x\"))", "3 NO [NOPERM] ~\n");
    TALK(b, "4 STORE 1 ANNOTATION (/comment (value.priv \"of Bob\"))", "4 OK stored\n");
    TALK(b, "5 FETCH 1 ANNOTATION (/* value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"of Bob\" value.shared \"of all\")))\n5 OK fetched\n");
    TALK(b, "6 SEARCH ANNOTATION * value \"Alice\"", "* SEARCH\n6 OK ~\n");
    TALK(a, "7 SETACL Team bob@x.test +n", "* 1 FETCH (FLAGS ())\n7 OK ~\n");
    TALK(a, "8 GETACL Team", "* ACL Team alice@x.test lrswipkxteancd bob@x.test lrn\n8 OK ~\n");
    TALK(b, "9 MYRIGHTS #user/alice@x.test/Team", "* MYRIGHTS #user/alice@x.test/Team lrn\n9 OK ~\n");
    TALK(b, "10 STORE 1 ANNOTATION (/comment (value.shared \"now this\"))", "10 OK stored\n");
    TALK(a, "11 FETCH 1 ANNOTATION (/* value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"of Alice\" value.shared \"now this\")))\n"
         "* 1 FETCH (FLAGS ())\n11 OK fetched\n");
    run(b, "COPY 1 INBOX");
    run(a, "COPY 1 Archive");
    run(b, "SELECT INBOX");
    TALK(b, "12 FETCH 1 ANNOTATION (/* value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv \"of Bob\" value.shared \"now this\")))\n12 OK "
         "fetched\n");
    run(a, "SETACL Archive bob@x.test lr");
    run(b, "SELECT #user/alice@x.test/Archive");
    TALK(b, "13 FETCH 1 ANNOTATION (/comment value)",
         "* 1 FETCH (ANNOTATION (/comment (value.priv NIL value.shared \"now this\")))\n13 OK fetched\n");
    verify_all();
    bye(&a);
    bye(&b);
    stop();
}

TEST(imapd_annotations_are_news)
{
    begin();
    struct conn *c = login(), *d = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "", a_letter);
    run(c, "SELECT INBOX (CONDSTORE ANNOTATE)");
    run(d, "SELECT INBOX");
    TALK(d, "1 STORE 1 ANNOTATION (/comment (value.shared \"x\") /altsubject (value.priv \"y\"))",
         "1 OK stored\n");
    TALK(c, "2 NOOP", "* 1 FETCH (~FLAGS (~) ANNOTATION (/comment /altsubject) MODSEQ (~))\n2 OK done\n");
    TALK(d, "3 STORE 1 ANNOTATION (/comment (value.shared NIL))", "3 OK stored\n");
    TALK(c, "4 STORE 1 +FLAGS (\\Seen)",
         "* 1 FETCH (~FLAGS (~) ANNOTATION (/comment) MODSEQ (~))\n4 OK stored\n");
    TALK(d, "5 NOOP", "* 1 FETCH (~FLAGS (~))\n5 OK done\n");
    TALK(c, "6 STORE 2 (UNCHANGEDSINCE 1) ANNOTATION (/comment (value.priv \"x\"))", "6 OK [MODIFIED 2] ~\n");
    TALK(c, "7 STORE 2 (UNCHANGEDSINCE 1000) ANNOTATION (/comment (value.priv \"x\"))",
         "* 2 FETCH (~MODSEQ (~))\n7 OK stored\n");
    TALK(c, "8 STORE 2 ANNOTATION (/comment (value.priv \"x\"))", "* 2 FETCH (~MODSEQ (~))\n8 OK stored\n");
    TALK(d, "9 NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))",
         "* 2 FETCH (UID 2 FLAGS () ANNOTATION (/comment))\n9 OK ~\n");
    TALK(c, "10 STORE 2 ANNOTATION (/comment (value.priv \"z\"))", "* 2 FETCH (~MODSEQ (~))\n10 OK stored\n");
    EXPECT(d, "* 2 FETCH (UID 2 FLAGS (~) ANNOTATION (/comment))\n");
    bye(&c);
    bye(&d);
    stop();
}
