/* hosts.c - the names of ours in a letter (hosts.h). */
#include "hosts.h"

#include "directory/sending_domain.h"
#include "send_i.h"

int send_hosts(struct sends *s, struct arena *a, struct slice account, struct slice domain,
               struct send_hosts *out)
{
    struct directory *dir = s->store->directory;
    const unsigned links = SENDING_LINKS | SENDING_TLS;
    struct sending_domain d;
    struct slice name;
    bool here = false;
    *out = (struct send_hosts){.mail = s->hostname, .site = s->site};
    int e = domain_name(a, domain, &name);
    if (e) return e;
    e = domain_is_local(dir, name, &here);
    if (here) out->mail = domain;
    if (e || here) return e;
    e = sending_domain_of(dir, a, name, &d);
    if (e == ERR_NOT_FOUND || (!e && !sl_eq(d.account, account)))
        return err_set(ERR_DENIED, "%.*s is no domain of this node, and not proved by the account (any more)",
                       SLF(name));
    if (e) return e;
    struct slice port = sl_from(s->site, s->hostname.n); /* ":10443" */
    if (d.found & SENDING_RETURN) out->mail = sending_return_host(a, &d);
    if ((d.found & links) == links) out->site = ar_cat(a, sending_links_host(a, &d), port);
    return 0;
}
