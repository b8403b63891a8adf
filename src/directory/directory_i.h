/* directory_i.h - shared by the files of this folder only. */
#pragma once
#include "base/map.h"
#include "directory.h"
#include "maillist.h"
#include "rt/rt.h"

/* directory.c */
/* A local part as a key: what is not [a-z0-9.+_-] as %XX. */
struct slice local_key(struct arena *a, char kind, struct slice local);
struct slice local_from_key(struct arena *a, struct slice key);
struct slice domain_object(struct arena *a, struct slice domain); /* of domain_name() */
/* The same as address_split() for an address that must be here: local as local_name() has it. ERR_NOT_FOUND:
 * the domain is not here. */
MUST_CHECK int address_split_here(struct directory *dir, struct arena *a, struct slice address,
                                  struct slice *local, struct slice *domain);
/* Runs fn on a domain's object: what it changes it reads there, not before. ERR_NOT_FOUND with the
 * sentence when the domain is gone. Callers then drop what they remember (directory_generation). */
MUST_CHECK int directory_transact(struct directory *dir, struct slice domain, kv_fn *fn, void *arg);
MUST_CHECK int directory_delete(struct directory *dir, struct slice domain,
                                struct slice key);              /* ERR_NOT_FOUND */
MUST_CHECK int domain_tx(struct kv_tx *tx, struct domain *out); /* the row of the domain at hand */
void domain_tx_put(struct kv_tx *tx, const struct domain *d);
MUST_CHECK int domain_parse(struct slice row, struct domain *out);
void directory_changed(struct directory *dir);
/* Numbers of changes, and what the one with this number left: whoever waited for an earlier transaction may
 * come later. */
uint64_t directory_next_turn(struct directory *dir);
void directory_remember(struct directory *dir, struct slice domain, bool here, uint64_t turn);

MUST_CHECK int alias_parse(struct arena *a, struct slice value, struct alias *out);
MUST_CHECK int domain_admin_parse(struct slice row, struct slice *address);
MUST_CHECK int dkim_key_parse(struct slice value, struct dkim_key *out);
struct slice row_damage(struct arena *a, int e);

/* account.c */
MUST_CHECK int account_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                             struct account *out);
/* account_life.c: erases what is left of removed accounts, and of those whose making was cut off. */
MUST_CHECK int accounts_finish(struct directory *dir, struct slice domain);
/* One account's row read, changed by change() and written, in one transaction. */
struct account_change {
    int (*change)(
        struct account_change *c); /* changes acc; may run again: it touches nothing else of c but
                                    * missing, and what arg points to only where it says what came of it */
    void *arg;
    bool missing;    /* ERR_NOT_FOUND of change() is about something else than the account */
    struct arena *a; /* of the following, which account_change() fills */
    struct slice local, key;
    struct account acc;
};
MUST_CHECK int account_change(struct directory *dir, struct slice address, struct account_change *c);
/* Makes the account of a person elsewhere, with this id. As account_add(). */
MUST_CHECK int account_add_elsewhere(struct directory *dir, struct slice address, struct slice id);
/* A row e:ID: which account is that person's. */
struct slice elsewhere_key(struct arena *a, struct slice id);
MUST_CHECK int elsewhere_parse(struct slice row, struct slice *local);
struct password_keys {
    struct scram_keys keys, old; /* as those of struct account */
};
/* The keys of a password with the salt and count of others. ERR_SYNTAX. SUSPENDS (offload). */
MUST_CHECK int password_keys_like(struct directory *dir, struct slice password, const struct scram_keys *like,
                                  struct password_keys *out);
/* rights.c: fields of an account's row */
void sender_limits_put(struct buf *b, const struct sender_limits *l);
struct rec;
void sender_limits_take(struct rec *r, struct sender_limits *out); /* the field at hand, if it is a limit */
/* Keys of SCRAM-SHA-1, in the record of who has them; false: they are damaged. */
void old_keys_put(struct buf *b, const uint8_t *stored_key, const uint8_t *server_key);
MUST_CHECK bool old_keys_take(struct slice field, uint8_t *stored_key, uint8_t *server_key);
void app_password_put(struct buf *b, const struct app_password *p);
MUST_CHECK int app_password_take(struct arena *a, struct slice field, struct account *out); /* ERR_CORRUPT */
void grant_take(struct arena *a, struct slice field,
                struct account *out); /* there are less than GRANTS_MAX */
/* alias.c; local and domain as local_name() and domain_name() have them. ERR_NOT_FOUND. */
MUST_CHECK int alias_get(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                         struct alias *out);
bool alias_has(const struct alias *x, struct slice target);
/* renamed: as in struct alias. */
void alias_record(struct buf *b, const struct slice *target, size_t n, struct slice renamed);
/* An address as an alias keeps it. */
MUST_CHECK int alias_target(struct directory *dir, struct arena *a, struct slice address, struct slice *out);
/* maillist.c; local and domain as local_name() and domain_name() have them. */
enum maillist_role { MAILLIST_ITSELF, MAILLIST_OWNER, MAILLIST_LEAVES };
enum { MAILLIST_NAMES = 4 }; /* that follow from a list's */
/* maillist_name.c: is it the i-th name that follows from a list's? *base: that one. */
bool maillist_base(struct slice local, size_t i, struct slice *base, enum maillist_role *role);
/* The list that has the name, or one that follows from a list's. ERR_NOT_FOUND. */
MUST_CHECK int maillist_named(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                              struct maillist *out, enum maillist_role *role);
/* Within a transaction: ERR_STATE when such a list has the name. */
MUST_CHECK int maillist_tx_free(struct kv_tx *tx, struct arena *a, struct slice local);
/* ERR_EXISTS, ERR_STATE: somebody has one of the names that a new list would have. */
MUST_CHECK int maillist_tx_new(struct kv_tx *tx, struct arena *a, struct slice local);
MUST_CHECK int maillist_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                              struct maillist *out);
MUST_CHECK int maillist_member_parse(struct slice value, struct maillist_member *out);
/* dkim_keys.c */
MUST_CHECK int dkim_keys_make(struct arena *a, struct dkim_key pair[2]);
void dkim_key_put(struct kv_tx *tx, const struct dkim_key *k);

struct directory {
    struct kv *kv;
    struct account_home home;
    struct lock lock;
    bool keep_sha1;
    struct people *people; /* or NULL */
    bool told_id;          /* elsewhere.c: that ldap_id is another now, and somebody is not found */
    struct map domains;    /* name -> twice the turn of its last change, + 1 when it is here */
    uint64_t turn, generation;
    char *first; /* resolve.c: the node's first account, as of the generation first_at */
    uint64_t first_at;
};

/* Calls each() for the rows of a kind ('a', 'l') of a domain, empty: of all, page by page; the arena and what
 * it is given last for the call. What it returns, unless 0, ends the walk and is returned. SUSPENDS. */
typedef int directory_row_fn(void *arg, struct arena *a, struct slice domain, const struct kv_row *row);
MUST_CHECK int directory_each(struct directory *dir, struct slice domain, char kind, directory_row_fn *each,
                              void *arg);
