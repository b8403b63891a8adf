/* mailbox_name.c - which names a mailbox may have (RFC 9051 section 5.1, RFC 5198). */
#include <stdlib.h>
#include <uninorm.h>

#include "mailbox_i.h"

static int refuse(struct slice name, const char *why)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice shown = printable(&a, name, 100);
    int e = err_set(ERR_SYNTAX, "\"%.*s\" cannot be the name of a mailbox: %s", SLF(shown), why);
    ar_free(&a);
    return e;
}

/* Net-Unicode: NFC. ASCII is in it already. */
static struct slice to_nfc(struct arena *a, struct slice s)
{
    size_t n = 0;
    if (is_ascii(s)) return s;
    uint8_t *p = u8_normalize(UNINORM_NFC, (const uint8_t *)s.p, s.n, NULL, &n);
    if (!p) return s;
    struct slice out = ar_dup(a, sl(p, n));
    free(p);
    return out;
}

/* RFC 5198 section 2: no controls, no line or paragraph separator. % and * are
 * wildcards of LIST, and a leading # is kept for namespaces (RFC 9051 section 5.1.2.1). */
static int check_characters(struct slice name)
{
    uint32_t c;
    if (name.n && name.p[0] == '#') return refuse(name, "it starts with #");
    for (struct slice s = name; s.n;) {
        if (!utf8_next(&s, &c)) return refuse(name, "it is not UTF-8");
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            return refuse(name, "it holds a control character");
        if (c == '%' || c == '*') return refuse(name, "it holds a wildcard");
    }
    return 0;
}

static int check_components(struct slice name)
{
    struct slice rest = name, piece;
    int depth = 0;
    while (sl_next(&rest, '/', &piece)) {
        if (!piece.n) return refuse(name, "a level of it is empty");
        if (sl_eq(piece, SL(".")) || sl_eq(piece, SL("..")))
            return refuse(name, "a level of it is only dots");
        if (++depth > MAILBOX_DEPTH_MAX) return refuse(name, "it has too many levels");
    }
    return 0;
}

int mailbox_name(struct arena *a, struct slice name, struct slice *out)
{
    if (sl_ends(name, SL("/"))) name.n--; /* CREATE "foo/": RFC 9051 section 6.3.4 */
    if (!name.n) return refuse(name, "it is empty");
    if (name.n > MAILBOX_NAME_MAX) return refuse(name, "it is too long");
    int e = check_characters(name);
    if (e) return e;
    name = to_nfc(a, name);
    if (name.n > MAILBOX_NAME_MAX) return refuse(name, "it is too long");
    e = check_components(name);
    if (e) return e;
    if (name.n >= 5 && sl_eqi(sl_sub(name, 0, 5), SL("INBOX")) && (name.n == 5 || name.p[5] == '/'))
        name = ar_cat(a, SL("INBOX"), sl_from(name, 5));
    *out = name;
    return 0;
}

struct slice mailbox_pattern(struct arena *a, struct slice pattern) { return to_nfc(a, pattern); }

bool mailbox_parent(struct slice name, struct slice *parent)
{
    size_t slash = sl_rchr(name, '/');
    if (slash == SL_NONE) return false;
    *parent = sl_sub(name, 0, slash);
    return true;
}

bool mailbox_below(struct slice name, struct slice above)
{
    return name.n > above.n && sl_starts(name, above) && name.p[above.n] == '/';
}
