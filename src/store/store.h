/* store.h - what a node keeps: index and bodies under one roof.
 *
 * Objects in the index (docs/format.md is the full list):
 *   _store        format version, node-wide numbers
 *   d:<domain>    one domain: settings, accounts, aliases, DKIM keys   directory.h
 *   u:<account>   one account: mailboxes, messages, journal            mailbox.h
 *   q:<shard>     one shard of the queue                               queue/queue.h
 *   t:<day>       what happened to letters                             trace.h */
#pragma once
#include "body/body.h"
#include "kv/kv.h"
#include "rt/rt.h"

struct store {
    struct kv *kv;
    struct body_store *body;
    struct directory *directory; /* cache of d: objects, shared by the loops */
    struct trace *trace;
    struct expunged *expunged;  /* messages expunged lately */
    struct sweep_memory *swept; /* sweep_mark.c; belongs to who takes care */
    bool cared_for;             /* a sweep or a backup runs; atomic */
};

/* kv and body are taken over: closed by store_close. SUSPENDS. ERR_VERSION when a
 * program of another format wrote it. */
MUST_CHECK int store_open(struct store **out, struct kv *kv, struct body_store *body);
void store_close(struct store **s); /* SUSPENDS */

/* For an object that is named by a day that has not come: a clock that was wrong made it, and its age says
 * nothing (nor is it certain that the clock is right now). So it counts from when it was first found, which
 * a row of it remembers; *over: that is more than keep_s ago. SUSPENDS. */
#define STORE_STRAY "stray"
MUST_CHECK int store_stray_day(struct store *s, struct slice object, int64_t keep_s, bool *over);

/* A letter's name from acceptance to its end: 16 characters of base32hex, lower case
 * (time in microseconds, then chance), so ids sort by age. */
enum { LETTER_ID_LEN = 16 };
struct letter_id {
    char s[LETTER_ID_LEN + 1];
};
void letter_id_new(struct letter_id *out);
/* The least id of that time (unix microseconds) or later. */
void letter_id_floor(struct letter_id *out, int64_t wall_us);
bool letter_id_ok(struct slice s);
int64_t letter_id_time(const struct letter_id *id); /* unix seconds */
