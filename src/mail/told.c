/* told.c - reports about a letter as others write them. */
#include "told.h"

#include "base/text.h"
#include "head.h"

struct slice told_address(struct slice field)
{
    size_t at = sl_chr(field, ';');
    struct slice s = sl_trim(at == SL_NONE ? field : sl_from(field, at + 1));
    if (s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>') s = sl_sub(s, 1, s.n - 1);
    return s;
}

/* The fields up to an empty line. */
static struct slice next_block(struct slice *rest)
{
    struct slice all = *rest, line;
    while (sl_next(rest, '\n', &line) && rest->n && sl_trim(line).n) continue;
    return sl_sub(all, 0, all.n - rest->n);
}

static struct slice field(struct arena *a, const struct mail_head *h, const char *name)
{
    return mail_head_get(a, h, sl_cstr(name), NULL);
}

bool told_status_next(struct arena *a, struct slice *rest, struct told_status *out)
{
    struct mail_head h;
    *out = (struct told_status){0};
    if (!rest->n) return false;
    if (mail_head_parse(a, next_block(rest), &h) != 0) return true;
    out->original = told_address(field(a, &h, "Original-Recipient"));
    out->final = told_address(field(a, &h, "Final-Recipient"));
    out->action = sl_trim(field(a, &h, "Action"));
    out->status = sl_trim(field(a, &h, "Status"));
    out->remote_mta = told_address(field(a, &h, "Remote-MTA"));
    out->diagnostic = told_address(field(a, &h, "Diagnostic-Code"));
    return true;
}

bool told_feedback(struct arena *a, struct slice text, struct told_feedback *out)
{
    struct mail_head h;
    *out = (struct told_feedback){0};
    if (mail_head_parse(a, text, &h) != 0) return false;
    out->type = sl_trim(field(a, &h, "Feedback-Type"));
    out->original_rcpt = told_address(field(a, &h, "Original-Rcpt-To"));
    return true;
}
