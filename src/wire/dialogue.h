/* dialogue.h - what is said in a session, line by line, for who looks on (`tram debug`): lines of the log
 * that are never kept. Who tells one leaves out what is secret, for only they know what it is; of letters
 * only how many bytes there were, unless LOG_CONTENT is asked for. Any thread; nothing suspends. */
#pragma once
#include "base/log.h"

static inline bool dialogue_wanted(void) { return log_wants(LOG_TALK); }

/* A session begins, or one that is open serves another domain. Who looks on finds the session that is meant
 * by this line. who: the session's name in the log, of this session alone. */
struct dialogue_with {
    struct slice ip, host, domain; /* the peer; its name, and for which domain we came to it, or empty */
};
void dialogue_begins(const char *who, const struct dialogue_with *with);
void dialogue_ends(const char *who);

enum dialogue_side { DIALOGUE_CLIENT, DIALOGUE_SERVER };
void dialogue_line(const char *who, enum dialogue_side side, struct slice line);
void dialogue_lines(const char *who, enum dialogue_side side, struct slice bytes); /* each line of them */
/* "(n bytes of a letter)" */
void dialogue_count(const char *who, enum dialogue_side side, uint64_t n, const char *what);
void dialogue_letter(const char *who, struct slice bytes); /* of a letter, when somebody wants that */
