/* mailjet_list.c - lists of Mailjet's v3/REST: filtered by members of what is in them, sorted by one, a page
 * at a time. What asks for something else is refused: an answer that ignores it would be a wrong one. */
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "mailjet.h"

enum { PAGE = 10 };

struct listing {
    struct http_call *c;
    json_t *all;
    const char *const *others; /* parameters that are heard elsewhere */
    struct mailjet_page page;
};

/* ---- what is asked for ---- */

static bool is_one_of(const char *const *names, struct slice name)
{
    for (; names && *names; names++)
        if (sl_eq(name, sl_cstr(*names))) return true;
    return false;
}

static int number(struct slice text, uint64_t most, const char *name, uint64_t *out)
{
    return num_u64(text, most, out)
               ? 0
               : err_set(ERR_USAGE, "%s must be a number up to %llu", name, (unsigned long long)most);
}

/* Every one of them has it, or none: they are of one kind. */
static bool has_member(const json_t *all, const char *name)
{
    return !json_array_size(all) || json_object_get(json_array_get(all, 0), name);
}

static bool says(const json_t *v, struct slice text)
{
    uint64_t n;
    if (json_is_string(v)) return sl_eq(sl(json_string_value(v), json_string_length(v)), text);
    if (json_is_integer(v)) return num_u64(text, INT64_MAX, &n) && json_integer_value(v) == (json_int_t)n;
    if (json_is_boolean(v))
        return sl_eqi(text, json_is_true(v) ? SL("true") : SL("false")) ||
               sl_eq(text, json_is_true(v) ? SL("1") : SL("0"));
    return false;
}

static int filter(struct listing *l, struct slice key, struct slice value)
{
    char *name = ar_cstr(l->c->a, key);
    if (memchr(key.p, 0, key.n) || !has_member(l->all, name)) return mailjet_not_a_filter(key);
    for (size_t i = json_array_size(l->all); i > 0; i--)
        if (!says(json_object_get(json_array_get(l->all, i - 1), name), value))
            json_array_remove(l->all, i - 1);
    return 0;
}

/* ---- the order ---- */

struct row {
    json_t *all;
    const json_t *by;
    size_t at; /* those that are equal stay as they were */
};

static int ascending(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    json_int_t m = json_integer_value(a->by), n = json_integer_value(b->by);
    int order = (m > n) - (m < n);
    if (json_is_string(a->by) && json_is_string(b->by))
        order = strcmp(json_string_value(a->by), json_string_value(b->by));
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

static void sort(struct listing *l, const char *name, bool down)
{
    size_t n = json_array_size(l->all);
    struct row *v = ar_array(l->c->a, struct row, n + 1);
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct row){.all = json_array_get(l->all, i), .at = i};
        v[i].by = json_object_get(v[i].all, name);
    }
    if (n) qsort(v, n, sizeof *v, ascending);
    json_t *sorted = json_array();
    for (size_t i = 0; i < n; i++) json_array_append(sorted, v[down ? n - 1 - i : i].all);
    json_decref(l->all);
    l->all = sorted;
}

/* "Name", "Name DESC" */
static int order(struct listing *l, struct slice text)
{
    size_t blank = sl_chr(text, ' ');
    struct slice key = sl_sub(text, 0, blank == SL_NONE ? text.n : blank),
                 way = sl_trim(sl_from(text, key.n));
    char *name = ar_cstr(l->c->a, key);
    bool down = sl_eqi(way, SL("DESC"));
    if (!key.n || memchr(key.p, 0, key.n) || !has_member(l->all, name) ||
        (way.n && !down && !sl_eqi(way, SL("ASC"))))
        return err_set(ERR_USAGE, "Sort must be a member of what is listed, and ASC or DESC");
    sort(l, name, down);
    return 0;
}

/* ---- the whole ---- */

int mailjet_page(struct http_call *c, struct mailjet_page *out)
{
    struct slice most = http_query(c, SL("Limit")), from = http_query(c, SL("Offset")),
                 count = http_query(c, SL("countOnly"));
    *out = (struct mailjet_page){.limit = PAGE};
    int e = most.p ? number(most, MAILJET_PAGE_MAX, "Limit", &out->limit) : 0;
    if (!e && from.p) e = number(from, INT32_MAX, "Offset", &out->offset);
    if (!out->limit) out->limit = MAILJET_PAGE_MAX; /* as many as there may be */
    out->count_only = sl_eq(count, SL("1")) || sl_eqi(count, SL("true"));
    if (!e && count.p && !out->count_only && !sl_eq(count, SL("0")) && !sl_eqi(count, SL("false")))
        e = err_set(ERR_USAGE, "countOnly must be 1 or 0");
    return e;
}

int mailjet_time(struct http_call *c, const char *name, int64_t *seconds)
{
    struct slice text = http_query(c, sl_cstr(name));
    uint64_t n;
    if (!text.n || civil_parse(text, seconds)) return 0;
    if (!num_u64(text, UINT32_MAX, &n))
        return err_set(ERR_USAGE, "%s must be a Unix time or a date with a time", name);
    *seconds = (int64_t)n;
    return 0;
}

int mailjet_not_a_filter(struct slice key)
{
    return err_set(ERR_USAGE, "\"%.*s\" is no filter of this list", SLF(key));
}

void mailjet_told(struct http_call *c, const struct mailjet_page *p, json_t *list, size_t total)
{
    json_int_t n = p->count_only ? (json_int_t)total : (json_int_t)json_array_size(list);
    api_json(c, 200, json_pack("{s:I,s:o,s:I}", "Count", n, "Data", list, "Total", (json_int_t)total));
}

static int choose(struct listing *l)
{
    static const char *const own[] = {"Limit", "Offset", "countOnly", "Sort", NULL};
    struct slice rest = l->c->request->query, key, value, sorted = http_query(l->c, SL("Sort"));
    int e = mailjet_page(l->c, &l->page);
    if (!e && sorted.p) e = order(l, sorted);
    while (!e && http_query_next(l->c->a, &rest, &key, &value))
        if (!is_one_of(own, key) && !is_one_of(l->others, key)) e = filter(l, key, value);
    return e;
}

void mailjet_list(struct http_call *c, json_t *all, const char *const *others)
{
    struct listing l = {.c = c, .all = all, .others = others};
    json_t *list = json_array();
    int e = choose(&l);
    size_t total = json_array_size(l.all);
    for (size_t i = (size_t)l.page.offset;
         !e && !l.page.count_only && i < total && json_array_size(list) < l.page.limit; i++)
        json_array_append(list, json_array_get(l.all, i));
    json_decref(l.all);
    if (!e) {
        mailjet_told(c, &l.page, list, total);
        return;
    }
    json_decref(list);
    http_fail(c, http_status_of(e), "%s", err_text(e));
}
