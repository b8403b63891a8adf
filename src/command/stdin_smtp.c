/* stdin_smtp.c - the few commands of SMTP (RFC 5321 section 4.5.1) on standard input and output. Who speaks
 * is a user of this machine, so lines may end in LF alone; recipients are judged when the letter is handed
 * over. */
#include "stdin_smtp.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "wire/smtp.h"

struct session {
    const char *hostname;
    stdin_smtp_hand *hand;
    void *ctx;
    struct arena a;       /* of the transaction */
    bool mail, over, cut; /* cut: the input ended in a letter */
    struct slice sender, rcpt[STDIN_SMTP_RCPTS_MAX];
    size_t n;
};

static void reply(int code, const char *enhanced, struct slice text)
{
    struct buf b = BUF_INIT;
    smtp_reply_put(&b, code, enhanced, text);
    fwrite(b.p, 1, b.n, stdout);
    fflush(stdout);
    buf_free(&b);
}

/* A line with its end; what is longer than `most` is cut. False: the input has ended. */
static bool read_line(struct buf *line, size_t most)
{
    int c = EOF;
    buf_clear(line);
    while ((c = getchar()) != EOF) {
        if (line->n < most) buf_char(line, (char)c);
        if (c == '\n') return true;
    }
    return false;
}

static struct slice bare(const struct buf *line)
{
    struct slice s = buf_slice(line);
    if (sl_ends(s, SL("\n"))) s.n--;
    if (sl_ends(s, SL("\r"))) s.n--;
    return s;
}

static void forget(struct session *s)
{
    ar_free(&s->a);
    ar_init(&s->a, 0);
    s->mail = false;
    s->n = 0;
}

/* ---- the letter ---- */

/* What follows DATA, to the dot; false: it has no end. *large: it was too much. */
static bool read_letter(struct buf *text, bool *large)
{
    enum { LETTER_LINE_MAX = 1 << 20 };
    struct buf line = BUF_INIT;
    bool whole = false;
    while (!whole && read_line(&line, LETTER_LINE_MAX)) {
        struct slice l = buf_slice(&line);
        whole = sl_eq(bare(&line), SL("."));
        if (whole) break;
        if (sl_starts(l, SL("."))) l = sl_from(l, 1);
        if (line.n == LETTER_LINE_MAX || text->n + l.n > STDIN_SMTP_LETTER_MAX) *large = true;
        else buf_put(text, l);
    }
    buf_free(&line);
    return whole;
}

static void hand_over(struct session *s, struct slice text)
{
    struct buf why = BUF_INIT;
    struct stdin_smtp_letter l = {s->sender, s->rcpt, s->n, text};
    int status = s->hand(s->ctx, &l, &why);
    struct slice said = why.n    ? sl_trim(buf_slice(&why))
                        : status ? SL("The letter is not taken")
                                 : SL("Taken");
    if (status == EXIT_DONE) reply(250, "2.0.0", said);
    else if (status == EXIT_COULD_NOT) reply(451, "4.3.0", said);
    else reply(554, "5.0.0", said);
    buf_free(&why);
}

static void on_data(struct session *s)
{
    struct buf text = BUF_INIT;
    bool large = false;
    if (!s->n) {
        reply(503, "5.5.1", SL("Say MAIL and RCPT first"));
        return;
    }
    reply(354, NULL, SL("Send the letter; a line with a dot alone ends it"));
    s->cut = s->over = !read_letter(&text, &large);
    if (large && !s->over) reply(552, "5.3.4", SL("The letter is too large"));
    else if (!s->over) hand_over(s, buf_slice(&text));
    buf_free(&text);
    forget(s);
}

/* ---- the envelope ---- */

/* Only what EHLO offers: a request that nobody would keep is refused, not passed over. */
static bool parameters_ok(const struct smtp_command *c)
{
    bool ok = true;
    for (size_t i = 0; i < c->nparams; i++) {
        const struct smtp_param *p = &c->param[i];
        bool body =
            sl_eqi(p->key, SL("BODY")) && (sl_eqi(p->value, SL("7BIT")) || sl_eqi(p->value, SL("8BITMIME")));
        ok &= c->verb == SMTP_MAIL && (body || sl_eqi(p->key, SL("SMTPUTF8")));
    }
    if (!ok) reply(555, "5.5.4", SL("This parameter was not offered"));
    return ok;
}

static void on_mail(struct session *s, const struct smtp_command *c)
{
    if (s->mail) {
        reply(503, "5.5.1", SL("There is a letter under way already"));
        return;
    }
    if (!parameters_ok(c)) return;
    s->mail = true;
    s->sender = c->path.null ? SL("") : ar_dup(&s->a, c->path.address);
    reply(250, "2.1.0", SL("Sender taken"));
}

static void on_rcpt(struct session *s, const struct smtp_command *c)
{
    if (!s->mail) {
        reply(503, "5.5.1", SL("Say MAIL first"));
    } else if (s->n == STDIN_SMTP_RCPTS_MAX) {
        reply(452, "4.5.3", SL("Too many recipients"));
    } else if (parameters_ok(c)) {
        s->rcpt[s->n++] = ar_dup(&s->a, c->path.address.n ? c->path.address : SL("postmaster"));
        reply(250, "2.1.5", SL("Recipient taken"));
    }
}

static void on_hello(struct session *s, bool extended)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, extended ? "%s\nENHANCEDSTATUSCODES\n8BITMIME\nSMTPUTF8" : "%s", s->hostname);
    forget(s);
    reply(250, NULL, buf_slice(&b));
    buf_free(&b);
}

static void obey(struct session *s, const struct smtp_command *c)
{
    switch (c->verb) {
    case SMTP_EHLO: on_hello(s, true); return;
    case SMTP_HELO: on_hello(s, false); return;
    case SMTP_MAIL: on_mail(s, c); return;
    case SMTP_RCPT: on_rcpt(s, c); return;
    case SMTP_DATA: on_data(s); return;
    case SMTP_RSET:
        forget(s);
        reply(250, "2.0.0", SL("Forgotten"));
        return;
    case SMTP_NOOP: reply(250, "2.0.0", SL("Still here")); return;
    case SMTP_VRFY: reply(252, "2.0.0", SL("Send a letter, and you will see")); return;
    case SMTP_QUIT:
        s->over = true;
        reply(221, "2.0.0", SL("Goodbye"));
        return;
    case SMTP_UNKNOWN: reply(500, "5.5.2", SL("There is no such command")); return;
    default: reply(502, "5.5.1", SL("This command is of no use here")); return;
    }
}

int stdin_smtp(const char *hostname, stdin_smtp_hand *hand, void *ctx)
{
    struct session *s = xcalloc(1, sizeof *s);
    struct buf line = BUF_INIT;
    *s = (struct session){.hostname = hostname, .hand = hand, .ctx = ctx};
    ar_init(&s->a, 0);
    struct slice name = sl_cstr(hostname);
    struct arena a = {0};
    reply(220, NULL, ar_cat(&a, name, SL(" takes letters here")));
    while (!s->over && read_line(&line, SMTP_LINE_MAX)) {
        struct smtp_command c;
        ar_reset(&a);
        int e = smtp_command_parse(&a, bare(&line), &c);
        if (line.n >= SMTP_LINE_MAX) reply(500, "5.5.6", SL("The line is too long"));
        else if (e) reply(501, "5.5.4", sl_cstr(err_text(e)));
        else obey(s, &c);
    }
    ar_free(&a);
    ar_free(&s->a);
    buf_free(&line);
    bool cut = s->cut;
    free(s);
    return cut ? EXIT_COULD_NOT : EXIT_DONE;
}
