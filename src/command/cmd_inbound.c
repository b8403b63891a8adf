/* cmd_inbound.c - inbound add, list, remove: mail that comes in handed to URLs. */
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/directory.h"
#include "send/inbound.h"
#include "store/store.h"

int run_inbound_add(struct request *r)
{
    struct account acc;
    struct slice key;
    struct inbound in = {.name = arg_slice(r->args, "name"),
                         .url = arg_slice(r->args, "url"),
                         .raw = arg_flag(r->args, "raw"),
                         .spam_check = arg_flag(r->args, "spam-check"),
                         .mailbox = arg_flag(r->args, "mailbox"),
                         .given = true};
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), &acc);
    if (e) return e;
    in.account = sl_cstr(acc.id);
    e = inbound_add(r->core->sends, &in, r->a, &key);
    if (!e) reply_text(r->reply, "public_key", key);
    return e;
}

void print_inbound_add(json_t *args, json_t *reply, struct buf *out)
{
    buf_printf(out, "%s\n", arg_text(reply, "public_key"));
    buf_printf(out, "Mail for %s is handed to %s; the key above proves that it comes from here.\n",
               arg_text(args, "name"), arg_text(args, "url"));
}

struct listing {
    struct request *r;
    struct slice domain; /* or empty: of all */
};

static int list_inbound(void *arg, const struct inbound *in)
{
    const struct listing *l = arg;
    struct request *r = l->r;
    struct slice domain = sl_from(in->name, sl_rchr(in->name, '@') + 1);
    bool theirs;
    if (l->domain.n && !sl_eq(domain, l->domain)) return 0;
    int e = command_administers(r, domain, &theirs);
    if (e || !theirs) return e;
    json_t *o = json_object();
    reply_text(o, "name", in->name);
    reply_text(o, "account", in->account);
    reply_text(o, "url", in->url);
    json_object_set_new(o, "raw", json_boolean(in->raw));
    json_object_set_new(o, "spam_check", json_boolean(in->spam_check));
    json_object_set_new(o, "mailbox", json_boolean(in->mailbox));
    reply_text(o, "public_key", in->public_key);
    return reply_row(r, o);
}

int run_inbound_list(struct request *r)
{
    struct account acc = {0};
    struct domain d = {0};
    struct listing l = {.r = r};
    struct slice of = arg_slice(r->args, "address");
    bool address = sl_chr(of, '@') != SL_NONE;
    int e = address ? account_get(r->core->store->directory, r->a, of, &acc) : 0;
    if (of.n && !address) e = domain_get(r->core->store->directory, r->a, of, &d);
    l.domain = d.name;
    return e ? e : inbound_each(r->core->sends, sl_cstr(acc.id), list_inbound, &l);
}

void print_row_inbound_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    struct arena a = {0};
    (void)args, (void)i;
    buf_printf(out, "%-30s %.*s%s%s%s\n", arg_text(row, "name"),
               SLF(printable(&a, arg_slice(row, "url"), 300)), arg_flag(row, "raw") ? "  raw" : "",
               arg_flag(row, "spam_check") ? "  with what junk it is" : "",
               arg_flag(row, "mailbox") ? "  else into the mailbox" : "");
    ar_free(&a);
}

void print_inbound_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "inbound")) buf_str(out, "No mail is handed to a URL.\n");
}

int run_inbound_remove(struct request *r)
{
    return inbound_remove(r->core->sends, SL(""), arg_slice(r->args, "name"));
}

void print_inbound_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "Mail for %s is handed to no URL any more.\n", arg_text(args, "name"));
}
