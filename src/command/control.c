/* control.c - both ends of the control socket. */
#include "control.h"

#include <stdlib.h>

#include "base/text.h"
#include "rt/conn.h"

enum { CONTROL_LINE_MAX = 4 << 20, CONTROL_PIECE_MAX = 64 << 10 };
static const int64_t control_idle = 60 * RT_S;

/* Up to a LF, which is consumed with the next call; ERR_TOO_LONG. */
static int read_lf_line(struct conn *c, struct slice *line)
{
    size_t seen = 0, lf;
    conn_set_buffer(c, CONTROL_LINE_MAX);
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

static void answer(struct conn *c, int status, struct slice error, json_t *reply)
{
    json_t *o = json_pack("{s:i, s:o?}", "status", status, "reply", reply);
    reply_text(o, "error", error);
    char *text = json_dumps(o, JSON_COMPACT);
    if (text) {
        conn_puts(c, text);
        conn_puts(c, "\n");
    }
    free(text);
    json_decref(o);
}

static void answer_request(struct core *core, struct conn *c, json_t *q)
{
    const struct command *cmd = command_named(json_string_value(json_object_get(q, "command")));
    struct wire_payload w = {
        .p.next = wire_next, .c = c, .ended = !json_is_true(json_object_get(q, "payload"))};
    if (!cmd || cmd->needs != NEEDS_STORE) {
        answer(c, EXIT_WRONG_USE,
               SL("the server does not know this command: it may be another version of Tram"), NULL);
        return;
    }
    struct arena a;
    struct buf error = BUF_INIT;
    ar_init(&a, 0);
    struct request r = {
        .core = core, .a = &a, .args = json_object_get(q, "args"), .reply = json_object(), .payload = &w.p};
    int status = command_run(cmd, &r, &error);
    if (wire_drain(&w) == 0) answer(c, status, buf_slice(&error), r.reply);
    else json_decref(r.reply);
    buf_free(&error);
    ar_free(&a);
}

void control_session(struct core *core, struct conn *c)
{
    struct slice line;
    for (;;) {
        int64_t before = deadline_narrow(DEADLINE_IN(control_idle));
        int e = read_lf_line(c, &line);
        deadline_restore(before);
        if (e) break;
        json_t *q = json_loadb(line.p, line.n, 0, NULL);
        conn_consume(c, line.n + 1);
        if (!json_is_object(q) || !json_is_object(json_object_get(q, "args"))) {
            answer(c, EXIT_WRONG_USE, SL("a request is one line of JSON with a command and args"), NULL);
            json_decref(q);
            break;
        }
        answer_request(core, c, q);
        json_decref(q);
        if (conn_flush(c)) break;
    }
    conn_close(&c);
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

static int receive_reply(struct conn *c, int *status, json_t **reply, struct buf *error)
{
    struct slice line;
    int e = read_lf_line(c, &line);
    if (e) return err_prefix(e, "the server gave no answer");
    json_t *o = json_loadb(line.p, line.n, 0, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(ERR_SYNTAX, "the server's answer cannot be read: it may be another version of Tram");
    }
    *status = (int)json_integer_value(json_object_get(o, "status"));
    const char *text = json_string_value(json_object_get(o, "error"));
    if (text) buf_str(error, text);
    *reply = json_incref(json_object_get(o, "reply"));
    json_decref(o);
    return 0;
}

int control_call(const struct command *cmd, json_t *args, struct payload *payload, int *status,
                 json_t **reply, struct buf *error)
{
    struct conn *c;
    struct endpoint at = {.path = CONTROL_PATH};
    *reply = NULL;
    int e = conn_dial(&c, &at, NULL);
    if (e) return e;
    json_t *q = json_pack("{s:s, s:O, s:b}", "command", cmd->name, "args", args, "payload", payload != NULL);
    char *text = json_dumps(q, JSON_COMPACT);
    conn_puts(c, text);
    conn_puts(c, "\n");
    free(text);
    json_decref(q);
    if (payload) e = send_payload(c, payload);
    if (!e) e = conn_flush(c);
    if (!e) e = receive_reply(c, status, reply, error);
    conn_close(&c);
    /* Found no server is what only the dialling may say. */
    return e == ERR_NOT_FOUND || e == ERR_REFUSED ? ERR_IO : e;
}
