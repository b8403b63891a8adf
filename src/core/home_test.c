/* home_test.c - the one judgement over a certificate, at any time; one copy of a home at a time; a home from
 * a copy. */
#include "home.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "rt/file.h"
#include "rt/tls.h"

enum { DAYS = 60, DAY = 86400 };

static bool says(const struct cert_finding *f, size_t n, enum cert_grade grade, const char *words)
{
    for (size_t i = 0; i < n; i++)
        if (f[i].grade == grade && sl_find(f[i].sentence, sl_cstr(words)) != SL_NONE) return true;
    return false;
}

/* clang-format off */
static const char must_staple[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBtTCCAVugAwIBAgIUJuNsk39sMk4TFoIb586MTcZuAK0wCgYIKoZIzj0EAwIw\n"
    "GDEWMBQGA1UEAwwNbWFpbC5vbmUudGVzdDAgFw0yNjExMzAxMzU5MTNaGA8yMTI2\n"
    "MTEwNjEzNTkxM1owGDEWMBQGA1UEAwwNbWFpbC5vbmUudGVzdDBZMBMGByqGSM49\n"
    "AgEGCCqGSM49AwEHA0IABEu4IHcsTkUjKh62JBfWDRZUZmvQkrzM21huRm8CTZFN\n"
    "Gm4RJ9L0x/VwSVpp7FiONIXaloDMaABmL2mDZWhlgMCjgYAwfjAdBgNVHQ4EFgQU\n"
    "ud7r89bQll89x3REwE3+10WrkV4wHwYDVR0jBBgwFoAUud7r89bQll89x3REwE3+\n"
    "10WrkV4wDwYDVR0TAQH/BAUwAwEB/zAYBgNVHREEETAPgg1tYWlsLm9uZS50ZXN0\n"
    "MBEGCCsGAQUFBwEYBAUwAwIBBTAKBggqhkjOPQQDAgNIADBFAiEAtHY1q5cNhfz7\n"
    "x3CoxYDBf6x/Epyldcm37C0SULRHNbECIEecxmSRueA10w6eCG+xH6cFqJ/KaXrE\n"
    "aL9lnYyF2jMK\n"
    "-----END CERTIFICATE-----\n"
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCqb0fdL+3W2lt8R7\n"
    "eHoFDFcIk1UYXDLjhLl3xSpASgehRANCAARLuCB3LE5FIyoetiQX1g0WVGZr0JK8\n"
    "zNtYbkZvAk2RTRpuESfS9Mf1cElaaexYjjSF2paAzGgAZi9pg2VoZYDA\n"
    "-----END PRIVATE KEY-----\n";
/* clang-format on */

TEST(a_certificate_that_must_be_stapled_is_told)
{
    struct arena a;
    struct cert_finding *f;
    size_t n;
    ar_init(&a, 0);
    struct slice pem = sl_cstr(must_staple);
    struct cert_pair q = {pem, pem, SL("mail.one.test"), INT64_C(1800000000)};
    cert_judge(&a, &q, &f, &n);
    CHECK(n == 3 && says(f, n, CERT_WARN, "must-staple"));
    ar_free(&a);
}

TEST(a_certificate_is_judged)
{
    struct arena a;
    struct buf chain = BUF_INIT, key = BUF_INIT, chain2 = BUF_INIT, key2 = BUF_INIT;
    struct slice name[] = {SL("mail.one.test"), SL("*.two.test")};
    struct cert_finding *f;
    size_t n;
    int64_t now = rt_wall_seconds();
    ar_init(&a, 0);
    REQUIRE(tls_self_signed(name, 2, DAYS, &chain, &key) == 0);
    REQUIRE(tls_self_signed(name, 1, DAYS, &chain2, &key2) == 0);
    struct cert_pair q = {buf_slice(&chain), buf_slice(&key), SL("mail.one.test"), now};
    cert_judge(&a, &q, &f, &n);
    CHECK_INT(n, 2);
    CHECK(says(f, n, CERT_FINE, "mail.one.test, *.two.test, until") &&
          says(f, n, CERT_FINE, "signed by itself"));
    q.host = SL("a.two.test");
    cert_judge(&a, &q, &f, &n);
    CHECK_INT(n, 2);
    q.host = SL("three.test");
    cert_judge(&a, &q, &f, &n);
    CHECK(says(f, n, CERT_WRONG, "and not for three.test"));
    q.host = SL("mail.one.test");
    q.now = now + (DAYS - CERT_WARN_DAYS) * DAY - 100;
    cert_judge(&a, &q, &f, &n);
    CHECK_INT(n, 2);
    q.now = now + (DAYS - CERT_WARN_DAYS) * DAY + 100;
    cert_judge(&a, &q, &f, &n);
    CHECK(n == 3 && says(f, n, CERT_WARN, "in 20 days"));
    q.now = now + DAYS * DAY + 100;
    cert_judge(&a, &q, &f, &n);
    CHECK(n == 3 && says(f, n, CERT_WRONG, "the certificate ended on"));
    q.now = now - DAY;
    cert_judge(&a, &q, &f, &n);
    CHECK(n == 3 && says(f, n, CERT_WRONG, "is not valid before"));
    q.now = now;
    q.key_pem = buf_slice(&key2);
    cert_judge(&a, &q, &f, &n);
    CHECK(says(f, n, CERT_USELESS, "does not belong"));
    q.key_pem = SL("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    cert_judge(&a, &q, &f, &n);
    CHECK(says(f, n, CERT_USELESS, "passphrase"));
    q.chain_pem = SL("garbage");
    cert_judge(&a, &q, &f, &n);
    CHECK(n == 1 && says(f, n, CERT_USELESS, "no certificate"));
    buf_free(&chain), buf_free(&key), buf_free(&chain2), buf_free(&key2);
    ar_free(&a);
}

TEST(one_copy_of_a_home_is_made_at_a_time)
{
    char dir[] = "/tmp/tram-home-XXXXXX";
    int one, two, before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(mkdtemp(dir) && chdir(dir) == 0);
    CHECK(mkdir("store", 0700) == 0 && mkdir("store/backup", 0700) == 0 &&
          mkdir("store/backup/bodies", 0700) == 0);
    CHECK_OK(path_write("store/backup/bodies/1", SL("letters"), 0600));
    CHECK_OK(home_backup_lock(&one));
    CHECK_ERR(home_backup_lock(&two), ERR_BUSY);
    CHECK_OK(home_unstage()); /* a server that begins meanwhile takes nothing away from it */
    CHECK(path_exists("store/backup/bodies/1"));
    home_backup_unlock(&one);
    CHECK_OK(home_unstage()); /* its command has died */
    CHECK(!path_exists("store/backup"));
    CHECK(rmdir("store") == 0 && rmdir(dir) == 0);
    REQUIRE(before >= 0 && fchdir(before) == 0 && close(before) == 0);
}

static void make_copy(void)
{
    CHECK(mkdir("copy", 0700) == 0 && mkdir("copy/tls", 0700) == 0 && mkdir("copy/store", 0700) == 0 &&
          mkdir("copy/store/index", 0700) == 0 && mkdir("copy/store/bodies", 0700) == 0 &&
          mkdir("new", 0700) == 0);
    CHECK_OK(path_write("copy/tram.conf", SL("hostname"), 0600));
    CHECK_OK(path_write("copy/tls/key.pem", SL("key"), 0600));
    CHECK_OK(path_write("copy/keys.secret", SL("secret"), 0600));
    CHECK_OK(path_write("copy/store/index/1", SL("rows"), 0600));
    CHECK_OK(path_write("copy/store/bodies/1", SL("letters"), 0600));
}

static bool holds(const char *path, const char *text)
{
    struct buf b = BUF_INIT;
    bool same = path_read(path, 100, &b) == 0 && sl_eq(buf_slice(&b), sl_cstr(text));
    buf_free(&b);
    return same;
}

static int restore(void)
{
    struct buf aside = BUF_INIT;
    int e = home_restore("../copy", &aside);
    buf_free(&aside);
    return e;
}

static bool is_restored(void)
{
    return holds("tram.conf", "hostname") && holds("tls/key.pem", "key") && holds("keys.secret", "secret") &&
           holds("store/index/1", "rows") && holds("store/bodies/1", "letters") &&
           !path_exists("restore.unfinished");
}

/* What a kill after so many steps leaves: each has its name only when it is whole. */
TEST(a_restore_that_was_broken_off_is_begun_again)
{
    char dir[] = "/tmp/tram-home-XXXXXX", cmd[64];
    int lock = -1, before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(mkdtemp(dir) && chdir(dir) == 0);
    make_copy();
    REQUIRE(chdir("new") == 0);
    CHECK(mkdir("store", 0700) == 0);
    CHECK_ERR(restore(), ERR_EXISTS); /* somebody's */
    CHECK(rmdir("store") == 0);
    CHECK_OK(path_write("restore.unfinished", SL(""), 0600));
    CHECK(mkdir("store", 0700) == 0 && mkdir("store/bodies", 0700) == 0 &&
          mkdir("store/index.unfinished", 0700) == 0 && mkdir("tls.unfinished", 0700) == 0);
    CHECK_OK(path_write("store/bodies/0", SL("of another copy"), 0600));
    CHECK_OK(path_write("store/index.unfinished/1", SL("ro"), 0600));
    CHECK_OK(path_write("tls.unfinished/key.pem", SL("k"), 0600));
    CHECK_OK(path_write("tram.conf.unfinished", SL("host"), 0600));
    CHECK_OK(path_lock(".", &lock));
    CHECK_ERR(restore(), ERR_BUSY); /* it is not broken off, but under way */
    path_unlock(&lock);
    CHECK_OK(path_write("store/written-by", SL("another"), 0600));
    CHECK(mkdir("tls", 0700) == 0);
    CHECK_OK(path_write("tls/key.pem", SL("of another copy"), 0600));
    CHECK_OK(path_write("keys.secret", SL("of another copy"), 0600));
    CHECK_OK(restore());
    CHECK(is_restored() && !path_exists("store/written-by") && !path_exists("store/bodies/0") &&
          !path_exists("tram.conf.unfinished"));
    CHECK(holds("tls.before/key.pem", "of another copy") && holds("keys.secret.before", "of another copy"));
    CHECK_ERR(restore(), ERR_EXISTS);
    CHECK_OK(path_write("restore.unfinished", SL(""), 0600)); /* killed when all was done */
    CHECK_OK(home_unstage());
    CHECK(is_restored());
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    REQUIRE(before >= 0 && fchdir(before) == 0 && close(before) == 0);
    CHECK(system(cmd) == 0);
}

/* What stood there before the first restore stays, however often it is begun again. */
TEST(a_restore_keeps_the_key_that_stood_there_before)
{
    char dir[] = "/tmp/tram-home-XXXXXX", cmd[64];
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(mkdtemp(dir) && chdir(dir) == 0);
    make_copy();
    REQUIRE(chdir("new") == 0);
    CHECK(mkdir("tls", 0700) == 0);
    CHECK_OK(path_write("tls/key.pem", SL("mine"), 0600));
    CHECK(mkdir("tram.conf.unfinished", 0700) == 0); /* here it breaks off */
    CHECK(restore() != 0);
    CHECK(holds("tls/key.pem", "mine") && holds("keys.secret", "secret"));
    CHECK_OK(path_write("../copy/keys.secret", SL("another"), 0600));
    CHECK(rmdir("tram.conf.unfinished") == 0);
    CHECK_OK(restore());
    CHECK(holds("tls/key.pem", "mine") && holds("keys.secret", "another"));
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    REQUIRE(before >= 0 && fchdir(before) == 0 && close(before) == 0);
    CHECK(system(cmd) == 0);
}

/* Whoever lost patience put his own there; an older program's mark is empty. Nothing of it is lost. */
TEST(a_restore_moves_aside_what_may_be_somebodys)
{
    char dir[] = "/tmp/tram-home-XXXXXX", cmd[64];
    struct buf aside = BUF_INIT;
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(mkdtemp(dir) && chdir(dir) == 0);
    make_copy();
    REQUIRE(chdir("new") == 0);
    CHECK_OK(path_write("restore.unfinished", SL("restore 3\nwhatever\n"), 0600));
    CHECK_ERR(home_restore("../copy", &aside), ERR_VERSION);
    CHECK_OK(path_write("restore.unfinished", SL("restore 2\nkeys.secret\n"), 0600));
    CHECK(mkdir("tls", 0700) == 0 && mkdir("tls.before", 0700) == 0);
    CHECK_OK(path_write("tls/key.pem", SL("mine"), 0600));
    CHECK_OK(home_restore("../copy", &aside)); /* the keys.secret that stood here was removed since */
    CHECK(is_restored() && holds("tls.before.2/key.pem", "mine") && !path_exists("keys.secret.before"));
    CHECK_SL(buf_slice(&aside), "tls.before.2");
    buf_free(&aside);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    REQUIRE(before >= 0 && fchdir(before) == 0 && close(before) == 0);
    CHECK(system(cmd) == 0);
}
