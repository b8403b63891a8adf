/* cmd_dns.c - dns records and dns check. */
#include "cmd.h"
#include "core/certificate.h"
#include "dns_check.h"
#include "dns_records.h"
#include "rt/file.h"

/* The node's certificate, or nothing when it cannot be read. */
struct slice served_certificate(struct core *core, struct arena *a)
{
    struct slice chain, key;
    return core_certificate(core, a, &chain, &key) == 0 ? chain : SL("");
}

int run_dns_records(struct request *r)
{
    struct dns_line *v;
    size_t n;
    int e = dns_records_of(r->core, r->a, arg_slice(r->args, "domain"), served_certificate(r->core, r->a), &v,
                           &n);
    json_t *list = json_array();
    for (size_t i = 0; !e && i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "name", v[i].name);
        reply_text(o, "type", sl_cstr(dns_type_name(v[i].type)));
        reply_text(o, "data", v[i].data);
        reply_text(o, "line", dns_line_text(r->a, &v[i]));
        reply_text(o, "what", sl_cstr(v[i].what));
        reply_text(o, "why", sl_cstr(v[i].why));
        json_object_set_new(o, "optional", json_boolean(v[i].optional));
        json_array_append_new(list, o);
    }
    json_object_set_new(r->reply, "records", list);
    return e;
}

void print_dns_records(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    const char *last = "";
    buf_printf(out, "; what to publish for %s\n", arg_text(args, "domain"));
    json_array_foreach(json_object_get(reply, "records"), i, o) {
        const char *why = arg_text(o, "why");
        if (strcmp(why, last) != 0)
            buf_printf(out, "; %s: %s%s\n", arg_text(o, "what"), why,
                       json_is_true(json_object_get(o, "optional")) ? " (optional)" : "");
        last = why;
        buf_printf(out, "%s\n", arg_text(o, "line"));
    }
}

/* ---- dns check ---- */

int run_dns_check(struct request *r)
{
    struct dns_checked *v;
    size_t n;
    bool good = true;
    struct dns *dns = NULL;
    int e = core_fresh_dns(r->core, r->a, &dns);
    if (!e)
        e = dns_check_domain(r->core, dns, r->a, arg_slice(r->args, "domain"),
                             served_certificate(r->core, r->a), &v, &n);
    dns_close(&dns);
    json_t *list = json_array();
    for (size_t i = 0; !e && i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "what", v[i].what);
        reply_text(o, "name", v[i].name);
        reply_text(o, "finding", sl_cstr(dns_finding_name(v[i].finding)));
        reply_text(o, "sentence", v[i].sentence);
        if (v[i].publish.n) reply_text(o, "publish", v[i].publish);
        json_array_append_new(list, o);
        good = good && (v[i].finding == FINDING_RIGHT || v[i].finding == FINDING_ABSENT_OPTIONAL);
    }
    json_object_set_new(r->reply, "checked", list);
    return e ? e : good ? 0 : NO;
}

void print_dns_check(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    size_t faults = 0;
    json_array_foreach(json_object_get(reply, "checked"), i, o) {
        const char *finding = arg_text(o, "finding"), *publish = arg_text(o, "publish");
        buf_printf(out, "%-13s  %s%s%s: %s\n", finding, arg_text(o, "what"), *arg_text(o, "name") ? " " : "",
                   arg_text(o, "name"), arg_text(o, "sentence"));
        if (*publish) buf_printf(out, "               publish: %s\n", publish);
        faults += strcmp(finding, "right") != 0 && strcmp(finding, "not published") != 0;
    }
    if (faults) buf_printf(out, "\n%zu of these want your attention.\n", faults);
    else buf_printf(out, "\nAll that %s needs is right.\n", arg_text(args, "domain"));
}
