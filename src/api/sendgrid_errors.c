/* sendgrid_errors.c - errors as SendGrid tells them. */
#include "sendgrid.h"

void sendgrid_error_at(json_t *errors, const char *field, const char *anchor, const char *sentence)
{
    json_array_append_new(errors,
                          json_pack("{s:s,s:s?,s:s?}", "message", sentence, "field", field, "help", anchor));
}

void sendgrid_refuse(struct http_call *c, int status, json_t *errors)
{
    api_json(c, status, json_pack("{s:o}", "errors", errors));
}

void sendgrid_error(struct http_call *c, int status, const char *sentence)
{
    json_t *errors = json_array();
    if (status == 401) sentence = "The provided authorization grant is invalid, expired, or revoked";
    if (status == 403) sentence = "access forbidden";
    sendgrid_error_at(errors, NULL, NULL, sentence);
    sendgrid_refuse(c, status, errors);
}
