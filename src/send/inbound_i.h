/* inbound_i.h - what of mail handed to URLs its files share. For src/send only. */
#pragma once
#include "crypto/es256.h"
#include "inbound.h"

enum { INBOUND_TOKEN = 17 };
/* What stands for a name in routes and keys: 16 hex digits. */
void inbound_token(struct slice name, char out[INBOUND_TOKEN]);
/* The row of a token; slices lie in a. *key is given back with es256_free(). ERR_NOT_FOUND, ERR_CORRUPT.
 * SUSPENDS. */
MUST_CHECK int inbound_read(struct sends *s, struct slice token, struct arena *a, struct inbound *out,
                            struct es256 **key);
int inbound_open(struct sends *s); /* reads whose mail is handed over. SUSPENDS */

/* ---- inbound_form.c: the body of the call. Pure ---- */
struct inbound_letter {
    struct slice text;     /* header section and body */
    struct slice from, to; /* the envelope */
    struct slice hostname; /* ours: whose Authentication-Results count */
    struct slice boundary;
    bool raw, spam_check, junk;
};
/* multipart/form-data (RFC 7578), added to out. */
void inbound_form(struct buf *out, const struct inbound_letter *in);
