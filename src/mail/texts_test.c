/* texts_test.c - the texts of messages. */
#include "base/test.h"
#include "texts.h"

TEST(texts_are_decoded_part_by_part)
{
    struct arena a = {0};
    CHECK_SL(mail_texts(&a, SL("Subject: x\r\n\r\nplain\r\n"), 1000), "plain\r\n\n");
    CHECK_SL(
        mail_texts(
            &a,
            SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
               "charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nf=FCr\r\n--b\r\n"
               "Content-Type: image/png\r\n\r\nno text\r\n--b\r\nContent-Type: text/html\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\nPGI+eWVzPC9iPg==\r\n--b--\r\n"),
            1000),
        "f\xc3\xbcr\n<b>yes</b>\n");
    CHECK_SL(mail_texts(&a, SL("A: b\r\n\r\n0123456789"), 6), "01234\n");
    CHECK_SL(mail_texts(&a, SL(""), 6), "\n");
    ar_free(&a);
}
