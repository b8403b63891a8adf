/* dkim_copies.c - z=, the signer's copies of header fields: which one was changed on the road?
 * For people only, never for a verdict (RFC 6376 section 3.5). */
#include "dkim_i.h"

enum { COPIES_MAX = 100 };

/* Runs of blanks as one space, none at the ends, as the relaxed form has it. */
static struct slice squeeze(struct arena *a, struct slice s)
{
    char *to = ar_alloc(a, s.n + 1);
    size_t n = 0;
    s = sl_trim(s);
    for (size_t i = 0; i < s.n; i++) {
        bool blank = sl_chr(SL(" \t\r\n"), s.p[i]) != SL_NONE;
        if (!blank) to[n++] = s.p[i];
        else if (n && to[n - 1] != ' ') to[n++] = ' ';
    }
    return sl(to, n);
}

static bool copy_matches(struct arena *a, const struct mail_field *f, struct slice copy)
{
    struct slice then;
    return dkim_qp_decode(a, copy, &then) && sl_eq(squeeze(a, then), squeeze(a, f->body));
}

struct slice dkim_changed_field(struct arena *a, const struct mail_head *head, const struct dkim_sig *s)
{
    struct slice rest = s->copied, copy;
    for (int n = 0; n < COPIES_MAX && tag_item(&rest, '|', &copy); n++) {
        size_t colon = sl_chr(copy, ':');
        if (colon == SL_NONE) continue;
        struct slice name = sl_trim(sl_sub(copy, 0, colon));
        if (!name.n || mail_head_count(head, name) > 1) continue; /* which of them was copied? */
        const struct mail_field *f = mail_head_find(head, name, 0);
        if (!f || !copy_matches(a, f, sl_from(copy, colon + 1))) return name;
    }
    return SL("");
}
