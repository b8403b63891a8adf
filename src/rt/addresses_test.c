/* addresses_test.c - which addresses the kernel says that pass. */
#include "addresses.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "base/buf.h"
#include "base/test.h"

static void put_attribute(struct buf *b, unsigned type, const void *p, size_t n)
{
    struct rtattr t = {.rta_len = (unsigned short)(sizeof t + n), .rta_type = (unsigned short)type};
    buf_put(b, sl(&t, sizeof t));
    buf_put(b, sl(p, n));
    while (b->n % 4) buf_str(b, "x");
}

/* wide: the flags stand in their attribute, as those above a byte must. */
static void put_address(struct buf *b, const char *text, uint32_t flags, bool wide)
{
    struct buf rest = BUF_INIT;
    struct ip ip;
    CHECK(ip_parse(sl_cstr(text), &ip));
    struct ifaddrmsg m = {.ifa_family = ip.family == 6 ? AF_INET6 : AF_INET,
                          .ifa_flags = wide ? 0 : (uint8_t)flags};
    put_attribute(&rest, IFA_CACHEINFO, "abcde", 5); /* one that is to be skipped, with its padding */
    put_attribute(&rest, IFA_ADDRESS, ip.b, ip.family == 6 ? 16 : 4);
    if (wide) put_attribute(&rest, IFA_FLAGS, &flags, sizeof flags);
    struct nlmsghdr h = {.nlmsg_len = (uint32_t)(sizeof h + sizeof m + rest.n), .nlmsg_type = RTM_NEWADDR};
    buf_put(b, sl(&h, sizeof h));
    buf_put(b, sl(&m, sizeof m));
    buf_put(b, buf_slice(&rest));
    buf_free(&rest);
}

static void put_end(struct buf *b)
{
    struct nlmsghdr h = {.nlmsg_len = sizeof h, .nlmsg_type = NLMSG_DONE};
    buf_put(b, sl(&h, sizeof h));
}

TEST(addresses_of_privacy_and_those_on_their_way_out_pass)
{
    struct buf b = BUF_INIT;
    struct ip out[8];
    char text[IP_TEXT_MAX];
    size_t n = 0;
    put_address(&b, "2001:db8::1", IFA_F_PERMANENT, false);
    put_address(&b, "2001:db8::2", IFA_F_TEMPORARY, true);
    put_address(&b, "2001:db8::3", IFA_F_DEPRECATED | IFA_F_PERMANENT, false);
    put_address(&b, "2001:db8::4", IFA_F_TENTATIVE, true);
    put_address(&b, "2001:db8::5", IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE, true);
    put_address(&b, "192.0.2.1", IFA_F_SECONDARY, true); /* of IPv4 the bit means another thing */
    CHECK(addresses_passing(buf_slice(&b), out, 8, &n));
    CHECK_INT(n, 3);
    for (size_t i = 0; i < n; i++) {
        char want[] = "2001:db8::2";
        want[10] = (char)('2' + i);
        CHECK_SL(sl_cstr(ip_format(&out[i], text)), want);
    }
    put_end(&b);
    put_address(&b, "2001:db8::6", IFA_F_TEMPORARY, true);
    n = 7;
    CHECK(
        !addresses_passing(buf_slice(&b), out, 8, &n)); /* behind the end there is nothing; in out one more */
    CHECK_INT(n, 8);
    buf_free(&b);
}

TEST(messages_that_are_cut_anywhere_are_read_up_to_there)
{
    struct buf b = BUF_INIT;
    struct ip out[8];
    put_address(&b, "2001:db8::2", IFA_F_TEMPORARY, true);
    for (size_t cut = 0; cut < b.n; cut++) {
        struct buf copy = BUF_INIT; /* its own bytes: reading behind them is seen */
        size_t n = 0;
        buf_put(&copy, sl(b.p, cut));
        (void)addresses_passing(buf_slice(&copy), out, 8, &n);
        CHECK_INT(n, 0);
        buf_free(&copy);
    }
    for (unsigned i = 0; i < b.n; i++) { /* lengths that lie */
        size_t n = 0;
        char was = b.p[i];
        b.p[i] = (char)0xff;
        (void)addresses_passing(buf_slice(&b), out, 8, &n);
        b.p[i] = 0;
        (void)addresses_passing(buf_slice(&b), out, 8, &n);
        b.p[i] = was;
    }
    buf_free(&b);
}
