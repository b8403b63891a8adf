/* imap_test.c - the grammar of IMAP commands. */
#include "imap.h"

#include "base/test.h"
#include "utf7.h"

static struct arena ar;

static struct imap_in cursor(struct slice s)
{
    struct imap_in in;
    imap_in_init(&in, &ar, s, false);
    return in;
}

static void check_wrong(struct imap_in *in, const char *why)
{
    int e = imap_done(in);
    CHECK(e < 0);
    CHECK_SL(sl_cstr(err_text(e)), why);
}

TEST(imap_line_literals)
{
    struct imap_literal l;
    CHECK(imap_line_literal(SL("a LOGIN {11}"), &l) && l.size == 11 && !l.nonsync && l.at == 8);
    CHECK(imap_line_literal(SL("a LOGIN {11+}"), &l) && l.nonsync);
    CHECK(imap_line_literal(SL("a APPEND x ~{5}"), &l) && l.binary && l.at == 11);
    CHECK(!imap_line_literal(SL("a {}"), &l) && !imap_line_literal(SL("a {+}"), &l) &&
          !imap_line_literal(SL("}"), &l));
    CHECK(!imap_line_literal(SL("a {1"), &l) && !imap_line_literal(SL("a {1x}"), &l) &&
          !imap_line_literal(SL(""), &l));
    CHECK(!imap_line_literal(SL("a {99999999999999999999}"), &l));
}

TEST(imap_strings)
{
    struct imap_in in = cursor(SL("A001 \"a \\\"b\\\\\" {5}\r\na\r\nb{ NIL x]y \"\""));
    CHECK_SL(imap_tag(&in), "A001");
    imap_sp(&in);
    CHECK_SL(imap_astring(&in), "a \"b\\");
    imap_sp(&in);
    CHECK_SL(imap_astring(&in), "a\r\nb{");
    imap_sp(&in);
    CHECK(imap_nstring(&in).p == NULL);
    imap_sp(&in);
    CHECK_SL(imap_astring(&in), "x]y");
    imap_sp(&in);
    CHECK_SL(imap_nstring(&in), "");
    CHECK_OK(imap_done(&in));
    ar_free(&ar);
}

TEST(imap_bad_strings_name_the_place)
{
    struct imap_in in = cursor(SL("\"abc"));
    imap_astring(&in);
    check_wrong(&in, "byte 5: '\"' was expected");
    in = cursor(SL("\"a\\b\""));
    imap_astring(&in);
    check_wrong(&in, "byte 4: only \" and \\ may be quoted by \\");
    in = cursor(SL("{5}\r\nabc"));
    imap_astring(&in);
    check_wrong(&in, "byte 6: the literal is not complete");
    in = cursor(SL("{3}\r\na\0c"));
    imap_astring(&in);
    check_wrong(&in, "byte 6: a literal may not hold NUL");
    in = cursor(SL("ab (cd"));
    imap_atom(&in);
    imap_sp(&in);
    imap_atom(&in);
    imap_sp(&in); /* sticky */
    check_wrong(&in, "byte 4: an atom was expected");
    in = cursor(SL("ab cd"));
    imap_atom(&in);
    check_wrong(&in, "byte 3: the end of the command was expected");
    in = cursor(SL("caf\xc3\xa9"));
    imap_atom(&in);
    check_wrong(&in, "byte 4: the end of the command was expected");
    ar_free(&ar);
}

static struct slice decode7(const char *s)
{
    struct slice out;
    return utf7_decode(&ar, sl_cstr(s), &out) == 0 ? out : SL("bad");
}

static struct slice encode7(const char *s)
{
    struct buf b = BUF_INIT;
    utf7_encode(&b, sl_cstr(s));
    struct slice out = ar_dup(&ar, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* RFC 3501 section 5.1.3. */
TEST(imap_modified_utf7)
{
    static const char *const pairs[][2] = {
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
         "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"plain", "plain"},
        {"a&-b", "a&b"},
        {"&-&-", "&&"},
        {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
        {"&2D3eAA-", "\xf0\x9f\x98\x80"},
        {"", ""},
        {"&AOk-&-", "\xc3\xa9&"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        CHECK_SL(decode7(pairs[i][0]), pairs[i][1]);
        CHECK_SL(encode7(pairs[i][1]), pairs[i][0]);
    }
    static const char *const bad[] = {
        "&", "a&b", "&AGE-", "&2D0-", "&3gA-", "&A-", "&AOkA-", "&AOk=-", "&U,BTFw-&ZeVnLIqe-", "&AOn-"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_SL(decode7(bad[i]), "bad");
    ar_free(&ar);
}

static struct slice mailbox(struct slice s)
{
    struct imap_in in = cursor(s);
    struct slice m = imap_mailbox(&in);
    return imap_done(&in) == 0 ? m : SL("bad");
}

TEST(imap_mailboxes)
{
    CHECK_SL(mailbox(SL("iNbOx")), "INBOX");
    CHECK_SL(mailbox(SL("\"inbox\"")), "INBOX");
    CHECK_SL(mailbox(SL("{5}\r\nInbox")), "INBOX");
    CHECK_SL(mailbox(SL("\"a b/&APw-\"")), "a b/\xc3\xbc");
    CHECK_SL(mailbox(SL("\"\xc3\xbc\"")), "\xc3\xbc");
    CHECK_SL(mailbox(SL("\"\xff\"")), "bad");
    CHECK_SL(mailbox(SL("a&b")), "bad");
    CHECK_SL(mailbox(SL("a*")), "bad");
    struct imap_in in;
    imap_in_init(&in, &ar, SL("\"a&b\""), true);
    CHECK_SL(imap_mailbox(&in), "a&b");
    ar_free(&ar);
}

static struct slice set_text(const char *s, uint32_t star)
{
    struct imap_in in = cursor(sl_cstr(s));
    struct imap_set set = imap_set(&in);
    if (imap_done(&in) != 0) return SL("bad");
    imap_set_fix(&set, star);
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < set.n; i++) buf_printf(&b, "%s%u:%u", i ? "," : "", set.v[i].lo, set.v[i].hi);
    struct slice out = ar_dup(&ar, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* The examples of RFC 9051 section 9, sequence-set. */
TEST(imap_sets)
{
    CHECK_SL(set_text("2,4:7,9,12:*", 15), "2:2,4:7,9:9,12:15");
    CHECK_SL(set_text("*:4,5:7", 10), "4:10");
    CHECK_SL(set_text("3291:*", 100), "100:3291");
    CHECK_SL(set_text("1,2,3,3,1:2", 9), "1:3");
    CHECK_SL(set_text("4294967295,1:4294967295", 9), "1:4294967295");
    static const char *const bad[] = {"",      "0",          "1,",  ",1", "1:", "a",
                                      "1:2:3", "4294967296", "1 2", "-1", "$1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_SL(set_text(bad[i], 9), "bad");
    struct imap_in in = cursor(SL("$"));
    CHECK(imap_set(&in).saved);
    in = cursor(SL("2,4:7,9"));
    struct imap_set s = imap_set(&in);
    imap_set_fix(&s, 9);
    CHECK(!imap_set_has(&s, 1) && imap_set_has(&s, 2) && !imap_set_has(&s, 3) && imap_set_has(&s, 5) &&
          imap_set_has(&s, 9) && !imap_set_has(&s, 10));
    CHECK_INT(imap_set_count(&s), 6);
    struct buf b = BUF_INIT;
    for (int i = 0; i <= IMAP_SET_MAX; i++) buf_str(&b, i ? ",1" : "1");
    in = cursor(buf_slice(&b));
    imap_set(&in);
    CHECK_ERR(imap_done(&in), ERR_LIMIT);
    buf_clear(&b);
    imap_put_set(&b, (const uint32_t[]){1, 2, 3, 7, 9, 10}, 6);
    CHECK_SL(buf_slice(&b), "1:3,7,9:10");
    buf_free(&b);
    ar_free(&ar);
}

TEST(imap_dates)
{
    int zone;
    struct imap_in in = cursor(SL("\"17-Jul-1996 02:44:25 -0700\""));
    CHECK_INT(imap_date_time(&in, &zone), 837596665);
    CHECK_OK(imap_done(&in));
    CHECK_INT(zone, -420);
    in = cursor(SL("\"7-May-2026 0:00:00 +0530\""));
    CHECK_INT(imap_date_time(&in, &zone), 1778092200);
    in = cursor(SL("\"7-May-2026\""));
    CHECK_INT(imap_date(&in), 1778112000);
    in = cursor(SL("\" 7-May-2026\"")); /* that is a date-day-fixed, of APPEND only */
    (void)imap_date(&in);
    CHECK_INT(imap_done(&in), ERR_SYNTAX);
    in = cursor(SL("\" 17-May-2026 00:00:00 +0530\""));
    (void)imap_date_time(&in, &zone);
    CHECK_INT(imap_done(&in), ERR_SYNTAX);
    in = cursor(SL("\"7-May-2026 00:00:00 +0530\"")); /* iOS 18.3 */
    CHECK_INT(imap_date_time(&in, &zone), 1778092200);
    CHECK_INT(zone, 330);
    CHECK_OK(imap_done(&in));
    in = cursor(SL("\" 1-feb-1994 00:00:00 +0000\""));
    CHECK_INT(imap_date_time(&in, &zone), 760060800);
    CHECK_OK(imap_done(&in));
    static const char *const bad[] = {"\"-Feb-1994 00:00:00 +0000\"",
                                      "\"001-Feb-1994 00:00:00 +0000\"",
                                      "\"31-Feb-1994 00:00:00 +0000\"",
                                      "\"01-Feb-1994 24:00:00 +0000\"",
                                      "\"01-Feb-94 00:00:00 +0000\"",
                                      "\"01-Foo-1994 00:00:00 +0000\"",
                                      "\"01-Feb-1994 00:00:00 +9900\"",
                                      "\"01-Feb-1994 00:00:00 0000\"",
                                      "\"\"",
                                      "x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        in = cursor(sl_cstr(bad[i]));
        imap_date_time(&in, &zone);
        CHECK_ERR(imap_done(&in), ERR_SYNTAX);
    }
    in = cursor(SL("1-Feb-1994"));
    CHECK_INT(imap_date(&in), 760060800);
    in = cursor(SL("\"01-FEB-1994\""));
    CHECK_INT(imap_date(&in), 760060800);
    CHECK_OK(imap_done(&in));
    in = cursor(SL("1-Feb-1900"));
    CHECK_INT(imap_date(&in), 0);
    CHECK_OK(imap_done(&in));
    struct buf b = BUF_INIT;
    imap_put_date_time(&b, 760060800, 0);
    CHECK_SL(buf_slice(&b), "\"01-Feb-1994 00:00:00 +0000\"");
    buf_clear(&b);
    imap_put_date_time(&b, 760060800, -570);
    CHECK_SL(buf_slice(&b), "\"31-Jan-1994 14:30:00 -0930\"");
    buf_free(&b);
    ar_free(&ar);
}

TEST(imap_store)
{
    struct imap_in in = cursor(SL("+FLAGS.SILENT (\\Deleted \\seen $Junk $junk work \\Other)"));
    struct imap_store s = imap_store_args(&in);
    CHECK_OK(imap_done(&in));
    CHECK(s.op == '+' && s.silent && s.flags.system == (IMAP_DELETED | IMAP_SEEN) && s.flags.n == 2);
    CHECK_SL(s.flags.keyword[1], "work");
    in = cursor(SL("FLAGS ()"));
    s = imap_store_args(&in);
    CHECK_OK(imap_done(&in));
    CHECK(s.op == 0 && !s.silent && s.flags.system == 0);
    in = cursor(SL("-FLAGS \\Deleted \\Seen"));
    s = imap_store_args(&in);
    CHECK_OK(imap_done(&in));
    CHECK(s.op == '-' && s.flags.system == (IMAP_DELETED | IMAP_SEEN));
    in = cursor(SL("(UNCHANGEDSINCE 12121230045) +FLAGS (\\Seen)"));
    s = imap_store_args(&in);
    CHECK_OK(imap_done(&in));
    CHECK(s.conditional && s.unchanged_since == 12121230045);
    static const char *const bad[] = {"FLAGS",      "FLAGS ",       "FLAG (x)",   "+ FLAGS (x)", "FLAGS (a",
                                      "FLAGS (a*)", "FLAGS (a  b)", "FLAGS ( a)", "FLAGS (a )",  "FLAGS a "};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        in = cursor(sl_cstr(bad[i]));
        imap_store_args(&in);
        CHECK_ERR(imap_done(&in), ERR_SYNTAX);
    }
    ar_free(&ar);
}

static struct imap_fetch fetch(const char *s, int want)
{
    struct imap_in in = cursor(sl_cstr(s));
    struct imap_fetch f = imap_fetch_args(&in);
    CHECK_ERR(imap_done(&in), want);
    return f;
}

TEST(imap_fetch)
{
    struct imap_fetch f = fetch("FULL", 0);
    CHECK_INT(f.n, 5);
    CHECK(f.kinds == (1u << IMAP_FLAGS | 1u << IMAP_INTERNALDATE | 1u << IMAP_SIZE | 1u << IMAP_ENVELOPE |
                      1u << IMAP_BODY));
    CHECK(!f.sets_seen);
    CHECK_INT(fetch("all", 0).n, 4);
    CHECK_INT(fetch("(uid fast)", ERR_SYNTAX).n, 1);
    f = fetch("BODY[]", 0);
    CHECK(f.n == 1 && f.sets_seen && f.item[0].kind == IMAP_SECTION && f.item[0].text == IMAP_WHOLE);
    CHECK_SL(f.item[0].label, "BODY[]");
    f = fetch("(FLAGS BODY.PEEK[header.fields (Date From)] RFC822.SIZE body[3.1.text]<5.20> BODY "
              "BODYSTRUCTURE RFC822.HEADER)",
              0);
    REQUIRE(f.n == 7);
    CHECK_SL(f.item[1].label, "BODY[HEADER.FIELDS (Date From)]");
    CHECK(f.item[1].peek && f.item[1].nfields == 2);
    CHECK_SL(f.item[3].label, "BODY[3.1.TEXT]<5>");
    CHECK(f.item[3].partial && f.item[3].from == 5 && f.item[3].count == 20 && f.item[3].npath == 2);
    CHECK(f.item[4].kind == IMAP_BODY && f.item[5].kind == IMAP_BODYSTRUCTURE &&
          f.item[6].kind == IMAP_RFC822_HEADER);
    CHECK(f.sets_seen);
    CHECK_SL(fetch("BODY[1.HEADER.FIELDS.NOT (\"a b\" {1}\r\nX)]", 0).item[0].label,
             "BODY[1.HEADER.FIELDS.NOT (\"a b\" X)]");
    CHECK_SL(fetch("BODY.PEEK[2.MIME]", 0).item[0].label, "BODY[2.MIME]");
    CHECK_SL(fetch("BINARY.PEEK[2.1]<0.5>", 0).item[0].label, "BINARY[2.1]<0>");
    CHECK_SL(fetch("BINARY.SIZE[2]", 0).item[0].label, "BINARY.SIZE[2]");
    CHECK_INT(fetch("(FLAGS) (CHANGEDSINCE 12345)", 0).changed_since, 12345);
    static const char *const bad[] = {"",
                                      "()",
                                      "(FLAGS",
                                      "FLAGSX",
                                      "BODY[",
                                      "BODY[0]",
                                      "BODY[1.]",
                                      "BODY[1.2.]",
                                      "BODY[MIME]",
                                      "BODY[TEXT.1]",
                                      "BODY[]<1>",
                                      "BODY[]<1.0>",
                                      "BODY[]<1.2",
                                      "BODY[HEADER.FIELDS]",
                                      "BODY[HEADER.FIELDS ()]",
                                      "BODY.PEEK",
                                      "(ALL)",
                                      "BINARY[TEXT]",
                                      "BODY[1HEADER]"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) fetch(bad[i], ERR_SYNTAX);
    struct buf b = BUF_INIT;
    for (int i = 0; i < 70; i++) buf_str(&b, i ? ".1" : "BODY[1");
    buf_str(&b, "]");
    buf_char(&b, 0);
    fetch(b.p, ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < 200; i++) buf_str(&b, i ? " UID BODY" : "(UID BODY"); /* items are a set */
    buf_str(&b, ")");
    buf_char(&b, 0);
    CHECK_INT(fetch(b.p, 0).n, 2);
    buf_clear(&b);
    for (int i = 0; i < 200; i++) buf_printf(&b, "%cBODY[%d]", i ? ' ' : '(', i + 1);
    buf_str(&b, ")");
    buf_char(&b, 0);
    fetch(b.p, ERR_LIMIT);
    buf_free(&b);
    ar_free(&ar);
}

static struct imap_search_args search(struct slice s, int want)
{
    struct imap_in in = cursor(s);
    struct imap_search_args a = imap_search_args(&in);
    CHECK_ERR(imap_done(&in), want);
    return a;
}

TEST(imap_search)
{
    struct imap_search_args s = search(SL("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""), 0);
    struct imap_search *k = s.key;
    REQUIRE(k->key == IMAP_KEY_AND && k->child->next->next);
    CHECK(k->child->key == IMAP_KEY_FLAG && k->child->flag == IMAP_FLAGGED);
    CHECK_INT(k->child->next->day, 760060800);
    k = k->child->next->next;
    CHECK_INT(k->key, IMAP_KEY_NOT);
    CHECK_SL(k->child->field, "From");
    CHECK_SL(k->child->text, "Smith");
    s = search(SL("CHARSET UTF-8 TEXT {6}\r\n\xd0\xbf\xd1\x80\xd0\xb8"), 0);
    CHECK_SL(s.charset, "UTF-8");
    CHECK_INT(s.key->key, IMAP_KEY_TEXT);
    s = search(SL("RETURN (MIN COUNT) OR (UNSEEN UID 1:*) 2,4 LARGER 100"), 0);
    CHECK(s.extended && s.wants == (IMAP_RETURN_MIN | IMAP_RETURN_COUNT));
    CHECK_INT(s.key->child->key, IMAP_KEY_OR);
    CHECK_INT(s.key->child->child->key, IMAP_KEY_AND);
    CHECK_INT(s.key->child->child->next->key, IMAP_KEY_SEQ);
    CHECK_INT(search(SL("RETURN () ALL"), 0).wants, IMAP_RETURN_ALL);
    CHECK(search(SL("MODSEQ \"/flags/\\\\draft\" all 620162338"), 0).modseq);
    CHECK_SL(search(SL("HEADER Message-ID \"\""), 0).key->field, "Message-ID");
    CHECK_SL(search(SL("UNKEYWORD $Junk"), 0).key->child->text, "$Junk");
    static const char *const bad[] = {"",
                                      "FOO",
                                      "NOT",
                                      "OR ALL",
                                      "OR ALL ",
                                      "(ALL",
                                      "()",
                                      "ALL)",
                                      "FROM",
                                      "BEFORE x",
                                      "LARGER -1",
                                      "CHARSET UTF-8",
                                      "RETURN MIN ALL",
                                      "RETURN (FOO) ALL",
                                      "UID",
                                      "KEYWORD \"x\""};
    for (size_t i = 0; i < COUNT_OF(bad); i++) search(sl_cstr(bad[i]), ERR_SYNTAX);
    ar_free(&ar);
}

TEST(imap_search_limits)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 10000; i++) buf_char(&b, '(');
    search(buf_slice(&b), ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < 10000; i++) buf_str(&b, "NOT ");
    search(buf_slice(&b), ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < 10000; i++) buf_str(&b, i ? " ALL" : "ALL");
    search(buf_slice(&b), ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < 10000; i++) buf_str(&b, "OR ALL ");
    search(buf_slice(&b), ERR_LIMIT);
    buf_free(&b);
    ar_free(&ar);
}

static struct imap_list list(const char *s, int want)
{
    struct imap_in in = cursor(sl_cstr(s));
    struct imap_list l = imap_list_args(&in, false);
    CHECK_ERR(imap_done(&in), want);
    return l;
}

TEST(imap_list_arguments)
{
    struct imap_list l = list("\"\" *", 0);
    CHECK(!l.extended && l.n == 1 && l.reference.n == 0);
    l = list(
        "(SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" Drafts %) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))",
        0);
    CHECK(l.extended && l.n == 3 && l.select == (IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVE));
    CHECK(l.give == (IMAP_LIST_CHILDREN | IMAP_LIST_STATUS) &&
          l.status == (IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN));
    list("() \"\" %", 0);
    list("\"\" % RETURN ()", 0);
    list("\"\"", ERR_SYNTAX);
    list("(RECURSIVEMATCH) \"\" %", ERR_SYNTAX);
    list("(FOO) \"\" %", ERR_SYNTAX);
    list("\"\" ()", ERR_SYNTAX);
    list("\"\" % RETURN (FOO)", ERR_SYNTAX);
    ar_free(&ar);
}

TEST(imap_list_reaching)
{
    static const struct {
        const char *pattern;
        bool reaches;
    } t[] = {{"*", true},          {"%", true},
             {"#*", true},         {"#user/*", true},
             {"#user", true},      {"#user/b@x", true},
             {"#user/%/A", true},  {"#user/b@x/A", true},
             {"", true},           {"INBOX", false},
             {"inbox*", false},    {"A/%", false},
             {"#user/c@x", false}, {"#user/b@x.y/%", false},
             {"#public/*", false}};
    for (size_t i = 0; i < COUNT_OF(t); i++)
        if (imap_list_reaches(sl_cstr(t[i].pattern), SL("#user/b@x/")) != t[i].reaches)
            test_fail(__FILE__, __LINE__, "%s", t[i].pattern);
}

TEST(imap_list_matching)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } t[] = {
        {"*", "a/b/c", true},     {"%", "a", true},           {"%", "a/b", false},   {"%/%", "a/b", true},
        {"a*c", "a/b/c", true},   {"a%c", "abc", true},       {"a%c", "a/c", false}, {"*b", "a/b", true},
        {"%b", "a/b", false},     {"a/%", "a/", true},        {"a", "a", true},      {"a", "A", false},
        {"inbox", "INBOX", true}, {"IN%", "INBOX", true},     {"", "", true},        {"", "a", false},
        {"a", "", false},         {"*%*", "x/y", true},       {"%*%", "", true},     {"*/%", "a/b/c", true},
        {"%/*", "a/b/c", true},   {"a%/c*", "ab/cd/e", true}, {"ab", "a", false},    {"a", "ab", false},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++)
        if (imap_list_match(sl_cstr(t[i].pattern), sl_cstr(t[i].name)) != t[i].match)
            test_fail(__FILE__, __LINE__, "%s against %s", t[i].pattern, t[i].name);
    char pattern[1000], name[1000];
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = i % 2 ? 'a' : '*', name[i] = 'a';
    name[999] = 'b';
    CHECK(!imap_list_match(sl(pattern, 1000), sl(name, 1000)));
}

TEST(imap_append_options)
{
    struct imap_in in = cursor(SL("(\\Seen) \"17-Jul-1996 02:44:25 -0700\" "));
    struct imap_append a = imap_append_options(&in);
    CHECK_OK(imap_done(&in));
    CHECK(a.flags.system == IMAP_SEEN && a.has_date && a.date == 837596665 && !a.utf8);
    in = cursor(SL(""));
    a = imap_append_options(&in);
    CHECK_OK(imap_done(&in));
    CHECK(!a.has_date && !a.flags.n);
    in = cursor(SL("() UTF8 ("));
    CHECK(imap_append_options(&in).utf8);
    CHECK_OK(imap_done(&in));
    static const char *const bad[] = {"(\\Seen)", "(\\Seen) x", "\"1-Jul-1996\" ", "UTF8", "UTF8 ", "() ()"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        in = cursor(sl_cstr(bad[i]));
        imap_append_options(&in);
        CHECK_ERR(imap_done(&in), ERR_SYNTAX);
    }
    ar_free(&ar);
}

TEST(imap_writing)
{
    struct buf b = BUF_INIT;
    imap_put_string(&b, SL("a\"b\\"), false);
    imap_put_nstring(&b, (struct slice){0}, false);
    imap_put_string(&b, SL("a\r\n\0"), false);
    imap_put_string(&b, SL("\xc3\xa9"), false);
    imap_put_string(&b, SL("\xc3\xa9"), true);
    CHECK_SL(buf_slice(&b), "\"a\\\"b\\\\\"NIL{4}\r\na\r\n?{2}\r\n\xc3\xa9\"\xc3\xa9\"");
    buf_clear(&b);
    imap_put_mailbox(&b, SL("INBOX"), false);
    imap_put_mailbox(&b, SL("a b"), false);
    imap_put_mailbox(&b, SL("nil"), false);
    imap_put_mailbox(&b, SL("\xc3\xa9"), false);
    imap_put_mailbox(&b, SL("\xc3\xa9"), true);
    CHECK_SL(buf_slice(&b), "INBOX\"a b\"\"nil\"&AOk-\"\xc3\xa9\"");
    buf_clear(&b);
    const struct slice words[] = {SL_INIT("$Junk"), SL_INIT("work")};
    imap_put_flags(&b, IMAP_SEEN | IMAP_DRAFT | 64, words, 2, 5, SL("\\Recent"));
    imap_put_flags(&b, 0, words, 2, 5, SL(""));
    imap_put_flags(&b, 32, words, 2, 5, SL(""));
    CHECK_SL(buf_slice(&b), "(\\Recent \\Seen \\Draft work)()($Junk)");
    buf_clear(&b);
    imap_put_text(&b, SL("a\r\nb\xff"));
    CHECK_SL(buf_slice(&b), "a??b?");
    buf_free(&b);
}

TEST(imap_urls)
{
    struct imap_url u;
    struct slice full =
        SL("imap://joe%40x;AUTH=*@h:143/a%20b/c;UIDVALIDITY=7/;UID=20/;SECTION=1.2.MIME/;PARTIAL=3."
           "4;EXPIRE=2026-11-30T00:00:00Z;URLAUTH=user+fred:internal:0123");
    CHECK_OK(imap_url_parse(&ar, full, &u));
    CHECK(u.absolute && u.uidvalidity == 7 && u.uid == 20 && u.part.npath == 2 && u.part.text == IMAP_MIME &&
          u.part.partial && u.part.from == 3 && u.part.count == 4 && u.expires &&
          u.access == IMAP_ACCESS_USER);
    CHECK_SL(u.user, "joe@x");
    CHECK_SL(u.mailbox, "a b/c");
    CHECK_SL(u.who, "fred");
    CHECK_SL(u.mechanism, "internal");
    CHECK_SL(u.token, "0123");
    CHECK(sl_eq(u.rump, sl_sub(full, 0, full.n - SL(":internal:0123").n)));
    CHECK_OK(imap_url_parse(&ar, SL("/inbox/;uid=1;urlauth=anonymous"), &u));
    CHECK(!u.absolute && u.access == IMAP_ACCESS_ANONYMOUS && !u.token.n && sl_eq(u.mailbox, SL("INBOX")));
    CHECK_OK(imap_url_parse(&ar, SL(";UID=1/;SECTION=HEADER.FIELDS%20(Date)"), &u));
    CHECK(!u.mailbox.n && u.part.nfields == 1);
    CHECK_OK(imap_url_parse(&ar, SL("/;UID=1/;PARTIAL=9"), &u));
    CHECK(u.part.partial && u.part.from == 9 && u.part.count == INT64_MAX);
    static const char *const wrong[] = {"",
                                        "/",
                                        "x",
                                        "imap://",
                                        "imap://h",
                                        "imap://h/",
                                        "imap://h/box",
                                        "imap://u@/box/;UID=1",
                                        "/box;UID=1",
                                        "/box/;UID=0",
                                        "/box/;UID=4294967296",
                                        "/box/;UID=1/",
                                        "/box/;UID=1;SECTION=1",
                                        "/box/;UID=1/;SECTION=",
                                        "/box/;UID=1/;SECTION=1]%20UID",
                                        "/box/;UID=1/;SECTION=1]%20BODY[2",
                                        "/box/;SECTION=1/;UID=1",
                                        "/b%0dx/;UID=1",
                                        "/b%g1/;UID=1",
                                        "/b%f/;UID=1",
                                        "/b%ff/;UID=1",
                                        "/b x/;UID=1",
                                        "/box/;UID=1/;PARTIAL=1.0",
                                        "/box/;UID=1;EXPIRE=now",
                                        "/box/;UID=1;URLAUTH=all",
                                        "/box/;UID=1;URLAUTH=user+",
                                        "/box/;UID=1;URLAUTH=authuser:x",
                                        "/box/;UID=1;URLAUTH=authuser::1",
                                        "/box/;UID=1;URLAUTH=authuser:x:",
                                        "//host/box/;UID=1/;x"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (imap_url_parse(&ar, sl_cstr(wrong[i]), &u) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "%s", wrong[i]);
    ar_free(&ar);
}
