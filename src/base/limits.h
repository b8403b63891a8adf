/* limits.h - how long each field of a letter may be, in bytes, where it comes in. A field that is
 * within its limit fits every row, event and report that is made of it; what happens to one that is
 * not stands in docs/limits.md, a line for each of these. */
#pragma once

enum {
    LIMIT_LOCAL_PART = 64, /* RFC 5321 section 4.5.3.1.1 */
    LIMIT_DOMAIN = 255,    /* section 4.5.3.1.2 */
    LIMIT_ADDRESS = LIMIT_LOCAL_PART + 1 + LIMIT_DOMAIN,
    LIMIT_ENVID = 100,      /* RFC 3461 section 4.4 */
    LIMIT_ORCPT = 500,      /* RFC 3461 section 4.2 */
    LIMIT_MESSAGE_ID = 998, /* unfolded: a msg-id is never folded (RFC 5322 sections 2.1.1, 3.6.4) */
    LIMIT_SUBJECT = 500,    /* decoded, of what is kept for lists; the letter keeps its own */
    LIMIT_SENTENCE = 1000,  /* a reply of another server, a host, why a letter is held */
    LIMIT_LETTER_RCPTS = 10000,
    LIMIT_ALIAS_TARGETS = 500,     /* also of all aliases that one address leads through */
    LIMIT_ALIAS_BYTES = 60 * 1024, /* of the targets of one alias */
    LIMIT_DOMAIN_HERE = 198,       /* a domain of ours names an object of the index */
};
