/* inbound_i.h - what of mail handed to URLs its files share. For src/send only. */
#pragma once
#include "base/list.h"
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
void inbound_close(struct sends *s);

/* ---- inbound_form.c: the body of the call. Pure ---- */
struct inbound_letter {
    struct slice text;     /* header section and body */
    struct slice from, to; /* the envelope */
    struct slice hostname; /* ours: whose Authentication-Results count */
    struct slice boundary;
    bool raw, spam_check, junk;
};
/* multipart/form-data (RFC 7578), added to out, whose cap may end it. */
void inbound_form(struct buf *out, const struct inbound_letter *in);

/* ---- inbound_room.c: memory for letters that are being handed over; any thread, nothing suspends ---- */

enum {
    INBOUND_FORM_TIMES = 3, /* the form of a letter: a byte of an old charset is up to three in UTF-8 */
    INBOUND_FORM_MORE = 256 << 10,
    INBOUND_WORK = 4 << 20, /* its parts and fields while the form is made */
    INBOUND_ROOM = 5 * INBOUND_LETTER_MAX,
    INBOUND_WAITING = 64, /* letters of an account that wait for room */
};
struct inbound_room;
/* Of one letter; the caller's, lies still until inbound_room_leave(). */
struct inbound_place {
    struct link link;            /* with those of its account that wait */
    struct inbound_share *share; /* of its account */
    uint64_t need, turn;
    bool granted;
};
struct inbound_room *inbound_room_new(void);
void inbound_room_free(struct inbound_room **room); /* nobody is in it */
/* Next is the account that holds least, of these who came first, and nobody passes it: what is large gets its
 * room, too. ERR_BUSY: INBOUND_WAITING of the account wait. */
MUST_CHECK int inbound_room_ask(struct inbound_room *room, struct slice account, uint64_t need,
                                struct inbound_place *p);
bool inbound_room_granted(struct inbound_room *room, struct inbound_place *p);
/* It was granted, and this is what it still holds: no more than before. */
void inbound_room_shrink(struct inbound_room *room, struct inbound_place *p, uint64_t need);
void inbound_room_leave(struct inbound_room *room, struct inbound_place *p);
