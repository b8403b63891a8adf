/* import.c - mail in: the one door for all forms. */
#include "base/log.h"
#include "port_i.h"

int port_import(struct store *s, const char *acc, struct port_source from, const struct port_hear *hear,
                struct port_report *out)
{
    ASSERT(s && *acc && from.files);
    *out = (struct port_report){0};
    struct porting p = {.store = s, .acc = acc, .files = from.files, .hear = hear, .report = out};
    return from.form == PORT_MAILDIR ? import_maildir(&p, from.path) : import_mbox(&p, from.path);
}
