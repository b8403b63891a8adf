/* inbound_test.c - whose mail is handed to URLs, and in which form. */
#include "inbound.h"

#include <stdio.h>
#include <string.h>

#include "inbound_i.h"
#include "mail/addr.h"
#include "send_test.h"

/* ---- rows and routes ---- */

static int hook(struct send_fixture *x, const char *name)
{
    struct slice key;
    struct inbound in = {.name = sl_cstr(name),
                         .account = sl_cstr(x->account.id),
                         .url = SL("https://hook.test/in"),
                         .given = true};
    return inbound_add(x->s, &in, &x->f.a, &key);
}

/* Which token, "" for a mailbox, NULL for nobody, as things stand. */
static const char *way(struct send_fixture *x, const char *address)
{
    struct slice local, domain;
    struct routes r;
    struct arena *a = &x->f.a;
    CHECK_OK(mail_addr_split(a, sl_cstr(address), &local, &domain));
    CHECK_OK(directory_resolve(x->f.s->directory, a, local, domain, &r));
    CHECK_OK(inbound_routes(x->s, a, local, domain, &r));
    if (r.result != RESOLVED) return NULL;
    CHECK(r.n == 1 && r.v[0].local);
    if (!last_hop_calls(r.v[0].account)) return "";
    CHECK_SL(r.v[0].address, address);
    return ar_cstr(a, sl_cstr(r.v[0].account + 1));
}

static bool leads_to(struct send_fixture *x, const char *address, const char *name)
{
    char token[INBOUND_TOKEN];
    const char *got = way(x, address);
    inbound_token(sl_cstr(name), token);
    return got && strcmp(got, token) == 0;
}

static int count(void *n, const struct inbound *in)
{
    CHECK(in->public_key.n == 124);
    ++*(size_t *)n;
    return 0;
}

TEST(inbound_routes_lead_to_urls)
{
    struct send_fixture x;
    struct slice target = SL("news@one.test");
    size_t n = 0;
    if (!send_fixture_begin(&x)) return;
    CHECK_OK(domain_add(x.f.s->directory, SL("in.test")));
    CHECK(!way(&x, "any@in.test"));
    CHECK_OK(hook(&x, "IN.test."));
    CHECK_OK(hook(&x, "News@One.Test"));
    CHECK_OK(hook(&x, "desk@one.test"));
    CHECK(hook(&x, "in.test") == ERR_EXISTS && hook(&x, "elsewhere.test") == ERR_NOT_FOUND);
    CHECK(leads_to(&x, "any@in.test", "in.test") && leads_to(&x, "Any+Tag@in.test", "in.test"));
    CHECK(leads_to(&x, "news@one.test", "news@one.test"));
    CHECK(leads_to(&x, "news+tag@one.test", "news@one.test"));
    CHECK(leads_to(&x, "Desk+1@one.test", "desk@one.test"));
    CHECK(!way(&x, "other@one.test"));
    CHECK_OK(alias_add(x.f.s->directory, SL("help@one.test"), &target, 1));
    CHECK(leads_to(&x, "help@one.test", "news@one.test"));
    CHECK_OK(account_add(x.f.s->directory, SL("person@in.test"), SL("secret")));
    CHECK(way(&x, "person@in.test") && !*way(&x, "person@in.test"));
    CHECK_OK(inbound_each(x.s, sl_cstr(x.account.id), count, &n));
    CHECK_OK(inbound_each(x.s, SL(""), count, &n));
    CHECK_INT(n, 6);
    CHECK(inbound_remove(x.s, SL("another"), SL("in.test")) == ERR_NOT_FOUND);
    CHECK_OK(inbound_remove(x.s, SL(""), SL("in.test")));
    CHECK(!way(&x, "any@in.test"));
    send_fixture_end(&x);
}

/* Also when nobody could say whether it was done. */
TEST(inbound_is_known_as_its_row_is)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    kv_mem_inject(x.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_ERR(hook(&x, "desk@one.test"), ERR_UNKNOWN);
    CHECK(leads_to(&x, "desk@one.test", "desk@one.test"));
    kv_mem_inject(x.f.s->kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    CHECK_ERR(inbound_remove(x.s, SL(""), SL("desk@one.test")), ERR_UNKNOWN);
    CHECK(leads_to(&x, "desk@one.test", "desk@one.test"));
    kv_mem_inject(x.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_ERR(inbound_remove(x.s, SL(""), SL("desk@one.test")), ERR_UNKNOWN);
    CHECK(!leads_to(&x, "desk@one.test", "desk@one.test"));
    send_fixture_end(&x);
}

TEST(inbound_belongs_to_who_has_the_name)
{
    struct send_fixture x;
    struct account other;
    if (!send_fixture_begin(&x)) return;
    struct directory *d = x.f.s->directory;
    CHECK_OK(account_add(d, SL("other@one.test"), SL("secret")));
    CHECK_OK(account_get(d, &x.f.a, SL("other@one.test"), &other));
    CHECK_OK(inbound_may(x.s, &other, SL("Other@one.test")));
    CHECK(inbound_may(x.s, &other, SL("news@one.test")) == ERR_DENIED);
    CHECK(inbound_may(x.s, &other, SL("one.test")) == ERR_DENIED);
    CHECK(inbound_may(x.s, &other, SL("two.test")) == ERR_NOT_FOUND);
    CHECK_OK(domain_admin_set(d, SL("one.test"), SL("other@one.test"), true));
    CHECK_OK(inbound_may(x.s, &other, SL("one.test")));
    CHECK_OK(inbound_may(x.s, &other, SL("news@one.test")));
    send_fixture_end(&x);
}

/* As an account does it, which has the name or administers its domain. */
static int own_hook(struct send_fixture *x, const char *name)
{
    struct slice key;
    struct inbound in = {
        .name = sl_cstr(name), .account = sl_cstr(x->account.id), .url = SL("https://hook.test/own")};
    int e = inbound_may(x->s, &x->account, in.name);
    return e ? e : inbound_add(x->s, &in, &x->f.a, &key);
}

static int take(struct send_fixture *x, const char *name)
{
    char token[INBOUND_TOKEN], account[INBOUND_TOKEN + 1];
    static const struct letter letter;
    inbound_token(sl_cstr(name), token);
    snprintf(account, sizeof account, "%c%s", LAST_HOP_CALL, token);
    struct last_hop d = {.letter = &letter, .account = account, .address = sl_cstr(name)};
    return inbound_take(x->s, &d);
}

TEST(inbound_ends_with_the_right_to_the_domain)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct directory *d = x.f.s->directory;
    struct slice in = SL("in.test"), news = SL("news@one.test");
    CHECK_OK(domain_add(d, in));
    CHECK(own_hook(&x, "in.test") == ERR_DENIED);
    CHECK_OK(domain_admin_set(d, in, news, true));
    CHECK_OK(own_hook(&x, "in.test"));
    CHECK_OK(own_hook(&x, "desk@in.test"));
    CHECK(leads_to(&x, "any@in.test", "in.test") && leads_to(&x, "desk@in.test", "desk@in.test"));
    CHECK_OK(account_add(d, SL("desk@in.test"), SL("secret")));
    CHECK(leads_to(&x, "desk@in.test", "desk@in.test"));
    CHECK(take(&x, "in.test") == ERR_BUSY); /* nothing is told here */
    CHECK_OK(domain_admin_set(d, in, news, false));
    CHECK(!way(&x, "any@in.test") && way(&x, "desk@in.test") && !*way(&x, "desk@in.test"));
    CHECK(take(&x, "in.test") == ERR_NOT_FOUND && take(&x, "desk@in.test") == ERR_NOT_FOUND);
    /* the domain goes, and comes again for others, who are not kept out by what was */
    CHECK_OK(account_remove(d, SL("desk@in.test")));
    CHECK_OK(domain_admin_set(d, in, news, true));
    CHECK_OK(domain_remove(d, in));
    CHECK(take(&x, "in.test") == ERR_NOT_FOUND);
    CHECK_OK(domain_add(d, in));
    CHECK(!way(&x, "any@in.test"));
    CHECK_OK(account_add(d, SL("other@in.test"), SL("secret")));
    CHECK_OK(account_get(d, &x.f.a, SL("other@in.test"), &x.account));
    CHECK_OK(domain_admin_set(d, in, SL("other@in.test"), true));
    CHECK_OK(own_hook(&x, "in.test"));
    CHECK(own_hook(&x, "in.test") == ERR_EXISTS);
    CHECK(leads_to(&x, "any@in.test", "in.test"));
    send_fixture_end(&x);
}

TEST(inbound_ends_with_the_account)
{
    struct send_fixture x;
    size_t n = 0;
    if (!send_fixture_begin(&x)) return;
    struct directory *d = x.f.s->directory;
    struct slice news = SL("news@one.test"), account = sl_cstr(x.account.id);
    CHECK_OK(hook(&x, "desk@one.test"));
    CHECK_OK(hook(&x, "one.test"));
    CHECK_OK(own_hook(&x, "news@one.test"));
    CHECK(leads_to(&x, "news@one.test", "news@one.test"));
    CHECK_OK(account_add(d, SL("desk@one.test"), SL("secret")));
    CHECK(!*way(&x, "desk@one.test")); /* given while nobody had it */
    CHECK(take(&x, "desk@one.test") == ERR_NOT_FOUND);
    CHECK_OK(account_rename(d, news, SL("old@one.test")));
    CHECK_OK(alias_remove(d, news, NULL));
    CHECK(leads_to(&x, "news@one.test", "one.test"));
    CHECK_OK(account_add(d, news, SL("secret")));
    CHECK(!*way(&x, "news@one.test"));
    CHECK_OK(account_remove(d, news));
    CHECK_OK(account_remove(d, SL("old@one.test")));
    CHECK(!way(&x, "any@one.test") && !way(&x, "news@one.test"));
    CHECK(take(&x, "one.test") == ERR_NOT_FOUND);
    CHECK_OK(account_add(d, news, SL("secret")));
    CHECK(!*way(&x, "news@one.test"));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(inbound_forget(x.s, account));
        CHECK_OK(inbound_each(x.s, SL(""), count, &n));
        CHECK_INT(n, 0);
    }
    send_fixture_end(&x);
}

/* What an operator gave of a name that another account has stays with that account. */
TEST(inbound_that_was_given_stays_with_who_had_the_name)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct directory *d = x.f.s->directory;
    struct slice desk = SL("desk@one.test");
    CHECK_OK(account_add(d, desk, SL("secret")));
    CHECK_OK(hook(&x, "desk@one.test"));
    CHECK(leads_to(&x, "desk@one.test", "desk@one.test"));
    sends_close(&x.s);
    CHECK_OK(sends_open(&x.s, &(struct sends_conf){.store = x.f.s, .hostname = SL("mail.one.test")}));
    CHECK(leads_to(&x, "desk@one.test", "desk@one.test"));
    CHECK_OK(account_remove(d, desk));
    CHECK(!way(&x, "desk@one.test"));
    CHECK_OK(account_add(d, desk, SL("secret")));
    CHECK(!*way(&x, "desk@one.test"));
    send_fixture_end(&x);
}

/* ---- room ---- */

static bool asks(struct inbound_room *r, const char *account, uint64_t need, struct inbound_place *p)
{
    CHECK_OK(inbound_room_ask(r, sl_cstr(account), need, p));
    return inbound_room_granted(r, p);
}

TEST(inbound_room_is_shared_and_nobody_passes)
{
    enum { LARGE = INBOUND_ROOM / 2, SMALL = 1000 };
    struct inbound_room *r = inbound_room_new();
    struct inbound_place hog[4], large, small, last;
    CHECK(asks(r, "hog", LARGE, &hog[0]) && asks(r, "hog", LARGE, &hog[1]));
    CHECK(!asks(r, "one", INBOUND_ROOM, &large) && !asks(r, "two", SMALL, &small));
    CHECK(!asks(r, "hog", LARGE, &hog[2]) && !asks(r, "hog", SMALL, &hog[3]));
    inbound_room_leave(r, &hog[0]);
    /* what is large waits for all of it, and what is small and came later does not pass */
    CHECK(!inbound_room_granted(r, &large) && !inbound_room_granted(r, &small));
    inbound_room_leave(r, &hog[1]);
    CHECK(!inbound_room_granted(r, &hog[2]) && inbound_room_granted(r, &large));
    inbound_room_shrink(r, &large, SMALL);
    CHECK(inbound_room_granted(r, &small) && inbound_room_granted(r, &hog[2]));
    CHECK(inbound_room_granted(r, &hog[3]) && asks(r, "three", SMALL, &last));
    inbound_room_leave(r, &hog[2]);
    inbound_room_leave(r, &hog[3]);
    inbound_room_leave(r, &large);
    inbound_room_leave(r, &small);
    inbound_room_leave(r, &last);
    inbound_room_free(&r);
}

TEST(inbound_room_lets_no_account_wait_without_end)
{
    struct inbound_room *r = inbound_room_new();
    struct inbound_place p[INBOUND_WAITING + 1], more;
    for (int i = 0; i <= INBOUND_WAITING; i++) CHECK(asks(r, "hog", INBOUND_ROOM, &p[i]) == (i == 0));
    CHECK_ERR(inbound_room_ask(r, SL("hog"), 1, &more), ERR_BUSY);
    for (int i = INBOUND_WAITING; i > 0; i--) inbound_room_leave(r, &p[i]); /* they were canceled */
    CHECK(asks(r, "other", 1, &more) == false);
    inbound_room_leave(r, &p[0]);
    CHECK(inbound_room_granted(r, &more));
    inbound_room_leave(r, &more);
    inbound_room_free(&r);
}

static void set_raw(void *arg, struct inbound *in)
{
    in->raw = true;
    if (arg) in->url = SL("ftp://x/");
}

static int damage_tx(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("\377"));
    return 0;
}

TEST(inbound_outlives_the_service_and_damage)
{
    struct send_fixture x;
    struct inbound in;
    char token[INBOUND_TOKEN];
    size_t n = 0;
    if (!send_fixture_begin(&x)) return;
    CHECK_OK(domain_add(x.f.s->directory, SL("in.test")));
    CHECK_OK(hook(&x, "in.test"));
    CHECK_OK(hook(&x, "news@one.test"));
    struct slice account = sl_cstr(x.account.id);
    CHECK(inbound_change(x.s, account, SL("in.test"), set_raw, &n) == ERR_USAGE);
    CHECK_OK(inbound_change(x.s, account, SL("in.test"), set_raw, NULL));
    CHECK(inbound_change(x.s, SL("other"), SL("in.test"), set_raw, NULL) == ERR_NOT_FOUND);
    inbound_token(SL("in.test"), token);
    struct slice key = ar_cat(&x.f.a, SL("b/"), sl_cstr(token));
    CHECK_OK(kv_transact(x.f.s->kv, SL(SENDS_OBJECT), damage_tx, &key));
    sends_close(&x.s);
    CHECK_OK(sends_open(&x.s, &(struct sends_conf){.store = x.f.s, .hostname = SL("mail.one.test")}));
    CHECK(leads_to(&x, "any@in.test", "in.test")); /* letters for it wait */
    CHECK(inbound_get(x.s, account, SL("in.test"), &x.f.a, &in) == ERR_CORRUPT ||
          inbound_get(x.s, account, SL("in.test"), &x.f.a, &in) == ERR_VERSION);
    CHECK_OK(inbound_each(x.s, SL(""), count, &n));
    CHECK_INT(n, 1);
    CHECK(inbound_remove(x.s, account, SL("in.test")) != 0);
    CHECK_OK(inbound_remove(x.s, SL(""), SL("in.test")));
    CHECK_OK(hook(&x, "in.test"));
    send_fixture_end(&x);
}

/* ---- the form ---- */

static struct slice form_of(struct arena *a, const char *text, bool raw)
{
    struct buf b = BUF_INIT;
    inbound_form(&b, &(struct inbound_letter){.text = sl_cstr(text),
                                              .from = SL("bob@two.test"),
                                              .to = SL("x@in.test"),
                                              .hostname = SL("mail.one.test"),
                                              .boundary = SL("B"),
                                              .spam_check = true,
                                              .raw = raw});
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static bool has(struct slice form, const char *name, const char *value)
{
    char field[2000];
    snprintf(field, sizeof field, "--B\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n--B", name,
             value);
    return sl_find(form, sl_cstr(field)) != SL_NONE;
}

#define LETTER                                                                                               \
    "Authentication-Results: mail.one.test; iprev=pass policy.iprev=192.0.2.7; spf=pass "                    \
    "smtp.mailfrom=a;\r\n"                                                                                   \
    " dkim=pass header.d=two.test; dkim=fail header.d=three.test\r\n"                                        \
    "Authentication-Results: other.test; spf=fail\r\n"                                                       \
    "From: =?utf-8?q?B=C3=B6b?= <bob@two.test>\r\nTo: x@in.test\r\nSubject: =?iso-8859-1?q?gr=FC=DFe?=\r\n"  \
    "Content-Type: multipart/mixed; boundary=x\r\n\r\n"                                                      \
    "--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"                                         \
    "--y\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n" \
    "\r\ngr=FC=DFe\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>hi</p>\r\n--y--\r\n"                          \
    "--x\r\nContent-Type: image/png; name=\"a.png\"\r\nContent-ID: <c1>\r\n"                                 \
    "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n"                                                      \
    "--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"q\\\"\\\r\n "            \
    ".txt\"\r\n\r\n"                                                                                         \
    "file\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--x--\r\n"

TEST(inbound_form_is_that_of_sendgrid)
{
    struct arena a = {0};
    struct slice f = form_of(&a, LETTER, false);
    CHECK(has(f, "dkim", "{@two.test : pass, @three.test : fail}") && has(f, "SPF", "pass"));
    CHECK(has(f, "sender_ip", "192.0.2.7") && has(f, "spam_score", "0.0"));
    CHECK(has(f, "envelope", "{\"to\":[\"x@in.test\"],\"from\":\"bob@two.test\"}"));
    CHECK(has(f, "from", "B\303\266b <bob@two.test>") && has(f, "subject", "gr\303\274\303\237e"));
    CHECK(has(f, "text", "gr\303\274\303\237e") && has(f, "html", "<p>hi</p>"));
    CHECK(has(
        f, "charsets",
        "{\"to\":\"UTF-8\",\"from\":\"UTF-8\",\"subject\":\"UTF-8\",\"text\":\"UTF-8\",\"html\":\"UTF-8\"}"));
    CHECK(has(f, "attachments", "3") && has(f, "content-ids", "{\"c1\":\"attachment1\"}"));
    CHECK(
        sl_find(
            f,
            SL("name=\"attachment1\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\0\1\2\r\n--B")) !=
        SL_NONE);
    CHECK(sl_find(f, SL("name=\"attachment2\"; filename=\"q%22")) != SL_NONE);
    CHECK(sl_find(f, SL("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--B--\r\n")) !=
          SL_NONE);
    CHECK(sl_find(f, SL("name=\"email\"")) == SL_NONE);
    ar_free(&a);
}

TEST(inbound_form_of_a_raw_letter)
{
    struct arena a = {0};
    struct slice f = form_of(&a, LETTER, true);
    CHECK(has(f, "email", LETTER) && has(f, "SPF", "pass") && has(f, "subject", "gr\303\274\303\237e"));
    CHECK(sl_find(f, SL("name=\"text\"")) == SL_NONE);
    ar_free(&a);
}

/* What a stranger writes ends no part, whatever it is. */
TEST(inbound_form_of_hostile_letters)
{
    static const char *const letters[] = {
        "",
        "\r\n",
        "no head",
        "Content-Type: a\"b/c\r\nd; name=\"\377\"\r\n\r\nx",
        "Content-Type: image/x\"\r\n\r\nx",
        "Subject: \377\001\r\nContent-ID: <\377\">\r\nContent-Type: a/b\r\n\r\nx",
        "Content-Type: multipart/mixed\r\n\r\nx",
        "Authentication-Results: mail.one.test; spf=\"a\r\nb\"\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        for (int raw = 0; raw < 2; raw++) {
            struct arena a = {0};
            struct slice f = form_of(&a, letters[i], raw);
            CHECK(sl_starts(f, SL("--B\r\n")) && sl_ends(f, SL("\r\n--B--\r\n")));
            CHECK(has(f, "envelope", "{\"to\":[\"x@in.test\"],\"from\":\"bob@two.test\"}"));
            ar_free(&a);
        }
}

/* 10,000 texts, each copied once: what stood before is not copied again with each. */
TEST(inbound_form_of_many_texts)
{
    enum { TEXTS = 9000, EACH = 1000 };
    struct arena a = {0};
    struct buf letter = BUF_INIT;
    buf_str(&letter, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < TEXTS; i++) buf_printf(&letter, "--b\r\n\r\n%0*d\r\n", EACH, i);
    buf_str(&letter, "--b--\r\n");
    struct slice f = form_of(&a, ar_cstr(&a, buf_slice(&letter)), false);
    size_t at = sl_find(f, SL("name=\"text\"\r\n\r\n"));
    CHECK(at != SL_NONE && sl_find(sl_from(f, at), SL("8999\r\n--B")) == 15 + (size_t)TEXTS * EACH - 4);
    buf_free(&letter);
    ar_free(&a);
}

/* A byte of an old charset is up to three in UTF-8, and no more; where one character is cut does not matter.
 */
TEST(inbound_form_is_within_what_is_counted)
{
    enum { BYTES = 300001 };
    struct arena a = {0};
    for (int raw = 0; raw < 2; raw++) {
        struct buf letter = BUF_INIT, form;
        buf_str(&letter, "Content-Type: text/plain; charset=windows-1252\r\n\r\n");
        for (int i = 0; i < BYTES; i++) buf_char(&letter, '\200');
        struct inbound_letter in = {.text = buf_slice(&letter), .boundary = SL("B"), .raw = raw};
        buf_init(&form, INBOUND_FORM_TIMES * letter.n + INBOUND_FORM_MORE);
        inbound_form(&form, &in);
        CHECK(!form.over && form.n > (raw ? 1 : 3) * (size_t)BYTES);
        buf_free(&form);
        buf_init(&form, BYTES);
        inbound_form(&form, &in);
        CHECK(form.over && form.n <= BYTES);
        buf_free(&form);
        buf_free(&letter);
    }
    struct buf letter = BUF_INIT;
    buf_str(&letter,
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    for (int i = 0; i < 30000; i++) buf_str(&letter, "=E2=82=AC");
    struct slice f = form_of(&a, ar_cstr(&a, buf_slice(&letter)), false);
    CHECK(sl_find(f, SL("\357\277\275")) == SL_NONE && sl_ends(f, SL("\342\202\254\r\n--B--\r\n")) == false);
    CHECK(sl_find(f, SL("\342\202\254\r\n--B\r\n")) != SL_NONE);
    buf_free(&letter);
    ar_free(&a);
}
