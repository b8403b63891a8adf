/* cmd_care.c - stats, verify, backup. */
#include <unistd.h>

#include "cmd.h"
#include "store/care.h"

int run_stats(struct request *r)
{
    struct kv_stats k;
    struct rt_stats t;
    struct account *acc;
    struct domain *d;
    size_t naccounts, ndomains;
    int e = run_queue_stats(r);
    if (!e) e = domain_list(r->core->store, r->a, &d, &ndomains);
    if (!e) e = account_list(r->core->store, r->a, (struct slice){0}, &acc, &naccounts);
    if (e) return e;
    kv_stats(r->core->store->kv, &k);
    rt_stats(&t);
    reply_int(r->reply, "domains", (int64_t)ndomains);
    reply_int(r->reply, "accounts", (int64_t)naccounts);
    if (r->core->started) reply_int(r->reply, "uptime_s", rt_wall_seconds() - r->core->started);
    reply_int(r->reply, "fibers", (int64_t)t.fibers);
    reply_int(r->reply, "parked_connections", (int64_t)t.parked);
    reply_int(r->reply, "transactions", (int64_t)k.transactions);
    reply_int(r->reply, "commit_groups", (int64_t)k.groups);
    reply_int(r->reply, "trace_notes", (int64_t)k.notes);
    reply_int(r->reply, "trace_notes_dropped", (int64_t)k.notes_dropped);
    return 0;
}

static void one_fault(void *arg, const char *sentence) { json_array_append_new(arg, json_string(sentence)); }

int run_verify(struct request *r)
{
    json_t *faults = json_array();
    json_object_set_new(r->reply, "faults", faults);
    int e = store_verify(r->core->store, one_fault, faults);
    return e == ERR_CORRUPT && json_array_size(faults) ? NO : e;
}

void print_verify(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *f, *faults = json_object_get(reply, "faults");
    json_array_foreach(faults, i, f) buf_printf(out, "%s\n", json_string_value(f));
    if (!json_array_size(faults)) buf_str(out, "Every record and every body is whole.\n");
}

int run_backup(struct request *r) { return store_backup(r->core->store, arg_text(r->args, "to")); }

void print_backup(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The store is copied to %s.\n", arg_text(args, "to"));
}

void print_stats(json_t *args, json_t *reply, struct buf *out) { print_numbers(args, reply, out); }
void print_queue_stats(json_t *args, json_t *reply, struct buf *out) { print_numbers(args, reply, out); }
