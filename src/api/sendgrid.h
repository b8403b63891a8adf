/* sendgrid.h - SendGrid's dialect: POST /v3/mail/send and what stands around it. Inside src/api. */
#pragma once
#include "dialect.h"

/* What a call of mail/send becomes. Slices lie in the body's JSON or in d's arena. */
struct sendgrid_mail {
    struct dialect d; /* its faults gather in errors */
    json_t *errors;
    struct send send;
    struct send_letter *letter;
    size_t nletters;
    struct slice template_id; /* to be found by the caller; then sendgrid_content() */
};
/* Takes the call apart; m->errors is then an array of all faults. sendgrid_mail_end() in any case. Does not
 * suspend. */
void sendgrid_mail_read(struct sendgrid_mail *m, const json_t *body, int64_t now);
void sendgrid_mail_end(struct sendgrid_mail *m);

/* sendgrid_errors.c: {"errors": [{"message", "field", "help"}]}; field may be NULL. */
void sendgrid_error(struct http_call *c, int status, const char *sentence);
void sendgrid_error_at(json_t *errors, const char *field, const char *anchor, const char *sentence);
/* Answers with these; takes the reference. SUSPENDS. */
void sendgrid_refuse(struct http_call *c, int status, json_t *errors);

void sendgrid_mail_send(struct http_call *c);
extern const struct http_group api_sendgrid;
