/* addresses.h - which addresses of the machine may be told to others: conn.h has all of them. */
#pragma once
#include "base/ip.h"
#include "base/slice.h"

/* Those of rt_addresses() that stay: none of a point-to-point interface, and of IPv6 none that is temporary
 * (RFC 8981), deprecated or not known yet to be the machine's own (RFC 4862). How many are in out, at most
 * max. BLOCKS for a moment. */
size_t rt_lasting_addresses(struct ip *out, size_t max);

/* In messages of the kernel (rtnetlink(7)), the IPv6 addresses that pass or may: appended to out, of which *n
 * are there, at most max. True: more messages follow. Pure. */
bool addresses_passing(struct slice messages, struct ip *out, size_t max, size_t *n);
