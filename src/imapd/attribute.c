/* attribute.c - attributes of mailboxes in LIST, special uses among them (RFC 6154). */
#include "imapd_i.h"

static const struct {
    struct slice name;
    unsigned use;
} uses[] = {{SL_INIT("\\Drafts"), USE_DRAFTS},   {SL_INIT("\\Sent"), USE_SENT},
            {SL_INIT("\\Junk"), USE_JUNK},       {SL_INIT("\\Trash"), USE_TRASH},
            {SL_INIT("\\Archive"), USE_ARCHIVE}, {SL_INIT("\\All"), USE_ALL},
            {SL_INIT("\\Flagged"), USE_FLAGGED}};

unsigned imapd_use(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(uses); i++)
        if (sl_eqi(sl_from(uses[i].name, 1), name)) return uses[i].use;
    return 0;
}

void imapd_put_attribute(struct imapd_session *s, const char *name)
{
    if (s->out.p[s->out.n - 1] != '(') buf_char(&s->out, ' ');
    buf_str(&s->out, name);
}

void imapd_put_uses(struct imapd_session *s, unsigned use)
{
    for (size_t i = 0; i < COUNT_OF(uses); i++)
        if (use & uses[i].use) imapd_put_attribute(s, uses[i].name.p);
}
