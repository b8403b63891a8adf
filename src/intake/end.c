/* end.c - the letter is there: the last steps of judging it, dressed with trace fields, committed. */
#include "dns/dns.h"
#include "guard/guard.h"
#include "intake_i.h"
#include "mail/build.h"
#include "outgoing/preflight_gate.h"
#include "outgoing/signing.h"
#include "queue/accept.h"

static void check_lines(struct intake_letter *l)
{
    if (l->from.origin == INTAKE_USER && l->lines.longest > INTAKE_LINE_MAX)
        intake_refuse(l, ERR_TOO_LONG, 554, "5.6.0",
                      "A line of the letter is longer than %d bytes (RFC 5322 section 2.1.1)",
                      INTAKE_LINE_MAX);
}

static void verdict(struct intake_letter *l)
{
    struct mailauth_verdict *v = &l->verdict;
    if (!l->auth) return;
    int e = mailauth_end(l->auth, v);
    if (e) {
        intake_fail(l, e, "The letter cannot be checked");
        return;
    }
    l->judged = true;
    intake_report_note(l);
    if (v->disposition == MAILAUTH_REJECT || v->disposition == MAILAUTH_DEFER)
        intake_refuse(l, v->disposition == MAILAUTH_DEFER ? ERR_DNS : ERR_DENIED, v->reply, v->enhanced,
                      "%.*s", SLF(v->sentence));
}

/* Nobody could be told of what becomes of such a letter, nor answer it. Only a name that is surely not there
 * counts: a DNS that gives no answer refuses nothing. */
static void check_domain(struct intake_letter *l, struct slice domain, const char *whose)
{
    struct dns_answer answer = {0};
    if (!domain.n || domain.p[0] == '[' || l->refusal.code) return;
    if (dns_ask(l->in->mailauth->dns, &l->a, domain, DNS_MX, &answer) == 0 && answer.status == DNS_NXDOMAIN)
        intake_refuse(l, ERR_DENIED, 550, "5.1.8", "The domain %.*s of the %s does not exist", SLF(domain),
                      whose);
}

static void check_domains(struct intake_letter *l)
{
    size_t at = sl_rchr(l->sender, '@');
    if (!l->judged || !l->in->refuse_unknown_domains) return;
    check_domain(l, at == SL_NONE ? SL("") : sl_from(l->sender, at + 1), "sender");
    check_domain(l, l->verdict.dmarc.author, "author");
}

/* What users and programs send must stand before the strictest receiver. */
static void preflight(struct intake_letter *l)
{
    enum intake_origin o = l->from.origin;
    if (!l->in->preflight || (o != INTAKE_USER && o != INTAKE_PROGRAM)) return;
    if (!letter_leaves(&(struct letter){.rcpt = l->rcpt, .nrcpt = l->nrcpt})) return;
    int e =
        preflight_gate(l->in->preflight, &l->a, &l->id, l->sender, &l->parsed, &l->hold, &l->preflight_found);
    if (e == ERR_DENIED) intake_refuse(l, e, 550, "5.7.1", "%s", err_text(e));
    else if (e) intake_fail(l, e, "The letter cannot be checked");
}

static void sign(struct intake_letter *l)
{
    if (!l->signing) return;
    l->signing = false;
    int e = signing_end(l->pass, &l->signatures);
    if (e) intake_fail(l, e, "The letter cannot be signed");
}

/* ---- what stands in front of the body ---- */

static void put_received(struct intake_letter *l, int64_t now, struct buf *out)
{
    struct mail_received r = {
        .helo = l->from.helo,
        .peer = l->from.peer,
        .by = l->in->hostname,
        .with = l->from.with,
        .tls_version = l->from.tls_version,
        .tls_cipher = l->from.tls_cipher,
        .id = sl_cstr(l->id.s),
        .has_priority = l->wants.has_priority,
        .priority = l->wants.priority,
        .when = now,
    };
    if (l->judged && l->verdict.iprev.code == IPREV_PASS) r.name = l->verdict.iprev.name;
    if (l->nsaid == 1)
        r.for_one = l->said[0]; /* several would tell them of each other: RFC 5321 section 7.2 */
    mail_received(out, &r);
}

/* Who sends as an alias may not want the world to know the login behind it; the trace knows. */
static struct slice login_to_tell(const struct intake_letter *l)
{
    return sl_eqi(l->sender, l->from.account->address) ? l->from.account->address : SL("");
}

/* *skip: how much of it is for local eyes only. */
static void put_prefix(struct intake_letter *l, int64_t now, struct buf *out, uint32_t *skip)
{
    mail_return_path(out, l->sender);
    *skip = (uint32_t)out->n;
    if (l->listed.n)
        mail_field(out, SL("X-Listed"), ar_printf(&l->a, "score %d: %.*s", l->listed_score, SLF(l->listed)));
    if (l->judged_by_words.n) mail_field(out, SL("X-Junk"), l->judged_by_words);
    if (l->judged) buf_put(out, l->verdict.field);
    else if (l->from.origin == INTAKE_USER)
        buf_put(out, mailauth_submission_field(&l->a, intake_authserv_id(l->in), login_to_tell(l)));
    put_received(l, now, out);
    for (size_t i = 0; i < l->nforward && i < INTAKE_MARKS_MAX; i++)
        mail_field(out, SL("Delivered-To"), intake_sent_on_by(l, l->forward[i], l->nsaid == 1));
    buf_put(out, l->signatures);
    buf_put(out, buf_slice(&l->edited));
    intake_seal(l, out, *skip);
    if (l->parsed.complete) buf_str(out, "\r\n");
}

/* ---- commit ---- */

/* The fact counts, whatever MAIL declared: text can go anywhere. */
static bool is_binary(const struct intake_letter *l)
{
    return l->binary && (l->seen.broken || (l->seen.last && l->seen.last != '\n'));
}

/* Is a report about it told to who wrote it, or to somebody whose name was taken? A signature can be an old
 * one that is sent again, so it only takes the denial away. */
static enum letter_path path_of(const struct intake_letter *l)
{
    const struct mailauth_verdict *v = &l->verdict;
    if (!intake_is_foreign(l)) return PATH_OURS;
    if (!l->judged) return PATH_UNPROVEN;
    if (v->spf.code == SPF_PASS) return PATH_PROVEN;
    bool denied = v->spf.code == SPF_FAIL || v->spf.code == SPF_SOFTFAIL;
    bool junk = l->junk_words || v->disposition == MAILAUTH_QUARANTINE;
    return junk || (denied && !mailauth_signed_for(v, v->spf.domain)) ? PATH_FORGED : PATH_UNPROVEN;
}

static struct letter letter_of(struct intake_letter *l, uint32_t skip, size_t head_size, int64_t now)
{
    return (struct letter){
        .id = l->id,
        .sender = l->sender,
        .rcpt = l->rcpt,
        .nrcpt = l->nrcpt,
        .skip = skip,
        .head_size = (uint32_t)head_size,
        .received = now,
        .eight_bit = l->eight_bit,
        .binary = is_binary(l),
        .smtputf8 = l->international,
        .junk = l->junk_words || (l->judged && l->verdict.disposition == MAILAUTH_QUARANTINE),
        .stream = l->stream,
        .path = path_of(l),
        .once = l->from.origin == INTAKE_OURS,
        .submitter = l->from.account ? sl_cstr(l->from.account->id) : SL(""),
        .message_id = l->message_id,
        .subject = l->subject,
        .ret = l->ret,
        .envid = l->envid,
        .wants = l->wants,
        .signed_for = l->signatures.n ? l->from_domain : SL(""),
        .hold = l->hold,
        .hold_all = l->hold_all,
    };
}

/* The body first, then the index; only then the letter is ours. ERR_UNKNOWN: it may be ours. */
static int commit(struct intake_letter *l)
{
    struct buf prefix = BUF_INIT, origin = BUF_INIT;
    struct trace_event events[TRACE_TOGETHER_MAX];
    uint32_t skip;
    int64_t now = rt_wall_seconds();
    put_prefix(l, now, &prefix, &skip);
    struct letter to = letter_of(l, skip, prefix.n, now);
    int e = letter_origin(&origin, &to);
    if (!e) e = body_finish(&l->body, buf_slice(&prefix), buf_slice(&origin), &to.body);
    if (!e) {
        to.nevents = intake_events(l, events);
        to.events = events;
        e = accept_letter(l->in->queue, &to);
    }
    if (!e) intake_report_take(l, &to.body);
    for (size_t i = 0; !e && l->from.origin == INTAKE_STRANGER && i < l->nrcpt; i++)
        if (l->rcpt[i].route.local) guard_received(l->from.visit, sl_cstr(l->rcpt[i].route.account));
    buf_free(&prefix);
    buf_free(&origin);
    return e;
}

int intake_end(struct intake_letter *l)
{
    static intake_step *const steps[] = {
        check_lines,        verdict,           check_domains,         intake_repute_urls, intake_greylist,
        intake_judge_words, intake_list_judge, intake_filter_content, preflight,          sign,
        intake_limit_take,  intake_list_take};
    ASSERT(l->in && l->nrcpt);
    if (l->from.origin != INTAKE_STRANGER && !intake_body_is_binary(l))
        intake_bytes(l, mail_lines_end(&l->lines));
    if (!l->head_done && !l->refusal.code) intake_head_complete(l); /* nothing but a header section */
    intake_run(l, steps, COUNT_OF(steps));
    int e = l->refusal.code ? l->refusal.error : l->discarded ? 0 : commit(l);
    if (!e && l->discarded) intake_note_discarded(l);
    if (!e) return 0;
    if (e != ERR_UNKNOWN) {
        intake_limit_return(l);
        intake_list_return(l);
    }
    if (!l->refusal.code && (e == ERR_TOO_LONG || e == ERR_LIMIT))
        intake_refuse(l, e, 554, "5.3.4", "The letter cannot be taken: %s", err_text(e));
    else if (!l->refusal.code && e != ERR_UNKNOWN) intake_fail(l, e, "The letter cannot be stored");
    if (l->refusal.code) intake_note_refused(l, SL(""), &l->refusal);
    else intake_note_unknown(l);
    return e;
}
