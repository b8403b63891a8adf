/* talk_sim.h - a server of a few routes, and a client that says what a test gives it; over virtual time. */
#pragma once
#include "httpd_i.h"
#include "rt/serve_test.h"

struct talk {
    const char *const *say;    /* pieces, NULL at the end */
    int64_t gap;               /* between two of them */
    int64_t stay;              /* how long the client listens at most */
    const struct slice *bytes; /* the same, of HTTP/2, to the first that is NULL */
    bool tls;
    int64_t stop;     /* the server stops after so long; 0: when the client has gone */
    const char *twin; /* another connection says this first, and listens to nothing */
    struct buf heard;
    int64_t took;
    bool closed; /* by the server */
    size_t left; /* sessions that are there a second after the client has gone */
    struct httpd *httpd;
    struct serving door;
};
extern struct talk talk;

/* Says the pieces, a gap between them, and what the server said until it closed, or `stay` passed. */
struct slice dialog_of(struct talk how);
#define dialog(...) dialog_of((struct talk){.say = (const char *const[]){__VA_ARGS__, NULL}})

#define within_tls(...) dialog_of((struct talk){.say = (const char *const[]){__VA_ARGS__, NULL}, .tls = true})

size_t times(struct slice s, const char *word);
static inline bool has(struct slice s, const char *word) { return times(s, word) > 0; }
