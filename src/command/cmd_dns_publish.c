/* cmd_dns_publish.c - dns publish: what `dns records` prints is put into the zones at their primary server.
 */
#include "base/text.h"
#include "cmd.h"
#include "core/publish.h"
#include "dns/update.h"
#include "dns_records.h"

struct publishing {
    struct request *r;
    struct dns_primary *p;
    json_t *list; /* what is told of each record */
    struct dns_change *v;
    struct slice *zone; /* of each change */
    size_t n, cap, cap_zone;
};

static void tell(struct publishing *x, const char *what, const struct dns_line *l, struct slice text)
{
    json_t *o = json_object();
    reply_text(o, "what", sl_cstr(what));
    reply_text(o, "name", l->name);
    reply_text(o, "type", sl_cstr(dns_type_name(l->type)));
    reply_text(o, "line", text);
    json_array_append_new(x->list, o);
}

static void change(struct publishing *x, const struct dns_line *l, struct slice zone, struct slice data,
                   bool add)
{
    struct arena *a = x->r->a;
    if (x->n == x->cap) x->v = ar_grow(a, x->v, &x->cap, sizeof *x->v);
    if (x->n == x->cap_zone) x->zone = ar_grow(a, x->zone, &x->cap_zone, sizeof *x->zone);
    x->zone[x->n] = zone;
    x->v[x->n++] = (struct dns_change){.name = l->name, .data = data, .type = l->type, .add = add};
}

/* Of the texts at a name only those that begin as ours do are of the same kind: "v=spf1", "v=DMARC1". */
static bool same_kind(enum dns_type type, struct slice ours, struct slice theirs)
{
    size_t n = 1;
    if (type != DNS_TXT) return true;
    while (n < ours.n && ours.p[n] != ' ' && ours.p[n] != ';') n++;
    return theirs.n > n && sl_eqi(sl_sub(ours, 1, n), sl_sub(theirs, 1, n));
}

static struct slice shown_data(struct arena *a, struct slice data) { return printable(a, data, 200); }

/* A line of ours that is one of several of its name and type must not have the others taken away. */
static bool wanted(struct arena *a, const struct dns_line *all, size_t n, const struct dns_line *l,
                   struct slice there)
{
    for (size_t i = 0; i < n; i++) {
        struct slice data;
        if (all[i].type == l->type && sl_eqi(all[i].name, l->name) &&
            dns_line_data(a, dns_line_text(a, &all[i]), l->type, &data) == 0 && sl_eq(data, there))
            return true;
    }
    return false;
}

static int compare(struct publishing *x, const struct dns_line *all, size_t nall, const struct dns_line *l,
                   struct slice zone)
{
    struct arena *a = x->r->a;
    struct slice ours;
    struct dns_set there;
    bool is = false;
    int e = dns_line_data(a, dns_line_text(a, l), l->type, &ours);
    if (!e) e = dns_primary_records(x->p, a, l->name, l->type, &there);
    for (size_t i = 0; !e && i < there.n; i++) {
        if (sl_eq(there.v[i], ours)) is = true;
        else if (same_kind(l->type, ours, there.v[i]) && !wanted(a, all, nall, l, there.v[i])) {
            change(x, l, zone, there.v[i], false);
            tell(x, "remove", l,
                 ar_printf(a, "%.*s. IN %s %.*s", SLF(l->name), dns_type_name(l->type),
                           SLF(shown_data(a, there.v[i]))));
        }
    }
    if (e) return e;
    tell(x, is ? "there" : "add", l, dns_line_text(a, l));
    if (!is) change(x, l, zone, ours, true);
    return 0;
}

static int compare_all(struct publishing *x, const struct dns_line *v, size_t n)
{
    int e = 0;
    for (size_t i = 0; !e && i < n; i++) {
        struct slice zone;
        e = dns_primary_zone(x->p, x->r->a, v[i].name, &zone);
        if (!e) e = compare(x, v, n, &v[i], zone);
        else if (e == ERR_NOT_FOUND) {
            tell(x, "elsewhere", &v[i], dns_line_text(x->r->a, &v[i]));
            e = 0;
        }
    }
    return e;
}

/* The changes of one zone go together; what is taken away first makes room for what comes. */
static int change_all(struct publishing *x)
{
    struct arena *a = x->r->a;
    struct dns_change *some = ar_array(a, struct dns_change, x->n);
    bool *done = ar_array(a, bool, x->n);
    int e = 0;
    memset(done, 0, x->n * sizeof *done);
    for (size_t i = 0; !e && i < x->n; i++) {
        size_t n = 0;
        if (done[i]) continue;
        for (int add = 0; add < 2; add++)
            for (size_t k = i; k < x->n; k++)
                if (sl_eq(x->zone[k], x->zone[i]) && x->v[k].add == (add == 1))
                    some[n++] = x->v[k], done[k] = true;
        e = dns_primary_change(x->p, x->zone[i], some, n);
        if (e) err_prefix(e, "the zone %.*s", SLF(x->zone[i]));
    }
    return e;
}

static bool is_all_there(json_t *list)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
        if (strcmp(arg_text(o, "what"), "add") == 0 || strcmp(arg_text(o, "what"), "remove") == 0)
            return false;
    return true;
}

static int publish(struct publishing *x, bool dry)
{
    struct dns_line *v;
    size_t n;
    struct request *r = x->r;
    int e = dns_records_of(r->core, r->a, arg_slice(r->args, "domain"), served_certificate(r->core, r->a), &v,
                           &n);
    if (!e) e = compare_all(x, v, n);
    json_object_set_new(r->reply, "records", x->list);
    json_object_set_new(r->reply, "done", json_false());
    if (e || dry) return e ? e : is_all_there(x->list) ? 0 : NO;
    e = change_all(x);
    if (e) return e;
    /* A server passes over some changes without a word (RFC 2136 section 3.4.2): it is asked what it has now.
     */
    struct publishing after = {.r = r, .p = x->p, .list = json_array()};
    e = compare_all(&after, v, n);
    bool is = !e && is_all_there(after.list);
    if (is) json_object_set_new(r->reply, "done", json_true());
    else if (!e) json_object_set(r->reply, "records", after.list);
    json_decref(after.list);
    return e ? e : is ? 0 : NO;
}

int run_dns_publish(struct request *r)
{
    struct publishing x = {.r = r};
    const struct core_primary *c = r->core->primary;
    if (!c->key.name.n)
        return err_set(ERR_STATE, "no server is known that takes changes of the DNS: say which in tram.conf, "
                                  "dns_update = \"ADDRESS:53\" and dns_update_key = \"FILE\"");
    int e = dns_primary_open(&x.p, &c->at, &c->key);
    if (e) return e;
    x.list = json_array();
    e = publish(&x, arg_flag(r->args, "dry-run"));
    dns_primary_close(&x.p);
    return e;
}

void print_dns_publish(json_t *args, json_t *reply, struct buf *out)
{
    size_t i, changes = 0;
    json_t *o;
    bool done = json_is_true(json_object_get(reply, "done"));
    json_array_foreach(json_object_get(reply, "records"), i, o) {
        const char *what = arg_text(o, "what");
        buf_printf(out, "%-10s %s\n", what, arg_text(o, "line"));
        changes += strcmp(what, "add") == 0 || strcmp(what, "remove") == 0;
    }
    if (!changes) buf_str(out, "Nothing is to be changed.\n");
    else if (done) buf_printf(out, "All %zu changes are made.\n", changes);
    else
        buf_printf(out,
                   arg_flag(args, "dry-run") ? "%zu changes; nothing was changed.\n"
                                             : "%zu changes were not taken by the server.\n",
                   changes);
}
