/* url.c - what a URL names (RFC 5092), and URLs by which a user lets others read a message: GENURLAUTH,
 * URLFETCH, RESETKEY (RFC 4467), and what submission takes by them (RFC 4468). */
#include <stdio.h>

#include "base/log.h"
#include "imapd_i.h"
#include "reader/reader.h"
#include "store/urlkey.h"

/* ---- the bytes ---- */

static int find_box(struct imapd_session *s, const struct imap_url *u, struct imapd_place *out)
{
    if (u->mailbox.n) return imapd_find(s, u->mailbox, ACL_READ, out);
    if (!s->view) return err_set(ERR_NOT_FOUND, "the URL names no mailbox, and none is selected");
    *out = (struct imapd_place){.rights = s->rights};
    snprintf(out->account, sizeof out->account, "%s", s->view->acc);
    int e = imapd_rights_now(s);
    return e ? e : mailbox_get(s->server->conf.store, s->view->acc, s->view->box, &s->a, &out->m);
}

static int open_part(const struct imap_url *u, struct imapd_named *n)
{
    n->is_made = u->part.nfields > 0;
    int e = n->is_made ? imapd_section_fields(n->reader, &u->part, &n->a, &n->made)
                       : imapd_section_find(n->reader, &u->part, &n->where);
    if (!e) n->where = imapd_section_cut(n->where, &u->part);
    n->size = n->is_made ? n->made.n : n->where.size;
    return e;
}

int imapd_url_open(struct imapd_session *s, const struct imap_url *u, struct imapd_named *out)
{
    struct imapd_place p;
    *out = (struct imapd_named){0};
    ar_init(&out->a, 0);
    int e = find_box(s, u, &p);
    if (e) return e;
    if (u->uidvalidity && u->uidvalidity != p.m.uidvalidity)
        return err_set(ERR_NOT_FOUND, "the mailbox has another UIDVALIDITY");
    struct mailbox_ref box = {.account = ar_cstr(&s->a, sl_cstr(p.account)), .box = p.m.id};
    e = reader_open(&out->reader, s->server->conf.store, box, u->uid, NULL);
    if (!e) e = open_part(u, out);
    if (e) imapd_url_close(out);
    return e;
}

int imapd_url_read(struct imapd_named *n, int (*each)(void *arg, struct slice piece), void *arg)
{
    if (n->is_made) return each(arg, n->made);
    return reader_span(n->reader, (struct reader_span){n->where.within, n->where.at, n->where.size}, each,
                       arg);
}

void imapd_url_close(struct imapd_named *n)
{
    reader_close(&n->reader);
    ar_free(&n->a);
}

/* ---- who may ---- */

/* The URL counts with the rights that its owner has at this moment (section 7, URLFETCH): a session in name
 * only stands for the owner. */
struct owner {
    struct imapd_session s;
    struct account acc;
};

/* ERR_NOT_FOUND, ERR_DENIED. */
static int owner_begin(struct imapd *d, struct slice user, struct owner *o)
{
    *o = (struct owner){.s = {.server = d, .state = IMAPD_AUTH}};
    ar_init(&o->s.a, IMAPD_MEMORY);
    int e = account_get(d->conf.store->directory, &o->s.a, user, &o->acc);
    if (!e && o->acc.disabled) e = err_set(ERR_DENIED, "the account is disabled");
    if (e) return e;
    snprintf(o->s.account, sizeof o->s.account, "%s", o->acc.id);
    o->s.address = ar_cstr(&o->s.a, o->acc.address);
    return 0;
}

static void owner_end(struct owner *o) { ar_free(&o->s.a); }

/* ERR_DENIED: another one has the address, or nobody; else why that cannot be told now. */
static int is_account(struct imapd *d, struct arena *a, struct slice address, const char *id)
{
    struct account acc;
    int e = account_get(d->conf.store->directory, a, address, &acc);
    if (e && e != ERR_NOT_FOUND && e != ERR_SYNTAX) return e;
    return e || strcmp(acc.id, id) != 0 ? err_set(ERR_DENIED, "the URL is for somebody else") : 0;
}

/* Is this account the one that the URL's access identifier admits? submit: on the way to submission. */
static int admits(struct imapd *d, struct arena *a, const struct imap_url *u, const char *account,
                  bool submit)
{
    switch (u->access) {
    case IMAP_ACCESS_USER: return is_account(d, a, u->who, account);
    case IMAP_ACCESS_AUTHUSER:
    case IMAP_ACCESS_ANONYMOUS: return 0;
    case IMAP_ACCESS_SUBMIT:
        if (submit) return is_account(d, a, u->who, account);
        break;
    default: break;
    }
    return err_set(ERR_DENIED, "the URL is for somebody else");
}

/* Section 6. A mailbox that cannot be found costs as much as a wrong token. */
static int check(struct owner *o, const struct imap_url *u)
{
    struct imapd_place p;
    struct store *store = o->s.server->conf.store;
    int e = imapd_find(&o->s, u->mailbox, ACL_READ, &p);
    struct mailbox_ref box = {.account = e ? NULL : p.account, .box = e ? 0 : p.m.id};
    int wrong = url_check(store, o->s.account, box, u->rump, u->token);
    return wrong ? wrong : e;
}

/* What an authorised URL names, opened as its owner. out and o are to be closed in any case. */
static int open_authorised(struct imapd *d, struct arena *a, struct slice url, const char *account,
                           bool submit, struct owner *o, struct imapd_named *out)
{
    struct imap_url u;
    *out = (struct imapd_named){0};
    *o = (struct owner){0};
    int e = imap_url_parse(a, url, &u);
    if (!e &&
        (!u.absolute || !u.user.n || !u.mailbox.n || !u.token.n || !sl_eqi(u.mechanism, SL("INTERNAL"))))
        e = err_set(ERR_SYNTAX, "the URL is not authorised");
    if (!e) e = owner_begin(d, u.user, o);
    if (!e) e = check(o, &u);
    if (!e) e = admits(d, a, &u, account, submit);
    if (!e && u.expires && rt_wall_seconds() > u.expire) e = err_set(ERR_DENIED, "the URL has expired");
    return e ? e : imapd_url_open(&o->s, &u, out);
}

int imapd_url_submit(struct imapd *d, struct slice url, const char *account, uint64_t max,
                     int (*each)(void *arg, struct slice piece), void *arg)
{
    struct arena a;
    struct owner o;
    struct imapd_named n;
    ar_init(&a, IMAPD_MEMORY);
    int e = open_authorised(d, &a, url, account, true, &o, &n);
    if (!e && n.size > max) e = err_set(ERR_TOO_LONG, "what the URL names is too large");
    if (!e) e = imapd_url_read(&n, each, arg);
    imapd_url_close(&n);
    owner_end(&o);
    ar_free(&a);
    return e;
}

/* ---- commands ---- */

enum { URLS_MAX = 100 };

struct writing {
    struct imapd_session *s;
    uint64_t left;
};

static int write_piece(void *arg, struct slice piece)
{
    struct writing *w = arg;
    imapd_hide_nuls((char *)piece.p, piece.n);
    w->left -= piece.n;
    imapd_write(w->s, piece);
    return conn_error(w->s->c);
}

/* " URL data": NIL when it is not valid, for whatever reason. ERR_BUSY and the like: it may be, later. */
static void fetch_url(struct imapd_session *s, struct slice url)
{
    struct owner o;
    struct imapd_named n;
    int e = open_authorised(s->server, &s->a, url, s->account, false, &o, &n);
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, url, s->utf8);
    if (e) {
        log_info(s->who, "a URL is refused: %s", err_text(e));
        buf_str(&s->out, " NIL");
    } else {
        struct writing w = {s, n.size};
        buf_printf(&s->out, " {%llu}\r\n", (unsigned long long)n.size);
        imapd_flush(s);
        e = imapd_url_read(&n, write_piece, &w);
        if (w.left && !conn_error(s->c)) conn_abort(s->c); /* the client waits for bytes that will not come */
    }
    imapd_url_close(&n);
    owner_end(&o);
}

void imapd_cmd_urlfetch(struct imapd_session *s, struct imap_in *in)
{
    struct slice url[URLS_MAX];
    size_t n = 0;
    do {
        imap_sp(in);
        if (n == URLS_MAX) imap_fail(in, ERR_LIMIT, "too many URLs");
        else url[n++] = imap_astring(in);
    } while (imap_more(in));
    if (imapd_args_bad(s, in)) return;
    buf_str(&s->out, "* URLFETCH");
    for (size_t i = 0; i < n && !conn_error(s->c); i++) fetch_url(s, url[i]);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "these are the URLs");
}

/* Why the client cannot have the URL authorised; *box is where its message lies. */
static int ask_generate(struct imapd_session *s, struct slice url, struct imap_url *u, struct imapd_place *p)
{
    struct account acc;
    int e = imap_url_parse(&s->a, url, u);
    if (e) return e;
    if (!u->absolute || !u->user.n) return err_set(ERR_SYNTAX, "the URL does not say whose it is");
    if (!u->access || u->token.n) return err_set(ERR_SYNTAX, "the URL does not end in who may use it");
    e = is_account(s->server, &s->a, u->user, s->account);
    if (e == ERR_DENIED) return err_set(ERR_SYNTAX, "the URL is not your own");
    if (!e && u->who.n) e = account_get(s->server->conf.store->directory, &s->a, u->who, &acc);
    if (e == ERR_NOT_FOUND) return err_set(ERR_SYNTAX, "the URL is for nobody here");
    if (e) return e;
    return u->mailbox.n ? imapd_find(s, u->mailbox, ACL_READ, p)
                        : err_set(ERR_SYNTAX, "the URL names no mailbox");
}

static int generate(struct imapd_session *s, struct slice url)
{
    struct imap_url u;
    struct imapd_place p;
    char token[URL_TOKEN + 1];
    int e = ask_generate(s, url, &u, &p);
    if (!e)
        e = url_token(s->server->conf.store, s->account,
                      (struct mailbox_ref){.account = p.account, .box = p.m.id}, url, true, token);
    if (e) return e;
    buf_char(&s->out, ' ');
    imap_put_astring(&s->out, ar_printf(&s->a, "%.*s:INTERNAL:%s", SLF(url), token), s->utf8);
    return 0;
}

void imapd_cmd_genurlauth(struct imapd_session *s, struct imap_in *in)
{
    struct slice url[URLS_MAX];
    size_t n = 0;
    do {
        imap_sp(in);
        if (n == URLS_MAX) imap_fail(in, ERR_LIMIT, "too many URLs");
        else url[n++] = imap_astring(in);
        imap_sp(in);
        if (!imap_skip_word(in, SL("INTERNAL"))) imap_fail(in, ERR_SYNTAX, "INTERNAL was expected");
    } while (imap_more(in));
    if (imapd_args_bad(s, in)) return;
    int e = 0;
    buf_str(&s->out, "* GENURLAUTH");
    for (size_t i = 0; i < n && !e; i++) e = generate(s, url[i]);
    if (e) {
        buf_clear(&s->out);
        if (e == ERR_SYNTAX || e == ERR_NOT_FOUND || e == ERR_DENIED) imapd_bad(s, "%s", err_text(e));
        else imapd_failed(s, e);
        return;
    }
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "authorised");
}

void imapd_cmd_resetkey(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    struct slice name = SL("");
    struct store *store = s->server->conf.store;
    if (imap_more(in)) {
        imap_sp(in);
        name = imap_mailbox(in);
        while (imap_more(in)) {
            imap_sp(in);
            if (!imap_skip_word(in, SL("INTERNAL"))) imap_fail(in, ERR_SYNTAX, "INTERNAL was expected");
        }
    }
    if (imapd_args_bad(s, in)) return;
    int e = name.n ? imapd_find(s, name, ACL_READ, &p) : url_reset_all(store, s->account);
    if (!e && name.n)
        e = url_reset(store, s->account, (struct mailbox_ref){.account = p.account, .box = p.m.id});
    if (e) imapd_failed(s, e);
    else imapd_ok(s, name.n ? "URLMECH INTERNAL" : NULL, "URLs that were authorised are of no use any more");
}
