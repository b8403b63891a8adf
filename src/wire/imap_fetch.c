/* imap_fetch.c - what FETCH asks for: macros, attributes, sections (RFC 9051 section 6.4.5). */
#include "imap_i.h"

struct word {
    struct slice name;
    enum imap_item kind;
};
/* Longer names before those they begin with. */
static const struct word words[] = {
    {SL_INIT("UID"), IMAP_UID},
    {SL_INIT("FLAGS"), IMAP_FLAGS},
    {SL_INIT("INTERNALDATE"), IMAP_INTERNALDATE},
    {SL_INIT("RFC822.SIZE"), IMAP_SIZE},
    {SL_INIT("RFC822.HEADER"), IMAP_RFC822_HEADER},
    {SL_INIT("RFC822.TEXT"), IMAP_RFC822_TEXT},
    {SL_INIT("RFC822"), IMAP_RFC822},
    {SL_INIT("ENVELOPE"), IMAP_ENVELOPE},
    {SL_INIT("BODYSTRUCTURE"), IMAP_BODYSTRUCTURE},
    {SL_INIT("MODSEQ"), IMAP_MODSEQ},
    {SL_INIT("EMAILID"), IMAP_EMAILID},
    {SL_INIT("THREADID"), IMAP_THREADID},
    {SL_INIT("SAVEDATE"), IMAP_SAVEDATE}, /* RFC 8514 */
};

static struct imap_fetch_item *add(struct imap_in *in, struct imap_fetch *f, enum imap_item kind)
{
    if (f->n == IMAP_ITEMS_MAX) imap_fail(in, ERR_LIMIT, "too many fetch items");
    /* After an error the last one is used for whatever is still said about it. */
    if (in->code && f->n) return &f->item[f->n - 1];
    struct imap_fetch_item *i = &f->item[f->n++];
    *i = (struct imap_fetch_item){.kind = kind};
    f->kinds |= 1u << kind;
    return i;
}

/* "PREVIEW (LAZY)" (RFC 8970 section 6): LAZY allows what is never needed here, a preview that comes later.
 */
static void take_preview(struct imap_in *in, struct imap_fetch *f)
{
    add(in, f, IMAP_PREVIEW);
    if (!sl_startsi(sl_from(in->s, in->at), SL(" (LAZY"))) return;
    imap_sp(in);
    imap_need(in, '(');
    if (!imap_skip_word(in, SL("LAZY"))) imap_fail(in, ERR_SYNTAX, "LAZY was expected");
    imap_need(in, ')');
}

/* Asked for again with other entries it is another item; what it was asked by is its label. */
static void take_annotation(struct imap_in *in, struct imap_fetch *f)
{
    struct imap_fetch_item *i = add(in, f, IMAP_ANNOTATION);
    imap_sp(in);
    size_t from = in->at;
    i->annotation = imap_annotation_want(in);
    i->label = sl_sub(in->s, from, in->at);
}

/* ---- sections ---- */

static void take_path(struct imap_in *in, struct imap_fetch_item *i)
{
    i->path = ar_array(in->a, uint32_t, IMAP_PATH_MAX);
    do {
        uint64_t k = imap_nz_number(in, UINT32_MAX, "parts are counted from 1");
        if (i->npath == IMAP_PATH_MAX) imap_fail(in, ERR_LIMIT, "the section is too deep");
        if (in->code) return;
        i->path[i->npath++] = (uint32_t)k;
        if (!imap_at(in, '.') || in->at + 1 >= in->s.n) return;
        char c = in->s.p[in->at + 1];
        if (c < '0' || c > '9') return;
        in->at++;
    } while (true);
}

static void take_fields(struct imap_in *in, struct imap_fetch_item *i)
{
    i->field = ar_array(in->a, struct slice, IMAP_FIELDS_MAX);
    imap_sp(in);
    imap_need(in, '(');
    do {
        struct slice name = imap_astring(in);
        if (i->nfields == IMAP_FIELDS_MAX) imap_fail(in, ERR_LIMIT, "too many header fields");
        if (in->code) return;
        i->field[i->nfields++] = name;
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
}

static void take_text(struct imap_in *in, struct imap_fetch_item *i)
{
    if (imap_skip_word(in, SL("HEADER.FIELDS.NOT"))) i->text = IMAP_HEADER_FIELDS_NOT;
    else if (imap_skip_word(in, SL("HEADER.FIELDS"))) i->text = IMAP_HEADER_FIELDS;
    else if (imap_skip_word(in, SL("HEADER"))) i->text = IMAP_HEADER;
    else if (imap_skip_word(in, SL("TEXT"))) i->text = IMAP_TEXT;
    else if (i->npath && imap_skip_word(in, SL("MIME"))) i->text = IMAP_MIME;
    else imap_fail(in, ERR_SYNTAX, "a section was expected");
    if (i->text == IMAP_HEADER_FIELDS || i->text == IMAP_HEADER_FIELDS_NOT) take_fields(in, i);
}

static void take_section(struct imap_in *in, struct imap_fetch_item *i, bool binary)
{
    imap_need(in, '[');
    if (imap_skip(in, ']')) return;
    if (imap_more(in) && in->s.p[in->at] >= '0' && in->s.p[in->at] <= '9') take_path(in, i);
    if (!binary && !imap_at(in, ']')) {
        if (i->npath) imap_need(in, '.');
        take_text(in, i);
    }
    imap_need(in, ']');
}

static void take_partial(struct imap_in *in, struct imap_fetch_item *i)
{
    if (!imap_skip(in, '<')) return;
    i->partial = true;
    i->from = imap_number(in, INT64_MAX);
    imap_need(in, '.');
    i->count = imap_nz_number(in, INT64_MAX, "0 bytes cannot be asked for");
    imap_need(in, '>');
}

static void put_label(struct imap_in *in, struct imap_fetch_item *i)
{
    static const char *const texts[] = {"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
    struct buf b = BUF_INIT;
    buf_str(&b, i->kind == IMAP_SECTION ? "BODY[" : i->kind == IMAP_BINARY ? "BINARY[" : "BINARY.SIZE[");
    for (size_t k = 0; k < i->npath; k++) buf_printf(&b, k ? ".%u" : "%u", i->path[k]);
    if (i->npath && i->text) buf_char(&b, '.');
    buf_str(&b, texts[i->text]);
    for (size_t k = 0; k < i->nfields; k++) {
        buf_str(&b, k ? " " : " (");
        imap_put_astring(&b, i->field[k], false);
    }
    buf_str(&b, i->nfields ? ")]" : "]");
    if (i->partial) buf_printf(&b, "<%llu>", (unsigned long long)i->from);
    i->label = ar_dup(in->a, buf_slice(&b));
    buf_free(&b);
}

static void take_body(struct imap_in *in, struct imap_fetch *f, bool peek)
{
    struct imap_fetch_item *i = add(in, f, IMAP_SECTION);
    i->peek = peek;
    take_section(in, i, false);
    take_partial(in, i);
    put_label(in, i);
    f->sets_seen |= !peek;
}

static void take_binary(struct imap_in *in, struct imap_fetch *f, bool size, bool peek)
{
    struct imap_fetch_item *i = add(in, f, size ? IMAP_BINARY_SIZE : IMAP_BINARY);
    i->peek = peek || size;
    take_section(in, i, true);
    if (!size) take_partial(in, i);
    put_label(in, i);
    f->sets_seen |= !i->peek;
}

/* The word before a '[', which is an atom character. */
static bool skip_before_bracket(struct imap_in *in, struct slice word)
{
    struct slice rest = in->code ? SL("") : sl_from(in->s, in->at);
    if (!sl_startsi(rest, word) || rest.n == word.n || rest.p[word.n] != '[') return false;
    in->at += word.n;
    return true;
}

static void take_item(struct imap_in *in, struct imap_fetch *f)
{
    if (skip_before_bracket(in, SL("BODY"))) take_body(in, f, false);
    else if (skip_before_bracket(in, SL("BODY.PEEK"))) take_body(in, f, true);
    else if (skip_before_bracket(in, SL("BINARY"))) take_binary(in, f, false, false);
    else if (skip_before_bracket(in, SL("BINARY.PEEK"))) take_binary(in, f, false, true);
    else if (skip_before_bracket(in, SL("BINARY.SIZE"))) take_binary(in, f, true, true);
    else if (imap_skip_word(in, SL("BODY"))) add(in, f, IMAP_BODY);
    else if (imap_skip_word(in, SL("PREVIEW"))) take_preview(in, f);
    else if (in->annotate && imap_skip_word(in, SL("ANNOTATION"))) take_annotation(in, f);
    else {
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (imap_skip_word(in, words[i].name)) {
                add(in, f, words[i].kind);
                f->sets_seen |= words[i].kind == IMAP_RFC822 || words[i].kind == IMAP_RFC822_TEXT;
                return;
            }
        imap_fail(in, ERR_SYNTAX, "a fetch item was expected");
    }
}

static bool take_macro(struct imap_in *in, struct imap_fetch *f)
{
    static const enum imap_item all[] = {IMAP_FLAGS, IMAP_INTERNALDATE, IMAP_SIZE, IMAP_ENVELOPE, IMAP_BODY};
    size_t n = imap_skip_word(in, SL("ALL"))    ? 4
               : imap_skip_word(in, SL("FAST")) ? 3
               : imap_skip_word(in, SL("FULL")) ? 5
                                                : 0;
    for (size_t i = 0; i < n; i++) add(in, f, all[i]);
    return n > 0;
}

static void take_modifier(struct imap_in *in, struct imap_fetch *f)
{
    if (imap_skip_word(in, SL("CHANGEDSINCE"))) { /* RFC 7162 section 3.1.4 */
        imap_sp(in);
        f->changed_since = imap_number(in, INT64_MAX);
        f->conditional = true;
    } else if (imap_skip_word(in, SL("VANISHED"))) { /* RFC 7162 section 3.2.6 */
        f->vanished = true;
    } else if (imap_skip_word(in, SL("PARTIAL"))) { /* RFC 9394 section 3.3 */
        imap_sp(in);
        f->page = imap_partial(in);
        f->paged = true;
    } else {
        imap_fail(in, ERR_SYNTAX, "CHANGEDSINCE, VANISHED or PARTIAL was expected");
    }
}

/* "(CHANGEDSINCE n PARTIAL 1:10)" after the items. */
static void take_modifiers(struct imap_in *in, struct imap_fetch *f)
{
    if (!imap_skip(in, ' ')) return;
    imap_need(in, '(');
    do take_modifier(in, f);
    while (imap_skip(in, ' '));
    imap_need(in, ')');
}

static bool same_item(const struct imap_fetch_item *a, const struct imap_fetch_item *b)
{
    return a->kind == b->kind && a->partial == b->partial && a->from == b->from && a->count == b->count &&
           sl_eq(a->label, b->label);
}

/* What is named again is told once: the items are a set. */
static void drop_repeated(struct imap_fetch *f)
{
    if (!f->n) return;
    const struct imap_fetch_item *last = &f->item[f->n - 1];
    for (size_t i = 0; i + 1 < f->n; i++)
        if (same_item(&f->item[i], last)) {
            f->n--;
            return;
        }
}

struct imap_fetch imap_fetch_items(struct imap_in *in)
{
    struct imap_fetch f = {.item = ar_array(in->a, struct imap_fetch_item, IMAP_ITEMS_MAX)};
    imap_need(in, '(');
    do {
        take_item(in, &f);
        drop_repeated(&f);
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
    return f;
}

struct imap_fetch imap_fetch_args(struct imap_in *in)
{
    struct imap_fetch f = {0};
    if (imap_at(in, '(')) {
        f = imap_fetch_items(in);
    } else {
        f.item = ar_array(in->a, struct imap_fetch_item, IMAP_ITEMS_MAX);
        if (!take_macro(in, &f)) take_item(in, &f);
    }
    take_modifiers(in, &f);
    return f;
}
