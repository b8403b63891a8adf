/* search.c - SEARCH and CANCELUPDATE: what is refused, and the answers (RFC 9051 section 6.4.4, 5182, 5267).
 */
#include "imapd_i.h"
#include "mail/charset.h"

/* true: the charset is refused, and that was answered. */
static bool charset_bad(struct imapd_session *s, const struct imap_search_args *args)
{
    if (!args->charset.n || charset_known(args->charset)) return false;
    imapd_no(s, "BADCHARSET (UTF-8 US-ASCII)", "the charset is not known");
    return true;
}

/* RFC 9738 section 4: then nothing is kept. */
static bool saves_too_much(struct imapd_session *s, const struct imap_search_args *args,
                           const struct imapd_found *f)
{
    if (!(args->wants & IMAP_RETURN_SAVE) || f->n <= s->server->conf.saved_max) return false;
    s->nsaved = 0;
    imapd_no(s, ar_cstr(&s->a, ar_printf(&s->a, "MESSAGELIMIT %u", s->server->conf.saved_max)),
             "these are more messages than can be kept");
    return true;
}

bool imapd_search_refused(struct imapd_session *s, struct imap_search_args *args)
{
    if (!imapd_fill_filters(s, args)) return true;
    if (s->uidonly && args->numbers) {
        imapd_uid_required(s);
        return true;
    }
    return charset_bad(s, args);
}

bool imapd_search(struct imapd_session *s, struct imap_search_args *args, struct imapd_found *out)
{
    if (imapd_search_refused(s, args)) return false;
    if (args->wants & IMAP_RETURN_UPDATE && imapd_context_find(s, s->tag)) { /* RFC 5267 section 4.3 */
        imapd_bad(s, "a search with this tag is being updated");
        return false;
    }
    if (args->modseq) imapd_condstore(s);
    int e = imapd_search_run(s, args, 0, out);
    if (!e && saves_too_much(s, args, out)) return false;
    if (!e) return true;
    if (args->wants & IMAP_RETURN_SAVE) s->nsaved = 0; /* RFC 5182 section 2.1 */
    imapd_failed(s, e);
    return false;
}

void imapd_cmd_search(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_found found;
    imap_sp(in);
    size_t begin = in->at;
    struct imap_search_args args = imap_search_args(in);
    if (imapd_args_bad(s, in)) return;
    if (args.charset.n && s->utf8_accept) { /* RFC 6855 section 3 */
        imapd_bad(s, "after UTF8=ACCEPT everything is UTF-8: no CHARSET");
        return;
    }
    if (!args.wants) args.wants = IMAP_RETURN_ALL; /* IMAP4rev2 always answers with ESEARCH */
    if (!imapd_search(s, &args, &found)) return;
    if (args.extended || s->rev2) imapd_tell_esearch(s, &args, &found);
    else imapd_tell_found(s, "SEARCH", &args, &found);
    imapd_context_begin(s, &args, sl_from(in->s, begin), NULL, &found);
    imapd_searched(s, &found, "searched");
}

void imapd_cmd_cancelupdate(struct imapd_session *s, struct imap_in *in)
{
    bool all = true;
    imap_sp(in);
    do {
        struct slice tag = imap_string(in);
        if (!in->code) all &= imapd_context_cancel(s, tag);
    } while (imap_skip(in, ' '));
    if (imapd_args_bad(s, in)) return;
    if (all) imapd_ok(s, NULL, "no further updates");
    else imapd_no(s, "CANNOT", "no search with such a tag is being updated");
}
