/* addresses.c - what the kernel says of addresses. */
#include "addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { PASSING = IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED };

/* The payload of the first attribute of that type; empty: there is none. */
static struct slice attribute(struct slice all, unsigned type)
{
    struct rtattr t;
    while (all.n >= sizeof t) {
        memcpy(&t, all.p, sizeof t);
        if (t.rta_len < sizeof t || t.rta_len > all.n) break;
        if (t.rta_type == type) return sl_sub(all, sizeof t, t.rta_len);
        all = sl_from(all, RTA_ALIGN(t.rta_len) < all.n ? RTA_ALIGN(t.rta_len) : all.n);
    }
    return SL("");
}

/* The byte in the message has the first flags only. */
static unsigned flags_of(const struct ifaddrmsg *m, struct slice attributes)
{
    uint32_t flags = m->ifa_flags;
    struct slice all = attribute(attributes, IFA_FLAGS);
    if (all.n == sizeof flags) memcpy(&flags, all.p, sizeof flags);
    return flags;
}

static void take_message(struct slice body, struct ip *out, size_t max, size_t *n)
{
    struct ifaddrmsg m;
    if (body.n < sizeof m) return;
    memcpy(&m, body.p, sizeof m);
    struct slice rest = sl_from(body, NLMSG_ALIGN(sizeof m)), address = attribute(rest, IFA_ADDRESS);
    if (m.ifa_family != AF_INET6 || address.n != 16 || !(flags_of(&m, rest) & PASSING) || *n == max) return;
    out[*n] = (struct ip){.family = 6};
    memcpy(out[(*n)++].b, address.p, 16);
}

bool addresses_passing(struct slice messages, struct ip *out, size_t max, size_t *n)
{
    struct nlmsghdr h;
    while (messages.n >= sizeof h) {
        memcpy(&h, messages.p, sizeof h);
        if (h.nlmsg_len < sizeof h || h.nlmsg_len > messages.n) return false;
        if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR) return false;
        if (h.nlmsg_type == RTM_NEWADDR) take_message(sl_sub(messages, sizeof h, h.nlmsg_len), out, max, n);
        size_t whole = NLMSG_ALIGN(h.nlmsg_len);
        messages = sl_from(messages, whole < messages.n ? whole : messages.n);
    }
    return true;
}
