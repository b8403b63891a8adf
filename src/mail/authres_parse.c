/* authres_parse.c - the Authentication-Results field, read (RFC 8601 section 2.2). Pure.
 *
 * Strict about structure, lenient about the characters of property values, which the
 * world writes unquoted more often than the grammar allows. */
#include "authres.h"
#include "base/text.h"

struct reader {
    struct arena *a;
    struct slice s; /* what is left */
    bool bad;
};

static char peek(const struct reader *r) { return r->s.n ? r->s.p[0] : 0; }
static void skip(struct reader *r, size_t n) { r->s = sl_from(r->s, n); }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Over one comment, nested ones included. */
static void skip_comment(struct reader *r)
{
    int depth = 0;
    for (size_t i = 0; i < r->s.n; i++) {
        char c = r->s.p[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            if (++depth > AUTHRES_COMMENT_DEPTH) break;
        } else if (c == ')' && --depth == 0) {
            skip(r, i + 1);
            return;
        }
    }
    r->bad = true;
    skip(r, r->s.n);
}

static void skip_cfws(struct reader *r)
{
    while (r->s.n)
        if (is_blank(peek(r))) skip(r, 1);
        else if (peek(r) == '(') skip_comment(r);
        else return;
}

static bool take(struct reader *r, char c)
{
    skip_cfws(r);
    if (!r->s.n || peek(r) != c) return false;
    skip(r, 1);
    return true;
}

static struct slice quoted_string(struct reader *r)
{
    struct buf b = BUF_INIT;
    struct slice out = {0};
    bool ended = false;
    size_t i = 1;
    for (; i < r->s.n && !ended; i++) {
        char c = r->s.p[i];
        if (c == '"') ended = true;
        else if (c == '\\' && i + 1 < r->s.n) buf_char(&b, r->s.p[++i]);
        else if (c != '\r' && c != '\n') buf_char(&b, c);
    }
    if (!ended) r->bad = true;
    skip(r, i);
    out = ar_dup(r->a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static bool token_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}
static bool keyword_char(char c) { return is_alnum(c) || c == '-' || c == '_'; }
static bool pvalue_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != ';' && c != '(' && c != '"';
}

static struct slice run(struct reader *r, bool (*ok)(char c))
{
    size_t n = 0;
    while (n < r->s.n && ok(r->s.p[n])) n++;
    struct slice s = sl_sub(r->s, 0, n);
    skip(r, n);
    return s;
}

/* value = token / quoted-string; empty and bad when there is none. */
static struct slice value(struct reader *r)
{
    skip_cfws(r);
    if (peek(r) == '"') return quoted_string(r);
    struct slice s = run(r, token_char);
    if (!s.n) r->bad = true;
    return s;
}

static struct slice keyword(struct reader *r)
{
    skip_cfws(r);
    struct slice s = run(r, keyword_char);
    if (!s.n) r->bad = true;
    return s;
}

static unsigned number(struct reader *r)
{
    uint64_t v = 0;
    skip_cfws(r);
    size_t n = 0;
    while (n < r->s.n && is_digit(r->s.p[n])) n++;
    if (!num_u64(sl_sub(r->s, 0, n), 1000000, &v)) r->bad = true;
    skip(r, n);
    return (unsigned)v;
}

/* pvalue = value / [ [ local-part ] "@" ] domain-name */
static struct slice pvalue(struct reader *r)
{
    skip_cfws(r);
    struct slice s;
    if (peek(r) == '"') {
        s = quoted_string(r);
        if (peek(r) == '@') s = ar_cat(r->a, s, run(r, pvalue_char));
        return s;
    }
    s = run(r, pvalue_char);
    if (!s.n) r->bad = true;
    return s;
}

static void property(struct reader *r, struct authres_info *i, struct slice ptype)
{
    if (!take(r, '.')) {
        r->bad = true;
        return;
    }
    struct slice name = keyword(r);
    if (!take(r, '=')) r->bad = true;
    struct slice v = pvalue(r);
    if (r->bad || i->nprop >= AUTHRES_PROPS_MAX) return;
    if (!i->prop) i->prop = ar_array(r->a, struct authres_prop, AUTHRES_PROPS_MAX);
    i->prop[i->nprop++] = (struct authres_prop){ptype, name, v};
}

/* What follows the ";": a result, "none", or nothing. */
static int resinfo(struct reader *r, struct authres *out)
{
    skip_cfws(r);
    if (!r->s.n || peek(r) == ';') return 0;
    struct slice method = keyword(r);
    unsigned version = take(r, '/') ? number(r) : 0;
    if (!take(r, '=')) {
        if (sl_eqi(method, SL("none")) && !version && !out->n) return 0;
        r->bad = true;
        return 0;
    }
    struct authres_info *i = authres_add(r->a, out, method, keyword(r));
    if (!i) return err_set(ERR_LIMIT, "more than %d results in one field", AUTHRES_INFO_MAX);
    i->version = version;
    while (!r->bad) {
        skip_cfws(r);
        if (!r->s.n || peek(r) == ';') break;
        struct slice word = keyword(r);
        if (sl_eqi(word, SL("reason")) && take(r, '=')) i->reason = value(r);
        else property(r, i, word);
    }
    return 0;
}

int authres_parse(struct arena *a, struct slice payload, struct authres *out)
{
    struct reader r = {.a = a, .s = payload};
    *out = (struct authres){0};
    out->authserv_id = value(&r);
    skip_cfws(&r);
    if (is_digit(peek(&r))) out->version = number(&r);
    if (r.bad) return err_set(ERR_SYNTAX, "the field does not begin with a name");
    if (out->version > 1)
        return err_set(ERR_UNSUPPORTED, "version %u of the field is not known", out->version);
    while (!r.bad && take(&r, ';')) {
        int e = resinfo(&r, out);
        if (e) return e;
    }
    skip_cfws(&r);
    if (r.bad || r.s.n) return err_set(ERR_SYNTAX, "the results cannot be read");
    return 0;
}

struct slice authres_id(struct arena *a, struct slice payload)
{
    struct reader r = {.a = a, .s = payload};
    struct slice id = value(&r);
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.p[i] > ' ' && id.p[i] != 0x7f) buf_char(&b, id.p[i]);
    while (b.n && b.p[b.n - 1] == '.') b.n--;
    id = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return id;
}

static bool claims(struct arena *a, struct slice body, const struct slice *ours, size_t n)
{
    struct authres parsed;
    int e = authres_parse(a, body, &parsed);
    if (e == ERR_UNSUPPORTED) return true;
    struct slice id = authres_id(a, body);
    for (size_t i = 0; i < n; i++) {
        if (!ours[i].n) continue;
        if (sl_eqi(id, ours[i])) return true;
        if (e && sl_findi(body, ours[i]) != SL_NONE) return true;
    }
    return false;
}

/* Only the verdict leaves: a letter may hold many such fields, each of which takes a hundred times its size.
 */
bool authres_is_forged(struct slice name, struct slice body, const struct slice *ours, size_t n)
{
    struct arena scratch;
    if (!sl_eqi(sl_trim(name), SL("Authentication-Results"))) return false;
    ar_init(&scratch, 0);
    bool yes = claims(&scratch, body, ours, n);
    ar_free(&scratch);
    return yes;
}
