/* notes.c - what the trace says of a letter on its way in: the same events for every origin. */
#include "guard/guard.h"
#include "intake_i.h"
#include "store/store.h"

static void index_letter(struct intake_letter *l)
{
    trace_index(l->in->store->trace, &l->id, l->message_id, l->sender, l->said, l->nsaid);
}

/* A stranger's letter by mailauth, one of our own by preflight. */
static bool was_checked(const struct intake_letter *l) { return l->judged || l->preflight_found.n; }

static struct slice checked_sentence(struct intake_letter *l)
{
    if (!l->judged) return l->preflight_found;
    const struct mailauth_verdict *v = &l->verdict;
    return ar_printf(&l->a, "%s: %.*s%s%.*s", mailauth_disposition_name(v->disposition), SLF(v->sentence),
                     l->listed.n ? "; on lists: " : "", SLF(l->listed));
}

/* "mail.one.test [192.0.2.1]" */
static struct slice peer(struct intake_letter *l)
{
    char ip[IP_TEXT_MAX];
    if (!l->from.peer.family) return l->from.helo; /* over a socket of this machine */
    return ar_printf(&l->a, "%.*s [%s]", SLF(l->from.helo), ip_format(&l->from.peer, ip));
}

static struct slice received_sentence(struct intake_letter *l)
{
    const struct intake_from *f = &l->from;
    struct slice how, user = f->account ? f->account->address : SL("");
    if (f->origin == INTAKE_OURS) how = ar_cat(&l->a, SL("made here: "), f->by);
    else if (f->origin == INTAKE_PROGRAM) how = ar_cat(&l->a, SL("handed over by "), f->by);
    else
        how = ar_printf(&l->a, "received from %.*s by %.*s%s%.*s%s%.*s", SLF(peer(l)), SLF(f->with),
                        f->tls_version.n ? " with " : "", SLF(f->tls_version),
                        user.n ? ", logged in as " : "", SLF(user));
    return ar_printf(&l->a, "%.*s, sender <%.*s>, %llu bytes", SLF(how), SLF(l->sender),
                     (unsigned long long)l->size);
}

static struct slice rewritten_sentence(struct intake_letter *l)
{
    if (!l->edits) return SL("line ends were made CR LF");
    return ar_printf(&l->a, "%d header fields were added or removed%s", l->edits,
                     l->lines.mended ? ", and line ends made CR LF" : "");
}

static struct slice signed_sentence(struct intake_letter *l)
{
    if (l->sealed_for.n)
        return ar_printf(&l->a, "sealed with ARC for %.*s, because it is sent on", SLF(l->sealed_for));
    return ar_printf(&l->a, "signed with DKIM for %.*s", SLF(l->from_domain));
}

size_t intake_events(struct intake_letter *l, struct trace_event e[TRACE_TOGETHER_MAX])
{
    size_t n = 0;
    e[n++] = (struct trace_event){.id = l->id,
                                  .kind = TRACE_RECEIVED,
                                  .sentence = received_sentence(l),
                                  .session = l->from.session,
                                  .session_id = l->from.session_id};
    if (was_checked(l))
        e[n++] = (struct trace_event){.id = l->id, .kind = TRACE_CHECKED, .sentence = checked_sentence(l)};
    if (l->edits || l->lines.mended)
        e[n++] =
            (struct trace_event){.id = l->id, .kind = TRACE_REWRITTEN, .sentence = rewritten_sentence(l)};
    if (l->why_junk.n)
        e[n++] = (struct trace_event){.id = l->id, .kind = TRACE_JUDGED, .sentence = l->why_junk};
    if (l->filtered.n)
        e[n++] = (struct trace_event){.id = l->id, .kind = TRACE_FILTERED, .sentence = l->filtered};
    if (l->signatures.n || l->sealed_for.n)
        e[n++] = (struct trace_event){.id = l->id, .kind = TRACE_SIGNED, .sentence = signed_sentence(l)};
    return n;
}

void intake_note_refused(struct intake_letter *l, struct slice who, const struct intake_refusal *r)
{
    struct trace *s = l->in->store->trace;
    struct slice from = l->from.helo.n ? peer(l) : l->from.by;
    if (!guard_evidence(l->from.visit)) {
        l->unwritten++;
        return;
    }
    if (who.n) trace_index(s, &l->id, SL(""), l->sender, &who, 1);
    else index_letter(l);
    if (was_checked(l))
        trace_add(s,
                  &(struct trace_event){.id = l->id, .kind = TRACE_CHECKED, .sentence = checked_sentence(l)});
    struct slice sentence = ar_printf(&l->a, "refused to %.*s, sender <%.*s>: %d %s %.*s", SLF(from),
                                      SLF(l->sender), r->code, r->enhanced, SLF(r->text));
    trace_add(s, &(struct trace_event){.id = l->id,
                                       .kind = TRACE_REFUSED,
                                       .who = who,
                                       .sentence = sentence,
                                       .session = l->from.session,
                                       .session_id = l->from.session_id});
}

void intake_note_discarded(struct intake_letter *l)
{
    struct trace *s = l->in->store->trace;
    struct trace_event e[TRACE_TOGETHER_MAX];
    index_letter(l);
    for (size_t i = 0, n = intake_events(l, e); i < n; i++) trace_add(s, &e[i]);
    trace_addf(s, &l->id, TRACE_DROPPED, SL(""), "taken and thrown away, because a filter said so");
}

/* Neither "taken" nor "not taken" would be true (RFC 5321 section 4.2.5 leaves the sender the
 * responsibility until it has an answer). */
void intake_note_unknown(struct intake_letter *l)
{
    index_letter(l);
    trace_addf(l->in->store->trace, &l->id, TRACE_UNKNOWN, SL(""), "not answered: %s", err_text(ERR_UNKNOWN));
    log_error("intake", "letter %s is not answered: %s", l->id.s, err_text(ERR_UNKNOWN));
}
