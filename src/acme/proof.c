/* proof.c - a name is proved to be ours: by a file over HTTP (RFC 8555 section 8.3), by a certificate over
 * TLS (RFC 8737), by a record in the DNS (RFC 8555 section 8.4). */
#include <jansson.h>
#include <stdio.h>

#include "acme_i.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "rt/tls.h"

struct proof {
    enum acme_way way;
    struct slice name, token, challenge; /* challenge: URL */
    struct slice authorization;          /* of the key, RFC 8555 section 8.1 */
    struct slice url;                    /* of the authorization, section 7.1.4 */
    bool shown;
};

static const char *const ways[ACME_WAYS] = {
    [ACME_HTTP] = "http-01", [ACME_TLS] = "tls-alpn-01", [ACME_DNS] = "dns-01"};

/* RFC 8555 section 8.1: base64url and nothing else; it becomes a part of a path. */
static bool is_token(struct slice t)
{
    for (size_t i = 0; i < t.n; i++)
        if (!is_alnum(t.p[i]) && t.p[i] != '-' && t.p[i] != '_') return false;
    return t.n && t.n <= 256;
}

static bool may_go(const struct acme_session *s, enum acme_way way)
{
    switch (way) {
    case ACME_TLS: return s->x->tls != NULL;
    case ACME_DNS: return s->x->conf.publish != NULL;
    default: return true;
    }
}

static bool find_challenge(struct acme_session *s, json_t *authorization, enum acme_way way, struct proof *p)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(authorization, "challenges"), i, c) {
        if (!sl_eq(session_text(s, c, "type"), sl_cstr(ways[way]))) continue;
        p->way = way;
        p->token = session_text(s, c, "token");
        p->challenge = session_text(s, c, "url");
        return is_token(p->token) && p->challenge.n;
    }
    return false;
}

/* The one that is the session's turn, else whichever is offered and can be given. */
static bool choose(struct acme_session *s, json_t *authorization, struct proof *p)
{
    for (unsigned i = 0; i < ACME_WAYS; i++) {
        enum acme_way way = (s->way + i) % ACME_WAYS;
        if (may_go(s, way) && find_challenge(s, authorization, way, p)) return true;
    }
    return false;
}

static json_t *find_error(json_t *authorization)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(authorization, "challenges"), i, c)
        if (json_object_get(c, "error")) return json_object_get(c, "error");
    return NULL;
}

/* ---- shown and taken away ---- */

static int show(struct acme_session *s, const struct proof *p, bool there)
{
    uint8_t digest[HASH_MAX];
    hash_once(HASH_SHA256, p->authorization, digest);
    switch (p->way) {
    case ACME_TLS:
        if (there) return tls_server_add_proof(s->x->tls, p->name, digest);
        tls_server_drop_proof(s->x->tls, p->name);
        return 0;
    case ACME_DNS:
        return s->x->conf.publish(s->x->conf.ctx, s->a, ar_cat(s->a, SL("_acme-challenge."), p->name),
                                  b64url_encode_ar(s->a, sl(digest, 32)), there);
    default:
        if (there) return acme_token_add(s->x, p->token, p->authorization);
        acme_token_drop(s->x, p->token);
        return 0;
    }
}

static int proved(struct acme_session *s, const struct proof *p)
{
    json_t *o;
    int e = session_poll(s, p->url, "pending processing", &o, "a proof");
    if (e) return e;
    const char *status = json_string_value(json_object_get(o, "status"));
    if (strcmp(status, "valid") != 0)
        e = err_prefix(session_problem(s, find_error(o), 403), "the name %.*s is not proved by %s",
                       SLF(p->name), ways[p->way]);
    json_decref(o);
    return e;
}

static int show_one(struct acme_session *s, struct proof *p)
{
    p->authorization = ar_printf(s->a, "%.*s.%.*s", SLF(p->token), SLF(jose_thumbprint(s->a, s->key)));
    int e = show(s, p, true);
    if (e) return err_prefix(e, "no proof of %.*s by %s", SLF(p->name), ways[p->way]);
    p->shown = true;
    s->way = p->way;
    return 0;
}

/* The authority is told that it may look (section 7.5.1). */
static int announce(struct acme_session *s, const struct proof *p)
{
    struct fetch_answer r;
    json_t *reply;
    int e = session_post(s, p->challenge, SL("{}"), &r, &reply);
    json_decref(reply);
    return e;
}

static void take_away(struct acme_session *s, const struct proof *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int gone = v[i].shown ? show(s, &v[i], false) : 0;
        if (gone) log_warn("acme", "the proof of %.*s stays behind: %s", SLF(v[i].name), err_text(gone));
    }
}

/* The name that was ordered and that the authority means; empty: one that nobody asked about, which is
 * neither shown to lead here nor published. */
static struct slice ordered(const struct acme_session *s, struct slice said)
{
    for (size_t i = 0; i < s->nnames; i++)
        if (sl_eqi(s->name[i], said)) return s->name[i];
    return SL("");
}

/* *p: what is to be shown; one of no name: nothing is, for it was proved for an earlier order. */
static int look_at(struct acme_session *s, struct slice url, struct proof *p)
{
    struct fetch_answer r;
    json_t *o;
    int e = session_post(s, url, SL(""), &r, &o);
    if (e) return e;
    struct slice status = session_text(s, o, "status"),
                 said = session_shown(s, json_object_get(o, "identifier"), "value");
    p->url = url;
    p->name = ordered(s, session_text(s, json_object_get(o, "identifier"), "value"));
    bool possible = choose(s, o, p);
    json_decref(o);
    if (sl_eq(status, SL("valid"))) {
        p->name = SL("");
        return 0;
    }
    if (!p->name.n)
        return err_set(ERR_SYNTAX, "the authority wants a proof of %.*s, which was not asked for",
                       SLF(said.n ? said : SL("no name")));
    if (!possible)
        return err_set(ERR_UNSUPPORTED, "the authority offers no proof of %.*s that can be given here",
                       SLF(p->name));
    return 0;
}

/* All are shown before the authority looks at the first: what stands in the DNS takes a while to be seen. */
int session_prove(struct acme_session *s, const struct slice *url, size_t n)
{
    struct proof *v = ar_array(s->a, struct proof, n);
    char why[ERR_TEXT_MAX] = "";
    bool in_dns = false;
    int e = 0;
    memset(v, 0, n * sizeof *v);
    for (size_t i = 0; !e && i < n; i++) {
        e = look_at(s, url[i], &v[i]);
        if (!e && v[i].name.n) e = show_one(s, &v[i]);
        in_dns |= v[i].shown && v[i].way == ACME_DNS;
    }
    if (!e && in_dns) e = fiber_sleep(ACME_SECONDARIES_S * RT_S);
    for (size_t i = 0; !e && i < n; i++)
        if (v[i].shown) e = announce(s, &v[i]);
    for (size_t i = 0; !e && i < n; i++)
        if (v[i].shown) e = proved(s, &v[i]);
    if (e) snprintf(why, sizeof why, "%s", err_text(e));
    take_away(s, v, n);
    return e ? err_set(e, "%s", why) : 0;
}
