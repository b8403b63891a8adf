/* cmd_campaign.c - campaign list, show, pause, resume, cancel; suppression list, add, remove, import, export:
 * what is sent to many, and who gets nothing of it. */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "send/standing.h"
#include "send/suppression.h"
#include "store/store.h"
#include "wire/csv.h"

/* ---- campaigns ---- */

static json_t *info_json(const struct send_info *i)
{
    json_t *o = json_object();
    reply_text(o, "id", sl_cstr(i->id.s));
    reply_text(o, "account", i->account);
    reply_text(o, "campaign", i->campaign);
    reply_text(o, "state", i->state);
    reply_text(o, "why", i->why);
    reply_int(o, "taken", i->taken);
    reply_int(o, "send_at", i->send_at);
    reply_int(o, "begun", i->begun);
    reply_int(o, "over", i->over);
    reply_int(o, "letters", (int64_t)i->letters);
    reply_int(o, "recipients", (int64_t)i->recipients);
    reply_int(o, "left_out", (int64_t)i->left_out);
    reply_int(o, "queued", (int64_t)i->queued);
    reply_int(o, "waiting", (int64_t)i->waiting);
    reply_int(o, "delivered", (int64_t)i->delivered);
    reply_int(o, "bounced", (int64_t)i->bounced);
    reply_int(o, "dropped", (int64_t)i->dropped);
    reply_int(o, "failed", (int64_t)i->failed);
    reply_int(o, "late_bounces", (int64_t)i->late);
    reply_int(o, "complaints", (int64_t)i->complained);
    reply_int(o, "unsubscribed", (int64_t)i->unsubscribed);
    return o;
}

static int list_campaign(void *r, const struct send_info *info) { return reply_row(r, info_json(info)); }

int run_campaign_list(struct request *r)
{
    struct account acc;
    int e = account_if_named(r, &acc);
    return e ? e : send_each(r->core->sends, sl_cstr(acc.id), list_campaign, r);
}

static void print_short(json_t *o, struct buf *out)
{
    struct arena a = {0};
    buf_printf(
        out, "%s  %-9s  %-20.*s  %lld recipients: %lld delivered, %lld bounced, %lld dropped, %lld to go\n",
        arg_text(o, "id"), arg_text(o, "state"), SLF(printable(&a, arg_slice(o, "campaign"), 60)),
        (long long)arg_number(o, "recipients"), (long long)arg_number(o, "delivered"),
        (long long)arg_number(o, "bounced"), (long long)arg_number(o, "dropped"),
        (long long)(arg_number(o, "recipients") + arg_number(o, "left_out") - arg_number(o, "delivered") -
                    arg_number(o, "bounced") - arg_number(o, "dropped") - arg_number(o, "failed")));
    ar_free(&a);
}

void print_row_campaign_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)args, (void)i;
    print_short(row, out);
}

void print_campaign_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "campaigns")) buf_str(out, "There is no campaign.\n");
}

static int send_id(struct request *r, struct letter_id *id)
{
    struct slice text = arg_slice(r->args, "id");
    *id = (struct letter_id){{0}};
    if (!letter_id_ok(text))
        return err_set(ERR_NOT_FOUND, "there is no campaign %.*s; tram campaign list names them",
                       SLF(printable(r->a, text, WORD_SHOWN)));
    memcpy(id->s, text.p, LETTER_ID_LEN);
    return 0;
}

int run_campaign_show(struct request *r)
{
    struct letter_id id;
    struct send_info info;
    int e = send_id(r, &id);
    if (!e) e = send_show(r->core->sends, &id, r->a, &info);
    if (e) return e;
    json_t *o = info_json(&info);
    json_object_update(r->reply, o);
    json_decref(o);
    return 0;
}

void print_campaign_show(json_t *args, json_t *reply, struct buf *out)
{
    struct arena a = {0};
    static const char *const times[][2] = {
        {"taken", "taken"}, {"send_at", "to be sent"}, {"begun", "begun"}, {"over", "over"}};
    static const char *const numbers[] = {"left_out",     "queued",     "waiting",     "failed",
                                          "late_bounces", "complaints", "unsubscribed"};
    (void)args;
    print_short(reply, out);
    buf_printf(out, "  of %.*s\n", SLF(printable(&a, arg_slice(reply, "account"), 320)));
    if (arg_slice(reply, "why").n)
        buf_printf(out, "  %.*s\n", SLF(printable(&a, arg_slice(reply, "why"), 300)));
    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (arg_number(reply, times[i][0]))
            buf_printf(
                out, "  %s %.*s\n", times[i][1],
                SLF((i == 1 ? say_time : say_past)(&a, arg_number(reply, times[i][0]), rt_wall_seconds())));
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (arg_number(reply, numbers[i]))
            buf_printf(out, "  %s: %lld\n", numbers[i], (long long)arg_number(reply, numbers[i]));
    ar_free(&a);
}

static int act(struct request *r, enum send_action what)
{
    struct letter_id id;
    int e = send_id(r, &id);
    if (!e) e = send_act(r->core->sends, &id, what, SL("by an operator"));
    return e ? e : run_campaign_show(r);
}

int run_campaign_pause(struct request *r) { return act(r, SEND_PAUSE); }
int run_campaign_resume(struct request *r) { return act(r, SEND_RESUME); }
int run_campaign_cancel(struct request *r) { return act(r, SEND_CANCEL); }
void print_campaign_pause(json_t *args, json_t *reply, struct buf *out)
{
    print_campaign_show(args, reply, out);
}
void print_campaign_resume(json_t *args, json_t *reply, struct buf *out)
{
    print_campaign_show(args, reply, out);
}
void print_campaign_cancel(json_t *args, json_t *reply, struct buf *out)
{
    print_campaign_show(args, reply, out);
}

/* ---- suppression ---- */

static int whose(struct request *r, struct account *acc)
{
    return account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), acc);
}

struct listing {
    struct request *r;
    struct slice account;
};

static int list_entry(void *arg, const struct suppression_entry *e, struct slice place)
{
    struct listing *l = arg;
    json_t *o = json_object();
    (void)place;
    reply_text(o, "account", l->account);
    reply_text(o, "address", e->address);
    reply_text(o, "reason", sl_cstr(send_reason_word(e->reason)));
    reply_int(o, "group", e->group);
    reply_int(o, "since", e->since);
    reply_int(o, "expires", e->expires);
    reply_text(o, "evidence", e->evidence);
    return reply_row(l->r, o);
}

static int list_entries(void *r, struct account *acc)
{
    struct listing l = {.r = r, .account = acc->address};
    return acc->damage.n ? 0 : suppression_each(l.r->core->sends, sl_cstr(acc->id), SL(""), list_entry, &l);
}

int run_suppression_list(struct request *r)
{
    struct account acc;
    struct directory *dir = r->core->store->directory;
    if (!arg_slice(r->args, "account").n) return account_each(dir, SL(""), list_entries, r);
    int e = whose(r, &acc);
    return e ? e : list_entries(r, &acc);
}

void print_row_suppression_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    struct arena a = {0};
    struct slice address = arg_slice(row, "address");
    (void)i;
    if (!arg_slice(args, "account").n)
        buf_printf(out, "%-30.*s ", SLF(printable(&a, arg_slice(row, "account"), 320)));
    buf_printf(out, "%-40.*s  %-12s  %.*s\n",
               SLF(address.n ? printable(&a, address, 320) : SL("(forgotten)")), arg_text(row, "reason"),
               SLF(printable(&a, arg_slice(row, "evidence"), 300)));
    ar_free(&a);
}

void print_suppression_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "suppressed")) buf_str(out, "Nobody is suppressed.\n");
}

int run_suppression_export(struct request *r) { return run_suppression_list(r); }

void print_row_suppression_export(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)args;
    if (!i) buf_str(out, "address,reason,group,since,expires,evidence\r\n");
    csv_put(out, arg_slice(row, "address"));
    buf_printf(out, ",%s,%lld,%lld,%lld,", arg_text(row, "reason"), (long long)arg_number(row, "group"),
               (long long)arg_number(row, "since"), (long long)arg_number(row, "expires"));
    csv_put(out, arg_slice(row, "evidence"));
    buf_str(out, "\r\n");
}

void print_suppression_export(json_t *args, json_t *reply, struct buf *out)
{
    (void)args, (void)reply, (void)out;
}

int run_suppression_add(struct request *r)
{
    struct account acc;
    struct suppression_entry e = {.address = arg_slice(r->args, "address"),
                                  .evidence = SL("entered by an operator")};
    struct slice word = arg_slice(r->args, "reason");
    int bad = whose(r, &acc);
    if (!bad && !send_reason_named(word.n ? word : SL("by-hand"), &e.reason))
        bad = err_set(ERR_USAGE, "%.*s is no reason for which somebody gets nothing", SLF(word));
    if (!bad) bad = suppression_add(r->core->sends, sl_cstr(acc.id), &e);
    return bad;
}

void print_suppression_add(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s gets nothing more from %s.\n", arg_text(args, "address"), arg_text(args, "account"));
}

int run_suppression_remove(struct request *r)
{
    struct account acc;
    size_t n = 0;
    struct slice address = arg_slice(r->args, "address");
    bool forget = arg_flag(r->args, "forget");
    int e = whose(r, &acc);
    if (!e && forget) return suppression_forget(r->core->sends, sl_cstr(acc.id), address);
    if (!e) e = suppression_remove(r->core->sends, sl_cstr(acc.id), address, SEND_OUT_NONE, 0, &n);
    if (!e && !n) e = err_set(ERR_NOT_FOUND, "%.*s is not suppressed", SLF(address));
    return e;
}

void print_suppression_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    if (arg_flag(args, "forget"))
        buf_printf(out, "The address is forgotten; it still gets nothing from %s.\n",
                   arg_text(args, "account"));
    else
        buf_printf(out, "%s may be written to again by %s.\n", arg_text(args, "address"),
                   arg_text(args, "account"));
}

/* ---- a table that comes in ---- */

struct importing {
    struct request *r;
    struct account acc;
    uint64_t line, taken, bad;
};

/* Spreadsheets begin a file with the mark of UTF-8. */
static struct slice without_mark(struct slice line, bool first)
{
    return first && sl_starts(line, SL("\xef\xbb\xbf")) ? sl_from(line, 3) : line;
}

static int import_line(struct importing *x, struct slice line)
{
    struct arena a = {0};
    struct slice cell[6] = {{0}}, rest = without_mark(sl_trim(line), x->line == 0);
    struct suppression_entry e = {0};
    uint64_t group = 0, since = 0, expires = 0;
    x->line++;
    for (size_t i = 0; rest.n && i < COUNT_OF(cell) && csv_cell(&a, &rest, &cell[i]); i++) {
    }
    bool head = x->line == 1 && (sl_eqi(cell[0], SL("address")) || sl_eqi(cell[0], SL("email")));
    bool good = sl_chr(cell[0], '@') != SL_NONE &&
                send_reason_named(cell[1].n ? cell[1] : SL("by-hand"), &e.reason) &&
                (!cell[2].n || num_u64(cell[2], UINT32_MAX, &group)) &&
                (!cell[3].n || num_u64(cell[3], INT64_MAX, &since)) &&
                (!cell[4].n || num_u64(cell[4], INT64_MAX, &expires));
    int bad = 0;
    if (good && !head) {
        e.address = cell[0], e.group = (uint32_t)group;
        e.since = (int64_t)since, e.expires = (int64_t)expires;
        e.evidence = cell[5].n ? cell[5] : SL("imported by an operator");
        bad = suppression_add(x->r->core->sends, sl_cstr(x->acc.id), &e);
    }
    if (good && !head && !bad) x->taken++;
    else if (cell[0].n && !head && (!good || !err_is_temporary(bad))) x->bad++, bad = 0;
    ar_free(&a);
    return bad;
}

int run_suppression_import(struct request *r)
{
    struct importing x = {.r = r};
    struct buf rest = BUF_INIT;
    struct slice piece;
    struct csv_scan scan = {0};
    int more = 0, e = whose(r, &x.acc);
    while (!e && r->payload && (more = r->payload->next(r->payload, &piece)) == 1) {
        size_t used = 0, end;
        buf_put(&rest, piece);
        while (!e && (end = csv_row(sl_from(buf_slice(&rest), used), &scan)) != SL_NONE) {
            e = import_line(&x, sl_sub(buf_slice(&rest), used, used + end));
            used += end;
            scan = (struct csv_scan){0};
        }
        buf_drop(&rest, used);
        if (rest.n > 65536)
            e = err_set(ERR_TOO_LONG, "line %llu is too long", (unsigned long long)x.line + 1);
    }
    if (!e && more < 0) e = more;
    if (!e && rest.n) e = import_line(&x, buf_slice(&rest));
    buf_free(&rest);
    reply_int(r->reply, "taken", (int64_t)x.taken);
    reply_int(r->reply, "bad", (int64_t)x.bad);
    return e && x.line ? err_prefix(e, "line %llu", (unsigned long long)x.line) : e;
}

void print_suppression_import(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "%lld entries were taken, %lld lines hold none.\n", (long long)arg_number(reply, "taken"),
               (long long)arg_number(reply, "bad"));
}

/* ---- account pardon ---- */

int run_account_pardon(struct request *r)
{
    struct account acc;
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "address"), &acc);
    return e ? e : standing_pardon(r->core->sends, sl_cstr(acc.id));
}

void print_account_pardon(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "Bulk mail of %s goes on; what bounced or was complained of until now counts no more.\n",
               arg_text(args, "address"));
}
