/* cmd_dkim.c - dkim list, rotate, publish-check: a new key signs only when the world can see it,
 * an old one stays published until the letters in flight have landed. */
#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/directory.h"
#include "dkim/dkim_publish.h"
#include "store/store.h"

/* Letters wait at most five days in a queue; a week later nobody needs the old key. */
enum { RETIRED_FOR_S = 7 * 86400 };

static int keys_of(struct request *r, struct slice *domain, struct dkim_key **k, size_t *n)
{
    struct domain d;
    int e = domain_get(r->core->store->directory, r->a, arg_slice(r->args, "domain"), &d);
    if (e) return e;
    *domain = d.name;
    return dkim_keys(r->core->store->directory, r->a, d.name, k, n);
}

int run_dkim_list(struct request *r)
{
    struct slice domain;
    struct dkim_key *k;
    size_t n;
    int e = keys_of(r, &domain, &k, &n);
    for (size_t i = 0; !e && i < n; i++) e = reply_row(r, dkim_key_json(&k[i]));
    return e;
}

void print_dkim_list(json_t *args, json_t *reply, struct buf *out) { (void)args, (void)reply, (void)out; }

void print_row_dkim_list(json_t *args, json_t *k, size_t i, struct buf *out)
{
    (void)args, (void)i;
    char when[CIVIL_TEXT_MAX];
    buf_printf(out, "%-16s %-8s %-8s since %s\n", arg_text(k, "selector"), arg_text(k, "kind"),
               arg_text(k, "state"), civil_format(json_integer_value(json_object_get(k, "changed")), when));
}

/* What the DNS shows of a key. */
struct look {
    struct arena *a;
    struct dns *dns;
    struct slice domain;
    const struct dkim_key *k;
    bool wanted;
    struct dkim_publish p;
    int e;
    char why[ERR_TEXT_MAX];
};

static void look_fiber(void *arg)
{
    struct look *x = arg;
    struct sign_key *key;
    x->e = sign_key_from_pem(x->k->pem, &key);
    if (!x->e) {
        x->e = dkim_publish_check(x->a, x->dns, x->domain, x->k->selector, key, &x->p);
        sign_key_free(&key);
    }
    if (x->e) snprintf(x->why, sizeof x->why, "%s", err_text(x->e));
}

/* At all keys that are wanted at once, so that a DNS which is silent is waited for once. Damaged ones are
 * unknown. */
static int look_at_all(struct request *r, struct look *v, size_t n)
{
    struct dns *dns = NULL; /* "not there" of a moment ago is not remembered */
    struct group g;
    int e = core_fresh_dns(r->core, r->a, &dns);
    if (e) return e;
    group_init(&g);
    for (size_t i = 0; !e && i < n; i++) {
        v[i].dns = dns;
        v[i].p =
            (struct dkim_publish){.state = DKIM_PUB_UNKNOWN, .reason = SL("the row of this key is damaged")};
        if (v[i].wanted && v[i].k->state != DKIM_KEY_DAMAGED) e = group_go(&g, "dkim key", look_fiber, &v[i]);
    }
    int waited = group_wait(&g);
    dns_close(&dns);
    if (!e) e = waited;
    for (size_t i = 0; !e && i < n; i++)
        if (v[i].e) e = err_set(v[i].e, "%s", v[i].why);
    return e;
}

/* Of keys of this state; DKIM_KEY_DAMAGED: of all. */
static int looks_of(struct request *r, struct slice domain, const struct dkim_key *k, size_t n,
                    enum dkim_key_state state, struct look **out)
{
    struct look *v = *out = ar_array(r->a, struct look, n);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct look){.a = r->a, .domain = domain, .k = &k[i]};
        any |= v[i].wanted = state == DKIM_KEY_DAMAGED || k[i].state == state;
    }
    return any ? look_at_all(r, v, n) : 0;
}

static json_t *publication_json(const struct dkim_key *k, const struct dkim_publish *p)
{
    json_t *o = dkim_key_json(k);
    reply_text(o, "published", sl_cstr(dkim_published_name(p->state)));
    reply_text(o, "reason", p->reason);
    reply_text(o, "line", p->line);
    reply_text(o, "found", p->found);
    return o;
}

int run_dkim_publish_check(struct request *r)
{
    struct slice domain;
    struct dkim_key *k;
    size_t n;
    bool all = true;
    struct look *v;
    int e = keys_of(r, &domain, &k, &n);
    if (!e) e = looks_of(r, domain, k, n, DKIM_KEY_DAMAGED, &v);
    json_t *list = json_array();
    for (size_t i = 0; !e && i < n; i++) {
        all = all && (v[i].p.state == DKIM_PUB_RIGHT || k[i].state == DKIM_KEY_RETIRED);
        json_array_append_new(list, publication_json(&k[i], &v[i].p));
    }
    json_object_set_new(r->reply, "keys", list);
    return e ? e : all ? 0 : NO;
}

void print_dkim_publish_check(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(reply, "keys"), i, k) {
        buf_printf(out, "%s (%s, %s): %s: %s\n", arg_text(k, "selector"), arg_text(k, "kind"),
                   arg_text(k, "state"), arg_text(k, "published"), arg_text(k, "reason"));
        if (strcmp(arg_text(k, "published"), "right") != 0)
            buf_printf(out, "  publish: %s\n", arg_text(k, "line"));
    }
}

/* ---- rotation ---- */

static bool is_kind_with_state(const struct dkim_key *k, enum key_kind kind, enum dkim_key_state state)
{
    return k->kind == kind && k->state == state;
}

static void did(json_t *done, const char *what, struct slice selector)
{
    json_array_append_new(done,
                          json_pack("{s:s, s:s#}", "did", what, "selector", selector.p, (int)selector.n));
}

static int make_next(struct request *r, struct slice domain, const struct dkim_key *k, size_t n,
                     enum key_kind kind, json_t *done)
{
    struct civil c = civil_from_unix(rt_wall_seconds());
    for (int serial = 0; serial < 26; serial++) {
        struct slice selector = ar_printf(r->a, "%c%04d%02d%02d%s%c", kind == KEY_RSA ? 'r' : 'e', c.year,
                                          c.month, c.day, serial ? "-" : "", serial ? 'a' + serial : 0);
        if (!serial) selector.n = 9;
        bool taken = false;
        for (size_t i = 0; i < n; i++) taken |= sl_eqi(k[i].selector, selector);
        if (taken) continue;
        int e = dkim_key_add(r->core->store->directory, domain, selector, kind, DKIM_KEY_PUBLISH);
        if (!e) did(done, "made", selector);
        return e;
    }
    return err_set(ERR_LIMIT, "there were 26 keys of this kind today already: go on tomorrow");
}

static int activate(struct request *r, struct slice domain, struct slice selector, json_t *done)
{
    struct slice *retired;
    size_t n;
    int e = dkim_key_take_over(r->core->store->directory, r->a, domain, selector, &retired, &n);
    if (!e) did(done, "activated", selector);
    for (size_t i = 0; i < n; i++) did(done, "retired", retired[i]);
    return e;
}

/* One kind's step: a published new key takes over; without a new key one is made. */
static int rotate_kind(struct request *r, struct slice domain, const struct look *v, size_t n,
                       enum key_kind kind, json_t *done, json_t *waits)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_kind_with_state(v[i].k, kind, DKIM_KEY_PUBLISH)) continue;
        if (v[i].p.state == DKIM_PUB_RIGHT) return activate(r, domain, v[i].k->selector, done);
        json_array_append_new(waits, publication_json(v[i].k, &v[i].p));
        return 0;
    }
    return make_next(r, domain, n ? v[0].k : NULL, n, kind, done);
}

static int remove_landed(struct request *r, struct slice domain, const struct dkim_key *k, size_t n,
                         json_t *done)
{
    int e = 0;
    for (size_t i = 0; !e && i < n; i++) {
        if (k[i].state != DKIM_KEY_RETIRED || k[i].changed + RETIRED_FOR_S > rt_wall_seconds()) continue;
        e = dkim_key_remove(r->core->store->directory, domain, k[i].selector);
        if (!e) did(done, "removed", k[i].selector);
        if (e == ERR_NOT_FOUND) e = 0; /* somebody else rotates as well */
    }
    return e;
}

int run_dkim_rotate(struct request *r)
{
    struct slice domain;
    struct dkim_key *k;
    size_t n;
    json_t *done = json_array(), *waits = json_array();
    json_object_set_new(r->reply, "done", done);
    json_object_set_new(r->reply, "waits", waits);
    struct look *v = NULL;
    int e = keys_of(r, &domain, &k, &n);
    if (!e) e = looks_of(r, domain, k, n, DKIM_KEY_PUBLISH, &v);
    if (!e) e = rotate_kind(r, domain, v, n, KEY_RSA, done, waits);
    if (!e) e = rotate_kind(r, domain, v, n, KEY_ED25519, done, waits);
    if (!e) e = remove_landed(r, domain, k, n, done);
    if (e) return e;
    e = dkim_keys(r->core->store->directory, r->a, domain, &k, &n);
    json_t *lines = json_array();
    for (size_t i = 0; !e && i < n; i++) {
        struct sign_key *key;
        if (k[i].state != DKIM_KEY_PUBLISH || sign_key_from_pem(k[i].pem, &key)) continue;
        struct slice line = dkim_record_line(r->a, k[i].selector, domain, key);
        json_array_append_new(lines, json_stringn(line.p, line.n));
        sign_key_free(&key);
    }
    json_object_set_new(r->reply, "publish", lines);
    return e;
}

void print_dkim_rotate(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(reply, "done"), i, o)
        buf_printf(out, "%s %s\n", arg_text(o, "did"), arg_text(o, "selector"));
    json_array_foreach(json_object_get(reply, "waits"), i, o)
        buf_printf(out, "%s waits: %s: %s\n", arg_text(o, "selector"), arg_text(o, "published"),
                   arg_text(o, "reason"));
    json_t *lines = json_object_get(reply, "publish");
    if (json_array_size(lines)) buf_str(out, "Publish these, keep the present ones:\n");
    json_array_foreach(lines, i, o) buf_printf(out, "%s\n", json_string_value(o));
    if (json_array_size(lines))
        buf_printf(out, "Then `tram dkim rotate %s` again: a new key signs only when the DNS shows it.\n",
                   arg_text(args, "domain"));
}
