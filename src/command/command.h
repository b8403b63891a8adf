/* command.h - the shape of every subcommand. One table (commands.c) is the command line, its
 * help and the control socket's vocabulary.
 *
 * A command is parsed in the user's process into JSON arguments, run where the store is (in
 * the server through the control socket, or in the user's process when no server runs), and
 * its JSON reply is printed in the user's process: as it is with --json, else in words. */
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/core.h"

/* Bytes that come with a request (a letter to send), piece by piece. */
struct payload {
    int (*next)(struct payload *p,
                struct slice *piece); /* 1 and a piece; 0 at the end; or an error. SUSPENDS */
};

struct request {
    struct core *core;
    struct arena *a;
    json_t *args, *reply;    /* objects */
    struct payload *payload; /* or NULL */
};

enum { NO = 1 }; /* what run returns for "the answer is no" (exit status 1) */

enum command_kind {
    COMMAND_STORE, /* run needs the store: in the server, or here when none runs */
    COMMAND_DNS,   /* run needs configuration and DNS only: always here */
    COMMAND_PLAIN, /* parse does everything and returns the exit status's code: init, serve, help */
};
struct command {
    const char *name, *usage, *help; /* "account add", "ADDRESS", "makes an account; ..." */
    enum command_kind kind;
    bool takes_payload;
    /* argv: what follows the name. ERR_USAGE with a sentence. */
    int (*parse)(struct arena *a, int argc, char **argv, json_t *args);
    int (*run)(struct request *r);
    void (*print)(json_t *args, json_t *reply, struct buf *out);
};
extern const struct command commands[];
extern const size_t ncommands;
/* Finds "queue list" at the front of argv; *used words were taken. NULL when there is none. */
const struct command *command_find(int argc, char **argv, int *used);
const struct command *command_named(const char *name);

/* ---- helpers for commands ---- */
const char *arg_text(json_t *args, const char *name); /* "" when absent */
struct slice arg_slice(json_t *args, const char *name);
void reply_text(json_t *o, const char *name, struct slice s); /* bytes that are no UTF-8 are replaced */
void reply_int(json_t *o, const char *name, int64_t v);
/* Takes -o VALUE style options out of argv: spec "ip:helo:mail-from:" lists long options that take
 * a value, "json" flags. Positional words stay. ERR_USAGE for others. */
MUST_CHECK int parse_options(const char *spec, int *argc, char **argv, json_t *args);
/* Exactly these positional words, by name. ERR_USAGE. "name?" is optional, "name*" takes the rest. */
MUST_CHECK int parse_words(const char *names, int argc, char **argv, json_t *args);
/* A password from standard input: prompted for without echo on a terminal, else the first line. BLOCKS. */
MUST_CHECK int read_password(const char *prompt, json_t *args);
/* All of standard input, at most max bytes. BLOCKS. */
MUST_CHECK int read_input(size_t max, struct buf *out);
/* "3 minutes ago", "in 2 hours"; "2026-11-22 21:34:26 UTC". In the arena. */
struct slice say_time(struct arena *a, int64_t when, int64_t now);
