/* upgrade.h - which program wrote the store, the store as it was before another one opened it for the first
 * time, and the way back.
 *
 * store/written-by names the newest program that has opened the store. Before a newer one opens it, it makes
 * the folder store/before, of links where files never change: what the program before would find. */
#pragma once
#include "base/slice.h"

struct arena;

#define TRAM_VERSION "0.2"

struct program {
    char version[32];
    uint64_t format, reads; /* the store's format that it writes; the oldest that it reads */
};
extern const struct program this_program;
/* Is a newer than b? Versions are compared number by number. */
bool program_newer(const struct program *a, const struct program *b);
/* What a program says of itself: found in the bytes of its file, which is not run. ERR_NOT_FOUND: it says
 * nothing, so it is no Tram, or one older than 0.2. */
MUST_CHECK int program_of_bytes(struct slice bytes, struct program *out);

/* Who wrote the store of this home. ERR_NOT_FOUND: nothing says it. BLOCKS. */
MUST_CHECK int home_written_by(struct program *out);
/* ERR_STATE: a rollback was cut off, so the index is not whose the store says; it has to be ended. BLOCKS. */
MUST_CHECK int home_rollback_ended(void);
/* Before the index is opened: ERR_VERSION when a newer program wrote it that this one cannot read; the
 * snapshot when an older one did. BLOCKS. */
MUST_CHECK int home_before_open(void);
/* A store that this program has made itself. BLOCKS. */
MUST_CHECK int home_sign(void);

struct home_snapshot {
    struct program by; /* the program that had written it */
    int64_t when;
};
enum { SNAPSHOT_DAYS = 14 };
/* Puts the index of the snapshot in place; *aside, in the arena: where the present one lies then. Letters
 * that came since stay among the bodies, and none is swept until `verify --close-loss`. Nobody may have the
 * store open. What was cut off is continued when it is called again. ERR_NOT_FOUND when there is none.
 * BLOCKS.
 */
MUST_CHECK int home_rollback(struct arena *a, struct home_snapshot *what, struct slice *aside);
/* Removes it, after SNAPSHOT_DAYS (as of now) or at once. *was: there was one. BLOCKS. */
MUST_CHECK int home_snapshot_forget(bool at_once, bool *was);
