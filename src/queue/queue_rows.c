/* queue_rows.c - keys and values of the queue's rows. */
#include "base/text.h"
#include "kv/record.h"
#include "letter_record.h"
#include "queue_i.h"

enum { ROW_VERSION = 1 };

/* ---- keys ---- */

/* Keys are made some forty times a letter: without printf. */
enum { KEY_ROOM = 1 + 1 + 20 + 1 + LETTER_ID_LEN + 2 * 11 };

static char *put_number(char *p, uint64_t v, int least)
{
    char reversed[20];
    int n = 0;
    do reversed[n++] = (char)('0' + v % 10), v /= 10;
    while (v || n < least);
    while (n) *p++ = reversed[--n];
    return p;
}

static char *put_id(char *p, const struct letter_id *id)
{
    size_t n = strlen(id->s);
    memcpy(p, id->s, n);
    return p + n;
}

static char *put_part(char *p, uint32_t n)
{
    *p++ = '/';
    return put_number(p, n, 5);
}

static char *put_time(char *p, int64_t t) { return put_number(p, t > 0 ? (uint64_t)t : 0, 12); }

static struct slice key_of(struct arena *a, const char *room, const char *end)
{
    return ar_dup(a, sl(room, (size_t)(end - room)));
}

static struct slice key_with_id(struct arena *a, char kind, const struct letter_id *id)
{
    char room[KEY_ROOM] = {kind};
    return key_of(a, room, put_id(room + 1, id));
}

struct slice queue_key_envelope(struct arena *a, const struct letter_id *id)
{
    return key_with_id(a, 'e', id);
}

struct slice queue_key_once(struct arena *a, const struct letter_id *id) { return key_with_id(a, 'z', id); }

struct slice queue_key_accepting(struct arena *a, const struct letter_id *id)
{
    return key_with_id(a, 'h', id);
}

struct slice queue_key_group(struct arena *a, const struct letter_id *id, uint32_t g)
{
    char room[KEY_ROOM] = {'g'};
    return key_of(a, room, put_part(put_id(room + 1, id), g));
}

struct slice queue_key_rcpts(struct arena *a, const struct letter_id *id, uint32_t g)
{
    char room[KEY_ROOM] = {'r'}, *end = put_part(put_id(room + 1, id), g);
    *end++ = '/';
    return key_of(a, room, end);
}

struct slice queue_key_rcpt(struct arena *a, const struct letter_id *id, uint32_t g, uint32_t n)
{
    char room[KEY_ROOM] = {'r'};
    return key_of(a, room, put_part(put_part(put_id(room + 1, id), g), n));
}

struct slice queue_key_due(struct arena *a, enum stream stream, int64_t due, const struct letter_id *id,
                           uint32_t g)
{
    char room[KEY_ROOM] = {'d', (char)('0' + stream)}, *end = put_time(room + 2, due);
    *end++ = '/';
    return key_of(a, room, put_part(put_id(end, id), g));
}

struct slice queue_key_due_from(struct arena *a, enum stream stream, int64_t due)
{
    char room[KEY_ROOM] = {'d', (char)('0' + stream)};
    return key_of(a, room, put_time(room + 2, due));
}

struct slice queue_key_age(struct arena *a, int64_t at, const struct letter_id *id)
{
    char room[KEY_ROOM] = {'x'}, *end = put_time(room + 1, at);
    *end++ = '/';
    return key_of(a, room, put_id(end, id));
}

struct slice queue_key_sending(struct arena *a, const struct letter_id *id, uint32_t g)
{
    char room[KEY_ROOM] = {'s'};
    return key_of(a, room, put_part(put_id(room + 1, id), g));
}

static bool digits(struct slice s, size_t from, size_t n, uint64_t *out)
{
    return s.n >= from + n && num_u64(sl_sub(s, from, from + n), UINT64_MAX, out);
}

/* ---- the schedule ---- */

void q_due_of(struct q_due *d, const struct q_envelope *e, const struct q_group *g, int64_t due, bool tell)
{
    struct slice domain = sl_from(e->l.sender, sl_rchr(e->l.sender, '@') + 1); /* SL_NONE + 1 is 0 */
    *d = (struct q_due){.due = due,
                        .stream = e->l.stream,
                        .id = e->l.id,
                        .g = g->n,
                        .priority = e->l.wants.priority,
                        .local = g->local,
                        .tell = tell,
                        .hop = g->hop,
                        .domain = utf8_cut(domain, Q_DUE_DOMAIN_MAX),
                        .account = e->l.submitter,
                        .campaign = e->l.campaign,
                        .bound = g->bound};
}

void q_due_put(struct buf *b, const struct q_due *d)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'h', d->hop);
    rec_opt_u64(b, 'l', d->local);
    rec_opt_u64(b, 't', d->tell);
    rec_opt(b, 'f', d->domain);
    rec_opt(b, 's', d->account);
    rec_opt(b, 'C', d->campaign);
    rec_opt(b, 'B', d->bound);
    rec_opt_u64(b, 'P', d->priority ? (uint64_t)(d->priority + 10) : 0);
}

static int8_t due_priority(uint64_t v) { return (int8_t)(v >= 1 && v <= 19 ? (int)v - 10 : 0); }

static bool due_key(struct slice key, struct q_due *d)
{
    uint64_t s, t, n;
    if (key.n != 37 || key.p[0] != 'd' || key.p[14] != '/' || key.p[31] != '/') return false;
    if (!digits(key, 1, 1, &s) || !digits(key, 2, 12, &t) || !digits(key, 32, 5, &n) || s >= STREAMS ||
        !letter_id_ok(sl_sub(key, 15, 31)))
        return false;
    *d = (struct q_due){.due = (int64_t)t, .stream = (enum stream)s, .g = (uint32_t)n};
    memcpy(d->id.s, key.p + 15, LETTER_ID_LEN);
    return true;
}

int q_due_get(struct slice key, struct slice row, struct q_due *d)
{
    struct rec r;
    if (!due_key(key, d)) return ERR_CORRUPT;
    int bad = rec_open(&r, row, ROW_VERSION);
    if (bad) return bad;
    while (rec_next(&r)) {
        switch (r.tag) {
        case 'h': d->hop = r.field; break;
        case 'l': d->local = rec_u64(&r) != 0; break;
        case 't': d->tell = rec_u64(&r) != 0; break;
        case 'f': d->domain = r.field; break;
        case 's': d->account = r.field; break;
        case 'C': d->campaign = r.field; break;
        case 'B': d->bound = r.field; break;
        case 'P': d->priority = due_priority(rec_u64(&r)); break;
        }
    }
    return rec_error(&r);
}

/* ---- envelopes ---- */

void q_envelope_put(struct buf *b, const struct q_envelope *e)
{
    const struct letter *l = &e->l;
    rec_begin(b, ROW_VERSION);
    rec_opt(b, 'a', e->sieve);
    letter_record_put(b, l);
    if (l->made.n) rec_put(b, 'M', l->made);
    else rec_put(b, 'b', body_ref_slice(&l->body));
    rec_opt_u64(b, 'k', l->skip);
    rec_put_u64(b, 'x', (uint64_t)e->expires);
    rec_opt(b, 'H', utf8_cut(l->hold, QUEUE_REPLY_MAX));
    rec_opt_u64(b, 'd', (uint64_t)e->delay_told);
    rec_put_u64(b, 'A', (uint64_t)e->age);
    rec_put_u64(b, 'g', e->groups);
    rec_put_u64(b, 'o', e->open);
    rec_opt_u64(b, 'n', e->rcpts);
    rec_opt_u64(b, 'W', e->unscheduled);
}

bool q_envelope_peek(struct slice row, bool received, struct q_front *out)
{
    struct rec r;
    *out = (struct q_front){.received = 0};
    if (rec_open(&r, row, ROW_VERSION) != 0) return false;
    for (bool sent = false; rec_next(&r);) {
        if (r.tag == 'a') out->sieve = r.field;
        if (r.tag == 'f') out->sender = r.field, sent = true;
        if (sent && !received) return true;
        if (r.tag != 't') continue;
        out->received = (int64_t)rec_u64(&r);
        return sent && !r.bad;
    }
    return false;
}

enum { SIEVE_LEAST = 8, SIEVE_MOST = 512, SIEVE_EACH = 2, SIEVE_BITS = 3 };

struct sieve_hash {
    uint32_t at, step;
};

static struct sieve_hash sieve_hash(struct slice address)
{
    char low[LIMIT_ADDRESS];
    size_t n = address.n < sizeof low ? address.n : sizeof low;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)(address.p[i] >= 'A' && address.p[i] <= 'Z' ? address.p[i] + 32 : address.p[i]);
    uint32_t h = crc32c(0, low, n);
    return (struct sieve_hash){h, crc32c(h, low, n) | 1};
}

struct slice q_sieve_make(struct arena *a, const struct letter *l)
{
    size_t n = l->nrcpt * SIEVE_EACH;
    n = n < SIEVE_LEAST ? SIEVE_LEAST : n > SIEVE_MOST ? SIEVE_MOST : n;
    char *bits = ar_alloc(a, n);
    memset(bits, 0, n);
    for (size_t i = 0; i < l->nrcpt; i++) {
        struct sieve_hash h = sieve_hash(l->rcpt[i].route.address);
        for (int k = 0; k < SIEVE_BITS; k++, h.at += h.step)
            bits[h.at % (8 * n) / 8] = (char)(bits[h.at % (8 * n) / 8] | 1 << h.at % 8);
    }
    return sl(bits, n);
}

bool q_sieve_may_hold(struct slice sieve, struct slice address)
{
    struct sieve_hash h = sieve_hash(address);
    bool all = sieve.n > 0;
    for (int k = 0; all && k < SIEVE_BITS; k++, h.at += h.step)
        all = (sieve.p[h.at % (8 * sieve.n) / 8] >> h.at % 8 & 1) != 0;
    return all;
}

int q_envelope_get(struct slice row, const struct letter_id *id, struct q_envelope *e)
{
    struct rec r;
    int bad = rec_open(&r, row, ROW_VERSION);
    if (bad) return bad;
    *e = (struct q_envelope){.l.id = *id};
    struct letter *l = &e->l;
    bool damaged = false;
    while (rec_next(&r)) {
        switch (r.tag) {
        case 'b':
            if (body_ref_parse(r.field, &l->body) != 0) l->body.s[0] = 0;
            break;
        case 'a': e->sieve = r.field; break;
        case 'M': l->made = r.field; break;
        case 'k': l->skip = (uint32_t)rec_u64(&r); break;
        case 'x': e->expires = (int64_t)rec_u64(&r); break;
        case 'H': l->hold = r.field; break;
        case 'd': e->delay_told = (int64_t)rec_u64(&r); break;
        case 'A': e->age = (int64_t)rec_u64(&r); break;
        case 'g': e->groups = (uint32_t)rec_u64(&r); break;
        case 'o': e->open = (uint32_t)rec_u64(&r); break;
        case 'n': e->rcpts = (uint32_t)rec_u64(&r); break;
        case 'W': e->unscheduled = (uint32_t)rec_u64(&r); break;
        default: damaged |= letter_record_take(&r, l) != 0;
        }
    }
    bool whole = !damaged && (unsigned)l->stream < STREAMS && l->skip <= l->head_size &&
                 (l->made.n ? !l->head_size : l->body.s[0] && l->head_size <= body_ref_size(&l->body));
    return whole ? rec_error(&r) : err_set(ERR_CORRUPT, "the envelope of %s is damaged", id->s);
}

/* ---- groups ---- */

void q_group_put(struct buf *b, const struct q_group *g)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'h', g->hop);
    rec_opt_u64(b, 'l', g->local);
    rec_opt_u64(b, 'c', g->closed);
    rec_opt_u64(b, 'd', (uint64_t)g->due);
    rec_opt(b, 'B', g->bound);
    rec_opt_u64(b, 'F', g->fixed);
}

int q_group_get(struct slice row, uint32_t n, struct q_group *g)
{
    struct rec r;
    int bad = rec_open(&r, row, ROW_VERSION);
    if (bad) return bad;
    *g = (struct q_group){.n = n};
    while (rec_next(&r)) {
        switch (r.tag) {
        case 'h': g->hop = r.field; break;
        case 'l': g->local = rec_u64(&r) != 0; break;
        case 'c': g->closed = rec_u64(&r) != 0; break;
        case 'd': g->due = (int64_t)rec_u64(&r); break;
        case 'B': g->bound = r.field; break;
        case 'F': g->fixed = rec_u64(&r) != 0; break;
        }
    }
    if (!g->hop.n || (g->local && g->hop.n >= sizeof g->account))
        return err_set(ERR_CORRUPT, "the record of a group is damaged");
    if (g->local) memcpy(g->account, g->hop.p, g->hop.n);
    return rec_error(&r);
}

/* ---- recipients ---- */

void q_rcpt_put(struct buf *b, const struct q_rcpt *r)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'a', r->address);
    rec_put_u64(b, 's', r->state);
    rec_opt(b, 'D', r->detail);
    rec_opt(b, 'o', r->orcpt);
    rec_opt_u64(b, 'n', r->notify);
    rec_opt_u64(b, 't', r->attempts);
    rec_opt_u64(b, 'N', (uint64_t)r->next_try);
    rec_opt_u64(b, 'L', (uint64_t)r->last_try);
    rec_opt_u64(b, 'c', (uint64_t)r->code);
    rec_opt(b, 'e', r->enhanced);
    rec_opt(b, 'r', utf8_cut(r->reply, QUEUE_REPLY_MAX));
    rec_opt(b, 'h', utf8_cut(r->host, QUEUE_REPLY_MAX));
    rec_opt(b, 'T', utf8_cut(r->tls, QUEUE_REPLY_MAX));
    rec_opt(b, 'C', r->class);
    rec_opt(b, 'R', r->rule);
    rec_opt(b, 'S', r->source);
    rec_opt_u64(b, 'u', r->uncertain);
    rec_opt_u64(b, 'x', r->expired);
    rec_opt_u64(b, 'H', r->barred);
}

bool q_rcpt_peek(struct slice row, struct slice *address)
{
    struct rec r;
    if (rec_open(&r, row, ROW_VERSION) != 0 || !rec_next(&r) || r.tag != 'a') return false;
    *address = r.field;
    return true;
}

static int rcpt_fields(struct rec *r, struct q_rcpt *out)
{
    while (rec_next(r)) {
        switch (r->tag) {
        case 'a': out->address = r->field; break;
        case 's': out->state = (enum q_state)rec_u64(r); break;
        case 'D': out->detail = r->field; break;
        case 'o': out->orcpt = r->field; break;
        case 'n': out->notify = (unsigned)rec_u64(r); break;
        case 't': out->attempts = (uint32_t)rec_u64(r); break;
        case 'N': out->next_try = (int64_t)rec_u64(r); break;
        case 'L': out->last_try = (int64_t)rec_u64(r); break;
        case 'c': out->code = (int)rec_u64(r); break;
        case 'e': out->enhanced = r->field; break;
        case 'r': out->reply = r->field; break;
        case 'h': out->host = r->field; break;
        case 'T': out->tls = r->field; break;
        case 'C': out->class = r->field; break;
        case 'R': out->rule = r->field; break;
        case 'S': out->source = r->field; break;
        case 'u': out->uncertain = rec_u64(r) != 0; break;
        case 'x': out->expired = rec_u64(r) != 0; break;
        case 'H': out->barred = rec_u64(r) != 0; break;
        }
    }
    return (unsigned)out->state >= Q_STATES ? ERR_CORRUPT : rec_error(r);
}

int q_rcpt_get(struct slice key, struct slice row, struct q_rcpt *out)
{
    struct rec r;
    uint64_t g, n;
    int bad = rec_open(&r, row, ROW_VERSION);
    if (bad) return bad;
    if (key.n != 29 || !digits(key, 18, 5, &g) || !digits(key, 24, 5, &n)) return ERR_CORRUPT;
    *out = (struct q_rcpt){.g = (uint32_t)g, .n = (uint32_t)n};
    return rcpt_fields(&r, out);
}
