/* dkim_record.h - tag=value lists (RFC 6376 section 3.2) and DKIM key records (section
 * 3.6.1), read and written. Pure: no DNS here, memory only from the arena. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/crypto.h"

/* ---- tag=value lists: DKIM-Signature, ARC fields, key records, DMARC records ---- */

enum { TAGS_MAX = 64 };

struct tag {
    struct slice name;  /* case matters */
    struct slice value; /* blanks around it taken away, those inside kept as they are */
    struct slice span;  /* all between "=" and ";" (or the end), blanks included */
};
struct tag_list {
    struct tag *v;
    size_t n;
};
/* Strict: ALPHA *(ALPHA / DIGIT / "_") names; values of printable ASCII but ";", UTF-8
 * (RFC 8616), and blanks or folds inside; each tag-spec must have a name and "="; one
 * final ";" is allowed. A name that occurs twice makes the whole list invalid. Slices
 * point into s. ERR_SYNTAX with a sentence, ERR_LIMIT for more than TAGS_MAX tags. */
MUST_CHECK int tag_list_parse(struct arena *a, struct slice s, struct tag_list *out);
const struct tag *tag_find(const struct tag_list *l, const char *name); /* NULL when it is not there */
struct slice tag_value(const struct tag_list *l, const char *name);     /* p NULL when it is not there */

/* Takes the next piece of a list separated by `sep`, without blanks and folds around
 * it; false at the end. *rest begins as the whole value. */
bool tag_item(struct slice *rest, char sep, struct slice *item);

/* ---- key records ---- */

enum { DKIM_RECORD_MAX = 16384 }; /* longer ones are not looked at */

struct dkim_record {
    bool known_kind;      /* k= is one that we know (rsa, ed25519) */
    enum key_kind kind;   /* when known_kind */
    struct slice k;       /* k= as written; "rsa" when there is none */
    struct slice public;  /* p= decoded; empty: the key is revoked */
    bool sha256_ok;       /* h= is missing or lists sha256 */
    bool email_ok;        /* s= is missing or lists * or email */
    bool testing, strict; /* t=y, t=s */
    struct slice notes;   /* n= as written */
};
/* ERR_SYNTAX with a sentence: no tag list, v= not first or not DKIM1, no p=, p= no base64.
 * What is well formed but of no use (revoked, unknown k=) is not an error here. */
MUST_CHECK int dkim_record_parse(struct arena *a, struct slice txt, struct dkim_record *out);

/* "v=DKIM1; k=rsa; p=..." for a private key, h=sha256 included for RSA; flags: "" or
 * what t= is to say ("s", "y", "y:s"). */
struct slice dkim_record_text(struct arena *a, struct sign_key *k, const char *flags);
/* TXT record data in master-file form: quoted strings of at most 255 bytes each,
 * separated by blanks: "v=DKIM1; ..." "rest". */
struct slice dkim_txt_quote(struct arena *a, struct slice text);
/* selector._domainkey.domain */
struct slice dkim_key_name(struct arena *a, struct slice selector, struct slice domain);
/* The whole line: name. IN TXT "..." */
struct slice dkim_record_line(struct arena *a, struct slice selector, struct slice domain,
                              struct sign_key *k);
