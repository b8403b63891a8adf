/* signing.h - DKIM signatures for what leaves under one of our domains.
 * Streams like the verifier: begin with the final header section, feed the body, end. */
#pragma once
#include "mail/head.h"
#include "store/directory.h"

struct signing;      /* the node's cache of parsed keys */
struct signing_pass; /* one letter */

MUST_CHECK int signing_open(struct signing **out, struct store *s);
void signing_close(struct signing **g);
/* *pass is NULL when the domain is not ours or has no active key (nothing to do). SUSPENDS (directory). */
MUST_CHECK int signing_begin(struct signing *g, struct arena *a, struct slice from_domain, struct signing_pass **pass);
void signing_body(struct signing_pass *p, struct slice bytes);
/* head: the header section as it will be sent. *fields: complete DKIM-Signature fields, CRLF
 * included, to be put in front of it. May SUSPEND (offload of RSA). */
MUST_CHECK int signing_end(struct signing_pass *p, struct slice head, struct slice *fields);
/* All at once, for letters in memory (bounces, reports): the letter with its signatures in front. */
MUST_CHECK int signing_letter(struct signing *g, struct arena *a, struct slice from_domain, struct slice letter,
                              struct slice *signed_letter);
