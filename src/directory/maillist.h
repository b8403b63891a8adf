/* maillist.h - distribution lists: an address of a domain that stands for members, here or elsewhere. The
 * list is a row of its domain's object, each member another one. What is sent to a list is distributed by
 * deliver/list.c; who may send to it is judged by intake/list.c.
 *
 * A list NAME@DOMAIN has three names more: NAME-leave (who writes there is a member no more), NAME-owner and
 * NAME-request (the owner), NAME-bounces (the owner: the return path of what is distributed). Addresses come
 * in as in directory.h. All functions SUSPEND unless said otherwise. */
#pragma once
#include "directory.h"
#include "trace/letter_id.h"

enum {
    MAILLIST_MEMBERS_MAX = LIMIT_LETTER_RCPTS, /* what is distributed is one letter */
    MAILLIST_BYTES_MAX = 390000,               /* of all its members' addresses, for the same reason */
    MAILLIST_SENDERS_MAX = 500,                /* who may write to it, by name */
    MAILLIST_CHANGE_MAX = 10000,               /* members of one change */
    MAILLIST_NAME_MAX = 100,                   /* bytes of what it is called */
    MAILLIST_LOCAL_MAX = LIMIT_LOCAL_PART - 8, /* "-bounces" and "-request" follow it */
    MAILLIST_HOURLY = 60,                      /* letters an hour that are distributed, unless it is set */
    MAILLIST_HOURLY_MAX = 1000000,
};
/* A route to a list has this and the list's id for an account: what is to be distributed, and who leaves. */
#define MAILLIST_POST "~l"
#define MAILLIST_LEAVE "~m"
static inline bool maillist_is_post(const char *account) { return account[0] == '~' && account[1] == 'l'; }
static inline bool maillist_is_leave(const char *account) { return account[0] == '~' && account[1] == 'm'; }
static inline bool maillist_is(const char *account)
{
    return maillist_is_post(account) || maillist_is_leave(account);
}

enum maillist_post { MAILLIST_BY_MEMBERS, MAILLIST_BY_SENDERS, MAILLIST_BY_ANYONE }; /* who may write to it */
/* When From becomes the list's own address: when the author's domain wants letters refused or quarantined
 * (DMARC) that nothing vouches for, and ... */
enum maillist_from {
    MAILLIST_FROM_UNVOUCHED, /* none of its signatures is good behind us */
    MAILLIST_FROM_STRICT,    /* in any case */
    MAILLIST_FROM_KEPT,      /* never */
};
struct maillist {
    char id[LETTER_ID_LEN + 1]; /* never used again */
    struct slice address, local, domain;
    struct slice name;  /* for people, in UTF-8; or empty */
    struct slice owner; /* who gets what comes back, and letters to NAME-owner */
    enum maillist_post post;
    enum maillist_from from;
    struct slice *sender; /* who may write to it besides its members, or, with MAILLIST_BY_SENDERS, alone */
    size_t nsenders;
    uint32_t hourly;     /* letters that are distributed an hour */
    int64_t created;     /* unix seconds */
    uint64_t members;    /* how many there are, */
    uint64_t bytes;      /* and the bytes of their addresses */
    struct slice damage; /* of maillist_each(): why its row cannot be read, or empty */
};

/* address, owner, name, post, from, hourly, senders as given; the rest is new. ERR_EXISTS: an account, an
 * alias or a list has one of the four names. ERR_SYNTAX, ERR_NOT_FOUND (domain), ERR_LIMIT, ERR_USAGE. */
MUST_CHECK int maillist_add(struct directory *dir, const struct maillist *what);
enum {
    MAILLIST_SET_NAME = 1,
    MAILLIST_SET_OWNER = 2,
    MAILLIST_SET_POST = 4,
    MAILLIST_SET_FROM = 8,
    MAILLIST_SET_HOURLY = 16,
    MAILLIST_SET_SENDERS = 32, /* in place of those there are */
};
/* Changes what these bits name to what stands in `what`. ERR_NOT_FOUND. */
MUST_CHECK int maillist_set(struct directory *dir, const struct maillist *what, unsigned bits);
MUST_CHECK int maillist_remove(struct directory *dir, struct slice address); /* with its members */
MUST_CHECK int maillist_get(struct directory *dir, struct arena *a, struct slice address,
                            struct maillist *out);
/* As account_each(). */
MUST_CHECK int maillist_each(struct directory *dir, struct slice domain,
                             int (*each)(void *arg, struct maillist *l), void *arg);

struct maillist_member {
    struct slice address; /* empty: its row cannot be read, */
    struct slice key;     /* which has this key */
    int64_t since;
};
/* All or none of them; *changed: how many were not (add), or were (remove) there before. ERR_LIMIT with a
 * sentence, ERR_USAGE: a list is no member of a list. */
MUST_CHECK int maillist_members_add(struct directory *dir, struct slice list, const struct slice *address,
                                    size_t n, size_t *changed);
MUST_CHECK int maillist_members_remove(struct directory *dir, struct slice list, const struct slice *address,
                                       size_t n, size_t *changed);
/* All of them, in no order that says anything; damaged rows too. */
MUST_CHECK int maillist_members(struct directory *dir, struct arena *a, const struct maillist *l,
                                struct maillist_member **out, size_t *n);
MUST_CHECK int maillist_has(struct directory *dir, const struct maillist *l, struct slice address, bool *yes);
/* Is the address one of those that may write to it? Does not suspend. */
bool maillist_names_sender(const struct maillist *l, struct slice address);

/* RFC 2919: what stands between the <> of its List-Id. Does not suspend. */
struct slice maillist_list_id(struct arena *a, const struct maillist *l);
