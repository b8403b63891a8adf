/* authority_good_sim.h - an authority that does what it should, at https://ca.test/dir, for tests in the
 * simulator: certifies mail.one.test. */
#pragma once
#include "base/buf.h"
#include "fetch/fetch.h"

struct good_authority {
    int64_t valid_s;   /* of its certificates */
    struct buf issued; /* the last one */
    unsigned accounts, orders;
};
/* For fetch_conf.transfer. BLOCKS. */
int good_authority_transfer(void *good_authority, const struct fetch_call *c, struct fetch_answer *out);
