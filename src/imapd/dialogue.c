/* dialogue.c - what is said in a session, line by line, for who looks on (wire/dialogue.h). No secret is in
 * it: of LOGIN, AUTHENTICATE and what carries URLs with tokens (URLAUTH) no argument but the mechanism is
 * told, of what is no command its first word, and not even that after a try to log in: it may be a password
 * that nobody asked for. Literals, which letters come and go in, are told as how many bytes they had; of a
 * PREVIEW nothing. */
#include "wire/dialogue.h"

#include <stdlib.h>

#include "imapd_i.h"
#include "login/sasl.h"

enum { HEAD = 700, TAIL = 32 };

/* What goes to the client is cut into lines and literals. Only while somebody looks on. */
struct imapd_dialogue {
    char head[HEAD], tail[TAIL + 1]; /* of the line: as much as is told, and its end */
    size_t n, ntail;
    uint64_t literal, left; /* of the literal under way */
    bool secret;            /* the response under way carries URLs with tokens */
};

void imapd_begins(struct imapd_session *s)
{
    char ip[IP_TEXT_MAX];
    if (!dialogue_wanted()) return;
    s->dialogue = xcalloc(1, sizeof *s->dialogue);
    dialogue_begins(s->who, &(struct dialogue_with){.ip = sl_cstr(ip_format(&conn_peer(s->c)->ip, ip))});
}

void imapd_ends(struct imapd_session *s)
{
    if (s->dialogue) dialogue_ends(s->who);
    free(s->dialogue);
    s->dialogue = NULL;
}

/* Nobody who begins to look on now means a session that has begun. */
static bool is_seen(struct imapd_session *s)
{
    if (s->dialogue && !dialogue_wanted()) {
        free(s->dialogue);
        s->dialogue = NULL;
    }
    return s->dialogue;
}

/* ---- the client ---- */

/* What a message is put together from may be anybody's, by a URL with a token: nothing is told after
 * CATENATE, of the lines that follow either. */
static void tell_text(struct imapd_session *s, struct slice text)
{
    for (bool secret = false; text.n;) {
        struct imap_literal l;
        size_t end = sl_find(text, SL("\r\n"));
        struct slice line = sl_sub(text, 0, end);
        size_t at = sl_findi(line, SL("CATENATE"));
        if (!secret) dialogue_line(s->who, DIALOGUE_CLIENT, at == SL_NONE ? line : sl_sub(line, 0, at + 8));
        secret = secret || at != SL_NONE;
        text = end == SL_NONE ? SL("") : sl_from(text, end + 2);
        if (!text.n || !imap_line_literal(line, &l)) return;
        dialogue_count(s->who, DIALOGUE_CLIENT, l.size, "a literal");
        text = sl_from(text, l.size < text.n ? (size_t)l.size : text.n);
    }
}

void imapd_heard(struct imapd_session *s, const struct imapd_command *c, struct slice name)
{
    struct slice line;
    s->tried_login |= c && c->flags & IMAPD_LOGIN;
    if (!is_seen(s)) return;
    if (!c && (s->tried_login || !name.n)) line = SL("...");
    else if (!c || c->flags & IMAPD_SECRET) line = ar_printf(&s->a, "%.*s %.*s ...", SLF(s->tag), SLF(name));
    else {
        tell_text(s, buf_slice(&s->cmd));
        return;
    }
    dialogue_line(s->who, DIALOGUE_CLIENT, line);
}

void imapd_heard_append(struct imapd_session *s)
{
    if (is_seen(s)) tell_text(s, buf_slice(&s->cmd));
}

void imapd_heard_mechanism(struct imapd_session *s, struct slice mechanism)
{
    if (!is_seen(s)) return;
    dialogue_line(s->who, DIALOGUE_CLIENT, ar_printf(&s->a, "(by %s)", sasl_word(mechanism)));
}

void imapd_heard_line(struct imapd_session *s, struct slice line)
{
    if (is_seen(s)) dialogue_line(s->who, DIALOGUE_CLIENT, sl_eqi(line, SL("DONE")) ? line : SL("..."));
}

void imapd_heard_secret(struct imapd_session *s, size_t n)
{
    if (is_seen(s)) dialogue_count(s->who, DIALOGUE_CLIENT, n, "the login");
}

void imapd_got(struct imapd_session *s, struct slice bytes)
{
    if (is_seen(s)) dialogue_letter(s->who, bytes);
}

void imapd_got_all(struct imapd_session *s, uint64_t n)
{
    if (is_seen(s)) dialogue_count(s->who, DIALOGUE_CLIENT, n, "a letter");
}

/* ---- the server ---- */

/* Without what only the client is to know: tokens, challenges, the begin of a letter's text. *all: that is
 * the whole response, its literals too. */
static struct slice cleaned(struct imapd_session *s, struct slice line, bool *all)
{
    static const struct slice secret[] = {SL_INIT("* GENURLAUTH "), SL_INIT("* URLFETCH "), SL_INIT("+ ")};
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        if (sl_startsi(line, secret[i]) && (secret[i].p[0] == '*' || s->exchanging)) {
            *all = secret[i].p[0] == '*';
            return ar_printf(&s->a, "%.*s...", SLF(secret[i]));
        }
    size_t at = sl_find(line, SL(" [BADURL "));
    if (at != SL_NONE) return ar_printf(&s->a, "%.*s...", SLF(sl_sub(line, 0, at + 9)));
    at = sl_find(line, SL("PREVIEW \""));
    if (at == SL_NONE) return line;
    size_t end = at + 9;
    while (end < line.n && line.p[end] != '"') end += line.p[end] == '\\' ? 2 : 1;
    return ar_printf(&s->a, "%.*sPREVIEW ...%.*s", SLF(sl_sub(line, 0, at)),
                     SLF(end < line.n ? sl_from(line, end + 1) : SL("")));
}

static void end_line(struct imapd_session *s)
{
    struct imapd_dialogue *d = s->dialogue;
    struct imap_literal l;
    struct slice tail = sl(d->tail, d->ntail), line = sl(d->head, d->n);
    if (sl_ends(tail, SL("\r"))) tail.n--;
    if (sl_ends(line, SL("\r"))) line.n--;
    bool literal = imap_line_literal(tail, &l);
    dialogue_line(s->who, DIALOGUE_SERVER, d->secret ? SL("...") : cleaned(s, line, &d->secret));
    d->secret = d->secret && literal;
    d->literal = d->left = literal ? l.size : 0;
    d->n = d->ntail = 0;
}

static void put_byte(struct imapd_session *s, char c)
{
    struct imapd_dialogue *d = s->dialogue;
    if (c == '\n') {
        end_line(s);
        return;
    }
    if (d->n < HEAD) d->head[d->n++] = c;
    if (d->ntail == TAIL) memmove(d->tail, d->tail + 1, --d->ntail);
    d->tail[d->ntail++] = c;
}

void imapd_said(struct imapd_session *s, struct slice bytes)
{
    if (!is_seen(s)) return;
    struct imapd_dialogue *d = s->dialogue;
    while (bytes.n) {
        size_t n = d->left < bytes.n ? (size_t)d->left : bytes.n;
        if (!d->secret) dialogue_letter(s->who, sl_sub(bytes, 0, n));
        d->left -= n;
        if (n && !d->left)
            dialogue_count(s->who, DIALOGUE_SERVER, d->literal, d->secret ? "a literal" : "a letter");
        bytes = sl_from(bytes, n);
        if (!bytes.n) return;
        put_byte(s, *bytes.p);
        bytes = sl_from(bytes, 1);
    }
}
