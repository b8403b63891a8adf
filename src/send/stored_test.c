/* stored_test.c - templates and their versions. */
#include "send_test.h"
#include "stored.h"

static int count(void *arg, const struct stored_template *t)
{
    *(size_t *)arg += 100 + t->n;
    return 0;
}

TEST(stored_templates)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct slice account = sl_cstr(x.account.id), id = SL("d-1");
    struct stored_template t = {.id = id, .name = SL("Welcome"), .kind = SL("dynamic")}, got;
    struct stored_version v1 = {.id = SL("v1"), .name = SL("one"), .active = true, .subject = SL("S {{a}}")},
                          v2 = v1, one;
    CHECK_ERR(stored_template_get(x.s, account, id, a, &got), ERR_NOT_FOUND);
    CHECK_ERR(stored_template_rename(x.s, account, id, SL("n")), ERR_NOT_FOUND);
    CHECK_ERR(stored_version_put(x.s, account, id, &v1), ERR_NOT_FOUND);
    CHECK_OK(stored_template_add(x.s, account, &t, NULL));
    CHECK_ERR(stored_template_add(x.s, account, &t, NULL), ERR_EXISTS);

    char *large = ar_alloc(a, 200000);
    memset(large, 'x', 200000);
    v1.html = sl(large, 200000);
    CHECK_OK(stored_version_put(x.s, account, id, &v1));
    v2.id = SL("v2");
    v2.text = SL("two");
    CHECK_OK(stored_version_put(x.s, account, id, &v2));
    CHECK_OK(stored_template_get(x.s, account, id, a, &got));
    CHECK_SL(got.name, "Welcome");
    CHECK_SL(got.kind, "dynamic");
    REQUIRE(got.n == 2);
    CHECK(!got.version[0].active && got.version[1].active);
    CHECK_OK(stored_version_get(x.s, account, id, SL(""), a, &one));
    CHECK_SL(one.id, "v2");
    CHECK_SL(one.text, "two");
    CHECK_OK(stored_version_get(x.s, account, id, SL("v1"), a, &one));
    CHECK_INT(one.html.n, 200000);
    CHECK_SL(one.subject, "S {{a}}");

    size_t n = 0;
    CHECK_OK(stored_each(x.s, account, count, &n));
    CHECK_INT(n, 102);
    CHECK_OK(stored_version_remove(x.s, account, id, SL("v2")));
    CHECK_ERR(stored_version_get(x.s, account, id, SL(""), a, &one), ERR_NOT_FOUND);
    CHECK_OK(stored_template_remove(x.s, account, id));
    CHECK_ERR(stored_template_remove(x.s, account, id), ERR_NOT_FOUND);
    CHECK_ERR(stored_version_get(x.s, account, id, SL("v1"), a, &one), ERR_NOT_FOUND);
    CHECK_ERR(stored_template_get(x.s, account, SL("../x"), a, &got), ERR_NOT_FOUND);
    send_fixture_end(&x);
}

static int leave_behind(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'u', 1000); /* long ago */
    kv_tx_put_record(tx, SL("k/d-dead"), &b);
    buf_free(&b);
    kv_tx_put(tx, SL("v/d-dead/v1"), SL("x"));
    kv_tx_put(tx, SL("c/d-dead/v1/0000"), SL("x"));
    return (void)arg, 0;
}

static size_t rows_of(struct send_fixture *x, const char *prefix)
{
    struct kv_page page;
    struct arena *a = &x->f.a;
    struct slice p = sl_cstr(prefix);
    CHECK_OK(
        kv_scan(x->s->store->kv, ar_printf(a, "y:%s", x->account.id), p, kv_prefix_end(a, p), 500, a, &page));
    return page.n;
}

/* Whole, with one that is active; what another copy left behind when the program ended goes. */
TEST(stored_templates_are_copied_whole)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct arena *a = &x.f.a;
    struct slice account = sl_cstr(x.account.id), id = SL("d-1");
    struct stored_template t = {.id = id, .name = SL("Welcome"), .kind = SL("dynamic")}, got;
    struct stored_template copy = {.id = SL("d-2")}, named = {.id = SL("d-3"), .name = SL("Other")};
    struct stored_version v = {.id = SL("v1"), .name = SL("one"), .active = true, .subject = SL("S")}, one;
    char *large = ar_alloc(a, 1800000);
    memset(large, 'x', 1800000);
    v.html = sl(large, 1800000);
    CHECK_ERR(stored_template_copy(x.s, account, id, &copy), ERR_NOT_FOUND);
    CHECK_OK(stored_template_add(x.s, account, &t, &v));
    for (int i = 2; i <= 5; i++) { /* together more than a transaction may change */
        v.id = ar_printf(a, "v%d", i), v.active = i == 3;
        CHECK_OK(stored_version_put(x.s, account, id, &v));
    }
    CHECK_OK(kv_transact(x.s->store->kv, ar_printf(a, "y:%s", x.account.id), leave_behind, NULL));
    CHECK_OK(stored_template_copy(x.s, account, id, &copy));
    CHECK_OK(stored_template_get(x.s, account, SL("d-2"), a, &got));
    CHECK_SL(got.name, "Welcome");
    CHECK_SL(got.kind, "dynamic");
    REQUIRE(got.n == 5);
    CHECK_OK(stored_version_get(x.s, account, SL("d-2"), SL(""), a, &one));
    CHECK_SL(one.id, "v3");
    CHECK_INT(one.html.n, 1800000);
    CHECK_INT(rows_of(&x, "k/") + rows_of(&x, "v/d-dead") + rows_of(&x, "c/d-dead"), 0);
    CHECK_OK(stored_template_copy(x.s, account, id, &named));
    CHECK_OK(stored_template_get(x.s, account, SL("d-3"), a, &got));
    CHECK_SL(got.name, "Other");
    CHECK_OK(stored_template_rename(x.s, account, SL("d-3"), SL("Third")));
    CHECK_OK(stored_template_get(x.s, account, SL("d-3"), a, &got));
    CHECK_SL(got.name, "Third");
    CHECK_INT(got.n, 5);
    size_t before = rows_of(&x, "c/");
    copy.name = SL("\xff");
    copy.id = SL("d-4");
    CHECK_ERR(stored_template_copy(x.s, account, id, &copy), ERR_SYNTAX);
    CHECK_INT(rows_of(&x, "c/"), before);
    send_fixture_end(&x);
}

struct changer {
    struct send_fixture *x;
    stored_change_fn *change;
};

static int change_subject(void *arg, struct arena *a, struct stored_version *v)
{
    (void)arg, (void)a;
    v->subject = SL("new subject");
    return 0;
}

static int change_html(void *arg, struct arena *a, struct stored_version *v)
{
    (void)arg, (void)a;
    v->html = SL("new html");
    return 0;
}

static int activate(void *arg, struct arena *a, struct stored_version *v)
{
    (void)arg, (void)a;
    v->active = true;
    return 0;
}

static int too_long(void *arg, struct arena *a, struct stored_version *v)
{
    (void)arg;
    v->html = sl(ar_alloc(a, STORED_BYTES_MAX + 1), STORED_BYTES_MAX + 1);
    memset((char *)v->html.p, 'x', v->html.n);
    return 0;
}

static void changing_fiber(void *arg)
{
    struct changer *c = arg;
    CHECK_OK(stored_version_change(c->x->s, sl_cstr(c->x->account.id), SL("d-1"), SL("v1"), c->change, NULL));
}

/* At the same time: none takes back what another changed, and what nobody changed stays. */
TEST(stored_changes_side_by_side)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice account = sl_cstr(x.account.id), id = SL("d-1");
    struct stored_template t = {.id = id, .name = SL("Welcome"), .kind = SL("dynamic")}, got;
    struct stored_version v = {.id = SL("v1"), .name = SL("one"), .text = SL("text"), .extra = SL("{}")}, one;
    struct stored_version other = {.id = SL("v2"), .name = SL("two"), .active = true};
    CHECK_OK(stored_template_add(x.s, account, &t, NULL));
    CHECK_ERR(stored_version_change(x.s, account, id, SL("v1"), activate, NULL), ERR_NOT_FOUND);
    CHECK_OK(stored_version_put(x.s, account, id, &v));
    CHECK_OK(stored_version_put(x.s, account, id, &other));
    struct changer all[] = {{&x, change_subject}, {&x, change_html}, {&x, activate}};
    struct group g;
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(all); i++) CHECK_OK(group_go(&g, "change", changing_fiber, &all[i]));
    CHECK_OK(group_wait(&g));
    CHECK_OK(stored_version_get(x.s, account, id, SL(""), &x.f.a, &one));
    CHECK_SL(one.id, "v1");
    CHECK_SL(one.name, "one");
    CHECK_SL(one.subject, "new subject");
    CHECK_SL(one.html, "new html");
    CHECK_SL(one.text, "text");
    CHECK_SL(one.extra, "{}");
    CHECK_OK(stored_template_get(x.s, account, id, &x.f.a, &got));
    REQUIRE(got.n == 2);
    CHECK(got.version[0].active && !got.version[1].active);
    CHECK_ERR(stored_version_change(x.s, account, id, SL("v1"), too_long, NULL), ERR_TOO_LONG);
    CHECK_ERR(stored_version_change(x.s, account, id, SL("../x"), activate, NULL), ERR_NOT_FOUND);
    CHECK_OK(stored_version_get(x.s, account, id, SL("v1"), &x.f.a, &one));
    CHECK_SL(one.html, "new html");
    send_fixture_end(&x);
}

TEST(stored_judges)
{
    struct arena a;
    ar_init(&a, 0);
    struct stored_version v = {.subject = SL("{{a}}"), .html = SL("x\n{{#if a}}")};
    CHECK_ERR(stored_judge(&a, SEND_HANDLEBARS, &v), ERR_SYNTAX);
    CHECK_SL(sl_cstr(err_text(ERR_SYNTAX)), "the HTML: line 2, column 1: the block if is not closed");
    CHECK_OK(stored_judge(&a, SEND_SUBSTITUTIONS, &v));
    ar_free(&a);
}
