/* sendgrid.h - SendGrid's dialect: POST /v3/mail/send and what stands around it. Inside src/api. */
#pragma once
#include "dialect.h"

struct sendgrid_texts {
    struct slice text, html;
};
/* What a call of mail/send becomes. Slices lie in the body's JSON or in d's arena. */
struct sendgrid_mail {
    struct dialect d; /* its faults gather in errors */
    json_t *errors;
    struct send send;
    struct send_letter *letter;
    size_t nletters;
    struct slice template_id; /* to be found by the caller; then sendgrid_mail_finish() */
    struct sendgrid_texts footer, leave;
    bool leaves;            /* it has a link to leave by: in place of leave_tag, or behind the texts */
    struct slice leave_tag; /* or empty */
    struct slice open_tag;  /* where the image that tells of opens would stand: goes; or empty */
};
/* Takes the call apart; m->errors is then an array of all faults. sendgrid_mail_end() in any case. Does not
 * suspend. */
void sendgrid_mail_read(struct sendgrid_mail *m, const json_t *body, int64_t now);
void sendgrid_mail_end(struct sendgrid_mail *m);
/* sendgrid_footer.c: once the template's texts are there, what comes behind them; its faults come to errors.
 */
void sendgrid_mail_finish(struct sendgrid_mail *m);

/* sendgrid_errors.c: {"errors": [{"message", "field"}]}, as the published files have it (what a fault has not
 * is left out); field may be NULL or empty. */
void sendgrid_error(struct http_call *c, int status, const char *sentence);
void sendgrid_error_at(json_t *errors, const char *field, const char *sentence);
/* Answers with these; takes the reference. SUSPENDS. */
void sendgrid_refuse(struct http_call *c, int status, json_t *errors);

/* A number of the query, at most `most` of it, `otherwise` when it is not said; false: it was answered that
 * it is none. SUSPENDS. */
bool sendgrid_number(struct http_call *c, const char *name, uint64_t otherwise, uint64_t most, uint64_t *out);

void sendgrid_mail_send(struct http_call *c);
/* sendgrid_templates.c */
void sendgrid_template_create(struct http_call *c);
void sendgrid_template_rename(struct http_call *c);
void sendgrid_template_copy(struct http_call *c);
void sendgrid_template_get(struct http_call *c);
void sendgrid_template_delete(struct http_call *c);
void sendgrid_template_list(struct http_call *c);
void sendgrid_version_create(struct http_call *c);
void sendgrid_version_change(struct http_call *c);
void sendgrid_version_activate(struct http_call *c);
void sendgrid_version_get(struct http_call *c);
void sendgrid_version_delete(struct http_call *c);

/* sendgrid_batch.c */
void sendgrid_batch_create(struct http_call *c);
void sendgrid_batch_get(struct http_call *c);
void sendgrid_scheduled_create(struct http_call *c);
void sendgrid_scheduled_change(struct http_call *c);
void sendgrid_scheduled_list(struct http_call *c);
void sendgrid_scheduled_delete(struct http_call *c);

/* sendgrid_suppression.c */
void sendgrid_suppressed_list(struct http_call *c);
void sendgrid_suppressed_get(struct http_call *c);
void sendgrid_suppressed_delete(struct http_call *c);
void sendgrid_suppressed_delete_some(struct http_call *c);
void sendgrid_unsubscribe_all(struct http_call *c);
void sendgrid_unsubscribed_get(struct http_call *c);

/* sendgrid_groups.c */
void sendgrid_group_create(struct http_call *c);
void sendgrid_group_change(struct http_call *c);
void sendgrid_group_get(struct http_call *c);
void sendgrid_group_delete(struct http_call *c);
void sendgrid_group_list(struct http_call *c);
void sendgrid_left_add(struct http_call *c);
void sendgrid_left_list(struct http_call *c);
void sendgrid_left_all(struct http_call *c);
void sendgrid_left_delete(struct http_call *c);
void sendgrid_left_search(struct http_call *c);
void sendgrid_left_of(struct http_call *c);

/* sendgrid_figures.c */
void sendgrid_bounce_classes(struct http_call *c);
void sendgrid_bounce_class(struct http_call *c);

/* sendgrid_stats.c */
void sendgrid_stats(struct http_call *c);
void sendgrid_parse_stats(struct http_call *c);
void sendgrid_category_stats(struct http_call *c);
void sendgrid_category_sums(struct http_call *c);
void sendgrid_categories(struct http_call *c);

/* sendgrid_webhooks.c */
void sendgrid_webhook_create(struct http_call *c);
void sendgrid_webhook_list(struct http_call *c);
void sendgrid_webhook_get(struct http_call *c);
void sendgrid_webhook_change(struct http_call *c);
void sendgrid_webhook_delete(struct http_call *c);
void sendgrid_webhook_sign(struct http_call *c);
void sendgrid_webhook_key(struct http_call *c);
void sendgrid_webhook_try(struct http_call *c);

/* sendgrid_inbound.c */
void sendgrid_inbound_create(struct http_call *c);
void sendgrid_inbound_list(struct http_call *c);
void sendgrid_inbound_get(struct http_call *c);
void sendgrid_inbound_change(struct http_call *c);
void sendgrid_inbound_delete(struct http_call *c);

/* sendgrid_domains.c */
void sendgrid_domain_create(struct http_call *c);
void sendgrid_domain_list(struct http_call *c);
void sendgrid_domain_default(struct http_call *c);
void sendgrid_domain_get(struct http_call *c);
void sendgrid_domain_change(struct http_call *c);
void sendgrid_domain_delete(struct http_call *c);
void sendgrid_domain_validate(struct http_call *c);
void sendgrid_link_create(struct http_call *c);
void sendgrid_link_list(struct http_call *c);
void sendgrid_link_get(struct http_call *c);
void sendgrid_link_change(struct http_call *c);
void sendgrid_link_delete(struct http_call *c);
void sendgrid_link_validate(struct http_call *c);

/* sendgrid_keys.c */
void sendgrid_scopes(struct http_call *c);
void sendgrid_keys_list(struct http_call *c);
void sendgrid_key_get(struct http_call *c);
void sendgrid_key_create(struct http_call *c);
void sendgrid_key_change(struct http_call *c); /* PATCH: its name; PUT: its scopes, too */
void sendgrid_key_delete(struct http_call *c);

/* sendgrid_settings.c */
void sendgrid_tracking_list(struct http_call *c);
void sendgrid_tracking_get(struct http_call *c);
void sendgrid_tracking_change(struct http_call *c);
void sendgrid_mail_settings_list(struct http_call *c);
void sendgrid_mail_settings_get(struct http_call *c);
void sendgrid_mail_settings_change(struct http_call *c);

/* Puts the active version of the template into the send. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int sendgrid_use_template(struct http_call *c, struct sendgrid_mail *m);
/* Enters all of {"recipient_emails": [...]}, which are judged first. SUSPENDS. */
MUST_CHECK int sendgrid_suppress(struct http_call *c, const json_t *body, enum send_reason reason,
                                 uint32_t group);
/* ERR_NOT_FOUND: the account has no such group; 0 is none. SUSPENDS. */
MUST_CHECK int sendgrid_check_group(struct http_call *c, uint32_t id);

extern const struct http_group api_sendgrid;
