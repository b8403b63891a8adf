/* maillist_name.c - the names that follow from a list's, and who else may have one. */
#include "directory_i.h"

static const struct {
    struct slice suffix;
    enum maillist_role role;
} names[MAILLIST_NAMES] = {{SL_INIT("-bounces"), MAILLIST_OWNER},
                           {SL_INIT("-owner"), MAILLIST_OWNER},
                           {SL_INIT("-request"), MAILLIST_OWNER},
                           {SL_INIT("-leave"), MAILLIST_LEAVES}};

bool maillist_base(struct slice local, size_t i, struct slice *base, enum maillist_role *role)
{
    *role = names[i].role;
    *base = sl_sub(local, 0, local.n - names[i].suffix.n);
    return local.n > names[i].suffix.n && sl_ends(local, names[i].suffix);
}

int maillist_tx_free(struct kv_tx *tx, struct arena *a, struct slice local)
{
    struct slice row, base = local;
    enum maillist_role role;
    int e = kv_tx_get(tx, local_key(a, 'L', local), &row);
    for (size_t i = 0; e == ERR_NOT_FOUND && i < MAILLIST_NAMES; i++)
        if (maillist_base(local, i, &base, &role)) e = kv_tx_get(tx, local_key(a, 'L', base), &row);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    return err_set(ERR_STATE, "the name %.*s belongs to the list %.*s: remove that first", SLF(local),
                   SLF(base));
}

int maillist_tx_new(struct kv_tx *tx, struct arena *a, struct slice local)
{
    static const char kinds[] = {'a', 'l', 'L'};
    struct slice row;
    for (size_t i = 0; i <= MAILLIST_NAMES; i++) {
        struct slice name = i ? ar_cat(a, local, names[i - 1].suffix) : local;
        for (size_t k = 0; k < sizeof kinds; k++) {
            int e = kv_tx_get(tx, local_key(a, kinds[k], name), &row);
            if (e == ERR_NOT_FOUND) continue;
            return e ? e : err_set(ERR_EXISTS, "there is an account, an alias or a list %.*s", SLF(name));
        }
    }
    return maillist_tx_free(tx, a, local);
}
