/* submit.h - what a server may and must repair in a header section (RFC 6409 section 8,
 * RFC 8601 section 5). Pure: the parsed head goes in, the edited header section comes out. */
#pragma once
#include "addr.h"
#include "base/buf.h"
#include "head.h"

/* Is this head fit to be sent by a user? Exactly one From with at least one address, no
 * field that is none, no second Date, To, Subject, Message-ID ... (RFC 5322 section 3.6), Sender when
 * From has several addresses (section 3.6.2).
 * from: the addresses of From, in a. ERR_SYNTAX with the sentence to tell the sender. */
MUST_CHECK int mail_submit_check(struct arena *a, const struct mail_head *h, struct mail_addrs *from);
/* May a field of this name stand only once (RFC 5322 section 3.6, RFC 2045)? */
bool mail_submit_once(struct slice name);
/* The same as a receiver from the world asks for before it trusts From (RFC 7489 section
 * 6.6.1): exactly one From field with exactly one author domain. */
MUST_CHECK int mail_from_check(struct arena *a, const struct mail_head *h, struct mail_addrs *from);

/* Who sends a letter again (RFC 5322 section 3.6.6): the topmost block of resent fields is the newest. */
struct mail_resent {
    const struct mail_field *from, *sender; /* Resent-From, Resent-Sender; NULL when there is none */
};
/* False when the block names nobody, or there is none. */
bool mail_resent(const struct mail_head *h, struct mail_resent *out);

struct mail_edit {
    /* Fields that only we may write and that claim to be ours are removed (RFC 8601 section 5); NULL: none.
     */
    bool (*forged)(const void *forged_arg, struct arena *a, const struct mail_field *f);
    const void *forged_arg;
    struct slice domain; /* for a new Message-ID */
    int64_t now;
    uint64_t random;
    bool delivery; /* Return-Path removed: ours comes in its place (RFC 5321 section 4.4) */
    /* Bcc, Return-Path and what is for a sending service alone (X-SES-…, X-MJ-…, X-Mailjet-…, X-SMTPAPI)
     * removed, Date and Message-ID added when missing. */
    bool submission;
};
/* Writes the header section (without the empty line) as it shall be sent or kept. All other
 * fields stay byte for byte. Returns the number of fields removed or added. */
int mail_head_edit(struct arena *a, const struct mail_head *h, const struct mail_edit *e, struct buf *out);
