/* http_fuzz.c - heads, chunk lines and targets of HTTP from hostile bytes. */
#include "base/fuzz.h"
#include "base/text.h"
#include "http.h"

/* What is taken holds nothing that could be read in two ways. */
static void check_head(const struct http_request *r)
{
    ASSERT(r->path.n && !(r->chunked && r->has_length) && r->length <= HTTP_BODY_MAX);
    ASSERT(r->minor == 0 || r->host.n);
    ASSERT(!r->chunked || sl_eqi(http_request_value(r, SL("transfer-encoding")), SL("chunked")));
    for (size_t i = 0; i < r->n; i++)
        ASSERT(sl_chr(r->field[i].value, '\r') == SL_NONE && sl_chr(r->field[i].value, '\n') == SL_NONE);
}

static void look_at_targets(const struct http_request *r)
{
    struct arena a = {0};
    struct slice param[HTTP_PARAMS_MAX], rest = r->query, name, value, scheme;
    size_t n;
    (void)!http_path_fits("/v1/{a}/x/{b}", r->path, param, &n);
    ASSERT(n <= 2);
    for (size_t i = 0; i < n; i++) ASSERT(http_segment(&a, param[i]).n <= param[i].n);
    while (http_query_next(&a, &rest, &name, &value)) continue;
    if (!http_credentials(http_request_value(r, SL("Authorization")), &scheme, &value))
        (void)!http_basic(&a, value, &name, &value);
    ar_free(&a);
}

FUZZ
{
    struct http_request r = {0};
    struct slice rest = input, line;
    uint64_t size;
    int e = sl_next(&rest, '\n', &line) ? http_request_line(&r, line) : ERR_EOF;
    while (!e && sl_next(&rest, '\n', &line) && line.n) e = http_request_field(&r, line);
    if (!e) e = http_request_end(&r);
    ASSERT(!e || e == ERR_EOF || r.status >= 400);
    if (!e) check_head(&r);
    if (!e) look_at_targets(&r);
    while (sl_next(&rest, '\n', &line))
        if (!http_chunk_size(line, &size)) ASSERT(size < UINT64_C(1) << 40);
        else (void)!http_trailer_field(line);
}
