/* lines.c - line ends made right, run by run. */
#include "lines.h"

static void grow(struct mail_lines *m, size_t n)
{
    m->line += n;
    if (m->line > m->longest) m->longest = m->line;
    m->open |= n > 0;
}

static void end_line(struct mail_lines *m)
{
    m->line = 0;
    m->open = false;
}

/* How much of s needs nothing done to it: whole lines, and what follows up to a lone CR or LF. */
static size_t good_run(struct mail_lines *m, struct slice s)
{
    size_t at = 0;
    while (at < s.n) {
        struct slice rest = sl_from(s, at);
        size_t lf = sl_chr(rest, '\n'), stop = lf == SL_NONE ? rest.n : lf;
        size_t cr = sl_chr(sl_sub(rest, 0, stop), '\r');
        grow(m, cr == SL_NONE ? stop : cr);
        if (cr == SL_NONE || cr + 1 != lf) return at + (cr == SL_NONE ? stop : cr);
        end_line(m);
        at += lf + 1;
    }
    return at;
}

static struct slice line_end(struct mail_lines *m)
{
    end_line(m);
    m->cr = 0;
    return SL("\r\n");
}

/* CR CR LF is what programs make that turn LF into CR LF twice: one line ends there. */
static bool doubled(const struct mail_lines *m, char next) { return m->cr == 1 && next == '\r'; }

bool mail_lines_next(struct mail_lines *m, struct slice *in, struct slice *run)
{
    while (in->n) {
        char c = in->p[0];
        if (!doubled(m, c) && (m->cr || c == '\n')) {
            bool two = m->cr == 2 && c != '\n';
            m->mended |= !(m->cr == 1 && c == '\n');
            if (c == '\n') *in = sl_from(*in, 1);
            *run = line_end(m);
            if (two) *run = SL("\r\n\r\n");
            return true;
        }
        size_t n = m->cr ? 0 : good_run(m, *in);
        *run = sl_sub(*in, 0, n);
        *in = sl_from(*in, n);
        if (n) return true;
        *in = sl_from(*in, 1); /* a CR: what follows it tells what it is */
        m->cr++;
    }
    return false;
}

struct slice mail_lines_end(struct mail_lines *m)
{
    if (!m->cr && !m->open) return SL("");
    m->mended |= m->cr > 0;
    bool two = m->cr == 2;
    struct slice end = line_end(m);
    return two ? SL("\r\n\r\n") : end;
}
