/* data.c - the letter's bytes come in, by DATA or BDAT, and stream on into intake. */
#include "smtpd_i.h"

/* More input, within the time that RFC 5321 section 4.5.3.2.5 gives. */
static int fill(struct smtpd_session *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_DATA_WAIT));
    int e = conn_fill(s->c);
    deadline_restore(before);
    return e < 0 ? e : 0;
}

void smtpd_begin_letter(struct smtpd_session *s)
{
    s->tx.receiving = true;
    smtp_data_begin(&s->tx.data);
    conn_set_buffer(s->c, SMTPD_BUFFER);
    conn_set_min_rate(s->c, SMTPD_RATE, SMTPD_RATE_GRACE);
}

/* For the next letters of the session; what failed for the moment is asked again. */
static void keep_iprev(struct smtpd_session *s)
{
    const struct intake_letter *l = &s->tx.letter;
    const struct iprev_result *r = &l->verdict.iprev;
    if (!l->judged || s->has_iprev || r->code == IPREV_TEMPERROR) return;
    s->iprev = *r;
    s->iprev.name = ar_dup(&s->a, r->name);
    s->iprev.problem = ar_dup(&s->a, r->problem);
    s->has_iprev = true;
}

/* What DATA itself shows to be wrong: from the world a bare CR or LF may be an attempt to smuggle. */
static void check_lines(struct smtpd_session *s)
{
    const struct smtp_data *d = &s->tx.data;
    if (s->kind != SMTPD_MX || s->tx.binary) return; /* a binary letter's header section: intake */
    if (d->fault)
        intake_refuse(&s->tx.letter, ERR_SYNTAX, 554, "5.5.2",
                      "A line of the letter ends in %s; lines must end in CR LF (RFC 5321 section 2.3.8)",
                      d->fault == SMTP_FAULT_BARE_LF ? "LF without CR" : "CR without LF");
    else if (d->longest > SMTPD_LINE_MX)
        intake_refuse(&s->tx.letter, ERR_TOO_LONG, 554, "5.6.0",
                      "A line of the letter is longer than %d bytes (RFC 5322 section 2.1.1)", SMTPD_LINE_MX);
}

/* draft-hall-prdr-00 section 4.5: an answer for each recipient, in the order in which they were accepted, in
 * front of the one that counts. */
static void answer_each(struct smtpd_session *s)
{
    const struct intake_letter *l = &s->tx.letter;
    unsigned before = s->errors;
    if (!s->tx.prdr || l->nsaid < 2 || l->refusal.code == 421) return;
    smtpd_reply(s, 353, NULL, "The answers for each recipient follow");
    for (size_t i = 0; i < l->nsaid; i++)
        if (l->refusal.code) smtpd_refuse(s, &l->refusal);
        else smtpd_reply(s, 250, "2.1.5", "<%.*s> is fine", SLF(l->said[i]));
    s->errors = before; /* it is one letter */
}

/* RFC 2033 section 4.2: an answer for each recipient that was accepted, in their order, and no other. */
static void answer_lmtp(struct smtpd_session *s)
{
    const struct intake_letter *l = &s->tx.letter;
    unsigned before = s->errors;
    for (size_t i = 0; i < l->nsaid && !s->over; i++)
        if (l->refusal.code) smtpd_refuse(s, &l->refusal);
        else smtpd_reply(s, 250, "2.1.5", "<%.*s> is delivered as %s", SLF(l->said[i]), l->id.s);
    s->errors = before;
}

/* last: the letter's end is answered; else a chunk that was refused, once for all recipients (RFC 2033
 * section 4.3, RFC 3030 section 2). */
static void answer(struct smtpd_session *s, int e, bool last)
{
    const struct intake_letter *l = &s->tx.letter;
    const struct intake_refusal *no = &l->refusal;
    if (e == ERR_UNKNOWN) { /* the client hears nothing and will try again, as after a broken connection */
        s->over = true;
        return;
    }
    bool lmtp = s->kind == SMTPD_LMTP && last;
    if (lmtp) answer_lmtp(s);
    else if (last) answer_each(s);
    if (e) {
        log_info(s->who, "letter %s refused: %d %s %.*s", l->id.s, no->code, no->enhanced, SLF(no->text));
        if (!lmtp) smtpd_refuse(s, no);
    } else {
        s->letters++;
        s->cost = 0;
        log_debug(s->who, "letter %s accepted for %zu recipients", l->id.s, l->nsaid);
        if (!lmtp) smtpd_reply(s, 250, "2.0.0", "Accepted as %s", l->id.s);
    }
}

/* All of the letter is there (last), or all that is wanted of it. */
static void complete(struct smtpd_session *s, bool last)
{
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK_LETTER));
    check_lines(s);
    int e = authority_check(&s->authority);
    if (e) intake_refuse(&s->tx.letter, e, 421, "4.7.0", "%s", err_text(e));
    e = intake_end(&s->tx.letter);
    keep_iprev(s);
    answer(s, e, last);
    deadline_restore(before);
    size_t owed = s->kind == SMTPD_LMTP && !last ? s->tx.letter.nsaid : 0;
    smtpd_tx_end(s);
    s->tx.owed = owed;
    smtpd_fruitful(s);
}

bool smtpd_has_recipients(struct smtpd_session *s)
{
    if (s->tx.letter.nsaid) return true;
    smtpd_reply(s, s->kind == SMTPD_LMTP ? 503 : 554, /* RFC 2033 section 4.2 */
                "5.5.1", "No recipient was accepted");
    return false;
}

/* ---- DATA (RFC 5321 section 4.1.1.4) ---- */

static int receive_data(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    for (;;) {
        struct slice in = conn_peek(s->c), rest = in, run;
        int what = SMTP_DATA_RUN;
        while (what == SMTP_DATA_RUN) {
            what = smtp_data_feed(&t->data, &rest, &run);
            smtpd_got(s, run);
            intake_bytes(&t->letter, run);
        }
        conn_consume(s->c, in.n - rest.n);
        if (what == SMTP_DATA_END) {
            smtpd_got_all(s, t->data.size);
            return 0;
        }
        int e = fill(s);
        if (e) return e;
    }
}

void smtpd_data(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    if (s->tx.binary) { /* RFC 3030 section 3 */
        smtpd_reply(s, 503, "5.5.1", "A letter with BODY=BINARYMIME comes by BDAT");
        return;
    }
    if (!smtpd_has_recipients(s)) return;
    smtpd_reply(s, 354, NULL, "Send the letter, end with a line that holds a dot only");
    smtpd_begin_letter(s);
    int e = receive_data(s);
    if (e == 0) {
        complete(s, true);
        return;
    }
    log_info(s->who, "letter %s did not arrive whole: %s", s->tx.letter.id.s, err_text(e));
    smtpd_tx_end(s);
}

/* ---- BDAT (RFC 3030) ---- */

/* Exactly n bytes; they belong to the letter, or to nothing when use is false. */
static int receive_chunk(struct smtpd_session *s, uint64_t n, bool use)
{
    struct smtpd_tx *t = &s->tx;
    while (n) {
        struct slice in = conn_peek(s->c);
        if (!in.n) {
            int e = fill(s);
            if (e) return e;
            continue;
        }
        in = sl_sub(in, 0, n < in.n ? (size_t)n : in.n);
        if (use) {
            smtp_data_scan(&t->data, in);
            smtpd_got(s, in);
            intake_bytes(&t->letter, in);
        }
        conn_consume(s->c, in.n);
        n -= in.n;
    }
    return 0;
}

/* What is too large, or comes behind a chunk or recipients that were refused, is read before that is answered
 * (RFC 3030 section 2), as a letter by DATA is. Nobody who says nothing else gets that, nor what is absurd:
 * the connection ends instead. */
static bool chunk_fits(struct smtpd_session *s, uint64_t size, bool use)
{
    uint64_t letter = intake_size_max(s->conf->intake);
    bool may_send = s->helo[0] && (!smtpd_is_submission(s) || s->logged_in);
    if (size <= (may_send ? SMTPD_CHUNK_TIMES * letter : SMTPD_SWALLOW_MAX)) return true;
    if (use)
        smtpd_reply(s, 552, "5.3.4", "Letters of more than %llu bytes are not taken here",
                    (unsigned long long)letter);
    else smtpd_reply(s, 503, "5.5.1", "MAIL and an accepted RCPT come before BDAT");
    s->over = true;
    return false;
}

/* Over LMTP the last chunk gets as many answers as there are recipients, which may be none (RFC 2033 section
 * 4.3): also behind a chunk that was refused, so that a client that sent them all at once stays in step. */
static void refuse_chunk(struct smtpd_session *s, bool last)
{
    unsigned before = s->errors;
    size_t answers = s->kind == SMTPD_LMTP && last ? s->tx.owed : 1;
    for (size_t i = 0; i < answers; i++)
        smtpd_reply(s, 503, "5.5.1", "MAIL and an accepted RCPT come before BDAT");
    s->errors = before + 1;
    if (last) s->tx.owed = 0;
}

/* The octets follow at once, so they are read even when the command is out of place. */
static int drop_chunk(struct smtpd_session *s, const struct smtp_command *c)
{
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK_LETTER));
    conn_set_min_rate(s->c, SMTPD_RATE, SMTPD_RATE_GRACE);
    int e = receive_chunk(s, c->size, false);
    deadline_restore(before);
    if (!s->tx.receiving) conn_set_min_rate(s->c, 0, 0);
    if (!e) refuse_chunk(s, c->last);
    return e;
}

void smtpd_end_chunk(struct smtpd_session *s, uint64_t n, bool last)
{
    if (last && !s->tx.binary &&
        !smtp_data_whole(&s->tx.data)) { /* RFC 5322 section 3.5: lines end in CRLF */
        smtp_data_scan(&s->tx.data, SL("\r\n"));
        intake_bytes(&s->tx.letter, SL("\r\n"));
    }
    if (last || s->tx.letter.refusal.code) complete(s, last); /* section 2: a refused chunk ends the letter */
    else smtpd_reply(s, 250, "2.0.0", "%llu bytes are here", (unsigned long long)n);
}

static int take_chunk(struct smtpd_session *s, const struct smtp_command *c)
{
    if (!s->tx.chunking) smtpd_begin_letter(s);
    s->tx.chunking = true;
    int e = receive_chunk(s, c->size, true);
    if (e) return e;
    smtpd_got_all(s, c->size);
    smtpd_end_chunk(s, c->size, c->last);
    return 0;
}

void smtpd_bdat(struct smtpd_session *s, struct smtp_command *c)
{
    bool use = s->tx.open && s->tx.letter.nsaid;
    if (!c->size && !c->last) s->cost++; /* leads nowhere */
    if (!chunk_fits(s, c->size, use)) return;
    int e = use ? take_chunk(s, c) : drop_chunk(s, c);
    if (!e) return;
    log_info(s->who, "a chunk did not arrive whole: %s", err_text(e));
    smtpd_tx_end(s);
}
