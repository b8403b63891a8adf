/* cmd_account.c - account set, show: what an account may hold and send. */
#include "base/civil.h"
#include "base/text.h"
#include "cmd.h"

/* ---- limits ---- */

/* As `account set` and `account show` call them. */
static const char *const limit_names[SENDER_LIMITS] = {
    [SENDER_LETTERS_HOUR] = "letters-hourly", [SENDER_LETTERS_DAY] = "letters-daily",
    [SENDER_RCPTS_HOUR] = "hourly",           [SENDER_RCPTS_DAY] = "daily",
    [SENDER_FRESH_DAY] = "first-time",        [SENDER_RCPTS_LETTER] = "recipients",
};

/* "500", "unlimited", "default". */
static int limit_of(const char *name, struct slice text, int64_t *out)
{
    uint64_t n;
    if (sl_eqi(text, SL("unlimited"))) *out = SENDER_UNLIMITED;
    else if (sl_eqi(text, SL("default"))) *out = SENDER_UNSET;
    else if (num_u64(text, SENDER_UNLIMITED - 1, &n)) *out = (int64_t)n;
    else
        return err_set(ERR_USAGE,
                       "--%s wants a number, \"unlimited\", or \"default\" for what tram.conf says", name);
    return 0;
}

/* Those that were given; *any: one at least was. */
static int limits_given(json_t *args, struct sender_limits *out, bool *any)
{
    int e = 0;
    *any = false;
    for (int k = 0; !e && k < SENDER_LIMITS; k++) {
        struct slice text = arg_slice(args, limit_names[k]);
        out->v[k] = SENDER_AS_IT_IS;
        if (!text.n) continue;
        e = limit_of(limit_names[k], text, &out->v[k]);
        *any = true;
    }
    return e;
}

/* "2G", "unlimited". */
static int quota_of(struct slice text, uint64_t *out)
{
    *out = 0;
    if (sl_eqi(text, SL("unlimited"))) return 0;
    if (num_size(text, out) && *out) return 0;
    return err_set(ERR_USAGE, "--quota wants a size such as 2G, or \"unlimited\"");
}

/* ---- show ---- */

static json_t *number_or_null(int64_t v) { return v >= SENDER_UNLIMITED ? json_null() : json_integer(v); }

static int tell_limits(struct request *r, const struct account *acc)
{
    struct sender_limits all = allowance_limits(r->core->allowance, &acc->limits);
    struct allowance_used used;
    int e = allowance_used(r->core->allowance, acc->id, SL(""), &used);
    json_t *limits = json_object();
    for (int k = 0; !e && k < SENDER_LIMITS; k++) {
        json_t *o = json_object();
        json_object_set_new(o, "limit", number_or_null(all.v[k]));
        json_object_set_new(o, "own", json_boolean(acc->limits.v[k] != SENDER_UNSET));
        if (k != SENDER_RCPTS_LETTER) reply_int(o, "used", (int64_t)used.n[k]);
        json_object_set_new(limits, limit_names[k], o);
    }
    json_object_set_new(r->reply, "limits", limits);
    return e;
}

static int tell_account(struct request *r)
{
    struct account acc;
    struct account_usage u;
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &acc);
    if (!e) e = account_usage(r->core->store, acc.id, &u);
    if (e) return e;
    reply_text(r->reply, "address", acc.address);
    reply_text(r->reply, "id", sl_cstr(acc.id));
    reply_int(r->reply, "created", acc.created);
    json_object_set_new(r->reply, "disabled", json_boolean(acc.disabled));
    reply_int(r->reply, "messages", (int64_t)u.messages);
    reply_int(r->reply, "bytes", (int64_t)u.bytes);
    json_object_set_new(r->reply, "quota",
                        u.quota_bytes ? json_integer((json_int_t)u.quota_bytes) : json_null());
    return tell_limits(r, &acc);
}

int run_account_show(struct request *r) { return tell_account(r); }

static void print_limit(json_t *limits, enum sender_limit k, const char *words, struct buf *out)
{
    json_t *o = json_object_get(limits, limit_names[k]), *limit = json_object_get(o, "limit");
    buf_printf(out, "  %-22s ", words);
    if (json_is_null(limit)) buf_str(out, "unlimited");
    else buf_printf(out, "%lld", (long long)json_integer_value(limit));
    if (json_object_get(o, "used")) buf_printf(out, ", %lld used", (long long)arg_number(o, "used"));
    buf_str(out, json_is_true(json_object_get(o, "own")) ? "  (its own)\n" : "\n");
}

void print_account_show(json_t *args, json_t *reply, struct buf *out)
{
    char when[CIVIL_TEXT_MAX];
    json_t *quota = json_object_get(reply, "quota"), *limits = json_object_get(reply, "limits");
    (void)args;
    buf_printf(out, "account   %s%s\n", arg_text(reply, "address"),
               json_is_true(json_object_get(reply, "disabled")) ? "  disabled" : "");
    buf_printf(out, "since     %s\n", civil_format(arg_number(reply, "created"), when));
    buf_printf(out, "holds     %lld messages, %lld bytes", (long long)arg_number(reply, "messages"),
               (long long)arg_number(reply, "bytes"));
    if (json_is_integer(quota)) buf_printf(out, " of %lld", (long long)json_integer_value(quota));
    buf_str(out, "\nmay send\n");
#define X(name, words) print_limit(limits, SENDER_##name, words, out);
    SENDER_LIMITS_OF(X)
#undef X
}

/* ---- set ---- */

int run_account_set(struct request *r)
{
    struct sender_limits change;
    struct account acc;
    struct slice quota = arg_slice(r->args, "quota"), address = arg_slice(r->args, "address");
    uint64_t bytes = 0;
    bool limits;
    int e = limits_given(r->args, &change, &limits);
    if (!e && quota.n) e = quota_of(quota, &bytes);
    if (!e && !quota.n && !limits) e = err_set(ERR_USAGE, "say what to set: `tram help account set`");
    if (!e) e = account_get(r->core->store->directory, r->a, address, &acc);
    if (!e && limits) e = account_set_limits(r->core->store->directory, address, &change);
    if (!e && quota.n) e = account_set_quota(r->core->store, acc.id, bytes);
    return e ? e : tell_account(r);
}

void print_account_set(json_t *args, json_t *reply, struct buf *out) { print_account_show(args, reply, out); }
