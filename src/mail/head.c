/* head.c - cuts a header section into fields (RFC 5322 sections 2.2, 3.6.8, 4.5). */
#include "head.h"

/* The line that starts at m.p[at], its line end included. */
static struct slice line_at(struct slice m, size_t at)
{
    const char *lf = memchr(m.p + at, '\n', m.n - at);
    return sl(m.p + at, lf ? (size_t)(lf - m.p) + 1 - at : m.n - at);
}

static struct slice without_line_end(struct slice s)
{
    if (s.n && s.p[s.n - 1] == '\n') {
        s.n--;
        if (s.n && s.p[s.n - 1] == '\r') s.n--;
    }
    return s;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* ftext: printable US-ASCII without the colon (RFC 5322 section 3.6.8). */
static bool is_field_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 33 || s.p[i] > 126 || s.p[i] == ':') return false;
    return s.n > 0;
}

/* Blanks between name and colon are obsolete syntax (section 4.5), still seen. */
static struct mail_field cut_field(struct slice raw)
{
    struct mail_field f = {.raw = raw, .bad = true};
    struct slice text = without_line_end(raw);
    size_t colon = sl_chr(text, ':');
    if (colon == SL_NONE) return f;
    struct slice name = sl_sub(text, 0, colon);
    while (name.n && is_blank(name.p[name.n - 1])) name.n--;
    if (!is_field_name(name)) return f;
    f.name = name;
    f.body = sl_from(text, colon + 1);
    f.bad = false;
    return f;
}

enum { NAME_MAX_SEEN = 200 };

bool mail_line_in_head(struct slice line, bool first)
{
    line = without_line_end(line);
    if (!line.n) return false;
    if (is_blank(line.p[0])) return !first;
    if (first && (sl_starts(line, SL("From ")) || sl_starts(line, SL(">From ")))) return true;
    struct slice name = sl_sub(line, 0, sl_chr(sl_sub(line, 0, NAME_MAX_SEEN), ':'));
    return name.n < line.n && is_field_name(sl_rtrim(name));
}

size_t mail_head_end(struct slice message)
{
    for (size_t at = 0; at < message.n;) {
        struct slice line = line_at(message, at);
        if (!mail_line_in_head(line, at == 0)) return without_line_end(line).n ? at : at + line.n;
        at += line.n;
    }
    return message.n;
}

/* Where the field that starts at `at` ends: after its continuation lines. */
static size_t field_end(struct slice m, size_t at)
{
    size_t end = at + line_at(m, at).n;
    while (end < m.n && is_blank(m.p[end]) && end < (size_t)MAIL_HEAD_MAX + 1) end += line_at(m, end).n;
    return end;
}

int mail_head_parse(struct arena *a, struct slice message, struct mail_head *out)
{
    size_t cap = 32, at = 0;
    *out = (struct mail_head){.field = ar_array(a, struct mail_field, cap)};
    while (at < message.n) {
        struct slice line = line_at(message, at);
        if (without_line_end(line).n == 0 && line.p[line.n - 1] == '\n') {
            out->complete = true;
            out->size = at;
            out->body_at = at + line.n;
            return 0;
        }
        size_t end = field_end(message, at);
        if (end > MAIL_HEAD_MAX)
            return err_set(ERR_LIMIT, "the header section is longer than %d bytes", MAIL_HEAD_MAX);
        if (out->n == MAIL_FIELDS_MAX)
            return err_set(ERR_LIMIT, "the header section has more than %d fields", MAIL_FIELDS_MAX);
        if (out->n == cap) out->field = ar_grow(a, out->field, &cap, sizeof *out->field);
        struct mail_field f = cut_field(sl(message.p + at, end - at));
        out->bad_fields |= f.bad;
        out->field[out->n++] = f;
        at = end;
    }
    out->size = out->body_at = at;
    return 0;
}

void mail_head_size_next(struct mail_head_size *h, struct slice in)
{
    for (size_t i = 0; i < in.n && !h->size; i++) {
        char c = in.p[i];
        h->at++;
        if (c == '\n') {
            if (!h->line) h->size = h->at;
            h->line = h->cr = false;
        } else {
            h->line |= h->cr || c != '\r';
            h->cr = c == '\r';
        }
    }
}

const struct mail_field *mail_head_find(const struct mail_head *h, struct slice name, size_t from)
{
    for (size_t i = from; i < h->n; i++)
        if (sl_eqi(h->field[i].name, name) && !h->field[i].bad) return &h->field[i];
    return NULL;
}

size_t mail_head_count(const struct mail_head *h, struct slice name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) n += sl_eqi(h->field[i].name, name) && !h->field[i].bad;
    return n;
}

struct slice mail_head_get(struct arena *a, const struct mail_head *h, struct slice name, bool *found)
{
    const struct mail_field *f = mail_head_find(h, name, 0);
    if (found) *found = f != NULL;
    return f ? mail_unfold(a, f->body) : SL("");
}

struct slice mail_unfold(struct arena *a, struct slice body)
{
    body = sl_trim(body);
    if (!body.n || (!memchr(body.p, '\n', body.n) && !memchr(body.p, '\r', body.n))) return body;
    char *to = ar_alloc(a, body.n);
    size_t n = 0;
    for (size_t i = 0; i < body.n; i++) {
        char c = body.p[i];
        if (c == '\r' && i + 1 < body.n && body.p[i + 1] == '\n') continue;
        if (c == '\n' && i + 1 < body.n && is_blank(body.p[i + 1])) continue;
        /* A stray CR or LF must not survive into what is built from this. */
        to[n++] = c == '\r' || c == '\n' ? ' ' : c;
    }
    return sl_trim(sl(to, n));
}
