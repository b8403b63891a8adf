/* real_readable.c - waiting for a descriptor that is none of our sockets. */
#include "real_sock_i.h"

#include <errno.h>
#include <sys/epoll.h>

/* ---- foreign descriptors ---- */

int rt_wait_readable(int fd)
{
    struct sock s = {.loop = real_self(), .fd = fd, .shared = true};
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &s};
    list_init(&s.due);
    if (epoll_ctl(s.loop->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        return err_errno(errno, "cannot watch a descriptor");
    s.registered = true;
    int code = sock_wait(&s, SOCK_IN);
    epoll_ctl(s.loop->epoll, EPOLL_CTL_DEL, fd, NULL);
    return code;
}
