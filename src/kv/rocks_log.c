/* rocks_log.c - frames and groups of a log, one block after the other (rocks_log.h). */
#include "rocks_log.h"

#include "base/text.h"

enum { PLAIN_HEADER = 7, NUMBERED_HEADER = 11, SEQUENCE_BITS = 56 };
enum { FULL = 1, FIRST, MIDDLE, LAST, NUMBERED = 4 /* added to the type */ };

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

/* Stored checksums are turned and shifted, so that a checksum over bytes with checksums stays good. */
static uint32_t masked(uint32_t sum) { return (sum >> 15 | sum << 17) + 0xa282ead8u; }

struct frame {
    unsigned type; /* FULL to LAST */
    uint32_t number;
    bool numbered;
    const uint8_t *payload;
    size_t n, span;
};

/* What the header says, when that can be; its checksum is not looked at yet. */
static bool frame_parse(const uint8_t *p, size_t n, struct frame *f)
{
    if (n < PLAIN_HEADER || p[6] == 0 || p[6] > LAST + NUMBERED) return false;
    f->numbered = p[6] > LAST;
    size_t header = f->numbered ? NUMBERED_HEADER : PLAIN_HEADER;
    f->n = (size_t)p[4] | (size_t)p[5] << 8;
    f->span = header + f->n;
    if (f->span > n) return false;
    f->type = f->numbered ? p[6] - NUMBERED : p[6];
    f->number = f->numbered ? get32(p + 7) : 0;
    f->payload = p + header;
    return true;
}

static bool frame_whole(const uint8_t *p, const struct frame *f)
{
    return masked(crc32c(0, p + 6, f->span - 6)) == get32(p);
}

/* A frame of another log is what the file held before it was used again. */
static bool of_this_log(const struct rocks_log *w, const struct frame *f)
{
    return !f->numbered || (w->kind == ROCKS_WAL && f->number == w->number);
}

static bool starts_group(const struct frame *f) { return f->type == FULL || f->type == FIRST; }

/* Could a group with this head follow what was seen so far? */
static bool head_can_be(const struct rocks_log *w, const uint8_t head[ROCKS_GROUP_HEAD])
{
    uint64_t sequence = get64(head);
    return sequence >= w->next && sequence >> SEQUENCE_BITS == 0 && get32(head + 8) != 0;
}

/* ---- groups ---- */

static void break_at(struct rocks_log *w, uint64_t at)
{
    w->open = false;
    if (w->broken) return;
    w->broken = true;
    w->broken_at = at;
}

static void damaged_before(struct rocks_log *w, uint64_t at)
{
    if (w->damaged) return;
    w->damaged = true;
    w->again_at = at;
}

static void group_begins(struct rocks_log *w, uint64_t at)
{
    if (w->open) break_at(w, w->open_at); /* it has no end, and yet something follows */
    if (w->broken) damaged_before(w, at);
    w->open = true;
    w->open_at = at;
    w->nhead = 0;
}

static void group_adds(struct rocks_log *w, const struct frame *f)
{
    size_t room = ROCKS_GROUP_HEAD - w->nhead, n = f->n < room ? f->n : room;
    memcpy(w->head + w->nhead, f->payload, n);
    w->nhead += n;
}

static void group_ends(struct rocks_log *w, uint64_t end)
{
    bool wal = w->kind == ROCKS_WAL, headed = w->nhead == ROCKS_GROUP_HEAD;
    uint64_t sequence = headed ? get64(w->head) : 0, rows = wal && headed ? get32(w->head + 8) : 0;
    w->open = false;
    if (!w->broken && wal && w->groups && sequence != w->next) {
        break_at(w, w->open_at); /* groups are missing, or the number is not of this world */
        damaged_before(w, w->open_at);
    }
    if (w->broken) {
        w->lost_groups++;
        w->lost_rows += rows;
        return;
    }
    if (!w->groups++) w->first = sequence;
    w->next = sequence + rows;
    w->whole = end;
}

static void take(struct rocks_log *w, uint64_t at, const struct frame *f)
{
    if (!of_this_log(w, f)) {
        break_at(w, at);
        return;
    }
    if (starts_group(f)) group_begins(w, at);
    else if (!w->open) break_at(w, at); /* behind a broken place: the rest of a group that began before it */
    if (!w->open) return;
    group_adds(w, f);
    if (f->type == FULL || f->type == LAST) group_ends(w, at + f->span);
}

/* ---- a block ---- */

static bool zeros(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

/* Where at or after `at` a group begins, or n. Only its first frame counts: further frames of a group
 * can be there though its beginning never was written. */
static size_t search(const struct rocks_log *w, const uint8_t *p, size_t n, size_t at)
{
    struct frame f;
    for (; at + PLAIN_HEADER <= n; at++) {
        if (p[at + 6] == 0 || !frame_parse(p + at, n - at, &f)) continue;
        if (!starts_group(&f) || !of_this_log(w, &f)) continue;
        if (w->kind == ROCKS_WAL && (f.n < ROCKS_GROUP_HEAD || !head_can_be(w, f.payload))) continue;
        if (frame_whole(p + at, &f)) return at;
    }
    return n;
}

void rocks_log_block(struct rocks_log *w, struct slice block)
{
    const uint8_t *p = (const uint8_t *)block.p;
    size_t at = 0, n = block.n;
    struct frame f;
    while (at + PLAIN_HEADER <= n) {
        if (frame_parse(p + at, n - at, &f) && frame_whole(p + at, &f)) {
            take(w, w->size + at, &f);
            at += f.span;
            continue;
        }
        if (n == ROCKS_BLOCK && n - at < NUMBERED_HEADER && zeros(p + at, n - at)) break;
        break_at(w, w->size + at);
        at = search(w, p, n, at + 1);
    }
    w->size += n;
}
