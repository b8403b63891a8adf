/* proxy_test.c - both versions of the PROXY protocol, their examples, and what is none. */
#include "proxy.h"

#include <stdio.h>
#include <string.h>

#include "base/test.h"

/* As a connection feeds it: exactly as many bytes as are asked for. *used: how many were. */
static int feed(struct slice all, struct proxy_head *out, size_t *used)
{
    size_t need = PROXY_FIRST;
    for (;;) {
        if (need > all.n) return 1;
        *used = need;
        int e = proxy_parse(sl_sub(all, 0, need), &need, out);
        if (e != 1) return e;
    }
}

static int text(const char *s, struct proxy_head *out)
{
    size_t used = 0;
    int e = feed(sl_cstr(s), out, &used);
    if (!e) CHECK_INT(used, (size_t)(strchr(s, '\n') - s) + 1);
    return e;
}

TEST(proxy_version_1)
{
    static const char *const bad[] = {
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",   "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",     "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",       "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",    "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",     "PROXY TCP4 192.0.2.1\r 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",   "EHLO mail.example.org\r\n",
        "PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",      "\x16\x03\x01\x02 the beginning of TLS",
    };
    struct proxy_head h;
    char ip[IP_TEXT_MAX], endless[200];
    CHECK_OK(text("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nEHLO", &h));
    CHECK(!h.local && h.from.port == 56324 && h.to.port == 443);
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "192.0.2.1");
    CHECK_OK(text("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", &h));
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "2001:db8::1");
    CHECK_OK(text("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.8 1 2\r\n", &h));
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "192.0.2.7");
    CHECK_OK(text("PROXY UNKNOWN\r\n", &h));
    CHECK(h.local);
    CHECK_OK(text("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n", &h));
    CHECK(h.local);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (text(bad[i], &h) != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "%s", bad[i]);
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "PROXY ", 6);
    size_t used = 0;
    CHECK_ERR(feed(sl(endless, sizeof endless), &h, &used), ERR_SYNTAX);
    CHECK_INT(used, PROXY_V1_MAX);
}

static size_t version_2(char out[600], int version, int what, struct slice rest)
{
    memcpy(out, "\r\n\r\n\0\r\nQUIT\n", 12);
    out[12] = (char)version;
    out[13] = (char)what;
    out[14] = (char)(rest.n >> 8);
    out[15] = (char)rest.n;
    memcpy(out + 16, rest.p, rest.n);
    memcpy(out + 16 + rest.n, "EHLO", 4);
    return 16 + rest.n + 4;
}

TEST(proxy_version_2)
{
    static const char four[] = "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb";
    struct proxy_head h;
    char b[600], ip[IP_TEXT_MAX], six[36] = {0};
    size_t used = 0, n = version_2(b, 0x21, 0x11, sl(four, 12));
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK(used == n - 4 && !h.local && h.from.port == 56324 && h.to.port == 443);
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "192.0.2.1");
    char more[200] = {0};
    memcpy(more, four, 12); /* TLVs are passed over */
    n = version_2(b, 0x21, 0x11, sl(more, sizeof more));
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK_INT(used, n - 4);
    six[0] = 0x20, six[1] = 1, six[15] = 9, six[33] = 25;
    n = version_2(b, 0x21, 0x21, sl(six, 36));
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "2001::9");
    CHECK_INT(h.from.port, 25);
    memset(six, 0, sizeof six);
    six[10] = six[11] = (char)0xff, six[12] = (char)192, six[14] = 2, six[15] = 3;
    n = version_2(b, 0x21, 0x21, sl(six, 36));
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, ip)), "192.0.2.3");
    n = version_2(b, 0x20, 0x00, SL("")); /* LOCAL: the proxy looks whether we live */
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK(h.local);
    n = version_2(b, 0x21, 0x31, sl(more, 200)); /* a Unix socket */
    CHECK_OK(feed(sl(b, n), &h, &used));
    CHECK(h.local);
    static const struct {
        int version, what;
        size_t size;
    } bad[] = {{0x21, 0x11, 11}, {0x21, 0x21, 35}, {0x11, 0x11, 12}, {0x22, 0x11, 12}, {0x31, 0x11, 12}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        n = version_2(b, bad[i].version, bad[i].what, sl(more, bad[i].size));
        CHECK_ERR(feed(sl(b, n), &h, &used), ERR_SYNTAX);
    }
    n = version_2(b, 0x21, 0x11, sl(four, 12));
    b[14] = (char)0xff; /* 65,292 bytes that never come are not waited for */
    CHECK_ERR(feed(sl(b, n), &h, &used), ERR_SYNTAX);
}

TEST(proxy_what_is_written_can_be_read)
{
    static const char *const pairs[][2] = {{"192.0.2.1:0", "192.0.2.2:25"},
                                           {"[2001:db8::1]:0", "[2001:db8::2]:2525"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct endpoint from, to;
        struct proxy_head h;
        uint8_t out[PROXY_WRITTEN_MAX];
        size_t used = 0;
        CHECK(endpoint_parse(sl_cstr(pairs[i][0]), &from) && endpoint_parse(sl_cstr(pairs[i][1]), &to));
        size_t n = proxy_write(&from, &to, out);
        CHECK_OK(feed(sl((const char *)out, n), &h, &used));
        CHECK_INT(used, n);
        CHECK(!h.local && ip_eq(&h.from.ip, &from.ip) && ip_eq(&h.to.ip, &to.ip) && h.to.port == to.port);
    }
}
