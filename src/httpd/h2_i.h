/* h2_i.h - inside HTTP/2: a connection's streams. */
#pragma once
#include <nghttp2/nghttp2.h>

#include "httpd_i.h"

enum {
    H2_STREAMS = 32,              /* at once, also those whose client is gone while their function runs; */
    H2_ENDING = 32,               /* besides, those that are answered whole, whose function has yet to end */
    H2_WINDOW = 64 << 10,         /* of a stream, until who asks is proved; */
    H2_WINDOW_PROVED = 512 << 10, /* then */
    H2_CONNECTION = 256 << 10,    /* of all streams; */
    H2_CONNECTION_PROVED = 1 << 20, /* then */
    H2_OUT = 64 << 10,              /* of an answer that waits for the client's window */
    H2_PRICE_MAX = 1000,            /* of frames; */
    H2_PRICE_FADES = 20,            /* so much of it is forgotten in a second, */
    H2_PRICE_ANSWER = 4,            /* and for each frame of an answer */
    H2_PRICE_RESET = 20,            /* of a stream that the client gives up */
    H2_BOMB = 4 * HTTP_HEAD_MAX,    /* fields of one request, decoded, before the connection ends */
};

/* What the bytes of a client are made of: the heads of frames, as they pass by. */
struct h2_frames {
    uint8_t head[9];
    size_t have, preface; /* bytes of the head that comes; of the preface that came */
    size_t left;          /* of the payload that comes */
};
/* What the frames in these bytes cost: each one, but DATA that holds some, 1; one that ends a stream
 * H2_PRICE_RESET. */
uint64_t h2_price(struct h2_frames *f, struct slice bytes);

struct stream {
    struct link link; /* in h2->streams */
    struct h2 *h;
    struct exchange *x;
    int32_t id;
    struct slice method, path, authority; /* in x's arena */
    struct slice why;                     /* it is refused; also there */
    size_t head_bytes, trailers;
    bool has_line, started, running;
    bool gone;   /* closed: nobody is there */
    bool wide;   /* its window */
    bool in_end; /* the body is whole */
    bool out_end, out_sent;
    bool ending;               /* gone, and answered whole: its client may ask for the next */
    struct buf in, piece, out; /* piece: what was read last */
    struct waitq more, room;
    int64_t waited; /* for the body */
};

struct h2 {
    struct httpd_session *s;
    nghttp2_session *ng;
    struct link streams;
    size_t n, ending; /* streams; of these such */
    struct group running;
    struct h2_frames frames;
    uint64_t price;
    int64_t price_at;
    int64_t heading; /* a head is coming since then; 0: none */
    int64_t idle;    /* nothing was done since then */
    bool leaving;    /* GOAWAY is said */
};

/* h2_stream.c */
extern const struct httpd_way h2_way;
void h2_stream_drop(struct stream *t); /* what of the body was not read */
void h2_stream_free(struct stream **t);
