/* preflight_gate.h - may a letter of our own leave, as the DNS stands now?
 *
 * What a user or a program here hands over for the world is looked at with preflight.h
 * before it is accepted. When a strict receiver would refuse it, the policy decides who hears of it:
 * the operator (warn, hold) or the submitter (refuse). A DNS that gives no answer refuses nothing. */
#pragma once
#include "base/ip.h"

struct dns;
struct letter_id;
struct mail_head;
struct signing;

enum preflight_policy { PREFLIGHT_WARN, PREFLIGHT_HOLD, PREFLIGHT_REFUSE, PREFLIGHT_OFF };

enum { PREFLIGHT_GATE_SECONDS = 10 }; /* a submitter waits for it: what is not known then is not known */

struct preflight_gate_conf { /* all borrowed */
    struct dns *dns;
    struct signing *signing;
    struct slice helo; /* the name that we greet with */
    struct ip source;  /* the address that letters leave from; family 0: not known */
    enum preflight_policy policy;
};
struct preflight_gate; /* usable from every loop */
struct preflight_gate *preflight_gate_new(const struct preflight_gate_conf *conf);
void preflight_gate_free(struct preflight_gate **g);

/* For a letter with a recipient that is not here: its return path local@domain (empty: null) and
 * its header section. 0: it may go; *hold is then empty or the sentence why it has to wait. *found: the
 * sentence for the trace, or empty. Both in the arena. ERR_DENIED: refuse it with 550 5.7.1 and err_text().
 * ERR_CANCELED, and the errors of the directory. New findings are logged. SUSPENDS at most
 * PREFLIGHT_GATE_SECONDS, mostly not at all (the findings are kept for minutes). */
MUST_CHECK int preflight_gate(struct preflight_gate *g, struct arena *a, const struct letter_id *id,
                              struct slice sender, const struct mail_head *head, struct slice *hold,
                              struct slice *found);
