/* socks5.h - what a client says to a SOCKS5 server and hears from it (RFC 1928, with a name and a password:
 * RFC 1929), to be connected to an address. Pure. */
#pragma once
#include "base/err.h"
#include "base/ip.h"

enum {
    SOCKS5_HELLO_MAX = 4,
    SOCKS5_WORD_MAX = 255, /* of a user's name, of a password; bytes */
    SOCKS5_LOGIN_MAX = 3 + 2 * SOCKS5_WORD_MAX,
    SOCKS5_CONNECT_MAX = 22,
    SOCKS5_REPLY_FIRST = 5, /* bytes by which it is known how long a reply is */
    SOCKS5_REPLY_MAX = 4 + 1 + 255 + 2,
};
/* The first words (section 3): without a login, or with one as well. Bytes written. */
size_t socks5_hello(bool login, uint8_t out[SOCKS5_HELLO_MAX]);
/* The answer to them: *login: the name and the password are wanted next. ERR_SYNTAX: it is no SOCKS5 server;
 * ERR_DENIED: it lets nobody in this way. */
MUST_CHECK int socks5_method(const uint8_t in[2], bool may_log_in, bool *login);
/* RFC 1929 section 2; each of 1 to SOCKS5_WORD_MAX bytes. Bytes written. */
size_t socks5_login(struct slice user, struct slice password, uint8_t out[SOCKS5_LOGIN_MAX]);
MUST_CHECK int socks5_logged_in(const uint8_t in[2]); /* ERR_DENIED, ERR_SYNTAX */
/* CONNECT to an address (section 4). Bytes written. */
size_t socks5_connect(const struct endpoint *to, uint8_t out[SOCKS5_CONNECT_MAX]);

struct socks5_reply {
    uint8_t code;   /* section 6; 0: connected */
    struct ip from; /* the address that it connects from; family 0: it does not say */
};
/* bytes: what has come of a reply, at least SOCKS5_REPLY_FIRST. 0: it is whole, exactly these bytes. 1: *need
 * bytes are wanted in all; what follows them is the other server's. ERR_SYNTAX. */
MUST_CHECK int socks5_reply_parse(struct slice bytes, size_t *need, struct socks5_reply *out);
/* In words. *of_target: it speaks of who was to be connected to, not of the proxy: all but what no target can
 * bring about. */
const char *socks5_words(uint8_t code, bool *of_target);
