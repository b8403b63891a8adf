/* mailjet_report.c - TemplateErrorReporting: who is named there hears by mail that the template of a message
 * cannot be filled with its data. It is tried when the call is taken, since texts and data stay as they are:
 * so the report is taken together with the message. */
#include "base/text.h"
#include "mailjet.h"
#include "send/texts.h"

enum { SHOWN = 200, SOURCE_SHOWN = 20000 };

/* On a thread. */
static int try_all(void *call)
{
    struct mailjet_call *m = call;
    for (size_t i = 0; i < m->n; i++) {
        struct mailjet_message *one = &m->message[i];
        struct send strict = one->s.send;
        struct arena a = {0};
        struct texts *t;
        struct texts_filled f;
        if (!one->report.address.n || strict.language != SEND_MAILJET) continue;
        strict.options &= ~(unsigned)SEND_TEMPLATE_ERRORS_DELIVER;
        texts_compile(&a, &strict, &t);
        int e = texts_fill(&a, t, &one->letter, &f);
        if (e) one->report_why = ar_dup(&m->d.a, sl_cstr(err_text(e)));
        ar_free(&a);
    }
    return 0;
}

static void put_recipients(struct buf *b, const char *what, const struct send_addrs *list)
{
    if (!list->n) return;
    buf_str(b, what);
    for (size_t i = 0; i < list->n; i++) buf_printf(b, "%s%.*s", i ? ", " : "", SLF(list->v[i].address));
    buf_char(b, '\n');
}

static struct slice words_of(struct mailjet_call *m, const struct mailjet_message *one)
{
    const struct send *s = &one->s.send;
    struct buf b = BUF_INIT;
    bool sent = s->options & SEND_TEMPLATE_ERRORS_DELIVER;
    buf_printf(&b, "The template of a message cannot be filled with its data:\n\n    %.*s\n\n%s\n\n",
               SLF(one->report_why), sent ? "It is sent without what fails." : "It is not sent.");
    put_recipients(&b, "To: ", &one->letter.to);
    put_recipients(&b, "Cc: ", &one->letter.cc);
    put_recipients(&b, "Bcc: ", &one->letter.bcc);
    if (one->letter.custom.n) buf_printf(&b, "CustomID: %.*s\n", SLF(one->letter.custom));
    if (one->template_id) buf_printf(&b, "TemplateID: %lld\n", (long long)one->template_id);
    buf_printf(&b, "\nIts texts as they were given, the subject first:\n\n%.*s\n", SLF(s->subject));
    for (size_t i = 0; i < s->nparts; i++)
        buf_printf(&b, "\n%.*s\n", SLF(utf8_cut(s->part[i].text, SOURCE_SHOWN)));
    struct slice out = ar_dup(&m->d.a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static struct dialect_send report_of(struct mailjet_call *m, size_t i)
{
    const struct mailjet_message *one = &m->message[i];
    struct arena *a = &m->d.a;
    struct send_letter *l = ar_new(a, struct send_letter);
    struct send_part *part = ar_new(a, struct send_part);
    struct slice subject = printable(a, one->s.send.subject, SHOWN);
    struct send_addr *to = ar_new(a, struct send_addr);
    *to = one->report;
    *l = (struct send_letter){.to = {.v = to, .n = 1}};
    *part = (struct send_part){SL("text/plain"), words_of(m, one)};
    return (struct dialect_send){
        .send = {.from = one->s.send.from,
                 .sender = one->s.send.sender,
                 .stream = STREAM_TRANSACTIONAL,
                 .subject = ar_printf(a, "The template of a message fails: %.*s", SLF(subject)),
                 .part = part,
                 .nparts = 1,
                 .language = SEND_PLAIN},
        .letter = l,
        .nletters = 1,
        .part = ar_printf(a, "report %zu", i)};
}

size_t mailjet_reports(struct http_call *c, struct mailjet_call *m, struct dialect_send *out, size_t *of)
{
    bool any = false;
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) any |= m->message[i].report.address.n != 0;
    if (!any || m->sandbox) return 0;
    (void)!offload_for(POOL_SIGN, guard_asker(c->visit), try_all, m);
    for (size_t i = 0; i < m->n; i++) {
        if (!m->message[i].report_why.n) continue;
        of[n] = i;
        out[n++] = report_of(m, i);
    }
    return n;
}
