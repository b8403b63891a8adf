/* core.c - everything but the servers, opened and closed in order. */
#include "core.h"

#include "audit.h"
#include "certificate.h"
#include "elsewhere.h"
#include "near.h"
#include "publish.h"
#include "upgrade.h"

#include "base/memory.h"
#include "deliver/deliver.h"
#include "deliver/list.h"
#include "directory/api_key.h"
#include "directory/maillist.h"
#include "guard/guard.h"
#include "intake/backup_mx.h"
#include "intake/intake.h"
#include "kv/kv.h"
#include "login/sasl.h"
#include "mailauth/mailauth.h"
#include "outgoing/signing.h"
#include "people/people.h"
#include "relay/probe.h"
#include "report/dmarc_store.h"
#include "report/tlsrpt.h"
#include "reputation/greylist.h"
#include "rt/file.h"
#include "send/inbound.h"
#include "send/return_path.h"
#include "send/simulator.h"

static bool trusts_sealer(void *arg, struct slice sealer)
{
    const struct config *c = arg;
    for (size_t i = 0; i < c->ntrusted_sealers; i++)
        if (sl_eqi(c->trusted_sealers[i], sealer)) return true;
    return false;
}

static void prepare(struct core *core, const struct config *conf)
{
    *core = (struct core){.conf = conf};
    ar_init(&core->arena, 0);
    core->fetch = ar_new(&core->arena, struct fetch);
    core->mailauth = ar_new(&core->arena, struct mailauth_ctx);
    core->primary = ar_new(&core->arena, struct core_primary);
    core->intake = ar_new(&core->arena, struct intake);
    core->list_hop = ar_new(&core->arena, struct list_hop);
    core->srs = ar_new(&core->arena, struct srs);
}

static void set_dns(struct core *core, struct dns *dns)
{
    core->dns = dns;
    /* a trial network is a world of its own, on addresses that the real one does not route */
    *core->fetch = (struct fetch){.conf = {.dns = dns,
                                           .ca = core->conf->tls_authorities,
                                           .port_offset = core->conf->port_offset,
                                           .private_hosts = core->conf->zone.n > 0}};
    *core->mailauth = (struct mailauth_ctx){
        .dns = dns,
        .hostname = core->conf->hostname,
        .trusts_sealer = trusts_sealer,
        .trusts_arg = (void *)core->conf,
    };
}

enum { ANCHORS_MAX = 64 << 10 };

static int open_dns(const struct config *conf, struct arena *a, struct dns **out)
{
    if (conf->zone.n) return dns_open_zone(out, ar_cstr(a, conf->zone));
    struct buf anchors = BUF_INIT;
    int e = conf->dns_anchors.n ? path_read(ar_cstr(a, conf->dns_anchors), ANCHORS_MAX, &anchors) : 0;
    if (!e && conf->dns_anchors.n) e = dns_anchors_fit(buf_slice(&anchors));
    if (!e) e = dns_open_unbound(out, conf->resolver.port ? &conf->resolver : NULL, buf_slice(&anchors));
    buf_free(&anchors);
    return e && conf->dns_anchors.n ? err_prefix(e, "dns_anchors") : e;
}

int core_fresh_dns(const struct core *core, struct arena *a, struct dns **out)
{
    return open_dns(core->conf, a, out);
}

int core_open_dns(struct core *core, const struct config *conf)
{
    struct dns *dns;
    prepare(core, conf);
    int e = open_dns(conf, &core->arena, &dns);
    if (!e) set_dns(core, dns);
    else ar_free(&core->arena);
    return e;
}

static int one_is_enough(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 1;
}

static bool holds_files(const char *dir) { return path_list(dir, one_is_enough, NULL) == 1; }

/* A server that makes an empty store where a disk is not mounted refuses everybody's mail for good. */
static int look_for_store(void)
{
    if (holds_files("store/index"))
        return path_exists("store/bodies")
                   ? 0
                   : err_set(ERR_CORRUPT,
                             "store/index is there, but store/bodies with the letters is missing: is its "
                             "disk mounted? Else put a backup of both there");
    return path_exists("store/bodies")
               ? err_set(
                     ERR_CORRUPT,
                     "store/bodies is there, but store/index is missing: is its disk mounted? Else "
                     "put a backup of it there, or let `tram verify --repair` make a new one from images and "
                     "letters")
               : err_set(ERR_NOT_FOUND,
                         "there is no store in this home: is its disk mounted? Only `tram init` makes "
                         "a store");
}

static int open_store_files(const struct config *conf, struct kv **kv, struct body_store **body, bool make)
{
    int e = make ? path_make("store") : home_rollback_ended();
    if (!e && !make) e = look_for_store();
    if (!e) e = make ? home_sign() : home_before_open();
    if (!e) e = kv_rocks_open(kv, "store/index");
    if (e) return e;
    kv_rocks_cache(*kv, config_index_cache(conf));
    e = body_open(body, "store/bodies", 0);
    if (e) kv_close(kv);
    return e;
}

int core_accept_loss(void) { return kv_rocks_accept_loss("store/index"); }

static int open_core(struct core *core, const struct config *conf, bool make)
{
    struct dns *dns = NULL;
    struct kv *kv;
    struct body_store *body;
    prepare(core, conf);
    int e = open_dns(conf, &core->arena, &dns);
    if (!e) e = open_store_files(conf, &kv, &body, make);
    if (e) {
        if (dns) dns_close(&dns);
        ar_free(&core->arena);
        return e;
    }
    return core_open_on(core, conf, dns, kv, body);
}

int core_open(struct core *core, const struct config *conf) { return open_core(core, conf, false); }
int core_make(struct core *core, const struct config *conf) { return open_core(core, conf, true); }

/* Without one address of our own the system chooses where letters leave from. */
static void open_preflight(struct core *core)
{
    struct ip seen[LISTEN_MAX];
    struct preflight_gate_conf pc = {
        .dns = core->dns,
        .signing = core->signing,
        .helo = core->conf->hostname,
        .policy = core->conf->preflight,
    };
    if (config_public(core->conf, seen)) pc.source = seen[0];
    core->preflight = preflight_gate_new(&pc);
}

/* The last hop here: an account, what reads reports about letters that were sent, or a list. */
static int deliver(void *ctx, struct last_hop *d)
{
    struct core *core = ctx;
    if (last_hop_calls(d->account)) return inbound_take(core->sends, d);
    if (sl_eq(sl_cstr(d->account), SL(RETURN_PATH_ACCOUNT))) return return_path_take(core->sends, d);
    if (sl_eq(sl_cstr(d->account), SL(SIMULATOR_ACCOUNT))) return simulator_take(core->sends, d);
    if (maillist_is(d->account)) return list_take(core->list_hop, d);
    return deliver_letter(core->store, d);
}

static struct filters *filters_of(struct core *core)
{
    const struct config *c = core->conf;
    struct filters *f = ar_new(&core->arena, struct filters);
    *f = (struct filters){.n = c->nfilters, .hostname = c->hostname};
    memcpy(f->v, c->filter, sizeof c->filter);
    return f;
}

static struct dnslists *dnslists_of(struct core *core)
{
    const struct config *c = core->conf;
    struct dnslists *l = ar_new(&core->arena, struct dnslists);
    *l = (struct dnslists){
        .n = c->ndnslists, .refuse = (int)c->dns_lists_refuse, .doubt = (int)c->dns_lists_doubt};
    memcpy(l->v, c->dnslist, sizeof c->dnslist);
    return l;
}

static void set_intake(struct core *core)
{
    const struct config *c = core->conf;
    if (c->greylist) core->greylist = greylist_new();
    *core->intake = (struct intake){
        .store = core->store,
        .queue = core->queue,
        .sends = core->sends,
        .signing = core->signing,
        .mailauth = core->mailauth,
        .preflight = core->preflight,
        .reports = core->reports,
        .tls_reports = core->tls_reports,
        .allowance = core->allowance,
        .take = intake_take,
        .filters = filters_of(core),
        .dnslists = dnslists_of(core),
        .greylist = core->greylist,
        .junk_from = c->junk_from,
        .hostname = c->hostname,
        .size_max = c->size_max,
        .refuse_unknown_domains = c->refuse_unknown_domains,
        .over_quota_is_final = c->over_quota == OVER_QUOTA_REFUSE,
        .arc_seal = c->arc_seal,
        .no_soliciting = c->no_soliciting,
    };
    login_mark(core->login, SL("letters sent on"), core->intake->secret);
    *core->list_hop = (struct list_hop){
        .store = core->store, .take = intake_take, .take_ctx = core->intake, .dns = core->dns};
    *core->srs = (struct srs){.directory = core->store->directory};
    login_mark(core->login, SL("return paths"), core->srs->key);
    core->intake->srs = core->srs;
}

/* Asked of the servers to which the letter would go. */
static void ask_primary(void *ctx, struct arena *a, struct slice domain, struct slice address,
                        struct backup_mx_said *out)
{
    static const enum backup_mx_word words[] = {[RELAY_TAKES] = BACKUP_MX_TAKES,
                                                [RELAY_REFUSES] = BACKUP_MX_REFUSES,
                                                [RELAY_LATER] = BACKUP_MX_LATER,
                                                [RELAY_SILENT] = BACKUP_MX_SILENT};
    const struct core *core = ctx;
    struct relay_said said = {.word = RELAY_SILENT, .text = SL("the server does not run")};
    if (core->relay) relay_verify(core->relay, a, domain, address, &said);
    *out = (struct backup_mx_said){words[said.word], said.text};
}

static void open_backup(struct core *core)
{
    const struct config *c = core->conf;
    core->backup_mx = ar_new(&core->arena, struct backup_mx);
    backup_mx_open(core->backup_mx, &core->arena, c->backup_domain, c->nbackup_domains, ask_primary, core);
    core->intake->backup_mx = core->backup_mx;
}

static void set_issuer(struct core *core)
{
    const struct config *c = core->conf;
    login_set_issuer(core->login, &(struct login_issuer){.fetch = core->fetch,
                                                         .url = c->oauth_introspection,
                                                         .clear = url_is_near(c->oauth_introspection),
                                                         .keys = c->oauth_keys,
                                                         .clear_keys = url_is_near(c->oauth_keys),
                                                         .name = c->oauth_issuer,
                                                         .audience = c->oauth_audience,
                                                         .client = c->oauth_client,
                                                         .secret = c->oauth_secret,
                                                         .user = c->oauth_user,
                                                         .scope = c->oauth_scope});
}

static int open_people(struct core *core)
{
    struct people_conf c;
    if (!core->conf->ldap.n) return 0;
    int e = core_people(core->conf, &core->arena, &c);
    if (e) return e;
    people_open(&core->people, &c);
    directory_set_people(core->store->directory, core->people);
    return 0;
}

static int64_t or_any(uint32_t n) { return n ? (int64_t)n : SENDER_UNLIMITED; }

static struct sender_limits sender_defaults(const struct config *c)
{
    struct sender_limits l = SENDER_LIMITS_UNSET;
    l.v[SENDER_LETTERS_HOUR] = or_any(c->sender_letters_hourly);
    l.v[SENDER_LETTERS_DAY] = or_any(c->sender_letters_daily);
    l.v[SENDER_RCPTS_HOUR] = or_any(c->sender_hourly);
    l.v[SENDER_RCPTS_DAY] = or_any(c->sender_daily);
    l.v[SENDER_FRESH_DAY] = or_any(c->sender_first_time);
    l.v[SENDER_RCPTS_LETTER] = or_any(c->sender_recipients);
    l.v[SENDER_HELD] = or_any(c->sender_held);
    l.v[SENDER_HELD_MIB] = or_any(c->sender_held_mib);
    return l;
}

static void open_acme(struct core *core)
{
    struct slice domain = core_domain(core, &core->arena);
    struct acme_conf c = {.kv = core->store->kv,
                          .fetch = core->fetch,
                          .directory = core->conf->acme,
                          .names = core_certificate_names,
                          .others = core_certificate_others,
                          .keys = core_publish_keys,
                          .ctx = core,
                          .contact = domain.n ? ar_cat(&core->arena, SL("postmaster@"), domain) : SL("")};
    if (core->primary->key.name.n) c.publish = core_publish_proof;
    if (!c.directory.n) return;
    web_names_open(&core->web);
    acme_open(&core->acme, &c);
}

/* Who may log in, by what, and how often that may be tried. */
static int open_logins(struct core *core, struct kv *kv)
{
    const struct config *conf = core->conf;
    struct sender_limits defaults = sender_defaults(conf);
    guard_open(&core->guard, &(struct guard_conf){.connections = SIZE_MAX, .per_network = SIZE_MAX});
    int e = guard_load(core->guard, kv);
    allowance_open(&core->allowance, kv, &defaults);
    if (!e && (conf->login_mechanisms & SASL_SCRAM_SHA1)) directory_keep_sha1(core->store->directory);
    if (!e) e = open_people(core);
    if (!e) e = login_open(&core->login, kv, core->store->directory);
    if (!e) e = api_keys_open(&core->keys, kv, core->store->directory);
    if (!e) set_issuer(core);
    return e;
}

static int open_sends(struct core *core)
{
    const struct config *conf = core->conf;
    struct sends_conf sc = {
        .store = core->store,
        .signing = core->signing,
        .hostname = conf->hostname,
        .fetch = core->fetch,
        .take = intake_take,
        .take_ctx = core->intake,
        .allowance = core->allowance,
        .file = deliver_letter,
        .file_ctx = core->store,
        .webhook_private = conf->webhook_private,
        .site = conf->port_offset
                    ? ar_printf(&core->arena, "%.*s:%u", SLF(conf->hostname), 443u + conf->port_offset)
                    : conf->hostname,
    };
    if (conf->queue_lifetime_s && conf->queue_lifetime_s / 4 * 3 < INBOUND_KEEP_S)
        sc.inbound_keep_s = conf->queue_lifetime_s / 4 * 3;
    login_mark(core->login, SL("sending"), sc.secret);
    int e = sources_open(&core->sources, core->store->kv);
    sc.sources = core->sources;
    return e ? e : sends_open(&core->sends, &sc);
}

static int open_queue(struct core *core)
{
    const struct config *conf = core->conf;
    struct queue_conf qc = {
        .hostname = conf->hostname,
        .take = intake_take,
        .take_ctx = core->intake,
        .deliver = deliver,
        .deliver_ctx = core,
        .retry_first_s = conf->queue_retry_first_s,
        .retry_most_s = conf->queue_retry_most_s,
        .lifetime_s = conf->queue_lifetime_s,
        .delay_warning_s = conf->queue_delay_warning_s,
        .over_quota_is_final = conf->over_quota == OVER_QUOTA_REFUSE,
        .maker = sends_maker(core->sends),
        .sources = core->sources,
    };
    return queue_open(&core->queue, core->store, &qc);
}

static int open_reports(struct core *core)
{
    const struct config *conf = core->conf;
    struct dmarc_store_conf rc = {
        .store = core->store,
        .take = intake_take,
        .take_ctx = core->intake,
        .dns = core->dns,
        .hostname = conf->hostname,
        .gather = conf->dmarc_reports,
    };
    struct tlsrpt_conf tc = {
        .store = core->store,
        .take = intake_take,
        .take_ctx = core->intake,
        .dns = core->dns,
        .fetch = core->fetch,
        .hostname = conf->hostname,
        .gather = conf->tls_reports,
    };
    tlsrpt_open(&core->tls_reports, &tc);
    return dmarc_store_open(&core->reports, &rc);
}

int core_open_on(struct core *core, const struct config *conf, struct dns *dns, struct kv *kv,
                 struct body_store *body)
{
    prepare(core, conf);
    set_dns(core, dns);
    memory_set_budget(config_memory(conf));
    int e = store_open(&core->store, kv, body);
    if (!e) audit_open(&core->audit, kv, conf->audit_keep_s);
    if (!e) e = open_logins(core, kv);
    if (!e) e = signing_open(&core->signing, core->store->directory);
    if (!e) open_preflight(core);
    if (!e) e = core_primary_read(conf, &core->arena, core->primary);
    if (!e) open_acme(core);
    if (!e) sts_open(&core->sts, &(struct sts_conf){.kv = kv, .dns = core->dns, .fetch = core->fetch});
    if (!e) e = open_sends(core);
    if (!e) e = open_queue(core);
    if (!e) e = open_reports(core);
    if (e) core_close(core);
    if (e) return e;
    set_intake(core);
    open_backup(core);
    return 0;
}

void core_close(struct core *core)
{
    if (core->queue) queue_close(&core->queue);
    sources_close(&core->sources);
    sends_close(&core->sends);
    dmarc_store_close(&core->reports);
    tlsrpt_close(&core->tls_reports);
    sts_close(&core->sts);
    acme_close(&core->acme);
    preflight_gate_free(&core->preflight);
    signing_close(&core->signing);
    greylist_free(&core->greylist);
    if (core->backup_mx) backup_mx_close(core->backup_mx);
    api_keys_close(&core->keys);
    login_close(&core->login);
    audit_close(&core->audit);
    guard_close(&core->guard);
    allowance_close(&core->allowance);
    web_names_close(&core->web);
    if (core->store) store_close(&core->store);
    people_close(&core->people);
    if (core->dns) dns_close(&core->dns);
    ar_free(&core->arena);
}

enum { OWN_ADDRESSES_MAX = 256 };

/* Where our own mail would come back to: what is listened on, what the world sees, and the addresses of the
 * machine when all of them are listened on. */
static size_t own_addresses(const struct config *c, struct arena *a, struct endpoint **out)
{
    struct ip here[OWN_ADDRESSES_MAX];
    size_t nhere = rt_addresses(here, OWN_ADDRESSES_MAX), n = 0;
    struct endpoint *own = ar_array(a, struct endpoint, c->nlisten + c->npublic + nhere);
    uint16_t port = (uint16_t)(25 + c->port_offset);
    for (size_t i = 0; i < c->nlisten; i++) own[n++] = (struct endpoint){.ip = c->listen[i], .port = port};
    for (size_t i = 0; i < c->npublic; i++)
        own[n++] = (struct endpoint){.ip = c->public_address[i], .port = port};
    for (size_t i = 0; i < nhere; i++)
        for (size_t k = 0; k < c->nlisten; k++)
            if (ip_is_unspecified(&c->listen[k]) && c->listen[k].family == here[i].family) {
                own[n++] = (struct endpoint){.ip = here[i], .port = port};
                break;
            }
    *out = own;
    return n;
}

/* From the first address that is listened on, and to hosts of the other family from the first of that. */
static void leave_from(const struct config *c, struct relay_conf *out)
{
    if (!c->nlisten || ip_is_unspecified(&c->listen[0])) return;
    out->source = c->listen[0];
    for (size_t i = c->nlisten; i-- > 0;)
        if (c->listen[i].family != out->source.family) out->other = c->listen[i];
}

void core_relay(struct core *core, struct arena *a, struct relay_conf *out)
{
    const struct config *c = core->conf;
    struct endpoint *own;
    size_t nown = own_addresses(c, a, &own);
    *out = (struct relay_conf){
        .dns = core->dns,
        .sts = core->sts,
        .note = tlsrpt_note,
        .note_ctx = core->tls_reports,
        .signing = core->signing,
        .hostname = c->hostname,
        .port = (uint16_t)(25 + c->port_offset),
        .own = own,
        .nown = nown,
    };
    leave_from(c, out);
    core->srs->domain = core_domain(core, &core->arena);
    if (c->srs && core->srs->domain.n) out->srs = core->srs;
}

struct slice core_domain(struct core *core, struct arena *a)
{
    struct domain *d;
    size_t count;
    if (domain_list(core->store->directory, a, &d, &count) || !count) return (struct slice){0};
    for (size_t i = 0; i < count; i++)
        if (sl_endsi(core->conf->hostname, d[i].name) && core->conf->hostname.n > d[i].name.n &&
            core->conf->hostname.p[core->conf->hostname.n - d[i].name.n - 1] == '.')
            return d[i].name;
    return d[0].name;
}
