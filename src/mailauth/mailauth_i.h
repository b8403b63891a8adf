/* mailauth_i.h - the parts of the verdict: what the field says (mailauth_field.c) and what
 * is done with the letter (mailauth_policy.c). Both only read the evidence. */
#pragma once
#include "mailauth.h"

/* Fills v->results and v->field. Pure. */
void mailauth_write_field(struct arena *a, struct slice authserv_id, const struct ip *ip,
                          struct mailauth_verdict *v);
/* Fills disposition, reply, enhanced, sentence and the override. Pure (asks ctx->trusts_sealer). */
void mailauth_decide(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v);
/* mailauth.c: is this signature a proof of its domain, for DMARC and for us? */
bool mailauth_vouches(const struct dkim_sig_result *s);
