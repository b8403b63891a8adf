/* dialect_fuzz.c - any JSON is a call of each vendor's dialect, or is refused in words. */
#include "base/fuzz.h"
#include "mailjet.h"
#include "sendgrid.h"
#include "ses.h"

static void judge(const struct send *s, const struct send_letter *l, size_t n)
{
    for (size_t i = 0; i < n; i++) ASSERT(l[i].to.n + l[i].cc.n + l[i].bcc.n > 0);
    ASSERT(s->from.address.n > 0 && sl_chr(s->subject, '\n') == SL_NONE);
    for (size_t i = 0; i < s->fields.n; i++) ASSERT(sl_chr(s->fields.v[i].value, '\n') == SL_NONE);
}

static void ses(void (*read)(struct ses_mail *m, const json_t *body), const json_t *body)
{
    struct ses_mail m;
    read(&m, body);
    if (!m.d.faults) judge(&m.s.send, m.s.letter, m.s.nletters);
    else ASSERT(*m.why);
    ses_mail_end(&m);
}

FUZZ
{
    json_t *body = json_loadb(input.p ? input.p : "", input.n, JSON_REJECT_DUPLICATES, NULL);
    struct sendgrid_mail s;
    struct mailjet_call m;
    if (json_is_object(body)) {
        sendgrid_mail_read(&s, body, 1795383266);
        if (!s.d.faults) judge(&s.send, s.letter, s.nletters);
        else ASSERT(json_array_size(s.errors) > 0);
        sendgrid_mail_end(&s);
        mailjet_read(&m, body);
        for (size_t i = 0; !m.d.faults && i < m.n; i++) judge(&m.message[i].s.send, &m.message[i].letter, 1);
        mailjet_end(&m);
        ses(ses_read_one, body);
        ses(ses_read_bulk, body);
    }
    json_decref(body);
}
