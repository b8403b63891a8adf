/* event.c - the stream of events of an account (event.h). */
#include "event.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "send_i.h"
#include "send_run.h"

enum { ROW_VERSION = 1, PAGE = 500 };
static const uint64_t id_is_time = 60000000; /* so far, in microseconds, may an id be from the clock */

const char *event_word(enum event_kind k)
{
    static const char *const words[] = {"unreadable",
#define X(name, word) word,
                                        EVENT_KINDS(X)
#undef X
    };
    return k < EVENT_KIND_COUNT ? words[k] : "";
}

struct slice event_id_text(uint64_t id, struct arena *a)
{
    return ar_printf(a, "%014llx", (unsigned long long)id);
}

static struct slice object_of(struct slice account, struct arena *a) { return ar_cat(a, SL("v:"), account); }

/* ---- rows ---- */

static void put(struct buf *b, const struct event *e, uint64_t id)
{
    uint64_t now = (uint64_t)rt_wall();
    rec_begin(b, ROW_VERSION);
    rec_put_u64(b, 'k', e->kind);
    if (id > now + id_is_time) rec_put_u64(b, 'T', now);
    if (e->send.s[0]) rec_put(b, 's', sl_cstr(e->send.s));
    else if (e->letter.s[0]) rec_put(b, 'l', sl_cstr(e->letter.s));
    rec_opt_u64(b, 'p', e->page);
    rec_opt_u64(b, 'n', e->number);
    rec_put(b, 'a', e->address);
    rec_opt_u64(b, 'y', e->reason);
    rec_opt_u64(b, 'g', e->group);
    rec_opt_u64(b, 'c', (uint64_t)e->code);
    rec_opt_u64(b, 't', e->attempts);
    rec_opt_u64(b, 'u', (uint64_t)e->until);
    rec_opt(b, 'e', e->enhanced);
    rec_opt(b, 'r', utf8_cut(e->reply, EVENT_TEXT_MAX));
    rec_opt(b, 'h', utf8_cut(e->host, EVENT_TEXT_MAX));
    rec_opt(b, 'C', e->class);
    rec_opt_u64(b, 'x', e->expired);
    rec_opt_u64(b, 'w', e->outside);
    rec_opt_u64(b, 'f', e->first);
    rec_opt_u64(b, 'm', e->machine);
    rec_opt(b, 'U', utf8_cut(e->url, EVENT_TEXT_MAX * 4));
    rec_opt(b, 'A', utf8_cut(e->agent, EVENT_TEXT_MAX));
    rec_opt(b, 'i', e->ip);
}

static void get_text(struct event *e, struct rec *r)
{
    switch (r->tag) {
    case 'a': e->address = r->field; break;
    case 'e': e->enhanced = r->field; break;
    case 'r': e->reply = r->field; break;
    case 'h': e->host = r->field; break;
    case 'C': e->class = r->field; break;
    case 'U': e->url = r->field; break;
    case 'A': e->agent = r->field; break;
    case 'i': e->ip = r->field; break;
    case 's':
        if (letter_id_ok(r->field)) memcpy(e->send.s, r->field.p, LETTER_ID_LEN);
        break;
    case 'l':
        if (letter_id_ok(r->field)) memcpy(e->letter.s, r->field.p, LETTER_ID_LEN);
        break;
    }
}

static int get(struct slice row, struct event *e)
{
    struct rec r;
    int bad = rec_open(&r, row, ROW_VERSION);
    while (!bad && rec_next(&r)) switch (r.tag) {
        case 'k': e->kind = (enum event_kind)rec_u64(&r); break;
        case 'T': e->at = rec_u64(&r); break;
        case 'p': e->page = rec_u64(&r); break;
        case 'n': e->number = rec_u64(&r); break;
        case 'y': e->reason = (enum send_reason)rec_u64(&r); break;
        case 'g': e->group = (uint32_t)rec_u64(&r); break;
        case 'c': e->code = (int)rec_u64(&r); break;
        case 't': e->attempts = (uint32_t)rec_u64(&r); break;
        case 'u': e->until = (int64_t)rec_u64(&r); break;
        case 'x': e->expired = rec_u64(&r) != 0; break;
        case 'm': e->machine = rec_u64(&r) != 0; break;
        case 'f': e->first = rec_u64(&r) != 0; break;
        case 'w': e->outside = rec_u64(&r) != 0; break;
        default: get_text(e, &r); break;
        }
    if (!bad && (e->kind <= EVENT_NONE || e->kind >= EVENT_KIND_COUNT || e->reason >= SEND_OUT_COUNT))
        bad = ERR_CORRUPT;
    if (e->send.s[0]) send_letter_id(&e->send, e->number, &e->letter);
    return bad ? bad : rec_error(&r);
}

/* ---- writing ---- */

/* The next id; the highest one given is kept with the events, for a clock that goes back over a restart. */
static uint64_t next_id(struct sends *s, struct kv_tx *tx)
{
    struct buf b = BUF_INIT;
    uint64_t now = (uint64_t)rt_wall();
    lock_take(&s->lock);
    s->last_event = now > s->last_event ? now : s->last_event + 1;
    uint64_t id = s->last_event;
    lock_release(&s->lock);
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'l', id);
    kv_tx_note(tx, SL(SENDS_OBJECT), SL("e"), &b);
    buf_free(&b);
    return id;
}

void sends_fresh(struct sends *s, struct slice account)
{
    lock_take(&s->lock);
    map_put(&s->fresh, account, s);
    lock_release(&s->lock);
}

struct came {
    struct sends *s;
    char account[20];
};

/* A kv_say: events of an account are durable. */
static void events_came(struct slice data)
{
    struct came c;
    memcpy(&c, data.p, sizeof c);
    sends_fresh(c.s, sl_cstr(c.account));
    if (c.s->tell) c.s->tell(c.s, NULL);
}

void event_tx_add(struct sends *s, struct kv_tx *tx, struct slice account, const struct event *e)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct came came = {.s = s};
    snprintf(came.account, sizeof came.account, "%.*s", SLF(account));
    uint64_t id = next_id(s, tx);
    put(&b, e, id);
    kv_tx_note(tx, object_of(account, &a), event_id_text(id, &a), &b);
    buf_free(&b);
    ar_free(&a);
    kv_tx_say(tx, events_came, sl((const char *)&came, sizeof came));
}

struct adding {
    struct sends *s;
    struct slice account, key;
    unsigned most;
    struct event e;
};

static void count_late(struct send_count *c, enum event_kind k)
{
    c->late += k == EVENT_LATE_BOUNCE;
    c->complained += k == EVENT_COMPLAINT;
    c->unsubscribed += k == EVENT_UNSUBSCRIBED;
    c->opened += k == EVENT_OPENED;
    c->clicked += k == EVENT_CLICKED;
}

static int count_tx(struct kv_tx *tx, void *arg)
{
    const struct adding *x = arg;
    struct slice row;
    struct send_count c = {0};
    struct buf b = BUF_INIT;
    if (kv_tx_get(tx, SL("h"), &row) != 0) return 0; /* the send is forgotten */
    int e = kv_tx_get(tx, SL("c"), &row);
    if (!e) e = send_count_get(row, &c);
    if (e && e != ERR_NOT_FOUND && run_is_damage(e)) {
        log_error("send", "a late event of the send %s is not counted: %s", x->e.send.s, err_text(e));
        return 0; /* it is told all the same */
    }
    if (e && e != ERR_NOT_FOUND) return e;
    count_late(&c, x->e.kind);
    send_count_put(&b, &c);
    kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
    return 0;
}

/* How many there are under its key; one that cannot be read is taken for none. */
static uint64_t known_under(struct kv_tx *tx, struct slice key)
{
    struct slice row;
    uint64_t n = 0;
    return kv_tx_get(tx, key, &row) == 0 && num_u64(row, UINT32_MAX, &n) ? n : 0;
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    struct adding *x = arg;
    struct arena a = {0};
    struct slice machine = ar_cat(&a, x->key, SL("/m")), key = x->e.machine ? machine : x->key;
    uint64_t n = x->key.n ? known_under(tx, key) : 0;
    int e = x->key.n && n >= x->most ? 1 : x->e.send.s[0] ? count_tx(tx, x) : 0;
    if (!e && x->key.n) {
        x->e.first = n + known_under(tx, x->e.machine ? x->key : machine) == 0;
        kv_tx_put(tx, key, ar_printf(&a, "%llu", (unsigned long long)n + 1));
    } else {
        x->e.first = true;
    }
    if (!e) event_tx_add(x->s, tx, x->account, &x->e);
    ar_free(&a);
    return e > 0 ? 0 : e;
}

int event_add_late(struct sends *s, struct slice account, const struct event *e, struct slice key,
                   unsigned most)
{
    char object[24];
    struct adding x = {s, account, e->send.s[0] ? key : SL(""), most, *e};
    send_object(&e->send, object);
    return kv_transact(s->store->kv, e->send.s[0] ? sl_cstr(object) : SL(SENDS_OBJECT), add_tx, &x);
}

int event_count_late(struct sends *s, const struct event *e)
{
    char object[24];
    struct adding x = {.s = s, .e = *e};
    send_object(&e->send, object);
    return e->send.s[0] ? kv_transact(s->store->kv, sl_cstr(object), count_tx, &x) : 0;
}

/* Without the row ids go on from the clock. */
int event_open(struct sends *s)
{
    struct arena a = {0};
    struct slice row;
    struct rec r;
    int e = kv_get(s->store->kv, SL(SENDS_OBJECT), SL("e"), &a, &row);
    if (!e) e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r))
        if (r.tag == 'l') s->last_event = rec_u64(&r);
    if (!e) e = rec_error(&r);
    if (run_is_damage(e) && e != ERR_NOT_FOUND)
        log_error("send", "the row of the last event's id is damaged");
    ar_free(&a);
    return run_is_damage(e) ? 0 : e;
}

uint64_t event_newest(struct sends *s)
{
    uint64_t now = (uint64_t)rt_wall();
    lock_take(&s->lock);
    uint64_t last = s->last_event;
    lock_release(&s->lock);
    return last > now ? last : now;
}

/* ---- reading ---- */

int event_read(struct sends *s, struct slice account, uint64_t after, size_t limit, struct arena *a,
               struct event **out, size_t *n)
{
    struct kv_page page = {0};
    if (limit > EVENT_READ_MAX) limit = EVENT_READ_MAX;
    *n = 0;
    int e =
        kv_scan(s->store->kv, object_of(account, a), event_id_text(after + 1, a), SL("g"), limit, a, &page);
    *out = ar_array(a, struct event, page.n);
    for (size_t i = 0; !e && i < page.n; i++) {
        struct event *v = &(*out)[*n];
        if (!num_hex64(page.row[i].key, &v->id)) continue;
        if (get(page.row[i].value, v) != 0) {
            log_error("send", "the event %.*s of the account %.*s cannot be read", SLF(page.row[i].key),
                      SLF(account));
            *v = (struct event){.id = v->id};
        }
        if (!v->at) v->at = v->id;
        (*n)++;
    }
    return e;
}

int event_row_read(struct slice key, struct slice value, struct event *out)
{
    *out = (struct event){0};
    if (!num_hex64(key, &out->id)) return err_set(ERR_CORRUPT, "the key of an event is damaged");
    int e = get(value, out);
    if (!out->at) out->at = out->id;
    return e;
}

/* Those with ids of a clock that was wrong: their own times, which are in order as well, tell which are old.
 */
static int expire_ahead(struct sends *s, struct slice account, uint64_t before)
{
    uint64_t from = (uint64_t)rt_wall() + id_is_time, last = from;
    struct arena a = {0};
    bool more = true;
    int e = 0;
    while (!e && more && !s->stopping) {
        struct event *v;
        size_t n = 0, i = 0;
        ar_reset(&a);
        e = event_read(s, account, last, PAGE, &a, &v, &n);
        while (!e && i < n && v[i].at < before) last = v[i++].id;
        more = !e && i && i == n;
    }
    if (!e && last > from)
        e = kv_erase(s->store->kv, object_of(account, &a), event_id_text(from, &a),
                     event_id_text(last + 1, &a));
    ar_free(&a);
    return e;
}

int event_expire(struct sends *s, struct slice account)
{
    struct arena a = {0};
    int64_t before = (rt_wall_seconds() - EVENT_KEEP_S) * 1000000;
    if (before <= 0) return 0;
    int e = kv_erase(s->store->kv, object_of(account, &a), SL("0"), event_id_text((uint64_t)before, &a));
    if (!e) e = expire_ahead(s, account, (uint64_t)before);
    ar_free(&a);
    return e;
}
