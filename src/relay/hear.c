/* hear.c - what another server says: its replies, and what follows from one. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "relay_i.h"

enum { REPLY_MOST = 1024 * 1024 }; /* bytes of a reply that are put up with */

/* ---- verdicts ---- */

void verdict_set(struct verdict *v, enum attempt result, const char *enhanced, struct slice text)
{
    ASSERT((result != ATTEMPT_PERMANENT || *enhanced == '5') &&
           (result != ATTEMPT_TEMPORARY || *enhanced == '4'));
    *v = (struct verdict){.result = result, .text = text};
    snprintf(v->enhanced, sizeof v->enhanced, "%s", enhanced);
}

/* 552 but for a full mailbox, 555, and what RFC 3463 calls size (x.3.4) and media errors (x.6.y). */
static bool own_limit(const struct smtp_reply *r)
{
    const uint16_t *s = r->enhanced;
    if (r->code / 100 != 5) return false;
    if (s[0] == 5 && ((s[1] == 3 && s[2] == 4) || s[1] == 6)) return true;
    return (r->code == 552 && s[1] != 2) || r->code == 555;
}

void verdict_reply(struct verdict *v, const struct smtp_reply *r)
{
    *v = (struct verdict){.code = r->code, .text = r->text, .elsewhere = own_limit(r)};
    int kind = r->code / 100;
    v->result = kind == 2 ? ATTEMPT_DELIVERED : kind == 5 ? ATTEMPT_PERMANENT : ATTEMPT_TEMPORARY;
    /* an enhanced code of another class contradicts the reply (RFC 2034 section 4): the reply counts */
    if (r->enhanced[0] == kind)
        snprintf(v->enhanced, sizeof v->enhanced, "%u.%u.%u", kind % 10u, r->enhanced[1] % 1000u,
                 r->enhanced[2] % 1000u);
}

void verdict_error(struct verdict *v, struct arena *a, int e, const char *during)
{
    const char *status = e == ERR_TIMEOUT                                         ? "4.4.2"
                         : e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_TOO_LONG ? "4.5.0"
                                                                                  : "4.4.2";
    if (e == ERR_REFUSED || e == ERR_UNREACHABLE) status = "4.4.1";
    const char *what =
        e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_TOO_LONG ? "no SMTP is spoken there: " : "";
    verdict_set(v, ATTEMPT_TEMPORARY, status,
                ar_printf(a, "%s%s%s%s", during, *during ? ": " : "", what, err_text(e)));
}

/* ---- hearing ---- */

/* Words that are no reply are the best that is known of what is wrong there. */
static int no_reply(int e, struct slice line)
{
    char said[200], why[ERR_TEXT_MAX];
    size_t n = foreign_text(said, sizeof said, sl_sub(line, 0, 150), true);
    snprintf(why, sizeof why, "%s", err_text(e));
    return err_set(e, "%s: \"%.*s\"", why, (int)n, said);
}

/* The next line, at most SMTP_REPLY_LINE_MAX bytes of it: what a peer adds to a line changes
 * nothing about its code. A line that came before the connection broke is there all the same. */
static int hear_line(struct peer *p, struct smtp_reply *r, size_t *heard)
{
    struct conn *c = p->c;
    struct slice line = SL("");
    bool first = true, last = false;
    int done = 0;
    while (!last) {
        struct slice in = conn_peek(c);
        size_t lf = sl_chr(in, '\n'), n = lf == SL_NONE ? in.n : lf;
        last = lf != SL_NONE;
        bool enough = last || n >= SMTP_REPLY_LINE_MAX;
        if (first && enough) {
            line = sl_sub(in, 0, n < SMTP_REPLY_LINE_MAX ? n : SMTP_REPLY_LINE_MAX);
            peer_said(p, sl_ends(line, SL("\r")) ? sl_sub(line, 0, line.n - 1) : line);
            done = smtp_reply_line(r, sl_ends(line, SL("\r")) ? sl_sub(line, 0, line.n - 1) : line);
            if (done < 0) return no_reply(done, sl_trim(line));
            first = false;
        }
        if (!first) conn_consume(c, last ? n + 1 : n), *heard += n;
        if (*heard > REPLY_MOST) return err_set(ERR_LIMIT, "the other server's reply has no end");
        int e = last ? 0 : conn_fill(c);
        if (e < 0 && conn_overhear(c) <= (first ? in.n : 0)) return e;
    }
    return done;
}

int peer_hear(struct peer *p, struct arena *a, int64_t limit, struct smtp_reply *r)
{
    int64_t before = deadline_narrow(DEADLINE_IN(limit));
    size_t heard = 0;
    int e = 0;
    smtp_reply_begin(r, a);
    while (e == 0) e = hear_line(p, r, &heard);
    deadline_restore(before);
    return e < 0 ? e : 0;
}

/* 0 when the code is `want`, else -1 with the reason. */
int peer_expect(struct peer *p, struct arena *a, int64_t limit, int want, const char *during,
                struct smtp_reply *r, struct verdict *why)
{
    int e = peer_hear(p, a, limit, r);
    if (e) {
        verdict_error(why, a, e, during);
        return -1;
    }
    if (r->code == want) return 0;
    verdict_reply(why, r);
    if (why->result == ATTEMPT_DELIVERED) why->result = ATTEMPT_TEMPORARY; /* a success out of place */
    return -1;
}
