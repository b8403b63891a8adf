/* cmd_list.c - list add, set, show, list, remove, member add, member remove: distribution lists. */
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/maillist.h"
#include "store/store.h"

static const char *const post_words[] = {"members", "senders", "anyone"};
static const char *const from_words[] = {"unvouched", "strict", "never"};

static unsigned word_in(struct slice word, const char *const *words, size_t n)
{
    unsigned i = 0;
    while (i < n && !sl_eq(word, sl_cstr(words[i]))) i++;
    return i < n ? i : 0;
}

/* Words of an argument that can stand several times; '' stands for none. */
static size_t many(struct request *r, const char *name, struct slice **out)
{
    json_t *list = json_object_get(r->args, name), *v;
    size_t i, n = 0;
    *out = ar_array(r->a, struct slice, json_array_size(list) + 1);
    json_array_foreach(list, i, v)
        if (*json_string_value(v)) (*out)[n++] = sl_cstr(json_string_value(v));
    return n;
}

/* What stands on the command line, and which of it. */
static struct maillist said(struct request *r, unsigned *bits)
{
    static const struct {
        const char *name;
        unsigned bit;
    } given[] = {{"name", MAILLIST_SET_NAME},     {"owner", MAILLIST_SET_OWNER},
                 {"post", MAILLIST_SET_POST},     {"rewrite", MAILLIST_SET_FROM},
                 {"hourly", MAILLIST_SET_HOURLY}, {"sender", MAILLIST_SET_SENDERS}};
    struct maillist l = {.address = arg_slice(r->args, "address"),
                         .name = arg_slice(r->args, "name"),
                         .owner = arg_slice(r->args, "owner"),
                         .hourly = (uint32_t)arg_number(r->args, "hourly")};
    l.post = (enum maillist_post)word_in(arg_slice(r->args, "post"), post_words, COUNT_OF(post_words));
    l.from = (enum maillist_from)word_in(arg_slice(r->args, "rewrite"), from_words, COUNT_OF(from_words));
    l.nsenders = many(r, "sender", &l.sender);
    *bits = 0;
    for (size_t i = 0; i < COUNT_OF(given); i++)
        if (json_object_get(r->args, given[i].name)) *bits |= given[i].bit;
    return l;
}

int run_list_add(struct request *r)
{
    unsigned bits;
    struct maillist l = said(r, &bits);
    return maillist_add(r->core->store->directory, &l);
}

void print_list_add(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    const char *a = arg_text(args, "address");
    buf_printf(out,
               "%s is a list now. What comes back for it goes to %s. Its members:\n"
               "  tram list member add %s ADDRESS...\n",
               a, arg_text(args, "owner"), a);
}

int run_list_set(struct request *r)
{
    unsigned bits;
    struct maillist l = said(r, &bits);
    return maillist_set(r->core->store->directory, &l, bits);
}

void print_list_set(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s is changed, from the next letter on.\n", arg_text(args, "address"));
}

int run_list_remove(struct request *r)
{
    return maillist_remove(r->core->store->directory, arg_slice(r->args, "address"));
}

void print_list_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The list %s and its members are removed.\n", arg_text(args, "address"));
}

/* ---- showing ---- */

static json_t *list_json(const struct maillist *l)
{
    json_t *o = json_object(), *senders = json_array();
    reply_text(o, "address", l->address);
    if (l->damage.n) reply_text(o, "damage", l->damage);
    for (size_t i = 0; i < l->nsenders; i++) json_array_append_new(senders, text_value(l->sender[i]));
    if (l->nsenders) json_object_set(o, "senders", senders);
    json_decref(senders);
    if (l->damage.n) return o;
    if (l->name.n) reply_text(o, "name", l->name);
    reply_text(o, "owner", l->owner);
    reply_text(o, "post", sl_cstr(post_words[l->post]));
    reply_text(o, "rewrite", sl_cstr(from_words[l->from]));
    reply_int(o, "hourly", l->hourly);
    reply_int(o, "created", l->created);
    reply_int(o, "count", (int64_t)l->members);
    return o;
}

static int tell_list(void *r, struct maillist *l) { return reply_row(r, list_json(l)); }

int run_list_list(struct request *r)
{
    struct domain d;
    struct slice domain = arg_slice(r->args, "domain");
    int e = domain.n ? domain_get(r->core->store->directory, r->a, domain, &d) : 0;
    return e ? e : maillist_each(r->core->store->directory, domain, tell_list, r);
}

void print_row_list_list(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%-40s", arg_text(o, "address"));
    if (*arg_text(o, "damage")) buf_printf(out, " damaged: %s\n", arg_text(o, "damage"));
    else
        buf_printf(out, " %6lld members, written to by %s, owned by %s\n",
                   (long long)json_integer_value(json_object_get(o, "count")), arg_text(o, "post"),
                   arg_text(o, "owner"));
}

void print_list_list(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

static int by_address(const void *x, const void *y)
{
    const struct maillist_member *a = x, *b = y;
    return sl_cmp(a->address, b->address);
}

static int tell_members(struct request *r, struct maillist_member *m, size_t n)
{
    int e = 0;
    if (n) qsort(m, n, sizeof *m, by_address);
    for (size_t i = 0; !e && i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "address", m[i].address);
        if (m[i].address.n) reply_int(o, "since", m[i].since);
        else reply_text(o, "damage", ar_cat(r->a, SL("the row cannot be read: "), m[i].key));
        e = reply_row(r, o);
    }
    return e;
}

int run_list_show(struct request *r)
{
    struct maillist l;
    struct maillist_member *m;
    size_t n;
    int e = maillist_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &l);
    if (!e) e = maillist_members(r->core->store->directory, r->a, &l, &m, &n);
    if (e) return e;
    json_t *o = list_json(&l);
    json_object_update(r->reply, o);
    json_decref(o);
    return tell_members(r, m, n);
}

void print_row_list_show(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    char when[CIVIL_TEXT_MAX];
    if (*arg_text(o, "damage")) buf_printf(out, "%s\n", arg_text(o, "damage"));
    else
        buf_printf(out, "%-50s since %s\n", arg_text(o, "address"),
                   civil_format(json_integer_value(json_object_get(o, "since")), when));
}

void print_list_show(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *v;
    buf_printf(out, "%lld members of %s", (long long)json_integer_value(json_object_get(reply, "count")),
               arg_text(reply, "address"));
    if (*arg_text(reply, "name")) buf_printf(out, ", %s", arg_text(reply, "name"));
    buf_printf(out, "\nowner      %s\nwritten to by %s, %lld letters an hour\n", arg_text(reply, "owner"),
               arg_text(reply, "post"), (long long)json_integer_value(json_object_get(reply, "hourly")));
    json_array_foreach(json_object_get(reply, "senders"), i, v)
        buf_printf(out, "sender     %s\n", json_string_value(v));
    buf_printf(out, "From is written anew: %s\n", arg_text(reply, "rewrite"));
}

/* ---- members ---- */

static int change_members(struct request *r, bool add)
{
    struct slice *who;
    size_t n = many(r, "members", &who), changed = 0;
    struct directory *dir = r->core->store->directory;
    struct slice list = arg_slice(r->args, "address");
    int e = add ? maillist_members_add(dir, list, who, n, &changed)
                : maillist_members_remove(dir, list, who, n, &changed);
    reply_int(r->reply, "changed", (int64_t)changed);
    return e;
}

int run_list_member_add(struct request *r) { return change_members(r, true); }
int run_list_member_remove(struct request *r) { return change_members(r, false); }

static void say_members(json_t *args, json_t *reply, struct buf *out, const char *what, const char *rest)
{
    int64_t n = json_integer_value(json_object_get(reply, "changed"));
    size_t all = json_array_size(json_object_get(args, "members"));
    buf_printf(out, "%lld %s.", (long long)n, what);
    if ((size_t)n < all) buf_printf(out, " The other %zu %s.", all - (size_t)n, rest);
    buf_char(out, '\n');
}

void print_list_member_add(json_t *args, json_t *reply, struct buf *out)
{
    say_members(args, reply, out, "came to the list", "were members before");
}

void print_list_member_remove(json_t *args, json_t *reply, struct buf *out)
{
    say_members(args, reply, out, "were taken off the list", "were no members");
}
