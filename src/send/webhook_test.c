/* webhook_test.c - rows of webhooks that cannot be read. */
#include "webhook.h"

#include <stdio.h>

#include "base/text.h"
#include "event.h"
#include "send_test.h"
#include "webhook_i.h"

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

struct hearers {
    struct arena *a;
    struct slice url;
};

static int count_opened(void *arg, const struct webhook *h)
{
    struct hearers *x = arg;
    if (!(h->kinds & 1u << EVENT_OPENED)) return 0;
    x->url = x->url.n ? SL("two") : ar_dup(x->a, h->url);
    return 0;
}

static struct slice who_hears(struct send_fixture *x)
{
    struct hearers h = {.a = &x->f.a};
    CHECK_OK(webhook_each(x->s, sl_cstr(x->account.id), count_opened, &h));
    return h.url;
}

/* Two that hear it, as calls that were cut off may have left them, are one after any of them. */
TEST(webhook_tell_only_leaves_no_other_that_hears_the_kind)
{
    struct send_fixture x;
    struct webhook h = {.form = WEBHOOK_MAILJET}, got;
    struct slice key;
    if (!send_fixture_begin(&x)) return;
    h.account = sl_cstr(x.account.id);
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        h.name = sl_cstr(names[i]);
        h.url = ar_printf(&x.f.a, "https://%s.test/", names[i]);
        h.kinds = WEBHOOK_CHOSEN | 1u << EVENT_OPENED | (i == 0 ? 1u << EVENT_CLICKED : 0);
        if (i == 2) h.form = WEBHOOK_SENDGRID, h.kinds = WEBHOOK_CHOSEN;
        CHECK_OK(webhook_add(x.s, &h, &x.f.a, &key));
    }
    CHECK_SL(who_hears(&x), "two");
    h.form = WEBHOOK_MAILJET;
    h.kinds = 1u << EVENT_OPENED;
    h.name = SL("new");
    CHECK_ERR(webhook_tell_only(x.s, &h, false), ERR_EXISTS); /* SendGrid's */
    h.url = SL("https://b.test/");
    CHECK_ERR(webhook_tell_only(x.s, &h, true), ERR_EXISTS);
    CHECK_SL(who_hears(&x), "two"); /* nothing is half done */
    h.off = true;
    CHECK_OK(webhook_tell_only(x.s, &h, false));
    CHECK_SL(who_hears(&x), "https://b.test/");
    CHECK_OK(webhook_get(x.s, h.account, SL("b"), &x.f.a, &got));
    CHECK(got.off);
    CHECK_OK(webhook_get(x.s, h.account, SL("a"), &x.f.a, &got));
    CHECK(got.kinds == (WEBHOOK_CHOSEN | 1u << EVENT_CLICKED));
    h.url = SL("https://b\303\274cher.test/");
    CHECK_OK(webhook_tell_only(x.s, &h, false));
    CHECK_SL(who_hears(&x), "https://xn--bcher-kva.test/");
    CHECK_ERR(webhook_get(x.s, h.account, SL("b"), &x.f.a, &got), ERR_NOT_FOUND);
    h.kinds = 1u << EVENT_COMPLAINT;
    CHECK_OK(webhook_tell_only(x.s, &h, true)); /* the same URL as somebody writes it */
    h.url = SL("");
    CHECK_OK(webhook_tell_only(x.s, &h, false));
    CHECK_ERR(webhook_tell_only(x.s, &h, false), ERR_NOT_FOUND);
    CHECK_SL(who_hears(&x), "https://xn--bcher-kva.test/");
    send_fixture_end(&x);
}

static struct slice told(struct send_fixture *x, const struct event *e, size_t n)
{
    struct webhook h = {.name = SL("hook"), .account = sl_cstr(x->account.id)};
    struct slice body;
    size_t took;
    CHECK_OK(webhook_body(x->s, &h, e, n, &x->f.a, &body, &took));
    CHECK_INT(took, n);
    return body;
}

static bool says(struct slice body, const char *words) { return sl_find(body, sl_cstr(words)) != SL_NONE; }

/* What programs of its customers compare, letter for letter. */
TEST(webhook_tells_in_the_words_of_sendgrid)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct event e = {.id = 1,
                      .at = 5000000,
                      .kind = EVENT_DELIVERED,
                      .address = SL("b@two.test"),
                      .send = {"0123456789abcdef"}};
    send_letter_id(&e.send, 0, &e.letter);
    struct slice id = ar_printf(&x.f.a, "\"sg_message_id\":\"%s.%s\"", e.send.s, e.letter.s);
    CHECK(says(told(&x, &e, 1), id.p)); /* the first half is X-Message-Id of the call */
    e.kind = EVENT_BOUNCED, e.code = 550, e.class = SL("invalid"), e.enhanced = SL("5.1.1");
    struct slice body = told(&x, &e, 1);
    CHECK(says(body, "\"event\":\"bounce\"") && says(body, "\"type\":\"bounce\"") &&
          says(body, "\"status\":\"5.1.1\""));
    CHECK(says(body, "\"bounce_classification\":\"Invalid Address\""));
    e.class = SL("full");
    CHECK(says(told(&x, &e, 1), "\"Mailbox Unavailable\""));
    e.class = SL("");
    CHECK(says(told(&x, &e, 1), "\"Unclassified\""));
    static const struct {
        enum send_reason reason;
        const char *words;
    } dropped[] = {
        {SEND_OUT_BOUNCED, "Bounced Address"},           {SEND_OUT_INVALID, "Invalid"},
        {SEND_OUT_COMPLAINED, "Spam Reporting Address"}, {SEND_OUT_UNSUBSCRIBED, "Unsubscribed Address"},
        {SEND_OUT_LEFT_GROUP, "Unsubscribed Address"},   {SEND_OUT_CANCELED, "canceled"}};
    for (size_t i = 0; i < COUNT_OF(dropped); i++) {
        e = (struct event){.id = 2, .kind = EVENT_DROPPED, .reason = dropped[i].reason, .send = e.send};
        body = told(&x, &e, 1);
        CHECK(says(body, "\"event\":\"dropped\""));
        CHECK(says(body, ar_printf(&x.f.a, "\"reason\":\"%s\"", dropped[i].words).p));
    }
    send_fixture_end(&x);
}
