/* greylist.h - those whom nothing vouches for are asked to come again: who sends junk seldom does.
 *
 * Networks that came again are let in, in memory: after a restart the doubtful come again once more. */
#pragma once
#include "base/ip.h"
#include "base/slice.h"
#include "rt/rt.h"

enum {
    GREYLIST_MAX = 50000, /* pairs of network and sender's domain; above it the oldest are forgotten: of those
                             that wait while they are more than a quarter, else of those that came again */
    GREYLIST_NETWORK_MAX = 100, /* that wait, of a network; above it its oldest are forgotten */
};
#define GREYLIST_WAIT (300 * RT_S)        /* before who came once is let in, */
#define GREYLIST_PATIENCE (172800 * RT_S) /* who comes again later is new, */
#define GREYLIST_KEEP (36 * 86400 * RT_S) /* and who was let in stays known for so long without a letter */

struct greylist;
struct greylist *greylist_new(void);
void greylist_free(struct greylist **g);
/* Nanoseconds until such a letter is let in; 0: it is. Any thread. */
int64_t greylist_ask(struct greylist *g, const struct ip *ip, struct slice sender_domain);
