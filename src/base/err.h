/* err.h - how a function says that it failed.
 *
 * A fallible function returns 0 (or a count >= 0) or one of these negative
 * codes. The code decides what a protocol answers: err_is_temporary() tells 4xx
 * from 5xx. The sentence for people is kept in the current fiber by err_set()
 * and read with err_text() until the next err_set() on the same fiber. */
#pragma once
#include "slice.h"

#define ERR_LIST(X)                                                                                          \
    /*  name             code temporary  default sentence */                                                 \
    X(ERR_EOF, -1, 1, "the other side closed the connection")                                                \
    X(ERR_TIMEOUT, -2, 1, "the time allowed for this ran out")                                               \
    X(ERR_CANCELED, -3, 1, "the server is shutting this activity down")                                      \
    X(ERR_IO, -4, 1, "input or output failed")                                                               \
    X(ERR_REFUSED, -5, 1, "the connection was refused")                                                      \
    X(ERR_UNREACHABLE, -6, 1, "the host cannot be reached")                                                  \
    X(ERR_DNS, -7, 1, "DNS did not give an answer")                                                          \
    X(ERR_TLS, -8, 1, "TLS failed")                                                                          \
    X(ERR_BUSY, -9, 1, "something else is using this")                                                       \
    X(ERR_FULL, -10, 1, "there is no space left on the disk")                                                \
    X(ERR_UNKNOWN, -11, 1, "it is not known whether the change was made")                                    \
    X(ERR_CONFLICT, -12, 1, "something else changed this at the same time")                                  \
    X(ERR_CORRUPT, -13, 1, "stored data is damaged")                                                         \
    X(ERR_VERSION, -14, 0, "stored data was written by another version")                                     \
    X(ERR_SYNTAX, -15, 0, "the syntax is wrong")                                                             \
    X(ERR_TOO_LONG, -16, 0, "this is longer than allowed")                                                   \
    X(ERR_LIMIT, -17, 0, "a limit is reached")                                                               \
    X(ERR_NOT_FOUND, -18, 0, "there is no such thing")                                                       \
    X(ERR_EXISTS, -19, 0, "this exists already")                                                             \
    X(ERR_DENIED, -20, 0, "this is not permitted")                                                           \
    X(ERR_UNSUPPORTED, -21, 0, "this is not supported")                                                      \
    X(ERR_USAGE, -22, 0, "wrong use")                                                                        \
    X(ERR_STATE, -23, 0, "this is not possible in the present state")                                        \
    X(ERR_QUOTA, -24, 1, "the mailbox is full")

enum err {
    ERR_OK = 0,
#define X(name, code, temporary, sentence) name = code,
    ERR_LIST(X)
#undef X
};

const char *err_name(int e);  /* "ERR_EOF"; static */
bool err_is_temporary(int e); /* might it succeed later? */
/* It lies there and cannot be read: damaged, or of a later version. */
static inline bool err_is_damage(int e) { return e == ERR_CORRUPT || e == ERR_VERSION; }

/* Keeps the sentence in the current fiber and returns e, so that
 *     return err_set(ERR_SYNTAX, "the domain %.*s has an empty label", SLF(d));
 * is one line. No final full stop, no newline; at most ERR_TEXT_MAX - 1 bytes are kept. */
#define ERR_TEXT_MAX 512
int err_set(int e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prefixes the present sentence: "cannot open the store: <what was there>". Returns e. */
int err_prefix(int e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Sentence for errno value en, and the code that fits it. */
int err_errno(int en, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The sentence of the last err_set() on this fiber when it was for code e, else
 * the code's default. Valid until the next err_set() on this fiber. */
const char *err_text(int e);

/* For rt: where the current fiber keeps its sentence. Outside of fibers it is
 * one slot per thread. */
struct err_slot {
    int code;
    char text[ERR_TEXT_MAX];
};
void err_slot_hook(struct err_slot *(*current)(void));
