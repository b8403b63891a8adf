/* worded.c - reports of failure in words (worded.h). */
#include "worded.h"

#include "base/buf.h"
#include "base/text.h"

enum { ADDRESS_MAX = 320, WHY_MAX = 1000 };

/* What each says before its paragraphs, and behind them. */
static const struct form {
    struct slice says, ends;
} forms[] = {
    {SL_INIT("This is the qmail-send program"), SL_INIT("--- Below this line is a copy of the message")},
    {SL_INIT("A message that you sent could not be delivered"), SL_INIT("------ This is a copy of")},
    {SL_INIT("did not reach the following recipient(s):"), SL_INIT("-----Original Message-----")},
};

bool worded_begin(struct slice text, struct slice *paragraphs)
{
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t at = sl_find(text, forms[i].says);
        if (at == SL_NONE) continue;
        *paragraphs = sl_from(text, at + forms[i].says.n);
        size_t end = sl_find(*paragraphs, forms[i].ends);
        if (end != SL_NONE) *paragraphs = sl_sub(*paragraphs, 0, end);
        return true;
    }
    return false;
}

static bool next_line(struct slice *rest, struct slice *line)
{
    if (!rest->n || !sl_next(rest, '\n', line)) return false;
    *line = sl_trim(*line);
    return true;
}

/* "<bob@two.test>:", "bob@two.test", "bob@two.test on Mon, 30 Nov 2026 ..." */
static struct slice address_of(struct slice line)
{
    if (line.n && line.p[0] == '<') line = sl_from(line, 1);
    size_t n = 0;
    while (n < line.n && (unsigned char)line.p[n] > ' ' && !strchr("<>:,;\"()", line.p[n])) n++;
    struct slice word = sl_sub(line, 0, n);
    size_t at = sl_rchr(word, '@');
    return at != SL_NONE && at && at + 1 < n && n <= ADDRESS_MAX ? word : SL("");
}

static size_t digits(struct slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9') n++;
    return n;
}

/* RFC 3463 section 2: class, subject, detail. 0: none stands here. */
static size_t enhanced_at(struct slice s, size_t at)
{
    size_t subject = at + 2;
    if (at + 4 >= s.n || (s.p[at] != '4' && s.p[at] != '5') || s.p[at + 1] != '.') return 0;
    size_t n = digits(s, subject), m;
    if (!n || n > 3 || subject + n >= s.n || s.p[subject + n] != '.') return 0;
    m = digits(s, subject + n + 1);
    return m && m <= 3 ? subject + n + 1 + m - at : 0;
}

static void find_codes(struct worded *w)
{
    struct slice s = w->why;
    for (size_t i = 0; i < s.n; i++) {
        size_t n = enhanced_at(s, i);
        if ((i && is_alnum(s.p[i - 1])) || (i > 1 && s.p[i - 1] == '.')) continue;
        if (n && !w->enhanced.n) w->enhanced = sl_sub(s, i, i + n);
        bool code = (s.p[i] == '4' || s.p[i] == '5') && digits(s, i) == 3;
        if (code && !w->code && (i + 3 == s.n || s.p[i + 3] == ' ' || s.p[i + 3] == '-'))
            w->code = (s.p[i] - '0') * 100 + (s.p[i + 1] - '0') * 10 + s.p[i + 2] - '0';
    }
    if (!w->code) w->code = 550;
}

bool worded_next(struct arena *a, struct slice *paragraphs, struct worded *out)
{
    struct slice line;
    struct buf why = BUF_INIT;
    *out = (struct worded){0};
    while (!out->address.n && next_line(paragraphs, &line)) out->address = address_of(line);
    if (!out->address.n) return false;
    while (next_line(paragraphs, &line) && line.n) {
        if (why.n) buf_char(&why, ' ');
        if (why.n + line.n <= WHY_MAX) buf_put(&why, line);
    }
    out->why = ar_dup(a, sl_trim(buf_slice(&why)));
    buf_free(&why);
    find_codes(out);
    return true;
}
