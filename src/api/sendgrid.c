/* sendgrid.c - the table of SendGrid's routes. */
#include "sendgrid.h"

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
               "which of these have left the group? (SendGrid)"),
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
    HTTP_ROUTE(GET, "/v3/scopes", MAIL_SEND, sendgrid_scopes, "what may this key? (SendGrid)"),
    HTTP_ROUTE(POST, "/v3/api_keys", KEYS, sendgrid_key_create, "makes a key (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/api_keys", KEYS, sendgrid_keys_list, "lists keys (SendGrid)"),
    HTTP_ROUTE(GET, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_get, "shows a key (SendGrid)"),
    HTTP_ROUTE(DELETE, "/v3/api_keys/{api_key_id}", KEYS, sendgrid_key_delete, "removes a key (SendGrid)"),
};
const struct http_group api_sendgrid = {.name = "sendgrid",
                                        .prefix = "/v3/",
                                        .route = routes,
                                        .n = COUNT_OF(routes),
                                        .auth = api_auth,
                                        .error = sendgrid_error};
