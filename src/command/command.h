/* command.h - the shape of every subcommand. One table (commands.c) is the command line, its help,
 * the control socket's vocabulary and, through `tram help --json`, what the man page is checked against.
 *
 * A command is parsed in the user's process into JSON arguments, checked against its declaration
 * there and again where it runs (in the server through the control socket, or in the user's process
 * when no server runs), and its JSON reply is printed in the user's process: as it is with --json,
 * else in words. Of a list each row is sent and printed when it is found. */
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "base/slice.h"

struct arena;
struct buf;
struct config;
struct core;

/* Bytes that come with a request (a letter to send), piece by piece. */
struct payload {
    int (*next)(struct payload *p,
                struct slice *piece); /* 1 and a piece; 0 at the end; or an error. SUSPENDS */
};

struct request {
    struct core *core; /* NULL for commands that need none */
    const char *login; /* a user of the machine who may do only what is theirs; NULL: who runs the node */
    const char *admin; /* id of an account that may manage domains which it administers; NULL: all. Asked at
                        * each act, by command_may() */
    struct slice who,
        from;         /* for the audit: "key ID of ADDRESS" (empty: the operator); an IP address or empty */
    const char *home; /* the folder of the node, as the user named it; NULL in the server */
    struct arena *a;
    json_t *args, *reply;               /* objects */
    struct payload *payload;            /* or NULL */
    int (*row)(void *arg, json_t *row); /* where reply_row() goes to */
    void *row_arg;
    /* Asks the user's process to do what the server may not: the command's answer(). *answer: a new
     * reference. NULL when the command runs in that process itself. SUSPENDS. */
    int (*ask)(void *arg, json_t *question, json_t **answer);
    void *ask_arg;
    int (*idle)(void *row_arg); /* where reply_idle() goes to; NULL: nobody is known to read */
};
/* One more row of the command's list (`rows` in the table): it goes to the user at once, so that a list of
 * any size needs the memory of one row. Takes the reference. An error when nobody takes it any more: the walk
 * is to end. SUSPENDS. */
MUST_CHECK int reply_row(struct request *r, json_t *row);

/* For lists that go on while things happen: what was told goes out now. An error when nobody reads it any
 * more. SUSPENDS. */
MUST_CHECK int reply_idle(struct request *r);

enum { OPERATOR_MAX = 80 }; /* bytes of an operator's name in the audit */
enum { WORD_SHOWN = 100 };  /* bytes of a word that is wrong, in a sentence */
enum { NO = 1 };            /* what run returns for "the answer is no" (exit status 1) */

/* ---- what a command takes ---- */

enum arg_type {
    ARG_TEXT,
    ARG_FLAG,     /* true when it stands there */
    ARG_NUMBER,   /* from least to most; an integer in the JSON, fallback (unless 0) when it is absent */
    ARG_IP,       /* an address; brackets as in SMTP are allowed */
    ARG_ENDPOINT, /* 127.0.0.1:53 */
    ARG_PATH,     /* made absolute by the command line */
    ARG_CHOICE,   /* one of the words of `words`, which a space separates */
};
enum arg_from {
    FROM_OPTION,   /* --name VALUE, --name=VALUE; a name of one character: -n VALUE, -nVALUE */
    FROM_WORD,     /* in the order of the table */
    FROM_PASSWORD, /* from standard input, asked for without echo on a terminal */
    FROM_LOGIN,    /* the name of the user who calls */
    FROM_TERMINAL, /* a flag: is the answer read on a terminal, in words? */
};
enum arg_flags {
    ARG_NEEDED = 1,
    ARG_MANY = 2,     /* an array in the JSON; as a word it takes the rest */
    ARG_SELECTS = 4,  /* one at least of these of the command */
    ARG_EXCLUDES = 8, /* one at most of these of the command */
};
struct arg {
    const char *name, *value, *meaning; /* key in the JSON; what the help calls the value; a phrase */
    enum arg_type type;
    enum arg_from from;
    unsigned flags;
    int64_t least, most, fallback;
    const char *words;
};

enum command_needs {
    NEEDS_STORE,    /* runs in the server, or here when none runs */
    NEEDS_DNS,      /* configuration and DNS only: always here */
    NEEDS_HOME,     /* the home as working directory: always here */
    NEEDS_NEW_HOME, /* the same, made when it is missing */
    NEEDS_NOTHING,
    NEEDS_SERVER, /* runs in the server; when none runs, one runs here meanwhile */
    IS_SERVER,    /* runs the servers; has no functions */
};
struct command_next {
    const char *name, *word; /* the command, and its argument */
};
struct command {
    const char *name, *help; /* "account add"; "makes an account with its mailboxes" */
    enum command_needs needs;
    const struct arg *args;              /* until one without a name; NULL: none */
    const char *input;                   /* what it reads from standard input by itself: "message", or NULL */
    bool takes_payload;                  /* standard input comes as the payload of the request, */
    bool (*reads_nothing)(json_t *args); /* but when this is so; or NULL */
    bool quiet;                          /* changes nothing and gives away nobody's mail: not in the audit */
    const char *of_domain;     /* or NULL: the argument that names the domain (or an address in it) whose
                                  administrators may run it; */
    const char *of_domain_too; /* of that one's domain they are administrators, too; or NULL */
    bool everyone;             /* any user of the machine may call it; it minds request.login */
    struct {                   /* short options that are passed over */
        const char *alone, *glued,
            *with; /* without value; with one in the same word; in the same or the next */
    } idle;
    /* Or NULL: what comes first, in the user's process, wherever it runs. BLOCKS. */
    int (*ahead)(void);
    /* Or NULL: what comes before the store is opened, where no server has it. BLOCKS, on a fiber. */
    int (*before)(const struct config *conf, struct request *r);
    int (*run)(struct request *r);
    /* Or NULL: in the user's process, what run asks for. A new reference. SUSPENDS. */
    json_t *(*answer)(struct request *r, json_t *question);
    /* Or NULL: what is left to do in the user's process when run has returned 0, wherever it ran. BLOCKS. */
    int (*after)(const struct config *conf, json_t *args);
    /* Or NULL: which command goes on from here in place of this process, when this one was done; one without
     * a name: none. Not with --json. */
    struct command_next (*next)(json_t *args, json_t *reply);
    /* After the rows, if there are any; then the reply has the list only when it is empty. */
    void (*print)(json_t *args, json_t *reply, struct buf *out);
    const char *rows; /* the name of the list that comes by reply_row(), or NULL */
    /* The flag with which the rows go on until who reads them goes; "": they always do; or NULL. */
    const char *live;
    void (*print_row)(json_t *args, json_t *row, size_t i, struct buf *out); /* i: from 0 */
};
extern const struct command commands[];
extern const size_t ncommands;
bool command_is_live(const struct command *c, json_t *args); /* c, args: may be NULL */
/* Finds "queue list" at the front of argv; *used words were taken. NULL when there is none. */
const struct command *command_find(int argc, char **argv, int *used);
const struct command *command_named(const char *name);
/* "[ADDRESS] [--limit N]", from the declaration. In the arena. */
struct slice command_usage(struct arena *a, const struct command *c);

/* Words of a command line into args. ERR_USAGE with a sentence. */
MUST_CHECK int command_parse(const struct command *c, struct arena *a, int argc, char **argv, json_t *args);
/* Do the arguments fit the declaration? Sets fallbacks. complete: also what does not stand on the
 * command line (password, login). ERR_USAGE with a sentence. */
MUST_CHECK int command_check(const struct command *c, struct arena *a, json_t *args, bool complete);
/* What does not stand on the command line. BLOCKS. */
MUST_CHECK int command_ask(const struct command *c, json_t *args);

/* The one map from what happened to an exit status. */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_WRONG_USE = 2, EXIT_COULD_NOT = 3 };
/* Checks the arguments and the authority, runs the function, notes it in the audit, gives the exit status and
 * the sentence. SUSPENDS. */
int command_run(const struct command *c, struct request *r, struct buf *error);

/* ---- helpers for commands ---- */
const char *arg_text(json_t *args, const char *name); /* "" when absent */
struct slice arg_slice(json_t *args, const char *name);
int64_t arg_number(json_t *args, const char *name); /* 0 when absent */
bool arg_flag(json_t *args, const char *name);
void reply_text(json_t *o, const char *name, struct slice s); /* bytes that are no UTF-8 are replaced */
void reply_int(json_t *o, const char *name, int64_t v);
json_t *text_value(struct slice s); /* a new reference; as reply_text */
/* All of standard input, at most max bytes. BLOCKS. */
MUST_CHECK int read_input(size_t max, struct buf *out);
/* A password from standard input: prompted for without echo on a terminal, else the first line. BLOCKS. */
MUST_CHECK int read_password(const char *prompt, json_t *args);
/* "3 minutes ago", "in 2 hours"; "2026-11-22 21:34:26 UTC". In the arena. */
struct slice say_time(struct arena *a, int64_t when, int64_t now);
/* The same of what has happened: when that time has not come, the clock was wrong, and it is not known. */
struct slice say_past(struct arena *a, int64_t when, int64_t now);
