/* der_fuzz.c - public keys of RSA as any DNS record may hold them. What is read must be exactly what
 * is there, and OpenSSL must read the same from it. */
#include "base/buf.h"
#include "crypto.h"
#include "der.h"

#include "base/fuzz.h"

FUZZ
{
    struct der_rsa k;
    struct verify_key *v = NULL;
    uint8_t digest[HASH_MAX] = {0};
    bool read = der_rsa_read(input, &k);
    if (read) {
        ASSERT(k.modulus.p >= input.p && k.exponent.p + k.exponent.n == input.p + input.n);
        ASSERT(k.modulus.n && k.modulus.p[0] && k.exponent.n && k.exponent.p[0]);
    }
    if (verify_key_from(KEY_RSA, input, &v) == 0) {
        ASSERT(read && (size_t)(verify_key_bits(v) + 7) / 8 == k.modulus.n);
        ASSERT(verify_digest(v, HASH_SHA256, digest, k.modulus) !=
               0); /* no signature is as large as the modulus */
        verify_key_free(&v);
    }
}
