/* verify.c - would the servers of a domain take a letter for this address? */
#include "base/text.h"
#include "probe.h"
#include "relay_i.h"

#define STEP (10 * RT_S)
#define HOST                                                                                                 \
    (8 * RT_S) /* one of its addresses: another must have its turn within the patience of who asks           \
                */

static void say(struct relay_said *out, enum relay_word word, struct slice text)
{
    *out = (struct relay_said){word, text};
}

/* The code of the answer; 0: there is none, and why is said. */
static int step(struct peer *p, struct arena *a, struct slice line, struct smtp_reply *r,
                struct relay_said *out)
{
    peer_say(p, line);
    int e = peer_hear(p, a, STEP, r);
    if (e && out->word != RELAY_LATER) say(out, RELAY_SILENT, ar_dup(a, sl_cstr(err_text(e))));
    return e ? 0 : r->code;
}

/* Many refuse the client or the null sender only here (Postfix: smtpd_delay_reject), with a 5yz as well. */
static enum relay_word word_of(const struct smtp_reply *r)
{
    bool plain = r->code == 550 || r->code == 551 || r->code == 553;
    bool address =
        r->enhanced[0] ? r->enhanced[1] == 1 || r->enhanced[1] == 2 : plain; /* RFC 3463 section 3 */
    return r->code / 100 == 2 ? RELAY_TAKES : r->code / 100 == 5 && address ? RELAY_REFUSES : RELAY_LATER;
}

/* A null sender is refused by who does not want to be asked: that is no word about the address. */
static void ask(struct peer *p, struct arena *a, struct slice address, struct relay_said *out)
{
    struct smtp_reply r;
    bool utf8 = !is_ascii(address);
    if (utf8 && !(p->ext & SMTP_EXT_SMTPUTF8)) {
        say(out, RELAY_REFUSES, ar_printf(a, "%s takes no addresses in UTF-8", p->host));
        return;
    }
    int code = step(p, a, utf8 ? SL("MAIL FROM:<> SMTPUTF8\r\n") : SL("MAIL FROM:<>\r\n"), &r, out);
    bool asked = code / 100 == 2;
    if (asked) code = step(p, a, ar_printf(a, "RCPT TO:<%.*s>\r\n", SLF(address)), &r, out);
    if (asked && !code) out->word = RELAY_LATER; /* it answers, if not about this address */
    if (!code) return;
    say(out, asked ? word_of(&r) : RELAY_LATER,
        ar_printf(a, "%s says: %d %.*s", p->host, r.code, SLF(printable(a, r.text, 200))));
}

static void try_host(const struct relay_conf *conf, struct arena *a, struct mx_list *l, struct mx_host *h,
                     struct slice address, struct relay_said *out)
{
    if (mx_judge(conf, a, l, h) != 0 || h->policy.shut) return;
    for (size_t i = 0; i < h->n && out->word >= RELAY_LATER && !fiber_canceled(); i++) {
        struct peer *p = NULL;
        struct verdict why = {0};
        int64_t before = deadline_narrow(DEADLINE_IN(HOST));
        struct peer_to to = {.host = h, .ip = &h->ip[i], .domain = l->domain};
        int e = peer_open(conf, l->route, a, &to, true, &p, &why);
        if (e == 1) peer_close(&p, false);
        if (e == 1) e = peer_open(conf, l->route, a, &to, false, &p, &why);
        if (e == 0) ask(p, a, address, out);
        else if (out->word == RELAY_SILENT) say(out, why.code ? RELAY_LATER : RELAY_SILENT, why.text);
        deadline_restore(before);
        peer_close(&p, e == 0);
    }
}

void relay_verify(const struct relay_conf *conf, struct arena *a, struct slice domain, struct slice address,
                  struct relay_said *out)
{
    struct mx_list l;
    struct verdict why = {0};
    say(out, RELAY_SILENT, SL("none of its servers can be reached"));
    if (mx_find(conf, a, SL(""), domain, &l, &why) != 0) {
        say(out, why.result == ATTEMPT_PERMANENT ? RELAY_REFUSES : RELAY_SILENT, why.text);
        return;
    }
    if (mx_policy(conf, a, &l) != 0) return;
    for (size_t i = 0; i < l.n && out->word >= RELAY_LATER && !fiber_canceled(); i++)
        try_host(conf, a, &l, &l.v[i], address, out);
}
