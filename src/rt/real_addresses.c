/* real_addresses.c - the addresses that the machine has. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addresses.h"
#include "base/arena.h"
#include "conn.h"

static bool address_of(const struct sockaddr *a, struct ip *out)
{
    *out = (struct ip){0};
    if (a && a->sa_family == AF_INET) {
        out->family = 4;
        memcpy(out->b, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a && a->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(six)) return false;
        out->family = 6;
        memcpy(out->b, six, 16);
    }
    return out->family && !ip_is_loopback(out);
}

size_t rt_addresses(struct ip *out, size_t max)
{
    struct ifaddrs *all;
    size_t n = 0;
    if (getifaddrs(&all) != 0) return 0;
    for (struct ifaddrs *i = all; i && n < max; i = i->ifa_next)
        if ((i->ifa_flags & IFF_UP) && address_of(i->ifa_addr, &out[n])) n++;
    freeifaddrs(all);
    return n;
}

/* ---- which of them stay ---- */

enum { PASSING_MAX = 256, MESSAGES = 32 << 10 };

/* What the kernel has of IPv6 addresses that pass or may. Without its answer all of them stay. */
static size_t passing(struct ip *out, size_t max)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg of;
    } ask = {{.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             {.ifa_family = AF_INET6}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    size_t n = 0;
    ssize_t got = 1;
    char *room = xmalloc(MESSAGES);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || sendto(fd, &ask, sizeof ask, 0, (const void *)&kernel, sizeof kernel) != sizeof ask)
        got = 0;
    while (got > 0) {
        got = recv(fd, room, MESSAGES, 0);
        if (got > 0 && !addresses_passing(sl(room, (size_t)got), out, max, &n)) break;
    }
    if (fd >= 0) close(fd);
    free(room);
    return n;
}

static bool stays(const struct ifaddrs *i, const struct ip *ip, const struct ip *pass, size_t n)
{
    if (i->ifa_flags & IFF_POINTOPOINT) return false;
    for (size_t k = 0; k < n; k++)
        if (ip_eq(ip, &pass[k])) return false;
    return true;
}

size_t rt_lasting_addresses(struct ip *out, size_t max)
{
    struct ifaddrs *all;
    struct ip pass[PASSING_MAX];
    size_t n = 0, npass = passing(pass, PASSING_MAX);
    if (getifaddrs(&all) != 0) return 0;
    for (struct ifaddrs *i = all; i && n < max; i = i->ifa_next)
        if ((i->ifa_flags & IFF_UP) && address_of(i->ifa_addr, &out[n]) && stays(i, &out[n], pass, npass))
            n++;
    freeifaddrs(all);
    return n;
}
