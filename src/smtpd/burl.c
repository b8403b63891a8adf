/* burl.c - BURL: a letter, or a piece of one, that lies in a mailbox here and comes by its URL (RFC 4468). */
#include "smtpd_i.h"

struct smtpd_refusal smtpd_burl_closed(const struct smtpd_session *s)
{
    if (smtpd_is_submission(s) && s->tls && s->conf->url) return (struct smtpd_refusal){0};
    return (struct smtpd_refusal){502, "5.5.1", "Letters do not come by URL here"};
}

struct reading {
    struct smtpd_session *s;
    uint64_t n;
};

static int put_piece(void *arg, struct slice piece)
{
    struct reading *r = arg;
    struct smtpd_session *s = r->s;
    r->n += piece.n;
    smtp_data_scan(&s->tx.data, piece);
    intake_bytes(&s->tx.letter, piece);
    return s->tx.letter.refusal.code ? ERR_CANCELED : 0;
}

/* Section 3.2: the whole transaction fails. */
static void refuse(struct smtpd_session *s, int e)
{
    log_info(s->who, "letter %s: its URL is refused: %s", s->tx.letter.id.s, err_text(e));
    if (e == ERR_TOO_LONG) smtpd_reply(s, 552, "5.3.4", "%s", err_text(e));
    else if (e == ERR_DENIED) smtpd_reply(s, 554, "5.7.0", "%s", err_text(e));
    else if (e == ERR_SYNTAX || e == ERR_NOT_FOUND) smtpd_reply(s, 554, "5.6.6", "%s", err_text(e));
    else smtpd_reply(s, 451, "4.6.6", "The URL cannot be read at this moment");
    smtpd_tx_end(s);
}

void smtpd_burl(struct smtpd_session *s, struct smtp_command *c)
{
    struct reading r = {s, 0};
    if (!smtpd_has_recipients(s)) return;
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK_LETTER));
    s->cost += !c->last; /* what leads nowhere is not asked for without end */
    if (!s->tx.chunking) smtpd_begin_letter(s);
    s->tx.chunking = true;
    int e = s->conf->url(s->conf->url_arg, c->url, s->account.id, intake_size_max(s->conf->intake), put_piece,
                         &r);
    if (e && e != ERR_CANCELED) refuse(s, e);
    else smtpd_end_chunk(s, r.n, c->last);
    deadline_restore(before);
}
