/* tls_ticket.c - the keys that seal session tickets, changed twice a day.
 *
 * Who learns a ticket key can read every TLS 1.2 session that was resumed with
 * it, so no key lives long (RFC 9325 section 3.4). Tickets of the key before are
 * still opened, and replaced. */
#include <openssl/core_names.h>

#include "tls_i.h"

#define KEY_LIFE (INT64_C(12) * 3600) /* seconds */

static void make_key(struct tls_ticket_key *k, int64_t now)
{
    rt_random(k->name, sizeof k->name);
    rt_random(k->aes, sizeof k->aes);
    rt_random(k->mac, sizeof k->mac);
    k->born = now;
}

static void age(struct tls_ctx *t, int64_t now)
{
    struct tls_ticket_key *k = t->ticket_keys;
    if (k[0].born && now - k[0].born < KEY_LIFE && now >= k[0].born) return;
    k[1] = k[0];
    if (now - k[1].born >= 2 * KEY_LIFE) OPENSSL_cleanse(&k[1], sizeof k[1]);
    make_key(&k[0], now);
}

/* Which key has this name: 0 the present one, 1 the one before, -1 none. */
static int find(const struct tls_ctx *t, const unsigned char *name)
{
    for (int i = 0; i < 2; i++)
        if (t->ticket_keys[i].born && memcmp(t->ticket_keys[i].name, name, TLS_TICKET_NAME) == 0) return i;
    return -1;
}

static bool set_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *k)
{
    char digest[] = "sha256";
    OSSL_PARAM p[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
                      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                      OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, p) == 1;
}

/* Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: 0 = a full handshake, 1 = fine,
 * 2 = fine, and a new ticket is due. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket_key k;
    lock_take(&t->lock);
    age(t, rt_wall_seconds());
    int which = seal ? 0 : find(t, name);
    if (which >= 0) k = t->ticket_keys[which];
    lock_release(&t->lock);
    if (which < 0) return 0;
    if (seal) {
        memcpy(name, k.name, sizeof k.name);
        rt_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    }
    bool ok = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv, seal) == 1 && set_mac(mac, &k);
    OPENSSL_cleanse(&k, sizeof k);
    bool renew = which == 1 || SSL_version(ssl) >= TLS1_3_VERSION; /* there a ticket is used once */
    return !ok ? -1 : renew && !seal ? 2 : 1;
}

void tls_ticket_start(struct tls_ctx *t) { SSL_CTX_set_tlsext_ticket_key_evp_cb(t->ssl, on_ticket); }
