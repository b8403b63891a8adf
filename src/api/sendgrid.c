/* sendgrid.c - the table of SendGrid's routes. */
#include "sendgrid.h"

#include "base/text.h"

#define ONE_LIST(word)                                                                                       \
    HTTP_ROUTE(GET, "/v3/suppression/" word, SUPPRESSION, sendgrid_suppressed_list,                          \
               "lists " word " (SendGrid)"),                                                                 \
        HTTP_ROUTE(DELETE, "/v3/suppression/" word, SUPPRESSION, sendgrid_suppressed_delete_some,            \
                   "removes some or all of " word " (SendGrid)"),                                            \
        HTTP_ROUTE(GET, "/v3/suppression/" word "/{email}", SUPPRESSION, sendgrid_suppressed_get,            \
                   "is the address among " word "? (SendGrid)"),                                             \
        HTTP_ROUTE(DELETE, "/v3/suppression/" word "/{email}", SUPPRESSION, sendgrid_suppressed_delete,      \
                   "removes the address from " word " (SendGrid)")

#define TEMPLATE "/v3/templates/{template_id}"
#define VERSION TEMPLATE "/versions/{version_id}"
#define WEBHOOK "/v3/user/webhooks/event/settings"
#define PARSE "/v3/user/webhooks/parse/settings"
#define DOMAIN "/v3/whitelabel/domains"
#define LINK "/v3/whitelabel/links"
#define GROUP "/v3/asm/groups/{group_id}"
enum { TEMPLATE_BODY = 3 << 20 };

static const struct http_route routes[] = {
    HTTP_ROUTE(POST, "/v3/mail/send", MAIL_SEND, sendgrid_mail_send,
               "sends one letter for each personalization (SendGrid)", .body_max = DIALECT_BODY_MAX),
    HTTP_ROUTE(POST, "/v3/mail/batch", MAIL_SEND, sendgrid_batch_create,
               "makes the name of a batch (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/mail/batch/{batch_id}", MAIL_SEND, sendgrid_batch_get,
               "is it the name of a batch? (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/user/scheduled_sends", MAIL_SEND, sendgrid_scheduled_create,
               "pauses or cancels a batch (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/user/scheduled_sends", MAIL_SEND, sendgrid_scheduled_list,
               "lists batches that are paused or canceled (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/user/scheduled_sends/{batch_id}", MAIL_SEND, sendgrid_scheduled_list,
               "is the batch paused or canceled? (SendGrid)"),
    HTTP_ROUTE(PATCH, "/v3/user/scheduled_sends/{batch_id}", MAIL_SEND, sendgrid_scheduled_change,
               "pauses or cancels a batch (SendGrid)"),
    HTTP_ROUTE(DELETE, "/v3/user/scheduled_sends/{batch_id}", MAIL_SEND, sendgrid_scheduled_delete,
               "lets a paused batch go on (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/templates", TEMPLATES, sendgrid_template_create, "makes a template (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/templates", TEMPLATES, sendgrid_template_list, "lists templates (SendGrid)"),
    HTTP_ROUTE(GET, TEMPLATE, TEMPLATES, sendgrid_template_get,
               "shows a template with its versions (SendGrid)"),
    HTTP_ROUTE(POST, TEMPLATE, TEMPLATES, sendgrid_template_copy, "copies a template (SendGrid)"),
    HTTP_ROUTE(PATCH, TEMPLATE, TEMPLATES, sendgrid_template_rename, "renames a template (SendGrid)"),
    HTTP_ROUTE(DELETE, TEMPLATE, TEMPLATES, sendgrid_template_delete, "removes a template (SendGrid)"),
    HTTP_ROUTE(POST, TEMPLATE "/versions", TEMPLATES, sendgrid_version_create,
               "adds a version to a template (SendGrid)", .body_max = TEMPLATE_BODY),
    HTTP_ROUTE(GET, VERSION, TEMPLATES, sendgrid_version_get, "shows a version (SendGrid)"),
    HTTP_ROUTE(PATCH, VERSION, TEMPLATES, sendgrid_version_change, "changes a version (SendGrid)",
               .body_max = TEMPLATE_BODY),
    HTTP_ROUTE(DELETE, VERSION, TEMPLATES, sendgrid_version_delete, "removes a version (SendGrid)"),
    HTTP_ROUTE(POST, VERSION "/activate", TEMPLATES, sendgrid_version_activate,
               "makes a version the active one (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/suppression/bounces/classifications", SUPPRESSION, sendgrid_bounce_classes,
               "numbers of bounces by classification and day (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/suppression/bounces/classifications/{classification}", SUPPRESSION,
               sendgrid_bounce_class, "numbers of one classification by domain and day (SendGrid)"),
    ONE_LIST("bounces"),
    ONE_LIST("blocks"),
    ONE_LIST("invalid_emails"),
    ONE_LIST("spam_reports"),
    HTTP_ROUTE(GET, "/v3/suppression/unsubscribes", SUPPRESSION, sendgrid_suppressed_list,
               "lists who has left all (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/asm/suppressions/global", SUPPRESSION, sendgrid_unsubscribe_all,
               "enters addresses that get nothing (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/asm/suppressions/global/{email}", SUPPRESSION, sendgrid_unsubscribed_get,
               "has the address left all? (SendGrid)"),
    HTTP_ROUTE(DELETE, "/v3/asm/suppressions/global/{email}", SUPPRESSION, sendgrid_suppressed_delete,
               "the address may get mail again (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/asm/groups", SUPPRESSION, sendgrid_group_create,
               "makes an unsubscribe group (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/asm/groups", SUPPRESSION, sendgrid_group_list,
               "lists unsubscribe groups (SendGrid)"),
    HTTP_ROUTE(GET, GROUP, SUPPRESSION, sendgrid_group_get, "shows an unsubscribe group (SendGrid)"),
    HTTP_ROUTE(PATCH, GROUP, SUPPRESSION, sendgrid_group_change, "changes an unsubscribe group (SendGrid)"),
    HTTP_ROUTE(DELETE, GROUP, SUPPRESSION, sendgrid_group_delete, "removes an unsubscribe group (SendGrid)"),
    HTTP_ROUTE(POST, GROUP "/suppressions", SUPPRESSION, sendgrid_left_add,
               "enters addresses into a group (SendGrid)"),
    HTTP_ROUTE(GET, GROUP "/suppressions", SUPPRESSION, sendgrid_left_list,
               "lists who has left a group (SendGrid)"),
    HTTP_ROUTE(POST, GROUP "/suppressions/search", SUPPRESSION, sendgrid_left_search,
               "which of these have left the group? (SendGrid)", .flags = HTTP_ROUTE_LOOKS),
    HTTP_ROUTE(DELETE, GROUP "/suppressions/{email}", SUPPRESSION, sendgrid_left_delete,
               "removes the address from a group (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/asm/suppressions", SUPPRESSION, sendgrid_left_all,
               "lists who has left which group (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/asm/suppressions/{email}", SUPPRESSION, sendgrid_left_of,
               "which groups has the address left? (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/stats", STATS_READ, sendgrid_stats, "numbers by day (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/categories", STATS_READ, sendgrid_categories, "lists categories (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/categories/stats", STATS_READ, sendgrid_category_stats,
               "numbers of categories by day (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/categories/stats/sums", STATS_READ, sendgrid_category_sums,
               "numbers of all categories (SendGrid)"),
    HTTP_ROUTE(POST, WEBHOOK, WEBHOOKS, sendgrid_webhook_create, "makes a webhook (SendGrid)"),
    HTTP_ROUTE(GET, WEBHOOK "/all", WEBHOOKS, sendgrid_webhook_list, "lists webhooks (SendGrid)"),
    HTTP_ROUTE(GET, WEBHOOK "/signed", WEBHOOKS, sendgrid_webhook_key,
               "the key that signs the oldest webhook (SendGrid)"),
    HTTP_ROUTE(PATCH, WEBHOOK "/signed", WEBHOOKS, sendgrid_webhook_sign,
               "signs the oldest webhook or not (SendGrid)"),
    HTTP_ROUTE(GET, WEBHOOK "/signed/{id}", WEBHOOKS, sendgrid_webhook_key,
               "the key that signs a webhook (SendGrid)"),
    HTTP_ROUTE(PATCH, WEBHOOK "/signed/{id}", WEBHOOKS, sendgrid_webhook_sign,
               "signs a webhook or not (SendGrid)"),
    HTTP_ROUTE(GET, WEBHOOK, WEBHOOKS, sendgrid_webhook_get, "shows the oldest webhook (SendGrid)"),
    HTTP_ROUTE(PATCH, WEBHOOK, WEBHOOKS, sendgrid_webhook_change, "changes the oldest webhook (SendGrid)"),
    HTTP_ROUTE(GET, WEBHOOK "/{id}", WEBHOOKS, sendgrid_webhook_get, "shows a webhook (SendGrid)"),
    HTTP_ROUTE(PATCH, WEBHOOK "/{id}", WEBHOOKS, sendgrid_webhook_change, "changes a webhook (SendGrid)"),
    HTTP_ROUTE(DELETE, WEBHOOK "/{id}", WEBHOOKS, sendgrid_webhook_delete, "removes a webhook (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/user/webhooks/event/test", WEBHOOKS, sendgrid_webhook_try,
               "tells a URL events that never were (SendGrid)"),
    HTTP_ROUTE(POST, PARSE, WEBHOOKS, sendgrid_inbound_create,
               "hands mail that comes in to a URL (SendGrid)"),
    HTTP_ROUTE(GET, PARSE, WEBHOOKS, sendgrid_inbound_list, "lists whose mail is handed to URLs (SendGrid)"),
    HTTP_ROUTE(GET, PARSE "/{hostname}", WEBHOOKS, sendgrid_inbound_get,
               "shows to which URL mail is handed (SendGrid)"),
    HTTP_ROUTE(PATCH, PARSE "/{hostname}", WEBHOOKS, sendgrid_inbound_change,
               "changes to which URL mail is handed (SendGrid)"),
    HTTP_ROUTE(DELETE, PARSE "/{hostname}", WEBHOOKS, sendgrid_inbound_delete,
               "hands mail to no URL any more (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/user/webhooks/parse/stats", WEBHOOKS, sendgrid_parse_stats,
               "numbers of letters that came in and were handed to URLs (SendGrid)"),
    HTTP_ROUTE(POST, DOMAIN, SENDERS, sendgrid_domain_create, "claims a domain to send as (SendGrid)"),
    HTTP_ROUTE(GET, DOMAIN, SENDERS, sendgrid_domain_list, "lists domains to send as (SendGrid)"),
    HTTP_ROUTE(GET, DOMAIN "/default", SENDERS, sendgrid_domain_default, "there is no default (SendGrid)"),
    HTTP_ROUTE(GET, DOMAIN "/{id}", SENDERS, sendgrid_domain_get,
               "shows a domain and its records (SendGrid)"),
    HTTP_ROUTE(PATCH, DOMAIN "/{id}", SENDERS, sendgrid_domain_change,
               "shows it: nothing of it can be changed (SendGrid)"),
    HTTP_ROUTE(DELETE, DOMAIN "/{id}", SENDERS, sendgrid_domain_delete,
               "sends no more as the domain (SendGrid)"),
    HTTP_ROUTE(POST, DOMAIN "/{id}/validate", SENDERS, sendgrid_domain_validate,
               "looks at the records of a domain now (SendGrid)", .flags = HTTP_ROUTE_LOOKS),
    HTTP_ROUTE(POST, LINK, SENDERS, sendgrid_link_create, "names the host of a domain's links (SendGrid)"),
    HTTP_ROUTE(GET, LINK, SENDERS, sendgrid_link_list, "lists hosts of links (SendGrid)"),
    HTTP_ROUTE(GET, LINK "/default", SENDERS, sendgrid_domain_default, "there is no default (SendGrid)"),
    HTTP_ROUTE(GET, LINK "/{id}", SENDERS, sendgrid_link_get, "shows a host of links (SendGrid)"),
    HTTP_ROUTE(PATCH, LINK "/{id}", SENDERS, sendgrid_link_change,
               "shows it: nothing of it can be changed (SendGrid)"),
    HTTP_ROUTE(DELETE, LINK "/{id}", SENDERS, sendgrid_link_delete,
               "gives the host of a domain's links its first name back (SendGrid)"),
    HTTP_ROUTE(POST, LINK "/{id}/validate", SENDERS, sendgrid_link_validate,
               "looks at the record of a host of links now (SendGrid)", .flags = HTTP_ROUTE_LOOKS),
    HTTP_ROUTE(GET, "/v3/tracking_settings", MAIL_SEND, sendgrid_tracking_list,
               "lists settings of tracking, which are off: messages have them (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/tracking_settings/{name}", MAIL_SEND, sendgrid_tracking_get,
               "shows a setting of tracking (SendGrid)"),
    HTTP_ROUTE(PATCH, "/v3/tracking_settings/{name}", MAIL_SEND, sendgrid_tracking_change,
               "takes that it is off (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/mail_settings", MAIL_SEND, sendgrid_mail_settings_list,
               "lists settings of mail, which are off: messages have them (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/mail_settings/{name}", MAIL_SEND, sendgrid_mail_settings_get,
               "shows a setting of mail (SendGrid)"),
    HTTP_ROUTE(PATCH, "/v3/mail_settings/{name}", MAIL_SEND, sendgrid_mail_settings_change,
               "takes that it is off (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/scopes", MAIL_SEND, sendgrid_scopes, "what may this key? (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/api_keys", KEYS, sendgrid_key_create, "makes a key (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/api_keys", KEYS, sendgrid_keys_list, "lists keys (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_get, "shows a key (SendGrid)"),
    HTTP_ROUTE(PATCH, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_change, "renames a key (SendGrid)"),
    HTTP_ROUTE(PUT, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_change,
               "sets name and scopes of a key (SendGrid)"),
    HTTP_ROUTE(DELETE, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_delete, "removes a key (SendGrid)"),
};

/* A call that is meant for another account must not act on this one; of mail/send SendGrid does not hear it.
 */
static int auth(struct http_call *c)
{
    int e = api_auth(c);
    bool may = !e && c->key.scopes & (c->route->scope | SCOPE_ADMIN);
    if (may && c->route->run != sendgrid_mail_send && http_request_value(c->request, SL("On-Behalf-Of")).n)
        http_fail(c, 400, "on-behalf-of: there are no subusers here, each account has keys of its own");
    return e;
}

const struct http_group api_sendgrid = {.name = "sendgrid",
                                        .prefix = "/v3/",
                                        .nothing =
                                            "this call of SendGrid is not offered here; GET /openapi.json "
                                            "lists those that are",
                                        .route = routes,
                                        .n = COUNT_OF(routes),
                                        .auth = auth,
                                        .watch = api_watch,
                                        .error = sendgrid_error};
