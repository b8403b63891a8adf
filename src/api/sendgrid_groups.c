/* sendgrid_groups.c - /v3/asm: unsubscribe groups, and who has left them. */
#include "base/text.h"
#include "core/core.h"
#include "send/send_group.h"
#include "send/suppression.h"
#include "sendgrid.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

static json_t *group_json(const struct send_group *g)
{
    return json_pack("{s:I,s:o,s:o,s:b}", "id", (json_int_t)g->id, "name",
                     text(g->damaged ? SL("(its record is damaged)") : g->name), "description",
                     text(g->description), "is_default", g->is_default);
}

static void failed(struct http_call *c, int e)
{
    http_fail(c, http_status_of(e == ERR_SYNTAX ? ERR_USAGE : e), "%s",
              e == ERR_NOT_FOUND ? "group not found" : err_text(e));
}

/* Of the group of the path; 0, which none has. */
static uint32_t number(const struct http_call *c)
{
    uint64_t id;
    return num_u64(c->param[0], UINT32_MAX, &id) ? (uint32_t)id : 0;
}

static int find(struct http_call *c, struct send_group *g)
{
    return send_group_get(sends_of(c), account_of(c), number(c), c->a, g);
}

/* ---- groups ---- */

static int read_group(void *body, struct send_group *g)
{
    struct slice name = SL(""), words = SL("");
    bool is_default = false;
    int e = api_member_text(body, "name", &name);
    if (!e) e = api_member_text(body, "description", &words);
    if (!e) e = api_member_bool(body, "is_default", &is_default);
    if (e) return e;
    if (json_object_get(body, "name")) g->name = name;
    if (json_object_get(body, "description")) g->description = words;
    if (json_object_get(body, "is_default")) g->is_default = is_default;
    return 0;
}

static void told(struct http_call *c, int e, const struct send_group *g)
{
    if (e) failed(c, e);
    else api_json(c, 201, group_json(g));
}

void sendgrid_group_create(struct http_call *c)
{
    struct send_group g = {0};
    json_t *body = api_body(c);
    if (!body) return;
    int e = read_group(body, &g);
    if (!e) e = send_group_put(sends_of(c), account_of(c), &g);
    told(c, e, &g);
    json_decref(body);
}

void sendgrid_group_change(struct http_call *c)
{
    struct send_group g;
    json_t *body = api_body(c);
    if (!body) return;
    told(c, send_group_change(sends_of(c), account_of(c), number(c), read_group, body, c->a, &g), &g);
    json_decref(body);
}

void sendgrid_group_get(struct http_call *c)
{
    struct send_group g;
    int e = find(c, &g);
    if (e) failed(c, e);
    else api_json(c, 200, group_json(&g));
}

void sendgrid_group_delete(struct http_call *c)
{
    int e = send_group_remove(sends_of(c), account_of(c), number(c)); /* a damaged one, too */
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

/* Is it among those that the query names (?id=1&id=2)? Names it none, all are. */
static bool is_asked(struct http_call *c, uint32_t id)
{
    struct slice rest = c->request->query, key, value;
    uint64_t n;
    bool any = false;
    while (http_query_next(c->a, &rest, &key, &value)) {
        if (!sl_eq(key, SL("id"))) continue;
        if (num_u64(value, UINT32_MAX, &n) && n == id) return true;
        any = true;
    }
    return !any;
}

void sendgrid_group_list(struct http_call *c)
{
    struct send_group *v;
    size_t n;
    int e = send_group_list(sends_of(c), account_of(c), c->a, &v, &n);
    if (e) {
        failed(c, e);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (is_asked(c, v[i].id)) json_array_append_new(list, group_json(&v[i]));
    api_json(c, 200, list);
}

int sendgrid_check_group(struct http_call *c, uint32_t id)
{
    struct send_group g;
    return id ? send_group_get(sends_of(c), account_of(c), id, c->a, &g) : 0;
}

/* ---- who has left ---- */

void sendgrid_left_add(struct http_call *c)
{
    struct send_group g;
    json_t *body = api_body(c);
    if (!body) return;
    int e = find(c, &g);
    if (!e) e = sendgrid_suppress(c, body, SEND_OUT_LEFT_GROUP, g.id);
    if (e) failed(c, e);
    else api_json(c, 201, json_pack("{s:O}", "recipient_emails", json_object_get(body, "recipient_emails")));
    json_decref(body);
}

struct left {
    json_t *out;
    uint32_t group; /* 0: all, with their groups */
    const struct send_group *v;
    size_t n;
};

static int list_one(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct left *l = arg;
    struct slice name = SL("");
    (void)place;
    if (e->reason != SEND_OUT_LEFT_GROUP || !e->address.n || (l->group && e->group != l->group)) return 0;
    if (l->group) {
        json_array_append_new(l->out, text(e->address));
        return 0;
    }
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].id == e->group) name = l->v[i].name;
    json_array_append_new(l->out, json_pack("{s:o,s:I,s:o,s:I}", "email", text(e->address), "group_id",
                                            (json_int_t)e->group, "group_name", text(name), "created_at",
                                            (json_int_t)e->since));
    return 0;
}

static void list_left(struct http_call *c, struct left *l)
{
    l->out = json_array();
    int e = suppression_each(sends_of(c), account_of(c), SL(""), list_one, l);
    if (!e) {
        api_json(c, 200, l->out);
        return;
    }
    json_decref(l->out);
    failed(c, e);
}

void sendgrid_left_list(struct http_call *c)
{
    struct send_group g;
    int e = find(c, &g);
    if (e) failed(c, e);
    else list_left(c, &(struct left){.group = g.id});
}

void sendgrid_left_all(struct http_call *c)
{
    struct send_group *v;
    struct left l = {0};
    int e = send_group_list(sends_of(c), account_of(c), c->a, &v, &l.n);
    l.v = v;
    if (e) failed(c, e);
    else list_left(c, &l);
}

void sendgrid_left_delete(struct http_call *c)
{
    struct send_group g;
    size_t n;
    int e = find(c, &g);
    if (!e) e = suppression_remove(sends_of(c), account_of(c), c->param[1], SEND_OUT_LEFT_GROUP, g.id, &n);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

static bool has_left(const struct suppression_entry *v, size_t n, uint32_t group)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].reason == SEND_OUT_LEFT_GROUP && v[i].group == group) return true;
    return false;
}

/* Of these addresses those that have left. */
void sendgrid_left_search(struct http_call *c)
{
    struct send_group g;
    json_t *body = api_body(c), *one, *out;
    size_t i, n;
    if (!body) return;
    out = json_array();
    int e = find(c, &g);
    json_array_foreach(json_object_get(body, "recipient_emails"), i, one) {
        struct suppression_entry *v;
        if (!e) e = suppression_get(sends_of(c), account_of(c), dialect_slice(one), c->a, &v, &n);
        if (!e && has_left(v, n, g.id)) json_array_append(out, one);
    }
    if (e) failed(c, e);
    else api_json(c, 200, json_incref(out));
    json_decref(out);
    json_decref(body);
}

/* Every group, and whether the address has left it. */
void sendgrid_left_of(struct http_call *c)
{
    struct send_group *v;
    struct suppression_entry *left;
    size_t n, nleft;
    int e = send_group_list(sends_of(c), account_of(c), c->a, &v, &n);
    if (!e) e = suppression_get(sends_of(c), account_of(c), c->param[0], c->a, &left, &nleft);
    if (e) {
        failed(c, e);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *g = group_json(&v[i]);
        json_object_set_new(g, "suppressed", json_boolean(has_left(left, nleft, v[i].id)));
        json_array_append_new(list, g);
    }
    api_json(c, 200, json_pack("{s:o}", "suppressions", list));
}
