/* cmd_tls.c - tls probe: what TLS a letter to a domain would go over, and why; tls report: how others fared
 * with us; tls send-reports. */
#include "base/civil.h"
#include "base/text.h"
#include "cmd.h"
#include "core/home.h"
#include "relay/probe.h"
#include "report/tlsrpt.h"

static const char *level_word(const struct policy *p)
{
    static const char *const words[] = {[POLICY_ANY] = "opportunistic",
                                        [POLICY_ENCRYPTED] = "encrypted",
                                        [POLICY_PKIX] = "certificate",
                                        [POLICY_DANE] = "dane"};
    return p->shut ? "passed over" : words[p->level];
}

static json_t *records_json(const struct policy *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->ntlsa; i++) {
        struct buf b = BUF_INIT;
        buf_printf(&b, "%u %u %u ", p->tlsa[i].usage, p->tlsa[i].selector, p->tlsa[i].matching);
        hex_encode(&b, p->tlsa[i].data);
        json_array_append_new(list, text_value(buf_slice(&b)));
        buf_free(&b);
    }
    return list;
}

static json_t *host_json(const struct relay_host *h)
{
    char ip[IP_TEXT_MAX];
    json_t *o = json_object(), *addresses = json_array();
    reply_text(o, "host", h->name);
    reply_int(o, "preference", h->preference);
    for (size_t i = 0; i < h->n; i++) json_array_append_new(addresses, json_string(ip_format(&h->ip[i], ip)));
    json_object_set_new(o, "addresses", addresses);
    json_object_set_new(o, "dnssec", json_boolean(h->secure));
    reply_text(o, "tls", sl_cstr(level_word(&h->policy)));
    reply_text(o, "why", h->policy.why);
    if (h->policy.ntlsa) json_object_set_new(o, "tlsa", records_json(&h->policy));
    if (h->tried) json_object_set_new(o, "good", json_boolean(h->good));
    if (h->tried) reply_text(o, "session", h->session);
    return o;
}

static json_t *policy_json(const struct sts_found *f)
{
    json_t *o = json_object(), *mx = json_array();
    json_object_set_new(o, "holds", json_boolean(f->known));
    if (f->trouble) reply_text(o, "trouble", f->why);
    if (f->known) {
        reply_text(o, "mode", sl_cstr(mta_sts_mode_name(f->policy.mode)));
        reply_text(o, "id", f->id);
        reply_int(o, "fetched", f->fetched);
        reply_int(o, "until", f->expires);
        for (size_t i = 0; i < f->policy.nmx; i++) json_array_append_new(mx, text_value(f->policy.mx[i]));
        json_object_set_new(o, "mx", mx);
    } else {
        json_decref(mx);
    }
    return o;
}

/* Mail for a domain of this node does not leave. */
static int not_here(struct request *r, struct slice domain)
{
    bool here;
    struct slice ascii;
    if (dns_to_ascii(r->a, domain, &ascii) != 0) return 0; /* the probe says what is wrong with it */
    int e = domain_is_local(r->core->store->directory, ascii, &here);
    if (e || !here) return e;
    return err_set(ERR_STATE,
                   "%.*s is a domain of this server: mail for it is delivered here and goes over no TLS",
                   SLF(domain));
}

int run_tls_probe(struct request *r)
{
    struct relay_conf conf;
    struct relay_probe p;
    core_relay(r->core, r->a, &conf);
    int e = not_here(r, arg_slice(r->args, "domain"));
    if (!e) e = home_tls_client(r->core->conf, &conf.tls);
    if (e) return e;
    e = home_routes(r->core->conf, r->a, &conf);
    if (!e) e = relay_probe(&conf, r->a, arg_slice(r->args, "domain"), arg_flag(r->args, "connect"), &p);
    tls_free(&conf.tls);
    if (e) return e;
    json_t *hosts = json_array();
    for (size_t i = 0; i < p.n; i++) json_array_append_new(hosts, host_json(&p.host[i]));
    if (p.route) reply_text(r->reply, "route", p.n ? p.host[0].name : SL(""));
    json_object_set_new(r->reply, "dnssec", json_boolean(p.secure));
    json_object_set_new(r->reply, "mta_sts", policy_json(&p.sts));
    json_object_set_new(r->reply, "hosts", hosts);
    return 0;
}

static void print_policy(json_t *o, struct buf *out)
{
    size_t i;
    json_t *mx;
    char until[CIVIL_TEXT_MAX];
    if (!arg_flag(o, "holds")) buf_str(out, "MTA-STS: no policy");
    else
        buf_printf(out, "MTA-STS: a policy with mode %s until %s for", arg_text(o, "mode"),
                   civil_format(arg_number(o, "until"), until));
    json_array_foreach(json_object_get(o, "mx"), i, mx) buf_printf(out, " %s", json_string_value(mx));
    if (*arg_text(o, "trouble")) buf_printf(out, "; the one that is announced %s", arg_text(o, "trouble"));
    buf_char(out, '\n');
}

void print_tls_probe(json_t *args, json_t *reply, struct buf *out)
{
    size_t i, k;
    json_t *h, *x;
    if (*arg_text(reply, "route"))
        buf_printf(out, "%s: a route of tram.conf leads to %s\n", arg_text(args, "domain"),
                   arg_text(reply, "route"));
    else
        buf_printf(out, "%s: DNSSEC %s which hosts take its mail\n", arg_text(args, "domain"),
                   arg_flag(reply, "dnssec") ? "proves" : "does not prove");
    print_policy(json_object_get(reply, "mta_sts"), out);
    json_array_foreach(json_object_get(reply, "hosts"), i, h) {
        buf_printf(out, "%5lld %s (", (long long)arg_number(h, "preference"), arg_text(h, "host"));
        json_array_foreach(json_object_get(h, "addresses"), k, x)
            buf_printf(out, "%s%s", k ? ", " : "", json_string_value(x));
        buf_printf(out, "): %s: %s\n", arg_text(h, "tls"), arg_text(h, "why"));
        json_array_foreach(json_object_get(h, "tlsa"), k, x)
            buf_printf(out, "      TLSA %s\n", json_string_value(x));
        if (*arg_text(h, "session"))
            buf_printf(out, "      %s: %s\n", arg_flag(h, "good") ? "a session" : "no session",
                       arg_text(h, "session"));
    }
    buf_str(out,
            "dane: only with a certificate that matches the TLSA records; certificate: only with one of an "
            "authority for the host; encrypted: only over TLS; opportunistic: over TLS where it works, else "
            "in clear\n");
}

/* ---- reports ---- */

static json_t *failure_json(const struct tlsrpt_failure *f)
{
    json_t *o = json_object();
    reply_text(o, "result", f->result);
    reply_int(o, "sessions", (int64_t)f->count);
    reply_text(o, "policy", f->kind);
    reply_text(o, "host", f->host);
    if (f->reason.n) reply_text(o, "reason", f->reason);
    if (f->sender.n) reply_text(o, "from", f->sender);
    return o;
}

int run_tls_report(struct request *r)
{
    struct tlsrpt_history h;
    int64_t days = arg_number(r->args, "days");
    int e = tlsrpt_read(r->core->tls_reports, r->a, arg_slice(r->args, "domain"),
                        rt_wall_seconds() - days * 86400, &h);
    if (e) return e;
    json_t *reporters = json_array(), *failures = json_array();
    for (size_t i = 0; i < h.nreporter; i++) json_array_append_new(reporters, text_value(h.reporter[i]));
    for (size_t i = 0; i < h.n; i++) json_array_append_new(failures, failure_json(&h.failure[i]));
    reply_int(r->reply, "days", days);
    reply_int(r->reply, "reports", (int64_t)h.reports);
    reply_int(r->reply, "good_sessions", (int64_t)h.good);
    reply_int(r->reply, "failed_sessions", (int64_t)h.bad);
    reply_int(r->reply, "first", h.first);
    reply_int(r->reply, "last", h.last);
    json_object_set_new(r->reply, "reporters", reporters);
    json_object_set_new(r->reply, "failures", failures);
    return 0;
}

void print_tls_report(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *f;
    char from[CIVIL_TEXT_MAX], to[CIVIL_TEXT_MAX];
    if (!arg_number(reply, "reports")) {
        buf_printf(out, "No TLS report about %s came in the last %lld days.\n", arg_text(args, "domain"),
                   (long long)arg_number(reply, "days"));
        return;
    }
    buf_printf(out, "%lld reports about %s, %s to %s: %lld sessions were good, %lld failed. From",
               (long long)arg_number(reply, "reports"), arg_text(args, "domain"),
               civil_format(arg_number(reply, "first"), from), civil_format(arg_number(reply, "last"), to),
               (long long)arg_number(reply, "good_sessions"),
               (long long)arg_number(reply, "failed_sessions"));
    json_array_foreach(json_object_get(reply, "reporters"), i, f)
        buf_printf(out, "%s %s", i ? "," : "", json_string_value(f));
    buf_char(out, '\n');
    json_array_foreach(json_object_get(reply, "failures"), i, f)
        buf_printf(out, "%8lld  %-26s %-16s %s%s%s\n", (long long)arg_number(f, "sessions"),
                   arg_text(f, "result"), arg_text(f, "policy"), arg_text(f, "host"),
                   *arg_text(f, "reason") ? ": " : "", arg_text(f, "reason"));
}

int run_tls_send_reports(struct request *r)
{
    struct tlsrpt_sent sent;
    struct slice domain = core_domain(r->core, r->a);
    int e = tlsrpt_send(r->core->tls_reports, domain.n ? domain : r->core->conf->hostname, true, &sent);
    if (e) return e;
    reply_int(r->reply, "domains", (int64_t)sent.domains);
    reply_int(r->reply, "letters", (int64_t)sent.letters);
    reply_int(r->reply, "posts", (int64_t)sent.posts);
    reply_int(r->reply, "later", (int64_t)sent.later);
    return 0;
}

void print_tls_send_reports(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(
        out, "%lld domains are done: %lld letters with reports are in the queue, %lld reports were posted.\n",
        (long long)arg_number(reply, "domains"), (long long)arg_number(reply, "letters"),
        (long long)arg_number(reply, "posts"));
    if (arg_number(reply, "later"))
        buf_printf(out, "%lld domains have to wait; the log says why.\n",
                   (long long)arg_number(reply, "later"));
}
