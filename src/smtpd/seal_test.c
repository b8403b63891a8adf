/* seal_test.c - ARC Sets on letters that an alias sends on: who gets one, where it stands. */
#include "base/test.h"
#include "mail/head.h"
#include "rt/test_rt.h"
#include "store/store.h"
#include "talk_test.h"

static void switch_on(struct world *w) { w->intake.arc_seal = true; }

static struct slice send_to(struct client *cl, const char *rcpt, const char *text)
{
    struct arena *a = &cl->a;
    CHECK(sl_starts(talk(cl, "EHLO mail.one.test"), SL("250-")));
    CHECK(sl_starts(talk(cl, "MAIL FROM:<carol@one.test>"), SL("250 ")));
    CHECK(sl_starts(talk(cl, ar_cstr(a, ar_printf(a, "RCPT TO:<%s>", rcpt))), SL("250 ")));
    CHECK(sl_starts(talk(cl, "DATA"), SL("354 ")));
    client_send(cl, sl_cstr(text));
    return client_reply(cl);
}

static const char plain[] = "From: Carol <carol@one.test>\r\nSubject: x\r\n\r\nHello\r\n.\r\n";

/* How many seals of ours the letter to rcpt has when it is handed over. */
static size_t seals(const char *rcpt, const char *text, bool rsa, void (*change)(struct world *))
{
    struct world w;
    struct client cl;
    struct mail_head head;
    size_t n = 0;
    world_begin(&w, change);
    if (rsa) CHECK_OK(dkim_key_add(w.store->directory, SL("home.test"), SL("r"), KEY_RSA, DKIM_KEY_ACTIVE));
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(send_to(&cl, rcpt, text), SL("250 2.0.0 ")));
    CHECK_OK(mail_head_parse(&cl.a, handed.bytes, &head));
    CHECK_INT(head.body_at, handed.head_size);
    CHECK(has(handed.bytes, ar_cstr(&cl.a, sl_sub(sl_cstr(text), 0, 20)))); /* what was there stays */
    for (size_t i = 0; i < head.n; i++) {
        if (!sl_eqi(head.field[i].name, SL("ARC-Seal")) || !has(head.field[i].raw, "d=home.test;")) continue;
        n++;
        CHECK_INT(head.field[i].raw.p - handed.bytes.p, handed.skip); /* on top of all that leaves */
        CHECK(i + 3 < head.n && sl_eq(head.field[i + 1].name, SL("ARC-Message-Signature")) &&
              sl_eq(head.field[i + 2].name, SL("ARC-Authentication-Results")) &&
              sl_eq(head.field[i + 3].name, SL("Authentication-Results")));
    }
    client_close(&cl);
    world_end(&w);
    return n;
}

TEST(seal_only_what_is_sent_on)
{
    CHECK_INT(seals("team@home.test", plain, true, switch_on), 1);
    CHECK_INT(seals("alice@home.test", plain, true, switch_on), 0);
    CHECK_INT(seals("team@home.test", plain, true, NULL), 0);
    CHECK_INT(seals("team@home.test", plain, false, switch_on), 0); /* there is no RSA key */
}

/* A chain that has ended or cannot be told apart stays as it is, and the letter goes on. */
TEST(seal_leaves_broken_chains)
{
    CHECK_INT(seals("team@home.test",
                    "ARC-Seal: i=1; a=rsa-sha256; cv=fail; d=x.test; s=s; b=AAAA\r\n"
                    "From: carol@one.test\r\n\r\nx\r\n.\r\n",
                    true, switch_on),
              0);
    CHECK_INT(seals("team@home.test", "From: carol@one.test\r\n\r\n.\r\n", true, switch_on), 1);
}
