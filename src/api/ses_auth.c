/* ses_auth.c - who asks, by Signature V4, and errors as SES tells them. */
#include "crypto/crypto.h"
#include "rt/rt.h"
#include "ses.h"

#include "base/text.h"
#include "core/core.h"
#include "sigv4.h"

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "SignatureDoesNotMatch";
    case 403: return "AccessDeniedException";
    case 404: return "NotFoundException";
    case 409: return "AlreadyExistsException";
    case 413: return "BadRequestException";
    case 429: return "TooManyRequestsException";
    default: return status < 500 ? "BadRequestException" : "InternalServiceErrorException";
    }
}

void ses_error_as(struct http_call *c, int status, const char *type, const char *sentence)
{
    http_field(c, "x-amzn-ErrorType", sl_cstr(type));
    api_json(c, status, json_pack("{s:s}", "message", sentence));
}

void ses_error(struct http_call *c, int status, const char *sentence)
{
    ses_error_as(c, status == 401 ? 403 : status, type_of(status), sentence);
}

void ses_failed(struct http_call *c, int e)
{
    if (e == ERR_DENIED) {
        http_field(c, "x-amzn-ErrorType", SL("MessageRejected"));
        api_json(c, 400, json_pack("{s:s+}", "message", "Email address is not verified: ", err_text(e)));
        return;
    }
    ses_error(c, e == ERR_EXISTS ? 409 : http_status_of(e), err_text(e));
}

int ses_page(struct http_call *c, size_t most, size_t *page)
{
    uint64_t n = most;
    struct slice size = http_query(c, SL("PageSize"));
    if (size.n && (!num_u64(size, most, &n) || !n))
        return err_set(ERR_USAGE, "PageSize must be between 1 and %zu", most);
    *page = (size_t)n;
    return 0;
}

struct proof {
    struct http_call *c;
    struct sigv4 said;
    struct api_key key;
    struct api_admitted in;
};

/* A name that no key has is a wrong guess; one that a key has proves nothing yet. */
static int find(void *arg)
{
    struct proof *p = arg;
    int e = api_key_read(api_of(p->c)->core->keys, p->c->a, p->said.id, &p->key);
    return e ? e : 1;
}

/* The key that is named; its secret is proved when the body is there. */
int ses_auth(struct http_call *c)
{
    struct proof p = {.c = c};
    struct slice value = http_request_value(c->request, SL("Authorization"));
    int e = sigv4_parse(value.p ? value : SL(""), &p.said);
    if (!e) e = guard_prove(c->visit, api_counted(p.said.id), find, &p);
    if (e < 0) return e;
    c->key.scopes = p.key.scopes;
    return 0;
}

static int prove(void *arg)
{
    struct proof *p = arg;
    struct http_call *c = p->c;
    char secret[API_KEY_SECRET + 1];
    struct api_keys *keys = api_of(c)->core->keys;
    int e = api_key_read(keys, c->a, p->said.id, &p->key);
    if (!e) e = api_key_secret(keys, &p->key, secret);
    if (!e) e = sigv4_verify(c->a, &p->said, c->request, c->body, sl_cstr(secret), rt_wall_seconds());
    wipe(secret, sizeof secret);
    return e ? e : api_admit(c, &p->key, &p->in);
}

int ses_prove(struct http_call *c)
{
    struct proof p = {.c = c};
    int e = sigv4_parse(http_request_value(c->request, SL("Authorization")), &p.said);
    if (!e) e = guard_prove(c->visit, api_counted(p.said.id), prove, &p);
    return api_enter(c, &p.key, &p.in, e);
}
