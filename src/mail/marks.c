/* marks.c - keywords that mail files of other programs have. */
#include "marks.h"

enum { KEYWORD_MAX = 100 };

static bool is_keyword(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("(){%*\"\\]", s.p[i])) return false;
    return s.n && s.n <= KEYWORD_MAX;
}

bool mail_marks_add(struct mail_marks *m, struct slice keyword)
{
    for (size_t i = 0; i < m->n; i++)
        if (sl_eqi(m->keyword[i], keyword)) return true;
    if (!is_keyword(keyword) || m->n == MARK_KEYWORDS_MAX) return false;
    m->keyword[m->n++] = keyword;
    return true;
}
