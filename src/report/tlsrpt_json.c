/* tlsrpt_json.c - TLS reports as documents: written (RFC 8460 section 4.4) and read, whoever wrote them.
 * Pure. */
#include <jansson.h>
#include <string.h>

#include "base/civil.h"
#include "base/text.h"
#include "tlsrpt_i.h"

/* ---- writing ---- */

static json_t *text(struct arena *a, struct slice s)
{
    s = printable(a, s, 1000); /* whatever it holds, it is UTF-8 then */
    return json_stringn(s.p ? s.p : "", s.n);
}

static json_t *texts(struct arena *a, const struct slice *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, text(a, v[i]));
    return list;
}

static void set(struct arena *a, json_t *o, const char *name, struct slice s)
{
    if (s.n) json_object_set_new(o, name, text(a, s));
}

static json_t *detail_json(struct arena *a, const struct tlsrpt_detail *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "result-type", json_string(policy_result_word(d->result)));
    set(a, o, "sending-mta-ip", d->source);
    set(a, o, "receiving-mx-hostname", d->host);
    set(a, o, "receiving-ip", d->ip);
    json_object_set_new(o, "failed-session-count", json_integer((json_int_t)d->count));
    set(a, o, "failure-reason-code", d->reason);
    return o;
}

static json_t *policy_json(struct arena *a, const struct tlsrpt_policy *p)
{
    json_t *o = json_object(), *policy = json_object(), *summary = json_object(), *details = json_array();
    json_object_set_new(policy, "policy-type", json_string(policy_kind_word(p->kind)));
    if (p->nstring) json_object_set_new(policy, "policy-string", texts(a, p->string, p->nstring));
    set(a, policy, "policy-domain", p->domain);
    if (p->nmx) json_object_set_new(policy, "mx-host", texts(a, p->mx, p->nmx));
    json_object_set_new(summary, "total-successful-session-count", json_integer((json_int_t)p->good));
    json_object_set_new(summary, "total-failure-session-count", json_integer((json_int_t)p->bad));
    for (size_t i = 0; i < p->n; i++) json_array_append_new(details, detail_json(a, &p->detail[i]));
    json_object_set_new(o, "policy", policy);
    json_object_set_new(o, "summary", summary);
    if (p->n) json_object_set_new(o, "failure-details", details);
    else json_decref(details);
    return o;
}

void tlsrpt_json(struct buf *out, const struct tlsrpt_out *r)
{
    struct arena a = {0};
    char from[CIVIL_TEXT_MAX], to[CIVIL_TEXT_MAX];
    json_t *o = json_object(), *range = json_object(), *list = json_array();
    set(&a, o, "organization-name", r->submitter);
    json_object_set_new(range, "start-datetime", json_string(civil_format(r->begin, from)));
    json_object_set_new(range, "end-datetime", json_string(civil_format(r->end, to)));
    json_object_set_new(o, "date-range", range);
    set(&a, o, "contact-info", r->contact);
    set(&a, o, "report-id", r->id);
    for (size_t i = 0; i < r->n; i++) json_array_append_new(list, policy_json(&a, &r->policy[i]));
    json_object_set_new(o, "policies", list);
    size_t n = json_dumpb(o, NULL, 0, JSON_COMPACT);
    char *room = buf_space(out, n);
    if (room) out->n += json_dumpb(o, room, n, JSON_COMPACT);
    json_decref(o);
    ar_free(&a);
}

/* ---- reading ---- */

static struct slice get(struct arena *a, json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_string(v) ? printable(a, sl(json_string_value(v), json_string_length(v)), 300) : SL("");
}

static uint64_t number(json_t *o, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(o, name));
    return n > 0 && n <= INT64_MAX / 100000 ? (uint64_t)n : 0;
}

/* "2016-04-01T23:59:59Z", with or without parts of seconds, in UTC or with an offset. */
static bool moment(struct slice s, int64_t *out)
{
    static const size_t at[] = {0, 5, 8, 11, 14, 17}, width[] = {4, 2, 2, 2, 2, 2};
    uint64_t v[6], h = 0, m = 0;
    for (size_t i = 0; i < 6; i++)
        if (s.n < 19 || !num_u64(sl_sub(s, at[i], at[i] + width[i]), 9999, &v[i])) return false;
    struct civil c = {.year = (int)v[0],
                      .month = (int)v[1],
                      .day = (int)v[2],
                      .hour = (int)v[3],
                      .minute = (int)v[4],
                      .second = (int)v[5]};
    if (!civil_to_unix(&c, out)) return false;
    struct slice zone = s.n >= 25 ? sl_from(s, s.n - 6) : SL("");
    bool offset = zone.n && (zone.p[0] == '+' || zone.p[0] == '-') && zone.p[3] == ':' &&
                  num_u64(sl_sub(zone, 1, 3), 23, &h) && num_u64(sl_from(zone, 4), 59, &m);
    if (offset) *out -= (zone.p[0] == '-' ? -1 : 1) * (int64_t)(h * 3600 + m * 60);
    return true;
}

static void take_details(struct arena *a, json_t *list, struct slice kind, struct tlsrpt_report *out)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        if (out->n == TLSRPT_IN_FAILURES) return;
        struct slice host = get(a, o, "receiving-mx-hostname");
        out->failure[out->n++] = (struct tlsrpt_failure){.result = sl_sub(get(a, o, "result-type"), 0, 60),
                                                         .kind = kind,
                                                         .host = ar_lower(a, sl_sub(host, 0, 253)),
                                                         .reason = get(a, o, "failure-reason-code"),
                                                         .sender = sl_sub(get(a, o, "sending-mta-ip"), 0, 45),
                                                         .count = number(o, "failed-session-count")};
    }
}

static int take_policies(struct arena *a, json_t *list, struct tlsrpt_report *out)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        json_t *policy = json_object_get(o, "policy"), *summary = json_object_get(o, "summary");
        struct slice kind = sl_sub(get(a, policy, "policy-type"), 0, 30);
        struct slice domain = ar_lower(a, sl_sub(get(a, policy, "policy-domain"), 0, 253));
        if (!out->domain.n) out->domain = domain;
        else if (!sl_eq(out->domain, domain)) return err_set(ERR_SYNTAX, "it speaks of several domains");
        out->good += number(summary, "total-successful-session-count");
        out->bad += number(summary, "total-failure-session-count");
        take_details(a, json_object_get(o, "failure-details"), kind, out);
    }
    return out->domain.n ? 0 : err_set(ERR_SYNTAX, "it names no domain");
}

/* Those in strings count as well: that is more than there are. */
static size_t parts(struct slice json)
{
    size_t n = 0;
    for (size_t i = 0; i < json.n; i++) n += json.p[i] == '{' || json.p[i] == '[';
    return n;
}

int tlsrpt_parse(struct arena *a, struct slice in, struct tlsrpt_report *out)
{
    json_error_t why;
    *out = (struct tlsrpt_report){0};
    if (in.n > TLSRPT_JSON_MAX)
        return err_set(ERR_LIMIT, "the report is larger than %d MB", TLSRPT_JSON_MAX >> 20);
    if (parts(in) > TLSRPT_JSON_PARTS)
        return err_set(ERR_LIMIT, "the report has more than %d objects and arrays", TLSRPT_JSON_PARTS);
    json_t *o = json_loadb(in.p ? in.p : "", in.n, JSON_REJECT_DUPLICATES, &why);
    if (!o) return err_set(ERR_SYNTAX, "the report is no JSON: %s", why.text);
    json_t *range = json_object_get(o, "date-range");
    out->failure = ar_array(a, struct tlsrpt_failure, TLSRPT_IN_FAILURES);
    out->org = get(a, o, "organization-name");
    out->contact = get(a, o, "contact-info");
    out->id = get(a, o, "report-id");
    bool dated = moment(get(a, range, "start-datetime"), &out->begin) &&
                 moment(get(a, range, "end-datetime"), &out->end);
    int e = !dated || !out->id.n ? err_set(ERR_SYNTAX, "the report has no id, or no period")
                                 : take_policies(a, json_object_get(o, "policies"), out);
    json_decref(o);
    return e;
}
