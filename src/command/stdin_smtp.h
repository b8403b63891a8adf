/* stdin_smtp.h - SMTP on standard input and output, for programs that speak it with sendmail(8) (`sendmail
 * -bs`). */
#pragma once
#include "base/buf.h"

enum {
    STDIN_SMTP_RCPTS_MAX = 1000,
    STDIN_SMTP_LETTER_MAX =
        100 << 20, /* bytes; the server's own limit is told when the letter is handed over */
};
struct stdin_smtp_letter {
    struct slice sender; /* empty: the null sender */
    const struct slice *rcpt;
    size_t n;
    struct slice text; /* as it came, dots undone */
};
/* Hands a letter over: an exit status of `tram send`, with its words in *why. */
typedef int stdin_smtp_hand(void *ctx, const struct stdin_smtp_letter *l, struct buf *why);
/* One session, until QUIT or the end of input. A letter without its end is not handed over, and the
 * exit status tells it. BLOCKS. */
int stdin_smtp(const char *hostname, stdin_smtp_hand *hand, void *ctx);
