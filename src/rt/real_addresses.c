/* real_addresses.c - the addresses that the machine has. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

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
