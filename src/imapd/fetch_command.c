/* fetch_command.c - FETCH and UID FETCH: which messages, and the answer (RFC 9051 section 6.4.5, 7162, 9394).
 */
#include "imapd_i.h"

/* RFC 9394 section 3.3: the page of the messages named, before anything else is asked of them. */
static void take_page(struct imapd_picked *p, const struct imap_partial *page)
{
    size_t from, to;
    imap_partial_of(page, p->n, &from, &to);
    p->at += from;
    p->uid += from;
    p->n = to - from;
}

/* Of the set as it was given: what it names may be gone. */
static bool tell_vanished(struct imapd_session *s, const struct imap_fetch *args, struct imap_set set)
{
    struct imap_set known = {.v = ar_array(&s->a, struct imap_range, set.n), .n = set.n};
    if (set.n) memcpy(known.v, set.v, set.n * sizeof *set.v);
    imap_set_fix(&known, s->view->uidnext);
    int e = imapd_tell_vanished_since(s, args->changed_since, &known);
    if (e) imapd_failed(s, e);
    return e == 0;
}

/* BODY[] without PEEK sets \Seen, in one change for all messages of the command. */
static int set_seen(struct imapd_session *s, const struct imap_fetch *args, const struct imapd_picked *p)
{
    const struct flags_change seen = {.op = FLAGS_ADD, .bits = FLAG_SEEN};
    uint32_t *uid = ar_array(&s->a, uint32_t, p->n);
    size_t n = 0;
    for (size_t k = 0; k < p->n; k++, imapd_breathe(k)) {
        struct view_msg m = view_at(s->view, p->at[k]);
        if ((!args->conditional || m.modseq > args->changed_since) && !(m.flags & FLAG_SEEN))
            uid[n++] = p->uid[k];
    }
    if (!n) return 0;
    int e = message_flags(s->server->conf.store, imapd_acting(s, s->view->acc, s->view->box, ACL_SEEN),
                          (struct uids){uid, n}, &seen, &s->a, NULL);
    s->news = true;
    imapd_sync(s);
    for (size_t k = 0; k < p->n && !s->over; k++) imapd_gone_flags(s, p->at[k], FLAGS_ADD, FLAG_SEEN);
    return e;
}

/* RFC 6858 section 3: of which messages surrogates were shown. NULL: of none. When the answer has another
 * code already, that is told by itself. */
static const char *downgraded_code(struct imapd_session *s, const struct imapd_fetched *f, const char *other)
{
    struct buf b = BUF_INIT;
    if (!f->ndowngraded) return other;
    buf_str(&b, "DOWNGRADED ");
    imap_put_set(&b, f->downgraded, f->ndowngraded);
    if (other) buf_printf(&s->out, "* OK [%.*s] shown in ASCII\r\n", SLF(buf_slice(&b)));
    else other = ar_cstr(&s->a, buf_slice(&b));
    buf_free(&b);
    return other;
}

void imapd_cmd_fetch(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_picked picked;
    struct imapd_fetched f;
    imap_sp(in);
    struct imap_set set = imap_set(in);
    imap_sp(in);
    struct imap_fetch args = imap_fetch_args(in);
    if (args.paged && !s->uid) imap_fail(in, ERR_SYNTAX, "PARTIAL goes with UID FETCH only");
    if (imapd_args_bad(s, in)) return;
    unsigned kinds = args.kinds | (s->uid && !s->uidonly ? 1u << IMAP_UID : 0) |
                     (args.conditional ? 1u << IMAP_MODSEQ : 0);
    if (args.vanished && !(s->uid && s->qresync && args.conditional)) { /* RFC 7162 section 3.2.6 */
        imapd_bad(s, "VANISHED goes with UID FETCH, CHANGEDSINCE and ENABLE QRESYNC");
        return;
    }
    if (kinds & 1u << IMAP_MODSEQ) imapd_condstore(s);
    if (args.vanished && !tell_vanished(s, &args, set)) return;
    if (!imapd_pick(s, set, true, &picked)) return;
    if (args.paged) take_page(&picked, &args.page);
    if (kinds & 1u << IMAP_ANNOTATION && picked.n == 1) {
        int e = imapd_asked_parts(s, picked.uid[0], &args);
        if (e == ERR_SYNTAX) imapd_bad(s, "%s", err_text(e));
        if (e == ERR_SYNTAX) return;
    }
    if (args.sets_seen && !s->read_only && s->rights & ACL_SEEN)
        (void)!set_seen(s, &args, &picked); /* the bytes matter more than the flag */
    if (s->over) return;
    imapd_fetch_picked(s, &args, kinds, &picked, &f);
    const char *code = picked.cut                    ? imapd_limit_code(s, picked.cut)
                       : picked.missing || f.missing ? "EXPUNGEISSUED"
                                                     : NULL;
    code = downgraded_code(s, &f, f.failed ? "" : code);
    if (f.failed) imapd_failed(s, f.failed);
    else if (f.missing && !s->uid) imapd_no(s, "EXPUNGEISSUED", "some of these messages are gone");
    else imapd_ok(s, code, picked.cut ? "fetched as many as one command may" : "fetched");
}
