/* world_test.c - libunbound against a small name server on loopback. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns_i.h"
#include "rt/test_rt.h"

/* Answers from a table; runs on a thread of its own until it gets an empty datagram. */
struct server {
    int fd;
    struct endpoint at;
    pthread_t thread;
    int asked_mail; /* questions for mail.test MX */
};
struct reply {
    const char *name;
    unsigned type, rcode;
    struct slice rdata; /* one record of the type; empty: none */
    const char *cname;  /* wire form, in front of it */
};
static const struct reply replies[] = {
    {"\4mail\4test", DNS_MX, 0, SL_INIT("\0\12\2mx\4test\0"), 0},
    {"\2mx\4test", DNS_A, 0, SL_INIT("\300\0\2\1"), 0},
    {"\4text\4test", DNS_TXT, 0, SL_INIT("\3one\3two"), 0},
    {"\5empty\4test", DNS_A, 0, SL_INIT(""), 0},
    {"\4fail\4test", DNS_A, 2, SL_INIT(""), 0},
    {"\7refused\4test", DNS_A, 5, SL_INIT(""), 0},
    {"\3www\4test", DNS_A, 0, SL_INIT("\300\0\2\1"), "\2mx\4test"},
};

static size_t put_rr(uint8_t *p, const void *name, size_t name_n, unsigned type, struct slice rdata)
{
    uint8_t fixed[10] = {(uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, (uint8_t)rdata.n};
    memcpy(p, name, name_n);
    memcpy(p + name_n, fixed, 10);
    memcpy(p + name_n + 10, rdata.p, rdata.n);
    return name_n + 10 + rdata.n;
}

static size_t answer(uint8_t *m, size_t name_n, const struct reply *r)
{
    size_t n = 12 + name_n + 4;
    m[7] = (uint8_t)((r->cname != NULL) + (r->rdata.n > 0));
    if (r->cname) {
        size_t target = strlen(r->cname) + 1;
        n += put_rr(m + n, m + 12, name_n, DNS_CNAME, sl(r->cname, target));
        n += put_rr(m + n, r->cname, target, r->type, r->rdata);
    } else if (r->rdata.n) {
        n += put_rr(m + n, m + 12, name_n, r->type, r->rdata);
    }
    return n;
}

/* Turns the question in m into its answer; its size. */
static size_t respond(struct server *s, uint8_t *m, size_t n)
{
    size_t name_n = strnlen((char *)m + 12, n - 12) + 1;
    unsigned type = m[12 + name_n] << 8 | m[13 + name_n];
    const struct reply *found = NULL;
    bool name_known = name_n == 1 || !strcmp((char *)m + 12, "\4test");
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        if (strcasecmp((char *)m + 12, replies[i].name) != 0) continue;
        name_known = true;
        if (replies[i].type == type) found = &replies[i];
    }
    if (found == &replies[0]) s->asked_mail++;
    m[2] = 0x85, m[3] = 0x80; /* an authoritative answer */
    memset(m + 6, 0, 6);
    if (found && !found->rcode) return answer(m, name_n, found);
    m[3] |= found ? (uint8_t)found->rcode : name_known ? 0 : 3;
    n = 12 + name_n + 4;
    if (m[3] & 7 && (m[3] & 7) != 3) return n;
    m[9] = 1; /* negative: with the SOA */
    return n + put_rr(m + n, "\4test", 6, DNS_SOA, SL("\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\36"));
}

static void *serve(void *arg)
{
    struct server *s = arg;
    uint8_t m[2048];
    struct sockaddr_in from;
    for (;;) {
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s->fd, m, sizeof m - 512, 0, (struct sockaddr *)&from, &len);
        if (n < 17) break;
        if (!strcasecmp((char *)m + 12, "\4slow\4test")) continue;
        if (!strncasecmp((char *)m + 13, "silent", 6)) continue;
        size_t out = respond(s, m, (size_t)n);
        sendto(s->fd, m, out, 0, (struct sockaddr *)&from, len);
    }
    return NULL;
}

static bool server_start(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (struct server){.fd = socket(AF_INET, SOCK_DGRAM, 0)};
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof a) ||
        getsockname(s->fd, (struct sockaddr *)&a, &len))
        return false;
    s->at = (struct endpoint){.ip = {4, {127, 0, 0, 1}}, .port = ntohs(a.sin_port)};
    return pthread_create(&s->thread, NULL, serve, s) == 0;
}

static void server_stop(struct server *s)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->at.port)};
    sendto(s->fd, "", 0, 0, (struct sockaddr *)&a, sizeof a);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct dns_answer ask(struct dns *d, struct arena *a, const char *name, enum dns_type type)
{
    struct dns_answer r = {0};
    CHECK_OK(dns_ask(d, a, sl_cstr(name), type, &r));
    return r;
}

static int ask_on_loop(void *arg)
{
    struct dns *d = arg;
    struct arena a = {0};
    CHECK_INT(ask(d, &a, "text.test", DNS_TXT).status, DNS_FOUND);
    ar_free(&a);
    return 0;
}

TEST(world_through_a_resolver)
{
    struct arena a = {0};
    struct dns *d = NULL;
    struct server s;
    struct ip mx = {4, {192, 0, 2, 1}};
    REQUIRE(server_start(&s));
    REQUIRE(dns_open_unbound(&d, &s.at, SL("")) == 0);
    struct dns_answer r = ask(d, &a, "Mail.Test", DNS_MX);
    CHECK(r.status == DNS_FOUND && r.n == 1 && !r.secure && !r.bogus);
    if (r.n) CHECK_SL(r.rr[0].mx.host, "mx.test");
    CHECK(r.ttl > 0 && r.ttl <= 60);
    ask(d, &a, "mail.test", DNS_MX);
    CHECK_INT(s.asked_mail, 1); /* the second from the cache */
    r = ask(d, &a, "text.test.", DNS_TXT);
    CHECK_INT(r.n, 1);
    if (r.n) CHECK_SL(r.rr[0].txt, "onetwo");
    r = ask(d, &a, "www.test", DNS_A);
    CHECK(r.n == 1 && ip_eq(&r.rr[0].ip, &mx));
    CHECK_SL(r.canon, "mx.test");
    CHECK_INT(ask(d, &a, "empty.test", DNS_A).status, DNS_NODATA);
    CHECK_INT(ask(d, &a, "nobody.test", DNS_A).status, DNS_NXDOMAIN);
    r = ask(d, &a, "fail.test", DNS_A);
    CHECK(r.status == DNS_TEMPFAIL && r.why.n);
    CHECK_INT(ask(d, &a, "refused.test", DNS_A).status, DNS_TEMPFAIL);
    rt_call(rt_loops() - 1, ask_on_loop, d);

    int64_t before = deadline_narrow(DEADLINE_IN(50 * RT_MS));
    r = ask(d, &a, "slow.test", DNS_A);
    deadline_restore(before);
    CHECK_INT(r.status, DNS_TEMPFAIL);
    dns_close(&d); /* with the slow question still under way */
    CHECK(!d);
    server_stop(&s);
    ar_free(&a);
}

struct silent {
    struct dns *dns;
    int n;
};

static void ask_silent(void *arg)
{
    struct silent *x = arg;
    struct arena a = {0};
    char name[32];
    snprintf(name, sizeof name, "silent%d.test", x->n++);
    struct dns_answer r;
    int e = dns_ask(x->dns, &a, sl_cstr(name), DNS_TXT, &r);
    CHECK(e == ERR_CANCELED || (!e && r.status == DNS_TEMPFAIL));
    ar_free(&a);
}

/* With the library's own values the 17th question stops all others, and a resolver that is silent about some
 * names is taken for one that is down. */
TEST(anchors_are_records_that_prove)
{
    CHECK_OK(dns_anchors_fit(
        SL(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D")));
    CHECK_OK(dns_anchors_fit(SL(
        "; the test's\n\ntest.\t3600\tIN\tDNSKEY\t257 3 13 abcd efgh ;{id = 1}\r\ntest. DS 1 13 2 ab cd\n")));
    CHECK_ERR(dns_anchors_fit(SL("")), ERR_SYNTAX);
    CHECK_ERR(dns_anchors_fit(SL("; nothing\n")), ERR_SYNTAX);
    CHECK_ERR(dns_anchors_fit(SL("root:x:0:0:root:/root:/bin/bash\n")), ERR_SYNTAX);
    CHECK_ERR(dns_anchors_fit(SL("test. DS 1 13 2\n")), ERR_SYNTAX);
    CHECK_ERR(dns_anchors_fit(SL("test. DS a 13 2 ab\n")), ERR_SYNTAX);
    CHECK_ERR(dns_anchors_fit(SL("test. IN A 192.0.2.1\n")), ERR_SYNTAX);
}

TEST(silent_domains_do_not_stop_others)
{
    enum { SILENT = 160 };
    struct arena a = {0};
    struct silent x = {0};
    struct server s;
    struct group g;
    REQUIRE(server_start(&s));
    REQUIRE(dns_open_unbound(&x.dns, &s.at, SL("")) == 0);
    group_init(&g);
    CHECK_INT(ask(x.dns, &a, "text.test", DNS_TXT).status, DNS_FOUND);
    int64_t before = deadline_narrow(DEADLINE_IN(8 * RT_S));
    for (int i = 0; i < SILENT; i++) CHECK_OK(group_go(&g, "silent", ask_silent, &x));
    CHECK_OK(fiber_sleep(6 * RT_S)); /* so that libunbound, whose clock is real, has given up some of them */
    deadline_restore(before);
    before = deadline_narrow(DEADLINE_IN(RT_S));
    CHECK_INT(ask(x.dns, &a, "mail.test", DNS_MX).status, DNS_FOUND);
    CHECK_INT(ask(x.dns, &a, "www.test", DNS_A).status, DNS_FOUND);
    deadline_restore(before);
    group_cancel(&g);
    (void)group_wait(&g);
    dns_close(&x.dns);
    server_stop(&s);
    ar_free(&a);
}

TEST(world_resolver_that_is_not_there)
{
    struct arena a = {0};
    struct dns *d = NULL;
    struct endpoint nobody = {.ip = {4, {127, 0, 0, 1}}, .port = 1};
    REQUIRE(dns_open_unbound(&d, &nobody, SL("")) == 0);
    int64_t before = deadline_narrow(DEADLINE_IN(RT_S));
    CHECK_INT(ask(d, &a, "mail.test", DNS_MX).status, DNS_TEMPFAIL);
    deadline_restore(before);
    dns_close(&d);
    ar_free(&a);
}
