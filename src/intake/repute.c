/* repute.c - what lists in the DNS say of who sends a letter, and who is asked to come again. */
#include "intake_i.h"
#include "reputation/dnslist.h"
#include "reputation/greylist.h"

/* ---- lists ---- */

static struct slice sender_domain(const struct intake_letter *l)
{
    size_t at = sl_rchr(l->sender, '@');
    return at == SL_NONE ? SL("") : sl_from(l->sender, at + 1);
}

static int ask(struct intake_letter *l, const struct slice *url, size_t nurl, unsigned about)
{
    struct dnslist_facts f = {
        .address = l->from.peer, .helo = l->from.helo, .sender = sender_domain(l), .url = url, .nurl = nurl};
    struct dnslist_score s = {.score = l->listed_score};
    if (l->listed.n) buf_put(&s.hits, l->listed);
    struct dns *dns = l->in->mailauth->dns;
    int e = dnslist_ask(l->in->dnslists, dns, &l->a, &f, about, &s);
    l->listed_score = s.score;
    l->listed = ar_dup(&l->a, buf_slice(&s.hits));
    buf_free(&s.hits);
    return e;
}

static bool asks_lists(const struct intake_letter *l)
{
    return l->from.origin == INTAKE_STRANGER && l->in->dnslists && l->in->dnslists->n && l->in->mailauth;
}

static bool is_refused(const struct intake_letter *l)
{
    const struct dnslists *d = l->in->dnslists;
    return d && d->refuse && l->listed_score >= d->refuse;
}

static struct slice refused_sentence(const struct intake_letter *l, struct arena *a)
{
    return ar_printf(
        a,
        "Lists that this server asks name who sends this: %.*s. Their owners tell why, and how to be "
        "taken off; postmaster here takes letters all the same",
        SLF(utf8_cut(l->listed, 600)));
}

/* Whoever is listed in error must be able to say so (RFC 5321 section 4.5.1, RFC 2142). */
static bool takes_all(const struct intake_to *to)
{
    return sl_eqi(to->local, SL("postmaster")) || sl_eqi(to->local, SL("abuse"));
}

struct intake_refusal intake_repute_rcpt(struct intake_letter *l, const struct intake_to *to, struct arena *a)
{
    int e = 0;
    if (!asks_lists(l)) return (struct intake_refusal){0};
    if (!l->lists_asked) e = ask(l, NULL, 0, DNSLIST_ADDRESS | DNSLIST_HELO | DNSLIST_SENDER);
    if (e) return intake_failure(a, e, "The sender cannot be checked");
    l->lists_asked = true;
    l->for_duty |= takes_all(to);
    if (!is_refused(l) || takes_all(to)) return (struct intake_refusal){0};
    return (struct intake_refusal){550, "5.7.1", ERR_DENIED, refused_sentence(l, a)};
}

void intake_repute_urls(struct intake_letter *l)
{
    struct slice host[DNSLIST_URLS_MAX];
    bool asked = false;
    for (size_t i = 0; asks_lists(l) && i < l->in->dnslists->n; i++)
        asked |= (l->in->dnslists->v[i].about & DNSLIST_URL) != 0;
    if (!asked) return;
    size_t n = dnslist_hosts(&l->a, intake_text(l), host);
    int e = n ? ask(l, host, n, DNSLIST_URL) : 0;
    if (e) intake_fail(l, e, "The letter cannot be checked");
    else if (is_refused(l) && !l->for_duty)
        intake_refuse(l, ERR_DENIED, 550, "5.7.1", "%.*s", SLF(refused_sentence(l, &l->a)));
}

/* ---- coming again ---- */

/* Nothing says that the sender is who it says, and nothing that its machine is a mail server. */
static bool is_unvouched(const struct intake_letter *l)
{
    const struct mailauth_verdict *v = &l->verdict;
    return l->judged && v->iprev.code != IPREV_PASS && v->spf.code != SPF_PASS &&
           v->dkim.overall != DKIM_PASS;
}

static bool is_doubtful(const struct intake_letter *l)
{
    const struct dnslists *d = l->in->dnslists;
    bool listed = d && d->doubt && l->listed_score >= d->doubt;
    return listed || l->from.hasty || is_unvouched(l);
}

void intake_greylist(struct intake_letter *l)
{
    if (l->from.origin != INTAKE_STRANGER || !l->in->greylist || !is_doubtful(l)) return;
    int64_t left = greylist_ask(l->in->greylist, &l->from.peer, sender_domain(l));
    if (left)
        intake_refuse(
            l, ERR_BUSY, 451, "4.7.1",
            "Nothing vouches for this sender, and it comes for the first time: try again in %lld seconds",
            (long long)(left / RT_S + 1));
}
