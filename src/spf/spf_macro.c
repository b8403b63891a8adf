/* spf_macro.c - macro expansion (RFC 7208 section 7; internationalised names: RFC 8616 section 4). Pure. */
#include "base/text.h"
#include "spf_i.h"

enum { NAME_MAX_BYTES = 253, KEEP_MAX = 1000, EXPANSION_MAX = 65536 };

uint32_t spf_macro_letters(struct slice s)
{
    uint32_t letters = 0;
    for (size_t i = 0; i + 2 < s.n; i++) {
        if (s.p[i] != '%') continue;
        if (s.p[i + 1] == '{' && is_alpha(s.p[i + 2])) letters |= 1u << (sl_lower(s.p[i + 2]) - 'a');
        i++; /* "%%{" is a percent sign and a brace */
    }
    return letters;
}

/* "%{i}" of IPv6 is nibbles between dots (section 7.3), ready for %{ir}. */
static struct slice dotted(struct arena *a, const struct ip *ip)
{
    if (ip->family != 6) {
        char text[IP_TEXT_MAX];
        return ar_dup(a, sl_cstr(ip_format(ip, text)));
    }
    char *p = ar_alloc(a, 64);
    for (size_t i = 0; i < 32; i++) {
        p[2 * i] = "0123456789abcdef"[ip->b[i / 2] >> (i % 2 ? 0 : 4) & 15];
        p[2 * i + 1] = '.';
    }
    return sl(p, 63);
}

static struct slice value_of(struct arena *a, char letter, const struct spf_vars *v)
{
    char text[IP_TEXT_MAX];
    switch (letter) {
    case 's': return ar_printf(a, "%.*s@%.*s", SLF(v->local), SLF(v->sender_domain));
    case 'l': return v->local;
    case 'o': return v->sender_domain;
    case 'd': return v->domain;
    case 'i': return dotted(a, &v->ip);
    case 'p': return v->validated.n ? v->validated : SL("unknown");
    case 'v': return v->ip.family == 6 ? SL("ip6") : SL("in-addr");
    case 'h': return v->helo;
    case 'c': return ar_dup(a, sl_cstr(ip_format(&v->ip, text)));
    case 'r': return v->receiver.n ? v->receiver : SL("unknown");
    default: return ar_printf(a, "%lld", (long long)v->now); /* t */
    }
}

static bool is_delimiter_of(char c, struct slice delimiters)
{
    return delimiters.n ? sl_chr(delimiters, c) != SL_NONE : c == '.';
}

/* Where the first `keep` parts end. */
static size_t parts_end(struct slice s, struct slice delimiters, uint64_t keep)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_delimiter_of(s.p[i], delimiters) && --keep == 0) return i;
    return s.n;
}

/* Where the last `keep` parts begin. */
static size_t parts_start(struct slice s, struct slice delimiters, uint64_t keep)
{
    for (size_t i = s.n; i > 0; i--)
        if (is_delimiter_of(s.p[i - 1], delimiters) && --keep == 0) return i;
    return 0;
}

/* Parts are counted from the right after the reversal and rejoined with dots (section 7.3);
 * so a reversed value keeps its first parts. */
static void put_transformed(struct buf *out, struct slice value, struct slice delimiters, uint64_t keep,
                            bool reverse)
{
    if (!reverse) {
        if (keep) value = sl_from(value, parts_start(value, delimiters, keep));
        for (size_t i = 0; i < value.n; i++)
            buf_char(out, is_delimiter_of(value.p[i], delimiters) ? '.' : value.p[i]);
        return;
    }
    if (keep) value = sl_sub(value, 0, parts_end(value, delimiters, keep));
    for (size_t end = value.n;;) {
        size_t from = parts_start(sl_sub(value, 0, end), delimiters, 1);
        buf_put(out, sl_sub(value, from, end));
        if (from == 0) return;
        buf_char(out, '.');
        end = from - 1;
    }
}

/* inside: what stands between "%{" and "}". */
static void put_macro(struct arena *a, struct buf *out, struct slice inside, const struct spf_vars *v)
{
    char letter = inside.p[0];
    struct slice value = value_of(a, sl_lower(letter), v), rest = sl_from(inside, 1);
    uint64_t keep = 0;
    for (; rest.n && is_digit(rest.p[0]); rest = sl_from(rest, 1))
        if (keep < KEEP_MAX) keep = keep * 10 + (uint64_t)(rest.p[0] - '0');
    bool reverse = rest.n && sl_lower(rest.p[0]) == 'r';
    if (reverse) rest = sl_from(rest, 1);
    struct buf plain = BUF_INIT;
    if (keep || reverse || rest.n) {
        put_transformed(&plain, value, rest, keep, reverse);
        value = buf_slice(&plain);
    }
    if (letter >= 'A' && letter <= 'Z') percent_encode(out, value, "-._~");
    else buf_put(out, value);
    buf_free(&plain);
}

struct slice spf_expand(struct arena *a, struct slice s, const struct spf_vars *v)
{
    struct buf out = BUF_INIT;
    buf_init(&out, EXPANSION_MAX);
    for (size_t i = 0; i < s.n && !out.over;) {
        size_t n = s.p[i] == '%' ? spf_macro_length(sl_from(s, i), true) : 0;
        if (!n) {
            buf_char(&out, s.p[i++]);
            continue;
        }
        switch (s.p[i + 1]) {
        case '%': buf_char(&out, '%'); break;
        case '_': buf_char(&out, ' '); break;
        case '-': buf_str(&out, "%20"); break;
        default: put_macro(a, &out, sl_sub(s, i + 2, i + n - 1), v);
        }
        i += n;
    }
    struct slice r = ar_dup(a, buf_slice(&out));
    buf_free(&out);
    return r;
}

static bool labels_ok(struct slice s)
{
    struct slice label;
    if (!s.n || !is_ascii(s)) return false;
    while (sl_next(&s, '.', &label))
        if (!label.n || label.n > 63) return false;
    return true;
}

bool spf_target(struct arena *a, struct slice expanded, struct slice *name)
{
    struct slice s = expanded;
    if (s.n && s.p[s.n - 1] == '.') s.n--;
    while (s.n > NAME_MAX_BYTES) {
        size_t dot = sl_chr(s, '.');
        if (dot == SL_NONE) return false;
        s = sl_from(s, dot + 1);
    }
    if (!labels_ok(s)) return false;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = c > ' ' && c < 0x7f && !strchr("\\\"();@$", c);
        if (plain) buf_char(&b, c);
        else buf_printf(&b, "\\%03d", (unsigned char)c);
    }
    *name = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return true;
}
