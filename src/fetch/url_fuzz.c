/* url_fuzz.c - whom a URL names: what is judged here is whom libcurl asks, for an address is allowed by the
 * one and connected to by the other. */
#include <curl/curl.h>
#include <stdlib.h>

#include "base/fuzz.h"
#include "fetch_i.h"

/* Of a URL that libcurl would take as it is given to it. */
static bool parts_of(struct arena *a, struct slice url, struct slice *scheme, struct slice *host,
                     struct slice *port)
{
    char *s = NULL, *h = NULL, *p = NULL, *user = NULL;
    CURLU *u = curl_url();
    bool good = curl_url_set(u, CURLUPART_URL, ar_cstr(a, url), 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_SCHEME, &s, 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_HOST, &h, 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_PORT, &p, CURLU_DEFAULT_PORT) == CURLUE_OK;
    ASSERT(!good || curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
    if (good) *scheme = ar_dup(a, sl_cstr(s)), *host = ar_dup(a, sl_cstr(h)), *port = ar_dup(a, sl_cstr(p));
    curl_free(s), curl_free(h), curl_free(p), curl_free(user);
    curl_url_cleanup(u);
    return good;
}

/* The same host: a name but for its case, or the same address. */
static bool is_same(struct slice ours, struct slice theirs)
{
    struct ip one, other;
    if (theirs.n > 2 && theirs.p[0] == '[') theirs = sl_sub(theirs, 1, theirs.n - 1);
    if (sl_eqi(ours, theirs)) return true;
    return ip_parse(ours, &one) && ip_parse(theirs, &other) && ip_eq(&one, &other);
}

FUZZ
{
    struct arena a = {0};
    struct fetch_target t;
    struct slice scheme, host, port, rest = input, url;
    while (sl_next(&rest, '\n', &url)) {
        if (fetch_target(url, true, &t)) continue;
        ASSERT(t.host.n && t.port);
        if (!parts_of(&a, url, &scheme, &host, &port)) continue;
        ASSERT(sl_eq(scheme, SL("https")) || sl_eq(scheme, SL("http")));
        ASSERT(is_same(t.host, host) && sl_eq(port, ar_printf(&a, "%u", t.port)));
    }
    ar_free(&a);
}
