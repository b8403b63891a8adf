/* cmd_queue.c - queue list, show, retry, hold, release, drop, reroute, stats. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "intake/intake.h"
#include "mail/addr.h"
#include "queue_filter.h"

static json_t *rcpt_json(const struct queue_rcpt_info *q)
{
    json_t *o = json_object();
    reply_text(o, "address", q->address);
    reply_text(o, "state", q->state);
    reply_text(o, "why", q->why);
    reply_int(o, "attempts", q->attempts);
    if (q->uncertain) json_object_set_new(o, "uncertain", json_true());
    if (q->next_try) reply_int(o, "next_try", q->next_try);
    if (q->last_try) reply_int(o, "last_try", q->last_try);
    if (q->reply.n) reply_text(o, "reply", q->reply);
    if (q->class.n) reply_text(o, "class", q->class);
    if (q->rule.n) reply_text(o, "rule", q->rule);
    if (q->host.n) reply_text(o, "host", q->host);
    if (q->source.n) reply_text(o, "source", q->source);
    if (q->way.n) reply_text(o, "leaves_by", q->way);
    return o;
}

static json_t *letter_json(const struct queue_info *q)
{
    json_t *o = json_object(), *rcpts = json_array();
    reply_text(o, "id", sl_cstr(q->id.s));
    reply_text(o, "sender", q->sender);
    reply_text(o, "message_id", q->message_id);
    reply_text(o, "subject", q->subject);
    if (q->wants.n) reply_text(o, "asked_for", q->wants);
    if (q->damage.n) reply_text(o, "damage", q->damage);
    reply_int(o, "received", q->received);
    reply_int(o, "expires", q->expires);
    reply_int(o, "size", (int64_t)q->size);
    for (size_t i = 0; i < q->nrcpt; i++) json_array_append_new(rcpts, rcpt_json(&q->rcpt[i]));
    json_object_set_new(o, "recipients", rcpts);
    return o;
}

static int tell_letter(void *r, const struct queue_info *q) { return reply_row(r, letter_json(q)); }

/* A user of the machine sees the letters under addresses that are theirs. */
struct own_letters {
    struct request *r;
    struct intake_from from;
    struct account account;
    struct buf judged; /* the sender that was asked for last, */
    bool own;          /* and what came of it */
    size_t told, limit;
};

static int judge_letter(struct own_letters *o, struct slice sender)
{
    struct slice local, domain;
    struct arena a;
    ar_init(&a, 0);
    buf_clear(&o->judged);
    buf_put(&o->judged, sender);
    int e = mail_addr_split(&a, sender, &local, &domain)
                ? ERR_DENIED
                : intake_may_write_as(o->r->core->intake, &o->from, local, domain);
    o->own = !e;
    ar_free(&a);
    return e == ERR_DENIED ? 0 : e;
}

static int tell_own_letter(void *arg, const struct queue_info *q)
{
    struct own_letters *o = arg;
    int e = sl_eq(q->sender, buf_slice(&o->judged)) ? 0 : judge_letter(o, q->sender);
    if (e || !o->own) return e;
    e = reply_row(o->r, letter_json(q));
    return e ? e : ++o->told == o->limit;
}

static int list_own(struct request *r, struct queue_filter *f)
{
    struct own_letters o = {.r = r, .limit = f->limit};
    f->limit = SIZE_MAX;
    int e = bind_to_login(r, &o.account, &o.from);
    if (!e) e = queue_list(r->core->queue, f, tell_own_letter, &o);
    buf_free(&o.judged);
    return e < 0 ? e : 0;
}

int run_queue_list(struct request *r)
{
    struct queue_filter f;
    int e = queue_filter_of(r->a, r->args, &f);
    if (!e) reply_int(r->reply, "now", rt_wall_seconds());
    if (!e) e = r->login ? list_own(r, &f) : queue_list(r->core->queue, &f, tell_letter, r);
    return e;
}

static void print_rcpt(struct arena *a, json_t *rcpt, int64_t now, struct buf *out)
{
    buf_printf(out, "  to %s: %s", arg_text(rcpt, "address"), arg_text(rcpt, "state"));
    if (*arg_text(rcpt, "why")) buf_printf(out, ": %s", arg_text(rcpt, "why"));
    buf_char(out, '\n');
    if (arg_number(rcpt, "last_try"))
        buf_printf(out, "     %lld attempt%s, last %.*s\n", (long long)arg_number(rcpt, "attempts"),
                   arg_number(rcpt, "attempts") == 1 ? "" : "s",
                   SLF(say_past(a, arg_number(rcpt, "last_try"), now)));
    if (*arg_text(rcpt, "host")) buf_printf(out, "     asked %s\n", arg_text(rcpt, "host"));
    if (*arg_text(rcpt, "source")) buf_printf(out, "     from the source %s\n", arg_text(rcpt, "source"));
    if (*arg_text(rcpt, "leaves_by")) buf_printf(out, "     leaves by %s\n", arg_text(rcpt, "leaves_by"));
    if (*arg_text(rcpt, "reply")) buf_printf(out, "     answer: %s\n", arg_text(rcpt, "reply"));
    if (*arg_text(rcpt, "class"))
        buf_printf(out, "     taken for: %s, by the rule %s\n", arg_text(rcpt, "class"),
                   arg_text(rcpt, "rule"));
    if (arg_number(rcpt, "next_try"))
        buf_printf(out, "     next attempt %.*s\n", SLF(say_time(a, arg_number(rcpt, "next_try"), now)));
}

static const char *or_null(const char *sender) { return *sender ? sender : "<>"; }

void print_row_queue_list(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    size_t k;
    json_t *rcpt;
    struct arena a;
    int64_t now = rt_wall_seconds();
    ar_init(&a, 0);
    buf_printf(out, "%s  %lld bytes  from %s, since %.*s\n", arg_text(o, "id"),
               (long long)arg_number(o, "size"), or_null(arg_text(o, "sender")),
               SLF(say_past(&a, arg_number(o, "received"), now)));
    if (*arg_text(o, "damage")) buf_printf(out, "  damaged: %s\n", arg_text(o, "damage"));
    json_array_foreach(json_object_get(o, "recipients"), k, rcpt) print_rcpt(&a, rcpt, now, out);
    ar_free(&a);
}

void print_queue_list(json_t *args, json_t *reply, struct buf *out)
{
    if (!json_object_get(reply, "letters")) return;
    buf_str(out, queue_filter_is_any(args) ? "The queue is empty.\n" : "No letter in the queue fits that.\n");
}

static int take_id(struct slice text, struct letter_id *id)
{
    if (!letter_id_ok(text))
        return err_set(ERR_USAGE, "%.*s is not the id of a letter: it has %d characters, 0-9 and a-v",
                       SLF(text), LETTER_ID_LEN);
    memcpy(id->s, text.p, text.n);
    id->s[text.n] = 0;
    return 0;
}

int run_queue_show(struct request *r)
{
    struct letter_id id;
    struct queue_info q;
    int e = take_id(arg_slice(r->args, "id"), &id);
    if (!e) e = queue_show(r->core->queue, &id, r->a, &q);
    if (e == ERR_NOT_FOUND)
        return err_set(
            e, "no letter %s is in the queue: it is done, or was never here; `tram trace %s` tells its road",
            id.s, id.s);
    if (e) return e;
    json_t *o = letter_json(&q);
    json_object_update(r->reply, o);
    json_decref(o);
    reply_int(r->reply, "now", rt_wall_seconds());
    return 0;
}

void print_queue_show(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    struct arena a;
    ar_init(&a, 0);
    int64_t now = arg_number(reply, "now");
    buf_printf(out, "letter   %s, %lld bytes\nfrom     %s\n", arg_text(reply, "id"),
               (long long)arg_number(reply, "size"), or_null(arg_text(reply, "sender")));
    if (*arg_text(reply, "subject")) buf_printf(out, "subject  %s\n", arg_text(reply, "subject"));
    if (*arg_text(reply, "message_id")) buf_printf(out, "id       %s\n", arg_text(reply, "message_id"));
    buf_printf(out, "since    %.*s\n", SLF(say_past(&a, arg_number(reply, "received"), now)));
    if (*arg_text(reply, "asked_for")) buf_printf(out, "asks     %s\n", arg_text(reply, "asked_for"));
    if (*arg_text(reply, "damage"))
        buf_printf(out, "damaged  %s; it can be dropped, `tram verify` tells more\n",
                   arg_text(reply, "damage"));
    if (arg_number(reply, "expires"))
        buf_printf(out, "until    %.*s; what is not delivered then goes back to the sender\n",
                   SLF(say_time(&a, arg_number(reply, "expires"), now)));
    size_t i;
    json_t *rcpt;
    json_array_foreach(json_object_get(reply, "recipients"), i, rcpt) print_rcpt(&a, rcpt, now, out);
    ar_free(&a);
}

/* What is to be done to letters: an action, or (to not NULL) that they leave from another source. */
static int act_on(struct request *r, const struct letter_id *id, enum queue_action what,
                  const struct slice *to)
{
    return to ? queue_reroute(r->core->queue, id, *to) : queue_act(r->core->queue, id, what);
}

static int act(struct request *r, enum queue_action what, const struct slice *to)
{
    json_t *ids = json_object_get(r->args, "ids"), *text;
    size_t i, n = 0;
    int e = 0;
    if (json_array_size(ids)) {
        json_array_foreach(ids, i, text) {
            struct letter_id id;
            e = take_id(sl_cstr(json_string_value(text)), &id);
            if (!e) e = act_on(r, &id, what, to);
            if (e) break;
            n++;
        }
    } else {
        struct queue_filter f;
        e = queue_filter_of(r->a, r->args, &f);
        if (!e && to) e = queue_reroute_all(r->core->queue, &f, *to, &n);
        else if (!e) e = queue_act_all(r->core->queue, &f, what, &n);
    }
    reply_int(r->reply, "letters", (int64_t)n);
    return e;
}

int run_queue_retry(struct request *r) { return act(r, QUEUE_RETRY, NULL); }
int run_queue_hold(struct request *r) { return act(r, QUEUE_HOLD, NULL); }
int run_queue_release(struct request *r) { return act(r, QUEUE_RELEASE, NULL); }
int run_queue_drop(struct request *r) { return act(r, QUEUE_DROP, NULL); }

int run_queue_reroute(struct request *r)
{
    struct slice to = arg_slice(r->args, "to");
    if (sl_eq(to, SL("any"))) to = SL("");
    return act(r, QUEUE_RETRY, &to);
}

#define SAY(name, what)                                                                                      \
    void name(json_t *args, json_t *reply, struct buf *out)                                                  \
    {                                                                                                        \
        (void)args;                                                                                          \
        int64_t n = arg_number(reply, "letters");                                                            \
        buf_printf(out, "%lld letter%s " what "\n", (long long)n, n == 1 ? "" : "s");                        \
    }
SAY(print_queue_retry, "will be tried again at once.")
SAY(print_queue_hold, "held: `tram queue release` lets go.")
SAY(print_queue_release, "released.")
SAY(print_queue_reroute, "planned anew; `tram queue show` says by which source each leaves.")
SAY(print_queue_drop, "dropped; nobody is told, the trace keeps it.")

int run_queue_stats(struct request *r)
{
    struct queue_stats s;
    int e = queue_stats(r->core->queue, &s);
    if (e) return e;
    reply_int(r->reply, "letters", (int64_t)s.letters);
    reply_int(r->reply, "recipients", (int64_t)s.recipients);
    reply_int(r->reply, "due", (int64_t)s.due);
    if (s.due_more) json_object_set_new(r->reply, "due_more", json_true());
    reply_int(r->reply, "sending", (int64_t)s.sending);
    reply_int(r->reply, "delivered", (int64_t)s.delivered);
    reply_int(r->reply, "bounced", (int64_t)s.bounced);
    reply_int(r->reply, "deferred", (int64_t)s.deferred);
    reply_int(r->reply, "uncertain", (int64_t)s.uncertain);
    reply_int(r->reply, "stalled", (int64_t)s.stalled);
    reply_int(r->reply, "reports", (int64_t)s.reports);
    reply_int(r->reply, "reports_withheld", (int64_t)s.reports_withheld);
    reply_int(r->reply, "reports_later", (int64_t)s.reports_later);
    if (s.oldest) reply_int(r->reply, "oldest", s.oldest);
    return 0;
}

void print_queue_stats(json_t *args, json_t *reply, struct buf *out)
{
    print_numbers(args, reply, out);
    if (json_object_get(reply, "due_more")) buf_str(out, "More are due than were counted.\n");
}

void print_numbers(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    const char *key;
    json_t *v;
    json_object_foreach(reply, key, v)
        if (json_is_integer(v)) buf_printf(out, "%-24s %lld\n", key, (long long)json_integer_value(v));
}
