/* dsn_languages.c - the languages of delivery reports, and which one the sender reads: what his account
 * says, else what the letter does. The sentences are in dsn_en.c and its like. */
#include "base/text.h"
#include "dsn_i.h"

static const struct dsn_language *const languages[] = {&dsn_en, &dsn_vi, &dsn_de, &dsn_fr, &dsn_es};

/* ---- which one ---- */

enum { FIELD_MAX = 1000, TAGS_MAX = 20 };

/* The language itself, whatever its region or script ("vi-VN", "vi"); NULL: none of ours. */
static const struct dsn_language *spoken(struct slice tag)
{
    size_t n = 0;
    while (n < tag.n && is_alpha(tag.p[n])) n++;
    for (size_t i = 0; i < COUNT_OF(languages); i++)
        if (sl_eqi(sl_sub(tag, 0, n), sl_cstr(languages[i]->tag))) return languages[i];
    return NULL;
}

/* ";q=0.8" in thousandths; 1000 where there is none or it cannot be read (RFC 3282 section 3). */
static unsigned quality(struct slice params)
{
    size_t at = sl_findi(params, SL("q="));
    struct slice q = at == SL_NONE ? SL("") : sl_trim(sl_from(params, at + 2));
    if (!q.n || q.p[0] != '0') return 1000;
    unsigned value = 0, unit = 100;
    for (size_t i = 2; i < q.n && unit && is_digit(q.p[i]); i++, unit /= 10)
        value += unit * (unsigned)(q.p[i] - '0');
    return value;
}

/* The language of ours that the field prefers, the first of equals; NULL: it names none. */
static const struct dsn_language *preferred(struct arena *a, const struct mail_head *h, struct slice name)
{
    struct slice rest = sl_sub(mail_head_get(a, h, name, NULL), 0, FIELD_MAX), one;
    const struct dsn_language *best = NULL;
    unsigned best_quality = 0;
    for (int i = 0; i < TAGS_MAX && sl_next(&rest, ',', &one); i++) {
        struct slice tag;
        sl_next(&one, ';', &tag);
        const struct dsn_language *l = spoken(sl_trim(tag));
        unsigned q = quality(one);
        if (l && q > best_quality) best = l, best_quality = q;
    }
    return best;
}

const struct dsn_language *dsn_language(struct arena *a, const struct mail_head *h, struct slice known)
{
    const struct dsn_language *l = spoken(known);
    if (!l) l = preferred(a, h, SL("Accept-Language"));
    if (!l) l = preferred(a, h, SL("Content-Language"));
    return l ? l : &dsn_en;
}

const char *mail_dsn_language(struct slice tag)
{
    for (size_t i = 0; i < tag.n; i++)
        if (!is_alnum(tag.p[i]) && tag.p[i] != '-' && tag.p[i] != '_') return NULL;
    const struct dsn_language *l = spoken(tag);
    return l ? l->tag : NULL;
}

struct slice dsn_fill(struct arena *a, const char *sentence, struct slice what)
{
    struct slice s = sl_cstr(sentence);
    size_t at = sl_find(s, SL("{}"));
    if (at == SL_NONE) return s;
    return ar_cat(a, ar_cat(a, sl_sub(s, 0, at), what), sl_from(s, at + 2));
}
