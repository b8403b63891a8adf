/* mailjet_senders.c - /v3/REST/sender and dns: domains of customers, and the account's own address, which is
 * a sender that needs no proof. A sender and its dns have one number. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "mailjet.h"
#include "senders.h"
#include "store/store.h"

static struct directory *dir_of(struct http_call *c) { return api_of(c)->core->store->directory; }
static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

static void failed(struct http_call *c, int e)
{
    if (e == ERR_EXISTS || e == ERR_LIMIT || e == ERR_STATE) http_fail(c, 400, "%s", err_text(e));
    else http_fail(c, http_status_of(e), "%s", e == ERR_NOT_FOUND ? "Object not found" : err_text(e));
}

/* {"Count", "Data", "Total"}; takes the reference. */
static void told(struct http_call *c, int status, json_t *list, size_t total)
{
    api_json(c, status,
             json_pack("{s:I,s:o,s:I}", "Count", (json_int_t)json_array_size(list), "Data", list, "Total",
                       (json_int_t)total));
}

static json_t *time_json(int64_t when)
{
    char at[CIVIL_TEXT_MAX];
    return json_string(when ? civil_format(when, at) : "");
}

typedef json_t *form(struct http_call *c, const struct sending_domain *d);

static json_t *sender_json(struct http_call *c, const struct sending_domain *d)
{
    json_int_t id = (json_int_t)sender_number(d);
    return json_pack("{s:I,s:I,s:o,s:s,s:s,s:b,s:s,s:s,s:o}", "ID", id, "DNSID", id, "Email",
                     text(ar_cat(c->a, SL("*@"), d->name)), "EmailType", "unknown", "Filename", "",
                     "IsDefaultSender", 0, "Name", "", "Status", d->verified ? "Active" : "Inactive",
                     "CreatedAt", time_json(d->created));
}

static json_t *own_json(struct http_call *c)
{
    return json_pack("{s:I,s:I,s:o,s:s,s:s,s:b,s:s,s:s}", "ID", (json_int_t)sender_account_number(c), "DNSID",
                     (json_int_t)0, "Email", text(c->key.account->address), "EmailType", "unknown",
                     "Filename", "", "IsDefaultSender", 1, "Name", "", "Status", "Active");
}

static const char *status(const struct sending_domain *d, unsigned bit)
{
    return !d->looked ? "Not checked" : d->found & bit ? "OK" : "Error";
}

/* SPF is asked of the return path, so what is published for it is a CNAME, told as a line. */
static json_t *dns_json(struct http_call *c, const struct sending_domain *d)
{
    struct sending_record r[SENDING_RECORDS] = {{0}};
    (void)!sending_records(api_of(c)->core, c->a, d, r); /* of a damaged key nothing is told to publish */
    struct slice spf = r[1].name.n ? sending_record_line(c->a, &r[1]) : SL("");
    struct slice name = r[0].name.n ? ar_cat(c->a, r[0].name, SL(".")) : SL("");
    return json_pack("{s:I,s:o,s:o,s:o,s:s,s:o,s:s,s:b,s:o,s:s,s:s}", "ID", (json_int_t)sender_number(d),
                     "Domain", text(d->name), "DKIMRecordName", text(name), "DKIMRecordValue",
                     text(r[0].value), "DKIMStatus", status(d, SENDING_KEY), "SPFRecordValue", text(spf),
                     "SPFStatus", status(d, SENDING_RETURN), "IsCheckInProgress", 0, "LastCheckAt",
                     time_json(d->looked), "OwnerShipToken", "", "OwnerShipTokenRecordName", "");
}

/* ---- lists ---- */

struct listing {
    struct http_call *c;
    form *as;
    json_t *list;
};

static int list_one(void *arg, const struct sending_domain *d)
{
    struct listing *l = arg;
    json_array_append_new(l->list, l->as(l->c, d));
    return 0;
}

/* Takes the reference. */
static void list_all(struct http_call *c, form *as, json_t *list)
{
    struct listing l = {c, as, list};
    int e = sender_each(c, list_one, &l);
    if (!e) {
        mailjet_list(c, list, NULL);
        return;
    }
    json_decref(list);
    failed(c, e);
}

void mailjet_dns_list(struct http_call *c) { list_all(c, dns_json, json_array()); }
void mailjet_sender_list(struct http_call *c) { list_all(c, sender_json, json_pack("[o]", own_json(c))); }

/* ---- one ---- */

static void show(struct http_call *c, int e, int code, const struct sending_domain *d, form *as)
{
    if (e) failed(c, e);
    else told(c, code, json_pack("[o]", as(c, d)), 1);
}

static bool is_own(struct http_call *c)
{
    uint64_t n = 0;
    return num_u64(c->param[0], INT64_MAX, &n) ? (int64_t)n == sender_account_number(c)
                                               : sl_eqi(c->param[0], c->key.account->address);
}

void mailjet_dns_get(struct http_call *c)
{
    struct sending_domain d;
    show(c, sender_find(c, c->param[0], &d), 200, &d, dns_json);
}

void mailjet_sender_get(struct http_call *c)
{
    struct sending_domain d;
    if (is_own(c)) told(c, 200, json_pack("[o]", own_json(c)), 1);
    else show(c, sender_find(c, c->param[0], &d), 200, &d, sender_json);
}

void mailjet_sender_create(struct http_call *c)
{
    struct slice email;
    struct sending_domain d;
    json_t *body = api_body(c);
    if (!body) return;
    int e = api_member_text(body, "Email", &email);
    if (!e && !email.n) e = err_set(ERR_USAGE, "Email is missing");
    if (!e && !sl_starts(email, SL("*@")) && sl_chr(email, '@') != SL_NONE)
        e = err_set(ERR_USAGE, "an address is validated by its domain: create the sender *@%.*s",
                    SLF(printable(c->a, sl_from(email, sl_rchr(email, '@') + 1), 200)));
    struct slice name = sl_starts(email, SL("*@")) ? sl_from(email, 2) : email;
    if (!e) e = sending_domain_add(dir_of(c), c->a, c->key.account->id, name, SL(""), SL(""), &d);
    show(c, e, 201, &d, sender_json);
    json_decref(body);
}

void mailjet_sender_delete(struct http_call *c)
{
    struct sending_domain d;
    int e = is_own(c) ? err_set(ERR_STATE, "the account's own address cannot be removed here")
                      : sender_find(c, c->param[0], &d);
    if (!e) e = sending_domain_remove(dir_of(c), c->key.account->id, d.name);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

/* ---- looking ---- */

static int look(struct http_call *c, struct sending_domain *d)
{
    int e = sender_find(c, c->param[0], d);
    return e ? e : sender_verify(c, d);
}

/* What is wrong is one sentence: of the key, where that is what is wrong, else of the return path. */
static json_t *errors(const struct sending_domain *d, bool wrong, bool its)
{
    json_t *all = json_array();
    if (wrong && its && d->why.n) json_array_append_new(all, text(d->why));
    else if (wrong) json_array_append_new(all, json_string("the record is not there, or is another one"));
    return all;
}

void mailjet_dns_check(struct http_call *c)
{
    struct sending_domain d;
    struct sending_record r[SENDING_RECORDS];
    int e = look(c, &d);
    if (!e) e = sending_records(api_of(c)->core, c->a, &d, r);
    if (e) {
        failed(c, e);
        return;
    }
    bool key = d.found & SENDING_KEY, back = d.found & SENDING_RETURN;
    json_t *v = json_pack("{s:o,s:s,s:o,s:o,s:s,s:o}", "DKIMErrors", errors(&d, !key, true), "DKIMStatus",
                          status(&d, SENDING_KEY), "DKIMRecordCurrentValue", text(key ? r[0].value : SL("")),
                          "SPFErrors", errors(&d, !back, key), "SPFStatus", status(&d, SENDING_RETURN),
                          "SPFRecordCurrentValue", text(back ? sending_record_line(c->a, &r[1]) : SL("")));
    told(c, 200, json_pack("[o]", v), 1);
}

void mailjet_sender_validate(struct http_call *c)
{
    struct sending_domain d;
    int e = look(c, &d);
    if (e) {
        failed(c, e);
        return;
    }
    json_t *wrong = json_object();
    if (!d.verified) json_object_set_new(wrong, "DNSValidationError", text(d.why));
    told(c, 200,
         json_pack("[{s:s,s:o,s:s}]", "ValidationMethod", "DNS", "Errors", wrong, "GlobalError",
                   d.verified ? "" : "the domain is not proved yet"),
         1);
}
