/* own_sim.c - the core of a node on a disk of the simulator. */
#include "own_sim.h"

#include "body/body.h"
#include "dns/dns.h"
#include "kv/kv.h"

int own_core_open(struct core *core, struct config *conf, const char *zone)
{
    struct dns *dns = NULL;
    struct kv *kv = NULL;
    struct body_store *body = NULL;
    int e = dns_open_zone_text(&dns, sl_cstr(zone));
    if (!e) e = kv_mem_open(&kv, "index.log");
    if (!e) e = body_open(&body, "bodies", 0);
    if (!e) return core_open_on(core, conf, dns, kv, body);
    if (kv) kv_close(&kv); /* the power went in between */
    if (dns) dns_close(&dns);
    return e;
}
