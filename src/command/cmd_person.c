/* cmd_person.c - person export and erase: what is known of somebody, by their address. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "cmd.h"
#include "core/belongings.h"
#include "core/person.h"
#include "directory/sending_domain.h"
#include "port/port.h"
#include "port_files.h"
#include "send/event.h"
#include "send/inbound.h"
#include "send/send_person.h"
#include "send/suppression.h"
#include "send/webhook.h"
#include "trace/trace.h"

enum { PIECE = 128 * 1024, LINE_MOST = 4 << 20 };

/* ---- what was found, in numbers and sentences ---- */

static void report_json(json_t *o, const struct person *p, const struct person_report *rep)
{
    json_t *list = json_array();
    reply_text(o, "address", p->address);
    for (int i = 0; i < PERSON_NPLACES; i++) {
        const struct person_tally *t = &rep->at[i];
        if (!t->found && !t->damaged) continue;
        json_t *at = json_object();
        reply_text(at, "where", sl_cstr(person_word((enum person_place)i)));
        reply_int(at, "found", (int64_t)t->found);
        reply_int(at, "erased", (int64_t)t->erased);
        reply_int(at, "waiting", (int64_t)t->left);
        reply_int(at, "damaged", (int64_t)t->damaged);
        if (person_stays((enum person_place)i))
            reply_text(at, "stays", sl_cstr(person_stays((enum person_place)i)));
        json_array_append_new(list, at);
    }
    json_object_set_new(o, "found", list);
    reply_int(o, "suppressing", (int64_t)rep->suppressing);
}

static const struct {
    const char *where, *meaning;
} meanings[] = {
    {"trace", "what happened to letters from and to them, and what finds it"},
    {"events", "what became of letters that accounts sent them"},
    {"sends", "letters of campaigns, with the data that belong to them"},
    {"suppression", "why they get nothing from an account"},
    {"written-to", "accounts that have written to them (a hash of the address)"},
    {"guard", "networks by which their account is known, and why it was shut out"},
    {"hints", "mailboxes that they shared with others"},
    {"shared", "mailboxes of others that are shared with them"},
    {"inbound", "mail that is handed to URLs for accounts"},
    {"queue", "letters that wait"},
    {"directory", "aliases, lists, catch-alls and rights that name them"},
    {"keys", "keys of the HTTP API of their account"},
    {"sources", "pools by which their account sends"},
    {"alerts", "alerts that name them"},
    {"reports", "reports of other servers that name them as the contact"},
    {"audit", "what operators did"},
};

static const char *meaning_of(const char *where)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (strcmp(where, meanings[i].where) == 0) return meanings[i].meaning;
    return "";
}

static void put_count(struct buf *out, json_t *at, const char *name, const char *sentence)
{
    long long n = (long long)arg_number(at, name);
    if (n) buf_printf(out, sentence, n);
}

static void put_places(struct buf *out, json_t *reply)
{
    json_t *at;
    size_t i;
    json_array_foreach(json_object_get(reply, "found"), i, at) {
        buf_printf(out, "%-12s %8lld  %s", arg_text(at, "where"), (long long)arg_number(at, "found"),
                   meaning_of(arg_text(at, "where")));
        put_count(out, at, "erased", "; %lld erased");
        put_count(out, at, "waiting", "; %lld of sends that are under way");
        put_count(out, at, "damaged", "; %lld more are damaged and may name them: `tram verify`");
        buf_char(out, '\n');
        if (*arg_text(at, "stays")) buf_printf(out, "%-22s stays: %s.\n", "", arg_text(at, "stays"));
    }
    long long n = (long long)arg_number(reply, "suppressing");
    if (n)
        buf_printf(out,
                   "%lld account%s send%s them nothing; that rests on a keyed hash, from which nobody reads "
                   "the address.\n",
                   n, n == 1 ? "" : "s", n == 1 ? "s" : "");
}

static void put_remains(struct buf *out, json_t *reply)
{
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(reply, "remains"), i, v)
        buf_printf(out, "%s%s.\n", i ? "  " : "Not touched:\n  ", json_string_value(v));
}

/* ---- export: a record a line ---- */

struct exporting {
    struct request *r;
    const struct person *p;
    struct port_files *files;
    const char *part; /* the file under way */
    uint64_t at;
    struct buf b;
    char id[20]; /* an account, and its address */
    struct slice address;
};

static int write_out(struct exporting *x)
{
    int e = x->files->write(x->files, x->part, x->at, buf_slice(&x->b));
    x->at += x->b.n;
    buf_clear(&x->b);
    return e;
}

/* Takes the reference. */
static int put_line(struct exporting *x, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text) buf_printf(&x->b, "%s\n", text);
    wiped_free(text);
    return x->b.n >= PIECE ? write_out(x) : 0;
}

static int is_that(void *arg, struct account *acc)
{
    struct exporting *x = arg;
    if (strcmp(acc->id, x->id) != 0) return 0;
    x->address = ar_dup(x->r->a, acc->address);
    return 1;
}

/* The address of an account by its id; of one that is gone the id. */
static struct slice account_named(struct exporting *x, struct slice id)
{
    if (sl_eq(id, sl_cstr(x->id))) return x->address;
    snprintf(x->id, sizeof x->id, "%.*s", SLF(id));
    x->address = ar_dup(x->r->a, id);
    (void)!account_each(x->r->core->store->directory, SL(""), is_that, x);
    return x->address;
}

static void put_time(json_t *o, const char *name, int64_t seconds)
{
    char when[CIVIL_TEXT_MAX];
    if (seconds) reply_text(o, name, sl_cstr(civil_format(seconds, when)));
}

static void opt_text(json_t *o, const char *name, struct slice s)
{
    if (s.n) reply_text(o, name, s);
}

static void tell_trace(json_t *o, const struct person_found *f, struct arena *a)
{
    struct trace_event *v;
    size_t n;
    json_t *list = json_array();
    reply_text(o, "letter", sl_sub(f->key, 2, 2 + LETTER_ID_LEN));
    if (trace_row_read(a, f->key, f->value, &v, &n) != 0) n = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *ev = json_object();
        put_time(ev, "time", v[i].time / 1000000);
        reply_text(ev, "event", sl_cstr(trace_word(v[i].kind)));
        opt_text(ev, "who", v[i].who);
        opt_text(ev, "why", v[i].sentence);
        opt_text(ev, "data", v[i].data);
        json_array_append_new(list, ev);
    }
    json_object_set_new(o, "events", list);
}

static void tell_event(struct exporting *x, json_t *o, const struct person_found *f)
{
    struct event e;
    reply_text(o, "account", account_named(x, sl_from(f->object, 2)));
    if (event_row_read(f->key, f->value, &e) != 0) return;
    reply_text(o, "event", sl_cstr(event_word(e.kind)));
    put_time(o, "time", (int64_t)(e.at / 1000000));
    opt_text(o, "send", sl_cstr(e.send.s));
    opt_text(o, "letter", sl_cstr(e.letter.s));
    opt_text(o, "address", e.address);
    opt_text(o, "reply", e.reply);
    opt_text(o, "host", e.host);
    opt_text(o, "url", e.url);
    opt_text(o, "agent", e.agent);
    opt_text(o, "ip", e.ip);
}

static void tell_addrs(json_t *o, const char *name, const struct send_addrs *list)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->n; i++) {
        json_t *one = json_object();
        reply_text(one, "address", list->v[i].address);
        opt_text(one, "name", list->v[i].name);
        json_array_append_new(all, one);
    }
    if (list->n) json_object_set_new(o, name, all);
    else json_decref(all);
}

static void tell_letter(struct exporting *x, json_t *o, const struct send_about *l, struct arena *a)
{
    struct slice account;
    bool over;
    reply_text(o, "send", sl_cstr(l->send.s));
    reply_int(o, "number", (int64_t)l->number);
    if (send_owner(x->r->core->sends, &l->send, a, &account, &over) == 0)
        reply_text(o, "account", account_named(x, account));
    tell_addrs(o, "to", &l->letter.to);
    tell_addrs(o, "cc", &l->letter.cc);
    tell_addrs(o, "bcc", &l->letter.bcc);
    opt_text(o, "subject", l->letter.subject);
    opt_text(o, "data", l->letter.data);
    opt_text(o, "args", l->letter.args);
    opt_text(o, "custom", l->letter.custom);
}

static void tell_entries(struct exporting *x, json_t *o, const struct person_found *f, struct arena *a)
{
    struct suppression_entry *v;
    size_t n = 0;
    json_t *list = json_array();
    struct slice id = sl_from(f->object, 2);
    reply_text(o, "account", account_named(x, id));
    if (suppression_get(x->r->core->sends, id, x->p->address, a, &v, &n) != 0) n = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *e = json_object();
        reply_text(e, "reason", sl_cstr(send_reason_word(v[i].reason)));
        put_time(e, "since", v[i].since);
        put_time(e, "expires", v[i].expires);
        opt_text(e, "evidence", v[i].evidence);
        json_array_append_new(list, e);
    }
    json_object_set_new(o, "entries", list);
}

static void tell_texts(json_t *o, const struct person_found *f)
{
    json_t *list = json_array();
    reply_text(o, "object", f->object);
    reply_text(o, "key", f->key);
    for (size_t i = 0; i < f->n; i++) json_array_append_new(list, text_value(f->text[i]));
    json_object_set_new(o, "says", list);
}

static int export_found(void *arg, const struct person_found *f)
{
    struct exporting *x = arg;
    struct arena a = {0};
    if (f->place == PERSON_TRACE && !sl_starts(f->key, SL("e/"))) return 0; /* it only leads to the others */
    json_t *o = json_object();
    reply_text(o, "where", sl_cstr(person_word(f->place)));
    switch (f->place) {
    case PERSON_TRACE: tell_trace(o, f, &a); break;
    case PERSON_EVENTS: tell_event(x, o, f); break;
    case PERSON_SENDS: tell_letter(x, o, f->letter, &a); break;
    case PERSON_SUPPRESSION: tell_entries(x, o, f, &a); break;
    case PERSON_WRITTEN_TO: reply_text(o, "account", account_named(x, sl_from(f->object, 2))); break;
    case PERSON_QUEUE: reply_text(o, "letter", sl_sub(f->key, 1, 1 + LETTER_ID_LEN)); /* fall through */
    default: tell_texts(o, f); break;
    }
    ar_free(&a);
    return put_line(x, o);
}

static int export_account(struct exporting *x)
{
    struct account acc;
    int e = account_get(x->r->core->store->directory, x->r->a, x->p->address, &acc);
    if (e) return e;
    json_t *o = json_object(), *passwords = json_array(), *as = json_array();
    reply_text(o, "where", SL("account"));
    reply_text(o, "address", acc.address);
    put_time(o, "created", acc.created);
    json_object_set_new(o, "disabled", json_boolean(acc.disabled));
    for (size_t i = 0; i < acc.napps; i++) json_array_append_new(passwords, text_value(acc.app[i].name));
    for (size_t i = 0; i < acc.ngrants; i++) json_array_append_new(as, text_value(acc.grant[i]));
    json_object_set_new(o, "app_passwords", passwords);
    json_object_set_new(o, "sends_as", as);
    if (acc.language.n) reply_text(o, "language", acc.language);
    return put_line(x, o);
}

static int export_inbound(void *arg, const struct inbound *in)
{
    json_t *o = json_object();
    reply_text(o, "where", SL("inbound"));
    reply_text(o, "name", in->name);
    reply_text(o, "url", in->url);
    put_time(o, "created", in->created / 1000000);
    return put_line(arg, o);
}

static int export_webhook(void *arg, const struct webhook *h)
{
    json_t *o = json_object();
    reply_text(o, "where", SL("webhook"));
    reply_text(o, "name", h->name);
    opt_text(o, "title", h->title);
    reply_text(o, "url", h->url);
    put_time(o, "created", h->created / 1000000);
    return put_line(arg, o);
}

static int export_sending(void *arg, const struct sending_domain *d)
{
    json_t *o = json_object();
    reply_text(o, "where", SL("sending domain"));
    reply_text(o, "name", d->name);
    put_time(o, "created", d->created);
    return put_line(arg, o);
}

/* What an account has set of the sending service. */
static int export_hooks(struct exporting *x)
{
    int e = webhook_each(x->r->core->sends, x->p->id, export_webhook, x);
    if (!e) e = inbound_each(x->r->core->sends, x->p->id, export_inbound, x);
    const char *id = ar_cstr(x->r->a, x->p->id);
    return e ? e : sending_domain_each(x->r->core->store->directory, id, export_sending, x);
}

static int no_progress(void *arg, const char *sentence)
{
    json_t *problems = json_object_get(((struct request *)arg)->reply, "problems");
    if (json_array_size(problems) < 100) json_array_append_new(problems, text_value(sl_cstr(sentence)));
    return 0;
}

static int export_mail(struct exporting *x, const char *to)
{
    struct port_report rep = {0};
    struct port_source at = {x->files, PORT_MAILDIR, to};
    struct port_hear hear = {.problem = no_progress, .arg = x->r};
    int e = port_export(x->r->core->store, ar_cstr(x->r->a, x->p->id), at, &hear, &rep);
    reply_int(x->r->reply, "mail", (int64_t)(rep.messages + rep.there));
    reply_int(x->r->reply, "failed", (int64_t)rep.failed);
    return e;
}

static char *below(struct request *r, const char *name)
{
    return ar_cstr(r->a, ar_printf(r->a, "%s/%s", arg_text(r->args, "to"), name));
}

static int export_records(struct exporting *x)
{
    struct person_report rep = {0};
    int e = x->p->id.n ? export_account(x) : 0;
    if (!e && x->p->id.n) e = export_hooks(x);
    if (!e) e = person_each(x->r->core, x->p, export_found, x, &rep);
    if (!e) e = write_out(x);
    if (!e) e = x->files->done(x->files, x->part, -1, below(x->r, "records.jsonl"));
    report_json(x->r->reply, x->p, &rep);
    return e;
}

static int put_reports(struct exporting *x)
{
    struct buf words = BUF_INIT;
    char *text = json_dumps(x->r->reply, JSON_INDENT(2));
    print_person_export(x->r->args, x->r->reply, &words);
    int e = x->files->put(x->files, below(x->r, "report.json"), sl_cstr(text ? text : ""));
    if (!e) e = x->files->put(x->files, below(x->r, "report.txt"), buf_slice(&words));
    wiped_free(text);
    buf_free(&words);
    return e;
}

static void remains(json_t *reply, const char *const *sentence, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(sentence[i]));
    json_object_set_new(reply, "remains", list);
}

int run_person_export(struct request *r)
{
    static const char *const left_out[] = {
        "letters in mailboxes of other people here, which are theirs",
        "the log of the system, and copies of the node that were made before",
    };
    struct person p;
    struct port_local local;
    struct port_asked asked;
    struct exporting x = {.r = r, .p = &p, .part = below(r, "records.part")};
    port_local_begin(&local);
    port_asked_begin(&asked, r);
    x.files = r->ask ? &asked.f : &local.f;
    json_object_set_new(r->reply, "problems", json_array());
    int e = person_of(r->core, r->a, arg_slice(r->args, "address"), &p);
    if (!e && p.unread.n) e = err_set(ERR_CORRUPT, "%.*s", SLF(p.unread));
    if (!e) e = x.files->folder(x.files, arg_text(r->args, "to"));
    if (!e) e = export_records(&x);
    if (!e && p.id.n) e = export_mail(&x, below(r, "mail"));
    remains(r->reply, left_out, COUNT_OF(left_out));
    if (!e) e = put_reports(&x);
    if (!e) e = x.files->sync(x.files, arg_text(r->args, "to"));
    port_local_end(&local);
    buf_free(&x.b);
    return e ? e : arg_number(r->reply, "failed") ? NO : 0;
}

json_t *answer_person_export(struct request *r, json_t *question)
{
    return port_files_answer(arg_text(r->args, "to"), question);
}

void print_person_export(json_t *args, json_t *reply, struct buf *out)
{
    json_t *v;
    size_t i;
    buf_printf(out, "What this node knows of %s is in %s:\n", arg_text(reply, "address"),
               arg_text(args, "to"));
    if (json_object_get(reply, "mail"))
        buf_printf(out, "%-12s %8lld  letters of the account, in the Maildir mail/\n", "mail",
                   (long long)arg_number(reply, "mail"));
    put_places(out, reply);
    json_array_foreach(json_object_get(reply, "problems"), i, v)
        buf_printf(out, "%s\n", json_string_value(v));
    put_remains(out, reply);
}

/* ---- erase ---- */

/* The row of the account goes last: whoever was cut off before finds everything by it again. */
static int end_account(struct request *r, const struct person *p)
{
    uint64_t gone = 0, left = 0;
    struct account acc;
    int e = account_get_damaged(r->core->store->directory, r->a, p->address, &acc);
    if (!e) e = belongings_shut(r->core, &acc);
    if (!e) e = person_end_sends(r->core, p, &gone, &left);
    if (!e && left) {
        reply_int(r->reply, "sends_under_way", (int64_t)left);
        return err_set(ERR_STATE,
                       "the account is disabled and its sends are canceled; %llu of them have letters under "
                       "way: call it again when these have ended",
                       (unsigned long long)left);
    }
    if (!e) e = belongings_drop(r->core, &acc);
    if (!e) e = account_remove(r->core->store->directory, p->address);
    if (!e) json_object_set_new(r->reply, "account_removed", json_true());
    return e;
}

int run_person_erase(struct request *r)
{
    static const char *const stays[] = {
        "letters in mailboxes of other people here, which are theirs",
        "copies of the node (`tram backup`), and store/before for 14 days after an upgrade: both are yours "
        "to "
        "remove",
        "the log of the system, which others keep",
        "bytes in files of the index and in packs, until compaction and sweep have written these anew; "
        "images "
        "of the index, until they are made anew, some minutes after",
        "hashes: of words that junk mail taught (an author's address may be one), and of who reported a "
        "letter of a "
        "campaign, until that is forgotten 30 days after its end",
    };
    struct person p;
    struct person_report rep = {0};
    int e = person_of(r->core, r->a, arg_slice(r->args, "address"), &p);
    if (!e && (p.id.n || p.unread.n) && !arg_flag(r->args, "account"))
        return err_set(
            ERR_STATE,
            "%.*s is an account here: with --account it goes with all its mail (`tram person export` "
            "first gives a copy)",
            SLF(p.address));
    if (!e && p.id.n) e = end_account(r, &p);
    if (!e) e = person_erase(r->core, &p, &rep);
    report_json(r->reply, &p, &rep);
    remains(r->reply, stays, COUNT_OF(stays));
    if (!e && p.unread.n) reply_text(r->reply, "unread", p.unread);
    bool again = rep.at[PERSON_SENDS].left > 0 || p.unread.n;
    json_object_set_new(r->reply, "again", json_boolean(again));
    return e ? e : again ? NO : 0;
}

void print_person_erase(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (arg_flag(reply, "account_removed")) buf_str(out, "The account and all its mail are removed.\n");
    buf_printf(out, "What named %s:\n", arg_text(reply, "address"));
    put_places(out, reply);
    if (!json_array_size(json_object_get(reply, "found"))) buf_str(out, "nothing\n");
    const char *unread = arg_text(reply, "unread");
    if (*unread) buf_printf(out, "The account itself is still there, with its mail: %s.\n", unread);
    else if (arg_flag(reply, "again"))
        buf_str(out,
                "Sends are under way to them: call it again when these are over (`tram campaign list`).\n");
    put_remains(out, reply);
}
