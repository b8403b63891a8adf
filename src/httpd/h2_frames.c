/* h2_frames.c - what a client's frames cost, seen from outside of libnghttp2: it tells nothing of those that
 * it passes over, nor of the parts of a head. Frames are counted because each costs its receiver work, and a
 * client nothing: empty DATA, PING, SETTINGS, PRIORITY, CONTINUATION, resets (CVE-2019-9511 to 9518,
 * CVE-2023-44487, CVE-2024-28182). */
#include "h2_i.h"

enum { PREFACE = 24, HEAD = 9 };

static uint64_t price_of(const uint8_t head[HEAD])
{
    if (head[3] == NGHTTP2_RST_STREAM) return H2_PRICE_RESET;
    return head[3] != NGHTTP2_DATA || !(head[0] | head[1] | head[2]);
}

static size_t pass(size_t *left, struct slice *bytes)
{
    size_t n = *left < bytes->n ? *left : bytes->n;
    *left -= n;
    *bytes = sl_from(*bytes, n);
    return n;
}

uint64_t h2_price(struct h2_frames *f, struct slice bytes)
{
    uint64_t price = 0;
    size_t preface = PREFACE - f->preface;
    f->preface += pass(&preface, &bytes);
    while (bytes.n) {
        pass(&f->left, &bytes);
        size_t n = HEAD - f->have < bytes.n ? HEAD - f->have : bytes.n;
        if (n) memcpy(f->head + f->have, bytes.p, n);
        bytes = sl_from(bytes, n);
        f->have += n;
        if (f->have < HEAD) continue;
        price += price_of(f->head);
        f->have = 0;
        f->left = (size_t)f->head[0] << 16 | (size_t)f->head[1] << 8 | f->head[2];
    }
    return price;
}
