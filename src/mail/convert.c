/* convert.c - what each part of a message holds, what is to become of it, and the writing of that. */
#include "convert.h"

#include "base/log.h"
#include "base/text.h"

enum { LINE_MOST = 998, NAME_MOST = 64 };

/* A stretch of the message: a header section, the body of a leaf, or what stands between them (boundaries).
 */
enum stretch_kind { BETWEEN, HEAD, BODY };
struct stretch {
    enum stretch_kind kind;
    uint64_t from, to;
    const struct mime_part *part;
    /* weighed: */
    uint64_t eight;  /* bytes above 127 */
    bool lone;       /* there is a NUL, or a CR or LF alone */
    size_t longest;  /* line */
    bool ends_empty; /* a header section ends in an empty line */
    /* decided: */
    enum mime_encoding encode; /* of a body; MIME_7BIT: as it is */
    const char *label;         /* of a header section; NULL: as it is */
    bool root, unknown;        /* it is a message's; it says of no charset, and needs one */
};

/* While a stretch is read. */
struct walk {
    size_t at; /* in stretch[] */
    uint64_t pos;
    size_t line;
    char before, last[4];
    /* of a header section that is written: */
    char name[NAME_MOST];
    size_t named;
    bool in_line, drop, encoding_told, version_told, type_told;
    struct mime_encoder encoder;
    char out[2]; /* the last bytes written */
};

struct mail_convert {
    struct arena *a;
    enum mail_convert_to to;
    struct mime_parser *parser;
    struct mime_tree *tree;
    struct stretch *stretch;
    size_t n, room;
    struct walk w;
};

struct mail_convert *mail_convert_begin(struct arena *a, enum mail_convert_to to)
{
    struct mail_convert *c = ar_new(a, struct mail_convert);
    *c = (struct mail_convert){.a = a, .to = to, .parser = mime_begin(a), .room = 16};
    c->stretch = ar_array(a, struct stretch, c->room);
    return c;
}

void mail_convert_free(struct mail_convert *c)
{
    if (c->parser) mime_abandon(c->parser);
    c->parser = NULL;
}

/* ---- where its parts are ---- */

void mail_convert_look(struct mail_convert *c, struct slice bytes)
{
    ASSERT(c->parser && !c->tree);
    mime_feed(c->parser, bytes);
}

static uint64_t covered(const struct mail_convert *c) { return c->n ? c->stretch[c->n - 1].to : 0; }

static void one(struct mail_convert *c, enum stretch_kind kind, uint64_t from, uint64_t to,
                const struct mime_part *part)
{
    if (from == to && kind != BODY) return;
    if (c->n == c->room) c->stretch = ar_grow(c->a, c->stretch, &c->room, sizeof *c->stretch);
    c->stretch[c->n++] = (struct stretch){.kind = kind, .from = from, .to = to, .part = part};
}

static void add(struct mail_convert *c, enum stretch_kind kind, uint64_t from, uint64_t to,
                const struct mime_part *part)
{
    one(c, BETWEEN, covered(c), from, part->parent);
    one(c, kind, from, to, part);
}

/* The next part in the order of the text. */
static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child) return p->child;
    while (p && !p->next) p = p->parent;
    return p ? p->next : NULL;
}

static void looked(struct mail_convert *c)
{
    c->tree = mime_finish(c->parser);
    c->parser = NULL;
    for (const struct mime_part *p = c->tree->root; p; p = next_part(p)) {
        add(c, HEAD, p->head_at, p->head_at + p->head_size, p);
        if (!p->child) add(c, BODY, p->body_at, p->body_at + p->body_size, p);
    }
    one(c, BETWEEN, covered(c), c->tree->size, c->tree->root);
    c->w = (struct walk){0};
}

/* ---- what each holds ---- */

static void weigh_byte(struct walk *w, struct stretch *s, char b)
{
    if (b == '\n') {
        s->lone |= w->before != '\r';
        w->line = 0;
    } else {
        s->lone |= w->before == '\r' || !b;
        w->line += b != '\r';
        if (w->line > s->longest) s->longest = w->line;
    }
    s->eight += (unsigned char)b > 127;
    w->before = b;
}

static void weighed(struct walk *w, struct stretch *s)
{
    s->lone |= w->before == '\r';
    uint64_t n = s->to - s->from;
    const char *l = w->last;
    s->ends_empty =
        n >= 2 && l[2] == '\r' && l[3] == '\n' && (n == 2 || (n >= 4 && l[0] == '\r' && l[1] == '\n'));
    w->at++;
    w->line = 0;
    w->before = 0;
    memset(w->last, 0, sizeof w->last);
}

void mail_convert_weigh(struct mail_convert *c, struct slice bytes)
{
    struct walk *w = &c->w;
    if (!c->tree) looked(c);
    while (bytes.n && w->at < c->n) {
        struct stretch *s = &c->stretch[w->at];
        size_t n = s->to - w->pos < bytes.n ? (size_t)(s->to - w->pos) : bytes.n;
        for (size_t i = 0; i < n; i++) {
            weigh_byte(w, s, bytes.p[i]);
            memmove(w->last, w->last + 1, 3);
            w->last[3] = bytes.p[i];
        }
        bytes = sl_from(bytes, n);
        w->pos += n;
        if (w->pos == s->to) weighed(w, s);
    }
}

/* ---- what is to become of it ---- */

static bool is_signed(const struct mime_part *p)
{
    for (p = p->parent; p; p = p->parent)
        if (sl_eqi(p->type, SL("multipart")) && sl_eqi(p->subtype, SL("signed"))) return true;
    return false;
}

static bool is_message_root(const struct mime_part *p)
{
    return !p->parent || p->parent->kind == MIME_MESSAGE;
}

/* RFC 2046 section 5.2: of the types message/… only those of RFC 6533 and RFC 6532 may be encoded. */
static bool may_encode(const struct mime_part *p)
{
    return !sl_eqi(p->type, SL("multipart")) &&
           (!sl_eqi(p->type, SL("message")) || sl_startsi(p->subtype, SL("global-")));
}

static bool is_identity(enum mime_encoding e) { return e == MIME_7BIT || e == MIME_8BIT || e == MIME_BINARY; }

static bool unfit(const struct mail_convert *c, const struct stretch *s)
{
    return (s->eight && c->to == MAIL_CONVERT_TO_7BIT) || s->lone || s->longest > LINE_MOST;
}

static int no(const char *why) { return err_set(ERR_UNSUPPORTED, "%s", why); }

/* What its label would have to be when the body is left as it is; NULL: what it is. */
static const char *relabel(const struct mail_convert *c, const struct mime_part *p, uint64_t eight)
{
    bool text = c->to == MAIL_CONVERT_TO_8BIT && eight;
    if (p->encoding == MIME_BINARY) return text ? "8bit" : "7bit";
    return p->encoding == MIME_8BIT && c->to == MAIL_CONVERT_TO_7BIT ? "7bit" : NULL;
}

static int decide_leaf(struct mail_convert *c, struct stretch *head, struct stretch *body)
{
    const struct mime_part *p = body->part;
    if (!unfit(c, body)) {
        if (head && head->ends_empty && !is_signed(p)) head->label = relabel(c, p, body->eight);
        return 0;
    }
    if (is_signed(p)) return no("a part that would have to be is signed (multipart/signed)");
    if (!is_identity(p->encoding)) return no("a part holds bytes that its Content-Transfer-Encoding forbids");
    if (!may_encode(p))
        return err_set(ERR_UNSUPPORTED, "a part of the type %.20s may not be (RFC 2046 section 5.2)",
                       sl_eqi(p->type, SL("multipart")) ? "multipart" : "message");
    if (!head || !head->ends_empty) return no("a part has no header section that ends in an empty line");
    bool text = sl_eqi(p->type, SL("text")) && !body->lone && body->eight * 6 <= body->to - body->from;
    body->encode = text ? MIME_QP : MIME_BASE64;
    head->label = text ? "quoted-printable" : "base64";
    head->unknown = body->eight > 0;
    return 0;
}

static int decide_head(struct mail_convert *c, struct stretch *s)
{
    const struct mime_part *p = s->part;
    if (s->lone) return no("a header section in it holds NUL, or CR or LF alone");
    if (s->eight && c->to == MAIL_CONVERT_TO_7BIT) return no("a header section in it holds 8-bit text");
    s->root = is_message_root(p);
    if (p->child && s->ends_empty && !is_signed(p)) s->label = relabel(c, p, 1);
    return 0;
}

int mail_convert_decide(struct mail_convert *c)
{
    struct stretch *head = NULL;
    int e = 0;
    if (!c->tree) looked(c);
    if (c->tree->limited) return no("it has too many parts, or too deep ones");
    for (size_t i = 0; !e && i < c->n; i++) {
        struct stretch *s = &c->stretch[i];
        if (s->kind == HEAD) e = decide_head(c, head = s);
        if (s->kind == BODY) e = decide_leaf(c, head && head->part == s->part ? head : NULL, s);
        if (s->kind == BETWEEN && unfit(c, s)) e = no("what stands between its parts would have to be");
    }
    return e;
}

/* ---- writing ---- */

static void keep_last(struct walk *w, const struct buf *out, size_t before)
{
    if (out->n > before + 1) memcpy(w->out, out->p + out->n - 2, 2);
    else if (out->n > before) w->out[0] = w->out[1], w->out[1] = out->p[out->n - 1];
}

static void put_label(struct walk *w, const struct stretch *s, struct buf *out)
{
    if (!w->encoding_told) buf_printf(out, "Content-Transfer-Encoding: %s\r\n", s->label);
    w->encoding_told = true;
}

/* What the header section lacks, in front of its empty line. */
static void put_missing(struct walk *w, const struct stretch *s, struct buf *out)
{
    if (s->root && !w->version_told) buf_str(out, "MIME-Version: 1.0\r\n");
    if (s->unknown && !w->type_told) /* RFC 1428 section 3 */
        buf_str(out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
    put_label(w, s, out);
}

/* The start of a line of the header section is there: what field is it? */
static void begin_line(struct walk *w, const struct stretch *s, struct buf *out)
{
    struct slice start = sl(w->name, w->named), name = sl_rtrim(sl_sub(start, 0, sl_chr(start, ':')));
    bool field = sl_chr(start, ':') != SL_NONE;
    if (start.p[0] != ' ' && start.p[0] != '\t') {
        w->drop = field && sl_eqi(name, SL("Content-Transfer-Encoding"));
        w->version_told |= field && sl_eqi(name, SL("MIME-Version"));
        w->type_told |= field && sl_eqi(name, SL("Content-Type"));
        if (w->drop) put_label(w, s, out);
    }
    if (!w->drop) buf_put(out, start);
    w->in_line = true;
    w->named = 0;
}

static void head_byte(struct walk *w, const struct stretch *s, char b, struct buf *out)
{
    if (w->in_line) {
        if (!w->drop) buf_char(out, b);
    } else {
        w->name[w->named++] = b;
        if (b == ':' || b == '\n' || w->named == NAME_MOST || (w->named == 1 && (b == ' ' || b == '\t')))
            begin_line(w, s, out);
    }
    if (b == '\n') w->in_line = false;
}

/* All of it but the empty line, which put_missing() comes before. */
static void write_head(struct walk *w, const struct stretch *s, struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (w->pos + i == s->to - 2) put_missing(w, s, out);
        if (w->pos + i >= s->to - 2) buf_char(out, in.p[i]);
        else head_byte(w, s, in.p[i], out);
    }
}

/* Stretches that begin here, and such as are empty. */
static struct stretch *enter(struct mail_convert *c)
{
    struct stretch *s = &c->stretch[c->w.at];
    struct walk *w = &c->w;
    if (w->pos != s->from) return s;
    w->in_line = w->drop = w->encoding_told = w->version_told = w->type_told = false;
    w->named = 0;
    if (s->kind == BODY) mime_encode_begin(&w->encoder, s->encode);
    return s;
}

static void leave(struct mail_convert *c, struct stretch *s, struct buf *out)
{
    if (s->kind == BODY) mime_encode_end(&c->w.encoder, out);
    c->w.at++;
}

void mail_convert_start(struct mail_convert *c)
{
    ASSERT(c->tree);
    c->w = (struct walk){.out = "\r\n"};
}

void mail_convert_next(struct mail_convert *c, struct slice bytes, struct buf *out)
{
    ASSERT(c->tree);
    struct walk *w = &c->w;
    size_t before = out->n;
    while (bytes.n && w->at < c->n) {
        struct stretch *s = enter(c);
        struct slice in = sl_sub(bytes, 0, s->to - w->pos < bytes.n ? (size_t)(s->to - w->pos) : bytes.n);
        if (s->kind == HEAD && s->label) write_head(w, s, in, out);
        else if (s->kind == BODY) mime_encode(&w->encoder, in, out);
        else buf_put(out, in);
        bytes = sl_from(bytes, in.n);
        w->pos += in.n;
        if (w->pos == s->to) leave(c, s, out);
    }
    keep_last(w, out, before);
}

/* A text ends its last line. */
void mail_convert_finish(struct mail_convert *c, struct buf *out)
{
    if (c->w.out[0] != '\r' || c->w.out[1] != '\n') buf_str(out, "\r\n");
}
