/* mailauth.c - the checks of one letter, in the order in which their input arrives. */
#include "mailauth.h"

#include "base/log.h"
#include "base/text.h"
#include "mail/build.h"
#include "mailauth_i.h"

struct mailauth {
    const struct mailauth_ctx *ctx;
    struct arena *a;
    struct mailauth_conn conn;
    struct dns *dns; /* the share of the peer's network */
    struct slice mail_from;
    int64_t started;
    struct group children;
    int address_code, envelope_code; /* how the child fibers ended */
    struct mailauth_verdict v;
    struct spf_query query; /* of MAIL FROM, for Received-SPF */
    const struct mail_head *head;
    struct dkim_body *body;
    bool body_ended;
    struct dkim_verify *dkim;
    struct arc_verify *arc;
};

const char *mailauth_disposition_name(enum mailauth_disposition d)
{
    static const char *const names[] = {"accept", "quarantine", "defer", "reject"};
    return names[d];
}

/* ---- address and envelope, beside the transfer ---- */

static void check_address(void *arg)
{
    struct mailauth *m = arg;
    int e = 0;
    if (!m->conn.iprev) e = iprev_check(m->dns, m->a, &m->conn.ip, &m->v.iprev);
    if (e == 0) e = helo_check(m->dns, m->a, &m->conn.ip, m->conn.helo, &m->v.helo);
    m->address_code = e;
}

static void check_envelope(void *arg)
{
    struct mailauth *m = arg;
    struct spf_query q = m->query;
    int e = spf_check(m->dns, m->a, &q, &m->v.spf);
    if (e == 0 && !m->mail_from.n) { /* the null path is the HELO identity already */
        m->v.spf_helo = m->v.spf;
        m->v.spf_helo.identity = SPF_HELO;
        m->v.spf_helo.questions = 0;
    } else if (e == 0) {
        q.identity = SPF_HELO;
        e = spf_check(m->dns, m->a, &q, &m->v.spf_helo);
    }
    m->envelope_code = e;
}

static void ask_dkim_keys(void *arg)
{
    struct mailauth *m = arg;
    (void)dkim_verify_ask(m->dkim, m->dns); /* canceled: the end finds keys without an answer */
}

static void ask_arc_keys(void *arg)
{
    struct mailauth *m = arg;
    (void)arc_verify_ask(m->arc, m->dns);
}

/* When no fiber is to be had the end asks by itself. */
static void start_keys(struct mailauth *m)
{
    if (mail_head_count(m->head, SL("dkim-signature")))
        (void)!group_go(&m->children, "dkim", ask_dkim_keys, m);
    if (mail_head_count(m->head, SL("arc-seal"))) (void)!group_go(&m->children, "arc", ask_arc_keys, m);
}

static int start(struct mailauth *m)
{
    int e = group_go(&m->children, "iprev", check_address, m);
    if (e == 0) e = group_go(&m->children, "spf", check_envelope, m);
    return e;
}

/* In A-labels, so that neither questions nor fields hold other than ASCII (RFC 6531 section 3.7.1 wants
 * that of clients); what can be no name is kept as it can be shown. */
static struct slice helo_name(struct arena *a, struct slice said)
{
    struct slice name;
    if (is_ascii(said)) return ar_dup(a, said);
    return dns_to_ascii(a, said, &name) == 0 ? name : mail_clean(a, said, 255);
}

int mailauth_new(struct mailauth **out, const struct mailauth_ctx *ctx, struct arena *a,
                 const struct mailauth_conn *conn, const struct mailauth_envelope *env)
{
    ASSERT(ctx && ctx->dns && conn && env);
    struct mailauth *m = ar_new(a, struct mailauth);
    m->ctx = ctx;
    m->a = a;
    m->conn = *conn;
    m->dns = dns_share(a, ctx->dns, ip_network_hash(&conn->ip), 0);
    m->conn.helo = helo_name(a, conn->helo);
    m->mail_from = ar_dup(a, env->mail_from);
    m->started = rt_now();
    m->address_code = m->envelope_code = ERR_CANCELED;
    if (conn->iprev) {
        m->v.iprev = *conn->iprev;
        m->v.iprev.questions = 0;
    }
    m->query = (struct spf_query){
        .ip = conn->ip, .helo = m->conn.helo, .mail_from = m->mail_from, .receiver = ctx->hostname};
    m->body = dkim_body_new(a);
    group_init(&m->children);
    *out = m;
    int e = start(m);
    if (e) mailauth_free(out);
    return e;
}

/* ---- the letter ---- */

int mailauth_head(struct mailauth *m, const struct mail_head *head, struct slice raw)
{
    (void)raw; /* the fields are slices of it */
    if (m->head) return err_set(ERR_STATE, "the header section was given already");
    m->head = head;
    m->dkim = dkim_verify_new(m->a, head, NULL, m->body);
    m->arc = arc_verify_new(m->a, head, NULL, m->body);
    start_keys(m);
    return 0;
}

void mailauth_body(struct mailauth *m, struct slice bytes)
{
    ASSERT(m->head && !m->body_ended);
    dkim_body_add(m->body, bytes);
}

static void end_body(struct mailauth *m)
{
    if (!m->body_ended) dkim_body_end(m->body);
    m->body_ended = true;
}

/* What was cut off by the deadline is not known now. */
static void mark_unfinished(struct mailauth *m)
{
    struct slice why = SL("the time for this check ran out");
    if (m->address_code) {
        if (!m->conn.iprev) m->v.iprev = (struct iprev_result){.code = IPREV_TEMPERROR, .problem = why};
        m->v.helo = (struct helo_result){.code = HELO_TEMPERROR, .problem = why};
    }
    if (!m->envelope_code) return;
    m->v.spf.code = m->v.spf_helo.code = SPF_TEMPERROR;
    m->v.spf.problem = m->v.spf_helo.problem = why;
    m->v.spf_helo.identity = SPF_HELO;
}

static int verify_signatures(struct mailauth *m)
{
    if (!m->head) return 0;
    int e = dkim_verify_end(m->dkim, m->dns, &m->v.dkim);
    return e ? e : arc_verify_end(m->arc, m->dns, &m->v.arc);
}

static size_t domains_with(const struct dkim_results *r, enum dkim_result result, struct slice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].result == result && (result != DKIM_PASS || mailauth_vouches(&r->v[i])))
            out[n++] = r->v[i].domain;
    return n;
}

static int check_dmarc(struct mailauth *m)
{
    static const struct mail_head empty;
    struct dmarc_authors from;
    struct slice *pass = ar_array(m->a, struct slice, m->v.dkim.n + 1);
    struct slice *unknown = ar_array(m->a, struct slice, m->v.dkim.n + 1);
    struct dmarc_evidence e = {
        .spf_domain = m->v.spf.domain,
        .spf_pass = m->v.spf.code == SPF_PASS,
        .spf_temperror = m->v.spf.code == SPF_TEMPERROR,
        .dkim_pass = pass,
        .ndkim_pass = domains_with(&m->v.dkim, DKIM_PASS, pass),
        .dkim_temperror = unknown,
        .ndkim_temperror = domains_with(&m->v.dkim, DKIM_TEMPERROR, unknown),
    };
    int code = dmarc_authors(m->a, m->head ? m->head : &empty, &from);
    return code ? code : dmarc_check(m->dns, m->a, &from, &e, &m->v.dmarc);
}

static struct slice id_of(const struct mailauth_ctx *ctx)
{
    return ctx->authserv_id.n ? ctx->authserv_id : ctx->hostname;
}

/* All that asks the DNS. */
static int find_out(struct mailauth *m)
{
    int e = group_wait(&m->children);
    if (e == ERR_CANCELED) return e;
    mark_unfinished(m);
    e = verify_signatures(m);
    return e ? e : check_dmarc(m);
}

int mailauth_end(struct mailauth *m, struct mailauth_verdict *out)
{
    ASSERT(!m->body_ended);
    end_body(m);
    int64_t before = deadline_narrow(DEADLINE_IN(MAILAUTH_SECONDS * RT_S));
    int e = find_out(m);
    deadline_restore(before);
    if (e) return e;
    m->v.questions = m->v.iprev.questions + m->v.spf.questions + m->v.spf_helo.questions;
    mailauth_decide(m->ctx, m->a, &m->v);
    mailauth_write_field(m->a, id_of(m->ctx), &m->conn.ip, &m->v);
    m->v.took_us = (rt_now() - m->started) / RT_US;
    *out = m->v;
    return 0;
}

void mailauth_free(struct mailauth **m)
{
    if (!*m) return;
    end_body(*m);
    group_cancel(&(*m)->children);
    group_wait(&(*m)->children);
    *m = NULL;
}

/* ---- passing it on ---- */

void mailauth_will_seal(struct mailauth *m) { (void)dkim_body_want(m->body, DKIM_RELAXED, DKIM_WHOLE); }

struct sealing {
    struct arc_seal *seal;
    struct buf *out;
};

static int make_seal(void *arg)
{
    struct sealing *x = arg;
    return arc_seal_end(x->seal, x->out);
}

int mailauth_seal(struct mailauth *m, const struct mailauth_verdict *v, const struct mail_head *leaving,
                  struct slice domain, struct slice selector, struct sign_key *key, struct buf *out)
{
    ASSERT(m->body_ended && v->field.n);
    size_t colon = sl_chr(v->field, ':');
    struct arc_sealer sealer = {
        .domain = domain, .selector = selector, .key = key, .authres = sl_trim(sl_from(v->field, colon + 1))};
    struct sealing x = {.out = out};
    int e = arc_seal_new(m->a, leaving, &sealer, &v->arc, rt_wall_seconds(), m->body, &x.seal);
    return e ? e : offload_on(POOL_SIGN, make_seal, &x);
}

/* ---- a letter in memory ---- */

static int give_message(struct mailauth *m, struct arena *a, struct slice message)
{
    enum { PIECE = 65536 };
    struct mail_head *head = ar_new(a, struct mail_head);
    int e = mail_head_parse(a, message, head);
    if (e == 0) e = mailauth_head(m, head, sl_sub(message, 0, head->size));
    if (e) return e;
    for (struct slice rest = sl_from(message, head->body_at); rest.n; rest = sl_from(rest, PIECE)) {
        mailauth_body(m, sl_sub(rest, 0, PIECE));
        fiber_breathe();
    }
    return 0;
}

int mailauth_check(const struct mailauth_ctx *ctx, struct arena *a, const struct mailauth_conn *conn,
                   const struct mailauth_envelope *env, struct slice message, struct mailauth_verdict *out)
{
    struct mailauth *m = NULL;
    int e = mailauth_new(&m, ctx, a, conn, env);
    if (e) return e;
    e = give_message(m, a, message);
    if (e == 0) e = mailauth_end(m, out);
    mailauth_free(&m);
    return e;
}

/* ---- fields of ours ---- */

bool mailauth_must_remove(const struct mailauth_ctx *ctx, struct arena *a, const struct mail_field *f)
{
    struct slice id = id_of(ctx), ascii = {0};
    if (!id.n || !sl_eqi(sl_trim(f->name), SL("Authentication-Results"))) return false;
    if (dns_to_ascii(a, id, &ascii) != 0) ascii = id;
    struct slice ours[] = {id, ascii, dns_to_unicode(a, ascii), ctx->hostname};
    return authres_is_forged(f->name, f->body, ours, COUNT_OF(ours));
}

bool mailauth_forged(const void *ctx, struct arena *a, const struct mail_field *f)
{
    return mailauth_must_remove(ctx, a, f);
}

struct slice mailauth_submission_field(struct arena *a, struct slice authserv_id, struct slice user)
{
    struct authres r = {.authserv_id = authserv_id};
    authres_prop(a, authres_add(a, &r, SL("auth"), SL("pass")), "smtp", "auth", user);
    return authres_field(a, &r);
}
