/* text.c - numbers, hex, base64, UTF-8 and what may be printed. */
#include "text.h"

#include <stdio.h>

#include "err.h"
#if defined __x86_64__
#include <nmmintrin.h>
#endif

bool num_u64(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (!s.n) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i])) return false;
        unsigned d = (unsigned)(s.p[i] - '0');
        if (v > (max - d) / 10 || d > max) return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    c = sl_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool num_hex64(struct slice s, uint64_t *out)
{
    if (!s.n || s.n > 16) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = hex_value(s.p[i]);
        if (d < 0) return false;
        v = v << 4 | (unsigned)d;
    }
    *out = v;
    return true;
}

struct unit {
    char letter;
    uint64_t factor;
};

static bool number_with_unit(struct slice s, const struct unit *units, size_t n, uint64_t *out)
{
    uint64_t factor = 1;
    for (size_t i = 0; s.n && i < n; i++)
        if (sl_lower(s.p[s.n - 1]) == units[i].letter) {
            factor = units[i].factor;
            s.n--;
            break;
        }
    uint64_t v;
    if (!num_u64(s, (uint64_t)INT64_MAX / factor, &v)) return false;
    *out = v * factor;
    return true;
}

bool num_size(struct slice s, uint64_t *out)
{
    static const struct unit units[] = {
        {'b', 1}, {'k', 1 << 10}, {'m', 1 << 20}, {'g', 1 << 30}, {'t', (uint64_t)1 << 40}};
    return number_with_unit(s, units, COUNT_OF(units), out);
}

bool num_duration(struct slice s, int64_t *seconds)
{
    static const struct unit units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t v;
    if (!number_with_unit(s, units, COUNT_OF(units), &v)) return false;
    *seconds = (int64_t)v;
    return true;
}

static const char b64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void b64_write(char *to, struct slice in)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t i = 0;
    for (; i + 3 <= in.n; i += 3, to += 4) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        for (int k = 0; k < 4; k++) to[k] = b64_alphabet[v >> (18 - 6 * k) & 63];
    }
    if (i == in.n) return;
    uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < in.n ? (uint32_t)p[i + 1] << 8 : 0);
    to[0] = b64_alphabet[v >> 18];
    to[1] = b64_alphabet[v >> 12 & 63];
    to[2] = i + 1 < in.n ? b64_alphabet[v >> 6 & 63] : '=';
    to[3] = '=';
}

static size_t b64_length(size_t n) { return (n + 2) / 3 * 4; }

void b64_encode(struct buf *out, struct slice in)
{
    char *to = buf_space(out, b64_length(in.n));
    if (!to) return;
    b64_write(to, in);
    out->n += b64_length(in.n);
}

struct slice b64_encode_ar(struct arena *a, struct slice in)
{
    char *to = ar_alloc(a, b64_length(in.n) + 1);
    b64_write(to, in);
    to[b64_length(in.n)] = 0;
    return sl(to, b64_length(in.n));
}

static int b64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Writes at most in.n / 4 * 3 + 3 bytes. Returns their number or ERR_SYNTAX. */
static int64_t b64_read(char *to, struct slice in, bool strict)
{
    uint32_t word = 0;
    size_t have = 0, pad = 0, n = 0;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '=') {
            pad++;
            continue;
        }
        int v = b64_value(c);
        if (v < 0) {
            if (!strict && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) continue;
            return ERR_SYNTAX;
        }
        if (pad) return ERR_SYNTAX;
        word = word << 6 | (uint32_t)v;
        if (++have == 4) {
            to[n++] = (char)(word >> 16), to[n++] = (char)(word >> 8), to[n++] = (char)word;
            have = 0;
            word = 0;
        }
    }
    if (have == 1 || pad > 2) return ERR_SYNTAX;
    if (strict && pad != (4 - have) % 4) return ERR_SYNTAX;
    if (have == 2) {
        if (strict && word & 15) return ERR_SYNTAX;
        to[n++] = (char)(word >> 4);
    } else if (have == 3) {
        if (strict && word & 3) return ERR_SYNTAX;
        to[n++] = (char)(word >> 10), to[n++] = (char)(word >> 2);
    }
    return (int64_t)n;
}

int b64_decode(struct buf *out, struct slice in, bool strict)
{
    char *to = buf_space(out, in.n / 4 * 3 + 3);
    if (!to) return ERR_TOO_LONG;
    int64_t n = b64_read(to, in, strict);
    if (n < 0) return (int)n;
    out->n += (size_t)n;
    return 0;
}

int b64_decode_ar(struct arena *a, struct slice in, bool strict, struct slice *out)
{
    char *to = ar_alloc(a, in.n / 4 * 3 + 4);
    int64_t n = b64_read(to, in, strict);
    if (n < 0) return (int)n;
    to[n] = 0;
    *out = sl(to, (size_t)n);
    return 0;
}

struct slice b64url_encode_ar(struct arena *a, struct slice in)
{
    struct slice s = b64_encode_ar(a, in);
    char *p = (char *)s.p;
    while (s.n && p[s.n - 1] == '=') s.n--;
    for (size_t i = 0; i < s.n; i++) p[i] = (char)(p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i]);
    p[s.n] = 0;
    return s;
}

int b64url_decode_ar(struct arena *a, struct slice in, struct slice *out)
{
    char *p = ar_alloc(a, in.n + 4);
    size_t n = in.n;
    for (size_t i = 0; i < n; i++) {
        char c = in.p[i];
        if (!is_alnum(c) && c != '-' && c != '_') return ERR_SYNTAX;
        p[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (n % 4) p[n++] = '=';
    return b64_decode_ar(a, sl(p, n), true, out);
}

void percent_encode(struct buf *out, struct slice s, const char *plain)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (is_alnum(c) || (c && strchr(plain, c))) buf_char(out, c);
        else buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

void percent_decode(struct buf *out, struct slice s)
{
    uint64_t v;
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && s.n - i >= 3 && num_hex64(sl_sub(s, i + 1, i + 3), &v);
        buf_char(out, escape ? (char)v : s.p[i]);
        if (escape) i += 2;
    }
}

void hex_encode(struct buf *out, struct slice in)
{
    char *to = buf_space(out, in.n * 2);
    if (!to) return;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        to[2 * i] = "0123456789abcdef"[c >> 4];
        to[2 * i + 1] = "0123456789abcdef"[c & 15];
    }
    out->n += in.n * 2;
}

int hex_decode(struct buf *out, struct slice in)
{
    if (in.n % 2) return ERR_SYNTAX;
    char *to = buf_space(out, in.n / 2);
    if (!to) return in.n ? ERR_TOO_LONG : 0;
    for (size_t i = 0; i < in.n; i += 2) {
        int hi = hex_value(in.p[i]), lo = hex_value(in.p[i + 1]);
        if (hi < 0 || lo < 0) return ERR_SYNTAX;
        to[i / 2] = (char)(hi << 4 | lo);
    }
    out->n += in.n / 2;
    return 0;
}

bool utf8_next(struct slice *s, uint32_t *cp)
{
    if (!s->n) return false;
    const unsigned char *p = (const unsigned char *)s->p;
    unsigned lead = p[0];
    size_t len = lead < 0x80                   ? 1
                 : lead >= 0xf0 && lead < 0xf5 ? 4
                 : lead >= 0xe0 && lead < 0xf0 ? 3
                 : lead >= 0xc2 && lead < 0xe0 ? 2
                                               : 0;
    if (!len || len > s->n) return false;
    uint32_t v = len == 1 ? lead : lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return false;
        v = v << 6 | (p[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return false;
    *cp = v;
    *s = sl_from(*s, len);
    return true;
}

/* Every byte of a letter passes here: 32 at a time. */
struct slice utf8_cut(struct slice s, size_t max)
{
    if (s.n <= max) return s;
    size_t n = max;
    while (n && max - n < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80) n--;
    return sl_sub(s, 0, ((unsigned char)s.p[n] & 0xc0) == 0x80 ? max : n); /* no UTF-8: anywhere */
}

bool is_ascii(struct slice s)
{
    uint64_t w[4], any = 0;
    for (; s.n >= sizeof w; s.p += sizeof w, s.n -= sizeof w) {
        memcpy(w, s.p, sizeof w);
        any |= w[0] | w[1] | w[2] | w[3];
    }
    for (size_t i = 0; i < s.n; i++) any |= (unsigned char)s.p[i];
    return !(any & 0x8080808080808080u);
}

bool utf8_valid(struct slice s)
{
    uint32_t cp;
    if (is_ascii(s)) return true;
    while (s.n)
        if (!utf8_next(&s, &cp)) return false;
    return true;
}

void utf8_put(struct buf *b, uint32_t cp)
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) cp = 0xfffd;
    char out[4];
    size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)(lead[n] | cp);
    buf_bytes(b, out, n);
}

static uint32_t crc32c_table[256];

__attribute__((constructor)) static void crc32c_table_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc32c_table[i] = c;
    }
}

#if defined __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; n; n--) c = _mm_crc32_u8((uint32_t)c, *p++);
    return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    crc = ~crc;
#if defined __x86_64__
    if (__builtin_cpu_supports("sse4.2")) return ~crc32c_sse(crc, p, n);
#endif
    for (size_t i = 0; i < n; i++) crc = crc32c_table[(crc ^ p[i]) & 255] ^ crc >> 8;
    return ~crc;
}

bool text_steers(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* One character, or one byte that belongs to none, from the front of *s as it may be shown. */
static size_t show_next(struct slice *s, bool one_line, char out[12])
{
    struct slice before = *s;
    uint32_t c;
    if (!utf8_next(s, &c)) {
        *s = sl_from(before, 1);
        return (size_t)snprintf(out, 12, "\\x%02x", (unsigned char)before.p[0]);
    }
    if (c == '\r' && s->n && s->p[0] == '\n') return 0;
    if (c == '\n') return (size_t)snprintf(out, 12, one_line ? " / " : "\n");
    if (c == '\t') return (size_t)snprintf(out, 12, one_line ? " " : "\t");
    if (text_steers(c)) return (size_t)snprintf(out, 12, c < 0xa0 ? "\\x%02x" : "\\u%04x", (unsigned)c);
    size_t n = before.n - s->n;
    memcpy(out, before.p, n);
    return n;
}

/* Bytes at the front that are shown as they are: nearly all of a line of the log. */
static size_t plain_run(struct slice s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= 0x20 && s.p[n] < 0x7f) n++;
    return n;
}

size_t foreign_text(char *out, size_t room, struct slice s, bool one_line)
{
    char one[12];
    size_t used = 0;
    while (s.n && used < room) {
        size_t n = plain_run(s);
        if (n > room - used) n = room - used;
        if (n) {
            memcpy(out + used, s.p, n);
            s = sl_from(s, n);
            used += n;
            continue;
        }
        n = show_next(&s, one_line, one);
        if (n > room - used) break;
        memcpy(out + used, one, n);
        used += n;
    }
    return used;
}

void foreign_put(struct buf *b, struct slice s, bool one_line)
{
    char one[12];
    while (s.n) {
        size_t n = plain_run(s);
        buf_put(b, n ? sl(s.p, n) : sl(one, show_next(&s, one_line, one)));
        s = sl_from(s, n);
    }
}

struct slice printable(struct arena *a, struct slice s, size_t max)
{
    char one[12];
    struct buf b = BUF_INIT;
    while (s.n && b.n < max) {
        size_t n = show_next(&s, true, one);
        buf_put(&b, sl(one, n));
    }
    if (s.n) buf_str(&b, "...");
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

uint64_t hash_stable(struct slice s, bool fold)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (uint8_t)(fold ? sl_lower(s.p[i]) : s.p[i])) * 0x100000001b3u;
    return h;
}

/* ---- names in sentences ---- */

static bool is_name_char(char c) { return is_alnum(c) || (c && strchr("-.:_", c)); }
/* of a local part, RFC 5322 section 3.2.3 */
static bool is_local_char(char c) { return is_name_char(c) || (c && strchr("!#$%&'*+/=?^`{|}~", c)); }

static bool name_begins(struct slice text, size_t at, struct slice name)
{
    if (at == 0 || name.p[0] == '@') return true;
    return sl_chr(name, '@') == SL_NONE ? !is_name_char(text.p[at - 1]) : !is_local_char(text.p[at - 1]);
}

/* A dot or colon behind it may end a sentence, a colon stand before a port. */
static bool name_ends(struct slice text, size_t end, struct slice name)
{
    if (end >= text.n || !is_name_char(text.p[end])) return true;
    if (text.p[end] == ':' && sl_chr(name, ':') == SL_NONE) return true;
    return (text.p[end] == '.' || text.p[end] == ':') &&
           (end + 1 >= text.n || !is_name_char(text.p[end + 1]));
}

bool text_names(struct slice text, struct slice name)
{
    size_t from = 0, at;
    if (!name.n) return false;
    for (; (at = sl_findi(sl_from(text, from), name)) != SL_NONE; from += at + 1)
        if (name_begins(text, from + at, name) && name_ends(text, from + at + name.n, name)) return true;
    return false;
}
