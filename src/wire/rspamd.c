/* rspamd.c - an answer of Rspamd as changes of a letter and a word for the client, however mad it is. */
#include "rspamd.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

struct reading {
    struct arena *a;
    struct rspamd_answer *out;
    size_t room, removals;
};

/* Is it so shallow and so small that a parser may see it? */
static int bounded(struct slice json)
{
    size_t parts = 0, depth = 0;
    bool text = false;
    if (json.n > RSPAMD_ANSWER_MAX) return err_set(ERR_LIMIT, "its answer is too long");
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (text && c == '\\') i++;
        else if (c == '"') text = !text;
        else if (text) continue;
        else if (c == '{' || c == '[') parts++, depth++;
        else if ((c == '}' || c == ']') && depth) depth--;
        else if (c == ',') parts++;
        if (parts > RSPAMD_PARTS_MAX || depth > RSPAMD_DEPTH_MAX)
            return err_set(ERR_LIMIT, "its answer has too many parts");
    }
    return 0;
}

static struct slice text_of(struct arena *a, const json_t *v)
{
    return json_is_string(v) ? ar_dup(a, sl(json_string_value(v), json_string_length(v))) : SL("");
}

/* Of a list each, of what is none itself. */
static const json_t *one_of(const json_t *v, size_t i)
{
    if (json_is_array(v)) return json_array_get(v, i);
    return i ? NULL : v;
}

/* ---- changes ---- */

static int add_change(struct reading *x, const struct rspamd_change *c)
{
    struct rspamd_answer *o = x->out;
    bool of_field = c->kind == MILTER_SAYS_ADD_HEADER || c->kind == MILTER_SAYS_INSERT_HEADER;
    if (of_field && !milter_field_name(c->name))
        return err_set(ERR_SYNTAX, "it wants a header field whose name is none");
    if (o->nchange == RSPAMD_CHANGES_MAX) return err_set(ERR_LIMIT, "it wants too many changes");
    if (o->nchange == x->room) o->change = ar_grow(x->a, o->change, &x->room, sizeof *o->change);
    o->change[o->nchange++] = *c;
    return 0;
}

static int add_removal(struct reading *x, struct slice name, int64_t which)
{
    struct rspamd_answer *o = x->out;
    if (o->nremoval == RSPAMD_CHANGES_MAX) return err_set(ERR_LIMIT, "it wants too many changes");
    if (o->nremoval == x->removals) o->removal = ar_grow(x->a, o->removal, &x->removals, sizeof *o->removal);
    o->removal[o->nremoval++] = (struct rspamd_removal){name, which};
    return 0;
}

/* "text", or {value, order}. */
static int add_field(struct reading *x, struct slice name, const json_t *v)
{
    const json_t *order = json_object_get(v, "order");
    struct rspamd_change c = {.kind =
                                  json_is_integer(order) ? MILTER_SAYS_INSERT_HEADER : MILTER_SAYS_ADD_HEADER,
                              .name = name,
                              .order = json_integer_value(order),
                              .value = text_of(x->a, json_is_object(v) ? json_object_get(v, "value") : v)};
    return add_change(x, &c);
}

static int add_fields(struct reading *x, json_t *all)
{
    const char *name;
    json_t *v;
    const json_t *one;
    int e = 0;
    if (!json_is_object(all)) return 0;
    json_object_foreach(all, name, v)
        for (size_t i = 0; !e && (one = one_of(v, i)) != NULL; i++)
            e = add_field(x, ar_dup(x->a, sl_cstr(name)), one);
    return e;
}

static int remove_fields(struct reading *x, json_t *all)
{
    const char *name;
    json_t *v;
    const json_t *one;
    int e = 0;
    if (!json_is_object(all)) return 0;
    json_object_foreach(all, name, v)
        for (size_t i = 0; !e && (one = one_of(v, i)) != NULL; i++)
            if (json_is_integer(one))
                e = add_removal(x, ar_dup(x->a, sl_cstr(name)), json_integer_value(one));
    return e;
}

static int change_addresses(struct reading *x, enum milter_reply_kind kind, const json_t *v)
{
    const json_t *one;
    int e = 0;
    for (size_t i = 0; !e && (one = one_of(v, i)) != NULL; i++) {
        struct slice address = sl_trim(text_of(x->a, one));
        if (sl_starts(address, SL("<")) && sl_ends(address, SL(">")))
            address = sl_sub(address, 1, address.n - 1);
        if (address.n) e = add_change(x, &(struct rspamd_change){.kind = kind, .text = address});
    }
    return e;
}

static int take_milter(struct reading *x, const json_t *m)
{
    int e = remove_fields(x, json_object_get(m, "remove_headers"));
    if (!e) e = add_fields(x, json_object_get(m, "add_headers"));
    if (!e) e = change_addresses(x, MILTER_SAYS_FROM, json_object_get(m, "change_from"));
    if (!e) e = change_addresses(x, MILTER_SAYS_ADD_RCPT, json_object_get(m, "add_rcpt"));
    return e ? e : change_addresses(x, MILTER_SAYS_DELETE_RCPT, json_object_get(m, "del_rcpt"));
}

static int take_signatures(struct reading *x, const json_t *v)
{
    const json_t *one;
    int e = 0;
    for (size_t i = 0; !e && (one = one_of(v, i)) != NULL; i++)
        if (json_is_string(one))
            e = add_change(x, &(struct rspamd_change){.kind = MILTER_SAYS_INSERT_HEADER,
                                                      .name = SL("DKIM-Signature"),
                                                      .value = text_of(x->a, one)});
    return e;
}

/* The field that marks junk: X-Spam unless it names another. */
static int mark(struct reading *x, const json_t *field)
{
    struct rspamd_change c = {.kind = MILTER_SAYS_ADD_HEADER, .name = SL("X-Spam"), .value = SL("Yes")};
    if (json_is_object(field)) return add_fields(x, (json_t *)field);
    if (json_is_string(field)) c.name = text_of(x->a, field);
    return add_change(x, &c);
}

/* ---- what it comes to ---- */

static int refuse(struct reading *x, const char *code, struct slice words)
{
    x->out->verdict.kind = MILTER_SAYS_CODE;
    return milter_code_parse(x->a, ar_printf(x->a, "%s %.*s", code, SLF(words)), &x->out->verdict);
}

static int reject(struct reading *x, const json_t *m, struct slice words)
{
    struct slice instead = text_of(x->a, json_object_get(m, "reject"));
    if (sl_eq(instead, SL("discard"))) {
        x->out->verdict.kind = MILTER_SAYS_DISCARD;
        return 0;
    }
    if (sl_eq(instead, SL("quarantine")))
        return add_change(x, &(struct rspamd_change){.kind = MILTER_SAYS_QUARANTINE, .text = words});
    return refuse(x, "554 5.7.1", words);
}

/* Its words, on one line: what would be read as a line's own code is none of them. */
static struct slice words_of(struct reading *x, const json_t *o, const char *otherwise)
{
    struct slice said = text_of(x->a, json_object_get(json_object_get(o, "messages"), "smtp_message"));
    return said.n ? printable(x->a, said, 500) : sl_cstr(otherwise);
}

/* "greylist" says only what the score is: while Rspamd itself lets a letter wait it says "soft reject". */
static int take_action(struct reading *x, const json_t *o, const json_t *m)
{
    struct slice action = x->out->action;
    struct slice words = words_of(x, o, "");
    if (sl_eq(action, SL("reject"))) return reject(x, m, words_of(x, o, "Spam message rejected"));
    if (sl_eq(action, SL("soft reject"))) return refuse(x, "451 4.7.1", words_of(x, o, "Try again later"));
    if (sl_eq(action, SL("discard"))) x->out->verdict.kind = MILTER_SAYS_DISCARD;
    if (sl_eq(action, SL("quarantine")))
        return add_change(x, &(struct rspamd_change){.kind = MILTER_SAYS_QUARANTINE, .text = words});
    if (sl_eq(action, SL("add header"))) return mark(x, json_object_get(m, "spam_header"));
    if (sl_eq(action, SL("rewrite subject"))) x->out->subject = text_of(x->a, json_object_get(o, "subject"));
    return 0;
}

/* "add header", 7.2 of 15 */
static struct slice said(struct reading *x, const json_t *o)
{
    const json_t *score = json_object_get(o, "score"), *most = json_object_get(o, "required_score");
    struct slice action = printable(x->a, x->out->action, 40);
    if (!json_is_number(score) || !json_is_number(most)) return ar_printf(x->a, "\"%.*s\"", SLF(action));
    return ar_printf(x->a, "\"%.*s\", %.4g of %.4g", SLF(action), json_number_value(score),
                     json_number_value(most));
}

static int take(struct reading *x, const json_t *o)
{
    const json_t *m = json_object_get(o, "milter");
    x->out->action = text_of(x->a, json_object_get(o, "action"));
    if (!x->out->action.n) {
        struct slice why = text_of(x->a, json_object_get(o, "error"));
        return err_set(ERR_SYNTAX, why.n ? "it says: %.*s" : "its answer names no action",
                       SLF(printable(x->a, why, 200)));
    }
    x->out->said = said(x, o);
    int e = take_milter(x, m);
    if (!e) e = take_signatures(x, json_object_get(o, "dkim-signature"));
    return e ? e : take_action(x, o, m);
}

int rspamd_answer_parse(struct arena *a, struct slice json, struct rspamd_answer *out)
{
    json_error_t why;
    struct reading x = {.a = a, .out = out, .room = 8, .removals = 8};
    *out = (struct rspamd_answer){.verdict = {.kind = MILTER_SAYS_CONTINUE}};
    int e = bounded(json);
    if (e) return e;
    json_t *o = json_loadb(json.p ? json.p : "", json.n, 0, &why);
    if (!o) return err_set(ERR_SYNTAX, "its answer is no JSON: %s", why.text);
    out->removal = ar_array(a, struct rspamd_removal, 8);
    out->change = ar_array(a, struct rspamd_change, 8);
    e = take(&x, o);
    json_decref(o);
    return e;
}
