/* xclient_fuzz.c - what a proxy says of a client: taken only when it is an address, a port and a name that
 * the client could have said itself. */
#include "base/fuzz.h"
#include "smtp.h"

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127) return false;
    return true;
}

FUZZ
{
    struct arena a = {0};
    struct smtp_xclient x;
    struct smtp_command c;
    struct slice rest = input, line;
    while (sl_next(&rest, '\n', &line)) {
        int e = smtp_xclient(&a, line, &x);
        ASSERT(e == 0 || e == ERR_SYNTAX);
        if (e) continue;
        ASSERT(x.ip.family == 0 || x.ip.family == 4 || x.ip.family == 6);
        ASSERT(!x.helo.n || (smtp_helo_ok(x.helo) && is_plain(x.helo)));
        struct slice said =
            ar_printf(&a, "EHLO %.*s", SLF(x.helo)); /* no more than the client could have said */
        ASSERT(!x.helo.n || (smtp_command_parse(&a, said, &c) == 0 && sl_eq(c.arg, x.helo)));
    }
    ar_free(&a);
}
