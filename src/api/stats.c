/* stats.c - GET /v1/stats: what became of the account's recipients, in numbers. */
#include "command/stats.h"
#include "core/core.h"

#include "api_i.h"

/* ?by=key|campaign|category|domain|site&name=N&from=DAY&to=DAY&each=day|week|month|all */
void api_stats(struct http_call *c)
{
    struct numbers_ask ask = {.account = sl_cstr(c->key.account->id)};
    struct numbers_row *v;
    size_t n;
    struct stats_words w = {http_query(c, SL("by")), http_query(c, SL("name")), http_query(c, SL("each")),
                            http_query(c, SL("from")), http_query(c, SL("to"))};
    int e = stats_ask(&w, &ask);
    if (!e) e = numbers_table(api_of(c)->core->sends, &ask, c->a, &v, &n);
    if (e == ERR_LIMIT) http_fail(c, 400, "%s", err_text(e));
    else if (e) api_failed(c, e);
    else api_json(c, 200, json_pack("{s:o}", "rows", stats_json(v, n)));
}
