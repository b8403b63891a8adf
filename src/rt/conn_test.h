/* conn_test.h - what the tests of connections share. */
#pragma once
#include "conn.h"
#include "test_rt.h"

/* Two connected ends over loopback, and the listener between them. */
struct pair {
    struct listener *l;
    struct conn *a, *b; /* dialed, accepted */
    int dial_error;
    struct endpoint to;
    struct group g;
};

bool pair_open(struct pair *p); /* true when all went well */
bool pair_at(struct pair *p, const struct endpoint *at);
void pair_close(struct pair *p);
struct endpoint loopback(void); /* 127.0.0.1, any port */
