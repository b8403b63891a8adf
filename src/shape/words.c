/* words.c - what a reply says, apart from what it says it about. */
#include "words.h"

#include "base/buf.h"
#include "base/text.h"
#include "mail/charset.h"
#include "wire/smtp.h"

/* ---- lines ---- */

/* "550-5.1.1 text" without the codes. */
static struct slice without_codes(struct slice line)
{
    uint16_t v[3];
    size_t n;
    if (line.n >= 3 && line.p[0] >= '2' && line.p[0] <= '5' && is_digit(line.p[1]) && is_digit(line.p[2]) &&
        (line.n == 3 || line.p[3] == ' ' || line.p[3] == '-'))
        line = sl_from(line, 4);
    return smtp_enhanced_parse(line, v, &n) ? sl_from(line, n) : line;
}

/* "5.1.1" at the front of s, whatever follows it but digits and dots. */
static struct slice code_at(struct slice s)
{
    uint16_t v[3];
    size_t n = 0;
    while (n < s.n && (is_digit(s.p[n]) || s.p[n] == '.')) n++;
    struct slice code = sl_sub(s, 0, n);
    if (sl_ends(code, SL("."))) code.n--;
    return smtp_enhanced_parse(code, v, NULL) ? code : (struct slice){0};
}

struct slice words_enhanced(struct slice reply)
{
    struct slice rest = reply, line;
    while (sl_next(&rest, '\n', &line)) {
        if (line.n > 4 && is_digit(line.p[0]) && is_digit(line.p[2]) && line.p[1] != '.')
            line = sl_from(line, 4);
        struct slice code = code_at(line);
        size_t mark = sl_chr(line, '#');
        if (!code.n && mark != SL_NONE && (mark == 0 || line.p[mark - 1] == '('))
            code = code_at(sl_from(line, mark + 1));
        if (code.n) return code;
    }
    return (struct slice){0};
}

/* ---- what is left out ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Bytes of a URL at the front of s, or 0. One that was broken after "https:" counts. */
static size_t url_length(struct slice s)
{
    static const char *const begins[] = {"http:", "https:", "ftp:", "//", "www."};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (sl_startsi(s, sl_cstr(begins[i]))) n = strlen(begins[i]);
    if (!n) return 0;
    while (n < s.n && !is_blank(s.p[n]) && !strchr("<>\"", s.p[n])) n++;
    while (n && strchr(".,;)]", s.p[n - 1])) n--; /* punctuation of the sentence, not of the URL */
    return n;
}

/* <anything> or "anything" that is one word: an address, an id, a name. */
static size_t quoted_length(struct slice s)
{
    char end = s.p[0] == '<' ? '>' : s.p[0] == '"' ? '"' : 0;
    size_t n = 1;
    if (!end) return 0;
    while (n < s.n && s.p[n] != end && !is_blank(s.p[n])) n++;
    return n < s.n && s.p[n] == end ? n + 1 : 0;
}

/* An IPv6 address: hexadecimal digits and at least two colons. */
static size_t ip6_length(struct slice s)
{
    size_t n = 0, colons = 0;
    uint64_t v;
    for (; n < s.n && (s.p[n] == ':' || num_hex64(sl(s.p + n, 1), &v)); n++) colons += s.p[n] == ':';
    return colons >= 2 ? n : 0;
}

static bool of_run(char c) { return is_alnum(c) || (c && strchr(".@_+=~%-", c)) || (unsigned char)c >= 0x80; }

/* Dots inside, and the last label written as labels are: in small letters, or the whole in
 * capitals. "unknown.Please" is two sentences, "RESOLVER.ADR.RecipNotFound" is Exchange's. */
static bool is_host(struct slice s)
{
    size_t dot = sl_rchr(s, '.');
    bool small = false, small_last = true;
    if (dot == SL_NONE || !dot || dot + 2 >= s.n || sl_find(s, SL("..")) != SL_NONE) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((unsigned char)c >= 0x80 || c == '=' || c == '%') return false;
        small |= c >= 'a' && c <= 'z';
        if (i > dot && !(c >= 'a' && c <= 'z')) small_last = false;
        if (i > dot && !is_alnum(c) && c != '-') return false;
    }
    return small_last || (!small && is_alpha(s.p[dot + 1]));
}

static bool is_numbers(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i]) && s.p[i] != '.') return false;
    return true;
}

/* An address ends before two dots: "user@two.test...User unknown". */
static size_t run_length(struct slice s)
{
    size_t n = 0;
    bool address = false;
    for (; n < s.n && of_run(s.p[n]); n++) {
        address |= s.p[n] == '@';
        if (address && sl_starts(sl_from(s, n), SL(".."))) break;
    }
    while (n > 1 && (s.p[n - 1] == '.' || s.p[n - 1] == '-')) n--;
    return n;
}

/* A dot inside of a run parts names, "A.B", or, without the blank behind it, sentences, "a.B". */
static void put_run(struct buf *out, struct slice run)
{
    for (size_t i = 0; i < run.n; i++) {
        bool inside = run.p[i] == '.' && i && i + 1 < run.n;
        bool sentence = inside && run.p[i - 1] >= 'a' && run.p[i + 1] >= 'A' && run.p[i + 1] <= 'Z';
        buf_char(out, inside && !sentence ? ' ' : run.p[i]);
    }
}

static void mask_line(struct buf *out, struct slice s)
{
    bool inside = false; /* a word */
    while (s.n) {
        size_t n = inside ? 0 : url_length(s);
        if (!n) n = quoted_length(s);
        if (!n && !inside) n = ip6_length(s);
        if (n) {
            buf_char(out, ' ');
        } else if (!inside && (n = run_length(s)) > 0) {
            struct slice run = sl_sub(s, 0, n);
            size_t at = sl_chr(run, '@');
            bool says = (at == SL_NONE || !at || at + 1 == n) && !is_host(run) && !is_numbers(run);
            put_run(out, says ? run : SL(" "));
        } else {
            buf_char(out, s.p[0]);
            n = 1;
        }
        inside = of_run(s.p[n - 1]);
        s = sl_from(s, n);
    }
    buf_char(out, ' ');
}

/* ---- words ---- */

/* Letters that have no decomposition, but are written without their stroke where accents are left out. */
static uint32_t without_stroke(uint32_t c)
{
    switch (c) {
    case 0x111: return 'd';
    case 0x142: return 'l';
    case 0xf8: return 'o';
    case 0x131: return 'i';
    }
    return c;
}

static bool is_mark(uint32_t c) { return (c >= 0x300 && c <= 0x36f) || c == 0x3099 || c == 0x309a; }

static bool is_apostrophe(uint32_t c) { return c == '\'' || c == 0x2018 || c == 0x2019; }

/* "user's" is "user", "isn't" is "isnt". */
static void skip_possessive(struct slice *s)
{
    if (s->n && s->p[0] == 's' && (s->n == 1 || (!is_alnum(s->p[1]) && (unsigned char)s->p[1] < 0x80)))
        *s = sl_from(*s, 1);
}

static bool is_end(uint32_t c) { return c == '.' || c == '!' || c == '?' || c == ';' || c == 0x3002; }

static bool is_letter(uint32_t c)
{
    if (c < 0x80) return is_alnum((char)c);
    return c >= 0xc0 && (c < 0x2000 || c >= 0x2e80) && !(c >= 0x3000 && c < 0x3040) && c != 0xfffd;
}

struct splitter {
    struct arena *a;
    struct words *out;
    struct buf word;
    size_t cap;
    bool numbers; /* words of digits alone are kept */
};

static void add(struct splitter *x, struct slice word)
{
    struct words *w = x->out;
    if (w->n == WORDS_MAX || (!word.n && (!w->n || !w->v[w->n - 1].n))) return;
    if (w->n == x->cap) w->v = ar_grow(x->a, w->v, &x->cap, sizeof *w->v);
    w->v[w->n++] = word;
}

static void end_word(struct splitter *x)
{
    struct slice s = buf_slice(&x->word);
    if (s.n && (x->numbers || !is_numbers(s))) add(x, ar_dup(x->a, s));
    buf_clear(&x->word);
}

static void split(struct arena *a, struct slice text, bool numbers, struct words *out)
{
    struct splitter x = {.a = a, .out = out, .cap = 16, .numbers = numbers};
    struct slice s = fold_utf8_ar(a, text);
    uint32_t c;
    *out = (struct words){.v = ar_array(a, struct slice, x.cap)};
    while (utf8_next(&s, &c)) {
        if (is_apostrophe(c)) skip_possessive(&s);
        if (is_mark(c) || is_apostrophe(c)) continue;
        if (!is_letter(c) || c >= 0x2e80) end_word(&x);
        if (is_letter(c)) utf8_put(&x.word, without_stroke(c));
        if (c >= 0x2e80) end_word(&x);
        if (is_end(c)) add(&x, SL(""));
    }
    end_word(&x);
    buf_free(&x.word);
}

static struct slice as_utf8(struct arena *a, struct slice s)
{
    return utf8_valid(s) ? s : charset_to_utf8(a, SL("iso-8859-1"), s);
}

void words_read(struct arena *a, struct slice reply, struct words *out)
{
    struct buf clear = BUF_INIT;
    struct slice rest = as_utf8(a, sl_sub(reply, 0, SMTP_REPLY_BYTES_MAX)), line;
    while (sl_next(&rest, '\n', &line)) mask_line(&clear, without_codes(line));
    split(a, buf_slice(&clear), false, out);
    buf_free(&clear);
}

void words_plain(struct arena *a, struct slice text, struct words *out) { split(a, text, true, out); }
