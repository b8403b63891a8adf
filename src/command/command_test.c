/* command_test.c - the arguments of commands, as the table declares them. */
#include "base/test.h"
#include "cmd.h"
#include "dns_check_i.h"

enum { WORDS_MAX = 16 };

/* Parses and checks "queue list --limit 3"; the JSON, or the sentence of the error. */
static const char *args_of(struct arena *a, const char *line)
{
    char *argv[WORDS_MAX];
    int argc = 0, used = 0;
    for (char *at = ar_cstr(a, sl_cstr(line)); at && argc < WORDS_MAX; argc++) {
        argv[argc] = at;
        at = strchr(at, ' ');
        if (at) *at++ = 0;
    }
    const struct command *c = command_find(argc, argv, &used);
    if (!c) return "no such command";
    json_t *args = json_object();
    int e = command_parse(c, a, argc - used, argv + used, args);
    if (!e) e = command_check(c, a, args, false);
    char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
    const char *out = e ? ar_cstr(a, sl_cstr(err_text(e))) : ar_cstr(a, sl_cstr(text));
    CHECK(!e || e == ERR_USAGE);
    free(text);
    json_decref(args);
    return out;
}

static void expect(const char *line, const char *want)
{
    struct arena a;
    ar_init(&a, 0);
    const char *got = args_of(&a, line);
    if (strcmp(got, want) != 0) test_fail(__FILE__, __LINE__, "%s: %s, not %s", line, got, want);
    ar_free(&a);
}

TEST(words_and_options)
{
    expect("domain add one.test", "{\"domain\":\"one.test\"}");
    expect("domain add", "the DOMAIN is missing");
    expect("domain add a.test b.test", "b.test is one word too many");
    expect("account list", "{}");
    expect("alias add a@x.test b@x.test c@x.test",
           "{\"address\":\"a@x.test\",\"targets\":[\"b@x.test\",\"c@x.test\"]}");
    expect("alias add a@x.test", "the TARGET is missing");
    expect("account list -- --json", "{\"domain\":\"--json\"}");
    expect("account list --json", "{\"json\":true}");
    expect("account list --json=1", "--json takes no value");
    expect("queue list --nope", "--nope is not an option here");
    expect("queue list -x", "-x is not an option here");
    expect("queue list --sender", "--sender needs a value");
    expect("queue list --sender=a --sender b", "--sender stands there twice");
}

TEST(numbers_have_a_range_and_a_default)
{
    expect("trace x", "{\"limit\":10,\"what\":\"x\"}");
    expect("trace x --limit 7", "{\"limit\":7,\"what\":\"x\"}");
    expect("trace x --limit=1000", "{\"limit\":1000,\"what\":\"x\"}");
    const char *wrong[] = {"0", "-1", "1001", "x", "7x", "99999999999999999999", ""};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char line[64];
        snprintf(line, sizeof line, "trace x --limit=%s", wrong[i]);
        expect(line, "--limit takes a number from 1 to 1000");
    }
}

TEST(what_belongs_together)
{
    expect("queue retry", "give one of these at least: the ID, --all, --address, --domain, --sender, "
                          "--class, --host, --source, --campaign, --older, --uncertain");
    expect("queue retry --all", "{\"all\":true}");
    expect("queue retry x y", "{\"ids\":[\"x\",\"y\"]}");
    expect("init --domain a.test --resolver 127.0.0.1:53 --zone /z",
           "these exclude each other: --resolver, --zone");
    expect("init --domain a.test --resolver x", "--resolver must have the form 127.0.0.1:53 or [::1]:53");
    expect("init --domain a.test --listen 1.2.3", "--listen 1.2.3 is not an IP address");
    expect("init --domain a.test --port-offset 70000", "--port-offset takes a number from 0 to 64540");
}

TEST(short_options_as_of_sendmail)
{
    expect("send -oi -oem -i -f a@x.test b@x.test", "{\"f\":\"a@x.test\",\"recipients\":[\"b@x.test\"]}");
    expect("send -fa@x.test -ti", "{\"f\":\"a@x.test\",\"t\":true}");
    expect("send -t -h 5 -fa", "{\"f\":\"a\",\"t\":true}");
}

/* What comes through the control socket is judged by the same declaration. */
static int check_json(const char *name, const char *text)
{
    struct arena a;
    ar_init(&a, 0);
    json_t *args = json_loads(text, 0, NULL);
    int e = command_check(command_named(name), &a, args, true);
    json_decref(args);
    ar_free(&a);
    return e;
}

TEST(json_from_elsewhere)
{
    CHECK_OK(check_json("trace", "{\"what\":\"x\",\"limit\":5}"));
    CHECK_ERR(check_json("trace", "{\"what\":\"x\",\"limit\":\"5\"}"), ERR_USAGE);
    CHECK_ERR(check_json("trace", "{\"what\":[\"x\"]}"), ERR_USAGE);
    CHECK_ERR(check_json("trace", "{\"what\":\"x\",\"colour\":\"red\"}"), ERR_USAGE);
    CHECK_ERR(check_json("account add", "{\"address\":\"a@x.test\"}"), ERR_USAGE);
    CHECK_OK(check_json("account add", "{\"address\":\"a@x.test\",\"password\":\"secret\"}"));
    CHECK_ERR(check_json("queue drop", "{\"ids\":\"x\"}"), ERR_USAGE);
    CHECK_ERR(check_json("queue drop", "{\"ids\":[1]}"), ERR_USAGE);
    CHECK_ERR(check_json("backup", "{\"to\":\"relative\"}"), ERR_USAGE);
}

TEST(every_row_is_whole)
{
    struct arena a;
    ar_init(&a, 0);
    for (size_t i = 0; i < ncommands; i++) {
        const struct command *c = &commands[i];
        CHECK(c->help && *c->help);
        CHECK((c->needs == IS_SERVER) == !c->run && !c->run == !c->print);
        CHECK(command_named(c->name) == c);
        for (const struct arg *g = c->args; g && g->name; g++) {
            CHECK(g->meaning && *g->meaning);
            CHECK(g->type != ARG_NUMBER || (g->least < g->most && g->fallback <= g->most));
            CHECK(g->type != ARG_CHOICE || g->words);
        }
    }
    struct slice usage = command_usage(&a, command_named("queue hold"));
    CHECK_SL(usage,
             "ID... | --all | --address A | --domain D | --sender A | --class C | --host H | --source S "
             "| --campaign C | --older TIME | --uncertain");
    usage = command_usage(&a, command_named("init"));
    CHECK_SL(
        usage,
        "--domain D [--hostname H] [--listen IP...] [--port-offset N] [--resolver IP:PORT | --zone FILE]");
    ar_free(&a);
}

/* Commands that are not in the audit: they look, or leave another trace (a letter). Every other is noted
 * before it runs (command_audit_begin()). Who adds one here has made sure that it changes nothing. */
TEST(what_changes_something_is_in_the_audit)
{
    static const char *const looks[] = {"domain list",
                                        "domain show",
                                        "account list",
                                        "account show",
                                        "account app-password list",
                                        "campaign list",
                                        "campaign show",
                                        "suppression list",
                                        "webhook list",
                                        "inbound list",
                                        "block list",
                                        "key list",
                                        "alias list",
                                        "list list",
                                        "list show",
                                        "dns records",
                                        "dns check",
                                        "dkim list",
                                        "dkim publish-check",
                                        "dmarc report",
                                        "source list",
                                        "source show",
                                        "shaping show",
                                        "tls probe",
                                        "tls report",
                                        "queue list",
                                        "queue show",
                                        "queue stats",
                                        "queue top",
                                        "junk explain",
                                        "trace",
                                        "watch",
                                        "send",
                                        "send-test",
                                        "cert list",
                                        "cert show",
                                        "doctor",
                                        "stats",
                                        "images",
                                        "alerts",
                                        "audit",
                                        "quota list",
                                        "sending-domain list",
                                        "sending-domain show"};
    for (size_t i = 0; i < ncommands; i++) {
        const struct command *c = &commands[i];
        bool look = false, known = false;
        for (size_t k = 0; k < COUNT_OF(looks); k++) known |= strcmp(c->name, looks[k]) == 0;
        look = c->quiet;
        if (look != known && c->needs == NEEDS_STORE)
            test_fail(__FILE__, __LINE__, "%s: is it noted in the audit or not?", c->name);
    }
}

/* What an administrator of single domains may ask: accounts, aliases and lists of these domains,
 * and the domains that these accounts send as, their keys, webhooks and mail that is handed to
 * URLs; no more. */
TEST(what_who_administers_a_domain_may_do)
{
    static const char *const may[] = {"account add",
                                      "account list",
                                      "account passwd",
                                      "account disable",
                                      "account enable",
                                      "account show",
                                      "account rename",
                                      "account app-password add",
                                      "account app-password list",
                                      "account app-password remove",
                                      "account remove",
                                      "alias add",
                                      "alias list",
                                      "alias remove",
                                      "list add",
                                      "list set",
                                      "list list",
                                      "list show",
                                      "list member add",
                                      "list member remove",
                                      "list remove",
                                      "sending-domain add",
                                      "sending-domain list",
                                      "sending-domain show",
                                      "sending-domain verify",
                                      "sending-domain set",
                                      "sending-domain remove",
                                      "key add",
                                      "key list",
                                      "key remove",
                                      "webhook add",
                                      "webhook list",
                                      "webhook remove",
                                      "webhook resume",
                                      "inbound add",
                                      "inbound list",
                                      "inbound remove"};
    for (size_t i = 0; i < ncommands; i++) {
        bool known = false;
        for (size_t k = 0; k < COUNT_OF(may); k++) known |= strcmp(commands[i].name, may[k]) == 0;
        if ((commands[i].of_domain != NULL) != known)
            test_fail(__FILE__, __LINE__, "%s: may an administrator of a domain do it?", commands[i].name);
    }
}

TEST(an_spf_proposal_keeps_what_is_allowed)
{
    struct arena a;
    const struct slice ours = SL("v=spf1 mx -all");
    struct slice there[] = {SL("v=spf1 include:a.test ~all"),
                            SL("v=spf1 MX include:A.test ip4:192.0.2.1 ?all")};
    ar_init(&a, 0);
    CHECK_SL(dns_spf_proposal(&a, ours, NULL, 0), "v=spf1 mx -all");
    CHECK_SL(dns_spf_proposal(&a, ours, there, 1), "v=spf1 mx include:a.test ~all");
    CHECK_SL(dns_spf_proposal(&a, ours, there, 2), "v=spf1 mx include:a.test ip4:192.0.2.1 ~all");
    there[0] = SL("v=spf1 a +all"); /* everybody: that is not kept */
    CHECK_SL(dns_spf_proposal(&a, ours, there, 1), "v=spf1 mx a -all");
    there[0] = SL("v=spf1 redirect=b.test");
    CHECK_SL(dns_spf_proposal(&a, ours, there, 1), "v=spf1 mx redirect=b.test");
    there[0] = SL("v=spf1 nonsense:a.test");
    CHECK_SL(dns_spf_proposal(&a, ours, there, 1), "v=spf1 mx -all");
    ar_free(&a);
}
