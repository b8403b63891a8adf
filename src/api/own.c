/* own.c - the table of our own routes, and the form of their errors (RFC 9457). */
#include "dialect.h"

static void problem(struct http_call *c, int status, const char *sentence)
{
    api_json_as(
        c, status, "application/problem+json",
        json_pack("{s:s,s:i,s:s}", "title", http_reason(status), "status", status, "detail", sentence));
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/openapi.json", NONE, api_openapi, "this document", .response = "OpenAPI"),
    HTTP_ROUTE(POST, "/v1/messages", MAIL_SEND, api_messages_add,
               "sends a message; durable when it is answered", .request = "Message", .response = "Taken",
               .body_max = DIALECT_BODY_MAX),
    HTTP_ROUTE(GET, "/v1/messages/{id}", MESSAGES_READ, api_messages_show, "what became of a message",
               .response = "MessageState"),
    HTTP_ROUTE(GET, "/v1/keys", KEYS, api_keys_list, "lists the keys of the account", .response = "Keys"),
    HTTP_ROUTE(POST, "/v1/keys", KEYS, api_keys_add, "makes a key of the account; it is told only once",
               .request = "NewKey", .response = "MadeKey"),
    HTTP_ROUTE(DELETE, "/v1/keys/{id}", KEYS, api_keys_remove, "removes a key of the account, at once"),
    HTTP_ROUTE(GET, "/v1/commands", DOMAINS, api_commands_list, "lists the operator's commands"),
    HTTP_ROUTE(POST, "/v1/commands/{name}", DOMAINS, api_commands_run,
               "runs one (queue.list), with its arguments as an object; rows come as lines of JSON",
               .flags = HTTP_ROUTE_STREAM),
    HTTP_ROUTE(GET, "/.well-known/acme-challenge/{token}", NONE, api_acme,
               "proves a name to an authority (RFC 8555)", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(POST, "/v1/campaigns", CAMPAIGNS, api_campaigns_add,
               "takes a campaign: a line of JSON as its head, a line for each recipient (NDJSON)",
               .response = "TakenCampaign", .flags = HTTP_ROUTE_STREAM),
    HTTP_ROUTE(GET, "/v1/campaigns", CAMPAIGNS, api_campaigns_list, "lists campaigns and how they stand",
               .response = "Campaigns"),
    HTTP_ROUTE(GET, "/v1/campaigns/{id}", CAMPAIGNS, api_campaigns_show, "how a campaign stands",
               .response = "Campaign"),
    HTTP_ROUTE(POST, "/v1/campaigns/{id}/pause", CAMPAIGNS, api_campaigns_pause, "sends nothing for now",
               .response = "Campaign"),
    HTTP_ROUTE(POST, "/v1/campaigns/{id}/resume", CAMPAIGNS, api_campaigns_resume, "goes on",
               .response = "Campaign"),
    HTTP_ROUTE(POST, "/v1/campaigns/{id}/cancel", CAMPAIGNS, api_campaigns_cancel, "drops what has not left",
               .response = "Campaign"),
    HTTP_ROUTE(GET, "/v1/events", EVENTS_READ, api_events,
               "what became of recipients, from behind ?after=ID, at most ?limit=N", .response = "Events"),
    HTTP_ROUTE(GET, "/v1/stats", STATS_READ, api_stats,
               "what became of recipients, in numbers: ?by=campaign&name=N&from=DAY&to=DAY&each=day"),
    HTTP_ROUTE(GET, "/v1/suppressions", SUPPRESSION, api_suppressions_list,
               "who gets nothing, and why, from behind ?after=PLACE", .response = "Suppressions"),
    HTTP_ROUTE(POST, "/v1/suppressions", SUPPRESSION, api_suppressions_add, "enters an address",
               .request = "Suppression"),
    HTTP_ROUTE(DELETE, "/v1/suppressions/{email}", SUPPRESSION, api_suppressions_remove,
               "takes every entry of an address away"),
    HTTP_ROUTE(GET, "/healthz", METRICS, api_health, "does the node serve?", .response = "Health",
               .flags = HTTP_ROUTE_LOCAL),
    HTTP_ROUTE(GET, "/metrics", METRICS, api_metrics, "the figures of the node, for Prometheus",
               .flags = HTTP_ROUTE_LOCAL),
};
const struct http_group api_own = {.name = "tram",
                                   .prefix = "/",
                                   .route = routes,
                                   .n = COUNT_OF(routes),
                                   .auth = api_auth,
                                   .watch = api_watch,
                                   .error = problem};
