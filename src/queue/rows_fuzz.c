/* rows_fuzz.c - the rows of the queue as a damaged disk may give them back: the first byte
 * chooses the kind; for recipients and the schedule a key comes first, up to a NUL. And the origin of a
 * letter. */
#include "base/fuzz.h"
#include "queue_i.h"
#include "store/origin.h"

FUZZ
{
    struct letter_id id = {"0123456789abcdef"};
    struct q_envelope e;
    struct q_group g;
    struct q_rcpt r;
    struct buf b = BUF_INIT;
    struct q_due due;
    struct q_front front;
    struct slice address;
    if (!input.n) return;
    struct slice row = sl_from(input, 1), key = row;
    (void)(q_envelope_peek(row, input.n % 2, &front) || q_rcpt_peek(row, &address));
    (void)q_sieve_may_hold(row, SL("a@b.test"));
    if (input.p[0] == 'e' && q_envelope_get(row, &id, &e) == 0) {
        q_envelope_put(&b, &e);
        ASSERT(b.over || q_envelope_get(buf_slice(&b), &id, &e) == 0);
        ASSERT(b.over || (q_envelope_peek(buf_slice(&b), true, &front) && sl_eq(front.sender, e.l.sender) &&
                          sl_eq(front.sieve, e.sieve) && front.received == e.l.received));
    } else if (input.p[0] == 'g' && q_group_get(row, 1, &g) == 0) {
        ASSERT(!g.local || strlen(g.account) < sizeof g.account);
    } else if (input.p[0] == 'r' && sl_next(&row, 0, &key) && q_rcpt_get(key, row, &r) == 0) {
        ASSERT(r.state < Q_STATES && r.g <= 99999 && r.n <= 99999);
        q_rcpt_put(&b, &r);
        ASSERT(q_rcpt_get(key, buf_slice(&b), &r) == 0);
        ASSERT(q_rcpt_peek(buf_slice(&b), &address) && sl_eq(address, r.address));
    } else if (input.p[0] == 'd' && sl_next(&row, 0, &key) && q_due_get(key, row, &due) == 0) {
        ASSERT(due.due >= 0 && due.g <= 99999 && letter_id_ok(sl_cstr(due.id.s)) && due.stream < STREAMS);
    }
    struct rec origin;
    struct arena a = {0};
    struct letter l, again;
    if (origin_open(input, &origin) == ORIGIN_LETTER && letter_origin_get(&origin, &a, &l) == 0) {
        ASSERT(l.nrcpt >= 1 && letter_id_ok(sl_cstr(l.id.s)) && l.skip <= l.head_size);
        bool fits = letter_origin(&b, &l) == 0;
        ASSERT(!fits || (origin_open(buf_slice(&b), &origin) == ORIGIN_LETTER &&
                         letter_origin_get(&origin, &a, &again) == 0 && again.nrcpt == l.nrcpt));
    }
    ar_free(&a);
    buf_free(&b);
}
