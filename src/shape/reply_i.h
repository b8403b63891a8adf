/* reply_i.h - the rules in memory. */
#pragma once
#include "pattern.h"
#include "reply.h"

enum rule_stage { STAGE_KNOWN, STAGE_WORDS, STAGE_CODES, STAGE_HINTS, STAGE_BASIC, STAGE_LETTER, NSTAGES };

struct rule {
    enum rule_stage stage;
    enum reply_class class;
    enum reply_about about;
    const char *name;              /* "google/no-such-user" */
    struct slice text;             /* the right side, as written */
    const struct pattern *pattern; /* NULL: a rule of codes */
    struct slice codes;            /* "1.1 1.6", "452"; beside a pattern: both must be there */
    int kind;                      /* 4, 5: only replies of that kind; 0: both */
    bool unsure;                   /* never a reason to suppress at once */
    unsigned line;
    const struct provider *provider; /* STAGE_KNOWN */
};
struct provider {
    struct slice name;  /* "google" */
    struct slice hosts; /* "google.com googlemail.com" */
    const struct pattern *sign;
    struct slice source;
};
struct replies {
    struct arena a;
    struct slice dated;
    struct rule *rule;
    size_t n, cap;
    struct map names;            /* struct sequence, by `let` */
    const struct pattern *doubt; /* words with which no address is suppressed at once */
};
/* A reply, ready to be tried on rules. */
struct trial {
    const struct reply_in *in;
    struct words words;
    struct slice subject; /* "1.1" of the enhanced code, or empty */
    struct slice basic;   /* "550" */
    struct arena *a;
};
void trial_begin(struct trial *t, struct arena *a, const struct reply_in *in);
/* Would the rule fire, if it came to it? */
bool rule_fires(const struct trial *t, const struct rule *r);
/* The rule that decides, or NULL. */
const struct rule *rule_for(const struct replies *r, const struct trial *t);
