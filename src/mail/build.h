/* build.h - making header fields: trace, dates, ids, folding. Pure.
 *
 * What a peer said (HELO, reverse names, logins) goes through mail_clean() or is cut to a
 * safe alphabet here, so that no peer can forge a field or hide text in one. Every function
 * that makes a field writes it whole, with its final CRLF. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"

/* One time-stamp line (RFC 5321 section 4.4). */
struct mail_received {
    struct slice helo; /* as the peer said it; empty for letters made here */
    struct ip peer;    /* family 0: none (then no TCP-info) */
    struct slice name; /* the peer's verified reverse name, or empty ("unknown" is then left out) */
    struct slice by;   /* our hostname */
    struct slice with; /* "ESMTPS" (mail_with()), or empty */
    struct slice tls_version, tls_cipher; /* empty without TLS */
    struct slice id;                      /* the letter's id, or empty */
    struct slice for_one; /* the only recipient, local@domain; empty when there are several (section 7.2) */
    bool has_priority;    /* RFC 6710 section 4.1: */
    int priority;
    int64_t when; /* Unix seconds */
};
void mail_received(struct buf *out, const struct mail_received *r);
/* The protocol of the with clause (RFC 3848, RFC 6531 section 4.3): "SMTP" "ESMTP" "ESMTPS"
 * "ESMTPA" "ESMTPSA", with smtputf8 "UTF8SMTP" "UTF8SMTPS" ...; static. */
struct slice mail_with(bool extended, bool tls, bool auth, bool smtputf8);

/* The same of LMTP: "LMTP" "LMTPS" "UTF8LMTP" "UTF8LMTPS". */
struct slice mail_with_lmtp(bool tls, bool smtputf8);

/* "Return-Path: <path>"; an empty path is <> (RFC 5321 section 4.4). */
void mail_return_path(struct buf *out, struct slice path);
void mail_date_field(struct buf *out, struct slice name, int64_t when);
/* "<time.random@domain>" without field name (RFC 5322 section 3.6.4). In the arena. */
struct slice mail_message_id(struct arena *a, int64_t when, uint64_t random, struct slice domain);

/* "Name: body" folded before blanks so that lines stay within 78 bytes where possible and
 * 998 in any case (RFC 5322 section 2.1.1). The body is one logical line: CR and LF in it
 * become spaces, control characters but HTAB become '?'. */
void mail_field(struct buf *out, struct slice name, struct slice body);

/* What a peer said, fit for a comment or a status line: printable ASCII kept but for
 * ( ) \ ", everything else as '?', cut to max bytes. In the arena. */
struct slice mail_clean(struct arena *a, struct slice s, size_t max);
