/* cmd_key.c - key add, list, remove: what programs may do over HTTP. */
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/api_key.h"
#include "store/store.h"

/* ---- key add ---- */

static void take_nets(struct request *r, struct api_key *k)
{
    json_t *list = json_object_get(r->args, "ip"), *v;
    size_t i;
    k->nnets = json_array_size(list);
    k->net = ar_array(r->a, struct slice, k->nnets);
    json_array_foreach(list, i, v) k->net[i] = sl_cstr(json_string_value(v));
}

/* An administrator of domains gives what concerns accounts, and nothing of the node; what administers, to
 * himself alone: another may administer more one day, and his key with him. */
static int may_give(struct request *r, unsigned scopes)
{
    struct account acc;
    unsigned beyond = scopes & (SCOPE_ADMIN | SCOPE_METRICS);
    if (!r->admin) return 0;
    if (beyond)
        return err_set(ERR_DENIED, "only who runs the node makes keys with the scope %s",
                       api_scope_word(beyond & (~beyond + 1)));
    if (!(scopes & SCOPE_DOMAINS)) return 0;
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &acc);
    if (e || !strcmp(acc.id, r->admin)) return e;
    return err_set(ERR_DENIED, "only who runs the node makes keys with the scope domains for somebody else");
}

int run_key_add(struct request *r)
{
    struct api_key k = {.address = arg_slice(r->args, "address"),
                        .name = arg_slice(r->args, "name"),
                        .rate = (uint32_t)arg_number(r->args, "rate")};
    struct slice whole;
    take_nets(r, &k);
    int e = api_scopes_parse(arg_slice(r->args, "scope"), &k.scopes);
    if (!e) e = may_give(r, k.scopes);
    if (!e) e = api_key_add(r->core->keys, r->a, &k, &whole);
    if (e) return e;
    reply_text(r->reply, "key", whole);
    reply_text(r->reply, "id", sl_cstr(k.id));
    return 0;
}

void print_key_add(json_t *args, json_t *reply, struct buf *out)
{
    buf_printf(out, "%s\n", arg_text(reply, "key"));
    buf_printf(out,
               "Nobody can show this key again. A program of %s tells it as Authorization: Bearer, or the "
               "part before "
               "the dot as the name and the part after it as the password.\n",
               arg_text(args, "address"));
}

/* ---- key list ---- */

struct listing {
    struct request *r;
    struct account acc; /* only its keys */
    bool all;
};

static json_t *key_json(const struct api_key *k)
{
    json_t *o = json_object(), *scopes = json_array(), *nets = json_array();
    for (unsigned s = 1; s && s <= k->scopes; s <<= 1)
        if (k->scopes & s) json_array_append_new(scopes, json_string(api_scope_word(s)));
    for (size_t i = 0; i < k->nnets; i++) json_array_append_new(nets, text_value(k->net[i]));
    reply_text(o, "id", sl_cstr(k->id));
    reply_text(o, "account", k->address);
    reply_text(o, "name", k->name);
    json_object_set_new(o, "scopes", scopes);
    json_object_set_new(o, "networks", nets);
    reply_int(o, "rate", k->rate);
    reply_int(o, "created", k->created);
    if (k->used) reply_int(o, "used", k->used);
    if (k->used_from.n) reply_text(o, "used_from", k->used_from);
    if (k->damage.n) reply_text(o, "damage", k->damage);
    return o;
}

static int list_key(void *arg, struct api_key *k)
{
    struct listing *l = arg;
    if (!l->all && strcmp(k->account, l->acc.id) != 0) return 0;
    return reply_row(l->r, key_json(k));
}

int run_key_list(struct request *r)
{
    struct listing l = {.r = r, .all = !arg_slice(r->args, "address").n};
    int e = l.all ? 0 : account_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &l.acc);
    return e ? e : api_key_each(r->core->keys, list_key, &l);
}

void print_row_key_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    struct arena a;
    size_t k;
    json_t *v;
    (void)args, (void)i;
    ar_init(&a, 0);
    buf_printf(out, "%s  %.*s  %.*s", arg_text(row, "id"), SLF(printable(&a, arg_slice(row, "account"), 256)),
               SLF(printable(&a, arg_slice(row, "name"), 200)));
    json_array_foreach(json_object_get(row, "scopes"), k, v)
        buf_printf(out, "%s%s", k ? "," : "  ", json_string_value(v));
    json_array_foreach(json_object_get(row, "networks"), k, v)
        buf_printf(out, "%s%s", k ? "," : "  from ", json_string_value(v));
    if (arg_text(row, "damage")[0]) buf_printf(out, "  damaged: %s\n", arg_text(row, "damage"));
    else if (!arg_number(row, "used")) buf_str(out, "  never used\n");
    else
        buf_printf(out, "  last used %.*s from %s\n",
                   SLF(say_past(&a, arg_number(row, "used"), rt_wall_seconds())), arg_text(row, "used_from"));
    ar_free(&a);
}

void print_key_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "keys")) buf_str(out, "There is no key.\n");
}

/* ---- key remove ---- */

/* What is another's is answered as what is not there. */
static int is_of(struct request *r, struct slice id, struct slice address)
{
    struct account acc;
    struct api_key k;
    int e = account_get(r->core->store->directory, r->a, address, &acc);
    if (e) return e;
    e = api_key_read(r->core->keys, r->a, id, &k);
    if (e && e != ERR_DENIED) return e;
    if (!e && !strcmp(k.account, acc.id)) return 0;
    return err_set(ERR_NOT_FOUND, "%.*s has no key %.*s", SLF(printable(r->a, address, 256)),
                   SLF(printable(r->a, id, 60)));
}

int run_key_remove(struct request *r)
{
    struct slice id = arg_slice(r->args, "id"), address = arg_slice(r->args, "address");
    int e = address.n ? is_of(r, id, address) : 0;
    return e ? e : api_key_remove(r->core->keys, id);
}

void print_key_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The key %s is removed; whoever has it can do nothing more with it.\n",
               arg_text(args, "id"));
}
