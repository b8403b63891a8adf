/* digest.c - rows BOX/KIND/PART in the object f:ACCOUNT, beside the index of texts (grams.c), whose way they
 * go: they are in no image, and erased with their mailbox or account. */
#include "digest.h"

#include <stdio.h>

#include "base/log.h"
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

int digest_parse(const struct digest_key *k, const struct digest_row *row, struct digest *out)
{
    struct rec r;
    uint64_t version = 0, validity = 0, place = DIGEST_PART;
    *out = (struct digest){.part = row->part};
    int e = rec_open(&r, row->bytes, DIGEST_ROW);
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
                    struct digest_row **out, size_t *n)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    *out = ar_new(a, struct digest_row);
    (*out)->part = part;
    int e = kv_get(s->kv, object_of(k->box.account, room), part_key(k, part, key), a, &(*out)->bytes);
    *n = e == 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

int digest_read(struct store *s, const struct digest_key *k, uint32_t first, uint32_t *span, struct arena *a,
                struct digest_row **out, size_t *n)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct kv_page page;
    uint64_t part = first;
    *n = 0;
    if (*span == 1) return read_one(s, k, first, a, out, n);
    int e = kv_scan_on(s->kv, object_of(k->box.account, room), part_key(k, first, from),
                       part_key(k, first + *span, to), *span, a, &page);
    *out = ar_array(a, struct digest_row, e ? 0 : page.n);
    for (size_t i = 0; e == 0 && i < page.n; i++) {
        if (row_number(page.row[i].key, &part) != 0) continue;
        (*out)[(*n)++] = (struct digest_row){(uint32_t)part, page.row[i].value};
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

/* ---- messages that went ---- */

enum { FORGET_AT_ONCE = 200 };
#define KINDS_EVER DIGEST_KINDS "i" /* the EMAILID was kept so once */

struct forgetting {
    struct store *s;
    struct mailbox_ref box;
    bool looked;
    uint32_t from; /* where it was looked last, */
    uint64_t left; /* the least UID of a message at or above that */
    uint32_t part[FORGET_AT_ONCE];
    size_t n;
};

static int erase_parts(struct kv_tx *tx, void *arg)
{
    const struct forgetting *x = arg;
    char room[KEY_ROOM];
    for (size_t i = 0; i < x->n; i++)
        for (const char *kind = KINDS_EVER; *kind; kind++)
            kv_tx_del(tx, part_key(&(struct digest_key){.box = x->box, .kind = *kind}, x->part[i], room));
    return 0;
}

static void erase_gathered(struct forgetting *x)
{
    char room[KEY_ROOM];
    int e = x->n ? kv_transact(x->s->kv, object_of(x->box.account, room), erase_parts, x) : 0;
    if (e)
        log_info("store", "account %s: what is kept of messages that went stays: %s", x->box.account,
                 err_text(e));
    x->n = 0;
}

/* Behind a message that went the index has to pass over what it was, which may be a hundred thousand of them:
 * so nobody looks twice for what was seen. */
static void look(struct forgetting *x, uint32_t first)
{
    struct arena a;
    struct message *v;
    size_t n = 0;
    ar_init(&a, 0);
    int e = message_list(x->s, x->box, first ? first : 1, 1, &a, &v, &n);
    x->looked = true;
    x->from = first;
    x->left = e ? first : n ? v[0].uid : UINT64_MAX;
    ar_free(&a);
}

/* Is no message of these UIDs left? Who asks goes upwards. */
static bool is_empty(struct forgetting *x, uint32_t first, uint64_t end)
{
    if (!x->looked || first < x->from || first > x->left) look(x, first);
    return x->left >= end;
}

static bool is_kept(struct forgetting *x, uint32_t part)
{
    enum { N = sizeof KINDS_EVER - 1 };
    char room[KEY_ROOM], keys[N][KEY_ROOM];
    struct slice key[N], value[N];
    struct arena a;
    bool kept = false;
    ar_init(&a, 0);
    for (size_t i = 0; i < N; i++)
        key[i] = part_key(&(struct digest_key){.box = x->box, .kind = KINDS_EVER[i]}, part, keys[i]);
    int e = kv_get_many(x->s->kv, object_of(x->box.account, room), key, N, &a, value);
    for (size_t i = 0; e == 0 && i < N; i++) kept |= value[i].p != NULL;
    ar_free(&a);
    return kept;
}

static void forget_part(struct forgetting *x, uint32_t part)
{
    uint32_t first = part * DIGEST_PART;
    uint64_t end = (uint64_t)first + DIGEST_PART;
    if (!is_empty(x, first, end) || !is_kept(x, part)) return;
    x->part[x->n++] = part;
    if (x->n == FORGET_AT_ONCE) erase_gathered(x);
}

static void forget_texts(struct forgetting *x, uint32_t part)
{
    struct grams_state state;
    uint32_t first = part * GRAMS_PART;
    if (is_empty(x, first, (uint64_t)first + GRAMS_PART) && grams_there(x->s, x->box, part, &state) == 0 &&
        grams_erase(x->s, x->box, part) != 0)
        log_info("store", "account %s: the index of texts of messages that went stays", x->box.account);
}

void digest_forget(struct store *s, struct mailbox_ref box, const uint32_t *uid, size_t n)
{
    struct forgetting x = {.s = s, .box = box};
    for (size_t i = 0; i < n; i++) {
        if (!i || uid[i] / GRAMS_PART != uid[i - 1] / GRAMS_PART) forget_texts(&x, uid[i] / GRAMS_PART);
        if (i && uid[i] / DIGEST_PART == uid[i - 1] / DIGEST_PART) continue;
        forget_part(&x, uid[i] / DIGEST_PART);
        fiber_breathe();
    }
    erase_gathered(&x);
}
