/* filters.c - what a session tells the operator's filters of its client, and what they say. */
#include <stdio.h>

#include "milter/filter.h"
#include "smtpd_i.h"

static void begin(struct smtpd_session *s)
{
    const struct endpoint *peer = conn_peer(s->c);
    struct filter_client client = {.peer = peer->ip, .port = peer->port, .own = s->kind != SMTPD_MX};
    if (!s->filters) s->filters = filter_talk_new(s->conf->intake->filters, &client);
}

static void tell_facts(struct smtpd_session *s)
{
    filter_fact(s->filters, FACT_TLS_VERSION, s->tls ? sl_cstr(s->tls_info.version) : SL(""));
    filter_fact(s->filters, FACT_TLS_CIPHER, s->tls ? sl_cstr(s->tls_info.cipher) : SL(""));
    filter_fact(s->filters, FACT_LOGIN_MECHANISM, sl_cstr(s->mechanism));
    filter_fact(s->filters, FACT_LOGIN, s->logged_in ? s->account.address : SL(""));
}

static bool passes(struct smtpd_session *s, const struct filter_answer *r)
{
    if (!r->code) return true;
    log_info(s->who, "a filter refuses: %d %s %.*s", r->code, r->enhanced, SLF(r->text));
    smtpd_reply(s, r->code, r->enhanced, "%.*s", SLF(r->text));
    return false;
}

/* RFC 5321 section 3.1: a greeting is 220, 554 or 421; then there is nothing more to be said. */
bool smtpd_filters_greet(struct smtpd_session *s)
{
    filter_talk_free(&s->filters);        /* after XCLIENT it is another client */
    if (s->kind != SMTPD_MX) return true; /* who logs in is another matter: smtpd_filters_ready() */
    begin(s);
    if (!s->filters) return true;
    struct filter_answer r = filter_connect(s->filters, &s->cmd_a);
    if (r.code) r.code = r.code >= 500 ? 554 : 421;
    s->over |= r.code != 0;
    return passes(s, &r);
}

bool smtpd_filters_helo(struct smtpd_session *s, struct slice helo)
{
    if (!s->filters) return true;
    tell_facts(s);
    struct filter_answer r = filter_helo(s->filters, helo, &s->cmd_a);
    return passes(s, &r);
}

bool smtpd_filters_unknown(struct smtpd_session *s, struct slice line)
{
    if (!s->filters) return true;
    struct filter_answer r = filter_unknown(s->filters, line, &s->cmd_a);
    return passes(s, &r);
}

void smtpd_filters_ready(struct smtpd_session *s)
{
    bool had = s->filters != NULL;
    begin(s);
    if (!s->filters) return;
    tell_facts(s);
    if (!had) (void)filter_helo(s->filters, sl_cstr(s->helo), &s->cmd_a); /* MAIL asks again */
}
