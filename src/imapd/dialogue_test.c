/* dialogue_test.c - what who looks on is told of a session, and what not. */
#include "base/log.h"
#include "dialog_test.h"

static struct buf seen;
static struct lock lock = LOCK_INIT;

static void gather(const struct log_line *l)
{
    if (l->level > LOG_TALK || l->n < 2) return;
    lock_take(&lock);
    buf_printf(&seen, "%c: %.*s\n", l->f[0].value.p[0] - 32, SLF(l->f[1].value));
    lock_release(&lock);
}

static void look(enum log_level level)
{
    buf_clear(&seen);
    log_set_tap(gather, level);
}

/* "~" in want: any run of bytes. */
static void was_told(const char *want)
{
    log_set_tap(NULL, LOG_ERROR);
    struct slice rest = buf_slice(&seen), words = sl_cstr(want);
    for (struct slice part; words.p && sl_next(&words, '~', &part);) {
        size_t at = sl_find(rest, part);
        CHECK(at != SL_NONE);
        if (at == SL_NONE) printf("%.*s\nis not in what is left of\n%.*s\n", SLF(part), SLF(rest));
        rest = sl_from(rest, at == SL_NONE ? 0 : at + part.n);
    }
}

static void was_not_told(const char *secret) { CHECK(sl_find(buf_slice(&seen), sl_cstr(secret)) == SL_NONE); }

TEST(imapd_who_looks_on_sees_no_secret)
{
    start();
    look(LOG_TALK);
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    TALK(c, "hunter1 hunter2", "hunter1 BAD ~\n");
    TALK(c, "1 LOGIN alice@x.test wrong-one", "1 NO ~\n");
    conn_puts(c, "2 LOGIN {12}\r\n");
    EXPECT(c, "+ ~\n");
    conn_puts(c, "alice@x.test \"wrong two\"\r\n");
    EXPECT(c, "2 NO ~\n");
    TALK(c, "wrong-three wrong-four wrong-five", "wrong-three BAD ~\n");
    conn_puts(c, "3 AUTHENTICATE PLAIN\r\n");
    EXPECT(c, "+ \n");
    TALK(c, "AGFsaWNlQHgudGVzdABzZWNyZXQ=", "3 OK ~\n");
    bye(&c);
    was_told(
        "S: * OK [CAPABILITY ~C: hunter1 hunter2 ...\nS: hunter1 BAD ~C: 1 LOGIN ...\nS: 1 NO ~C: 2 LOGIN "
        "...\nS: 2 NO ~C: ...\nS: wrong-three BAD ~C: 3 AUTHENTICATE ...\nC: (by PLAIN)\nS: + ...\nC: (28 "
        "bytes of the login)\nS: 3 OK ~LOGOUT\n");
    was_not_told("wrong-one"), was_not_told("wrong two"), was_not_told("wrong-four"), was_not_told("AGFs");
    stop();
}

/* Several URLs with tokens in one command and one response, one of them a literal. */
static void speak_urls(struct conn *c)
{
    static const char url[] =
        "imap://alice%40x.test@x.test/\xc3\xa9/;UID=1;URLAUTH=anonymous:internal:c0ffee";
    int n = (int)sizeof url - 1;
    conn_printf(c, "v URLFETCH {%d+}\r\n%s imap://x.test/a;URLAUTH=anonymous:internal:c0ffee\r\n", n, url);
    EXPECT(c, "* URLFETCH {~}\n~\nv OK ~\n");
    conn_printf(
        c,
        "b APPEND INBOX CATENATE (URL {%d+}\r\n%s URL \"/;c0ffee\" URL {7+}\r\n/c0ffee TEXT {1+}\r\n!)\r\n",
        n, url);
    read_until(c, SL("b "));
    TALK(c, "n NOOP", "n OK ~\n");
}

TEST(imapd_who_looks_on_sees_how_much_a_letter_has)
{
    start();
    for (int content = 0; content < 2; content++) {
        look(content ? LOG_CONTENT : LOG_TALK);
        struct conn *c = login();
        append(c, "INBOX", "", a_letter);
        TALK(c, "s SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\ns OK ~\n");
        conn_puts(c, "f FETCH 1 (PREVIEW BODY.PEEK[HEADER.FIELDS (To)] FLAGS BODY.PEEK[TEXT] UID)\r\n");
        read_until(c, SL("f "));
        conn_puts(c, "i IDLE\r\n");
        EXPECT(c, "+ ~\n");
        TALK(c, "DONE", "i OK ~\n");
        TALK(c, "u URLFETCH \"imap://alice%40x.test@x.test/INBOX/;UID=1;URLAUTH=anonymous:internal:c0ffee\"",
             "~\nu OK ~\n");
        TALK(c, "a APPEND INBOX CATENATE (URL \"imap://x@y/INBOX/;UID=1;URLAUTH=anonymous:internal:c0ffee\")",
             "a NO ~\n");
        speak_urls(c);
        bye(&c);
        was_told(content ? "C: l LOGIN ...\n~L: Hello, Alice\nC: (134 bytes of a letter)\n~C: f FETCH~L: "
                           "Hello, Alice\n"
                         : "C: l LOGIN ...\nS: l OK ~C: p APPEND INBOX {~C: (~ bytes of a letter)\nS: p OK "
                           "~C: f FETCH 1 "
                           "(PREVIEW BODY~S: * 1 FETCH (~PREVIEW ... BODY[HEADER.FIELDS (To)] {~S: (~ bytes "
                           "of a letter)\nS: "
                           "~BODY[TEXT] {14}\nS: (14 bytes of a letter)\nS: ~)\nS: f OK ~C: i IDLE\nS: + "
                           "idling\nC: DONE\nS: "
                           "i OK ~C: u URLFETCH ...\nS: * URLFETCH ...\n~C: a APPEND INBOX CATENATE\nS: a NO "
                           "[BADURL ...\nC: v URLFETCH ...\nS: * URLFETCH ...\nS: (~ bytes of a literal)\nS: "
                           "...\nS: v OK ~C: b APPEND INBOX CATENATE\n~C: n NOOP\n");
        was_not_told("secret"), was_not_told("c0ffee");
        CHECK((sl_find(buf_slice(&seen), SL("Hello")) != SL_NONE) == content);
    }
    stop();
    buf_free(&seen);
}
