/* charset.c - conversion through iconv, folding through libunistring. */
#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/text.h"

enum { NAME_MAX_BYTES = 40, PIECE = 1024, FOLD_PIECE = 4096 };
#define REPLACEMENT SL("\xef\xbf\xbd")

struct alias {
    struct slice name;
    const char *iconv;
};
/* Names that iconv has not, and names under which mail programs send a superset. */
static const struct alias aliases[] = {
    {SL_INIT("gb2312"), "GB18030"},
    {SL_INIT("gbk"), "GB18030"},
    {SL_INIT("x-gbk"), "GB18030"},
    {SL_INIT("ks_c_5601-1987"), "CP949"},
    {SL_INIT("euc-kr"), "CP949"},
    {SL_INIT("shift_jis"), "CP932"},
    {SL_INIT("x-sjis"), "CP932"},
    {SL_INIT("iso-8859-8-i"), "ISO-8859-8"},
    {SL_INIT("iso-8859-8-e"), "ISO-8859-8"},
    {SL_INIT("iso-8859-6-i"), "ISO-8859-6"},
    {SL_INIT("x-mac-roman"), "MACINTOSH"},
    {SL_INIT("utf-7"), "UTF-7"},
};

/* How many bytes at the front are ASCII; eight at a time. */
static size_t ascii_run(struct slice s)
{
    size_t n = 0;
    for (uint64_t eight; n + sizeof eight <= s.n; n += sizeof eight) {
        memcpy(&eight, s.p + n, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080)) break;
    }
    while (n < s.n && !(s.p[n] & 0x80)) n++;
    return n;
}

static bool is_utf8_name(struct slice name)
{
    return sl_empty(name) || sl_eqi(name, SL("utf-8")) || sl_eqi(name, SL("utf8")) ||
           sl_eqi(name, SL("us-ascii")) || sl_eqi(name, SL("ascii")) || sl_eqi(name, SL("ansi_x3.4-1968"));
}

/* iconv names may hold "//" options and slashes that lead to files: only plain ones pass. */
static bool plain_name(struct slice name)
{
    if (name.n > NAME_MAX_BYTES) return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_alnum(name.p[i]) && !memchr("-_.:+", name.p[i], 5)) return false;
    return name.n > 0;
}

static iconv_t open_iconv(struct slice name)
{
    char text[NAME_MAX_BYTES + 1];
    if (!plain_name(name)) return (iconv_t)-1;
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (sl_eqi(aliases[i].name, name)) return iconv_open("UTF-8", aliases[i].iconv);
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    return iconv_open("UTF-8", text);
}

bool charset_known(struct slice name)
{
    if (is_utf8_name(name)) return true;
    iconv_t cd = open_iconv(name);
    if (cd == (iconv_t)-1) return false;
    iconv_close(cd);
    return true;
}

static size_t unit_of(struct slice name)
{
    if (sl_startsi(name, SL("utf-16")) || sl_startsi(name, SL("ucs-2")) ||
        sl_startsi(name, SL("iso-10646-ucs-2")))
        return 2;
    return sl_startsi(name, SL("utf-32")) || sl_startsi(name, SL("ucs-4")) ? 4 : 1;
}

int charset_begin(struct charset *c, struct slice name)
{
    *c = (struct charset){.unit = unit_of(name)};
    if (is_utf8_name(name)) return 0;
    iconv_t cd = open_iconv(name);
    if (cd != (iconv_t)-1) {
        c->iconv = cd;
        return 0;
    }
    c->unit = 1;
    return err_set(ERR_UNSUPPORTED, "the charset %.*s is not known", (int)(name.n < 60 ? name.n : 60),
                   name.p);
}

static void replace(struct charset *c, struct buf *out)
{
    c->bad = true;
    buf_put(out, REPLACEMENT);
}

/* Is s (1 to 3 bytes) the start of a character that may go on? */
static bool unfinished_utf8(struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t want = p[0] >= 0xf0 && p[0] <= 0xf4  ? 4
                  : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                  : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                                : 0;
    if (s.n >= want) return false;
    for (size_t i = 1; i < s.n; i++)
        if ((p[i] & 0xc0) != 0x80) return false;
    return true;
}

/* Both convert from the front of s and return what is left: an unfinished character. */
static struct slice from_utf8(struct charset *c, struct slice s, struct buf *out)
{
    while (s.n) {
        struct slice rest = s;
        uint32_t cp;
        do rest = sl_from(rest, ascii_run(rest));
        while (rest.n && utf8_next(&rest, &cp));
        buf_bytes(out, s.p, s.n - rest.n);
        s = rest;
        if (!s.n || unfinished_utf8(s)) break;
        replace(c, out);
        s = sl_from(s, 1);
    }
    return s;
}

static struct slice from_iconv(struct charset *c, struct slice s, struct buf *out)
{
    while (s.n) {
        char to[PIECE * 2], *in = (char *)s.p, *at = to;
        size_t room = sizeof to, left = s.n;
        size_t r = iconv((iconv_t)c->iconv, &in, &left, &at, &room);
        int why = r == (size_t)-1 ? errno : 0;
        buf_bytes(out, to, (size_t)(at - to));
        s = sl(in, left);
        if (!why || why == E2BIG) continue;
        if (why == EINVAL && s.n < sizeof c->hold) break;
        replace(c, out);
        s = sl_from(s, c->unit);
    }
    return s;
}

static struct slice convert(struct charset *c, struct slice s, struct buf *out)
{
    return c->iconv ? from_iconv(c, s, out) : from_utf8(c, s, out);
}

void charset_feed(struct charset *c, struct slice in, struct buf *out)
{
    if (!in.n) return;
    if (!c->nhold && !c->iconv) { /* the common case: straight through */
        struct slice left = from_utf8(c, in, out);
        c->nhold = left.n;
        memcpy(c->hold, left.p, left.n);
        return;
    }
    while (in.n && !out->over) {
        char piece[PIECE];
        memcpy(piece, c->hold, c->nhold);
        size_t take = sizeof piece - c->nhold < in.n ? sizeof piece - c->nhold : in.n;
        memcpy(piece + c->nhold, in.p, take);
        in = sl_from(in, take);
        struct slice left = convert(c, sl(piece, c->nhold + take), out);
        c->nhold = left.n;
        memcpy(c->hold, left.p, left.n);
    }
}

/* Some converters keep a letter back because an accent may follow (windows-1255, -1258, TCVN). */
static void end_iconv(struct charset *c, struct buf *out)
{
    char to[64], *at = to;
    size_t room = sizeof to;
    if (iconv((iconv_t)c->iconv, NULL, NULL, &at, &room) != (size_t)-1) buf_bytes(out, to, (size_t)(at - to));
    iconv_close((iconv_t)c->iconv);
    c->iconv = NULL;
}

void charset_end(struct charset *c, struct buf *out)
{
    if (c->iconv) end_iconv(c, out);
    if (c->nhold) replace(c, out);
    c->nhold = 0;
}

struct slice charset_to_utf8(struct arena *a, struct slice name, struct slice in)
{
    struct charset c;
    struct buf b = BUF_INIT;
    if (charset_begin(&c, name) != 0) c.bad = true;
    charset_feed(&c, in, &b);
    charset_end(&c, &b);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

struct slice utf8_clean(struct arena *a, struct slice in)
{
    return utf8_valid(in) ? in : charset_to_utf8(a, SL("utf-8"), in);
}

/* ---- folding ---- */

/* A run without ASCII. Neither folding nor decomposition reaches over an ASCII character. */
static void fold_run(struct buf *out, struct slice run)
{
    size_t n = 0;
    uint8_t *folded = u8_casefold((const uint8_t *)run.p, run.n, NULL, UNINORM_NFKD, NULL, &n);
    if (folded) buf_bytes(out, folded, n);
    else buf_put(out, run);
    free(folded);
}

/* Where a long run may be cut: before a character that is no combining mark. */
static size_t run_cut(struct slice run)
{
    if (run.n <= FOLD_PIECE) return run.n;
    for (size_t i = FOLD_PIECE; i > FOLD_PIECE / 2; i--) {
        struct slice rest = sl_from(run, i);
        uint32_t cp;
        if (((uint8_t)rest.p[0] & 0xc0) != 0x80 && utf8_next(&rest, &cp) &&
            uc_combining_class(cp) == UC_CCC_NR)
            return i;
    }
    return FOLD_PIECE;
}

/* Capitals among eight ASCII bytes made small: bit 7 of each byte of `upper` tells which. */
static uint64_t lower_eight(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t upper = ((x + (0x80 - 'A') * ones) ^ (x + (0x7f - 'Z') * ones)) & 0x80 * ones;
    return x | upper >> 2;
}

static void fold_ascii(struct buf *out, struct slice in)
{
    char *to = buf_space(out, in.n);
    size_t i = 0;
    if (!to) return;
    for (uint64_t eight; i + sizeof eight <= in.n; i += sizeof eight) {
        memcpy(&eight, in.p + i, sizeof eight);
        eight = lower_eight(eight);
        memcpy(to + i, &eight, sizeof eight);
    }
    for (; i < in.n; i++) to[i] = sl_lower(in.p[i]);
    out->n += in.n;
}

/* ASCII and all else in turn, each to its function, long runs in pieces. */
static void in_runs(struct buf *out, struct slice in, void (*ascii)(struct buf *, struct slice),
                    void (*other)(struct buf *, struct slice))
{
    while (in.n) {
        size_t n = ascii_run(in);
        if (n) ascii(out, sl_sub(in, 0, n));
        in = sl_from(in, n);
        for (n = 0; n < in.n && in.p[n] & 0x80; n++) {
        }
        while (n) {
            size_t cut = run_cut(sl_sub(in, 0, n));
            other(out, sl_sub(in, 0, cut));
            in = sl_from(in, cut);
            n -= cut;
        }
    }
}

void fold_utf8(struct buf *out, struct slice in) { in_runs(out, in, fold_ascii, fold_run); }

struct slice fold_utf8_ar(struct arena *a, struct slice in)
{
    struct buf b = BUF_INIT;
    fold_utf8(&b, in);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* ---- order ---- */

/* Titlecase of a run without ASCII, decomposed. */
static void collate_run(struct buf *out, struct slice run)
{
    struct buf titled = BUF_INIT;
    size_t n = 0;
    uint32_t cp;
    while (run.n) {
        if (utf8_next(&run, &cp)) {
            utf8_put(&titled, uc_totitle(cp));
        } else {
            utf8_put(&titled, 0xfffd);
            run = sl_from(run, 1);
        }
    }
    uint8_t *made = u8_normalize(UNINORM_NFKD, (const uint8_t *)titled.p, titled.n, NULL, &n);
    if (made) buf_bytes(out, made, n);
    else buf_put(out, buf_slice(&titled));
    free(made);
    buf_free(&titled);
}

static void collate_ascii(struct buf *out, struct slice in)
{
    for (size_t i = 0; i < in.n; i++) buf_char(out, sl_upper(in.p[i]));
}

const char *collation_name(enum collation c)
{
    static const char *const names[] = {"i;unicode-casemap", "i;ascii-casemap", "i;octet"};
    return names[c];
}

void collation_fold(struct buf *out, enum collation c, struct slice in)
{
    if (c == COLLATION_UNICODE_CASEMAP) fold_utf8(out, in);
    else if (c == COLLATION_ASCII_CASEMAP) in_runs(out, in, collate_ascii, buf_put);
    else buf_put(out, in);
}

struct slice collation_fold_ar(struct arena *a, enum collation c, struct slice in)
{
    struct buf b = BUF_INIT;
    collation_fold(&b, c, in);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

struct slice collation_key(struct arena *a, enum collation c, struct slice in)
{
    struct buf b = BUF_INIT;
    if (c == COLLATION_UNICODE_CASEMAP) in_runs(&b, in, collate_ascii, collate_run);
    else collation_fold(&b, c, in);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
