/* cmd_shape.c - check reply: what a server's refusal means; shaping check: are the rules in order? */
#include "base/text.h"
#include "cmd.h"
#include "shape/reply.h"
#include "wire/smtp.h"

/* The code in front of the first line, 0 for text without. */
static int code_of(struct slice text)
{
    uint64_t code = 0;
    bool has = text.n >= 3 && num_u64(sl_sub(text, 0, 3), 599, &code) && code >= 200;
    return has && (text.n == 3 || strchr(" -\r\n", text.p[3])) ? (int)code : 0;
}

static int read_reply(struct arena *a, struct slice *out)
{
    struct buf in = BUF_INIT;
    int e = read_input(SMTP_REPLY_BYTES_MAX, &in);
    if (!e) *out = sl_trim(ar_dup(a, buf_slice(&in)));
    if (!e && !out->n) e = err_set(ERR_USAGE, "give the reply on standard input");
    buf_free(&in);
    return e;
}

static void tell_verdict(json_t *o, const struct reply_verdict *v)
{
    static const char *const suppress[] = {"no", "when repeated", "yes"};
    reply_text(o, "class", sl_cstr(reply_class_word(v->class)));
    reply_text(o, "rule", sl_cstr(v->rule));
    reply_text(o, "about", sl_cstr(reply_about_word(v->about)));
    reply_text(o, "suppress", sl_cstr(suppress[v->suppress]));
    json_object_set_new(o, "again", json_boolean(v->again));
    json_object_set_new(o, "pause", json_boolean(v->pause));
    reply_int(o, "first_wait", v->first);
    reply_int(o, "longest_wait", v->most);
}

int run_check_reply(struct request *r)
{
    struct replies *rules = NULL;
    struct reply_verdict v;
    struct reply_in in = {.host = arg_slice(r->args, "host")};
    int e = read_reply(r->a, &in.text);
    if (!e) e = replies_open(&rules);
    if (e) return e;
    in.code = code_of(in.text);
    reply_class(rules, r->a, &in, &v);
    tell_verdict(r->reply, &v);
    replies_close(&rules);
    return v.class == REPLY_UNKNOWN ? NO : 0;
}

void print_check_reply(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "%s\n", arg_text(reply, "class"));
    buf_printf(out, "decided by: %s\n", arg_text(reply, "rule"));
    buf_printf(out, "it refuses: %s\n", arg_text(reply, "about"));
    buf_printf(out, "try again: %s", arg_flag(reply, "again") ? "yes" : "no");
    if (arg_flag(reply, "again") && arg_number(reply, "first_wait"))
        buf_printf(out, ", first after %lld times the first interval",
                   (long long)arg_number(reply, "first_wait"));
    buf_printf(out, "\nmay the address be suppressed: %s\n", arg_text(reply, "suppress"));
    if (arg_flag(reply, "pause"))
        buf_str(out, "it speaks of us: after a few of them the path to this site rests\n");
}

/* ---- shaping check ---- */

static void score(const struct replies *rules, struct arena *a, json_t *o)
{
    struct slice rest = replies_corpus(), line;
    int64_t lines = 0, right = 0;
    while (sl_next(&rest, '\n', &line)) {
        struct reply_line l;
        struct reply_verdict v;
        int bad;
        if (!reply_line_read(a, line, &l, &bad)) continue;
        reply_class(rules, a, &l.in, &v);
        lines++;
        right += reply_line_expects(&l, v.class);
    }
    reply_int(o, "lines", lines);
    reply_int(o, "right", right);
}

int run_shaping_check(struct request *r)
{
    struct replies *rules;
    struct buf out = BUF_INIT;
    json_t *faults = json_array();
    int e = replies_open(&rules);
    if (e) return e;
    replies_check(rules, replies_corpus(), &out);
    struct slice rest = buf_slice(&out), line;
    while (sl_next(&rest, '\n', &line))
        if (line.n) json_array_append_new(faults, text_value(line));
    reply_int(r->reply, "rules", (int64_t)replies_count(rules));
    reply_text(r->reply, "dated", replies_dated(rules));
    score(rules, r->a, r->reply);
    e = json_array_size(faults) ? NO : 0;
    json_object_set_new(r->reply, "faults", faults);
    buf_free(&out);
    replies_close(&rules);
    return e;
}

void print_shaping_check(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *fault;
    json_array_foreach(json_object_get(reply, "faults"), i, fault)
        buf_printf(out, "%s\n", json_string_value(fault));
    buf_printf(out,
               "%lld rules of %s, %zu faults; of the %lld lines of the corpus %lld are classified rightly\n",
               (long long)arg_number(reply, "rules"), arg_text(reply, "dated"), i,
               (long long)arg_number(reply, "lines"), (long long)arg_number(reply, "right"));
}
