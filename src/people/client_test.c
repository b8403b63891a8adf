/* client_test.c - what answers of a server mean: one that says the same to whatever it is asked. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/test.h"
#include "people_i.h"

struct server {
    int listens;
    const char *says, *then; /* to the first question, and to others of that connection, or NULL */
    size_t n;                /* bytes of each */
};

static void *serve(void *arg)
{
    struct server *s = arg;
    char question[2000];
    int c = accept(s->listens, NULL, NULL);
    if (c < 0) return NULL;
    if (read(c, question, sizeof question) > 0 && write(c, s->says, s->n) == (ssize_t)s->n)
        while (read(c, question, sizeof question) > 0)
            if (s->then && write(c, s->then, s->n) != (ssize_t)s->n) break;
    close(c);
    return NULL;
}

/* At a free port of this machine; 0: there is none. */
static int listen_here(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    s->listens = socket(AF_INET, SOCK_STREAM, 0);
    if (s->listens < 0 || bind(s->listens, (struct sockaddr *)&at, sizeof at) || listen(s->listens, 1) ||
        getsockname(s->listens, (struct sockaddr *)&at, &n))
        return 0;
    return ntohs(at.sin_port);
}

/* What ldap_ask() says when this is the answer. */
static int answered(const char *says, size_t n)
{
    struct server s = {.says = says, .n = n};
    struct links *l = links_new();
    struct people_entry out;
    struct arena a;
    pthread_t t;
    int port = listen_here(&s), e = ERR_STATE;
    ar_init(&a, 0);
    struct people_conf c = {.server = ar_printf(&a, "ldap://127.0.0.1:%d", port),
                            .base = SL("o=x"),
                            .address = SL("mail"),
                            .id = SL("entryUUID")};
    if (port && pthread_create(&t, NULL, serve, &s) == 0) {
        e = ldap_ask(l, &c, SL("(mail=al@one.test)"), &a, &out);
        links_free(&l);
        pthread_join(t, NULL);
    }
    links_free(&l);
    close(s.listens);
    ar_free(&a);
    return e;
}

/* RFC 4511 section 4.2: SearchResultDone with a result code, of message 1 or another. */
#define DONE_OF(id, code) "\x30\x0c\x02\x01" id "\x65\x07\x0a\x01" code "\x04\x00\x04\x00"
#define DONE(code) DONE_OF("\x01", code)
#define REFERENCE "\x30\x15\x02\x01\x01\x73\x10\x04\x0eldap://y.test/"
#define ANSWERED(says) answered(says, sizeof(says) - 1)

enum how { DEAD, HANGS, REFUSES };

/* The first of the list answers nobody; the second is asked. */
static void fails_over(struct server *first, enum how how)
{
    static const char nobody[] = DONE("\x00");
    struct server second = {.says = nobody, .n = sizeof nobody - 1};
    struct links *l = links_new();
    struct people_entry out;
    struct arena a;
    pthread_t one, two;
    ar_init(&a, 0);
    int port = listen_here(first), other = listen_here(&second);
    CHECK(port && other);
    struct people_conf c = {.server = ar_printf(&a, "ldap://127.0.0.1:%d  ldap://127.0.0.1:%d", port, other),
                            .base = SL("o=x"),
                            .address = SL("mail")};
    CHECK_OK(
        people_check(&(struct people_conf){.server = c.server, .base = c.base, .filter = SL("(mail=%s)")}));
    if (how == DEAD) close(first->listens);
    bool asked = how == REFUSES && pthread_create(&one, NULL, serve, first) == 0;
    CHECK(pthread_create(&two, NULL, serve, &second) == 0);
    CHECK_ERR(ldap_ask(l, &c, SL("(mail=al@one.test)"), &a, &out), ERR_NOT_FOUND);
    if (asked) pthread_join(one, NULL);
    links_free(&l); /* its connection too: the next question makes a new one */
    pthread_join(two, NULL);
    if (how != DEAD) close(first->listens);
    close(second.listens);
    ar_free(&a);
}

TEST(client_asks_the_next_server_when_one_answers_nobody)
{
    static const char unavailable[] = DONE("\x34");
    fails_over(&(struct server){0}, DEAD);
    fails_over(&(struct server){0}, HANGS); /* takes connections, and answers no first question */
    fails_over(&(struct server){.says = unavailable, .n = sizeof unavailable - 1}, REFUSES);
}

TEST(client_asks_the_next_server_when_that_of_a_kept_connection_answers_nobody)
{
    static const char nobody[] = DONE("\x00"), unavailable[] = DONE_OF("\x02", "\x34");
    struct server first = {.says = nobody, .then = unavailable, .n = sizeof nobody - 1};
    struct server second = {.says = nobody, .n = sizeof nobody - 1};
    struct links *l = links_new();
    struct people_entry out;
    struct arena a;
    pthread_t one, two;
    ar_init(&a, 0);
    int port = listen_here(&first), other = listen_here(&second);
    CHECK(port && other);
    struct people_conf c = {.server = ar_printf(&a, "ldap://127.0.0.1:%d ldap://127.0.0.1:%d", port, other),
                            .base = SL("o=x"),
                            .address = SL("mail")};
    CHECK(pthread_create(&one, NULL, serve, &first) == 0);
    CHECK_ERR(ldap_ask(l, &c, SL("(mail=al@one.test)"), &a, &out), ERR_NOT_FOUND);
    close(first.listens); /* it takes no new connection */
    CHECK(pthread_create(&two, NULL, serve, &second) == 0);
    CHECK_ERR(ldap_ask(l, &c, SL("(mail=al@one.test)"), &a, &out), ERR_NOT_FOUND);
    links_free(&l);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    close(second.listens);
    ar_free(&a);
}

TEST(client_knows_nobody_when_it_is_said_so)
{
    CHECK_ERR(ANSWERED(DONE("\x00")), ERR_NOT_FOUND);
    CHECK_ERR(ANSWERED(REFERENCE DONE("\x00")), ERR_IO); /* he may be there: section 4.5.3 */
    CHECK_ERR(ANSWERED(DONE("\x0a")), ERR_IO);           /* or there: section 4.1.10 */
    CHECK_ERR(ANSWERED(DONE("\x20")), ERR_IO);           /* no such base */
    CHECK(err_is_temporary(ERR_IO));
}

TEST(client_tells_one_question_from_a_server_that_answers_none)
{
    CHECK_ERR(ANSWERED(DONE("\x03")), ERR_IO); /* timeLimitExceeded */
    CHECK_ERR(ANSWERED(DONE("\x33")), ERR_IO); /* busy */
    CHECK_ERR(ANSWERED(DONE("\x34")), ERR_UNREACHABLE);
}
