/* filter_content.c - a letter before one filter after the other, and what they change in it. */
#include <stdlib.h>

#include "intake_i.h"
#include "mail/addr.h"
#include "milter/filter.h"
#include "outgoing/signing.h"
#include "queue/accept.h"
#include "store/store.h"

struct filtering {
    struct intake_letter *l;
    struct buf told; /* what they did */
    bool *gone;      /* beside l->said */
    struct intake_to *added;
    size_t nadded, added_room;
    bool changed, rerouted; /* what is signed; who gets it */
    /* of the present filter: */
    struct mail_head head;    /* as it was shown */
    struct body_writer *body; /* what it puts in the body's place */
    struct mail_lines lines;
    bool eight_bit;
};

static int64_t read_body(void *arg, uint64_t at, void *p, size_t n)
{
    const struct filtering *x = arg;
    return body_read_back(x->l->body, at, p, n);
}

static int write_body(struct filtering *x, struct slice run)
{
    x->eight_bit |= !is_ascii(run);
    if (body_written(x->body) + run.n > intake_size_max(x->l->in))
        return err_set(ERR_TOO_LONG, "it wants a body that is larger than a letter may be");
    return body_write(x->body, run);
}

/* Line ends are made right, as of all that comes from programs. */
static int replace_body(void *arg, struct slice bytes)
{
    struct filtering *x = arg;
    struct slice run;
    int e = x->body ? 0 : body_begin(x->l->in->store->body, accept_body_class(x->l->any_local), &x->body);
    while (!e && !x->l->binary && mail_lines_next(&x->lines, &bytes, &run)) e = write_body(x, run);
    return e || !bytes.n ? e : write_body(x, bytes);
}

static struct filter_content content_of(struct filtering *x)
{
    struct filter_field *v = ar_array(&x->l->a, struct filter_field, x->head.n);
    size_t n = 0;
    for (size_t i = 0; i < x->head.n; i++)
        if (!x->head.field[i].bad)
            v[n++] = (struct filter_field){x->head.field[i].name, x->head.field[i].body};
    return (struct filter_content){.field = v,
                                   .nfield = n,
                                   .size = body_written(x->l->body),
                                   .rcpt = x->l->said,
                                   .nrcpt = x->l->nsaid,
                                   .read = read_body,
                                   .replace = replace_body,
                                   .arg = x};
}

/* ---- its changes ---- */

/* The header section while it is changed: whole fields with their line ends. */
struct fields {
    struct arena *a;
    struct slice *v, *name;
    size_t n;
};

static void fields_open(struct filtering *x, struct fields *f, size_t more)
{
    f->a = &x->l->a;
    f->v = ar_array(f->a, struct slice, x->head.n + more);
    f->name = ar_array(f->a, struct slice, x->head.n + more);
    for (f->n = 0; f->n < x->head.n; f->n++) {
        f->v[f->n] = x->head.field[f->n].raw;
        f->name[f->n] = x->head.field[f->n].name;
    }
}

static void fields_put(struct fields *f, size_t at, const struct filter_change *c)
{
    if (at > f->n) at = f->n;
    memmove(f->v + at + 1, f->v + at, (f->n - at) * sizeof *f->v);
    memmove(f->name + at + 1, f->name + at, (f->n - at) * sizeof *f->name);
    f->v[at] = ar_printf(f->a, "%.*s:%.*s\r\n", SLF(c->name), SLF(c->value));
    f->name[at] = c->name;
    f->n++;
}

static void fields_drop(struct fields *f, size_t at)
{
    f->n--;
    memmove(f->v + at, f->v + at + 1, (f->n - at) * sizeof *f->v);
    memmove(f->name + at, f->name + at + 1, (f->n - at) * sizeof *f->name);
}

/* The field of that name that is meant (the first is 1, and so is 0), or f->n. */
static size_t fields_find(const struct fields *f, const struct filter_change *c)
{
    uint32_t left = c->index ? c->index : 1;
    for (size_t i = 0; i < f->n; i++)
        if (sl_eqi(f->name[i], c->name) && !--left) return i;
    return f->n;
}

/* smfi_chgheader(): one that is not there is added, without a value one goes. */
static void change_field(struct fields *f, const struct filter_change *c)
{
    size_t at = c->kind == MILTER_SAYS_INSERT_HEADER   ? c->index
                : c->kind == MILTER_SAYS_CHANGE_HEADER ? fields_find(f, c)
                                                       : f->n;
    if (c->kind == MILTER_SAYS_CHANGE_HEADER && at < f->n) fields_drop(f, at);
    if (c->value.n || c->kind != MILTER_SAYS_CHANGE_HEADER) fields_put(f, at, c);
}

static int split_address(struct intake_letter *l, struct slice text, struct intake_to *to)
{
    int e = mail_addr_split(&l->a, text, &to->local, &to->domain);
    return e ? e : intake_ascii_domain(&l->a, to->domain, &to->domain);
}

static void add_recipient(struct filtering *x, const struct intake_to *to)
{
    if (!x->added) x->added = ar_zalloc_n(&x->l->a, x->added_room = 4, sizeof *to);
    else if (x->nadded == x->added_room) x->added = ar_grow(&x->l->a, x->added, &x->added_room, sizeof *to);
    x->added[x->nadded++] = *to;
}

static void delete_recipient(struct filtering *x, struct slice address)
{
    struct intake_letter *l = x->l;
    if (!x->gone) x->gone = ar_array(&l->a, bool, l->nsaid);
    for (size_t i = 0; i < l->nsaid; i++)
        if (sl_eqi(l->said[i], address)) x->gone[i] = true;
    for (size_t i = x->nadded; i-- > 0;)
        if (sl_eqi(mail_addr_join(&l->a, x->added[i].local, x->added[i].domain), address))
            x->added[i] = x->added[--x->nadded];
}

static void change_envelope(struct filtering *x, const struct filter_change *c)
{
    struct intake_letter *l = x->l;
    struct intake_to to = {0};
    bool null_path = c->kind == MILTER_SAYS_FROM && !c->text.n;
    if (!null_path && split_address(l, c->text, &to)) {
        buf_printf(&x->told, ", wanted an address that is none: %.*s", SLF(printable(&l->a, c->text, 100)));
        return;
    }
    struct slice address = null_path ? SL("") : mail_addr_join(&l->a, to.local, to.domain);
    if (c->kind == MILTER_SAYS_FROM) {
        buf_printf(&x->told, ", made the sender <%.*s>", SLF(address));
        l->sender = address;
        return;
    }
    bool less = c->kind == MILTER_SAYS_DELETE_RCPT;
    buf_printf(&x->told, ", %s the recipient <%.*s>", less ? "took away" : "added", SLF(address));
    x->rerouted = true;
    if (less) delete_recipient(x, address);
    else add_recipient(x, &to);
}

static void hold(struct filtering *x, const char *name, struct slice why)
{
    x->l->hold_all = true;
    x->l->hold = ar_printf(&x->l->a, "%s: %.*s", name, SLF(printable(&x->l->a, why, 500)));
    buf_printf(&x->told, ", wants it held: %.*s", SLF(printable(&x->l->a, why, 500)));
}

static bool of_header(const struct filter_change *c)
{
    return c->kind == MILTER_SAYS_ADD_HEADER || c->kind == MILTER_SAYS_INSERT_HEADER ||
           c->kind == MILTER_SAYS_CHANGE_HEADER;
}

/* The new header section in place of the one that is kept. ERR_LIMIT: nothing is changed. */
static int change_head(struct filtering *x, const struct filter_changes *c)
{
    struct intake_letter *l = x->l;
    struct fields f;
    struct buf b = BUF_INIT;
    unsigned n = 0;
    fields_open(x, &f, c->n);
    for (size_t i = 0; i < c->n; i++)
        if (of_header(&c->v[i])) change_field(&f, &c->v[i]), n++;
    for (size_t i = 0; i < f.n; i++) buf_put(&b, f.v[i]);
    bool fits = f.n <= MAIL_FIELDS_MAX && b.n <= MAIL_HEAD_MAX;
    if (n && fits) {
        l->message_id = ar_dup(&l->a, l->message_id); /* they may lie in what is written over */
        l->subject = ar_dup(&l->a, l->subject);
        buf_clear(&l->edited);
        buf_put(&l->edited, buf_slice(&b));
        buf_printf(&x->told, ", changed %u header field%s", n, n == 1 ? "" : "s");
        x->changed = true;
    }
    buf_free(&b);
    return fits ? 0 : err_set(ERR_LIMIT, "it wants a header section that is too long");
}

static void change_body(struct filtering *x)
{
    struct intake_letter *l = x->l;
    body_abandon(&l->body);
    l->body = x->body;
    x->body = NULL;
    l->eight_bit = x->eight_bit;
    l->sealing = false; /* what was hashed on the way in is there no more */
    x->changed = true;
    buf_str(&x->told, ", put another body in its place");
}

/* The end of a body that is text has a line end; one that is empty is a body as well. */
static int end_body(struct filtering *x, const struct filter_changes *c)
{
    if (!c->body || x->l->binary) return 0;
    return body_write(x->body, mail_lines_end(&x->lines));
}

/* What the filter wants, or nothing of it. */
static int apply(struct filtering *x, size_t i, const struct filter_changes *c)
{
    const char *name = filter_name(x->l->filters, i);
    size_t before = x->told.n;
    int e = end_body(x, c);
    if (!e && c->said.n) buf_printf(&x->told, ", said %.*s", SLF(c->said));
    if (!e) e = change_head(x, c);
    if (e) {
        x->told.n = before;
        return e;
    }
    for (size_t k = 0; k < c->n; k++)
        if (c->v[k].kind == MILTER_SAYS_QUARANTINE) hold(x, name, c->v[k].text);
        else if (!of_header(&c->v[k])) change_envelope(x, &c->v[k]);
    if (x->body) change_body(x);
    x->l->eight_bit |= !is_ascii(buf_slice(&x->l->edited));
    if (x->told.n == before) return 0;
    struct slice did = ar_dup(&x->l->a, sl_from(buf_slice(&x->told), before + 1));
    x->told.n = before;
    buf_printf(&x->told, "%s%s%.*s", before ? "; " : "", name, SLF(did));
    return 0;
}

static void ask(struct filtering *x, size_t i)
{
    struct intake_letter *l = x->l;
    struct filter_changes changes;
    bool failed;
    x->lines = (struct mail_lines){0};
    x->eight_bit = false;
    int e = mail_head_parse(&l->a, buf_slice(&l->edited), &x->head);
    if (e) {
        intake_fail(l, e, "The letter cannot be filtered");
        return;
    }
    struct filter_content content = content_of(x);
    struct filter_answer r = filter_content(l->filters, i, &content, &l->a, &changes, &failed);
    if (!r.code && !r.discard && !failed && (e = apply(x, i, &changes)) != 0)
        r = filter_failed(l->filters, i, e), failed = true;
    body_abandon(&x->body);
    if (failed && !r.code)
        buf_printf(&x->told, "%s%s was passed by: it failed", x->told.n ? "; " : "",
                   filter_name(l->filters, i));
    if (r.discard)
        buf_printf(&x->told, "%s%s had it thrown away", x->told.n ? "; " : "", filter_name(l->filters, i));
    l->refusal = intake_filter_refusal(l, &r, &l->a);
}

/* ---- when all have been asked ---- */

static void reroute(struct filtering *x)
{
    struct intake_letter *l = x->l;
    int e = 0;
    map_free(&l->routes);
    map_init(&l->routes, false);
    l->nrcpt = l->nforward = l->rows = 0;
    l->any_local = false;
    for (size_t i = 0; !e && i < l->nsaid; i++)
        if (!x->gone || !x->gone[i]) e = intake_route(l, &l->to[i]);
    for (size_t i = 0; !e && i < x->nadded; i++) e = intake_route(l, &x->added[i]);
    if (e) intake_fail(l, e, "The directory cannot be read");
    else if (!l->nrcpt) l->discarded = true;
}

/* What is signed is what leaves. */
static void sign_again(struct filtering *x)
{
    struct intake_letter *l = x->l;
    if (!l->signing) return;
    l->signing = false;
    (void)!signing_end(l->pass, NULL); /* given up */
    intake_sign_begin(l);
    char *p = xmalloc(INTAKE_BUFFER);
    int64_t n = 0;
    for (uint64_t at = 0; l->signing && (n = body_read_back(l->body, at, p, INTAKE_BUFFER)) > 0;
         at += (uint64_t)n)
        signing_body(l->pass, sl(p, (size_t)n));
    free(p);
    if (n < 0) intake_fail(l, (int)n, "The letter cannot be signed");
}

static void finish(struct filtering *x)
{
    struct intake_letter *l = x->l;
    struct slice why = filter_hold(l->filters);
    bool complete = l->parsed.complete;
    if (why.n && !l->hold.n) l->hold = ar_dup(&l->a, why), l->hold_all = true;
    if (x->rerouted) reroute(x);
    if (!x->changed || l->refusal.code) return;
    int e = mail_head_parse(&l->a, buf_slice(&l->edited), &l->parsed);
    l->parsed.complete = complete;
    if (e) intake_fail(l, e, "The letter cannot be filtered");
    else sign_again(x);
}

void intake_filter_content(struct intake_letter *l)
{
    struct filtering x = {.l = l};
    for (size_t i = 0; i < filter_count(l->filters) && !l->refusal.code && !l->discarded; i++) ask(&x, i);
    if (!l->refusal.code && !l->discarded) finish(&x);
    l->filtered = ar_dup(&l->a, buf_slice(&x.told));
    buf_free(&x.told);
}
