/* read.c - how a command is read: its lines and literals, within limits, before anything of it is understood
 * (RFC 9051 section 4.3). The message of an APPEND is taken here, for it does not fit into memory. */
#include <stdio.h>

#include "imapd_i.h"

/* The tag of a command of which only the start is there. */
static void find_tag(struct imapd_session *s)
{
    struct imap_in in;
    imap_in_init(&in, &s->a, buf_slice(&s->cmd), s->utf8);
    s->tag = imap_tag(&in);
    if (in.code || !imap_at(&in, ' ')) s->tag = SL("*");
}

static size_t command_max(const struct imapd_session *s)
{
    return s->state == IMAPD_LOGGED_OUT ? IMAPD_COMMAND_STRANGER : IMAPD_COMMAND_MAX;
}

/* A literal that is no message: into s->cmd. 1: go on reading, 0: refused, < 0: the end. */
static int take_literal(struct imapd_session *s, const struct imap_literal *l)
{
    bool known = s->state != IMAPD_LOGGED_OUT;
    if ((l->binary && !known) || l->size > (known ? IMAPD_LITERAL_MAX : IMAPD_LITERAL_STRANGER) ||
        s->cmd.n + l->size > command_max(s)) {
        find_tag(s);
        imapd_bad(s, l->binary ? "a literal8 cannot stand here" : "the literal is too large");
        if (!l->nonsync) return 0;
        /* RFC 7888 section 4: what was announced with {n+} is on its way. */
        if (l->size > IMAPD_SWALLOW_MAX) {
            imapd_bye(s, "TOOBIG", "the literal is too large");
            return 0;
        }
        int e = imapd_swallow(s, l->size);
        struct slice rest;
        return e ? e : imapd_line(s, IMAPD_LINE_MAX, &rest);
    }
    if (!l->nonsync) imapd_write(s, SL("+ go ahead\r\n"));
    buf_str(&s->cmd, "\r\n");
    char *to = buf_space(&s->cmd, l->size + 1);
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    int e = conn_read(s->c, to, l->size);
    deadline_restore(before);
    if (e) return e;
    s->cmd.n += l->size;
    return 1;
}

/* Learns the tag of the command that begins: a line that is too long is refused with it. */
static int learn_tag(struct imapd_session *s)
{
    struct slice have;
    int e = 0;
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    for (;;) {
        have = sl_sub(conn_peek(s->c), 0, IMAP_TAG_MAX + 1);
        if (have.n > IMAP_TAG_MAX || sl_chr(have, ' ') != SL_NONE || sl_chr(have, '\n') != SL_NONE) break;
        if ((e = conn_fill(s->c)) < 0) break;
    }
    deadline_restore(before);
    struct imap_in in;
    imap_in_init(&in, &s->a, have, false);
    struct slice tag = imap_tag(&in);
    if (in.code || !imap_at(&in, ' ')) tag = SL("*");
    snprintf(s->next_tag, sizeof s->next_tag, "%.*s", SLF(tag));
    return e < 0 ? e : 0;
}

int imapd_read_command(struct imapd_session *s)
{
    size_t max = s->state == IMAPD_LOGGED_OUT ? IMAPD_LINE_STRANGER : IMAPD_LINE_MAX;
    int r = learn_tag(s);
    if (r) return r;
    buf_clear(&s->cmd);
    for (;;) {
        struct slice line;
        struct imap_literal l;
        size_t start = s->cmd.n;
        r = imapd_line(s, max, &line);
        s->tag = sl_cstr(s->next_tag);
        if (r) return imapd_refuse_line(s, r);
        buf_put(&s->cmd, line);
        if (s->cmd.n > command_max(s)) {
            find_tag(s);
            imapd_bad(s, "the command is too long");
            return 0;
        }
        if (!imap_line_literal(line, &l)) return 1;
        if (imapd_is_append(s, &l, start + l.at)) return imapd_append(s, &l, start + l.at);
        r = take_literal(s, &l);
        if (r <= 0) return r;
    }
}
