/* sendgrid_domains.c - /v3/whitelabel/domains and links: domains of customers. What SendGrid calls a branded
 * link is the host of links of such a domain. There is one DKIM key, which dkim1 and dkim2 both name, and it
 * is a TXT record: a key that is made for the claim is what proves it. */
#include "base/text.h"
#include "dns/dns.h"
#include "senders.h"
#include "sendgrid.h"
#include "store/store.h"

enum { PAGE = 50, PAGE_MAX = 3000 };

static struct directory *dir_of(struct http_call *c) { return api_of(c)->core->store->directory; }

static void refuse(struct http_call *c, const char *field, const char *sentence)
{
    json_t *errors = json_array();
    sendgrid_error_at(errors, field, sentence);
    sendgrid_refuse(c, 400, errors);
}

static void failed(struct http_call *c, int e)
{
    if (e == ERR_EXISTS || e == ERR_LIMIT || e == ERR_STATE) http_fail(c, 400, "%s", err_text(e));
    else api_failed(c, e);
}

/* ---- as JSON ---- */

static json_t *record_json(const struct sending_record *r, bool valid)
{
    return json_pack("{s:b,s:s,s:s%,s:s%}", "valid", valid, "type", r->type == DNS_TXT ? "txt" : "cname",
                     "host", r->name.p, r->name.n, "data", r->value.p, r->value.n);
}

static json_t *head_json(struct http_call *c, const struct sending_domain *d, struct slice label, bool valid)
{
    struct slice who = c->key.account->address;
    return json_pack("{s:I,s:I,s:s%,s:s%,s:s%,s:b,s:b,s:b,s:I}", "id", (json_int_t)sender_number(d),
                     "user_id", (json_int_t)sender_account_number(c), "subdomain", label.p, label.n, "domain",
                     d->name.p, d->name.n, "username", who.p, who.n, "default", 0, "legacy", 0, "valid",
                     valid, "last_validation_attempt_at", (json_int_t)d->looked);
}

/* Of a claim in one of the two forms. ERR_CORRUPT: its key. */
typedef int form(struct http_call *c, const struct sending_domain *d, json_t **out);

static int domain_json(struct http_call *c, const struct sending_domain *d, json_t **out)
{
    struct sending_record r[SENDING_RECORDS];
    bool key = sender_has(d, SENDING_KEY), back = d->found & SENDING_RETURN;
    int e = sending_records(api_of(c)->core, c->a, d, r);
    if (e) return e;
    *out = head_json(c, d, d->returns, key && back);
    json_object_set_new(*out, "ips", json_array());
    json_object_set_new(*out, "custom_spf", json_false());
    json_object_set_new(*out, "automatic_security", json_true());
    json_object_set_new(*out, "dns",
                        json_pack("{s:o,s:o,s:o}", "mail_cname", record_json(&r[1], back), "dkim1",
                                  record_json(&r[0], key), "dkim2", record_json(&r[0], key)));
    return 0;
}

static int link_json(struct http_call *c, const struct sending_domain *d, json_t **out)
{
    struct sending_record r[SENDING_RECORDS];
    int e = sending_records(api_of(c)->core, c->a, d, r);
    if (e) return e;
    *out = head_json(c, d, d->links, sender_has(d, SENDING_LINKS | SENDING_TLS));
    json_object_set_new(*out, "dns",
                        json_pack("{s:o}", "domain_cname", record_json(&r[2], d->found & SENDING_LINKS)));
    return 0;
}

static void show(struct http_call *c, int e, int status, const struct sending_domain *d, form *as)
{
    json_t *v = NULL;
    if (!e) e = as(c, d, &v);
    if (e) failed(c, e);
    else api_json(c, status, v);
}

/* ---- lists ---- */

struct listing {
    struct http_call *c;
    form *as;
    json_t *list;
    struct slice domain; /* only those that have this in their names */
    uint64_t limit, offset;
};

static int list_one(void *arg, const struct sending_domain *d)
{
    struct listing *l = arg;
    json_t *v = NULL;
    if (l->domain.n && sl_findi(d->name, l->domain) == SL_NONE) return 0;
    if (l->offset) {
        l->offset--;
        return 0;
    }
    int e = l->as(l->c, d, &v);
    if (e == ERR_CORRUPT) return 0; /* a damaged key: an alert tells of it */
    if (e) return e;
    json_array_append_new(l->list, v);
    return json_array_size(l->list) >= l->limit;
}

static void list(struct http_call *c, form *as)
{
    struct listing l = {.c = c, .as = as, .domain = http_query(c, SL("domain"))};
    if (!sendgrid_number(c, "limit", PAGE, PAGE_MAX, &l.limit) ||
        !sendgrid_number(c, "offset", 0, INT64_MAX, &l.offset))
        return;
    if (!l.limit) l.limit = PAGE;
    l.list = json_array();
    int e = sender_each(c, list_one, &l);
    if (e >= 0) {
        api_json(c, 200, l.list);
        return;
    }
    json_decref(l.list);
    failed(c, e);
}

void sendgrid_domain_list(struct http_call *c) { list(c, domain_json); }
void sendgrid_link_list(struct http_call *c) { list(c, link_json); }

/* ---- one ---- */

static void show_found(struct http_call *c, form *as)
{
    struct sending_domain d;
    show(c, sender_find(c, c->param[0], &d), 200, &d, as);
}

void sendgrid_domain_get(struct http_call *c) { show_found(c, domain_json); }
void sendgrid_link_get(struct http_call *c) { show_found(c, link_json); }

/* A letter goes as the domain of its author, or is refused: none stands in for others. */
void sendgrid_domain_default(struct http_call *c)
{
    http_fail(c, 404, "there is no default: a message goes as the domain of its From, or not at all");
}

static bool is_true(const json_t *o, const char *name) { return json_is_true(json_object_get(o, name)); }

/* What has no like here: *field, and why; or false. */
static bool asks_too_much(const json_t *body, const char **field, const char **why)
{
    *field = "custom_spf";
    *why =
        "is not offered: the SPF record of the return path is judged, whoever publishes it; a CNAME has it";
    if (is_true(body, "custom_spf")) return true;
    *field = "ips";
    if (json_array_size(json_object_get(body, "ips"))) return true;
    *field = "automatic_security";
    *why =
        "must be true: the records are a TXT record and a CNAME. Where no CNAME can be, an MX record to the "
        "same name and an SPF record that lets it pass do as well";
    if (json_is_false(json_object_get(body, "automatic_security"))) return true;
    *field = "custom_dkim_selector";
    *why = "cannot be chosen: key and selector are made for each domain of each account, as its proof";
    return dialect_slice(json_object_get(body, "custom_dkim_selector")).n > 0;
}

/* Subusers are accounts of their own here, with keys of their own. */
static bool is_for_another(const struct http_call *c, const json_t *body)
{
    struct slice who = dialect_slice(json_object_get(body, "username"));
    return who.n && !sl_eqi(who, c->key.account->address);
}

void sendgrid_domain_create(struct http_call *c)
{
    struct slice name, label;
    struct sending_domain d;
    const char *field, *why;
    json_t *body = api_body(c);
    if (!body) return;
    int e = api_member_text(body, "domain", &name);
    if (!e) e = api_member_text(body, "subdomain", &label);
    if (e) failed(c, e);
    else if (!name.n) refuse(c, "domain", "is missing");
    else if (asks_too_much(body, &field, &why)) refuse(c, field, why);
    else if (is_for_another(c, body)) refuse(c, "username", "is another account: ask with a key of it");
    else {
        e = sending_domain_add(dir_of(c), c->a, c->key.account->id, name, label, SL(""), &d);
        show(c, e, 201, &d, domain_json);
    }
    json_decref(body);
}

static void change(struct http_call *c, form *as)
{
    const char *field, *why;
    json_t *body = api_body(c);
    if (!body) return;
    if (asks_too_much(body, &field, &why)) refuse(c, field, why);
    else if (is_true(body, "default"))
        refuse(c, "default", "there is none: a message goes as the domain of its From, or not at all");
    else show_found(c, as);
    json_decref(body);
}

void sendgrid_domain_change(struct http_call *c) { change(c, domain_json); }
void sendgrid_link_change(struct http_call *c) { change(c, link_json); }

void sendgrid_domain_delete(struct http_call *c)
{
    struct sending_domain d;
    int e = sender_find(c, c->param[0], &d);
    if (!e) e = sending_domain_remove(dir_of(c), c->key.account->id, d.name);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

/* ---- looking ---- */

static json_t *result(bool valid, struct slice why)
{
    json_t *v = json_pack("{s:b,s:n}", "valid", valid, "reason");
    if (!valid) json_object_set_new(v, "reason", json_stringn(why.p, why.n));
    return v;
}

/* The first thing that is wrong has its reason; of another that is wrong, too, it is said what is missing. */
static struct slice reason(struct http_call *c, const struct sending_domain *d, bool first, struct slice host)
{
    if (first && d->why.n) return d->why;
    return ar_printf(c->a, "%.*s is not as the record here says", SLF(host));
}

static json_t *domain_results(struct http_call *c, const struct sending_domain *d)
{
    bool key = sender_has(d, SENDING_KEY), back = d->found & SENDING_RETURN;
    struct slice of_key =
        reason(c, d, !key, ar_printf(c->a, "%.*s._domainkey.%.*s", SLF(d->selector), SLF(d->name)));
    return json_pack("{s:o,s:o,s:o}", "mail_cname",
                     result(back, reason(c, d, key, sending_return_host(c->a, d))), "dkim1",
                     result(key, of_key), "dkim2", result(key, of_key));
}

static json_t *link_results(struct http_call *c, const struct sending_domain *d)
{
    bool here = d->found & SENDING_LINKS, rest = (d->found & SENDING_KEY) && (d->found & SENDING_RETURN);
    return json_pack("{s:o}", "domain_cname", result(here, reason(c, d, rest, sending_links_host(c->a, d))));
}

static void validate(struct http_call *c, unsigned bits,
                     json_t *(*results)(struct http_call *c, const struct sending_domain *d))
{
    struct sending_domain d;
    int e = sender_find(c, c->param[0], &d);
    if (!e) e = sender_verify(c, &d);
    if (e) failed(c, e);
    else
        api_json(c, 200,
                 json_pack("{s:I,s:b,s:o}", "id", (json_int_t)sender_number(&d), "valid",
                           sender_has(&d, bits), "validation_results", results(c, &d)));
}

void sendgrid_domain_validate(struct http_call *c)
{
    validate(c, SENDING_KEY | SENDING_RETURN, domain_results);
}
void sendgrid_link_validate(struct http_call *c) { validate(c, SENDING_LINKS | SENDING_TLS, link_results); }

/* ---- links ---- */

void sendgrid_link_create(struct http_call *c)
{
    struct slice name, label;
    struct sending_domain d;
    json_t *body = api_body(c);
    if (!body) return;
    int e = api_member_text(body, "domain", &name);
    if (!e) e = api_member_text(body, "subdomain", &label);
    if (!e) e = sending_domain_get(dir_of(c), c->a, c->key.account->id, name, &d);
    if (e == ERR_NOT_FOUND) {
        refuse(c, "domain",
               "authenticate the domain first (/v3/whitelabel/domains): its key proves its links, too");
    } else {
        if (!e && label.n) e = sending_domain_hosts(dir_of(c), c->key.account->id, name, SL(""), label);
        if (!e && label.n) e = sending_domain_get(dir_of(c), c->a, c->key.account->id, name, &d);
        show(c, e, 201, &d, link_json);
    }
    json_decref(body);
}

/* It has the name again that it had before anybody named it; until that is there, too, the node's own stands
 * in letters. */
void sendgrid_link_delete(struct http_call *c)
{
    struct sending_domain d;
    int e = sender_find(c, c->param[0], &d);
    if (!e) e = sending_domain_hosts(dir_of(c), c->key.account->id, d.name, SL(""), SENDING_LINKED);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}
