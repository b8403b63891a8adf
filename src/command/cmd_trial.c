/* cmd_trial.c - send-test: does the road of what is sent as a service work, from the taking of a send to
 * the events that tell what became of it? */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "send/event.h"
#include "send/simulator.h"
#include "store/store.h"

enum { WAIT_S = 30, WAIT_OUTSIDE_S = 120, ADDRESSES = SIMULATED_COUNT };

struct trial {
    struct slice address;
    enum event_kind wants; /* NONE: whatever ends it */
    enum event_kind came;  /* the one that was wanted, else the last one */
    struct slice words;
    int64_t ms;
    bool good;
};
struct trying {
    struct request *r;
    struct account acc;
    struct send_taken taken;
    uint64_t after;
    int64_t began;
    struct trial v[ADDRESSES];
    size_t n;
};

static void add(struct trying *t, struct slice address, enum event_kind wants)
{
    t->v[t->n++] = (struct trial){.address = address, .wants = wants};
}

static void addresses(struct trying *t)
{
    static const enum event_kind wants[SIMULATED_COUNT] = {
        [SIMULATED_SUCCESS] = EVENT_DELIVERED,   [SIMULATED_BOUNCE] = EVENT_BOUNCED,
        [SIMULATED_SOFTBOUNCE] = EVENT_DEFERRED, [SIMULATED_LATEBOUNCE] = EVENT_LATE_BOUNCE,
        [SIMULATED_COMPLAINT] = EVENT_COMPLAINT, [SIMULATED_OOTO] = EVENT_DELIVERED,
        [SIMULATED_SUPPRESSED] = EVENT_DROPPED};
    struct slice to = arg_slice(t->r->args, "to");
    if (to.n) add(t, to, EVENT_NONE);
    for (int w = 1; !to.n && w < SIMULATED_COUNT; w++)
        add(t,
            ar_printf(t->r->a, "%s@simulator.%.*s", simulated_word((enum simulated)w),
                      SLF(t->r->core->conf->hostname)),
            wants[w]);
}

static int take(struct trying *t)
{
    struct send_part part = {SL("text/plain"), SL("This letter shows that sending works.\r\n")};
    struct send s = {.account = &t->acc,
                     .stream = STREAM_TRANSACTIONAL,
                     .from = {.address = arg_slice(t->r->args, "account")},
                     .subject = SL("A test of sending"),
                     .campaign = SL("send-test"),
                     .part = &part,
                     .nparts = 1};
    struct send_letter l[ADDRESSES];
    struct send_addr to[ADDRESSES];
    for (size_t i = 0; i < t->n; i++) {
        to[i] = (struct send_addr){.address = t->v[i].address};
        l[i] = (struct send_letter){.to = {&to[i], 1}};
    }
    t->began = rt_wall();
    return send_take(t->r->core->sends, &s, l, t->n, t->r->a, &t->taken);
}

static bool is_end(enum event_kind k)
{
    return k == EVENT_DELIVERED || k == EVENT_BOUNCED || k == EVENT_DROPPED || k == EVENT_FAILED ||
           k == EVENT_DEFERRED;
}

static void hear(struct trying *t, const struct event *e)
{
    for (size_t i = 0; i < t->n; i++) {
        struct trial *x = &t->v[i];
        if (!sl_eqi(x->address, e->address) || x->good) continue;
        x->came = e->kind;
        x->words = e->reply.n ? e->reply : sl_cstr(send_reason_word(e->reason));
        x->ms = ((int64_t)e->id - t->began) / 1000;
        x->good = x->wants ? e->kind == x->wants : is_end(e->kind);
    }
}

static int read_events(struct trying *t, bool *all)
{
    struct event *v;
    size_t n;
    int e = event_read(t->r->core->sends, sl_cstr(t->acc.id), t->after, EVENT_READ_MAX, t->r->a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) {
        t->after = v[i].id;
        if (!strcmp(v[i].send.s, t->taken.id.s)) hear(t, &v[i]);
    }
    *all = true;
    for (size_t i = 0; i < t->n; i++) *all &= t->v[i].good;
    return e;
}

static void tell(struct trying *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n; i++) {
        const struct trial *x = &t->v[i];
        json_t *o = json_object();
        reply_text(o, "address", x->address);
        reply_text(o, "wanted", x->wants ? sl_cstr(event_word(x->wants)) : SL(""));
        reply_text(o, "event", x->came ? sl_cstr(event_word(x->came)) : SL(""));
        reply_text(o, "reply", x->words);
        reply_int(o, "ms", x->ms);
        json_object_set_new(o, "good", json_boolean(x->good));
        json_array_append_new(list, o);
    }
    reply_text(t->r->reply, "id", sl_cstr(t->taken.id.s));
    json_object_set_new(t->r->reply, "recipients", list);
}

int run_send_test(struct request *r)
{
    struct trying t = {.r = r, .began = rt_wall()};
    bool all = false;
    if (!r->core->started)
        return err_set(ERR_UNREACHABLE, "the server does not run, so nothing would leave: start it first");
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), &t.acc);
    if (e) return e;
    addresses(&t);
    t.after = (uint64_t)t.began;
    e = take(&t);
    int64_t until = rt_now() + (t.n > 1 ? WAIT_S : WAIT_OUTSIDE_S) * RT_S;
    while (!e && !all && rt_now() < until)
        if ((e = read_events(&t, &all)) == 0 && !all && fiber_sleep(RT_S / 10) != 0) break;
    if (e) return e;
    int bad = t.n > 1 ? send_act(r->core->sends, &t.taken.id, SEND_CANCEL, SL("the test is over")) : 0;
    tell(&t);
    if (bad && bad != ERR_STATE) return bad;
    return all ? 0 : NO;
}

void print_send_test(json_t *args, json_t *reply, struct buf *out)
{
    json_t *list = json_object_get(reply, "recipients"), *o;
    size_t i;
    (void)args;
    json_array_foreach(list, i, o) {
        struct arena a = {0};
        const char *event = arg_text(o, "event");
        buf_printf(out, "%-9s %-44s %-11s %6lld ms  %.*s\n", arg_flag(o, "good") ? "right" : "NOT RIGHT",
                   arg_text(o, "address"), *event ? event : "nothing yet", (long long)arg_number(o, "ms"),
                   SLF(printable(&a, arg_slice(o, "reply"), 120)));
        ar_free(&a);
    }
    buf_printf(out, "The send is %s; `tram trace` and /v1/events tell more.\n", arg_text(reply, "id"));
}
