/* order.c - an order from its beginning to the certificate (RFC 8555 section 7.4). */
#include <jansson.h>

#include "acme_i.h"
#include "base/log.h"
#include "base/text.h"

enum { CHAIN_MAX = 48 << 10 /* bytes of a certificate with its chain */ };

struct order {
    struct slice url, finalize;
    struct slice *authorization;
    size_t n;
};

static struct slice order_payload(struct acme_session *s, const struct slice *names, size_t n,
                                  struct slice replaces)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "{\"identifiers\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s{\"type\":\"dns\",\"value\":\"%.*s\"}", i ? "," : "", SLF(names[i]));
    buf_char(&b, ']');
    if (replaces.n) buf_printf(&b, ",\"replaces\":\"%.*s\"", SLF(replaces));
    buf_char(&b, '}');
    struct slice out = ar_dup(s->a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static int take_order(struct acme_session *s, json_t *o, const struct fetch_answer *r, struct order *out)
{
    json_t *list = json_object_get(o, "authorizations"), *v;
    size_t i, n = json_array_size(list);
    *out = (struct order){.url = fetch_header(r, "location"), .finalize = session_text(s, o, "finalize")};
    if (!out->url.n || !out->finalize.n || !n || n > ACME_NAMES_MAX)
        return err_set(ERR_SYNTAX, "the authority's order makes no sense");
    out->authorization = ar_array(s->a, struct slice, n);
    json_array_foreach(list, i, v)
        if (json_is_string(v)) out->authorization[out->n++] = ar_dup(s->a, sl_cstr(json_string_value(v)));
    return 0;
}

static int new_order(struct acme_session *s, const struct slice *names, size_t n, struct slice replaces,
                     struct order *out)
{
    struct fetch_answer r;
    json_t *o;
    int e = session_post(s, s->new_order, order_payload(s, names, n, replaces), &r, &o);
    if (e) return err_prefix(e, "no order");
    e = take_order(s, o, &r, out);
    json_decref(o);
    return e;
}

static int download(struct acme_session *s, struct slice url, struct slice *chain)
{
    struct fetch_answer r;
    json_t *none;
    int e = session_post(s, url, SL(""), &r, &none);
    json_decref(none);
    if (e) return err_prefix(e, "the certificate cannot be fetched");
    if (r.body.n > CHAIN_MAX) return err_set(ERR_LIMIT, "the certificate has more than %d bytes", CHAIN_MAX);
    *chain = r.body;
    return 0;
}

static int finalize(struct acme_session *s, const struct order *o, struct slice request, struct slice *chain)
{
    struct fetch_answer r;
    json_t *reply;
    struct slice payload = ar_printf(s->a, "{\"csr\":\"%.*s\"}", SLF(b64url_encode_ar(s->a, request)));
    int e = session_poll(s, o->url, "pending processing", &reply, "the proofs");
    json_decref(reply);
    if (!e) e = session_post(s, o->finalize, payload, &r, &reply);
    if (!e) json_decref(reply);
    if (!e) e = session_poll(s, o->url, "pending ready processing", &reply, "the certificate");
    if (e) return e;
    struct slice url = session_text(s, reply, "certificate");
    if (!url.n) e = session_problem(s, json_object_get(reply, "error"), 403);
    json_decref(reply);
    return e ? e : download(s, url, chain);
}

int session_order(struct acme_session *s, const struct slice *names, size_t n, const struct es256 *key,
                  struct slice replaces, struct slice *chain_pem)
{
    ASSERT(names && n && key);
    struct order o = {0};
    struct buf request = BUF_INIT;
    s->name = names, s->nnames = n;
    int e = es256_request(key, names, n, &request);
    if (!e) e = new_order(s, names, n, replaces, &o);
    if (!e) e = session_prove(s, o.authorization, o.n);
    if (!e) e = finalize(s, &o, buf_slice(&request), chain_pem);
    buf_free(&request);
    return e;
}
