/* cmd_shape.c - check reply: what a server's refusal means; shaping check: are the rules in order? */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "dns/dns.h"
#include "shape/limits.h"
#include "shape/reply.h"
#include "source/source.h"
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
    struct shaping *sites;
    if ((e = shaping_open(&sites)) != 0) {
        replies_close(&rules);
        return e;
    }
    replies_check(rules, replies_corpus(), &out);
    shaping_check(sites, &out);
    reply_int(r->reply, "sites", (int64_t)shaping_sites(sites));
    shaping_close(&sites);
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
               "%lld rules of %s, %lld sites, %zu faults; of the %lld lines of the corpus %lld are "
               "classified rightly\n",
               (long long)arg_number(reply, "rules"), arg_text(reply, "dated"),
               (long long)arg_number(reply, "sites"), i, (long long)arg_number(reply, "lines"),
               (long long)arg_number(reply, "right"));
}

/* ---- shaping show ---- */

/* The most preferred host for mail to the domain: its name, of several equal ones the first by name. */
static int mail_host(struct core *core, struct arena *a, struct slice domain, struct slice *out)
{
    struct dns_answer r;
    struct slice ascii;
    int e = dns_to_ascii(a, domain, &ascii);
    if (!e) e = dns_ask(core->dns, a, ascii, DNS_MX, &r);
    if (e) return e;
    if (r.status == DNS_TEMPFAIL)
        return err_set(ERR_DNS, "DNS gave no answer about %.*s: %.*s", SLF(ascii), SLF(r.why));
    if (r.status == DNS_NXDOMAIN) return err_set(ERR_NOT_FOUND, "the domain %.*s does not exist", SLF(ascii));
    *out = ascii;
    for (size_t i = 0, best = 0; r.status == DNS_FOUND && i < r.n; i++) {
        bool better = r.rr[i].mx.preference < r.rr[best].mx.preference ||
                      (r.rr[i].mx.preference == r.rr[best].mx.preference &&
                       sl_cmp(r.rr[i].mx.host, r.rr[best].mx.host) < 0);
        if (better) best = i;
        *out = r.rr[best].mx.host;
    }
    return out->n ? 0 : err_set(ERR_NOT_FOUND, "the domain %.*s takes no mail (null MX)", SLF(ascii));
}

/* Letters a minute that these limits let through when every server takes them at once. */
static int64_t ceiling(const struct shape_limits *l)
{
    uint64_t opened = (uint64_t)l->v[SHAPE_OPENS].n * l->v[SHAPE_LETTERS].n, rate = l->v[SHAPE_RATE].n;
    return (int64_t)(opened < rate ? opened : rate);
}

/* From one of several sources: the limits are its own, and its warm-up binds as well. */
static int tell_source(struct request *r, struct slice name, struct slice site)
{
    struct source_plan *p = source_plan_now(r->core->sources);
    const struct source *s = source_find(p, name);
    struct warm_group g = {0};
    char ip[IP_TEXT_MAX];
    int e =
        s ? 0 : err_set(ERR_NOT_FOUND, "there is no source %.*s: `tram source list` names them", SLF(name));
    if (s) {
        reply_text(r->reply, "address", sl_cstr(ip_format(&s->ip, ip)));
        reply_text(r->reply, "pool", s->pool);
        (void)source_warm_group(r->core->sources, name, site, false, &g);
        if (g.allowance) {
            reply_int(r->reply, "allowance_today", g.allowance);
            reply_int(r->reply, "used_today", g.sent);
        }
    }
    source_plan_drop(&p);
    return e;
}

int run_shaping_show(struct request *r)
{
    struct shaping *s;
    struct shape_limits l;
    struct slice host;
    json_t *limits = json_object();
    int e = mail_host(r->core, r->a, arg_slice(r->args, "domain"), &host);
    if (!e) e = shaping_open(&s);
    if (e) return e;
    shaping_limits(s, host, &l);
    reply_text(r->reply, "host", host);
    reply_text(r->reply, "site", l.site);
    json_object_set_new(r->reply, "apart", json_boolean(l.apart));
    reply_text(r->reply, "dated", shaping_dated(s));
    for (int i = 0; i < SHAPE_NLIMITS; i++) {
        json_t *o = json_object();
        reply_int(o, "limit", l.v[i].n);
        reply_text(o, "from", l.v[i].from);
        reply_text(o, "source", l.v[i].source);
        json_object_set_new(limits, shape_limit_word((enum shape_limit)i), o);
    }
    json_object_set_new(r->reply, "limits", limits);
    reply_int(r->reply, "ceiling", ceiling(&l));
    if (arg_slice(r->args, "from").n) e = tell_source(r, arg_slice(r->args, "from"), l.site);
    shaping_close(&s);
    return e;
}

void print_shaping_show(json_t *args, json_t *reply, struct buf *out)
{
    const char *name;
    json_t *o;
    buf_printf(out, "%s goes to %s: the site %s of share/shaping/sites, dated %s\n", arg_text(args, "domain"),
               arg_text(reply, "host"), arg_text(reply, "site"), arg_text(reply, "dated"));
    json_object_foreach(json_object_get(reply, "limits"), name, o)
        buf_printf(out, "  %-12s %6lld  from %s: %s\n", name, (long long)arg_number(o, "limit"),
                   arg_text(o, "from"), arg_text(o, "source"));
    buf_printf(out,
               "connections: at once from the whole node, %s; rate, opens: letters and connections a minute; "
               "letters: a "
               "connection; recipients: a transaction\n",
               arg_flag(reply, "apart") || strcmp(arg_text(reply, "site"), "default") == 0
                   ? "to each set of MX hosts"
                   : "to all domains of the site together");
    buf_printf(out, "so at most %lld letters a minute leave for it", (long long)arg_number(reply, "ceiling"));
    if (*arg_text(args, "from"))
        buf_printf(out, " from %s (%s, pool %s)", arg_text(args, "from"), arg_text(reply, "address"),
                   arg_text(reply, "pool"));
    else buf_str(out, " from each source");
    if (arg_number(reply, "allowance_today"))
        buf_printf(out, ", and of today's %lld while it warms up %lld are used (`tram source show`)",
                   (long long)arg_number(reply, "allowance_today"),
                   (long long)arg_number(reply, "used_today"));
    buf_str(out, "\n");
}
