/* convert.c - a letter as it leaves to a server that takes less than it holds: converted part by part
 * (mail/convert.h), and signed again by who had signed it here, for conversion breaks what was signed before.
 */
#include "mail/convert.h"

#include "mail/head.h"
#include "outgoing/signing.h"
#include "queue/letter_source.h"
#include "relay_i.h"

enum { PIECE = 32 * 1024 };

struct conversion {
    const struct letter_source *from;
    struct mail_convert *c;
    char *block;
    struct slice front; /* signatures and header section, as they leave */
    uint64_t front_for; /* bytes of what the converter makes that front stands for */
    struct letter_source source;
    /* reading: */
    struct buf made; /* made and not yet given, from `given` on */
    size_t given;
    uint64_t in, skip; /* bytes read of `from`; still to be left out of what is made */
    bool ended;
};

/* ---- what is made, run by run ---- */

/* Up to `end`; nothing when that was reached. */
static int next_piece(struct conversion *v, uint64_t end, struct slice *piece)
{
    *piece = SL("");
    if (v->in == end) return 0;
    int64_t n =
        letter_source_read(v->from, v->in, v->block, end - v->in < PIECE ? (size_t)(end - v->in) : PIECE);
    if (n < 0) return (int)n;
    v->in += (uint64_t)n;
    *piece = sl(v->block, (size_t)n);
    fiber_breathe();
    return 0;
}

static void restart(struct conversion *v, uint64_t skip)
{
    mail_convert_start(v->c);
    buf_clear(&v->made);
    v->given = 0;
    v->in = 0;
    v->skip = skip;
    v->ended = false;
}

/* The next run of what is made, in v->made from v->given on; none at the end. */
static int make_run(struct conversion *v)
{
    while (v->given == v->made.n && !v->ended) {
        struct slice piece;
        int e = next_piece(v, v->from->size, &piece);
        if (e) return e;
        buf_clear(&v->made);
        v->ended = piece.n == 0;
        if (v->ended) mail_convert_finish(v->c, &v->made);
        else mail_convert_next(v->c, piece, &v->made);
        v->given = v->skip < v->made.n ? (size_t)v->skip : v->made.n;
        v->skip -= v->given;
    }
    return 0;
}

/* ---- its structure, what its parts hold ---- */

static int walk(struct conversion *v, void (*feed)(struct mail_convert *c, struct slice bytes))
{
    struct slice piece;
    v->in = 0;
    for (;;) {
        int e = next_piece(v, v->from->size, &piece);
        if (e || !piece.n) return e;
        feed(v->c, piece);
    }
}

/* ---- the header section, signed again ---- */

static bool is_signature_of(struct arena *a, const struct mail_field *f, struct slice domain)
{
    struct slice rest = mail_unfold(a, f->body), tag;
    if (!sl_eqi(f->name, SL("DKIM-Signature"))) return false;
    while (sl_next(&rest, ';', &tag)) {
        size_t eq = sl_chr(tag, '=');
        if (eq != SL_NONE && sl_eq(sl_trim(sl_sub(tag, 0, eq)), SL("d")))
            return sl_eqi(sl_trim(sl_from(tag, eq + 1)), domain);
    }
    return false;
}

/* The header section that was made, without the signatures of the domain that signs anew. */
static int unsigned_head(struct arena *a, struct slice made, struct slice domain, struct buf *out,
                         bool *complete)
{
    struct mail_head h;
    int e = mail_head_parse(a, made, &h);
    *complete = !e && h.complete;
    if (e) return e;
    for (size_t i = 0; i < h.n; i++)
        if (!is_signature_of(a, &h.field[i], domain)) buf_put(out, h.field[i].raw);
    return 0;
}

/* Counts the rest and signs it on the way. */
static int sign_rest(struct conversion *v, struct signing_pass *pass, uint64_t *size)
{
    int e;
    while ((e = make_run(v)) == 0 && v->given < v->made.n) {
        struct slice run = sl_from(buf_slice(&v->made), v->given);
        signing_body(pass, run);
        *size += run.n;
        v->given = v->made.n;
    }
    return e;
}

static int begin_front(const struct relay_conf *conf, struct attempt_letter *at, struct slice made,
                       struct buf *head, bool *complete, struct signing_pass **pass)
{
    struct slice domain = at->letter->signed_for;
    int e = unsigned_head(at->a, made, domain, head, complete);
    return e ? e : signing_begin(conf->signing, at->a, domain, buf_slice(head), pass);
}

/* Makes all of it once: the header section is kept, the rest counted, and both signed. */
static int make_front(const struct relay_conf *conf, struct attempt_letter *at, struct conversion *v)
{
    struct arena *a = at->a;
    struct buf head = BUF_INIT;
    struct slice piece, made, fields = {0};
    struct signing_pass *pass = NULL;
    bool complete = false, sign = conf->signing && at->letter->signed_for.n;
    uint64_t rest = 0;
    restart(v, 0);
    int e;
    while ((e = next_piece(v, v->from->head, &piece)) == 0 && piece.n)
        mail_convert_next(v->c, piece, &v->made);
    if (e) return e;
    made = ar_dup(a, buf_slice(&v->made));
    v->given = v->made.n;
    v->front_for = made.n;
    e = sign ? begin_front(conf, at, made, &head, &complete, &pass) : 0;
    if (!e) e = sign_rest(v, pass, &rest);
    if (e) (void)!signing_end(pass, NULL);
    else e = signing_end(pass, &fields);
    if (!sign) v->front = made;
    else v->front = ar_printf(a, "%.*s%.*s%s", SLF(fields), SLF(buf_slice(&head)), complete ? "\r\n" : "");
    v->source.size = v->front.n + rest;
    v->source.head = (uint32_t)v->front.n;
    buf_free(&head);
    return e;
}

/* ---- the source ---- */

static int64_t read_converted(void *ctx, uint64_t at, void *p, size_t n)
{
    struct conversion *v = ctx;
    if (at == 0) restart(v, v->front_for);
    if (at < v->front.n) {
        struct slice s = sl_sub(v->front, (size_t)at, (size_t)at + n);
        memcpy(p, s.p, s.n);
        return (int64_t)s.n;
    }
    int e = make_run(v);
    if (e) return e;
    struct slice s = sl_sub(buf_slice(&v->made), v->given, v->given + n);
    if (!s.n) return err_set(ERR_CORRUPT, "the letter became shorter while it was converted");
    memcpy(p, s.p, s.n);
    v->given += s.n;
    return (int64_t)s.n;
}

static int convert(const struct relay_conf *conf, struct attempt_letter *at, struct conversion *v)
{
    int e = walk(v, mail_convert_look);
    if (!e) e = walk(v, mail_convert_weigh);
    if (!e) e = mail_convert_decide(v->c);
    return e ? e : make_front(conf, at, v);
}

int convert_letter(const struct relay_conf *conf, struct attempt_letter *at, enum mail_convert_to to,
                   struct conversion **out)
{
    struct arena *a = at->a;
    struct conversion *v = *out = ar_new(a, struct conversion);
    *v = (struct conversion){.from = at->source, .c = mail_convert_begin(a, to), .block = ar_alloc(a, PIECE)};
    v->source = (struct letter_source){.eight_bit = to == MAIL_CONVERT_TO_8BIT && at->source->eight_bit,
                                       .smtputf8 = at->source->smtputf8,
                                       .read = read_converted,
                                       .ctx = v};
    int e = convert(conf, at, v);
    if (e) convert_end(out);
    return e;
}

const struct letter_source *convert_source(const struct conversion *v) { return &v->source; }

void convert_end(struct conversion **v)
{
    if (!*v) return;
    mail_convert_free((*v)->c);
    buf_free(&(*v)->made);
    *v = NULL;
}
