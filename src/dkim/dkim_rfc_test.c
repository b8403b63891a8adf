/* dkim_rfc_test.c - the signed letters of RFC 6376 appendix A and RFC 8463 appendix A. */
#include "dkim_test.h"

static const char keys[] =
    "brisbane._domainkey.example.com. IN TXT (\"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ\"\n"
    " \"KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt\"\n"
    " \"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v\"\n"
    " \"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi\"\n"
    " \"tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\")\n"
    "brisbane._domainkey.football.example.com. IN TXT (\n"
    " \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\")\n"
    "test._domainkey.football.example.com. IN TXT (\n"
    " \"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\"\n"
    " \"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC\"\n"
    " \"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3\"\n"
    " \"Ip3G+2kryOTIKT+l/K4w3QIDAQAB\")\n";

/* RFC 6376 appendix A.2: simple/simple, so every byte counts. The RFC's page shows one blank
 * fewer in continuation lines and one more in the body than were signed. */
static const char rfc6376[] = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
                              "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
                              "      h=Received : From : To : Subject : Date : Message-ID;\n"
                              "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
                              "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
                              "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
                              "      4bmp/YzhwvcubU4=;\n"
                              "Received: from client1.football.example.com  [192.0.2.1]\n"
                              "      by submitserver.example.com with SUBMISSION;\n"
                              "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n"
                              "From: Joe SixPack <joe@football.example.com>\n"
                              "To: Suzie Q <suzie@shopping.example.net>\n"
                              "Subject: Is dinner ready?\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                              "\n"
                              "Hi.\n"
                              "\n"
                              "We lost the game. Are you hungry yet?\n"
                              "\n"
                              "Joe.\n";

static const char rfc8463[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
                              " d=football.example.com; i=@football.example.com;\n"
                              " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
                              " subject : date : message-id : from : subject : date;\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
                              " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
                              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
                              " d=football.example.com; i=@football.example.com;\n"
                              " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
                              " date : message-id : from : subject : date;\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
                              " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
                              " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
                              "From: Joe SixPack <joe@football.example.com>\n"
                              "To: Suzie Q <suzie@shopping.example.net>\n"
                              "Subject: Is dinner ready?\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                              "\n"
                              "Hi.\n"
                              "\n"
                              "We lost the game.  Are you hungry yet?\n"
                              "\n"
                              "Joe.\n";

TEST(dkim_rfc6376_appendix_a)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct dkim_results r = verify(&a, d, letter(&a, rfc6376));
    ONLY(r, DKIM_PASS);
    CHECK_INT(r.overall, DKIM_PASS);
    CHECK_SL(r.v[0].domain, "example.com");
    CHECK_SL(r.v[0].selector, "brisbane");
    CHECK_SL(r.v[0].identity, "joe@football.example.com");
    CHECK_SL(r.v[0].algorithm, "rsa-sha256");
    CHECK_SL(r.v[0].names, "Received:From:To:Subject:Date:Message-ID");
    CHECK_SL(r.v[0].b_prefix, "AuUoFEfD");
    CHECK_INT(r.v[0].head_canon, DKIM_SIMPLE);
    CHECK_INT(r.v[0].body_canon, DKIM_SIMPLE);
    CHECK_INT(r.v[0].key_bits, 1024);
    CHECK(r.v[0].weak && !r.v[0].testing && !r.v[0].has_length);
    CHECK_INT(r.v[0].timestamp, -1);
    dns_close(&d);
    ar_free(&a);
}

TEST(dkim_rfc8463_appendix_a)
{
    struct arena a = {0};
    struct dns *d = zone(keys);
    struct dkim_results r = verify(&a, d, letter(&a, rfc8463));
    REQUIRE(r.n == 2);
    CHECK_INT(r.v[0].result, DKIM_PASS);
    CHECK_INT(r.v[1].result, DKIM_PASS);
    CHECK_SL(r.v[0].algorithm, "ed25519-sha256");
    CHECK_SL(r.v[0].reason, "Ed25519 key");
    CHECK_SL(r.v[0].identity, "@football.example.com");
    CHECK_INT(r.v[0].timestamp, 1528637909);
    CHECK_INT(r.v[0].key_bits, 253 + 3);
    CHECK(!r.v[0].weak && r.v[1].weak);
    struct slice line = dkim_sig_line(&a, &r.v[0]);
    CHECK_SL(line, "pass football.example.com brisbane Ed25519 key");
    dns_close(&d);
    ar_free(&a);
}

/* Each single change of the letter that canonicalisation does not forgive makes it fail. */
TEST(dkim_rfc_letters_changed)
{
    static const struct {
        const char *from, *to;
        enum dkim_result simple, relaxed;
    } cases[] = {
        {"Subject: Is", "Subject: iS", DKIM_FAIL, DKIM_FAIL},
        {"Subject: Is", "SUBJECT: Is", DKIM_FAIL, DKIM_PASS},
        {"Subject: Is", "Subject:  Is", DKIM_FAIL, DKIM_PASS},
        {"Subject: Is", "Subject :Is", DKIM_FAIL, DKIM_PASS},
        {"Subject: Is dinner", "Subject: Is\r\n\t dinner", DKIM_FAIL, DKIM_PASS},
        {"Subject: Is dinner", "Subject: Isdinner", DKIM_FAIL, DKIM_FAIL},
        {"ready?\r\n", "ready? \t\r\n", DKIM_FAIL, DKIM_PASS},
        {"Hi.\r\n", "Hi. \r\n", DKIM_FAIL, DKIM_PASS},
        {"Hi.\r\n", "Hi.\r\n\r\n", DKIM_FAIL, DKIM_FAIL},
        {"lost the", "lost \tthe", DKIM_FAIL, DKIM_PASS},
        {"Joe.\r\n", "Joe.\r\n\r\n\r\n", DKIM_PASS, DKIM_PASS},
        {"Joe.\r\n", "Joe.\r\n \r\n\t\r\n", DKIM_FAIL, DKIM_PASS},
        {"Joe.\r\n", "Joe.", DKIM_PASS, DKIM_PASS},
        {"Joe.\r\n", "Joe.\r\nx", DKIM_FAIL, DKIM_FAIL},
        {"To: Suzie", "X-New: 1\r\nTo: Suzie", DKIM_PASS, DKIM_PASS},
    };
    struct arena a = {0};
    struct dns *d = zone(keys);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dkim_results r = verify(&a, d, replace(&a, letter(&a, rfc6376), cases[i].from, cases[i].to));
        ONLY(r, cases[i].simple);
        r = verify(&a, d, replace(&a, letter(&a, rfc8463), cases[i].from, cases[i].to));
        CHECK(r.n == 2 && r.v[0].result == cases[i].relaxed && r.v[1].result == cases[i].relaxed);
        if (r.v[0].result != cases[i].relaxed) printf("case %zu: %.*s\n", i, SLF(r.v[0].reason));
    }
    dns_close(&d);
    ar_free(&a);
}
