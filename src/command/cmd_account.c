/* cmd_account.c - account set, show, rename, grant, app-password: what an account may do and hold. */
#include "allowance/allowance.h"
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/api_key.h"
#include "guard/guard.h"
#include "login/login.h"
#include "mail/dsn.h"
#include "send/standing.h"
#include "store/mailbox.h"

/* ---- limits ---- */

/* As `account set` and `account show` call them. */
static const char *const limit_names[SENDER_LIMITS] = {
    [SENDER_LETTERS_HOUR] = "letters-hourly",
    [SENDER_LETTERS_DAY] = "letters-daily",
    [SENDER_RCPTS_HOUR] = "hourly",
    [SENDER_RCPTS_DAY] = "daily",
    [SENDER_FRESH_DAY] = "first-time",
    [SENDER_RCPTS_LETTER] = "recipients",
    [SENDER_HELD] = "held",
    [SENDER_HELD_MIB] = "held-mib",
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

static int message_quota_of(struct slice text, uint64_t *out)
{
    *out = 0;
    if (sl_eqi(text, SL("unlimited"))) return 0;
    if (num_u64(text, UINT32_MAX, out) && *out) return 0;
    return err_set(ERR_USAGE, "--messages wants a number, or \"unlimited\"");
}

/* "vi", "de-AT"; "default": empty. */
static int language_of(struct slice text, struct slice *out)
{
    const char *tag = mail_dsn_language(text);
    *out = tag ? sl_cstr(tag) : SL("");
    if (tag || sl_eqi(text, SL("default"))) return 0;
    return err_set(ERR_USAGE, "--language wants one of " DSN_LANGUAGES
                              ", or \"default\" for what each letter says of itself");
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

/* What was bad of its bulk mail, and until when that counts. */
static int tell_standing(struct request *r, const struct account *acc)
{
    int64_t until;
    int e = standing_ask(r->core->sends, sl_cstr(acc->id), &until);
    if (e != ERR_LIMIT) return e;
    reply_text(r->reply, "bulk_paused", sl_cstr(err_text(e)));
    reply_int(r->reply, "bulk_paused_until", until);
    return 0;
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
    json_object_set_new(r->reply, "ldap", json_boolean(acc.elsewhere.n > 0));
    json_object_set_new(r->reply, "gone", json_boolean(acc.gone));
    reply_int(r->reply, "messages", (int64_t)u.messages);
    reply_int(r->reply, "bytes", (int64_t)u.bytes);
    json_object_set_new(r->reply, "quota",
                        u.quota_bytes ? json_integer((json_int_t)u.quota_bytes) : json_null());
    json_object_set_new(r->reply, "quota_messages",
                        u.quota_messages ? json_integer((json_int_t)u.quota_messages) : json_null());
    json_t *grants = json_array();
    for (size_t i = 0; i < acc.ngrants; i++) json_array_append_new(grants, text_value(acc.grant[i]));
    json_object_set_new(r->reply, "send_as", grants);
    reply_int(r->reply, "app_passwords", (int64_t)acc.napps);
    if (acc.language.n) reply_text(r->reply, "language", acc.language);
    e = tell_standing(r, &acc);
    return e ? e : tell_limits(r, &acc);
}

int account_if_named(struct request *r, struct account *out)
{
    struct slice address = arg_slice(r->args, "address");
    *out = (struct account){0};
    return address.n ? account_get(r->core->store->directory, r->a, address, out) : 0;
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
    if (json_is_true(json_object_get(reply, "ldap")))
        buf_printf(out, "person    of the directory elsewhere (ldap)%s\n",
                   json_is_true(json_object_get(reply, "gone")) ? ", which does not know it any more" : "");
    buf_printf(out, "since     %s\n", civil_format(arg_number(reply, "created"), when));
    buf_printf(out, "holds     %lld messages", (long long)arg_number(reply, "messages"));
    if (json_is_integer(json_object_get(reply, "quota_messages")))
        buf_printf(out, " of %lld", (long long)arg_number(reply, "quota_messages"));
    buf_printf(out, ", %lld bytes", (long long)arg_number(reply, "bytes"));
    if (json_is_integer(quota)) buf_printf(out, " of %lld", (long long)json_integer_value(quota));
    if (json_object_get(reply, "language"))
        buf_printf(out, "\nis told   in the language %s", arg_text(reply, "language"));
    if (arg_number(reply, "app_passwords"))
        buf_printf(out, "\nhas       %lld app passwords", (long long)arg_number(reply, "app_passwords"));
    size_t i;
    json_t *as;
    json_array_foreach(json_object_get(reply, "send_as"), i, as)
        buf_printf(out, "%s%s", i ? ", " : "\nsends as  ", json_string_value(as));
    if (json_object_get(reply, "bulk_paused"))
        buf_printf(out, "\npaused    %s", arg_text(reply, "bulk_paused"));
    buf_str(out, "\nmay send\n");
#define X(name, words) print_limit(limits, SENDER_##name, words, out);
    SENDER_LIMITS_OF(X)
#undef X
}

/* ---- set ---- */

/* All that was said, judged before the first of it is set. */
struct account_setting {
    struct sender_limits limits;
    bool has_limits;
    struct slice language;
    uint64_t bytes, messages;
    struct account_quotas quotas;
};

static int setting_given(struct request *r, struct account_setting *s)
{
    struct slice quota = arg_slice(r->args, "quota"), count = arg_slice(r->args, "messages"),
                 language = arg_slice(r->args, "language");
    *s = (struct account_setting){.quotas = {quota.n ? &s->bytes : NULL, count.n ? &s->messages : NULL}};
    int e = limits_given(r->args, &s->limits, &s->has_limits);
    if (!e && quota.n) e = quota_of(quota, &s->bytes);
    if (!e && count.n) e = message_quota_of(count, &s->messages);
    if (!e && language.n) e = language_of(language, &s->language);
    if (!e && !quota.n && !count.n && !language.n && !s->has_limits)
        e = err_set(ERR_USAGE, "say what to set: `tram help account set`");
    return e;
}

/* What an account may send is the directory's, what it may hold lies with its mailboxes: two objects, so
 * transactions of their own, of which each alone leaves an account that may be so. */
int run_account_set(struct request *r)
{
    struct account_setting s;
    struct account acc;
    struct directory *dir = r->core->store->directory;
    struct slice address = arg_slice(r->args, "address");
    bool language = arg_slice(r->args, "language").n > 0;
    int e = setting_given(r, &s);
    if (!e) e = account_get(dir, r->a, address, &acc);
    if (!e && language) e = account_set_language(dir, address, s.language);
    if (!e && s.has_limits) {
        e = account_set_limits(dir, address, &s.limits);
        if (e && language) e = err_prefix(e, "its language is set, the rest is not");
    }
    if (!e && (s.quotas.bytes || s.quotas.messages)) {
        e = account_set_quotas(r->core->store, acc.id, &s.quotas);
        if (e && (language || s.has_limits)) e = err_prefix(e, "what it may hold is not set, the rest is");
    }
    return e ? e : tell_account(r);
}

void print_account_set(json_t *args, json_t *reply, struct buf *out) { print_account_show(args, reply, out); }

/* ---- another name; sending as others ---- */

/* The same command was cut off, or said twice: the old name leads to the account of the new one. */
static bool is_renamed(struct request *r, const struct account *acc)
{
    struct directory *dir = r->core->store->directory;
    struct slice local, domain;
    struct routes to = {0};
    return !address_split(r->a, arg_slice(r->args, "address"), &local, &domain) &&
           sl_eq(domain, acc->domain) && !directory_resolve(dir, r->a, local, domain, &to) && to.rewritten &&
           to.n == 1 && to.v[0].local && !strcmp(to.v[0].account, acc->id);
}

/* First the account, then its keys, which find it by the old name until then. */
static int rename_with_keys(struct request *r)
{
    struct directory *dir = r->core->store->directory;
    struct account acc;
    struct slice to = arg_slice(r->args, "to");
    char why[ERR_TEXT_MAX];
    int e = account_rename(dir, arg_slice(r->args, "address"), to);
    snprintf(why, sizeof why, "%s", err_text(e));
    if (!e || e == ERR_NOT_FOUND || e == ERR_EXISTS) {
        int found = account_get(dir, r->a, to, &acc);
        if (found && !e) return found;
        if (!found && e && is_renamed(r, &acc)) e = 0;
    }
    return e ? err_set(e, "%s", why) : api_keys_renamed(r->core->keys, acc.id, acc.address);
}

/* A block by hand binds the account and not a name of it: under the new one before it is that, under the old
 * one until then. */
int run_account_rename(struct request *r)
{
    struct account there;
    struct guard *g = r->core->guard;
    struct slice from = login_name(r->core->login, r->a, arg_slice(r->args, "address")),
                 to = login_name(r->core->login, r->a, arg_slice(r->args, "to"));
    bool taken = account_get(r->core->store->directory, r->a, to, &there) == 0;
    int made = taken ? 0 : guard_follow(g, from, to);
    int e = made < 0 ? made : rename_with_keys(r);
    if (e && made > 0 && e != ERR_UNKNOWN) {
        struct slice why = ar_dup(r->a, sl_cstr(err_text(e)));
        int undone = guard_unblock(g, to);
        return undone ? err_prefix(undone, "%.*s; and %.*s stays shut out", SLF(why), SLF(to))
                      : err_set(e, "%.*s", SLF(why));
    }
    if (e) return e;
    e = guard_follow(g, from, to); /* what was cut off is done again */
    if (e >= 0) e = guard_unblock(g, from);
    return e == ERR_NOT_FOUND ? 0 : e;
}

void print_account_rename(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(
        out,
        "The account %s is %s now; mail for the old address still reaches it. Its sessions ended: it logs in "
        "under the new name, with the same password.\n",
        arg_text(args, "address"), arg_text(args, "to"));
}

static int grant(struct request *r, bool may)
{
    return account_grant(r->core->store->directory, arg_slice(r->args, "address"),
                         arg_slice(r->args, "send-as"), may);
}

int run_account_grant(struct request *r) { return grant(r, true); }
int run_account_revoke(struct request *r) { return grant(r, false); }

void print_account_grant(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s may send as %s.\n", arg_text(args, "address"), arg_text(args, "send-as"));
}

void print_account_revoke(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s may send as %s no more.\n", arg_text(args, "address"), arg_text(args, "send-as"));
}

/* ---- app passwords ---- */

/* "smtp,imap"; nothing: all that a mail program speaks. */
static int protocols_of(struct slice text, unsigned *out)
{
    struct slice word, name, names;
    *out = text.n ? 0 : LOGIN_SMTP | LOGIN_IMAP | LOGIN_POP3;
    while (sl_next(&text, ',', &word)) {
        unsigned bit = 1, before = *out;
        names = SL(LOGIN_WORDS);
        for (; sl_next(&names, ' ', &name); bit <<= 1)
            if (sl_eqi(sl_trim(word), name)) *out |= bit;
        if (*out == before && sl_trim(word).n)
            return err_set(ERR_USAGE, "--for wants some of: " LOGIN_WORDS ", with commas between");
    }
    return 0;
}

int run_app_password_add(struct request *r)
{
    struct app_password what = {.name = arg_slice(r->args, "name"), .limits = SENDER_LIMITS_UNSET};
    struct sender_limits given;
    struct slice password;
    bool any;
    int e = protocols_of(arg_slice(r->args, "for"), &what.protocols);
    if (!e) e = limits_given(r->args, &given, &any);
    for (int k = 0; !e && k < SENDER_LIMITS; k++)
        if (given.v[k] != SENDER_AS_IT_IS) what.limits.v[k] = given.v[k];
    if (!e)
        e = app_password_add(r->core->store->directory, r->a, arg_slice(r->args, "address"), &what,
                             &password);
    if (!e) reply_text(r->reply, "password", password);
    return e;
}

void print_app_password_add(json_t *args, json_t *reply, struct buf *out)
{
    buf_printf(
        out,
        "%s\nThat is the password of %s for \"%s\". It is not kept here and cannot be shown again; `tram "
        "account app-password remove` ends it.\n",
        arg_text(reply, "password"), arg_text(args, "address"), arg_text(args, "name"));
}

static json_t *app_json(const struct app_password *p, int64_t used)
{
    json_t *o = json_object(), *names = json_array();
    struct slice words = SL(LOGIN_WORDS), name;
    reply_text(o, "id", sl_cstr(p->id));
    reply_text(o, "name", p->name);
    for (unsigned bit = 1; sl_next(&words, ' ', &name); bit <<= 1)
        if (p->protocols & bit) json_array_append_new(names, text_value(name));
    json_object_set_new(o, "for", names);
    reply_int(o, "created", p->created);
    if (used) reply_int(o, "used", used);
    return o;
}

int run_app_password_list(struct request *r)
{
    struct account acc;
    json_t *list = json_array();
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &acc);
    for (size_t i = 0; !e && i < acc.napps; i++) {
        int64_t used;
        e = app_password_last_use(r->core->store->directory, acc.id, acc.app[i].id, &used);
        if (!e) json_array_append_new(list, app_json(&acc.app[i], used));
    }
    json_object_set_new(r->reply, "app_passwords", list);
    return e;
}

void print_app_password_list(json_t *args, json_t *reply, struct buf *out)
{
    struct arena a;
    size_t i, k;
    json_t *p, *name, *list = json_object_get(reply, "app_passwords");
    ar_init(&a, 0);
    json_array_foreach(list, i, p) {
        int64_t used = arg_number(p, "used");
        buf_printf(out, "%s  %-24s ", arg_text(p, "id"), arg_text(p, "name"));
        json_array_foreach(json_object_get(p, "for"), k, name)
            buf_printf(out, "%s%s", k ? "," : "", json_string_value(name));
        struct slice when = used ? say_past(&a, used, rt_wall_seconds()) : SL("never");
        buf_printf(out, "  used %.*s\n", SLF(when));
    }
    if (!json_array_size(list)) buf_printf(out, "%s has no app passwords.\n", arg_text(args, "address"));
    ar_free(&a);
}

int run_app_password_remove(struct request *r)
{
    return app_password_remove(r->core->store->directory, arg_slice(r->args, "address"),
                               arg_slice(r->args, "which"));
}

void print_app_password_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The app password \"%s\" of %s counts no more; sessions that used it end.\n",
               arg_text(args, "which"), arg_text(args, "address"));
}
