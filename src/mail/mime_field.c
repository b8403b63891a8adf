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

/* What stands before the next ';', without comments and blanks. */
static struct slice take_value(struct arena *a, struct slice *s)
{
    char *to = ar_alloc(a, s->n);
    size_t n = 0;
    for (skip_cfws(s); s->n && s->p[0] != ';'; skip_cfws(s)) {
        to[n++] = s->p[0];
        *s = sl_from(*s, 1);
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

/* One parameter as it is written, with the marks of RFC 2231 section 7 taken apart. */
struct raw_param {
    struct slice name, value;
    uint64_t section;  /* "*3"; 0 when there is none */
    bool continued;    /* a section was given */
    bool extended;     /* a final '*': percent-encoded, the first piece names the charset */
    bool used;
};

static void cut_marks(struct raw_param *r)
{
    if (r->name.n && r->name.p[r->name.n - 1] == '*') {
        r->extended = true;
        r->name.n--;
    }
    size_t star = sl_rchr(r->name, '*');
    if (star == SL_NONE || !num_u64(sl_from(r->name, star + 1), 99999, &r->section)) return;
    r->continued = true;
    r->name.n = star;
}

static size_t take_params(struct arena *a, struct slice s, struct raw_param *raw)
{
    size_t n = 0;
    while (s.n && n < MIME_PARAMS_MAX) {
        while (s.n && (s.p[0] == ';' || is_blank(s.p[0]) || s.p[0] == '(')) {
            if (s.p[0] == ';') s = sl_from(s, 1);
            skip_cfws(&s);
        }
        size_t i = 0;
        while (i < s.n && s.p[i] != '=' && s.p[i] != ';' && !is_blank(s.p[i])) i++;
        struct raw_param r = {.name = sl_sub(s, 0, i)};
        s = sl_from(s, i);
        skip_cfws(&s);
        if (!s.n || s.p[0] != '=' || !r.name.n) {
            to_semicolon(&s);
            continue;
        }
        s = sl_from(s, 1);
        skip_cfws(&s);
        r.value = s.n && s.p[0] == '"' ? take_quoted(a, &s) : take_token(&s);
        to_semicolon(&s);
        r.name = ar_lower(a, r.name);
        cut_marks(&r);
        if (r.name.n) raw[n++] = r;
    }
    return n;
}

static void percent_decode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint64_t v;
        if (s.p[i] == '%' && i + 3 <= s.n && num_hex64(sl_sub(s, i + 1, i + 3), &v)) {
            buf_char(out, (char)v);
            i += 2;
        } else {
            buf_char(out, s.p[i]);
        }
    }
}

/* The raw parameter of this name with the least section above `after` (-1 at first). */
static struct raw_param *next_section(struct raw_param *raw, size_t n, struct slice name, int64_t after)
{
    struct raw_param *best = NULL;
    for (size_t i = 0; i < n; i++) {
        struct raw_param *r = &raw[i];
        if (!sl_eq(r->name, name) || !(r->continued || r->extended) || (int64_t)r->section <= after) continue;
        if (!best || r->section < best->section) best = r;
    }
    return best;
}

/* Joins the continuations of a name and converts them to UTF-8 (RFC 2231 sections 3, 4). */
static struct slice join(struct arena *a, struct raw_param *raw, size_t n, struct slice name)
{
    struct buf b = BUF_INIT;
    struct slice charset = SL("");
    bool first = true, extended = false;
    int64_t after = -1;
    for (struct raw_param *r; (r = next_section(raw, n, name, after)); first = false) {
        struct slice v = r->value;
        after = (int64_t)r->section;
        if (first && r->extended) {
            struct slice rest = v, lang;
            size_t quote = sl_chr(v, '\'');
            if (quote != SL_NONE && sl_next(&rest, '\'', &charset) && sl_next(&rest, '\'', &lang)) v = rest;
        }
        extended |= r->extended;
        if (r->extended) percent_decode(&b, v);
        else buf_put(&b, v);
    }
    struct slice joined = buf_slice(&b);
    struct slice out = extended ? charset_to_utf8(a, charset, joined) : ar_dup(a, joined);
    if (out.p == b.p) out = ar_dup(a, out);
    buf_free(&b);
    return out;
}

void mime_value_parse(struct arena *a, struct slice body, struct mime_value *out)
{
    *out = (struct mime_value){0};
    out->value = take_value(a, &body);
    if (!body.n) return;
    struct raw_param *raw = ar_array(a, struct raw_param, MIME_PARAMS_MAX);
    size_t n = take_params(a, body, raw);
    if (!n) return;
    out->param = ar_array(a, struct mime_param, n);
    for (size_t i = 0; i < n; i++) {
        if (raw[i].used) continue;
        struct mime_param *to = &out->param[out->n++];
        bool marked = false;
        for (size_t k = i; k < n; k++)
            if (sl_eq(raw[k].name, raw[i].name)) {
                raw[k].used = true;
                marked |= raw[k].continued || raw[k].extended;
            }
        /* An extended value says more than the plain one beside it (RFC 2231 section 5). */
        *to = (struct mime_param){raw[i].name, marked ? join(a, raw, n, raw[i].name) : raw[i].value};
    }
}

struct slice mime_param_get(const struct mime_param *v, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eqi(v[i].name, name)) return v[i].value;
    return (struct slice){0};
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
    struct mime_value v;
    mime_value_parse(scratch, body, &v);
    if (!v.value.n) return;
    part->encoding_name = ar_dup(a, v.value);
    part->encoding = MIME_OTHER;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(names[i], v.value)) part->encoding = (enum mime_encoding)i;
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
    struct slice rest = take_value(scratch, &body), tag;
    size_t cap = 0;
    while (sl_next(&rest, ',', &tag)) {
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

static enum mime_kind kind_of(const struct mime_part *part)
{
    if (sl_eqi(part->type, SL("multipart"))) {
        struct slice b = mime_param_get(part->param, part->nparam, SL("boundary"));
        return b.n && b.n <= MIME_BOUNDARY_MAX ? MIME_MULTIPART : MIME_LEAF;
    }
    /* An encoded message (RFC 2046 section 5.2.1 forbids it) cannot be cut by offsets. */
    if (sl_eqi(part->type, SL("message")) && part->encoding <= MIME_BINARY &&
        (sl_eqi(part->subtype, SL("rfc822")) || sl_eqi(part->subtype, SL("global"))))
        return MIME_MESSAGE;
    return MIME_LEAF;
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
    part->kind = kind_of(part);
}
