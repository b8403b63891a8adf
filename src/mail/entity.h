/* entity.h - character references of HTML, the common ones. Pure. */
#pragma once
#include "base/slice.h"

enum { HTML_ENTITY_MAX = 10 };

/* The code point that stands for &name; ("amp", "#233", "#xe9"), case as written; 0: none that we know.
 * Blanks that show nothing are blanks. */
uint32_t html_entity(struct slice name);
