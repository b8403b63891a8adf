/* mime_field.c - what the Content-* fields of a header say (RFC 2045, 2183, 2231, 3282). */
#include "base/text.h"
#include "charset.h"
#include "head.h"
#include "mime_i.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* A comment in round brackets, nested ones too; *s begins with '('. */
static void skip_comment(struct slice *s)
{
    size_t i = 0, depth = 0;
    do {
        char c = s->p[i];
        if (c == '\\' && i + 1 < s->n) i++;
        else if (c == '(') depth++;
        else if (c == ')') depth--;
        i++;
    } while (i < s->n && depth);
    *s = sl_from(*s, i);
}

static void skip_cfws(struct slice *s)
{
    while (s->n && (is_blank(s->p[0]) || s->p[0] == '(')) {
        if (s->p[0] == '(') skip_comment(s);
        else *s = sl_from(*s, 1);
    }
}

/* The first word; blanks and comments around a '/' are left out (RFC 2045 section 5.1). */
static struct slice take_value(struct arena *a, struct slice *s)
{
    char *to = ar_alloc(a, s->n);
    size_t n = 0;
    bool blank = false;
    for (skip_cfws(s); s->n && s->p[0] != ';'; *s = sl_from(*s, 1)) {
        if (blank && n && s->p[0] != '/' && to[n - 1] != '/') break;
        to[n++] = s->p[0];
        struct slice after = sl_from(*s, 1);
        skip_cfws(&after);
        blank = after.p != s->p + 1;
        if (blank) *s = sl(after.p - 1, after.n + 1);
    }
    return sl(to, n);
}

/* A quoted string; *s begins with '"'. Without a closing quote it goes to the end. */
static struct slice take_quoted(struct arena *a, struct slice *s)
{
    char *to = ar_alloc(a, s->n);
    size_t n = 0, i = 1;
    for (; i < s->n && s->p[i] != '"'; i++) {
        if (s->p[i] == '\\' && i + 1 < s->n) i++;
        to[n++] = s->p[i];
    }
    *s = sl_from(*s, i + 1);
    return sl(to, n);
}

/* An unquoted value: to the next ';' or to a comment after a blank. Blanks inside, which
 * careless programs write into file names, are kept. */
static struct slice take_token(struct slice *s)
{
    size_t i = 0;
    while (i < s->n && s->p[i] != ';' && !(s->p[i] == '(' && i && is_blank(s->p[i - 1]))) i++;
    struct slice token = sl_rtrim(sl_sub(*s, 0, i));
    *s = sl_from(*s, i);
    return token;
}

static void to_semicolon(struct slice *s)
{
    size_t at = sl_chr(*s, ';');
    *s = sl_from(*s, at == SL_NONE ? s->n : at);
}

static size_t take_params(struct arena *a, struct slice s, struct mime_param *to)
{
    size_t n = 0;
    while (s.n && n < MIME_PARAMS_MAX) {
        while (s.n && (s.p[0] == ';' || is_blank(s.p[0]) || s.p[0] == '(')) {
            if (s.p[0] == ';') s = sl_from(s, 1);
            skip_cfws(&s);
        }
        size_t i = 0;
        while (i < s.n && s.p[i] != '=' && s.p[i] != ';' && s.p[i] != '(' && !is_blank(s.p[i])) i++;
        struct slice name = sl_sub(s, 0, i);
        s = sl_from(s, i);
        skip_cfws(&s);
        if (!s.n || s.p[0] != '=' || !name.n) {
            to_semicolon(&s);
            continue;
        }
        s = sl_from(s, 1);
        skip_cfws(&s);
        to[n++] = (struct mime_param){name, s.n && s.p[0] == '"' ? take_quoted(a, &s) : take_token(&s)};
        to_semicolon(&s);
    }
    return n;
}

void mime_value_parse(struct arena *a, struct slice body, struct mime_value *out)
{
    struct mime_param room[MIME_PARAMS_MAX];
    *out = (struct mime_value){0};
    body = mail_unfold(a, body);
    out->value = take_value(a, &body);
    out->n = take_params(a, body, room);
    if (!out->n) return;
    out->param = ar_array(a, struct mime_param, out->n);
    memcpy(out->param, room, out->n * sizeof *room);
}

/* ---- parameters in pieces and in a charset (RFC 2231) ---- */

/* A parameter with the marks of its name taken off (section 7). */
struct piece {
    struct slice value;
    uint64_t section; /* "*3"; 0 when there is none */
    bool extended;    /* a final '*': percent-encoded, the first piece names the charset */
};

/* Is this a piece of the parameter `name`? */
static bool is_piece(const struct mime_param *p, struct slice name, struct piece *out)
{
    struct slice marked = p->name;
    *out = (struct piece){.value = p->value};
    if (!sl_startsi(marked, name) || marked.n == name.n) return false;
    if (marked.p[marked.n - 1] == '*') {
        out->extended = true;
        marked.n--;
    }
    struct slice number = sl_from(marked, name.n);
    if (!number.n) return out->extended;
    return number.p[0] == '*' && num_u64(sl_from(number, 1), 99999, &out->section);
}

/* The piece with the least section above `after` (-1 at first). */
static bool next_piece(const struct mime_param *v, size_t n, struct slice name, int64_t after,
                       struct piece *out)
{
    bool found = false;
    struct piece p;
    for (size_t i = 0; i < n; i++) {
        if (!is_piece(&v[i], name, &p) || (int64_t)p.section <= after) continue;
        if (found && p.section >= out->section) continue;
        *out = p;
        found = true;
    }
    return found;
}

/* Joins the pieces and converts them to UTF-8 (sections 3, 4). */
static struct slice join(struct arena *a, const struct mime_param *v, size_t n, struct slice name)
{
    struct buf b = BUF_INIT;
    struct slice charset = SL("");
    bool extended = false;
    struct piece p = {0};
    for (int64_t after = -1; next_piece(v, n, name, after, &p); after = (int64_t)p.section) {
        struct slice rest = p.value, lang;
        bool names_charset = after < 0 && p.extended && sl_chr(rest, '\'') != SL_NONE;
        if (names_charset && sl_next(&rest, '\'', &charset) && sl_next(&rest, '\'', &lang)) p.value = rest;
        extended |= p.extended;
        if (p.extended) percent_decode(&b, p.value);
        else buf_put(&b, p.value);
    }
    struct slice joined = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return extended ? charset_to_utf8(a, charset, joined) : joined;
}

struct slice mime_param_get(struct arena *a, const struct mime_param *v, size_t n, struct slice name)
{
    struct piece p;
    struct slice plain = {0};
    for (size_t i = n; i-- > 0;) {
        /* An extended value says more than the plain one beside it (RFC 2231 section 5). */
        if (is_piece(&v[i], name, &p)) return join(a, v, n, name);
        if (sl_eqi(v[i].name, name)) plain = v[i].value;
    }
    return plain;
}

/* ---- a part's header ---- */

static struct mime_param *keep_params(struct arena *a, const struct mime_value *v)
{
    struct mime_param *p = v->n ? ar_array(a, struct mime_param, v->n) : NULL;
    for (size_t i = 0; i < v->n; i++)
        p[i] = (struct mime_param){ar_dup(a, v->param[i].name), ar_dup(a, v->param[i].value)};
    return p;
}

/* RFC 2045 section 5.2: without a (right) Content-Type a part is text/plain in US-ASCII;
 * RFC 2046 section 5.1.5: in a digest it is a message. */
static void default_type(struct arena *a, struct mime_part *part)
{
    const struct mime_part *up = part->parent;
    if (up && up->kind == MIME_MULTIPART && sl_eqi(up->subtype, SL("digest"))) {
        part->type = SL("message"), part->subtype = SL("rfc822");
        return;
    }
    part->type = SL("text"), part->subtype = SL("plain");
    part->param = ar_new(a, struct mime_param);
    *part->param = (struct mime_param){SL("charset"), SL("us-ascii")};
    part->nparam = 1;
}

static void content_type(struct arena *a, struct arena *scratch, struct slice body, struct mime_part *part)
{
    struct mime_value v;
    mime_value_parse(scratch, body, &v);
    size_t slash = sl_chr(v.value, '/');
    if (slash == SL_NONE || !slash || slash + 1 == v.value.n) return;
    part->type = ar_dup(a, sl_sub(v.value, 0, slash));
    part->subtype = ar_dup(a, sl_from(v.value, slash + 1));
    part->param = keep_params(a, &v);
    part->nparam = v.n;
}

static void content_encoding(struct arena *a, struct arena *scratch, struct slice body,
                             struct mime_part *part)
{
    static const struct slice names[] = {SL_INIT("7bit"), SL_INIT("8bit"), SL_INIT("binary"),
                                         SL_INIT("quoted-printable"), SL_INIT("base64")};
    body = mail_unfold(scratch, body);
    skip_cfws(&body);
    struct slice word = take_token(&body);
    if (!word.n) return;
    part->encoding_name = ar_dup(a, word);
    part->encoding = MIME_OTHER;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(names[i], word)) part->encoding = (enum mime_encoding)i;
}

static void content_disposition(struct arena *a, struct arena *scratch, struct slice body,
                                struct mime_part *part)
{
    struct mime_value v;
    mime_value_parse(scratch, body, &v);
    if (!v.value.n) return;
    part->disposition = ar_new(a, struct mime_value);
    *part->disposition = (struct mime_value){ar_dup(a, v.value), keep_params(a, &v), v.n};
}

static void content_language(struct arena *a, struct arena *scratch, struct slice body,
                             struct mime_part *part)
{
    struct slice rest = mail_unfold(scratch, body), one;
    size_t cap = 0;
    while (sl_next(&rest, ',', &one)) {
        struct slice tag = take_value(scratch, &one);
        if (!tag.n || part->nlanguage >= MIME_PARAMS_MAX) continue;
        if (part->nlanguage == cap) part->language = ar_grow(a, part->language, &cap, sizeof *part->language);
        part->language[part->nlanguage++] = ar_dup(a, tag);
    }
}

static void text_field(struct arena *a, struct arena *scratch, struct slice body, struct slice *to)
{
    if (!to->p) *to = ar_dup(a, mail_unfold(scratch, body));
}

static void envelope_field(struct arena *a, struct arena *scratch, const struct mail_field *f,
                           struct mime_envelope *e)
{
    const struct {
        struct slice name;
        struct slice *to;
    } fields[] = {{SL("Date"), &e->date},
                  {SL("Subject"), &e->subject},
                  {SL("From"), &e->from},
                  {SL("Sender"), &e->sender},
                  {SL("Reply-To"), &e->reply_to},
                  {SL("To"), &e->to},
                  {SL("Cc"), &e->cc},
                  {SL("Bcc"), &e->bcc},
                  {SL("In-Reply-To"), &e->in_reply_to},
                  {SL("Message-ID"), &e->message_id}};
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (sl_eqi(f->name, fields[i].name)) text_field(a, scratch, f->body, fields[i].to);
}

/* The first field of a name counts. */
static void content_field(struct arena *a, struct arena *scratch, const struct mail_field *f,
                          struct mime_part *part)
{
    struct slice name = sl_from(f->name, 8), body = f->body;
    if (sl_eqi(name, SL("Type")) && !part->type.n) content_type(a, scratch, body, part);
    else if (sl_eqi(name, SL("Transfer-Encoding")) && !part->encoding_name.n)
        content_encoding(a, scratch, body, part);
    else if (sl_eqi(name, SL("Disposition")) && !part->disposition)
        content_disposition(a, scratch, body, part);
    else if (sl_eqi(name, SL("Language")) && !part->language) content_language(a, scratch, body, part);
    else if (sl_eqi(name, SL("ID"))) text_field(a, scratch, body, &part->id);
    else if (sl_eqi(name, SL("Description"))) text_field(a, scratch, body, &part->description);
    else if (sl_eqi(name, SL("Location"))) text_field(a, scratch, body, &part->location);
    else if (sl_eqi(name, SL("MD5"))) text_field(a, scratch, body, &part->md5);
}

bool mime_is_message(const struct mime_part *part)
{
    return sl_eqi(part->type, SL("message")) &&
           (sl_eqi(part->subtype, SL("rfc822")) || sl_eqi(part->subtype, SL("global")));
}

static enum mime_kind kind_of(struct arena *scratch, const struct mime_part *part)
{
    if (sl_eqi(part->type, SL("multipart"))) {
        struct slice b = mime_param_get(scratch, part->param, part->nparam, SL("boundary"));
        return b.n && b.n <= MIME_BOUNDARY_MAX ? MIME_MULTIPART : MIME_LEAF;
    }
    /* An encoded message (RFC 2046 section 5.2.1 forbids it) cannot be cut by offsets. */
    return mime_is_message(part) && part->encoding <= MIME_BINARY ? MIME_MESSAGE : MIME_LEAF;
}

void mime_describe(struct arena *a, struct arena *scratch, struct slice head, struct mime_part *part)
{
    struct mail_head h;
    if (mail_head_parse(scratch, head, &h) != 0) h.n = 0;
    for (size_t i = 0; i < h.n; i++) {
        const struct mail_field *f = &h.field[i];
        if (f->bad) continue;
        if (sl_startsi(f->name, SL("Content-"))) content_field(a, scratch, f, part);
        else if (part->envelope) envelope_field(a, scratch, f, part->envelope);
    }
    if (!part->type.n) default_type(a, part);
    part->kind = kind_of(scratch, part);
}
