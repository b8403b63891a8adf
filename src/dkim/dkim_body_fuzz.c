/* dkim_body_fuzz.c - a body in two cuttings: the hashes must be the same. The first bytes
 * choose how it is cut and a length for l=. */
#include "base/fuzz.h"
#include "dkim_body.h"

struct result {
    bool there[4];
    uint8_t hash[4][32];
    uint64_t rest[4];
};

static void run(struct slice body, size_t first, size_t step, uint64_t length, struct result *r)
{
    struct arena a = {0};
    struct dkim_body *b = dkim_body_new(&a);
    int want[4] = {dkim_body_want(b, DKIM_SIMPLE, DKIM_WHOLE), dkim_body_want(b, DKIM_RELAXED, DKIM_WHOLE),
                   dkim_body_want(b, DKIM_SIMPLE, length), dkim_body_want(b, DKIM_RELAXED, length)};
    for (size_t n = first; body.n; n = step) {
        struct slice piece = sl_sub(body, 0, n);
        dkim_body_add(b, piece);
        body = sl_from(body, piece.n);
    }
    dkim_body_end(b);
    memset(r, 0, sizeof *r);
    for (int i = 0; i < 4; i++) {
        r->there[i] = dkim_body_hash(b, want[i], r->hash[i], &r->rest[i]);
        if (!r->there[i]) memset(r->hash[i], 0, 32);
    }
    ar_free(&a);
}

FUZZ
{
    struct result whole, cut;
    if (input.n < 3) return;
    size_t first = (unsigned char)input.p[0], step = 1 + (unsigned char)input.p[1] % 64;
    uint64_t length = (unsigned char)input.p[2];
    struct slice body = sl_from(input, 3);
    run(body, body.n + 1, body.n + 1, length, &whole);
    run(body, first ? first : 1, step, length, &cut);
    ASSERT(!memcmp(&whole, &cut, sizeof whole));
    ASSERT(whole.there[0] && whole.there[1] && whole.rest[0] == 0);
}
