/* queue.c - part of make bench-queue (bench/waiting.py): fills a queue with letters that wait.
 *
 * LETTERS of 1 KB to as many addresses at 1,000 domains come from 64 senders at once and wait for one to 24
 * hours, each with a body of its own, durable like any other. The rate of the first and of the last ones
 * tells whether those that wait slow down those that come. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "queue/accept.h"
#include "queue/queue.h"

enum { SENDERS = 64, PART = 20000, DOMAINS = 1000, HOUR = 3600 };

struct bench {
    char dir[256];
    struct store *store;
    struct queue *queue;
    size_t letters, next;
    int64_t first, last; /* when the first PART was taken, and when the last one began */
};

static void must(int e, const char *what)
{
    if (e >= 0) return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

static int no_own_letters(void *ctx, const struct letter_own *own)
{
    (void)ctx, (void)own;
    return err_set(ERR_STATE, "nothing is sent here");
}

static int nobody_here(void *ctx, struct last_hop *hop)
{
    (void)ctx, (void)hop;
    return err_set(ERR_STATE, "nobody is here");
}

static void submit(struct bench *b, size_t n)
{
    char text[1100], to[60];
    int head = snprintf(text, sizeof text, "From: a@source.test\r\nSubject: letter %zu\r\n\r\n", n);
    memset(text + head, 'x', 1000);
    memcpy(text + head + 998, "\r\n", 2);
    struct slice address = sl(to, (size_t)snprintf(to, sizeof to, "user%zu@d%zu.test", n, n % DOMAINS));
    struct letter_rcpt rcpt = {.address = address, .route = {.address = address}};
    int64_t now = rt_wall_seconds();
    struct letter l = {.sender = SL("a@source.test"),
                       .rcpt = &rcpt,
                       .nrcpt = 1,
                       .received = now,
                       .head_size = (uint32_t)head,
                       .stream = STREAM_TRANSACTIONAL,
                       .wants = {.hold_until = now + HOUR + (int64_t)rt_random_below(23 * HOUR)}};
    struct buf origin = BUF_INIT;
    letter_id_new(&l.id);
    must(letter_origin(&origin, &l), "an origin");
    must(body_put(b->store->body, BODY_QUEUE, sl(text, (size_t)head + 1000), buf_slice(&origin), &l.body),
         "a body");
    must(accept_letter(b->queue, &l), "a letter");
    buf_free(&origin);
}

static void sender(void *arg)
{
    struct bench *b = arg;
    while (b->next < b->letters) {
        size_t n = b->next++;
        if (n == b->letters - PART) b->last = rt_now();
        submit(b, n);
        if (n == PART - 1) b->first = rt_now();
        fiber_yield();
    }
}

static void fill(struct bench *b)
{
    struct group g;
    int64_t start = rt_now();
    group_init(&g);
    for (int i = 0; i < SENDERS; i++) must(group_go(&g, "sender", sender, b), "a fiber");
    must(group_wait(&g), "the senders");
    int64_t end = rt_now();
    printf("%zu letters in %.1f s; the first %d at %.0f a second, the last %d at %.0f a second\n", b->letters,
           (double)(end - start) / RT_S, PART, PART / ((double)(b->first - start) / RT_S), PART,
           PART / ((double)(end - b->last) / RT_S));
}

static int run(void *arg)
{
    struct bench *b = arg;
    struct kv *kv;
    struct body_store *body;
    char path[300];
    struct queue_conf conf = {.hostname = SL("bench.test"), .take = no_own_letters, .deliver = nobody_here};
    snprintf(path, sizeof path, "%s/index", b->dir);
    must(kv_rocks_open(&kv, path), "opening the index");
    kv_rocks_cache(kv, rt_memory() / 8);
    snprintf(path, sizeof path, "%s/bodies", b->dir);
    must(body_open(&body, path, 0), "opening the bodies");
    must(store_open(&b->store, kv, body), "opening the store");
    must(queue_open(&b->queue, b->store, &conf), "opening the queue");
    fill(b);
    queue_close(&b->queue);
    store_close(&b->store);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    uint64_t n;
    if (argc != 3 || !num_u64(sl_cstr(argv[2]), 100000000, &n) || n < 2 * PART) {
        fprintf(stderr, "usage: bench_queue STORE LETTERS   (of a home; at least %d letters)\n", 2 * PART);
        return 2;
    }
    snprintf(b.dir, sizeof b.dir, "%s", argv[1]);
    b.letters = n;
    return rt_run(&(struct rt_opts){.loops = 1}, run, &b);
}
