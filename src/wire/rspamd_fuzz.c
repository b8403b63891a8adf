/* rspamd_fuzz.c - what a mad Rspamd answers. */
#include "base/fuzz.h"
#include "rspamd.h"

static void check_change(const struct rspamd_change *c)
{
    if (c->kind == MILTER_SAYS_ADD_HEADER || c->kind == MILTER_SAYS_INSERT_HEADER)
        ASSERT(milter_field_name(c->name));
    else ASSERT(c->kind == MILTER_SAYS_QUARANTINE || c->text.n);
}

FUZZ
{
    struct arena a = {0};
    struct rspamd_answer r;
    if (rspamd_answer_parse(&a, input, &r) == 0) {
        ASSERT(r.action.n && r.said.n && sl_chr(r.said, '\n') == SL_NONE && r.nchange <= RSPAMD_CHANGES_MAX &&
               r.nremoval <= RSPAMD_CHANGES_MAX);
        ASSERT(r.verdict.kind == MILTER_SAYS_CONTINUE || r.verdict.kind == MILTER_SAYS_DISCARD ||
               (r.verdict.kind == MILTER_SAYS_CODE && r.verdict.code >= 400 && r.verdict.code < 600));
        ASSERT(sl_chr(r.verdict.text, '\n') == SL_NONE && sl_chr(r.verdict.text, '\r') == SL_NONE);
        for (size_t i = 0; i < r.nchange; i++) check_change(&r.change[i]);
    }
    ar_free(&a);
}
