/* sendgrid_errors.c - errors as SendGrid tells them. */
#include "base/text.h"
#include "sendgrid.h"

void sendgrid_error_at(json_t *errors, const char *field, const char *sentence)
{
    json_t *v = json_pack("{s:s}", "message", sentence);
    if (field && *field) json_object_set_new(v, "field", json_string(field));
    json_array_append_new(errors, v);
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
    sendgrid_error_at(errors, NULL, sentence);
    sendgrid_refuse(c, status, errors);
}

bool sendgrid_number(struct http_call *c, const char *name, uint64_t otherwise, uint64_t most, uint64_t *out)
{
    struct slice said = http_query(c, sl_cstr(name));
    *out = otherwise;
    if (said.n && !num_u64(said, INT64_MAX, out)) {
        json_t *errors = json_array();
        sendgrid_error_at(errors, name, "must be a number");
        sendgrid_refuse(c, 400, errors);
        return false;
    }
    if (*out > most) *out = most;
    return true;
}
