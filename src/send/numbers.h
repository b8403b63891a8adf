/* numbers.h - what became of an account's recipients, counted by day: of all, and by API key, campaign,
 * category, domain written to and server that answered.
 *
 * Counted from the events of the account, each once: the place in them moves in the transaction that counts.
 * Object m:ACCOUNT. Days are of UTC; an event counts on its own day. Kept for NUMBERS_KEEP_DAYS. */
#pragma once
#include "event.h"
#include "shape/reply.h"

#define NUMBERS(X)                                                                                           \
    X(ACCEPTED, "accepted")   /* recipients of sends that were taken */                                      \
    X(PROCESSED, "processed") /* whose letters came into the queue */                                        \
    X(DELIVERED, "delivered")                                                                                \
    X(DEFERRED, "deferred") /* attempts that are to be repeated */                                           \
    X(BOUNCED, "bounced")                                                                                    \
    X(LATE, "late_bounces")                                                                                  \
    X(DROPPED, "dropped")                                                                                    \
    X(FAILED, "failed") /* their letters cannot be made */                                                   \
    X(COMPLAINTS, "complaints")                                                                              \
    X(UNSUBSCRIBED, "unsubscribed")                                                                          \
    X(OPENS, "opens")                                                                                        \
    X(OPENED, "unique_opens") /* recipients who opened their letter */                                       \
    X(CLICKS, "clicks")                                                                                      \
    X(CLICKED, "unique_clicks")                                                                              \
    X(MACHINE, "by_machines") /* opens and clicks that are among these, and were no person */
enum number {
#define X(name, word) NUMBER_##name,
    NUMBERS(X)
#undef X
        NUMBER_COUNT
};
const char *number_word(enum number n);

/* By what they are told apart. One that has more than NUMBERS_NAMES_MAX names on a day counts the others
 * together, under the empty name. */
#define NUMBERS_BY(X)                                                                                        \
    X(ALL, 't', "")                                                                                          \
    X(KEY, 'k', "key")                                                                                       \
    X(CAMPAIGN, 'g', "campaign")                                                                             \
    X(CATEGORY, 'c', "category")                                                                             \
    X(DOMAIN, 'd', "domain") /* of the recipient */                                                          \
    X(SITE, 's', "site")     /* the organization of the server that answered; "local" here */
enum numbers_by {
#define X(name, letter, word) NUMBERS_BY_##name,
    NUMBERS_BY(X)
#undef X
        NUMBERS_BY_COUNT
};
bool numbers_by_named(struct slice word, enum numbers_by *out);

enum {
    NUMBERS_NAMES_MAX = 500,  /* of one kind, an account and a day */
    NUMBERS_KEEP_DAYS = 400,  /* */
    NUMBERS_ROWS_MAX = 5000,  /* of one answer */
    NUMBERS_BUCKETS = 30 * 4, /* times to delivery: four for each doubling, from a millisecond on */
};
struct numbers {
    uint64_t n[NUMBER_COUNT];
    uint64_t bounced[REPLY_NCLASSES]; /* bounces, late ones too, by class */
    uint64_t dropped[SEND_OUT_COUNT]; /* by reason */
    uint64_t took[NUMBERS_BUCKETS];   /* deliveries by how long they took */
    uint64_t received;                /* letters that came in and were handed to a URL (inbound.h) */
};
void numbers_add(struct numbers *to, const struct numbers *more);
/* Milliseconds within which the share `of` (0 to 1) of the deliveries came, within a tenth of the truth; 0:
 * there are none. */
uint64_t numbers_within(const struct numbers *n, double of);
uint64_t numbers_bucket_ms(size_t bucket); /* the longest time that belongs into it */

enum numbers_each { NUMBERS_DAY, NUMBERS_WEEK, NUMBERS_MONTH, NUMBERS_WHOLE, NUMBERS_EACH };
bool numbers_each_named(struct slice word, enum numbers_each *out); /* "day", "week", "month", "all" */

struct numbers_ask {
    struct slice account; /* its id */
    enum numbers_by by;
    struct slice name;      /* only this one; or empty */
    int64_t from, to;       /* days since 1970, both belong to it */
    enum numbers_each each; /* what is added up; weeks begin on Monday, the first period with `from` */
};
struct numbers_row {
    int64_t day; /* the first of its period; those of which nothing is known are missing */
    struct slice name;
    struct numbers n;
};
/* The first day of the period to which a day belongs. */
int64_t numbers_period(const struct numbers_ask *ask, int64_t day);
/* What is durable counts, and nothing twice. By day, then by name; in a. ERR_LIMIT with a sentence: more than
 * NUMBERS_ROWS_MAX rows. SUSPENDS. */
MUST_CHECK int numbers_table(struct sends *s, const struct numbers_ask *ask, struct arena *a,
                             struct numbers_row **out, size_t *n);
/* Names that are known of the days, in order of bytes; limits as above. SUSPENDS. */
MUST_CHECK int numbers_names(struct sends *s, const struct numbers_ask *ask, struct arena *a,
                             struct slice **out, size_t *n);
/* "2026-11-30" and back. False: it is no day. */
struct slice numbers_day_text(int64_t day, struct arena *a);
bool numbers_day_named(struct slice text, int64_t *day);
/* "from" and "to" of an ask: what is empty is the last 30 days, and today. ERR_USAGE with a sentence. */
MUST_CHECK int numbers_days(struct numbers_ask *ask, struct slice from, struct slice to);

/* A letter that came in was handed to a URL of the account; a program that ends in between does not count it.
 * SUSPENDS. */
MUST_CHECK int numbers_received(struct sends *s, struct slice account);

/* All accounts, since the node started. */
void numbers_node(struct sends *s, struct numbers *out);
/* Forgets what is old. SUSPENDS. */
MUST_CHECK int numbers_care(struct sends *s);
