/* simulator_take.c - the receiver that answers as the address tells it to (simulator.h). */
#include <stdio.h>

#include "base/text.h"
#include "body/body.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "return_path.h"
#include "send_i.h"
#include "simulator.h"

enum { HEAD_MOST = 64 << 10 };

struct answer {
    struct sends *s;
    const struct last_hop *d;
    struct arena a;
    struct slice head; /* of the letter */
    struct slice from;
    char date[MAIL_DATE_MAX];
};

static int read_head(struct answer *x)
{
    const struct letter *l = x->d->letter;
    uint64_t n = l->head_size > l->skip ? l->head_size - l->skip : 0;
    char *p = ar_alloc(&x->a, HEAD_MOST);
    int64_t got = body_read(x->s->store->body, &l->body, l->skip, p, n < HEAD_MOST ? n : HEAD_MOST);
    x->head = sl(p, got > 0 ? (size_t)got : 0);
    return got < 0 ? (int)got : 0;
}

static struct slice fields(struct answer *x, const char *subject)
{
    return ar_printf(
        &x->a,
        "From: <%.*s>\r\nTo: <%.*s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s.answer@simulator.%.*s>\r\n"
        "MIME-Version: 1.0\r\n",
        SLF(x->from), SLF(x->d->letter->sender), subject, x->date, x->d->letter->id.s, SLF(x->s->hostname));
}

/* RFC 5965: a reader pressed the button. */
static int complaint(struct answer *x, struct buf *out)
{
    buf_put(out, fields(x, "a complaint"));
    buf_printf(
        out,
        "Content-Type: multipart/report; report-type=feedback-report; boundary=\"simulated\"\r\n\r\n"
        "--simulated\r\nContent-Type: text/plain\r\n\r\n"
        "The reader of the enclosed letter says that it is spam. (This is a simulation.)\r\n"
        "--simulated\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: Tram-Simulator/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <%.*s>\r\n"
        "\r\n--simulated\r\nContent-Type: text/rfc822-headers\r\n\r\n",
        SLF(x->d->address));
    buf_put(out, x->head);
    buf_str(out, "\r\n--simulated--\r\n");
    return 0;
}

/* RFC 3834. */
static int away(struct answer *x, struct buf *out)
{
    buf_put(out, fields(x, "Out of the office"));
    buf_str(out, "Auto-Submitted: auto-replied\r\nContent-Type: text/plain\r\n\r\n"
                 "I am away until next week. (This is a simulation.)\r\n");
    return 0;
}

static int late_failure(struct answer *x, struct buf *out)
{
    struct dsn_recipient r = {.address = x->d->address,
                              .action = DSN_FAILED,
                              .cause = DSN_CAUSE_INVALID,
                              .status = SL("5.1.1"),
                              .diagnostic = SL("550 5.1.1 user unknown (this is a simulation)")};
    struct slice host = ar_cat(&x->a, SL("simulator."), x->s->hostname);
    struct dsn d = {.hostname = host,
                    .from = x->from,
                    .to = x->d->letter->sender,
                    .queue_id = sl_cstr(x->d->letter->id.s),
                    .arrival = x->d->letter->received,
                    .now = rt_wall_seconds(),
                    .recipient = &r,
                    .n = 1,
                    .original = x->head};
    rt_random(&d.random, sizeof d.random);
    return mail_dsn_build(&x->a, out, &d);
}

/* Under an id that is made of the letter's, so that one that is delivered again is answered once. */
static void answer_id(const struct last_hop *d, struct letter_id *out)
{
    uint32_t h = crc32c(crc32c(0, "simulator", 9), d->address.p, d->address.n) ^
                 crc32c(0, d->letter->id.s, LETTER_ID_LEN);
    *out = d->letter->id;
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        out->s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
}

static int answer(struct sends *s, const struct last_hop *d, int (*write)(struct answer *x, struct buf *out))
{
    struct answer x = {.s = s, .d = d};
    struct buf text = BUF_INIT;
    struct letter_own own = {.to = d->letter->sender, .what = SL("the simulator's answer")};
    if (!own.to.n || !s->take) return 0;
    x.from = ar_cat(&x.a, SL("mailer-daemon@simulator."), s->hostname);
    mail_date_format(rt_wall_seconds(), 0, x.date);
    int e = read_head(&x);
    if (!e) e = write(&x, &text);
    answer_id(d, &own.id);
    own.text = buf_slice(&text);
    own.smtputf8 = d->letter->smtputf8;
    if (!e) e = s->take(s->take_ctx, &own);
    if (e == ERR_DENIED) e = 0; /* nobody takes it: as in the world */
    buf_free(&text);
    ar_free(&x.a);
    return e;
}

int simulator_take(struct sends *s, struct last_hop *d)
{
    enum simulated what;
    int e = 0;
    d->where = "to the simulator";
    d->before = false;
    (void)simulator_is_address(s, d->address, &what);
    switch (what) {
    case SIMULATED_NOBODY:
    case SIMULATED_BOUNCE: return err_set(ERR_NOT_FOUND, "there is nobody of that name");
    case SIMULATED_SOFTBOUNCE: return err_set(ERR_QUOTA, "the mailbox is full");
    case SIMULATED_COMPLAINT: e = answer(s, d, complaint); break;
    case SIMULATED_OOTO: e = answer(s, d, away); break;
    case SIMULATED_LATEBOUNCE: e = answer(s, d, late_failure); break;
    default: break;
    }
    return e ? e : return_path_told(s, d);
}
