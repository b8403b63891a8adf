/* peer.c - a session with another server: connection, greeting, EHLO, STARTTLS
 * (RFC 5321 section 3.1, 3.2, RFC 3207; opportunistic as RFC 7435 has it). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "relay_i.h"

/* RFC 5321 section 4.5.3.2 */
#define CONNECT_TIME (30 * RT_S)
#define GREETING_TIME (300 * RT_S)
#define HELLO_TIME (300 * RT_S)
#define STARTTLS_TIME (120 * RT_S)
#define QUIT_TIME (2 * RT_S)
enum { REPLY_MOST = 1024 * 1024 }; /* bytes of a reply that are put up with */

/* ---- verdicts ---- */

void verdict_set(struct verdict *v, enum attempt result, const char *enhanced, struct slice text)
{
    *v = (struct verdict){.result = result, .text = text};
    snprintf(v->enhanced, sizeof v->enhanced, "%s", enhanced);
}

/* 552 but for a full mailbox, 555, and what RFC 3463 calls size (x.3.4) and media errors (x.6.y). */
static bool own_limit(const struct smtp_reply *r)
{
    const uint16_t *s = r->enhanced;
    if (r->code / 100 != 5) return false;
    if (s[0] == 5 && ((s[1] == 3 && s[2] == 4) || s[1] == 6)) return true;
    return (r->code == 552 && s[1] != 2) || r->code == 555;
}

void verdict_reply(struct verdict *v, const struct smtp_reply *r)
{
    *v = (struct verdict){.code = r->code, .text = r->text, .elsewhere = own_limit(r)};
    int kind = r->code / 100;
    v->result = kind == 2 ? ATTEMPT_DELIVERED : kind == 5 ? ATTEMPT_PERMANENT : ATTEMPT_TEMPORARY;
    /* an enhanced code of another class contradicts the reply (RFC 2034 section 4): the reply counts */
    if (r->enhanced[0] == kind)
        snprintf(v->enhanced, sizeof v->enhanced, "%u.%u.%u", kind % 10u, r->enhanced[1] % 1000u,
                 r->enhanced[2] % 1000u);
}

void verdict_error(struct verdict *v, struct arena *a, int e, const char *during)
{
    const char *status = e == ERR_TIMEOUT                                         ? "4.4.2"
                         : e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_TOO_LONG ? "4.5.0"
                                                                                  : "4.4.2";
    if (e == ERR_REFUSED || e == ERR_UNREACHABLE) status = "4.4.1";
    const char *what = e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_TOO_LONG
                           ? "the other server speaks no SMTP"
                           : err_text(e);
    verdict_set(v, ATTEMPT_TEMPORARY, status, ar_printf(a, "%s%s%s", during, *during ? ": " : "", what));
}

/* ---- hearing ---- */

/* The next line, at most SMTP_REPLY_LINE_MAX bytes of it: what a peer adds to a line changes
 * nothing about its code. A line that came before the connection broke is there all the same. */
static int hear_line(struct peer *p, struct smtp_reply *r, size_t *heard)
{
    struct conn *c = p->c;
    struct slice line = SL("");
    bool first = true, last = false;
    int done = 0;
    while (!last) {
        struct slice in = conn_peek(c);
        size_t lf = sl_chr(in, '\n'), n = lf == SL_NONE ? in.n : lf;
        last = lf != SL_NONE;
        bool enough = last || n >= SMTP_REPLY_LINE_MAX;
        if (first && enough) {
            line = sl_sub(in, 0, n < SMTP_REPLY_LINE_MAX ? n : SMTP_REPLY_LINE_MAX);
            done = smtp_reply_line(r, sl_ends(line, SL("\r")) ? sl_sub(line, 0, line.n - 1) : line);
            if (done < 0) return done;
            first = false;
        }
        if (!first) conn_consume(c, last ? n + 1 : n), *heard += n;
        if (*heard > REPLY_MOST) return err_set(ERR_LIMIT, "the other server's reply has no end");
        int e = last ? 0 : conn_fill(c);
        if (e < 0 && conn_overhear(c) <= (first ? in.n : 0)) return e;
    }
    return done;
}

int peer_hear(struct peer *p, struct arena *a, int64_t limit, struct smtp_reply *r)
{
    int64_t before = deadline_narrow(DEADLINE_IN(limit));
    size_t heard = 0;
    int e = 0;
    smtp_reply_begin(r, a);
    while (e == 0) e = hear_line(p, r, &heard);
    deadline_restore(before);
    return e < 0 ? e : 0;
}

/* ---- the steps of opening ---- */

/* 0 when the code is `want`, else -1 with the reason. */
static int expect(struct peer *p, struct arena *a, int64_t limit, int want, const char *during,
                  struct smtp_reply *r, struct verdict *why)
{
    int e = peer_hear(p, a, limit, r);
    if (e) {
        verdict_error(why, a, e, during);
        return -1;
    }
    if (r->code == want) return 0;
    verdict_reply(why, r);
    if (why->result == ATTEMPT_DELIVERED) why->result = ATTEMPT_TEMPORARY; /* a success out of place */
    return -1;
}

static int hello(struct peer *p, struct arena *a, struct slice hostname, struct verdict *why)
{
    struct smtp_reply r;
    struct smtp_ehlo caps = {0};
    conn_printf(p->c, "%s %.*s\r\n", p->lmtp ? "LHLO" : "EHLO", SLF(hostname));
    if (expect(p, a, HELLO_TIME, 250, "while waiting for the answer to EHLO", &r, why) == 0) {
        smtp_ehlo_parse(&r, &caps);
    } else if (why->code / 100 == 5 && !p->lmtp) { /* RFC 5321 section 3.2: an old server */
        conn_printf(p->c, "HELO %.*s\r\n", SLF(hostname));
        if (expect(p, a, HELLO_TIME, 250, "while waiting for the answer to HELO", &r, why) != 0) return -1;
    } else {
        return -1;
    }
    p->ext = caps.ext;
    p->auth = caps.auth;
    p->size_max = caps.size;
    p->rcpt_max = caps.rcpt_max;
    p->mail_max = caps.mail_max;
    p->by_min = caps.by_min;
    return 0;
}

bool peer_suits(const struct peer *p, const struct policy *ask, struct slice domain)
{
    switch (ask->level) {
    case POLICY_ANY: return true;
    case POLICY_ENCRYPTED: return p->level != POLICY_ANY;
    case POLICY_PKIX: return p->level == POLICY_PKIX;
    case POLICY_DANE:
        return p->level == POLICY_DANE && p->proved_by == ask->mark &&
               (!p->proved_for[0] || sl_eqi(sl_cstr(p->proved_for), domain));
    }
    return false;
}

/* What a report says of the session (RFC 8460 section 4.3). */
static void tell(struct peer *p, enum policy_result outcome, const char *reason)
{
    p->told = true;
    p->outcome = outcome;
    snprintf(p->reason, sizeof p->reason, "%.190s", reason);
}

static enum policy_result result_of(enum tls_fault f)
{
    switch (f) {
    case TLS_FAULT_NONE: return POLICY_SUCCESS;
    case TLS_FAULT_NAME: return POLICY_WRONG_HOST;
    case TLS_FAULT_EXPIRED: return POLICY_EXPIRED;
    case TLS_FAULT_UNTRUSTED: return POLICY_NOT_TRUSTED;
    case TLS_FAULT_OTHER: break;
    }
    return POLICY_FAILURE;
}

static void describe_tls(struct peer *p, const struct policy *ask)
{
    struct tls_info t;
    conn_tls_info(p->c, &t);
    if (ask->level == POLICY_ENCRYPTED) tell(p, POLICY_TLSA_INVALID, "no TLSA record can be used");
    else tell(p, result_of(t.fault), t.fault ? t.verify : "");
    bool sure = p->verified = strcmp(t.verify, "ok") == 0, dane = ask->level == POLICY_DANE;
    p->level = !sure ? POLICY_ENCRYPTED : dane ? POLICY_DANE : POLICY_PKIX;
    p->proved_by = ask->mark;
    if (sure && dane && ask->nalso)
        snprintf(p->proved_for, sizeof p->proved_for, "%.*s", SLF(sl_sub(ask->also[0], 0, 255)));
    snprintf(p->tls, sizeof p->tls, "%s %s, %s%.100s", t.version, t.cipher,
             !sure  ? "certificate not verified: "
             : dane ? "certificate proved by DANE"
                    : "certificate verified",
             sure ? "" : t.verify);
}

/* The name is also SNI: of the TLSA base (RFC 7672 section 8.1), of the MX host (RFC 8461 section 7.1). */
static struct tls_peer tls_for(const struct mx_host *host)
{
    static const enum tls_verify verify[] = {[POLICY_ANY] = TLS_VERIFY_NONE,
                                             [POLICY_ENCRYPTED] = TLS_VERIFY_NONE,
                                             [POLICY_PKIX] = TLS_VERIFY_PKIX,
                                             [POLICY_DANE] = TLS_VERIFY_DANE};
    const struct policy *ask = &host->policy;
    struct slice name = ask->base.n ? ask->base : host->name;
    return (struct tls_peer){.name = sl_starts(name, SL("[")) ? (struct slice){0} : name,
                             .verify = verify[ask->level],
                             .also = ask->also,
                             .nalso = ask->nalso,
                             .tlsa = ask->tlsa,
                             .ntlsa = ask->ntlsa};
}

/* 0, -1, or 1: TLS failed. */
static int start_tls(const struct relay_conf *conf, struct peer *p, struct arena *a,
                     const struct mx_host *host, struct verdict *why)
{
    struct smtp_reply r;
    conn_puts(p->c, "STARTTLS\r\n");
    if (expect(p, a, STARTTLS_TIME, 220, "while waiting for the answer to STARTTLS", &r, why) != 0) {
        if (!why->code || why->code == 421) return -1;
        snprintf(p->tls, sizeof p->tls, "not encrypted: STARTTLS was answered %d", why->code);
        tell(p, POLICY_NO_STARTTLS, p->tls);
        return 0;
    }
    /* what came in clear behind the answer must not count as said under TLS (RFC 3207 section 6) */
    int e = conn_peek(p->c).n ? err_set(ERR_TLS, "there were words behind the answer to STARTTLS") : 0;
    struct tls_peer to = tls_for(host);
    enum tls_fault fault = TLS_FAULT_NONE;
    to.fault = &fault;
    int64_t before = deadline_narrow(DEADLINE_IN(STARTTLS_TIME));
    if (!e) e = conn_tls_connect(p->c, conf->tls, &to);
    deadline_restore(before);
    if (e) {
        verdict_error(why, a, e, "while TLS was begun");
        if (e == ERR_TLS) tell(p, fault ? result_of(fault) : POLICY_FAILURE, err_text(e));
        return e == ERR_CANCELED ? -1 : 1;
    }
    describe_tls(p, &host->policy);
    e = hello(p, a, conf->hostname, why);
    return e && !why->code && !fiber_canceled() ? 1 : e; /* TLS 1.3 may fail only after the handshake */
}

static int dial(const struct relay_conf *conf, struct peer *p, struct arena *a, const struct endpoint *to,
                struct verdict *why)
{
    struct smtp_reply r;
    int64_t before = deadline_narrow(DEADLINE_IN(CONNECT_TIME));
    int e = conn_dial(&p->c, to, conf->source.family ? &conf->source : NULL);
    deadline_restore(before);
    if (e) {
        verdict_error(why, a, e, "");
        return -1;
    }
    return expect(p, a, GREETING_TIME, 220, "while waiting for the greeting", &r, why);
}

/* Where TLS is asked of the host there is no way but it. */
static int insist(const struct peer *p, struct arena *a, const struct policy *ask, int e, struct verdict *why)
{
    bool failed = e == 1, clear = !e && !conn_is_tls(p->c);
    if (ask->level == POLICY_ANY || (!failed && !clear)) return e;
    struct slice what = clear ? sl_cstr(p->tls) : why->text;
    verdict_set(why, ATTEMPT_TEMPORARY, clear ? "4.7.4" : "4.7.5",
                ar_printf(a, "the letter may go to %s over TLS alone, because %.*s; %.*s", p->host,
                          SLF(ask->why), SLF(what)));
    why->policy = true;
    return -1;
}

/* ---- login (RFC 4954) ---- */

static int say_secret(struct peer *p, struct arena *a, const char *before, struct slice secret, int want,
                      struct verdict *why)
{
    struct smtp_reply r;
    struct buf line = BUF_INIT;
    buf_str(&line, before);
    b64_encode(&line, secret);
    buf_str(&line, "\r\n");
    conn_write(p->c, buf_slice(&line));
    buf_free(&line);
    return expect(p, a, HELLO_TIME, want, "while logging in", &r, why);
}

/* PLAIN (RFC 4616), else LOGIN. Within TLS: route_parse() sees to that. A login that fails is for the
 * operator to mend. */
static int log_in(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    struct smtp_reply reply;
    int e = 0;
    if (!r || !r->user.n) return 0;
    if (p->auth & SMTP_AUTH_PLAIN) {
        struct buf both = BUF_INIT;
        buf_char(&both, 0), buf_put(&both, r->user), buf_char(&both, 0), buf_put(&both, r->password);
        e = say_secret(p, a, "AUTH PLAIN ", buf_slice(&both), 235, why);
        buf_free(&both);
    } else if (p->auth & SMTP_AUTH_LOGIN) {
        conn_puts(p->c, "AUTH LOGIN\r\n");
        e = expect(p, a, HELLO_TIME, 334, "while logging in", &reply, why);
        if (!e) e = say_secret(p, a, "", r->user, 334, why);
        if (!e) e = say_secret(p, a, "", r->password, 235, why);
    } else {
        verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8", SL("it offers neither PLAIN nor LOGIN"));
        e = -1;
    }
    if (!e || (!why->code && why->enhanced[2] != '7')) return e;
    struct slice text = why->text;
    verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8",
                ar_printf(a, "the login at %s as %.*s failed: %.*s", p->host, SLF(r->user), SLF(text)));
    why->policy = true;
    return -1;
}

int peer_open(const struct relay_conf *conf, const struct relay_route *route, struct arena *a,
              const struct mx_host *host, const struct ip *ip, bool use_tls, struct peer **out,
              struct verdict *why)
{
    char text[IP_TEXT_MAX];
    struct endpoint to = {.ip = *ip, .port = host->port ? host->port : conf->port};
    struct peer *p = xcalloc(1, sizeof *p);
    *out = p;
    list_init(&p->link);
    p->ip = *ip;
    p->lmtp = route && route->lmtp;
    bool none = host->path.n || (route && route->tls == ROUTE_TLS_NONE);
    if (host->path.n) {
        snprintf(to.path, sizeof to.path, "%.*s", SLF(host->path));
        snprintf(p->host, sizeof p->host, "%.*s", SLF(host->path));
    } else {
        snprintf(p->host, sizeof p->host, "%.*s [%s]:%u", SLF(host->name), ip_format(ip, text), to.port);
    }
    snprintf(p->tls, sizeof p->tls, "%s",
             none      ? "not encrypted: the route asks for none"
             : use_tls ? "not encrypted: not offered"
                       : "not encrypted: TLS failed");
    int e = dial(conf, p, a, &to, why);
    if (!e) e = hello(p, a, conf->hostname, why);
    if (!e && use_tls && !none && conf->tls && p->ext & SMTP_EXT_STARTTLS)
        e = start_tls(conf, p, a, host, why);
    if (!e && !p->told && !(p->ext & SMTP_EXT_STARTTLS)) tell(p, POLICY_NO_STARTTLS, "");
    e = insist(p, a, &host->policy, e, why);
    if (!e) e = log_in(p, a, route, why);
    p->degraded = !e && !none && conf->tls && p->ext & SMTP_EXT_STARTTLS && !conn_is_tls(p->c);
    return e;
}

void peer_close(struct peer **pp, bool wait)
{
    struct peer *p = *pp;
    if (!p) return;
    if (p->c && !conn_error(p->c) && !wait) conn_puts(p->c, "QUIT\r\n");
    if (p->c && !conn_error(p->c) && wait) {
        struct arena a = {0};
        struct smtp_reply r;
        conn_puts(p->c, "QUIT\r\n");
        if (peer_hear(p, &a, QUIT_TIME, &r) != 0) log_debug("relay", "%s: no answer to QUIT", p->host);
        ar_free(&a);
    }
    conn_close(&p->c);
    free(p);
    *pp = NULL;
}
