/* append.c - APPEND: a message streams from the connection into the store (RFC 9051 6.3.12). */
#include <stdio.h>

#include "imapd_i.h"

bool im_is_append(struct im *s, const struct imap_literal *l, size_t at)
{
    struct imap_in in;
    (void)l;
    if (s->state == IM_LOGGED_OUT) return false;
    imap_in_init(&in, &s->a, sl_sub(buf_slice(&s->cmd), 0, at), s->utf8);
    imap_tag(&in);
    imap_sp(&in);
    if (!imap_skip_word(&in, SL("APPEND"))) return false;
    imap_sp(&in);
    imap_append_args(&in);
    return imap_done(&in) == 0;
}

void im_cmd_append(struct im *s, struct imap_in *in)
{
    imap_sp(in);
    imap_append_args(in);
    if (!in->code) imap_fail(in, ERR_SYNTAX, "a message was expected");
    im_args_bad(s, in);
}

/* Where the header section ends: after the first empty line. */
struct head_end {
    uint64_t at, size; /* size: 0 until it is found */
    bool line, cr;     /* line: the line at hand has bytes */
};

static void find_head_end(struct head_end *h, struct slice in)
{
    for (size_t i = 0; i < in.n && !h->size; i++) {
        char c = in.p[i];
        h->at++;
        if (c == '\n') {
            if (!h->line) h->size = h->at;
            h->line = h->cr = false;
        } else {
            h->line |= h->cr || c != '\r';
            h->cr = c == '\r';
        }
    }
}

/* The literal into the writer (dropped once `*failed`). < 0: the connection broke. */
static int receive(struct im *s, uint64_t n, struct body_writer *w, struct head_end *head, int *failed)
{
    while (n) {
        struct slice have = conn_peek(s->c);
        if (have.n > n) have.n = (size_t)n;
        if (have.n) {
            find_head_end(head, have);
            if (!*failed) *failed = body_write(w, have);
            conn_consume(s->c, have.n);
            n -= have.n;
            fiber_breathe();
            continue;
        }
        int64_t before = deadline_narrow(DEADLINE_IN(IM_READ));
        int r = conn_fill(s->c);
        deadline_restore(before);
        if (r < 0) return r;
    }
    return 0;
}

static int put_message(struct im *s, const struct imap_append *p, const struct mailbox *m, const struct body_ref *ref,
                       const struct head_end *head)
{
    struct store *store = s->server->conf.store;
    struct message_new n = {
        .flags = p->flags.system,
        .keyword = p->flags.keyword,
        .nkeywords = p->flags.n,
        .internal_date = p->has_date ? p->date : rt_wall_seconds(),
        .size = body_ref_size(ref),
        .head_size = head->size > UINT32_MAX ? 0 : (uint32_t)head->size,
        .body = *ref,
    };
    uint32_t uidvalidity, uid;
    int r = message_append(store, s->account, m->id, &n, 1, &uidvalidity, &uid);
    body_unpin(store->body, ref);
    if (r) {
        im_failed(s, r);
        return r;
    }
    char code[64];
    snprintf(code, sizeof code, "APPENDUID %u %u", uidvalidity, uid);
    if (s->view && s->view->box == m->id) s->news = true;
    im_ok(s, code, "appended");
    return 0;
}

/* Why the message will not be taken, before its bytes are asked for; 0 = it will. */
static int refuse(struct im *s, const struct imap_append *p, const struct imap_literal *l, struct mailbox *m)
{
    if (l->size > s->server->conf.append_max)
        return err_set(ERR_TOO_LONG, "a message may have at most %llu bytes", (unsigned long long)s->server->conf.append_max);
    if (l->size == 0) return err_set(ERR_USAGE, "an empty message cannot be kept");
    return mailbox_find(s->server->conf.store, s->account, p->mailbox, &s->a, m);
}

static void answer_refusal(struct im *s, int e)
{
    if (e == ERR_TOO_LONG) im_no(s, "TOOBIG", "%s", err_text(e));
    else if (e == ERR_NOT_FOUND) im_no(s, "TRYCREATE", "there is no such mailbox");
    else im_failed(s, e);
}

/* The line after the literal must be empty. */
static int end_of_command(struct im *s, bool *bad)
{
    struct slice rest;
    int r = im_line(s, IM_LINE_MAX, &rest);
    *bad = r || rest.n;
    return r == ERR_TOO_LONG || r == ERR_SYNTAX ? 0 : r;
}

/* A refused message that is on its way all the same. */
static int drop_message(struct im *s, const struct imap_literal *l)
{
    bool bad;
    if (!l->nonsync) return 0;
    if (l->size > s->server->conf.append_max) {
        im_bye(s, "TOOBIG", "the message is too large");
        return 0;
    }
    int r = im_swallow(s, l->size);
    return r ? r : end_of_command(s, &bad);
}

static int take_message(struct im *s, const struct imap_append *p, const struct imap_literal *l, const struct mailbox *m)
{
    struct body_writer *w = NULL;
    struct body_ref ref;
    struct head_end head = {0};
    bool bad;
    int failed = body_begin(s->server->conf.store->body, BODY_MAIL, &w);
    if (!l->nonsync) im_write(s, SL("+ go ahead\r\n"));
    conn_set_min_rate(s->c, 100, 60 * RT_S);
    int r = receive(s, l->size, w, &head, &failed);
    if (!r) r = end_of_command(s, &bad);
    conn_set_min_rate(s->c, 0, 0);
    if (r || bad || failed) {
        if (w) body_abandon(&w);
        if (!r && failed) im_failed(s, failed);
        else if (!r) im_bad(s, "nothing may follow the message");
        return r;
    }
    failed = body_finish(&w, SL(""), &ref);
    if (failed) im_failed(s, failed);
    else put_message(s, p, m, &ref, &head);
    return 0;
}

int im_append(struct im *s, const struct imap_literal *l, size_t at)
{
    struct imap_in in;
    struct mailbox m;
    imap_in_init(&in, &s->a, sl_sub(buf_slice(&s->cmd), 0, at), s->utf8);
    s->tag = imap_tag(&in);
    s->uid = false;
    s->may_expunge = true;
    imap_sp(&in);
    (void)imap_atom(&in);
    imap_sp(&in);
    struct imap_append p = imap_append_args(&in);
    int r = l->binary ? err_set(ERR_UNSUPPORTED, "literal8 is not supported") : refuse(s, &p, l, &m);
    if (r) {
        answer_refusal(s, r);
        return drop_message(s, l);
    }
    return take_message(s, &p, l, &m);
}
