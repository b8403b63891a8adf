/* send_view.c - how far sends are, for who asks. */
#include <stdio.h>

#include "base/log.h"
#include "send_i.h"

static struct slice state_word(enum send_state s, const struct send_count *c, int64_t send_at)
{
    switch (s) {
    case SEND_PAUSED: return SL("paused");
    case SEND_CANCELED: return SL("canceled");
    case SEND_FINISHED: return SL("finished");
    default: break;
    }
    if (!c->begun && send_at > rt_wall_seconds()) return SL("scheduled");
    return SL("sending");
}

/* h: its head, whose slices lie in a. */
static int show(struct sends *s, const struct letter_id *id, const struct send_head *h, struct arena *a,
                struct send_info *out)
{
    struct send_count c;
    struct send_order o;
    char object[24];
    send_object(id, object);
    int e = send_count_read(s, object, a, &c);
    if (!e) e = send_order_read(s, object, a, &o);
    if (e) return e;
    *out = (struct send_info){.id = *id,
                              .account = h->address,
                              .campaign = h->campaign,
                              .batch = h->batch,
                              .state = state_word(o.state, &c, h->send_at),
                              .why = o.why,
                              .stream = h->stream,
                              .options = h->options,
                              .events = h->events,
                              .taken = h->taken,
                              .send_at = h->send_at,
                              .begun = c.begun,
                              .over = c.over,
                              .letters = h->letters,
                              .recipients = h->recipients,
                              .left_out = h->left_out,
                              .queued = c.queued,
                              .waiting = c.queued > c.ended ? c.queued - c.ended : 0,
                              .delivered = c.delivered,
                              .bounced = c.bounced,
                              .dropped = c.dropped,
                              .failed = c.failed,
                              .deferred = c.deferred,
                              .late = c.late,
                              .complained = c.complained,
                              .unsubscribed = c.unsubscribed,
                              .opened = c.opened,
                              .clicked = c.clicked};
    return 0;
}

int send_show(struct sends *s, const struct letter_id *id, struct arena *a, struct send_info *out)
{
    struct send_head h;
    int e = send_head_read(s, id, a, &h);
    if (!e) e = show(s, id, &h, a, out);
    return e == ERR_NOT_FOUND ? err_set(e, "there is no campaign %s", id->s) : e;
}

int send_show_first(struct sends *s, const struct letter_id *id, struct arena *a, struct send_first *out)
{
    struct send_letter l;
    *out = (struct send_first){0};
    int e = send_letter_read(s, id, 0, 0, a, &l);
    if (e) return e;
    const struct send_addrs *lists[] = {&l.to, &l.cc, &l.bcc};
    for (size_t i = COUNT_OF(lists); i-- > 0;)
        if (lists[i]->n) out->address = lists[i]->v[0].address;
    out->custom = l.custom;
    out->subject = l.subject;
    return l.subject.n ? 0 : send_subject_read(s, id, a, &out->subject);
}

/* ---- numbers: the time of the id, 50 bits, and three bits of its chance ---- */

static unsigned five_bits(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

uint64_t send_number(const struct letter_id *id)
{
    uint64_t n = 0;
    for (int i = 0; i < 10; i++) n = n << 5 | five_bits(id->s[i]);
    return n << 3 | five_bits(id->s[10]) >> 2;
}

struct numbered {
    struct sends *s;
    struct slice account;
    uint64_t number;
    struct letter_id found;
};

static int look_for(void *arg, struct slice object)
{
    struct numbered *x = arg;
    struct arena a = {0};
    struct send_head h;
    struct letter_id id = {{0}};
    struct slice name = sl_from(object, 2);
    if (!letter_id_ok(name)) return 0;
    memcpy(id.s, name.p, LETTER_ID_LEN);
    int e = send_number(&id) == x->number ? send_head_read(x->s, &id, &a, &h) : ERR_NOT_FOUND;
    bool mine = !e && sl_eq(h.account, x->account);
    if (mine) x->found = id;
    ar_free(&a);
    return mine ? 1 : e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

/* Sends have objects of their own, named by their ids: few were taken in one microsecond. */
int send_numbered(struct sends *s, struct slice account, uint64_t number, struct letter_id *out)
{
    struct numbered x = {.s = s, .account = account, .number = number};
    char from[] = "s:0123456789", to[sizeof from + 1];
    uint64_t time = number >> 3;
    if (time >> 50) return ERR_NOT_FOUND;
    for (int i = 9; i >= 0; i--, time >>= 5) from[2 + i] = "0123456789abcdefghijklmnopqrstuv"[time & 31];
    snprintf(to, sizeof to, "%sw", from); /* behind all digits */
    int e = kv_each_object(s->store->kv, sl_cstr(from), sl_cstr(to), look_for, &x);
    *out = x.found;
    return e == 1 ? 0 : e ? e : ERR_NOT_FOUND;
}

/* ---- lists ---- */

struct showing {
    send_each_fn *each;
    void *arg;
};

static int show_row(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    const struct showing *x = arg;
    struct letter_id id = {{0}};
    struct slice text = sl_from(row->key, sl_rchr(row->key, '/') + 1);
    struct send_info info;
    if (!letter_id_ok(text)) return 0;
    memcpy(id.s, text.p, LETTER_ID_LEN);
    int e = send_show(s, &id, a, &info);
    if (!e) return x->each(x->arg, &info);
    if (e != ERR_NOT_FOUND) /* forgotten */
        log_error("send", "the send %s cannot be read: %s", id.s, err_text(e));
    return 0;
}

int send_each(struct sends *s, struct slice account, send_each_fn *each, void *arg)
{
    return sends_each_row(s, "l", account, show_row, &(struct showing){each, arg});
}

/* ---- what was taken within a time ---- */

struct taken {
    struct sends *s;
    struct slice account;
    send_each_fn *each;
    void *arg;
    struct arena a;
    size_t looked;
};

static int look_at(void *arg, struct slice object)
{
    struct taken *x = arg;
    struct letter_id id = {{0}};
    struct send_head h;
    struct send_info info;
    struct slice name = sl_from(object, 2);
    if (!letter_id_ok(name)) return 0;
    if (x->looked++ == SENDS_LOOKED_MAX)
        return err_set(ERR_LIMIT,
                       "more than %d sends of this server lie within that time: ask for less of it",
                       SENDS_LOOKED_MAX);
    memcpy(id.s, name.p, LETTER_ID_LEN);
    ar_reset(&x->a);
    int e = send_head_read(x->s, &id, &x->a, &h);
    if (!e && (!sl_eq(h.account, x->account) || (h.options & SEND_SANDBOX))) return 0;
    if (!e) e = show(x->s, &id, &h, &x->a, &info);
    if (!e) return x->each(x->arg, &info);
    if (e == ERR_NOT_FOUND) return 0; /* it is being taken, or forgotten */
    return kv_passed_over(object, "shown", e);
}

int send_each_taken(struct sends *s, struct slice account, int64_t from, int64_t to, send_each_fn *each,
                    void *arg)
{
    struct taken x = {.s = s, .account = account, .each = each, .arg = arg};
    int64_t most = rt_wall_seconds() + 86400; /* none is younger; and times of ids end somewhere */
    struct letter_id least, end;
    char first[24], last[24];
    letter_id_floor(&least, 1000000 * (from < 0 ? 0 : from < most ? from : most));
    letter_id_floor(&end, 1000000 * (to < 0 ? 0 : to < most ? to : most));
    send_object(&least, first);
    send_object(&end, last);
    if (strcmp(first, last) >= 0) return 0;
    int e = kv_each_object(s->store->kv, sl_cstr(first), sl_cstr(last), look_at, &x);
    ar_free(&x.a);
    return e;
}
