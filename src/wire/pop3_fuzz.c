/* pop3_fuzz.c - POP3 commands, and TOP, from hostile bytes. */
#include "base/fuzz.h"
#include "pop3.h"

FUZZ
{
    struct pop3_command c;
    bool done;
    (void)!pop3_command_parse(input, &c);
    for (uint32_t n = 0; n < 3; n++) ASSERT(pop3_top(input, n, &done) <= input.n);
}
