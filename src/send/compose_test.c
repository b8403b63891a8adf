/* compose_test.c - messages made of fields, and what is no field. */
#include "compose.h"

#include "base/test.h"
#include "base/text.h"
#include "html_text.h"
#include "mail/addr.h"
#include "mail/encoded.h"
#include "mail/head.h"

static struct arena ar;
static const struct compose_addr ann = {SL_INIT("ann@one.test"), SL_INIT("Ann")};

static struct compose plain(void)
{
    return (struct compose){.from = ann,
                            .to = {&ann, 1},
                            .subject = SL("Hello"),
                            .text = SL("Hi\n"),
                            .date = 1795383266,
                            .message_id = SL("<1@one.test>")};
}

/* Every message that is made, looked at as a stranger would: lines, bytes, size. */
static struct slice made(const struct compose *c)
{
    struct composed m;
    struct buf b = BUF_INIT;
    CHECK_OK(compose_message(&ar, c, &m));
    struct compose_reader r = {.message = &m};
    while (compose_read(&r, &b)) {
    }
    struct slice whole = ar_dup(&ar, buf_slice(&b)), rest = whole, line;
    buf_free(&b);
    CHECK_INT(whole.n, m.size);
    CHECK(sl_ends(whole, SL("\r\n")));
    CHECK(is_ascii(whole) || m.utf8);
    while (sl_next(&rest, '\n', &line)) {
        CHECK(line.n <= 999);
        CHECK(!rest.p || sl_ends(line, SL("\r")));
        CHECK(sl_chr(sl_sub(line, 0, line.n ? line.n - 1 : 0), '\r') == SL_NONE &&
              sl_chr(line, 0) == SL_NONE);
    }
    return whole;
}

static struct slice field(struct slice message, struct slice name)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&ar, message, &h));
    CHECK(!h.bad_fields && h.complete);
    return mail_head_get(&ar, &h, name, NULL);
}

/* The structure in one line: "mixed(related(alternative(plain,html),png),pdf)". */
static void outline(struct buf *b, const struct mime_part *p)
{
    buf_put(b, p->subtype);
    if (!p->child) return;
    buf_char(b, '(');
    for (const struct mime_part *k = p->child; k; k = k->next) {
        if (k != p->child) buf_char(b, ',');
        outline(b, k);
    }
    buf_char(b, ')');
}

static struct slice outline_of(struct slice message)
{
    struct buf b = BUF_INIT;
    outline(&b, mime_parse(&ar, message)->root);
    struct slice s = ar_dup(&ar, buf_slice(&b));
    buf_free(&b);
    return s;
}

static struct slice decoded(struct slice message, const struct mime_part *p)
{
    struct mime_decoder d;
    struct buf b = BUF_INIT;
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, sl_sub(message, p->body_at, p->body_at + p->body_size), &b);
    mime_decode_end(&d, &b);
    struct slice s = ar_dup(&ar, buf_slice(&b));
    buf_free(&b);
    return s;
}

TEST(compose_plain)
{
    struct compose c = plain();
    CHECK_SL(made(&c), "Date: Sun, 22 Nov 2026 21:34:26 +0000\r\n"
                       "From: Ann <ann@one.test>\r\n"
                       "To: Ann <ann@one.test>\r\n"
                       "Subject: Hello\r\n"
                       "Message-ID: <1@one.test>\r\n"
                       "MIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: 7bit\r\n"
                       "\r\n"
                       "Hi\r\n");
    c.to.n = 0;
    CHECK_SL(field(made(&c), SL("To")), "undisclosed-recipients:;");
    ar_free(&ar);
}

TEST(compose_names_are_quoted)
{
    static const char *const names[] = {
        "Doe, John",  "a (b) c",      "say \"hi\"",
        "me@home",    "J. R. Ewing",  "Zoë",
        "שלום, עולם", "back\\slash",  "日本語の名前がここにとても長く続いているので折り返す必要があります",
        "a:b;c<d>",   "=?utf-8?q?x?="};
    struct compose_addr v[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        v[i] = (struct compose_addr){SL("x@one.test"), sl_cstr(names[i])};
    struct compose c = plain();
    c.to = (struct compose_addrs){v, COUNT_OF(v)};
    struct mail_addrs l;
    struct slice to = field(made(&c), SL("To"));
    CHECK_OK(mail_addrs_parse(&ar, to, &l));
    REQUIRE(l.n == COUNT_OF(names));
    CHECK(!l.bad);
    for (size_t i = 0; i + 1 < l.n; i++) CHECK_SL(mail_words_decode(&ar, l.v[i].name), names[i]);
    for (size_t i = 0; i < l.n; i++) CHECK_SL(l.v[i].domain, "one.test");
    ar_free(&ar);
}

TEST(compose_lines_with_encoded_words_have_76_bytes)
{
    struct compose c = plain();
    struct compose_header h = {SL("X-A-Rather-Long-Name-Of-A-Field"),
                               SL("ééééééééééééééééééééééééééééééééééééééééééé")};
    c.subject =
        SL("Grüße aus der Küche, öfter als man möchte, und zwar über viele Zeilen hinweg, überall Ümläüte");
    c.header = &h;
    c.nheaders = 1;
    struct slice m = made(&c), rest = m, line;
    while (sl_next(&rest, '\n', &line))
        if (sl_find(line, SL("=?")) != SL_NONE) CHECK(line.n <= 77);
    CHECK_SL(mail_words_decode(&ar, field(m, SL("Subject"))), c.subject.p);
    CHECK_SL(mail_words_decode(&ar, field(m, h.name)), h.value.p);
    ar_free(&ar);
}

TEST(compose_long_words_and_rows_of_blanks)
{
    struct compose c = plain();
    char *s = ar_alloc(&ar, 5000);
    memset(s, 'x', 5000);
    c.subject = sl(s, 5000);
    CHECK(sl_eq(mail_words_decode(&ar, field(made(&c), SL("Subject"))), c.subject));
    memset(s + 10, ' ', 4000);
    struct slice m = made(&c), rest = m, line;
    while (sl_next(&rest, '\n', &line)) CHECK(sl_trim(line).n || line.n <= 1);
    ar_free(&ar);
}

/* Which part of a message is in which place. */
TEST(compose_trees)
{
    struct compose_file f[] = {
        {.type = SL("image/png"), .is_inline = true, .content_id = SL("logo"), .bytes = SL("PNG"), .size = 3},
        {.type = SL("application/pdf"), .name = SL("a.pdf"), .bytes = SL("PDF"), .size = 3}};
    struct compose_part p[] = {{SL("text/calendar; method=REQUEST"), SL("BEGIN:VCALENDAR\n")},
                               {SL("text/x-amp-html"), SL("<html amp4email>")}};
    struct compose c = plain();
    c.html = SL("<p>Hi <img src=\"cid:logo\">");
    CHECK_SL(outline_of(made(&c)), "alternative(plain,html)");
    c.file = f;
    c.nfiles = 2;
    c.part = p;
    c.nparts = 2;
    struct slice m = made(&c);
    CHECK_SL(outline_of(m), "mixed(related(alternative(plain,x-amp-html,html,calendar),png),pdf)");
    const struct mime_part *root = mime_parse(&ar, m)->root, *related = root->child,
                           *png = related->child->next;
    CHECK_SL(png->id, "<logo>");
    CHECK_SL(png->disposition->value, "inline");
    CHECK_INT(png->disposition->n, 0); /* no name from a Content-ID */
    CHECK_SL(decoded(m, png), "PNG");
    CHECK_SL(decoded(m, related->next), "PDF");
    CHECK_SL(mime_param_get(&ar, related->child->child->next->next->next->param, 2, SL("charset")), "utf-8");
    c.nparts = 0;
    c.html = (struct slice){0};
    CHECK_SL(outline_of(made(&c)), "mixed(plain,png,pdf)"); /* nothing shows the image: it is a file */
    c.text = (struct slice){0};
    CHECK_SL(outline_of(made(&c)), "mixed(png,pdf)");
    c.nfiles = 0;
    CHECK_SL(outline_of(made(&c)), "plain");
    ar_free(&ar);
}

TEST(compose_text_of_html)
{
    struct compose c = plain();
    c.text = (struct slice){0};
    c.html = SL("<p>Hi &amp; bye</p>");
    struct slice m = made(&c);
    CHECK_SL(outline_of(m), "alternative(plain,html)");
    CHECK_SL(decoded(m, mime_parse(&ar, m)->root->child), "Hi & bye\r\n");
    ar_free(&ar);
}

TEST(compose_encodings)
{
    static const struct {
        const char *text;
        enum mime_encoding want;
    } cases[] = {
        {"short", MIME_7BIT},
        {"From me to you", MIME_QP},
        {"--=_alternative_0", MIME_QP},
        {"caf\xc3\xa9 and a lot of plain words beside it, so that it can be read", MIME_QP},
        {"日本語の本文です", MIME_BASE64},
        {"a line of more than seventy-eight characters, which is how long lines of letters should be",
         MIME_QP},
        {"bell\a in a text of some length, and more of it", MIME_QP},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct compose c = plain();
        c.text = sl_cstr(cases[i].text);
        struct slice m = made(&c);
        const struct mime_part *root = mime_parse(&ar, m)->root;
        CHECK_INT(root->encoding, cases[i].want);
        CHECK(sl_eq(sl_trim(decoded(m, root)), c.text));
    }
    ar_free(&ar);
}

TEST(compose_file_names)
{
    static const char *const names[] = {"a b.pdf",
                                        "résumé \"2\".pdf",
                                        "x/../y.txt",
                                        "naïve%20.doc",
                                        "とても長いファイルの名前がここにあって一行には入らない.pdf",
                                        "100%.txt",
                                        "=?utf-8?q?x?=.txt"};
    static const char *const told[] = {"a b.pdf",
                                       "résumé \"2\".pdf",
                                       "x_.._y.txt",
                                       "naïve%20.doc",
                                       "とても長いファイルの名前がここにあって一行には入らない.pdf",
                                       "100%.txt",
                                       "=?utf-8?q?x?=.txt"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct compose_file f = {.name = sl_cstr(names[i]), .bytes = SL("x"), .size = 1};
        struct compose c = plain();
        c.file = &f;
        c.nfiles = 1;
        struct slice m = made(&c);
        const struct mime_part *part = mime_parse(&ar, m)->root->last;
        struct slice plain_one = SL("");
        for (size_t k = 0; k < part->disposition->n; k++) {
            if (sl_eq(part->disposition->param[k].name, SL("filename")))
                plain_one = part->disposition->param[k].value;
        }
        CHECK(plain_one.n > 0 && is_ascii(plain_one) && sl_chr(plain_one, '/') == SL_NONE);
        CHECK(sl_find(plain_one, SL("=?")) == SL_NONE);
        struct mime_value extended = *part->disposition; /* who knows RFC 2231 reads the others */
        if (extended.n > 1) extended.param++, extended.n--;
        size_t n = extended.n;
        CHECK_SL(mime_param_get(&ar, extended.param, n, SL("filename")), told[i]);
    }
    ar_free(&ar);
}

/* Whoever calls it may have looked at the name, or not. */
TEST(compose_file_names_that_are_no_utf8)
{
    static const char *const names[] = {"\377", "a\303",
                                        "\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200"
                                        "\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct compose_file f = {.name = sl_cstr(names[i]), .bytes = SL("x"), .size = 1};
        struct compose c = plain();
        struct composed out;
        c.file = &f;
        c.nfiles = 1;
        if (compose_message(&ar, &c, &out) == 0) CHECK(sl_find(made(&c), SL("\200")) == SL_NONE);
    }
    ar_free(&ar);
}

TEST(compose_large_file_is_read_in_steps)
{
    struct buf big = BUF_INIT;
    for (int i = 0; i < 200000; i++) buf_char(&big, (char)(i * 7));
    struct compose_file f = {.name = SL("big"), .bytes = buf_slice(&big), .size = big.n};
    struct compose c = plain();
    c.file = &f;
    c.nfiles = 1;
    struct slice m = made(&c);
    CHECK(sl_eq(decoded(m, mime_parse(&ar, m)->root->last), buf_slice(&big)));
    struct composed pieces;
    CHECK_OK(compose_message(&ar, &c, &pieces));
    CHECK_INT(pieces.n, 3);
    CHECK(pieces.piece[1].file == &f);
    buf_free(&big);
    ar_free(&ar);
}

TEST(compose_attached_messages)
{
    struct compose_file f = {
        .type = SL("message/rfc822"), .bytes = SL("Subject: x\r\n\r\nhi\r\n"), .size = 18};
    struct compose c = plain();
    c.file = &f;
    c.nfiles = 1;
    CHECK_SL(outline_of(made(&c)), "mixed(plain,rfc822(plain))");
    f.bytes = SL("Subject: \xc3\xa9\r\n\r\nhi\r\n");
    f.size = f.bytes.n;
    CHECK_SL(outline_of(made(&c)), "mixed(plain,octet-stream)");
    f.bytes = SL("Subject: x\r\n\r\n--=_mixed_0\r\n");
    f.size = f.bytes.n;
    CHECK_SL(outline_of(made(&c)), "mixed(plain,octet-stream)");
    ar_free(&ar);
}

TEST(compose_international_addresses)
{
    struct compose_addr a[] = {{SL("ann@bücher.test"), SL("")}, {SL("\"a b\"@one.test"), SL("")}};
    struct compose c = plain();
    c.to = (struct compose_addrs){a, 2};
    CHECK_SL(field(made(&c), SL("To")), "ann@xn--bcher-kva.test, \"a b\"@one.test");
    a[0].email = SL("zoë@one.test");
    struct composed m;
    CHECK_OK(compose_message(&ar, &c, &m));
    CHECK(m.utf8);
    ar_free(&ar);
}

TEST(compose_refuses)
{
    static const struct compose_addr odd = {SL_INIT("ann@one.test"), SL_INIT("Ann\r\nBcc: all@one.test")},
                                     none = {SL_INIT("ann\r\n@one.test"), SL_INIT("")};
    static const struct compose_header injected = {SL_INIT("X-A"), SL_INIT("1\nBcc: x")},
                                       named = {SL_INIT("X-A: 1\r\nBcc"), SL_INIT("x")},
                                       ours = {SL_INIT("bCC"), SL_INIT("x@y")},
                                       list = {SL_INIT("List-Unsubscribe"), SL_INIT("<https://é.test>")};
    static const struct compose_part part = {SL_INIT("text/x\r\nX: y"), SL_INIT("t")};
    struct compose_file name = {.name = SL("a\r\nX: y"), .size = 0},
                        id = {.content_id = SL("a b"), .size = 0}, type = {.type = SL("nonsense"), .size = 0};
    struct {
        struct compose c;
        const char *sentence;
    } cases[13];
    for (size_t i = 0; i < COUNT_OF(cases); i++) cases[i].c = plain();
    size_t n = 0;
#define REFUSED(member, value, text) cases[n].c.member = (value), cases[n++].sentence = (text)
    REFUSED(subject, SL("a\r\nBcc: b"), "the subject must not hold a line end");
    REFUSED(subject, SL("a\0b"), "the subject must not hold a NUL");
    REFUSED(subject, SL("a\xff"), "the subject is not valid UTF-8");
    REFUSED(text, SL("a\xff"), "the text is not valid UTF-8");
    REFUSED(from, odd, "name 1 of From must not hold a line end");
    REFUSED(to.v, &none, "address 1 of To");
    REFUSED(message_id, SL("<1@x>\r\nBcc: y"), "the Message-ID is malformed");
#define LIST_REFUSED(list, count, value, text) cases[n].c.count = 1, REFUSED(list, value, text)
    LIST_REFUSED(header, nheaders, &injected, "the header X-A must not hold a line end");
    LIST_REFUSED(header, nheaders, &named, "the name of a header may hold letters, digits and - _ . only");
    LIST_REFUSED(header, nheaders, &ours, "the header bCC cannot be set by hand");
    LIST_REFUSED(header, nheaders, &list, "the header List-Unsubscribe must be ASCII");
    LIST_REFUSED(part, nparts, &part, "the type of content part 1 must not hold a line end");
    LIST_REFUSED(file, nfiles, &name, "the name of attachment 1 must not hold a line end");
    CHECK_INT(n, COUNT_OF(cases));
    struct composed out;
    for (size_t i = 0; i < n; i++) {
        int e = compose_message(&ar, &cases[i].c, &out);
        CHECK(e < 0 && !err_is_temporary(e));
        if (!sl_starts(sl_cstr(err_text(e)), sl_cstr(cases[i].sentence)))
            test_fail(__FILE__, __LINE__, "\"%s\" is not \"%s\"", err_text(e), cases[i].sentence);
    }
    struct compose c = plain();
    c.file = &id;
    c.nfiles = 1;
    CHECK_ERR(compose_message(&ar, &c, &out), ERR_SYNTAX);
    c.file = &type;
    CHECK_ERR(compose_message(&ar, &c, &out), ERR_SYNTAX);
    ar_free(&ar);
}

TEST(html_text)
{
    static const struct {
        const char *html, *text;
    } cases[] = {
        {"<html><head><title>T</title><style>p{}</style></head><body><h1>Hi</h1><p>One<br>two</p>",
         "Hi\n\nOne\ntwo\n"},
        {"<ul><li>a</li><li>b</li></ul>", "* a\n* b\n"},
        {"see <a href=\"https://x.test/?a=1&amp;b=2\">here</a>.", "see here (https://x.test/?a=1&b=2).\n"},
        {"<a href='https://x.test'>https://x.test</a>", "https://x.test\n"},
        {"<a href='mailto:a@x.test'>a@x.test</a>", "a@x.test\n"},
        {"<a href='javascript:x'>go</a>", "go\n"},
        {"a &lt; b &copy; &nosuch; c", "a < b \xc2\xa9 &nosuch; c\n"},
        {"1 < 2 <b>bold</b>", "1 < 2 bold\n"},
        {"<!-- no --><img alt='Logo' src=x>", "Logo\n"},
        {"<script>if (a</b) x()</script>after", "after\n"},
        {"<p title=\"a > b\">x", "x\n"},
        {"<td>a</td><td>b</td>", "a b\n"},
        {"<a href=\"x", "<a href=\"x\n"},
        {"<pre>a\n  b</pre>", "a\n  b\n"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = BUF_INIT;
        html_text(&b, sl_cstr(cases[i].html));
        CHECK_SL(buf_slice(&b), cases[i].text);
        buf_free(&b);
    }
}
