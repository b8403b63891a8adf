/* args.c - helpers for commands: JSON values, standard input, times in words. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "command.h"
#include "crypto/crypto.h"

const char *arg_text(json_t *args, const char *name)
{
    const char *v = json_string_value(json_object_get(args, name));
    return v ? v : "";
}

struct slice arg_slice(json_t *args, const char *name) { return sl_cstr(arg_text(args, name)); }
int64_t arg_number(json_t *args, const char *name) { return json_integer_value(json_object_get(args, name)); }
bool arg_flag(json_t *args, const char *name) { return json_is_true(json_object_get(args, name)); }

/* JSON holds UTF-8 only; other bytes become U+FFFD. */
json_t *text_value(struct slice s)
{
    json_t *v = json_stringn(s.p ? s.p : "", s.n);
    if (v) return v;
    struct buf b = BUF_INIT;
    while (s.n) {
        struct slice before = s;
        uint32_t cp;
        if (utf8_next(&s, &cp)) {
            buf_put(&b, sl(before.p, before.n - s.n));
        } else {
            utf8_put(&b, 0xfffd);
            s = sl_from(before, 1);
        }
    }
    v = json_stringn(b.p, b.n);
    buf_free(&b);
    return v ? v : json_string("");
}

int reply_row(struct request *r, json_t *row)
{
    ASSERT(r->row);
    int e = r->row(r->row_arg, row);
    json_decref(row);
    return e;
}

int reply_idle(struct request *r) { return r->idle ? r->idle(r->row_arg) : 0; }

void reply_text(json_t *o, const char *name, struct slice s) { json_object_set_new(o, name, text_value(s)); }
void reply_int(json_t *o, const char *name, int64_t v) { json_object_set_new(o, name, json_integer(v)); }

int read_input(size_t max, struct buf *out)
{
    for (;;) {
        char *to = buf_space(out, 65536);
        if (!to || out->n > max)
            return err_set(ERR_TOO_LONG, "standard input holds more than %zu bytes", max);
        ssize_t n = read(STDIN_FILENO, to, 65536);
        if (n < 0) return err_set(ERR_IO, "cannot read standard input: %s", strerror(errno));
        if (n == 0) return 0;
        out->n += (size_t)n;
    }
}

enum { PASSWORD_LEAST = 8 };

static struct termios before_silence; /* of the terminal */

/* Whoever breaks off sees again what is typed. The signal then does what it does without us. */
static void break_silence(int sig)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &before_silence);
    raise(sig);
}

static void on_break(void (*handler)(int))
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
}

static int read_line_silently(const char *prompt, struct buf *out)
{
    struct termios quiet;
    if (tcgetattr(STDIN_FILENO, &before_silence)) return err_set(ERR_IO, "cannot ask for the password");
    quiet = before_silence;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    on_break(break_silence);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* what was typed before the question is no answer */
    fprintf(stderr, "%s: ", prompt);
    char line[1024];
    bool got = fgets(line, sizeof line, stdin) != NULL;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_silence);
    on_break(SIG_DFL);
    fprintf(stderr, "\n");
    if (got) buf_str(out, line);
    wipe(line, sizeof line);
    return got ? 0 : err_set(ERR_USAGE, "no password was given");
}

static struct slice first_line(const struct buf *in)
{
    size_t n = 0;
    while (n < in->n && in->p[n] != '\n' && in->p[n] != '\r') n++;
    return sl(in->p, n);
}

/* Who types it does not see it, and who chooses one for a person can choose a better one; a script knows what
 * it does. */
static int check_typed(struct slice password)
{
    struct buf again = BUF_INIT;
    if (password.n < PASSWORD_LEAST)
        return err_set(ERR_USAGE, "the password is shorter than %d characters: whoever guesses finds it",
                       PASSWORD_LEAST);
    int e = read_line_silently("The same again", &again);
    if (!e && !sl_eq(first_line(&again), password))
        e = err_set(ERR_USAGE, "that was not the same password twice");
    wipe(again.p, again.n);
    buf_free(&again);
    return e;
}

int read_password(const char *prompt, json_t *args)
{
    struct buf in = BUF_INIT;
    bool typed = isatty(STDIN_FILENO);
    int e = typed ? read_line_silently(prompt, &in) : read_input(4096, &in);
    struct slice password = first_line(&in);
    if (!e && !password.n) e = err_set(ERR_USAGE, "the password is empty: give it on standard input");
    if (!e && !utf8_valid(password)) e = err_set(ERR_USAGE, "the password is not UTF-8");
    if (!e && typed) e = check_typed(password);
    if (!e) reply_text(args, "password", password);
    wipe(in.p, in.n);
    buf_free(&in);
    return e;
}

static struct slice say_span(struct arena *a, int64_t s)
{
    static const struct {
        int64_t seconds;
        const char *one;
    } unit[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        int64_t n = s / unit[i].seconds;
        if (n >= 2 || (n == 1 && s < 2 * unit[i].seconds) || i + 1 == COUNT_OF(unit))
            return ar_printf(a, "%lld %s%s", (long long)n, unit[i].one, n == 1 ? "" : "s");
    }
    return (struct slice){0};
}

struct slice say_time(struct arena *a, int64_t when, int64_t now)
{
    char text[CIVIL_TEXT_MAX];
    civil_format(when, text);
    text[10] = ' ';
    text[19] = 0;
    int64_t d = when - now;
    if (d >= 0 && d < 1) return ar_printf(a, "%s UTC (now)", text);
    struct slice span = say_span(a, d < 0 ? -d : d);
    return ar_printf(a, d < 0 ? "%s UTC (%.*s ago)" : "%s UTC (in %.*s)", text, SLF(span));
}

struct slice say_past(struct arena *a, int64_t when, int64_t now)
{
    char text[CIVIL_TEXT_MAX];
    return when > now + 1 ? ar_printf(a, "not known: the clock said %s then, which has not come",
                                      civil_format(when, text))
                          : say_time(a, when, now);
}
