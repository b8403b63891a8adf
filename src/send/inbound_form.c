/* inbound_form.c - a letter as the fields of a form: those of SendGrid's inbound parse, in the order in which
 * it sends them, texts in UTF-8. Pure; runs on a thread, for a letter may be large. */
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "base/wiped.h"
#include "inbound_i.h"
#include "mail/authres.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/head.h"
#include "mail/mime.h"

enum { FILES_MAX = 1000 /* the form as it is raw has all */, PIECE = 64 << 10 };

struct form {
    const struct inbound_letter *in;
    struct arena a;
    struct buf *out;
    struct mail_head head;
    struct mime_tree *tree;
    struct authres results; /* n 0: we said nothing */
    size_t texts, htmls;    /* parts that text and html are made of */
    const struct mime_part *file[FILES_MAX];
    size_t nfiles;
};

/* ---- writing ---- */

/* RFC 7578 section 4.2; a name as HTML's forms have it. */
static void put_name(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) switch (s.p[i]) {
        case '"': buf_str(out, "%22"); break;
        case '\r': buf_str(out, "%0D"); break;
        case '\n': buf_str(out, "%0A"); break;
        default: buf_char(out, s.p[i]);
        }
}

static void part_begin(struct form *f, struct slice name)
{
    buf_printf(f->out, "--%.*s\r\nContent-Disposition: form-data; name=\"", SLF(f->in->boundary));
    put_name(f->out, name);
    buf_char(f->out, '"');
}

static void put_field(struct form *f, const char *name, struct slice value)
{
    part_begin(f, sl_cstr(name));
    buf_str(f->out, "\r\n\r\n");
    buf_put(f->out, value);
    buf_str(f->out, "\r\n");
}

static void put_json(struct form *f, const char *name, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    put_field(f, name, sl_cstr(text ? text : "{}"));
    wiped_free(text);
    json_decref(v);
}

static void set_text(json_t *o, const char *name, struct slice s)
{
    json_object_set_new(o, name, json_stringn_nocheck(s.p ? s.p : "", s.n));
}

/* ---- reading ---- */

static struct slice field_text(struct form *f, const char *name)
{
    return mail_words_decode(&f->a, mail_head_get(&f->a, &f->head, sl_cstr(name), NULL));
}

static struct slice file_name(struct form *f, const struct mime_part *p)
{
    struct slice name = {0};
    if (p->disposition)
        name = mime_param_get(&f->a, p->disposition->param, p->disposition->n, SL("filename"));
    if (!name.n) name = mime_param_get(&f->a, p->param, p->nparam, SL("name"));
    return mail_words_decode(&f->a, name);
}

static bool is_file(struct form *f, const struct mime_part *p)
{
    bool text =
        sl_eqi(p->type, SL("text")) && (sl_eqi(p->subtype, SL("plain")) || sl_eqi(p->subtype, SL("html")));
    if (p->disposition && sl_eqi(p->disposition->value, SL("attachment"))) return true;
    return !text || file_name(f, p).n;
}

static bool is_html(const struct mime_part *p) { return sl_eqi(p->subtype, SL("html")); }

/* Leaves in the order in which they stand; a message within is a file. */
static void read_parts(struct form *f, const struct mime_part *p)
{
    for (; p; p = p->next)
        if (p->kind == MIME_MULTIPART) read_parts(f, p->child);
        else if (p->kind == MIME_LEAF && !is_file(f, p)) ++*(is_html(p) ? &f->htmls : &f->texts);
        else if (f->nfiles < FILES_MAX) f->file[f->nfiles++] = p;
}

static void read_results(struct form *f)
{
    size_t at = 0;
    const struct mail_field *h;
    for (; (h = mail_head_find(&f->head, SL("Authentication-Results"), at));
         at = (size_t)(h - f->head.field) + 1) {
        if (authres_parse(&f->a, mail_unfold(&f->a, h->body), &f->results) == 0 &&
            sl_eqi(f->results.authserv_id, f->in->hostname))
            return;
        f->results = (struct authres){0};
    }
}

static struct slice property(const struct authres_info *i, const char *ptype, const char *name)
{
    for (size_t k = 0; k < i->nprop; k++)
        if (sl_eqi(i->prop[k].ptype, sl_cstr(ptype)) && sl_eqi(i->prop[k].property, sl_cstr(name)))
            return i->prop[k].value;
    return SL("");
}

/* ---- what was found of its sender ---- */

/* "{@one.test : pass, @two.test : fail}" */
static struct slice dkim_text(struct form *f)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < f->results.n; i++) {
        const struct authres_info *x = &f->results.info[i];
        struct slice domain = property(x, "header", "d");
        if (!sl_eqi(x->method, SL("dkim")) || !domain.n) continue;
        buf_printf(&b, "%s@%.*s : %.*s", b.n ? ", " : "{", SLF(domain), SLF(x->result));
    }
    if (b.n) buf_char(&b, '}');
    struct slice out = b.n ? ar_dup(&f->a, buf_slice(&b)) : SL("none");
    buf_free(&b);
    return out;
}

static void put_results(struct form *f)
{
    struct slice spf = SL("none"), ip = SL("");
    for (size_t i = f->results.n; i-- > 0;) { /* the first one, of the sender, counts */
        const struct authres_info *x = &f->results.info[i];
        if (sl_eqi(x->method, SL("spf"))) spf = x->result;
        if (sl_eqi(x->method, SL("iprev"))) ip = property(x, "policy", "iprev");
    }
    put_field(f, "dkim", dkim_text(f));
    put_field(f, "SPF", spf);
    put_field(f, "sender_ip", ip);
    if (!f->in->spam_check) return;
    put_field(f, "spam_score", f->in->junk ? SL("10.0") : SL("0.0"));
    put_field(f, "spam_report", f->in->junk ? SL("judged to be junk") : SL("not judged to be junk"));
}

static void put_envelope(struct form *f)
{
    json_t *v = json_object(), *to = json_array();
    json_array_append_new(to, json_stringn_nocheck(f->in->to.p, f->in->to.n));
    json_object_set_new(v, "to", to);
    set_text(v, "from", f->in->from);
    put_json(f, "envelope", v);
    for (const char *const *name = (const char *const[]){"to", "cc", "from", "subject", NULL}; *name;
         name++) {
        struct slice text = field_text(f, *name);
        if (text.n || strcmp(*name, "cc") != 0) put_field(f, *name, text);
    }
}

/* Decoded and in UTF-8, in pieces: it is nowhere else in memory. */
static void put_converted(struct form *f, const struct mime_part *p)
{
    struct mime_decoder d;
    struct charset c;
    struct buf piece = BUF_INIT;
    struct slice left = sl_sub(f->in->text, (size_t)p->body_at, (size_t)(p->body_at + p->body_size));
    (void)!charset_begin(&c, mime_param_get(&f->a, p->param, p->nparam, SL("charset")));
    mime_decode_begin(&d, p->encoding);
    for (size_t n; left.n; left = sl_from(left, n)) {
        n = left.n < PIECE ? left.n : PIECE;
        mime_decode(&d, sl_sub(left, 0, n), &piece);
        charset_feed(&c, buf_slice(&piece), f->out);
        buf_clear(&piece);
    }
    mime_decode_end(&d, &piece);
    charset_feed(&c, buf_slice(&piece), f->out);
    charset_end(&c, f->out);
    buf_free(&piece);
}

static void put_texts(struct form *f, const struct mime_part *p, bool html)
{
    for (; p; p = p->next)
        if (p->kind == MIME_MULTIPART) put_texts(f, p->child, html);
        else if (p->kind == MIME_LEAF && is_html(p) == html && !is_file(f, p)) put_converted(f, p);
}

static void put_text_field(struct form *f, const char *name, bool html)
{
    part_begin(f, sl_cstr(name));
    buf_str(f->out, "\r\n\r\n");
    put_texts(f, f->tree->root, html);
    buf_str(f->out, "\r\n");
}

/* All texts are told in UTF-8, whatever they were written in. */
static void put_charsets(struct form *f)
{
    json_t *v = json_object();
    for (const char *const *name = (const char *const[]){"to", "from", "cc", "subject", NULL}; *name; name++)
        if (mail_head_find(&f->head, sl_cstr(*name), 0)) set_text(v, *name, SL("UTF-8"));
    if (f->texts) set_text(v, "text", SL("UTF-8"));
    if (f->htmls) set_text(v, "html", SL("UTF-8"));
    put_json(f, "charsets", v);
}

/* ---- attachments ---- */

static struct slice content_id(const struct mime_part *p)
{
    struct slice id = sl_trim(p->id);
    return id.n > 2 && id.p[0] == '<' && id.p[id.n - 1] == '>' ? sl_sub(id, 1, id.n - 1) : id;
}

/* A type that is none could end the part's header. */
static struct slice type_of(struct form *f, const struct mime_part *p)
{
    struct slice type = ar_lower(&f->a, ar_printf(&f->a, "%.*s/%.*s", SLF(p->type), SLF(p->subtype)));
    for (size_t i = 0; i < type.n; i++)
        if (!is_alnum(type.p[i]) && !strchr("/.+-_", type.p[i])) return SL("application/octet-stream");
    return type;
}

static void put_info(struct form *f)
{
    json_t *info = json_object(), *ids = json_object();
    for (size_t i = 0; i < f->nfiles; i++) {
        const struct mime_part *p = f->file[i];
        char key[40];
        snprintf(key, sizeof key, "attachment%zu", i + 1);
        json_t *one = json_object();
        struct slice name = file_name(f, p), id = utf8_clean(&f->a, content_id(p));
        if (name.n) set_text(one, "filename", name), set_text(one, "name", name);
        set_text(one, "type", type_of(f, p));
        if (id.n) set_text(one, "content-id", id);
        if (id.n) json_object_setn_new_nocheck(ids, id.p, id.n, json_string(key));
        json_object_set_new(info, key, one);
    }
    put_field(f, "attachments", ar_printf(&f->a, "%zu", f->nfiles));
    if (f->nfiles) put_json(f, "attachment-info", json_incref(info));
    if (json_object_size(ids)) put_json(f, "content-ids", json_incref(ids));
    json_decref(info);
    json_decref(ids);
}

/* The body of a part, decoded. */
static void put_body(struct form *f, const struct mime_part *p)
{
    struct mime_decoder d;
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, sl_sub(f->in->text, (size_t)p->body_at, (size_t)(p->body_at + p->body_size)), f->out);
    mime_decode_end(&d, f->out);
}

static void put_file(struct form *f, size_t n)
{
    const struct mime_part *p = f->file[n];
    struct slice name = file_name(f, p), key = ar_printf(&f->a, "attachment%zu", n + 1);
    part_begin(f, key);
    buf_str(f->out, "; filename=\"");
    put_name(f->out, name.n ? name : key);
    buf_printf(f->out, "\"\r\nContent-Type: %.*s\r\n\r\n", SLF(type_of(f, p)));
    put_body(f, p);
    buf_str(f->out, "\r\n");
}

/* ---- the whole ---- */

static void put_parts(struct form *f)
{
    read_parts(f, f->tree->root);
    put_field(f, "headers", utf8_clean(&f->a, sl_sub(f->in->text, 0, f->head.size)));
    put_results(f);
    put_envelope(f);
    if (f->texts) put_text_field(f, "text", false);
    if (f->htmls) put_text_field(f, "html", true);
    put_charsets(f);
    put_info(f);
    for (size_t i = 0; i < f->nfiles; i++) put_file(f, i);
}

static void put_raw(struct form *f)
{
    put_results(f);
    put_envelope(f);
    put_charsets(f);
    put_field(f, "email", f->in->text);
}

void inbound_form(struct buf *out, const struct inbound_letter *in)
{
    struct form *f = xcalloc(1, sizeof *f);
    f->in = in;
    f->out = out;
    if (mail_head_parse(&f->a, in->text, &f->head) != 0) f->head = (struct mail_head){0};
    read_results(f);
    if (!in->raw) f->tree = mime_parse(&f->a, in->text);
    if (in->raw) put_raw(f);
    else put_parts(f);
    buf_printf(out, "--%.*s--\r\n", SLF(in->boundary));
    ar_free(&f->a);
    free(f);
}
