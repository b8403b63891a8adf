/* webhook_json.c - events in SendGrid's form, or in Mailjet's: what of the send and of the letter comes back
 * with each, and the very bytes that JSON.stringify makes (RFC 8259; no blank, only what must be escaped is).
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/wiped.h"
#include "classification.h"
#include "event.h"
#include "send_content.h"
#include "shape/reply.h"
#include "unsubscribe.h"
#include "webhook_i.h"

/* What is read of sends for one batch. */
struct context {
    struct sends *s;
    struct arena *a;
    struct letter_id send;
    struct content *content;
};

static void put_text(json_t *o, const char *name, struct slice s)
{
    json_t *v = s.n ? json_stringn(s.p, s.n) : NULL; /* NULL: no UTF-8 */
    if (v) json_object_set_new(o, name, v);
}

static const char *word_of(const struct event *e)
{
    switch (e->kind) {
    case EVENT_LATE_BOUNCE:
    case EVENT_BOUNCED: return "bounce";
    case EVENT_COMPLAINT: return "spamreport";
    case EVENT_UNSUBSCRIBED: return e->group ? "group_unsubscribe" : "unsubscribe";
    case EVENT_RESUBSCRIBED: return "group_resubscribe";
    case EVENT_FAILED: return "dropped";
    case EVENT_OPENED: return "open";
    case EVENT_CLICKED: return "click";
    default: return event_word(e->kind);
    }
}

/* Does JavaScript write what it reads of it? Fractions and large numbers it writes in its own way, the
 * members of objects in its own order. */
static bool comes_back(const json_t *v)
{
    json_int_t n = json_integer_value(v);
    if (json_is_integer(v)) return n <= 1LL << 53 && n >= -(1LL << 53);
    return !json_is_real(v) && !json_is_object(v) && !json_is_array(v);
}

static void put_argument(json_t *o, const char *name, json_t *v)
{
    if (json_object_get(o, name)) return;
    if (comes_back(v)) {
        json_object_set(o, name, v);
        return;
    }
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    json_object_set_new(o, name, json_string(text ? text : ""));
    wiped_free(text);
}

static void put_arguments(json_t *o, struct slice args)
{
    json_t *all = args.n ? json_loadb(args.p, args.n, 0, NULL) : NULL, *v;
    const char *name;
    json_object_foreach(all, name, v) put_argument(o, name, v);
    json_decref(all);
}

static void find_send(struct context *x, const struct event *e)
{
    if (!strcmp(x->send.s, e->send.s)) return;
    if (x->content) content_put(x->s, x->content);
    x->content = NULL;
    x->send = e->send;
    if (e->send.s[0] && content_get(x->s, &e->send, &x->content) != 0) x->content = NULL;
}

/* The Message-ID that its letter was given here. */
static void put_smtp_id(struct context *x, json_t *o, const struct event *e, const struct send_letter *l)
{
    const struct send *s = &x->content->send;
    const struct send_ref ref = {.send = e->send, .page = e->page, .number = e->number};
    struct slice from = l->from.address.n ? l->from.address : s->from.address;
    bool delivery = e->kind == EVENT_PROCESSED || e->kind == EVENT_DELIVERED || e->kind == EVENT_DEFERRED ||
                    e->kind == EVENT_BOUNCED || e->kind == EVENT_LATE_BOUNCE;
    if (delivery && !e->outside && !s->raw.n)
        put_text(o, "smtp-id", send_message_id(x->s, x->a, &ref, sl_from(from, sl_rchr(from, '@') + 1)));
}

/* Categories and arguments: the letter's own stand over the send's. Nothing when the send is forgotten. */
static void put_context(struct context *x, json_t *o, const struct event *e)
{
    find_send(x, e);
    if (!x->content) return;
    const struct send_head *h = &x->content->head;
    json_t *list = json_array();
    for (size_t i = 0; i < h->ncategories; i++)
        json_array_append_new(list, json_stringn(h->category[i].p, h->category[i].n));
    if (h->ncategories) json_object_set(o, "category", list);
    json_decref(list);
    put_text(o, "campaign", h->campaign);
    struct send_letter l;
    if (send_letter_read(x->s, &e->send, e->page, e->number, x->a, &l) == 0) {
        put_smtp_id(x, o, e, &l);
        put_arguments(o, l.args);
        put_text(o, "custom_id", l.custom);
    }
    put_arguments(o, x->content->send.args);
}

/* Why nobody got it, in SendGrid's words where it has one. */
static struct slice dropped_because(enum send_reason r)
{
    static const char *const words[SEND_OUT_COUNT] = {[SEND_OUT_BOUNCED] = "Bounced Address",
                                                      [SEND_OUT_INVALID] = "Invalid",
                                                      [SEND_OUT_COMPLAINED] = "Spam Reporting Address",
                                                      [SEND_OUT_UNSUBSCRIBED] = "Unsubscribed Address",
                                                      [SEND_OUT_LEFT_GROUP] = "Unsubscribed Address"};
    return sl_cstr(words[r] ? words[r] : send_reason_word(r));
}

static struct slice classified(const struct event *e)
{
    enum reply_class c = REPLY_UNKNOWN;
    (void)reply_class_named(e->class, &c);
    return sl_cstr(classification_word(classification_of(c)));
}

/* It begins with what the call was answered with as X-Message-Id. */
static struct slice message_id(struct arena *a, const struct event *e)
{
    return e->send.s[0] && e->letter.s[0] ? ar_printf(a, "%s.%s", e->send.s, e->letter.s)
                                          : sl_cstr(e->letter.s);
}

static json_t *event_json(struct context *x, const struct webhook *h, const struct event *e)
{
    json_t *o = json_object();
    put_text(o, "email", e->address);
    json_object_set_new(o, "timestamp", json_integer((json_int_t)(e->at / 1000000)));
    put_text(o, "event", sl_cstr(word_of(e)));
    put_text(o, "sg_event_id",
             ar_printf(x->a, "%.*s-%.*s", SLF(h->account), SLF(event_id_text(e->id, x->a))));
    put_text(o, "sg_message_id", message_id(x->a, e));
    bool lost = e->kind == EVENT_BOUNCED || e->kind == EVENT_LATE_BOUNCE;
    bool out = e->kind == EVENT_DROPPED || e->kind == EVENT_FAILED;
    if (lost || out) put_text(o, "reason", e->reply.n ? e->reply : dropped_because(e->reason));
    else put_text(o, "response", e->reply);
    put_text(o, "status", e->enhanced);
    if (lost) put_text(o, "type", e->code / 100 == 4 || e->expired ? SL("blocked") : SL("bounce"));
    if (lost) put_text(o, "bounce_classification", classified(e));
    if (e->kind == EVENT_DEFERRED) put_text(o, "attempt", ar_printf(x->a, "%u", e->attempts));
    if (e->group) json_object_set_new(o, "asm_group_id", json_integer(e->group));
    put_text(o, "url", e->url);
    put_text(o, "useragent", e->agent);
    put_text(o, "ip", e->ip);
    if (e->kind == EVENT_OPENED) json_object_set_new(o, "sg_machine_open", json_boolean(e->machine));
    else if (e->machine) json_object_set_new(o, "machine", json_true());
    if (e->kind == EVENT_LATE_BOUNCE) json_object_set_new(o, "late", json_true());
    put_context(x, o, e);
    return o;
}

/* ---- Mailjet's ---- */

static const char *mailjet_word(const struct event *e)
{
    switch (e->kind) {
    case EVENT_DELIVERED: return "sent";
    case EVENT_OPENED: return "open";
    case EVENT_CLICKED: return "click";
    case EVENT_LATE_BOUNCE:
    case EVENT_BOUNCED: return "bounce";
    case EVENT_DROPPED:
    case EVENT_FAILED: return "blocked";
    case EVENT_COMPLAINT: return "spam";
    case EVENT_UNSUBSCRIBED: return "unsub";
    default: return event_word(e->kind);
    }
}

/* error_related_to and error, in its words. */
static void put_error(json_t *o, const struct event *e)
{
    static const struct {
        const char *related, *error;
    } words[REPLY_NCLASSES] = {[REPLY_INVALID] = {"recipient", "user unknown"},
                               [REPLY_INACTIVE] = {"recipient", "mailbox inactive"},
                               [REPLY_FULL] = {"recipient", "quota exceeded"},
                               [REPLY_CONTENT] = {"content", "content blocked"},
                               [REPLY_REPUTATION] = {"spam", "sender blocked"},
                               [REPLY_POLICY] = {"spam", "policy issue"},
                               [REPLY_AUTH] = {"spam", "policy issue"},
                               [REPLY_RATE] = {"spam", "policy issue"},
                               [REPLY_NETWORK] = {"domain", "connection issue"},
                               [REPLY_DNS] = {"domain", "invalid domain"},
                               [REPLY_RELAY] = {"domain", "relay/access denied"}};
    enum reply_class c = REPLY_UNKNOWN;
    bool lost = e->kind == EVENT_BOUNCED || e->kind == EVENT_LATE_BOUNCE;
    (void)reply_class_named(e->class, &c);
    put_text(o, "error_related_to",
             sl_cstr(!lost              ? "mailjet"
                     : words[c].related ? words[c].related
                                        : "system"));
    put_text(o, "error", sl_cstr(!lost ? "preblocked" : words[c].error ? words[c].error : "system issue"));
    put_text(o, "comment", e->reply.n ? e->reply : sl_cstr(send_reason_word(e->reason)));
    if (!lost) return;
    bool hard = e->code / 100 == 5 && !e->expired;
    json_object_set_new(o, "hard_bounce", json_boolean(hard));
    json_object_set_new(o, "blocked", json_boolean(!hard));
}

/* CustomID, Payload and customcampaign are there, if empty. */
static void put_mailjet_context(struct context *x, json_t *o, const struct event *e)
{
    struct send_letter l = {0};
    struct slice campaign = SL(""), payload = SL("");
    find_send(x, e);
    if (x->content) {
        campaign = x->content->head.campaign;
        payload = x->content->send.payload;
        if (send_letter_read(x->s, &e->send, e->page, e->number, x->a, &l) != 0) l.custom = SL("");
    }
    const struct {
        const char *name;
        struct slice v;
    } all[] = {{"customcampaign", campaign}, {"CustomID", l.custom}, {"Payload", payload}};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        json_object_set_new(o, all[i].name, json_string(""));
        put_text(o, all[i].name, all[i].v);
    }
}

static json_t *mailjet_json(struct context *x, const struct event *e)
{
    const struct letter_id *id = e->send.s[0] ? &e->send : &e->letter;
    uint64_t number = id->s[0] ? send_number(id) : 0;
    json_t *o = json_pack("{s:s,s:I,s:I}", "event", mailjet_word(e), "time", (json_int_t)(e->at / 1000000),
                          "MessageID", (json_int_t)number);
    put_text(o, "Message_GUID", sl_cstr(e->letter.s));
    put_text(o, "mj_message_id", ar_printf(x->a, "%llu", (unsigned long long)number));
    put_text(o, "email", e->address);
    json_object_set_new(o, "mj_campaign_id",
                        json_integer(0)); /* there are neither campaigns nor contacts by number */
    json_object_set_new(o, "mj_contact_id", json_integer(0));
    put_mailjet_context(x, o, e);
    if (e->kind == EVENT_DELIVERED) put_text(o, "smtp_reply", e->reply);
    if (e->kind == EVENT_BOUNCED || e->kind == EVENT_LATE_BOUNCE || e->kind == EVENT_DROPPED ||
        e->kind == EVENT_FAILED)
        put_error(o, e);
    if (e->kind == EVENT_UNSUBSCRIBED) json_object_set_new(o, "mj_list_id", json_integer(e->group));
    if (e->kind == EVENT_COMPLAINT) put_text(o, "source", SL("feedback loop"));
    put_text(o, "url", e->url);
    put_text(o, "agent", e->agent);
    put_text(o, "ip", e->ip);
    return o;
}

/* ---- bytes ---- */

struct member {
    uint64_t n;
    const char *name;
};

static int by_number(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* A name that is an index of an array (ECMA-262 section 6.1.7) stands in front of all others. */
static bool is_index(const char *name, uint64_t *n)
{
    struct slice s = sl_cstr(name);
    return num_u64(s, UINT32_MAX - 1, n) && (s.n == 1 || s.p[0] != '0');
}

/* In the order in which JavaScript has the members of an object. Takes the reference. */
static json_t *in_order(json_t *o, struct arena *a)
{
    struct member *v = ar_array(a, struct member, json_object_size(o));
    json_t *out = json_object(), *value;
    const char *name;
    size_t n = 0;
    json_object_foreach(o, name, value)
        if (is_index(name, &v[n].n)) v[n++].name = name;
    if (!n) {
        json_decref(out);
        return o;
    }
    qsort(v, n, sizeof *v, by_number);
    for (size_t i = 0; i < n; i++) json_object_set(out, v[i].name, json_object_get(o, v[i].name));
    json_object_update_missing(out, o);
    json_decref(o);
    return out;
}

/* jansson writes other control characters in capitals. */
static void put_json(struct buf *b, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    for (char *p = text; p && *p; p++) {
        if (p[0] == '\\' && p[1] == 'u')
            for (int i = 2; i < 6 && p[i]; i++) p[i] = sl_lower(p[i]);
        if (p[0] == '\\' && p[1]) p++;
    }
    buf_str(b, text ? text : "{}");
    wiped_free(text);
}

static bool hears(const struct webhook *h, const struct event *e)
{
    if (e->kind == EVENT_NONE) return false;
    if (e->kind == EVENT_UNSUBSCRIBED && e->group) return !h->kinds || h->kinds & WEBHOOK_LEFT_GROUP;
    return !h->kinds || h->kinds & 1u << e->kind;
}

int webhook_body(struct sends *s, const struct webhook *h, const struct event *e, size_t n, struct arena *a,
                 struct slice *out, size_t *took)
{
    struct context x = {.s = s, .a = a};
    struct buf b = BUF_INIT;
    size_t told = 0;
    bool one = h->form == WEBHOOK_MAILJET_ONE;
    for (*took = 0; *took < n && !(one && told); ++*took) {
        const struct event *v = &e[*took];
        if (!hears(h, v)) continue;
        json_t *o = h->form == WEBHOOK_SENDGRID ? in_order(event_json(&x, h, v), a) : mailjet_json(&x, v);
        if (!one) buf_str(&b, told ? ",\r\n" : "[");
        told++;
        put_json(&b, o);
        json_decref(o);
    }
    if (told && !one) buf_str(&b, "]\r\n");
    if (x.content) content_put(s, x.content);
    *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return 0;
}
