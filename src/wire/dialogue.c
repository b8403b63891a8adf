/* dialogue.c - what is said in a session, for who looks on. */
#include "dialogue.h"

#include <stdio.h>

static void tell(enum log_level level, const char *who, const char *event, struct slice line)
{
    LOG_EVENT(level, who, {"event", sl_cstr(event)}, {"line", line.n ? line : SL(" ")});
}

void dialogue_begins(const char *who, const struct dialogue_with *with)
{
    LOG_EVENT(LOG_TALK, who, {"event", SL("begins")}, {"ip", with->ip}, {"host", with->host},
              {"domain", with->domain});
}

void dialogue_ends(const char *who) { LOG_EVENT(LOG_TALK, who, {"event", SL("ends")}); }

void dialogue_line(const char *who, enum dialogue_side side, struct slice line)
{
    if (dialogue_wanted()) tell(LOG_TALK, who, side == DIALOGUE_CLIENT ? "client" : "server", line);
}

static struct slice without_cr(struct slice line)
{
    return sl_ends(line, SL("\r")) ? sl_sub(line, 0, line.n - 1) : line;
}

void dialogue_lines(const char *who, enum dialogue_side side, struct slice bytes)
{
    if (!dialogue_wanted()) return;
    for (struct slice one; bytes.n && sl_next(&bytes, '\n', &one);) dialogue_line(who, side, without_cr(one));
}

void dialogue_count(const char *who, enum dialogue_side side, uint64_t n, const char *what)
{
    char text[80];
    snprintf(text, sizeof text, "(%llu bytes of %s)", (unsigned long long)n, what);
    dialogue_line(who, side, sl_cstr(text));
}

void dialogue_letter(const char *who, struct slice bytes)
{
    enum { PIECE = 700 };
    if (!log_wants(LOG_CONTENT)) return;
    while (bytes.n) {
        size_t lf = sl_chr(bytes, '\n'), n = lf == SL_NONE ? bytes.n : lf + 1;
        if (n > PIECE) n = PIECE;
        struct slice line = sl_sub(bytes, 0, n);
        if (sl_ends(line, SL("\n"))) line.n--;
        tell(LOG_CONTENT, who, "letter", without_cr(line));
        bytes = sl_from(bytes, n);
    }
}
