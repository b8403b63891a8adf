/* dkim_i.h - what DKIM and ARC share: a signature field read, header hashes, keys, judgement. */
#pragma once
#include "dkim.h"

/* ---- signature fields: dkim_sig.c ---- */

/* Three fields of one family (RFC 6376 section 3.5, RFC 8617 section 4.1). */
enum sig_family { FAMILY_DKIM = 1, FAMILY_AMS = 2, FAMILY_SEAL = 4 };

struct dkim_sig {
    enum sig_family family;
    const struct mail_field *field;
    enum dkim_result result; /* DKIM_NONE: well formed so far */
    struct slice reason;
    struct slice b_span;    /* where in the field the signature stands: taken out before hashing */
    struct slice b_text, b; /* b= without blanks, and decoded */
    struct slice bh;
    struct slice algorithm;
    enum key_kind kind;
    struct slice domain, selector, domain_written, selector_written;
    enum dkim_canon head_canon, body_canon;
    struct slice *name; /* h= */
    size_t nnames;
    struct slice names;                     /* the same without blanks */
    struct slice identity, identity_domain; /* the domain in A-labels, lower case */
    bool has_identity;
    int64_t timestamp, expires; /* -1 = none */
    bool has_length;
    uint64_t length;
    int instance;        /* ARC: i=; 0 = none */
    struct slice cv;     /* ARC-Seal */
    struct slice copied; /* z= as written */
    int want;            /* number of the body hash; -1 = none */
};
/* Reads and checks one field; what is wrong with it is in result and reason. */
void dkim_sig_read(struct arena *a, const struct mail_field *f, enum sig_family family, struct dkim_sig *out);
/* Sets result and reason unless an earlier refusal stands; returns false. */
bool dkim_refuse(struct arena *a, struct dkim_sig *s, enum dkim_result r, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* A domain or selector as A-labels in lower case: labels of letters, digits, "-" (and "_"). */
bool dkim_name_ascii(struct arena *a, struct slice name, size_t labels, struct slice *out);

/* dkim-quoted-printable (section 2.11): blanks dropped, only upper-case digits. */
bool dkim_qp_decode(struct arena *a, struct slice v, struct slice *out);

/* ---- header hashes: dkim_head.c ---- */

/* Appends the field in canonical form; the bytes of `without` (inside of f->raw, or empty)
 * are left out. crlf: with its final CRLF. */
void dkim_canon_field(struct buf *out, enum dkim_canon c, const struct mail_field *f, struct slice without,
                      bool crlf);

/* Hashes of the names of a header's fields, so that picking by name is cheap. */
struct dkim_names {
    const struct mail_head *head;
    uint64_t *hash;
    uint8_t *used;
};
void dkim_names_init(struct arena *a, const struct mail_head *head, struct dkim_names *out);
/* Forgets what was picked. own: a field that is never picked, or NULL. */
void dkim_names_reset(struct dkim_names *n, const struct mail_field *own);
/* The lowest field of that name not picked yet (RFC 6376 section 5.4.2), or NULL. */
const struct mail_field *dkim_names_pick(struct dkim_names *n, struct slice name);

/* Appends all that a DKIM or ARC message signature hashes: the fields of h=, then the field
 * itself without b= and without CRLF (section 3.7). */
void dkim_head_data(struct buf *out, struct dkim_names *n, const struct dkim_sig *s);
/* Is there a field of which RFC 5322 allows one only, signed at least once, with another
 * that h= does not cover? Its name, or empty. Call after dkim_head_data for the same s. */
struct slice dkim_unsigned_extra(const struct dkim_names *n, const struct dkim_sig *s);
/* ---- keys: dkim_pubkey.c ---- */

enum { DKIM_RECORDS_MAX = 4 }; /* key records tried when a name has several */

struct dkim_pubkey {
    struct slice name; /* selector._domainkey.domain */
    bool asked, read;
    struct dns_answer answer; /* when asked */
    int error;                /* of dns_ask */
    struct dkim_record record[DKIM_RECORDS_MAX];
    struct verify_key *public[DKIM_RECORDS_MAX]; /* NULL: not usable, why[] tells it */
    struct slice why[DKIM_RECORDS_MAX];
    size_t n;               /* well-formed records */
    struct slice malformed; /* what was wrong with the first record that is none */
};
struct dkim_pubkeys {
    struct arena *a;
    struct dns *dns;
    struct dkim_pubkey *key[DKIM_SIGS_MAX + 64];
    size_t n;
};
void dkim_pubkeys_init(struct dkim_pubkeys *k, struct arena *a, struct dns *dns);
/* The entry for that key; NULL when there are `max` others. Not asked yet. */
struct dkim_pubkey *dkim_pubkeys_add(struct dkim_pubkeys *k, struct slice selector, struct slice domain,
                                     size_t max);
/* Asks for all that were not asked yet, side by side. SUSPENDS. 0 or ERR_CANCELED. */
MUST_CHECK int dkim_pubkeys_ask(struct dkim_pubkeys *k);
/* Parses the answers that have come. Until then nothing needs dkim_pubkeys_free. */
void dkim_pubkeys_read(struct dkim_pubkeys *k);
void dkim_pubkeys_free(struct dkim_pubkeys *k);

/* ---- judgement: dkim_judge.c ---- */

struct dkim_facts {
    int key_bits;
    bool testing, weak;
    uint64_t uncovered;
};
/* Tries the key's records on a signature over `data` (canonical header bytes); for families with
 * a body hash, that as well. Sets s->result and s->reason. */
void dkim_judge(struct arena *a, struct dkim_sig *s, const struct dkim_pubkey *key, const struct dkim_body *b,
                struct slice data, struct dkim_facts *facts);

/* ---- diagnosis: dkim_copies.c ---- */

/* Which field, according to the copies in z=, was changed? Empty: none can be told. */
struct slice dkim_changed_field(struct arena *a, const struct mail_head *head, const struct dkim_sig *s);

/* ---- policy: dkim_verify.c ---- */

/* Sets a refusal for a signature that x= says is over. */
void dkim_check_expiry(struct arena *a, struct dkim_sig *s, const struct dkim_policy *p);
/* What a verified signature may still lack (see dkim.h); p->now is set. Names as dkim_head_data left them. */
void dkim_check_policy(struct arena *a, struct dkim_sig *s, const struct dkim_policy *p,
                       const struct dkim_names *names, uint64_t uncovered);

/* ---- comments: dkim_sig.c ---- */

/* s without the blanks, folds and comments at its front (CFWS, RFC 5322 section 3.2.2). */
struct slice dkim_skip_cfws(struct slice s);

/* ---- composing: dkim_compose.c ---- */

/* A field that grows line by line: broken with CRLF TAB before what would pass column 76. */
struct dkim_fold {
    struct buf *out;
    size_t column;
};
void dkim_fold_start(struct dkim_fold *f, struct buf *out, const char *name);    /* "Name:" */
void dkim_fold_tag(struct dkim_fold *f, const char *fmt, ...) PRINTF_LIKE(2, 3); /* " v=1;" in one piece */
/* " h=from:to;", broken behind sep */
void dkim_fold_list(struct dkim_fold *f, const char *tag, struct slice list, char sep);

/* The names of h= for a message by these rules, "from:from:to": each as often as it occurs,
 * and once more when oversigned. */
enum { DKIM_SIGN_EACH_MAX = 32 };
struct slice dkim_rule_names(struct arena *a, const struct mail_head *head,
                             const struct dkim_field_rule *rules, size_t n);
/* Can this key, domain and selector sign? ERR_USAGE, ERR_DENIED. */
MUST_CHECK int dkim_signer_ok(struct arena *a, struct slice domain, struct slice selector,
                              struct sign_key *key);
const char *dkim_algorithm(const struct sign_key *k); /* a= */
/* Signs what `data` holds and then the field that begins at out->p[from] and ends in "b=" (or
 * only the field, for data empty), appends the signature and CRLF. data grows and is cut back. */
MUST_CHECK int dkim_sign_field(struct buf *out, size_t from, struct buf *data, enum dkim_canon c,
                               struct sign_key *key, struct dkim_fold *f);
