/* list.c - letters to distribution lists (directory/maillist.h): who may write to one, who may leave it.
 *
 * A list makes many letters of one, so it takes only what somebody answers for: no automatic letters and none
 * without a sender (RFC 3834 section 2), none that looks like junk, none that has been there before, and,
 * where the list wants to know the author, none that nothing vouches for. How many an hour is the list's own
 * limit. All of this is said to who sends it, so that no list writes to strangers. */
#include "directory/maillist.h"
#include "intake_i.h"
#include "mail/addr.h"
#include "mail/domain.h"
#include "mail/submit.h"
#include "store/store.h"

static bool leads_to_list(const struct route *r) { return r->local && maillist_is(r->account); }

struct intake_refusal intake_list_rcpt(const struct intake_letter *l, struct slice address,
                                       const struct routes *routes, struct arena *a)
{
    const char *why = l->from.origin == INTAKE_OURS ? "that are made here"
                      : l->sender.n                 ? NULL
                                                    : "without a sender";
    for (size_t i = 0; why && i < routes->n; i++)
        if (leads_to_list(&routes->v[i]))
            return (struct intake_refusal){
                550, "5.7.2", ERR_DENIED,
                ar_printf(a, "%.*s leads to a list, which distributes no letters %s", SLF(address), why)};
    return (struct intake_refusal){0};
}

/* ---- the header section ---- */

/* RFC 3834 section 5; what programs said before there was that field. */
static bool is_automatic(struct arena *a, const struct mail_head *h)
{
    static const struct slice words[] = {SL_INIT("bulk"), SL_INIT("junk"), SL_INIT("auto_reply")};
    struct slice word, rest = mail_head_get(a, h, SL("Auto-Submitted"), NULL);
    struct slice precedence = mail_head_get(a, h, SL("Precedence"), NULL);
    bool is = sl_next(&rest, ';', &word) && sl_trim(word).n && !sl_eqi(sl_trim(word), SL("no"));
    for (size_t i = 0; i < COUNT_OF(words); i++) is |= sl_eqi(precedence, words[i]);
    return is;
}

/* What stands in the last <> of the field (RFC 2919 section 3). */
static struct slice id_in(struct slice body)
{
    size_t from = sl_rchr(body, '<');
    if (from == SL_NONE) return sl_trim(body);
    size_t to = sl_chr(sl_from(body, from), '>');
    return sl_trim(sl_sub(body, from + 1, to == SL_NONE ? body.n : from + to));
}

/* What a list distributes says so, twice. */
static bool has_been_there(struct arena *a, const struct mail_head *h, const struct maillist *list)
{
    struct slice id = maillist_list_id(a, list);
    for (size_t i = 0; i < h->n; i++) {
        struct slice body = h->field[i].body;
        if (sl_eqi(h->field[i].name, SL("List-Id")) && sl_eqi(id_in(mail_unfold(a, body)), id)) return true;
        if (sl_eqi(h->field[i].name, SL("Delivered-To")) && sl_eqi(sl_trim(body), list->address)) return true;
    }
    return false;
}

/* ---- the author ---- */

/* The one author; false: there is none, or several. */
static bool author_of(struct intake_letter *l, struct slice *out)
{
    struct mail_addrs from;
    struct slice domain;
    const struct mail_field *f = mail_head_find(&l->parsed, SL("From"), 0);
    if (!f || mail_head_count(&l->parsed, SL("From")) != 1) return false;
    if (mail_addrs_parse(&l->a, f->body, &from) != 0 || from.n != 1 || from.bad) return false;
    if (intake_ascii_domain(&l->a, from.v[0].domain, &domain) != 0) return false;
    *out = mail_addr_join(&l->a, from.v[0].local, domain);
    return true;
}

/* Our users, and those that another server of ours has judged, are who they say. In what a user sends again
 * From is somebody else (RFC 5322 section 3.6.6). */
static bool is_proven(const struct intake_letter *l, struct slice author)
{
    const struct dmarc_result *d = &l->verdict.dmarc;
    struct mail_resent again;
    if (intake_is_bound(&l->from)) return !mail_resent(&l->parsed, &again);
    if (l->from.origin != INTAKE_STRANGER) return true;
    return l->judged && d->from_state == DMARC_FROM_ONE && (d->spf_aligned || d->dkim_aligned) &&
           sl_eqi(d->author, sl_from(author, sl_rchr(author, '@') + 1));
}

/* What the DNS did not say now may prove it another time. */
static bool may_be_proven_later(const struct intake_letter *l)
{
    const struct mailauth_verdict *v = &l->verdict;
    return l->judged && (v->dmarc.code == DMARC_TEMPERROR || v->spf.code == SPF_TEMPERROR ||
                         v->dkim.overall == DKIM_TEMPERROR);
}

/* The author, or refused. */
static bool prove(struct intake_letter *l, const struct maillist *list, struct slice *author)
{
    if (author_of(l, author) && is_proven(l, *author)) return true;
    if (may_be_proven_later(l))
        intake_refuse(l, ERR_DNS, 451, "4.4.3",
                      "Who wrote this letter to the list %.*s cannot be looked up now; try again later",
                      SLF(list->address));
    else
        intake_refuse(
            l, ERR_DENIED, 550, "5.7.2",
            "The list %.*s wants to know who writes, and nothing proves the one author of this letter: "
            "neither SPF nor a signature of the domain in From",
            SLF(list->address));
    return false;
}

/* May one of those that the author is known by write to it? A user is known by the account, too. */
static int is_known(struct intake_letter *l, const struct maillist *list, struct slice author, bool *yes)
{
    struct slice who[] = {author, l->from.account ? l->from.account->address : SL("")};
    int e = 0;
    *yes = false;
    for (size_t i = 0; !e && !*yes && i < COUNT_OF(who); i++) {
        if (!who[i].n) continue;
        *yes = sl_eqi(who[i], list->owner) || maillist_names_sender(list, who[i]);
        if (!*yes && list->post == MAILLIST_BY_MEMBERS)
            e = maillist_has(l->in->store->directory, list, who[i], yes);
    }
    return e;
}

/* Our signature, which speaks for the list, would speak for such an author as well (DMARC's relaxed
 * alignment): then even a list that anyone may write to wants proof. */
static bool is_vouched_by_us(struct intake_letter *l, const struct maillist *list, struct slice author)
{
    struct slice domain = sl_from(author, sl_rchr(author, '@') + 1);
    bool here = true;
    if (domain_is_local(l->in->store->directory, domain, &here) != 0 || here) return true;
    return domain_within(domain, list->domain) || domain_within(list->domain, domain);
}

static void judge_post(struct intake_letter *l, const struct maillist *list)
{
    struct slice author;
    bool open = list->post == MAILLIST_BY_ANYONE, known = open;
    bool proven = open && author_of(l, &author) && !is_vouched_by_us(l, list, author);
    if (!proven && !prove(l, list, &author)) return;
    int e = open ? 0 : is_known(l, list, author, &known);
    if (e) intake_fail(l, e, "The members of the list cannot be read");
    else if (!known)
        intake_refuse(l, ERR_DENIED, 550, "5.7.2",
                      "%.*s may not write to the list %.*s; its owner is %.*s-owner@%.*s", SLF(author),
                      SLF(list->address), SLF(list->local), SLF(list->domain));
    else if (l->junk_words || (l->judged && l->verdict.disposition == MAILAUTH_QUARANTINE))
        intake_refuse(l, ERR_DENIED, 550, "5.7.1", "The list %.*s does not distribute what looks like junk",
                      SLF(list->address));
    else if (!list->members)
        intake_refuse(l, ERR_DENIED, 550, "5.7.2", "The list %.*s has no members", SLF(list->address));
}

static void judge_leave(struct intake_letter *l, const struct maillist *list)
{
    struct slice author;
    bool member = false;
    if (!prove(l, list, &author)) return;
    int e = maillist_has(l->in->store->directory, list, author, &member);
    if (e) intake_fail(l, e, "The members of the list cannot be read");
    else if (!member)
        intake_refuse(l, ERR_DENIED, 550, "5.7.2", "%.*s is no member of the list %.*s", SLF(author),
                      SLF(list->address));
}

/* ---- the lists of a letter ---- */

/* The list behind a route, as it is now. Refused: false. */
static bool read_list(struct intake_letter *l, const struct letter_rcpt *to, struct maillist *out)
{
    int e = maillist_get(l->in->store->directory, &l->a, to->route.address, out);
    if (!e && !sl_eq(sl_cstr(out->id), sl_cstr(to->route.account + 2))) e = ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND)
        intake_refuse(l, e, 550, "5.1.1", "The list %.*s is gone", SLF(to->route.address));
    else if (e) intake_fail(l, e, "The list cannot be read");
    return !e;
}

void intake_list_judge(struct intake_letter *l)
{
    for (size_t i = 0; i < l->nrcpt && !l->refusal.code; i++) {
        struct maillist list;
        const struct letter_rcpt *to = &l->rcpt[i];
        if (!leads_to_list(&to->route) || !read_list(l, to, &list)) continue;
        if (is_automatic(&l->a, &l->parsed))
            intake_refuse(l, ERR_DENIED, 550, "5.7.2",
                          "The list %.*s takes no automatic letters (RFC 3834); an alias does",
                          SLF(list.address));
        else if (has_been_there(&l->a, &l->parsed, &list))
            intake_refuse(l, ERR_STATE, 554, "5.4.6",
                          "The letter was distributed by the list %.*s before and has come back",
                          SLF(list.address));
        else if (maillist_is_leave(to->route.account)) judge_leave(l, &list);
        else judge_post(l, &list);
    }
}

/* ---- how many ---- */

static struct allowance_of limit_of(const struct letter_rcpt *to, uint32_t hourly)
{
    struct allowance_of of = {
        .id = to->route.account, .limits = SENDER_LIMITS_UNSET, .key_limits = SENDER_LIMITS_UNSET};
    for (int k = 0; k < SENDER_LIMITS; k++) of.limits.v[k] = SENDER_UNLIMITED;
    of.limits.v[SENDER_LETTERS_HOUR] = hourly;
    return of;
}

static const struct allowance_want one_letter = {.letters = 1};

void intake_list_take(struct intake_letter *l)
{
    for (size_t i = 0; l->in->allowance && i < l->nrcpt && !l->refusal.code; i++) {
        struct maillist list;
        struct allowance_end end;
        const struct letter_rcpt *to = &l->rcpt[i];
        if (!to->route.local || !maillist_is_post(to->route.account) || !read_list(l, to, &list)) continue;
        struct allowance_of of = limit_of(to, list.hourly);
        int e = allowance_take(l->in->allowance, &of, &one_letter, &end);
        if (!e) l->list_letters++;
        else if (e == ERR_LIMIT)
            intake_refuse(l, e, 450, "4.7.1",
                          "The list %.*s distributes %u letters an hour, and has; try again later",
                          SLF(list.address), list.hourly);
        else intake_fail(l, e, "What the list distributed lately cannot be read");
    }
}

void intake_list_return(struct intake_letter *l)
{
    for (size_t i = 0; l->list_letters && i < l->nrcpt; i++) {
        const struct letter_rcpt *to = &l->rcpt[i];
        if (!to->route.local || !maillist_is_post(to->route.account)) continue;
        struct allowance_of of = limit_of(to, 0);
        allowance_return(l->in->allowance, &of, &one_letter);
        l->list_letters--;
    }
}
