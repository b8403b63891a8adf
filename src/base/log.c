/* log.c - lines of the log, handed to a sink. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "civil.h"
#include "text.h"

static enum log_level least_level = LOG_INFO;
static bool for_journal, as_json;
enum { LOG_NONE = LOG_ERROR + 1 };
static void (*tap)(const struct log_line *);
static int tap_least = LOG_NONE; /* other threads see it change at any time; tap stays once it was set */

static void to_stderr(struct slice line)
{
    ssize_t n = write(STDERR_FILENO, line.p, line.n);
    (void)n; /* nowhere left to report it */
}

static int64_t system_clock(void) { return (int64_t)time(NULL); }

static void (*sink)(struct slice) = to_stderr;
static int64_t (*clock_now)(void) = system_clock;

void log_for_journal(void) { for_journal = true; }
void log_set_level(enum log_level least) { least_level = least; }
void log_set_json(bool yes) { as_json = yes; }
static bool is_tapped(enum log_level level)
{
    return (int)level >= __atomic_load_n(&tap_least, __ATOMIC_ACQUIRE);
}
bool log_wants(enum log_level level) { return level >= least_level || is_tapped(level); }
void log_set_tap(void (*fn)(const struct log_line *), enum log_level least)
{
    if (fn) __atomic_store_n(&tap, fn, __ATOMIC_RELAXED);
    __atomic_store_n(&tap_least, fn ? (int)least : LOG_NONE, __ATOMIC_RELEASE);
}
void log_set_sink(void (*s)(struct slice)) { sink = s ? s : to_stderr; }
void log_set_clock(int64_t (*c)(void)) { clock_now = c ? c : system_clock; }

static const struct {
    const char *name;
    int syslog;
} levels[] = {{"content", 7}, {"talk", 7}, {"debug", 7}, {"info", 6}, {"warning", 4}, {"error", 3}};
#define LEVEL(l) levels[(l)-LOG_CONTENT]

static size_t put_head(char *out, size_t room, enum log_level level, const char *who)
{
    char when[CIVIL_TEXT_MAX];
    int n = for_journal ? snprintf(out, room, "<%d>%.88s: ", LEVEL(level).syslog, who)
                        : snprintf(out, room, "%s %s %.88s: ", civil_format(clock_now(), when),
                                   LEVEL(level).name, who);
    return n < 0 ? 0 : (size_t)n;
}

/* ---- JSON (RFC 8259): what does not fit a line is cut, and the line is whole all the same ---- */

struct json_line {
    char p[LOG_LINE_MAX];
    size_t n;
};
enum { JSON_END = 4 /* bytes that are kept free: quotation mark, bracket, line end */ };

static void json_text(struct json_line *l, struct slice v)
{
    char clean[LOG_LINE_MAX];
    struct slice s = sl(clean, foreign_text(clean, sizeof clean, v, true));
    l->p[l->n++] = '"';
    for (size_t i = 0; i < s.n; i++) {
        bool escaped = s.p[i] == '"' || s.p[i] == '\\', whole = ((uint8_t)s.p[i] & 0xc0) != 0x80;
        if (whole && l->n + JSON_END + 4 > sizeof l->p) break; /* room for the longest character */
        if (escaped) l->p[l->n++] = '\\';
        l->p[l->n++] = s.p[i];
    }
    l->p[l->n++] = '"';
}

static void json_field(struct json_line *l, const char *name, struct slice v)
{
    size_t need = strlen(name) + 6;
    if (l->n + need + JSON_END + 4 > sizeof l->p) return;
    l->n += (size_t)snprintf(l->p + l->n, sizeof l->p - l->n, "%s\"%s\":", l->p[l->n - 1] == '{' ? "" : ",",
                             name);
    json_text(l, v);
}

static void json_put(struct json_line *l, const struct log_line *x, bool journal)
{
    char when[CIVIL_TEXT_MAX];
    l->n = journal ? (size_t)snprintf(l->p, sizeof l->p, "<%d>", LEVEL(x->level).syslog) : 0;
    l->p[l->n++] = '{';
    if (!journal) json_field(l, "time", sl_cstr(civil_format(clock_now(), when)));
    json_field(l, "level", sl_cstr(LEVEL(x->level).name));
    json_field(l, "who", sl_cstr(x->who));
    if (!x->n) json_field(l, "text", x->said);
    for (size_t i = 0; i < x->n; i++)
        if (x->f[i].value.n) json_field(l, x->f[i].name, x->f[i].value);
    l->p[l->n++] = '}';
}

static void json_say(const struct log_line *x)
{
    struct json_line l;
    json_put(&l, x, for_journal);
    l.p[l.n++] = '\n';
    sink(sl(l.p, l.n));
}

size_t log_json(const struct log_line *x, char out[LOG_LINE_MAX])
{
    struct json_line l;
    json_put(&l, x, false);
    memcpy(out, l.p, l.n);
    return l.n;
}

/* ---- lines ---- */

static void put_line(enum log_level level, const char *who, const char *fmt, va_list ap)
{
    char said[LOG_LINE_MAX], line[LOG_LINE_MAX];
    size_t head = as_json ? 0 : put_head(said, sizeof said, level, who), used = head;
    int n = vsnprintf(said + used, sizeof said - used, fmt, ap);
    used += n < 0 ? 0 : (size_t)n;
    if (used > sizeof said - 1) used = sizeof said - 1;
    if (as_json) {
        json_say(&(struct log_line){level, who, NULL, 0, utf8_cut(sl(said, used), sizeof said - 2)});
        return;
    }
    used = foreign_text(line, sizeof line - 2, utf8_cut(sl(said, used), sizeof line - 2), true);
    line[used++] = '\n';
    sink(sl(line, used));
}

static void tap_said(enum log_level level, const char *who, const char *fmt, va_list ap)
{
    char said[LOG_LINE_MAX];
    int n = vsnprintf(said, sizeof said, fmt, ap);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof said ? (size_t)n : sizeof said - 1;
    tap(&(struct log_line){level, who, NULL, 0, utf8_cut(sl(said, used), sizeof said - 2)});
}

void log_write(enum log_level level, const char *who, const char *fmt, ...)
{
    va_list ap;
    if (is_tapped(level)) {
        va_start(ap, fmt);
        tap_said(level, who, fmt, ap);
        va_end(ap);
    }
    if (level < least_level) return;
    va_start(ap, fmt);
    put_line(level, who, fmt, ap);
    va_end(ap);
}

PRINTF_LIKE(3, 4) static void keep_line(enum log_level level, const char *who, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_line(level, who, fmt, ap);
    va_end(ap);
}

static bool is_plain(struct slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] == '"' || v.p[i] == '=' || v.p[i] == '\\') return false;
    return true;
}

/* Appends what has room. */
static void put_value(char *line, size_t *n, struct slice v)
{
    bool quoted = !is_plain(v);
    if (quoted && *n < LOG_LINE_MAX) line[(*n)++] = '"';
    for (size_t i = 0; i < v.n && *n + 2 < LOG_LINE_MAX; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\') line[(*n)++] = '\\';
        line[(*n)++] = v.p[i];
    }
    if (quoted && *n < LOG_LINE_MAX) line[(*n)++] = '"';
}

void log_event(enum log_level level, const char *who, const struct log_field *f, size_t n)
{
    const struct log_line whole = {level, who, f, n, SL("")};
    if (is_tapped(level)) tap(&whole);
    if (level < least_level) return;
    if (as_json) {
        json_say(&whole);
        return;
    }
    char line[LOG_LINE_MAX];
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof line; i++) {
        if (!f[i].value.n) continue;
        int k = snprintf(line + used, sizeof line - used, "%s%s=", used ? " " : "", f[i].name);
        used += k < 0 ? 0 : (size_t)k < sizeof line - used ? (size_t)k : sizeof line - used;
        put_value(line, &used, f[i].value);
    }
    keep_line(level, who, "%.*s", (int)used, line);
}

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "tram: broken invariant: %s (%s:%d); stopping before harm is done\n", what, file, line);
    abort();
}
