/* pop3_fuzz.c - POP3 commands, and TOP, from hostile bytes. */
#include "base/fuzz.h"
#include "pop3.h"

FUZZ
{
    struct pop3_command c;
    bool done;
    (void)!pop3_command_parse(input, &c);
    for (uint32_t n = 0; n < 3; n++) {
        struct pop3_top whole, bytes;
        size_t sum = 0;
        pop3_top_begin(&whole, n);
        pop3_top_begin(&bytes, n);
        size_t once = pop3_top_feed(&whole, input, &done);
        done = false;
        for (size_t i = 0; i < input.n && !done; i++) sum += pop3_top_feed(&bytes, sl(input.p + i, 1), &done);
        ASSERT(once == sum && once <= input.n);
    }
}
