/* near.c - only an address tells where a server is. */
#include "near.h"

#include "base/ip.h"

bool url_is_near(struct slice url)
{
    struct ip ip;
    size_t end = 0;
    if (!sl_startsi(url, SL("http://"))) return false;
    struct slice host = sl_from(url, 7);
    while (end < host.n && host.p[end] && !strchr("/?#", host.p[end])) end++;
    host = sl_sub(host, 0, end);
    size_t bracket = sl_rchr(host, ']'), colon = sl_rchr(host, ':');
    if (bracket != SL_NONE && host.p[0] == '[') host = sl_sub(host, 1, bracket);
    else if (colon != SL_NONE) host = sl_sub(host, 0, colon);
    return ip_parse(host, &ip) && ip_is_loopback(&ip);
}
