/* ses_identities.c - SES' email identities: domains of customers, and addresses that the account may send as.
 * Their DKIM record is a TXT record, which the form of SES has no place for: it stands in Tags, as lines of a
 * master file, with the others. */
#include "base/text.h"
#include "cursor.h"
#include "senders.h"
#include "ses.h"
#include "store/store.h"

enum { LIST_MAX = 1000 };

static struct directory *dir_of(struct http_call *c) { return api_of(c)->core->store->directory; }
static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

static void failed(struct http_call *c, int e)
{
    if (e == ERR_LIMIT) ses_error_as(c, 400, "LimitExceededException", err_text(e));
    else if (e == ERR_STATE) ses_error_as(c, 400, "BadRequestException", err_text(e));
    else ses_failed(c, e);
}

/* ---- as JSON ---- */

static const char *verification(const struct sending_domain *d)
{
    if (d->verified) return d->failing ? "TEMPORARY_FAILURE" : "SUCCESS";
    return d->lost ? "FAILED" : "PENDING";
}

static json_t *dkim_json(const struct sending_domain *d)
{
    return json_pack("{s:b,s:s,s:[o],s:s,s:s,s:s,s:I}", "SigningEnabled", 1, "Status", verification(d),
                     "Tokens", text(d->selector), "SigningAttributesOrigin", "AWS_SES",
                     "CurrentSigningKeyLength", "RSA_2048_BIT", "NextSigningKeyLength", "RSA_2048_BIT",
                     "LastKeyGenerationTimestamp", (json_int_t)d->created);
}

/* Its records, in the order of struct sending_record. */
static json_t *tags_json(struct http_call *c, const struct sending_domain *d)
{
    struct sending_record r[SENDING_RECORDS];
    json_t *all = json_array();
    int e = sending_records(api_of(c)->core, c->a, d, r);
    for (size_t i = 0; !e && i < SENDING_RECORDS; i++)
        json_array_append_new(all, json_pack("{s:o,s:o}", "Key", text(ar_printf(c->a, "dns:%zu", i + 1)),
                                             "Value", text(sending_record_line(c->a, &r[i]))));
    return all;
}

static json_t *domain_json(struct http_call *c, const struct sending_domain *d)
{
    json_t *v = json_pack("{s:s,s:b,s:b,s:s,s:o,s:{s:o,s:s,s:s},s:{},s:o}", "IdentityType", "DOMAIN",
                          "VerifiedForSendingStatus", d->verified != 0, "FeedbackForwardingStatus", 0,
                          "VerificationStatus", verification(d), "DkimAttributes", dkim_json(d),
                          "MailFromAttributes", "MailFromDomain", text(sending_return_host(c->a, d)),
                          "MailFromDomainStatus", d->found & SENDING_RETURN ? "SUCCESS" : "PENDING",
                          "BehaviorOnMxFailure", "USE_DEFAULT_VALUE", "Policies", "Tags", tags_json(c, d));
    if (d->looked)
        json_object_set_new(v, "VerificationInfo",
                            json_pack("{s:I}", "LastCheckedTimestamp", (json_int_t)d->looked));
    return v;
}

static json_t *address_json(void)
{
    return json_pack("{s:s,s:b,s:b,s:s}", "IdentityType", "EMAIL_ADDRESS", "VerifiedForSendingStatus", 1,
                     "FeedbackForwardingStatus", 0, "VerificationStatus", "SUCCESS");
}

static bool is_address(struct slice identity) { return sl_chr(identity, '@') != SL_NONE; }

/* 0, ERR_DENIED: it may not send as that. */
static int may(struct http_call *c, struct slice address)
{
    struct slice local, domain;
    int e = address_split(c->a, address, &local, &domain);
    return e ? e : account_may_send_as(dir_of(c), c->key.account, local, domain);
}

/* ---- one ---- */

static void create_address(struct http_call *c, struct slice address)
{
    int e = may(c, address);
    if (e == ERR_DENIED)
        ses_error_as(
            c, 400, "BadRequestException",
            "an address is verified by its domain: create an identity for that, and publish its records");
    else if (e) failed(c, e);
    else
        api_json(c, 200,
                 json_pack("{s:s,s:b}", "IdentityType", "EMAIL_ADDRESS", "VerifiedForSendingStatus", 1));
}

static void create_domain(struct http_call *c, struct slice name)
{
    struct sending_domain d;
    int e = sending_domain_add(dir_of(c), c->a, c->key.account->id, name, SL(""), SL(""), &d);
    if (e) failed(c, e);
    else
        api_json(c, 200,
                 json_pack("{s:s,s:b,s:o}", "IdentityType", "DOMAIN", "VerifiedForSendingStatus", 0,
                           "DkimAttributes", dkim_json(&d)));
}

void ses_identity_create(struct http_call *c)
{
    struct slice identity;
    json_t *body = api_body(c);
    if (!body) return;
    json_t *own = json_object_get(body, "DkimSigningAttributes");
    int e = api_member_text(body, "EmailIdentity", &identity);
    if (e) failed(c, e);
    else if (!identity.n) ses_error_as(c, 400, "BadRequestException", "EmailIdentity is missing");
    else if (json_object_get(own, "DomainSigningPrivateKey"))
        ses_error_as(
            c, 400, "BadRequestException",
            "a key of one's own cannot be used: the key that is made for the identity is what proves it");
    else if (is_address(identity)) create_address(c, identity);
    else create_domain(c, identity);
    json_decref(body);
}

static int claim_of(struct http_call *c, struct sending_domain *d)
{
    return sending_domain_get(dir_of(c), c->a, c->key.account->id, c->param[0], d);
}

/* SES looks by itself, and programs ask until it is verified: so it is looked at now, as long as it is not,
 * and nobody looks already. */
void ses_identity_get(struct http_call *c)
{
    struct sending_domain d;
    if (is_address(c->param[0])) {
        int e = may(c, c->param[0]);
        if (e == ERR_DENIED)
            e = err_set(ERR_NOT_FOUND, "Email identity %.*s does not exist.",
                        SLF(printable(c->a, c->param[0], 320)));
        if (e) failed(c, e);
        else api_json(c, 200, address_json());
        return;
    }
    int e = claim_of(c, &d);
    if (!e && !d.verified) e = sender_glance(c, &d);
    if (e) failed(c, e);
    else api_json(c, 200, domain_json(c, &d));
}

void ses_identity_delete(struct http_call *c)
{
    if (is_address(c->param[0])) {
        ses_error_as(c, 400, "BadRequestException",
                     "what an account may send as by itself cannot be deleted here");
        return;
    }
    int e = sending_domain_remove(dir_of(c), c->key.account->id, c->param[0]);
    if (e) failed(c, e);
    else api_json(c, 200, json_object());
}

/* ---- the list ---- */

struct listing {
    json_t *list;
    size_t page;
    struct slice after, last; /* names */
    struct arena *a;
    bool more;
};

static void list_it(struct listing *l, const char *type, struct slice name, bool enabled, const char *status)
{
    json_array_append_new(l->list,
                          json_pack("{s:s,s:o,s:b,s:s}", "IdentityType", type, "IdentityName", text(name),
                                    "SendingEnabled", enabled, "VerificationStatus", status));
    l->last = ar_dup(l->a, name);
}

static int list_one(void *arg, const struct sending_domain *d)
{
    struct listing *l = arg;
    if (l->after.n && sl_cmp(d->name, l->after) <= 0) return 0;
    l->more = json_array_size(l->list) >= l->page;
    if (l->more) return 1;
    list_it(l, "DOMAIN", d->name, d->verified != 0, verification(d));
    return 0;
}

/* The account's own address first, then its domains by name; a token is the name before. */
void ses_identity_list(struct http_call *c)
{
    struct listing l = {.list = json_array(), .a = c->a};
    int e = ses_page(c, LIST_MAX, &l.page);
    if (!e) e = cursor_read(c, "identities", "NextToken", &l.after);
    if (!e && !l.after.n) list_it(&l, "EMAIL_ADDRESS", c->key.account->address, true, "SUCCESS");
    if (is_address(l.after)) l.after = SL("");
    if (!e) e = sender_each(c, list_one, &l);
    if (e < 0) {
        json_decref(l.list);
        failed(c, e);
        return;
    }
    json_t *v = json_pack("{s:o}", "EmailIdentities", l.list);
    if (l.more) json_object_set_new(v, "NextToken", text(cursor_make(c, "identities", l.last)));
    api_json(c, 200, v);
}

/* ---- what can be set ---- */

void ses_identity_dkim(struct http_call *c)
{
    struct sending_domain d;
    json_t *body = api_body(c);
    if (!body) return;
    bool on;
    int e = api_member_bool(body, "SigningEnabled", &on);
    if (!e) e = claim_of(c, &d);
    if (e) failed(c, e);
    else if (!on)
        ses_error_as(c, 400, "BadRequestException",
                     "every message is signed: SigningEnabled cannot be false");
    else api_json(c, 200, json_object());
    json_decref(body);
}

/* "bounce" of "bounce.shop.example"; empty: it is not of that form. */
static struct slice label_before(struct slice host, struct slice name)
{
    if (host.n <= name.n + 1 || !sl_endsi(host, name) || host.p[host.n - name.n - 1] != '.') return SL("");
    return sl_sub(host, 0, host.n - name.n - 1);
}

void ses_identity_mail_from(struct http_call *c)
{
    struct slice host, behavior;
    struct sending_domain d;
    json_t *body = api_body(c);
    if (!body) return;
    int e = api_member_text(body, "MailFromDomain", &host);
    if (!e) e = api_member_text(body, "BehaviorOnMxFailure", &behavior);
    if (!e) e = claim_of(c, &d);
    struct slice label = e ? SL("") : label_before(host, d.name);
    if (!e && !host.n)
        e = err_set(ERR_USAGE,
                    "MailFromDomain cannot be taken away; it is used only while its records are right");
    if (!e && sl_eq(behavior, SL("REJECT_MESSAGE")))
        e = err_set(ERR_USAGE, "BehaviorOnMxFailure must be USE_DEFAULT_VALUE");
    if (!e && !label.n)
        e = err_set(ERR_USAGE, "MailFromDomain must be one label before the identity, as bounce.%.*s",
                    SLF(d.name));
    if (!e) e = sending_domain_hosts(dir_of(c), c->key.account->id, d.name, label, SL(""));
    if (e) failed(c, e);
    else api_json(c, 200, json_object());
    json_decref(body);
}
