/* filter_i.h - inside of a talk with filters: one link to each. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "filter.h"
#include "rt/conn.h"

/* ---- link.c: the connection to one filter ---- */

enum link_state {
    LINK_NEW,     /* nothing was said yet, or the filter failed before this letter */
    LINK_OPEN,    /* options agreed on, the client was introduced */
    LINK_LETTER,  /* within a letter */
    LINK_PAST,    /* it wants to hear no more of this letter */
    LINK_CONTENT, /* it was shown the letter */
    LINK_DONE,    /* it accepted the client, whatever comes */
    LINK_FAILED,  /* it failed within this letter, or before one */
};
struct filter_link {
    struct filter *f;
    enum link_state state;
    struct conn *c;
    struct milter_options options;
    char macros[MILTER_STAGES][256]; /* what it asked for; empty: the usual ones */
    bool chosen[MILTER_STAGES];
    size_t taken; /* bytes of the packet that was read last */
};
/* Connects and agrees on options. ERR_*. SUSPENDS. */
MUST_CHECK int link_open(struct filter_link *k);
void link_close(struct filter_link *k); /* with a goodbye when it is well. SUSPENDS */
void link_drop(struct filter_link *k);  /* without */
/* Sends what is in b and empties it. ERR_STATE: it spoke without being asked. SUSPENDS. */
MUST_CHECK int link_send(struct filter_link *k, struct buf *b);
/* The next packet; its slices live until the next one is read. It is waited for anew after "in progress".
 * SUSPENDS. */
MUST_CHECK int link_read(struct filter_link *k, struct arena *a, struct milter_reply *out);

/* Only connects: the other half of it. SUSPENDS. */
MUST_CHECK int link_dial(struct filter_link *k);

/* ---- rspamd.c: of filters with `http` ---- */

struct rspamd_answer;
/* Shows it the letter, and reads its answer, which lies in a. SUSPENDS. */
MUST_CHECK int rspamd_ask(struct filter_talk *t, struct filter_link *k, const struct filter_content *c,
                          struct arena *a, struct rspamd_answer *out);
/* What it wants changed, as a milter would say it, in order. each()'s error. */
typedef int rspamd_change_fn(void *arg, const struct milter_reply *r);
MUST_CHECK int rspamd_changes(const struct filter_content *c, const struct rspamd_answer *r, struct arena *a,
                              rspamd_change_fn *each, void *arg);

/* ---- talk.c ---- */

enum {
    FACT_NAME = FILTER_FACTS_SET,
    FACT_ADDRESS,
    FACT_PORT,
    FACT_HOST,
    FACT_DAEMON,
    FACT_PROGRAM,
    FACT_ORIGIN,
    FACT_SENDER,
    FACT_RCPT,
    FILTER_FACTS
};
struct filter_talk {
    struct filters *set;
    struct filter_client client;
    struct filter_link link[FILTERS_MAX];
    size_t n;
    struct slice fact[FILTER_FACTS];
    struct slice helo;
    char name[IP_TEXT_MAX + 2], address[IP_TEXT_MAX], port[8], origin[IP_TEXT_MAX + 2];
    struct buf out, sender, rcpt, greeted;
    char hold[FILTER_NAME_MAX + 80];
};
/* Adds the macros of a stage. */
void talk_put_macros(struct filter_talk *t, const struct filter_link *k, enum milter_stage stage,
                     enum milter_command c);
/* Sends t->out and reads what the filter says to it, unless it is mute there; anything but an answer to a
 * step is an error. SUSPENDS. */
MUST_CHECK int talk_step(struct filter_talk *t, struct filter_link *k, bool mute, struct arena *a,
                         struct filter_answer *out, bool *skip);
/* What an answer to a step means. skip: whether the rest of a body may be left out; NULL: there is none.
 * ERR_SYNTAX: it means nothing. */
MUST_CHECK int talk_answer(struct filter_link *k, const struct milter_reply *r, struct filter_answer *out,
                           bool *skip);
/* What the setting of a filter says that has failed within this letter. */
struct filter_answer talk_without(struct filter_talk *t, const struct filter_link *k);
/* The filter failed with e: what its setting says. */
struct filter_answer talk_failed(struct filter_talk *t, struct filter_link *k, int e);
