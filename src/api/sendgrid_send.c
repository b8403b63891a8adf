/* sendgrid_send.c - POST /v3/mail/send: judged whole, taken whole or not at all, 202. */
#include "base/text.h"
#include "core/core.h"
#include "rt/rt.h"
#include "send/send_batch.h"
#include "sendgrid.h"

/* What sending refused, in this form. */
static void refused(struct http_call *c, int e, size_t letter)
{
    json_t *errors = json_array();
    int status = http_status_of(e);
    char field[80] = "";
    if (letter != SL_NONE) snprintf(field, sizeof field, "personalizations.%zu", letter);
    else if (e == ERR_DENIED) snprintf(field, sizeof field, "from");
    sendgrid_error_at(errors, field, err_text(e));
    sendgrid_refuse(c, status, errors);
}

static void look_up_batch(struct http_call *c, struct sendgrid_mail *m)
{
    struct slice batch = m->send.batch;
    if (batch.n && !send_batch_made(api_of(c)->core->sends, sl_cstr(c->key.account->id), batch))
        dialect_fault(&m->d, "batch_id", ERR_SYNTAX,
                      "invalid batch id: POST /v3/mail/batch makes one for this account");
}

/* What the call names must be there. */
static int look_up(struct http_call *c, struct sendgrid_mail *m)
{
    int e = sendgrid_check_group(c, m->send.group);
    if (e == ERR_NOT_FOUND)
        dialect_fault(&m->d, "asm.group_id", e, "There is no unsubscribe group with the id %u.",
                      m->send.group);
    if (e && e != ERR_NOT_FOUND) return e;
    look_up_batch(c, m);
    e = m->template_id.n ? sendgrid_use_template(c, m) : 0;
    if (e == ERR_NOT_FOUND) {
        struct slice shown = printable(&m->d.a, m->template_id, 80);
        dialect_fault(&m->d, "template_id", e, "There is no template %.*s with an active version.",
                      SLF(shown));
    }
    return e == ERR_NOT_FOUND ? 0 : e;
}

static void take(struct http_call *c, struct sendgrid_mail *m)
{
    struct dialect_send s = {.send = m->send, .letter = m->letter, .nletters = m->nletters};
    size_t at, letter;
    int e = dialect_take(c, &m->d, &s, 1, &at, &letter);
    if (e < 0) {
        refused(c, e, letter);
        return;
    }
    bool sandbox = m->send.options & SEND_SANDBOX;
    if (!sandbox) http_field(c, "X-Message-Id", sl_cstr(s.taken.id.s));
    http_answer(c, sandbox ? 200 : 202, NULL, SL(""));
}

void sendgrid_mail_send(struct http_call *c)
{
    struct sendgrid_mail m;
    json_t *body = api_body(c);
    if (!body) return;
    sendgrid_mail_read(&m, body, rt_wall_seconds());
    int e = m.d.faults ? 0 : look_up(c, &m);
    if (!e && !m.d.faults) sendgrid_mail_finish(&m);
    if (e) refused(c, e, SL_NONE);
    else if (m.d.faults) sendgrid_refuse(c, 400, json_incref(m.errors));
    else take(c, &m);
    sendgrid_mail_end(&m);
    json_decref(body);
}
