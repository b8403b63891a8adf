/* convert.h - a message made fit for a server that takes fewer bytes than it holds: 8-bit text and binary
 * parts become quoted-printable or base64, part by part (RFC 6152 section 3, RFC 3030 section 3, RFC 2045).
 * Pure.
 *
 * The message is read three times, in pieces of any size; what is kept of it is its structure:
 *     mail_convert_begin
 *     mail_convert_look    all of it      where its parts are
 *     mail_convert_weigh   all of it      what each part holds
 *     mail_convert_decide                 can it be done, and how
 *     mail_convert_start, mail_convert_next (all of it), mail_convert_finish      again as often as wanted
 * Nothing is changed but the parts that need it, their Content-Transfer-Encoding and that of those around
 * them. Signed parts (multipart/signed, RFC 1847) stay as they are, to the byte. */
#pragma once
#include "mime.h"

enum mail_convert_to {
    MAIL_CONVERT_TO_7BIT, /* no bytes above 127, and lines */
    MAIL_CONVERT_TO_8BIT, /* lines of at most 998 bytes that end in CR LF, no NUL */
};
struct mail_convert;
/* Lies in a, with what it keeps. mail_convert_free() must be called before a goes. */
struct mail_convert *mail_convert_begin(struct arena *a, enum mail_convert_to to);
void mail_convert_look(struct mail_convert *c, struct slice bytes);
void mail_convert_weigh(struct mail_convert *c, struct slice bytes);
/* ERR_UNSUPPORTED with a phrase: which part of it cannot be converted, and why. */
MUST_CHECK int mail_convert_decide(struct mail_convert *c);
void mail_convert_start(struct mail_convert *c);
/* Adds to out what becomes of the bytes; not more than about four times as many. */
void mail_convert_next(struct mail_convert *c, struct slice bytes, struct buf *out);
void mail_convert_finish(struct mail_convert *c, struct buf *out);
void mail_convert_free(struct mail_convert *c);
