/* ses_auth.c - who asks, by Signature V4, and errors as SES tells them. */
#include "crypto/crypto.h"
#include "rt/rt.h"
#include "ses.h"
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

void ses_error(struct http_call *c, int status, const char *sentence)
{
    http_field(c, "x-amzn-ErrorType", sl_cstr(type_of(status)));
    api_json(c, status == 401 ? 403 : status, json_pack("{s:s}", "message", sentence));
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

/* The key that is named; its secret is proved when the body is there. */
int ses_auth(struct http_call *c)
{
    struct sigv4 s;
    struct api_key k;
    struct slice value = http_request_value(c->request, SL("Authorization"));
    int e = sigv4_parse(value.p ? value : SL(""), &s);
    if (!e) e = guard_try(c->visit, s.id.n == API_KEY_ID ? s.id : SL("no key"));
    if (!e) e = api_key_read(api_of(c)->core->keys, c->a, s.id, &k);
    if (!e) c->key.scopes = k.scopes;
    return e;
}

static int prove(struct http_call *c, const struct sigv4 *s, struct api_key *k)
{
    char secret[API_KEY_SECRET + 1];
    struct api_keys *keys = api_of(c)->core->keys;
    int e = api_key_read(keys, c->a, s->id, k);
    if (!e) e = api_key_secret(keys, k, secret);
    if (!e) e = sigv4_verify(c->a, s, c->request, c->body, sl_cstr(secret), rt_wall_seconds());
    wipe(secret, sizeof secret);
    return e;
}

int ses_prove(struct http_call *c)
{
    struct sigv4 s;
    struct api_key k;
    struct account *acc = ar_new(c->a, struct account);
    char sentence[ERR_TEXT_MAX];
    int e = sigv4_parse(http_request_value(c->request, SL("Authorization")), &s);
    if (e) return e;
    e = prove(c, &s, &k);
    snprintf(sentence, sizeof sentence, "%s", err_text(e));
    guard_tried(c->visit, s.id.n == API_KEY_ID ? s.id : SL("no key"), e);
    if (e) return err_set(e, "%s", sentence);
    e = api_key_admit(api_of(c)->core->keys, c->a, &k, &c->peer, acc);
    if (e) return e;
    snprintf(c->key.id, sizeof c->key.id, "%s", k.id);
    c->key.account = acc;
    c->key.scopes = k.scopes;
    return 0;
}
