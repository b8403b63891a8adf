/* imap_args.c - arguments that several commands share: dates, sets, flags, status items. */
#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "imap_i.h"

/* ---- dates ---- */

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Exactly n digits. */
static int take_digits(struct imap_in *in, size_t n)
{
    struct slice s = sl_sub(in->s, in->at, in->at + n);
    uint64_t v = 0;
    if (in->code) return 0;
    if (s.n != n || !num_u64(s, 9999, &v)) imap_fail(in, ERR_SYNTAX, "digits of a date were expected");
    else in->at += n;
    return (int)v;
}

static int take_month(struct imap_in *in)
{
    struct slice s = sl_sub(in->s, in->at, in->at + 3);
    for (int i = 0; i < 12 && !in->code; i++)
        if (sl_eqi(s, sl(months[i], 3))) {
            in->at += 3;
            return i + 1;
        }
    imap_fail(in, ERR_SYNTAX, "a month was expected");
    return 1;
}

/* "-Mon-yyyy" after the day. */
static void take_month_year(struct imap_in *in, struct civil *c)
{
    imap_need(in, '-');
    c->month = take_month(in);
    imap_need(in, '-');
    c->year = take_digits(in, 4);
}

static int64_t to_unix(struct imap_in *in, const struct civil *c)
{
    int64_t seconds = 0;
    struct civil day = *c;
    /* Dates before 1970 are well formed and earlier than every message. */
    bool early = c->year < 1970;
    if (early) day.year = 1972;
    if (!in->code && !civil_to_unix(&day, &seconds)) imap_fail(in, ERR_SYNTAX, "there is no such date");
    return in->code || early ? 0 : seconds;
}

/* One digit or two: iOS and Outlook write one where the grammar of APPEND asks for two. */
static int one_or_two_digits(struct imap_in *in)
{
    return take_digits(in, in->at + 1 < in->s.n && is_digit(in->s.p[in->at + 1]) ? 2 : 1);
}

int64_t imap_date(struct imap_in *in)
{
    struct civil c = {0};
    bool quoted = imap_skip(in, '"');
    c.day = one_or_two_digits(in);
    take_month_year(in, &c);
    if (quoted) imap_need(in, '"');
    return to_unix(in, &c);
}

int64_t imap_date_time(struct imap_in *in, int *zone)
{
    struct civil c = {0};
    imap_need(in, '"');
    c.day = imap_skip(in, ' ') ? take_digits(in, 1) : one_or_two_digits(in);
    take_month_year(in, &c);
    imap_sp(in);
    c.hour = one_or_two_digits(in);
    imap_need(in, ':');
    c.minute = take_digits(in, 2);
    imap_need(in, ':');
    c.second = take_digits(in, 2);
    imap_sp(in);
    bool west = imap_at(in, '-');
    if (!west && !imap_at(in, '+')) imap_fail(in, ERR_SYNTAX, "a time zone was expected");
    else in->at++;
    int hhmm = take_digits(in, 4);
    imap_need(in, '"');
    if (hhmm > 2359 || hhmm % 100 > 59) imap_fail(in, ERR_SYNTAX, "there is no such time zone");
    *zone = (west ? -1 : 1) * (hhmm / 100 * 60 + hhmm % 100);
    int64_t at = to_unix(in, &c) - *zone * 60;
    return at < 0 ? 0 : at;
}

/* ---- sequence sets ---- */

static uint32_t set_number(struct imap_in *in)
{
    if (imap_skip(in, '*')) return 0;
    uint64_t v = imap_nz_number(in, UINT32_MAX, "0 is no message number");
    return (uint32_t)v;
}

struct imap_set imap_set(struct imap_in *in)
{
    struct imap_set s = {0};
    size_t cap = 0;
    if (imap_skip(in, '$')) {
        s.saved = true;
        return s;
    }
    do {
        struct imap_range r;
        r.lo = r.hi = set_number(in);
        if (imap_skip(in, ':')) r.hi = set_number(in);
        if (s.n == IMAP_SET_MAX) imap_fail(in, ERR_LIMIT, "too many ranges in the set");
        if (in->code) return (struct imap_set){0};
        if (s.n == cap) s.v = ar_grow(in->a, s.v, &cap, sizeof *s.v);
        s.v[s.n++] = r;
    } while (imap_skip(in, ','));
    return s;
}

static int by_lo(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void imap_set_fix(struct imap_set *s, uint32_t star)
{
    for (size_t i = 0; i < s->n; i++) {
        struct imap_range *r = &s->v[i];
        if (!r->lo) r->lo = star;
        if (!r->hi) r->hi = star;
        if (r->lo > r->hi) *r = (struct imap_range){r->hi, r->lo};
    }
    if (s->n) qsort(s->v, s->n, sizeof *s->v, by_lo);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct imap_range *last = n ? &s->v[n - 1] : NULL;
        if (last && s->v[i].lo <= (uint64_t)last->hi + 1) {
            if (s->v[i].hi > last->hi) last->hi = s->v[i].hi;
        } else {
            s->v[n++] = s->v[i];
        }
    }
    s->n = n;
}

bool imap_set_has(const struct imap_set *s, uint32_t v)
{
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (s->v[mid].hi < v) from = mid + 1;
        else to = mid;
    }
    return from < s->n && s->v[from].lo <= v;
}

uint64_t imap_set_count(const struct imap_set *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += (uint64_t)s->v[i].hi - s->v[i].lo + 1;
    return n;
}

/* ---- flags ---- */

static void add_keyword(struct imap_in *in, struct imap_flags *f, struct slice name)
{
    if (name.n > IMAP_KEYWORD_MAX) imap_fail(in, ERR_LIMIT, "the keyword is too long");
    if (in->code) return;
    for (size_t i = 0; i < f->n; i++)
        if (sl_eqi(f->keyword[i], name)) return;
    if (f->n == IMAP_FLAGS_MAX) imap_fail(in, ERR_LIMIT, "too many flags");
    else f->keyword[f->n++] = name;
}

static void take_flag(struct imap_in *in, struct imap_flags *f)
{
    static const struct slice names[] = {SL_INIT("Seen"), SL_INIT("Answered"), SL_INIT("Flagged"),
                                         SL_INIT("Deleted"), SL_INIT("Draft")};
    if (!imap_skip(in, '\\')) {
        add_keyword(in, f, imap_run(in, imap_is_atom, "a flag was expected"));
        return;
    }
    struct slice name = imap_atom(in);
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(name, names[i])) f->system |= 1u << i;
    /* \Recent and what is not known: nothing is kept (RFC 3501 section 2.3.2). Whoever moves messages hands
     * on the flags that a FETCH told, and the message is not to be lost by that. */
}

static struct imap_flags flags_until(struct imap_in *in, bool bracket)
{
    struct imap_flags f = {.keyword = ar_array(in->a, struct slice, IMAP_FLAGS_MAX)};
    if (bracket && imap_skip(in, ')')) return f;
    do take_flag(in, &f);
    while (imap_skip(in, ' '));
    if (bracket) imap_need(in, ')');
    return f;
}

/* "(...)" */
static struct imap_flags imap_flag_list(struct imap_in *in)
{
    imap_need(in, '(');
    return flags_until(in, true);
}

struct imap_store imap_store_args(struct imap_in *in)
{
    struct imap_store s = {0};
    if (imap_skip(in, '(')) { /* RFC 7162 section 3.1.3 */
        if (!imap_skip_word(in, SL("UNCHANGEDSINCE")))
            imap_fail(in, ERR_SYNTAX, "UNCHANGEDSINCE was expected");
        imap_sp(in);
        s.unchanged_since = imap_number(in, INT64_MAX);
        s.conditional = true;
        imap_need(in, ')');
        imap_sp(in);
    }
    if (in->annotate && imap_skip_word(in, SL("ANNOTATION"))) { /* RFC 5257 section 4.5 */
        imap_sp(in);
        s.annotates = true;
        s.annotations = imap_annotations(in);
        return s;
    }
    if (imap_at(in, '+') || imap_at(in, '-')) s.op = in->s.p[in->at++];
    if (imap_skip_word(in, SL("FLAGS.SILENT"))) s.silent = true;
    else if (!imap_skip_word(in, SL("FLAGS"))) imap_fail(in, ERR_SYNTAX, "FLAGS was expected");
    imap_sp(in);
    s.flags = flags_until(in, imap_skip(in, '('));
    return s;
}

/* ---- append ---- */

struct imap_append imap_append_options(struct imap_in *in)
{
    struct imap_append p = {0};
    if (imap_at(in, '(')) {
        p.flags = imap_flag_list(in);
        imap_sp(in);
    }
    if (imap_at(in, '"')) {
        p.date = imap_date_time(in, &p.zone);
        p.has_date = true;
        imap_sp(in);
    }
    if (in->annotate && imap_skip_word(in, SL("ANNOTATION"))) { /* RFC 5257 section 4.7 */
        imap_sp(in);
        p.annotations = imap_annotations(in);
        imap_sp(in);
    }
    p.utf8 = imap_skip_word(in, SL("UTF8"));
    p.catenate = !p.utf8 && imap_skip_word(in, SL("CATENATE"));
    if (p.utf8 || p.catenate) {
        imap_sp(in);
        imap_need(in, '(');
    }
    return p;
}

struct imap_piece imap_append_piece(struct imap_in *in, bool first)
{
    struct imap_piece p = {0};
    if (!first && !imap_at(in, ')')) imap_sp(in);
    if (!first && imap_skip(in, ')')) return p;
    p.utf8 = imap_skip_word(in, SL("UTF8"));
    if (p.utf8 || imap_skip_word(in, SL("TEXT"))) {
        p.kind = IMAP_PIECE_TEXT;
        imap_sp(in);
        if (p.utf8) imap_need(in, '(');
    } else if (imap_skip_word(in, SL("URL"))) {
        p.kind = IMAP_PIECE_URL;
        imap_sp(in);
        p.url = imap_astring(in);
    } else {
        imap_fail(in, ERR_SYNTAX, "URL or TEXT was expected");
    }
    return p;
}

/* ---- status ---- */

unsigned imap_status_items(struct imap_in *in)
{
    static const struct slice names[] = {
        SL_INIT("MESSAGES"),  SL_INIT("RECENT"),      SL_INIT("UIDNEXT"),        SL_INIT("UIDVALIDITY"),
        SL_INIT("UNSEEN"),    SL_INIT("DELETED"),     SL_INIT("SIZE"),           SL_INIT("HIGHESTMODSEQ"),
        SL_INIT("MAILBOXID"), SL_INIT("APPENDLIMIT"), SL_INIT("DELETED-STORAGE")};
    unsigned bits = 0;
    imap_need(in, '(');
    do {
        unsigned i = 0;
        while (i < COUNT_OF(names) && !imap_skip_word(in, names[i])) i++;
        if (i == COUNT_OF(names)) imap_fail(in, ERR_SYNTAX, "a status item was expected");
        else bits |= 1u << i;
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
    return bits;
}
