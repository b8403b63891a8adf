/* mailjet.c - POST /v3.1/send: judged whole, all messages taken or none, answered in Mailjet's form. */
#include "mailjet.h"

#include "base/text.h"
#include "core/core.h"
#include "send/stored.h"

/* ---- answers ---- */

static void refuse(struct http_call *c, int status, const char *sentence)
{
    if (status == 401)
        sentence =
            "API key authentication/authorization failure. You may be unauthorized to access the API or your "
            "API key may be expired. Visit API keys management section to check your keys.";
    const char *code = status == 400   ? "mj-0002"
                       : status == 401 ? "mj-0015"
                       : status == 413 ? "mj-0011"
                                       : "mj-0001";
    api_json(c, status, mailjet_error(code, status, sentence, NULL));
}

static json_t *told(struct dialect_send *s, const struct send_addrs *list, struct http_call *c)
{
    json_t *all = json_array();
    struct letter_id id;
    send_letter_id(&s->taken.id, 0, &id);
    json_int_t number = (json_int_t)send_number(&s->taken.id);
    if (s->send.options & SEND_SANDBOX) id.s[0] = 0, number = 0; /* nothing is there to be found again */
    struct slice href =
        ar_printf(c->a, "https://%.*s/v3/REST/message/%lld", SLF(c->request->host), (long long)number);
    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(all, json_pack("{s:s%,s:s,s:I,s:s%}", "Email", list->v[i].address.p,
                                             list->v[i].address.n, "MessageUUID", id.s, "MessageID", number,
                                             "MessageHref", href.p, href.n));
    return all;
}

static json_t *one_told(struct mailjet_message *m, struct http_call *c)
{
    struct send_letter *l = &m->letter;
    json_t *v = json_pack("{s:s,s:s%,s:o,s:o,s:o}", "Status", "success", "CustomID",
                          l->custom.p ? l->custom.p : "", l->custom.n, "To", told(&m->s, &l->to, c), "Cc",
                          told(&m->s, &l->cc, c), "Bcc", told(&m->s, &l->bcc, c));
    if (m->s.send.payload.n)
        json_object_set_new(v, "EventPayload", json_stringn(m->s.send.payload.p, m->s.send.payload.n));
    return v;
}

static void all_told(struct mailjet_call *m, struct http_call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->n; i++) json_array_append_new(list, one_told(&m->message[i], c));
    api_json(c, 200, json_pack("{s:o}", "Messages", list));
}

/* Each message that is refused with its faults; the others were not sent either, and say so by being left
 * out. */
static void faults_told(struct mailjet_call *m, struct http_call *c, int status)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->n; i++)
        if (json_array_size(m->message[i].errors))
            json_array_append_new(list,
                                  json_pack("{s:s,s:O}", "Status", "error", "Errors", m->message[i].errors));
    if (json_array_size(list)) {
        api_json(c, status, json_pack("{s:o}", "Messages", list));
    } else {
        json_decref(list);
        api_json(c, status, json_incref(json_array_get(m->errors, 0)));
    }
}

/* ---- templates ---- */

static int use_template(struct http_call *c, struct mailjet_call *m, struct mailjet_message *one)
{
    struct send *s = &one->s.send;
    struct stored_version v;
    struct slice id = ar_printf(&m->d.a, "%lld", (long long)one->template_id);
    struct stored_template t;
    int e = dialect_template(c, "mailjet", id, &m->d.a, &t);
    if (!e)
        e = stored_version_get(api_of(c)->core->sends, sl_cstr(c->key.account->id), id, SL(""), &m->d.a, &v);
    if (e) return e;
    s->nparts = 0;
    s->template_id = id;
    s->template_version = v.id;
    if (v.text.n) s->part[s->nparts++] = (struct send_part){SL("text/plain"), v.text};
    if (v.html.n) s->part[s->nparts++] = (struct send_part){SL("text/html"), v.html};
    if (!s->subject.n) s->subject = v.subject;
    return 0;
}

static int use_templates(struct http_call *c, struct mailjet_call *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct mailjet_message *one = &m->message[i];
        int e = one->template_id ? use_template(c, m, one) : 0;
        if (e && e != ERR_NOT_FOUND) return e;
        if (!e) continue;
        struct slice sentence = ar_printf(&m->d.a, "Template id \"%lld\" doesn't exist for your account.",
                                          (long long)one->template_id);
        json_array_append_new(one->errors, mailjet_error("send-0010", 400, sentence.p, "TemplateID"));
        m->d.faults++;
    }
    return 0;
}

/* ---- the call ---- */

static void take(struct http_call *c, struct mailjet_call *m)
{
    struct dialect_send *s = ar_array(&m->d.a, struct dialect_send, 2 * m->n);
    size_t *of = ar_array(&m->d.a, size_t, m->n), at, letter;
    for (size_t i = 0; i < m->n; i++) s[i] = m->message[i].s;
    size_t reports = mailjet_reports(c, m, s + m->n, of);
    int e = dialect_take(c, &m->d, s, m->n + reports, &at, &letter);
    if (e < 0) {
        if (at >= m->n) at = of[at - m->n];
        int status = http_status_of(e);
        json_array_append_new(m->message[at].errors,
                              mailjet_error(e == ERR_DENIED ? "send-0008"
                                            : status == 400 ? mailjet_code(e)
                                                            : "mj-0001",
                                            status, err_text(e), e == ERR_DENIED ? "From" : NULL));
        faults_told(m, c, status);
        return;
    }
    for (size_t i = 0; i < m->n; i++) m->message[i].s = s[i];
    all_told(m, c);
}

static void mailjet_send(struct http_call *c)
{
    struct mailjet_call m;
    json_t *body = api_body(c);
    if (!body) return;
    mailjet_read(&m, body);
    int e = m.d.faults ? 0 : use_templates(c, &m);
    if (e) api_failed(c, e);
    else if (m.d.faults) faults_told(&m, c, 400);
    else take(c, &m);
    mailjet_end(&m);
    json_decref(body);
}

#define TEMPLATE "/v3/REST/template"
#define SENDER "/v3/REST/sender"
#define DNS "/v3/REST/dns"
#define CALLBACK "/v3/REST/eventcallbackurl"
static const struct http_route routes[] = {
    HTTP_ROUTE(POST, "/v3.1/send", MAIL_SEND, mailjet_send, "sends up to 50 messages (Mailjet)",
               .body_max = DIALECT_BODY_MAX),
};
static const struct http_route rest[] = {
    HTTP_ROUTE(POST, TEMPLATE, TEMPLATES, mailjet_template_create, "makes a template (Mailjet)"),
    HTTP_ROUTE(GET, TEMPLATE, TEMPLATES, mailjet_template_list, "lists templates (Mailjet)"),
    HTTP_ROUTE(GET, TEMPLATE "/{id}", TEMPLATES, mailjet_template_get, "shows a template (Mailjet)"),
    HTTP_ROUTE(DELETE, TEMPLATE "/{id}", TEMPLATES, mailjet_template_delete, "removes a template (Mailjet)"),
    HTTP_ROUTE(POST, TEMPLATE "/{id}/detailcontent", TEMPLATES, mailjet_content_put,
               "sets the texts of a template (Mailjet)", .body_max = 3 << 20),
    HTTP_ROUTE(GET, TEMPLATE "/{id}/detailcontent", TEMPLATES, mailjet_content_get,
               "shows the texts of a template (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/message", MESSAGES_READ, mailjet_message_list, "lists messages (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/messageinformation", MESSAGES_READ, mailjet_information_list,
               "lists how far messages came, in numbers (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/message/{id}", MESSAGES_READ, mailjet_message_get,
               "what became of a message (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/messagehistory/{id}", MESSAGES_READ, mailjet_message_history,
               "what happened to a message, in order (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/messageinformation/{id}", MESSAGES_READ, mailjet_message_information,
               "how far a message came, in numbers (Mailjet)"),
    HTTP_ROUTE(GET, "/v3/REST/statcounters", STATS_READ, mailjet_stat_counters, "numbers by day (Mailjet)"),
    HTTP_ROUTE(POST, CALLBACK, WEBHOOKS, mailjet_callback_create, "tells a kind of event to a URL (Mailjet)"),
    HTTP_ROUTE(GET, CALLBACK, WEBHOOKS, mailjet_callback_list,
               "lists to which URLs events are told (Mailjet)"),
    HTTP_ROUTE(GET, CALLBACK "/{id}", WEBHOOKS, mailjet_callback_get,
               "shows to which URL a kind of event is told (Mailjet)"),
    HTTP_ROUTE(PUT, CALLBACK "/{id}", WEBHOOKS, mailjet_callback_change,
               "tells a kind of event to another URL (Mailjet)"),
    HTTP_ROUTE(DELETE, CALLBACK "/{id}", WEBHOOKS, mailjet_callback_delete,
               "tells a kind of event to no URL any more (Mailjet)"),
    HTTP_ROUTE(POST, SENDER, SENDERS, mailjet_sender_create, "claims a domain to send as (Mailjet)"),
    HTTP_ROUTE(GET, SENDER, SENDERS, mailjet_sender_list, "lists whom the account sends as (Mailjet)"),
    HTTP_ROUTE(GET, SENDER "/{id}", SENDERS, mailjet_sender_get, "shows a sender (Mailjet)"),
    HTTP_ROUTE(DELETE, SENDER "/{id}", SENDERS, mailjet_sender_delete, "sends no more as it (Mailjet)"),
    HTTP_ROUTE(POST, SENDER "/{id}/validate", SENDERS, mailjet_sender_validate,
               "looks at the records of a sender now (Mailjet)", .flags = HTTP_ROUTE_LOOKS),
    HTTP_ROUTE(GET, DNS, SENDERS, mailjet_dns_list, "lists records of senders (Mailjet)"),
    HTTP_ROUTE(GET, DNS "/{id}", SENDERS, mailjet_dns_get, "shows the records of a sender (Mailjet)"),
    HTTP_ROUTE(POST, DNS "/{id}/check", SENDERS, mailjet_dns_check,
               "looks at the records of a sender now (Mailjet)", .flags = HTTP_ROUTE_LOOKS),
};
#define NOTHING "this call of Mailjet is not offered here; GET /openapi.json lists those that are"
const struct http_group api_mailjet = {.name = "mailjet",
                                       .prefix = "/v3.1/",
                                       .nothing = NOTHING,
                                       .route = routes,
                                       .n = COUNT_OF(routes),
                                       .auth = api_auth,
                                       .watch = api_watch,
                                       .error = refuse};
/* Addresses under it that are no route are refused in Mailjet's form, not in SendGrid's. */
const struct http_group api_mailjet_rest = {.name = "mailjet",
                                            .prefix = "/v3/REST/",
                                            .nothing = NOTHING,
                                            .route = rest,
                                            .n = COUNT_OF(rest),
                                            .auth = api_auth,
                                            .watch = api_watch,
                                            .error = refuse};
/* The same of its older call. */
const struct http_group api_mailjet_old = {.name = "mailjet",
                                           .prefix = "/v3/send",
                                           .nothing = "this older call of Mailjet is not offered here; POST "
                                                      "/v3.1/send is",
                                           .error = refuse};
