/* imap_annotate.c - annotations of messages in commands (RFC 5257 section 5), and in FETCH responses. */
#include <string.h>

#include "base/text.h"
#include "imap_i.h"

/* ---- names ---- */

bool imap_entry_part(struct slice entry, struct slice *part)
{
    struct slice rest = sl_from(entry, 1);
    *part = SL("");
    return entry.n > 1 && is_digit(entry.p[1]) && sl_next(&rest, '/', part);
}

/* Numbers from 1 on, with dots between. */
static bool part_good(struct slice part)
{
    struct slice number;
    size_t n = 0;
    uint64_t v;
    while (sl_next(&part, '.', &number)) {
        if (++n > IMAP_PATH_MAX || !number.n || number.p[0] == '0' || !num_u64(number, UINT32_MAX, &v))
            return false;
    }
    return n > 0;
}

/* Section 3.2: components between slashes, printable ASCII. */
static bool name_good(struct slice s, bool wild)
{
    struct slice part;
    if (!s.n || s.n > IMAP_ENTRY_MAX || s.p[s.n - 1] == '/') return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c <= 32 || c >= 127 || (!wild && (c == '*' || c == '%'))) return false;
        if (c == '/' && i && s.p[i - 1] == '/') return false;
    }
    bool pattern = sl_chr(s, '*') != SL_NONE || sl_chr(s, '%') != SL_NONE;
    if (pattern) return true;
    if (s.p[0] != '/') return false;
    if (s.n == 1 || !is_digit(s.p[1])) return true;
    return imap_entry_part(s, &part) && part_good(part);
}

/* Those that are registered, and what vendors have (section 3.2.1). */
static bool name_known(struct slice s)
{
    struct slice part;
    bool of_part = imap_entry_part(s, &part);
    if (of_part) s = sl_from(s, part.n + 1);
    if (sl_eq(s, SL("/comment"))) return true;
    if (sl_starts(s, SL("/vendor/"))) return s.n > 8;
    if (!of_part) return sl_eq(s, SL("/altsubject"));
    return sl_eq(s, SL("/flags/seen")) || sl_eq(s, SL("/flags/answered")) || sl_eq(s, SL("/flags/flagged")) ||
           sl_eq(s, SL("/flags/forwarded"));
}

static bool is_match(char c) { return imap_is_atom(c) || c == ']' || c == '*' || c == '%'; }

static struct slice take_match(struct imap_in *in)
{
    size_t at = in->at;
    struct slice s = imap_at(in, '"') || imap_at(in, '{') ? imap_string(in)
                                                          : imap_run(in, is_match, "an entry was expected");
    if (!in->code && !name_good(s, true)) {
        in->at = at;
        imap_fail(in, ERR_SYNTAX, "this is no name of an entry");
    }
    return s;
}

static struct slice take_entry(struct imap_in *in)
{
    size_t at = in->at;
    struct slice s = imap_astring(in);
    if (!in->code && !(name_good(s, false) && name_known(s))) {
        in->at = at;
        imap_fail(in, ERR_SYNTAX,
                  "this is no entry: /comment, /altsubject, /vendor/..., or of a part /1/comment");
    }
    return s;
}

/* In the order in which they are told. */
static const struct {
    struct slice name;
    unsigned bits;
} attributes[] = {
    {SL_INIT("value.priv"), IMAP_VALUE_PRIV},
    {SL_INIT("value.shared"), IMAP_VALUE_SHARED},
    {SL_INIT("size.priv"), IMAP_SIZE_PRIV},
    {SL_INIT("size.shared"), IMAP_SIZE_SHARED},
    {SL_INIT("value"), IMAP_VALUE_PRIV | IMAP_VALUE_SHARED},
    {SL_INIT("size"), IMAP_SIZE_PRIV | IMAP_SIZE_SHARED},
};

/* `may`: the bits that can be asked for here; one: exactly one of them. Names are case-sensitive (3.2). */
static unsigned take_attribute(struct imap_in *in, unsigned may, bool one)
{
    size_t at = in->at;
    struct slice s = imap_astring(in);
    for (size_t i = 0; i < COUNT_OF(attributes) && !in->code; i++) {
        unsigned bits = attributes[i].bits;
        if (sl_eq(s, attributes[i].name) && !(bits & ~may) && !(one && bits & (bits - 1))) return bits;
    }
    if (!in->code) in->at = at;
    imap_fail(in, ERR_SYNTAX,
              one ? "value.priv or value.shared was expected"
                  : "value or size was expected, or such an attribute");
    return 0;
}

/* ---- what commands say ---- */

struct imap_annotation_want *imap_annotation_want(struct imap_in *in)
{
    struct imap_annotation_want *w = ar_new(in->a, struct imap_annotation_want);
    w->entry = ar_array(in->a, struct slice, IMAP_ENTRIES_MAX);
    imap_need(in, '(');
    bool several = imap_skip(in, '(');
    do {
        struct slice entry = take_match(in);
        if (w->n == IMAP_ENTRIES_MAX) imap_fail(in, ERR_LIMIT, "too many entries");
        if (in->code) return w;
        w->entry[w->n++] = entry;
    } while (several && imap_skip(in, ' '));
    if (several) imap_need(in, ')');
    imap_sp(in);
    several = imap_skip(in, '(');
    do w->attributes |= take_attribute(in, IMAP_VALUES | IMAP_SIZES, false);
    while (several && imap_skip(in, ' '));
    if (several) imap_need(in, ')');
    imap_need(in, ')');
    return w;
}

static bool ends_before_value(const struct imap_in *in)
{
    return !in->code && in->at == in->s.n && in->at && in->s.p[in->at - 1] == ' ';
}

/* "/comment (value.priv "x" value.shared NIL)" */
static void take_values(struct imap_in *in, struct imap_annotations *n)
{
    struct slice entry = take_entry(in);
    imap_sp(in);
    imap_need(in, '(');
    do {
        bool shared = take_attribute(in, IMAP_VALUES, true) == IMAP_VALUE_SHARED;
        imap_sp(in);
        n->open |= ends_before_value(in);
        struct slice value = imap_nstring8(in);
        if (n->n == IMAP_ENTRIES_MAX) imap_fail(in, ERR_LIMIT, "too many values");
        if (in->code) return;
        n->v[n->n++] = (struct imap_annotation){entry, shared, value};
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
}

struct imap_annotations imap_annotations(struct imap_in *in)
{
    struct imap_annotations n = {.v = ar_array(in->a, struct imap_annotation, IMAP_ENTRIES_MAX)};
    imap_need(in, '(');
    do take_values(in, &n);
    while (imap_skip(in, ' '));
    imap_need(in, ')');
    return n;
}

void imap_annotation_key(struct imap_in *in, struct slice *entry, unsigned *attribute, struct slice *value)
{
    *entry = take_match(in);
    imap_sp(in);
    *attribute = take_attribute(in, IMAP_VALUES, false);
    imap_sp(in);
    *value = imap_nstring8(in);
}

void imap_annotation_sort(struct imap_in *in, struct slice *entry, bool *shared)
{
    size_t at = in->at;
    *entry = imap_astring(in);
    if (!in->code && !name_good(*entry, false)) {
        in->at = at;
        imap_fail(in, ERR_SYNTAX, "this is no name of an entry");
    }
    imap_sp(in);
    *shared = take_attribute(in, IMAP_VALUES, true) == IMAP_VALUE_SHARED;
}

/* ---- matching ---- */

bool imap_entry_has_wild(struct slice pattern)
{
    return sl_chr(pattern, '*') != SL_NONE || sl_chr(pattern, '%') != SL_NONE;
}

/* Section 4.3: a wild card stands for one character or more, '%' not for '/'. at[i]: what was looked at of
 * the pattern matches the first i characters of the name. */
bool imap_entry_match(struct slice pattern, struct slice name)
{
    bool at[IMAP_ENTRY_MAX + 1] = {true};
    if (name.n > IMAP_ENTRY_MAX) return false;
    for (size_t k = 0; k < pattern.n; k++) {
        bool next[IMAP_ENTRY_MAX + 1] = {false};
        char c = pattern.p[k];
        bool wild = c == '*' || c == '%';
        for (size_t i = 0; i < name.n; i++) {
            if (wild) next[i + 1] = (at[i] || next[i]) && (c == '*' || name.p[i] != '/');
            else next[i + 1] = at[i] && name.p[i] == c;
        }
        memcpy(at, next, sizeof at);
    }
    return at[name.n];
}

/* ---- writing ---- */

void imap_put_annotation(struct buf *out, struct slice entry, unsigned want, struct slice own,
                         struct slice shared)
{
    imap_put_astring(out, entry, false);
    buf_str(out, " (");
    for (size_t i = 0, n = 0; i < 4; i++) {
        unsigned bit = attributes[i].bits;
        struct slice v = bit & (IMAP_VALUE_PRIV | IMAP_SIZE_PRIV) ? own : shared;
        if (!(want & bit)) continue;
        buf_printf(out, "%s%s ", n++ ? " " : "", attributes[i].name.p);
        if (bit & IMAP_SIZES) buf_printf(out, "\"%zu\"", v.n);
        else imap_put_nstring8(out, v);
    }
    buf_char(out, ')');
}
