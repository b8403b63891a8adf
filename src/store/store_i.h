/* store_i.h - shared by the files of this folder only. */
#pragma once
#include "base/map.h"
#include "directory.h"
#include "store.h"

/* Keys are made several times for each delivery: by hand, for printf is ten times slower. The last
 * `digits` hex digits of n; returns how many bytes that are. */
static inline size_t put_hex(char *p, uint64_t n, int digits)
{
    for (int i = digits; i-- > 0; n >>= 4) p[i] = "0123456789abcdef"[n & 15];
    return (size_t)digits;
}

/* directory.c */
MUST_CHECK int directory_open(struct store *s);
void directory_close(struct store *s);

/* A local part as a key: what is not [a-z0-9.+_-] as %XX. */
struct slice local_key(struct arena *a, char kind, struct slice local);
struct slice local_from_key(struct arena *a, struct slice key);
struct slice domain_object(struct arena *a, struct slice domain); /* of domain_name() */
/* How names are compared, applied once where they come in. A domain: A-labels, lower case, no
 * final dot; ERR_SYNTAX. A local part of ours: lower case, NFC (as RFC 8265 section 3.3 has it). */
MUST_CHECK int domain_name(struct arena *a, struct slice name, struct slice *out);
struct slice local_name(struct arena *a, struct slice local);
/* "local@domain" split: the local part as written, for elsewhere it is not ours to judge (RFC 5321
 * section 2.4), the domain as domain_name() has it; ERR_SYNTAX with the sentence. */
MUST_CHECK int address_split(struct arena *a, struct slice address, struct slice *local,
                             struct slice *domain);
/* The same for an address that must be here: local as local_name() has it. ERR_NOT_FOUND: the domain
 * is not here. */
MUST_CHECK int address_split_here(struct store *s, struct arena *a, struct slice address, struct slice *local,
                                  struct slice *domain);
int domain_not_here(struct slice domain); /* ERR_NOT_FOUND with the sentence */
/* Runs fn on a domain's object: what it changes it reads there, not before. ERR_NOT_FOUND with the
 * sentence when the domain is gone. Callers then drop what they remember (directory_generation). */
MUST_CHECK int directory_transact(struct store *s, struct slice domain, kv_fn *fn, void *arg);
MUST_CHECK int directory_delete(struct store *s, struct slice domain, struct slice key); /* ERR_NOT_FOUND */
MUST_CHECK int tx_domain(struct kv_tx *tx, struct domain *out); /* the row of the domain at hand */
void tx_domain_put(struct kv_tx *tx, const struct domain *d);
void directory_changed(struct store *s);
/* Domains here right now: names copied into the arena. Does not suspend. */
void directory_domains(struct store *s, struct arena *a, struct slice **names, size_t *n);

MUST_CHECK int alias_parse(struct arena *a, struct slice value, struct alias *out);
MUST_CHECK int dkim_key_parse(struct slice value, struct dkim_key *out);
/* Of one row: the list goes on, and shows it with these words. */
bool row_is_unreadable(int e);
struct slice row_damage(struct arena *a, int e);
/* A row of a domain's object as those who use it would read it. ERR_CORRUPT. */
MUST_CHECK int directory_row_check(struct arena *a, struct slice key, struct slice value);

/* account.c */
MUST_CHECK int account_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                             struct account *out);
/* local and domain as local_name() and domain_name() have them. ERR_NOT_FOUND. */
MUST_CHECK int account_read(struct store *s, struct arena *a, struct slice local, struct slice domain,
                            struct account *out);
/* Erases what is left of removed accounts, and of those whose making was cut off. */
MUST_CHECK int accounts_finish(struct store *s, struct slice domain);
/* mailbox.c: the object of a new account, with its mailboxes and a mark. ERR_EXISTS: there is one. */
MUST_CHECK int account_make(struct store *s, const char *acc, struct slice mark);
MUST_CHECK int account_made_as(struct store *s, const char *acc, struct slice mark, bool *yes);
/* alias.c; local and domain as local_name() and domain_name() have them. ERR_NOT_FOUND. */
MUST_CHECK int alias_get(struct store *s, struct arena *a, struct slice local, struct slice domain,
                         struct alias *out);
bool alias_has(const struct alias *x, struct slice target);
/* An address as an alias keeps it. */
MUST_CHECK int alias_target(struct store *s, struct arena *a, struct slice address, struct slice *out);
/* dkim_keys.c */
MUST_CHECK int dkim_keys_make(struct arena *a, struct dkim_key pair[2]);
void dkim_key_put(struct kv_tx *tx, const struct dkim_key *k);
/* login.c */
enum { LOGIN_ITERATIONS = 20000 };
void authority_notify(struct store *s, const char *acc);
struct login_memory;
MUST_CHECK int login_memory_open(struct store *s);
void login_memory_free(struct login_memory **m);

struct directory {
    struct lock lock;
    struct map domains; /* name -> twice the turn of its last change, + 1 when it is here */
    uint64_t turn, generation;
    char *first; /* resolve.c: the node's first account, as of the generation first_at */
    uint64_t first_at;
    struct login_memory *logins;
};

/* trace.c */
MUST_CHECK int trace_row_check(struct arena *a, struct slice key, struct slice value); /* ERR_CORRUPT */
MUST_CHECK int trace_open(struct store *s);
void trace_close(struct store *s);

/* ---- expunged.c ---- */

struct expunged *expunged_new(void);
void expunged_free(struct expunged *e);
