/* commands.c - the table of subcommands: command line, help and control socket print from it. */
#include "cmd.h"

#define STORE(name_, fn, p_, usage_, help_)                                                                  \
    {                                                                                                        \
        .name = name_, .usage = usage_, .help = help_, .kind = COMMAND_STORE, .parse = parse_##p_,           \
        .run = run_##fn, .print = print_##fn                                                                 \
    }
#define DNS(name_, fn, p_, usage_, help_)                                                                    \
    {                                                                                                        \
        .name = name_, .usage = usage_, .help = help_, .kind = COMMAND_DNS, .parse = parse_##p_,             \
        .run = run_##fn, .print = print_##fn                                                                 \
    }
#define PLAIN(name_, p_, usage_, help_)                                                                      \
    {                                                                                                        \
        .name = name_, .usage = usage_, .help = help_, .kind = COMMAND_PLAIN, .parse = parse_##p_            \
    }

const struct command commands[] = {
    PLAIN("init", init,
          "--domain D [--hostname H] [--listen IP]... [--port-offset N] [--resolver IP:PORT | --zone FILE]",
          "makes a home: configuration, keys, a self-signed certificate, the domain"),
    PLAIN("serve", serve, "",
          "runs the server in the foreground; prints `ready` when every listener is open"),
    STORE("domain add", domain_add, domain, "DOMAIN", "takes a domain in and makes its DKIM keys"),
    STORE("domain list", domain_list, nothing, "", "lists the domains"),
    STORE("domain show", domain_show, domain, "DOMAIN", "shows a domain's settings and keys"),
    STORE("domain set", domain_set, domain_set, "DOMAIN --catch-all ADDRESS",
          "sets who gets mail for names that nobody has"),
    STORE("domain remove", domain_remove, domain, "DOMAIN", "removes a domain without accounts"),
    STORE("account add", account_add, account_password, "ADDRESS  (password on standard input)",
          "makes an account with its mailboxes"),
    STORE("account list", account_list, maybe_domain, "[DOMAIN]", "lists accounts and what they hold"),
    STORE("account passwd", account_passwd, account_password, "ADDRESS  (password on standard input)",
          "changes the password"),
    STORE("account disable", account_disable, address, "ADDRESS",
          "no login, no new mail; what it holds stays"),
    STORE("account enable", account_enable, address, "ADDRESS", "undoes disable"),
    STORE("account remove", account_remove, address, "ADDRESS", "removes the account and all its mail"),
    STORE("alias add", alias_add, alias_add, "ADDRESS TARGET...",
          "mail for ADDRESS goes to the targets, here or elsewhere"),
    STORE("alias list", alias_list, maybe_domain, "[DOMAIN]", "lists the aliases"),
    STORE("alias remove", alias_remove, address, "ADDRESS", "removes an alias"),
    STORE("dns records", dns_records, domain, "DOMAIN", "prints the master-file lines to publish"),
    STORE("dns check", dns_check, domain, "DOMAIN",
          "asks the DNS and says what is right, wrong, missing, dangerous"),
    STORE("dkim list", dkim_list, domain, "DOMAIN", "lists the signing keys and their states"),
    STORE("dkim rotate", dkim_rotate, domain, "DOMAIN",
          "makes new keys, or lets published new keys take over"),
    STORE("dkim publish-check", dkim_publish_check, domain, "DOMAIN",
          "asks the DNS whether it shows our keys"),
    STORE("dmarc report", dmarc_report, dmarc_report, "DOMAIN [--days N]",
          "who sends as the domain, as others report it"),
    STORE("dmarc send-reports", dmarc_send_reports, nothing, "",
          "sends the DMARC reports that others asked for, today's so far too"),
    DNS("check spf", check_spf, check_spf, "--ip IP --helo H --mail-from A",
        "may this address send for that domain?"),
    DNS("check dkim", check_dkim, nothing, "< message", "judges each DKIM signature"),
    DNS("check arc", check_arc, nothing, "< message", "judges the ARC chain"),
    DNS("check message", check_message, check_message, "--ip IP --helo H --mail-from A < message",
        "what Tram would write and do if this letter came from there"),
    STORE("queue list", queue_list, queue_list, "[ADDRESS] [--sender A] [--domain D] [--limit N]",
          "lists what waits, and why"),
    STORE("queue show", queue_show, queue_id, "ID", "shows one letter in the queue"),
    STORE("queue retry", queue_retry, queue_act, "ID... | --all | --domain D | --sender A",
          "tries again at once"),
    STORE("queue hold", queue_hold, queue_act, "ID... | --all | --domain D | --sender A",
          "stops trying until released"),
    STORE("queue release", queue_release, queue_act, "ID... | --all | --domain D | --sender A",
          "lets held letters go"),
    STORE("queue drop", queue_drop, queue_act, "ID... | --all | --domain D | --sender A",
          "throws letters away without telling the sender"),
    STORE("queue stats", queue_stats, nothing, "", "counts"),
    STORE("trace", trace, trace, "ID | ADDRESS | MESSAGE-ID [--limit N]", "tells the road of a letter"),
    {.name = "send",
     .usage = "[-f FROM] [-F NAME] [-t] [-v] [RECIPIENT...] < message",
     .help = "sends a letter from standard input, as sendmail(8)",
     .kind = COMMAND_STORE,
     .takes_payload = true,
     .parse = parse_send,
     .run = run_send,
     .print = print_send},
    STORE("stats", stats, nothing, "", "numbers about the server"),
    STORE("verify", verify, nothing, "", "checks every record and every body"),
    STORE("backup", backup, backup, "FOLDER", "makes a consistent copy of the store, while running"),
    PLAIN("config check", config_check, "", "checks tram.conf and names what is wrong, with its line"),
    PLAIN("help", help, "[COMMAND]", "explains the commands"),
};
const size_t ncommands = COUNT_OF(commands);

const struct command *command_named(const char *name)
{
    for (size_t i = 0; name && i < ncommands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

const struct command *command_find(int argc, char **argv, int *used)
{
    char two[64];
    if (argc >= 2) {
        snprintf(two, sizeof two, "%s %s", argv[0], argv[1]);
        const struct command *c = command_named(two);
        *used = 2;
        if (c) return c;
    }
    *used = 1;
    return argc >= 1 ? command_named(argv[0]) : NULL;
}
