/* api_key_test.c - keys: what they allow, what is kept of them, how they end. */
#include "api_key.h"

#include "directory_test.h"
#include "rt/file.h"

static const struct ip here = {4, {192, 0, 2, 7}}, there = {4, {198, 51, 100, 1}};

struct keys_fixture {
    struct dir_fixture f;
    struct api_keys *keys;
};

static bool begin(struct keys_fixture *x)
{
    if (!dir_fixture_begin(&x->f)) return false;
    (void)!path_unlink("keys.secret");
    CHECK_OK(domain_add(x->f.dir, SL("one.test")));
    CHECK_OK(account_add(x->f.dir, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_add(x->f.dir, SL("bob@one.test"), SL("secret")));
    CHECK_OK(api_keys_open(&x->keys, x->f.kv, x->f.dir));
    return true;
}

static void end(struct keys_fixture *x)
{
    api_keys_close(&x->keys);
    (void)!path_unlink("keys.secret");
    dir_fixture_end(&x->f);
}

/* Proves the whole key as a server does, and lets it call. */
static int use(struct keys_fixture *x, struct slice whole, const struct ip *from)
{
    struct api_key k;
    struct account acc;
    char secret[API_KEY_SECRET + 1];
    size_t dot = sl_chr(whole, '.');
    int e = api_key_read(x->keys, &x->f.a, sl_sub(whole, 0, dot), &k);
    if (!e) e = api_key_secret(x->keys, &k, secret);
    if (!e && !sl_eq(sl_from(whole, dot + 1), sl_cstr(secret))) e = ERR_DENIED;
    return e ? e : api_key_admit(x->keys, &x->f.a, &k, from, &acc);
}

static int add(struct keys_fixture *x, struct api_key k, struct slice *whole)
{
    if (!k.address.p) k.address = SL("alice@one.test");
    if (!k.name.p) k.name = SL("shop");
    if (!k.scopes) k.scopes = SCOPE_MAIL_SEND;
    return api_key_add(x->keys, &x->f.a, &k, whole);
}

TEST(api_key_scopes)
{
    unsigned set;
    CHECK_OK(api_scopes_parse(SL("mail.send, events.read"), &set));
    CHECK_INT(set, SCOPE_MAIL_SEND | SCOPE_EVENTS_READ);
    CHECK_SL(sl_cstr(api_scope_word(SCOPE_EVENTS_READ)), "events.read");
    CHECK_ERR(api_scopes_parse(SL("mail.send,mail"), &set), ERR_USAGE);
    CHECK(strstr(err_text(ERR_USAGE), "no scope \"mail\"; there are: mail.send, messages.read, "));
    CHECK_ERR(api_scopes_parse(SL(""), &set), ERR_USAGE);
}

TEST(api_key_is_used_and_removed)
{
    struct keys_fixture x;
    struct slice one, two;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &one));
    CHECK_OK(add(&x, (struct api_key){0}, &two));
    CHECK_INT(one.n, API_KEY_ID + 1 + API_KEY_SECRET);
    CHECK_OK(use(&x, one, &here));
    CHECK_OK(use(&x, two, &here));
    CHECK_ERR(use(&x, ar_cat(&x.f.a, sl_sub(one, 0, API_KEY_ID + 1), sl_from(two, API_KEY_ID + 1)), &here),
              ERR_DENIED);
    CHECK_ERR(use(&x, SL("short.x"), &here), ERR_DENIED);
    CHECK_ERR(use(&x, SL("aaaaaaaaaaaaaaaa.x"), &here), ERR_DENIED);
    CHECK_ERR(use(&x, SL("../../../../../x.x"), &here), ERR_DENIED);
    CHECK_OK(api_key_remove(x.keys, sl_sub(one, 0, API_KEY_ID)));
    CHECK_ERR(api_key_remove(x.keys, sl_sub(one, 0, API_KEY_ID)), ERR_NOT_FOUND);
    CHECK_ERR(use(&x, one, &here), ERR_DENIED);
    CHECK_OK(use(&x, two, &here));
    end(&x);
}

TEST(api_key_ends_with_its_account)
{
    struct keys_fixture x;
    struct slice key;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_OK(account_disable(x.f.dir, SL("alice@one.test"), true));
    CHECK_ERR(use(&x, key, &here), ERR_DENIED);
    CHECK_OK(account_disable(x.f.dir, SL("alice@one.test"), false));
    CHECK_OK(use(&x, key, &here));
    CHECK_OK(account_remove(x.f.dir, SL("alice@one.test")));
    CHECK_ERR(use(&x, key, &here), ERR_DENIED);
    CHECK_OK(account_add(x.f.dir, SL("alice@one.test"), SL("secret"))); /* somebody else of that name */
    CHECK_ERR(use(&x, key, &here), ERR_DENIED);
    end(&x);
}

TEST(api_key_follows_its_account)
{
    struct keys_fixture x;
    struct slice key;
    struct account acc;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_OK(account_rename(x.f.dir, SL("alice@one.test"), SL("anna@one.test")));
    CHECK_OK(use(&x, key, &here)); /* also when the command was cut off here */
    CHECK_OK(account_get(x.f.dir, &x.f.a, SL("anna@one.test"), &acc));
    CHECK_OK(api_keys_renamed(x.keys, acc.id, acc.address));
    CHECK_OK(use(&x, key, &here));
    CHECK_OK(
        account_add(x.f.dir, SL("alice@one.test"), SL("secret"))); /* who has the old name now is no heir */
    CHECK_OK(use(&x, key, &here));
    CHECK_OK(account_remove(x.f.dir, SL("anna@one.test")));
    CHECK_ERR(use(&x, key, &here), ERR_DENIED);
    end(&x);
}

TEST(api_key_of_an_account_whose_old_name_is_somebody_elses)
{
    struct keys_fixture x;
    struct slice key;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_OK(account_rename(x.f.dir, SL("alice@one.test"), SL("anna@one.test")));
    CHECK_OK(alias_remove(x.f.dir, SL("alice@one.test"), NULL));
    CHECK_OK(account_add(x.f.dir, SL("alice@one.test"), SL("secret")));
    CHECK_ERR(use(&x, key, &here), ERR_DENIED);
    end(&x);
}

TEST(api_key_networks_and_rate)
{
    struct keys_fixture x;
    struct slice key, net[] = {SL("192.0.2.0/24"), SL("2001:db8::/32")};
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){.net = net, .nnets = 2, .rate = 3}, &key));
    CHECK_ERR(use(&x, key, &there), ERR_DENIED);
    int good = 0, over = 0;
    for (int i = 0; i < 7; i++) {
        int e = use(&x, key, &here);
        good += e == 0;
        over += e == ERR_LIMIT;
    }
    CHECK(good >= 3 && good <= 6 && good + over == 7); /* the minute may have changed once */
    net[0] = SL("192.0.2.0/33");
    CHECK_ERR(add(&x, (struct api_key){.net = net, .nnets = 1}, &key), ERR_USAGE);
    end(&x);
}

TEST(api_key_what_is_refused)
{
    struct keys_fixture x;
    struct slice key;
    static char name[API_KEY_NAME_MAX + 2];
    if (!begin(&x)) return;
    memset(name, 'n', sizeof name - 1);
    CHECK_ERR(add(&x, (struct api_key){.name = sl_cstr(name)}, &key), ERR_USAGE);
    CHECK_ERR(add(&x, (struct api_key){.name = SL("")}, &key), ERR_USAGE);
    CHECK_ERR(add(&x, (struct api_key){.address = SL("nobody@one.test")}, &key), ERR_NOT_FOUND);
    for (int i = 0; i < API_KEYS_ACCOUNT; i++) CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_ERR(add(&x, (struct api_key){0}, &key), ERR_LIMIT);
    CHECK_OK(add(&x, (struct api_key){.address = SL("bob@one.test")}, &key));
    end(&x);
}

static int holds_secret(void *arg, struct api_key *k)
{
    char secret[API_KEY_SECRET + 1];
    struct keys_fixture *x = arg;
    struct kv_page page;
    CHECK_OK(api_key_secret(x->keys, k, secret));
    CHECK_OK(kv_scan(x->f.kv, SL("_keys"), SL(" "), SL(""), 100, &x->f.a, &page));
    for (size_t i = 0; i < page.n; i++) CHECK(sl_find(page.row[i].value, sl_cstr(secret)) == SL_NONE);
    return 0;
}

/* What the store holds proves nothing without the file, and the file nothing without the store. */
TEST(api_key_store_alone_is_no_key)
{
    struct keys_fixture x;
    struct slice key;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_OK(api_key_each(x.keys, holds_secret, &x));
    api_keys_close(&x.keys);
    CHECK_OK(api_keys_open(&x.keys, x.f.kv, x.f.dir));
    CHECK_OK(use(&x, key, &here)); /* after a restart */
    api_keys_close(&x.keys);
    CHECK_OK(path_unlink("keys.secret"));
    CHECK_OK(api_keys_open(&x.keys, x.f.kv, x.f.dir));
    CHECK_ERR(use(&x, key, &here), ERR_STATE);
    api_keys_close(&x.keys);
    CHECK_OK(path_write("keys.secret", SL("00ff"), 0600));
    CHECK_ERR(api_keys_open(&x.keys, x.f.kv, x.f.dir), ERR_CORRUPT);
    end(&x);
}

static int keep_key(void *arg, struct api_key *k)
{
    *(struct api_key *)arg = *k;
    ((struct api_key *)arg)->used_from = (struct slice){0};
    return 0;
}

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

TEST(api_key_last_use_and_damage)
{
    struct keys_fixture x;
    struct slice key;
    struct api_key k;
    struct buf damaged = BUF_INIT;
    if (!begin(&x)) return;
    CHECK_OK(add(&x, (struct api_key){0}, &key));
    CHECK_OK(use(&x, key, &here));
    CHECK_OK(api_key_each(x.keys, keep_key, &k));
    CHECK(k.used > 0);
    CHECK_OK(kv_transact(x.f.kv, SL("_keys"), nothing, NULL)); /* the note rides on it */
    api_keys_close(&x.keys);
    CHECK_OK(api_keys_open(&x.keys, x.f.kv, x.f.dir));
    CHECK_OK(api_key_each(x.keys, keep_key, &k));
    CHECK(k.used > 0 && k.scopes == SCOPE_MAIL_SEND && !k.damage.n);
    buf_str(&damaged, "\x01"
                      "a\x7f");
    kv_note_record(x.f.kv, SL("_keys"), ar_printf(&x.f.a, "k/%s", k.id), &damaged);
    CHECK_OK(kv_transact(x.f.kv, SL("_keys"), nothing, NULL));
    CHECK_OK(api_key_each(x.keys, keep_key, &k));
    CHECK(k.damage.n > 0);
    CHECK_ERR(use(&x, key, &here), ERR_CORRUPT);
    buf_free(&damaged);
    end(&x);
}
