/* peer.c - a session with another server: connection, greeting, EHLO, STARTTLS, login
 * (RFC 5321 section 3.1, 3.2, RFC 3207; opportunistic as RFC 7435 has it). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "relay_i.h"

/* RFC 5321 section 4.5.3.2 */
#define GREETING_TIME (300 * RT_S)
#define HELLO_TIME (300 * RT_S)
#define STARTTLS_TIME (120 * RT_S)
#define QUIT_TIME (2 * RT_S)

/* ---- the steps of opening ---- */

static int hello(struct peer *p, struct arena *a, struct slice hostname, struct verdict *why)
{
    struct smtp_reply r;
    struct smtp_ehlo caps = {0};
    peer_say(p, ar_printf(a, "%s %.*s\r\n", p->lmtp ? "LHLO" : "EHLO", SLF(hostname)));
    if (peer_expect(p, a, HELLO_TIME, 250, "while waiting for the answer to EHLO", &r, why) == 0) {
        smtp_ehlo_parse(&r, &caps);
    } else if (why->code / 100 == 5 && !p->lmtp) { /* RFC 5321 section 3.2: an old server */
        peer_say(p, ar_printf(a, "HELO %.*s\r\n", SLF(hostname)));
        if (peer_expect(p, a, HELLO_TIME, 250, "while waiting for the answer to HELO", &r, why) != 0)
            return -1;
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
static struct tls_peer tls_for(const struct mx_host *host, const struct relay_route *route)
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
                             .ntlsa = ask->ntlsa,
                             .show = route ? route->certificate : (struct slice){0}};
}

/* 0, -1, or 1: TLS failed. */
static int start_tls(const struct relay_conf *conf, struct peer *p, struct arena *a,
                     const struct mx_host *host, const struct relay_route *route, struct verdict *why)
{
    struct smtp_reply r;
    peer_say(p, SL("STARTTLS\r\n"));
    if (peer_expect(p, a, STARTTLS_TIME, 220, "while waiting for the answer to STARTTLS", &r, why) != 0) {
        if (!why->code || why->code == 421) return -1;
        snprintf(p->tls, sizeof p->tls, "not encrypted: STARTTLS was answered %d", why->code);
        tell(p, POLICY_NO_STARTTLS, p->tls);
        return 0;
    }
    /* what came in clear behind the answer must not count as said under TLS (RFC 3207 section 6) */
    int e = conn_peek(p->c).n ? err_set(ERR_TLS, "there were words behind the answer to STARTTLS") : 0;
    struct tls_peer to = tls_for(host, route);
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

#define AT_ONCE (10 * RT_S) /* a connection that ends sooner was ended by somebody */

static int dial(const struct relay_conf *conf, struct peer *p, struct arena *a, const struct peer_to *to,
                struct verdict *why)
{
    struct smtp_reply r;
    struct endpoint at = {.ip = *to->ip, .port = to->host->port ? to->host->port : conf->port};
    snprintf(at.path, sizeof at.path, "%.*s", SLF(to->host->path));
    p->c = to->c;
    if (p->c && conf->via && conf->via->via == VIA_SOCKS5) p->via = VIA_WORKS; /* it said that it connected */
    int64_t begun = rt_now(), before = deadline_narrow(DEADLINE_IN(PEER_CONNECT_TIME));
    int e = p->c ? 0 : via_dial(conf, &at, &p->c, &p->via);
    deadline_restore(before);
    if (e) {
        verdict_error(why, a, e, "");
        why->cut = p->via == VIA_CUT;
        return -1;
    }
    e = peer_expect(p, a, GREETING_TIME, 220, "while waiting for the greeting", &r, why);
    if (conf->via && (!e || why->code)) p->via = VIA_WORKS;
    why->unheard = conf->via && p->via == VIA_UNKNOWN && rt_now() - begun < AT_ONCE && !fiber_canceled();
    return e;
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

void peer_name(const struct relay_conf *conf, const struct mx_host *host, const struct ip *ip,
               char out[PEER_HOST_MAX])
{
    char text[IP_TEXT_MAX];
    if (host->path.n) snprintf(out, PEER_HOST_MAX, "%.*s", SLF(host->path));
    else
        snprintf(out, PEER_HOST_MAX, "%.*s [%s]:%u", SLF(host->name), ip_format(ip, text),
                 host->port ? host->port : conf->port);
}

int peer_open(const struct relay_conf *conf, const struct relay_route *route, struct arena *a,
              const struct peer_to *to, bool use_tls, struct peer **out, struct verdict *why)
{
    const struct mx_host *host = to->host;
    struct peer *p = xcalloc(1, sizeof *p);
    *out = p;
    list_init(&p->link);
    p->ip = *to->ip;
    p->lmtp = route && route->lmtp;
    bool none = host->path.n || (route && route->tls == ROUTE_TLS_NONE);
    peer_name(conf, host, to->ip, p->host);
    peer_serves(p, to->domain);
    snprintf(p->tls, sizeof p->tls, "%s",
             none      ? "not encrypted: the route asks for none"
             : use_tls ? "not encrypted: not offered"
                       : "not encrypted: TLS failed");
    int e = dial(conf, p, a, to, why);
    if (!e) e = hello(p, a, conf->hostname, why);
    if (!e && use_tls && !none && conf->tls && p->ext & SMTP_EXT_STARTTLS)
        e = start_tls(conf, p, a, host, route, why);
    if (!e && !p->told && !(p->ext & SMTP_EXT_STARTTLS)) tell(p, POLICY_NO_STARTTLS, "");
    e = insist(p, a, &host->policy, e, why);
    if (!e && route) e = peer_log_in(p, a, route, why);
    p->degraded = !e && !none && conf->tls && p->ext & SMTP_EXT_STARTTLS && !conn_is_tls(p->c);
    return e;
}

void peer_close(struct peer **pp, bool wait)
{
    struct peer *p = *pp;
    if (!p) return;
    if (p->c && !conn_error(p->c) && !wait) peer_say(p, SL("QUIT\r\n"));
    if (p->c && !conn_error(p->c) && wait) {
        struct arena a = {0};
        struct smtp_reply r;
        peer_say(p, SL("QUIT\r\n"));
        if (peer_hear(p, &a, QUIT_TIME, &r) != 0) log_debug("relay", "%s: no answer to QUIT", p->host);
        ar_free(&a);
    }
    peer_ends(p);
    conn_close(&p->c);
    free(p);
    *pp = NULL;
}
