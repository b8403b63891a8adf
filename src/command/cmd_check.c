/* cmd_check.c - check spf, dkim, arc, message: the same code that judges letters, for people
 * who must find out why. Line 1 is the result; exit status 0 when it is pass (message: would be
 * accepted), 1 otherwise. */
#include <stdlib.h>

#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "mail/head.h"
#include "mailauth/mailauth.h"

enum { CHECK_INPUT_MAX = 200 << 20 };

/* An address as people give it: <> and the brackets are allowed. */
static struct slice path_of(struct slice s)
{
    s = sl_trim(s);
    if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>') s = sl_sub(s, 1, s.n - 1);
    return s;
}

static int take_ip(json_t *args, struct ip *ip)
{
    struct slice s = arg_slice(args, "ip");
    if (ip_parse(s, ip) || ip_parse_literal(s, ip)) return 0;
    return err_set(ERR_USAGE, "--ip %.*s is not an IP address", SLF(s));
}

int run_check_spf(struct request *r)
{
    struct spf_query q = {.helo = arg_slice(r->args, "helo"),
                          .mail_from = path_of(arg_slice(r->args, "mail-from")),
                          .receiver = r->core->conf->hostname};
    struct spf_result res;
    int e = take_ip(r->args, &q.ip);
    if (!e) e = spf_check(r->core->dns, r->a, &q, &res);
    if (e) return e;
    reply_text(r->reply, "result", sl_cstr(spf_result_name(res.code)));
    reply_text(r->reply, "domain", res.domain);
    reply_text(r->reply, "mechanism", res.mechanism);
    reply_text(r->reply, "problem", res.problem);
    reply_text(r->reply, "explanation", res.explanation);
    reply_text(r->reply, "received_spf", spf_received_field(r->a, &q, &res));
    return res.code == SPF_PASS ? 0 : NO;
}

void print_check_spf(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "%s\n", arg_text(reply, "result"));
    if (*arg_text(reply, "explanation")) buf_printf(out, "explanation: %s\n", arg_text(reply, "explanation"));
    if (*arg_text(reply, "domain")) buf_printf(out, "domain: %s\n", arg_text(reply, "domain"));
    if (*arg_text(reply, "mechanism")) buf_printf(out, "decided by: %s\n", arg_text(reply, "mechanism"));
    if (*arg_text(reply, "problem")) buf_printf(out, "problem: %s\n", arg_text(reply, "problem"));
    buf_str(out, arg_text(reply, "received_spf"));
}

/* ---- messages ---- */

/* A file with the line ends of Unix is taken as the message it stands for. */
static struct slice with_crlf(struct arena *a, struct slice in)
{
    size_t lines = 0;
    if (sl_find(in, SL("\r\n")) != SL_NONE) return in;
    for (size_t i = 0; i < in.n; i++) lines += in.p[i] == '\n';
    char *p = ar_alloc(a, in.n + lines + 1), *at = p;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n') *at++ = '\r';
        *at++ = in.p[i];
    }
    return sl(p, (size_t)(at - p));
}

static int read_message(struct arena *a, struct mail_head *head, struct slice *message)
{
    struct buf in = BUF_INIT;
    int e = read_input(CHECK_INPUT_MAX, &in);
    if (!e) {
        *message = with_crlf(a, ar_dup(a, buf_slice(&in)));
        e = mail_head_parse(a, *message, head);
    }
    buf_free(&in);
    return e;
}

int run_check_dkim(struct request *r)
{
    struct mail_head head;
    struct slice message;
    struct dkim_results res;
    int e = read_message(r->a, &head, &message);
    if (e) return e;
    struct dkim_body *b = dkim_body_new(r->a);
    struct dkim_verify *v = dkim_verify_new(r->a, &head, NULL, b);
    dkim_body_add(b, sl_from(message, head.body_at));
    dkim_body_end(b);
    e = dkim_verify_end(v, r->core->dns, &res);
    if (e) return e;
    json_t *list = json_array();
    for (size_t i = 0; i < res.n; i++) {
        json_t *o = json_object();
        reply_text(o, "result", sl_cstr(dkim_result_name(res.v[i].result)));
        reply_text(o, "domain", res.v[i].domain);
        reply_text(o, "selector", res.v[i].selector);
        reply_text(o, "algorithm", res.v[i].algorithm);
        reply_text(o, "identity", res.v[i].identity);
        reply_text(o, "reason", res.v[i].reason);
        reply_int(o, "key_bits", res.v[i].key_bits);
        json_object_set_new(o, "testing", json_boolean(res.v[i].testing));
        reply_text(o, "line", dkim_sig_line(r->a, &res.v[i]));
        json_array_append_new(list, o);
    }
    json_object_set_new(r->reply, "signatures", list);
    reply_text(r->reply, "overall", sl_cstr(dkim_result_name(res.overall)));
    return res.overall == DKIM_PASS ? 0 : NO;
}

void print_check_dkim(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *o, *list = json_object_get(reply, "signatures");
    if (!json_array_size(list)) buf_str(out, "none: the message has no DKIM-Signature\n");
    json_array_foreach(list, i, o) buf_printf(out, "%s\n", arg_text(o, "line"));
}

static json_t *arc_set_json(const struct arc_set *s)
{
    json_t *o = json_object();
    reply_int(o, "instance", s->instance);
    reply_text(o, "seal_domain", s->seal_domain);
    reply_text(o, "seal_selector", s->seal_selector);
    reply_text(o, "message_domain", s->ams_domain);
    reply_text(o, "message_selector", s->ams_selector);
    reply_text(o, "cv", s->cv);
    reply_text(o, "seal", sl_cstr(dkim_result_name(s->seal_result)));
    reply_text(o, "message_signature", sl_cstr(dkim_result_name(s->ams_result)));
    reply_text(o, "reason", s->reason);
    reply_text(o, "authentication_results", s->aar);
    return o;
}

int run_check_arc(struct request *r)
{
    struct mail_head head;
    struct slice message;
    struct arc_result res;
    int e = read_message(r->a, &head, &message);
    if (e) return e;
    struct dkim_body *b = dkim_body_new(r->a);
    struct arc_verify *v = arc_verify_new(r->a, &head, NULL, b);
    dkim_body_add(b, sl_from(message, head.body_at));
    dkim_body_end(b);
    e = arc_verify_end(v, r->core->dns, &res);
    if (e) return e;
    json_t *chain = json_array();
    for (size_t i = 0; i < res.n; i++) json_array_append_new(chain, arc_set_json(&res.set[i]));
    reply_text(r->reply, "result", sl_cstr(arc_status_name(res.status)));
    reply_text(r->reply, "reason", res.reason);
    json_object_set_new(r->reply, "chain", chain);
    return res.status == ARC_PASS ? 0 : NO;
}

void print_check_arc(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *o;
    buf_printf(out, "%s\n", arg_text(reply, "result"));
    if (*arg_text(reply, "reason")) buf_printf(out, "%s\n", arg_text(reply, "reason"));
    json_array_foreach(json_object_get(reply, "chain"), i, o) {
        buf_printf(out, "i=%lld  cv=%s  seal %s by %s (%s)  message signature %s by %s (%s)",
                   (long long)json_integer_value(json_object_get(o, "instance")), arg_text(o, "cv"),
                   arg_text(o, "seal"), arg_text(o, "seal_domain"), arg_text(o, "seal_selector"),
                   arg_text(o, "message_signature"), arg_text(o, "message_domain"),
                   arg_text(o, "message_selector"));
        if (*arg_text(o, "reason")) buf_printf(out, "  %s", arg_text(o, "reason"));
        buf_printf(out, "\n      it saw: %s\n", arg_text(o, "authentication_results"));
    }
}

int run_check_message(struct request *r)
{
    struct mail_head head;
    struct slice message;
    struct mailauth_conn conn = {.helo = arg_slice(r->args, "helo")};
    struct mailauth_envelope env = {.mail_from = path_of(arg_slice(r->args, "mail-from"))};
    struct mailauth_verdict v;
    int e = take_ip(r->args, &conn.ip);
    if (!e) e = read_message(r->a, &head, &message);
    if (!e) e = mailauth_check(r->core->mailauth, r->a, &conn, &env, message, &v);
    if (e) return e;
    reply_text(r->reply, "field", v.field);
    reply_text(r->reply, "disposition", sl_cstr(mailauth_disposition_name(v.disposition)));
    reply_int(r->reply, "reply", v.reply);
    reply_text(r->reply, "enhanced", sl_cstr(v.enhanced));
    reply_text(r->reply, "sentence", v.sentence);
    if (v.overridden) reply_text(r->reply, "override", v.override_why);
    reply_int(r->reply, "dns_questions", v.questions);
    reply_int(r->reply, "took_us", v.took_us);
    return v.disposition == MAILAUTH_ACCEPT ? 0 : NO;
}

void print_check_message(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_str(out, arg_text(reply, "field"));
    buf_printf(out, "%s: %lld %s %s\n", arg_text(reply, "disposition"),
               (long long)json_integer_value(json_object_get(reply, "reply")), arg_text(reply, "enhanced"),
               arg_text(reply, "sentence"));
    if (*arg_text(reply, "override")) buf_printf(out, "override: %s\n", arg_text(reply, "override"));
}
