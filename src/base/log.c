/* log.c - lines of the log, handed to a sink. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "civil.h"
#include "text.h"

static enum log_level least_level = LOG_INFO;
static bool for_journal;

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
bool log_wants(enum log_level level) { return level >= least_level; }
void log_set_sink(void (*s)(struct slice)) { sink = s ? s : to_stderr; }
void log_set_clock(int64_t (*c)(void)) { clock_now = c ? c : system_clock; }

static size_t put_head(char *out, size_t room, enum log_level level, const char *who)
{
    static const struct {
        const char *name;
        int syslog;
    } levels[] = {{"debug", 7}, {"info", 6}, {"warning", 4}, {"error", 3}};
    char when[CIVIL_TEXT_MAX];
    int n = for_journal ? snprintf(out, room, "<%d>%.64s: ", levels[level].syslog, who)
                        : snprintf(out, room, "%s %s %.64s: ", civil_format(clock_now(), when),
                                   levels[level].name, who);
    return n < 0 ? 0 : (size_t)n;
}

void log_write(enum log_level level, const char *who, const char *fmt, ...)
{
    if (!log_wants(level)) return;
    char said[LOG_LINE_MAX], line[LOG_LINE_MAX];
    size_t used = put_head(said, sizeof said, level, who);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(said + used, sizeof said - used, fmt, ap);
    va_end(ap);
    used += n < 0 ? 0 : (size_t)n;
    if (used > sizeof said - 1) used = sizeof said - 1;
    used = foreign_text(line, sizeof line - 2, utf8_cut(sl(said, used), sizeof line - 2), true);
    line[used++] = '\n';
    sink(sl(line, used));
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
