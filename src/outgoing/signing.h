/* signing.h - DKIM signatures for what leaves under one of our domains, and under those of others that
 * accounts of ours have proved (directory/sending_domain.h). Streams like the verifier: begin with the final
 * header section, feed the body, end. */
#pragma once
#include "directory/directory.h"
#include "mail/head.h"

struct signing;      /* the node's cache of parsed keys */
struct signing_pass; /* one letter */

MUST_CHECK int signing_open(struct signing **out, struct directory *dir);
void signing_close(struct signing **g);
/* head: the header section as it will be sent, without the empty line; it, and a, live until
 * signing_end. *pass is NULL when the domain is neither ours nor proved, or has no active key (nothing to do;
 * signing_body and signing_end may be called all the same). SUSPENDS (directory). ERR_SYNTAX:
 * the letter has no From. */
MUST_CHECK int signing_begin(struct signing *g, struct arena *a, struct slice from_domain, struct slice head,
                             struct signing_pass **pass);
void signing_body(struct signing_pass *p, struct slice bytes);
/* *fields: complete DKIM-Signature fields, CRLF included, to be put in front of the header
 * section; empty when there was nothing to do. Must be called, also to give up (fields NULL).
 * SUSPENDS (offload). */
MUST_CHECK int signing_end(struct signing_pass *p, struct slice *fields);

/* The keys that letters from a domain are signed with. Slices and keys live until signing_keys_end. */
enum { SIGNING_KEYS_MAX = 4 };
struct keyring;
struct signing_keys {
    struct slice domain; /* A-labels in lower case */
    size_t n;            /* 0: the domain is neither ours nor proved, or has no active key */
    struct slice selector[SIGNING_KEYS_MAX];
    struct sign_key *key[SIGNING_KEYS_MAX];
    struct keyring *ring;
};
/* SUSPENDS (directory). signing_keys_end is harmless after an error. */
MUST_CHECK int signing_keys(struct signing *g, struct arena *a, struct slice from_domain,
                            struct signing_keys *out);
void signing_keys_end(struct signing_keys *k);
