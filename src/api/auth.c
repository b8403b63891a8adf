/* auth.c - who asks: the key in the field Authorization. */
#include "api_i.h"
#include "base/log.h"
#include "base/text.h"
#include "core/audit.h"
#include "core/core.h"

/* Bearer ID.SECRET (RFC 6750), Basic with ID and SECRET (RFC 7617). */
static int credentials(struct http_call *c, struct slice *id, struct slice *secret)
{
    struct slice value = http_request_value(c->request, SL("Authorization")), scheme, rest;
    if (!value.p) return err_set(ERR_DENIED, "a key is needed: Authorization: Bearer ID.SECRET");
    int e = http_credentials(value, &scheme, &rest);
    if (e) return e;
    if (sl_eqi(scheme, SL("Basic"))) return http_basic(c->a, rest, id, secret);
    if (!sl_eqi(scheme, SL("Bearer"))) return err_set(ERR_DENIED, "a key is told as Bearer or Basic");
    size_t dot = sl_chr(rest, '.');
    *id = sl_sub(rest, 0, dot);
    *secret = dot == SL_NONE ? SL("") : sl_from(rest, dot + 1);
    return 0;
}

struct proof {
    struct http_call *c;
    struct slice id, secret;
    struct api_key key;
    struct api_admitted in;
};

int api_admit(struct http_call *c, const struct api_key *k, struct api_admitted *out)
{
    out->acc = ar_new(c->a, struct account);
    int e = api_key_admit(api_of(c)->core->keys, c->a, k, &c->peer, out->acc);
    if (!e) e = guard_allows(c->visit, out->acc->address);
    if (e != ERR_DENIED) return e;
    out->refused = e;
    out->why = ar_dup(c->a, sl_cstr(err_text(e)));
    return 1;
}

int api_enter(struct http_call *c, const struct api_key *k, const struct api_admitted *x, int e)
{
    if (x->refused) return err_set(x->refused, "%.*s", SLF(x->why));
    if (e) return e;
    snprintf(c->key.id, sizeof c->key.id, "%s", k->id);
    c->key.account = x->acc;
    c->key.scopes = k->scopes;
    return 0;
}

static int prove(void *arg)
{
    struct proof *p = arg;
    struct api_keys *keys = api_of(p->c)->core->keys;
    char right[API_KEY_SECRET + 1];
    int e = api_key_read(keys, p->c->a, p->id, &p->key);
    if (!e) e = api_key_secret(keys, &p->key, right);
    if (!e && !same_secret(p->secret, sl_cstr(right)))
        e = err_set(ERR_DENIED, "the key is not known, or its secret is wrong");
    wipe(right, sizeof right);
    return e ? e : api_admit(p->c, &p->key, &p->in);
}

struct slice api_counted(struct slice id) { return id.n == API_KEY_ID ? id : SL("no key"); }

int api_auth(struct http_call *c)
{
    struct proof p = {.c = c};
    int e = credentials(c, &p.id, &p.secret);
    if (!e) e = guard_prove(c->visit, api_counted(p.id), prove, &p);
    return api_enter(c, &p.key, &p.in, e);
}

/* What a key changes of its account besides sending single letters. Commands note themselves. */
enum {
    NOTED =
        SCOPE_TEMPLATES | SCOPE_SUPPRESSION | SCOPE_WEBHOOKS | SCOPE_KEYS | SCOPE_SENDERS | SCOPE_CAMPAIGNS
};

bool api_is_noted(const struct http_route *r)
{
    return (r->scope & NOTED) && r->method != HTTP_GET && !(r->flags & HTTP_ROUTE_LOOKS);
}

void api_watch(struct http_call *c, int status)
{
    char from[IP_TEXT_MAX];
    if (!api_is_noted(c->route)) return;
    struct audit_act act = {.who = ar_printf(c->a, "key %s of %.*s", c->key.id, SLF(c->key.account->address)),
                            .from = ar_printf(c->a, "%s", ip_format(&c->peer, from)),
                            .what =
                                ar_printf(c->a, "%s %s", http_method_name(c->route->method), c->route->path),
                            .words = sl_sub(c->request->path, 0, AUDIT_WORDS),
                            .status = status ? status : AUDIT_BEGUN};
    if (status && *c->act) audit_end(api_of(c)->core->audit, c->act, &act);
    if (status) return;
    int e = audit_begin(api_of(c)->core->audit, &act, c->act);
    if (e) {
        *c->act = 0;
        log_error("audit", "%.*s: %.*s is not noted: %s", SLF(act.who), SLF(act.what), err_text(e));
    }
}
