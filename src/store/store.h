/* store.h - what a node keeps: index and bodies under one roof.
 *
 * Objects in the index (docs/format.md is the full list):
 *   _store        format version, node-wide numbers
 *   d:<domain>    one domain: settings, accounts, aliases, DKIM keys   directory/directory.h
 *   u:<account>   one account: mailboxes, messages, journal            mailbox.h
 *   q:<shard>     one shard of the queue                               queue/queue.h
 *   t:<day>       what happened to letters                             trace/trace.h */
#pragma once
#include "body/body.h"
#include "directory/directory.h"
#include "kv/kv.h"
#include "rt/rt.h"
#include "trace/trace.h"

#define STORE_FORMAT 2        /* what this program writes */
#define STORE_FORMAT_OLDEST 2 /* and the oldest that it reads */

struct store {
    struct kv *kv;
    struct body_store *body;
    struct directory *directory; /* cache of d: objects, shared by the loops */
    struct trace *trace;
    struct expunged *expunged;  /* messages expunged lately */
    struct loop_views *views;   /* selected mailboxes, of each loop */
    struct sweep_memory *swept; /* sweep_mark.c; belongs to who takes care */
    bool cared_for;             /* a sweep or a backup runs; atomic */
    bool imaging;               /* images are being written; atomic */
    uint64_t imaged;            /* generation of the directory, + 1, that has images */
    int64_t all_imaged;         /* images_complete(); atomic */
};

/* kv and body are taken over: closed by store_close. SUSPENDS. ERR_VERSION when a
 * program of another format wrote it. */
MUST_CHECK int store_open(struct store **out, struct kv *kv, struct body_store *body);
void store_close(struct store **s); /* SUSPENDS */
