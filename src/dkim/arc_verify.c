/* arc_verify.c - validates an ARC chain (RFC 8617 section 5.2). */
#include "arc_i.h"
#include "mail/authres.h"

struct arc_verify {
    struct arena *a;
    const struct mail_head *head;
    struct dkim_policy policy;
    struct dkim_body *body;
    struct arc_chain *chain;
    struct slice wrong; /* with the structure */
    struct dkim_pubkeys keys;
    struct dkim_names names;
    struct buf data;
};

struct arc_verify *arc_verify_new(struct arena *a, const struct mail_head *head,
                                  const struct dkim_policy *policy, struct dkim_body *b)
{
    struct arc_verify *v = ar_new(a, struct arc_verify);
    *v = (struct arc_verify){.a = a, .head = head, .body = b};
    if (policy) v->policy = *policy;
    if (!mail_head_find(head, SL("arc-seal"), 0) && !mail_head_find(head, SL("arc-message-signature"), 0) &&
        !mail_head_find(head, SL("arc-authentication-results"), 0))
        return v; /* most letters */
    v->chain = ar_new(a, struct arc_chain);
    arc_read(a, head, v->chain);
    v->wrong = arc_structure(a, v->chain);
    for (int i = v->chain->highest; i >= 1 && !v->wrong.n; i--) {
        struct dkim_sig *ams = &v->chain->set[i].ams;
        if (ams->result != DKIM_NONE) continue;
        ams->want = dkim_body_want(b, ams->body_canon, ams->has_length ? ams->length : DKIM_WHOLE);
        if (ams->want < 0) dkim_refuse(a, ams, DKIM_POLICY, "too many different body lengths are signed");
    }
    return v;
}

/* ---- one signature ---- */

static struct dkim_pubkey *key_of(struct arc_verify *v, const struct dkim_sig *s)
{
    return s->result == DKIM_NONE ? dkim_pubkeys_add(&v->keys, s->selector, s->domain, ARC_KEYS_MAX) : NULL;
}

/* Fifty sets take their time: others may run in between. */
static bool judge(struct arc_verify *v, struct dkim_sig *s, struct dkim_facts *facts)
{
    fiber_breathe();
    struct dkim_pubkey *key = key_of(v, s);
    if (s->result == DKIM_NONE && !key)
        return dkim_refuse(v->a, s, DKIM_POLICY, "the chain needs more than %d keys", ARC_KEYS_MAX);
    if (key) dkim_judge(v->a, s, key, v->body, buf_slice(&v->data), facts);
    return s->result == DKIM_PASS;
}

/* "Canonicalization, hash functions, and signature validation methods are imported" from DKIM. */
static bool judge_ams(struct arc_verify *v, struct dkim_sig *ams)
{
    struct dkim_facts facts = {0};
    dkim_check_expiry(v->a, ams, &v->policy);
    if (ams->result != DKIM_NONE) return false;
    buf_clear(&v->data);
    dkim_head_data(&v->data, &v->names, ams);
    if (judge(v, ams, &facts)) dkim_check_policy(v->a, ams, &v->policy, &v->names, facts.uncovered);
    return ams->result == DKIM_PASS;
}

/* Each seal covers all sets below it and its own evidence, without its own b= (section
 * 5.1.1). The data of the newest is built once and cut back set by set. */
static int judge_seals(struct arc_verify *v)
{
    size_t end[ARC_SETS_MAX + 1];
    int n = v->chain->highest;
    buf_clear(&v->data);
    for (int i = 1; i <= n; i++) {
        arc_put_evidence(&v->data, &v->chain->set[i]);
        end[i] = v->data.n;
        if (i < n) dkim_canon_field(&v->data, DKIM_RELAXED, v->chain->set[i].seal.field, SL(""), true);
    }
    for (int i = n; i >= 1; i--) {
        struct dkim_sig *s = &v->chain->set[i].seal;
        struct dkim_facts facts = {0};
        v->data.n = end[i];
        dkim_canon_field(&v->data, DKIM_RELAXED, s->field, s->b_span, false);
        if (!judge(v, s, &facts)) return i;
    }
    return 0;
}

/* ---- the chain ---- */

static int fail(struct arc_verify *v, struct arc_result *out, const struct dkim_sig *s, const char *what,
                int i)
{
    out->status = ARC_FAIL;
    out->temporary = s->result == DKIM_TEMPERROR;
    out->reason = ar_printf(v->a, "the %s of set %d did not verify: %.*s", what, i, SLF(s->reason));
    return 0;
}

static int ask(struct arc_verify *v)
{
    int e = dkim_pubkeys_ask(&v->keys);
    if (!e) dkim_pubkeys_read(&v->keys);
    return e;
}

/* Step 5, after the chain is known to pass: only then is it worth the questions. */
static int find_oldest_pass(struct arc_verify *v, struct arc_result *out)
{
    int n = v->chain->highest;
    for (int i = n - 1; i >= 1; i--) key_of(v, &v->chain->set[i].ams);
    int e = ask(v);
    if (e) return e;
    out->oldest_pass = 0;
    for (int i = n - 1; i >= 1 && !out->oldest_pass; i--)
        if (!judge_ams(v, &v->chain->set[i].ams)) out->oldest_pass = i + 1;
    return 0;
}

static int validate(struct arc_verify *v, struct arc_result *out)
{
    int n = v->chain->highest;
    int e = ask(v);
    if (e) return e;
    if (!judge_ams(v, &v->chain->set[n].ams))
        return fail(v, out, &v->chain->set[n].ams, "ARC-Message-Signature", n);
    for (int i = n - 1; i >= 1; i--) key_of(v, &v->chain->set[i].seal);
    if ((e = ask(v))) return e;
    int broken = judge_seals(v);
    if (broken) return fail(v, out, &v->chain->set[broken].seal, "ARC-Seal", broken);
    out->status = ARC_PASS;
    out->reason = ar_printf(v->a, "%d set%s, newest sealed by %.*s", n, n == 1 ? "" : "s",
                            SLF(v->chain->set[n].seal.domain));
    return find_oldest_pass(v, out);
}

/* ---- the report ---- */

static size_t field_index(const struct arc_verify *v, const struct mail_field *f)
{
    return f ? (size_t)(f - v->head->field) : SIZE_MAX;
}

static void describe(const struct arc_verify *v, int i, struct arc_set *out)
{
    const struct arc_found *s = &v->chain->set[i];
    struct slice payload = s->payload.p ? mail_unfold(v->a, s->payload) : SL("");
    *out = (struct arc_set){.instance = i,
                            .seal_domain = s->seal.domain,
                            .seal_selector = s->seal.selector,
                            .ams_domain = s->ams.domain,
                            .ams_selector = s->ams.selector,
                            .cv = s->seal.cv,
                            .aar = payload,
                            .aar_id = authres_id(v->a, payload),
                            .seal_result = s->seal.result,
                            .ams_result = s->ams.result,
                            .reason = s->seal.result != DKIM_PASS && s->seal.reason.n ? s->seal.reason
                                      : s->ams.result != DKIM_PASS                    ? s->ams.reason
                                                                                      : SL(""),
                            .timestamp = s->nseal ? s->seal.timestamp : -1,
                            .aar_field = field_index(v, s->aar),
                            .ams_field = field_index(v, s->ams.field),
                            .seal_field = field_index(v, s->seal.field)};
}

static void list_sets(const struct arc_verify *v, struct arc_result *out)
{
    out->highest = v->chain->highest;
    out->set = ar_array(v->a, struct arc_set, (size_t)out->highest);
    for (int i = 1; i <= out->highest; i++) {
        const struct arc_found *s = &v->chain->set[i];
        if (s->naar || s->nams || s->nseal) describe(v, i, &out->set[out->n++]);
    }
    const struct arc_found *newest = &v->chain->set[out->highest];
    out->ended = out->highest && newest->nseal && sl_eq(newest->seal.cv, SL("fail"));
}

/* The newest set's keys first: who cannot sign the message as it is now does not make us
 * ask for others' keys (section 9.2). */
static void list_newest(struct arc_verify *v, struct dns *dns)
{
    const struct arc_found *newest = &v->chain->set[v->chain->highest];
    if (v->keys.a) return;
    dkim_pubkeys_init(&v->keys, v->a, dns);
    key_of(v, &newest->ams);
    key_of(v, &newest->seal);
}

int arc_verify_ask(struct arc_verify *v, struct dns *dns)
{
    if (!v->chain || v->wrong.n) return 0;
    list_newest(v, dns);
    return dkim_pubkeys_ask(&v->keys);
}

int arc_verify_end(struct arc_verify *v, struct dns *dns, struct arc_result *out)
{
    int e = 0;
    *out = (struct arc_result){.oldest_pass = -1, .reason = SL("no ARC fields")};
    if (!v->chain) return 0;
    if (!v->policy.now) v->policy.now = rt_wall_seconds();
    if (v->wrong.n) {
        out->status = ARC_FAIL;
        out->reason = v->wrong;
    } else {
        list_newest(v, dns);
        dkim_names_init(v->a, v->head, &v->names);
        e = validate(v, out);
        dkim_pubkeys_free(&v->keys);
        buf_free(&v->data);
    }
    if (!e) list_sets(v, out);
    return e;
}
