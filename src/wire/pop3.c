/* pop3.c - the grammar of POP3 (RFC 1939 sections 3 to 7, RFC 2449, RFC 5034). */
#include "pop3.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static const char *const names[POP3_VERB_COUNT] = {"unknown",
#define X(v) #v,
                                                   POP3_VERBS(X)
#undef X
};

static const char *pop3_verb_name(enum pop3_verb v) { return v < POP3_VERB_COUNT ? names[v] : names[0]; }

static enum pop3_verb verb_of(struct slice word)
{
    for (int v = 1; v < POP3_VERB_COUNT; v++)
        if (sl_eqi(word, sl_cstr(names[v]))) return (enum pop3_verb)v;
    return POP3_UNKNOWN;
}

static struct slice take_word(struct slice *s)
{
    size_t end = sl_chr(*s, ' ');
    struct slice word = sl_sub(*s, 0, end == SL_NONE ? s->n : end);
    *s = sl_from(*s, word.n + (end != SL_NONE));
    return word;
}

static int take_number(struct slice *s, uint32_t *out)
{
    struct slice word = take_word(s);
    uint64_t n;
    if (!num_u64(word, UINT32_MAX, &n)) return err_set(ERR_SYNTAX, "a number is wanted");
    *out = (uint32_t)n;
    return 0;
}

static int parse_numbered(struct pop3_command *out, bool optional)
{
    struct slice s = sl_trim(out->arg);
    if (!s.n && optional) return 0;
    int e = take_number(&s, &out->number);
    if (!e && out->verb == POP3_TOP) {
        s = sl_trim(s);
        e = take_number(&s, &out->lines);
    }
    if (e || s.n || !out->number)
        return err_set(ERR_SYNTAX,
                       out->verb == POP3_TOP ? "%s wants a message number and a number of lines"
                                             : "%s wants a message number from 1 on",
                       pop3_verb_name(out->verb));
    out->has_number = true;
    return 0;
}

static int parse_auth(struct pop3_command *out)
{
    struct slice s = sl_trim(out->arg);
    if (!s.n) return 0; /* RFC 5034 section 4 leaves the bare command to list mechanisms */
    out->mechanism = take_word(&s);
    out->initial = sl_trim(s);
    out->has_initial = out->initial.n > 0;
    bool ok = out->mechanism.n <= 20 && sl_chr(out->initial, ' ') == SL_NONE;
    for (size_t i = 0; i < out->mechanism.n; i++)
        ok =
            ok && (is_alnum(out->mechanism.p[i]) || out->mechanism.p[i] == '-' || out->mechanism.p[i] == '_');
    return ok ? 0 : err_set(ERR_SYNTAX, "AUTH is written AUTH mechanism or AUTH mechanism initial-response");
}

static int parse_argument(struct pop3_command *out)
{
    switch (out->verb) {
    case POP3_RETR:
    case POP3_DELE:
    case POP3_TOP: return parse_numbered(out, false);
    case POP3_LIST:
    case POP3_UIDL: return parse_numbered(out, true);
    case POP3_AUTH: return parse_auth(out);
    case POP3_USER:
        out->arg = sl_trim(out->arg);
        /* fall through */
    case POP3_PASS: /* the password begins after one blank and may hold others (RFC 1939 section 7) */
        return out->arg.n ? 0 : err_set(ERR_SYNTAX, "%s needs an argument", pop3_verb_name(out->verb));
    case POP3_STAT:
    case POP3_QUIT:
    case POP3_RSET:
    case POP3_CAPA:
    case POP3_STLS:
    case POP3_UTF8:
        return sl_trim(out->arg).n ? err_set(ERR_SYNTAX, "%s takes no argument", pop3_verb_name(out->verb))
                                   : 0;
    default: return 0;
    }
}

int pop3_command_parse(struct slice line, struct pop3_command *out)
{
    *out = (struct pop3_command){0};
    struct slice rest = line, word = take_word(&rest);
    out->verb = verb_of(word);
    out->word = sl_sub(word, 0, 64);
    out->arg = rest;
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 32 || line.p[i] == 127)
            return err_set(ERR_SYNTAX, "there is a control character in the command");
    return parse_argument(out);
}

/* ---- responses ---- */

static void put_text(struct buf *out, const char *fmt, va_list ap)
{
    char text[480]; /* a response line has at most 512 octets (RFC 2449 section 4) */
    vsnprintf(text, sizeof text, fmt, ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127) *p = '?';
    buf_str(out, text);
    buf_str(out, "\r\n");
}

void pop3_ok(struct buf *out, const char *fmt, ...)
{
    va_list ap;
    buf_str(out, "+OK ");
    va_start(ap, fmt);
    put_text(out, fmt, ap);
    va_end(ap);
}

void pop3_err(struct buf *out, const char *code, const char *fmt, ...)
{
    va_list ap;
    buf_str(out, "-ERR ");
    if (code) buf_printf(out, "[%s] ", code);
    va_start(ap, fmt);
    put_text(out, fmt, ap);
    va_end(ap);
}

/* ---- TOP ---- */

size_t pop3_top_feed(struct pop3_top *t, struct slice chunk, bool *done)
{
    size_t at = 0;
    while (at < chunk.n && (!t->body || t->lines)) {
        const char *lf = memchr(chunk.p + at, '\n', chunk.n - at);
        size_t end = lf ? (size_t)(lf - chunk.p) : chunk.n;
        for (size_t i = at; i < end && !t->filled; i++) t->filled = chunk.p[i] != '\r';
        at = lf ? end + 1 : end;
        if (!lf) break;
        if (t->body) t->lines--;
        else t->body = !t->filled; /* the empty line */
        t->filled = false;
    }
    *done = t->body && !t->lines;
    return at;
}
