/* update.c - messages to a primary server and its answers (RFC 1035 section 4, RFC 2136), signed (RFC 8945).
 * What the server says is judged like anything from outside, also where its signature is good. */
#include "update.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "dns_i.h"
#include "rt/conn.h"
#include "update_i.h"

enum { MESSAGE_MAX = 65535, CLASS_IN = 1, CLASS_NONE = 254, OPCODE_UPDATE = 5, SECRET_LEAST = 16 };
static const int64_t ANSWER_S = 15;

struct dns_primary {
    struct conn *c;
    struct endpoint at;
    const struct dns_key *key;
};

/* ---- the key ---- */

static bool next_word(struct slice *s, struct slice *word)
{
    while (s->n && (sl_chr(SL(" \t\r\n{};\""), s->p[0]) != SL_NONE)) *s = sl_from(*s, 1);
    size_t n = 0;
    while (n < s->n && sl_chr(SL(" \t\r\n{};\""), s->p[n]) == SL_NONE) n++;
    *word = sl_sub(*s, 0, n);
    *s = sl_from(*s, n);
    return n > 0;
}

int dns_key_parse(struct arena *a, struct slice text, struct dns_key *out)
{
    struct slice word, value = {0}, algorithm = {0}, secret = {0};
    struct buf b = BUF_INIT;
    struct wire_name name;
    *out = (struct dns_key){0};
    while (next_word(&text, &word) && next_word(&text, &value)) {
        if (sl_eqi(word, SL("key"))) out->name = ar_dup(a, value);
        else if (sl_eqi(word, SL("algorithm"))) algorithm = value;
        else if (sl_eqi(word, SL("secret"))) secret = value;
    }
    if (!out->name.n || !name_to_wire(out->name, &name) || !secret.n)
        return err_set(ERR_SYNTAX, "this is no key as `tsig-keygen` writes it");
    if (!sl_eqi(algorithm, SL("hmac-sha256")) && !sl_eqi(algorithm, SL("hmac-sha256.")))
        return err_set(ERR_UNSUPPORTED, "the key's algorithm must be hmac-sha256");
    bool good = b64_decode(&b, secret, true) == 0 && b.n >= SECRET_LEAST;
    if (good) out->secret = ar_dup(a, buf_slice(&b));
    if (b.n) wipe(b.p, b.n);
    buf_free(&b);
    return good ? 0
                : err_set(ERR_SYNTAX, "the secret of the key is no base64 of %d bytes or more", SECRET_LEAST);
}

/* ---- writing ---- */

static void put16(struct buf *b, unsigned v)
{
    buf_char(b, (char)(v >> 8));
    buf_char(b, (char)v);
}

static void put32(struct buf *b, uint32_t v)
{
    put16(b, v >> 16);
    put16(b, v & 0xffff);
}

static bool put_name(struct buf *b, struct slice name)
{
    struct wire_name w;
    if (!name_to_wire(name, &w)) return false;
    buf_bytes(b, w.b, w.n);
    return true;
}

/* A question, or the zone of an update. */
static bool put_head(struct buf *b, unsigned opcode, struct slice name, unsigned type)
{
    put16(b, (unsigned)rt_random_below(65536));
    put16(b, opcode << 11);
    put16(b, 1);
    for (int i = 0; i < 3; i++) put16(b, 0);
    bool ok = put_name(b, name);
    put16(b, type);
    put16(b, CLASS_IN);
    return ok;
}

/* RFC 8945 section 5.3: who answers signs over what was asked, too. */
static int exchange(struct dns_primary *p, struct buf *q, struct buf *answer)
{
    uint8_t mac[32], length[2];
    tsig_sign(q, p->key, rt_wall_seconds(), mac);
    length[0] = (uint8_t)(q->n >> 8);
    length[1] = (uint8_t)q->n;
    conn_write(p->c, sl((char *)length, 2));
    conn_write(p->c, buf_slice(q));
    int e = conn_read(p->c, length, 2);
    size_t n = (size_t)length[0] << 8 | length[1];
    buf_clear(answer);
    char *to = e ? NULL : buf_space(answer, n);
    if (!e) e = conn_read(p->c, to, n);
    if (e) return err_prefix(e, "no answer of the DNS server");
    answer->n = n;
    return tsig_check(buf_slice(answer), sl_sub(buf_slice(q), 0, 2), p->key, mac, rt_wall_seconds());
}

static int ask(struct dns_primary *p, struct buf *q, struct buf *answer)
{
    int64_t before = deadline_narrow(DEADLINE_IN(ANSWER_S * RT_S));
    int e = exchange(p, q, answer);
    deadline_restore(before);
    return e;
}

int dns_primary_open(struct dns_primary **out, const struct endpoint *at, const struct dns_key *key)
{
    struct dns_primary *p = xcalloc(1, sizeof *p);
    char text[ENDPOINT_TEXT_MAX];
    p->at = *at;
    p->key = key;
    int64_t before = deadline_narrow(DEADLINE_IN(ANSWER_S * RT_S));
    int e = conn_dial(&p->c, at, NULL);
    deadline_restore(before);
    if (e) {
        free(p);
        return err_prefix(e, "the DNS server at %s", endpoint_format(at, text));
    }
    conn_set_buffer(p->c, MESSAGE_MAX);
    *out = p;
    return 0;
}

void dns_primary_close(struct dns_primary **p)
{
    if (!*p) return;
    conn_close(&(*p)->c);
    free(*p);
    *p = NULL;
}

/* ---- questions ---- */

static int question(struct dns_primary *p, struct slice name, enum dns_type type, struct buf *answer)
{
    struct buf q = BUF_INIT;
    int e = put_head(&q, 0, name, type) ? 0 : err_set(ERR_USAGE, "%.*s is no name", SLF(name));
    if (!e) e = ask(p, &q, answer);
    buf_free(&q);
    return e;
}

/* An alias never stands at the top of its zone (RFC 1034 section 3.6.2), so its parent lies in the same one;
 * of the alias the server would say in which its target lies. */
int dns_primary_zone(struct dns_primary *p, struct arena *a, struct slice name, struct slice *zone)
{
    struct buf answer = BUF_INIT;
    struct slice at = name;
    bool alias = true;
    int e = 0;
    for (; !e && alias && at.n; at = name_parent(at)) {
        e = question(p, at, DNS_SOA, &answer);
        if (!e) e = message_zone(buf_slice(&answer), at, a, zone, &alias);
    }
    buf_free(&answer);
    if (e == ERR_NOT_FOUND || (!e && alias))
        return err_set(ERR_NOT_FOUND, "the DNS server has no zone for %.*s", SLF(name));
    return e;
}

int dns_primary_records(struct dns_primary *p, struct arena *a, struct slice name, enum dns_type type,
                        struct dns_set *out)
{
    struct buf answer = BUF_INIT;
    struct message m;
    struct message_rr rr;
    size_t cap = 0;
    *out = (struct dns_set){0};
    int e = question(p, name, type, &answer);
    if (!e) e = message_open(&m, buf_slice(&answer));
    if (!e && m.rcode != NOERROR && m.rcode != NXDOMAIN) e = message_refused(&m);
    while (!e && (e = message_next(&m, &rr)) == 0 && !m.ended) {
        if (!rr.in_answer || rr.type != (unsigned)type) continue;
        if (out->n == ANSWER_RR_MAX)
            e = err_set(ERR_LIMIT, "more than %d records at %.*s", ANSWER_RR_MAX, SLF(name));
        if (!e && out->n == cap) out->v = ar_grow(a, out->v, &cap, sizeof *out->v);
        if (!e) e = message_data(&m, &rr, a, &out->v[out->n++]);
        if (rr.ttl > out->ttl) out->ttl = rr.ttl;
    }
    buf_free(&answer);
    return e;
}

int dns_line_data(struct arena *a, struct slice line, enum dns_type type, struct slice *out)
{
    struct zone *z = zone_new();
    int e = zone_parse(z, line, "a record");
    if (!e && !zone_one(z, a, type, out)) e = err_set(ERR_SYNTAX, "%.*s: no record of that type", SLF(line));
    zone_free(&z);
    return e;
}

/* ---- changes ---- */

static bool put_change(struct buf *b, const struct dns_change *c)
{
    bool ok = put_name(b, c->name) && c->data.n <= MESSAGE_MAX / 4;
    put16(b, c->type);
    put16(b, c->add ? CLASS_IN : CLASS_NONE);
    put32(b, c->add ? DNS_CHANGE_TTL : 0);
    put16(b, (unsigned)c->data.n);
    buf_put(b, c->data);
    return ok;
}

int dns_primary_change(struct dns_primary *p, struct slice zone, const struct dns_change *v, size_t n)
{
    struct buf q = BUF_INIT, answer = BUF_INIT;
    struct message m;
    bool ok = n <= DNS_CHANGES_MAX && put_head(&q, OPCODE_UPDATE, zone, DNS_SOA);
    for (size_t i = 0; ok && i < n; i++) ok = put_change(&q, &v[i]);
    if (ok) q.p[8] = (char)(n >> 8), q.p[9] = (char)n; /* UPCOUNT, section 2.2 */
    int e = ok && q.n < MESSAGE_MAX - 1024 ? 0 : err_set(ERR_LIMIT, "too much to be changed in one message");
    if (!e) e = ask(p, &q, &answer);
    if (!e) e = message_open(&m, buf_slice(&answer));
    if (!e && m.rcode != NOERROR) e = message_refused(&m);
    buf_free(&q);
    buf_free(&answer);
    return e;
}
