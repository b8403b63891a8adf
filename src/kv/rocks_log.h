/* rocks_log.h - walking the frames of a RocksDB log, to tell damage in its middle from a torn
 * tail. Pure: bytes in, a verdict out.
 *
 * A log file is a row of blocks of 32 KiB. A frame lies within one block: checksum (4 bytes: CRC-32C,
 * masked, of what follows it but the length), length of the payload (2), type (1), with the types for
 * files that are used again the low 32 bits of the log's number (4), payload. What one write makes is a
 * group: one frame FULL, or FIRST, any number of MIDDLE, LAST. Where the rest of a block cannot hold a
 * header it is zeros. In the write-ahead log a group starts with the sequence number of its first row (8)
 * and how many rows it has (4); the next group goes on from there. All little-endian.
 *
 * Each group is synced before the next one is begun. So the end of a log may be torn, in any manner, but
 * only within its last group: where a group begins behind a place that holds none, or numbers are
 * missing, something that was synced is not there any more. What the last whole group of all was
 * cannot be known: damage in it looks like a torn tail. */
#pragma once
#include "base/slice.h"

enum { ROCKS_BLOCK = 32 << 10, ROCKS_GROUP_HEAD = 12 };

enum rocks_log_kind {
    ROCKS_WAL,
    ROCKS_MANIFEST, /* groups without sequence numbers, frames without the number of the log */
};

struct rocks_log {
    enum rocks_log_kind kind;
    uint32_t number; /* of the write-ahead log */

    uint64_t size;          /* walked so far */
    uint64_t groups, whole; /* groups in their places; just behind the last one */
    uint64_t first, next;   /* sequence number of the first row; of the row that must follow */
    bool broken;            /* at `broken_at` lies no group: the end, torn or not, or damage */
    uint64_t broken_at;
    bool damaged; /* proved: at `again_at` a group begins behind it */
    uint64_t again_at;
    uint64_t lost_groups, lost_rows; /* whole ones behind it (rows: of the write-ahead log) */

    bool open; /* a group is under way; private, like what follows */
    uint64_t open_at;
    size_t nhead;
    uint8_t head[ROCKS_GROUP_HEAD];
};

/* The next block of the file: ROCKS_BLOCK bytes, fewer at its end. */
void rocks_log_block(struct rocks_log *w, struct slice block);
