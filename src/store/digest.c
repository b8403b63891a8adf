/* digest.c - rows BOX/KIND/PART in the object f:ACCOUNT, beside the index of texts (grams.c), whose way they
 * go: they are in no image, and erased with their mailbox or account. */
#include "digest.h"

#include <stdio.h>

#include "grams.h"
#include "mailbox_i.h"

enum { DIGEST_ROW = 1 };

static struct slice object_of(const char *acc, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "f:%s", acc));
}

/* "0000000a/h/0000001f": behind the parts of the index of texts. */
static struct slice part_key(const struct digest_key *k, uint32_t part, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "%08x/%c/%08x", k->box.box, k->kind, part));
}

/* ---- reading ---- */

static int parse(const struct digest_key *k, struct slice value, struct digest *out)
{
    struct rec r;
    uint64_t version = 0, validity = 0, place = DIGEST_PART;
    int e = rec_open(&r, value, DIGEST_ROW);
    while (e == 0 && rec_next(&r)) {
        if (r.tag == 'v') version = rec_u64(&r);
        else if (r.tag == 'u') validity = rec_u64(&r);
        else if (r.tag == 'n') place = rec_u64(&r);
        else if (r.tag == 'd' && place < DIGEST_PART) out->v[place] = r.field;
    }
    if (e == 0) e = rec_error(&r);
    return e ? e : version == k->version && validity == k->uidvalidity ? 0 : ERR_VERSION;
}

static int read_one(struct store *s, const struct digest_key *k, uint32_t part, struct arena *a,
                    struct digest *out, size_t *n)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    int e = kv_get(s->kv, object_of(k->box.account, room), part_key(k, part, key), a, &value);
    out[0] = (struct digest){.part = part};
    if (e == 0) *n = parse(k, value, &out[0]) == 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

int digest_read(struct store *s, const struct digest_key *k, uint32_t first, uint32_t *span, struct arena *a,
                struct digest *out, size_t *n)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct kv_page page;
    uint64_t part = first;
    *n = 0;
    if (*span == 1) return read_one(s, k, first, a, out, n);
    int e = kv_scan(s->kv, object_of(k->box.account, room), part_key(k, first, from),
                    part_key(k, first + *span, to), *span, a, &page);
    for (size_t i = 0; i < page.n && e == 0; i++) {
        out[*n] = (struct digest){0};
        if (row_number(page.row[i].key, &part) != 0 || parse(k, page.row[i].value, &out[*n]) != 0) continue;
        out[(*n)++].part = (uint32_t)part;
    }
    if (e == 0 && page.more) *span = (uint32_t)part - first + 1;
    return e;
}

/* ---- writing ---- */

struct writing {
    const struct digest_key *k;
    const struct digest *v;
    size_t n;
};

static void put(struct kv_tx *tx, const struct digest_key *k, const struct digest *d)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, DIGEST_ROW);
    rec_put_u64(&b, 'v', k->version);
    rec_put_u64(&b, 'u', k->uidvalidity);
    for (size_t i = 0; i < DIGEST_PART; i++) {
        if (!d->v[i].p) continue;
        rec_put_u64(&b, 'n', i);
        rec_put(&b, 'd', d->v[i]);
    }
    kv_tx_put_record(tx, part_key(k, d->part, room), &b);
    buf_free(&b);
}

static int write_parts(struct kv_tx *tx, void *arg)
{
    const struct writing *w = arg;
    for (size_t i = 0; i < w->n; i++) put(tx, w->k, &w->v[i]);
    return 0;
}

static int is_there(struct store *s, const struct digest_key *k)
{
    struct arena a;
    struct mailbox m;
    ar_init(&a, 0);
    int e = mailbox_get(s, k->box.account, k->box.box, &a, &m);
    ar_free(&a);
    return e;
}

int digest_write(struct store *s, const struct digest_key *k, const struct digest *v, size_t n)
{
    char room[KEY_ROOM];
    struct writing w = {k, v, n};
    int e = kv_transact_large(s->kv, object_of(k->box.account, room), write_parts, &w);
    if (e == 0) e = is_there(s, k); /* who deleted it meanwhile found nothing to erase */
    if (e == ERR_NOT_FOUND && grams_erase(s, k->box, UINT32_MAX) == 0) e = ERR_NOT_FOUND;
    return e;
}
