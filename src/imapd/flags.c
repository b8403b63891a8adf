/* flags.c - flags of the selected mailbox and the names of its keywords. */
#include "imapd_i.h"

bool imapd_reload_keywords(struct imapd_session *s)
{
    struct mailbox m;
    struct arena a;
    ar_init(&a, 0);
    if (mailbox_get(s->server->conf.store, s->view->acc, s->view->box, &a, &m) != 0) {
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
    bits &= s->read_only ? 0 : imapd_may_flag(s->rights);
    struct slice more =
        s->read_only || !(s->rights & ACL_WRITE) || s->nkeywords >= MAILBOX_KEYWORDS_MAX ? SL("") : SL("\\*");
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
