/* fold.c - folding and quoting of field values; see fold_i.h. Pure. */
#include "fold.h"
#include "base/text.h"

void fold_begin(struct fold *f, struct slice text)
{
    buf_put(f->out, text);
    f->column += text.n;
}

void fold_word(struct fold *f, struct slice word)
{
    if (f->column > 1 && f->column + 1 + word.n > FOLD_COLUMNS) {
        buf_str(f->out, "\r\n\t");
        f->column = 1;
    } else if (f->column > 1) {
        buf_char(f->out, ' ');
        f->column++;
    }
    fold_begin(f, word);
}

static bool all(struct slice s, bool (*ok)(char c))
{
    for (size_t i = 0; i < s.n; i++)
        if (!ok(s.p[i])) return false;
    return s.n > 0;
}

static bool token_char(char c) { return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c); }

static bool atext(char c) { return is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)); }

static bool is_dot_atom(struct slice s)
{
    struct slice part;
    if (!s.n) return false;
    while (sl_next(&s, '.', &part))
        if (!all(part, atext)) return false;
    return true;
}

/* Bytes that never need care; nearly all are. */
static size_t plain_run(struct slice s)
{
    size_t n = 0;
    for (; n < s.n; n++) {
        char c = s.p[n];
        if (!is_alnum(c) && c != ' ' && c != '=' && (c < '*' || c > '/')) break;
    }
    return n;
}

/* Each code point as it may stand in a quoted string or comment; `escape` names those that
 * need a backslash. Control characters and what is no UTF-8 become "?". */
static void put_safe(struct buf *b, struct slice s, const char *escape)
{
    s = sl_sub(s, 0, FOLD_VALUE_MAX);
    while (s.n) {
        size_t plain = plain_run(s);
        if (plain) {
            buf_put(b, sl_sub(s, 0, plain));
            s = sl_from(s, plain);
            continue;
        }
        struct slice before = s;
        uint32_t cp;
        if (!utf8_next(&s, &cp)) {
            buf_char(b, '?');
            s = sl_from(s, 1);
        } else if (cp < ' ' || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029) {
            buf_char(b, '?');
        } else {
            if (cp < 0x80 && strchr(escape, (int)cp)) buf_char(b, '\\');
            buf_put(b, sl(before.p, before.n - s.n));
        }
    }
}

struct slice fold_quoted(struct arena *a, struct slice value)
{
    struct buf b = BUF_INIT;
    buf_char(&b, '"');
    put_safe(&b, value, "\"\\");
    buf_char(&b, '"');
    struct slice r = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return r;
}

struct slice fold_value(struct arena *a, struct slice value)
{
    return value.n <= FOLD_VALUE_MAX && all(value, token_char) ? value : fold_quoted(a, value);
}

struct slice fold_dot_atom(struct arena *a, struct slice value)
{
    return value.n <= FOLD_VALUE_MAX && is_dot_atom(value) ? value : fold_quoted(a, value);
}

void fold_comment(struct arena *a, struct fold *f, struct slice text)
{
    struct buf b = BUF_INIT;
    buf_char(&b, '(');
    put_safe(&b, text, "()\\");
    buf_char(&b, ')');
    struct slice rest = ar_dup(a, buf_slice(&b)), word;
    buf_free(&b);
    while (sl_next(&rest, ' ', &word))
        if (word.n) fold_word(f, word);
}
