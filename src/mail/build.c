/* build.c - making header fields: trace, dates, ids, folding (RFC 5321 4.4, RFC 5322 2.1.1, 3.6). */
#include "build.h"

#include "base/civil.h"
#include "base/text.h"
#include "date.h"

enum { LINE_WANTED = 78, LINE_OF_WORDS = 76 /* RFC 2047 section 2 */, LINE_MOST = 998 };

/* ---- cleaning ---- */

struct slice mail_clean(struct arena *a, struct slice s, size_t max)
{
    if (s.n > max) s.n = max;
    char *to = ar_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        to[i] = c < 32 || c > 126 || c == '(' || c == ')' || c == '\\' || c == '"' ? '?' : c;
    }
    return sl(to, s.n);
}

/* Letters, digits and the few signs of host names and protocol words; the rest left out. */
static void put_word(struct buf *out, struct slice s, size_t max)
{
    for (size_t i = 0; i < s.n && i < max; i++)
        if (is_alnum(s.p[i]) || (s.p[i] && strchr("-._:[]/+=", s.p[i]))) buf_char(out, s.p[i]);
}

/* An address in canonical form; only what could break the line is left out. */
static void put_address(struct buf *out, struct slice s)
{
    bool quoted = sl_starts(s, SL("\""));
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 32 && s.p[i] != 127 && (quoted || (s.p[i] != '<' && s.p[i] != '>')))
            buf_char(out, s.p[i]);
}

/* Domain or address literal of RFC 5321 section 4.1.2, underscores tolerated. */
static bool is_host(struct slice s)
{
    struct ip ip;
    if (ip_parse_literal(s, &ip)) return true;
    bool label = false;
    for (size_t i = 0; i < s.n; i++) {
        bool dot = s.p[i] == '.';
        if (dot ? !label : !is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') return false;
        label = !dot;
    }
    return s.n > 0 && s.n <= 255 && label;
}

/* ---- trace ---- */

static void put_from(struct buf *b, struct arena *a, const struct mail_received *r)
{
    bool host = is_host(r->helo), peer = r->peer.family != 0;
    struct slice literal = peer ? ip_literal(a, &r->peer) : SL("");
    buf_str(b, "from ");
    if (host) put_word(b, r->helo, 255);
    else if (peer) buf_put(b, literal);
    else buf_str(b, "unknown");
    if (peer) {
        buf_str(b, " (");
        if (is_host(r->name)) {
            put_word(b, r->name, 255);
            buf_char(b, ' ');
        }
        buf_put(b, literal);
        buf_char(b, ')');
    }
    if (!host && r->helo.n) { /* what was said is no name: keep it as a comment */
        struct slice said = mail_clean(a, r->helo, 100);
        buf_printf(b, " (HELO %.*s)", SLF(said));
    }
    buf_char(b, ' ');
}

void mail_received(struct buf *out, const struct mail_received *r)
{
    struct arena a;
    struct buf b = BUF_INIT;
    char date[MAIL_DATE_MAX];
    ar_init(&a, 0);
    if (r->helo.n || r->peer.family) put_from(&b, &a, r);
    buf_str(&b, "by ");
    put_word(&b, r->by, 255);
    if (r->with.n) {
        buf_str(&b, " with ");
        put_word(&b, r->with, 32);
    }
    if (r->tls_version.n) {
        buf_str(&b, " (");
        put_word(&b, r->tls_version, 32);
        if (r->tls_cipher.n) buf_char(&b, ' ');
        put_word(&b, r->tls_cipher, 64);
        buf_char(&b, ')');
    }
    if (r->id.n) {
        buf_str(&b, " id ");
        put_word(&b, r->id, 64);
    }
    if (r->for_one.n && is_ascii(r->for_one)) {
        buf_str(&b, " for <");
        put_address(&b, r->for_one);
        buf_char(&b, '>');
    }
    if (r->has_priority) buf_printf(&b, " PRIORITY %d", r->priority);
    buf_printf(&b, "; %s", mail_date_format(r->when, 0, date));
    mail_field(out, SL("Received"), buf_slice(&b));
    buf_free(&b);
    ar_free(&a);
}

struct slice mail_with(bool extended, bool tls, bool auth, bool smtputf8)
{
    static const struct slice plain[] = {SL_INIT("ESMTP"), SL_INIT("ESMTPS"), SL_INIT("ESMTPA"),
                                         SL_INIT("ESMTPSA")};
    static const struct slice utf8[] = {SL_INIT("UTF8SMTP"), SL_INIT("UTF8SMTPS"), SL_INIT("UTF8SMTPA"),
                                        SL_INIT("UTF8SMTPSA")};
    if (!extended) return SL("SMTP");
    return (smtputf8 ? utf8 : plain)[(tls ? 1 : 0) + (auth ? 2 : 0)];
}

struct slice mail_with_lmtp(bool tls, bool smtputf8)
{
    if (smtputf8) return tls ? SL("UTF8LMTPS") : SL("UTF8LMTP");
    return tls ? SL("LMTPS") : SL("LMTP");
}

void mail_return_path(struct buf *out, struct slice path)
{
    buf_str(out, "Return-Path: <");
    put_address(out, path);
    buf_str(out, ">\r\n");
}

/* ---- dates and ids ---- */

void mail_date_field(struct buf *out, struct slice name, int64_t when)
{
    char date[MAIL_DATE_MAX];
    mail_field(out, name, sl_cstr(mail_date_format(when, 0, date)));
}

struct slice mail_message_id(struct arena *a, int64_t when, uint64_t random, struct slice domain)
{
    struct civil c = civil_from_unix(when);
    struct buf b = BUF_INIT;
    buf_printf(&b, "<%04d%02d%02d%02d%02d%02d.%016llx@", c.year, c.month, c.day, c.hour, c.minute, c.second,
               (unsigned long long)random);
    put_word(&b, domain.n ? domain : SL("localhost"), 255);
    buf_char(&b, '>');
    struct slice id = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return id;
}

/* ---- folding ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The end of the next piece of s from i: blanks and the word after them. */
static size_t piece_end(struct slice s, size_t i)
{
    while (i < s.n && is_blank(s.p[i])) i++;
    while (i < s.n && !is_blank(s.p[i])) i++;
    return i;
}

static void put_harmless(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\r' || c == '\n') c = ' ';
        buf_char(out, ((unsigned char)c < 32 && c != '\t') || c == 127 ? '?' : c);
    }
}

/* A word longer than a line may be is cut, between characters. */
static size_t put_long(struct buf *out, struct slice s, size_t line)
{
    while (line + s.n > LINE_MOST) {
        size_t cut = LINE_MOST - line;
        while (cut > 1 && (s.p[cut] & 0xc0) == 0x80) cut--;
        put_harmless(out, sl_sub(s, 0, cut));
        buf_str(out, "\r\n ");
        s = sl_from(s, cut);
        line = 1;
    }
    put_harmless(out, s);
    return line + s.n;
}

void mail_field(struct buf *out, struct slice name, struct slice body)
{
    size_t at = out->n, line;
    put_word(out, name, 100);
    buf_str(out, ": ");
    line = out->n - at;
    body = sl_trim(body);
    bool words = sl_find(body, SL("=?")) != SL_NONE;
    for (size_t i = 0; i < body.n;) {
        size_t end = piece_end(body, i);
        struct slice piece = sl_sub(body, i, end);
        if ((i || words) && line + piece.n > (words ? LINE_OF_WORDS : LINE_WANTED)) {
            buf_str(out, i ? "\r\n" : "\r\n ");
            line = i ? 0 : 1;
        }
        line = put_long(out, piece, line);
        i = end;
    }
    buf_str(out, "\r\n");
}
