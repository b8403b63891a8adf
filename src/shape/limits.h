/* limits.h - how much a receiving system gets at once: data of share/shaping/sites, embedded. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SHAPE_LIMITS(X)                                                                                      \
    /*  name          word         most */                                                                   \
    X(CONNECTIONS, "connections", 10000) /* at once, from the whole node */                                  \
    X(LETTERS, "letters", 100000)        /* in one connection */                                             \
    X(RECIPIENTS, "recipients", 1000)    /* in one transaction */                                            \
    X(RATE, "rate", 10000000)            /* letters a minute, from the whole node */                         \
    X(OPENS, "opens", 10000000)          /* connections a minute, from the whole node */

enum shape_limit {
#define X(name, word, most) SHAPE_##name,
    SHAPE_LIMITS(X)
#undef X
        SHAPE_NLIMITS
};
const char *shape_limit_word(enum shape_limit l);

struct shape_number {
    unsigned n;
    struct slice source, from; /* why this number; the section that it stands in. Live with the shaping */
};
struct shape_limits {
    struct slice site; /* the section, "default" for hosts that none names */
    bool apart;        /* connections count for each set of MX hosts by itself */
    struct shape_number v[SHAPE_NLIMITS];
};

struct shaping;
/* ERR_SYNTAX with the line: each number needs a source, each site a host, the default every number. */
MUST_CHECK int shaping_read(struct shaping **out, struct slice text);
MUST_CHECK int shaping_open(struct shaping **out); /* the one in the program */
void shaping_close(struct shaping **s);
struct slice shaping_dated(const struct shaping *s);
size_t shaping_sites(const struct shaping *s);
/* What binds towards the site whose most preferred MX host is `host`. */
void shaping_limits(const struct shaping *s, struct slice host, struct shape_limits *out);
/* Sites that no host can come to, because one before names it: each in a sentence. Their number. */
size_t shaping_check(const struct shaping *s, struct buf *out);

/* Is the host the domain or below it? ASCII case is ignored, so is a dot at the end. */
bool shape_host_within(struct slice host, struct slice domain);
