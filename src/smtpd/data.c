/* data.c - the letter's bytes come in, by DATA or BDAT, and stream on: the header section into
 * memory, the body to the disk and to those who hash it. */
#include "base/text.h"
#include "smtpd_i.h"

/* ---- bytes of the letter ---- */

static void body_bytes(struct smtpd_session *s, struct slice run)
{
    struct smtpd_tx *t = &s->tx;
    if (!run.n || t->answer.code) return;
    if (!t->eight_bit) t->eight_bit = !is_ascii(run);
    if (t->auth) mailauth_body(t->auth, run);
    if (t->signing) signing_body(t->pass, run);
    int r = body_write(t->body, run);
    if (r) smtpd_decide_error(s, r, "The letter cannot be stored");
}

/* Bytes up to and with the empty line that ends the header section, or SL_NONE. */
static size_t head_end(struct smtpd_tx *t)
{
    struct slice h = buf_slice(&t->head);
    if (sl_starts(h, SL("\r\n"))) return 2;
    size_t at = sl_find(sl_from(h, t->head_seen), SL("\r\n\r\n"));
    if (at != SL_NONE) return t->head_seen + at + 4;
    t->head_seen = h.n > 3 ? h.n - 3 : 0;
    return SL_NONE;
}

static void head_bytes(struct smtpd_session *s, struct slice run)
{
    struct smtpd_tx *t = &s->tx;
    size_t before = t->head.n, room = (size_t)MAIL_HEAD_MAX + 4 - before;
    buf_put(&t->head, sl_sub(run, 0, room));
    size_t end = head_end(t);
    if (end == SL_NONE) {
        if (run.n >= room)
            smtpd_decide(s, 552, "5.3.4", "The header section is longer than %d bytes", MAIL_HEAD_MAX);
        return;
    }
    t->head.n = end;
    smtpd_head_complete(s);
    body_bytes(s, sl_from(run, end - before));
}

static void letter_bytes(struct smtpd_session *s, struct slice run)
{
    struct smtpd_tx *t = &s->tx;
    if (t->data.size > smtpd_size_max(s) || t->mended.size > smtpd_size_max(s))
        smtpd_decide(s, 552, "5.3.4", "The letter is larger than %llu bytes; send less, or send a link",
                     (unsigned long long)smtpd_size_max(s));
    if (t->answer.code || !run.n) return;
    if (t->head_done) body_bytes(s, run);
    else head_bytes(s, run);
}

/* Programs of our own users end lines as their system does. That is mended here, behind the search for the
 * final dot: what a bare LF stands next to never ends the letter. */
static void take_bytes(struct smtpd_session *s, struct slice run)
{
    struct smtpd_tx *t = &s->tx;
    struct slice piece;
    if (!s->logged_in) {
        letter_bytes(s, run);
        return;
    }
    while (smtp_stuff_next(&t->mend, &run, &piece)) {
        smtp_data_scan(&t->mended, piece);
        letter_bytes(s, piece);
    }
}

/* More input, within the time that RFC 5321 section 4.5.3.2.5 gives. */
static int fill(struct smtpd_session *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_DATA_WAIT));
    int r = conn_fill(s->c);
    deadline_restore(before);
    return r < 0 ? r : 0;
}

static void begin_letter(struct smtpd_session *s)
{
    s->tx.receiving = true;
    smtp_data_begin(&s->tx.data);
    smtp_data_begin(&s->tx.mended);
    smtp_mend_begin(&s->tx.mend);
    conn_set_buffer(s->c, SMTPD_BUFFER);
    conn_set_min_rate(s->c, SMTPD_RATE, SMTPD_RATE_GRACE);
}

/* All of the letter is there. */
static void complete(struct smtpd_session *s)
{
    if (!s->tx.head_done && !s->tx.answer.code) smtpd_head_complete(s); /* nothing but a header section */
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK_LETTER));
    smtpd_letter_complete(s);
    deadline_restore(before);
    smtpd_tx_end(s);
    s->progress = rt_now();
}

static bool has_recipients(struct smtpd_session *s)
{
    if (s->tx.nsaid) return true;
    smtpd_reply(s, 554, "5.5.1", "No recipient was accepted");
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
            take_bytes(s, run);
        }
        conn_consume(s->c, in.n - rest.n);
        if (what == SMTP_DATA_END) return 0;
        int r = fill(s);
        if (r) return r;
    }
}

void smtpd_data(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    if (!has_recipients(s)) return;
    smtpd_reply(s, 354, NULL, "Send the letter, end with a line that holds a dot only");
    begin_letter(s);
    int r = receive_data(s);
    if (r == 0) {
        complete(s);
        return;
    }
    log_info(s->who, "letter %s did not arrive whole: %s", s->tx.id.s, err_text(r));
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
            int r = fill(s);
            if (r) return r;
            continue;
        }
        in = sl_sub(in, 0, n < in.n ? (size_t)n : in.n);
        if (use) {
            smtp_data_scan(&t->data, in);
            take_bytes(s, in);
        }
        conn_consume(s->c, in.n);
        n -= in.n;
    }
    return 0;
}

/* A chunk may not be larger than a whole letter, and one that belongs to no letter is only read
 * when that is soon done: the connection ends instead. */
static bool chunk_fits(struct smtpd_session *s, uint64_t size, bool use)
{
    uint64_t max = use ? smtpd_size_max(s) : SMTPD_SWALLOW_MAX;
    if (size <= max) return true;
    if (use)
        smtpd_reply(s, 552, "5.3.4", "Letters of more than %llu bytes are not taken here",
                    (unsigned long long)max);
    else smtpd_reply(s, 503, "5.5.1", "MAIL and an accepted RCPT come before BDAT");
    s->over = true;
    return false;
}

/* The octets follow at once, so they are read even when the command is out of place. */
static int drop_chunk(struct smtpd_session *s, uint64_t size)
{
    conn_set_min_rate(s->c, SMTPD_RATE, SMTPD_RATE_GRACE);
    int r = receive_chunk(s, size, false);
    if (!s->tx.receiving) conn_set_min_rate(s->c, 0, 0);
    if (!r) smtpd_reply(s, 503, "5.5.1", "MAIL and an accepted RCPT come before BDAT");
    return r;
}

static int take_chunk(struct smtpd_session *s, const struct smtp_command *c)
{
    if (!s->tx.chunking) begin_letter(s);
    s->tx.chunking = true;
    int r = receive_chunk(s, c->size, true);
    if (r) return r;
    if (c->last && !smtp_data_whole(&s->tx.data)) { /* RFC 5322 section 3.5: lines end in CRLF */
        smtp_data_scan(&s->tx.data, SL("\r\n"));
        take_bytes(s, SL("\r\n"));
    }
    if (c->last) {
        complete(s);
    } else if (s->tx.answer.code) { /* section 2: a refused chunk ends the letter */
        smtpd_letter_complete(s);
        smtpd_tx_end(s);
    } else {
        smtpd_reply(s, 250, "2.0.0", "%llu bytes are here", (unsigned long long)c->size);
    }
    return 0;
}

void smtpd_bdat(struct smtpd_session *s, struct smtp_command *c)
{
    bool use = s->tx.open && s->tx.nsaid;
    if (!c->size && !c->last) s->cost++; /* leads nowhere */
    if (!chunk_fits(s, c->size, use)) return;
    int r = use ? take_chunk(s, c) : drop_chunk(s, c->size);
    if (!r) return;
    log_info(s->who, "a chunk did not arrive whole: %s", err_text(r));
    smtpd_tx_end(s);
}
