/* cmd_stats.c - stats ACCOUNT: what became of an account's recipients, in numbers. */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "stats.h"
#include "store/store.h"

int stats_ask(const struct stats_words *w, struct numbers_ask *out)
{
    out->name = w->name;
    if (!numbers_by_named(w->by, &out->by))
        return err_set(ERR_USAGE, "by must be key, campaign, category, domain or site");
    if (w->name.n && out->by == NUMBERS_BY_ALL)
        return err_set(ERR_USAGE, "a name needs by, which says whose it is");
    if (!numbers_each_named(w->each.n ? w->each : SL("day"), &out->each))
        return err_set(ERR_USAGE, "each must be day, week, month or all");
    return numbers_days(out, w->from, w->to);
}

static json_t *bounces_json(const struct numbers *n)
{
    json_t *o = json_object();
    for (int c = 0; c < REPLY_NCLASSES; c++)
        if (n->bounced[c]) reply_int(o, reply_class_word((enum reply_class)c), (int64_t)n->bounced[c]);
    return o;
}

static json_t *drops_json(const struct numbers *n)
{
    json_t *o = json_object();
    for (int c = 1; c < SEND_OUT_COUNT; c++)
        if (n->dropped[c]) reply_int(o, send_reason_word((enum send_reason)c), (int64_t)n->dropped[c]);
    return o;
}

static json_t *row_json(const struct numbers_row *r)
{
    struct arena a = {0};
    json_t *o = json_object();
    reply_text(o, "day", numbers_day_text(r->day, &a));
    reply_text(o, "name", r->name);
    for (int i = 0; i < NUMBER_COUNT; i++) reply_int(o, number_word((enum number)i), (int64_t)r->n.n[i]);
    reply_int(o, "received", (int64_t)r->n.received);
    json_object_set_new(o, "bounced_by", bounces_json(&r->n));
    json_object_set_new(o, "dropped_by", drops_json(&r->n));
    reply_int(o, "p50_ms", (int64_t)numbers_within(&r->n, 0.5));
    reply_int(o, "p95_ms", (int64_t)numbers_within(&r->n, 0.95));
    ar_free(&a);
    return o;
}

json_t *stats_json(const struct numbers_row *row, size_t n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(all, row_json(&row[i]));
    return all;
}

int run_stats_of(struct request *r)
{
    struct account acc;
    struct numbers_ask ask = {0};
    struct numbers_row *v;
    size_t n;
    struct stats_words w = {arg_slice(r->args, "by"), arg_slice(r->args, "name"), arg_slice(r->args, "each"),
                            arg_slice(r->args, "from"), arg_slice(r->args, "to")};
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), &acc);
    if (!e) e = stats_ask(&w, &ask);
    if (e) return e;
    ask.account = sl_cstr(acc.id);
    e = numbers_table(r->core->sends, &ask, r->a, &v, &n);
    if (!e) json_object_set_new(r->reply, "rows", stats_json(v, n));
    return e;
}

static void print_time(struct buf *out, int64_t ms)
{
    if (!ms) buf_printf(out, " %9s", "-");
    else if (ms < 10000) buf_printf(out, " %6lld ms", (long long)ms);
    else if (ms < 7200000) buf_printf(out, " %7lld s", (long long)(ms / 1000));
    else buf_printf(out, " %7lld h", (long long)(ms / 3600000));
}

void print_stats_of(json_t *reply, struct buf *out)
{
    static const struct {
        const char *name, *head;
        int width;
    } columns[] = {
        {"accepted", "accepted", 9}, {"delivered", "delivered", 9}, {"deferred", "deferred", 8},
        {"bounced", "bounced", 7},   {"dropped", "dropped", 7},     {"complaints", "complaints", 10},
        {"unsubscribed", "left", 6}, {"opens", "opens", 7},         {"clicks", "clicks", 7}};
    json_t *rows = json_object_get(reply, "rows"), *row;
    size_t i;
    if (!json_array_size(rows)) {
        buf_str(out, "Nothing was sent on these days.\n");
        return;
    }
    buf_printf(out, "%-10s", "day");
    for (size_t k = 0; k < COUNT_OF(columns); k++) buf_printf(out, " %*s", columns[k].width, columns[k].head);
    buf_printf(out, " %9s %9s\n", "half in", "95% in");
    json_array_foreach(rows, i, row) {
        struct arena a = {0};
        buf_printf(out, "%-10s", arg_text(row, "day"));
        for (size_t k = 0; k < COUNT_OF(columns); k++)
            buf_printf(out, " %*lld", columns[k].width, (long long)arg_number(row, columns[k].name));
        print_time(out, arg_number(row, "p50_ms"));
        print_time(out, arg_number(row, "p95_ms"));
        buf_printf(out, "  %.*s\n", SLF(printable(&a, arg_slice(row, "name"), 255)));
        ar_free(&a);
    }
}
