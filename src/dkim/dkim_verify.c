/* dkim_verify.c - all DKIM signatures of a message (RFC 6376 section 6). */
#include "base/civil.h"
#include "base/text.h"
#include "dkim_i.h"

enum { CLOCK_SKEW = 300, B_PREFIX = 8 };

const char *dkim_result_name(enum dkim_result r)
{
    static const char *const names[] = {"none",    "pass",      "fail",     "policy",
                                        "neutral", "temperror", "permerror"};
    return names[r];
}

struct dkim_verify {
    struct arena *a;
    const struct mail_head *head;
    struct dkim_policy policy;
    struct dkim_body *body;
    struct dkim_sig *sig;
    size_t n, unlisted;
    struct dkim_pubkeys keys;
    struct dkim_pubkey **key; /* of each signature; NULL: none is needed */
};

/* ---- before the body ---- */

static void want_body(struct dkim_verify *v, struct dkim_sig *s)
{
    s->want = dkim_body_want(v->body, s->body_canon, s->has_length ? s->length : DKIM_WHOLE);
    if (s->want < 0) dkim_refuse(v->a, s, DKIM_POLICY, "too many different body lengths are signed");
}

struct dkim_verify *dkim_verify_new(struct arena *a, const struct mail_head *head,
                                    const struct dkim_policy *policy, struct dkim_body *b)
{
    struct dkim_verify *v = ar_new(a, struct dkim_verify);
    size_t evaluated = 0;
    *v = (struct dkim_verify){.a = a, .head = head, .body = b};
    if (policy) v->policy = *policy;
    size_t count = mail_head_count(head, SL("dkim-signature"));
    v->sig = ar_array(a, struct dkim_sig, count < DKIM_LISTED_MAX ? count : DKIM_LISTED_MAX);
    for (size_t i = 0; i < head->n; i++) {
        const struct mail_field *f = &head->field[i];
        if (f->bad || !sl_eqi(f->name, SL("dkim-signature"))) continue;
        if (v->n == DKIM_LISTED_MAX) {
            v->unlisted++;
            continue;
        }
        struct dkim_sig *s = &v->sig[v->n++];
        dkim_sig_read(a, f, FAMILY_DKIM, s);
        if (s->result != DKIM_NONE) continue;
        if (evaluated == DKIM_SIGS_MAX)
            dkim_refuse(a, s, DKIM_POLICY, "not looked at: the message has more than %d signatures",
                        DKIM_SIGS_MAX);
        else want_body(v, s), evaluated++;
    }
    return v;
}

/* ---- after the body ---- */

static struct slice date_text(struct arena *a, int64_t seconds)
{
    char text[CIVIL_TEXT_MAX];
    return ar_dup(a, sl_cstr(civil_format(seconds, text)));
}

void dkim_check_expiry(struct arena *a, struct dkim_sig *s, const struct dkim_policy *p)
{
    if (p->ignore_time || s->expires < 0 || s->expires + CLOCK_SKEW >= p->now) return;
    struct slice date = date_text(a, s->expires);
    dkim_refuse(a, s, DKIM_FAIL, "the signature expired at %.*s", SLF(date));
}

void dkim_check_policy(struct arena *a, struct dkim_sig *s, const struct dkim_policy *p,
                       const struct dkim_names *names, uint64_t uncovered)
{
    struct slice extra = dkim_unsigned_extra(names, s);
    s->result = DKIM_NONE;
    if (uncovered && !p->partial_body_ok)
        dkim_refuse(a, s, DKIM_POLICY, "verified, but %llu bytes of the body are not covered (l=%llu)",
                    (unsigned long long)uncovered, (unsigned long long)s->length);
    if (extra.n && !p->extra_fields_ok)
        dkim_refuse(a, s, DKIM_POLICY, "verified, but another %.*s field is not covered", SLF(extra));
    if (!p->ignore_time && s->timestamp > p->now + CLOCK_SKEW)
        dkim_refuse(a, s, DKIM_POLICY, "verified, but signed in the future (t=%lld)",
                    (long long)s->timestamp);
    if (s->result == DKIM_NONE) s->result = DKIM_PASS;
}

static struct slice pass_reason(struct arena *a, const struct dkim_sig *s, const struct dkim_facts *f)
{
    struct slice kind = s->kind == KEY_RSA ? ar_printf(a, "%d-bit RSA key", f->key_bits) : SL("Ed25519 key");
    return ar_printf(a, "%.*s%s%s%s", SLF(kind), f->weak ? ", 2048 bits are recommended" : "",
                     f->testing ? ", the domain is testing (t=y)" : "",
                     f->uncovered ? ", body covered in part" : "");
}

static void say_which_field(struct dkim_verify *v, struct dkim_sig *s)
{
    if (s->result != DKIM_FAIL || !s->copied.p) return;
    struct slice name = dkim_changed_field(v->a, v->head, s);
    if (name.n) s->reason = ar_printf(v->a, "%.*s (z= says: %.*s)", SLF(s->reason), SLF(name));
}

static void evaluate(struct dkim_verify *v, struct dkim_sig *s, const struct dkim_pubkey *key,
                     struct dkim_names *names, struct buf *data, struct dkim_facts *facts)
{
    buf_clear(data);
    dkim_head_data(data, names, s);
    dkim_judge(v->a, s, key, v->body, buf_slice(data), facts);
    if (s->result == DKIM_PASS) dkim_check_policy(v->a, s, &v->policy, names, facts->uncovered);
    if (s->result == DKIM_PASS) s->reason = pass_reason(v->a, s, facts);
    else say_which_field(v, s);
}

/* RFC 6008 section 4: at least eight characters, more where two signatures begin alike. */
static struct slice b_prefix(const struct dkim_verify *v, size_t at)
{
    struct slice b = v->sig[at].b_text;
    size_t n = B_PREFIX;
    for (size_t i = 0; i < v->n; i++) {
        struct slice other = v->sig[i].b_text;
        if (i == at || sl_eq(other, b)) continue;
        while (n < b.n && sl_eq(sl_sub(other, 0, n), sl_sub(b, 0, n))) n++;
    }
    return sl_sub(b, 0, n);
}

static void report(struct dkim_verify *v, size_t i, const struct dkim_facts *f, struct dkim_sig_result *r)
{
    const struct dkim_sig *s = &v->sig[i];
    *r = (struct dkim_sig_result){.result = s->result,
                                  .reason = s->reason,
                                  .domain = s->domain,
                                  .domain_written = s->domain_written,
                                  .selector = s->selector,
                                  .selector_written = s->selector_written,
                                  .algorithm = s->algorithm,
                                  .head_canon = s->head_canon,
                                  .body_canon = s->body_canon,
                                  .identity = s->identity,
                                  .names = s->names,
                                  .b_prefix = b_prefix(v, i),
                                  .key_bits = f->key_bits,
                                  .testing = f->testing,
                                  .weak = f->weak,
                                  .has_length = s->has_length,
                                  .length = s->length,
                                  .uncovered = f->uncovered,
                                  .timestamp = s->timestamp,
                                  .expires = s->expires,
                                  .field = (size_t)(s->field - v->head->field)};
}

/* The word that tells most when several signatures disagree. */
static enum dkim_result overall(const struct dkim_results *r)
{
    static const enum dkim_result order[] = {DKIM_PASS, DKIM_TEMPERROR, DKIM_POLICY,
                                             DKIM_FAIL, DKIM_PERMERROR, DKIM_NEUTRAL};
    for (size_t k = 0; k < COUNT_OF(order); k++)
        for (size_t i = 0; i < r->n; i++)
            if (r->v[i].result == order[k]) return order[k];
    return DKIM_NONE;
}

static void judge_all(struct dkim_verify *v, struct dkim_results *out)
{
    struct dkim_names names;
    struct buf data = BUF_INIT;
    dkim_names_init(v->a, v->head, &names);
    out->v = ar_array(v->a, struct dkim_sig_result, v->n);
    for (size_t i = 0; i < v->n; i++) {
        struct dkim_facts facts = {0};
        if (v->key[i]) evaluate(v, &v->sig[i], v->key[i], &names, &data, &facts);
        report(v, i, &facts, &out->v[i]);
        fiber_breathe();
    }
    buf_free(&data);
    out->n = v->n;
    out->overall = overall(out);
}

/* Which keys are needed; once. */
static void list_keys(struct dkim_verify *v, struct dns *dns)
{
    if (v->key) return;
    if (!v->policy.now) v->policy.now = rt_wall_seconds();
    dkim_pubkeys_init(&v->keys, v->a, dns);
    v->key = ar_array(v->a, struct dkim_pubkey *, v->n);
    for (size_t i = 0; i < v->n; i++) {
        struct dkim_sig *s = &v->sig[i];
        dkim_check_expiry(v->a, s, &v->policy);
        if (s->result == DKIM_NONE)
            v->key[i] = dkim_pubkeys_add(&v->keys, s->selector, s->domain, DKIM_SIGS_MAX);
    }
}

int dkim_verify_ask(struct dkim_verify *v, struct dns *dns)
{
    list_keys(v, dns);
    return dkim_pubkeys_ask(&v->keys);
}

int dkim_verify_end(struct dkim_verify *v, struct dns *dns, struct dkim_results *out)
{
    *out = (struct dkim_results){.unlisted = v->unlisted};
    int e = dkim_verify_ask(v, dns);
    if (e) return e;
    dkim_pubkeys_read(&v->keys);
    judge_all(v, out);
    dkim_pubkeys_free(&v->keys);
    return 0;
}

struct slice dkim_sig_line(struct arena *a, const struct dkim_sig_result *r)
{
    struct slice d = r->domain.n ? r->domain : SL("-"), s = r->selector.n ? r->selector : SL("-");
    struct slice reason = printable(a, r->reason, 400);
    return ar_printf(a, "%s %.*s %.*s %.*s", dkim_result_name(r->result), SLF(d), SLF(s), SLF(reason));
}
