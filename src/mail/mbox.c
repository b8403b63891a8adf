/* mbox.c - messages in mbox files. */
#include "mbox.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"
#include "head.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

/* ---- the line in front ---- */

static bool is_month(struct slice s)
{
    for (size_t i = 0; s.n == 3 && i < 12; i++)
        if (memcmp(months + 3 * i, s.p, 3) == 0) return true;
    return false;
}

static bool is_year(struct slice s)
{
    uint64_t n;
    return s.n == 4 && num_u64(s, 9999, &n) && n >= 1970;
}

/* "Nov 22 21:34:26 2026", with a zone before or behind the year; w: the words from the month on. */
static bool asctime_date(const struct slice *w, size_t n, struct mail_date *date)
{
    char text[100];
    struct slice year = {0}, zone = SL("+0000");
    for (size_t i = 3; i < n; i++) {
        if (!year.n && is_year(w[i])) year = w[i];
        else if (w[i].n == 5 && (w[i].p[0] == '+' || w[i].p[0] == '-')) zone = w[i];
    }
    if (n < 4 || w[1].n > 2 || !year.n || w[2].n > 8 || sl_chr(w[2], ':') == SL_NONE) return false;
    int k = snprintf(text, sizeof text, "%.*s %.*s %.*s %.*s %.*s", SLF(w[1]), SLF(w[0]), SLF(year),
                     SLF(w[2]), SLF(zone));
    return k > 0 && mail_date_parse(sl(text, (size_t)k), date) == 0;
}

bool mbox_from_line(struct slice line, struct mail_date *date, bool *dated)
{
    enum { WORDS = 24 };
    struct slice word[WORDS], piece;
    size_t n = 0;
    *dated = false;
    if (!sl_starts(line, SL("From ")) || line.n > MBOX_FROM_MAX) return false;
    for (struct slice rest = sl_trim(sl_from(line, 5)); n < WORDS && sl_next(&rest, ' ', &piece);)
        if (piece.n) word[n++] = piece;
    for (size_t i = 0; i < n && !*dated; i++)
        *dated = is_month(word[i]) && asctime_date(word + i, n - i, date);
    return true;
}

/* ---- header sections ---- */

static void take_status(struct slice body, unsigned *marks)
{
    static const struct {
        char letter;
        unsigned mark;
    } letters[] = {
        {'R', MARK_SEEN}, {'A', MARK_ANSWERED}, {'F', MARK_FLAGGED}, {'D', MARK_DELETED}, {'T', MARK_DRAFT}};
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (sl_chr(body, letters[i].letter) != SL_NONE) *marks |= letters[i].mark;
}

static void take_keywords(struct slice body, struct mail_marks *m)
{
    struct slice word;
    while (sl_next(&body, ' ', &word))
        if (sl_trim(word).n) mail_marks_add(m, sl_trim(word));
}

/* X-Mozilla-Status of Thunderbird: hexadecimal bits. */
static void take_mozilla(struct slice body, struct mail_marks *m)
{
    static const struct {
        unsigned bit, mark;
    } bits[] = {{1, MARK_SEEN}, {2, MARK_ANSWERED}, {4, MARK_FLAGGED}, {8, MARK_DELETED}};
    uint64_t v;
    if (!num_hex64(body, &v)) return;
    for (size_t i = 0; i < COUNT_OF(bits); i++)
        if (v & bits[i].bit) m->set |= bits[i].mark;
    if (v & 0x1000) mail_marks_add(m, SL("$Forwarded"));
}

/* A field of the file's own? Then it is taken in and left out. */
static bool take_own(struct arena *a, const struct mail_field *f, struct mbox_head *h)
{
    static const char *const dropped[] = {"X-UID", "X-IMAPbase", "X-Mozilla-Status2", "Lines"};
    struct slice body = mail_unfold(a, f->body);
    if (sl_eqi(f->name, SL("Status")) || sl_eqi(f->name, SL("X-Status"))) take_status(body, &h->marks.set);
    else if (sl_eqi(f->name, SL("X-Keywords")) || sl_eqi(f->name, SL("X-Mozilla-Keys")))
        take_keywords(body, &h->marks);
    else if (sl_eqi(f->name, SL("X-Mozilla-Status"))) take_mozilla(body, &h->marks);
    else if (sl_eqi(f->name, SL("Content-Length")))
        h->has_length = num_u64(body, (uint64_t)1 << 48, &h->length);
    else if (sl_eqi(f->name, SL("X-IMAP"))) h->pseudo = true;
    else {
        for (size_t i = 0; i < COUNT_OF(dropped); i++)
            if (sl_eqi(f->name, sl_cstr(dropped[i]))) return true;
        return false;
    }
    return true;
}

static void take_date(struct arena *a, const struct mail_head *h, struct mbox_head *out)
{
    const struct mail_field *f = mail_head_find(h, SL("Received"), 0);
    struct slice body = f ? mail_unfold(a, f->body) : SL("");
    size_t semicolon = sl_rchr(body, ';');
    if (semicolon != SL_NONE) out->dated = mail_date_parse(sl_from(body, semicolon + 1), &out->date) == 0;
    f = out->dated ? NULL : mail_head_find(h, SL("Date"), 0);
    if (f) out->dated = mail_date_parse(f->body, &out->date) == 0;
}

/* "1234 crlf 60" */
static bool take_ours(struct slice body, struct mbox_head *h)
{
    struct slice size, lines, zone = body;
    uint64_t minutes;
    if (!sl_next(&zone, ' ', &size) || !sl_next(&zone, ' ', &lines)) return false;
    bool west = sl_starts(zone, SL("-"));
    if (!num_u64(size, (uint64_t)1 << 48, &h->size) || !num_u64(sl_from(zone, west), 24 * 60 - 1, &minutes))
        return false;
    h->as_is = sl_eq(lines, SL("as-is"));
    h->zone = west ? -(int)minutes : (int)minutes;
    return h->as_is || sl_eq(lines, SL("crlf"));
}

/* Written here: the fields in front are the file's, the rest is the message. */
static bool parse_ours(struct arena *a, struct slice head, struct mbox_head *out)
{
    static const char *const own[] = {"Status", "X-Status", "X-Keywords"};
    struct slice rest = head, name = SL("X-Tram-Message");
    for (size_t i = 0; i < COUNT_OF(own) + 1; i++) {
        size_t lf = sl_chr(rest, '\n'), colon = sl_chr(rest, ':');
        if (lf == SL_NONE || colon > lf || !sl_eq(sl_sub(rest, 0, colon), name)) return false;
        struct slice line = sl_trim(sl_sub(rest, colon + 1, lf));
        if (i == 0 && !take_ours(line, out)) return false;
        if (i == 1 || i == 2) take_status(line, &out->marks.set);
        if (i == 3) take_keywords(ar_dup(a, line), &out->marks);
        rest = sl_from(rest, lf + 1);
        if (i < COUNT_OF(own)) name = sl_cstr(own[i]);
    }
    out->text = rest;
    return out->ours = true;
}

void mbox_head_parse(struct arena *a, struct slice head, struct mbox_head *out)
{
    struct mail_head h;
    struct buf text = BUF_INIT;
    *out = (struct mbox_head){.text = head};
    if (parse_ours(a, head, out)) return;
    *out = (struct mbox_head){.text = head};
    if (mail_head_parse(a, head, &h)) return; /* too much of it: taken as it is */
    for (size_t i = 0; i < h.n; i++)
        if (h.field[i].bad || !take_own(a, &h.field[i], out)) buf_put(&text, h.field[i].raw);
    buf_put(&text, sl_from(head, h.size));
    if (out->pseudo)
        out->pseudo = sl_starts(mail_head_get(a, &h, SL("Subject"), NULL), SL("DON'T DELETE THIS MESSAGE"));
    take_date(a, &h, out);
    out->text = ar_dup(a, buf_slice(&text));
    buf_free(&text);
}

void mbox_head_put(struct buf *b, struct slice sender, int64_t date, const struct mbox_head *h)
{
    struct civil c = civil_from_unix(date);
    buf_printf(b, "From %.*s %.3s %.3s %2d %02d:%02d:%02d %04d\n",
               SLF(sender.n ? sender : SL("MAILER-DAEMON")), days + 3 * c.weekday, months + 3 * (c.month - 1),
               c.day, c.hour, c.minute, c.second, c.year);
    buf_printf(b, "X-Tram-Message: %llu %s %d\nStatus: %sO\nX-Status: ", (unsigned long long)h->size,
               h->as_is ? "as-is" : "crlf", h->zone, h->marks.set & MARK_SEEN ? "R" : "");
    if (h->marks.set & MARK_ANSWERED) buf_char(b, 'A');
    if (h->marks.set & MARK_FLAGGED) buf_char(b, 'F');
    if (h->marks.set & MARK_DRAFT) buf_char(b, 'T');
    if (h->marks.set & MARK_DELETED) buf_char(b, 'D');
    buf_str(b, "\nX-Keywords:");
    for (size_t i = 0; i < h->marks.n; i++) buf_printf(b, " %.*s", SLF(h->marks.keyword[i]));
    buf_char(b, '\n');
}

/* ---- text ---- */

/* The begun line is one to be changed, or none after all: what was held back goes out. */
static void let_go(struct mbox_text *t, bool is_from, struct buf *out)
{
    size_t more = is_from && t->quote, less = is_from && t->unquote && t->marks;
    for (size_t i = 0; i < t->marks + more - less; i++) buf_char(out, '>');
    buf_put(out, sl(t->begun, t->n));
    t->marks = t->n = 0;
    t->middle = true;
}

static void put_byte(struct mbox_text *t, char c, struct buf *out)
{
    static const char from[] = "From ";
    if (!t->middle && (t->quote || t->unquote)) {
        if (c == '>' && !t->n) {
            t->marks++;
            return;
        }
        if (c == from[t->n]) {
            t->begun[t->n++] = c;
            if (t->n == 5) let_go(t, true, out);
            return;
        }
        let_go(t, false, out);
    }
    buf_char(out, c);
    t->middle = c != '\n';
}

void mbox_text_next(struct mbox_text *t, struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        bool cr = t->cr;
        t->cr = false;
        if (c == '\r' && (t->to_crlf || t->to_lf)) {
            if (cr) put_byte(t, '\r', out);
            t->cr = true;
        } else if (c == '\n') {
            if (t->to_crlf || (cr && !t->to_lf)) put_byte(t, '\r', out);
            put_byte(t, '\n', out);
        } else {
            if (cr) put_byte(t, '\r', out);
            put_byte(t, c, out);
        }
    }
}

void mbox_text_end(struct mbox_text *t, struct buf *out)
{
    if (t->cr) put_byte(t, '\r', out);
    if (!t->middle) let_go(t, false, out);
    t->cr = t->middle = false;
}

/* ---- where a message ends ---- */

/* The line at hand is whole; e->at is behind its end. */
static void line_ends(struct mbox_end *e)
{
    struct mail_date date;
    bool dated;
    if (e->empty && mbox_from_line(sl(e->line, e->n), &date, &dated) && dated) {
        e->any = true;
        e->found = e->line_at;
        e->text = e->before;
        return;
    }
    e->empty = e->n == 0 || (e->n == 1 && e->line[0] == '\r');
    e->before = e->line_at;
    e->line_at = e->at;
    e->n = 0;
}

bool mbox_end_next(struct mbox_end *e, struct slice in)
{
    while (in.n && !e->any) {
        size_t lf = sl_chr(in, '\n');
        struct slice part = sl_sub(in, 0, lf), kept = sl_sub(part, 0, sizeof e->line - e->n);
        memcpy(e->line + e->n, kept.p, kept.n);
        e->n += kept.n;
        e->at += part.n + (lf != SL_NONE);
        in = sl_from(in, part.n + 1);
        if (lf != SL_NONE) line_ends(e);
    }
    return e->any;
}

void mbox_end_last(struct mbox_end *e)
{
    if (e->n) line_ends(e);
    if (e->any) return;
    e->found = e->at;
    e->text = e->empty && !e->n ? e->before : e->at;
}
