/* pack.c - headers, records and chunk tables of pack files, put and read back (pack.h). */
#include "pack.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

/* ---- the header of a pack ----
 *  0 "TRAMPACK"   8 version   9 kind   10 class   11 codec   12 table sum
 * 16 number   24 salt   32 created   40 content   48 prefix   52 origin   56 sum of the origin
 * 60 stamp   68 sum of bytes 0-67 */

static const char pack_magic[8] = "TRAMPACK";

void pack_head_put(const struct pack_head *h, uint8_t page[PACK_PAGE])
{
    memset(page, 0, PACK_PAGE);
    memcpy(page, pack_magic, sizeof pack_magic);
    page[8] = PACK_VERSION;
    page[9] = (uint8_t)h->kind;
    page[10] = (uint8_t)h->cls;
    put32(page + 12, h->table_sum);
    put64(page + 16, h->number);
    put64(page + 24, h->salt);
    put64(page + 32, (uint64_t)h->created);
    put64(page + 40, h->content);
    put32(page + 48, h->prefix);
    page[11] = h->codec;
    put32(page + 52, h->origin);
    put32(page + 56, h->origin_sum);
    put64(page + 60, h->stamp);
    put32(page + 68, crc32c(0, page, 68));
    memcpy(page + PACK_COPY, page, PACK_HEADER);
}

static int head_copy_get(struct pack_head *h, const uint8_t *p)
{
    if (memcmp(p, pack_magic, sizeof pack_magic) || get32(p + 68) != crc32c(0, p, 68)) return ERR_CORRUPT;
    if (p[8] != PACK_VERSION)
        return err_set(ERR_VERSION, "the pack has version %u, this program knows %d", p[8], PACK_VERSION);
    if (p[9] > PACK_LARGE || p[10] >= BODY_CLASSES) return ERR_CORRUPT;
    *h = (struct pack_head){.kind = p[9],
                            .cls = p[10],
                            .table_sum = get32(p + 12),
                            .number = get64(p + 16),
                            .salt = get64(p + 24),
                            .created = (int64_t)get64(p + 32),
                            .content = get64(p + 40),
                            .prefix = get32(p + 48),
                            .codec = p[11],
                            .origin = get32(p + 52),
                            .origin_sum = get32(p + 56),
                            .stamp = get64(p + 60)};
    return h->prefix <= BODY_PREFIX_MAX && h->origin <= BODY_ORIGIN_MAX ? 0 : ERR_CORRUPT;
}

int pack_head_get(struct pack_head *h, const uint8_t *page, size_t n)
{
    int e = n < PACK_HEADER ? ERR_CORRUPT : head_copy_get(h, page);
    if (e == ERR_CORRUPT && n >= PACK_COPY + PACK_HEADER) e = head_copy_get(h, page + PACK_COPY);
    return e == ERR_CORRUPT ? err_set(e, "both copies of the pack's header are damaged") : e;
}

/* ---- the header of a record ----
 *  0 "TBR1" or "TBS1"   4 version   5 codec   6 zero   8 pack   16 offset   24 size   32 sum of the body
 * 36 origin   40 stamp   48 sum of the origin   52 sum of the salt and bytes 0-51 */

static uint32_t keyed_sum(const struct pack_head *h, const uint8_t *p)
{
    uint8_t salt[8];
    put64(salt, h->salt);
    return crc32c(crc32c(0, salt, sizeof salt), p, 52);
}

void record_put(const struct pack_head *h, const struct record *r, uint8_t out[RECORD_HEADER])
{
    memset(out, 0, RECORD_HEADER);
    memcpy(out, r->kind == RECORD_SEAL ? "TBS1" : "TBR1", 4);
    out[4] = PACK_VERSION;
    put64(out + 8, h->number);
    put64(out + 16, r->offset);
    put64(out + 24, r->size);
    put32(out + 32, r->sum);
    out[5] = r->codec;
    put32(out + 36, r->origin);
    put64(out + 40, r->stamp);
    put32(out + 48, r->origin_sum);
    put32(out + 52, keyed_sum(h, out));
}

bool record_get(const struct pack_head *h, uint64_t offset, const uint8_t in[RECORD_HEADER], struct record *r)
{
    bool seal = !memcmp(in, "TBS1", 4);
    if (!seal && memcmp(in, "TBR1", 4)) return false;
    if (in[4] != PACK_VERSION || get32(in + 52) != keyed_sum(h, in)) return false;
    if (get64(in + 8) != h->number || get64(in + 16) != offset) return false;
    *r = (struct record){.kind = seal ? RECORD_SEAL : RECORD_BODY,
                         .offset = offset,
                         .size = get64(in + 24),
                         .sum = get32(in + 32),
                         .codec = in[5],
                         .origin = get32(in + 36),
                         .stamp = get64(in + 40),
                         .origin_sum = get32(in + 48)};
    return seal || (r->size <= BODY_SMALL + BODY_PREFIX_MAX && r->origin <= BODY_ORIGIN_MAX);
}

bool record_search(const struct pack_head *h, uint64_t offset, const uint8_t *p, size_t n, size_t *at,
                   struct record *r)
{
    for (size_t i = (*at + 7) & ~(size_t)7; i + RECORD_HEADER <= n; i += 8) {
        if (p[i] != 'T' || !record_get(h, offset + i, p + i, r)) continue;
        *at = i;
        return true;
    }
    return false;
}

/* ---- large bodies ---- */

void large_chunk(const struct large *l, uint64_t i, uint64_t *from, uint64_t *to)
{
    uint64_t before = large_prefix_chunks(l);
    *from = PACK_CONTENT + i * PACK_CHUNK - before * PACK_CHUNK;
    *to = *from + PACK_CHUNK;
    if (*from < large_start(l)) *from = large_start(l);
    if (*to > PACK_CONTENT + l->content) *to = PACK_CONTENT + l->content;
}

uint64_t large_chunk_of(const struct large *l, uint64_t at)
{
    uint64_t lead = large_prefix_chunks(l) * PACK_CHUNK - l->prefix; /* missing from the first chunk */
    return (at + lead) / PACK_CHUNK;
}

/* ---- references ---- */

static const char class_letter[BODY_CLASSES + 1] = "qmi";

void place_put(const struct place *p, struct body_ref *out)
{
    int n = snprintf(out->s, sizeof out->s, "%c%c.%llx.%llx.%llx.%x", class_letter[p->cls],
                     p->kind == PACK_LARGE ? 'l' : 's', (unsigned long long)p->pack,
                     (unsigned long long)p->at, (unsigned long long)p->size, p->sum);
    ASSERT(n > 0 && (size_t)n < sizeof out->s);
}

/* One hex number up to the next '.'; only the form that place_put writes. */
static bool take_hex(struct slice *s, uint64_t *v)
{
    struct slice piece;
    if (!sl_next(s, '.', &piece) || !num_hex64(piece, v) || (piece.n > 1 && piece.p[0] == '0')) return false;
    for (size_t i = 0; i < piece.n; i++)
        if (piece.p[i] >= 'A' && piece.p[i] <= 'F') return false;
    return true;
}

static bool place_parse(struct slice s, struct place *p)
{
    uint64_t sum;
    size_t cls = s.n < 3 ? SL_NONE : sl_chr(sl(class_letter, BODY_CLASSES), s.p[0]);
    if (cls == SL_NONE || (s.p[1] != 's' && s.p[1] != 'l') || s.p[2] != '.') return false;
    p->cls = (enum body_class)cls;
    p->kind = s.p[1] == 'l' ? PACK_LARGE : PACK_SHARED;
    s = sl_from(s, 3);
    if (!take_hex(&s, &p->pack) || !take_hex(&s, &p->at) || !take_hex(&s, &p->size) || !take_hex(&s, &sum))
        return false;
    p->sum = (uint32_t)sum;
    if (s.p || sum > UINT32_MAX) return false; /* s.p: something follows the last piece */
    if (p->size > (uint64_t)1 << 48 || p->at > (uint64_t)1 << 48) return false;
    return p->kind == PACK_LARGE ? p->at <= BODY_PREFIX_MAX && p->at <= p->size
                                 : p->size <= BODY_SMALL + BODY_PREFIX_MAX && p->at >= PACK_PAGE;
}

int place_get(const struct body_ref *ref, struct place *out)
{
    if (!place_parse(body_ref_slice(ref), out)) return err_set(ERR_SYNTAX, "this is no reference to a body");
    return 0;
}

struct large place_large(const struct place *p)
{
    return (struct large){.content = p->size - p->at, .prefix = (uint32_t)p->at};
}

int body_ref_parse(struct slice s, struct body_ref *out)
{
    struct place p;
    if (s.n >= sizeof out->s || !place_parse(s, &p))
        return err_set(ERR_SYNTAX, "this is no reference to a body");
    memcpy(out->s, s.p, s.n);
    memset(out->s + s.n, 0, sizeof out->s - s.n);
    return 0;
}

uint64_t body_ref_size(const struct body_ref *r)
{
    struct place p;
    return place_parse(body_ref_slice(r), &p) ? p.size : 0;
}

uint64_t body_ref_pack(const struct body_ref *r)
{
    struct place p;
    return place_parse(body_ref_slice(r), &p) ? p.pack : 0;
}

struct slice body_ref_content(const struct body_ref *r)
{
    struct slice s = body_ref_slice(r);
    size_t sum = sl_rchr(s, '.'), size = sum == SL_NONE ? SL_NONE : sl_rchr(sl_sub(s, 0, sum), '.');
    return size == SL_NONE ? s : sl_from(s, size + 1);
}

/* ---- names of files ---- */

void body_ref_file(const struct body_ref *r, char out[BODY_FILE_MAX])
{
    struct place p = {0};
    (void)place_parse(body_ref_slice(r), &p);
    pack_name(p.cls, p.pack, false, out);
}

static const char *const class_name[BODY_CLASSES] = {"queue", "mail", "image"};

void pack_name(enum body_class cls, uint64_t number, bool part, char out[PACK_NAME_MAX])
{
    snprintf(out, PACK_NAME_MAX, "%s-%016llx.%s", class_name[cls], (unsigned long long)number,
             part ? "part" : "pack");
}

bool pack_name_parse(struct slice name, enum body_class *cls, uint64_t *number, bool *part)
{
    size_t dash = sl_chr(name, '-');
    int c = 0;
    while (c < BODY_CLASSES && (dash == SL_NONE || !sl_eq(sl_sub(name, 0, dash), sl_cstr(class_name[c]))))
        c++;
    if (c == BODY_CLASSES) return false;
    *cls = (enum body_class)c;
    name = sl_from(name, dash + 1);
    *part = sl_ends(name, SL(".part"));
    return name.n == 21 && (*part || sl_ends(name, SL(".pack"))) && num_hex64(sl_sub(name, 0, 16), number);
}
