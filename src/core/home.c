/* home.c - making a home. */
#include "home.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core.h"
#include "directory/directory.h"
#include "elsewhere.h"
#include "people/people.h"
#include "publish.h"
#include "relay/relay.h"
#include "rt/file.h"
#include "rt/tls.h"

enum { CERTIFICATE_DAYS = 3650, PEM_MAX = 1 << 20 };

static int make_certificate(const struct config *c, struct slice domain)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice names[] = {c->hostname, domain, ar_cat(&a, SL("mta-sts."), domain)};
    struct buf chain = BUF_INIT, key = BUF_INIT;
    int e = path_make("tls");
    if (!e) e = tls_self_signed(names, COUNT_OF(names), CERTIFICATE_DAYS, &chain, &key);
    if (!e) e = path_write(ar_cstr(&a, c->tls_key), buf_slice(&key), 0600);
    if (!e) e = path_write(ar_cstr(&a, c->tls_certificate), buf_slice(&chain), 0600);
    wipe(key.p, key.n);
    buf_free(&chain);
    buf_free(&key);
    ar_free(&a);
    return e;
}

int home_let_through(void)
{
    return chmod(".", 0711) ? err_errno(errno, "others cannot be let through the home") : 0;
}

int home_init(const struct home_start *h)
{
    struct arena a;
    struct config c;
    struct core core;
    ar_init(&a, 0);
    int e = 0;
    if (path_exists("tram.conf"))
        e = err_set(ERR_EXISTS, "there is a tram.conf here already: this home is made");
    if (!e) e = path_write("tram.conf", config_text(&a, &h->conf), 0600);
    if (!e) e = config_read(&a, "tram.conf", &c);
    if (!e) e = home_let_through();
    if (!e) e = make_certificate(&c, h->domain);
    if (!e) e = core_make(&core, &c);
    if (!e) {
        e = domain_add_with_keys(core.store->directory, h->domain);
        core_close(&core);
    }
    if (e && e != ERR_EXISTS) (void)!path_unlink("tram.conf"); /* a half-made home can be made again */
    ar_free(&a);
    return e;
}

static int read_pem(struct arena *a, struct slice path, struct slice *out)
{
    struct buf b = BUF_INIT;
    int e = path_read(ar_cstr(a, path), PEM_MAX, &b);
    if (!e) *out = ar_dup(a, buf_slice(&b));
    wipe(b.p, b.n);
    buf_free(&b);
    return e;
}

/* A file that a setting names, whose name is told with what is wrong. */
static int read_named(struct arena *a, const char *setting, struct slice path, struct slice *out)
{
    int e = read_pem(a, path, out);
    return e ? err_prefix(e, "%s = \"%.*s\"", setting, SLF(path)) : 0;
}

int home_tls_client(const struct config *c, struct tls_ctx **out)
{
    struct arena a = {0};
    struct slice pem = {0};
    int e = c->tls_authorities.n ? read_named(&a, "tls_authorities", c->tls_authorities, &pem) : 0;
    if (!e) {
        e = tls_client_new(out, pem);
        if (e && pem.n) err_prefix(e, "tls_authorities = \"%.*s\"", SLF(c->tls_authorities));
    }
    ar_free(&a);
    return e;
}

int home_client_authorities(const struct config *c, struct arena *a, struct slice *out)
{
    *out = SL("");
    return c->client_authorities.n ? read_named(a, "client_authorities", c->client_authorities, out) : 0;
}

/* What cannot be shown is told at the start, not letter by letter. */
static int read_shown(struct arena *a, struct relay_route *r)
{
    struct tls_ctx *t;
    int e = read_pem(a, r->certificate_file, &r->certificate);
    if (!e) e = tls_server_new(&t, NULL);
    if (!e) {
        e = tls_server_add_cert(t, r->certificate, r->certificate);
        tls_free(&t);
    }
    return e ? err_prefix(e, "the certificate of the route to %.*s", SLF(r->host)) : 0;
}

int home_routes(const struct config *c, struct arena *a, struct relay_conf *out)
{
    struct relay_route *v = ar_array(a, struct relay_route, c->nroutes);
    int e = 0;
    for (size_t i = 0; !e && i < c->nroutes; i++) {
        v[i] = c->route[i];
        if (v[i].password_file.n) e = read_pem(a, v[i].password_file, &v[i].password);
        v[i].password = sl_trim(v[i].password);
        if (e) err_prefix(e, "the password of the route to %.*s", SLF(v[i].host));
        if (!e && v[i].certificate_file.n) e = read_shown(a, &v[i]);
    }
    out->route = v;
    out->nroutes = c->nroutes;
    return e;
}

int home_certificate(const struct config *c, struct arena *a, struct slice *certificate, struct slice *key)
{
    int e = read_named(a, "tls_certificate", c->tls_certificate, certificate);
    return e ? e : read_named(a, "tls_key", c->tls_key, key);
}

static int client_authorities_fit(const struct config *c, struct arena *a)
{
    struct tls_ctx *t = NULL;
    struct slice pem;
    int e = home_client_authorities(c, a, &pem);
    if (e || !pem.n) return e;
    e = tls_server_new(&t, NULL);
    if (!e) e = tls_server_ask(t, pem);
    tls_free(&t);
    return e ? err_prefix(e, "client_authorities = \"%.*s\"", SLF(c->client_authorities)) : 0;
}

int home_files_fit(const struct config *c, struct arena *a)
{
    struct tls_ctx *t = NULL;
    struct slice pem;
    struct relay_conf routes;
    struct core_primary primary;
    struct people_conf people;
    int e = home_tls_client(c, &t);
    tls_free(&t);
    if (!e) e = client_authorities_fit(c, a);
    if (!e) e = home_routes(c, a, &routes);
    if (!e) e = core_primary_read(c, a, &primary);
    if (!e) e = core_people(c, a, &people);
    if (e || !c->dns_anchors.n) return e;
    e = read_named(a, "dns_anchors", c->dns_anchors, &pem);
    if (e) return e;
    e = dns_anchors_fit(pem);
    return e ? err_prefix(e, "dns_anchors = \"%.*s\"", SLF(c->dns_anchors)) : 0;
}

static bool others_read(struct arena *a, struct slice path)
{
    struct stat st;
    return stat(ar_cstr(a, path), &st) == 0 && (st.st_mode & S_IROTH);
}

int home_key_is_private(const struct config *c)
{
    struct arena a;
    ar_init(&a, 0);
    int e =
        others_read(&a, c->tls_key)
            ? err_set(ERR_DENIED,
                      "every user of this machine can read the private key %.*s: say `chmod 600 %.*s`, and "
                      "begin again",
                      SLF(c->tls_key), SLF(c->tls_key))
            : 0;
    ar_free(&a);
    return e;
}

int home_judge_certificate(const struct config *c, struct arena *a, struct cert_finding **out, size_t *n,
                           enum cert_grade *worst)
{
    struct cert_pair q = {.host = c->hostname, .now = rt_wall_seconds()};
    struct cert_finding *judged;
    int e = home_certificate(c, a, &q.chain_pem, &q.key_pem);
    if (e) return e;
    cert_judge(a, &q, &judged, n);
    *out = ar_array(a, struct cert_finding, *n + 1);
    memcpy(*out, judged, *n * sizeof **out);
    if (others_read(a, c->tls_key))
        (*out)[(*n)++] = (struct cert_finding){
            CERT_WARN,
            ar_printf(a, "every user of this machine can read the key %.*s: chmod 600", SLF(c->tls_key))};
    *worst = CERT_FINE;
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i].grade > *worst) *worst = (*out)[i].grade;
    return 0;
}
