/* watch.h - the node looked at by itself, for alerts (core/alert.h). */
#pragma once
#include "core/core.h"

/* Queue, disk, certificate, reports of others; slow: also what the DNS shows of each domain. New conditions
 * are told by letter and webhook. SUSPENDS. */
MUST_CHECK int watch_node(struct core *core, bool slow);
