/* keys.h - by what messages are put in order (RFC 5256 sections 2.2 and 3; SORT=DISPLAY, RFC 5957). */
#pragma once
#include "mail/charset.h"
#include "mail/head.h"

enum reader_key {
    READER_KEY_FROM,
    READER_KEY_TO,
    READER_KEY_CC,
    READER_KEY_DISPLAY_FROM,
    READER_KEY_DISPLAY_TO,
    READER_KEY_SUBJECT,
    READER_KEYS
};
enum { READER_KEY_MAX = 1000 }; /* bytes of a key that count */

/* The key of a header section, as the collation compares it, in the arena. */
struct slice reader_key(struct arena *a, const struct mail_head *h, enum reader_key key, enum collation how);
/* "Sent date": of the Date field in UTC, unix seconds. False: there is none that can be read. */
bool reader_sent(struct arena *a, const struct mail_head *h, int64_t *out);

/* All of them, by the default collation, as they are kept (digests.h). */
struct reader_keys {
    bool dated;
    int64_t sent;
    struct slice text[READER_KEYS];
};
void reader_keys_put(struct buf *out, struct arena *a, const struct mail_head *h);
bool reader_keys_get(struct slice kept, struct reader_keys *out); /* false: it is damaged */
