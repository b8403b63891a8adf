/* take.c - letters of our own, made by floors below: the same road, under an id that names their cause. */
#include "intake_i.h"
#include "mail/addr.h"

/* What will never be taken is told apart from what may be another time. */
static int refused(const struct intake_refusal *r)
{
    return err_set(r->code >= 500 ? ERR_DENIED : r->error, "%.*s", SLF(r->text));
}

static int give(struct intake_letter *l, const struct letter_own *own, const struct intake_to *to,
                struct arena *a)
{
    struct intake_refusal r = intake_rcpt(l, to, a);
    if (r.code) return refused(&r);
    intake_bytes(l, own->text);
    int e = intake_end(l);
    return l->refusal.code ? refused(&l->refusal) : e;
}

int intake_take(void *intake, const struct letter_own *own)
{
    struct arena a = {0};
    struct intake_letter *l = ar_new(&a, struct intake_letter);
    struct intake_from from = {.origin = INTAKE_OURS, .by = own->what};
    struct intake_sender sender = {.smtputf8 = own->smtputf8, .wants = own->wants};
    struct intake_to to = {.notify = NOTIFY_NEVER};
    int e = own->sender.n ? mail_addr_split(&a, own->sender, &sender.local, &sender.domain) : 0;
    if (!e) e = mail_addr_split(&a, own->to, &to.local, &to.domain);
    if (e) e = err_set(ERR_DENIED, "%s", err_text(e));
    else if ((e = intake_begin(l, intake, &from, &sender, &a).error) == 0) {
        l->id = own->id;
        e = give(l, own, &to, &a);
    }
    intake_free(l);
    ar_free(&a);
    return e;
}
