/* config_test.c - tram.conf: what the table of settings says is what is read, refused and written. */
#include "base/test.h"
#include "base/text.h"
#include "config.h"
#include "config_judge.h"
#include "login/sasl.h"
#include "rt/file.h"

/* Reads hostname and these lines; 0, or the error with its sentence. */
static int read_lines(struct arena *a, const char *lines, struct config *c)
{
    struct slice text = ar_printf(a, "hostname = \"mail.one.test\"\n%s", lines);
    int e = path_write("config_test.conf", text, 0600);
    if (!e) e = config_read(a, "config_test.conf", c);
    (void)!path_unlink("config_test.conf");
    return e;
}

TEST(defaults_are_those_of_the_table)
{
    struct arena a;
    struct config c, d;
    ar_init(&a, 0);
    config_defaults(&d);
    CHECK_OK(read_lines(&a, "", &c));
    CHECK_INT(d.queue_retry_first_s, 60);
    CHECK_INT(c.queue_retry_first_s, 60);
    CHECK_INT(c.login_mechanisms, SASL_SCRAM | SASL_PLAIN | SASL_LOGIN);
    CHECK_INT(c.size_max, 50 << 20);
    CHECK_INT(c.nlisten, 2);
    CHECK(c.dmarc_reports && !c.arc_seal);
    ar_free(&a);
}

TEST(lines_about_a_directory_elsewhere_fit_together)
{
    struct arena a;
    struct config c;
    static const char *const bad[] = {
        "ldap = \"ldaps://x.test\"\n", "ldap = \"x.test\"\nldap_base = \"o=x\"\n",
        "ldap = \"ldaps://x.test\"\nldap_base = \"o=x\"\nldap_filter = \"(mail=*)\"\n",
        "ldap = \"ldaps://x.test\"\nldap_base = \"o=x\"\nldap_login = \"cn=tram\"\n",
        "ldap = \"ldaps://x.test\"\nldap_base = \"o=x\"\nlogin_mechanisms = SCRAM-SHA-256\n"};
    ar_init(&a, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(read_lines(&a, bad[i], &c), ERR_SYNTAX);
    CHECK_OK(read_lines(&a, "ldap = \"ldaps://x.test\"\nldap_base = \"o=x\"\nldap_id = \"\"\n", &c));
    CHECK_INT(c.login_mechanisms, SASL_PLAIN | SASL_LOGIN); /* SCRAM would know no keys of theirs */
    CHECK_SL(c.ldap_filter, "(mail=%s)");
    CHECK(!c.ldap_id.n);
    ar_free(&a);
}

TEST(an_issuer_in_clear_must_be_on_this_machine)
{
    static const char *const far[] = {"http://127.example.org/x",
                                      "http://127.0.0.1.example.org/x",
                                      "http://127.0.0.1@example.org/x",
                                      "http://issuer.test/x",
                                      "http://192.0.2.1/x",
                                      "http://127.0.0.1x/"};
    static const char *const here[] = {"http://127.0.0.1:8080/x", "http://127.9.9.9/x", "http://[::1]:80/x",
                                       "https://issuer.test/x"};
    struct arena a;
    struct config c;
    ar_init(&a, 0);
    for (size_t i = 0; i < COUNT_OF(far); i++)
        CHECK_ERR(read_lines(&a, ar_cstr(&a, ar_printf(&a, "oauth_introspection = \"%s\"\n", far[i])), &c),
                  ERR_SYNTAX);
    for (size_t i = 0; i < COUNT_OF(here); i++)
        CHECK_OK(read_lines(&a, ar_cstr(&a, ar_printf(&a, "oauth_introspection = \"%s\"\n", here[i])), &c));
    ar_free(&a);
}

TEST(values_are_taken)
{
    struct arena a;
    struct config c;
    ar_init(&a, 0);
    CHECK_OK(read_lines(
        &a,
        "listen = {\"192.0.2.1\"}\nport_offset = 10000\nresolver = \"127.0.0.1:53\"\nsize_max = \"1M\"\n"
        "recipients_max = 7\nqueue_lifetime = 2d\ntrusted_sealers = {\"A.test\", \"b.test\"}\n"
        "preflight = refuse # a comment\ndmarc_reports = no\narc_seal = true\n",
        &c));
    CHECK_INT(c.nlisten, 1);
    struct ip seen[LISTEN_MAX];
    CHECK_INT(config_public(&c, seen), 1);
    CHECK(ip_eq(&seen[0], &c.listen[0]));
    CHECK_INT(c.port_offset, 10000);
    CHECK_INT(c.resolver.port, 53);
    CHECK_INT(c.size_max, 1 << 20);
    CHECK_INT(c.rcpts_max, 7);
    CHECK_INT(c.queue_lifetime_s, 2 * 86400);
    CHECK_INT(c.ntrusted_sealers, 2);
    if (c.ntrusted_sealers) CHECK_SL(c.trusted_sealers[0], "a.test");
    CHECK_INT(c.preflight, PREFLIGHT_REFUSE);
    CHECK(!c.dmarc_reports && c.arc_seal);
    ar_free(&a);
}

TEST(the_world_sees_the_public_addresses)
{
    struct arena a;
    struct config c;
    struct ip seen[LISTEN_MAX], wanted;
    ar_init(&a, 0);
    CHECK_OK(
        read_lines(&a, "listen = {\"10.0.0.5\"}\npublic_addresses = {\"192.0.2.1\", \"2001:db8::1\"}\n", &c));
    CHECK_INT(c.nlisten, 1);
    CHECK(ip_is_private(&c.listen[0]));
    CHECK_INT(config_public(&c, seen), 2);
    CHECK(ip_parse(SL("192.0.2.1"), &wanted) && ip_eq(&seen[0], &wanted) && !ip_is_private(&seen[0]));
    CHECK_OK(read_lines(&a, "", &c)); /* of 0.0.0.0 and :: nobody can be told */
    CHECK_INT(config_public(&c, seen), 0);
    CHECK_ERR(read_lines(&a, "public_addresses = {\"0.0.0.0\"}\n", &c), ERR_SYNTAX);
    ar_free(&a);
}

TEST(what_is_wrong_is_refused_with_its_line)
{
    static const struct {
        const char *lines, *sentence;
    } wrong[] = {
        {"queue_lifetime = 5",
         "config_test.conf:2: queue_lifetime \"5\" must be a time with its unit, such as 90s, 15m, 4h or 5d"},
        {"\nqueue_lifetime = 5s", "config_test.conf:3: queue_lifetime 5s must lie between 1m and 60d"},
        {"queue_retry_first = 2d", "config_test.conf:2: queue_retry_first 2d must lie between 1s and 1d"},
        {"queue_retry_first = 5h", "config_test.conf: queue_retry_first is longer than queue_retry_most"},
        {"size_max = 1k", "config_test.conf:2: size_max 1k must lie between 64k and 2G"},
        {"size_max = 5M\nsize_max = 6M", "config_test.conf:3: size_max stands there twice: keep one line"},
        {"hostname = \"a.one.test\"", "config_test.conf:2: hostname stands there twice: keep one line"},
        {"listen = {\"1.2.3.4\",\n\"1.2.3.5\"}\nlisten = {}",
         "config_test.conf:4: listen stands there twice: keep one line"},
        {"recipients_max = 10001", "config_test.conf:2: recipients_max 10001 must lie between 1 and 10000"},
        {"recipients_max = -1", "config_test.conf:2: recipients_max \"-1\" must be a number"},
        {"connections_max = 0", "config_test.conf:2: connections_max 0 must lie between 1 and 1000000"},
        {"preflight = \"maybe\"",
         "config_test.conf:2: preflight \"maybe\" must be one of: warn hold refuse off"},
        {"arc_seal = \"perhaps\"", "config_test.conf:2: arc_seal \"perhaps\" must be true or false"},
        {"trusted_sealers = {\"no domain\"}",
         "config_test.conf:2: trusted_sealers \"no domain\" must be a domain such as example.org"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct arena a;
        struct config c;
        ar_init(&a, 0);
        CHECK_ERR(read_lines(&a, wrong[i].lines, &c), ERR_SYNTAX);
        CHECK_SL(sl_cstr(err_text(ERR_SYNTAX)), wrong[i].sentence);
        ar_free(&a);
    }
}

/* Names are kept in A-labels, whoever looks at them later. */
TEST(names_are_kept_in_a_labels)
{
    struct arena a = {0};
    struct config c;
    CHECK_OK(config_parse(&a,
                          SL("hostname = \"Mail.b\303\274cher.test\"\n"
                             "ldap = \"ldap://d.test\"\nldap_base = \"o=x\"\n"
                             "ldap_domains = {\"bu\314\210cher.test\", \"Two.test\"}\n"),
                          "x", &c));
    CHECK_SL(c.hostname, "mail.xn--bcher-kva.test");
    REQUIRE(c.nldap_domains == 2);
    CHECK_SL(c.ldap_domain[0], "xn--bcher-kva.test");
    CHECK_SL(c.ldap_domain[1], "two.test");
    CHECK_ERR(config_parse(&a, SL("hostname = \"b\303\274 cher.test\"\n"), "x", &c), ERR_SYNTAX);
    CHECK_ERR(config_parse(&a, SL("hostname = \"m.x.test\"\nlisten = {\"::1\", \"0:0::1\"}\n"), "x", &c),
              ERR_SYNTAX);
    CHECK(strstr(err_text(ERR_SYNTAX), "listen names 0:0::1 twice"));
    ar_free(&a);
}

TEST(what_init_writes_can_be_read_with_every_comment_taken_out)
{
    struct arena a;
    struct config c;
    ar_init(&a, 0);
    struct config_start s = {.hostname = SL("mail.one.test"), .port_offset = 5};
    char *text = ar_cstr(&a, config_text(&a, &s));
    for (char *at = text; (at = strstr(at, "\n# queue_")); at++) at[1] = ' ';
    CHECK(strstr(text, "\n  queue_lifetime = \"5d\""));
    CHECK_OK(path_write("config_test.conf", sl_cstr(text), 0600));
    CHECK_OK(config_read(&a, "config_test.conf", &c));
    CHECK_INT(c.port_offset, 5);
    (void)!path_unlink("config_test.conf");
    ar_free(&a);
}

/* ---- each line mistyped ---- */

/* A value that is right for the setting, as it is written. */
static const char *sample(const struct setting *s)
{
    switch (s->type) {
    case SETTING_HOST: return "\"mail.one.test\"";
    case SETTING_IPS: return "{\"192.0.2.1\", \"2001:db8::1\"}";
    case SETTING_NETS: return "{\"192.0.2.0/24\"}";
    case SETTING_DOMAINS: return "{\"two.test\"}";
    case SETTING_ROUTES: return "{\"far.test via relay.far.test:587\"}";
    case SETTING_FILTERS: return "{\"inet:127.0.0.1:11332\"}";
    case SETTING_DNSLISTS: return "{\"list.test address 5\"}";
    default: return NULL;
    }
}

static struct slice right_line(struct arena *a, const struct setting *s)
{
    const char *list = sample(s);
    return list ? ar_printf(a, "%s = %s", s->name, list) : ar_printf(a, "%s = \"%s\"", s->name, s->fallback);
}

static bool has_form(const struct setting *s) { return s->type != SETTING_PATH && s->type != SETTING_TEXT; }
static bool in_braces(const struct setting *s) { return sample(s) && *sample(s) == '{'; }

enum { WAYS = 7 };
/* The line mistyped in one of these ways; empty when it would be right that way. */
static struct slice mistyped(struct arena *a, const struct setting *s, int way)
{
    struct slice right = right_line(a, s);
    struct slice value = sl_from(right, sl_chr(right, '=') + 1);
    switch (way) {
    case 0: return ar_printf(a, "%c%.*s", s->name[0], SLF(right));
    case 1: return ar_printf(a, "%.3s-%.*s", s->name, SLF(sl_from(right, 3)));
    case 2: return ar_printf(a, "%s %.*s", s->name, SLF(value));
    case 3: return sl_cstr(s->name);
    case 4:
        return has_form(s) ? ar_printf(a, in_braces(s) ? "%s = {\"? ?\"}" : "%s = \"? ?\"", s->name) : SL("");
    case 5: return ar_printf(a, "%s =", s->name);
    default: return sl_sub(right, 0, right.n - 1); /* a quote or a brace is missing */
    }
}

/* The whole configuration with one line wrong: refused, and the sentence names that line, or one of the two
 * behind it, where what is missing was looked for. */
static void try_mistyped(struct arena *a, const struct setting *wrong, int way)
{
    struct buf b = BUF_INIT;
    struct config c;
    struct slice odd = mistyped(a, wrong, way);
    bool found = false;
    for (size_t i = 1; i < nsettings; i++) {
        struct slice line = &settings[i] == wrong ? odd : right_line(a, &settings[i]);
        buf_printf(&b, "%.*s\n", SLF(line));
    }
    int e = odd.n ? read_lines(a, ar_cstr(a, buf_slice(&b)), &c) : ERR_SYNTAX;
    CHECK_ERR(e, ERR_SYNTAX);
    for (int i = 0; e && odd.n && i < 3; i++) {
        struct slice at = ar_printf(a, "config_test.conf:%d: ", (int)(wrong - settings) + 1 + i);
        found |= sl_starts(sl_cstr(err_text(e)), at) && strlen(err_text(e)) > at.n;
    }
    if (odd.n && !found)
        test_fail(__FILE__, __LINE__, "%s, way %d: %s", wrong->name, way, err_text(ERR_SYNTAX));
    buf_free(&b);
}

TEST(each_line_of_a_whole_configuration_mistyped)
{
    struct arena a;
    struct config c;
    struct buf b = BUF_INIT;
    ar_init(&a, 0);
    for (size_t i = 1; i < nsettings; i++) buf_printf(&b, "%.*s\n", SLF(right_line(&a, &settings[i])));
    CHECK_OK(read_lines(&a, ar_cstr(&a, buf_slice(&b)), &c));
    buf_free(&b);
    for (size_t i = 1; i < nsettings; i++)
        for (int way = 0; way < WAYS; way++) {
            ar_reset(&a);
            try_mistyped(&a, &settings[i], way);
        }
    ar_free(&a);
}

/* Each line by itself is as it should be. */
TEST(settings_that_cannot_work_together_are_named)
{
    static const struct {
        const char *lines, *sentence;
        bool wrong;
    } bad[] = {
        {"public_addresses = {\"10.0.0.5\"}", "public_addresses names 10.0.0.5, which is private (RFC 1918)",
         true},
        {"public_addresses = {\"100.64.3.4\"}", "which is shared behind a provider's NAT", true},
        {"public_addresses = {\"169.254.1.1\"}", "which is link-local", true},
        {"public_addresses = {\"127.0.0.1\"}", "which is of this machine alone", true},
        {"public_addresses = {\"203.0.113.9\"}", "which is for documentation", true},
        {"public_addresses = {\"224.0.0.1\"}", "which is multicast", true},
        {"public_addresses = {\"255.255.255.255\"}", "which is reserved", true},
        {"public_addresses = {\"fe80::1\"}", "which is link-local", true},
        {"public_addresses = {\"fd00::1\"}", "which is private (RFC 4193)", true},
        {"public_addresses = {\"::1\"}", "which is of this machine alone", true},
        {"public_addresses = {\"2001:db8::1\"}", "which is for documentation", true},
        {"public_addresses = {\"ff02::1\"}", "which is multicast", true},
        {"listen = {\"224.0.0.1\"}", "listen names 224.0.0.1, which is no address of a host", true},
        {"listen = {\"0.0.0.0\", \"10.0.0.5\"}", "listen names 10.0.0.5 besides 0.0.0.0", true},
        {"listen = {\"::\", \"fd00::1\"}", "listen names fd00::1 besides ::", true},
        {"lmtp_listen = \"127.0.0.1:25\"", "lmtp_listen 127.0.0.1:25 is an address and port that another",
         true},
        {"resolver = \"127.0.0.1:443\"", "resolver 127.0.0.1:443 is this mail server itself", true},
        {"resolver = \"0.0.0.0:53\"", "resolver 0.0.0.0:53 is no address of a host", true},
        {"milter = {\"inet:127.0.0.1:587\"}", "milter inet:127.0.0.1:587 is this mail server itself", true},
        {"routes = {\"x.test via mail.one.test\"}", "routes sends letters to x.test to this server itself",
         true},
        {"routes = {\"* via a.test\", \"x.test via b.test\"}", "the line for x.test stands behind one for *",
         true},
        {"routes = {\"x.test via a.test\", \"x.test via b.test\"}", "stands behind one for x.test", true},
        {"queue_retry_first = 1h\nqueue_lifetime = 30m\nqueue_delay_warning = 9m\nalert_queue_age = 9m",
         "queue_retry_first is not shorter than queue_lifetime", true},
        {"queue_lifetime = 2h\nqueue_retry_most = 3h", "queue_retry_most is longer than queue_lifetime",
         false},
        {"queue_delay_warning = 5d", "queue_delay_warning is not shorter than queue_lifetime", false},
        {"alert_queue_age = 5d", "alert_queue_age is not shorter than queue_lifetime", false},
        {"trace_keep = 1d", "trace_keep is shorter than queue_lifetime", false},
        {"sender_hourly = 3000", "sender_hourly 3000 is above sender_daily 2000", false},
        {"sender_recipients = 501", "sender_recipients 501 is above sender_hourly 500", false},
        {"sender_letters_hourly = 1001", "above sender_letters_daily 1000", false},
        {"connections_max = 400", "connections_per_address 500 is above connections_max 400", false},
        {"recipients_max = 99", "recipients_max 99 is below the 100", false},
        {"size_max = 600M", "size_max is above sender_held_mib", false},
        {"dns_lists = {\"x.test address 3\"}\ndns_lists_refuse = 4", "dns_lists_refuse 4 is above what all",
         false},
        {"dns_lists = {\"x.test address 9\", \"x.test address,helo 9\"}", "dns_lists asks x.test twice",
         false},
        {"proxy_from = {\"0.0.0.0/0\"}", "proxy_from 0.0.0.0/0 is the world, or a large part", true},
        {"proxy_from = {\"128.0.0.0/1\"}", "proxy_from 128.0.0.0/1 is the world, or a large part", true},
        {"xclient_from = {\"::/0\"}", "xclient_from ::/0 is the world, or a large part", true},
        {"dns_update_key = \"key\"", "dns_update_key stands there without dns_update", true},
        {"ldap_base = \"o=x\"", "ldap_base stands there without ldap", true},
        {"oauth_issuer = \"x\"", "oauth_issuer stands there without oauth_keys", true},
        {"acme = \"https://acme.test/\"\nhttp = false", "acme stands there without http", true},
    };
    static const char *const good[] = {
        "",
        "public_addresses = {\"8.8.8.8\", \"2a00::1\"}\nlisten = {\"10.0.0.5\"}",
        "port_offset = 10000\npublic_addresses = {\"127.0.0.1\"}",
        "listen = {\"0.0.0.0\", \"::\"}\nlmtp_listen = \"127.0.0.1:24\"\nresolver = \"127.0.0.1:53\"",
        "sender_hourly = 0\nsender_recipients = 5000",
        "sender_daily = 100",
        "sender_hourly = 50",
        "queue_lifetime = 4h",
        "proxy_from = {\"10.0.0.0/8\", \"fc00::/7\"}",
        "routes = {\"y.test via mail.one.test:2500\", \"from:a@x.test * via a.test\", \"* via b.test\"}",
    };
    struct config_finding *f;
    struct arena a;
    struct config c;
    ar_init(&a, 0);
    f = ar_array(&a, struct config_finding, CONFIG_FINDINGS_MAX);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_OK(read_lines(&a, bad[i].lines, &c));
        size_t n = config_judge(&c, &a, f);
        CHECK_INT(n, 1);
        bool named = n == 1 && sl_find(f[0].sentence, sl_cstr(bad[i].sentence)) != SL_NONE;
        if (!named || f[0].wrong != bad[i].wrong)
            printf("%s: %zu, %.*s\n", bad[i].lines, n, SLF(f[0].sentence));
        CHECK(named && f[0].wrong == bad[i].wrong);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CHECK_OK(read_lines(&a, good[i], &c));
        CHECK_INT(config_judge(&c, &a, f), 0);
    }
    ar_free(&a);
}
