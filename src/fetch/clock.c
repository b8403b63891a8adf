/* clock.c - what time it is by other hosts' clocks. */
#include "base/text.h"
#include "fetch.h"
#include "mail/date.h"
#include "rt/rt.h"

enum { CLOCK_WAIT_S = 5, AGE_MOST_S = 7 * 86400 };

int fetch_clock(const struct fetch_answer *r, int64_t *ahead)
{
    struct slice date = fetch_header(r, "date");
    struct mail_date said;
    uint64_t age = 0;
    if (!date.n || mail_date_parse(date, &said)) return err_set(ERR_NOT_FOUND, "the answer has no date");
    (void)!num_u64(fetch_header(r, "age"), AGE_MOST_S, &age);
    *ahead = rt_wall_seconds() - said.seconds - (int64_t)age;
    return 0;
}

int fetch_clock_of(const struct fetch *f, struct arena *a, struct slice host, int64_t *ahead)
{
    struct fetch_answer got = {0};
    struct fetch_request q = {.url = ar_printf(a, "http://%.*s/", SLF(host)),
                              .timeout = CLOCK_WAIT_S * RT_S,
                              .clear = true,
                              .waited_for = true};
    int64_t before = rt_wall_seconds();
    int e = fetch(f, a, &q, &got);
    if (!e) e = fetch_clock(&got, ahead);
    if (!e) *ahead -= (rt_wall_seconds() - before) / 2;
    return e;
}

struct slice fetch_url_host(struct slice url)
{
    size_t from = sl_find(url, SL("://")), end = 0;
    if (from == SL_NONE) return SL("");
    struct slice host = sl_from(url, from + 3);
    while (end < host.n && !memchr("/:?", host.p[end], 3)) end++;
    return sl_sub(host, 0, end);
}
