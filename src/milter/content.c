/* content.c - a letter's content as one filter is shown it, and what the filter wants changed in it. */
#include <stdlib.h>

#include "filter_i.h"
#include "wire/rspamd.h"

/* One letter before one filter. */
struct showing {
    struct filter_talk *t;
    struct filter_link *k;
    const struct filter_content *c;
    struct arena *a;
    struct filter_answer answer;
    struct filter_changes *out;
    bool ended; /* it was shown all of it, and has answered */
};

/* Is there nothing more to be shown? */
static bool is_over(const struct showing *x)
{
    return x->answer.code || x->answer.discard || x->k->state != LINK_LETTER;
}

/* ---- showing it ---- */

static int show_command(struct showing *x, enum milter_command c, enum milter_stage stage, uint32_t unwanted,
                        uint32_t mute)
{
    if (is_over(x) || x->k->options.protocol & unwanted) return 0;
    buf_clear(&x->t->out);
    talk_put_macros(x->t, x->k, stage, c);
    milter_put(&x->t->out, c, NULL, 0);
    return talk_step(x->t, x->k, x->k->options.protocol & mute, x->a, &x->answer, NULL);
}

static int show_fields(struct showing *x)
{
    uint32_t p = x->k->options.protocol;
    int e = 0;
    for (size_t i = 0; !e && i < x->c->nfield && !is_over(x) && !(p & MILTER_NO_HEADERS); i++) {
        const struct filter_field *f = &x->c->field[i];
        buf_clear(&x->t->out);
        milter_put_header(&x->t->out, f->name, f->value, p & MILTER_LEADING_SPACE);
        e = talk_step(x->t, x->k, p & MILTER_MUTE_HEADER, x->a, &x->answer, NULL);
    }
    return e;
}

static int show_chunk(struct showing *x, struct slice bytes, bool *skip)
{
    buf_clear(&x->t->out);
    milter_put_body(&x->t->out, bytes);
    return talk_step(x->t, x->k, x->k->options.protocol & MILTER_MUTE_BODY, x->a, &x->answer, skip);
}

static int show_body(struct showing *x)
{
    bool skip = false;
    if (is_over(x) || x->k->options.protocol & MILTER_NO_BODY) return 0;
    char *p = xmalloc(MILTER_CHUNK);
    int e = 0;
    for (uint64_t at = 0; !e && !skip && !is_over(x);) {
        int64_t n = x->c->read(x->c->arg, at, p, MILTER_CHUNK);
        if (n <= 0) {
            e = (int)n;
            break;
        }
        e = show_chunk(x, sl(p, (size_t)n), &skip);
        at += (uint64_t)n;
    }
    free(p);
    return e;
}

/* ---- what it wants changed ---- */

static int keep_change(struct showing *x, const struct milter_reply *r)
{
    struct filter_changes *o = x->out;
    o->bytes += r->name.n + r->value.n + r->text.n;
    if (o->n >= FILTER_CHANGES_MAX || o->bytes > FILTER_CHANGES_BYTES)
        return err_set(ERR_LIMIT, "it wants more than %d changes, or more than %d bytes of them",
                       FILTER_CHANGES_MAX, FILTER_CHANGES_BYTES);
    if (!o->room) o->v = ar_zalloc_n(x->a, o->room = 8, sizeof *o->v);
    else if (o->n == o->room) o->v = ar_grow(x->a, o->v, &o->room, sizeof *o->v);
    struct filter_change *c = &o->v[o->n++];
    *c = (struct filter_change){
        .kind = r->kind, .index = r->index, .name = ar_dup(x->a, r->name), .text = ar_dup(x->a, r->text)};
    if (r->value.n)
        c->value = milter_header_value(x->a, r->value, x->k->options.protocol & MILTER_LEADING_SPACE);
    return 0;
}

static int take_change(struct showing *x, const struct milter_reply *r)
{
    if (!(x->k->options.actions & milter_action_of(r->kind)))
        return err_set(ERR_DENIED, "it wants what it did not say that it would: \"%c\"", r->kind);
    if (r->kind != MILTER_SAYS_BODY) return keep_change(x, r);
    x->out->body = true;
    return x->c->replace(x->c->arg, r->text);
}

/* Changes, as many as there are, then an answer. */
static int show_end(struct showing *x)
{
    struct milter_reply r;
    if (is_over(x)) return 0;
    buf_clear(&x->t->out);
    talk_put_macros(x->t, x->k, MILTER_AT_END, MILTER_END);
    milter_put(&x->t->out, MILTER_END, NULL, 0);
    int e = link_send(x->k, &x->t->out);
    while (!e && (e = link_read(x->k, x->a, &r)) == 0 && milter_action_of(r.kind)) e = take_change(x, &r);
    if (!e) e = talk_answer(x->k, &r, &x->answer, NULL);
    x->ended = !e;
    return e;
}

static int take_rspamd_change(void *x, const struct milter_reply *r) { return keep_change(x, r); }

static int show_rspamd(struct showing *x)
{
    struct rspamd_answer r;
    if (is_over(x)) return 0;
    int e = rspamd_ask(x->t, x->k, x->c, x->a, &r);
    if (!e) x->out->said = r.said;
    if (!e) e = talk_answer(x->k, &r.verdict, &x->answer, NULL);
    return e || is_over(x) ? e : rspamd_changes(x->c, &r, x->a, take_rspamd_change, x);
}

static int show(struct showing *x)
{
    if (x->k->f->http) return show_rspamd(x);
    int e = show_command(x, MILTER_DATA, MILTER_AT_DATA, MILTER_NO_DATA, MILTER_MUTE_DATA);
    if (!e) e = show_fields(x);
    if (!e) e = show_command(x, MILTER_EOH, MILTER_AT_EOH, MILTER_NO_EOH, MILTER_MUTE_EOH);
    if (!e) e = show_body(x);
    return e ? e : show_end(x);
}

struct filter_answer filter_content(struct filter_talk *t, size_t i, const struct filter_content *c,
                                    struct arena *a, struct filter_changes *out, bool *failed)
{
    struct showing x = {.t = t, .k = &t->link[i], .c = c, .a = a, .out = out};
    *out = (struct filter_changes){0};
    *failed = x.k->state == LINK_FAILED; /* at an earlier step of it */
    if (*failed) return talk_without(t, x.k);
    if (x.k->state != LINK_LETTER) return x.answer;
    int64_t before = deadline_narrow(DEADLINE_IN(FILTER_LETTER));
    int e = show(&x);
    deadline_restore(before);
    if (e) {
        *failed = true;
        return talk_failed(t, x.k, e);
    }
    if (x.ended) x.k->state = LINK_CONTENT;
    x.answer.text = ar_dup(a, x.answer.text);
    return x.answer;
}

struct filter_answer filter_failed(struct filter_talk *t, size_t i, int e)
{
    return talk_failed(t, &t->link[i], e);
}
