/* cmd_audit.c - audit; and who administers a domain. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/directory.h"
#include "store/store.h"

struct looking {
    struct request *r;
    struct slice who;
};

static int tell_act(void *arg, const struct audit_act *act)
{
    static const char *const words[] = {"done", "no", "wrong use", "could not"};
    struct looking *l = arg;
    char when[CIVIL_TEXT_MAX];
    if (l->who.n && sl_find(act->who, l->who) == SL_NONE) return 0;
    json_t *o = json_object();
    reply_text(o, "time", sl_cstr(civil_format(act->time_us / 1000000, when)));
    reply_int(o, "time_us", act->time_us);
    if (act->damaged) {
        reply_text(o, "outcome", SL("damaged"));
        return reply_row(l->r, o);
    }
    reply_text(o, "who", act->who);
    if (act->from.n) reply_text(o, "from", act->from);
    reply_text(o, "what", act->what);
    if (act->words.n) reply_text(o, "arguments", act->words);
    if (act->status == AUDIT_BEGUN) reply_text(o, "outcome", SL("cut off"));
    else if (act->status <= EXIT_COULD_NOT) reply_text(o, "outcome", sl_cstr(words[act->status]));
    else reply_text(o, "outcome", ar_printf(l->r->a, "%d", act->status));
    if (act->error.n) reply_text(o, "error", act->error);
    return reply_row(l->r, o);
}

int run_audit(struct request *r)
{
    struct looking l = {r, arg_slice(r->args, "who")};
    struct slice since = arg_slice(r->args, "since");
    int64_t seconds = 0;
    if (since.n && !num_duration(since, &seconds))
        return err_set(ERR_USAGE, "--since takes a time such as 12h or 30d");
    return audit_each(r->core->audit, since.n ? rt_wall() - seconds * 1000000 : 0, tell_act, &l);
}

void print_audit(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

void print_row_audit(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    const char *from = arg_text(o, "from"), *words = arg_text(o, "arguments"), *error = arg_text(o, "error");
    buf_printf(out, "%s  %s%s%s: %s%s%s  %s%s%s\n", arg_text(o, "time"), arg_text(o, "who"),
               *from ? " from " : "", from, arg_text(o, "what"), *words ? " " : "", words,
               arg_text(o, "outcome"), *error ? ": " : "", error);
}

int run_domain_admin_add(struct request *r)
{
    return domain_admin_set(r->core->store->directory, arg_slice(r->args, "domain"),
                            arg_slice(r->args, "address"), true);
}

int run_domain_admin_remove(struct request *r)
{
    return domain_admin_set(r->core->store->directory, arg_slice(r->args, "domain"),
                            arg_slice(r->args, "address"), false);
}

void print_domain_admin_add(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(
        out,
        "%s administers the accounts and aliases of %s now: by its keys of the HTTP API with the scope "
        "\"domains\", and as the user of this machine with that name.\n",
        arg_text(args, "address"), arg_text(args, "domain"));
}

void print_domain_admin_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s does not administer %s any more.\n", arg_text(args, "address"),
               arg_text(args, "domain"));
}
