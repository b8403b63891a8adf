/* login.c - logging in to another server as a route has it (RFC 4954). By SCRAM-SHA-256, where it is offered:
 * the password is not told, and the server proves that it knows it. */
#include "base/text.h"
#include "crypto/crypto.h"
#include "relay_i.h"

#define LOGIN_TIME (300 * RT_S)

static int hear(struct peer *p, struct arena *a, int want, struct smtp_reply *r, struct verdict *why)
{
    return peer_expect(p, a, LOGIN_TIME, want, "while logging in", r, why);
}

/* `before` and a message of the exchange, and what is answered to it. */
static int say(struct peer *p, struct arena *a, const char *before, struct slice message, int want,
               struct smtp_reply *r, struct verdict *why)
{
    struct buf line = BUF_INIT;
    buf_str(&line, before);
    b64_encode(&line, message);
    buf_str(&line, "\r\n");
    peer_say_secret(p, before, buf_slice(&line));
    wipe(line.p, line.n);
    buf_free(&line);
    return hear(p, a, want, r, why);
}

/* ---- SCRAM ---- */

struct proving {
    struct scram_client *c;
    struct slice password, challenge, answer;
};

static int prove(void *arg)
{
    struct proving *x = arg;
    return scram_client_final(x->c, x->password, x->challenge, &x->answer);
}

/* The message behind 334. */
static int message_in(struct arena *a, const struct smtp_reply *r, struct slice *out)
{
    struct slice text = sl_trim(sl_from(r->text, 3));
    int e = r->lines == 1 && !r->cut ? b64_decode_ar(a, text, true, out) : ERR_SYNTAX;
    return e ? err_set(ERR_SYNTAX, "the server does not speak SCRAM as RFC 5802 has it") : 0;
}

/* What we do not believe, or cannot do, ends the session: nothing of the password was told. */
static int broken_off(struct verdict *why, struct arena *a, int e)
{
    verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8", ar_dup(a, sl_cstr(err_text(e))));
    return -1;
}

static int begin(struct peer *p, struct arena *a, const struct relay_route *r, struct scram_client *c,
                 struct slice *first)
{
    uint8_t chance[24];
    bool bound = conn_tls_exporter(p->c, c->binding) == 0, plus = p->auth & SMTP_AUTH_SCRAM_SHA_256_PLUS;
    c->plus = bound && plus;
    c->could_bind = bound && !plus;
    rt_random(chance, sizeof chance);
    return scram_client_first(c, a, r->user, b64_encode_ar(a, sl((const char *)chance, sizeof chance)),
                              first);
}

/* RFC 5802 section 5: two messages each; the server's last one must prove it, before it is believed to have
 * let us in. */
static int scram(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    struct scram_client c = {0};
    struct proving x = {.c = &c, .password = r->password};
    struct smtp_reply reply;
    struct slice first, last;
    int e = begin(p, a, r, &c, &first);
    if (e) return broken_off(why, a, e);
    e = say(p, a, c.plus ? "AUTH SCRAM-SHA-256-PLUS " : "AUTH SCRAM-SHA-256 ", first, 334, &reply, why);
    if (e) return e;
    e = message_in(a, &reply, &x.challenge);
    if (!e) e = offload_on(POOL_PASSWORD, prove, &x);
    if (e) return broken_off(why, a, e);
    e = say(p, a, "", x.answer, 334, &reply, why);
    if (e && why->code == 235)
        return broken_off(why, a, err_set(ERR_DENIED, "the server lets anybody in: it proves nothing"));
    if (e) return e;
    e = message_in(a, &reply, &last);
    if (!e) e = scram_client_verify(&c, last);
    if (e) return broken_off(why, a, e);
    peer_say(p, SL("\r\n"));
    return hear(p, a, 235, &reply, why);
}

/* ---- the others ---- */

static int plain(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    struct smtp_reply reply;
    struct buf both = BUF_INIT;
    buf_char(&both, 0), buf_put(&both, r->user), buf_char(&both, 0), buf_put(&both, r->password);
    int e = say(p, a, "AUTH PLAIN ", buf_slice(&both), 235, &reply, why);
    wipe(both.p, both.n);
    buf_free(&both);
    return e;
}

static int by_login(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    struct smtp_reply reply;
    peer_say(p, SL("AUTH LOGIN\r\n"));
    int e = hear(p, a, 334, &reply, why);
    if (!e) e = say(p, a, "", r->user, 334, &reply, why);
    return e ? e : say(p, a, "", r->password, 235, &reply, why);
}

/* RFC 4422 appendix A: by the certificate that was shown, as whom that says. */
static int external(struct peer *p, struct arena *a, struct verdict *why)
{
    struct smtp_reply reply;
    peer_say(p, SL("AUTH EXTERNAL =\r\n"));
    return hear(p, a, 235, &reply, why);
}

/* Passwords go over TLS alone: route_parse() sees to that. */
static int with_password(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    bool proves = p->auth & (SMTP_AUTH_SCRAM_SHA_256 | SMTP_AUTH_SCRAM_SHA_256_PLUS);
    if (proves && r->login != ROUTE_LOGIN_PLAIN) return scram(p, a, r, why);
    if (r->login == ROUTE_LOGIN_SCRAM)
        verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8",
                    SL("it does not offer SCRAM-SHA-256, which the route asks for"));
    else if (p->auth & SMTP_AUTH_PLAIN) return plain(p, a, r, why);
    else if (p->auth & SMTP_AUTH_LOGIN) return by_login(p, a, r, why);
    else
        verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8",
                    SL("it offers neither SCRAM-SHA-256 nor PLAIN nor LOGIN"));
    return -1;
}

int peer_log_in(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why)
{
    bool shown = r->certificate.n && conn_is_tls(p->c) && p->auth & SMTP_AUTH_EXTERNAL;
    p->logging_in = true;
    int e = r->user.n ? with_password(p, a, r, why) : shown ? external(p, a, why) : 0;
    p->logging_in = false;
    if (!e || (!why->code && why->enhanced[2] != '7')) return e;
    struct slice text = why->text, who = r->user.n ? r->user : SL("its certificate says");
    verdict_set(why, ATTEMPT_TEMPORARY, "4.7.8",
                ar_printf(a, "the login at %s as %.*s failed: %.*s", p->host, SLF(who), SLF(text)));
    why->policy = true;
    return -1;
}
