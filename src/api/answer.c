/* answer.c - JSON as an answer. */
#include <stdlib.h>

#include "api_i.h"
#include "base/wiped.h"
#include "guard/guard.h"
#include "rt/rt.h"
#include "tree.h"

void api_json_as(struct http_call *c, int status, const char *type, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    http_answer(c, status, type, text ? sl_cstr(text) : SL("null"));
    wiped_free(text);
}

void api_json(struct http_call *c, int status, json_t *v) { api_json_as(c, status, "application/json", v); }

/* ---- JSON as a question ---- */

enum {
    PARSE_HERE = 256 << 10, /* what is longer is parsed by a thread: a megabyte takes 10 ms */
    WEIGHTLESS = 16 << 10,  /* what takes less is not counted: a line of a campaign */
};

struct parsing {
    struct slice text;
    json_t *v;
};

static int parse(void *arg)
{
    struct parsing *p = arg;
    return json_parse(p->text, &p->v);
}

int api_parse(struct http_call *c, struct slice text, json_t **out, size_t *held)
{
    struct parsing p = {.text = text};
    *out = NULL;
    *held = 0;
    int e = json_weigh(text, held);
    if (!e && *held <= WEIGHTLESS) *held = 0;
    if (!e) e = http_hold(c, *held);
    if (e) {
        *held = 0;
        return e;
    }
    e = text.n <= PARSE_HERE ? parse(&p) : offload_for(POOL_SIGN, guard_asker(c->visit), parse, &p);
    *out = p.v;
    return e;
}

json_t *api_body(struct http_call *c)
{
    json_t *v;
    size_t held;
    int e = api_parse(c, c->body, &v, &held);
    if (!e && json_is_object(v)) return v;
    json_decref(v);
    if (e) http_fail(c, http_status_of(e), "%s", err_text(e));
    else http_fail(c, 400, "the body must be a JSON object");
    return NULL;
}

static int wrong(const char *name, const char *kind)
{
    return err_set(ERR_USAGE, "%s must be %s", name, kind);
}

int api_member_text(const json_t *o, const char *name, struct slice *out)
{
    json_t *v = json_object_get(o, name);
    *out = json_is_string(v) ? sl(json_string_value(v), json_string_length(v)) : SL("");
    return !v || json_is_null(v) || json_is_string(v) ? 0 : wrong(name, "a string");
}

int api_member_bool(const json_t *o, const char *name, bool *out)
{
    json_t *v = json_object_get(o, name);
    *out = json_is_true(v);
    return !v || json_is_null(v) || json_is_boolean(v) ? 0 : wrong(name, "a boolean");
}

void api_failed(struct http_call *c, int e) { http_fail(c, http_status_of(e), "%s", err_text(e)); }
