/* spf_i.h - what the parts of SPF share: spf_record.c (grammar), spf_macro.c (expansion),
 * spf_eval.c (check_host). */
#pragma once
#include "spf.h"

/* Length of the macro-expand ("%{...}", "%%", "%_", "%-") at the start of s; 0 when it is
 * malformed. c, r and t are letters only in explanations. */
size_t spf_macro_length(struct slice s, bool exp_text);
/* explain-string: macro-strings and spaces (section 6.2, 7.1). */
bool spf_explanation_ok(struct slice s);

/* What macros stand for (section 7.2). */
struct spf_vars {
    struct slice local, sender_domain; /* of <sender>, A-labels */
    struct slice domain;               /* <domain> of this check_host() */
    struct slice helo, receiver;
    struct slice validated; /* %{p} */
    struct ip ip;
    int64_t now; /* seconds since the epoch */
};
/* Which macro letters stand in s? Bit n for 'a' + n. */
uint32_t spf_macro_letters(struct slice s);
static inline bool spf_has_letter(uint32_t letters, char c) { return letters >> (c - 'a') & 1; }
/* s passed the grammar. */
struct slice spf_expand(struct arena *a, struct slice s, const struct spf_vars *v);
/* The expansion as a name to ask for: cut from the left to 253 bytes (section 7.3), no
 * final dot, in presentation form. False: it can be no name (an empty or too long label,
 * bytes that are not ASCII). */
bool spf_target(struct arena *a, struct slice expanded, struct slice *name);
