/* cmd_care.c - stats, verify, backup. */
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd.h"
#include "core/home.h"
#include "crypto/cert.h"
#include "directory/api_key.h"
#include "guard/guard.h"
#include "mail/head.h"
#include "queue/queue.h"
#include "send/send.h"
#include "store/care.h"
#include "store/rescue.h"

/* Of a time that has not come nothing is told: the clock was wrong then. */
static void reply_age(json_t *reply, const char *name, int64_t since)
{
    int64_t age = rt_wall_seconds() - since;
    if (since && age >= 0) reply_int(reply, name, age);
}

int run_stats(struct request *r)
{
    if (arg_slice(r->args, "account").n) return run_stats_of(r);
    struct kv_stats k;
    struct rt_stats t;
    struct domain *d;
    size_t naccounts = 0, ndomains;
    int64_t ends;
    int e = run_queue_stats(r);
    if (!e) e = domain_list(r->core->store->directory, r->a, &d, &ndomains);
    if (!e) e = account_each(r->core->store->directory, (struct slice){0}, count_account, &naccounts);
    if (e) return e;
    if (cert_expires(served_certificate(r->core, r->a), &ends) == 0)
        reply_int(r->reply, "certificate_days_left", (ends - rt_wall_seconds()) / 86400);
    kv_stats(r->core->store->kv, &k);
    rt_stats(&t);
    reply_int(r->reply, "domains", (int64_t)ndomains);
    reply_int(r->reply, "accounts", (int64_t)naccounts);
    reply_age(r->reply, "uptime_s", r->core->started);
    reply_age(r->reply, "images_age_s", images_complete(r->core->store));
    reply_int(r->reply, "fibers", (int64_t)t.fibers);
    reply_int(r->reply, "parked_connections", (int64_t)t.parked);
    reply_int(r->reply, "memory_of_sessions", (int64_t)memory_used());
    reply_int(r->reply, "transactions", (int64_t)k.transactions);
    reply_int(r->reply, "commit_groups", (int64_t)k.groups);
    reply_int(r->reply, "trace_notes", (int64_t)k.notes);
    reply_int(r->reply, "trace_notes_dropped", (int64_t)k.notes_dropped);
    return 0;
}

/* ---- verify ---- */

enum { LETTERS_SHOWN = 1000, HEAD_READ = 64 << 10 };

int before_verify(const struct config *conf, struct request *r)
{
    if (arg_flag(r->args, "accept-loss")) return core_accept_loss();
    return arg_flag(r->args, "repair") ? rescue_before(conf, r) : 0;
}

struct faults {
    struct request *r;
    size_t n;
    int error; /* nobody hears of them any more */
};

static void one_fault(void *arg, const char *sentence)
{
    struct faults *f = arg;
    f->n++;
    if (!f->error) f->error = reply_row(f->r, text_value(sl_cstr(sentence)));
}

struct unreferenced {
    json_t *list; /* the first LETTERS_SHOWN */
    int64_t letters, bytes;
};

static void one_body(void *arg, const struct body_seen *seen)
{
    struct unreferenced *u = arg;
    u->letters++;
    u->bytes += (int64_t)body_ref_size(&seen->ref);
    if (json_array_size(u->list) == LETTERS_SHOWN) return;
    json_t *o = json_object();
    json_object_set_new(o, "body", json_string(seen->ref.s));
    reply_int(o, "bytes", (int64_t)body_ref_size(&seen->ref));
    if (seen->status) json_object_set_new(o, "damaged", json_true());
    json_array_append_new(u->list, o);
}

/* Who wrote it and about what, as far as that can be read. */
static void add_head(struct request *r, json_t *o)
{
    struct body_ref ref;
    struct slice text;
    struct mail_head head;
    struct arena a;
    bool found;
    ar_init(&a, 0);
    if (body_ref_parse(sl_cstr(arg_text(o, "body")), &ref) == 0 &&
        body_get(r->core->store->body, &ref, HEAD_READ, &a, &text) == 0 &&
        mail_head_parse(&a, text, &head) == 0) {
        reply_text(o, "from", printable(&a, mail_head_get(&a, &head, SL("From"), &found), 100));
        reply_text(o, "subject", printable(&a, mail_head_get(&a, &head, SL("Subject"), &found), 100));
        reply_text(o, "message_id", printable(&a, mail_head_get(&a, &head, SL("Message-ID"), &found), 200));
    }
    ar_free(&a);
}

/* A loss that nobody has judged yet: 1 when there is one. */
static int tell_loss(struct request *r)
{
    struct store_loss l;
    struct unreferenced u = {0};
    size_t i;
    json_t *o, *loss;
    int e = store_loss(r->core->store, r->a, &l);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    json_object_set_new(r->reply, "loss", loss = json_object());
    json_object_set_new(loss, "letters", u.list = json_array());
    struct care_queue queue = queue_care(r->core->queue);
    e = store_loss_bodies(r->core->store, &l, &queue, one_body, &u);
    if (e) return e;
    json_array_foreach(u.list, i, o) add_head(r, o);
    reply_text(loss, "time", say_past(r->a, l.when, rt_wall_seconds()));
    reply_text(loss, "what", l.what);
    reply_int(loss, "unreferenced", u.letters);
    reply_int(loss, "bytes", u.bytes);
    return 1;
}

static int check_key(void *arg, struct api_key *k)
{
    char what[400];
    if (!k->damage.n) return 0;
    snprintf(what, sizeof what, "the row k/%s of _keys: %.*s", k->id, SLF(k->damage));
    one_fault(arg, what);
    return 0;
}

int run_verify(struct request *r)
{
    struct store *s = r->core->store;
    struct faults faults = {.r = r};
    if (arg_flag(r->args, "accept-loss") && r->core->started)
        return err_set(ERR_STATE, "the server runs, so its index is open: there is no loss to accept");
    if (arg_flag(r->args, "close-loss")) return store_loss_close(s);
    int loss = arg_flag(r->args, "repair") ? rescue_rows(r) : tell_loss(r);
    if (loss < 0) return loss;
    int e = store_verify(s, queue_verify, r->core->queue, one_fault, &faults);
    if (!e || e == ERR_CORRUPT) {
        int g = guard_check(s->kv, one_fault, &faults);
        if (!g) g = sources_verify(s->kv, one_fault, &faults);
        if (!g) g = sends_verify(r->core->sends, one_fault, &faults);
        if (!g) g = api_key_each(r->core->keys, check_key, &faults);
        if (faults.n) e = NO;
        if (g) e = g;
    }
    if (faults.error) e = faults.error;
    return e ? e : loss ? NO : 0;
}

static void print_letters(json_t *loss, struct buf *out)
{
    size_t i;
    json_t *o, *list = json_object_get(loss, "letters");
    json_array_foreach(list, i, o)
        buf_printf(out, "  %s, %lld bytes%s, from %s, subject %s, %s\n", arg_text(o, "body"),
                   (long long)json_integer_value(json_object_get(o, "bytes")),
                   json_object_get(o, "damaged") ? ", damaged" : "", arg_text(o, "from"),
                   arg_text(o, "subject"), arg_text(o, "message_id"));
}

static void print_loss(json_t *loss, struct buf *out)
{
    if (!loss) return;
    buf_printf(
        out,
        "What the index knew was lost in part, and that is not judged yet: %s; %s.\n"
        "Nothing refers to %lld letters (%lld bytes) of that time. They are those whose record was lost, and "
        "those that had been sent on or deleted and not swept yet. None is swept until you say that the loss "
        "is judged: tram verify --close-loss\n",
        arg_text(loss, "time"), arg_text(loss, "what"),
        (long long)json_integer_value(json_object_get(loss, "unreferenced")),
        (long long)json_integer_value(json_object_get(loss, "bytes")));
    print_letters(loss, out);
}

void print_row_verify(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%s\n", json_string_value(row));
}

void print_verify(json_t *args, json_t *reply, struct buf *out)
{
    if (arg_flag(args, "close-loss")) {
        buf_str(out, "The loss is closed: what nothing refers to is swept again.\n");
        return;
    }
    print_loss(json_object_get(reply, "loss"), out);
    print_rebuilt(reply, out);
    if (json_object_get(reply, "faults")) buf_str(out, "Every record and every body is whole.\n");
}

int run_backup(struct request *r)
{
    int e = home_backup_check(arg_text(r->args, "to"));
    return e ? e : home_stage(r->core);
}

static int backup_lock = -1; /* of this process, which makes one copy and ends */

int ahead_backup(void) { return home_backup_lock(&backup_lock); }

int after_backup(const struct config *conf, json_t *args)
{
    int e = home_backup(conf, arg_text(args, "to"));
    home_backup_unlock(&backup_lock);
    return e;
}

void print_backup(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "The node is copied to %s: configuration, certificates, keys, and all mail.\n",
               arg_text(args, "to"));
}

void print_stats(json_t *args, json_t *reply, struct buf *out)
{
    if (json_object_get(reply, "rows")) print_stats_of(reply, out);
    else print_numbers(args, reply, out);
}
