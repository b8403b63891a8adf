/* preview.c - the first words of a message (RFC 8970): of its first text/plain part, else of its first
 * text/html part with the markup left out. */
#include "base/text.h"
#include "mail/entity.h"
#include "mail/mime.h"
#include "reader.h"

enum { NAME_MAX_BYTES = 12 };

enum markup { TEXT, TAG, QUOTED, COMMENT, ENTITY };
struct preview {
    struct buf out;
    size_t chars, looked_at;
    bool html;
    bool space;         /* one is due before the next character */
    bool begin, quoted; /* of a line; the line is a quoted one */
    /* HTML */
    enum markup markup;
    char quote; /* that ends QUOTED */
    bool named; /* the tag's name is whole */
    char name[NAME_MAX_BYTES + 1];
    size_t nname;
    char hidden[NAME_MAX_BYTES + 1]; /* inside this element nothing is shown; or "" */
    char entity[HTML_ENTITY_MAX + 1];
    size_t nentity;
    unsigned dashes; /* COMMENT: hyphens that came last */
};

/* ---- characters ---- */

static bool is_space(uint32_t cp)
{
    return cp <= 0x20 || cp == 0x7f || (cp >= 0x80 && cp <= 0xa0) || (cp >= 0x2000 && cp <= 0x200f) ||
           cp == 0x2028 || cp == 0x2029 || (cp >= 0x202a && cp <= 0x202e) || cp == 0x202f || cp == 0x205f ||
           (cp >= 0x2060 && cp <= 0x206f) || cp == 0x3000 || cp == 0xfeff || cp == 0xad || cp == 0x34f;
}

static void show(struct preview *p, uint32_t cp)
{
    if (is_space(cp)) {
        p->space = true;
        return;
    }
    if (p->space && p->chars) {
        buf_char(&p->out, ' ');
        p->chars++;
    }
    p->space = false;
    if (p->chars == READER_PREVIEW_CHARS) return;
    utf8_put(&p->out, cp);
    p->chars++;
}

/* ---- plain text: quoted lines are left out ---- */

static void plain(struct preview *p, uint32_t cp)
{
    if (p->begin && cp == '>') p->quoted = true;
    p->begin = cp == '\n' || (p->begin && cp == ' ');
    if (cp == '\n') p->quoted = false;
    if (!p->quoted) show(p, cp);
}

/* ---- HTML ---- */

static bool is_one_of(const char *name, const struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eq(sl_cstr(name), v[i])) return true;
    return false;
}

/* The tag at hand ends: what it hides, and whether words before and behind it touch. */
static void tag_ends(struct preview *p)
{
    static const struct slice hiding[] = {SL_INIT("head"), SL_INIT("style"), SL_INIT("script"),
                                          SL_INIT("title")};
    static const struct slice inside_a_word[] = {
        SL_INIT("a"),    SL_INIT("b"),      SL_INIT("em"), SL_INIT("font"), SL_INIT("i"),
        SL_INIT("span"), SL_INIT("strong"), SL_INIT("u"),  SL_INIT("s"),    SL_INIT("wbr")};
    bool end = p->name[0] == '/';
    const char *name = p->name + end;
    p->markup = TEXT;
    if (end && sl_eq(sl_cstr(name), sl_cstr(p->hidden))) p->hidden[0] = 0;
    else if (!end && !p->hidden[0] && is_one_of(name, hiding, COUNT_OF(hiding)))
        memcpy(p->hidden, p->name, sizeof p->hidden);
    if (!is_one_of(name, inside_a_word, COUNT_OF(inside_a_word))) p->space = true;
}

static void tag(struct preview *p, uint32_t cp)
{
    if (cp == '>') {
        tag_ends(p);
    } else if (p->named && (cp == '"' || cp == '\'')) {
        p->markup = QUOTED;
        p->quote = (char)cp;
    } else if (!p->named) {
        p->named = cp <= ' ' || (cp == '/' && p->nname);
        if (!p->named && p->nname < NAME_MAX_BYTES) p->name[p->nname++] = cp < 128 ? sl_lower((char)cp) : '?';
        p->name[p->nname] = 0;
        if (!strcmp(p->name, "!--")) p->markup = COMMENT, p->dashes = 0;
    }
}

/* What was taken for an entity ends; when it is none it is text. */
static void entity_ends(struct preview *p, bool whole)
{
    struct slice name = sl(p->entity, p->nentity);
    uint32_t cp = whole ? html_entity(name) : 0;
    p->markup = TEXT;
    if (cp) {
        show(p, cp);
        return;
    }
    show(p, '&');
    for (size_t i = 0; i < name.n; i++) show(p, (unsigned char)name.p[i]);
    if (whole) show(p, ';');
}

static void markup(struct preview *p, uint32_t cp)
{
    switch (p->markup) {
    case TEXT:
        if (cp == '<') {
            p->markup = TAG;
            p->named = false;
            p->nname = 0;
            p->name[0] = 0;
        } else if (cp == '&' && !p->hidden[0]) {
            p->markup = ENTITY;
            p->nentity = 0;
        } else if (!p->hidden[0]) {
            show(p, cp);
        }
        break;
    case TAG: tag(p, cp); break;
    case QUOTED:
        if (cp == (uint32_t)p->quote) p->markup = TAG;
        break;
    case COMMENT:
        if (cp == '>' && p->dashes >= 2) p->markup = TEXT;
        p->dashes = cp == '-' ? p->dashes + 1 : 0;
        break;
    case ENTITY:
        if (cp == ';') {
            entity_ends(p, true);
        } else if (cp <= ' ' || cp > 126 || cp == '<' || cp == '&' || p->nentity == HTML_ENTITY_MAX) {
            entity_ends(p, false);
            markup(p, cp);
        } else {
            p->entity[p->nentity++] = (char)cp;
        }
        break;
    }
}

/* ---- parts ---- */

/* 1: enough was seen. */
static int look_at(void *arg, struct slice utf8)
{
    struct preview *p = arg;
    uint32_t cp;
    p->looked_at += utf8.n;
    while (p->chars < READER_PREVIEW_CHARS && utf8_next(&utf8, &cp)) {
        if (p->html) markup(p, cp);
        else plain(p, cp);
    }
    return p->chars >= READER_PREVIEW_CHARS || p->looked_at > READER_PREVIEW_LOOKED_AT;
}

/* The first text of that subtype that is no attachment; messages within the message are not looked into. */
static const struct mime_part *find_text(const struct mime_part *p, struct slice subtype)
{
    bool attached = p->disposition && sl_eqi(p->disposition->value, SL("attachment"));
    if (p->kind == MIME_LEAF && !attached && sl_eqi(p->type, SL("text")) && sl_eqi(p->subtype, subtype))
        return p;
    const struct mime_part *found = NULL;
    for (const struct mime_part *c = p->child; p->kind == MIME_MULTIPART && c && !found; c = c->next)
        found = find_text(c, subtype);
    return found;
}

int reader_preview(struct reader *rd, struct arena *a, struct slice *out)
{
    struct preview p = {.begin = true};
    *out = SL("");
    int e = reader_tree(rd);
    if (e) return e;
    const struct mime_part *text = find_text(rd->tree->root, SL("plain"));
    if (!text) {
        text = find_text(rd->tree->root, SL("html"));
        p.html = true;
    }
    if (text) e = reader_text(rd, text, look_at, &p);
    *out = ar_dup(a, buf_slice(&p.out));
    buf_free(&p.out);
    return e < 0 ? e : 0;
}
