/* fenced.c - the files that a node needs: its home, and what its libraries read. */
#include "fenced.h"

#include <glob.h>
#include <pwd.h>
#include <stdlib.h>

#include "core/home.h"
#include "fence/fence.h"
#include "relay/route.h"
#include "rt/notify.h"
#include "serve.h"

enum { PATHS_MAX = 512 };

static const char *const system_files[] = {
    /* names: of hosts, services, users */
    "/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
    "/etc/nsswitch.conf", "/etc/services", "/etc/passwd", "/etc/group", "/etc/ldap",
    /* who is trusted */
    "/etc/ssl", "/etc/pki", "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
    "/usr/share/dns",
    /* zones of time */
    "/etc/localtime", "/usr/share/zoneinfo",
    /* how many processors; chance */
    "/sys/devices/system/cpu", "/dev/urandom", "/dev/random"};
/* Charset modules of libc, modules of name services, wherever Debian's ports put them. */
static const char *const modules[] = {"/usr/lib/*/gconv", "/usr/lib/gconv", "/usr/lib/*/libnss_*",
                                      "/lib/*/libnss_*", "/usr/lib/locale"};

struct paths {
    struct arena a;
    struct fence_path path[PATHS_MAX];
    size_t n;
};

/* What does not fit is told: it would be missed much later, by whatever reads it. */
static void add(struct paths *p, const char *path, enum fence_right right)
{
    if (!path || !*path) return;
    if (p->n < PATHS_MAX) p->path[p->n++] = (struct fence_path){path, right};
    else log_error("serve", "more than %d places to be read: the server cannot read %s", PATHS_MAX, path);
}

/* The folder, because a file is often replaced by a new one of the same name. */
static void add_folder_of(struct paths *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) add(p, ar_cstr(&p->a, sl(path, (size_t)(slash - path))), FENCE_READ);
}

/* A file named in tram.conf, and where it leads when it is a link (certificates of certbot are). */
static void add_file(struct paths *p, struct slice name)
{
    char *real = name.n ? realpath(ar_cstr(&p->a, name), NULL) : NULL;
    if (name.n) add_folder_of(p, ar_cstr(&p->a, name));
    if (real) add_folder_of(p, ar_cstr(&p->a, sl_cstr(real)));
    free(real);
}

static void add_modules(struct paths *p)
{
    for (size_t i = 0; i < COUNT_OF(modules); i++) {
        glob_t g;
        if (glob(modules[i], 0, NULL, &g)) continue;
        for (size_t k = 0; k < g.gl_pathc; k++) add(p, ar_cstr(&p->a, sl_cstr(g.gl_pathv[k])), FENCE_READ);
        globfree(&g);
    }
}

static void add_all(struct paths *p, const struct config *conf)
{
    add(p, ".", FENCE_WRITE);
    add(p, "/dev/null", FENCE_WRITE);
    for (size_t i = 0; i < COUNT_OF(system_files); i++) add(p, system_files[i], FENCE_READ);
    for (size_t i = 0; i < conf->nroutes; i++) {
        add_file(p, conf->route[i].password_file);
        add_file(p, conf->route[i].certificate_file);
    }
    add_file(p, conf->zone);
    add_file(p, conf->tls_certificate);
    add_file(p, conf->tls_key);
    add_file(p, conf->dns_anchors);
    add_file(p, conf->tls_authorities);
    add_file(p, conf->dns_update_key);
    add_file(p, conf->ldap_password);
    add_file(p, conf->client_authorities);
    add(p, getenv("SSL_CERT_FILE"), FENCE_READ);
    add(p, getenv("SSL_CERT_DIR"), FENCE_READ);
    add_modules(p);
}

static void tell(unsigned got)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    if (!(got & FENCE_FILES))
        log_warn("serve", "this kernel has no Landlock: the server could reach all files of its user");
    else if (!(got & FENCE_NAMES))
        log_warn("serve",
                 "sockets with abstract names are outside the fence: %s; the server could connect to all of "
                 "this machine",
                 notify && *notify == '@' ? "NOTIFY_SOCKET is one"
                                          : "the Landlock of this kernel is older than version 6");
    if (!(got & FENCE_CALLS))
        log_warn("serve", "this kernel has no seccomp: the server could make every system call");
}

int fenced_start(const struct config *conf)
{
    struct paths p = {0};
    unsigned got = 0;
    ar_init(&p.a, 0);
    int e = home_key_is_private(conf);
    if (!e) e = notify_sockets();
    if (!e) e = serve_reserve(conf);
    if (!e) e = fence_memory();
    if (!e) e = fence_rights();
    if (!e && conf->fence) {
        (void)getpwuid(0); /* name services load their modules before the fence is up */
        add_all(&p, conf);
        e = fence_up(p.path, p.n, FENCE_NEWEST, &got);
        if (!e) tell(got);
        else err_prefix(e, "the server cannot be shut in (fence in tram.conf)");
    }
    ar_free(&p.a);
    return e;
}
