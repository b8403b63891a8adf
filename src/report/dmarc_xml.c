/* dmarc_xml.c - an aggregate report, written (RFC 9990: order of elements as in its schema). Pure. */
#include <zlib.h>

#include "base/text.h"
#include "dmarc_report.h"

enum { TEXT_MAX = 2000 };

/* Character data: markup escaped, what XML 1.0 does not allow replaced. */
static void put_text(struct buf *b, struct slice s)
{
    s = sl_sub(s, 0, TEXT_MAX);
    while (s.n) {
        struct slice before = s;
        uint32_t cp;
        if (!utf8_next(&s, &cp)) {
            s = sl_from(s, 1);
            cp = 0;
        }
        if (cp == '&') buf_str(b, "&amp;");
        else if (cp == '<') buf_str(b, "&lt;");
        else if (cp == '>') buf_str(b, "&gt;");
        else if (cp < ' ' || cp == 0x7f || cp == 0xfffe || cp == 0xffff) buf_char(b, '?');
        else buf_put(b, sl(before.p, before.n - s.n));
    }
}

static void element(struct buf *b, int depth, const char *name, struct slice text)
{
    buf_printf(b, "%*s<%s>", 2 * depth, "", name);
    put_text(b, text);
    buf_printf(b, "</%s>\n", name);
}

static void optional(struct buf *b, int depth, const char *name, struct slice text)
{
    if (text.n) element(b, depth, name, text);
}

static void word(struct buf *b, int depth, const char *name, const char *text)
{
    element(b, depth, name, sl_cstr(text));
}

static void number(struct buf *b, int depth, const char *name, uint64_t v)
{
    buf_printf(b, "%*s<%s>%llu</%s>\n", 2 * depth, "", name, (unsigned long long)v, name);
}

static void put_metadata(struct buf *b, const struct dmarc_report_meta *m)
{
    buf_str(b, "  <report_metadata>\n");
    element(b, 2, "org_name", m->org_name);
    element(b, 2, "email", m->email);
    optional(b, 2, "extra_contact_info", m->extra);
    element(b, 2, "report_id", m->report_id);
    buf_str(b, "    <date_range>\n");
    number(b, 3, "begin", (uint64_t)m->begin);
    number(b, 3, "end", (uint64_t)m->end);
    buf_str(b, "    </date_range>\n");
    optional(b, 2, "error", m->error);
    optional(b, 2, "generator", m->generator);
    buf_str(b, "  </report_metadata>\n");
}

static void put_published(struct buf *b, const struct dmarc_published *p)
{
    buf_str(b, "  <policy_published>\n");
    element(b, 2, "domain", p->domain);
    optional(b, 2, "discovery_method", p->discovery);
    word(b, 2, "p", dmarc_policy_name(p->p));
    if (p->has_sp) word(b, 2, "sp", dmarc_policy_name(p->sp));
    if (p->has_np) word(b, 2, "np", dmarc_policy_name(p->np));
    optional(b, 2, "fo", p->fo);
    word(b, 2, "adkim", p->adkim_strict ? "s" : "r");
    word(b, 2, "aspf", p->aspf_strict ? "s" : "r");
    word(b, 2, "testing", p->testing ? "y" : "n");
    buf_str(b, "  </policy_published>\n");
}

void dmarc_xml_begin(struct buf *out, const struct dmarc_report_meta *m, const struct dmarc_published *p)
{
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n"
                 "  <version>1.0</version>\n");
    put_metadata(out, m);
    put_published(out, p);
}

static void put_evaluated(struct buf *b, const struct dmarc_row *r)
{
    buf_str(b, "      <policy_evaluated>\n");
    word(b, 4, "disposition", dmarc_disposition_name(r->disposition));
    word(b, 4, "dkim", r->dkim_aligned ? "pass" : "fail");
    word(b, 4, "spf", r->spf_aligned ? "pass" : "fail");
    if (r->reason_type.n) {
        buf_str(b, "        <reason>\n");
        element(b, 5, "type", r->reason_type);
        optional(b, 5, "comment", r->reason);
        buf_str(b, "        </reason>\n");
    }
    buf_str(b, "      </policy_evaluated>\n");
}

static void put_auth(struct buf *b, const struct dmarc_row *r)
{
    buf_str(b, "    <auth_results>\n");
    for (size_t i = 0; i < r->ndkim; i++) {
        buf_str(b, "      <dkim>\n");
        element(b, 4, "domain", r->dkim[i].domain);
        element(b, 4, "selector", r->dkim[i].selector);
        element(b, 4, "result", r->dkim[i].result);
        buf_str(b, "      </dkim>\n");
    }
    if (r->spf_result.n) {
        buf_str(b, "      <spf>\n");
        element(b, 4, "domain", r->spf_domain);
        word(b, 4, "scope", "mfrom");
        element(b, 4, "result", r->spf_result);
        buf_str(b, "      </spf>\n");
    }
    buf_str(b, "    </auth_results>\n");
}

void dmarc_xml_row(struct buf *out, const struct dmarc_row *r)
{
    char ip[IP_TEXT_MAX];
    buf_str(out, "  <record>\n    <row>\n");
    word(out, 3, "source_ip", ip_format(&r->source, ip));
    number(out, 3, "count", r->count);
    put_evaluated(out, r);
    buf_str(out, "    </row>\n    <identifiers>\n");
    element(out, 3, "header_from", r->header_from);
    element(out, 3, "envelope_from", r->envelope_from);
    optional(out, 3, "envelope_to", r->envelope_to);
    buf_str(out, "    </identifiers>\n");
    put_auth(out, r);
    buf_str(out, "  </record>\n");
}

void dmarc_xml_end(struct buf *out) { buf_str(out, "</feedback>\n"); }

int dmarc_gzip(struct buf *out, struct slice in)
{
    enum { GZIP = 15 + 16, PIECE = 65536 };
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(ERR_IO, "compression cannot be started");
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    int e = in.n > UINT32_MAX ? Z_DATA_ERROR : Z_OK;
    while (e == Z_OK) {
        char *to = buf_space(out, PIECE);
        if (!to) break;
        z.next_out = (Bytef *)to;
        z.avail_out = PIECE;
        e = deflate(&z, Z_FINISH);
        out->n += PIECE - z.avail_out;
    }
    deflateEnd(&z);
    return e == Z_STREAM_END ? 0 : err_set(ERR_TOO_LONG, "the compressed report is too long");
}

/* ---- names ---- */

/* Only what may stand in a dot-atom, a file name and a Subject at once. */
static struct slice safe_domain(struct arena *a, struct slice d)
{
    char *p = ar_alloc(a, d.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < d.n && n < 253; i++)
        if (is_alnum(d.p[i]) || d.p[i] == '-' || d.p[i] == '.' || d.p[i] == '_') p[n++] = d.p[i];
    return n ? sl(p, n) : SL("unknown");
}

struct slice dmarc_report_id(struct arena *a, struct slice policy_domain, struct slice submitter,
                             int64_t begin, int64_t end)
{
    return ar_printf(a, "%lld-%lld.%.*s@%.*s", (long long)begin, (long long)end,
                     SLF(safe_domain(a, policy_domain)), SLF(safe_domain(a, submitter)));
}

struct slice dmarc_report_filename(struct arena *a, struct slice submitter, struct slice policy_domain,
                                   int64_t begin, int64_t end, struct slice unique)
{
    return ar_printf(a, "%.*s!%.*s!%lld!%lld%s%.*s.xml.gz", SLF(safe_domain(a, submitter)),
                     SLF(safe_domain(a, policy_domain)), (long long)begin, (long long)end,
                     unique.n ? "!" : "", SLF(unique));
}

struct slice dmarc_report_subject(struct arena *a, struct slice policy_domain, struct slice submitter,
                                  struct slice id)
{
    return ar_printf(a, "Report Domain: %.*s Submitter: %.*s Report-ID: <%.*s>",
                     SLF(safe_domain(a, policy_domain)), SLF(safe_domain(a, submitter)), SLF(id));
}
