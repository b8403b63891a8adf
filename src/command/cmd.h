/* cmd.h - the functions of the subcommands, for the table in commands.c. */
#pragma once
#include "command.h"
#include "core/audit.h"

struct account;
struct dkim_key;
struct intake_from;

/* each command `name` has run_name and print_name */
/* clang-format off */
#define COMMAND_FUNCTIONS(X)                                                                                \
    X(import) X(export)                                                                                     \
    X(domain_add) X(domain_remove) X(domain_set) X(domain_list) X(domain_show)                              \
    X(account_add) X(account_passwd) X(account_disable) X(account_enable) X(account_remove) X(account_list) \
    X(account_rename) X(account_pardon) X(account_grant) X(account_revoke)                                                    \
    X(app_password_add) X(app_password_list) X(app_password_remove)                                         \
    X(account_set) X(account_show)                                                                         \
    X(quota_set) X(quota_list) X(quota_remove)                                                             \
    X(person_export) X(person_erase)                                                                       \
    X(alias_add) X(alias_remove) X(alias_list)                                                              \
    X(list_add) X(list_set) X(list_remove) X(list_list) X(list_show) X(list_member_add) X(list_member_remove) \
    X(queue_list) X(queue_show) X(queue_retry) X(queue_hold) X(queue_release) X(queue_drop) X(queue_reroute) X(queue_stats) X(queue_top) X(junk_explain) \
    X(trace) X(watch) X(debug) X(dns_records) X(dns_check) X(dns_publish) X(check_spf) X(check_dkim) X(check_arc) X(check_message) X(send)   \
    X(dkim_list) X(dkim_rotate) X(dkim_publish_check) X(dmarc_report) X(dmarc_send_reports)                 \
    X(stats) X(verify) X(images) X(backup) X(restore) X(init) X(config_check) X(check_reply) \
    X(send_test) X(try) X(sending_domain_add) X(sending_domain_list) X(sending_domain_show) X(sending_domain_set) \
    X(sending_domain_verify) X(sending_domain_remove) X(webhook_add) X(webhook_list) X(webhook_remove) X(webhook_resume) X(inbound_add) X(inbound_list) X(inbound_remove) \
    X(campaign_list) X(campaign_show) X(campaign_pause) X(campaign_resume) X(campaign_cancel) \
    X(suppression_list) X(suppression_add) X(suppression_remove) X(suppression_import) X(suppression_export) \
    X(shaping_check) X(shaping_show) X(tls_probe) X(tls_report) X(tls_send_reports) X(block_list) X(block_add) X(block_remove) \
    X(source_add) X(source_list) X(source_show) X(source_login) X(source_remove) X(source_pool) X(source_use) X(source_forget) X(source_warm) \
    X(key_add) X(key_list) X(key_remove) X(cert_list) X(cert_show) X(cert_renew) X(doctor) X(setup) \
    X(rollback) \
    X(audit) X(alerts) X(domain_admin_add) X(domain_admin_remove)
/* clang-format on */
#define X(name)                                                                                              \
    int run_##name(struct request *r);                                                                       \
    void print_##name(json_t *args, json_t *reply, struct buf *out);
COMMAND_FUNCTIONS(X)
#undef X
void print_completion(json_t *args, json_t *reply, struct buf *out);
void print_help(json_t *args, json_t *reply, struct buf *out);
/* and those that list have print_row_name */
void print_row_queue_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_queue_top(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_trace(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_debug(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_watch(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_account_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_quota_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_alias_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_list_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_list_show(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_source_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_key_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_inbound_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_sending_domain_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_webhook_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_campaign_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_suppression_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_suppression_export(json_t *args, json_t *row, size_t i, struct buf *out);
json_t *answer_port(struct request *r, json_t *question);
json_t *answer_person_export(struct request *r, json_t *question);
void print_row_import(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_export(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_alerts(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_audit(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_domain_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_dkim_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_block_list(json_t *args, json_t *row, size_t i, struct buf *out);
void print_row_verify(json_t *args, json_t *row, size_t i, struct buf *out);
void print_numbers(json_t *args, json_t *reply, struct buf *out); /* every number of the reply on a line */
/* For help: a command with its arguments, and all settings, as data. */
json_t *help_command(struct arena *a, const struct command *c);
json_t *help_settings(void);

/* A user of the machine writes as themselves: LOGIN at the first domain, and what its account may. *account
 * stays with *from. ERR_DENIED: that account is disabled. SUSPENDS. */
MUST_CHECK int bind_to_login(struct request *r, struct account *account, struct intake_from *from);
/* cmd_upgrade.c; the names of all commands: those that the other program lacks are told. SUSPENDS. */
struct names {
    const char **name;
    size_t n;
};
MUST_CHECK int upgrade_check(struct request *r, const struct names *known);
void print_upgrade_check(json_t *args, json_t *reply, struct buf *out);
struct command_next setup_next(json_t *args, json_t *reply); /* cmd_setup.c */
bool send_only_asks(json_t *args);                           /* cmd_send.c */
/* authority.c: may who asks run it with these arguments? ERR_DENIED. SUSPENDS. */
MUST_CHECK int command_may(const struct command *c, struct request *r);
/* Is a domain of the node theirs who ask? All are the operator's. SUSPENDS. */
MUST_CHECK int command_administers(struct request *r, struct slice domain, bool *yes);
/* May one more refusal be noted today? Who may nothing cannot push out of the audit what was done. */
bool command_refusal_fits(struct request *r);
/* Notes that it begins; false: it is not to be noted, or could not be. SUSPENDS. */
bool command_audit_begin(const struct command *c, struct request *r, struct audit_act *act,
                         char id[AUDIT_ID + 1]);
/* cmd_account.c: the one of the argument `address`; without that its id is empty. SUSPENDS. */
MUST_CHECK int account_if_named(struct request *r, struct account *out);
/* cmd_stats.c: of one account */
MUST_CHECK int run_stats_of(struct request *r);
void print_stats_of(json_t *reply, struct buf *out);
json_t *dkim_key_json(const struct dkim_key *k);
/* cmd_dns.c: its chain; empty when it cannot be read. */
struct slice served_certificate(struct core *core, struct arena *a);
int ahead_backup(void);
int after_backup(const struct config *conf, json_t *args);
int before_verify(const struct config *conf, struct request *r);
/* cmd_rescue.c */
MUST_CHECK int rescue_before(const struct config *conf, struct request *r);
MUST_CHECK int rescue_rows(struct request *r);
void print_rebuilt(json_t *reply, struct buf *out);
int count_account(void *n, struct account *acc); /* for account_each() */
