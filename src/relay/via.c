/* via.c - connections that leave by another machine: by a SOCKS5 server (RFC 1928, RFC 1929), or by one that
 * is told by the PROXY protocol, version 2, from where and to whom it shall connect.
 *
 * What such a proxy does wrong is its source's trouble (source/trouble.c), neither the receiver's nor the
 * letter's; but what it answers when it is asked for an address is that one's, whatever it says: anybody's MX
 * may point to an address that its rules forbid, and must not stop what goes elsewhere. Until it has said
 * that it will connect it has its own short clock; then the receiver's runs. */
#include <stdio.h>

#include "probe.h"
#include "relay_i.h"
#include "wire/proxy.h"
#include "wire/socks5.h"

#define PROXY_TIME (10 * RT_S)

static void say(struct conn *c, const uint8_t *p, size_t n) { conn_write(c, sl((const char *)p, n)); }

/* ---- SOCKS5 ---- */

static int log_in(struct conn *c, const struct source *s)
{
    uint8_t out[SOCKS5_LOGIN_MAX], in[2];
    say(c, out, socks5_login(s->user, s->password, out));
    int e = conn_read(c, in, sizeof in);
    return e ? e : socks5_logged_in(in);
}

static int greet(struct conn *c, const struct source *s)
{
    uint8_t out[SOCKS5_HELLO_MAX], in[2];
    bool login;
    say(c, out, socks5_hello(s->user.n, out));
    int e = conn_read(c, in, sizeof in);
    if (!e) e = socks5_method(in, s->user.n, &login);
    return e || !login ? e : log_in(c, s);
}

static int read_reply(struct conn *c, struct socks5_reply *r)
{
    char room[SOCKS5_REPLY_MAX];
    size_t have = 0, need = SOCKS5_REPLY_FIRST;
    for (int e = 1; e == 1;) {
        e = conn_read(c, room + have, need - have);
        have = need;
        if (!e) e = socks5_reply_parse(sl(room, have), &need, r);
        if (e != 1) return e;
    }
    return 0;
}

static int target_error(uint8_t code)
{
    return code == 5 ? ERR_REFUSED : code == 6 ? ERR_TIMEOUT : ERR_UNREACHABLE;
}

/* Letters are known by the address that they come from: the proxy must have it, as far as it says. Behind a
 * translation of addresses it does not know its own. */
static int judge_address(const struct source *s, const struct ip *from)
{
    char is[IP_TEXT_MAX], wants[IP_TEXT_MAX];
    struct ip plain = ip_unmapped(from);
    if (!from->family) return 0;
    if (ip_is_private(&plain) || ip_is_loopback(&plain) || ip_eq(&plain, &s->ip)) return 0;
    return err_set(ERR_DENIED, "it connects from %s, not from %s", ip_format(&plain, is),
                   ip_format(&s->ip, wants));
}

static int ask_to_connect(struct conn *c, const struct source *s, const struct endpoint *to,
                          enum via_part *part)
{
    uint8_t out[SOCKS5_CONNECT_MAX];
    struct socks5_reply r;
    say(c, out, socks5_connect(to, out));
    int e = read_reply(c, &r);
    if (e == ERR_TIMEOUT) {
        *part = VIA_UNKNOWN;
        return err_set(e, "no answer from behind the proxy in time");
    }
    if (e) return e;
    if (r.code) {
        bool of_target;
        const char *words = socks5_words(r.code, &of_target);
        if (!of_target) return err_set(ERR_DENIED, "%s", words);
        *part = VIA_WORKS;
        return err_set(target_error(r.code), "the proxy says: %s", words);
    }
    e = judge_address(s, &r.from);
    if (!e) *part = VIA_WORKS;
    return e;
}

/* ---- both ---- */

static void say_who(struct conn *c, const struct source *s, const struct endpoint *to)
{
    uint8_t out[PROXY_WRITTEN_MAX];
    struct endpoint from = {.ip = s->ip};
    say(c, out, proxy_write(&from, to, out));
}

static int reach_proxy(struct conn **c, const struct source *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(PROXY_TIME));
    int e = conn_dial(c, &s->at, NULL);
    if (!e && s->via == VIA_SOCKS5) e = greet(*c, s);
    deadline_restore(before);
    return e;
}

static int blame(const struct source *s, int e)
{
    char at[ENDPOINT_TEXT_MAX], why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    bool silent = e == ERR_TIMEOUT || e == ERR_REFUSED || e == ERR_UNREACHABLE || e == ERR_EOF;
    return err_set(silent ? e : ERR_DENIED, "its proxy %s does not %s: %.100s", endpoint_format(&s->at, at),
                   silent ? "answer" : "do its part", why);
}

int via_dial(const struct relay_conf *conf, const struct endpoint *to, struct conn **out, enum via_part *part)
{
    const struct source *s = conf->via;
    *part = VIA_UNKNOWN;
    struct ip from = relay_from(conf, &to->ip);
    if (!s) return conn_dial(out, to, from.family && !ip_is_unspecified(&from) ? &from : NULL);
    *out = NULL;
    enum via_part did = VIA_CUT;
    int e = reach_proxy(out, s);
    if (!e && s->via == VIA_PROXY) say_who(*out, s, to), did = VIA_UNKNOWN;
    else if (!e) e = ask_to_connect(*out, s, to, &did);
    if (did != VIA_CUT || !fiber_canceled()) *part = did;
    if (!e) return 0;
    if (*part == VIA_CUT) e = blame(s, e);
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    conn_close(out);
    return err_set(e, "%s", why);
}

int relay_try_proxy(const struct source *s)
{
    struct conn *c = NULL;
    int e = reach_proxy(&c, s);
    if (e) e = blame(s, e);
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", e ? err_text(e) : "");
    conn_close(&c);
    return e ? err_set(e, "%s", why) : 0;
}
