/* filter_envelope.c - what the operator's filters say of a sender and of recipients. */
#include "intake_i.h"
#include "milter/filter.h"

struct intake_refusal intake_filter_refusal(struct intake_letter *l, const struct filter_answer *r,
                                            struct arena *a)
{
    if (r->discard) l->discarded = true;
    if (!r->code) return (struct intake_refusal){0};
    return (struct intake_refusal){r->code, ar_cstr(a, sl_cstr(r->enhanced)),
                                   r->code < 500 ? ERR_BUSY : ERR_DENIED, r->text};
}

static void begin_talk(struct intake_letter *l)
{
    struct filter_client here = {.own = true};
    if (l->from.origin == INTAKE_OURS) return;
    l->filters = l->from.filters;
    if (l->from.origin != INTAKE_PROGRAM) return;
    l->filters = filter_talk_new(l->in->filters, &here);
    l->own_filters = l->filters != NULL;
}

struct intake_refusal intake_filter_sender(struct intake_letter *l, struct arena *a)
{
    begin_talk(l);
    if (!l->filters) return (struct intake_refusal){0};
    filter_fact(l->filters, FACT_LETTER_ID, sl_cstr(l->id.s));
    struct filter_answer r = filter_mail(l->filters, l->sender, a);
    return intake_filter_refusal(l, &r, a);
}

struct intake_refusal intake_filter_rcpt(struct intake_letter *l, struct slice address, struct arena *a)
{
    if (!l->filters || l->discarded) return (struct intake_refusal){0};
    struct filter_answer r = filter_rcpt(l->filters, address, a);
    return intake_filter_refusal(l, &r, a);
}

void intake_filter_end(struct intake_letter *l)
{
    if (!l->filters) return;
    filter_fact(l->filters, FACT_LETTER_ID, SL(""));
    filter_forget(l->filters);
    if (l->own_filters) filter_talk_free(&l->filters);
    l->filters = NULL;
}
