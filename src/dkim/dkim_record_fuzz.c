/* dkim_record_fuzz.c - any text as a tag list and as a key record. */
#include "base/fuzz.h"
#include "base/text.h"
#include "dkim_record.h"

static bool inside(struct slice part, struct slice whole)
{
    return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

FUZZ
{
    struct arena a = {0};
    struct tag_list l;
    struct dkim_record r;
    int e = tag_list_parse(&a, input, &l);
    ASSERT(e == 0 || e == ERR_SYNTAX || e == ERR_LIMIT);
    for (size_t i = 0; !e && i < l.n; i++) {
        const struct tag *t = &l.v[i];
        ASSERT(inside(t->name, input) && inside(t->value, t->span) && inside(t->span, input));
        ASSERT(t->name.n && sl_chr(t->value, ';') == SL_NONE && sl_chr(t->value, 0) == SL_NONE);
        ASSERT(tag_find(&l, ar_cstr(&a, t->name)) == t);
    }
    if (!dkim_record_parse(&a, input, &r)) {
        struct verify_key *k;
        if (r.known_kind && r.public.n && !verify_key_from(r.kind, r.public, &k)) verify_key_free(&k);
    }
    struct slice quoted = dkim_txt_quote(&a, input);
    ASSERT(quoted.n >= 2 && is_ascii(quoted));
    ar_free(&a);
}
