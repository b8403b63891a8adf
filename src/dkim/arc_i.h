/* arc_i.h - an ARC chain as it stands in a header section. */
#pragma once
#include "arc.h"
#include "dkim_i.h"

/* What was found for one instance; more than one field of a kind is a forged chain. */
struct arc_found {
    unsigned naar, nams, nseal;
    const struct mail_field *aar;
    struct slice payload; /* of the AAR, as it stands behind "i=N;" */
    struct dkim_sig ams, seal;
};
struct arc_chain {
    struct arc_found set[ARC_SETS_MAX + 1]; /* by instance */
    int highest;
    size_t fields;    /* ARC fields in the header */
    struct slice bad; /* why a field cannot belong to any set, or empty */
};
void arc_read(struct arena *a, const struct mail_head *head, struct arc_chain *out);
/* RFC 8617 section 5.2 steps 1 to 3; empty: the structure is valid (or there is no chain). */
struct slice arc_structure(struct arena *a, const struct arc_chain *c);
/* Appends the set's fields as seals hash them (section 5.1.1), without the seal. */
void arc_put_evidence(struct buf *data, const struct arc_found *s);
