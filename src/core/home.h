/* home.h - the folder that a node lives in: tram.conf, store/, tls/, control.sock. */
#pragma once
#include "config.h"

struct home_start {
    struct config_start conf;
    struct slice domain;
};
/* Makes the home in the present working directory: configuration, certificate, store, the domain
 * with its DKIM keys. On a fiber. ERR_EXISTS when there is one already. */
MUST_CHECK int home_init(const struct home_start *h);
/* Reads certificate and key. BLOCKS. */
MUST_CHECK int home_certificate(const struct config *c, struct arena *a, struct slice *certificate,
                                struct slice *key);
