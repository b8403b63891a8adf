/* news.c - what others changed in the selected mailbox, told when the protocol allows (RFC 9051 section 7).
 */
#include "base/log.h"
#include "imapd_i.h"

/* ---- news ---- */

/* One that came and went meanwhile lies behind all that the client knows of. */
static void tell_expunge(void *arg, uint32_t seq, uint32_t uid)
{
    struct imapd_session *s = arg;
    if (seq > s->told) return;
    if (!s->qresync && !s->uidonly) buf_printf(&s->out, "* %u EXPUNGE\r\n", seq);
    else {
        if (s->nvanished == s->vanished_size)
            s->vanished = ar_grow(&s->a, s->vanished, &s->vanished_size, sizeof *s->vanished);
        s->vanished[s->nvanished++] = uid;
    }
    s->told--;
}

/* RFC 7162 section 3.2.10. */
static void tell_gone(struct imapd_session *s)
{
    s->vanished = NULL;
    s->nvanished = s->vanished_size = 0;
    view_drop_gone(s->view, tell_expunge, s);
    if (!s->nvanished) return;
    buf_str(&s->out, "* VANISHED ");
    imap_put_set(&s->out, s->vanished, s->nvanished);
    buf_str(&s->out, "\r\n");
}

/* IMAP4rev2 knows no RECENT (RFC 9051 appendix E). */
void imapd_tell_counts(struct imapd_session *s)
{
    buf_printf(&s->out, "* %zu EXISTS\r\n", s->view->n);
    if (!s->rev2) buf_printf(&s->out, "* %zu RECENT\r\n", imapd_recent_shown(s));
}

static void tell_exists(struct imapd_session *s)
{
    const struct view *v = s->view;
    size_t n = v->n;
    if (s->told < n) imapd_claim_recent(s, view_at(v, n - 1).uid + 1);
    s->told = n;
    imapd_tell_counts(s);
}

/* A client that has not asked for the newest messages yet hears of their flags without their UIDs:
 * Thunderbird takes the highest UID that it ever hears of for the one up to which it knows all, and never
 * asks for those before. Where UIDs must be told (RFC 9051 section 7.5.2, RFC 7162 section 3.2.4, RFC 5465
 * section 5.1) they are. */
static bool tells_uid(const struct imapd_session *s, uint32_t uid)
{
    return uid <= s->told_uid || s->rev2 || s->condstore || s->uidonly || s->notify;
}

static void tell_changed(struct imapd_session *s)
{
    struct view *v = s->view;
    for (size_t i = 0; (i = view_next_changed(v, i)) < s->told; i++) {
        struct view_msg m = view_at(v, i);
        if (m.gone) continue;
        imapd_put_fetch(s, i, tells_uid(s, m.uid));
        buf_str(&s->out, "FLAGS ");
        imapd_put_flags(s, i);
        imapd_put_annotated(s, i);
        if (s->condstore) buf_printf(&s->out, " MODSEQ (%llu)", (unsigned long long)m.modseq);
        buf_str(&s->out, ")\r\n");
        if (s->out.n > IMAPD_CHUNK) imapd_flush(s);
    }
    view_told_all(v);
}

/* Is some flag set for which we have no name? */
static bool unknown_keyword(const struct imapd_session *s)
{
    uint64_t known =
        s->nkeywords >= 59 ? ~(uint64_t)0 : ((uint64_t)1 << (FLAG_KEYWORD_FIRST + s->nkeywords)) - 1;
    return view_flags(s->view) & ~known;
}

int imapd_rights_now(struct imapd_session *s)
{
    if (!s->owner) return 0;
    int e = imapd_read_rights(s, imapd_box(s), &s->rights);
    if (e || s->rights & ACL_READ) return e;
    imapd_bye(s, NULL, "the mailbox is not shared with you any more");
    return ERR_DENIED;
}

void imapd_sync(struct imapd_session *s)
{
    size_t added;
    if (s->state != IMAPD_SELECTED || s->over || (!s->news && !s->retry)) return;
    s->news = false;
    s->retry = view_sync(s->view, &added) != 0; /* with the next command, or soon (park()) */
    if (s->retry) return;
    if (imapd_rights_now(s) && s->over) return;
    if (s->view->deleted) imapd_bye(s, NULL, "the mailbox was deleted");
    else if ((unknown_keyword(s) || s->view->names != s->names) && imapd_reload_keywords(s))
        imapd_tell_flags(s);
}

void imapd_news(struct imapd_session *s)
{
    ASSERT(s->state != IMAPD_SELECTED || s->view);
    imapd_sync(s);
    if (s->state != IMAPD_SELECTED || s->over) return;
    size_t known = s->told;
    if (s->may_expunge && s->view->ngone && imapd_notify_selected(s, IMAP_EVENT_EXPUNGE)) {
        imapd_contexts_gone(s);
        tell_gone(s);
    }
    if (known > s->told) known = s->told;
    if (s->view->n != s->told && imapd_notify_selected(s, IMAP_EVENT_NEW)) tell_exists(s);
    if (s->view->nchanged && imapd_notify_selected(s, IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION))
        tell_changed(s);
    if (s->out.n) imapd_flush(s);
    imapd_contexts_changed(s);
    if (s->notify && s->told > known) imapd_notify_fetch(s, known);
    if (!s->view->ngone && imapd_notify_selected(s, IMAP_EVENT_FLAGS | IMAP_EVENT_ANNOTATION))
        s->told_modseq = s->view->modseq;
}

const char *imapd_modseq_code(struct imapd_session *s)
{
    imapd_news(s);
    if (!s->qresync || s->state != IMAPD_SELECTED || s->over) return NULL;
    return ar_cstr(&s->a, ar_printf(&s->a, "HIGHESTMODSEQ %llu",
                                    (unsigned long long)(s->told_modseq ? s->told_modseq : 1)));
}
