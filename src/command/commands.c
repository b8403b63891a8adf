/* commands.c - the table of subcommands: command line, help, control socket and manual go by it. */
#include "base/log.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "directory/api_key.h"
#include "directory/maillist.h"
#include "mail/dsn.h"
#include "report/dmarc_store.h"
#include "report/tlsrpt.h"
#include "source/source.h"

/* ---- what commands take ---- */

#define ARGS(...)                                                                                            \
    .args = (const struct arg[])                                                                             \
    {                                                                                                        \
        __VA_ARGS__, { 0 }                                                                                   \
    }
#define WORD(name_, value_, meaning_)                                                                        \
    {                                                                                                        \
        .name = name_, .value = value_, .meaning = meaning_, .from = FROM_WORD, .flags = ARG_NEEDED          \
    }
#define MAYBE(name_, value_, meaning_)                                                                       \
    {                                                                                                        \
        .name = name_, .value = value_, .meaning = meaning_, .from = FROM_WORD                               \
    }
#define FLAG(name_, meaning_)                                                                                \
    {                                                                                                        \
        .name = name_, .type = ARG_FLAG, .meaning = meaning_                                                 \
    }
#define OPTION(name_, value_, meaning_, ...)                                                                 \
    {                                                                                                        \
        .name = name_, .value = value_, .meaning = meaning_, __VA_ARGS__                                     \
    }
#define NUMBER(name_, value_, least_, most_, fallback_, meaning_)                                            \
    {                                                                                                        \
        .name = name_, .value = value_, .meaning = meaning_, .type = ARG_NUMBER, .least = least_,            \
        .most = most_, .fallback = fallback_                                                                 \
    }

#define DOMAIN WORD("domain", "DOMAIN", "a domain of this node")
#define MAYBE_DOMAIN MAYBE("domain", "DOMAIN", "only of this domain")
#define ADDRESS WORD("address", "ADDRESS", "an address of a domain of this node")
#define PASSWORD                                                                                             \
    {                                                                                                        \
        .name = "password", .meaning = "the password", .from = FROM_PASSWORD                                 \
    }
#define WHO WORD("who", "NET|ACCOUNT", "an address, a network (192.0.2.0/24, 2001:db8::/48), or an account")
#define CAMPAIGN WORD("id", "ID", "the id of the campaign, as `tram campaign list` tells it")
#define OTHERS WORD("domain", "DOMAIN", "a domain whose mail does not come here")
#define SENDER WORD("account", "ACCOUNT", "the address of the account that sends")
#define LIST_NAME(flags_) OPTION("name", "NAME", "what it is called, for people", .flags = flags_)
#define LIST_POST(flags_)                                                                                    \
    OPTION("post", "WHO", "who may write to it; members when it is absent", .type = ARG_CHOICE,              \
           .words = "members senders anyone", .flags = flags_)
#define LIST_SENDER(flags_)                                                                                  \
    OPTION("sender", "ADDRESS",                                                                              \
           "may write to it too, or, with --post senders, alone; can stand several "                         \
           "times; '' for nobody",                                                                           \
           .flags = (flags_) | ARG_MANY)
#define LIST_REWRITE(flags_)                                                                                 \
    OPTION("rewrite", "WHEN",                                                                                \
           "when From becomes the list's, of authors whose domain is strict; unvouched "                     \
           "when it is absent",                                                                              \
           .type = ARG_CHOICE, .words = "unvouched strict never", .flags = flags_)
#define LIST_HOURLY(fallback_, flags_)                                                                       \
    OPTION("hourly", "N", "letters an hour that it distributes", .type = ARG_NUMBER, .least = 1,             \
           .most = MAILLIST_HOURLY_MAX, .fallback = fallback_, .flags = flags_)
#define LIST_MEMBERS                                                                                         \
    {                                                                                                        \
        .name = "members", .value = "MEMBER", .meaning = "an address, here or elsewhere", .from = FROM_WORD, \
        .flags = ARG_NEEDED | ARG_MANY                                                                       \
    }
#define RECIPIENT WORD("address", "ADDRESS", "who is written to")
#define PERSON WORD("address", "ADDRESS", "their address, here or elsewhere")
#define LIMIT(name_, meaning_)                                                                               \
    {                                                                                                        \
        .name = name_, .value = "N", .meaning = meaning_                                                     \
    }
#define SEND_AS                                                                                              \
    OPTION("send-as", "ADDRESS", "an address of a domain of this node, or @domain", .flags = ARG_NEEDED)
#define SOURCE_USE(name_, value_, meaning_, ...)                                                             \
    OPTION(name_, value_, meaning_, .flags = ARG_SELECTS | ARG_EXCLUDES, __VA_ARGS__)
#define SOURCE_USES                                                                                          \
    SOURCE_USE("campaign", "C", "letters of the campaigns of this name"),                                    \
        SOURCE_USE("account", "ADDRESS", "what this account sends"),                                         \
        SOURCE_USE("domain", "D", "what has a return path in this domain"),                                  \
        SOURCE_USE("stream", "S", "letters of this stream", .type = ARG_CHOICE,                              \
                   .words = "system transactional bulk")
#define LETTERS                                                                                              \
    {.name = "ids",                                                                                          \
     .value = "ID",                                                                                          \
     .meaning = "these letters",                                                                             \
     .from = FROM_WORD,                                                                                      \
     .flags = ARG_MANY | ARG_SELECTS},                                                                       \
        {.name = "all", .type = ARG_FLAG, .meaning = "every letter", .flags = ARG_SELECTS},                  \
        OPTION("address", "A", "letters to this address", .flags = ARG_SELECTS),                             \
        OPTION("domain", "D", "letters to this domain", .flags = ARG_SELECTS),                               \
        OPTION("sender", "A", "letters from this sender", .flags = ARG_SELECTS),                             \
        OPTION("class", "C", "letters whose last reply was of this class", .flags = ARG_SELECTS),            \
        OPTION("host", "H", "letters last refused by this server, or one below it", .flags = ARG_SELECTS),   \
        OPTION("source", "S", "letters that last left from this source", .flags = ARG_SELECTS),              \
        OPTION("campaign", "C", "letters of this campaign", .flags = ARG_SELECTS),                           \
        OPTION("older", "TIME", "letters that came more than TIME ago", .flags = ARG_SELECTS),               \
    {                                                                                                        \
        .name = "uncertain", .type = ARG_FLAG, .meaning = "letters that may have been taken",                \
        .flags = ARG_SELECTS                                                                                 \
    }
#define FORM(name_, meaning_)                                                                                \
    {                                                                                                        \
        .name = name_, .value = "PATH", .meaning = meaning_, .type = ARG_PATH,                               \
        .flags = ARG_SELECTS | ARG_EXCLUDES                                                                  \
    }
#define FORMS                                                                                                \
    WORD("account", "ACCOUNT", "an account of this node"), FORM("maildir", "a Maildir with its folders"),    \
        FORM("mbox", "an mbox file, or a folder of them"),                                                   \
    {                                                                                                        \
        .name = "progress", .meaning = "tells how far it is", .type = ARG_FLAG, .from = FROM_TERMINAL        \
    }
#define ENVELOPE                                                                                             \
    OPTION("ip", "IP", "the address that sends", .type = ARG_IP, .flags = ARG_NEEDED),                       \
        OPTION("helo", "H", "its name in HELO", .flags = ARG_NEEDED),                                        \
        OPTION("mail-from", "A", "the return path", .flags = ARG_NEEDED)

#define STORE(name_, fn, help_, ...)                                                                         \
    {                                                                                                        \
        .name = name_, .needs = NEEDS_STORE, .run = run_##fn, .print = print_##fn, .help = help_,            \
        __VA_ARGS__                                                                                          \
    }
#define LOOK(name_, fn, help_, ...) STORE(name_, fn, help_, .quiet = true, __VA_ARGS__)
#define DNS(name_, fn, help_, ...)                                                                           \
    {                                                                                                        \
        .name = name_, .needs = NEEDS_DNS, .run = run_##fn, .print = print_##fn, .help = help_, __VA_ARGS__  \
    }

static int run_help(struct request *r);
static int run_upgrade_check(struct request *r);

const struct command commands[] = {
    {.name = "init",
     .needs = NEEDS_NEW_HOME,
     .run = run_init,
     .print = print_init,
     .help = "makes a home: configuration, keys, a self-signed certificate, the domain",
     ARGS(OPTION("domain", "D", "the first mail domain", .flags = ARG_NEEDED),
          OPTION("hostname", "H", "the full name of the host; default mail.D"),
          OPTION("listen", "IP", "an address to listen on; can stand several times; default every address",
                 .type = ARG_IP, .flags = ARG_MANY),
          NUMBER("port-offset", "N", 0, PORT_OFFSET_MAX, 0, "is added to every port"),
          OPTION("resolver", "IP:PORT", "the DNS resolver to ask", .type = ARG_ENDPOINT,
                 .flags = ARG_EXCLUDES),
          OPTION("zone", "FILE", "a master file that answers all DNS questions", .type = ARG_PATH,
                 .flags = ARG_EXCLUDES))},
    {.name = "setup",
     .needs = NEEDS_NEW_HOME,
     .run = run_setup,
     .print = print_setup,
     .next = setup_next,
     .help = "asks what a node needs, makes home and first account, says what to publish and what is wrong",
     .input = "password",
     ARGS(OPTION("domain", "D", "the first mail domain"),
          OPTION("hostname", "H", "the full name of the host; default mail.D"),
          OPTION("account", "NAME", "the first account, without @D; default postmaster"),
          OPTION("acme", "URL", "the authority to ask for certificates"),
          OPTION("listen", "IP", "an address to listen on; can stand several times; default every address",
                 .type = ARG_IP, .flags = ARG_MANY),
          NUMBER("port-offset", "N", 0, PORT_OFFSET_MAX, 0, "is added to every port"),
          OPTION("resolver", "IP:PORT", "the DNS resolver to ask", .type = ARG_ENDPOINT,
                 .flags = ARG_EXCLUDES),
          OPTION("zone", "FILE", "a master file that answers all DNS questions", .type = ARG_PATH,
                 .flags = ARG_EXCLUDES),
          NUMBER("wait", "MINUTES", 0, 1440, 0, "waits so long for the DNS to show the records"),
          FLAG("try", "then goes on with `tram try`, unless the DNS does not show them yet"))},
    {.name = "try",
     .needs = NEEDS_SERVER,
     .quiet = true,
     .run = run_try,
     .print = print_try,
     .help = "waits for the certificate, sends a letter from an account to itself and examines all; a server "
             "runs meanwhile when none does",
     ARGS(SENDER)},
    {.name = "serve",
     .needs = IS_SERVER,
     .help = "runs the server in the foreground; prints `ready` when every listener is open"},

    STORE("domain add", domain_add, "takes a domain in and makes its DKIM keys",
          ARGS(DOMAIN,
               OPTION("alias-of", "D", "every name of it is the same name at this domain of the node"))),
    LOOK("domain list", domain_list, "lists the domains", .rows = "domains",
         .print_row = print_row_domain_list),
    LOOK("domain show", domain_show, "shows a domain's settings and keys", ARGS(DOMAIN)),
    STORE("domain set", domain_set, "changes what holds for a domain",
          ARGS(DOMAIN,
               OPTION("catch-all", "ADDRESS", "who gets mail for names that nobody has; '' for nobody",
                      .flags = ARG_SELECTS),
               OPTION("mta-sts", "MODE", "what the policy tells other servers of TLS: none, testing, enforce",
                      .type = ARG_CHOICE, .words = "testing enforce none", .flags = ARG_SELECTS))),
    STORE("domain admin add", domain_admin_add,
          "lets an account manage the domain's accounts, aliases and lists, by keys and as a user of the "
          "machine",
          ARGS(DOMAIN, ADDRESS)),
    STORE("domain admin remove", domain_admin_remove, "takes that back, at once", ARGS(DOMAIN, ADDRESS)),
    STORE("domain remove", domain_remove, "removes a domain without accounts", ARGS(DOMAIN)),

    STORE("account add", account_add, "makes an account with its mailboxes", .of_domain = "address",
          ARGS(ADDRESS, PASSWORD)),
    LOOK("account list", account_list, "lists accounts and what they hold", .of_domain = "domain",
         .rows = "accounts", .print_row = print_row_account_list, ARGS(MAYBE_DOMAIN)),
    STORE("account passwd", account_passwd, "changes the password", .of_domain = "address",
          ARGS(ADDRESS, PASSWORD)),
    STORE("account pardon", account_pardon,
          "bulk mail of the account goes on, however many bounced or complained until now", ARGS(ADDRESS)),
    STORE("account disable", account_disable, "no login, no new mail; what it holds stays",
          .of_domain = "address", ARGS(ADDRESS)),
    STORE("account enable", account_enable, "undoes disable", .of_domain = "address", ARGS(ADDRESS)),
    LOOK("account show", account_show, "what an account holds, what it may send and has sent",
         .of_domain = "address", ARGS(ADDRESS)),
    STORE("account set", account_set,
          "sets what an account may send and hold: a number, `unlimited`, or `default`; and its language",
          ARGS(ADDRESS,
               LIMIT("daily", "recipients a day; unlimited: a sending account, what is not set by itself is "
                              "unlimited, too"),
               LIMIT("hourly", "recipients an hour"), LIMIT("letters-daily", "letters a day"),
               LIMIT("letters-hourly", "letters an hour"),
               LIMIT("first-time", "recipients a day to whom it never wrote"),
               LIMIT("recipients", "recipients of one letter"),
               LIMIT("held", "letters that wait for a time that it set (FUTURERELEASE)"),
               LIMIT("held-mib", "MiB of them together"),
               {.name = "quota",
                .value = "SIZE",
                .meaning = "what its mailboxes can hold, such as 2G; or unlimited"},
               {.name = "messages",
                .value = "N",
                .meaning = "how many messages its mailboxes can hold; or unlimited"},
               OPTION("language", "TAG",
                      "in which it is told what became of its letters: " DSN_LANGUAGES
                      "; default: as the letter says"))),
    STORE("quota set", quota_set, "limits what a mailbox of an account may hold, with all below it",
          ARGS(WORD("account", "ACCOUNT", "the address of the account"),
               WORD("name", "NAME", "the mailbox, which need not be there yet; \"/\" between levels"),
               OPTION("storage", "SIZE", "bytes, such as 2G", .flags = ARG_SELECTS),
               OPTION("messages", "N", "messages", .flags = ARG_SELECTS),
               OPTION("mailboxes", "N", "mailboxes", .flags = ARG_SELECTS))),
    LOOK("quota list", quota_list, "what mailboxes of an account that have a limit hold, and may hold",
         .rows = "quotas", .print_row = print_row_quota_list,
         ARGS(WORD("account", "ACCOUNT", "the address of the account"))),
    STORE(
        "quota remove", quota_remove, "takes such a limit away",
        ARGS(WORD("account", "ACCOUNT", "the address of the account"), WORD("name", "NAME", "the mailbox"))),
    STORE("account rename", account_rename,
          "gives an account another name in its domain; the old address becomes an alias",
          .of_domain = "address", ARGS(ADDRESS, WORD("to", "NEW", "its new address"))),
    STORE("account grant", account_grant, "lets an account send as another address, or as all of a domain",
          ARGS(ADDRESS, SEND_AS)),
    STORE("account revoke", account_revoke, "takes that back", ARGS(ADDRESS, SEND_AS)),
    STORE(
        "account app-password add", app_password_add,
        "makes a further password, for one program or device; shown once", .of_domain = "address",
        ARGS(ADDRESS, OPTION("name", "NAME", "what it is for, to know it again", .flags = ARG_NEEDED),
             OPTION("for", "PROTOCOLS", "smtp, imap, pop3, http, with commas between; default all but http"),
             LIMIT("daily", "recipients a day, within the account's limits"),
             LIMIT("hourly", "recipients an hour"), LIMIT("letters-daily", "letters a day"),
             LIMIT("letters-hourly", "letters an hour"))),
    LOOK("account app-password list", app_password_list, "lists them, and when each was used last",
         .of_domain = "address", ARGS(ADDRESS)),
    STORE("account app-password remove", app_password_remove, "ends it at once, and the sessions that use it",
          .of_domain = "address", ARGS(ADDRESS, WORD("which", "NAME", "its name or id"))),
    STORE("account remove", account_remove, "removes the account and all its mail", .of_domain = "address",
          ARGS(ADDRESS)),

    STORE("sending-domain add", sending_domain_add,
          "claims a domain of others for an account to send as; prints what its owner is to publish",
          .of_domain = "account",
          ARGS(SENDER, OTHERS,
               OPTION("return", "LABEL", "before the domain: where failures come back to; default bounce"),
               OPTION("links", "LABEL", "before the domain: where links lead; default links"))),
    LOOK("sending-domain list", sending_domain_list, "lists them, and how each stands",
         .of_domain = "account", .rows = "sending_domains", .print_row = print_row_sending_domain_list,
         ARGS(MAYBE("account", "ACCOUNT", "only of this account"))),
    LOOK("sending-domain show", sending_domain_show, "how one stands, and its records",
         .of_domain = "account", ARGS(SENDER, OTHERS)),
    STORE("sending-domain set", sending_domain_set, "gives its hosts other names", .of_domain = "account",
          ARGS(SENDER, OTHERS, OPTION("return", "LABEL", "where failures come back to", .flags = ARG_SELECTS),
               OPTION("links", "LABEL", "where links lead", .flags = ARG_SELECTS))),
    STORE("sending-domain verify", sending_domain_verify, "looks now whether its records are there",
          .of_domain = "account", ARGS(SENDER, OTHERS)),
    STORE("sending-domain remove", sending_domain_remove, "the account sends no more as it",
          .of_domain = "account", ARGS(SENDER, OTHERS)),

    LOOK("campaign list", campaign_list, "lists campaigns and how they stand", .rows = "campaigns",
         .print_row = print_row_campaign_list, ARGS(MAYBE("address", "ADDRESS", "only of this account"))),
    LOOK("campaign show", campaign_show, "how a campaign stands", ARGS(CAMPAIGN)),
    STORE("campaign pause", campaign_pause, "sends nothing more of it for now", ARGS(CAMPAIGN)),
    STORE("campaign resume", campaign_resume, "goes on with it", ARGS(CAMPAIGN)),
    STORE("campaign cancel", campaign_cancel, "drops what has not left", ARGS(CAMPAIGN)),

    LOOK("suppression list", suppression_list, "who gets nothing from an account, and why",
         .rows = "suppressed", .print_row = print_row_suppression_list,
         ARGS(MAYBE("account", "ACCOUNT", "only from this account"))),
    STORE("suppression add", suppression_add, "an address gets nothing more from an account",
          ARGS(SENDER, RECIPIENT,
               OPTION("reason", "WORD", "why; default by-hand", .type = ARG_CHOICE,
                      .words = "bounced invalid spam unsubscribed by-hand"))),
    STORE("suppression remove", suppression_remove, "an address may be written to again",
          ARGS(SENDER, RECIPIENT, FLAG("forget", "forgets the address, which still gets nothing"))),
    STORE("suppression import", suppression_import,
          "enters a table from standard input: address, reason, group, since, expires, evidence (CSV)",
          .takes_payload = true, ARGS(SENDER)),
    STORE("suppression export", suppression_export, "the same table (CSV)", .rows = "suppressed",
          .print_row = print_row_suppression_export, ARGS(SENDER)),

    STORE("webhook add", webhook_add,
          "tells the events of an account to a URL; line 1 is the key that proves it", .of_domain = "account",
          ARGS(SENDER, WORD("url", "URL", "https://..."), OPTION("name", "N", "its name; default default"),
               OPTION("events", "E,...",
                      "only these: processed dropped deferred delivered bounced late-bounce "
                      "complaint unsubscribed failed"))),
    LOOK("webhook list", webhook_list, "lists webhooks, how far they are and why they wait",
         .of_domain = "address", .rows = "webhooks", .print_row = print_row_webhook_list,
         ARGS(MAYBE("address", "ADDRESS", "only of this account"))),
    STORE("webhook remove", webhook_remove, "tells no more events to it", .of_domain = "account",
          ARGS(SENDER, WORD("name", "N", "its name"))),
    STORE("webhook resume", webhook_resume, "goes on with one that waits or is paused",
          .of_domain = "account",
          ARGS(SENDER, WORD("name", "N", "its name"),
               OPTION("after", "EVENT", "tells again what came behind this event"))),
    STORE(
        "inbound add", inbound_add,
        "hands mail for an address, or for all of a domain that nobody has, to a URL; line 1 is the key that "
        "proves it",
        .of_domain = "name", .of_domain_too = "account",
        ARGS(WORD("account", "ACCOUNT", "the account whose it is"),
             WORD("name", "NAME", "the address or domain"), WORD("url", "URL", "https://..."),
             FLAG("raw", "the letter as it came in place of its parts"),
             FLAG("spam-check", "says whether it was judged to be junk"),
             FLAG("mailbox", "what nobody takes within three days goes into the account's inbox, not back"))),
    LOOK("inbound list", inbound_list, "lists whose mail is handed to which URL", .rows = "inbound",
         .of_domain = "address", .print_row = print_row_inbound_list,
         ARGS(MAYBE("address", "ADDRESS|DOMAIN", "only of this account, or for names of this domain"))),
    STORE("inbound remove", inbound_remove, "hands mail for NAME to no URL any more; what waits comes back",
          .of_domain = "name", ARGS(WORD("name", "NAME", "the address or domain"))),

    LOOK("block list", block_list, "who is shut out, why, until when", .rows = "blocks",
         .print_row = print_row_block_list),
    STORE("block add", block_add, "shuts an address or network out, or an account from logging in",
          ARGS(WHO, NUMBER("hours", "N", 1, 876000, 0, "for so long; else until it is removed"))),
    STORE("block remove", block_remove, "lifts a block, made by hand or by itself, and what led to it",
          ARGS(WHO)),

    STORE("key add", key_add, "makes a key of the HTTP API for an account; line 1 of the answer is the key",
          .of_domain = "address",
          ARGS(ADDRESS, OPTION("name", "N", "what it is for", .flags = ARG_NEEDED),
               OPTION("scope", "S,...", "what it may do", .flags = ARG_NEEDED),
               OPTION("ip", "NET", "a network it may be used from; can stand several times; else everywhere",
                      .flags = ARG_MANY),
               NUMBER("rate", "N", 1, API_KEY_RATE_MOST, API_KEY_RATE, "calls a minute"))),
    LOOK("key list", key_list, "lists keys, what they may do and when they were last used", .rows = "keys",
         .of_domain = "address", .print_row = print_row_key_list,
         ARGS(MAYBE("address", "ADDRESS", "only of this account"))),
    STORE("key remove", key_remove, "removes a key; it counts no more at once", .of_domain = "address",
          ARGS(WORD("id", "ID", "the part of the key before the dot"),
               MAYBE("address", "ADDRESS", "only if it is a key of this account"))),

    STORE("person export", person_export,
          "writes what the node knows of somebody, by their address, into a folder: mail, trace, events, "
          "suppression",
          .answer = answer_person_export,
          ARGS(PERSON, {.name = "to",
                        .value = "FOLDER",
                        .meaning = "where it is written; made when it is missing",
                        .type = ARG_PATH,
                        .from = FROM_WORD,
                        .flags = ARG_NEEDED})),
    STORE("person erase", person_erase, "erases it, and says what remains and why",
          ARGS(PERSON, FLAG("account", "an account of this node goes, too, with all its mail"))),
    STORE("alias add", alias_add, "mail for ADDRESS goes to the targets, here or elsewhere",
          .of_domain = "address",
          ARGS(ADDRESS, {.name = "targets",
                         .value = "TARGET",
                         .meaning = "an address, here or elsewhere",
                         .from = FROM_WORD,
                         .flags = ARG_NEEDED | ARG_MANY})),
    LOOK("alias list", alias_list, "lists the aliases", .of_domain = "domain", .rows = "aliases",
         .print_row = print_row_alias_list, ARGS(MAYBE_DOMAIN)),
    STORE("alias remove", alias_remove, "removes an alias, or one of its targets", .of_domain = "address",
          ARGS(ADDRESS, MAYBE("target", "TARGET", "only this target"))),

    STORE("list add", list_add, "makes a distribution list of an address", .of_domain = "address",
          ARGS(ADDRESS, OPTION("owner", "ADDRESS", "who gets what comes back for it", .flags = ARG_NEEDED),
               LIST_NAME(0), LIST_POST(0), LIST_SENDER(0), LIST_REWRITE(0), LIST_HOURLY(MAILLIST_HOURLY, 0))),
    STORE("list set", list_set, "changes what holds for a list", .of_domain = "address",
          ARGS(ADDRESS, OPTION("owner", "ADDRESS", "who gets what comes back for it", .flags = ARG_SELECTS),
               LIST_NAME(ARG_SELECTS), LIST_POST(ARG_SELECTS), LIST_SENDER(ARG_SELECTS),
               LIST_REWRITE(ARG_SELECTS), LIST_HOURLY(0, ARG_SELECTS))),
    LOOK("list list", list_list, "lists the distribution lists", .of_domain = "domain", .rows = "lists",
         .print_row = print_row_list_list, ARGS(MAYBE_DOMAIN)),
    LOOK("list show", list_show, "shows a list and its members", .of_domain = "address", .rows = "members",
         .print_row = print_row_list_show, ARGS(ADDRESS)),
    STORE("list member add", list_member_add, "members come to a list", .of_domain = "address",
          ARGS(ADDRESS, LIST_MEMBERS)),
    STORE("list member remove", list_member_remove, "members go from a list", .of_domain = "address",
          ARGS(ADDRESS, LIST_MEMBERS)),
    STORE("list remove", list_remove, "removes a list and its members", .of_domain = "address",
          ARGS(ADDRESS)),

    LOOK("dns records", dns_records, "prints the master-file lines to publish", ARGS(DOMAIN)),
    LOOK("dns check", dns_check, "asks the DNS and says what is right, wrong, missing, dangerous",
         ARGS(DOMAIN)),
    STORE("dns publish", dns_publish, "puts those records into the zones at their primary server",
          ARGS(DOMAIN, FLAG("dry-run", "shows the difference and changes nothing"))),

    LOOK("dkim list", dkim_list, "lists the signing keys and their states", .rows = "keys",
         .print_row = print_row_dkim_list, ARGS(DOMAIN)),
    STORE("dkim rotate", dkim_rotate, "makes new keys, or lets published new keys take over", ARGS(DOMAIN)),
    LOOK("dkim publish-check", dkim_publish_check, "asks the DNS whether it shows our keys", ARGS(DOMAIN)),

    LOOK("dmarc report", dmarc_report, "who sends as the domain, as others report it",
         ARGS(DOMAIN, NUMBER("days", "N", 1, DMARC_KEEP_DAYS, 30, "the last N days"))),
    STORE("dmarc send-reports", dmarc_send_reports,
          "sends the DMARC reports that others asked for, today's so far too"),

    DNS("check spf", check_spf, "may this address send for that domain?", ARGS(ENVELOPE)),
    DNS("check dkim", check_dkim, "judges each DKIM signature", .input = "message"),
    DNS("check arc", check_arc, "judges the ARC chain", .input = "message"),
    DNS("check message", check_message, "what Tram would write and do if this letter came from there",
        ARGS(ENVELOPE), .input = "message"),

    {.name = "check reply",
     .needs = NEEDS_NOTHING,
     .run = run_check_reply,
     .print = print_check_reply,
     .help = "what a server's refusal means, and which rule says so",
     .input = "reply",
     ARGS(OPTION("host", "H", "the name of the server that said it"))},
    {.name = "shaping check",
     .needs = NEEDS_NOTHING,
     .run = run_shaping_check,
     .print = print_shaping_check,
     .help = "names rules about replies that cannot fire, contradict or shadow each other"},
    STORE(
        "source add", source_add, "lets letters leave from an address of this machine or of a proxy",
        ARGS(WORD("name", "NAME", "what it is called here"),
             OPTION("ip", "IP", "the address", .type = ARG_IP, .flags = ARG_NEEDED),
             OPTION("via", "URL", "of a proxy that has it: socks5://IP:PORT, or proxy://IP:PORT (version 2)"),
             OPTION("helo", "H", "the name it gives itself; default the hostname"),
             OPTION("pool", "P", "the pool that it belongs to; default main"))),
    LOOK("source list", source_list, "lists sources, pools, and what goes by each", .rows = "sources",
         .print_row = print_row_source_list),
    LOOK("source show", source_show, "what others see of a source: its names in the DNS, SPF for each domain",
         ARGS(WORD("name", "NAME", "the source"))),
    STORE("source login", source_login, "a name and a password for the SOCKS5 proxy of a source",
          ARGS(WORD("name", "NAME", "the source"), WORD("user", "USER", "the name it asks for"), PASSWORD)),
    STORE("source remove", source_remove, "letters leave from it no more",
          ARGS(WORD("name", "NAME", "the source"))),
    STORE("source pool", source_pool, "sets how a pool is used",
          ARGS(WORD("pool", "P", "the pool"),
               OPTION("retries", "WHICH", "what was put off leaves from the same source again, or from any",
                      .type = ARG_CHOICE, .words = "any same", .flags = ARG_SELECTS),
               OPTION("overflow", "POOL",
                      "what its sources may not send while they warm up leaves by this pool; '' waits",
                      .flags = ARG_SELECTS))),
    STORE("source warm", source_warm, "lets a new source send a little more each day, to each group of sites",
          ARGS(WORD("name", "NAME", "the source"),
               NUMBER("first", "N", 1, SOURCE_WARM_MOST, SOURCE_WARM_FIRST, "deliveries on the first day"),
               NUMBER("growth", "PERCENT", 1, SOURCE_GROWTH_MOST, SOURCE_GROWTH, "so much more a day"),
               NUMBER("most", "N", 1, SOURCE_WARM_MOST, SOURCE_WARM, "from so many a day on it is warm"),
               FLAG("done", "it is warm now"))),
    STORE("source use", source_use, "lets certain letters go by a pool",
          ARGS(WORD("pool", "P", "the pool"), SOURCE_USES)),
    STORE("source forget", source_forget, "they go by a pool of their own no more", ARGS(SOURCE_USES)),
    LOOK("shaping show", shaping_show,
         "the limits towards the servers of a domain, and where each comes from",
         ARGS(WORD("domain", "DOMAIN", "any domain"), OPTION("from", "SOURCE", "from this source"))),
    LOOK("tls probe", tls_probe, "the TLS that a letter to the domain would go over, and why",
         ARGS(WORD("domain", "DOMAIN", "any domain"),
              FLAG("connect", "also opens a session with each host, and says what came of it"))),
    LOOK("tls report", tls_report, "how TLS with the domain's servers went, as others report it",
         ARGS(DOMAIN, NUMBER("days", "N", 1, TLSRPT_KEEP_DAYS, 30, "the last N days"))),
    STORE("tls send-reports", tls_send_reports,
          "sends the TLS reports that others asked for, today's so far too"),

    LOOK("queue list", queue_list, "lists what waits, and why", .everyone = true, .rows = "letters",
         .print_row = print_row_queue_list,
         ARGS(MAYBE("address", "ADDRESS", "only letters to this address"),
              OPTION("sender", "A", "only letters from this sender"),
              OPTION("domain", "D", "only letters to this domain"),
              OPTION("class", "C", "only letters whose last reply was of this class"),
              OPTION("host", "H", "only letters last refused by this server, or one below it"),
              OPTION("source", "S", "only letters that last left from this source"),
              OPTION("campaign", "C", "only letters of this campaign"),
              OPTION("older", "TIME", "only letters that came more than TIME ago"),
              FLAG("uncertain", "only letters that may have been taken"),
              NUMBER("limit", "N", 1, INT32_MAX, 1000, "at most so many letters"))),
    LOOK("queue show", queue_show, "shows one letter in the queue",
         ARGS(WORD("id", "ID", "the id of the letter"))),
    STORE("queue retry", queue_retry, "tries again at once", ARGS(LETTERS)),
    STORE("queue hold", queue_hold, "stops trying until released", ARGS(LETTERS)),
    STORE("queue release", queue_release, "lets held letters go", ARGS(LETTERS)),
    STORE("queue drop", queue_drop, "throws letters away without telling the sender", ARGS(LETTERS)),
    STORE("queue reroute", queue_reroute, "lets letters leave from another source",
          ARGS(OPTION("to", "SOURCE", "the source; any: as it is planned", .flags = ARG_NEEDED), LETTERS)),
    LOOK("queue stats", queue_stats, "counts"),
    LOOK("queue top", queue_top, "what waits and goes, by site and source; on a terminal again and again",
         .rows = "sites", .print_row = print_row_queue_top,
         ARGS(FLAG("once", "only once"), NUMBER("every", "SECONDS", 1, 3600, 2, "how often"),
              NUMBER("limit", "N", 1, 1000, 15, "at most so many sites"),
              {.name = "live", .meaning = "shows it again", .type = ARG_FLAG, .from = FROM_TERMINAL})),

    LOOK("junk explain", junk_explain, "says why a letter went into Junk, or not",
         ARGS(WORD("id", "ID", "the id of the letter"))),

    LOOK("trace", trace, "tells the road of a letter", .live = "follow", .rows = "letters",
         .print_row = print_row_trace,
         ARGS({.name = "what",
               .value = "ID|ADDRESS|MESSAGE-ID",
               .meaning = "which letter, or whose",
               .from = FROM_WORD,
               .flags = ARG_SELECTS},
              {.name = "last",
               .value = "N",
               .meaning = "the newest N letters",
               .type = ARG_NUMBER,
               .least = 1,
               .most = 1000,
               .flags = ARG_SELECTS},
              OPTION("domain", "D", "letters from or to this domain", .flags = ARG_SELECTS),
              OPTION("host", "H", "letters that came from or went to this name or address",
                     .flags = ARG_SELECTS),
              OPTION("since", "TIME", "letters of the last TIME, such as 30m or 2d", .flags = ARG_SELECTS),
              OPTION("session", "ID", "letters that this session handed over, or was refused",
                     .flags = ARG_SELECTS),
              {.name = "follow",
               .type = ARG_FLAG,
               .meaning = "and goes on with what happens, until Ctrl-C",
               .flags = ARG_SELECTS},
              NUMBER("limit", "N", 1, 1000, 10, "at most so many letters, the newest"))),
    LOOK("watch", watch, "tells what happens at the moment it does, until Ctrl-C", .live = "",
         .rows = "lines", .print_row = print_row_watch,
         ARGS(MAYBE("address", "ADDRESS", "only what names this address, and its letters"),
              OPTION("domain", "D", "only what names an address of this domain, and its letters"),
              OPTION("host", "H", "only what names this host or address of one"),
              OPTION("session", "ID", "only this session"),
              OPTION("event", "NAME", "only these events, with commas between, such as refused,bounced"),
              OPTION("level", "LEVEL", "the least that is told; info when it is absent", .type = ARG_CHOICE,
                     .words = "debug info warning error"))),
    STORE("debug", debug,
          "records the next session (SMTP, IMAP, POP3) with one peer, line by line, without secrets",
          .live = "", .rows = "lines", .print_row = print_row_debug,
          ARGS(WORD("peer", "PEER", "its address, or the domain of the next letter that leaves for it"),
               NUMBER("minutes", "N", 1, 60, 10, "at most so long, waiting for it included"),
               FLAG("content", "letters too, not only how many bytes they had"))),
    LOOK(
        "send", send, "sends a letter from standard input, as sendmail(8)", .takes_payload = true,
        .reads_nothing = send_only_asks, .everyone = true,
        .idle = {.alone = "GImnixU", .glued = "deoq", .with = "ABCLOXhp"}, .input = "message",
        ARGS(OPTION("f", "FROM", "the return path"), OPTION("r", "FROM", "the same"),
             OPTION("F", "NAME", "the sender's name, when the letter has no From"),
             OPTION("N", "NOTIFY", "when to report: never, or success,failure,delay"),
             OPTION("R", "RET", "what a report returns: full or hdrs"),
             OPTION("V", "ENVID", "is told in reports"),
             OPTION("b", "MODE",
                    "m: sends; v: reads no letter and only says where letters to each go; the queue is shown "
                    "by `tram queue list`",
                    .type = ARG_CHOICE, .words = "m v"),
             FLAG("v", "says the letter's id"),
             {.name = "t",
              .type = ARG_FLAG,
              .meaning = "takes the recipients from To, Cc and Bcc",
              .flags = ARG_SELECTS},
             {.name = "recipients",
              .value = "RECIPIENT",
              .meaning = "who gets it",
              .from = FROM_WORD,
              .flags = ARG_MANY | ARG_SELECTS},
             {.name = "user", .meaning = "who sends", .from = FROM_LOGIN})),

    LOOK("send-test", send_test,
         "sends to the addresses that behave, or to one of the world, and tells what became of it",
         ARGS(SENDER, OPTION("to", "ADDRESS", "an address of yours, in place of those of the simulator"))),

    STORE("import", import, "adds the mail in a Maildir or in mbox files to an account", .rows = "problems",
          .print_row = print_row_import, .answer = answer_port, ARGS(FORMS)),
    STORE("export", export, "writes the mail of an account as a Maildir or as mbox files", .rows = "problems",
          .print_row = print_row_export, .answer = answer_port, ARGS(FORMS)),

    LOOK("cert list", cert_list, "the certificate that is served: where it comes from, for what, until when"),
    STORE("cert renew", cert_renew, "asks the authority for a certificate now (acme in tram.conf)"),
    LOOK("cert show", cert_show, "the certificate that is served, what is wrong with it, its TLSA records"),

    LOOK("doctor", doctor,
         "examines the node: certificate, DNS, ports, addresses, clock, disk, queue, block lists; the worst "
         "first",
         ARGS(OPTION("outwards", "HOST", "opens port 25 of this host to see whether it may"))),
    LOOK("stats", stats, "numbers about the server; or what became of an account's recipients",
         ARGS(MAYBE("account", "ACCOUNT", "the address of an account that sends"),
              OPTION("by", "WHAT", "for each key, campaign, category, domain or site", .type = ARG_CHOICE,
                     .words = "key campaign category domain site"),
              OPTION("name", "NAME", "only this one"),
              OPTION("each", "PERIOD", "what is added up", .type = ARG_CHOICE, .words = "day week month all"),
              OPTION("from", "DAY", "the first day, such as 2026-11-01; else 30 days back"),
              OPTION("to", "DAY", "the last day"))),
    STORE("verify", verify, "checks every record and every body", .rows = "faults",
          .print_row = print_row_verify, .before = before_verify,
          ARGS({.name = "repair",
                .type = ARG_FLAG,
                .flags = ARG_EXCLUDES,
                .meaning =
                    "mends what can be mended: makes a lost index again from images and younger letters"},
               {.name = "accept-loss",
                .type = ARG_FLAG,
                .flags = ARG_EXCLUDES,
                .meaning = "first opens an index whose log is damaged, with what stands before the damage"},
               {.name = "close-loss",
                .type = ARG_FLAG,
                .flags = ARG_EXCLUDES,
                .meaning = "only says that this loss is judged: bodies are swept again"})),
    LOOK("images", images, "writes images of the directory and of accounts that changed, now"),
    LOOK("alerts", alerts,
         "lists what somebody has to hear of, as long as it lasts; ends with 1 when there is any",
         .rows = "alerts", .print_row = print_row_alerts,
         ARGS(FLAG("look", "looks now, and tells what is new; else the server does so every ten minutes"))),
    LOOK("audit", audit, "tells what administrators and keys did, the oldest first", .rows = "acts",
         .print_row = print_row_audit,
         ARGS(OPTION("since", "TIME", "only what was done within TIME, such as 7d"),
              OPTION("who", "W", "only of whom this is a part of the name"))),
    STORE("backup", backup, "copies the whole node, while it runs: configuration, certificates, keys, mail",
          ARGS({.name = "to",
                .value = "FOLDER",
                .meaning = "where the copy is made; must not exist yet",
                .type = ARG_PATH,
                .from = FROM_WORD,
                .flags = ARG_NEEDED}),
          .ahead = ahead_backup, .after = after_backup),
    {.name = "restore",
     .needs = NEEDS_NEW_HOME,
     .run = run_restore,
     .print = print_restore,
     .help = "makes a home from a copy that `backup` made",
     ARGS({.name = "from",
           .value = "FOLDER",
           .meaning = "the copy; it stays as it is",
           .type = ARG_PATH,
           .from = FROM_WORD,
           .flags = ARG_NEEDED})},
    {.name = "upgrade-check",
     .needs = NEEDS_HOME,
     .run = run_upgrade_check,
     .print = print_upgrade_check,
     .help = "looks at a newer program before it is installed: does it read this store, what will change",
     ARGS({.name = "program",
           .value = "NEW",
           .meaning = "the program's file; it is read, not run",
           .type = ARG_PATH,
           .from = FROM_WORD,
           .flags = ARG_NEEDED})},
    {.name = "rollback",
     .needs = NEEDS_HOME,
     .run = run_rollback,
     .print = print_rollback,
     .help = "puts the index back as it was before a newer program opened it; the server must be stopped",
     ARGS(FLAG("forget", "removes what is kept for that, and goes nowhere"))},
    {.name = "config check",
     .needs = NEEDS_HOME,
     .run = run_config_check,
     .print = print_config_check,
     .help = "checks tram.conf and names what is wrong, with its line"},
    {.name = "completion",
     .needs = NEEDS_NOTHING,
     .run = run_help,
     .print = print_completion,
     .help = "prints what a shell needs to complete command lines",
     ARGS({.name = "shell",
           .value = "bash|zsh",
           .meaning = "whose",
           .type = ARG_CHOICE,
           .words = "bash zsh",
           .from = FROM_WORD,
           .flags = ARG_NEEDED})},
    {.name = "help",
     .needs = NEEDS_NOTHING,
     .run = run_help,
     .print = print_help,
     .help = "explains the commands",
     ARGS({.name = "command",
           .value = "COMMAND",
           .meaning = "only commands that begin so",
           .from = FROM_WORD,
           .flags = ARG_MANY})},
};
const size_t ncommands = COUNT_OF(commands);

bool command_is_live(const struct command *c, json_t *args)
{
    return c && c->live && (!*c->live || arg_flag(args, c->live));
}

const struct command *command_named(const char *name)
{
    for (size_t i = 0; name && i < ncommands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

/* The longest name counts: "account app-password add" before "account app-password". */
const struct command *command_find(int argc, char **argv, int *used)
{
    for (int n = argc < 3 ? argc : 3; n > 0; n--) {
        char name[96];
        size_t at = 0;
        for (int i = 0; i < n && at < sizeof name; i++)
            at += (size_t)snprintf(name + at, sizeof name - at, "%s%s", i ? " " : "", argv[i]);
        const struct command *c = at < sizeof name ? command_named(name) : NULL;
        *used = n;
        if (c) return c;
    }
    return NULL;
}

static int command_exit(int e)
{
    switch (e) {
    case 0: return EXIT_DONE;
    case NO:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_DENIED:
    case ERR_STATE: return EXIT_NO;
    case ERR_USAGE:
    case ERR_SYNTAX: return EXIT_WRONG_USE;
    default: return EXIT_COULD_NOT;
    }
}

int command_run(const struct command *c, struct request *r, struct buf *error)
{
    ASSERT(c->run && json_is_object(r->reply));
    char id[AUDIT_ID + 1];
    struct audit_act act;
    int e = command_check(c, r->a, r->args, true), refused = e ? 0 : command_may(c, r);
    if (refused) buf_str(error, err_text(refused));
    bool noted = !e && (!refused || command_refusal_fits(r)) && command_audit_begin(c, r, &act, id);
    if (!e) e = refused ? refused : c->run(r);
    if (e < 0 && !refused) buf_str(error, err_text(e));
    if (noted) {
        act.status = command_exit(e);
        act.error = buf_slice(error);
        audit_end(r->core->audit, id, &act);
    }
    return command_exit(e);
}

static int run_upgrade_check(struct request *r)
{
    struct names all = {.name = ar_array(r->a, const char *, ncommands)};
    for (; all.n < ncommands; all.n++) all.name[all.n] = commands[all.n].name;
    return upgrade_check(r, &all);
}

static int run_help(struct request *r)
{
    json_t *list = json_array(), *w;
    struct slice asked = {0};
    size_t i;
    json_array_foreach(json_object_get(r->args, "command"), i, w)
        asked = ar_printf(r->a, "%.*s%s%s", SLF(asked), i ? " " : "", json_string_value(w));
    for (i = 0; i < ncommands; i++)
        if (sl_starts(sl_cstr(commands[i].name), asked))
            json_array_append_new(list, help_command(r->a, &commands[i]));
    json_object_set_new(r->reply, "commands", list);
    if (!asked.n) json_object_set_new(r->reply, "settings", help_settings());
    reply_text(r->reply, "asked", asked);
    return json_array_size(list) ? 0 : err_set(ERR_NOT_FOUND, "there is no command \"%.*s\"", SLF(asked));
}
