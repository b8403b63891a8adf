/* words.c - a letter's words, and Fisher's method over what they say. */
#include "words.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/text.h"
#include "mail/charset.h"

/* ---- words ---- */

struct taking {
    struct arena *a;
    struct junk_words *out;
    struct map seen;
};

static void take(struct taking *x, const char *where, struct slice word)
{
    if (word.n < JUNK_WORD_LEAST || x->out->n == JUNK_WORDS_MAX) return;
    struct slice text = ar_printf(x->a, "%s%.*s", where, SLF(utf8_cut(word, JUNK_WORD_MOST)));
    if (map_get(&x->seen, text)) return;
    map_put(&x->seen, text, x);
    x->out->v[x->out->n++] = (struct junk_word){.text = text, .hash = hash_stable(text, false)};
}

static bool in_word(char c) { return is_alnum(c) || (uint8_t)c >= 0x80 || c == '\'' || c == '$' || c == '-'; }

/* Tags of HTML are passed over, but for where their links lead. */
static size_t skip_tag(struct taking *x, struct slice s, size_t at)
{
    size_t end = at;
    while (end < s.n && s.p[end] != '>' && end - at < 4096) end++;
    struct slice tag = sl_sub(s, at, end);
    size_t link = sl_find(tag, SL("://"));
    if (link != SL_NONE) {
        struct slice host = sl_from(tag, link + 3);
        size_t n = 0;
        while (n < host.n && (is_alnum(host.p[n]) || host.p[n] == '.' || host.p[n] == '-')) n++;
        take(x, "link*", sl_sub(host, 0, n));
    }
    return end;
}

static bool begins_tag(struct slice s, size_t at)
{
    return s.p[at] == '<' && at + 1 < s.n &&
           (is_alpha(s.p[at + 1]) || s.p[at + 1] == '/' || s.p[at + 1] == '!');
}

static void take_text(struct taking *x, const char *where, struct slice s)
{
    s = fold_utf8_ar(x->a, s);
    for (size_t i = 0; i < s.n && x->out->n < JUNK_WORDS_MAX; i++) {
        if (begins_tag(s, i)) {
            i = skip_tag(x, s, i);
            continue;
        }
        size_t from = i;
        while (i < s.n && in_word(s.p[i])) i++;
        take(x, where, sl_sub(s, from, i));
        if (i > from && i < s.n && s.p[i] == '<') i--; /* perhaps a tag begins there */
    }
}

void junk_words(struct arena *a, const struct junk_letter *l, struct junk_words *out)
{
    struct taking x = {.a = a, .out = out};
    out->n = 0;
    map_init(&x.seen, false);
    size_t at = sl_rchr(l->from, '@');
    take(&x, "from*", ar_lower(a, l->from));
    if (at != SL_NONE) take(&x, "from*", ar_lower(a, sl_from(l->from, at + 1)));
    take_text(&x, "subject*", l->subject);
    take_text(&x, "", l->text);
    map_free(&x.seen);
}

/* ---- what they say ---- */

double junk_says(struct junk_counts word, struct junk_counts letters)
{
    const double s = 0.45, x = 0.5;
    double junk = letters.junk ? (double)word.junk / (double)letters.junk : 0;
    double good = letters.good ? (double)word.good / (double)letters.good : 0;
    double n = (double)word.junk + (double)word.good;
    if (junk + good <= 0) return x;
    double p = (s * x + n * (junk / (junk + good))) / (s + n);
    return p < 0.001 ? 0.001 : p > 0.999 ? 0.999 : p;
}

static int by_weight(const void *a, const void *b)
{
    double x = fabs(((const struct junk_word *)a)->says - 0.5),
           y = fabs(((const struct junk_word *)b)->says - 0.5);
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The chance that chi-square with 2n degrees of freedom is at least `chi`. */
static double chi_square(double chi, size_t n)
{
    double m = chi / 2, term = exp(-m), sum = term;
    for (size_t i = 1; i < n; i++) {
        term *= m / (double)i;
        sum += term;
    }
    return sum < 1 ? sum : 1;
}

double junk_together(struct junk_words *w)
{
    double junk = 0, good = 0;
    size_t n = 0;
    qsort(w->v, w->n, sizeof w->v[0], by_weight);
    for (; n < w->n && n < JUNK_TELLING_MAX && fabs(w->v[n].says - 0.5) > 0.1; n++) {
        junk += log(1 - w->v[n].says);
        good += log(w->v[n].says);
    }
    if (!n) return 0.5;
    return (1 + (1 - chi_square(-2 * junk, n)) - (1 - chi_square(-2 * good, n))) / 2;
}
