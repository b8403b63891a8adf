/* fetch_i.h - inside of fetch: who is asked, what libcurl is asked to do, what comes back. */
#pragma once
#include "fetch.h"

/* Whom a URL names. */
struct fetch_target {
    struct slice host; /* a name or, without brackets, an address */
    uint16_t port;
};
/* fetch.c. ERR_USAGE, in words. Pure. */
MUST_CHECK int fetch_target(struct slice url, bool clear, struct fetch_target *out);

/* curl.c. BLOCKS. */
MUST_CHECK int fetch_by_curl(void *arg, const struct fetch_call *c, struct fetch_answer *out);

/* head.c: the header section of an answer, line by line. */
struct fetch_head {
    struct arena *a; /* where the fields lie */
    struct fetch_answer *out;
    size_t room, bytes; /* fields: what there is room for; bytes so far */
};
/* false: with this line it is longer than FETCH_HEAD_MAX. */
bool fetch_head_line(struct fetch_head *h, struct slice line);
void fetch_head_end(struct arena *a, struct fetch_answer *out); /* what kind of content that is */
