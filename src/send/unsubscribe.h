/* unsubscribe.h - leaving a list (RFC 2369, RFC 8058): links that say all themselves, signed by this node, so
 * that they outlive campaigns, templates and keys of signatures; and addresses for who leaves by mail. */
#pragma once
#include "compose.h"
#include "send.h"

/* One letter of a send, in a link or in a local part: kind, send, page, number, signed. */
struct send_ref {
    char kind; /* 'r': where its bounces go; 'u': leave by mail; 'm': in its Message-ID */
    struct letter_id send;
    uint64_t page, number;
};
enum { SEND_REF_MAX = 64 }; /* a local part (RFC 5321 section 4.5.3.1.1) */
struct slice send_ref_text(struct sends *s, struct arena *a, const struct send_ref *r);
/* Its Message-ID: known to who has had the letter, and to nobody else. In a. */
struct slice send_message_id(struct sends *s, struct arena *a, const struct send_ref *r, struct slice domain);
/* In lower or upper case. False: it is none of this node's, or older than any send that is remembered. */
bool send_ref_parse(struct sends *s, struct slice text, struct send_ref *out);

/* Text in a link, that nobody else can make, for one use: the last part of its path. And back, in a; false:
 * it is none. */
struct slice text_seal(struct sends *s, struct arena *a, const char *use, struct slice text);
bool text_unseal(struct sends *s, struct arena *a, const char *use, struct slice token, struct slice *text);

/* Who leaves what. */
struct unsubscribe {
    struct slice account, address; /* account: its id */
    uint32_t group;                /* 0: all */
    struct send_ref letter;        /* from which; its kind 0: not known */
};
/* Slices lie in a. False: it was not made here. */
bool unsubscribe_parse(struct sends *s, struct arena *a, struct slice token, struct unsubscribe *out);
/* Durable when it returns 0; a second time changes nothing. SUSPENDS. */
MUST_CHECK int unsubscribe_do(struct sends *s, const struct unsubscribe *u);
/* Takes back that it left; what a bounce or a complaint has entered stays. Durable; a second time changes
 * nothing. SUSPENDS. */
MUST_CHECK int unsubscribe_undo(struct sends *s, const struct unsubscribe *u);
/* Has the address left already? SUSPENDS. */
MUST_CHECK int unsubscribe_is_done(struct sends *s, const struct unsubscribe *u, bool *done);
enum { UNSUBSCRIBE_LINKS_MAX = 500 }; /* of one text */
/* Puts the link into the text in place of SendGrid's tags: <%asm_group_unsubscribe_raw_url%> leaves the group
 * of u, <%asm_global_unsubscribe_raw_url%> leaves all, <%asm_preferences_raw_url%> leads to the page with the
 * groups. u NULL, of a letter for several: they go. The text stays itself when it has none; else it is in a.
 * ERR_LIMIT: there are too many. */
struct send_hosts;
MUST_CHECK int unsubscribe_tags(struct sends *s, struct arena *a, const struct unsubscribe *u,
                                const struct send_hosts *at, struct slice *text);
/* List-Unsubscribe and List-Unsubscribe-Post (RFC 8058 section 3.1) for a letter that its reader may leave;
 * the fields are added to c, in a. at: the names of ours in it. */
void unsubscribe_fields(struct sends *s, struct arena *a, const struct unsubscribe *u,
                        const struct send_hosts *at, struct compose *c);
