/* h2_sim.c - HTTP/2 from clients that are plain, slow, greedy or hostile, frame by frame, over virtual time.
 */
#include "h2_i.h"
#include "talk_sim.h"

#include <stdio.h>

#include "base/test.h"

/* ---- frames of a client ---- */

static struct buf said[4000]; /* pieces */
static struct slice pieces[4001];
static size_t n;

static void fresh(void)
{
    for (size_t i = 0; i < n; i++) buf_free(&said[i]);
    n = 0;
}

static struct buf *piece(void)
{
    if (n == COUNT_OF(said)) return &said[n - 1];
    return &said[n++];
}

static void frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t id, struct slice payload)
{
    const uint8_t head[9] = {
        (uint8_t)(payload.n >> 16), (uint8_t)(payload.n >> 8), (uint8_t)payload.n, type,       flags,
        (uint8_t)(id >> 24),        (uint8_t)(id >> 16),       (uint8_t)(id >> 8), (uint8_t)id};
    buf_bytes(b, head, sizeof head);
    buf_put(b, payload);
}

static void hello(struct buf *b)
{
    buf_str(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(b, NGHTTP2_SETTINGS, 0, 0, SL(""));
}

/* A field, never indexed and never compressed (RFC 7541 section 6.2.3). */
static void field(struct buf *b, const char *name, const char *value)
{
    buf_char(b, 0x10);
    buf_char(b, (char)strlen(name));
    buf_str(b, name);
    buf_char(b, (char)strlen(value));
    buf_str(b, value);
}

static void fields(struct buf *b, const char *method, const char *path)
{
    field(b, ":method", method);
    field(b, ":scheme", "https");
    field(b, ":path", path);
    field(b, ":authority", "x");
}

/* A request whose head is all there is, or whose body follows. */
static void ask(struct buf *b, uint32_t id, const char *method, const char *path, bool more)
{
    struct buf head = BUF_INIT;
    fields(&head, method, path);
    frame(b, NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (more ? 0 : NGHTTP2_FLAG_END_STREAM)), id,
          buf_slice(&head));
    buf_free(&head);
}

static void number(struct buf *b, uint8_t type, uint32_t id, uint32_t v)
{
    const char four[] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    frame(b, type, 0, id, sl(four, 4));
}

/* ---- what the server said, a line for each frame ---- */

static struct buf lines;

static void read_fields(nghttp2_hd_inflater *inf, struct slice block)
{
    while (block.n) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t k = nghttp2_hd_inflate_hd2(inf, &nv, &flags, (const uint8_t *)block.p, block.n, 1);
        REQUIRE(k >= 0);
        block = sl_from(block, (size_t)k);
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            buf_printf(&lines, " %.*s=%.*s", (int)nv.namelen, (char *)nv.name, (int)nv.valuelen,
                       (char *)nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL) nghttp2_hd_inflate_end_headers(inf);
    }
}

static uint32_t four(struct slice s, size_t at)
{
    const uint8_t *p = (const uint8_t *)s.p + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct slice transcript(struct slice heard)
{
    nghttp2_hd_inflater *inf;
    CHECK(nghttp2_hd_inflate_new(&inf) == 0);
    buf_clear(&lines);
    while (heard.n >= 9) {
        size_t len = four(heard, 0) >> 8;
        uint32_t id = four(heard, 5);
        uint8_t type = (uint8_t)heard.p[3], flags = (uint8_t)heard.p[4];
        if (heard.n < 9 + len) break;
        struct slice payload = sl_sub(heard, 9, 9 + len);
        heard = sl_from(heard, 9 + len);
        switch (type) {
        case NGHTTP2_DATA: buf_printf(&lines, "%u DATA %.*s", id, SLF(sl_sub(payload, 0, 100))); break;
        case NGHTTP2_HEADERS: buf_printf(&lines, "%u HEADERS", id), read_fields(inf, payload); break;
        case NGHTTP2_RST_STREAM: buf_printf(&lines, "%u RST %u", id, four(payload, 0)); break;
        case NGHTTP2_GOAWAY:
            buf_printf(&lines, "GOAWAY %u last %u", four(payload, 4), four(payload, 0));
            break;
        case NGHTTP2_SETTINGS: buf_str(&lines, flags ? "SETTINGS ACK" : "SETTINGS"); break;
        case NGHTTP2_PING: buf_str(&lines, "PING ACK"); break;
        default: buf_printf(&lines, "%u frame %u", id, type);
        }
        if (type <= NGHTTP2_HEADERS && flags & NGHTTP2_FLAG_END_STREAM) buf_str(&lines, " END");
        buf_char(&lines, '\n');
    }
    nghttp2_hd_inflate_del(inf);
    return buf_slice(&lines);
}

static struct slice talk_h2(struct talk how)
{
    for (size_t i = 0; i < n; i++) pieces[i] = buf_slice(&said[i]);
    pieces[n] = (struct slice){0};
    how.bytes = pieces;
    how.tls = true;
    return transcript(dialog_of(how));
}

static struct buf *begin(void)
{
    fresh();
    struct buf *b = piece();
    hello(b);
    return b;
}

/* ---- what is served ---- */

TEST(h2_answers_many_at_once)
{
    struct buf *b = begin();
    ask(b, 1, "GET", "/hold/1", false);
    ask(b, 3, "GET", "/hello/a%2Fb?name=c", false);
    ask(b, 5, "HEAD", "/hello", false);
    ask(b, 7, "POST", "/echo", true);
    ask(b, 9, "GET", "/nothing", false);
    frame(b, NGHTTP2_DATA, 0, 7, SL("ab"));
    frame(b, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 7, SL("cd"));
    struct slice s = talk_h2((struct talk){.stay = 5 * RT_S});
    CHECK(has(s, "3 HEADERS :status=200") && has(s, "x-param=a/b") && has(s, "3 DATA c END\n"));
    CHECK(has(s, "5 HEADERS :status=200") && !has(s, "5 DATA") && has(s, "7 DATA abcd END\n"));
    CHECK(has(s, "9 HEADERS :status=404") && has(s, "1 DATA held END\n") && has(s, "content-length=4"));
    CHECK(sl_find(s, SL("1 DATA held")) > sl_find(s, SL("9 HEADERS"))); /* nobody waits for another */
    CHECK(!has(s, "RST") && !has(s, "GOAWAY") && !talk.closed);
}

/* A connection waits without a stack for its next request; when its client goes instead, it goes too. */
TEST(h2_ends_with_its_client)
{
    struct buf *b = begin();
    ask(b, 1, "GET", "/hello", false);
    CHECK(has(talk_h2((struct talk){.stay = RT_S}), "1 HEADERS :status=200") && !talk.closed);
    CHECK_INT((int64_t)talk.left, 0);
}

TEST(h2_bodies)
{
    static char big[16000];
    memset(big, 'x', sizeof big);
    struct buf *b = begin();
    ask(b, 1, "POST", "/count", true); /* as large as the windows, and a little more when it was read */
    for (int i = 0; i < 4; i++) frame(b, NGHTTP2_DATA, 0, 1, sl(big, sizeof big));
    b = piece();
    frame(b, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, sl(big, sizeof big));
    ask(b, 3, "POST", "/echo", true);
    frame(b, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, sl(big, 1001));
    ask(b, 5, "POST", "/nothing", true); /* a body that nobody wants, and that does not end */
    struct slice s = talk_h2((struct talk){.gap = RT_S, .stay = 200 * RT_S});
    CHECK(has(s, "1 DATA 80000 bytes END\n") && has(s, "1 frame 8\n"));
    CHECK(has(s, "3 HEADERS :status=413") && has(s, "5 HEADERS :status=404") && has(s, "5 RST 0\n"));
    CHECK(talk.closed && has(s, "GOAWAY 0 last 5\n"));
}

/* A client that takes nothing loses the request, and holds no more than its window. */
TEST(h2_windows)
{
    struct buf *b = begin();
    ask(b, 1, "GET", "/many", false);
    struct slice s = talk_h2((struct talk){.stay = 1000 * RT_S});
    CHECK(has(s, "1 RST 8\n") && has(s, "GOAWAY 0 last 1\n") && talk.closed);
    CHECK(talk.heard.n < 70000 && talk.took < HTTPD_WRITE + HTTPD_IDLE + 10 * RT_S);
    b = begin();
    static const char wide[] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x40, 0, 0, 0};
    frame(b, NGHTTP2_SETTINGS, 0, 0, sl(wide, 6));
    number(b, NGHTTP2_WINDOW_UPDATE, 0, 0x40000000);
    ask(b, 1, "GET", "/many", false);
    s = talk_h2((struct talk){.stay = 10 * RT_S});
    CHECK(talk.heard.n > 1024 * 1000 && !has(s, "RST") && times(s, " END\n") == 1);
}

TEST(h2_who_asks_and_for_how_long)
{
    struct buf *b = begin();
    ask(b, 1, "POST", "/mine", false);
    for (uint32_t i = 1; i < 200; i++) ask(piece(), 2 * i + 1, "GET", "/nothing", false);
    struct slice s = talk_h2((struct talk){.stay = 100 * RT_S, .gap = RT_MS});
    CHECK(has(s, "1 HEADERS :status=401"));
    CHECK(talk.closed && has(s, "GOAWAY 0 last "));
    CHECK(times(s, ":status=404") < 30);
    fresh();
    hello(piece());
    s = talk_h2((struct talk){.stay = 1000 * RT_S});
    CHECK(talk.closed && talk.took <= HTTPD_IDLE + RT_S && has(s, "GOAWAY 0 last 0\n"));
}

TEST(h2_stops_in_order)
{
    struct buf *b = begin();
    ask(b, 1, "GET", "/hold/1", false);
    struct slice s = talk_h2((struct talk){.stay = 10 * RT_S, .stop = RT_S / 2});
    CHECK(has(s, "GOAWAY 0 last 1\n") && talk.closed);
    CHECK(talk.took < RT_S);
}

/* What HTTP/1.1 refuses is refused here, too. */
TEST(h2_requests_are_judged)
{
    static const char *const bad[][2] = {
        {"GET", "/a b"}, {"GET", "http://x/"}, {"GET", "/%zz"}, {"GET", "*"}};
    struct buf *b = begin();
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) ask(b, 2 * i + 1, bad[i][0], bad[i][1], false);
    struct buf head = BUF_INIT; /* two hosts */
    fields(&head, "GET", "/hello");
    field(&head, "host", "y");
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 9, buf_slice(&head));
    buf_clear(&head); /* the same twice */
    fields(&head, "GET", "/hello");
    field(&head, "host", "x");
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 11, buf_slice(&head));
    buf_clear(&head); /* of a connection */
    fields(&head, "GET", "/hello");
    field(&head, "transfer-encoding", "chunked");
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 13, buf_slice(&head));
    buf_clear(&head);
    for (int i = 0; i < HTTP_FIELDS_MAX; i++) field(&head, "a", "b");
    struct buf whole = BUF_INIT;
    fields(&whole, "GET", "/hello");
    buf_put(&whole, buf_slice(&head));
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 15, buf_slice(&whole));
    struct slice s = talk_h2((struct talk){.stay = 5 * RT_S});
    CHECK_INT(times(s, ":status=400") + times(s, " RST 1\n"), 6);
    CHECK(has(s, "9 HEADERS :status=400") && has(s, "11 HEADERS :status=200"));
    CHECK(has(s, "13 RST 1\n") && has(s, "15 HEADERS :status=431"));
    buf_free(&whole);
    buf_free(&head);
}

/* ---- hostile ---- */

/* Ends with GOAWAY that says why, long before all was said. */
static void must_calm(const char *what, uint64_t most)
{
    struct slice s = talk_h2((struct talk){.stay = 100 * RT_S});
    if (!has(s, "GOAWAY 11 ") || !talk.closed || times(s, "\n") > most)
        test_fail(__FILE__, __LINE__, "%s: %zu lines, %.*s", what, times(s, "\n"), SLF(sl_sub(s, 0, 300)));
}

TEST(h2_floods_end)
{
    static const char eight[8] = "";
    static const uint8_t types[] = {NGHTTP2_PING, NGHTTP2_SETTINGS, NGHTTP2_PRIORITY, 0xbe};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        struct buf *b = begin();
        struct slice payload = sl(eight, types[t] == NGHTTP2_PING ? 8 : types[t] == NGHTTP2_PRIORITY ? 5 : 0);
        for (int i = 0; i < 5000; i++)
            frame(b, types[t], 0, types[t] == NGHTTP2_PRIORITY ? 1001 : 0, payload);
        must_calm("frames that ask for nothing", 1100);
    }
    struct buf *b = begin();
    ask(b, 1, "POST", "/count", true);
    for (int i = 0; i < 5000; i++) frame(b, NGHTTP2_DATA, 0, 1, SL(""));
    must_calm("empty DATA", 20);
    b = begin();
    for (int i = 0; i < 5000; i++) number(b, NGHTTP2_WINDOW_UPDATE, 0, 1);
    must_calm("WINDOW_UPDATE", 20);
}

/* CVE-2023-44487: what is begun and given up at once. */
TEST(h2_rapid_resets_end)
{
    struct buf *b = begin();
    for (uint32_t i = 0; i < 2000; i++) {
        if (i % 20 == 0) b = piece();
        ask(b, 2 * i + 1, "GET", "/hold/1", false);
        number(b, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
    }
    must_calm("rapid resets", 200);
    b = begin();
    for (uint32_t i = 0; i < 100; i++) ask(b, 2 * i + 1, "GET", "/hold/1", false);
    struct slice s = talk_h2((struct talk){.stay = 10 * RT_S});
    CHECK_INT(times(s, "DATA held"), H2_STREAMS); /* the others are refused, or the connection ends */
}

/* RFC 9113 section 5.1.2: a stream that is answered does not count any more, whatever its function still
 * does. */
TEST(h2_answered_is_room_for_the_next)
{
    struct buf *b = begin();
    for (uint32_t i = 0; i < 3 * H2_STREAMS; i++) {
        if (i && i % H2_STREAMS == 0) b = piece();
        ask(b, 2 * i + 1, "GET", "/linger", false);
    }
    struct slice s = talk_h2((struct talk){.stay = 10 * RT_S, .gap = RT_S / 10});
    CHECK_INT(times(s, "DATA lingers END"), 2 * H2_STREAMS);
    CHECK_INT(times(s, "RST 7\n"), H2_STREAMS); /* functions that do not end are not piled up */
}

/* CVE-2024-28182, and a head that never ends. */
TEST(h2_heads_end)
{
    struct buf *b = begin(), head = BUF_INIT;
    fields(&head, "GET", "/hello");
    frame(b, NGHTTP2_HEADERS, 0, 1, buf_slice(&head));
    for (int i = 0; i < 5000; i++) frame(b, NGHTTP2_CONTINUATION, 0, 1, SL(""));
    (void)talk_h2((struct talk){.stay = 10 * RT_S});
    CHECK(talk.closed && talk.took < RT_S);
    b = begin();
    frame(b, NGHTTP2_HEADERS, 0, 1, buf_slice(&head));
    for (int i = 0; i < 100; i++) frame(piece(), NGHTTP2_CONTINUATION, 0, 1, SL(""));
    (void)talk_h2((struct talk){.stay = 1000 * RT_S, .gap = 10 * RT_S});
    CHECK(talk.closed);
    buf_free(&head);
    fresh();
    buf_str(piece(), "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    (void)talk_h2((struct talk){.stay = 10 * RT_S});
    CHECK(talk.closed && talk.took < RT_S);
}

/* A field of 4,000 bytes that is named again and again, a byte each (a bomb of HPACK). */
TEST(h2_bombs_end)
{
    struct buf *b = begin(), head = BUF_INIT;
    fields(&head, "GET", "/hello");
    buf_char(&head, 0x40); /* kept in the table */
    buf_char(&head, 1);
    buf_char(&head, 'a');
    buf_bytes(&head, "\x7f\xa1\x1e", 3); /* 127 + 33 + 30 * 128 = 4,000 */
    for (int i = 0; i < 4000; i++) buf_char(&head, 'b');
    for (int i = 0; i < 12000; i++) buf_char(&head, (char)0xbe);
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, buf_slice(&head));
    must_calm("a bomb", 10);
    buf_free(&head);
    fresh();
    buf_free(&lines);
}
