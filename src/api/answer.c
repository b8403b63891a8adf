/* answer.c - JSON as an answer. */
#include <stdlib.h>

#include "api_i.h"

void api_json_as(struct http_call *c, int status, const char *type, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    http_answer(c, status, type, text ? sl_cstr(text) : SL("null"));
    free(text);
}

void api_json(struct http_call *c, int status, json_t *v) { api_json_as(c, status, "application/json", v); }

json_t *api_body(struct http_call *c)
{
    json_error_t why;
    json_t *v = json_loadb(c->body.p ? c->body.p : "", c->body.n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(v)) return v;
    json_decref(v);
    if (v) http_fail(c, 400, "the body must be a JSON object");
    else http_fail(c, 400, "the body is no JSON: %s, at byte %d", why.text, why.position);
    return NULL;
}

void api_failed(struct http_call *c, int e) { http_fail(c, http_status_of(e), "%s", err_text(e)); }
