/* cmd_quota.c - quota set, list, remove: what mailboxes from a name on may hold (RFC 9208). */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "store/quota.h"

static int size_of(struct slice text, uint64_t *out)
{
    *out = QUOTA_NONE;
    if (!text.n || num_size(text, out) || num_u64(text, UINT64_MAX - 1, out)) return 0;
    return err_set(ERR_USAGE, "--storage wants a size such as 2G");
}

static int number_of(const char *name, struct slice text, uint64_t *out)
{
    *out = QUOTA_NONE;
    if (!text.n || num_u64(text, UINT32_MAX, out)) return 0;
    return err_set(ERR_USAGE, "--%s wants a number", name);
}

static int account_of(struct request *r, struct account *out)
{
    return account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), out);
}

int run_quota_set(struct request *r)
{
    struct quota_limits limit;
    struct account acc;
    int e = size_of(arg_slice(r->args, "storage"), &limit.bytes);
    if (!e) e = number_of("messages", arg_slice(r->args, "messages"), &limit.messages);
    if (!e) e = number_of("mailboxes", arg_slice(r->args, "mailboxes"), &limit.boxes);
    if (!e) e = account_of(r, &acc);
    return e ? e : quota_tree_set(r->core->store, acc.id, NULL, arg_slice(r->args, "name"), &limit, true);
}

void print_quota_set(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s: \"%s\" and what is below it is limited so. Nothing that is there goes.\n",
               arg_text(args, "account"), arg_text(args, "name"));
}

int run_quota_remove(struct request *r)
{
    struct quota_limits none = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};
    struct account acc;
    int e = account_of(r, &acc);
    return e ? e : quota_tree_set(r->core->store, acc.id, NULL, arg_slice(r->args, "name"), &none, true);
}

void print_quota_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s: \"%s\" has no limit of its own any more.\n", arg_text(args, "account"),
               arg_text(args, "name"));
}

static void put(json_t *o, const char *has, uint64_t n, const char *limit, uint64_t most)
{
    reply_int(o, has, (int64_t)n);
    json_object_set_new(o, limit, most == QUOTA_NONE ? json_null() : json_integer((json_int_t)most));
}

int run_quota_list(struct request *r)
{
    struct quota_tree *t;
    struct account acc;
    size_t n = 0;
    int e = account_of(r, &acc);
    if (!e) e = quota_trees(r->core->store, acc.id, SL(""), r->a, &t, &n);
    for (size_t i = 0; i < n && !e; i++) {
        json_t *o = json_object();
        reply_text(o, "name", t[i].name);
        put(o, "bytes", t[i].has.bytes, "storage", t[i].limit.bytes);
        put(o, "messages", t[i].has.messages, "messages_limit", t[i].limit.messages);
        put(o, "mailboxes", t[i].has.boxes, "mailboxes_limit", t[i].limit.boxes);
        reply_text(o, "by", t[i].by_operator ? SL("operator") : SL("owner"));
        e = reply_row(r, o);
    }
    return e;
}

/* what: one of them; "3 of 1 message", "1 mailbox". */
static void print_limit(json_t *row, const char *has, const char *limit, const char *what, struct buf *out)
{
    json_t *most = json_object_get(row, limit);
    long long n = (long long)arg_number(row, has);
    buf_printf(out, "  %lld", n);
    if (json_is_integer(most)) buf_printf(out, " of %lld", n = (long long)json_integer_value(most));
    buf_printf(out, " %s%s", what, n == 1 ? "" : sl_ends(sl_cstr(what), SL("x")) ? "es" : "s");
}

void print_row_quota_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%s", arg_text(row, "name"));
    print_limit(row, "bytes", "storage", "byte", out);
    print_limit(row, "messages", "messages_limit", "message", out);
    print_limit(row, "mailboxes", "mailboxes_limit", "mailbox", out);
    buf_printf(out, "  (the %s's)\n", arg_text(row, "by"));
}

void print_quota_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "quotas"))
        buf_str(out, "No mailboxes of this account have a limit of their own.\n");
}
