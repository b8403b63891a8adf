/* stored.h - templates that an account keeps: each a name and versions of its texts, one of which is active.
 *
 * The texts are judged when they are stored, so what is stored compiles. Object y:ACCOUNT. All functions
 * SUSPEND but stored_judge(). */
#pragma once
#include "send.h"

enum {
    STORED_TEMPLATES_MAX = 10000, /* of an account, */
    STORED_VERSIONS_MAX = 100,    /* of a template; */
    STORED_BYTES_MAX = 2 << 20,   /* of one version's texts */
    STORED_ID_MAX = 64,           /* letters, digits, - and _ */
    STORED_NAME_MAX = 100,
    STORED_COPY_S = 3600, /* a copy that was not finished by then never will be: its rows go with the next */
};

struct stored_version {
    struct slice id, name;
    bool active;
    int64_t updated;      /* unix seconds; 0: now */
    struct slice extra;   /* JSON of the dialect it came by; or empty */
    struct slice subject; /* these three are filled in by stored_version_get() alone */
    struct slice text, html;
};
struct stored_template {
    struct slice id, name, kind; /* kind: a word of the dialect ("dynamic", "legacy", "ses") */
    int64_t updated;
    struct stored_version *version;
    size_t n;
};

/* Can a version of these texts be rendered? ERR_SYNTAX and the like: the sentence names the text and the
 * place. */
MUST_CHECK int stored_judge(struct arena *a, enum send_language language, const struct stored_version *v);
/* A new one, with its first version (NULL: without), as one. ERR_EXISTS, ERR_SYNTAX, ERR_LIMIT. */
MUST_CHECK int stored_template_add(struct sends *s, struct slice account, const struct stored_template *t,
                                   const struct stored_version *first);
/* ERR_NOT_FOUND, ERR_SYNTAX. */
MUST_CHECK int stored_template_rename(struct sends *s, struct slice account, struct slice id,
                                      struct slice name);
/* Another one, copy->id, with the name that copy has, or else the same, and with all versions that there are
 * now: whole, or not at all, and nobody sees it before. ERR_NOT_FOUND, else as stored_template_add(). */
MUST_CHECK int stored_template_copy(struct sends *s, struct slice account, struct slice id,
                                    const struct stored_template *copy);
MUST_CHECK int stored_template_remove(struct sends *s, struct slice account, struct slice id);
/* With its versions, but not their texts; in a. ERR_NOT_FOUND. */
MUST_CHECK int stored_template_get(struct sends *s, struct slice account, struct slice id, struct arena *a,
                                   struct stored_template *out);
/* Every template of the account, in the order of ids; valid during the call. each()'s non-zero value ends the
 * walk. */
typedef int stored_each_fn(void *arg, const struct stored_template *t);
MUST_CHECK int stored_each(struct sends *s, struct slice account, stored_each_fn *each, void *arg);
/* Writes a version, new or again; when it is active the others are not any more. ERR_NOT_FOUND: no such
 * template. */
MUST_CHECK int stored_version_put(struct sends *s, struct slice account, struct slice id,
                                  const struct stored_version *v);
/* Changes one that is there, from what it is in that moment: change() gets it with its texts and puts in what
 * is new, perhaps in a. It runs as a kv_fn does: on another thread, perhaps more than once. Its error is
 * returned and nothing changed. ERR_NOT_FOUND. */
typedef int stored_change_fn(void *arg, struct arena *a, struct stored_version *v);
MUST_CHECK int stored_version_change(struct sends *s, struct slice account, struct slice id,
                                     struct slice version, stored_change_fn *change, void *arg);
MUST_CHECK int stored_version_remove(struct sends *s, struct slice account, struct slice id,
                                     struct slice version);
/* With its texts. version empty: the active one. ERR_NOT_FOUND. */
MUST_CHECK int stored_version_get(struct sends *s, struct slice account, struct slice id,
                                  struct slice version, struct arena *a, struct stored_version *out);
