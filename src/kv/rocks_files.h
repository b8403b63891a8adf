/* rocks_files.h - looking at the files of a RocksDB folder before RocksDB does, because it passes
 * over some damage in silence: it takes damage in a log for the log's end, a length that is wrong in the
 * last block of a MANIFEST for the end of that, and a folder without CURRENT for a new one. */
#pragma once
#include "base/err.h"

enum { ROCKS_WHAT_MAX = 200 };

/* Damage in the middle of a write-ahead log. */
struct rocks_damage {
    char what[ROCKS_WHAT_MAX]; /* file, place, and what stands behind it, in words */
};

/* Looks at CURRENT, the MANIFEST and the logs whose number is at least `needed` (the others hold only
 * what has got to table files). 1: a log is damaged in its middle, see *out. 0: nothing but, perhaps, a torn
 * tail is wrong. ERR_CORRUPT: something else is damaged; ERR_IO. A folder that is empty or not there is
 * whole. BLOCKS. */
MUST_CHECK int rocks_files_look(const char *dir, uint64_t needed, struct rocks_damage *out);
