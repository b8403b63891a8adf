/* append.c - APPEND: messages stream from the connection into the store (RFC 9051 section
 * 6.3.12; several in one command by RFC 3502; literal8 by RFC 3516, UTF8 by RFC 6855); and REPLACE (RFC
 * 8508), which is an APPEND of one message in the place of another. */
#include <stdio.h>

#include "base/memory.h"
#include "imapd_i.h"
#include "mail/head.h"
#include "store/origin.h"
#include "wire/smtp.h"

enum { MESSAGES_MAX = 100 };

/* What stands before a message's literal: the command, and what it says of the message. */
struct append_head {
    bool replace;
    struct imap_set old; /* REPLACE: the message that goes */
    struct slice mailbox;
    struct imap_append options;
};

/* In the first `at` bytes of s->cmd. Tag and UID are put into the session. */
static void take_head(struct imapd_session *s, struct imap_in *in, size_t at, struct append_head *h)
{
    *h = (struct append_head){0};
    imap_in_init(in, &s->a, sl_sub(buf_slice(&s->cmd), 0, at), s->utf8);
    s->tag = imap_tag(in);
    imap_sp(in);
    s->uid = imap_skip_word(in, SL("UID"));
    if (s->uid) imap_sp(in);
    h->replace = s->state == IMAPD_SELECTED && imap_skip_word(in, SL("REPLACE"));
    if (!h->replace && (s->uid || !imap_skip_word(in, SL("APPEND"))))
        imap_fail(in, ERR_SYNTAX, "APPEND was expected");
    imap_sp(in);
    if (h->replace) {
        h->old = imap_set(in);
        if (h->old.saved || h->old.n != 1 || h->old.v[0].lo != h->old.v[0].hi)
            imap_fail(in, ERR_SYNTAX, "one message was expected");
        imap_sp(in);
    }
    h->mailbox = imap_mailbox(in);
    imap_sp(in);
    h->options = imap_append_options(in);
}

bool imapd_is_append(struct imapd_session *s, const struct imap_literal *l, size_t at)
{
    struct imap_in in;
    struct append_head h;
    (void)l;
    if (s->state == IMAPD_LOGGED_OUT) return false;
    take_head(s, &in, at, &h);
    return imap_done(&in) == 0;
}

void imapd_cmd_append(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    imap_mailbox(in);
    imap_sp(in);
    imap_append_options(in);
    if (!in->code) imap_fail(in, ERR_SYNTAX, "a message was expected");
    imapd_args_bad(s, in);
}

/* One with a message was seen by imapd_is_append(). */
void imapd_cmd_replace(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    imap_set(in);
    imapd_cmd_append(s, in);
}

/* The literal into the writer (dropped once `*failed`). < 0: the connection broke. */
static int receive(struct imapd_session *s, const struct imap_literal *l, struct body_writer *w,
                   struct mail_head_size *head, struct smtp_lines *lines, int *failed)
{
    uint64_t n = l->size;
    while (n) {
        struct slice have = conn_peek(s->c);
        if (have.n > n) have.n = (size_t)n;
        if (have.n) {
            mail_head_size_next(head, have);
            smtp_lines_feed(lines, have);
            if (!*failed && !l->binary && memchr(have.p, 0, have.n))
                *failed = err_set(ERR_SYNTAX, "only a literal8, ~{...}, may hold NUL");
            if (!*failed) *failed = body_write(w, have);
            conn_consume(s->c, have.n);
            n -= have.n;
            fiber_breathe();
            continue;
        }
        int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
        int r = conn_fill(s->c);
        deadline_restore(before);
        if (r < 0) return r;
    }
    return 0;
}

struct appending {
    struct imapd_place to;
    struct message_new *v;
    size_t n;
    struct imap_append options; /* of the message at hand */
    struct imap_literal literal;
    uint32_t replaced; /* uid of the message that goes, or 0 */
    int failed;        /* why nothing will be kept */
};

/* Why the message at hand will not be taken, before its bytes are asked for. */
static int refusal(struct imapd_session *s, const struct appending *p)
{
    uint64_t max = s->server->conf.append_max;
    if (p->literal.size > max)
        return err_set(ERR_TOO_LONG, "a message may have at most %llu bytes", (unsigned long long)max);
    if (p->literal.size == 0) return err_set(ERR_USAGE, "an empty message cannot be kept");
    if (p->n && p->replaced) return err_set(ERR_SYNTAX, "one message replaces another");
    if (p->n == MESSAGES_MAX)
        return err_set(ERR_LIMIT, "at most %d messages fit into one command", MESSAGES_MAX);
    if (memory_over())
        return err_set(ERR_BUSY, "there is no memory to spare for another message at this moment");
    return 0;
}

static void answer_failure(struct imapd_session *s, int e)
{
    if (e == ERR_TOO_LONG) imapd_no(s, "TOOBIG", "%s", err_text(e));
    else if (e == ERR_NOT_FOUND) imapd_no(s, "TRYCREATE", "there is no such mailbox");
    else if (e == ERR_SYNTAX) imapd_bad(s, "%s", err_text(e));
    else imapd_failed(s, e);
}

/* One message into the store's bodies. < 0: the connection broke; p->failed: it was not kept. */
static int take_message(struct imapd_session *s, struct appending *p)
{
    struct body_writer *w = NULL;
    struct mail_head_size head = {0};
    struct smtp_lines lines = {0};
    struct message_new *m = &p->v[p->n];
    p->failed = body_begin(s->server->conf.store->body, BODY_MAIL, &w);
    if (!p->literal.nonsync) imapd_write(s, SL("+ go ahead\r\n"));
    conn_set_min_rate(s->c, 100, IMAPD_READ);
    int r = receive(s, &p->literal, w, &head, &lines, &p->failed);
    conn_set_min_rate(s->c, 0, 0);
    if (r || p->failed) {
        if (w) body_abandon(&w);
        return r;
    }
    m->flags = p->options.flags.system & imapd_may_flag(p->to.rights);
    m->keyword = p->options.flags.keyword;
    m->nkeywords = p->to.rights & ACL_WRITE ? p->options.flags.n : 0;
    m->internal_date = p->options.has_date ? p->options.date : rt_wall_seconds();
    m->internal_zone = p->options.has_date ? p->options.zone : 0;
    m->size = body_written(w);
    m->by_lines = smtp_lines_end(&lines);
    m->head_size = head.size > UINT32_MAX ? 0 : (uint32_t)head.size;
    struct buf origin = BUF_INIT;
    p->failed = origin_message(&origin, p->to.account, &p->to.m, m);
    if (p->failed) body_abandon(&w);
    else p->failed = body_finish(&w, SL(""), buf_slice(&origin), &m->body);
    buf_free(&origin);
    p->n += !p->failed;
    return 0;
}

/* What follows a message: the end of the command (*more false), or the next one. */
static int after_message(struct imapd_session *s, struct appending *p, bool *more)
{
    struct imap_in in;
    struct slice line;
    int r = imapd_line(s, IMAPD_LINE_MAX, &line);
    *more = false;
    if (r == ERR_TOO_LONG || r == ERR_SYNTAX) p->failed = r;
    if (r) return p->failed ? 0 : r;
    line = ar_dup(&s->a, line);
    *more = imap_line_literal(line, &p->literal);
    imap_in_init(&in, &s->a, *more ? sl_sub(line, 0, p->literal.at) : line, s->utf8);
    if (p->options.utf8) imap_need(&in, ')');
    if (*more) {
        imap_sp(&in);
        p->options = imap_append_options(&in);
    }
    if (!p->failed) p->failed = imap_done(&in);
    if (*more && !p->failed) p->failed = refusal(s, p);
    return 0;
}

/* A refused message that is on its way all the same, and all that follows it. */
static int drop_messages(struct imapd_session *s, struct appending *p)
{
    for (bool more = true; more && p->literal.nonsync;) {
        if (p->literal.size > s->server->conf.append_max) {
            imapd_bye(s, "TOOBIG", "the message is too large");
            return 0;
        }
        int r = imapd_swallow(s, p->literal.size);
        if (!r) r = after_message(s, p, &more);
        if (r) return r;
    }
    return 0;
}

/* RFC 8508 section 3.2: the code is told before the message goes. */
static int keep_replacing(struct imapd_session *s, struct appending *p)
{
    uint32_t uidvalidity, uid;
    struct store *store = s->server->conf.store;
    int r;
    if (strcmp(p->to.account, s->view->acc) == 0) {
        struct mailbox_ref from = imapd_box(s);
        from.guest = imapd_guest(s, from.account, (struct imapd_need){from.box, ACL_MARK | ACL_EXPUNGE},
                                 (struct imapd_need){p->to.m.id, ACL_INSERT});
        r = message_replace(store, from, p->replaced, p->to.m.id, p->v, &uidvalidity, &uid);
    } else { /* nothing spans two accounts: it comes first, and then the old one goes */
        r = message_append(store, imapd_acting(s, p->to.account, p->to.m.id, ACL_INSERT), p->v, 1,
                           &uidvalidity, &uid);
        if (!r)
            r = message_expunge(store, imapd_acting(s, s->view->acc, s->view->box, ACL_MARK | ACL_EXPUNGE),
                                (struct uids){&p->replaced, 1}, false, &s->a, NULL);
    }
    if (r) return r;
    imapd_untagged(s, "OK [APPENDUID %u %u] this is the new one", uidvalidity, uid);
    s->news = true;
    imapd_ok(s, NULL, "replaced");
    return 0;
}

static int keep_messages(struct imapd_session *s, struct appending *p)
{
    uint32_t uidvalidity, uid;
    if (p->replaced) return keep_replacing(s, p);
    int r = message_append(s->server->conf.store, imapd_acting(s, p->to.account, p->to.m.id, ACL_INSERT),
                           p->v, p->n, &uidvalidity, &uid);
    if (r) return r;
    char code[80];
    int n = snprintf(code, sizeof code, "APPENDUID %u %u", uidvalidity, uid);
    if (p->n > 1) snprintf(code + n, sizeof code - (size_t)n, ":%u", uid + (uint32_t)p->n - 1);
    if (s->view && s->view->box == p->to.m.id && strcmp(s->view->acc, p->to.account) == 0) s->news = true;
    imapd_ok(s, code, "appended");
    return 0;
}

/* Takes messages until the command ends or one is refused. */
static int take_messages(struct imapd_session *s, struct appending *p)
{
    for (bool more = true; more && !p->failed;) {
        int r = take_message(s, p);
        if (!r) r = after_message(s, p, &more);
        if (r) return r;
        if (p->failed && more) { /* answered before the client sends what it announced */
            answer_failure(s, p->failed);
            return drop_messages(s, p);
        }
    }
    if (!p->failed) p->failed = keep_messages(s, p);
    if (p->failed) answer_failure(s, p->failed);
    return 0;
}

/* Which message REPLACE names. ERR_NOT_FOUND, ERR_DENIED. */
static int find_replaced(struct imapd_session *s, struct imap_set set, uint32_t *uid)
{
    size_t n = s->told;
    if (s->read_only) return err_set(ERR_DENIED, "the mailbox was opened by EXAMINE");
    int e = imapd_rights_now(s);
    if (!e) e = acl_allow(s->rights, ACL_MARK | ACL_EXPUNGE);
    if (e) return e;
    imap_set_fix(&set, !n ? 1 : s->uid ? view_at(s->view, n - 1).uid : (uint32_t)n);
    uint32_t named = set.v[0].lo;
    size_t at = s->uid ? view_find(s->view, named) : named - 1;
    if (at >= n || view_at(s->view, at).gone)
        return err_set(ERR_STATE, "there is no such message to be replaced");
    *uid = view_at(s->view, at).uid;
    return 0;
}

int imapd_append(struct imapd_session *s, const struct imap_literal *l, size_t at)
{
    struct imap_in in;
    struct append_head h;
    struct appending p = {.literal = *l};
    s->may_expunge = true;
    take_head(s, &in, at, &h);
    p.options = h.options;
    p.v = ar_array(&s->a, struct message_new, MESSAGES_MAX);
    p.failed = refusal(s, &p);
    if (h.replace && s->uidonly && !s->uid) {
        imapd_uid_required(s);
        return drop_messages(s, &p);
    }
    if (!p.failed && h.replace) p.failed = find_replaced(s, h.old, &p.replaced);
    if (!p.failed) p.failed = imapd_find(s, h.mailbox, ACL_INSERT, &p.to);
    if (p.failed) {
        answer_failure(s, p.failed);
        return drop_messages(s, &p);
    }
    int r = take_messages(s, &p);
    for (size_t i = 0; i < p.n && p.failed != ERR_UNKNOWN;
         i++) /* else a row that nobody sees may name them */
        body_unpin(s->server->conf.store->body, &p.v[i].body);
    return r;
}
