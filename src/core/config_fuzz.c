/* config_fuzz.c - any bytes as tram.conf: a configuration that keeps to the limits of its table, or a
 * sentence with the file's name. */
#include "base/fuzz.h"
#include "config.h"
#include "dns/dns.h"

FUZZ
{
    struct arena a = {0};
    struct config c;
    int e = config_parse(&a, sl_sub(input, 0, 16 << 10), "tram.conf", &c);
    if (e) {
        ASSERT(e == ERR_SYNTAX || e == ERR_IO);
        ASSERT(sl_starts(sl_cstr(err_text(e)), SL("tram.conf")));
    } else {
        ASSERT(dns_is_fqdn(c.hostname) && c.nlisten <= LISTEN_MAX && c.size_max > 0);
        ASSERT(c.queue_retry_first_s > 0 && c.queue_retry_first_s <= c.queue_retry_most_s);
        ASSERT(!c.ldap.n || c.ldap_base.n);
        ASSERT(config_memory(&c) >= CONFIG_MEMORY_LEAST);
    }
    ar_free(&a);
}
