/* memory.h - what peers make the program hold, counted, against the one budget of the node.
 *
 * Counted are blocks of arenas, growing buffers, buffers and TLS of connections, stacks of fibers: sessions
 * and letters under way. It is asked before a connection and a letter are taken, and after a parse. Any
 * thread. */
#pragma once
#include "arena.h"

enum {
    MEMORY_LETTER = 1 << 20,              /* the largest block of an arena, too */
    MEMORY_MAPPED = MEMORY_LETTER + 4096, /* as much, and more, has a mapping of its own */
};
enum { MEMORY_FAIR = 256 << 10 }; /* what an arena may take while the node is above its budget */

/* What one letter takes and gives back stays with the process for the next: otherwise each would pay for
 * pages that are given back, taken again and cleared by the system. First thing in main(). */
void memory_begin(void);
void memory_count(ptrdiff_t bytes); /* taken, or given back when negative */
size_t memory_used(void);
void memory_set_budget(size_t bytes); /* 0: none */
bool memory_over(void);
/* Has it taken more than it may: its cap, or MEMORY_FAIR while the node is above its budget? */
bool memory_refuses(const struct arena *a);
/* Gives what was freed back to the system when it is worth it. BLOCKS, some ms. */
void memory_give_back(void);
