/* bounce.c - telling the sender: a report (RFC 3464) as a letter of our own with a null
 * sender, under an id that is always the same for the same cause, so that repeating a step
 * after a crash makes no second one. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "mail/dsn.h"
#include "queue_i.h"
#include "shape/reply.h"
#include "store/mailbox.h"
#include "tellings.h"

enum { RETURN_FULL_MAX = 256 * 1024 };

/* RFC 3461 section 4.1, 5.2: who wants to hear of this? */
static bool wants(const struct q_rcpt *r, enum bounce_kind kind)
{
    if (r->notify & NOTIFY_NEVER) return false;
    switch (kind) {
    case BOUNCE_FAILED: return !r->notify || r->notify & NOTIFY_FAILURE;
    case BOUNCE_DELAYED: return !r->notify || r->notify & NOTIFY_DELAY;
    case BOUNCE_SUCCESS: return r->notify & NOTIFY_SUCCESS;
    case BOUNCE_RELAYED: return true;
    }
    return false;
}

/* A domain of ours to write from: the sender's, else the one that the host belongs to. */
static int own_domain(struct queue *q, struct slice sender, struct slice *out)
{
    size_t at = sl_rchr(sender, '@');
    struct slice d = at == SL_NONE ? (struct slice){0} : sl_from(sender, at + 1);
    bool ours = false;
    int e = d.n ? domain_is_local(q->store->directory, d, &ours) : 0;
    for (struct slice h = q->hostname; !e && !ours && h.n;) {
        d = h;
        e = domain_is_local(q->store->directory, h, &ours);
        size_t dot = sl_chr(h, '.');
        h = dot == SL_NONE ? (struct slice){0} : sl_from(h, dot + 1);
    }
    *out = ours ? d : q->hostname;
    return e;
}

/* Its sender is to hear that the time it was to be delivered by is over (RFC 2852 section 4.1.3). */
static bool is_late(const struct q_envelope *e)
{
    return e->l.wants.by && e->l.wants.by_mode == 'N' && rt_wall_seconds() >= e->l.wants.by;
}

/* The time of the letter, and chance made of the cause. */
static void report_id(const struct q_envelope *e, const struct q_rcpt *first, enum bounce_kind kind,
                      struct letter_id *out)
{
    char cause[80];
    int n = snprintf(cause, sizeof cause, "%s %d %u %u %u", e->l.id.s, (int)kind, first->g, first->n,
                     first->attempts);
    if (kind == BOUNCE_DELAYED)
        n = snprintf(cause, sizeof cause, "%s %d%s", e->l.id.s, (int)kind,
                     is_late(e) ? " late" : ""); /* once for all */
    uint32_t h = crc32c(0, cause, (size_t)n);
    *out = e->l.id;
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        out->s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
}

/* The words of mail/ for each class of shape/: a class without any does not compile. */
static enum dsn_cause cause_of(struct slice class)
{
    static const enum dsn_cause causes[REPLY_NCLASSES] = {
#define X(name, word, about) [REPLY_##name] = DSN_CAUSE_##name,
        REPLY_CLASSES(X)
#undef X
    };
    enum reply_class c;
    return reply_class_named(class, &c) ? causes[c] : DSN_CAUSE_UNKNOWN;
}

static struct dsn_recipient describe(const struct q_envelope *e, const struct q_rcpt *r,
                                     enum bounce_kind kind)
{
    struct dsn_recipient d = {
        .address = r->address, .original = r->orcpt, .status = r->enhanced, .last_attempt = r->last_try};
    d.cause = cause_of(r->class);
    d.action = kind == BOUNCE_FAILED    ? DSN_FAILED
               : kind == BOUNCE_DELAYED ? DSN_DELAYED
               : r->host.n              ? DSN_RELAYED
                                        : DSN_DELIVERED;
    if (kind == BOUNCE_DELAYED) d.retry_until = e->expires;
    if (kind == BOUNCE_SUCCESS || kind == BOUNCE_RELAYED) d.status = SL("2.0.0");
    if (kind == BOUNCE_DELAYED && is_late(e)) d.status = SL("4.4.7");
    size_t blank = sl_chr(r->host, ' ');
    d.remote_mta = blank == SL_NONE ? r->host : sl_sub(r->host, 0, blank);
    if (r->host.n && r->code) d.diagnostic = r->reply;
    else if (kind != BOUNCE_SUCCESS && kind != BOUNCE_RELAYED) d.reason = r->reply;
    if (r->expired) {
        d.status =
            e->l.wants.by_mode == 'R' ? SL("5.4.7") : SL("4.4.7"); /* RFC 3463: delivery time expired */
        d.expired = e->expires;
    }
    return d;
}

/* The letter told about, as far as it is given back. A body that cannot be read must not
 * keep the sender from being told. */
static struct slice original(struct queue *q, struct arena *a, const struct letter *l, bool full)
{
    struct slice body = {0};
    size_t most = full ? RETURN_FULL_MAX + l->skip : l->head_size;
    if (most > DSN_RETURN_HEAD_MAX + l->skip && !full) most = DSN_RETURN_HEAD_MAX + l->skip;
    if (body_get(q->store->body, &l->body, most, a, &body) != 0) return (struct slice){0};
    return sl_from(body, l->skip);
}

/* The language of whoever wrote it, or else has the return path: empty when none is set, or that cannot be
 * read (a report in another language is better than none). */
static struct slice language(struct queue *q, struct arena *a, const struct letter *l)
{
    char id[sizeof l->rcpt->route.account];
    struct account acc;
    if (l->submitter.n && l->submitter.n < sizeof id) {
        snprintf(id, sizeof id, "%.*s", SLF(l->submitter));
        if (account_owner(q->store, id, a, &acc) == 0) return acc.language;
    }
    bool here = account_get(q->store->directory, a, l->sender, &acc) == 0;
    return here ? acc.language : (struct slice){0};
}

/* A report of success holds the header section only (RFC 3461 section 4.3): the sender is not proved. */
static int build(struct queue *q, struct arena *a, const struct q_envelope *e, enum bounce_kind kind,
                 const struct dsn_recipient *rcpt, size_t n, struct slice *out)
{
    struct slice domain;
    struct buf text = BUF_INIT;
    bool full = /* never of one that required TLS (RFC 8689 section 5) */
        kind == BOUNCE_FAILED && sl_eqi(e->l.ret, SL("FULL")) && !e->l.wants.requiretls &&
        body_ref_size(&e->l.body) <= RETURN_FULL_MAX;
    int bad = own_domain(q, e->l.sender, &domain);
    if (bad) return bad;
    struct dsn d = {.hostname = q->hostname,
                    .from = ar_cat(a, SL("mailer-daemon@"), domain),
                    .to = e->l.sender,
                    .envelope_id = e->l.envid,
                    .queue_id = sl_cstr(e->l.id.s),
                    .arrival = e->l.received,
                    .deliver_by = e->l.wants.by,
                    .held_until = e->l.wants.hold_until,
                    .held_for = e->l.wants.hold_for,
                    .now = rt_wall_seconds(),
                    .recipient = rcpt,
                    .n = n,
                    .global = e->l.smtputf8, /* it goes to none but who takes it */
                    .full = full,
                    .language = language(q, a, &e->l)};
    rt_random(&d.random, sizeof d.random);
    d.original = original(q, a, &e->l, full);
    bad = mail_dsn_build(a, &text, &d);
    *out = ar_dup(a, buf_slice(&text));
    buf_free(&text);
    return bad;
}

/* A report is guarded as its letter was (RFC 8689 section 5). */
static struct letter_wants report_wants(const struct letter *l)
{
    const struct letter_wants *w = &l->wants; /* RFC 6710 section 4.6 */
    return (struct letter_wants){
        .requiretls = w->requiretls, .has_priority = w->has_priority, .priority = w->priority};
}

/* For the same reason, but for good. */
static int denied(struct arena *a, int why)
{
    struct slice text = ar_dup(a, sl_cstr(err_text(why)));
    return err_set(ERR_DENIED, "%.*s", SLF(text));
}

/* Is its sender to be told, and now? 0: it counts. ERR_DENIED, ERR_BUSY with a sentence. */
static int ask_tellings(struct queue *q, const struct q_envelope *e, enum bounce_kind kind, struct arena *a)
{
    enum letter_path path = e->l.path;
    int bad = tellings_take(q->tellings, path, e->l.sender);
    if (!bad && kind == BOUNCE_DELAYED && path == PATH_UNPROVEN) {
        tellings_return(q->tellings, path, e->l.sender);
        bad = err_set(ERR_DENIED, "nothing proves that the letter is its own, and it is only late");
    }
    bool bad_news = kind == BOUNCE_FAILED || kind == BOUNCE_DELAYED; /* good news does not wait */
    if (bad == ERR_BUSY && !bad_news) bad = denied(a, bad);
    if (bad == ERR_DENIED) queue_tally(&q->reports_withheld, 1);
    if (bad == ERR_BUSY) queue_tally(&q->reports_later, 1);
    return bad;
}

static int hand_over(struct queue *q, const struct q_envelope *e, struct letter_own *own, struct arena *a)
{
    own->what = ar_printf(a, "the report about the letter %s", e->l.id.s);
    int bad = q->take(q->take_ctx, own);
    if (bad) tellings_return(q->tellings, e->l.path, e->l.sender);
    else queue_tally(&q->reports, 1);
    return bad;
}

int bounce_tell(struct queue *q, const struct q_envelope *e, struct q_rcpt *const *rcpt, size_t n,
                enum bounce_kind kind, struct arena *a, struct bounce_told *told)
{
    ASSERT(n && kind <= BOUNCE_RELAYED);
    struct dsn_recipient *d = ar_array(a, struct dsn_recipient, n);
    size_t nd = 0;
    struct letter_own own = {.to = e->l.sender, .smtputf8 = e->l.smtputf8, .wants = report_wants(&e->l)};
    *told = (struct bounce_told){0};
    if (e->l.made.n) return 0;    /* who makes it hears of it */
    if (!e->l.sender.n) return 0; /* RFC 5321 section 4.5.5: never to a null return path */
    for (size_t i = 0; i < n; i++)
        if (wants(rcpt[i], kind)) d[nd++] = describe(e, rcpt[i], kind);
    if (!nd) return 0;
    int bad = ask_tellings(q, e, kind, a);
    told->later = bad == ERR_BUSY;
    if (!bad) {
        bad = build(q, a, e, kind, d, nd, &own.text);
        if (bad) tellings_return(q->tellings, e->l.path, e->l.sender);
        report_id(e, rcpt[0], kind, &own.id);
        if (!bad) bad = hand_over(q, e, &own, a);
    }
    told->told = !bad;
    if (bad != ERR_DENIED) return bad;
    told->why_not = ar_dup(a, sl_cstr(err_text(bad)));
    return 0; /* the next time it would be the same */
}
