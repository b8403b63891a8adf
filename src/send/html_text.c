/* html_text.c - HTML read as plain text. */
#include "html_text.h"

#include "base/text.h"
#include "mail/entity.h"

enum { TAG_NAME_MAX = 12, LINK_MAX = 2000, BREAKS_MAX = 3 };

struct tag {
    char name[TAG_NAME_MAX + 1];
    bool end;
    struct slice inside; /* name and attributes */
};
struct state {
    struct buf *out;
    struct slice rest;
    size_t begin;      /* of what this made, in out */
    unsigned breaks;   /* line ends due before the next character */
    bool space;        /* a blank is due */
    unsigned pre;      /* depth of <pre> */
    struct slice link; /* target of the link we are in, as written */
    size_t link_at;    /* where its words begin in out */
    bool careless;     /* some tag's quotes did not end: they are not looked at any more */
};

/* ---- characters ---- */

static void flush(struct state *t)
{
    bool any = t->out->n > t->begin;
    if (any && t->breaks) {
        for (unsigned i = 0; i < t->breaks; i++) buf_char(t->out, '\n');
    } else if (any && t->space) {
        buf_char(t->out, ' ');
    }
    t->breaks = 0;
    t->space = false;
}

static void show(struct state *t, struct slice s)
{
    flush(t);
    buf_put(t->out, s);
}

static void line_ends(struct state *t, unsigned n)
{
    if (t->breaks < n) t->breaks = n;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

/* What &...; at the front of the rest stands for, added to out; else the & itself. */
static void entity(struct state *t, struct buf *out)
{
    size_t end = sl_chr(sl_sub(t->rest, 0, HTML_ENTITY_MAX + 2), ';');
    uint32_t cp = end == SL_NONE ? 0 : html_entity(sl_sub(t->rest, 1, end));
    if (cp) utf8_put(out, cp < 32 ? ' ' : cp);
    else buf_char(out, '&');
    t->rest = sl_from(t->rest, cp ? end + 1 : 1);
}

static void character(struct state *t)
{
    char c = t->rest.p[0];
    if (c == '&') {
        flush(t);
        entity(t, t->out);
        return;
    }
    if (t->pre && c == '\n') t->breaks++;
    else if (is_blank(c) && !t->pre) t->space = true;
    else if (c != '\r') show(t, sl(&c, 1));
    t->rest = sl_from(t->rest, 1);
}

/* ---- tags ---- */

static bool is(const struct tag *g, const char *name) { return !strcmp(g->name, name); }

static bool is_one_of(const struct tag *g, const char *const *names)
{
    for (; *names; names++)
        if (is(g, *names)) return true;
    return false;
}

/* Where the tag that begins the rest ends: the > outside of quotes. When there is none, the first >; and so
 * for all that follow, lest a hostile text is read to its end for each. */
static size_t tag_end(struct state *t)
{
    struct slice s = t->rest;
    char quote = 0;
    for (size_t i = 1; i < s.n && !t->careless; i++) {
        if (quote) quote = s.p[i] == quote ? 0 : quote;
        else if (s.p[i] == '>') return i;
        else if ((s.p[i] == '"' || s.p[i] == '\'') && s.p[i - 1] == '=') quote = s.p[i];
    }
    t->careless = true;
    return sl_chr(s, '>');
}

static struct tag read_tag(struct slice inside)
{
    struct tag g = {.inside = inside};
    size_t i = g.end = inside.n && inside.p[0] == '/', n = 0;
    for (; i < inside.n && is_alnum(inside.p[i]); i++)
        if (n < TAG_NAME_MAX) g.name[n++] = sl_lower(inside.p[i]);
    g.inside = sl_from(inside, i);
    return g;
}

/* The value of an attribute as written, or empty. */
static struct slice attribute(const struct tag *g, struct slice name)
{
    struct slice s = g->inside;
    while (s.n) {
        s = sl_trim(s);
        size_t n = 0;
        while (n < s.n && !is_blank(s.p[n]) && s.p[n] != '=' && (s.p[n] != '/' || !n)) n++;
        struct slice key = sl_sub(s, 0, n), value = SL("");
        s = sl_trim(sl_from(s, n ? n : 1));
        if (s.n && s.p[0] == '=') {
            s = sl_trim(sl_from(s, 1));
            bool quoted = s.n && (s.p[0] == '"' || s.p[0] == '\'');
            size_t end = quoted ? sl_chr(sl_from(s, 1), s.p[0]) : 0;
            if (!quoted)
                while (end < s.n && !is_blank(s.p[end])) end++;
            if (end == SL_NONE) return SL("");
            value = sl_sub(s, quoted, quoted + end);
            s = sl_from(s, end + (quoted ? 2 : 0));
        }
        if (sl_eqi(key, name)) return value;
    }
    return SL("");
}

/* An attribute's value with its character references undone. */
static void put_value(struct state *t, struct slice value)
{
    struct state v = {.rest = value};
    while (v.rest.n) {
        if (v.rest.p[0] == '&') {
            entity(&v, t->out);
            continue;
        }
        buf_char(t->out, is_blank(v.rest.p[0]) ? ' ' : v.rest.p[0]);
        v.rest = sl_from(v.rest, 1);
    }
}

static void link_begins(struct state *t, const struct tag *g)
{
    struct slice to = sl_trim(attribute(g, SL("href")));
    bool told =
        sl_startsi(to, SL("http://")) || sl_startsi(to, SL("https://")) || sl_startsi(to, SL("mailto:"));
    t->link = told && to.n <= LINK_MAX ? to : SL("");
    t->link_at = t->out->n;
}

static void link_ends(struct state *t)
{
    struct slice shown = sl_trim(sl_from(buf_slice(t->out), t->link_at)), to = t->link;
    struct slice bare = sl_startsi(to, SL("mailto:")) ? sl_from(to, 7) : to;
    t->link = SL("");
    if (!to.n || sl_eqi(shown, to) || sl_eqi(shown, bare)) return;
    bool any = shown.n > 0;
    if (any) t->space = true;
    flush(t);
    if (any) buf_char(t->out, '(');
    put_value(t, bare);
    if (any) buf_char(t->out, ')');
}

/* Nothing inside these is shown: passes over it, up to the end tag or the end of all. */
static bool hidden(struct state *t, const struct tag *g)
{
    static const char *const names[] = {"head", "style", "script", "title", "template", "noscript", NULL};
    if (g->end || !is_one_of(g, names)) return false;
    while (t->rest.n) {
        size_t at = sl_find(t->rest, SL("</"));
        if (at == SL_NONE) {
            t->rest = sl_from(t->rest, t->rest.n);
            break;
        }
        struct tag end = read_tag(sl_sub(t->rest, at + 1, at + 2 + TAG_NAME_MAX));
        t->rest = sl_from(t->rest, at + 2);
        if (is(&end, g->name)) break;
    }
    size_t close = t->rest.n ? sl_chr(t->rest, '>') : SL_NONE;
    t->rest = sl_from(t->rest, close == SL_NONE ? t->rest.n : close + 1);
    return true;
}

static void tag(struct state *t, const struct tag *g)
{
    static const char *const apart[] = {"p",  "h1", "h2", "h3",  "h4",         "h5",    "h6",
                                        "ul", "ol", "dl", "pre", "blockquote", "table", NULL};
    static const char *const lines[] = {"div",     "tr",     "dt",     "dd",      "section",
                                        "article", "header", "footer", "address", "caption",
                                        "form",    "li",     "body",   NULL};
    if (hidden(t, g)) return;
    if (is(g, "br")) t->breaks += t->breaks < BREAKS_MAX;
    else if (is_one_of(g, apart)) line_ends(t, 2);
    else if (is_one_of(g, lines)) line_ends(t, 1);
    else if (is(g, "td") || is(g, "th")) t->space = true;
    if (is(g, "pre")) t->pre = g->end ? 0 : 1;
    if (is(g, "a")) {
        link_ends(t);
        if (!g->end) link_begins(t, g);
    } else if (is(g, "li") && !g->end) {
        show(t, SL("* "));
    } else if (is(g, "hr")) {
        line_ends(t, 1);
        show(t, SL("----"));
        line_ends(t, 1);
    } else if (is(g, "img") && attribute(g, SL("alt")).n) {
        flush(t);
        put_value(t, attribute(g, SL("alt")));
    }
}

/* The markup at the front of the rest; a < that begins none is text. */
static void markup(struct state *t)
{
    struct slice s = t->rest;
    if (sl_starts(s, SL("<!--"))) {
        size_t end = sl_find(sl_from(s, 4), SL("-->"));
        t->rest = sl_from(s, end == SL_NONE ? s.n : end + 7);
        return;
    }
    bool begins = s.n > 1 && (is_alpha(s.p[1]) || s.p[1] == '/' || s.p[1] == '!' || s.p[1] == '?');
    size_t end = begins ? tag_end(t) : SL_NONE;
    if (end == SL_NONE) {
        show(t, SL("<"));
        t->rest = sl_from(s, 1);
        return;
    }
    struct tag g = read_tag(sl_sub(s, 1, end));
    t->rest = sl_from(s, end + 1);
    tag(t, &g);
}

void html_text(struct buf *out, struct slice html)
{
    struct state t = {.out = out, .rest = html, .begin = out->n, .link = SL("")};
    size_t last = sl_rchr(html, '>'); /* behind it no markup ends */
    while (t.rest.n) {
        bool may = last != SL_NONE && t.rest.p <= html.p + last;
        if (t.rest.p[0] == '<' && may) markup(&t);
        else character(&t);
    }
    link_ends(&t);
    if (out->n > t.begin) buf_char(out, '\n');
}
