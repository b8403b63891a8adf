/* simulator.c - which addresses are the simulator's (simulator.h). */
#include "simulator.h"

#include "send_i.h"

const char *simulated_word(enum simulated w)
{
    static const char *const words[] = {"nobody",
#define X(name, word) word,
                                        SIMULATED(X)
#undef X
    };
    return w < SIMULATED_COUNT ? words[w] : "";
}

bool simulator_is(struct slice hostname, struct slice local, struct slice domain, enum simulated *what)
{
    static const struct slice front = SL_INIT("simulator.");
    *what = SIMULATED_NOBODY;
    if (domain.n != front.n + hostname.n || !sl_eqi(sl_sub(domain, 0, front.n), front) ||
        !sl_eqi(sl_from(domain, front.n), hostname))
        return false;
    size_t plus = sl_chr(local, '+');
    local = sl_sub(local, 0, plus == SL_NONE ? local.n : plus);
    for (int w = 1; w < SIMULATED_COUNT; w++)
        if (sl_eqi(local, sl_cstr(simulated_word((enum simulated)w)))) *what = (enum simulated)w;
    return true;
}

bool simulator_is_address(struct sends *s, struct slice address, enum simulated *what)
{
    size_t at = sl_rchr(address, '@');
    *what = SIMULATED_NOBODY;
    return at != SL_NONE && simulator_is(s->hostname, sl_sub(address, 0, at), sl_from(address, at + 1), what);
}
