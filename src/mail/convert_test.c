/* convert_test.c - messages made fit for servers that take less: to the byte, in pieces of every size. */
#include "convert.h"

#include "base/test.h"
#include "base/text.h"

static struct arena a;

/* What becomes of it; in error *e, and nothing. */
static struct slice convert(struct slice m, enum mail_convert_to to, size_t step, int *e)
{
    struct buf out = BUF_INIT;
    struct mail_convert *c = mail_convert_begin(&a, to);
    for (size_t i = 0; i < m.n; i += step) mail_convert_look(c, sl_sub(m, i, i + step));
    for (size_t i = 0; i < m.n; i += step) mail_convert_weigh(c, sl_sub(m, i, i + step));
    *e = mail_convert_decide(c);
    for (int again = 0; !*e && again < 2; again++) { /* one server, then the next */
        buf_clear(&out);
        mail_convert_start(c);
        for (size_t i = 0; i < m.n; i += step) mail_convert_next(c, sl_sub(m, i, i + step), &out);
        mail_convert_finish(c, &out);
    }
    mail_convert_free(c);
    struct slice s = ar_dup(&a, buf_slice(&out));
    buf_free(&out);
    return s;
}

struct pair {
    const char *from, *to;
};

static void check(enum mail_convert_to to, const struct pair *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t step = 1; step < 90; step = step * 2 + 1) {
            int e;
            struct slice got = convert(sl_cstr(x[i].from), to, step, &e);
            if (e) test_fail(__FILE__, __LINE__, "case %zu: %s", i, err_text(e));
            else if (!sl_eq(got, sl_cstr(x[i].to)))
                test_fail(__FILE__, __LINE__, "case %zu, pieces of %zu: %.*s", i, step, SLF(got));
        }
    ar_free(&a);
}

TEST(convert_to_7bit)
{
    static const struct pair x[] = {
        /* what needs nothing stays as it is */
        {"Subject: x\r\n\r\ny\r\n", "Subject: x\r\n\r\ny\r\n"},
        {"Content-Transfer-Encoding: base64\r\n\r\neHh4\r\n",
         "Content-Transfer-Encoding: base64\r\n\r\neHh4\r\n"},
        /* the label in its place, once; lines that continue it go with it */
        {"A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\ncontent-transfer-encoding "
         ":\r\n  8bit\r\n"
         "X: y\r\n\r\nGr\xc3\xbc\xc3\x9f"
         "e = 1 \r\nand a long, long line of text that goes on until it must be broken somewhere\r\n",
         "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
         "quoted-printable\r\nX: y\r\n\r\nGr=C3=BC=C3=9Fe =3D 1=20\r\nand a long, long line of text that "
         "goes on until it must be "
         "broken somewher=\r\ne\r\n"},
        /* no MIME at all (RFC 1428) */
        {"Subject: x\r\n\r\nonly one \xe4 among many letters\r\n",
         "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\nonly one =E4 among many letters\r\n"},
        /* much of it is not ASCII: base64 is shorter */
        {"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4\xc3\xb6\r\n",
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\n"
         "w6TDtg0K\r\n"},
        /* part by part, and those around it */
        {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: multipart/mixed; "
         "boundary=b\r\n\r\n"
         "preamble\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
         "8bit\r\n\r\n\xff\xd8\r\n"
         "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
         "8bit\r\n\r\nascii\r\n--b--\r\nend\r\n",
         "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: multipart/mixed; "
         "boundary=b\r\n\r\n"
         "preamble\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\n/9g=\r\n"
         "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
         "7bit\r\n\r\nascii\r\n--b--\r\nend\r\n"},
        /* inside a message */
        {"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
         "8bit\r\n\r\nSubject: in\r\n\r\n"
         "a long enough line with one \xe4\r\n",
         "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
         "7bit\r\n\r\nSubject: in\r\n"
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
         "quoted-printable\r\n\r\na long enough line with one =E4\r\n"},
        /* signed, and plain as it stands: not even its labels change */
        {"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: "
         "8bit\r\n\r\n--b\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\nascii\r\n--b\r\n\r\nsig\r\n--b--\r\n",
         "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: "
         "7bit\r\n\r\n--b\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\nascii\r\n--b\r\n\r\nsig\r\n--b--\r\n"},
        /* RFC 6533 */
        {"MIME-Version: 1.0\r\nContent-Type: message/global-headers\r\n\r\nSubject: \xc3\xa4\r\n",
         "MIME-Version: 1.0\r\nContent-Type: message/global-headers\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\n"
         "U3ViamVjdDogw6QNCg==\r\n"},
    };
    check(MAIL_CONVERT_TO_7BIT, x, COUNT_OF(x));
}

TEST(convert_to_8bit)
{
    static const struct pair x[] = {
        {"MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
         "binary\r\n\r\n\xff\n\r\r\n.\r\nno end",
         "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\n/woNDQouDQpubyBlbmQ=\r\n"},
        /* what is text stays in 8 bits */
        {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
         "binary\r\n\r\n--b\r\n"
         "Content-Transfer-Encoding: binary\r\n\r\n\xc3\xa4\r\nx\r\n--b\r\nContent-Type: text/plain\r\n"
         "Content-Transfer-Encoding: binary\r\n\r\na\nb\r\n--b--\r\n",
         "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
         "8bit\r\n\r\n--b\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\nx\r\n--b\r\nContent-Type: text/plain\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\nYQpi\r\n--b--\r\n"},
    };
    check(MAIL_CONVERT_TO_8BIT, x, COUNT_OF(x));
    struct buf b = BUF_INIT;
    int e;
    buf_str(&b, "MIME-Version: 1.0\r\n\r\n");
    for (int i = 0; i < 999; i++) buf_char(&b, 'x');
    struct slice got = convert(buf_slice(&b), MAIL_CONVERT_TO_8BIT, 100, &e);
    CHECK_OK(e);
    CHECK(sl_starts(got, SL("MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nxxx")));
    size_t longest = 0;
    struct slice line;
    while (sl_next(&got, '\n', &line)) longest = line.n > longest ? line.n : longest;
    CHECK_INT(longest, 77); /* 76 and the CR */
    buf_free(&b);
    ar_free(&a);
}

TEST(convert_refuses_what_no_rfc_allows)
{
    static const struct {
        const char *from, *why;
    } x[] = {
        {"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\ns\r\n--b--\r\n",
         "is signed"},
        {"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: "
         "message/rfc822\r\n\r\n\r\n\xe4\r\n--b--\r\n",
         "is signed"},
        {"Content-Type: message/partial; number=1; total=2; id=x\r\n\r\n\r\n\xe4\r\n",
         "type message may not be"},
        {"Content-Type: message/external-body; access-type=x\r\n\r\n\r\n\xe4\r\n", "type message may not be"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xe4\r\n", "no header section"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n",
         "what stands between"},
        {"Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n", "Content-Transfer-Encoding forbids"},
        {"Content-Transfer-Encoding: x-own\r\n\r\n\xe4\r\n", "Content-Transfer-Encoding forbids"},
        {"Subject: \xe4\r\n\r\nx\r\n", "a header section in it holds 8-bit text"},
        {"Subject: x\n\r\nx\r\n", "CR or LF alone"},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        int e;
        convert(sl_cstr(x[i].from), MAIL_CONVERT_TO_7BIT, 7, &e);
        CHECK_ERR(e, ERR_UNSUPPORTED);
        if (!strstr(err_text(e), x[i].why)) test_fail(__FILE__, __LINE__, "case %zu: %s", i, err_text(e));
    }
    struct buf b = BUF_INIT;
    buf_str(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i <= MIME_PARTS_MAX; i++) buf_str(&b, "--b\r\n\r\nx\r\n");
    int e;
    convert(buf_slice(&b), MAIL_CONVERT_TO_7BIT, 4096, &e);
    CHECK_ERR(e, ERR_UNSUPPORTED);
    buf_free(&b);
    ar_free(&a);
}

TEST(encoders_are_what_decoders_undo)
{
    static const enum mime_encoding to[] = {MIME_QP, MIME_BASE64};
    struct buf in = BUF_INIT, out = BUF_INIT, back = BUF_INIT;
    for (int i = 0; i < 5000; i++) buf_char(&in, (char)(i * 7 + i / 256));
    buf_str(&in, "blank \r\ntab\t\r\n\r \n=\r\n\tend ");
    for (size_t k = 0; k < COUNT_OF(to); k++)
        for (size_t step = 1; step < 200; step += 13) {
            struct mime_encoder e;
            struct mime_decoder d;
            struct slice s = buf_slice(&in), line, rest;
            buf_clear(&out);
            buf_clear(&back);
            mime_encode_begin(&e, to[k]);
            for (size_t i = 0; i < s.n; i += step) mime_encode(&e, sl_sub(s, i, i + step), &out);
            mime_encode_end(&e, &out);
            mime_decode_begin(&d, to[k]);
            mime_decode(&d, buf_slice(&out), &back);
            mime_decode_end(&d, &back);
            CHECK(sl_eq(buf_slice(&back), s));
            CHECK(is_ascii(buf_slice(&out)));
            for (rest = buf_slice(&out); sl_next(&rest, '\n', &line);) CHECK(line.n <= 77);
        }
    buf_free(&in);
    buf_free(&out);
    buf_free(&back);
}
