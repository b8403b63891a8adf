/* home.h - the folder that a node lives in: tram.conf, store/, tls/, control.sock. */
#pragma once
#include "config.h"
#include "core.h"
#include "crypto/cert.h"

struct home_start {
    struct config_start conf;
    struct slice domain;
};
/* Makes the home in the present working directory: configuration, certificate, store, the domain
 * with its DKIM keys. On a fiber. ERR_EXISTS when there is one already. */
MUST_CHECK int home_init(const struct home_start *h);
/* A context for sessions with other servers: whom the machine trusts, and tls_authorities. BLOCKS. */
MUST_CHECK int home_tls_client(const struct config *c, struct tls_ctx **out);
/* Reads certificate and key. BLOCKS. */
MUST_CHECK int home_certificate(const struct config *c, struct arena *a, struct slice *certificate,
                                struct slice *key);

/* The one judgement over certificate and key, for every command that tells of them and for the server: that
 * of cert_judge(), whether the files can be read, and who else may read the key. *worst: of all. In the
 * arena. BLOCKS. */
MUST_CHECK int home_judge_certificate(const struct config *c, struct arena *a, struct cert_finding **out,
                                      size_t *n, enum cert_grade *worst);

/* Copies the whole node, while it runs, into the new folder `to` (an absolute path): a home by itself.
 * ERR_EXISTS; ERR_BUSY while a sweep runs; after any other error to.unfinished is left, and said to
 * be. SUSPENDS. */
MUST_CHECK int home_backup(struct core *core, const char *to);
/* Makes the home in the present working directory from such a copy, which stays as it is. ERR_EXISTS:
 * there is one already. ERR_USAGE: that is no copy. BLOCKS. */
MUST_CHECK int home_restore(const char *from);
