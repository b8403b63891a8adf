/* webhook_test.c - rows of webhooks that cannot be read. */
#include "webhook.h"

#include <stdio.h>

#include "send_test.h"

static int spoil_place(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\x07no record"));
    return 0;
}

static void title(void *arg, struct webhook *h) { h->title = sl_cstr(arg); }

/* It is not told all again, is not passed over in silence, and goes on when somebody says so. */
TEST(webhook_whose_place_is_damaged_waits_and_says_so)
{
    struct send_fixture x;
    struct webhook h = {.name = SL("hook"), .url = SL("https://hook.test/x")}, got;
    struct slice key, id;
    if (!send_fixture_begin(&x)) return;
    h.account = id = sl_cstr(x.account.id);
    CHECK_OK(webhook_add(x.s, &h, &x.f.a, &key));
    const char *place = ar_printf(&x.f.a, "W/%.*s/hook", SLF(id)).p;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kv_transact(x.f.s->kv, SL(SENDS_OBJECT), spoil_place, (void *)place));
        CHECK_OK(webhook_get(x.s, id, SL("hook"), &x.f.a, &got));
        CHECK(got.paused && sl_starts(got.why, SL("how far it is in the events cannot be read")));
        if (i == 0) CHECK_OK(webhook_resume(x.s, id, SL("hook"), 0));
        if (i == 1) CHECK_OK(webhook_resume(x.s, id, SL("hook"), 5));
        if (i == 2) CHECK_OK(webhook_change(x.s, id, SL("hook"), title, "new"));
        CHECK_OK(webhook_get(x.s, id, SL("hook"), &x.f.a, &got));
        CHECK(!got.paused && !got.why.n && (got.after == 5) == (i == 1));
    }
    CHECK_SL(got.title, "new");
    send_fixture_end(&x);
}

static void other_url(void *arg, struct webhook *h) { h->url = sl_cstr(arg); }

TEST(webhook_keeps_its_url_in_a_labels)
{
    struct send_fixture x;
    struct webhook h = {.name = SL("hook"), .url = SL("https://b\303\274cher.test/x")}, got;
    struct slice key, id;
    if (!send_fixture_begin(&x)) return;
    h.account = id = sl_cstr(x.account.id);
    CHECK_OK(webhook_add(x.s, &h, &x.f.a, &key));
    CHECK_OK(webhook_get(x.s, id, SL("hook"), &x.f.a, &got));
    CHECK_SL(got.url, "https://xn--bcher-kva.test/x");
    h.name = SL("again");
    h.url = SL("https://bu\314\210cher.test/x"); /* the same */
    CHECK_ERR(webhook_add(x.s, &h, &x.f.a, &key), ERR_EXISTS);
    CHECK_OK(webhook_change(x.s, id, SL("hook"), other_url, "https://\303\251.test/"));
    CHECK_OK(webhook_get(x.s, id, SL("hook"), &x.f.a, &got));
    CHECK_SL(got.url, "https://xn--9ca.test/");
    send_fixture_end(&x);
}
