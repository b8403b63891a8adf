/* config_judge.h - what tram.conf says line by line as it should, and cannot work, or not as it seems. */
#pragma once
#include "config.h"

struct config_finding {
    bool wrong; /* it can never work; else it may be meant so */
    struct slice sentence;
};
enum { CONFIG_FINDINGS_MAX = 64 };
/* How many. In the arena. Pure. */
size_t config_judge(const struct config *c, struct arena *a, struct config_finding out[CONFIG_FINDINGS_MAX]);
