/* filter.h - asking filters of others (milters: rspamd, clamav-milter, OpenDKIM) about connections and
 * letters.
 *
 * The node has a list of filters; a connection has a struct filter_talk, which asks each of them in order and
 * ends with the first that is against it. A letter's content is shown to one filter after the other, so that
 * each sees what those before it have changed; what it wants changed comes back as a list, and only when it
 * has said that this is all. A filter that is slow, gone or mad is never waited for longer than its time, and
 * costs what the setting says: the letter is refused for now, passed by, refused, or held. */
#pragma once
#include "base/arena.h"
#include "base/ip.h"
#include "rt/rt.h"
#include "wire/milter.h"

enum {
    FILTERS_MAX = 8,
    FILTER_CHANGES_MAX = 1000,         /* of one filter in one letter */
    FILTER_CHANGES_BYTES = 256 * 1024, /* of their names and values */
    FILTER_NAME_MAX = 40,
};
#define FILTER_STEP (45 * RT_S)    /* for all filters together at one command of the client, */
#define FILTER_LETTER (240 * RT_S) /* and at the end of a letter, for which a client waits ten minutes */
#define FILTER_DIAL (10 * RT_S)
#define FILTER_REST (5 * RT_S) /* one that could not be reached is not tried again for so long */

enum filter_failure { FILTER_TEMPFAIL, FILTER_PASS, FILTER_REFUSE, FILTER_HOLD };
enum filter_letters { FILTER_ALL, FILTER_WORLD, FILTER_OWN }; /* of strangers, of users and programs */
struct filter {
    char name[FILTER_NAME_MAX + 1];
    struct endpoint at;
    bool http;         /* it is Rspamd, asked by its own protocol: once, when the letter is there */
    int64_t timeout_s; /* for each of its answers; one that says "in progress" has it anew */
    enum filter_failure failure;
    enum filter_letters letters;
    int64_t resting; /* rt_now() until which it is not tried; several loops */
};
struct filters { /* outlives every talk */
    struct filter v[FILTERS_MAX];
    size_t n;
    struct slice hostname;
};
/* "unix:/run/rspamd/milter.sock" or "inet:127.0.0.1:11332", or "http://127.0.0.1:11333" for Rspamd, then any
 * of timeout=30s, failure=tempfail|pass|refuse|hold, letters=all|world|own, name=WORD with blanks between.
 * ERR_SYNTAX, with a sentence. */
MUST_CHECK int filter_parse(struct slice text, struct filter *out);

/* ---- a connection ---- */

struct filter_client { /* slices live as long as the talk */
    struct ip peer;    /* family 0: a program on this machine */
    uint16_t port;
    bool own; /* a user or a program of ours: for `letters` */
};
/* What the filters say of a step. code 0: go on. */
struct filter_answer {
    int code;
    char enhanced[12];
    struct slice text;
    bool discard; /* the letter is to be taken and thrown away */
};
struct filter_talk;
/* NULL when no filter wants to hear of such a client. Nothing is sent yet. */
struct filter_talk *filter_talk_new(struct filters *f, const struct filter_client *client);
void filter_talk_free(struct filter_talk **t); /* SUSPENDS. NULL is allowed */

/* Facts that steps tell filters about (macros); the value must live until it is set again, or the talk ends.
 */
enum filter_fact {
    FACT_TLS_VERSION,
    FACT_TLS_CIPHER,
    FACT_LOGIN_MECHANISM,
    FACT_LOGIN,
    FACT_LETTER_ID,
    FILTER_FACTS_SET,
};
void filter_fact(struct filter_talk *t, enum filter_fact f, struct slice value);

/* The steps, in this order; a step that was not taken is made up for. Texts in a. All SUSPEND. */
struct filter_answer filter_connect(struct filter_talk *t, struct arena *a);
struct filter_answer filter_helo(struct filter_talk *t, struct slice helo, struct arena *a); /* kept */
struct filter_answer filter_mail(struct filter_talk *t, struct slice address, struct arena *a);
struct filter_answer filter_rcpt(struct filter_talk *t, struct slice address, struct arena *a);
struct filter_answer filter_unknown(struct filter_talk *t, struct slice line, struct arena *a);
void filter_forget(struct filter_talk *t); /* the letter that is under way, if one is */

/* ---- a letter's content ---- */

struct filter_field {
    struct slice name, value; /* as it stands behind the colon, without the last line end */
};
struct filter_content {
    const struct filter_field *field;
    size_t nfield;
    uint64_t size; /* of the body */
    const struct slice *rcpt;
    size_t nrcpt;
    /* Bytes of the body from `at` on, at most n, 0 at its end; or an error. SUSPENDS. */
    int64_t (*read)(void *arg, uint64_t at, void *p, size_t n);
    /* More of a body that is to stand in place of this one; the first call begins it. SUSPENDS. */
    int (*replace)(void *arg, struct slice bytes);
    void *arg;
};
struct filter_change {
    enum milter_reply_kind kind; /* what is to be added, deleted, changed */
    uint32_t index;              /* of a field */
    struct slice name, value;    /* of a field, value as it may stand in a letter; empty: it goes */
    struct slice text;           /* an address, why it is to be held */
};
struct filter_changes {
    struct filter_change *v; /* in the order in which they came */
    size_t n, room, bytes;
    bool body;         /* replace() was called */
    struct slice said; /* of Rspamd: what it thinks of the letter, in words; or empty */
};
size_t filter_count(const struct filter_talk *t);
const char *filter_name(const struct filter_talk *t, size_t i);
/* Shows the letter to filter i. With an answer of code 0 that does not discard, *out are its changes (in a);
 * else they are void. *failed: it did not answer, now or at an earlier step, and the letter goes on by its
 * setting. SUSPENDS. */
struct filter_answer filter_content(struct filter_talk *t, size_t i, const struct filter_content *c,
                                    struct arena *a, struct filter_changes *out, bool *failed);
/* What filter i wants cannot be done, for e: as if it had failed. SUSPENDS. */
struct filter_answer filter_failed(struct filter_talk *t, size_t i, int e);
/* Why the letter is to be held, because a filter with that setting failed at some step; or empty. */
struct slice filter_hold(const struct filter_talk *t);
