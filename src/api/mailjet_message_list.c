/* mailjet_message_list.c - /v3/REST/message and messageinformation: the account's messages of a time,
 * filtered, a page at a time. What is asked for is looked for first, and kept as ids alone: then the page is
 * made. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/core.h"
#include "mailjet.h"

static const char *const statuses[] = {"processed", "queued",      "sent",        "opened",
                                       "clicked",   "bounce",      "spam",        "unsub",
                                       "blocked",   "softbounced", "hardbounced", "deferred"};
enum { PROCESSED, BOUNCE = 5, SOFT = 9, HARD };
enum { TRANSACTIONAL = 1, MARKETING, UNKNOWN };

struct listing {
    struct http_call *c;
    struct sends *sends;
    struct arena a;
    struct mailjet_page page;
    bool down; /* the youngest first */
    /* what is asked for */
    int64_t from, to;
    uint64_t status, type;
    struct slice custom, campaign;
    bool any_custom, any_campaign, any_status, any_type; /* nothing is asked of it */
    bool show_subject, show_custom, show_address;
    /* what was found */
    struct letter_id *found;
    size_t n, room;
};

/* ---- what is asked for ---- */

static int number(struct http_call *c, const char *name, uint64_t most, uint64_t *out, bool *none)
{
    struct slice text = http_query(c, sl_cstr(name));
    *none = !text.p;
    if (*none || num_u64(text, most, out)) return 0;
    return err_set(ERR_USAGE, "%s must be a number up to %llu", name, (unsigned long long)most);
}

static int flag(struct http_call *c, const char *name, bool *out)
{
    struct slice text = http_query(c, sl_cstr(name));
    *out = sl_eq(text, SL("1")) || sl_eqi(text, SL("true"));
    if (!text.p || *out || sl_eq(text, SL("0")) || sl_eqi(text, SL("false"))) return 0;
    return err_set(ERR_USAGE, "%s must be true or false", name);
}

/* They are kept in this order, and in no other. */
static int order(struct listing *l)
{
    struct slice text = http_query(l->c, SL("Sort"));
    size_t blank = sl_chr(text, ' ');
    struct slice key = sl_sub(text, 0, blank == SL_NONE ? text.n : blank),
                 way = sl_trim(sl_from(text, key.n));
    l->down = sl_eqi(way, SL("DESC"));
    if (!text.p || ((sl_eq(key, SL("ID")) || sl_eq(key, SL("ArrivedAt")) || sl_eq(key, SL("CreatedAt"))) &&
                    (!way.n || l->down || sl_eqi(way, SL("ASC")))))
        return 0;
    return err_set(ERR_USAGE, "Sort must be ID or ArrivedAt, and ASC or DESC");
}

static int only_known(struct http_call *c)
{
    static const char *const known[] = {"Limit",         "Offset",         "countOnly",     "Sort",
                                        "FromTS",        "ToTS",           "FromType",      "CustomID",
                                        "ShowSubject",   "CustomCampaign", "MessageStatus", "ShowCustomID",
                                        "ShowContactAlt"};
    struct slice rest = c->request->query, key, value;
    while (http_query_next(c->a, &rest, &key, &value)) {
        bool found = false;
        for (size_t i = 0; i < COUNT_OF(known); i++) found |= sl_eq(key, sl_cstr(known[i]));
        if (!found) return mailjet_not_a_filter(key);
    }
    return 0;
}

static int ask_of(struct listing *l)
{
    struct http_call *c = l->c;
    int e = only_known(c);
    if (!e) e = mailjet_page(c, &l->page);
    if (!e) e = order(l);
    if (!e) e = mailjet_time(c, "FromTS", &l->from);
    if (!e) e = mailjet_time(c, "ToTS", &l->to);
    if (!e) e = number(c, "MessageStatus", COUNT_OF(statuses) - 1, &l->status, &l->any_status);
    if (!e) e = number(c, "FromType", UNKNOWN, &l->type, &l->any_type);
    if (!e) e = flag(c, "ShowSubject", &l->show_subject);
    if (!e) e = flag(c, "ShowCustomID", &l->show_custom);
    if (!e) e = flag(c, "ShowContactAlt", &l->show_address);
    if (e) return e;
    if (!l->any_status && (l->status == SOFT || l->status == HARD))
        return err_set(ERR_USAGE,
                       "MessageStatus must be 5 for bounces: soft and hard ones are not told apart");
    l->any_status |= l->status == PROCESSED;
    l->custom = http_query(c, SL("CustomID")), l->any_custom = !l->custom.p;
    l->campaign = http_query(c, SL("CustomCampaign")), l->any_campaign = !l->campaign.p;
    return 0;
}

/* ---- what is found ---- */

static bool fits(const struct listing *l, const struct send_info *i)
{
    uint64_t type = i->stream == STREAM_BULK ? MARKETING : TRANSACTIONAL;
    return (l->any_type || l->type == type) && (l->any_campaign || sl_eq(i->campaign, l->campaign)) &&
           (l->any_status || !strcmp(mailjet_status(i), statuses[l->status]));
}

static int keep(void *arg, const struct send_info *i)
{
    struct listing *l = arg;
    if (!fits(l, i)) return 0;
    if (!l->any_custom) {
        struct arena a = {0};
        struct send_first f;
        int e = send_show_first(l->sends, &i->id, &a, &f);
        bool is_it = !e && sl_eq(f.custom, l->custom);
        ar_free(&a);
        if (!is_it) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    }
    if (l->n == l->room) l->found = ar_grow(&l->a, l->found, &l->room, sizeof *l->found);
    l->found[l->n++] = i->id;
    return 0;
}

static int find(struct listing *l)
{
    l->found = ar_array(&l->a, struct letter_id, l->room = 64);
    return send_each_taken(l->sends, sl_cstr(l->c->key.account->id), l->from, l->to, keep, l);
}

/* ---- the page ---- */

static int message_of(struct listing *l, const struct send_info *i, struct arena *a, json_t **out)
{
    struct send_first f = {0};
    int e =
        l->show_subject || l->show_custom || l->show_address ? send_show_first(l->sends, &i->id, a, &f) : 0;
    if (!l->show_subject) f.subject = SL("");
    if (!l->show_address) f.address = SL("");
    *out = e ? NULL : mailjet_message_json(i, &f, l->show_custom);
    return e;
}

static int information_of(struct listing *l, const struct send_info *i, struct arena *a, json_t **out)
{
    (void)l, (void)a;
    *out = mailjet_information_json(i);
    return 0;
}

typedef int making(struct listing *l, const struct send_info *i, struct arena *a, json_t **out);

static int make_page(struct listing *l, making *make, json_t *list)
{
    struct arena a = {0};
    int e = 0;
    for (size_t k = (size_t)l->page.offset; !e && k < l->n && k - l->page.offset < l->page.limit; k++) {
        struct send_info i;
        json_t *one = NULL;
        ar_reset(&a);
        e = send_show(l->sends, &l->found[l->down ? l->n - 1 - k : k], &a, &i);
        if (!e) e = make(l, &i, &a, &one);
        if (one) json_array_append_new(list, one);
        if (e == ERR_NOT_FOUND) e = 0; /* forgotten meanwhile */
    }
    ar_free(&a);
    return e;
}

static void answer(struct http_call *c, making *make)
{
    struct listing l = {.c = c, .sends = api_of(c)->core->sends, .to = INT64_MAX};
    json_t *list = json_array();
    int e = ask_of(&l);
    if (!e) e = find(&l);
    if (!e && !l.page.count_only) e = make_page(&l, make, list);
    if (!e) {
        mailjet_told(c, &l.page, list, l.n);
    } else {
        json_decref(list);
        http_fail(c, e == ERR_LIMIT ? 400 : http_status_of(e), "%s", err_text(e));
    }
    ar_free(&l.a);
}

void mailjet_message_list(struct http_call *c) { answer(c, message_of); }
void mailjet_information_list(struct http_call *c) { answer(c, information_of); }
