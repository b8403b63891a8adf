/* certificate.c - the certificate of a node, and what it is to stand for. */
#include "certificate.h"

#include "acme/acme.h"
#include "crypto/cert.h"
#include "home.h"
#include "store/store.h"

int core_certificate(struct core *core, struct arena *a, struct slice *chain, struct slice *key)
{
    struct acme_kept k = {0};
    int e = core->acme ? acme_kept(core->store->kv, a, SL(""), &k) : 0;
    if (e && e != ERR_CORRUPT && e != ERR_VERSION) return e;
    if (e) log_error("acme", "the certificate that is kept cannot be read, the files serve: %s", err_text(e));
    if (!k.chain_pem.n) return home_certificate(core->conf, a, chain, key);
    *chain = k.chain_pem;
    *key = k.key_pem;
    return 0;
}

int core_certificate_of_files(void *core, struct arena *a, struct slice *chain, struct slice *key)
{
    return home_certificate(((const struct core *)core)->conf, a, chain, key);
}

int core_certificate_for(struct core *core, struct arena *a, struct slice host, bool *yes)
{
    struct slice chain = {0}, key = {0};
    struct acme_kept k = {0};
    bool kept = core->acme && host.n <= ACME_OTHERS_NAME_MAX;
    int e = core_certificate(core, a, &chain, &key);
    *yes = !e && cert_is_for(chain, host);
    if (e == ERR_CANCELED) return e;
    if (*yes || !kept) return 0; /* that the node's cannot be read is told elsewhere */
    e = acme_kept(core->store->kv, a, host, &k);
    *yes = !e && k.chain_pem.n && k.until > rt_wall_seconds() && cert_is_for(k.chain_pem, host);
    return err_is_damage(e) ? 0 : e;
}
