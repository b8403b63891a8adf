/* auth_test.c - the audit knows of every route by which a key changes what an account has. */
#include "api.h"
#include "api_i.h"
#include "base/test.h"

/* Letters have their trace; commands note themselves. */
static bool is_elsewhere(const struct http_route *r)
{
    return !r->scope || r->scope == SCOPE_MAIL_SEND || r->run == api_commands_run;
}

TEST(every_route_that_changes_something_is_in_the_audit)
{
    struct api *x;
    size_t noted = 0, n;
    api_open(&x, NULL);
    const struct http_group *const *groups = api_groups(x, &n);
    for (size_t g = 0; g < n; g++)
        for (size_t i = 0; i < groups[g]->n; i++) {
            const struct http_route *r = &groups[g]->route[i];
            CHECK(!r->scope || groups[g]->watch == api_watch);
            bool changes = r->method != HTTP_GET && !(r->flags & HTTP_ROUTE_LOOKS) && !is_elsewhere(r);
            if (changes != api_is_noted(r)) printf("%s %s\n", http_method_name(r->method), r->path);
            CHECK(changes == api_is_noted(r));
            noted += changes;
        }
    CHECK(noted > 50);
    api_close(&x);
}

/* What only looks is none that is there to change something. */
TEST(what_only_looks_says_so_in_its_name)
{
    static const char *const looks[] = {"/verify", "/validate", "/check", "/search", "/render"};
    struct api *x;
    size_t n;
    api_open(&x, NULL);
    const struct http_group *const *groups = api_groups(x, &n);
    for (size_t g = 0; g < n; g++)
        for (size_t i = 0; i < groups[g]->n; i++) {
            const struct http_route *r = &groups[g]->route[i];
            bool named = false;
            for (size_t k = 0; k < COUNT_OF(looks); k++)
                named |= sl_ends(sl_cstr(r->path), sl_cstr(looks[k]));
            CHECK(named == !!(r->flags & HTTP_ROUTE_LOOKS));
            CHECK(!named || r->method == HTTP_POST);
        }
    api_close(&x);
}
