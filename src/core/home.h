/* home.h - the folder that a node lives in: tram.conf, store/, tls/, control.sock. */
#pragma once
#include "config.h"
#include "core.h"
#include "crypto/cert.h"

struct tls_ctx;

struct home_start {
    struct config_start conf;
    struct slice domain;
};
/* Makes the home in the present working directory: configuration, certificate, store, the domain
 * with its DKIM keys. On a fiber. ERR_EXISTS when there is one already. */
MUST_CHECK int home_init(const struct home_start *h);
/* A context for sessions with other servers: whom the machine trusts, and tls_authorities. BLOCKS. */
MUST_CHECK int home_tls_client(const struct config *c, struct tls_ctx **out);
/* Who certifies people, for tls_server_ask(): PEM in the arena, empty when nobody does. BLOCKS. */
MUST_CHECK int home_client_authorities(const struct config *c, struct arena *a, struct slice *out);
/* The routes with their passwords, in the arena. BLOCKS. */
MUST_CHECK int home_routes(const struct config *c, struct arena *a, struct relay_conf *out);
/* Is each file there that tram.conf names, may it be read, and is it what it should be? ERR_STATE, with the
 * setting's name. BLOCKS. */
MUST_CHECK int home_files_fit(const struct config *c, struct arena *a);
/* Reads certificate and key. BLOCKS. */
MUST_CHECK int home_certificate(const struct config *c, struct arena *a, struct slice *certificate,
                                struct slice *key);

/* The one judgement over certificate and key, for every command that tells of them and for the server: that
 * of cert_judge(), whether the files can be read, and who else may read the key. *worst: of all. In the
 * arena. BLOCKS. */
MUST_CHECK int home_judge_certificate(const struct config *c, struct arena *a, struct cert_finding **out,
                                      size_t *n, enum cert_grade *worst);

/* ERR_DENIED, with the remedy: other users of the machine can read the private key. BLOCKS. */
MUST_CHECK int home_key_is_private(const struct config *c);

/* A copy of the whole node, while it runs, in the new folder `to` (an absolute path): a home by itself. In
 * four steps. In the command's own process, which holds the lock from here to the end: there is one stage, so
 * one copy is made at a time. ERR_BUSY: another is. BLOCKS. */
MUST_CHECK int home_backup_lock(int *lock);
void home_backup_unlock(int *lock);
/* May it be made there (ERR_EXISTS)? BLOCKS. */
MUST_CHECK int home_backup_check(const char *to);
/* In the server: index and bodies as they are now, in a folder of the home; what lies there of a copy whose
 * command died goes first. ERR_BUSY while a sweep runs. SUSPENDS. */
MUST_CHECK int home_stage(struct core *core);
/* In the command's own process: takes it to `to`, with what else belongs to a home. After an error
 * to.unfinished is left, and said to be. BLOCKS. */
MUST_CHECK int home_backup(const struct config *conf, const char *to);
/* Removes the stage of a copy whose command died, not that of one that is still being taken away; and the
 * mark of a restore that died when all was done. BLOCKS. */
MUST_CHECK int home_unstage(void);
/* Others may go through the home, to public/, and see nothing of it. BLOCKS. */
MUST_CHECK int home_let_through(void);
/* Makes the home in the present working directory from such a copy, which stays as it is. What a restore
 * that was broken off has left is replaced; but tls and keys.secret, which may be somebody's, are moved
 * aside, and their new names told. ERR_EXISTS: there is one already. ERR_BUSY: another restore is at it.
 * ERR_USAGE: that is no copy. BLOCKS. */
MUST_CHECK int home_restore(const char *from, struct buf *aside);
