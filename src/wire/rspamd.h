/* rspamd.h - what Rspamd answers to POST /checkv2, its protocol over HTTP. There is no RFC: its manual,
 * "Rspamd HTTP API", and Rspamd 3.4 of Debian. Pure. */
#pragma once
#include "milter.h"

enum {
    RSPAMD_ANSWER_MAX = 1 << 20, /* bytes of an answer, */
    RSPAMD_PARTS_MAX = 20000,    /* objects, arrays and what follows another in one, */
    RSPAMD_DEPTH_MAX = 32,       /* so deep in one another */
    RSPAMD_CHANGES_MAX = 1000,   /* of either kind */
};

/* One that is to go from the letter: the n-th of that name, from the end when it is below 0; 0: all. */
struct rspamd_removal {
    struct slice name;
    int64_t which;
};
/* To be done behind the removals. */
struct rspamd_change {
    enum milter_reply_kind kind; /* what a milter would say */
    struct slice name, value;    /* of a header field */
    int64_t order;               /* where it is put in: from the top, from the end when below 0 */
    struct slice text;           /* an address, why the letter is to be held */
};
struct rspamd_answer {           /* all of it lies in the arena */
    struct milter_reply verdict; /* continue, a code for the client, or that it is to be discarded */
    struct slice action;         /* as it said */
    struct slice said;           /* the same for people, with the score */
    struct slice subject;        /* in UTF-8, when another one is to stand there; or empty */
    struct rspamd_removal *removal;
    struct rspamd_change *change;
    size_t nremoval, nchange;
};
/* ERR_SYNTAX, ERR_LIMIT, with a sentence. */
MUST_CHECK int rspamd_answer_parse(struct arena *a, struct slice json, struct rspamd_answer *out);
