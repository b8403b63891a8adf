/* seen.c - \Seen of a mailbox that is shared: the owner's stands with each message, everybody else has sets
 * of their own, rows v/BOX/ACCOUNT/PART with a bit for each of 1,024 UIDs. Who has read a message says
 * nothing about others. */
#include "seen.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { SEEN_ROW = 1 };

/* "v/0000000a/ACCOUNT/" and, when it is wanted, the part. */
static struct slice seen_key(uint32_t box, const char *user, uint32_t part, bool whole, char room[KEY_ROOM])
{
    size_t n = row_prefix('v', box, room).n;
    n += (size_t)snprintf(room + n, KEY_ROOM - n, "%.19s/", user);
    return sl(room, whole ? n + hex_digits(room + n, part, 6) : n);
}

/* A damaged row says nothing: what it told is unread again, and the next change writes it anew. */
static void bits_get(struct slice key, struct slice value, uint8_t bits[SEEN_BYTES])
{
    struct rec r;
    memset(bits, 0, SEEN_BYTES);
    int e = rec_open(&r, value, SEEN_ROW);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'b' && r.field.n == SEEN_BYTES) memcpy(bits, r.field.p, SEEN_BYTES);
    if (e == 0) e = rec_error(&r);
    if (e)
        log_error("store", "%.*s: which messages were seen is not known any more: %s", SLF(key), err_text(e));
}

/* ---- in a transaction ---- */

void seen_begin(struct seen_change *c, uint32_t box, const char *user)
{
    *c = (struct seen_change){.box = box, .user = user};
}

void seen_end(struct kv_tx *tx, struct seen_change *c)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    if (c->changed) {
        rec_begin(&b, SEEN_ROW);
        rec_put(&b, 'b', sl((const char *)c->bits, SEEN_BYTES));
        kv_tx_put_record(tx, seen_key(c->box, c->user, c->part, true, room), &b);
        buf_free(&b);
    }
    c->there = c->changed = false;
}

int seen_is(struct kv_tx *tx, struct seen_change *c, uint32_t uid, bool *yes)
{
    char room[KEY_ROOM];
    struct slice value, key = seen_key(c->box, c->user, uid / SEEN_PART, true, room);
    int e = 0;
    *yes = false;
    if (!c->there || c->part != uid / SEEN_PART) {
        seen_end(tx, c);
        e = kv_tx_get(tx, key, &value);
        if (e == 0) bits_get(key, value, c->bits);
        if (e == ERR_NOT_FOUND) memset(c->bits, 0, SEEN_BYTES), e = 0;
        if (e) return e;
        c->there = true;
        c->part = uid / SEEN_PART;
    }
    *yes = c->bits[uid % SEEN_PART / 8] >> uid % 8 & 1;
    return 0;
}

int seen_set(struct kv_tx *tx, struct seen_change *c, uint32_t uid, bool yes)
{
    bool was;
    int e = seen_is(tx, c, uid, &was);
    if (e || was == yes) return e;
    c->bits[uid % SEEN_PART / 8] ^= (uint8_t)(1u << uid % 8);
    c->changed = true;
    return 0;
}

/* ---- all of a mailbox ---- */

struct seen_part {
    uint32_t part;
    uint8_t bits[SEEN_BYTES];
};

/* The place of the part, or where it would stand. */
static size_t rank_of(const struct seen_set *s, uint32_t part)
{
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (s->v[mid].part < part) from = mid + 1;
        else to = mid;
    }
    return from;
}

static struct seen_part *make_part(struct seen_set *s, uint32_t part)
{
    size_t at = rank_of(s, part);
    if (at < s->n && s->v[at].part == part) return &s->v[at];
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 4;
        s->v = xrealloc(s->v, s->room * sizeof *s->v);
    }
    memmove(&s->v[at + 1], &s->v[at], (s->n++ - at) * sizeof *s->v);
    s->v[at].part = part;
    return &s->v[at];
}

static int add_part(void *arg, struct slice key, struct slice value)
{
    uint64_t part;
    if (row_number(key, &part) != 0) return 0; /* whose key is no number of a part tells nothing */
    bits_get(key, value, make_part(arg, (uint32_t)part)->bits);
    return 0;
}

int seen_read(struct store *s, const char *acc, uint32_t box, const char *user, struct seen_set *out)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    struct seen_set now = {0};
    struct slice first = seen_key(box, user, 0, false, from), last = seen_key(box, user, 0, false, to);
    to[last.n - 1] = '0'; /* follows '/' */
    int e = rows_each(s, acc, first, last, add_part, &now);
    if (e == 0) seen_free(out);
    if (e == 0) *out = now;
    else seen_free(&now);
    return e;
}

int seen_read_part(struct store *s, const char *acc, uint32_t box, const char *user, uint32_t part,
                   struct seen_set *out)
{
    char room[KEY_ROOM], object[KEY_ROOM];
    struct slice value, key = seen_key(box, user, part, true, room);
    struct arena a;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, object), key, &a, &value);
    if (e == 0) bits_get(key, value, make_part(out, part)->bits);
    else if (e == ERR_NOT_FOUND) memset(make_part(out, part)->bits, 0, SEEN_BYTES), e = 0;
    ar_free(&a);
    return e;
}

void seen_free(struct seen_set *s)
{
    free(s->v);
    *s = (struct seen_set){0};
}

static struct seen_part *part_of(const struct seen_set *s, uint32_t part)
{
    size_t at = rank_of(s, part);
    return at < s->n && s->v[at].part == part ? &s->v[at] : NULL;
}

bool seen_has(const struct seen_set *s, uint32_t uid)
{
    const struct seen_part *p = part_of(s, uid / SEEN_PART);
    return p && p->bits[uid % SEEN_PART / 8] >> uid % 8 & 1;
}
