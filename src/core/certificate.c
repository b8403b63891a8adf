/* certificate.c - the certificate of a node, and what it is to stand for. */
#include "certificate.h"

#include "home.h"

int core_certificate(struct core *core, struct arena *a, struct slice *chain, struct slice *key)
{
    struct acme_kept k = {0};
    int e = core->acme ? acme_kept(core->store->kv, a, &k) : 0;
    if (e && e != ERR_CORRUPT && e != ERR_VERSION) return e;
    if (e) log_error("acme", "the certificate that is kept cannot be read, the files serve: %s", err_text(e));
    if (!k.chain_pem.n) return home_certificate(core->conf, a, chain, key);
    *chain = k.chain_pem;
    *key = k.key_pem;
    return 0;
}
