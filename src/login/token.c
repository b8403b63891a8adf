/* token.c - logins by a token of an issuer (RFC 6750), which is asked whether it counts (RFC 7662), or whose
 * keys tell it (RFC 7519, 9068). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fetch/fetch.h"
#include "jwt.h"
#include "login_i.h"

enum { ANSWER_MAX = 64 << 10, TOKENS_MAX = 20000 };
#define PATIENCE (10 * RT_S)

/* A token that counted lately: the issuer is not asked again for each connection of a mail program. */
struct known {
    int64_t until; /* unix seconds */
    size_t n;
    char user[];
};

static bool find_known(struct tokens *t, struct arena *a, const uint8_t print[32], struct slice *user)
{
    lock_take(&t->lock);
    struct known *k = map_get(&t->known, sl((const char *)print, 32));
    bool yes = k && k->until > rt_wall_seconds();
    if (yes) *user = ar_dup(a, sl(k->user, k->n));
    lock_release(&t->lock);
    return yes;
}

static void keep_known(struct tokens *t, const uint8_t print[32], struct slice user, int64_t until)
{
    struct known *k = xmalloc(sizeof *k + user.n);
    k->until = until;
    k->n = user.n;
    memcpy(k->user, user.p, user.n);
    lock_take(&t->lock);
    if (t->known.count >= TOKENS_MAX) login_forget(&t->known);
    free(map_put(&t->known, sl((const char *)print, 32), k));
    lock_release(&t->lock);
}

/* ---- the question (RFC 7662 section 2.1) ---- */

/* application/x-www-form-urlencoded: what is not surely plain is escaped. */
static void put_form(struct buf *b, struct slice s) { percent_encode(b, s, "-._"); }

static struct slice basic(struct arena *a, const struct login_issuer *issuer)
{
    struct buf b = BUF_INIT; /* RFC 6749 section 2.3.1: both are encoded first */
    put_form(&b, issuer->client);
    buf_char(&b, ':');
    put_form(&b, issuer->secret);
    struct slice s = ar_cat(a, SL("Basic "), b64_encode_ar(a, buf_slice(&b)));
    wipe(b.p, b.n);
    buf_free(&b);
    return s;
}

static int ask(const struct login_issuer *issuer, struct arena *a, const struct login_try *t,
               struct slice *answer)
{
    struct buf body = BUF_INIT;
    struct fetch_field field[] = {{SL("Content-Type"), SL("application/x-www-form-urlencoded")},
                                  {SL("Accept"), SL("application/json")},
                                  {SL("Authorization"), basic(a, issuer)}};
    struct fetch_answer r = {0};
    buf_str(&body, "token_type_hint=access_token&token=");
    put_form(&body, t->password);
    struct fetch_request q = {.method = SL("POST"),
                              .url = issuer->url,
                              .field = field,
                              .nfield = issuer->client.n ? 3 : 2,
                              .body = buf_slice(&body),
                              .size_max = ANSWER_MAX,
                              .timeout = PATIENCE,
                              .asker = t->asker,
                              .waited_for = true,
                              .clear = issuer->clear,
                              .private_hosts = true};
    int e = fetch(issuer->fetch, a, &q, &r);
    wipe(body.p, body.n);
    buf_free(&body);
    *answer = r.body;
    if (e) return err_set(ERR_UNREACHABLE, "the issuer of tokens cannot be asked: %s", err_text(e));
    return r.status == 200 ? 0 : err_set(ERR_UNREACHABLE, "the issuer of tokens answers %d", r.status);
}

static int introspect(const struct login_issuer *issuer, struct arena *a, const struct login_try *t,
                      struct slice *user, int64_t *until)
{
    struct slice answer;
    int e = ask(issuer, a, t, &answer);
    if (e) return e;
    return claims_told(issuer, a, answer, rt_wall_seconds(), user, until);
}

static int verify(struct login *l, struct arena *a, struct slice token, struct slice *user, int64_t *until)
{
    struct slice keys;
    json_t *claims = NULL;
    int e = issuer_keys(&l->keys, &l->issuer, a, false, &keys);
    if (!e) e = jwt_verify(a, token, keys, &claims);
    if (e == ERR_NOT_FOUND) { /* the issuer may have new ones */
        e = issuer_keys(&l->keys, &l->issuer, a, true, &keys);
        if (!e) e = jwt_verify(a, token, keys, &claims);
    }
    if (!e) e = claims_signed(&l->issuer, a, claims, rt_wall_seconds(), user, until);
    json_decref(claims);
    return e == ERR_NOT_FOUND || e == ERR_SYNTAX ? err_set(ERR_DENIED, "%s", err_text(e)) : e;
}

static int judge(struct login *l, struct arena *a, const struct login_try *t, struct slice *user,
                 int64_t *until)
{
    if (l->issuer.keys.n && jwt_is_one(t->password)) return verify(l, a, t->password, user, until);
    if (l->issuer.url.n) return introspect(&l->issuer, a, t, user, until);
    return l->issuer.keys.n ? err_set(ERR_DENIED, "the token is none that its issuer has signed")
                            : err_set(ERR_UNSUPPORTED, "no issuer of tokens is known here");
}

int login_token(struct login *l, struct arena *a, const struct login_try *t, struct account *out)
{
    uint8_t print[32];
    struct slice user;
    struct account named;
    int64_t until = 0;
    hmac_sha256(sl((const char *)l->secret, sizeof l->secret), t->password, print);
    if (!find_known(&l->tokens, a, print, &user)) {
        int e = judge(l, a, t, &user, &until);
        if (e) return e;
        keep_known(&l->tokens, print, user, until);
    }
    int e = login_find(l, a, user, out);
    if (!e && t->user.n) { /* whom the client names must be who the token is for */
        e = login_find(l, a, t->user, &named);
        if (!e && strcmp(named.id, out->id) != 0) e = ERR_DENIED;
    }
    return e == ERR_NOT_FOUND || e == ERR_DENIED
               ? err_set(ERR_DENIED, "the token is for nobody here, or another")
               : e;
}
