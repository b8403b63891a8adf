/* ses.h - Amazon SES' dialect, API version 2: requests signed with Signature V4. Inside src/api. */
#pragma once
#include "dialect.h"

enum { SES_DATA_MEMORY = 16 << 20 }; /* of the tree of the data of a template */

/* What SendEmail or SendBulkEmail becomes: one send. Slices lie in the JSON or in d's arena. */
struct ses_mail {
    struct dialect d; /* the first fault is kept in why */
    char why[ERR_TEXT_MAX];
    struct dialect_send s;
    struct slice template_name; /* to be found by the caller; then ses_template() */
};
void ses_read_one(struct ses_mail *m, const json_t *body);
void ses_read_bulk(struct ses_mail *m, const json_t *body);
void ses_mail_end(struct ses_mail *m);
/* Puts the texts of a template into the send. */
void ses_use_texts(struct ses_mail *m, struct slice subject, struct slice text, struct slice html);

/* ses_auth.c */
int ses_auth(struct http_call *c);
int ses_prove(struct http_call *c);
void ses_error(struct http_call *c, int status, const char *sentence);
/* With the name of an exception that the status does not tell. */
void ses_error_as(struct http_call *c, int status, const char *type, const char *sentence);
void ses_failed(struct http_call *c, int e);
/* PageSize of a list, `most` when nothing is said. ERR_USAGE with a sentence. */
MUST_CHECK int ses_page(struct http_call *c, size_t most, size_t *page);

/* ses_identities.c, ses_templates.c, ses_suppression.c */
void ses_identity_create(struct http_call *c);
void ses_identity_get(struct http_call *c);
void ses_identity_list(struct http_call *c);
void ses_identity_delete(struct http_call *c);
void ses_identity_dkim(struct http_call *c);
void ses_identity_mail_from(struct http_call *c);
/* Is there a template of that name? ERR_NOT_FOUND, with a sentence. SUSPENDS. */
MUST_CHECK int ses_template_find(struct http_call *c, struct slice name, struct arena *a);
void ses_template_create(struct http_call *c);
void ses_template_get(struct http_call *c);
void ses_template_list(struct http_call *c);
void ses_template_update(struct http_call *c);
void ses_template_delete(struct http_call *c);
void ses_template_render(struct http_call *c);
void ses_suppressed_put(struct http_call *c);
void ses_suppressed_get(struct http_call *c);
void ses_suppressed_list(struct http_call *c);
void ses_suppressed_delete(struct http_call *c);

extern const struct http_group api_ses;
