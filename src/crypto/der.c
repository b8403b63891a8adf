/* der.c - reads an RSA public key from DER: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7,
 * RFC 3279 section 2.3.1) or a bare RSAPublicKey (RFC 8017 section A.1.1).
 *
 * The owner of a DNS record chooses these bytes. Strict: definite lengths in the shortest form,
 * nothing before, between or behind; depth and size are fixed by the grammar. OpenSSL's general
 * decoder tries all formats that it knows, which costs more than the signature that is checked. */
#include "der.h"

enum { TAG_INTEGER = 0x02, TAG_BIT_STRING = 0x03, TAG_NULL = 0x05, TAG_OID = 0x06, TAG_SEQUENCE = 0x30 };

/* The content of the element with this tag at the start of *rest, which is cut off. */
static bool take(struct slice *rest, uint8_t tag, struct slice *content)
{
    const uint8_t *p = (const uint8_t *)rest->p;
    if (rest->n < 2 || p[0] != tag) return false;
    size_t n = p[1], head = 2;
    if (n == 0x81 || n == 0x82) { /* X.690 section 10.1: never longer than needed */
        head += n - 0x80;
        if (rest->n < head) return false;
        n = head == 3 ? p[2] : (size_t)p[2] << 8 | p[3];
        if (n < (head == 3 ? 0x80u : 0x100u)) return false;
    } else if (n >= 0x80) {
        return false;
    }
    if (n > rest->n - head) return false;
    *content = sl_sub(*rest, head, head + n);
    *rest = sl_from(*rest, head + n);
    return true;
}

/* A positive INTEGER without its sign octet (X.690 section 8.3.2). */
static bool take_positive(struct slice *rest, struct slice *out)
{
    struct slice v;
    if (!take(rest, TAG_INTEGER, &v) || !v.n) return false;
    const uint8_t *p = (const uint8_t *)v.p;
    if (p[0] & 0x80) return false;
    if (p[0] == 0 && (v.n == 1 || !(p[1] & 0x80))) return false;
    *out = sl_from(v, p[0] == 0);
    return true;
}

static bool rsa_public_key(struct slice der, struct der_rsa *out)
{
    struct slice seq;
    return take(&der, TAG_SEQUENCE, &seq) && !der.n && take_positive(&seq, &out->modulus) &&
           take_positive(&seq, &out->exponent) && !seq.n;
}

static bool subject_public_key_info(struct slice der, struct der_rsa *out)
{
    static const struct slice rsa_encryption = SL_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
    struct slice seq, algorithm, oid, null, bits;
    if (!take(&der, TAG_SEQUENCE, &seq) || der.n || !take(&seq, TAG_SEQUENCE, &algorithm)) return false;
    if (!take(&algorithm, TAG_OID, &oid) || !sl_eq(oid, rsa_encryption)) return false;
    /* The NULL is a MUST, but nothing hangs on it and some leave it away. */
    if (algorithm.n && (!take(&algorithm, TAG_NULL, &null) || null.n || algorithm.n)) return false;
    if (!take(&seq, TAG_BIT_STRING, &bits) || seq.n || !bits.n || bits.p[0] != 0) return false;
    return rsa_public_key(sl_from(bits, 1), out);
}

bool der_rsa_read(struct slice der, struct der_rsa *out)
{
    return subject_public_key_info(der, out) || rsa_public_key(der, out);
}
