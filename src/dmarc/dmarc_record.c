/* dmarc_record.c - the DMARC policy record (RFC 9989 section 4.7, 4.8). Pure.
 *
 * Anything wrong behind the version is passed over in favour of the default, as the text
 * wants; only what p, sp and np leave undecided can make the record useless. */
#include "base/text.h"
#include "dmarc.h"

enum { RECORD_MAX = 16384, TAGS_READ_MAX = 100 };

const char *dmarc_policy_name(enum dmarc_policy p)
{
    return p == DMARC_P_REJECT ? "reject" : p == DMARC_P_QUARANTINE ? "quarantine" : "none";
}

/* dmarc-version = "v" equals %s"DMARC1", then the end or a ";" */
bool dmarc_is_record(struct slice text)
{
    struct slice first, rest = text;
    if (text.n > RECORD_MAX || !sl_next(&rest, ';', &first)) return false;
    size_t eq = sl_chr(first, '=');
    if (eq == SL_NONE) return false;
    /* No blank may stand before the "v". */
    return text.p[0] == 'v' && sl_eq(sl_rtrim(sl_sub(first, 0, eq)), SL("v")) &&
           sl_eq(sl_trim(sl_from(first, eq + 1)), SL("DMARC1"));
}

static bool read_policy(struct slice v, enum dmarc_policy *out)
{
    if (sl_eqi(v, SL("none"))) *out = DMARC_P_NONE;
    else if (sl_eqi(v, SL("quarantine"))) *out = DMARC_P_QUARANTINE;
    else if (sl_eqi(v, SL("reject"))) *out = DMARC_P_REJECT;
    else return false;
    return true;
}

static bool read_letter(struct slice v, const char *letters, char *out)
{
    if (v.n != 1 || !v.p[0] || !strchr(letters, sl_lower(v.p[0]))) return false;
    *out = sl_lower(v.p[0]);
    return true;
}

/* ---- report addresses (section 4.6; "!10m" is obsolete and taken off) ---- */

static void cut_size(struct dmarc_uri *u)
{
    size_t at = sl_rchr(u->uri, '!');
    if (at == SL_NONE) return;
    struct slice size = sl_from(u->uri, at + 1);
    u->uri = sl_sub(u->uri, 0, at);
    if (!num_size(size, &u->max_bytes)) u->max_bytes = 0;
}

/* scheme ":" with something behind it; printable, without the characters that would split it. */
static bool uri_ok(struct slice u)
{
    size_t colon = sl_chr(u, ':');
    if (colon == SL_NONE || colon == 0 || colon + 1 >= u.n || !is_alpha(u.p[0])) return false;
    for (size_t i = 0; i < colon; i++)
        if (!is_alnum(u.p[i]) && !strchr("+-.", u.p[i])) return false;
    for (size_t i = 0; i < u.n; i++)
        if (u.p[i] <= ' ' || u.p[i] > '~' || strchr("\"<>\\^`{|}", u.p[i])) return false;
    return true;
}

static bool uri_decode(struct arena *a, struct slice s, struct slice *out)
{
    char *p = ar_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t v = (unsigned char)s.p[i];
        if (s.p[i] == '%') {
            if (i + 2 >= s.n || !num_hex64(sl_sub(s, i + 1, i + 3), &v)) return false;
            i += 2;
        }
        if (v <= ' ' || v >= 0x7f) return false;
        p[n++] = (char)v;
    }
    *out = sl(p, n);
    return true;
}

static bool mailbox_ok(struct slice m)
{
    size_t at = sl_rchr(m, '@');
    if (at == SL_NONE || at == 0 || m.n > 320) return false;
    struct slice local = sl_sub(m, 0, at);
    for (size_t i = 0; i < local.n; i++)
        if (strchr("\"\\()<>,;:@[]", local.p[i])) return false;
    return dns_is_fqdn(sl_from(m, at + 1));
}

static bool read_uri(struct arena *a, struct slice text, struct dmarc_uri *u)
{
    *u = (struct dmarc_uri){.uri = text};
    cut_size(u);
    if (!uri_ok(u->uri)) return false;
    if (!sl_startsi(u->uri, SL("mailto:"))) return true;
    struct slice to = sl_from(u->uri, 7);
    to = sl_sub(to, 0, sl_chr(to, '?'));
    return uri_decode(a, to, &u->mailbox) && mailbox_ok(u->mailbox);
}

static size_t read_uris(struct arena *a, struct slice list, struct dmarc_uri *out)
{
    struct slice piece;
    size_t n = 0;
    while (n < DMARC_URIS_MAX && sl_next(&list, ',', &piece))
        if (read_uri(a, sl_trim(piece), &out[n])) n++;
    return n;
}

static void read_fo(struct slice v, struct dmarc_record *r)
{
    struct slice piece;
    bool zero = false, one = false, d = false, s = false;
    while (sl_next(&v, ':', &piece)) {
        piece = sl_trim(piece);
        if (sl_eq(piece, SL("0"))) zero = true;
        else if (sl_eq(piece, SL("1"))) one = true;
        else if (sl_eqi(piece, SL("d"))) d = true;
        else if (sl_eqi(piece, SL("s"))) s = true;
        else return;
    }
    if (zero && one) return; /* mutually exclusive: the default stays */
    r->fo_0 = zero, r->fo_1 = one, r->fo_d = d, r->fo_s = s;
}

/* ---- tags ---- */

enum tag_name {
    TAG_P,
    TAG_SP,
    TAG_NP,
    TAG_ADKIM,
    TAG_ASPF,
    TAG_PSD,
    TAG_T,
    TAG_RUA,
    TAG_RUF,
    TAG_FO,
    TAG_PCT,
    TAG_RI
};
static const char *const tag_names[] = {"p", "sp",  "np",  "adkim", "aspf", "psd",
                                        "t", "rua", "ruf", "fo",    "pct",  "ri"};

static void read_number(struct slice v, uint64_t max, uint64_t *n)
{
    uint64_t read;
    if (num_u64(v, max, &read)) *n = read;
}

static void read_tag(struct arena *a, enum tag_name tag, struct slice v, struct dmarc_record *r)
{
    char c;
    uint64_t n = tag == TAG_PCT ? r->pct : r->ri;
    switch (tag) {
    case TAG_P:
        r->has_p = read_policy(v, &r->p);
        r->bad_policy |= !r->has_p;
        break;
    case TAG_SP:
        r->has_sp = read_policy(v, &r->sp);
        r->bad_policy |= !r->has_sp;
        break;
    case TAG_NP:
        r->has_np = read_policy(v, &r->np);
        r->bad_policy |= !r->has_np;
        break;
    case TAG_ADKIM:
        if (read_letter(v, "rs", &c)) r->adkim_strict = c == 's';
        break;
    case TAG_ASPF:
        if (read_letter(v, "rs", &c)) r->aspf_strict = c == 's';
        break;
    case TAG_PSD:
        if (read_letter(v, "ynu", &c)) r->psd = c;
        break;
    case TAG_T:
        if (read_letter(v, "yn", &c)) r->test = c == 'y';
        break;
    case TAG_RUA: r->nrua = read_uris(a, v, r->rua); break;
    case TAG_RUF: r->nruf = read_uris(a, v, r->ruf); break;
    case TAG_FO: read_fo(v, r); break;
    case TAG_PCT:
        read_number(v, 100, &n);
        r->pct = (unsigned)n;
        break;
    case TAG_RI:
        read_number(v, UINT32_MAX, &n);
        r->ri = (uint32_t)n;
        break;
    }
}

static void read_tags(struct arena *a, struct slice rest, struct dmarc_record *r)
{
    struct slice piece;
    uint32_t seen = 0;
    for (int left = TAGS_READ_MAX; left > 0 && sl_next(&rest, ';', &piece); left--) {
        size_t eq = sl_chr(piece, '=');
        if (eq == SL_NONE) continue;
        struct slice name = sl_trim(sl_sub(piece, 0, eq));
        for (size_t i = 0; i < COUNT_OF(tag_names); i++) {
            if (!sl_eqi(name, sl_cstr(tag_names[i])) || seen >> i & 1) continue; /* the first one counts */
            seen |= 1u << i;
            read_tag(a, (enum tag_name)i, sl_trim(sl_from(piece, eq + 1)), r);
        }
    }
}

int dmarc_record_parse(struct arena *a, struct slice text, struct dmarc_record *out)
{
    *out = (struct dmarc_record){.text = text, .psd = 'u', .fo_0 = true, .pct = 100, .ri = 86400};
    if (!dmarc_is_record(text)) return err_set(ERR_SYNTAX, "the record does not begin with v=DMARC1");
    struct slice first, rest = text;
    if (sl_next(&rest, ';', &first)) read_tags(a, rest, out);
    /* Section 4.10.1: without a good p, or with a bad sp or np, it asks for reports at most. */
    out->bad_policy |= !out->has_p;
    out->usable = !out->bad_policy || out->nrua > 0;
    if (out->bad_policy) {
        out->p = out->sp = out->np = DMARC_P_NONE;
        out->has_sp = out->has_np = false;
    }
    if (!out->has_sp) out->sp = out->p;
    if (!out->has_np) out->np = out->sp;
    return 0;
}
