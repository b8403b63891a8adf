/* publish.c - changes of the DNS by ourselves: the server that takes them and the key, proofs for an
 * authority. */
#include "publish.h"

#include "base/log.h"
#include "core.h"
#include "crypto/crypto.h"
#include "rt/file.h"

enum { KEY_FILE_MAX = 4096, SECONDARIES_S = 10 };

int core_primary_read(const struct config *conf, struct arena *a, struct core_primary *out)
{
    struct buf b = BUF_INIT;
    *out = (struct core_primary){.at = conf->dns_update};
    if (!conf->dns_update.port || !conf->dns_update_key.n) return 0;
    int e = path_read(ar_cstr(a, conf->dns_update_key), KEY_FILE_MAX, &b);
    if (!e) e = dns_key_parse(a, buf_slice(&b), &out->key);
    if (b.n) wipe(b.p, b.n);
    buf_free(&b);
    return e ? err_prefix(e, "dns_update_key %.*s", SLF(conf->dns_update_key)) : 0;
}

/* A server passes over some changes without a word: those of an alias, for one (RFC 2136 section 3.4.2.2).
 * One that takes changes and answers no such question, or not us, is no reason to end: the authority looks.
 */
static int see_proof(struct dns_primary *p, struct arena *a, const struct dns_change *c)
{
    struct slice *there;
    size_t n;
    int e = dns_primary_records(p, a, c->name, c->type, &there, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (sl_eq(there[i], c->data)) return 0;
    if (!e)
        return err_set(ERR_DENIED,
                       "the DNS server took the proof at %.*s and does not show it: is that name an alias?",
                       SLF(c->name));
    if (e == ERR_CANCELED) return e;
    log_warn("acme", "the DNS server took the proof at %.*s; it is not seen whether it is there: %s",
             SLF(c->name), err_text(e));
    return 0;
}

/* The other servers of the zone hear of it by NOTIFY: they are given some seconds. */
int core_publish_proof(void *ctx, struct arena *a, struct slice name, struct slice text, bool there)
{
    const struct core *core = ctx;
    struct dns_primary *p;
    struct slice zone;
    struct dns_change c = {.name = name, .type = DNS_TXT, .add = there};
    c.data = ar_printf(a, "%c%.*s", (int)text.n, SLF(text)); /* one character-string: 43 bytes of base64url */
    int e = dns_primary_open(&p, &core->primary.at, &core->primary.key);
    if (e) return e;
    e = dns_primary_zone(p, a, name, &zone);
    if (!e) e = dns_primary_change(p, zone, &c, 1);
    if (!e && there) e = see_proof(p, a, &c);
    dns_primary_close(&p);
    return !e && there ? fiber_sleep(SECONDARIES_S * RT_S) : e;
}
