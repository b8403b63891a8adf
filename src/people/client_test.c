/* client_test.c - what answers of a server mean: one that says the same to whatever it is asked. */
#include <pthread.h>
#include <stdlib.h>
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

/* Who is silent is given up after a second. */
static struct links *links_of(int64_t kept_for, int64_t first_after)
{
    return links_new(&(struct links_times){.patience = RT_S,
                                           .alive = RT_S / 2,
                                           .whole = 5 * RT_S,
                                           .kept_for = kept_for,
                                           .first_after = first_after});
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
    struct links *l = links_of(60 * RT_S, 60 * RT_S);
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
    struct links *l = links_of(60 * RT_S, 60 * RT_S);
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
    struct links *l = links_of(60 * RT_S, 60 * RT_S);
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

/* A server that never answers about passwords (BindRequest, RFC 4511 section 4.2), and says of everything
 * else that it is not there; each connection has a thread. */
struct halting {
    int listens;
    int binds, others, conns;
    int right; /* so many it does answer about: they are right */
    bool deaf; /* it answers nothing */
};
struct halting_conn {
    struct halting *h;
    int c;
};

static void *halt(void *arg)
{
    struct halting_conn *k = arg;
    char q[2000], done[] = DONE("\x00"), right[] = "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    ssize_t n;
    while ((n = read(k->c, q, sizeof q)) > 6) {
        bool bind = q[5] == 0x60;
        __atomic_fetch_add(bind ? &k->h->binds : &k->h->others, 1, __ATOMIC_SEQ_CST);
        done[4] = right[4] = q[4]; /* the message's number */
        if (bind && k->h->right > 0 && k->h->right-- && write(k->c, right, sizeof right - 1) < 0) break;
        if (!bind && !k->h->deaf && write(k->c, done, sizeof done - 1) < 0) break;
    }
    close(k->c);
    free(k);
    return NULL;
}

static void *take_in(void *arg)
{
    struct halting *h = arg;
    pthread_t t[16];
    int n = 0, c;
    while (n < 16 && (c = accept(h->listens, NULL, NULL)) >= 0) {
        struct halting_conn *k = malloc(sizeof *k);
        *k = (struct halting_conn){h, c};
        h->conns++;
        if (pthread_create(&t[n++], NULL, halt, k)) return NULL;
    }
    while (n--) pthread_join(t[n], NULL);
    return NULL;
}

struct halting_world {
    struct halting h[2];
    struct links *l;
    struct people_conf c;
    struct arena a;
    pthread_t t[2];
};

static void halting_begin(struct halting_world *w)
{
    int port[2];
    *w = (struct halting_world){.l = links_of(60 * RT_S, 60 * RT_S)};
    ar_init(&w->a, 0);
    for (int i = 0; i < 2; i++) {
        struct server s = {0};
        port[i] = listen_here(&s);
        w->h[i].listens = s.listens;
        REQUIRE(port[i] && listen(s.listens, 16) == 0);
        REQUIRE(pthread_create(&w->t[i], NULL, take_in, &w->h[i]) == 0);
    }
    w->c = (struct people_conf){
        .server = ar_printf(&w->a, "ldap://127.0.0.1:%d ldap://127.0.0.1:%d", port[0], port[1]),
        .base = SL("o=x"),
        .address = SL("mail")};
}

static void halting_end(struct halting_world *w)
{
    links_free(&w->l);
    for (int i = 0; i < 2; i++) {
        shutdown(w->h[i].listens, SHUT_RDWR);
        pthread_join(w->t[i], NULL);
        close(w->h[i].listens);
    }
    ar_free(&w->a);
}

TEST(client_a_password_that_hangs_is_an_error_of_that_person_alone)
{
    struct halting_world w;
    struct people_entry out;
    halting_begin(&w);
    CHECK_ERR(ldap_prove(w.l, &w.c, SL("uid=al"), SL("secret")), ERR_IO); /* not ERR_UNREACHABLE */
    CHECK(w.h[0].binds == 1 && w.h[1].binds == 0); /* where it may count as a second wrong one */
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
    w.h[0].deaf = w.h[1].deaf = true;
    CHECK_ERR(ldap_prove(w.l, &w.c, SL("uid=al"), SL("secret")), ERR_UNREACHABLE);
    halting_end(&w);
}

TEST(client_tells_a_password_once_while_the_server_lives)
{
    struct halting_world w;
    halting_begin(&w);
    w.h[0].right = 1;
    CHECK_OK(ldap_prove(w.l, &w.c, SL("uid=bo"), SL("secret")));
    CHECK_ERR(ldap_prove(w.l, &w.c, SL("uid=al"), SL("guess")), ERR_IO); /* on what was kept */
    CHECK(w.h[0].binds == 2 && w.h[1].binds == 0);
    w.h[0].right = 1;
    CHECK_OK(ldap_prove(w.l, &w.c, SL("uid=bo"), SL("secret")));
    w.h[0].deaf = true; /* dead: it is the next one's to say */
    w.h[1].right = 1;
    CHECK_OK(ldap_prove(w.l, &w.c, SL("uid=al"), SL("secret")));
    CHECK(w.h[0].binds == 4 && w.h[1].binds == 1);
    halting_end(&w);
}

TEST(client_one_question_has_one_time_for_all_servers)
{
    struct halting_world w;
    struct people_entry out;
    halting_begin(&w);
    links_free(&w.l);
    w.l = links_new(&(struct links_times){.patience = 3 * RT_S,
                                          .alive = RT_S / 2,
                                          .whole = RT_S * 7 / 2,
                                          .kept_for = 60 * RT_S,
                                          .first_after = 60 * RT_S});
    w.h[0].deaf = true;
    int64_t begun = rt_now();
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_TIMEOUT);
    CHECK(rt_now() - begun < 6 * RT_S); /* not the patience of each */
    int before = w.h[0].conns;
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
    CHECK(w.h[0].conns == before && w.h[1].conns == 1); /* begun with those that were not asked */
    halting_end(&w);
}

TEST(client_asks_anew_when_a_kept_connection_is_silent)
{
    struct halting_world w;
    struct people_entry out;
    halting_begin(&w);
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
    CHECK_INT(w.h[0].conns, 1);
    w.h[0].deaf = true; /* what was kept is dead without a word, and so is the server */
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
    CHECK_INT(w.h[1].others, 1);
    CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
    CHECK_INT(w.h[1].others, 2); /* stayed with, on the same connection */
    CHECK_INT(w.h[1].conns, 1);
    halting_end(&w);
}

TEST(client_does_not_ask_on_a_connection_that_is_old)
{
    struct halting_world w;
    struct people_entry out;
    halting_begin(&w);
    links_free(&w.l);
    w.l = links_of(0, 60 * RT_S);
    for (int i = 1; i <= 3; i++) {
        CHECK_ERR(ldap_ask(w.l, &w.c, SL("(mail=bo@one.test)"), &w.a, &out), ERR_NOT_FOUND);
        CHECK_INT(w.h[0].conns, i);
    }
    halting_end(&w);
}

static void *ask_once(void *arg)
{
    struct halting_world *w = arg;
    struct people_entry out;
    struct arena a;
    ar_init(&a, 0);
    CHECK_ERR(ldap_ask(w->l, &w->c, SL("(mail=al@one.test)"), &a, &out), ERR_NOT_FOUND);
    ar_free(&a);
    return NULL;
}

TEST(client_one_question_alone_tries_the_first_server_again)
{
    struct halting_world w;
    pthread_t t;
    halting_begin(&w);
    links_free(&w.l);
    w.l = links_of(0, RT_S / 2);
    w.h[0].deaf = true;
    ask_once(&w);
    CHECK(w.h[0].conns > 0 && w.h[1].conns == 1);
    rt_pause(RT_S / 2);
    int before = w.h[0].conns;
    REQUIRE(pthread_create(&t, NULL, ask_once, &w) == 0);
    while (w.h[0].conns == before) rt_pause(RT_MS);
    ask_once(&w); /* while that one waits for the first */
    CHECK_INT(w.h[1].conns, 2);
    CHECK_INT(w.h[0].conns, before + 1);
    pthread_join(t, NULL);
    CHECK_INT(w.h[1].conns, 3);
    halting_end(&w);
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
