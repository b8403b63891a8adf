/* imap_url_fuzz.c - any bytes as the URL of a message (CATENATE, URLFETCH, BURL). */
#include "base/fuzz.h"
#include "base/text.h"
#include "imap.h"

FUZZ
{
    struct arena a = {0};
    struct imap_url u, again;
    if (imap_url_parse(&a, input, &u) == 0) {
        ASSERT(u.uid > 0 && u.rump.n <= input.n && utf8_valid(u.mailbox));
        if (u.token.n) { /* what was signed is a URL of the same message */
            ASSERT(imap_url_parse(&a, u.rump, &again) == 0);
            ASSERT(again.uid == u.uid && sl_eq(again.mailbox, u.mailbox) && !again.token.n);
        }
    }
    ar_free(&a);
}
