/* mailjet_list.c - lists of Mailjet's v3/REST, a page at a time. */
#include "base/text.h"
#include "mailjet.h"

/* Limit=0 is as many as there may be. */
int mailjet_page(struct http_call *c, uint64_t *limit, uint64_t *offset)
{
    enum { PAGE = 10, PAGE_MAX = 1000 };
    struct slice most = http_query(c, SL("Limit")), from = http_query(c, SL("Offset"));
    *limit = PAGE, *offset = 0;
    if (most.p && !num_u64(most, PAGE_MAX, limit))
        return err_set(ERR_USAGE, "Limit must be a number up to %d", PAGE_MAX);
    if (from.p && !num_u64(from, INT32_MAX, offset)) return err_set(ERR_USAGE, "Offset must be a number");
    if (!*limit) *limit = PAGE_MAX;
    return 0;
}

void mailjet_list(struct http_call *c, json_t *all)
{
    uint64_t limit, offset;
    json_t *list = json_array();
    size_t total = json_array_size(all);
    int e = mailjet_page(c, &limit, &offset);
    for (size_t i = (size_t)offset; !e && i < total && json_array_size(list) < limit; i++)
        json_array_append(list, json_array_get(all, i));
    json_decref(all);
    if (!e) {
        api_json(c, 200,
                 json_pack("{s:I,s:o,s:I}", "Count", (json_int_t)json_array_size(list), "Data", list, "Total",
                           (json_int_t)total));
        return;
    }
    json_decref(list);
    http_fail(c, http_status_of(e), "%s", err_text(e));
}
