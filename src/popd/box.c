/* box.c - the TRANSACTION state: the snapshot of the inbox and what is said about it; QUIT. */
#include <stdlib.h>

#include "popd_i.h"

enum { PAGE = 1000, STEP = 500 };

/* ---- the snapshot ---- */

static void add_page(struct popd_session *s, const struct message *m, size_t n)
{
    if (s->n + n > s->room) {
        s->room = s->room * 2 > s->n + n ? s->room * 2 : s->n + n;
        s->m = xrealloc(s->m, s->room * sizeof *s->m);
    }
    for (size_t i = 0; i < n; i++)
        s->m[s->n++] = (struct popd_message){
            .uid = m[i].uid, .size = m[i].size + m[i].by_lines, .retrieved = m[i].flags & FLAG_SEEN};
}

int popd_open_box(struct popd_session *s)
{
    struct mailbox box;
    struct message *m;
    size_t n = 0;
    int e = mailbox_find(s->conf->store, s->account.id, s->folder ? sl_cstr(s->folder) : SL("INBOX"),
                         &s->cmd_a, &box);
    if (e) return e;
    s->box = box.id;
    s->uidvalidity = box.uidvalidity;
    for (uint32_t from = 1; from && s->n < POPD_MESSAGES_MAX; from = n == PAGE ? m[n - 1].uid + 1 : 0) {
        ar_reset(&s->cmd_a);
        e = message_list(s->conf->store, popd_box(s), from, PAGE, &s->cmd_a, &m, &n);
        if (e) return e;
        if (!n) break;
        add_page(s, m, n);
    }
    return 0;
}

static void unlock(struct popd_session *s)
{
    if (!s->locked) return;
    lock_take(&s->server->lock);
    map_del(&s->server->open, sl_cstr(s->account.id));
    lock_release(&s->server->lock);
    s->locked = false;
}

void popd_close_box(struct popd_session *s)
{
    free(s->m);
    s->m = NULL;
    s->n = s->room = 0;
    s->in = false;
    unlock(s);
}

struct popd_message *popd_message(struct popd_session *s, const struct pop3_command *c)
{
    struct popd_message *m = c->number <= s->n ? &s->m[c->number - 1] : NULL;
    if (!m) popd_err(s, NULL, "there is no message %u", c->number);
    else if (m->deleted) popd_err(s, NULL, "message %u is marked as deleted", c->number);
    return m && !m->deleted ? m : NULL;
}

/* ---- STAT, LIST, UIDL (RFC 1939 sections 5 and 7) ---- */

static void totals(const struct popd_session *s, size_t *n, uint64_t *bytes)
{
    *n = 0;
    *bytes = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!s->m[i].deleted) {
            ++*n;
            *bytes += s->m[i].size;
        }
}

void popd_stat(struct popd_session *s, struct pop3_command *c)
{
    size_t n;
    uint64_t bytes;
    (void)c;
    totals(s, &n, &bytes);
    popd_ok(s, "%zu %llu", n, (unsigned long long)bytes);
}

static void put_list(struct popd_session *s, struct buf *b, size_t i)
{
    buf_printf(b, "%zu %llu", i + 1, (unsigned long long)s->m[i].size);
}

/* Stable: a UID never names another message while UIDVALIDITY stays. */
static void put_uidl(struct popd_session *s, struct buf *b, size_t i)
{
    buf_printf(b, "%zu %08x%08x", i + 1, s->uidvalidity, s->m[i].uid);
}

static void listing(struct popd_session *s, const struct pop3_command *c,
                    void (*put)(struct popd_session *, struct buf *, size_t))
{
    size_t n;
    uint64_t bytes;
    struct popd_message *one = c->has_number ? popd_message(s, c) : NULL;
    if (c->has_number && !one) return;
    buf_clear(&s->out);
    if (one) {
        buf_str(&s->out, "+OK ");
        put(s, &s->out, c->number - 1);
        buf_str(&s->out, "\r\n");
        popd_say(s);
        return;
    }
    totals(s, &n, &bytes);
    popd_ok(s, "%zu messages, %llu bytes", n, (unsigned long long)bytes);
    buf_clear(&s->out);
    for (size_t i = 0; i < s->n; i++) {
        if (!s->m[i].deleted) {
            put(s, &s->out, i);
            buf_str(&s->out, "\r\n");
        }
        if (s->out.n > POPD_CHUNK) {
            popd_say(s);
            buf_clear(&s->out);
            fiber_breathe();
        }
    }
    buf_str(&s->out, ".\r\n");
    popd_say(s);
}

void popd_list(struct popd_session *s, struct pop3_command *c) { listing(s, c, put_list); }
void popd_uidl(struct popd_session *s, struct pop3_command *c) { listing(s, c, put_uidl); }

/* ---- DELE, RSET, QUIT ---- */

void popd_dele(struct popd_session *s, struct pop3_command *c)
{
    struct popd_message *m = popd_message(s, c);
    if (!m) return;
    m->deleted = true;
    popd_ok(s, "message %u is gone after QUIT", c->number);
}

void popd_rset(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    for (size_t i = 0; i < s->n; i++) s->m[i].deleted = false;
    popd_ok(s, "nothing is marked as deleted");
}

/* Collects uids in steps and hands each step on. */
static int each_step(struct popd_session *s, bool deleted,
                     int (*act)(struct popd_session *s, const uint32_t *uid, size_t n))
{
    uint32_t uid[STEP];
    size_t n = 0;
    int e = 0;
    for (size_t i = 0; i < s->n && !e; i++) {
        const struct popd_message *m = &s->m[i];
        if (deleted ? m->deleted : !m->deleted && m->retrieved) uid[n++] = m->uid;
        if (n == STEP) {
            e = act(s, uid, n);
            n = 0;
        }
    }
    return n && !e ? act(s, uid, n) : e;
}

static int expunge(struct popd_session *s, const uint32_t *uid, size_t n)
{
    ar_reset(&s->cmd_a);
    return message_expunge(s->conf->store, popd_box(s), (struct uids){uid, n}, false, &s->cmd_a, NULL);
}

static int mark_seen(struct popd_session *s, const uint32_t *uid, size_t n)
{
    ar_reset(&s->cmd_a);
    return message_flags(s->conf->store, popd_box(s), (struct uids){uid, n},
                         &(struct flags_change){.op = FLAGS_ADD, .bits = FLAG_SEEN}, &s->cmd_a, NULL);
}

/* The UPDATE state (RFC 1939 section 6): only now is anything removed. */
void popd_quit(struct popd_session *s, struct pop3_command *c)
{
    (void)c;
    int e = 0;
    if (s->in) {
        e = each_step(s, true, expunge);
        if (!e && each_step(s, false, mark_seen))
            log_info(s->who, "messages fetched could not be marked as seen");
        popd_close_box(s);
    }
    if (e == ERR_UNKNOWN) { /* no answer: each would be a guess */
        log_error(s->who, "QUIT is not answered: %s", err_text(e));
    } else if (e) {
        log_warn(s->who, "deleted messages could not be removed: %s", err_text(e));
        popd_err(s, "SYS/TEMP", "some deleted messages could not be removed; they are still there");
    } else {
        popd_ok(s, "goodbye");
    }
    s->over = true;
}

bool popd_lock(struct popd_session *s)
{
    struct slice key = sl_cstr(s->account.id);
    lock_take(&s->server->lock);
    bool yes = !map_get(&s->server->open, key);
    if (yes) map_put(&s->server->open, key, s);
    lock_release(&s->server->lock);
    s->locked = yes;
    return yes;
}
