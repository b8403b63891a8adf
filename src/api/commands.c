/* commands.c - the operator's commands over HTTP, for keys with the scope admin: the same table that the
 * command line and the control socket speak. */
#include <stdlib.h>

#include "api_i.h"
#include "base/wiped.h"
#include "command/command.h"

enum { ARGS_MAX = 64 << 10 };

/* What needs a terminal, a letter on standard input or files of the machine, or never ends, is not for here.
 */
static bool is_served(const struct command *cmd)
{
    bool yes =
        cmd->needs == NEEDS_STORE && !cmd->takes_payload && !cmd->before && !command_is_live(cmd, NULL);
    for (const struct arg *a = cmd->args; yes && a && a->name; a++) yes = a->type != ARG_PATH;
    return yes;
}

/* "queue.list" is "queue list". */
static bool may_run(const struct http_call *c, const struct command *cmd)
{
    return is_served(cmd) && ((c->key.scopes & SCOPE_ADMIN) || cmd->of_domain);
}

static const struct command *command_of(struct http_call *c)
{
    char *name = ar_cstr(c->a, c->param[0]);
    for (char *p = name; *p; p++)
        if (*p == '.') *p = ' ';
    const struct command *cmd = command_named(name);
    if (cmd && may_run(c, cmd)) return cmd;
    http_fail(c, 404, "there is no such command here; GET /v1/commands lists them");
    return NULL;
}

void api_commands_list(struct http_call *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < ncommands; i++) {
        if (!may_run(c, &commands[i])) continue;
        struct slice usage = command_usage(c->a, &commands[i]);
        json_array_append_new(all, json_pack("{s:s,s:s,s:s%}", "name", commands[i].name, "help",
                                             commands[i].help, "usage", usage.p, usage.n));
    }
    api_json(c, 200, json_pack("{s:o}", "commands", all));
}

static json_t *read_args(struct http_call *c)
{
    struct buf b;
    struct slice piece;
    int e;
    buf_init(&b, ARGS_MAX);
    while ((e = http_read(c, &piece)) > 0) buf_put(&b, piece);
    c->body = ar_dup(c->a, buf_slice(&b));
    bool over = b.over;
    buf_free(&b);
    if (e) http_fail(c, 400, "the body of the request could not be read");
    else if (over) http_fail(c, 413, "the arguments are longer than %d bytes", ARGS_MAX);
    else return c->body.n ? api_body(c) : json_object();
    return NULL;
}

struct answering {
    struct http_call *c;
    bool begun;
};

static int put_line(struct answering *x, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    if (!x->begun) http_stream_begin(x->c, 200, "application/x-ndjson");
    x->begun = true;
    struct slice line = ar_printf(x->c->a, "%s\n", text ? text : "null");
    wiped_free(text);
    return http_stream_write(x->c, line);
}

/* A row goes out when it is found, a line each: a list of any size needs the memory of one row. */
static int send_row(void *arg, json_t *row)
{
    struct answering *x = arg;
    struct arena *a = x->c->a, own = {0};
    json_t *o = json_pack("{s:O}", "row", row);
    x->c->a = &own;
    int e = put_line(x, o);
    x->c->a = a;
    ar_free(&own);
    json_decref(o);
    return e;
}

static void answer(struct answering *x, int status, struct slice error, json_t *reply)
{
    json_t *o = json_pack("{s:i,s:o}", "status", status, "reply", reply);
    if (error.n) reply_text(o, "error", error);
    if (!x->begun) {
        api_json(x->c, status == EXIT_WRONG_USE ? 400 : status == EXIT_COULD_NOT ? 503 : 200, o);
        return;
    }
    (void)!put_line(x, o);
    json_decref(o);
    http_stream_end(x->c);
}

/* Nobody sits at a terminal here: what goes on for somebody who looks is told once. */
static void nobody_looks(const struct command *cmd, json_t *args)
{
    for (const struct arg *a = cmd->args; a && a->name; a++)
        if (a->from == FROM_TERMINAL) json_object_del(args, a->name);
}

void api_commands_run(struct http_call *c)
{
    const struct command *cmd = command_of(c);
    json_t *args = cmd ? read_args(c) : NULL;
    if (!args) return;
    nobody_looks(cmd, args);
    struct answering x = {.c = c};
    struct buf error = BUF_INIT;
    struct request r = {.core = api_of(c)->core,
                        .a = c->a,
                        .args = args,
                        .reply = json_object(),
                        .row = send_row,
                        .row_arg = &x};
    char from[IP_TEXT_MAX];
    r.who = ar_printf(c->a, "key %s of %.*s", c->key.id, SLF(c->key.account->address));
    r.from = sl_cstr(ip_format(&c->peer, from));
    if (!(c->key.scopes & SCOPE_ADMIN)) r.admin = c->key.account->id;
    int status = command_run(cmd, &r, &error);
    answer(&x, status, buf_slice(&error), r.reply);
    buf_free(&error);
    json_decref(args);
}
