/* dkim_judge.c - a signature against its key and the message (RFC 6376 section 6.1.2, 6.1.3;
 * RFC 8301; RFC 8463). */
#include "dkim_i.h"

enum { RSA_LEAST = 1024, RSA_GOOD = 2048 };
#define RSA_QUICK RSA_GOOD /* 30 us; one of 8192 bits keeps a processor for milliseconds */

static bool no_key(struct arena *a, struct dkim_sig *s, const struct dkim_pubkey *key)
{
    if (key->error) return dkim_refuse(a, s, DKIM_TEMPERROR, "no key: %s", err_text(key->error));
    switch (key->answer.status) {
    case DNS_TEMPFAIL:
        return dkim_refuse(a, s, DKIM_TEMPERROR, "the DNS does not answer for %.*s%s%.*s", SLF(key->name),
                           key->answer.why.n ? ": " : "", SLF(key->answer.why));
    case DNS_NXDOMAIN:
        return dkim_refuse(a, s, DKIM_PERMERROR, "no key: %.*s does not exist", SLF(key->name));
    case DNS_NODATA:
        return dkim_refuse(a, s, DKIM_PERMERROR, "no key: %.*s has no TXT record", SLF(key->name));
    case DNS_FOUND: break;
    }
    if (!key->n)
        return dkim_refuse(a, s, DKIM_PERMERROR, "%.*s holds no key: %.*s", SLF(key->name),
                           SLF(key->malformed));
    return true;
}

/* Section 6.1.2, steps 5 to 8, and RFC 8301 section 3.2. */
static bool key_fits(struct arena *a, struct dkim_sig *s, const struct dkim_pubkey *key, size_t i)
{
    const struct dkim_record *r = &key->record[i];
    if (!r->email_ok) return dkim_refuse(a, s, DKIM_PERMERROR, "the key is not meant for e-mail (s=)");
    if (!r->sha256_ok) return dkim_refuse(a, s, DKIM_PERMERROR, "the key does not allow SHA-256 (h=)");
    if (!r->public.n) return dkim_refuse(a, s, DKIM_PERMERROR, "the key is revoked");
    if (!r->known_kind || r->kind != s->kind)
        return dkim_refuse(a, s, DKIM_PERMERROR, "the key is of kind %.*s, the signature is %.*s",
                           (int)(r->k.n > 40 ? 40 : r->k.n), r->k.p, SLF(s->algorithm));
    if (!key->public[i])
        return dkim_refuse(a, s, DKIM_PERMERROR, "the key cannot be used: %.*s", SLF(key->why[i]));
    int bits = verify_key_bits(key->public[i]);
    if (r->kind == KEY_RSA && bits < RSA_LEAST)
        return dkim_refuse(a, s, DKIM_PERMERROR, "the RSA key has %d bits, fewer than %d (RFC 8301)", bits,
                           RSA_LEAST);
    if (r->strict && s->family == FAMILY_DKIM && !sl_eq(s->identity_domain, s->domain))
        return dkim_refuse(a, s, DKIM_PERMERROR, "the key says t=s, but the domain of i= is not d=");
    return true;
}

/* 0 the body matches, 1 it was changed, 2 it is shorter than l=. */
static int body_state(const struct dkim_sig *s, const struct dkim_body *b, uint64_t *uncovered)
{
    uint8_t sha256[32];
    if (s->family == FAMILY_SEAL) return 0;
    if (!dkim_body_hash(b, s->want, sha256, uncovered)) return 2;
    return same_secret(sl(sha256, 32), s->bh) ? 0 : 1;
}

struct proof {
    struct verify_key *key;
    const uint8_t *digest;
    struct slice signature;
};

static int prove(void *arg)
{
    struct proof *p = arg;
    return verify_digest(p->key, HASH_SHA256, p->digest, p->signature);
}

/* Of a domain that makes much work its own letters wait. */
static int prove_somewhere(const struct dkim_sig *s, struct proof *p)
{
    if (verify_key_bits(p->key) <= RSA_QUICK) return prove(p);
    return offload_for(POOL_SIGN, sl_hash(s->domain) | 1, prove, p);
}

static bool hashes_match(struct arena *a, struct dkim_sig *s, struct verify_key *key,
                         const struct dkim_body *b, struct slice data, uint64_t *uncovered)
{
    uint8_t digest[HASH_MAX];
    hash_once(HASH_SHA256, data, digest);
    int e = prove_somewhere(s, &(struct proof){key, digest, s->b}), body = body_state(s, b, uncovered);
    if (body == 2)
        return dkim_refuse(a, s, DKIM_FAIL, "the body is shorter than the signed %llu bytes (l=)",
                           (unsigned long long)s->length);
    if (body == 1 && !e) return dkim_refuse(a, s, DKIM_FAIL, "the body was changed after signing");
    if (body == 1)
        return dkim_refuse(a, s, DKIM_FAIL,
                           "body hash and signature do not match: the message was changed after signing");
    if (e == ERR_SYNTAX) return dkim_refuse(a, s, DKIM_FAIL, "%s", err_text(e));
    if (e)
        return dkim_refuse(a, s, DKIM_FAIL,
                           "the signed header fields were changed after signing, or the key is another");
    return true;
}

static int rank(enum dkim_result r) { return r == DKIM_PASS ? 2 : r == DKIM_FAIL ? 1 : 0; }

static void judge_record(struct arena *a, struct dkim_sig *s, const struct dkim_pubkey *key, size_t i,
                         const struct dkim_body *b, struct slice data, struct dkim_facts *facts)
{
    *facts = (struct dkim_facts){.testing = key->record[i].testing};
    if (key->public[i]) {
        facts->key_bits = verify_key_bits(key->public[i]);
        facts->weak = key->record[i].kind == KEY_RSA && facts->key_bits < RSA_GOOD;
    }
    if (!key_fits(a, s, key, i)) return;
    if (hashes_match(a, s, key->public[i], b, data, &facts -> uncovered)) s->result = DKIM_PASS;
}

void dkim_judge(struct arena *a, struct dkim_sig *s, const struct dkim_pubkey *key, const struct dkim_body *b,
                struct slice data, struct dkim_facts *facts)
{
    if (!no_key(a, s, key)) return;
    struct dkim_sig best = *s;
    for (size_t i = 0; i < key->n && best.result != DKIM_PASS; i++) {
        struct dkim_sig now = *s;
        struct dkim_facts found;
        judge_record(a, &now, key, i, b, data, &found);
        if (i > 0 && rank(now.result) <= rank(best.result)) continue;
        best = now;
        *facts = found;
    }
    *s = best;
}
