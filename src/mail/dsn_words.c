/* dsn_words.c - the part of a delivery report that people read: who did not get the letter,
 * what the other server said, what the sender can do. */
#include "base/text.h"
#include "charset.h"
#include "date.h"
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

/* ---- what the sender can do, by status (RFC 3463 section 3, without the class) ---- */

static const struct {
    const char *prefix, *advice;
} advices[] = {
    {"1.1",
     "Look for a typing error in the part before the @. If it is right, the mailbox does not exist (any "
     "more): ask the recipient by another way for the present address."},
    {"1.2", "Look for a typing error in the part after the @: no mail server is known for it."},
    {"1.3", "The address is not written correctly: correct it and send the letter again."},
    {"1.10", "The domain says that it receives no mail: use another address."},
    {"1.", "Check the address, correct it and send the letter again."},
    {"2.1", "The mailbox is switched off at present: reach the recipient by another way."},
    {"2.2",
     "The mailbox is full: ask the recipient by another way to make room, then send the letter again."},
    {"2.3",
     "The letter is too large for this recipient: send less, or put large files where they can be fetched "
     "from and send a link."},
    {"2.", "Reach the recipient by another way and tell what the other server said."},
    {"3.4",
     "The letter is too large for the other server: send less, or put large files where they can be fetched "
     "from and send a link."},
    {"3.", "The other server has a problem of its own: try again later."},
    {"4.6",
     "The letter went in a circle between servers: tell the recipient's or your own mail administrator."},
    {"4.", "The other server could not be reached: check the part after the @, or try again later."},
    {"6.", "The other server could not take the letter in this form: send it as plain text or with simple "
           "attachments."},
    {"7.",
     "The other server refuses the letter by its rules; its words above say why. Show this report to your "
     "mail administrator or to the recipient."},
};

static const char *advice_for(const struct dsn_recipient *r)
{
    struct slice s = dsn_status(r), tail = sl_from(s, 2);
    for (size_t i = 0; i < COUNT_OF(advices); i++) {
        struct slice p = sl_cstr(advices[i].prefix);
        if (sl_eq(tail, p) || (sl_ends(p, SL(".")) && sl_starts(tail, p))) return advices[i].advice;
    }
    return "If it was important, try again later or reach the recipient by another way.";
}

/* ---- writing ---- */

static void put_harmless(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_char(out, (unsigned char)s.p[i] < 32 || s.p[i] == 127 ? ' ' : s.p[i]);
}

/* Words of text, lines of at most WIDTH bytes where possible, each after `indent`. */
static void put_wrapped(struct buf *out, const char *indent, struct slice text)
{
    size_t line = 0;
    struct slice rest = text, word;
    while (sl_next(&rest, ' ', &word)) {
        if (!word.n) continue;
        if (line && line + 1 + word.n > WIDTH) {
            buf_str(out, "\n");
            line = 0;
        }
        buf_str(out, line ? " " : indent);
        line += (line ? 1 : strlen(indent)) + word.n;
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

static const char *opening(enum dsn_action a)
{
    switch (a) {
    case DSN_FAILED: return "could not be delivered";
    case DSN_DELAYED: return "has not been delivered yet; this server goes on trying";
    case DSN_DELIVERED: return "was delivered";
    case DSN_RELAYED: return "was passed on to a server that sends no reports of its own";
    case DSN_EXPANDED: return "was passed on to the members of a list or an alias";
    }
    return "has news";
}

static void put_one(struct arena *a, struct buf *out, const struct dsn_recipient *r)
{
    char date[MAIL_DATE_MAX];
    buf_str(out, "\n");
    put_wrapped(out, "", ar_printf(a, "To %.*s: the letter %s.", SLF(r->address), opening(r->action)));
    if (r->diagnostic.n) {
        if (r->remote_mta.n) put_wrapped(out, "", ar_printf(a, "The server %.*s said:", SLF(r->remote_mta)));
        else put_wrapped(out, "", SL("The reason given was:"));
        put_verbatim(a, out, r->diagnostic);
    } else if (r->reason.n) {
        put_wrapped(out, "", SL("The reason:"));
        put_verbatim(a, out, r->reason);
    }
    if (r->action == DSN_FAILED) {
        put_wrapped(out, "", ar_printf(a, "What you can do: %s", advice_for(r)));
    } else if (r->action == DSN_DELAYED) {
        if (r->retry_until)
            put_wrapped(out, "",
                        ar_printf(a,
                                  "You need not do anything. The server tries until %s and tells you if "
                                  "it does not succeed.",
                                  mail_date_format(r->retry_until, 0, date)));
        else put_wrapped(out, "", SL("You need not do anything. You will be told if it does not succeed."));
    }
}

static void put_text(struct arena *a, struct buf *t, const struct dsn *d)
{
    char date[MAIL_DATE_MAX];
    put_wrapped(t, "",
                ar_printf(a, "This is the mail server %.*s, about a letter that you sent%s%s.",
                          SLF(d->hostname), d->arrival ? " and that arrived here on " : "",
                          d->arrival ? mail_date_format(d->arrival, 0, date) : ""));
    for (size_t i = 0; i < d->n; i++) put_one(a, t, &d->recipient[i]);
    buf_str(t, "\n");
    put_wrapped(
        t, "",
        ar_printf(a, "%s",
                  d->full ? "The letter itself is attached." : "The head of your letter is attached."));
    if (d->queue_id.n) put_wrapped(t, "", ar_printf(a, "Its number here is %.*s.", SLF(d->queue_id)));
}

void dsn_put_words(struct arena *a, struct buf *out, const struct dsn *d)
{
    struct buf t = BUF_INIT;
    put_text(a, &t, d);
    struct slice text = buf_slice(&t);
    buf_str(out, "Content-Type: text/plain; charset=utf-8\r\n");
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
