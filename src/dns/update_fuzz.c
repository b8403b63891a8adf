/* update_fuzz.c - what a primary server answers to questions and changes: its message taken apart, its
 * signature judged; and a key as somebody hands it over. The first byte chooses. */
#include "base/fuzz.h"
#include "update_i.h"

static const struct dns_key key = {SL_INIT("tram.one.test"), SL_INIT("0123456789abcdef0123456789abcdef")};

/* Every record lies within the message, and its data is within bounds, however names refer to each other. */
static void take_apart(struct slice in)
{
    struct message m;
    struct message_rr rr;
    struct arena a = {0};
    struct slice data;
    size_t records = 0;
    if (message_open(&m, in)) return;
    while (message_next(&m, &rr) == 0 && !m.ended) {
        ASSERT(rr.start < rr.data_at && rr.data_at + rr.data_n == m.at && m.at <= in.n);
        ASSERT(rr.owner.n >= 1 && rr.owner.n <= NAME_WIRE_MAX && !rr.owner.b[rr.owner.n - 1]);
        ASSERT(++records <= in.n / 11);
        ar_reset(&a);
        if (message_data(&m, &rr, &a, &data) == 0) ASSERT(data.n <= rr.data_n + 2 * NAME_WIRE_MAX);
    }
    ASSERT(message_refused(&m) < 0);
    ar_free(&a);
}

static bool is_whole(struct slice in)
{
    struct message m;
    struct message_rr rr;
    int e = message_open(&m, in);
    while (!e && (e = message_next(&m, &rr)) == 0 && !m.ended) continue;
    return !e && m.at == in.n;
}

/* An answer as the server that has the secret signs it (RFC 8945 section 5.3.1): what was asked stands in
 * front of what is signed. Whose id is as the length of that. */
static void put_signed(struct buf *b, struct slice in, const uint8_t asked[32])
{
    uint8_t mac[32];
    struct buf x = BUF_INIT;
    buf_bytes(&x, "\0\x20", 2);
    buf_bytes(&x, asked, 32);
    buf_bytes(&x, "\0\x20", 2);
    buf_put(&x, sl_from(in, 2));
    tsig_sign(&x, &key, 1795383266, mac);
    buf_put(b, sl_from(buf_slice(&x), 34));
    b->p[11]++;
    buf_free(&x);
}

/* Without the secret nothing is believed; what is signed with it is, and not when one bit is another. */
static void judge(struct slice in)
{
    static const uint8_t asked[32] = {7};
    const int64_t now = 1795383266;
    struct slice id = SL("\0\x20");
    struct buf b = BUF_INIT;
    if (in.n < 12 || in.n > 60000) return;
    ASSERT(tsig_check(in, sl_sub(in, 0, 2), &key, asked, now) != 0);
    if ((uint8_t)in.p[11] == 255 || !is_whole(in)) return;
    put_signed(&b, in, asked);
    ASSERT(tsig_check(buf_slice(&b), id, &key, asked, now) == 0);
    ASSERT(tsig_check(buf_slice(&b), id, &key, asked, now + 301) != 0);
    size_t bit = 16 + (size_t)sl_hash(in) % (8 * in.n - 16);
    b.p[bit / 8] ^= (char)(1 << bit % 8);
    ASSERT(tsig_check(buf_slice(&b), id, &key, asked, now) != 0);
    buf_free(&b);
}

static void read_key(struct slice in)
{
    struct arena a = {0};
    struct dns_key k;
    struct wire_name name;
    if (dns_key_parse(&a, in, &k) == 0) ASSERT(k.secret.n >= 16 && name_to_wire(k.name, &name));
    ar_free(&a);
}

FUZZ
{
    if (!input.n) return;
    if (input.p[0] == 'k') return read_key(sl_from(input, 1));
    take_apart(sl_from(input, 1));
    judge(sl_from(input, 1));
}
