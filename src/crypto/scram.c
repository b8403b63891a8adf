/* scram.c - SCRAM-SHA-256 and, for old clients, SCRAM-SHA-1 (RFC 5802, RFC 7677): stored keys and the
 * server's half of the exchange. */
#include "base/text.h"
#include "crypto_i.h"

enum { ROUNDS_MAX = 1000000, MESSAGE_MAX = 4096, NONCE_MAX = 512 };

/* ---- keys (RFC 5802 section 3) ---- */

static enum hash_kind hash_of(enum scram_kind k) { return k == SCRAM_SHA1 ? HASH_SHA1 : HASH_SHA256; }

static void hmac(enum scram_kind k, const uint8_t key[32], struct slice bytes, uint8_t out[32])
{
    unsigned n = 0;
    ASSERT(HMAC(hash_md(hash_of(k)), key, (int)scram_size(k), (const uint8_t *)bytes.p, bytes.n, out, &n) &&
           n == scram_size(k));
}

static void keys_from_salted(const uint8_t salted[32], struct scram_keys *out)
{
    uint8_t client_key[32];
    hmac(out->kind, salted, SL("Client Key"), client_key);
    hash_once(hash_of(out->kind), sl(client_key, scram_size(out->kind)), out->stored_key);
    hmac(out->kind, salted, SL("Server Key"), out->server_key);
    wipe(client_key, sizeof client_key);
}

int scram_derive(enum scram_kind kind, struct slice password, const uint8_t salt[16], uint32_t iterations,
                 struct scram_keys *out)
{
    if (!iterations || iterations > ROUNDS_MAX)
        return err_set(ERR_USAGE, "the number of rounds must be 1 to %d", ROUNDS_MAX);
    struct buf p = BUF_INIT;
    int e = opaque_string(password, &p);
    if (e) {
        buf_free(&p);
        return err_prefix(e, "the password cannot be used");
    }
    uint8_t salted[32];
    *out = (struct scram_keys){.kind = kind, .iterations = iterations};
    memcpy(out->salt, salt, sizeof out->salt);
    ASSERT(PKCS5_PBKDF2_HMAC(p.p, (int)p.n, salt, sizeof out->salt, (int)iterations, hash_md(hash_of(kind)),
                             (int)scram_size(kind), salted) == 1);
    keys_from_salted(salted, out);
    wipe(salted, sizeof salted);
    wipe(p.p, p.size);
    buf_free(&p);
    return 0;
}

void scram_keys_text(const struct scram_keys *k, struct buf *out)
{
    buf_printf(out, "SCRAM-SHA-256$%u:", k->iterations);
    b64_encode(out, sl(k->salt, sizeof k->salt));
    buf_char(out, '$');
    b64_encode(out, sl(k->stored_key, sizeof k->stored_key));
    buf_char(out, ':');
    b64_encode(out, sl(k->server_key, sizeof k->server_key));
}

/* Decodes exactly n bytes of base64. */
static bool exact_b64(struct slice text, void *out, size_t n)
{
    struct buf b = {.cap = 256};
    bool good = text.n <= 256 && b64_decode(&b, text, true) == 0 && b.n == n;
    if (good) memcpy(out, b.p, n);
    if (b.p) wipe(b.p, b.size);
    buf_free(&b);
    return good;
}

int scram_keys_parse(struct slice s, struct scram_keys *out)
{
    struct slice scheme, rounds, salt, stored;
    uint64_t n;
    if (sl_next(&s, '$', &scheme) && sl_eq(scheme, SL("SCRAM-SHA-256")) && sl_next(&s, ':', &rounds) &&
        num_u64(rounds, ROUNDS_MAX, &n) && n && sl_next(&s, '$', &salt) && sl_next(&s, ':', &stored) &&
        exact_b64(salt, out->salt, 16) && exact_b64(stored, out->stored_key, 32) &&
        exact_b64(s, out->server_key, 32)) {
        out->kind = SCRAM_SHA256;
        out->iterations = (uint32_t)n;
        return 0;
    }
    return err_set(ERR_SYNTAX, "this is no SCRAM-SHA-256 key");
}

void scram_decoy(struct slice user, const uint8_t secret[32], struct scram_keys *out)
{
    uint8_t base[32], salt[32];
    struct slice key = sl(base, 32);
    hmac_sha256(sl(secret, 32), user, base);
    hmac_sha256(key, SL("salt"), salt);
    hmac_sha256(key, SL("stored"), out->stored_key);
    hmac_sha256(key, SL("server"), out->server_key);
    memcpy(out->salt, salt, sizeof out->salt);
    out->kind = SCRAM_SHA256;
    out->iterations = SCRAM_ROUNDS;
    wipe(base, sizeof base);
}

/* ---- the messages (RFC 5802 section 7) ---- */

/* Takes "<name>=<value>" up to the next comma. */
static bool attribute(struct slice *rest, char name, struct slice *value)
{
    struct slice item;
    if (!sl_next(rest, ',', &item) || item.n < 2 || item.p[0] != name || item.p[1] != '=') return false;
    *value = sl_from(item, 2);
    return true;
}

static bool printable_nonce(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7E || s.p[i] == ',') return false;
    return s.n >= 1 && s.n <= NONCE_MAX;
}

/* saslname: =2C and =3D undone, then prepared. */
static int saslname(struct arena *a, struct slice s, struct slice *out)
{
    struct buf raw = BUF_INIT, ready = BUF_INIT;
    int e = 0;
    for (size_t i = 0; !e && i < s.n; i++) {
        struct slice code = sl_sub(s, i, i + 3);
        if (s.p[i] != '=') buf_char(&raw, s.p[i]);
        else if (sl_eq(code, SL("=2C"))) buf_char(&raw, ','), i += 2;
        else if (sl_eq(code, SL("=3D"))) buf_char(&raw, '='), i += 2;
        else e = err_set(ERR_SYNTAX, "the user name has a wrong escape");
    }
    if (!e) e = opaque_string(buf_slice(&raw), &ready);
    if (!e) *out = ar_dup(a, buf_slice(&ready));
    buf_free(&raw);
    buf_free(&ready);
    return e;
}

/* gs2-cbind-flag, against what the connection can do (RFC 5802 section 6). */
static int binding_flag(struct scram_server *s, struct slice flag)
{
    s->plus = sl_starts(flag, SL("p="));
    if (sl_eq(flag, SL("y")) && s->cb_size)
        return err_set(ERR_DENIED, "the client was told that there is no channel binding, but there is");
    if (!s->plus) return sl_eq(flag, SL("n")) || sl_eq(flag, SL("y")) ? 0 : ERR_SYNTAX;
    struct slice name = sl_from(flag, 2);
    if (!name.n || name.n >= sizeof s->cb_name) return ERR_SYNTAX;
    memcpy(s->cb_name, name.p, name.n);
    s->cb_name[name.n] = 0;
    if (!sl_eq(name, SL("tls-exporter")) || !s->cb_size)
        return err_set(ERR_DENIED, "this channel binding is not offered");
    return 0;
}

static int gs2_header(struct scram_server *s, struct slice *rest, struct slice *authzid)
{
    struct slice flag, zid;
    if (!sl_next(rest, ',', &flag) || !sl_next(rest, ',', &zid)) return ERR_SYNTAX;
    int e = binding_flag(s, flag);
    if (e || !zid.n) return e;
    return sl_starts(zid, SL("a=")) ? saslname(s->a, sl_from(zid, 2), authzid) : ERR_SYNTAX;
}

/* What is left of the message after the gs2-header. */
static int first_bare(struct scram_server *s, struct slice rest)
{
    struct slice user;
    if (sl_starts(rest, SL("m="))) return err_set(ERR_SYNTAX, "a mandatory extension is not known here");
    s->client_first_bare = rest;
    if (!attribute(&rest, 'n', &user) || !attribute(&rest, 'r', &s->nonce) || !printable_nonce(s->nonce))
        return err_set(ERR_SYNTAX, "this is no SCRAM client-first message");
    return saslname(s->a, user, &s->user);
}

int scram_first(struct scram_server *s, struct arena *a, struct slice msg, bool plus)
{
    struct slice authzid = {0};
    s->a = a;
    s->user = s->nonce = s->gs2 = s->client_first_bare = s->server_first = (struct slice){0};
    if (msg.n > MESSAGE_MAX || !utf8_valid(msg))
        return err_set(ERR_SYNTAX, "the message is too long or no UTF-8");
    msg = ar_dup(a, msg);
    struct slice rest = msg;
    int e = gs2_header(s, &rest, &authzid);
    if (e == ERR_SYNTAX) return err_set(e, "this is no SCRAM client-first message");
    if (e) return e;
    if (plus != s->plus) return err_set(ERR_DENIED, "the channel binding flag does not fit the mechanism");
    s->gs2 = sl_sub(msg, 0, msg.n - rest.n);
    e = first_bare(s, rest);
    if (!e && authzid.n && !sl_eq(authzid, s->user))
        return err_set(ERR_DENIED, "nobody may act as somebody else");
    return e;
}

struct slice scram_challenge(struct scram_server *s, const struct scram_keys *k, struct slice server_nonce)
{
    s->keys = *k;
    s->nonce = ar_cat(s->a, s->nonce, server_nonce);
    s->server_first = ar_printf(s->a, "r=%.*s,s=%.*s,i=%u", SLF(s->nonce),
                                SLF(b64_encode_ar(s->a, sl(k->salt, sizeof k->salt))), k->iterations);
    return s->server_first;
}

/* c= must repeat the gs2-header, with the connection's binding data behind it for -PLUS. */
static bool binding_right(struct scram_server *s, struct slice c)
{
    struct slice want = s->gs2, got;
    if (s->plus) want = ar_cat(s->a, want, sl(s->cb_data, s->cb_size));
    return b64_decode_ar(s->a, c, true, &got) == 0 && same_secret(got, want);
}

/* RFC 5802 section 3: ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage). */
static bool proof_right(const struct scram_keys *k, struct slice auth_message, const uint8_t proof[32])
{
    uint8_t signature[32], stored[32];
    size_t n = scram_size(k->kind);
    hmac(k->kind, k->stored_key, auth_message, signature);
    for (size_t i = 0; i < n; i++) signature[i] ^= proof[i];
    hash_once(hash_of(k->kind), sl(signature, n), stored);
    return same_secret(sl(stored, n), sl(k->stored_key, n));
}

/* All are tried, whichever is right: the time does not tell. NULL: none is. */
static const struct scram_keys *find_proved(struct scram_server *s, struct slice auth_message,
                                            const uint8_t proof[32])
{
    const struct scram_keys *found = NULL;
    for (size_t i = 0; i <= s->nother; i++) {
        const struct scram_keys *k = i ? &s->other[i - 1] : &s->keys;
        if (!proof_right(k, auth_message, proof)) continue;
        found = k;
        s->which = i;
    }
    return found;
}

int scram_final(struct scram_server *s, struct slice msg, struct slice *server_final)
{
    struct slice c, r, rest = msg;
    uint8_t proof[32], signature[32];
    size_t at = sl_rchr(msg, ',');
    if (!s->server_first.n) return err_set(ERR_STATE, "there was no challenge");
    if (msg.n > MESSAGE_MAX || at == SL_NONE || !attribute(&rest, 'c', &c) || !attribute(&rest, 'r', &r) ||
        !sl_starts(sl_from(msg, at), SL(",p=")) ||
        !exact_b64(sl_from(msg, at + 3), proof, scram_size(s->keys.kind)))
        return err_set(ERR_SYNTAX, "this is no SCRAM client-final message");
    if (!same_secret(r, s->nonce)) return err_set(ERR_DENIED, "the nonce is not that of this exchange");
    if (!binding_right(s, c)) return err_set(ERR_DENIED, "the channel binding does not match");
    struct slice auth = ar_printf(s->a, "%.*s,%.*s,%.*s", SLF(s->client_first_bare), SLF(s->server_first),
                                  SLF(sl_sub(msg, 0, at)));
    const struct scram_keys *k = find_proved(s, auth, proof);
    if (!k) return err_set(ERR_DENIED, "the password is wrong");
    hmac(k->kind, k->server_key, auth, signature);
    *server_final = ar_printf(s->a, "v=%.*s", SLF(b64_encode_ar(s->a, sl(signature, scram_size(k->kind)))));
    return 0;
}
