/* date.c - date-time of header fields (RFC 5322 sections 3.3 and 4.3). */
#include "date.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct scan {
    struct slice s;
    size_t i;
};

static char peek(const struct scan *t) { return t->i < t->s.n ? t->s.p[t->i] : 0; }

/* Blanks and comments. */
static void skip(struct scan *t)
{
    size_t depth = 0;
    for (; t->i < t->s.n; t->i++) {
        char c = t->s.p[t->i];
        if (c == '(') depth++;
        else if (depth && c == ')') depth--;
        else if (depth && c == '\\') t->i++;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
    }
}

static bool take(struct scan *t, char c)
{
    skip(t);
    if (peek(t) != c) return false;
    t->i++;
    return true;
}

static struct slice letters(struct scan *t)
{
    skip(t);
    size_t from = t->i;
    while (is_alpha(peek(t))) t->i++;
    return sl_sub(t->s, from, t->i);
}

/* A number of lo to hi digits; *digits tells how many there were. */
static bool number(struct scan *t, int lo, int hi, int *value, int *digits)
{
    skip(t);
    int n = 0, v = 0;
    while (is_digit(peek(t)) && n < hi) {
        v = v * 10 + (peek(t) - '0');
        t->i++;
        n++;
    }
    *value = v;
    if (digits) *digits = n;
    return n >= lo && !is_digit(peek(t));
}

static int month_of(struct slice s)
{
    for (size_t i = 0; i < COUNT_OF(months); i++)
        if (s.n >= 3 && sl_eqi(sl_sub(s, 0, 3), sl_cstr(months[i]))) return (int)i + 1;
    return 0;
}

/* Section 4.3: two digits below 50 mean 20xx; other two and three digits count from 1900. */
static int full_year(int year, int digits)
{
    if (digits >= 4) return year;
    return digits == 2 && year < 50 ? year + 2000 : year + 1900;
}

static bool numeric_zone(struct scan *t, struct mail_date *out)
{
    bool minus = peek(t) == '-';
    int v;
    t->i++;
    if (!number(t, 4, 4, &v, NULL) || v % 100 > 59) return false;
    out->zone = v / 100 * 60 + v % 100;
    out->zone_known = !(minus && v == 0); /* "-0000": section 3.3 */
    if (minus) out->zone = -out->zone;
    return true;
}

static void named_zone(struct slice s, struct mail_date *out)
{
    static const struct {
        const char *name;
        int minutes;
    } zones[] = {
        {"UT", 0},     {"GMT", 0},    {"UTC", 0},    {"EST", -300}, {"EDT", -240}, {"CST", -360},
        {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
    };
    for (size_t i = 0; i < COUNT_OF(zones); i++)
        if (sl_eqi(s, sl_cstr(zones[i].name))) {
            out->zone = zones[i].minutes;
            out->zone_known = true;
            return;
        }
    out->zone_known = false; /* military and unknown ones: "-0000" */
}

static bool zone(struct scan *t, struct mail_date *out)
{
    skip(t);
    if (peek(t) == '+' || peek(t) == '-') return numeric_zone(t, out);
    named_zone(letters(t), out);
    return true;
}

static bool time_of_day(struct scan *t, struct civil *c)
{
    if (!number(t, 1, 2, &c->hour, NULL) || !take(t, ':') || !number(t, 2, 2, &c->minute, NULL)) return false;
    if (take(t, ':')) return number(t, 2, 2, &c->second, NULL);
    return true;
}

static bool date(struct scan *t, struct civil *c)
{
    int digits;
    if (letters(t).n) (void)take(t, ',');
    if (!number(t, 1, 2, &c->day, NULL)) return false;
    (void)take(t, '-'); /* "22-Nov-2026", seen in the wild */
    c->month = month_of(letters(t));
    (void)take(t, '-');
    if (!c->month || !number(t, 2, 4, &c->year, &digits)) return false;
    c->year = full_year(c->year, digits);
    return true;
}

int mail_date_parse(struct slice body, struct mail_date *out)
{
    struct scan t = {.s = sl_sub(body, 0, 1000)};
    struct civil c = {0};
    *out = (struct mail_date){0};
    if (!date(&t, &c) || !time_of_day(&t, &c) || !zone(&t, out))
        return err_set(ERR_SYNTAX, "this is no date as RFC 5322 section 3.3 writes it");
    int64_t seconds;
    if (!civil_to_unix(&c, &seconds) || (seconds -= (int64_t)out->zone * 60) < 0)
        return err_set(ERR_SYNTAX, "there is no such date");
    out->seconds = seconds;
    return 0;
}

char *mail_date_format(int64_t seconds, int zone_minutes, char buf[MAIL_DATE_MAX])
{
    if (zone_minutes > 5999 || zone_minutes < -5999) zone_minutes = 0;
    struct civil c = civil_from_unix(seconds + (int64_t)zone_minutes * 60);
    int z = zone_minutes < 0 ? -zone_minutes : zone_minutes;
    snprintf(buf, MAIL_DATE_MAX, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", days[c.weekday % 7], c.day,
             months[(c.month - 1) % 12], c.year % 10000, c.hour, c.minute, c.second,
             zone_minutes < 0 ? '-' : '+', z / 60, z % 60);
    return buf;
}
