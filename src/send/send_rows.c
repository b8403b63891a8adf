/* send_rows.c - a send as rows: its head, what its letters share, the letters. */
#include <stdio.h>

#include "base/text.h"
#include "send_i.h"

enum { ROW_VERSION = 1 };

const char *send_reason_word(enum send_reason r)
{
    static const char *const words[] = {
#define X(name, word) word,
        SEND_REASONS(X)
#undef X
    };
    return r < SEND_OUT_COUNT ? words[r] : "";
}

bool send_reason_named(struct slice word, enum send_reason *out)
{
    for (int i = SEND_OUT_BOUNCED; i < SEND_OUT_CANCELED; i++)
        if (sl_eq(word, sl_cstr(send_reason_word((enum send_reason)i)))) {
            *out = (enum send_reason)i;
            return true;
        }
    return false;
}

void send_object(const struct letter_id *send, char out[24]) { snprintf(out, 24, "s:%s", send->s); }

/* The send's own time and one microsecond more for each letter, under the send's own chance: they sort as
 * they are numbered, and no two sends have the same. */
void send_letter_id(const struct letter_id *send, uint64_t n, struct letter_id *out)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint64_t time = 0;
    for (int i = 0; i < 10; i++) time = time << 5 | (uint64_t)(strchr(digits, send->s[i]) - digits);
    *out = *send;
    time += n + 1;
    for (int i = 9; i >= 0; i--, time >>= 5) out->s[i] = digits[time & 31];
}

struct slice send_key_page(struct arena *a, uint64_t first, unsigned row)
{
    return ar_printf(a, "p/%010llu/%03u", (unsigned long long)first, row);
}

struct slice send_key_common(struct arena *a, unsigned row) { return ar_printf(a, "b/%05u", row); }

struct slice send_key_over(struct arena *a, int64_t when, const struct letter_id *send)
{
    return ar_printf(a, "o/%012lld/%s", (long long)when, send->s);
}

struct slice send_key_claim(struct arena *a, struct slice account, struct slice sum)
{
    return ar_printf(a, "i/%.*s/%.*s", SLF(account), SLF(sum));
}

void send_claim_put(struct buf *b, const struct letter_id *send, struct slice digest, int64_t when)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'i', sl_cstr(send->s));
    rec_put(b, 'd', digest);
    rec_put_u64(b, 't', (uint64_t)when);
}

/* ---- the head ---- */

void send_head_put(struct buf *b, const struct send_head *h)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'a', h->account);
    rec_put(b, 'A', h->address);
    rec_opt(b, 'k', h->key);
    rec_opt(b, 'c', h->campaign);
    rec_opt(b, 'b', h->batch);
    for (size_t i = 0; i < h->ncategories; i++) rec_put(b, 'C', h->category[i]);
    rec_put_u64(b, 'p', h->stream);
    rec_opt_u64(b, 'o', h->options);
    rec_opt_u64(b, 'g', h->group);
    rec_put_u64(b, 't', (uint64_t)h->taken);
    rec_opt_u64(b, 'u', (uint64_t)h->send_at);
    rec_put_u64(b, 'l', h->letters);
    rec_put_u64(b, 'r', h->recipients);
    rec_opt_u64(b, 'x', h->left_out);
    rec_put_u64(b, 'n', h->numbers);
    rec_opt_u64(b, 'e', h->events);
    rec_opt(b, 'd', h->digest);
    rec_opt(b, 'i', h->claim);
    rec_opt(b, 'D', h->claimed);
}

int send_head_get(struct slice row, struct send_head *h)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    *h = (struct send_head){0};
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'a': h->account = r.field; break;
        case 'A': h->address = r.field; break;
        case 'k': h->key = r.field; break;
        case 'c': h->campaign = r.field; break;
        case 'b': h->batch = r.field; break;
        case 'd': h->digest = r.field; break;
        case 'i': h->claim = r.field; break;
        case 'D': h->claimed = r.field; break;
        case 'C':
            if (h->ncategories < SEND_CATEGORIES_MAX) h->category[h->ncategories++] = r.field;
            break;
        case 'p': h->stream = (enum stream)rec_u64(&r); break;
        case 'o': h->options = (unsigned)rec_u64(&r); break;
        case 'g': h->group = (uint32_t)rec_u64(&r); break;
        case 't': h->taken = (int64_t)rec_u64(&r); break;
        case 'u': h->send_at = (int64_t)rec_u64(&r); break;
        case 'l': h->letters = rec_u64(&r); break;
        case 'r': h->recipients = rec_u64(&r); break;
        case 'x': h->left_out = rec_u64(&r); break;
        case 'n': h->numbers = rec_u64(&r); break;
        case 'e': h->events = rec_u64(&r); break;
        }
    if (e) return e;
    if (!h->account.n || (unsigned)h->stream >= STREAMS)
        return err_set(ERR_CORRUPT, "the head of a send is damaged");
    return rec_error(&r);
}

/* ---- how far it is ---- */

void send_count_put(struct buf *b, const struct send_count *c)
{
    rec_begin(b, ROW_VERSION);
    rec_opt_u64(b, 'p', c->page);
    rec_opt_u64(b, 'n', c->next);
    rec_opt_u64(b, 'E', c->seen);
    rec_opt_u64(b, 'q', c->queued);
    rec_opt_u64(b, 'e', c->ended);
    rec_opt_u64(b, 'd', c->delivered);
    rec_opt_u64(b, 'b', c->bounced);
    rec_opt_u64(b, 'x', c->dropped);
    rec_opt_u64(b, 'f', c->failed);
    rec_opt_u64(b, 'D', c->deferred);
    rec_opt_u64(b, 'l', c->late);
    rec_opt_u64(b, 'C', c->complained);
    rec_opt_u64(b, 'u', c->unsubscribed);
    rec_opt_u64(b, 'O', c->opened);
    rec_opt_u64(b, 'K', c->clicked);
    rec_opt_u64(b, 't', (uint64_t)c->begun);
    rec_opt_u64(b, 'o', (uint64_t)c->over);
}

int send_count_get(struct slice row, struct send_count *c)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    *c = (struct send_count){0};
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'p': c->page = rec_u64(&r); break;
        case 'n': c->next = rec_u64(&r); break;
        case 'E': c->seen = rec_u64(&r); break;
        case 'q': c->queued = rec_u64(&r); break;
        case 'e': c->ended = rec_u64(&r); break;
        case 'd': c->delivered = rec_u64(&r); break;
        case 'b': c->bounced = rec_u64(&r); break;
        case 'x': c->dropped = rec_u64(&r); break;
        case 'f': c->failed = rec_u64(&r); break;
        case 'D': c->deferred = rec_u64(&r); break;
        case 'l': c->late = rec_u64(&r); break;
        case 'C': c->complained = rec_u64(&r); break;
        case 'u': c->unsubscribed = rec_u64(&r); break;
        case 'O': c->opened = rec_u64(&r); break;
        case 'K': c->clicked = rec_u64(&r); break;
        case 't': c->begun = (int64_t)rec_u64(&r); break;
        case 'o': c->over = (int64_t)rec_u64(&r); break;
        }
    return e ? e : rec_error(&r);
}

void send_order_put(struct buf *b, const struct send_order *o)
{
    rec_begin(b, ROW_VERSION);
    rec_put_u64(b, 's', o->state);
    rec_put_u64(b, 't', (uint64_t)o->since);
    rec_opt(b, 'w', utf8_cut(o->why, 300));
}

int send_order_get(struct slice row, struct send_order *o)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    *o = (struct send_order){0};
    while (!e && rec_next(&r)) switch (r.tag) {
        case 's': o->state = (enum send_state)rec_u64(&r); break;
        case 't': o->since = (int64_t)rec_u64(&r); break;
        case 'w': o->why = r.field; break;
        }
    if (!e && (unsigned)o->state >= SEND_STATES) e = err_set(ERR_CORRUPT, "a row of a send is damaged");
    return e ? e : rec_error(&r);
}

/* ---- addresses and fields, in either ---- */

/* tag: the address; its upper case: the name; 'y': why it is left out. Both follow their address. */
static void put_addr(struct buf *b, char tag, const struct send_addr *m)
{
    if (!m->address.n) return;
    rec_put(b, (uint8_t)tag, m->address);
    rec_opt(b, (uint8_t)(tag - 32), m->name);
    rec_opt_u64(b, 'y', m->left_out);
}

static void put_addrs(struct buf *b, char tag, const struct send_addrs *list)
{
    for (size_t i = 0; i < list->n; i++) put_addr(b, tag, &list->v[i]);
}

static void put_fields(struct buf *b, const struct send_fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        rec_put(b, 'h', f->v[i].name);
        rec_put(b, 'H', f->v[i].value);
    }
}

/* How many fields of a tag are there? */
static size_t count_tag(struct slice blob, uint8_t tag)
{
    struct rec r = {.rest = blob};
    size_t n = 0;
    while (rec_next(&r)) n += r.tag == tag;
    return n;
}

struct lists { /* being read */
    struct arena *a;
    struct slice blob;
    struct send_addr *last;
};

static void get_addr(struct lists *x, struct send_addrs *list, const struct rec *r)
{
    if (!list->v) list->v = ar_array(x->a, struct send_addr, count_tag(x->blob, r->tag));
    x->last = &list->v[list->n++];
    x->last->address = r->field;
}

/* A field of either kind that stands in both; false: it is another. */
static bool get_shared(struct lists *x, struct rec *r, struct send_fields *fields)
{
    switch (r->tag) {
    case 'y':
        if (x->last) x->last->left_out = (enum send_reason)rec_u64(r);
        return true;
    case 'T':
    case 'C':
    case 'B':
    case 'R':
    case 'F':
    case 'E':
        if (x->last) x->last->name = r->field;
        return true;
    case 'h':
        if (!fields->v) fields->v = ar_array(x->a, struct send_field, count_tag(x->blob, 'h'));
        fields->v[fields->n++].name = r->field;
        return true;
    case 'H':
        if (fields->n) fields->v[fields->n - 1].value = r->field;
        return true;
    }
    return false;
}

static int rest_is_whole(const struct rec *r)
{
    return r->bad ? err_set(ERR_CORRUPT, "a stored send is damaged") : 0;
}

/* ---- a letter ---- */

void send_letter_put(struct buf *b, const struct send_letter *l)
{
    put_addrs(b, 't', &l->to);
    put_addrs(b, 'c', &l->cc);
    put_addrs(b, 'b', &l->bcc);
    put_addr(b, 'f', &l->from);
    rec_opt(b, 's', l->subject);
    put_fields(b, &l->fields);
    rec_opt(b, 'd', l->data);
    rec_opt(b, 'a', l->args);
    rec_opt(b, 'u', l->custom);
    rec_opt_u64(b, 'w', (uint64_t)l->send_at);
}

int send_letter_get(struct slice field, struct arena *a, struct send_letter *l)
{
    struct rec r = {.rest = field};
    struct lists x = {.a = a, .blob = field};
    *l = (struct send_letter){0};
    while (rec_next(&r)) {
        if (get_shared(&x, &r, &l->fields)) continue;
        switch (r.tag) {
        case 't': get_addr(&x, &l->to, &r); break;
        case 'c': get_addr(&x, &l->cc, &r); break;
        case 'b': get_addr(&x, &l->bcc, &r); break;
        case 'f':
            l->from.address = r.field;
            x.last = &l->from;
            break;
        case 's': l->subject = r.field; break;
        case 'd': l->data = r.field; break;
        case 'a': l->args = r.field; break;
        case 'u': l->custom = r.field; break;
        case 'w': l->send_at = (int64_t)rec_u64(&r); break;
        }
    }
    return rest_is_whole(&r);
}

/* ---- what letters share ---- */

static void put_parts(struct buf *b, const struct send *s)
{
    for (size_t i = 0; i < s->nparts; i++) {
        rec_put(b, 'p', s->part[i].type);
        rec_put(b, 'P', s->part[i].text);
    }
    for (size_t i = 0; i < s->nfiles; i++) {
        const struct send_file *f = &s->file[i];
        rec_put(b, 'n', f->name);
        rec_opt(b, 'm', f->type);
        rec_opt(b, 'i', f->content_id);
        rec_opt_u64(b, 'I', f->in_text);
        rec_put(b, 'N', f->bytes);
    }
}

void send_common_put(struct buf *b, const struct send *s)
{
    put_addr(b, 'f', &s->from);
    put_addr(b, 'e', &s->sender);
    put_addrs(b, 'r', &s->reply_to);
    rec_opt(b, 's', s->subject);
    put_fields(b, &s->fields);
    rec_opt_u64(b, 'l', s->language);
    rec_opt(b, 'd', s->data);
    rec_opt(b, 'a', s->args);
    rec_opt(b, 'o', s->payload);
    rec_opt(b, 'v', s->template_id);
    rec_opt(b, 'V', s->template_version);
    rec_opt(b, 'w', s->raw);
    put_parts(b, s);
}

static void get_file(struct send *s, struct rec *r)
{
    struct send_file *f = s->nfiles ? &s->file[s->nfiles - 1] : NULL;
    if (!f) return;
    switch (r->tag) {
    case 'm': f->type = r->field; break;
    case 'i': f->content_id = r->field; break;
    case 'I': f->in_text = rec_u64(r) != 0; break;
    case 'N': f->bytes = r->field; break;
    }
}

static void get_common(struct lists *x, struct send *s, struct rec *r)
{
    switch (r->tag) {
    case 'f':
        s->from.address = r->field;
        x->last = &s->from;
        break;
    case 'e':
        s->sender.address = r->field;
        x->last = &s->sender;
        break;
    case 'r': get_addr(x, &s->reply_to, r); break;
    case 's': s->subject = r->field; break;
    case 'l': s->language = (enum send_language)rec_u64(r); break;
    case 'd': s->data = r->field; break;
    case 'a': s->args = r->field; break;
    case 'o': s->payload = r->field; break;
    case 'v': s->template_id = r->field; break;
    case 'V': s->template_version = r->field; break;
    case 'w': s->raw = r->field; break;
    case 'p':
        if (!s->part) s->part = ar_array(x->a, struct send_part, count_tag(x->blob, 'p'));
        s->part[s->nparts++].type = r->field;
        break;
    case 'P':
        if (s->nparts) s->part[s->nparts - 1].text = r->field;
        break;
    case 'n':
        if (!s->file) s->file = ar_array(x->a, struct send_file, count_tag(x->blob, 'n'));
        s->file[s->nfiles++].name = r->field;
        break;
    default: get_file(s, r); break;
    }
}

int send_common_get(struct slice blob, struct arena *a, struct send *s)
{
    struct rec r = {.rest = blob};
    struct lists x = {.a = a, .blob = blob};
    *s = (struct send){0};
    while (rec_next(&r))
        if (!get_shared(&x, &r, &s->fields)) get_common(&x, s, &r);
    if (s->language >= SEND_LANGUAGES) return err_set(ERR_CORRUPT, "a stored send is damaged");
    return rest_is_whole(&r);
}
