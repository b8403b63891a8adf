/* mailjet.h - Mailjet's dialect: POST /v3.1/send. Inside src/api. */
#pragma once
#include "dialect.h"

struct mailjet_message {
    struct dialect_send s;
    struct send_letter letter;
    int64_t template_id;     /* 0: none; to be found by the caller */
    struct send_addr report; /* TemplateErrorReporting, or empty */
    struct slice report_why; /* what is to be reported, or empty */
    json_t *errors, *json;   /* of this message; what it was read from */
};
/* What a call becomes. Slices lie in the JSON or in d's arena. */
struct mailjet_call {
    struct dialect d;
    struct mailjet_message *message;
    size_t n, at;     /* at: the one that is being taken apart */
    json_t *errors;   /* of the call as a whole */
    const char *code; /* of the fault that is told next; NULL: by its error */
    bool sandbox;
};
/* Takes the call apart; d.faults counts what is wrong. mailjet_end() in any case. Does not suspend. */
void mailjet_read(struct mailjet_call *m, const json_t *body);
void mailjet_end(struct mailjet_call *m);
/* {"ErrorIdentifier", "ErrorCode", "StatusCode", "ErrorMessage", "ErrorRelatedTo"}; related: places with
 * commas between, or NULL. */
json_t *mailjet_error(const char *code, int status, const char *sentence, const char *related);

/* The code of its table for what was refused so. */
const char *mailjet_code(int e);

/* mailjet_report.c: reports to be taken with the messages, at most one for each; of[]: its message. SUSPENDS.
 */
size_t mailjet_reports(struct http_call *c, struct mailjet_call *m, struct dialect_send *out, size_t *of);

/* mailjet_templates.c */
void mailjet_template_create(struct http_call *c);
void mailjet_template_list(struct http_call *c);
void mailjet_template_get(struct http_call *c);
void mailjet_template_delete(struct http_call *c);
void mailjet_content_put(struct http_call *c);
void mailjet_content_get(struct http_call *c);

/* mailjet_list.c: answers with those that are asked for: Limit, Offset, Sort, countOnly, and each member of
 * theirs as a filter; other parameters are refused, but for `others` (until NULL; or NULL), which are heard
 * by the caller. Takes the reference. */
void mailjet_list(struct http_call *c, json_t *all, const char *const *others);
/* Its parts, for a list of which not all is in memory. ERR_USAGE with a sentence. */
enum { MAILJET_PAGE_MAX = 1000 };
struct mailjet_page {
    uint64_t limit, offset;
    bool count_only;
};
MUST_CHECK int mailjet_page(struct http_call *c, struct mailjet_page *out);
/* A parameter that is a Unix time, or a date with its time (RFC 3339); without it *seconds stays. */
MUST_CHECK int mailjet_time(struct http_call *c, const char *name, int64_t *seconds);
MUST_CHECK int mailjet_not_a_filter(struct slice key);
/* list: those of the page; total: all that were asked for. Takes the reference. */
void mailjet_told(struct http_call *c, const struct mailjet_page *p, json_t *list, size_t total);

/* mailjet_messages.c: in Mailjet's words */
const char *mailjet_status(const struct send_info *i);
json_t *mailjet_message_json(const struct send_info *i, const struct send_first *f, bool with_custom);
json_t *mailjet_information_json(const struct send_info *i);
void mailjet_message_get(struct http_call *c);
void mailjet_message_history(struct http_call *c);
void mailjet_message_information(struct http_call *c);

/* mailjet_message_list.c */
void mailjet_message_list(struct http_call *c);
void mailjet_information_list(struct http_call *c);

/* mailjet_stats.c */
void mailjet_stat_counters(struct http_call *c);

/* mailjet_senders.c */
void mailjet_sender_create(struct http_call *c);
void mailjet_sender_list(struct http_call *c);
void mailjet_sender_get(struct http_call *c);
void mailjet_sender_delete(struct http_call *c);
void mailjet_sender_validate(struct http_call *c);
void mailjet_dns_list(struct http_call *c);
void mailjet_dns_get(struct http_call *c);
void mailjet_dns_check(struct http_call *c);

/* mailjet_events.c */
void mailjet_callback_create(struct http_call *c);
void mailjet_callback_list(struct http_call *c);
void mailjet_callback_get(struct http_call *c);
void mailjet_callback_change(struct http_call *c);
void mailjet_callback_delete(struct http_call *c);
extern const struct http_group api_mailjet, api_mailjet_rest, api_mailjet_old;
