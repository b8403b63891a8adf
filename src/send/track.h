/* track.h - opens and clicks: off unless a send asks for them. A letter for one recipient gets an image of
 * one point, and its links go over this node, each with a token that only this node can make: it leads
 * nowhere else than where the letter said, so nobody can use it to send people anywhere. */
#pragma once
#include "compose.h"
#include "send.h"

enum {
    TRACK_EVENTS_MAX = 20
}; /* of one kind, a letter, by people and by machines; what comes later is not kept */

struct track {
    struct letter_id send;
    uint64_t page, number;
    struct slice url; /* empty: the image */
};
/* Slices lie in a. False: it was not made here. Does not suspend. */
bool track_parse(struct sends *s, struct arena *a, struct slice token, struct track *out);

/* How it was asked for. */
struct track_visit {
    struct slice agent, ip;
    bool machine; /* nobody looked, whatever the agent says */
};
/* OPENED or CLICKED, durable when it returns 0; the event says when it was no person but a scanner or a proxy
 * of the mail service. Of a send that is forgotten nothing is kept. SUSPENDS. */
MUST_CHECK int track_add(struct sends *s, const struct track *t, const struct track_visit *v);

/* Puts both, as far as the options say, into c->html, at that site (send_hosts.site); a text that is to be
 * made of it is made before. */
struct send_head;
void track_put(struct sends *s, struct arena *a, const struct send_head *h, const struct track *letter,
               struct slice site, struct compose *c);
