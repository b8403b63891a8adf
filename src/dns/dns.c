/* dns.c - the one call behind which the resolvers lie, and the two simple ones: a
 * master file and a function. */
#include "dns.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "dns_i.h"
#include "rt/file.h"

enum { ZONE_FILE_MAX = 256 << 20 };
#define ASK_MAX (15 * RT_S)
#define LOOK_AGAIN (100 * RT_MS)

/* The question's name in its one form: lower case, no final dot, escapes only where needed. */
static bool canonical(struct arena *a, struct slice name, struct slice *out)
{
    struct wire_name w;
    char text[NAME_TEXT_MAX];
    if (!name_to_wire(name, &w) || w.n == 1) return false;
    name_from_wire(sl(w.b, w.n), text, out);
    *out = ar_dup(a, *out);
    return true;
}

int dns_ask(struct dns *d, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct slice asked;
    if (!canonical(a, name, &asked)) { /* no server could be asked for such a name */
        *out = (struct dns_answer){.status = DNS_NXDOMAIN, .canon = ar_dup(a, name)};
        return 0;
    }
    bool fiber = fiber_current();
    int64_t before = fiber ? deadline_narrow(DEADLINE_IN(ASK_MAX)) : 0;
    int e = d->ask(d, a, (struct dns_asker){0}, asked, type, out);
    if (fiber) deadline_restore(before);
    if (!e || e == ERR_CANCELED) {
        if (!e && !out->canon.p) out->canon = asked;
        return e;
    }
    answer_tempfail(out,
                    e == ERR_TIMEOUT ? SL("there was no answer in time") : ar_dup(a, sl_cstr(err_text(e))));
    out->canon = asked;
    return 0;
}

void dns_close(struct dns **d)
{
    if (*d) (*d)->close(*d);
    *d = NULL;
}

/* ---- on behalf of one of many ---- */

struct dns_by_share {
    struct dns dns, *of;
    struct dns_asker by;
};

static int share_ask(struct dns *d, struct arena *a, struct dns_asker by, struct slice name,
                     enum dns_type type, struct dns_answer *out)
{
    struct dns_by_share *s = CONTAINER_OF(d, struct dns_by_share, dns);
    return s->of->ask(s->of, a, by.who ? by : s->by, name, type, out);
}

struct dns *dns_share(struct arena *a, struct dns *d, uint64_t asker, size_t share)
{
    struct dns_by_share *s = ar_new(a, struct dns_by_share);
    s->dns.ask = share_ask;
    s->of = d;
    s->by = (struct dns_asker){asker, share ? share : DNS_SHARE};
    return &s->dns;
}

/* ---- a function ---- */

struct dns_by_func {
    struct dns dns;
    struct shares *shares;
    dns_func *fn;
    void *arg;
};

static int func_ask(struct dns *d, struct arena *a, struct dns_asker by, struct slice name,
                    enum dns_type type, struct dns_answer *out)
{
    struct dns_by_func *f = CONTAINER_OF(d, struct dns_by_func, dns);
    *out = (struct dns_answer){0};
    int e = shares_enter(f->shares, by);
    if (e) return e;
    e = f->fn(f->arg, a, name, type, out);
    shares_leave(f->shares, by.who);
    return e;
}

static void func_close(struct dns *d)
{
    struct dns_by_func *f = CONTAINER_OF(d, struct dns_by_func, dns);
    shares_free(&f->shares);
    free(f);
}

struct dns *dns_open_func(dns_func *fn, void *arg)
{
    struct dns_by_func *f = xcalloc(1, sizeof *f);
    *f = (struct dns_by_func){{func_ask, func_close}, shares_new(), fn, arg};
    return &f->dns;
}

/* ---- a master file ---- */

/* A zone in use by askers stays while it is replaced. */
struct zone_use {
    struct zone *zone;
    int users; /* under the lock; the resolver itself is one */
};
struct dns_by_zone {
    struct dns dns;
    struct shares *shares;
    struct lock lock;
    struct zone_use *use;
    char *path; /* NULL: the text was given */
    uint64_t stamp;
    int64_t looked;
    bool looking;
    bool missing; /* there was no file yet: nothing can be said about any name */
};

static struct zone_use *use_new(struct zone *z)
{
    struct zone_use *u = xcalloc(1, sizeof *u);
    *u = (struct zone_use){z, 1};
    return u;
}

static struct zone_use *use_take(struct dns_by_zone *d)
{
    lock_take(&d->lock);
    struct zone_use *u = d->use;
    u->users++;
    lock_release(&d->lock);
    return u;
}

static void use_drop(struct dns_by_zone *d, struct zone_use *u)
{
    lock_take(&d->lock);
    bool last = --u->users == 0;
    lock_release(&d->lock);
    if (!last) return;
    zone_free(&u->zone);
    free(u);
}

static int zone_read(const char *path, struct zone **out)
{
    struct buf text = BUF_INIT;
    struct zone *z = zone_new();
    int e = path_read(path, ZONE_FILE_MAX, &text);
    if (!e) e = zone_parse(z, buf_slice(&text), path);
    buf_free(&text);
    if (e) zone_free(&z);
    *out = z;
    return e;
}

/* BLOCKS. What cannot be read leaves the zone as it was. */
static int read_again(void *arg)
{
    struct dns_by_zone *d = arg;
    uint64_t stamp = path_stamp(d->path);
    struct zone *z;
    if (stamp == d->stamp || !stamp) return 0;
    d->stamp = stamp;
    int e = zone_read(d->path, &z);
    if (e) {
        log_warn("dns", "the zone stays as it was: %s", err_text(e));
        return 0;
    }
    struct zone_use *fresh = use_new(z), *old;
    lock_take(&d->lock);
    old = d->use;
    d->use = fresh;
    d->missing = false;
    lock_release(&d->lock);
    use_drop(d, old);
    return 0;
}

static void look_again(struct dns_by_zone *d)
{
    int64_t now = rt_now();
    lock_take(&d->lock);
    bool mine = !d->looking && now - d->looked >= LOOK_AGAIN;
    if (mine) d->looking = true, d->looked = now;
    lock_release(&d->lock);
    if (!mine) return;
    offload(read_again, d);
    lock_take(&d->lock);
    d->looking = false;
    lock_release(&d->lock);
}

static int zone_answer(struct dns_by_zone *d, struct arena *a, struct slice name, enum dns_type type,
                       struct dns_answer *out)
{
    if (d->path) look_again(d);
    lock_take(&d->lock);
    bool missing = d->missing;
    lock_release(&d->lock);
    if (missing) {
        *out = (struct dns_answer){.status = DNS_TEMPFAIL,
                                   .why = ar_printf(a, "the zone file %s is missing", d->path)};
        return 0;
    }
    struct zone_use *u = use_take(d);
    int e = zone_ask(u->zone, a, name, type, out);
    use_drop(d, u);
    /* a server that never answers */
    return e == ERR_TIMEOUT && fiber_current() ? fiber_sleep(2 * ASK_MAX) : e;
}

static int zone_dns_ask(struct dns *dns, struct arena *a, struct dns_asker by, struct slice name,
                        enum dns_type type, struct dns_answer *out)
{
    struct dns_by_zone *d = CONTAINER_OF(dns, struct dns_by_zone, dns);
    int e = shares_enter(d->shares, by);
    if (e) return e;
    e = zone_answer(d, a, name, type, out);
    shares_leave(d->shares, by.who);
    return e;
}

static void zone_dns_close(struct dns *dns)
{
    struct dns_by_zone *d = CONTAINER_OF(dns, struct dns_by_zone, dns);
    use_drop(d, d->use);
    shares_free(&d->shares);
    free(d->path);
    free(d);
}

static struct dns_by_zone *by_zone(struct zone *z, const char *path)
{
    struct dns_by_zone *d = xcalloc(1, sizeof *d);
    d->dns = (struct dns){zone_dns_ask, zone_dns_close};
    d->use = use_new(z);
    d->shares = shares_new();
    d->path = path ? xstrndup(path, strlen(path)) : NULL;
    return d;
}

int dns_open_zone(struct dns **out, const char *path)
{
    struct zone *z;
    uint64_t stamp = path_stamp(path); /* before reading: a change in between is seen later */
    int e = zone_read(path, &z);
    bool missing = e == ERR_NOT_FOUND;
    if (missing) {
        log_warn("dns", "the zone file %s is missing: no question is answered until it is there", path);
        z = zone_new();
    } else if (e) {
        return e;
    }
    struct dns_by_zone *d = by_zone(z, path);
    d->missing = missing;
    d->stamp = stamp;
    d->looked = rt_now();
    *out = &d->dns;
    return 0;
}

int dns_open_zone_text(struct dns **out, struct slice text)
{
    struct zone *z = zone_new();
    int e = zone_parse(z, text, "zone");
    if (e) {
        zone_free(&z);
        return e;
    }
    *out = &by_zone(z, NULL)->dns;
    return 0;
}
