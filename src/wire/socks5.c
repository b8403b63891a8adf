/* socks5.c - SOCKS version 5, the side of a client. */
#include "socks5.h"

#include <string.h>

#include "base/log.h"

enum {
    VERSION = 5,
    LOGIN_VERSION = 1,
    NO_LOGIN = 0,
    LOGIN = 2,
    NOTHING = 0xff,
    CONNECT = 1,
    IPV4 = 1,
    NAME = 3,
    IPV6 = 4
};

size_t socks5_hello(bool login, uint8_t out[SOCKS5_HELLO_MAX])
{
    out[0] = VERSION;
    out[1] = login ? 2 : 1;
    out[2] = NO_LOGIN;
    out[3] = LOGIN;
    return login ? 4 : 3;
}

int socks5_method(const uint8_t in[2], bool may_log_in, bool *login)
{
    *login = in[1] == LOGIN;
    if (in[0] != VERSION) return err_set(ERR_SYNTAX, "it speaks no SOCKS5");
    if (in[1] == NO_LOGIN || (*login && may_log_in)) return 0;
    if (in[1] == LOGIN || (in[1] == NOTHING && !may_log_in)) return err_set(ERR_DENIED, "it wants a login");
    return err_set(in[1] == NOTHING ? ERR_DENIED : ERR_SYNTAX,
                   in[1] == NOTHING ? "it lets nobody in by a name and a password"
                                    : "it chose a way to log in that was not offered");
}

static uint8_t *put_word(uint8_t *p, struct slice word)
{
    ASSERT(word.n && word.n <= SOCKS5_WORD_MAX);
    *p++ = (uint8_t)word.n;
    memcpy(p, word.p, word.n);
    return p + word.n;
}

size_t socks5_login(struct slice user, struct slice password, uint8_t out[SOCKS5_LOGIN_MAX])
{
    out[0] = LOGIN_VERSION;
    return (size_t)(put_word(put_word(out + 1, user), password) - out);
}

int socks5_logged_in(const uint8_t in[2])
{
    if (in[0] != LOGIN_VERSION) return err_set(ERR_SYNTAX, "it speaks no SOCKS5");
    return in[1] == 0 ? 0 : err_set(ERR_DENIED, "it refuses the login");
}

size_t socks5_connect(const struct endpoint *to, uint8_t out[SOCKS5_CONNECT_MAX])
{
    size_t n = to->ip.family == 6 ? 16 : 4;
    out[0] = VERSION;
    out[1] = CONNECT;
    out[2] = 0;
    out[3] = to->ip.family == 6 ? IPV6 : IPV4;
    memcpy(out + 4, to->ip.b, n);
    out[4 + n] = (uint8_t)(to->port >> 8);
    out[5 + n] = (uint8_t)to->port;
    return 6 + n;
}

/* Of the address in a reply, with what says how long a name is; 0: there is no such kind. */
static size_t address_bytes(uint8_t kind, uint8_t first)
{
    return kind == IPV4 ? 4 : kind == IPV6 ? 16 : kind == NAME ? 1 + (size_t)first : 0;
}

int socks5_reply_parse(struct slice bytes, size_t *need, struct socks5_reply *out)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    ASSERT(bytes.n >= SOCKS5_REPLY_FIRST);
    *out = (struct socks5_reply){.code = p[1]};
    size_t n = address_bytes(p[3], p[4]);
    if (p[0] != VERSION || !n) return err_set(ERR_SYNTAX, "its reply is none of SOCKS5");
    *need = 4 + n + 2;
    if (bytes.n < *need) return 1;
    if (bytes.n > *need) return err_set(ERR_SYNTAX, "its reply is none of SOCKS5");
    if (p[3] == NAME) return 0;
    out->from.family = p[3] == IPV4 ? 4 : 6;
    memcpy(out->from.b, p + 4, n);
    if (ip_is_unspecified(&out->from)) out->from = (struct ip){0};
    return 0;
}

const char *socks5_words(uint8_t code, bool *of_target)
{
    static const char *const words[] = {"connected",
                                        "the connection failed",
                                        "its rules do not allow the connection",
                                        "the network cannot be reached",
                                        "the host cannot be reached",
                                        "the connection was refused",
                                        "the host did not answer",
                                        "it does not know how to connect",
                                        "it does not know this kind of address"};
    *of_target = code && code != 7 && code != 8;
    return code < COUNT_OF(words) ? words[code] : "it fails with a code that SOCKS5 does not have";
}
