/* messages.c - our own API: a message handed over, and what became of it. */
#include <stdio.h>

#include "base/text.h"
#include "core/core.h"
#include "dialect.h"
#include "mail/addr.h"
#include "mail/head.h"
#include "store/store.h"
#include "trace/trace.h"

struct reading {
    struct dialect d;
    json_t *faults;
    struct dialect_send s;
    struct send_letter letter;
};

static void keep_fault(struct dialect *d, const char *path, int e, const char *sentence)
{
    struct reading *r = d->arg;
    (void)e;
    json_array_append_new(r->faults, json_pack("{s:s,s:s}", "field", path, "message", sentence));
}

/* ---- addresses: "Name <a@b>", {"email": "a@b", "name": "Name"}, or a list of these ---- */

static void text_address(struct dialect *d, struct slice text, const char *path, struct send_addr *out)
{
    struct mail_addrs l;
    if (mail_addrs_parse(&d->a, text, &l) || l.n != 1 || l.bad) {
        dialect_fault(d, path, ERR_SYNTAX, "must be one address such as Ann <ann@example.org>");
        return;
    }
    out->address = mail_addr_join(&d->a, l.v[0].local, l.v[0].domain);
    out->name = l.v[0].name;
    (void)dialect_address(d, out->address, out->name, path, path);
}

static void one_address(struct dialect *d, const json_t *v, const char *path, struct send_addr *out)
{
    if (json_is_string(v)) {
        text_address(d, dialect_slice(v), path, out);
    } else if (json_is_object(v)) {
        out->address = dialect_string(d, v, "email", path);
        out->name = dialect_string(d, v, "name", path);
        (void)dialect_address(d, out->address, out->name, dialect_at(d, path, "email"),
                              dialect_at(d, path, "name"));
    } else {
        dialect_fault(d, path, ERR_SYNTAX, "must be a text or an object with email and name");
    }
}

static void addresses(struct dialect *d, const json_t *body, const char *key, struct send_addrs *out)
{
    const json_t *v = json_object_get(body, key);
    size_t n = json_is_array(v) ? json_array_size(v) : v && !json_is_null(v);
    if (n > SEND_RCPTS_MAX) {
        dialect_fault(d, key, ERR_LIMIT, "has more than %d addresses", SEND_RCPTS_MAX);
        return;
    }
    out->v = ar_array(&d->a, struct send_addr, n);
    for (size_t i = 0; i < n; i++)
        if (json_is_array(v))
            one_address(d, json_array_get(v, i), dialect_at_index(d, "", key, i), &out->v[out->n++]);
        else one_address(d, v, key, &out->v[out->n++]);
}

/* ---- the content ---- */

static void texts(struct dialect *d, const json_t *body, struct send *s)
{
    static const struct {
        const char *key, *type;
    } kinds[] = {{"text", "text/plain"}, {"html", "text/html"}};
    s->part = ar_array(&d->a, struct send_part, COUNT_OF(kinds));
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (json_object_get(body, kinds[i].key))
            s->part[s->nparts++] =
                (struct send_part){sl_cstr(kinds[i].type), dialect_string(d, body, kinds[i].key, "")};
    s->subject = dialect_string(d, body, "subject", "");
    if (!s->nparts) dialect_fault(d, "text", ERR_SYNTAX, "text or html is needed");
}

static void one_file(struct dialect *d, const json_t *v, const char *path, struct send_file *out)
{
    struct slice how = dialect_string(d, v, "disposition", path);
    if (!json_is_object(v)) dialect_fault(d, path, ERR_SYNTAX, "must be an object");
    out->name = dialect_string(d, v, "filename", path);
    out->type = dialect_string(d, v, "type", path);
    out->content_id = dialect_string(d, v, "content_id", path);
    out->in_text = sl_eq(how, SL("inline"));
    if (how.n && !out->in_text && !sl_eq(how, SL("attachment")))
        dialect_fault(d, dialect_at(d, path, "disposition"), ERR_SYNTAX, "must be attachment or inline");
    out->bytes = dialect_bytes(d, dialect_string(d, v, "content", path), dialect_at(d, path, "content"));
}

static void files(struct dialect *d, const json_t *body, struct send *s)
{
    json_t *list = dialect_array(d, body, "attachments", "", SEND_FILES_MAX);
    s->file = ar_array(&d->a, struct send_file, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++)
        one_file(d, json_array_get(list, i), dialect_at_index(d, "", "attachments", i),
                 &s->file[s->nfiles++]);
}

static void categories(struct dialect *d, const json_t *body, struct send *s)
{
    json_t *list = dialect_array(d, body, "categories", "", SEND_CATEGORIES_MAX);
    s->category = ar_array(&d->a, struct slice, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice word = dialect_slice(json_array_get(list, i));
        const char *at = dialect_at_index(d, "", "categories", i);
        if (!word.n) dialect_fault(d, at, ERR_SYNTAX, "must be a text of at least one character");
        else s->category[s->ncategories++] = word;
    }
}

/* ---- how it is sent ---- */

static void options(struct dialect *d, const json_t *body, struct send *s)
{
    struct slice stream = dialect_string(d, body, "stream", "");
    s->stream = sl_eq(stream, SL("bulk")) ? STREAM_BULK : STREAM_TRANSACTIONAL;
    if (stream.n && s->stream != STREAM_BULK && !sl_eq(stream, SL("transactional")))
        dialect_fault(d, "stream", ERR_SYNTAX, "must be transactional or bulk");
    s->campaign = dialect_string(d, body, "campaign", "");
    s->send_at = dialect_integer(d, body, "send_at", "");
    s->args = dialect_dump(d, dialect_object(d, body, "args", ""));
    s->data = dialect_dump(d, dialect_object(d, body, "data", ""));
    if (s->data.n) s->language = SEND_HANDLEBARS;
    if (dialect_bool(d, body, "track_opens", "")) s->options |= SEND_TRACK_OPENS;
    if (dialect_bool(d, body, "track_clicks", "")) s->options |= SEND_TRACK_CLICKS;
    if (dialect_bool(d, body, "sandbox", "")) s->options |= SEND_SANDBOX;
    categories(d, body, s);
}

/* A name that is spelled wrong would be left out in silence. */
static void only_known(struct dialect *d, json_t *body)
{
    static const char *const known[] = {
        "from", "sender", "to",      "cc",          "bcc",         "reply_to",    "subject",
        "text", "html",   "headers", "attachments", "stream",      "campaign",    "send_at",
        "args", "data",   "sandbox", "categories",  "track_opens", "track_clicks"};
    for (void *i = json_object_iter(body); i; i = json_object_iter_next(body, i)) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known) && !found; k++)
            found = !strcmp(json_object_iter_key(i), known[k]);
        if (!found)
            dialect_fault(d, printable(&d->a, sl_cstr(json_object_iter_key(i)), 80).p, ERR_SYNTAX,
                          "is not known here");
    }
}

static void needs_people(struct reading *r)
{
    const struct send_letter *l = &r->letter;
    if (!r->s.send.from.address.n && !r->d.faults) dialect_fault(&r->d, "from", ERR_SYNTAX, "is needed");
    if (!l->to.n && !l->cc.n && !l->bcc.n) dialect_fault(&r->d, "to", ERR_SYNTAX, "there is no recipient");
}

static void read_json(struct reading *r, json_t *body)
{
    struct dialect *d = &r->d;
    struct send *s = &r->s.send;
    only_known(d, body);
    if (json_object_get(body, "from")) one_address(d, json_object_get(body, "from"), "from", &s->from);
    if (json_object_get(body, "sender"))
        one_address(d, json_object_get(body, "sender"), "sender", &s->sender);
    addresses(d, body, "to", &r->letter.to);
    addresses(d, body, "cc", &r->letter.cc);
    addresses(d, body, "bcc", &r->letter.bcc);
    addresses(d, body, "reply_to", &s->reply_to);
    texts(d, body, s);
    dialect_fields(d, dialect_object(d, body, "headers", ""), "headers", &s->fields);
    files(d, body, s);
    options(d, body, s);
    needs_people(r);
}

/* ---- a raw message (message/rfc822) ---- */

static void named_in(struct dialect *d, const struct mail_head *h, struct slice name, struct send_addrs *out)
{
    struct mail_addrs l;
    bool found;
    struct slice body = mail_head_get(&d->a, h, name, &found);
    if (!found) return;
    if (mail_addrs_parse(&d->a, body, &l) || l.bad || l.n > SEND_RCPTS_MAX) {
        dialect_fault(d, ar_cstr(&d->a, name), ERR_SYNTAX, "is no list of at most %d addresses",
                      SEND_RCPTS_MAX);
        return;
    }
    out->v = ar_array(&d->a, struct send_addr, l.n);
    for (size_t i = 0; i < l.n; i++)
        out->v[out->n++].address = mail_addr_join(&d->a, l.v[i].local, l.v[i].domain);
}

/* Recipients are those that the query names (?to=, several times), else those of To, Cc and Bcc. */
static void read_raw(struct reading *r, struct http_call *c)
{
    struct dialect *d = &r->d;
    struct mail_head h;
    struct slice rest = c->request->query, name, value;
    r->s.send.raw = c->body;
    r->s.send.stream = STREAM_TRANSACTIONAL;
    if (mail_head_parse(&d->a, c->body, &h) || !h.n) {
        dialect_fault(d, "", ERR_SYNTAX, "the body is no message");
        return;
    }
    struct send_addrs *to = &r->letter.to;
    to->v = ar_array(&d->a, struct send_addr, SEND_RCPTS_MAX);
    while (http_query_next(c->a, &rest, &name, &value)) {
        if (!sl_eq(name, SL("to"))) continue;
        if (to->n < SEND_RCPTS_MAX) text_address(d, value, "to", &to->v[to->n++]);
        else dialect_fault(d, "to", ERR_LIMIT, "has more than %d addresses", SEND_RCPTS_MAX);
    }
    if (!to->n) {
        named_in(d, &h, SL("To"), to);
        named_in(d, &h, SL("Cc"), &r->letter.cc);
        named_in(d, &h, SL("Bcc"), &r->letter.bcc);
    }
    text_address(d, mail_head_get(&d->a, &h, SL("From"), NULL), "From", &r->s.send.from);
    needs_people(r);
}

/* ---- taking it ---- */

static void refuse_faults(struct http_call *c, struct reading *r)
{
    json_t *v = json_pack("{s:s,s:i,s:s,s:O}", "title", http_reason(422), "status", 422, "detail",
                          "the message cannot be sent as it is", "errors", r->faults);
    api_json_as(c, 422, "application/problem+json", v);
}

static json_t *left_out(const struct send_taken *t)
{
    json_t *all = json_array();
    for (size_t i = 0; i < t->nwho; i++)
        json_array_append_new(all,
                              json_pack("{s:s%,s:s}", "address", t->who[i].address.p, t->who[i].address.n,
                                        "reason", send_reason_word(t->who[i].reason)));
    return all;
}

static void take(struct http_call *c, struct reading *r)
{
    size_t at, letter;
    r->s.letter = &r->letter;
    r->s.nletters = 1;
    int e = dialect_take(c, &r->d, &r->s, 1, &at, &letter);
    const struct send_taken *t = &r->s.taken;
    if (e == ERR_EXISTS) http_fail(c, 422, "the Idempotency-Key was used for another request");
    else if (e == ERR_SYNTAX || e == ERR_TOO_LONG) http_fail(c, 422, "%s", err_text(e));
    else if (e) api_failed(c, e);
    else
        api_json(c, r->s.send.options & SEND_SANDBOX ? 200 : 202,
                 json_pack("{s:s,s:I,s:I,s:o,s:b}", "id", t->id.s, "recipients", (json_int_t)t->recipients,
                           "left_out", (json_int_t)t->left_out, "left_out_addresses", left_out(t), "repeated",
                           (int)t->before));
}

void api_messages_add(struct http_call *c)
{
    struct slice type = http_request_value(c->request, SL("Content-Type"));
    bool raw = sl_startsi(type, SL("message/rfc822"));
    json_t *body = raw ? NULL : api_body(c);
    if (!raw && !body) return;
    struct reading r = {.faults = json_array()};
    dialect_begin(&r.d, keep_fault, &r);
    if (raw) read_raw(&r, c);
    else read_json(&r, body);
    if (r.d.faults) refuse_faults(c, &r);
    else take(c, &r);
    dialect_end(&r.d);
    json_decref(r.faults);
    json_decref(body);
}

/* ---- what became of it ---- */

static json_t *event_json(const struct trace_event *ev)
{
    json_t *o = json_pack("{s:I,s:s}", "time_us", (json_int_t)ev->time, "event", trace_word(ev->kind));
    if (ev->who.n) json_object_set_new(o, "recipient", json_stringn(ev->who.p, ev->who.n));
    if (ev->sentence.n) json_object_set_new(o, "sentence", json_stringn(ev->sentence.p, ev->sentence.n));
    json_t *data = ev->data.n ? json_loadb(ev->data.p, ev->data.n, 0, NULL) : NULL;
    if (data) json_object_set_new(o, "data", data);
    return o;
}

/* Of the letters of the send the first ones; a campaign's events are read as a stream. */
enum { LETTERS_TRACED = 100 };

static int events(struct http_call *c, const struct send_info *info, json_t *all)
{
    for (uint64_t n = 0; n < info->letters && n < LETTERS_TRACED; n++) {
        struct letter_id id;
        struct trace_event *ev;
        size_t k, count;
        send_letter_id(&info->id, n, &id);
        int e = trace_read(api_of(c)->core->store->trace, &id, c->a, &ev, &count);
        if (e == ERR_NOT_FOUND) continue;
        if (e) return e;
        for (k = 0; k < count; k++) json_array_append_new(all, event_json(&ev[k]));
    }
    return 0;
}

static json_t *info_json(const struct send_info *i)
{
    return json_pack("{s:s,s:s%,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "id", i->id.s, "state", i->state.p, i->state.n,
                     "taken", (json_int_t)i->taken, "recipients", (json_int_t)i->recipients, "left_out",
                     (json_int_t)i->left_out, "waiting", (json_int_t)i->waiting, "delivered",
                     (json_int_t)i->delivered, "bounced", (json_int_t)i->bounced, "dropped",
                     (json_int_t)i->dropped);
}

/* Somebody else's is not there. */
void api_messages_show(struct http_call *c)
{
    struct letter_id id;
    struct send_info info;
    int e = letter_id_ok(c->param[0]) ? 0 : ERR_NOT_FOUND;
    snprintf(id.s, sizeof id.s, "%.*s", SLF(e ? SL("") : c->param[0]));
    if (!e) e = send_show(api_of(c)->core->sends, &id, c->a, &info);
    if (!e && !(c->key.scopes & SCOPE_ADMIN) && !sl_eq(info.account, c->key.account->address))
        e = ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND) (void)err_set(e, "the account has no such message");
    json_t *all = json_array();
    if (!e) e = events(c, &info, all);
    if (e) {
        json_decref(all);
        api_failed(c, e);
        return;
    }
    json_t *v = info_json(&info);
    json_object_set_new(v, "events", all);
    api_json(c, 200, v);
}
