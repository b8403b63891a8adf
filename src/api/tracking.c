/* tracking.c - the image and the links of letters that are followed (send/track.h). What is asked for is
 * given whether it can be counted or not. */
#include "send/track.h"

#include "api_i.h"
#include "base/log.h"
#include "core/core.h"

static void count(struct http_call *c, const struct track *t)
{
    char ip[IP_TEXT_MAX];
    struct track_visit v = {.agent = http_request_value(c->request, SL("User-Agent")),
                            .ip = sl_cstr(ip_format(&c->peer, ip)),
                            .machine = http_request_value(c->request, SL("Purpose")).n ||
                                       http_request_value(c->request, SL("Sec-Purpose")).n};
    int e = c->request->method == HTTP_GET ? track_add(api_of(c)->core->sends, t, &v) : 0;
    if (e && e != ERR_CANCELED) log_warn("api", "an open or click is not counted: %s", err_text(e));
}

static void image(struct http_call *c)
{
    static const char gif[] =
        "GIF89a\1\0\1\0\200\0\0\0\0\0\0\0\0!\371\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
    struct track t;
    if (track_parse(api_of(c)->core->sends, c->a, c->param[0], &t) && !t.url.n) count(c, &t);
    http_field(c, "Cache-Control", SL("no-store, private"));
    http_answer(c, 200, "image/gif", sl(gif, sizeof gif - 1));
}

/* Where the letter said; a token that was not made here leads nowhere. */
static void link_followed(struct http_call *c)
{
    struct track t;
    if (!track_parse(api_of(c)->core->sends, c->a, c->param[0], &t) || !t.url.n) {
        http_fail(c, 404, "this link is not complete: please copy the whole of it from the letter");
        return;
    }
    count(c, &t);
    http_field(c, "Location", t.url);
    http_field(c, "Cache-Control", SL("no-store, private"));
    http_field(c, "Referrer-Policy", SL("no-referrer"));
    http_answer(c, 302, NULL, SL(""));
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/e/o/{token}", NONE, image, "the image of a letter that is followed"),
    HTTP_ROUTE(GET, "/e/c/{token}", NONE, link_followed, "a link of a letter that is followed"),
};
const struct http_group api_tracking = {
    .name = "tracking", .prefix = "/e/", .route = routes, .n = COUNT_OF(routes)};
