/* dkim_record.c - tag=value lists and key records (RFC 6376 section 3.2, 3.6.1; RFC 8463 section 4.2). */
#include "dkim_record.h"

#include "base/text.h"

static bool is_wsp(char c) { return c == ' ' || c == '\t'; }

/* Length of the fold or blank at the front of s: WSP, or a line end that a WSP follows
 * (a bare LF counts as a line end, as mail/head.h takes it). 0 = there is none. */
static size_t blank_at(struct slice s)
{
    if (!s.n) return 0;
    if (is_wsp(s.p[0])) return 1;
    size_t eol = s.p[0] == '\n' ? 1 : s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 0;
    return eol && s.n > eol && is_wsp(s.p[eol]) ? eol + 1 : 0;
}

static struct slice skip_blanks(struct slice s)
{
    size_t n;
    while ((n = blank_at(s))) s = sl_from(s, n);
    return s;
}

/* *ALNUMPUNC after the first ALPHA. */
static size_t name_length(struct slice s)
{
    size_t n = 0;
    if (!s.n || !is_alpha(s.p[0])) return 0;
    while (n < s.n && (is_alnum(s.p[n]) || s.p[n] == '_')) n++;
    return n;
}

/* tag-value: VALCHAR and UTF-8, blanks between. */
static bool value_ok(struct slice v)
{
    while (v.n) {
        size_t blank = blank_at(v);
        uint32_t cp;
        if (blank) v = sl_from(v, blank);
        else if (!utf8_next(&v, &cp) || cp <= 32 || cp == 127) return false;
    }
    return true;
}

static int read_tag(struct slice spec, struct tag *t)
{
    struct slice s = skip_blanks(spec);
    size_t n = name_length(s);
    if (!n) return err_set(ERR_SYNTAX, "a tag name is missing or begins with a wrong character");
    t->name = sl_sub(s, 0, n);
    s = skip_blanks(sl_from(s, n));
    if (!s.n || s.p[0] != '=')
        return err_set(ERR_SYNTAX, "there is no \"=\" after the tag name %.*s", SLF(t->name));
    t->span = sl_from(s, 1);
    if (!value_ok(t->span))
        return err_set(ERR_SYNTAX, "the value of %.*s= holds a character that is not allowed", SLF(t->name));
    t->value = sl_trim(t->span);
    return 0;
}

static bool seen(const struct tag_list *l, struct slice name)
{
    for (size_t i = 0; i < l->n; i++)
        if (sl_eq(l->v[i].name, name)) return true;
    return false;
}

int tag_list_parse(struct arena *a, struct slice s, struct tag_list *out)
{
    size_t cap = 16;
    *out = (struct tag_list){.v = ar_array(a, struct tag, cap)};
    struct slice spec;
    while (sl_next(&s, ';', &spec)) {
        /* The list may end in ";": blanks behind it are no tag-spec. */
        if (!s.p && out->n && !sl_trim(spec).n) break;
        struct tag t;
        int e = read_tag(spec, &t);
        if (e) return e;
        if (seen(out, t.name)) return err_set(ERR_SYNTAX, "the tag %.*s= occurs twice", SLF(t.name));
        if (out->n == TAGS_MAX) return err_set(ERR_LIMIT, "there are more than %d tags", TAGS_MAX);
        if (out->n == cap) out->v = ar_grow(a, out->v, &cap, sizeof *out->v);
        out->v[out->n++] = t;
    }
    return out->n ? 0 : err_set(ERR_SYNTAX, "there is no tag");
}

const struct tag *tag_find(const struct tag_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (sl_eq(l->v[i].name, sl_cstr(name))) return &l->v[i];
    return NULL;
}

struct slice tag_value(const struct tag_list *l, const char *name)
{
    const struct tag *t = tag_find(l, name);
    return t ? t->value : (struct slice){NULL, 0};
}

bool tag_item(struct slice *rest, char sep, struct slice *item)
{
    if (!sl_next(rest, sep, item)) return false;
    *item = sl_trim(*item);
    return true;
}

/* ---- key records ---- */

static bool lists(struct slice value, const char *a, const char *b)
{
    struct slice item;
    while (tag_item(&value, ':', &item))
        if (sl_eq(item, sl_cstr(a)) || sl_eq(item, sl_cstr(b))) return true;
    return false;
}

static void read_kind(struct slice k, struct dkim_record *r)
{
    r->k = k.p ? k : SL("rsa");
    r->known_kind = true;
    if (sl_eq(r->k, SL("rsa"))) r->kind = KEY_RSA;
    else if (sl_eq(r->k, SL("ed25519"))) r->kind = KEY_ED25519;
    else r->known_kind = false;
}

int dkim_record_parse(struct arena *a, struct slice txt, struct dkim_record *out)
{
    *out = (struct dkim_record){0};
    if (txt.n > DKIM_RECORD_MAX)
        return err_set(ERR_SYNTAX, "the key record is longer than %d bytes", DKIM_RECORD_MAX);
    struct tag_list l;
    int e = tag_list_parse(a, txt, &l);
    if (e) return e == ERR_LIMIT ? err_set(ERR_SYNTAX, "the key record has too many tags") : e;
    const struct tag *v = tag_find(&l, "v");
    if (v && v != l.v) return err_set(ERR_SYNTAX, "v= is not the first tag of the key record");
    if (v && !sl_eq(v->value, SL("DKIM1")))
        return err_set(ERR_SYNTAX, "the key record is not of version DKIM1");
    const struct tag *p = tag_find(&l, "p");
    if (!p) return err_set(ERR_SYNTAX, "the key record has no p=");
    if (b64_decode_ar(a, p->value, false, &out->public))
        return err_set(ERR_SYNTAX, "p= of the key record is no base64");
    struct slice h = tag_value(&l, "h"), s = tag_value(&l, "s"), t = tag_value(&l, "t");
    read_kind(tag_value(&l, "k"), out);
    out->sha256_ok = !h.p || lists(h, "sha256", "sha256");
    out->email_ok = !s.p || lists(s, "email", "*");
    out->testing = t.p && lists(t, "y", "y");
    out->strict = t.p && lists(t, "s", "s");
    out->notes = tag_value(&l, "n");
    return 0;
}

/* ---- what to publish ---- */

struct slice dkim_record_text(struct arena *a, struct sign_key *k, const char *flags)
{
    struct buf public = BUF_INIT;
    sign_key_public(k, &public);
    struct slice p = b64_encode_ar(a, buf_slice(&public));
    buf_free(&public);
    const char *kind = sign_key_kind(k) == KEY_RSA ? "h=sha256; k=rsa" : "k=ed25519";
    if (!*flags) return ar_printf(a, "v=DKIM1; %s; p=%.*s", kind, SLF(p));
    return ar_printf(a, "v=DKIM1; %s; t=%s; p=%.*s", kind, flags, SLF(p));
}

struct slice dkim_txt_quote(struct arena *a, struct slice text)
{
    struct buf b = BUF_INIT;
    do {
        struct slice part = sl_sub(text, 0, 255);
        text = sl_from(text, part.n);
        buf_char(&b, '"');
        for (size_t i = 0; i < part.n; i++) {
            unsigned char c = (unsigned char)part.p[i];
            if (c < 32 || c > 126) buf_printf(&b, "\\%03u", c); /* RFC 1035 section 5.1 */
            else if (c == '"' || c == '\\') buf_printf(&b, "\\%c", c);
            else buf_char(&b, (char)c);
        }
        buf_str(&b, text.n ? "\" " : "\"");
    } while (text.n);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

struct slice dkim_key_name(struct arena *a, struct slice selector, struct slice domain)
{
    return ar_printf(a, "%.*s._domainkey.%.*s", SLF(selector), SLF(domain));
}

struct slice dkim_record_line(struct arena *a, struct slice selector, struct slice domain, struct sign_key *k)
{
    struct slice name = dkim_key_name(a, selector, domain);
    struct slice data = dkim_txt_quote(a, dkim_record_text(a, k, ""));
    return ar_printf(a, "%.*s. IN TXT %.*s", SLF(name), SLF(data));
}
