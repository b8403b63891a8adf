/* api.h - what the HTTP server of a node does: its routes, over its core. */
#pragma once
#include "base/slice.h"

struct core;
struct http_group;

struct api; /* usable from every loop */
void api_open(struct api **out, struct core *core);
void api_close(struct api **x);
const struct http_group *const *api_groups(const struct api *x, size_t *n);
