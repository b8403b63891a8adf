/* cmd_cert.c - the certificate that is served: where it comes from, until when, asked for again. */
#include "acme/acme.h"
#include "base/civil.h"
#include "base/text.h"
#include "cmd.h"
#include "core/certificate.h"
#include "core/home.h"
#include "crypto/cert.h"
#include "crypto/es256.h"
#include "store/store.h"

static void put_time(json_t *o, const char *name, int64_t when)
{
    char text[CIVIL_TEXT_MAX];
    if (when) reply_text(o, name, sl_cstr(civil_format(when, text)));
}

static int kept(struct request *r, struct acme_kept *k)
{
    *k = (struct acme_kept){0};
    return r->core->acme ? acme_kept(r->core->store->kv, r->a, SL(""), k) : 0;
}

static void put_failure(json_t *o, const struct acme_kept *k)
{
    if (!acme_has_failed(k)) return;
    if (k->failed_at) put_time(o, "failed", k->failed_at);
    reply_int(o, "failures", k->failures);
    reply_text(o, "why", k->why);
}

struct others {
    struct request *r;
    json_t *list;
};

/* For a host of a customer. */
static int list_other(void *arg, const struct acme_kept *k)
{
    const struct others *x = arg;
    json_t *o = json_object();
    reply_text(o, "subject", k->name);
    reply_text(o, "from", x->r->core->conf->acme);
    put_time(o, "valid_from", k->from);
    put_time(o, "valid_until", k->until);
    put_time(o, "renewed", k->renew_at);
    put_failure(o, k);
    json_array_append_new(x->list, o);
    return 0;
}

int run_cert_list(struct request *r)
{
    struct slice chain, key, what;
    struct acme_kept k;
    int64_t from, until;
    int e = kept(r, &k);
    if (!e) e = core_certificate(r->core, r->a, &chain, &key);
    if (!e) e = cert_describe(r->a, chain, &what);
    if (!e) e = cert_validity(chain, &from, &until);
    if (e) return e;
    json_t *list = json_array(), *o = json_object();
    reply_text(o, "from", k.chain_pem.n ? r->core->conf->acme : r->core->conf->tls_certificate);
    reply_text(o, "subject", what);
    put_time(o, "valid_from", from);
    put_time(o, "valid_until", until);
    static const char *const ways[] = {"http-01", "tls-alpn-01", "dns-01"};
    if (k.chain_pem.n && k.way < COUNT_OF(ways)) reply_text(o, "proved_by", sl_cstr(ways[k.way]));
    if (r->core->acme) put_time(o, "renewed", k.renew_at ? k.renew_at : rt_wall_seconds());
    put_failure(o, &k);
    json_array_append_new(list, o);
    json_object_set_new(r->reply, "certificates", list);
    return acme_each(r->core->store->kv, list_other, &(struct others){r, list});
}

static void print_line(json_t *o, const char *name, const char *words, struct buf *out)
{
    if (*arg_text(o, name)) buf_printf(out, "  %-14s %s\n", words, arg_text(o, name));
}

void print_cert_list(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    (void)args;
    json_array_foreach(json_object_get(reply, "certificates"), i, o) {
        buf_printf(out, "%s\n", arg_text(o, "subject"));
        print_line(o, "from", "comes from", out);
        print_line(o, "valid_from", "valid from", out);
        print_line(o, "valid_until", "valid until", out);
        print_line(o, "proved_by", "proved by", out);
        print_line(o, "renewed", "is renewed at", out);
        print_line(o, "failed", "failed at", out);
        print_line(o, "why", "because", out);
    }
}

static void put_hash(struct arena *a, json_t *o, const char *name, const uint8_t hash[32])
{
    struct buf b = BUF_INIT;
    hex_encode(&b, sl(hash, 32));
    reply_text(o, name, ar_printf(a, "3 1 1 %.*s", SLF(buf_slice(&b))));
    buf_free(&b);
}

/* The data of TLSA records: of the key in use, and of the one that comes after it. */
static int put_keys(struct request *r, struct slice chain, const struct acme_kept *k)
{
    uint8_t hash[32];
    struct es256 *next;
    int e = cert_spki_sha256(chain, hash);
    if (e) return e;
    put_hash(r->a, r->reply, "tlsa", hash);
    if (!k->next_key_pem.n || es256_from_pem(k->next_key_pem, &next)) return 0;
    es256_spki_sha256(next, hash);
    es256_free(&next);
    put_hash(r->a, r->reply, "next_tlsa", hash);
    return 0;
}

/* How far the next key is in the DNS. */
static int put_rollover(struct request *r)
{
    struct acme_rollover k = {0};
    int e = r->core->acme ? acme_rollover(r->core->store->kv, r->a, &k) : 0;
    if (err_is_damage(e)) return 0; /* it is seen anew */
    if (e || !(k.used || k.failed)) return e;
    put_time(r->reply, "next_tlsa_since", k.since);
    put_time(r->reply, "next_tlsa_ready", k.since ? k.ready : 0);
    put_time(r->reply, "tlsa_failed", k.failed);
    if (k.failed) reply_text(r->reply, "tlsa_why", k.why);
    return 0;
}

int run_cert_show(struct request *r)
{
    struct cert_pair q = {.host = r->core->conf->hostname, .now = rt_wall_seconds()};
    struct cert_finding *f;
    struct acme_kept k;
    size_t n;
    int e = kept(r, &k);
    if (!e) e = core_certificate(r->core, r->a, &q.chain_pem, &q.key_pem);
    if (!e) e = put_keys(r, q.chain_pem, &k);
    if (e) return e;
    json_t *list = json_array();
    cert_judge(r->a, &q, &f, &n);
    for (size_t i = 0; i < n; i++) json_array_append_new(list, text_value(f[i].sentence));
    json_object_set_new(r->reply, "findings", list);
    e = put_rollover(r);
    if (e) return e;
    reply_text(r->reply, "chain", q.chain_pem);
    return 0;
}

void print_cert_show(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *v;
    (void)args;
    json_array_foreach(json_object_get(reply, "findings"), i, v)
        buf_printf(out, "%s\n", json_string_value(v));
    buf_printf(out, "TLSA %s\n", arg_text(reply, "tlsa"));
    if (*arg_text(reply, "next_tlsa"))
        buf_printf(out, "TLSA %s (of the next key)\n", arg_text(reply, "next_tlsa"));
    if (*arg_text(reply, "next_tlsa_since"))
        buf_printf(out, "  stands in the DNS since %s; a certificate has that key from %s on\n",
                   arg_text(reply, "next_tlsa_since"), arg_text(reply, "next_tlsa_ready"));
    if (*arg_text(reply, "tlsa_why"))
        buf_printf(out, "  since %s: %s\n", arg_text(reply, "tlsa_failed"), arg_text(reply, "tlsa_why"));
    buf_str(out, arg_text(reply, "chain"));
}

/* ---- what a renewal by hand did not do, and why ---- */

static bool same_key(struct slice chain, struct slice other)
{
    uint8_t a[32], b[32];
    return cert_spki_sha256(chain, a) == 0 && cert_spki_sha256(other, b) == 0 && memcmp(a, b, 32) == 0;
}

/* While who goes by TLSA records would not believe the next one. */
static int say_key_stays(struct request *r, json_t *notes)
{
    struct acme_rollover k;
    char text[CIVIL_TEXT_MAX];
    int e = acme_rollover(r->core->store->kv, r->a, &k);
    struct slice why = SL("the record of the next key does not stand in the DNS");
    if (e && err_is_damage(e)) return 0; /* it is seen anew */
    if (!e && k.failed) why = k.why;
    else if (k.since && k.ready > rt_wall_seconds())
        why = ar_printf(r->a, "not everybody knows the record of the next key before %s",
                        civil_format(k.ready, text));
    json_array_append_new(
        notes, text_value(ar_printf(r->a,
                                    "the key is still the one before, by which TLSA records at %.*s go: %.*s "
                                    "(docs/operate.md, Certificates, says how to have another at once)",
                                    SLF(r->core->conf->hostname), SLF(why))));
    return e;
}

/* Names that the DNS is silent of; they come back in an order of their own. */
static int say_left_out(struct request *r, struct slice before, struct slice chain, json_t *notes)
{
    struct acme_names names;
    int e = core_certificate_names(r->core, r->a, &names);
    for (size_t i = 0; !e && i < names.nsilent; i++) {
        if (!cert_is_for(before, names.silent[i]) || cert_is_for(chain, names.silent[i])) continue;
        json_array_append_new(
            notes, text_value(ar_printf(r->a,
                                        "it is not for %.*s, as the one before was: the DNS does not say now "
                                        "where that leads; as soon as it does, another one is asked for",
                                        SLF(names.silent[i]))));
    }
    return e;
}

static int say_what_stays(struct request *r, struct slice before)
{
    struct slice chain, key;
    json_t *notes = json_array();
    int e = core_certificate(r->core, r->a, &chain, &key);
    if (!e && same_key(before, chain)) e = say_key_stays(r, notes);
    if (!e) e = say_left_out(r, before, chain, notes);
    json_object_set_new(r->reply, "notes", notes);
    return e;
}

int run_cert_renew(struct request *r)
{
    struct slice before, key;
    if (!r->core->acme)
        return err_set(
            ERR_STATE,
            "no authority is asked for certificates: say which in tram.conf, acme = \"https://...\"");
    if (!r->core->started)
        return err_set(ERR_UNREACHABLE,
                       "an authority looks for the proof at the running server: start it first");
    int e = core_certificate(r->core, r->a, &before, &key);
    if (!e) e = acme_renew(r->core->acme);
    if (!e) e = run_cert_list(r);
    return e ? e : say_what_stays(r, before);
}

void print_cert_renew(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *v;
    print_cert_list(args, reply, out);
    json_array_foreach(json_object_get(reply, "notes"), i, v) buf_printf(out, "%s\n", json_string_value(v));
}
