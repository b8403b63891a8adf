/* ses.c - the table of SES' routes; SendEmail, SendBulkEmail, GetAccount. */
#include "ses.h"

#include "allowance/allowance.h"
#include "base/text.h"
#include "core/core.h"
#include "send/stored.h"
#include "sigv4.h"

static int use_template(struct http_call *c, struct ses_mail *m)
{
    struct stored_version v;
    int e = ses_template_find(c, m->template_name, &m->d.a);
    if (!e)
        e = stored_version_get(api_of(c)->core->sends, sl_cstr(c->key.account->id), m->template_name, SL(""),
                               &m->d.a, &v);
    if (e) return e;
    ses_use_texts(m, v.subject, v.text, v.html);
    m->s.send.template_id = m->template_name;
    m->s.send.template_version = v.id;
    return 0;
}

/* What a template holds that came with the call is judged as a stored one is. */
static int judge_texts(struct ses_mail *m)
{
    const struct send *s = &m->s.send;
    struct stored_version v = {.subject = s->subject};
    if (s->language != SEND_SES) return 0;
    for (size_t i = 0; i < s->nparts; i++)
        *(sl_eq(s->part[i].type, SL("text/html")) ? &v.html : &v.text) = s->part[i].text;
    return stored_judge(&m->d.a, SEND_SES, &v);
}

static int take(struct http_call *c, struct ses_mail *m)
{
    struct sigv4 s;
    size_t at, letter;
    if (m->d.faults) return err_set(ERR_USAGE, "%s", m->why);
    int e = m->template_name.n ? use_template(c, m) : 0;
    if (!e) e = judge_texts(m);
    /* A signature that comes again is the same call again, and sends nothing twice. */
    if (!e) e = sigv4_parse(http_request_value(c->request, SL("Authorization")), &s);
    if (e) return e;
    m->d.idempotency = s.signature;
    return dialect_take(c, &m->d, &m->s, 1, &at, &letter);
}

static void put_id(struct ses_mail *m, size_t i, json_t *to)
{
    struct letter_id id;
    send_letter_id(&m->s.taken.id, i, &id);
    json_object_set_new(to, "MessageId", json_string(id.s));
}

static void one_taken(struct http_call *c, struct ses_mail *m)
{
    json_t *v = json_object();
    put_id(m, 0, v);
    api_json(c, 200, v);
}

static void bulk_taken(struct http_call *c, struct ses_mail *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->s.nletters; i++) {
        json_t *one = json_pack("{s:s}", "Status", "SUCCESS");
        put_id(m, i, one);
        json_array_append_new(list, one);
    }
    api_json(c, 200, json_pack("{s:o}", "BulkEmailEntryResults", list));
}

static void call(struct http_call *c, void (*read)(struct ses_mail *m, const json_t *body),
                 void (*taken)(struct http_call *c, struct ses_mail *m))
{
    struct ses_mail m;
    json_t *body = api_body(c);
    if (!body) return;
    read(&m, body);
    int e = take(c, &m);
    if (e) ses_failed(c, e);
    else taken(c, &m);
    ses_mail_end(&m);
    json_decref(body);
}

static void send_email(struct http_call *c) { call(c, ses_read_one, one_taken); }
static void send_bulk(struct http_call *c) { call(c, ses_read_bulk, bulk_taken); }

/* What the account may send in a day and, by what it may in an hour, in a second; -1 a day: without limit. */
static json_t *quota_json(struct http_call *c)
{
    enum { UNLIMITED_RATE = 1000 }; /* programs divide by it */
    struct allowance *x = api_of(c)->core->allowance;
    struct allowance_used used = {{0}};
    struct sender_limits all = allowance_limits(x, &c->key.account->limits);
    int64_t day = all.v[SENDER_RCPTS_DAY], hour = all.v[SENDER_RCPTS_HOUR];
    (void)!allowance_used(x, c->key.account->id, SL(""), &used); /* what cannot be read is not told */
    return json_pack("{s:f,s:f,s:f}", "Max24HourSend", day == SENDER_UNLIMITED ? -1.0 : (double)day,
                     "MaxSendRate", hour == SENDER_UNLIMITED ? (double)UNLIMITED_RATE : (double)hour / 3600,
                     "SentLast24Hours", (double)used.n[SENDER_RCPTS_DAY]);
}

/* No sandbox; what binds an account are its limits (docs/limits.md). */
static void get_account(struct http_call *c)
{
    api_json(c, 200,
             json_pack("{s:b,s:b,s:b,s:s,s:o,s:{s:[ss]}}", "ProductionAccessEnabled", 1, "SendingEnabled", 1,
                       "DedicatedIpAutoWarmupEnabled", 0, "EnforcementStatus", "HEALTHY", "SendQuota",
                       quota_json(c), "SuppressionAttributes", "SuppressedReasons", "BOUNCE", "COMPLAINT"));
}

#define EMAILS "/v2/email/outbound-emails"
#define STORED "/v2/email/templates"
#define IDENTITY "/v2/email/identities"
#define SUPPRESSED "/v2/email/suppression/addresses"
static const struct http_route routes[] = {
    HTTP_ROUTE(POST, EMAILS, MAIL_SEND, send_email, "SendEmail (SES)", .body_max = 2 * DIALECT_BODY_MAX),
    HTTP_ROUTE(POST, "/v2/email/outbound-bulk-emails", MAIL_SEND, send_bulk, "SendBulkEmail (SES)",
               .body_max = 2 * DIALECT_BODY_MAX),
    HTTP_ROUTE(GET, "/v2/email/account", MAIL_SEND, get_account, "GetAccount (SES)"),
    HTTP_ROUTE(POST, STORED, TEMPLATES, ses_template_create, "CreateEmailTemplate (SES)",
               .body_max = 1 << 20),
    HTTP_ROUTE(GET, STORED, TEMPLATES, ses_template_list, "ListEmailTemplates (SES)"),
    HTTP_ROUTE(GET, STORED "/{name}", TEMPLATES, ses_template_get, "GetEmailTemplate (SES)"),
    HTTP_ROUTE(PUT, STORED "/{name}", TEMPLATES, ses_template_update, "UpdateEmailTemplate (SES)",
               .body_max = 1 << 20),
    HTTP_ROUTE(DELETE, STORED "/{name}", TEMPLATES, ses_template_delete, "DeleteEmailTemplate (SES)"),
    HTTP_ROUTE(POST, STORED "/{name}/render", TEMPLATES, ses_template_render, "TestRenderEmailTemplate (SES)",
               .body_max = 1 << 20, .flags = HTTP_ROUTE_LOOKS),
    HTTP_ROUTE(POST, IDENTITY, SENDERS, ses_identity_create, "CreateEmailIdentity (SES)"),
    HTTP_ROUTE(GET, IDENTITY, SENDERS, ses_identity_list, "ListEmailIdentities (SES)"),
    HTTP_ROUTE(GET, IDENTITY "/{identity}", SENDERS, ses_identity_get, "GetEmailIdentity (SES)"),
    HTTP_ROUTE(DELETE, IDENTITY "/{identity}", SENDERS, ses_identity_delete, "DeleteEmailIdentity (SES)"),
    HTTP_ROUTE(PUT, IDENTITY "/{identity}/dkim", SENDERS, ses_identity_dkim,
               "PutEmailIdentityDkimAttributes (SES)"),
    HTTP_ROUTE(PUT, IDENTITY "/{identity}/mail-from", SENDERS, ses_identity_mail_from,
               "PutEmailIdentityMailFromAttributes (SES)"),
    HTTP_ROUTE(PUT, SUPPRESSED, SUPPRESSION, ses_suppressed_put, "PutSuppressedDestination (SES)"),
    HTTP_ROUTE(GET, SUPPRESSED, SUPPRESSION, ses_suppressed_list, "ListSuppressedDestinations (SES)"),
    HTTP_ROUTE(GET, SUPPRESSED "/{address}", SUPPRESSION, ses_suppressed_get,
               "GetSuppressedDestination (SES)"),
    HTTP_ROUTE(DELETE, SUPPRESSED "/{address}", SUPPRESSION, ses_suppressed_delete,
               "DeleteSuppressedDestination (SES)"),
};
const struct http_group api_ses = {.name = "ses",
                                   .prefix = "/v2/email/",
                                   .nothing =
                                       "this call of Amazon SES is not offered here; GET /openapi.json lists "
                                       "those that are",
                                   .route = routes,
                                   .n = COUNT_OF(routes),
                                   .auth = ses_auth,
                                   .watch = api_watch,
                                   .prove = ses_prove,
                                   .error = ses_error};
