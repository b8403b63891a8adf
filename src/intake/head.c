/* head.c - the header section is there: judged and edited by one table of steps. */
#include "base/memory.h"
#include "intake_i.h"
#include "mail/addr.h"
#include "mail/submit.h"
#include "outgoing/signing.h"
#include "queue/accept.h"
#include "send/standing.h"
#include "store/store.h"

static void check_hops(struct intake_letter *l)
{
    size_t n = mail_head_count(&l->parsed, SL("Received"));
    if (n > INTAKE_HOPS_MAX)
        intake_refuse(l, ERR_STATE, 554, "5.4.6", "The letter has passed %zu servers, it goes in a circle",
                      n);
}

struct slice intake_sent_on_by(struct intake_letter *l, struct slice address, bool open)
{
    uint8_t mark[32];
    struct buf hex = BUF_INIT;
    if (open) return address;
    hmac_sha256(sl((const char *)l->in->secret, sizeof l->in->secret), ar_lower(&l->a, address), mark);
    hex_encode(&hex, sl((const char *)mark, 10));
    struct slice s = ar_printf(&l->a, "%.*s@%.*s", SLF(buf_slice(&hex)), SLF(l->in->hostname));
    buf_free(&hex);
    return s;
}

/* A letter that an alias of ours sent on says so, and is not sent on a second time. */
static void check_return(struct intake_letter *l)
{
    if (!mail_head_find(&l->parsed, SL("Delivered-To"), 0)) return;
    for (size_t i = 0; i < l->nforward; i++) {
        struct slice mark = intake_sent_on_by(l, l->forward[i], false);
        for (size_t k = 0; k < l->parsed.n; k++) {
            struct slice to = sl_trim(l->parsed.field[k].body);
            if (!sl_eqi(l->parsed.field[k].name, SL("Delivered-To"))) continue;
            if (sl_eqi(to, l->forward[i]) || sl_eqi(to, mark))
                intake_refuse(l, ERR_STATE, 554, "5.4.6",
                              "The letter was sent on from %.*s before and has come back",
                              SLF(l->forward[i]));
        }
    }
}

static bool has_lone_line_end(struct slice s)
{
    for (size_t at; (at = sl_chr(s, '\n')) != SL_NONE; s = sl_from(s, at + 1))
        if (!at || sl_chr(s, '\r') != at - 1) return true;
    return sl_chr(s, '\r') != SL_NONE;
}

/* What readers take for different things is not taken from strangers at all: a NUL, or a first line that
 * would be the end of our own trace field. */
static void check_form(struct intake_letter *l)
{
    struct slice head = buf_slice(&l->head);
    if (l->from.origin != INTAKE_STRANGER) return;
    if (sl_chr(head, 0) != SL_NONE)
        intake_refuse(l, ERR_SYNTAX, 554, "5.6.0",
                      "There is a NUL in the header section (RFC 5322 section 2.2)");
    else if (l->binary && has_lone_line_end(head)) /* in text the front end looks for them */
        intake_refuse(l, ERR_SYNTAX, 554, "5.5.2",
                      "A line of the header section does not end in CR LF (RFC 5321 section 2.3.8)");
    else if (head.n && (head.p[0] == ' ' || head.p[0] == '\t'))
        intake_refuse(l, ERR_SYNTAX, 554, "5.6.0",
                      "The first line of the header section begins with a blank");
}

/* Every author, and Sender, must be an address of the account (RFC 6409 section 6.1). */
static void check_addresses(struct intake_letter *l, struct arena *scratch, const struct mail_addrs *list,
                            const char *field)
{
    for (size_t i = 0; i < list->n && !l->refusal.code; i++) {
        struct slice domain;
        int e = intake_ascii_domain(scratch, list->v[i].domain, &domain);
        if (!e) e = intake_may_write_as(l->in, &l->from, list->v[i].local, domain);
        if (e == ERR_DENIED || e == ERR_SYNTAX)
            intake_refuse(l, e, 550, "5.7.1", "In %s: %s", field, err_text(e));
        else if (e) intake_fail(l, e, "The directory cannot be read");
    }
}

static void check_field(struct intake_letter *l, struct arena *scratch, const struct mail_field *f,
                        const char *name, struct mail_addrs *list)
{
    if (mail_addrs_parse(scratch, f->body, list) == 0 && list->n && !list->bad)
        check_addresses(l, scratch, list, name);
    else
        intake_refuse(l, ERR_SYNTAX, 554, "5.6.0",
                      "The letter is not well-formed: the %s field does not hold a valid address", name);
}

/* Authors of a domain of ours are vouched for by our signature, so that they must be the account's own,
 * whoever sends their letter again. Others are what they were. */
static void check_resent_authors(struct intake_letter *l, struct arena *scratch, struct mail_addrs *from)
{
    struct mail_addrs ours = {.v = from->v};
    size_t n = from->n;
    for (size_t i = 0; i < n && !l->refusal.code; i++) {
        struct slice domain;
        bool here = false;
        int e = intake_ascii_domain(scratch, from->v[i].domain, &domain);
        if (!e) e = domain_is_local(l->in->store->directory, domain, &here);
        ours.v = &from->v[i], ours.n = 1;
        if (e == ERR_SYNTAX) continue;
        if (e) intake_fail(l, e, "The directory cannot be read");
        else if (here) check_addresses(l, scratch, &ours, "From");
    }
}

/* A letter that is sent again as it was (RFC 5322 section 3.6.6): who sends it stands in the newest resent
 * fields, the topmost ones. They sign for it. */
static void check_resent(struct intake_letter *l, struct arena *scratch, const struct mail_resent *again,
                         struct mail_addrs *from)
{
    struct mail_addrs sender = {0}, authors = *from;
    if (!again->from) {
        intake_refuse(l, ERR_SYNTAX, 554, "5.6.0",
                      "The letter is not well-formed: Resent-Sender stands there without a Resent-From");
        return;
    }
    check_field(l, scratch, again->from, "Resent-From", from);
    if (!l->refusal.code && again->sender) check_field(l, scratch, again->sender, "Resent-Sender", &sender);
    if (!l->refusal.code && from->n > 1 && !again->sender)
        intake_refuse(l, ERR_SYNTAX, 554, "5.6.0",
                      "The letter is not well-formed: Resent-From names several, then a Resent-Sender field "
                      "must say who sends it");
    if (!l->refusal.code) check_resent_authors(l, scratch, &authors);
}

static void check_user(struct intake_letter *l, struct arena *scratch, struct mail_addrs *from)
{
    struct mail_addrs sender;
    struct mail_resent again;
    int e = mail_submit_check(scratch, &l->parsed, from);
    if (e) {
        intake_refuse(l, e, 554, "5.6.0", "The letter is not well-formed: %s", err_text(e));
        return;
    }
    if (mail_resent(&l->parsed, &again)) {
        check_resent(l, scratch, &again, from);
        return;
    }
    check_addresses(l, scratch, from, "From");
    const struct mail_field *f = mail_head_find(&l->parsed, SL("Sender"), 0);
    if (f && !l->refusal.code) check_field(l, scratch, f, "Sender", &sender);
}

/* Who wrote it, where that is ours to know; the author's domain will sign. Tens of thousands of addresses may
 * stand there: they are looked at in scratch memory. */
static void check_authors(struct intake_letter *l)
{
    struct arena scratch = {0};
    struct mail_addrs from = {0};
    struct slice domain;
    const struct mail_field *f = mail_head_find(&l->parsed, SL("From"), 0);
    if (intake_is_foreign(l)) return;
    if (intake_is_bound(&l->from)) check_user(l, &scratch, &from);
    else if (f && mail_addrs_parse(&scratch, f->body, &from) != 0) from.n = 0;
    if (!l->refusal.code && from.n && intake_ascii_domain(&scratch, from.v[0].domain, &domain) == 0)
        l->from_domain = ar_dup(&l->a, domain);
    if (l->from.sign_for.n) l->from_domain = l->from.sign_for;
    ar_free(&scratch);
}

/* RFC 3865 sections 2.3, 2.5: of what classes the letter says that it is. */
static void check_solicitation(struct intake_letter *l)
{
    struct slice classes = mail_head_get(&l->a, &l->parsed, SL("Solicitation"), NULL);
    struct intake_refusal no = intake_solicits(l->in, &l->from, classes, &l->a);
    if (no.code && !l->refusal.code) l->refusal = no;
}

/* RFC 8689 section 4.1: the field counts where MAIL did not say REQUIRETLS; section 3: it stands there once.
 */
static void read_tls_required(struct intake_letter *l)
{
    struct slice no = mail_head_get(&l->a, &l->parsed, SL("TLS-Required"), NULL);
    if (l->wants.requiretls || mail_head_count(&l->parsed, SL("TLS-Required")) != 1) return;
    l->wants.tls_optional = sl_eqi(no, SL("No"));
}

static void check_memory(struct intake_letter *l)
{
    if (ar_over(&l->a))
        intake_refuse(l, ERR_LIMIT, 552, "5.3.4", "The header section takes more than %d bytes of memory",
                      INTAKE_MEMORY);
    else if (l->from.origin != INTAKE_OURS && memory_refuses(&l->a))
        intake_refuse(l, ERR_BUSY, 452, "4.3.1", INTAKE_NO_MEMORY);
}

/* What the rows and the trace keep of it. */
static void read_fields(struct intake_letter *l)
{
    int e = letter_fields(&l->a, &l->parsed, &l->message_id, &l->subject);
    bool ours = l->from.origin == INTAKE_OURS && !l->from.to_many;
    l->stream = ours ? STREAM_SYSTEM : letter_stream(&l->a, &l->parsed, &l->wants);
    if (e) intake_refuse(l, e, 554, "5.6.0", "The letter is not well-formed: %s", err_text(e));
}

/* Bulk mail of an account of ours of which too many complain. */
static void check_standing(struct intake_letter *l)
{
    int64_t until;
    if (l->stream != STREAM_BULK || !l->from.account || !l->in->sends) return;
    int e = standing_ask(l->in->sends, sl_cstr(l->from.account->id), &until);
    if (e != ERR_LIMIT) return;
    struct slice why = ar_dup(&l->a, sl_cstr(err_text(e)));
    intake_refuse(l, e, 450, "4.7.1", "%.*s", SLF(why));
}

/* What only we may say: of who may write here (RFC 8601 section 5), and of what lists say. */
static bool is_forged(const void *ours, struct arena *a, const struct mail_field *f)
{
    return sl_eqi(f->name, SL("X-Listed")) || sl_eqi(f->name, SL("X-Junk")) || mailauth_forged(ours, a, f);
}

static void edit(struct intake_letter *l)
{
    struct mailauth_ctx ours = {.hostname = l->in->hostname, .authserv_id = intake_authserv_id(l->in)};
    struct mail_edit e = {.forged = is_forged,
                          .forged_arg = &ours,
                          .domain = l->from_domain.n ? l->from_domain : l->in->hostname,
                          .now = rt_wall_seconds(),
                          .delivery = true,
                          .submission = !intake_is_foreign(l)};
    rt_random(&e.random, sizeof e.random);
    l->edits = mail_head_edit(&l->a, &l->parsed, &e, &l->edited);
    if (l->message_id.n || !e.submission) return;
    struct mail_head kept; /* with the Message-ID that was missing */
    if (mail_head_parse(&l->a, buf_slice(&l->edited), &kept) == 0)
        l->message_id = mail_head_get(&l->a, &kept, SL("Message-ID"), NULL);
}

void intake_sign_begin(struct intake_letter *l)
{
    if (!l->from_domain.n || !l->in->signing) return;
    int e = signing_begin(l->in->signing, &l->a, l->from_domain, buf_slice(&l->edited), &l->pass);
    if (!e) l->signing = true;
    else if (l->from.origin != INTAKE_OURS || err_is_temporary(e))
        intake_fail(l, e, "The letter cannot be signed");
    else log_warn("intake", "%s: goes unsigned: %s", l->id.s, err_text(e));
}

static void begin_judging(struct intake_letter *l)
{
    if (!l->auth) return;
    intake_seal_begin(l);
    int e = mailauth_head(l->auth, &l->parsed, sl_sub(buf_slice(&l->head), 0, l->parsed.size));
    if (e) intake_fail(l, e, "The letter cannot be checked");
}

static void begin_body(struct intake_letter *l)
{
    int e = body_begin(l->in->store->body, accept_body_class(l->any_local), &l->body);
    if (e) intake_fail(l, e, "The letter cannot be stored");
}

void intake_head_complete(struct intake_letter *l)
{
    static intake_step *const steps[] = {read_fields, check_standing,     check_hops,        check_return,
                                         check_form,  check_solicitation, read_tls_required, check_authors,
                                         edit,        intake_sign_begin,  begin_judging,     check_memory,
                                         begin_body};
    l->head_done = true;
    int e = mail_head_parse(&l->a, buf_slice(&l->head), &l->parsed);
    if (e) {
        intake_refuse(l, e, 552, "5.3.4", "%s", err_text(e));
        return;
    }
    bool ascii = is_ascii(buf_slice(&l->head));
    l->eight_bit = !ascii; /* the fact counts, whatever MAIL declared: ASCII can go anywhere */
    /* Said to be possible; only what needs it is held to it on the way on (RFC 6531 section 3.3). What we
     * make says so because a message/global part is in it (RFC 6533 section 3). */
    l->international |= l->smtputf8 && (!ascii || l->from.origin == INTAKE_OURS);
    intake_run(l, steps, COUNT_OF(steps));
}
