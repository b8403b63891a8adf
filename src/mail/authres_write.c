/* authres_write.c - the Authentication-Results field, written (RFC 8601 section 2.2). Pure. */
#include "authres.h"
#include "base/log.h"
#include "base/text.h"
#include "fold.h"

struct authres_info *authres_add(struct arena *a, struct authres *r, struct slice method, struct slice result)
{
    enum { FIRST = 8 };
    if (r->n >= AUTHRES_INFO_MAX) return NULL;
    bool full = r->n == 0 || (r->n >= FIRST && (r->n & (r->n - 1)) == 0);
    if (full) {
        struct authres_info *v = ar_array(a, struct authres_info, r->n ? 2 * r->n : FIRST);
        if (r->n) memcpy(v, r->info, r->n * sizeof *v);
        r->info = v;
    }
    struct authres_info *i = &r->info[r->n++];
    *i = (struct authres_info){.method = method, .result = result};
    return i;
}

void authres_prop(struct arena *a, struct authres_info *i, const char *ptype, const char *property,
                  struct slice value)
{
    ASSERT(*ptype && *property);
    if (!i || !value.n || i->nprop >= AUTHRES_PROPS_MAX) return;
    if (!i->prop) i->prop = ar_array(a, struct authres_prop, AUTHRES_PROPS_MAX);
    i->prop[i->nprop++] = (struct authres_prop){sl_cstr(ptype), sl_cstr(property), value};
}

static bool domain_char(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_domain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!domain_char(s.p[i])) return false;
    return s.n > 0 && utf8_valid(s);
}

/* pvalue: mailboxes as [local-part]@domain, everything else as a value. */
static struct slice pvalue(struct arena *a, struct slice v)
{
    size_t at = sl_rchr(v, '@');
    if (at == SL_NONE || v.n > FOLD_VALUE_MAX || !is_domain(sl_from(v, at + 1))) return fold_value(a, v);
    struct slice local = sl_sub(v, 0, at);
    if (local.n) local = fold_dot_atom(a, local);
    return ar_cat(a, local, sl_from(v, at));
}

/* All but the first result begin a line of their own. */
static void put_info(struct arena *a, struct fold *f, const struct authres_info *i, bool last)
{
    struct slice what = ar_printf(a, "%.*s=%.*s", SLF(i->method), SLF(i->result));
    if (i->version) what = ar_printf(a, "%.*s/%u=%.*s", SLF(i->method), i->version, SLF(i->result));
    const char *end = last ? "" : ";";
    size_t left = i->nprop + (i->reason.n > 0);
    buf_str(f->out, "\r\n\t");
    f->column = 1;
    if (!left && !i->comment.n) what = ar_cat(a, what, sl_cstr(end));
    fold_word(f, what);
    if (i->comment.n) fold_comment(a, f, i->comment);
    if (i->reason.n) {
        left--;
        fold_word(f, ar_printf(a, "reason=%.*s%s", SLF(fold_quoted(a, i->reason)), left ? "" : end));
    }
    for (size_t k = 0; k < i->nprop; k++) {
        const struct authres_prop *p = &i->prop[k];
        left--;
        fold_word(f, ar_printf(a, "%.*s.%.*s=%.*s%s", SLF(p->ptype), SLF(p->property),
                               SLF(pvalue(a, p->value)), left ? "" : end));
    }
    if (i->comment.n && !i->nprop && !i->reason.n) fold_begin(f, sl_cstr(end));
}

/* "authserv-id; method=result ...;" without field name and final CRLF, folded below 78 columns
 * with CRLF TAB where it can be. `column`: how many bytes stand before it on its first line. */
static void authres_payload(struct buf *out, const struct authres *r, size_t column)
{
    struct arena a;
    struct fold f = {.out = out, .column = column};
    ar_init(&a, 0);
    struct slice id = fold_value(&a, r->authserv_id.n ? r->authserv_id : SL("unknown"));
    if (r->version) id = ar_printf(&a, "%.*s %u", SLF(id), r->version);
    fold_begin(&f, ar_cat(&a, id, SL(";")));
    if (!r->n) fold_word(&f, SL("none"));
    for (size_t i = 0; i < r->n; i++) put_info(&a, &f, &r->info[i], i + 1 == r->n);
    ar_free(&a);
}

struct slice authres_field(struct arena *a, const struct authres *r)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "Authentication-Results: ");
    authres_payload(&b, r, b.n);
    buf_str(&b, "\r\n");
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
