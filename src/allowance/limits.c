/* limits.c - which limits bind, and how a limit is told. */
#include "allowance_i.h"
#include "base/civil.h"

struct sender_limits allowance_limits(const struct allowance *a, const struct sender_limits *own)
{
    struct sender_limits l = *own;
    bool sends = own->v[SENDER_RCPTS_DAY] == SENDER_UNLIMITED;
    for (int k = 0; k < SENDER_LIMITS; k++)
        if (l.v[k] == SENDER_UNSET) l.v[k] = sends ? SENDER_UNLIMITED : a->defaults.v[k];
    return l;
}

bool allowance_counts_fresh(const struct allowance *a, const struct allowance_of *who)
{
    int64_t key = who->key.n ? who->key_limits.v[SENDER_FRESH_DAY] : SENDER_UNLIMITED;
    return allowance_limits(a, &who->limits).v[SENDER_FRESH_DAY] < SENDER_UNLIMITED ||
           (key != SENDER_UNSET && key < SENDER_UNLIMITED);
}

static const char *const words[] = {
#define X(name, text) text,
    SENDER_LIMITS_OF(X)
#undef X
};

int allowance_say(const struct allowance_end *end, int64_t limit)
{
    char when[CIVIL_TEXT_MAX];
    const char *whose = end->of_key ? " of this password or key" : "";
    if (end->which == SENDER_RCPTS_LETTER)
        return err_set(ERR_LIMIT, "One letter can have %lld recipients; send another one to the others",
                       (long long)limit);
    if (!end->until)
        return err_set(ERR_LIMIT, "That is above the limit%s: %lld %s", whose, (long long)limit,
                       words[end->which]);
    return err_set(ERR_LIMIT, "The limit%s is reached: %lld %s; more can be sent from %s on", whose,
                   (long long)limit, words[end->which], civil_format(end->until, when));
}
