/* cmd_directory.c - domain, account and alias. */
#include "base/civil.h"
#include "base/log.h"
#include "cmd.h"
#include "core/belongings.h"
#include "store/mailbox.h"

/* ---- domains ---- */

int run_domain_add(struct request *r)
{
    struct directory *dir = r->core->store->directory;
    struct slice domain = arg_slice(r->args, "domain"), of = arg_slice(r->args, "alias-of");
    return of.n ? domain_add_alias(dir, domain, of) : domain_add_with_keys(dir, domain);
}

void print_domain_add(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    const char *d = arg_text(args, "domain"), *of = arg_text(args, "alias-of");
    if (*of)
        buf_printf(out,
                   "The domain %s is here now: every name of it is the same name at %s. Next:\n"
                   "  tram dns records %s             prints what to publish in the DNS\n",
                   d, of, d);
    else
        buf_printf(out,
                   "The domain %s is here now, with its DKIM keys. Next:\n"
                   "  tram account add NAME@%s        makes an account (password on standard input)\n"
                   "  tram dns records %s             prints what to publish in the DNS\n",
                   d, d, d);
}

int run_domain_remove(struct request *r)
{
    return domain_remove(r->core->store->directory, arg_slice(r->args, "domain"));
}

void print_domain_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The domain %s is gone from here.\n", arg_text(args, "domain"));
}

static const char *const sts_words[] = {"testing", "enforce", "none"};

int run_domain_set(struct request *r)
{
    struct directory *dir = r->core->store->directory;
    struct slice domain = arg_slice(r->args, "domain"), mode = arg_slice(r->args, "mta-sts");
    int e = 0;
    if (json_object_get(r->args, "catch-all"))
        e = domain_set_catch_all(dir, domain, arg_slice(r->args, "catch-all"));
    for (size_t i = 0; !e && mode.n && i < COUNT_OF(sts_words); i++)
        if (sl_eq(mode, sl_cstr(sts_words[i]))) e = domain_set_sts(dir, domain, (enum domain_sts)i);
    return e;
}

void print_domain_set(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    const char *to = arg_text(args, "catch-all"), *mode = arg_text(args, "mta-sts");
    if (json_object_get(args, "catch-all"))
        buf_printf(out,
                   *to ? "Mail for names that nobody has at %s goes to %s.\n"
                       : "Mail for names that nobody has at %s is refused.%s\n",
                   arg_text(args, "domain"), to);
    if (*mode)
        buf_printf(
            out,
            "The MTA-STS policy of %s is now \"%s\". Its id is another one: publish the line _mta-sts of "
            "`tram dns records` anew.\n",
            arg_text(args, "domain"), mode);
}

static json_t *domain_json(const struct domain *d)
{
    json_t *o = json_object();
    reply_text(o, "domain", d->name);
    reply_int(o, "created", d->created);
    if (d->catch_all.n) reply_text(o, "catch_all", d->catch_all);
    if (d->alias_of.n) reply_text(o, "alias_of", d->alias_of);
    if (!d->damage.n) reply_text(o, "mta_sts", sl_cstr(sts_words[d->sts]));
    if (d->damage.n) reply_text(o, "damage", d->damage);
    return o;
}

int run_domain_list(struct request *r)
{
    struct domain *d;
    size_t n;
    int e = domain_list(r->core->store->directory, r->a, &d, &n);
    for (size_t i = 0; !e && i < n; i++) e = reply_row(r, domain_json(&d[i]));
    return e;
}

void print_domain_list(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

void print_row_domain_list(json_t *args, json_t *d, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%s%s%s%s%s\n", arg_text(d, "domain"), *arg_text(d, "alias_of") ? " = " : "",
               arg_text(d, "alias_of"), *arg_text(d, "damage") ? "  damaged: " : "", arg_text(d, "damage"));
}

static const char *const key_states[] = {"publish", "active", "retired", "damaged"};

json_t *dkim_key_json(const struct dkim_key *k)
{
    json_t *o = json_object();
    reply_text(o, "selector", k->selector);
    reply_text(o, "kind", k->kind == KEY_RSA ? SL("rsa") : SL("ed25519"));
    reply_text(o, "state", sl_cstr(key_states[k->state]));
    reply_int(o, "created", k->created);
    reply_int(o, "changed", k->changed);
    return o;
}

int count_account(void *n, struct account *acc)
{
    (void)acc;
    ++*(size_t *)n;
    return 0;
}

static int count_alias(void *n, struct alias *x)
{
    (void)x;
    ++*(size_t *)n;
    return 0;
}

int run_domain_show(struct request *r)
{
    struct domain d;
    struct dkim_key *key;
    size_t naccounts = 0, naliases = 0, nkeys = 0, nadmins = 0;
    struct slice *admin;
    int e = domain_get(r->core->store->directory, r->a, arg_slice(r->args, "domain"), &d);
    if (!e) e = account_each(r->core->store->directory, d.name, count_account, &naccounts);
    if (!e) e = alias_each(r->core->store->directory, d.name, count_alias, &naliases);
    if (!e) e = dkim_keys(r->core->store->directory, r->a, d.name, &key, &nkeys);
    if (!e) e = domain_admins(r->core->store->directory, r->a, d.name, &admin, &nadmins);
    if (e) return e;
    json_t *o = domain_json(&d);
    json_object_update(r->reply, o);
    json_decref(o);
    reply_int(r->reply, "accounts", (int64_t)naccounts);
    reply_int(r->reply, "aliases", (int64_t)naliases);
    json_t *keys = json_array(), *admins = json_array();
    for (size_t i = 0; i < nadmins; i++) json_array_append_new(admins, text_value(admin[i]));
    if (nadmins) json_object_set(r->reply, "administrators", admins);
    json_decref(admins);
    for (size_t i = 0; i < nkeys; i++) json_array_append_new(keys, dkim_key_json(&key[i]));
    json_object_set_new(r->reply, "dkim_keys", keys);
    return 0;
}

void print_domain_show(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    char when[CIVIL_TEXT_MAX];
    buf_printf(out, "domain     %s\n", arg_text(reply, "domain"));
    buf_printf(out, "since      %s\n",
               civil_format(json_integer_value(json_object_get(reply, "created")), when));
    buf_printf(out, "accounts   %lld\n", (long long)json_integer_value(json_object_get(reply, "accounts")));
    buf_printf(out, "aliases    %lld\n", (long long)json_integer_value(json_object_get(reply, "aliases")));
    const char *all = arg_text(reply, "catch_all"), *of = arg_text(reply, "alias_of");
    if (*of) buf_printf(out, "alias of   %s\n", of);
    if (*all) buf_printf(out, "catch-all  %s\n", all);
    buf_printf(out, "MTA-STS    %s\n", arg_text(reply, "mta_sts"));
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(reply, "administrators"), i, k)
        buf_printf(out, "managed by %s\n", json_string_value(k));
    json_array_foreach(json_object_get(reply, "dkim_keys"), i, k)
        buf_printf(out, "DKIM key   %s (%s, %s)\n", arg_text(k, "selector"), arg_text(k, "kind"),
                   arg_text(k, "state"));
}

/* ---- accounts ---- */

int run_account_add(struct request *r)
{
    return account_add(r->core->store->directory, arg_slice(r->args, "address"),
                       arg_slice(r->args, "password"));
}

int run_account_passwd(struct request *r)
{
    return account_password(r->core->store->directory, arg_slice(r->args, "address"),
                            arg_slice(r->args, "password"));
}

int run_account_disable(struct request *r)
{
    return account_disable(r->core->store->directory, arg_slice(r->args, "address"), true);
}
int run_account_enable(struct request *r)
{
    return account_disable(r->core->store->directory, arg_slice(r->args, "address"), false);
}
int run_account_remove(struct request *r)
{
    struct account acc;
    int e = account_get_damaged(r->core->store->directory, r->a, arg_slice(r->args, "address"), &acc);
    if (!e) e = belongings_drop(r->core, &acc);
    return e ? e : account_remove(r->core->store->directory, arg_slice(r->args, "address"));
}

#define SAY(name, sentence)                                                                                  \
    void name(json_t *args, json_t *reply, struct buf *out)                                                  \
    {                                                                                                        \
        (void)reply;                                                                                         \
        buf_printf(out, sentence "\n", arg_text(args, "address"));                                           \
    }
SAY(print_account_add, "The account %s exists now: it can log in, send and receive.")
SAY(print_account_passwd, "The password of %s is changed.")
SAY(print_account_disable,
    "The account %s is disabled: no login, new mail is refused with 5.2.1. What it holds stays.")
SAY(print_account_enable, "The account %s is enabled.")
SAY(print_account_remove, "The account %s and all its mail are removed.")

static int tell_account(void *arg, struct account *acc)
{
    struct request *r = arg;
    struct account_usage u = {0};
    json_t *o = json_object();
    reply_text(o, "address", acc->address);
    reply_text(o, "id", sl_cstr(acc->id));
    reply_int(o, "created", acc->created);
    json_object_set_new(o, "disabled", json_boolean(acc->disabled));
    if (!acc->damage.n && account_usage(r->core->store, acc->id, &u)) {
        acc->damage = sl_cstr(err_text(ERR_CORRUPT));
        u = (struct account_usage){0};
    }
    reply_int(o, "messages", (int64_t)u.messages);
    reply_int(o, "bytes", (int64_t)u.bytes);
    if (acc->damage.n) reply_text(o, "damage", acc->damage);
    return reply_row(r, o);
}

/* Of a domain that is not here there is no empty list. */
static int check_domain(struct request *r)
{
    struct domain d;
    struct slice name = arg_slice(r->args, "domain");
    return name.n ? domain_get(r->core->store->directory, r->a, name, &d) : 0;
}

int run_account_list(struct request *r)
{
    int e = check_domain(r);
    return e ? e : account_each(r->core->store->directory, arg_slice(r->args, "domain"), tell_account, r);
}

void print_row_account_list(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%-40s %8lld messages %12lld bytes%s%s%s\n", arg_text(o, "address"),
               (long long)json_integer_value(json_object_get(o, "messages")),
               (long long)json_integer_value(json_object_get(o, "bytes")),
               json_is_true(json_object_get(o, "disabled")) ? "  disabled" : "",
               *arg_text(o, "damage") ? "  damaged: " : "", arg_text(o, "damage"));
}

void print_account_list(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

/* ---- aliases ---- */

static int tell_effect(struct request *r)
{
    struct alias_effect x;
    int e = alias_effect(r->core->store->directory, r->a, arg_slice(r->args, "address"), &x);
    json_t *list = json_array();
    for (size_t i = 0; !e && i < x.n; i++) {
        json_t *o = json_object();
        reply_text(o, "address", x.target[i]);
        reply_int(o, "end", x.end[i]);
        json_array_append_new(list, o);
    }
    json_object_set_new(r->reply, "targets", list);
    json_object_set_new(r->reply, "hidden", json_boolean(x.hidden));
    json_object_set_new(r->reply, "kept", json_boolean(x.kept));
    return e;
}

int run_alias_add(struct request *r)
{
    json_t *targets = json_object_get(r->args, "targets"), *t;
    size_t i, n = json_array_size(targets);
    struct slice *to = ar_array(r->a, struct slice, n);
    json_array_foreach(targets, i, t) to[i] = sl_cstr(json_string_value(t));
    int e = alias_add(r->core->store->directory, arg_slice(r->args, "address"), to, n);
    return e ? e : tell_effect(r);
}

static const char *const endings[] = {"", " (at another server)", " (nobody here has that name)",
                                      " (disabled: takes no mail)", " (leads in a circle)"};

void print_alias_add(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *t;
    const char *address = arg_text(args, "address");
    bool kept = json_is_true(json_object_get(reply, "kept"));
    buf_printf(out, "Mail for %s %s:\n", address, kept ? "is kept in its account and goes on to" : "goes to");
    json_array_foreach(json_object_get(reply, "targets"), i, t)
        buf_printf(out, "  %s%s\n", arg_text(t, "address"),
                   endings[json_integer_value(json_object_get(t, "end"))]);
    if (json_is_true(json_object_get(reply, "hidden")))
        buf_printf(out,
                   "But the account %s hides the alias: its mail goes to the account alone. To keep it there "
                   "and send it on: tram alias add %s %s\n",
                   address, address, address);
}

int run_alias_remove(struct request *r)
{
    struct slice target = arg_slice(r->args, "target");
    return alias_remove(r->core->store->directory, arg_slice(r->args, "address"), target.n ? &target : NULL);
}

void print_alias_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    const char *target = arg_text(args, "target");
    if (*target) buf_printf(out, "%s leads to %s no more.\n", arg_text(args, "address"), target);
    else buf_printf(out, "The alias %s is removed.\n", arg_text(args, "address"));
}

static int tell_alias(void *r, struct alias *x)
{
    json_t *o = json_object(), *to = json_array();
    reply_text(o, "address", x->address);
    for (size_t k = 0; k < x->n; k++) json_array_append_new(to, text_value(x->target[k]));
    json_object_set_new(o, "targets", to);
    if (x->damage.n) reply_text(o, "damage", x->damage);
    return reply_row(r, o);
}

int run_alias_list(struct request *r)
{
    int e = check_domain(r);
    return e ? e : alias_each(r->core->store->directory, arg_slice(r->args, "domain"), tell_alias, r);
}

void print_row_alias_list(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    size_t k;
    json_t *t;
    buf_printf(out, "%-40s ->", arg_text(o, "address"));
    json_array_foreach(json_object_get(o, "targets"), k, t)
        buf_printf(out, "%s %s", k ? "," : "", json_string_value(t));
    if (*arg_text(o, "damage")) buf_printf(out, " damaged: %s", arg_text(o, "damage"));
    buf_char(out, '\n');
}

void print_alias_list(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }
