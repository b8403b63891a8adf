/* serve.c - listeners on every loop, one fiber for each session, care in the background. */
#include "serve.h"

#include <signal.h>
#include <stdlib.h>

#include "acme/acme.h"
#include "base/log.h"
#include "base/memory.h"
#include "command/control.h"
#include "command/watch.h"
#include "core/audit.h"
#include "core/certificate.h"
#include "core/config_judge.h"
#include "core/home.h"
#include "core/sending.h"
#include "core/upgrade.h"
#include "crypto/cert.h"
#include "httpd/httpd.h"
#include "imapd/imapd.h"
#include "policy/policy.h"
#include "popd/popd.h"
#include "proxy.h"
#include "queue/queue.h"
#include "report/dmarc_store.h"
#include "report/tlsrpt.h"
#include "rt/file.h"
#include "rt/notify.h"
#include "smtpd/smtpd.h"
#include "store/care.h"
#include "store/rescue.h"
#include "trace/trace.h"

enum service {
    SERVICE_MX,
    SERVICE_SUBMISSION,
    SERVICE_SUBMISSIONS,
    SERVICE_IMAP,
    SERVICE_IMAPS,
    SERVICE_POP3,
    SERVICE_POP3S,
    SERVICE_HTTP,
    SERVICE_HTTPS,
    SERVICE_CONTROL,
    SERVICE_PUBLIC, /* the control socket of every user */
    SERVICE_LMTP,
};
#define LMTP_PATH "lmtp" /* in the home: who runs the node may open it */

static const struct {
    uint16_t port;
    enum service service;
    const char *name;
} services[] = {
    {25, SERVICE_MX, "smtp"},
    {465, SERVICE_SUBMISSIONS, "submissions"},
    {587, SERVICE_SUBMISSION, "submission"},
    {143, SERVICE_IMAP, "imap"},
    {993, SERVICE_IMAPS, "imaps"},
    {110, SERVICE_POP3, "pop3"},
    {995, SERVICE_POP3S, "pop3s"},
    {80, SERVICE_HTTP, "http"},
    {443, SERVICE_HTTPS, "https"},
};

/* Descriptors that connections may not take: the index's tables and logs, packs that are kept open,
 * and what the relay needs to go on sending. */
enum { KEPT_FILES = 512, KEPT_DIALS = 128, LEAST_CONNECTIONS = 32 };
enum { DOORS_MAX = COUNT_OF(services) * LISTEN_MAX + 4 };
static const int64_t stop_grace = 20 * RT_S, sweep_every = 300 * RT_S, reports_every = 600 * RT_S,
                     certificate_every = 86400 * RT_S, memory_every = 10 * RT_S, images_every = 60 * RT_S,
                     policies_every = 3600 * RT_S, alerts_every = 600 * RT_S;
/* What the DNS shows is looked at each sixth time. */
enum { ALERTS_DNS_EACH = 6 };
/* Of the directory each time; of accounts each tenth time. */
enum { IMAGES_ALL_EACH = 10 };

struct door { /* one listener */
    struct listener *listener;
    enum service service;
    struct serving *serving;
};

struct serving {
    struct node *node;
    struct door door[DOORS_MAX];
    size_t ndoors;
    int visits[SERVICE_LMTP + 1]; /* at doors that the guard does not watch, on all loops */
};

/* What runs on one loop. */
struct on_loop {
    struct serving *s;
    struct group accepting, sessions;
    struct link strangers[2]; /* visits by door, the one of whom nothing came for longest first */
    struct completion stopped;
    struct waitq stop;
    bool stopping;
};

struct visit {        /* one accepted connection */
    struct link link; /* in strangers */
    struct serving *s;
    struct on_loop *l;
    struct conn *c;
    enum service service;
    struct guard_visit guard;
};

static void turn_away(struct visit *v, int e)
{
    static const char *const words[] = {
        [SERVICE_MX] = "421 ",
        [SERVICE_SUBMISSION] = "421 ",
        [SERVICE_IMAP] = "* BYE ",
        [SERVICE_POP3] = "-ERR [SYS/TEMP] ",
        [SERVICE_HTTP] =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
        [SERVICE_LMTP] = "421 ",
    };
    char peer[IP_TEXT_MAX];
    bool smtp = v->service == SERVICE_MX || v->service == SERVICE_SUBMISSION || v->service == SERVICE_LMTP;
    const char *code = !smtp ? "" : e == ERR_BUSY ? "4.3.2 " : "4.7.0 ";
    if ((size_t)v->service < COUNT_OF(words) && words[v->service])
        conn_printf(v->c, "%s%s%s\r\n", words[v->service], code, err_text(e));
    log_warn("serve", "turned %s away: %s", ip_format(&conn_peer(v->c)->ip, peer), err_text(e));
    conn_close(&v->c);
}

static void run_session(struct visit *v)
{
    struct node *n = v->s->node;
    switch (v->service) {
    case SERVICE_MX: smtpd_session(n->smtpd, SMTPD_MX, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_SUBMISSION:
        smtpd_session(n->smtpd, SMTPD_SUBMISSION, v->c, &v->l->sessions, &v->guard);
        break;
    case SERVICE_SUBMISSIONS:
        smtpd_session(n->smtpd, SMTPD_SUBMISSIONS, v->c, &v->l->sessions, &v->guard);
        break;
    case SERVICE_IMAP: imapd_session(n->imapd, false, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_IMAPS: imapd_session(n->imapd, true, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_POP3: popd_session(n->popd, false, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_POP3S: popd_session(n->popd, true, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_HTTP: httpd_session(n->httpd, true, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_HTTPS: httpd_session(n->httpd, false, v->c, &v->l->sessions, &v->guard); break;
    case SERVICE_CONTROL: control_session(&n->core, v->c, false); break;
    case SERVICE_PUBLIC: control_session(&n->core, v->c, true); break;
    case SERVICE_LMTP: smtpd_session(n->smtpd, SMTPD_LMTP, v->c, &v->l->sessions, NULL); break;
    }
}

/* A session that parks ends its fiber while the connection lives: the visit ends with the connection. */
static void visit_ends(void *arg)
{
    struct visit *v = arg;
    __atomic_sub_fetch(&v->s->visits[v->service], 1, __ATOMIC_RELAXED);
    guard_leave(&v->guard);
    list_remove(&v->link);
    free(v);
}

/* ---- who gives way when there is no place for who comes ---- */

enum { GIVE_WAY_TRIES = 256, COME_IN_TRIES = 8 };

static bool one_gives_way(struct link *strangers)
{
    for (int i = 0; i < GIVE_WAY_TRIES && !list_empty(strangers); i++) {
        struct visit *old = CONTAINER_OF(list_shift(strangers), struct visit, link);
        if (old->guard.known || old->guard.gave_way) continue; /* no stranger any more, or on its way out */
        if (!old->guard.fruitful && !guard_in_letter(&old->guard) && conn_hurry(old->c)) {
            guard_give_way(&old->guard);
            return true;
        }
        old->guard.fruitful = false;
        list_push(strangers, &old->link); /* something came of it, or it is at work, or amid a letter */
    }
    return false;
}

/* Each loop asks its own, for nobody else may touch them; connections come to all loops alike. First those at
 * the same door, of which there may be enough for the other; nobody goes for nothing. */
static int come_in(struct visit *v)
{
    enum guard_door door = v->service == SERVICE_MX ? GUARD_WORLD : GUARD_USERS;
    struct guard *g = v->s->node->core.guard;
    const struct ip *ip = &conn_peer(v->c)->ip;
    int e = guard_enter(g, &v->guard, ip, door);
    for (int i = 0; e == ERR_LIMIT && v->guard.full && i < COME_IN_TRIES; i++) {
        if (!one_gives_way(&v->l->strangers[door]) &&
            (v->guard.full != GUARD_FULL_ALL || !one_gives_way(&v->l->strangers[!door])))
            break;
        e = guard_enter(g, &v->guard, ip, door); /* who came on another loop may have been there first */
    }
    if (!e) list_push(&v->l->strangers[door], &v->link);
    return e;
}

/* Who comes through a proxy that is listed is who the proxy says; one that says nothing is not served. */
static bool pass_proxy(struct visit *v)
{
    const struct config *c = v->s->node->core.conf;
    const struct endpoint *peer = conn_peer(v->c);
    char text[IP_TEXT_MAX];
    if (v->service >= SERVICE_CONTROL || !config_lists(c->proxy_from, c->nproxy_from, &peer->ip)) return true;
    int e = proxy_take(v->c);
    if (e)
        log_warn("serve", "the proxy %s says nothing of its client: %s", ip_format(&peer->ip, text),
                 err_text(e));
    return e == 0;
}

static bool are_too_many(struct visit *v)
{
    int now = __atomic_add_fetch(&v->s->visits[v->service], 1, __ATOMIC_RELAXED);
    return (v->service == SERVICE_PUBLIC && now > CONTROL_PUBLIC_MAX) ||
           (v->service == SERVICE_LMTP && now > SERVE_LMTP_MAX);
}

static void visit_fiber(void *arg)
{
    struct visit *v = arg;
    int e = 0;
    conn_on_close(v->c, visit_ends, v);
    if (are_too_many(v)) {
        if (v->service == SERVICE_LMTP)
            turn_away(v, err_set(ERR_BUSY, "too many connections at this moment: try again later"));
        else conn_close(&v->c);
        return;
    }
    if (!pass_proxy(v)) {
        conn_close(&v->c);
        return;
    }
    if (v->service < SERVICE_CONTROL)
        e = memory_over()
                ? err_set(ERR_BUSY,
                          "there is no memory to spare for a session at this moment; try again later")
                : come_in(v);
    if (!e) run_session(v);
    else turn_away(v, e);
}

struct accepting {
    struct on_loop *l;
    struct door *door;
};

static void accept_fiber(void *arg)
{
    struct accepting *a = arg;
    struct conn *c;
    while (listener_accept(a->door->listener, &c) == 0) {
        struct visit *v = xcalloc(1, sizeof *v);
        *v = (struct visit){.s = a->l->s, .l = a->l, .c = c, .service = a->door->service};
        list_init(&v->link);
        if (group_go(&a->l->sessions, "session", visit_fiber, v)) {
            log_warn("serve", "no room for another session: the connection is closed");
            conn_close(&c);
            free(v);
        }
    }
    free(a);
}

/* ---- doors ---- */

static int open_door(struct serving *s, const struct endpoint *at, enum service service)
{
    struct door *d = &s->door[s->ndoors];
    int e = listener_open(&d->listener, at);
    if (e) return e;
    d->service = service;
    d->serving = s;
    s->ndoors++;
    return 0;
}

static int open_public_door(struct serving *s)
{
    int e = control_public_folder();
    return e ? e
             : open_door(s, &(struct endpoint){.path = CONTROL_PUBLIC_PATH, .everyone = true},
                         SERVICE_PUBLIC);
}

static int each_port(const struct config *c, struct serving *s,
                     int (*fn)(struct serving *s, const struct endpoint *at, enum service service))
{
    int e = 0;
    for (size_t i = 0; i < c->nlisten; i++)
        for (size_t k = 0; !e && k < COUNT_OF(services); k++) {
            if (!c->http && services[k].service >= SERVICE_HTTP) continue;
            struct endpoint at = {.ip = c->listen[i], .port = (uint16_t)(services[k].port + c->port_offset)};
            e = fn(s, &at, services[k].service);
            /* A machine without IPv6 is no reason not to serve the default addresses. */
            if (e == ERR_UNREACHABLE && ip_is_unspecified(&at.ip) && at.ip.family == 6) e = 0;
        }
    return e;
}

static int open_doors(struct serving *s, bool control)
{
    const struct config *c = s->node->core.conf;
    int e = 0;
    if (control) e = open_door(s, &(struct endpoint){.path = CONTROL_PATH}, SERVICE_CONTROL);
    if (control && !e && c->local_users) e = open_public_door(s);
    if (control && !e) e = open_door(s, &(struct endpoint){.path = LMTP_PATH}, SERVICE_LMTP);
    if (!e && c->lmtp_listen.port) e = open_door(s, &c->lmtp_listen, SERVICE_LMTP);
    if (!e) e = each_port(c, s, open_door);
    if (!e) listener_rest();
    return e;
}

static int reserve_port(struct serving *s, const struct endpoint *at, enum service service)
{
    (void)s, (void)service;
    return listener_reserve(at);
}

int serve_reserve(const struct config *c)
{
    int e = c->lmtp_listen.port ? listener_reserve(&c->lmtp_listen) : 0;
    return e ? e : each_port(c, NULL, reserve_port);
}

static void close_doors(struct serving *s)
{
    for (size_t i = 0; i < s->ndoors; i++) listener_close(&s->door[i].listener);
}

/* ---- one loop ---- */

static void loop_fiber(struct on_loop *l)
{
    for (size_t i = 0; i < l->s->ndoors; i++) {
        struct accepting *a = xmalloc(sizeof *a);
        *a = (struct accepting){l, &l->s->door[i]};
        if (group_go(&l->accepting, "accept", accept_fiber, a)) free(a);
    }
    while (!l->stopping && waitq_wait(&l->stop) == 0) continue;
    group_cancel(&l->accepting);
    (void)group_wait(&l->accepting);
    int64_t before = deadline_narrow(DEADLINE_IN(stop_grace));
    group_cancel(&l->sessions);
    (void)group_wait(&l->sessions);
    deadline_restore(before);
}

static int loop_main(void *arg)
{
    loop_fiber(arg);
    return 0;
}

static int stop_loop(void *arg)
{
    struct on_loop *l = arg;
    l->stopping = true;
    waitq_wake_all(&l->stop);
    return 0;
}

struct loop_child {
    struct on_loop *l;
    int loop;
};

static void loop_child_fiber(void *arg)
{
    struct loop_child *c = arg;
    (void)rt_call(c->loop, loop_main, c->l);
    free(c);
}

/* ---- care in the background ---- */

static void sweep_once(struct core *core)
{
    struct sweep_report rep;
    struct care_queue queue = queue_care(core->queue);
    int e = store_sweep(core->store, &queue, 600, 8 << 20, &rep);
    if (e && e != ERR_CANCELED && e != ERR_BUSY)
        log_warn("care", "the sweep of message bodies stopped: %s", err_text(e));
    else if (!e && rep.dropped + rep.compacted)
        log_info("care", "gave %llu bytes of deleted mail back to the disk",
                 (unsigned long long)rep.bytes_freed);
    if (!e && rep.damaged)
        log_warn("care",
                 "%llu rows of the index cannot be read: %llu files of bodies are kept for them; `tram "
                 "verify` names them",
                 (unsigned long long)rep.damaged, (unsigned long long)rep.kept);
}

static void send_tls_reports(struct core *core, struct slice domain)
{
    struct tlsrpt_sent sent;
    int e = core->conf->tls_reports ? tlsrpt_send(core->tls_reports, domain, false, &sent) : 0;
    if (!e) e = tlsrpt_expire(core->tls_reports);
    if (e && e != ERR_CANCELED && e != ERR_BUSY)
        log_warn("care", "TLS reports could not be sent: %s", err_text(e));
}

/* At start for the days missed, then when a day is over. */
static bool send_reports(struct core *core)
{
    struct arena a;
    struct dmarc_sent sent = {0};
    ar_init(&a, 0);
    struct slice domain = core_domain(core, &a);
    int e = core->conf->dmarc_reports
                ? dmarc_store_send(core->reports, domain.n ? domain : core->conf->hostname, false, &sent)
                : 0;
    if (!e) e = dmarc_store_expire(core->reports);
    send_tls_reports(core, domain.n ? domain : core->conf->hostname);
    if (e && e != ERR_CANCELED && e != ERR_BUSY)
        log_warn("care", "DMARC reports could not be sent: %s", err_text(e));
    ar_free(&a);
    return !sent.later;
}

static void reports_fiber(void *arg)
{
    int e = 0;
    while (!e) e = fiber_sleep(send_reports(arg) ? reports_every : 6 * reports_every);
}

/* BLOCKS. */
static int tell_certificate(void *arg)
{
    struct core *core = arg;
    struct arena a;
    struct cert_finding *f;
    enum cert_grade worst;
    size_t n = 0;
    ar_init(&a, 0);
    int e = home_judge_certificate(core->conf, &a, &f, &n, &worst);
    if (e) log_error("serve", "the certificate cannot be read: %s", err_text(e));
    for (size_t i = 0; !e && i < n; i++)
        if (f[i].grade == CERT_WARN) log_warn("serve", "%.*s", SLF(f[i].sentence));
        else if (f[i].grade > CERT_WARN) log_error("serve", "%.*s", SLF(f[i].sentence));
    ar_free(&a);
    return 0;
}

/* BLOCKS. */
static int forget_snapshot(void *arg)
{
    bool was;
    (void)arg;
    int e = home_snapshot_forget(false, &was);
    if (e) log_warn("care", "the store of before the upgrade cannot be removed: %s", err_text(e));
    else if (was) log_info("care", "the store of before the upgrade is removed after %d days", SNAPSHOT_DAYS);
    return 0;
}

static void tell_settings(const struct config *c)
{
    struct arena a;
    ar_init(&a, 0);
    struct config_finding *f = ar_array(&a, struct config_finding, CONFIG_FINDINGS_MAX);
    size_t n = config_judge(c, &a, f);
    for (size_t i = 0; i < n; i++)
        if (f[i].wrong) log_error("serve", "tram.conf: %.*s", SLF(f[i].sentence));
        else log_warn("serve", "tram.conf: %.*s", SLF(f[i].sentence));
    ar_free(&a);
}

static void daily_fiber(void *arg)
{
    const struct core *core = arg;
    tell_settings(core->conf);
    do {
        /* Not at the start: a clock that is wrong then must not cost the way back. */
        if (rt_wall_seconds() - core->started >= 86000) (void)offload_on(POOL_CARE, forget_snapshot, NULL);
        offload(tell_certificate, arg);
        int e = audit_care(((struct core *)arg)->audit);
        if (e && e != ERR_CANCELED) log_warn("care", "old rows of the audit stay: %s", err_text(e));
    } while (fiber_sleep(certificate_every) == 0);
}

static void alerts_fiber(void *arg)
{
    for (unsigned i = 1; fiber_sleep(alerts_every) == 0; i++) {
        int e = watch_node(arg, i % ALERTS_DNS_EACH == 0);
        if (e && e != ERR_CANCELED) log_warn("alert", "%s", err_text(e));
    }
}

static void care_fiber(void *arg)
{
    struct core *core = arg;
    while (fiber_sleep(sweep_every) == 0) {
        sweep_once(core);
        int e = guard_care(core->guard);
        if (e && e != ERR_CANCELED)
            log_warn("care", "what the guard keeps could not be looked through: %s", err_text(e));
        e = allowance_care(core->allowance);
        if (e && e != ERR_CANCELED)
            log_warn("care", "what accounts have sent could not be looked through: %s", err_text(e));
        e = trace_expire(core->store->trace, (int)(core->conf->trace_keep_s / 86400));
        if (e && e != ERR_CANCELED)
            log_warn("care", "old trace events could not be removed: %s", err_text(e));
    }
}

static void images_fiber(void *arg)
{
    struct core *core = arg;
    struct images_report rep;
    for (unsigned i = 0; fiber_sleep(images_every) == 0; i++) {
        enum images_of which = i % IMAGES_ALL_EACH ? IMAGES_OF_DIRECTORY : IMAGES_OF_ALL;
        int e = images_write(core->store, which, true, &rep);
        if (e && e != ERR_CANCELED && e != ERR_BUSY)
            log_warn("care", "images of the index could not be written: %s", err_text(e));
    }
}

static void policies_fiber(void *arg)
{
    struct core *core = arg;
    while (fiber_sleep(policies_every) == 0) {
        int e = sts_refresh(core->sts);
        if (e && e != ERR_CANCELED)
            log_warn("care", "policies of other domains could not be refreshed: %s", err_text(e));
    }
}

static int give_back(void *arg)
{
    (void)arg;
    memory_give_back();
    return 0;
}

static void memory_fiber(void *arg)
{
    while (fiber_sleep(memory_every) == 0) (void)offload_on(POOL_CARE, give_back, arg);
}

static int serve_other(void *arg, const struct acme_kept *k)
{
    const struct node *n = arg;
    int e = k->chain_pem.n ? tls_server_add_cert(n->tls_server, k->chain_pem, k->key_pem) : 0;
    if (e || (!k->chain_pem.n && k->why.n && !k->failures))
        log_error("serve", "the certificate for %.*s cannot be served: %.*s", SLF(k->name),
                  SLF(e ? sl_cstr(err_text(e)) : k->why));
    return 0;
}

/* Those of names of others, beside the node's. */
static void serve_others(struct node *n)
{
    int e = n->core.acme ? acme_each(n->core.store->kv, serve_other, n) : 0;
    if (e) log_error("serve", "certificates of customers' hosts cannot be read: %s", err_text(e));
}

static void read_certificate(struct node *n)
{
    struct slice certificate, key;
    struct arena a;
    ar_init(&a, 0);
    int e = core_certificate(&n->core, &a, &certificate, &key);
    struct slice what = {0};
    if (!e) e = cert_describe(&a, certificate, &what);
    if (!e) e = tls_server_set_cert(n->tls_server, certificate, key);
    if (!e) serve_others(n);
    if (e) log_error("serve", "the certificate is not changed: %s", err_text(e));
    else log_info("serve", "the certificate is now %.*s; a changed tram.conf needs a restart", SLF(what));
    if (!e) offload(tell_certificate, &n->core);
    e = node_client_authorities(n);
    if (e) log_error("serve", "the authorities of clients are not changed: %s", err_text(e));
    ar_free(&a);
}

/* The authority's new one. */
static void certificate_changed(void *arg, struct slice name, struct slice chain, struct slice key)
{
    struct node *n = arg;
    int e = name.n ? tls_server_add_cert(n->tls_server, chain, key)
                   : tls_server_set_cert(n->tls_server, chain, key);
    if (e) log_error("serve", "the authority's certificate cannot be served: %s", err_text(e));
    else if (name.n) sending_certified(&n->core, name);
    else serve_others(n);
}

static void reload(struct node *n)
{
    notify_reloading();
    read_certificate(n);
    notify_say("READY=1");
}

static void wait_for_end(struct node *n)
{
    int signo;
    while ((signo = rt_wait_signal()) == SIGHUP) reload(n);
    if (signo > 0) log_info("serve", "stopping: signal %d", signo);
    notify_say("STOPPING=1");
}

/* As many connections as the open files that are allowed are enough for. */
static int set_guard(struct core *core)
{
    size_t wanted = core->conf->connections_max, possible;
    int e = rt_reserve(KEPT_FILES + dns_files_max(), KEPT_DIALS, LEAST_CONNECTIONS, &possible);
    if (e) return e;
    if (possible < wanted)
        log_warn("serve", "connections_max is %zu, but the limit of open files is enough for %zu connections",
                 wanted, possible);
    struct guard_conf conf = {.connections = wanted < possible ? wanted : possible,
                              .per_network = core->conf->connections_per_address};
    guard_limit(core->guard, &conf);
    return 0;
}

int serve(struct node *n, bool control, void (*ready)(void *), void *arg)
{
    struct serving *s = xcalloc(1, sizeof *s);
    s->node = n;
    int e = set_guard(&n->core), loops = rt_loops();
    if (!e) e = open_doors(s, control);
    struct on_loop *l = xcalloc((size_t)loops, sizeof *l);
    struct group loops_group, care;
    group_init(&loops_group);
    group_init(&care);
    for (int i = 0; !e && i < loops; i++) {
        l[i].s = s;
        group_init(&l[i].accepting);
        list_init(&l[i].strangers[GUARD_WORLD]);
        list_init(&l[i].strangers[GUARD_USERS]);
        group_init(&l[i].sessions);
        waitq_init(&l[i].stop);
        struct loop_child *c = xmalloc(sizeof *c);
        *c = (struct loop_child){&l[i], i};
        e = group_go(&loops_group, "loop", loop_child_fiber, c);
    }
    if (!e) e = group_go(&care, "care", care_fiber, &n->core);
    if (!e) e = group_go(&care, "images", images_fiber, &n->core);
    if (!e) e = group_go(&care, "daily", daily_fiber, &n->core);
    if (!e) e = group_go(&care, "reports", reports_fiber, &n->core);
    if (!e) e = group_go(&care, "policies", policies_fiber, &n->core);
    if (!e) e = group_go(&care, "sending", sending_keep, &n->core);
    if (!e) e = group_go(&care, "fullness", intake_full_keep, n->core.intake);
    if (!e && (n->core.conf->alert_mail || n->core.conf->alert_webhook.n))
        e = group_go(&care, "alerts", alerts_fiber, &n->core);
    if (!e) e = group_go(&care, "memory", memory_fiber, NULL);
    if (!e) serve_others(n);
    if (!e && n->core.acme) acme_on_change(n->core.acme, certificate_changed, n);
    if (!e && n->core.acme) acme_on_first(n->core.acme, core_certificate_of_files, &n->core);
    if (!e && n->core.acme && n->core.conf->http) acme_serve_tls(n->core.acme, n->tls_server);
    if (!e && n->core.acme) e = group_go(&care, "acme", acme_keep, n->core.acme);
    if (!e && n->core.acme) e = group_go(&care, "acme", acme_keep_others, n->core.acme);
    if (!e) e = group_go(&care, "watchdog", notify_watchdog, NULL);
    if (!e) {
        ready(arg);
        wait_for_end(n);
    }
    group_cancel(&care);
    (void)group_wait(&care);
    for (int i = 0; i < loops; i++)
        if (l[i].s) (void)rt_call(i, stop_loop, &l[i]); /* not rt_post: l must outlive it */
    while (group_wait(&loops_group)) continue;
    close_doors(s);
    free(l);
    free(s);
    return e;
}
