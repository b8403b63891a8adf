/* mime_test.c - the tree of parts, parameters, transfer encodings. */
#include "mime.h"

#include "base/test.h"
#include "head.h"

static struct arena ar;

/* Parses at once and byte by byte; both must tell the same. */
static void check_same(const struct mime_part *x, const struct mime_part *y)
{
    CHECK(!x == !y);
    for (; x && y; x = x->next, y = y->next) {
        CHECK_INT(y->head_at, x->head_at);
        CHECK_INT(y->head_size, x->head_size);
        CHECK_INT(y->body_at, x->body_at);
        CHECK_INT(y->body_size, x->body_size);
        CHECK_INT(y->lines, x->lines);
        CHECK(!x->next == !y->next);
        check_same(x->child, y->child);
        check_same(x->inside, y->inside);
    }
}

static struct mime_tree *parse(struct slice m)
{
    struct mime_tree *t = mime_parse(&ar, m);
    struct mime_parser *p = mime_begin(&ar);
    for (size_t i = 0; i < m.n; i++) mime_feed(p, sl_sub(m, i, i + 1));
    struct mime_tree *u = mime_finish(p);
    CHECK_INT(u->parts, t->parts);
    check_same(t->root, u->root);
    return t;
}

static struct slice body_of(struct slice m, const struct mime_part *p)
{
    CHECK(p->body_at + p->body_size <= m.n);
    return sl(m.p + p->body_at, p->body_size);
}

TEST(mime_plain_message)
{
    struct slice m = SL("Subject: hi\r\nFrom: a@b.test\r\n\r\none\r\ntwo\r\n");
    struct mime_tree *t = parse(m);
    CHECK_INT(t->parts, 1);
    CHECK_SL(t->root->type, "text");
    CHECK_SL(t->root->subtype, "plain");
    CHECK_INT(t->root->nparam, 1);
    CHECK_SL(t->root->param[0].value, "us-ascii");
    CHECK_INT(t->root->head_size, 31);
    CHECK_SL(body_of(m, t->root), "one\r\ntwo\r\n");
    CHECK_INT(t->root->lines, 2);
    CHECK_SL(t->root->envelope->subject, "hi");
    CHECK(!t->root->envelope->to.p);
    ar_free(&ar);
}

/* RFC 2046 section 5.1.1. */
TEST(mime_rfc2046_multipart)
{
    struct slice m = SL("From: Nathaniel Borenstein <nsb@bellcore.com>\r\n"
                        "Subject: Sample message\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n"
                        "\r\n"
                        "This is the preamble.\r\n"
                        "\r\n"
                        "--simple boundary\r\n"
                        "\r\n"
                        "This is implicitly typed plain US-ASCII text.\r\n"
                        "It does NOT end with a linebreak.\r\n"
                        "--simple boundary\r\n"
                        "Content-type: text/plain; charset=us-ascii\r\n"
                        "\r\n"
                        "This is explicitly typed plain US-ASCII text.\r\n"
                        "It DOES end with a linebreak.\r\n"
                        "\r\n"
                        "--simple boundary--\r\n"
                        "\r\n"
                        "This is the epilogue.\r\n"
                        "--simple boundary\r\n");
    struct mime_tree *t = parse(m);
    CHECK_INT(t->parts, 3);
    CHECK_INT(t->root->kind, MIME_MULTIPART);
    REQUIRE(t->root->nchild == 2);
    struct mime_part *one = t->root->child, *two = one->next;
    CHECK_SL(body_of(m, one),
             "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.");
    CHECK_SL(body_of(m, two),
             "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n");
    CHECK_INT(one->lines, 1);
    CHECK_INT(two->lines, 2);
    CHECK_INT(one->head_size, 2);
    CHECK_INT(t->root->body_at + t->root->body_size, m.n);
    ar_free(&ar);
}

TEST(mime_nested_message_and_outer_boundary_ends_inner)
{
    struct slice m = SL("Content-Type: multipart/mixed; boundary=aa\r\n\r\n"
                        "--aa\r\nContent-Type: message/rfc822\r\n\r\n"
                        "Subject: inner\r\nContent-Type: multipart/alternative; boundary=aab\r\n\r\n"
                        "--aab\r\n\r\nx\r\n--aab\r\nContent-Type: text/html\r\n\r\ny\r\n"
                        "--aa\r\nContent-Type: message/rfc822\r\n--aa--\r\n");
    struct mime_tree *t = parse(m);
    REQUIRE(t->root->nchild == 2);
    struct mime_part *msg = t->root->child;
    CHECK_INT(msg->kind, MIME_MESSAGE);
    REQUIRE(msg->child);
    CHECK_SL(msg->child->envelope->subject, "inner");
    CHECK_INT(msg->child->nchild, 2);
    CHECK_SL(body_of(m, msg->child->child), "x");
    CHECK_SL(body_of(m, msg->child->last), "y");
    CHECK_SL(msg->child->last->subtype, "html");
    CHECK_INT(msg->body_size, msg->child->head_size + msg->child->body_size);
    CHECK_INT(msg->next->kind, MIME_LEAF);
    CHECK_INT(msg->next->body_size, 0);
    ar_free(&ar);
}

TEST(mime_boundary_rules)
{
    /* Blanks after a boundary, no final boundary, bare LF, boundary at the very start. */
    struct slice m = SL("Content-Type: multipart/mixed;\n\tboundary=b (comment)\n\n"
                        "--b  \t\nX: 1\n\none\n-- b\n--b\n\ntwo\n");
    struct mime_tree *t = parse(m);
    REQUIRE(t->root->nchild == 2);
    CHECK_SL(body_of(m, t->root->child), "one\n-- b");
    CHECK_SL(body_of(m, t->root->last), "two\n");
    /* None at all: the whole body is one. */
    m = SL("Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n");
    t = parse(m);
    REQUIRE(t->root->kind == MIME_MULTIPART && t->root->nchild == 1);
    CHECK_SL(body_of(m, t->root->child), "hello\r\n");
    CHECK_SL(t->root->child->type, "text");
    CHECK_INT(t->root->child->lines, 1);
    t = parse(SL("Content-Type: multipart/mixed\r\n\r\n--\r\n----\r\n"));
    CHECK_INT(t->root->nchild, 1);
    t = parse(SL(""));
    CHECK_INT(t->root->body_size, 0);
    t = parse(SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--"));
    CHECK_INT(t->root->nchild, 1);
    ar_free(&ar);
}

TEST(mime_digest_defaults_to_message)
{
    struct mime_tree *t = parse(SL("Content-Type: multipart/digest; boundary=d\r\n\r\n"
                                   "--d\r\n\r\nSubject: one\r\n\r\nbody\r\n--d--\r\n"));
    REQUIRE(t->root->nchild == 1);
    CHECK_INT(t->root->child->kind, MIME_MESSAGE);
    CHECK_SL(t->root->child->child->envelope->subject, "one");
    ar_free(&ar);
}

TEST(mime_depth_and_count_limits)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "Content-Type: multipart/mixed; boundary=x%dx\r\n\r\n--x%dx\r\n", i, i);
    struct mime_tree *t = parse(buf_slice(&b));
    CHECK(t->limited);
    unsigned depth = 0;
    for (struct mime_part *p = t->root; p; p = p->child) depth = p->depth;
    CHECK_INT(depth, MIME_DEPTH_MAX + 1); /* the body of the innermost */
    buf_clear(&b);
    for (int i = 0; i < 200; i++) buf_str(&b, "Content-Type: message/rfc822\r\n\r\n");
    CHECK(parse(buf_slice(&b))->limited);
    buf_clear(&b);
    buf_str(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 12000; i++) buf_str(&b, "--b\r\n\r\nx\r\n");
    t = mime_parse(&ar, buf_slice(&b));
    CHECK(t->limited);
    CHECK_INT(t->parts, MIME_PARTS_MAX);
    CHECK_INT(t->root->last->body_at + t->root->last->body_size, b.n);
    buf_free(&b);
    ar_free(&ar);
}

TEST(mime_long_headers_are_bounded)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "Content-Type: text/html\r\nX: ");
    for (int i = 0; i < 300000; i++) buf_char(&b, 'x');
    buf_str(&b, "\r\nContent-ID: late\r\n\r\nbody");
    struct mime_tree *t = mime_parse(&ar, buf_slice(&b));
    CHECK_SL(t->root->subtype, "html");
    CHECK(!t->root->id.p);
    CHECK_SL(body_of(buf_slice(&b), t->root), "body");
    buf_clear(&b);
    for (int i = 0; i < 5000; i++) buf_str(&b, "A: b\r\n c\r\n");
    buf_str(&b, "\r\nbody");
    CHECK_SL(body_of(buf_slice(&b), mime_parse(&ar, buf_slice(&b))->root), "body");
    buf_clear(&b);
    buf_str(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 3000; i++) {
        buf_str(&b, "--b\r\nContent-Description: ");
        for (int k = 0; k < 6000; k++) buf_char(&b, 'd');
        buf_str(&b, "\r\n\r\n");
    }
    t = mime_parse(&ar, buf_slice(&b));
    CHECK(t->limited && t->parts > 1000 && t->parts < 2000);
    buf_free(&b);
    ar_free(&ar);
}

static struct slice param(const char *field, const char *name)
{
    struct mime_value v;
    mime_value_parse(&ar, sl_cstr(field), &v);
    return mime_param_get(&ar, v.param, v.n, sl_cstr(name));
}

TEST(mime_parameters)
{
    struct mime_value v;
    mime_value_parse(
        &ar,
        SL(" text/plain (a (nested) comment); charset=us-ascii (Plain text); x=\"a \\\"q\\\" b\" ; Y = z"),
        &v);
    CHECK_SL(v.value, "text/plain");
    REQUIRE(v.n == 3);
    CHECK_SL(v.param[0].value, "us-ascii");
    CHECK_SL(v.param[1].value, "a \"q\" b");
    CHECK_SL(v.param[2].name, "Y");
    CHECK_SL(v.param[2].value, "z");
    CHECK_SL(param("a/b; name=my file.pdf; x=1", "name"), "my file.pdf");
    CHECK_SL(param("a/b; name=\"open; x=1", "name"), "open; x=1");
    CHECK_SL(param("a/b; name=\"a\"b\"; x=1", "x"), "1");
    CHECK_SL(param("a/b;;; ; =q; novalue; x=", "x"), "");
    CHECK(!param("a/b; novalue", "novalue").p);
    CHECK_SL(param("a/b; x=1; x=2", "x"), "1");
    CHECK_SL(param("a/b; x(of (it))=(is)1(or so)", "x"), "1(or so)");
    CHECK_SL(param("a/b; (a)x(=)(b) = 1", "x"), "1");
    mime_value_parse(&ar, SL("((((("), &v);
    CHECK_INT(v.value.n, 0);
    ar_free(&ar);
}

TEST(mime_values_are_unfolded)
{
    struct slice m =
        SL("Content-Type: multipart/mixed; boundary=\"a\r\n b\"\r\n\r\n--a b\r\n\r\nx\r\n--a b--\r\n");
    struct mime_tree *t = parse(m);
    REQUIRE(t->root->nchild == 1);
    CHECK_SL(body_of(m, t->root->child), "x");
    CHECK_SL(param("a/b; name=\"my\r\n\tlong\r\n name.pdf\"; x=1", "name"), "my\tlong name.pdf");
    CHECK_SL(param("a/b; name=my\r\n file.pdf", "name"), "my file.pdf");
    t = parse(SL("Content-Disposition: attachment;\r\n filename=\"a\r\n b\"\r\nContent-Language: en\r\n "
                 ",\r\n de\r\n\r\n"));
    CHECK_SL(t->root->disposition->param[0].value, "a b");
    CHECK_SL(t->root->language[1], "de");
    ar_free(&ar);
}

TEST(mime_words_are_told_as_they_stand)
{
    struct mime_tree *t = parse(SL(
        "Content-Type: text / (c) plain charset=utf-8\r\nContent-Transfer-Encoding: quoted printable (!)\r\n"
        "Content-Disposition: inline really; filename=x\r\n\r\n"));
    CHECK_SL(t->root->type, "text");
    CHECK_SL(t->root->subtype, "plain");
    CHECK_SL(mime_param_get(&ar, t->root->param, t->root->nparam, SL("charset")), "utf-8");
    CHECK_INT(t->root->encoding, MIME_OTHER);
    CHECK_SL(t->root->encoding_name, "quoted printable");
    CHECK_SL(t->root->disposition->value, "inline");
    CHECK_SL(t->root->disposition->param[0].value, "x");
    ar_free(&ar);
}

static void check_head(const char *message, size_t head)
{
    struct slice m = sl_cstr(message);
    for (size_t step = 1; step < 40; step++) {
        struct mime_parser *p = mime_begin(&ar);
        for (size_t i = 0; i < m.n; i += step) mime_feed(p, sl_sub(m, i, i + step));
        struct mime_part *root = mime_finish(p)->root;
        CHECK_INT(root->head_size, head);
        CHECK(root->body_at == head && root->body_size == m.n - head);
    }
    CHECK_INT(mail_head_end(m), head);
}

/* What stands right under a header is text, not lost. */
TEST(a_line_that_can_be_no_field_ends_a_header)
{
    check_head("A: b\r\n c\r\nHello there\r\nX: y\r\n\r\nmore\r\n", 10);
    check_head("A: b\nHello\n", 5);
    check_head("A: b\r\nB : c\r\n\r\nHello\r\n", 15);
    check_head("hello\r\n", 0);
    check_head("hello", 0);
    check_head(" hello: x\r\n\r\n", 0);
    check_head("two words: x\r\n\r\n", 0);
    check_head("From a@b.test Mon\r\nA: b\r\nFrom c\r\n\r\n", 25);
    check_head("A: b", 4);
    check_head("\r\nA: b\r\n", 2);
    struct slice m = SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nhello\r\n\r\nyou\r\n"
                        "--b\r\nContent-Type: message/rfc822\r\nno field\r\n--b--\r\n");
    struct mime_tree *t = parse(m);
    REQUIRE(t->root->nchild == 2);
    CHECK_SL(body_of(m, t->root->child), "hello\r\n\r\nyou");
    CHECK_INT(t->root->child->lines, 2);
    CHECK_INT(t->root->last->kind, MIME_MESSAGE);
    CHECK_SL(body_of(m, t->root->last->child), "no field");
    ar_free(&ar);
}

/* A message in base64 (RFC 2046 section 5.2.1 forbids it, people send it) is taken apart like another one, by
 * offsets in what it decodes to; one that is encoded in it once more is not. */
TEST(mime_message_encoded)
{
    struct slice m = SL(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "U3ViamVjdDogaW5uZXINCkNvbnRlbnQtVHlwZTogbXVsdGlwYXJ0L21peGVkOyBib3VuZGFyeT1xDQoNCi0tcQ0KDQpvbmUNCi0t"
        "cQ0KQ29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogcXVvdGVkLXByaW50YWJsZQ0KDQp0PTc3bw0KLS1xLS0NCg==\r\n--b--"
        "\r\n");
    struct mime_tree *t = parse(m);
    struct mime_part *of = t->root->child;
    REQUIRE(of && of->inside);
    CHECK(of->kind == MIME_LEAF && !of->child && of->inside->parent == of);
    CHECK_SL(of->inside->envelope->subject, "inner");
    REQUIRE(of->inside->nchild == 2);
    CHECK_INT(of->inside->head_size, 61);
    CHECK_INT(of->inside->child->body_size, 3);
    CHECK(mime_within(of->inside->child) == of && !mime_within(of));
    CHECK_INT(t->parts, 5);
    struct slice qp =
        SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n"
           "Content-Transfer-Encoding: quoted-printable\r\n\r\nA: =62\r\n\r\nlo=\r\nng\r\n\r\n--b--");
    t = parse(qp);
    REQUIRE(t->root->child && t->root->child->inside);
    CHECK_INT(t->root->child->inside->body_size, 6);
    t = parse(SL("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                 "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAA=3D=3D\n\nx\r"));
    REQUIRE(t->root->inside);
    CHECK(!t->root->inside->inside);
    CHECK_INT(t->root->inside->body_size, 8);
    ar_free(&ar);
}

/* RFC 2231 sections 3 and 4. */
TEST(mime_rfc2231)
{
    CHECK_SL(
        param(
            "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/x.tar\"",
            "url"),
        "ftp://cs.utk.edu/pub/moore/x.tar");
    CHECK_SL(param("application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title"),
             "This is ***fun***");
    CHECK_SL(param("application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
                   "title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
                   "title"),
             "This is even more ***fun*** isn't it!");
    CHECK_SL(param("a/b; f*1=b; f*0=a; f=plain", "f"), "ab");
    CHECK_SL(param("a/b; f*=iso-8859-1''caf%E9", "f"), "caf\xc3\xa9");
    CHECK_SL(param("a/b; f*=nonsense''caf%E9%4", "f"), "caf\xef\xbf\xbd%4");
    CHECK_SL(param("a/b; f*=novalue", "f"), "novalue");
    CHECK_SL(param("a/b; f*99999999999999999999=x; g*x=1", "g*x"), "1");
    ar_free(&ar);
}

TEST(mime_fields_of_a_part)
{
    struct mime_tree *t = parse(SL(
        "Content-Type: TEXT/Html; charset=utf-8\r\nContent-Transfer-Encoding: Base64 (yes)\r\n"
        "Content-ID: <1@x>\r\nContent-Description: a\r\n  folded one\r\n"
        "Content-Disposition: attachment; filename=\"x.html\"\r\n"
        "Content-Language: en, de (german)\r\nContent-Location: http://x/\r\nContent-MD5: Q2hlY2s=\r\n\r\n"));
    struct mime_part *p = t->root;
    CHECK_SL(p->type, "TEXT");
    CHECK_SL(p->subtype, "Html");
    CHECK_INT(p->encoding, MIME_BASE64);
    CHECK_SL(p->encoding_name, "Base64");
    CHECK_SL(p->id, "<1@x>");
    CHECK_SL(p->description, "a  folded one");
    REQUIRE(p->disposition && p->nlanguage == 2);
    CHECK_SL(p->disposition->value, "attachment");
    CHECK_SL(p->disposition->param[0].value, "x.html");
    CHECK_SL(p->language[1], "de");
    CHECK_SL(p->location, "http://x/");
    CHECK_SL(p->md5, "Q2hlY2s=");
    t = parse(SL("Content-Type: text\r\nContent-Type: a/b\r\n\r\n"));
    CHECK_SL(t->root->type, "a");
    ar_free(&ar);
}

static struct slice decode(enum mime_encoding e, struct slice in, size_t step)
{
    struct mime_decoder d;
    struct buf b = BUF_INIT;
    mime_decode_begin(&d, e);
    for (size_t i = 0; i < in.n; i += step) mime_decode(&d, sl_sub(in, i, i + step), &b);
    mime_decode_end(&d, &b);
    struct slice out = ar_dup(&ar, buf_slice(&b));
    buf_free(&b);
    return out;
}

static void check_decode(enum mime_encoding e, const char *in, const char *want)
{
    for (size_t step = 1; step < 8; step++) CHECK_SL(decode(e, sl_cstr(in), step), want);
    CHECK_SL(decode(e, sl_cstr(in), 1000), want);
}

TEST(mime_decoders)
{
    check_decode(MIME_BASE64, "SGVs\r\nbG8s IHdv!cmxk", "Hello, world");
    check_decode(MIME_BASE64, "YQ==YQ==", "aa");
    check_decode(MIME_BASE64, "YWI=", "ab");
    check_decode(MIME_BASE64, "YWI", "ab");
    check_decode(MIME_BASE64, "Y", "");
    check_decode(MIME_QP, "Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
                 "Now's the time for all folk to come to the aid of their country.");
    check_decode(MIME_QP, "a=3D=c3=A9 \t \r\nb=\nc= \t\r\nd", "a=\xc3\xa9\r\nbcd");
    check_decode(MIME_QP, "=ZZ=4=\rx = y=", "=ZZ=4=\rx = y");
    check_decode(MIME_QP, "=4\n==41", "=4\n=A");
    check_decode(MIME_7BIT, "=41", "=41");
    ar_free(&ar);
}
