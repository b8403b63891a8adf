/* retry.c - how long until a letter that was not taken is tried again. */
#include "queue_i.h"

/* Growing by half each time from the first interval to the longest, give or take a fifth,
 * so that letters that failed together do not come back together. */
int64_t retry_interval(const struct queue *q, uint32_t attempts, unsigned first, unsigned most)
{
    int64_t longest = most ? q->retry_first_s * most : q->retry_most_s;
    int64_t s = q->retry_first_s * (first ? first : 1);
    if (longest > q->retry_most_s) longest = q->retry_most_s;
    for (uint32_t i = 1; i < attempts && s < longest; i++) s = s * 3 / 2 + 1;
    if (s > longest) s = longest;
    int64_t spread = s / 5;
    return s - spread + (int64_t)rt_random_below((uint64_t)(2 * spread + 1));
}

int64_t retry_longest(const struct queue *q)
{
    int64_t most = q->retry_most_s > q->retry_first_s ? q->retry_most_s : q->retry_first_s;
    return most + most / 5;
}
