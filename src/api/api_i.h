/* api_i.h - inside the API: what its functions share. */
#pragma once
#include <jansson.h>

#include "httpd/route.h"

struct core;

enum { API_GROUPS_MAX = 9 };
struct api {
    struct core *core;
    char *document;                          /* openapi.json */
    struct buf document_zipped;              /* with gzip */
    struct http_group group[API_GROUPS_MAX]; /* with ctx: this */
    const struct http_group *list[API_GROUPS_MAX];
    size_t n;
};
static inline struct api *api_of(const struct http_call *c) { return c->group->ctx; }

/* answer.c: answers with v as JSON; takes the reference. SUSPENDS. */
void api_json(struct http_call *c, int status, json_t *v);
void api_json_as(struct http_call *c, int status, const char *type, json_t *v);

/* A text of the call as JSON, a member's name once in each object. *held: bytes of memory that it holds
 * (http_hold()) until http_let_go() or the end of the call. ERR_SYNTAX, ERR_TOO_LONG, ERR_LIMIT, ERR_BUSY.
 * SUSPENDS. */
MUST_CHECK int api_parse(struct http_call *c, struct slice text, json_t **out, size_t *held);
/* The body as a JSON object; NULL: it was answered that it is none. The caller gives the reference back. */
json_t *api_body(struct http_call *c);
/* answer.c: a member of an object, of its kind, absent or null (then empty, false). ERR_USAGE in words. */
MUST_CHECK int api_member_text(const json_t *o, const char *name, struct slice *out);
MUST_CHECK int api_member_bool(const json_t *o, const char *name, bool *out);
/* answer.c: of what failed. ERR_USAGE is the caller's fault (400). */
void api_failed(struct http_call *c, int e);

/* auth.c: a key as Bearer ID.SECRET, or as name and password of Basic. For struct http_group. SUSPENDS. */
int api_auth(struct http_call *c);
/* Under which name the guard counts who says that they have the key `id`: what cannot be one is not counted
 * under its own, for names are the peer's to choose. */
struct slice api_counted(struct slice id);
/* Whose key was proved; inside of what guard_prove() runs, so that who may not come in is known by nothing.
 */
struct api_admitted {
    struct account *acc;
    int refused; /* 0, or why it may not be used though it was proved, */
    struct slice why;
};
/* 0; above 0: refused, and no guess; a temporary error. SUSPENDS. */
int api_admit(struct http_call *c, const struct api_key *k, struct api_admitted *out);
/* What guard_prove() gave (e) becomes the key of the call, or an error with its sentence. */
int api_enter(struct http_call *c, const struct api_key *k, const struct api_admitted *x, int e);
void api_watch(struct http_call *c, int status); /* a watch() of its group, for the audit */
bool api_is_noted(const struct http_route *r);   /* is who runs it in the audit? */

/* keys.c */
void api_keys_list(struct http_call *c);
void api_keys_add(struct http_call *c);
void api_keys_remove(struct http_call *c);
/* domains.c */
void api_domains_list(struct http_call *c);
void api_domains_add(struct http_call *c);
void api_domains_show(struct http_call *c);
void api_domains_verify(struct http_call *c);
void api_domains_remove(struct http_call *c);
/* campaigns.c */
void api_campaigns_add(struct http_call *c);
void api_campaigns_list(struct http_call *c);
void api_campaigns_show(struct http_call *c);
void api_campaigns_pause(struct http_call *c);
void api_campaigns_resume(struct http_call *c);
void api_campaigns_cancel(struct http_call *c);
/* events.c */
void api_events(struct http_call *c);
void api_suppressions_list(struct http_call *c);
void api_suppressions_add(struct http_call *c);
void api_suppressions_remove(struct http_call *c);
/* stats.c */
void api_stats(struct http_call *c);
/* unsubscribe.c: links in letters */
extern const struct http_group api_unsubscribe;
/* tracking.c: images and links in letters */
extern const struct http_group api_tracking;
/* own.c: our own routes. Errors are problem details (RFC 9457). */
extern const struct http_group api_own;
/* openapi.c */
void api_openapi(struct http_call *c);
char *api_document(const struct api *x); /* its text, made of the routes; free() */
/* acme.c */
void api_acme(struct http_call *c);
/* messages.c */
void api_messages_add(struct http_call *c);
void api_messages_show(struct http_call *c);
/* commands.c */
void api_commands_list(struct http_call *c);
void api_commands_run(struct http_call *c);
/* discover.c */
extern const struct http_group api_discovery;
/* metrics.c */
void api_metrics(struct http_call *c);
/* health.c */
void api_health(struct http_call *c);
