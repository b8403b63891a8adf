/* letter_id.c - the names of letters. */
#include "letter_id.h"

#include <string.h>

#include "rt/rt.h"

/* 50 bits of microseconds since 2020 (they last until 2055) and 30 bits of chance,
 * five bits a character, so that ids sort by time. */
static const char base32hex[] = "0123456789abcdefghijklmnopqrstuv";
static const int64_t id_epoch = INT64_C(1577836800) * 1000000;

void letter_id_new(struct letter_id *out)
{
    int64_t wall = rt_wall() < id_epoch ? id_epoch : rt_wall(); /* a clock that stands before 2020 */
    uint64_t time = (uint64_t)(wall - id_epoch), chance;
    rt_random(&chance, sizeof chance);
    for (int i = 9; i >= 0; i--, time >>= 5) out->s[i] = base32hex[time & 31];
    for (int i = 15; i >= 10; i--, chance >>= 5) out->s[i] = base32hex[chance & 31];
    out->s[LETTER_ID_LEN] = 0;
}

void letter_id_floor(struct letter_id *out, int64_t wall_us)
{
    uint64_t time = wall_us < id_epoch ? 0 : (uint64_t)(wall_us - id_epoch);
    memset(out->s, '0', LETTER_ID_LEN);
    for (int i = 9; i >= 0; i--, time >>= 5) out->s[i] = base32hex[time & 31];
    out->s[LETTER_ID_LEN] = 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

bool letter_id_ok(struct slice s)
{
    if (s.n != LETTER_ID_LEN) return false;
    for (size_t i = 0; i < s.n; i++)
        if (digit_of(s.p[i]) < 0) return false;
    return true;
}

int64_t letter_id_wall(const struct letter_id *id)
{
    uint64_t time = 0;
    for (int i = 0; i < 10; i++) time = time << 5 | (unsigned)digit_of(id->s[i]);
    return (int64_t)time + id_epoch;
}

int64_t letter_id_time(const struct letter_id *id) { return letter_id_wall(id) / 1000000; }
