/* httpd.h - the HTTP server: 443 within TLS, and 80 for the little that must be there in clear. */
#pragma once
#include "guard/guard.h"
#include "route.h"
#include "rt/conn.h"

struct httpd_conf { /* borrowed, outlives the server */
    struct tls_ctx *tls;
    const struct http_group *const *group;
    size_t ngroups;
    uint16_t https_port; /* where port 80 leads to */
};
struct httpd;
MUST_CHECK int httpd_open(struct httpd **out, const struct httpd_conf *conf);
void httpd_close(struct httpd **s);
/* One session; takes c over. plain: port 80. visit: how the guard knows the connection, or NULL. */
void httpd_session(struct httpd *s, bool plain, struct conn *c, struct group *g, struct guard_visit *visit);
