/* track_html_fuzz.c - whatever HTML it is: what is asked about is a link of the web, everything else stays
 * byte by byte, and what was replaced is found again as the link that it was replaced with. */
#include "base/fuzz.h"
#include "track_html.h"

struct asking {
    size_t n;
    bool replaces, only_own;
};

static struct slice judge(void *arg, struct arena *a, struct slice url)
{
    struct asking *x = arg;
    ASSERT(url.n <= TRACK_URL_MAX && (sl_startsi(url, SL("http://")) || sl_startsi(url, SL("https://"))));
    for (size_t i = 0; i < url.n; i++) ASSERT(url.p[i] > ' ' && url.p[i] <= '~');
    ASSERT(++x->n <= TRACK_LINKS_MAX);
    if (sl_starts(url, SL("https://own.test/")) || !x->replaces) return SL("");
    ASSERT(!x->only_own);
    return ar_dup(a, SL("https://own.test/x"));
}

static bool has(struct slice html, const char *word)
{
    for (size_t i = 0; i < html.n; i++)
        if (sl_startsi(sl_from(html, i), sl_cstr(word))) return true;
    return false;
}

FUZZ
{
    struct arena a = {0};
    struct slice end = SL("\001end\001");
    struct asking none = {0}, all = {.replaces = true}, again = {.replaces = true, .only_own = true};
    struct slice same = track_html(&a, input, end, judge, &none);
    struct slice replaced = track_html(&a, input, SL(""), judge, &all);
    if (!has(input, "clicktracking")) {
        size_t at = sl_find(same, end);
        ASSERT(same.n == input.n + end.n && at != SL_NONE);
        ASSERT(has(input, "\001end\001") || (sl_eq(sl_sub(same, 0, at), sl_sub(input, 0, at)) &&
                                             sl_eq(sl_from(same, at + end.n), sl_from(input, at))));
        if (all.n < TRACK_LINKS_MAX) (void)track_html(&a, replaced, SL(""), judge, &again);
    }
    ar_free(&a);
}
