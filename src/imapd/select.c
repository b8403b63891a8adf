/* select.c - SELECT, EXAMINE, UNSELECT, CLOSE (RFC 9051 sections 6.3.2, 6.3.3, 6.4.1, 6.4.2; RFC 3691). */
#include <stdlib.h>

#include "imapd_i.h"
#include "reader/reader.h"
#include "store/remark.h"

static void on_news(void *arg)
{
    struct imapd_session *s = arg;
    s->news = true;
    if (s->idling || s->notify) conn_wake(s->c);
}

void imapd_unselect(struct imapd_session *s)
{
    reader_close(&s->reader);
    imapd_contexts_end(s);
    if (s->watch) kv_unwatch(&s->watch);
    if (s->view) view_close(&s->view);
    ar_free(&s->box);
    free(s->owner);
    s->owner = NULL;
    free(s->saved);
    s->saved = NULL;
    s->nsaved = 0;
    s->keyword = NULL;
    s->nkeywords = 0;
    s->news = s->retry = false;
    s->annotates = s->examined = false;
    s->recent.n = 0;
    s->told_uid = 0;
    if (s->state == IMAPD_SELECTED) s->state = IMAPD_AUTH;
}

/* given: as the client wrote its name. */
static void tell_mailbox(struct imapd_session *s, struct slice name, struct slice given)
{
    const struct view *v = s->view;
    size_t unseen = view_first_without(v, FLAG_SEEN);
    imapd_tell_flags(s);
    imapd_tell_counts(s);
    if (unseen < v->n && !s->rev2 && !s->uidonly)
        buf_printf(&s->out, "* OK [UNSEEN %zu] the first unseen one\r\n", unseen + 1);
    buf_printf(&s->out, "* OK [UIDVALIDITY %u] ids are valid\r\n", v->uidvalidity);
    buf_printf(&s->out, "* OK [UIDNEXT %u] the next id\r\n", v->uidnext);
    buf_printf(&s->out, "* OK [HIGHESTMODSEQ %llu] the last change\r\n",
               (unsigned long long)(v->modseq ? v->modseq : 1));
    buf_printf(&s->out, "* OK [MAILBOXID (" IMAPD_MAILBOX_ID ")] its id\r\n", v->acc, v->box);
    if (s->server->conf.annotate) /* RFC 5257 section 4.1 */
        buf_printf(&s->out,
                   s->examined ? "* OK [ANNOTATIONS READ-ONLY] annotations can be read\r\n"
                               : "* OK [ANNOTATIONS %d] bytes of an annotation\r\n",
                   REMARK_VALUE_MAX);
    if (s->rev2) imapd_put_name(s, "", name, given); /* RFC 9051 section 6.3.2 */
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

/* *shown: its name for the client. */
static int open_mailbox(struct imapd_session *s, struct slice name, bool read_only, struct slice *shown)
{
    struct store *store = s->server->conf.store;
    struct imapd_place place;
    int e = imapd_find(s, name, ACL_READ, &place);
    if (e) return e;
    /* Watched before it is read, so that nothing falls between. */
    s->watch = mailbox_watch(store, place.account, on_news, s);
    e = view_open_as(&s->view, store, place.account, place.m.id, s->account);
    if (e) return e;
    s->state = IMAPD_SELECTED;
    s->rights = place.rights;
    s->examined = read_only;
    s->read_only = read_only || !(place.rights & (ACL_SEEN | ACL_WRITE | ACL_MARK | ACL_EXPUNGE));
    if (place.foreign) s->owner = xstrndup(place.owner.p, place.owner.n);
    imapd_reload_keywords(s);
    *shown = place.shown;
    return 0;
}

/* "(CONDSTORE)" or "(QRESYNC (...))" after the name (RFC 7162 sections 3.1.8 and 3.2.5), and ANNOTATE. */
static bool take_parameters(struct imapd_session *s, struct imap_in *in, struct imapd_resync *resync,
                            bool *annotate)
{
    bool condstore = false;
    if (!imap_skip(in, ' ')) return false;
    imap_need(in, '(');
    do {
        if (imap_skip_word(in, SL("CONDSTORE"))) condstore = true;
        else if (in->annotate && imap_skip_word(in, SL("ANNOTATE"))) *annotate = true;
        else if (s->qresync && imap_skip_word(in, SL("QRESYNC"))) imapd_take_resync(in, resync);
        else
            imap_fail(in, ERR_SYNTAX,
                      s->qresync ? "CONDSTORE or QRESYNC was expected"
                                 : "CONDSTORE was expected (QRESYNC after ENABLE QRESYNC)");
    } while (imap_skip(in, ' '));
    imap_need(in, ')');
    return condstore;
}

static void select_mailbox(struct imapd_session *s, struct imap_in *in, bool read_only)
{
    struct imapd_resync resync = {0};
    imap_sp(in);
    struct slice shown, name = imap_mailbox(in);
    bool annotate = false, condstore = take_parameters(s, in, &resync, &annotate);
    if (imapd_args_bad(s, in)) return;
    if (s->uidonly && resync.numbers.n) {
        imapd_uid_required(s);
        return;
    }
    if ((s->rev2 || s->qresync || s->uidonly) && s->view)
        imapd_untagged(s, "OK [CLOSED] the mailbox before is closed");
    imapd_unselect(s); /* whatever comes of the new one (RFC 9051 section 6.3.2) */
    int e = open_mailbox(s, name, read_only, &shown);
    if (!e) {
        s->condstore |= condstore;
        s->annotates = annotate;
        imapd_claim_recent(s, s->view->uidnext);
        s->told = s->view->n;
        s->told_modseq = s->view->modseq;
        tell_mailbox(s, shown, name);
        e = imapd_resync(s, &resync);
    }
    if (e) {
        imapd_unselect(s);
        imapd_failed(s, e);
        return;
    }
    imapd_ok(s, s->read_only ? "READ-ONLY" : "READ-WRITE", "selected");
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
    if (!s->read_only && s->rights & ACL_EXPUNGE) {
        int e =
            message_expunge(s->server->conf.store, imapd_acting(s, s->view->acc, s->view->box, ACL_EXPUNGE),
                            (struct uids){0}, true, &s->a, NULL);
        if (e && e != ERR_NOT_FOUND) {
            imapd_failed(s, e);
            return;
        }
    }
    imapd_unselect(s);
    imapd_ok(s, NULL, "closed");
}
