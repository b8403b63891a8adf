/* log.h - one line a fact, for people: what happened, to which letter, what to do.
 *
 * "<time> <level> <who>: <sentence>". Who is the module or the session. Lines
 * are handed to a sink; the default writes to standard error, rt installs one
 * that never blocks a loop. A line is cut at LOG_LINE_MAX and control characters
 * are replaced, so that nothing a peer says can forge a line. */
#pragma once
#include "slice.h"

/* The first two are never kept, only told to who looks on (log_set_tap): bytes of letters, and what is said
 * in a session, line by line. */
enum log_level { LOG_CONTENT = -2, LOG_TALK, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
#define LOG_LINE_MAX 1024

void log_set_level(enum log_level least);
void log_set_json(bool yes); /* each line is an object of JSON from now on */
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *who, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_debug(who, ...) (log_wants(LOG_DEBUG) ? log_write(LOG_DEBUG, who, __VA_ARGS__) : (void)0)
#define log_info(who, ...) log_write(LOG_INFO, who, __VA_ARGS__)
#define log_warn(who, ...) log_write(LOG_WARN, who, __VA_ARGS__)
#define log_error(who, ...) log_write(LOG_ERROR, who, __VA_ARGS__)

/* One event as a line for programs too: "<time> <level> <who>: name=value name="two words"". Fields with an
 * empty value are left out. In quotes \ stands before " and \. */
struct log_field {
    const char *name;
    struct slice value;
};
void log_event(enum log_level level, const char *who, const struct log_field *f, size_t n);
#define LOG_EVENT(level, who, ...)                                                                           \
    log_event(level, who, (const struct log_field[]){__VA_ARGS__},                                           \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* A line as it is told, for who looks on: its fields, or without any what is said. */
struct log_line {
    enum log_level level;
    const char *who;
    const struct log_field *f;
    size_t n;
    struct slice said;
};
/* Each line of `least` or above goes to fn too, whether the log keeps it or not; NULL ends it. fn runs on the
 * thread that tells: it must not log, wait or suspend. */
void log_set_tap(void (*fn)(const struct log_line *), enum log_level least);
/* The line as an object of JSON, without a line end: how many bytes. */
size_t log_json(const struct log_line *l, char out[LOG_LINE_MAX]);

/* For the journal of systemd, which has the time itself: "<6>who: sentence" (sd-daemon(3)). */
void log_for_journal(void);
/* Where lines go (line includes the newline) and where the time comes from
 * (seconds since the Unix epoch). NULL restores the default. */
void log_set_sink(void (*sink)(struct slice line));
void log_set_clock(int64_t (*unix_seconds)(void));

/* ASSERT stays on in every build: a broken invariant must not reach the disk. */
_Noreturn void assert_failed(const char *what, const char *file, int line);
#define ASSERT(x) ((x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
