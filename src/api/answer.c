/* answer.c - JSON as an answer. */
#include <stdlib.h>

#include "api_i.h"

void api_json(struct http_call *c, int status, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    http_answer(c, status, "application/json", text ? sl_cstr(text) : SL("null"));
    free(text);
}
