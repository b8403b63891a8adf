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

/* An address as a key: ASCII lower case, what is not [a-z0-9.+_-] as %XX. */
struct slice local_key(struct arena *a, char kind, struct slice local);
struct slice local_from_key(struct arena *a, struct slice key);
struct slice domain_object(struct arena *a, struct slice domain);
/* "local@domain" in lower case, split; ERR_SYNTAX with the sentence. */
MUST_CHECK int address_split(struct arena *a, struct slice address, struct slice *local, struct slice *domain);
MUST_CHECK int address_split_here(struct store *s, struct arena *a, struct slice address, struct slice *local,
                                  struct slice *domain); /* ERR_NOT_FOUND: the domain is not here */
/* Puts or (record NULL) deletes one row of a domain's object, on condition. */
enum row_must { ROW_ANY, ROW_NEW, ROW_OLD };
MUST_CHECK int directory_put(struct store *s, struct slice object, struct slice key, const struct buf *record,
                             enum row_must must);
void directory_changed(struct store *s);
/* Domains here right now: names copied into the arena. Does not suspend. */
void directory_domains(struct store *s, struct arena *a, struct slice **names, size_t *n);

/* account.c */
MUST_CHECK int account_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                             struct account *out);
MUST_CHECK int accounts_finish_removals(struct store *s);
/* login.c */
struct login_memory;
struct login_memory *login_memory_new(void);
void login_memory_free(struct login_memory **m);

struct directory {
    struct lock lock;
    struct map domains;      /* name -> (void *)1 */
    uint64_t generation;
    struct login_memory *logins;
};

/* trace.c */
MUST_CHECK int trace_open(struct store *s);
void trace_close(struct store *s);
