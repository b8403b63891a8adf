/* domains.c - domains of customers that the account sends as: claimed, shown with what is to be published,
 * looked at, let go. */
#include "api_i.h"
#include "command/sending.h"
#include "store/store.h"

static struct directory *dir_of(struct http_call *c) { return api_of(c)->core->store->directory; }

static void show(struct http_call *c, int e, int status, const struct sending_domain *d)
{
    if (e) api_failed(c, e);
    else api_json(c, status, sending_json(api_of(c)->core, c->a, d));
}

struct listing {
    struct http_call *c;
    json_t *all;
};

static int list_one(void *arg, const struct sending_domain *d)
{
    struct listing *l = arg;
    struct arena a = {0};
    json_array_append_new(l->all, sending_json(api_of(l->c)->core, &a, d));
    ar_free(&a);
    return 0;
}

void api_domains_list(struct http_call *c)
{
    struct listing l = {c, json_array()};
    int e = sending_domain_each(dir_of(c), c->key.account->id, list_one, &l);
    if (e) api_failed(c, e);
    else api_json(c, 200, json_pack("{s:O}", "domains", l.all));
    json_decref(l.all);
}

void api_domains_add(struct http_call *c)
{
    struct slice name = SL(""), back = SL(""), links = SL("");
    struct sending_domain d;
    json_t *body = api_body(c);
    if (!body) return;
    int e = api_member_text(body, "domain", &name);
    if (!e) e = api_member_text(body, "return_path", &back);
    if (!e) e = api_member_text(body, "links", &links);
    if (!e) e = sending_domain_add(dir_of(c), c->a, c->key.account->id, name, back, links, &d);
    show(c, e, 201, &d);
    json_decref(body);
}

void api_domains_show(struct http_call *c)
{
    struct sending_domain d;
    int e = sending_domain_get(dir_of(c), c->a, c->key.account->id, c->param[0], &d);
    show(c, e, 200, &d);
}

void api_domains_verify(struct http_call *c)
{
    struct sending_domain d;
    int e = sending_verify(api_of(c)->core, c->a, c->key.account->id, c->param[0], &d);
    show(c, e, 200, &d);
}

void api_domains_remove(struct http_call *c)
{
    int e = sending_domain_remove(dir_of(c), c->key.account->id, c->param[0]);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}
