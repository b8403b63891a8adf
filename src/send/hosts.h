/* hosts.h - under which names letters from a domain name us: where failures come back to, where links lead.
 * Those of a domain of others that its account has proved (directory/sending_domain.h) are its own, as far as
 * its DNS shows them. */
#pragma once
#include "send.h"

struct send_hosts {
    struct slice mail; /* the domain of return paths and of addresses to leave by */
    struct slice site; /* host, and port when it is not 443, of links */
};
/* In the arena, or borrowed from s. account: id of who sends; domain: of From. ERR_DENIED with the sentence:
 * neither of this node nor one that the account has (any more). SUSPENDS. */
MUST_CHECK int send_hosts(struct sends *s, struct arena *a, struct slice account, struct slice domain,
                          struct send_hosts *out);
