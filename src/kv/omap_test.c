/* omap_test.c - the skip list against a plain array. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "omap.h"

static struct slice key_of(unsigned i, char room[16])
{
    return sl(room, (size_t)snprintf(room, 16, "k%04u", i));
}

static void fill(struct omap *m)
{
    char room[16];
    for (unsigned i = 0; i < 1000; i++) {
        struct onode *n = omap_node(m, key_of(i * 7 % 1000, room));
        CHECK_INT(n->kind, OMAP_NONE);
        n->kind = OMAP_PUT;
        omap_set(m, n, n->key);
    }
}

TEST(omap_keeps_order)
{
    struct arena a;
    struct omap m;
    char room[16];
    ar_init(&a, 0);
    omap_init(&m, &a);
    CHECK(!omap_first(&m) && !omap_find(&m, SL("x")) && !omap_from(&m, SL("")));
    fill(&m);
    CHECK_INT(m.count, 1000);
    unsigned i = 0;
    for (struct onode *n = omap_first(&m); n; n = omap_next(n)) {
        CHECK(sl_eq(n->key, key_of(i, room)) && sl_eq(n->value, n->key));
        i++;
    }
    CHECK_INT(i, 1000);
    CHECK_SL(omap_from(&m, SL("k0500x"))->key, "k0501");
    CHECK(!omap_from(&m, SL("k0999x")) && !omap_find(&m, SL("k")));
    CHECK(omap_node(&m, SL("k0007")) == omap_find(&m, SL("k0007")));
    omap_clear(&m);
    CHECK(!omap_first(&m) && m.count == 0);
    ar_free(&a);
}

TEST(omap_on_the_heap_removes)
{
    struct omap m;
    char room[16];
    omap_init(&m, NULL);
    fill(&m);
    for (unsigned i = 0; i < 1000; i += 2) omap_remove(&m, key_of(i, room));
    omap_remove(&m, SL("not there"));
    CHECK_INT(m.count, 500);
    CHECK_SL(omap_first(&m)->key, "k0001");
    CHECK_SL(omap_from(&m, SL("k0500"))->key, "k0501");
    for (unsigned i = 1; i < 1000; i += 2) omap_remove(&m, key_of(i, room));
    CHECK(!omap_first(&m));
    struct onode *n = omap_node(&m, SL("again"));
    omap_set(&m, n, SL("one"));
    omap_set(&m, n, SL("two"));
    CHECK_SL(omap_find(&m, SL("again"))->value, "two");
    omap_free(&m);
}
