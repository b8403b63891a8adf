/* real_sock_i.h - inside the real sockets: what epoll tells of one, and who wants to know. */
#pragma once
#include "real_i.h"

struct sock {
    struct real_loop *loop;
    int fd;
    uint8_t ready, want;
    bool registered;
    bool hup;    /* the peer has sent its end: a short read says nothing */
    bool shared; /* a listening socket that several loops watch */
    bool master; /* the first of these: its close ends them all */
    void (*fn)(void *);
    void *arg;
    struct link due; /* in loop->due */
};
