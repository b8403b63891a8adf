/* intake_i.h - what the files of intake share. */
#pragma once
#include "base/log.h"
#include "base/text.h"
#include "intake.h"
#include "trace/trace.h"

struct filter_answer;

/* ---- refuse.c ---- */
void intake_fail(struct intake_letter *l, int e, const char *what); /* refuses for an error of ours */
/* The domain in A-labels; literals stay. ERR_SYNTAX. */
MUST_CHECK int intake_ascii_domain(struct arena *a, struct slice domain, struct slice *out);
struct slice intake_authserv_id(const struct intake *in);
/* One more place in a growing array of the arena. */
void *intake_one_more(struct arena *a, void *v, size_t n, size_t *room, size_t size);
/* RFC 3865: a stranger's letter of classes (keywords with commas between) that are not wanted here. */
struct intake_refusal intake_solicits(const struct intake *in, const struct intake_from *from,
                                      struct slice classes, struct arena *a);
/* Runs rows of a table of steps until one refuses. */
typedef void intake_step(struct intake_letter *l);
void intake_run(struct intake_letter *l, intake_step *const *step, size_t n);

/* Comes it from elsewhere, and is not ours to write anew? */
static inline bool intake_is_foreign(const struct intake_letter *l)
{
    return l->from.origin == INTAKE_STRANGER || l->from.origin == INTAKE_TRUSTED;
}

/* Bytes that come now stand in a body that has no lines. */
static inline bool intake_body_is_binary(const struct intake_letter *l) { return l->binary && l->head_done; }

/* ---- envelope.c ---- */
static inline bool intake_is_bound(const struct intake_from *from) /* to own addresses */
{
    return from->origin == INTAKE_USER || from->login.n;
}

/* ---- limit.c: how much our people may send (allowance/). SUSPEND ---- */
struct intake_refusal intake_limit_begin(const struct intake *in, const struct intake_from *from,
                                         const struct intake_sender *s, struct arena *a);
/* One recipient more, whom it notes when he is new to the sender. */
struct intake_refusal intake_limit_rcpt(struct intake_letter *l, struct slice address, struct arena *a);
void intake_limit_take(struct intake_letter *l);   /* a step: counts the letter */
void intake_limit_return(struct intake_letter *l); /* it was not taken */
/* Once a day: the sender and postmaster hear that a limit is reached (what, in words). */
void intake_limit_tell(const struct intake *in, const struct intake_from *from, struct slice what);
/* Routes for a recipient that a filter adds, or that stays when it has taken others away: everywhere. Traced
 * when it cannot be. ERR_* of ours. SUSPENDS. */
MUST_CHECK int intake_route(struct intake_letter *l, const struct intake_to *to);

/* ---- full.c ---- */
/* Is there no room in any of the mailboxes that the address leads to? SUSPENDS. */
struct intake_refusal intake_full_rcpt(const struct intake_letter *l, struct slice address,
                                       const struct routes *routes, struct arena *a);
/* A mailbox is full: for now, or for good, as the operator wants it. */
struct intake_refusal intake_over_quota(const struct intake *in, struct slice text);

/* ---- list.c: distribution lists. SUSPEND ---- */
/* No list for letters of ours, or without a sender. */
struct intake_refusal intake_list_rcpt(const struct intake_letter *l, struct slice address,
                                       const struct routes *routes, struct arena *a);
void intake_list_judge(struct intake_letter *l);  /* a step: may it be distributed? */
void intake_list_take(struct intake_letter *l);   /* a step: counts it for its lists */
void intake_list_return(struct intake_letter *l); /* it was not taken */

/* ---- text.c ---- */
/* The letter's texts, decoded, in UTF-8: the start of each, at most INTAKE_TEXT_MAX bytes. From the header
 * section on as it is kept. SUSPENDS. */
struct slice intake_text(struct intake_letter *l);

/* ---- junk.c ---- */
void intake_judge_words(struct intake_letter *l); /* a step. SUSPENDS */

/* ---- repute.c. SUSPEND ---- */
struct intake_refusal intake_repute_rcpt(struct intake_letter *l, const struct intake_to *to,
                                         struct arena *a);
void intake_repute_urls(struct intake_letter *l); /* a step */
void intake_greylist(struct intake_letter *l);    /* a step: does not suspend */

/* ---- filter_envelope.c, filter_content.c ---- */
/* A filter's answer in the words of intake. */
struct intake_refusal intake_filter_refusal(struct intake_letter *l, const struct filter_answer *r,
                                            struct arena *a);
/* What filters say of the sender, and of each recipient. SUSPENDS */
struct intake_refusal intake_filter_sender(struct intake_letter *l, struct arena *a);
struct intake_refusal intake_filter_rcpt(struct intake_letter *l, struct slice address, struct arena *a);
void intake_filter_content(struct intake_letter *l); /* a step: the letter is there. SUSPENDS */
void intake_filter_end(struct intake_letter *l);     /* SUSPENDS */

/* ---- head.c: the header section is there. SUSPENDS ---- */
void intake_head_complete(struct intake_letter *l);
void intake_sign_begin(struct intake_letter *l); /* what is kept of it, when it is to be signed */
/* What Delivered-To says of an address that sends the letter on: the address, or to those who may not see
 * the others' (RFC 5321 section 7.2) what only this node understands. In the arena. */
struct slice intake_sent_on_by(struct intake_letter *l, struct slice address, bool open);

/* ---- seal.c ---- */
void intake_seal_begin(struct intake_letter *l); /* before the header section is judged */
/* Puts the ARC Set into prefix at `at`, above the fields behind it, when the letter is sent on. SUSPENDS. */
void intake_seal(struct intake_letter *l, struct buf *prefix, size_t at);

/* ---- reports.c ---- */
void intake_report_note(struct intake_letter *l); /* counts it for DMARC's aggregate reports */
/* Reads the report in a letter for our report address, once it is kept. SUSPENDS. */
void intake_report_take(struct intake_letter *l, const struct body_ref *body);

#define INTAKE_NO_MEMORY "There is no memory to spare for another letter at this moment; try again later"

/* ---- notes.c: what the trace says of it ---- */
/* What there is to tell when it is taken, for accept_letter(); how many. Texts in l->a. */
size_t intake_events(struct intake_letter *l, struct trace_event e[TRACE_TOGETHER_MAX]);
/* who: the recipient that was refused; empty: the letter was. */
void intake_note_refused(struct intake_letter *l, struct slice who, const struct intake_refusal *r);
void intake_note_unknown(struct intake_letter *l);
void intake_note_discarded(struct intake_letter *l);
