/* mailauth_test.c - whole letters judged: what is authentic is accepted, and the forgeries known
 * from the literature are not; the reply, the field and the evidence agree. */
#include "mailauth.h"
#include "mailauth_i.h"

#include "base/test.h"
#include "dkim/dkim_test.h"

#define ED "TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n"
static const char world[] =
    "1.2.0.192.in-addr.arpa. PTR mail.bank.example.\nmail.bank.example. A 192.0.2.1\n"
    "mail.bank.example. TXT \"v=spf1 a -all\"\n"
    "bank.example. TXT \"v=spf1 ip4:192.0.2.1 -all exp=why.bank.example\"\nbank.example. A 192.0.2.1\n"
    "why.bank.example. TXT \"%{i} is not ours\"\n"
    "_dmarc.bank.example. TXT \"v=DMARC1; p=reject; "
    "rua=mailto:d@bank.example\"\ns._domainkey.bank.example. " ED
    "evil.example. TXT \"v=spf1 ip4:203.0.113.66 -all\"\nmail.evil.example. TXT \"v=spf1 ip4:203.0.113.66 "
    "-all\"\n"
    "s._domainkey.evil.example. " ED "66.113.0.203.in-addr.arpa. PTR mail.bank.example.\n"
    "list.example. TXT \"v=spf1 ip4:198.51.100.1 -all\"\ns._domainkey.list.example. " ED
    "nopolicy.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\nhello.example. A 203.0.113.9\n"
    "soft.example. TXT \"v=spf1 ~all\"\n_dmarc.soft.example. TXT \"v=DMARC1; p=quarantine\"\n"
    "trial.example. TXT \"v=spf1 -all\"\n_dmarc.trial.example. TXT \"v=DMARC1; p=quarantine; t=y\"\n"
    ";! servfail temp.example\n;! servfail _dmarc.down.example\ndown.example. A 192.0.2.7\n";

static const char plain[] = "From: The Bank <info@bank.example>\nTo: you@us.example\nSubject: hello\n"
                            "Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <1@bank.example>\n\nText.\n";

static bool trusts_list(void *arg, struct slice sealer)
{
    (void)arg;
    return sl_eq(sealer, SL("list.example"));
}

struct letter_case {
    const char *ip, *helo, *from;
};
static const struct letter_case at_bank = {"192.0.2.1", "mail.bank.example", "bounce@bank.example"};
static const struct letter_case at_evil = {"203.0.113.66", "mail.evil.example", "x@evil.example"};

static struct mailauth_ctx context(struct dns *d)
{
    return (struct mailauth_ctx){.dns = d, .hostname = SL("mx.us.example")};
}

static struct mailauth_verdict judge_with(const struct mailauth_ctx *ctx, struct arena *a,
                                          struct letter_case c, struct slice msg)
{
    struct mailauth_verdict v = {0};
    struct mailauth_conn conn = {.helo = sl_cstr(c.helo)};
    struct mailauth_envelope env = {.mail_from = sl_cstr(c.from)};
    CHECK(ip_parse(sl_cstr(c.ip), &conn.ip));
    CHECK_OK(mailauth_check(ctx, a, &conn, &env, msg, &v));
    struct authres r;
    CHECK(sl_starts(v.field, SL("Authentication-Results: mx.us.example;")));
    CHECK_OK(authres_parse(a, sl_from(v.field, 23), &r)); /* what we write, we can read */
    CHECK_INT(r.n, v.results.n);
    CHECK(v.sentence.n > 0 && v.sentence.n <= 400);
    CHECK_INT(v.reply, v.disposition == MAILAUTH_REJECT ? 550 : v.disposition == MAILAUTH_DEFER ? 451 : 250);
    CHECK_INT(v.enhanced[0], v.disposition == MAILAUTH_REJECT  ? '5'
                             : v.disposition == MAILAUTH_DEFER ? '4'
                                                               : '2');
    return v;
}

static struct mailauth_verdict judge(struct dns *d, struct arena *a, struct letter_case c, struct slice msg)
{
    struct mailauth_ctx ctx = context(d);
    return judge_with(&ctx, a, c, msg);
}

static struct slice signed_by(struct arena *a, const char *domain, const char *text)
{
    struct dkim_signer k = {.domain = sl_cstr(domain),
                            .selector = SL("s"),
                            .key = test_key(KEY_ED25519),
                            .head_canon = DKIM_RELAXED,
                            .body_canon = DKIM_RELAXED};
    return sign_letter(a, letter(a, text), &k, 1);
}

static bool says(const struct mailauth_verdict *v, const char *what)
{
    return sl_find(v->field, sl_cstr(what)) != SL_NONE;
}

TEST(mailauth_authentic)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_verdict v = judge(d, &a, at_bank, signed_by(&a, "bank.example", plain));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK_INT(v.iprev.code, IPREV_PASS);
    CHECK_INT(v.helo.code, HELO_MATCHES);
    CHECK_INT(v.spf.code, SPF_PASS);
    CHECK_INT(v.spf_helo.code, SPF_PASS);
    CHECK_INT(v.dkim.overall, DKIM_PASS);
    CHECK_INT(v.dmarc.code, DMARC_PASS);
    CHECK(v.dmarc.spf_aligned && v.dmarc.dkim_aligned);
    CHECK(says(&v, "iprev=pass") && says(&v, "(mail.bank.example)") && says(&v, "policy.iprev=192.0.2.1"));
    CHECK(says(&v, "spf=pass smtp.mailfrom=bank.example;") &&
          says(&v, "spf=pass smtp.helo=mail.bank.example;"));
    CHECK(says(&v, "dkim=pass") && says(&v, "header.d=bank.example") && says(&v, "header.s=s"));
    CHECK(says(&v, "dmarc=pass") && says(&v, "header.from=bank.example") && says(&v, "policy.dmarc=none"));
    CHECK(v.took_us >= 0 && v.questions > 0);
    dns_close(&d);
    ar_free(&a);
}

/* One of the two is enough: a forwarder keeps the signature, our own list server keeps SPF. */
TEST(mailauth_one_vouches)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_verdict v = judge(d, &a, at_evil, signed_by(&a, "bank.example", plain));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK(v.dmarc.dkim_aligned && !v.dmarc.spf_aligned);
    v = judge(d, &a, at_bank, letter(&a, plain));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK(says(&v, "dkim=none"));
    struct letter_case forwarded = {"203.0.113.66", "mail.evil.example", "bounce@bank.example"};
    v = judge(d, &a, forwarded, signed_by(&a, "bank.example", plain));
    CHECK_INT(v.spf.code, SPF_FAIL);
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT); /* RFC 9989 section 7.1: SPF alone does not refuse it */
    dns_close(&d);
    ar_free(&a);
}

#define REFUSED(v_, enhanced_)                                                                               \
    do {                                                                                                     \
        struct mailauth_verdict w_ = (v_);                                                                   \
        if (w_.disposition != MAILAUTH_REJECT || strcmp(w_.enhanced, enhanced_) != 0)                        \
            test_fail(__FILE__, __LINE__, "%s %s: %.*s", mailauth_disposition_name(w_.disposition),          \
                      w_.enhanced, SLF(w_.sentence));                                                        \
    } while (0)

TEST(mailauth_forged_author)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_verdict v = judge(d, &a, at_evil, signed_by(&a, "evil.example", plain));
    REFUSED(v, "5.7.1");
    CHECK(sl_starts(v.sentence, SL("Email rejected per DMARC policy for bank.example: ")));
    CHECK_INT(v.spf.code, SPF_PASS); /* for evil.example, which is not the author */
    CHECK_INT(v.dkim.overall, DKIM_PASS);
    CHECK_INT(v.iprev.code, IPREV_FAIL); /* its PTR names the bank; the bank's host does not */
    /* Names that look like the author's are not below it. */
    REFUSED(judge(d, &a, at_evil,
                  signed_by(&a, "evil.example",
                            replace(&a, sl_cstr(plain), "bank.example", "mail.bank.example").p)),
            "5.7.1");
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_helo_pass_is_no_author)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    /* The bank's own host relays for a stranger: HELO passes, MAIL FROM does not. */
    struct letter_case c = {"192.0.2.1", "mail.bank.example", "x@nowhere.example"};
    struct mailauth_verdict v = judge(d, &a, c, letter(&a, plain));
    CHECK_INT(v.spf_helo.code, SPF_PASS);
    REFUSED(v, "5.7.1");
    /* The null path takes the HELO identity (RFC 7208 section 2.4), for good and for evil. */
    c.from = "";
    v = judge(d, &a, c, letter(&a, plain));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    c = (struct letter_case){"203.0.113.66", "mail.evil.example", ""};
    REFUSED(judge(d, &a, c, letter(&a, plain)), "5.7.1");
    c.helo = "mail.bank.example"; /* a lie */
    REFUSED(judge(d, &a, c, letter(&a, plain)), "5.7.1");
    c.helo = "[203.0.113.66]";
    REFUSED(judge(d, &a, c, letter(&a, plain)), "5.7.1");
    dns_close(&d);
    ar_free(&a);
}

/* Whatever EHLO said, the field is ASCII, and so are the questions. */
TEST(mailauth_helo_beyond_ascii)
{
    static const char *const said[] = {"b\303\274cher.example", "b\303\274", "\357\277\275.example",
                                       "\342\200\256elpmaxe.test", "a\302\240b.example"};
    struct dns *d = zone(world);
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        struct arena a = {0};
        struct letter_case c = {"192.0.2.1", said[i], "bounce@bank.example"};
        struct mailauth_verdict v = judge(d, &a, c, letter(&a, plain));
        CHECK(is_ascii(v.field));
        if (i == 0) CHECK(says(&v, "smtp.helo=xn--bcher-kva.example"));
        c.from = "";
        v = judge(d, &a, c, letter(&a, plain));
        CHECK(is_ascii(v.field));
        ar_free(&a);
    }
    dns_close(&d);
}

TEST(mailauth_from_field_games)
{
    static const char *const from[] = {
        "From: a@evil.example\nFrom: info@bank.example",
        "From: info@bank.example\nFROM : a@evil.example",
        "X-No: From",
        "From: a@evil.example, info@bank.example",
        "From: info@bank.example <a@evil.example>",
        "From: nobody",
        "From: ",
        "From: <@evil.example:info@bank.example>",
        "From: info@bank.example (\n (\n ) a@evil.example",
        "From: \"info@bank.example a@evil.example",
        "From: a@evil.example;info@bank.example",
        "From: info@[203.0.113.66]",
        "From:\n info@bank.example\n <a@evil.example>",
        "From: a@b.example,a@c.example,a@d.example,a@e.example,a@f.example",
        "From: info@mail.bank.example",
        "From: info@BANK.EXAMPLE.",
        "From: info@b\303\240nk",
        "From: info@bank.example\001",
    };
    struct arena a = {0};
    struct dns *d = zone(world);
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        char *text = ar_cstr(
            &a,
            ar_printf(&a,
                      "%s\nTo: you@us.example\nSubject: x\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n\nText.\n",
                      from[i]));
        /* evil signs what it can, and passes SPF for itself. */
        struct slice msg = strstr(from[i], "From:") ? signed_by(&a, "evil.example", text) : letter(&a, text);
        struct mailauth_verdict v = judge(d, &a, at_evil, msg);
        if (v.disposition != MAILAUTH_REJECT)
            test_fail(__FILE__, __LINE__, "%s: %s, %.*s", from[i], mailauth_disposition_name(v.disposition),
                      SLF(v.sentence));
        CHECK(!says(&v, "dmarc=pass"));
    }
    dns_close(&d);
    ar_free(&a);
}

/* A display name is not an author: the field tells whose letter it is. */
TEST(mailauth_display_names)
{
    static const char *const from[] = {
        "From: \"info@bank.example\" <a@evil.example>",
        "From: =?utf-8?b?aW5mb0BiYW5rLmV4YW1wbGU=?= <a@evil.example>",
        "From: a@evil.example (info@bank.example)",
        "From: \"info\"@evil.example",
    };
    struct arena a = {0};
    struct dns *d = zone(world);
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        struct slice msg = letter(&a, ar_cstr(&a, ar_printf(&a, "%s\n\nText.\n", from[i])));
        struct mailauth_verdict v = judge(d, &a, at_evil, msg);
        CHECK(says(&v, "header.from=evil.example"));
        CHECK(!says(&v, "bank.example header") && !says(&v, "header.from=bank.example"));
    }
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_replayed_signature)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct slice good = signed_by(&a, "bank.example", plain);
    REFUSED(judge(d, &a, at_evil, replace(&a, good, "Text.", "Send money.")), "5.7.1");
    REFUSED(judge(d, &a, at_evil, replace(&a, good, "Subject: hello", "Subject: send money")), "5.7.1");
    REFUSED(judge(d, &a, at_evil, ar_cat(&a, SL("From: info@bank.example\r\n"), good)), "5.7.1");
    REFUSED(judge(d, &a, at_evil, ar_cat(&a, SL("Subject: send money\r\n"), good)), "5.7.1");
    REFUSED(judge(d, &a, at_evil, ar_cat(&a, good, SL("and more\r\n"))), "5.7.1");
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_spf_refuses_where_dmarc_is_silent)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    static const char text[] = "From: a@nopolicy.example\n\nText.\n";
    struct letter_case c = {"203.0.113.9", "hello.example", "a@nopolicy.example"};
    struct mailauth_verdict v = judge(d, &a, c, letter(&a, text));
    REFUSED(v, "5.7.23");
    c.from = "a@bank.example";
    v = judge(d, &a, c, letter(&a, text));
    REFUSED(v, "5.7.23");
    CHECK_SL(v.sentence,
             "SPF MAIL FROM check failed: the domain bank.example explains: 203.0.113.9 is not ours");
    c = (struct letter_case){"203.0.113.9", "bank.example", "a@hello.example"};
    v = judge(d, &a, c, letter(&a, "From: a@hello.example\n\nText.\n"));
    REFUSED(v, "5.7.23");
    CHECK(sl_starts(v.sentence, SL("SPF HELO check failed")));
    struct mailauth_ctx lax = context(d);
    lax.policy.spf_accept = true;
    CHECK_INT(judge_with(&lax, &a, c, letter(&a, text)).disposition, MAILAUTH_ACCEPT);
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_quarantine_and_test_mode)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct letter_case c = {"203.0.113.9", "hello.example", "a@hello.example"};
    struct mailauth_verdict v = judge(d, &a, c, letter(&a, "From: a@soft.example\n\nText.\n"));
    CHECK_INT(v.disposition, MAILAUTH_QUARANTINE);
    CHECK(says(&v, "policy.dmarc=quarantine"));
    CHECK(!v.overridden);
    v = judge(d, &a, c, letter(&a, "From: a@trial.example\n\nText.\n"));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK(v.overridden);
    CHECK_SL(sl_cstr(v.override_type), "policy_test_mode");
    CHECK(says(&v, "policy.dmarc=none"));
    struct mailauth_ctx monitor = context(d);
    monitor.policy.dmarc_monitor = true;
    v = judge_with(&monitor, &a, c, letter(&a, plain));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK_SL(sl_cstr(v.override_type), "local_policy");
    CHECK_INT(v.dmarc.code, DMARC_FAIL);
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_unanswered_questions_defer)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct letter_case c = {"203.0.113.9", "hello.example", "a@hello.example"};
    struct mailauth_verdict v = judge(d, &a, c, letter(&a, "From: a@down.example\n\nText.\n"));
    CHECK_INT(v.disposition, MAILAUTH_DEFER);
    CHECK(says(&v, "dmarc=temperror"));
    c.from = "a@temp.example";
    v = judge(d, &a, c, letter(&a, "From: a@hello.example\n\nText.\n"));
    CHECK_INT(v.disposition, MAILAUTH_DEFER);
    CHECK(says(&v, "spf=temperror") && says(&v, "smtp.mailfrom=temp.example"));
    CHECK_SL(sl_cstr(v.enhanced), "4.4.3");
    struct mailauth_ctx lax = context(d);
    lax.policy.temperror_accept = true;
    CHECK_INT(judge_with(&lax, &a, c, letter(&a, "From: a@hello.example\n\nText.\n")).disposition,
              MAILAUTH_ACCEPT);
    dns_close(&d);
    ar_free(&a);
}

TEST(mailauth_other_policies)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_ctx ctx = context(d);
    ctx.policy.iprev_require = true;
    struct letter_case c = {"203.0.113.9", "hello.example", "a@hello.example"};
    REFUSED(judge_with(&ctx, &a, c, letter(&a, "From: a@hello.example\n\nText.\n")), "5.7.25");
    CHECK_INT(judge_with(&ctx, &a, at_bank, letter(&a, plain)).disposition, MAILAUTH_ACCEPT);
    ctx = context(d);
    ctx.policy.bad_from_accept = true;
    CHECK_INT(judge_with(&ctx, &a, c, letter(&a, "Subject: x\n\nText.\n")).disposition, MAILAUTH_ACCEPT);
    dns_close(&d);
    ar_free(&a);
}

/* ---- ARC ---- */

static struct slice seal_as_list(struct arena *a, struct dns *d, struct slice msg, const char *authres)
{
    struct arc_result arrived = verify_arc(a, d, msg);
    struct mail_head *head = ar_new(a, struct mail_head);
    struct arc_sealer s = {.domain = SL("list.example"),
                           .selector = SL("s"),
                           .key = test_key(KEY_ED25519),
                           .authres = sl_cstr(authres)};
    struct buf out = BUF_INIT;
    struct arc_seal *x = NULL;
    CHECK_OK(mail_head_parse(a, msg, head));
    struct dkim_body *b = dkim_body_new(a);
    CHECK_OK(arc_seal_new(a, head, &s, &arrived, 1700000000, b, &x));
    dkim_body_add(b, sl_from(msg, head->body_at));
    dkim_body_end(b);
    if (x) CHECK_OK(arc_seal_end(x, &out));
    buf_put(&out, msg);
    struct slice sealed = ar_dup(a, buf_slice(&out));
    buf_free(&out);
    return sealed;
}

TEST(mailauth_trusted_forwarder)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_ctx ctx = context(d);
    struct letter_case c = {"198.51.100.1", "list.example", "list@list.example"};
    struct slice saw_pass =
        seal_as_list(&a, d, letter(&a, plain), "list.example; dmarc=pass header.from=bank.example");
    struct slice saw_fail =
        seal_as_list(&a, d, letter(&a, plain), "list.example; dmarc=fail header.from=bank.example");
    struct slice saw_other =
        seal_as_list(&a, d, letter(&a, plain), "list.example; dmarc=pass header.from=evil.example");
    REFUSED(judge_with(&ctx, &a, c, saw_pass), "5.7.1"); /* nobody is trusted */
    ctx.trusts_sealer = trusts_list;
    struct mailauth_verdict v = judge_with(&ctx, &a, c, saw_pass);
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK(v.overridden && says(&v, "arc=pass"));
    CHECK_SL(sl_cstr(v.override_type), "trusted_forwarder");
    REFUSED(judge_with(&ctx, &a, c, saw_fail), "5.7.1");
    REFUSED(judge_with(&ctx, &a, c, saw_other), "5.7.1");
    REFUSED(judge_with(&ctx, &a, c, replace(&a, saw_pass, "Text.", "Send money.")), "5.7.1");
    REFUSED(judge_with(&ctx, &a, c, replace(&a, saw_fail, "dmarc=fail", "dmarc=pass")), "5.7.1");
    dns_close(&d);
    ar_free(&a);
}

/* ---- our own fields ---- */

TEST(mailauth_fields_of_ours)
{
    struct arena a = {0};
    struct mailauth_ctx ctx = {.hostname = SL("mx.us.example"),
                               .authserv_id = SL("b\303\274cher.us.example")};
    static const struct {
        const char *name, *body;
        bool remove;
    } cases[] = {
        {"Authentication-Results", " mx.us.example; dmarc=pass", true},
        {"Authentication-Results", " b\303\274cher.us.example; spf=pass", true},
        {"AUTHENTICATION-RESULTS", " XN--BCHER-KVA.us.example; spf=pass", true},
        {"Authentication-Results", " other.example; spf=pass", false},
        {"Received", " mx.us.example", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mail_field f = {.name = sl_cstr(cases[i].name), .body = sl_cstr(cases[i].body)};
        if (mailauth_must_remove(&ctx, &a, &f) != cases[i].remove)
            test_fail(__FILE__, __LINE__, "%s", cases[i].body);
    }
    CHECK_SL(mailauth_submission_field(&a, SL("mx.us.example"), SL("alice@us.example")),
             "Authentication-Results: mx.us.example;\r\n\tauth=pass smtp.auth=alice@us.example\r\n");
    ar_free(&a);
}

TEST(mailauth_what_peers_say_stays_inside)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct letter_case c = {"203.0.113.9", "x\r\nAuthentication-Results: mx.us.example; dmarc=pass",
                            "a\";b@x; dmarc=pass"};
    struct mailauth_verdict v = judge(d, &a, c, letter(&a, "From: a@hello.example\n\nText.\n"));
    for (size_t i = 0; i + 1 < v.field.n - 1; i++)
        if (v.field.p[i] == '\n') CHECK(v.field.p[i + 1] == '\t');
    for (size_t i = 0; i < v.sentence.n; i++) CHECK(v.sentence.p[i] >= ' ' && v.sentence.p[i] <= '~');
    for (size_t i = 0; i < v.results.n; i++)
        if (sl_eq(v.results.info[i].method, SL("dmarc"))) CHECK_SL(v.results.info[i].result, "none");
    dns_close(&d);
    ar_free(&a);
}

/* ---- streaming ---- */

TEST(mailauth_streams)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct mailauth_ctx ctx = context(d);
    struct slice msg = signed_by(&a, "bank.example", plain);
    for (size_t piece = 1; piece < 9; piece++) {
        struct mailauth *m;
        struct mail_head head;
        struct mailauth_verdict v;
        struct mailauth_conn conn = {.ip = {4, {192, 0, 2, 1}}, .helo = SL("mail.bank.example")};
        struct mailauth_envelope env = {.mail_from = SL("bounce@bank.example")};
        REQUIRE(mailauth_new(&m, &ctx, &a, &conn, &env) == 0);
        CHECK_OK(mail_head_parse(&a, msg, &head));
        CHECK_OK(mailauth_head(m, &head, sl_sub(msg, 0, head.size)));
        CHECK_ERR(mailauth_head(m, &head, msg), ERR_STATE);
        for (struct slice rest = sl_from(msg, head.body_at); rest.n; rest = sl_from(rest, piece)) {
            mailauth_body(m, sl_sub(rest, 0, piece));
            fiber_yield();
        }
        CHECK_OK(mailauth_end(m, &v));
        CHECK_INT(v.dkim.overall, DKIM_PASS);
        CHECK_INT(v.dmarc.code, DMARC_PASS);
        struct iprev_result known = v.iprev;
        mailauth_free(&m);
        conn.iprev = &known; /* the next letter of the session */
        REQUIRE(mailauth_new(&m, &ctx, &a, &conn, &env) == 0);
        if (piece % 2) CHECK_OK(mailauth_head(m, &head, msg));
        mailauth_free(&m); /* given up half-way */
        CHECK(!m);
        mailauth_free(&m);
    }
    dns_close(&d);
    ar_free(&a);
}

/* RFC 6376 section 3.6.1: a signature by a key in test is as good as none, whether it verifies or not. */
TEST(mailauth_key_in_test_is_no_proof)
{
    struct arena a = {0};
    char *text = ar_cstr(&a, replace(&a, sl_cstr(world), "s._domainkey.bank.example. TXT \"v=DKIM1;",
                                     "s._domainkey.bank.example. TXT \"v=DKIM1; t=y;"));
    struct dns *d = zone(text);
    struct slice msg = signed_by(&a, "bank.example", plain);
    struct mailauth_verdict v = judge(d, &a, at_evil, msg);
    CHECK_INT(v.dkim.overall, DKIM_PASS);
    CHECK(v.dkim.n == 1 && v.dkim.v[0].testing && says(&v, "dkim=pass") && says(&v, "the key is in test"));
    CHECK(!v.dmarc.dkim_aligned);
    REFUSED(v, "5.7.1");
    v = judge(d, &a, at_evil, replace(&a, msg, "Text", "Test")); /* nor does it do harm */
    REFUSED(v, "5.7.1");
    v = judge(d, &a, at_bank, msg);
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT);
    CHECK(v.dmarc.spf_aligned && !v.dmarc.dkim_aligned);
    /* Nor does it excuse an SPF fail where DMARC says nothing. */
    struct letter_case elsewhere = {"203.0.113.66", "mail.evil.example", "bounce@bank.example"};
    struct slice other = replace(&a, sl_cstr(plain), "info@bank.example", "info@quiet.example");
    REFUSED(judge(d, &a, elsewhere, signed_by(&a, "bank.example", ar_cstr(&a, other))), "5.7.23");
    dns_close(&d);
    d = zone(world);
    v = judge(d, &a, elsewhere, signed_by(&a, "bank.example", ar_cstr(&a, other)));
    CHECK_INT(v.disposition, MAILAUTH_ACCEPT); /* a proper key does */
    dns_close(&d);
    ar_free(&a);
}

struct slow_dns {
    struct dns *zone;
    unsigned asked;
    bool key_asked;
};

static int slowly(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct slow_dns *s = arg;
    s->asked++;
    if (sl_find(name, SL("_domainkey")) != SL_NONE) s->key_asked = true;
    return dns_ask(s->zone, a, name, type, out);
}

TEST(mailauth_keys_are_asked_for_while_the_body_arrives)
{
    struct arena a = {0};
    struct slow_dns slow = {.zone = zone(world)};
    struct dns *d = dns_open_func(slowly, &slow);
    struct mailauth_ctx ctx = context(d);
    struct slice msg = signed_by(&a, "bank.example", plain);
    struct mailauth *m;
    struct mail_head head;
    struct mailauth_verdict v;
    struct mailauth_conn conn = {.ip = {4, {192, 0, 2, 1}}, .helo = SL("mail.bank.example")};
    struct mailauth_envelope env = {.mail_from = SL("bounce@bank.example")};
    REQUIRE(mailauth_new(&m, &ctx, &a, &conn, &env) == 0);
    CHECK_OK(mail_head_parse(&a, msg, &head));
    CHECK_OK(mailauth_head(m, &head, sl_sub(msg, 0, head.size)));
    for (int i = 0; i < 100 && !slow.key_asked; i++) fiber_yield();
    CHECK(slow.key_asked);
    unsigned before = 0;
    while (before != slow.asked) {
        before = slow.asked;
        for (int i = 0; i < 20; i++) fiber_yield();
    }
    mailauth_body(m, sl_from(msg, head.body_at));
    slow.key_asked = false;
    CHECK_OK(mailauth_end(m, &v));
    CHECK(!slow.key_asked); /* not again */
    CHECK_INT(v.dkim.overall, DKIM_PASS);
    mailauth_free(&m);
    dns_close(&d);
    dns_close(&slow.zone);
    ar_free(&a);
}

static int silent(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)a, (void)name, (void)type, (void)out;
    return fiber_sleep(3600 * RT_S);
}

/* Whatever the DNS does, there is a verdict when the fiber's time is up, and it is not "pass". */
TEST(mailauth_silent_dns)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(silent, NULL);
    int64_t before = deadline_narrow(DEADLINE_IN(60 * RT_MS));
    struct mailauth_verdict v = judge(d, &a, at_bank, signed_by(&a, "bank.example", plain));
    deadline_restore(before);
    CHECK_INT(v.disposition, MAILAUTH_DEFER);
    CHECK_INT(v.spf.code, SPF_TEMPERROR);
    CHECK_INT(v.iprev.code, IPREV_TEMPERROR);
    CHECK_INT(v.dmarc.code, DMARC_TEMPERROR);
    CHECK(!says(&v, "=pass"));
    dns_close(&d);
    ar_free(&a);
}

/* Nothing waits for an answer that cannot change the result. */
TEST(mailauth_a_silent_record_does_not_hold_up_what_passes_in_any_case)
{
    static const struct {
        enum spf_code spf;
        const char *domain;
        enum mailauth_disposition want;
    } x[] = {
        {SPF_PASS, "down.example", MAILAUTH_ACCEPT},
        {SPF_PASS, "sub.down.example", MAILAUTH_DEFER}, /* aligned only if the record says so */
        {SPF_PASS, "other.example", MAILAUTH_DEFER},
        {SPF_NONE, "down.example", MAILAUTH_DEFER},
    };
    struct arena a = {0};
    struct mailauth_ctx ctx = {.hostname = SL("mx.test")};
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct mailauth_verdict v = {.spf = {.code = x[i].spf, .domain = sl_cstr(x[i].domain)},
                                     .dmarc = {.code = DMARC_TEMPERROR,
                                               .from_state = DMARC_FROM_ONE,
                                               .author = SL("down.example"),
                                               .why = SL("silence")}};
        mailauth_decide(&ctx, &a, &v);
        CHECK_INT(v.disposition, x[i].want);
    }
    ar_free(&a);
}

static bool trusts_seals(void *arg, struct slice domain)
{
    (void)arg;
    return sl_eq(domain, SL("list.example"));
}

/* No letter comes back for good while an answer that is still to come could have it taken. */
TEST(mailauth_no_final_word_while_the_dns_is_silent)
{
    static const struct dmarc_result none = {.code = DMARC_NONE, .from_state = DMARC_FROM_ONE},
                                     fails = {.code = DMARC_FAIL,
                                              .from_state = DMARC_FROM_ONE,
                                              .published = DMARC_P_REJECT,
                                              .applied = DMARC_P_REJECT};
    static const struct {
        enum spf_code spf, helo;
        enum dkim_result dkim;
        const char *signer;
        bool arc;
        const char *sealer;
        enum mailauth_disposition want, lax;
    } x[] = {
        {SPF_FAIL, SPF_NONE, DKIM_TEMPERROR, "down.example", false, "", MAILAUTH_DEFER, MAILAUTH_REJECT},
        {SPF_FAIL, SPF_NONE, DKIM_TEMPERROR, "else.example", false, "", MAILAUTH_REJECT, MAILAUTH_REJECT},
        {SPF_FAIL, SPF_NONE, DKIM_FAIL, "down.example", false, "", MAILAUTH_REJECT, MAILAUTH_REJECT},
        {SPF_FAIL, SPF_NONE, DKIM_PASS, "down.example", false, "", MAILAUTH_ACCEPT, MAILAUTH_ACCEPT},
        {SPF_TEMPERROR, SPF_FAIL, DKIM_FAIL, "", false, "", MAILAUTH_DEFER, MAILAUTH_REJECT},
        {SPF_NONE, SPF_FAIL, DKIM_FAIL, "", false, "", MAILAUTH_REJECT, MAILAUTH_REJECT},
        {SPF_NONE, SPF_NONE, DKIM_FAIL, "", true, "list.example", MAILAUTH_DEFER, MAILAUTH_REJECT},
        {SPF_NONE, SPF_NONE, DKIM_FAIL, "", true, "else.example", MAILAUTH_REJECT, MAILAUTH_REJECT},
    };
    struct arena a = {0};
    for (size_t i = 0; i < 2 * COUNT_OF(x); i++) {
        size_t k = i / 2;
        struct mailauth_ctx ctx = {.hostname = SL("mx.test"), .trusts_sealer = trusts_seals};
        ctx.policy.temperror_accept = i % 2;
        struct dkim_sig_result s = {.result = x[k].dkim, .domain = sl_cstr(x[k].signer)};
        struct arc_set set = {.seal_domain = sl_cstr(x[k].sealer)};
        struct mailauth_verdict v = {.spf = {.code = x[k].spf, .domain = SL("mail.down.example")},
                                     .spf_helo = {.code = x[k].helo, .domain = SL("helo.example")},
                                     .dkim = {.v = &s, .n = 1},
                                     .dmarc = x[k].arc ? fails : none};
        if (x[k].arc) v.arc = (struct arc_result){.status = ARC_FAIL, .temporary = true, .set = &set, .n = 1};
        mailauth_decide(&ctx, &a, &v);
        CHECK_INT(v.disposition, i % 2 ? x[k].lax : x[k].want);
    }
    ar_free(&a);
}
