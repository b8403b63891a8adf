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
bool log_wants(enum log_level level) { return level >= least_level; }
void log_set_sink(void (*s)(struct slice)) { sink = s ? s : to_stderr; }
void log_set_clock(int64_t (*c)(void)) { clock_now = c ? c : system_clock; }

static const struct {
    const char *name;
    int syslog;
} levels[] = {{"debug", 7}, {"info", 6}, {"warning", 4}, {"error", 3}};

static size_t put_head(char *out, size_t room, enum log_level level, const char *who)
{
    char when[CIVIL_TEXT_MAX];
    int n = for_journal ? snprintf(out, room, "<%d>%.64s: ", levels[level].syslog, who)
                        : snprintf(out, room, "%s %s %.64s: ", civil_format(clock_now(), when),
                                   levels[level].name, who);
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

static void json_begin(struct json_line *l, enum log_level level, const char *who)
{
    char when[CIVIL_TEXT_MAX];
    l->n = for_journal ? (size_t)snprintf(l->p, sizeof l->p, "<%d>", levels[level].syslog) : 0;
    l->p[l->n++] = '{';
    if (!for_journal) json_field(l, "time", sl_cstr(civil_format(clock_now(), when)));
    json_field(l, "level", sl_cstr(levels[level].name));
    json_field(l, "who", sl_cstr(who));
}

static void json_end(struct json_line *l)
{
    l->p[l->n++] = '}';
    l->p[l->n++] = '\n';
    sink(sl(l->p, l->n));
}

static void json_say(enum log_level level, const char *who, struct slice said)
{
    struct json_line l;
    json_begin(&l, level, who);
    json_field(&l, "text", said);
    json_end(&l);
}

static void json_event(enum log_level level, const char *who, const struct log_field *f, size_t n)
{
    struct json_line l;
    json_begin(&l, level, who);
    for (size_t i = 0; i < n; i++)
        if (f[i].value.n) json_field(&l, f[i].name, f[i].value);
    json_end(&l);
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
        json_say(level, who, utf8_cut(sl(said, used), sizeof said - 2));
        return;
    }
    used = foreign_text(line, sizeof line - 2, utf8_cut(sl(said, used), sizeof line - 2), true);
    line[used++] = '\n';
    sink(sl(line, used));
}

void log_write(enum log_level level, const char *who, const char *fmt, ...)
{
    va_list ap;
    if (!log_wants(level)) return;
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
    if (!log_wants(level)) return;
    if (as_json) {
        json_event(level, who, f, n);
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
    log_write(level, who, "%.*s", (int)used, line);
}

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "tram: broken invariant: %s (%s:%d); stopping before harm is done\n", what, file, line);
    abort();
}
