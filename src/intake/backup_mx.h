/* backup_mx.h - domains of others whose mail is kept here while their own servers are away (backup MX): who
 * there is to get it is asked of them, and remembered. */
#pragma once
#include "base/arena.h"
#include "base/map.h"
#include "rt/rt.h"

enum backup_mx_word { BACKUP_MX_TAKES, BACKUP_MX_REFUSES, BACKUP_MX_LATER, BACKUP_MX_SILENT };
struct backup_mx_said {
    enum backup_mx_word word;
    struct slice text; /* in the arena */
};
/* Asks the domain's own servers about an address. SUSPENDS, until the deadline. */
typedef void backup_mx_ask(void *ctx, struct arena *a, struct slice domain, struct slice address,
                           struct backup_mx_said *out);

enum {
    BACKUP_MX_KNOWN_MAX = 20000, /* addresses that are remembered */
    BACKUP_MX_ASKING_MAX = 20,   /* questions about one domain at once */
    BACKUP_MX_BLIND_MAX = 1000,  /* recipients of a domain an hour that nobody could be asked about */
};
struct backup_mx_domain {
    struct slice name; /* A-labels, lower case */
    int64_t silent_until, hour;
    unsigned blind;  /* taken within the hour */
    unsigned asking; /* questions that have no answer yet */
};
struct backup_mx {
    struct backup_mx_domain *domain;
    size_t n;
    backup_mx_ask *ask;
    void *ctx;
    struct lock lock;
    struct map known; /* address -> what was said of it */
};
/* names, in the arena, live as long. */
void backup_mx_open(struct backup_mx *b, struct arena *a, const struct slice *name, size_t n,
                    backup_mx_ask *ask, void *ctx);
void backup_mx_close(struct backup_mx *b);
/* b may be NULL. NULL: it is none of them. */
struct backup_mx_domain *backup_mx_find(struct backup_mx *b, struct slice domain);
/* May a letter for the address be taken? 0; ERR_NOT_FOUND with the words of the domain's server; ERR_BUSY
 * with a sentence: not now. SUSPENDS. */
MUST_CHECK int backup_mx_judge(struct backup_mx *b, struct arena *a, struct backup_mx_domain *d,
                               struct slice address);
