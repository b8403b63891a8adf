/* retrieve.c - RETR and TOP: letters stream from their bodies in ranges, dots stuffed. */
#include "popd_i.h"
#include "wire/smtp.h"

struct sending {
    struct smtp_stuff stuff;
    struct pop3_top top;
    bool has_top, done;
    uint64_t gave;
};

static void send_chunk(struct popd_session *s, struct sending *x, struct slice chunk)
{
    struct slice run;
    if (x->has_top) chunk.n = pop3_top_feed(&x->top, chunk, &x->done);
    while (smtp_stuff_next(&x->stuff, &chunk, &run)) {
        popd_give(s, run);
        x->gave += run.n;
    }
}

/* Also of one that was expunged by IMAP or another program since the session began: its numbers and sizes
 * were told, and stay what they are until QUIT (RFC 1939 section 5). */
static int find_message(struct popd_session *s, uint32_t uid, struct message *m)
{
    int e = message_get(s->conf->store, popd_box(s), uid, m);
    return e == ERR_NOT_FOUND ? message_expunged(s->conf->store, popd_box(s), uid, m) : e;
}

/* One range. A body may move to another pack meanwhile; then its reference is read anew. */
static int64_t read_range(struct popd_session *s, uint32_t uid, struct message *m, uint64_t at, void *p)
{
    int64_t n = body_read(s->conf->store->body, &m->body, at, p, POPD_CHUNK);
    if (n != ERR_NOT_FOUND) return n;
    int e = find_message(s, uid, m);
    return e ? e : body_read(s->conf->store->body, &m->body, at, p, POPD_CHUNK);
}

static int send_letter(struct popd_session *s, struct sending *x, struct message *m, int64_t n, char *chunk)
{
    uint64_t at = 0;
    while (n > 0) {
        int64_t before = deadline_narrow(DEADLINE_IN(POPD_CHUNK_WAIT));
        send_chunk(s, x, sl(chunk, (size_t)n));
        deadline_restore(before);
        at += (uint64_t)n;
        if (x->done || at >= m->size || conn_error(s->c)) break;
        n = read_range(s, m->uid, m, at, chunk);
    }
    if (n < 0) return (int)n;
    conn_write(s->c, smtp_stuff_end(&x->stuff));
    popd_gave(s, x->gave);
    return 0;
}

static void retrieve(struct popd_session *s, struct popd_message *p, struct sending *x)
{
    struct message m;
    char *chunk = ar_alloc(&s->cmd_a, POPD_CHUNK);
    int64_t first = 0;
    int e = find_message(s, p->uid, &m);
    if (!e && (first = read_range(s, p->uid, &m, 0, chunk)) < 0) e = (int)first;
    if (e) { /* nothing was said yet, so it can be said */
        log_warn(s->who, "message %u of %.*s: %s", p->uid, SLF(s->account.address), err_text(e));
        if (e == ERR_NOT_FOUND) popd_err(s, NULL, "the message was removed meanwhile by another program");
        else popd_err(s, err_is_damage(e) ? "SYS/PERM" : "SYS/TEMP", "the message cannot be read");
        return;
    }
    if (x->has_top) popd_ok(s, "the top follows");
    else popd_ok(s, "%llu bytes", (unsigned long long)(m.size + m.by_lines));
    smtp_stuff_begin(&x->stuff);
    e = send_letter(s, x, &m, first, chunk);
    if (e) { /* half a letter must not look like a whole one */
        log_warn(s->who, "message %u of %.*s: %s", p->uid, SLF(s->account.address), err_text(e));
        conn_abort(s->c);
        s->over = true;
    }
}

void popd_retr(struct popd_session *s, struct pop3_command *c)
{
    struct sending x = {0};
    struct popd_message *m = popd_message(s, c);
    if (!m) return;
    retrieve(s, m, &x);
    m->retrieved = true;
}

void popd_top(struct popd_session *s, struct pop3_command *c)
{
    struct sending x = {.has_top = true};
    struct popd_message *m = popd_message(s, c);
    if (!m) return;
    pop3_top_begin(&x.top, c->lines);
    retrieve(s, m, &x);
}
