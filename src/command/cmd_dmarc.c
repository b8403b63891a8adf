/* cmd_dmarc.c - dmarc report: who sends as us, as others saw it; dmarc send-reports. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "report/dmarc_store.h"

static const char *pass_or_fail(bool pass) { return pass ? "pass" : "fail"; }

static json_t *line_json(struct arena *a, const struct dmarc_line *l)
{
    char ip[IP_TEXT_MAX];
    json_t *o = json_object(), *reporters = json_array();
    reply_text(o, "source", sl_cstr(ip_format(&l->source, ip)));
    reply_int(o, "count", (int64_t)l->count);
    reply_text(o, "disposition", sl_cstr(dmarc_disposition_name(l->disposition)));
    reply_text(o, "dkim", sl_cstr(pass_or_fail(l->dkim)));
    reply_text(o, "spf", sl_cstr(pass_or_fail(l->spf)));
    reply_text(o, "header_from", printable(a, l->header_from, 253));
    for (size_t i = 0; i < l->nreporter; i++)
        json_array_append_new(reporters, json_stringn(l->reporter[i].p, l->reporter[i].n));
    json_object_set_new(o, "reporters", reporters);
    return o;
}

int run_dmarc_report(struct request *r)
{
    struct dmarc_history h;
    int64_t days = arg_number(r->args, "days");
    int e = dmarc_store_read(r->core->reports, r->a, arg_slice(r->args, "domain"),
                             rt_wall_seconds() - days * 86400, &h);
    if (e) return e;
    json_t *lines = json_array();
    for (size_t i = 0; i < h.n; i++) json_array_append_new(lines, line_json(r->a, &h.line[i]));
    reply_int(r->reply, "days", days);
    reply_int(r->reply, "reports", (int64_t)h.reports);
    reply_int(r->reply, "unproved_reports", (int64_t)h.unproved);
    reply_int(r->reply, "passing", (int64_t)h.passing);
    reply_int(r->reply, "failing", (int64_t)h.failing);
    reply_int(r->reply, "not_listed", (int64_t)h.not_listed);
    reply_int(r->reply, "first", h.first);
    reply_int(r->reply, "last", h.last);
    json_object_set_new(r->reply, "sources", lines);
    return 0;
}

static void print_line(json_t *l, struct buf *out)
{
    size_t i;
    json_t *name;
    buf_printf(out, "%-39s %8lld  %-10s dkim %s  spf %s  %s  (", arg_text(l, "source"),
               (long long)arg_number(l, "count"), arg_text(l, "disposition"), arg_text(l, "dkim"),
               arg_text(l, "spf"), arg_text(l, "header_from"));
    json_array_foreach(json_object_get(l, "reporters"), i, name)
        buf_printf(out, "%s%s", i ? ", " : "", json_string_value(name));
    buf_str(out, ")\n");
}

void print_dmarc_report(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *l;
    char from[CIVIL_TEXT_MAX], to[CIVIL_TEXT_MAX];
    if (!arg_number(reply, "reports"))
        buf_printf(out, "No report about %s came in the last %lld days.\n", arg_text(args, "domain"),
                   (long long)arg_number(reply, "days"));
    else
        buf_printf(out, "%lld report%s about %s, %s to %s: %lld letters pass, %lld fail.\n",
                   (long long)arg_number(reply, "reports"), arg_number(reply, "reports") == 1 ? "" : "s",
                   arg_text(args, "domain"), civil_format(arg_number(reply, "first"), from),
                   civil_format(arg_number(reply, "last"), to), (long long)arg_number(reply, "passing"),
                   (long long)arg_number(reply, "failing"));
    json_array_foreach(json_object_get(reply, "sources"), i, l) print_line(l, out);
    if (arg_number(reply, "not_listed"))
        buf_printf(out, "%lld letters more are counted, but not listed.\n",
                   (long long)arg_number(reply, "not_listed"));
    if (arg_number(reply, "unproved_reports"))
        buf_printf(out, "%lld reports are left out: their sender did not pass DMARC.\n",
                   (long long)arg_number(reply, "unproved_reports"));
}

int run_dmarc_send_reports(struct request *r)
{
    struct dmarc_sent sent;
    struct slice domain = core_domain(r->core, r->a);
    int e = dmarc_store_send(r->core->reports, domain.n ? domain : r->core->conf->hostname, true, &sent);
    if (e) return e;
    reply_int(r->reply, "domains", (int64_t)sent.domains);
    reply_int(r->reply, "letters", (int64_t)sent.letters);
    reply_int(r->reply, "kept_here", (int64_t)sent.kept);
    reply_int(r->reply, "later", (int64_t)sent.later);
    return 0;
}

void print_dmarc_send_reports(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out,
               "%lld domains are done: %lld letters with reports are in the queue, %lld reports are about "
               "domains of ours and kept here.\n",
               (long long)arg_number(reply, "domains"), (long long)arg_number(reply, "letters"),
               (long long)arg_number(reply, "kept_here"));
    if (arg_number(reply, "later"))
        buf_printf(out, "%lld domains have to wait; the log says why.\n",
                   (long long)arg_number(reply, "later"));
}
