/* client.c - a session with the authority (RFC 8555): requests, nonces, directory, account, advice. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "acme_i.h"
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum {
    REPLY_MAX = 64 << 10,
    TRIES_MAX = 8, /* of one request whose nonce was too old */
    POLL_FIRST_S = 1,
    POLL_MOST_S = 15
};

/* ---- requests ---- */

static int transfer(struct acme_session *s, const struct fetch_request *q, struct fetch_answer *r)
{
    if (ar_over(s->a)) return err_set(ERR_LIMIT, "the authority says too much and comes to no end");
    int e = fetch(s->x->conf.fetch, s->a, q, r);
    if (e) return e;
    struct slice nonce = fetch_header(r, "replay-nonce"), wait = fetch_header(r, "retry-after");
    uint64_t seconds;
    if (nonce.n) s->nonce = nonce;
    s->wait_s = num_u64(wait, ACME_WAIT_MOST_S, &seconds) ? (int64_t)seconds : 0;
    return 0;
}

/* A string within the object, which lives as long as the arena; empty when it is none. */
struct slice session_text(struct acme_session *s, json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_string(v) ? ar_dup(s->a, sl(json_string_value(v), json_string_length(v))) : SL("");
}

/* The same for a sentence: what a terminal or a log would obey is shown. */
struct slice session_shown(struct acme_session *s, json_t *o, const char *name)
{
    struct buf b = BUF_INIT;
    foreign_put(&b, session_text(s, o, name), true);
    struct slice out = ar_dup(s->a, sl_sub(buf_slice(&b), 0, 300));
    buf_free(&b);
    return out;
}

/* The last part of "urn:ietf:params:acme:error:badNonce" (section 6.7). */
static bool problem_is(json_t *o, const char *kind)
{
    const char *type = json_string_value(json_object_get(o, "type"));
    const char *last = type ? strrchr(type, ':') : NULL;
    return last && strcmp(last + 1, kind) == 0;
}

/* The sentences of a problem document (RFC 7807), with those about single names. */
int session_problem(struct acme_session *s, json_t *o, int status)
{
    struct buf b = BUF_INIT;
    size_t i;
    json_t *sub;
    buf_put(&b, session_shown(s, o, "detail"));
    json_array_foreach(json_object_get(o, "subproblems"), i, sub) {
        buf_printf(&b, "; %.*s: %.*s", SLF(session_shown(s, json_object_get(sub, "identifier"), "value")),
                   SLF(session_shown(s, sub, "detail")));
    }
    bool later = status >= 500 || status == 429 || problem_is(o, "rateLimited");
    int e = err_set(later ? ERR_BUSY : ERR_DENIED, "the authority says: %.*s (status %d)",
                    SLF(b.n ? sl_sub(buf_slice(&b), 0, 300) : SL("nothing more")), status);
    buf_free(&b);
    return e;
}

static int fetch_nonce(struct acme_session *s)
{
    struct fetch_answer r;
    return transfer(s, &(struct fetch_request){.url = s->new_nonce}, &r);
}

static json_t *parse(const struct fetch_answer *r) { return json_loadb(r->body.p, r->body.n, 0, NULL); }

static int post_once(struct acme_session *s, struct slice url, struct slice payload, struct fetch_answer *r)
{
    struct fetch_field type = {SL("content-type"), SL("application/jose+json")};
    struct fetch_request q = {
        .method = SL("POST"), .url = url, .field = &type, .nfield = 1, .size_max = REPLY_MAX};
    int e = s->nonce.n ? 0 : fetch_nonce(s);
    if (e) return e;
    if (!s->nonce.n) return err_set(ERR_SYNTAX, "the authority gives no nonce");
    struct jose_head head = {.url = url, .nonce = s->nonce, .kid = s->kid};
    s->nonce = SL(""); /* it is good once (section 6.5) */
    e = jose_sign(s->a, s->key, &head, payload, &q.body);
    return e ? e : transfer(s, &q, r);
}

/* *out: the reply, or NULL when it is no JSON; the caller's. */
int session_post(struct acme_session *s, struct slice url, struct slice payload, struct fetch_answer *r,
                 json_t **out)
{
    *out = NULL;
    for (int i = 0;; i++) {
        int e = post_once(s, url, payload, r);
        if (e) return e;
        *out = parse(r);
        if (r->status < 300) return 0;
        bool again = problem_is(*out, "badNonce") && i < TRIES_MAX;
        e = again ? 0 : session_problem(s, *out, r->status);
        json_decref(*out);
        *out = NULL;
        if (e) return e;
    }
}

/* ---- directory and account ---- */

/* Before anything is asked for: what a clock that is wrong would have certified is not valid by it. */
static int clocks_agree(struct acme_session *s, int64_t ahead)
{
    char ours[CIVIL_TEXT_MAX], theirs[CIVIL_TEXT_MAX];
    int64_t now = rt_wall_seconds();
    if (ahead <= ACME_CLOCKS_S && ahead >= -ACME_CLOCKS_S) return 0;
    return err_set(ERR_DENIED,
                   "it is %s here and %s at %.*s: is the clock right? No certificate is asked for until they "
                   "agree",
                   civil_format(now, ours), civil_format(now - ahead, theirs),
                   SLF(fetch_url_host(s->x->conf.directory)));
}

/* Its own certificate is not believed: that may be for our clock. */
static int doubt(struct acme_session *s, int e)
{
    char why[ERR_TEXT_MAX];
    int64_t ahead = 0;
    snprintf(why, sizeof why, "%s", err_text(e));
    int asked = fetch_clock_of(s->x->conf.fetch, s->a, fetch_url_host(s->x->conf.directory), &ahead);
    if (asked == ERR_CANCELED) return asked;
    int wrong = asked ? 0 : clocks_agree(s, ahead);
    return wrong ? wrong : err_set(e, "%s", why);
}

static int read_directory(struct acme_session *s)
{
    struct fetch_answer r;
    int64_t ahead = 0;
    int e = transfer(s, &(struct fetch_request){.url = s->x->conf.directory}, &r);
    if (e == ERR_TLS) return doubt(s, e);
    if (!e && fetch_clock(&r, &ahead) == 0) e = clocks_agree(s, ahead);
    if (e) return e;
    json_t *o = r.status == 200 ? parse(&r) : NULL;
    s->new_nonce = session_text(s, o, "newNonce");
    s->new_account = session_text(s, o, "newAccount");
    s->new_order = session_text(s, o, "newOrder");
    s->renewal_info = session_text(s, o, "renewalInfo");
    json_decref(o);
    if (s->new_nonce.n && s->new_account.n && s->new_order.n) return 0;
    return err_set(ERR_SYNTAX, "%.*s is no directory of an authority (RFC 8555 section 7.1.1): status %d",
                   SLF(s->x->conf.directory), r.status);
}

/* An account that exists already is told as well (section 7.3). */
static int make_account(struct acme_session *s, struct acme_account *acc)
{
    const struct acme_conf *c = &s->x->conf;
    struct fetch_answer r;
    json_t *reply;
    struct slice contact =
        c->contact.n ? ar_printf(s->a, ",\"contact\":[\"mailto:%.*s\"]", SLF(c->contact)) : SL("");
    struct slice payload = ar_printf(s->a, "{\"termsOfServiceAgreed\":true%.*s}", SLF(contact));
    s->kid = SL("");
    int e = session_post(s, s->new_account, payload, &r, &reply);
    json_decref(reply);
    if (e) return err_prefix(e, "no account with the authority");
    acc->directory = c->directory;
    acc->url = s->kid = fetch_header(&r, "location");
    if (!acc->url.n) return err_set(ERR_SYNTAX, "the authority does not name the account it made");
    return acme_account_put(c->kv, acc);
}

static int own_key(struct acme_session *s, struct acme_account *acc)
{
    struct buf pem = BUF_INIT;
    if (acc->key_pem.n) return es256_from_pem(acc->key_pem, &s->key);
    int e = es256_new(&s->key);
    if (e) return e;
    es256_pem(s->key, &pem);
    acc->key_pem = ar_dup(s->a, buf_slice(&pem));
    wipe(pem.p, pem.n);
    buf_free(&pem);
    return 0;
}

int session_open(struct acme_session *s)
{
    const struct acme_conf *c = &s->x->conf;
    struct acme_account acc;
    int e = acme_account_get(c->kv, s->a, &acc);
    if (e == ERR_CORRUPT) { /* not what a later version wrote: that comes back */
        log_error("acme", "the account with the authority cannot be read, and another is made: %s",
                  err_text(e));
        acc = (struct acme_account){0};
        e = 0;
    }
    if (!e && acc.directory.n && !sl_eq(acc.directory, c->directory)) acc = (struct acme_account){0};
    if (!e) e = own_key(s, &acc);
    if (!e) e = read_directory(s);
    s->kid = acc.url;
    return e || s->kid.n ? e : make_account(s, &acc);
}

void session_close(struct acme_session *s) { es256_free(&s->key); }

/* ---- waiting ---- */

static int pause_before(struct acme_session *s, int64_t end, int i, const char *what)
{
    int64_t wait = s->wait_s ? s->wait_s : (int64_t)POLL_FIRST_S << (i < 4 ? i : 4);
    if (wait > POLL_MOST_S) wait = POLL_MOST_S;
    if (rt_now() + wait * RT_S > end)
        return err_set(ERR_TIMEOUT, "the authority does not come to an end with %s", what);
    return fiber_sleep(wait * RT_S);
}

/* Asks until the status is none of those that pass (section 7.1.6). The caller's. */
int session_poll(struct acme_session *s, struct slice url, const char *passes, json_t **out, const char *what)
{
    struct fetch_answer r;
    int64_t end = rt_now() + ACME_ORDER_S * RT_S;
    for (int i = 0;; i++) {
        int e = session_post(s, url, SL(""), &r, out);
        if (e) return e;
        const char *status = json_string_value(json_object_get(*out, "status"));
        if (!status) e = err_set(ERR_SYNTAX, "the authority tells no state of %s", what);
        else if (!strstr(passes, status)) return 0;
        if (!e) e = pause_before(s, end, i, what);
        json_decref(*out);
        *out = NULL;
        if (e) return e;
    }
}

/* ---- advice ---- */

static bool moment(struct acme_session *s, json_t *window, const char *name, int64_t *out)
{
    return civil_parse(session_text(s, window, name), out);
}

int session_advice(struct acme_session *s, struct slice id, int64_t *when)
{
    struct fetch_answer r;
    int64_t start = 0, end = 0;
    if (!s->renewal_info.n || !id.n) return err_set(ERR_UNSUPPORTED, "the authority gives no advice");
    struct slice url = ar_printf(s->a, "%.*s/%.*s", SLF(s->renewal_info), SLF(id));
    int e = transfer(s, &(struct fetch_request){.url = url}, &r);
    json_t *o = !e && r.status == 200 ? parse(&r) : NULL, *window = json_object_get(o, "suggestedWindow");
    bool ok = moment(s, window, "start", &start) && moment(s, window, "end", &end) && end >= start;
    json_decref(o);
    if (e) return e;
    if (!ok) return err_set(ERR_SYNTAX, "the authority's advice makes no sense: status %d", r.status);
    *when = start + (int64_t)rt_random_below((uint64_t)(end - start) + 1);
    return 0;
}
