/* der.h - an RSA public key in DER, taken apart. Pure. */
#pragma once
#include "base/slice.h"

/* Big-endian magnitudes without leading zeros, both positive; slices of the input. */
struct der_rsa {
    struct slice modulus, exponent;
};
/* SubjectPublicKeyInfo with rsaEncryption, or a bare RSAPublicKey; nothing may follow.
 * Whether the numbers make a usable key is not looked at. */
MUST_CHECK bool der_rsa_read(struct slice der, struct der_rsa *out);
