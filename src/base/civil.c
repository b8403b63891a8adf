/* civil.c - dates of the Gregorian calendar, without the C library's time zones. */
#include "civil.h"

#include <stdio.h>

/* Days are counted from 1 March of year 0 in eras of 400 years, so that the leap
 * day is the last of its year. */
static int64_t civil_days(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

struct civil civil_from_unix(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) rest += 86400, days--;
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .month = (int)(mp < 10 ? mp + 3 : mp - 9),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .weekday = (int)((days % 7 + 11) % 7),
    };
    c.year = (int)(yoe + era * 400 + (c.month <= 2));
    return c;
}

bool civil_to_unix(const struct civil *c, int64_t *seconds)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < 1970 || c->year > 9999 || c->month < 1 || c->month > 12) return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    int last = month_days[c->month - 1] + (c->month == 2 && leap);
    if (c->day < 1 || c->day > last || c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 ||
        c->second < 0 || c->second > 60)
        return false;
    int second = c->second == 60 ? 59 : c->second;
    *seconds = civil_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + second;
    return true;
}

char *civil_format(int64_t seconds, char buf[CIVIL_TEXT_MAX])
{
    struct civil c = civil_from_unix(seconds);
    snprintf(buf, CIVIL_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", (unsigned)c.year % 10000, c.month, c.day,
             c.hour, c.minute, c.second);
    return buf;
}

/* So many digits at *at of the text. */
static bool digits(struct slice s, size_t *at, size_t n, int *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9') return false;
        *out = *out * 10 + (s.p[(*at)++] - '0');
    }
    return true;
}

static bool sign(struct slice s, size_t *at, const char *one_of, char *out)
{
    if (*at >= s.n || !strchr(one_of, s.p[*at]) || !s.p[*at]) return false;
    *out = s.p[(*at)++];
    return true;
}

static bool offset(struct slice s, size_t *at, int64_t *seconds)
{
    char c;
    int hours, minutes;
    *seconds = 0;
    if (!sign(s, at, "Zz+-", &c)) return false;
    if (c == 'Z' || c == 'z') return true;
    if (!digits(s, at, 2, &hours) || !sign(s, at, ":", &(char){0}) || !digits(s, at, 2, &minutes))
        return false;
    *seconds = (hours * 60 + minutes) * (c == '-' ? -60 : 60);
    return hours < 24 && minutes < 60;
}

bool civil_parse(struct slice s, int64_t *seconds)
{
    struct civil c = {0};
    size_t at = 0;
    char x;
    int64_t east;
    bool ok = digits(s, &at, 4, &c.year) && sign(s, &at, "-", &x) && digits(s, &at, 2, &c.month) &&
              sign(s, &at, "-", &x) && digits(s, &at, 2, &c.day) && sign(s, &at, "Tt ", &x) &&
              digits(s, &at, 2, &c.hour) && sign(s, &at, ":", &x) && digits(s, &at, 2, &c.minute) &&
              sign(s, &at, ":", &x) && digits(s, &at, 2, &c.second);
    if (ok && at < s.n && s.p[at] == '.')
        for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9';) at++;
    if (!ok || !offset(s, &at, &east) || at != s.n || !civil_to_unix(&c, seconds)) return false;
    *seconds -= east;
    return true;
}
