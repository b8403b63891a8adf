/* doctor_i.h - inside `doctor`: what was found, and who looks at the machine's place in the world. */
#pragma once
#include "cmd.h"

enum { DOCTOR_DOMAINS = 200 }; /* so many are looked at */
enum grade { FINE, WARNING, WRONG };
struct examining {
    struct request *r;
    json_t *list[WRONG + 1]; /* by grade */
    bool no_dns;             /* it answers nothing: found, and asked no more */
};
/* doctor_world.c. remedy: what to do, or empty. */
void doctor_found(struct examining *x, enum grade g, const char *what, struct slice sentence,
                  struct slice remedy);
/* Each SUSPENDS for seconds, and fails only when it is canceled. */
MUST_CHECK int doctor_ports(struct examining *x);
MUST_CHECK int doctor_outwards(struct examining *x);
MUST_CHECK int doctor_clock(struct examining *x);
MUST_CHECK int doctor_lists(struct examining *x);
void doctor_addresses(struct examining *x); /* BLOCKS for a moment */
