/* api_key.h - what a key of the HTTP API allows. */
#pragma once
#include "directory.h"

/* clang-format off */
#define API_SCOPES(X) \
    X(MAIL_SEND, "mail.send", "send messages as what its account may send as") \
    X(MESSAGES_READ, "messages.read", "see what became of the account's messages") \
    X(EVENTS_READ, "events.read", "read the account's events") \
    X(STATS_READ, "stats.read", "read the account's numbers") \
    X(TEMPLATES, "templates", "read and change templates") \
    X(SUPPRESSION, "suppression", "read and change who gets nothing") \
    X(CAMPAIGNS, "campaigns", "make, watch, pause and cancel campaigns") \
    X(WEBHOOKS, "webhooks", "read and change where events are sent to") \
    X(KEYS, "keys", "make and remove keys of the account, with no more scopes than its own") \
    X(METRICS, "metrics", "read the figures of the node") \
    X(ADMIN, "admin", "do what the operator's commands do")
/* clang-format on */
enum api_scope_number {
#define X(name, word, meaning) SCOPE_NUMBER_##name,
    API_SCOPES(X)
#undef X
};
enum api_scope {
    SCOPE_NONE = 0,
#define X(name, word, meaning) SCOPE_##name = 1 << SCOPE_NUMBER_##name,
    API_SCOPES(X)
#undef X
};
const char *api_scope_word(unsigned scope); /* of one scope: "mail.send" */
