/* socks5_test.c - the words of RFC 1928 and RFC 1929, and answers that are none. */
#include "socks5.h"

#include <string.h>

#include "base/test.h"

TEST(socks5_what_is_said)
{
    uint8_t out[SOCKS5_LOGIN_MAX];
    struct endpoint to = {.port = 25};
    CHECK_INT(socks5_hello(false, out), 3);
    CHECK(memcmp(out, "\5\1\0", 3) == 0);
    CHECK_INT(socks5_hello(true, out), 4);
    CHECK(memcmp(out, "\5\2\0\2", 4) == 0);
    CHECK_INT(socks5_login(SL("me"), SL("secret"), out), 11);
    CHECK(memcmp(out, "\1\2me\6secret", 11) == 0);
    CHECK(ip_parse(SL("192.0.2.1"), &to.ip));
    CHECK_INT(socks5_connect(&to, out), 10);
    CHECK(memcmp(out, "\5\1\0\1\xc0\0\2\1\0\x19", 10) == 0);
    CHECK(ip_parse(SL("2001:db8::1"), &to.ip));
    CHECK_INT(socks5_connect(&to, out), 22);
    CHECK(memcmp(out, "\5\1\0\4\x20\1\r\xb8", 8) == 0 && out[19] == 1 && out[21] == 25);
}

TEST(socks5_who_lets_us_in)
{
    bool login;
    CHECK_OK(socks5_method((const uint8_t *)"\5\0", false, &login));
    CHECK(!login);
    CHECK_OK(socks5_method((const uint8_t *)"\5\2", true, &login));
    CHECK(login);
    CHECK_ERR(socks5_method((const uint8_t *)"\5\2", false, &login), ERR_DENIED);
    CHECK_ERR(socks5_method((const uint8_t *)"\5\xff", false, &login), ERR_DENIED);
    CHECK_ERR(socks5_method((const uint8_t *)"\5\xff", true, &login), ERR_DENIED);
    CHECK_ERR(socks5_method((const uint8_t *)"\5\1", true, &login), ERR_SYNTAX);
    CHECK_ERR(socks5_method((const uint8_t *)"\4\0", true, &login), ERR_SYNTAX);
    CHECK_OK(socks5_logged_in((const uint8_t *)"\1\0"));
    CHECK_ERR(socks5_logged_in((const uint8_t *)"\1\1"), ERR_DENIED);
    CHECK_ERR(socks5_logged_in((const uint8_t *)"\5\0"), ERR_SYNTAX);
}

static int reply(const char *p, size_t n, struct socks5_reply *out, size_t *need)
{
    return socks5_reply_parse(sl(p, n), need, out);
}

TEST(socks5_replies)
{
    struct socks5_reply r;
    size_t need;
    bool target;
    char ip[IP_TEXT_MAX], name[SOCKS5_REPLY_MAX] = {5, 0, 0, 3, (char)255};
    CHECK_INT(reply("\5\0\0\1\xc0", 5, &r, &need), 1);
    CHECK_INT(need, 10);
    CHECK_OK(reply("\5\0\0\1\xc0\0\2\1\0\x19", 10, &r, &need));
    CHECK(r.code == 0);
    CHECK_SL(sl_cstr(ip_format(&r.from, ip)), "192.0.2.1");
    CHECK_ERR(reply("\5\0\0\1\xc0\0\2\1\0\x19"
                    "2",
                    11, &r, &need),
              ERR_SYNTAX);
    CHECK_OK(reply("\5\0\0\1\0\0\0\0\0\0", 10, &r, &need));
    CHECK_INT(r.from.family, 0);
    CHECK_OK(reply("\5\5\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, &r, &need));
    CHECK(r.code == 5 && !r.from.family);
    CHECK_INT(reply(name, 5, &r, &need), 1);
    CHECK_INT(need, SOCKS5_REPLY_MAX);
    CHECK_OK(reply(name, sizeof name, &r, &need));
    CHECK_OK(reply("\5\1\0\3\0\0\0", 7, &r, &need)); /* a name of no bytes */
    CHECK_ERR(reply("\5\0\0\2\0\0\0", 7, &r, &need), ERR_SYNTAX);
    CHECK_ERR(reply("220 m", 5, &r, &need), ERR_SYNTAX);
    for (int code = 0; code < 256; code++) {
        CHECK(*socks5_words((uint8_t)code, &target));
        CHECK_INT(target, code != 0 && code != 7 && code != 8);
    }
}
