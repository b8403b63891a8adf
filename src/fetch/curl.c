/* curl.c - one request to one address, by libcurl, on a thread of its own. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/wiped.h"
#include "fetch_i.h"
#include "rt/rt.h"

struct receiving {
    const struct fetch_call *call;
    struct fetch_answer *out;
    struct fetch_head head;
    struct buf body;
    bool too_large;
};

static size_t take_body(char *p, size_t one, size_t n, void *arg)
{
    struct receiving *r = arg;
    (void)one;
    r->too_large |= r->body.n + n > r->call->size_max;
    if (!r->too_large) buf_bytes(&r->body, p, n);
    return r->too_large ? 0 : n;
}

static size_t take_head(char *p, size_t one, size_t n, void *arg)
{
    struct receiving *r = arg;
    (void)one;
    r->too_large |= !fetch_head_line(&r->head, sl(p, n));
    return r->too_large ? 0 : n;
}

static int code_of(CURLcode c)
{
    switch (c) {
    case CURLE_OPERATION_TIMEDOUT: return ERR_TIMEOUT;
    case CURLE_COULDNT_CONNECT: return ERR_REFUSED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return ERR_TLS;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return ERR_SYNTAX;
    default: return ERR_IO;
    }
}

static struct curl_slist *fields_of(const struct fetch_call *c)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < c->request->nfield; i++) {
        const struct fetch_field *f = &c->request->field[i];
        list = curl_slist_append(list, ar_cstr(c->a, ar_printf(c->a, f->value.n ? "%.*s: %.*s" : "%.*s;%.*s",
                                                               SLF(f->name), SLF(f->value))));
    }
    return list;
}

/* "host:port:address:port": this address for that host, whatever the system's resolver would say. */
static struct curl_slist *place_of(const struct fetch_call *c)
{
    char ip[IP_TEXT_MAX];
    bool six = c->address.family == 6;
    ip_format(&c->address, ip);
    return curl_slist_append(NULL,
                             ar_cstr(c->a, ar_printf(c->a, six ? "::[%s]:%u" : "::%s:%u", ip, c->port)));
}

static void set_request(CURL *h, const struct fetch_call *c)
{
    const struct fetch_request *q = c->request;
    curl_easy_setopt(h, CURLOPT_URL, ar_cstr(c->a, q->url));
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, q->clear ? "http,https" : "https");
    if (q->body.n) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body.p);
    }
    if (sl_eq(q->method, SL("HEAD"))) curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method.n ? ar_cstr(c->a, q->method) : "GET");
}

/* Nothing of the environment counts, and nothing is followed. */
static void set_limits(CURL *h, const struct fetch_call *c)
{
    long ms = (long)(c->timeout / RT_MS);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, ms > 0 ? ms : 1L);
    curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->size_max);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "Tram");
    if (!c->ca.n) return;
    curl_easy_setopt(h, CURLOPT_CAINFO, ar_cstr(c->a, c->ca));
    curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
}

static int perform(CURL *h, struct receiving *r)
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, r);
    CURLcode c = curl_easy_perform(h);
    if (r->too_large || c == CURLE_FILESIZE_EXCEEDED)
        return err_set(ERR_LIMIT, "the answer of %.*s is larger than %zu bytes", SLF(r->call->host),
                       r->call->size_max);
    if (c != CURLE_OK)
        return err_set(code_of(c), "%.*s: %s", SLF(r->call->host), *why ? why : curl_easy_strerror(c));
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    r->out->status = (int)status;
    r->out->body = ar_dup(r->call->a, buf_slice(&r->body));
    return 0;
}

/* What libcurl gives back is wiped: keys and tokens of others are in its requests. */
static void *take_more(void *p, size_t n)
{
    if (n) return wiped_grow(p, n);
    wiped_free(p);
    return NULL;
}

static char *take_copy(const char *s) { return xstrndup(s, strlen(s)); }

int fetch_by_curl(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    (void)arg;
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiped_free, take_more, take_copy, calloc))
        return err_set(ERR_IO, "libcurl cannot be started");
    CURL *h = curl_easy_init();
    if (!h) return err_set(ERR_IO, "libcurl cannot be started");
    struct receiving r = {.call = c, .out = out, .head = {.a = c->a, .out = out}, .body = BUF_INIT};
    struct curl_slist *fields = fields_of(c), *place = place_of(c);
    set_request(h, c);
    set_limits(h, c);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(h, CURLOPT_CONNECT_TO, place);
    int e = perform(h, &r);
    curl_easy_cleanup(h);
    curl_slist_free_all(fields);
    curl_slist_free_all(place);
    buf_free(&r.body);
    curl_global_cleanup();
    return e;
}
