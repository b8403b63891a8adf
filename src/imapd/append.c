/* append.c - APPEND: messages stream from the connection into the store (RFC 9051 section
 * 6.3.12; several in one command by RFC 3502; literal8 by RFC 3516, UTF8 by RFC 6855; pieces of messages that
 * are there already by CATENATE, RFC 4469); and REPLACE (RFC 8508), which is an APPEND of one message in the
 * place of another. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "imapd_i.h"
#include "mail/head.h"
#include "reader/reader.h"
#include "store/origin.h"
#include "wire/smtp.h"

enum {
    MESSAGES_MAX = 100,
    PIECES_MAX = 1000,
    TOGETHER_MAX = 32,          /* bodies of a command that are made durable together, */
    TOGETHER_BYTES = 256 * 1024 /* and so much of them: what a session holds meanwhile */
};

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
    *in = imapd_in(s, &s->a, sl_sub(buf_slice(&s->cmd), 0, at));
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

/* Does the text end where a message's literal comes? That of a URL belongs to the text. */
static bool ends_at_literal(struct imap_in *in, struct imap_append o)
{
    while (o.catenate) {
        struct imap_piece p = {.kind = IMAP_PIECE_URL};
        for (bool first = true; !in->code && p.kind == IMAP_PIECE_URL; first = false)
            p = imap_append_piece(in, first);
        if (in->code || p.kind == IMAP_PIECE_TEXT) break;
        imap_sp(in);
        o = imap_append_options(in);
    }
    return imap_done(in) == 0;
}

bool imapd_is_append(struct imapd_session *s, const struct imap_literal *l, size_t at)
{
    struct imap_in in;
    struct append_head h;
    (void)l;
    if (s->state == IMAPD_LOGGED_OUT) return false;
    take_head(s, &in, at, &h);
    return ends_at_literal(&in, h.options);
}

/* One with a literal was seen by imapd_is_append(). */
void imapd_cmd_append(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    imap_mailbox(in);
    imap_sp(in);
    struct imap_append o = imap_append_options(in);
    if (!in->code && !o.catenate) imap_fail(in, ERR_SYNTAX, "a message was expected");
    if (in->code) imapd_args_bad(s, in);
    else if (imapd_append(s, NULL, s->cmd.n)) s->over = true;
}

void imapd_cmd_replace(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    imap_set(in);
    imapd_cmd_append(s, in);
}

/* A body that is whole, and waits to be made durable with others. */
struct whole {
    struct appending *p;
    struct body_writer *w;
    struct buf origin;
    struct body_ref *ref;
};

struct appending {
    struct imapd_session *s;
    struct imapd_place to;
    struct slice given; /* its name as the client wrote it */
    struct message_new *v;
    size_t n, pieces;
    struct whole whole[TOGETHER_MAX]; /* the last ones of v */
    size_t nwhole;
    uint64_t whole_bytes;
    char why[ERR_TEXT_MAX]; /* the first of them that failed did */
    uint32_t replaced;      /* uid of the message that goes, or 0 */
    int failed;             /* why nothing will be kept */
    struct slice bad_url;
    /* what came of the command and was not looked at: text, and a literal behind it when `announced` */
    struct imap_in in;
    struct imap_literal literal;
    bool announced;
    /* the message at hand */
    struct imap_append options;
    struct imap_annotations *noted; /* of each of v */
    int annotate_failed;            /* `failed` is about them */
    struct body_writer *w;
    struct mail_head_size head;
    struct smtp_lines lines;
};

/* Bytes of the message at hand; dropped once something failed. */
static void put_bytes(struct appending *p, struct slice bytes)
{
    uint64_t max = p->s->server->conf.append_max;
    mail_head_size_next(&p->head, bytes);
    smtp_lines_feed(&p->lines, bytes);
    if (!p->failed && body_written(p->w) + bytes.n > max)
        p->failed = err_set(ERR_TOO_LONG, "a message may have at most %llu bytes", (unsigned long long)max);
    if (!p->failed) p->failed = body_write(p->w, bytes);
}

/* < 0: the connection broke. */
static int receive(struct appending *p)
{
    struct imapd_session *s = p->s;
    uint64_t n = p->literal.size;
    while (n) {
        struct slice have = conn_peek(s->c);
        if (have.n > n) have.n = (size_t)n;
        if (have.n) {
            if (!p->failed && !p->literal.binary && memchr(have.p, 0, have.n))
                p->failed = err_set(ERR_SYNTAX, "only a literal8, ~{...}, may hold NUL");
            put_bytes(p, have);
            imapd_got(s, have);
            conn_consume(s->c, have.n);
            n -= have.n;
            fiber_breathe();
            continue;
        }
        int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
        int e = conn_fill(s->c);
        deadline_restore(before);
        if (e < 0) return e;
    }
    imapd_got_all(s, p->literal.size);
    return 0;
}

/* Why the literal that is announced will not be taken, before its bytes are asked for. */
static int refusal(const struct appending *p)
{
    uint64_t max = p->s->server->conf.append_max;
    if (p->literal.size > max)
        return err_set(ERR_TOO_LONG, "a message may have at most %llu bytes", (unsigned long long)max);
    if (p->literal.size == 0 && !p->options.catenate)
        return err_set(ERR_USAGE, "an empty message cannot be kept");
    if (memory_over())
        return err_set(ERR_BUSY, "there is no memory to spare for another message at this moment");
    return 0;
}

static int too_many(const struct appending *p)
{
    if (p->n && p->replaced) return err_set(ERR_SYNTAX, "one message replaces another");
    if (p->n < MESSAGES_MAX) return 0;
    return err_set(ERR_LIMIT, "at most %d messages fit into one command", MESSAGES_MAX);
}

/* The code holds text without "]" (RFC 4469 section 5). */
static void answer_bad_url(struct imapd_session *s, struct slice url, int e)
{
    struct slice shown = printable(&s->a, url, 500);
    char *code = ar_cstr(&s->a, ar_cat(&s->a, SL("BADURL "), shown));
    for (char *c = code; *c; c++)
        if (*c == ']' || (unsigned char)*c > 126) *c = '?';
    imapd_no(s, code, "%s", err_text(e));
}

static void answer_failure(const struct appending *p)
{
    struct imapd_session *s = p->s;
    int e = p->failed;
    if (e && e == p->annotate_failed) imapd_annotate_failed(s, e);
    else if (p->bad_url.n) answer_bad_url(s, p->bad_url, e);
    else if (e == ERR_TOO_LONG) imapd_no(s, "TOOBIG", "%s", err_text(e));
    else if (e == ERR_NOT_FOUND) imapd_no(s, "TRYCREATE", "there is no such mailbox");
    else if (e == ERR_SYNTAX) imapd_bad(s, "%s", err_text(e));
    else imapd_failed(s, e);
}

/* ---- the text of the command ---- */

static bool ends_in_url(struct slice text)
{
    return sl_endsi(text, SL(" URL ")) || sl_endsi(text, SL("(URL "));
}

/* The literal of a URL or an annotation, into the text. < 0: the connection broke. */
static int gather_literal(struct appending *p, struct buf *text, bool url)
{
    struct imapd_session *s = p->s;
    if (url ? p->literal.binary || p->literal.size > IMAP_URL_MAX : p->literal.size > IMAPD_LITERAL_MAX) {
        p->failed = err_set(ERR_SYNTAX, url ? "the URL is too long" : "the annotation is too long");
        return 0;
    }
    if (!p->literal.nonsync) imapd_write(s, SL("+ go ahead\r\n"));
    buf_str(text, "\r\n");
    char *to = buf_space(text, p->literal.size + 1);
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    int e = conn_read(s->c, to, p->literal.size);
    deadline_restore(before);
    text->n += e ? 0 : p->literal.size;
    return e;
}

/* Is it a value in the options of the next message that comes? */
static bool ends_in_annotation(struct appending *p, struct slice text)
{
    while (text.n && (text.p[0] == ')' || text.p[0] == ' ')) text = sl_from(text, 1);
    struct imap_in in = imapd_in(p->s, &p->s->a, text);
    return in.annotate && imap_append_options(&in).annotations.open;
}

static int gather_text(struct appending *p, struct buf *text, size_t *end)
{
    for (;;) {
        struct slice line;
        size_t start = text->n;
        int e = imapd_line(p->s, IMAPD_LINE_MAX, &line);
        if (e == ERR_TOO_LONG || e == ERR_SYNTAX) {
            p->failed = e;
            return 0;
        }
        if (e) return e;
        buf_put(text, line);
        *end = text->n;
        p->announced = imap_line_literal(line, &p->literal);
        if (!p->announced) return 0;
        *end = start + p->literal.at;
        bool url = ends_in_url(sl_sub(line, 0, p->literal.at));
        if (p->failed || (!url && !ends_in_annotation(p, sl_sub(buf_slice(text), 0, *end)))) return 0;
        if (text->n > IMAPD_COMMAND_MAX) p->failed = err_set(ERR_LIMIT, "the command is too long");
        else e = gather_literal(p, text, url);
        if (e || p->failed) return e;
        p->announced = false;
    }
}

/* What follows a literal: up to the next one, or to the end of the command. < 0: the connection broke. */
static int next_text(struct appending *p)
{
    struct buf text = BUF_INIT;
    size_t end = 0;
    p->announced = false;
    int e = gather_text(p, &text, &end);
    p->in = imapd_in(p->s, &p->s->a, ar_dup(&p->s->a, sl_sub(buf_slice(&text), 0, end)));
    buf_free(&text);
    return e;
}

/* A refused message that is on its way all the same, and all that follows it. */
static int drop_messages(struct appending *p)
{
    while (p->announced && p->literal.nonsync) {
        if (p->literal.size > p->s->server->conf.append_max) {
            imapd_bye(p->s, "TOOBIG", "the message is too large");
            return 0;
        }
        int e = imapd_swallow(p->s, p->literal.size);
        if (!e) e = next_text(p);
        if (e) return e;
    }
    return 0;
}

/* ---- a message ---- */

/* The literal that is announced, into the message. < 0: the connection broke; p->failed: it was refused. */
static int take_literal(struct appending *p)
{
    p->failed = imap_done(&p->in);
    if (!p->failed && !p->announced) p->failed = err_set(ERR_SYNTAX, "a literal was expected");
    if (!p->failed) p->failed = refusal(p);
    if (p->failed) return 0;
    if (!p->literal.nonsync) imapd_write(p->s, SL("+ go ahead\r\n"));
    conn_set_min_rate(p->s->c, 100, IMAPD_READ);
    int e = receive(p);
    conn_set_min_rate(p->s->c, 0, 0);
    return e ? e : next_text(p);
}

static int put_piece(void *arg, struct slice bytes)
{
    struct appending *p = arg;
    put_bytes(p, bytes);
    return p->failed;
}

/* RFC 4469 section 3: only what the client may read itself, by a URL relative to where it is. */
static int take_url(struct appending *p, struct slice url)
{
    struct imap_url u;
    struct imapd_named n;
    int e = imap_url_parse(&p->s->a, url, &u);
    if (!e && (u.absolute || u.access))
        e = err_set(ERR_SYNTAX, "the URL must be of a message on this server");
    if (!e) {
        e = imapd_url_open(p->s, &u, &n);
        if (!e) e = imapd_url_read(&n, put_piece, p);
        imapd_url_close(&n);
    }
    if (e == ERR_SYNTAX || e == ERR_NOT_FOUND || e == ERR_DENIED) p->bad_url = url;
    return e;
}

static int take_pieces(struct appending *p)
{
    int e = 0;
    for (bool first = true; !e && !p->failed; first = false) {
        struct imap_piece piece = imap_append_piece(&p->in, first);
        if (p->in.code) p->failed = imap_done(&p->in);
        else if (piece.kind == IMAP_PIECE_END) return 0;
        else if (++p->pieces > PIECES_MAX)
            p->failed = err_set(ERR_LIMIT, "at most %d pieces fit into one command", PIECES_MAX);
        else if (piece.kind == IMAP_PIECE_URL) p->failed = take_url(p, piece.url);
        else e = take_literal(p);
        if (piece.utf8 && !e && !p->failed) imap_need(&p->in, ')');
    }
    return e;
}

/* ---- what is durable together ---- */

static void make_durable(void *arg)
{
    struct whole *x = arg;
    int e = body_finish(&x->w, SL(""), buf_slice(&x->origin), x->ref);
    if (!e || x->p->failed) return;
    x->p->failed = e;
    snprintf(x->p->why, sizeof x->p->why, "%s", err_text(e)); /* this fiber's own */
}

/* Each in a fiber of its own, so that they share the sync (RFC 3502: none is kept unless all are). */
static void make_all_durable(struct appending *p)
{
    struct group g;
    group_init(&g);
    for (size_t i = 0; i < p->nwhole; i++) {
        bool last = i + 1 == p->nwhole;
        if (last || group_go(&g, "appended body", make_durable, &p->whole[i])) make_durable(&p->whole[i]);
    }
    int e = group_wait(&g);
    for (size_t i = 0; i < p->nwhole; i++) buf_free(&p->whole[i].origin);
    p->failed = p->failed ? err_set(p->failed, "%s", p->why) : e;
    p->nwhole = 0;
    p->whole_bytes = 0;
}

static void abandon_all(struct appending *p)
{
    for (size_t i = 0; i < p->nwhole; i++) {
        body_abandon(&p->whole[i].w);
        buf_free(&p->whole[i].origin);
    }
    p->nwhole = 0;
}

static void end_message(struct appending *p)
{
    struct message_new *m = &p->v[p->n];
    m->flags = p->options.flags.system & imapd_may_flag(p->to.rights);
    m->keyword = p->options.flags.keyword;
    m->nkeywords = p->to.rights & ACL_WRITE ? p->options.flags.n : 0;
    m->internal_date = p->options.has_date ? p->options.date : rt_wall_seconds();
    m->internal_zone = p->options.has_date ? p->options.zone : 0;
    m->size = body_written(p->w);
    m->by_lines = smtp_lines_end(&p->lines);
    m->head_size = p->head.size > UINT32_MAX ? 0 : (uint32_t)p->head.size;
    p->noted[p->n] = p->options.annotations;
    struct whole *x = &p->whole[p->nwhole];
    *x = (struct whole){.p = p, .w = p->w, .origin = BUF_INIT, .ref = &m->body};
    p->failed = m->size ? origin_message(&x->origin, p->to.account, &p->to.m, m)
                        : err_set(ERR_USAGE, "an empty message cannot be kept");
    p->nwhole++;
    p->n++;
    p->whole_bytes += m->size;
    if (!p->failed && (p->nwhole == TOGETHER_MAX || p->whole_bytes >= TOGETHER_BYTES)) make_all_durable(p);
}

/* One message into the store's bodies. < 0: the connection broke; p->failed: it was not kept. */
static int take_message(struct appending *p)
{
    int e = 0;
    p->head = (struct mail_head_size){0};
    p->lines = (struct smtp_lines){0};
    p->failed = p->annotate_failed =
        p->in.code ? 0
                   : imapd_annotations_new(p->s, &p->options.annotations, p->to.rights, &p->v[p->n].remarks);
    if (!p->failed) p->failed = body_begin(p->s->server->conf.store->body, BODY_MAIL, &p->w);
    if (p->failed) return 0;
    if (p->options.catenate) e = take_pieces(p);
    else e = take_literal(p);
    if (p->options.utf8 && !e && !p->failed) imap_need(&p->in, ')');
    if (!e && !p->failed && p->in.code) p->failed = imap_done(&p->in);
    if (e || p->failed) body_abandon(&p->w);
    else end_message(p);
    return e;
}

/* RFC 8508 section 3.2: the code is told before the message goes. */
static int keep_replacing(struct appending *p)
{
    struct imapd_session *s = p->s;
    uint32_t uidvalidity, uid;
    struct store *store = s->server->conf.store;
    int e;
    if (strcmp(p->to.account, s->view->acc) == 0) {
        struct mailbox_ref from = imapd_box(s);
        from.guest = imapd_guest(s, from.account, (struct imapd_need){from.box, ACL_MARK | ACL_EXPUNGE},
                                 (struct imapd_need){p->to.m.id, ACL_INSERT});
        e = message_replace(store, from, p->replaced, p->to.m.id, p->v, &uidvalidity, &uid);
    } else { /* nothing spans two accounts: it comes first, and then the old one goes */
        e = message_append(store, imapd_acting(s, p->to.account, p->to.m.id, ACL_INSERT), p->v, 1,
                           &uidvalidity, &uid);
        if (!e)
            e = message_expunge(store, imapd_acting(s, s->view->acc, s->view->box, ACL_MARK | ACL_EXPUNGE),
                                (struct uids){&p->replaced, 1}, false, &s->a, NULL);
    }
    if (e) return e;
    imapd_untagged(s, "OK [APPENDUID %u %u] this is the new one", uidvalidity, uid);
    s->news = true;
    imapd_ok(s, NULL, "replaced");
    return 0;
}

/* An annotation of a part needs one (RFC 5257 section 3.2.1). */
static int check_parts(struct appending *p)
{
    int e = 0;
    for (size_t i = 0; i < p->n && !e; i++) {
        struct message m = {.body = p->v[i].body, .size = p->v[i].size, .head_size = p->v[i].head_size};
        struct mailbox_ref box = {.account = p->to.account, .box = p->to.m.id};
        struct reader *rd = NULL;
        if (!p->v[i].remarks.n) continue;
        e = reader_open(&rd, p->s->server->conf.store, box, 1, &m);
        if (!e) e = imapd_annotated_parts(rd, &p->noted[i]);
        reader_close(&rd);
    }
    return e;
}

static int keep_messages(struct appending *p)
{
    struct imapd_session *s = p->s;
    uint32_t uidvalidity, uid;
    int parts = check_parts(p);
    if (parts) return parts;
    if (p->replaced) return keep_replacing(p);
    int e = message_append(s->server->conf.store, imapd_acting(s, p->to.account, p->to.m.id, ACL_INSERT),
                           p->v, p->n, &uidvalidity, &uid);
    if (e) return e;
    char code[80];
    int n = snprintf(code, sizeof code, "APPENDUID %u %u", uidvalidity, uid);
    if (p->n > 1) snprintf(code + n, sizeof code - (size_t)n, ":%u", uid + (uint32_t)p->n - 1);
    if (imapd_is_selected(s, p->to.account, p->to.m.id)) s->news = true;
    imapd_tell_changed_name(s, "", p->to.shown, p->given);
    imapd_ok(s, code, "appended");
    return 0;
}

/* Takes messages until the command ends or one is refused. */
static int take_messages(struct appending *p)
{
    for (bool more = true; more && !p->failed;) {
        int e = take_message(p);
        if (e) return e;
        more = !p->failed && (imap_more(&p->in) || p->announced);
        if (!more) break;
        imap_sp(&p->in);
        p->options = imap_append_options(&p->in);
        p->failed = too_many(p);
    }
    if (!p->failed) make_all_durable(p);
    if (!p->failed) p->failed = keep_messages(p);
    if (!p->failed) return 0;
    answer_failure(p); /* before the client sends what it announced */
    return drop_messages(p);
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
    struct append_head h;
    struct appending p = {.s = s, .announced = l != NULL};
    if (l) p.literal = *l;
    s->may_expunge = true;
    take_head(s, &p.in, at, &h);
    if (l) imapd_heard_append(s);
    p.options = h.options;
    p.given = h.mailbox;
    p.v = ar_array(&s->a, struct message_new, MESSAGES_MAX);
    p.noted = ar_array(&s->a, struct imap_annotations, MESSAGES_MAX);
    if (h.replace && s->uidonly && !s->uid) {
        imapd_uid_required(s);
        return drop_messages(&p);
    }
    if (l && !h.options.catenate) p.failed = refusal(&p);
    if (!p.failed && h.replace) p.failed = find_replaced(s, h.old, &p.replaced);
    if (!p.failed) p.failed = imapd_find(s, h.mailbox, ACL_INSERT, &p.to);
    if (p.failed) {
        answer_failure(&p);
        return drop_messages(&p);
    }
    int e = take_messages(&p);
    abandon_all(&p);
    for (size_t i = 0; i < p.n && p.failed != ERR_UNKNOWN;
         i++) /* else a row that nobody sees may name them */
        if (p.v[i].body.s[0]) body_unpin(s->server->conf.store->body, &p.v[i].body);
    return e;
}
