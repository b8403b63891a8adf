/* server_test.c - the made-up servers that the relay is tested against: SMTP and LMTP on loopback, with the
 * bad habits that a test gives them. */
#include "base/text.h"
#include "crypto/crypto.h"
#include "relay_test.h"

const char DROP[] = "(closes)", SILENT[] = "(says nothing)", ENDLESS[] = "(a line without end)",
           LINES[] = "(lines without end)", RESET[] = "(drops after half of the data)",
           EARLY[] = "(refuses after half of the data, and drops)";

static void note(struct server *s, struct slice line)
{
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%.*s|", SLF(line));
}

/* False: the session ends. */
static bool answer(struct server *s, struct conn *c, enum step step, const char *usual)
{
    const char *say = s->say[step] ? s->say[step] : usual;
    if (s->say_once) s->say[step] = NULL;
    s->times[step]++;
    if (step == MAIL && ++s->under_way > s->most_under_way) s->most_under_way = s->under_way;
    if (step == DOT) s->under_way--;
    if (say == DROP) return false;
    if (say == SILENT) {
        fiber_sleep(3600 * RT_S);
        return false;
    }
    if (say == ENDLESS)
        for (int i = 0; i < 2000 && !conn_error(c); i++)
            conn_puts(c, "220-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    else if (say == LINES)
        for (int i = 0; i < 5000 && !conn_error(c); i++) conn_puts(c, "250-and another one\r\n");
    else conn_printf(c, "%s\r\n", say);
    return say != ENDLESS && say != LINES && strncmp(say, "421", 3) != 0;
}

static bool take_letter(struct server *s, struct conn *c)
{
    struct smtp_data d;
    smtp_data_begin(&d);
    buf_clear(&s->letter);
    for (;;) {
        if (conn_peek(c).n == 0 && conn_fill(c) < 0) return false;
        struct slice in = conn_peek(c), run;
        size_t had = in.n;
        int what;
        do {
            what = smtp_data_feed(&d, &in, &run);
            buf_put(&s->letter, run);
        } while (what == SMTP_DATA_RUN);
        conn_consume(c, had - in.n);
        if (s->say[DOT] == RESET && d.size > 1000) return false;
        if (s->say[DOT] == EARLY && d.size > 1000) {
            conn_puts(c, "552-5.3.4 this is\r\n552 5.3.4 too much\r\n");
            return conn_flush(c) != 0; /* what was sent and is not read resets the connection */
        }
        CHECK_INT(d.fault, SMTP_FAULT_NONE);
        if (what == SMTP_DATA_END && s->lmtp) { /* each has an answer, the last of several a bad one */
            for (int i = 1; i <= s->accepted; i++)
                if (!answer(s, c, DOT,
                            i > 1 && i == s->accepted ? "452 4.2.2 full" : "250 2.0.0 taken as 17"))
                    return false;
            return true;
        }
        if (what == SMTP_DATA_END) return answer(s, c, DOT, "250 2.0.0 taken as 17");
    }
}

static bool take_chunk(struct server *s, struct conn *c, struct slice line)
{
    uint64_t n;
    struct slice rest = sl_from(line, 5), size;
    (void)sl_next(&rest, ' ', &size);
    CHECK(num_u64(size, 1 << 20, &n) && sl_eq(rest, SL("LAST")));
    for (buf_clear(&s->letter); s->letter.n < n;) {
        if (conn_peek(c).n == 0 && conn_fill(c) < 0) return false;
        struct slice in = sl_sub(conn_peek(c), 0, (size_t)n - s->letter.n);
        buf_put(&s->letter, in);
        conn_consume(c, in.n);
    }
    return answer(s, c, DOT, "250 2.0.0 taken as 17");
}

static bool hello(struct server *s, struct conn *c)
{
    if (s->say[EHLO]) return answer(s, c, EHLO, "");
    s->times[EHLO]++;
    conn_puts(c, "250-mx.test\r\n");
    const char *offers = conn_is_tls(c) && s->tls_caps ? s->tls_caps : s->caps;
    struct slice caps = sl_cstr(offers ? offers : ""), one;
    while (sl_next(&caps, '\n', &one))
        if (!sl_eqi(one, SL("STARTTLS")) || !conn_is_tls(c)) conn_printf(c, "250-%.*s\r\n", SLF(one));
    conn_puts(c, "250 HELP\r\n");
    return true;
}

static bool start_tls(struct server *s, struct conn *c)
{
    if (!answer(s, c, TLS, "220 go ahead")) return false;
    if (s->say[TLS]) return true;
    if (s->broken_tls) conn_puts(c, "this is no TLS at all, whatever you make of it\r\n");
    if (conn_flush(c) != 0 || s->broken_tls || conn_tls_accept(c, s->tls) != 0) return false;
    s->tls_sessions++;
    return true;
}

static bool rcpt(struct server *s, struct conn *c, struct slice line)
{
    if (sl_find(line, SL("<no")) != SL_NONE) return answer(s, c, RCPT, "550 5.1.1 no such user");
    if (sl_find(line, SL("<later")) != SL_NONE)
        return answer(s, c, RCPT, "450-4.2.0 mailbox\r\n450 4.2.0 busy");
    if (sl_find(line, SL("<full")) != SL_NONE) return answer(s, c, RCPT, "552 too many");
    s->accepted++;
    return answer(s, c, RCPT, "250 2.1.5 fine");
}

static bool challenge(struct conn *c, struct arena *a, struct slice message, struct slice *answer)
{
    struct slice line;
    conn_printf(c, "334 %.*s\r\n", SLF(b64_encode_ar(a, message)));
    return conn_read_line(c, 4096, &line) == 0 && b64_decode_ar(a, line, true, answer) == 0;
}

/* Who knows the password "secret" is let in; a liar does not know it himself. */
static bool scram(struct server *s, struct conn *c, struct slice line)
{
    struct arena a = {0};
    struct scram_server x = {0};
    struct scram_keys k;
    struct slice message = {0}, last;
    bool plus = sl_startsi(line, SL("AUTH SCRAM-SHA-256-PLUS "));
    uint8_t salt[16] = "0123456789abcde";
    if (conn_tls_exporter(c, x.cb_data) == 0 && sl_find(sl_cstr(s->caps), SL("-PLUS")) != SL_NONE)
        x.cb_size = 32;
    CHECK_OK(scram_derive(SCRAM_SHA256, SL("secret"), salt, s->rounds ? s->rounds : 4096, &k));
    CHECK_OK(b64_decode_ar(&a, sl_from(line, sl_rchr(line, ' ') + 1), true, &message));
    int e = scram_first(&x, &a, message, plus);
    if (!e && challenge(c, &a, scram_challenge(&x, &k, SL("0123456789abcdef01")), &message))
        e = scram_final(&x, message, &last);
    bool on = !conn_error(c), proves = !e && !s->liar;
    if (!e && s->liar) last = SL("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    if (on && !e) on = challenge(c, &a, last, &message);
    ar_free(&a);
    return on && answer(s, c, AUTH,
                        e        ? "535 5.7.8 wrong"
                        : proves ? "235 2.7.0 welcome"
                                 : "235 2.7.0 whoever");
}

/* Where it lost count. */
static bool loses(struct server *s, struct conn *c, struct slice line, enum step step, const char *verb)
{
    if (!sl_startsi(line, sl_cstr(verb))) return false;
    if (step == MAIL) s->piped = conn_peek(c).n > 0;
    return s->loses && s->piped && step >= s->loses;
}

static bool command(struct server *s, struct conn *c, struct slice line)
{
    note(s, line);
    if (loses(s, c, line, MAIL, "MAIL") || loses(s, c, line, RCPT, "RCPT") || loses(s, c, line, DATA, "DATA"))
        return conn_puts(c, "503 5.5.1 bad sequence of commands\r\n"), true;
    if (sl_startsi(line, SL("EHLO"))) return hello(s, c);
    if (sl_startsi(line, SL("HELO"))) return answer(s, c, HELO, "250 mx.test");
    if (sl_startsi(line, SL("STARTTLS"))) return start_tls(s, c);
    s->lmtp |= sl_startsi(line, SL("LHLO"));
    if (sl_startsi(line, SL("LHLO"))) return hello(s, c);
    if (sl_startsi(line, SL("AUTH SCRAM-SHA-256")) && !s->say[AUTH]) return scram(s, c, line);
    if (sl_startsi(line, SL("AUTH"))) return answer(s, c, AUTH, "235 2.7.0 welcome");
    if (sl_startsi(line, SL("MAIL"))) s->accepted = 0;
    if (sl_startsi(line, SL("MAIL"))) return answer(s, c, MAIL, "250 2.1.0 ok");
    if (sl_startsi(line, SL("RCPT"))) return rcpt(s, c, line);
    if (sl_startsi(line, SL("RSET"))) return answer(s, c, RSET, "250 2.0.0 ok");
    if (sl_startsi(line, SL("DATA")))
        return answer(s, c, DATA, "354 go on") &&
               ((s->say[DATA] && strncmp(s->say[DATA], "354", 3)) || take_letter(s, c));
    if (sl_startsi(line, SL("BDAT"))) return take_chunk(s, c, line);
    if (sl_startsi(line, SL("QUIT"))) answer(s, c, QUIT, "221 bye");
    return false;
}

static void session(struct serving *door, struct conn *c)
{
    struct server *s = CONTAINER_OF(door, struct server, door);
    struct slice line;
    s->sessions++;
    s->at_once++;
    if (answer(s, c, GREET, "220 mx.test ESMTP"))
        while (conn_read_line(c, 4096, &line) == 0 && command(s, c, line)) {
        }
    conn_close(&c);
    s->at_once--;
}

bool server_start(struct server *s, const char *at)
{
    *s = (struct server){.door.session = session};
    return serving_start(&s->door, at) == 0;
}

void server_stop(struct server *s)
{
    serving_stop(&s->door);
    buf_free(&s->letter);
    tls_free(&s->tls);
}

void server_restart(struct server *s)
{
    char at[ENDPOINT_TEXT_MAX];
    endpoint_format(listener_at(s->door.l), at);
    serving_stop(&s->door);
    CHECK_OK(serving_start(&s->door, at));
}

void server_offer_tls(struct server *s, const char *name, int days, struct buf *chain)
{
    struct buf own = BUF_INIT, key = BUF_INIT;
    struct slice n = sl_cstr(name);
    CHECK_OK(tls_self_signed(&n, 1, days, &own, &key));
    tls_free(&s->tls);
    CHECK_OK(tls_server_new(&s->tls, NULL));
    CHECK_OK(tls_server_add_cert(s->tls, buf_slice(&own), buf_slice(&key)));
    if (chain) buf_put(chain, buf_slice(&own));
    buf_free(&own);
    buf_free(&key);
}

void server_forget(struct server *s)
{
    memset(s->say, 0, sizeof s->say);
    memset(s->times, 0, sizeof s->times);
    s->log[0] = 0;
    s->sessions = s->tls_sessions = s->under_way = s->most_under_way = 0;
    s->lmtp = false;
}
