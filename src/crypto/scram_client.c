/* scram_client.c - the client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677): the password stays here, and the
 * server proves that it knows the keys made of it. */
#include "base/text.h"
#include "crypto_i.h"

/* Fewer rounds than RFC 7677 section 4 asks for would make a password cheap to guess for whoever listens;
 * more than so many are an attack on us. */
enum { ROUNDS_LEAST = 4096, ROUNDS_MOST = 1000000, SALT_MOST = 256, MESSAGE_MOST = 4096 };

static int no_server(void)
{
    return err_set(ERR_SYNTAX, "the server does not speak SCRAM as RFC 5802 has it");
}

/* RFC 5802 section 5.1: "," and "=" of a name are written out. */
static int saslname(struct arena *a, struct slice name, struct slice *out)
{
    struct buf ready = BUF_INIT, b = BUF_INIT;
    int e = opaque_string(name, &ready);
    for (size_t i = 0; !e && i < ready.n; i++) {
        if (ready.p[i] == ',') buf_str(&b, "=2C");
        else if (ready.p[i] == '=') buf_str(&b, "=3D");
        else buf_char(&b, ready.p[i]);
    }
    if (!e) *out = ar_dup(a, buf_slice(&b));
    buf_free(&ready);
    buf_free(&b);
    return e ? err_prefix(e, "the user name cannot be used") : 0;
}

int scram_client_first(struct scram_client *c, struct arena *a, struct slice user, struct slice nonce,
                       struct slice *out)
{
    struct slice name;
    int e = saslname(a, user, &name);
    if (e) return e;
    c->a = a;
    c->nonce = ar_dup(a, nonce);
    c->first_bare = ar_printf(a, "n=%.*s,r=%.*s", SLF(name), SLF(nonce));
    c->gs2 = c->plus ? SL("p=tls-exporter,,") : c->could_bind ? SL("y,,") : SL("n,,");
    *out = ar_cat(a, c->gs2, c->first_bare);
    return 0;
}

/* "r=...,s=...,i=...", and nothing that must be understood in front of it. */
static int read_challenge(const struct scram_client *c, struct slice msg, struct slice *nonce,
                          struct slice *salt, uint32_t *rounds)
{
    struct slice r, s, i, rest = msg;
    uint64_t n;
    if (msg.n > MESSAGE_MOST || !sl_next(&rest, ',', &r) || !sl_next(&rest, ',', &s) ||
        !sl_next(&rest, ',', &i))
        return no_server();
    if (!sl_starts(r, SL("r=")) || !sl_starts(s, SL("s=")) || !sl_starts(i, SL("i="))) return no_server();
    *nonce = sl_from(r, 2);
    if (!sl_starts(*nonce, c->nonce) || nonce->n == c->nonce.n)
        return err_set(ERR_DENIED, "the server's answer is to another question");
    if (b64_decode_ar(c->a, sl_from(s, 2), true, salt) != 0 || !salt->n || salt->n > SALT_MOST ||
        !num_u64(sl_from(i, 2), UINT32_MAX, &n))
        return no_server();
    if (n < ROUNDS_LEAST || n > ROUNDS_MOST)
        return err_set(ERR_DENIED, "the server asks for %llu rounds, which are %s", (unsigned long long)n,
                       n < ROUNDS_LEAST ? "too few to keep the password" : "too many");
    *rounds = (uint32_t)n;
    return 0;
}

static int salted_password(struct slice password, struct slice salt, uint32_t rounds, uint8_t out[32])
{
    struct buf p = BUF_INIT;
    int e = opaque_string(password, &p);
    if (!e)
        ASSERT(PKCS5_PBKDF2_HMAC(p.p, (int)p.n, (const uint8_t *)salt.p, (int)salt.n, (int)rounds,
                                 hash_md(HASH_SHA256), 32, out) == 1);
    if (p.p) wipe(p.p, p.size);
    buf_free(&p);
    return e ? err_prefix(e, "the password cannot be used") : 0;
}

int scram_client_final(struct scram_client *c, struct slice password, struct slice server_first,
                       struct slice *out)
{
    struct slice nonce = {0}, salt = {0}, bound = c->gs2;
    uint8_t salted[32], key[32], stored[32], proof[32], server_key[32];
    uint32_t rounds = 0;
    int e = read_challenge(c, server_first, &nonce, &salt, &rounds);
    if (!e) e = salted_password(password, salt, rounds, salted);
    if (e) return e;
    if (c->plus) bound = ar_cat(c->a, bound, sl((const char *)c->binding, sizeof c->binding));
    struct slice without = ar_printf(c->a, "c=%.*s,r=%.*s", SLF(b64_encode_ar(c->a, bound)), SLF(nonce));
    struct slice auth =
        ar_printf(c->a, "%.*s,%.*s,%.*s", SLF(c->first_bare), SLF(server_first), SLF(without));
    struct slice k = sl((const char *)salted, 32);
    hmac_sha256(k, SL("Client Key"), key);
    hmac_sha256(k, SL("Server Key"), server_key);
    hash_once(HASH_SHA256, sl((const char *)key, 32), stored);
    hmac_sha256(sl((const char *)stored, 32), auth, proof);
    for (int i = 0; i < 32; i++) proof[i] ^= key[i];
    hmac_sha256(sl((const char *)server_key, 32), auth, c->server_signature);
    c->asked = true;
    *out =
        ar_printf(c->a, "%.*s,p=%.*s", SLF(without), SLF(b64_encode_ar(c->a, sl((const char *)proof, 32))));
    wipe(salted, sizeof salted);
    wipe(key, sizeof key);
    wipe(server_key, sizeof server_key);
    return 0;
}

int scram_client_verify(const struct scram_client *c, struct slice server_final)
{
    struct slice v, rest = server_final, got;
    if (!c->asked || server_final.n > MESSAGE_MOST || !sl_next(&rest, ',', &v)) return no_server();
    if (sl_starts(v, SL("e=")))
        return err_set(ERR_DENIED, "the server says: %.*s", SLF(sl_sub(sl_from(v, 2), 0, 100)));
    if (!sl_starts(v, SL("v=")) || b64_decode_ar(c->a, sl_from(v, 2), true, &got) != 0) return no_server();
    if (!same_secret(got, sl((const char *)c->server_signature, 32)))
        return err_set(ERR_DENIED, "the server does not prove that it knows the password");
    return 0;
}
