/* keys.c - the keys that an issuer of tokens publishes (RFC 7517): fetched when they are needed, kept for an
 * hour, and for a day while they cannot be fetched again. */
#include "base/log.h"
#include "fetch/fetch.h"
#include "login_i.h"

enum { KEYS_SIZE = 256 << 10 };
#define PATIENCE (10 * RT_S)
static const int64_t kept_for = 3600 * RT_S, kept_most = 86400 * RT_S;
/* However many tokens name a key that nobody knows. */
static const int64_t between = 30 * RT_S, between_first = RT_S;

static int fetch_keys(const struct login_issuer *issuer, struct arena *a, struct slice *out)
{
    struct fetch_field accept = {SL("Accept"), SL("application/json")};
    struct fetch_answer r = {0};
    struct fetch_request q = {.url = issuer->keys,
                              .field = &accept,
                              .nfield = 1,
                              .size_max = KEYS_SIZE,
                              .timeout = PATIENCE,
                              .waited_for = true,
                              .clear = issuer->clear_keys,
                              .private_hosts = true};
    int e = fetch(issuer->fetch, a, &q, &r);
    *out = r.body;
    if (e)
        return err_set(ERR_UNREACHABLE, "the keys of the issuer of tokens cannot be fetched: %s",
                       err_text(e));
    if (r.status == 200 && r.body.n) return 0;
    return err_set(ERR_UNREACHABLE, "the issuer of tokens answers %d when asked for its keys", r.status);
}

/* What is kept, if it may still be used; *fetch: it is this one's turn to fetch them. */
static void look(struct issuer_keys *k, struct arena *a, bool fresh, struct slice *out, bool *fetch)
{
    int64_t now = rt_now();
    lock_take(&k->lock);
    bool some = k->fetched && now - k->fetched < kept_most;
    bool wanted = !some || fresh || now - k->fetched >= kept_for;
    *fetch = wanted && (!k->tried || now - k->tried >= (some ? between : between_first));
    if (*fetch) k->tried = now;
    *out = some ? ar_dup(a, buf_slice(&k->text)) : (struct slice){0};
    lock_release(&k->lock);
}

static void keep(struct issuer_keys *k, struct slice text)
{
    lock_take(&k->lock);
    buf_clear(&k->text);
    buf_put(&k->text, text);
    k->fetched = rt_now();
    lock_release(&k->lock);
}

int issuer_keys(struct issuer_keys *k, const struct login_issuer *issuer, struct arena *a, bool fresh,
                struct slice *out)
{
    struct slice now;
    bool mine;
    look(k, a, fresh, out, &mine);
    if (!mine)
        return out->n ? 0 : err_set(ERR_UNREACHABLE, "the keys of the issuer of tokens are not here yet");
    int e = fetch_keys(issuer, a, &now);
    if (e && !out->n) return e;
    if (e) log_warn("login", "%s; those of before count", err_text(e));
    if (e) return 0;
    keep(k, now);
    *out = now;
    return 0;
}
