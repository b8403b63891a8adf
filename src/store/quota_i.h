/* quota_i.h - the row of a limit of a tree. */
#pragma once
#include "mailbox_i.h"
#include "quota.h"

struct quota_tree_row {
    struct quota_tree t; /* the name points into the value */
    unsigned warned;     /* as in the account's row */
};
struct slice quota_tree_key(struct slice name, char room[KEY_ROOM]);
MUST_CHECK int quota_tree_get(struct slice value, struct quota_tree_row *out); /* ERR_CORRUPT */
/* modseq: of the account, should a mark be passed. */
void quota_tree_put(struct kv_tx *tx, uint64_t modseq, const struct quota_tree_row *r);
