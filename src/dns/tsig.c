/* tsig.c - messages signed with a shared secret: TSIG (RFC 8945) with HMAC-SHA-256. */
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "update_i.h"

enum {
    TYPE_TSIG = 250,
    CLASS_ANY = 255,
    FUDGE_S = 300,
    MAC = 32,
    HEAD = 12,
    BADSIG = 16,
    BADKEY = 17,
    BADTIME = 18
};
static const char algorithm[] = "\x0bhmac-sha256"; /* wire form, with the root */

static void put(struct buf *b, uint64_t v, unsigned bytes)
{
    while (bytes--) buf_char(b, (char)(v >> 8 * bytes));
}

static uint64_t get(struct slice s, size_t at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v = v << 8 | (uint8_t)s.p[at + i];
    return v;
}

static void put_key_name(struct buf *b, const struct dns_key *key)
{
    struct wire_name w;
    (void)name_to_wire(key->name, &w); /* dns_key_parse() has seen that it is one */
    buf_bytes(b, w.b, w.n);
}

/* The variables that are signed with the message (section 4.3.3). */
static void put_variables(struct buf *b, const struct dns_key *key, uint64_t when, uint64_t fudge,
                          struct slice rest)
{
    put_key_name(b, key);
    put(b, CLASS_ANY, 2);
    put(b, 0, 4);
    buf_bytes(b, algorithm, sizeof algorithm);
    put(b, when, 6);
    put(b, fudge, 2);
    buf_put(b, rest); /* error, other length, other data */
}

void tsig_sign(struct buf *message, const struct dns_key *key, int64_t now, uint8_t mac[32])
{
    ASSERT(message->n && key->secret.n);
    struct buf b = BUF_INIT;
    buf_put(&b, buf_slice(message));
    put_variables(&b, key, (uint64_t)now, FUDGE_S, sl("\0\0\0\0", 4));
    hmac_sha256(key->secret, buf_slice(&b), mac);
    buf_free(&b);
    put_key_name(message, key);
    put(message, TYPE_TSIG, 2);
    put(message, CLASS_ANY, 2);
    put(message, 0, 4);
    put(message, sizeof algorithm + 6 + 2 + 2 + MAC + 2 + 2 + 2, 2);
    buf_bytes(message, algorithm, sizeof algorithm);
    put(message, (uint64_t)now, 6);
    put(message, FUDGE_S, 2);
    put(message, MAC, 2);
    buf_bytes(message, mac, MAC);
    buf_bytes(message, message->p, 2); /* the original id */
    put(message, 0, 4);
    message->p[11]++; /* ARCOUNT: there is none but this one */
}

static int refused(unsigned code)
{
    const char *why = code == BADKEY    ? "it does not know the key"
                      : code == BADSIG  ? "the secret of the key is another there"
                      : code == BADTIME ? "its clock and ours differ by more than five minutes"
                                        : "of a reason unknown here";
    return err_set(ERR_DENIED, "the DNS server does not believe us: %s (code %u)", why, code);
}

static int unsigned_answer(struct slice answer)
{
    struct message m;
    int e = message_open(&m, answer);
    return e         ? e
           : m.rcode ? message_refused(&m)
                     : err_set(ERR_DENIED, "the DNS server's answer is not signed: it is not believed");
}

/* The last record of the message, when that is a TSIG of the form that we know. */
static int find(struct slice answer, struct message_rr *out, struct slice *data)
{
    struct message m;
    struct message_rr rr;
    int e = message_open(&m, answer);
    *out = (struct message_rr){0};
    while (!e && (e = message_next(&m, &rr)) == 0 && !m.ended) *out = rr;
    if (e) return e;
    if (m.at != answer.n) return err_set(ERR_SYNTAX, "the DNS server's answer has bytes behind its end");
    if (out->type != TYPE_TSIG) return ERR_NOT_FOUND;
    *data = sl_sub(answer, out->data_at, out->data_at + out->data_n);
    struct slice name = sl(algorithm, sizeof algorithm);
    bool plain = out->class == CLASS_ANY && get(answer, out->data_at - 6, 4) == 0;
    if (!plain || data->n < name.n + 16 || !sl_eqi(sl_sub(*data, 0, name.n), name))
        return err_set(ERR_SYNTAX, "the DNS server's signature is of a form that is not known");
    *data = sl_from(*data, name.n); /* time 6, fudge 2, size 2, mac, id 2, error 2, other */
    return 0;
}

static void sum(struct slice answer, const struct message_rr *rr, const struct dns_key *key,
                const uint8_t asked[32], struct slice data, uint8_t out[32])
{
    struct buf b = BUF_INIT;
    put(&b, MAC, 2);
    buf_bytes(&b, asked, MAC);
    size_t at = b.n, mac_n = get(data, 8, 2);
    buf_put(&b, sl_sub(answer, 0, rr->start));
    uint64_t more = get(buf_slice(&b), at + 10, 2) - 1; /* without the signature, under its own id */
    memcpy(b.p + at, data.p + 10 + mac_n, 2);
    b.p[at + 10] = (char)(more >> 8);
    b.p[at + 11] = (char)more;
    put_variables(&b, key, get(data, 0, 6), get(data, 6, 2), sl_from(data, 12 + mac_n));
    hmac_sha256(key->secret, buf_slice(&b), out);
    buf_free(&b);
}

int tsig_check(struct slice answer, struct slice id, const struct dns_key *key, const uint8_t asked[32],
               int64_t now)
{
    struct message_rr rr;
    struct slice data = {0};
    struct wire_name name;
    uint8_t own[32];
    if (answer.n < HEAD || !sl_eq(sl_sub(answer, 0, 2), id))
        return err_set(ERR_SYNTAX, "the DNS server answers another question");
    int e = find(answer, &rr, &data);
    if (e == ERR_NOT_FOUND) return unsigned_answer(answer);
    if (e) return e;
    uint64_t mac_n = get(data, 8, 2);
    if (mac_n + 16 > data.n) return err_set(ERR_SYNTAX, "the DNS server's signature is cut off");
    unsigned code = (unsigned)get(data, 12 + mac_n, 2);
    if (code) return refused(code);
    (void)name_to_wire(key->name, &name);
    if (mac_n != MAC || rr.owner.n != name.n || memcmp(rr.owner.b, name.b, name.n) != 0)
        return err_set(ERR_DENIED, "the DNS server's answer is signed with another key");
    sum(answer, &rr, key, asked, data, own);
    if (!same_secret(sl((char *)own, MAC), sl_sub(data, 10, 10 + MAC)))
        return err_set(ERR_DENIED, "the signature of the DNS server's answer is wrong");
    int64_t off = (int64_t)get(data, 0, 6) - now;
    return off > FUDGE_S || off < -FUDGE_S ? refused(BADTIME) : 0;
}
