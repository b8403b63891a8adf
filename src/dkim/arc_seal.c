/* arc_seal.c - adds an ARC Set to a message that we pass on (RFC 8617 section 5.1). */
#include "arc_i.h"
#include "base/log.h"
#include "base/text.h"

struct arc_seal {
    struct arena *a;
    const struct mail_head *head;
    const struct arc_sealer *sealer;
    enum arc_status cv;
    int instance, want;
    int64_t now;
    struct dkim_body *body;
    struct arc_chain *chain; /* what the message holds already; NULL: nothing that is sealed again */
};

/* What goes into the AAR must stay inside of it: folds are kept, other line ends are not. */
static bool authres_ok(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && !(i + 2 < s.n && s.p[i + 1] == '\n')) return false;
        if (s.p[i] == '\n' &&
            !(i > 0 && s.p[i - 1] == '\r' && i + 1 < s.n && (s.p[i + 1] == ' ' || s.p[i + 1] == '\t')))
            return false;
        if (!s.p[i]) return false;
    }
    return s.n > 0;
}

/* Steps 2 and 3; a chain that passed must still be the one that we saw. */
static int read_chain(struct arc_seal *s, const struct arc_result *arrived)
{
    s->instance = arrived ? arrived->highest + 1 : 1;
    s->cv = arrived ? arrived->status : ARC_NONE;
    if (arrived && arrived->ended) return err_set(ERR_STATE, "the ARC chain ended with cv=fail");
    if (s->instance > ARC_SETS_MAX)
        return err_set(ERR_STATE, "the ARC chain has %d sets already", ARC_SETS_MAX);
    if (s->cv == ARC_FAIL && s->instance == 1)
        return err_set(ERR_STATE, "the ARC fields of the message cannot be told apart");
    if (s->cv == ARC_FAIL) return 0; /* section 5.1.2: as if this set was the only one */
    s->chain = ar_new(s->a, struct arc_chain);
    arc_read(s->a, s->head, s->chain);
    if (s->chain->highest != s->instance - 1 || arc_structure(s->a, s->chain).n)
        return err_set(ERR_STATE, "the ARC chain is no longer as it arrived");
    return 0;
}

int arc_seal_new(struct arena *a, const struct mail_head *head, const struct arc_sealer *sealer,
                 const struct arc_result *arrived, int64_t now, struct dkim_body *b, struct arc_seal **out)
{
    ASSERT(sealer && b);
    struct arc_seal *s = ar_new(a, struct arc_seal);
    *s = (struct arc_seal){.a = a, .head = head, .sealer = sealer, .now = now, .body = b};
    int e = dkim_signer_ok(a, sealer->domain, sealer->selector, sealer->key);
    if (e) return e;
    if (!mail_head_find(head, SL("from"), 0))
        return err_set(ERR_SYNTAX, "a message without From cannot be sealed");
    if (!authres_ok(sl_trim(sealer->authres)))
        return err_set(ERR_USAGE, "the authentication results cannot be a field");
    if ((e = read_chain(s, arrived))) return e;
    s->want = dkim_body_want(b, DKIM_RELAXED, DKIM_WHOLE);
    if (s->want < 0) return s->want;
    *out = s;
    return 0;
}

static struct mail_field as_field(struct slice raw)
{
    size_t colon = sl_chr(raw, ':');
    return (struct mail_field){
        .raw = raw, .name = sl_sub(raw, 0, colon), .body = sl_rtrim(sl_from(raw, colon + 1))};
}

/* The default of DKIM and, as section 4.1.2 wants, the DKIM-Signatures that are there. */
static struct slice signed_names(struct arc_seal *s)
{
    static const struct dkim_field_rule signatures = {SL_INIT("dkim-signature"), false};
    if (s->sealer->rules) return dkim_rule_names(s->a, s->head, s->sealer->rules, s->sealer->nrules);
    struct slice names = dkim_rule_names(s->a, s->head, dkim_default_rules, dkim_default_nrules);
    struct slice more = dkim_rule_names(s->a, s->head, &signatures, 1);
    return more.n ? ar_printf(s->a, "%.*s:%.*s", SLF(names), SLF(more)) : names;
}

static void put_message_fields(struct arc_seal *s, struct slice list, struct buf *data)
{
    struct dkim_names names;
    struct slice name;
    dkim_names_init(s->a, s->head, &names);
    while (sl_next(&list, ':', &name)) {
        const struct mail_field *f = dkim_names_pick(&names, name);
        if (f) dkim_canon_field(data, DKIM_RELAXED, f, SL(""), true);
    }
}

static int write_ams(struct arc_seal *s, struct buf *out)
{
    struct buf data = BUF_INIT;
    struct dkim_fold f;
    uint8_t sha256[32];
    uint64_t rest;
    struct slice names = signed_names(s);
    dkim_body_hash(s->body, s->want, sha256, &rest);
    struct slice bh = b64_encode_ar(s->a, sl(sha256, 32));
    put_message_fields(s, names, &data);
    dkim_fold_start(&f, out, "ARC-Message-Signature");
    dkim_fold_tag(&f, "i=%d;", s->instance);
    dkim_fold_tag(&f, "a=%s;", dkim_algorithm(s->sealer->key));
    dkim_fold_tag(&f, "c=relaxed/relaxed;");
    dkim_fold_tag(&f, "d=%.*s;", SLF(s->sealer->domain));
    dkim_fold_tag(&f, "s=%.*s;", SLF(s->sealer->selector));
    dkim_fold_tag(&f, "t=%lld;", (long long)s->now);
    dkim_fold_list(&f, "h=", names, ':');
    dkim_fold_tag(&f, "bh=%.*s;", SLF(bh));
    dkim_fold_tag(&f, "b=");
    int e = dkim_sign_field(out, 0, &data, DKIM_RELAXED, s->sealer->key, &f);
    buf_free(&data);
    return e;
}

static void put_chain(struct arc_seal *s, struct buf *data)
{
    for (int i = 1; s->chain && i < s->instance; i++) {
        arc_put_evidence(data, &s->chain->set[i]);
        dkim_canon_field(data, DKIM_RELAXED, s->chain->set[i].seal.field, SL(""), true);
    }
}

static int write_seal(struct arc_seal *s, const struct buf *aar, const struct buf *ams, struct buf *out)
{
    struct buf data = BUF_INIT;
    struct dkim_fold f;
    struct mail_field a = as_field(buf_slice(aar)), m = as_field(buf_slice(ams));
    size_t from = out->n;
    put_chain(s, &data);
    dkim_canon_field(&data, DKIM_RELAXED, &a, SL(""), true);
    dkim_canon_field(&data, DKIM_RELAXED, &m, SL(""), true);
    dkim_fold_start(&f, out, "ARC-Seal");
    dkim_fold_tag(&f, "i=%d;", s->instance);
    dkim_fold_tag(&f, "a=%s;", dkim_algorithm(s->sealer->key));
    dkim_fold_tag(&f, "t=%lld;", (long long)s->now);
    dkim_fold_tag(&f, "cv=%s;", arc_status_name(s->cv));
    dkim_fold_tag(&f, "d=%.*s;", SLF(s->sealer->domain));
    dkim_fold_tag(&f, "s=%.*s;", SLF(s->sealer->selector));
    dkim_fold_tag(&f, "b=");
    int e = dkim_sign_field(out, from, &data, DKIM_RELAXED, s->sealer->key, &f);
    buf_free(&data);
    return e;
}

int arc_seal_end(struct arc_seal *s, struct buf *out)
{
    struct buf aar = BUF_INIT, ams = BUF_INIT;
    struct slice results = sl_trim(s->sealer->authres);
    buf_printf(&aar, "ARC-Authentication-Results: i=%d; %.*s\r\n", s->instance, SLF(results));
    int e = write_ams(s, &ams);
    if (!e) e = write_seal(s, &aar, &ams, out);
    buf_put(out, buf_slice(&ams));
    buf_put(out, buf_slice(&aar));
    buf_free(&aar);
    buf_free(&ams);
    return e ? e : out->over ? err_set(ERR_TOO_LONG, "the ARC fields do not fit") : 0;
}
