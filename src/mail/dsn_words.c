/* dsn_words.c - the part of a delivery report that people read: who did not get the letter, why, what
 * the sender can do, what the other server said. The sentences are in dsn_en.c and its like. */
#include "base/text.h"
#include "charset.h"
#include "dsn_i.h"

enum { WIDTH = 72 };

enum dsn_action dsn_worst(const struct dsn *d)
{
    enum dsn_action worst = DSN_EXPANDED;
    for (size_t i = 0; i < d->n; i++)
        if (d->recipient[i].action < worst) worst = d->recipient[i].action;
    return worst;
}

/* class "." subject "." detail, class 2, 4 or 5 (RFC 3463 section 2). */
static bool status_ok(struct slice s)
{
    size_t dots = 0, digits = 0;
    if (s.n < 5 || s.n > 9 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') || s.p[1] != '.')
        return false;
    for (size_t i = 2; i < s.n; i++) {
        if (is_digit(s.p[i])) digits++;
        else if (s.p[i] == '.' && digits && !dots++) digits = 0;
        else return false;
        if (digits > 3) return false;
    }
    return dots == 1 && digits;
}

struct slice dsn_status(const struct dsn_recipient *r)
{
    if (status_ok(r->status)) return r->status;
    if (r->action == DSN_FAILED) return SL("5.0.0");
    return r->action == DSN_DELAYED ? SL("4.0.0") : SL("2.0.0");
}

/* ---- why, when nobody knows better than the status (RFC 3463 section 3, without the class) ---- */

static const struct {
    const char *prefix;
    enum dsn_cause cause;
} causes[] = {
    {"1.2", DSN_CAUSE_NO_DOMAIN}, {"1.3", DSN_CAUSE_BAD_ADDRESS}, {"1.7", DSN_CAUSE_FORM},
    {"1.8", DSN_CAUSE_DNS},       {"1.10", DSN_CAUSE_NO_MAIL},    {"1.", DSN_CAUSE_INVALID},
    {"2.2", DSN_CAUSE_FULL},      {"2.3", DSN_CAUSE_SIZE},        {"2.", DSN_CAUSE_INACTIVE},
    {"3.4", DSN_CAUSE_SIZE},      {"3.", DSN_CAUSE_TEMPORARY},    {"4.6", DSN_CAUSE_LOOP},
    {"4.", DSN_CAUSE_NETWORK},    {"5.", DSN_CAUSE_PROTOCOL},     {"6.", DSN_CAUSE_FORM},
    {"7.", DSN_CAUSE_POLICY},
};

static enum dsn_cause cause_of(const struct dsn_recipient *r)
{
    struct slice tail = sl_from(dsn_status(r), 2);
    if (r->cause != DSN_CAUSE_UNKNOWN) return r->cause;
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        struct slice p = sl_cstr(causes[i].prefix);
        if (sl_eq(tail, p) || (sl_ends(p, SL(".")) && sl_starts(tail, p))) return causes[i].cause;
    }
    return DSN_CAUSE_UNKNOWN;
}

/* ---- writing ---- */

static void put_harmless(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_char(out, (unsigned char)s.p[i] < 32 || s.p[i] == 127 ? ' ' : s.p[i]);
}

/* Characters of UTF-8. */
static size_t width_of(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

/* Words of text, lines of at most WIDTH characters where possible, each after `indent`. */
static void put_wrapped(struct buf *out, const char *indent, struct slice text)
{
    size_t line = 0;
    struct slice rest = text, word;
    while (sl_next(&rest, ' ', &word)) {
        if (!word.n) continue;
        if (line && line + 1 + width_of(word) > WIDTH) {
            buf_str(out, "\n");
            line = 0;
        }
        buf_str(out, line ? " " : indent);
        line += (line ? 1 : strlen(indent)) + width_of(word);
        put_harmless(out, word);
    }
    buf_str(out, "\n");
}

/* What another server said, line by line as it said it, but harmless. */
static void put_verbatim(struct arena *a, struct buf *out, struct slice text)
{
    struct slice rest = utf8_clean(a, text), line;
    while (sl_next(&rest, '\n', &line)) put_wrapped(out, "    ", sl_rtrim(line));
}

static void say(struct arena *a, struct buf *out, const char *sentence, struct slice what)
{
    put_wrapped(out, "", dsn_fill(a, sentence, what));
}

static void put_why(struct arena *a, struct buf *out, const struct dsn_recipient *r,
                    const struct dsn_language *l)
{
    enum dsn_cause c = cause_of(r);
    say(a, out, l->cause[c].what, SL(""));
    if (r->action == DSN_FAILED) {
        if (r->expired) say(a, out, l->gave_up, l->date(a, r->expired));
        say(a, out, l->can, sl_cstr(l->cause[c].can));
    } else if (r->retry_until) {
        say(a, out, l->tries_until, l->date(a, r->retry_until));
    } else {
        say(a, out, l->tries, SL(""));
    }
}

static void put_one(struct arena *a, struct buf *out, const struct dsn_recipient *r,
                    const struct dsn_language *l)
{
    buf_str(out, "\n");
    say(a, out, l->opening[r->action], r->address);
    if (r->action == DSN_FAILED || r->action == DSN_DELAYED) put_why(a, out, r, l);
    if (!r->diagnostic.n && !r->reason.n) return;
    if (r->diagnostic.n && r->remote_mta.n) say(a, out, l->said, r->remote_mta);
    else say(a, out, l->reason, SL(""));
    put_verbatim(a, out, r->diagnostic.n ? r->diagnostic : r->reason);
}

static void put_text(struct arena *a, struct buf *t, const struct dsn *d, const struct dsn_language *l)
{
    say(a, t, l->intro, d->hostname);
    if (d->arrival) say(a, t, l->arrived, l->date(a, d->arrival));
    for (size_t i = 0; i < d->n; i++) put_one(a, t, &d->recipient[i], l);
    buf_str(t, "\n");
    say(a, t, d->full ? l->whole : l->head, SL(""));
    if (d->queue_id.n) say(a, t, l->number, d->queue_id);
}

void dsn_put_words(struct arena *a, struct buf *out, const struct dsn *d, const struct dsn_language *l)
{
    struct buf t = BUF_INIT;
    bool both = l != &dsn_en; /* who is asked for help may not read it */
    put_text(a, &t, d, l);
    if (both) {
        buf_str(&t, "\n-- English --\n\n");
        put_text(a, &t, d, &dsn_en);
    }
    struct slice text = buf_slice(&t);
    buf_printf(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Language: %s%s\r\n", l->tag,
               both ? ", en" : "");
    if (is_ascii(text)) {
        buf_str(out, "\r\n");
        dsn_put_lines(out, text);
    } else {
        buf_str(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        dsn_put_qp(out, text);
    }
    buf_free(&t);
}

void dsn_put_lines(struct buf *out, struct slice text)
{
    struct slice rest = text, line;
    if (sl_ends(rest, SL("\n"))) rest.n--;
    while (sl_next(&rest, '\n', &line)) {
        if (sl_ends(line, SL("\r"))) line.n--;
        for (size_t i = 0; i < line.n; i++) buf_char(out, line.p[i] == '\r' ? ' ' : line.p[i]);
        buf_str(out, "\r\n");
    }
}

/* RFC 2045 section 6.7. */
static void put_qp_line(struct buf *out, struct slice line)
{
    size_t width = 0;
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        bool last = i + 1 == line.n;
        bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !last);
        if (width + (plain ? 1 : 3) > 75) {
            buf_str(out, "=\r\n");
            width = 0;
        }
        if (plain) buf_char(out, (char)c);
        else buf_printf(out, "=%02X", c);
        width += plain ? 1 : 3;
    }
    buf_str(out, "\r\n");
}

void dsn_put_qp(struct buf *out, struct slice text)
{
    struct slice rest = text, line;
    if (sl_ends(rest, SL("\n"))) rest.n--;
    while (sl_next(&rest, '\n', &line)) {
        if (sl_ends(line, SL("\r"))) line.n--;
        put_qp_line(out, line);
    }
}
