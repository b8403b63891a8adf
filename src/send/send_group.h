/* send_group.h - unsubscribe groups of an account: what a recipient leaves when he leaves one kind of its
 * mail. Object y:ACCOUNT. All functions SUSPEND. */
#pragma once
#include "send.h"

enum { SEND_GROUPS_MAX = 200, SEND_GROUP_NAME_MAX = 100, SEND_GROUP_WORDS_MAX = 300 };

struct send_group {
    uint32_t id; /* from 1 */
    struct slice name, description;
    bool is_default;
    bool damaged; /* of send_group_list(): its row cannot be read, only its id is known */
};
/* Writes it; id 0: a new one, whose id is then told. ERR_SYNTAX, ERR_LIMIT, ERR_NOT_FOUND: no group of that
 * id. */
MUST_CHECK int send_group_put(struct sends *s, struct slice account, struct send_group *g);
/* edit() gets it as it is and changes it; *out, in a: what it is then. What edit() returns, or as above. */
typedef int send_group_edit(void *arg, struct send_group *g);
MUST_CHECK int send_group_change(struct sends *s, struct slice account, uint32_t id, send_group_edit *edit,
                                 void *arg, struct arena *a, struct send_group *out);
MUST_CHECK int send_group_get(struct sends *s, struct slice account, uint32_t id, struct arena *a,
                              struct send_group *out);
MUST_CHECK int send_group_remove(struct sends *s, struct slice account, uint32_t id);
/* All of them by their ids, in a; a damaged row hides no other. */
MUST_CHECK int send_group_list(struct sends *s, struct slice account, struct arena *a,
                               struct send_group **out, size_t *n);
