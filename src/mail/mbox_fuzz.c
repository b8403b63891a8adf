/* mbox_fuzz.c - any bytes as an mbox file, and as names and keywords of a Maildir. */
#include "base/fuzz.h"
#include "maildir.h"
#include "mbox.h"

/* The same whatever the pieces in which it comes. */
static void in_pieces(struct slice text, struct mbox_text t)
{
    struct mbox_text whole = t;
    struct mbox_end e = {.empty = true}, at_once = {.empty = true};
    struct buf one = BUF_INIT, many = BUF_INIT;
    mbox_text_next(&whole, text, &one);
    mbox_text_end(&whole, &one);
    for (size_t i = 0, n = 1; i < text.n; i += n, n = n % 7 + 1)
        mbox_text_next(&t, sl_sub(text, i, i + n), &many);
    mbox_text_end(&t, &many);
    ASSERT(sl_eq(buf_slice(&one), buf_slice(&many)));
    if (!mbox_end_next(&at_once, text)) mbox_end_last(&at_once);
    for (size_t i = 0, n = 1; i < text.n && !e.any; i += n, n = n % 7 + 1)
        (void)mbox_end_next(&e, sl_sub(text, i, i + n));
    if (!e.any) mbox_end_last(&e);
    ASSERT(e.any == at_once.any && e.text == at_once.text && e.found == at_once.found && e.text <= text.n);
    buf_free(&one), buf_free(&many);
}

static void names(struct slice name)
{
    struct maildir_name n, again;
    struct buf b = BUF_INIT;
    unsigned number;
    struct slice word;
    if (maildir_keyword(name, &number, &word)) ASSERT(number < MAILDIR_LETTERS && word.n > 0);
    if (!maildir_name_parse(name, &n)) return;
    maildir_name_put(&b, &n, 10, 10);
    ASSERT(maildir_name_parse(buf_slice(&b), &again));
    ASSERT(again.marks == n.marks && again.passed == n.passed && again.letters == n.letters &&
           again.uid == n.uid);
    buf_free(&b);
}

FUZZ
{
    struct arena a = {0};
    struct mbox_head h;
    struct mail_date d;
    bool dated;
    struct buf b = BUF_INIT;
    (void)mbox_from_line(input, &d, &dated);
    mbox_head_parse(&a, input, &h);
    mbox_head_put(&b, SL("x@y"), 0, &h);
    in_pieces(input, (struct mbox_text){.unquote = true, .to_crlf = true});
    in_pieces(input, (struct mbox_text){.quote = true, .to_lf = true});
    names(input);
    buf_free(&b);
    ar_free(&a);
}
