/* pop3_fuzz.c - POP3 commands, TOP and SASL messages from hostile bytes. */
#include "base/fuzz.h"
#include "pop3.h"
#include "sasl.h"

FUZZ
{
    struct pop3_command c;
    struct sasl_plain p;
    struct slice s;
    struct arena a;
    bool done;
    ar_init(&a, 0);
    (void)!pop3_command_parse(input, &c);
    for (uint32_t n = 0; n < 3; n++) ASSERT(pop3_top(input, n, &done) <= input.n);
    (void)!sasl_plain_parse(input, &p);
    (void)!sasl_line_decode(&a, input, &s);
    ar_free(&a);
}
