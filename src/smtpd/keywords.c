/* keywords.c - what EHLO offers: the keywords of the table of commands, as far as they are for this session
 * at this moment (RFC 5321 section 4.1.1.1). */
#include "base/civil.h"
#include "smtpd_i.h"

static void put_size(struct smtpd_session *s)
{
    buf_printf(&s->out, " %llu", (unsigned long long)intake_size_max(s->conf->intake));
}

static void put_auth(struct smtpd_session *s) { sasl_put(&s->out, smtpd_logins(s), " ", ""); }

/* RFC 9422 section 4. Recipients that are refused do not count here, so more may be said. */
static void put_limits(struct smtpd_session *s) { buf_printf(&s->out, " RCPTMAX=%u", smtpd_rcpts_max(s)); }

static bool has_classes(const struct smtpd_session *s)
{
    return s->kind == SMTPD_MX && s->conf->intake->no_soliciting.n;
}

static bool on_submission(const struct smtpd_session *s) { return smtpd_is_submission(s); }

static bool not_lmtp(const struct smtpd_session *s) { return s->kind != SMTPD_LMTP; }

/* RFC 4865 section 3 */
static void put_hold(struct smtpd_session *s)
{
    char until[CIVIL_TEXT_MAX];
    buf_printf(&s->out, " %d %s", LETTER_HOLD_MAX_S,
               civil_format(rt_wall_seconds() + LETTER_HOLD_MAX_S, until));
}

static void put_xclient(struct smtpd_session *s) { buf_str(&s->out, " " SMTP_XCLIENT_WORDS); }

static bool within_tls(const struct smtpd_session *s) { return s->tls; }

static void put_classes(struct smtpd_session *s)
{
    buf_printf(&s->out, " %.*s", SLF(s->conf->intake->no_soliciting));
}

/* RFC 4468 section 3.1: the login comes first. */
static void put_burl(struct smtpd_session *s)
{
    if (s->logged_in) buf_str(&s->out, " imap");
}

/* Keywords of the table of commands that say more than themselves, or are not for every session. */
static const struct keyword {
    const char *word;
    void (*put)(struct smtpd_session *s);
    bool (*open)(const struct smtpd_session *s);
} special[] = {
    {"SIZE", put_size, NULL},
    {"AUTH", put_auth, NULL},
    {"LIMITS", put_limits, NULL},
    {"NO-SOLICITING", put_classes, has_classes},
    {"FUTURERELEASE", put_hold, on_submission},
    {"REQUIRETLS", NULL, within_tls}, /* RFC 8689 section 2 */
    {"PRDR", NULL, not_lmtp},         /* where there is an answer for each recipient anyway */
    {"BURL", put_burl, NULL},
    {"XCLIENT", put_xclient, NULL},
};

static const struct keyword *find_special(struct slice word)
{
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (sl_eq(word, sl_cstr(special[i].word))) return &special[i];
    return NULL;
}

/* The next keyword that is offered at this moment; *at and *rest are where to go on. */
static bool next_keyword(const struct smtpd_session *s, size_t *at, struct slice *rest, struct slice *word)
{
    while (rest->n || *at < s->ncommands) {
        if (!rest->n) {
            const struct smtpd_command *c = &s->command[(*at)++];
            if (c->keywords && !(c->closed && c->closed(s).code)) *rest = sl_cstr(c->keywords);
            continue;
        }
        (void)sl_next(rest, ' ', word);
        const struct keyword *k = find_special(*word);
        if (!k || !k->open || k->open(s)) return true;
    }
    return false;
}

bool smtpd_offers(const struct smtpd_session *s, struct slice keyword)
{
    struct slice rest = SL(""), word;
    size_t at = 0;
    while (next_keyword(s, &at, &rest, &word))
        if (sl_eq(word, keyword)) return true;
    return false;
}

void smtpd_put_ehlo(struct smtpd_session *s)
{
    struct slice rest = SL(""), word;
    size_t at = 0, last = 0;
    buf_clear(&s->out);
    buf_printf(&s->out, "250-%.*s at your service\r\n", SLF(s->conf->intake->hostname));
    while (next_keyword(s, &at, &rest, &word)) {
        const struct keyword *k = find_special(word);
        last = s->out.n;
        buf_printf(&s->out, "250-%.*s", SLF(word));
        if (k && k->put) k->put(s);
        buf_str(&s->out, "\r\n");
    }
    s->out.p[last + 3] = ' '; /* RFC 5321 section 4.1.1.1: the last line has no hyphen */
    conn_write(s->c, buf_slice(&s->out));
    smtpd_said(s, buf_slice(&s->out));
}
