/* cmd_port.c - import and export: mail of an account as other programs have it. */
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "port/port.h"
#include "port_files.h"

/* ---- while it runs ---- */

static int one_problem(void *arg, const char *sentence)
{
    json_t *o = json_object();
    reply_text(o, "problem", sl_cstr(sentence));
    return reply_row(arg, o);
}

static int one_step(void *arg, const struct port_progress *p)
{
    json_t *o = json_object();
    reply_int(o, "done", (int64_t)p->done);
    reply_int(o, "of", (int64_t)p->of);
    reply_int(o, "messages", (int64_t)p->messages);
    reply_text(o, "mailbox", p->mailbox);
    return reply_row(arg, o);
}

typedef int port_fn(struct store *s, const char *acc, struct port_source at, const struct port_hear *hear,
                    struct port_report *out);

/* Where the mail is, or goes to. */
static const char *path_of(json_t *args, enum port_form *form)
{
    const char *path = arg_text(args, "maildir");
    *form = *path ? PORT_MAILDIR : PORT_MBOX;
    return *path ? path : arg_text(args, "mbox");
}

static int run(struct request *r, port_fn *port)
{
    struct account acc;
    struct port_report rep = {0};
    struct port_hear hear = {.problem = one_problem, .arg = r};
    struct port_asked asked;
    struct port_local local;
    struct port_source at = {.files = &local.f};
    at.path = path_of(r->args, &at.form);
    if (arg_flag(r->args, "progress")) hear.progress = one_step;
    port_local_begin(&local);
    port_asked_begin(&asked, r);
    if (r->ask) at.files = &asked.f;
    int e = account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), &acc);
    if (!e) e = port(r->core->store, ar_cstr(r->a, sl_cstr(acc.id)), at, &hear, &rep);
    port_local_end(&local);
    reply_int(r->reply, "messages", (int64_t)rep.messages);
    reply_int(r->reply, "there", (int64_t)rep.there);
    reply_int(r->reply, "failed", (int64_t)rep.failed);
    reply_int(r->reply, "mailboxes", (int64_t)rep.mailboxes);
    return e ? e : rep.failed ? NO : 0;
}

json_t *answer_port(struct request *r, json_t *question)
{
    enum port_form form;
    return port_files_answer(path_of(r->args, &form), question);
}

int run_import(struct request *r) { return run(r, port_import); }
int run_export(struct request *r) { return run(r, port_export); }

/* ---- in words ---- */

enum { BAR = 30 };
static const char clear_line[] = "\r\x1b[K";

static void print_row(json_t *args, json_t *row, struct buf *out)
{
    if (arg_flag(args, "progress")) buf_str(out, clear_line);
    if (json_object_get(row, "problem")) {
        buf_printf(out, "%s\n", arg_text(row, "problem"));
        return;
    }
    int64_t done = arg_number(row, "done"), of = arg_number(row, "of");
    int part = of > 0 && done < of ? (int)((double)done / (double)of * BAR) : BAR;
    static const char full[BAR + 1] = "##############################",
                                 open[BAR + 1] = "..............................";
    struct slice mailbox = utf8_cut(arg_slice(row, "mailbox"), 40);
    buf_printf(out, "[%.*s%.*s] %3d %%  %lld messages  %.*s", part, full, BAR - part, open, part * 100 / BAR,
               (long long)arg_number(row, "messages"), SLF(mailbox));
}

static void print(json_t *args, json_t *reply, struct buf *out, const char *brought)
{
    int64_t there = arg_number(reply, "there"), failed = arg_number(reply, "failed");
    if (arg_flag(args, "progress")) buf_str(out, clear_line);
    buf_printf(out, "%lld messages are %s, in %lld mailboxes.\n", (long long)arg_number(reply, "messages"),
               brought, (long long)arg_number(reply, "mailboxes"));
    if (there) buf_printf(out, "%lld were there already.\n", (long long)there);
    if (failed) buf_printf(out, "%lld were left out, each with a line above.\n", (long long)failed);
}

void print_row_import(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)i;
    print_row(args, row, out);
}

void print_row_export(json_t *args, json_t *row, size_t i, struct buf *out)
{
    (void)i;
    print_row(args, row, out);
}

void print_import(json_t *args, json_t *reply, struct buf *out) { print(args, reply, out, "imported"); }
void print_export(json_t *args, json_t *reply, struct buf *out) { print(args, reply, out, "exported"); }
