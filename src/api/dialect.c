/* dialect.c - what the vendors' dialects share. */
#include "dialect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "core/core.h"
#include "crypto/crypto.h"
#include "send/compose.h"
#include "send/stored.h"

void dialect_begin(struct dialect *d,
                   void (*fault)(struct dialect *d, const char *path, int e, const char *sentence), void *arg)
{
    *d = (struct dialect){.arg = arg, .fault = fault};
    ar_init(&d->a, 0);
}

void dialect_end(struct dialect *d) { ar_free(&d->a); }

void dialect_fault(struct dialect *d, const char *path, int e, const char *fmt, ...)
{
    char sentence[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    if (d->faults++ < DIALECT_FAULTS_MAX) d->fault(d, path, e, sentence);
}

bool dialect_ok(struct dialect *d, const char *path, int e)
{
    if (e < 0) dialect_fault(d, path, e, "%s", err_text(e));
    return e >= 0;
}

/* ---- places ---- */

const char *dialect_at(struct dialect *d, const char *path, const char *key)
{
    return ar_printf(&d->a, "%s%s%s", path, *path ? "." : "", key).p;
}

const char *dialect_at_index(struct dialect *d, const char *path, const char *key, size_t i)
{
    return ar_printf(&d->a, d->brackets ? "%s%s%s[%zu]" : "%s%s%s.%zu", path, *path ? "." : "", key, i).p;
}

/* ---- members ---- */

static json_t *member(struct dialect *d, const json_t *o, const char *key, const char *path, json_type type,
                      const char *kind)
{
    json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v) || json_typeof(v) == type) return json_is_null(v) ? NULL : v;
    dialect_fault(d, dialect_at(d, path, key), ERR_SYNTAX, "The %s parameter should be %s.", key, kind);
    return NULL;
}

struct slice dialect_string(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    return dialect_slice(member(d, o, key, path, JSON_STRING, "a string"));
}

json_t *dialect_object(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    return member(d, o, key, path, JSON_OBJECT, "an object");
}

json_t *dialect_array(struct dialect *d, const json_t *o, const char *key, const char *path, size_t max)
{
    json_t *v = member(d, o, key, path, JSON_ARRAY, "an array");
    if (json_array_size(v) <= max) return v;
    dialect_fault(d, dialect_at(d, path, key), ERR_LIMIT,
                  "The %s array must not have more than %zu elements.", key, max);
    return NULL;
}

int64_t dialect_integer(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    return json_integer_value(member(d, o, key, path, JSON_INTEGER, "an integer"));
}

bool dialect_bool(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_boolean(v))
        dialect_fault(d, dialect_at(d, path, key), ERR_SYNTAX, "The %s parameter should be a boolean.", key);
    return json_is_true(v);
}

/* ---- what is made of members ---- */

enum { MADE_LEAST = 4 << 10 }; /* what is smaller costs less than to remember it */

struct dialect_made {
    struct dialect_made *next;
    const void *of; /* a value, or the text of a string: it stays where it is as long as the call is read */
    struct slice is;
};

static const struct dialect_made *made(const struct dialect *d, const void *of)
{
    const struct dialect_made *m = d->made;
    while (m && m->of != of) m = m->next;
    return m;
}

static struct slice make_known(struct dialect *d, const void *of, struct slice is)
{
    if (is.n < MADE_LEAST) return is;
    struct dialect_made *m = ar_new(&d->a, struct dialect_made);
    *m = (struct dialect_made){d->made, of, is};
    d->made = m;
    return is;
}

struct slice dialect_dump(struct dialect *d, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    struct slice s = text ? ar_dup(&d->a, sl_cstr(text)) : SL("");
    wiped_free(text);
    return s;
}

struct slice dialect_dump_once(struct dialect *d, const json_t *v)
{
    const struct dialect_made *m = v ? made(d, v) : NULL;
    return m ? m->is : make_known(d, v, dialect_dump(d, v));
}

/* Without blanks and line ends, or the text itself when it has none. */
static struct slice without_blanks(struct arena *a, struct slice s)
{
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < s.n && !any; i++) any = s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == ' ';
    if (!any) return s;
    char *to = ar_alloc(a, s.n);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && s.p[i] != '\r' && s.p[i] != ' ') to[n++] = s.p[i];
    return sl(to, n);
}

struct slice dialect_bytes(struct dialect *d, struct slice base64, const char *path)
{
    struct slice bytes = SL("");
    const struct dialect_made *m = made(d, base64.p);
    if (m) return m->is;
    int e = b64_decode_ar(&d->a, without_blanks(&d->a, base64), true, &bytes);
    if (e < 0) dialect_fault(d, path, e, "The attachment content must be base64 encoded.");
    return e < 0 ? bytes : make_known(d, base64.p, bytes);
}

void dialect_fields(struct dialect *d, const json_t *o, const char *path, struct send_fields *out)
{
    out->v = ar_array(&d->a, struct send_field, json_object_size(o));
    for (void *i = json_object_iter((json_t *)o); i; i = json_object_iter_next((json_t *)o, i)) {
        struct send_field f = {.name = sl(json_object_iter_key(i), json_object_iter_key_len(i)),
                               .value = dialect_slice(json_object_iter_value(i))};
        struct slice shown = printable(&d->a, f.name, 80);
        const char *at = dialect_at(d, path, ar_cstr(&d->a, shown));
        if (!json_is_string(json_object_iter_value(i)))
            dialect_fault(d, at, ERR_SYNTAX, "The value of a header must be a string.");
        else if (dialect_ok(d, at, compose_check_header(f.name, f.value))) out->v[out->n++] = f;
    }
}

bool dialect_address(struct dialect *d, struct slice email, struct slice name, const char *email_path,
                     const char *name_path)
{
    if (email.n > DIALECT_NAME_MAX || compose_check_address(&d->a, email, "the address") < 0) {
        dialect_fault(d, email_path, ERR_SYNTAX, "Does not contain a valid address.");
        return false;
    }
    return dialect_ok(d, name_path, compose_check_text(name, COMPOSE_NAME_MAX, "the name"));
}

int dialect_template(struct http_call *c, const char *kinds, struct slice id, struct arena *a,
                     struct stored_template *out)
{
    struct slice rest = sl_cstr(kinds), kind;
    int e = stored_template_get(api_of(c)->core->sends, sl_cstr(c->key.account->id), id, a, out);
    if (e) return e;
    while (sl_next(&rest, ' ', &kind))
        if (sl_eq(kind, out->kind)) return 0;
    return ERR_NOT_FOUND;
}

/* ---- taking ---- */

static struct slice digest(struct dialect *d, struct slice body)
{
    uint8_t hash[HASH_MAX];
    hash_once(HASH_SHA256, body, hash);
    return ar_dup(&d->a, sl((const char *)hash, sizeof hash));
}

static int write_one(struct http_call *c, struct dialect *d, struct dialect_send *s, struct send_writer **w,
                     size_t *letter)
{
    int e = send_begin(api_of(c)->core->sends, &s->send, &d->a, w, &s->taken);
    *letter = SL_NONE;
    for (size_t i = 0; !e && *w && i < s->nletters; i++) {
        e = send_add(*w, &s->letter[i]);
        if (e) *letter = i;
    }
    return e;
}

/* Of a key that is as long as it may be, a digest stands for both. */
static struct slice part_of(struct dialect *d, struct slice key, struct slice part)
{
    struct slice both = ar_printf(&d->a, "%.*s %.*s", SLF(key), SLF(part));
    struct buf hex = BUF_INIT;
    if (both.n <= SEND_WORD_MAX || key.n > SEND_WORD_MAX) return both;
    struct slice sum = digest(d, both);
    hex_encode(&hex, sl_sub(sum, 0, 32));
    both = ar_dup(&d->a, buf_slice(&hex));
    buf_free(&hex);
    return both;
}

/* What all sends of the call share. */
static void fill(struct http_call *c, struct dialect *d, struct dialect_send *s, size_t n)
{
    struct slice key = http_request_value(c->request, SL("Idempotency-Key")), hash = digest(d, c->body);
    if (!key.n) key = d->idempotency;
    size_t own = 0;
    for (size_t i = 0; i < n; i++) own += !s[i].part.n;
    for (size_t i = 0; i < n; i++) {
        s[i].send.account = c->key.account;
        s[i].send.key = sl_cstr(c->key.id);
        s[i].send.digest = hash;
        if (!key.n) continue;
        struct slice part = s[i].part.n ? s[i].part : own > 1 ? ar_printf(&d->a, "%zu", i) : SL("");
        s[i].send.idempotency = part.n ? part_of(d, key, part) : key;
    }
}

int dialect_take(struct http_call *c, struct dialect *d, struct dialect_send *s, size_t n, size_t *at,
                 size_t *letter)
{
    struct send_writer **w = ar_array(&d->a, struct send_writer *, n);
    int e = 0;
    size_t i = 0;
    fill(c, d, s, n);
    for (; i < n && !e; i++) e = write_one(c, d, &s[i], &w[i], letter);
    *at = i ? i - 1 : 0;
    for (i = 0; i < n && !e; i++) {
        if (w[i]) e = send_commit(&w[i], &d->a, &s[i].taken);
        if (e) *at = i, *letter = SL_NONE;
    }
    char sentence[ERR_TEXT_MAX];
    snprintf(sentence, sizeof sentence, "%s", err_text(e));
    for (i = 0; i < n; i++) send_abandon(&w[i]);
    return e ? err_set(e, "%s", sentence) : 0;
}
