/* cmd_sending.c - sending-domain add, list, show, set, verify, remove: domains of others that accounts send
 * as. */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "dns/dns.h"
#include "sending.h"
#include "store/store.h"

/* ---- as JSON ---- */

static const char *sending_state(const struct sending_domain *d)
{
    if (d->damage.n) return "damaged";
    if (d->verified) return d->failing ? "failing" : "proved";
    return d->lost ? "lost" : "open";
}

static json_t *record_json(struct arena *a, const struct sending_record *r)
{
    json_t *o = json_object();
    reply_text(o, "what", sl_cstr(r->what));
    reply_text(o, "type", sl_cstr(dns_type_name(r->type)));
    reply_text(o, "name", r->name);
    reply_text(o, "value", r->value);
    reply_text(o, "line", sending_record_line(a, r));
    json_object_set_new(o, "found", json_boolean(r->found));
    return o;
}

static void put_records(json_t *o, const struct core *core, struct arena *a, const struct sending_domain *d)
{
    struct sending_record r[SENDING_RECORDS];
    json_t *all = json_array();
    int e = sending_records(core, a, d, r);
    for (size_t i = 0; !e && i < SENDING_RECORDS; i++) json_array_append_new(all, record_json(a, &r[i]));
    if (e) reply_text(o, "damage", sl_cstr(err_text(e)));
    json_object_set_new(o, "records", all);
}

static void put_time(json_t *o, const char *name, int64_t when)
{
    if (when) reply_int(o, name, when);
}

/* Which of its hosts stand in letters now. */
static void put_used(json_t *o, const struct sending_domain *d)
{
    unsigned links = SENDING_LINKS | SENDING_TLS;
    json_object_set_new(o, "return_path_used", json_boolean(d->verified && d->found & SENDING_RETURN));
    json_object_set_new(o, "links_used", json_boolean(d->verified && (d->found & links) == links));
}

json_t *sending_json(const struct core *core, struct arena *a, const struct sending_domain *d)
{
    json_t *o = json_object();
    reply_text(o, "domain", d->name);
    reply_text(o, "account", sending_account(core, a, d));
    reply_text(o, "state", sl_cstr(sending_state(d)));
    if (d->damage.n) {
        reply_text(o, "damage", d->damage);
        return o;
    }
    reply_int(o, "created", d->created);
    put_time(o, "proved", d->verified);
    put_time(o, "looked", d->looked);
    put_time(o, "failing", d->failing);
    put_time(o, "lost", d->lost);
    if (d->why.n) reply_text(o, "why", d->why);
    put_used(o, d);
    put_records(o, core, a, d);
    return o;
}

/* ---- commands ---- */

/* The account, by its address. */
static int account_of(struct request *r, struct account *acc)
{
    return account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), acc);
}

/* Into the reply, with the account's address. */
static void answer(struct request *r, const struct account *acc, const struct sending_domain *d)
{
    json_t *o = sending_json(r->core, r->a, d);
    reply_text(o, "account", acc->address);
    json_object_update(r->reply, o);
    json_decref(o);
}

static void print_lines(json_t *reply, struct buf *out, bool missing_only)
{
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(reply, "records"), i, v) {
        bool found = json_is_true(json_object_get(v, "found"));
        if (!found || !missing_only)
            buf_printf(out, "%s%s\n", arg_text(v, "line"), found && !missing_only ? " ; is there" : "");
    }
}

int run_sending_domain_add(struct request *r)
{
    struct account acc;
    struct sending_domain d;
    int e = account_of(r, &acc);
    if (!e)
        e = sending_domain_add(r->core->store->directory, r->a, acc.id, arg_slice(r->args, "domain"),
                               arg_slice(r->args, "return"), arg_slice(r->args, "links"), &d);
    if (!e) answer(r, &acc, &d);
    return e;
}

void print_sending_domain_add(json_t *args, json_t *reply, struct buf *out)
{
    print_lines(reply, out, false);
    buf_printf(
        out,
        "%s may send as %s when its owner has published the first line; the others are its own return path "
        "and links. They are looked for by themselves, and now by\n  tram sending-domain verify %s %s\n",
        arg_text(args, "account"), arg_text(reply, "domain"), arg_text(args, "account"),
        arg_text(reply, "domain"));
}

struct listing {
    struct request *r;
    const struct account *acc; /* or NULL: all */
};

static int list_one(void *arg, const struct sending_domain *d)
{
    const struct listing *l = arg;
    struct arena a = {0};
    json_t *o = json_object();
    reply_text(o, "domain", d->name);
    reply_text(o, "account", l->acc ? l->acc->address : sending_account(l->r->core, &a, d));
    reply_text(o, "state", sl_cstr(sending_state(d)));
    if (!d->damage.n) put_used(o, d);
    if (d->damage.n || d->why.n) reply_text(o, "why", d->damage.n ? d->damage : d->why);
    ar_free(&a);
    return reply_row(l->r, o);
}

int run_sending_domain_list(struct request *r)
{
    struct account acc;
    bool one = arg_slice(r->args, "account").n > 0;
    struct listing l = {r, one ? &acc : NULL};
    int e = one ? account_of(r, &acc) : 0;
    return e ? e : sending_domain_each(r->core->store->directory, one ? acc.id : NULL, list_one, &l);
}

void print_row_sending_domain_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    struct arena a = {0};
    (void)args, (void)i;
    buf_printf(out, "%-30s %-8s %.*s%s%s%s%.*s\n", arg_text(row, "domain"), arg_text(row, "state"),
               SLF(printable(&a, arg_slice(row, "account"), 256)),
               arg_flag(row, "return_path_used") ? "  own return path" : "",
               arg_flag(row, "links_used") ? "  own links" : "", *arg_text(row, "why") ? "  " : "",
               SLF(printable(&a, arg_slice(row, "why"), 400)));
    ar_free(&a);
}

void print_sending_domain_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "sending_domains")) buf_str(out, "No account sends as a domain of others.\n");
}

int run_sending_domain_show(struct request *r)
{
    struct account acc;
    struct sending_domain d;
    int e = account_of(r, &acc);
    if (!e) e = sending_domain_get(r->core->store->directory, r->a, acc.id, arg_slice(r->args, "domain"), &d);
    if (!e) answer(r, &acc, &d);
    return e;
}

static void print_state(json_t *reply, struct buf *out)
{
    static const char *const words[][2] = {
        {"proved", "is proved: the account sends as it"},
        {"failing", "is used still, but its proof is gone: in some days nothing is sent as it any more"},
        {"lost", "was proved once, and is not any more"},
        {"open", "is not proved yet"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcmp(words[i][0], arg_text(reply, "state")))
            buf_printf(out, "%s %s.\n", arg_text(reply, "domain"), words[i][1]);
    if (*arg_text(reply, "why")) buf_printf(out, "%s.\n", arg_text(reply, "why"));
    buf_printf(out, "Letters %s its own return path, and %s its own host for links.\n",
               arg_flag(reply, "return_path_used") ? "have" : "do not have",
               arg_flag(reply, "links_used") ? "have" : "do not have");
}

void print_sending_domain_show(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    print_state(reply, out);
    print_lines(reply, out, false);
}

int run_sending_domain_set(struct request *r)
{
    struct account acc;
    int e = account_of(r, &acc);
    if (!e)
        e = sending_domain_hosts(r->core->store->directory, acc.id, arg_slice(r->args, "domain"),
                                 arg_slice(r->args, "return"), arg_slice(r->args, "links"));
    return e ? e : run_sending_domain_show(r);
}

void print_sending_domain_set(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    print_lines(reply, out, true);
}

int run_sending_domain_verify(struct request *r)
{
    struct account acc;
    struct sending_domain d;
    int e = account_of(r, &acc);
    if (!e) e = sending_verify(r->core, r->a, acc.id, arg_slice(r->args, "domain"), &d);
    if (e) return e;
    answer(r, &acc, &d);
    return d.verified ? 0 : NO;
}

void print_sending_domain_verify(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    print_state(reply, out);
    print_lines(reply, out, true);
}

int run_sending_domain_remove(struct request *r)
{
    struct account acc;
    int e = account_of(r, &acc);
    return e ? e : sending_domain_remove(r->core->store->directory, acc.id, arg_slice(r->args, "domain"));
}

void print_sending_domain_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s sends no more as %s; its records can go from the DNS.\n", arg_text(args, "account"),
               arg_text(args, "domain"));
}
