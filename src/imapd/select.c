/* select.c - SELECT and its end, and the news about the selected mailbox (RFC 9051 sections
 * 6.3.2, 7.5; RFC 7162 for MODSEQ). */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "imapd_i.h"

/* ---- recent: told to one session only; what is known is kept in memory and noted in the store ---- */

enum { RECENT_MAX = 100000, RECENT_KEY = 40 };

static struct slice recent_key(const struct imapd_session *s, uint32_t box, char room[RECENT_KEY])
{
    return sl(room, (size_t)snprintf(room, RECENT_KEY, "%s %u", s->account, box));
}

/* The first uid that no session was told of. SUSPENDS. */
static int first_recent(struct imapd_session *s, uint32_t box, uint32_t *out)
{
    struct imapd *d = s->server;
    char room[RECENT_KEY];
    lock_take(&d->lock);
    *out = (uint32_t)(uintptr_t)map_get(&d->recent, recent_key(s, box, room));
    lock_release(&d->lock);
    return *out ? 0 : mailbox_recent(s->server->conf.store, s->account, box, out);
}

/* Takes what is recent below `to` away from other sessions; the first such uid. */
static uint32_t take_recent(struct imapd_session *s, uint32_t first, uint32_t to)
{
    struct imapd *d = s->server;
    char room[RECENT_KEY];
    struct slice key = recent_key(s, s->view->box, room);
    lock_take(&d->lock);
    uint32_t now = (uint32_t)(uintptr_t)map_get(&d->recent, key); /* another session may have been quicker */
    if (now > first) first = now;
    if (d->recent.count >= RECENT_MAX) {
        map_free(&d->recent);
        map_init(&d->recent, false);
    }
    if (to > first) map_put(&d->recent, key, (void *)(uintptr_t)to);
    lock_release(&d->lock);
    if (to > first) mailbox_recent_note(d->conf.store, s->account, s->view->box, to);
    return first;
}

/* Messages below uid `to` that no session was told of become recent here. SUSPENDS. */
static void claim_recent(struct imapd_session *s, uint32_t to)
{
    struct imapd_recent *r = &s->recent;
    uint32_t first, known = r->n ? r->range[r->n - 1].hi + 1 : 0;
    if (s->rev2 || first_recent(s, s->view->box, &first) != 0) return; /* only \Recent is missing then */
    if (!s->read_only) first = take_recent(s, first, to);
    if (first < known) first = known;
    if (first >= to) return;
    if (r->n && known == first) r->range[r->n - 1].hi = to - 1;
    else if (r->n < COUNT_OF(r->range)) r->range[r->n++] = (struct imap_range){first, to - 1};
}

int imapd_recent_count(struct imapd_session *s, const struct mailbox *m, uint32_t *out)
{
    enum { PAGE = 1000 };
    struct arena a;
    struct message *v;
    uint32_t from;
    size_t n = PAGE;
    *out = 0;
    int r = first_recent(s, m->id, &from);
    if (!r && from <= 1) {
        *out = m->exists;
        return 0;
    }
    ar_init(&a, 0);
    while (!r && n == PAGE && from < m->uidnext) {
        r = message_list(s->server->conf.store, s->account, m->id, from, PAGE, &a, &v, &n);
        if (!r && n) from = v[n - 1].uid + 1;
        if (!r) *out += (uint32_t)n;
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return r;
}

bool imapd_recent_has(const struct imapd_session *s, uint32_t uid)
{
    for (size_t i = 0; i < s->recent.n; i++)
        if (uid >= s->recent.range[i].lo && uid <= s->recent.range[i].hi) return true;
    return false;
}

static size_t recent_count(const struct imapd_session *s)
{
    size_t n = 0;
    for (size_t i = s->recent.n ? 0 : s->view->n; i < s->view->n; i++)
        n += imapd_recent_has(s, s->view->msg[i].uid);
    return n;
}

/* ---- flags ---- */

/* true: there are new ones, or another name for one. SUSPENDS. */
static bool keywords_reload(struct imapd_session *s)
{
    struct mailbox m;
    struct arena a;
    ar_init(&a, 0);
    if (mailbox_get(s->server->conf.store, s->account, s->view->box, &a, &m) != 0) {
        ar_free(&a);
        return false;
    }
    bool changed = m.nkeywords > s->nkeywords || m.names != s->names;
    s->names = m.names;
    ar_free(&s->box);
    s->box = a;
    s->keyword = m.keyword;
    s->nkeywords = m.nkeywords;
    return changed;
}

void imapd_put_flags(struct imapd_session *s, size_t i)
{
    const struct view_msg *m = &s->view->msg[i];
    imap_put_flags(&s->out, m->flags, s->keyword, s->nkeywords, FLAG_KEYWORD_FIRST,
                   !s->rev2 && imapd_recent_has(s, m->uid) ? SL("\\Recent") : SL(""));
}

static void tell_flags(struct imapd_session *s)
{
    uint64_t bits =
        s->nkeywords >= 59 ? ~(uint64_t)0 : ((uint64_t)1 << (FLAG_KEYWORD_FIRST + s->nkeywords)) - 1;
    buf_str(&s->out, "* FLAGS ");
    imap_put_flags(&s->out, bits, s->keyword, s->nkeywords, FLAG_KEYWORD_FIRST, SL(""));
    buf_str(&s->out, "\r\n* OK [PERMANENTFLAGS ");
    if (s->read_only) bits = 0;
    struct slice more = s->read_only || s->nkeywords >= MAILBOX_KEYWORDS_MAX ? SL("") : SL("\\*");
    imap_put_flags(&s->out, bits, s->keyword, s->nkeywords, FLAG_KEYWORD_FIRST, more);
    buf_str(&s->out, "] these can be kept\r\n");
    imapd_flush(s);
}

static size_t keyword_index(const struct imapd_session *s, struct slice name)
{
    size_t i = 0;
    while (i < s->nkeywords && !sl_eqi(s->keyword[i], name)) i++;
    return i;
}

uint64_t imapd_flags(const struct imapd_session *s, const struct imap_flags *f)
{
    uint64_t bits = f->system;
    for (size_t i = 0; i < f->n; i++) {
        size_t at = keyword_index(s, f->keyword[i]);
        if (at < s->nkeywords) bits |= (uint64_t)1 << (FLAG_KEYWORD_FIRST + at);
    }
    return bits;
}

/* ---- news ---- */

static void on_news(void *arg)
{
    struct imapd_session *s = arg;
    s->news = true;
    if (s->idling) conn_wake(s->c);
}

static void tell_expunge(void *arg, uint32_t seq)
{
    struct imapd_session *s = arg;
    buf_printf(&s->out, "* %u EXPUNGE\r\n", seq);
    s->told--;
}

/* IMAP4rev2 knows no RECENT (RFC 9051 appendix E). */
static void tell_counts(struct imapd_session *s)
{
    buf_printf(&s->out, "* %zu EXISTS\r\n", s->view->n);
    if (!s->rev2) buf_printf(&s->out, "* %zu RECENT\r\n", recent_count(s));
}

static void tell_exists(struct imapd_session *s)
{
    const struct view *v = s->view;
    size_t n = v->n;
    if (s->told < n) claim_recent(s, v->msg[n - 1].uid + 1);
    s->told = n;
    tell_counts(s);
}

static void tell_changed(struct imapd_session *s)
{
    struct view *v = s->view;
    for (size_t i = 0; i < v->n && v->nchanged; i++) {
        struct view_msg *m = &v->msg[i];
        if (!m->changed) continue;
        m->changed = false;
        if (i >= s->told || m->gone) continue;
        buf_printf(&s->out, "* %zu FETCH (UID %u FLAGS ", i + 1, m->uid);
        imapd_put_flags(s, i);
        if (s->condstore) buf_printf(&s->out, " MODSEQ (%llu)", (unsigned long long)m->modseq);
        buf_str(&s->out, ")\r\n");
    }
    v->nchanged = 0;
}

/* Is some flag set for which we have no name? */
static bool unknown_keyword(const struct imapd_session *s)
{
    uint64_t known =
        s->nkeywords >= 59 ? ~(uint64_t)0 : ((uint64_t)1 << (FLAG_KEYWORD_FIRST + s->nkeywords)) - 1;
    for (size_t i = 0; i < s->view->n; i++)
        if (s->view->msg[i].flags & ~known) return true;
    return false;
}

void imapd_sync(struct imapd_session *s)
{
    size_t added;
    if (s->state != IMAPD_SELECTED || s->over || (!s->news && !s->retry)) return;
    s->news = false;
    s->retry = view_sync(s->view, &added) != 0; /* with the next command, then */
    if (s->retry) return;
    if (s->view->deleted) imapd_bye(s, NULL, "the mailbox was deleted");
    else if ((unknown_keyword(s) || s->view->names != s->names) && keywords_reload(s)) tell_flags(s);
}

void imapd_news(struct imapd_session *s)
{
    imapd_sync(s);
    if (s->state != IMAPD_SELECTED || s->over) return;
    if (s->may_expunge && s->view->ngone) view_drop_gone(s->view, tell_expunge, s);
    if (s->view->n != s->told) tell_exists(s);
    if (s->view->nchanged) tell_changed(s);
    if (s->out.n) imapd_flush(s);
}

/* ---- select ---- */

void imapd_unselect(struct imapd_session *s)
{
    imapd_letter_forget(s);
    if (s->watch) kv_unwatch(&s->watch);
    if (s->view) view_close(&s->view);
    ar_free(&s->box);
    free(s->saved);
    s->saved = NULL;
    s->nsaved = 0;
    s->keyword = NULL;
    s->nkeywords = 0;
    s->news = s->retry = false;
    s->recent.n = 0;
    if (s->state == IMAPD_SELECTED) s->state = IMAPD_AUTH;
}

static void tell_mailbox(struct imapd_session *s, struct slice name)
{
    const struct view *v = s->view;
    size_t unseen = 0;
    while (unseen < v->n && v->msg[unseen].flags & FLAG_SEEN) unseen++;
    tell_flags(s);
    tell_counts(s);
    if (unseen < v->n && !s->rev2)
        buf_printf(&s->out, "* OK [UNSEEN %zu] the first unseen one\r\n", unseen + 1);
    buf_printf(&s->out, "* OK [UIDVALIDITY %u] ids are valid\r\n", v->uidvalidity);
    buf_printf(&s->out, "* OK [UIDNEXT %u] the next id\r\n", v->uidnext);
    buf_printf(&s->out, "* OK [HIGHESTMODSEQ %llu] the last change\r\n",
               (unsigned long long)(v->modseq ? v->modseq : 1));
    buf_printf(&s->out, "* OK [MAILBOXID (M%u)] its id\r\n", v->box);
    if (s->rev2) { /* RFC 9051 section 6.3.2: its name as we write it */
        buf_str(&s->out, "* LIST () \"/\" ");
        imap_put_mailbox(&s->out, name, s->utf8);
        buf_str(&s->out, "\r\n");
    }
    imapd_flush(s);
}

void imapd_condstore(struct imapd_session *s)
{
    if (s->condstore) return;
    s->condstore = true;
    if (s->state == IMAPD_SELECTED)
        imapd_untagged(s, "OK [HIGHESTMODSEQ %llu] the last change",
                       (unsigned long long)(s->view->modseq ? s->view->modseq : 1));
}

static void tell_nobody(void *arg, uint32_t seq) { (void)arg, (void)seq; }

static int open_mailbox(struct imapd_session *s, struct slice name, bool read_only)
{
    struct store *store = s->server->conf.store;
    struct mailbox m;
    size_t added;
    int r = mailbox_find(store, s->account, name, &s->a, &m);
    if (r) return r;
    /* Watched before it is read, so that nothing falls between. */
    s->watch = mailbox_watch(store, s->account, on_news, s);
    r = view_open(&s->view, store, s->account, m.id);
    if (!r) r = view_sync(s->view, &added);
    if (!r && s->view->deleted) r = err_set(ERR_NOT_FOUND, "there is no such mailbox");
    if (r) return r;
    s->state = IMAPD_SELECTED;
    s->read_only = read_only;
    keywords_reload(s);
    for (size_t i = 0; i < s->view->n; i++) s->view->msg[i].changed = false;
    s->view->nchanged = 0;
    view_drop_gone(s->view, tell_nobody, NULL);
    return 0;
}

/* "(CONDSTORE)" after the name (RFC 7162 section 3.1.8). */
static bool take_parameters(struct imap_in *in)
{
    bool condstore = false;
    if (!imap_skip(in, ' ')) return false;
    imap_need(in, '(');
    do {
        if (imap_skip_word(in, SL("CONDSTORE"))) condstore = true;
        else imap_fail(in, ERR_SYNTAX, "CONDSTORE was expected");
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
    return condstore;
}

static void select_mailbox(struct imapd_session *s, struct imap_in *in, bool read_only)
{
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    bool condstore = take_parameters(in);
    if (imapd_args_bad(s, in)) return;
    if (s->rev2 && s->view) imapd_untagged(s, "OK [CLOSED] the mailbox before is closed");
    imapd_unselect(s); /* whatever comes of the new one (RFC 9051 section 6.3.2) */
    int r = open_mailbox(s, name, read_only);
    if (r) {
        imapd_unselect(s);
        imapd_failed(s, r);
        return;
    }
    s->condstore |= condstore;
    claim_recent(s, s->view->uidnext);
    s->told = s->view->n;
    tell_mailbox(s, name);
    imapd_ok(s, read_only ? "READ-ONLY" : "READ-WRITE", "selected");
}

void imapd_cmd_select(struct imapd_session *s, struct imap_in *in) { select_mailbox(s, in, false); }
void imapd_cmd_examine(struct imapd_session *s, struct imap_in *in) { select_mailbox(s, in, true); }

void imapd_cmd_unselect(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    imapd_unselect(s);
    imapd_ok(s, NULL, "no mailbox is selected");
}

/* Expunges without telling (RFC 9051 section 6.4.1). */
void imapd_cmd_close(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    if (!s->read_only) {
        int r = message_expunge(s->server->conf.store, s->account, s->view->box, NULL, 0, true, &s->a, NULL,
                                NULL);
        if (r && r != ERR_NOT_FOUND) {
            imapd_failed(s, r);
            return;
        }
    }
    imapd_unselect(s);
    imapd_ok(s, NULL, "closed");
}
