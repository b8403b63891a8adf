/* sendgrid_keys.c - /v3/api_keys and /v3/scopes: keys of the account, with Tram's scopes. */
#include "core/core.h"
#include "sendgrid.h"

static json_t *scopes_json(unsigned scopes)
{
    json_t *list = json_array();
    for (unsigned bit = 1; bit && bit <= SCOPE_ADMIN; bit <<= 1)
        if (scopes & bit) json_array_append_new(list, json_string(api_scope_word(bit)));
    return list;
}

static json_t *key_json(const struct api_key *k)
{
    return json_pack("{s:s,s:s%}", "api_key_id", k->id, "name", k->name.p ? k->name.p : "", k->name.n);
}

void sendgrid_scopes(struct http_call *c)
{
    api_json(c, 200, json_pack("{s:o}", "scopes", scopes_json(c->key.scopes)));
}

struct listing {
    struct http_call *c;
    json_t *out;
    struct slice id; /* this one alone, with its scopes; or empty */
    uint64_t limit;
};

static int list_one(void *arg, struct api_key *k)
{
    struct listing *l = arg;
    if (strcmp(k->account, l->c->key.account->id) != 0 || k->damage.n) return 0;
    if (l->id.n && !sl_eq(l->id, sl_cstr(k->id))) return 0;
    if (json_array_size(l->out) >= l->limit) return 0;
    json_t *v = key_json(k);
    if (l->id.n) json_object_set_new(v, "scopes", scopes_json(k->scopes));
    json_array_append_new(l->out, v);
    return 0;
}

static void list(struct http_call *c, struct slice id)
{
    struct listing l = {.c = c, .id = id};
    if (!sendgrid_number(c, "limit", INT64_MAX, INT64_MAX, &l.limit)) return;
    l.out = json_array();
    int e = api_key_each(api_of(c)->core->keys, list_one, &l);
    if (e) api_failed(c, e);
    else if (id.n && !json_array_size(l.out)) http_fail(c, 404, "unable to find API Key");
    else if (id.n) api_json(c, 200, json_incref(json_array_get(l.out, 0)));
    else api_json(c, 200, json_pack("{s:O}", "result", l.out));
    json_decref(l.out);
}

void sendgrid_keys_list(struct http_call *c) { list(c, SL("")); }
void sendgrid_key_get(struct http_call *c) { list(c, c->param[0]); }

/* Scopes of Tram by name; none: as many as the key that asks. */
static int scopes_of(struct http_call *c, const json_t *body, unsigned *out)
{
    json_t *all = json_object_get(body, "scopes"), *v;
    struct slice words = SL("");
    size_t i;
    *out = c->key.scopes;
    if (all && !json_is_null(all) && !json_is_array(all))
        return err_set(ERR_USAGE, "scopes must be a list of strings");
    if (!json_array_size(all)) return 0;
    json_array_foreach(all, i, v)
        words = ar_printf(c->a, "%.*s%s%.*s", SLF(words), i ? "," : "", SLF(dialect_slice(v)));
    int e = api_scopes_parse(words, out);
    if (!e && (*out & ~c->key.scopes) && !(c->key.scopes & SCOPE_ADMIN))
        e = err_set(ERR_DENIED, "a key makes keys of no more scopes than its own");
    return e;
}

void sendgrid_key_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct api_key k = {.address = c->key.account->address,
                        .name = dialect_slice(json_object_get(body, "name"))};
    struct slice whole;
    int e = scopes_of(c, body, &k.scopes);
    if (!e) e = api_key_add(api_of(c)->core->keys, c->a, &k, &whole);
    if (e) {
        api_failed(c, e);
    } else {
        json_t *v = key_json(&k);
        json_object_set_new(v, "api_key", json_stringn(whole.p, whole.n));
        json_object_set_new(v, "scopes", scopes_json(k.scopes));
        api_json(c, 201, v);
    }
    json_decref(body);
}

/* As it is now: PATCH tells no scopes. */
static void change_told(struct http_call *c, struct slice name)
{
    struct api_key k;
    int e = c->request->method == HTTP_PUT ? api_key_read(api_of(c)->core->keys, c->a, c->param[0], &k) : 0;
    json_t *v = json_pack("{s:s%,s:s%}", "api_key_id", c->param[0].p, c->param[0].n, "name", name.p, name.n);
    if (c->request->method == HTTP_PUT && !e) json_object_set_new(v, "scopes", scopes_json(k.scopes));
    api_json(c, 200, v);
}

void sendgrid_key_change(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct slice name;
    unsigned scopes = 0; /* as they are */
    int e = api_member_text(body, "name", &name);
    if (!e && c->request->method == HTTP_PUT && json_array_size(json_object_get(body, "scopes")))
        e = scopes_of(c, body, &scopes);
    if (!e) e = api_key_change(api_of(c)->core->keys, c->param[0], c->key.account->id, name, scopes);
    if (e == ERR_NOT_FOUND) http_fail(c, 404, "unable to find API Key");
    else if (e) api_failed(c, e);
    else change_told(c, name);
    json_decref(body);
}

static int is_mine(void *arg, struct api_key *k)
{
    struct listing *l = arg;
    return sl_eq(l->id, sl_cstr(k->id)) && !strcmp(k->account, l->c->key.account->id);
}

void sendgrid_key_delete(struct http_call *c)
{
    struct listing l = {.c = c, .id = c->param[0], .limit = 1};
    int found = api_key_each(api_of(c)->core->keys, is_mine, &l);
    int e = found < 0 ? found : found ? api_key_remove(api_of(c)->core->keys, c->param[0]) : ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND) http_fail(c, 404, "unable to find API Key");
    else if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}
