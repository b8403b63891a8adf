/* control.c - both ends of the control socket. */
#include "control.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "core/core.h"
#include "directory/directory.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "store/store.h"

enum { CONTROL_LINE_MAX = 4 << 20, CONTROL_PUBLIC_LINE_MAX = 256 << 10, CONTROL_PIECE_MAX = 64 << 10 };
static const int64_t control_idle = 60 * RT_S, control_public_all = 600 * RT_S, rows_wait = 100 * RT_MS,
                     awake_within = 30 * RT_S;

/* Up to a LF, which is consumed with the next call; ERR_LIMIT when it is longer than the connection's buffer.
 */
static int read_lf_line(struct conn *c, struct slice *line)
{
    size_t seen = 0, lf;
    while ((lf = sl_chr(sl_from(conn_peek(c), seen), '\n')) == SL_NONE) {
        seen = conn_peek(c).n;
        int e = conn_fill(c);
        if (e < 0) return e;
    }
    *line = sl_sub(conn_peek(c), 0, seen + lf);
    return 0;
}

/* ---- payload over the wire ---- */

struct wire_payload {
    struct payload p;
    struct conn *c;
    size_t left, given; /* of the present piece: still to come; handed out and not yet consumed */
    bool ended;
};

static int wire_length(struct wire_payload *w)
{
    struct slice line;
    uint64_t n;
    int e = read_lf_line(w->c, &line);
    if (e) return e;
    if (!num_u64(line, CONTROL_PIECE_MAX, &n))
        return err_set(ERR_SYNTAX, "a piece of the payload has no proper length");
    conn_consume(w->c, line.n + 1);
    w->left = n;
    w->ended = n == 0;
    return 0;
}

static int wire_next(struct payload *p, struct slice *piece)
{
    struct wire_payload *w = CONTAINER_OF(p, struct wire_payload, p);
    conn_consume(w->c, w->given);
    w->given = 0;
    int e = w->left || w->ended ? 0 : wire_length(w);
    if (e || w->ended) return e;
    if (!conn_peek(w->c).n) {
        e = conn_fill(w->c);
        if (e < 0) return e;
    }
    *piece = sl_sub(conn_peek(w->c), 0, w->left);
    w->given = piece->n;
    w->left -= piece->n;
    return 1;
}

static int wire_drain(struct wire_payload *w)
{
    struct slice piece;
    int e;
    while ((e = wire_next(&w->p, &piece)) > 0) continue;
    return e;
}

/* ---- the server's end ---- */

struct answering {
    struct conn *c;
    size_t unsent;   /* bytes of rows since the last flush, */
    int64_t flushed; /* and when that was */
};

static void answer(struct conn *c, int status, struct slice error, json_t *reply)
{
    json_t *o = json_pack("{s:i, s:o?}", "status", status, "reply", reply);
    reply_text(o, "error", error);
    char *text = json_dumps(o, JSON_COMPACT);
    if (text) {
        conn_puts(c, text);
        conn_puts(c, "\n");
    }
    wiped_free(text);
    json_decref(o);
}

/* What is written stays bounded: a reader that is slow is waited for. */
static int send_row(void *arg, json_t *row)
{
    enum { AT_ONCE = 64 << 10 };
    struct answering *x = arg;
    json_t *o = json_pack("{s:O}", "row", row);
    char *text = json_dumps(o, JSON_COMPACT);
    int e = text ? 0 : err_set(ERR_SYNTAX, "a row cannot be told");
    size_t n = text ? strlen(text) : 0;
    if (!e) conn_write(x->c, sl(text, n));
    if (!e) conn_puts(x->c, "\n");
    wiped_free(text);
    json_decref(o);
    x->unsent += n;
    if (e || (x->unsent < AT_ONCE && rt_now() < x->flushed + rows_wait)) return e;
    x->unsent = 0;
    x->flushed = rt_now();
    return conn_flush(x->c);
}

/* Rows that come slowly do not wait for more; who is gone is heard of without another row. */
static int rows_idle(void *arg)
{
    struct answering *x = arg;
    x->unsent = 0;
    x->flushed = rt_now();
    int e = conn_flush(x->c);
    if (!e) (void)conn_overhear(x->c);
    return e ? e : conn_error(x->c);
}

/* The user's process does something for the command that runs here. */
static int ask_user(void *arg, json_t *question, json_t **answer)
{
    struct answering *x = arg;
    struct slice line;
    json_t *o = json_pack("{s:O}", "ask", question);
    char *text = json_dumps(o, JSON_COMPACT);
    conn_puts(x->c, text);
    conn_puts(x->c, "\n");
    wiped_free(text);
    json_decref(o);
    int e = conn_flush(x->c);
    if (!e) e = read_lf_line(x->c, &line);
    if (e) return e;
    *answer = json_loadb(line.p, line.n, 0, NULL);
    conn_consume(x->c, line.n + 1);
    return *answer ? 0 : err_set(ERR_SYNTAX, "the command gave no answer that can be read");
}

/* Who asks, at the public socket. */
struct caller {
    uint32_t user;
    bool runs_node; /* root, and whom the node belongs to */
    char name[64];
};

/* Names come from the user database, which may be anywhere. BLOCKS. */
static int name_caller(void *arg)
{
    struct caller *who = arg;
    struct passwd entry, *found = NULL;
    char room[4096];
    if (getpwuid_r(who->user, &entry, room, sizeof room, &found) == 0 && found)
        snprintf(who->name, sizeof who->name, "%s", found->pw_name);
    else snprintf(who->name, sizeof who->name, "uid%u", who->user);
    return 0;
}

static int find_caller(struct conn *c, struct caller *who)
{
    int e = conn_peer_user(c, &who->user);
    if (e) return e;
    who->runs_node = who->user == 0 || who->user == geteuid();
    return offload_for(POOL_ASK, who->user + 1, name_caller, who); /* it may ask a server */
}

/* What the kernel knows of the caller counts, not what the request says. */
static const char *take_caller(const struct command *cmd, const struct caller *who, json_t *args)
{
    for (const struct arg *g = cmd->args; g && g->name; g++)
        if (g->from == FROM_LOGIN) reply_text(args, g->name, sl_cstr(who->name));
    return who->runs_node ? NULL : who->name;
}

/* Who does not run the node may manage what their account administers. */
static int as_administrator(struct request *r, struct buf *error)
{
    struct account *acc = ar_new(r->a, struct account);
    struct slice domain = core_domain(r->core, r->a);
    int e = account_read(r->core->store->directory, r->a, ar_lower(r->a, sl_cstr(r->login)), domain, acc);
    bool plain =
        sl_eq(ar_lower(r->a, sl_cstr(r->login)), sl_cstr(r->login)); /* else two users are one account */
    if (!e && (acc->disabled || !plain)) e = ERR_DENIED;
    r->admin = acc->id;
    bool nobody = e == ERR_NOT_FOUND || e == ERR_DENIED;
    if (nobody)
        buf_str(error, "only root, the owner of the node and administrators of its domains may do that");
    else if (e) buf_str(error, err_text(e));
    return nobody ? EXIT_NO : e ? EXIT_COULD_NOT : 0;
}

/* who: NULL at the socket of the owner. */
static void answer_request(struct core *core, struct conn *c, const struct caller *who, json_t *q)
{
    const struct command *cmd = command_named(json_string_value(json_object_get(q, "command")));
    struct wire_payload w = {
        .p.next = wire_next, .c = c, .ended = !json_is_true(json_object_get(q, "payload"))};
    if (!cmd || (cmd->needs != NEEDS_STORE && cmd->needs != NEEDS_SERVER)) {
        answer(c, EXIT_WRONG_USE,
               SL("the server does not know this command: it may be another version of Tram"), NULL);
        return;
    }
    bool stranger = who && !who->runs_node;
    if (who && !cmd->everyone && !(stranger && cmd->of_domain)) {
        answer(c, EXIT_NO, SL("only root and the owner of the node may do that"), NULL);
        return;
    }
    struct arena a;
    struct buf error = BUF_INIT;
    ar_init(&a, 0);
    struct answering x = {.c = c};
    struct request r = {.core = core,
                        .a = &a,
                        .args = json_object_get(q, "args"),
                        .reply = json_object(),
                        .payload = &w.p,
                        .row = send_row,
                        .row_arg = &x,
                        .ask = ask_user,
                        .ask_arg = &x,
                        .idle = rows_idle};
    r.who = who ? ar_printf(&a, "user %s", who->name) : sl_sub(arg_slice(q, "who"), 0, OPERATOR_MAX);
    if (who) r.login = take_caller(cmd, who, r.args);
    int status = stranger && !cmd->everyone ? as_administrator(&r, &error) : 0;
    if (!status) status = command_run(cmd, &r, &error);
    if (wire_drain(&w) == 0) answer(c, status, buf_slice(&error), r.reply);
    else json_decref(r.reply);
    buf_free(&error);
    ar_free(&a);
}

static int one_request(struct core *core, struct conn *c, const struct caller *who)
{
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(control_idle));
    int e = read_lf_line(c, &line);
    deadline_restore(before);
    if (e) return e;
    json_t *q = json_loadb(line.p, line.n, 0, NULL);
    conn_consume(c, line.n + 1);
    bool good = json_is_object(q) && json_is_object(json_object_get(q, "args"));
    if (good) answer_request(core, c, who, q);
    else answer(c, EXIT_WRONG_USE, SL("a request is one line of JSON with a command and args"), NULL);
    json_decref(q);
    e = conn_flush(c);
    return good ? e : ERR_SYNTAX;
}

void control_session(struct core *core, struct conn *c, bool everyone)
{
    struct caller who = {0};
    int e = everyone ? find_caller(c, &who) : 0;
    conn_set_buffer(c, everyone ? CONTROL_PUBLIC_LINE_MAX : CONTROL_LINE_MAX);
    int64_t before = deadline_narrow(everyone ? DEADLINE_IN(control_public_all) : RT_NEVER);
    while (!e) e = one_request(core, c, everyone ? &who : NULL);
    deadline_restore(before);
    conn_close(&c);
}

int control_public_folder(void)
{
    struct stat home;
    int e = path_make(CONTROL_PUBLIC_FOLDER);
    if (!e && chmod(CONTROL_PUBLIC_FOLDER, 0711)) e = err_errno(errno, "cannot open " CONTROL_PUBLIC_FOLDER);
    if (!e && stat(".", &home) == 0 && !(home.st_mode & S_IXOTH))
        log_warn("control", "other users of this machine cannot send: let them through the home with "
                            "`chmod 711`, or say local_users = false in tram.conf");
    return e;
}

/* ---- the user's end ---- */

static int send_payload(struct conn *c, struct payload *p)
{
    struct slice piece;
    int e;
    while ((e = p->next(p, &piece)) > 0)
        while (piece.n) {
            struct slice part = sl_sub(piece, 0, CONTROL_PIECE_MAX);
            piece = sl_from(piece, part.n);
            conn_printf(c, "%zu\n", part.n);
            conn_write(c, part);
        }
    conn_puts(c, "0\n");
    return e;
}

static int receive_line(struct conn *c, json_t **out)
{
    struct slice line;
    int e = read_lf_line(c, &line);
    if (e) return err_prefix(e, "the server gave no answer");
    *out = json_loadb(line.p, line.n, JSON_DECODE_ANY, NULL);
    conn_consume(c, line.n + 1);
    if (json_is_object(*out)) return 0;
    json_decref(*out);
    return err_set(ERR_SYNTAX, "the server's answer cannot be read: it may be another version of Tram");
}

static int answer_ask(struct conn *c, const struct command *cmd, struct request *r, json_t *question)
{
    json_t *o = cmd->answer ? cmd->answer(r, question) : NULL;
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text) conn_puts(c, text);
    conn_puts(c, "\n");
    wiped_free(text);
    json_decref(o);
    return conn_flush(c);
}

static int receive_reply(struct conn *c, const struct command *cmd, struct request *r, int *status,
                         struct buf *error)
{
    json_t *o, *row, *ask;
    int e = receive_line(c, &o);
    while (!e && ((row = json_object_get(o, "row")) || (ask = json_object_get(o, "ask")))) {
        e = row ? r->row(r->row_arg, row) : answer_ask(c, cmd, r, ask);
        json_decref(o);
        if (!e) e = receive_line(c, &o);
    }
    if (e) return e;
    *status = (int)json_integer_value(json_object_get(o, "status"));
    const char *text = json_string_value(json_object_get(o, "error"));
    if (text) buf_str(error, text);
    json_object_update(r->reply, json_object_get(o, "reply"));
    json_decref(o);
    return 0;
}

/* A server that hangs takes connections still, since the system does. What it answers at once is that it does
 * not know a command without a name. */
static int is_awake(struct conn *c)
{
    json_t *o = NULL;
    int64_t before = deadline_narrow(DEADLINE_IN(awake_within));
    conn_puts(c, "{\"command\":\"\",\"args\":{}}\n");
    int e = conn_flush(c);
    if (!e) e = receive_line(c, &o);
    deadline_restore(before);
    json_decref(o);
    if (e != ERR_TIMEOUT) return e;
    return err_set(e,
                   "the server runs and does not answer within %lld s: it hangs, or the machine has far too "
                   "much to do; its log may say why, and `systemctl restart tram` starts another",
                   (long long)(awake_within / RT_S));
}

int control_call(const char *path, const struct command *cmd, struct request *r, int *status,
                 struct buf *error)
{
    struct conn *c;
    struct endpoint at = {0};
    snprintf(at.path, sizeof at.path, "%s", path);
    int e = conn_dial(&c, &at, NULL);
    if (e) return e;
    conn_set_buffer(c, CONTROL_LINE_MAX);
    e = is_awake(c);
    if (e) {
        conn_close(&c);
        return e;
    }
    json_t *q =
        json_pack("{s:s, s:O, s:b}", "command", cmd->name, "args", r->args, "payload", r->payload != NULL);
    reply_text(q, "who", r->who);
    char *text = json_dumps(q, JSON_COMPACT);
    conn_puts(c, text);
    conn_puts(c, "\n");
    wiped_free(text);
    json_decref(q);
    if (r->payload) e = send_payload(c, r->payload);
    if (!e) e = conn_flush(c);
    if (!e) e = receive_reply(c, cmd, r, status, error);
    conn_close(&c);
    /* Found no server is what only the dialling may say. */
    return e == ERR_NOT_FOUND || e == ERR_REFUSED ? ERR_IO : e;
}
