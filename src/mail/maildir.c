/* maildir.c - names of files in a Maildir. */
#include "maildir.h"

#include "base/text.h"

static const struct {
    char letter;
    unsigned mark;
} marks[] = {
    {'D', MARK_DRAFT}, {'F', MARK_FLAGGED}, {'R', MARK_ANSWERED}, {'S', MARK_SEEN}, {'T', MARK_DELETED}};

static void take_letters(struct slice s, struct maildir_name *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c >= 'a' && c <= 'z') out->letters |= 1u << (c - 'a');
        if (c == 'P') out->passed = true;
        for (size_t k = 0; k < COUNT_OF(marks); k++)
            if (marks[k].letter == c) out->marks |= marks[k].mark;
    }
}

static uint64_t number(struct slice s, uint64_t max)
{
    uint64_t n = 0;
    return num_u64(s, max, &n) ? n : 0;
}

static int zone_of(struct slice s)
{
    bool west = sl_starts(s, SL("-"));
    int n = (int)number(sl_from(s, west), 24 * 60 - 1);
    return west ? -n : n;
}

static void take_fields(struct slice s, struct maildir_name *out)
{
    struct slice size = {0}, lines = {0}, f;
    while (sl_next(&s, ',', &f)) {
        if (f.n < 2 || f.p[1] != '=') continue;
        struct slice value = sl_from(f, 2);
        switch (f.p[0]) {
        case 'S': size = value; break;
        case 'W': lines = value; break;
        case 'Z': out->zone = zone_of(value); break;
        case 'V': out->validity = (uint32_t)number(value, UINT32_MAX); break;
        case 'U': out->uid = (uint32_t)number(value, UINT32_MAX); break;
        }
    }
    out->as_is = size.n && sl_eq(size, lines);
    if (!out->validity) out->uid = 0; /* mbsync has a U, too: what it counts is not known here */
}

bool maildir_name_parse(struct slice name, struct maildir_name *out)
{
    *out = (struct maildir_name){0};
    if (!name.n || name.p[0] == '.') return false;
    size_t info = sl_rchr(name, ':');
    struct slice base = info == SL_NONE ? name : sl_sub(name, 0, info);
    if (info != SL_NONE && sl_starts(sl_from(name, info), SL(":2,")))
        take_letters(sl_from(name, info + 3), out);
    size_t digits = 0;
    while (digits < base.n && is_digit(base.p[digits])) digits++;
    out->time = number(sl_sub(base, 0, digits), (uint64_t)INT64_MAX);
    take_fields(base, out);
    return true;
}

void maildir_name_put(struct buf *b, const struct maildir_name *n, uint64_t size, uint64_t lines)
{
    buf_printf(b, "%llu.V%uU%u.tram,V=%u,U=%u,S=%llu,W=%llu", (unsigned long long)n->time, n->validity,
               n->uid, n->validity, n->uid, (unsigned long long)size, (unsigned long long)lines);
    if (n->zone) buf_printf(b, ",Z=%d", n->zone);
    buf_str(b, ":2,");
    for (size_t k = 0; k < COUNT_OF(marks); k++) { /* in the order of ASCII */
        if (n->passed && marks[k].letter == 'R') buf_char(b, 'P');
        if (n->marks & marks[k].mark) buf_char(b, marks[k].letter);
    }
    for (unsigned i = 0; i < MAILDIR_LETTERS; i++)
        if (n->letters >> i & 1) buf_char(b, (char)('a' + i));
}

bool maildir_keyword(struct slice line, unsigned *number_out, struct slice *name)
{
    uint64_t n;
    size_t blank = sl_chr(line, ' ');
    if (blank == SL_NONE || !num_u64(sl_sub(line, 0, blank), MAILDIR_LETTERS - 1, &n)) return false;
    *number_out = (unsigned)n;
    *name = sl_trim(sl_from(line, blank + 1));
    return name->n > 0;
}
