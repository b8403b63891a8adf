/* ledger.c - judges the books of a world (ledger.h). */
#include "ledger.h"

#include "base/test.h"

static const char *const words[LEDGER_WHATS] = {"delivered", "bounced", "waiting"};

static void wrong(size_t letter, size_t rcpt, const struct ledger_line *x, const char *what)
{
    test_fail(
        __FILE__, __LINE__,
        "letter %zu to recipient %zu (%s): %s; %u times delivered, %u bounced, %u waiting, %u unanswered",
        letter, rcpt,
        x->acknowledged ? "acknowledged"
        : x->offered    ? "offered"
                        : "never offered",
        what, x->seen[LEDGER_DELIVERED], x->seen[LEDGER_BOUNCED], x->seen[LEDGER_WAITS], x->unanswered);
}

static const char *fault(const struct ledger_line *x, bool all_is_done)
{
    unsigned delivered = x->seen[LEDGER_DELIVERED], bounced = x->seen[LEDGER_BOUNCED],
             waits = x->seen[LEDGER_WAITS];
    unsigned places = (delivered > 0) + (bounced > 0) + (waits > 0);
    if (!x->offered && places) return "it came from nowhere";
    if (x->acknowledged && !places) return "it is lost";
    if (all_is_done && waits) return "it waits for ever";
    if (delivered > 1 + x->unanswered) return "it is there more than once";
    if (bounced > 1) return "its sender was told more than once";
    if (places > 1 && !x->unanswered) return "it has two ends";
    return NULL;
}

/* The trace of an acknowledged letter tells of each end that there was, and of none that was not. */
static const char *trace_fault(const struct ledger_line *x)
{
    static char said[80];
    for (int i = 0; i < LEDGER_WAITS; i++) {
        if ((x->traced[i] > 0) == (x->seen[i] > 0)) continue;
        snprintf(said, sizeof said, "the trace %s that it was %s", x->traced[i] ? "says" : "does not say",
                 words[i]);
        return said;
    }
    return NULL;
}

void ledger_judge(const struct ledger *l, bool all_is_done)
{
    for (size_t i = 0; i < LEDGER_LETTERS; i++)
        for (size_t k = 0; k < LEDGER_RCPTS; k++) {
            const struct ledger_line *x = &l->line[i][k];
            const char *bad = fault(x, all_is_done);
            if (!bad && l->has_trace && x->acknowledged) bad = trace_fault(x);
            if (bad) wrong(i, k, x, bad);
        }
}
