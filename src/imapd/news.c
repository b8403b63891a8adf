/* news.c - what others changed in the selected mailbox, told when the protocol allows (RFC 9051 section 7).
 */
#include "imapd_i.h"

/* ---- flags ---- */

bool imapd_reload_keywords(struct imapd_session *s)
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
    struct view_msg m = view_at(s->view, i);
    imap_put_flags(&s->out, m.flags, s->keyword, s->nkeywords, FLAG_KEYWORD_FIRST,
                   !s->rev2 && imapd_recent_has(s, m.uid) ? SL("\\Recent") : SL(""));
}

void imapd_tell_flags(struct imapd_session *s)
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

static void tell_changed(struct imapd_session *s)
{
    struct view *v = s->view;
    for (size_t i = 0; (i = view_next_changed(v, i)) < s->told; i++) {
        struct view_msg m = view_at(v, i);
        if (m.gone) continue;
        imapd_put_fetch(s, i, true);
        buf_str(&s->out, "FLAGS ");
        imapd_put_flags(s, i);
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

void imapd_sync(struct imapd_session *s)
{
    size_t added;
    if (s->state != IMAPD_SELECTED || s->over || (!s->news && !s->retry)) return;
    s->news = false;
    s->retry = view_sync(s->view, &added) != 0; /* with the next command, then */
    if (s->retry) return;
    if (s->view->deleted) imapd_bye(s, NULL, "the mailbox was deleted");
    else if ((unknown_keyword(s) || s->view->names != s->names) && imapd_reload_keywords(s))
        imapd_tell_flags(s);
}

void imapd_news(struct imapd_session *s)
{
    imapd_sync(s);
    if (s->state != IMAPD_SELECTED || s->over) return;
    if (s->may_expunge && s->view->ngone) {
        imapd_contexts_gone(s);
        tell_gone(s);
    }
    if (s->view->n != s->told) tell_exists(s);
    if (s->view->nchanged) tell_changed(s);
    if (s->out.n) imapd_flush(s);
    imapd_contexts_changed(s);
    if (!s->view->ngone) s->told_modseq = s->view->modseq;
}

const char *imapd_modseq_code(struct imapd_session *s)
{
    imapd_news(s);
    if (!s->qresync || s->state != IMAPD_SELECTED || s->over) return NULL;
    return ar_cstr(&s->a, ar_printf(&s->a, "HIGHESTMODSEQ %llu",
                                    (unsigned long long)(s->told_modseq ? s->told_modseq : 1)));
}
