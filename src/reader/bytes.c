/* bytes.c - where a message's bytes come from: its body in the store, and of a surrogate what stands between.
 */
#include "reader_i.h"
#include "rt/rt.h"

/* The message, or what it was before it was expunged. */
int reader_record_of(struct store *store, struct mailbox_ref box, uint32_t uid, struct message *out)
{
    int e = message_get(store, box, uid, out);
    return e == ERR_NOT_FOUND ? message_expunged(store, box, uid, out) : e;
}

/* Reads from the store; a body that was moved meanwhile is looked up again. */
static int64_t read_stored(struct reader *rd, uint64_t at, void *p, size_t n)
{
    struct message m;
    int64_t got = body_read(rd->store->body, &rd->m.body, at, p, n);
    if (got != ERR_NOT_FOUND) return got;
    int e = reader_record_of(rd->store, rd->box, rd->m.uid, &m);
    if (!e) rd->m.body = m.body;
    return e ? e : body_read(rd->store->body, &rd->m.body, at, p, n);
}

/* Headers of parts and what stands between patches are read in small bites, one behind another. */
static int64_t read_bite(struct reader *rd, uint64_t at, void *p, size_t n)
{
    uint64_t in = at - rd->window_at;
    if (n >= READER_CHUNK || (!rd->npatch && rd->m.size <= BODY_SMALL)) return read_stored(rd, at, p, n);
    if (at < rd->window_at || in >= rd->window_n) {
        if (!rd->window) rd->window = xmalloc(READER_CHUNK);
        rd->window_n = 0;
        int64_t got = read_stored(rd, at, rd->window, READER_CHUNK);
        if (got <= 0) return got;
        rd->window_at = at;
        rd->window_n = (size_t)got;
        in = 0;
    }
    if (n > rd->window_n - in) n = rd->window_n - (size_t)in;
    memcpy(p, rd->window + in, n);
    return (int64_t)n;
}

/* The first patch that begins behind `at`. */
static size_t behind(const struct reader *rd, uint64_t at)
{
    size_t from = 0, to = rd->npatch;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (rd->patch[mid].at <= at) from = mid + 1;
        else to = mid;
    }
    return from;
}

/* Of one run: what stands in place of a field, or bytes between two of them. */
static int64_t read_run(struct reader *rd, uint64_t at, void *p, size_t n)
{
    size_t k = behind(rd, at);
    struct reader_patch none = {0}, *of = k ? &rd->patch[k - 1] : &none;
    uint64_t in = at - of->at, end = k < rd->npatch ? rd->patch[k].at : rd->m.size;
    if (n > end - at) n = (size_t)(end - at);
    if (in >= of->text.n) return read_bite(rd, of->stored + (in - of->text.n), p, n);
    struct slice s = sl_sub(of->text, (size_t)in, (size_t)in + n);
    memcpy(p, s.p, s.n);
    return (int64_t)s.n;
}

int64_t reader_bytes(struct reader *rd, uint64_t at, void *p, size_t n)
{
    if (!rd->npatch) return read_bite(rd, at, p, n);
    size_t have = 0;
    while (have < n && at + have < rd->m.size) {
        int64_t got = read_run(rd, at + have, (char *)p + have, n - have);
        if (got < 0) return got;
        if (!got) break;
        have += (size_t)got;
        fiber_breathe();
    }
    return (int64_t)have;
}
