/* dmarc_send_i.h - one report on its way: what dmarc_send.c, dmarc_rows.c and dmarc_letter.c share. */
#pragma once
#include "dmarc_store_i.h"

enum promise_state { PROMISE_NONE, PROMISE_MADE, PROMISE_SENT, PROMISE_DONE };

struct promise {
    enum promise_state state;
    int64_t begin, end, made;
    uint64_t random;
    struct letter_id id;
    struct slice before; /* generations below this one are covered */
};

struct round { /* one call of dmarc_store_send() */
    struct dmarc_store *ds;
    struct slice from_domain, cut; /* rows below this generation are reported: all of them are on the disk */
    bool now;
    int64_t today; /* its first second */
    struct dmarc_sent *sent;
    struct fmutex *building; /* many wait for the DNS at once, one report is in memory */
};

struct sending { /* one domain of one day */
    struct dmarc_store *ds;
    struct arena *a;
    const struct round *round;
    struct slice object, domain, key; /* domain as it stands in keys */
    int64_t day;                      /* its first second */
    bool over;
    struct dmarc_published published;
    struct dmarc_record record;
    struct promise promise;
    struct dmarc_destination to[DMARC_DESTINATIONS_MAX];
    int nto;
    struct slice report_id;
    struct buf xml, gzip;
    size_t rows, left_out;
};

/* dmarc_rows.c. All SUSPEND. */
MUST_CHECK int dmarc_rows_any(struct sending *s); /* 1: there are rows that no report has covered; 0: none */
MUST_CHECK int dmarc_rows_report(struct sending *s); /* report_id, xml, rows; and gzip, when there is a row */
MUST_CHECK int dmarc_rows_delete(struct sending *s); /* the covered ones */
/* dmarc_letter.c: to one destination. Returns temporary errors only. SUSPENDS. */
MUST_CHECK int dmarc_letter(struct sending *s, const struct dmarc_destination *d);
