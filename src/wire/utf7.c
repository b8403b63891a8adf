/* utf7.c - modified UTF-7: UTF-16 in base64 between '&' and '-', with ',' for '/'. */
#include "utf7.h"

#include "base/text.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool direct(uint32_t c) { return c >= 0x20 && c <= 0x7e; }

/* One shifted run without '&' and '-': UTF-16 units to UTF-8. */
static int decode_run(struct buf *out, struct slice run)
{
    uint32_t word = 0, high = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < run.n; i++) {
        int d = digit(run.p[i]);
        if (d < 0) return ERR_SYNTAX;
        word = word << 6 | (uint32_t)d;
        bits += 6;
        if (bits < 16) continue;
        bits -= 16;
        uint32_t unit = word >> bits & 0xffff;
        word &= (1u << bits) - 1;
        if (high) {
            if (unit < 0xdc00 || unit > 0xdfff) return ERR_SYNTAX;
            utf8_put(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
            high = 0;
        } else if (unit >= 0xd800 && unit <= 0xdbff) {
            high = unit;
        } else if ((unit >= 0xdc00 && unit <= 0xdfff) || direct(unit)) {
            return ERR_SYNTAX; /* lone surrogate; printable ASCII must stand for itself */
        } else {
            utf8_put(out, unit);
        }
    }
    return high || bits >= 6 || word ? ERR_SYNTAX : 0;
}

int utf7_decode(struct arena *a, struct slice in, struct slice *out)
{
    struct buf b = BUF_INIT;
    size_t i = 0;
    int e = 0;
    *out = in;
    if (sl_chr(in, '&') == SL_NONE) return 0;
    while (i < in.n && !e) {
        if (in.p[i] != '&') {
            buf_char(&b, in.p[i++]);
            continue;
        }
        size_t end = sl_chr(sl_from(in, i), '-');
        if (end == SL_NONE) e = ERR_SYNTAX;
        else if (end == 1) buf_char(&b, '&');
        else e = decode_run(&b, sl_sub(in, i + 1, i + end));
        /* Two runs side by side would be a second way to write the same name. */
        if (!e && end > 1 && i + end + 1 < in.n && in.p[i + end + 1] == '&' && i + end + 2 < in.n &&
            in.p[i + end + 2] != '-')
            e = ERR_SYNTAX;
        i += end + 1;
    }
    if (!e) *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return e ? err_set(ERR_SYNTAX, "the mailbox name is not in modified UTF-7") : 0;
}

struct packer {
    uint32_t word;
    unsigned bits;
};

static void pack(struct buf *out, struct packer *p, uint32_t unit)
{
    p->word = p->word << 16 | unit;
    p->bits += 16;
    while (p->bits >= 6) {
        p->bits -= 6;
        buf_char(out, digits[p->word >> p->bits & 63]);
        p->word &= (1u << p->bits) - 1;
    }
}

static void end_run(struct buf *out, struct packer *p)
{
    if (p->bits) buf_char(out, digits[p->word << (6 - p->bits) & 63]);
    *p = (struct packer){0};
    buf_char(out, '-');
}

void utf7_encode(struct buf *out, struct slice utf8)
{
    struct packer p = {0};
    bool shifted = false;
    uint32_t c;
    while (utf8_next(&utf8, &c)) {
        if (direct(c) && shifted) end_run(out, &p), shifted = false;
        if (direct(c)) {
            buf_char(out, (char)c);
            if (c == '&') buf_char(out, '-');
            continue;
        }
        if (!shifted) buf_char(out, '&'), shifted = true;
        if (c >= 0x10000) {
            pack(out, &p, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        pack(out, &p, c);
    }
    if (shifted) end_run(out, &p);
}
