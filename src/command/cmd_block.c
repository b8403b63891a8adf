/* cmd_block.c - block list, add, remove: who is shut out. */
#include "base/ip.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "guard/guard.h"
#include "login/login.h"
#include "store/store.h"

enum { SHOWN = 1000 };

static int at_once(void *arg, struct slice name, int (*prove)(void *), void *prove_arg)
{
    (void)arg, (void)name;
    return prove(prove_arg);
}

/* An account has one name however it is spelled, and whichever address of a person elsewhere is given (while
 * that directory is away: as given); it need not be here to be forgiven. Who has none yet is given it, as by
 * a first login: only by an account are all addresses of a person one. */
static int whom(struct request *r, bool must_be_here, struct slice *out)
{
    struct account acc;
    struct ip ip;
    *out = arg_slice(r->args, "who");
    if (ip_parse(sl_sub(*out, 0, sl_chr(*out, '/')), &ip) || sl_chr(*out, '@') == SL_NONE) return 0;
    struct slice name;
    (void)!login_counted(r->core->login, r->a, *out, at_once, NULL, &name);
    int e = account_get(r->core->store->directory, r->a, name, &acc);
    if (e == ERR_NOT_FOUND && !must_be_here) e = 0;
    if (!e) *out = name;
    return e;
}

static json_t *block_json(const struct guard_block *b)
{
    json_t *o = json_object();
    reply_text(o, "who", sl_cstr(b->who));
    reply_text(o, "why", sl_cstr(b->why));
    json_object_set_new(o, "by_hand", json_boolean(b->by_hand));
    if (b->left != RT_NEVER) reply_int(o, "until", rt_wall_seconds() + (b->left + RT_S - 1) / RT_S);
    return o;
}

int run_block_list(struct request *r)
{
    struct guard_block *v = ar_alloc(r->a, SHOWN * sizeof *v);
    size_t n = guard_blocks(r->core->guard, v, SHOWN);
    int e = 0;
    for (size_t i = 0; !e && i < n && i < SHOWN; i++) e = reply_row(r, block_json(&v[i]));
    reply_int(r->reply, "count", (int64_t)n);
    return e;
}

void print_row_block_list(json_t *args, json_t *b, size_t i, struct buf *out)
{
    struct arena a;
    (void)args, (void)i;
    ar_init(&a, 0);
    int64_t until = arg_number(b, "until");
    struct slice end = until ? say_time(&a, until, rt_wall_seconds()) : SL("until it is removed");
    buf_printf(out, "%-40.*s  %.*s  (%s)\n", SLF(printable(&a, arg_slice(b, "who"), 256)), SLF(end),
               arg_text(b, "why"));
    ar_free(&a);
}

void print_block_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (!arg_number(reply, "count")) buf_str(out, "Nobody is shut out.\n");
    if (arg_number(reply, "count") > SHOWN)
        buf_printf(out, "and %lld more.\n", (long long)arg_number(reply, "count") - SHOWN);
}

int run_block_add(struct request *r)
{
    struct slice who;
    int64_t hours = arg_number(r->args, "hours");
    int e = whom(r, true, &who);
    if (!e) e = guard_block(r->core->guard, who, hours ? hours * 3600 * RT_S : RT_NEVER);
    if (!e) reply_text(r->reply, "who", who);
    if (!e && hours) reply_int(r->reply, "until", rt_wall_seconds() + hours * 3600);
    return e;
}

void print_block_add(json_t *args, json_t *reply, struct buf *out)
{
    struct arena a;
    int64_t until = arg_number(reply, "until");
    (void)args;
    ar_init(&a, 0);
    struct slice end = until ? say_time(&a, until, rt_wall_seconds()) : SL("until `tram block remove`");
    buf_printf(out, "%s is shut out: %.*s. Sessions that are open go on.\n", arg_text(reply, "who"),
               SLF(end));
    ar_free(&a);
}

int run_block_remove(struct request *r)
{
    struct slice who;
    int e = whom(r, false, &who);
    if (!e) e = guard_unblock(r->core->guard, who);
    if (!e) reply_text(r->reply, "who", who);
    return e;
}

void print_block_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "%s is no longer shut out.\n", arg_text(reply, "who"));
}
