/* keys.c - keys of the account, made and removed with a key. */
#include "api_i.h"
#include "core/core.h"

static json_t *scopes_json(unsigned set)
{
    json_t *all = json_array();
    for (unsigned s = 1; s && s <= set; s <<= 1)
        if (set & s) json_array_append_new(all, json_string(api_scope_word(s)));
    return all;
}

struct listing {
    const char *account;
    json_t *all;
};

static int list_key(void *arg, struct api_key *k)
{
    struct listing *l = arg;
    json_t *nets = json_array();
    if (k->damage.n || strcmp(k->account, l->account) != 0) return 0;
    for (size_t i = 0; i < k->nnets; i++) json_array_append_new(nets, json_stringn(k->net[i].p, k->net[i].n));
    json_array_append_new(l->all, json_pack("{s:s,s:s%,s:o,s:o,s:I,s:I,s:I}", "id", k->id, "name", k->name.p,
                                            k->name.n, "scopes", scopes_json(k->scopes), "networks", nets,
                                            "rate", (json_int_t)k->rate, "created", (json_int_t)k->created,
                                            "used", (json_int_t)k->used));
    return 0;
}

void api_keys_list(struct http_call *c)
{
    struct listing l = {c->key.account->id, json_array()};
    int e = api_key_each(api_of(c)->core->keys, list_key, &l);
    json_t *v = json_pack("{s:o}", "keys", l.all);
    if (!e) {
        api_json(c, 200, v);
        return;
    }
    json_decref(v);
    api_failed(c, e);
}

/* An array of strings into the arena. */
static int texts(struct http_call *c, json_t *list, const char *name, struct slice **out, size_t *n)
{
    size_t i;
    json_t *v;
    *n = json_array_size(list);
    *out = ar_array(c->a, struct slice, *n);
    if (list && !json_is_array(list)) return err_set(ERR_USAGE, "%s must be a list", name);
    json_array_foreach(list, i, v) {
        if (!json_is_string(v)) return err_set(ERR_USAGE, "%s must be a list of texts", name);
        (*out)[i] = ar_dup(c->a, sl(json_string_value(v), json_string_length(v)));
    }
    return 0;
}

static int read_new(struct http_call *c, json_t *body, struct api_key *k)
{
    json_t *name = json_object_get(body, "name"), *rate = json_object_get(body, "rate");
    struct slice *word;
    size_t n;
    unsigned one;
    k->address = c->key.account->address;
    k->name = ar_dup(c->a, sl(json_string_value(name), json_string_length(name)));
    k->rate =
        json_is_integer(rate) && json_integer_value(rate) > 0 && json_integer_value(rate) <= API_KEY_RATE_MOST
            ? (uint32_t)json_integer_value(rate)
            : 0;
    if (rate && !k->rate) return err_set(ERR_USAGE, "rate must be a number from 1 to %d", API_KEY_RATE_MOST);
    int e = texts(c, json_object_get(body, "networks"), "networks", &k->net, &k->nnets);
    if (!e) e = texts(c, json_object_get(body, "scopes"), "scopes", &word, &n);
    if (!e && !n) return err_set(ERR_USAGE, "scopes must name one scope at least");
    for (size_t i = 0; !e && i < n; i++) {
        e = api_scopes_parse(word[i], &one);
        k->scopes |= e ? 0 : one;
    }
    if (!e && !(c->key.scopes & SCOPE_ADMIN) && (k->scopes & ~c->key.scopes))
        e = err_set(ERR_DENIED, "a key makes no key that may do more than itself");
    return e;
}

void api_keys_add(struct http_call *c)
{
    struct api_key k = {0};
    struct slice whole;
    json_t *body = api_body(c);
    if (!body) return;
    int e = read_new(c, body, &k);
    json_decref(body);
    if (!e) e = api_key_add(api_of(c)->core->keys, c->a, &k, &whole);
    if (e) api_failed(c, e);
    else api_json(c, 201, json_pack("{s:s,s:s%}", "id", k.id, "key", whole.p, whole.n));
}

void api_keys_remove(struct http_call *c)
{
    struct api_keys *keys = api_of(c)->core->keys;
    struct api_key k;
    int e = api_key_read(keys, c->a, c->param[0], &k);
    if (e == ERR_DENIED || (!e && strcmp(k.account, c->key.account->id) != 0))
        e = err_set(ERR_NOT_FOUND, "the account has no such key");
    if (!e) e = api_key_remove(keys, c->param[0]);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}
