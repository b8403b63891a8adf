/* imap_write.c - pieces of responses (RFC 9051 section 9). */
#include "base/civil.h"
#include "base/text.h"
#include "imap_i.h"

enum { QUOTED_MAX = 1000 };

static bool quotable(struct slice s, bool utf8)
{
    if (s.n > QUOTED_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 32 || c == 127 || (c > 127 && !utf8)) return false;
    }
    return !utf8 || utf8_valid(s);
}

void imap_put_string(struct buf *out, struct slice s, bool utf8)
{
    bool quoted = quotable(s, utf8);
    size_t from = 0; /* what is not written yet */
    if (quoted) buf_char(out, '"');
    else buf_printf(out, "{%zu}\r\n", s.n);
    for (size_t i = 0; i < s.n; i++) {
        if (quoted ? s.p[i] != '"' && s.p[i] != '\\' : s.p[i] != 0) continue;
        buf_put(out, sl_sub(s, from, i));
        buf_char(out, quoted ? '\\' : '?');
        from = quoted ? i : i + 1;
    }
    buf_put(out, sl_from(s, from));
    if (quoted) buf_char(out, '"');
}

void imap_put_nstring(struct buf *out, struct slice s, bool utf8)
{
    if (s.p) imap_put_string(out, s, utf8);
    else buf_str(out, "NIL");
}

void imap_put_nstring8(struct buf *out, struct slice s)
{
    if (!s.p || sl_chr(s, 0) == SL_NONE) {
        imap_put_nstring(out, s, false);
        return;
    }
    buf_printf(out, "~{%zu}\r\n", s.n);
    buf_put(out, s);
}

void imap_put_astring(struct buf *out, struct slice s, bool utf8)
{
    bool atom = s.n > 0 && s.n <= 100 && !sl_eqi(s, SL("NIL"));
    for (size_t i = 0; i < s.n && atom; i++) atom = imap_is_atom(s.p[i]);
    if (atom) buf_put(out, s);
    else imap_put_string(out, s, utf8);
}

void imap_put_mailbox(struct buf *out, struct slice name, bool utf8)
{
    if (utf8) {
        imap_put_astring(out, name, true);
        return;
    }
    struct buf b = BUF_INIT;
    utf7_encode(&b, name);
    imap_put_astring(out, buf_slice(&b), false);
    buf_free(&b);
}

void imap_put_flags(struct buf *out, uint64_t flags, const struct slice *keyword, size_t n, unsigned first,
                    struct slice extra)
{
    static const char *const names[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};
    bool space = extra.n > 0;
    buf_char(out, '(');
    buf_put(out, extra);
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (flags >> i & 1) {
            if (space) buf_char(out, ' ');
            buf_str(out, names[i]);
            space = true;
        }
    for (size_t i = 0; i < n && first + i < 64; i++)
        if (flags >> (first + i) & 1) {
            if (space) buf_char(out, ' ');
            buf_put(out, keyword[i]);
            space = true;
        }
    buf_char(out, ')');
}

static void put_two(struct buf *out, int v, char after)
{
    char text[3] = {(char)('0' + v / 10 % 10), (char)('0' + v % 10), after};
    buf_bytes(out, text, sizeof text);
}

void imap_put_date_time(struct buf *out, int64_t unix_seconds, int zone)
{
    struct civil c = civil_from_unix(unix_seconds + zone * 60);
    int east = zone < 0 ? -zone : zone;
    buf_char(out, '"');
    put_two(out, c.day, '-');
    buf_bytes(out, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(c.month - 1) * 3], 3);
    buf_char(out, '-');
    buf_u64(out, (uint64_t)c.year);
    buf_char(out, ' ');
    put_two(out, c.hour, ':');
    put_two(out, c.minute, ':');
    put_two(out, c.second, ' ');
    buf_char(out, zone < 0 ? '-' : '+');
    buf_printf(out, "%02d%02d\"", east / 60, east % 60);
}

void imap_put_set(struct buf *out, const uint32_t *v, size_t n)
{
    for (size_t i = 0, last; i < n; i = last + 1) {
        last = i;
        while (last + 1 < n && v[last + 1] == v[last] + 1) last++;
        if (i) buf_char(out, ',');
        buf_u64(out, v[i]);
        if (last > i) buf_char(out, ':'), buf_u64(out, v[last]);
    }
}

void imap_put_text(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) buf_char(out, s.p[i] >= 32 && s.p[i] < 127 ? s.p[i] : '?');
}
