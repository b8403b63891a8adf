/* addr.h - addresses in header fields (RFC 5322 section 3.4, 4.4; RFC 6532 UTF-8). Pure.
 * Addresses in SMTP commands are in wire/smtp.h. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { MAIL_ADDRS_MAX = 10000 };

struct mail_addr {
    struct slice name;  /* display name, unquoted, encoded words NOT decoded; may be empty */
    struct slice local; /* unquoted local part */
    struct slice
        domain; /* without blanks and comments, as written (no case folding); literals with brackets */
    struct slice group; /* name of the group it stands in, or empty */
    struct slice route; /* obs-route, or empty */
    bool nobody;        /* no address: the group has no member (mail_addrs_tell only) */
};
struct mail_addrs {
    struct mail_addr *v;
    size_t n;
    bool bad; /* some element was no address and was passed over */
};
/* address-list with groups, comments, quoted strings, obsolete forms. Parses what it can;
 * ERR_SYNTAX only when nothing at all was an address (and the body is not blank),
 * ERR_LIMIT for more than MAIL_ADDRS_MAX. */
MUST_CHECK int mail_addrs_parse(struct arena *a, struct slice body, struct mail_addrs *out);
/* Tells of every element what there is, for those who only show it (RFC 3501 section 7.4.2): of
 * one that is no address the text as local part, what follows its last @ as domain ("" when
 * there is none); groups without members as well. Empty only when the body is blank. Never an
 * address to send to or to judge by: that is mail_addrs_parse. */
void mail_addrs_tell(struct arena *a, struct slice body, struct mail_addrs *out);
/* local@domain with the local part quoted where it must be. */
struct slice mail_addr_spec(struct arena *a, const struct mail_addr *m);
/* "Name <local@domain>", name quoted or encoded (RFC 2047) where it must be. */
struct slice mail_addr_text(struct arena *a, const struct mail_addr *m);
/* The same of the two parts: the one canonical form of every address that is text, in the directory, the
 * queue, the trace, reports and commands. mail_addr_split() is its inverse. */
struct slice mail_addr_join(struct arena *a, struct slice local, struct slice domain);
/* Splits local@domain at the last @ outside quotes; unquotes the local part. Strict:
 * dot-atom or quoted-string, domain or literal, UTF-8 allowed, local <= 64, domain <= 255
 * (RFC 5321 section 4.5.3.1). ERR_SYNTAX, ERR_TOO_LONG. */
MUST_CHECK int mail_addr_split(struct arena *a, struct slice spec, struct slice *local, struct slice *domain);
