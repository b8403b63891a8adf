/* dnslist.h - lists in the DNS of who sends junk and who does not (RFC 5782), with a weight each.
 *
 * Asked are the client's address, its name in HELO, the sender's domain, and hosts that URLs of the body
 * name, each list about what its line says. The weights of the lists that name one of them add up to the
 * score of the letter; those of lists of the good are below zero. A list that does not answer counts nothing.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"
#include "dns/dns.h"

enum {
    DNSLISTS_MAX = 16,
    DNSLIST_ZONE_MAX = 120,
    DNSLIST_WEIGHT_MAX = 100,
    DNSLIST_URLS_MAX = 10, /* hosts of one letter that are asked about */
};
#define DNSLIST_WAIT (5 * RT_S) /* for all answers about one letter's envelope, and about its body */

enum dnslist_about { DNSLIST_ADDRESS = 1, DNSLIST_HELO = 2, DNSLIST_SENDER = 4, DNSLIST_URL = 8 };
struct dnslist {
    char zone[DNSLIST_ZONE_MAX + 1];
    unsigned about; /* bits of enum dnslist_about */
    int weight;
};
struct dnslists {
    struct dnslist v[DNSLISTS_MAX];
    size_t n;
    int refuse; /* from this score on a letter is refused; 0: none is */
    int doubt;  /* from this score on it is doubtful */
};
/* "zen.example.org address 5": a zone, what it is asked about (address, helo, sender, url, with commas
 * between), and its weight, below zero for a list of the good. ERR_SYNTAX, with a sentence. */
MUST_CHECK int dnslist_parse(struct slice text, struct dnslist *out);

struct dnslist_facts {
    struct ip address;
    struct slice helo, sender; /* a host name or literal; a domain in A-labels, or empty */
    const struct slice *url;   /* hosts */
    size_t nurl;
};
struct dnslist_score {
    int score;
    struct buf hits; /* "zen.example.org 5 (192.0.2.1: why)", with "; " between; the owner frees it */
};
/* Asks the lists that are about one of `about` and adds what they say. 0, or ERR_CANCELED. SUSPENDS. */
MUST_CHECK int dnslist_ask(const struct dnslists *l, struct dns *dns, struct arena *a,
                           const struct dnslist_facts *facts, unsigned about, struct dnslist_score *out);
/* The hosts of http and https URLs in a text, each once, in lower case; literals are passed over. How many.
 */
size_t dnslist_hosts(struct arena *a, struct slice text, struct slice out[DNSLIST_URLS_MAX]);
