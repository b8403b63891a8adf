/* url_test.c - messages made of pieces (RFC 4469), and URLs that let others read (RFC 4467), in dialogues. */
#include <string.h>

#include "dialog_test.h"
#include "imapd_i.h"

static const char two_parts[] = "Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                                "--b\r\n\r\nfirst\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n";

static struct conn *login_as(const char *name)
{
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    conn_printf(c, "l LOGIN %s@x.test secret\r\n", name);
    EXPECT(c, "l OK ~\n");
    return c;
}

TEST(imapd_catenate)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", two_parts);
    TALK(c, "1 CREATE Drafts/&ANw-", "1 OK ~\n");
    TALK(c,
         "2 APPEND Drafts/&ANw- (\\Seen) CATENATE (URL \"/INBOX/;UID=1/;SECTION=HEADER\" TEXT {2+}\r\n-- "
         "URL "
         "/INBOX/;UID=1/;SECTION=1 URL {26+}\r\n/INBOX/;UID=1/;SECTION=2.1 URL "
         "\"/INBOX/;uid=1/;partial=0.7\")",
         "2 NO [BADURL /INBOX/;UID=1/;SECTION=2.1] ~\n");
    TALK(c,
         "3 APPEND Drafts/&ANw- (\\Seen) CATENATE (URL \"/INBOX/;UID=1/;SECTION=HEADER\" TEXT {2+}\r\n-- "
         "URL "
         "/INBOX/;UID=1/;SECTION=1 URL {24+}\r\n/INBOX/;UID=1/;SECTION=2 URL \"/INBOX/;uid=1/;partial=0.7\")",
         "3 OK [APPENDUID ~ 1] ~\n");
    TALK(c, "4 SELECT Drafts/&ANw-", "~\n~\n~\n~\n~\n~\n~\n~\n4 OK ~\n");
    TALK(c, "5 FETCH 1 (FLAGS BODY.PEEK[])",
         "* 1 FETCH (FLAGS (\\Seen) BODY[] {76}\nSubject: two\nContent-Type: multipart/mixed; "
         "boundary=b\n\n--first<p>Subject)\n5 OK ~\n");
    /* of the selected mailbox; two messages, one of URLs alone, one as a literal after it */
    TALK(c, "6 APPEND INBOX CATENATE (URL \";UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)\") {4+}\r\na: b",
         "6 OK [APPENDUID ~ 2:3] ~\n");
    TALK(c, "7 APPEND INBOX CATENATE (URL \"/Drafts%2F%C3%9C;UIDVALIDITY=1/;UID=1\")", "7 NO [BADURL ~\n");
    TALK(c, "8 APPEND INBOX CATENATE (URL \"/Drafts/%C3%9C/;UID=1\")", "8 OK [APPENDUID ~ 4] ~\n");
    TALK(c, "9 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n9 OK ~\n");
    TALK(c, "10 FETCH 1:4 (RFC822.SIZE)",
         "* 1 FETCH (RFC822.SIZE ~)\n* 2 FETCH (RFC822.SIZE 16)\n* 3 FETCH (RFC822.SIZE 4)\n"
         "* 4 FETCH (RFC822.SIZE 76)\n10 OK ~\n");
    conn_puts(c, "11 APPEND INBOX CATENATE (TEXT {2}\r\n");
    EXPECT(c, "+ ~\n");
    conn_puts(c, "a: URL {");
    TALK(c, "8}", "+ ~\n");
    TALK(c, "/;UID=3 )", "11 NO [BADURL /;UID=3 ] ~\n");
    conn_puts(c, "12 APPEND INBOX CATENATE (URL nonsense TEXT {2}\r\n"); /* refused before it is sent */
    EXPECT(c, "12 NO [BADURL nonsense] ~\n");
    TALK(c, "13 APPEND INBOX CATENATE (URL imap://x@y/INBOX/;UID=1)", "13 NO [BADURL ~\n");
    TALK(c, "14 APPEND INBOX CATENATE (TEXT {0+}\r\n)", "14 NO [CANNOT] ~\n");
    TALK(c, "15 APPEND INBOX CATENATE ()", "15 BAD ~\n");
    TALK(c, "16 APPEND INBOX CATENATE (URL /;UID=99)", "16 NO [BADURL /;UID=99] ~\n");
    TALK(c, "17 UID REPLACE 3 INBOX CATENATE (URL /;UID=3 TEXT {1+}\r\n!)",
         "* OK [APPENDUID ~ 5] ~\n* 3 EXPUNGE\n* 4 EXISTS\n* ~ RECENT\n17 OK ~\n");
    TALK(c, "18 UID FETCH 5 BODY.PEEK[]", "* 4 FETCH (UID 5 BODY[] {5}\na: b!)\n18 OK ~\n");
    bye(&c);
    stop();
}

/* Asks for the URL to be authorised; the URL as it came, in the arena. */
static char *authorise(struct conn *c, struct arena *a, const char *url)
{
    conn_printf(c, "g GENURLAUTH \"%s\" INTERNAL\r\n", url);
    read_until(c, SL("g "));
    struct slice line = buf_slice(&got), word = SL("* GENURLAUTH ");
    CHECK(sl_starts(line, word));
    line = sl_sub(line, word.n, sl_chr(line, '\n'));
    if (sl_starts(line, SL("\""))) line = sl_sub(line, 1, line.n - 1);
    return ar_cstr(a, line);
}

static void fetch(struct conn *c, const char *url, const char *want)
{
    conn_printf(c, "f URLFETCH \"%s\"\r\n", url);
    expect_at(__FILE__, __LINE__, c, want);
}

TEST(imapd_urlauth)
{
    struct arena a;
    ar_init(&a, 0);
    start();
    CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("secret")));
    CHECK_OK(account_add(w.store->directory, SL("carol@x.test"), SL("secret")));
    struct conn *c = login(), *b = login_as("bob"), *x = login_as("carol");
    append(c, "INBOX", "", two_parts);
    static const char *const refused[] = {
        "imap://alice%40x.test@x.test/INBOX/;UID=1/;SECTION=1",
        "imap://x.test/INBOX/;UID=1;URLAUTH=authuser",
        "imap://bob%40x.test@x.test/INBOX/;UID=1;URLAUTH=authuser",
        "imap://alice%40x.test@x.test/none/;UID=1;URLAUTH=authuser",
        "imap://alice%40x.test@x.test/INBOX;URLAUTH=authuser",
        "imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=user+nobody%40x.test",
        "imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=authuser:INTERNAL:00",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        conn_printf(c, "1 GENURLAUTH %s INTERNAL\r\n", refused[i]);
        EXPECT(c, "1 BAD ~\n");
    }
    TALK(c, "2 GENURLAUTH imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=authuser SHA", "2 BAD ~\n");
    char *all = authorise(c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser");
    char *bobs = authorise(
        c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1/;SECTION=2/;PARTIAL=1.2;URLAUTH=user+bob%40x.test");
    char *sent = authorise(c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=submit+alice%40x.test");
    char *late = authorise(
        c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1;EXPIRE=2001-01-01T00:00:00Z;URLAUTH=anonymous");
    fetch(b, all, "* URLFETCH ~ {5}\nfirst\nf OK ~\n");
    fetch(x, all, "* URLFETCH ~ {5}\nfirst\nf OK ~\n");
    fetch(b, bobs, "* URLFETCH ~ {2}\np>\nf OK ~\n");
    fetch(x, bobs, "* URLFETCH ~ NIL\nf OK ~\n");
    fetch(c, sent, "* URLFETCH ~ NIL\nf OK ~\n"); /* for submission alone */
    fetch(b, late, "* URLFETCH ~ NIL\nf OK ~\n");
    fetch(b, "imap://x/INBOX", "* URLFETCH ~ NIL\nf OK ~\n");
    all[strlen(all) - 1] ^= 1; /* another digit */
    fetch(b, all, "* URLFETCH ~ NIL\nf OK ~\n");
    all[strlen(all) - 1] ^= 1;
    TALK(b, "3 RESETKEY", "3 OK ~\n"); /* bob's own: those of alice stay */
    fetch(b, all, "* URLFETCH ~ {5}\nfirst\nf OK ~\n");
    TALK(c, "4 RESETKEY INBOX INTERNAL", "4 OK [URLMECH INTERNAL] ~\n");
    fetch(b, all, "* URLFETCH ~ NIL\nf OK ~\n");
    TALK(c, "5 RESETKEY nowhere", "5 NO [NONEXISTENT] ~\n");
    /* what is somebody else's counts as long as its owner lets the one read who authorised it */
    TALK(c, "6 SETACL INBOX bob@x.test lr", "6 OK ~\n");
    char *through = authorise(
        b, &a, "imap://bob%40x.test@x.test/%23user/alice%40x.test/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser");
    fetch(x, through, "* URLFETCH ~ {5}\nfirst\nf OK ~\n");
    TALK(c, "7 SETACL INBOX bob@x.test \"\"", "7 OK ~\n");
    fetch(x, through, "* URLFETCH ~ NIL\nf OK ~\n");
    all = authorise(c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser");
    fetch(x, all, "* URLFETCH ~ {5}\nfirst\nf OK ~\n");
    CHECK_OK(account_disable(w.store->directory, SL("alice@x.test"), true));
    fetch(x, all, "* URLFETCH ~ NIL\nf OK ~\n");
    conn_close(&c);
    bye(&b);
    bye(&x);
    stop();
    ar_free(&a);
}

struct gathered {
    struct buf b;
};

static int gather(void *arg, struct slice piece)
{
    buf_put(&((struct gathered *)arg)->b, piece);
    return 0;
}

TEST(imapd_urls_for_submission)
{
    struct arena a;
    struct gathered g = {BUF_INIT};
    struct account alice, bob;
    ar_init(&a, 0);
    start();
    CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("secret")));
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    CHECK_OK(account_get(w.store->directory, &a, SL("bob@x.test"), &bob));
    struct conn *c = login();
    append(c, "INBOX", "", two_parts);
    struct slice url =
        sl_cstr(authorise(c, &a, "imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=submit+alice%40x.test"));
    CHECK_ERR(imapd_url_submit(w.imapd, url, bob.id, 1000, gather, &g), ERR_DENIED);
    CHECK_ERR(imapd_url_submit(w.imapd, url, alice.id, 10, gather, &g), ERR_TOO_LONG);
    CHECK_INT(g.b.n, 0);
    CHECK_OK(imapd_url_submit(w.imapd, url, alice.id, 1000, gather, &g));
    CHECK_SL(buf_slice(&g.b), two_parts);
    bye(&c);
    stop();
    buf_free(&g.b);
    ar_free(&a);
}
