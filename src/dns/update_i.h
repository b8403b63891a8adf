/* update_i.h - messages of the DNS taken apart, and their signatures. Pure. */
#pragma once
#include "base/buf.h"
#include "dns_i.h"
#include "update.h"

enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3 }; /* RFC 1035 section 4.1.1 */
struct message {
    struct slice bytes;
    size_t at;
    unsigned rcode, counts[4], section; /* section: 1 answer, 2 authority, 3 additional */
    bool authoritative, ended;
};
struct message_rr {
    struct wire_name owner;
    unsigned type, class;
    uint32_t ttl;                  /* 0 when it makes no sense (RFC 2181 section 8) */
    size_t start, data_at, data_n; /* within the message */
    bool in_answer;
};
/* Reads the head and passes over the question. ERR_SYNTAX. */
MUST_CHECK int message_open(struct message *m, struct slice bytes);
/* The next record, or m->ended. ERR_SYNTAX. */
MUST_CHECK int message_next(struct message *m, struct message_rr *rr);
/* Its data with whole names in lower case. In the arena. ERR_SYNTAX. */
MUST_CHECK int message_data(const struct message *m, const struct message_rr *rr, struct arena *a,
                            struct slice *out);
/* The zone that the name lies in, by the answer to a question for its SOA; in the arena. *alias: the name is
 * one, and the answer tells of its target. ERR_NOT_FOUND: in none of this server's. ERR_SYNTAX. */
MUST_CHECK int message_zone(struct slice answer, struct slice name, struct arena *a, struct slice *zone,
                            bool *alias);
/* ERR_DENIED, or ERR_BUSY for SERVFAIL, with the server's reason in words (RFC 2136 section 2.2). */
int message_refused(const struct message *m);

/* Adds the signature to a message (RFC 8945 section 4.2); mac: for tsig_check(). now: unix seconds. */
void tsig_sign(struct buf *message, const struct dns_key *key, int64_t now, uint8_t mac[32]);
/* Is the answer to the question of this id and signature, signed by the same key, and of this time (section
 * 5.3)? ERR_DENIED, ERR_SYNTAX. */
MUST_CHECK int tsig_check(struct slice answer, struct slice id, const struct dns_key *key,
                          const uint8_t asked[32], int64_t now);
