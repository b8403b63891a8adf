/* record.c - tagged fields to bytes and back. */
#include "record.h"

#include "kv.h"

void rec_begin(struct buf *b, uint8_t version)
{
    buf_clear(b);
    b->cap = KV_VALUE_MAX;
    buf_char(b, (char)version);
}

static size_t leb128(uint64_t v, char out[10])
{
    size_t n = 0;
    do {
        out[n] = (char)(v & 127);
        v >>= 7;
        if (v) out[n] |= (char)128;
        n++;
    } while (v);
    return n;
}

void rec_put(struct buf *b, uint8_t tag, struct slice bytes)
{
    char head[11];
    head[0] = (char)tag;
    size_t n = 1 + leb128(bytes.n, head + 1);
    buf_bytes(b, head, n);
    buf_put(b, bytes);
    if (b->over) buf_clear(b), b->over = true;
}

void rec_put_u64(struct buf *b, uint8_t tag, uint64_t v)
{
    char bytes[10];
    rec_put(b, tag, sl(bytes, leb128(v, bytes)));
}

static bool take_leb128(struct slice *s, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s->n && i < 10; i++) {
        uint8_t c = (uint8_t)s->p[i];
        if (i == 9 && c > 1) return false;
        v |= (uint64_t)(c & 127) << 7 * i;
        if (!(c & 128)) {
            *out = v;
            *s = sl_from(*s, i + 1);
            return true;
        }
    }
    return false;
}

int rec_open(struct rec *r, struct slice value, uint8_t newest)
{
    if (!value.n) return err_set(ERR_CORRUPT, "a stored record is empty");
    *r = (struct rec){.rest = sl_from(value, 1), .version = (uint8_t)value.p[0]};
    if (r->version == 0 || r->version > newest)
        return err_set(ERR_VERSION,
                       "a stored record has version %u, this program knows up to %u: use a newer Tram",
                       r->version, newest);
    return 0;
}

bool rec_next(struct rec *r)
{
    uint64_t n;
    if (!r->rest.n || r->bad) return false;
    r->tag = (uint8_t)r->rest.p[0];
    r->rest = sl_from(r->rest, 1);
    if (!take_leb128(&r->rest, &n) || n > r->rest.n) {
        r->bad = true;
        return false;
    }
    r->field = sl_sub(r->rest, 0, n);
    r->rest = sl_from(r->rest, n);
    return true;
}

uint64_t rec_u64(struct rec *r)
{
    uint64_t v = 0;
    struct slice s = r->field;
    if (!take_leb128(&s, &v) || s.n) r->bad = true;
    return v;
}

int rec_error(const struct rec *r) { return r->bad ? err_set(ERR_CORRUPT, "a stored record is damaged") : 0; }
