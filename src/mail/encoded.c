/* encoded.c - encoded-words (RFC 2047). */
#include "encoded.h"

#include "base/text.h"
#include "charset.h"

/* ---- decoding ---- */

struct word {
    struct slice charset, text;
    char encoding; /* 'q' or 'b' */
    size_t size;   /* of the whole encoded-word */
};

/* token of section 2. */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127 || strchr("()<>@,;:\"/[]?.=", s.p[i])) return false;
    return s.n > 0;
}

/* The text may be longer than the 75 bytes of section 2: many writers do not count. It is
 * looked for within a bounded distance, so that a hostile text costs linear time. */
enum { WORD_LOOKAHEAD = 1000 };

static bool read_word(struct slice s, struct word *w)
{
    if (s.n > WORD_LOOKAHEAD) s.n = WORD_LOOKAHEAD;
    if (!sl_starts(s, SL("=?"))) return false;
    size_t q1 = sl_chr(sl_from(s, 2), '?');
    if (q1 == SL_NONE || s.n < 2 + q1 + 3 || s.p[2 + q1 + 2] != '?') return false;
    w->charset = sl_sub(s, 2, 2 + q1);
    w->encoding = sl_lower(s.p[2 + q1 + 1]);
    size_t star = sl_chr(w->charset, '*'); /* language, RFC 2231 section 5 */
    if (star != SL_NONE) w->charset.n = star;
    if (!is_token(w->charset) || (w->encoding != 'q' && w->encoding != 'b')) return false;
    size_t at = 2 + q1 + 3, i = at;
    for (; i + 1 < s.n && !(s.p[i] == '?' && s.p[i + 1] == '='); i++)
        if ((unsigned char)s.p[i] <= 32 || s.p[i] == 127 || s.p[i] == '?') return false;
    if (i + 1 >= s.n) return false;
    w->text = sl_sub(s, at, i);
    w->size = i + 2;
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    c = sl_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_q(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') {
            buf_char(out, ' ');
        } else if (s.p[i] == '=') {
            int hi = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1, lo = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) return false;
            buf_char(out, (char)(hi * 16 + lo));
            i += 2;
        } else {
            buf_char(out, s.p[i]);
        }
    }
    return true;
}

static bool decode_bytes(const struct word *w, struct buf *out)
{
    if (w->encoding == 'q') return decode_q(out, w->text);
    return b64_decode(out, w->text, false) == 0;
}

/* Nothing decoded may act on a terminal or look like a line end (section 5, last words). */
static void put_harmless(struct buf *out, struct slice utf8)
{
    for (size_t i = 0; i < utf8.n; i++) {
        char c = utf8.p[i];
        buf_char(out, ((unsigned char)c < 32 && c != '\t') || c == 127 ? ' ' : c);
    }
}

/* Adjacent words of one charset are converted together: many writers cut characters apart. */
struct run {
    struct slice charset;
    struct buf bytes;
    bool any;
};

static void end_run(struct arena *a, struct run *r, struct buf *out)
{
    if (r->any) put_harmless(out, charset_to_utf8(a, r->charset, buf_slice(&r->bytes)));
    buf_clear(&r->bytes);
    r->any = false;
}

static bool add_word(struct arena *a, struct run *r, const struct word *w, struct buf *out)
{
    struct buf one = BUF_INIT;
    bool ok = charset_known(w->charset) && decode_bytes(w, &one);
    if (ok) {
        if (r->any && !sl_eqi(r->charset, w->charset)) end_run(a, r, out);
        r->charset = w->charset;
        r->any = true;
        buf_put(&r->bytes, buf_slice(&one));
    }
    buf_free(&one);
    return ok;
}

struct slice mail_words_decode(struct arena *a, struct slice text)
{
    bool harmless = true;
    for (size_t i = 0; i < text.n && harmless; i++)
        harmless = (unsigned char)text.p[i] >= 32 && text.p[i] != 127;
    if (harmless && sl_find(text, SL("=?")) == SL_NONE && utf8_valid(text)) return text;

    struct buf out = BUF_INIT;
    struct run run = {0};
    struct word w;
    size_t i = 0, plain = 0; /* plain: where the text not yet written begins */
    while (i < text.n) {
        if (text.p[i] == '=' && read_word(sl_from(text, i), &w)) {
            struct slice before = sl_sub(text, plain, i);
            /* Blanks between two encoded-words are not there (section 6.2). */
            if (!run.any || sl_trim(before).n) {
                end_run(a, &run, &out);
                put_harmless(&out, utf8_clean(a, before));
                before.n = 0;
            }
            if (add_word(a, &run, &w, &out)) {
                plain = i += w.size;
                continue;
            }
            end_run(a, &run, &out);
            put_harmless(&out, before);
            plain = i;
            i += w.size;
            continue;
        }
        i++;
    }
    end_run(a, &run, &out);
    put_harmless(&out, utf8_clean(a, sl_from(text, plain)));
    struct slice result = ar_dup(a, buf_slice(&out));
    buf_free(&run.bytes);
    buf_free(&out);
    return result;
}

/* ---- encoding ---- */

enum { LONGEST_WORD = 400 /* also with every byte escaped it fits a line of 998 */ };
enum {
    WORD_MAX = 75,
    FIRST_WORD_MAX = 63 /* beside the field's name */,
    WORD_FRAME = 12
}; /* "=?utf-8?q?" and "?=" */

/* Section 5 rule 3: what may stand for itself in a phrase; good enough everywhere. */
static bool is_plain_q(char c) { return is_alnum(c) || (c && strchr("!*+-/", c)); }

static size_t q_size(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += is_plain_q(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
    return n;
}

static void put_q(struct buf *out, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_plain_q((char)c)) {
            buf_char(out, (char)c);
        } else if (c == ' ') {
            buf_char(out, '_');
        } else {
            buf_char(out, '=');
            buf_char(out, hex[c >> 4]);
            buf_char(out, hex[c & 15]);
        }
    }
}

/* Encoded-words with whole characters each (section 5: no character may be split). */
static void put_words(struct buf *out, struct slice s)
{
    bool q = q_size(s) <= (s.n + 2) / 3 * 6; /* Q while it is mostly readable (section 4) */
    struct slice rest = s;
    while (rest.n) {
        struct slice next = rest;
        uint32_t cp;
        size_t take = 0, most = rest.p == s.p ? FIRST_WORD_MAX : WORD_MAX;
        while (next.n && utf8_next(&next, &cp)) {
            size_t n = (size_t)(next.p - rest.p);
            struct slice piece = sl_sub(rest, 0, n);
            if ((q ? q_size(piece) : (n + 2) / 3 * 4) > most - WORD_FRAME) break;
            take = n;
        }
        struct slice piece = sl_sub(rest, 0, take ? take : 1);
        if (rest.p != s.p) buf_char(out, ' ');
        buf_str(out, q ? "=?utf-8?q?" : "=?utf-8?b?");
        if (q) put_q(out, piece);
        else b64_encode(out, piece);
        buf_str(out, "?=");
        rest = sl_from(rest, piece.n);
    }
}

/* Printable ASCII in which no encoded-word could be seen, and no word that no line can hold. */
static bool needs_no_words(struct slice s)
{
    size_t word = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\t' && (s.p[i] < 32 || s.p[i] > 126)) return false;
        word = s.p[i] == '\t' || s.p[i] == ' ' ? 0 : word + 1;
        if (word > LONGEST_WORD) return false;
    }
    return sl_find(s, SL("=?")) == SL_NONE;
}

static struct slice finish(struct arena *a, struct buf *b)
{
    struct slice s = ar_dup(a, buf_slice(b));
    buf_free(b);
    return s;
}

static struct slice clean_text(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    put_harmless(&b, utf8_clean(a, s));
    return finish(a, &b);
}

struct slice mail_text_encode(struct arena *a, struct slice utf8)
{
    if (needs_no_words(utf8)) return utf8;
    struct buf b = BUF_INIT;
    put_words(&b, clean_text(a, utf8));
    return finish(a, &b);
}

/* Words of atext with single blanks between them. */
static bool is_atoms(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ' && i && i + 1 < s.n && s.p[i - 1] != ' ') continue;
        if (!is_alnum(s.p[i]) && !(s.p[i] && strchr("!#$%&'*+-/=?^_`{|}~", s.p[i]))) return false;
    }
    return s.n > 0;
}

struct slice mail_phrase_encode(struct arena *a, struct slice utf8)
{
    struct buf b = BUF_INIT;
    if (!needs_no_words(utf8)) {
        put_words(&b, clean_text(a, utf8));
    } else if (is_atoms(utf8)) {
        return utf8;
    } else {
        buf_char(&b, '"');
        for (size_t i = 0; i < utf8.n; i++) {
            if (utf8.p[i] == '"' || utf8.p[i] == '\\') buf_char(&b, '\\');
            buf_char(&b, utf8.p[i]);
        }
        buf_char(&b, '"');
    }
    return finish(a, &b);
}
