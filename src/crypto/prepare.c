/* prepare.c - passwords and user names made comparable: the PRECIS profile
 * OpaqueString (RFC 8265 section 4.2) over the FreeformClass (RFC 8264 section 4.3). */
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto.h"

enum { OPAQUE_MAX = 1024 };

/* Contextual rules for the joiners, RFC 5892 A.1 and A.2, in their part that needs no
 * joining types: after a virama. */
static bool joiner_allowed(uint32_t before) { return before && uc_combining_class(before) == UC_CCC_VR; }

/* RFC 8264 section 4.3.2 to 4.3.4: what FreeformClass keeps out. */
static bool freeform(uint32_t cp, uint32_t before)
{
    if (cp == 0x200C || cp == 0x200D) return joiner_allowed(before);
    if (cp >= 0x1100 && cp <= 0x11FF) return false; /* OldHangulJamo (RFC 8264 section 9.9) */
    if (uc_is_general_category(cp, UC_CONTROL) || uc_is_general_category(cp, UC_PRIVATE_USE) ||
        uc_is_general_category(cp, UC_SURROGATE) || uc_is_general_category(cp, UC_UNASSIGNED))
        return false;
    return !uc_is_property(cp, UC_PROPERTY_DEFAULT_IGNORABLE_CODE_POINT);
}

static int map_spaces(struct slice s, struct buf *out)
{
    for (uint32_t cp, before = 0; s.n; before = cp) {
        if (!utf8_next(&s, &cp)) return err_set(ERR_SYNTAX, "it is not valid UTF-8");
        if (!freeform(cp, before)) return err_set(ERR_SYNTAX, "the character U+%04X is not allowed", cp);
        utf8_put(out, uc_is_general_category(cp, UC_SPACE_SEPARATOR) ? ' ' : cp);
    }
    return 0;
}

int opaque_string(struct slice s, struct buf *out)
{
    if (!s.n) return err_set(ERR_SYNTAX, "it is empty");
    if (s.n > OPAQUE_MAX) return err_set(ERR_TOO_LONG, "it is longer than %d bytes", OPAQUE_MAX);
    struct buf spaced = BUF_INIT;
    int e = map_spaces(s, &spaced);
    if (!e) {
        size_t n = 0;
        uint8_t *nfc = u8_normalize(UNINORM_NFC, (uint8_t *)spaced.p, spaced.n, NULL, &n);
        ASSERT(nfc); /* the input is valid UTF-8 */
        buf_bytes(out, nfc, n);
        wipe(nfc, n);
        free(nfc);
    }
    wipe(spaced.p, spaced.size);
    buf_free(&spaced);
    return e;
}
