/* template_value.c - values of templates as JavaScript would see them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "template_i.h"

struct tval tval_of(const json_t *j)
{
    if (!j) return (struct tval){.type = T_NONE};
    switch (json_typeof(j)) {
    case JSON_OBJECT: return (struct tval){.type = T_OBJECT, .j = j};
    case JSON_ARRAY: return (struct tval){.type = T_LIST, .j = j};
    case JSON_STRING: return tval_string(sl(json_string_value(j), json_string_length(j)));
    case JSON_INTEGER: return (struct tval){.type = T_NUMBER, .n = (double)json_integer_value(j), .j = j};
    case JSON_REAL: return tval_number(json_real_value(j));
    case JSON_TRUE: return tval_bool(true);
    case JSON_FALSE: return tval_bool(false);
    case JSON_NULL: break;
    }
    return (struct tval){.type = T_NULL};
}

/* Characters as UTF-16 counts them. */
static double string_length(struct slice s)
{
    size_t n = 0;
    uint32_t cp;
    while (utf8_next(&s, &cp)) n += cp > 0xffff ? 2 : 1;
    return (double)n;
}

double tval_length(const struct tval *v)
{
    if (v->type == T_LIST) return (double)json_array_size(v->j);
    return v->type == T_STRING ? string_length(v->s) : 0;
}

/* The character there, as UTF-16 counts them; half of one is nothing. */
static struct tval character(struct slice s, uint64_t index)
{
    struct slice before = s;
    uint32_t cp;
    for (uint64_t at = 0; at <= index && utf8_next(&s, &cp); at += cp > 0xffff ? 2 : 1, before = s)
        if (at == index && cp <= 0xffff) return tval_string(sl(before.p, before.n - s.n));
    return (struct tval){.type = T_NONE};
}

struct tval tval_member(const struct tval *v, struct slice name)
{
    uint64_t index;
    if (v->type == T_OBJECT) return tval_of(json_object_getn(v->j, name.p, name.n));
    if ((v->type == T_LIST || v->type == T_STRING) && sl_eq(name, SL("length")))
        return tval_number(tval_length(v));
    if (!num_u64(name, SIZE_MAX, &index) || (name.n > 1 && name.p[0] == '0'))
        return (struct tval){.type = T_NONE};
    if (v->type == T_LIST) return tval_of(json_array_get(v->j, index));
    if (v->type == T_STRING) return character(v->s, index);
    return (struct tval){.type = T_NONE};
}

bool tval_true(const struct tval *v)
{
    switch (v->type) {
    case T_BOOL: return v->b;
    case T_NUMBER: return v->n != 0 && !isnan(v->n);
    case T_STRING: return v->s.n > 0;
    case T_LIST: return json_array_size(v->j) > 0;
    case T_OBJECT: return true;
    case T_NONE:
    case T_NULL: break;
    }
    return false;
}

bool tval_same(const struct tval *a, const struct tval *b)
{
    if (a->type != b->type) return false;
    switch (a->type) {
    case T_BOOL: return a->b == b->b;
    case T_NUMBER: return a->n == b->n;
    case T_STRING: return sl_eq(a->s, b->s);
    case T_LIST:
    case T_OBJECT: return a->j == b->j;
    case T_NONE:
    case T_NULL: break;
    }
    return true;
}

bool tval_as_number(const struct tval *v, double *n)
{
    char text[64], *end;
    if (v->type == T_NUMBER) *n = v->n;
    if (v->type == T_BOOL) *n = v->b;
    if (v->type != T_STRING) return v->type == T_NUMBER || v->type == T_BOOL;
    struct slice s = sl_trim(v->s);
    if (!s.n || s.n >= sizeof text || (!is_digit(s.p[0]) && !strchr("+-.", s.p[0]))) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *n = strtod(text, &end);
    return end == text + s.n && !isnan(*n);
}

bool tval_compare(const struct tval *a, const struct tval *b, int *order)
{
    double x, y;
    if (a->type == T_STRING && b->type == T_STRING && !(tval_as_number(a, &x) && tval_as_number(b, &y))) {
        *order = sl_cmp(a->s, b->s);
        return true;
    }
    if (!tval_as_number(a, &x) || !tval_as_number(b, &y)) return false;
    *order = (x > y) - (x < y);
    return true;
}

bool tval_equal(const struct tval *a, const struct tval *b)
{
    double x, y;
    bool nothing = a->type <= T_NULL && b->type <= T_NULL;
    if (nothing || tval_same(a, b)) return true;
    if (a->type == b->type) return false;
    return tval_as_number(a, &x) && tval_as_number(b, &y) && x == y;
}

/* ---- text ---- */

/* The shortest digits that read as the same number, written as ECMAScript does (Number::toString). */
static void put_number(struct buf *out, double d)
{
    char e[40], digits[24];
    int precision = 0, n = 0, exponent = 0;
    if (isnan(d) || isinf(d)) {
        buf_str(out, isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity");
        return;
    }
    do snprintf(e, sizeof e, "%.*e", precision, d == 0 ? 0 : fabs(d));
    while (precision++ < 17 && strtod(e, NULL) != fabs(d));
    const char *p = e;
    for (; *p && *p != 'e'; p++)
        if (is_digit(*p)) digits[n++] = *p;
    for (const char *q = p + 2; *q; q++) exponent = exponent * 10 + (*q - '0');
    if (p[1] == '-') exponent = -exponent;
    int point = exponent + 1; /* digits before the point */
    if (d < 0) buf_char(out, '-');
    if (point > 21 || point < -5) {
        buf_char(out, digits[0]);
        if (n > 1) buf_char(out, '.');
        buf_bytes(out, digits + 1, (size_t)n - 1);
        buf_printf(out, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (point <= 0) buf_str(out, "0.");
    for (int i = point; i < 0; i++) buf_char(out, '0');
    for (int i = 0; i < n || i < point; i++) {
        if (i && i == point) buf_char(out, '.');
        buf_char(out, i < n ? digits[i] : '0');
    }
}

static bool put_list(struct buf *out, const json_t *list, uint32_t *budget)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        struct tval v = tval_of(json_array_get(list, i));
        if (i) buf_char(out, ',');
        if (!tval_text(out, &v, budget)) return false;
    }
    return true;
}

bool tval_text(struct buf *out, const struct tval *v, uint32_t *budget)
{
    if (!*budget) return false;
    --*budget;
    switch (v->type) {
    case T_BOOL: buf_str(out, v->b ? "true" : "false"); break;
    case T_NUMBER:
        if (v->j) buf_printf(out, "%lld", (long long)json_integer_value(v->j));
        else put_number(out, v->n);
        break;
    case T_STRING: buf_put(out, v->s); break;
    case T_LIST: return put_list(out, v->j, budget);
    case T_OBJECT: buf_str(out, "[object Object]"); break;
    case T_NONE:
    case T_NULL: break;
    }
    return true;
}

/* ---- dates ---- */

/* "+0100", "-08:00", "Z". */
static bool read_zone(struct slice s, int64_t *seconds)
{
    uint64_t h, m;
    *seconds = 0;
    if (!s.n || sl_eqi(s, SL("Z"))) return true;
    bool colon = s.n == 6 && s.p[3] == ':';
    if ((s.n != 5 && !colon) || (s.p[0] != '+' && s.p[0] != '-')) return false;
    if (!num_u64(sl_sub(s, 1, 3), 23, &h) || !num_u64(sl_from(s, colon ? 4 : 3), 59, &m)) return false;
    *seconds = (int64_t)(h * 3600 + m * 60) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

/* Takes digits and the sign that must stand in front of them. */
static bool take(struct slice *s, char sign, size_t digits, int *out)
{
    uint64_t v;
    if (sign && (!s->n || s->p[0] != sign)) return false;
    *s = sl_from(*s, sign != 0);
    if (s->n < digits || !num_u64(sl_sub(*s, 0, digits), 9999, &v)) return false;
    *s = sl_from(*s, digits);
    *out = (int)v;
    return true;
}

/* RFC 3339, the time and its parts optional. */
static bool read_date(struct slice s, int64_t *seconds)
{
    struct civil c = {0};
    int64_t zone = 0;
    s = sl_trim(s);
    if (!take(&s, 0, 4, &c.year) || !take(&s, '-', 2, &c.month) || !take(&s, '-', 2, &c.day)) return false;
    if (s.n && (s.p[0] == 'T' || s.p[0] == 't' || s.p[0] == ' ')) {
        if (!take(&s, s.p[0], 2, &c.hour) || !take(&s, ':', 2, &c.minute)) return false;
        (void)take(&s, ':', 2, &c.second);
        if (s.n && s.p[0] == '.') do
                s = sl_from(s, 1);
            while (s.n && is_digit(s.p[0]));
    }
    if (!read_zone(sl_trim(s), &zone) || !civil_to_unix(&c, seconds)) return false;
    *seconds -= zone;
    return true;
}

static bool read_time(const struct tval *v, int64_t *seconds)
{
    double n;
    if (v->type == T_STRING && read_date(v->s, seconds)) return true;
    if (v->type == T_BOOL || !tval_as_number(v, &n) || n < 0 || n > 253402300799e3) return false;
    *seconds = (int64_t)(n < 1e11 ? n : n / 1000);
    return true;
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

struct moment {
    struct civil c;
    int64_t zone;
};

static void put_zone(struct buf *out, int64_t zone, bool colon)
{
    int64_t m = (zone < 0 ? -zone : zone) / 60;
    buf_printf(out, "%c%02d%s%02d", zone < 0 ? '-' : '+', (int)(m / 60), colon ? ":" : "", (int)(m % 60));
}

/* One token of n equal letters; how many of them it took, 0 when it is none. */
static size_t put_token(struct buf *out, const struct moment *m, char c, size_t n)
{
    const struct civil *t = &m->c;
    int hour12 = t->hour % 12 ? t->hour % 12 : 12;
    const struct {
        char c;
        int value;
    } numbers[] = {{'M', t->month}, {'D', t->day},    {'H', t->hour},
                   {'h', hour12},   {'m', t->minute}, {'s', t->second}};
    if (c == 'Y' && n >= 2) {
        buf_printf(out, n >= 4 ? "%04d" : "%02d", n >= 4 ? t->year : t->year % 100);
        return n >= 4 ? 4 : 2;
    }
    if ((c == 'M' || c == 'd') && n >= 3) {
        struct slice word = sl_cstr(c == 'M' ? months[t->month - 1] : days[t->weekday]);
        buf_put(out, n >= 4 ? word : sl_sub(word, 0, 3));
        return n >= 4 ? 4 : 3;
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (numbers[i].c == c) {
            buf_printf(out, n >= 2 ? "%02d" : "%d", numbers[i].value);
            return n >= 2 ? 2 : 1;
        }
    if (c == 'A') buf_str(out, t->hour < 12 ? "AM" : "PM");
    else if (c == 'a') buf_str(out, t->hour < 12 ? "am" : "pm");
    else if (c == 'Z') put_zone(out, m->zone, n < 2);
    else return 0;
    return c == 'Z' && n >= 2 ? 2 : 1;
}

bool tval_date(struct buf *out, const struct tval *when, struct slice format, struct slice zone)
{
    struct moment m;
    int64_t seconds;
    if (!read_time(when, &seconds) || !read_zone(zone, &m.zone) || seconds + m.zone < 0) return false;
    m.c = civil_from_unix(seconds + m.zone);
    while (format.n) {
        size_t n = 1;
        while (n < format.n && format.p[n] == format.p[0]) n++;
        size_t took = put_token(out, &m, format.p[0], n);
        if (!took) buf_char(out, format.p[0]);
        format = sl_from(format, took ? took : 1);
    }
    return true;
}
