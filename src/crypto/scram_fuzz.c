/* scram_fuzz.c - the two client messages (the first line and the rest of the input),
 * stored keys, and public keys from a DNS record. */
#include "base/fuzz.h"
#include "crypto.h"

FUZZ
{
    struct arena a = {0};
    struct slice rest = input, first, out;
    struct scram_keys k;
    struct scram_server s = {0};
    struct verify_key *v;
    const uint8_t secret[32] = {1};
    bool plus = input.n % 2;
    if (plus) s.cb_size = 32;
    if (!sl_next(&rest, '\n', &first)) return;
    scram_decoy(first, secret, &k);
    if (scram_first(&s, &a, first, plus) == 0) {
        ASSERT(s.user.n && s.nonce.n);
        scram_challenge(&s, &k, SL("server"));
        ASSERT(scram_final(&s, rest, &out) != 0); /* nobody can know a password for these keys */
    }
    if (scram_keys_parse(input, &k) == 0) ASSERT(k.iterations >= 1);
    if (verify_key_from(KEY_RSA, input, &v) == 0) verify_key_free(&v);
    ar_free(&a);
}
