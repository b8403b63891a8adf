/* dmarc_read.c - received aggregate reports (RFC 9990, and RFC 7489 appendix C). Pure.
 *
 * expat reads the XML. A document type declaration ends it at once, so no entity but the
 * five of XML exists; depth, texts and counts are bounded. Elements are known by their
 * path; what is unknown is passed over. */
#include <expat.h>

#include "base/text.h"
#include "dmarc_report.h"

enum {
    DEPTH_MAX = 16,
    TEXT_KEPT_MAX = 1024,
    ELEMENTS_MAX = 2000000,
    PATH_MAX_BYTES = 256,
    TAG_MAX = 16384,
    CHUNK = 65536
};

struct reading {
    struct arena *a;
    struct dmarc_report *out;
    XML_Parser parser;
    int error; /* why it was stopped */
    size_t cap;
    struct dmarc_row row; /* the record being read */
    bool row_bad, has_ip, has_from;
    int depth;
    size_t elements;
    char path[PATH_MAX_BYTES];  /* "feedback/record/row" */
    size_t ends[DEPTH_MAX + 1]; /* where the path of each depth ends */
    char text[TEXT_KEPT_MAX];
    size_t ntext;
};

static void stop(struct reading *r, int code)
{
    if (!r->error) r->error = code;
    XML_StopParser(r->parser, XML_FALSE);
}

/* ---- what texts mean ---- */

static struct slice text_of(struct reading *r) { return sl_trim(sl(r->text, r->ntext)); }

static void keep(struct reading *r, struct slice *to) { *to = ar_dup(r->a, text_of(r)); }

/* Domains and words: printable ASCII or UTF-8 without controls; others make the record bad. */
static void keep_word(struct reading *r, struct slice *to)
{
    struct slice t = text_of(r);
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] <= ' ' || t.p[i] == 0x7f) r->row_bad = true;
    if (t.n > 253) r->row_bad = true;
    *to = ar_lower(r->a, t);
}

static int64_t time_of(struct reading *r)
{
    uint64_t v;
    if (num_u64(text_of(r), (uint64_t)1 << 40, &v)) return (int64_t)v;
    stop(r, err_set(ERR_SYNTAX, "the report has no proper date range"));
    return 0;
}

static bool policy_of(struct reading *r, enum dmarc_policy *to)
{
    struct slice t = text_of(r);
    if (sl_eqi(t, SL("reject"))) *to = DMARC_P_REJECT;
    else if (sl_eqi(t, SL("quarantine"))) *to = DMARC_P_QUARANTINE;
    else if (sl_eqi(t, SL("none"))) *to = DMARC_P_NONE;
    else return false;
    return true;
}

static void read_disposition(struct reading *r)
{
    static const enum dmarc_disposition all[] = {DMARC_D_NONE, DMARC_D_PASS, DMARC_D_QUARANTINE,
                                                 DMARC_D_REJECT};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (sl_eqi(text_of(r), sl_cstr(dmarc_disposition_name(all[i])))) {
            r->row.disposition = all[i];
            return;
        }
    r->row_bad = true;
}

static void read_aligned(struct reading *r, bool *to)
{
    *to = sl_eqi(text_of(r), SL("pass"));
    if (!*to && !sl_eqi(text_of(r), SL("fail"))) r->row_bad = true;
}

static struct dmarc_row_dkim *dkim_now(struct reading *r)
{
    return r->row.ndkim && r->row.ndkim <= DMARC_ROW_DKIM_MAX ? &r->row.dkim[r->row.ndkim - 1] : NULL;
}

static void end_record(struct reading *r)
{
    struct dmarc_report *o = r->out;
    if (r->row.ndkim > DMARC_ROW_DKIM_MAX) r->row.ndkim = DMARC_ROW_DKIM_MAX;
    if (r->row_bad || !r->has_ip || !r->has_from) {
        o->skipped++;
        return;
    }
    if (o->n >= DMARC_REPORT_ROWS_MAX) {
        stop(r, err_set(ERR_LIMIT, "the report has more than %d records", DMARC_REPORT_ROWS_MAX));
        return;
    }
    if (o->n == r->cap) o->row = ar_grow(r->a, o->row, &r->cap, sizeof *o->row);
    o->row[o->n++] = r->row;
}

/* ---- paths ---- */

enum place {
    P_ORG,
    P_EMAIL,
    P_EXTRA,
    P_ID,
    P_ERROR,
    P_GENERATOR,
    P_BEGIN,
    P_END,
    P_DOMAIN,
    P_P,
    P_SP,
    P_NP,
    P_ADKIM,
    P_ASPF,
    P_FO,
    P_TESTING,
    P_DISCOVERY,
    P_RECORD,
    P_IP,
    P_COUNT,
    P_DISPOSITION,
    P_DKIM_ALIGNED,
    P_SPF_ALIGNED,
    P_REASON,
    P_COMMENT,
    P_HEADER_FROM,
    P_ENVELOPE_FROM,
    P_ENVELOPE_TO,
    P_DKIM,
    P_DKIM_DOMAIN,
    P_DKIM_SELECTOR,
    P_DKIM_RESULT,
    P_SPF_DOMAIN,
    P_SPF_RESULT,
};
static const struct {
    const char *path;
    enum place place;
} places[] = {
    {"report_metadata/org_name", P_ORG},
    {"report_metadata/email", P_EMAIL},
    {"report_metadata/extra_contact_info", P_EXTRA},
    {"report_metadata/report_id", P_ID},
    {"report_metadata/error", P_ERROR},
    {"report_metadata/generator", P_GENERATOR},
    {"report_metadata/date_range/begin", P_BEGIN},
    {"report_metadata/date_range/end", P_END},
    {"policy_published/domain", P_DOMAIN},
    {"policy_published/p", P_P},
    {"policy_published/sp", P_SP},
    {"policy_published/np", P_NP},
    {"policy_published/adkim", P_ADKIM},
    {"policy_published/aspf", P_ASPF},
    {"policy_published/fo", P_FO},
    {"policy_published/testing", P_TESTING},
    {"policy_published/discovery_method", P_DISCOVERY},
    {"record", P_RECORD},
    {"record/row/source_ip", P_IP},
    {"record/row/count", P_COUNT},
    {"record/row/policy_evaluated/disposition", P_DISPOSITION},
    {"record/row/policy_evaluated/dkim", P_DKIM_ALIGNED},
    {"record/row/policy_evaluated/spf", P_SPF_ALIGNED},
    {"record/row/policy_evaluated/reason/type", P_REASON},
    {"record/row/policy_evaluated/reason/comment", P_COMMENT},
    {"record/identifiers/header_from", P_HEADER_FROM},
    {"record/identifiers/envelope_from", P_ENVELOPE_FROM},
    {"record/identifiers/envelope_to", P_ENVELOPE_TO},
    {"record/auth_results/dkim", P_DKIM},
    {"record/auth_results/dkim/domain", P_DKIM_DOMAIN},
    {"record/auth_results/dkim/selector", P_DKIM_SELECTOR},
    {"record/auth_results/dkim/result", P_DKIM_RESULT},
    {"record/auth_results/spf/domain", P_SPF_DOMAIN},
    {"record/auth_results/spf/result", P_SPF_RESULT},
};

static int place_of(const struct reading *r)
{
    struct slice path = sl(r->path, r->ends[r->depth]), root = SL("feedback/");
    if (!sl_starts(path, root)) return -1;
    path = sl_from(path, root.n);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (sl_eq(path, sl_cstr(places[i].path))) return (int)places[i].place;
    return -1;
}

static void read_metadata(struct reading *r, enum place p)
{
    struct dmarc_report *o = r->out;
    switch (p) {
    case P_ORG: keep(r, &o->org_name); break;
    case P_EMAIL: keep(r, &o->email); break;
    case P_EXTRA: keep(r, &o->extra); break;
    case P_ID: keep(r, &o->report_id); break;
    case P_ERROR: keep(r, &o->error); break;
    case P_GENERATOR: keep(r, &o->generator); break;
    case P_BEGIN: o->begin = time_of(r); break;
    default: o->end = time_of(r);
    }
}

static void read_published(struct reading *r, enum place p)
{
    struct dmarc_published *d = &r->out->published;
    switch (p) {
    case P_DOMAIN: d->domain = ar_lower(r->a, text_of(r)); break;
    case P_P: policy_of(r, &d->p); break;
    case P_SP: d->has_sp = policy_of(r, &d->sp); break;
    case P_NP: d->has_np = policy_of(r, &d->np); break;
    case P_ADKIM: d->adkim_strict = sl_eqi(text_of(r), SL("s")); break;
    case P_ASPF: d->aspf_strict = sl_eqi(text_of(r), SL("s")); break;
    case P_FO: keep(r, &d->fo); break;
    case P_TESTING: d->testing = sl_eqi(text_of(r), SL("y")); break;
    default: keep(r, &d->discovery);
    }
}

static void read_row(struct reading *r, enum place p)
{
    struct dmarc_row *w = &r->row;
    switch (p) {
    case P_IP: r->has_ip = ip_parse(text_of(r), &w->source); break;
    case P_COUNT:
        if (!num_u64(text_of(r), (uint64_t)1 << 40, &w->count)) r->row_bad = true;
        break;
    case P_DISPOSITION: read_disposition(r); break;
    case P_DKIM_ALIGNED: read_aligned(r, &w->dkim_aligned); break;
    case P_SPF_ALIGNED: read_aligned(r, &w->spf_aligned); break;
    case P_REASON: keep_word(r, &w->reason_type); break;
    case P_COMMENT: keep(r, &w->reason); break;
    case P_HEADER_FROM:
        keep_word(r, &w->header_from);
        r->has_from = w->header_from.n > 0;
        break;
    case P_ENVELOPE_FROM: keep_word(r, &w->envelope_from); break;
    default: keep_word(r, &w->envelope_to);
    }
}

static void read_auth(struct reading *r, enum place p)
{
    struct dmarc_row_dkim *k = dkim_now(r), none;
    if (!k) k = &none;
    switch (p) {
    case P_DKIM_DOMAIN: keep_word(r, &k->domain); break;
    case P_DKIM_SELECTOR: keep_word(r, &k->selector); break;
    case P_DKIM_RESULT: keep_word(r, &k->result); break;
    case P_SPF_DOMAIN: keep_word(r, &r->row.spf_domain); break;
    default: keep_word(r, &r->row.spf_result);
    }
}

/* ---- expat ---- */

/* "ns:name" is "name": reports bind the namespace in several ways, or not at all. */
static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *r = arg;
    (void)attributes;
    const char *local = local_name(name);
    size_t n = strlen(local), at = r->ends[r->depth];
    if (++r->elements > ELEMENTS_MAX || r->depth >= DEPTH_MAX || at + n + 1 > sizeof r->path) {
        stop(r, err_set(ERR_LIMIT, "the report is nested too deeply or has too many elements"));
        return;
    }
    if (at) r->path[at++] = '/';
    memcpy(r->path + at, local, n);
    r->ends[++r->depth] = at + n;
    r->ntext = 0;
    int p = place_of(r);
    if (p == P_RECORD) {
        r->row = (struct dmarc_row){0};
        r->row_bad = r->has_ip = r->has_from = false;
    } else if (p == P_DKIM) {
        r->row.ndkim++;
        if (dkim_now(r)) *dkim_now(r) = (struct dmarc_row_dkim){0};
    }
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reading *r = arg;
    (void)name;
    if (ar_over(r->a)) stop(r, err_set(ERR_LIMIT, "reading the report takes too much memory"));
    int p = place_of(r);
    if (p == P_RECORD) end_record(r);
    else if (p >= P_DKIM_DOMAIN) read_auth(r, (enum place)p);
    else if (p >= P_IP && p <= P_ENVELOPE_TO) read_row(r, (enum place)p);
    else if (p >= P_DOMAIN && p <= P_DISCOVERY) read_published(r, (enum place)p);
    else if (p >= 0 && p <= P_END) read_metadata(r, (enum place)p);
    if (r->depth) r->depth--;
    r->ntext = 0;
}

static void on_text(void *arg, const XML_Char *s, int n)
{
    struct reading *r = arg;
    size_t room = sizeof r->text - r->ntext, take = (size_t)n < room ? (size_t)n : room;
    memcpy(r->text + r->ntext, s, take);
    r->ntext += take;
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
                       int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    stop(arg, err_set(ERR_DENIED, "the report has a document type declaration"));
}

/* A tag is a token for expat however long it is: a million attributes of one would hold the thread for
 * seconds. (Longer comments are refused with them; no report has any.) */
static int check_tags(struct slice xml)
{
    for (size_t at; (at = sl_chr(xml, '<')) != SL_NONE;) {
        xml = sl_from(xml, at + 1);
        if (xml.n > TAG_MAX && sl_chr(sl_sub(xml, 0, TAG_MAX), '>') == SL_NONE)
            return err_set(ERR_LIMIT, "the report has a tag of more than %d bytes", TAG_MAX);
    }
    return 0;
}

static int run(struct reading *r, struct slice xml)
{
    enum XML_Status s = XML_STATUS_OK;
    int e = check_tags(xml);
    if (e) return e;
    for (struct slice rest = xml; rest.n && s == XML_STATUS_OK; rest = sl_from(rest, CHUNK)) {
        struct slice piece = sl_sub(rest, 0, CHUNK);
        s = XML_Parse(r->parser, piece.p, (int)piece.n, rest.n <= CHUNK);
    }
    if (r->error) return r->error;
    if (s == XML_STATUS_OK) return 0;
    return err_set(ERR_SYNTAX, "line %lu of the report: %s",
                   (unsigned long)XML_GetCurrentLineNumber(r->parser),
                   XML_ErrorString(XML_GetErrorCode(r->parser)));
}

static int check_whole(const struct dmarc_report *o)
{
    if (!o->published.domain.n) return err_set(ERR_SYNTAX, "the report names no policy domain");
    if (!o->report_id.n || !o->org_name.n) return err_set(ERR_SYNTAX, "the report has no metadata");
    if (o->begin <= 0 || o->end < o->begin) return err_set(ERR_SYNTAX, "the report has no proper date range");
    return 0;
}

int dmarc_report_parse(struct arena *a, struct slice xml, struct dmarc_report *out)
{
    *out = (struct dmarc_report){0};
    if (xml.n > DMARC_XML_MAX) return err_set(ERR_LIMIT, "the report is too large");
    if (!xml.n) return err_set(ERR_SYNTAX, "the report is empty");
    struct reading *r = ar_new(a, struct reading);
    r->a = a;
    r->out = out;
    r->parser = XML_ParserCreate(NULL);
    if (!r->parser) return err_set(ERR_IO, "the XML parser cannot be started");
    XML_SetHashSalt(r->parser, (unsigned long)sl_hash(sl_sub(xml, 0, 1024)) |
                                   1); /* keyed, and the same in every run of a seed */
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    int e = run(r, xml);
    XML_ParserFree(r->parser);
    return e ? e : check_whole(out);
}
