/* dmarc_row.c - one row of an aggregate report: from a verdict, to bytes and back. Pure. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "dmarc_report.h"
#include "mailauth/mailauth.h"

enum {
    DOMAIN_TEXT_MAX = 253,
    COMMENT_TEXT_MAX = 200,
    WORD_TEXT_MAX = 32,
    ROW_FORMAT = 1,
    PUBLISHED_FORMAT = 1
};

const char *dmarc_disposition_name(enum dmarc_disposition d)
{
    static const char *const names[] = {"none", "pass", "quarantine", "reject"};
    return names[d];
}

/* ---- from a verdict ---- */

static enum dmarc_disposition done_with(const struct mailauth_verdict *v)
{
    const struct dmarc_result *d = &v->dmarc;
    if (d->code == DMARC_PASS) return d->published == DMARC_P_NONE ? DMARC_D_NONE : DMARC_D_PASS;
    if (d->code != DMARC_FAIL || d->applied == DMARC_P_NONE) return DMARC_D_NONE;
    return v->disposition == MAILAUTH_REJECT       ? DMARC_D_REJECT
           : v->disposition == MAILAUTH_QUARANTINE ? DMARC_D_QUARANTINE
                                                   : DMARC_D_NONE;
}

static bool as_published(enum dmarc_disposition done, enum dmarc_policy p)
{
    return done == (p == DMARC_P_REJECT       ? DMARC_D_REJECT
                    : p == DMARC_P_QUARANTINE ? DMARC_D_QUARANTINE
                                              : DMARC_D_NONE);
}

/* Aligned signatures that pass first, then others that pass, then the rest. */
static int rank(const struct dkim_sig_result *s, const struct dmarc_result *d)
{
    if (s->result != DKIM_PASS) return 3;
    if (sl_eqi(s->domain, d->author)) return 0;
    return d->dkim_domain.n && sl_eqi(s->domain, d->dkim_domain) ? 1 : 2;
}

static void take_signatures(const struct mailauth_verdict *v, struct dmarc_row *row)
{
    for (int r = 0; r <= 3; r++)
        for (size_t i = 0; i < v->dkim.n && row->ndkim < DMARC_ROW_DKIM_MAX; i++) {
            const struct dkim_sig_result *s = &v->dkim.v[i];
            if (rank(s, &v->dmarc) != r || !s->domain.n) continue;
            row->dkim[row->ndkim++] =
                (struct dmarc_row_dkim){s->domain, s->selector, sl_cstr(dkim_result_name(s->result))};
        }
}

static struct dmarc_published dmarc_published_of(struct arena *a, struct slice policy_domain,
                                                 const struct dmarc_record *r)
{
    struct slice fo = ar_printf(a, "%s%s%s",
                                r->fo_1   ? "1"
                                : r->fo_0 ? "0"
                                          : "",
                                r->fo_d ? ":d" : "", r->fo_s ? ":s" : "");
    return (struct dmarc_published){
        .domain = policy_domain,
        .p = r->p,
        .sp = r->sp,
        .np = r->np,
        .has_sp = r->has_sp,
        .has_np = r->has_np,
        .adkim_strict = r->adkim_strict,
        .aspf_strict = r->aspf_strict,
        .testing = r->test,
        .fo = fo.n && fo.p[0] == ':' ? sl_from(fo, 1) : fo,
        .discovery = SL("treewalk"),
    };
}

bool dmarc_row_of(struct arena *a, const struct ip *source, const struct mailauth_verdict *v,
                  struct dmarc_row *row, struct dmarc_published *published)
{
    const struct dmarc_result *d = &v->dmarc;
    if (!d->record || !d->record->nrua || (d->code != DMARC_PASS && d->code != DMARC_FAIL)) return false;
    if (v->disposition == MAILAUTH_DEFER) return false; /* it comes again, and counts then */
    *row = (struct dmarc_row){
        .source = *source,
        .count = 1,
        .disposition = done_with(v),
        .dkim_aligned = d->dkim_aligned,
        .spf_aligned = d->spf_aligned,
        .header_from = d->author,
        .envelope_from = v->spf.domain,
        .spf_domain = v->spf.domain,
        .spf_result = sl_cstr(spf_result_name(v->spf.code)),
    };
    if (v->overridden) {
        row->reason_type = sl_cstr(v->override_type);
        row->reason = v->override_why;
    } else if (d->code == DMARC_FAIL && !as_published(row->disposition, d->published)) {
        row->reason_type = SL("local_policy");
        row->reason = v->sentence;
    }
    take_signatures(v, row);
    *published = dmarc_published_of(a, d->policy_domain, d->record);
    return true;
}

/* ---- bytes: a format number, then fields "length:bytes," ---- */

static void put(struct buf *b, struct slice s, size_t max)
{
    s = sl_sub(s, 0, max);
    buf_printf(b, "%zu:", s.n);
    buf_put(b, s);
    buf_char(b, ',');
}

static void put_number(struct buf *b, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    put(b, sl(text, (size_t)n), sizeof text);
}

/* All but the count. */
static void put_tuple(struct buf *b, const struct dmarc_row *r)
{
    char ip[IP_TEXT_MAX];
    put(b, sl_cstr(ip_format(&r->source, ip)), sizeof ip);
    put_number(b, (uint64_t)r->disposition << 2 | (uint64_t)r->dkim_aligned << 1 | r->spf_aligned);
    put(b, r->reason_type, WORD_TEXT_MAX);
    put(b, r->reason, COMMENT_TEXT_MAX);
    put(b, r->header_from, DOMAIN_TEXT_MAX);
    put(b, r->envelope_from, DOMAIN_TEXT_MAX);
    put(b, r->envelope_to, DOMAIN_TEXT_MAX);
    put(b, r->spf_domain, DOMAIN_TEXT_MAX);
    put(b, r->spf_result, WORD_TEXT_MAX);
    put_number(b, r->ndkim);
    for (size_t i = 0; i < r->ndkim; i++) {
        put(b, r->dkim[i].domain, DOMAIN_TEXT_MAX);
        put(b, r->dkim[i].selector, DOMAIN_TEXT_MAX);
        put(b, r->dkim[i].result, WORD_TEXT_MAX);
    }
}

void dmarc_row_encode(struct buf *out, const struct dmarc_row *r)
{
    put_number(out, ROW_FORMAT);
    put_number(out, r->count);
    put_tuple(out, r);
}

struct slice dmarc_row_key(struct arena *a, const struct dmarc_row *r)
{
    struct buf b = BUF_INIT, hex = BUF_INIT;
    uint8_t digest[HASH_MAX];
    put_tuple(&b, r);
    hash_once(HASH_SHA256, buf_slice(&b), digest);
    hex_encode(&hex, sl(digest, 16));
    struct slice key = ar_dup(a, buf_slice(&hex));
    buf_free(&b);
    buf_free(&hex);
    return key;
}

struct reader {
    struct slice s;
    bool bad;
};

static struct slice get(struct reader *r)
{
    uint64_t n;
    size_t colon = sl_chr(sl_sub(r->s, 0, 12), ':');
    if (colon == SL_NONE || !num_u64(sl_sub(r->s, 0, colon), r->s.n, &n) || r->s.n < colon + 2 + n ||
        r->s.p[colon + 1 + n] != ',') {
        r->bad = true;
        r->s = (struct slice){0};
        return r->s;
    }
    struct slice v = sl_sub(r->s, colon + 1, colon + 1 + (size_t)n);
    r->s = sl_from(r->s, colon + 2 + (size_t)n);
    return v;
}

static uint64_t get_number(struct reader *r, uint64_t max)
{
    uint64_t v = 0;
    if (!num_u64(get(r), max, &v)) r->bad = true;
    return v;
}

static bool begin(struct reader *r, uint64_t format)
{
    return get_number(r, UINT32_MAX) == format && !r->bad;
}

int dmarc_row_decode(struct slice bytes, struct dmarc_row *out)
{
    struct reader r = {.s = bytes};
    *out = (struct dmarc_row){0};
    if (!begin(&r, ROW_FORMAT))
        return r.bad ? err_set(ERR_SYNTAX, "a row of a DMARC report is damaged")
                     : err_set(ERR_VERSION, "a row of a DMARC report has an unknown format");
    out->count = get_number(&r, UINT64_MAX);
    struct slice ip = get(&r);
    if (!ip.n || !ip_parse(ip, &out->source)) r.bad = true;
    uint64_t flags = get_number(&r, 15);
    out->disposition = (enum dmarc_disposition)(flags >> 2);
    out->dkim_aligned = flags >> 1 & 1;
    out->spf_aligned = flags & 1;
    struct slice *texts[] = {&out->reason_type, &out->reason,     &out->header_from, &out->envelope_from,
                             &out->envelope_to, &out->spf_domain, &out->spf_result};
    for (size_t i = 0; i < COUNT_OF(texts); i++) *texts[i] = get(&r);
    out->ndkim = get_number(&r, DMARC_ROW_DKIM_MAX);
    for (size_t i = 0; i < out->ndkim && !r.bad; i++) {
        out->dkim[i].domain = get(&r);
        out->dkim[i].selector = get(&r);
        out->dkim[i].result = get(&r);
    }
    return r.bad || r.s.n ? err_set(ERR_SYNTAX, "a row of a DMARC report is damaged") : 0;
}

void dmarc_published_encode(struct buf *out, const struct dmarc_published *p)
{
    uint64_t flags = (uint64_t)p->has_sp | (uint64_t)p->has_np << 1 | (uint64_t)p->adkim_strict << 2 |
                     (uint64_t)p->aspf_strict << 3 | (uint64_t)p->testing << 4;
    put_number(out, PUBLISHED_FORMAT);
    put(out, p->domain, DOMAIN_TEXT_MAX);
    put_number(out, (uint64_t)p->p | (uint64_t)p->sp << 2 | (uint64_t)p->np << 4);
    put_number(out, flags);
    put(out, p->fo, WORD_TEXT_MAX);
    put(out, p->discovery, WORD_TEXT_MAX);
}

int dmarc_published_decode(struct slice bytes, struct dmarc_published *out)
{
    struct reader r = {.s = bytes};
    *out = (struct dmarc_published){0};
    if (!begin(&r, PUBLISHED_FORMAT))
        return r.bad ? err_set(ERR_SYNTAX, "a policy of a DMARC report is damaged")
                     : err_set(ERR_VERSION, "a policy of a DMARC report has an unknown format");
    out->domain = get(&r);
    uint64_t policies = get_number(&r, 63), flags = get_number(&r, 31);
    for (int i = 0; i < 3; i++)
        if ((policies >> 2 * i & 3) == 3) r.bad = true;
    out->p = (enum dmarc_policy)(policies & 3);
    out->sp = (enum dmarc_policy)(policies >> 2 & 3);
    out->np = (enum dmarc_policy)(policies >> 4 & 3);
    out->has_sp = flags & 1, out->has_np = flags >> 1 & 1;
    out->adkim_strict = flags >> 2 & 1, out->aspf_strict = flags >> 3 & 1, out->testing = flags >> 4 & 1;
    out->fo = get(&r);
    out->discovery = get(&r);
    return r.bad || r.s.n ? err_set(ERR_SYNTAX, "a policy of a DMARC report is damaged") : 0;
}
