/* texts.c - the texts of a send read as templates. */
#include "texts.h"

#include <stdio.h>

#include "template.h"

struct text {
    const struct template *compiled; /* NULL: `source` as it is, or by substitutions */
    struct slice source;
    int error; /* of compiling; then */
    const char *sentence;
};
struct texts {
    const struct send *send;
    struct text subject, *field, *part;
};

static struct template_how how_of(const struct send *s, bool html)
{
    struct template_how how = {.lenient = s->options & SEND_TEMPLATE_ERRORS_DELIVER};
    switch (s->language) {
    case SEND_HANDLEBARS:
        how.language = TEMPLATE_HANDLEBARS;
        how.escape = html;
        break;
    case SEND_SES:
        how.language = TEMPLATE_HANDLEBARS;
        how.strict = true;
        break;
    case SEND_MAILJET:
        how.language = TEMPLATE_MAILJET;
        how.strict = true;
        break;
    default: break;
    }
    return how;
}

static struct text compile(struct arena *a, const struct send *s, struct slice source, bool html)
{
    struct text t = {.source = source};
    struct template_how how = how_of(s, html);
    if (how.language == TEMPLATE_NONE || !source.n) return t;
    t.error = template_compile(a, how, source, &t.compiled);
    if (t.error) t.compiled = NULL;
    if (t.error && how.lenient) t.error = 0;
    if (t.error) t.sentence = ar_cstr(a, sl_cstr(err_text(t.error)));
    return t;
}

void texts_compile(struct arena *a, const struct send *s, struct texts **out)
{
    struct texts *t = *out = ar_new(a, struct texts);
    t->send = s;
    t->subject = compile(a, s, s->subject, false);
    t->field = ar_array(a, struct text, s->fields.n);
    t->part = ar_array(a, struct text, s->nparts);
    for (size_t i = 0; i < s->fields.n; i++) t->field[i] = compile(a, s, s->fields.v[i].value, false);
    for (size_t i = 0; i < s->nparts; i++)
        t->part[i] = compile(a, s, s->part[i].text, sl_eqi(s->part[i].type, SL("text/html")));
}

/* ---- filling ---- */

/* The send's data with the letter's over it; a new reference, or NULL. */
static json_t *data_of(const struct send *s, const struct send_letter *l)
{
    json_t *all = s->data.n ? json_loadb(s->data.p, s->data.n, 0, NULL) : NULL;
    json_t *own = l->data.n ? json_loadb(l->data.p, l->data.n, 0, NULL) : json_object();
    if (!s->data.n && json_is_object(own)) return own;
    bool ok = json_is_object(all) && json_is_object(own) && json_object_update(all, own) == 0;
    json_decref(own);
    if (ok) return all;
    json_decref(all);
    return NULL;
}

struct filling {
    struct arena *a;
    const struct send *send;
    json_t *data;
    uint64_t made; /* bytes of all texts */
};

static int fill(struct filling *f, const struct text *t, const char *what, struct slice *out)
{
    struct buf b = BUF_INIT;
    int e = t->error ? err_set(t->error, "%s", t->sentence) : 0;
    *out = t->source;
    if (!e && t->compiled) e = template_render(t->compiled, f->data, &b);
    else if (!e && f->send->language == SEND_SUBSTITUTIONS) e = template_replace(t->source, f->data, &b);
    else if (!e) return 0;
    f->made += b.n;
    if (!e && f->made > SEND_COMMON_MAX)
        e = err_set(ERR_LIMIT, "the texts together become longer than %d bytes", SEND_COMMON_MAX);
    if (e) e = err_prefix(e, "%s", what);
    else *out = ar_dup(f->a, buf_slice(&b));
    buf_free(&b);
    return e;
}

static int fill_fields(struct filling *f, const struct send_fields *in, const struct text *t,
                       struct send_fields *out)
{
    char what[120];
    int e = 0;
    out->v = ar_array(f->a, struct send_field, in->n);
    for (size_t i = 0; i < in->n && !e; i++) {
        struct text own = t ? t[i] : compile(f->a, f->send, in->v[i].value, false);
        out->v[i].name = in->v[i].name;
        snprintf(what, sizeof what, "the header %.*s", SLF(in->v[i].name));
        e = fill(f, &own, what, &out->v[i].value);
    }
    out->n = in->n;
    return e;
}

static int fill_parts(struct filling *f, const struct texts *t, struct send_part **out)
{
    const struct send *s = f->send;
    char what[120];
    int e = 0;
    *out = ar_array(f->a, struct send_part, s->nparts);
    for (size_t i = 0; i < s->nparts && !e; i++) {
        (*out)[i].type = s->part[i].type;
        snprintf(what, sizeof what, "the part %.*s", SLF(s->part[i].type));
        e = fill(f, &t->part[i], what, &(*out)[i].text);
    }
    return e;
}

int texts_fill(struct arena *a, const struct texts *t, const struct send_letter *l, struct texts_filled *out)
{
    const struct send *s = t->send;
    struct filling f = {.a = a, .send = s, .data = data_of(s, l)};
    if (!f.data) return err_set(ERR_SYNTAX, "the data for the template is no JSON object");
    struct text subject = l->subject.n ? compile(a, s, l->subject, false) : t->subject;
    int e = fill(&f, &subject, "the subject", &out->subject);
    if (!e) e = fill_fields(&f, &l->fields, NULL, &out->own);
    if (!e) e = fill_fields(&f, &s->fields, t->field, &out->common);
    if (!e) e = fill_parts(&f, t, &out->part);
    json_decref(f.data);
    return e;
}
