/* route_test.c - lines of the setting `routes`. */
#include "route.h"

#include "base/test.h"

TEST(route_lines)
{
    static const struct {
        const char *text, *from, *to, *host, *path;
        unsigned port;
        bool lmtp;
        enum route_tls tls;
    } x[] = {
        {"example.org via relay.test", "", "example.org", "relay.test", "", 25, false, ROUTE_TLS_MAY},
        {"  *   via  Relay.test:587  tls=encrypted ", "", "*", "relay.test", "", 587, false,
         ROUTE_TLS_ENCRYPTED},
        {".b\303\274cher.test via [::1]:2525 tls=none", "", ".xn--bcher-kva.test", "::1", "", 2525, false,
         ROUTE_TLS_NONE},
        {"from:Bob@a.test * via 192.0.2.1", "bob@a.test", "*", "192.0.2.1", "", 25, false, ROUTE_TLS_MAY},
        {"box.test via lmtp:/run/lmtp.sock", "", "box.test", "", "/run/lmtp.sock", 0, true, ROUTE_TLS_MAY},
        {"box.test via lmtp:127.0.0.1", "", "box.test", "127.0.0.1", "", 24, true, ROUTE_TLS_MAY},
        {"* via r.test user=u password-file=f", "", "*", "r.test", "", 25, false, ROUTE_TLS_VERIFIED},
    };
    static const char *const bad[] = {
        "",
        "example.org",
        "example.org relay.test",
        "a..b via relay.test",
        "from:x via relay.test",
        "* via",
        "* via relay.test:0",
        "* via relay.test:99999",
        "* via -..- ",
        "* via r.test tls=perhaps",
        "* via r.test what",
        "* via r.test user=u",
        "* via r.test login=scram",
        "* via r.test user=u password-file=f login=cram",
        "* via r.test tls=none certificate-file=f",
        "* via lmtp:/s certificate-file=f",
        "* via r.test password-file=f",
        "* via r.test tls=none user=u password-file=f",
        "* via r.test tls=may user=u password-file=f",
        "* via lmtp:/s tls=encrypted",
        "* via lmtp:r.test user=u password-file=f",
    };
    struct arena a = {0};
    struct relay_route r;
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        CHECK_OK(route_parse(&a, sl_cstr(x[i].text), &r));
        CHECK_SL(r.from, x[i].from);
        CHECK_SL(r.to, x[i].to);
        CHECK_SL(r.host, x[i].host);
        CHECK_SL(r.path, x[i].path);
        CHECK(r.port == x[i].port && r.lmtp == x[i].lmtp && r.tls == x[i].tls);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(route_parse(&a, sl_cstr(bad[i]), &r), ERR_SYNTAX);
    ar_free(&a);
}

TEST(route_the_first_that_fits)
{
    static const char *const lines[] = {"from:bob@one.test * via a.test", ".two.test via b.test",
                                        "two.test via c.test", "from:one.test three.test via d.test",
                                        "from:three.test * via e.test"};
    static const struct {
        const char *sender, *domain, *host;
    } x[] = {{"bob@ONE.test", "any.test", "a.test"},
             {"al@one.test", "x.two.test", "b.test"},
             {"al@one.test", "Two.test", "c.test"},
             {"al@one.test", "three.test", "d.test"},
             {"", "three.test", NULL},
             {"x@three.test", "any.test", "e.test"},
             {"al@one.test", "twotwo.test", NULL}};
    struct arena a = {0};
    struct relay_route r[COUNT_OF(lines)];
    for (size_t i = 0; i < COUNT_OF(lines); i++) CHECK_OK(route_parse(&a, sl_cstr(lines[i]), &r[i]));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        const struct relay_route *f = route_find(r, COUNT_OF(r), sl_cstr(x[i].sender), sl_cstr(x[i].domain));
        CHECK(x[i].host ? f && sl_eq(f->host, sl_cstr(x[i].host)) : !f);
    }
    ar_free(&a);
}
