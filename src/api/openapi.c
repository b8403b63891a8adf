/* openapi.c - the document of the API, made of the table of routes (OpenAPI 3.1). */
#include <stdio.h>
#include <stdlib.h>

#include "api_i.h"
#include "base/log.h"

/* ---- what requests and answers look like ---- */

static const struct schema {
    const char *name, *text; /* JSON Schema */
} schemas[] = {
    {"OpenAPI", "{\"type\":\"object\",\"description\":\"OpenAPI 3.1\"}"},
    {"Problem", "{\"type\":\"object\",\"required\":[\"title\",\"status\",\"detail\"],\"description\":\"RFC "
                "9457\",\"properties\":{\"title\":{\"type\":\"string\"},"
                "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"}}}"},
    {"Address",
     "{\"oneOf\":[{\"type\":\"string\",\"examples\":[\"Ann <ann@example.org>\"]},{\"type\":\"object\","
     "\"required\":[\"email\"],\"properties\":{\"email\":{\"type\":\"string\"},\"name\":{\"type\":"
     "\"string\"}}}]}"},
    {"Addresses",
     "{\"oneOf\":[{\"$ref\":\"#/components/schemas/Address\"},{\"type\":\"array\",\"items\":{\"$ref\":"
     "\"#/components/schemas/Address\"}}]}"},
    {"Message",
     "{\"type\":\"object\",\"required\":[\"from\"],\"additionalProperties\":false,\"properties\":{"
     "\"from\":{\"$ref\":\"#/components/schemas/Address\"},\"sender\":{\"$ref\":\"#/components/schemas/"
     "Address\"},"
     "\"to\":{\"$ref\":\"#/components/schemas/Addresses\"},\"cc\":{\"$ref\":\"#/components/schemas/"
     "Addresses\"},"
     "\"bcc\":{\"$ref\":\"#/components/schemas/Addresses\"},\"reply_to\":{\"$ref\":\"#/components/schemas/"
     "Addresses\"},"
     "\"subject\":{\"type\":\"string\"},\"text\":{\"type\":\"string\"},\"html\":{\"type\":\"string\"},"
     "\"headers\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
     "\"attachments\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"content\"],"
     "\"properties\":{"
     "\"filename\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"content\":{\"type\":\"string\","
     "\"contentEncoding\":\"base64\"},\"disposition\":{\"enum\":[\"attachment\",\"inline\"]},\"content_id\":{"
     "\"type\":"
     "\"string\"}}}},\"data\":{\"type\":\"object\"},\"stream\":{\"enum\":[\"transactional\",\"bulk\"]},"
     "\"send_at\":{\"type\":\"integer\"},\"categories\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
     "\"campaign\":{\"type\":\"string\"},\"args\":{\"type\":\"object\"},\"sandbox\":{\"type\":\"boolean\"},"
     "\"track_opens\":{\"type\":\"boolean\"},"
     "\"track_clicks\":{\"type\":\"boolean\"}}"
     "}"},
    {"Taken",
     "{\"type\":\"object\",\"required\":[\"id\",\"recipients\",\"left_out\"],\"properties\":{\"id\":{"
     "\"type\":\"string\"},\"recipients\":{\"type\":\"integer\"}"
     ","
     "\"left_out\":{\"type\":\"integer\"},\"left_out_addresses\":{\"type\":\"array\"},\"repeated\":{\"type\":"
     "\"boolean\"}}}"},
    {"MessageState",
     "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"recipients\",\"events\"],\"properties\":{\"id\":{"
     "\"type\":\"string\"},\"state\":{\"type\":\"string\"},"
     "\"taken\":{"
     "\"type\":\"integer\"},\"recipients\":{\"type\":\"integer\"},\"left_out\":{\"type\":\"integer\"},"
     "\"waiting\":{"
     "\"type\":\"integer\"},\"delivered\":{\"type\":\"integer\"},\"bounced\":{\"type\":\"integer\"},"
     "\"dropped\":{"
     "\"type\":\"integer\"},\"events\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"Keys", "{\"type\":\"object\",\"required\":[\"keys\"],\"properties\":{\"keys\":{\"type\":\"array\","
             "\"items\":{\"$ref\":"
             "\"#/components/schemas/Key\"}}}}"},
    {"Key",
     "{\"type\":\"object\",\"required\":[\"id\",\"name\",\"scopes\",\"created\"],\"properties\":{\"id\":{"
     "\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
     "\"scopes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"networks\":{\"type\":\"array\","
     "\"items\":{\"type\":\"string\"}},\"rate\":{\"type\":\"integer\",\"description\":\"calls a minute\"},"
     "\"created\":{\"type\":\"integer\",\"description\":\"seconds since "
     "1970\"},\"used\":{\"type\":\"integer\"}}}"},
    {"NewKey",
     "{\"type\":\"object\",\"required\":[\"name\",\"scopes\"],\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"scopes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"networks\":{\"type\":\"array\","
     "\"items\":{\"type\":\"string\"}},\"rate\":{\"type\":\"integer\"}}}"},
    {"MadeKey", "{\"type\":\"object\",\"required\":[\"id\",\"key\"],\"properties\":{\"id\":{\"type\":"
                "\"string\"},\"key\":{\"type\":\"string\"}}}"},
    {"Domains",
     "{\"type\":\"object\",\"required\":[\"domains\"],\"properties\":{\"domains\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/Domain\"}}}}"},
    {"Domain",
     "{\"type\":\"object\",\"required\":[\"domain\",\"state\"],\"properties\":{\"domain\":{\"type\":"
     "\"string\"},"
     "\"account\":{\"type\":\"string\"},\"state\":{\"enum\":[\"open\",\"proved\",\"failing\",\"lost\","
     "\"damaged\"]},"
     "\"why\":{\"type\":\"string\"},\"damage\":{\"type\":\"string\"},\"created\":{\"type\":\"integer\"},"
     "\"proved\":{\"type\":\"integer\"},\"looked\":{\"type\":\"integer\"},\"failing\":{\"type\":\"integer\"},"
     "\"lost\":{\"type\":\"integer\"},\"return_path_used\":{\"type\":\"boolean\"},\"links_used\":{\"type\":"
     "\"boolean\"},\"records\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"what\","
     "\"type\","
     "\"name\",\"value\",\"line\",\"found\"]}}}}"},
    {"NewDomain",
     "{\"type\":\"object\",\"required\":[\"domain\"],\"properties\":{\"domain\":{\"type\":\"string\"},"
     "\"return_path\":{\"type\":\"string\",\"description\":\"a label; bounce when "
     "absent\"},\"links\":{\"type\":"
     "\"string\",\"description\":\"a label; links when absent\"}}}"},
    {"Campaigns",
     "{\"type\":\"object\",\"required\":[\"campaigns\"],\"properties\":{\"campaigns\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/Campaign\"}}}}"},
    {"Campaign",
     "{\"type\":\"object\",\"required\":[\"id\",\"account\",\"campaign\",\"state\",\"taken\",\"letters\","
     "\"recipients\","
     "\"left_out\",\"waiting\",\"delivered\",\"bounced\"],\"properties\":{\"id\":{\"type\":\"string\"},"
     "\"account\":{"
     "\"type\":\"string\"},\"campaign\":{\"type\":\"string\"},\"state\":{\"type\":\"string\"},\"why\":{"
     "\"type\":"
     "\"string\"},\"taken\":{\"type\":\"integer\"},\"send_at\":{\"type\":\"integer\"},\"letters\":{\"type\":"
     "\"integer\"},\"recipients\":{\"type\":\"integer\"},\"left_out\":{\"type\":\"integer\"},\"waiting\":{"
     "\"type\":"
     "\"integer\"},\"delivered\":{\"type\":\"integer\"},\"bounced\":{\"type\":\"integer\"}}}"},
    {"TakenCampaign",
     "{\"type\":\"object\",\"required\":[\"id\",\"letters\",\"recipients\",\"left_out\",\"bad\",\"before\","
     "\"who\"],"
     "\"properties\":{\"id\":{\"type\":\"string\"},\"letters\":{\"type\":\"integer\"},\"recipients\":{"
     "\"type\":"
     "\"integer\"},\"left_out\":{\"type\":\"integer\"},\"bad\":{\"type\":\"integer\"},\"before\":{\"type\":"
     "\"boolean\"},\"who\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"Events", "{\"type\":\"object\",\"required\":[\"events\",\"next\",\"more\"],\"properties\":{\"events\":{"
               "\"type\":\"array\","
               "\"items\":{\"type\":\"object\",\"required\":[\"id\",\"event\",\"email\"]}},\"next\":{"
               "\"type\":\"string\"},\"more\":"
               "{\"type\":\"boolean\"}}}"},
    {"Suppressions", "{\"type\":\"object\",\"required\":[\"suppressions\",\"next\",\"more\"],\"properties\":{"
                     "\"suppressions\":{\"type\":"
                     "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"email\",\"reason\",\"since\"]}"
                     "},\"next\":{\"type\":"
                     "\"string\"},\"more\":{\"type\":\"boolean\"}}}"},
    {"Suppression", "{\"type\":\"object\",\"required\":[\"email\"],\"properties\":{\"email\":{\"type\":"
                    "\"string\"},\"reason\":{\"type\":"
                    "\"string\"},\"evidence\":{\"type\":\"string\"},\"group\":{\"type\":\"integer\"}}}"},
    {"Health",
     "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"const\":\"ok\"}}}"},
};

static json_t *all_schemas(void)
{
    json_t *all = json_object();
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        json_t *one = json_loads(schemas[i].text, 0, NULL);
        ASSERT(one && "a schema of the table is JSON");
        json_object_set_new(all, schemas[i].name, one);
    }
    return all;
}

/* ---- routes ---- */

static json_t *content(const char *schema)
{
    char ref[128];
    snprintf(ref, sizeof ref, "#/components/schemas/%s", schema);
    return json_pack("{s:{s:{s:s}}}", "application/json", "schema", "$ref", ref);
}

static json_t *params(const char *path)
{
    json_t *all = json_array();
    struct slice rest = sl_cstr(path), word;
    while (sl_next(&rest, '/', &word))
        if (word.n > 2 && word.p[0] == '{')
            json_array_append_new(all, json_pack("{s:s%,s:s,s:b,s:{s:s}}", "name", word.p + 1, word.n - 2,
                                                 "in", "path", "required", 1, "schema", "type", "string"));
    return all;
}

/* Errors of other groups have the vendor's form, or are pages. */
static json_t *answers(const struct http_group *g, const struct http_route *t)
{
    json_t *ok = json_pack("{s:s}", "description", "done");
    if (t->response) json_object_set_new(ok, "content", content(t->response));
    json_t *refused = json_pack("{s:s}", "description", "refused, and why");
    if (sl_eq(sl_cstr(g->name), SL("tram")))
        json_object_set_new(refused, "content",
                            json_pack("{s:{s:{s:s}}}", "application/problem+json", "schema", "$ref",
                                      "#/components/schemas/Problem"));
    return json_pack("{s:o,s:o}", "2XX", ok, "default", refused);
}

static json_t *operation(const struct http_group *g, const struct http_route *t)
{
    json_t *v = json_pack("{s:s,s:[s],s:o,s:o}", "summary", t->summary, "tags", g->name, "parameters",
                          params(t->path), "responses", answers(g, t));
    if (t->request) json_object_set_new(v, "requestBody", json_pack("{s:o}", "content", content(t->request)));
    if (t->scope) {
        json_object_set_new(v, "security", json_pack("[{s:[]},{s:[]}]", "bearer", "basic"));
        json_object_set_new(v, "x-scope", json_string(api_scope_word(t->scope)));
        if (t->flags & HTTP_ROUTE_LOCAL) json_object_set_new(v, "x-local", json_true());
    }
    return v;
}

static json_t *all_paths(const struct api *x)
{
    json_t *all = json_object();
    for (size_t g = 0; g < x->n; g++)
        for (size_t i = 0; i < x->group[g].n; i++) {
            const struct http_route *t = &x->group[g].route[i];
            struct slice method = sl_cstr(http_method_name(t->method));
            char lower[16] = "";
            for (size_t k = 0; k < method.n && k < sizeof lower - 1; k++) lower[k] = sl_lower(method.p[k]);
            json_t *path = json_object_get(all, t->path);
            if (!path) json_object_set_new(all, t->path, path = json_object());
            json_object_set_new(path, lower, operation(&x->group[g], t));
        }
    return all;
}

char *api_document(const struct api *x)
{
    json_t *ways = json_pack("{s:{s:s,s:s},s:{s:s,s:s}}", "bearer", "type", "http", "scheme", "bearer",
                             "basic", "type", "http", "scheme", "basic");
    json_t *info =
        json_pack("{s:s,s:s,s:s}", "title", "Tram", "version", "1", "description",
                  "Keys are made with tram key add: ID.SECRET is the bearer, ID and SECRET are name and "
                  "password of Basic.");
    json_t *v = json_pack("{s:s,s:o,s:o,s:{s:o,s:o}}", "openapi", "3.1.0", "info", info, "paths",
                          all_paths(x), "components", "schemas", all_schemas(), "securitySchemes", ways);
    char *text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    ASSERT(text && "the document is JSON");
    return text;
}

void api_openapi(struct http_call *c)
{
    const struct api *x = api_of(c);
    http_file(c, "application/json", sl_cstr(x->document), buf_slice(&x->document_zipped));
}
