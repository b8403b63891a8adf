/* publish.c - changes of the DNS by ourselves: the server that takes them and the key, proofs for an
 * authority, records of keys. */
#include "publish.h"

#include <stdio.h>

#include "base/log.h"
#include "core.h"
#include "crypto/crypto.h"
#include "rt/file.h"

enum { KEY_FILE_MAX = 4096 };

int core_primary_read(const struct config *conf, struct arena *a, struct core_primary *out)
{
    struct buf b = BUF_INIT;
    *out = (struct core_primary){.at = conf->dns_update};
    if (!conf->dns_update.port || !conf->dns_update_key.n) return 0;
    int e = path_read(ar_cstr(a, conf->dns_update_key), KEY_FILE_MAX, &b);
    if (!e) e = dns_key_parse(a, buf_slice(&b), &out->key);
    if (b.n) wipe(b.p, b.n);
    buf_free(&b);
    return e ? err_prefix(e, "dns_update_key %.*s", SLF(conf->dns_update_key)) : 0;
}

/* A server passes over some changes without a word: those of an alias, for one (RFC 2136 section 3.4.2.2).
 * One that takes changes and answers no such question, or not us, is no reason to end: the authority looks.
 */
static int see_proof(struct dns_primary *p, struct arena *a, const struct dns_change *c)
{
    struct dns_set there;
    int e = dns_primary_records(p, a, c->name, c->type, &there);
    for (size_t i = 0; !e && i < there.n; i++)
        if (sl_eq(there.v[i], c->data)) return 0;
    if (!e)
        return err_set(ERR_DENIED,
                       "the DNS server took the proof at %.*s and does not show it: is that name an alias?",
                       SLF(c->name));
    if (e == ERR_CANCELED) return e;
    log_warn("acme", "the DNS server took the proof at %.*s; it is not seen whether it is there: %s",
             SLF(c->name), err_text(e));
    return 0;
}

int core_publish_proof(void *ctx, struct arena *a, struct slice name, struct slice text, bool there)
{
    const struct core *core = ctx;
    struct dns_primary *p;
    struct slice zone;
    struct dns_change c = {.name = name, .type = DNS_TXT, .add = there};
    c.data = ar_printf(a, "%c%.*s", (int)text.n, SLF(text)); /* one character-string: 43 bytes of base64url */
    int e = dns_primary_open(&p, &core->primary->at, &core->primary->key);
    if (e) return e;
    e = dns_primary_zone(p, a, name, &zone);
    if (!e) e = dns_primary_change(p, zone, &c, 1);
    if (!e && there) e = see_proof(p, a, &c);
    dns_primary_close(&p);
    return e;
}

/* ---- keys ---- */

struct slice core_keys_name(const struct config *conf, struct arena *a)
{
    return ar_printf(a, "_%u._tcp.%.*s", 25u + conf->port_offset, SLF(conf->hostname));
}

/* DANE-EE, the public key, SHA-256 (RFC 7672 section 3.1.1). */
static struct slice tlsa_of(struct arena *a, struct slice hash) { return ar_cat(a, SL("\3\1\1"), hash); }

static bool is_there(struct arena *a, const struct dns_set *s, struct slice hash)
{
    struct slice data = tlsa_of(a, hash);
    for (size_t i = 0; hash.n && i < s->n; i++)
        if (sl_eq(s->v[i], data)) return true;
    return false;
}

static void judge(struct arena *a, const struct dns_set *s, const struct acme_keys *k, struct acme_shown *out)
{
    *out = (struct acme_shown){.known = true,
                               .used = s->n > 0,
                               .present = is_there(a, s, k->present),
                               .next = is_there(a, s, k->next),
                               .ttl = s->ttl};
}

/* What is to be changed. */
static size_t differences(struct arena *a, struct slice name, const struct dns_set *s,
                          const struct acme_keys *k, struct dns_change *out)
{
    size_t n = 0;
    const struct slice add[] = {k->present, k->next};
    for (size_t i = 0; i < COUNT_OF(add); i++)
        if (add[i].n && !is_there(a, s, add[i]))
            out[n++] = (struct dns_change){name, tlsa_of(a, add[i]), DNS_TLSA, true};
    for (size_t i = 0; i < k->ngone; i++)
        if (is_there(a, s, k->gone[i]))
            out[n++] = (struct dns_change){name, tlsa_of(a, k->gone[i]), DNS_TLSA, false};
    return n;
}

/* As the world sees it. */
static int look(const struct core *core, struct arena *a, struct slice name, struct dns_set *out)
{
    struct dns_answer r;
    *out = (struct dns_set){0};
    int e = dns_ask(core->dns, a, name, DNS_TLSA, &r);
    if (e) return e;
    if (r.status == DNS_TEMPFAIL)
        return err_set(ERR_DNS, "the DNS does not say now what stands at %.*s: %.*s", SLF(name), SLF(r.why));
    out->v = ar_array(a, struct slice, r.n + 1);
    out->ttl = r.n ? r.ttl : 0;
    for (size_t i = 0; i < r.n; i++) {
        const uint8_t kind[] = {r.rr[i].tlsa.usage, r.rr[i].tlsa.selector, r.rr[i].tlsa.matching};
        out->v[out->n++] = ar_cat(a, sl((const char *)kind, sizeof kind), r.rr[i].tlsa.data);
    }
    return 0;
}

/* The server says of what was just changed whether it is so: it passes over some changes without a word (RFC
 * 2136 section 3.4.2.2). */
static int change(struct dns_primary *p, struct arena *a, struct slice name, const struct dns_set *there,
                  const struct acme_keys *k)
{
    struct dns_change v[2 + ACME_OLD_KEYS_MAX];
    struct dns_set now;
    struct slice zone;
    size_t n = differences(a, name, there, k, v);
    if (!n) return 0;
    int e = dns_primary_zone(p, a, name, &zone);
    if (!e) e = dns_primary_change(p, zone, v, n);
    if (!e) e = dns_primary_records(p, a, name, DNS_TLSA, &now);
    if (!e && differences(a, name, &now, k, v))
        e = err_set(ERR_DENIED,
                    "the DNS server took changes at %.*s and does not show them: is that name an alias?",
                    SLF(name));
    return e;
}

/* Who changes nothing there: is there anything that wants it? */
static int only_look(const struct core *core, struct arena *a, struct slice name, const struct acme_keys *k,
                     struct acme_shown *was)
{
    struct dns_change v[2 + ACME_OLD_KEYS_MAX];
    struct dns_set there;
    int e = look(core, a, name, &there);
    if (e) return e;
    judge(a, &there, k, was);
    if (!was->used || !differences(a, name, &there, k, v)) return 0;
    return err_set(ERR_NOT_FOUND,
                   !was->next                      ? "no record of the next key stands at %.*s"
                   : k->present.n && !was->present ? "no record of the present key stands at %.*s"
                                                   : "records of keys that are gone stand at %.*s",
                   SLF(name));
}

int core_publish_keys(void *ctx, struct arena *a, const struct acme_keys *k, struct acme_shown *was)
{
    const struct core *core = ctx;
    struct slice name = core_keys_name(core->conf, a), zone;
    struct dns_primary *p = NULL;
    struct dns_set there;
    char why[ERR_TEXT_MAX];
    *was = (struct acme_shown){0};
    if (!core->primary->key.name.n) return only_look(core, a, name, k, was);
    int e = dns_primary_open(&p, &core->primary->at, &core->primary->key);
    if (!e) e = dns_primary_zone(p, a, name, &zone);
    if (!e) e = dns_primary_records(p, a, name, DNS_TLSA, &there);
    if (!e) {
        judge(a, &there, k, was);
        if (was->used) e = change(p, a, name, &there, k);
        dns_primary_close(&p);
        return e;
    }
    dns_primary_close(&p);
    if (e == ERR_CANCELED) return e;
    snprintf(why, sizeof why, "%s", err_text(e));
    int seen = only_look(core, a, name, k, was); /* maybe nothing is to be done, or that by others */
    return !seen || seen == ERR_CANCELED || e == ERR_NOT_FOUND ? seen : err_set(e, "%s", why);
}
