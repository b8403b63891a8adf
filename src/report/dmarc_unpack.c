/* dmarc_unpack.c - received report parts: gzip, zip or plain, with bounds on what comes out. Pure.
 *
 * A bomb ends at DMARC_XML_MAX bytes; nothing is unpacked twice. Of a zip file only the one
 * document in it is read, by its central directory, without trusting the sizes there. */
#include <zlib.h>

#include "base/text.h"
#include "dmarc_report.h"

enum { PIECE = 65536, RAW_DEFLATE = -15, GZIP = 15 + 16, ZIP_ENTRIES_MAX = 64 };

static int damaged(void) { return err_set(ERR_SYNTAX, "the packed report is damaged"); }

/* One stream from the start of in; bytes behind it are not looked at. */
static int inflate_all(struct buf *out, struct slice in, int kind)
{
    z_stream z = {0};
    if (inflateInit2(&z, kind) != Z_OK) return err_set(ERR_IO, "unpacking cannot be started");
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    int e = Z_OK;
    bool full = false;
    while (e == Z_OK && !full) {
        size_t room = DMARC_XML_MAX - out->n < PIECE ? DMARC_XML_MAX - out->n : PIECE;
        char *to = room ? buf_space(out, room) : NULL;
        if (!to) {
            full = true;
            break;
        }
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)room;
        e = inflate(&z, Z_NO_FLUSH);
        out->n += room - z.avail_out;
        if (e == Z_BUF_ERROR || (e == Z_OK && z.avail_out == room && !z.avail_in)) e = Z_DATA_ERROR;
    }
    inflateEnd(&z);
    if (full) return err_set(ERR_LIMIT, "the report is larger than %d MB when unpacked", DMARC_XML_MAX >> 20);
    return e == Z_STREAM_END ? 0 : damaged();
}

/* ---- zip (APPNOTE 4.3): little-endian records ---- */

static uint32_t le16(struct slice s, size_t at)
{
    if (at + 2 > s.n) return 0;
    const unsigned char *p = (const unsigned char *)s.p + at;
    return p[0] | (uint32_t)p[1] << 8;
}
static uint32_t le32(struct slice s, size_t at) { return le16(s, at) | le16(s, at + 2) << 16; }

struct zip_entry {
    uint32_t method, flags, packed, offset;
};

static size_t find_directory_end(struct slice in)
{
    enum { END_SIZE = 22, COMMENT_MAX = 65535 };
    if (in.n < END_SIZE) return SL_NONE;
    size_t last = in.n - END_SIZE, first = last > COMMENT_MAX ? last - COMMENT_MAX : 0;
    for (size_t at = last + 1; at-- > first;)
        if (le32(in, at) == 0x06054b50) return at;
    return SL_NONE;
}

/* The only file of the archive (folders do not count). */
static int find_document(struct slice in, struct zip_entry *out)
{
    enum { HEADER = 46 };
    size_t end = find_directory_end(in);
    if (end == SL_NONE) return damaged();
    size_t count = le16(in, end + 10), at = le32(in, end + 16), files = 0;
    if (count > ZIP_ENTRIES_MAX) return err_set(ERR_LIMIT, "the zip file holds more than one document");
    for (size_t i = 0; i < count; i++) {
        if (at > in.n || in.n - at < HEADER || le32(in, at) != 0x02014b50) return damaged();
        size_t name = le16(in, at + 28), rest = le16(in, at + 30) + le16(in, at + 32);
        struct slice text = sl_sub(in, at + HEADER, at + HEADER + name);
        if (text.n != name) return damaged();
        if (!sl_ends(text, SL("/"))) {
            if (++files > 1) return err_set(ERR_LIMIT, "the zip file holds more than one document");
            *out =
                (struct zip_entry){le16(in, at + 10), le16(in, at + 8), le32(in, at + 20), le32(in, at + 42)};
        }
        at += HEADER + name + rest;
    }
    return files == 1 ? 0 : damaged();
}

static int unzip(struct buf *out, struct slice in)
{
    enum { LOCAL = 30, ENCRYPTED = 1, STORED = 0, DEFLATED = 8 };
    struct zip_entry f = {0};
    int e = find_document(in, &f);
    if (e) return e;
    if (f.flags & ENCRYPTED) return err_set(ERR_UNSUPPORTED, "the zip file is encrypted");
    if (f.offset > in.n || in.n - f.offset < LOCAL || le32(in, f.offset) != 0x04034b50) return damaged();
    size_t at = (size_t)f.offset + LOCAL + le16(in, f.offset + 26) + le16(in, f.offset + 28);
    if (at > in.n || f.packed > in.n - at) return damaged();
    struct slice data = sl_sub(in, at, at + f.packed);
    if (f.method == DEFLATED) return inflate_all(out, data, RAW_DEFLATE);
    if (f.method != STORED) return err_set(ERR_UNSUPPORTED, "the zip file uses method %u", f.method);
    buf_put(out, data);
    return 0;
}

int dmarc_unpack(struct buf *out, struct slice in)
{
    buf_clear(out);
    if (in.n > DMARC_PACKED_MAX)
        return err_set(ERR_LIMIT, "the report is larger than %d MB", DMARC_PACKED_MAX >> 20);
    if (sl_starts(in, SL("\x1f\x8b"))) return inflate_all(out, in, GZIP);
    if (sl_starts(in, SL("PK\3\4")) || sl_starts(in, SL("PK\5\6"))) return unzip(out, in);
    struct slice text = sl_starts(in, SL("\xef\xbb\xbf")) ? sl_from(in, 3) : in;
    if (!sl_starts(sl_trim(text), SL("<")))
        return err_set(ERR_UNSUPPORTED, "this is neither gzip, zip nor XML");
    buf_put(out, in);
    return 0;
}
