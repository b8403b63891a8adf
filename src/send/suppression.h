/* suppression.h - who gets nothing from an account, why, and until when: one store for bounces, complaints,
 * unsubscriptions and what is entered by hand.
 *
 * Compared is the local part in lower case with the domain in A-labels; letters go to the spelling that was
 * given. It is asked when a send is taken and again before each attempt, so an entry acts on every attempt
 * that begins after it is durable. An address whose row is damaged gets nothing, by an entry that says so and
 * is taken away as others are. Object x:ACCOUNT. */
#pragma once
#include "send.h"

enum {
    SUPPRESSION_BOUNCED_S = 180 * 86400, /* a mailbox may be opened again; so long a doubt is remembered */
    SUPPRESSION_DOUBT_S = 86400,         /* what is said twice within a day is said once */
    SUPPRESSION_ENTRIES_MAX = 200,       /* of one address: its reasons and the groups it left */
    SUPPRESSION_EVIDENCE_MAX = 300
};

struct suppression_entry {
    struct slice address; /* as it was entered, in canonical form; empty: forgotten, and still suppressed */
    enum send_reason reason;
    uint32_t group;         /* of SEND_OUT_LEFT_GROUP */
    int64_t since, expires; /* unix seconds; expires 0: never */
    struct slice evidence;  /* a sentence: the reply, the report, who entered it */
    struct slice letter;    /* id of the letter it came from, or empty */
};
/* What follows from a reply whose verdict does not keep the address: reason, and until when; since is given.
 */
struct reply_verdict;
void suppression_by_reply(const struct reply_verdict *v, struct suppression_entry *e);
/* Adds the entry; one of the same reason (and group) is replaced. The address is any spelling. ERR_SYNTAX,
 * ERR_LIMIT. SUSPENDS. */
MUST_CHECK int suppression_add(struct sends *s, struct slice account, const struct suppression_entry *e);
/* The same; when there is no such entry yet the event is told in the same transaction. *fresh: it was. */
struct event;
MUST_CHECK int suppression_add_told(struct sends *s, struct slice account, const struct suppression_entry *e,
                                    const struct event *told, bool *fresh);
/* The same of a refusal that leaves a doubt whether it means this recipient: the first is noted and
 * suppresses nobody; the entry is added when another letter is refused so too, a day or more later and within
 * 180 days, and none came through meanwhile. late: a report says so of a letter that had been taken.
 * SUSPENDS. */
MUST_CHECK int suppression_add_doubted(struct sends *s, struct slice account,
                                       const struct suppression_entry *e, bool late);
/* A letter came through: of what refused one at once no doubt is left (a late report may follow this one, as
 * well). SUSPENDS. */
MUST_CHECK int suppression_came_through(struct sends *s, struct slice account, struct slice address);
/* Takes entries of that reason (and group) away; SEND_OUT_NONE: all. *n: how many. SUSPENDS. */
MUST_CHECK int suppression_remove(struct sends *s, struct slice account, struct slice address,
                                  enum send_reason reason, uint32_t group, size_t *n);
/* Takes the entry of that address, reason and group away; when there was one the event is told in the same
 * transaction. SUSPENDS. */
MUST_CHECK int suppression_remove_told(struct sends *s, struct slice account,
                                       const struct suppression_entry *e, const struct event *told);
/* The address itself is forgotten, what suppresses it stays. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int suppression_forget(struct sends *s, struct slice account, struct slice address);
/* May something be sent to this address, of this stream, under this group (0: none), with these SEND_BYPASS_
 * options? *out: SEND_OUT_NONE, or why not. ERR_SYNTAX: it is no address. SUSPENDS. */
struct suppression_ask {
    struct slice account, address;
    enum stream stream;
    uint32_t group;
    unsigned options;
};
MUST_CHECK int suppression_judge(struct sends *s, const struct suppression_ask *ask, enum send_reason *out);
/* Every entry, those of one address together, from behind `after` (a place that each() was given, or empty).
 * each()'s non-zero value ends the walk and is returned; entries that have expired are left out. SUSPENDS. */
typedef int suppression_each_fn(void *arg, const struct suppression_entry *e, struct slice place);
MUST_CHECK int suppression_each(struct sends *s, struct slice account, struct slice after,
                                suppression_each_fn *each, void *arg);
/* Entries of one address, in a. SUSPENDS. */
MUST_CHECK int suppression_get(struct sends *s, struct slice account, struct slice address, struct arena *a,
                               struct suppression_entry **out, size_t *n);
