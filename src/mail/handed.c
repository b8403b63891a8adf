/* handed.c - header sections of local programs: bare names, doubled fields, no From (sendmail(8)). */
#include "handed.h"

#include "addr.h"
#include "head.h"
#include "submit.h"

/* ---- lines ---- */

bool mail_handed_field(struct slice line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] > 32 && line.p[n] < 127 && line.p[n] != ':') n++;
    size_t name = n;
    while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t')) n++;
    return name && n < line.n && line.p[n] == ':';
}

bool mail_handed_mbox_line(struct slice line)
{
    return sl_starts(line, SL("From ")) || sl_starts(line, SL(">From "));
}

/* ---- bare names ---- */

/* Position after the quoted string, comment or literal at i, which ends with `close`. */
static size_t after(struct slice s, size_t i, char close)
{
    size_t depth = 0;
    for (char open = s.p[i]; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == close && (open == close ? depth == 1 : --depth == 0)) return i + 1;
        else if (s.p[i] == open) depth++;
    }
    return s.n;
}

/* What the cursor sees next outside of comments: one byte, or a whole quoted string as '"'. */
static char step(struct slice s, size_t *i, size_t *from)
{
    while (*i < s.n && s.p[*i] == '(') *i = after(s, *i, ')');
    *from = *i;
    if (*i >= s.n) return 0;
    char c = s.p[*i];
    *i = c == '"' ? after(s, *i, '"') : *i + 1;
    return c;
}

struct element {
    size_t end;     /* of its last word */
    unsigned words; /* separated by blanks or comments */
    bool at, angle; /* has an @, or a quote without end; stands between < and > */
};

struct completing {
    struct slice s, domain;
    struct buf out;
    size_t copied;
};

/* One word and no @: that is a name of somebody here. */
static void finish(struct completing *c, struct element *e)
{
    if (e->words == 1 && !e->at) {
        buf_put(&c->out, sl_sub(c->s, c->copied, e->end));
        buf_char(&c->out, '@');
        buf_put(&c->out, c->domain);
        c->copied = e->end;
    }
    *e = (struct element){0};
}

static void complete_list(struct completing *c)
{
    struct element e = {0};
    bool in_word = false, done = false; /* done: the element's address was in < and > */
    for (size_t i = 0, from, before = 0; i < c->s.n; before = i) {
        char k = step(c->s, &i, &from);
        if (from > before) in_word = false; /* a comment lay between */
        bool blank = k == ' ' || k == '\t' || k == '\r' || k == '\n';
        if (k == '<') {
            e = (struct element){.angle = true};
        } else if (k == '>' && e.angle) {
            finish(c, &e);
            done = true;
        } else if (!e.angle && (k == ',' || k == ';')) {
            if (!done) finish(c, &e);
            e = (struct element){0};
            done = false;
        } else if (k == ':' && !e.angle) {
            e = (struct element){0}; /* the name of a group */
        } else if (k && !blank) {
            e.words += !in_word;
            bool open = k == '"' && (i - from < 2 || c->s.p[i - 1] != '"');
            e.at |= k == '@' || open;
            e.end = i;
        }
        in_word = k && !blank && !strchr("<>,;:", k);
    }
    if (!done && !e.angle) finish(c, &e);
}

struct slice mail_handed_list(struct arena *a, struct slice body, struct slice domain)
{
    struct completing c = {.s = body, .domain = domain, .out = BUF_INIT};
    complete_list(&c);
    if (!c.out.n) return body;
    buf_put(&c.out, sl_from(body, c.copied));
    body = ar_dup(a, buf_slice(&c.out));
    buf_free(&c.out);
    return body;
}

/* ---- the header section ---- */

static bool is_list(struct slice name)
{
    static const struct slice lists[] = {SL_INIT("From"), SL_INIT("Sender"), SL_INIT("Reply-To"),
                                         SL_INIT("To"),   SL_INIT("Cc"),     SL_INIT("Bcc")};
    if (sl_startsi(name, SL("Resent-"))) name = sl_from(name, 7);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (sl_eqi(name, lists[i])) return true;
    return false;
}

/* Is there exactly one From with valid addresses? Several authors without Sender are not. */
static bool from_is_fit(struct arena *a, const struct mail_head *h, struct slice domain)
{
    struct mail_addrs from;
    const struct mail_field *f = mail_head_find(h, SL("From"), 0);
    return f && mail_head_count(h, SL("From")) == 1 &&
           mail_addrs_parse(a, mail_handed_list(a, f->body, domain), &from) == 0 && from.n && !from.bad &&
           (from.n == 1 || mail_head_count(h, SL("Sender")) == 1);
}

static void put_field(struct arena *a, const struct mail_field *f, const char *prefix, struct slice domain,
                      struct buf *out)
{
    buf_str(out, prefix);
    buf_put(out, f->name);
    buf_char(out, ':');
    buf_put(out, is_list(f->name) ? mail_handed_list(a, f->body, domain) : f->body);
    buf_str(out, "\r\n");
}

int mail_handed_head(struct arena *a, struct slice raw, struct slice domain, struct slice from,
                     struct buf *out)
{
    struct mail_head h;
    int e = mail_head_parse(a, raw, &h);
    if (e) return e;
    bool fit = from_is_fit(a, &h, domain);
    if (!fit) buf_printf(out, "From: %.*s\r\n", SLF(from));
    for (size_t i = 0; i < h.n; i++) {
        const struct mail_field *f = &h.field[i];
        if (f->bad) continue;
        bool second = mail_submit_once(f->name) && mail_head_find(&h, f->name, 0) != f &&
                      !sl_eqi(f->name, SL("Bcc")); /* goes nowhere in any case */
        bool author = sl_eqi(f->name, SL("From"));
        put_field(a, f, author && !fit ? "X-Original-" : second ? "X-Duplicate-" : "", domain, out);
    }
    return 0;
}
