/* smtp_data.c - the mail data between DATA and the final dot, received and sent
 * (RFC 5321 sections 4.1.1.4 and 4.5.2). Whole lines are found with memchr. */
#include "smtp.h"

enum {
    AT_START, /* of a line: a dot here is special */
    IN_LINE,
    AFTER_CR,     /* in a line; only LF may follow */
    AFTER_DOT,    /* a dot began the line; it was not given out */
    AFTER_DOT_CR, /* nor was this CR: CR LF now is the end */
};

void smtp_data_begin(struct smtp_data *d) { *d = (struct smtp_data){.state = AT_START}; }

static void fault(struct smtp_data *d, enum smtp_fault f)
{
    if (!d->fault) d->fault = f;
}

static void grow(struct smtp_data *d, size_t n)
{
    d->line += n;
    if (d->line > d->longest) d->longest = d->line;
}

static void line_ends(struct smtp_data *d)
{
    d->line = 0;
    d->lines++;
    d->state = AT_START;
}

/* Passes over bytes of one line from p on, at most to its end; where it stopped. State
 * IN_LINE. Line ends but CRLF do not end a line here, whatever another program thinks. */
static const char *pass_line(struct smtp_data *d, const char *p, const char *end)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;
    const char *cr = memchr(p, '\r', (size_t)(stop - p));
    if (cr) {
        grow(d, (size_t)(cr - p));
        if (cr + 1 == lf) {
            line_ends(d);
            return lf + 1;
        }
        d->state = AFTER_CR;
        return cr + 1;
    }
    if (lf) {
        fault(d, SMTP_FAULT_BARE_LF);
        stop = lf + 1;
    }
    grow(d, (size_t)(stop - p));
    return stop;
}

static const char *after_cr(struct smtp_data *d, const char *p)
{
    if (*p == '\n') {
        line_ends(d);
        return p + 1;
    }
    fault(d, SMTP_FAULT_BARE_CR);
    grow(d, 1);
    d->state = IN_LINE;
    return p;
}

static int give(struct smtp_data *d, struct slice *in, struct slice *run, const char *from, const char *to,
                const char *next, int what)
{
    *run = sl(from, (size_t)(to - from));
    d->size += run->n;
    *in = sl_from(*in, (size_t)(next - in->p));
    return what;
}

int smtp_data_feed(struct smtp_data *d, struct slice *in, struct slice *run)
{
    if (!in->n) {
        *run = sl(in->p, 0);
        return SMTP_DATA_MORE;
    }
    const char *p = in->p, *end = in->p + in->n, *from = p;
    while (p < end) {
        switch (d->state) {
        case AT_START:
            if (*p != '.') {
                d->state = IN_LINE;
                break;
            }
            d->state = AFTER_DOT;
            if (p > from) return give(d, in, run, from, p, p + 1, SMTP_DATA_RUN);
            from = ++p;
            break;
        case IN_LINE: p = pass_line(d, p, end); break;
        case AFTER_CR: p = after_cr(d, p); break;
        case AFTER_DOT:
            if (*p == '\r') {
                d->state = AFTER_DOT_CR;
                from = ++p;
            } else {
                d->state = IN_LINE;
            }
            break;
        case AFTER_DOT_CR:
            if (*p == '\n') return give(d, in, run, p, p, p + 1, SMTP_DATA_END);
            fault(d, SMTP_FAULT_BARE_CR);
            grow(d, 1);
            d->state = IN_LINE;
            *in = sl_from(*in, (size_t)(p - in->p));
            *run = SL("\r"); /* it was kept back */
            d->size++;
            return SMTP_DATA_RUN;
        }
    }
    return give(d, in, run, from, end, end, SMTP_DATA_MORE);
}

void smtp_data_scan(struct smtp_data *d, struct slice bytes)
{
    const char *p = bytes.p, *end = p + bytes.n;
    while (p < end) {
        if (d->state == AFTER_CR) p = after_cr(d, p);
        else {
            d->state = IN_LINE;
            p = pass_line(d, p, end);
        }
    }
    d->size += bytes.n;
}

bool smtp_data_whole(const struct smtp_data *d) { return d->state == AT_START; }

/* ---- sending ---- */

enum { SEND_START, SEND_LINE, SEND_CR /* a CR, or what needs one, was seen and not sent */ };

/* Extends the run over as many lines as need nothing inserted; true when it stopped
 * before something that must be replaced by CRLF. */
static bool extend(struct smtp_stuff *s, const char **q, const char *end)
{
    while (*q < end) {
        if (s->state == SEND_START) {
            if (**q == '.') return false;
            s->state = SEND_LINE;
        }
        const char *lf = memchr(*q, '\n', (size_t)(end - *q)), *stop = lf ? lf : end;
        const char *cr = memchr(*q, '\r', (size_t)(stop - *q));
        if (cr && cr + 1 == lf) {
            *q = lf + 1;
            s->state = SEND_START;
        } else if (cr || lf) {
            *q = cr ? cr : lf;
            return true;
        } else {
            *q = end;
        }
    }
    return false;
}

bool smtp_stuff_next(struct smtp_stuff *s, struct slice *in, struct slice *run)
{
    while (in->n) {
        if (s->state == SEND_CR) {
            if (*in->p == '\n') *in = sl_from(*in, 1);
            s->state = SEND_START;
            *run = SL("\r\n");
            return true;
        }
        if (s->state == SEND_START && *in->p == '.') {
            s->state = SEND_LINE;
            *run = SL(".");
            return true;
        }
        const char *q = in->p;
        bool replace = extend(s, &q, in->p + in->n);
        *run = sl_sub(*in, 0, (size_t)(q - in->p));
        *in = sl_from(*in, run->n + (replace && *q == '\r'));
        if (replace) s->state = SEND_CR;
        if (run->n) return true;
    }
    return false;
}

struct slice smtp_stuff_end(const struct smtp_stuff *s)
{
    return s->state == SEND_START ? SL(".\r\n") : SL("\r\n.\r\n");
}

void smtp_lines_feed(struct smtp_lines *l, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        l->added += (s.p[i] == '\n') != (l->last == '\r');
        l->last = s.p[i];
    }
    l->any |= s.n > 0;
}

uint64_t smtp_lines_end(const struct smtp_lines *l)
{
    return l->added + (!l->any || l->last == '\n' ? 0 : l->last == '\r' ? 1 : 2);
}
