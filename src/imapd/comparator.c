/* comparator.c - COMPARATOR (RFC 5255 section 4.7): by which collation of RFC 4790 SEARCH, SORT and THREAD
 * compare texts. */
#include "base/text.h"
#include "imapd_i.h"

enum { PATTERN_MAX = 254 /* RFC 4790 section 3.1 */ };

/* collation-wild (section 3.2), or "default". */
static bool is_pattern(struct slice s)
{
    bool star = false;
    if (!s.n || s.n > PATTERN_MAX || !(is_alpha(s.p[0]) || s.p[0] == '*')) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '*' ? star : !is_alnum(s.p[i]) && !strchr("-;=.", s.p[i])) return false;
        star = s.p[i] == '*';
    }
    return true;
}

/* Each star but the last takes as little as it can. */
static bool matches(struct slice pattern, struct slice name)
{
    struct slice rest = pattern, piece;
    size_t star = sl_chr(pattern, '*');
    if (star == SL_NONE) return sl_eqi(pattern, name);
    if (!sl_startsi(name, sl_sub(pattern, 0, star))) return false;
    name = sl_from(name, star);
    rest = sl_from(pattern, star + 1);
    while ((star = sl_chr(rest, '*')) != SL_NONE) {
        piece = sl_sub(rest, 0, star);
        while (name.n && !sl_startsi(name, piece)) name = sl_from(name, 1);
        if (!sl_startsi(name, piece)) return false;
        name = sl_from(name, piece.n);
        rest = sl_from(rest, star + 1);
    }
    return sl_endsi(name, rest);
}

/* The collations that the argument means; *reversed: they are wanted in the other order (section 3.3). */
static unsigned meant(struct imap_in *in, struct slice arg, bool *reversed)
{
    unsigned set = 0;
    *reversed = sl_starts(arg, SL("-"));
    if (*reversed || sl_starts(arg, SL("+"))) arg = sl_from(arg, 1);
    if (!is_pattern(arg)) imap_fail(in, ERR_SYNTAX, "the name of a comparator was expected");
    if (sl_eqi(arg, SL("default"))) return 1u << COLLATION_UNICODE_CASEMAP;
    for (int c = 0; c < COLLATIONS; c++)
        if (matches(arg, sl_cstr(collation_name((enum collation)c)))) set |= 1u << c;
    return set;
}

static void tell(struct imapd_session *s, unsigned matched)
{
    const char *before = " (";
    buf_printf(&s->out, "* COMPARATOR %s%s", s->comparator.reversed ? "-" : "",
               collation_name(s->comparator.how));
    for (int c = 0; __builtin_popcount(matched) > 1 && c < COLLATIONS; c++) {
        if (!(matched >> c & 1)) continue;
        buf_printf(&s->out, "%s%s", before, collation_name((enum collation)c));
        before = " ";
    }
    buf_printf(&s->out, "%s\r\n", __builtin_popcount(matched) > 1 ? ")" : "");
    imapd_flush(s);
}

void imapd_cmd_comparator(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_comparator wanted = s->comparator;
    unsigned matched = 0;
    bool asked = false;
    while (!in->code && imap_skip(in, ' ')) {
        bool reversed;
        unsigned set = meant(in, imap_astring(in), &reversed);
        if (set && !matched) wanted = (struct imapd_comparator){(enum collation)__builtin_ctz(set), reversed};
        matched |= set;
        asked = true;
    }
    if (imapd_args_bad(s, in)) return;
    if (asked && !matched) {
        imapd_no(s, "BADCOMPARATOR", "there is no such comparator here");
        return;
    }
    s->comparator = wanted;
    tell(s, matched);
    imapd_ok(s, NULL, "texts are compared so");
}
