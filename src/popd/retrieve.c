/* retrieve.c - RETR and TOP: letters stream from their bodies in ranges, dots stuffed. */
#include "popd_i.h"
#include "reader/reader.h"
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

static int send_letter(struct popd_session *s, struct sending *x, struct reader *rd, int64_t n, char *chunk)
{
    uint64_t at = 0;
    while (n > 0) {
        int64_t before = deadline_narrow(DEADLINE_IN(POPD_CHUNK_WAIT));
        send_chunk(s, x, sl(chunk, (size_t)n));
        deadline_restore(before);
        at += (uint64_t)n;
        if (x->done || at >= rd->m.size || conn_error(s->c)) break;
        n = reader_read(rd, at, chunk, POPD_CHUNK);
    }
    if (n < 0) return (int)n;
    conn_write(s->c, smtp_stuff_end(&x->stuff));
    popd_gave(s, x->gave);
    return 0;
}

/* The letter as this client may see it, and its first bytes: who did not say UTF8 gets a surrogate of one
 * that is in UTF-8 (RFC 6856 section 2.1, 6858). Also one that was expunged by IMAP or another program since
 * the session began: its numbers and sizes were told, and stay what they are until QUIT (RFC 1939 section 5).
 */
static int open_letter(struct popd_session *s, uint32_t uid, bool head, struct reader **rd,
                       struct reader **shown, char *chunk, int64_t *first)
{
    struct reader *surrogate = NULL;
    int e = reader_open(rd, s->conf->store, popd_box(s), uid, NULL);
    if (!e && !s->utf8) e = (head ? reader_head_surrogate : reader_surrogate)(*rd, true, &surrogate);
    if (e) return e;
    *shown = surrogate ? surrogate : *rd;
    *first = reader_read(*shown, 0, chunk, POPD_CHUNK);
    return *first < 0 ? (int)*first : 0;
}

static void cannot(struct popd_session *s, uint32_t uid, int e)
{
    log_warn(s->who, "message %u of %.*s: %s", uid, SLF(s->account.address), err_text(e));
    if (e == ERR_NOT_FOUND) popd_err(s, NULL, "the message was removed meanwhile by another program");
    else popd_err(s, err_is_damage(e) ? "SYS/PERM" : "SYS/TEMP", "the message cannot be read");
}

static void retrieve(struct popd_session *s, struct popd_message *p, struct sending *x)
{
    struct reader *rd = NULL, *shown;
    char *chunk = ar_alloc(&s->cmd_a, POPD_CHUNK);
    int64_t first = 0;
    int e = open_letter(s, p->uid, x->has_top && !x->top.lines, &rd, &shown, chunk, &first);
    if (e) { /* nothing was said yet, so it can be said */
        cannot(s, p->uid, e);
        reader_close(&rd);
        return;
    }
    if (x->has_top) popd_ok(s, "the top follows");
    else if (shown != rd) popd_ok(s, "a surrogate in ASCII follows; say UTF8 for the letter itself");
    else popd_ok(s, "%llu bytes", (unsigned long long)(rd->m.size + rd->m.by_lines));
    smtp_stuff_begin(&x->stuff);
    e = send_letter(s, x, shown, first, chunk);
    if (e) { /* half a letter must not look like a whole one */
        log_warn(s->who, "message %u of %.*s: %s", p->uid, SLF(s->account.address), err_text(e));
        conn_abort(s->c);
        s->over = true;
    }
    reader_close(&rd);
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
