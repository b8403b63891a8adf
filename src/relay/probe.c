/* probe.c - the way of a letter, without one. */
#include "probe.h"

#include "relay_i.h"

_Static_assert((int)RELAY_HOST_IPS == (int)MX_ADDRESSES_MAX, "as many as are asked for");

/* As try_address() in relay.c does it, but for TLS that broke before. */
static void connect_to(const struct relay_conf *conf, struct arena *a, const struct mx_list *l,
                       const struct mx_host *h, struct relay_host *out)
{
    struct peer *p = NULL;
    struct verdict why = {0};
    struct peer_to to = {.host = h, .ip = &h->ip[0], .domain = l->domain};
    int e = peer_open(conf, l->route, a, &to, true, &p, &why);
    out->tried = true;
    out->good = e == 0;
    out->session = e == 1  ? ar_printf(a, "TLS fails, a letter would go in clear: %.*s", SLF(why.text))
                   : e < 0 ? why.text
                           : ar_dup(a, sl_cstr(p->tls));
    peer_close(&p, true);
}

static int look_at(const struct relay_conf *conf, struct arena *a, struct mx_list *l, struct mx_host *h,
                   bool connect, struct relay_host *out)
{
    int e = mx_judge(conf, a, l, h);
    if (e) return e;
    *out = (struct relay_host){
        .name = h->name, .preference = h->preference, .n = h->n, .secure = h->secure, .policy = h->policy};
    memcpy(out->ip, h->ip, sizeof out->ip);
    if (connect && !h->policy.shut) connect_to(conf, a, l, h, out);
    return 0;
}

int relay_probe(const struct relay_conf *conf, struct arena *a, struct slice domain, bool connect,
                struct relay_probe *out)
{
    struct mx_list l;
    struct verdict why;
    *out = (struct relay_probe){0};
    if (mx_find(conf, a, SL(""), domain, &l, &why) != 0)
        return err_set(why.result == ATTEMPT_PERMANENT ? ERR_NOT_FOUND : ERR_DNS, "%.*s", SLF(why.text));
    int e = mx_policy(conf, a, &l);
    out->host = ar_array(a, struct relay_host, l.n);
    for (size_t i = 0; !e && i < l.n; i++) e = look_at(conf, a, &l, &l.v[i], connect, &out->host[out->n++]);
    out->secure = l.secure && !l.route;
    out->route = l.route != NULL;
    out->sts = l.sts;
    return e;
}
