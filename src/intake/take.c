/* take.c - letters of our own, made by floors below: the same road, under an id that names their cause. */
#include "intake_i.h"
#include "mail/addr.h"
#include "queue/letter_source.h"

/* What will never be taken is told apart from what may be another time. */
static int refused(const struct intake_refusal *r)
{
    return err_set(r->code >= 500 ? ERR_DENIED : r->error, "%.*s", SLF(r->text));
}

static int give_to(struct intake_letter *l, const struct letter_own *own, struct arena *a)
{
    struct intake_to to = {.notify = NOTIFY_NEVER};
    int e = mail_addr_split(a, own->to, &to.local, &to.domain);
    if (e) return err_set(ERR_DENIED, "%s", err_text(e));
    struct intake_refusal r = intake_rcpt(l, &to, a);
    return r.code ? refused(&r) : 0;
}

/* One that will never be taken, or that leads to too many, is told of and keeps nobody else from it. */
static int give_to_one(struct intake_letter *l, const struct letter_many *m, struct slice address,
                       struct arena *a)
{
    struct intake_to to = {.notify = NOTIFY_FAILURE};
    struct intake_refusal r = {550, "5.1.3", ERR_SYNTAX, SL("this is no address")};
    if (mail_addr_split(a, address, &to.local, &to.domain) == 0) r = intake_rcpt(l, &to, a);
    if (r.code && r.code < 500 && r.error != ERR_LIMIT) return refused(&r);
    if (r.code) m->refused(m->ctx, address, r.text);
    return 0;
}

static int give_to_many(struct intake_letter *l, const struct letter_many *m)
{
    struct arena a = {0};
    int e = 0;
    for (size_t i = 0; !e && i < m->n; i++) {
        ar_reset(&a);
        e = give_to_one(l, m, m->to[i], &a);
        fiber_breathe();
    }
    ar_free(&a);
    return e || l->nrcpt ? e : err_set(ERR_DENIED, "nobody is left to whom it could go");
}

static int give_rest(struct intake_letter *l, const struct letter_source *src)
{
    char piece[16384];
    for (uint64_t at = 0; at < src->size;) {
        int64_t got = letter_source_read(src, at, piece, sizeof piece);
        if (got <= 0) return got ? (int)got : ERR_CORRUPT;
        intake_bytes(l, sl(piece, (size_t)got));
        at += (uint64_t)got;
    }
    return 0;
}

static int give(struct intake_letter *l, const struct letter_own *own, struct arena *a)
{
    int e = own->many ? give_to_many(l, own->many) : give_to(l, own, a);
    if (e) return e;
    intake_bytes(l, own->text);
    if (own->many) e = give_rest(l, own->many->rest);
    if (!e) e = intake_end(l);
    return l->refusal.code ? refused(&l->refusal) : e;
}

int intake_take(void *intake, const struct letter_own *own)
{
    struct arena a = {0};
    struct intake_letter *l = ar_new(&a, struct intake_letter);
    struct intake_from from = {.origin = INTAKE_OURS, .by = own->what};
    struct intake_sender sender = {.smtputf8 = own->smtputf8, .wants = own->wants};
    if (own->many) {
        from.to_many = true;
        from.sign_for = own->many->sign_for;
        sender.binary = own->many->binary;
    }
    int e = own->sender.n ? mail_addr_split(&a, own->sender, &sender.local, &sender.domain) : 0;
    if (e) e = err_set(ERR_DENIED, "%s", err_text(e));
    else if ((e = intake_begin(l, intake, &from, &sender, &a).error) == 0) {
        l->id = own->id;
        e = give(l, own, &a);
    }
    intake_free(l);
    ar_free(&a);
    return e;
}
