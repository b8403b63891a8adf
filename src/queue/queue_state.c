/* queue_state.c - the states of a recipient and the moves between them.
 *
 *   waiting    an attempt is due at next_try; or under way
 *   held       until an operator releases it
 *   failed     for good; the sender is to be told (next_try: when)
 *   delivered  taken over by the next server or the account           end
 *   bounced    failed, and the sender was told or may not be told     end
 *   dropped    thrown away by an operator, or not wanted any more     end
 *
 * Who moves: the end of its time moves waiting to failed (age.c, also where no attempt can be made); the
 * result of an attempt moves waiting and, when an operator held it meanwhile, held; a retry, hold, release or
 * drop moves the states that it may; the report to the sender, once durable, moves failed to bounced. A
 * letter's rows go in the same transaction in which its last recipient comes to an end. Crash tests:
 * queue_sim.c kills the server at each durable step of each of these moves. */
#include "base/log.h"
#include "queue_i.h"

#define TO(s) (1u << Q_##s)

static const unsigned moves[Q_STATES] = {
    [Q_WAITING] = TO(WAITING) | TO(HELD) | TO(FAILED) | TO(DELIVERED) | TO(DROPPED),
    [Q_HELD] = TO(WAITING) | TO(HELD) | TO(FAILED) | TO(DELIVERED) | TO(DROPPED),
    [Q_FAILED] = TO(FAILED) | TO(BOUNCED) | TO(DROPPED),
    [Q_DELIVERED] = 0,
    [Q_BOUNCED] = 0,
    [Q_DROPPED] = 0,
};
static const char *const words[Q_STATES] = {"waiting", "held", "failed", "delivered", "bounced", "dropped"};

bool q_may_move(enum q_state from, enum q_state to)
{
    return from < Q_STATES && to < Q_STATES && (moves[from] & 1u << to);
}

bool q_is_end(enum q_state s) { return moves[s] == 0; }

const char *q_state_word(enum q_state s) { return words[s]; }

void q_move(struct q_rcpt *r, enum q_state to)
{
    ASSERT(q_may_move(r->state, to));
    r->state = to;
    r->barred = false; /* from now on it is an operator who holds it */
}
