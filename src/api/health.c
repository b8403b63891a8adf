/* health.c - whether the node serves, for whoever watches over it. */
#include "api_i.h"
#include "base/memory.h"
#include "core/core.h"
#include "kv/kv.h"
#include "store/store.h"

/* What every letter needs: an index that answers, memory to spare. */
void api_health(struct http_call *c)
{
    struct slice row;
    int e = kv_get(api_of(c)->core->store->kv, SL("_store"), SL("format"), c->a, &row);
    if (e) http_fail(c, 503, "the index does not answer: %s", err_text(e));
    else if (memory_over()) http_fail(c, 503, "there is no memory to spare");
    else api_json(c, 200, json_pack("{s:s}", "status", "ok"));
}
