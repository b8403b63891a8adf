/* ledger.h - what must be true of every letter, judged by one function for all worlds: each recipient of a
 * letter that was acknowledged ends in exactly one of delivered and bounced (and the sender told), or still
 * waits; what was never offered is nowhere; twice only where an answer was lost; and the trace tells what
 * happened. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { LEDGER_LETTERS = 64, LEDGER_RCPTS = 8 };
enum ledger_what { LEDGER_DELIVERED, LEDGER_BOUNCED, LEDGER_WAITS, LEDGER_WHATS };
struct ledger_line {
    bool offered, acknowledged;
    unsigned seen[LEDGER_WHATS];   /* by who looks into mailboxes and queues, and by other servers */
    unsigned traced[LEDGER_WHATS]; /* as the trace tells */
    unsigned unanswered;           /* answers that were lost: so often it may be there once more */
};
struct ledger {
    struct ledger_line line[LEDGER_LETTERS][LEDGER_RCPTS];
    bool has_trace; /* the trace was read: it is judged, too */
};
/* Nothing waits any more: whatever was acknowledged has come to its end. */
void ledger_judge(const struct ledger *l, bool all_is_done);
