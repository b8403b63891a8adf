/* campaign_read.c - the lines of a campaign: its head, and each recipient, as JSON. */
#include "campaign_read.h"
#include "base/wiped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct arena *a;
    char why[ERR_TEXT_MAX]; /* the first fault, or "" */
};

static void fault(struct reading *r, const char *fmt, const char *name)
{
    if (!r->why[0]) snprintf(r->why, sizeof r->why, fmt, name);
}

static struct slice text(struct reading *r, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (v && !json_is_string(v) && !json_is_null(v)) fault(r, "%s must be a text", name);
    return json_is_string(v) ? ar_dup(r->a, sl(json_string_value(v), json_string_length(v))) : SL("");
}

static int64_t number(struct reading *r, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (v && (!json_is_integer(v) || json_integer_value(v) < 0)) fault(r, "%s must be a whole number", name);
    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : 0;
}

static bool yes(struct reading *r, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (v && !json_is_boolean(v)) fault(r, "%s must be true or false", name);
    return json_is_true(v);
}

/* An object, as JSON. */
static struct slice object(struct reading *r, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (v && !json_is_object(v)) fault(r, "%s must be an object", name);
    if (!json_is_object(v)) return SL("");
    char *dump = json_dumps(v, JSON_COMPACT);
    struct slice s = ar_dup(r->a, sl_cstr(dump));
    wiped_free(dump);
    return s;
}

/* "a@b", or {"email": "a@b", "name": "A"}. */
static struct send_addr address(struct reading *r, const json_t *v, const char *name)
{
    struct send_addr m = {0};
    if (json_is_string(v)) {
        m.address = ar_dup(r->a, sl(json_string_value(v), json_string_length(v)));
    } else if (json_is_object(v)) {
        m.address = text(r, v, "email");
        m.name = text(r, v, "name");
    } else if (v) {
        fault(r, "%s must be an address, or an object with email and name", name);
    }
    return m;
}

/* One address, or a list of them. */
static struct send_addrs addresses(struct reading *r, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name), *one;
    size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0, i;
    struct send_addrs list = {ar_array(r->a, struct send_addr, n), n};
    if (!json_is_array(v)) {
        if (n) list.v[0] = address(r, v, name);
        return list;
    }
    json_array_foreach(v, i, one) list.v[i] = address(r, one, name);
    return list;
}

static struct send_fields fields(struct reading *r, const json_t *o)
{
    json_t *v = json_object_get(o, "headers"), *one;
    const char *name;
    struct send_fields f = {ar_array(r->a, struct send_field, json_object_size(v)), 0};
    if (v && !json_is_object(v)) fault(r, "%s must be an object of texts", "headers");
    json_object_foreach(v, name, one) {
        if (!json_is_string(one)) fault(r, "%s must be an object of texts", "headers");
        else
            f.v[f.n++] =
                (struct send_field){ar_dup(r->a, sl_cstr(name)),
                                    ar_dup(r->a, sl(json_string_value(one), json_string_length(one)))};
    }
    return f;
}

static struct slice *categories(struct reading *r, const json_t *o, size_t *n)
{
    json_t *v = json_object_get(o, "categories"), *one;
    size_t i;
    struct slice *list = ar_array(r->a, struct slice, json_array_size(v));
    if (v && !json_is_array(v)) fault(r, "%s must be a list of texts", "categories");
    json_array_foreach(v, i, one) {
        if (!json_is_string(one)) fault(r, "%s must be a list of texts", "categories");
        list[(*n)++] = ar_dup(r->a, sl(json_string_value(one), json_string_length(one)));
    }
    return list;
}

static void choose(struct reading *r, const json_t *o, const char *name, const char *const *words, int *out)
{
    struct slice s = text(r, o, name);
    for (int i = 0; s.n && words[i]; i++)
        if (sl_eq(s, sl_cstr(words[i]))) {
            *out = i;
            return;
        }
    if (s.n) fault(r, "%s is none of the words that are known", name);
}

static void read_parts(struct reading *r, const json_t *o, struct send *s)
{
    s->part = ar_array(r->a, struct send_part, 2);
    struct slice plain = text(r, o, "text"), html = text(r, o, "html");
    if (plain.n) s->part[s->nparts++] = (struct send_part){SL("text/plain"), plain};
    if (html.n) s->part[s->nparts++] = (struct send_part){SL("text/html"), html};
}

static void read_send(struct reading *r, const json_t *o, struct send *s)
{
    static const char *const streams[] = {"system", "transactional", "bulk", NULL};
    static const char *const languages[] = {"plain", "handlebars", "mailjet", "substitutions", NULL};
    int stream = STREAM_BULK, language = json_object_get(o, "language") ? SEND_PLAIN : SEND_HANDLEBARS;
    choose(r, o, "stream", streams, &stream);
    choose(r, o, "language", languages, &language);
    if (stream == STREAM_SYSTEM) fault(r, "%s must be bulk or transactional", "stream");
    s->stream = (enum stream)stream;
    s->language = (enum send_language)language;
    s->from = address(r, json_object_get(o, "from"), "from");
    s->reply_to = addresses(r, o, "reply_to");
    s->subject = text(r, o, "subject");
    s->campaign = text(r, o, "campaign");
    s->category = categories(r, o, &s->ncategories);
    s->fields = fields(r, o);
    s->data = object(r, o, "data");
    s->args = object(r, o, "args");
    s->send_at = number(r, o, "send_at");
    int64_t group = number(r, o, "group");
    if (group > UINT32_MAX) fault(r, "%s is no group that there can be", "group");
    s->group = (uint32_t)group;
    if (yes(r, o, "sandbox")) s->options |= SEND_SANDBOX;
    if (yes(r, o, "track_opens")) s->options |= SEND_TRACK_OPENS;
    if (yes(r, o, "track_clicks")) s->options |= SEND_TRACK_CLICKS;
    if (yes(r, o, "own_unsubscribe")) s->options |= SEND_NO_UNSUBSCRIBE;
    read_parts(r, o, s);
}

static void read_letter(struct reading *r, const json_t *o, struct send_letter *l)
{
    *l = (struct send_letter){.to = addresses(r, o, "to"),
                              .cc = addresses(r, o, "cc"),
                              .bcc = addresses(r, o, "bcc"),
                              .subject = text(r, o, "subject"),
                              .fields = fields(r, o),
                              .data = object(r, o, "data"),
                              .args = object(r, o, "args"),
                              .custom = text(r, o, "id"),
                              .send_at = number(r, o, "send_at")};
}

int campaign_read_head(struct arena *a, const json_t *o, struct send *out, bool *skip_bad,
                       char why[ERR_TEXT_MAX])
{
    struct reading r = {.a = a};
    read_send(&r, o, out);
    *skip_bad = yes(&r, o, "skip_bad");
    memcpy(why, r.why, sizeof r.why);
    return *why ? ERR_USAGE : 0;
}

int campaign_read_letter(struct arena *a, const json_t *o, struct send_letter *out, char why[ERR_TEXT_MAX])
{
    struct reading r = {.a = a};
    read_letter(&r, o, out);
    memcpy(why, r.why, sizeof r.why);
    return *why ? ERR_USAGE : 0;
}
